"""Chargers: all of them; one of them, what it was asked for and can be asked for; and its frames,
for engineers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple

import orjson

from levity_trio.billing.months import Month
from levity_trio.locale import N_, _
from levity_trio.manual import makes
from levity_trio.store.reads.chargers import chargers, configuration
from levity_trio.store.reads.chargers.chargers import (
    Charger,
    Command,
    Fault,
    links,
    meter_pairs,
    new_serials,
)
from levity_trio.store.reads.pages import ListPage, WantedPage
from levity_trio.store.reads.people import driving
from levity_trio.store.reads.people.driving import RefusedCard, SpaceRow
from levity_trio.store.reads.site.logged import LogEntry
from levity_trio.store.reads.transactions.costs import billed_transactions
from levity_trio.store.reads.transactions.explain import lacks_key, meter_keys
from levity_trio.store.reads.transactions.transactions import TransactionFilters
from levity_trio.told import Told
from levity_trio.web.api.chargers.chargers import UseQuery, addresses_of, read_uptimes, read_use
from levity_trio.web.api.engine.endpoints import Role, asked
from levity_trio.web.api.engine.problems import not_found
from levity_trio.web.api.people.limits import SPACES
from levity_trio.web.api.site.history import HistoryQuery, read_history
from levity_trio.web.api.site.logs import LogsQuery, read_frames
from levity_trio.web.dashboard.operations import groups_for, page_of
from levity_trio.web.dashboard.page import (
    Changed,
    DashboardPage,
    LivePart,
    Look,
    PageView,
    Values,
    limited_charger,
    open_sessions,
    reading,
    refused_at,
)
from levity_trio.web.dashboard.pictures import use_values
from levity_trio.web.dashboard.shapes import json_text, length, moment

SECTION: Final = N_("Chargers")
PATH: Final = "/chargers/{id}"
LAST_COMMANDS: Final = 5
NEWEST: Final = 10
"""Sessions that are shown."""
FAULTS: Final = 10
"""Open faults that are shown."""
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
        Tab("use", "Sessions"),
        Tab("settings", "Settings"),
    )
)
TECHNICAL: Final = N_(
    (
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
    charger = look(chargers.charger, view.path["id"])
    if charger is None:
        raise not_found(Told("charger {1}", view.path["id"]))
    return charger


def head(look: Look, view: PageView, tab: str) -> Values:
    """Return what all pages about a charger show at their top. Raises Problem."""
    charger = the_charger(look, view)
    technical = [each for each in TECHNICAL if view.caller.role >= each.role]
    return {
        "charger": charger,
        "home": page_of(charger.id),
        "tab": tab,
        "tabs": TABS,
        "technical": technical,
    }


def _shown(look: Look, view: PageView) -> Values:
    charger = the_charger(look, view)
    server = view.api.server
    station = None
    if charger.station_id is not None:
        station = look(chargers.station, charger.station_id)

    # Its share of 30 days, or of the time since it has been known.
    (connected,) = look(read_uptimes, server, charger.id)
    since = max(moment(connected.since), moment(charger.created_at))
    known = moment(connected.until) - since
    uptime = {
        "share": connected.share,
        "links": connected.links,
        "of": length(known.total_seconds()),
    }
    return {
        **head(look, view, ""),
        "parts": {part.id: part for part in _parts(look, view, charger)},
        "groups": groups_for(view, ""),
        "make": makes.entry(charger.vendor, charger.model),
        "uptime": uptime,
        "station": station and station.name,
    }


def _settings(look: Look, view: PageView) -> Values:
    """Return whose the spaces of a charger are, how it is limited, and who may charge there while
    it is away."""
    page = head(look, view, "settings")
    charger = page["charger"]
    server = view.api.server
    policy = server.id_tags.policy
    lists = look(configuration.statuses, charger.id, policy, server.now(), (), is_on=True)

    # What its own list of cards does not know yet matters where a space is for one household.
    spaces: list[tuple[SpaceRow, Sequence[RefusedCard]]] = []
    if view.may("GET", SPACES):
        of_charger = look(driving.spaces, now=server.stamp(), charger=charger.id)
        spaces = [(space, refused_at(look, view, space)) for space in of_charger]
    behind = sum(status.behind for status in lists if (status.version or 0) > 0)
    return {
        **page,
        "groups": groups_for(view, "settings"),
        "keys": look(meter_keys, charger.id),
        "spaces": spaces,
        "behind": behind if spaces else 0,
        "limited": limited_charger(look, view, charger.id),
    }


async def _read_settings(view: PageView) -> Values:
    shown = await view.look(_settings, view)
    charger = shown["charger"].id
    policy = await view.get(f"/api/admin/chargers/{charger}/offline-policy")
    return {**shown, "policy": policy}


async def _live(view: PageView, changed: Changed) -> Sequence[LivePart]:
    if is_elsewhere(view, changed):
        return ()
    return await view.look(lambda look: _parts(look, view, the_charger(look, view)))


def is_elsewhere(view: PageView, changed: Changed) -> bool:
    """Whether the facts were about other chargers only."""
    return changed is not None and view.path["id"] not in changed


def _parts(look: Look, view: PageView, charger: Charger) -> list[LivePart]:
    """Return the state of a charger, and for operators the last commands that it was sent."""
    faults: Sequence[Fault] = ()
    if charger.open_faults:
        page = look(chargers.faults, charger.id, WantedPage(limit=FAULTS), is_open=True)
        faults = page.data
    link, addresses = None, None
    if not charger.is_connected:
        ended = look(links, charger.id, WantedPage(limit=1)).data
        link = ended[0] if ended else None
        if charger.last_seen_at is None:
            addresses = addresses_of(view.api.server.config)

    # A session may go on at a connector that the charger has not named yet.
    sessions = open_sessions(look, charger.id)
    connectors = {connector.connector for connector in charger.connectors}
    state = {
        "charger": charger,
        "home": page_of(charger.id),
        "faults": faults,
        "link": link,
        "addresses": addresses,
        "sessions": {session.connector: session for session in sessions},
        "others": [session for session in sessions if session.connector not in connectors],
        "limited": limited_charger(look, view, charger.id),
        "serials": look(new_serials, charger.id),
        "pairs": look(meter_pairs),
        "lacks_key": look(lacks_key, charger.id),
    }
    parts = [LivePart(STATE, "charger/state.html", state)]
    if view.caller.role >= Role.OPERATOR:
        commands = look(chargers.commands, charger.id, WantedPage(limit=LAST_COMMANDS))
        parts.append(commands_part(commands.data))
    return parts


def commands_part(commands: Sequence[Command]) -> LivePart:
    """Return the part that shows commands with their course."""
    return LivePart(COMMANDS, "charger/commands.html", {"commands": commands})


def _use(look: Look, view: PageView) -> Values:
    """Return the newest sessions of the charger, and a month of it: its days, how long cars charged
    and stayed, its faults, and its habits."""
    page = head(look, view, "use")
    server = view.api.server
    wanted = view.query.get("month")
    query = asked(UseQuery, {"month": wanted} if wanted else {})
    use = look(read_use, server, page["charger"].id, query)
    month = Month.parse(use.month)
    first_day, before = str(month.first_day), str(month.next.first_day)
    days = HistoryQuery(charger=use.charger, since=first_day, before=before)
    filters = TransactionFilters(charger=use.charger)
    return {
        **page,
        "newest": look(billed_transactions, filters, WantedPage(limit=NEWEST)).data,
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
    page = await view.look(_all, view)
    return {
        "list": _list_part(view, page.data),
        "cursor": page.next_cursor,
        "is_hidden": "hidden" in view.query,
        "sees_codes": bool(page.data) and view.may("GET", CODES),
    }


async def _live_all(view: PageView, _changed: Changed) -> Sequence[LivePart]:
    page = await view.look(_all, view)
    return [_list_part(view, page.data)]


def _all(look: Look, view: PageView) -> ListPage[Charger]:
    wanted = WantedPage(limit=MOST_CHARGERS, cursor=view.cursor)
    return look(chargers.chargers, None, None, wanted, is_hidden="hidden" in view.query)


def _list_part(view: PageView, rows: Sequence[Charger]) -> LivePart:
    shown = [(charger, page_of(charger.id)) for charger in rows]
    values = {"chargers": shown, "is_hidden": "hidden" in view.query}
    return LivePart(ALL, "charger/list.html", values)


MOST_COMMANDS: Final = 50
COMMAND: Final = "command"
COMMAND_PART: Final = "charger/command.html"


def _every_command(look: Look, view: PageView) -> Values:
    page = _commands(look, view)
    values = {
        "list": commands_part(page.data),
        "cursor": page.next_cursor,
        "groups": groups_for(view, "commands"),
    }
    return {**head(look, view, "commands"), **values}


async def _live_commands(view: PageView, changed: Changed) -> Sequence[LivePart]:
    if is_elsewhere(view, changed):
        return ()
    page = await view.look(_commands, view)
    return [commands_part(page.data)]


def _commands(look: Look, view: PageView) -> ListPage[Command]:
    wanted = WantedPage(limit=MOST_COMMANDS, cursor=view.cursor)
    return look(chargers.commands, view.path["id"], wanted)


def _one_command(look: Look, view: PageView) -> Values:
    command = _command(look, view.number)
    return {
        "command": command,
        "charger": look(chargers.charger, command.charger),
        "home": page_of(command.charger),
        "part_": LivePart(COMMAND, COMMAND_PART, {"command": command}),
    }


async def _live_command(view: PageView, _changed: Changed) -> Sequence[LivePart]:
    command = await view.look(_command, view.number)
    return [LivePart(COMMAND, COMMAND_PART, {"command": command})]


def _command(look: Look, number: int) -> Command:
    command = look(chargers.command, number)
    if command is None:
        raise not_found(Told("command {1}", number))
    return command


MOST_FRAMES: Final = 40
SECONDS: Final = 2.0
"""Frames are told by no fact, so the page looks for itself."""
MOST_CHARACTERS: Final = 4000
"""The characters of a frame that a page shows; one may have half a million."""
FILTERS: Final = ("action", "direction", "text")
DIRECTIONS: Final = N_((("recv", "from the charger"), ("send", "to the charger")))


def _some_frames(look: Look, view: PageView) -> Values:
    page = head(look, view, "frames")
    frames = _frames(look, view)
    return {
        **page,
        "frames": _frames_part(frames.data),
        "cursor": frames.next_cursor,
        "given": {name: view.query.get(name, "") for name in FILTERS},
        "directions": DIRECTIONS,
        "is_paused": _stands_still(view),
    }


async def _live_frames(view: PageView, _changed: Changed) -> Sequence[LivePart]:
    if _stands_still(view):
        return ()
    frames = await view.look(_frames, view)
    return [_frames_part(frames.data)]


def _stands_still(view: PageView) -> bool:
    return "pause" in view.query or "cursor" in view.query


def _frames(look: Look, view: PageView) -> ListPage[LogEntry]:
    parameters = {"charger": view.path["id"], "limit": str(MOST_FRAMES)}
    for name in (*FILTERS, "cursor"):
        if view.query.get(name):
            parameters[name] = view.query[name]
    return look(read_frames, view.api.server, asked(LogsQuery, parameters))


def _frames_part(frames: Sequence[LogEntry]) -> LivePart:
    shown: list[tuple[LogEntry, str]] = []
    for frame in frames:
        text = frame.payload
        if len(text) > MOST_CHARACTERS:
            words = N_("%(count)s characters in all; `levity-trio logs` shows them")
            text = f"{text[:MOST_CHARACTERS]}\n… {_(words, count=len(text))}"
        else:
            # What is no JSON is shown as it came.
            with suppress(orjson.JSONDecodeError):
                text = json_text(orjson.loads(text))
        shown.append((frame, text))
    return LivePart("frames", "charger/frame_rows.html", {"frames": shown})


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
        _page(
            f"{PATH}/use",
            "Sessions",
            "charger/use.html",
            reading(_use),
            help="tasks/does-it-add-up",
        ),
        _page(
            "/chargers",
            "Chargers",
            "chargers.html",
            _read_all,
            help="start/first-charger",
            live=_live_all,
        ),
        _page(
            f"{PATH}/settings",
            "Settings",
            "charger/settings.html",
            _read_settings,
            help="tasks/household#one-moves-in",
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
