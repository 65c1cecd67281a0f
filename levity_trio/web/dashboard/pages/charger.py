"""A charger: what it is, how it is, what it was asked for, and what it can be asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.operations import groups_for, page_of, steps, words_of
from levity_trio.web.dashboard.page import Changed, Page, Part, Values, View
from levity_trio.web.dashboard.shapes import length, moment
from levity_trio.web.dashboard.whose import open_sessions

SECTION: Final = "Chargers"
PATH: Final = "/chargers/{id}"
LAST_COMMANDS: Final = 5
STATE: Final = "state"
COMMANDS: Final = "commands"


class Tab(NamedTuple):
    """A page about a charger: the end of its path, its name, and who may see it."""

    path: str
    name: str
    role: Role = Role.VIEWER


TABS: Final = (
    Tab("", "State"),
    Tab("commands", "Commands", Role.OPERATOR),
    Tab("history", "History"),
    Tab("configuration", "Configuration"),
    Tab("limits", "Limits and lists"),
    Tab("security", "Security", Role.OPERATOR),
    Tab("oddities", "Repairs and habits"),
    Tab("frames", "Frames", Role.OPERATOR),
)


def api_of(view: View) -> str:
    """Return the path of the charger in the API."""
    return f"/api/admin/chargers/{view.path['id']}"


async def head(view: View, tab: str, charger: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what all pages about a charger show at their top."""
    found = charger or await view.get(api_of(view))
    return {
        "charger": found,
        "home": page_of(found["id"]),
        "tab": tab,
        "tabs": [one for one in TABS if view.caller.role >= one.role],
    }


async def _read(view: View) -> Values:
    charger = await view.get(api_of(view))
    return {
        **await head(view, "", charger),
        "parts": await _parts(view, charger),
        "groups": groups_for(view),
        "uptime": await _uptime(view, charger["created_at"]),
    }


async def _uptime(view: View, created_at: str) -> Values:
    """Return how long the charger was connected: its share of 30 days, or of the time since it has been known."""
    (found,) = (await view.get(f"{api_of(view)}/uptime"))["data"]
    known = moment(found["until"]) - max(moment(found["since"]), moment(created_at))
    return {**found, "of": length(known.total_seconds())}


async def _live(view: View, changed: Changed) -> Sequence[Part]:
    if is_elsewhere(view, changed):
        return ()
    return list((await _parts(view, await view.get(api_of(view)))).values())


def is_elsewhere(view: View, changed: Changed) -> bool:
    """Whether the facts were about other chargers only."""
    return changed is not None and view.path["id"] not in changed


async def _parts(view: View, charger: Mapping[str, Any]) -> dict[str, Part]:
    state = Part(STATE, "charger/state.html", await _state(view, charger))
    if view.caller.role < Role.OPERATOR:
        return {STATE: state}
    asked = (await view.get(f"{api_of(view)}/commands", limit=LAST_COMMANDS))["data"]
    return {STATE: state, COMMANDS: commands_part(asked)}


def commands_part(commands: Sequence[Mapping[str, Any]]) -> Part:
    """Return the part that shows commands with their course."""
    shown = [{**one, "words": words_of(one["action"]), "steps": steps(one)} for one in commands]
    return Part(COMMANDS, "charger/commands.html", {"commands": shown})


async def _state(view: View, charger: Mapping[str, Any]) -> Values:
    faults = (await view.get(f"{api_of(view)}/faults", open=True, limit=10))["data"] if charger["open_faults"] else []
    links = (await view.get(f"{api_of(view)}/links", limit=1))["data"] if not charger["is_connected"] else []
    sessions = await open_sessions(view, charger["id"])
    known = {one["connector"] for one in charger["connectors"]}
    return {
        "charger": charger,
        "home": page_of(charger["id"]),
        "faults": faults,
        "link": links[0] if links else None,
        "sessions": {one["connector"]: one for one in sessions},
        "others": [one for one in sessions if one["connector"] not in known],
    }


PAGES: Final = (
    Page(
        path=PATH,
        help="tasks/a-charger-is-away",
        title="Charger",
        template="charger.html",
        read=_read,
        live=_live,
        section=SECTION,
    ),
)
