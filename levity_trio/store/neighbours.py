"""What relates the registers of consecutive transactions on a connector: swapped meters, and starts that overlap."""

from __future__ import annotations

from itertools import pairwise
from operator import attrgetter
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.store.connectors import Rows

STARTS: Final = (
    "SELECT meter_start, coalesce(CASE WHEN judged_at <= ?3 THEN billed_until_wh END, meter_stop) FROM tx"
    " WHERE cp_id = ?1 AND conn_id = ?2 AND created_at <= ?3 AND (own_start_time, id) < (?4, ?5)"
    " ORDER BY own_start_time DESC, id DESC LIMIT ?6"
)

NEXT_START: Final = (
    "SELECT meter_start, created_at, id FROM tx WHERE cp_id = ?1 AND conn_id = ?2 AND created_at <= ?3"
    " AND (own_start_time, id) > (?4, ?5) ORDER BY own_start_time, id LIMIT 1"
)


SAME_START: Final = (
    "SELECT coalesce(CASE WHEN earlier.judged_at <= ? THEN earlier.billed_until_wh END, earlier.meter_stop),"
    " earlier.created_at, tx.created_at FROM tx JOIN tx AS earlier ON earlier.cp_id = tx.cp_id"
    " AND earlier.conn_id = tx.conn_id AND earlier.id_tag = tx.id_tag AND earlier.sent_start_time = tx.sent_start_time"
    " AND earlier.meter_start = tx.meter_start AND earlier.id < tx.id WHERE tx.id = ? ORDER BY earlier.id DESC LIMIT ?"
)


class Counted(NamedTuple):
    """A transaction as its meter counted it: begin by the charger's clock, receipt of its start, registers in Wh."""

    begun: str
    received: str
    start: int | None
    stop: int | None

    @property
    def since(self) -> str:
        """Its begin; it was received later if it was queued."""
        return min(self.begun, self.received)


def is_swapped_between(rows: Rows, charger: str, one: Counted, other: Counted) -> bool:
    """Whether the meter was swapped between two transactions: between the receipts of their starts; if the register
    fell from one to the other, also before a start that was queued was received."""
    if is_other_meter(rows, charger, *sorted((one.received, other.received))):
        return True
    first, second = sorted((one, other), key=attrgetter("since"))
    has_fallen = first.stop is not None and second.start is not None and second.start < first.stop
    return has_fallen and is_other_meter(rows, charger, first.since, second.received)


def begin_after(rows: Rows, place: tuple[str, int | None, str, str, int], stopped: str | None) -> int | None:
    """Return the register in Wh of the next start, if the same meter counted it as at the receipt of a stop.

    `place` names charger and connector, the moment until which facts count, and the start time and id of the stopped
    transaction.
    """
    found = rows(NEXT_START, place)
    if not found or stopped is None or is_other_meter(rows, place[0], stopped, found[0][1]):
        return None
    return found[0][0]  # type: ignore[no-any-return]


def counted_until(rows: Rows, place: tuple[str, int | None, str, str, int], start: int, ended: int) -> int | None:
    """Return the register in Wh that a connector had reached before a transaction, if earlier ones have the same start
    and the same meter, and energy: its clock does not run, and the start may have been sent again. `ended` is the
    register at the end of the previous transaction.

    None if the register was reset: it is lower at the next start, which is none that was sent again. `place` is that of
    `begin_after`.
    """
    charger, _, until, _, transaction = place
    same = rows(SAME_START, (until, transaction, tolerances.COMPARED_STARTS))
    highest, *times = max((one for one in same if one[0] is not None), default=(0, "", ""))
    if highest <= start or is_other_meter(rows, charger, *times):
        return None
    reached: int = max(ended, highest)
    following = [(begin, later) for begin, _, later in rows(NEXT_START, place) if begin is not None]
    is_reset = any(begin < reached and not rows(SAME_START, (until, later, 1)) for begin, later in following)
    return None if is_reset else reached


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


def boots(rows: Rows, charger: str, first: str, last: str) -> list[tuple[str, bool]]:
    """Return a charger's boots between two times: when received, and whether each reported another meter."""
    found = rows(
        "SELECT received_at, meter_serial_number FROM boot WHERE cp_id = ? AND received_at BETWEEN ? AND ? ORDER BY id",
        (charger, first, last),
    )
    if not found:
        return []
    earlier = rows(_SERIAL, (charger, first))
    serial, every = earlier[0][0] if earlier else None, []
    for at, reported in found:
        is_other = reported is not None and serial is not None and reported != serial
        every.append((at, is_other and at > first))
        serial = reported or serial
    return every


_SERIAL: Final = (
    "SELECT meter_serial_number FROM boot WHERE cp_id = ? AND received_at <= ? AND meter_serial_number IS NOT NULL"
    " ORDER BY received_at DESC, id DESC LIMIT 1"
)
