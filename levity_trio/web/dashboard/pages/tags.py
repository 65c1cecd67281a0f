"""Tags: who may charge. One tag: what it may, whose it is, and its sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from levity_trio.locale import N_
from levity_trio.web.dashboard.page import Page, Sorting, View, chargers_and_currency, sorted_list
from levity_trio.web.dashboard.refused import Refused

TAGS: Final = "/api/admin/id-tags"
OWNED: Final = "/api/admin/owned-id-tags"
REPORTS: Final = "/api/admin/reports"
ACCOUNTS: Final = "/api/admin/accounts"
SESSIONS: Final = 20
HOUSEHOLDS: Final = 100
STATES: Final[Mapping[str, Mapping[str, str]]] = {
    "": {},
    "accepted": {"status": "Accepted", "expired": "false"},
    "blocked": {"status": "Blocked"},
    "expired": {"expired": "true"},
}
"""The filters of the API for each state."""


async def _list(view: View) -> Mapping[str, Any]:
    search, state = view.query.get("search", "").strip(), view.query.get("state", "")
    filters = {name: value for name, value in (("search", search), ("state", state)) if value}
    sorting = Sorting(view.query.get("sort", ""), filters, "id_tag")
    given = {"search": search, **STATES.get(state, {})}
    page, problem = await sorted_list(view, TAGS, sorting, cursor=view.query.get("cursor"), **given)
    asked_tags = (await view.get("/api/admin/asked-id-tags"))["data"]
    return {
        "sorting": sorting,
        "problem": problem,
        "file": urlencode({**{name: value for name, value in given.items() if value}, "format": "csv"}),
        "tags": page["data"],
        "total": page.get("total"),
        "cursor": page.get("next_cursor"),
        "asked": asked_tags,
        "unlisted": await _unlisted(view, search) if not state and not view.query.get("cursor") else [],
        "search": search,
        "state": state,
        "states": [*STATES],
        "may_change": view.may("POST", TAGS),
        "may_remove": view.may("DELETE", f"{TAGS}/{{tag}}"),
    }


async def _unlisted(view: View, search: str) -> Any:
    """Return the tags that households were given and nobody added, for those who may see whose they are."""
    if not view.may("GET", OWNED):
        return []
    found = (await view.get(OWNED))["data"]
    return [one for one in found if search.lower() in f"{one['id_tag']} {one['account_name']}".lower()]


async def _show(view: View) -> Mapping[str, Any]:
    id_tag = view.path["tag"]
    tag = await _known(view, id_tag)
    forms = (tag or {}).get("sent_as") or [id_tag]
    sessions: list[Any] = []
    for form in forms:
        sessions += (await view.get("/api/admin/transactions", tag=form, limit=SESSIONS))["data"]
    may_give = view.may("POST", f"{ACCOUNTS}/{{id}}/give")
    return {
        "id_tag": id_tag if tag is None else tag["id_tag"],
        "tag": tag,
        "owner": await _owner(view, id_tag) if tag is None else None,
        "lost": await _lost(view, id_tag),
        "sessions": sorted(sessions, key=lambda one: one["start_time"], reverse=True)[:SESSIONS],
        "forms": forms,
        "households": await _households(view) if may_give else [],
        "household": view.query.get("household", ""),
        "is_giving": bool(view.query.get("give") or view.query.get("household")),
        "may_change": view.may("POST", TAGS),
        "may_remove": view.may("DELETE", f"{TAGS}/{{tag}}"),
        "limits": await view.get(f"/api/admin/id-tag-limits/{id_tag}"),
        "use": (await view.get(f"/api/admin/id-tag-use/{id_tag}"))["data"] if may_give else [],
        **await chargers_and_currency(view),
    }


async def _owner(view: View, id_tag: str) -> Any:
    """Return whose a tag is that nobody has added, None if it is nobody's."""
    return next((one for one in await _unlisted(view, "") if one["id_tag"].lower() == id_tag.lower()), None)


async def _lost(view: View, id_tag: str) -> Any:
    """Return the report of its loss that waits for an answer, None if there is none."""
    if not view.may("GET", REPORTS):
        return None
    return next(iter((await view.get(REPORTS, tag=id_tag, waiting=True))["data"]), None)


async def _known(view: View, id_tag: str) -> Any:
    """Return a tag, None if nobody has added it."""
    try:
        return await view.get(f"{TAGS}/{id_tag}")
    except Refused as refused:
        if refused.code != "not_found":
            raise
        return None


async def _households(view: View) -> Any:
    given = {"search": view.query.get("household"), "limit": HOUSEHOLDS}
    return (await view.get(ACCOUNTS, open="true", **given))["data"]


PAGES: Final = N_(
    (
        Page("/tags", "Cards", "tags.html", _list, help="tasks/cards", section="Cards"),
        Page("/tags/{tag:path}", "Card", "tag.html", _show, help="tasks/cards", section="Cards"),
    )
)
