"""A charger takes the place of another one, as a client sees it."""

from __future__ import annotations

import pytest

from levity_trio.store.writes.chargers import configuration
from levity_trio.store.writes.chargers.configuration import NewTemplate
from levity_trio.store.writes.load import load
from levity_trio.web.api.chargers import chargers
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.people import limits, replacing
from tests.store.books import Station
from tests.store.owning import SPACE, House
from tests.web.api.conftest import Site

READ, REPLACE, *_OTHERS = replacing.ENDPOINTS
(DESCRIBE,) = [one for one in chargers.ENDPOINTS if one.path.endswith("{connector}")]
(RENAME,) = [
    one for one in chargers.ENDPOINTS if (one.method, one.path) == ("PUT", chargers.CHARGER)
]
(ONE,) = [one for one in chargers.ENDPOINTS if one.path == chargers.CHARGER and one.method == "GET"]
(LIMIT,) = [
    one for one in limits.ENDPOINTS if one.path == limits.OF_ACCOUNT and one.method == "PUT"
]


async def furnish(site: Site) -> House:
    """Give CP-1 all that a place has."""
    house = House(site.books)
    house.give(1, SPACE)
    await site.call(RENAME, id="CP-1", body={"name": "Space 4"})
    await site.call(DESCRIBE, id="CP-1", connector="1", body={"phases": 3, "max_a": 16})
    await site.call(LIMIT, id="2", body={"chargers": ["CP-1"]})
    template = NewTemplate(name="Usual", model=None, chargers=["CP-1"], entries={"A": "1"})
    site.books.run(configuration.set_template, template, site.books.at, "cleo")
    circuit = '[[circuit]]\nname = "F"\namperes = 63\n'
    toml = f'{circuit}[[charger]]\nid = "CP-1"\ncircuit = "F"\nrotation = "STR"\n'
    site.books.run(load.set_site, toml, site.books.at, "cleo")
    site.books.run(load.manage, ["CP-1"], site.books.at, "cleo")
    return house


async def test_what_belongs_to_the_place_follows(site: Site, station: Station) -> None:
    house = await furnish(site)
    before = station.start(1000, tag="GUEST")
    station.books.wait(60)
    shown = await site.call(READ, id="CP-1")
    assert shown["open_sessions"] == [before]
    assert shown["moves"] == [
        "the name Space 4",
        "the household Anna, from now on",
        "the template Usual",
        "where Ben may charge",
        "what is known of connector 1",
        "its place in load management, which limits it from now on",
    ]
    replaced = await site.call(REPLACE, id="CP-1", body={"charger": "CP-9"})
    assert (replaced["id"], replaced["name"]) == ("CP-9", "Space 4")
    old = await site.call(ONE, id="CP-1")
    assert old["retired_on"] == site.books.at[:10]
    assert house.whose(before) == 1

    station.books.wait(60)
    new = Station(station.books, "CP-9")
    assert house.whose(new.start(0, tag="GUEST")) == 1
    rows = site.books.rows
    assert rows("SELECT chargers FROM usage_limit ORDER BY id DESC LIMIT 1") == [('["CP-9"]',)]
    assert rows("SELECT chargers FROM configuration_template WHERE ended_at IS NULL") == [
        ('["CP-9"]',)
    ]
    assert rows("SELECT conn_id, phases, max_a FROM connector_data WHERE cp_id = 'CP-9'") == [
        (1, 3, 16)
    ]
    ((toml,),) = rows("SELECT toml FROM load_site ORDER BY id DESC LIMIT 1")
    assert ('id = "CP-9"' in toml, 'rotation = "STR"' in toml, "CP-1" in toml) == (
        True,
        True,
        False,
    )
    assert rows("SELECT cp_id, state FROM load_charger WHERE state = 'managed'") == [
        ("CP-9", "managed")
    ]


async def test_prices_and_house_meters_follow(site: Site, station: Station) -> None:
    books = station.books
    books.connection.execute(
        "INSERT INTO meter (id, name, class_percent, chargers_percent, since, created_at, "
        "created_by, updated_at) VALUES (1, 'Garage', 1, 1, ?, ?, 'cleo', ?)",
        (books.at,) * 3,
    )
    books.connection.execute("INSERT INTO meter_charger (meter_id, cp_id) VALUES (1, 'CP-1')")
    books.connection.execute(
        "INSERT INTO tariff_assignment (scope, key, since, assigned_at, assigned_by) "
        "VALUES ('charger', 'CP-1', '2026-01-01', ?, 'cleo')",
        (books.at,),
    )
    await site.call(REPLACE, id="CP-1", body={"charger": "CP-9"})
    assert books.rows("SELECT cp_id FROM meter_charger ORDER BY cp_id") == [("CP-1",), ("CP-9",)]
    assert books.rows("SELECT since FROM tariff_assignment WHERE key = 'CP-9'") == [
        (books.at[:10],)
    ]


@pytest.mark.parametrize("new", ["CP-1", "CP-2"])
async def test_one_that_has_a_household_takes_no_place(
    site: Site, station: Station, new: str
) -> None:
    house = House(site.books)
    Station(station.books, "CP-2")
    house.give(2, SPACE._replace(key="CP-2"))
    with pytest.raises(Problem) as refused:
        await site.call(REPLACE, id="CP-1", body={"charger": new})
    assert refused.value.code == "conflict"
    with pytest.raises(Problem):
        await site.call(REPLACE, id="NONE", body={"charger": "CP-9"})
    with pytest.raises(Problem):
        await site.call(REPLACE, id="CP-1", body={"charger": "CP-9"}, role=Role.OPERATOR)
    assert (await site.call(ONE, id="CP-1"))["retired_on"] is None
