"""Prices that are fetched over real sockets: when a source is asked, what it may do, and when
people are told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import trio
import trio.lowlevel

from levity_trio.events import PricesBack, PricesMissing
from levity_trio.prices import fetching
from levity_trio.prices.fetching import DAYS_BEHIND, Fetching, quarters_of
from levity_trio.prices.reading import PriceSource, PricesRefused
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.reads.money import tariffs as reads
from levity_trio.store.reads.money.tariffs import SeriesState
from levity_trio.store.writes.money.tariffs import SeriesData, add_prices, set_series
from levity_trio.store.writes.people.ownership import Said
from levity_trio.wire.secrets import masked_url
from tests.prices.sources import BERLIN, HOST, PriceServer, of_body, serving_prices
from tests.store.bills import InlineReader
from tests.store.books import Books, in_memory
from tests.store.reading import reading

TODAY = date(2026, 11, 30)
TOMORROW = TODAY + timedelta(1)
MINUTE, HOUR = 1, 60


class Site:
    """A site with one series, whose server looks as time passes."""

    def __init__(self, books: Books, source: PriceServer) -> None:
        self.books, self.source = books, source
        books.now = datetime(2026, 11, 30, 7, tzinfo=UTC)  # 8:00 in Berlin
        self.set(source.source)
        self.restart()
        # The days behind are there, unless a test is about them.
        self.tell({TODAY - timedelta(behind): "0.1" for behind in range(1, DAYS_BEHIND)})

    def set(self, source: PriceSource | None) -> None:
        told = None if source is None else json.dumps(asdict(source))
        data = SeriesData(name="Day-ahead", currency="EUR", prices="net", source=told)
        number = 1 if self.books.count("series") else None
        self.books.run(set_series, data, Said(self.books.at, "cleo"), number)

    def restart(self, key: SecretKey | None = None, zone: ZoneInfo = BERLIN) -> None:
        books: Any = self.books

        class Writer:
            async def run(self, write: Any, *args: Any) -> Any:
                await trio.lowlevel.checkpoint()
                return books.run(write, *args)

        inline: Any = InlineReader(books)
        self.fetching = Fetching(Writer(), inline, lambda: books.now, zone, key)  # type: ignore[arg-type]

    def tell(self, days: dict[date, str]) -> None:
        values = {
            quarter: Decimal(price)
            for day, price in days.items()
            for quarter in quarters_of(day, BERLIN)
        }
        self.books.run(add_prices, 1, values, Said(self.books.at, "cleo"))

    async def wait(self, minutes: float) -> list[date]:
        """Let time pass; look as often as the server does. Return the days that were asked for."""
        before = len(self.source.asked)
        await self.fetching.look()
        until = self.books.now + timedelta(minutes=minutes)
        while self.books.now < until:
            self.books.wait(MINUTE)
            await self.fetching.look()
        return self.source.asked[before:]

    @property
    def series(self) -> SeriesState:
        with reading(self.books) as db:
            return reads.series(db, 1)[0]

    def prices(self, day: date) -> frozenset[str]:
        """Return the different prices of a day, if it has them all."""
        quarters = quarters_of(day, BERLIN)
        with reading(self.books) as db:
            found = reads.prices(db, 1, quarters.start, quarters.stop - 1)
        assert len(found) in (0, len(quarters))
        return frozenset(found.values())

    @property
    def told(self) -> list[tuple[str, str]]:
        facts = self.books.facts
        missing = [("missing", one.day) for one in facts if isinstance(one, PricesMissing)]
        return missing + [("back", one.series) for one in facts if isinstance(one, PricesBack)]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PACE_SECONDS", 0)


@pytest.fixture
def books() -> Iterator[Books]:
    with closing(in_memory()) as file:
        yield Books(file)


@pytest.fixture
async def site(books: Books) -> AsyncIterator[Site]:
    async with serving_prices() as source:
        yield Site(books, source)


async def test_tomorrow_is_fetched_when_it_appears(site: Site) -> None:
    site.source.known[TODAY] = "95.4"
    assert await site.wait(0) == [TODAY]  # at the start, at once
    assert b"user-agent: levity-trio/" in site.source.head  # some refuse a program without a name
    assert site.prices(TODAY) == {"0.0954"}
    assert await site.wait(5 * HOUR - 1) == []
    assert await site.wait(1 + 45) == [TOMORROW] * 4  # from one o'clock
    site.source.known[TOMORROW] = "-1"
    assert await site.wait(15) == [TOMORROW]
    assert site.prices(TOMORROW) == {"-0.001"}
    assert site.series.failure is None
    assert site.series.until == "2026-12-01T23:00:00.000Z"
    assert await site.wait(10 * HOUR) == []
    assert site.told == []
    (by,) = site.books.row("SELECT by FROM series_batch ORDER BY id DESC LIMIT 1")
    assert by.endswith("/price")  # what follows may be a secret


async def test_days_behind_are_fetched_when_the_source_has_them(site: Site) -> None:
    site.source.known |= {TODAY - timedelta(behind): "1" for behind in range(3)}
    site.set(None)
    await site.wait(3 * 24 * HOUR)
    assert site.source.asked == []
    today, behind = TODAY + timedelta(3), TODAY + timedelta(1)
    site.set(site.source.source)
    await site.wait(3 * HOUR)
    # The source has none of today, and lacks two days behind.
    assert site.prices(TODAY) == {"0.001"}
    assert (site.source.asked.count(TODAY), site.source.asked.count(behind)) == (1, 1)
    assert site.told == [("missing", str(today))]
    site.source.known |= {TODAY + timedelta(ahead): "2" for ahead in range(1, 4)}
    await site.wait(15)
    assert site.prices(today) == {"0.002"}
    assert site.prices(behind) == set()
    assert site.told[1:] == [("back", "Day-ahead")]
    # On the next day, it is asked for again.
    await site.wait(24 * HOUR)
    assert site.prices(behind) == {"0.002"}


async def test_a_source_that_does_not_answer_is_not_asked_for_one_day_after_another(
    site: Site,
) -> None:
    site.set(None)
    await site.wait(3 * 24 * HOUR)
    site.set(site.source.source)
    site.source.answer = hanging_up
    assert await site.wait(14) == [TODAY + timedelta(3)] * 4  # after 0, 2, 6 and 14 minutes
    site.source.answer = None
    site.source.known |= {TODAY + timedelta(ahead): "2" for ahead in range(4)}
    await site.wait(15)
    for ahead in range(4):
        assert site.prices(TODAY + timedelta(ahead)) == {"0.002"}


async def test_people_are_told_on_the_first_evening_and_when_they_are_back(site: Site) -> None:
    site.source.known[TODAY] = "95.4"
    await site.wait(11 * HOUR)
    assert site.told == []
    assert site.series.failure == "it has no prices"
    await site.wait(HOUR + 15)
    assert site.told == [("missing", "2026-12-01")]
    assert site.series.words == (
        "the prices of Day-ahead for 2026-12-01 are missing: it has no prices"
    )
    site.restart()
    await site.wait(3 * 24 * HOUR)
    assert site.told == [("missing", "2026-12-01")]
    assert site.series.missing == "2026-12-03"
    site.source.known |= {TODAY + timedelta(ahead): "1" for ahead in range(1, 5)}
    await site.wait(15)
    assert site.told == [("missing", "2026-12-01"), ("back", "Day-ahead")]
    assert site.series.missing is site.series.since is None


async def test_a_day_that_is_told_in_part_is_asked_for_again(site: Site) -> None:
    first = quarters_of(TODAY, BERLIN).start
    site.source.answer = json.dumps(
        {"unix_seconds": [first * 900, first * 900 + 900], "price": [10, 20]}
    ).encode()
    await site.wait(0)
    assert site.series.failure == (
        "it lacks prices of 2026-11-30, from 2026-11-29T23:30:00.000Z to 2026-11-30T23:00:00.000Z"
    )
    assert site.series.until == "2026-11-29T23:30:00.000Z"
    # It tells another price now: the stored one stays, the others come.
    site.source.answer, site.source.known[TODAY] = None, "20"
    await site.wait(2)
    assert site.series.failure == (
        "1 price is not the stored one, which stays: at 2026-11-29T23:00:00.000Z it is 0.010, "
        "not 0.020"
    )
    assert site.series.until == "2026-11-30T23:00:00.000Z"
    await site.wait(15)
    assert site.series.failure is None
    assert len(site.source.asked) == 2


async def test_a_source_is_asked_with_the_key_that_is_sealed(site: Site, books: Books) -> None:
    key = SecretKey("A" * 43 + "=")
    sealed = key.sealed(site.source.source.url or "")
    shown = replace(site.source.source, url=masked_url(site.source.source.url or ""))
    told = json.dumps(asdict(shown))
    data = SeriesData(name="Day-ahead", currency="EUR", prices="net", source=told, address=sealed)
    books.run(set_series, data, Said(books.at, "cleo"), 1)
    site.source.known[TODAY] = "95.4"
    site.restart(key)
    assert await site.wait(0) == [TODAY]
    assert b"&key=secret " in site.source.head
    # Another key does not open it.
    site.restart(SecretKey("B" * 43 + "="))
    assert await site.wait(7 * HOUR) == []
    assert site.series.failure == "its address has a key that is not known here; enter it again"


async def test_what_the_day_of_the_market_does_not_have_is_not_missing(site: Site) -> None:
    """Lisbon's day ends an hour after that of the market."""
    site.restart(zone=ZoneInfo("Europe/Lisbon"))
    site.source.known |= {TODAY: "1", TOMORROW: "2"}
    await site.wait(14 * HOUR)
    assert site.told == []
    assert (site.series.failure, site.series.missing) == (None, None)
    asked = len(site.source.asked)
    assert asked == 2
    # On the next day it has that hour, and lacks others.
    site.source.known[TOMORROW + timedelta(1)] = "3"
    await site.wait(10 * HOUR)
    assert await site.wait(14 * HOUR) == [TOMORROW + timedelta(1)]
    assert site.told == []


async def test_hours_that_are_missing_are_named(site: Site) -> None:
    first = quarters_of(TOMORROW, BERLIN).start
    site.source.known[TODAY] = "1"
    await site.wait(0)
    times = [(first + place) * 900 for place in range(96) if place not in range(40, 44)]
    body = json.dumps({"unix_seconds": times, "price": [10] * len(times)}).encode()
    site.source.answer = body
    await site.wait(13 * HOUR)
    assert site.told == [("missing", "2026-12-01")]
    assert site.series.words == (
        "the prices of Day-ahead for 2026-12-01 are missing: it lacks prices of 2026-12-01, "
        "from 2026-12-01T09:00:00.000Z to 2026-12-01T10:00:00.000Z"
    )


# How often a source is asked


async def behind(site: Site) -> None:
    """Let the prices of 30 days be missing, and the source have them."""
    site.set(None)
    await site.wait(30 * 24 * HOUR)
    site.source.known |= {TODAY + timedelta(ahead): "2" for ahead in range(1, 32)}


async def test_one_request_for_a_span_where_the_source_takes_one(site: Site) -> None:
    await behind(site)
    site.set(replace(site.source.source, url=f"{site.source.source.url}&end={{until}}"))
    await site.fetching.look()
    # What is needed comes first.
    assert [f"{one}" for one in site.source.asked] == ["2026-12-30", "2026-11-30"]
    assert b"&end=2026-12-29 " in site.source.head


@pytest.mark.usefixtures("autojump_clock")
async def test_else_one_request_each_two_seconds(site: Site) -> None:
    await behind(site)
    site.set(site.source.source)
    asked = list[float]()

    async def fetch(*_: object) -> dict[int, Decimal]:
        asked.append(trio.current_time())
        raise PricesRefused("it has none")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetching, "fetch", fetch)
        patch.setattr(fetching, "PACE_SECONDS", 2.0)
        await site.fetching.look()
    assert len(asked) == 31
    assert {round(late - early) for early, late in pairwise(asked)} == {2}


@pytest.mark.parametrize("after", [b"1200", b"Wed, 30 Dec 2026 07:20:08 GMT"])
async def test_a_source_that_is_asked_too_often_is_left_alone_and_asked_again_on_the_same_day(
    site: Site, after: bytes
) -> None:
    await behind(site)
    assert site.books.now == datetime(2026, 12, 30, 7, tzinfo=UTC)
    site.set(site.source.source)
    head = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n"
    site.source.answer = sending(head % after)
    assert len(await site.wait(19)) == 1  # until 20 minutes are over
    assert site.series.failure == "it answers with status 429"
    site.source.answer = None
    assert await site.wait(HOUR) != []
    for ahead in range(1, 31):
        assert site.prices(TODAY + timedelta(ahead)) == {"0.002"}
    assert site.series.failure is None


async def test_a_slow_source_does_not_hold_up_another(site: Site, books: Books) -> None:
    slow = trio.Event()

    async def waiting(stream: trio.abc.Stream) -> None:
        await slow.wait()
        await stream.send_all(of_body(b"[]"))

    site.source.known[TODAY] = "95.4"
    async with serving_prices() as other:
        other.answer = waiting
        told = json.dumps(asdict(other.source))
        data = SeriesData(name="Another", currency="EUR", prices="net", source=told)
        books.run(set_series, data, Said(books.at, "cleo"), None)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(site.fetching.look)
            while not (other.asked and site.prices(TODAY)):
                await trio.lowlevel.checkpoint()
            assert site.prices(TODAY) == {"0.0954"}
            slow.set()


# Hostile sources


async def endless(stream: trio.abc.Stream) -> None:
    """Send ten gigabytes."""
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n[")
    while True:
        await stream.send_all(b"[1, 2]," * 9000)


async def dripping(stream: trio.abc.Stream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        await stream.send_all(b" ")
        await trio.sleep(0.01)


async def with_endless_head(stream: trio.abc.Stream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\n")
    while True:
        await stream.send_all(b"X: y\r\n" * 9000)


async def silent(_: trio.abc.Stream) -> None:
    await trio.sleep_forever()


async def hanging_up(_: trio.abc.Stream) -> None:
    await trio.lowlevel.checkpoint()


def sending(response: bytes) -> Callable[[trio.abc.Stream], Any]:
    return lambda stream: stream.send_all(response)


def priced(*prices: str, times: str | None = None) -> bytes:
    first = quarters_of(TODAY, BERLIN).start
    told = times or json.dumps([(first + place) * 900 for place in range(len(prices))])
    return f'{{"unix_seconds": {told}, "price": [{", ".join(prices)}]}}'.encode()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (endless, "it has more than 1000000 bytes"),
        (dripping, "no response within"),
        (with_endless_head, "the response is not HTTP"),
        (silent, "no response within"),
        (hanging_up, "the response is not HTTP"),
        (sending(b"SSH-2.0-OpenSSH\r\n"), "the response is not HTTP"),
        (sending(of_body(b"{}", b"302 Found")), "it answers with status 302"),
        (sending(of_body(b"{}", b"404 Not Found")), "it answers with status 404"),
        (b"", "it is not JSON"),
        (b"<html>Down for maintenance</html>", "it is not JSON"),
        (b"null", "it has nothing at unix_seconds"),
        (b'{"unix_seconds": {}, "price": {}}', "are not two lists"),
        (priced("1e308", "1"), "is beyond belief"),
        (priced("1e999999999", "1"), "is beyond belief"),
        (priced('"one"', "1"), "is no price"),
        (priced("true", "1"), "is no price"),
        (priced("NaN", "1"), "is no price"),
        (priced("1", "2", times="[1796079600, 1796079600]"), "it has two prices for"),
        (priced("1", "2", times='["now", "then"]'), "is no time"),
        (priced("1", times="[99999999999999999999]"), "is beyond belief"),
    ],
)
async def test_a_hostile_source_is_refused_in_words_and_what_is_stored_stays(
    site: Site, answer: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "FETCH_SECONDS", 0.5 if answer in (dripping, silent) else 20)
    before = site.books.rows("SELECT * FROM series_value")
    site.source.answer = answer
    await site.wait(0)
    assert words in (site.series.failure or "")
    assert site.books.rows("SELECT * FROM series_value") == before
    assert site.told == [("missing", "2026-11-30")]
    site.source.answer, site.source.known[TODAY] = None, "95.4"
    await site.wait(15)
    assert site.prices(TODAY) == {"0.0954"}
    assert site.told[1:] == [("back", "Day-ahead")]


async def test_what_a_source_tells_of_other_times_is_not_stored(site: Site) -> None:
    site.source.known = dict.fromkeys((TODAY, TOMORROW), "1")
    quarters = [*quarters_of(TODAY, BERLIN), *quarters_of(TOMORROW, BERLIN)]
    site.source.answer = json.dumps(
        {"unix_seconds": [quarter * 900 for quarter in quarters], "price": [1] * len(quarters)}
    ).encode()
    await site.wait(0)
    # It is not yet one o'clock.
    assert site.prices(TODAY) == {"0.001"}
    assert not site.prices(TOMORROW)


async def test_nothing_is_asked_at_an_address_that_has_secrets(site: Site) -> None:
    site.set(PriceSource(url="http://169.254.169.254/{date}"))
    await site.wait(0)
    assert "link-local" in (site.series.failure or "") or "no response" in str(site.series.failure)


async def test_an_address_where_nobody_listens(site: Site) -> None:
    site.set(PriceSource(url=f"http://{HOST}:1/"))
    await site.wait(0)
    assert "all attempts to connect" in str(site.series.failure)
