"""Sessions: which one?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import urlencode

from levity_trio.billing.states import BillState
from levity_trio.locale import N_, _
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.reads.pages import ListPage, WantedPage
from levity_trio.store.reads.people import accounts
from levity_trio.store.reads.transactions.billed import BilledTransaction, TransactionSums, sums_of
from levity_trio.web.api.engine.bodies import asked
from levity_trio.web.api.engine.endpoints import rule_of
from levity_trio.web.api.transactions.transactions import (
    FilterQuery,
    TransactionsQuery,
    read_transactions,
)
from levity_trio.web.dashboard.page import (
    ApiRefused,
    DashboardPage,
    Look,
    PageView,
    Sorting,
    Values,
)
from levity_trio.web.dashboard.shapes import wrong_way_round
from levity_trio.wire.times import in_zone, stamp

ACCOUNTS: Final = "/api/admin/accounts"
NEWEST: Final = "newest"
OLDEST: Final = "oldest"
NO_SESSIONS: Final = ListPage[BilledTransaction]([], 1, 1)
UNREADABLE: Final = (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_FOUND)
"""What the API says of a filter that it cannot read, and of a page that is gone."""


class FilterChoice(NamedTuple):
    """A choice of a filter: what the URL says, and words."""

    value: str
    words: str


class Filter(NamedTuple):
    """A field by which sessions are filtered: choices (`select`), or an input of this type."""

    name: str
    label: str
    type: str = "select"
    choices: Sequence[FilterChoice] = ()

    def words(self, value: str) -> str:
        """Return what is chosen in words."""
        return dict(self.choices).get(value) or f"{self.label} {value}"


STATES: Final = (FilterChoice("Active", N_("in progress")), FilterChoice("Completed", N_("ended")))
DOUBTS: Final = (FilterChoice("true", N_("in doubt")), FilterChoice("false", N_("not in doubt")))
BILLS: Final = tuple(FilterChoice(state.value, state.value) for state in BillState)


async def _read(view: PageView) -> Values:
    """Read the sessions that a filter chooses; a filter that cannot be read shows none, and why."""
    filters = await view.look(_filters, view)
    chosen: dict[str, str] = {}
    words: list[str] = []
    for each in filters:
        value = view.query.get(each.name)
        if value:
            chosen[each.name] = value
            words.append(each.words(value))
    query = {**chosen, **_moments(chosen, view.api.zone)}
    sorting = Sorting(view.query.get("sort", ""), chosen, NEWEST, {"time": (OLDEST, NEWEST)})

    sessions = NO_SESSIONS
    given = view.query.get
    problem = wrong_way_round(given("from"), given("to"))
    problem = problem or wrong_way_round(given("ended_since"), given("ended_before"))
    if not problem:
        try:
            sessions = await view.look(_page, view, {**query, "sort": sorting.asked})
        except ApiRefused as refused:
            if refused.status not in UNREADABLE:
                raise
            problem = refused.labelled

    sums = None
    if chosen and sessions.data:
        sums = await view.look(_sums, view, query)

    # The API writes a file in the order of time, whatever else the page is sorted by.
    file = dict(query)
    if sorting.asked == OLDEST:
        file["sort"] = OLDEST
    file["format"] = "csv"
    return {
        "filters": filters,
        "given": chosen,
        "chosen": words,
        "found": sessions,
        "problem": problem,
        "sorting": sorting,
        "sums": sums,
        "file": urlencode(file),
        "sees_bills": view.may("GET", ACCOUNTS),
    }


def _page(look: Look, view: PageView, query: Mapping[str, str]) -> ListPage[BilledTransaction]:
    """Return a page of sessions. Raises Problem, NoPage."""
    parameters = {**query, "cursor": view.query.get("cursor", "")}
    given = {name: value for name, value in parameters.items() if value}
    checked = asked(TransactionsQuery, given)
    page = WantedPage(limit=checked.limit, cursor=checked.cursor)
    return look(read_transactions, checked, page, sees_all=view.sees_all)


def _sums(look: Look, view: PageView, query: Mapping[str, str]) -> TransactionSums:
    """Return what all sessions that the filter chooses come to."""
    server = view.api.server
    filters = asked(FilterQuery, query).filters()
    return look(sums_of, filters, rule_of(server), server.now())


def _filters(look: Look, view: PageView) -> Sequence[Filter]:
    """Return the fields of the filter. Households and bills are for those who may see them."""
    names = look(chargers.names)
    of_charger = [FilterChoice(charger, name) for charger, name in names.items()]
    fields = [Filter("charger", _("Charger"), choices=of_charger)]

    sees_bills = view.may("GET", ACCOUNTS)
    if sees_bills:
        households = look(accounts.names)
        of_account = [FilterChoice(str(number), name) for number, name in households.items()]
        fields.append(Filter("account", _("Household"), choices=of_account))

    fields += [
        Filter("from", _("From"), "date"),
        Filter("to", _("To"), "date"),
        Filter("ended_since", _("Ended from"), "date"),
        Filter("ended_before", _("Ended to"), "date"),
        Filter("status", _("State"), choices=_translated(STATES)),
        Filter("review", _("Figure"), choices=_translated(DOUBTS)),
    ]
    if sees_bills:
        fields.append(Filter("bill", _("Bill"), choices=_translated(BILLS)))
    fields.append(Filter("tag", _("Card"), "text"))
    fields.append(Filter("connector", _("Connector"), "number"))
    return fields


def _translated(choices: Sequence[FilterChoice]) -> Sequence[FilterChoice]:
    return [FilterChoice(choice.value, _(choice.words)) for choice in choices]


def _moments(chosen: Mapping[str, str], zone: tzinfo) -> dict[str, str]:
    """Return the days of a filter as moments: both are days of the site, and the last one is
    included."""
    moments = {}
    for name, days in (("from", 0), ("to", 1), ("ended_since", 0), ("ended_before", 1)):
        try:
            day = date.fromisoformat(chosen.get(name, "")) + timedelta(days=days)
            midnight = datetime.combine(day, time(), zone)
            moments[name] = stamp(in_zone(midnight, UTC))
        except (ValueError, OverflowError):
            # There is none, or one that the API refuses with words.
            continue
    return moments


PAGES: Final = N_(
    (
        DashboardPage(
            "/sessions",
            "Sessions",
            "sessions.html",
            _read,
            help="tasks/a-neighbour-asks#1-find-the-session",
            section="Sessions",
        ),
    )
)
