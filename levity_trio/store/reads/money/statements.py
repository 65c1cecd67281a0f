"""Lists of closed statements, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from levity_trio.billing.settling import StatementState
from levity_trio.records import record
from levity_trio.store.billing.statements import line_of_position
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.reads.pages import (
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
