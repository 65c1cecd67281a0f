"""The list of sessions: what it shows, to whom, and where its links lead."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.dashboard.pages import sessions, tags
from tests.integration.browsing import Page as Shown
from tests.store.bills import Biller
from tests.store.books import Station
from tests.store.owning import House
from tests.web.api.conftest import Site
from tests.web.dashboard.opening import Opening

SESSIONS = sessions.PAGES[0]
HOSTILE = '"><script>alert(1)</script>'


def charge(station: Station, tag: str = "TAG", wh: int = 5000, connector: int = 1) -> int:
    number = station.start(1000, connector, tag)
    station.books.wait(60)
    station.stop(number, 1000 + wh)
    return number


async def listed(site: Site, link: str = "", role: Role = Role.ADMIN) -> Shown:
    return await Opening(site, role).open(SESSIONS, link)


def numbers(shown: Shown) -> list[int]:
    return [int(link.rpartition("/")[2]) for link in shown.links if link.startswith("/sessions/")]


def link_of(shown: Shown, words: str) -> str:
    (found,) = [one for one in shown.links if words in one]
    return found


async def test_it_says_when_where_who_and_how_much(site: Site, station: Station) -> None:
    House(site.books).give(1, "TAG")
    site.books.connection.execute("INSERT INTO space VALUES ('CP-1', 1, 'Space 4')")
    first, second = charge(station), charge(station, "Other", connector=2)
    shown = await listed(site)
    assert numbers(shown) == [second, first]
    assert "14:00 – 15:00 CP-1 · connector 2 Other 5.00 kWh Ended nobody's" in shown.words
    assert "13:00 – 14:00 Space 4 Anna 5.00 kWh Ended to be billed" in shown.words
    assert "2 sessions" in shown.words


async def test_the_page_of_a_tag_names_the_charger_as_people_do(
    site: Site, station: Station
) -> None:
    charge(station)
    site.books.connection.execute("UPDATE cp SET name = 'Space 1' WHERE id = 'CP-1'")
    (page,) = [one for one in tags.PAGES if one.template == "tag.html"]
    shown = await Opening(site).open(page, tag="TAG")
    assert "13:00 Space 1 14:00 5.0" in shown.words
    assert "CP-1" not in shown.words


async def test_states_are_words(site: Site, station: Station) -> None:
    station.start(1000)
    assert "◐ In progress open" in (await listed(site)).words
    station.tell(
        {
            "timestamp": station.clock(),
            "sampledValue": [{"value": "7", "measurand": "Power.Active.Import"}],
        }
    )
    station.lose()
    assert "○ Interrupted" in (await listed(site)).words
    station.connect()
    charge(station, wh=500_000, connector=2)
    assert "▲ In doubt" in (await listed(site)).words


async def test_a_viewer_sees_neither_names_nor_bills(site: Site, station: Station) -> None:
    House(site.books).give(1, "TAG")
    charge(station)
    shown = await listed(site, role=Role.VIEWER)
    assert "Household 1 5.00 kWh" in shown.words
    for secret in ("Anna", "nobody's", "to be billed", 'name="account"', 'name="bill"'):
        assert secret not in shown.html
    assert "Anna" in (await listed(site, role=Role.OPERATOR)).html


async def test_without_any_it_says_so(site: Site, station: Station) -> None:
    assert "Nobody has charged yet" in (await listed(site)).words
    charge(station)
    assert "No session fits this filter" in (await listed(site, "?tag=other")).words


async def test_filters_stand_in_the_url(site: Site, station: Station) -> None:
    House(site.books).give(1, "TAG")
    first, second = charge(station), charge(station, "BEN", 500_000, connector=2)
    for link, expected in (
        ("?charger=CP-1", [second, first]),
        ("?charger=CP-2", []),
        ("?connector=2", [second]),
        ("?status=Completed&sort=oldest", [first, second]),
        ("?status=Active", []),
        ("?tag=BEN", [second]),
        ("?account=1", [first]),
        ("?review=true", [second]),
        ("?review=false", [first]),
        ("?bill=nobody%27s", [second]),
    ):
        assert numbers(await listed(site, link)) == expected, link
    shown = await listed(site, "?account=1&review=false")
    assert "Filter: Anna, not in doubt" in shown.words
    chosen = [
        given["value"] for tag, given in shown.tags if tag == "option" and "selected" in given
    ]
    assert chosen == ["1", "false"]


async def test_days_are_those_of_the_site_and_the_last_one_is_included(
    site: Site, station: Station
) -> None:
    site.books.wait(11 * 60 + 30)  # 00:30 of the next day in Berlin
    number = charge(station)
    assert numbers(await listed(site, "?from=2026-03-02&to=2026-03-02")) == [number]
    assert numbers(await listed(site, "?to=2026-03-01")) == []
    assert numbers(await listed(site, "?from=2026-03-03")) == []


@pytest.mark.parametrize(
    "link", ["?connector=x", "?from=yesterday", "?bill=paid", "?status=odd", "?to=9999-12-31"]
)
async def test_what_is_no_filter_is_said_and_kept(site: Site, station: Station, link: str) -> None:
    charge(station)
    shown = await listed(site, link)
    (name, (value,)) = parse_qs(link[1:]).popitem()
    if link != "?to=9999-12-31":
        assert "✕" in shown.words
        assert numbers(shown) == []
    given = {given.get("value") for tag, given in shown.tags if tag in ("input", "option")}
    assert value in given or value in shown.words, name


async def test_page_by_page_with_the_same_filter(site: Site, station: Station) -> None:
    every = [charge(station, HOSTILE) for _ in range(51)]
    first = await listed(site, "?tag=" + HOSTILE.replace("<", "%3C").replace('"', "%22"))
    onward = link_of(first, "cursor=")
    assert parse_qs(urlsplit(onward).query)["tag"] == [HOSTILE]
    rest = await listed(site, onward)
    assert numbers(first) + numbers(rest) == every[::-1]
    assert not [one for one in rest.links if "cursor=" in one]


async def test_the_file_has_the_same_filter(site: Site, station: Station) -> None:
    charge(station)
    link = link_of(await listed(site, "?tag=TAG&to=2026-03-01&sort=oldest"), "/get/")
    parts = urlsplit(link)
    assert parts.path == "/get/admin/transactions"
    assert parse_qs(parts.query) == {
        "tag": ["TAG"],
        "to": ["2026-03-01T23:00:00.000Z"],
        "sort": ["oldest"],
        "format": ["csv"],
    }


async def test_hostile_names_stay_words(site: Site) -> None:
    station = Station(site.books, HOSTILE)
    site.books.connection.execute("UPDATE cp SET name = ?", (HOSTILE,))
    House(site.books).add(HOSTILE)
    charge(station, HOSTILE)
    House(site.books).give(3, HOSTILE)
    for link in (
        "",
        "?charger=%22%3E%3Cscript%3E",
        "?tag=%22%3E%3Cscript%3E",
        "?from=%22%3E%3Cscript%3E",
    ):
        shown = await listed(site, link)
        assert all("src" in given for tag, given in shown.tags if tag == "script")
    assert HOSTILE in (await listed(site)).words


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("/?cursor=x", "✕ Cursor: the cursor is not one"),
        ("/?from=x", "✕ From: give a time such as"),
    ],
)
async def test_what_is_wrong_with_a_filter_is_a_sentence(site: Site, link: str, words: str) -> None:
    assert words in (await listed(site, link)).words


async def test_the_heads_sort_and_say_how(site: Site, station: Station) -> None:
    first, second = charge(station, "Zoe", 9000), charge(station, "Ada", 3000)
    shown = await listed(site, "?status=Completed")
    assert _sorted(shown) == ["descending"]  # by the time
    assert numbers(shown) == [second, first]
    onward = link_of(shown, "sort=-energy")
    assert parse_qs(onward.partition("?")[2])["status"] == ["Completed"]
    shown = await listed(site, onward)
    assert (numbers(shown), _sorted(shown)) == ([first, second], ["descending"])
    assert numbers(await listed(site, link_of(shown, "sort=energy"))) == [second, first]
    assert numbers(await listed(site, link_of(shown, "sort=who"))) == [second, first]
    kept = [
        given["value"]
        for tag, given in shown.tags
        if tag == "input" and given.get("name") == "sort"
    ]
    assert kept == ["-energy"]


def _sorted(shown: Shown) -> list[str]:
    return [given["aria-sort"] for tag, given in shown.tags if tag == "th" and "aria-sort" in given]


async def test_what_is_filtered_is_summed(site: Site, station: Station) -> None:
    Biller(House(site.books))
    House(site.books).give(1, "TAG")
    charge(station), charge(station, "BEN", 500_000, connector=2)
    assert "In total" not in (await listed(site)).words
    assert (
        "In total: 5.00 kWh · 1.50 EUR 1.50 EUR of it is not billed yet."
        in (await listed(site, "?tag=TAG")).words
    )
    shown = await listed(site, "?charger=CP-1")
    assert "1 session with 0.00 kWh is in doubt and has no cost yet." in shown.words
    assert "EUR" not in (await listed(site, "?charger=CP-1", Role.VIEWER)).words
