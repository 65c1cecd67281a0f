"""The page of one session: who charged, where, when and how much; why this figure; what happened;
and what it costs.

Its five parts are read from one snapshot, so that they never contradict each other. They are read
again when a fact is about the session's charger, or about the site. Its readings and its frames
have pages of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta, tzinfo
from functools import partial
from itertools import pairwise
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
from levity_trio.store.reads.transactions.curve import STRETCHES, Curve, curve
from levity_trio.store.reads.transactions.transactions import events_of, of_transaction
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import Role, rule_of
from levity_trio.web.api.engine.problems import not_found
from levity_trio.web.api.site.logs import LogsQuery, read_frames
from levity_trio.web.api.transactions.transactions import TransactionExplanation, read_explanation
from levity_trio.web.dashboard.charts import Band, CurveChart
from levity_trio.web.dashboard.page import (
    EVERYTHING,
    Changed,
    DashboardPage,
    LivePart,
    Look,
    PageView,
    Values,
    reading,
)
from levity_trio.web.dashboard.shapes import moment
from levity_trio.web.dashboard.words import grounds
from levity_trio.wire.times import shifted_stamp

CORRECT: Final = "/api/admin/transactions/{id}/correct"
LOGS: Final = "/api/logs"
MOST_WEIGHED: Final = 3000
"""Readings of a session up to which the page weighs all explanations again: 12 ms for 1,000 of
them."""
MARGIN: Final = timedelta(minutes=1)
"""How long before and after a session its frames begin and end."""
ROWS: Final = 100
"""Readings or frames of one page."""
BILL: Final = "The bill"
"""Heads the last lines of an explanation, which are for those who see bills."""
SITE: Final = ""
"""Stands among the changed chargers for a fact about none of them."""


# The session


def _session(look: Look, view: PageView) -> Values:
    session = the_session(look, view.number)
    return {"session": session, "parts": _parts(look, view, session)}


async def _live(view: PageView, changed: Changed) -> Sequence[LivePart]:
    return await view.look(_changed_parts, view, changed)


def _changed_parts(look: Look, view: PageView, changed: Changed) -> Sequence[LivePart]:
    session = the_session(look, view.number)
    if changed is not EVERYTHING and changed.isdisjoint({session.charger, SITE}):
        return []
    return _parts(look, view, session)


def the_session(look: Look, number: int) -> BilledTransaction:
    """Return the session that a page is about. Raises Problem."""
    session = look(billed_transaction, number)
    if session is None:
        raise not_found(Told("session {1}", number))
    return session


def _parts(look: Look, view: PageView, session: BilledTransaction) -> Sequence[LivePart]:
    # Of many readings, only a lower bound of their number is known; it is enough here.
    first_reading = look(of_transaction, session.id, None, WantedPage(limit=1))
    count = 0
    if first_reading is not None:
        count = first_reading.total or first_reading.total_at_least or 0

    # To weigh the explanations takes time with each reading, and an open page does it often.
    is_weighed = count <= MOST_WEIGHED or view.query.get("weighed") == "true"
    explanation = look(
        read_explanation,
        view.api.server,
        session.id,
        sees_all=view.sees_all,
        is_weighed=is_weighed,
    )
    drawn = look(curve, session.id)
    if explanation is None or drawn is None:
        raise not_found(Told("session {1}", session.id))

    # The mask takes the bill from those who may not see it, but not its lines of text.
    bill = explanation.bill
    lines = explanation.lines
    if bill is None and BILL in lines:
        lines = lines[: lines.index(BILL)]

    why = {
        "session": session,
        "explanation": explanation,
        "count": count,
        "is_weighed": is_weighed,
    }
    story = {
        "session": session,
        "explanation": explanation,
        "lines": lines,
        "sees_frames": view.may("GET", LOGS),
    }
    charts = {"curve": drawn, "count": count, **curves(drawn, bill, view.api.zone)}
    return [
        LivePart("head", "session/head.html", _head(look, view, session, explanation)),
        LivePart("curves", "session/curves.html", charts),
        LivePart("why", "session/why.html", why),
        LivePart(
            "bill", "session/bill.html", {"bill": bill, "grounds": grounds(bill, session.id_tag)}
        ),
        LivePart("story", "session/story.html", story),
    ]


def _head(
    look: Look, view: PageView, session: BilledTransaction, explanation: TransactionExplanation
) -> Values:
    """Return the figures, what speaks against them, and what an operator can do about that."""
    events = look(events_of, session.id)
    doubts = [review for review in explanation.reviews if review.resolved_at is None]

    # A doubt about an imported session is no review: only its newest import says it.
    imported_doubt = None
    if session.imported_id is not None and session.confidence == DOUBTFUL:
        for event in events:
            if event.kind == Kind.IMPORT and event.reason:
                imported_doubt = event.reason

    actions: Values = {}
    if view.may("POST", CORRECT):
        state = State(session.state)
        dismissible = [
            doubt.id for doubt in doubts if Answer.DISMISS in about_transaction(state, {doubt.code})
        ]
        owner = look(owned, session.id, rule_of(view.api.server))
        actions = {
            "answers": about_transaction(state, ()),
            "dismissible": dismissible,
            # Forms send it along: the API refuses an answer to a session that has changed since.
            "event": max((event.id for event in events), default=""),
            "is_given": owner is not None and owner.ground == OwnerGround.HAND,
        }
    return {
        "session": session,
        "bill": explanation.bill,
        "doubts": doubts,
        "imported_doubt": imported_doubt,
        "actions": actions,
    }


# Curves


@record
class CurveRow:
    """What both curves show of a stretch of time: the power in W, and the register in Wh."""

    at: str
    least: float | None
    most: float | None
    wh: int | None


def curves(drawn: Curve, bill: Bill | None, zone: tzinfo) -> Values:
    """Return the charts of power and register, and the table beneath them."""
    since = moment(drawn.since)
    until = moment(drawn.until)
    seconds = (until - since).total_seconds()
    bands = _bands(drawn, bill, seconds)

    powers: list[tuple[float, float]] = []
    for at, least, most in drawn.power:
        # The line goes to the lowest and to the highest power of a stretch.
        powers.append((at, least / 1000))
        if most != least:
            powers.append((at, most / 1000))
    power = CurveChart(
        words=_in_words(_("Power"), powers, "kW"),
        unit="kW",
        points=powers,
        since=since,
        until=until,
        zone=zone,
        is_area=True,
        bands=bands,
    )

    registers = [(at, wh / 1000) for at, wh in drawn.register]
    words = _in_words(_("Register"), registers, "kWh")
    register = replace(power, words=words, unit="kWh", points=registers, digits=3, is_area=False)
    legend = {band.words: band for band in bands}
    return {
        "power": power,
        "register": register,
        "bands": list(legend.values()),
        "rows": _rows(drawn, seconds),
    }


def _in_words(name: str, points: Sequence[tuple[float, float]], unit: str) -> str:
    """Return what a curve shows, for those who cannot see it."""
    values = [value for _, value in points]
    if not values:
        return _("%(name)s: nothing is known", name=name)
    low = number(min(values), 1)
    high = number(max(values), 1)
    words = N_("%(name)s from %(low)s to %(high)s %(unit)s; the table below has all values")
    return _(words, name=name, low=low, high=high, unit=unit)


def _bands(drawn: Curve, bill: Bill | None, seconds: float) -> list[Band]:
    """Return the stretches of time in which one price held; none if it was one price all the
    time."""
    if bill is None or bill.price is None or not bill.price.seams:
        return []
    seams = bill.price.seams
    edges = [0.0]
    prices = [seams[0].ends]
    since = moment(drawn.since)
    for seam in seams:
        edges.append((moment(seam.at) - since).total_seconds())
        prices.append(seam.begins)
    edges.append(seconds)

    # A price that comes again has the same colour, and one entry in the legend.
    shades: dict[str, int] = {}
    bands: list[Band] = []
    for (begin, end), price in zip(pairwise(edges), prices, strict=True):
        words = price or _("otherwise")
        shade = shades.setdefault(words, len(shades))
        bands.append(Band(begin, end, words, shade))
    return bands


def _rows(drawn: Curve, seconds: float) -> Sequence[CurveRow]:
    """Return the table of both curves: a row for each stretch of time of which something is
    known."""
    step = max(1.0, seconds / STRETCHES)
    times: dict[int, float] = {}
    powers: dict[int, tuple[float, float]] = {}
    registers: dict[int, int] = {}
    for at, least, most in drawn.power:
        stretch = int(at / step)
        times.setdefault(stretch, at)
        powers[stretch] = least, most
    for at, wh in drawn.register:
        stretch = int(at / step)
        times.setdefault(stretch, at)
        registers[stretch] = wh

    rows: list[CurveRow] = []
    for stretch, at in sorted(times.items()):
        stamp = shifted_stamp(drawn.since, timedelta(seconds=at))
        lowest, highest = powers.get(stretch, (None, None))
        register = registers.get(stretch)
        rows.append(CurveRow(at=stamp, least=lowest, most=highest, wh=register))
    return rows


# Its readings and its frames


def _readings(look: Look, view: PageView) -> Values:
    measurand = view.query.get("measurand", "")
    wanted = WantedPage(limit=ROWS, cursor=view.cursor)
    readings = look(of_transaction, view.number, measurand or None, wanted)
    return {"session": the_session(look, view.number), "measurand": measurand, "readings": readings}


def _frames(look: Look, view: PageView) -> Values:
    session = the_session(look, view.number)
    action = view.query.get("action", "")

    # A charger without a connection sends its messages long after their times.
    begin = min(session.start_time, session.created_at)
    before = None
    if session.status != "Active":
        end = session.stop_time or session.last_reading_at or session.updated_at
        before = shifted_stamp(max(end, session.updated_at), MARGIN)
    query = LogsQuery(
        charger=session.charger,
        action=action or None,
        limit=ROWS,
        cursor=view.cursor,
        since=shifted_stamp(begin, -MARGIN),
        before=before,
    )
    frames = look(read_frames, view.api.server, query)
    return {"session": session, "action": action, "frames": frames}


_PATH: Final = "/sessions/{id}"
_page: Final = partial(DashboardPage, section=N_("Sessions"))
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
            reading(_readings),
            help="tasks/a-session-in-doubt#2-look-at-the-evidence",
        ),
        _page(
            f"{_PATH}/frames",
            "Frames",
            "session/frames.html",
            reading(_frames),
            help="explanation/what-happens-to-a-message",
            role=Role.OPERATOR,
        ),
    )
)
