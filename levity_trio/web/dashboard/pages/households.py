"""Households: who charges, what belongs to them, and what they owe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode

from levity_trio.locale import N_
from levity_trio.store.reads.history import History
from levity_trio.web.api.endpoints import Role
from levity_trio.web.api.history import HistoryQuery, read_history
from levity_trio.web.dashboard.looking import Look
from levity_trio.web.dashboard.page import (
    Page,
    Sorting,
    View,
    chargers_and_currency,
    names_of_chargers,
    sorted_list,
    with_refused,
)
from levity_trio.web.dashboard.pictures import months_values
from levity_trio.web.dashboard.refused import Refused
from levity_trio.web.dashboard.tasks import CARDS, unknown_cards

ACCOUNTS: Final = "/api/admin/accounts"
WALLETS: Final = "/api/admin/wallets"
OPEN: Final[Mapping[str, Mapping[str, str]]] = {
    "": {"open": "true"},
    "left": {"open": "false"},
    "all": {},
}
"""The filters of the API: who lives here now, who has left, all."""
FEW: Final = 10
MOST: Final = 500
PREPAID: Final = "prepaid"
"""A look at a bill that is not ready works on it for so long."""


async def _list(view: View) -> Mapping[str, Any]:
    search, who = view.query.get("search", "").strip(), view.query.get("who", "")
    filters = {name: value for name, value in (("search", search), ("who", who)) if value}
    sorting = Sorting(view.query.get("sort", ""), filters, "name")
    asked = {"search": search, **OPEN.get(who, OPEN[""])}
    page, problem = await sorted_list(view, ACCOUNTS, sorting, cursor=view.query.get("cursor"), **asked)
    balances = {one["account"]: one for one in (await view.get(WALLETS, limit=MOST))["data"]}
    return {
        "sorting": sorting,
        "problem": problem,
        "file": urlencode({**{name: value for name, value in asked.items() if value}, "format": "csv"}),
        "households": page["data"],
        "total": page.get("total"),
        "cursor": page.get("next_cursor"),
        "balances": balances,
        "search": search,
        "who": who,
    }


async def _show(view: View) -> Mapping[str, Any]:
    number = view.path["id"]
    household = await view.get(f"{ACCOUNTS}/{number}")
    valid = [one for one in household["belongings"] if one["voided_at"] is None]
    spaces = await with_refused(view, [one for one in valid if one["what"] == "space"])
    return {
        "household": household,
        "belongings": [*(one for one in valid if one["what"] != "space"), *spaces],
        "cards": await _marked_cards(view, [one["tag"] for one in valid if one["what"] == "tag"]),
        "reports": (await view.get("/api/admin/reports", account=number, waiting=True))["data"],
        "months": months_values(await view.look(_months, view, household["id"])),
        "sessions": (await view.get(f"{ACCOUNTS}/{number}/transactions", limit=FEW))["data"],
        "statements": (await view.get("/api/admin/statements", account=number, limit=FEW))["data"],
        "wallet": await view.get(f"{WALLETS}/{number}"),
        "entries": (await view.get(f"{WALLETS}/{number}/entries", limit=FEW))["data"],
        "drivers": await _drivers(view, household["id"]),
        "told": await view.get("/api/admin/recipients", account=household["id"]),
        "can_mail": (await view.get("/api/admin/messages/ways"))["mail"],
        "task": await _task(view, household),
        "personal": await view.find(f"{ACCOUNTS}/{number}/personal"),
        "may_delete": view.may("DELETE", f"{ACCOUNTS}/{{id}}/personal"),
        "may_set_terms": view.may("POST", f"{WALLETS}/{{id}}/terms"),
        "names": await names_of_chargers(view),
        "limits": await view.get(f"{ACCOUNTS}/{number}/limits"),
        "use": (await view.get(f"{ACCOUNTS}/{number}/limits/use"))["data"],
        **await chargers_and_currency(view),
        "prepaid": PREPAID,
    }


def _months(look: Look, view: View, account: int) -> History:
    return look(read_history, view.api.server, HistoryQuery(by="month", account=account, costs=True))


async def _marked_cards(view: View, tags: Sequence[str]) -> Mapping[str, Any]:
    """Return those of these cards that were added and are not simply accepted, by their numbers."""
    found = {}
    for tag in tags:
        with suppress(Refused):  # nobody added it
            card = await view.get(f"/api/admin/id-tags/{quote(tag, safe='')}")
            if card["ended_at"] or card["status"] != "Accepted" or card["expires_at"]:
                found[tag] = card
    return found


async def _task(view: View, household: Mapping[str, Any]) -> Any:
    """Return what was done to a household last by a whole task and can be undone, None if there is nothing."""
    tasks = (await view.get("/api/admin/household-tasks", account=household["id"]))["data"]
    newest = next((one for one in tasks if one["undone_at"] is None), None)
    return newest if newest is not None and newest["obstacle"] is None else None


async def _last_bill(view: View) -> Mapping[str, Any]:
    """Return the last statement of a household that moves out, or why there is none."""
    household = await view.get(f"{ACCOUNTS}/{view.path['id']}")
    leaving = await view.get(f"{ACCOUNTS}/{household['id']}/move-out", until=household["until"])
    shown = {"household": household, "month": leaving["month"], "refused": None}
    try:
        billing = await view.get("/api/admin/billing")
        shown["month"] = month = max(leaving["month"], billing["open_month"])
        preview = await view.get(f"/api/admin/drafts/{month}", account=household["id"])
    except Refused as refused:
        return {**shown, "refused": refused}
    return {**shown, "sums": preview["sums"]}


async def _cards(view: View) -> Mapping[str, Any]:
    (part,) = await unknown_cards(view)
    return {"cards": part}


async def _drivers(view: View, household: int) -> Sequence[Mapping[str, Any]]:
    """Return the users who are drivers of a household, none where the reader may not see users."""
    if view.caller.role < Role.OPERATOR:
        return []
    users = await view.get("/api/admin/users")
    return [one for one in users if one["account"] == household and one["removed_at"] is None]


_page: Final = partial(Page, role=Role.OPERATOR, section=N_("Households"), help="tasks/household")
PAGES: Final = N_(
    (
        _page("/accounts", "Households", "households.html", _list),
        _page(CARDS, "Unknown cards", "tasks/unknown.html", _cards, live=unknown_cards),
        _page("/accounts/{id}", "Household", "household.html", _show),
        _page("/accounts/{id}/last-bill", "Last bill", "tasks/last_bill.html", _last_bill, is_work=True),
    )
)
