"""Tags: who may charge. One tag: what it may, whose it is, and its sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from levity_trio.access.places import TAG
from levity_trio.locale import N_
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.reads.people import households
from levity_trio.store.reads.people.driving import ReportFilters as Reports
from levity_trio.store.reads.people.driving import limits_of, waiting_reports
from levity_trio.store.reads.people.households import (
    AccountFilters,
    UnlistedTag,
    asked_tags,
    unlisted_tags,
)
from levity_trio.store.reads.transactions.costs import BilledTransaction, billed_transactions
from levity_trio.store.reads.transactions.transactions import TransactionFilters
from levity_trio.web.api.people.accounts import MOST_TAGS
from levity_trio.web.api.people.limits import read_use_of_tag
from levity_trio.web.api.people.tags import TagsQuery, read_tag, read_tags
from levity_trio.web.dashboard.page import (
    USUAL,
    DashboardPage,
    Look,
    PageView,
    Sorting,
    Values,
    currency,
    filled,
    read_sorted,
)

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
    search = view.query.get("search", "").strip()
    state = view.query.get("state", "")
    sorting = Sorting(view.query.get("sort", ""), filled(search=search, state=state), "id_tag")
    query = filled(search=search, **STATES.get(state, {}))
    read = partial(read_tags, sees_all=view.sees_all)
    page, problem = await read_sorted(view, read, TagsQuery, sorting, **query)

    # What was never added has no state; it stands beside the first page.
    unlisted: Sequence[UnlistedTag] = ()
    if not state and view.cursor is None:
        unlisted = await view.look(_unlisted, view, search)
    return {
        "sorting": sorting,
        "problem": problem,
        "file": urlencode({**query, "format": "csv"}),
        "page_of": page,
        "asked": await view.look(lambda look: look(asked_tags, view.api.server.stamp())),
        "unlisted": unlisted,
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
    tags = look(unlisted_tags, view.api.server.stamp(), MOST_TAGS)
    search = search.lower()
    return [tag for tag in tags if search in f"{tag.id_tag} {tag.account_name}".lower()]


async def _show(view: PageView) -> Values:
    return await view.look(_tag, view, view.path["tag"])


def _tag(look: Look, view: PageView, id_tag: str) -> Values:
    server = view.api.server
    tag = look(read_tag, server, id_tag)
    owner = None
    if tag is None:
        for unlisted in _unlisted(look, view, ""):
            if unlisted.id_tag.lower() == id_tag.lower():
                owner = unlisted

    # Chargers may send one card in several forms.
    forms = (tag.sent_as if tag is not None else []) or [id_tag]
    sessions: list[BilledTransaction] = []
    for form in forms:
        filters = TransactionFilters(tag=form)
        sessions += look(billed_transactions, filters, WantedPage(limit=SESSIONS)).data
    sessions.sort(key=lambda session: session.start_time, reverse=True)

    household = view.query.get("household", "")
    may_change = view.may("POST", TAGS)
    shown: dict[str, Any] = {
        "id_tag": id_tag if tag is None else tag.id_tag,
        "tag": tag,
        "owner": owner,
        "sessions": sessions[:SESSIONS],
        "forms": forms,
        "household": household,
        "is_giving": bool(view.query.get("give") or household),
        "may_change": may_change,
        "may_remove": view.may("DELETE", f"{TAGS}/{{tag}}"),
        "limits": look(limits_of, TAG, server.id_tags.policy.key(id_tag), server.stamp()),
    }
    if not may_change:
        shown |= {"lost": None, "households": [], "use": [], "chargers": {}, "currency": USUAL}
        return shown
    reports = look(waiting_reports, Reports(id_tag=id_tag, is_waiting=True))
    living = AccountFilters(now=server.stamp(), search=household or None, is_open=True)
    return shown | {
        "lost": next(iter(reports), None),
        "households": look(households.accounts, living, WantedPage(limit=HOUSEHOLDS)).data,
        "use": look(read_use_of_tag, server, id_tag),
        "chargers": look(chargers.names),
        "currency": currency(look),
    }


PAGES: Final = N_(
    (
        DashboardPage("/tags", "Cards", "tags.html", _list, help="tasks/cards", section="Cards"),
        DashboardPage(
            "/tags/{tag:path}", "Card", "tag.html", _show, help="tasks/cards", section="Cards"
        ),
    )
)
