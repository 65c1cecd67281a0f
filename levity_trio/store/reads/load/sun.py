"""A local day of the house's own sun, for people: what the meters of the grid's point and of the
panels measured, and how much of it went into cars."""

from __future__ import annotations

from collections import defaultdict

from levity_trio.charging.quarters import SECONDS
from levity_trio.records import copied, record
from levity_trio.store.billing.quarters import sun_measured
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.reads.transactions.power import DayPower, QuarterSpan


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
    for quarter, (site, measured) in found.items():
        place = quarter - span.since
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
