"""Transactions on other connectors that the same register counts, too (rules.md, Energy).

A charger may have one meter for several connectors, and two chargers may read one meter, if its
address was entered twice. While two cars charge, the register of each transaction rises by the
energy of both, and both would be billed for it. The meters of one house rise side by side, and
there are many pairs of them. So two chargers have one meter only if they tell its serial number, or
if starts of each are where the other one stopped.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, groupby, pairwise, product
from math import ceil, inf, prod
from operator import attrgetter, itemgetter
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds, Finding
from levity_trio.charging.reviews import AS_REPORTED, in_wh
from levity_trio.charging.sent.evidence import Beside, Boundary, Case, Level, Power, View
from levity_trio.charging.sent.figures import Figure
from levity_trio.charging.sent.power import HOUR
from levity_trio.told import Told

WITHOUT: Final = Told("without what the other one charged")


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

    @property
    def is_shared(self) -> bool:
        """Whether there is such a time and a rise. If both begin at 0, they may count each
        transaction anew."""
        return self.since < self.until and self.begin > 0 and self.rise > 0


class Counted(NamedTuple):
    """Another transaction that the same register counted, which showed `begin` to `end` Wh while
    both ran, and the most that its car drew of it, 0 if that is next to nothing; and what the power
    of this one leaves of it."""

    one: Beside
    begin: int
    end: int
    most: int
    rest: int
    is_unlikely: bool = False
    """Two messages around show that each has a register of its own; both would have to be wrong."""

    @property
    def words(self) -> str:
        one = self.one
        if one.charger:
            where = (one.id, one.connector, one.charger)
            return Told("its register also counted session {1} on connector {2} of {3}", *where)
        return Told("its register also counted session {1} on connector {2}", one.id, one.connector)


def are_one(
    this: tuple[Sequence[Boundary], int],
    other: tuple[Sequence[Boundary], int],
    *,
    is_one_serial: bool,
) -> bool:
    """Whether two chargers have one meter: they tell its serial number, or FEW starts are where the
    other one had stopped, and not where the own one had. A single start or stop that is too low
    shows that each has its own. Starts and stops around come with the register of the transaction
    in question."""
    own, theirs = _since(*this), _since(*other)
    if any(_against_one(own, theirs, tolerances.REACH_WH)):
        return False
    starts = [now for now, _ in _meetings(own, theirs) if now.is_start]
    return is_one_serial or len(starts) >= tolerances.FEW


def counted(case: Case, begin: int | None, end: int | None) -> list[Counted]:
    """Return the transactions that the register counted, too, while a figure of the range `begin`
    to `end` flowed."""
    if begin is None or end is None:
        return []
    case = case if case.is_timed else _without_power(case)
    return [
        Counted(one, common.begin, common.end, *_energies(case, one, common), is_unlikely)
        for one, common, is_unlikely in _together(case, begin, end)
    ]


def shared(case: Case, _bounds: Bounds, figure: Figure) -> Finding | None:
    """Return what a figure counts of other transactions, and what that takes from it. From a figure
    that was not reported nothing is taken: it is in doubt already."""
    drawing = [one for one in counted(case, figure.begin, figure.end) if one.most]
    if not drawing:
        return None
    first = drawing[0]
    evidence = (
        Told("{1} to {2} while both ran", in_wh(first.begin), in_wh(first.end)),
        Told("the registers of session {1}", first.one.id),
    )
    if not figure.is_reported:
        return Finding(evidence, words=first.words)
    rest, likely = (
        sum(one.rest for one in some)
        for some in (drawing, [one for one in drawing if not one.is_unlikely])
    )
    figures: dict[str, int] = {AS_REPORTED: figure.wh, WITHOUT: max(0, figure.wh - rest)}
    return Finding(evidence, figures, first.words, min(figure.wh, likely))


def _without_power(case: Case) -> Case:
    """Return the evidence of a clock that stands still. A power that was told with the same time
    before, in whichever transaction, seems to be repeated, and is stored only with another
    register: so nothing limits what a car drew."""
    return replace(case, power=Power(), beside=[one._replace(power=Power()) for one in case.beside])


def _together(case: Case, begin: int, end: int) -> Iterator[tuple[Beside, _Common, bool]]:
    """Yield the other transactions that tell the same register, if it rose while both ran."""
    for _, found in groupby(case.beside, key=attrgetter("charger", "connector")):
        own = _levels(case.earlier, Level(case.begun, begin), Level(case.ended, end), case.view)
        others = list(found)
        theirs = [level for one in others for level in _levels_of(one)]
        around = _since(case.boundaries, begin), _since(others[0].boundaries, others[0].begin)
        digit = max(case.digit, *(one.view.digit for one in others))
        chance = _chance_of_meetings(*around)
        if not _is_one([*own], theirs, digit, tolerances.MEETING_BY_CHANCE / chance):
            continue
        against = list(_against_one(*around, tolerances.SHARED_WH))
        if _are_too_many(against, tolerances.FEW):
            continue
        for one in others:
            until = end if one.end is None else min(end, one.end)
            lasted = max(case.begun, one.begun), min(case.ended, one.ended)
            common = _Common(
                *lasted, max(begin, one.begin), until, chance <= tolerances.MEETING_BY_CHANCE
            )
            if common.is_shared and not _is_too_little(case, one, common):
                yield one, common, _are_too_many(against, 1)


def _levels_of(one: Beside) -> Iterator[Level]:
    end = None if one.end is None else Level(one.ended, one.end)
    yield from _levels(one.earlier, Level(one.begun, one.begin), end, one.view)


def _levels(earlier: Level | None, begin: Level, end: Level | None, view: View) -> Iterator[Level]:
    """Yield what a connector told of its lifetime register, without the readings that do not rise.

    Readings below the begin that reach no more than the rise up to the end count from 0 in each
    transaction. A begin that seems to be before the end of the previous transaction was told by a
    clock that was not set yet.
    """
    if earlier is not None and earlier.wh <= begin.wh:
        yield earlier
        begin = Level(max(begin.at, earlier.at), begin.wh)
    yield begin
    last = inf if end is None else end.wh
    most = max(view.wh, default=0)
    told = (
        [begin.wh + wh for wh in view.wh]
        if most < begin.wh and most <= last - begin.wh + view.digit
        else view.wh
    )
    before = accumulate(told, max)
    after = reversed(list(accumulate(reversed(told), min)))
    for at, wh, highest, lowest in zip(view.at, told, before, after, strict=True):
        if begin.wh <= wh <= last and highest == wh == lowest:
            yield Level(at, wh)
    if end is not None:
        yield end


def _is_one(own: Sequence[Level], theirs: Sequence[Level], digit: int, most: float) -> bool:
    """Whether two connectors tell one register: in order of time, it never falls from one to the
    other, and that is hardly by chance: no more likely than `most`. A coarse one may fall by its
    step, if it was read a moment later.

    Two registers of their own do not rise together for long, even if they meet.
    """
    told = sorted(
        (level.at, -level.wh, number)
        for number, found in enumerate((own, theirs))
        for level in found
    )
    runs = [[-wh for _, wh, _ in run] for _, run in groupby(told, key=itemgetter(2))]
    slack = max(digit, tolerances.REACH_WH)
    falls = [before[-1] - now[0] for before, now in pairwise(runs)]
    if (
        max(falls, default=0) > slack
        or sum(fall > tolerances.REACH_WH for fall in falls) > tolerances.FEW
    ):
        return False
    inner = zip(runs, runs[1:], runs[2:], strict=False)
    chances = [(after[0] - before[-1] + slack) / max(1, now[0]) for before, now, after in inner]
    return prod(min(1.0, chance) for chance in chances) <= most


def _chance_of_meetings(own: Sequence[Boundary], theirs: Sequence[Boundary]) -> float:
    """Return how likely it is by chance that starts and stops around are just where the other
    connector was last; 1 if the registers fall from one connector to the other.

    A register of its own stays from a stop to the next start. If it does not, it may be anywhere,
    as after a stop. Two that rose side by side from the same start may stop at the same register,
    too.
    """
    told = sorted((one.at, one.wh) for one in (*own, *theirs))
    step = next((step for step in (1000, 100, 10) if all(wh % step == 0 for _, wh in told)), 1)
    if any(
        now < before - max(step, tolerances.REACH_WH) for (_, before), (_, now) in pairwise(told)
    ):
        return 1.0
    return prod(
        min(1.0, max(step, tolerances.ROUNDED_WH) / rise) for _, rise in _meetings(own, theirs)
    )


def _meetings(
    own: Sequence[Boundary], theirs: Sequence[Boundary]
) -> Iterator[tuple[Boundary, int]]:
    """Yield each start and stop that is where the other connector was last, and not where its own
    one was, in order of time, with the rise in Wh since that."""
    told = sorted(
        (one.at, one.wh, number, one) for number, found in enumerate((own, theirs)) for one in found
    )
    last: tuple[list[Boundary], list[Boundary]] = ([], [])
    for _, _, number, now in told:
        if _is_meeting(last[number], now, last[1 - number]):
            yield now, now.wh - last[number][-1].wh
        last[number].append(now)


def _is_meeting(before: Sequence[Boundary], now: Boundary, others: Sequence[Boundary]) -> bool:
    """Whether a start or a stop is where the other connector was last, and not where its own one
    was. `before` and `others` are what both connectors told before it."""
    if (
        not before
        or not others
        or before[-1].is_start == now.is_start
        or now.wh - before[-1].wh <= tolerances.REACH_WH
    ):
        return False
    is_own_rise = now.is_start or (
        len(others) > 1 and abs(others[-2].wh - before[-1].wh) > tolerances.REACH_WH
    )
    return is_own_rise and abs(now.wh - others[-1].wh) <= tolerances.ROUNDED_WH


def _since(told: Sequence[Boundary], begin: int) -> list[Boundary]:
    """Return those around the one with this register between which the register of the connector
    never fell."""
    runs: list[list[Boundary]] = [[]]
    for one in told:
        if runs[-1] and one.wh < runs[-1][-1].wh:
            runs.append([])
        runs[-1].append(one)
    return next((run for run in runs if any(one.wh == begin for one in run)), [])


def _against_one(
    own: Sequence[Boundary], theirs: Sequence[Boundary], below: int
) -> Iterator[tuple[Boundary, Boundary]]:
    """Yield the pairs of starts and stops around by which two connectors have registers of their
    own: what one of them told is more than `below` Wh below what had been received from the other
    one before."""
    for one, other in ((own, theirs), (theirs, own)):
        for higher, lower in product(one, other):
            if higher.received < lower.at and lower.wh < higher.wh - below:
                yield higher, lower


def _are_too_many(pairs: Sequence[tuple[Boundary, Boundary]], most: int) -> bool:
    """Whether more messages than `most` would have to be wrong, if one of each pair is."""
    if not pairs or most == 0:
        return bool(pairs)
    return all(
        _are_too_many([pair for pair in pairs if one not in pair], most - 1) for one in pairs[0]
    )


def _is_too_little(case: Case, beside: Beside, common: _Common) -> bool:
    """Whether the register rose by less than both cars drew by their power: then each has a
    register of its own.

    The power that each reports may be that of both, too. In a gap above SHORT_GAP, a car may have
    paused.
    """
    if any(_is_of_both(power, common) for power in (case.power, beside.power)):
        return False
    powers = (case.power, beside.power)
    longest = tolerances.SHORT_GAP / tolerances.TWICE if common.is_met else inf
    usual = min((min(power.interval, longest) for power in powers if power.interval), default=0.0)
    least = sum(_drawn(power, common, usual).least for power in powers)
    return least * (1 - tolerances.POWER_SHARE) > common.rise + tolerances.REACH_WH


def _is_of_both(power: Power, common: _Common) -> bool:
    """Whether a power was higher while both ran than it ever was before or after."""
    told = list(zip(power.at, power.low, strict=True))
    together = max((low for at, low in told if common.since <= at <= common.until), default=0.0)
    alone = max((low for at, low in told if not common.since <= at <= common.until), default=0.0)
    return alone >= tolerances.LEAST_CHARGING_W and together > (1 + tolerances.STEADY_SHARE) * alone


def _energies(case: Case, beside: Beside, common: _Common) -> tuple[int, int]:
    """Return what the other car drew while both ran, in Wh: the most, 0 if that may be nothing, or
    next to nothing; and what the power of this one leaves of the rise."""
    power = _without_rest(case, beside, common)
    drawn, own = (
        _drawn(power, common, power.interval),
        _drawn(case.power, common, case.power.interval),
    )
    least = max(drawn.least, common.rise - own.most, _beyond_own(case, common))
    most = int(min(common.rise, max(least, drawn.most)))
    rest = int(min(most, max(least, ceil(common.rise - own.least))))
    is_within = case.begun <= beside.begun and beside.ended <= case.ended
    is_unknown = not case.is_timed or not (case.power or beside.power)
    little = tolerances.REACH_WH if is_unknown else tolerances.SHARED_WH
    return (
        most if is_within or most > little or min(least, most) > tolerances.REACH_WH else 0
    ), rest


def _beyond_own(case: Case, common: _Common) -> float:
    """Return by how much the register rose faster while both ran than this one's car drew by its
    power, in Wh. Alone, it may have drawn more between two reports; beside another car, that one
    rather did."""
    power, view = case.power, case.view
    if not power:
        return 0.0
    between = [
        (at, wh)
        for at, wh in zip(view.at, view.wh, strict=True)
        if common.since < at < common.until
    ]
    told = [(common.since, common.begin), *between, (common.until, common.end)]
    beyond = 0.0
    for (then, low), (now, high) in pairwise(told):
        drawn = max(
            power.high[max(0, bisect_right(power.at, then) - 1) : bisect_left(power.at, now) + 1]
        )
        allowed = (1 + tolerances.POWER_SHARE) * drawn * (
            now - then + tolerances.METER_AGE
        ) / HOUR + case.slack
        beyond += max(0.0, high - low - allowed)
    return beyond


def _without_rest(case: Case, beside: Beside, common: _Common) -> Power:
    """Return the other car's power; 0 at the start of this transaction if the register had stood
    still before it."""
    power = beside.power
    readings = [
        level for level in zip(beside.view.at, beside.view.wh, strict=True) if level[0] < case.begun
    ]
    place = sum(at < case.begun for at in power.at)
    if not readings or not place:
        return power
    at, wh = readings[-1]
    drawn = power.low[place - 1] * (case.begun - at) / HOUR
    if common.begin - wh + case.slack > tolerances.HALF * drawn:
        return power
    return Power(
        [case.begun, *power.at[place:]], [0.0, *power.low[place:]], [0.0, *power.high[place:]]
    )


class _Drawn(NamedTuple):
    """Energies in Wh."""

    least: float = 0.0
    most: float = inf


def _drawn(power: Power, common: _Common, usual: float) -> _Drawn:
    """Return the energy by the powers told while both ran and next to that time.

    Before the first power, a car may have drawn as much as ever. Without any while both ran, or in
    a gap much longer than the usual one, in seconds, it may have drawn none.
    """
    if not power:
        return _Drawn()
    places = range(bisect_right(power.at, common.since), bisect_left(power.at, common.until) + 1)
    edges = [common.since, *(power.at[place] for place in places[:-1]), common.until]
    is_told = len(places) > 1 or 0 < places[0] < len(power.at)
    least = most = 0.0
    for place, (since, until) in zip(places, pairwise(edges), strict=True):
        beside = slice(max(0, place - 1), place + 1)
        highest = max(power.high[beside]) if place else power.most
        apart = tolerances.POWER_SHARE if until - since <= tolerances.SHORT_GAP else tolerances.HALF
        is_close = is_told and until - since <= tolerances.TWICE * usual
        least += is_close * min(power.low[beside]) * (until - since) / HOUR
        most += highest * (1 + apart) * (until - since) / HOUR
    return _Drawn(least, most)
