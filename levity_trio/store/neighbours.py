"""What relates the registers of consecutive transactions on a connector: swapped meters, and starts that overlap."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from levity_trio.charging import tolerances
from levity_trio.store.connectors import Rows

STARTS: Final = (
    "SELECT meter_start, coalesce(CASE WHEN judged_at <= ?3 THEN billed_until_wh END, meter_stop) FROM tx"
    " WHERE cp_id = ?1 AND conn_id = ?2 AND created_at <= ?3 AND (own_start_time, id) < (?4, ?5)"
    " ORDER BY own_start_time DESC, id DESC LIMIT ?6"
)


def starts_overlap(rows: Rows, before: tuple[str, int | None, str, str, int]) -> bool:
    """Whether starts on a connector have lain within the previous transaction, so that others may, too.

    `before` names charger and connector, the moment until which facts count, and the start time and id before which.
    """
    found = rows(STARTS, (*before, tolerances.COMPARED_STARTS))
    complete = ((start, begin, end) for (start, _), (begin, end) in pairwise(found) if None not in (start, begin, end))
    overlaps = [start for start, begin, end in complete if begin < start < end - 1]
    return len(overlaps) >= tolerances.OVERLAPPING_STARTS


def is_other_meter(rows: Rows, charger: str, first: str, last: str) -> bool:
    """Whether a boot between two times reported another meter than a boot before them."""
    between = "SELECT 1 FROM boot WHERE cp_id = ? AND received_at BETWEEN ? AND ? LIMIT 1"
    if not rows(between, (charger, first, last)):
        return False
    serials = {boots[0][0] for at in (first, last) if (boots := rows(_SERIAL, (charger, at)))}
    return len(serials) > 1


_SERIAL: Final = (
    "SELECT meter_serial_number FROM boot WHERE cp_id = ? AND received_at <= ? AND meter_serial_number IS NOT NULL"
    " ORDER BY received_at DESC, id DESC LIMIT 1"
)
