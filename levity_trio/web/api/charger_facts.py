"""What is known of chargers, of one and of all: boots, statuses, faults, links, uptime, and more."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any, Final

import msgspec

from levity_trio.store.reads import charger_facts as facts
from levity_trio.store.reads import chargers, links
from levity_trio.web.api.chargers import CHARGER, TAG
from levity_trio.web.api.endpoints import Asked, Endpoint, Handler, Role
from levity_trio.web.api.lists import (
    OfCharger,
    OfConnector,
    Paged,
    Since,
    ago,
    hidden,
    hidden_in,
    moment,
    page,
    page_of,
    wanted,
    whole,
)
from levity_trio.web.api.problems import not_found

UPTIME_DAYS: Final = 30
ADMIN: Final = "/api/admin"


class Whose(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    charger: OfCharger = None


class PagedWhose(Paged, kw_only=True):
    charger: OfCharger = None


class StatusesQuery(PagedWhose, kw_only=True):
    connector: OfConnector = None


class FaultsQuery(PagedWhose, kw_only=True):
    open: Annotated[bool, msgspec.Meta(description="Only those that are not resolved.")] = False


class SetAsideQuery(PagedWhose, kw_only=True):
    waiting: Annotated[bool, msgspec.Meta(description="Only those that no person has looked at.")] = False


class HabitsQuery(Whose, kw_only=True):
    revoked: bool = False


class UptimeQuery(Whose, kw_only=True, rename={"since": "from", "until": "to"}):
    since: Since = None
    until: Since = None


async def whose(asked: Asked) -> str | None:
    """Return the charger in the path, which must be known, or the one in the query, if any."""
    named = asked.path.get("id")
    if named is None:
        return asked.query.charger if asked.query is not None else None
    if not await asked.api.reader.run(partial(chargers.is_known, identity=named)):
        raise not_found(f"charger {named}")
    return named


async def list_boots(asked: Asked) -> Any:
    charger = await whose(asked)
    return await page(asked.api, lambda db: facts.boots(db, charger, wanted(asked.query)))


async def list_statuses(asked: Asked) -> Any:
    charger = await whose(asked)
    return await page(asked.api, lambda db: facts.statuses(db, charger, asked.query.connector, wanted(asked.query)))


async def list_faults(asked: Asked) -> Any:
    charger = await whose(asked)
    return await page(asked.api, lambda db: facts.faults(db, charger, wanted(asked.query), is_open=asked.query.open))


async def list_set_aside(asked: Asked) -> Any:
    charger, query = await whose(asked), asked.query
    return await page(asked.api, lambda db: facts.set_aside(db, charger, wanted(query), is_waiting=query.waiting))


async def list_links(asked: Asked) -> Any:
    charger = await whose(asked)

    read = partial(links.links, charger=charger, wanted=wanted(asked.query))
    return await page(asked.api, lambda db: hidden_in(asked, read(db), "remote_address"))


async def list_repairs(asked: Asked) -> Any:
    charger = await whose(asked)
    return whole(await asked.api.reader.run(partial(facts.repairs, charger=charger)))


async def list_habits(asked: Asked) -> Any:
    charger, is_valid = await whose(asked), not asked.query.revoked
    found = await asked.api.reader.run(partial(facts.habits, charger=charger, is_valid=is_valid))
    return whole(hidden(asked, found, "revoked_by", "reason"))


async def list_connectors(asked: Asked) -> Any:
    charger = await whose(asked)
    found = await asked.api.reader.run(partial(chargers.connectors, charger=charger))
    return whole(hidden(asked, found, "said_by"))


async def list_uptimes(asked: Asked) -> Any:
    charger, query = await whose(asked), asked.query
    now = asked.api.stamp()
    until = min(moment(query.until, "to") or now, now)
    since = moment(query.since, "from") or ago(asked.api, UPTIME_DAYS)
    return whole(await asked.api.reader.run(lambda db: links.uptimes(db, charger, since, until)))


def both(
    name: str,
    handle: Handler,
    query: type[msgspec.Struct],
    answer: type,
    summary: str,
    role: Role = Role.VIEWER,
) -> Iterator[Endpoint]:
    """Yield the list of all chargers, and that of one."""
    for path, problems, of_whom in (
        (f"{ADMIN}/{name}", (), "all chargers"),
        (f"{CHARGER}/{name}", ("not_found",), "a charger"),
    ):
        yield Endpoint(
            method="GET",
            path=path,
            role=role,
            tag=TAG,
            summary=f"List {summary} of {of_whom}.",
            handle=handle,
            query=query,
            answer=page_of(answer),
            problems=("invalid", *problems),
        )


ENDPOINTS: Final = (
    *both("boots", list_boots, PagedWhose, facts.Boot, "the boots, newest first,"),
    *both("statuses", list_statuses, StatusesQuery, facts.StatusReport, "the changes of status, newest first,"),
    *both("faults", list_faults, FaultsQuery, facts.Fault, "the faults and warnings, newest first,"),
    *both("set-aside", list_set_aside, SetAsideQuery, facts.SetAsideMessage, "the messages set aside", Role.OPERATOR),
    *both("links", list_links, PagedWhose, links.Link, "the connections, newest first,"),
    *both("uptime", list_uptimes, UptimeQuery, links.Uptime, "the time connected, in the last 30 days,"),
    *both("repairs", list_repairs, Whose, facts.Repair, "what had to be repaired in the messages"),
    *both("habits", list_habits, HabitsQuery, facts.Habit, "the habits"),
    *both("connectors", list_connectors, Whose, chargers.Connector, "the connectors"),
)
