"""What load management did, for people: a day with who waited, who was bound by what and for how
long, and what each car got; the past of a site, as `what if` charges it again; a day of the house's
own sun; and how cars may wait for a lower price, as their drivers want.

A local day of the house's own sun, for people: what the meters of the grid's point and of the
panels measured, and how much of it went into cars.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Final

from orjson import loads

from levity_trio.billing.months import beginning
from levity_trio.billing.pricing import quarter
from levity_trio.billing.quoting import moves, quarter_prices
from levity_trio.billing.tariff import NoVersion
from levity_trio.charging.quarters import SECONDS, quarter_of
from levity_trio.charging.sent.evidence import seconds
from levity_trio.records import ForOperators, copied, record
from levity_trio.store.billing.booking import rule_of_book
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.billing.quarters import PriceSeries, sun_measured
from levity_trio.store.billing.tariffs import Tariffs
from levity_trio.store.engine.database import Database, marks, parts, rows_of
from levity_trio.store.lookups.places import Owners
from levity_trio.store.reads.load.load import (
    WEEK_QUARTERS,
    LoadDay,
    load_day,
    load_history,
    load_now,
)
from levity_trio.store.reads.transactions.costs import billed_rows
from levity_trio.store.reads.transactions.power import DayPower, QuarterSpan
from levity_trio.wire.times import from_seconds, in_zone, stamp

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
    for (circuit, number), (mean, high) in phases.items():
        found[circuit][number] = ((mean[0], mean[1], mean[2]), (high[0], high[1], high[2]))
    return found


_OPEN: Final = (
    "SELECT tx.id, tx.cp_id, start_time, most_price, charges_at "
    "FROM tx INDEXED BY tx_open "
    "JOIN load_charger ON load_charger.cp_id = tx.cp_id AND load_charger.state = 'managed' "
    "LEFT JOIN price_wish ON tx_id = tx.id AND ended_at IS NULL "
    "WHERE tx.status = 'Active' ORDER BY tx.id"
)


@record
class LowHours:
    """A stretch of time in which a kWh costs no more than a driver wants."""

    since: str
    until: str


@record
class PriceWait:
    """How the car of an open session may wait for a lower price.

    By the wish of its driver, it waits while a kWh costs more than `most_price`, tax included, and
    charges all the same from `charges_at` on; both are null without a wish. It waits now until
    `waits_until`, or charges because the price `is_unknown`. `hours` are those of today and
    tomorrow that are low enough.
    """

    currency: str
    most_price: str | None
    charges_at: str | None
    waits_until: str | None = None
    is_unknown: bool = False
    hours: tuple[LowHours, ...] = ()


def price_waits(
    db: Database, now: datetime, rule: Rule | None = None, transaction: int | None = None
) -> dict[int, PriceWait]:
    """Return how the cars wait whose drivers want that, by their transactions; or how that of one
    transaction may: where load management limits its charger and its price moves."""
    rows = rows_of(db)
    rule = rule or rule_of_book(rows)
    found = [
        row
        for row in rows(_OPEN, ())
        if (row[3] is not None if transaction is None else row[0] == transaction)
    ]
    if rule is None or not found:
        return {}
    owners = Owners(rows, rule.policy, rule.bill_by).decide([number for number, *_ in found])
    tariffs, series = Tariffs(rows), PriceSeries(rows, rule.zone)
    today = in_zone(now, rule.zone).date()
    known_until = beginning(today + timedelta(days=2), rule.zone)
    quarters = range(quarter(now), quarter(known_until))
    waits: dict[int, PriceWait] = {}
    for number, charger, start, most_price, charges_at in found:
        # The tariff of a session is that of the day on which it began.
        begun = in_zone(datetime.fromisoformat(start), rule.zone).date()
        versions = tariffs.of(owners[number].account, charger, begun)
        if versions is None:
            continue
        with suppress(NoVersion):
            version = versions.version_at(today)
            if moves(version) != "quarter":
                continue
            wait = PriceWait(
                currency=version.currency.code, most_price=most_price, charges_at=charges_at
            )
            if most_price is not None:
                prices = quarter_prices(versions, quarters, rule.zone, series.of)
                wait = _waiting(wait, Decimal(most_price), prices, quarters.start)
            waits[number] = wait
    return waits


def _waiting(
    wait: PriceWait, most: Decimal, prices: Sequence[Decimal | None], first: int
) -> PriceWait:
    """Return when a car waits by the prices from now on, of which the first one is that of a
    quarter of an hour."""
    hours: list[LowHours] = []
    waits_until, at = None, first
    for is_low, some in groupby(prices, lambda price: price if price is None else price <= most):
        until = at + len([*some])
        since_and_until = [stamp(from_seconds(one * SECONDS)) for one in (at, until)]
        if is_low:
            hours.append(LowHours(since=since_and_until[0], until=since_and_until[1]))
        elif is_low is False and at == first:
            waits_until = min(since_and_until[1], wait.charges_at or "")
        at = until
    return replace(wait, waits_until=waits_until, is_unknown=prices[0] is None, hours=tuple(hours))


@record
class SunQuarter:
    """What was measured in a quarter of an hour. All meters were read for `seconds`.

    `cars_wh` is what the chargers below the panels gave, and `sun_wh` how much of it was sun, null
    until that is complete: both from registers, so of sessions in doubt they may differ from what
    is billed.
    """

    seconds: int
    import_wh: int
    export_wh: int
    generation_wh: int
    charge_wh: int
    discharge_wh: int
    cars_wh: int | None
    sun_wh: int | None


@record
class SunDay:
    """The sun of a local day by the quarter of an hour, null where nothing was measured. `cars_wh`
    and `sun_wh` are the sums of what is known of both."""

    day: str
    time_zone: str
    since: str
    until: str
    step_seconds: int
    quarters: list[SunQuarter | None]
    cars_wh: int
    sun_wh: int


def sun_day(db: Database, power: DayPower) -> SunDay:
    """Return the sun of a day of which this is what chargers gave."""
    span = QuarterSpan.between(power.since, power.until)
    below = defaultdict[int, set[str]](set)
    for site, charger in db.execute("SELECT site_id, cp_id FROM sun_charger"):
        below[site].add(charger)
    quarters: list[SunQuarter | None] = [None] * (span.until - span.since)
    cars = sun = 0
    found = sun_measured(rows_of(db), span.since, span.until - 1)
    for number, (site, measured) in found.items():
        place = number - span.since
        taken: list[int | None] = [None]
        if place < len(power.quarters):
            taken = [one.quarters[place] for one in power.chargers if one.charger in below[site]]
        known = [wh for wh in taken if wh is not None]
        wh = own = None
        if len(known) == len(taken):
            wh = sum(known)
            own = measured.of_cars(wh)
            cars, sun = cars + wh, sun + own
        quarters[place] = SunQuarter(**measured._asdict(), cars_wh=wh, sun_wh=own)
    return copied(SunDay, power, step_seconds=SECONDS, quarters=quarters, cars_wh=cars, sun_wh=sun)
