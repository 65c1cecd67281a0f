"""Price series over the API: entered, imported, fetched from a real source, refused in words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.money import tariffs
from tests.prices.sources import PriceServer, serving_prices
from tests.web.api.conftest import Site

LIST, CREATE, SHOW, CHANGE, PRICES, ENTER, IMPORT, TRY, FETCH = [
    one for one in tariffs.ENDPOINTS if "/series" in one.path
]
TODAY = date(2026, 3, 1)
DAY_AHEAD = {"name": "Day-ahead", "currency": "EUR"}


@pytest.fixture
async def source() -> AsyncIterator[PriceServer]:
    async with serving_prices() as server:
        yield server


async def imported(site: Site, text: str, **query: Any) -> Any:
    return await site.call(IMPORT, id="1", body=text.encode(), query=query)


async def test_a_series_of_a_public_source_and_of_one_that_differs(site: Site) -> None:
    made = await site.call(CREATE, body=DAY_AHEAD | {"preset": "energy-charts"})
    assert (made["id"], made["prices"], made["until"], made["failure"]) == (1, "net", None, None)
    assert made["source"] == {
        "url": "https://api.energy-charts.info/price?bzn=DE-LU&start={date}&end={until}",
        "form": "json",
        "list": "",
        "time": "unix_seconds",
        "price": "price",
        "unit": "EUR/MWh",
        "minutes": 15,
    }
    of_austria = "https://api.energy-charts.info/price?bzn=AT&start={date}&end={date}"
    changed = await site.call(CHANGE, id="1", body={"url": of_austria})
    assert changed["source"] == made["source"] | {"url": of_austria}
    assert (await site.call(LIST, query={"name": "day-AHEAD"}))["data"] == [changed]
    changed = await site.call(CHANGE, id="1", body={"preset": "awattar", "unit": "ct/kWh"})
    assert (changed["source"]["time"], changed["source"]["unit"]) == ("start_timestamp", "ct/kWh")
    assert (await site.call(CHANGE, id="1", body={"url": ""}))["source"] is None
    assert (await site.call(CHANGE, id="1", body={"name": "Spot"}))["name"] == "Spot"
    assert (await site.call(SHOW, id="1"))["name"] == "Spot"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"url": "file:///etc/passwd"}, "is no address of a web server"),
        ({"url": "http://"}, "is no address of a web server"),
        ({"url": "http://a:99999/"}, "is no address of a web server"),
        ({"url": "http://a/b c"}, "is no address of a web server"),
        ({"url": "http://ä/"}, "is no address of a web server"),
        ({"url": "http://me:secret@a/"}, "leave the password out"),
        ({"url": "http://a/", "unit": "SEK/MWh"}, "give the unit as EUR/MWh"),
    ],
)
async def test_a_source_that_cannot_be_is_refused(
    site: Site, fields: dict[str, str], words: str
) -> None:
    with pytest.raises(Problem, match=words) as caught:
        await site.call(CREATE, body=DAY_AHEAD | fields)
    assert caught.value.members["field"] == "url"


async def test_prices_of_a_file_are_added_and_corrected_with_a_reason(site: Site) -> None:
    await site.call(CREATE, body=DAY_AHEAD)
    text = "time;price\n2026-03-01 00:00;9,54\n2026-03-01 00:15;-1\n"
    done = await imported(site, text, unit="ct/kWh")
    first = {"at": "2026-03-01T00:00:00.000Z", "price": "0.0954"}
    assert (done["added"], done["same"], done["kept"], done["words"]) == (2, 0, 0, None)
    assert done["prices"] == [first, {"at": "2026-03-01T00:15:00.000Z", "price": "-0.01"}]
    known = await site.call(PRICES, id="1")
    assert known == {"prices": done["prices"], "corrections": []}
    assert (await site.call(SHOW, id="1"))["until"] == "2026-03-01T00:30:00.000Z"

    document = '[{"time": 1772323200, "price": 0.1}, {"time": 1772324100, "price": -0.01}]'
    done = await imported(site, document, form="json")
    assert (done["added"], done["same"], done["kept"]) == (0, 1, 1)
    assert done["words"] == (
        "1 price is not the stored one, which stays: at 2026-03-01T00:00:00.000Z it is 0.0954, "
        "not 0.1"
    )
    done = await imported(site, document, form="json", reason="a slip")
    assert (done["added"], done["same"], done["kept"], done["words"]) == (1, 1, 0, None)
    known = await site.call(PRICES, id="1")
    assert known["prices"][0] == first | {"price": "0.1"}
    assert [one["reason"] for one in known["corrections"]] == ["a slip"]

    with pytest.raises(Problem, match="stands alone: say for how many minutes"):
        await imported(site, "time;price\n2026-03-01 01:00;1\n")
    hour = "time;price\n2026-03-01 01:00;1\n2026-03-01 03:00;2\n"
    done = await imported(site, hour, unit="ct/kWh", minutes="60")
    assert done["added"] == 8
    assert done["lacks"] == (
        "it has no prices from 2026-03-01T02:00:00.000Z to 2026-03-01T03:00:00.000Z"
    )

    with pytest.raises(Problem, match=r"body: '1\.23,5' is no price"):
        await imported(site, "time;price\n2026-03-01 00:30;1.23,5\n")
    with pytest.raises(Problem, match="there is no price series 2"):
        await site.call(IMPORT, id="2", body=b"")
    with pytest.raises(Problem, match="has prices already"):
        await site.call(CHANGE, id="1", body={"prices": "gross"})


async def test_a_price_by_hand_holds_for_a_stretch(site: Site) -> None:
    await site.call(CREATE, body=DAY_AHEAD)
    stretch = {"since": "2026-03-01", "until": "2026-03-02", "price": "0,25"}
    assert (await site.call(ENTER, id="1", body=stretch))["added"] == 96
    hour = {"since": "2026-03-01T12:00", "until": "2026-03-01T13:00", "price": "-0.1"}
    assert (await site.call(ENTER, id="1", body=hour))["kept"] == 4
    assert (await site.call(ENTER, id="1", body=hour | {"reason": "a slip"}))["added"] == 4
    days = {"since": "2026-03-01", "until": "2026-03-01"}
    prices = (await site.call(PRICES, id="1", query=days))["prices"]
    assert [one["price"] for one in prices].count("0.25") == 92
    for wrong, words in {
        "since": ("2026-03-01T12:07", "at which a quarter of an hour begins"),
        "until": ("2026-06-01", "up to 62 days after the first"),
        "price": ("101", "at most 100 for a kWh"),
    }.items():
        with pytest.raises(Problem, match=words[1]):
            await site.call(ENTER, id="1", body=stretch | {wrong: words[0]})
    with pytest.raises(Problem, match="up to 62 days after the first"):
        await site.call(PRICES, id="1", query={"since": "2026-03-02", "until": "2026-03-01"})


async def test_prices_are_tried_and_fetched(site: Site, source: PriceServer) -> None:
    source.known[TODAY] = "95.4"
    told = DAY_AHEAD | {"url": source.source.url, "time": "unix_seconds"}
    tried = await site.call(TRY, body=told)
    # The day of this site, which is in UTC, is not quite that of the source.
    assert {one["price"] for one in tried["prices"]} == {"0.0954"}
    assert len(tried["prices"]) == 92
    assert site.books.count("series") == 0
    await site.call(CREATE, body=told)
    assert (await site.call(FETCH, id="1", body={"day": "2026-03-01"}))["added"] == 92
    assert (await site.call(FETCH, id="1", body={}))["same"] == 92
    source.answer = b"<html>"
    with pytest.raises(Problem, match="it is not JSON") as caught:
        await site.call(FETCH, id="1", body={})
    assert (caught.value.status, caught.value.code) == (504, "no_answer")
    with pytest.raises(Problem, match="give a source"):
        await site.call(TRY, body=DAY_AHEAD)
    await site.call(CHANGE, id="1", body={"url": None})
    with pytest.raises(Problem, match="Day-ahead has no source; people enter its prices"):
        await site.call(FETCH, id="1", body={})


KEYED = "http://127.0.0.1:1/{date}?securityToken=s3cr3t-1&area=DE&api_key=s3cr3t-2"
SHOWN = "http://127.0.0.1:1/{date}?securityToken=***&area=DE&api_key=***"


async def test_a_key_in_the_address_of_a_source_is_sealed_and_never_shown(site: Site) -> None:
    made = await site.call(CREATE, body=DAY_AHEAD | {"url": KEYED})
    assert made["source"]["url"] == SHOWN
    assert (await site.call(SHOW, id="1"))["source"]["url"] == SHOWN
    # Neither the database, and so no backup, nor the record of what operators did has it.
    dump = "\n".join(map(str, site.books.rows("SELECT * FROM series")))
    assert "s3cr3t" not in dump
    assert "sealed:" in dump
    # What a form sends back unchanged changes nothing; a key that is left out is asked for.
    changed = await site.call(CHANGE, id="1", body={"url": SHOWN, "unit": "ct/kWh"})
    assert (changed["source"]["url"], changed["source"]["unit"]) == (SHOWN, "ct/kWh")
    with pytest.raises(Problem, match="enter the address with its key"):
        await site.call(CHANGE, id="1", body={"url": SHOWN.replace("DE", "AT")})
    await site.call(CHANGE, id="1", body={"url": "http://127.0.0.1:1/{date}"})
    assert "sealed:" not in str(site.books.rows("SELECT * FROM series"))


async def test_a_source_is_asked_with_its_key(site: Site, source: PriceServer) -> None:
    source.known[TODAY] = "95.4"
    told = DAY_AHEAD | {"url": source.source.url, "time": "unix_seconds"}
    made = await site.call(CREATE, body=told)
    assert made["source"]["url"].endswith("key=***")
    await site.call(FETCH, id="1", body={"day": "2026-03-01"})
    assert b"&key=secret " in source.head
    source.head = b""
    # As the page and the command do, which have only what is shown.
    await site.call(TRY, body=DAY_AHEAD | made["source"])
    assert b"&key=secret " in source.head
