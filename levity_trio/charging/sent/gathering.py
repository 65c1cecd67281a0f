"""Group the readings of one transaction by measurand, for the judge.

A transaction may have thousands of readings, and the writer waits meanwhile. Rows therefore stay as the database
returns them, and each time is parsed once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import islice
from math import sqrt
from operator import itemgetter, le, lt
from typing import Any, Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.sent.evidence import Charge, Power, View
from levity_trio.charging.sent.readings import (
    AT_BEGIN,
    KILO,
    LOCATIONS,
    OUTLET,
    PERIODIC,
    PHASES,
    REGISTER,
    counting,
    digit_of,
    distance,
    exact_wh,
    phase_of,
    watts_of,
)
from levity_trio.wire.numbers import number

POWER: Final = "Power.Active.Import"
CURRENT: Final = "Current.Import"
VOLTAGE: Final = "Voltage"
CHARGE: Final = "SoC"
OFFERED: Final = "Power.Offered"
INTERVALS: Final = "Energy.Active.Import.Interval"
EXPORT: Final = "Energy.Active.Export.Register"
EXPORT_INTERVALS: Final = "Energy.Active.Export.Interval"
MEASURANDS: Final = (REGISTER, POWER, CURRENT, VOLTAGE, CHARGE, OFFERED, INTERVALS, EXPORT, EXPORT_INTERVALS)
"""The measurands that the judge uses."""

Row = tuple[str, str, str, str, str, str, str, int | None, str, str, int]
"""The columns of meter_val that the judge needs, as the database returns them. Named fields would double the time to
read thousands of rows."""
SOURCE: Final = 0
TIMESTAMP: Final = 1
MEASURAND: Final = 2
VALUE: Final = 3
UNIT: Final = 4
PHASE: Final = 5
CONTEXT: Final = 6
WH: Final = 7
RECEIVED_AT: Final = 8
LOCATION: Final = 9
ID: Final = 10
"""The indices of its fields."""
_SOURCE, _TIMESTAMP, _LOCATION = itemgetter(SOURCE), itemgetter(TIMESTAMP), itemgetter(LOCATION)
_UNIT, _WH, _PHASE, _PLACE = itemgetter(UNIT), itemgetter(WH), itemgetter(PHASE), itemgetter(LOCATION, PHASE)
_AC_V: Final = ((1 - tolerances.POWER_SHARE) * tolerances.AC_V, (1 + tolerances.POWER_SHARE) * tolerances.AC_V)
_BETWEEN_PHASES: Final = frozenset({"L1-L2", "L2-L3", "L3-L1"})


class Measurements(NamedTuple):
    """The readings of one transaction, by measurand."""

    views: list[View]
    begin_wh: int | None
    end_wh: int | None
    """The registers with context Transaction.Begin and Transaction.End, in Wh."""
    power: Power
    charges: Sequence[Charge]
    is_dc: bool
    is_dc_shown: bool
    is_ac_shown: bool
    intervals: Sequence[float]
    exported_wh: int


def gather(rows: Sequence[Row]) -> Measurements:
    """Group the readings of one transaction, in order of arrival, by measurand."""
    by_measurand = defaultdict[str, list[Row]](list)
    for row in _at_outlet(rows):
        by_measurand[row[MEASURAND]].append(row)
    timestamps, registers = dict.fromkeys(map(_TIMESTAMP, rows)), by_measurand[REGISTER]  # each is parsed once
    times = dict(zip(timestamps, map(datetime.timestamp, map(datetime.fromisoformat, timestamps)), strict=True))
    views = [view for found in _by_source(registers) if (view := _view(found, times)) is not None]
    percents = _numbers(by_measurand[CHARGE])
    voltages = _numbers(by_measurand[VOLTAGE])
    volts = [number for found in voltages.values() for phase, number in found.items() if "-" not in phase]
    offers = [number for found in _numbers(by_measurand[OFFERED]).values() for number in found.values()]
    power = _power(by_measurand[POWER], times)
    power = power or _power_of_current(by_measurand[CURRENT], voltages, times, is_battery=bool(percents))
    power = _at_readings(power, max((view.at for view in views), key=len, default=()))
    is_above_ac = max(volts, default=0) > tolerances.HIGHEST_AC_V or max(offers, default=0) > tolerances.AC_W
    is_dc_shown = bool(percents) or is_above_ac
    is_dc = is_dc_shown or (bool(power) and power.most > tolerances.AC_W)
    is_phase = _AC_V[0] <= max(volts, default=0) <= _AC_V[1]
    is_ac_shown = is_phase and not is_dc and all(row[LOCATION] == OUTLET for row in by_measurand[VOLTAGE])
    by_context = {row[CONTEXT]: row[WH] for row in registers if row[CONTEXT] != PERIODIC}
    begin_wh, end_wh = by_context.get("Transaction.Begin"), by_context.get("Transaction.End")
    intervals = _intervals(by_measurand[INTERVALS])
    exported = _exported(by_measurand[EXPORT], _intervals(by_measurand[EXPORT_INTERVALS]), times)
    kinds = is_dc, is_dc_shown, is_ac_shown
    return Measurements(views, begin_wh, end_wh, power, _charges(percents, times), *kinds, intervals, exported)


def _intervals(rows: Sequence[Row]) -> list[float]:
    """Return the energy of each interval in Wh, in order of time. Clock-aligned intervals overlap the others, and the
    first of them begins before the start."""
    sampled = _numbers(row for row in rows if row[CONTEXT] == PERIODIC)
    return [_total(phases)[0] for _, phases in sorted(sampled.items())]


def _exported(rows: Sequence[Row], intervals: Sequence[float], times: Mapping[str, float]) -> int:
    """Return by how much the register of export rose, in Wh; by what it shows now, if it was reset. Without a register,
    the sum of the intervals. A step of its last digit shows nothing."""
    views = [view for found in _by_source(rows) if (view := _view(found, times)) is not None] if rows else []
    rises = [max(0, view.wh[-1] - view.wh[0]) or (view.wh[-1] < view.wh[0]) * view.wh[-1] for view in views]
    exported = max(rises) if rises else round(sum(intervals))
    return exported if exported > max([tolerances.ROUNDED_WH, *(view.digit for view in views)]) else 0


def _at_outlet(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the readings of each measurand at the outlet, or else at the location nearest to it."""
    if set(map(_LOCATION, rows)) <= {OUTLET}:
        return rows
    nearest: dict[str, int] = {}
    for row in rows:
        nearest[row[MEASURAND]] = min(distance(row[LOCATION]), nearest.get(row[MEASURAND], len(LOCATIONS)))
    return [row for row in rows if distance(row[LOCATION]) == nearest[row[MEASURAND]]]


def _by_source(rows: Sequence[Row]) -> list[Sequence[Row]]:
    sources = dict.fromkeys(map(_SOURCE, rows))
    return [rows] if len(sources) == 1 else [[row for row in rows if row[SOURCE] == source] for source in sources]


def _numbers(rows: Iterable[Row]) -> dict[str, dict[str, float]]:
    """Return the numbers of one measurand by time and phase."""
    found: dict[str, dict[str, float]] = {}
    for _, timestamp, _, value, unit, phase, *_ in rows:
        if (number := watts_of(value, unit)) is not None:
            found.setdefault(timestamp, {})[phase] = number
    return found


def _charges(percents: Mapping[str, Mapping[str, float]], times: Mapping[str, float]) -> list[Charge]:
    """Return the states of charge, in order of time. A 0 is one that the charger has not read yet. If all are between
    0 and 1, they are fractions."""
    charges = [Charge(times[at], number) for at, found in sorted(percents.items()) for number in found.values()]
    are_fractions = any(0 < percent < 1 for _, percent in charges) and all(percent <= 1 for _, percent in charges)
    return [Charge(at, 100 * percent if are_fractions else percent) for at, percent in charges if percent]


def _view(rows: Sequence[Row], times: Mapping[str, float]) -> View | None:
    """Return the register of one source, of those that count (`counting`)."""
    place = counting(set(map(_PLACE, rows)))
    if place is None:
        return None
    rows = [row for row in rows if phase_of(row[PHASE]) in place.phases] if any(map(_PHASE, rows)) else rows
    carriers = [row for row in rows if row[WH] is not None] if place.location == OUTLET else []
    # What counted while it was the only one may be but a part of what counts in all.
    is_whole = not any(place.phases) or len(carriers) == sum(phase_of(row[PHASE]) == "L1" for row in rows) > 0
    carriers = carriers if is_whole else []
    timestamps, whs = list(map(_TIMESTAMP, carriers)), list(map(_WH, carriers))
    if not carriers:
        summed = dict(_by_phase(rows, place.phases))
        timestamps, whs = list(summed), list(summed.values())
    if not whs:
        return None
    ats = list(map(times.__getitem__, timestamps))
    exact = [number(row[VALUE]) or 0.0 for row in carriers] if _has_decimals(carriers) else []
    if not is_rising(ats):
        order = sorted(range(len(ats)), key=ats.__getitem__)
        ats, whs = [ats[number] for number in order], [whs[number] for number in order]
        exact = [exact[number] for number in order] if exact else []
    return View(ats, whs, _last_digit(carriers or rows), exact)


def _has_decimals(rows: Sequence[Row]) -> bool:
    """Whether values in Wh were sent with decimals, as kWh are."""
    return bool(rows) and ("." in rows[0][VALUE] or "," in rows[0][VALUE]) and all(row[UNIT] != "kWh" for row in rows)


def _last_digit(rows: Sequence[Row]) -> int:
    """Return one unit of the last digit of most values, in Wh or W; in Wh, it may be more than 1 with an exponent, as
    in 1.23e+06.

    Some chargers leave out zeros at the end, others send a single value more exactly than the rest.
    """
    if KILO.isdisjoint(map(_UNIT, rows)):
        return next((digit_of(row[VALUE], row[UNIT]) for row in rows if number(row[VALUE]) is not None), 1)
    digits = sorted(digit_of(row[VALUE], row[UNIT]) for row in rows if number(row[VALUE]) is not None)
    return digits[(len(digits) - 1) // 2] if digits else 1


def is_rising(values: Sequence[Any]) -> bool:
    """Whether no value is less than the previous one."""
    return all(map(le, values, islice(values, 1, None)))


def is_strictly_rising(values: Sequence[Any]) -> bool:
    """Whether each value is greater than the previous one."""
    return all(map(lt, values, islice(values, 1, None)))


def _by_phase(rows: Sequence[Row], wanted: AbstractSet[str]) -> Iterator[tuple[str, int]]:
    """Yield the sums of a register that is sent by phase, in messages with the same timestamp."""
    by_time: dict[str, dict[str, Decimal]] = {}
    for row in sorted(rows, key=lambda row: row[CONTEXT] != AT_BEGIN):  # some chargers add that of the begin to each
        if (exact := exact_wh(row[VALUE], row[UNIT])) is not None:
            by_time.setdefault(row[TIMESTAMP], {})[phase_of(row[PHASE])] = exact
    for timestamp, values in by_time.items():
        if wanted <= values.keys():
            yield timestamp, int(sum((values[phase] for phase in wanted), Decimal()).to_integral_value(ROUND_HALF_UP))


def _power(rows: Sequence[Row], times: Mapping[str, float]) -> Power:
    """Return Power.Active.Import: without phase, or else the sum of phases; one phase may be a third of the total."""
    rows = _imported(rows)
    digit = _last_digit(rows) if rows else 1
    if digit > 1 or any(map(itemgetter(PHASE), rows)):
        error = digit if digit > 1 else 0  # of W, it is nothing beside POWER_SHARE
        return _in_order([(times[timestamp], *_total(phases, error)) for timestamp, phases in _numbers(rows).items()])
    sent = {row[TIMESTAMP]: watts for row in rows if (watts := watts_of(row[VALUE], row[UNIT])) is not None}
    at, total = list(map(times.__getitem__, sent)), list(sent.values())
    if not is_rising(at):
        points = sorted(zip(at, total, strict=True))
        at, total = [at for at, _ in points], [watts for _, watts in points]
    return Power(at, total, total)


def _imported(rows: Sequence[Row]) -> Sequence[Row]:
    """Take negative power for 0: the car feeds back. Where no power is positive, its sign may be wrong."""
    if "-" not in "".join([row[VALUE] for row in rows]) or not any((number(row[VALUE]) or 0) > 0 for row in rows):
        return rows
    return [(*row[:VALUE], "0", *row[UNIT:]) if row[VALUE].startswith("-") else row for row in rows]


def _at_readings(power: Power, at: Sequence[float]) -> Power:
    """Return the power at the times of the readings, if each was sent within METER_AGE of a reading of its own."""
    if power.at == at or not power.at or not at:
        return power
    near = [_nearest(at, time) for time in power.at]
    is_each_near = all(abs(one - time) <= tolerances.METER_AGE for one, time in zip(near, power.at, strict=True))
    return replace(power, at=near) if is_each_near and is_strictly_rising(near) else power


def _nearest(at: Sequence[float], time: float) -> float:
    place = bisect_left(at, time)
    before, after = at[max(0, place - 1)], at[min(place, len(at) - 1)]
    return before if time - before <= after - time else after


def _in_order(points: list[tuple[float, float, float]]) -> Power:
    points.sort()
    return Power([at for at, _, _ in points], [low for _, low, _ in points], [high for _, _, high in points])


def _total(phases: Mapping[str, float], error: float = 0) -> tuple[float, float]:
    """Return the lowest and the highest total of the phases, each with this error; 0 is exact."""
    known = [phases[""]] if "" in phases else list(phases.values())
    low, high = (sum(number + sign * error for number in known if number) for sign in (-1, 1))
    return max(0, low), high * (tolerances.PHASES if len(known) == 1 and "" not in phases else 1)


def _power_of_current(
    rows: Sequence[Row],
    volts: Mapping[str, Mapping[str, float]],
    times: Mapping[str, float],
    *,
    is_battery: bool,
) -> Power:
    """Return current × voltage: by phase if several phases are named, or else on one to three phases. What no charger
    delivers is left out."""
    error = 0 if any("." in row[VALUE] or "," in row[VALUE] for row in rows) else 1
    points = (
        (times[timestamp], *_watts(phases, error, volts.get(timestamp, {}), is_battery=is_battery))
        for timestamp, phases in _numbers(rows).items()
    )
    return _in_order([point for point in points if point[1] <= tolerances.FASTEST_W])


def _watts(
    amperes: Mapping[str, float], error: float, volts: Mapping[str, float], *, is_battery: bool
) -> tuple[float, float]:
    """Return the lowest and the highest power in W, of currents with this error.

    Two lines of 120 V, whose current is the same, are two phases. The current of a car at rest is reactive.
    """
    known = [one for phase, volt in volts.items() if volt > 0 for one in _of_phase(phase, volt, is_battery=is_battery)]
    low, high = (min(known), max(known)) if known else _AC_V
    named = [ampere for phase, ampere in amperes.items() if phase in PHASES]
    currents = named if len(named) > 1 else list(amperes.values())
    active = [max(0, ampere - error) if ampere > tolerances.REACTIVE_A else 0 for ampere in currents]
    most = [ampere + error if ampere else 0 for ampere in currents]
    if len(named) > 1:
        return (sum(active) if len(named) == len(PHASES) else max(active)) * low, sum(most) * high
    return max(active) * low, max(most) * high * (1 if low > tolerances.HIGHEST_AC_V else tolerances.PHASES)


def _of_phase(phase: str, volt: float, *, is_battery: bool) -> tuple[float, ...]:
    """Return the voltage of a phase, or the lowest and the highest possible one: a voltage between two phases is twice
    that of a phase, or the square root of three times as high."""
    is_unnamed = tolerances.HIGHEST_AC_V < volt <= _AC_V[1] * sqrt(tolerances.PHASES) and not is_battery
    if phase in _BETWEEN_PHASES:
        return tolerances.HALF * volt, volt / sqrt(tolerances.PHASES)
    return (volt / sqrt(tolerances.PHASES),) if is_unnamed else (volt,)
