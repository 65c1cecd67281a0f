"""A driver lets his car wait for a lower price: real messages to simulated chargers, in virtual
time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, cast

import pytest
import trio

from levity_trio.billing.assignments import Scope, TariffTarget
from levity_trio.billing.ownership import BillBy
from levity_trio.billing.tariff_file import parse
from levity_trio.charger.central import Central
from levity_trio.charging.quarters import SECONDS, quarter_of
from levity_trio.store.billing.booking import book_all
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.reads.load.load_day import PriceWait, price_waits
from levity_trio.store.writes.money import tariffs
from levity_trio.store.writes.people.ownership import Said
from levity_trio.wire.times import from_seconds, shifted, stamp
from tests.charger.parts import InlineWriter
from tests.load.block import Block, InlineReader, open_block, site
from tests.store.bills import BERLIN

VIRTUAL_TIME = True
MINUTE = 60.0
HOUR = 60 * MINUTE
SAID = Said("2026-01-01T00:00:00.000Z", "cleo", "")
MOVING = (
    'name = "Moving"\nvalid_from = 2020-01-01\ncurrency = "EUR"\nprices = "gross"\ntax = 19\n'
    '[energy]\nseries = "Market"\nmarkup = 0.05\n'
)
"""A price of the series is net: 0.10 costs 0.169 with tax and markup."""


def enter(block: Block, prices: Mapping[int, str], toml: str = MOVING) -> int:
    """Give the site a tariff of a series, and that prices: by the quarter of an hour from the
    present one on. Return the present one."""
    writer, now = block.writer, block.central.clock()
    first = quarter_of(now.timestamp())
    if not writer.rows("SELECT 1 FROM series"):
        writer._connection.execute(
            "INSERT INTO series (name, currency, prices, changed_at, changed_by) "
            "VALUES ('Market', 'EUR', 'net', '', 'cleo')"
        )
        writer.run_now(book_all, Rule(BERLIN, block.central.tags.policy, BillBy("tag")))
        tariff = writer.run_now(tariffs.add, tariffs.GivenVersion(toml, parse(toml)), None, SAID)
        wanted = tariffs.Assigning(
            TariffTarget(Scope.SITE, ""), tariff.id, date(2020, 1, 1), SAID.at
        )
        writer.run_now(tariffs.assign, wanted, None, SAID)
    writer._connection.execute("INSERT INTO series_batch (series_id, at, by) VALUES (1, '', '')")
    for place, price in prices.items():
        writer._connection.execute(
            "INSERT INTO series_value (series_id, quarter, batch_id, price) "
            "VALUES (1, ?, (SELECT max(id) FROM series_batch), ?)",
            (first + place, price),
        )
    return first


async def wish(block: Block, number: int, price: str, *, hours: float = 12.0) -> str:
    """Let a car wait above a price, for at most so many hours; return when it charges."""
    ((transaction,),) = block.writer.rows(
        "SELECT id FROM tx WHERE cp_id = ? AND status = 'Active'", f"CP-{number}"
    )
    at = stamp(shifted(block.central.clock(), timedelta(hours=hours)))
    await block.load.wait_for_price(transaction, (price, at), by="anna")
    return at


def says(block: Block, number: int = 0) -> str:
    assert block.load.now is not None
    (car,) = [one for one in block.load.now.cars if one.charger == f"CP-{number}"]
    return car.says


def spans(writer: InlineWriter) -> list[bool]:
    """Whether each span in which a car waited by the wish of its driver is over. Before the first
    of them, it waited for its first limit."""
    found = writer.rows("SELECT is_by_wish, until IS NOT NULL FROM load_span ORDER BY id")
    first = [is_by_wish for is_by_wish, _ in found].index(1)
    assert {is_by_wish for is_by_wish, _ in found[first:]} == {1}
    return [bool(is_over) for _, is_over in found[first:]]


async def waits(block: Block, **asked: Any) -> dict[int, PriceWait]:
    reader: Any = InlineReader(block.writer)
    now = block.central.clock()
    found = await reader.run(lambda db: price_waits(db, now, **asked))
    return cast(dict[int, PriceWait], found)


async def to_next_quarter(block: Block) -> None:
    """Wait until a quarter of an hour has just begun, and that was noticed."""
    at = block.central.clock().timestamp()
    await trio.sleep(SECONDS - at % SECONDS + 20)


async def test_a_car_waits_while_the_price_is_above_what_its_driver_wants(
    central: Central, writer: InlineWriter
) -> None:
    """The tax is in his price: of 0.168 and 0.169, only the latter is enough."""
    async with open_block(central, writer, 1) as block:
        first = enter(block, {0: "0.10", 1: "0.10", 2: "0.10", 3: "0.05", 4: "0.10", 5: "0.10"})
        await block.manage(site(40, 1))
        block.arrive(0)
        await trio.sleep(30)
        assert block.current(0) == 16
        await wish(block, 0, "0.169")
        await trio.sleep(20)
        assert block.current(0) == 16
        await wish(block, 0, "0.168")
        await trio.sleep(20)
        assert block.current(0) == 0
        until = stamp(from_seconds((first + 3) * SECONDS))
        assert says(block) == f"waits for a lower price until {until}"
        assert spans(writer) == [False]
        for drawn in (0, 0, 16, 0, 0):
            await to_next_quarter(block)
            await trio.sleep(20)
            assert block.current(0) == drawn
        assert spans(writer) == [True, False]
        # Then nobody knows the price.
        await to_next_quarter(block)
        await trio.sleep(20)
        assert block.current(0) == 16
        ((_, wait),) = (await waits(block)).items()
        assert (wait.is_unknown, wait.waits_until, wait.hours) == (True, None, ())
        assert writer.rows("SELECT disobeys_since FROM load_charger") == [(None,)]


async def test_from_a_time_on_it_charges_all_the_same_and_the_wish_ends(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 1) as block:
        enter(block, dict.fromkeys(range(12), "0.30"))
        await block.manage(site(40, 1))
        block.arrive(0)
        await trio.sleep(30)
        at = await wish(block, 0, "0.20", hours=0.7)
        await trio.sleep(40 * MINUTE)
        assert block.current(0) == 0
        assert says(block) == f"waits for a lower price until {at}"
        await trio.sleep(3 * MINUTE)
        assert block.current(0) == 16
        assert writer.rows("SELECT ended_by, ended_at >= charges_at FROM price_wish") == [
            ("load management", 1)
        ]
        assert {row[0] for row in writer.rows("SELECT until IS NULL FROM load_span")} == {0}


async def test_it_is_taken_back_and_ends_when_the_car_leaves(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 1) as block:
        enter(block, dict.fromkeys(range(12), "0.30"))
        await block.manage(site(40, 1))
        block.arrive(0)
        await trio.sleep(30)
        for is_taken_back in (True, False):
            await wish(block, 0, "0.20")
            await trio.sleep(20)
            assert block.current(0) == 0
            if is_taken_back:
                ((number,),) = writer.rows("SELECT id FROM tx")
                await block.load.wait_for_price(number, None, by="anna")
                await trio.sleep(80)
                assert block.current(0) == 16
        block.leave(0)
        await trio.sleep(30)
        assert writer.rows("SELECT ended_by FROM price_wish ORDER BY id") == [
            ("anna",),
            ("load management",),
        ]
        assert {row[0] for row in writer.rows("SELECT until IS NULL FROM load_span")} == {0}


async def test_one_that_waited_gets_no_more_than_its_share(
    central: Central, writer: InlineWriter
) -> None:
    """The other one has all meanwhile; then both share."""
    async with open_block(central, writer, 2) as block:
        enter(block, {0: "0.30", 1: "0.30", 2: "0.10", 3: "0.10"})
        await block.manage(site(20, 2))
        block.arrive(0)
        block.arrive(1)
        await trio.sleep(30)
        await wish(block, 0, "0.20")
        await trio.sleep(10 * MINUTE)
        assert (block.current(0), block.current(1)) == (0, 16)
        await to_next_quarter(block)
        await to_next_quarter(block)
        await trio.sleep(MINUTE)
        assert (block.current(0), block.current(1)) == (10, 10)
        assert block.over(20) == []


async def test_a_restart_goes_on_and_without_us_the_safe_limit_holds(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 1) as block:
        enter(block, dict.fromkeys(range(60), "0.30"))
        await block.manage(site(40, 1, safe=6))
        block.arrive(0)
        await trio.sleep(30)
        await wish(block, 0, "0.20", hours=14)
        await trio.sleep(30)
        block.kill()
        await trio.sleep(MINUTE)
        await block.serve()
        await trio.sleep(HOUR)
        assert block.current(0) == 0
        assert spans(writer) == [False]
        block.kill()
        await trio.sleep(5 * HOUR)
        assert block.current(0) == 6


async def test_prices_are_read_once_a_quarter_of_an_hour(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 1) as block:
        enter(block, dict.fromkeys(range(12), "0.30"))
        await block.manage(site(40, 1))
        block.arrive(0)
        await trio.sleep(30)
        await wish(block, 0, "0.20")
        await to_next_quarter(block)
        statements: list[str] = []
        connection = cast(Any, writer._connection)
        connection.set_trace_callback(statements.append)
        await trio.sleep(HOUR)
        connection.set_trace_callback(None)
        assert sum("FROM series_value" in one for one in statements) in range(4, 13)


async def test_a_charger_that_cannot_be_paused_gets_the_least(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 1) as block:
        enter(block, dict.fromkeys(range(12), "0.30"))
        await block.manage(site(40, 1))
        block.learn(zero=False)
        block.arrive(0)
        await trio.sleep(30)
        await wish(block, 0, "0.20")
        await trio.sleep(5 * MINUTE)
        assert block.current(0) == 6
        assert says(block) == "cannot be paused, so 6 A are kept for it"


async def test_a_price_that_moves_up_and_down_leaves_a_car_no_night_without_current(
    central: Central, writer: InlineWriter
) -> None:
    """With each quarter of an hour it is paused or raised, until it has been written to so often
    that it might not be raised any more."""
    async with open_block(central, writer, 1) as block:
        enter(block, {place: ("0.30", "0.10")[place % 2] for place in range(40)})
        await block.manage(site(40, 1, options="[options]\nwrites_a_day = 10\n"))
        block.arrive(0)
        await trio.sleep(30)
        await wish(block, 0, "0.20")
        drawn = []
        for _ in range(9):
            await to_next_quarter(block)
            await trio.sleep(MINUTE)
            drawn.append(block.current(0))
        assert drawn == [16, 0] * 2 + [16] * 5


@pytest.mark.logs_errors
async def test_prices_that_cannot_be_read_keep_no_car_from_charging(
    central: Central, writer: InlineWriter, log_lines: list[dict[str, Any]]
) -> None:
    async with open_block(central, writer, 1) as block:
        enter(block, {0: "cheap"})
        await block.manage(site(40, 1))
        block.arrive(0)
        await trio.sleep(30)
        await wish(block, 0, "0.20")
        await trio.sleep(MINUTE)
        assert block.current(0) == 16
        failures = [line for line in log_lines if "wait for a lower price" in line["event"]]
        assert len(failures) == 1


async def test_a_price_that_does_not_move_makes_no_car_wait(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 1) as block:
        toml = MOVING.replace('series = "Market"\nmarkup = 0.05', "price = 0.40")
        enter(block, {0: "0.30"}, toml)
        await block.manage(site(40, 1))
        block.arrive(0)
        await trio.sleep(30)
        await wish(block, 0, "0.20")
        await trio.sleep(MINUTE)
        assert block.current(0) == 16
        assert await waits(block) == {}
