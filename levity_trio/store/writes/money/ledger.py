"""The ledger: the one door through which its rows come, the terms of accounts, and what
transactions cost prepaid ones; the closing of a month, which fills it; and who bills.

Whether a prepaid account is spent is judged in the write that changes what it has. A transaction
that was priced and has changed since is left alone: its change has a newer revision, so it comes
again. Lines of a bank's file become entries, or are no payment of a household: each once, in
whichever file it comes again.

A closing is one short write that stores the numbered and sealed statements of a month. All was
computed before. The write checks that it still holds, so it can be computed again if something
changed.

Each change of who bills is a new row, because a closing names the one of its day.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from levity_trio.billing.bank_accounts import fault
from levity_trio.billing.ledger import (
    LARGEST,
    EntrySource,
    LedgerKind,
    WalletTerms,
    objection,
    refund_objection,
)
from levity_trio.billing.money import CURRENCIES
from levity_trio.events import (
    BillerChanged,
    BillingBegun,
    MonthClosed,
    WalletCovered,
    WalletEntered,
    WalletSpent,
    WalletTermsChanged,
)
from levity_trio.nouns import Biller
from levity_trio.records import noun, record
from levity_trio.store.billing.drafting import grounds
from levity_trio.store.billing.months import Code, Refused, begun
from levity_trio.store.billing.numbering import Closable, Numbered, Order
from levity_trio.store.billing.rows import before_of
from levity_trio.store.billing.settling import note_settlement, set_off, take_back
from levity_trio.store.billing.statements import (
    BEGINNING,
    FIGURES,
    OF_POSITION,
    party_digest,
    seal_of,
)
from levity_trio.store.engine.database import Row, UnitOfWork, marks
from levity_trio.store.lookups.places import (
    currency_of,
    is_on_closed_statement,
    is_prepaid,
    is_spent,
    name_of,
    standing_of,
)
from levity_trio.store.reads.transactions.costs import TransactionCharge
from levity_trio.store.writes.chargers.commands import CallMessage
from levity_trio.store.writes.people.accounts import ChangeRefused, RefusalCode, find
from levity_trio.store.writes.stored import RecordTable
from levity_trio.store.writes.transactions.judging import schedule_unsure
from levity_trio.told import Day, Told
from levity_trio.wire.times import stamp

_SET: Final = (
    "INSERT INTO wallet (account_id, limit_amount, prepaid_since) "
    "VALUES (?, ?, ?) ON CONFLICT (account_id) DO UPDATE "
    "SET limit_amount = excluded.limit_amount, prepaid_since = excluded.prepaid_since, "
    "spent_since = CASE "
    "WHEN excluded.prepaid_since IS NULL THEN NULL ELSE wallet.spent_since END"
)


class NewTerms(NamedTuple):
    """How an account is to pay from now on, who says so and why. `limit` is in minor units."""

    terms: WalletTerms
    limit: int
    reason: str
    at: str
    by: str


def set_terms(db: UnitOfWork, account: int, new: NewTerms) -> bool:
    """Make an account prepaid or postpaid, or change its limit; return whether that was news.
    Raises ChangeRefused."""
    find(db, account)
    if abs(new.limit) > LARGEST:
        raise ChangeRefused(
            RefusalCode.INVALID, Told("it is beyond {1} minor units", LARGEST), "limit"
        )
    before = db.row(
        "SELECT limit_amount, prepaid_since FROM wallet WHERE account_id = ?", (account,)
    ) or (0, None)
    limit, prepaid_since = before
    since = None if new.terms is WalletTerms.POSTPAID else prepaid_since or new.at
    if (limit, prepaid_since) == (new.limit, since):
        return False
    db.execute(
        (
            "INSERT INTO wallet_terms (account_id, kind, limit_amount, since, set_by, reason) "
            "VALUES (?, ?, ?, ?, ?, ?)"
        ),
        (account, new.terms, new.limit, new.at, new.by, new.reason),
    )
    was_spent = is_spent(db.rows, account)
    db.execute(_SET, (account, new.limit, since))
    db.record(
        WalletTermsChanged(charger=None, at=new.at, account=account, terms=new.terms, by=new.by)
    )
    if since is None:
        db.execute("DELETE FROM wallet_reservation WHERE account_id = ?", (account,))
        if was_spent:
            db.record(WalletCovered(charger=None, at=new.at, account=account))
    assess(db, account, new.at)
    return True


def assess(db: UnitOfWork, account: int, at: str) -> None:
    """Note whether a prepaid account is spent, after what it has or has used changed; both turns
    are facts."""
    row = db.row(
        "SELECT spent_since FROM wallet WHERE account_id = ? AND prepaid_since IS NOT NULL",
        (account,),
    )
    if row is None:
        return
    was_spent, is_spent = row[0] is not None, standing_of(db.rows, account).is_spent
    if was_spent == is_spent:
        return
    db.execute(
        "UPDATE wallet SET spent_since = ? WHERE account_id = ?",
        (at if is_spent else None, account),
    )
    kind = WalletSpent if is_spent else WalletCovered
    db.record(kind(charger=None, at=at, account=account))


BY: Final = "wallet"
ASK_AGAIN: Final = timedelta(hours=1)
SECONDS: Final = len("2026-03-01T12:00:00")
"""Characters of a time up to its seconds, which are all that chargers tell."""
_REVISION: Final = "SELECT revision FROM bill_work WHERE tx_id = ?"
_PREPAID: Final = (
    "SELECT prepaid_since FROM wallet WHERE account_id = ? AND prepaid_since IS NOT NULL"
)
_NET: Final = (
    "SELECT account_id, currency, sum(amount), sum(CASE kind WHEN 'charge' THEN amount "
    "ELSE 0 END) "
    "FROM ledger "
    "WHERE tx_id = ? AND kind IN ('charge', 'correction') "
    "GROUP BY account_id, currency"
)
_TO_STOP: Final = (
    "SELECT 1 FROM wallet_reservation "
    "JOIN wallet USING (account_id) JOIN tx ON tx.id = tx_id "
    "WHERE tx_id = ?1 AND spent_since IS NOT NULL AND status = 'Active' "
    "AND coalesce(stop_asked_at, '') <= ?2"
)


def settle(db: UnitOfWork, found: Iterable[TransactionCharge], at: str) -> None:
    """Reserve or charge what transactions cost; what belongs to another account now is given
    back."""
    for used in found:
        row = db.row(_REVISION, (used.transaction,))
        if (0 if row is None else row[0]) == used.revision:
            _settle(db, used, at)


def _settle(db: UnitOfWork, used: TransactionCharge, at: str) -> None:
    if is_on_closed_statement(db.rows, used.transaction):
        _release(db, used, at)
        return
    nets = {
        account: (currency, net, charged)
        for account, currency, net, charged in db.rows(_NET, (used.transaction,))
    }
    for account, (currency, net, _) in nets.items():
        if account != used.account and net:
            words = f"transaction {used.transaction} belongs to another account now"
            enter(db, _entry(used, account, LedgerKind.CORRECTION, -net, currency, words, at))
    if used.account is None or not _is_prepaid(db, used):
        _release(db, used, at)
    elif not used.is_certain:
        _reserve(db, used, used.account, at)
    else:
        _release(db, used, at, is_assessed=False)
        _charge(db, used, used.account, nets.get(used.account), at)
        assess(db, used.account, at)


def _is_prepaid(db: UnitOfWork, used: TransactionCharge) -> bool:
    """Whether the account is prepaid, and was when the transaction ended: what ended before is left
    to a statement."""
    row = db.row(_PREPAID, (used.account,))
    return row is not None and (used.ended_at is None or used.ended_at >= row[0][:SECONDS])


def _charge(
    db: UnitOfWork,
    used: TransactionCharge,
    account: int,
    before: tuple[str, int, int] | None,
    at: str,
) -> None:
    """Charge an account, once; if that was given back meanwhile, the same again."""
    words = f"transaction {used.transaction}"
    if before is None:
        if used.amount:
            enter(
                db, _entry(used, account, LedgerKind.CHARGE, -used.amount, used.currency, words, at)
            )
        return
    currency, net, charged = before
    if net == 0 and charged:
        words = f"{words} belongs to this account again"
        enter(db, _entry(used, account, LedgerKind.CORRECTION, charged, currency, words, at))


def _entry(
    one: TransactionCharge,
    account: int,
    kind: LedgerKind,
    amount: int,
    currency: str,
    reason: str,
    at: str,
) -> LedgerEntry:
    return LedgerEntry(account, kind, amount, currency, reason, at, BY, transaction=one.transaction)


def _reserve(db: UnitOfWork, used: TransactionCharge, account: int, at: str) -> None:
    """Reserve what a transaction has used; what cannot be priced keeps what was reserved for it."""
    kept = db.row(
        "SELECT account_id, amount FROM wallet_reservation WHERE tx_id = ?", (used.transaction,)
    )
    amount = max(0, used.amount) if used.amount is not None else 0 if kept is None else kept[1]
    if kept == (account, amount):
        return
    db.execute(
        "INSERT INTO wallet_reservation (tx_id, account_id, amount, reserved_at) "
        "VALUES (?, ?, ?, ?) ON CONFLICT (tx_id) DO UPDATE "
        "SET (account_id, amount, reserved_at) = (excluded.account_id, excluded.amount, "
        "excluded.reserved_at)",
        (used.transaction, account, amount, at),
    )
    for each in {account, account if kept is None else kept[0]}:
        assess(db, each, at)


def _release(db: UnitOfWork, used: TransactionCharge, at: str, *, is_assessed: bool = True) -> None:
    rows = db.rows(
        "DELETE FROM wallet_reservation WHERE tx_id = ? RETURNING account_id", (used.transaction,)
    )
    for (account,) in rows:
        if is_assessed or account != used.account:
            assess(db, account, at)


def stop(db: UnitOfWork, transaction: int, now: datetime) -> tuple[CallMessage | None, None]:
    """Decide whether to ask for the stop of a transaction whose account is spent; that is asked
    again after an hour."""
    if db.row(_TO_STOP, (transaction, stamp(now - ASK_AGAIN))) is None:
        return None, None
    db.execute(
        "UPDATE wallet_reservation SET stop_asked_at = ? WHERE tx_id = ?", (stamp(now), transaction)
    )
    return CallMessage("RemoteStopTransaction", {"transactionId": transaction}), None


_COLUMNS: Final = (
    "account_id, kind, amount, currency, reason, entered_at, entered_by, statement_id, tx_id, "
    "service_id, paid_on, source"
)
_SAME_SUM: Final = (
    "SELECT id, statement_id, kind FROM ledger WHERE account_id = ? "
    "AND kind IN ('payment', 'top-up', 'chargeback') AND abs(amount) = ? ORDER BY id"
)
_CREDIT: Final = (
    "SELECT account_id, total, is_carried, number, EXISTS (SELECT 1 FROM statement AS later "
    "WHERE later.account_id = statement.account_id AND later.number > statement.number "
    "AND later.closing_id > statement.closing_id) "
    "FROM statement WHERE id = ?"
)
_PAID_OUT: Final = (
    "SELECT coalesce(sum(amount), 0) FROM ledger WHERE statement_id = ? AND kind = 'refund'"
)


class LedgerEntry(NamedTuple):
    """What is to be entered. `amount` is in minor units, positive in the account's favour.

    `reason` is its text: what a person says, or what the file of a bank has. `service_id` is the id
    that whoever asks gave to this: a second entry with it is the first one again. `paid_on` is the
    local day on which the money moved.
    """

    account: int
    kind: LedgerKind
    amount: int
    currency: str
    reason: str
    at: str
    by: str
    statement: int | None = None
    transaction: int | None = None
    service_id: str | None = None
    paid_on: str | None = None
    source: EntrySource | None = None


_ADD: Final = f"INSERT INTO ledger ({_COLUMNS}) VALUES ({marks(LedgerEntry._fields)}) RETURNING id"  # noqa: S608 - ours


class EntryResult(NamedTuple):
    """An entry that was made, or that an earlier request with the same `service_id` made."""

    id: int
    is_new: bool


def enter(db: UnitOfWork, entry: LedgerEntry) -> EntryResult:
    """Enter something in the ledger of an account. Raises ChangeRefused; then nothing was
    entered."""
    if entry.service_id is not None and (known := _known(db, entry)) is not None:
        return EntryResult(known, False)
    find(db, entry.account)
    _check_entry(db, entry)
    payment = None
    if entry.kind is LedgerKind.CHARGEBACK and entry.statement is None:
        payment, statement = _payment_of(db, entry)
        entry = entry._replace(statement=statement)
    number = db.insert(_ADD, entry)
    if entry.amount < 0 and entry.kind in (LedgerKind.CHARGEBACK, LedgerKind.CORRECTION):
        take_back(db, entry.account, number, payment, entry.statement)
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
    note_settlement(db, entry.account)
    assess(db, entry.account, entry.at)
    return EntryResult(number, True)


def _payment_of(db: UnitOfWork, entry: LedgerEntry) -> tuple[int | None, int | None]:
    """Return the payment that comes back as a whole with an entry, and the statement that it named:
    the newest of this sum that has not come back yet."""
    payments: list[tuple[int | None, int | None]] = [(None, None)]
    for number, statement, kind in db.rows(_SAME_SUM, (entry.account, -entry.amount)):
        if kind != LedgerKind.CHARGEBACK:
            payments.append((number, statement))
        elif payments[1:]:
            payments.pop()
    return payments[-1]


def statement_with(db: UnitOfWork, account: int, number: int) -> int:
    """Return the id of the statement of an account with this number, as it stands on the paper.
    Raises ChangeRefused."""
    row = db.row("SELECT id FROM statement WHERE account_id = ? AND number = ?", (account, number))
    if row is None:
        raise ChangeRefused(
            RefusalCode.NOT_FOUND,
            Told("household {1} has no statement {2}", name_of(db.rows, account), number),
            "statement",
        )
    return int(row[0])


def enter_statement(db: UnitOfWork, entry: LedgerEntry) -> int:
    """Enter what a closed statement asks for, and return the number of the entry. The closing
    checked it, and tells of all its statements with one fact."""
    number = db.insert(_ADD, entry)
    assess(db, entry.account, entry.at)
    return number


def _known(db: UnitOfWork, entry: LedgerEntry) -> int | None:
    """Return the entry that this one repeats. Raises ChangeRefused if its id was used for another
    one."""
    same = (
        "SELECT id, account_id, kind, amount, currency, statement_id "
        "FROM ledger WHERE service_id = ?"
    )
    row = db.row(same, (entry.service_id,))
    if row is None:
        return None
    # One that came back as a whole was given the statement of its payment.
    statement = row[-1] if entry.statement is None else entry.statement
    if row[1:] != (entry.account, entry.kind, entry.amount, entry.currency, statement):
        raise ChangeRefused(
            RefusalCode.CONFLICT, Told("this id was used for another entry; give a new one"), "id"
        )
    return int(row[0])


def _check_entry(db: UnitOfWork, entry: LedgerEntry) -> None:
    _check_currency(db, entry.currency)
    if words := objection(entry.kind, entry.amount, CURRENCIES[entry.currency]):
        raise ChangeRefused(RefusalCode.INVALID, words, "amount")
    if entry.statement is not None:
        _check_statement(db, entry)
    elif entry.kind is LedgerKind.STATEMENT:
        raise ChangeRefused(RefusalCode.INVALID, Told("give the statement"), "statement")
    elif entry.kind is LedgerKind.REFUND:
        balance = standing_of(db.rows, entry.account).balance
        if words := refund_objection(entry.amount, balance, CURRENCIES[entry.currency]):
            raise ChangeRefused(RefusalCode.CONFLICT, words, "amount")
    if entry.kind is LedgerKind.CHARGE:
        _check_charge(db, entry)


def _check_currency(db: UnitOfWork, currency: str) -> None:
    if currency not in CURRENCIES:
        raise ChangeRefused(
            RefusalCode.INVALID, Told("{1} is no currency (ISO 4217)", currency), "currency"
        )
    if (known := currency_of(db.rows)) not in (None, currency):
        raise ChangeRefused(
            RefusalCode.CONFLICT, Told("this site's currency is {1}", known), "currency"
        )


def _check_statement(db: UnitOfWork, entry: LedgerEntry) -> None:
    row = db.row(_CREDIT, (entry.statement,))
    if row is None or row[0] != entry.account:
        name = name_of(db.rows, entry.account)
        words = Told("household {1} has no statement {2}", name, str(entry.statement))
        raise ChangeRefused(RefusalCode.NOT_FOUND, words, "statement")
    if entry.kind is LedgerKind.REFUND:
        _check_credit(db, entry, row)


def _check_credit(db: UnitOfWork, entry: LedgerEntry, statement: Row) -> None:
    """Check that a refund of a carried credit is at most what was not paid out yet. Raises
    ChangeRefused."""
    _, total, is_carried, number, is_passed_on = statement
    if number is None or not is_carried or total >= 0:
        raise ChangeRefused(
            RefusalCode.CONFLICT,
            Told("this statement left no credit that was carried on"),
            "statement",
        )
    if is_passed_on:
        raise ChangeRefused(
            RefusalCode.CONFLICT, Told("a later statement has taken off this credit"), "statement"
        )
    ((paid_out,),) = db.rows(_PAID_OUT, (entry.statement,))
    if words := refund_objection(entry.amount, -total + paid_out, CURRENCIES[entry.currency]):
        raise ChangeRefused(RefusalCode.CONFLICT, words, "amount")


def _check_charge(db: UnitOfWork, entry: LedgerEntry) -> None:
    if (
        entry.transaction is None
        or db.row("SELECT 1 FROM tx WHERE id = ?", (entry.transaction,)) is None
    ):
        raise ChangeRefused(
            RefusalCode.NOT_FOUND,
            Told("there is no session {1}", str(entry.transaction)),
            "transaction",
        )
    if is_on_closed_statement(db.rows, entry.transaction):
        raise ChangeRefused(
            RefusalCode.CONFLICT, Told("a closed statement has this session already"), "transaction"
        )
    charged = "SELECT 1 FROM ledger WHERE tx_id = ? AND account_id = ? AND kind = 'charge'"
    if db.row(charged, (entry.transaction, entry.account)) is not None:
        raise ChangeRefused(
            RefusalCode.CONFLICT,
            Told("this household was charged for this session already"),
            "transaction",
        )


NOBODY: Final = "nobody"
_ADD_OF_BANK: Final = (
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
            db.execute(_ADD_OF_BANK, (line.key, None, None, at, by, line.reference))
            continue
        entry = _of_bank(db, line, at, by)
        number = enter(db, entry).id
        db.execute(_ADD_OF_BANK, (line.key, number, line.payer, at, by, line.reference))
        if line.fee:
            # Outside of any bill, and without tax: it is what the bank took.
            fee = entry._replace(kind=LedgerKind.CORRECTION, amount=-line.fee, statement=None)
            enter(db, fee)
        entered += 1
    return TakenLines(entered=entered, nobodys=nobodys)


def _of_bank(db: UnitOfWork, line: DecidedLine, at: str, by: str) -> LedgerEntry:
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


MOST_SETTLED: Final = 20_000
"""What is left goes with the next closing."""
_CHANGED: Final = (
    "SELECT 1 FROM bill_work LEFT JOIN tx ON tx.id = tx_id "
    "WHERE revision > ? AND coalesce(stop_time, '') < ? LIMIT 1"
)
"""Something that changed after a revision, of all that ended before a time; also a transaction that
is open again."""
_STATEMENT: Final = (
    f"INSERT INTO statement ({', '.join(FIGURES)}, content) "  # noqa: S608
    f"VALUES ({marks(FIGURES)}, ?) RETURNING id"
)
_POSITION: Final = (
    f"INSERT INTO position (statement_id, account_id, {', '.join(OF_POSITION)})"  # noqa: S608 - our own names
    f" VALUES (?, ?, {marks(OF_POSITION)})"
)
_SEAL: Final = (
    "UPDATE statement "
    "SET closing_id = ?, number = ?, printed_number = ?, party_digest = ?, "
    "previous_digest = ?, digest = ?, language = ? WHERE id = ?"
)
_SUPPLEMENT: Final = (
    "INSERT INTO supplement (account_id, month, biller_id, made_at, made_by, party_digest, "
    "previous_digest, digest, party, sheet) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SETTLED: Final = (
    "DELETE FROM bill_work "
    "WHERE revision IN (SELECT revision FROM bill_work LEFT JOIN tx ON tx.id = tx_id "
    "WHERE revision <= ? AND (bill_work.account_id IS NOT NULL "
    "OR (revision <= coalesce((SELECT revision FROM signed_work WHERE id = 1), revision) "
    "AND revision <= coalesce((SELECT revision FROM tx_quarter_work WHERE id = 1), revision) "
    "AND (stop_time < ? "
    "OR (status = 'Completed' AND stop_time < ? AND review IS NULL AND judge_after IS NULL "
    "AND confidence = 'certain' AND EXISTS (SELECT 1 FROM position JOIN statement "
    "ON statement.id = statement_id WHERE position.tx_id = tx.id AND number IS NOT NULL))))) "
    "LIMIT ?)"
)
"""What a closing settled. What waits for a review, or for the check of its signed values, or is
nobody's, stays."""


class Closed(NamedTuple):
    """What was closed: the closing's number, and the first and last printed number of its
    statements (None: there are none)."""

    id: int
    statements: int
    first: str | None = None
    last: str | None = None


def begin_billing(db: UnitOfWork, day: date, at: str, by: str) -> None:
    """Say since when this system bills. Another day can be said until the first month is closed.
    Raises Refused."""
    known = begun(db.rows)
    if known is not None and known.on == day:
        return
    if known is not None and db.row("SELECT 1 FROM closing LIMIT 1") is not None:
        words = Told(
            "this system has billed since {1}, and a month is closed; the day stays", Day(known.on)
        )
        raise Refused(Code.CONFLICT, words)
    db.execute(
        "INSERT INTO billing (id, begun_on, begun_at, begun_by) "
        "VALUES (1, ?, ?, ?) ON CONFLICT (id) DO UPDATE "
        "SET begun_on = excluded.begun_on, begun_at = excluded.begun_at, "
        "begun_by = excluded.begun_by",
        (day.isoformat(), at, by),
    )
    db.record(BillingBegun(charger=None, at=at, day=day.isoformat(), by=by))


def close_month(db: UnitOfWork, closable: Closable) -> Closed | None:
    """Close a month, for all accounts or for one that moves out; None if something changed since it
    was computed."""
    plan, before, order, statements = closable
    if before != grounds(db.rows, plan.terms) or db.rows(_CHANGED, (plan.revision, plan.until)):
        return None
    last = statements[-1].digest if statements else before.newest_digest
    closing = db.insert(
        "INSERT INTO closing (month, account_id, terms, biller_id, statements, previous_digest, "
        "digest, closed_at, closed_by) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            *(str(plan.month), plan.account, before.terms, before.biller, len(statements)),
            *(before.newest_digest, last, order.at, order.by),
        ),
    )
    for one in statements:
        _store(db, closing, one, order)
    for account in {one.rows.figures.account_id for one in statements}:
        note_settlement(db, account, {})
    db.execute("UPDATE billing SET next_number = ?", (before.next_number + len(statements),))
    if plan.account is None:
        db.execute(_SETTLED, (plan.revision, plan.since, plan.until, MOST_SETTLED))
    schedule_unsure(db, order.at)
    closed = Closed(closing, len(statements))
    numbers: tuple[int | None, ...] = (None, None)
    if statements:
        begin, end = statements[0], statements[-1]
        closed = closed._replace(first=begin.printed_number, last=end.printed_number)
        numbers = begin.number, end.number
    db.record(
        MonthClosed(
            charger=None,
            at=order.at,
            month=str(plan.month),
            account=plan.account,
            statements=closed.statements,
            first=numbers[0],
            last=numbers[1],
            by=order.by,
        )
    )
    return closed


class Supplement(NamedTuple):
    """What is added to the closed papers of a household for a month: who bills, and the names and
    the sheet that it has."""

    account: int
    month: str
    biller: int
    party: str
    sheet: str


def supplement(db: UnitOfWork, one: Supplement, at: str, by: str) -> str:
    """Store what is added to closed papers, sealed; return its digest."""
    newest = db.row("SELECT digest FROM supplement WHERE id = (SELECT max(id) FROM supplement)")
    previous = BEGINNING if newest is None else newest[0]
    of_names = party_digest(one.party)
    digest = seal_of(one.account, one.month, of_names, previous)
    values = (one.account, one.month, one.biller, at, by, of_names, previous, digest)
    db.execute(_SUPPLEMENT, (*values, one.party, one.sheet))
    return digest


def _store(db: UnitOfWork, closing: int, one: Numbered, order: Order) -> None:
    account = one.rows.figures.account_id
    number = db.insert(_STATEMENT, (*one.rows.figures, one.content))
    for row in one.rows.positions:
        db.execute(_POSITION, (number, account, *row))
    seal = (
        one.number,
        one.printed_number,
        one.party_digest,
        one.previous_digest,
        one.digest,
        one.language,
    )
    db.execute(_SEAL, (closing, *seal, number))
    add = "INSERT INTO statement_party (statement_id, party, sheet) VALUES (?, ?, ?)"
    db.execute(add, (number, one.party, one.sheet))
    before = one.rows.figures.before
    parts = () if before is None else before_of(before).set_off
    if one.rows.amount or parts:
        words = f"statement {one.printed_number}"
        entry = enter_statement(
            db,
            LedgerEntry(
                account,
                LedgerKind.STATEMENT,
                one.rows.amount,
                one.rows.figures.currency,
                words,
                order.at,
                order.by,
                number,
            ),
        )
        set_off(db, entry, parts)


@noun
class BillerData(Biller):
    """Who bills. `template` is the text of a TOML file, `logo` a PNG or JPEG that somebody has
    looked at."""

    name: str = ""
    logo: bytes | None = None
    template: str | None = None


_BILLER: Final = RecordTable("biller", BillerData)


def change_biller(db: UnitOfWork, fields: Mapping[str, Any], at: str, by: str) -> None:
    """Change fields, named as in BillerData. Raises ChangeRefused."""
    known = _BILLER.every(db, "ORDER BY id DESC LIMIT 1")
    before = known[0] if known else BillerData()
    after = replace(before, **fields)
    changed = tuple(name for name, value in asdict(after).items() if value != getattr(before, name))
    if not changed and known:
        return
    _check_biller(after)
    number = _BILLER.add(db, after, set_at=at, set_by=by)
    db.record(BillerChanged(charger=None, at=at, biller=number, changed=changed, by=by))


def _check_biller(data: BillerData) -> None:
    if not data.name:
        lacking = Told("give a name: the bills have no sender yet")
        raise ChangeRefused(RefusalCode.INVALID, lacking, "name")
    if data.bank_account is not None and (words := fault(data.bank_account)) is not None:
        raise ChangeRefused(RefusalCode.INVALID, words, "bank_account")
    if data.tax_kind == "exempt" and not data.tax_note:
        lacking = Told("write why there is no tax: each statement must say it")
        raise ChangeRefused(RefusalCode.INVALID, lacking, "tax_note")
