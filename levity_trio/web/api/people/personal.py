"""What is personal of an account: all of it in one ZIP file, as somebody may ask who moves out, and
its deletion."""

from __future__ import annotations

import zipfile
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any, Final

import msgspec
import trio
from msgspec import Meta
from starlette.responses import StreamingResponse

from levity_trio.documents import DocumentProblem, printing
from levity_trio.documents.cells import inert
from levity_trio.documents.paper import DocumentForm, name_of
from levity_trio.records import names_of
from levity_trio.store.reads.money import statements as closed
from levity_trio.store.reads.money import wallets
from levity_trio.store.reads.money.wallets import EntryRow
from levity_trio.store.reads.people.accounts import OwnedTransaction, transactions_of
from levity_trio.store.reads.people.personal import (
    PersonalData,
    PersonalDeletion,
    about,
    decided,
    deletion,
    obstacles,
)
from levity_trio.store.reads.transactions.transactions import (
    Reading,
    Transaction,
    TransactionFilters,
    of_transaction,
)
from levity_trio.store.upkeep.pruning import forget_due, scrub
from levity_trio.store.writes.people import personal as writes
from levity_trio.told import Told, joined
from levity_trio.web.api.engine.endpoints import (
    NOT_BLANK,
    ClientInput,
    Endpoints,
    Request,
    Role,
    TypedRequest,
    rule_of,
)
from levity_trio.web.api.engine.kilowatt_hours import show
from levity_trio.web.api.engine.lists import encoded, every_page
from levity_trio.web.api.engine.papers import AT_ONCE, ZIP, read_papers
from levity_trio.web.api.engine.problems import Problem, conflict
from levity_trio.web.api.people.accounts import ACCOUNT, TAG, find_account
from levity_trio.web.http.texts import as_json

ENDPOINTS: Final = Endpoints(TAG)

ROWS: Final = 500
DOCUMENTS: Final = (DocumentForm.HTML, DocumentForm.CSV, DocumentForm.JSON)
EVENT: Final = ("id", "transaction", "kind", "who", "reason", "received_at")
Files = AsyncIterator[tuple[str, AsyncIterator[bytes]]]
"""The name of each file, and its parts."""


class _ZipSink:
    """What zipfile writes to: it keeps bytes until they are taken."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, part: bytes) -> int:
        self._written += part
        return len(part)

    def flush(self) -> None:
        """Do nothing: what was written is taken in any case."""

    def close(self) -> None:
        """Do nothing: the archive is closed before the last bytes are taken."""

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


@ENDPOINTS.get(f"{ACCOUNT}/everything", Role.OPERATOR, "not_found", media_type=ZIP)
async def get_everything(request: Request) -> StreamingResponse:
    """Download everything about an account, also readings and statements, as one ZIP file."""
    number = request.number()
    what = Told("household {1}", number)
    known = await request.find(about, what, account=number, policy=request.policy)
    headers = {
        "content-disposition": f'attachment; filename="account-{number}.zip"',
        "cache-control": "no-store",
    }

    async def content() -> AsyncIterator[bytes]:
        sink = _ZipSink()
        archive = zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        async for name, parts in _files(request, number, known):
            # Nobody knows yet how large the member becomes, and ZIP must know before whether it is
            # beyond 2 GiB.
            member = archive.open(name, "w", force_zip64=True)
            async for part in parts:
                await trio.to_thread.run_sync(member.write, part)
                yield sink.take()
            member.close()
        archive.close()
        yield sink.take()

    return StreamingResponse(content(), media_type=ZIP, headers=headers)


async def _files(request: Request, number: int, known: PersonalData) -> Files:
    account = msgspec.json.encode(show(known), enc_hook=as_json)
    yield "account.json", _once(msgspec.json.format(account, indent=2))
    yield "ledger.csv", _ledger(request, number)
    yield "transactions.csv", _transactions(request, number)
    yield "decisions.csv", _decisions(request, number)
    yield "readings.csv", _readings(request, number)

    after = 0
    while True:
        statements = await request.read(
            closed.closed_of_account_after, account=number, number=after, most=AT_ONCE
        )
        if not statements:
            return
        papers = await read_papers(request.api, [row for row, _ in statements])
        for form in DOCUMENTS:
            try:
                documents = await printing.documents(papers, form, request.api.config.font)
            except (DocumentProblem, Problem) as problem:
                # The answer has begun and has no other status any more, so a file says it.
                name = f"statements/{form}-after-{after}-not-made.txt"
                yield name, _once(str(problem).encode())
                continue
            for paper, content in zip(papers, documents, strict=True):
                yield f"statements/{name_of(paper.first)}.{form}", _once(content)
        _, after = statements[-1]


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _ledger(request: Request, number: int) -> AsyncIterator[bytes]:
    yield encoded([names_of(EntryRow)])
    read = partial(wallets.entries, account=number, kind=None)
    async for entries in every_page(request.api.reader, read, ROWS):
        yield encoded(map(_cells, entries))


def _owned(request: Request, number: int) -> AsyncIterator[list[OwnedTransaction]]:
    """Yield the transactions of an account, some at once, the newest first."""
    read = partial(transactions_of, filters=TransactionFilters(account=number))
    return every_page(request.api.reader, read, ROWS)


async def _transactions(request: Request, number: int) -> AsyncIterator[bytes]:
    yield encoded([[*names_of(Transaction), "ground", "outside"]])
    async for page in _owned(request, number):
        yield encoded([*_cells(row.transaction), row.ground, row.outside] for row in page)


async def _decisions(request: Request, number: int) -> AsyncIterator[bytes]:
    """Yield what people decided about the transactions."""
    yield encoded([EVENT])
    async for page in _owned(request, number):
        transactions = [row.transaction.id for row in page]
        events = await request.read(decided, transactions=transactions)
        rows: list[list[object]] = []
        for transaction, event in events:
            who, reason = inert(event.who), inert(event.reason)
            rows.append([event.id, transaction, event.kind, who, reason, event.received_at])
        yield encoded(rows)


async def _readings(request: Request, number: int) -> AsyncIterator[bytes]:
    yield encoded([names_of(Reading)])
    async for page in _owned(request, number):
        for row in page:
            read = partial(of_transaction, number=row.transaction.id, measurand=None)
            async for readings in every_page(request.api.reader, read, ROWS):
                yield encoded(map(_cells, readings))


def _cells(row: Any) -> list[object]:
    return [inert(getattr(row, name)) for name in names_of(type(row))]


# The deletion of what is personal of an account that has moved out


PERSONAL: Final = f"{ACCOUNT}/personal"
KEEP_YEARS: Final = 10
MOST_YEARS: Final = 100


class DeletionQuery(ClientInput):
    """Why, and for how many years closed statements keep their names."""

    reason: Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S", extra=NOT_BLANK)]
    keep_years: Annotated[int, Meta(ge=0, le=MOST_YEARS)] = KEEP_YEARS
    force: Annotated[bool, Meta(description="Although something of it is not billed.")] = False


@ENDPOINTS.get(PERSONAL, Role.OPERATOR, "not_found")
async def get_deletion(request: Request) -> PersonalDeletion:
    """Say when what was personal of an account was deleted, and how many statements still have
    names."""
    number = request.number()
    what = Told("deletion of household {1}", number)
    return await request.find(deletion, what, account=number)


@ENDPOINTS.delete(PERSONAL, Role.ADMIN, "not_found", "conflict", "in_use", "too_many_waiting")
async def delete_personal(request: TypedRequest[DeletionQuery, None]) -> PersonalDeletion:
    """Delete what is personal of a closed account; closed statements keep names for the years of
    keeping."""
    api, number, query = request.api, request.number(), request.query
    # The years of keeping are counted by it.
    if not api.is_clock_trusted():
        raise conflict(Told("this machine's clock cannot be trusted; set it, and try again"))
    await find_account(request, number)
    in_the_way = await request.read(obstacles, account=number, rule=rule_of(api), now=api.now())
    if query.force:
        in_the_way = [obstacle for obstacle in in_the_way if not obstacle.may_be_forced]
    if in_the_way:
        words = joined("; ", [obstacle.words for obstacle in in_the_way])
        if all(obstacle.may_be_forced for obstacle in in_the_way):
            raise conflict(Told("nothing was deleted: {1} (or leave it so, with force)", words))
        raise conflict(Told("nothing was deleted: {1}", words))

    reason = query.reason.strip()
    order = writes.Deletion(query.keep_years, reason, api.stamp(), request.caller.name)
    await api.logins.change(writes.delete, number, order)
    api.backends.note_change()
    async with api.places.wait():
        # What was deleted is still in free pages of the file; forgetting something cleans them,
        # too.
        if not await forget_due(api.writer, api.now, api.config.time_zone):
            await scrub(api.writer)
    return await get_deletion(request)
