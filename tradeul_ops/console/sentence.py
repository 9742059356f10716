"""Says in one sentence how things stand, and in one each what is wrong. Decides from the panels; reads nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext, ngettext

from snapshots.engine.names import is_chain
from streams.metrics import NamelessFound
from tradeul_ops.console.overview import Overview
from tradeul_ops.console.panels import Panel, Value
from tradeul_ops.console.runbook import entry_of
from tradeul_ops.console.templatetags.figures import bytes_, clock

SEVERITY = {"within": 0, "attention": 1, "unknown": 2, "over": 3}  # a server that is away outranks a slow group
MEMORY_ATTENTION_RATIO = 0.8
NAMED = 3  # streams in a sentence


@dataclass(frozen=True)
class Finding:
    """A plain sentence, and the page where it is cured, with what to do there. `key`: what it is about.

    The key stays while the sentence's numbers change; it begins with the panel that the finding comes from.
    """

    key: str
    condition: str
    text: str
    link: str
    action: str

    @property
    def runbook(self) -> str:
        """The section that says why such a thing comes, and what to do."""
        return f"{reverse('runbook')}#{entry_of(self.key).anchor}"


@dataclass(frozen=True)
class Sentence:
    condition: str
    word: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """What an overview amounts to; `findings` the worst first."""

    sentence: Sentence
    findings: tuple[Finding, ...]


def judge(overview: Overview) -> Verdict:
    found = _findings(overview)
    return Verdict(_sentence(overview, found), found)


def _findings(overview: Overview) -> tuple[Finding, ...]:
    found = [*_stale(overview), *_processes(overview), *_memory(overview), *_things(overview)]
    return tuple(sorted(found, key=lambda finding: -SEVERITY[finding.condition]))


def _sentence(overview: Overview, found: tuple[Finding, ...]) -> Sentence:
    if found:
        first, rest = found[0], len(found) - 1
        worst = first.condition
        word = {"over": gettext("Act."), "attention": gettext("Look."), "unknown": gettext("Unknown.")}[worst]
        more = gettext(" And {rest} more.").format(rest=rest) if rest else ""
        return Sentence(worst, word, first.text + more)
    streams = overview.streams.value
    assert streams is not None  # a panel without a value is a finding
    ceiling = streams.memory.maxmemory_bytes
    of = f" of {bytes_(ceiling)}" if ceiling else ""
    enabled = sum(glance.enabled for glance in streams.glances)
    bounded = (
        gettext("All {enabled} streams are within their limits").format(enabled=enabled)
        if enabled != 1
        else gettext("The one stream is within its limit")
    )
    return Sentence(
        "within",
        gettext("Bounded."),
        gettext("{bounded}; Redis uses {used_bytes}{of}.").format(
            bounded=bounded, used_bytes=bytes_(streams.memory.used_bytes), of=of
        ),
    )


def _stale(overview: Overview) -> list[Finding]:
    return [
        Finding(
            f"away/{panel.name}",
            "unknown",
            gettext("{name} not read since {read_at}: {error}.").format(
                name=panel.name, read_at=clock(panel.read_at), error=panel.error.rstrip(".")
            )
            if panel.read_at
            else gettext("{name} could not be read: {error}.").format(name=panel.name, error=panel.error.rstrip(".")),
            reverse("verify"),
            gettext("Check each server"),
        )
        for panel in overview.panels
        if panel.stale
    ]


def _processes(overview: Overview) -> list[Finding]:
    processes = _fresh(overview.processes)
    if processes is None:
        return []
    effect = {"worker": gettext("nothing is trimmed, built or dropped"), "beat": gettext("nothing new is scheduled")}
    return [
        Finding(
            f"processes/{late.role}",
            "over",
            gettext("No {role} has said that it lives since {last_seen}: {effect}.").format(
                role=late.role, last_seen=clock(late.last_seen), effect=effect[late.role]
            )
            if late.last_seen
            else gettext("No {role} has said that it lives within the hour: {effect}.").format(
                role=late.role, effect=effect[late.role]
            ),
            reverse("jobs"),
            gettext("See what did not run, and start it"),
        )
        for late in processes.late
    ]


def _memory(overview: Overview) -> list[Finding]:
    streams = _fresh(overview.streams)
    if streams is None:
        return []
    memory, found = streams.memory, []
    if memory.away:
        text = gettext("Of the cluster {nodes} does not answer: Redis' memory is told without it.").format(
            nodes=", ".join(memory.away)
        )
        found.append(Finding("streams/nodes", "unknown", text, reverse("verify"), gettext("Check each server")))
    if memory.maxmemory_bytes and memory.used_bytes >= MEMORY_ATTENTION_RATIO * memory.maxmemory_bytes:
        condition = "over" if memory.used_bytes >= memory.maxmemory_bytes else "attention"
        text = gettext("Redis uses {used_bytes} of the {maxmemory_bytes} it may.").format(
            used_bytes=bytes_(memory.used_bytes), maxmemory_bytes=bytes_(memory.maxmemory_bytes)
        )
        largest = f"{reverse('streams:list')}?sort=bytes"
        found.append(
            Finding("streams/memory", condition, text, largest, gettext("Lower the limit of the largest stream"))
        )
    if memory.evicts_whole_keys:
        text = gettext(
            "Redis evicts by {policy}: when full it deletes whole streams with their groups. Use noeviction."
        ).format(policy=memory.policy)
        found.append(Finding("streams/eviction", "attention", text, reverse("verify"), gettext("See the command")))
    return found


def _things(overview: Overview) -> list[Finding]:
    found = [*_streams(overview), *_snapshots(overview), *_hypertables(overview)]
    return [finding for finding in found if finding.condition != "within"]


def _streams(overview: Overview) -> Iterator[Finding]:
    streams = _fresh(overview.streams)
    if streams is None:
        return
    for row in (row for row in streams.glances if row.condition != "within"):
        link, key = reverse("streams:stream", args=[row.stream]), f"streams/of/{row.stream}"
        text = row.why if row.why.startswith(f"{row.stream} ") else f"{row.stream}: {row.why}"
        if row.enabled:
            action = gettext("See who holds it") if row.held_by else gettext("Look at the stream")
            yield Finding(key, row.condition, text, link, action)
        elif row.condition == "over":
            limit = reverse("streams:limit", args=[row.limit_id])
            yield Finding(key, row.condition, text, limit, gettext("Switch its limit on"))
    enabled = {row.stream for row in streams.glances if row.enabled}
    for group in (group for group in streams.abandoned if group.stream in enabled):
        link, key = reverse("streams:stream", args=[group.stream]), f"streams/group/{group.stream}/{group.name}"
        action = gettext("Look at the group, destroy it")
        yield Finding(key, "attention", group.sentence(streams.read_at), link, action)
    if unmanaged := [name for name in streams.unmanaged if not is_chain(name)]:
        yield _unmanaged(unmanaged)
    if streams.nameless:
        yield _nameless(streams.nameless)


def _unmanaged(names: Sequence[str]) -> Finding:
    """One for all of them: each is cured in the same way, and there may be thousands."""
    if len(names) == 1:
        text = gettext("{stream} has no limit and grows until it has one.").format(stream=names[0])
        link = reverse("streams:stream", args=[names[0]])
        return Finding("streams/unmanaged", "attention", text, link, gettext("Give it a limit"))
    more = gettext(" and {number} more").format(number=len(names) - NAMED) if len(names) > NAMED else ""
    text = gettext("{number} streams have no limit and grow until they have one: {names}{more}.").format(
        number=len(names), names=", ".join(names[:NAMED]), more=more
    )
    section = reverse("streams:list") + "#unmanaged"
    return Finding("streams/unmanaged", "attention", text, section, gettext("Give them limits"))


def _nameless(found: NamelessFound) -> Finding:
    number, named = len(found), [f"{one.key} ({_entries(one.length)})" for one in found.longest[:NAMED]]
    more = gettext(" and {number} more").format(number=f"{number - NAMED:,}") if number > NAMED else ""
    said = ngettext(
        "{number} stream has a key that no limit can name, and beat never trims it: {names}{more}.",
        "{number} streams have keys that no limit can name, and beat never trims them: {names}{more}.",
        number,
    )
    text = said.format(number=f"{number:,}", names=", ".join(named), more=more)
    return Finding("streams/nameless", "attention", text, reverse("streams:list") + "#nameless", gettext("See how"))


def _entries(length: int | None) -> str:
    return (
        gettext("length unknown")
        if length is None
        else ngettext("{length} entry", "{length} entries", length).format(length=f"{length:,}")
    )


def _snapshots(overview: Overview) -> Iterator[Finding]:
    if (snapshots := _fresh(overview.snapshots)) is not None:
        for row in (row for row in snapshots.rows if row.enabled):
            link = reverse("snapshots:policy", args=[row.policy_id])
            key, text = f"snapshots/{row.name}", gettext("Snapshot {name}: {why}").format(name=row.name, why=row.why)
            yield Finding(key, row.condition, text, link, gettext("Look at its builds"))


def _hypertables(overview: Overview) -> Iterator[Finding]:
    if (hypertables := _fresh(overview.hypertables)) is None:
        return
    if hypertables.jobs_trouble:
        text, action = hypertables.jobs_trouble, "Look at the jobs"
        yield Finding("hypertables/jobs", "attention", text, reverse("jobs"), action)
    for table in hypertables.rows:
        link, key = reverse("hypertables:table", args=[table.policy_id]), f"hypertables/{table.table}"
        yield Finding(key, table.condition, f"{table.table}: {table.why}", link, gettext("Look at its policy and jobs"))
    for view in hypertables.aggregates:
        link, key = reverse("hypertables:aggregate", args=[view.policy_id]), f"hypertables/{view.view}"
        yield Finding(key, view.condition, f"{view.view}: {view.why}", link, gettext("Look at its policy and jobs"))


def _fresh(panel: Panel[Value]) -> Value | None:
    """What was true when a source last answered is shown, but is no finding of now."""
    return None if panel.stale else panel.value
