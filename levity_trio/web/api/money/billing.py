"""The months of billing: since when, what one would be, its closing, and how far each is.

The meters of the house, their readings by hand or as CSV, and what they say about the energy of
a month.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Annotated, Any, Concatenate, Final, Literal, ParamSpec, TypeVar

from msgspec import UNSET, Meta, UnsetType

from levity_trio.billing.money import typed_number
from levity_trio.billing.months import Month
from levity_trio.billing.ownership import TimeSpan
from levity_trio.billing.sub_meters import CHARGERS_PERCENT
from levity_trio.locale import of_reader
from levity_trio.notify.delivery import sheet_text
from levity_trio.nouns import Name
from levity_trio.records import WORDS, copied, in_order, record
from levity_trio.store.billing.drafting import Terms
from levity_trio.store.billing.numbering import Closable, Order, closable
from levity_trio.store.cases.transaction import LAST_TIME
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.reads.money import meters as meter_reads
from levity_trio.store.reads.money import months
from levity_trio.store.reads.money import statements as stored
from levity_trio.store.reads.money.meters import Meter, MeterReading, Reconciliation, reconciliation
from levity_trio.store.reads.money.months import (
    BillMonth,
    DraftStatement,
    HeldBackTransaction,
    MissingPiece,
    MonthPreview,
    WantedMonth,
)
from levity_trio.store.reads.money.statements import FirstBill, first_bill
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.writes.money import ledger
from levity_trio.store.writes.money import meters as writes
from levity_trio.store.writes.money.meters import HAND, GivenReading, MeterData
from levity_trio.store.writes.transactions.judging import MOST_AT_ONCE, judge_due
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import (
    CREATED,
    HIGHEST_ID,
    MINOR_UNITS,
    NOT_BLANK,
    ClientInput,
    Endpoints,
    Request,
    Role,
    Server,
    StreamedBody,
    TypedRequest,
    Upload,
    Values,
    changes_of,
    rule_of,
)
from levity_trio.web.api.engine.lists import (
    CSV,
    Cells,
    CsvFormat,
    GivenTime,
    LocalDay,
    LocalEnd,
    LocalTime,
    MonthName,
    OfName,
    Paged,
    converted,
    local_day,
    local_moment,
    midnight,
    page,
    wanted,
    whole,
)
from levity_trio.web.api.engine.problems import invalid, not_found, refusal
from levity_trio.web.api.people.accounts import (
    MOST_LINES,
    ImportedLines,
    import_lines,
    said,
    stored_fields,
)
from levity_trio.wire.times import stamp

T = TypeVar("T")
P = ParamSpec("P")
BILLING: Final = "/api/admin/billing"
DRAFT: Final = "/api/admin/drafts/{month}"
CLOSING: Final = "/api/admin/closings/{month}"
ENDPOINTS: Final = Endpoints("billing")
NOT_DRAFTED: Final = ("not_begun", "conflict", "no_tariff", "too_many_waiting")
REFUSED: Final = (*NOT_DRAFTED, "not_over", "changed", "no_biller", "not_made")
SALT_BYTES: Final = 32
TRIES: Final = 3
"""A month that changes meanwhile is computed so often."""
_IN_MINOR_UNITS: Final = "In minor units of the currency."


Minor = Annotated[
    int, Meta(ge=0, lt=2**53, description=_IN_MINOR_UNITS, extra_json_schema=MINOR_UNITS)
]
Account = Annotated[int, Meta(ge=1, le=HIGHEST_ID, description="Only this one, which moves out.")]


class BeginBody(ClientInput):
    begun_on: LocalDay


class TermsOfMonth(ClientInput):
    """The terms by which a month is computed."""

    account: Account | None = None
    carry_below: Minor = 0


SortOfDraft = Literal[
    "name",
    "-name",
    "sessions",
    "-sessions",
    "energy",
    "-energy",
    "amount",
    "-amount",
    "total",
    "-total",
]


class DraftQuery(TermsOfMonth):
    """What is asked for.

    - account (--household HOUSEHOLD)
    + sort: By a column; with - before it, descending. At most 10,000 rows are sorted.
    """

    sort: SortOfDraft | None = None


class MonthClosingBody(TermsOfMonth):
    """The terms of a closing. With what the preview showed, a month that comes to something else
    meanwhile is refused.

    + statements: As the preview showed them.
    + charged: As the preview showed it.
    + shown: As the preview showed them: each household and its total.
    """

    statements: Annotated[int, Meta(ge=0, lt=2**31)] | None = None
    charged: Annotated[int, Meta(gt=-(2**53), lt=2**53)] | None = None
    shown: (
        Annotated[
            str,
            Meta(
                pattern="^( *\\d{1,18}:-?\\d{1,15})* *\\Z",
                extra={WORDS: Told("give households and totals, such as 3:1250 4:980")},
            ),
        ]
        | None
    ) = None


@record
class ClosedMonth:
    """What was closed: the first and the last number of its statements, as printed, are null if
    there are none."""

    month: str
    account: int | None
    statements: int
    first: str | None
    last: str | None


def month_of(request: Request) -> Month:
    """Return the month in the path. Raises Problem."""
    return month_named(request.path["month"])


def month_named(text: str) -> Month:
    """Return a month such as 2026-10. Raises Problem."""
    try:
        return Month.parse(text)
    except ValueError as error:
        raise invalid("month", str(error)) from None


async def computed(
    request: Request,
    read: Callable[Concatenate[Database, P], T],
    *args: P.args,
    **values: P.kwargs,
) -> T:
    """Return what takes seconds to read; one at a time, so that other requests can read meanwhile.
    Raises Problem."""
    async with request.api.places.wait(), request.api.computing:
        return await request.read(read, *args, **values)


@ENDPOINTS.get(BILLING, Role.OPERATOR, "not_found")
async def get_billing(request: Request) -> stored.Billing:
    """Show since when this system bills, and which months are closed."""
    return await request.read(read_billing)


def read_billing(db: Database) -> stored.Billing:
    """Return how far billing is. Raises Problem before it began."""
    billing = stored.billing(db)
    if billing is None:
        raise not_found(Told("billing yet; say since when this system bills"))
    return billing


@ENDPOINTS.put(BILLING, Role.ADMIN, "conflict")
async def begin(request: TypedRequest[None, BeginBody]) -> stored.Billing:
    """Say since when this system bills. The day stays when a month is closed."""
    day = local_day(request.body.begun_on, "begun_on")
    await request.write(ledger.begin_billing, day)
    return await get_billing(request)


@ENDPOINTS.get(DRAFT, Role.OPERATOR, *NOT_DRAFTED)
async def preview(request: TypedRequest[DraftQuery, None]) -> MonthPreview:
    """Show what the statements of a month would be now, by household or by a column; nothing is
    stored."""
    query = request.query
    month = month_of(request)
    terms = Terms(rule_of(request.api), query.carry_below)
    now = request.api.now()
    account = query.account
    shown = await computed(
        request, months.preview, month=month, account=account, terms=terms, now=now
    )
    if query.sort is not None:
        key = _KEYS[query.sort.removeprefix("-")]
        shown.data.sort(key=key, reverse=query.sort.startswith("-"))
    return shown


_KEYS: Final[dict[str, Callable[[DraftStatement], Any]]] = {
    "name": lambda draft: in_order(draft.name or ""),
    "energy": attrgetter("energy_wh"),
    **{name: attrgetter(name) for name in ("sessions", "amount", "total")},
}


@ENDPOINTS.post(CLOSING, Role.ADMIN, *REFUSED)
async def close(request: TypedRequest[None, MonthClosingBody]) -> ClosedMonth:
    """Close a month: number and seal its statements. Sessions that wait to be judged again are
    judged before; it is computed again if something changes meanwhile."""
    body = request.body
    shown: Counter[int] | None = None
    if body.shown is not None:
        shown = Counter()
        for one in body.shown.split():
            household, total = one.split(":")
            shown[int(household)] += int(total)
    month = month_of(request)
    order = Order(
        by=request.caller.name,
        at=request.api.stamp(),
        sheet_of=sheet_text,
        salt=secrets.token_bytes(SALT_BYTES),
        language=of_reader(),
        statements=body.statements,
        charged=body.charged,
        shown=shown,
    )
    terms = Terms(rule_of(request.api), body.carry_below)

    def read(db: Database) -> Closable:
        return closable(rows_of(db), month, body.account, terms, order)

    judged = MOST_AT_ONCE
    while judged >= MOST_AT_ONCE:
        judged = await request.commit(judge_due, order.at, terms.rule, LAST_TIME)
    for _ in range(TRIES):
        computed_month = await computed(request, read)
        closed = await request.commit(ledger.close_month, computed_month)
        if closed is not None:
            return copied(ClosedMonth, closed, month=str(month), account=body.account)
    words = Told("{1} changed each time while it was computed; close it again", str(month))
    raise refusal("changed", words)


# How far each month is, and what of it is held back


MONTHS: Final = "/api/admin/months"
AT_ONCE: Final = 24


class MonthsQuery(ClientInput):
    """The months before a cursor, which is one of them.

    - cursor: The month before which the others come.
    """

    limit: Annotated[int, Meta(ge=1, le=120)] = AT_ONCE
    cursor: MonthName | None = None


@ENDPOINTS.get("/api/admin/first-bill", Role.OPERATOR)
async def get_first_bill(request: Request) -> FirstBill:
    """Show what must be there before the first bill, and what of it is."""
    return await request.read(first_bill)


@ENDPOINTS.get(MONTHS, Role.OPERATOR)
async def list_months(request: TypedRequest[MonthsQuery, None]) -> ListPage[BillMonth]:
    """List the months since this system bills, the newest first: how far each is, and what it comes
    to."""
    return await request.read(read_months, server=request.api, query=request.query)


def read_months(db: Database, server: Server, query: MonthsQuery) -> ListPage[BillMonth]:
    """Return some months since this system bills."""
    # One more than is shown tells whether there are others.
    rule, now = rule_of(server), server.now()
    listed = months.months(db, rule, now, query.cursor, query.limit + 1)
    shown = listed[: query.limit]
    next_cursor = shown[-1].month if len(listed) > len(shown) else None
    return ListPage(data=shown, page=1, limit=query.limit, next_cursor=next_cursor)


@ENDPOINTS.get(f"{MONTHS}/{{month}}", Role.OPERATOR, "not_found")
async def get_month(request: Request) -> BillMonth:
    """Show how far a month is, and what it has, by the state of its sessions for their bill."""
    return await request.read(read_month, server=request.api, month=month_of(request))


def read_month(db: Database, server: Server, month: Month) -> BillMonth:
    """Return how far a month is. Raises Problem."""
    row = months.month(db, WantedMonth(month, rule_of(server), server.now()))
    return given_month(month, row)


def given_month(month: Month, row: T | None) -> T:
    """Return what was read of a month. Raises Problem if nothing was."""
    if row is None:
        words = Told(
            "bill for {1}: it is before this system began to bill, or has not begun", str(month)
        )
        raise not_found(words)
    return row


@ENDPOINTS.get(f"{MONTHS}/{{month}}/missing", Role.OPERATOR, "not_found", "too_many_waiting")
async def list_missing(request: Request) -> ListPage[MissingPiece]:
    """List what is missing before a month is closed: what blocks, what comes later, and what its
    papers would lack.

    Sessions without a tariff and those of nobody are known of the month to close next.
    """
    month = month_of(request)
    terms, now = Terms(rule_of(request.api), 0), request.api.now()
    pieces = await computed(request, months.missing_of, one=month, terms=terms, now=now)
    return whole(given_month(month, pieces))


@ENDPOINTS.get("/api/admin/closings/{month}/held-back", Role.OPERATOR)
async def list_held_back(request: Request) -> ListPage[HeldBackTransaction]:
    """List the sessions that the closed statements of a month did not ask for, and why."""
    month = str(month_of(request))
    return whole(await request.read(months.held_back_of_month, month=month))


METER_ENDPOINTS: Final = Endpoints("meters", ENDPOINTS)
METERS: Final = "/api/admin/meters"
METER: Final = f"{METERS}/{{id}}"
READINGS: Final = f"{METER}/readings"
OF_READING: Final = ("meter", "at", "value", "unit")

Percent = Annotated[float, Meta(ge=0, le=20)]
Class = Annotated[
    Percent, Meta(description="The greatest error of the meter in per cent: class B is 1, A is 2.")
]
OfChargers = Annotated[
    Percent, Meta(description="The greatest error of its chargers' meters in per cent.")
]
Digits = (
    Annotated[
        int, Meta(ge=3, le=9, description="Of whole kWh, after which the register goes on at 0.")
    ]
    | None
)
Chargers = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=48)]],
    Meta(max_length=1000, description="The chargers that it measures; none: the whole site."),
]
Register = Annotated[
    str,
    Meta(
        max_length=20,
        description="What the register shows, as read.",
        extra_json_schema={"pattern": r"^[0-9]{1,12}([.,][0-9]{1,6})?$", "examples": ["48211.3"]},
    ),
]
Unit = Literal["kWh", "Wh"]
Topic = (
    Annotated[
        str,
        Meta(
            max_length=1000,
            description=(
                "The topic of MQTT on which it publishes what its register shows; none: people "
                "read it."
            ),
            extra_json_schema={"examples": ["house/meter/total"]},
        ),
    ]
    | None
)
Path = (
    Annotated[
        str,
        Meta(
            max_length=500,
            description=(
                "Where the JSON it publishes has that; none: it publishes a plain number. Two "
                "that are joined by ` + ` are added."
            ),
            extra_json_schema={"examples": ["ENERGY.Total"]},
        ),
    ]
    | None
)


class MeterBody(ClientInput):
    """A meter of the house, in use since today if nothing else is given.

    - name: What it is called.
    - class_percent (--class PERCENT)
    - chargers_percent (--chargers-class PERCENT)
    - digits (--digits N)
    - since (--since TIME): Since when it is in use.
    - until (--until TIME): Until when it is in use.
    - topic (--mqtt TOPIC)
    - path [Place in its JSON] (--path a.b)
    - unit [Unit of what it publishes] (--unit UNIT): Of what it publishes; kWh, if not given.
    - chargers (--charger ID)
    """

    name: Name
    class_percent: Class
    chargers_percent: OfChargers = CHARGERS_PERCENT
    digits: Digits = None
    since: LocalTime = None
    until: LocalEnd = None
    topic: Topic = None
    path: Path = None
    unit: Unit = "kWh"
    chargers: Chargers = []  # noqa: RUF012 - msgspec copies it


@changes_of(MeterBody)
class MeterChangeBody(ClientInput):
    """What is to change of a meter; the rest stays."""

    since: GivenTime | UnsetType = UNSET


class ReadingBody(ClientInput):
    """What a meter shows: now, if no time is given.

    - unit (--unit UNIT): Its unit.
    - at (--at TIME): When it was read; now, if not given.
    """

    value: Register
    unit: Unit = "kWh"
    at: LocalTime = None


class ReadingLine(ClientInput):
    meter: Annotated[str, Meta(max_length=200)]
    at: GivenTime
    value: Register
    unit: Unit = "kWh"


class VoidBody(ClientInput):
    """Why a reading is wrong.

    - reason (--reason TEXT): Why it is wrong.
    """

    reason: Annotated[str, Meta(max_length=500, pattern=r"\S", extra=NOT_BLANK)]


class MetersQuery(Paged):
    name: OfName = None


class MeterReadingsQuery(Paged):
    """What is asked for.

    + valid: Only those that hold, or that were voided.
    """

    valid: bool | None = None


@record
class EnteredReading(MeterReading):
    """A reading; `result` is added, or same if it was known. `contradicts` are the readings next to
    it that it contradicts: higher before, or lower after. Unless the meter was replaced or went on
    at 0, one of them is wrong."""

    result: str
    contradicts: list[int]


def _fields(request: Request, body: ClientInput) -> Values:
    fields = stored_fields(request, body.given())
    if "path" in fields:
        fields["path"] = fields["path"] or ""
    if "chargers" in fields:
        fields["chargers"] = tuple(sorted(set(fields["chargers"])))
    return fields


@METER_ENDPOINTS.get(METERS, Role.OPERATOR)
async def list_meters(request: TypedRequest[MetersQuery, None]) -> ListPage[Meter]:
    """List the meters of the house, by their names."""
    query = request.query
    return await page(request, meter_reads.meters, name=query.name, wanted=wanted(query))


@METER_ENDPOINTS.post(METERS, Role.ADMIN, "in_use", "conflict", "not_found", status=CREATED)
async def create_meter(request: TypedRequest[None, MeterBody]) -> Meter:
    """Add a meter of the house, of the whole site or of some chargers."""
    fields = _fields(request, request.body)
    fields["since"] = fields["since"] or midnight(request.api)
    number = await request.write(writes.add, MeterData(**fields))
    return await request.read(read_meter, number)


@METER_ENDPOINTS.get(METER, Role.OPERATOR, "not_found")
async def get_meter(request: Request) -> Meter:
    """Show a meter of the house."""
    return await request.read(read_meter, request.number())


@METER_ENDPOINTS.patch(METER, Role.ADMIN, "not_found", "in_use", "conflict")
async def change_meter(request: TypedRequest[None, MeterChangeBody]) -> Meter:
    """Change a meter of the house. One that is replaced is given an end, and its successor is
    added."""
    fields = _fields(request, request.body)
    await request.write(writes.change, request.number(), fields)
    return await get_meter(request)


def read_meter(db: Database, number: int) -> Meter:
    """Return a meter of the house. Raises Problem."""
    meter = meter_reads.meter(db, number)
    if meter is None:
        raise not_found(Told("meter {1}", number))
    return meter


# Readings


@METER_ENDPOINTS.get(READINGS, Role.OPERATOR, "not_found")
async def list_readings(request: TypedRequest[MeterReadingsQuery, None]) -> ListPage[MeterReading]:
    """List the readings of a meter, the newest first."""
    query, number = request.query, request.number()
    # A meter that does not exist is a problem, and not an empty list.
    await get_meter(request)
    valid, rows = query.valid, wanted(query)
    return await page(request, meter_reads.readings, meter=number, is_valid=valid, wanted=rows)


def _register(text: str) -> str:
    """Return what somebody read and typed, with comma or point, as it is stored; what is no number
    stays."""
    number = typed_number(text)
    return text if number is None else f"{number:f}"


@METER_ENDPOINTS.post(READINGS, Role.OPERATOR, "not_found", "conflict", status=CREATED)
async def enter_reading(request: TypedRequest[None, ReadingBody]) -> EnteredReading:
    """Enter a reading of a meter. The same again changes nothing."""
    body = request.body
    meter = str(request.number())
    now, by = request.api.stamp(), request.caller.name
    at = local_moment(body.at, "at", request.zone) or now
    taken = GivenReading(meter, at, _register(body.value), body.unit)
    added = await request.commit(writes.read, taken, HAND, now, by)

    def read(db: Database) -> EnteredReading | None:
        reading = meter_reads.reading(db, added.id)
        if reading is None:
            return None
        numbers = [other.id for other in meter_reads.contradictions(db, reading)]
        return copied(EnteredReading, reading, result=added.word, contradicts=numbers)

    return await request.find(read, Told("reading {1}", added.id))


@METER_ENDPOINTS.post(f"{READINGS}/{{reading}}/void", Role.OPERATOR, "not_found", "conflict")
async def void_reading(request: TypedRequest[None, VoidBody]) -> MeterReading:
    """Void a reading that is wrong; it stays on record."""
    number = request.number("reading")
    who = said(request, request.body.reason)
    await request.commit(writes.void, request.number(), number, who)
    return await request.find(meter_reads.reading, Told("reading {1}", number), number=number)


def _line(request: Request, cells: Cells) -> GivenReading:
    """Return the reading of a line. Raises Problem."""
    line = converted(cells, ReadingLine)
    at = local_moment(line.at, "at", request.zone)
    return GivenReading(line.meter, at or "", _register(line.value), line.unit)


@METER_ENDPOINTS.post(
    "/api/admin/meter-reading-import",
    Role.OPERATOR,
    "too_many_waiting",
    body=StreamedBody(CSV),
)
async def import_readings(request: Upload) -> ImportedLines:
    """Import readings of meters as CSV: all lines of the file, or none and what is wrong with
    each."""
    read = partial(_line, request)
    sheet = CsvFormat(OF_READING, OF_READING[:3], MOST_LINES, Told("reading"), read)
    return await import_lines(request, sheet, writes.import_readings)


# The reconciliation of a month: whether the energy of the registers is that of the transactions,
# and of the house


@METER_ENDPOINTS.get("/api/admin/reconciliations/{month}", Role.OPERATOR)
async def get_reconciliation(request: Request) -> Reconciliation:
    """Reconcile a month: the registers' energy with that of transactions and of the house's
    meters."""
    month = month_of(request)
    return await request.read(read_reconciliation, server=request.api, month=month)


def read_reconciliation(db: Database, server: Server, month: Month) -> Reconciliation:
    """Reconcile a month."""
    zone = server.config.time_zone
    span = TimeSpan(stamp(month.since(zone)), stamp(month.until(zone)))
    return reconciliation(db, str(month), span, server.stamp())
