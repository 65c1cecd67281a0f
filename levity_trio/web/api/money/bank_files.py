"""Files of banks: what they say is proposed for households, and entered when an operator says so.

A file is read and forgotten: what is kept of a line is its digest, and with a payment its text.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import date
from typing import Annotated, Final

import trio
from msgspec import Meta
from msgspec.structs import asdict, astuple

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
from levity_trio.billing.ledger import LARGEST, exact_minor_units
from levity_trio.billing.money import CURRENCIES
from levity_trio.records import Personal, copied, record, whole_text
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups.wallets import currency_of
from levity_trio.store.reads.money import bank_files as stored
from levity_trio.store.writes.money import wallets as writes
from levity_trio.store.writes.money.wallets import NOBODY, DecidedLine, TakenLines
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import (
    CREATED,
    MINOR_UNITS,
    ClientInput,
    Endpoints,
    Role,
    StreamedBody,
    TypedRequest,
    content_of,
    local_today,
)
from levity_trio.web.api.engine.lists import LocalDay, local_day
from levity_trio.web.api.engine.problems import conflict, invalid
from levity_trio.web.api.money.wallets import PROBLEMS, TAG

ENDPOINTS: Final = Endpoints(TAG)
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
    with the same head."""

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
    bills."""

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
    """Lines of a file. With `rest`, those that are not decided are no payments of households."""

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
