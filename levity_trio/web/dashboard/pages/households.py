"""Households: who charges, what belongs to them, and what they owe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final
from urllib.parse import urlencode

from levity_trio.access.places import ACCOUNT
from levity_trio.locale import N_
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.reads.money import statements, wallets
from levity_trio.store.reads.money.statements import billing
from levity_trio.store.reads.money.wallets import WalletFilters, WalletRow
from levity_trio.store.reads.pages import MOST_ROWS, WantedPage
from levity_trio.store.reads.people import driving, households, messages, personal
from levity_trio.store.reads.people.driving import RefusedCard, limits_of
from levity_trio.store.reads.people.households import (
    Account,
    TagRow,
    periods,
    tasks_of,
    to_bill_last,
    transactions_of,
)
from levity_trio.store.reads.transactions.transactions import TransactionFilters
from levity_trio.web.api.engine.endpoints import Role, local_today
from levity_trio.web.api.people.accounts import AccountsQuery, read_account, read_accounts
from levity_trio.web.api.people.households import read_departure
from levity_trio.web.api.people.limits import read_use
from levity_trio.web.api.site.history import HistoryQuery, read_history
from levity_trio.web.dashboard.page import (
    ApiRefused,
    DashboardPage,
    Look,
    PageView,
    Sorting,
    Values,
    currency,
    filled,
    read_sorted,
    refused_at,
)
from levity_trio.web.dashboard.pictures import months_values
from levity_trio.web.dashboard.tasks import CARDS, unknown_cards

OPEN: Final[Mapping[str, Mapping[str, str]]] = {
    "": {"open": "true"},
    "left": {"open": "false"},
    "all": {},
}
"""The filters of the API: who lives here now, who has left, all."""
FEW: Final = WantedPage(limit=10)
PREPAID: Final = "prepaid"


async def _list(view: PageView) -> Values:
    search = view.query.get("search", "").strip()
    who = view.query.get("who", "")
    sorting = Sorting(view.query.get("sort", ""), filled(search=search, who=who), "name")
    query = filled(search=search, **OPEN.get(who, OPEN[""]))
    page, problem = await read_sorted(view, read_accounts, AccountsQuery, sorting, **query)
    return {
        "sorting": sorting,
        "problem": problem,
        "file": urlencode({**query, "format": "csv"}),
        "page_of": page,
        "balances": await view.look(_balances),
        "leavers": await view.look(_leavers, view),
        "search": search,
        "who": who,
    }


def _balances(look: Look) -> Mapping[int, WalletRow]:
    page = look(wallets.wallets, WalletFilters(), WantedPage(limit=MOST_ROWS))
    return {wallet.account: wallet for wallet in page.data}


def _leavers(look: Look, view: PageView) -> Sequence[Account]:
    """Return who has moved out, and gets a last bill."""
    begun = look(billing)
    if begun is None:
        return ()
    return look(to_bill_last, begun.open_month, view.api.server.stamp())


async def _show(view: PageView) -> Values:
    return await view.look(_household, view, view.number)


def _household(look: Look, view: PageView, number: int) -> Values:
    server = view.api.server
    household = look(read_account, number)
    valid = [belonging for belonging in household.belongings if belonging.voided_at is None]
    refused_cards: dict[int, Sequence[RefusedCard]] = {}
    marked_cards: dict[str, TagRow] = {}
    for belonging in valid:
        if belonging.what == "space":
            refused_cards[belonging.id] = refused_at(look, view, belonging)
        if belonging.what == "tag" and belonging.tag is not None:
            # Most cards were added and are simply accepted: they need no mark.
            for card in look(periods, server.id_tags.policy.key(belonging.tag))[:1]:
                if card.ended_at or card.status != "Accepted" or card.expires_at:
                    marked_cards[belonging.tag] = card

    # The last thing that was done to it by a whole task, if that can be undone.
    task = next((task for task in look(tasks_of, number) if task.undone_at is None), None)
    if task is not None and task.obstacle is not None:
        task = None

    filters = TransactionFilters(account=number)
    waiting = driving.ReportFilters(account=number, is_waiting=True)
    history = look(read_history, server, HistoryQuery(by="month", account=number, costs=True))
    today = local_today(server).isoformat()
    of_household = statements.StatementFilters(today=today, account=number)
    drivers = look(households.drivers_of, number)
    return {
        "household": household,
        "belongings": valid,
        "refused_cards": refused_cards,
        "cards": marked_cards,
        "reports": look(driving.reports, waiting),
        "months": months_values(history),
        "sessions": look(transactions_of, filters, FEW).data,
        "statements": look(statements.closed_statements, of_household, FEW).data,
        "wallet": look(wallets.wallet, number),
        "entries": look(wallets.entries, number, None, FEW).data,
        "drivers": [driver for driver in drivers if driver.removed_at is None],
        "told": look(messages.recipients, number),
        "can_mail": server.config.mail is not None,
        "task": task,
        "personal": look(personal.deletion, number),
        "may_delete": view.may("DELETE", "/api/admin/accounts/{id}/personal"),
        "may_set_terms": view.may("POST", "/api/admin/wallets/{id}/terms"),
        "limits": look(limits_of, ACCOUNT, str(number), server.stamp()),
        "use": look(read_use, server, [filters]),
        "chargers": look(chargers.names),
        "currency": currency(look),
        "prepaid": PREPAID,
    }


async def _last_bill(view: PageView) -> Values:
    """Return the last statement of a household that moves out, or why there is none."""
    household = await view.look(lambda look: look(read_account, view.number))
    departure = await view.look(
        lambda look: look(read_departure, view.api.server, household.id, household.until)
    )
    month = departure.month
    try:
        # Months before the open one are closed.
        billing = await view.get("/api/admin/billing")
        month = max(month, billing["open_month"])
        preview = await view.get(f"/api/admin/drafts/{month}", account=household.id)
    except ApiRefused as refused:
        return {"household": household, "month": month, "refused": refused}
    return {"household": household, "month": month, "refused": None, **preview}


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
