"""Why something was not done, in words of people, where those of the API are for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from levity_trio.web.api.endpoints import Endpoint, Role
from levity_trio.web.dashboard.fields import LABELS
from levity_trio.web.dashboard.inside import Refused
from levity_trio.web.dashboard.offers import OPERATIONS
from levity_trio.web.dashboard.page import View
from levity_trio.web.dashboard.whose import open_sessions

NEEDS_FORCE, CHANGED, NOT_CONNECTED = "needs_force", "changed", "not_connected"
EXPLAINED: Final = frozenset({NEEDS_FORCE, CHANGED, NOT_CONNECTED})
"""Of which the words say all."""
AWAY: Final = "it is away, and nothing was sent: say how long this may wait for it"
LOOK_AGAIN: Final = "this session has changed since you looked: look again"
OF_SESSIONS: Final = tuple(f"/api/admin/{one}/" for one in ("transactions", "reviews", "set-aside"))


async def explained(view: View, endpoint: Endpoint, refused: Refused) -> Refused:
    """Return a refused request to an endpoint as a person understands it."""
    words = await _words(view, endpoint, refused)
    return refused if words is None else Refused(refused.status, {**refused.document, "detail": words})


async def _words(view: View, endpoint: Endpoint, refused: Refused) -> str | None:
    """Return other words than those of the API, None where these will do."""
    if refused.code == NEEDS_FORCE and "id" in view.path:
        return await _interrupts(view, refused)
    if refused.code == CHANGED and endpoint.path.startswith(OF_SESSIONS):
        return LOOK_AGAIN
    may_wait = refused.code == NOT_CONNECTED and endpoint.tag == OPERATIONS
    return AWAY if may_wait else None


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
