"""Energy by day and month, and the lists of transactions that prove it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from levity_trio.store.reads.transactions import costs as stored
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.people import accounts
from levity_trio.web.api.site import history
from levity_trio.web.api.transactions import transactions
from tests.store.bills import Biller
from tests.store.books import Station
from tests.store.owning import SPACE, House
from tests.store.test_book import price
from tests.web.api.conftest import Site

_POWER, _SUN, HISTORY, WEEK, _QUARTERS = history.ENDPOINTS
LIST, *_ = transactions.ENDPOINTS
(OF_ACCOUNT,) = [
    one for one in accounts.ENDPOINTS if one.path == f"{accounts.ACCOUNT}/transactions"
]
(UNOWNED,) = [one for one in accounts.ENDPOINTS if one.path == accounts.UNOWNED]
YEAR = {"from": "2026-03-01", "to": "2026-04-02"}


@pytest.fixture(autouse=True)
def berlin(site: Site) -> None:
    config: Any = site.api.config
    config.time_zone = ZoneInfo("Europe/Berlin")


@pytest.fixture
def charged(site: Site) -> Site:
    """Sessions of Anna, Ben and nobody at two chargers; the last one is open."""
    house = House(site.books)
    house.give(1, "A")
    house.give(2, "B", until="2026-03-20T00:00:00.000Z")
    first, second = Station(site.books, "CP-1"), Station(site.books, "CP-2")
    register = 1000
    for station, at, tag, wh in (
        (first, datetime(2026, 3, 3, 22, 59, tzinfo=UTC), "A", 1000),
        (first, datetime(2026, 3, 3, 23, 1, tzinfo=UTC), "B", 2000),  # the next day, in Berlin
        (second, datetime(2026, 3, 28, 23, 30, tzinfo=UTC), "A", 4000),  # a day of 23 hours
        (second, datetime(2026, 3, 29, 22, 0, tzinfo=UTC), "B", 500),
        (second, datetime(2026, 3, 31, 22, 0, tzinfo=UTC), "A", 100),  # April, in Berlin
    ):
        register = _session(station, at, tag, register, wh)
    first.start(register, tag="A")
    return site


def _session(station: Station, at: datetime, tag: str, register: int, wh: int) -> int:
    station.books.now = at - timedelta(minutes=50)
    transaction = station.start(register, tag=tag)
    station.books.now = at
    station.stop(transaction, register + wh)
    station.books.connection.execute(
        "UPDATE tx SET confidence = 'doubtful' WHERE id = ? AND ? = 500", (transaction, wh)
    )
    return register + wh


async def _history(site: Site, **query: str) -> Any:
    return await site.call(HISTORY, query=YEAR | query)


def _cells(told: Any) -> Iterator[tuple[Any, str, tuple[int, int, int]]]:
    for series in told["series"]:
        key = series["charger"] or series["account"]
        for period, cell in zip(told["periods"], series["figures"], strict=True):
            if cell["sessions"]:
                yield key, period["name"], (cell["energy_wh"], cell["sessions"], cell["doubtful"])


async def test_the_site_by_day(charged: Site) -> None:
    told = await _history(charged)
    assert [*_cells(told)] == [
        (None, "2026-03-03", (1000, 1, 0)),
        (None, "2026-03-04", (2000, 1, 0)),
        (None, "2026-03-29", (4000, 1, 0)),
        (None, "2026-03-30", (500, 1, 1)),
        (None, "2026-04-01", (100, 1, 0)),
    ]
    assert len(told["periods"]) == 32
    assert told["periods"][28] == {
        "name": "2026-03-29",
        "since": "2026-03-28T23:00:00.000Z",
        "before": "2026-03-29T22:00:00.000Z",
    }
    assert told["series"][0]["total"] == {
        "energy_wh": 7600,
        "energy_kwh": 7.6,
        "sessions": 5,
        "doubtful": 1,
        "amount": None,
        "unbilled": None,
    }


async def test_by_month_and_charger(charged: Site) -> None:
    of_chargers = [
        ("CP-1", "2026-03", (3000, 2, 0)),
        ("CP-2", "2026-03", (4500, 2, 1)),
        ("CP-2", "2026-04", (100, 1, 0)),
    ]
    assert [*_cells(await _history(charged, by="month", of="charger"))] == of_chargers
    assert [
        *_cells(await _history(charged, by="month", of="charger", charger="CP-2"))
    ] == of_chargers[1:]
    assert [*_cells(await _history(charged, by="month", of="charger", charger="CP-9"))] == []


async def test_by_account(charged: Site) -> None:
    of_accounts = [
        (1, "2026-03", (5000, 2, 0)),
        (1, "2026-04", (100, 1, 0)),
        (2, "2026-03", (2000, 1, 0)),
        (None, "2026-03", (500, 1, 1)),  # the tag was Ben's no longer
    ]
    told = await _history(charged, by="month", of="account")
    assert [*_cells(told)] == of_accounts
    assert [one["name"] for one in told["series"]] == ["Anna", "Ben", None]
    assert [*_cells(await _history(charged, by="month", of="account", account="2"))] == of_accounts[
        2:3
    ]


async def test_a_tag_that_changes_hands(charged: Site) -> None:
    """Of one tag at one charger: before, between and after."""
    House(charged.books).give(1, "B", since="2026-03-25T00:00:00.000Z")
    station, register = Station(charged.books, "CP-5"), 1000
    for day, wh in ((10, 1), (22, 10), (26, 100), (11, 1000), (27, 10_000)):
        at = datetime(2026, 3, day, 12, tzinfo=UTC)
        register = _session(station, at, "B", register, wh)
    told = await _history(charged, by="month", of="account", charger="CP-5")
    assert [(key, wh) for key, _, (wh, *_) in _cells(told)] == [(1, 10_100), (2, 1001), (None, 10)]


async def test_a_session_that_was_given_by_hand(charged: Site) -> None:
    House(charged.books).give(2, SPACE)
    (transaction,) = charged.books.row("SELECT min(id) FROM tx")
    House(charged.books).give_by_hand(transaction, 2)
    assert [*_cells(await _history(charged, of="account", account="2"))] == [
        (2, "2026-03-03", (1000, 1, 0)),
        (2, "2026-03-04", (2000, 1, 0)),
    ]


async def test_imported_sessions_count_but_those_of_nobody_are_in_no_account(charged: Site) -> None:
    charged.books.connection.execute("DROP TRIGGER tx_stays_possible")
    charged.books.connection.execute("UPDATE tx SET imported_id = id")
    told = await _history(charged, by="month", of="account")
    assert [(key, wh) for key, _, (wh, *_) in _cells(told)] == [(1, 5000), (1, 100), (2, 2000)]
    assert (await _history(charged))["series"][0]["total"]["energy_wh"] == 7600


async def test_each_figure_is_the_sum_of_a_list(charged: Site) -> None:
    for of in ("site", "charger", "account"):
        told = await _history(charged, of=of)
        for series in told["series"]:
            for period, cell in zip(told["periods"], series["figures"], strict=True):
                listed = await _proof(charged, of, series, period)
                assert sum(one["energy_wh"] for one in listed) == cell["energy_wh"]
                assert [one["confidence"] for one in listed].count("doubtful") == cell["doubtful"]
                assert len(listed) == cell["sessions"]


async def _proof(site: Site, of: str, series: Any, period: Any) -> list[Any]:
    ends = {"ended_since": period["since"], "ended_before": period["before"]}
    if of != "account":
        charger = {"charger": series["charger"]} if series["charger"] else {}
        return list((await site.call(LIST, query=ends | charger))["data"])
    if series["account"] is None:
        return list((await site.call(UNOWNED, query=ends))["data"])
    told = await site.call(OF_ACCOUNT, query=ends, id=str(series["account"]))
    return [one["transaction"] for one in told["data"]]


async def test_lists_by_end_are_in_the_order_of_the_ends(charged: Site) -> None:
    """The session that began last ended first."""
    station = Station(charged.books, "CP-3")
    charged.books.now = datetime(2026, 5, 1, tzinfo=UTC)
    long_one = station.start(1000)
    charged.books.wait(10)
    short_one = station.start(1000, connector=2)
    charged.books.wait(10)
    station.stop(short_one, 1000)
    charged.books.wait(10)
    station.stop(long_one, 1000)
    for query in (
        {},
        {"charger": "CP-3"},
        {"status": "Completed"},
        {"tag": "TAG"},
        {"bill": "nobody's"},
    ):
        given = {"ended_since": "2026-05-01", **query}
        told = await site_ids(charged, given)
        assert told == [long_one, short_one]
        assert await site_ids(charged, given | {"sort": "oldest"}) == told[::-1]
    first = await charged.call(LIST, query={"ended_since": "2026-05-01", "limit": "1"})
    assert await site_ids(
        charged, {"ended_since": "2026-05-01", "cursor": first["next_cursor"]}
    ) == [short_one]
    assert await site_ids(charged, {"ended_since": "2026-05-01", "status": "Active"}) == []


async def site_ids(site: Site, query: dict[str, str]) -> list[int]:
    return [one["id"] for one in (await site.call(LIST, query=query))["data"]]


async def test_without_days_it_is_the_last_month_or_year(site: Site) -> None:
    site.books.now = datetime(2026, 2, 14, 23, 30, tzinfo=UTC)
    days = [one["name"] for one in (await site.call(HISTORY))["periods"]]
    assert (days[0], days[-1], len(days)) == ("2026-01-17", "2026-02-15", 30)
    months = [one["name"] for one in (await site.call(HISTORY, query={"by": "month"}))["periods"]]
    assert (months[0], months[-1], len(months)) == ("2025-03", "2026-02", 12)


@pytest.mark.parametrize(
    ("query", "first", "periods"),
    [
        ({"from": "2026-03-02", "to": "2026-03-02"}, None, 0),
        ({"by": "month", "from": "2026-03-02", "to": "2026-03-02"}, None, 0),
        ({"from": "2024-01-01", "to": "2026-03-02"}, "2025-01-26", 400),
        ({"by": "month", "from": "2000-01-01", "to": "2026-03-02"}, "2006-04", 240),
    ],
)
async def test_no_days_and_too_many(
    site: Site, query: dict[str, str], first: str | None, periods: int
) -> None:
    told = await site.call(HISTORY, query=query)
    assert len(told["periods"]) == periods
    assert [one["name"] for one in told["periods"][:1]] == [first][: bool(periods)]
    assert len(told["series"]) == bool(periods)


@pytest.mark.parametrize("query", [{"from": "yesterday"}, {"to": "2026-02-30"}])
async def test_what_is_no_day(site: Site, query: dict[str, str]) -> None:
    with pytest.raises(Problem) as caught:
        await site.call(HISTORY, query=query)
    assert caught.value.code == "invalid"


async def test_some_sessions_only(charged: Site) -> None:
    of_site = await _history(charged, by="month", charger="CP-2")
    assert [*_cells(of_site)] == [(None, "2026-03", (4500, 2, 1)), (None, "2026-04", (100, 1, 0))]
    of_anna = await _history(charged, by="month", account="1")
    assert [*_cells(of_anna)] == [(None, "2026-03", (5000, 2, 0)), (None, "2026-04", (100, 1, 0))]
    both = await _history(charged, by="month", of="charger", account="1")
    assert [*_cells(both)] == [
        *(
            ("CP-1", "2026-03", (1000, 1, 0)),
            ("CP-2", "2026-03", (4000, 1, 0)),
            ("CP-2", "2026-04", (100, 1, 0)),
        ),
    ]
    at_one = await _history(charged, by="month", of="account", charger="CP-1")
    assert [*_cells(at_one)] == [(1, "2026-03", (1000, 1, 0)), (2, "2026-03", (2000, 1, 0))]
    for of, account in (("site", "9"), ("account", "9"), ("charger", "9")):
        assert not [*_cells(await _history(charged, of=of, account=account))]


async def test_accounts_are_for_operators(site: Site) -> None:
    for query in ({"of": "account"}, {"account": "1"}):
        with pytest.raises(Problem) as caught:
            await site.call(HISTORY, query=query, role=Role.VIEWER)
        assert caught.value.code == "forbidden"
    for of in ("site", "charger"):
        assert (await site.call(HISTORY, query={"of": of}, role=Role.VIEWER))["of"] == of


async def test_costs_are_those_of_the_bill_and_say_what_is_not_billed_yet(charged: Site) -> None:
    Biller(House(charged.books), date(2026, 3, 4))
    told = await _history(charged, by="month", of="account", costs="true")
    amounts = [
        (one["name"], one["total"]["amount"], one["total"]["unbilled"]) for one in told["series"]
    ]
    assert amounts == [("Anna", 123, 123), ("Ben", 60, 60), (None, 0, 0)]
    assert (told["currency"], told["without_price"]) == ("EUR", 2), (
        "in doubt, and before this system bills"
    )
    (site,) = (await _history(charged, costs="true", charger="CP-2"))["series"]
    assert site["total"]["amount"] == 123
    assert sum(one["amount"] for one in site["figures"]) == 123


async def test_while_many_prices_are_due_there_are_no_amounts(
    charged: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "MOST_PRICED", 2)
    Biller(House(charged.books), date(2026, 3, 4))
    told = await _history(charged, costs="true")
    assert (told["left"], told["currency"], told["series"][0]["total"]["amount"]) == (3, None, None)
    price(charged.books)
    told = await _history(charged, costs="true")
    assert (told["left"], told["currency"], told["series"][0]["total"]["amount"]) == (0, "EUR", 183)


async def test_costs_are_not_for_viewers_but_of_any_time(charged: Site) -> None:
    with pytest.raises(Problem) as refused:
        await charged.call(HISTORY, query={"costs": "true"}, role=Role.VIEWER)
    assert refused.value.status == 403
    Biller(House(charged.books), date(2026, 3, 4))
    (site,) = (await _history(charged, by="month", costs="true", **{"from": "2010-01-01"}))[
        "series"
    ]
    assert site["total"]["amount"] == 183
