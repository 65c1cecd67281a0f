"""The navigation of every page: a phone shows five ways at most, the others behind a button."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from levity_trio.locale import speaking
from levity_trio.web.api.engine.endpoints import Caller, Role
from levity_trio.web.dashboard import assets
from levity_trio.web.dashboard.page import PageView, sections_of
from tests.integration.browsing import Page as Shown
from tests.web.dashboard.opening import TEMPLATES, attributes


def navigation(role: Role, section: str = "") -> Shown:
    """Return the navigation of a page of a section."""
    html = rendered("cleo", role, section)
    return Shown(200, "/", {}, html.partition("<nav")[2].partition("</nav>")[0])


def rendered(name: str, role: Role, section: str = "") -> str:
    api: Any = None  # is asked for nothing
    view, page = (
        PageView(api=api, caller=Caller(name, role, "127.0.0.1")),
        SimpleNamespace(section=section, live=None, help=""),
    )
    frame = {
        "page": page,
        "sections": sections_of(role),
        "assets": assets.names(),
        "site": "levity",
        "notes": [],
    }
    words = {
        "title": "Not there",
        "words": "There is nothing",
        "start": "Now",
        "zone_name": "UTC",
        "guests": None,
    }
    return TEMPLATES.render("problem.html", view, datetime(2026, 3, 1, tzinfo=UTC), frame | words)


def test_who_needs_no_log_in_is_named_in_the_language_of_the_page() -> None:
    with speaking("de"):
        assert "<summary>Admin am Server</summary>" in rendered("local admin", Role.ADMIN)
        assert "<summary>cleo</summary>" in rendered("cleo", Role.ADMIN)


@pytest.mark.parametrize(("role", "count"), [(Role.VIEWER, 5), (Role.DRIVER, 4)])
def test_a_few_sections_are_all_shown(role: Role, count: int) -> None:
    shown = navigation(role)
    assert len(shown.links) == count
    assert not attributes(shown, "ul", "popover")


def test_of_many_the_first_four_are_shown_and_a_button_opens_the_others() -> None:
    shown = navigation(Role.ADMIN)
    assert shown.links == [one.path for one in sections_of(Role.ADMIN)]
    before, _, others = shown.html.partition("<button")
    assert before.count("<a ") == 4
    assert others.count("<a ") == 6
    assert attributes(shown, "ul", "id") == attributes(shown, "button", "popovertarget")


@pytest.mark.parametrize(("section", "is_behind"), [("Now", False), ("Chargers", True)])
def test_the_button_shows_that_the_page_is_behind_it(section: str, is_behind: bool) -> None:
    shown = navigation(Role.ADMIN, section)
    assert attributes(shown, "a", "aria-current") == ["page"]
    assert bool(attributes(shown, "button", "class")) is is_behind
