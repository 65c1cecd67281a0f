"""All pages."""

from __future__ import annotations

from typing import Final

from levity_trio.web.dashboard.page import DashboardPage
from levity_trio.web.dashboard.pages import (
    bills,
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
    session,
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
        session,
        review,
        bills,
        households,
        tags,
        tariffs,
    ),
    *(history, load, system, messages, manual, search),
)
PAGES: Final[tuple[DashboardPage, ...]] = tuple(page for room in ROOMS for page in room.PAGES)
