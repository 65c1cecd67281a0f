"""What is known of chargers, of one and of all: boots, statuses, faults, links, uptime, and more."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Final

import msgspec

from levity_trio.store.reads import charger_facts as facts
from levity_trio.store.reads import chargers, links
from levity_trio.store.reads.pages import Page
from levity_trio.web.api.chargers import CHARGER, TAG
from levity_trio.web.api.endpoints import Asked, Endpoints, H, Request, Role
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
    wanted,
    whole,
)
from levity_trio.web.api.problems import not_found

ENDPOINTS: Final = Endpoints(TAG)

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


async def known_charger(asked: Request) -> str:
    """Return the charger in the path. Raises Problem if it is not known."""
    named = asked.path["id"]
    if not await asked.api.reader.run(partial(chargers.is_known, identity=named)):
        raise not_found(f"charger {named}")
    return named


async def whose(asked: Asked[Whose | PagedWhose, object]) -> str | None:
    """Return the charger in the path, which must be known, or the one in the query, if any."""
    return await known_charger(asked) if "id" in asked.path else asked.query.charger


def both(endpoints: Endpoints, name: str, words: str, role: Role = Role.VIEWER) -> Callable[[H], H]:
    """Declare two lists of facts of chargers with one function: that of one charger, and that of all of them."""

    def declare(handle: H) -> H:
        of_all, of_one = f"List {words} of all chargers.", f"List {words} of a charger."
        endpoints.get(f"{ADMIN}/{name}", role, "invalid", tag=TAG, summary=of_all)(handle)
        return endpoints.get(f"{CHARGER}/{name}", role, "invalid", "not_found", tag=TAG, summary=of_one)(handle)

    return declare


@both(ENDPOINTS, "boots", "the boots, newest first,")
async def list_boots(asked: Asked[PagedWhose, None]) -> Page[facts.Boot]:
    charger = await whose(asked)
    return await page(asked.api, lambda db: facts.boots(db, charger, wanted(asked.query)))


@both(ENDPOINTS, "statuses", "the changes of status, newest first,")
async def list_statuses(asked: Asked[StatusesQuery, None]) -> Page[facts.StatusReport]:
    charger = await whose(asked)
    return await page(asked.api, lambda db: facts.statuses(db, charger, asked.query.connector, wanted(asked.query)))


@both(ENDPOINTS, "faults", "the faults and warnings, newest first,")
async def list_faults(asked: Asked[FaultsQuery, None]) -> Page[facts.Fault]:
    charger = await whose(asked)
    return await page(asked.api, lambda db: facts.faults(db, charger, wanted(asked.query), is_open=asked.query.open))


@both(ENDPOINTS, "set-aside", "the messages set aside", Role.OPERATOR)
async def list_set_aside(asked: Asked[SetAsideQuery, None]) -> Page[facts.SetAsideMessage]:
    charger, query = await whose(asked), asked.query
    return await page(asked.api, lambda db: facts.set_aside(db, charger, wanted(query), is_waiting=query.waiting))


@both(ENDPOINTS, "links", "the connections, newest first,")
async def list_links(asked: Asked[PagedWhose, None]) -> Page[links.Link]:
    charger = await whose(asked)

    read = partial(links.links, charger=charger, wanted=wanted(asked.query))
    return await page(asked.api, lambda db: hidden_in(asked, read(db), "remote_address"))


@both(ENDPOINTS, "uptime", "the time connected, in the last 30 days,")
async def list_uptimes(asked: Asked[UptimeQuery, None]) -> Page[links.Uptime]:
    charger, query = await whose(asked), asked.query
    now = asked.api.stamp()
    until = min(moment(query.until, "to") or now, now)
    since = moment(query.since, "from") or ago(asked.api, UPTIME_DAYS)
    return whole(await asked.api.reader.run(lambda db: links.uptimes(db, charger, since, until)))


@both(ENDPOINTS, "repairs", "what had to be repaired in the messages")
async def list_repairs(asked: Asked[Whose, None]) -> Page[facts.Repair]:
    charger = await whose(asked)
    return whole(await asked.api.reader.run(partial(facts.repairs, charger=charger)))


@both(ENDPOINTS, "habits", "the habits")
async def list_habits(asked: Asked[HabitsQuery, None]) -> Page[facts.Habit]:
    charger, is_valid = await whose(asked), not asked.query.revoked
    found = await asked.api.reader.run(partial(facts.habits, charger=charger, is_valid=is_valid))
    return whole(hidden(asked, found, "revoked_by", "reason"))


@both(ENDPOINTS, "connectors", "the connectors")
async def list_connectors(asked: Asked[Whose, None]) -> Page[chargers.Connector]:
    charger = await whose(asked)
    found = await asked.api.reader.run(partial(chargers.connectors, charger=charger))
    return whole(hidden(asked, found, "said_by"))
