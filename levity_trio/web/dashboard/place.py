"""The place that the code at a charger names: what everybody may know of it, its name and whether it is free."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from levity_trio.web.dashboard.front import DRIVERS
from levity_trio.web.dashboard.inside import Refused
from levity_trio.web.dashboard.page import View

_AT: Final = re.compile(rf"{DRIVERS}at/(?P<charger>[^/?#]+)(?:/(?P<connector>[0-9]{{1,9}}))?")
SHAPES: Final[Mapping[str, tuple[str, str]]] = {
    "free": ("free", "Free"),
    "plugged_in": ("busy", "Plugged in"),
    "in_use": ("used", "In use"),
    "reserved": ("look", "Reserved"),
    "broken": ("broken", "Out of order"),
    "away": ("away", "Away"),
}
"""The shape and the word for the state of a connector."""


class Connector(NamedTuple):
    """A connector: what it is called, "" if there is no other, and its state."""

    name: str
    kind: str
    word: str


@dataclass(frozen=True, slots=True)
class Place:
    """A charger, and one or all of its connectors."""

    name: str
    connectors: Sequence[Connector]


async def place_of(view: View, path: str) -> Place | None:
    """Return the place that the page with this path, as in a URL, is about; None for an unknown one, or no such page.

    Hold a place among the requests at work.
    """
    found = _AT.fullmatch(path)
    if found is None:
        return None
    try:
        charger = await view.get(f"/api/me/chargers/{unquote(found['charger'])}")
    except Refused:
        return None
    wanted = None if found["connector"] is None else int(found["connector"])
    connectors = [one for one in charger["connectors"] if wanted in (None, one["id"])]
    if wanted is not None and not connectors:
        return None
    return Place(charger["name"] or charger["id"], [_shown(one, len(charger["connectors"])) for one in connectors])


def _shown(connector: Mapping[str, Any], of: int) -> Connector:
    kind, word = SHAPES[connector["state"]]
    return Connector("" if of == 1 else f"Connector {connector['id']}", kind, word)
