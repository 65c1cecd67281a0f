"""The bounds of a figure: each test names the two pieces of evidence that do not agree.

A chain is a candidate's course of the register since the start: points of (seconds, Wh), from 0 at
the start to the candidate's figure at the stop. A conflict refutes the candidate. Every fast step
of a chain is compared with the paces of all others while a car charged. The paces are therefore
sorted once; leaving one out then takes logarithmic time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from math import inf
from typing import NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.reviews import Code, energy_text, in_wh, minutes
from levity_trio.charging.sent.evidence import Case, StateOfCharge
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

Evidence = tuple[str, str]
"""Two pieces of evidence that do not agree."""


class Finding(NamedTuple):
    """What a refutation found."""

    evidence: Evidence
    figures: Mapping[str, int] = {}
    """Figures between which a person decides, in Wh."""
    words: str = ""
    """What it says in place of the words of the table, if anything."""
    taken: int = 0
    """What it takes from the figure until a person decides, in Wh."""
    whole: Figure | None = None
    """The figure with what is missing, if power shows it."""
    code: Code | None = None
    """The code in place of that of the table, if it depends on the end in question."""


def in_seconds(wh: int, seconds: float) -> Told:
    """Return a rise of the register and its time as evidence."""
    return Told("{1} in {2}", in_wh(wh), Quantity(round(seconds), "s"))


def most_by_power(wh: float) -> Told:
    """Return the most that can have flowed by power as evidence."""
    return Told("at most {1} by power", in_wh(round(wh)))


class Spread(NamedTuple):
    """Statistics of paces in W; all 0 without any."""

    steps: int
    least: float
    median: float
    most: float

    @property
    def is_one_pace(self) -> bool:
        """Whether there are many paces, none much above the median."""
        if self.steps < tolerances.MANY or self.least <= 0:
            return False
        return self.most <= (1 + tolerances.STEADY_SHARE) * self.median


class Paces:
    """The paces of one chain while a car charged.

    The times of the steps in `ends` are exact to one `interval`, in seconds.
    """

    def __init__(self, chain: Chain, interval: float, ends: tuple[int, int]) -> None:
        self.chain = chain
        self._by_step: dict[int, float] = {}
        steps = pairwise(chain.points)
        for number, ((before, low), (now, high)) in enumerate(steps, 1):
            margin = interval if number in ends else 0.0
            # A first or last step that is shorter than its own error shows no pace.
            if now - before > tolerances.HALF * margin and high > low:
                pace = (high - low) * HOUR / (now - before + margin)
                if pace >= tolerances.LEAST_AC_W:
                    self._by_step[number] = pace
        self._in_order = sorted(self._by_step.values())

    @property
    def most(self) -> float:
        return self._in_order[-1] if self._in_order else 0.0

    def spread(self, without: int = -1) -> Spread:
        """Return the statistics of all steps, or of all but one."""
        count = left_out = len(self._in_order)
        if without in self._by_step:
            left_out = bisect_left(self._in_order, self._by_step[without])
            count -= 1
        if count == 0:
            return Spread(0, 0.0, 0.0, 0.0)

        def pace(place: int) -> float:
            return self._in_order[place + (place >= left_out)]

        median = (pace((count - 1) // 2) + pace(count // 2)) / 2
        return Spread(count, pace(0), median, pace(count - 1))


@dataclass(eq=False)
class Bounds:
    """What the evidence of one transaction allows. What several questions need is worked out
    once."""

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
        for known, known_gaps in self._gaps:
            if known is chain:
                return known_gaps

        power = self.case.power
        between = gaps(chain, power)
        if between:
            # If the register stood still until the first power, it catches up in the first gap.
            first = power.at[0]
            level = next((wh for at, wh in chain.points if at >= first), inf)
            if level - chain.wh[0] <= chain.digit:
                highest_w = power.high[0] * (1 + tolerances.POWER_SHARE)
                early = highest_w * max(0.0, first - chain.at[0]) / HOUR
                between = replace(between, most=[between.most[0] + early, *between.most[1:]])
        self._gaps.append((chain, between))
        return between

    @cached_property
    def is_tracked_by_power(self) -> bool:
        """Whether power shows the pace of this register: it is steady or frequent, or tracks it up
        to a factor."""
        case, power = self.case, self.case.power
        if not power or power.most < tolerances.LEAST_CHARGING_W or case.is_instant:
            return False
        if case.is_timed:
            if power.is_close and len(power.at) > tolerances.SEVERAL:
                return True
            if power.is_steady and not (case.is_dc and len(power.at) < tolerances.SEVERAL):
                return True

        # The times may be those of a queue that was sent: then a factor may fit by chance.
        lasted = case.ended - case.begun
        is_queued = not case.is_timed and case.longest > tolerances.TWICE * lasted
        factors = () if is_queued else tolerances.FACTORS
        return any(map(self.is_tracked, (1.0, *factors)))

    @cached_property
    def _gaps_of_view(self) -> Gaps:
        view = self.case.view
        return gaps(Chain(view.at, view.wh, self.case.digit), self.case.power)

    def is_tracked(self, factor: float) -> bool:
        """Whether power tracks the readings multiplied by a factor."""
        power = self.case.power
        return bool(power) and tracks(self._gaps_of_view, power, self.case.digit, factor)

    def agreement(self, chain: Chain) -> tuple[int, int]:
        """Return in how many gaps the reported power agrees with a chain, and in how many it does
        not."""
        power = self.case.power
        return agreement(self.gaps(chain), power, chain.digit) if power else (0, 0)

    def against_power(self, chain: Chain, *, is_partial: bool = False) -> Evidence | None:
        """Return the conflict of a rise with the energy by power.

        If power tracks the register, this may rise by no more than power allows in any gap, and not
        by far less in all. Other power shows only what its highest value delivers in METER_AGE.
        """
        power, wh = self.case.power, chain.wh[-1]
        if self.is_tracked_by_power:
            between = self.gaps(chain)
            gap = too_fast(between, power, chain.digit)
            if gap is not None:
                return in_seconds(gap.rise, gap.seconds), most_by_power(gap.most)
            less = None if is_partial else too_little(chain, power, between)
            if less is None:
                return None
            rise, least = less
            return energy_text(rise), Told("{1} by power", in_wh(round(least)))

        lasted = min(self.case.ended - self.case.begun, self.case.longest)
        if not power or is_partial or lasted < tolerances.SPAN_SECONDS:
            return None
        most = max(power.low)
        if wh + chain.digit >= most * tolerances.METER_AGE / HOUR:
            return None
        return energy_text(wh), Told("{1} reported", Quantity(round(most), "W"))

    # Steps

    def impossible_step(self, chain: Chain) -> Evidence | None:
        """Return the conflict of the first impossible step; None if all are possible."""
        number = self.refused_step(chain)
        if number is None:
            return None
        before, now = chain.wh[number - 1], chain.wh[number]
        if now < before:
            return Told("{1} after the start", in_wh(before)), Told("then {1}", in_wh(now))
        step = in_seconds(now - before, max(0.0, chain.seconds_to(number)))
        if self.is_tracked_by_power:
            return step, Told("at most {1}", Quantity(round(self.case.power.most), "W"))
        return step, Told("all other readings")

    def refused_step(self, chain: Chain) -> int | None:
        """Return the number of the first step that is impossible, for any register or for this
        charger's; else None.

        Cached: several candidates have the same chain.
        """
        for known, known_step in self._refused:
            if known == chain:
                return known_step
        step = self._first_refused(chain)
        self._refused.append((chain, step))
        return step

    def _first_refused(self, chain: Chain) -> int | None:
        fast, slack = self.fast_w / HOUR, chain.slack
        has_charges = bool(self.case.charges)
        level = chain.wh[0]
        level_at = before = chain.at[0]
        for number, (now, wh) in enumerate(chain.points):
            rise = wh - level
            if rise < -chain.digit:
                return number
            if rise > 0:
                is_fast = rise > fast * (now - before) + slack
                if is_fast and not self._is_step(chain, number, level_at):
                    return number
                if has_charges and rise > slack and rise > self.most_by_charge(level_at, now):
                    return number
                level, level_at = wh, now
            before = now
        return None

    def can_rise(self, rise: int, seconds: float, digit: int) -> bool:
        """Whether a register can have risen by this much in this time: `refused_step` for a single
        step."""
        slack = digit + digit
        if rise <= 0:
            return rise >= -digit
        if rise <= self.fast_w / HOUR * seconds + slack:
            return True
        longest = max(0.0, seconds) + tolerances.METER_AGE + self.case.interval
        if not self.case.is_timed:
            longest = max(longest, self.case.longest)
        return rise <= self.refused_w * longest / HOUR + slack

    def can_have_flowed(self, chain: Chain, number: int, wh: int) -> bool:
        """Whether this energy in Wh can have flowed in one step, by power or else by the fastest
        other step."""
        seconds = max(0.0, chain.seconds_to(number)) + tolerances.METER_AGE
        most = self.case.power.most if self.case.power else self.paces(chain).most
        return wh <= most * (1 + tolerances.POWER_SHARE) * seconds / HOUR + chain.slack

    def is_possible(self, chain: Chain, number: int) -> bool:
        """Whether this one step of a chain is possible."""
        return self._is_step(chain, number, chain.at[number - 1])

    def _is_step(self, chain: Chain, number: int, level_at: float) -> bool:
        """Whether a fast step is possible, perhaps because the register had stood still since
        `level_at`."""
        case, slack = self.case, chain.slack
        rise = chain.rise_to(number)
        before, now = chain.at[number - 1], chain.at[number]

        # A clock may be told in whole minutes, so several readings have one time.
        seconds = max(0.0, now - before) + tolerances.METER_AGE
        is_end = number in (1, len(chain.at) - 1)
        if is_end or case.is_instant or now == before:
            seconds += case.interval
        # Where the time is unknown, power still tells when energy flowed.
        is_one_moment = now == before and not self.is_tracked_by_power
        if not case.is_timed or now < before or is_one_moment:
            seconds = max(seconds, case.longest)
        if rise <= self.refused_w * seconds / HOUR + slack:
            if self.is_tracked_by_power or case.is_dc:
                return True
            # If nothing but the register was reported, the step must fit the others.
            others = self.paces(chain).spread(without=number)
            usual_w = max(tolerances.AC_W, tolerances.FAR_MORE * others.median)
            if others.steps < tolerances.FEW or rise * HOUR / seconds <= usual_w:
                return True

        # A register that stood still catches up.
        caught_up = now - level_at
        if caught_up <= now - before:
            return False
        if self.is_tracked_by_power:
            most = self.refused_w * (caught_up + case.interval) / HOUR
            return rise <= min(most, self._drawn_since(level_at, before, now)) + slack
        others = self.paces(chain).spread(without=number)
        if not others.steps:
            others = self.paces(chain).spread()
        fastest = max(others.most, others.median * (1 + tolerances.STEADY_SHARE))
        return rise <= fastest * caught_up / HOUR + slack

    def _drawn_since(self, level_at: float, before: float, now: float) -> float:
        """Return the maximum energy in Wh by the powers while a register stood still, and after the
        last of them."""
        power = self.case.power
        places, high = power.places, power.sums.high
        if level_at not in places or before not in places:
            return inf
        drawn = high[places[before]] - high[places[level_at]]
        by_powers = (1 + tolerances.HALF) * drawn
        seconds = max(0.0, now - before) + self.case.interval
        return by_powers + self.refused_w * seconds / HOUR

    def is_usual_since(self, chain: Chain, number: int, since: float) -> bool:
        """Whether a step ends where the pace of the others would have led to since a register stood
        still."""
        rise, seconds = chain.rise_to(number), chain.at[number] - since
        if seconds <= chain.seconds_to(number):
            return False
        others = self.paces(chain).spread(without=number)
        usual = others.median * seconds / HOUR
        is_close = abs(rise - usual) <= tolerances.STEADY_SHARE * usual + chain.slack
        return others.steps >= tolerances.FEW and is_close

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
        case, power = self.case, self.case.power
        if self.is_tracked_by_power:
            is_dense = power.interval <= tolerances.SHORT_GAP
            share = tolerances.POWER_SHARE if is_dense else power.longer_share
            return power.most * (1 + share)
        most_w = tolerances.FASTEST_W
        if case.is_ac_shown:
            most_w = tolerances.AC_W * (1 + tolerances.POWER_SHARE)
        if case.ceiling_w:
            # It may be known with cars on one phase only.
            known_w = case.ceiling_w * tolerances.PHASES * (1 + tolerances.POWER_SHARE)
            most_w = min(most_w, known_w)
        return most_w

    @cached_property
    def fast_w(self) -> float:
        """The power up to which `refused_step` accepts a step without closer examination."""
        if self.is_tracked_by_power:
            return self.refused_w
        return min(self.refused_w, tolerances.AC_W)

    # The total

    def too_much(self, wh: int) -> Evidence | None:
        """Return the conflict of a figure with time and power; None if so much energy can have
        flowed."""
        if wh <= self.most_wh:
            return None
        most = in_wh(round(self.most_wh))
        lasted = minutes(self.case.longest)
        return energy_text(wh), Told("at most {1} in {2}", most, lasted)

    @cached_property
    def most_wh(self) -> float:
        """The maximum energy in Wh, by time and power."""
        return self.refused_w * self.case.longest_by_readings / HOUR + self.case.slack

    def confirms(self, wh: int) -> bool:
        """Whether another source confirms this figure, in Wh."""
        case, power = self.case, self.case.power
        if power:
            if not self.is_tracked_by_power or power.expected_wh is None:
                return False
            # Before the first and after the last power, as much as ever may have flowed, or none.
            least, most = power.expected_wh
            early = max(0.0, power.at[0] - case.begun)
            late = max(0.0, case.ended - power.at[-1])
            most += power.most * (early + late) / HOUR
            lowest = least * (1 - tolerances.STEADY_SHARE) - tolerances.ROUNDED_WH
            return lowest <= wh <= most * (1 + tolerances.STEADY_SHARE) + tolerances.ROUNDED_WH

        rise = charged(case)
        if rise < tolerances.LEAST_CHARGE_RISE:
            return False
        smallest, largest = tolerances.USUAL_BATTERY_WH
        return smallest * rise / 100 <= wh <= largest * rise / 100

    # The state of charge

    def most_by_charge(self, before: float, now: float) -> float:
        """Return the maximum energy in Wh that a battery can have taken between two times with a
        state of charge.

        After the last such time the battery may have become full. If the charge fell, another car
        may have charged.
        """
        first, last = self._percents.get(before), self._percents.get(now)
        if last is None and self.case.charges and now > self.case.charges[-1].at:
            last = 100.0
        if first is None or last is None or last < first - tolerances.CHARGE_STEP:
            return inf
        rise = max(0.0, last - first) + tolerances.CHARGE_STEP
        return tolerances.BATTERY_WH[1] * rise / 100

    @cached_property
    def _percents(self) -> dict[float, float]:
        return dict(self.case.charges) if _is_charge_shown(self.case) else {}

    def against_charge(self, chain: Chain, *, is_partial: bool = False) -> Evidence | None:
        """Return the conflict with the state of charge, if no battery can have taken the energy of
        this chain. A partial chain may be too little for the smallest one."""
        case = self.case
        if not _is_charge_shown(case):
            return None
        first, last = case.charges[0], case.charges[-1]
        rise, wh = charged(case), chain.wh[-1]
        smallest, largest = tolerances.BATTERY_WH

        # Before the first and after the last state of charge, only power limits it.
        early = max(0.0, first.at - chain.at[0])
        late = max(0.0, chain.at[-1] - last.at)
        beside = early + late
        if not case.is_timed:
            beside = max(beside, case.longest)
        most = largest * (rise + tolerances.CHARGE_STEP) / 100
        most += self.refused_w * beside / HOUR

        # A register that stood still before the first one catches up, at the latest at the stop.
        levels = [level for at, level in chain.points if at <= first.at]
        earlier = max(levels, default=0)
        least = smallest * (rise - tolerances.CHARGE_STEP) / 100
        if not is_partial and wh - earlier < least:
            wh -= earlier
            if wh < 0:
                return None
        elif wh <= most:
            return None
        percents = Number(first.percent), Number(last.percent)
        return energy_text(wh), Told("state of charge from {1} to {2} %", *percents)


def _is_charge_shown(case: Case) -> bool:
    """Whether the state of charge is evidence. One that never changes is not measured, as at many
    AC outlets. Nor is one that falls again and again."""
    charges = case.charges
    if len(charges) < tolerances.SEVERAL:
        return len(charges) > 0
    has_changed = len({percent for _, percent in charges}) > 1
    return has_changed and len(_falls(charges)) <= 1


def charged(case: Case) -> float:
    """Return the rise of the state of charge in per cent. It counts anew after a fall, as another
    car then charges."""
    if not _is_charge_shown(case):
        return 0.0
    rise = case.charges[-1].percent - case.charges[0].percent
    return max(0.0, rise + sum(_falls(case.charges)))


def _falls(charges: Sequence[StateOfCharge]) -> list[float]:
    """Return what the state of charge fell by, in per cent, each time that it fell."""
    falls = (before.percent - now.percent for before, now in pairwise(charges))
    return [fall for fall in falls if fall > tolerances.CHARGE_STEP]
