"""Wallets: what accounts have and owe, what is entered by hand, and whether they pay before they
charge.

Files of banks: what they say is proposed for households, and entered when an operator says so.

A file is read and forgotten: what is kept of a line is its digest, and with a payment its text.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from operator import attrgetter
from typing import Annotated, Final, Literal

import trio
from msgspec import Meta
from msgspec.structs import asdict, astuple
from starlette.responses import StreamingResponse

from levity_trio.bank import (
    BankFile,
    BankFileProblem,
    BankLine,
    digest_of,
    keys,
    payer_of,
    reference_of,
)
from levity_trio.bank.matching import Matching, UnpaidStatement
from levity_trio.bank.reading import MOST_BYTES, read
from levity_trio.billing.ledger import (
    LARGEST,
    PAID_OUT,
    EntrySource,
    LedgerKind,
    WalletTerms,
    exact_minor_units,
)
from levity_trio.billing.money import CURRENCIES
from levity_trio.records import Personal, copied, record, whole_text
from levity_trio.store.engine.database import Database, UnitOfWork, rows_of
from levity_trio.store.lookups.places import currency_of
from levity_trio.store.reads.money import wallets as stored
from levity_trio.store.reads.money.wallets import (
    WALLET_COLUMNS,
    EntryRow,
    ReservationRow,
    TermsRow,
    WalletFilters,
    WalletRow,
)
from levity_trio.store.reads.pages import ListPage, sort_by
from levity_trio.store.writes.money import ledger as writes
from levity_trio.store.writes.money.ledger import (
    NOBODY,
    DecidedLine,
    EntryResult,
    LedgerEntry,
    NewTerms,
    TakenLines,
)
from levity_trio.store.writes.people.accounts import ChangeRefused, RefusalCode
from levity_trio.told import Told
from levity_trio.web.api.chargers.operations import LONGEST_KEY
from levity_trio.web.api.engine.endpoints import (
    CREATED,
    MINOR_UNITS,
    NOT_BLANK,
    ClientInput,
    Declared,
    Endpoints,
    Request,
    Role,
    Server,
    StreamedBody,
    TypedRequest,
    content_of,
    local_today,
)
from levity_trio.web.api.engine.lists import (
    CSV,
    DAY,
    Cell,
    LocalDay,
    OneFormat,
    Paged,
    in_units,
    listed,
    local_day,
    page,
    wanted,
)
from levity_trio.web.api.engine.problems import conflict, invalid
from levity_trio.web.api.people.accounts import Id

TAG: Final = "wallets"
ENDPOINTS: Final = Endpoints(TAG)
WALLETS: Final = "/api/admin/wallets"
WALLET: Final = f"{WALLETS}/{{id}}"
IN_FILE: Final[Mapping[str, Callable[[WalletRow], Cell]]] = {
    **{name: attrgetter(name) for name in ("account", "name", "terms")},
    "balance": lambda row: in_units(row.balance, row.currency),
    "reserved": lambda row: in_units(row.reserved, row.currency),
    "currency": attrgetter("currency"),
}
"""The columns of a file of them."""
MOST_RESERVATIONS: Final = 500
PROBLEMS: Final = (RefusalCode.NOT_FOUND, RefusalCode.INVALID, RefusalCode.CONFLICT)
ENTRY: Final[Declared] = {"status": CREATED}

CENTS: Final = "Minor units of the currency, such as cents."
Amount = Annotated[int, Meta(ge=1, le=LARGEST, description=CENTS, extra_json_schema=MINOR_UNITS)]
Currency = Annotated[
    str,
    Meta(
        description="Three letters, such as EUR; that of the site by default.",
        extra_json_schema={"enum": sorted(CURRENCIES)},
    ),
]
Why = Annotated[
    Personal[str],
    Meta(
        min_length=1,
        max_length=500,
        pattern=r"\S",
        extra=NOT_BLANK,
        description="For those who ask later.",
    ),
]


PaidOn = Annotated[
    str,
    Meta(description="The day on which the money moved; today by default.", extra_json_schema=DAY),
]


class EntryBody(ClientInput, kw_only=True):
    """What is entered, its text, and the day on which the money moved.

    - reason [Text]
    - currency (--currency CODE): ISO 4217; needed for the first entry of a site.
    """

    amount: Amount
    currency: Currency | None = None
    reason: Why
    paid_on: PaidOn | None = None


class PaymentBody(EntryBody, kw_only=True):
    """A payment, or one that a bank took back, and the number of the statement that it is for.

    + statement: The statement that it is for; the oldest ones if left out.
    """

    statement: Id | None = None


class RefundBody(EntryBody, kw_only=True):
    """What is paid out: of the balance, or of the credit that the statement with this number left
    and carried on.

    - statement: The statement whose credit is paid out, by its number; the balance, if left
      out.
    """

    statement: Id | None = None


class CorrectionBody(ClientInput, kw_only=True):
    """What is entered, positive in the account's favour, and why; with a statement that is settled
    or opened by it.

    - amount: Minor units of the currency, such as cents; positive in the household's favour.
    - statement: The statement that is settled or opened by it, by its number.
    """

    amount: Annotated[
        int, Meta(ge=-LARGEST, le=LARGEST, extra_json_schema=MINOR_UNITS | {"not": {"const": 0}})
    ]
    currency: Currency | None = None
    reason: Why
    statement: Id | None = None


class TermsBody(ClientInput, kw_only=True):
    """How an account pays from now on. Prepaid, it is spent where what is available is at or below
    the limit.

    - terms: How it pays, and how far it may go.
    + limit: Minor units of the currency, such as cents.
    """

    terms: Literal["prepaid", "postpaid"]
    limit: Annotated[int, Meta(ge=-LARGEST, le=LARGEST, extra_json_schema=MINOR_UNITS)] = 0
    reason: Why


class WalletsQuery(Paged):
    """What is asked for.

    + prepaid (--prepaid/--postpaid): Only those that are prepaid, or are not.
    + spent (--spent/--covered): Only those that are spent, or are not.
    + sort: By a column; with - before it, descending. At most 10,000 rows are sorted.
    """

    prepaid: bool | None = None
    spent: bool | None = None
    sort: Literal["name", "-name", "terms", "-terms", "balance", "-balance"] | None = None
    format: OneFormat = "json"


class EntriesQuery(Paged):
    """What is asked for.

    - kind: Only entries of this kind.
    """

    kind: (
        Literal["statement", "payment", "top-up", "charge", "refund", "chargeback", "correction"]
        | None
    ) = None


@record
class WalletWithTerms(WalletRow):
    """A wallet, what its transactions have used and were not charged for yet, and how it paid, the
    newest first."""

    reservations: list[ReservationRow]
    history: list[TermsRow]


@ENDPOINTS.get(WALLETS, Role.OPERATOR, other_media_types=(CSV,))
async def list_wallets(
    request: TypedRequest[WalletsQuery, None],
) -> ListPage[WalletRow] | StreamingResponse:
    """List the wallets of all accounts with their balances, by the names of accounts or a column;
    CSV too."""
    return await listed(request, IN_FILE, read_wallets)


def read_wallets(db: Database, _server: Server, query: WalletsQuery) -> ListPage[WalletRow]:
    """Return a page of wallets. Raises NoPage."""
    sort = sort_by(WALLET_COLUMNS, query.sort)
    filters = WalletFilters(is_prepaid=query.prepaid, is_spent=query.spent)
    return stored.wallets(db, filters, wanted(query), sort)


@ENDPOINTS.get(WALLET, Role.OPERATOR, "not_found")
async def get_wallet(request: Request) -> WalletWithTerms:
    """Show the wallet of an account."""
    number = request.number()

    def read(db: Database) -> WalletWithTerms | None:
        wallet = stored.wallet(db, number)
        if wallet is None:
            return None
        reserved = stored.reservations(db, number, MOST_RESERVATIONS)
        history = stored.terms(db, number)
        return copied(WalletWithTerms, wallet, reservations=reserved, history=history)

    return await request.find(read, Told("household {1}", number))


@ENDPOINTS.get(f"{WALLET}/entries", Role.OPERATOR)
async def list_entries(request: TypedRequest[EntriesQuery, None]) -> ListPage[EntryRow]:
    """List the entries of an account's ledger, the newest first."""
    query = request.query
    account, rows = request.number(), wanted(query)
    return await page(request, stored.entries, account=account, kind=query.kind, wanted=rows)


@ENDPOINTS.post(f"{WALLET}/payment", Role.OPERATOR, *PROBLEMS, **ENTRY)
async def enter_payment(request: TypedRequest[None, PaymentBody]) -> EntryRow:
    """Enter a payment of what the account owes, which settles the statement that it names, then the
    oldest. With an Idempotency-Key that was used before it is that entry again."""
    return await _enter(request, LedgerKind.PAYMENT)


@ENDPOINTS.post(f"{WALLET}/top-up", Role.OPERATOR, *PROBLEMS, **ENTRY)
async def enter_top_up(request: TypedRequest[None, EntryBody]) -> EntryRow:
    """Enter money that the account pays in advance. With an Idempotency-Key that was used before it
    is that entry again."""
    return await _enter(request, LedgerKind.TOP_UP)


@ENDPOINTS.post(f"{WALLET}/refund", Role.OPERATOR, *PROBLEMS, **ENTRY)
async def enter_refund(request: TypedRequest[None, RefundBody]) -> EntryRow:
    """Enter money that was paid out. With an Idempotency-Key that was used before it is that entry
    again."""
    return await _enter(request, LedgerKind.REFUND)


@ENDPOINTS.post(f"{WALLET}/chargeback", Role.OPERATOR, *PROBLEMS, **ENTRY)
async def enter_chargeback(request: TypedRequest[None, PaymentBody]) -> EntryRow:
    """Enter money that a bank took back: what it had settled is open again. With an Idempotency-Key
    that was used before it is that entry again."""
    return await _enter(request, LedgerKind.CHARGEBACK)


@ENDPOINTS.post(f"{WALLET}/correction", Role.OPERATOR, *PROBLEMS, **ENTRY)
async def enter_correction(request: TypedRequest[None, CorrectionBody]) -> EntryRow:
    """Correct the balance of an account. With an Idempotency-Key that was used before it is that
    entry again."""
    return await _enter(request, LedgerKind.CORRECTION)


async def _enter(
    request: TypedRequest[None, EntryBody | CorrectionBody], kind: LedgerKind
) -> EntryRow:
    """Enter what an operator says; an amount that is taken from the balance is given without its
    sign."""
    body = request.body
    key = request.headers.get("idempotency-key")
    service_id = None
    if key is not None:
        if not 0 < len(key) <= LONGEST_KEY:
            raise invalid("Idempotency-Key", Told("give 1 to {1} characters", LONGEST_KEY))
        # The same key of somebody else is another one.
        service_id = f"key of {request.caller.name}/{key}"
    entry = LedgerEntry(
        account=request.number(),
        kind=kind,
        amount=-body.amount if kind in PAID_OUT else body.amount,
        currency=body.currency or "",
        reason=body.reason.strip(),
        at=request.api.stamp(),
        by=request.caller.name,
        statement=getattr(body, "statement", None),
        service_id=service_id,
        paid_on=_paid_on(request),
        source=EntrySource.HAND,
    )
    entered = await request.commit(_in_currency_of_site, entry)
    return await request.read(stored.entry, number=entered.id)


def _paid_on(request: TypedRequest[None, EntryBody | CorrectionBody]) -> str | None:
    """Return the day on which money moved, None for a correction. Raises Problem."""
    if isinstance(request.body, CorrectionBody):
        return None
    given = request.body.paid_on
    now = local_today(request.api)
    day = now if given is None else local_day(given, "paid_on")
    if day > now:
        raise invalid("paid_on", Told("this day is to come"))
    return day.isoformat()


def _in_currency_of_site(db: UnitOfWork, entry: LedgerEntry) -> EntryResult:
    """Enter something in the currency that the site has if none was given. Raises ChangeRefused."""
    currency = entry.currency or currency_of(db.rows)
    if currency is None:
        words = Told("this site has no currency yet; give it, such as EUR")
        raise ChangeRefused(RefusalCode.CONFLICT, words, "currency")
    # A request names a statement by its number, and the ledger by its id.
    statement = None
    if entry.statement is not None:
        statement = writes.statement_with(db, entry.account, entry.statement)
    return writes.enter(db, entry._replace(currency=currency, statement=statement))


@ENDPOINTS.post(f"{WALLET}/terms", Role.ADMIN, *PROBLEMS)
async def set_terms(request: TypedRequest[None, TermsBody]) -> WalletWithTerms:
    """Make an account prepaid or postpaid, or change the limit at which it is spent."""
    body = request.body
    at, by = request.api.stamp(), request.caller.name
    new = NewTerms(WalletTerms(body.terms), body.limit, body.reason.strip(), at, by)
    await request.commit(writes.set_terms, request.number(), new)
    return await get_wallet(request)


BANK_FILES: Final = "/api/admin/bank-files"
BANK_LINES: Final = "/api/admin/bank-lines"
MOST_DECIDED: Final = 500
LONGEST: Final = 500
"""Characters of a text in the ledger."""
DECISIONS: Final = (
    r"^(?:account:[1-9][0-9]{0,17}|statement:[A-Za-z0-9\/.\-]{0,15}[0-9]{1,18}|nobody)?$"
)

ColumnName = Annotated[str, Meta(max_length=200)] | None


class ColumnsQuery(ClientInput):
    """The names of the columns, if they are not found or others are meant. They are kept for files
    with the same head.

    - day: The column of the day.
    - amount: The column of the amount.
    - name: The column of the name of who paid.
    - text: The column of the text of the payment.
    - iban: The column of the account of who paid.
    """

    day: ColumnName = None
    amount: ColumnName = None
    name: ColumnName = None
    text: ColumnName = None
    iban: ColumnName = None


@record
class BankLineRow:
    """A booked movement; `amount` is in minor units, `payer` a part of the digest of its account.

    `account` and `to` are the proposal: a household, and `statement:12`, `account:7` or nothing.
    `state`: open (to be decided), entered or nobody (decided before), debit, or currency (another
    one than the site's). One that seems entered has the day, amount and household of an earlier
    payment. `doubt` is what was not understood of it. `fee` is what the bank took beside what came
    back, `reference` a part of the digest of the bank's own.
    """

    key: str
    day: str
    amount: int
    currency: str
    name: Personal[str]
    text: Personal[str]
    payer: str | None
    state: str
    account: int | None = None
    to: str = ""
    is_sure: bool = False
    seems_entered: bool = False
    fee: int = 0
    reference: str | None = None
    doubt: str = ""


@record
class BankFileRow:
    """What a file says. `columns` are those that were used, by what they are; without day and
    amount nothing was read, and `sample` shows the first rows. `pending` movements are not booked,
    and the lines `unread` have no day or no amount. `open` is what `households` owe."""

    currency: str
    head: Sequence[str]
    sample: Sequence[Sequence[str]]
    columns: dict[str, str]
    pending: int
    unread: tuple[int, ...]
    lines: list[BankLineRow]
    households: dict[int, str]
    open: Sequence[UnpaidStatement]


@ENDPOINTS.post(BANK_FILES, Role.OPERATOR, "conflict", body=StreamedBody())
async def read_bank_file(
    request: TypedRequest[ColumnsQuery, AsyncGenerator[bytes, None]],
) -> BankFileRow:
    """Read a bank's file (CSV or CAMT, also as ZIP), and propose whose its payments are. Nothing is
    entered."""
    chosen = {name: column for name, column in asdict(request.query).items() if column}
    content = await content_of(request, MOST_BYTES)
    kept = await request.read(stored.kept_columns)
    try:
        file = await trio.to_thread.run_sync(read, content, chosen, kept)
    except BankFileProblem as problem:
        raise invalid("body", problem.args[0]) from None
    if chosen and file.table.head and file.table.is_named:
        await request.write(writes.keep_columns, digest_of(file.table.head), file.table.columns)
    return await request.read(_proposed, file=file, today=local_today(request.api))


def _proposed(db: Database, file: BankFile, today: date) -> BankFileRow:
    """Return a file with its lines beside what households owe. Raises Problem."""
    code = currency_of(rows_of(db))
    if code is None:
        words = Told("this site has no currency yet: nothing was billed")
        raise conflict(words)
    books = stored.books(db)
    decided = stored.decided_lines(db)
    matching = Matching(books)
    lines: list[BankLineRow] = []
    pending = file.pending
    known = {key: one.reference for key, one in decided.items()}
    for key, line in zip(keys(file.lines, known), file.lines, strict=True):
        if line.day > today:
            pending += 1
            continue
        state = "open" if line.amount > 0 or line.is_return else "debit"
        doubt = line.doubt
        if line.currency not in ("", code):
            state = "currency"
            # What is no currency may be any other mark.
            if line.currency not in CURRENCIES:
                state, doubt = "open", doubt or line.currency
        if key in decided:
            state = decided[key].state
        row = replace(_row(key, line, code, state), doubt=doubt)
        found = (
            matching.propose(line._replace(doubt=doubt), row.amount) if state == "open" else None
        )
        if found is not None:
            found = found._replace(fee=found.fee + row.fee)
            row = replace(row, **found._asdict(), amount=row.amount - row.fee + found.fee)
        lines.append(row)
    return copied(
        BankFileRow,
        file.table,
        currency=code,
        columns=dict(file.table.columns),
        pending=pending,
        unread=file.unread,
        lines=lines,
        households=dict(books.names),
        open=books.open,
    )


def _row(key: str, line: BankLine, code: str, state: str) -> BankLineRow:
    """Return a line of which nothing is proposed. Raises Problem."""
    currency = line.currency or code
    try:
        unit = CURRENCIES.get(currency, CURRENCIES[code])
        amount, fee = (exact_minor_units(one.normalize(), unit) for one in (line.amount, line.fee))
    except ValueError as error:
        raise invalid("body", str(error)) from None
    return BankLineRow(
        key=key,
        day=str(line.day),
        amount=amount,
        currency=currency,
        name=line.name,
        text=line.text,
        payer=payer_of(line.iban),
        state=state,
        fee=fee,
        reference=reference_of(line),
        doubt=line.doubt,
    )


class DecidedBody(ClientInput):
    """A line as it was proposed, and whose it is: `statement:2026-12`, `account:7` (what is open
    longest), or `nobody`, if it is no payment of a household. Empty: not decided yet. `fee` is what
    a bank asked for a return and the household is to bear, without tax: it is its debt, beside the
    bills.

    - key: The digest of the line.
    - amount: Minor units of the currency, such as cents, as the line says.
    - text: The text of the payment.
    - payer: Who paid.
    - to: Whose it is.
    - reference: How the bank names the payment.
    - fee: What the bank asked for a return, in minor units of the currency.
    """

    key: Annotated[str, whole_text(pattern="^[0-9a-f]{64}$", words=Told("the key of a line"))]
    day: LocalDay
    amount: Annotated[int, Meta(ge=-LARGEST, le=LARGEST, extra_json_schema=MINOR_UNITS)]
    text: Annotated[Personal[str], Meta(max_length=LONGEST)] = ""
    payer: Annotated[Personal[str], Meta(max_length=64)] | None = None
    to: Annotated[
        str, whole_text(pattern=DECISIONS, words=Told("statement:12, account:7 or nobody"))
    ] = ""
    reference: Annotated[str, Meta(max_length=64)] | None = None
    fee: Annotated[int, Meta(ge=0, le=LARGEST, extra_json_schema=MINOR_UNITS)] = 0


class DecidedLinesBody(ClientInput):
    """Lines of a file. With `rest`, those that are not decided are no payments of households.

    - lines: The lines that are decided.
    - rest: Whether all others are no payments of households.
    """

    lines: Annotated[list[DecidedBody], Meta(min_length=1, max_length=MOST_DECIDED)]
    rest: bool = False


@ENDPOINTS.post(BANK_LINES, Role.OPERATOR, *PROBLEMS, status=CREATED)
async def take_bank_lines(request: TypedRequest[None, DecidedLinesBody]) -> TakenLines:
    """Enter lines of a bank's file in the ledgers of households: all, or none. Those that were
    decided before change nothing."""
    default = NOBODY if request.body.rest else ""
    lines: list[DecidedLine] = []
    for line in request.body.lines:
        local_day(line.day, "day")
        if to := line.to or default:
            lines.append(DecidedLine(*astuple(line))._replace(to=to))
    return await request.write(writes.take, lines)
