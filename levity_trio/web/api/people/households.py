"""Tasks of whole households: a list of them is entered, one moves in or out; each can be undone
until it is billed.

What is personal of an account: all of it in one ZIP file, as somebody may ask who moves out, and
its deletion.
"""

from __future__ import annotations

import zipfile
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Annotated, Any, Final, Literal

import msgspec
import trio
from msgspec import Meta
from starlette.responses import StreamingResponse

from levity_trio.billing.assignments import Scope, TariffTarget
from levity_trio.documents import DocumentProblem, printing
from levity_trio.documents.cells import inert
from levity_trio.documents.paper import DocumentForm, name_of
from levity_trio.nouns import Name, Plate, Text, UserName
from levity_trio.records import Personal, names_of, record
from levity_trio.store.engine.database import Database, UnitOfWork
from levity_trio.store.reads.money import statements as closed
from levity_trio.store.reads.money import wallets
from levity_trio.store.reads.money.wallets import EntryRow
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.reads.people import households as stored
from levity_trio.store.reads.people.households import (
    Departure,
    OwnedTransaction,
    Task,
    UnknownCard,
    transactions_of,
)
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
from levity_trio.store.writes.money.tariffs import Assigning
from levity_trio.store.writes.people import households as writes
from levity_trio.store.writes.people import users
from levity_trio.store.writes.people.accounts import AccountData, ChangeRefused, RefusalCode
from levity_trio.store.writes.people.households import (
    ADDED,
    CHANGED,
    SAME,
    ImportRefused,
    ListedHousehold,
    MovingIn,
    MovingOut,
)
from levity_trio.store.writes.people.ownership import Said
from levity_trio.store.writes.people.users import DRIVER
from levity_trio.told import Told, joined, without
from levity_trio.web.api.engine.endpoints import (
    CREATED,
    NOT_BLANK,
    ClientInput,
    Endpoints,
    Request,
    Role,
    Server,
    StreamedBody,
    TypedRequest,
    Upload,
    rule_of,
)
from levity_trio.web.api.engine.kilowatt_hours import show
from levity_trio.web.api.engine.lists import (
    CSV,
    Cells,
    CsvFormat,
    GivenEnd,
    LocalEnd,
    LocalInstant,
    LocalTime,
    OfCharger,
    begins_at,
    converted,
    encoded,
    every_page,
    local_instant,
    local_moment,
    midnight,
    whole,
)
from levity_trio.web.api.engine.papers import AT_ONCE, ZIP, read_papers
from levity_trio.web.api.engine.problems import Json, Problem, conflict, invalid, not_found, refusal
from levity_trio.web.api.engine.serving import check_first
from levity_trio.web.api.people.accounts import (
    ACCOUNT,
    MOST_LINES,
    PROBLEMS,
    TAG,
    Id,
    ImportedLines,
    Language,
    MailAddress,
    Reason,
    find_account,
    import_lines,
    said,
    stored_fields,
)
from levity_trio.web.api.people.tags import IdTag, clear_caches
from levity_trio.web.api.people.users import Invitation, make_invitation, manager, shown_invitation
from levity_trio.web.http.texts import as_json
from levity_trio.web.logins.invitations import LETTER, Kind
from levity_trio.wire.times import in_zone, stamp

ENDPOINTS: Final = Endpoints(TAG)
HOUSEHOLDS: Final = "/api/admin/households"
MOVE_INS: Final = "/api/admin/move-ins"
MOVE_OUT: Final = f"{ACCOUNT}/move-out"
TASKS: Final = "/api/admin/household-tasks"
UNKNOWN_CARDS: Final = "/api/admin/unknown-cards"
MOST_ROWS: Final = 500
COLUMNS: Final = ("name", "card", "space", "car", "since", "address", "mail")
CELL, LINE = 200, 500
"""Characters of a cell, before it is looked at, and of a line."""
CarName = Annotated[
    Personal[str],
    Meta(min_length=1, max_length=CELL, extra_json_schema={"examples": ["Anna's car"]}),
]


class HouseholdCells(ClientInput):
    """A household, its card, its charger or parking space by name, identity or number, its car, and
    since when.

    - name: What it is called.
    - space: A charger or a parking space by its name, its identity or its number.
    - car: The name of its car.
    - address: Where statements go.
    - mail: Where its statements are mailed.
    """

    name: Annotated[Personal[str], Meta(max_length=CELL)] | None = None
    card: Annotated[str, Meta(max_length=CELL)] | None = None
    space: Annotated[str, Meta(max_length=CELL)] | None = None
    car: Annotated[Personal[str], Meta(max_length=CELL)] | None = None
    since: LocalTime = None
    address: Annotated[Personal[str], Meta(max_length=CELL)] | None = None
    mail: Annotated[Personal[str], Meta(max_length=CELL)] | None = None


class HouseholdsBody(ClientInput):
    """Households, one a row. Rows without a day of their own have that of `since`, which is today
    if it is left out.

    - rows: The households.
    """

    rows: Annotated[list[HouseholdCells], Meta(min_length=1, max_length=MOST_ROWS)]
    since: LocalTime = None


class _HouseholdRow(ClientInput):
    """A row as it must be."""

    name: Name
    card: IdTag | None = None
    space: Annotated[str, Meta(min_length=1, max_length=CELL)] | None = None
    car: CarName | None = None
    since: LocalTime = None
    address: Text = None
    mail: MailAddress | None = None


@record
class EnteredRow:
    """What became of a row: added, changed or same."""

    account: int
    result: str


@record
class EnteredHouseholds:
    """What became of the rows. `task` is its number, by which it can be undone."""

    task: int
    added: int
    changed: int
    same: int
    rows: list[EnteredRow]


@ENDPOINTS.post(HOUSEHOLDS, Role.OPERATOR, status=CREATED)
async def enter_households(request: TypedRequest[None, HouseholdsBody]) -> EnteredHouseholds:
    """Enter households with their cards, spaces and cars: all rows, or none and what is wrong with
    each cell.

    A household that lives here already is given what is new.
    """
    body = request.body
    today = midnight(request.api)
    usual = local_moment(body.since, "since", request.zone) or today
    rows: list[ListedHousehold | ChangeRefused] = []
    for row in body.rows:
        cells = {name: _cell(getattr(row, name)) for name in COLUMNS}
        rows.append(_row(request, cells, usual))
    policy, who = request.policy, said(request, None)
    key = _key(request, body)
    try:
        done = await request.commit(writes.enter, rows, policy, who, key)
    except ImportRefused as refused:
        faults: list[Json] = [
            {"row": place, "field": field, "detail": words}
            for place, field, words in refused.faults
        ]
        first = refused.faults[0]
        words = Told("row {1}, {2}: {3}", first.place + 1, first.field, first.words)
        raise invalid("rows", words, cells=faults) from None

    results = [result for _, result in done.results]
    return EnteredHouseholds(
        task=done.task,
        added=results.count(ADDED),
        changed=results.count(CHANGED),
        same=results.count(SAME),
        rows=[EnteredRow(account=account, result=result) for account, result in done.results],
    )


def _key(request: Request, body: ClientInput) -> str | None:
    """Return by what the same request is known again: its key, who sends it, and all that it
    says."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    known_by = f"{request.caller.name}\n{key}\n".encode()
    return sha256(known_by + msgspec.json.encode(body)).hexdigest()


def _row(request: Request, cells: Cells, usual: str) -> ListedHousehold | ChangeRefused:
    """Return a row as it is stored, or what is wrong with it."""
    try:
        row = converted(cells, _HouseholdRow)
        since = local_moment(row.since, "since", request.zone) or usual
    except Problem as problem:
        field = str(problem.members.get("field", ""))
        return ChangeRefused(RefusalCode.INVALID, without(f"{field}: ", problem.detail), field)
    card = row.card and request.api.id_tags.entered(row.card)
    address = row.address and row.address.replace(", ", "\n")
    return ListedHousehold(
        row.name, since, card, row.space, row.car, address=address, mail=row.mail
    )


def _cell(text: str | None) -> str | None:
    return " ".join((text or "").split()) or None


@ENDPOINTS.post(
    "/api/admin/household-import",
    Role.OPERATOR,
    "too_many_waiting",
    body=StreamedBody(CSV),
)
async def import_households(request: Upload) -> ImportedLines:
    """Import households with their cards, spaces and cars as CSV: all lines, or none and what is
    wrong with each."""
    policy = request.policy

    def write(
        db: UnitOfWork, rows: Sequence[ListedHousehold | ChangeRefused], at: str, by: str
    ) -> list[str]:
        done = writes.enter(db, rows, policy, Said(at, by), None)
        return [result for _, result in done.results]

    today = midnight(request.api)
    read = partial(_row, request, usual=today)
    sheet = CsvFormat(COLUMNS, ("name",), MOST_LINES, Told("household"), read)
    return await import_lines(request, sheet, write)


# Moving in


class MoveInBody(ClientInput):
    """A household that moves in, and what it gets. Its space is for this household only, unless
    `exclusive` is false.

    A driver is invited, by a letter unless `invite` says otherwise.

    - mail: Where its statements are mailed.
    - contact: Telephone, anything.
    - address: Where statements go.
    - car: The name of its car.
    - plate: The number plate of its car.
    - tariff: The tariff of the household, by its number.
    - driver: The name by which somebody of it logs in.
    - invite: How the driver is invited.
    + exclusive: Other cards may not charge at its space.
    + space: A charger or a parking space by its name, its identity or its number.
    """

    name: Name
    mail: MailAddress | None = None
    contact: Annotated[Personal[str], Meta(max_length=LINE)] | None = None
    address: Text = None
    language: Language | None = None
    since: LocalTime = None
    card: IdTag | None = None
    space: Annotated[str, Meta(min_length=1, max_length=CELL)] | None = None
    exclusive: bool = True
    car: CarName | None = None
    plate: Plate = None
    tariff: Id | None = None
    driver: UserName | None = None
    invite: Kind = LETTER


class Arrival(msgspec.Struct):
    """A household that moved in. `task` is its number, by which it can be undone."""

    task: int
    account: int
    name: str
    invitation: Invitation | None


@ENDPOINTS.post(MOVE_INS, Role.OPERATOR, *PROBLEMS, "forbidden", status=CREATED)
async def move_in(request: TypedRequest[None, MoveInBody]) -> Arrival:
    """Add a household with its card, space, car and tariff, and invite its driver."""
    body, logins = request.body, request.api.logins
    names = ("name", "mail", "contact", "address", "since")
    fields = stored_fields(request, {name: getattr(body, name) for name in names})
    since = fields["since"] or midnight(request.api)
    if body.tariff is not None and request.caller.role < Role.ADMIN:
        words = Told("only an admin says which tariff holds")
        raise refusal("forbidden", words, field="tariff")
    made = None
    if body.driver is not None:
        # A driver as the first user would lock out whoever asks now.
        check_first(request.caller, DRIVER, has_password=False)
        made = await make_invitation(request, body.invite)
    tariff = None
    if body.tariff is not None:
        tariff = partial(_assigning, request, body.tariff, since)
    space, car = _cell(body.space), _cell(body.car)
    card = body.card and request.api.id_tags.entered(body.card)
    new = MovingIn(
        account=AccountData(**fields | {"since": since, "language": body.language}),
        household=ListedHousehold(fields["name"], since, card, space, car, body.exclusive),
        plate=body.plate,
        tariff=tariff,
        driver=body.driver,
        invitation=made and made.new,
    )
    policy, who, key = request.policy, said(request, None), _key(request, body)
    done = await logins.change(writes.move_in, new, policy, who, manager(request), key)
    code = done.invitation
    # A request that is repeated makes no invitation: its code was shown before, so it gets a
    # new one.
    if made is not None and done.user is not None and code is None:
        code = await logins.change(users.invite, done.user, made.new, manager(request))
    invitation = None
    if made is not None and done.user is not None and code is not None:
        invitation = shown_invitation(request, done.user, DRIVER, code, made)
    account, _ = done.results[0]
    return Arrival(done.task, account, fields["name"], invitation)


def _assigning(request: Request, tariff: int, since: str, account: int) -> Assigning:
    day = in_zone(datetime.fromisoformat(since), request.zone).date()
    target = TariffTarget(Scope.ACCOUNT, str(account))
    return Assigning(target, tariff, day, begins_at(day, request.zone))


# Moving out


class MoveOutBody(ClientInput):
    """Until when a household lives here: its cards, spaces, cars and log-ins end then. `block` is
    for cards that it has not given back: they never charge again.

    - until (--until TIME): The first day on which it is no longer there.
    - cards (--block-cards): Block its cards, which it has not given back; they stay, if left
      out.
    - reason (--reason TEXT): Why, for those who ask later.
    """

    until: GivenEnd
    cards: Literal["end", "block"] = "end"
    reason: Reason | None = None


class MoveOutQuery(ClientInput):
    """Until when it would live here; now, if nothing is given."""

    until: LocalEnd = None


class DepartureResult(msgspec.Struct):
    """A household that moved out. `task` is its number, by which it can be undone."""

    task: int
    account: int
    name: str
    until: str


@ENDPOINTS.get(MOVE_OUT, Role.OPERATOR, "not_found")
async def preview_move_out(request: TypedRequest[MoveOutQuery, None]) -> Departure:
    """Say what ends if a household moves out, and what is left to do."""
    until = local_moment(request.query.until, "until", request.zone)
    number = request.number()
    return await request.read(read_departure, server=request.api, number=number, until=until)


def read_departure(db: Database, server: Server, number: int, until: str | None) -> Departure:
    """Return what ends if a household moves out, now or at a time. Raises Problem."""
    departure = stored.leaving(db, number, until or server.stamp(), server.config.time_zone)
    if departure is None:
        raise not_found(Told("household {1}", number))
    return departure


@ENDPOINTS.post(MOVE_OUT, Role.OPERATOR, "not_found", "conflict")
async def move_out(request: TypedRequest[None, MoveOutBody]) -> DepartureResult:
    """Close an account, and end its cards, spaces, cars and its drivers' log-ins at the same
    time."""
    body, api, number = request.body, request.api, request.number()
    until = local_moment(body.until, "until", request.zone) or api.stamp()
    leaving = MovingOut(number, until, is_blocking=body.cards == "block")
    who = said(request, body.reason)
    done = await api.logins.change(writes.move_out, leaving, api.id_tags.policy, who)
    if until <= api.stamp():
        # Chargers may still remember the cards that have ended.
        await clear_caches(request)
    account = await find_account(request, number)
    return DepartureResult(done.task, number, account.name, until)


# Undoing


class TasksQuery(ClientInput):
    account: Id


class UndoResult(msgspec.Struct):
    """A task that was undone, and the accounts that it was about."""

    task: int
    accounts: list[int]


@ENDPOINTS.get(TASKS, Role.OPERATOR)
async def list_tasks(request: TypedRequest[TasksQuery, None]) -> ListPage[Task]:
    """List what was done to a household by whole tasks, the newest first, and whether it can be
    undone."""
    return whole(await request.read(stored.tasks_of, account=request.query.account))


@ENDPOINTS.post(f"{TASKS}/{{id}}/undo", Role.OPERATOR, "not_found", "conflict")
async def undo_task(request: Request) -> UndoResult:
    """Take back all that a task did, until a statement with it was closed."""
    policy, who = request.policy, manager(request)
    done = await request.api.logins.change(writes.undo, request.number(), policy, who)
    await clear_caches(request)
    return UndoResult(done.task, [account for account, _ in done.results])


# Cards that nobody knows


class UnknownCardsQuery(ClientInput):
    charger: OfCharger = None
    since: LocalInstant = None


@ENDPOINTS.get(UNKNOWN_CARDS, Role.OPERATOR)
async def list_unknown_cards(
    request: TypedRequest[UnknownCardsQuery, None],
) -> ListPage[UnknownCard]:
    """List the cards that were held to a charger and that nobody knows, the last one first: in the
    last minute, unless `since` is earlier."""
    return whole(await request.read(read_unknown_cards, request.api, request.query))


def read_unknown_cards(db: Database, server: Server, query: UnknownCardsQuery) -> list[UnknownCard]:
    """Return the cards that were held to a charger and that nobody knows. Raises Problem."""
    a_minute_ago = stamp(server.now() - timedelta(minutes=1))
    since = local_instant(query.since, "since", server.config.time_zone) or a_minute_ago
    return stored.unknown_cards(db, server.id_tags.policy, since, query.charger)


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
    """Why, and for how many years closed statements keep their names.

    - reason (--reason TEXT): Why; it stays, so write no name.
    - keep_years (--keep-years INTEGER): How long closed statements keep names.
    + force: Although something of it is not billed.
    """

    reason: Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S", extra=NOT_BLANK)]
    keep_years: Annotated[int, Meta(ge=0, le=MOST_YEARS)] = KEEP_YEARS
    force: bool = False


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
    await api.logins.change(writes.delete_personal, number, order)
    api.backends.note_change()
    async with api.places.wait():
        # What was deleted is still in free pages of the file; forgetting something cleans them,
        # too.
        if not await forget_due(api.writer, api.now, api.config.time_zone):
            await scrub(api.writer)
    return await get_deletion(request)
