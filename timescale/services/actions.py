"""What an operator asks of one table now: plans it for the confirmation, queues it, has a worker do it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from celery import signature
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError as BrokerError

from timescale.engine.drift import Job, Kind
from timescale.engine.durations import spell
from timescale.engine.edition import Edition
from timescale.engine.policies import WantedTable, WantedView
from timescale.models import TableAction
from timescale.services.action_work import STEP_LIMIT, chunks_word, compressible, work
from timescale.services.arguments import ActionRefused, read_duration, read_moment, write_duration
from timescale.services.missed import kept_by
from timescale.services.previews import PolicyRow, preview_drop
from timescale.store import actions, catalog
from timescale.store.errors import TimescaleError
from tradeul_ops import audit
from tradeul_ops.locks import one_at_a_time

STALE_AFTER = timedelta(minutes=30)  # of a running action whose worker says nothing more
Verb = TableAction.Verb
Phase = TableAction.Phase

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What a confirmation shows. `consent` comes back with it, so that it confirms this and not something larger."""

    verb: TableAction.Verb
    relation: str
    sentence: str
    warnings: tuple[str, ...]
    steps: int | None
    consent: str
    arguments: dict[str, Any]
    destroys: bool = False


def plan_action(row: PolicyRow, verb: str, arguments: dict[str, Any], *, now: datetime) -> Plan:
    """Changes nothing. Raises ActionRefused, and TimescaleError where the catalogue can't be read."""
    wanted, seen = row.wanted(), catalog.read_catalog(connection)
    match verb, wanted:
        case Verb.COMPRESS, WantedTable():
            return _plan_compression(wanted, seen, arguments, now=now)
        case Verb.DROP, WantedTable():
            return _plan_drop(wanted, arguments, now=now)
        case Verb.REFRESH, WantedView():
            return _plan_refresh(wanted, seen, arguments, now=now)
        case Verb.RUN_JOB, _:
            return _plan_run(wanted.name, seen, arguments)
    raise ActionRefused(_("{name}: there is no {verb} for it.").format(name=wanted.name, verb=verb))


def request_action(
    row: PolicyRow, verb: str, arguments: dict[str, Any], *, consent: str, user: Any, now: datetime
) -> TableAction:
    """Queues it, with its audit line. Raises ActionRefused, also where what it would do is no longer what was shown."""
    plan = plan_action(row, verb, arguments, now=now)
    if plan.consent != consent:
        raise ActionRefused(
            _("What it would do has changed since it was shown. Now: {sentence}").format(sentence=plan.sentence)
        )
    if TableAction.objects.filter(relation=plan.relation, phase__in=[Phase.QUEUED, Phase.RUNNING]).exists():
        raise ActionRefused(
            _("{relation}: something is already under way. Wait for its end.").format(relation=plan.relation)
        )
    with transaction.atomic():
        action: TableAction = TableAction.objects.create(
            relation=plan.relation,
            verb=plan.verb,
            arguments=plan.arguments,
            asked_at=now,
            asked_by=user.get_username(),
            steps_total=plan.steps,
        )
        said = {str(plan.verb.label): (None, plan.sentence.rstrip("."))}
        audit.record(user_id=user.pk, row=row, flag=audit.CHANGED, changes=said)
        transaction.on_commit(partial(_send, action))
    return action


def retry_job(row: PolicyRow, job_id: int, *, user_id: int) -> None:
    """The server's scheduler starts it within seconds. Raises ActionRefused and TimescaleError."""
    job = _job(catalog.read_catalog(connection), row.wanted().name, job_id)
    with transaction.atomic():
        actions.retry_job(connection, job.job_id, relation=job.relation)
        said = {f"retry {job.kind} job {job.job_id}": (job.last_status, "now")}
        audit.record(user_id=user_id, row=row, flag=audit.CHANGED, changes=said)


def perform_action(action_id: int) -> None:
    """In a worker: does it to its end, and says how far it is. An action that is not queued any more is left alone."""
    claimed = TableAction.objects.filter(pk=action_id, phase=Phase.QUEUED)
    if not claimed.update(phase=Phase.RUNNING, started_at=timezone.now()):
        return
    action = TableAction.objects.get(pk=action_id)
    phase, detail = Phase.DONE, ""
    try:
        with one_at_a_time(f"timescale.action.{action.relation}") as mine:
            if not mine:
                raise ActionRefused(f"{action.relation}: another action runs on it.")
            for done, detail in work(action):
                TableAction.objects.filter(pk=action_id).update(steps_done=done, detail=detail)
    except (TimescaleError, ValidationError) as error:
        why = error.messages[0] if isinstance(error, ValidationError) else str(error)
        phase, detail = Phase.FAILED, f"{detail} {why}".strip()
        logger.warning("%s of %s: %s", action.verb, action.relation, why)
    TableAction.objects.filter(pk=action_id).update(phase=phase, detail=detail, finished_at=timezone.now())


def fail_lost_actions(*, now: datetime) -> int:
    """An action whose worker went away, or that none has taken, must not look as if it were going on."""
    lost = Q(phase=Phase.RUNNING, started_at__lt=now - STALE_AFTER) | Q(
        phase=Phase.QUEUED, asked_at__lt=now - STALE_AFTER
    )
    why = "No worker has finished it. What it did so far stays; ask for it again."
    return int(TableAction.objects.filter(lost).update(phase=Phase.FAILED, finished_at=now, detail=why))


# --- plans -----------------------------------------------------------------------------------------------------------
def _plan_compression(wanted: WantedTable, seen: catalog.Catalog, said: dict[str, Any], *, now: datetime) -> Plan:
    _only_community(seen, "Compression")
    hypertable = seen.hypertables.get(wanted.table)
    if hypertable is None or not hypertable.columnstore:
        raise ActionRefused(_("{table} has no columnstore: set columnstore_after first.").format(table=wanted.table))
    older_than = read_duration(said, "older_than", default=wanted.columnstore.after if wanted.columnstore else None)
    chunks = compressible(wanted.table, older_than, now=now)
    if not chunks:
        raise ActionRefused(
            _("{table}: no chunk older than {older_than} waits to be compressed.").format(
                table=wanted.table, older_than=spell(older_than)
            )
        )
    sentence = _("Compress {number} {chunks} of {table} older than {older_than}.").format(
        number=len(chunks), chunks=chunks_word(len(chunks)), table=wanted.table, older_than=spell(older_than)
    )
    warning = _("Writing to a chunk waits while it is compressed; reading goes on.")
    return _plan(
        Verb.COMPRESS, wanted.table, sentence, (warning,), len(chunks), {"older_than": write_duration(older_than)}
    )


def _plan_drop(wanted: WantedTable, said: dict[str, Any], *, now: datetime) -> Plan:
    older_than = read_duration(said, "older_than", default=wanted.drop_after)
    preview = preview_drop(wanted, older_than, before=wanted.drop_after, until=None, now=now)
    if preview.problem:
        raise ActionRefused(preview.sentence)
    if not preview.drops:
        raise ActionRefused(
            _("{table}: nothing is older than {older_than}.").format(table=wanted.table, older_than=spell(older_than))
        )
    what = preview.sentence.partition("This drops ")[2]
    sentence = _("Drop now what is older than {older_than} from {table}: {what}").format(
        older_than=spell(older_than), table=wanted.table, what=what
    )
    arguments = {"older_than": write_duration(older_than)}
    # Not by the rows: those of a plain table grow while the page is read.
    consent = f"{Verb.DROP}:{arguments['older_than']}:{preview.chunks}"
    warnings = (*preview.starved, _("There is no undo."))
    return Plan(Verb.DROP, wanted.table, sentence, warnings, preview.chunks, consent, arguments, destroys=True)


def _plan_refresh(wanted: WantedView, seen: catalog.Catalog, said: dict[str, Any], *, now: datetime) -> Plan:
    _only_community(seen, _("A refresh"))
    start, end = read_moment(said, "start"), read_moment(said, "end")
    if end - start < wanted.bucket_width:
        raise ActionRefused(
            _("The window must hold one bucket of {bucket_width} at least.").format(
                bucket_width=spell(wanted.bucket_width)
            )
        )
    kept = kept_by(wanted.source)
    if kept is not None and start < now - kept:
        raise ActionRefused(
            _(
                "{source} keeps {kept}: a window that begins before {value} UTC would erase what {view} still "
                "holds of that time."
            ).format(source=wanted.source, kept=spell(kept), value=f"{now - kept:%Y-%m-%d %H:%M}", view=wanted.view)
        )
    sentence = _("Refresh {view} from {start} to {end} UTC.").format(
        view=wanted.view, start=f"{start:%Y-%m-%d %H:%M}", end=f"{end:%Y-%m-%d %H:%M}"
    )
    return _plan(Verb.REFRESH, wanted.view, sentence, (), 1, {"start": start.isoformat(), "end": end.isoformat()})


def _plan_run(name: str, seen: catalog.Catalog, said: dict[str, Any]) -> Plan:
    job = _job(seen, name, said.get("job_id"))
    does = {
        Kind.RETENTION: _("It drops what is older than its bound, at once."),
        Kind.COLUMNSTORE: _("It compresses the chunks that are old enough."),
        Kind.REFRESH: _("It refreshes its window."),
    }[job.kind]
    sentence = _("Run the {kind} job {job_id} of {name} now ({says}), for {limit} at most.").format(
        kind=job.kind, job_id=job.job_id, name=name, says=job.says, limit=spell(STEP_LIMIT)
    )
    plan = _plan(Verb.RUN_JOB, name, sentence, (does,), 1, {"job_id": job.job_id})
    return replace(plan, destroys=job.kind is Kind.RETENTION)


def _plan(
    verb: TableAction.Verb,
    relation: str,
    sentence: str,
    warnings: tuple[str, ...],
    steps: int | None,
    arguments: dict[str, Any],
) -> Plan:
    consent = ":".join((verb, *(str(value) for value in arguments.values())))
    return Plan(verb, relation, sentence, warnings, steps, consent, arguments)


def _send(action: TableAction) -> None:
    try:
        signature("timescale.perform_action", args=(action.pk,)).delay()
    except BrokerError as error:
        why = _("The broker does not answer ({error}): no worker knows of it. Ask again when it is back.").format(
            error=error
        )
        TableAction.objects.filter(pk=action.pk).update(phase=Phase.FAILED, detail=why, finished_at=timezone.now())


# --- what it stands on ------------------------------------------------------------------------------------------------
def _only_community(seen: catalog.Catalog, what: str) -> None:
    if seen.edition is not Edition.COMMUNITY:
        raise ActionRefused(
            _("{what} needs TimescaleDB's Community edition; this database has: {edition}.").format(
                what=what, edition=seen.edition
            )
        )


def _job(seen: catalog.Catalog, name: str, job_id: object) -> Job:
    for job in seen.jobs_of(name):
        if str(job.job_id) == str(job_id):
            return job
    raise ActionRefused(
        _("{name} has no job {job_id}: it was removed or made again. Look again.").format(name=name, job_id=job_id)
    )
