"""All pages."""

from __future__ import annotations

from functools import cache
from re import Pattern
from typing import Final

from starlette.routing import compile_path

from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.dashboard.page import DashboardPage, sections_of
from levity_trio.web.dashboard.pages import (
    bills,
    cars,
    charger,
    charger_facts,
    driver,
    history,
    households,
    load,
    manual,
    messages,
    now,
    review,
    search,
    sessions,
    system,
    tags,
    tariffs,
)

ROOMS: Final = (
    *(
        now,
        charger,
        charger_facts,
        driver,
        sessions,
        review,
        bills,
        cars,
        households,
        tags,
        tariffs,
    ),
    *(history, load, system, messages, manual, search),
)
PAGES: Final[tuple[DashboardPage, ...]] = tuple(page for room in ROOMS for page in room.PAGES)


def section_of(role: Role, *addresses: str) -> str:
    """Return the section of the first address at which there is a page, for what has no section of
    its own, such as a form; without one the last section of those who have the role."""
    for address in addresses:
        path = address.partition("?")[0]
        for pattern, section in _patterns():
            if pattern.match(path):
                return section
    return sections_of(role)[-1].name


@cache
def _patterns() -> tuple[tuple[Pattern[str], str], ...]:
    """Return how the paths of pages look, each with its section."""
    return tuple((compile_path(page.path)[0], page.section) for page in PAGES if page.section)
