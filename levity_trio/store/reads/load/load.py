"""What was decided about who may draw what, what was measured for it, and what people and grid
operators want.

Currents are in A per phase, phases are L1, L2 and L3 of the feeder, times are as everywhere in the
database.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Final, NamedTuple

import orjson

from levity_trio.billing.sun import SunMeasured
from levity_trio.charging.quarters import SECONDS, quarter_of
from levity_trio.charging.sent.evidence import CURRENT, POWER, VOLTAGE, seconds
from levity_trio.charging.sent.readings import OUTLET, watts_of
from levity_trio.records import record
from levity_trio.store.billing.quarters import OF_SUN
from levity_trio.store.cases.so_far import energies_so_far
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups.load_spans import PRICE, lasting
from levity_trio.store.reads.chargers.chargers import OMITTED
from levity_trio.store.reads.load.leases import ManagedCharger, managed_chargers, newcomers
from levity_trio.store.reads.pages import Shape
from levity_trio.told import N_, Moment, Told, in_stored, joined
from levity_trio.wire.charging_profiles import VOLTS
from levity_trio.wire.times import from_seconds, minutes_before, stamp

PHASES: Final = ("L1", "L2", "L3")


# Now


@record
class LoadLine:
    """One phase of one circuit. `free_a` is what cars could be allowed more now: what is kept for
    the house and for cars is not free. `house_a` is kept for it, not measured, while its meter is
    silent. `outage_a` is what the house is booked with in case that nobody decides any more, and
    `reserve_a` is what is therefore kept free where that binds."""

    circuit: str
    phase: str
    limit_a: float
    house_a: float
    cars_a: float
    permitted_a: float
    free_a: float
    outage_a: float
    reserve_a: float = 0.0


@record
class LoadCar:
    """A car that is plugged in, and what it may draw: `limit_a` of the `of_a` that its charger
    could give.

    `bound` is why that is not more, by the rule's names; `circuit` and `phase` are where, and
    `is_outage` is whether the room for an outage is what is full there. `says` is all this in
    words; `since` is when it was plugged in. What must be kept for a car, whatever is decided, has
    `why_fixed`: away, ignores (it does not obey), floor (it cannot be paused), new (it is being
    prepared for limits), or untold (it is not limited). `kept_a` is kept at that phase for
    `kept_for`, which are away, and `reserve_a` is kept free there in case this server fails. It
    waits for a lower price until `waits_until`. `lease_a` is what its charger was sent, which holds
    until `lease_ends_at` and then falls to the safe limit; null: nothing was sent, or it has no
    end. It was told so much today that it is told no more until `no_more_until`. Where a limit in W
    may all come on one line, it `needs_a` until it was seen on its lines. What its charger tells is
    `odd`: impossible, register and current differ, or it draws more than was entered for it; or it
    charges its cars by turns.
    """

    charger: str
    connector: int
    transaction_id: int | None
    limit_a: int
    of_a: int
    drawn_a: float | None
    bound: str
    circuit: str
    phase: str
    is_outage: bool
    place_in_queue: int | None
    waiting: int
    waits_about_seconds: int | None
    since: str
    why_fixed: str = ""
    is_managed: bool = False
    lease_a: int | None = None
    lease_ends_at: str | None = None
    waits_until: str | None = None
    is_silent: bool = False
    phases: Sequence[str] = ()
    kept_a: int = 0
    kept_for: list[str] = field(default_factory=list)
    reserve_a: int = 0
    no_more_until: str | None = None
    needs_a: int | None = None
    odd: str = ""
    says: str = ""


@record
class LoadKept:
    """A charger that is away, and the A that are kept for it. `is_managed`: it is limited, and can
    be taken out."""

    charger: str
    amperes: int
    since: str | None
    is_managed: bool


@record
class LoadMeter:
    """A meter as it last showed a current; `at` and `amperes` are null before it has. It `measures`
    its circuit, or the panels or the battery there.

    `why` it needs a look: it is silent or frozen, shows what is impossible, more that exports than
    panels give, or the same for an hour; `says` is that in words. It has been so, or has shown the
    same, since `since`. The same alone does not make it stale.
    """

    name: str
    circuit: str
    at: str | None
    amperes: Any
    is_stale: bool
    why: str = ""
    since: str | None = None
    says: str = ""
    measures: str = "circuit"


@record
class LoadSun:
    """The powers in W at the circuit with panels, null while nobody knows them.

    `grid_w` is what comes from the grid, below zero what goes there; `panels_w` what the panels
    give; `battery_w` what a battery gives, below zero what it takes, and null without one. What
    consumers draw is `cars_w` and `house_w`, all else. `share` is how much of the cars' power is
    sun: 0 to 1, null while they draw nothing.
    """

    circuit: str
    grid_w: int | None
    panels_w: int | None
    battery_w: int | None
    house_w: int | None
    cars_w: int | None
    share: float | None


@record
class LoadOver:
    """A phase of a circuit whose measured current is above its limit."""

    circuit: str
    phase: str
    since: str


@record
class LoadNow:
    """The last decision. In shadow, nothing of it is sent to a charger; so many chargers are
    `preparing` for that. `over` are the phases that have been above their limit for more than a
    minute.

    The grid operator allows `grid_a` on each phase, or `grid_kw` on all together, to the `chargers`
    or the `connection` (`grid_of`), of which `grid_drawn` is drawn in the same unit: `grid_says` it
    in words. More is drawn since `grid_over_since`. `sun` is null where no circuit has panels.
    """

    at: str
    is_shadow: bool
    lines: list[LoadLine]
    cars: list[LoadCar]
    meters: list[LoadMeter]
    over: list[LoadOver]
    grid_a: float | None
    kept: list[LoadKept] = field(default_factory=list)
    grid_kw: float | None = None
    grid_of: str = ""
    grid_drawn: float | None = None
    grid_over_since: str | None = None
    grid_says: str = ""
    sun: LoadSun | None = None
    preparing: int = 0


def grid_says(amperes: float | None, kilowatts: float | None, limits: str, drawn_of: float) -> str:
    """Say what the grid operator allows, and how much of that is drawn; nothing if he allows
    all."""
    limit, unit = (amperes, "A") if kilowatts is None else (kilowatts, "kW")
    if limit is None:
        return ""
    template = N_("The grid operator allows the chargers {1}, of which {2} are drawn.")
    if limits == "connection":
        template = N_("The grid operator allows house and chargers {1}, of which {2} are drawn.")
    return Told(template, f"{limit:g} {unit}", f"{drawn_of:g} {unit}")


def load_now(db: Database) -> LoadNow | None:
    """Return the last decision, None before the first one and for a site without load
    management."""
    found = db.execute(_NOW).fetchall()
    if not found:
        return None
    stored, managed, preparing = found[0]
    shown = in_stored(stored)
    sun = shown.get("sun")
    return LoadNow(
        at=shown["at"],
        # Of chargers that were just begun to be limited, it was not decided yet.
        is_shadow=shown["is_shadow"] and not managed,
        preparing=preparing,
        lines=[LoadLine(**line) for line in shown["lines"]],
        cars=[LoadCar(**car) for car in shown["cars"]],
        meters=[LoadMeter(**meter) for meter in shown["meters"]],
        over=[LoadOver(**over) for over in shown["over"]],
        **{name: shown[name] for name in _OF_GRID if name in shown},
        kept=[LoadKept(**kept) for kept in shown.get("kept", ())],
        sun=None if sun is None else LoadSun(**sun),
    )


_NOW: Final = (
    "SELECT shown, (SELECT count(*) FROM load_charger), (SELECT count(*) FROM load_charger "
    "WHERE state = 'managed' AND prepared_at IS NULL) FROM load_state"
)
GRID: Final = N_("Grid operator")
"""The name that stands, as in the rule, for a circuit where the operator's order keeps a car from
more."""
_OF_GRID: Final = ("grid_a", "grid_kw", "grid_of", "grid_drawn", "grid_over_since", "grid_says")


class SiteProblem(NamedTuple):
    """What an owner wants to know of load management: `kind` is exceeded or meter, `subject` the
    circuit or meter."""

    kind: str
    subject: str
    since: str | None
    words: str


def problems(now: LoadNow | None) -> list[SiteProblem]:
    """Return the circuits that are above their limit, an order that is not kept, and the meters
    that are silent."""
    if now is None:
        return []
    found: list[SiteProblem] = []
    if now.grid_over_since is not None:
        words = Told("More is drawn than the grid operator allows")
        found.append(SiteProblem("exceeded", GRID, now.grid_over_since, words))
    for circuit in dict.fromkeys(over.circuit for over in now.over):
        phases = [over for over in now.over if over.circuit == circuit]
        all_phases: str = phases[0].phase
        for over in phases[1:]:
            all_phases = Told("{1} and {2}", all_phases, over.phase)
        words = Told("{1} is above its limit on {2}", circuit, all_phases)
        found.append(SiteProblem("exceeded", circuit, min(one.since for one in phases), words))
    stale = (one for one in now.meters if one.is_stale)
    return found + [SiteProblem("meter", one.name, one.since, one.says) for one in stale]


_OF_METER: Final = N_(
    {
        "silent": "The meter {1} is silent, so cars may get less than there is",
        "frozen": (
            "The meter {1} shows nothing of what cars draw more, so cars may get less than there is"
        ),
        "impossible": (
            "The meter {1} shows more than can flow there, so cars may get less than there is"
        ),
        "same": "The meter {1} has shown the same for an hour: look whether it measures",
        "exports": (
            "By the meter {1}, more goes to the grid than panels give: it counts the other way, "
            "or that of the panels does, so cars may get less than there is"
        ),
        "sun": "The meter {1} is silent: until it shows something, no sun is counted",
    }
)


def meter_says(name: str, why: str, measures: str = "circuit") -> str:
    """Say in English why a meter needs a look; nothing if it does not."""
    if why and measures != "circuit":
        why = "sun"
    return Told(_OF_METER.get(why, _OF_METER["same"]), name) if why else ""


_FIXED: Final = N_(
    {
        "away": "is away, so {1} A are kept for it",
        "ignores": "does not obey its limit, so {1} A are kept for it",
        "floor": "cannot be paused, so {1} A are kept for it",
        "new": "is being prepared for limits, so {1} A are kept for it",
        "restarts": "restarts when it is told its limit, so {1} A are kept for it",
        "untold": "is not limited, so {1} A are kept for it",
    }
)
_FIRST: Final = N_(
    (
        *(
            "first of {1}",
            "second of {1}",
            "third of {1}",
            "fourth of {1}",
            "fifth of {1}",
            "sixth of {1}",
        ),
        *("seventh of {1}", "eighth of {1}", "ninth of {1}", "tenth of {1}"),
    )
)
_MINUTE: Final = 60


_ODD: Final = N_(
    {
        "impossible": "its charger tells a current that no line carries, which is left out",
        "differ": "its register and its current differ by three times, so the larger is booked",
        "entered": "entered with {1} A, draws {2}",
        "turns": "its charger has one limit for two cars, so they charge by turns",
        "over": "it draws {2} A, more than it was told",
    }
)


def says(car: Mapping[str, Any], *, is_shadow: bool = True) -> str:
    """Say in English what a car gets and why, or in shadow would get; pages translate it as they do
    other stored words."""
    words = _says(car, is_shadow=is_shadow)
    if car.get("needs_a") and car["bound"] == "waits":
        needs = Told("it needs {1} A, until it was seen on its lines", car["needs_a"])
        words = joined("; ", [words, needs])
    if odd := car.get("odd"):
        return joined("; ", [words, Told(_ODD[odd], car["of_a"], car["drawn_a"])])
    return words


def _says(car: Mapping[str, Any], *, is_shadow: bool) -> str:
    amperes, most = _told(car["limit_a"], car.get("lease_a")), car["of_a"]
    if car["bound"] == "fixed":
        return Told(_FIXED.get(car.get("why_fixed", ""), _FIXED["away"]), car["limit_a"])
    if car["bound"] in _UNTIL:
        until = Moment(car.get("no_more_until") or car["waits_until"])
        return Told(_UNTIL[car["bound"]], until, amperes, most)
    reserve = car.get("reserve_a", 0)
    if car["bound"] == "waits" or amperes < min(1, car["limit_a"]):
        wait = _wait(
            car["waits_about_seconds"], car["place_in_queue"], car["waiting"], car.get("kept_a", 0)
        )
        if reserve and wait:
            wait = Told("{1}, because {2}", wait, Told(_RESERVE, reserve))
        if is_shadow:
            return Told("would wait, {1}", wait) if wait else Told("would wait for current")
        return Told("waits, {1}", wait) if wait else Told("waits for current")
    if amperes >= most:
        return Told("would get all {1} A", most) if is_shadow else Told("gets all {1} A", most)
    why = _WHY.get(car["bound"], f"{car['circuit']} {car['phase']}".strip())
    if car["bound"] == "safe" or car.get("is_silent"):
        why = Told("the meter of {1} is silent", car["circuit"])
    elif amperes < car["limit_a"]:
        why = _WHY["steady"]
    elif reserve:
        why = Told(_RESERVE, reserve)
    gets = N_("would get {1} A of {2}: {3}") if is_shadow else N_("gets {1} A of {2}: {3}")
    return Told(gets, amperes, most, why)


def _told(limit: int, lease: int | None) -> int:
    """Return what a car gets now: what it may have, or less until its charger was sent that."""
    return limit if lease is None else min(limit, lease)


BUDGET: Final = "budget"
"""This binds, as in the rule, a car whose charger was told so much today that it is told no
more."""
_UNTIL: Final = N_(
    {
        PRICE: "waits for a lower price until {1}",
        BUDGET: "gets {2} A of {3}: it was told too often today, so it gets no more until {1}",
    }
)
_RESERVE: Final = N_("{1} A are kept free in case this server fails")
_WHY: Final = {
    "most": Told("the car draws no more"),
    "steady": Told("more in a few minutes"),
    "hand": Told("set by hand"),
    "full": Told("the car is full"),
    "knock": Told("asked whether it wants to charge"),
}


def _wait(seconds: int | None, place: int | None, waiting: int, kept: int) -> str:
    """Say for about how long a car waits, in which place, and what is kept for others meanwhile;
    nothing where nothing of that is known."""
    if kept:
        if wait := _wait(seconds, place, waiting, 0):
            return Told("{1}, because {2} A are kept for chargers that are away", wait, kept)
        return Told("because {1} A are kept for chargers that are away", kept)
    if seconds is None:
        return ""
    minutes = max(1, round(seconds / _MINUTE))
    if place is None or waiting < 2:
        return Told("about {1} min", minutes)
    first = Told("number {1} of {2}", place, waiting)
    if place <= len(_FIRST):
        first = Told(_FIRST[place - 1], waiting)
    return Told("about {1} min, {2}", minutes, first)


def says_to_driver(db: Database) -> dict[int, str]:
    """Return what drivers are told of the cars that get less than they could, in English, by their
    transactions.

    In shadow they are told nothing: whatever is decided, their cars draw what they want.
    """
    now = load_now(db)
    if now is None or now.is_shadow:
        return {}
    why = lasting(rows_of(db))
    # A fee for blocking counts what its driver wants, and what nobody has noted.
    free = {number for number, one in why.items() if one != PRICE}
    cars = (
        (one.transaction_id, _to_driver(one, is_free=one.transaction_id in free))
        for one in now.cars
    )
    return {number: words for number, words in cars if number is not None and words}


def _to_driver(car: LoadCar, *, is_free: bool) -> str:
    if car.waits_until is not None:
        return Told("Your car waits for a lower price until {1}.", Moment(car.waits_until))
    amperes = _told(car.limit_a, car.lease_a)
    if car.no_more_until is not None:
        template = N_(
            "Your car gets {1} A of {2}, and no more until {3}: its charger was told too often."
        )
        return Told(template, amperes, car.of_a, Moment(car.no_more_until))
    if car.bound == "waits" or amperes < min(1, car.limit_a):
        wait = _wait(car.waits_about_seconds, car.place_in_queue, car.waiting, car.kept_a)
        words = Told("Your car waits for current.")
        if wait:
            words = Told("Your car waits for current, {1}.", wait)
        return Told("{1} Waiting costs nothing.", words) if is_free else words
    template = N_("Your car gets {1} A of {2}, because others need current, too.")
    if car.circuit == GRID and amperes < car.of_a:
        template = N_("Your car gets {1} A of {2}, because the grid operator allows no more.")
    elif car.bound not in ("circuit", "safe", "steady") or amperes >= car.of_a:
        return ""
    elif car.bound == "safe" or car.is_silent:
        template = N_("Your car gets {1} A of {2}, because a meter in the house is silent.")
    elif car.bound == "steady" or amperes < car.limit_a:
        template = N_("Your car gets {1} A of {2}, and more in a few minutes.")
    return Told(template, amperes, car.of_a)


class KeptDecision(NamedTuple):
    """The last decision as it was kept: when, as people see it, and what the next one goes on
    from."""

    at: str
    shown: dict[str, Any]
    standings: Any


def kept_state(db: Database) -> KeptDecision | None:
    """Return what a server goes on from after a restart."""
    found = db.execute("SELECT at, shown, standings FROM load_state").fetchall()
    for at, shown, standings in found:
        return KeptDecision(at, orjson.loads(shown), orjson.loads(standings))
    return None


# The site


@record
class LoadSiteVersion:
    """The site as it was entered; an empty text ends load management."""

    id: int
    toml: str
    set_at: str
    set_by: str


_SITE: Final = Shape(LoadSiteVersion)


def newest_site(db: Database) -> LoadSiteVersion | None:
    """Return the site that holds, None without load management."""
    found = _SITE.one(db, "FROM load_site ORDER BY id DESC LIMIT 1")
    return found if found and found.toml else None


_PLACES: Final = (
    "SELECT cp_conn.cp_id, cp_conn.conn_id FROM cp_conn "  # noqa: S608 - our own words
    "JOIN cp ON cp.id = cp_conn.cp_id "
    f"WHERE cp_conn.conn_id > 0 AND cp.id NOT IN ({OMITTED}) "
    "ORDER BY cp_conn.cp_id, cp_conn.conn_id"
)
WEEK_QUARTERS: Final = 7 * 24 * 4


def load_places(db: Database) -> list[tuple[str, int]]:
    """Return the connectors of the chargers that are served."""
    return db.execute(_PLACES).fetchall()


# What people and grid operators want


@record
class LoadWish:
    """What a person wants for a connector: a limit by hand, a boost until a time, or what a driver
    entered for one transaction. `kind` is hand, boost, departure or price: then its car waits while
    a kWh costs more than `most_price`, tax included, until a time."""

    id: int
    kind: str
    charger: str
    connector: int
    transaction: int | None
    amperes: int | None
    departure_at: str | None
    wanted_wh: int | None
    until: str | None
    reason: str
    made_at: str
    made_by: str
    most_price: str | None = None


_WISH: Final = Shape(LoadWish, most_price="NULL")
_PRICE_WISH: Final = Shape(
    LoadWish,
    id="price_wish.id",
    kind=f"'{PRICE}'",
    connector="coalesce(nullif(conn_id, 0), 1)",
    amperes="NULL",
    departure_at="NULL",
    wanted_wh="NULL",
    until="charges_at",
    reason="''",
)


def wishes(db: Database) -> list[LoadWish]:
    """Return the wishes that were not ended, the oldest first. One may be over by its time."""
    found = _WISH.every(db, "FROM load_wish INDEXED BY load_wish_open WHERE ended_at IS NULL")
    found += _PRICE_WISH.every(
        db,
        "FROM price_wish INDEXED BY price_wish_open JOIN tx ON tx.id = tx_id "
        "WHERE ended_at IS NULL",
    )
    return sorted(found, key=lambda wish: (wish.made_at, wish.id))


@record
class LoadOrder:
    """What a grid operator ordered, in A per phase or in kW for all; null: no limit. It came
    `count` times, until `last_at`.

    It holds until the next one (`until`), and limits the `chargers`, or the `connection` with the
    house. These drew no more from `held_after_seconds` on, and since then `highest` in one minute,
    in the unit of the order.
    """

    id: int
    source: str
    amperes: float | None
    kilowatts: float | None
    limits: str
    at: str
    until: str | None
    last_at: str
    count: int
    held_after_seconds: int | None
    highest: float | None


_ORDER: Final = Shape(
    LoadOrder, until="(SELECT min(at) FROM load_order AS later WHERE later.id > load_order.id)"
)


def orders(db: Database, since: str) -> list[LoadOrder]:
    """Return the orders that were received at a time or later, the oldest first."""
    return _ORDER.every(db, "FROM load_order WHERE last_at >= ? ORDER BY last_at, id", (since,))


def newest_order(db: Database) -> LoadOrder | None:
    return _ORDER.one(db, "FROM load_order WHERE id = (SELECT max(id) FROM load_order)")


@record
class LearnedFact:
    """What was learned: the `lines` that the car of a card uses (`key`), or the `rotation` of a
    connector."""

    what: str
    charger: str
    connector: int
    key: str
    value: str
    seen: int
    last_at: str


_LEARNED: Final = Shape(LearnedFact)


def learned(db: Database) -> list[LearnedFact]:
    """Return all that was learned."""
    return _LEARNED.every(db, "FROM load_learned ORDER BY what, cp_id, conn_id, key")


# The past


@record
class LoadQuarter:
    """A quarter of an hour at one phase (0 to 2) of a circuit, numbered from 1970 on in UTC."""

    quarter: int
    circuit: str
    phase: int
    other_mean: float | None
    other_highest: float | None
    cars_mean: float
    permitted_highest: float
    limit_a: float
    over_seconds: int


@record
class LoadCarQuarter:
    """A quarter of an hour of a connector with a car."""

    quarter: int
    charger: str
    connector: int
    transaction: int | None
    limit_mean: float
    drawn_mean: float | None
    bound: str
    circuit: str


_QUARTER: Final = Shape(LoadQuarter)
_CAR_QUARTER: Final = Shape(LoadCarQuarter)


def load_history(db: Database, since: int, until: int) -> list[LoadQuarter]:
    """Return the quarters from one to another, which is not among them, in their order."""
    return _QUARTER.every(
        db,
        "FROM load_quarter WHERE quarter >= ? AND quarter < ? ORDER BY quarter, circuit, phase",
        (since, until),
    )


_REMEMBERED: Final = (
    "FROM load_quarter "
    "WHERE quarter BETWEEN ? AND ? AND other_highest IS NOT NULL "
    "AND quarter >= coalesce((SELECT max(quarter) FROM load_forgotten "
    "WHERE circuit = load_quarter.circuit), 0) "
    "ORDER BY quarter, circuit, phase"
)


def remembered(db: Database, now: str) -> list[LoadQuarter]:
    """Return the quarters of the last seven days with other load that was measured, but for what a
    person had forgotten, in their order."""
    quarter = quarter_of(seconds(now))
    return _QUARTER.every(db, _REMEMBERED, (quarter - WEEK_QUARTERS, quarter))


def highest_other(db: Database, now: str) -> dict[str, tuple[tuple[float, float, float], str]]:
    """Return the highest other load of these, by circuit, in A per phase, and when the highest of
    all was."""
    rows = defaultdict[str, list[LoadQuarter]](list)
    for one in remembered(db, now):
        rows[one.circuit].append(one)
    found = {}
    for circuit, some in rows.items():
        first, second, third = (
            max((o.other_highest or 0.0 for o in some if o.phase == p), default=0.0)
            for p in range(3)
        )
        top = max(some, key=lambda one: one.other_highest or 0.0)
        found[circuit] = (first, second, third), stamp(from_seconds(top.quarter * SECONDS))
    return found


@record
class LoadDayLine:
    """A phase of a circuit on a day: a value for each quarter of an hour, null where nothing was
    measured."""

    circuit: str
    phase: str
    limit_a: list[float | None]
    house_a: list[float | None]
    house_highest_a: list[float | None]
    cars_a: list[float | None]
    permitted_a: list[float | None]
    over_seconds: int


@record
class LoadDayCar:
    """A car at a connector on a day: what it might draw and drew, and what bound it, for each
    quarter of an hour."""

    charger: str
    connector: int
    transaction: int | None
    limit_a: list[float | None]
    drawn_a: list[float | None]
    bound: list[str | None]
    circuit: list[str | None]


@record
class LoadDay:
    """A local day by the quarter of an hour."""

    day: str
    time_zone: str
    since: str
    until: str
    step_seconds: int
    lines: list[LoadDayLine]
    cars: list[LoadDayCar]


def load_day(db: Database, day: str, zone: str, since: str, until: str) -> LoadDay:
    """Return a day, which begins at one time and ends at the other."""
    first, last = quarter_of(seconds(since)), quarter_of(seconds(until))
    lines = defaultdict[tuple[str, int], dict[int, LoadQuarter]](dict)
    for line in load_history(db, first, last):
        lines[line.circuit, line.phase][line.quarter] = line
    cars = defaultdict[tuple[str, int, int | None], dict[int, LoadCarQuarter]](dict)
    rest = (
        "FROM load_car_quarter WHERE quarter >= ? AND quarter < ? ORDER BY quarter, cp_id, conn_id"
    )
    for car in _CAR_QUARTER.every(db, rest, (first, last)):
        cars[car.charger, car.connector, car.transaction][car.quarter] = car

    def course(by_quarter: Mapping[int, Any], name: str) -> list[Any]:
        """Return a field of each quarter, None where nothing was measured."""
        return [getattr(by_quarter.get(one), name, None) for one in range(first, last)]

    shown_lines: list[LoadDayLine] = []
    for (circuit, phase), quarters in lines.items():
        of_line = LoadDayLine(
            circuit=circuit,
            phase=PHASES[phase],
            limit_a=course(quarters, "limit_a"),
            house_a=course(quarters, "other_mean"),
            house_highest_a=course(quarters, "other_highest"),
            cars_a=course(quarters, "cars_mean"),
            permitted_a=course(quarters, "permitted_highest"),
            over_seconds=sum(one.over_seconds for one in quarters.values()),
        )
        shown_lines.append(of_line)
    shown_cars: list[LoadDayCar] = []
    for (charger, connector, transaction), its in cars.items():
        of_car = LoadDayCar(
            charger=charger,
            connector=connector,
            transaction=transaction,
            limit_a=course(its, "limit_mean"),
            drawn_a=course(its, "drawn_mean"),
            bound=course(its, "bound"),
            circuit=course(its, "circuit"),
        )
        shown_cars.append(of_car)
    return LoadDay(
        day=day,
        time_zone=zone,
        since=since,
        until=until,
        step_seconds=SECONDS,
        lines=shown_lines,
        cars=shown_cars,
    )


def sun_begun(db: Database, site: int) -> tuple[int, SunMeasured] | None:
    """Return the newest quarter of which sun was measured, and what; None if that was by another
    site."""
    found = db.execute(_SUN_BEGUN).fetchall()
    for quarter, by, *measured in found:
        return (quarter, SunMeasured(*measured)) if by == site else None
    return None


_SUN_BEGUN: Final = (
    f"SELECT quarter, site_id, {OF_SUN} FROM sun_quarter "  # noqa: S608 - our own names
    "WHERE quarter = (SELECT max(quarter) FROM sun_quarter)"
)


# What is plugged in


class ConnectorReading(NamedTuple):
    """What a charger last measured at a connector. `lines` are A on its own lines, None where it
    told none; `amperes` and `watts` are what it told without a line, or of all lines together. `at`
    is when it came. `has_one_line`: it told that its second and third have no voltage."""

    at: str
    lines: tuple[float | None, float | None, float | None] | None
    amperes: float | None
    watts: float | None
    has_one_line: bool = False


class Heard(NamedTuple):
    """The times when readings of a charger came, and how many seconds after their own time, by its
    clock."""

    at: float
    lag: float


class PluggedIn(NamedTuple):
    """A connector with a car that charges or may begin to at any moment, as its charger told last.
    `since` is when it was plugged in, `changed_at` when its status changed last. What was `heard`
    last may be older than the `reading`."""

    charger: str
    connector: int
    is_connected: bool
    status: str
    since: str
    changed_at: str
    transaction: int | None
    id_tag: str | None
    energy_wh: int | None
    reading: ConnectorReading | None
    heard: Heard | None = None

    @property
    def place(self) -> tuple[str, int]:
        return self.charger, self.connector


class LoadPresent(NamedTuple):
    """What the next decision is made of: connectors with cars, all known connectors, and what was
    entered."""

    cars: list[PluggedIn]
    connectors: list[tuple[str, int]]
    wishes: list[LoadWish]
    order: LoadOrder | None
    learned: list[LearnedFact]
    too_large: Counter[int | None]
    """By open transaction with a driver's wish, how many of his wishes were more than 1.5 × what
    his car took."""
    managed: dict[str, ManagedCharger]
    newcomers: Sequence[str] = ()
    """The chargers that are to be limited, as all others are."""


_UNTOLD: Final = "Charging"
"""What a connector does that has a transaction and never told its status."""
_DRAWING: Final = ("Charging", "SuspendedEV", "SuspendedEVSE")
_READ_MINUTES: Final = 5
"""What was received earlier says nothing about now."""
_STATUSES: Final = (
    "SELECT cp_conn.cp_id, cp_conn.conn_id, is_connected, cp_conn.status, cp_conn.status_at "  # noqa: S608 - our own words
    "FROM cp_conn JOIN cp ON cp.id = cp_conn.cp_id "
    f"WHERE cp_conn.conn_id > 0 AND cp.id NOT IN ({OMITTED}) "
    "ORDER BY cp_conn.cp_id, cp_conn.conn_id"
)
_OPEN: Final = (
    "SELECT cp_id, coalesce(nullif(conn_id, 0), 1), is_connected, tx.id, start_time, id_tag "
    "FROM tx INDEXED BY tx_open JOIN cp ON cp.id = cp_id "
    "WHERE tx.status = 'Active' ORDER BY tx.id"
)
_NEWEST_READINGS: Final = (
    "SELECT received_at, timestamp, measurand, phase, value, unit, location FROM meter_val"
    " WHERE cp_id = ? AND conn_id = ? AND timestamp >= ? AND received_at BETWEEN ? AND ?"
    " ORDER BY received_at DESC, timestamp DESC, id DESC LIMIT 600"
)
NO_VOLTS: Final = 50
"""A line of less has no voltage: what is measured there comes from its neighbours."""
_QUEUE_MINUTES: Final = 1
"""What a charger had stored comes within so long after what it measures now, and what it measured
last counts. A clock that was set back shows for longer: then what came last counts, although it
seems to be older."""
_SET_BACK_MINUTES: Final = 180
"""A clock may be set back by so much in a session."""
_BEHIND: Final = "SELECT id, -clock_skew_seconds / 60 FROM cp WHERE clock_skew_seconds < 0"


_TOO_LARGE: Final = (
    "SELECT count(DISTINCT tx.id) "
    "FROM load_wish INDEXED BY load_wish_made "
    "JOIN tx ON tx.id = load_wish.tx_id "
    "JOIN tx AS present ON present.id = ? AND present.id_tag = tx.id_tag "
    "WHERE load_wish.made_at >= '' AND tx.status = 'Completed' "
    "AND wanted_wh > 1.5 * tx.energy_delivered"
)


def load_present(db: Database, now: str) -> LoadPresent:
    """Return what the next decision is made of, from one snapshot."""
    statuses = db.execute(_STATUSES).fetchall()
    found_open = db.execute(_OPEN).fetchall()
    open_ones = {(charger, connector): rest for charger, connector, _, *rest in found_open}
    told = {row[:2] for row in statuses}
    statuses += [(*row[:3], _UNTOLD, row[4]) for row in found_open if row[:2] not in told]
    managed = managed_chargers(db)
    gone = {name for name, one in managed.items() if one.is_gone}
    # Whatever the status: where a clock was set back while nobody charged, it remains that of
    # before.
    found = [
        row
        for row in statuses
        if (row[:2] in open_ones or row[3] in _DRAWING) and row[0] not in gone
    ]
    energies = energies_so_far(
        rows_of(db), [open_ones[row[:2]][0] for row in found if row[:2] in open_ones]
    )
    since, ahead = minutes_before(now, _READ_MINUTES), minutes_before(now, -1)
    behind = dict(db.execute(_BEHIND).fetchall())
    cars = []
    for charger, connector, is_connected, status, status_at in found:
        number, start, tag = open_ones.get((charger, connector), (None, status_at, None))
        # What seems to lie ahead was before our clock was set back.
        start, changed_at = (since if at > ahead else at for at in (start, max(start, status_at)))
        span = max(since, start), now
        reading, heard = _reading(db, (charger, connector), span, behind.get(charger, 0))
        told_of = charger, connector, bool(is_connected), status, start, changed_at
        cars.append(PluggedIn(*told_of, number, tag, energies.get(number), reading, heard))
    places = [row[:2] for row in statuses]
    found_wishes, too_large = wishes(db), Counter[int | None]()
    for wish in found_wishes:
        if wish.kind == "departure":
            number = wish.transaction
            ((too_large[number],),) = db.execute(_TOO_LARGE, (number,)).fetchall()
    new = newcomers(db, {charger for charger, _ in places}, managed)
    return LoadPresent(
        cars, places, found_wishes, newest_order(db), learned(db), too_large, managed, new
    )


def _reading(
    db: Database, place: tuple[str, int], span: tuple[str, str], behind: int
) -> tuple[ConnectorReading | None, Heard | None]:
    """Return the newest reading that was received in a span, by a clock that is so many minutes
    behind, and what was heard last. Of each measurand, the values of one time count."""
    bounds = minutes_before(span[0], _SET_BACK_MINUTES + behind), *span
    rows = db.execute(_NEWEST_READINGS, (*place, *bounds)).fetchall()
    told = defaultdict[str, list[tuple[Any, ...]]](list)
    for at, sent, measurand, *rest, location in rows:
        if measurand in (POWER, CURRENT, VOLTAGE) and location == OUTLET:
            told[measurand].append((at, sent, *rest))
    values, received = dict[tuple[str, str], float](), ""
    for measurand, some in told.items():
        since = minutes_before(some[0][0], _QUEUE_MINUTES)
        newest = max(sent for at, sent, *_ in some if at >= since)
        for at, sent, phase, value, unit in some:
            amount = watts_of(value, unit) if at >= since and sent == newest else None
            if amount is not None:
                values.setdefault((measurand, phase[:2]), amount)
                received = max(received, at)
    heard = Heard(seconds(rows[0][0]), seconds(rows[0][0]) - seconds(rows[0][1])) if rows else None
    volts = {key[1]: values.pop(key) for key in [*values] if key[0] == VOLTAGE}
    has_one_line = all(volts.get(line, VOLTS) < NO_VOLTS for line in PHASES[1:])
    if not values:
        return None, heard
    told_w = [values[POWER, phase] for phase in PHASES if (POWER, phase) in values]
    watts = values.get((POWER, ""), sum(told_w) if len(told_w) == len(PHASES) else None)
    overall = values.get((CURRENT, ""))
    return ConnectorReading(received, _lines(values), overall, watts, has_one_line), heard


_HEARD: Final = (
    "SELECT DISTINCT tx.cp_id, coalesce(clock_skew_seconds, 0), meter_val.session_id, "
    "received_at, meter_val.timestamp "
    "FROM tx INDEXED BY tx_open JOIN cp ON cp.id = tx.cp_id "
    "JOIN meter_val ON meter_val.cp_id = tx.cp_id "
    "AND meter_val.conn_id = coalesce(nullif(tx.conn_id, 0), 1) AND meter_val.timestamp >= ? "
    "WHERE tx.status = 'Active' AND received_at >= tx.created_at "
    "ORDER BY received_at, meter_val.timestamp DESC"
)
_HEARD_MINUTES: Final = 24 * 60


def heard_before(db: Database, now: str) -> list[tuple[str, int, int | None, Heard]]:
    """Return what was heard in open transactions within a day, in its order: of which charger, how
    far its clock is ahead by its other messages, and in which of its connections."""
    found = db.execute(_HEARD, (minutes_before(now, _HEARD_MINUTES),)).fetchall()
    return [
        (charger, skew, session, Heard(seconds(at), seconds(at) - seconds(sent)))
        for charger, skew, session, at, sent in found
    ]


def _lines(
    values: Mapping[tuple[str, str], float],
) -> tuple[float | None, float | None, float | None] | None:
    for measurand, volts in ((CURRENT, 1.0), (POWER, VOLTS)):
        told = [values.get((measurand, phase)) for phase in PHASES]
        if told != [None] * len(PHASES):
            one, two, three = (value if value is None else value / volts for value in told)
            return one, two, three
    return None
