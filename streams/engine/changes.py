"""What a change of the rules does to the streams there are: whose limit changes, who wins, what is lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from streams.engine.limits import LARGEST
from streams.engine.loss import ANY_LOSS, LossPreview
from streams.engine.rules import Effective, Rule, Rules
from streams.engine.words import size_text

NAMED = 3  # in a sentence; the page has the table


@dataclass(frozen=True, slots=True)
class StreamChange:
    """One stream whose effective limit is another afterwards, or comes from another rule."""

    old: Effective
    new: Effective

    @property
    def stream(self) -> str:
        return self.new.stream

    @property
    def changes_limit(self) -> bool:
        return self.old.limit != self.new.limit

    @property
    def changes_winner(self) -> bool:
        return _key(self.old.own) != _key(self.new.own)


def stream_changes(before: Rules, after: Rules, *, streams: Iterable[str]) -> tuple[StreamChange, ...]:
    pairs = (StreamChange(before.effective(stream), after.effective(stream)) for stream in sorted(set(streams)))
    return tuple(pair for pair in pairs if pair.changes_limit or pair.changes_winner)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePreview:
    """`losses`: one for each stream whose limit changes, the gravest first. `matched`: streams of the edited pattern.

    `entries` and `bytes` are of the matched streams; None where one of them could not be read. `not_looked_into`: how
    many streams more change their limit, of which nobody has asked yet what they lose: `losses` are without them.
    """

    matched: tuple[str, ...] = ()
    entries: int | None = None
    bytes: int | None = None
    changes: tuple[StreamChange, ...] = ()
    losses: tuple[LossPreview, ...] = ()
    not_looked_into: int = 0
    warnings: tuple[str, ...] = ()
    is_glob: bool = False

    @property
    def winners(self) -> tuple[StreamChange, ...]:
        return tuple(change for change in self.changes if change.changes_winner)

    @property
    def at_most(self) -> int | None:
        """What groups may lose by it, in all streams; None: unknown."""
        asked = [loss.at_most for loss in self.losses if loss.needs_consent]
        return None if None in asked else sum(filter(None, asked))

    @property
    def needs_consent(self) -> bool:
        return any(loss.needs_consent for loss in self.losses)

    @property
    def consent(self) -> int:
        """How much a person agrees to lose: what is shown, and a little more, because streams move on meanwhile."""
        at_most = self.at_most
        return ANY_LOSS if at_most is None else min(LARGEST, at_most + max(100, at_most // 10))

    @property
    def groups(self) -> int:
        return sum(len(loss.groups) for loss in self.losses)

    def allowed_by(self, accepted_loss: int) -> bool:
        at_most = self.at_most
        return not self.needs_consent or accepted_loss >= (ANY_LOSS if at_most is None else at_most)

    @property
    def unbounded(self) -> tuple[str, ...]:
        """Streams that no limit is for afterwards."""
        return tuple(change.stream for change in self.changes if change.new.limit is None)

    @property
    def sentence(self) -> str:
        if not self.is_glob and len(self.losses) == 1 and not self.unbounded:
            return self.losses[0].sentence
        said = (self._matching(), self._winning(), self._losing(), self._looking(), self._leaving())
        return " ".join(filter(None, said))

    def _leaving(self) -> str:
        if not self.unbounded:
            return ""
        more = f" and {len(self.unbounded) - NAMED} more" if len(self.unbounded) > NAMED else ""
        grows = "grows" if len(self.unbounded) == 1 else "grow"
        return f"{', '.join(self.unbounded[:NAMED])}{more} {grows} from then on: no limit is left for it."

    def _matching(self) -> str:
        if not self.is_glob:
            return "" if self.changes else "Changes the limit of no stream."
        if not self.matched:
            return "Matches no stream that is known yet."
        size = "" if self.bytes is None else f", about {size_text(self.bytes)}"
        entries = "an unknown number of" if self.entries is None else f"{self.entries:,}"
        return f"Matches {_streams(len(self.matched))} with {entries} entries{size}."

    def _winning(self) -> str:
        winners = [one for one in self.winners if one.new.limit is not None]  # of the others _leaving tells
        if not winners:
            return ""
        said = [f"{one.stream} ({_named(one.old.own)} → {_named(one.new.own)})" for one in winners[:NAMED]]
        more = f" and {len(winners) - NAMED} more" if len(winners) > NAMED else ""
        return f"Another limit wins for {', '.join(said)}{more}."

    def _losing(self) -> str:
        asked = [loss for loss in self.losses if loss.needs_consent]
        if not asked:
            nothing = "Loses nothing unread." if not self.not_looked_into else "The longest lose nothing unread."
            return nothing if self.losses else ""
        said = " ".join(f"{loss.stream}: {loss.sentence}" for loss in asked[:NAMED])
        return said + (f" And {len(asked) - NAMED} more streams lose." if len(asked) > NAMED else "")

    def _looking(self) -> str:
        """Saving looks into all of them."""
        if not self.not_looked_into:
            return ""
        number = self.not_looked_into
        more = "1 more changes its limit and was" if number == 1 else f"{number:,} more change their limit and were"
        return f"{more} not looked into: saving does, and asks."


def _key(rule: Rule | None) -> str | None:
    return rule.key if rule else None


def _named(rule: Rule | None) -> str:
    return rule.pattern if rule else "none"


def _streams(number: int) -> str:
    return "1 stream" if number == 1 else f"{number:,} streams"
