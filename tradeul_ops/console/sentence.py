"""Says in one sentence how things stand, and in one each what is wrong. Decides from the panels; reads nothing."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from tradeul_ops.console.overview import Overview
from tradeul_ops.console.panels import Panel, Value
from tradeul_ops.console.templatetags.figures import bytes_, clock

SEVERITY = {"within": 0, "attention": 1, "unknown": 2, "over": 3}  # a server that is away outranks a slow group
MEMORY_ATTENTION_RATIO = 0.8


@dataclass(frozen=True)
class Finding:
    """A plain sentence, what it is about, and the page where it is cured."""

    condition: str
    text: str
    link: str = ""


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
        word = {"over": "Not bounded.", "attention": "Look.", "unknown": "Unknown."}[worst]
        more = f" And {rest} more." if rest else ""
        return Sentence(worst, word, first.text + more)
    streams = overview.streams.value
    assert streams is not None  # a panel without a value is a finding
    ceiling = streams.memory.maxmemory_bytes
    of = f" of {bytes_(ceiling)}" if ceiling else ""
    enabled = sum(row.enabled for row in streams.rows)
    bounded = f"All {enabled} streams are within their limits" if enabled != 1 else "The one stream is within its limit"
    return Sentence("within", "Bounded.", f"{bounded}; Redis uses {bytes_(streams.memory.used_bytes)}{of}.")


def _stale(overview: Overview) -> list[Finding]:
    return [
        Finding(
            "unknown",
            f"{panel.name} not read since {clock(panel.read_at)}: {panel.error}."
            if panel.read_at
            else f"{panel.name} could not be read: {panel.error}.",
        )
        for panel in overview.panels
        if panel.stale
    ]


def _processes(overview: Overview) -> list[Finding]:
    processes = _fresh(overview.processes)
    if processes is None:
        return []
    effect = {"worker": "nothing is trimmed, built or dropped", "beat": "nothing new is scheduled"}
    return [
        Finding(
            "over",
            f"No {late.role} has said that it lives since {clock(late.last_seen)}: {effect[late.role]}."
            if late.last_seen
            else f"No {late.role} has said that it lives within the hour: {effect[late.role]}.",
        )
        for late in processes.late
    ]


def _memory(overview: Overview) -> list[Finding]:
    streams = _fresh(overview.streams)
    if streams is None:
        return []
    memory, found = streams.memory, []
    if memory.maxmemory_bytes and memory.used_bytes >= MEMORY_ATTENTION_RATIO * memory.maxmemory_bytes:
        condition = "over" if memory.used_bytes >= memory.maxmemory_bytes else "attention"
        text = f"Redis uses {bytes_(memory.used_bytes)} of the {bytes_(memory.maxmemory_bytes)} it may."
        found.append(Finding(condition, text))
    if memory.evicts_whole_keys:
        text = f"Redis evicts by {memory.policy}: when full it deletes whole streams with their groups. Use noeviction."
        found.append(Finding("attention", text))
    return found


def _things(overview: Overview) -> list[Finding]:
    found = []
    if (streams := _fresh(overview.streams)) is not None:
        for row in (row for row in streams.rows if row.enabled or row.condition == "over"):
            link = reverse("streams:stream", args=[row.stream])
            found.append(Finding(row.condition, f"{row.stream}: {row.why}", link))
            found += [Finding("attention", group.sentence(streams.read_at), link) for group in row.abandoned]
    if (snapshots := _fresh(overview.snapshots)) is not None:
        for snapshot in (row for row in snapshots.rows if row.enabled):
            link = reverse("snapshots:policy", args=[snapshot.policy_id])
            found.append(Finding(snapshot.condition, f"Snapshot {snapshot.name}: {snapshot.why}", link))
    if (hypertables := _fresh(overview.hypertables)) is not None:
        for table in hypertables.rows:
            link = reverse("hypertables:table", args=[table.policy_id])
            found.append(Finding(table.condition, f"{table.table}: {table.why}", link))
    return [finding for finding in found if finding.condition != "within"]


def _fresh(panel: Panel[Value]) -> Value | None:
    """What was true when a source last answered is shown, but is no finding of now."""
    return None if panel.stale else panel.value
