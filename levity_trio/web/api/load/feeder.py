"""The feeder: circuits and meters as the electrician enters them, limits by hand, boosts, and the
grid operator."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial
from math import ceil
from operator import attrgetter
from typing import Annotated, Final, Literal, NamedTuple

import trio
from msgspec import Meta
from starlette.responses import StreamingResponse

from levity_trio.charging.quarters import SECONDS
from levity_trio.config.tables import DocumentRefused
from levity_trio.load.document import (
    LoadOffer,
    LoadSite,
    SiteOptions,
    every_socket,
    parse,
    planted,
    ways_out,
    written,
)
from levity_trio.load.replay import (
    VOLTS,
    PastHouse,
    ReplayedStay,
    WhatIf,
    course_of,
    replay,
    with_more,
)
from levity_trio.load.tree import (
    LEAST_AMPERES,
    NAMES,
    ROTATIONS,
    Circuit,
    Phases,
    Place,
    Socket,
    TreeRefused,
    as_phases,
)
from levity_trio.load.wiring import VOTES
from levity_trio.plugins.base import Load
from levity_trio.records import record, whole_text
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.load import load as stored
from levity_trio.store.reads.load.load import (
    LearnedFact,
    LoadMeter,
    LoadOrder,
    LoadSiteVersion,
    LoadWish,
)
from levity_trio.store.reads.load.load_day import LoadPast, load_past
from levity_trio.store.reads.pages import ListPage, WantedPage
from levity_trio.store.writes.load import load as writes
from levity_trio.told import N_, Told, joined
from levity_trio.web.api.engine.endpoints import (
    CONNECTORS,
    ClientInput,
    Endpoints,
    Request,
    Role,
    Server,
    TypedRequest,
)
from levity_trio.web.api.engine.kilowatt_hours import extended
from levity_trio.web.api.engine.lists import (
    CSV,
    Cell,
    LocalDay,
    OneFormat,
    ago,
    as_csv,
    begins_at,
    local_day,
    whole,
)
from levity_trio.web.api.engine.problems import Problem, conflict, invalid, not_found
from levity_trio.wire.meters import MeterConfig
from levity_trio.wire.modbus import MODELS
from levity_trio.wire.times import stamp

ENDPOINTS: Final = Endpoints("load")
LOAD: Final = "/api/admin/load"
SITE: Final = f"{LOAD}/site"
LONGEST: Final = 64 * 1024
MOST_AMPERES: Final = 10_000
ORDERS_DAYS: Final = 731
FEEDER: Final = "Feeder"
HOUSE: Final = "House"
PAGES: Final = {"shelly3em": "/status", "shellypro3em": "/rpc/EM.GetStatus?id=0"}
"""The paths where meters over HTTP show their currents."""
METERS: Final = (*MODELS, *PAGES)
FIND_OUT: Final = Told(
    "cars take all that is not kept for a house, so find out first: read its highest A on the "
    "evenings of a week while no car charges, or ask your electrician; meters that can be read "
    "here: {1}",
    ", ".join(METERS),
)
MOST_DAYS: Final = timedelta(days=31)
MOST_MORE: Final = 200
REST_SECONDS: Final = 0.002
"""Now and then, so that messages of chargers do not wait for the rest of a month."""
MOST_OF_ONE_LINE: Final = 7700
"""W. What charges with more does so on three lines."""

Amperes = Annotated[float, Meta(gt=0, le=MOST_AMPERES, description="Per phase.")]
Connector = Annotated[int, Meta(ge=1, lt=CONNECTORS)]
Charger = Annotated[str, Meta(min_length=1, max_length=48)]
Why = Annotated[str, Meta(max_length=500)]


class FeederBody(ClientInput):
    """One feeder with all chargers at it. `house` is what else hangs on it: `none`, the A per phase
    of its highest evening, or the model of a meter that measures all of it, whose `address` is then
    needed. `most` is the most A per phase that one charger can draw.

    - house: What else hangs on it.
    - most: The most that one charger can draw, in A per phase.
    - address: The address of the meter in your network.
    """

    amperes: Amperes
    house: Annotated[float, Meta(gt=0, le=MOST_AMPERES)] | str
    most: Annotated[int, Meta(ge=LEAST_AMPERES, le=MOST_AMPERES)]
    address: str = ""


class SiteBody(ClientInput):
    """The site as TOML, or its one feeder. An empty text ends load management.

    - toml [The site]: The site, as the text of its file.
    - feeder: Its one feeder, instead of a file.
    """

    toml: Annotated[str, Meta(max_length=LONGEST)] | None = None
    feeder: FeederBody | None = None


@record
class LoadCircuit:
    """A circuit. `highest_a` is the highest other load of the last seven days, by phase; null if
    nobody measured it."""

    name: str
    amperes: float
    parent: str | None
    meter: str | None
    panels: str | None
    battery: str | None
    reserve: float | None
    cautious: bool
    highest_a: list[float] | None


@record
class LoadSocket:
    """A connector at a circuit; `rotation` is null while it is unknown."""

    charger: str
    connector: int
    circuit: str
    rotation: str | None
    phases: int
    least: int
    most: int
    safe: int
    safe_lines: int
    priority: int


@record
class LoadProblem:
    """Why a site is refused, or would be now, and what can be done."""

    text: str
    advice: Sequence[str]


@record
class LoadSiteShown:
    """The site as it holds, or as it would. `toml` is empty where nothing is managed.

    `unknown_costs_a` is how many amperes each phase of the feeder loses at most to one car at a
    charger whose rotation is unknown.
    """

    toml: str
    set_at: str | None
    set_by: str | None
    circuits: list[LoadCircuit]
    chargers: list[LoadSocket]
    meters: list[LoadMeter]
    problems: list[LoadProblem]
    offers: list[LoadOffer]
    unknown_costs_a: int
    learned: list[LearnedFact]


class _SiteChecks(NamedTuple):
    """What a site is checked against: connectors, and the highest other load."""

    version: LoadSiteVersion | None
    places: list[Place]
    highest: Mapping[str, Phases]
    meters: list[LoadMeter]
    learned: list[LearnedFact]


def _known(database: Database, now: str) -> _SiteChecks:
    state = stored.load_now(database)
    highest = stored.highest_other(database, now)
    return _SiteChecks(
        version=stored.newest_site(database),
        places=stored.load_places(database),
        highest={circuit: amperes for circuit, (amperes, _) in highest.items()},
        meters=[] if state is None else state.meters,
        learned=stored.learned(database),
    )


async def _known_now(request: Request) -> _SiteChecks:
    return await request.read(_known, now=request.api.stamp())


@ENDPOINTS.get(SITE, Role.VIEWER)
async def get_load_site(request: Request) -> LoadSiteShown:
    """Show the circuits, the chargers at them and the meters, and what is wrong with them"""
    return await request.read(read_site, now=request.api.stamp())


def read_site(db: Database, now: str) -> LoadSiteShown:
    """Return the site as it holds."""
    known = _known(db, now)
    return _shown("" if known.version is None else known.version.toml, known)


@ENDPOINTS.put(SITE, Role.ADMIN, "invalid", "conflict")
async def set_load_site(request: TypedRequest[None, SiteBody]) -> LoadSiteShown:
    """Enter the site, which is checked as a whole; limits that cannot last without this server are
    refused"""
    toml = _toml(request.body)
    site = _shown(toml, await _known_now(request))
    if site.problems:
        problems = [asdict(problem) for problem in site.problems]
        first = site.problems[0]
        words = joined(" ", [first.text, *first.advice])
        raise conflict(words, field="toml", problems=problems)
    await request.write(writes.set_site, toml)
    return await get_load_site(request)


@ENDPOINTS.post(f"{SITE}/preview", Role.ADMIN, "invalid")
async def preview_load_site(request: TypedRequest[None, SiteBody]) -> LoadSiteShown:
    """Show what a site would be, what is wrong with it and which sites would fit; nothing is
    stored"""
    toml = _toml(request.body)
    return _shown(toml, await _known_now(request))


def _toml(body: SiteBody) -> str:
    """Return the document that is meant. Raises Problem."""
    feeder = body.feeder
    if body.toml is not None and feeder is None:
        return body.toml if body.toml.strip() else ""
    if body.toml is not None or feeder is None:
        raise invalid("toml", Told("give the site as TOML, or its feeder"))

    model = feeder.house
    circuit = Circuit(name=FEEDER, amperes=feeder.amperes)
    site = LoadSite(circuits=(circuit,), options=SiteOptions(most=feeder.most))
    if not isinstance(model, str):
        site = replace(site, circuits=(replace(circuit, reserve=model),))
    elif model != "none":
        if model not in METERS:
            # The words say how to find out what the house draws.
            raise invalid("house", FIND_OUT)
        meter = _meter(HOUSE, model, feeder.address)
        site = replace(site, meters=(meter,), circuits=(replace(circuit, meter=HOUSE),))
    return written(site)


def _meter(name: str, model: str, address: str, unit: int = 1) -> MeterConfig:
    """Return a meter that is asked. Raises Problem."""
    address = address.removeprefix("http://").strip("/ ")
    if not address:
        raise invalid("address", Told("give that of its meter in your network"))
    if model in PAGES:
        url = f"http://{address}{PAGES[model]}"
        return MeterConfig(name=name, kind="http", url=url, model=model)
    return MeterConfig(name=name, kind="modbus", address=address, unit=unit, model=model)


def _shown(toml: str, known: _SiteChecks) -> LoadSiteShown:
    """Return a site with all that is to be said of it. Raises Problem if it cannot be read."""
    shown = LoadSiteShown(
        toml=toml,
        set_at=None,
        set_by=None,
        circuits=[],
        chargers=[],
        meters=[],
        problems=[],
        offers=[],
        unknown_costs_a=0,
        learned=[],
    )
    # What is measured and who entered it is that of the site as it holds.
    version = known.version
    if version is not None and version.toml == toml:
        shown = replace(shown, set_at=version.set_at, set_by=version.set_by, meters=known.meters)
    if not toml:
        return shown

    try:
        site = parse(toml)
    except DocumentRefused as refused:
        raise invalid("toml", str(refused)) from None
    try:
        planted(site, known.places, known.highest)
    except TreeRefused as refused:
        for _, (text, *advice) in refused.problems:
            shown.problems.append(LoadProblem(text=text, advice=advice))
        shown.offers.extend(ways_out(site, known.places, known.highest))

    shown.circuits.extend(_circuit(circuit, known) for circuit in site.circuits)
    unknown: dict[Place, int] = {}
    sockets = every_socket(site, known.places)
    for socket in sorted(sockets, key=lambda socket: socket.place):
        shown.chargers.append(extended(LoadSocket, socket, rotation=socket.rotation or None))
        if not socket.rotation and socket.phases == len(NAMES):
            unknown[socket.place] = socket.most
    for fact in known.learned:
        is_sure = fact.what == "rotation" and fact.seen >= VOTES
        if is_sure and (fact.charger, fact.connector) in unknown:
            shown.learned.append(fact)
    return replace(shown, unknown_costs_a=max(unknown.values(), default=0))


def _circuit(circuit: Circuit, known: _SiteChecks) -> LoadCircuit:
    highest = known.highest.get(circuit.name)
    highest_a = None if highest is None else [round(amperes, 1) for amperes in highest]
    return extended(
        LoadCircuit,
        circuit,
        parent=circuit.parent or None,
        meter=circuit.meter or None,
        panels=circuit.panels or None,
        battery=circuit.battery or None,
        highest_a=highest_a,
    )


class LoadConnectorBody(ClientInput, kw_only=True):
    """A connector of a charger.

    - connector: Which of its connectors, from 1 on.
    """

    charger: Charger
    connector: Connector = 1

    @property
    def place(self) -> Place:
        return self.charger, self.connector


class RotationBody(LoadConnectorBody, kw_only=True):
    """How the lines of a charger lie on the phases of the feeder: RST is L1, L2, L3.

    - rotation: The phases of its lines L1, L2 and L3.
    """

    rotation: Annotated[
        str,
        whole_text(
            pattern=f"^({'|'.join(ROTATIONS)})$",
            words=Told("choose one of {1}", ", ".join(ROTATIONS)),
        ),
    ]


@ENDPOINTS.put(f"{LOAD}/rotations", Role.ADMIN, "invalid", "conflict", "not_found")
async def confirm_rotation(request: TypedRequest[None, RotationBody]) -> LoadSiteShown:
    """Enter the rotation of a charger, such as the one that was learned"""
    body = request.body
    known = await _known_now(request)
    if known.version is None:
        raise _unmanaged()
    site = parse(known.version.toml)
    place = body.place
    sockets = {socket.place: socket for socket in every_socket(site, known.places)}
    if place not in sockets:
        raise not_found(Told("connector {1} of {2}", body.connector, body.charger))
    # A connector that the site did not name hangs at its root, and is named from now on.
    turned = replace(sockets[place], rotation=body.rotation)
    others = (socket for socket in site.sockets if socket.place != place)
    toml = written(replace(site, sockets=(*others, turned)))
    await request.write(writes.change_site, known.version.toml, toml)
    return await get_load_site(request)


class LoadMeterBody(ClientInput, kw_only=True):
    """A meter of a circuit, or of the panels or the battery there; one of this name is replaced.

    - name: What it is called.
    - measures [What it measures] (--measures WHAT): What.
    - model (--model MODEL): Of one that is asked; push: a program tells what it shows; mqtt: it
      publishes.
    - topic (--mqtt TOPIC): Of all phases, or one for each.
    + circuit: If left out: the feeder.
    + address: In your network, of a meter that is asked.
    + unit: The number of a device on Modbus.
    + inverted [It counts the other way]: It counts what comes from the grid, or is given, below
      zero.
    + path [Places in its JSON, one a line]: Where its JSON has the phases.
    + shows [What it publishes]: Over MQTT. With panels, W or kW.
    """

    name: Charger
    measures: Literal["circuit", "panels", "battery"] = "circuit"
    circuit: str = ""
    model: Literal[
        "SDM630",
        "SDM72",
        "EM24",
        "EM340",
        "B23",
        "iEM3155",
        "PAC2200",
        "shelly3em",
        "shellypro3em",
        "mqtt",
        "push",
    ]
    address: str = ""
    unit: Annotated[int, Meta(ge=0, le=255)] = 1
    inverted: bool = False
    topic: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    shows: Literal["A", "mA", "W", "kW"] = "A"


@ENDPOINTS.put(f"{LOAD}/meters", Role.ADMIN, "invalid", "conflict", "not_found")
async def enter_meter(request: TypedRequest[None, LoadMeterBody]) -> LoadSiteShown:
    """Enter a meter of a circuit, or of its panels or its battery"""
    body = request.body
    known = await _known_now(request)
    if known.version is None:
        raise _unmanaged()
    site = parse(known.version.toml)
    # The feeder, unless another one is named.
    wanted = [one for one in site.circuits if one.name == body.circuit or not body.circuit]
    wanted.sort(key=lambda circuit: circuit.parent)
    if not wanted:
        names = ", ".join(circuit.name for circuit in site.circuits)
        raise invalid("circuit", Told("there is none of this name; there are: {1}", names))
    circuit = wanted[0]
    slots = {"circuit": circuit.meter, "panels": circuit.panels, "battery": circuit.battery}
    before, slots[body.measures] = slots[body.measures], body.name
    if before not in ("", body.name):
        template = N_("{1} has the meter {2} already: give its name to replace it")
        raise conflict(Told(template, circuit.name, before), field="name")

    if body.model in METERS:
        meter = _meter(body.name, body.model, body.address, body.unit)
    else:
        meter = MeterConfig(
            name=body.name, kind=body.model, topic=body.topic, path=body.path, shows=body.shows
        )
    others = [other for other in site.meters if other.name != body.name]
    meters = (*others, replace(meter, inverted=body.inverted))
    own, panels, battery = slots.values()
    measured = replace(circuit, meter=own, panels=panels, battery=battery)
    circuits = tuple(measured if one is circuit else one for one in site.circuits)
    toml = written(replace(site, circuits=circuits, meters=meters))
    try:
        parse(toml)
    except DocumentRefused as refused:
        raise invalid("name", str(refused)) from None
    await request.write(writes.change_site, known.version.toml, toml)
    return await get_load_site(request)


# What is measured, wanted and ordered


class CurrentsBody(ClientInput):
    """What a meter shows now by phase: A, active power in W with a sign, or both; a meter with one
    phase gives one value. Without A, they are W / 230.

    - amperes: The current of each phase, in A.
    - watts: The active power of each phase, in W with a sign.
    """

    amperes: Annotated[list[float], Meta(min_length=1, max_length=3)] | None = None
    watts: Annotated[list[float], Meta(min_length=1, max_length=3)] | None = None


class HandBody(LoadConnectorBody, kw_only=True):
    """A limit for a connector until it is lifted; null lifts it.

    - amperes: The most that it may draw, in A per phase; null lifts the limit.
    """

    amperes: Annotated[int, Meta(ge=0, le=MOST_AMPERES)] | None = None
    reason: Why = ""


class BoostBody(LoadConnectorBody, kw_only=True):
    """Its maximum for the car at a connector, as far as the circuits allow it, whatever price it
    waits for.

    - minutes: For how many minutes, unless the car leaves before.
    """

    minutes: Annotated[int, Meta(ge=1, le=24 * 60)] = 60
    reason: Why


class GridBody(ClientInput):
    """What the grid operator allows, per phase or for all together; null: no limit. Send it again
    as the heartbeat.

    - source (--source TEXT): Whence it came.
    + amperes: On each phase.
    + kilowatts: On all phases together.
    """

    amperes: Annotated[float, Meta(ge=0, le=MOST_AMPERES)] | None = None
    kilowatts: Annotated[float, Meta(ge=0, le=MOST_AMPERES)] | None = None
    source: Annotated[str, Meta(min_length=1, max_length=60)] = "API"


@ENDPOINTS.post(
    f"{LOAD}/meters/{{name}}", Role.OPERATOR, "invalid", "not_found", "conflict", status=204
)
async def push_meter(request: TypedRequest[None, CurrentsBody]) -> None:
    """Tell what a meter of the kind push shows; send it every few seconds"""
    load, name, body = request.api.load, request.path["name"], request.body
    if body.amperes is None and body.watts is None:
        raise invalid("amperes", Told("give amperes, watts or both"))
    shown: list[Phases | None] = []
    most = {"amperes": MOST_AMPERES, "watts": MOST_AMPERES * VOLTS}
    for field, values in (("amperes", body.amperes), ("watts", body.watts)):
        if not all(abs(value) <= most[field] for value in values or ()):
            raise invalid(field, Told("give numbers up to {1}", most[field]))
        shown.append(None if values is None else as_phases(values))
    if load is not None and load.measured(name, *shown):
        return

    # The duty may be at another server: then the meter is known here, too, and only cannot be
    # heard.
    version = await request.read(stored.newest_site)
    if version is None:
        raise _unmanaged()
    meters = [meter.name for meter in parse(version.toml).meters]
    if name not in meters:
        names = ", ".join(meters) or Told("none")
        raise not_found(Told("meter {1}; there are: {2}", name, names))
    words = Told(
        "another server of this site has the duty of load management, or it has just begun: try "
        "again"
    )
    raise conflict(words)


@ENDPOINTS.put(f"{LOAD}/limits", Role.OPERATOR, "invalid", "not_found", "conflict")
async def limit_by_hand(request: TypedRequest[None, HandBody]) -> ListPage[LoadWish]:
    """Limit a connector by hand; the lower of this limit and that of the rule counts"""
    load, body = await load_of(request), request.body
    await request.write(writes.limit_by_hand, body.place, body.amperes, body.reason)
    load.read_again()
    return await list_load_wishes(request)


@ENDPOINTS.post(f"{LOAD}/boosts", Role.OPERATOR, "invalid", "not_found", "conflict")
async def boost(request: TypedRequest[None, BoostBody]) -> ListPage[LoadWish]:
    """Give one car its maximum for a while, before all others"""
    load, body = await load_of(request), request.body
    if not body.reason.strip():
        raise invalid("reason", Told("say why this car comes before the others"))
    until = stamp(request.api.now() + timedelta(minutes=body.minutes))
    await request.write(writes.boost, body.place, until, body.reason)
    load.read_again()
    return await list_load_wishes(request)


@ENDPOINTS.get(f"{LOAD}/wishes", Role.OPERATOR)
async def list_load_wishes(request: Request) -> ListPage[LoadWish]:
    """List limits by hand, boosts and departures that hold"""
    return whole(await request.read(stored.wishes))


@ENDPOINTS.put(f"{LOAD}/grid-limit", Role.OPERATOR, "invalid", "conflict")
async def limit_by_grid(request: TypedRequest[None, GridBody]) -> ListPage[LoadOrder]:
    """Take an order of the grid operator; it is kept as proof"""
    await load_of(request)
    body, at = request.body, request.api.stamp()
    if body.amperes is not None and body.kilowatts is not None:
        raise invalid("kilowatts", Told("give the amperes or the kilowatts, not both"))
    await request.commit(writes.add_order, body.amperes, body.kilowatts, body.source, at)
    return await request.read(read_orders, server=request.api)


class OrdersQuery(ClientInput):
    format: OneFormat = "json"


@ENDPOINTS.get(f"{LOAD}/grid-orders", Role.OPERATOR, other_media_types=(CSV,))
async def list_grid_orders(
    request: TypedRequest[OrdersQuery, None],
) -> ListPage[LoadOrder] | StreamingResponse:
    """List the orders of the grid operator in the last two years, and how they were kept; CSV
    too."""
    read = partial(read_orders, server=request.api)
    if request.query.format == "csv":
        return as_csv(request, OF_ORDER, read)
    return await request.read(read)


def read_orders(
    db: Database, server: Server, wanted: WantedPage | None = None
) -> ListPage[LoadOrder]:
    """Return the orders of the grid operator, the oldest first."""
    # There are few: one page has all of them.
    del wanted
    return whole(stored.orders(db, ago(server, ORDERS_DAYS)))


OF_ORDER: Final[Mapping[str, Callable[[LoadOrder], Cell]]] = {
    name: attrgetter(name)
    for name in (
        *("at", "until", "source", "limits", "amperes", "kilowatts", "held_after_seconds"),
        *("highest", "last_at", "count"),
    )
}


# What if


class WhatIfBody(ClientInput, kw_only=True):
    """The past from one day to another, which is not part of it, with another limit of the feeder
    or more chargers.

    + chargers [More chargers]: More than there are.
    """

    since: LocalDay
    until: Annotated[LocalDay, Meta(extra_json_schema={"x-until": True})]
    amperes: Amperes | None = None
    chargers: Annotated[int, Meta(ge=0, le=MOST_MORE)] = 0


@ENDPOINTS.post(f"{LOAD}/what-if", Role.OPERATOR, "invalid", "conflict")
async def what_if(request: TypedRequest[None, WhatIfBody]) -> WhatIf:
    """Charge the cars of at most 31 days again, under another limit or with more chargers; nothing
    is stored"""
    body, zone = request.body, request.zone
    since, until = local_day(body.since, "since"), local_day(body.until, "until")
    if not since < until <= since + MOST_DAYS:
        words = Told("choose a stretch of at most {1} days", MOST_DAYS.days)
        raise invalid("until", words)
    known = await _known_now(request)
    if known.version is None:
        raise _unmanaged()
    site = parse(known.version.toml)
    begin, end = begins_at(since, zone), begins_at(until, zone)
    past = await request.read(lambda db: load_past(db, begin, end))

    def compute() -> WhatIf:
        places = [*known.places]
        places += [(stay.charger, stay.connector) for stay in past.stays]
        sockets = every_socket(site, dict.fromkeys(places))
        stays = [*_stays(sockets, past)]
        tree, stays = with_more(site.circuits, sockets, stays, body.chargers, body.amperes)
        return replay(
            tree,
            stays,
            PastHouse(past.house),
            first_come=site.options.first_come,
            rest=lambda: time.sleep(REST_SECONDS),
        )

    async with request.api.places.work():
        return await trio.to_thread.run_sync(compute)


def _stays(sockets: Iterable[Socket], past: LoadPast) -> Iterator[ReplayedStay]:
    """Yield who came. The highest power of a quarter of an hour says on how many lines a car
    charges, and the most."""
    by_place = {socket.place: socket for socket in sockets}
    for stay in past.stays:
        socket = by_place[stay.charger, stay.connector]
        lines, most = socket.phases, socket.most
        watts = 3600 / SECONDS * max(stay.quarters, default=0)
        if watts:
            lines = 1 if watts <= MOST_OF_ONE_LINE else lines
            amperes = ceil(watts / (VOLTS * lines))
            most = min(max(amperes, socket.least), most)
        yield ReplayedStay(
            place=socket.place,
            since=stay.since,
            until=stay.until,
            wanted_wh=float(stay.wh),
            lines=lines,
            most=most,
            whose=stay.who,
            course=course_of(stay.quarters, lines),
        )


async def load_of(request: Request) -> Load:
    """Return load management. Raises Problem if the site has no feeder."""
    load = request.api.load
    if load is None or await request.read(stored.newest_site) is None:
        raise _unmanaged()
    return load


def _unmanaged() -> Problem:
    words = Told(
        "nothing is managed: enter the feeder first, on the page Feeder or with levity-trio "
        "load site FILE"
    )
    return conflict(words)
