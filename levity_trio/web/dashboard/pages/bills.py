"""Bills: the months, and one month from its preview to its closed statements; who bills; payments;
and meters."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from levity_trio.billing.months import Month
from levity_trio.billing.states import BillState
from levity_trio.documents.json_file import StatementDocument, statement_of
from levity_trio.locale import N_, _
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.reads.money import meters
from levity_trio.store.reads.money.months import (
    BillMonth,
    Lack,
    MonthState,
    held_back_of_month,
    lacks_of_closed,
    lacks_of_sender,
)
from levity_trio.store.reads.money.statements import (
    ClosedStatement,
    biller,
    billing,
    closed_among,
    first_bill,
    year_of_bills,
)
from levity_trio.store.reads.money.wallets import to_pay_out
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.reads.people import messages
from levity_trio.web.api.engine.endpoints import Role, asked, local_today, whole_number
from levity_trio.web.api.money.billing import (
    MonthsQuery,
    month_named,
    read_billing,
    read_meter,
    read_month,
    read_months,
    read_reconciliation,
)
from levity_trio.web.api.money.statements import (
    StatementsQuery,
    of_year,
    read_statement,
    read_statements,
)
from levity_trio.web.api.money.wallets import WalletsQuery, read_wallets
from levity_trio.web.dashboard.money import minor_of, money
from levity_trio.web.dashboard.page import (
    ApiRefused,
    DashboardPage,
    Look,
    PageView,
    Sorting,
    currency_of_site,
    filled,
    names_of_chargers,
    read_sorted,
    reading,
)
from levity_trio.web.dashboard.shapes import moment
from levity_trio.wire.times import in_zone

SECTION: Final = N_("Bills")
MOST: Final = 200
"""Statements, wallets or meters of one page."""
AT_ONCE: Final = 20
"""Statements of one archive."""

UNSORTED: Final = Sorting("", {}, "")

Values = dict[str, Any]


# The months


def _bills(look: Look, view: PageView) -> Values:
    query = asked(MonthsQuery, {} if view.cursor is None else {"cursor": view.cursor})
    page = look(read_months, view.api.server, query)
    return {
        "first": look(first_bill),
        "overdue": _standing_so(look, view, "overdue"),
        "to_pay_out": look(to_pay_out, view.api.server.stamp()),
        "months": page.data,
        "next_cursor": page.next_cursor,
    }


def _standing_so(look: Look, view: PageView, state: str) -> list[ClosedStatement]:
    """Return the closed statements that stand so, the oldest first."""
    query = asked(StatementsQuery, {"state": state, "sort": "number", "limit": str(MOST)})
    return look(read_statements, view.api.server, query).data


# A year


def _year(look: Look, view: PageView) -> Values:
    server = view.api.server
    by = "energy" if view.query.get("by") == "energy" else "invoice"
    year = local_today(server).year
    if "year" in view.path:
        year = whole_number(view.path, "year")
    return {"one": look(year_of_bills, of_year(server, year, by))}


# One month


async def _month(view: PageView) -> Values:
    month = view.path["month"]
    row, shown = await view.look(_of_month, view, month)
    if row.state is MonthState.CLOSED:
        return shown | await _closed(view, month)
    if shown["open_month"]:
        return shown
    # Statements of households that moved out are closed before their month is.
    early, _why = await read_sorted(
        view, read_statements, StatementsQuery, UNSORTED, month=month, limit=MOST
    )
    shown |= {"early": early, "ended": _days_of(view, row)}
    return shown | await _preview(view, month)


def _of_month(look: Look, view: PageView, month: str) -> tuple[BillMonth, Values]:
    """Return a month, and what its page shows in any case: with `open_month`, if that is to be
    closed before."""
    row = look(read_month, view.api.server, month_named(month))
    open_month = None
    if row.state is not MonthState.CLOSED:
        open_month = look(read_billing).open_month
        if open_month == month:
            open_month = None
    names = look(chargers.names)
    return row, {"month": month, "one": row, "names": names, "open_month": open_month}


async def _preview(view: PageView, month: str) -> Values:
    """Return the preview, or why there is none, and what is missing."""
    terms, problem = await _terms(view)
    carried = view.query.get("carry_below", "")
    sorting = Sorting(view.query.get("sort", ""), filled(carry_below=carried), "name")
    shown: Values = {
        "terms": terms,
        "problem": problem,
        "refused": None,
        "sums": None,
        "sorting": sorting,
    }
    path = f"/api/admin/drafts/{month}"
    try:
        preview = await view.get(path, sort=sorting.asked, **terms)
    except ApiRefused as refused:
        if refused.field == "sort":
            unsorted = replace(view, query={**view.query, "sort": ""})
            return await _preview(unsorted, month) | {"sorting": sorting}
        missing = await view.get(f"/api/admin/months/{month}/missing")
        return shown | {"refused": refused, "missing": missing["data"]}
    return {**shown, **preview, "statements": preview["data"]}


async def _terms(view: PageView) -> tuple[dict[str, int], str]:
    """Return the terms of the preview, and what is wrong with those that were typed."""
    text = view.query.get("carry_below", "").strip()
    if not text:
        return {}, ""
    currency = await currency_of_site(view)
    try:
        minor = minor_of(text, currency)
    except ValueError as error:
        return {}, str(error)
    if minor < 0:
        return {}, _("give %(amount)s or more", amount=money(0, currency))
    return {"carry_below": minor}, ""


async def _closed(view: PageView, month: str) -> Values:
    sorting = Sorting(view.query.get("sort", "") or "number", {}, "number")
    statements, _why = await read_sorted(
        view, read_statements, StatementsQuery, sorting, month=month, limit=MOST
    )
    in_order = sorted(statements.data, key=lambda statement: statement.number)
    archives = [in_order[begin : begin + AT_ONCE] for begin in range(0, len(in_order), AT_ONCE)]
    shown = {"statements": statements, "archives": archives, "sorting": sorting}
    return shown | await view.look(_beside_closed, view, month)


def _beside_closed(look: Look, view: PageView, month: str) -> Values:
    server = view.api.server
    row = look(read_month, server, month_named(month))
    return {
        "nobody": _nobody(view, row),
        "held_back": look(held_back_of_month, month),
        "lacks": look(lacks_of_closed, month),
        "can_mail": server.config.mail is not None,
        "mailed": look(messages.accounts_with_mail),
    }


def _nobody(view: PageView, month: BillMonth) -> Values | None:
    """Return what ended in a month and belongs to nobody now, and the filter that lists it."""
    for part in month.parts:
        if part.state == BillState.NOBODYS:
            filters = {"bill": part.state, **_days_of(view, month)}
            return {"sessions": part.sessions, "energy_wh": part.energy_wh, "query": filters}
    return None


def _days_of(view: PageView, month: BillMonth) -> dict[str, date]:
    """Return the filter of the sessions that ended in a month."""
    since, until = _span(view, month)
    return {"ended_since": since, "ended_before": until - timedelta(days=1)}


def _span(view: PageView, month: BillMonth) -> tuple[date, date]:
    """Return the first day of a month, and the one after it."""
    since = in_zone(moment(month.since), view.api.zone)
    until = in_zone(moment(month.until), view.api.zone)
    return since.date(), until.date()


def _reconciliation(look: Look, view: PageView) -> Values:
    month = view.path["month"]
    found = look(read_reconciliation, view.api.server, month_named(month))
    return {"month": month, "found": found, "names": look(chargers.names)}


async def _papers(view: PageView) -> Values:
    month = view.path["month"]
    _row, shown = await view.look(_of_month, view, month)
    papers = await view.get(f"/api/admin/drafts/{month}/problems")
    found = await view.get(f"/api/admin/months/{month}/missing")
    lacks = [lack for lack in found["data"] if lack["words"] or lack["code"] == Lack.NO_BILLER]
    here = f"/bills/{month}/papers"
    return {**shown, "problems": papers["problems"], "missing": lacks, "here": here}


# One statement


def _statement(look: Look, view: PageView) -> Values:
    statement = look(read_statement, view.path["number"])
    number = int(statement.number or 0)
    return {
        "one": statement,
        "standing": look(closed_among, [number], local_today(view.api.server).isoformat())[0],
        "cards": _cards(statement),
        "names": look(chargers.names),
        "sent": look(messages.messages_of_statement, number),
        "document": f"/get/admin/statements/{number}/document?",
    }


async def _drafted(view: PageView) -> Values:
    path = f"/admin/drafts/{view.path['month']}/statements/{view.path['number']}"
    terms, _problem = await _terms(view)
    statement = statement_of(await view.get(f"/api{path}", **terms))
    return {
        "one": statement,
        "standing": None,
        "cards": _cards(statement),
        "names": await names_of_chargers(view),
        "sent": [],
        "document": f"/get{path}/document?{urlencode(terms)}&",
    }


def _cards(statement: StatementDocument) -> list[str]:
    """Return the cars, or else the cards, of a statement, each once."""
    cards: dict[str, None] = {}
    for session in (*statement.positions, *statement.held_back):
        card = session.vehicle or session.tag
        if card:
            cards[card] = None
    return list(cards)


def _biller(look: Look, view: PageView) -> Values:
    begun = look(billing)
    day = local_today(view.api.server)
    if begun is not None:
        day = Month.parse(begun.open_month).first_day
    return {"biller": look(biller), "lacks": look(lacks_of_sender, day)}


async def _payments(view: PageView) -> Values:
    sorting = Sorting(view.query.get("sort", ""), {}, "name")
    wallets, _why = await read_sorted(view, read_wallets, WalletsQuery, sorting, limit=MOST)
    unpaid = await view.look(_standing_so, view, "unpaid")
    return {"wallets": wallets, "sorting": sorting, "unpaid": unpaid}


def _meters(look: Look, _view: PageView) -> Values:
    page = look(meters.meters, None, WantedPage(limit=MOST))
    return {"meters": page.data, "names": look(chargers.names)}


def _meter(look: Look, view: PageView) -> Values:
    meter = look(read_meter, view.number)
    readings = look(meters.readings, meter.id, WantedPage(cursor=view.cursor))
    return {"meter": meter, "readings": readings, "names": look(chargers.names)}


_page: Final = partial(DashboardPage, role=Role.OPERATOR, section=SECTION)
PAGES: Final = N_(
    (
        _page("/bills", "Bills", "bills.html", reading(_bills), help="tasks/close-a-month"),
        *(
            _page(
                path,
                "Bills of a year",
                "bills/year.html",
                reading(_year),
                help="tasks/close-a-month#7-the-year-for-the-tax-adviser",
            )
            for path in ("/bills/year", "/bills/year/{year}")
        ),
        _page(
            "/bills/{month}",
            "Bills of a month",
            "bills/month.html",
            _month,
            help="tasks/close-a-month",
            is_work=True,
        ),
        _page(
            "/bills/{month}/reconciliation",
            "Does it add up?",
            "bills/reconciliation.html",
            reading(_reconciliation),
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
        _page(
            "/statements/{number}",
            "Statement",
            "bills/statement.html",
            reading(_statement),
            help="tasks/a-neighbour-asks",
        ),
        _page(
            "/biller",
            "Sender of the bills",
            "biller.html",
            reading(_biller),
            help="tasks/close-a-month#what-stands-on-a-statement",
        ),
        _page(
            "/payments",
            "Payments",
            "payments.html",
            _payments,
            help="tasks/close-a-month#6-enter-payments",
        ),
        _page("/meters", "Meters", "meters.html", reading(_meters), help="tasks/does-it-add-up"),
        _page(
            "/meters/{id}",
            "Meter",
            "meters/meter.html",
            reading(_meter),
            help="tasks/does-it-add-up",
        ),
    )
)
