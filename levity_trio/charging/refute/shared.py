"""Transactions on other connectors that the same register counts, too.

A charger may have one meter for several connectors, and two chargers may read one meter, if its
address was entered twice. While two cars charge, the register of each transaction rises by the
energy of both, and both would be billed for it.

The meters of one house rise side by side, and there are many pairs of them, so that two registers
lie close together or alternate shows nothing. Two chargers have one meter if they tell its serial
number, if a person says so, or if seams show it: where one starts or stops within a session of the
other, both tell the same register, and the pace of the one that goes on changes by what comes or
goes. A register of its own does not, and stays where it is between two sessions.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, groupby, pairwise, product
from math import ceil, inf
from operator import attrgetter, itemgetter
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds, Finding
from levity_trio.charging.reviews import AS_REPORTED, in_wh
from levity_trio.charging.sent.evidence import (
    Beside,
    Boundary,
    Case,
    Level,
    Power,
    View,
    common_step,
)
from levity_trio.charging.sent.figures import Figure
from levity_trio.charging.sent.power import HOUR
from levity_trio.told import Told

WITHOUT: Final = Told("without what the other one charged")


class AlsoCounted(NamedTuple):
    """Another transaction that the same register counted, which showed `begin` to `end` Wh while
    both ran."""

    other: Beside
    begin: int
    end: int
    most: int
    """The most that its car drew of the rise, in Wh; 0 if that is next to nothing."""
    rest: int
    """What the power of this one leaves of the rise, in Wh."""
    is_unlikely: bool = False
    """Two messages around show that each has a register of its own; both would have to be wrong."""

    @property
    def words(self) -> str:
        where = self.other.id, self.other.connector
        if self.other.charger:
            charger = self.other.charger
            return Told(
                "its register also counted session {1} on connector {2} of {3}", *where, charger
            )
        return Told("its register also counted session {1} on connector {2}", *where)


class _Common(NamedTuple):
    """The time in which two transactions ran, in seconds, and what one register showed at its begin
    and end, in Wh."""

    since: float
    until: float
    begin: int
    end: int
    is_met: bool
    """Starts or stops around are just where the other connector was, so that it is hardly by
    chance."""

    @property
    def rise(self) -> int:
        return self.end - self.begin


def shared(case: Case, _bounds: Bounds, figure: Figure) -> Finding | None:
    """Find what a figure counts of other transactions, and what that takes from it."""
    drawing = [also for also in counted(case, figure.begin, figure.end) if also.most]
    if not drawing:
        return None
    first = drawing[0]
    rise = Told("{1} to {2} while both ran", in_wh(first.begin), in_wh(first.end))
    evidence = rise, Told("the registers of session {1}", first.other.id)
    # A figure that was not reported is in doubt already, so nothing is taken from it.
    if not figure.is_reported:
        return Finding(evidence, words=first.words)
    rest = sum(also.rest for also in drawing)
    likely = sum(also.rest for also in drawing if not also.is_unlikely)
    figures: dict[str, int] = {AS_REPORTED: figure.wh}
    if rest:
        figures[WITHOUT] = max(0, figure.wh - rest)
    return Finding(evidence, figures, first.words, taken=min(figure.wh, likely))


def counted(case: Case, begin: int | None, end: int | None) -> list[AlsoCounted]:
    """Return the transactions that the register counted, too, while a figure of the range `begin`
    to `end` flowed."""
    if begin is None or end is None:
        return []
    if not case.is_timed:
        # If the clock stood still, all powers have one time. Most of them are then taken for
        # repetitions and not stored, so those that are stored do not limit what a car drew.
        beside = [other._replace(power=Power()) for other in case.beside]
        case = replace(case, power=Power(), beside=beside)
    also_counted: list[AlsoCounted] = []
    for other, common, is_unlikely in _together(case, begin, end):
        power = _power_of_other(case, other, common)
        least, most = _drawn(power, common, power.interval)
        own_least, own_most = _drawn(case.power, common, case.power.interval)
        least = max(least, common.rise - own_most, _beyond_own(case, common))
        most_wh = int(min(common.rise, max(least, most)))
        not_own = ceil(common.rise - own_least)
        rest = max(least, not_own)
        if other.charger:
            rest = max(least, _by_pace_of_before(case, other, common))

        # So little may be nothing, unless the other transaction lies within this one.
        is_within = case.begun <= other.begun and other.ended <= case.ended
        is_unknown = not case.is_timed or not (case.power or other.power)
        little = tolerances.REACH_WH if is_unknown else tolerances.SHARED_WH
        is_drawing = most_wh > little or min(least, most_wh) > tolerances.REACH_WH
        also_counted.append(
            AlsoCounted(
                other,
                begin=common.begin,
                end=common.end,
                most=most_wh if is_within or is_drawing else 0,
                rest=int(min(most_wh, rest)),
                is_unlikely=is_unlikely,
            )
        )
    return also_counted


def _together(case: Case, begin: int, end: int) -> Iterator[tuple[Beside, _Common, bool]]:
    """Yield the other transactions that tell the same register, if it rose while both ran, and
    whether that is unlikely."""
    for _, of_connector in groupby(case.beside, key=attrgetter("charger", "connector")):
        others = list(of_connector)
        first, last = Level(case.begun, begin), Level(case.ended, end)
        own = list(_levels(case.earlier, first, last, case.view))
        theirs: list[Level] = []
        for other in others:
            first = Level(other.begun, other.begin)
            stop = None if other.end is None else Level(other.ended, other.end)
            theirs += _levels(other.earlier, first, stop, other.view)
        own_around = _never_fallen(case.boundaries, begin)
        their_around = _never_fallen(others[0].boundaries, others[0].begin)

        chance = _chance_of_meetings(own_around, their_around)
        digit = max(case.digit, *(other.view.digit for other in others))
        # Of other chargers, only those of one meter are known.
        most_by_chance = inf if others[0].charger else tolerances.MEETING_BY_CHANCE / chance
        if not _is_one(own, theirs, digit, most_by_chance):
            continue
        against = list(_against_one(own_around, their_around, tolerances.SHARED_WH))
        if _are_too_many(against, tolerances.FEW):
            continue

        for other in others:
            common = _Common(
                since=max(case.begun, other.begun),
                until=min(case.ended, other.ended),
                begin=max(begin, other.begin),
                end=end if other.end is None else min(end, other.end),
                is_met=chance <= tolerances.MEETING_BY_CHANCE,
            )
            # If both begin at 0, they may count each transaction anew.
            if common.since >= common.until or common.begin <= 0 or common.rise <= 0:
                continue
            if not _is_too_little(case, other, common):
                yield other, common, _are_too_many(against, 1)


# Whether two connectors have one register


class Track(NamedTuple):
    """What a charger told of its register around a transaction, in order of time: the starts and
    stops, and these with the readings."""

    boundaries: Sequence[Boundary]
    levels: Sequence[Boundary | Level]


def starts_and_stops(
    this: tuple[Sequence[Boundary], int], other: tuple[Sequence[Boundary], int]
) -> tuple[Sequence[Boundary], Sequence[Boundary]] | None:
    """Return the starts and stops around two transactions that may have one meter; None if a single
    one that is too low shows two. They come with the register of the transaction in question."""
    own, theirs = _never_fallen(*this), _never_fallen(*other)
    return None if any(_against_one(own, theirs, tolerances.REACH_WH)) else (own, theirs)


def rises_at_rest(boundaries: Sequence[Boundary]) -> bool:
    """Whether a register rose between two sessions, by more than a charger takes for itself."""
    for before, now in pairwise(boundaries):
        idle_wh = tolerances.IDLE_W * (now.at - before.at) / HOUR
        rise = now.wh - before.wh
        if now.is_start and not before.is_start and rise > tolerances.REACH_WH + idle_wh:
            return True
    return False


def likeness(own: Track, theirs: Track, limits: Sequence[float]) -> tuple[int, int]:
    """Return how many starts and stops of each charger within a session of the other are seams that
    show one meter, and how many starts are where the other one had stopped, so that both counted
    what one of them took.

    Around the times of `limits`, a limit of ours may have changed, so that no seam shows anything.
    """
    # Limits are known by the quarter of an hour, and a car follows soon.
    managed = tolerances.SPAN_SECONDS + tolerances.SPAN_SECONDS
    step = common_step([level.wh for level in (*own.levels, *theirs.levels)])
    seams = 0
    for track, other in ((own, theirs), (theirs, own)):
        for start, stop in pairwise(track.boundaries):
            if stop.is_start or not start.is_start:
                continue
            within = (one for one in other.boundaries if start.at < one.at < stop.at)
            ends = [start, *within, stop]
            for before, seam, after in zip(ends, ends[1:], ends[2:], strict=False):
                earlier = _between(track, before, seam)
                later = _between(track, seam, after)
                since, until = earlier[0].at - managed, later[-1].at + managed
                if not any(since < at < until for at in limits):
                    seams += is_seam(seam, earlier, later, step)
    meetings = _meetings(own.boundaries, theirs.boundaries)
    return seams, sum(now.is_start for now, _ in meetings)


def _between(track: Track, since: Boundary, until: Boundary) -> list[Boundary | Level]:
    """Return what a charger told between two starts or stops; with these, if that shows no pace."""
    between = [level for level in track.levels if since.at <= level.at <= until.at]
    return between if len(between) > 1 else [since, *between, until]


def is_seam(
    seam: Boundary,
    earlier: Sequence[Boundary | Level],
    later: Sequence[Boundary | Level],
    step: int,
) -> bool:
    """Whether a charger showed the register of a start or stop of the other one, and its pace
    changed there: up, or down."""
    before, after = _pace(earlier[::-1], step), _pace(later, step)
    (low, low_error), (high, high_error) = (before, after) if seam.is_start else (after, before)
    is_changed = high * (1 - high_error) > low * (1 + low_error)
    if not is_changed or low * HOUR < tolerances.LEAST_AC_W:
        return False

    # By the pace of before, or by that of after, it stood where the other one did.
    last, first = earlier[-1], later[0]
    by_last = last.wh + before[0] * (seam.at - last.at)
    by_first = first.wh - after[0] * (first.at - seam.at)
    apart = min(abs(seam.wh - by_last), abs(seam.wh - by_first))
    slack = tolerances.LAST_DIGITS * step + high * tolerances.METER_AGE
    return apart <= slack + tolerances.POWER_SHARE * (first.wh - last.wh)


def _pace(levels: Sequence[Boundary | Level], step: int = 1) -> tuple[float, float]:
    """Return the energy by time from the first of these levels to the next that is far enough from
    it, in Wh a second, and the share by which it may be wrong."""
    first, *others = levels
    pace, error = 0.0, inf
    for level in others:
        seconds, wh = abs(level.at - first.at), abs(level.wh - first.wh)
        if not seconds or not wh:
            continue
        pace = wh / seconds
        error = tolerances.METER_AGE / seconds + tolerances.LAST_DIGITS * step / wh
        error += tolerances.POWER_SHARE
        if seconds >= tolerances.SPAN_SECONDS and error <= tolerances.STEADY_SHARE:
            break
    return pace, error


def _levels(earlier: Level | None, begin: Level, end: Level | None, view: View) -> Iterator[Level]:
    """Yield what a connector told of its lifetime register, without the readings that do not
    rise."""
    if earlier is not None and earlier.wh <= begin.wh:
        yield earlier
        # A begin that seems to be earlier than that was told by a clock that was not set yet.
        begin = Level(max(begin.at, earlier.at), begin.wh)
    yield begin

    # Readings below the begin that reach no more than the rise up to the end count from 0 in each
    # transaction.
    last, readings = inf if end is None else end.wh, view.wh
    most = max(readings, default=0)
    if most < begin.wh and most <= last - begin.wh + view.digit:
        readings = [begin.wh + wh for wh in readings]
    highest_before = accumulate(readings, max)
    lowest_after = reversed(list(accumulate(reversed(readings), min)))
    levels = zip(view.at, readings, highest_before, lowest_after, strict=True)
    for at, wh, highest, lowest in levels:
        if begin.wh <= wh <= last and highest == wh == lowest:
            yield Level(at, wh)
    if end is not None:
        yield end


def _is_one(
    own: Sequence[Level], theirs: Sequence[Level], digit: int, most_by_chance: float
) -> bool:
    """Whether two connectors tell one register: in order of time, it never falls from one to the
    other, and that is hardly by chance.

    Two registers of their own do not rise together for long, even if they meet.
    """
    levels = [(level.at, -level.wh, 0) for level in own]
    levels += [(level.at, -level.wh, 1) for level in theirs]
    levels.sort()
    # A run is what one connector told before the other one told something.
    runs: list[list[int]] = []
    for _, of_connector in groupby(levels, key=itemgetter(2)):
        runs.append([-wh for _, wh, _ in of_connector])

    # A coarse one may fall by its step, if it was read a moment later.
    slack = max(digit, tolerances.REACH_WH)
    falls = [before[-1] - now[0] for before, now in pairwise(runs)]
    if max(falls, default=0) > slack:
        return False
    if sum(fall > tolerances.REACH_WH for fall in falls) > tolerances.FEW:
        return False

    chance = 1.0
    for before, now, after in zip(runs, runs[1:], runs[2:], strict=False):
        between = after[0] - before[-1] + slack
        chance *= min(1.0, between / max(1, now[0]))
    return chance <= most_by_chance


def _chance_of_meetings(own: Sequence[Boundary], theirs: Sequence[Boundary]) -> float:
    """Return how likely it is by chance that starts and stops around are just where the other
    connector was last; 1 if the registers fall from one connector to the other.

    A register of its own stays from a stop to the next start. If it does not, it may be anywhere,
    as after a stop.
    """
    levels = sorted((boundary.at, boundary.wh) for boundary in (*own, *theirs))
    step = common_step([wh for _, wh in levels])
    slack = max(step, tolerances.REACH_WH)
    if any(now < before - slack for (_, before), (_, now) in pairwise(levels)):
        return 1.0
    chance = 1.0
    for _, rise in _meetings(own, theirs):
        chance *= min(1.0, max(step, tolerances.ROUNDED_WH) / rise)
    return chance


def _meetings(
    own: Sequence[Boundary], theirs: Sequence[Boundary]
) -> Iterator[tuple[Boundary, int]]:
    """Yield each start and stop that is where the other connector was last, and not where its own
    one was, in order of time, with the rise in Wh since that."""
    boundaries = [(boundary.at, boundary.wh, 0, boundary) for boundary in own]
    boundaries += [(boundary.at, boundary.wh, 1, boundary) for boundary in theirs]
    boundaries.sort()
    earlier: tuple[list[Boundary], list[Boundary]] = ([], [])
    for _, _, connector, now in boundaries:
        before, others = earlier[connector], earlier[1 - connector]
        if before and others and before[-1].is_start != now.is_start:
            rise = now.wh - before[-1].wh
            is_there = abs(now.wh - others[-1].wh) <= tolerances.ROUNDED_WH
            # Two that rose side by side from the same start may stop at the same register, too.
            is_own_rise = now.is_start
            if not is_own_rise and len(others) > 1:
                apart = abs(others[-2].wh - before[-1].wh)
                is_own_rise = apart > tolerances.REACH_WH
            if rise > tolerances.REACH_WH and is_there and is_own_rise:
                yield now, rise
        before.append(now)


def _never_fallen(boundaries: Sequence[Boundary], begin: int) -> list[Boundary]:
    """Return the boundaries around the one at `begin` Wh, as far as the connector's register did
    not fall from one to the next."""
    runs: list[list[Boundary]] = [[]]
    for boundary in boundaries:
        if runs[-1] and boundary.wh < runs[-1][-1].wh:
            runs.append([])
        runs[-1].append(boundary)
    for run in runs:
        if any(boundary.wh == begin for boundary in run):
            return run
    return []


def _against_one(
    own: Sequence[Boundary], theirs: Sequence[Boundary], below: int
) -> Iterator[tuple[Boundary, Boundary]]:
    """Yield pairs of starts and stops that show two registers: one connector told a register that
    is more than `below` Wh lower than what had been received from the other one before."""
    for earlier, later in ((own, theirs), (theirs, own)):
        for higher, lower in product(earlier, later):
            if higher.received < lower.at and lower.wh < higher.wh - below:
                yield higher, lower


def _are_too_many(pairs: Sequence[tuple[Boundary, Boundary]], most: int) -> bool:
    """Whether more messages than `most` would have to be wrong, if one of each pair is."""
    if not pairs or most == 0:
        return bool(pairs)
    for wrong in pairs[0]:
        others = [pair for pair in pairs if wrong not in pair]
        if not _are_too_many(others, most - 1):
            return False
    return True


def _is_too_little(case: Case, beside: Beside, common: _Common) -> bool:
    """Whether the register rose by less than both cars drew by their power: then each has a
    register of its own."""
    powers = case.power, beside.power
    for power in powers:
        # The power that each reports may be that of both, too: then it was higher while both ran.
        together = alone = 0.0
        for at, low in zip(power.at, power.low, strict=True):
            if common.since <= at <= common.until:
                together = max(together, low)
            else:
                alone = max(alone, low)
        is_higher = together > (1 + tolerances.STEADY_SHARE) * alone
        if is_higher and alone >= tolerances.LEAST_CHARGING_W:
            return False

    usual = min((power.interval for power in powers if power.interval), default=0.0)
    if common.is_met:
        # In a longer gap, a car may have paused.
        usual = min(usual, tolerances.SHORT_GAP / tolerances.TWICE)
    least = 0.0
    for power in powers:
        least += _drawn(power, common, usual)[0]
    return least * (1 - tolerances.POWER_SHARE) > common.rise + tolerances.REACH_WH


# What the other car drew


def _beyond_own(case: Case, common: _Common) -> float:
    """Return how much more the register rose, while both ran, than this one's car drew by its
    power, in Wh. The other car rather drew that than this one between two reports."""
    power = case.power
    if not power:
        return 0.0
    levels = [(common.since, common.begin)]
    for at, wh in case.view.points:
        if common.since < at < common.until:
            levels.append((at, wh))
    levels.append((common.until, common.end))
    beyond = 0.0
    for (then, low), (now, high) in pairwise(levels):
        first = max(0, bisect_right(power.at, then) - 1)
        last = bisect_left(power.at, now)
        highest_w = max(power.high[first : last + 1])
        seconds = now - then + tolerances.METER_AGE
        allowed = (1 + tolerances.POWER_SHARE) * highest_w * seconds / HOUR + case.slack
        beyond += max(0.0, high - low - allowed)
    return beyond


def _by_pace_of_before(case: Case, other: Beside, common: _Common) -> float:
    """Return how much of the rise is not of this one's car, if the one that began first goes on at
    its pace of before, in Wh; 0 if that is not known."""
    is_first = case.begun < other.begun
    begin, view = (case.start_wh, case.view) if is_first else (other.begin, other.view)
    begun = min(case.begun, other.begun)
    levels = [Level(begun, begin or 0)]
    levels += [Level(at, wh) for at, wh in view.points if begun < at < common.since]
    pace, error = _pace([*levels, Level(common.since, common.begin)][::-1])
    if error > tolerances.HALF:
        return 0.0
    of_first = min(float(common.rise), pace * (common.until - common.since))
    return common.rise - of_first if is_first else of_first


def _power_of_other(case: Case, beside: Beside, common: _Common) -> Power:
    """Return the other car's power. At the start of this transaction it is 0 if the register had
    stood still until then: that car had stopped drawing."""
    power = beside.power
    readings = [(at, wh) for at, wh in beside.view.points if at < case.begun]
    number = sum(at < case.begun for at in power.at)
    if not readings or not number:
        return power
    at, wh = readings[-1]
    drawn = power.low[number - 1] * (case.begun - at) / HOUR
    if common.begin - wh + case.slack > tolerances.HALF * drawn:
        return power
    at_begin = [case.begun, *power.at[number:]]
    low = [0.0, *power.low[number:]]
    high = [0.0, *power.high[number:]]
    return Power(at_begin, low, high)


def _drawn(power: Power, common: _Common, usual: float) -> tuple[float, float]:
    """Return the least and the most energy in Wh by the powers told while both ran and next to that
    time. `usual` is the usual time between two of them, in seconds."""
    if not power:
        return 0.0, inf
    first = bisect_right(power.at, common.since)
    last = bisect_left(power.at, common.until)
    edges = [common.since, *power.at[first:last], common.until]
    is_reported = first < last or 0 < first < len(power.at)
    least = most = 0.0
    for place, (then, now) in enumerate(pairwise(edges), first):
        seconds = now - then
        beside = slice(max(0, place - 1), place + 1)
        # Before the first power, a car may have drawn as much as ever.
        highest = max(power.high[beside]) if place else power.most
        apart = tolerances.POWER_SHARE if seconds <= tolerances.SHORT_GAP else tolerances.HALF
        most += highest * (1 + apart) * seconds / HOUR
        # Without any power while both ran, or in a gap much longer than usual, it may have drawn
        # none.
        if is_reported and seconds <= tolerances.TWICE * usual:
            least += min(power.low[beside]) * seconds / HOUR
    return least, most
