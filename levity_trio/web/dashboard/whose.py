"""Whose the open sessions of a charger are, and what people call chargers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from levity_trio.web.dashboard.page import View

OPEN: Final = "Active"
MOST: Final = 20
ALL: Final = 500


async def open_sessions(view: View, charger: str) -> list[dict[str, Any]]:
    """Return the open sessions of a charger, with whose they are: the household or the tag's name, else the tag."""
    found = (await view.get("/api/admin/transactions", charger=charger, status=OPEN, limit=MOST))["data"]
    return [{**one, "who": one["who"] or one["id_tag"] or "somebody"} for one in found]


async def names_of_chargers(view: View) -> Mapping[str, str]:
    """Return the names of the chargers that have one."""
    found = (await view.get("/api/admin/chargers", limit=ALL))["data"]
    return {one["id"]: one["name"] for one in found if one["name"]}
