"""A driver lets his car wait for a lower price."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, cast

import pytest

from levity_trio.charging.quarters import quarter_of
from levity_trio.load.service import LoadManagement
from levity_trio.store.writes.load import load
from levity_trio.web.dashboard.pages import driver
from tests.load.test_price_waits import MOVING
from tests.store.bills import BERLIN, Biller
from tests.web.api.driving import Driver, Yard
from tests.web.dashboard.opening import Opening

NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)
"""The day before the clocks of Berlin are set to summer time."""
LIMIT = {"most_price": "0,20", "charges_at": "2026-03-29T07:00"}


class Waiting:
    """Anna charges at CP-1, which is limited, with a price that moves: 0.30 until 22:00 in Berlin
    and from 6:00 on, 0.10 between; both are net."""

    def __init__(self, yard: Yard, session: int) -> None:
        self.yard = yard
        self.path = f"/transactions/{session}/price-limit"

    def enter(self, price: str, since: datetime, until: datetime) -> None:
        for quarter in range(quarter_of(since.timestamp()), quarter_of(until.timestamp())):
            self.yard.books.connection.execute(
                "INSERT INTO series_value (series_id, quarter, batch_id, price) "
                "VALUES (1, ?, 1, ?)",
                (quarter, price),
            )

    async def put(self, **changed: str) -> Any:
        return await self.yard.anna.put(self.path, LIMIT | changed)

    async def refused(self, method: str, body: Any = None, by: Driver | None = None) -> Any:
        return await (by or self.yard.anna).refused(method, self.path, body)

    @property
    def kept(self) -> list[tuple[Any, ...]]:
        wishes = "SELECT most_price, charges_at, ended_by FROM price_wish ORDER BY id"
        return self.yard.books.rows(wishes)


@pytest.fixture
async def waiting(yard: Yard) -> Waiting:
    books = yard.books
    books.now = NOON
    parts: Any = yard.api
    parts.config = replace(parts.config, given_time_zone=BERLIN)
    parts.load = LoadManagement(
        cast(Any, yard.writer), parts.reader, parts.chargers, yard.central.clock
    )
    biller = Biller(yard.house)
    await yard.add_tag("A1")
    books.connection.execute(
        "INSERT INTO series (name, currency, prices, changed_at, changed_by) "
        "VALUES ('Market', 'EUR', 'net', '', 'cleo')"
    )
    biller.assign(biller.add(MOVING), date(2026, 1, 1), 1)
    books.connection.execute("INSERT INTO series_batch (series_id, at, by) VALUES (1, '', '')")
    async with yard.charger() as plug:
        session = await plug.begin("A1")
    books.run(load.manage, ["CP-1"], books.at, "cleo")
    waiting = Waiting(yard, session)
    night, morning = NOON.replace(hour=21), NOON.replace(day=29, hour=4)
    waiting.enter("0.30", NOON, night)
    waiting.enter("0.10", night, morning)
    waiting.enter("0.30", morning, NOON.replace(day=29, hour=22))
    return waiting


async def test_the_answer_says_which_hours_are_low_enough(waiting: Waiting) -> None:
    """They are local, and tomorrow has an hour less."""
    shown = await waiting.yard.anna.get(waiting.path)
    nothing = {"most_price": None, "charges_at": None, "waits_until": None, "is_unknown": False}
    assert shown == {"currency": "EUR", "hours": [], **nothing}
    wanted = {
        "currency": "EUR",
        "most_price": "0.20",
        "charges_at": "2026-03-29T05:00:00.000Z",
        "waits_until": "2026-03-28T21:00:00.000Z",
        "is_unknown": False,
        "hours": [{"since": "2026-03-28T21:00:00.000Z", "until": "2026-03-29T04:00:00.000Z"}],
    }
    assert await waiting.put() == wanted
    assert await waiting.yard.anna.get(waiting.path) == wanted
    changed = await waiting.put(most_price="0.05", charges_at="2026-03-28T20:15")
    assert changed == wanted | {
        "most_price": "0.05",
        "charges_at": "2026-03-28T19:15:00.000Z",
        "waits_until": "2026-03-28T19:15:00.000Z",
        "hours": [],
    }
    assert waiting.kept == [
        ("0.20", "2026-03-29T05:00:00.000Z", "driver 7"),
        ("0.05", "2026-03-28T19:15:00.000Z", None),
    ]


async def test_it_can_be_taken_back(waiting: Waiting) -> None:
    await waiting.put()
    reply = await waiting.yard.anna.ask("DELETE", waiting.path)
    assert reply.status == 200
    assert [ended_by for *_, ended_by in waiting.kept] == ["driver 7"]
    assert (await waiting.yard.anna.get(waiting.path))["waits_until"] is None


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"most_price": "cheap"}, "price of a kWh"),
        ({"charges_at": "2026-03-28T11:00"}, "still to come"),
        ({"charges_at": "soon"}, "give a time such as"),
    ],
)
async def test_what_cannot_be_is_refused_in_words(
    waiting: Waiting, changed: dict[str, str], field: str
) -> None:
    status, code, words = await waiting.refused("PUT", LIMIT | changed)
    assert (status, code) == (422, "invalid")
    assert field in words
    assert waiting.kept == []


async def test_a_car_of_others_does_not_wait(waiting: Waiting) -> None:
    for method, body in (("PUT", LIMIT), ("GET", None), ("DELETE", None)):
        status, code, _ = await waiting.refused(method, body, waiting.yard.ben)
        assert (status, code) == (404, "not_found")


@pytest.mark.parametrize("what", ["load_charger", "tariff_assignment", "tx"])
async def test_a_car_waits_only_where_that_is_possible(waiting: Waiting, what: str) -> None:
    """Its charger is not limited, its price does not move, or its session is over."""
    connection = waiting.yard.books.connection
    if what == "load_charger":
        connection.execute("UPDATE load_charger SET state = 'leaving'")
    elif what == "tariff_assignment":
        biller = Biller(waiting.yard.house, has_begun=True)
        biller.assign(None, date(2026, 2, 1), 1)
    else:
        waiting.yard.books.now = NOON
        ((number,),) = connection.execute("SELECT id FROM tx").fetchall()
        async with waiting.yard.charger() as plug:
            await plug.end(number)
    status, code, words = await waiting.refused("PUT", LIMIT)
    assert (status, code) == (409, "conflict")
    assert "its price moves by the quarter-hour" in words


async def test_a_price_that_nobody_knows_makes_no_car_wait(waiting: Waiting) -> None:
    waiting.yard.books.now = NOON.replace(day=29, hour=23)
    shown = await waiting.put(charges_at="2026-03-30T12:00")
    assert (shown["waits_until"], shown["is_unknown"]) == (None, True)


async def test_the_page_of_the_session_says_it(waiting: Waiting) -> None:
    """Before a wish it offers one; with it, when the car waits and which hours are low enough."""
    page = next(page for page in driver.PAGES if page.path == "/d/sessions/{id}")
    number = int(waiting.path.split("/")[2])
    opening = Opening(waiting.yard, waiting.yard.anna.caller)
    assert "Wait for a lower price…" in (await opening.open(page, id=number)).words
    await waiting.put()
    words = (await opening.open(page, id=number)).words
    assert "Your car waits while a kWh costs more than 0.20 EUR. From" in words
    assert "Low enough:" in words
    assert "Wait no longer" in words
