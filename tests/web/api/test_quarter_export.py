"""The energy of households by the quarter of an hour, as a file for who settles it."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from levity_trio.locale import speaking
from levity_trio.store.reads.transactions import power
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.site import history
from tests.store import telling
from tests.store.bills import ANNA, BEN, house_of_two
from tests.store.books import Books, Station, meter_value
from tests.store.test_quarters import BEGIN, measure
from tests.web.api.conftest import Site

*_, EXPORT = history.ENDPOINTS
MARCH = {"month": "2026-03"}


@pytest.fixture
def berlin(site: Site) -> Site:
    config: Any = site.api.config
    config.time_zone = ZoneInfo("Europe/Berlin")
    house_of_two(site.books)
    site.books.now = BEGIN
    return site


async def text_of(site: Site, **query: str) -> bytes:
    reply = await site.ask(EXPORT, query=query or MARCH)
    assert reply.headers["content-type"].startswith("text/csv")
    return bytes(reply.body)


async def rows_of(site: Site, **query: str) -> list[dict[str, str]]:
    content = await text_of(site, **query)
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def charged(books: Books, charger: str, tag: str, power: int, minutes: int = 60) -> int:
    station = Station(books, charger)
    number = station.start(1000, 1, tag)
    station.stop(number, telling.charge(station, number, 1000, minutes, power))
    return number


def told(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(row[name] for name in ("quarter", "kwh", "sun_kwh", "state", "sun_state"))


def sum_of(rows: list[dict[str, str]]) -> int:
    return int(sum(Decimal(row["kwh"]) for row in rows) * 1000)


async def test_each_quarter_of_each_household(berlin: Site) -> None:
    charged(berlin.books, "CP-1", "Card", 7200)
    charged(berlin.books, "CP-2", "Ben", 3600, minutes=30)
    berlin.books.wait(60)
    measure(berlin.books, 0, generation=2000, export=200)
    measure(berlin.books, 1, seconds=450, generation=0)
    rows = await rows_of(berlin)
    anna = [row for row in rows if row["household"] == str(ANNA)]
    assert rows == anna + [row for row in rows if row["household"] == str(BEN)]
    assert [told(row) for row in anna] == [
        ("2026-03-02T10:00:00Z", "1.800", "1.800", "measured", "measured"),
        ("2026-03-02T10:15:00Z", "1.800", "0.000", "measured", "partly"),
        ("2026-03-02T10:30:00Z", "1.800", "", "measured", "missing"),
        ("2026-03-02T10:45:00Z", "1.800", "", "measured", "missing"),
    ]
    assert anna[0]["local_time"] == "2026-03-02T11:00:00+01:00"
    assert anna[0]["name"] == "Anna"
    assert sum_of(rows) == 7200 + 1800
    assert await rows_of(berlin, month="2026-03", account=str(BEN)) == rows[len(anna) :]
    assert await rows_of(berlin, **{"from": "2026-03-02", "to": "2026-03-03"}) == rows
    assert await rows_of(berlin, **{"month": "2026-03", "from": "2026-03-03"}) == []
    assert await rows_of(berlin, account=str(BEN)) == rows[len(anna) :]


async def test_a_session_over_two_months_is_in_both_by_its_quarters(berlin: Site) -> None:
    berlin.books.now = datetime(2026, 3, 31, 21, 30, tzinfo=UTC)
    charged(berlin.books, "CP-1", "Card", 7200)
    berlin.books.wait(60)
    march, april = await rows_of(berlin), await rows_of(berlin, month="2026-04")
    assert [row["local_time"][:16] for row in (march[-1], april[0])] == [
        "2026-03-31T23:45",
        "2026-04-01T00:00",
    ]
    assert (sum_of(march), sum_of(april)) == (3600, 3600)
    assert await rows_of(berlin, **{"from": "2026-03-01", "to": "2026-05-01"}) == march + april


async def test_the_doubled_hour_has_four_quarters_twice(berlin: Site) -> None:
    berlin.books.now = datetime(2026, 10, 25, 0, tzinfo=UTC)
    charged(berlin.books, "CP-1", "Card", 4000, minutes=120)
    berlin.books.wait(60)
    rows = await rows_of(berlin, month="2026-10")
    assert [row["local_time"][11:] for row in rows[:5]] == [
        "02:00:00+02:00",
        "02:15:00+02:00",
        "02:30:00+02:00",
        "02:45:00+02:00",
        "02:00:00+01:00",
    ]
    assert len({row["quarter"] for row in rows}) == len(rows) == 8


async def test_what_no_readings_show_is_divided_and_a_doubt_is_missing(berlin: Site) -> None:
    station = Station(berlin.books, "CP-1")
    number = station.start(1000, 1, "Card")
    berlin.books.wait(60)
    station.stop(number, 5000)
    berlin.books.wait(60)
    assert {row["state"] for row in await rows_of(berlin)} == {"divided"}
    charged(berlin.books, "CP-2", "Card", 7200, minutes=30)
    berlin.books.wait(60)
    berlin.books.connection.execute(
        "UPDATE tx SET review = 'overlap', confidence = 'doubtful' WHERE id = ?", (number,)
    )
    berlin.books.run(lambda _unit: None)
    rows = await rows_of(berlin)
    assert [(row["kwh"], row["state"]) for row in rows] == [
        ("", "missing"),
        ("", "missing"),
        ("", "missing"),
        ("", "missing"),
        ("1.800", "measured"),
        ("1.800", "measured"),
    ]


async def test_an_open_session_counts_with_what_is_known(berlin: Site) -> None:
    station = Station(berlin.books, "CP-1")
    number = station.start(1000, 1, "Card")
    for wh in (1600, 2200, 2800):
        berlin.books.wait(5)
        station.tell(meter_value(station.clock(), wh), transaction=number)
    berlin.books.wait(2)
    assert sum_of(await rows_of(berlin)) == 1800


async def test_it_is_read_by_months_and_no_name_is_a_formula(
    berlin: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    berlin.books.connection.execute("UPDATE account SET name = '=1+1' WHERE id = ?", (ANNA,))
    for month in (3, 4):
        berlin.books.now = datetime(2026, month, 9, 10, tzinfo=UTC)
        charged(berlin.books, "CP-1", "Card", 7200)
    berlin.books.wait(60)
    spans = list[timedelta]()

    def noted(db: Any, account: int, since: datetime, until: datetime) -> Any:
        spans.append(until - since)
        return power.household_quarters(db, account, since, until)

    monkeypatch.setattr(history, "household_quarters", noted)
    with speaking("de"):
        content = await text_of(berlin, **{"from": "2025-01-01", "to": "2027-01-01"})
    assert max(spans) <= timedelta(days=31, hours=1)
    # One mark at the beginning, so that a spreadsheet takes it for UTF-8.
    assert content.count(b"\xef\xbb\xbf") == 1
    assert b";'=1+1;2026-03-09T10:00:00Z;2026-03-09T11:00:00+01:00;1,800;;measured" in content


async def test_it_is_for_operators(berlin: Site) -> None:
    with pytest.raises(Problem):
        await berlin.call(EXPORT, query=MARCH, role=Role.VIEWER)
