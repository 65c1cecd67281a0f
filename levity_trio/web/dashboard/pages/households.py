"""Households: who charges, what belongs to them, and what they owe."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final
from urllib.parse import urlencode

from levity_trio.access.places import ACCOUNT
from levity_trio.locale import N_
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.reads.money import statements, wallets
from levity_trio.store.reads.money.wallets import WalletFilters, WalletRow
from levity_trio.store.reads.pages import MOST_ROWS, WantedPage
from levity_trio.store.reads.people import messages, personal, reports, users
from levity_trio.store.reads.people.belongings import Belonging
from levity_trio.store.reads.people.household_tasks import Task, tasks_of
from levity_trio.store.reads.people.owned import transactions_of
from levity_trio.store.reads.people.places import limits_of
from levity_trio.store.reads.people.tags import TagRow, periods
from levity_trio.store.reads.transactions.transactions import TransactionFilters
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.people.accounts import AccountsQuery, read_account, read_accounts
from levity_trio.web.api.people.households import read_departure
from levity_trio.web.api.people.limits import read_use
from levity_trio.web.api.site.history import HistoryQuery, read_history
from levity_trio.web.dashboard.page import (
    DashboardPage,
    PageView,
    Sorting,
    Values,
    currency,
    read_sorted,
    refused_at,
)
from levity_trio.web.dashboard.pictures import months_values
from levity_trio.web.dashboard.refusals import ApiRefused
from levity_trio.web.dashboard.snapshots import Look
from levity_trio.web.dashboard.tasks import CARDS, unknown_cards

OPEN: Final[Mapping[str, Mapping[str, str]]] = {
    "": {"open": "true"},
    "left": {"open": "false"},
    "all": {},
}
"""The filters of the API: who lives here now, who has left, all."""
FEW: Final = WantedPage(limit=10)
PREPAID: Final = "prepaid"
"""A look at a bill that is not ready works on it for so long."""


async def _list(view: PageView) -> Values:
    search, who = view.query.get("search", "").strip(), view.query.get("who", "")
    filters = {name: value for name, value in (("search", search), ("who", who)) if value}
    sorting = Sorting(view.query.get("sort", ""), filters, "name")
    given = {"search": search, **OPEN.get(who, OPEN[""])}
    page, problem = await read_sorted(view, read_accounts, AccountsQuery, sorting, **given)
    return {
        "sorting": sorting,
        "problem": problem,
        "file": urlencode(
            {**{name: value for name, value in given.items() if value}, "format": "csv"}
        ),
        "page_of": page,
        "balances": await view.look(_balances),
        "search": search,
        "who": who,
    }


def _balances(look: Look) -> Mapping[int, WalletRow]:
    return {
        one.account: one
        for one in look(wallets.wallets, WalletFilters(), WantedPage(limit=MOST_ROWS)).data
    }


async def _show(view: PageView) -> Values:
    return await view.look(_household, view, view.number)


def _household(look: Look, view: PageView, number: int) -> Values:
    server = view.api.server
    household = look(read_account, number)
    valid = [one for one in household.belongings if one.voided_at is None]
    waiting = reports.ReportFilters(account=number, is_waiting=True)
    history = look(read_history, server, HistoryQuery(by="month", account=number, costs=True))
    return {
        "household": household,
        "belongings": valid,
        "refused_cards": {
            one.id: refused_at(look, view, one) for one in valid if one.what == "space"
        },
        "cards": _marked_cards(look, view, valid),
        "reports": look(reports.reports, waiting),
        "months": months_values(history),
        "sessions": look(transactions_of, TransactionFilters(account=number), FEW).data,
        "statements": look(statements.closed_statements, number, None, FEW).data,
        "wallet": look(wallets.wallet, number),
        "entries": look(wallets.entries, number, None, FEW).data,
        "drivers": [one for one in look(users.drivers_of, number) if one.removed_at is None],
        "told": look(messages.recipients, number),
        "can_mail": server.config.mail is not None,
        "task": _task(look, number),
        "personal": look(personal.deletion, number),
        "may_delete": view.may("DELETE", "/api/admin/accounts/{id}/personal"),
        "may_set_terms": view.may("POST", "/api/admin/wallets/{id}/terms"),
        "limits": look(limits_of, ACCOUNT, str(number), server.stamp()),
        "use": look(read_use, server, [TransactionFilters(account=number)]),
        "chargers": look(chargers.names),
        "currency": currency(look),
        "prepaid": PREPAID,
    }


def _marked_cards(look: Look, view: PageView, belongings: list[Belonging]) -> Mapping[str, TagRow]:
    """Return those of the cards that were added and are not simply accepted, by their numbers."""
    found = dict[str, TagRow]()
    for tag in (one.tag for one in belongings if one.what == "tag" and one.tag is not None):
        for card in look(periods, view.api.server.id_tags.policy.key(tag))[:1]:
            if card.ended_at or card.status != "Accepted" or card.expires_at:
                found[tag] = card
    return found


def _task(look: Look, account: int) -> Task | None:
    """Return what was done to a household last by a whole task and can be undone, None if there is
    nothing."""
    newest = next((one for one in look(tasks_of, account) if one.undone_at is None), None)
    return newest if newest is not None and newest.obstacle is None else None


async def _last_bill(view: PageView) -> Values:
    """Return the last statement of a household that moves out, or why there is none."""
    household = await view.look(lambda look: look(read_account, view.number))
    departure = await view.look(
        lambda look: look(read_departure, view.api.server, household.id, household.until)
    )
    shown = {"household": household, "month": departure.month, "refused": None}
    try:
        billing = await view.get("/api/admin/billing")
        shown["month"] = month = max(departure.month, billing["open_month"])
        preview = await view.get(f"/api/admin/drafts/{month}", account=household.id)
    except ApiRefused as refused:
        return {**shown, "refused": refused}
    return {**shown, "sums": preview["sums"]}


async def _cards(view: PageView) -> Values:
    (part,) = await unknown_cards(view)
    return {"cards": part}


_page: Final = partial(
    DashboardPage, role=Role.OPERATOR, section=N_("Households"), help="tasks/household"
)
PAGES: Final = N_(
    (
        _page("/accounts", "Households", "households.html", _list),
        _page(CARDS, "Unknown cards", "tasks/unknown.html", _cards, live=unknown_cards),
        _page("/accounts/{id}", "Household", "household.html", _show),
        _page(
            "/accounts/{id}/last-bill",
            "Last bill",
            "tasks/last_bill.html",
            _last_bill,
            is_work=True,
        ),
    )
)
