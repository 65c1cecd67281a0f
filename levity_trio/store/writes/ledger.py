"""The one door through which rows of `ledger` come."""

from __future__ import annotations

from typing import Final, NamedTuple

from levity_trio.billing.ledger import Kind, objection, refund_objection
from levity_trio.billing.money import CURRENCIES
from levity_trio.events import WalletEntered
from levity_trio.store.engine.unit_of_work import Row, UnitOfWork
from levity_trio.store.wallets import currency_of, is_on_closed_statement, standing_of
from levity_trio.store.writes.accounts import Code, Refused, find
from levity_trio.store.writes.wallets import assess

_COLUMNS: Final = "account_id, kind, amount, currency, reason, entered_at, entered_by, statement_id, tx_id, service_id"
_ADD: Final = f"INSERT INTO ledger ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"  # noqa: S608 - ours
_CREDIT: Final = "SELECT account_id, total, is_carried, number FROM statement WHERE id = ?"
_PAID_OUT: Final = "SELECT coalesce(sum(amount), 0) FROM ledger WHERE statement_id = ? AND kind = 'refund'"


class Entry(NamedTuple):
    """What is to be entered. `amount` is in minor units, positive in the account's favour.

    `service_id` is the id that whoever asks gave to this: a second entry with it is the first one again.
    """

    account: int
    kind: Kind
    amount: int
    currency: str
    reason: str
    at: str
    by: str
    statement: int | None = None
    transaction: int | None = None
    service_id: str | None = None


class Entered(NamedTuple):
    """An entry that was made, or that an earlier request with the same `service_id` made."""

    id: int
    is_new: bool


def enter(db: UnitOfWork, entry: Entry) -> Entered:
    """Enter something in the ledger of an account. Raises Refused; then nothing was entered."""
    if entry.service_id is not None and (known := _known(db, entry)) is not None:
        return Entered(known, False)
    find(db, entry.account)
    _check(db, entry)
    number = db.insert(_ADD, entry)
    fact = WalletEntered(
        charger=None,
        at=entry.at,
        entry=number,
        account=entry.account,
        kind=entry.kind,
        transaction=entry.transaction,
        by=entry.by,
    )
    db.record(fact)
    assess(db, entry.account, entry.at)
    return Entered(number, True)


def statement_with(db: UnitOfWork, account: int, number: int) -> int:
    """Return the id of the statement of an account with this number, as it stands on the paper. Raises Refused."""
    row = db.row("SELECT id FROM statement WHERE account_id = ? AND number = ?", (account, number))
    if row is None:
        raise Refused(Code.NOT_FOUND, f"account {account} has no statement {number}", "statement")
    return int(row[0])


def enter_statement(db: UnitOfWork, entry: Entry) -> None:
    """Enter what a closed statement asks for. The closing checked it, and tells of all its statements with one fact."""
    db.insert(_ADD, entry)
    assess(db, entry.account, entry.at)


def _known(db: UnitOfWork, entry: Entry) -> int | None:
    """Return the entry that this one repeats. Raises Refused if its id was used for another one."""
    same = "SELECT id, account_id, kind, amount, currency, statement_id FROM ledger WHERE service_id = ?"
    row = db.row(same, (entry.service_id,))
    if row is None:
        return None
    if row[1:] != (entry.account, entry.kind, entry.amount, entry.currency, entry.statement):
        raise Refused(Code.CONFLICT, "this id was used for another entry; give a new one", "id")
    return int(row[0])


def _check(db: UnitOfWork, entry: Entry) -> None:
    _check_currency(db, entry.currency)
    if words := objection(entry.kind, entry.amount, CURRENCIES[entry.currency]):
        raise Refused(Code.INVALID, words, "amount")
    if entry.statement is not None:
        _check_statement(db, entry)
    elif entry.kind is Kind.STATEMENT:
        raise Refused(Code.INVALID, "give the statement", "statement")
    elif entry.kind is Kind.REFUND:
        balance = standing_of(db.rows, entry.account).balance
        if words := refund_objection(entry.amount, balance, CURRENCIES[entry.currency]):
            raise Refused(Code.CONFLICT, words, "amount")
    if entry.kind is Kind.CHARGE:
        _check_charge(db, entry)


def _check_currency(db: UnitOfWork, currency: str) -> None:
    if currency not in CURRENCIES:
        raise Refused(Code.INVALID, f"{currency} is no currency (ISO 4217)", "currency")
    if (known := currency_of(db.rows)) not in (None, currency):
        raise Refused(Code.CONFLICT, f"this site's currency is {known}", "currency")


def _check_statement(db: UnitOfWork, entry: Entry) -> None:
    row = db.row(_CREDIT, (entry.statement,))
    if row is None or row[0] != entry.account:
        words = f"account {entry.account} has no statement {entry.statement}"
        raise Refused(Code.NOT_FOUND, words, "statement")
    if entry.kind is Kind.REFUND:
        _check_credit(db, entry, row)


def _check_credit(db: UnitOfWork, entry: Entry, statement: Row) -> None:
    """Check that a refund of a carried credit is at most what was not paid out yet. Raises Refused."""
    _, total, is_carried, number = statement
    if number is None or not is_carried or total >= 0:
        raise Refused(Code.CONFLICT, "this statement left no credit that was carried on", "statement")
    ((paid_out,),) = db.rows(_PAID_OUT, (entry.statement,))
    if words := refund_objection(entry.amount, -total + paid_out, CURRENCIES[entry.currency]):
        raise Refused(Code.CONFLICT, words, "amount")


def _check_charge(db: UnitOfWork, entry: Entry) -> None:
    if entry.transaction is None or db.row("SELECT 1 FROM tx WHERE id = ?", (entry.transaction,)) is None:
        raise Refused(Code.NOT_FOUND, f"there is no transaction {entry.transaction}", "transaction")
    if is_on_closed_statement(db.rows, entry.transaction):
        raise Refused(Code.CONFLICT, "a closed statement has this transaction already", "transaction")
    charged = "SELECT 1 FROM ledger WHERE tx_id = ? AND account_id = ? AND kind = 'charge'"
    if db.row(charged, (entry.transaction, entry.account)) is not None:
        raise Refused(Code.CONFLICT, "this account was charged for this transaction already", "transaction")
