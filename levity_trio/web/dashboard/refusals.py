"""Why something was not done, in words of people, where those of the API are for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.fields import LABELS
from levity_trio.web.dashboard.inside import Refused
from levity_trio.web.dashboard.page import View
from levity_trio.web.dashboard.whose import open_sessions

NEEDS_FORCE, CHANGED, NOT_CONNECTED = "needs_force", "changed", "not_connected"
SAID: Final = frozenset({NEEDS_FORCE, CHANGED, NOT_CONNECTED})
"""Of which the words say all."""
AWAY: Final = "it is away, and nothing was sent: say how long this may wait for it"
LOOK_AGAIN: Final = "this session has changed since you looked: look again"
OF_SESSIONS: Final = tuple(f"/api/admin/{one}/" for one in ("transactions", "reviews", "set-aside"))
TITLES: Final[Mapping[int, str]] = {
    HTTPStatus.FORBIDDEN: "This is not for you",
    HTTPStatus.NOT_FOUND: "This is not there",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not now",
}
OTHERWISE: Final = "That did not work"


def title_of(status: int) -> str:
    """Return the heading of a page for a failure."""
    return TITLES.get(status, OTHERWISE)


async def words_of(view: View, path: str, refused: Refused) -> str:
    """Return why a request to a path was refused."""
    if refused.code == NEEDS_FORCE:
        return await _interrupts(view, refused)
    if refused.code == CHANGED and path.startswith(OF_SESSIONS):
        return LOOK_AGAIN
    if refused.code == NOT_CONNECTED and view.caller.role > Role.DRIVER:
        return AWAY
    return refused.words


async def _interrupts(view: View, refused: Refused) -> str:
    """Return whose sessions are in the way, and what to do about it."""
    ids = refused.document.get("transactions", ())
    names = [one["who"] for one in await open_sessions(view, view.path["id"]) if one["id"] in ids]
    words = _charge(names) if names else "a session is open here: stop it first"
    return f"{words}, or tick “{LABELS['force']}”" if view.caller.role >= Role.ADMIN else words


def _charge(names: Sequence[str]) -> str:
    *others, last = names
    if not others:
        return f"{last} is charging here: stop that session first"
    return f"{', '.join(others)} and {last} are charging here: stop those sessions first"
