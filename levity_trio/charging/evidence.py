"""What is known of a transaction's energy: the facts of one transaction, and of its neighbours, for the judge.

Start, stop, readings and neighbours come from one counter: that they agree shows that the messages are whole, not that
the counter is right. Power, current × voltage, state of charge and time are other sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from itertools import accumulate, pairwise
from statistics import median
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.readings import REGISTER
from levity_trio.charging.reviews import Code

POWER: Final = "Power.Active.Import"
CURRENT: Final = "Current.Import"
VOLTAGE: Final = "Voltage"
CHARGE: Final = "SoC"
OFFERED: Final = "Power.Offered"
MEASURANDS: Final = (REGISTER, POWER, CURRENT, VOLTAGE, CHARGE, OFFERED)
"""What the judge looks at."""


@dataclass(frozen=True)
class View:
    """Readings of the billed register from one source (MeterValues or transactionData).

    `at` are seconds by the charger's own clock; `digit` is the last digit that is sent, in Wh.
    """

    at: Sequence[float]
    wh: Sequence[int]
    digit: int = 1
    exact: Sequence[float] = ()
    """The same as `wh`, with the decimals that were sent; empty where none were."""

    @cached_property
    def interval(self) -> float:
        """The usual time between two readings; 0 for a single one."""
        gaps = [after - before for before, after in pairwise(self.at) if after > before]
        return median(gaps) if gaps else 0.0

    def scaled(self, factor: float) -> View:
        """The same, if each value is to be multiplied."""
        scaled = [round(wh * factor) for wh in self.exact or self.wh]
        return View(self.at, scaled, 1 if self.exact else max(1, round(self.digit * factor)))


class Sums(NamedTuple):
    """From the first moment at which power was told to each: what the lower and the higher power of each two neighbours
    come to in Wh, the most that can have flowed, and the seconds."""

    low: Sequence[float]
    high: Sequence[float]
    most: Sequence[float]
    seconds: Sequence[float]


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
    def sums(self) -> Sums:
        """What it comes to from its first moment to each. Of a gap that is longer than usual it tells no least."""
        if not self.at:
            return Sums((), (), (), ())
        usual, at, low, high = tolerances.USUAL_GAPS * self.interval, self.at, self.low, self.high
        seconds = [ended - begun for begun, ended in pairwise(at)]
        hours = [apart / 3600 for apart in seconds]
        greatest = [hour * max(two) for hour, two in zip(hours, pairwise(high), strict=True)]
        least = [
            hour * min(two) if apart <= usual else 0.0
            for apart, hour, two in zip(seconds, hours, pairwise(low), strict=True)
        ]
        around = zip([high[0], *high], high, high[1:], [*high[2:], high[-1]], strict=False)
        most = [
            hour * max(four) * (_SHORT_SHARE if apart <= tolerances.SHORT_GAP else _LONG_SHARE)
            for apart, hour, four in zip(seconds, hours, around, strict=False)
        ]
        return Sums(*(list(accumulate(parts, initial=0.0)) for parts in (least, greatest, most, seconds)))

    @cached_property
    def is_steady(self) -> bool:
        """Whether most moments at which a car charged, of three or more, or of two close ones, tell the same."""
        charging = [low for low in self.low if low >= tolerances.LEAST_CHARGING_W]
        least = 2 if self.is_close else tolerances.REGULAR_GAPS
        level = (1 - tolerances.STEADY_SHARE) * max(charging, default=0.0)
        return len(charging) >= least and sum(low >= level for low in charging) >= tolerances.MOST_GAPS * len(charging)

    @property
    def is_close(self) -> bool:
        """Whether it was told so often that hardly anything happened in between."""
        return len(self.at) > 1 and self.interval <= tolerances.SHORT_GAP

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
    reports_power: bool = False
    """It reported its power in a transaction that is certain."""

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

    @property
    def is_instant(self) -> bool:
        """Shorter than a sampling interval, as of a simulator: its times say nothing of its steps."""
        return self.longest < tolerances.INTERVAL

    @cached_property
    def interval(self) -> float:
        """The usual sampling interval."""
        usual = 0.0 if self.is_instant else self.view.interval or self.power.interval
        return usual or tolerances.INTERVAL


def seconds(timestamp: str) -> float:
    """A time of the database as seconds."""
    return datetime.fromisoformat(timestamp).timestamp()


def watts_of(value: str, unit: str) -> float | None:
    """A number of a sample, in the unit without kilo; None where it is none, or none that a charger can mean."""
    try:
        number = float(value)
    except ValueError:
        return None
    number *= 1000 if unit in ("kW", "kVA") else 1
    return number if 0 <= number <= tolerances.FASTEST_W else None


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
