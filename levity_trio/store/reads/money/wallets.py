"""What households owe, have and paid.

`owing` is one household's account with the operator: its months, the present one so far, and the
statement that asks for money. A wallet has entries, each with who made it, and reservations: what
open sessions have used so far. At the end stands what lines of a bank's file are compared with:
what all households owe and paid, which lines were decided before, and which columns were chosen.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

from levity_trio.access.wallets import OwnedTag
from levity_trio.bank.matching import BookedSum, Books, UnpaidStatement
from levity_trio.billing.months import Month
from levity_trio.billing.settling import StatementState
from levity_trio.billing.statement import Owner, PositionKind
from levity_trio.records import Personal, copied, record
from levity_trio.store.billing.biller import newest_biller
from levity_trio.store.billing.drafting import Drafter, Plan, Terms, due, newest_revision
from levity_trio.store.billing.months import Begun, begun
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.billing.rows import taxes_of
from levity_trio.store.billing.settling import settlement_of
from levity_trio.store.billing.statements import (
    FIGURES,
    OF_POSITION,
    UNASKED,
    Figures,
    PositionRow,
    Printed,
    earlier_of,
    printed,
)
from levity_trio.store.engine.database import Database, Rows, marks, rows_of
from levity_trio.store.lookups.places import currency_of, standing_of
from levity_trio.store.reads.money.months import MonthFigures, WantedMonth, month_figures
from levity_trio.store.reads.money.statements import (
    ClosedStatement,
    StatementFilters,
    closed_among,
    closed_statements,
)
from levity_trio.store.reads.pages import (
    MOST_ROWS,
    Branch,
    ListKeys,
    ListPage,
    Shape,
    Sort,
    WantedPage,
    WhereCondition,
    by_name,
    given,
    read_page,
)
from levity_trio.store.reads.transactions.bill import BillTax
from levity_trio.store.reads.transactions.transactions import TransactionFilters
from levity_trio.told import N_, Told
from levity_trio.wire.times import in_zone, stamp

_CLOSED: Final = f"SELECT id, number, {', '.join(FIGURES)} FROM statement"  # noqa: S608 - our own names
_OF_MONTH: Final = (
    f"{_CLOSED} WHERE account_id = ? AND month = ? AND number IS NOT NULL ORDER BY number"
)
_POSITIONS: Final = (
    f"SELECT {', '.join(OF_POSITION)} FROM position AS one WHERE statement_id = ? "  # noqa: S608
    "AND NOT (kind IN ('held back', 'unpriced') AND EXISTS (SELECT 1 FROM position AS later "
    "WHERE later.tx_id = one.tx_id AND later.kind IN ('session', 'free') "
    "AND later.account_id = one.account_id))"
)
"""Without what was held back and is on a later statement."""
_NEWEST: Final = (
    "SELECT statement.id FROM statement "
    "LEFT JOIN settlement ON settlement.statement_id = statement.id "
    "WHERE account_id = ? AND number IS NOT NULL AND total > 0 AND is_carried = 0 "
    "ORDER BY paid = asked, number DESC LIMIT 1"
)


@record
class MonthsBill:
    """A statement of a month, or (`statement` null) what it would say by what is known now. Amounts
    are minor units.

    `sessions`, `base_fee` and `corrections` are sums of lines, net or gross as `prices` says.
    `charged` is what all of it comes to with tax, `from_wallet` what of that the wallet pays. With
    `carried_in`, what earlier statements left, the rest is `total`; if that is carried, it asks for
    nothing. `standing` says what of a statement is paid.
    """

    statement: int | None
    currency: str
    prices: str
    sessions: int
    base_fee: int
    corrections: int
    taxes: tuple[BillTax, ...]
    charged: int
    from_wallet: int
    carried_in: int
    total: int
    is_carried: bool
    standing: ClosedStatement | None


@record
class MonthOfHousehold(MonthFigures):
    """A month of a household. Its statements have `billed_wh`, of which `earlier_wh` ended in
    earlier months; those of one that is not closed have what is known so far, with its whole base
    fee.

    `held_back` are sessions that no statement asks for yet: they are being checked, or have no
    tariff, or were when it was closed.
    """

    month: str
    is_closed: bool
    corrections: int
    billed_wh: int
    earlier_wh: int
    held_back: int
    bills: tuple[MonthsBill, ...]


class Owing(NamedTuple):
    """How a household stands, its months, who bills, the newest statement that asks it to pay, and
    all of which something is open."""

    wallet: WalletRow
    months: list[MonthOfHousehold]
    owner: Owner | None
    asked: Printed | None
    unpaid: list[ClosedStatement]


class _StatementRows(NamedTuple):
    """A statement as its rows, and how it stands if it is closed."""

    standing: ClosedStatement | None
    figures: Figures
    positions: Sequence[PositionRow]


def owing(db: Database, account: int, rule: Rule, now: datetime) -> Owing | None:
    """Return what an account owes or has left, None if there is none. Its months are those since
    billing began."""
    rows = rows_of(db)
    stands, biller = wallet(db, account), newest_biller(rows)
    if stands is None:
        return None
    asked = [*printed(rows, (found for (found,) in rows(_NEWEST, (account,))))]
    known, months = begun(rows), list[MonthOfHousehold]()
    own = TransactionFilters(account=account)
    local = in_zone(now, rule.zone).date()
    present, today = Month.of(local), local.isoformat()
    for month in (present, present.before):
        if known is not None and month >= Month.of(known.on):
            is_closed = month < known.open_month
            bills = [*_closed(db, account, month, today)]
            if not is_closed:
                bills += _drafted(rows, account, known, month, rule, now)
            figures = month_figures(rows, WantedMonth(month, rule, now, own))
            since = stamp(month.since(rule.zone))
            months.append(_month(month, figures, bills, since, is_closed=is_closed))
    filters = StatementFilters(today=today, account=account, state=StatementState.UNPAID)
    unpaid = closed_statements(db, filters, WantedPage(limit=MOST_ROWS)).data[::-1]
    owner = None if biller is None else biller.owner
    return Owing(stands, months, owner, next(iter(asked), None), unpaid)


def _closed(db: Database, account: int, month: Month, today: str) -> Iterator[_StatementRows]:
    rows = rows_of(db)
    for found, number, *figures in rows(_OF_MONTH, (account, str(month))):
        (standing,) = closed_among(db, (number,), today)
        positions = [PositionRow(*row) for row in rows(_POSITIONS, (found,))]
        yield _StatementRows(standing, Figures(*figures), positions)


def _drafted(
    rows: Rows, account: int, known: Begun, month: Month, rule: Rule, now: datetime
) -> Iterator[_StatementRows]:
    """Yield what the statements of a month that is not closed would say. What earlier months left
    over is in the first of these months."""
    is_first = month == known.open_month
    begins = known if is_first else known._replace(on=max(known.on, month.first_day))
    until = stamp(min(now, month.until(rule.zone)))
    terms = Terms(rule, 0, is_judging=True)
    plan = Plan(begins, month, account, terms, until, newest_revision(rows))
    for drafted in Drafter(rows, plan).draft(account, due(rows, plan)[account]):
        figures = drafted.figures
        if not is_first:
            figures = figures._replace(carried_in=0, total=figures.total - figures.carried_in)
        yield _StatementRows(None, figures, drafted.positions)


def _month(
    month: Month,
    figures: MonthFigures,
    bills: Sequence[_StatementRows],
    since: str,
    *,
    is_closed: bool,
) -> MonthOfHousehold:
    positions = [one for bill in bills for one in bill.positions]
    asked = [one for one in positions if one.kind not in UNASKED]
    return copied(
        MonthOfHousehold,
        figures,
        month=str(month),
        is_closed=is_closed,
        corrections=sum(one.kind == PositionKind.CORRECTION for one in positions),
        billed_wh=sum(one.energy_wh for one in asked),
        earlier_wh=earlier_of(asked, since),
        held_back=len(positions) - len(asked),
        bills=tuple(map(_bill, bills)),
    )


def _bill(bill: _StatementRows) -> MonthsBill:
    figures, standing = bill.figures, bill.standing
    return copied(
        MonthsBill,
        figures,
        statement=None if standing is None else standing.number,
        sessions=_sum(bill.positions, PositionKind.SESSION),
        base_fee=_sum(bill.positions, PositionKind.BASE_FEE),
        corrections=_sum(bill.positions, PositionKind.CORRECTION),
        taxes=tuple(copied(BillTax, one, rate=f"{one.rate:f}") for one in taxes_of(figures.taxes)),
        from_wallet=figures.charged + figures.carried_in - figures.total,
        is_carried=bool(figures.is_carried),
        standing=standing,
    )


def _sum(positions: Iterable[PositionRow], kind: PositionKind) -> int:
    return sum(one.amount for one in positions if one.kind == kind)


@record
class WalletRow:
    """The wallet of an account. Amounts are minor units of `currency`, null while nothing is
    entered on this site.

    `owed` is what is to be paid now: what the balance lacks, without what corrections take off
    until the next statement says so; `to_come` is the credit that comes with that.

    `available` is `balance` without `reserved`, what charging has used and was not charged for yet.
    Prepaid, the account is spent while `available` is at or below `limit`: then its tags are
    Blocked.
    """

    account: int
    name: str
    terms: str
    since: str | None
    limit: int
    currency: str | None
    balance: int
    owed: int
    to_come: int
    reserved: int
    available: int
    spent_since: str | None


@record
class EntryRow:
    """An entry of a ledger; `amount` is positive in the account's favour.

    `reason` is its text, `paid_on` the local day on which the money moved, `source` how the entry
    came here, `printed_number` that of its statement as it stands on the paper. `service_id` is who
    gave which id to it.
    """

    id: int
    account: int
    kind: str
    amount: int
    currency: str
    statement: int | None
    printed_number: str | None
    transaction: int | None
    service_id: str | None
    reason: Personal[str]
    entered_at: str
    entered_by: str
    paid_on: str | None
    source: str | None


@record
class ReservationRow:
    """What a transaction has used so far, which its account was not charged for yet."""

    transaction: int
    amount: int
    reserved_at: str
    stop_asked_at: str | None


@record
class TermsRow:
    """How an account was to pay from `since` on, and who said so."""

    terms: str
    limit: int
    since: str
    set_by: str
    reason: Personal[str]


@record
class WalletFilters:
    """A filter of wallets; None means all."""

    is_prepaid: bool | None = None
    is_spent: bool | None = None


WALLET_COLUMNS: Final[Mapping[str, str]] = {
    "name": "name",
    "terms": "prepaid_since IS NULL",
    "balance": "(SELECT coalesce(sum(amount), 0) FROM ledger WHERE ledger.account_id = account.id)",
}
"""The columns by which wallets can be sorted."""
_OF_STATEMENT: Final = "(SELECT {} FROM statement WHERE statement.id = statement_id)"
_ENTRY: Final = Shape(
    EntryRow,
    account="account_id",
    statement=_OF_STATEMENT.format("number"),
    printed_number=_OF_STATEMENT.format("printed_number"),
    transaction="tx_id",
)
_RESERVATION: Final = Shape(ReservationRow, transaction="tx_id")
_TERMS: Final = Shape(TermsRow, terms="kind", limit="limit_amount")
_WALLET: Final = (
    "SELECT name, CASE "
    "WHEN prepaid_since IS NULL THEN 'postpaid' ELSE 'prepaid' END, prepaid_since, spent_since "
    "FROM account LEFT JOIN wallet ON account_id = account.id "
    "WHERE account.id = ?"
)


def wallets(
    db: Database, filters: WalletFilters, wanted: WantedPage, sort: Sort | None = None
) -> ListPage[WalletRow]:
    """Return a page of wallets, by the names of their accounts if nothing else is asked for. Raises
    NoPage."""
    wants = {"prepaid_since": filters.is_prepaid, "spent_since": filters.is_spent}
    conditions = [
        WhereCondition(f"{name} IS {'NOT ' if is_so else ''}NULL")
        for name, is_so in wants.items()
        if is_so is not None
    ]
    source = "account LEFT JOIN wallet ON account_id = account.id"
    listing = by_name(source, conditions, sort=sort)
    page = read_page(db, listing, wanted, lambda key: wallet(db, key[-1]))
    return page.of_rows([one for one in page.data if one is not None])


def wallet(db: Database, account: int) -> WalletRow | None:
    """Return the wallet of an account, None if there is no such account."""
    stored = db.execute(_WALLET, (account,)).fetchall()
    if not stored:
        return None
    name, terms, since, spent_since = stored[0]
    standing = standing_of(rows_of(db), account)
    settlement = settlement_of(rows_of(db), account)
    return copied(
        WalletRow,
        standing,
        account=account,
        name=name,
        terms=terms,
        since=since,
        owed=settlement.owed,
        to_come=settlement.to_come,
        currency=currency_of(rows_of(db)),
        spent_since=spent_since,
    )


def balances(db: Database, accounts: Sequence[int]) -> Mapping[int, int]:
    """Return the balances of those of these accounts whose wallets have entries."""
    of_these = f"FROM ledger WHERE account_id IN ({marks(accounts) or 'NULL'}) GROUP BY 1"
    return dict(db.execute(f"SELECT account_id, sum(amount) {of_these}", accounts).fetchall())


def to_pay_out(db: Database, at: str) -> list[WalletRow]:
    """Return the wallets of who moved out and has something left, which no statement takes off."""
    wanted = (
        "SELECT id FROM account WHERE until <= ? AND (SELECT coalesce(sum(amount), 0) FROM ledger "
        "WHERE account_id = account.id) > 0 ORDER BY id"
    )
    found = [wallet(db, account) for (account,) in db.execute(wanted, (at,)).fetchall()]
    return [one for one in found if one is not None]


def entries(db: Database, account: int, kind: str | None, wanted: WantedPage) -> ListPage[EntryRow]:
    """Return a page of the entries of an account, the newest first. Raises NoPage."""
    conditions = given(("account_id = ?", account), ("kind = ?", kind))
    listing = ListKeys([Branch("ledger INDEXED BY ledger_of_account", conditions)])
    load = _ENTRY.by_id(db, "ledger")
    return read_page(db, listing, wanted, lambda key: _told(load(key)))


def entry(db: Database, number: int) -> EntryRow:
    """Return one entry."""
    return _told(_ENTRY.every(db, "FROM ledger WHERE id = ?", (number,))[0])


_OWN_REASONS: Final[Mapping[str, str]] = N_(
    {
        "statement {}": "statement {1}",
        "transaction {}": "session {1}",
        "transaction {} belongs to another account now": (
            "session {1} belongs to another household now"
        ),
        "transaction {} belongs to this account again": (
            "session {1} belongs to this household again"
        ),
    }
)
"""The reasons that the program enters itself, as they are stored, and as they are told."""


def _told(entry: EntryRow) -> EntryRow:
    """Return an entry with the reason as a text, if it is the program's own."""
    number = entry.statement if entry.transaction is None else entry.transaction
    for stored, told in _OWN_REASONS.items():
        if number is not None and entry.reason == stored.format(number):
            shown = number if entry.transaction else entry.printed_number
            return replace(entry, reason=Told(told, shown or ""))
    return entry


def reservations(db: Database, account: int, most: int) -> list[ReservationRow]:
    """Return what the transactions of an account have used so far, the newest first."""
    rest = "FROM wallet_reservation WHERE account_id = ? ORDER BY tx_id DESC LIMIT ?"
    return _RESERVATION.every(db, rest, (account, most))


def terms(db: Database, account: int) -> list[TermsRow]:
    """Return how an account was to pay, the newest first."""
    return _TERMS.every(
        db, "FROM wallet_terms WHERE account_id = ? ORDER BY id DESC LIMIT 100", (account,)
    )


def spent_accounts(db: Database) -> list[int]:
    """Return the accounts that are spent."""
    found = db.execute(
        "SELECT account_id FROM wallet INDEXED BY wallet_spent WHERE spent_since IS NOT NULL"
    )
    return [account for (account,) in found.fetchall()]


def limits_reached(db: Database, at: str) -> list[tuple[tuple[str, str], str]]:
    """Return the tags and accounts that have used what they may, and until when."""
    found = db.execute(
        "SELECT what, key, until FROM month_standing WHERE reached_at IS NOT NULL AND until > ?",
        (at,),
    )
    return [((what, key), until) for what, key, until in found.fetchall()]


def owned_tags(db: Database) -> list[OwnedTag]:
    """Return the tags that belong to accounts, did or will."""
    sql = (
        "SELECT id, key, account_id, since, until FROM ownership "
        "WHERE what = 'tag' AND voided_at IS NULL"
    )
    return [OwnedTag(*row) for row in db.execute(sql).fetchall()]


_OPEN: Final = (
    "SELECT account_id, printed_number, asked - paid FROM settlement "
    "JOIN statement ON statement.id = statement_id "
    "WHERE paid < asked ORDER BY number"
)
_PAYMENTS: Final = (
    "SELECT ledger.account_id, "
    "coalesce('statement:' || printed_number, 'account:' || ledger.account_id), amount, paid_on "
    "FROM ledger LEFT JOIN statement ON statement.id = statement_id "
    "WHERE kind IN ('payment', 'top-up', 'chargeback') ORDER BY ledger.id"
)
_DECIDED: Final = (
    "SELECT digest, CASE WHEN ledger_id IS NULL THEN 'nobody' ELSE 'entered' END, reference "
    "FROM bank_line ORDER BY decided_at, digest"
)
_KNOWN: Final = (
    "SELECT payer, account_id FROM bank_line "
    "JOIN ledger ON ledger.id = ledger_id "
    "WHERE payer IS NOT NULL"
)


def books(db: Database) -> Books:
    """Return all households, what they owe, and what they paid."""
    rows = rows_of(db)
    unpaid = [UnpaidStatement(*row) for row in rows(_OPEN, ())]
    known: dict[str, set[int]] = defaultdict(set)
    for payer, account in rows(_KNOWN, ()):
        known[payer].add(account)
    return Books(
        names=dict(rows("SELECT id, name FROM account ORDER BY name", ())),
        open=unpaid,
        payments=[BookedSum(*row) for row in rows(_PAYMENTS, ())],
        known=known,
    )


class DecidedBefore(NamedTuple):
    """How a line was decided before, and the bank's own reference."""

    state: str
    reference: str | None


def decided_lines(db: Database) -> Mapping[str, DecidedBefore]:
    """Return how lines were decided before, by their keys."""
    return {key: DecidedBefore(*row) for key, *row in rows_of(db)(_DECIDED, ())}


def kept_columns(db: Database) -> Mapping[str, Mapping[str, str]]:
    """Return the columns that were chosen, by what they are, for each digest of a head."""
    rows = rows_of(db)("SELECT head, columns FROM bank_columns", ())
    return {head: json.loads(columns) for head, columns in rows}
