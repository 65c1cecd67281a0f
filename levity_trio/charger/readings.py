"""MeterValue elements as readings: defaults filled in, the billed register found and put into whole Wh (§7.33, §7.43).

A sample without measurand is Energy.Active.Import.Register, without unit Wh, without context Sample.Periodic, without
location Outlet, without format Raw. Only that register at the outlet moves the bill. Numbers are read from the text
with Decimal: int(float(kwh) * 1000) is one Wh short for many values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final

from levity_trio.charger.moments import understand
from levity_trio.store.writes.readings import Reading

REGISTER: Final = "Energy.Active.Import.Register"
PHASES: Final = ("L1", "L2", "L3")
WH_PER_UNIT: Final[Mapping[str, Decimal]] = {"Wh": Decimal(1), "kWh": Decimal(1000)}
HIGHEST_WH: Final = 2**53
"""Beyond this a register is no register, and no longer exact in JSON."""


def read(meter_values: Iterable[Mapping[str, Any]], received: datetime) -> list[Reading]:
    """All readings of a MeterValues or a transactionData, in order of their time."""
    found: list[Reading] = []
    for meter_value in meter_values:
        found += _with_register(_group(meter_value, received))
    found.sort(key=lambda reading: reading.timestamp)
    return found


def whole_wh(value: str, unit: str) -> int | None:
    """A register's value in whole Wh, halves rounded up; None where it is no such number or no such unit."""
    factor = WH_PER_UNIT.get(unit)
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    if factor is None or not number.is_finite() or not 0 <= number < HIGHEST_WH:
        return None
    return int((number * factor).to_integral_value(ROUND_HALF_UP))


def _group(meter_value: Mapping[str, Any], received: datetime) -> list[Reading]:
    moment = understand(meter_value.get("timestamp"), received)
    return [
        Reading(
            moment.understood,
            moment.sent,
            sample.get("measurand", REGISTER),
            sample["value"],
            sample.get("unit", "Wh"),
            sample.get("context", "Sample.Periodic"),
            sample.get("location", "Outlet"),
            sample.get("phase", ""),
            sample.get("format", "Raw"),
            None,
        )
        for sample in meter_value.get("sampledValue", ())
    ]


def _with_register(group: list[Reading]) -> list[Reading]:
    """Put the billed register's reading, if the group has one, on the row that carries it."""
    billed = [index for index, reading in enumerate(group) if _is_billed(reading)]
    # Some chargers add the reading of Transaction.Begin to every sample, behind the present one.
    present = [index for index in billed if group[index].context != "Transaction.Begin"] or billed
    for index in present:
        if not group[index].phase:
            return _carry(group, index, whole_wh(group[index].value, group[index].unit))
    by_phase = {group[index].phase: index for index in reversed(present)}
    if all(phase in by_phase for phase in PHASES):
        values = [whole_wh(group[by_phase[phase]].value, group[by_phase[phase]].unit) for phase in PHASES]
        known = [value for value in values if value is not None]
        return _carry(group, by_phase["L1"], sum(known) if len(known) == len(PHASES) else None)
    return group


def _is_billed(reading: Reading) -> bool:
    return reading.measurand == REGISTER and reading.location == "Outlet" and reading.format == "Raw"


def _carry(group: Sequence[Reading], index: int, wh: int | None) -> list[Reading]:
    return [*group[:index], replace(group[index], wh=wh), *group[index + 1 :]]
