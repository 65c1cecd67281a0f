"""What chargers were asked, and what came of it: the commands of one charger, and one command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.operations import page_of, steps, words_of
from levity_trio.web.dashboard.page import Changed, Page, Part, Values, View
from levity_trio.web.dashboard.pages.charger import PATH, SECTION, api_of, commands_part, head, is_elsewhere

ROWS: Final = 50
COMMAND: Final = "command"


async def _read_list(view: View) -> Values:
    found = await _list(view)
    return {
        **await head(view, "commands"),
        "list": commands_part(found["data"]),
        "cursor": found.get("next_cursor"),
    }


async def _live_list(view: View, changed: Changed) -> Sequence[Part]:
    return () if is_elsewhere(view, changed) else [commands_part((await _list(view))["data"])]


async def _list(view: View) -> Any:
    return await view.get(f"{api_of(view)}/commands", limit=ROWS, cursor=view.query.get("cursor"))


async def _read(view: View) -> Values:
    command = await _command(view)
    charger = await view.get(f"/api/admin/chargers/{command['charger']}")
    return {"command": command, "charger": charger, "home": page_of(charger["id"]), "part_": _part(command)}


async def _live(view: View, _changed: Changed) -> Sequence[Part]:
    return [_part(await _command(view))]


async def _command(view: View) -> dict[str, Any]:
    found = await view.get(f"/api/admin/commands/{view.path['id']}")
    return {**found, "words": words_of(found["action"]), "steps": steps(found)}


def _part(command: Mapping[str, Any]) -> Part:
    return Part(COMMAND, "charger/command.html", {"command": command})


PAGES: Final = (
    Page(
        path=f"{PATH}/commands",
        help="reference/operations",
        title="Commands",
        template="charger/all_commands.html",
        read=_read_list,
        live=_live_list,
        role=Role.OPERATOR,
        section=SECTION,
    ),
    Page(
        path="/commands/{id}",
        help="reference/operations",
        title="Command",
        template="command.html",
        read=_read,
        live=_live,
        role=Role.OPERATOR,
        section=SECTION,
    ),
)
