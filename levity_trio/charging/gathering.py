"""The readings of one transaction put together, by what they measure: what the judge looks at.

A session may have thousands, and the writer waits meanwhile: rows stay as the database gives them, and each time is
read once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import islice
from operator import itemgetter, le
from typing import Any, Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.evidence import (
    CHARGE,
    CURRENT,
    OFFERED,
    POWER,
    VOLTAGE,
    Charge,
    Power,
    View,
    digit_of,
    seconds,
    watts_of,
)
from levity_trio.charging.readings import PHASES, REGISTER


class Sampled(NamedTuple):
    """A row of meter_val, as the judge needs it, in the order in which they came."""

    source: str
    timestamp: str
    measurand: str
    value: str
    unit: str
    phase: str
    context: str
    wh: int | None
    received_at: str = ""


Row = tuple[str, str, str, str, str, str, str, int | None, str]
"""The same, as the database gives it: there are thousands, and to name their fields takes as long as to read them."""
SOURCE: Final = 0
TIMESTAMP: Final = 1
MEASURAND: Final = 2
VALUE: Final = 3
UNIT: Final = 4
PHASE: Final = 5
CONTEXT: Final = 6
WH: Final = 7
RECEIVED_AT: Final = 8
"""The places of its fields."""


class Told(NamedTuple):
    """What the readings of one transaction tell."""

    views: list[View]
    begin_wh: int | None
    end_wh: int | None
    """Told with Transaction.Begin and Transaction.End."""
    power: Power
    charges: Sequence[Charge]
    is_dc: bool


class _Seconds(dict[str, float]):
    """Each time is read once, however many measurands were told of it."""

    def __missing__(self, timestamp: str) -> float:
        at = self[timestamp] = seconds(timestamp)
        return at


def gather(rows: Sequence[Row]) -> Told:
    """Put the readings of one transaction together, by what they measure."""
    told = defaultdict[str, list[Row]](list)
    for row in rows:
        told[REGISTER if row[WH] is not None else row[MEASURAND]].append(row)
    times, registers = _Seconds(), dict[str, list[Row]]()
    for row in told[REGISTER]:
        registers.setdefault(row[SOURCE], []).append(row)
    views = [view for found in registers.values() if (view := _view(found, times)) is not None]
    socs = sorted(_numbers(told[CHARGE]).items())
    charges = [Charge(times[at], number) for at, found in socs for number in found.values()]
    voltages = _numbers(told[VOLTAGE])
    volts = [number for found in voltages.values() for phase, number in found.items() if "-" not in phase]
    offers = [number for found in _numbers(told[OFFERED]).values() for number in found.values()]
    powers = _numbers(told[POWER])
    power = _power(powers, times) if powers else _power_of_current(_numbers(told[CURRENT]), voltages, times)
    is_dc = bool(charges) or max(volts, default=0) > tolerances.HIGHEST_AC_V
    is_dc = is_dc or max(offers, default=0) > tolerances.HIGHEST_AC_OFFER_W
    is_dc = is_dc or (bool(power) and power.most > tolerances.AC_W)
    begin_wh, end_wh = _at_ends(told[REGISTER])
    return Told(views, begin_wh, end_wh, power, charges, is_dc)


def _numbers(rows: Iterable[Row]) -> dict[str, dict[str, float]]:
    """The numbers of one measurand, by time and phase."""
    found: dict[str, dict[str, float]] = {}
    for _, timestamp, _, value, unit, phase, _, _, _ in rows:
        if (number := watts_of(value, unit)) is not None:
            if timestamp in found:
                found[timestamp][phase] = number
            else:
                found[timestamp] = {phase: number}
    return found


def _at_ends(registers: Iterable[Row]) -> tuple[int | None, int | None]:
    told = {row[CONTEXT]: row[WH] for row in registers}
    return told.get("Transaction.Begin"), told.get("Transaction.End")


def _view(rows: Sequence[Row], times: Mapping[str, float]) -> View | None:
    """The register of one source: without phase, else L1 + L2 + L3, else the only phase that there is."""
    carriers = [row for row in rows if row[WH] is not None]
    readings = [(row[TIMESTAMP], wh) for row in carriers if (wh := row[WH]) is not None] or list(_by_phase(rows))
    if not readings:
        return None
    in_order = [(times[timestamp], wh) for timestamp, wh in readings]
    exact = [(times[row[TIMESTAMP]], float(row[VALUE])) for row in carriers] if _has_decimals(carriers) else []
    if not is_rising([at for at, _ in in_order]):
        in_order.sort(key=itemgetter(0))
        exact.sort(key=itemgetter(0))
    ats, whs = [at for at, _ in in_order], [wh for _, wh in in_order]
    return View(ats, whs, _last_digit(carriers or rows), [wh for _, wh in exact])


def _has_decimals(rows: Sequence[Row]) -> bool:
    """Whether whole Wh were told with decimals, as kWh are."""
    return bool(rows) and "." in rows[0][VALUE] and all(row[UNIT] != "kWh" for row in rows)


def _last_digit(rows: Iterable[Row]) -> int:
    return 1 if any(row[UNIT] != "kWh" for row in rows) else min(digit_of(row[VALUE], "kWh") for row in rows)


def is_rising(values: Sequence[Any]) -> bool:
    """Whether none is less than the one before."""
    return all(map(le, values, islice(values, 1, None)))


def _by_phase(rows: Sequence[Row]) -> Iterator[tuple[str, int]]:
    """The readings of a register that is told by phase, in messages of one timestamp."""
    by_time: dict[str, dict[str, Decimal]] = {}
    for row in rows:
        if (exact := _exact_wh(row)) is not None:
            by_time.setdefault(row[TIMESTAMP], {})[row[PHASE]] = exact
    phases = {phase for told in by_time.values() for phase in told}
    wanted = phases if len(phases) == 1 else set(PHASES)
    for timestamp, told in by_time.items():
        if wanted <= told.keys():
            yield timestamp, round(sum(told[phase] for phase in wanted))


def _exact_wh(row: Row) -> Decimal | None:
    try:
        number = Decimal(row[VALUE]) * {"Wh": 1, "kWh": 1000}[row[UNIT]]
    except (InvalidOperation, KeyError):
        return None
    return number if number.is_finite() and number >= 0 else None


def _power(told: Mapping[str, Mapping[str, float]], times: Mapping[str, float]) -> Power:
    """From Power.Active.Import: without phase, else the sum of the phases; one phase alone may be a third of it."""
    return _in_order([(times[timestamp], *_total(phases)) for timestamp, phases in told.items()])


def _in_order(points: list[tuple[float, float, float]]) -> Power:
    points.sort()
    return Power([at for at, _, _ in points], [low for _, low, _ in points], [high for _, _, high in points])


def _total(phases: Mapping[str, float]) -> tuple[float, float]:
    if "" in phases:
        return phases[""], phases[""]
    total = sum(phases.values())
    return total, total * (tolerances.PHASES if len(phases) == 1 else 1)


def _power_of_current(
    amperes: Mapping[str, Mapping[str, float]], volts: Mapping[str, Mapping[str, float]], times: Mapping[str, float]
) -> Power:
    """From current × voltage: by phase where phases are named, else on one phase at least and three at most."""
    return _in_order(
        [(times[timestamp], *_watts(phases, volts.get(timestamp, {}))) for timestamp, phases in amperes.items()]
    )


def _watts(amperes: Mapping[str, float], volts: Mapping[str, float]) -> tuple[float, float]:
    told = [volt for phase, volt in volts.items() if volt > 0 and "-" not in phase]
    low, high = (min(told), max(told)) if told else tolerances.AC_V
    named = [ampere for phase, ampere in amperes.items() if phase in PHASES]
    if len(named) > 1:
        return sum(named) * low, sum(named) * high
    ampere = max(amperes.values())
    is_dc = low > tolerances.HIGHEST_AC_V
    return ampere * low, ampere * high * (1 if is_dc else tolerances.PHASES)
