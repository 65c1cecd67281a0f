"""Whose sessions are, and why, and what people call chargers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from levity_trio.web.dashboard.page import View
from levity_trio.web.dashboard.saying import in_words

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


def grounds(bill: Mapping[str, Any] | None, id_tag: str | None) -> Sequence[str]:
    """Return why a session is whose it is, with the name of its household, and its tag as the charger sent it."""
    if bill is None:
        return ()
    named = {f"account {bill['account']}": bill["account_name"], f"the tag {id_tag}": id_tag and f"the tag {id_tag}"}
    return [
        in_words(_with_names(one, {key.lower(): name for key, name in named.items() if name}))
        for one in bill["grounds"]
    ]


def _with_names(ground: str, names: Mapping[str, str]) -> str:
    """Return a ground with what people call the things in it; the API writes tags in lower case."""
    keys = "|".join(map(re.escape, names))
    return (
        re.sub(rf"\b(?:{keys})(?!\w)", lambda found: names[found[0].lower()], ground, flags=re.IGNORECASE)
        if names
        else ground
    )
