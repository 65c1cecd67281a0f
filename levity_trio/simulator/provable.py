"""How much of a transaction's energy its messages prove, and how much nobody can prove.

The rules compare the true energy with the messages sent. They use nothing that a server derived
from them:

1. A register reported at two moments proves the energy between them if its difference is the true
   one. All moments at which the register differs from the truth by the same amount form one
   *count*, whatever its initial value. A count proves everything from its first moment to its last,
   whatever was reported in between. A register that repeats its value while energy flows proves
   only the value at which it stands.
2. A count that restarted at 0 proves what it shows: after a reset, or if readings count from 0 in
   each transaction. The restart is known from a higher register reported before it.
3. A register in a wrong unit (10 or 1000 times too high or too low) is a count if it fits at least
   three moments, including a correct start and stop.
4. A register that restarted at 0 exactly where a width ends (2^16, 2^31, 2^32, 10^6) rolled over.
   The stretch around the rollover is proved, but a server may take it for a reset: see
   `Proof.least_wh`.
5. A register that also counted another car (connectors that share a meter) shows the energy of
   both. Only the reported power separates the two, and it is reported for single moments. So under
   review any energy from 0 to the rise of the register is accepted: see `Proof.most_wh`. That it
   counted both can be seen, because both connectors report it. Only if the other car drew next to
   nothing, no review is expected (`is_hidden`).
6. If a start reports a register below the previous stop on the connector, and no reading of either
   transaction lies between the two, both transactions claim the same stretch and nobody knows whose
   it is: see `without_overlaps`.
7. If starts on a connector have reported registers from within the previous transaction, and the
   previous transaction has no stop, nobody knows whether this start does so again, and whose the
   energy before the next register is: see `without_start`.

Nothing else is a proof: power times time is not a register. Energy that no count spans was
delivered but cannot be proved; each such stretch has a class. Messages that were never sent, or
were thrown away, prove nothing.

A transaction *is contradicted* if its reported register falls, other than by a rollover or by
readings that count from 0, or if a message was sent twice with different values: anybody can see
that something is wrong. It *is honest* if nothing is lost and its start, its stop and all its
readings are one count. Two deviations are honest too: readings that count from 0 beside a correct
start and stop, and a register that lags and catches up, as it never reports too much. A start and a
stop alone that are further apart than any AC charger delivers are not: nobody knows that charger's
power.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

from levity_trio.records import record
from levity_trio.simulator.ledger import METER_VALUES, SHARED_METER, START, STOP, Entry

WIDTHS: Final = (2**16, 10**6, 2**31, 2**32)
"""A register of this width restarts at 0 after so many Wh."""
_FACTORS: Final = (Decimal(1), Decimal(1000), Decimal(10), Decimal("0.1"), Decimal("0.001"))
_LEAST_SCALED: Final = 3
_POWER_TOLERANCE: Final = Decimal("1.1")
_AC_W: Final = 43_000
_LITTLE_WH: Final = 1000
"""What another car may have drawn from the same register without a review."""
_SECONDS_PER_HOUR: Final = 3600
_UNITS: Final = {"Wh": Decimal(1), "kWh": Decimal(1000)}


class Loss(StrEnum):
    """Why a stretch of energy cannot be proved."""

    START_LOST = "start lost"
    START_WRONG = "start told wrong"
    BETWEEN = "register lost between readings"
    STOP_WRONG = "stop told wrong"
    NO_STOP = "no stop and no reading after"
    THROWN_AWAY = "message thrown away"
    NOT_SENT = "not sent by the end"


class Lost(NamedTuple):
    """One stretch of energy that cannot be proved."""

    why: Loss
    wh: int


@record(kw_only=False)
class Proof:
    """The energy of a transaction that can be proved, in Wh.

    `least_wh` is less than `proved_wh` if a rollover may be taken for a reset, or if another car
    was counted; in the second case `most_wh` may exceed the true energy. `is_refuted` means that
    the reported power is too low for the rise of the register: only then do these messages alone
    show that a register reported too much.
    """

    proved_wh: int
    least_wh: int
    lost: tuple[Lost, ...]
    is_contradicted: bool
    is_honest: bool
    is_refuted: bool = False
    most_wh: int | None = None
    """The highest energy accepted in the database under review; None means the true energy."""
    is_hidden: bool = False
    """Its register counted another car, which drew so little that no review is expected."""


class _Point(NamedTuple):
    """A register reported at one moment by a start, a stop, or a reading."""

    action: str
    at: float
    delivered_wh: int
    register_wh: Decimal
    power_w: Decimal | None


class _Stretch(NamedTuple):
    """A range of the transaction's energy, in Wh from its start, or of its register."""

    low: int
    high: int


def prove(entry: Entry) -> Proof:
    """Judge one transaction. Its energy is final only if it has ended."""
    points = sorted(_points(entry), key=lambda point: point.at)
    rollovers = _rolled_over(points)
    proved = [*_spanned(points), *_counted_from_zero(points), *rollovers]
    lost = tuple(_lost(entry, points, _united(proved)))
    proved_wh = entry.energy_wh - sum(one.wh for one in lost)
    is_contradicted = _is_falling(points) or any(sent.is_contradicted for sent in entry.sent)
    is_refuted = any(_is_too_much(before, after) for before, after in pairwise(points))
    if SHARED_METER in entry.lies:
        shown = [int(point.register_wh) for point in points]
        most_wh = max(entry.energy_wh, max(shown, default=0) - min(shown, default=0))
        is_hidden = most_wh - entry.energy_wh <= _LITTLE_WH
        return Proof(proved_wh, 0, lost, is_contradicted, False, is_refuted, most_wh, is_hidden)
    least_wh = max(0, proved_wh - sum(high - low for low, high in rollovers))
    is_whole = all(sent.is_evidence for sent in entry.sent) and _tells_right(points)
    is_honest = is_whole and not lost and not is_contradicted
    return Proof(proved_wh, least_wh, lost, is_contradicted, is_honest, is_refuted)


def without_overlaps(first: Entry, second: Entry, wh: int) -> int:
    """Return how much energy two consecutive transactions both claim, in Wh, limited to `wh` (rule
    6)."""
    overlap = _overlap(first, second)
    between = [
        point for point in (*_points(first), *_points(second)) if point.action == METER_VALUES
    ]
    if overlap is None or any(overlap.low < point.register_wh <= overlap.high for point in between):
        return 0
    return min(wh, overlap.high - overlap.low)


def is_overlapping(first: Entry, second: Entry) -> bool:
    """Whether a start reports a register from within the previous transaction."""
    return _overlap(first, second) is not None


def without_start(first: Entry, second: Entry, wh: int) -> int:
    """Return how much of a transaction's energy may also be the previous one's, in Wh, limited to
    `wh` (rule 7)."""
    if first.message(STOP) is not None or second.message(START) is None:
        return 0
    later = (point.delivered_wh for point in _points(second) if point.action != START)
    return min(wh, next(later, second.energy_wh))


def _overlap(first: Entry, second: Entry) -> _Stretch | None:
    """The stretch of the register that two consecutive transactions both claim, from the start of
    the second to the stop of the first."""
    begins, ends, starts = _told(first, START), _told(first, STOP), _told(second, START)
    if begins is None or ends is None or starts is None or not begins < starts < ends:
        return None
    return _Stretch(starts, ends)


def _told(entry: Entry, action: str) -> int | None:
    """Return the register of a start or a stop; None if it was not sent, or is not a number."""
    for point in _points(entry):
        if point.action == action:
            return int(point.register_wh)
    return None


def _points(entry: Entry) -> Iterator[_Point]:
    for sent in entry.sent:
        if sent.is_evidence:
            for moment in sent.moments:
                wh = _read(moment.register, moment.unit)
                if wh is not None:  # readings inside a stop (transactionData) count as readings
                    action = sent.action if moment is sent.moments[-1] else METER_VALUES
                    yield _Point(
                        action, moment.at, moment.delivered_wh, wh, _read(moment.power_w, "W")
                    )


def _read(text: str | None, unit: str) -> Decimal | None:
    try:
        return None if text is None else Decimal(text) * _UNITS.get(unit, Decimal(1))
    except InvalidOperation:
        return None


def _offset(point: _Point, factor: Decimal = _FACTORS[0]) -> Decimal:
    """The difference between the reported register and the true energy, in Wh."""
    return point.register_wh * factor - point.delivered_wh


# Proved energy


def _spanned(points: Sequence[_Point]) -> Iterator[_Stretch]:
    """Rules 1 and 3: from the first moment of each count to its last."""
    fresh = list(_fresh(points))
    for factor in _FACTORS:
        counts: dict[Decimal, list[int]] = defaultdict(list)
        for point in [*fresh, *_as_lifetime(fresh)]:
            # usually only readings have a wrong unit
            own = _FACTORS[0] if point.action in (START, STOP) else factor
            counts[_offset(point, own)].append(point.delivered_wh)
        least = 2 if factor == 1 else _LEAST_SCALED
        for delivered in counts.values():
            if len(set(delivered)) >= least:
                yield _Stretch(min(delivered), max(delivered))


def _fresh(points: Sequence[_Point]) -> Iterator[_Point]:
    """Skip points that repeat the register though energy flowed: two equally stale registers prove
    nothing."""
    yield from points[:1]
    for before, point in pairwise(points):
        if point.register_wh != before.register_wh or point.delivered_wh == before.delivered_wh:
            yield point


def _as_lifetime(points: Sequence[_Point]) -> Iterator[_Point]:
    """Shift readings by the start's register: readings that count from 0 then form one count with
    the stop."""
    starts = [point.register_wh for point in points if point.action == START]
    for point in points:
        if starts and point.action not in (START, STOP):
            yield point._replace(register_wh=point.register_wh + starts[0])


def _counted_from_zero(points: Sequence[_Point]) -> Iterator[_Stretch]:
    """Rule 2: a count that restarted within the transaction, after a higher register was reported.

    A single point is a count only if it is the last one and not a stop: a later point would refute
    it, and a lone stop may be wrong in any way.
    """
    counts: dict[Decimal, list[_Point]] = defaultdict(list)
    for point in points:
        counts[_offset(point)].append(point)
    for offset, of_count in counts.items():
        first, last = of_count[0], of_count[-1]
        fell = any(
            point.at <= first.at
            and point.delivered_wh <= -offset
            and point.register_wh > first.register_wh
            for point in points
        )
        if fell and (len(of_count) > 1 or (last is points[-1] and last.action != STOP)):
            yield _Stretch(int(-offset), last.delivered_wh)


def _rolled_over(points: Sequence[_Point]) -> list[_Stretch]:
    """Rule 4: the stretches around rollovers."""
    return [
        _Stretch(before.delivered_wh, int(-_offset(after)))
        for before, after in _all_falls(points)
        if _is_rollover(before, after)
    ]


def _is_rollover(before: _Point, after: _Point) -> bool:
    return _offset(before) - _offset(after) in WIDTHS


def _all_falls(points: Sequence[_Point]) -> Iterator[tuple[_Point, _Point]]:
    """Consecutive points at which the reported register fell."""
    return (
        (before, after)
        for before, after in pairwise(points)
        if after.register_wh < before.register_wh
    )


def _united(stretches: Sequence[_Stretch]) -> list[_Stretch]:
    """Merge overlapping stretches; return them in order."""
    united: list[_Stretch] = []
    for stretch in sorted(stretches):
        if united and stretch.low <= united[-1].high:
            united[-1] = _Stretch(united[-1].low, max(united[-1].high, stretch.high))
        else:
            united.append(stretch)
    return united


# Lost energy


def _lost(entry: Entry, points: Sequence[_Point], proved: Sequence[_Stretch]) -> Iterator[Lost]:
    """The gaps between the proved stretches, each with its class."""
    shown_wh = 0
    for low, high in [*proved, _Stretch(entry.energy_wh, entry.energy_wh)]:
        if low > shown_wh:
            yield Lost(_why(entry, points, shown_wh, low), low - shown_wh)
        shown_wh = max(shown_wh, high)


def _why(entry: Entry, points: Sequence[_Point], low: int, high: int) -> Loss:
    if not any(one.left is not None for one in entry.sent):
        return Loss.NOT_SENT
    reported = {point.action for point in points}
    if low == 0 and START not in reported:
        return Loss.THROWN_AWAY if START in entry.thrown_away else Loss.START_LOST
    if high == entry.energy_wh and STOP not in reported:
        return Loss.THROWN_AWAY if STOP in entry.thrown_away else Loss.NO_STOP
    if low == 0 and _is_alone(points, START):
        return Loss.START_WRONG
    if high == entry.energy_wh and _is_alone(points, STOP):
        return Loss.STOP_WRONG
    return Loss.BETWEEN


def _is_alone(points: Sequence[_Point], action: str) -> bool:
    """Whether the register of this message forms a count with no other message."""
    own = {_offset(point) for point in points if point.action == action}
    return not own & {_offset(point) for point in points if point.action != action}


# Visible contradictions, and honesty


def _is_falling(points: Sequence[_Point]) -> bool:
    """Whether the reported register fell without an innocent reason (rollover, unit, counting from
    0)."""
    lifetime = [point for point in points if not _is_of_session(point, points)]
    return any(
        not _is_rollover(before, after) and not _is_scaled(after, points)
        for before, after in _all_falls(lifetime)
    )


def _is_too_much(before: _Point, after: _Point) -> bool:
    """Whether the register rose faster than the higher power reported at the two points allows."""
    powers = [point.power_w for point in (before, after) if point.power_w is not None]
    if not powers:
        return False
    most_wh = max(powers) * Decimal(after.at - before.at) / _SECONDS_PER_HOUR * _POWER_TOLERANCE
    return after.register_wh - before.register_wh > most_wh + 1


def _is_of_session(point: _Point, points: Sequence[_Point]) -> bool:
    """Whether the register counts from 0 in each transaction, beside a start with another count."""
    return point.register_wh == point.delivered_wh and any(
        other.action == START and _offset(other) != 0 for other in points
    )


def _is_scaled(point: _Point, points: Sequence[_Point]) -> bool:
    """Whether the register fits in another unit: the count of start or stop, or a count of three
    moments.

    A register of 0 fits in any.
    """
    if point.register_wh == 0:
        return False
    ends = {_offset(other) for other in points if other.action in (START, STOP)}
    for factor in _FACTORS[1:]:
        offset = _offset(point, factor)
        count = {other.delivered_wh for other in points if _offset(other, factor) == offset}
        if offset in ends or len(count) >= _LEAST_SCALED:
            return True
    return False


def _tells_right(points: Sequence[_Point]) -> bool:
    """Whether start and stop are one count, and each reading belongs to it, lags behind it, or
    counts from 0."""
    if [point.action for point in (*points[:1], *points[1:][-1:])] != [START, STOP]:
        return False
    start, stop = points[0], points[-1]
    if _offset(start) != _offset(stop):
        return False
    flowed_wh, seconds = stop.delivered_wh - start.delivered_wh, stop.at - start.at
    # more than an AC charger delivers
    if len(points) == 2 and flowed_wh * _SECONDS_PER_HOUR > _AC_W * seconds:
        return False
    return all(
        _is_of_session(point, points)
        or (_offset(point) <= _offset(start) and point.register_wh >= start.register_wh)
        for point in points
    )
