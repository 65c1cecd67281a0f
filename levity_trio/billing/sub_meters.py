"""The house's own meter against the chargers: whether the two agree within their classes, and since
when not.

A reading that contradicts those before and after it, where these agree with the chargers, is taken
for a mistake: it is told and left out, never corrected. What flowed while a register fell
(replaced, or read wrong) is not known: it is left out on both sides.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise, zip_longest
from operator import attrgetter
from typing import Final, NamedTuple

from levity_trio.billing.courses import RiseBounds
from levity_trio.billing.ownership import TimeSpan
from levity_trio.charging.sent.readings import digit_of, exact_wh
from levity_trio.records import record
from levity_trio.told import Told

CHARGERS_PERCENT: Final = 2.0
"""The class of a charger's meter, where nobody says otherwise."""
NEAR_ROLLOVER: Final = 0.9
"""A register below this share of its highest value did not roll over."""


class HouseReading(NamedTuple):
    """A reading of the house's meter; `value` and `unit` as given."""

    id: int
    at: str
    value: str
    unit: str
    wh: int

    @property
    def digit(self) -> int:
        """One unit of the last digit, in Wh."""
        return digit_of(self.value, self.unit)


class Classes(NamedTuple):
    """The greatest errors in per cent of the meter and of the chargers, and where its register goes
    on at 0."""

    meter: float
    chargers: float
    rolls_over_wh: int | None = None


@record
class ReadingRemark:
    """What is odd about a reading of the house's meter."""

    reading: int
    at: str
    words: str


@record
class Comparison:
    """A meter against its chargers, between its readings around a month. The chargers' energy is
    between `least_wh` and `most_wh`; `allowed_wh` is how far the two may differ. They began to
    differ in the interval of readings from `differs_since` until `differs_until`, which may lie
    before the month.
    """

    meter: int
    name: str
    since: str | None = None
    until: str | None = None
    meter_wh: int | None = None
    chargers_wh: int | None = None
    least_wh: int | None = None
    most_wh: int | None = None
    difference_wh: int | None = None
    allowed_wh: int | None = None
    differs: bool = False
    differs_since: str | None = None
    differs_until: str | None = None
    remarks: tuple[ReadingRemark, ...]


class _MatchedReading(NamedTuple):
    """A reading, and what the chargers' registers had risen by."""

    reading: HouseReading
    chargers: RiseBounds


class _Against(NamedTuple):
    """The energy of the meter and of the chargers between two readings; how far they may differ;
    and on which side they do: -1, 0 or 1."""

    meter: int
    chargers: int
    least: int
    most: int
    allowed: int
    side: int


def compare(
    meter: tuple[int, str],
    classes: Classes,
    readings: Sequence[HouseReading],
    chargers: Sequence[RiseBounds],
    month: TimeSpan,
) -> Comparison:
    """Compare a meter (number and name) with its chargers. `chargers` are the sums of their
    registers at each reading, the oldest first."""
    number, name = meter
    taken = list(map(_MatchedReading, readings, chargers))
    kept, remarks = _without_mistakes(taken, classes)
    series = _ReadingSeries(kept, classes)
    remarks = sorted([*remarks, *series.remarks()], key=attrgetter("at"))
    times = [reading.at for reading, _ in kept]

    # The readings just outside the month, if there are any; else the first and the last in it.
    first = max(0, bisect_right(times, month.since) - 1)
    last = min(bisect_left(times, month.end), len(times) - 1)
    if last <= first or times[first] >= month.end or times[last] <= month.since:
        of_month = tuple(remark for remark in remarks if month.covers(remark.at))
        return Comparison(meter=number, name=name, remarks=of_month)

    between = tuple(remark for remark in remarks if times[first] < remark.at <= times[last])
    energies = series.between(first, last)
    leaves = series.leaves(first, last) if energies.side else None
    return Comparison(
        meter=number,
        name=name,
        since=times[first],
        until=times[last],
        meter_wh=energies.meter,
        chargers_wh=energies.chargers,
        least_wh=energies.least,
        most_wh=energies.most,
        difference_wh=energies.meter - energies.chargers,
        allowed_wh=energies.allowed,
        differs=energies.side != 0,
        differs_since=None if leaves is None else times[leaves - 1],
        differs_until=None if leaves is None else times[leaves],
        remarks=between,
    )


class _ReadingSeries:
    """Readings in order of time, with running sums since the first one. An interval in which the
    register fell adds to neither side."""

    def __init__(self, taken: Sequence[_MatchedReading], classes: Classes) -> None:
        self._taken, self._classes = taken, classes
        self._rises = list[int | None]()
        self._meter, self._chargers, self._unsure = [0], [0], [0]
        full = classes.rolls_over_wh
        for before, now in pairwise(taken):
            earlier = before.reading.wh
            rise: int | None = now.reading.wh - earlier
            if now.reading.wh < earlier:
                is_nearly_full = full is not None and full * NEAR_ROLLOVER <= earlier < full
                rise = now.reading.wh + (full or 0) - earlier if is_nearly_full else None
            of_chargers, unsure = now.chargers.low - before.chargers.low, 0
            if rise is None:
                of_chargers, unsure = 0, _width(before) + _width(now)
            self._rises.append(rise)
            self._meter.append(self._meter[-1] + (rise or 0))
            self._chargers.append(self._chargers[-1] + of_chargers)
            self._unsure.append(self._unsure[-1] + unsure)

    def is_known(self, number: int) -> bool:
        """Whether the register did not fall in the interval that ends with this reading."""
        return self._rises[number - 1] is not None

    def between(self, first: int, last: int) -> _Against:
        """Return the energies between two readings."""
        meter = self._meter[last] - self._meter[first]
        chargers = self._chargers[last] - self._chargers[first]
        unsure = self._unsure[last] - self._unsure[first]
        least = max(0, chargers - _width(self._taken[first]) - unsure)
        most = chargers + _width(self._taken[last]) + unsure
        digit = max(self._taken[first].reading.digit, self._taken[last].reading.digit)
        errors = self._classes.meter * meter + self._classes.chargers * chargers
        allowed = round(errors / 100) + digit
        # The chargers' energy is only known between bounds, so the nearer one counts.
        side = (meter > most + allowed) - (meter < least - allowed)
        return _Against(meter, chargers, least, most, allowed, side)

    def leaves(self, first: int, last: int) -> int | None:
        """Return the end of the first interval in which the running difference leaves the
        tolerance, and stays outside.

        It runs from the earliest reading from which on it is outside at each later one, perhaps
        before `first`; if there is none, from `first`.
        """
        side = self.between(first, last).side

        def stays(base: int, begin: int) -> bool:
            known = (number for number in range(begin, last + 1) if self.is_known(number))
            return all(self.between(base, number).side == side for number in known)

        # The difference may have begun before the month, and only grown large in it.
        for base in range(last):
            if self.is_known(base + 1) and stays(base, base + 1):
                return base + 1
        for number in range(first + 1, last + 1):
            if stays(first, number):
                return number
        return None

    def remarks(self) -> Iterator[ReadingRemark]:
        """Yield where the register fell or went on at 0, and a last reading that another spelling
        would make fit."""
        for (before, now), rise in zip(pairwise(self._taken), self._rises, strict=True):
            shown, shown_before = _shown(now), _shown(before)
            if rise is None:
                words = Told(
                    (
                        "{1} is below {2} before: another meter, or read wrong; what flowed "
                        "meanwhile is left out"
                    ),
                    shown,
                    shown_before,
                )
                yield _remark(now, words)
            elif now.reading.wh < before.reading.wh:
                words = Told(
                    "{1} is below {2} before: the register went on at 0", shown, shown_before
                )
                yield _remark(now, words)

        last = len(self._taken) - 1
        if last > 0 and self.is_doubtful(last - 1, last):
            before, now = self._taken[-2:]
            hint = _hint(before, now, self._classes)
            if hint:
                yield _remark(now, Told("{1} does not fit; {2} would fit", _shown(now), hint))

    def is_doubtful(self, first: int, last: int) -> bool:
        """Whether the register fell between two readings, or rose by another energy than the
        chargers'."""
        is_known = all(self.is_known(number) for number in range(first + 1, last + 1))
        return not is_known or self.between(first, last).side != 0


def _width(taken: _MatchedReading) -> int:
    return taken.chargers.high - taken.chargers.low


def _shown(taken: _MatchedReading) -> str:
    return f"{taken.reading.value} {taken.reading.unit}"


def _remark(taken: _MatchedReading, words: str) -> ReadingRemark:
    return ReadingRemark(reading=taken.reading.id, at=taken.reading.at, words=words)


def _without_mistakes(
    taken: Sequence[_MatchedReading], classes: Classes
) -> tuple[list[_MatchedReading], list[ReadingRemark]]:
    """Return the readings without those that contradict the ones before and after, and what is to
    be said of these."""
    kept, remarks = list(taken[:1]), list[ReadingRemark]()
    for place, (now, after) in enumerate(zip_longest(taken[1:], taken[2:]), 2):
        # It contradicts those next to it, and these agree with the chargers.
        before = kept[-1]
        is_mistake = False
        if after is not None and not _ReadingSeries((before, after), classes).is_doubtful(0, 1):
            series = _ReadingSeries((before, now, after), classes)
            if series.is_known(1) and series.is_known(2):
                sides = series.between(0, 1).side, series.between(1, 2).side
                is_mistake = sorted(sides) == [-1, 1]
            else:
                is_mistake = True
        if not is_mistake and not _stands_out(before, now, taken[place:], classes):
            kept.append(now)
            continue

        hint = _hint(before, now, classes)
        words = Told("{1} contradicts the readings before and after, and is left out", _shown(now))
        if hint:
            words = Told("{1}; {2} would fit", words, hint)
        remarks.append(_remark(now, words))
    return kept, remarks


def _stands_out(
    before: _MatchedReading,
    now: _MatchedReading,
    later: Sequence[_MatchedReading],
    classes: Classes,
) -> bool:
    """Whether a register fell or rose once, and then went on where it had been. One that only rose
    as the chargers say may be another meter, which has reached what the old one showed."""

    def is_odd(earlier: _MatchedReading, later: _MatchedReading) -> bool:
        series = _ReadingSeries((earlier, later), classes)
        return series.is_known(1) and series.between(0, 1).side != 0

    if _ReadingSeries((before, now), classes).is_known(1):
        falls = bool(later) and before.reading.wh <= later[0].reading.wh < now.reading.wh
        return falls and is_odd(before, now)
    for earlier, after in pairwise([now, *later]):
        if after.reading.wh >= before.reading.wh:
            return is_odd(earlier, after)
    return False


def _hint(before: _MatchedReading, now: _MatchedReading, classes: Classes) -> str:
    """Return what the reading would have to be, if kWh for Wh or two swapped digits explain it."""
    least = max(0, now.chargers.low - before.chargers.high)
    most = now.chargers.high - before.chargers.low
    allowed = round((classes.meter + classes.chargers) * most / 100) + now.reading.digit
    reading = now.reading
    value = reading.value
    spelled = [(value, "Wh" if reading.unit == "kWh" else "kWh")]
    for place, (digit, after) in enumerate(pairwise(value)):
        # Digits are swapped when they are typed by hand.
        if digit != after and (digit + after).isdecimal():
            swapped = value[:place] + after + digit + value[place + 2 :]
            spelled.append((swapped, reading.unit))
    for other, unit in spelled:
        exact = exact_wh(other, unit)
        if exact is None:
            continue
        rise = int(exact.quantize(_WHOLE, ROUND_HALF_UP)) - before.reading.wh
        if least - allowed <= rise <= most + allowed:
            return f"{other} {unit}"
    return ""


_WHOLE: Final = Decimal(1)
