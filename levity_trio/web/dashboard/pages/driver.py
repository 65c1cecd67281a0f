"""For drivers: all places with the own sessions on top, the place that the code at a charger names, and their books.

A place shows what became of what its driver asked for: the number of the command stands in the query, so it is there
without JavaScript, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote

from levity_trio.locale import N_, _
from levity_trio.records import record
from levity_trio.store.reads.curve import Curve
from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.charts import sparkline
from levity_trio.web.dashboard.course import course
from levity_trio.web.dashboard.front import DRIVERS
from levity_trio.web.dashboard.page import EVERYTHING, Changed, Page, Part, Values, View
from levity_trio.web.dashboard.pages.session import curves
from levity_trio.web.dashboard.refused import Refused

CHARGERS: Final = "/api/me/chargers"
OWN: Final = "/api/me/transactions"
REPORTS: Final = "/api/me/reports"
SECTION: Final = N_("Charge")
SITE: Final = ""
"""Among what changed: a fact about no charger."""
MOST: Final = 20
"""Own sessions that go on at once, and reports that are shown."""


async def _read_all(view: View) -> Values:
    running, places = await _all(view)
    return {"running": running, "places": places}


async def _live_all(view: View, _changed: Changed) -> Sequence[Part]:
    return await _all(view)


async def _all(view: View) -> Sequence[Part]:
    chargers = (await view.get(CHARGERS))["data"]
    tags, sessions = await _tags(view), await _sessions(view)
    running = [{"one": one, "curve": await _curve(view, one["id"])} for one in sessions]
    places = [{"charger": one, "connectors": _connectors(one, sessions), "path": _path(one["id"])} for one in chargers]
    return [
        Part("running", "driver/running.html", {"running": running}),
        Part(
            "places",
            "driver/places.html",
            {
                "places": places,
                "price": _common_price(chargers),
                "tags": tags,
                "limits": await _limits(view),
                "is_nobody": is_nobody(view),
            },
        ),
    ]


def _common_price(chargers: Sequence[Mapping[str, Any]]) -> Any:
    """Return the price that holds at all chargers, None if it differs: then each has its own."""
    first = chargers[0]["price"] if chargers else None
    return first if all(one["price"] == first for one in chargers) else None


async def _read_place(view: View) -> Values:
    charger = await view.get(f"{CHARGERS}/{view.path['charger']}")
    reports = None if is_nobody(view) else await _reports(view, "charger", charger=charger["id"])
    here = _path(charger["id"], view.path.get("connector"))
    return {"charger": charger, "place": await _place(view, charger), "reports": reports, "here": here}


async def _reports(view: View, *about: str, **subject: object) -> Part:
    """Return what the household reported about something, with the answers."""
    found = [one for one in (await view.get(REPORTS, **subject))["data"] if one["about"] in about]
    return Part("reports", "driver/reports.html", {"reports": found[:MOST]})


async def _live_place(view: View, changed: Changed) -> Sequence[Part]:
    if changed is not EVERYTHING and changed.isdisjoint({view.path["charger"], SITE}):
        return []
    return [await _place(view, await view.get(f"{CHARGERS}/{view.path['charger']}"))]


async def _place(view: View, charger: Mapping[str, Any]) -> Part:
    sessions = await _sessions(view)
    connectors = [one for one in _connectors(charger, sessions) if view.path.get("connector", one["id"]) == one["id"]]
    for one in connectors:
        one["curve"] = None if one["session"] is None else await _curve(view, one["session"]["id"])
    here = _path(charger["id"], view.path.get("connector"))
    values = {
        "charger": charger,
        "connectors": connectors,
        "here": here,
        "tags": await _tags(view),
        "command": await _command(view, charger["id"], connectors),
        "is_nobody": is_nobody(view),
    }
    return Part("place", "driver/place.html", values)


def is_nobody(view: View) -> bool:
    """Whether who looks belongs to no household: an operator, who may look."""
    return view.caller.account is None


def _path(charger: str, connector: str | None = None) -> str:
    return f"/d/at/{quote(charger, safe='')}" + (f"/{quote(connector, safe='')}" if connector else "")


def _connectors(charger: Mapping[str, Any], sessions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the connectors of a charger as a page shows them: with their names, and the own sessions there."""
    known, own = charger["connectors"], {one["id"]: one for one in sessions}
    return [
        {
            **one,
            "id": str(one["id"]),
            "name": _name(one, len(known)),
            "shape": _shape(one["state"]),
            "session": own.get(one["transaction"]),
        }
        for one in known
    ]


async def _sessions(view: View) -> Sequence[Mapping[str, Any]]:
    """Return the own sessions that go on."""
    if is_nobody(view):
        return []
    found: Sequence[Mapping[str, Any]] = (await view.get(OWN, open=True, limit=MOST))["data"]
    return found


async def _tags(view: View) -> Sequence[Mapping[str, Any]]:
    """Return the own tags that may charge now."""
    return [] if is_nobody(view) else [one for one in (await view.get("/api/me/tags"))["data"] if one["is_valid"]]


async def _limits(view: View) -> Sequence[Mapping[str, Any]]:
    """Return what the household and its cards may use in this month, where that is limited."""
    found: Sequence[Mapping[str, Any]] = [] if is_nobody(view) else (await view.get("/api/me/limits"))["data"]
    return found


async def _curve(view: View, number: int) -> Any:
    """Return the small curve of a session, None if too little is known."""
    known = await view.get(f"{OWN}/{number}/curve")
    return sparkline([(at, most) for at, _, most in known["power"]])


async def _command(view: View, charger: str, connectors: Sequence[Mapping[str, Any]]) -> Values | None:
    """Return the course of what was asked for here, None once it is of the past."""
    number = view.query.get("command", "")
    if not number.isdecimal() or is_nobody(view):
        return None
    try:
        command = await view.get(f"/api/me/commands/{number}")
    except Refused:  # another one's, or an old address
        return None
    shown = course(command["state"], command["outcome"], command["action"])
    open_here = {one["transaction"] for one in connectors}
    is_over = shown.is_done and command["action"] == "start" and command["transaction"] not in open_here
    return None if command["charger"] != charger or is_over else {**command, "course": shown}


ROWS: Final = 50
PRICED: Final = ("tariff", "assignment")
"""The kinds of changes that give a session its price."""
STATEMENTS: Final = "/api/me/statements"


async def _read_sessions(view: View) -> Values:
    if is_nobody(view):
        return {"is_nobody": True}
    found = await view.get(OWN, limit=ROWS, before=view.query.get("before"))
    return {"is_nobody": False, "found": found, "is_first": "before" not in view.query}


async def _read_session(view: View) -> Values:
    if is_nobody(view):
        return {"is_nobody": True, "one": None}
    one = await view.get(f"{OWN}/{view.path['id']}")
    return {"is_nobody": False, "one": one, "parts": await _session_parts(view, one)}


async def _live_session(view: View, changed: Changed) -> Sequence[Part]:
    if is_nobody(view):
        return []
    path = f"{OWN}/{view.path['id']}"
    if changed is not EVERYTHING and changed.isdisjoint({(await view.get(path, bill=False))["charger"], SITE}):
        return []
    return await _session_parts(view, await view.get(path))


async def _session_parts(view: View, session: Mapping[str, Any]) -> Sequence[Part]:
    known = Curve(**await view.get(f"{OWN}/{session['id']}/curve"))
    count = len(known.power)
    return [
        Part("own-head", "driver/head.html", {"one": session, "changes": _changes(session["bill"]["changes"])}),
        Part("own-bill", "driver/bill.html", {"one": session}),
        Part(
            "curves",
            "session/curves.html",
            {"known": known, "count": count, **curves(known, None, view.api.zone)},
        ),
        await _reports(view, "session", "statement", transaction=session["id"]),
    ]


def _changes(found: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return what was decided about a session. A price is entered in two steps, a tariff and for whom it is."""
    last = {"price" if one["kind"] in PRICED else number: one for number, one in enumerate(found)}
    return [*last.values()]


async def _read_statements(view: View) -> Values:
    if is_nobody(view):
        return {"is_nobody": True}
    found = await view.get(STATEMENTS, cursor=view.query.get("cursor"))
    money = None if "cursor" in view.query else await view.get("/api/me/money")
    reports, page = await _reports(view, "statement"), {"statements": found["data"], "cursor": found.get("next_cursor")}
    return {"is_nobody": False, "money": money, "reports": reports, **page}


async def _read_me(view: View) -> Values:
    of_own = ("tags", "vehicles", "limits")
    own = {name: [] if is_nobody(view) else (await view.get(f"/api/me/{name}"))["data"] for name in of_own}
    reports = None if is_nobody(view) else await _reports(view, "card")
    return {"is_nobody": is_nobody(view), "me": await view.get("/api/me"), "reports": reports, **own}


_AT: Final = re.compile(rf"{DRIVERS}at/(?P<charger>[^/?#]+)(?:/(?P<connector>[0-9]{{1,9}}))?")
SHAPES: Final[Mapping[str, tuple[str, str]]] = N_(
    {
        "free": ("free", "Free"),
        "plugged_in": ("busy", "Plugged in"),
        "in_use": ("used", "In use"),
        "reserved": ("look", "Reserved"),
        "broken": ("broken", "Out of order"),
        "away": ("away", "Away"),
        "private": ("away", "For its household"),
    }
)
"""The shape and the word for the state of a connector."""


class Connector(NamedTuple):
    """A connector: what it is called, "" if there is no other, and its state."""

    name: str
    kind: str
    word: str


@record(kw_only=False)
class Place:
    """A charger, and one or all of its connectors."""

    name: str
    connectors: Sequence[Connector]


async def place_of(view: View, path: str) -> Place | None:
    """Return the place that the page with this path, as in a URL, is about; None for an unknown one, or no such page.

    Hold a place among the requests at work.
    """
    match = _AT.fullmatch(path)
    if match is None:
        return None
    try:
        charger = await view.get(f"/api/me/chargers/{unquote(match['charger'])}")
    except Refused:
        return None
    wanted = None if match["connector"] is None else int(match["connector"])
    connectors = [one for one in charger["connectors"] if wanted in (None, one["id"])]
    if wanted is not None and not connectors:
        return None
    count = len(charger["connectors"])
    shown = [Connector(_name(one, count), *_shape(one["state"])) for one in connectors]
    return Place(charger["name"] or charger["id"], shown)


def _shape(state: str) -> tuple[str, str]:
    kind, word = SHAPES[state]
    return kind, _(word)


def _name(connector: Mapping[str, Any], count: int) -> str:
    """Return what a connector is called, "" for the only one of its charger."""
    return "" if count == 1 else _("Connector %(connector)s", connector=connector["id"])


_page: Final = partial(Page, role=Role.DRIVER)
PAGES: Final = N_(
    (
        _page(
            "/d/",
            "Charge",
            "driver/charge.html",
            _read_all,
            help="drivers/charge-and-stop",
            live=_live_all,
            rest=1.0,
            section=SECTION,
        ),
        *(
            _page(
                path,
                "Charge here",
                "driver/at.html",
                _read_place,
                help="drivers/charge-and-stop",
                live=_live_place,
                section=SECTION,
            )
            for path in ("/d/at/{charger}", "/d/at/{charger}/{connector}")
        ),
        _page(
            "/d/sessions",
            "Your sessions",
            "driver/sessions.html",
            _read_sessions,
            help="drivers/what-i-pay",
            section="Sessions",
        ),
        _page(
            "/d/sessions/{id}",
            "Your session",
            "driver/session.html",
            _read_session,
            help="drivers/what-i-pay",
            live=_live_session,
            rest=1.0,
            section="Sessions",
        ),
        _page(
            "/d/statements",
            "What you pay",
            "driver/statements.html",
            _read_statements,
            help="drivers/what-i-pay#look-at-a-statement",
            section="Costs",
        ),
        _page("/d/me", "You", "driver/me.html", _read_me, help="drivers/card-log-in-trouble", section="Me"),
    )
)
