"""Payment services outside: who they are, and their webhook, which a signature opens in place of a token."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from secrets import token_urlsafe
from typing import Annotated, Final, Literal

import msgspec

from levity_trio.billing.ledger import LARGEST, PAID_OUT, Kind
from levity_trio.events import PaymentRefused
from levity_trio.store.faults import StoreUnavailable
from levity_trio.store.reads import Unreadable
from levity_trio.store.reads import payment_services as stored
from levity_trio.store.reads import wallets as stored_wallets
from levity_trio.store.reads.payment_services import ServiceRow
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.wallets import currency_of
from levity_trio.store.writes import ledger
from levity_trio.store.writes import payment_services as writes
from levity_trio.store.writes.accounts import Code, Refused
from levity_trio.store.writes.ledger import Entered, Entry
from levity_trio.store.writes.payment_services import NewService
from levity_trio.web.api.access import SIGNED
from levity_trio.web.api.accounts import Id, refusals
from levity_trio.web.api.endpoints import NAME_PATTERN, Asked, Endpoint, Role, SignedBody, StructBody
from levity_trio.web.api.problems import Problem, busy, needing_key, not_found
from levity_trio.web.api.shown import list_of, show
from levity_trio.web.api.wallets import Currency
from levity_trio.web.webhooks.incoming import HEADER, WrongSignature, WrongTime, check

TAG: Final = "payment services"
SERVICES: Final = "/api/admin/payment-services"
SECRET_BYTES: Final = 32
LARGEST_BODY: Final = 4096
CLOCK_SECONDS: Final = 60


class NewServiceBody(msgspec.Struct, forbid_unknown_fields=True):
    """A payment service to be added; its webhook is /api/payments/NAME."""

    name: Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)]


class AddedService(msgspec.Struct):
    """A new payment service. `secret`, with which it signs, is shown only now."""

    id: int
    name: str
    secret: str


class PaymentBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Money that a service has taken for an account, or has taken back. `id` is the service's own, one for each."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    account: Id
    amount: Annotated[int, msgspec.Meta(ge=1, le=LARGEST, description="Minor units of the currency, such as cents.")]
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


async def _list(asked: Asked) -> object:
    return show(await asked.api.reader.run(stored.services))


async def _add(asked: Asked) -> AddedService:
    body, secret = asked.body, token_urlsafe(SECRET_BYTES)
    new = NewService(body.name, secret, asked.api.stamp(), asked.caller.name)
    with needing_key():
        number = await asked.api.writer.run(writes.add, new, asked.api.key)
    if number is None:
        words = f"a payment service named {body.name} is in use; revoke it first, or choose another name"
        raise Problem(HTTPStatus.CONFLICT, "in_use", words)
    return AddedService(number, body.name, secret)


async def _revoke(asked: Asked) -> None:
    number = asked.number()
    if not await asked.api.writer.run(writes.revoke, number, asked.api.stamp(), asked.caller.name):
        raise not_found(f"payment service {number} in use")


# The webhook


async def take_payment(asked: Asked) -> EnteredPayment:
    """Enter what a service reports, once; count what is refused."""
    try:
        return await _take(asked)
    except Problem as problem:
        asked.api.publish(PaymentRefused(charger=None, code=problem.code))
        raise
    except (StoreUnavailable, Unreadable):
        asked.api.publish(PaymentRefused(charger=None, code="not_storable"))
        raise


async def _take(asked: Asked) -> EnteredPayment:
    name, raw = asked.path["name"], asked.body
    if len(raw) > LARGEST_BODY:
        words = f"the body is too large; the limit is {LARGEST_BODY} bytes"
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", words)
    await _check_signature(asked, name, raw)
    body: PaymentBody = _BODY.read(raw)
    kind = Kind(body.kind)
    entry = Entry(
        account=body.account,
        kind=kind,
        amount=-body.amount if kind in PAID_OUT else body.amount,
        currency=body.currency,
        reason=f"{body.kind} by {name}",
        at=asked.api.stamp(),
        by=f"payment service {name}",
        service_id=f"{name.casefold()}/{body.id}",
    )
    with refusals():
        entered = await asked.api.writer.run(_in_a_known_currency, entry)
    row = await asked.api.reader.run(partial(stored_wallets.entry, number=entered.id))
    return EnteredPayment(row.id, body.id, row.account, body.amount, row.currency, row.kind, row.entered_at)


async def _check_signature(asked: Asked, name: str, raw: bytes) -> None:
    """Raise Problem unless the service signed the body lately. One that does not exist is refused the same."""
    secret = await asked.api.reader.run(partial(stored.secret_of, name=name, key=asked.api.key)) or token_urlsafe(
        SECRET_BYTES
    )
    try:
        check(asked.headers.get(HEADER), secret, raw, asked.api.now().timestamp())
    except WrongSignature as wrong:
        raise Problem(HTTPStatus.UNAUTHORIZED, "wrong_signature", str(wrong)) from None
    except WrongTime as wrong:
        if not asked.api.is_clock_trusted():
            raise busy("busy", "the clock of this server is not set yet; send it again", CLOCK_SECONDS) from None
        raise Problem(HTTPStatus.UNAUTHORIZED, "wrong_time", str(wrong)) from None


def _in_a_known_currency(db: UnitOfWork, entry: Entry) -> Entered:
    """Enter something; a service does not decide what the currency of the site is. Raises Refused."""
    if currency_of(db.rows) is None:
        raise Refused(Code.CONFLICT, "this site has no currency yet; add a tariff first", "currency")
    return ledger.enter(db, entry)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=SERVICES,
        role=Role.ADMIN,
        tag=TAG,
        summary="List the payment services, the newest first.",
        handle=_list,
        answer=list_of(ServiceRow),
    ),
    Endpoint(
        method="POST",
        path=SERVICES,
        role=Role.ADMIN,
        tag=TAG,
        summary="Add a payment service; its secret is shown only in this answer.",
        handle=_add,
        body=StructBody(NewServiceBody),
        answer=AddedService,
        status=HTTPStatus.CREATED,
        problems=("in_use", "conflict"),
    ),
    Endpoint(
        method="DELETE",
        path=f"{SERVICES}/{{id}}",
        role=Role.ADMIN,
        tag=TAG,
        summary="Revoke a payment service; its requests are refused from then on.",
        handle=_revoke,
        problems=("not_found",),
    ),
    Endpoint(
        method="POST",
        path=f"{SIGNED}{{name}}",
        role=Role.OUTSIDE,
        tag=TAG,
        summary="Report a top-up or a chargeback, signed; a repeat enters nothing and is answered the same.",
        handle=take_payment,
        body=SignedBody(PaymentBody),
        answer=EnteredPayment,
        problems=("wrong_signature", "wrong_time", "not_found", "conflict", "too_large", "busy"),
    ),
)
