"""Who outside gets what happens here: streams of events (every fact as it is committed, and
readings as they arrive), webhooks, signed, the broker of MQTT, and other backends with a copy of
what chargers tell."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from difflib import get_close_matches
from functools import partial
from secrets import token_hex
from typing import Annotated, Final, TypeVar, TypeVarTuple

import msgspec
import trio
from msgspec import UNSET, Meta, UnsetType

from levity_trio.authority import AuthorityProblem
from levity_trio.authority.apart import read_certificate, read_pair
from levity_trio.config import ServerConfig
from levity_trio.events import Fact
from levity_trio.listening.own_addresses import is_of_this_machine
from levity_trio.outgoing.addresses import AddressRefused
from levity_trio.records import Personal, record, whole_text
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.reads.chargers.chargers import is_known
from levity_trio.store.reads.site.receivers import (
    BackendRow,
    CopiedCharger,
    GivenUpRow,
    MqttState,
    RefusedRow,
    WebhookRow,
    backends,
    before,
    given_up,
    in_use,
    refused,
    state,
    webhooks,
)
from levity_trio.store.writes.site import receivers as writes
from levity_trio.store.writes.site.receivers import BackendData, NewWebhook, OnlyChecked
from levity_trio.told import Told
from levity_trio.web.api.chargers.chargers import Identity, known_charger
from levity_trio.web.api.chargers.security import LONGEST_PEM
from levity_trio.web.api.engine.endpoints import (
    CONNECTORS,
    CREATED,
    HIGHEST_ID,
    ClientInput,
    Endpoints,
    Request,
    Role,
    TypedRequest,
    Values,
    changes_of,
)
from levity_trio.web.api.engine.lists import (
    GivenTime,
    LocalDay,
    OfCharger,
    begins_at,
    local_day,
    local_moment,
)
from levity_trio.web.api.engine.problems import busy, conflict, invalid, not_found, refusal
from levity_trio.web.api.engine.serving import EventStream, charger_called, is_admitted
from levity_trio.web.api.people.tags import IdTag
from levity_trio.web.api.site.system import BelowQuery, Name
from levity_trio.web.feed import READING, EventFrame
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
from levity_trio.wire.times import stamp

ENDPOINTS: Final = Endpoints("events")

CLOSE: Final = 0.5
"""How alike a kind is to the one that was meant (difflib)."""
COMMENT_SECONDS: Final = 15.0
COMMENT: Final = b": waiting\n\n"
LONGEST_ID: Final = 18
KINDS: Final = sorted({kind.__name__ for kind in Fact.__subclasses__()})
"""The kinds of facts."""


class EventsQuery(ClientInput):
    """What is asked for.

    + kind: Only of these kinds, separated by commas.
    """

    charger: OfCharger = None
    kind: str | None = None


@ENDPOINTS.get("/api/events", Role.VIEWER, "too_many_streams", media_type="text/event-stream")
async def _stream(request: TypedRequest[EventsQuery, None]) -> EventStream:
    """Stream the facts as they are committed (server-sent events); Last-Event-ID resumes"""
    api = request.api
    if request.query.kind is not None:
        check_kinds("kind", request.query.kind.split(","), [*KINDS, READING])
    last = None
    text = request.headers.get("last-event-id")
    if text:
        if not text.isascii() or not text.isdecimal() or len(text) > LONGEST_ID:
            raise invalid("Last-Event-ID", Told("give the id of an event"))
        last = int(text)
    words = Told("all places of event streams are taken (--api-max-streams)")
    full = busy("too_many_streams", words, 10).response()
    return EventStream(partial(_frames, request, last), api.streams, request.caller, full)


def check_kinds(field: str, kinds: Iterable[str], known: Sequence[str]) -> None:
    """Raise the problem of a field that has a kind which is not known, with the names nearest to
    it."""
    of_lower = {name.lower(): name for name in known}
    for kind in kinds:
        if kind in known:
            continue
        nearest = get_close_matches(kind.lower(), of_lower, cutoff=CLOSE)
        hint = Told("see levity-trio help facts")
        if nearest:
            hint = Told("is it {1}?", " or ".join(of_lower[name] for name in nearest))
        shown = kind or Told("an empty text")
        raise invalid(field, Told("{1} is no kind of fact; {2}", shown, hint))


async def _frames(
    request: TypedRequest[EventsQuery, None], last: int | None
) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of the stream until the reader is too slow, its token or log-in ends, or the
    server stops."""
    feed = request.api.feed
    joined = await feed.join()
    begin = joined.position if last is None else min(last, joined.position)
    try:
        # At once, so that the head is sent.
        yield COMMENT
        async for frame in feed.past(begin, joined.position):
            if _is_wanted(request.query, frame):
                yield _bytes(request, frame)
        while is_admitted(request.api, request.caller):
            live: EventFrame | None = None
            with trio.move_on_after(COMMENT_SECONDS):
                live = await joined.frames.receive()
            if live is None:
                yield COMMENT
            elif _is_wanted(request.query, live):
                yield _bytes(request, live)
    except trio.EndOfChannel:
        # The feed drops a reader that is too slow.
        return
    finally:
        feed.leave(joined)


def _bytes(request: Request, frame: EventFrame) -> bytes:
    return frame.whole if request.sees_all else frame.anonymous


def _is_wanted(query: EventsQuery, frame: EventFrame) -> bool:
    if frame.kind == "gap":
        return True
    is_of_charger = query.charger is None or frame.charger == query.charger
    return is_of_charger and (query.kind is None or frame.kind in query.kind.split(","))


WEBHOOK_ENDPOINTS: Final = Endpoints("webhooks", ENDPOINTS)

Kind = Annotated[str, Meta(extra_json_schema={"enum": KINDS})]
URL_PATTERN: Final = r"^https?://[a-z0-9]([a-z0-9-]*[a-z0-9])?(:[1-9][0-9]{0,3})?(/[!\x22$-~]*)?$"
"""What is accepted in any case, for the documentation."""
TEST_BODY: Final = b'{"id":null,"kind":"Test","data":{}}'


class NewWebhookBody(ClientInput):
    """A webhook to be added. `kinds` and `charger` restrict which facts it gets.

    - name: What it is called.
    - kinds (--kind KIND): Only facts of this kind.
    - charger (--charger ID): Only facts of this charger.
    + url: http:// or https://, with a name or an address that is not link-local.
    """

    name: Name
    url: Annotated[str, Meta(extra_json_schema={"pattern": URL_PATTERN, "maxLength": LONGEST_URL})]
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


@WEBHOOK_ENDPOINTS.get("/api/admin/webhooks", Role.ADMIN)
async def _list(request: Request) -> list[WebhookRow]:
    """List the webhooks, the newest first"""
    return await request.read(webhooks)


@WEBHOOK_ENDPOINTS.post("/api/admin/webhooks", Role.ADMIN, "in_use", "conflict", status=CREATED)
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
    added = await request.commit(writes.add_webhook, new, at, by, api.key)
    if added is None:
        words = Told(
            "a webhook named {1} is in use; remove it first, or choose another name", body.name
        )
        raise refusal("in_use", words)
    api.webhooks.note_change()
    return AddedWebhook(added.id, added.name, shown, secret)


@WEBHOOK_ENDPOINTS.delete("/api/admin/webhooks/{id}", Role.ADMIN, "not_found")
async def _remove(request: Request) -> None:
    """Remove a webhook; what waits for it is not delivered"""
    api, webhook = request.api, request.number()
    if not await request.write(writes.remove_webhook, webhook):
        raise not_found(Told("webhook {1} in use", webhook))
    api.webhooks.note_change()


@WEBHOOK_ENDPOINTS.post(
    "/api/admin/webhooks/{id}/test", Role.ADMIN, "not_found", "too_many_waiting"
)
async def _test(request: Request) -> DeliveryTest:
    """Send a test message once, and tell what came of it"""
    api, number = request.api, request.number()
    webhooks_in_use = await api.writer.run(writes.webhooks_in_use, api.key)
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


@WEBHOOK_ENDPOINTS.get("/api/admin/webhooks/{id}/given-up", Role.ADMIN)
async def _list_given_up(request: TypedRequest[BelowQuery, None]) -> list[GivenUpRow]:
    """List the facts that were never delivered, the newest first"""
    query = request.query
    number, before = request.number(), query.before
    return await request.read(given_up, webhook=number, before=before, limit=query.limit)


MQTT_ENDPOINTS: Final = Endpoints("mqtt", ENDPOINTS)
MQTT: Final = "/api/admin/mqtt"
UNUSED: Final = Told("this site never used MQTT; start the server with --mqtt")


class ReplayBody(ClientInput):
    """The time from which on the broker gets the facts again.

    - since (--since TIME): The time of the first fact that is sent again.
    """

    since: GivenTime


@record
class Replay:
    """How many facts the broker gets again. `is_pruned`: older ones of this time are kept no
    longer."""

    facts: int
    is_pruned: bool


@MQTT_ENDPOINTS.get(MQTT, Role.VIEWER, "not_found")
async def _get(request: Request) -> MqttState:
    """Show whether the broker of MQTT is connected, since when, and how many facts wait for it"""
    connection = await request.read(state)
    if connection is None:
        raise refusal("not_found", UNUSED)
    return connection


@MQTT_ENDPOINTS.post(f"{MQTT}/replay", Role.ADMIN, "conflict")
async def _replay(request: TypedRequest[None, ReplayBody]) -> Replay:
    """Send the facts since a time again, for example those that a broker lost when it was killed"""
    since = local_moment(request.body.since, "since", request.zone)
    assert since is not None  # noqa: S101 - it was given
    if since > request.api.stamp():
        words = Told(
            "it is in the future; give a time from which on the broker gets the facts again"
        )
        raise invalid("since", words)
    position, is_pruned = await request.read(before, since=since)
    facts = await request.write(writes.replay_mqtt, position, since)
    if facts is None:
        raise conflict(UNUSED)
    return Replay(facts=facts, is_pruned=is_pruned)


T = TypeVar("T")
Ts = TypeVarTuple("Ts")

BACKEND_ENDPOINTS: Final = Endpoints("backends", ENDPOINTS)
BACKENDS: Final = "/api/admin/backends"
BACKEND: Final = f"{BACKENDS}/{{id}}"
LONGEST_ALIAS: Final = 20

Pem = Annotated[str, Meta(max_length=5 * LONGEST_PEM)]
Alias = Annotated[
    str,
    whole_text(
        pattern=r"^[ -~]*$",
        words=Told("use letters, digits and signs of ASCII"),
        max_length=LONGEST_ALIAS,
        description="As it was entered there. If empty, its sessions are not told.",
    ),
]


class ToldChargerBody(ClientInput, kw_only=True):
    """How a backend is told of a charger; what is left out stays.

    - identity (--identity NAME): Its name there.
    + password: Of the charger there.
    + without: Connectors that it is not told of.
    """

    identity: Identity | UnsetType = UNSET
    password: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType | None = UNSET
    without: (
        Annotated[list[Annotated[int, Meta(ge=1, lt=CONNECTORS)]], Meta(max_length=100)] | UnsetType
    ) = UNSET


class NewToldChargerBody(ToldChargerBody, kw_only=True):
    """A charger, and its name and password at the backend.

    - charger: The charger.
    """

    charger: Annotated[str, Meta(min_length=1, max_length=255)]


class AliasBody(ClientInput):
    """What a card is called at a backend."""

    card: Personal[IdTag]
    alias: Personal[Alias] | None


class NewBackendBody(ClientInput, kw_only=True):
    """A backend to be added. Without `begins_on`, it is told what comes from now on.

    - name: What it is called here.
    - chargers [Chargers]: The chargers, each with its name and password there.
    - tells_authorize (--authorize/--no-authorize): Tell which cards were presented, or only
      sessions.
    - with_signed (--with-signed/--without-signed): Send what meters sign, which may name a
      card, or only with numbers of cards.
    - cards: What cards are called there.

    + url (--url URL): Such as wss://backend.example/ocpp/, without the name of a charger.
    + root (--root FILE): Its own root certificate, in PEM.
    + certificate (--certificate FILE): A client certificate and its key, in PEM.
    + is_repaired (--repaired/--as-sent): Tell repaired messages with right times, or as
      chargers sent them.
    + with_cards (--with-cards/--with-aliases): Send the numbers of cards, or aliases
      instead.
    + other_cards (--others ALIAS): The alias of all cards that have none.
    - begins_on (--begins DAY): Tell all since this day, not from now.
    """

    name: Name
    url: Annotated[str, Meta(max_length=LONGEST_URL)]
    chargers: Annotated[list[NewToldChargerBody], Meta(min_length=1, max_length=200)]
    root: Pem | None = None
    certificate: Personal[Pem] | None = None
    is_repaired: bool = False
    tells_authorize: bool = False
    with_cards: bool = False
    with_signed: bool = False
    other_cards: Alias | None = "OTHER"
    begins_on: LocalDay | None = None
    cards: Annotated[list[AliasBody], Meta(max_length=1000)] = []  # noqa: RUF012 - msgspec copies it


@changes_of(NewBackendBody, "chargers", "begins_on", "cards")
class BackendBody(ClientInput):
    """What is to change of a backend; the rest stays."""


class CheckQuery(ClientInput):
    """What is asked for.

    + check: Only check it, and add nothing.
    """

    check: bool = False


class AgainBody(ClientInput):
    """The session that a backend is told again; without one, all.

    - transaction: The session; all that it did not take, if left out.
    """

    transaction: Annotated[int, Meta(ge=1, le=HIGHEST_ID)] | None = None


class AddedBackend(msgspec.Struct):
    """A new backend; the id is null if it was only checked."""

    id: int | None
    name: str


class ConnectionTest(msgspec.Struct):
    """Whether a charger is connected to a backend, or would be; else the problem."""

    charger: str
    is_connected: bool
    problem: str | None


@BACKEND_ENDPOINTS.get(BACKENDS, Role.OPERATOR)
async def list_backends(request: Request) -> list[BackendRow]:
    """List the backends that get a copy, and how far each is"""
    return await request.read(backends)


@BACKEND_ENDPOINTS.post(BACKENDS, Role.ADMIN, "in_use", "not_found", "conflict", status=CREATED)
async def add_backend(request: TypedRequest[CheckQuery, NewBackendBody]) -> AddedBackend:
    """Add a backend that gets a copy of what chargers tell"""
    body, api = request.body, request.api
    given = body.given()
    settings = {name: given[name] for name in BackendBody.__struct_fields__}
    new = BackendData(**await _as_stored(request, settings))
    chargers: dict[str, Values] = {}
    for told in body.chargers:
        charger = await charger_called(request, told.charger)
        if not await request.read(is_known, identity=charger):
            raise not_found(Told("charger {1}", charger))
        chargers[charger] = told.given()
        del chargers[charger]["charger"]
    cards = {_key(request, card.card): card.alias or None for card in body.cards}
    begins = None
    if body.begins_on is not None:
        begins = begins_at(local_day(body.begins_on, "begins_on"), request.zone)
    write = partial(writes.add_backend, is_only_checked=request.query.check)
    values = new, chargers, cards, begins, api.key, api.stamp(), request.caller.name
    try:
        number = await _store(request, write, *values)
    except OnlyChecked:
        number = None
    return AddedBackend(number, body.name)


@BACKEND_ENDPOINTS.put(BACKEND, Role.ADMIN, "in_use", "not_found", "conflict")
async def change_backend(request: TypedRequest[None, BackendBody]) -> None:
    """Change a backend"""
    fields = await _as_stored(request, request.body.given())
    await _store(request, writes.change_backend, request.number(), fields, request.api.key)


@BACKEND_ENDPOINTS.delete(BACKEND, Role.ADMIN, "not_found")
async def remove_backend(request: Request) -> None:
    """Remove a backend for ever, with its passwords; what it got stays there"""
    at, by = request.api.stamp(), request.caller.name
    await _store(request, writes.remove_backend, request.number(), at, by)


@BACKEND_ENDPOINTS.post(f"{BACKEND}/pause", Role.ADMIN, "not_found")
async def pause_backend(request: Request) -> None:
    """Tell a backend nothing until it is resumed, and then all that came meanwhile"""
    await _store(request, writes.pause_backend, request.number(), request.api.stamp())


@BACKEND_ENDPOINTS.post(f"{BACKEND}/resume", Role.ADMIN, "not_found")
async def resume_backend(request: Request) -> None:
    """Tell a backend again, first what came meanwhile"""
    await _store(request, writes.pause_backend, request.number(), None)


@BACKEND_ENDPOINTS.post(f"{BACKEND}/again", Role.ADMIN, "not_found")
async def tell_again(request: TypedRequest[None, AgainBody]) -> None:
    """Tell a backend again of a session that waits or was set aside, or of all such"""
    values = request.number(), request.body.transaction, request.api.stamp()
    await _store(request, writes.tell_again, *values)


@BACKEND_ENDPOINTS.post(f"{BACKEND}/test", Role.ADMIN, "not_found", "too_many_waiting")
async def test_backend(request: Request) -> list[ConnectionTest]:
    """Connect each charger to a backend once, but for those that are connected"""
    from levity_trio.backends.link import try_connection  # noqa: PLC0415 - imported when used

    api, number = request.api, request.number()
    copied = await request.read(in_use, key=api.key, backend=number)
    known = {row.id: row for row in await request.read(backends)}
    if number not in known:
        raise not_found(Told("backend {1} in use", number))
    connected = [row.charger for row in known[number].chargers if row.is_connected]
    problems: dict[str, str | None] = dict.fromkeys(connected)

    async def dial(charger: CopiedCharger) -> None:
        problems[charger.charger] = await try_connection(charger)

    async with api.places.wait(), trio.open_nursery() as dialling:
        for charger in copied:
            if charger.charger not in problems:
                dialling.start_soon(dial, charger)
    return [
        ConnectionTest(charger, problem is None, problem)
        for charger, problem in sorted(problems.items())
    ]


@BACKEND_ENDPOINTS.get(f"{BACKEND}/refused", Role.OPERATOR)
async def list_refused(request: TypedRequest[BelowQuery, None]) -> list[RefusedRow]:
    """List what a backend refused, what came late, and numbers it must not give, the newest
    first"""
    query = request.query
    number, before = request.number(), query.before
    return await request.read(refused, backend=number, before=before, limit=query.limit)


@BACKEND_ENDPOINTS.put(
    f"{BACKEND}/chargers/{{charger}}", Role.ADMIN, "in_use", "not_found", "conflict"
)
async def put_charger(request: TypedRequest[None, ToldChargerBody]) -> None:
    """Tell a backend of one charger more, or change how"""
    charger, given, api = await known_charger(request, "charger"), request.body.given(), request.api
    await _store(
        request,
        writes.put_backend_charger,
        request.number(),
        charger,
        given,
        api.key,
        api.stamp(),
    )


@BACKEND_ENDPOINTS.delete(f"{BACKEND}/chargers/{{charger}}", Role.ADMIN, "not_found")
async def end_charger(request: Request) -> None:
    """Tell a backend of a charger no longer"""
    charger, at = request.path["charger"], request.api.stamp()
    await _store(request, writes.end_backend_charger, request.number(), charger, at)


@BACKEND_ENDPOINTS.put(f"{BACKEND}/cards", Role.ADMIN, "not_found")
async def put_card(request: TypedRequest[None, AliasBody]) -> None:
    """Say what a card is called at a backend"""
    card = _key(request, request.body.card)
    await _store(
        request, writes.put_backend_card, request.number(), card, request.body.alias or None
    )


@BACKEND_ENDPOINTS.delete(f"{BACKEND}/cards/{{tag}}", Role.ADMIN, "not_found")
async def remove_card(request: Request) -> None:
    """Let a card be called like all others at a backend"""
    card = _key(request, request.path["tag"])
    await _store(request, writes.remove_backend_card, request.number(), card)


async def _store(request: Request, write: Callable[[UnitOfWork, *Ts], T], *values: *Ts) -> T:
    """Run a write, whose result holds for the copies at once. Raises Problem."""
    result = await request.commit(write, *values)
    request.api.backends.note_change()
    return result


def _key(request: Request, card: str) -> str:
    """Return the normal form of a card, which people may write as it is printed."""
    return request.policy.key(request.api.id_tags.entered(card.strip()))


async def _as_stored(request: Request, given: Values) -> Values:
    """Return fields of a backend as they are stored. Raises Problem."""
    fields = {name: None if value == "" else value for name, value in given.items()}
    if "url" in fields:
        _check_url(fields["url"] or "", request.api.config)
    if "certificate" in fields:
        fields["certificate_ends_at"] = None
    for name, read in (("root", read_certificate), ("certificate", read_pair)):
        pem = fields.get(name)
        if pem is None:
            continue
        try:
            found = await read(pem)
        except ValueError as problem:
            raise invalid(name, problem.args[0]) from None
        except AuthorityProblem as problem:
            raise conflict(str(problem)) from None
        if name == "certificate":
            fields["certificate_ends_at"] = stamp(found.not_after)
    return fields


def _check_url(url: str, config: ServerConfig) -> None:
    """Check the address of a backend. Raises Problem."""
    from levity_trio.outgoing.websocket import parse_address  # noqa: PLC0415 - takes memory

    words: str = Told(
        "give an address such as wss://backend.example/ocpp/, without the name of a charger, a "
        "user, ? or #"
    )
    try:
        if "?" in url or "#" in url:
            raise BadUrl
        address = parse_address(url)
        destination(f"http://{address.authority}/")
    except AddressRefused as problem:
        raise invalid("url", str(problem)) from None
    except ValueError:
        raise invalid("url", words) from None
    # The copy of a charger would take the place of the charger.
    is_here = address.host == "localhost" or is_of_this_machine(address.host)
    if is_here and address.port in (config.port, config.tls_port):
        raise invalid("url", Told("this is the address of this server itself"))
