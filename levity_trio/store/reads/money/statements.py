"""Closed statements, page by page; the year that is made of them; what billing begins with; and
sheets for employers.

A year of bills is as books have it: what was billed by tax rate, and the money that moved. What was
billed counts on the day of its invoice, or in the month of its energy; money counts on its day. A
session that a wallet paid is billed with the statement that lists it, and money paid in advance is
a payment. What one statement carries to the next is billed once, with the first.

The pages of billing begin with who bills, which months are closed, and what the first bill needs. A
sheet is what a household tells the employer who pays for the electricity of its company car.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from levity_trio.billing.car_sheet import (
    BilledMonth,
    CarPrice,
    CarSheet,
    PriceWay,
    cost_of,
    price_in,
)
from levity_trio.billing.ledger import LedgerKind
from levity_trio.billing.money import CURRENCIES, tax_sums
from levity_trio.billing.months import Month
from levity_trio.billing.settling import StatementState
from levity_trio.billing.statement import Line, LineKind, Owner, PositionKind, TaxSum
from levity_trio.nouns import Biller
from levity_trio.records import copied, in_order, names_of, noun, record
from levity_trio.store.billing.drafting import Drafter, Plan, Terms, bill_currency, newest_revision
from levity_trio.store.billing.months import Begun, begun
from levity_trio.store.billing.pricing import Pricer, Rule, vehicle_of
from levity_trio.store.billing.registers import registers_of
from levity_trio.store.billing.rows import lines_of, taxes_of
from levity_trio.store.billing.settling import local_day
from levity_trio.store.billing.statements import (
    OF_POSITION,
    UNASKED,
    Figures,
    PositionRow,
    line_of_position,
    names_now,
    statement_of,
)
from levity_trio.store.engine.database import Database, Rows, rows_of
from levity_trio.store.lookups.places import currency_of
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
from levity_trio.store.reads.transactions.bill import BillTax
from levity_trio.told import Told
from levity_trio.wire.times import stamp


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


_TAXED: Final = (
    "SELECT number, zone, prices, taxes, tax_kind FROM statement "
    "JOIN closing ON closing.id = closing_id LEFT JOIN biller ON biller.id = biller_id "
    "WHERE number BETWEEN ? AND ?"
)
_MONEY: Final = (
    "SELECT paid_on, entered_at, kind, ledger.account_id, account.name, ledger.currency, amount, "
    "reason, printed_number "
    "FROM ledger JOIN account ON account.id = ledger.account_id "
    "LEFT JOIN statement ON statement.id = statement_id "
    "WHERE kind NOT IN ('statement', 'charge') AND tx_id IS NULL "
    "AND coalesce(paid_on, entered_at) BETWEEN ? AND ? ORDER BY ledger.id"
)
"""What the program enters for sessions is on the statements that list these."""
_LINES: Final = (
    "SELECT statement.number, CASE WHEN position.is_prepaid = 1 THEN 'prepaid' "
    "WHEN position.corrects IS NULL THEN 'statement' ELSE 'correction' END AS booked, "
    "statement.month, billed.printed_number, billed.month, position.lines "
    "FROM statement JOIN position ON position.statement_id = statement.id "
    "LEFT JOIN position AS corrected ON corrected.id = position.corrects "
    "LEFT JOIN statement AS billed ON billed.id = corrected.statement_id "
    "WHERE statement.number BETWEEN ? AND ? AND (position.is_prepaid = 1 "
    "OR position.corrects IS NOT NULL OR statement.taxes LIKE '%],[%') "
    "ORDER BY booked, position.id"
)
"""The lines that correct earlier statements, and which; that wallets paid; and the others of
statements with several tax rates."""
_IN_ALL: Final = (
    "SELECT month, sum(energy_wh) FROM booked INDEXED BY booked_by_end "
    "WHERE ended_at >= ? GROUP BY month"
)
"""What months have, whatever is billed of it."""

_AMOUNTS: Final = ("net", "tax", "gross")


class WantedYear(NamedTuple):
    """A year that is wanted. `by` is invoice or energy, `today` the local day of the reader."""

    year: int
    by: str
    today: date
    zone: ZoneInfo


@record
class YearSums:
    """What was billed and paid, in minor units. `paid` is without what was paid back, `corrected`
    what corrections of balances came to, and `open` what is open today."""

    energy_wh: int = 0
    net: int = 0
    tax: int = 0
    gross: int = 0
    paid: int = 0
    corrected: int = 0
    open: int = 0


@record
class BookedLine(YearSums):
    """What a statement bills at one tax rate (None: without tax), or an entry of money, which has
    no month.

    `kind` is statement, correction (of an earlier statement), prepaid (it lists what a wallet
    paid, or gets back), or that of the entry. The energy is what the line bills; the first line of
    a statement has the rest, and what of it is open.
    """

    day: str
    kind: str
    account: int
    name: str | None
    currency: str
    document: str | None
    text: str
    month: str | None = None
    rate: Decimal | None = None
    due_on: str | None = None
    state: str | None = None


@record
class PeriodSums(YearSums):
    """The sums of a month such as 2026-10, a quarter such as 2026-Q4, or a year, also by tax rate;
    `months` are those of the energy, and have `months_wh` in all."""

    period: str
    taxes: tuple[BillTax, ...]
    months: tuple[str, ...]
    months_wh: int


@record
class HouseholdSums(YearSums):
    """The sums of a household."""

    account: int
    name: str | None


@record
class YearOfBills:
    """A year in which a statement counts on its day (`by` is invoice), or in its month (energy).
    Months and quarters in which nothing happened are left out."""

    year: int
    by: str
    currency: str | None
    periods: list[PeriodSums]
    households: list[HouseholdSums]


def year_of_bills(db: Database, wanted: WantedYear) -> YearOfBills:
    """Return what a year comes to."""
    lines = booked_lines(db, wanted)
    by_month: dict[int, list[BookedLine]] = defaultdict(list)
    by_account: dict[int, list[BookedLine]] = defaultdict(list)
    in_all: dict[str, int] = dict(rows_of(db)(_IN_ALL, (str(wanted.year - 2),)))
    for line in lines:
        by_account[line.account].append(line)
        by_month[int(_counted(line, wanted)[5:7])].append(line)

    periods: list[PeriodSums] = []
    for quarter in range(1, 5):
        of_quarter: list[BookedLine] = []
        for month in range(3 * quarter - 2, 3 * quarter + 1):
            of_quarter += by_month[month]
            if by_month[month]:
                periods.append(_period(f"{wanted.year}-{month:02}", by_month[month], in_all))
        if of_quarter:
            periods.append(_period(f"{wanted.year}-Q{quarter}", of_quarter, in_all))
    periods.append(_period(str(wanted.year), lines, in_all))

    households: list[HouseholdSums] = []
    for account, own in by_account.items():
        names = [line.name for line in own if line.name]
        name = names[-1] if names else None
        households.append(HouseholdSums(account=account, name=name, **_sums(own)))
    households.sort(key=lambda one: (in_order(one.name or ""), one.account))
    return YearOfBills(
        year=wanted.year,
        by=wanted.by,
        currency=currency_of(rows_of(db)),
        periods=periods,
        households=households,
    )


def booked_lines(db: Database, wanted: WantedYear) -> list[BookedLine]:
    """Return the lines of a year in the order of their days."""
    lines = [*_statements(db, wanted), *_money(db, wanted)]
    of_year = [line for line in lines if _counted(line, wanted).startswith(f"{wanted.year}-")]
    return sorted(of_year, key=lambda line: line.day)


def _counted(line: BookedLine, wanted: WantedYear) -> str:
    """Return the day or the month in which a line counts."""
    return line.month if wanted.by == "energy" and line.month else line.day


def _statements(db: Database, wanted: WantedYear) -> Iterator[BookedLine]:
    """Yield what statements bill, in their order: a line for each tax rate of what they ask for,
    and of what wallets paid."""
    today, by_month = wanted.today.isoformat(), wanted.by == "energy"
    closed = closed_between(db, _span(wanted), today, by_month=by_month)
    if not closed:
        return
    rows, numbers = rows_of(db), (closed[0].number, closed[-1].number)
    kept = {number: row for number, *row in rows(_TAXED, numbers)}
    groups: dict[int, dict[tuple[str, Told], list[Line]]] = defaultdict(lambda: defaultdict(list))
    energy_wh = Counter[object]()
    for number, kind, month, *billed, text in rows(_LINES, numbers):
        words = Told("Charging {1}", month)
        if any(billed):
            words = Told("Correction of statement {1} of {2}", *billed)
        for line in lines_of(text):
            groups[number][kind, words].append(line)
            if line.kind is LineKind.ENERGY:
                energy_wh[number, kind, words, line.tax_rate] += line.quantity

    for one in closed:
        zone, prices, taxes, tax_kind = kept[one.number]
        charging = Told("Charging {1}", one.month)
        sums = _billed_sums(taxes_of(taxes), groups[one.number], charging, prices)
        nothing = TaxSum(rate=Decimal(0), net=0, tax=0, gross=0)
        sums = sums or [("statement", charging, nothing)]
        wh = [energy_wh[one.number, kind, words, tax.rate] for kind, words, tax in sums]
        wh[0] += one.energy_wh - sum(wh)
        is_taxed = tax_kind in (None, "taxed") or any(tax.rate for *_kind, tax in sums)
        for place, (kind, words, tax) in enumerate(sums):
            yield copied(
                BookedLine,
                one,
                day=local_day(one.closed_at, ZoneInfo(zone)).isoformat(),
                kind=kind,
                document=one.printed_number,
                month=str(words.values[-1]),
                text=words,
                rate=tax.rate if is_taxed else None,
                paid=0,
                corrected=0,
                net=tax.net,
                tax=tax.tax,
                gross=tax.gross,
                energy_wh=wh[place],
                open=0 if place else one.open,
            )


def _billed_sums(
    taxes: Iterable[TaxSum],
    groups: Mapping[tuple[str, Told], Sequence[Line]],
    charging: Told,
    prices: str,
) -> list[tuple[str, Told, TaxSum]]:
    """Return the sums by tax rate of what a statement bills of its month and of what it corrects in
    others, which counts there. Both add up to what stands on the paper."""
    are_gross = prices == "gross"
    paid = [line for (kind, _), lines in groups.items() if kind == "prepaid" for line in lines]
    left = {("statement", tax.rate): tax for tax in taxes}
    left |= {("prepaid", tax.rate): tax for tax in tax_sums(paid, are_gross=are_gross)}
    corrections: list[tuple[str, Told, TaxSum]] = []
    for (kind, words), lines in groups.items():
        if words == charging:
            continue
        for tax in tax_sums(lines, are_gross=are_gross):
            corrections.append((kind, words, tax))
            source = (kind if kind == "prepaid" else "statement", tax.rate)
            rest = {name: getattr(left[source], name) - getattr(tax, name) for name in _AMOUNTS}
            left[source] = replace(left[source], **rest)
    return [(kind, charging, tax) for (kind, _rate), tax in left.items()] + corrections


def _money(db: Database, wanted: WantedYear) -> Iterator[BookedLine]:
    """Yield payments and other entries of people."""
    rows = rows_of(db)
    for paid_on, entered_at, *entry in rows(_MONEY, _span(wanted)):
        kind, account, name, currency, amount, reason, document = entry
        is_correction = kind == LedgerKind.CORRECTION
        yield BookedLine(
            day=paid_on or local_day(entered_at, wanted.zone).isoformat(),
            kind=kind,
            account=account,
            name=name,
            currency=currency,
            document=document,
            text=reason,
            paid=0 if is_correction else amount,
            corrected=amount if is_correction else 0,
        )


def _span(wanted: WantedYear) -> tuple[str, str]:
    """Return times between which all is that may be of the local year, with what corrects it in the
    next one."""
    return f"{wanted.year - 1}-12-31", f"{wanted.year + 2}-01-02"


def _period(period: str, lines: Sequence[BookedLine], in_all: Mapping[str, int]) -> PeriodSums:
    taxes: list[BillTax] = []
    for rate in sorted({line.rate for line in lines if line.rate is not None}):
        sums = _sums([line for line in lines if line.rate == rate])
        amounts = {name: sums[name] for name in _AMOUNTS}
        taxes.append(BillTax(rate=f"{rate:f}", **amounts))
    months = sorted({line.month for line in lines if line.month})
    return PeriodSums(
        period=period,
        taxes=tuple(taxes),
        months=tuple(months),
        months_wh=sum(in_all.get(month, 0) for month in months),
        **_sums(lines),
    )


def _sums(lines: Sequence[BookedLine]) -> dict[str, int]:
    """Return the fields of sums."""
    return {name: sum(getattr(line, name) for line in lines) for name in names_of(YearSums)}


@record
class Closing:
    """A closed month, or (`account` given) one that was closed for an account that moved out."""

    month: str
    account: int | None
    statements: int
    digest: str
    closed_at: str
    closed_by: str


@record
class Billing:
    """Since which local day this system bills, the month to close next, the number of the next
    statement, and the closings, the newest first."""

    begun_on: str
    open_month: str
    next_number: int
    closings: tuple[Closing, ...]


@record
class DraftSums:
    """What a month would come to, in minor units of the currency.

    `from_wallets` is what of `charged` the wallets of prepaid accounts pay; no statement asks for
    it. `nobody` is how many charging sessions are nobody's; the preview of one account says nothing
    of them. Of `energy_wh`, which is what its statements ask for, `earlier_wh` ended in earlier
    months.
    """

    statements: int
    sessions: int
    energy_wh: int
    earlier_wh: int
    charged: int
    from_wallets: int
    carried_in: int
    to_pay: int
    corrections: int
    held_back: int
    held_back_wh: int
    unpriced: int
    unpriced_wh: int
    nobody: int
    nobody_wh: int
    currency: str | None


_CLOSING: Final = Shape(Closing, account="account_id")
MOST: Final = 240
"""Closings that are shown: twenty years."""


def billing(db: Database) -> Billing | None:
    """Return how far billing is; None before it began."""
    rows = rows_of(db)
    known = begun(rows)
    if known is None:
        return None
    ((next_number,),) = rows("SELECT next_number FROM billing", ())
    closings = _CLOSING.every(db, "FROM closing ORDER BY id DESC LIMIT ?", (MOST,))
    return Billing(
        begun_on=known.on.isoformat(),
        open_month=str(known.open_month),
        next_number=next_number,
        closings=tuple(closings),
    )


@noun
class BillerRow(Biller):
    """Who bills, as it stands on statements from now on. `logo_bytes` is the size of the logo, null
    without one."""

    logo_bytes: int | None
    has_template: bool
    set_at: str
    set_by: str


_BILLER: Final = Shape(BillerRow, logo_bytes="length(logo)", has_template="template IS NOT NULL")


def biller(db: Database) -> BillerRow | None:
    """Return who bills now; None until somebody said it."""
    return _BILLER.one(db, "FROM biller ORDER BY id DESC LIMIT 1")


@record
class FirstBill:
    """What the first bill needs, and what of it is there.

    `account_without` is the first account that has neither a tag nor a space; `tariff_unassigned`
    the first tariff, as long as none is assigned to anything.
    """

    chargers: int
    has_biller: bool
    has_bank_account: bool
    accounts: int
    accounts_with_tag_or_space: int
    account_without: int | None
    tariffs: int
    tariff_unassigned: int | None
    begun_on: str | None
    is_ready: bool


_HAS_BANK_ACCOUNT: Final = "SELECT bank_account IS NOT NULL FROM biller ORDER BY id DESC LIMIT 1"
_OWNS: Final = (
    "EXISTS (SELECT 1 FROM ownership INDEXED BY ownership_of_account WHERE account_id = account.id"
    " AND what IN ('tag', 'space') AND voided_at IS NULL)"
)
_ACCOUNTS: Final = (
    f"SELECT count(*), coalesce(sum({_OWNS}), 0), min(id) FILTER (WHERE NOT {_OWNS})"  # noqa: S608 - our own names
    " FROM account WHERE undone_at IS NULL"
)
_TARIFFS: Final = (
    "SELECT count(*), min(tariff.id) FROM tariff "
    "WHERE EXISTS (SELECT 1 FROM tariff_version WHERE tariff_id = tariff.id "
    "AND withdrawn_at IS NULL)"
)
_ASSIGNED: Final = "SELECT 1 FROM tariff_assignment WHERE tariff_id IS NOT NULL LIMIT 1"


def first_bill(db: Database) -> FirstBill:
    """Return what the first bill needs."""
    rows = rows_of(db)
    biller = rows(_HAS_BANK_ACCOUNT, ())
    ((chargers,),) = rows("SELECT count(*) FROM cp", ())
    ((accounts, owning, without),) = rows(_ACCOUNTS, ())
    ((tariffs, first),) = rows(_TARIFFS, ())
    is_assigned = bool(rows(_ASSIGNED, ()))
    known = begun(rows)
    return FirstBill(
        chargers=chargers,
        has_biller=bool(biller),
        has_bank_account=bool(biller and biller[0][0]),
        accounts=accounts,
        accounts_with_tag_or_space=owning,
        account_without=without,
        tariffs=tariffs,
        tariff_unassigned=None if is_assigned else first,
        begun_on=None if known is None else known.on.isoformat(),
        is_ready=bool(
            chargers and biller and owning and tariffs and is_assigned and known is not None
        ),
    )


_CAR: Final = (
    "SELECT name, plate, coalesce((SELECT language FROM account WHERE id = ?1), "
    "(SELECT language FROM biller ORDER BY id DESC LIMIT 1)) "
    "FROM vehicle WHERE id = ?2 AND EXISTS (SELECT 1 FROM ownership "
    "WHERE account_id = ?1 AND vehicle_id = ?2 AND voided_at IS NULL)"
)
_PRICES: Final = (
    "SELECT month, way, currency, price, base_fee, year_wh FROM car_price "
    "WHERE account_id = ? AND vehicle_id = ? AND month BETWEEN ? AND ? ORDER BY month, id"
)
_MONTH_IS_CLOSED: Final = "SELECT 1 FROM closing WHERE month = ? AND account_id IS NULL LIMIT 1"
_CLOSED_MONTH: Final = (
    "SELECT prices, printed_number, "  # noqa: S608 - our own names
    f"{', '.join(f'position.{name}' for name in OF_POSITION)} "
    "FROM position JOIN statement ON statement.id = statement_id "
    "WHERE statement.account_id = ? AND statement.month = ? AND number IS NOT NULL "
    "AND (kind NOT IN ('held back', 'unpriced') OR NOT EXISTS (SELECT 1 FROM position AS later "
    "JOIN statement AS other ON other.id = later.statement_id WHERE other.number IS NOT NULL "
    "AND other.account_id = statement.account_id AND other.month = statement.month "
    "AND later.tx_id = position.tx_id AND later.id > position.id)) ORDER BY position.id"
)
"""Without what a last bill held back and another one of that month has again."""
_ENDED: Final = (
    "SELECT tx_id FROM booked WHERE account_id = ? AND month = ? AND is_imported = 0 "
    "AND is_open = 0 ORDER BY started_at"
)
_METERS: Final = (
    "SELECT cp_id, conn_id, meter FROM connector_data "
    "WHERE id IN (SELECT max(id) FROM connector_data GROUP BY cp_id, conn_id)"
)


class OfCar(NamedTuple):
    """A sheet is of a household, its car, and a month."""

    account: int
    vehicle: int
    month: Month


class BilledPosition(NamedTuple):
    """A position of a statement, closed or next, whether its prices are gross or net, and the
    printed number of a closed one."""

    prices: str
    paper: str
    position: PositionRow


def car_prices(rows: Rows, account: int, vehicle: int, year: int) -> list[CarPrice]:
    """Return what was chosen for a car in a year, in the order of the months from which it
    holds."""
    prices: list[CarPrice] = []
    for month, way, currency, price, base_fee, year_wh in rows(
        _PRICES, (account, vehicle, f"{year}-01", f"{year}-12")
    ):
        exact = None if price is None else Decimal(price)
        prices.append(CarPrice(month, PriceWay(way), currency, exact, base_fee, year_wh))
    return prices


def name_of_car(rows: Rows, account: int, vehicle: int) -> Sequence[Any] | None:
    """Return the name and the plate of a car that is or was a household's, and the language of the
    household or else of the house; None for any other."""
    found = rows(_CAR, (account, vehicle))
    return found[0] if found else None


def car_sheet(db: Database, of: OfCar, rule: Rule, now: datetime) -> CarSheet | None:
    """Return what a household tells about a car in a month; None if it is not its car."""
    rows = rows_of(db)
    car = name_of_car(rows, of.account, of.vehicle)
    if car is None:
        return None

    # After a last bill, more may come until the month is closed for all, if something waits.
    found = rows(_CLOSED_MONTH, (of.account, str(of.month)))
    every = [BilledPosition(prices, paper, PositionRow(*row)) for prices, paper, *row in found]
    # Its card may have been entered after the month was closed, for an earlier day.
    owners = Pricer(rows, rule).owners([one.position.tx_id or 0 for one in every])
    cars = {number: vehicle_of(owner) for number, owner in owners.items()}

    def is_of_car(position: PositionRow) -> bool:
        return (position.vehicle_id or cars.get(position.tx_id or 0)) == of.vehicle

    is_closed = bool(rows(_MONTH_IS_CLOSED, (str(of.month),)))
    coming = [] if is_closed else _next(rows, of, rule)
    if coming:  # also has what a last bill held back
        every = [one for one in every if one.position.kind not in UNASKED]
    every += coming
    of_car = [one for one in every if is_of_car(one.position)]
    price = price_in(car_prices(rows, of.account, of.vehicle, of.month.year), str(of.month))
    needs_tariff = price is not None and price.way is PriceWay.BILL
    shown = [_shown(rows, one.position, needs_tariff=needs_tariff) for one in of_car]

    currency, cost = bill_currency(rows), None
    if price is not None:
        currency = price.currency
        base = [one for one in every if one.position.month == str(of.month)]
        charged = [one.position for one in every if one.position.kind != PositionKind.CORRECTION]
        own = [one for one in charged if is_of_car(one)]
        energies = _energy_wh(charged), _energy_wh(own)
        billed = BilledMonth(_gross(of_car), _gross(base), *energies)
        cost = cost_of(price, CURRENCIES[currency], _energy_wh(shown), billed)
    total = 0 if cost is None else cost.amount
    figures = Figures(
        *(of.account, str(of.month), str(rule.zone), currency, "gross"),
        *("[]", total, 0, total, 0),
    )
    names, _language = names_now(rows, figures, shown)
    statement = statement_of(rows, figures, shown, names, Owner(party=names.party))

    # Where nothing is billed, no month is ever closed.
    known = begun(rows)
    is_billed = known is not None and of.month >= Month.of(known.on)
    is_over = now >= of.month.until(rule.zone) and not is_billed and not statement.held_back
    has_last_bill = bool(found) and not (coming or statement.held_back)
    known_meters = {row[:2]: row[2] for row in rows(_METERS, ())}
    meters = dict.fromkeys(
        (one.space or one.charger or "", known_meters.get((one.charger, one.connector)))
        for one in statement.positions
    )
    return CarSheet(
        statement=statement,
        car=car[0],
        plate=car[1],
        language=car[2],
        price=price,
        cost=cost,
        is_draft=not (is_closed or is_over or has_last_bill),
        papers=tuple(dict.fromkeys(one.paper for one in of_car if one.paper)),
        meters=tuple((place, meter) for place, meter in meters if meter is not None),
    )


def _next(rows: Rows, of: OfCar, rule: Rule) -> list[BilledPosition]:
    """Return what the statement of a month would have by now."""
    known = begun(rows) or Begun(of.month.first_day, of.month, False)
    until = stamp(of.month.until(rule.zone))
    plan = Plan(known, of.month, None, Terms(rule, 0), until, newest_revision(rows))
    ended = [number for (number,) in rows(_ENDED, (of.account, str(of.month)))]
    positions: list[BilledPosition] = []
    for one in Drafter(rows, plan).draft(of.account, ended):
        positions += [BilledPosition(one.figures.prices, "", row) for row in one.positions]
    return positions


def _shown(rows: Rows, row: PositionRow, *, needs_tariff: bool) -> PositionRow:
    """Return a position as it stands on the sheet: without lines, and with its registers, which one
    without a price lacks."""
    if row.kind == PositionKind.UNPRICED and not needs_tariff:
        row = row._replace(kind=PositionKind.SESSION.value)
    if row.kind not in UNASKED:
        row = row._replace(reason=None, told=None)
        read = {} if row.measured else registers_of(rows, [row.tx_id or 0])
        for registers in read.values():
            row = row._replace(**registers._asdict())
    return row._replace(lines="[]")


def _energy_wh(positions: Iterable[PositionRow]) -> int:
    return sum(one.energy_wh for one in positions if one.kind not in UNASKED)


def _gross(positions: Iterable[BilledPosition]) -> int:
    """Return what some positions ask for, tax included. A fee for staying is no electricity."""
    lines: dict[str, list[Line]] = defaultdict(list)
    for one in positions:
        every = lines_of(one.position.lines)
        lines[one.prices] += [line for line in every if line.kind is not LineKind.BLOCKING]
    amount = 0
    for prices, asked in lines.items():
        amount += sum(tax.gross for tax in tax_sums(asked, are_gross=prices == "gross"))
    return amount
