"""Lists in another order than their own, page by page, and what is filtered in sum."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import trio

from levity_trio.billing.ledger import LedgerKind
from levity_trio.store.reads import pages
from levity_trio.store.reads.pages import cursor_of
from levity_trio.store.reads.transactions import costs
from levity_trio.store.writes.money import ledger
from levity_trio.store.writes.money.ledger import LedgerEntry
from levity_trio.store.writes.people import tags
from levity_trio.store.writes.people.tags import TagData
from levity_trio.web.api.engine.endpoints import Endpoint, Role
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.listeners import ENDPOINTS
from tests.store.bills import (
    ANNA,
    BEN,
    BERLIN,
    Biller,
    charge,
    correct,
    house_of_two,
    month_is_over,
)
from tests.store.books import Station
from tests.store.owning import House
from tests.store.test_book import price
from tests.web.api.conftest import Site

TRANSACTIONS = "/api/admin/transactions"
NET = """
name = "Net"
valid_from = 2026-01-01
currency = "EUR"
prices = "net"
tax = 19

[energy]
price = 0.252107
"""


def get(path: str) -> Endpoint:
    return next(one for one in ENDPOINTS if (one.method, one.path) == ("GET", path))


async def listed(
    site: Site, path: str, key: str, role: Role = Role.OPERATOR, **query: str
) -> list[Any]:
    """Return a field of all rows of a list, read by pages of two."""
    found, cursor = list[Any](), dict[str, str]()
    while True:
        page = await site.call(get(path), query={"limit": "2", **query, **cursor}, role=role)
        found += [one[key] for one in page["data"]]
        if "next_cursor" not in page:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def sums(site: Site, role: Role = Role.OPERATOR, **query: str) -> Any:
    return await site.call(get("/api/admin/transaction-sums"), query=query, role=role)


def lived(site: Site, station: Station) -> tuple[int, int, int, int]:
    """Four sessions: two of Anna, one of Ben that is in doubt, one of a stranger in progress."""
    house_of_two(site.books)
    one, two = charge(station, 4000), charge(station, 2000)
    doubtful = charge(station, 3000, "Ben")
    station.stop(doubtful, 10_500)  # it stops twice, with different values
    running = station.start(1_000_000, 2, "Zoe")
    return one, two, doubtful, running


async def test_sessions_by_each_column(site: Site, station: Station) -> None:
    one, two, doubtful, running = lived(site, station)
    for sort, expected in {
        "newest": [running, doubtful, two, one],
        "oldest": [one, two, doubtful, running],
        "energy": [two, doubtful, one, running],
        "-energy": [one, doubtful, two, running],
        "who": [two, one, doubtful, running],
        "-who": [running, doubtful, two, one],
        "place": [doubtful, two, one, running],
        "-place": [running, doubtful, two, one],
        "state": [running, doubtful, two, one],
        "bill": [doubtful, running, two, one],
    }.items():
        assert await listed(site, TRANSACTIONS, "id", sort=sort) == expected, sort
    assert await listed(site, TRANSACTIONS, "id", sort="-energy", account="1") == [one, two]
    assert await listed(
        site, TRANSACTIONS, "id", sort="energy", status="Completed", charger="CP-1"
    ) == [
        two,
        doubtful,
        one,
    ]


async def test_a_viewer_learns_no_name_from_an_order(site: Site, station: Station) -> None:
    House(site.books).add("Zoe")
    house_of_two(site.books)
    House(site.books).give(3, "Card", since="2026-03-02T10:30:00.000Z")
    first, second, third = charge(station), charge(station), charge(station, tag="Ben")
    assert await listed(site, TRANSACTIONS, "id", sort="who") == [first, third, second]
    # 1, 2, 3
    assert await listed(site, TRANSACTIONS, "id", Role.VIEWER, sort="who") == [
        first,
        third,
        second,
    ]
    with pytest.raises(Problem, match="operator"):
        await site.call(get("/api/admin/id-tags"), query={"sort": "household"}, role=Role.VIEWER)


async def test_pages_of_a_sorted_list_lose_and_repeat_nothing(site: Site, station: Station) -> None:
    house_of_two(site.books)
    every = [charge(station, wh) for wh in (5000, 1000, 5000, 3000, 1000)]
    first = await site.call(get(TRANSACTIONS), query={"sort": "energy", "limit": "2"})
    later = charge(station, 500)  # stands before the page that was read
    rest = await site.call(
        get(TRANSACTIONS), query={"sort": "energy", "limit": "9", "cursor": first["next_cursor"]}
    )
    assert [one["id"] for one in (*first["data"], *rest["data"])] == [
        every[4],
        every[1],
        every[3],
        every[2],
        every[0],
    ]
    assert later not in [one["id"] for one in rest["data"]]


@pytest.mark.parametrize("key", [(1,), (1, 2), (1, 2, 3, 4)])
async def test_a_cursor_of_another_order_is_refused(site: Site, key: tuple[int, ...]) -> None:
    with pytest.raises(Problem, match="the cursor is not one"):
        await site.call(get(TRANSACTIONS), query={"sort": "energy", "cursor": cursor_of(key)})


async def test_a_cursor_of_other_kinds_does_no_harm(site: Site, station: Station) -> None:
    house_of_two(site.books)
    charge(station)
    for key in (("x", "y", "z"), (1, 2, "z"), ("", 1, 1), ("x", "y", 1)):
        with pytest.raises(Problem, match="the cursor is not one"):
            await site.call(get(TRANSACTIONS), query={"sort": "energy", "cursor": cursor_of(key)})
    for sort in ("who", "state", "bill", "place"):
        page = await site.call(
            get(TRANSACTIONS), query={"sort": sort, "cursor": cursor_of(("x", "y", 1))}
        )
        assert len(page["data"]) <= 1


@pytest.mark.parametrize("column", ["place", "who", "energy", "state", "bill"])
async def test_each_page_of_each_order_has_a_number(
    site: Site, station: Station, column: str
) -> None:
    lived(site, station)
    other = Station(site.books, "CP-2")
    charge(other, 2500, "Ben"), charge(other, 4000), charge(other, 700, "Lost")
    for query in (
        {},
        {"charger": "CP-1"},
        {"status": "Completed"},
        {"account": "1"},
        {"review": "false"},
    ):
        newest = await listed(site, TRANSACTIONS, "id", Role.OPERATOR, **query)
        for sort in (column, f"-{column}"):
            every = await listed(site, TRANSACTIONS, "id", Role.OPERATOR, sort=sort, **query)
            found = []
            for number in range(1, len(every) // 2 + 3):  # the last one or two are empty
                asked = {"sort": sort, "limit": "2", "page": str(number), **query}
                page = await site.call(get(TRANSACTIONS), query=asked)
                assert page["total"] == len(every)
                found += [one["id"] for one in page["data"]]
            assert found == every, (sort, query)
            assert sorted(every) == sorted(newest)


async def test_a_session_that_could_not_be_booked_is_listed_in_each_order(
    site: Site, station: Station
) -> None:
    house_of_two(site.books)
    first = charge(station)
    site.books.connection.book = None
    second = charge(station)
    for sort in ("newest", "oldest", "place", "who", "energy", "state", "bill"):
        assert {*await listed(site, TRANSACTIONS, "id", sort=sort)} == {first, second}
    (one,) = (await site.call(get(TRANSACTIONS), query={"limit": "1"}))["data"]
    assert (one["id"], one["bill"], one["account"], one["energy_wh"]) == (
        second,
        "not booked",
        None,
        4000,
    )


async def test_any_number_of_sessions_is_sorted_and_summed(
    site: Site, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What limits other lists does not limit these."""
    Biller(house_of_two(site.books))
    first, second, third = charge(station, 3000), charge(station, 2000), charge(station, 1000)
    monkeypatch.setattr(pages, "MOST_COUNTED", 2)
    monkeypatch.setattr(pages.Sort.__new__, "__defaults__", (False, 2))
    page = await site.call(get(TRANSACTIONS), query={"sort": "energy", "limit": "1", "page": "3"})
    assert ([one["id"] for one in page["data"]], page["total"]) == ([first], 3)
    assert await listed(site, TRANSACTIONS, "id", sort="-energy") == [first, second, third]
    found = await sums(site)
    assert (found["transactions"], found["costs"][0]["to_bill"]) == (3, 180)


async def test_households_cards_and_balances_by_each_column(site: Site, station: Station) -> None:
    house = house_of_two(site.books)
    for name, since in (
        ("Flat 10", "2026-02-02T00:00:00.000Z"),
        ("Flat 2", "2026-02-01T00:00:00.000Z"),
    ):
        house.add(name, since)
    enter(site, ANNA, 500)
    enter(site, BEN, -700)
    path = "/api/admin/accounts"
    for sort, expected in {
        "name": ["Anna", "Ben", "Flat 2", "Flat 10"],
        "-name": ["Flat 10", "Flat 2", "Ben", "Anna"],
        "since": ["Anna", "Ben", "Flat 2", "Flat 10"],
        "balance": ["Ben", "Flat 10", "Flat 2", "Anna"],
        "-balance": ["Anna", "Flat 10", "Flat 2", "Ben"],
    }.items():
        assert await listed(site, path, "name", sort=sort) == expected, sort
        if "since" not in sort:
            assert await listed(site, "/api/admin/wallets", "name", sort=sort) == expected, sort
    for field, expected_of in {
        "balance": [500, -700, 0, 0],
        "currency": ["EUR"] * 4,
        "cards": [["Card"], ["Ben"], [], []],
    }.items():
        assert await listed(site, path, field, sort="name") == expected_of, field
    assert await listed(site, path, "cards", search="nobody") == []
    for card in (
        TagData(id_tag="Card", name="the blue one"),
        TagData(id_tag="Ben", status="Blocked"),
        TagData(id_tag="Other", name="a key"),
    ):
        site.books.run(tags.add, site.books.policy, card, site.books.at, "cleo")
    charge(station, tag="Ben"), charge(station, tag="CARD")
    for sort, expected in {
        "id_tag": ["Ben", "Card", "Other"],
        "name": ["Other", "Card", "Ben"],
        "-name": ["Card", "Other", "Ben"],
        "status": ["Card", "Other", "Ben"],
        "household": ["Card", "Ben", "Other"],
        "last_used": ["Ben", "Card", "Other"],
        "-last_used": ["Card", "Ben", "Other"],
    }.items():
        assert await listed(site, "/api/admin/id-tags", "id_tag", sort=sort) == expected, sort


def enter(site: Site, account: int, amount: int) -> None:
    site.books.run(
        ledger.enter,
        LedgerEntry(
            account, LedgerKind.CORRECTION, amount, "EUR", "by hand", site.books.at, "cleo"
        ),
    )


async def test_statements_by_each_column(site: Site, station: Station) -> None:
    biller = Biller(house_of_two(site.books))
    charge(station, 4000), charge(station, 9000, "Ben")
    month_is_over(site.books, 3)
    await trio.to_thread.run_sync(biller.close, "2026-03")
    for sort, expected in {
        "number": [1, 2],
        "-name": [2, 1],
        "energy": [1, 2],
        "-total": [2, 1],
        "paid": [2, 1],
    }.items():
        assert await listed(site, "/api/admin/statements", "number", sort=sort) == expected, sort


# Sums


async def test_what_is_filtered_comes_to_what_statements_say(site: Site, station: Station) -> None:
    site.api.config.time_zone = BERLIN  # type: ignore[misc]
    biller = Biller(house_of_two(site.books))
    biller.assign(biller.add(NET), date(2026, 1, 1), BEN)
    for wh in (4001, 2003, 3007):
        charge(station, wh), charge(station, wh, "Ben")
    month_is_over(site.books, 3)
    await trio.to_thread.run_sync(biller.close, "2026-03")
    totals = [one.total for one in map(biller.statement, (1, 2))]
    found = await sums(site)
    assert found["energy_wh"] == 2 * (4001 + 2003 + 3007)
    assert found["costs"] == [{"currency": "EUR", "billed": sum(totals), "to_bill": 0}]
    assert (await sums(site, account="2"))["costs"][0]["billed"] == totals[1]
    later = charge(station, 1000)
    found = await sums(site)
    assert found["costs"] == [{"currency": "EUR", "billed": sum(totals), "to_bill": 30}]
    assert (found["to_bill"], found["unpriced"]) == (1, 0)
    correct(site.books, later, 2000)
    assert (await sums(site))["costs"][0]["to_bill"] == 60


async def test_doubt_and_what_is_not_billed_are_said(site: Site, station: Station) -> None:
    *_, running = lived(site, station)
    Biller(House(site.books))
    station.tell(station.register(1_003_000), transaction=running, connector=2)
    found = await sums(site)
    assert (found["transactions"], found["energy_wh"]) == (4, 9000)
    assert (found["in_doubt"], found["in_doubt_wh"]) == (1, 3000)
    assert (found["open"], found["open_wh"], found["to_bill"]) == (1, 3000, 2)
    assert found["costs"] == [{"currency": "EUR", "billed": 0, "to_bill": 180}]
    assert (await sums(site, tag="Zoe"))["costs"] == []
    assert (await sums(site, Role.VIEWER))["costs"] is None
    assert (await sums(site, bill="held back"))["transactions"] == 1


async def test_while_many_prices_are_due_what_is_to_bill_is_not_known(
    site: Site, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    Biller(house_of_two(site.books))
    charge(station), charge(station)
    monkeypatch.setattr(costs, "MOST_PRICED", 1)
    (one,) = (await sums(site))["costs"]
    assert (one["billed"], one["to_bill"]) == (0, None)
    monkeypatch.undo()
    price(site.books)
    monkeypatch.setattr(costs, "MOST_PRICED", 0)
    (one,) = (await sums(site))["costs"]
    assert (one["billed"], one["to_bill"]) == (0, 240)


async def test_two_currencies_are_two_sums_and_each_statement_has_its_tax(
    site: Site, station: Station
) -> None:
    """0.10 a kWh net: a tax of 19 % is added to the sum of a household, not to each session."""
    biller = Biller(house_of_two(site.books))
    biller.assign(biller.add(NET.replace("0.252107", "0.10")), date(2026, 1, 1), BEN)
    for _ in range(3):
        charge(station, 1200, "Ben")  # 12 cents, 14.28 with tax: 42.84 together, and not 3 times 14
    other = charge(station, 4000)
    assert (await sums(site))["costs"] == [{"currency": "EUR", "billed": 0, "to_bill": 43 + 120}]
    price(site.books)
    assert (await sums(site))["costs"] == [{"currency": "EUR", "billed": 0, "to_bill": 43 + 120}]
    site.books.connection.execute(
        "UPDATE booked_cost SET currency = 'CHF' WHERE tx_id = ?", (other,)
    )
    assert (await sums(site))["costs"] == [
        {"currency": "CHF", "billed": 0, "to_bill": 120},
        {"currency": "EUR", "billed": 0, "to_bill": 43},
    ]
