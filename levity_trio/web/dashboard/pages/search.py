"""Search: one field for all that has a name or a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from levity_trio.locale import N_
from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.page import Page, View, names_of_chargers

LONGEST: Final = 200


async def _read(view: View) -> Mapping[str, Any]:
    text = view.query.get("text", "").strip()[:LONGEST]
    if not text:
        return {"text": "", "found": None}
    return {
        "text": text,
        "found": await view.get("/api/search", text=text),
        "query": urlencode({"search": text}),
        "names": await names_of_chargers(view),
    }


PAGES: Final = N_(
    (
        Page(
            "/search",
            "Search",
            "search.html",
            _read,
            role=Role.OPERATOR,
            help="tasks/a-neighbour-asks#1-find-the-session",
        ),
    )
)
