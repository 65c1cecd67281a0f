"""What a charger sends, as facts: its times, and its MeterValue elements as readings (§7.33,
§7.43).

The defaults of a sample are measurand Energy.Active.Import.Register, unit Wh, context
Sample.Periodic, location Outlet and format Raw. Only this register at the outlet is billed, unless
another one is the only one that a charger sends: `counting` decides, for the live figure and for
the judge. Numbers are parsed from the text with Decimal, because int(float(kwh) * 1000) is one Wh
too low for many values.

A believable time is kept as it is, even if it is in the future. Only the charger's own clock gives
the order and the duration of its starts, readings and stops, and only then does a repeated reading
have the same time. A time that is not believable (the clock was never set, or is a day ahead) is
replaced by the time of receipt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from math import gcd
from operator import attrgetter
from sys import float_info
from typing import Any, Final, NamedTuple, TypeGuard

from levity_trio.charging import tolerances
from levity_trio.charging.tolerances import CLOCK_SECONDS
from levity_trio.wire.numbers import decimal, number
from levity_trio.wire.times import TRANSACTION_AHEAD, judge_time, shifted_stamp, stamp

MeterValue = Mapping[str, Any]
Sample = Mapping[str, Any]
REGISTER: Final = "Energy.Active.Import.Register"
OUTLET: Final = "Outlet"
BILLED: Final = (REGISTER, OUTLET, "Raw")
AT_BEGIN: Final = "Transaction.Begin"
AT_END: Final = "Transaction.End"
PERIODIC: Final = "Sample.Periodic"
PHASES: Final = ("L1", "L2", "L3")
ALL_PHASES: Final = frozenset(PHASES)
LOCATIONS: Final = (OUTLET, "Cable", "EV", "Inlet", "Body")
"""The locations, in order of their distance from the outlet."""
KILO: Final = frozenset({"kW", "kVA", "kWh"})
WH_PER_UNIT: Final[Mapping[str, Decimal]] = {"Wh": Decimal(1), "kWh": Decimal(1000)}
HIGHEST_WH: Final = 1 << float_info.mant_dig
"""From here on a number is not accepted as a register: JSON numbers are exact up to it."""


class Reading(NamedTuple):
    """A SampledValue with its defaults. `wh` is set for the billed register only, in whole Wh."""

    timestamp: str
    sent_timestamp: str | None
    measurand: str
    value: str
    unit: str
    context: str
    location: str
    phase: str
    format: str
    wh: int | None


class Place(NamedTuple):
    """Where a register counts: its location, and its phases, the sum of which it is; a total has
    the phase ""."""

    location: str
    phases: frozenset[str]


_TOTAL: Final = frozenset({""})
_WHOLE: Final = {(OUTLET, "")}


def counting(places: Iterable[tuple[str, str]]) -> Place | None:
    """Return the register that counts, of those that a charger sends, each by its location and
    phase.

    It is that at the outlet, or else nearest to it; there the total, or else L1 + L2 + L3, or else
    the only phase. None if there are several others.
    """
    counted = set(places)
    if counted == _WHOLE:  # nearly always
        return Place(OUTLET, _TOTAL)
    locations = [location for location, _ in counted]
    location = min(locations, key=distance_of, default=OUTLET)
    phases = frozenset(phase_of(phase) for place, phase in counted if place == location)
    for wanted in (_TOTAL, ALL_PHASES):
        if wanted <= phases:
            return Place(location, wanted)
    return Place(location, phases) if len(phases) == 1 else None


def distance_of(location: str) -> int:
    """Return how far a location is from the outlet."""
    return LOCATIONS.index(location) if location in LOCATIONS else len(LOCATIONS)


def phase_of(phase: str) -> str:
    """Return the phase of a register. Energy flows in a phase, whether it is named with the neutral
    or not."""
    return phase.removesuffix("-N")


def is_register(reading: Reading) -> bool:
    return reading.measurand == REGISTER and reading.format == "Raw"


def with_register(readings: Sequence[Reading], places: Iterable[tuple[str, str]]) -> list[Reading]:
    """Return readings of one time with the register that counts, of those at `places`, if they have
    it."""
    place = counting(places)
    if place is None:
        return [*readings]
    registers = [reading for reading in readings if is_register(reading)]
    at_place = [reading for reading in registers if reading.location == place.location]
    present = [reading for reading in at_place if reading.context != AT_BEGIN] or at_place
    by_phase = {phase_of(reading.phase): reading for reading in reversed(present)}
    if not place.phases <= by_phase.keys():
        return [*readings]
    of_phases = [by_phase[phase] for phase in sorted(place.phases)]
    carrier = of_phases[0]
    wh = _sum_wh((reading.value, reading.unit) for reading in of_phases)
    return [reading._replace(wh=wh) if reading is carrier else reading for reading in readings]


def read(meter_values: Sequence[MeterValue], received: datetime) -> list[Reading]:
    """Return all readings of a MeterValues or transactionData, in order of time."""
    readings: list[Reading] = []
    for sent, samples in _by_time(meter_values):
        moment = understand(sent, received)
        carrier, wh = _register(samples)
        for sample in samples:
            measurand = sample.get("measurand", REGISTER)
            # Wh is the default of energy (§7.43); others have none.
            unit = "Wh" if measurand.startswith("Energy.") else ""
            reading = Reading(
                timestamp=moment.understood,
                sent_timestamp=moment.sent,
                measurand=measurand,
                value=sample["value"],
                unit=sample.get("unit", unit),
                context=sample.get("context", PERIODIC),
                location=sample.get("location", OUTLET),
                phase=sample.get("phase", ""),
                format=sample.get("format", "Raw"),
                wh=wh if sample is carrier else None,
            )
            readings.append(reading)
    readings.sort(key=attrgetter("timestamp"))
    return readings


def _by_time(meter_values: Sequence[MeterValue]) -> list[tuple[str | None, Sequence[Sample]]]:
    """Group the samples by element, in order of arrival; join elements of single phases by their
    timestamp."""
    groups: list[tuple[str | None, Sequence[Sample]]] = []
    incomplete: dict[str | None, tuple[list[Sample], set[str]]] = {}
    for element in meter_values:
        sent, samples = element.get("timestamp"), element.get("sampledValue", ())
        phases: set[str] = set()
        if len(meter_values) > 1:
            phases = {sample.get("phase", "") for sample in samples if _is_billed(sample)}
        if not phases or not phases < ALL_PHASES:
            groups.append((sent, samples))
        elif sent in incomplete:
            joined, known = incomplete[sent]
            joined.extend(samples)
            known.update(phases)
            if known >= ALL_PHASES:
                del incomplete[sent]
        else:
            joined = [*samples]
            incomplete[sent] = joined, phases
            groups.append((sent, joined))
    return groups


def _register(samples: Sequence[Sample]) -> tuple[Sample | None, int | None]:
    """Return the sample with the billed register of one timestamp, and its Wh: without phase, or
    else L1 + L2 + L3."""
    billed = [sample for sample in samples if _is_billed(sample)]
    # Some chargers add the reading of Transaction.Begin to every sample, after the current one.
    present = [sample for sample in billed if sample.get("context") != AT_BEGIN] or billed
    for sample in present:
        if not sample.get("phase"):
            return sample, whole_wh(sample["value"], sample.get("unit", "Wh"))
    by_phase = {sample["phase"]: sample for sample in reversed(present)}
    if not by_phase.keys() >= ALL_PHASES:
        return None, None
    of_phases = (by_phase[phase] for phase in PHASES)
    wh = _sum_wh((sample["value"], sample.get("unit", "Wh")) for sample in of_phases)
    return by_phase["L1"], wh


def _is_billed(sample: Sample) -> bool:
    measurand, location = sample.get("measurand", REGISTER), sample.get("location", OUTLET)
    return (measurand, location, sample.get("format", "Raw")) == BILLED


def are_meter_values(data: object) -> TypeGuard[list[MeterValue]]:
    """Whether this JSON has the form of MeterValue elements (§7.33)."""
    if not isinstance(data, list):
        return False
    samples: list[object] = []
    for element in data:
        if not isinstance(element, dict) or not isinstance(element.get("timestamp"), str):
            return False
        sampled = element.get("sampledValue")
        if not isinstance(sampled, list):
            return False
        samples += sampled
    for sample in samples:
        if not isinstance(sample, dict) or "value" not in sample:
            return False
        if not all(isinstance(text, str) for text in sample.values()):
            return False
    return True


def whole_wh(value: str, unit: str) -> int | None:
    """Convert a register to whole Wh, with halves rounded up; None if number or unit are
    invalid."""
    exact = exact_wh(value, unit)
    return None if exact is None else _rounded(exact)


def exact_wh(value: str, unit: str) -> Decimal | None:
    """Convert a register to Wh with its fraction; None if number or unit are invalid."""
    factor = WH_PER_UNIT.get(unit)
    number = decimal(value)
    if factor is None or number is None or not 0 <= number < HIGHEST_WH:
        return None
    return number * factor


def _sum_wh(registers: Iterable[tuple[str, str]]) -> int | None:
    """Return the sum of registers, each with its unit, in whole Wh; None if one of them is
    invalid."""
    total = Decimal()
    for value, unit in registers:
        exact = exact_wh(value, unit)
        if exact is None:
            return None
        total += exact
    return _rounded(total)


def _rounded(wh: Decimal) -> int | None:
    whole = int(wh.to_integral_value(ROUND_HALF_UP))
    return whole if whole < HIGHEST_WH else None


@lru_cache(maxsize=2048)
def watts_of(value: str, unit: str) -> float | None:
    """Convert a sample's value to the unit without kilo; None if it is not a number, or not a
    possible one.

    Cached: voltages, and the powers of a car that charges steadily, are the same again and again.
    """
    watts = number(value)
    if watts is None:
        return None
    if unit in KILO:
        watts *= 1000
    return watts if 0 <= watts <= tolerances.FASTEST_W else None


def coarser(digit: int, values: Iterable[int]) -> int:
    """Return the step of a register in Wh: `digit`, or coarser if many different values show it."""
    different = set(values)
    if len(different) < tolerances.MANY:
        return digit
    step = gcd(*different)
    while digit < 1000 and step % (10 * digit) == 0:
        digit *= 10
    return digit


def digit_of(value: str, unit: str) -> int:
    """Return one unit of the last digit as sent, in Wh or W: 1 if it is no number, a million at
    most."""
    exact = decimal(value)
    exponent = None if exact is None else exact.as_tuple().exponent
    if not isinstance(exponent, int):
        return 1
    if unit in KILO:
        exponent += 3
    digit: int = 10 ** min(max(0, exponent), 6)
    return digit


class Moment(NamedTuple):
    """A charger's own time: as interpreted, as sent, and whether it is believable.

    `skew_seconds` is how far it is ahead of its receipt; None if it is unreadable.
    """

    understood: str
    sent: str | None
    is_believable: bool
    skew_seconds: int | None = None


def corrected(moment: Moment, received_at: str, ahead: int | None) -> str:
    """Convert a charger's time to our clock, if its clock is known to be ahead.

    One message of a clock that is behind looks like one that waited, so its time is kept.
    `received_at` has the database's format. `ahead` is by how many seconds the clock was ahead that
    dated a message which waited.
    """
    if moment.skew_seconds is None or not moment.is_believable:
        return moment.understood
    if ahead is not None:
        return shifted_stamp(moment.understood, timedelta(seconds=-ahead))
    return received_at if moment.skew_seconds > CLOCK_SECONDS else moment.understood


def ahead_when_sent(own: float, since: float | None, before: float) -> float:
    """Return by how many seconds a charger's clock was ahead when it took a reading.

    The arguments say by how many seconds the time as sent was ahead of the receipt: `own` for the
    reading, `since` for a status since the charger came back, `before` for the message before with
    the most. A message that waited was less ahead.

    The clock may have been set when the charger came back, but hardly to a time that is behind. A
    reading that fits the offset did not wait, nor does one that fits our clock if nothing else
    tells of the charger's since.
    """
    offset = before if since is None else max(since, min(before, 0.0))
    is_set = since is None and abs(own) <= CLOCK_SECONDS
    return own if is_set or own >= offset - CLOCK_SECONDS else offset


def understand(
    sent: str | None, received: datetime, ahead: timedelta = TRANSACTION_AHEAD
) -> Moment:
    """Interpret a time as sent. It is believable after 2020 and up to `ahead` in the future."""
    time = judge_time(sent, received, ahead)
    return Moment(stamp(time.meaning), time.sent, time.is_believable, time.skew_seconds)
