"""Sessions: which one? The page of one session: who charged, where, when and how much; why this
figure; what happened; and what it costs.

Its five parts are read from one snapshot, so that they never contradict each other. They are read
again when a fact is about the session's charger, or about the site. Its readings and its frames
have pages of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import partial
from http import HTTPStatus
from itertools import pairwise
from typing import Final, NamedTuple
from urllib.parse import urlencode

from levity_trio.billing.ownership import OwnerGround
from levity_trio.billing.states import BillState
from levity_trio.charging.energy import DOUBTFUL
from levity_trio.charging.lifecycle import Answer, Kind, State, about_transaction
from levity_trio.locale import N_, _
from levity_trio.locale.formats import number
from levity_trio.records import record
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.reads.pages import ListPage, WantedPage
from levity_trio.store.reads.people import households
from levity_trio.store.reads.people.households import owned
from levity_trio.store.reads.transactions.bill import Bill
from levity_trio.store.reads.transactions.costs import (
    BilledTransaction,
    TransactionSums,
    billed_transaction,
    sums_of,
)
from levity_trio.store.reads.transactions.transactions import (
    STRETCHES,
    Curve,
    curve,
    events_of,
    of_transaction,
)
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import Role, asked, rule_of
from levity_trio.web.api.engine.problems import not_found
from levity_trio.web.api.site.logs import LogsQuery, read_frames
from levity_trio.web.api.transactions.transactions import (
    FilterQuery,
    TransactionExplanation,
    TransactionsQuery,
    read_explanation,
    read_transactions,
)
from levity_trio.web.dashboard.charts import Band, CurveChart
from levity_trio.web.dashboard.page import (
    EVERYTHING,
    ApiRefused,
    Changed,
    DashboardPage,
    LivePart,
    Look,
    PageView,
    Sorting,
    Values,
    reading,
)
from levity_trio.web.dashboard.shapes import moment, wrong_way_round
from levity_trio.web.dashboard.words import grounds
from levity_trio.wire.times import in_zone, shifted_stamp, stamp

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
        named = look(households.names)
        of_account = [FilterChoice(str(number), name) for number, name in named.items()]
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
_session_page: Final = partial(DashboardPage, section=N_("Sessions"))
PAGES: Final = N_(
    (
        _session_page(
            "/sessions",
            "Sessions",
            "sessions.html",
            _read,
            help="tasks/a-neighbour-asks#1-find-the-session",
        ),
        _session_page(
            _PATH,
            "Session",
            "session.html",
            reading(_session),
            help="tasks/a-neighbour-asks#2-explain-it",
            live=_live,
            rest=1.0,
        ),
        _session_page(
            f"{_PATH}/readings",
            "Readings",
            "session/readings.html",
            reading(_readings),
            help="tasks/a-session-in-doubt#2-look-at-the-evidence",
        ),
        _session_page(
            f"{_PATH}/frames",
            "Frames",
            "session/frames.html",
            reading(_frames),
            help="explanation/what-happens-to-a-message",
            role=Role.OPERATOR,
        ),
    )
)
