"""Lines of a bank's file become entries of the ledger, or are no payment of a household: each once,
in whichever file it comes again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from levity_trio.billing.ledger import EntrySource, LedgerKind
from levity_trio.records import record
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.lookups.wallets import currency_of, is_prepaid
from levity_trio.store.writes.money.wallets import LedgerEntry, enter
from levity_trio.store.writes.people.accounts import ChangeRefused, RefusalCode
from levity_trio.told import Told

NOBODY: Final = "nobody"
_ADD: Final = (
    "INSERT INTO bank_line (digest, ledger_id, payer, decided_at, decided_by, reference) "
    "VALUES (?, ?, ?, ?, ?, ?)"
)
_KEEP: Final = (
    "INSERT INTO bank_columns (head, columns, set_at, set_by) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (head) DO UPDATE "
    "SET (columns, set_at, set_by) = (excluded.columns, excluded.set_at, excluded.set_by)"
)


class DecidedLine(NamedTuple):
    """A line and whose it is: `statement:` or `account:` with its number, or `nobody`. `amount` is
    in minor units; `fee` is what a bank asked for a return, and the household is to bear."""

    key: str
    day: str
    amount: int
    text: str
    payer: str | None
    to: str
    reference: str | None = None
    fee: int = 0


@record
class TakenLines:
    """How many entries were made, and how many lines are nobody's; the others were decided
    before."""

    entered: int
    nobodys: int


def take(db: UnitOfWork, lines: Sequence[DecidedLine], at: str, by: str) -> TakenLines:
    """Enter lines, all or none; those that were decided before are left as they are. Raises
    ChangeRefused."""
    entered = nobodys = 0
    for line in lines:
        if db.row("SELECT 1 FROM bank_line WHERE digest = ?", (line.key,)) is not None:
            continue
        if line.to == NOBODY:
            nobodys += 1
            db.execute(_ADD, (line.key, None, None, at, by, line.reference))
            continue
        entry = _entry(db, line, at, by)
        number = enter(db, entry).id
        db.execute(_ADD, (line.key, number, line.payer, at, by, line.reference))
        if line.fee:
            # Outside of any bill, and without tax: it is what the bank took.
            fee = entry._replace(kind=LedgerKind.CORRECTION, amount=-line.fee, statement=None)
            enter(db, fee)
        entered += 1
    return TakenLines(entered=entered, nobodys=nobodys)


def _entry(db: UnitOfWork, line: DecidedLine, at: str, by: str) -> LedgerEntry:
    """Return a line as an entry of a ledger. Raises ChangeRefused."""
    kind, _colon, number = line.to.partition(":")
    statement = None
    if kind == "statement":
        row = db.row("SELECT account_id, id FROM statement WHERE printed_number = ?", (number,))
        if row is None:
            words = Told("there is no statement {1}", number)
            raise ChangeRefused(RefusalCode.NOT_FOUND, words, "to")
        number, statement = row
    account = int(number)
    entry = LedgerKind.PAYMENT if line.amount > 0 else LedgerKind.CHARGEBACK
    if line.amount > 0 and statement is None and is_prepaid(db.rows, account):
        entry = LedgerKind.TOP_UP
    return LedgerEntry(
        *(account, entry, line.amount, currency_of(db.rows) or "", line.text, at, by),
        statement=statement,
        paid_on=line.day,
        source=EntrySource.BANK_FILE,
    )


def keep_columns(db: UnitOfWork, head: str, columns: Mapping[str, str], at: str, by: str) -> None:
    """Keep the columns that were chosen for files with this head."""
    db.execute(_KEEP, (head, json.dumps(columns), at, by))


def forget(db: UnitOfWork, account: int) -> None:
    """Delete by what the bank accounts of a household were known again."""
    db.execute(
        (
            "UPDATE bank_line SET payer = NULL WHERE payer IS NOT NULL "
            "AND ledger_id IN (SELECT id FROM ledger WHERE account_id = ?)"
        ),
        (account,),
    )
