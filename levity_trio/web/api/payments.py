"""Payment services outside: who they are, and their webhook, which a signature opens in place of a token."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from secrets import token_urlsafe
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from levity_trio.billing.ledger import LARGEST, PAID_OUT, Kind
from levity_trio.events import PaymentRefused
from levity_trio.store.engine.faults import StoreUnavailable, Unreadable
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.reads import wallets as stored_wallets
from levity_trio.store.reads.wallets import ServiceRow
from levity_trio.store.wallets import currency_of
from levity_trio.store.writes import biller, wallets
from levity_trio.store.writes.accounts import Code, Refused
from levity_trio.store.writes.biller import NewService
from levity_trio.store.writes.wallets import Entered, Entry
from levity_trio.web.api.access import SIGNED
from levity_trio.web.api.accounts import Id, refusals
from levity_trio.web.api.bodies import NAME_PATTERN, Sent, SignedBody, StructBody, whole_text
from levity_trio.web.api.endpoints import CREATED, Asked, Endpoints, Request, Role
from levity_trio.web.api.problems import Problem, busy, needing_key, not_found
from levity_trio.web.api.wallets import Currency
from levity_trio.web.webhooks.incoming import HEADER, WrongSignature, WrongTime, check

TAG: Final = "payment services"
ENDPOINTS: Final = Endpoints(TAG)
SERVICES: Final = "/api/admin/payment-services"
SECRET_BYTES: Final = 32
LARGEST_BODY: Final = 4096
CLOCK_SECONDS: Final = 60


class NewServiceBody(Sent):
    """A payment service to be added; its webhook is /api/payments/NAME."""

    name: Annotated[str, whole_text(pattern=NAME_PATTERN)]


class AddedService(msgspec.Struct):
    """A new payment service. `secret`, with which it signs, is shown only now."""

    id: int
    name: str
    secret: str


class PaymentBody(Sent):
    """Money that a service has taken for an account, or has taken back. `id` is the service's own, one for each."""

    id: Annotated[str, Meta(min_length=1, max_length=200)]
    account: Id
    amount: Annotated[int, Meta(ge=1, le=LARGEST, description="Minor units of the currency, such as cents.")]
    currency: Currency
    kind: Literal["top-up", "chargeback"] = "top-up"


class EnteredPayment(msgspec.Struct):
    """What was entered; a repeat gets the same."""

    entry: int
    id: str
    account: int
    amount: int
    currency: str
    kind: str
    entered_at: str


_BODY: Final = StructBody(PaymentBody)


@ENDPOINTS.get(SERVICES, Role.ADMIN)
async def _list(request: Request) -> list[ServiceRow]:
    """List the payment services, the newest first."""
    return await request.read(stored_wallets.services)


@ENDPOINTS.post(SERVICES, Role.ADMIN, "in_use", "conflict", status=CREATED)
async def _add(request: Asked[None, NewServiceBody]) -> AddedService:
    """Add a payment service; its secret is shown only in this answer."""
    body, secret = request.body, token_urlsafe(SECRET_BYTES)
    new = NewService(body.name, secret, request.api.stamp(), request.caller.name)
    with needing_key():
        number = await request.api.writer.run(biller.add, new, request.api.key)
    if number is None:
        words = f"a payment service named {body.name} is in use; revoke it first, or choose another name"
        raise Problem(HTTPStatus.CONFLICT, "in_use", words)
    return AddedService(number, body.name, secret)


@ENDPOINTS.delete(f"{SERVICES}/{{id}}", Role.ADMIN, "not_found")
async def _revoke(request: Request) -> None:
    """Revoke a payment service; its requests are refused from then on."""
    number = request.number()
    if not await request.write(biller.revoke, number):
        raise not_found(f"payment service {number} in use")


# The webhook


@ENDPOINTS.post(
    f"{SIGNED}{{name}}",
    *(Role.OUTSIDE, "wrong_signature", "wrong_time", "not_found", "conflict", "too_large", "busy"),
    body=SignedBody(PaymentBody),
)
async def take_payment(request: Asked[None, bytes]) -> EnteredPayment:
    """Report a top-up or a chargeback, signed; a repeat enters nothing and is answered the same.

    What is refused is counted.
    """
    try:
        return await _take(request)
    except Problem as problem:
        request.api.publish(PaymentRefused(charger=None, code=problem.code))
        raise
    except (StoreUnavailable, Unreadable):
        request.api.publish(PaymentRefused(charger=None, code="not_storable"))
        raise


async def _take(request: Asked[None, bytes]) -> EnteredPayment:
    name, raw = request.path["name"], request.body
    if len(raw) > LARGEST_BODY:
        words = f"the body is too large; the limit is {LARGEST_BODY} bytes"
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", words)
    await _check_signature(request, name, raw)
    body = _BODY.read(raw)
    kind = Kind(body.kind)
    entry = Entry(
        account=body.account,
        kind=kind,
        amount=-body.amount if kind in PAID_OUT else body.amount,
        currency=body.currency,
        reason=f"{body.kind} by {name}",
        at=request.api.stamp(),
        by=f"payment service {name}",
        service_id=f"{name.casefold()}/{body.id}",
    )
    with refusals():
        entered = await request.api.writer.run(_in_a_known_currency, entry)
    row = await request.read(partial(stored_wallets.entry, number=entered.id))
    return EnteredPayment(row.id, body.id, row.account, body.amount, row.currency, row.kind, row.entered_at)


async def _check_signature(request: Request, name: str, raw: bytes) -> None:
    """Raise Problem unless the service signed the body lately. One that does not exist is refused the same."""
    known = await request.read(partial(stored_wallets.secret_of, name=name, key=request.api.key))
    secret = known or token_urlsafe(SECRET_BYTES)
    try:
        check(request.headers.get(HEADER), secret, raw, request.api.now().timestamp())
    except WrongSignature as wrong:
        raise Problem(HTTPStatus.UNAUTHORIZED, "wrong_signature", str(wrong)) from None
    except WrongTime as wrong:
        if not request.api.is_clock_trusted():
            raise busy("busy", "the clock of this server is not set yet; send it again", CLOCK_SECONDS) from None
        raise Problem(HTTPStatus.UNAUTHORIZED, "wrong_time", str(wrong)) from None


def _in_a_known_currency(db: UnitOfWork, entry: Entry) -> Entered:
    """Enter something; a service does not decide what the currency of the site is. Raises Refused."""
    if currency_of(db.rows) is None:
        raise Refused(Code.CONFLICT, "this site has no currency yet; add a tariff first", "currency")
    return wallets.enter(db, entry)
