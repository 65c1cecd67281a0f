"""Tags: who may charge. One tag: what it may, whose it is, and its sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final
from urllib.parse import urlencode

from levity_trio.access.places import TAG
from levity_trio.locale import N_
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.reads.people import accounts
from levity_trio.store.reads.people.accounts import AccountFilters
from levity_trio.store.reads.people.belongings import UnlistedTag, unlisted_tags
from levity_trio.store.reads.people.places import limits_of
from levity_trio.store.reads.people.reports import ReportFilters as Reports
from levity_trio.store.reads.people.reports import waiting_reports
from levity_trio.store.reads.people.tags import asked_tags
from levity_trio.store.reads.transactions.billed import BilledTransaction, billed_transactions
from levity_trio.store.reads.transactions.transactions import TransactionFilters
from levity_trio.web.api.people.limits import read_use_of_tag
from levity_trio.web.api.people.owned import MOST_TAGS
from levity_trio.web.api.people.tags import TagsQuery, read_tag, read_tags
from levity_trio.web.dashboard.page import (
    USUAL,
    DashboardPage,
    PageView,
    Sorting,
    Values,
    currency,
    read_sorted,
)
from levity_trio.web.dashboard.snapshots import Look

TAGS: Final = "/api/admin/id-tags"
SESSIONS: Final = 20
HOUSEHOLDS: Final = 100
STATES: Final[Mapping[str, Mapping[str, str]]] = {
    "": {},
    "accepted": {"status": "Accepted", "expired": "false"},
    "blocked": {"status": "Blocked"},
    "expired": {"expired": "true"},
}
"""The filters of the API for each state."""


async def _list(view: PageView) -> Values:
    search, state = view.query.get("search", "").strip(), view.query.get("state", "")
    filters = {name: value for name, value in (("search", search), ("state", state)) if value}
    sorting = Sorting(view.query.get("sort", ""), filters, "id_tag")
    given = {"search": search, **STATES.get(state, {})}
    page, problem = await read_sorted(
        view, partial(read_tags, sees_all=view.sees_all), TagsQuery, sorting, **given
    )
    return {
        "sorting": sorting,
        "problem": problem,
        "file": urlencode(
            {**{name: value for name, value in given.items() if value}, "format": "csv"}
        ),
        "page_of": page,
        "asked": await view.look(lambda look: look(asked_tags, view.api.server.stamp())),
        "unlisted": await view.look(_unlisted, view, search)
        if not state and not view.query.get("cursor")
        else [],
        "search": search,
        "state": state,
        "states": [*STATES],
        "may_change": view.may("POST", TAGS),
        "may_remove": view.may("DELETE", f"{TAGS}/{{tag}}"),
    }


def _unlisted(look: Look, view: PageView, search: str) -> Sequence[UnlistedTag]:
    """Return the tags that households were given and nobody added, for those who may see whose they
    are."""
    if not view.may("GET", "/api/admin/owned-id-tags"):
        return []
    found = look(unlisted_tags, view.api.server.stamp(), MOST_TAGS)
    return [one for one in found if search.lower() in f"{one.id_tag} {one.account_name}".lower()]


async def _show(view: PageView) -> Values:
    return await view.look(_tag, view, view.path["tag"])


def _tag(look: Look, view: PageView, id_tag: str) -> Values:
    server, may_change = view.api.server, view.may("POST", TAGS)
    tag = look(read_tag, server, id_tag)
    forms = (tag.sent_as if tag is not None else []) or [id_tag]
    sessions = list[BilledTransaction]()
    for form in forms:
        sessions += look(
            billed_transactions, TransactionFilters(tag=form), WantedPage(limit=SESSIONS)
        ).data
    household = view.query.get("household", "")
    living = AccountFilters(now=server.stamp(), search=household or None, is_open=True)
    unlisted = _unlisted(look, view, "") if tag is None else []
    lost = Reports(id_tag=id_tag, is_waiting=True)
    return {
        "id_tag": id_tag if tag is None else tag.id_tag,
        "tag": tag,
        "owner": next((one for one in unlisted if one.id_tag.lower() == id_tag.lower()), None),
        "lost": next(iter(look(waiting_reports, lost)), None) if may_change else None,
        "sessions": sorted(sessions, key=lambda one: one.start_time, reverse=True)[:SESSIONS],
        "forms": forms,
        "households": look(accounts.accounts, living, WantedPage(limit=HOUSEHOLDS)).data
        if may_change
        else [],
        "household": household,
        "is_giving": bool(view.query.get("give") or household),
        "may_change": may_change,
        "may_remove": view.may("DELETE", f"{TAGS}/{{tag}}"),
        "limits": look(limits_of, TAG, server.id_tags.policy.key(id_tag), server.stamp()),
        "use": look(read_use_of_tag, server, id_tag) if may_change else [],
        "chargers": look(chargers.names) if may_change else {},
        "currency": currency(look) if may_change else USUAL,
    }


PAGES: Final = N_(
    (
        DashboardPage("/tags", "Cards", "tags.html", _list, help="tasks/cards", section="Cards"),
        DashboardPage(
            "/tags/{tag:path}", "Card", "tag.html", _show, help="tasks/cards", section="Cards"
        ),
    )
)
