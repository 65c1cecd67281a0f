"""Price series: until when prices are known, what fetching them lacked, and the prices of a day,
which people enter and correct."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from levity_trio.locale import N_
from levity_trio.store.reads.money.series import SeriesState, pages
from levity_trio.store.reads.pages import WantedPage
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.dashboard.page import (
    ApiRefused,
    DashboardPage,
    Look,
    PageView,
    currency,
    reading,
)
from levity_trio.web.dashboard.pages.tariffs import MOST, SECTION
from levity_trio.web.dashboard.tasks import SERIES, prices_of_day

Values = Mapping[str, Any]


def _list(look: Look, _view: PageView) -> Values:
    every = look(pages, None, WantedPage(limit=MOST)).data
    return {"every": every, "currency": currency(look)}


async def _one(view: PageView) -> Values:
    """Return a series with the prices of a day, and with what its source tells now, if that is
    asked."""
    shown: dict[str, Any] = {**await prices_of_day(view, {}), "tried": None, "failed": ""}
    series = shown["series"] = SeriesState(**shown["series"])
    if "try" in view.query and view.may("POST", f"{SERIES}/try"):
        body = {"name": series.name, "currency": series.currency, **(series.source or {})}
        try:
            tried = await view.post(f"{SERIES}/try", **body)
            shown["tried"] = tried["prices"]
        except ApiRefused as refused:
            shown["failed"] = refused.sentence
    return shown


_page: Final = partial(
    DashboardPage, role=Role.OPERATOR, section=SECTION, help="tasks/quarter-hours"
)
PAGES: Final = N_(
    (
        _page("/series", "Price series", "series.html", reading(_list)),
        _page("/series/{id}", "Price series", "series/one.html", _one),
    )
)
