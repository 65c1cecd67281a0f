"""What load management did, for people: a day with who waited, who was bound by what and for how
long, and what each car got; and the past of a site, as `what if` charges it again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Final

from orjson import loads

from levity_trio.charging.quarters import SECONDS, quarter_of
from levity_trio.charging.sent.evidence import seconds
from levity_trio.records import ForOperators, copied, record
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import Database, marks, parts
from levity_trio.store.reads.load.load import (
    WEEK_QUARTERS,
    LoadDay,
    load_day,
    load_history,
    load_now,
)
from levity_trio.store.reads.transactions.billed import billed_rows

NOBODYS: Final = 0
"""No transaction has this number."""
WAITS: Final = "waits"
SHARES: Final = ("circuit", "safe")
"""What bound a car, by the rule's names, while what there was at a circuit was shared, or its meter
was silent."""


@record
class LoadBound:
    """For how long a circuit was why a car might draw no more."""

    circuit: str
    seconds: int


@record
class LoadDaySession:
    """A car on a day. `who` is the household, else the name of the tag; viewers see none. Without a
    transaction it was only plugged in.

    `waited_seconds` is for how long it got too little to charge because of us. `bound` counts whole
    quarters of an hour: in each, what held for the longest time; so does `waited_seconds` where
    nothing was sent. `wanted_wh` is what its driver entered, null if nothing; `given_wh` is what
    its transaction delivered, so far or until its end, on other days, too.
    """

    charger: str
    charger_name: str | None
    connector: int
    transaction: int | None
    who: ForOperators[str | None]
    waited_seconds: int
    bound: list[LoadBound]
    wanted_wh: int | None
    given_wh: int | None


@record
class LoadDayOfCars(LoadDay):
    """A local day by the quarter of an hour, and its cars, those first that waited or were bound
    for the longest.

    `is_shadow` is whether nothing is sent to chargers now.
    """

    is_shadow: bool
    sessions: list[LoadDaySession]


_WANTED: Final = (
    "SELECT tx_id, wanted_wh FROM load_wish "
    "WHERE made_at >= '' AND kind = 'departure' AND wanted_wh IS NOT NULL AND tx_id IN ({}) "
    "ORDER BY id"
)
_SPANS: Final = (
    "SELECT tx_id, since, coalesce(until, stop_time, ?) "
    "FROM load_span JOIN tx ON tx.id = tx_id WHERE is_by_wish = 0 AND tx_id IN ({})"
)
_NAMES: Final = "SELECT id, name FROM cp WHERE id IN ({})"


def load_day_of_cars(
    db: Database, day: str, since: str, until: str, at: str, rule: Rule
) -> LoadDayOfCars:
    """Return a day, which begins at one time and ends at the other, as it is known at a third."""
    found = load_day(db, day, str(rule.zone), since, until)
    now = load_now(db)
    places = (
        {} if now is None else {one.circuit: place for place, one in enumerate(reversed(now.lines))}
    )
    # the root first, as it is now
    lines = sorted(found.lines, key=lambda line: -places.get(line.circuit, -1))
    numbers = sorted({one.transaction for one in found.cars if one.transaction is not None}) or [
        NOBODYS
    ]
    known = {one.id: one for one in billed_rows(db, numbers)}
    wanted = dict(db.execute(_WANTED.format(marks(numbers)), tuple(numbers)).fetchall())
    # how many seconds of the day each got too little to charge, of those that ever did
    waited, end = Counter[int](), min(until, at)
    for number, began, ended in db.execute(_SPANS.format(marks(numbers)), (end, *numbers)):
        waited[number] += max(0, round(seconds(min(ended, end)) - seconds(max(began, since))))
    chargers = sorted({one.charger for one in found.cars}) or [""]
    names = dict(db.execute(_NAMES.format(marks(chargers)), tuple(chargers)).fetchall())

    sessions: list[LoadDaySession] = []
    for car in found.cars:
        number = car.transaction or NOBODYS
        own = known.get(number)
        both = zip(car.bound, car.circuit, strict=True)
        bound = Counter(circuit for why, circuit in both if why in SHARES and circuit is not None)
        session = LoadDaySession(
            charger=car.charger,
            charger_name=names.get(car.charger),
            connector=car.connector,
            transaction=car.transaction,
            who=None if own is None else own.who or own.id_tag,
            waited_seconds=waited.get(number, SECONDS * car.bound.count(WAITS)),
            bound=[
                LoadBound(circuit=circuit, seconds=SECONDS * count)
                for circuit, count in bound.most_common()
            ],
            wanted_wh=wanted.get(number),
            given_wh=None
            if own is None
            else own.energy_wh
            if own.stop_time
            else own.energy_so_far_wh,
        )
        sessions.append(session)
    sessions.sort(
        key=lambda one: (-one.waited_seconds - sum(each.seconds for each in one.bound), one.charger)
    )
    is_shadow = now is None or now.is_shadow
    return copied(LoadDayOfCars, found, lines=lines, is_shadow=is_shadow, sessions=sessions)


AT_ONCE: Final = 200
_ENDED: Final = (
    "SELECT id, cp_id, conn_id, start_time, stop_time, energy_delivered FROM tx INDEXED BY tx_ended"
    " WHERE stop_time >= ? AND stop_time < ? AND energy_delivered > 0 ORDER BY stop_time, id"
)
_POWER: Final = "SELECT tx_id, wh FROM power WHERE tx_id IN ({}) ORDER BY tx_id, day"

Phases = tuple[float, float, float]


@record
class PastStay:
    """A transaction: `quarters` are the Wh of each quarter of an hour in which it took something,
    where that is known; `who` is the household, else the name of the tag."""

    charger: str
    connector: int
    since: float
    until: float
    wh: int
    quarters: list[int]
    who: str


@record
class LoadPast:
    """Stays, and by circuit what other consumers drew in each quarter of an hour: the mean and the
    highest."""

    stays: list[PastStay]
    house: Mapping[str, Mapping[int, tuple[Phases, Phases]]]


def load_past(db: Database, since: str, until: str) -> LoadPast:
    """Return what ended in a time, and what was measured in it and in the week before."""
    ended = db.execute(_ENDED, (since, until)).fetchall()
    power, who = defaultdict[int, list[int]](list), dict[int, str | None]()
    for numbers in parts([row[0] for row in ended], AT_ONCE):
        for number, wh in db.execute(_POWER.format(marks(numbers)), tuple(numbers)).fetchall():
            power[number] += [one for one in loads(wh) if one]
        who |= {one.id: one.who or one.id_tag for one in billed_rows(db, numbers)}
    stays = [
        PastStay(
            charger=charger,
            connector=connector,
            since=seconds(start),
            until=seconds(stop),
            wh=wh,
            quarters=power[number],
            who=who.get(number) or charger,
        )
        for number, charger, connector, start, stop, wh in ended
    ]
    first = min([seconds(since), *(stay.since for stay in stays)])
    return LoadPast(
        stays=stays, house=_house(db, quarter_of(first) - WEEK_QUARTERS, quarter_of(seconds(until)))
    )


def _house(db: Database, since: int, until: int) -> dict[str, dict[int, tuple[Phases, Phases]]]:
    phases = defaultdict[tuple[str, int], list[list[float]]](lambda: [[0.0] * 3, [0.0] * 3])
    for one in load_history(db, since, until):
        if one.other_mean is not None and one.other_highest is not None:
            mean, high = phases[one.circuit, one.quarter]
            mean[one.phase], high[one.phase] = one.other_mean, one.other_highest
    found = defaultdict[str, dict[int, tuple[Phases, Phases]]](dict)
    for (circuit, quarter), (mean, high) in phases.items():
        found[circuit][quarter] = ((mean[0], mean[1], mean[2]), (high[0], high[1], high[2]))
    return found
