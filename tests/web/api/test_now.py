"""The site as it is now, over the API."""

from __future__ import annotations

from typing import Any

from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.site import now
from tests.store.books import Station
from tests.store.owning import House
from tests.store.telling import charge
from tests.web.api.conftest import Site

(NOW,) = now.ENDPOINTS


async def test_what_a_page_shows(site: Site, station: Station) -> None:
    House(site.books).give(1, "TAG")
    station.status("Charging")
    charge(station, station.start(1000), 1000, minutes=5, every=1)
    Station(site.books, "CP-2").lose()
    told = await site.call(NOW, role=Role.OPERATOR)
    assert told["site"] | {"energy": None} == {
        "name": "levity",
        "at": site.books.at,
        "time_zone": "UTC",
        "energy": None,
        "sessions": 1,
        "charging": 1,
        "power_w": 7200,
        "silent": 0,
        "start_id_tag": "anonymous",
    }
    assert told["site"]["energy"]["day_kwh"] == 0.6
    assert [one["kind"] for one in told["attention"]] == ["offline"]
    assert _session(told)["who"] == "Anna"
    assert _session(await site.call(NOW, role=Role.VIEWER))["who"] is None


async def test_an_address_that_this_machine_has_lost(site: Site, station: Station) -> None:
    station.status("Available")
    for address, kinds in (("127.0.0.1", []), ("192.0.2.7", ["address"])):
        site.books.connection.execute("UPDATE cp SET dialled = ?", (address,))
        site.books.wait(5)
        assert [one["kind"] for one in (await site.call(NOW))["attention"]] == kinds


async def test_some_chargers(site: Site) -> None:
    for name in ("CP-1", "CP-2", "CP-3", "A,B"):
        Station(site.books, name)
    for given, ids in (
        ("CP-1", ["CP-1"]),
        ("CP-3, CP-1", ["CP-1", "CP-3"]),
        ("CP-9", []),
        (",", []),
        ("A,B", ["A,B"]),
    ):
        told = await site.call(NOW, query={"charger": given})
        assert [one["id"] for one in told["chargers"]] == ids


def _session(told: Any) -> Any:
    return told["chargers"][0]["connectors"][0]["transaction"]
