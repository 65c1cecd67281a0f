"""What there is to tell, and what begins and ends: pure decisions over what lasts now and what
lasted at the last look.

A condition lasts or it does not, as the page Now shows it. Those that began together are parts of
one cause: one dead switch is one message, not twenty. A cause is told once it has settled, because
most faults are gone in a minute. It is over when nothing of it has lasted for a while, so that a
loose contact does not tell the same all night.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final, NamedTuple

from levity_trio.notify.kinds import Kind
from levity_trio.records import record
from levity_trio.store.reads.now.away import TOGETHER


class Place(NamedTuple):
    """Where something lasts: a charger and its connector, 0 for the whole charger; "" for the
    server itself."""

    charger: str
    connector: int = 0


class Condition(NamedTuple):
    """Something that lasts since a time. Only those of one `subject` have one cause. `words` are
    English."""

    kind: Kind
    subject: str
    place: Place
    since: datetime
    words: str | None = None


class Span(NamedTuple):
    """Since when a part of a cause lasts, and until when it did."""

    since: datetime
    until: datetime | None = None


@record
class Cause:
    """What began at some places and has one reason. `id` is 0 before it is stored; `found_at` is
    when it was found."""

    id: int = 0
    kind: Kind
    subject: str
    parts: Mapping[Place, Span] = field(default_factory=dict)
    words: str | None = None
    began_at: datetime
    found_at: datetime
    ended_at: datetime | None = None

    @property
    def lasting(self) -> list[Place]:
        """Where it lasts at present."""
        return [place for place, span in self.parts.items() if span.until is None]

    @property
    def calm_since(self) -> datetime | None:
        """Since when nothing of it has lasted, None while something does."""
        ends = [span.until for span in self.parts.values() if span.until is not None]
        return max(ends) if len(ends) == len(self.parts) else None


class Pace(NamedTuple):
    """How long conditions must last to be told (`settles`), how close together they begin that have
    one cause (`together`), and how long nothing must last for a cause to be over (`calm`)."""

    settles: timedelta
    together: timedelta
    calm: timedelta


LONGEST: Final = timedelta(minutes=10)
"""What began so long ago is told, even if more of it has just begun."""
_AT_ONCE: Final = Pace(timedelta(), timedelta(minutes=10), timedelta(minutes=5))
PACES: Final[Mapping[Kind, Pace]] = {
    Kind.FAULTED: Pace(timedelta(minutes=1), timedelta(minutes=10), timedelta(minutes=5)),
    # Chargers notice a dead network after three minutes, and start for as long when they have power
    # again.
    Kind.AWAY: Pace(TOGETHER, timedelta(minutes=5), timedelta(minutes=5)),
    Kind.COMMAND: Pace(timedelta(minutes=10), timedelta(minutes=10), timedelta(minutes=5)),
}


def changed(
    known: Sequence[Cause],
    present: Sequence[Condition],
    now: datetime,
    unknown: Collection[Kind] = (),
) -> list[Cause]:
    """Return the causes that began, changed or ended, as they are now. `known` are those that have
    not ended; of the kinds that are `unknown` at present, nothing changes."""
    known = [one for one in known if one.kind not in unknown]
    parts = defaultdict[int | None, list[Condition]](list)
    for condition in present:
        parts[_place_of(condition, known, now)].append(condition)
    continued = [_ended(_continued(cause, parts[n], now), now) for n, cause in enumerate(known)]
    return [
        *(after for before, after in zip(known, continued, strict=True) if before != after),
        *_begun(parts[None], now),
    ]


def _place_of(condition: Condition, known: Sequence[Cause], now: datetime) -> int | None:
    """Return which cause a condition is a part of: one that has it already, or else one that began
    together with it."""
    of_kind = [(n, cause) for n, cause in enumerate(known) if cause.kind is condition.kind]
    having = (n for n, cause in of_kind if _has(cause, condition, now))
    joined = (n for n, cause in of_kind if _began_together(cause, condition))
    return next(having, next(joined, None))


def _has(cause: Cause, condition: Condition, now: datetime) -> bool:
    span = cause.parts.get(condition.place)
    return span is not None and (span.until is None or now - span.until < _pace(cause.kind).calm)


def _began_together(cause: Cause, condition: Condition) -> bool:
    latest = max(span.since for span in cause.parts.values())
    return (
        cause.subject == condition.subject
        and abs(condition.since - latest) <= _pace(cause.kind).together
    )


def _continued(cause: Cause, lasting: Sequence[Condition], now: datetime) -> Cause:
    parts = {
        place: span if span.until else Span(span.since, now) for place, span in cause.parts.items()
    }
    for one in lasting:
        before = cause.parts.get(one.place)
        parts[one.place] = Span(before.since if before and _has(cause, one, now) else one.since)
    return replace(cause, parts=parts)


def _ended(cause: Cause, now: datetime) -> Cause:
    calm = cause.calm_since
    return (
        replace(cause, ended_at=calm)
        if calm is not None and now - calm >= _pace(cause.kind).calm
        else cause
    )


def _pace(kind: Kind) -> Pace:
    return PACES.get(kind, _AT_ONCE)


def _begun(conditions: Sequence[Condition], now: datetime) -> Iterator[Cause]:
    """Yield the causes of conditions that have settled; others wait for the next look."""
    for (_, subject), found in _grouped(conditions):
        for chain in _chains(sorted(found, key=lambda one: (one.since, one.place))):
            first, last = chain[0], chain[-1]
            if now - last.since >= _pace(first.kind).settles or now - first.since >= LONGEST:
                yield Cause(
                    kind=first.kind,
                    subject=subject,
                    parts={one.place: Span(one.since) for one in chain},
                    words=first.words,
                    began_at=first.since,
                    found_at=now,
                )


def _chains(in_order: Sequence[Condition]) -> Iterator[list[Condition]]:
    """Yield the conditions that began together."""
    chain: list[Condition] = []
    for one in in_order:
        if chain and one.since - chain[-1].since > _pace(one.kind).together:
            yield chain
            chain = []
        chain.append(one)
    if chain:
        yield chain


def _grouped(conditions: Sequence[Condition]) -> Iterator[tuple[tuple[Kind, str], list[Condition]]]:
    def key(one: Condition) -> tuple[Kind, str]:
        return one.kind, one.subject

    for value, some in groupby(sorted(conditions, key=key), key):
        yield value, list(some)
