"""Sessions: which one?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
from levity_trio.web.api.engine.context import rule_of
from levity_trio.web.api.transactions.transactions import (
    FilterQuery,
    TransactionsQuery,
    read_transactions,
)
from levity_trio.web.dashboard.page import DashboardPage, PageView, Sorting, Values
from levity_trio.web.dashboard.refusals import ApiRefused
from levity_trio.web.dashboard.shapes import wrong_way_round
from levity_trio.web.dashboard.snapshots import Look
from levity_trio.wire.times import in_zone, stamp

ACCOUNTS: Final = "/api/admin/accounts"
NEWEST: Final = "newest"
OLDEST: Final = "oldest"
SPANS: Final = (("from", "to"), ("ended_since", "ended_before"))
NO_SESSIONS: Final = ListPage[BilledTransaction]([], 1, 1)
UNREADABLE: Final = (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_FOUND)


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
BILLS: Final = tuple(FilterChoice(one.value, one.value) for one in BillState)


async def _read(view: PageView) -> Values:
    filters = await view.look(_filters, view)
    chosen = {one.name: view.query[one.name] for one in filters if view.query.get(one.name)}
    sorting = Sorting(view.query.get("sort", ""), chosen, NEWEST, {"time": (OLDEST, NEWEST)})
    query = {**chosen, **_moments(chosen, view.api.zone)}
    by_time = {"sort": OLDEST} if sorting.asked == OLDEST else {}
    sessions, problem = NO_SESSIONS, _wrong_way_round(view)
    try:
        sessions = (
            NO_SESSIONS
            if problem
            else await view.look(_found, view, {**query, "sort": sorting.asked})
        )
    except ApiRefused as refused:
        if refused.status not in UNREADABLE:
            raise
        problem = refused.labelled
    return {
        "filters": filters,
        "given": chosen,
        "chosen": [one.words(chosen[one.name]) for one in filters if one.name in chosen],
        "found": sessions,
        "problem": problem,
        "sorting": sorting,
        "sums": await view.look(_sums, view, query) if chosen and sessions.data else None,
        "file": urlencode({**query, **by_time, "format": "csv"}),
        "sees_bills": view.may("GET", ACCOUNTS),
    }


def _wrong_way_round(view: PageView) -> str:
    found = (wrong_way_round(view.query.get(first), view.query.get(last)) for first, last in SPANS)
    return next((problem for problem in found if problem), "")


def _found(look: Look, view: PageView, given: Mapping[str, str]) -> ListPage[BilledTransaction]:
    """Return a page of sessions. Raises Problem, NoPage."""
    every = {**given, "cursor": view.query.get("cursor", "")}
    query = asked(TransactionsQuery, {name: value for name, value in every.items() if value})
    return look(
        read_transactions,
        query,
        WantedPage(limit=query.limit, cursor=query.cursor),
        sees_all=view.sees_all,
    )


def _sums(look: Look, view: PageView, given: Mapping[str, str]) -> TransactionSums:
    server = view.api.server
    return look(sums_of, asked(FilterQuery, given).filters(), rule_of(server), server.now())


def _filters(look: Look, view: PageView) -> Sequence[Filter]:
    """Return the fields of the filter. Households and bills are for those who may see them."""
    sees_bills = view.may("GET", ACCOUNTS)
    of_charger = [FilterChoice(charger, name) for charger, name in look(chargers.names).items()]
    households = look(accounts.names) if sees_bills else {}
    return [
        *_fields(
            of_charger,
            [FilterChoice(str(one), name) for one, name in households.items()],
            sees_bills=sees_bills,
        )
    ]


def _told(choices: Sequence[FilterChoice]) -> Sequence[FilterChoice]:
    return [FilterChoice(one.value, _(one.words)) for one in choices]


def _fields(
    of_charger: Sequence[FilterChoice], of_account: Sequence[FilterChoice], *, sees_bills: bool
) -> Iterator[Filter]:
    yield Filter("charger", _("Charger"), choices=of_charger)
    if sees_bills:
        yield Filter("account", _("Household"), choices=of_account)
    yield Filter("from", _("From"), "date")
    yield Filter("to", _("To"), "date")
    yield Filter("ended_since", _("Ended from"), "date")
    yield Filter("ended_before", _("Ended to"), "date")
    yield Filter("status", _("State"), choices=_told(STATES))
    yield Filter("review", _("Figure"), choices=_told(DOUBTS))
    if sees_bills:
        yield Filter("bill", _("Bill"), choices=_told(BILLS))
    yield Filter("tag", _("Card"), "text")
    yield Filter("connector", _("Connector"), "number")


def _moments(chosen: Mapping[str, str], zone: tzinfo) -> dict[str, str]:
    """Return the days of a filter as moments: both are days of the site, and the last one is
    included."""
    moments = {}
    for name, days in (("from", 0), ("to", 1), ("ended_since", 0), ("ended_before", 1)):
        try:
            day = date.fromisoformat(chosen.get(name, "")) + timedelta(days=days)
            moments[name] = stamp(in_zone(datetime.combine(day, time(), zone), UTC))
        except (ValueError, OverflowError):  # none, or one that the API refuses with words
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
