"""Jumps of a register, recorded when the reading arrives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from levity_trio.charging.sent.evidence import seconds
from levity_trio.charging.sent.gathering import TIMESTAMP, WH, Row, gather
from levity_trio.charging.sent.jumps import JUMP_WH, is_jump
from levity_trio.charging.sent.readings import Reading
from levity_trio.events import EnergyJumped
from levity_trio.store.samples import COLUMNS
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Origin

ROWS: Final = 60
"""The newest rows of a connector, which include the previous register and recent power."""
_NEWEST: Final = (
    f"SELECT {COLUMNS} FROM (SELECT * FROM meter_val"  # noqa: S608
    " WHERE cp_id = ? AND conn_id = ? AND timestamp <= ? ORDER BY timestamp DESC, id DESC LIMIT ?)"
    " WHERE tx_id = ?"
)


def record_jump(
    db: UnitOfWork, origin: Origin, connector: int, transaction: int, before_wh: int, readings: Sequence[Reading]
) -> None:
    """Record a jump from the previous register of a transaction to that in these readings of one timestamp, if any."""
    at, wh = readings[0].timestamp, next(reading.wh for reading in readings if reading.wh is not None)
    if 0 <= wh - before_wh <= JUMP_WH:  # the usual case, without a query
        return
    rows = db.rows(_NEWEST, (origin.charger, connector, at, ROWS, transaction))
    if is_jump(wh - before_wh, seconds(at) - seconds(_before(rows, at)), gather([*rows, *map(_row, readings)])):
        jump = EnergyJumped(
            charger=origin.charger,
            at=origin.received_at,
            transaction=transaction,
            connector=connector,
            from_wh=before_wh,
            to_wh=wh,
        )
        db.record(jump, origin.session)


def _before(rows: Sequence[Row], at: str) -> str:
    """Return the time of the previous register; if none of these rows is a register, the time of the oldest."""
    earlier = [row for row in rows if row[TIMESTAMP] < at]
    registers = [row[TIMESTAMP] for row in earlier if row[WH] is not None]
    return max(registers, default=min((row[TIMESTAMP] for row in earlier), default=at))


def _row(one: Reading) -> Row:
    sample = (one.measurand, one.value, one.unit, one.phase, one.context, one.wh)
    return "", one.timestamp, *sample, "", one.location
