"""A charger is named by its identity, its name or its space, wherever one is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from levity_trio.store.writes.chargers.registration import ChargerData, change_charger
from levity_trio.store.writes.people import ownership
from levity_trio.web.api.chargers import chargers
from levity_trio.web.api.engine.endpoints import Endpoint
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.people import accounts
from levity_trio.web.api.transactions import transactions
from tests.store.books import Station
from tests.store.owning import SPACE, House
from tests.web.api.conftest import Site

(ONE,) = [one for one in chargers.ENDPOINTS if one.path == chargers.CHARGER and one.method == "GET"]
(RENAME,) = [
    one for one in chargers.ENDPOINTS if (one.method, one.path) == ("PUT", chargers.CHARGER)
]
(RETIRE,) = [
    one for one in chargers.ENDPOINTS if one.path == chargers.CHARGER and one.method == "DELETE"
]
(GIVE,) = [one for one in accounts.ENDPOINTS if one.path == f"{accounts.ACCOUNT}/give"]
(SESSIONS,) = [
    one
    for one in transactions.ENDPOINTS
    if one.path == transactions.TRANSACTIONS and one.method == "GET"
]


@pytest.fixture(autouse=True)
def named(site: Site, station: Station) -> None:
    House(site.books)
    data = ChargerData("Garage left", None)
    site.books.run(change_charger, station.name, data, site.books.at)
    site.books.run(ownership.name_space, SPACE._replace(connector=1), "Space 4")


@pytest.mark.parametrize("text", ["CP-1", "Garage left", "garage  LEFT", "space 4"])
async def test_by_identity_name_or_space(site: Site, station: Station, text: str) -> None:
    number = station.start(1000)
    assert (await site.call(ONE, id=text))["id"] == "CP-1"
    found = await site.call(SESSIONS, query={"charger": text})
    assert [one["id"] for one in found["data"]] == [number]
    given = await site.call(GIVE, id="1", body={"charger": text})
    assert given["belongings"][0]["charger"] == "CP-1"


async def test_of_several_with_one_name_none_is_taken(site: Site) -> None:
    Station(site.books, "CP-2")
    await site.call(RENAME, id="CP-2", body={"name": "Space 4"})
    calls: list[tuple[Endpoint, dict[str, Any]]] = [
        (ONE, {"id": "Space 4"}),
        (RETIRE, {"id": "Space 4"}),
        (SESSIONS, {"query": {"charger": "Space 4"}}),
        (GIVE, {"id": "1", "body": {"charger": "Space 4"}}),
    ]
    for endpoint, asked in calls:
        with pytest.raises(Problem) as refused:
            await site.call(endpoint, **asked)
        assert "CP-1, CP-2" in refused.value.detail


async def test_an_identity_goes_before_a_name(site: Site) -> None:
    Station(site.books, "Space 4")
    assert (await site.call(ONE, id="Space 4"))["id"] == "Space 4"
    with pytest.raises(Problem) as refused:
        await site.call(ONE, id="Space 5")
    assert refused.value.code == "not_found"


async def test_a_retired_one_is_no_longer_called_so(site: Site) -> None:
    Station(site.books, "CP-2")
    await site.call(RENAME, id="CP-2", body={"name": "Garage left"})
    await site.call(RETIRE, id="CP-1")
    assert (await site.call(ONE, id="Garage left"))["id"] == "CP-2"
