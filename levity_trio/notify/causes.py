"""What there is to tell, and what begins and ends: pure decisions over what lasts now and what
lasted at the last look.

A condition lasts or it does not, as the page Now shows it. Those that began together are parts of
one cause: one dead switch is one message, not twenty. A cause is told once it has settled, because
most faults are gone in a minute. It is over when nothing of it has lasted for a while, so that a
loose contact does not tell the same all night.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from levity_trio.notify.kinds import MessageKind
from levity_trio.records import record


class CausePlace(NamedTuple):
    """Where something lasts: a charger and its connector, 0 for the whole charger; "" for the
    server itself. A backend is named as if it were a charger."""

    charger: str
    connector: int = 0


class Condition(NamedTuple):
    """Something that lasts since a time. Only those of one `subject` have one cause. `words` are
    English."""

    kind: MessageKind
    subject: str
    place: CausePlace
    since: datetime
    words: str | None = None


class Span(NamedTuple):
    """Since when a part of a cause lasts, and until when it did."""

    since: datetime
    until: datetime | None = None


@record
class MessageCause:
    """What began at some places and has one reason. `id` is 0 before it is stored; `found_at` is
    when it was found."""

    id: int = 0
    kind: MessageKind
    subject: str
    parts: Mapping[CausePlace, Span] = field(default_factory=dict)
    words: str | None = None
    began_at: datetime
    found_at: datetime
    ended_at: datetime | None = None

    @property
    def lasting(self) -> list[CausePlace]:
        """Where it lasts at present."""
        return [place for place, span in self.parts.items() if span.until is None]

    @property
    def calm_since(self) -> datetime | None:
        """Since when nothing of it has lasted, None while something does."""
        ends = [span.until for span in self.parts.values() if span.until is not None]
        return max(ends) if len(ends) == len(self.parts) else None


CALM: Final = timedelta(minutes=5)
"""A cause is over when nothing of it has lasted for so long."""
LONGEST: Final = timedelta(minutes=10)
"""What began so long ago is told, even if more of it has just begun."""


def changed(
    known: Sequence[MessageCause],
    present: Sequence[Condition],
    now: datetime,
    unknown: Collection[MessageKind] = (),
) -> list[MessageCause]:
    """Return the causes that began, changed or ended, as they are now. `known` are those that have
    not ended; of the kinds that are `unknown` at present, nothing changes."""
    known = [cause for cause in known if cause.kind not in unknown]
    lasting: list[list[Condition]] = [[] for _ in known]
    new: list[Condition] = []
    for condition in present:
        number = _cause_of(condition, known, now)
        if number is None:
            new.append(condition)
        else:
            lasting[number].append(condition)

    changes: list[MessageCause] = []
    for before, conditions in zip(known, lasting, strict=True):
        parts: dict[CausePlace, Span] = {}
        for place, span in before.parts.items():
            parts[place] = span if span.until else Span(span.since, now)
        for condition in conditions:
            since = condition.since
            # A loose contact goes on; what comes back later begins anew.
            if _has(before, condition, now):
                since = before.parts[condition.place].since
            parts[condition.place] = Span(since)

        after = replace(before, parts=parts)
        calm = after.calm_since
        if calm is not None and now - calm >= CALM:
            after = replace(after, ended_at=calm)
        if after != before:
            changes.append(after)
    changes.extend(_begun(new, now))
    return changes


def _cause_of(condition: Condition, known: Sequence[MessageCause], now: datetime) -> int | None:
    """Return which cause a condition is a part of: one that has it already, or else one that began
    together with it."""
    joined: int | None = None
    for number, cause in enumerate(known):
        if cause.kind is not condition.kind:
            continue
        if _has(cause, condition, now):
            return number
        latest = max(span.since for span in cause.parts.values())
        is_together = abs(condition.since - latest) <= cause.kind.how.together
        if joined is None and cause.subject == condition.subject and is_together:
            joined = number
    return joined


def _has(cause: MessageCause, condition: Condition, now: datetime) -> bool:
    """Whether a condition lasts in a cause, or was over for so short a time that it is the same."""
    span = cause.parts.get(condition.place)
    if span is None:
        return False
    return span.until is None or now - span.until < CALM


def _begun(conditions: Sequence[Condition], now: datetime) -> Iterator[MessageCause]:
    """Yield the causes of conditions that have settled; others wait for the next look."""

    def order(condition: Condition) -> tuple[str, str, datetime, CausePlace]:
        return condition.kind, condition.subject, condition.since, condition.place

    # Each begins soon after the one before it: a dead switch takes its chargers one by one.
    chains: list[list[Condition]] = []
    for condition in sorted(conditions, key=order):
        if chains:
            last = chains[-1][-1]
            is_alike = (last.kind, last.subject) == (condition.kind, condition.subject)
            if is_alike and condition.since - last.since <= last.kind.how.together:
                chains[-1].append(condition)
                continue
        chains.append([condition])

    for chain in chains:
        first, last = chain[0], chain[-1]
        has_settled = now - last.since >= first.kind.how.settles
        if not has_settled and now - first.since < LONGEST:
            continue
        yield MessageCause(
            kind=first.kind,
            subject=first.subject,
            parts={condition.place: Span(condition.since) for condition in chain},
            words=first.words,
            began_at=first.since,
            found_at=now,
        )
