"""Chargers: all of them; one of them, what it was asked for and can be asked for; and its frames,
for engineers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

import orjson

from levity_trio.billing.months import Month
from levity_trio.locale import N_, _
from levity_trio.store.reads.chargers import charger_facts, chargers, local_lists
from levity_trio.store.reads.chargers.charger_facts import Command
from levity_trio.store.reads.chargers.chargers import Charger
from levity_trio.store.reads.chargers.links import links
from levity_trio.store.reads.pages import ListPage, WantedPage
from levity_trio.store.reads.people import places
from levity_trio.told import Told
from levity_trio.web.api.chargers.charger_facts import UseQuery, read_uptimes, read_use
from levity_trio.web.api.engine.bodies import asked
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.engine.problems import not_found
from levity_trio.web.api.people.limits import SPACES
from levity_trio.web.api.site.history import HistoryQuery, read_history
from levity_trio.web.api.site.logs import LogEntry, LogsQuery, read_frames
from levity_trio.web.dashboard.operations import groups_for, page_of
from levity_trio.web.dashboard.page import (
    Changed,
    DashboardPage,
    LivePart,
    PageView,
    Values,
    limited_charger,
    open_sessions,
    reading,
    refused_at,
)
from levity_trio.web.dashboard.pictures import use_values
from levity_trio.web.dashboard.shapes import json_text, length, moment
from levity_trio.web.dashboard.snapshots import Look

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


def the_charger(look: Look, view: PageView) -> Charger:
    """Return the charger that a page is about. Raises Problem."""
    if (found := look(chargers.charger, view.path["id"])) is None:
        raise not_found(Told("charger {1}", view.path["id"]))
    return found


def head(look: Look, view: PageView, tab: str) -> Values:
    """Return what all pages about a charger show at their top. Raises Problem."""
    facts = the_charger(look, view)
    return {
        "charger": facts,
        "home": page_of(facts.id),
        "tab": tab,
        "tabs": [one for one in TABS if view.caller.role >= one.role],
    }


def _shown(look: Look, view: PageView) -> Values:
    charger = the_charger(look, view)
    station = None if charger.station_id is None else look(chargers.station, charger.station_id)
    return {
        **head(look, view, ""),
        "parts": {one.id: one for one in _parts(look, view, charger)},
        "groups": groups_for(view),
        "uptime": _uptime(look, view, charger),
        "station": station and station.name,
        **_spaces(look, view, charger.id),
    }


def _spaces(look: Look, view: PageView, charger: str) -> Values:
    """Return whose the spaces of a charger are, and what its list lacks of that while it is
    away."""
    if not view.may("GET", SPACES):
        return {"spaces": [], "behind": 0}
    server = view.api.server
    spaces = look(places.spaces, now=server.stamp(), charger=charger)
    kept = (
        look(local_lists.statuses, charger, server.id_tags.policy, server.now(), (), is_on=True)
        if spaces
        else []
    )
    behind = sum(one.behind for one in kept if (one.version or 0) > 0)
    return {"spaces": [(one, refused_at(look, view, one)) for one in spaces], "behind": behind}


def _uptime(look: Look, view: PageView, charger: Charger) -> Values:
    """Return how long the charger was connected: its share of 30 days, or of the time since it has
    been known."""
    (found,) = look(read_uptimes, view.api.server, charger.id)
    known = moment(found.until) - max(moment(found.since), moment(charger.created_at))
    return {"share": found.share, "links": found.links, "of": length(known.total_seconds())}


async def _live(view: PageView, changed: Changed) -> Sequence[LivePart]:
    if is_elsewhere(view, changed):
        return ()
    return await view.look(lambda look: _parts(look, view, the_charger(look, view)))


def is_elsewhere(view: PageView, changed: Changed) -> bool:
    """Whether the facts were about other chargers only."""
    return changed is not None and view.path["id"] not in changed


def _parts(look: Look, view: PageView, charger: Charger) -> list[LivePart]:
    state = LivePart(STATE, "charger/state.html", _state(look, view, charger))
    if view.caller.role < Role.OPERATOR:
        return [state]
    return [
        state,
        commands_part(
            look(charger_facts.commands, charger.id, WantedPage(limit=LAST_COMMANDS)).data
        ),
    ]


def commands_part(commands: Sequence[Command]) -> LivePart:
    """Return the part that shows commands with their course."""
    return LivePart(COMMANDS, "charger/commands.html", {"commands": commands})


def _state(look: Look, view: PageView, charger: Charger) -> Values:
    ten, sessions = WantedPage(limit=10), open_sessions(look, charger.id)
    ended = [] if charger.is_connected else look(links, charger.id, WantedPage(limit=1)).data
    known = {one.connector for one in charger.connectors}
    return {
        "charger": charger,
        "home": page_of(charger.id),
        "faults": look(charger_facts.faults, charger.id, ten, is_open=True).data
        if charger.open_faults
        else [],
        "link": ended[0] if ended else None,
        "sessions": {one.connector: one for one in sessions},
        "others": [one for one in sessions if one.connector not in known],
        "limited": limited_charger(look, view, charger.id),
    }


def _use(look: Look, view: PageView) -> Values:
    """A month of the charger: its days, how long cars charged and stayed, its faults, and its
    habits."""
    page, server = head(look, view, "use"), view.api.server
    given = {name: value for name, value in view.query.items() if name == "month" and value}
    use = look(read_use, server, page["charger"].id, asked(UseQuery, given))
    month = Month.parse(use.month)
    days = HistoryQuery(
        charger=use.charger, since=str(month.first_day), before=str(month.next.first_day)
    )
    return {
        **page,
        "use": use,
        "month": month.first_day,
        "before": str(month.before),
        "after": str(month.next) if use.is_over else None,
        **use_values(use, look(read_history, server, days)),
    }


MOST_CHARGERS: Final = 200
ALL: Final = "chargers"
CODES: Final = "/api/admin/codes"


async def _read_all(view: PageView) -> Values:
    found = await view.look(_all, view)
    return {
        "list": _list_part(view, found.data),
        "cursor": found.next_cursor,
        "is_hidden": "hidden" in view.query,
        "sees_codes": bool(found.data) and view.may("GET", CODES),
    }


async def _live_all(view: PageView, _changed: Changed) -> Sequence[LivePart]:
    return [_list_part(view, (await view.look(_all, view)).data)]


def _all(look: Look, view: PageView) -> ListPage[Charger]:
    wanted = WantedPage(limit=MOST_CHARGERS, cursor=view.query.get("cursor") or None)
    return look(chargers.chargers, None, None, wanted, is_hidden="hidden" in view.query)


def _list_part(view: PageView, rows: Sequence[Charger]) -> LivePart:
    found = [(one, page_of(one.id)) for one in rows]
    return LivePart(
        ALL, "charger/list.html", {"chargers": found, "is_hidden": "hidden" in view.query}
    )


MOST_COMMANDS: Final = 50
COMMAND: Final = "command"
COMMAND_PART: Final = "charger/command.html"


def _every_command(look: Look, view: PageView) -> Values:
    page, found = head(look, view, "commands"), _commands(look, view)
    return {**page, "list": commands_part(found.data), "cursor": found.next_cursor}


async def _live_commands(view: PageView, changed: Changed) -> Sequence[LivePart]:
    return (
        ()
        if is_elsewhere(view, changed)
        else [commands_part((await view.look(_commands, view)).data)]
    )


def _commands(look: Look, view: PageView) -> ListPage[Command]:
    wanted = WantedPage(limit=MOST_COMMANDS, cursor=view.query.get("cursor") or None)
    return look(charger_facts.commands, view.path["id"], wanted)


def _one_command(look: Look, view: PageView) -> Values:
    command = _command(look, view.number)
    charger = look(chargers.charger, command.charger)
    home, values = page_of(command.charger), {"command": command}
    return {
        "command": command,
        "charger": charger,
        "home": home,
        "part_": LivePart(COMMAND, COMMAND_PART, values),
    }


async def _live_command(view: PageView, _changed: Changed) -> Sequence[LivePart]:
    return [LivePart(COMMAND, COMMAND_PART, {"command": await view.look(_command, view.number)})]


def _command(look: Look, number: int) -> Command:
    if (found := look(charger_facts.command, number)) is None:
        raise not_found(Told("command {1}", number))
    return found


MOST_FRAMES: Final = 40
SECONDS: Final = 2.0
"""Frames are told by no fact, so the page looks for itself."""
MOST_CHARACTERS: Final = 4000
"""The characters of a frame that a page shows; one may have half a million."""
FILTERS: Final = ("action", "direction", "text")
DIRECTIONS: Final = N_((("recv", "from the charger"), ("send", "to the charger")))


def _some_frames(look: Look, view: PageView) -> Values:
    page, found = head(look, view, "frames"), _frames(look, view)
    return {
        **page,
        "frames": _frames_part(found.data),
        "cursor": found.next_cursor,
        "given": {name: view.query.get(name, "") for name in FILTERS},
        "directions": DIRECTIONS,
        "is_paused": _stands_still(view),
    }


async def _live_frames(view: PageView, _changed: Changed) -> Sequence[LivePart]:
    return () if _stands_still(view) else [_frames_part((await view.look(_frames, view)).data)]


def _stands_still(view: PageView) -> bool:
    return "pause" in view.query or "cursor" in view.query


def _frames(look: Look, view: PageView) -> ListPage[LogEntry]:
    given = {name: view.query[name] for name in (*FILTERS, "cursor") if view.query.get(name)}
    query = asked(LogsQuery, {**given, "charger": view.path["id"], "limit": str(MOST_FRAMES)})
    return look(read_frames, view.api.server, query)


def _frames_part(frames: Sequence[LogEntry]) -> LivePart:
    return LivePart(
        "frames",
        "charger/frame_rows.html",
        {"frames": [(one, _opened(one.payload)) for one in frames]},
    )


def _opened(frame: str) -> str:
    """Return a frame as it is opened."""
    if len(frame) > MOST_CHARACTERS:
        more = _("%(count)s characters in all; `levity-trio logs` shows them", count=len(frame))
        return f"{frame[:MOST_CHARACTERS]}\n… {more}"
    try:
        return json_text(orjson.loads(frame))
    except orjson.JSONDecodeError:
        return frame


_page: Final = partial(DashboardPage, section=SECTION)
PAGES: Final = N_(
    (
        _page(
            PATH,
            "Charger",
            "charger.html",
            reading(_shown),
            help="tasks/a-charger-is-away",
            live=_live,
        ),
        _page(f"{PATH}/use", "Use", "charger/use.html", reading(_use), help="tasks/does-it-add-up"),
        _page(
            "/chargers",
            "Chargers",
            "chargers.html",
            _read_all,
            help="start/first-charger",
            live=_live_all,
        ),
        _page(
            f"{PATH}/commands",
            "Commands",
            "charger/all_commands.html",
            reading(_every_command),
            help="reference/operations",
            live=_live_commands,
            role=Role.OPERATOR,
        ),
        _page(
            "/commands/{id}",
            "Command",
            "command.html",
            reading(_one_command),
            help="reference/operations",
            live=_live_command,
            role=Role.OPERATOR,
        ),
        _page(
            f"{PATH}/frames",
            "Frames",
            "charger/frames.html",
            reading(_some_frames),
            help="explanation/what-happens-to-a-message",
            live=_live_frames,
            role=Role.OPERATOR,
            seconds=SECONDS,
        ),
    )
)
