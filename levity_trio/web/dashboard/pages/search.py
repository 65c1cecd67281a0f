"""Search: one field for all that has a name or a number."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from levity_trio.locale import N_
from levity_trio.manual import makes
from levity_trio.store.reads.chargers.chargers import names
from levity_trio.store.reads.site.search import search
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.site.search import USUAL, wanted_by
from levity_trio.web.dashboard.page import SEARCH, DashboardPage, Look, PageView, Values

LONGEST: Final = 200


async def _read(view: PageView) -> Values:
    text = view.query.get("text", "").strip()[:LONGEST]
    if not text:
        return {"text": "", "found": None}
    return await view.look(_found, view, text)


def _found(look: Look, view: PageView, text: str) -> Values:
    wanted = wanted_by(view.api.server, text, USUAL)
    return {
        "day": wanted.day,
        "text": text,
        "found": look(search, wanted),
        "make": makes.entry(text, None),
        "query": urlencode({"search": text}),
        "names": look(names),
    }


PAGES: Final = N_(
    (
        DashboardPage(
            "/search",
            "Search",
            "search.html",
            _read,
            role=Role.OPERATOR,
            help="tasks/a-neighbour-asks#1-find-the-session",
            section=SEARCH,
        ),
    )
)
