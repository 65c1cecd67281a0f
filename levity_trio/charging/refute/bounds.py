"""The bounds of a figure: each test names the two pieces of evidence that do not agree.

A chain is a candidate's course of the register since the start: points of (seconds, Wh), from 0 at
the start to the candidate's figure at the stop. A conflict refutes the candidate. Every fast step
of a chain is compared with the paces of all others while a car charged. The paces are therefore
sorted once; leaving one out then takes logarithmic time. What the state of charge shows stands at
the end.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from math import inf
from typing import NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.reviews import Code, energy_text, in_wh, minutes
from levity_trio.charging.sent.evidence import Case, Charge
from levity_trio.charging.sent.figures import Chain, Figure
from levity_trio.charging.sent.power import (
    HOUR,
    Gaps,
    agreement,
    gaps,
    too_fast,
    too_little,
    tracks,
)
from levity_trio.told import Figure as Number
from levity_trio.told import Quantity, Told


class Spread(NamedTuple):
    """Statistics of paces in W; all 0 without any."""

    steps: int
    least: float
    median: float
    most: float

    @property
    def is_one_pace(self) -> bool:
        """Whether there are many paces, none much above the median."""
        is_close = self.most <= (1 + tolerances.STEADY_SHARE) * self.median and self.least > 0
        return self.steps >= tolerances.MANY and is_close


class Paces:
    """The paces of one chain. The times of the steps in `ends` are exact to one `interval`, in
    seconds."""

    def __init__(self, chain: Chain, interval: float, ends: tuple[int, int]) -> None:
        self.chain = chain
        self._by_step = dict(_paces(chain, interval, ends))
        self._in_order = sorted(self._by_step.values())

    @property
    def most(self) -> float:
        return self._in_order[-1] if self._in_order else 0.0

    def spread(self, without: int = -1) -> Spread:
        """Return the statistics of all steps, or of all but one."""
        place, count = len(self._in_order), len(self._in_order)
        if without in self._by_step:
            place, count = bisect_left(self._in_order, self._by_step[without]), count - 1
        if count == 0:
            return Spread(0, 0.0, 0.0, 0.0)
        least, lower, upper, most = (
            self._in_order[number + (number >= place)]
            for number in (0, (count - 1) // 2, count // 2, count - 1)
        )
        return Spread(count, least, lower if count % 2 else (lower + upper) / 2, most)


def _paces(chain: Chain, interval: float, ends: tuple[int, int]) -> Iterator[tuple[int, float]]:
    for number, ((before, low), (now, high)) in enumerate(
        pairwise(zip(chain.at, chain.wh, strict=True)), 1
    ):
        margin = interval if number in ends else 0.0
        if now - before > tolerances.HALF * margin and high > low:  # a shorter end shows no pace
            pace = (high - low) * HOUR / (now - before + margin)
            if pace >= tolerances.LEAST_AC_W:
                yield number, pace


Evidence = tuple[str, str]
"""Two pieces of evidence that do not agree."""


@dataclass(eq=False)
class Bounds:
    case: Case
    _paced: Paces | None = field(default=None, init=False)
    _refused: list[tuple[Chain, int | None]] = field(default_factory=list, init=False)
    _gaps: list[tuple[Chain, Gaps]] = field(default_factory=list, init=False)

    def conflict(self, chain: Chain, *, is_partial: bool = False) -> Evidence | None:
        """Return the first conflict of a chain with the evidence; None if it may be true.

        A partial chain lacks some energy that flowed, so power and the state of charge may imply
        more.
        """
        return (
            self.impossible_step(chain)
            or self.too_much(chain.wh[-1])
            or self.against_charge(chain, is_partial=is_partial)
            or self.against_power(chain, is_partial=is_partial)
        )

    # Power

    def gaps(self, chain: Chain) -> Gaps:
        """Return the gaps of a chain between the times with power. Cached: each chain is used
        several times."""
        for known, found in self._gaps:
            if known is chain:
                return found
        found = gaps(chain, self.case.power)
        if found and (early := self._drawn_before_power(chain)):
            found = replace(found, most=[found.most[0] + early, *found.most[1:]])
        self._gaps.append((chain, found))
        return found

    def _drawn_before_power(self, chain: Chain) -> float:
        """Return the maximum energy in Wh from the start to the first power, if the register stood
        still meanwhile: it catches up in the first gap."""
        power, first = self.case.power, self.case.power.at[0]
        level = next((wh for at, wh in zip(chain.at, chain.wh, strict=True) if at >= first), inf)
        seconds = max(0.0, first - chain.at[0]) if level - chain.wh[0] <= chain.digit else 0.0
        return power.high[0] * (1 + tolerances.POWER_SHARE) * seconds / HOUR

    @cached_property
    def _gaps_of_view(self) -> Gaps:
        return gaps(Chain(self.case.view.at, self.case.view.wh, self.case.digit), self.case.power)

    @cached_property
    def is_tracked_by_power(self) -> bool:
        """Whether power shows the pace of this register: it is steady or frequent, or tracks it up
        to a factor."""
        power = self.case.power
        if not power or power.most < tolerances.LEAST_CHARGING_W or self.case.is_instant:
            return False
        is_dense = power.is_close and len(power.at) > tolerances.SEVERAL
        is_steady = power.is_steady and not (self.case.is_dc and len(power.at) < tolerances.SEVERAL)
        if self.case.is_timed and (is_steady or is_dense):
            return True
        lasted = self.case.ended - self.case.begun
        is_queued = not self.case.is_timed and self.case.longest > tolerances.TWICE * lasted
        factors = (
            () if is_queued else tolerances.FACTORS
        )  # the times may be those of a queue that was sent
        return any(map(self.is_tracked, (1.0, *factors)))

    def is_tracked(self, factor: float) -> bool:
        """Whether power tracks the readings multiplied by a factor."""
        power = self.case.power
        return bool(power) and tracks(self._gaps_of_view, power, self.case.digit, factor)

    def against_power(self, chain: Chain, *, is_partial: bool = False) -> Evidence | None:
        """Return the conflict of a rise with the energy by power that tracks the register: of a gap
        that rose by more, or of all if that is far less. Other power shows only what its highest
        value delivers in METER_AGE."""
        power = self.case.power
        if self.is_tracked_by_power:
            gaps = self.gaps(chain)
            if (gap := too_fast(gaps, power, chain.digit)) is not None:
                return (
                    Told("{1} in {2}", in_wh(gap.rise), Quantity(round(gap.seconds), "s")),
                    Told("at most {1} by power", in_wh(round(gap.most))),
                )
            less = None if is_partial else too_little(chain, power, gaps)
            return less and (energy_text(less[0]), Told("{1} by power", in_wh(round(less[1]))))
        lasted = min(self.case.ended - self.case.begun, self.case.longest)
        most = (
            max(power.low)
            if power and not is_partial and lasted >= tolerances.SPAN_SECONDS
            else 0.0
        )
        is_less = chain.wh[-1] + chain.digit < most * tolerances.METER_AGE / HOUR
        return (
            (energy_text(chain.wh[-1]), Told("{1} reported", Quantity(round(most), "W")))
            if is_less
            else None
        )

    # Steps

    def impossible_step(self, chain: Chain) -> Evidence | None:
        """Return the conflict of the first impossible step; None if all are possible."""
        number = self.refused_step(chain)
        if number is None:
            return None
        before, now = chain.wh[number - 1], chain.wh[number]
        if now < before:
            return (Told("{1} after the start", in_wh(before)), Told("then {1}", in_wh(now)))
        told = Told(
            "{1} in {2}",
            in_wh(now - before),
            Quantity(round(max(0.0, chain.at[number] - chain.at[number - 1])), "s"),
        )
        is_by_power = self.is_tracked_by_power
        return (
            told,
            Told("at most {1}", Quantity(round(self.case.power.most), "W"))
            if is_by_power
            else Told("all other readings"),
        )

    def refused_step(self, chain: Chain) -> int | None:
        """Return the number of the first step that is impossible, for any register or for this
        charger's; else None.

        Cached: several candidates have the same chain.
        """
        for known, found in self._refused:
            if known == chain:
                return found
        self._refused.append((chain, found := self._first_refused(chain)))
        return found

    def _first_refused(self, chain: Chain) -> int | None:
        at, wh, digit = chain
        level, level_at, before = wh[0], at[0], at[0]
        fast, slack = self.fast_w / HOUR, digit + digit
        for number, (now, value) in enumerate(zip(at, wh, strict=True)):
            rise = value - level
            if rise < -digit:
                return number
            if rise > 0:
                if rise > fast * (now - before) + slack and not self._is_step(
                    chain, number, level_at
                ):
                    return number
                if self.case.charges and rise > slack and rise > self.most_by_charge(level_at, now):
                    return number
                level, level_at = value, now
            before = now
        return None

    def can_rise(self, rise: int, seconds: float, digit: int) -> bool:
        """Whether a register can have risen by this much in this time: `refused_step` for a single
        step."""
        if rise <= 0:
            return rise >= -digit
        if rise <= self.fast_w / HOUR * seconds + digit + digit:
            return True
        spare = max(0.0, seconds) + tolerances.METER_AGE + self.case.interval
        if not self.case.is_timed:
            spare = max(spare, self.case.longest)
        return rise <= self.refused_w * spare / HOUR + digit + digit

    def most_by_charge(self, before: float, now: float) -> float:
        """Return the maximum energy in Wh that a battery can have taken between two times with a
        state of charge.

        After the last such time the battery may have become full. If the charge fell, another car
        may have charged.
        """
        first, last = self.percents.get(before), self.percents.get(now)
        if last is None and self.case.charges and now > self.case.charges[-1].at:
            last = 100.0
        if first is None or last is None or last < first - tolerances.CHARGE_STEP:
            return inf
        return tolerances.BATTERY_WH[1] * (max(0.0, last - first) + tolerances.CHARGE_STEP) / 100

    @cached_property
    def percents(self) -> dict[float, float]:
        return dict(self.case.charges) if self.case.charges and is_shown(self.case) else {}

    def can_have_flowed(self, chain: Chain, number: int, wh: int) -> bool:
        """Whether this energy in Wh can have flowed in one step, by power or else by the fastest
        other step."""
        seconds = max(0.0, chain.at[number] - chain.at[number - 1]) + tolerances.METER_AGE
        most = self.case.power.most if self.case.power else self.paces(chain).most
        return wh <= most * (1 + tolerances.POWER_SHARE) * seconds / HOUR + chain.slack

    def is_possible(self, chain: Chain, number: int) -> bool:
        """Whether this one step of a chain is possible."""
        return self._is_step(chain, number, chain.at[number - 1])

    def _is_step(self, chain: Chain, number: int, level_at: float) -> bool:
        """Examine a fast step: it is possible also if it ends a time in which the register stood
        still."""
        before, now = chain.at[number - 1], chain.at[number]
        rise = chain.wh[number] - chain.wh[number - 1]
        is_end = number in (1, len(chain.at) - 1)
        # A clock may be told in whole minutes, so several readings have one time.
        is_inexact = is_end or self.case.is_instant or now == before
        seconds = (
            max(0.0, now - before)
            + tolerances.METER_AGE
            + (self.case.interval if is_inexact else 0.0)
        )
        is_one_moment = (
            now == before and not self.is_tracked_by_power
        )  # power tells when energy flowed
        if not self.case.is_timed or now < before or is_one_moment:
            seconds = max(seconds, self.case.longest)
        slack = chain.slack
        if rise <= self.refused_w * seconds / HOUR + slack and not self._is_out_of_line(
            chain, number, seconds
        ):
            return True
        caught_up = now - level_at
        if caught_up <= now - before:
            return False
        if self.is_tracked_by_power:
            most = self.refused_w * (caught_up + self.case.interval) / HOUR
            return rise <= min(most, self._drawn_since(level_at, before, now)) + slack
        others = self.paces(chain).spread(without=number)
        others = others if others.steps else self.paces(chain).spread()
        fastest = max(others.most, others.median * (1 + tolerances.STEADY_SHARE))
        return rise <= fastest * caught_up / HOUR + slack

    def is_usual_since(self, chain: Chain, number: int, since: float) -> bool:
        """Whether a step ends where the pace of the others would have led to since a register stood
        still."""
        rise, seconds = chain.wh[number] - chain.wh[number - 1], chain.at[number] - since
        if seconds <= chain.at[number] - chain.at[number - 1]:
            return False
        others = self.paces(chain).spread(without=number)
        usual = others.median * seconds / HOUR
        is_close = abs(rise - usual) <= tolerances.STEADY_SHARE * usual + chain.slack
        return others.steps >= tolerances.FEW and is_close

    def _drawn_since(self, level_at: float, before: float, now: float) -> float:
        """Return the maximum energy in Wh by the powers while a register stood still, and after the
        last of them."""
        if level_at not in self.case.power.places or before not in self.case.power.places:
            return inf
        since_then = self.refused_w * (max(0.0, now - before) + self.case.interval) / HOUR
        high, places = self.case.power.sums.high, self.case.power.places
        return (1 + tolerances.HALF) * (high[places[before]] - high[places[level_at]]) + since_then

    def _is_out_of_line(self, chain: Chain, number: int, seconds: float) -> bool:
        """Whether a step does not fit the others, if nothing but the register was reported."""
        if self.is_tracked_by_power or self.case.is_dc:
            return False
        pace = (chain.wh[number] - chain.wh[number - 1]) * HOUR / seconds
        others = self.paces(chain).spread(without=number)
        return others.steps >= tolerances.FEW and pace > max(
            tolerances.AC_W, tolerances.FAR_MORE * others.median
        )

    def paces(self, chain: Chain) -> Paces:
        """Return the paces of a chain. Cached for the last chain."""
        if self._paced is None or self._paced.chain is not chain:
            self._paced = Paces(chain, self.case.interval, self.ends(chain))
        return self._paced

    def ends(self, chain: Chain) -> tuple[int, int]:
        """Return the first step and the step to the stop (0: none): their times are exact to one
        sampling interval."""
        return 1, len(chain.at) - 1 if self.case.stop_wh is not None else 0

    @cached_property
    def refused_w(self) -> float:
        """The maximum power of a single step."""
        power = self.case.power
        if self.is_tracked_by_power:
            is_dense = power.interval <= tolerances.SHORT_GAP
            return power.most * (1 + (tolerances.POWER_SHARE if is_dense else power.longer_share))
        of_kind = (
            tolerances.AC_W * (1 + tolerances.POWER_SHARE)
            if self.case.is_ac_shown
            else tolerances.FASTEST_W
        )
        if self.case.ceiling_w:
            return min(
                of_kind, self.case.ceiling_w * tolerances.PHASES * (1 + tolerances.POWER_SHARE)
            )
        return of_kind

    @cached_property
    def fast_w(self) -> float:
        """The power up to which `refused_step` accepts a step without closer examination."""
        return self.refused_w if self.is_tracked_by_power else min(self.refused_w, tolerances.AC_W)

    # The total

    def too_much(self, wh: int) -> Evidence | None:
        """Return the conflict of a figure with time and power; None if so much energy can have
        flowed."""
        most = self.most_wh
        if wh <= most:
            return None
        return (
            energy_text(wh),
            Told("at most {1} in {2}", in_wh(round(most)), minutes(self.case.longest)),
        )

    @cached_property
    def most_wh(self) -> float:
        """The maximum energy in Wh, by time and power."""
        case = self.case
        return self.refused_w * case.longest_by_readings / HOUR + case.slack

    def against_charge(self, chain: Chain, *, is_partial: bool = False) -> Evidence | None:
        """Return the conflict with the state of charge, if no battery can have taken the energy of
        this chain."""
        return fits_no_battery(self.case, chain, self.refused_w, is_partial=is_partial)

    # Other sources

    def agreement(self, chain: Chain) -> tuple[int, int]:
        """Return in how many gaps the reported power agrees with a chain, and in how many it does
        not."""
        power = self.case.power
        return agreement(self.gaps(chain), power, chain.digit) if power else (0, 0)

    def confirms(self, wh: int) -> bool:
        """Whether another source confirms this figure, in Wh."""
        power, share = self.case.power, tolerances.STEADY_SHARE
        if power and self.is_tracked_by_power and power.expected_wh is not None:
            least, most = power.expected_wh
            ends = max(0.0, power.at[0] - self.case.begun) + max(
                0.0, self.case.ended - power.at[-1]
            )
            highest = (most + power.most * ends / HOUR) * (1 + share) + tolerances.ROUNDED_WH
            return least * (1 - share) - tolerances.ROUNDED_WH <= wh <= highest
        if not power and (rise := charged(self.case)) >= tolerances.LEAST_CHARGE_RISE:
            smallest, largest = tolerances.USUAL_BATTERY_WH
            return smallest * rise / 100 <= wh <= largest * rise / 100
        return False


def is_shown(case: Case) -> bool:
    """Whether the state of charge is evidence. One that never changes is not measured, as at many
    AC outlets.

    Nor is one that falls again and again.
    """
    charges = case.charges
    if len(charges) < tolerances.SEVERAL:
        return len(charges) > 0
    return len(_falls(charges)) <= 1 and len({percent for _, percent in charges}) > 1


def charged(case: Case) -> float:
    """Return the rise of the state of charge in per cent. It counts anew after a fall, as by
    another car."""
    charges = case.charges
    return (
        max(0.0, charges[-1].percent - charges[0].percent + sum(_falls(charges)))
        if is_shown(case)
        else 0.0
    )


def _falls(charges: Sequence[Charge]) -> list[float]:
    """Return what the state of charge fell by, in per cent, each time that it fell."""
    falls = (before.percent - now.percent for before, now in pairwise(charges))
    return [fall for fall in falls if fall > tolerances.CHARGE_STEP]


def fits_no_battery(
    case: Case, chain: Chain, most_w: float, *, is_partial: bool
) -> tuple[str, str] | None:
    """Return the energy of a chain and the state of charge, if no battery can have taken this
    energy; else None. A partial chain may be too little for the smallest one.

    `most_w` is the maximum power before the first and after the last state of charge.
    """
    if not is_shown(case):
        return None
    first, last = case.charges[0], case.charges[-1]
    rise, step = charged(case), tolerances.CHARGE_STEP
    smallest, largest = tolerances.BATTERY_WH
    beside = max(0.0, first.at - chain.at[0]) + max(0.0, chain.at[-1] - last.at)
    beside = beside if case.is_timed else max(beside, case.longest)
    room = largest * (rise + step) / 100 + most_w * beside / HOUR
    wh = chain.wh[-1]
    if not is_partial and (most := _rise_since(chain, first.at)) < smallest * (rise - step) / 100:
        room, wh = -1, most
    return (
        None
        if wh <= room
        else (
            energy_text(wh),
            Told("state of charge from {1} to {2} %", Number(first.percent), Number(last.percent)),
        )
    )


def _rise_since(chain: Chain, first: float) -> int:
    """Return the rise of a chain from a time to the stop, at which a register that stood still
    catches up."""
    return chain.wh[-1] - max(
        (wh for at, wh in zip(chain.at, chain.wh, strict=True) if at <= first), default=0
    )


class Finding(NamedTuple):
    """What a refutation found."""

    evidence: Evidence
    figures: Mapping[str, int] = {}
    """Figures between which a person decides, in Wh."""
    words: str = ""
    """In place of those of the table."""
    taken: int = 0
    """What it takes from the figure until a person decides, in Wh."""
    whole: Figure | None = None
    """The figure with what is missing, if power shows it."""
    code: Code | None = None
    """In place of that of the table, if it depends on the end in question."""
