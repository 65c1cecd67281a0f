"""The neighbours over a day, at a server in virtual time: some charge at any time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random

import trio

from levity_trio.demo.house import CHARGERS, HOUSEHOLDS, configuration, default_profile, plate
from levity_trio.demo.neighbours import LEAST, ONLY, WANTED_OF_AN_EVENING, WANTING, Neighbours
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.link import Pace
from levity_trio.simulator.scenario import ChargerPlan
from levity_trio.store.engine.file_store import FileConnection
from tests.tools.benchmarks.months.books import open_books
from tests.tools.benchmarks.months.fleet import Network, Switchboard, charger_of, open_links
from tests.tools.benchmarks.months.leaping import run
from tests.tools.benchmarks.months.server import open_server

BEGIN = datetime(2026, 1, 15, 17, 20, tzinfo=UTC)
LOOK_SECONDS = 30.0
SETTLED_SECONDS = 300.0
DAY_SECONDS = 24 * 3600.0
HOURS = 2.4
TRANSACTIONS = "SELECT count(*), count(DISTINCT id_tag), count(review) FROM tx"


def charging(chargers: list[Charger]) -> int:
    return sum(one.connectors[ONLY].status in WANTING for one in chargers)


async def a_day(
    books: FileConnection, seconds: float = DAY_SECONDS, *, is_limited: bool = False
) -> list[int]:
    """Return how many charge, or wait for current, at each look, once the first ones do."""
    board, pace = Switchboard(), Pace()
    network = Network(board.serve, 0.0, 1)
    made = partial(charger_of, configuration=configuration(3600), network=network)
    chargers = [made(ChargerPlan(plate(name, 0), (), ())) for name in CHARGERS]
    for one in chargers if is_limited else ():
        one.install(ONLY, default_profile(one.spec.id), None, 0.0)
    by_name = dict(zip(CHARGERS, chargers, strict=True))
    neighbours = Neighbours(by_name, lambda: (BEGIN + timedelta(seconds=pace.now)).hour, Random(1))
    seen = []
    async with (
        open_links(chargers, pace, network),
        open_server(books, 3600, lambda: BEGIN + timedelta(seconds=pace.now)) as server,
    ):
        board.to = server.serve
        while pace.now < seconds:
            neighbours.look(pace.now)
            await trio.sleep(LOOK_SECONDS)
            if pace.now > SETTLED_SECONDS:
                seen.append(charging(chargers))
    return seen


def test_at_any_time_of_a_day_some_charge_and_cars_come_and_go() -> None:
    with open_books() as books:
        seen = run(partial(a_day, books))
        transactions, tags, reviews = books.execute(TRANSACTIONS).fetchone()
    assert min(seen) >= LEAST
    assert transactions > 2 * len(HOUSEHOLDS)
    assert tags == len(HOUSEHOLDS)
    assert reviews == 0


def test_a_car_that_waits_for_current_stays_and_no_other_comes_in_its_place() -> None:
    """In the evening; the shortest stay is a little longer."""
    with open_books() as books:
        seen = run(partial(a_day, books, HOURS * 3600, is_limited=True))
        ((transactions, ended),) = books.execute(
            "SELECT count(*), count(stop_time) FROM tx"
        ).fetchall()
    assert set(seen) == {WANTED_OF_AN_EVENING}
    assert (transactions, ended) == (WANTED_OF_AN_EVENING, 0)
