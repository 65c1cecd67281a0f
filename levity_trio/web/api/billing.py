"""The months of billing: since when, the draft that is prepared step by step, the closing, and how far each is."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

from msgspec import Meta

from levity_trio.billing.months import Month
from levity_trio.billing.ownership import BillBy
from levity_trio.documents import DocumentProblem
from levity_trio.locale import of_reader
from levity_trio.notify.statements import sheet_text
from levity_trio.records import record
from levity_trio.store.billing.drafting import Order
from levity_trio.store.billing.due import Plan, Terms
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.reads import billing as stored
from levity_trio.store.reads import months
from levity_trio.store.reads.billing import FirstBill, first_bill
from levity_trio.store.reads.missing import MissingPiece, missing
from levity_trio.store.reads.months import BillMonth, HeldBackTransaction
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.reads.statements import draft_of
from levity_trio.store.upkeep.preparing import Progress
from levity_trio.store.writes.billing import closing
from levity_trio.store.writes.billing.closing import Code, Refused
from levity_trio.web.api.bodies import MINOR_UNITS, MONTH_PATTERN, Sent, whole_text
from levity_trio.web.api.endpoints import HIGHEST_ID, Asked, Endpoints, Request, Role
from levity_trio.web.api.lists import whole
from levity_trio.web.api.local_times import LocalDay, local_day
from levity_trio.web.api.problems import Problem, invalid

BILLING: Final = "/api/admin/billing"
DRAFT: Final = "/api/admin/drafts/{month}"
CLOSING: Final = "/api/admin/closings/{month}"
TAG: Final = "billing"
ENDPOINTS: Final = Endpoints(TAG)
SECONDS: Final = 10.0
"""A request works on a draft for so long at most; the client asks again until it is ready."""
REFUSED: Final = ("not_begun", "conflict", "not_over", "not_ready", "no_tariff", "no_biller", "not_made")
SALT_BYTES: Final = 32
SETTLED_AT_ONCE: Final = 500
Minor = Annotated[
    int, Meta(ge=0, lt=2**53, description="In minor units of the currency.", extra_json_schema=MINOR_UNITS)
]
Account = Annotated[int, Meta(ge=1, le=HIGHEST_ID, description="Only this one, which moves out.")]


MonthName = Annotated[str, whole_text(pattern=MONTH_PATTERN, description="Such as 2026-10.")]


class BeginBody(Sent):
    begun_on: LocalDay


class TermsBody(Sent):
    account: Account | None = None
    carry_below: Minor = 0


class DraftBody(TermsBody):
    """By which terms, and for how long this request may work."""

    seconds: Annotated[float, Meta(ge=0, le=SECONDS)] = SECONDS


class MonthClosingBody(TermsBody):
    """By which terms. With what the preview showed, a month that comes to something else meanwhile is refused."""

    statements: Annotated[int, Meta(ge=0, lt=2**31, description="As the preview showed them.")] | None = None
    charged: Annotated[int, Meta(gt=-(2**53), lt=2**53, description="As the preview showed it.")] | None = None


@record
class Draft:
    """How far the draft of a month is: accounts that are done, of all. `sums` are there when it is ready."""

    month: str
    account: int | None
    ready: bool
    done: int
    accounts: int
    sums: stored.DraftSums | None


@record
class ClosedMonth:
    """What was closed: the first and the last number of its statements are null if there are none."""

    month: str
    account: int | None
    statements: int
    first: int | None
    last: int | None


@contextmanager
def refusals() -> Iterator[None]:
    """Report what is refused about a month. Raises Problem."""
    try:
        yield
    except Refused as refused:
        raise Problem(HTTPStatus.CONFLICT, refused.code, refused.words) from None
    except DocumentProblem as problem:
        raise Problem(HTTPStatus.CONFLICT, "not_made", str(problem)) from None


def rule(request: Request) -> Rule:
    """Return by what transactions are billed."""
    config = request.api.config
    return Rule(config.time_zone, request.api.id_tags.policy, BillBy(config.bill_by))


def month_of(request: Request) -> Month:
    """Return the month in the path. Raises Problem."""
    try:
        return Month.parse(request.path["month"])
    except ValueError as error:
        raise invalid("month", str(error)) from None


async def draft_id(request: Request) -> int:
    """Return the draft of the month in the path, if it is ready. Raises Problem."""
    month = month_of(request)
    return await request.find(
        partial(draft_of, month=str(month)),
        f"draft of {month} that is ready; make one with levity-trio bill preview {month}",
    )


@ENDPOINTS.get(BILLING, Role.OPERATOR, "not_found")
async def get_billing(request: Request) -> stored.Billing:
    """Show since when this system bills, and which months are closed."""
    return await request.find(stored.billing, "billing yet; say since when this system bills")


@ENDPOINTS.put(BILLING, Role.ADMIN, "conflict")
async def begin(request: Asked[None, BeginBody]) -> stored.Billing:
    """Say since when this system bills. The day stays when a month is closed."""
    day = local_day(request.body.begun_on, "begun_on")
    with refusals():
        await request.write(closing.begin, day)
    return await get_billing(request)


@ENDPOINTS.post(DRAFT, Role.OPERATOR, "not_begun", "conflict", "no_tariff", "too_many_waiting")
async def prepare(request: Asked[None, DraftBody]) -> Draft:
    """Work on the draft of a month for some seconds; ask again until it is ready."""
    planned, progress = await _prepare(request, request.body.seconds)
    sums = await _sums(request, planned, progress) if progress.is_ready else None
    return Draft(
        month=str(planned.month),
        account=planned.account,
        ready=progress.is_ready,
        done=progress.done,
        accounts=progress.accounts,
        sums=sums,
    )


async def _sums(request: Request, planned: Plan, progress: Progress) -> stored.DraftSums:
    return await request.read(lambda db: stored.draft_sums(db, progress.draft, planned))


async def _prepare(request: Asked[None, TermsBody], seconds: float) -> tuple[Plan, Progress]:
    terms = Terms(rule(request), request.body.carry_below)
    with refusals():
        async with request.api.places.wait():
            return await request.api.preparing.prepare(month_of(request), request.body.account, terms, seconds)


@ENDPOINTS.post(CLOSING, Role.ADMIN, *REFUSED, "too_many_waiting")
async def close(request: Asked[None, MonthClosingBody]) -> ClosedMonth:
    """Close a month: number and seal its statements."""
    planned, progress = await _prepare(request, SECONDS)
    salt = secrets.token_bytes(SALT_BYTES)
    order = Order(request.caller.name, request.api.stamp(), sheet_text, salt, of_reader())
    with refusals():
        if not progress.is_ready:
            words = f"the draft is not ready yet ({progress.done} of {progress.accounts} accounts); prepare it first"
            raise Refused(Code.NOT_READY, words)
        _check_shown(request.body, await _sums(request, planned, progress))
        found = await request.read(partial(stored.closable, draft=progress.draft, order=order))
        closed = await request.api.writer.run(closing.close, planned, order, found)
    await _tidy(request, planned, progress.draft)
    return ClosedMonth(
        month=str(planned.month),
        account=planned.account,
        statements=closed.statements,
        first=closed.first,
        last=closed.last,
    )


def _check_shown(body: MonthClosingBody, sums: stored.DraftSums) -> None:
    """Check that what is closed is what was looked at. Raises Refused."""
    is_as_shown = body.statements in (None, sums.statements) and body.charged in (None, sums.charged)
    if not is_as_shown:
        raise Refused(Code.NOT_READY, "the month comes to something else now; look at its preview, and close it again")


async def _tidy(request: Request, planned: Plan, draft: int) -> None:
    """Delete what the closing settled, in short writes. What is left after a crash goes with the next closing."""
    await request.api.preparing.discard(draft)
    settled = SETTLED_AT_ONCE if planned.account is None else 0
    while settled == SETTLED_AT_ONCE:
        settled = await request.api.writer.run(closing.settle, planned, SETTLED_AT_ONCE)


# How far each month is, and what of it is held back


MONTHS: Final = "/api/admin/months"
AT_ONCE: Final = 24


class MonthsQuery(Sent):
    """The months before a cursor, which is one of them."""

    limit: Annotated[int, Meta(ge=1, le=120)] = AT_ONCE
    cursor: MonthName | None = None


@ENDPOINTS.get("/api/admin/first-bill", Role.OPERATOR)
async def get_first_bill(request: Request) -> FirstBill:
    """Show what must be there before the first bill, and what of it is."""
    return await request.read(first_bill)


@ENDPOINTS.get(MONTHS, Role.OPERATOR)
async def list_months(request: Asked[MonthsQuery, None]) -> ListPage[BillMonth]:
    """List the months since this system bills, the newest first: how far each is, and what it comes to."""
    query = request.query
    zone, now = request.zone, request.api.now()
    read = partial(months.months, zone=zone, now=now, before=query.cursor, most=query.limit + 1)
    found = await request.read(read)
    shown = found[: query.limit]
    next_cursor = shown[-1].month if len(found) > len(shown) else None
    return ListPage(data=shown, page=1, limit=query.limit, next_cursor=next_cursor)


@ENDPOINTS.get(f"{MONTHS}/{{month}}", Role.OPERATOR, "not_found")
async def get_month(request: Request) -> BillMonth:
    """Show how far a month is, and what it comes to."""
    month = month_of(request)
    read = partial(months.month, month=month, zone=request.zone, now=request.api.now())
    return await request.find(read, f"bill for {month}: it is before this system began to bill, or has not begun")


@ENDPOINTS.get(f"{MONTHS}/{{month}}/missing", Role.OPERATOR, "not_found")
async def list_missing(request: Request) -> ListPage[MissingPiece]:
    """List what is missing before a month is closed: what blocks, what comes later, and what its papers would lack.

    Sessions without a tariff and those of nobody are known once its draft is ready.
    """
    month = await get_month(request)
    return whole(await request.read(lambda db: missing(db, month)))


@ENDPOINTS.get("/api/admin/closings/{month}/held-back", Role.OPERATOR)
async def list_held_back(request: Request) -> ListPage[HeldBackTransaction]:
    """List the sessions that the closed statements of a month did not ask for, and why."""
    return whole(await request.read(partial(months.held_back_of_month, month=str(month_of(request)))))


@ENDPOINTS.get("/api/admin/drafts/{month}/held-back", Role.OPERATOR, "not_found")
async def list_held_back_of_draft(request: Request) -> ListPage[HeldBackTransaction]:
    """List the sessions that the statements of a draft do not ask for, and why."""
    return whole(await request.read(partial(months.held_back_of_draft, draft=await draft_id(request))))
