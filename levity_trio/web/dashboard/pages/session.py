"""One session: who, where, when and how much; why this figure; what happened; and what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta, tzinfo
from functools import partial
from typing import Final

from levity_trio.billing.ownership import OwnerGround
from levity_trio.charging.energy import DOUBTFUL
from levity_trio.charging.lifecycle import Answer, Kind, State, about_transaction
from levity_trio.locale import N_, _
from levity_trio.locale.formats import number
from levity_trio.records import record
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.reads.people.owned import owned
from levity_trio.store.reads.transactions.bill.shape import Bill
from levity_trio.store.reads.transactions.billed import BilledTransaction, billed_transaction
from levity_trio.store.reads.transactions.curve import Curve as Drawn
from levity_trio.store.reads.transactions.curve import curve
from levity_trio.store.reads.transactions.review_queue import Review
from levity_trio.store.reads.transactions.transactions import (
    TransactionEvent,
    events_of,
    of_transaction,
)
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.engine.problems import not_found
from levity_trio.web.api.people.owned import rule_of
from levity_trio.web.api.site.logs import LogsQuery, read_frames
from levity_trio.web.api.transactions.transactions import read_explanation
from levity_trio.web.dashboard.charts import Band, CurveChart
from levity_trio.web.dashboard.money import money
from levity_trio.web.dashboard.page import (
    EVERYTHING,
    Changed,
    DashboardPage,
    LivePart,
    PageView,
    Values,
    reading,
)
from levity_trio.web.dashboard.shapes import moment
from levity_trio.web.dashboard.snapshots import Look
from levity_trio.web.dashboard.words import grounds
from levity_trio.wire.times import shifted_stamp

ONE: Final = "/api/admin/transactions"
LOGS: Final = "/api/logs"
MOST_WEIGHED: Final = 3000
"""Readings of a session up to which the page weighs all explanations again: 12 ms for 1,000 of
them."""
MARGIN: Final = timedelta(minutes=1)
"""How long before and after a session its frames begin and end."""
READINGS: Final = 100
BILL: Final = "The bill"
"""Heads the last lines of an explanation, which are for those who see bills."""
SITE: Final = ""
"""Among what changed: a fact about no charger."""


def _session(look: Look, view: PageView) -> Values:
    known = the_session(look, view.number)
    return {"one": known, "parts": _parts(look, view, known)}


async def _live(view: PageView, changed: Changed) -> Sequence[LivePart]:
    return await view.look(_changed_parts, view, changed, view.number)


def _changed_parts(look: Look, view: PageView, changed: Changed, number: int) -> Sequence[LivePart]:
    known = the_session(look, number)
    is_about = changed is EVERYTHING or not changed.isdisjoint({known.charger, SITE})
    return _parts(look, view, known) if is_about else []


def the_session(look: Look, number: int) -> BilledTransaction:
    """Return the session that a page is about. Raises Problem."""
    if (found := look(billed_transaction, number)) is None:
        raise not_found(Told("session {1}", number))
    return found


def _parts(look: Look, view: PageView, known: BilledTransaction) -> Sequence[LivePart]:
    listed, drawn = look(of_transaction, known.id, None, WantedPage(limit=1)), look(curve, known.id)
    count = 0 if listed is None else listed.total or listed.total_at_least or 0
    is_weighed, server = (
        count <= MOST_WEIGHED or view.query.get("weighed") == "true",
        view.api.server,
    )
    told = look(read_explanation, server, known.id, sees_all=view.sees_all, is_weighed=is_weighed)
    if told is None or drawn is None:
        raise not_found(Told("session {1}", known.id))
    events, bill, lines = look(events_of, known.id), told.bill, told.lines
    if bill is None and BILL in lines:
        lines = lines[: lines.index(BILL)]
    doubts = [one for one in told.reviews if one.resolved_at is None]
    values = {"one": known, "told": told, "bill": bill, "count": count, "is_weighed": is_weighed}
    doubted = {"doubts": doubts, "imported_doubt": _imported_doubt(known, events)}
    actions = _actions(look, view, known, doubts, events)
    billed = {"bill": bill, "money": _money(bill), "grounds": grounds(bill, known.id_tag)}
    pictures = {"known": drawn, "count": count, **curves(drawn, bill, view.api.zone)}
    return [
        LivePart("head", "session/head.html", {**values, **doubted, "actions": actions}),
        LivePart("curves", "session/curves.html", pictures),
        LivePart("why", "session/why.html", values),
        LivePart("bill", "session/bill.html", billed),
        LivePart(
            "story",
            "session/story.html",
            {**values, "lines": lines, "sees_frames": view.may("GET", LOGS)},
        ),
    ]


def _imported_doubt(known: BilledTransaction, events: Sequence[TransactionEvent]) -> str | None:
    """Return what speaks against the figure of an imported session, as its newest import found
    it."""
    if known.imported_id is None or known.confidence != DOUBTFUL:
        return None
    return next(
        (one.reason for one in reversed(events) if one.kind == Kind.IMPORT and one.reason), None
    )


# What can be done


def _actions(
    look: Look,
    view: PageView,
    known: BilledTransaction,
    doubts: Sequence[Review],
    events: Sequence[TransactionEvent],
) -> Values:
    """Return what an operator can do: the answers that this session takes, and which doubts can be
    dismissed."""
    if not view.may("POST", f"{ONE}/{{id}}/correct"):
        return {}
    state, owner = State(known.state), look(owned, known.id, rule_of(view.api.server))
    return {
        "answers": set(about_transaction(state, ())),
        "dismissible": {
            one.id for one in doubts if Answer.DISMISS in about_transaction(state, {one.code})
        },
        "event": max((one.id for one in events), default=""),
        "is_given": owner is not None and owner.ground == OwnerGround.HAND,
    }


# Curves


def curves(known: Drawn, bill: Bill | None, zone: tzinfo) -> Values:
    """Return the curves of power and register, and the table beneath them."""
    since, until = moment(known.since), moment(known.until)
    seconds = (until - since).total_seconds()
    powers = [(at, value / 1000) for at, *both in known.power for value in dict.fromkeys(both)]
    registers = [(at, wh / 1000) for at, wh in known.register]
    bands = [*_bands(known, bill, seconds)]
    power = CurveChart(
        words=_of(_("Power"), powers, "kW"),
        unit="kW",
        points=powers,
        since=since,
        until=until,
        zone=zone,
        is_area=True,
        bands=bands,
    )
    words, unit = _of(_("Register"), registers, "kWh"), "kWh"
    return {
        "power": power,
        "register": replace(
            power, words=words, unit=unit, points=registers, digits=3, is_area=False
        ),
        "bands": list({band.words: band for band in bands}.values()),
        "rows": _rows(known, seconds),
    }


def _of(name: str, points: Sequence[tuple[float, float]], unit: str) -> str:
    """Return a curve in words."""
    values = [value for _, value in points]
    if not values:
        return _("%(name)s: nothing is known", name=name)
    words = N_("%(name)s from %(low)s to %(high)s %(unit)s; the table below has all values")
    return _(words, name=name, low=number(min(values), 1), high=number(max(values), 1), unit=unit)


def _bands(known: Drawn, bill: Bill | None, seconds: float) -> Iterator[Band]:
    """Yield the stretches of time in which one price held, if there were several."""
    seams = bill.price.seams if bill and bill.price else ()
    if not seams:
        return
    since = moment(known.since)
    edges = [0.0, *((moment(one.at) - since).total_seconds() for one in seams), seconds]
    names = [one or _("otherwise") for one in (seams[0].ends, *(one.begins for one in seams))]
    shades = {name: shade for shade, name in enumerate(dict.fromkeys(names))}
    for begin, end, name in zip(edges, edges[1:], names, strict=False):
        yield Band(begin, end, name, shades[name])


@record
class CurveRow:
    """What both curves tell of a stretch of time: the power in W, and the register in Wh."""

    at: str
    least: float | None = None
    most: float | None = None
    wh: int | None = None


def _rows(known: Drawn, seconds: float) -> Sequence[CurveRow]:
    """Return the table of both curves: a row for each stretch of time in which something was
    told."""
    step, times = max(1.0, seconds / 240), dict[int, float]()
    powers, registers = dict[int, tuple[float, float]](), dict[int, int]()
    for at, least, most in known.power:
        times.setdefault(int(at / step), at)
        powers[int(at / step)] = least, most
    for at, wh in known.register:
        times.setdefault(int(at / step), at)
        registers[int(at / step)] = wh
    return [
        CurveRow(
            at=shifted_stamp(known.since, timedelta(seconds=at)),
            least=powers.get(number, (None, None))[0],
            most=powers.get(number, (None, None))[1],
            wh=registers.get(number),
        )
        for number, at in sorted(times.items())
    ]


# Money


def _money(bill: Bill | None) -> Values:
    """Return the amounts of a bill as texts."""
    if bill is None:
        return {}
    price, positions = bill.price, bill.positions
    currency = price.currency if price else positions[-1].currency if positions else None
    return {
        "price": price and money(price.amount, currency),
        "lines": [
            (one.words, money(one.amount, currency)) for one in (price.lines if price else ())
        ],
        "billed": None if bill.billed_amount is None else money(bill.billed_amount, currency),
        "positions": [(one, money(one.amount, one.currency)) for one in positions],
        "pending": [(one.account, money(one.amount, currency)) for one in bill.pending],
        "charges": [(one, money(one.amount, one.currency)) for one in bill.charges],
    }


# One tap deeper


def _some_readings(look: Look, view: PageView) -> Values:
    measurand, wanted = (
        view.query.get("measurand", ""),
        WantedPage(limit=READINGS, cursor=view.query.get("cursor") or None),
    )
    found = look(of_transaction, view.number, measurand or None, wanted)
    return {"one": the_session(look, view.number), "measurand": measurand, "found": found}


def _some_frames(look: Look, view: PageView) -> Values:
    known, action = the_session(look, view.number), view.query.get("action", "")
    last = known.stop_time or known.last_reading_at or known.updated_at
    query = LogsQuery(
        charger=known.charger,
        action=action or None,
        limit=READINGS,
        cursor=view.query.get("cursor") or None,
        since=shifted_stamp(min(known.start_time, known.created_at), -MARGIN),
        before=None
        if known.status == "Active"
        else shifted_stamp(max(last, known.updated_at), MARGIN),
    )
    return {"one": known, "action": action, "found": look(read_frames, view.api.server, query)}


_PATH: Final = "/sessions/{id}"
_SECTION: Final = N_("Sessions")
_page: Final = partial(DashboardPage, section=_SECTION)
PAGES: Final = N_(
    (
        _page(
            _PATH,
            "Session",
            "session.html",
            reading(_session),
            help="tasks/a-neighbour-asks#2-explain-it",
            live=_live,
            rest=1.0,
        ),
        _page(
            f"{_PATH}/readings",
            "Readings",
            "session/readings.html",
            reading(_some_readings),
            help="tasks/a-session-in-doubt#2-look-at-the-evidence",
        ),
        _page(
            f"{_PATH}/frames",
            "Frames",
            "session/frames.html",
            reading(_some_frames),
            help="explanation/what-happens-to-a-message",
            role=Role.OPERATOR,
        ),
    )
)
