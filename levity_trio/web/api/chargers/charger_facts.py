"""What is known of chargers, of one and of all: boots, statuses, faults, links, uptime, and
more."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Final

from msgspec import Meta

from levity_trio.billing.months import Month
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.chargers import charger_facts as facts
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.reads.transactions.use import ChargerUse, use_of
from levity_trio.store.reads.transactions.use import UseQuestion as AskedUse
from levity_trio.told import Told
from levity_trio.web.api.chargers.chargers import CHARGER, TAG
from levity_trio.web.api.engine.bodies import ClientInput
from levity_trio.web.api.engine.endpoints import Endpoints, H, Request, Role, Server, TypedRequest
from levity_trio.web.api.engine.lists import (
    MonthName,
    OfCharger,
    OfConnector,
    Paged,
    Since,
    ago,
    moment,
    page,
    wanted,
    whole,
)
from levity_trio.web.api.engine.problems import not_found
from levity_trio.wire.times import in_zone, stamp

ENDPOINTS: Final = Endpoints(TAG)

UPTIME_DAYS: Final = 30
ADMIN: Final = "/api/admin"


class Whose(ClientInput):
    charger: OfCharger = None


class PagedWhose(Paged):
    charger: OfCharger = None


class StatusesQuery(PagedWhose):
    connector: OfConnector = None


class FaultsQuery(PagedWhose):
    open: Annotated[bool, Meta(description="Only those that are not resolved.")] = False


class SetAsideQuery(PagedWhose):
    waiting: Annotated[bool, Meta(description="Only those that no person has looked at.")] = False


class HabitsQuery(Whose):
    revoked: bool = False


class UptimeQuery(Whose, rename={"since": "from", "until": "to"}):
    since: Since = None
    until: Since = None


class UseQuery(ClientInput):
    month: MonthName | None = None
    """By default, the present one."""


async def known_charger(request: Request, parameter: str = "id") -> str:
    """Return the charger in the path. Raises Problem if it is not known."""
    named = request.path[parameter]
    if not await request.read(chargers.is_known, identity=named):
        raise not_found(Told("charger {1}", named))
    return named


async def whose(request: TypedRequest[Whose | PagedWhose, None]) -> str | None:
    """Return the charger in the path, which must be known, or the one in the query, if any."""
    return await known_charger(request) if "id" in request.path else request.query.charger


def both(endpoints: Endpoints, name: str, words: str, role: Role = Role.VIEWER) -> Callable[[H], H]:
    """Declare two lists of facts of chargers with one function: that of one charger, and that of
    all of them."""

    def declare(handle: H) -> H:
        of_all, of_one = f"List {words} of all chargers.", f"List {words} of a charger."
        endpoints.get(f"{ADMIN}/{name}", role, "invalid", group=TAG, summary=of_all)(handle)
        declaring = endpoints.get(
            f"{CHARGER}/{name}", role, "invalid", "not_found", group=TAG, summary=of_one
        )
        return declaring(handle)

    return declare


@both(ENDPOINTS, "boots", "the boots, newest first,")
async def list_boots(request: TypedRequest[PagedWhose, None]) -> ListPage[facts.Boot]:
    charger, rows = await whose(request), wanted(request.query)
    return await page(request, lambda db: facts.boots(db, charger, rows))


@both(ENDPOINTS, "statuses", "the changes of status, newest first,")
async def list_statuses(request: TypedRequest[StatusesQuery, None]) -> ListPage[facts.StatusReport]:
    charger, query = await whose(request), request.query
    connector, rows = query.connector, wanted(query)
    return await page(request, lambda db: facts.statuses(db, charger, connector, rows))


@both(ENDPOINTS, "faults", "the faults and warnings, newest first,")
async def list_faults(request: TypedRequest[FaultsQuery, None]) -> ListPage[facts.Fault]:
    charger, query = await whose(request), request.query
    read = partial(facts.faults, charger=charger, is_open=query.open)
    return await page(request, read, wanted=wanted(query))


@both(ENDPOINTS, "set-aside", "the messages set aside", Role.OPERATOR)
async def list_set_aside(
    request: TypedRequest[SetAsideQuery, None],
) -> ListPage[facts.SetAsideMessage]:
    charger, query = await whose(request), request.query
    read = partial(facts.set_aside, charger=charger, is_waiting=query.waiting)
    return await page(request, read, wanted=wanted(query))


@both(ENDPOINTS, "links", "the connections, newest first,")
async def list_links(request: TypedRequest[PagedWhose, None]) -> ListPage[facts.Link]:
    charger = await whose(request)
    return await page(request, facts.links, charger=charger, wanted=wanted(request.query))


@both(ENDPOINTS, "uptime", "the time connected, in the last 30 days,")
async def list_uptimes(request: TypedRequest[UptimeQuery, None]) -> ListPage[facts.Uptime]:
    charger, query = await whose(request), request.query
    since, until = moment(query.since, "from"), moment(query.until, "to")
    read = partial(read_uptimes, server=request.api, charger=charger, since=since, until=until)
    return whole(await request.read(read))


def read_uptimes(
    db: Database,
    server: Server,
    charger: str | None,
    since: str | None = None,
    until: str | None = None,
) -> list[facts.Uptime]:
    """Return how long a charger, or each of them, was connected; by default, in the last 30
    days."""
    now = server.stamp()
    begin = since or ago(server, UPTIME_DAYS)
    return facts.uptimes(db, charger, begin, min(until or now, now))


@both(ENDPOINTS, "repairs", "what had to be repaired in the messages")
async def list_repairs(request: TypedRequest[Whose, None]) -> ListPage[facts.Repair]:
    charger = await whose(request)
    return whole(await request.read(facts.repairs, charger=charger))


@both(ENDPOINTS, "habits", "the habits")
async def list_habits(request: TypedRequest[HabitsQuery, None]) -> ListPage[facts.Habit]:
    charger, is_valid = await whose(request), not request.query.revoked
    return whole(await request.read(facts.habits, charger=charger, is_valid=is_valid))


@both(ENDPOINTS, "connectors", "the connectors")
async def list_connectors(request: TypedRequest[Whose, None]) -> ListPage[chargers.Connector]:
    charger = await whose(request)
    return whole(await request.read(chargers.connectors, charger=charger))


@ENDPOINTS.get(f"{CHARGER}/use", Role.VIEWER, "invalid", "not_found")
async def get_use(request: TypedRequest[UseQuery, None]) -> ChargerUse:
    """Show a month of a charger: how long cars were in sessions and charged, its faults, and its
    habits."""
    charger = await known_charger(request)
    read = partial(read_use, server=request.api, charger=charger, query=request.query)
    return await request.read(read)


def read_use(db: Database, server: Server, charger: str, query: UseQuery) -> ChargerUse:
    """Return how a charger was used in a month."""
    zone = server.config.time_zone
    month = Month.of(in_zone(server.now(), zone).date())
    if query.month:
        month = Month.parse(query.month)
    since, until = stamp(month.since(zone)), stamp(month.until(zone))
    wanted_use = AskedUse(charger, str(month), since, until, server.stamp(), zone)
    return use_of(db, wanted_use)
