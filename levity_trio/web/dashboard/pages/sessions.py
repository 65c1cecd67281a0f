"""Sessions: which one?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from levity_trio.billing.states import BillState
from levity_trio.locale import N_, _
from levity_trio.web.dashboard.page import Page, Sorting, View
from levity_trio.web.dashboard.refused import Refused
from levity_trio.web.dashboard.shapes import wrong_way_round
from levity_trio.wire.times import in_zone, stamp

TRANSACTIONS: Final = "/api/admin/transactions"
SUMS: Final = "/api/admin/transaction-sums"
ACCOUNTS: Final = "/api/admin/accounts"
CHARGERS: Final = "/api/admin/chargers"
MOST_CHOICES: Final = 500
NEWEST: Final = "newest"
OLDEST: Final = "oldest"
SPANS: Final = (("from", "to"), ("ended_since", "ended_before"))
UNREADABLE: Final = (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_FOUND)


class Choice(NamedTuple):
    """A choice of a filter: what the URL says, and words."""

    value: str
    words: str


class Filter(NamedTuple):
    """A field by which sessions are filtered: choices (`select`), or an input of this type."""

    name: str
    label: str
    type: str = "select"
    choices: Sequence[Choice] = ()

    def words(self, value: str) -> str:
        """Return what is chosen in words."""
        return dict(self.choices).get(value) or f"{self.label} {value}"


STATES: Final = (Choice("Active", N_("in progress")), Choice("Completed", N_("ended")))
DOUBTS: Final = (Choice("true", N_("in doubt")), Choice("false", N_("not in doubt")))
BILLS: Final = tuple(Choice(one.value, one.value) for one in BillState)


async def _read(view: View) -> Mapping[str, Any]:
    filters = [*await _filters(view)]
    chosen = {one.name: view.query[one.name] for one in filters if view.query.get(one.name)}
    sorting = Sorting(view.query.get("sort", ""), chosen, NEWEST, {"time": (OLDEST, NEWEST)})
    query = {**chosen, **_moments(chosen, view.api.zone)}
    by_time = {"sort": OLDEST} if sorting.asked == OLDEST else {}
    sessions, problem = await _found(view, {**query, **({"sort": sorting.asked} if sorting.asked else {})})
    return {
        "filters": filters,
        "given": chosen,
        "chosen": [one.words(chosen[one.name]) for one in filters if one.name in chosen],
        "found": sessions,
        "problem": problem,
        "sorting": sorting,
        "sums": await view.get(SUMS, **query) if chosen and sessions["data"] else None,
        "file": urlencode({**query, **by_time, "format": "csv"}),
        "sees_bills": view.may("GET", ACCOUNTS),
    }


async def _found(view: View, query: Mapping[str, str]) -> tuple[Mapping[str, Any], str]:
    """Return a page of sessions, or none and what is wrong with the filter."""
    for first, last in SPANS:
        if problem := wrong_way_round(view.query.get(first), view.query.get(last)):
            return {"data": []}, problem
    try:
        return await view.get(TRANSACTIONS, **query, cursor=view.query.get("cursor")), ""
    except Refused as refused:
        if refused.status not in UNREADABLE:
            raise
        return {"data": []}, refused.labelled


async def _filters(view: View) -> Iterator[Filter]:
    """Return the fields of the filter. Households and bills are for those who may see them."""
    chargers = (await view.get(CHARGERS, limit=MOST_CHOICES))["data"]
    of_charger = [Choice(one["id"], one["name"] or one["id"]) for one in chargers]
    accounts, sees_bills = [], view.may("GET", ACCOUNTS)
    if sees_bills:
        accounts = [
            Choice(str(one["id"]), one["name"]) for one in (await view.get(ACCOUNTS, limit=MOST_CHOICES))["data"]
        ]
    return _fields(of_charger, accounts, sees_bills=sees_bills)


def _told(choices: Sequence[Choice]) -> Sequence[Choice]:
    return [Choice(one.value, _(one.words)) for one in choices]


def _fields(chargers: Sequence[Choice], accounts: Sequence[Choice], *, sees_bills: bool) -> Iterator[Filter]:
    yield Filter("charger", _("Charger"), choices=chargers)
    if sees_bills:
        yield Filter("account", _("Household"), choices=accounts)
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
    """Return the days of a filter as moments: both are days of the site, and the last one is included."""
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
        Page(
            "/sessions",
            "Sessions",
            "sessions.html",
            _read,
            help="tasks/a-neighbour-asks#1-find-the-session",
            section="Sessions",
        ),
    )
)
