"""Bills: the months, and one month from its preview to its closed statements; who bills; payments; and meters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from levity_trio.billing.states import BillState
from levity_trio.locale import N_, _
from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.money import minor_of, money
from levity_trio.web.dashboard.page import Page, Sorting, View, currency_of_site, names_of_chargers, sorted_list
from levity_trio.web.dashboard.refused import Refused
from levity_trio.web.dashboard.shapes import moment
from levity_trio.wire.times import in_zone

SECTION: Final = N_("Bills")
MOST: Final = 200
"""Statements, wallets or meters of one page."""
AT_ONCE: Final = 20
"""Statements of one archive."""

Values = dict[str, Any]


# The months


async def _months(view: View) -> Values:
    first = await view.get("/api/admin/first-bill")
    found = await view.get("/api/admin/months", cursor=view.query.get("cursor"))
    return {"first": first, "months": found["data"], "next_cursor": found.get("next_cursor")}


# One month


async def _month(view: View) -> Values:
    month = view.path["month"]
    row = await view.get(f"/api/admin/months/{month}")
    names = await names_of_chargers(view)
    shown: Values = {"month": month, "one": row, "names": names, "open_month": None}
    if row["state"] == "closed":
        return shown | {"nobody": await _nobody(view, row)} | await _closed(view, month)
    open_month = (await view.get("/api/admin/billing"))["open_month"]
    if open_month != month:
        return shown | {"open_month": open_month}
    ended = _days_of(view, row)
    return shown | {"early": await _statements(view, month), "ended": ended} | await _preview(view, month)


async def _preview(view: View, month: str) -> Values:
    """Return the preview, or why there is none, and what is missing."""
    terms, problem = await _terms(view)
    carried = view.query.get("carry_below")
    sorting = Sorting(view.query.get("sort", ""), {"carry_below": carried} if carried else {}, "name")
    shown: Values = {"terms": terms, "problem": problem, "refused": None, "sums": None, "sorting": sorting}
    try:
        preview, _why = await sorted_list(view, f"/api/admin/drafts/{month}", sorting, **terms)
    except Refused as refused:
        missing = await view.get(f"/api/admin/months/{month}/missing")
        return shown | {"refused": refused, "missing": missing["data"]}
    return {**shown, **preview, "statements": preview["data"]}


async def _terms(view: View) -> tuple[dict[str, int], str]:
    """Return the terms of the preview, and what is wrong with those that were typed."""
    if not (text := view.query.get("carry_below", "").strip()):
        return {}, ""
    currency = await currency_of_site(view)
    try:
        minor = minor_of(text, currency)
    except ValueError as error:
        return {}, str(error)
    return ({"carry_below": minor}, "") if minor >= 0 else ({}, _("give %(amount)s or more", amount=money(0, currency)))


async def _closed(view: View, month: str) -> Values:
    sorting = Sorting(view.query.get("sort", "") or "number", {}, "number")
    statements, _why = await sorted_list(
        view, "/api/admin/statements", sorting, month=month, limit=MOST, cursor=view.query.get("cursor")
    )
    held_back = (await view.get(f"/api/admin/closings/{month}/held-back"))["data"]
    numbers = sorted(one["number"] for one in statements["data"])
    archives = [(some[0], some[-1]) for some in (numbers[at : at + AT_ONCE] for at in range(0, len(numbers), AT_ONCE))]
    told = [one for one in await view.get("/api/admin/recipients") if one["account"] and one["mail"]]
    wallets = (await view.get("/api/admin/wallets", limit=500))["data"]
    balances = {one["account"]: one for one in wallets}
    shown = {"statements": statements, "held_back": held_back, "archives": archives, "balances": balances}
    mail = {
        "can_mail": (await view.get("/api/admin/messages/ways"))["mail"],
        "mailed": {one["account"] for one in told},
    }
    return shown | mail | {"sorting": sorting}


async def _nobody(view: View, one: Mapping[str, Any]) -> Values | None:
    """Return what ended in a month and belongs to nobody now, and the filter that lists it."""
    since, until = (in_zone(moment(one[name]), view.api.zone).date() for name in ("since", "until"))
    found = await view.get("/api/history", of="account", from_=since, to=until)
    for series in found["series"]:
        if series["account"] is None:
            return {**series["total"], "query": {"bill": BillState.NOBODYS.value, **_days_of(view, one)}}
    return None


def _days_of(view: View, one: Mapping[str, Any]) -> dict[str, date]:
    """Return the filter of the sessions that ended in a month."""
    since, until = (in_zone(moment(one[name]), view.api.zone).date() for name in ("since", "until"))
    return {"ended_since": since, "ended_before": until - timedelta(days=1)}


async def _statements(view: View, month: str) -> Any:
    return await view.get("/api/admin/statements", month=month, limit=MOST, cursor=view.query.get("cursor"))


async def _reconciliation(view: View) -> Values:
    month = view.path["month"]
    found = await view.get(f"/api/admin/reconciliations/{month}")
    return {"month": month, "found": found, "names": await names_of_chargers(view)}


async def _papers(view: View) -> Values:
    month = view.path["month"]
    return {"month": month, "problems": (await view.get(f"/api/admin/drafts/{month}/problems"))["problems"]}


# One statement


async def _statement(view: View) -> Values:
    number = view.path["number"]
    one = await view.get(f"/api/admin/statements/{number}")
    document = f"/get/admin/statements/{number}/document?"
    sent = await view.get(f"/api/admin/statements/{number}/messages")
    return {
        "one": one,
        "document": document,
        "cards": _cards(one),
        "names": await names_of_chargers(view),
        "sent": sent,
    }


async def _drafted(view: View) -> Values:
    path = f"/admin/drafts/{view.path['month']}/statements/{view.path['number']}"
    terms, _problem = await _terms(view)
    one = await view.get(f"/api{path}", **terms)
    names = await names_of_chargers(view)
    document = f"/get{path}/document?{urlencode(terms)}&"
    return {"one": one, "document": document, "cards": _cards(one), "names": names, "sent": []}


def _cards(one: Mapping[str, Any]) -> list[str]:
    """Return the cars, or else the cards, of a statement."""
    every = (each["vehicle"] or each["tag"] for each in (*one["positions"], *one["held_back"]))
    return list(dict.fromkeys(card for card in every if card))


async def _biller(view: View) -> Values:
    try:
        return {"biller": await view.get("/api/admin/biller")}
    except Refused as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return {"biller": None}


async def _payments(view: View) -> Values:
    sorting = Sorting(view.query.get("sort", ""), {}, "name")
    wallets, _why = await sorted_list(view, "/api/admin/wallets", sorting, limit=MOST, cursor=view.query.get("cursor"))
    return {"wallets": wallets, "sorting": sorting}


async def _meters(view: View) -> Values:
    meters = (await view.get("/api/admin/meters", limit=MOST))["data"]
    return {"meters": meters, "names": await names_of_chargers(view)}


async def _meter(view: View) -> Values:
    path = f"/api/admin/meters/{view.path['id']}"
    readings = await view.get(f"{path}/readings", cursor=view.query.get("cursor"))
    return {"meter": await view.get(path), "readings": readings, "names": await names_of_chargers(view)}


_page: Final = partial(Page, role=Role.OPERATOR, section=SECTION)
PAGES: Final = N_(
    (
        _page("/bills", "Bills", "bills.html", _months, help="tasks/close-a-month"),
        _page(
            "/bills/{month}", "Bills of a month", "bills/month.html", _month, help="tasks/close-a-month", is_work=True
        ),
        _page(
            "/bills/{month}/reconciliation",
            "Does it add up?",
            "bills/reconciliation.html",
            _reconciliation,
            help="tasks/does-it-add-up",
        ),
        _page(
            "/bills/{month}/papers",
            "Papers",
            "bills/papers.html",
            _papers,
            help="tasks/close-a-month#5-print-and-send",
            is_work=True,
        ),
        _page(
            "/bills/{month}/draft/{number}",
            "Draft of a statement",
            "bills/statement.html",
            _drafted,
            help="tasks/close-a-month#2-look-at-the-preview",
        ),
        _page("/statements/{number}", "Statement", "bills/statement.html", _statement, help="tasks/a-neighbour-asks"),
        _page(
            "/biller",
            "Sender of the bills",
            "biller.html",
            _biller,
            help="tasks/close-a-month#what-stands-on-a-statement",
        ),
        _page("/payments", "Payments", "payments.html", _payments, help="tasks/close-a-month#6-enter-payments"),
        _page("/meters", "Meters", "meters.html", _meters, help="tasks/does-it-add-up"),
        _page("/meters/{id}", "Meter", "meters/meter.html", _meter, help="tasks/does-it-add-up"),
    )
)
