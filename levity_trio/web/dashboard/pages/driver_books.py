"""For drivers: the sessions and the statements of their household, and what is known of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.page import EVERYTHING, Changed, Page, Part, Values, View
from levity_trio.web.dashboard.pages.driver import OWN, SITE, is_nobody
from levity_trio.web.dashboard.pages.session import curves

ROWS: Final = 50
STATEMENTS: Final = "/api/me/statements"


async def _sessions(view: View) -> Values:
    if is_nobody(view):
        return {"is_nobody": True}
    found = await view.get(OWN, limit=ROWS, before=view.query.get("before"))
    return {"is_nobody": False, "found": found, "is_first": "before" not in view.query}


async def _session(view: View) -> Values:
    if is_nobody(view):
        return {"is_nobody": True, "one": None}
    one = await view.get(f"{OWN}/{view.path['id']}")
    return {"is_nobody": False, "one": one, "parts": await _parts(view, one)}


async def _live(view: View, changed: Changed) -> Sequence[Part]:
    if is_nobody(view):
        return []
    one = await view.get(f"{OWN}/{view.path['id']}")
    is_about = changed is EVERYTHING or not changed.isdisjoint({one["charger"], SITE})
    return await _parts(view, one) if is_about else []


async def _parts(view: View, one: Mapping[str, Any]) -> Sequence[Part]:
    known = await view.get(f"{OWN}/{one['id']}/curve")
    count = len(known["power"])
    return [
        Part("own-head", "driver/head.html", {"one": one}),
        Part("curves", "session/curves.html", {"known": known, "count": count, **curves(known, None, view.api.zone)}),
    ]


async def _statements(view: View) -> Values:
    if is_nobody(view):
        return {"is_nobody": True}
    found = await view.get(STATEMENTS, cursor=view.query.get("cursor"))
    return {"is_nobody": False, "statements": found["data"], "cursor": found.get("next_cursor")}


async def _me(view: View) -> Values:
    tags = [] if is_nobody(view) else (await view.get("/api/me/tags"))["data"]
    return {"is_nobody": is_nobody(view), "me": await view.get("/api/me"), "tags": tags}


PAGES: Final = (
    Page(
        path="/d/sessions",
        help="drivers/what-i-pay",
        title="Your sessions",
        template="driver/sessions.html",
        read=_sessions,
        role=Role.DRIVER,
        section="Sessions",
    ),
    Page(
        path="/d/sessions/{id}",
        help="drivers/what-i-pay",
        title="Your session",
        template="driver/session.html",
        read=_session,
        live=_live,
        rest=1.0,
        role=Role.DRIVER,
        section="Sessions",
    ),
    Page(
        path="/d/statements",
        help="drivers/what-i-pay#look-at-a-statement",
        title="Your statements",
        template="driver/statements.html",
        read=_statements,
        role=Role.DRIVER,
        section="Statements",
    ),
    Page(
        path="/d/me",
        help="drivers/card-log-in-trouble",
        title="You",
        template="driver/me.html",
        read=_me,
        role=Role.DRIVER,
        section="Me",
    ),
)
