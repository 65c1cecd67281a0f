"""What is known of a transaction's energy: the facts of one transaction, and of its neighbours, for the judge.

Start, stop, readings and neighbours come from one counter: that they agree shows that the messages are whole, not that
the counter is right. Power, current × voltage, state of charge and time are other sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cached_property
from itertools import islice, pairwise
from operator import itemgetter, le
from statistics import median
from typing import Any, Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.readings import PHASES, REGISTER
from levity_trio.charging.reviews import Code

POWER: Final = "Power.Active.Import"
CURRENT: Final = "Current.Import"
VOLTAGE: Final = "Voltage"
CHARGE: Final = "SoC"
OFFERED: Final = "Power.Offered"
MEASURANDS: Final = (REGISTER, POWER, CURRENT, VOLTAGE, CHARGE, OFFERED)
"""What the judge looks at."""


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
"""The places of its fields."""


@dataclass(frozen=True)
class View:
    """Readings of the billed register from one source (MeterValues or transactionData).

    `at` are seconds by the charger's own clock; `digit` is the last digit that is sent, in Wh.
    """

    at: Sequence[float]
    wh: Sequence[int]
    digit: int = 1

    @cached_property
    def interval(self) -> float:
        """The usual time between two readings; 0 for a single one."""
        gaps = [after - before for before, after in pairwise(self.at) if after > before]
        return median(gaps) if gaps else 0.0

    def scaled(self, factor: float) -> View:
        """The same, if each value is to be multiplied."""
        return View(self.at, [round(wh * factor) for wh in self.wh], max(1, round(self.digit * factor)))


@dataclass(frozen=True)
class Power:
    """What was drawn, by the charger's own clock: from its power, else from current × voltage.

    Between `low` and `high`, because nobody knows on how many phases a current flows that names none.
    """

    at: Sequence[float] = ()
    low: Sequence[float] = ()
    high: Sequence[float] = ()

    def __bool__(self) -> bool:
        return bool(self.at)

    @cached_property
    def most(self) -> float:
        return max(self.high)

    @cached_property
    def interval(self) -> float:
        gaps = [after - before for before, after in pairwise(self.at)]
        return median(gaps) if gaps else 0.0

    @cached_property
    def places(self) -> Mapping[float, int]:
        """The number of each moment."""
        return {at: number for number, at in enumerate(self.at)}

    @cached_property
    def parts(self) -> Sequence[tuple[float, float, float, float]]:
        """From each moment to the next: what the lower and the higher power of the two come to in Wh, the most that can
        have flowed, and the seconds. Of one that is longer than usual it tells no least."""
        if len(self.at) < 2:
            return ()
        parts, usual, at, low, high = [], tolerances.USUAL_GAPS * self.interval, self.at, self.low, self.high
        times, lows, highs = (
            pairwise(at),
            pairwise(low),
            zip([high[0], *high], high, high[1:], [*high[2:], high[-1]], strict=False),
        )
        for (begun, ended), (first, second), (before, left, right, after) in zip(times, lows, highs, strict=False):
            seconds = ended - begun
            hours, share = seconds / 3600, _SHORT_SHARE if seconds <= tolerances.SHORT_GAP else _LONG_SHARE
            least = hours * min(first, second) if seconds <= usual else 0.0
            parts.append((least, hours * max(left, right), hours * max(before, left, right, after) * share, seconds))
        return parts

    @cached_property
    def is_steady(self) -> bool:
        return min(self.low) >= (1 - tolerances.STEADY_SHARE) * max(self.low)

    def scaled(self, factor: float) -> Power:
        """The same, if each value is to be multiplied."""
        return Power(self.at, [low * factor for low in self.low], [high * factor for high in self.high])

    @cached_property
    def expected_wh(self) -> tuple[float, float] | None:
        """Power × time from the first to the last, at least and at most; None where it was told too rarely."""
        if len(self.at) <= tolerances.REGULAR_GAPS:
            return None
        least = _over_time(self.at, self.low)
        return least, least if self.low == self.high else _over_time(self.at, self.high)


_SHORT_SHARE: Final = 1 + tolerances.POWER_SHARE
_LONG_SHARE: Final = 1 + tolerances.LONG_GAP_SHARE


def _over_time(at: Sequence[float], watts: Sequence[float]) -> float:
    points = zip(at, at[1:], watts, watts[1:], strict=False)
    return sum([(then - now) * (first + second) / 7200 for now, then, first, second in points])


class Charge(NamedTuple):
    """A state of charge in per cent, and when it was told."""

    at: float
    percent: float


class Neighbour(NamedTuple):
    """The transaction before or after on the connector, by its register in Wh: begin, end, and how far its own readings
    of the lifetime register reach."""

    begin: int | None
    end: int | None
    lowest: int | None = None
    highest: int | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """All that is known of one transaction. Times are seconds by the charger's own clock; registers in Wh.

    `longest` is how long it can have lasted by any clock. Without a stop, `stop_wh` is None and `ended` its last sign.
    """

    begun: float
    ended: float
    start_wh: int | None
    stop_wh: int | None
    longest: float
    is_timed: bool = True
    is_stopped: bool = True
    """Its charger told the stop."""
    is_start_unknown: bool = False
    """Its start never came."""
    is_backwards: bool = False
    """It ended before it began, by our clock as far as that can be told."""
    received_seconds: float = 0.0
    """From the receipt of its start to that of its stop."""
    start_exact: Decimal | None = None
    stop_exact: Decimal | None = None
    """As sent, where it was a number with a fraction."""
    garbled: tuple[str, ...] = ()
    """Registers as sent that are no numbers."""
    views: Sequence[View] = ()
    begin_wh: int | None = None
    end_wh: int | None = None
    """The register as told with Transaction.Begin and Transaction.End."""
    power: Power = field(default_factory=Power)
    charges: Sequence[Charge] = ()
    """Its states of charge, in order of time."""
    is_dc: bool = False
    before: Neighbour | None = None
    after: Neighbour | None = None
    swapped_at: Sequence[float] = ()
    """When a boot told of another meter."""
    available_at: float | None = None
    """Since when its connector was available, before its end."""
    habits: Mapping[Code, int] = field(default_factory=dict)
    """What this charger always does."""
    ceiling_w: int | None = None
    """What it was seen to deliver at most."""

    @cached_property
    def view(self) -> View:
        """The fuller of the two sources."""
        return max(self.views, key=lambda view: len(view.at), default=View((), ()))

    @cached_property
    def digit(self) -> int:
        """The step of its registers, in Wh: of the coarsest source, or coarser where many values show it."""
        ends = [wh for wh in (self.start_wh, self.stop_wh) if wh]
        values = [*ends, *(wh for view in self.views for wh in view.wh if wh)]
        return coarser(max((view.digit for view in self.views), default=1), values)

    @cached_property
    def ends_digit(self) -> int:
        """The step that start and stop seem to have: what is round in both may be rounded."""
        ends = [wh for wh in (self.start_wh, self.stop_wh) if wh]
        return next((step for step in (1000, 100, 10) if all(wh % step == 0 for wh in ends)), 1)

    @cached_property
    def interval(self) -> float:
        """The usual sampling interval."""
        return self.view.interval or self.power.interval or tolerances.INTERVAL


def seconds(timestamp: str) -> float:
    """A time of the database as seconds."""
    return datetime.fromisoformat(timestamp).timestamp()


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


def gather(rows: Sequence[Row], *, by_receipt: bool = False) -> Told:
    """Put the readings of one transaction together, by what they measure; `by_receipt` at the time of that."""
    told: dict[str, list[Row]] = {measurand: [] for measurand in MEASURANDS}
    for row in rows:
        told[REGISTER if row[WH] is not None else row[MEASURAND]].append(row)
    if by_receipt:
        told = {measurand: [_at_receipt(row) for row in found] for measurand, found in told.items()}
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


def _at_receipt(row: Row) -> Row:
    source, _, measurand, value, unit, phase, context, wh, received_at = row
    return source, received_at, measurand, value, unit, phase, context, wh, received_at


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


def watts_of(value: str, unit: str) -> float | None:
    """A number of a sample, in the unit without kilo; None where it is none, or none that a charger can mean."""
    try:
        number = float(value)
    except ValueError:
        return None
    number *= 1000 if unit in ("kW", "kVA") else 1
    return number if 0 <= number <= tolerances.FASTEST_W else None


def _view(rows: Sequence[Row], times: Mapping[str, float]) -> View | None:
    """The register of one source: without phase, else L1 + L2 + L3, else the only phase that there is."""
    carriers = [row for row in rows if row[WH] is not None]
    readings = [(row[TIMESTAMP], wh) for row in carriers if (wh := row[WH]) is not None] or list(_by_phase(rows))
    if not readings:
        return None
    in_order = [(times[timestamp], wh) for timestamp, wh in readings]
    if not _is_rising([at for at, _ in in_order]):
        in_order.sort(key=itemgetter(0))
    return View([at for at, _ in in_order], [wh for _, wh in in_order], _last_digit(carriers or rows))


def _last_digit(rows: Iterable[Row]) -> int:
    return 1 if any(row[UNIT] != "kWh" for row in rows) else min(digit_of(row[VALUE], "kWh") for row in rows)


def is_set_back(rows: Iterable[Row]) -> bool:
    """Whether a charger's clock was set back on the way: its register rises in the order of arrival and not by time."""
    carriers = [row for row in rows if row[WH] is not None]
    if _is_rising([row[TIMESTAMP] for row in carriers]):
        return False
    by_source: dict[str, list[tuple[str, int]]] = {}
    for row in carriers:
        if (wh := row[WH]) is not None:
            by_source.setdefault(row[SOURCE], []).append((row[TIMESTAMP], wh))
    return any(
        not _rises(sorted(arrived, key=itemgetter(0))) and _rises(arrived)
        for arrived in by_source.values()
        if any(after < before for (before, _), (after, _) in pairwise(arrived))
    )


def _is_rising(values: Sequence[Any]) -> bool:
    return all(map(le, values, islice(values, 1, None)))


def _rises(readings: Sequence[tuple[str, int]]) -> bool:
    return _is_rising([wh for _, wh in readings])


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


def coarser(digit: int, values: Iterable[int]) -> int:
    """The step of a register whose last digit is this; coarser where many different values show it."""
    different = set(values)
    if len(different) < tolerances.COARSE_VALUES:
        return digit
    while digit < 1000 and all(wh % (10 * digit) == 0 for wh in different):
        digit *= 10
    return digit


def digit_of(value: str, unit: str) -> int:
    """One step of the last digit of a register as it was sent, in Wh."""
    if unit != "kWh":
        return 1
    decimals = len(value.partition(".")[2])
    return (1000, 100, 10, 1)[min(decimals, 3)]


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
