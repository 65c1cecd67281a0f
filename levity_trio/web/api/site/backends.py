"""Other backends: servers outside that get a copy of what chargers tell."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Final, TypeVar, TypeVarTuple

import msgspec
import trio
from msgspec import UNSET, Meta, UnsetType

from levity_trio.authority import AuthorityProblem
from levity_trio.authority.apart import read_certificate, read_pair
from levity_trio.config import ServerConfig
from levity_trio.listening.own_addresses import is_of_this_machine
from levity_trio.outgoing.addresses import AddressRefused
from levity_trio.records import Personal, whole_text
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.reads.chargers.chargers import is_known
from levity_trio.store.reads.site.backends import BackendRow, RefusedRow, backends, refused
from levity_trio.store.reads.site.copying import CopiedCharger, in_use
from levity_trio.store.writes.site import backends as writes
from levity_trio.store.writes.site.backends import BackendData, OnlyChecked
from levity_trio.told import Told
from levity_trio.web.api.chargers.certificates import LONGEST_PEM
from levity_trio.web.api.chargers.chargers import Identity, known_charger
from levity_trio.web.api.engine.endpoints import (
    CONNECTORS,
    CREATED,
    ClientInput,
    Endpoints,
    Request,
    Role,
    TypedRequest,
    Values,
    changes_of,
)
from levity_trio.web.api.engine.lists import LocalDay, begins_at, local_day
from levity_trio.web.api.engine.problems import conflict, invalid, not_found
from levity_trio.web.api.engine.serving import charger_called
from levity_trio.web.api.people.tags import IdTag
from levity_trio.web.api.site.administration import BelowQuery, Name
from levity_trio.web.webhooks.request import LONGEST_URL, BadUrl, destination
from levity_trio.wire.times import stamp

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

ENDPOINTS: Final = Endpoints("backends")
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
    """How a backend is told of a charger; what is left out stays."""

    identity: Identity | UnsetType = UNSET
    password: (
        Annotated[str, Meta(min_length=1, max_length=255, description="Of the charger there.")]
        | UnsetType
        | None
    ) = UNSET
    without: (
        Annotated[
            list[Annotated[int, Meta(ge=1, lt=CONNECTORS)]],
            Meta(max_length=100, description="Connectors that it is not told of."),
        ]
        | UnsetType
    ) = UNSET


class NewToldChargerBody(ToldChargerBody, kw_only=True):
    """A charger, and its name and password at the backend."""

    charger: Annotated[str, Meta(min_length=1, max_length=255)]


class AliasBody(ClientInput):
    """What a card is called at a backend."""

    card: Personal[IdTag]
    alias: Personal[Alias] | None


class NewBackendBody(ClientInput, kw_only=True):
    """A backend to be added. Without `begins_on`, it is told what comes from now on."""

    name: Name
    url: Annotated[
        str,
        Meta(
            max_length=LONGEST_URL,
            description="Such as wss://backend.example/ocpp/, without the name of a charger.",
        ),
    ]
    chargers: Annotated[list[NewToldChargerBody], Meta(min_length=1, max_length=200)]
    root: Annotated[Pem, Meta(description="Its own root certificate, in PEM.")] | None = None
    certificate: (
        Annotated[Personal[Pem], Meta(description="A client certificate and its key, in PEM.")]
        | None
    ) = None
    is_repaired: Annotated[
        bool, Meta(description="Repaired and with right times, not as chargers sent it.")
    ] = False
    tells_authorize: bool = False
    with_cards: Annotated[bool, Meta(description="Card numbers go there, not aliases.")] = False
    with_signed: bool = False
    other_cards: (
        Annotated[Alias, Meta(description="The alias of all cards that have none.")] | None
    ) = "OTHER"
    begins_on: LocalDay | None = None
    cards: Annotated[list[AliasBody], Meta(max_length=1000)] = []  # noqa: RUF012 - msgspec copies it


@changes_of(NewBackendBody, "chargers", "begins_on", "cards")
class BackendBody(ClientInput):
    """What is to change of a backend; the rest stays."""


class CheckQuery(ClientInput):
    check: Annotated[bool, Meta(description="Only check it, and add nothing.")] = False


class AddedBackend(msgspec.Struct):
    """A new backend; the id is null if it was only checked."""

    id: int | None
    name: str


class ConnectionTest(msgspec.Struct):
    """Whether a charger is connected to a backend, or would be; else the problem."""

    charger: str
    is_connected: bool
    problem: str | None


@ENDPOINTS.get(BACKENDS, Role.OPERATOR)
async def list_backends(request: Request) -> list[BackendRow]:
    """List the backends that get a copy, and how far each is"""
    return await request.read(backends)


@ENDPOINTS.post(BACKENDS, Role.ADMIN, "in_use", "not_found", "conflict", status=CREATED)
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
    write = partial(writes.add, is_only_checked=request.query.check)
    values = new, chargers, cards, begins, api.key, api.stamp(), request.caller.name
    try:
        number = await _store(request, write, *values)
    except OnlyChecked:
        number = None
    return AddedBackend(number, body.name)


@ENDPOINTS.put(BACKEND, Role.ADMIN, "in_use", "not_found", "conflict")
async def change_backend(request: TypedRequest[None, BackendBody]) -> None:
    """Change a backend"""
    fields = await _as_stored(request, request.body.given())
    await _store(request, writes.change, request.number(), fields, request.api.key)


@ENDPOINTS.delete(BACKEND, Role.ADMIN, "not_found")
async def remove_backend(request: Request) -> None:
    """Remove a backend for ever, with its passwords; what it got stays there"""
    at, by = request.api.stamp(), request.caller.name
    await _store(request, writes.remove, request.number(), at, by)


@ENDPOINTS.post(f"{BACKEND}/pause", Role.ADMIN, "not_found")
async def pause_backend(request: Request) -> None:
    """Tell a backend nothing until it is resumed, and then all that came meanwhile"""
    await _store(request, writes.pause, request.number(), request.api.stamp())


@ENDPOINTS.post(f"{BACKEND}/resume", Role.ADMIN, "not_found")
async def resume_backend(request: Request) -> None:
    """Tell a backend again, first what came meanwhile"""
    await _store(request, writes.pause, request.number(), None)


@ENDPOINTS.post(f"{BACKEND}/test", Role.ADMIN, "not_found", "too_many_waiting")
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


@ENDPOINTS.get(f"{BACKEND}/refused", Role.OPERATOR)
async def list_refused(request: TypedRequest[BelowQuery, None]) -> list[RefusedRow]:
    """List what a backend refused, what came late, and numbers it must not give, the newest
    first"""
    query = request.query
    number, before = request.number(), query.before
    return await request.read(refused, backend=number, before=before, limit=query.limit)


@ENDPOINTS.put(f"{BACKEND}/chargers/{{charger}}", Role.ADMIN, "in_use", "not_found", "conflict")
async def put_charger(request: TypedRequest[None, ToldChargerBody]) -> None:
    """Tell a backend of one charger more, or change how"""
    charger, given, api = await known_charger(request, "charger"), request.body.given(), request.api
    await _store(
        request, writes.put_charger, request.number(), charger, given, api.key, api.stamp()
    )


@ENDPOINTS.delete(f"{BACKEND}/chargers/{{charger}}", Role.ADMIN, "not_found")
async def end_charger(request: Request) -> None:
    """Tell a backend of a charger no longer"""
    charger, at = request.path["charger"], request.api.stamp()
    await _store(request, writes.end_charger, request.number(), charger, at)


@ENDPOINTS.put(f"{BACKEND}/cards", Role.ADMIN, "not_found")
async def put_card(request: TypedRequest[None, AliasBody]) -> None:
    """Say what a card is called at a backend"""
    card = _key(request, request.body.card)
    await _store(request, writes.put_card, request.number(), card, request.body.alias or None)


@ENDPOINTS.delete(f"{BACKEND}/cards/{{tag}}", Role.ADMIN, "not_found")
async def remove_card(request: Request) -> None:
    """Let a card be called like all others at a backend"""
    card = _key(request, request.path["tag"])
    await _store(request, writes.remove_card, request.number(), card)


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
