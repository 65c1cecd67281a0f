"""Price series: until when prices are known, what fetching them lacked, and the prices of a day,
which people enter and correct."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from levity_trio.locale import N_
from levity_trio.store.reads.money.series import Series, pages
from levity_trio.store.reads.pages import WantedPage
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.dashboard.page import DashboardPage, PageView, reading
from levity_trio.web.dashboard.pages.tariffs import MOST, SECTION
from levity_trio.web.dashboard.refusals import ApiRefused
from levity_trio.web.dashboard.snapshots import Look
from levity_trio.web.dashboard.tasks import SERIES, prices_of_day

SHOWN: Final = 8
"""So many of the first prices that a source tells show whether it is read rightly."""
Values = Mapping[str, Any]


def _list(look: Look, _view: PageView) -> Values:
    return {"every": look(pages, None, WantedPage(limit=MOST)).data}


async def _one(view: PageView) -> Values:
    """Return a series with the prices of a day, and with what its source tells now, if that is
    asked."""
    shown: dict[str, Any] = {**await prices_of_day(view, {}), "tried": None, "failed": ""}
    shown["series"] = Series(**shown["series"])
    if "try" in view.query and view.may("POST", f"{SERIES}/{{id}}/fetch"):
        try:
            tried = await view.post(f"{SERIES}/{view.number}/fetch", store=False)
            shown["tried"] = tried["prices"][:SHOWN]
        except ApiRefused as refused:
            shown["failed"] = refused.sentence
    return shown


_page: Final = partial(
    DashboardPage, role=Role.OPERATOR, section=SECTION, help="tasks/night-tariff"
)
PAGES: Final = N_(
    (
        _page("/series", "Price series", "series.html", reading(_list)),
        _page("/series/{id}", "Price series", "series/one.html", _one),
    )
)
