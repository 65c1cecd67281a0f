"""Lists of closed statements, page by page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from levity_trio.billing.months import Month
from levity_trio.billing.settling import StatementState
from levity_trio.billing.statement import Owner, PositionKind
from levity_trio.records import copied, record
from levity_trio.store.billing.biller import newest_biller
from levity_trio.store.billing.drafting import Drafter, Plan, Terms, due, newest_revision
from levity_trio.store.billing.months import Begun, begun
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.billing.rows import taxes_of
from levity_trio.store.billing.statements import (
    FIGURES,
    OF_POSITION,
    UNASKED,
    Figures,
    PositionRow,
    Printed,
    earlier_of,
    line_of_position,
    printed,
)
from levity_trio.store.engine.database import Database, Rows, rows_of
from levity_trio.store.reads.money.months import MonthFigures, WantedMonth, month_figures
from levity_trio.store.reads.money.wallets import WalletRow, wallet
from levity_trio.store.reads.pages import (
    MOST_ROWS,
    Branch,
    ListKeys,
    ListPage,
    Row,
    Shape,
    Sort,
    WantedPage,
    WhereCondition,
    given,
    read_page,
)
from levity_trio.store.reads.transactions.bill.shape import BillTax
from levity_trio.store.reads.transactions.transactions import TransactionFilters
from levity_trio.wire.times import in_zone, stamp


@record
class StatementSums:
    """What a statement comes to, in minor units of its currency.

    `name` is that of the household, null after it was removed. `amount` is what its own lines ask
    for; with what was carried in that is `total`.
    """

    account: int
    name: str | None
    month: str
    currency: str
    sessions: int
    energy_wh: int
    amount: int
    carried_in: int
    total: int
    is_carried: bool
    corrections: int
    held_back: int


@record
class ClosedStatement(StatementSums):
    """A closed statement, its number as printed, and how it stands today: `open` is what of its
    total is to be paid now, `due_on` the last day to pay, null where nothing is asked. `credit` is
    what comes back of it with the statement for `credit_month`.
    `reminded_at` is when a reminder was last mailed, `supplemented_at` when what it lacked was
    added."""

    number: int
    printed_number: str
    closed_at: str
    digest: str
    state: str
    open: int
    credit: int
    credit_month: str | None
    due_on: str | None
    reminded_at: str | None
    supplemented_at: str | None


@record
class StatementFilters:
    """A filter of closed statements; None means all. `today` is the local day of the reader."""

    today: str
    number: str | None = None
    account: int | None = None
    month: str | None = None
    state: str | None = None


_OF_POSITIONS: Final = "(SELECT {} FROM position WHERE statement_id = statement.id{})"
_COUNTED: Final = {
    name: _OF_POSITIONS.format("count(*)", f" AND kind IN ({kinds})")
    for name, kinds in (
        ("sessions", "'session', 'free'"),
        ("corrections", "'correction'"),
        ("held_back", "'held back'"),
    )
}
_SUMS: Final = _COUNTED | {
    "account": "statement.account_id",
    "month": "statement.month",
    "digest": "statement.digest",
    "energy_wh": _OF_POSITIONS.format(
        "coalesce(sum(energy_wh), 0)", " AND kind NOT IN ('held back', 'unpriced')"
    ),
    "amount": "total - carried_in",
}
CLOSED_COLUMNS: Final[Mapping[str, str]] = {
    "energy": str(_SUMS["energy_wh"]),
    "sessions": _COUNTED["sessions"],
    "amount": "total - carried_in",
    "total": "total",
    "number": "number",
    "name": (
        "(SELECT json_extract(party, '$.name') FROM statement_party WHERE statement_id = "
        "statement.id)"
    ),
    "paid": "coalesce(paid - asked, 0)",
}
"""The columns by which closed statements can be sorted."""
_STATE: Final = (
    f"CASE WHEN total < 0 THEN '{StatementState.CREDITED}' "
    f"WHEN is_carried = 1 THEN '{StatementState.CARRIED_ON}' "
    f"WHEN total = 0 OR asked = 0 THEN '{StatementState.NOTHING}' "
    f"WHEN paid = asked THEN '{StatementState.PAID}' "
    f"WHEN due_on < TODAY THEN '{StatementState.OVERDUE}' "
    f"WHEN paid > 0 THEN '{StatementState.PARTLY_PAID}' ELSE '{StatementState.OPEN}' END"
)
OPEN_MONTH: Final = (
    "(SELECT CASE substr(max(month), 6) WHEN '12' "
    "THEN CAST(CAST(substr(max(month), 1, 4) AS INTEGER) + 1 AS TEXT) || '-01' "
    "ELSE substr(max(month), 1, 5) "
    "|| substr(CAST(101 + CAST(substr(max(month), 6) AS INTEGER) AS TEXT), 2) END "
    "FROM closing WHERE account_id IS NULL)"
)
"""The month after the newest that is closed."""
_CLOSED: Final = Shape(
    ClosedStatement,
    **_SUMS,
    name="json_extract(party, '$.name')",
    state=_STATE.replace("TODAY", "?1"),
    open="coalesce(asked - paid, 0)",
    credit="coalesce(credit, 0)",
    credit_month=f"CASE WHEN credit > 0 THEN {OPEN_MONTH} END",
    due_on="CASE WHEN asked > 0 THEN due_on END",
    reminded_at=(
        "(SELECT max(created_at) FROM message WHERE message.statement_id = statement.id "
        "AND kind = 'reminder')"
    ),
    supplemented_at=(
        "(SELECT max(made_at) FROM supplement WHERE supplement.account_id = statement.account_id "
        "AND supplement.month = statement.month AND made_at >= closed_at AND sheet IS NOT NULL)"
    ),
)
_OPEN: Final = (
    StatementState.UNPAID,
    StatementState.OPEN,
    StatementState.PARTLY_PAID,
    StatementState.OVERDUE,
)
_FROM_OPEN: Final = (
    "settlement INDEXED BY settlement_open JOIN statement ON statement.id = settlement.statement_id"
)
_SETTLED: Final = "LEFT JOIN settlement ON settlement.statement_id = statement.id"
_FROM_ANY: Final = (
    "FROM statement JOIN closing ON closing.id = closing_id LEFT "
    f"JOIN statement_party ON statement_party.statement_id = statement.id {_SETTLED} "
)
_FROM_CLOSED: Final = f"{_FROM_ANY}WHERE number = ?2"
_FEES: Final = (
    "SELECT position.id, kind, amount FROM position "
    "JOIN statement ON statement.id = statement_id "
    "WHERE number = ? AND tx_id IS NULL AND kind IN ('base fee', 'correction') "
    "ORDER BY position.id"
)
# Only the quarters of a line are a list in a row (store/billing/rows.py).
_QUARTERS: Final = (
    "SELECT 1 FROM position JOIN statement ON statement.id = statement_id "
    "WHERE number = ? AND lines LIKE '%,[[%' LIMIT 1"
)
LONGEST_NUMBER: Final = 18
_OF_NUMBER: Final = (
    "SELECT id FROM statement WHERE (printed_number = ?1 OR number = ?2) "
    "AND (CAST(?3 AS INTEGER) IS NULL OR account_id = ?3)"
)
_IS_CLOSED: Final = WhereCondition("number IS NOT NULL")


def closed_statements(
    db: Database,
    filters: StatementFilters,
    wanted: WantedPage,
    sort: Sort | None = None,
) -> ListPage[ClosedStatement]:
    """Return a page of closed statements, the newest first if nothing else is asked for. Raises
    NoPage."""
    found = given(("account_id = ?", filters.account), ("month = ?", filters.month))
    if filters.number is not None:
        numbered = id_of_number(db, filters.number)
        found.append(WhereCondition("statement.id = ?", (numbered,)))
    source = f"statement {_SETTLED}"
    if filters.state in _OPEN:
        source = _FROM_OPEN
        found.append(WhereCondition("paid < asked"))
    if filters.state not in (None, StatementState.UNPAID):
        stands = f"{_STATE.replace('TODAY', '?')} = ?"
        found.append(WhereCondition(stands, (filters.today, filters.state)))
    listing = ListKeys([Branch(source, [_IS_CLOSED, *found])], ("number",), sort=sort)

    def load(key: Row) -> ClosedStatement:
        return _CLOSED.every(db, _FROM_CLOSED, (filters.today, key[-1]))[0]

    return read_page(db, listing, wanted, load)


def closed_among(db: Database, numbers: Sequence[int], today: str) -> list[ClosedStatement]:
    """Return these closed statements in their order, within a read that has begun; unknown ones are
    left out."""
    return [one for number in numbers for one in _CLOSED.every(db, _FROM_CLOSED, (today, number))]


def closed_between(
    db: Database, span: tuple[str, str], today: str, *, by_month: bool
) -> list[ClosedStatement]:
    """Return the statements that were closed in a span of time, or are of one of months, in the
    order of their numbers."""
    column = "statement.month" if by_month else "closed_at"
    rest = f"{_FROM_ANY}WHERE number IS NOT NULL AND {column} >= ?2 AND {column} < ?3 "
    return _CLOSED.every(db, f"{rest}ORDER BY number", (today, *span))


def id_of_number(db: Database, number: str, account: int | None = None) -> int | None:
    """Return the row of a closed statement with this number, as it is printed or without what it
    begins with; None for that of another account, if one is given."""
    plain = int(number) if number.isdecimal() and len(number) <= LONGEST_NUMBER else None
    found = db.execute(_OF_NUMBER, (number, plain, account)).fetchall()
    return found[0][0] if found else None


@record(kw_only=False)
class FeeLine:
    """A line of a closed statement that is no session: its number on the paper, the base fee or a
    correction of one, and its amount in minor units."""

    line: int
    kind: str
    amount: int


def fees_of(db: Database, number: int) -> list[FeeLine]:
    """Return the lines of a closed statement that are no sessions, in their order."""
    found = db.execute(_FEES, (number,)).fetchall()
    return [
        FeeLine(line_of_position(rows_of(db), row).line, kind, amount)
        for row, kind, amount in found
    ]


def has_quarters(db: Database, number: int) -> bool:
    """Return whether a closed statement is billed by the quarter of an hour."""
    return bool(db.execute(_QUARTERS, (number,)).fetchall())


def closed_after(db: Database, month: str, number: int, most: int) -> Sequence[tuple[int, str]]:
    """Return the rows and printed numbers of the next closed statements of a month."""
    sql = (
        "SELECT id, printed_number FROM statement "
        "WHERE month = ? AND number > ? ORDER BY number LIMIT ?"
    )
    return db.execute(sql, (month, number, most)).fetchall()


def closed_of_account_after(
    db: Database, account: int, number: int, most: int
) -> Sequence[tuple[int, int]]:
    """Return the rows and numbers of the next closed statements of an account."""
    sql = (
        "SELECT id, number FROM statement "
        "WHERE account_id = ? AND number > ? ORDER BY number LIMIT ?"
    )
    return db.execute(sql, (account, number, most)).fetchall()


_STANDING: Final = f"SELECT id, number, {', '.join(FIGURES)} FROM statement"  # noqa: S608 - our own names
_OF_MONTH: Final = (
    f"{_STANDING} WHERE account_id = ? AND month = ? AND number IS NOT NULL ORDER BY number"
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
