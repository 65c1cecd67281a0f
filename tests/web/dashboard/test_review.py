"""The review page and the pages of tags, by role; and the words for every doubt."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest

from levity_trio.access.tags import Policy
from levity_trio.charging.reviews import Code
from levity_trio.store.writes.people import tags
from levity_trio.store.writes.people.tags import TagData
from levity_trio.web.api.engine.endpoints import Caller, Role
from levity_trio.web.dashboard.doubts import DOUBTS, OTHER, doubt
from levity_trio.web.dashboard.page import DashboardPage
from levity_trio.web.dashboard.pages import review
from levity_trio.web.dashboard.pages.review import PAGES, count_part
from levity_trio.web.dashboard.pages.tags import PAGES as OF_TAGS
from tests.store.books import Station
from tests.store.owning import House
from tests.web.api.conftest import Site
from tests.web.api.test_review_groups import doubtful as several
from tests.web.api.test_review_groups import lacking_a_factor
from tests.web.dashboard.opening import Opening

REVIEW, GROUP = PAGES
TAGS, TAG = OF_TAGS
TIMES = re.compile("<time [^>]*>([^<]*)<")
HOSTILE = '"><script>alert(1)</script>'


async def seen(site: Site, role: Role, page: DashboardPage, link: str = "", **path: str) -> str:
    """Return the HTML of a page as a reader with this role sees it."""
    return (await Opening(site, role).open(page, link, **path)).html


def doubtful(station: Station, tag: str = "TAG") -> int:
    number = station.start(1000, tag=tag)
    station.books.wait(60)
    station.orphan(number, 5000)
    return number


def unlinked(station: Station) -> None:
    station.start(1000)
    station.start(1000, connector=2)
    station.books.wait(60)
    station.stop(17, 5000)


def add(site: Site, id_tag: str, name: str) -> None:
    data = TagData(id_tag=id_tag, name=name)
    site.books.run(tags.add, Policy(), data, site.books.at, "anna")


def test_every_doubt_has_words() -> None:
    assert DOUBTS.keys() == set(Code)
    assert doubt("of a later version") == OTHER._replace(title="In doubt")


async def test_an_operator_is_offered_the_answers(site: Site, station: Station) -> None:
    number = doubtful(station)
    html = await seen(site, Role.OPERATOR, REVIEW)
    assert f"/do/post/admin/transactions/{number}/confirm" in html
    assert 'name="figure_wh" value="4.000">Confirm 4.0 kWh' in html
    assert re.search(rf'href="[^"]*/sessions/{number}">Evidence<', html)


async def test_evidence_is_told_in_the_units_of_people(site: Site, station: Station) -> None:
    doubtful(station)
    unlinked(station)
    html = await seen(site, Role.OPERATOR, REVIEW)
    assert "5 kWh at the end ↔ no stop" in html
    assert not re.search(r"\d Wh\b", html)


async def test_a_viewer_sees_what_waits_and_no_buttons(site: Site, station: Station) -> None:
    add(site, "TAG", "Anna")
    doubtful(station)
    unlinked(station)
    site.books.run(tags.ask, station.origin, "unknown", "UNKNOWN")
    html = await seen(site, Role.VIEWER, REVIEW)
    assert "4.0" in html
    assert ("***" in html, "UNKNOWN" in html) == (True, False)
    assert "/do/" not in html
    assert "Anna" not in html
    assert "as sent" not in html  # messages are those of operators
    html = await seen(site, Role.OPERATOR, REVIEW)
    assert ("Anna" in html, "UNKNOWN" in html) == (True, True)


async def test_an_unknown_card_that_looks_like_a_known_one_is_offered_once(
    site: Site, station: Station
) -> None:
    add(site, "04A2B3C9", "Anna")
    site.books.run(tags.ask, station.origin, "c9b3a204", "C9B3A204")
    button = "/do/post/admin/asked-id-tags/C9B3A204/same"
    html = await seen(site, Role.OPERATOR, REVIEW)
    assert "Perhaps it is 04A2B3C9, read backwards." in html
    assert button in html
    assert "Perhaps" not in await seen(site, Role.VIEWER, REVIEW)
    add(site, "C9B3A204D1", "Ben")
    html = await seen(site, Role.OPERATOR, REVIEW)
    assert "Perhaps it is C9B3A204D1: one of the two has lost bytes." in html
    assert button not in html


async def test_the_oldest_is_first(site: Site, station: Station) -> None:
    first = doubtful(station)
    station.books.wait(60)
    second = doubtful(station)
    html = await seen(site, Role.OPERATOR, REVIEW)
    assert html.index(f"session-{first}") < html.index(f"session-{second}")


async def test_what_is_new_is_told_by_its_time(site: Site, station: Station) -> None:
    doubtful(station)
    html = await seen(site, Role.OPERATOR, REVIEW)
    assert f'data-seen="{site.books.at}"' in html
    assert f"<li>{site.books.at}</li>" in html


async def test_hostile_texts_stay_texts(site: Site, station: Station) -> None:
    add(site, HOSTILE[:20], HOSTILE)
    doubtful(station, HOSTILE[:20])
    site.books.run(tags.ask, station.origin, HOSTILE, HOSTILE)
    pages = [
        await seen(site, Role.ADMIN, REVIEW),
        await seen(site, Role.ADMIN, TAGS),
        await seen(site, Role.ADMIN, TAG, tag=HOSTILE[:20]),
    ]
    for html in pages:
        assert "&gt;&lt;script&gt;" in html
        assert "<script>" not in html


async def test_more_newcomers_than_a_page_has_are_told(site: Site) -> None:
    for number in range(52):
        Station(site.books, f"NEW-{number}").boot()
    site.books.connection.execute("UPDATE cp SET waiting_since = ?", (site.books.at,))
    assert "These 50 of 52 have waited longest" in await seen(
        site, Role.OPERATOR, REVIEW, "/review?kind=charger"
    )


class TestTags:
    async def test_a_viewer_sees_neither_names_nor_buttons(self, site: Site) -> None:
        add(site, "TAG", "Anna")
        html = await seen(site, Role.VIEWER, TAGS) + await seen(site, Role.VIEWER, TAG, tag="TAG")
        assert ("***" in html, "TAG" in html) == (True, False)
        assert "Anna" not in html
        assert "/do/" not in html

    async def test_only_an_admin_may_remove(self, site: Site) -> None:
        add(site, "TAG", "Anna")
        assert "Remove" in await seen(site, Role.ADMIN, TAG, tag="tag")
        html = await seen(site, Role.OPERATOR, TAG, tag="tag")
        assert ("Block" in html, "Remove" in html) == (True, False)

    async def test_a_filter_by_state(self, site: Site) -> None:
        add(site, "GOOD", "Anna")
        add(site, "BAD", "Ben")
        site.books.run(tags.change, Policy(), "BAD", {"status": "Blocked"}, site.books.at, "anna")
        html = await seen(site, Role.OPERATOR, TAGS, "?state=blocked")
        assert ("BAD" in html, "GOOD" in html) == (True, False)

    async def test_a_tag_of_a_household_is_listed_though_nobody_added_it(self, site: Site) -> None:
        House(site.books).give(1, "GIVEN")
        html = await seen(site, Role.OPERATOR, TAGS)
        assert "/tags/GIVEN" in html
        assert "There are no tags yet" not in html
        assert "GIVEN" not in await seen(site, Role.OPERATOR, TAGS, "/tags?search=other")
        assert "GIVEN" not in await seen(site, Role.VIEWER, TAGS)

    async def test_a_search_that_finds_nothing(self, site: Site) -> None:
        assert "No card fits." in await seen(
            site, Role.OPERATOR, TAGS, f"?{urlencode({'search': HOSTILE})}"
        )

    async def test_a_tag_that_nobody_added_has_its_sessions(
        self, site: Site, station: Station
    ) -> None:
        number = doubtful(station, "STRAY")
        html = await seen(site, Role.OPERATOR, TAG, tag="STRAY")
        assert "Nobody has added this card" in html
        assert f"/sessions/{number}" in html

    async def test_old_sessions_have_their_time_of_day(self, site: Site, station: Station) -> None:
        doubtful(station, "STRAY")
        site.books.wait(10 * 24 * 60)
        html = await seen(site, Role.OPERATOR, TAG, tag="STRAY")
        assert [one for one in TIMES.findall(html) if ":" not in one] == []
        assert len(TIMES.findall(html)) == 2

    async def test_its_sessions_are_found_however_a_charger_spells_it(
        self, site: Site, station: Station
    ) -> None:
        add(site, "TAG", "Anna")
        number = doubtful(station, "tag")
        assert f"/sessions/{number}" in await seen(site, Role.OPERATOR, TAG, tag="TAG")


class TestGroups:
    async def test_sessions_with_one_cause_are_one_entry(
        self, site: Site, station: Station
    ) -> None:
        House(site.books).give(1, "TAG")
        numbers = several(station, 3)
        html = await seen(site, Role.OPERATOR, REVIEW)
        assert "Anna" in html
        assert "3 sessions · CP-1" in html
        assert "/review/CP-1/closed_by_system" in html
        assert not [number for number in numbers if f"session-{number}" in html]
        assert "Decide about" not in await seen(site, Role.VIEWER, REVIEW)

    async def test_its_page_sends_what_it_shows(self, site: Site, station: Station) -> None:
        numbers = several(station, 3)
        page = await Opening(site, Role.OPERATOR).open(
            GROUP, charger="CP-1", cause="closed_by_system"
        )
        form = page.form("/review/groups/")
        sent = [
            [form.values[f"sessions[{place}].{name}"] for name in ("transaction", "figure_wh")]
            for place in range(3)
        ]
        assert sent == [[str(number), "4.000"] for number in numbers]
        assert "Settle 3 sessions: 12.0 kWh" in page.html
        assert "It will wait for you again." in page.html

    async def test_of_many_a_page_shows_some_and_one_button_settles_all(
        self, site: Site, station: Station, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        several(station, 5)
        monkeypatch.setattr(review, "AT_ONCE", 2)
        opening = Opening(site, Role.OPERATOR)
        page = await opening.open(GROUP, "?page=3", charger="CP-1", cause="closed_by_system")
        assert [word in page.words for word in ("1 to 2", "3 to 4", "5 to 5")] == [True] * 3
        assert "Settle 5 sessions: 20.0 kWh" in page.html
        form = page.form("/review/groups/CP-1/closed_by_system/decide-all")
        assert {"event", "reason"} <= form.values.keys()
        assert form.values["total_wh"] == "20.000"
        assert "sessions[0].transaction" not in form.values

    async def test_one_that_nobody_waits_for_says_what_comes_next(
        self, site: Site, station: Station
    ) -> None:
        doubtful(station)
        page = await Opening(site, Role.OPERATOR).open(
            GROUP, charger="CP-1", cause="nothing_agrees"
        )
        assert "No session is waiting for this reason any more." in page.html
        assert "It will wait for you again." in page.html

    async def test_another_figure_can_be_taken(self, site: Site, station: Station) -> None:
        for number in range(2):
            lacking_a_factor(station, number)
        link = "/review/CP-1/wrong_factor?take=as+reported"
        opening = Opening(site, Role.OPERATOR)
        page = await opening.open(GROUP, link, charger="CP-1", cause="wrong_factor")
        assert "Settle 2 sessions: 1.4 kWh" in page.html
        assert "2 of 5 sessions have shown this habit" in page.html
        page = await opening.open(GROUP, charger="CP-1", cause="wrong_factor")
        assert "Settle 2 sessions: 14.4 kWh" in page.html

    async def test_the_count_stands_in_the_navigation(self, site: Site, station: Station) -> None:
        doubtful(station)
        view = Opening(site, Role.VIEWER).view("", {})
        part = await count_part(view)
        assert part is not None
        assert part.values == {"count": 1}
        assert (
            await count_part(Opening(site, Caller("d", Role.DRIVER, "", account=1)).view("", {}))
            is None
        )
