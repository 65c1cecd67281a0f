"""All pages."""

from __future__ import annotations

from typing import Final

from levity_trio.web.dashboard.page import Page
from levity_trio.web.dashboard.pages import (
    bills,
    books,
    charger,
    charger_facts,
    charger_frames,
    chargers,
    commands,
    driver,
    driver_books,
    history,
    households,
    manual,
    now,
    review,
    session,
    sessions,
    system,
    tags,
    tariffs,
)

PAGES: Final[tuple[Page, ...]] = (
    *now.PAGES,
    *chargers.PAGES,
    *charger.PAGES,
    *charger_facts.PAGES,
    *charger_frames.PAGES,
    *commands.PAGES,
    *driver.PAGES,
    *driver_books.PAGES,
    *sessions.PAGES,
    *session.PAGES,
    *review.PAGES,
    *bills.PAGES,
    *households.PAGES,
    *tags.PAGES,
    *tariffs.PAGES,
    *books.PAGES,
    *history.PAGES,
    *system.PAGES,
    *manual.PAGES,
)
