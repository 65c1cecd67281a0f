"""The energy of open transactions so far: one figure for pages, metrics, prices and prepaid
accounts. It is the one that the judge would give if they ended now.

Of a register that only rose, that is the judge's first rule, which takes one query for all. A
register that fell or leapt is the judge's own case: it may have been reset at a boot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from levity_trio.charging.energy import judge
from levity_trio.charging.refute.bounds import Bounds
from levity_trio.charging.refute.figure import begins_at_zero
from levity_trio.charging.sent.evidence import CHARGE, Case, View, seconds
from levity_trio.charging.sent.readings import digit_of
from levity_trio.store.cases.case import case_of
from levity_trio.store.cases.neighbours import ChargerHistory
from levity_trio.store.cases.transaction import COLUMNS, StoredTransaction
from levity_trio.store.engine.database import Rows, marks, parts

_OPEN: Final = (
    "SELECT tx.id, tx.cp_id, tx.conn_id, own_start_time, meter_start, last_register_wh, "
    "first.timestamp, first.wh, first.value, first.unit, uneven_at "
    "FROM tx "
    "JOIN meter_val AS first ON first.id = (SELECT id FROM meter_val "
    "WHERE meter_val.cp_id = tx.cp_id AND meter_val.conn_id = tx.conn_id "
    "AND timestamp >= min(tx.own_start_time, tx.created_at, coalesce(tx.early_reading_at, "
    "tx.created_at)) AND tx_id = tx.id AND wh IS NOT NULL ORDER BY timestamp, id LIMIT 1) "
    "WHERE last_register_wh IS NOT NULL AND tx.id IN ({})"
)
_WITH_LAST_MESSAGE: Final = f"SELECT {COLUMNS}, updated_at FROM tx WHERE id = ?"  # noqa: S608 - our own names
_CHARGE_AMONG: Final = 100
"""The newest rows of a connector, among which a DC charger tells a state of charge."""
_IS_DC: Final = (
    "SELECT 1 "
    "FROM (SELECT measurand FROM meter_val WHERE cp_id = ? AND conn_id = ? "
    "ORDER BY timestamp DESC, id DESC LIMIT ?) "
    "WHERE measurand = ? LIMIT 1"
)


def energies_so_far(rows: Rows, transactions: Sequence[int]) -> dict[int, int]:
    """Return the energy of open transactions in Wh, by their ids; those without a register yet are
    left out.

    The first reading shows whether readings count from 0 in each transaction. Without a start
    register, energy counts from the first reading.
    """
    energies: dict[int, int] = {}
    found = (row for part in parts(transactions) for row in rows(_OPEN.format(marks(part)), part))
    for (
        number,
        charger,
        connector,
        began,
        start_wh,
        last_wh,
        first_at,
        first_wh,
        value,
        unit,
        uneven_at,
    ) in found:
        if uneven_at is not None:
            energies[number] = _judged(rows, number)
            continue
        energies[number] = max(0, last_wh - (first_wh if start_wh is None else start_wh))
        if start_wh is not None and first_wh < start_wh:
            view = View([seconds(first_at)], [first_wh], digit_of(value, unit))
            is_dc = bool(rows(_IS_DC, (charger, connector, _CHARGE_AMONG, CHARGE)))
            own = {"start_wh": start_wh, "stop_wh": None, "views": [view], "is_dc": is_dc}
            case = Case(begun=seconds(began), ended=view.at[0], longest=0.0, **own)
            if begins_at_zero(Bounds(case), view):
                energies[number] = last_wh
    return energies


def _judged(rows: Rows, transaction: int) -> int:
    """Return the judge's figure of an open transaction in Wh, as if it had ended with its last
    message."""
    ((*values, last_message_at),) = rows(_WITH_LAST_MESSAGE, (transaction,))
    tx = StoredTransaction(*values)
    case = case_of(ChargerHistory(rows, tx.charger), tx.as_ended(last_message_at))
    return judge(case).wh
