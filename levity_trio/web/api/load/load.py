"""Load management as it stands and as it was: what each car may draw, why, and the course of a
day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from levity_trio.load.document import every_socket, parse
from levity_trio.load.rule import KNOCK_EVERY_SECONDS, OUTAGE, ROOM_SECONDS, TURN_SECONDS, Bound
from levity_trio.load.tree import Place, path_of
from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.load.load import (
    GRID,
    LoadCar,
    LoadKept,
    LoadLine,
    LoadMeter,
    LoadNow,
    load_now,
    newest_site,
)
from levity_trio.store.reads.load.load_day import LoadDayOfCars, load_day_of_cars
from levity_trio.store.reads.pages import ListPage
from levity_trio.told import N_, Figure, Quantity, Told
from levity_trio.web.api.engine.bodies import ClientInput
from levity_trio.web.api.engine.endpoints import (
    Endpoints,
    Request,
    Role,
    Server,
    TypedRequest,
    local_today,
    rule_of,
)
from levity_trio.web.api.engine.lists import LocalDay, begins_at, local_day, whole
from levity_trio.wire.times import from_seconds, in_zone, stamp

ENDPOINTS: Final = Endpoints("load")
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
