"""The registers that the figures of transactions come from, and how they were measured: what a
neighbour compares with the meter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from levity_trio.billing.statement import MeasuringMethod
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.figures import (
    CORRECTED,
    REGISTER,
    ROLLOVER,
    SCALED,
    SEGMENTS,
    SESSION_READINGS,
)
from levity_trio.store.cases.transaction import find_transaction, span
from levity_trio.store.engine.database import Rows, marks, parts

_BOOT: Final = (
    "(SELECT {} FROM boot WHERE boot.cp_id = tx.cp_id AND received_at <= tx.{} "
    "{} ORDER BY received_at DESC LIMIT 1)"
)
"""What the newest boot before a time told."""
_METER: Final = "AND meter_serial_number IS NOT NULL"
_CHARGER: Final = "coalesce(serial_number, charge_box_serial_number)"
_COLUMNS: Final = (
    "SELECT id, energy_method, coalesce(billed_from_wh, meter_start), "  # noqa: S608 - our own names
    "coalesce(billed_until_wh, meter_stop), meter_start, "
    "CASE WHEN stopped_by <> 'system' THEN meter_stop END, energy_delivered, "
    f"{_BOOT.format('meter_serial_number', 'start_time', _METER)}, "
    f"{_BOOT.format('meter_serial_number', 'stop_time', _METER)}, "
    f"{_BOOT.format(_CHARGER, 'stop_time', _METER)}, {_BOOT.format(_CHARGER, 'stop_time', '')}, "
    "(SELECT CASE is_owners WHEN 1 THEN key ELSE 'told ' || key END FROM signed_check "
    "WHERE tx_id = tx.id AND state = 'proven' AND abs(wh - energy_delivered) <= digit_wh), "
    "(SELECT code FROM review WHERE tx_id = tx.id ORDER BY id DESC LIMIT 1) "
    "FROM tx WHERE id IN ({})"
)
_IS_READ: Final = (
    "SELECT 1 FROM meter_val "
    "WHERE cp_id = ? AND conn_id = ? AND tx_id = ? AND timestamp BETWEEN ? AND ? AND wh = ? LIMIT 1"
)
_BY_METHOD: Final[Mapping[str, MeasuringMethod]] = {
    REGISTER: MeasuringMethod.PART,
    SEGMENTS: MeasuringMethod.READINGS,
    SESSION_READINGS: MeasuringMethod.COUNT,
    ROLLOVER: MeasuringMethod.ROLLOVER,
    SCALED: MeasuringMethod.SCALED,
    CORRECTED: MeasuringMethod.SET,
}
_BY_DOUBT: Final[Mapping[str, MeasuringMethod]] = {
    Code.SESSION_COUNT: MeasuringMethod.COUNT,
    Code.REGISTER_RESET: MeasuringMethod.RESET,
    Code.METER_SWAPPED: MeasuringMethod.EXCHANGED,
    Code.SHARED_REGISTER: MeasuringMethod.POWER,
}
"""What a doubt says of a figure that was put together."""


class MeterRegisters(NamedTuple):
    """The registers of a figure in Wh, the serial number of the meter, else that of its charger,
    how the figure was measured, and by which key it is signed. The names are those of a
    position."""

    begin_wh: int | None
    end_wh: int | None
    meter_serial: str | None
    charger_serial: str | None
    measured: MeasuringMethod
    signed: str | None


def registers_of(rows: Rows, transactions: Sequence[int]) -> dict[int, MeterRegisters]:
    """Return the registers of transactions that have ended."""
    return {
        number: _registers(rows, number, *found)
        for part in parts(transactions)
        for number, *found in rows(_COLUMNS.format(marks(part)), part)
    }


def _registers(
    rows: Rows,
    number: int,
    method: str | None,
    begin: int | None,
    end: int | None,
    *rest: Any,
) -> MeterRegisters:
    start, stop, wh, *serials, of_meter, of_charger, signed, doubt = rest
    is_difference = None not in (begin, end) and (end or 0) - (begin or 0) == max(wh or 0, 0)
    # A figure may rest on a register that nobody sent: 8 kWh after the start, for instance. What a
    # person entered was read by him.
    sent_begin = begin if begin == start or _is_read(rows, number, begin) else None
    sent_end = end if end == stop or _is_read(rows, number, end) else None
    is_entered = method == CORRECTED and is_difference
    if method != REGISTER and not is_entered:
        begin, end = sent_begin, sent_end
    measured = _BY_METHOD.get(method or "", MeasuringMethod.READINGS)
    if is_difference and None not in (begin, end):
        measured = MeasuringMethod.REGISTER
        if is_entered and None in (sent_begin, sent_end):
            measured = MeasuringMethod.ENTERED
    elif method == SEGMENTS:
        measured = _BY_DOUBT.get(doubt, measured)
        # Papers show the register where it began again at 0.
        last = None if None in (begin, end) else (begin or 0) + max(wh or 0, 0) - (end or 0)
        if measured == MeasuringMethod.RESET and not _is_read(rows, number, last):
            measured = MeasuringMethod.READINGS
    elif method == REGISTER and doubt == Code.SHARED_REGISTER:
        measured = MeasuringMethod.DIVIDED
    # Another charger under the same name has another meter, of which it may tell nothing.
    is_same = None in (of_meter, of_charger) or of_meter == of_charger
    meters = dict.fromkeys(one for one in serials if one and is_same)
    return MeterRegisters(
        begin_wh=begin,
        end_wh=end,
        meter_serial=", ".join(meters) or None,
        charger_serial=None if meters else of_charger,
        measured=measured,
        signed=signed,
    )


def _is_read(rows: Rows, number: int, wh: int | None) -> bool:
    """Whether a reading of a transaction shows a register."""
    tx = find_transaction(rows, number)
    if tx is None or wh is None:
        return False
    return bool(rows(_IS_READ, (tx.charger, tx.connector, tx.id, *span(tx), wh)))
