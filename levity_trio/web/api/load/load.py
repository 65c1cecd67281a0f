"""Load management as it stands and as it was: what each car may draw, why, and the course of a
day; and the chargers that it limits: how, what they were sent, and whether they obey."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta
from starlette.responses import Response

from levity_trio.documents.commissioning import commissioning_sheet
from levity_trio.documents.paper import DocumentForm, ReadyPaper, file_name
from levity_trio.documents.sheet import Sheet
from levity_trio.load.document import every_socket, parse
from levity_trio.load.lease import NO_RAISES, WRITES_A_DAY, end_of_day
from levity_trio.load.profiles import LimitWay, ability
from levity_trio.load.rule import KNOCK_EVERY_SECONDS, OUTAGE, ROOM_SECONDS, TURN_SECONDS, Bound
from levity_trio.load.tree import Place, path_of
from levity_trio.locale import _
from levity_trio.locale.texts import said
from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.reads.load.leases import (
    TRIED,
    LoadTrial,
    managed_chargers,
    newest_trial,
    stored_leases,
)
from levity_trio.store.reads.load.load import (
    GRID,
    LoadCar,
    LoadKept,
    LoadLine,
    LoadMeter,
    LoadNow,
    highest_other,
    learned,
    load_now,
    load_places,
    newest_site,
)
from levity_trio.store.reads.load.load_day import LoadDayOfCars, load_day_of_cars
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.writes.load import load as writes
from levity_trio.told import N_, Figure, Quantity, Told
from levity_trio.web.api.engine.endpoints import (
    ClientInput,
    Endpoints,
    Request,
    Role,
    Server,
    TypedRequest,
    local_today,
    rule_of,
)
from levity_trio.web.api.engine.kilowatt_hours import extended
from levity_trio.web.api.engine.lists import LocalDay, begins_at, local_day, whole
from levity_trio.web.api.engine.papers import MEDIA_TYPES, document
from levity_trio.web.api.engine.problems import invalid, not_found
from levity_trio.web.api.load.feeder import Charger, LoadConnectorBody, load_of
from levity_trio.wire.times import from_seconds, in_zone, stamp

ENDPOINTS: Final = Endpoints("load")
ADMIN: Final = "/api/admin/load"
CHARGERS: Final = f"{ADMIN}/chargers"
Circuit = Annotated[str, Meta(min_length=1, max_length=100)]
WAYS: Final[Mapping[LimitWay, str]] = {
    LimitWay.TRANSACTION: Told("a profile for each session, over a default"),
    LimitWay.DEFAULT: Told("its default profile alone"),
    LimitWay.CHARGER: Told("a profile for the whole charger"),
    LimitWay.KEY: Told("a configuration key"),
    LimitWay.NONE: Told("not at all"),
}
DAY: Final = timedelta(days=1)
NOTHING: Final = Told(
    "decision yet; levity-trio load site --help, or the page Feeder, enters a feeder"
)


class LoadDayQuery(ClientInput):
    """The day; by default, today."""

    day: LocalDay | None = None


@ENDPOINTS.get("/api/load", Role.VIEWER, "not_found")
async def get_load(request: Request) -> LoadNow:
    """Show who may draw what and why, and what is drawn at each phase of each circuit."""
    return await request.find(load_now, NOTHING)


@ENDPOINTS.get("/api/load/day", Role.VIEWER, "invalid")
async def get_load_day(request: TypedRequest[LoadDayQuery, None]) -> LoadDayOfCars:
    """Show a day of load management by the quarter of an hour: each phase of each circuit, and who
    waited or was bound. Two years are kept."""
    return await request.read(read_load_day, server=request.api, wanted=request.query.day)


def read_load_day(db: Database, server: Server, wanted: str | None) -> LoadDayOfCars:
    """Return a day. Raises Problem."""
    zone = server.config.time_zone
    day = local_today(server) if wanted is None else local_day(wanted, "day")
    since, until = begins_at(day, zone), begins_at(day + DAY, zone)
    at = server.stamp()
    return load_day_of_cars(db, day=str(day), since=since, until=until, at=at, rule=rule_of(server))


# Why

_Above = dict[Place, tuple[str, ...]]
"""The circuits above each connector."""


@record
class LoadLedger:
    """What counts at a phase of a circuit, in A: house and cars together may reach the limit."""

    house_a: float
    cars_a: float
    limit_a: float


@record
class LoadWhy:
    """Why a car may draw no more, in `words` and in figures: those of the phase of the circuit that
    binds it, or else, of those on which it is booked, that has the least left.

    `now` is what is drawn against the limit. `outage` is what may be drawn if nobody decides any
    more, against what a breaker holds for an hour. `others` are the cars below the same circuit on
    that phase, `kept` the chargers that are away and for which it goes without. `again_at` is when
    the clock alone may change it; null: only what happens does.
    """

    car: LoadCar
    circuit: str
    phase: str
    now: LoadLedger
    outage: LoadLedger
    others: list[LoadCar]
    again_at: str | None
    words: list[str]
    kept: list[LoadKept]


@ENDPOINTS.get("/api/load/why/{charger}", Role.VIEWER, "not_found")
async def why(request: Request) -> ListPage[LoadWhy]:
    """Explain what the cars at a charger may draw: what binds it, what is drawn there, and who else
    is there."""
    read = partial(read_whys, zone=request.zone, charger=request.path["charger"])
    return whole(await request.find(read, NOTHING))


def read_whys(db: Database, zone: ZoneInfo, charger: str) -> list[LoadWhy] | None:
    """Return what the cars at a charger may draw; None before the first decision."""
    now, version = load_now(db), newest_site(db)
    if now is None:
        return None
    above: _Above = defaultdict(tuple)
    if version is not None:
        site = parse(version.toml)
        circuits = {circuit.name: circuit for circuit in site.circuits}
        for socket in every_socket(site, [(car.charger, car.connector) for car in now.cars]):
            above[socket.place] = path_of(socket.circuit, circuits)
    return [_why(now, car, above, zone) for car in now.cars if car.charger == charger and now.lines]


def _why(now: LoadNow, car: LoadCar, above: _Above, zone: ZoneInfo) -> LoadWhy:
    # The phase of the circuit that binds it, else the one above it that has the least left.
    place = car.circuit, car.phase
    binding = [line for line in now.lines if (line.circuit, line.phase) == place]
    own = [line for line in now.lines if _is_at(car, line, above)]
    line = min(binding or own or now.lines, key=lambda line: line.free_a)

    measured = (one for one in now.meters if one.measures == "circuit")
    meter = next((meter for meter in measured if meter.circuit == line.circuit), None)
    others = [other for other in now.cars if other is not car and _is_at(other, line, above)]
    held = round(OUTAGE * line.limit_a, 1)
    ledger = LoadLedger(house_a=line.house_a, cars_a=line.cars_a, limit_a=line.limit_a)
    outage = LoadLedger(house_a=line.outage_a, cars_a=line.permitted_a, limit_a=held)
    again = _again(now, car)

    words: list[str] = [Told("This car {1}.", car.says)]
    if car.circuit == GRID:
        words.append(now.grid_says)
    words += _words(car, line, outage, meter, others, zone)
    if again is None:
        words.append(Told("It is decided anew at each change, and every 10 seconds at the latest."))
    else:
        clock = f"{in_zone(again, zone):%H:%M}"
        words.append(
            Told("It is decided anew at each change; by the clock, at {1} at the latest.", clock)
        )
    return LoadWhy(
        car=car,
        circuit=line.circuit,
        phase=line.phase,
        now=ledger,
        outage=outage,
        others=others,
        again_at=None if again is None else stamp(again),
        words=words,
        kept=[kept for kept in now.kept if kept.charger in car.kept_for],
    )


def _is_at(car: LoadCar, line: LoadLine, above: _Above) -> bool:
    """Whether a car is booked on a phase of a circuit."""
    is_below = line.circuit in (*above[car.charger, car.connector], car.circuit)
    return is_below and (not car.phases or line.phase in car.phases)


def _words(
    car: LoadCar,
    line: LoadLine,
    outage: LoadLedger,
    meter: LoadMeter | None,
    others: Sequence[LoadCar],
    zone: ZoneInfo,
) -> Iterator[str]:
    """Yield what there is to say of the line, a sentence each."""
    where = f"{line.circuit} {line.phase}"
    house, cars, limit = _amperes(line.house_a, line.cars_a, line.limit_a)
    is_measured = meter is not None and not meter.is_stale
    template = N_("At {1}, {2} are kept for the house and {3} are drawn by cars, of {4}.")
    if is_measured:
        template = N_("At {1}, {2} are drawn by the house and {3} by cars, of {4}.")
    yield Told(template, where, house, cars, limit)
    if is_measured:
        yield Told("The house counts with its highest value of the last 15 minutes.")
    elif meter is not None:
        template = N_("The meter {1} is silent, so the highest value of seven days is kept.")
        since = ""
        if meter.since is not None:
            template = N_(
                "The meter {1} is silent since {2}, so the highest value of seven days is kept."
            )
            since = f"{in_zone(datetime.fromisoformat(meter.since), zone):%H:%M}"
        yield Told(template, meter.name, since)
    house, cars, limit = _amperes(outage.house_a, outage.cars_a, outage.limit_a)
    yield Told(
        "If nobody decided any more, the house might come to {1} and the cars to {2}.", house, cars
    )
    yield Told("Its breaker holds {1} for an hour.", limit)
    if car.is_outage:
        yield Told("It is this second sum that has no more room.")
    yield Told("By both sums, {1} A are left for cars.", Figure(line.free_a, 0))
    waiting = sum(other.bound == Bound.WAITS for other in others)
    template = N_("Other cars at {1}: {2}.")
    if not others:
        template = N_("No other car is at {1}.")
    elif waiting:
        template = N_("Other cars at {1}: {2}, of which wait: {3}.")
    yield Told(template, where, len(others), waiting)


def _amperes(*values: float) -> Iterator[Quantity]:
    return (Quantity(round(value), "A") for value in values)


def _again(now: LoadNow, car: LoadCar) -> datetime | None:
    """Return when the clock alone may change what a car gets."""
    at = datetime.fromisoformat(now.at).timestamp()
    if car.bound == Bound.STEADY:
        return from_seconds(at + ROOM_SECONDS)
    # Turns begin with the steps of the clock. A car that does not know how long it will wait has no
    # turn: nothing changes by itself.
    if car.bound == Bound.WAITS and car.waits_about_seconds is not None:
        return from_seconds(at - at % TURN_SECONDS + TURN_SECONDS)
    if car.bound == Bound.FULL and not car.limit_a:
        return from_seconds(at - at % KNOCK_EVERY_SECONDS + KNOCK_EVERY_SECONDS)
    return None


@record
class LimitedLease:
    """What a connector was sent: `amperes` until `ends_at` (null: no end), then `safe_a`.

    It was sent `writes` profiles today, of `most_writes`: flash memory wears out. `reasons` is how
    many for each. When nine tenths of them are used up, it gets no more until `no_more_until`, else
    null.
    """

    connector: int
    transaction_id: int | None
    amperes: int
    ends_at: str | None
    safe_a: int
    writes: int
    most_writes: int
    no_more_until: str | None
    reasons: Mapping[str, int]


@record
class LimitedCharger:
    """A charger that load management limits.

    `state` is managed, leaving (what it was sent is being cleared), or limited (the same, but it is
    away: it is still limited by us). `way` is how limits reach it, 1 to 5, `way_words` says that.
    `has_passed`: a trial has shown that chargers with its firmware obey alone; `trusted_by`: a
    person trusts it without. Without either, its maximum is kept for it while it is away. Since
    `disobeys_since` it does not obey; `obeyed` of three limits that end this.
    """

    charger: str
    state: str
    since: str
    by: str
    way: int
    way_words: str
    has_passed: bool
    trusted_by: str | None
    disobeys_since: str | None
    obeyed: int
    leases: list[LimitedLease]


class LimitBody(ClientInput):
    """The chargers that are meant: one, those below a circuit, or all of the site.

    - charger (--charger ID): Only this charger.
    - circuit (--circuit NAME): All chargers at this circuit.
    """

    charger: Charger | None = None
    circuit: Circuit | None = None


class MemoryBody(LimitBody):
    """A circuit, of which the highest other load is forgotten, or a charger, of which all is that
    it has shown.

    - charger: A charger, of which all is forgotten that it has shown.
    - circuit: A circuit, of which the highest other load is forgotten.
    """


class TrustBody(ClientInput):
    """Whether a charger is trusted to obey while it is away, although no trial has shown that.

    - is_trusted: Whether it is trusted from now on.
    """

    is_trusted: bool = True


@ENDPOINTS.get("/api/load/chargers", Role.VIEWER)
async def list_limited_chargers(request: Request) -> ListPage[LimitedCharger]:
    """List the chargers that load management limits, what they were sent, and whether they obey"""
    now = request.api.now()
    return await request.read(lambda db: whole(limited_chargers(db, now)))


def limited_chargers(db: Database, now: datetime) -> list[LimitedCharger]:
    """Return the chargers that load management limits."""
    site = newest_site(db)
    most = WRITES_A_DAY if site is None else parse(site.toml).options.writes_a_day
    tomorrow = stamp(from_seconds(end_of_day(now.timestamp())))
    leases_of: dict[str, list[LimitedLease]] = defaultdict(list)
    for lease in stored_leases(db):
        writes_today = lease.writes_of(now)
        shown_lease = extended(
            LimitedLease,
            lease,
            transaction_id=lease.transaction,
            writes=writes_today,
            reasons=lease.reasons if writes_today else {},
            most_writes=most,
            no_more_until=tomorrow if writes_today >= NO_RAISES * most else None,
        )
        leases_of[lease.charger].append(shown_lease)
    chargers: list[LimitedCharger] = []
    for name, managed in managed_chargers(db).items():
        way = ability(managed.facts, managed.keys, LimitWay(managed.way)).way
        # What a charger that is away was sent cannot be cleared.
        is_bound = managed.state == "leaving" and not managed.is_connected
        charger = extended(
            LimitedCharger,
            managed,
            state="limited" if is_bound else managed.state,
            way=int(way),
            way_words=WAYS[way],
            has_passed=bool(managed.facts.get("passed")),
            leases=leases_of[name],
        )
        chargers.append(charger)
    return chargers


@ENDPOINTS.post(CHARGERS, Role.ADMIN, "invalid", "not_found", "conflict")
async def limit_chargers(request: TypedRequest[None, LimitBody]) -> ListPage[LimitedCharger]:
    """Begin to limit chargers; until then, all is only shown"""
    await load_of(request)
    await request.write(writes.manage, await _meant(request))
    return await list_limited_chargers(request)


@ENDPOINTS.post(f"{CHARGERS}/release", Role.ADMIN, "invalid", "not_found", "conflict")
async def release_chargers(request: TypedRequest[None, LimitBody]) -> ListPage[LimitedCharger]:
    """Clear what chargers were sent, put back their settings, and limit them no longer"""
    await load_of(request)
    await request.write(writes.let_go, await _meant(request))
    return await list_limited_chargers(request)


async def _meant(request: TypedRequest[None, LimitBody]) -> list[str]:
    """Return the chargers that are meant. Raises Problem."""
    body = request.body
    if body.charger is not None:
        return [body.charger]
    version, places = await request.read(lambda db: (newest_site(db), load_places(db)))
    if version is None:
        return []
    chargers: set[str] = set()
    # A site may name connectors of chargers that are not served.
    for socket in every_socket(parse(version.toml), places):
        if socket.place in places and body.circuit in (None, socket.circuit):
            chargers.add(socket.charger)
    if not chargers:
        raise not_found(Told("charger at the circuit {1}", body.circuit or ""))
    return sorted(chargers)


@ENDPOINTS.put(f"{CHARGERS}/{{charger}}/trust", Role.ADMIN, "invalid", "not_found", "conflict")
async def trust_charger(request: TypedRequest[None, TrustBody]) -> ListPage[LimitedCharger]:
    """Trust a charger without a trial, or no longer"""
    by = request.caller.name if request.body.is_trusted else None
    load = await load_of(request)
    await request.commit(writes.trust_charger, request.path["charger"], by)
    load.read_again()
    return await list_limited_chargers(request)


@ENDPOINTS.post(f"{CHARGERS}/{{charger}}/again", Role.OPERATOR, "not_found", "conflict")
async def try_charger_again(request: Request) -> ListPage[LimitedCharger]:
    """Limit a charger that did not obey as if it did, in the first way again"""
    load = await load_of(request)
    await request.write(writes.try_charger_again, request.path["charger"])
    load.read_again()
    return await list_limited_chargers(request)


# What is remembered


@record
class LoadMemory:
    """What is remembered of a circuit or of a charger, in `words`; `at` is when its highest other
    load was.

    The highest other load of seven days is kept free at its circuit in case of an outage. What a
    charger has shown is believed of all with its firmware.
    """

    circuit: str | None
    charger: str | None
    words: list[str]
    at: str | None


@ENDPOINTS.get("/api/load/memory", Role.VIEWER)
async def list_load_memory(request: Request) -> ListPage[LoadMemory]:
    """List what load management remembers of circuits and chargers"""
    return whole(await request.read(read_memory, now=request.api.stamp()))


def read_memory(db: Database, now: str) -> list[LoadMemory]:
    """Return what load management remembers."""
    memories: list[LoadMemory] = []
    for circuit, (amperes, at) in highest_other(db, now).items():
        highest = Told("other load of up to {1} A in the last seven days", Figure(max(amperes), 0))
        memories.append(LoadMemory(circuit=circuit, charger=None, words=[highest], at=at))

    facts, managed = learned(db), managed_chargers(db)
    for charger in sorted({*managed, *(fact.charger for fact in facts)}):
        words: list[str] = []
        own = [fact for fact in facts if fact.charger == charger]
        if any(fact.what == "lines" for fact in own):
            words.append(Told("on how many lines cars charge"))
        wiring = [fact.value for fact in own if fact.what == "rotation"]
        words += [Told("that it seems to be wired as {1}", rotation) for rotation in wiring]
        trial = managed[charger].facts if charger in managed else {}
        if trial:
            words.append(Told("how it takes limits"))
            for (what, value), shown in _SHOWN.items():
                if trial.get(what) is value:
                    words.append(shown)
        if words:
            memories.append(LoadMemory(circuit=None, charger=charger, words=words, at=None))
    return memories


_SHOWN: Final = {
    ("passed", True): Told("that it has passed its trial"),
    ("passed", False): Told("that it has failed its trial"),
    ("zero", False): Told("that it cannot be paused"),
    ("waits", False): Told("that by its default nobody waits"),
}


@ENDPOINTS.post(f"{ADMIN}/forget", Role.ADMIN, "invalid", "not_found")
async def forget_load(request: TypedRequest[None, MemoryBody]) -> ListPage[LoadMemory]:
    """Forget the other load that was measured at a circuit, or what a charger and cars there have
    shown; what it was stays in the day, and all is learned anew"""
    body = request.body
    if (body.circuit is None) == (body.charger is None):
        raise invalid("circuit", Told("name a circuit, or a charger"))
    await request.write(writes.forget, body.circuit, body.charger)
    return await list_load_memory(request)


# Trials


class TrialBody(LoadConnectorBody):
    """The connector at which a car stands, ready to charge."""


@ENDPOINTS.post(
    "/api/admin/load/trials", Role.ADMIN, "invalid", "not_found", "conflict", status=201
)
async def begin_load_trial(request: TypedRequest[None, TrialBody]) -> LoadTrial:
    """Try with a car, for fifteen minutes, whether a charger obeys, also without this server"""
    load = await load_of(request)
    await load.begin_trial(request.body.place, by=request.caller.name)
    return await _trial(request, request.body.charger)


@ENDPOINTS.get("/api/load/trials/{charger}", Role.VIEWER, "not_found")
async def get_load_trial(request: Request) -> LoadTrial:
    """Show how far the newest trial of a charger is, and what each step found"""
    return await _trial(request, request.path["charger"])


@ENDPOINTS.delete(
    "/api/admin/load/trials/{charger}", Role.ADMIN, "not_found", "conflict", status=204
)
async def cancel_load_trial(request: Request) -> None:
    """Cancel the trial of a charger"""
    load, charger = await load_of(request), request.path["charger"]
    if not load.cancel_trial(charger):
        raise not_found(Told("trial of {1} that runs", charger))


async def _trial(request: Request, charger: str) -> LoadTrial:
    return await request.find(newest_trial, Told("trial of {1}", charger), charger=charger)


class SheetQuery(ClientInput):
    format: Literal["html", "pdf"] = "html"


@ENDPOINTS.get(
    "/api/load/sheets/{charger}",
    *(Role.VIEWER, "not_found", "not_made", "busy"),
    media_type=MEDIA_TYPES[DocumentForm.HTML],
    other_media_types=(MEDIA_TYPES[DocumentForm.PDF],),
)
async def get_commissioning_sheet(request: TypedRequest[SheetQuery, None]) -> Response:
    """Download the sheet of a charger's commissioning as HTML or PDF, to be signed: its circuit,
    how it is wired, and what its trial measured"""
    name = request.path["charger"]
    sheet = await request.find(
        partial(read_commissioning, site=request.api.config.server_name),
        Told("charger {1}", name),
        charger=name,
    )
    file = file_name("", name, "commissioning")
    return document(request.api, ReadyPaper(sheet), DocumentForm(request.query.format), file)


_REGISTER: Final = (
    "SELECT coalesce(last_register_wh, meter_stop, meter_start) FROM tx WHERE cp_id = ? "
    "ORDER BY id DESC LIMIT 1"
)


def read_commissioning(db: Database, charger: str, site: str) -> Sheet | None:
    """Return the sheet of a charger; None for an unknown one."""
    known, version = chargers.charger(db, charger), newest_site(db)
    if known is None:
        return None
    labels: dict[str, object] = {_("Site"): site}
    if version is not None:
        entered = parse(version.toml)
        fuses = {circuit.name: circuit.amperes for circuit in entered.circuits}
        places = [(charger, connector.connector) for connector in known.connectors]
        for one in every_socket(entered, places):
            if one.charger == charger:
                wiring = f"{one.phases} × {one.most} A, {one.rotation or '–'}"
                where = _("Connector %(number)s", number=one.connector)
                labels[_("Circuit")] = f"{one.circuit}, {fuses[one.circuit]:g} A"
                labels[f"{where}: {_('Wiring')}"] = wiring
                labels[f"{where}: {_('Safe limit')}"] = f"{one.safe} A"
    serial = known.serial_number or known.charge_box_serial_number
    labels |= {_("Serial number"): serial, _("Firmware"): known.firmware_version}
    labels[_("Meter")] = known.meter_serial_number
    register = db.execute(_REGISTER, (charger,)).fetchone()
    if register is not None and register[0] is not None:
        labels[_("Register")] = f"{register[0]} Wh"
    facts = {known.name or charger: {label: str(value or "–") for label, value in labels.items()}}

    trial, result = newest_trial(db, charger), (_("There was none."), "")
    if trial is not None:
        found = [(said(TRIED[step["step"]]), said(step["words"])) for step in trial.steps]
        facts[_("What the trial measured")] = dict(found)
        result = said(Told(trial.result or "–")), trial.began_at[:10]
    return commissioning_sheet(known.name or charger, facts, result)
