"""The power of the site over a day, by the quarter of an hour."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from levity_trio.store.engine.database import Database
from levity_trio.store.reads.transactions.power import DayPower, power_of_day
from levity_trio.web.api.engine.bodies import ClientInput
from levity_trio.web.api.engine.context import Server, local_today
from levity_trio.web.api.engine.endpoints import Endpoints, Role, TypedRequest
from levity_trio.web.api.engine.local_times import LocalDay, begins_at, local_day

ENDPOINTS: Final = Endpoints("history")
DAY: Final = timedelta(days=1)


class PowerQuery(ClientInput):
    """The day; by default, today."""

    day: LocalDay | None = None


@ENDPOINTS.get("/api/power", Role.VIEWER, "invalid")
async def get_power(request: TypedRequest[PowerQuery, None]) -> DayPower:
    """Show the energy of a day by the quarter of an hour: of the site, of each charger, and of the
    day before. Two years are kept."""
    day = None if request.query.day is None else local_day(request.query.day, "day")
    return await request.read(read_power, server=request.api, wanted=day)


def read_power(db: Database, server: Server, wanted: date | None = None) -> DayPower:
    """Return the energy of a day; by default, of today."""
    zone = server.config.time_zone
    day = wanted or local_today(server)
    times = [begins_at(begin, zone) for begin in (day - DAY, day, day + DAY)]
    return power_of_day(db, day=str(day), zone=str(zone), times=times, now=server.stamp())
