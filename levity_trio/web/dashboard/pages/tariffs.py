"""Tariffs: what energy costs, since when, and for whom."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from levity_trio.billing.examples import EXAMPLES
from levity_trio.locale import N_
from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.page import Page, View, names_of_chargers

SECTION: Final = N_("Tariffs")
MOST: Final = 200

Values = Mapping[str, Any]


async def _tariffs(view: View) -> Values:
    tariffs = await view.get("/api/admin/tariffs", limit=MOST)
    assignments = (await view.get("/api/admin/tariff-assignments", limit=MOST))["data"]
    example = view.query.get("example", "")
    return {
        "tariffs": tariffs["data"],
        "assignments": [one for one in assignments if not one["is_replaced"]],
        "chargers": (await view.get("/api/admin/chargers", limit=MOST))["data"],
        "accounts": (await view.get("/api/admin/accounts", limit=MOST))["data"],
        "examples": list(EXAMPLES),
        "example": example,
        "names": await names_of_chargers(view),
        "toml": EXAMPLES.get(example, ""),
    }


async def _tariff(view: View) -> Values:
    found = await view.get(f"/api/admin/tariffs/{view.path['id']}")
    standing = [one for one in found["versions"] if one["withdrawn_at"] is None]
    return {"tariff": found, "newest": standing[0] if standing else None, "names": await names_of_chargers(view)}


_page: Final = partial(Page, role=Role.OPERATOR, section=SECTION)
PAGES: Final = N_(
    (
        _page("/tariffs", "Tariffs", "tariffs.html", _tariffs, help="tasks/night-tariff"),
        _page("/tariffs/{id}", "Tariff", "tariffs/tariff.html", _tariff, help="tasks/night-tariff#change-a-price"),
    )
)
