"""Stores what the signed values of transactions prove, and has these judged again by it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from levity_trio.charging.lifecycle import Cause
from levity_trio.log.output import get_logger
from levity_trio.signed.checking import SignedFinding, SignedState
from levity_trio.store.cases.transaction import StoredTransaction, find_transaction
from levity_trio.store.engine.database import UnitOfWork, marks
from levity_trio.store.reads.transactions.explain import CheckedSession
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.transactions.judging import JUDGING_SECONDS, judge_again
from levity_trio.told import Told, stored

log = get_logger("system")
_COLUMNS: Final = ", ".join(SignedFinding._fields)
_KEPT: Final = f"SELECT {_COLUMNS} FROM signed_check WHERE tx_id = ?"  # noqa: S608 - our own names
_DELETE: Final = "DELETE FROM signed_check WHERE tx_id = ?"
_KEEP: Final = (
    f"INSERT INTO signed_check (tx_id, checked_at, {_COLUMNS}) "  # noqa: S608 - our own names
    f"VALUES (?, ?, {marks(SignedFinding._fields)})"
)
_SAME_PAGES: Final = (
    "SELECT tx_id FROM signed_check JOIN tx ON tx.id = tx_id WHERE key = ? AND last_page >= ? "
    "AND first_page <= ? AND tx_id < ? AND (is_owners = 1 OR cp_id = ?) LIMIT 1"
)
"""What another charger sent with a key that it told contradicts nobody."""
_DONE: Final = (
    "INSERT INTO signed_work (id, revision) VALUES (1, ?) "
    "ON CONFLICT (id) DO UPDATE SET revision = max(signed_work.revision, excluded.revision)"
)
_OF_CHARGER: Final = "SELECT tx_id FROM signed_check JOIN tx ON tx.id = tx_id WHERE cp_id = ?"
_NOT_DUE: Final = f"DELETE FROM bill_work WHERE tx_id IN ({_OF_CHARGER})"  # noqa: S608 - our own names
_DUE: Final = f"INSERT INTO bill_work (tx_id) {_OF_CHARGER} ORDER BY tx_id"


def keep(db: UnitOfWork, found: Sequence[CheckedSession], revision: int, at: str) -> None:
    """Store what was found, and up to which revision of bill_work. One that cannot be stored costs
    the others nothing."""
    for one in found:
        error = db.attempt(partial(_keep, db, one, at), JUDGING_SECONDS)
        if error is not None:
            log.error(
                "what the signed values of a transaction prove could not be stored",
                transaction=one.transaction,
                exc_info=error,
            )
    db.execute(_DONE, (revision,))


def _keep(db: UnitOfWork, one: CheckedSession, at: str) -> None:
    number, finding = one
    tx = find_transaction(db.rows, number)
    before = [tuple(row) for row in db.rows(_KEPT, (number,))]
    now = [] if finding is None or tx is None else [_row(_unique(db, tx, finding))]
    if tx is None or before == now:
        return
    db.execute(_DELETE, (number,))
    for row in now:
        db.execute(_KEEP, (number, at, *row))
    judge_again(db, Origin(tx.charger, None, at), number, Cause.LATER)


def _unique(db: UnitOfWork, tx: StoredTransaction, finding: SignedFinding) -> SignedFinding:
    """Return a finding that an earlier session has the same records, if one does. What proves
    nothing, as some chargers send the records of before again, contradicts nothing either."""
    if finding.state is SignedState.UNPROVEN:
        return finding
    pages = (finding.key, finding.first_page, finding.last_page, tx.id, tx.charger)
    if db.rows(_SAME_PAGES, pages):
        words = Told("another session has the same signed records")
        return finding._replace(state=SignedState.DOUBTFUL, told=words)
    return finding


def _row(finding: SignedFinding) -> tuple[object, ...]:
    return (
        *(finding.state.value, stored(finding.told), finding.wh, finding.digit_wh, finding.key),
        *(int(finding.is_owners), int(finding.is_timed), finding.first_page, finding.last_page),
    )


def check_again(db: UnitOfWork, charger: str) -> None:
    """Have the sessions of a charger checked again: another key of its meter is known."""
    db.execute(_NOT_DUE, (charger,))
    db.execute(_DUE, (charger,))
