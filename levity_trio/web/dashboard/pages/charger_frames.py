"""The frames exchanged with a charger, as they come: for engineers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.page import Changed, Page, Part, Values, View
from levity_trio.web.dashboard.pages.charger import PATH, SECTION, head
from levity_trio.web.dashboard.shapes import json_text

ROWS: Final = 40
SECONDS: Final = 2.0
"""Frames are told by no fact, so the page looks for itself."""
MOST_CHARACTERS: Final = 4000
"""Of a frame that a page shows; one may have half a million."""
FILTERS: Final = ("action", "direction", "text")
DIRECTIONS: Final = (("recv", "from the charger"), ("send", "to the charger"))


async def _read(view: View) -> Values:
    found = await _frames(view)
    return {
        **await head(view, "frames"),
        "frames": _part(found["data"]),
        "cursor": found.get("next_cursor"),
        "given": {name: view.query.get(name, "") for name in FILTERS},
        "directions": DIRECTIONS,
        "is_paused": _stands_still(view),
    }


async def _live(view: View, _changed: Changed) -> Sequence[Part]:
    return () if _stands_still(view) else [_part((await _frames(view))["data"])]


def _stands_still(view: View) -> bool:
    return "pause" in view.query or "cursor" in view.query


async def _frames(view: View) -> Any:
    given = {name: view.query.get(name) for name in (*FILTERS, "cursor")}
    return await view.get("/api/logs", charger=view.path["id"], limit=ROWS, **given)


def _part(frames: Sequence[Mapping[str, Any]]) -> Part:
    return Part("frames", "charger/frame_rows.html", {"frames": [{**one, **_text(one["payload"])} for one in frames]})


def _text(frame: str) -> Mapping[str, str]:
    """Return a frame as it is opened, and as one line."""
    if len(frame) > MOST_CHARACTERS:
        opened = f"{frame[:MOST_CHARACTERS]}\n… {len(frame)} characters in all; `levity-trio logs` shows them"
        return {"opened": opened, "line": frame[:200]}
    try:
        return {"opened": json_text(orjson.loads(frame)), "line": frame[:200]}
    except orjson.JSONDecodeError:
        return {"opened": frame, "line": frame[:200]}


PAGES: Final = (
    Page(
        path=f"{PATH}/frames",
        help="explanation/what-happens-to-a-message",
        title="Frames",
        template="charger/frames.html",
        read=_read,
        live=_live,
        role=Role.OPERATOR,
        section=SECTION,
        seconds=SECONDS,
    ),
)
