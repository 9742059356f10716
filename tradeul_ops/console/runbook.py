"""The runbook: for each kind of finding what it means, why it comes, and what to do. Judges nothing; see sentence.

docs/runbook.md is this as a file: `python -m tests.docs` writes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


@dataclass(frozen=True)
class Entry:
    """`kind`: what the keys of such findings begin with. `causes`: why, and what then helps, the likeliest first."""

    kind: str
    title: Text
    means: Text
    causes: tuple[tuple[Text, Text], ...]

    @property
    def anchor(self) -> str:
        return self.kind.strip("/").replace("/", "-")


ENTRIES = (
    Entry(
        "away/",
        _("A source could not be read"),
        _("A server did not answer, so part of the page is stale: it shows what was last known, and since when."),
        (
            (_("The server is down or restarting."), _("Start it. Everything goes on by itself within a few seconds.")),
            (
                _("The address or the password changed."),
                _("Correct REDIS_URL, CELERY_BROKER_URL or DATABASE_URL, and restart web, worker and beat."),
            ),
            (
                _("The user may not run a command (NOPERM), or the connection is refused by TLS."),
                _("The finding names the command. Verify shows what each server answers."),
            ),
        ),
    ),
    Entry(
        "processes/worker",
        _("No worker lives"),
        _("Nothing is trimmed, built or dropped by the console. Producers still hold the ceilings of their streams."),
        (
            (_("The process ended."), _("Start it, and read the end of its log.")),
            (_("It can't reach the broker."), _("python manage.py alive worker says so. Start the broker.")),
            (
                _("It is busy with one long task."),
                _("Jobs shows when each task last ended. Wait for it, or start a second worker."),
            ),
        ),
    ),
    Entry(
        "processes/beat",
        _("No beat lives"),
        _("Nothing new is scheduled; the worker finishes what it has."),
        (
            (_("The process ended."), _("Start it: one beat, never two hosts with one each for long.")),
            (_("It can't reach the broker."), _("Start the broker; beat goes on by itself.")),
        ),
    ),
    Entry(
        "streams/memory",
        _("Redis nears its ceiling"),
        _("At maxmemory Redis refuses writes: XADD fails in every producer. Trimming still works."),
        (
            (
                _("A stream's limit is too generous."),
                _("Streams, sorted by bytes: lower the limit of the largest; it acts at once."),
            ),
            (_("A stream has no limit."), _("Streams lists them with a suggested limit each.")),
            (_("Keys that are no streams grew."), _("redis-cli --bigkeys; they are not the console's to bound.")),
            (
                _("The ceiling is too low for this market."),
                _("Raise maxmemory: CONFIG SET maxmemory, and the server's file."),
            ),
        ),
    ),
    Entry(
        "streams/eviction",
        _("Redis evicts whole keys"),
        _("When full, it deletes whole streams with their groups, in place of refusing one write."),
        (
            (
                _("maxmemory-policy is another than noeviction."),
                _("CONFIG SET maxmemory-policy noeviction, and the server's file."),
            ),
        ),
    ),
    Entry(
        "streams/nodes",
        _("A node of the cluster does not answer"),
        _("Its streams are neither read nor trimmed; those of the other nodes are."),
        ((_("The node is down, or not reached from here."), _("Start it; the next sweep goes on with its streams.")),),
    ),
    Entry(
        "streams/of/",
        _("A stream is over its limit, or held"),
        _("It is longer, older or larger than its limit says, or what could be trimmed is kept for a group."),
        (
            (
                _("A consumer group has not read or acknowledged what is there."),
                _(
                    "The stream's page names it, with what it still needs. Repair the consumer; at the ceiling the cap "
                    "wins, and the loss is on record."
                ),
            ),
            (_("The limit is switched off."), _("Switch it on; the page shows first what that takes from whom.")),
            (_("No sweep ran for a while."), _("Look at Jobs: trim what is due. Start worker or beat.")),
            (
                _("The last trim failed."),
                _("The stream's page has the error. A key of another type can't be bounded: rename or delete it."),
            ),
            (
                _("It grows faster than a sweep is due."),
                _("Shorten trim_interval, or have its producer use the library, which trims on every XADD."),
            ),
        ),
    ),
    Entry(
        "streams/group/",
        _("A group is abandoned"),
        _("Nobody reads in it, while entries are kept for it."),
        (
            (_("Its service is down."), _("Start it: what it needs is kept up to the ceiling.")),
            (
                _("Its service was retired or renamed."),
                _(
                    "Destroy the group on the stream's page, which shows what it had not read. Or set "
                    "ignore_groups_idle_for, so that it is not waited for."
                ),
            ),
        ),
    ),
    Entry(
        "streams/nameless",
        _("Streams that no limit can name"),
        _("Beat never trims them: nothing bounds one that its producer does not bound."),
        (
            (
                _("A service made the key from bytes that are no UTF-8 text, or from nothing."),
                _(
                    "Mend the service. Streams lists each as redis-cli takes it at its prompt: RENAME gives it a name, "
                    "and then a limit is for it; XTRIM and DEL act at once."
                ),
            ),
            (
                _("The key is longer than 512 characters, or holds a NUL."),
                _("A shorter one, in the service; until then XTRIM by hand."),
            ),
        ),
    ),
    Entry(
        "streams/unmanaged",
        _("Streams without a limit"),
        _("They grow until they have one."),
        (
            (
                _("A service writes to a new stream."),
                _(
                    "Streams suggests a limit for each, and one click gives it; what a group would lose by it is asked "
                    "about first. A pattern bounds a whole family."
                ),
            ),
            (
                _("Somebody else bounds it."),
                _("Give it a limit above theirs: it then costs nothing, and it is watched."),
            ),
        ),
    ),
    Entry(
        "snapshots/",
        _("A snapshot is late, failed or can't be followed"),
        _("Readers keep what was published last, until it expires."),
        (
            (
                _("Its source is missing or can't be read."),
                _("The snapshot's page has the sentence. Start the service that writes the key."),
            ),
            (
                _("Some records can't be published."),
                _("They are named with the reason and stay as they were; the others go on."),
            ),
            (_("Redis refused the write: out of memory."), _("See “Redis nears its ceiling”.")),
            (
                _("Readers can't follow the chain."),
                _("Rebuild it from its page: a new epoch begins with a full, and readers take it."),
            ),
            (
                _("Two processes publish under one name."),
                _("The second is refused and logs so. Give it a name of its own, or stop it."),
            ),
        ),
    ),
    Entry(
        "hypertables/jobs",
        _("Jobs of the database need a look"),
        _("TimescaleDB's scheduler could not run them, or others than the policies' fail."),
        (
            (
                _("Too few background workers."),
                _("Raise timescaledb.max_background_workers and max_worker_processes; restart PostgreSQL."),
            ),
            (_("A job of somebody else's fails."), _("Jobs has its error and its owner.")),
        ),
    ),
    Entry(
        "hypertables/",
        _("A table is not bounded as its policy says"),
        _("Rows are older than drop_after, a job fails, or the database differs from the policy."),
        (
            (_("The job failed."), _("The table's page has its error and a cure. Run it now once that is done.")),
            (
                _("Somebody changed the policy in the database (drift)."),
                _("Adopt what is there, or re-apply the policy; both show first what they do."),
            ),
            (
                _("The policy is disabled, or a grace runs."),
                _("Enable it. During a grace rows wait on purpose, and one click undoes it."),
            ),
            (
                _("A lock is held by a long transaction."),
                _(
                    "SELECT * FROM pg_stat_activity WHERE state <> 'idle' ORDER BY xact_start; end it if it is "
                    "nobody's."
                ),
            ),
            (_("The edition changed."), _("python manage.py timescale upgrade follows it.")),
        ),
    ),
)


def entry_of(key: str) -> Entry:
    """The most particular entry for a finding's key. Raises KeyError for a kind that nobody wrote one for."""
    found = [entry for entry in ENTRIES if key.startswith(entry.kind)]
    if not found:
        raise KeyError(key)
    return max(found, key=lambda entry: len(entry.kind))
