"""Webhooks: receivers outside that get the facts, signed."""

from __future__ import annotations

from secrets import token_hex
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from levity_trio.outgoing.addresses import AddressRefused
from levity_trio.store.reads.site.events import GivenUpRow, WebhookRow, given_up, webhooks
from levity_trio.store.writes.site import webhooks as writes
from levity_trio.store.writes.site.webhooks import NewWebhook
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import (
    CREATED,
    ClientInput,
    Endpoints,
    Request,
    Role,
    TypedRequest,
)
from levity_trio.web.api.engine.problems import invalid, not_found, refusal
from levity_trio.web.api.site.administration import BelowQuery, Name
from levity_trio.web.api.site.events import KINDS, check_kinds
from levity_trio.web.webhooks.delivery import NOT_SIGNABLE
from levity_trio.web.webhooks.request import (
    LONGEST_URL,
    BadUrl,
    Undelivered,
    WebhookMessage,
    destination,
    new_secret,
    send,
)
from levity_trio.wire.secrets import masked_url

ENDPOINTS: Final = Endpoints("webhooks")

Kind = Annotated[str, Meta(extra_json_schema={"enum": KINDS})]
URL_PATTERN: Final = r"^https?://[a-z0-9]([a-z0-9-]*[a-z0-9])?(:[1-9][0-9]{0,3})?(/[!\x22$-~]*)?$"
"""What is accepted in any case, for the documentation."""
TEST_BODY: Final = b'{"id":null,"kind":"Test","data":{}}'


class NewWebhookBody(ClientInput):
    """A webhook to be added. `kinds` and `charger` restrict which facts it gets."""

    name: Name
    url: Annotated[
        str,
        Meta(
            description="http:// or https://, with a name or an address that is not link-local.",
            extra_json_schema={"pattern": URL_PATTERN, "maxLength": LONGEST_URL},
        ),
    ]
    kinds: Annotated[list[Kind], Meta(min_length=1, max_length=200)] | None = None
    charger: Annotated[str, Meta(min_length=1, max_length=255)] | None = None


class AddedWebhook(msgspec.Struct):
    """A new webhook. `secret`, which checks the signatures, is shown only now."""

    id: int
    name: str
    url: str
    secret: str


class DeliveryTest(msgspec.Struct):
    """The result of a test: the status of the response, or the problem."""

    is_delivered: bool
    status: int | None
    problem: str | None


@ENDPOINTS.get("/api/admin/webhooks", Role.ADMIN)
async def _list(request: Request) -> list[WebhookRow]:
    """List the webhooks, the newest first"""
    return await request.read(webhooks)


@ENDPOINTS.post("/api/admin/webhooks", Role.ADMIN, "in_use", "conflict", status=CREATED)
async def _add(request: TypedRequest[None, NewWebhookBody]) -> AddedWebhook:
    """Add a webhook, which gets the facts from now on; its secret is shown only in this answer"""
    body = request.body
    try:
        destination(body.url)
    except (BadUrl, AddressRefused) as problem:
        raise invalid("url", str(problem)) from None
    check_kinds("kinds", body.kinds or (), KINDS)
    api, secret, shown = request.api, new_secret(), masked_url(body.url)
    kinds = tuple(body.kinds) if body.kinds else None
    new = NewWebhook(body.name, body.url, shown, secret, kinds, body.charger)
    at, by = api.stamp(), request.caller.name
    added = await request.commit(writes.add, new, at, by, api.key)
    if added is None:
        words = Told(
            "a webhook named {1} is in use; remove it first, or choose another name", body.name
        )
        raise refusal("in_use", words)
    api.webhooks.note_change()
    return AddedWebhook(added.id, added.name, shown, secret)


@ENDPOINTS.delete("/api/admin/webhooks/{id}", Role.ADMIN, "not_found")
async def _remove(request: Request) -> None:
    """Remove a webhook; what waits for it is not delivered"""
    api, webhook = request.api, request.number()
    if not await request.write(writes.remove, webhook):
        raise not_found(Told("webhook {1} in use", webhook))
    api.webhooks.note_change()


@ENDPOINTS.post("/api/admin/webhooks/{id}/test", Role.ADMIN, "not_found", "too_many_waiting")
async def _test(request: Request) -> DeliveryTest:
    """Send a test message once, and tell what came of it"""
    api, number = request.api, request.number()
    webhooks_in_use = await api.writer.run(writes.in_use, api.key)
    webhook = next((webhook for webhook, _ in webhooks_in_use if webhook.id == number), None)
    if webhook is None:
        raise not_found(Told("webhook {1} in use", number))
    message = WebhookMessage(f"test-{token_hex(8)}", 1, int(api.now().timestamp()), TEST_BODY)
    if webhook.secret is None:
        return DeliveryTest(False, None, NOT_SIGNABLE)
    async with api.places.wait():
        try:
            status = await send(webhook.url, webhook.secret, message)
        except Undelivered as problem:
            return DeliveryTest(False, None, str(problem))
    return DeliveryTest(True, status, None)


@ENDPOINTS.get("/api/admin/webhooks/{id}/given-up", Role.ADMIN)
async def _list_given_up(request: TypedRequest[BelowQuery, None]) -> list[GivenUpRow]:
    """List the facts that were never delivered, the newest first"""
    query = request.query
    number, before = request.number(), query.before
    return await request.read(given_up, webhook=number, before=before, limit=query.limit)
