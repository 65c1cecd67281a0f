"""All chargers, also those that were hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from levity_trio.web.dashboard.operations import page_of
from levity_trio.web.dashboard.page import Changed, Page, Part, Values, View
from levity_trio.web.dashboard.pages.charger import SECTION

ROWS: Final = 200
LIST: Final = "chargers"
CODES: Final = "/api/admin/codes"


async def _read(view: View) -> Values:
    found = await _page(view)
    is_hidden = "hidden" in view.query
    return {
        "list": _part(view, found["data"]),
        "cursor": found.get("next_cursor"),
        "is_hidden": is_hidden,
        "sees_codes": bool(found["data"]) and view.may("GET", CODES),
    }


async def _live(view: View, _changed: Changed) -> Sequence[Part]:
    return [_part(view, (await _page(view))["data"])]


async def _page(view: View) -> Any:
    hidden = True if "hidden" in view.query else None
    return await view.get("/api/admin/chargers", hidden=hidden, limit=ROWS, cursor=view.query.get("cursor"))


def _part(view: View, rows: Sequence[Mapping[str, Any]]) -> Part:
    chargers = [{**one, "home": page_of(one["id"])} for one in rows]
    return Part(LIST, "charger/list.html", {"chargers": chargers, "is_hidden": "hidden" in view.query})


PAGES: Final = (
    Page(
        path="/chargers",
        help="start/first-charger",
        title="Chargers",
        template="chargers.html",
        read=_read,
        live=_live,
        section=SECTION,
    ),
)
