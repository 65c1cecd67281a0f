"""Load management as it stands and as it was: what each car may draw, why, and the course of a day."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Final

from levity_trio.store.reads.load import LoadNow, load_now
from levity_trio.store.reads.load_day import LoadDayOfCars, load_day_of_cars
from levity_trio.web.api.billing import rule
from levity_trio.web.api.bodies import Sent
from levity_trio.web.api.endpoints import Asked, Endpoints, Request, Role
from levity_trio.web.api.local_times import LocalDay, begins_at, local_day, today

ENDPOINTS: Final = Endpoints("load")
DAY: Final = timedelta(days=1)
NOTHING: Final = "decision of load management"


class LoadDayQuery(Sent):
    """The day; by default, today."""

    day: LocalDay | None = None


@ENDPOINTS.get("/api/load", Role.VIEWER, "not_found")
async def get_load(request: Request) -> LoadNow:
    """Show who may draw what and why, and what is drawn at each phase of each circuit."""
    return await request.find(load_now, NOTHING)


@ENDPOINTS.get("/api/load/day", Role.VIEWER, "invalid")
async def get_load_day(request: Asked[LoadDayQuery, None]) -> LoadDayOfCars:
    """Show a day of load management by the quarter of an hour: each phase of each circuit, and who waited or was bound.
    Two years are kept."""
    zone = request.zone
    day = today(request.api.now(), zone) if request.query.day is None else local_day(request.query.day, "day")
    since, until = begins_at(day, zone), begins_at(day + DAY, zone)
    terms, sees_all = rule(request), request.sees_all
    return await request.read(
        partial(load_day_of_cars, day=str(day), since=since, until=until, rule=terms, sees_all=sees_all)
    )
