"""Other backends: the page that shows how each one's copy stands, and its forms."""

from __future__ import annotations

from datetime import timedelta

import pytest

from levity_trio.store.writes.site import receivers
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.dashboard.pages import system
from tests.store import copied
from tests.store.books import Station
from tests.web.api.conftest import Site
from tests.web.dashboard.opening import Opening

(PAGE,) = (page for page in system.PAGES if page.path == "/backends")


@pytest.fixture
def employer(site: Site) -> int:
    """A backend that is told of two chargers, of which one has a name."""
    for charger in ("CP-1", "CP-2"):
        Station(site.books, charger)
    site.books.connection.execute("UPDATE cp SET name = 'Space 7' WHERE id = 'CP-1'")
    return copied.add(site.books, "Employer", "CP-1", "CP-2")


async def test_without_a_backend_the_page_says_what_one_is_for(site: Site) -> None:
    shown = await Opening(site).open(PAGE)
    assert "An employer, a roaming company or a registrar" in shown.words
    assert "/do/post/admin/backends?next=/backends" in shown.html
    assert PAGE.role is Role.ADMIN


async def test_how_each_charger_stands(site: Site, employer: int) -> None:
    books = site.books
    shown = await Opening(site).open(PAGE)
    assert shown.words.count("not tried yet") == 2
    refusal = Told("the backend refused the log-in ({1})", 401)
    behind_since = books.at
    books.wait(5)
    copied.link(books, employer, "CP-1")
    copied.link(books, employer, "CP-2", refusal, behind_since, is_connected=False)
    copied.refuse(books, employer, "CP-2")
    words = (await Opening(site).open(PAGE)).words
    assert "Space 7 ● connected since 13:05 0 messages told" in words
    assert (
        "CP-2 ✕ not connected since 13:05 : the backend refused the log-in (401) "
        "behind since 13:00 ( 5 min ) · 1 message told · ▲ 1 refused"
    ) in words
    assert "StatusNotification, refused FormationViolation: no" in words

    books.run(receivers.pause_backend, employer, books.at)
    words = (await Opening(site).open(PAGE)).words
    assert words.count("○ paused") == 2
    assert "✕ not connected" not in words
    assert "/resume" in (await Opening(site).open(PAGE)).html


async def test_what_goes_there(site: Site, employer: int) -> None:
    books = site.books
    copied.call(books, employer, "ANNA", "E-4711")
    copied.call(books, employer, "BEN", None)
    words = (await Opening(site).open(PAGE)).words
    assert "by their alias; all others are called OTHER" in words
    assert "anna : E-4711" in words
    assert "ben : is not told" in words
    books.connection.execute("UPDATE backend SET other_cards = NULL")
    words = (await Opening(site).open(PAGE)).words
    assert "by their alias; sessions of all others are not told" in words
    books.connection.execute("UPDATE backend SET with_signed = 1")
    words = (await Opening(site).open(PAGE)).words
    assert "signed values go there, which name cards" in words
    books.connection.execute("UPDATE backend SET with_cards = 1, is_repaired = 1")
    words = (await Opening(site).open(PAGE)).words
    assert "▲ their numbers go there, but for those with an alias" in words
    assert "mended, with right times" in words


@pytest.mark.usefixtures("employer")
async def test_only_chargers_that_it_is_not_told_of_are_offered(site: Site) -> None:
    Station(site.books, "CP-3")
    html = (await Opening(site).open(PAGE)).html
    offered = html.partition("Add a charger…")[2].partition("</details>")[0]
    assert [one in offered for one in ("CP-1", "CP-2", "CP-3")] == [False, False, True]


async def test_only_the_newest_refusals_are_listed(site: Site, employer: int) -> None:
    for days in range(system.FEW + 5):
        at = site.books.now + timedelta(days=days)
        copied.refuse(site.books, employer, "CP-1", at=at)
    words = (await Opening(site).open(PAGE)).words
    assert words.count("FormationViolation") == system.FEW
    assert f"{system.FEW + 5} refused" in words
