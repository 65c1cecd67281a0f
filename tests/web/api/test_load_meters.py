"""Meters of a feeder over the API: entered one by one, and told what they show."""

from __future__ import annotations

from typing import Any, cast

import pytest

from levity_trio.load.document import parse
from levity_trio.store.reads.load.load import newest_site
from levity_trio.store.writes.load import load as writes
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.load import feeder
from tests.store.reading import reading
from tests.web.api.conftest import Site

(ENTER,) = (one for one in feeder.ENDPOINTS if one.method == "PUT" and one.path.endswith("/meters"))
(PUSH,) = (one for one in feeder.ENDPOINTS if one.path.endswith("/meters/{name}"))
TWO = (
    '[[circuit]]\nname = "Row"\nparent = "Feeder"\namperes = 20\n'
    '[[circuit]]\nname = "Feeder"\namperes = 63\nreserve = 9\n'
)
SDM = {"model": "SDM630", "address": "http://192.0.2.7/"}


async def enter(site: Site, **body: Any) -> Any:
    return await site.call(ENTER, role=Role.ADMIN, body=body)


@pytest.fixture
def managed(site: Site) -> Site:
    site.books.run(writes.set_site, TWO, site.books.at, "Cleo")
    return site


async def test_an_owner_enters_the_meters_of_the_sun_one_by_one(managed: Site) -> None:
    await enter(managed, name="Main", **SDM)
    await enter(managed, name="PV", measures="panels", unit=2, inverted=True, **SDM)
    shelly = {"model": "shellypro3em", "address": "192.0.2.9"}
    told = await enter(managed, name="B", measures="battery", **shelly)
    row, house = told["circuits"]
    assert [row[of] for of in ("meter", "panels", "battery")] == [None, None, None]
    assert [house[of] for of in ("meter", "panels", "battery")] == ["Main", "PV", "B"]
    with reading(managed.books) as db:
        version = newest_site(db)
    assert version is not None
    main, panels, battery = parse(version.toml).meters
    assert (main.kind, main.address, main.unit, main.inverted) == ("modbus", "192.0.2.7", 1, False)
    assert (panels.unit, panels.inverted) == (2, True)
    assert battery.url == "http://192.0.2.9/rpc/EM.GetStatus?id=0"
    # The same once more is another address of the same meter.
    told = await enter(managed, name="B", measures="battery", model="push")
    assert len(told["circuits"]) == 2
    assert 'name = "B"\n' in told["toml"]
    assert "rpc" not in told["toml"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"name": "PV", "measures": "panels", **SDM}, "give meter, that of the grid's point"),
        ({"name": "A", "circuit": "Roof", **SDM}, "there are: Row, Feeder"),
        ({"name": "A", "model": "SDM630"}, "give that of its meter in your network"),
        ({"name": "A", "model": "mqtt", "topic": ["a/+"]}, "which stand for many topics"),
        ({"name": "A", "model": "nothing"}, "model"),
    ],
)
async def test_a_meter_that_cannot_be_is_refused_in_words(
    managed: Site, body: dict[str, Any], words: str
) -> None:
    with pytest.raises(Problem) as refused:
        await enter(managed, **body)
    assert words in said(refused.value)


async def test_a_circuit_keeps_its_meter(managed: Site) -> None:
    await enter(managed, name="A", model="push", circuit="Row")
    with pytest.raises(Problem, match="Row has the meter A already"):
        await enter(managed, name="B", model="push", circuit="Row")


async def test_without_a_feeder_there_is_no_meter(site: Site) -> None:
    with pytest.raises(Problem, match="nothing is managed"):
        await enter(site, name="A", model="push")


class Listening:
    """Load management that takes what meters show."""

    def __init__(self) -> None:
        self.shown: list[tuple[Any, ...]] = []

    def measured(self, *shown: Any) -> bool:
        self.shown.append(shown)
        return True


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"amperes": [1.5, 2]}, ((1.5, 2.0, 0.0), None)),
        ({"watts": [-4000, 5, 7]}, (None, (-4000.0, 5.0, 7.0))),
        ({"amperes": [1], "watts": [-230]}, ((1.0, 0.0, 0.0), (-230.0, 0.0, 0.0))),
    ],
)
async def test_a_program_tells_currents_powers_or_both(
    managed: Site, body: dict[str, Any], shown: tuple[Any, ...]
) -> None:
    load, parts = Listening(), cast(Any, managed.api)
    parts.load = load
    await managed.call(PUSH, role=Role.OPERATOR, body=body, name="Main")
    assert load.shown == [("Main", *shown)]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "amperes"),
        ({"amperes": [1e5]}, "amperes"),
        ({"watts": [1e9]}, "watts"),
        ({"watts": []}, "watts"),
        ({"watts": [1, 2, 3, 4]}, "watts"),
    ],
)
async def test_what_no_meter_shows_is_refused(
    managed: Site, body: dict[str, Any], field: str
) -> None:
    cast(Any, managed.api).load = None
    with pytest.raises(Problem) as refused:
        await managed.call(PUSH, role=Role.OPERATOR, body=body, name="Main")
    assert field in str(refused.value.members)


def said(problem: Problem) -> str:
    return f"{problem} {problem.members}"
