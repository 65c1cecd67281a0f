"""The open sessions of a charger, and whose they are in words."""

from __future__ import annotations

from typing import Any, Final

from levity_trio.web.dashboard.page import View

OPEN: Final = "Active"
MOST: Final = 20


async def open_sessions(view: View, charger: str) -> list[dict[str, Any]]:
    """Return the open sessions of a charger, with whose they are: the household or the tag's name, else the tag."""
    found = (await view.get("/api/admin/transactions", charger=charger, status=OPEN, limit=MOST))["data"]
    return [{**one, "who": one["who"] or one["id_tag"] or "somebody"} for one in found]
