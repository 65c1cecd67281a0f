"""Whose a tag is and when it was used last, as a client sees it."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from levity_trio.store.writes import tags as writes
from levity_trio.store.writes.tags import TagData
from levity_trio.web.api import owned, tags
from levity_trio.web.api.endpoints import Role
from levity_trio.web.api.tags import ChangeBody, TagBody
from tests.store.books import Station
from tests.store.owning import House
from tests.web.api.conftest import Site

(LIST,) = [one for one in tags.ENDPOINTS if (one.method, one.path) == ("GET", tags.ID_TAGS)]
(OWNED,) = [one for one in owned.ENDPOINTS if one.path == owned.OWNED_TAGS]
(ONE,) = [one for one in tags.ENDPOINTS if (one.method, one.path) == ("GET", tags.ID_TAG)]


def add(site: Site, id_tag: str) -> None:
    data = TagData(id_tag, "Anna's card", "Accepted", None, None, None, None)
    site.books.run(writes.add, site.books.policy, data, site.books.at, "cleo")


async def listed(site: Site, role: Role = Role.OPERATOR) -> list[Any]:
    return list((await site.call(LIST, role=role))["data"])


async def test_a_tag_has_its_household_of_now(site: Site) -> None:
    add(site, "TAG")
    house = House(site.books)
    assert (await listed(site))[0]["account"] is None
    house.give(1, "tag")
    (found,) = await listed(site)
    assert (found["account"], found["account_name"]) == (1, "Anna")
    house.take(1, "TAG", site.books.at)
    assert (await listed(site))[0]["account_name"] is None


async def test_its_last_use_counts_however_it_was_spelt(site: Site, station: Station) -> None:
    add(site, "TAG")
    station.start(1000, tag="TAG")
    station.books.wait(60)
    station.start(2000, tag="tag", connector=2)
    (found,) = await listed(site)
    one = await site.call(ONE, tag="Tag")
    assert found["last_used_at"] == one["last_used_at"] == station.clock().replace("Z", ".000Z")
    assert one["sent_as"] == ["TAG", "tag"]


async def test_a_tag_that_nobody_used(site: Site) -> None:
    add(site, "TAG")
    one = await site.call(ONE, tag="TAG")
    assert (one["last_used_at"], one["sent_as"]) == (None, [])


async def test_viewers_see_no_households(site: Site) -> None:
    add(site, "TAG")
    House(site.books).give(1, "TAG")
    (found,) = await listed(site, Role.VIEWER)
    one = await site.call(ONE, role=Role.VIEWER, tag="TAG")
    assert found["account"] is found["account_name"] is one["account"] is one["account_name"] is None


async def test_tags_of_households_that_nobody_added(site: Site) -> None:
    add(site, "ADDED")
    house = House(site.books)
    for tag in ("ADDED", "GIVEN", "TAKEN"):
        house.give(1, tag)
    house.take(1, "TAKEN", site.books.at)
    (found,) = (await site.call(OWNED, role=Role.OPERATOR))["data"]
    assert found == {"id_tag": "GIVEN", "account": 1, "account_name": "Anna"}


@pytest.mark.parametrize(
    ("given", "expires"),
    [
        ("2027-01-01", "2026-12-31T23:00:00.000Z"),
        ("2027-07-01T12:00", "2027-07-01T10:00:00.000Z"),
        ("2027-07-01T12:00:00Z", "2027-07-01T12:00:00.000Z"),
    ],
)
def test_a_tag_expires_at_the_time_of_the_site(given: str, expires: str) -> None:
    zone = ZoneInfo("Europe/Berlin")
    assert TagBody(id_tag="CARD", expires_at=given).data(zone).expires_at == expires
    assert ChangeBody(expires_at=given).fields(zone) == {"expires_at": expires}
