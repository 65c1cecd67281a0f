"""Chargers: all of them; one of them, what it was asked for and can be asked for; and its frames, for engineers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import orjson

from levity_trio.billing.months import Month
from levity_trio.locale import N_, _
from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.course import steps
from levity_trio.web.dashboard.operations import groups_for, page_of, words_of
from levity_trio.web.dashboard.page import (
    Changed,
    Page,
    Part,
    Values,
    View,
    limited_charger,
    open_sessions,
    with_refused,
)
from levity_trio.web.dashboard.pictures import use_values
from levity_trio.web.dashboard.shapes import json_text, length, moment

SECTION: Final = N_("Chargers")
PATH: Final = "/chargers/{id}"
LAST_COMMANDS: Final = 5
STATE: Final = "state"
COMMANDS: Final = "commands"


class Tab(NamedTuple):
    """A page about a charger: the end of its path, its name, and who may see it."""

    path: str
    name: str
    role: Role = Role.VIEWER


TABS: Final = N_(
    (
        Tab("", "State"),
        Tab("use", "Use"),
        Tab("commands", "Commands", Role.OPERATOR),
        Tab("history", "History"),
        Tab("configuration", "Configuration"),
        Tab("limits", "Limits and lists"),
        Tab("security", "Security", Role.OPERATOR),
        Tab("oddities", "Repairs and habits"),
        Tab("frames", "Frames", Role.OPERATOR),
    )
)


def api_of(view: View) -> str:
    """Return the path of the charger in the API."""
    return f"/api/admin/chargers/{view.path['id']}"


async def head(view: View, tab: str, charger: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what all pages about a charger show at their top."""
    facts = charger or await view.get(api_of(view))
    return {
        "charger": facts,
        "home": page_of(facts["id"]),
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
        "station": await _station(view, charger["station_id"]),
        **await _spaces(view, charger["id"]),
    }


async def _station(view: View, number: int | None) -> str | None:
    """Return what the station of a charger is called."""
    stations = [] if number is None else (await view.get("/api/admin/stations"))["data"]
    return next((one["name"] for one in stations if one["id"] == number), None)


SPACES: Final = "/api/admin/spaces"


async def _spaces(view: View, charger: str) -> Values:
    """Return whose the spaces of a charger are, and what its list lacks of that while it is away."""
    if not view.may("GET", SPACES):
        return {"spaces": [], "behind": 0}
    spaces = (await view.get(SPACES, charger=charger))["data"]
    kept = (await view.get(f"{api_of(view)}/local-lists/status"))["data"] if spaces else []
    behind = [one["behind"] for one in kept if (one["version"] or 0) > 0]
    return {"spaces": await with_refused(view, spaces), "behind": sum(behind)}


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
        "limited": await limited_charger(view, charger["id"]),
    }


async def _read_use(view: View) -> Values:
    """A month of the charger: its days, how long cars charged and stayed, its faults, and its habits."""
    use = await view.get(f"{api_of(view)}/use", month=view.query.get("month"))
    month = Month.parse(use["month"])
    history = await view.get("/api/history", charger=use["charger"], from_=month.first_day, to=month.next.first_day)
    return {
        **await head(view, "use"),
        "use": use,
        "month": month.first_day,
        "before": str(month.before),
        "after": str(month.next) if use["is_over"] else None,
        **use_values(use, history),
    }


MOST_CHARGERS: Final = 200
ALL: Final = "chargers"
CODES: Final = "/api/admin/codes"


async def _read_all(view: View) -> Values:
    events = await _all(view)
    is_hidden = "hidden" in view.query
    return {
        "list": _list_part(view, events["data"]),
        "cursor": events.get("next_cursor"),
        "is_hidden": is_hidden,
        "sees_codes": bool(events["data"]) and view.may("GET", CODES),
    }


async def _live_all(view: View, _changed: Changed) -> Sequence[Part]:
    return [_list_part(view, (await _all(view))["data"])]


async def _all(view: View) -> Any:
    hidden = True if "hidden" in view.query else None
    return await view.get("/api/admin/chargers", hidden=hidden, limit=MOST_CHARGERS, cursor=view.query.get("cursor"))


def _list_part(view: View, rows: Sequence[Mapping[str, Any]]) -> Part:
    chargers = [{**one, "home": page_of(one["id"])} for one in rows]
    return Part(ALL, "charger/list.html", {"chargers": chargers, "is_hidden": "hidden" in view.query})


MOST_COMMANDS: Final = 50
COMMAND: Final = "command"


async def _read_commands(view: View) -> Values:
    commands = await _commands(view)
    return {
        **await head(view, "commands"),
        "list": commands_part(commands["data"]),
        "cursor": commands.get("next_cursor"),
    }


async def _live_commands(view: View, changed: Changed) -> Sequence[Part]:
    return () if is_elsewhere(view, changed) else [commands_part((await _commands(view))["data"])]


async def _commands(view: View) -> Any:
    return await view.get(f"{api_of(view)}/commands", limit=MOST_COMMANDS, cursor=view.query.get("cursor"))


async def _read_command(view: View) -> Values:
    command = await _command(view)
    charger = await view.get(f"/api/admin/chargers/{command['charger']}")
    return {"command": command, "charger": charger, "home": page_of(charger["id"]), "part_": _command_part(command)}


async def _live_command(view: View, _changed: Changed) -> Sequence[Part]:
    return [_command_part(await _command(view))]


async def _command(view: View) -> dict[str, Any]:
    found = await view.get(f"/api/admin/commands/{view.path['id']}")
    return {**found, "words": words_of(found["action"]), "steps": steps(found)}


def _command_part(command: Mapping[str, Any]) -> Part:
    return Part(COMMAND, "charger/command.html", {"command": command})


MOST_FRAMES: Final = 40
SECONDS: Final = 2.0
"""Frames are told by no fact, so the page looks for itself."""
MOST_CHARACTERS: Final = 4000
"""Of a frame that a page shows; one may have half a million."""
FILTERS: Final = ("action", "direction", "text")
DIRECTIONS: Final = N_((("recv", "from the charger"), ("send", "to the charger")))


async def _read_frames(view: View) -> Values:
    frames = await _frames(view)
    return {
        **await head(view, "frames"),
        "frames": _frames_part(frames["data"]),
        "cursor": frames.get("next_cursor"),
        "given": {name: view.query.get(name, "") for name in FILTERS},
        "directions": DIRECTIONS,
        "is_paused": _stands_still(view),
    }


async def _live_frames(view: View, _changed: Changed) -> Sequence[Part]:
    return () if _stands_still(view) else [_frames_part((await _frames(view))["data"])]


def _stands_still(view: View) -> bool:
    return "pause" in view.query or "cursor" in view.query


async def _frames(view: View) -> Any:
    given = {name: view.query.get(name) for name in (*FILTERS, "cursor")}
    return await view.get("/api/logs", charger=view.path["id"], limit=MOST_FRAMES, **given)


def _frames_part(frames: Sequence[Mapping[str, Any]]) -> Part:
    return Part("frames", "charger/frame_rows.html", {"frames": [{**one, **_opened(one["payload"])} for one in frames]})


def _opened(frame: str) -> Mapping[str, str]:
    """Return a frame as it is opened, and as one line."""
    if len(frame) > MOST_CHARACTERS:
        more = _("%(count)s characters in all; `levity-trio logs` shows them", count=len(frame))
        opened = f"{frame[:MOST_CHARACTERS]}\n… {more}"
        return {"opened": opened, "line": frame[:200]}
    try:
        return {"opened": json_text(orjson.loads(frame)), "line": frame[:200]}
    except orjson.JSONDecodeError:
        return {"opened": frame, "line": frame[:200]}


_page: Final = partial(Page, section=SECTION)
PAGES: Final = N_(
    (
        _page(PATH, "Charger", "charger.html", _read, help="tasks/a-charger-is-away", live=_live),
        _page(f"{PATH}/use", "Use", "charger/use.html", _read_use, help="tasks/does-it-add-up"),
        _page("/chargers", "Chargers", "chargers.html", _read_all, help="start/first-charger", live=_live_all),
        _page(
            f"{PATH}/commands",
            "Commands",
            "charger/all_commands.html",
            _read_commands,
            help="reference/operations",
            live=_live_commands,
            role=Role.OPERATOR,
        ),
        _page(
            "/commands/{id}",
            "Command",
            "command.html",
            _read_command,
            help="reference/operations",
            live=_live_command,
            role=Role.OPERATOR,
        ),
        _page(
            f"{PATH}/frames",
            "Frames",
            "charger/frames.html",
            _read_frames,
            help="explanation/what-happens-to-a-message",
            live=_live_frames,
            role=Role.OPERATOR,
            seconds=SECONDS,
        ),
    )
)
