"""The pages of drivers: all places with the own sessions on top, the place that the code at a
charger names, and their books.

A place shows what became of what its driver asked for: the number of the command stands in the
query, so it is there without JavaScript, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

import orjson

from levity_trio.billing.pricing import quarter
from levity_trio.charging.quarters import SECONDS
from levity_trio.locale import N_, _
from levity_trio.records import record
from levity_trio.store.reads.load.load_day import price_waits
from levity_trio.store.reads.money.tariffs import PricesAhead, prices_ahead
from levity_trio.store.reads.money.wallets import wallet
from levity_trio.store.reads.now.copies import told_elsewhere
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.reads.people import driving, households
from levity_trio.store.reads.people.driving import (
    DriversSession,
    DriversState,
    DriversTransaction,
    HouseholdView,
    OwnTag,
    Place,
    PlacesOfCharger,
    PlaceState,
    Some,
    SpaceRow,
    tags_of,
)
from levity_trio.store.reads.people.driving import ReportFilters as Reports
from levity_trio.store.reads.people.driving import spaces as spaces_of_household
from levity_trio.store.reads.transactions.bill import OwnChange
from levity_trio.store.reads.transactions.transactions import Curve
from levity_trio.told import Told
from levity_trio.web.api.drivers.driving import (
    DriversCommand,
    FoundPlaces,
    may_start_by_phone,
    read_command,
    read_places,
    seen_by,
)
from levity_trio.web.api.drivers.mine import (
    DriversLimit,
    DriversReport,
    DriversTag,
    OwnQuery,
    read_limits,
    read_money,
    read_own,
    read_statements,
    read_vehicles,
    shown_tag,
)
from levity_trio.web.api.engine.endpoints import Role, asked, rule_of, whole_number
from levity_trio.web.api.engine.problems import not_found
from levity_trio.web.dashboard.charts import Sparkline, sparkline
from levity_trio.web.dashboard.mount import DRIVERS
from levity_trio.web.dashboard.page import (
    EVERYTHING,
    ApiRefused,
    Changed,
    DashboardPage,
    LivePart,
    Look,
    PageView,
    Values,
    refusals,
)
from levity_trio.web.dashboard.pages.sessions import curves
from levity_trio.web.dashboard.progress import progress
from levity_trio.wire.times import from_seconds, stamp

SECTION: Final = N_("Charge")
SITE: Final = ""
"""Among what changed: a fact about no charger."""
MOST: Final = 20
"""Own sessions that go on at once, and reports that are shown."""
NEWEST: Final = 2
"""Own sessions that have ended, on the first page."""
ANSWERED: Final = timedelta(days=14)
"""So long an answer of the owner stands on the first page."""


class DriversView(NamedTuple):
    """What who looks sees of the chargers, and what is the own household's: its tags that may
    charge now, whether it starts without one, its sessions that go on, with a small curve of each,
    what it may use in this month, and its spaces."""

    chargers: Sequence[PlacesOfCharger]
    tags: Sequence[DriversTag] = ()
    sessions: Sequence[DriversTransaction] = ()
    curves: Mapping[int, Sparkline | None] = MappingProxyType({})
    limits: Sequence[DriversLimit] = ()
    spaces: Sequence[SpaceRow] = ()
    is_by_phone: bool = False
    is_spent: bool = False
    """Whether it pays in advance, and has nothing left."""
    ahead: PricesAhead | None = None
    """What a kWh costs today and tomorrow, where that moves: at the only charger that was asked
    for, else at the own space, else at all chargers."""

    def own_space(self, charger: str, connector: str) -> SpaceRow | None:
        """Return the own space that a connector is, None if it is none."""
        for space in self.spaces:
            if space.charger == charger and str(space.connector or connector) == connector:
                return space
        return None


class Spot(NamedTuple):
    """A connector of a charger as a page shows it: with its name, and the own session there with
    its curve."""

    id: str
    name: str
    shape: tuple[str, str]
    state: PlaceState
    transaction: int | None
    session: DriversTransaction | None
    curve: Sparkline | None
    why_not: str | None
    reason: str | None
    elsewhere: Sequence[str]


async def _look(view: PageView, charger: str | None = None) -> DriversView:
    """Return what is seen of all chargers, or of one; none if there is no such one."""
    server = view.api.server
    account = view.caller.account

    def read(look: Look) -> tuple[FoundPlaces, Sequence[OwnTag], DriversView]:
        places = look(read_places, server, account, charger)
        if account is None:
            return places, (), DriversView(())
        own = HouseholdView(account, rule_of(server))
        page = look(driving.transactions, own, server.now(), MOST, is_open=True)
        sessions = [] if page is None else page.data
        curves: dict[int, Sparkline | None] = {}
        for session in sessions:
            curve = look(driving.own_curve, own, session.id)
            power = () if curve is None else curve.power
            curves[session.id] = sparkline([(at, most) for at, _least, most in power])
        limits = look(read_limits, server, account)
        own_spaces = look(spaces_of_household, server.stamp(), charger, account)
        stands = look(wallet, account)
        is_spent = stands is not None and stands.spent_since is not None
        ahead = None
        at = [charger or own.charger for own in own_spaces[:1]] or [one.id for one in places.shown]
        prices = {one.id: one.price for one in places.shown}
        if at and all(prices.get(one) == prices.get(at[0]) for one in at):
            ahead = look(prices_ahead, own.rule, account, at[0], server.now())
        seen = DriversView(
            (), (), sessions, curves, limits, own_spaces, is_spent=is_spent, ahead=ahead
        )
        return places, look(tags_of, account, server.stamp()), seen

    # A read has a thread of its own, in which nothing of the server's memory is looked at.
    places, tags, seen = await view.look(read)
    chargers = seen_by(view.caller, server, places)
    shown = [shown_tag(server, tag) for tag in tags]
    valid = [tag for tag in shown if tag.is_valid]
    is_by_phone = not is_nobody(view) and may_start_by_phone(tags)
    return seen._replace(chargers=chargers, tags=valid, is_by_phone=is_by_phone)


async def _read_all(view: PageView) -> Values:
    shown: dict[str, object] = {part.id: part for part in await _all(view)}
    account = view.caller.account
    money = None
    newest: Sequence[DriversTransaction] = ()
    if account is not None:
        money = await view.look(lambda look: look(read_money, view.api.server, account))
        newest = await view.look(_newest, view)
    return {**shown, "money": money, "newest": newest}


def _newest(look: Look, view: PageView) -> Sequence[DriversTransaction]:
    page = look(
        driving.transactions, _household(view), view.api.server.now(), NEWEST, is_open=False
    )
    return [] if page is None else page.data


async def _live_all(view: PageView, _changed: Changed) -> Sequence[LivePart]:
    return await _all(view)


async def _all(view: PageView) -> Sequence[LivePart]:
    seen = await _look(view)
    answers = [] if is_nobody(view) else await view.look(_answers, view)
    running = [{"one": session, "curve": seen.curves[session.id]} for session in seen.sessions]
    places: list[Values] = []
    own: list[Values] = []
    for charger in seen.chargers:
        # The own space stands first, so it is not among the others.
        others: list[Spot] = []
        name = charger.name or charger.id
        place = {"charger": charger, "path": _path(charger.id), "name": name, "key": charger.id}
        for spot in _spots(charger, seen):
            space = seen.own_space(charger.id, spot.id)
            if space is None:
                others.append(spot)
            else:
                key = f"{charger.id}-{spot.id}"
                called = space.name or name
                own.append({**place, "connectors": [spot], "name": called, "key": key})
        if others or not charger.connectors:
            places.append({**place, "connectors": others})

    # If one price holds at all chargers, it is said once.
    price = seen.chargers[0].price if seen.chargers else None
    if any(charger.price != price for charger in seen.chargers):
        price = None
    shown = {
        "places": places,
        "price": price,
        "tags": seen.tags,
        "is_by_phone": seen.is_by_phone,
        "limits": seen.limits,
        "is_nobody": is_nobody(view),
        "is_rest": bool(own),
        "is_spent": seen.is_spent,
    }
    return [
        LivePart("answers", "driver/answers.html", {"answers": answers}),
        LivePart("running", "driver/running.html", {"running": running, **shown}),
        LivePart("own", "driver/own.html", {"own": own, **shown}),
        _prices(view, seen),
        LivePart("places", "driver/places.html", shown),
    ]


def _prices(view: PageView, seen: DriversView) -> LivePart:
    """Return what a kWh costs today and tomorrow. It is drawn once in a quarter of an hour."""
    at = from_seconds(quarter(view.api.server.now()) * SECONDS)
    values = {"ahead": seen.ahead, "at": stamp(at)}
    return LivePart("prices", "driver/prices.html", values, orjson.dumps(values))


def _answers(look: Look, view: PageView) -> list[DriversReport]:
    """Return what the owner answered the household in the last days."""
    since = stamp(view.api.server.now() - ANSWERED)
    reports = look(read_own, Reports(view.caller.account, is_waiting=False))
    return [report for report in reports if report.answer and (report.answered_at or "") > since]


async def _read_place(view: PageView) -> Values:
    charger, place, prices = await _place(view)
    reports = None if is_nobody(view) else await _reports(view, "charger", charger=charger.id)
    return {
        "charger": charger,
        "place": place,
        "prices": prices,
        "reports": reports,
        "here": _here(view, charger),
    }


def _here(view: PageView, charger: PlacesOfCharger) -> str:
    return _path(charger.id, view.path.get("connector"))


async def _reports(
    view: PageView,
    *about: str,
    transaction: int | None = None,
    statement: int | None = None,
    charger: str | None = None,
) -> LivePart:
    """Return what the household reported about something, with the answers."""
    wanted = Reports(view.caller.account, transaction, statement, charger)
    own = await view.look(lambda look: look(read_own, wanted))
    reports = [report for report in own if report.about in about]
    return LivePart("reports", "driver/reports.html", {"reports": reports[:MOST]})


async def _live_place(view: PageView, changed: Changed) -> Sequence[LivePart]:
    if changed is not EVERYTHING and changed.isdisjoint({view.path["charger"], SITE}):
        return []
    _charger, *parts = await _place(view)
    return parts


async def _place(view: PageView) -> tuple[PlacesOfCharger, LivePart, LivePart]:
    """Return the charger in the path, what is shown of it, and its prices. Raises ApiRefused."""
    seen = await _look(view, view.path["charger"])
    with refusals():
        if not seen.chargers:
            raise not_found(Told("charger {1}", view.path["charger"]))
    (charger,) = seen.chargers
    spots = _spots(charger, seen)
    connector = view.path.get("connector")
    if connector is not None:
        spots = [spot for spot in spots if spot.id == connector]
    values = {
        "charger": charger,
        "connectors": spots,
        "here": _here(view, charger),
        "tags": seen.tags,
        "is_by_phone": seen.is_by_phone,
        "command": await _command(view, charger.id, spots),
        "is_nobody": is_nobody(view),
        "money": None,
    }
    account = view.caller.account
    if seen.is_spent and account is not None:
        values["money"] = await view.look(lambda look: look(read_money, view.api.server, account))
    return charger, LivePart("place", "driver/place.html", values), _prices(view, seen)


def is_nobody(view: PageView) -> bool:
    """Whether who looks belongs to no household: an operator, who may look."""
    return view.caller.account is None


def _path(charger: str, connector: str | None = None) -> str:
    path = f"/d/at/{quote(charger, safe='')}"
    return f"{path}/{quote(connector, safe='')}" if connector else path


def _spots(charger: PlacesOfCharger, seen: DriversView) -> list[Spot]:
    """Return the connectors of a charger as a page shows them."""
    own = {session.id: session for session in seen.sessions}
    spots: list[Spot] = []
    for connector in charger.connectors:
        number = connector.transaction or 0
        spot = Spot(
            id=str(connector.id),
            name=_name(connector, len(charger.connectors)),
            shape=_shape(connector.state),
            state=connector.state,
            transaction=connector.transaction,
            session=own.get(number),
            curve=seen.curves.get(number),
            why_not=connector.why_not,
            reason=connector.reason,
            elsewhere=connector.elsewhere,
        )
        spots.append(spot)
    return spots


def _household(view: PageView) -> HouseholdView:
    """Return the household of a driver."""
    return HouseholdView(view.caller.account, rule_of(view.api.server))


async def _command(view: PageView, charger: str, spots: Sequence[Spot]) -> Values | None:
    """Return the course of what was asked for here, None once it is of the past."""
    number = view.query.get("command", "")
    if not number.isdecimal() or is_nobody(view):
        return None
    try:
        command = await view.look(_own_command, view, number)
    except ApiRefused:
        # It is another one's, or an old address.
        return None
    course = progress(command.state, command.outcome, command.action)
    is_over = command.charger != charger
    if course.is_done and command.action == "start":
        # What it began has ended since.
        is_over |= command.transaction not in {spot.transaction for spot in spots}
    return None if is_over else {"told": command, "course": course}


def _own_command(look: Look, view: PageView, number: str) -> DriversCommand:
    command = whole_number({"id": number})
    return look(read_command, _household(view), view.caller.name, command)


ROWS: Final = 50
PRICED: Final = ("tariff", "assignment")
"""The kinds of changes that give a session its price."""


async def _read_sessions(view: PageView) -> Values:
    if is_nobody(view):
        return {"is_nobody": True}
    before = view.query.get("before")
    found = await view.look(_sessions, view, {"before": before} if before else {})
    return {"is_nobody": False, "found": found, "is_first": "before" not in view.query}


def _sessions(look: Look, view: PageView, given: Mapping[str, str]) -> Some:
    """Return the own sessions, the newest first. Raises Problem."""
    before = asked(OwnQuery, given).before
    now = view.api.server.now()
    sessions = look(driving.transactions, _household(view), now, ROWS, before)
    if sessions is None:
        raise not_found(Told("session {1}", before or ""))
    return sessions


async def _read_session(view: PageView) -> Values:
    if is_nobody(view):
        return {"is_nobody": True, "one": None}
    session, curve = await view.look(_session, view, view.number)
    parts = await _session_parts(view, session, curve)
    return {"is_nobody": False, "one": session, "parts": parts}


async def _live_session(view: PageView, changed: Changed) -> Sequence[LivePart]:
    if is_nobody(view):
        return []
    if changed is not EVERYTHING:
        # The bill takes longest, and is not needed to know whether a fact is about this session.
        session, _curve = await view.look(_session, view, view.number, is_billed=False)
        if changed.isdisjoint({session.charger, SITE}):
            return []
    session, curve = await view.look(_session, view, view.number)
    return await _session_parts(view, session, curve)


def _session(
    look: Look, view: PageView, number: int, *, is_billed: bool = True
) -> tuple[DriversSession, Curve]:
    """Return an own session and its curve. Raises Problem for any other."""
    own = _household(view)
    session = look(driving.transaction, own, number, view.api.server.now(), is_billed=is_billed)
    curve = look(driving.own_curve, own, number)
    if session is None or curve is None:
        raise not_found(Told("session {1}", number))
    return session, curve


async def _session_parts(
    view: PageView, session: DriversSession, curve: Curve
) -> Sequence[LivePart]:
    # What was decided about it. A price is entered in two steps, a tariff and for whom it is: the
    # last one says it.
    changes: dict[object, OwnChange] = {}
    if session.bill is not None:
        for number, change in enumerate(session.bill.changes):
            changes["price" if change.kind in PRICED else number] = change
    wait = None
    if session.state == DriversState.OPEN:
        server = view.api.server
        asked = (server.now(), rule_of(server), session.id)
        wait = (await view.look(lambda look: look(price_waits, *asked))).get(session.id)
    head = {"one": session, "changes": [*changes.values()], "wait": wait}
    charts = {"curve": curve, "count": len(curve.power), **curves(curve, None, view.api.zone)}
    return [
        LivePart("own-head", "driver/head.html", head),
        LivePart("own-bill", "driver/bill.html", {"one": session}),
        LivePart("curves", "session/curves.html", charts),
        await _reports(view, "session", "statement", transaction=session.id),
    ]


async def _read_statements(view: PageView) -> Values:
    account = view.caller.account
    if account is None:
        return {"is_nobody": True}
    server = view.api.server

    def read(look: Look) -> Values:
        page = look(read_statements, server, account, WantedPage(cursor=view.cursor))
        money = None if "cursor" in view.query else look(read_money, server, account)
        return {"money": money, "statements": page.data, "cursor": page.next_cursor}

    reports = await _reports(view, "statement")
    return {"is_nobody": False, "reports": reports, **await view.look(read)}


async def _read_me(view: PageView) -> Values:
    server = view.api.server
    account = view.caller.account
    name = view.name or view.caller.name
    if account is None:
        return {"is_nobody": True, "name": name, "reports": None}

    def read(look: Look) -> Values:
        household = look(households.household, account)
        return {
            "household": household.name if household is not None else None,
            "account": account,
            "tags": look(tags_of, account, server.stamp()),
            "vehicles": look(read_vehicles, server, account),
            "limits": look(read_limits, server, account),
            "elsewhere": look(told_elsewhere, account, rule_of(server).policy, server.stamp()),
        }

    own = await view.look(read)
    tags = [shown_tag(server, tag) for tag in own["tags"]]
    reports = await _reports(view, "card")
    return {
        **own,
        "is_nobody": False,
        "name": name,
        "reports": reports,
        "tags": tags,
        "is_by_phone": may_start_by_phone(own["tags"]),
    }


_AT: Final = re.compile(rf"{DRIVERS}at/(?P<charger>[^/?#]+)(?:/(?P<connector>[0-9]{{1,9}}))?")
SHAPES: Final[Mapping[str, tuple[str, str]]] = N_(
    {
        "free": ("free", "Free"),
        "plugged_in": ("busy", "Plugged in"),
        "in_use": ("used", "In use"),
        "reserved": ("look", "Reserved"),
        "broken": ("broken", "Out of order"),
        "away": ("away", "Away"),
        "private": ("away", "For its household"),
    }
)
"""The shape and the word for the state of a connector."""


class ConnectorState(NamedTuple):
    """A connector: what it is called, "" if there is no other, and its state."""

    name: str
    kind: str
    word: str


@record(kw_only=False)
class PlaceOfCode:
    """A charger, and one or all of its connectors."""

    name: str
    connectors: Sequence[ConnectorState]


async def place_of(view: PageView, path: str) -> PlaceOfCode | None:
    """Return the place that the page with this path, as in a URL, is about; None for an unknown
    one, or no such page.

    Hold a place among the requests at work.
    """
    match = _AT.fullmatch(path)
    if match is None:
        return None
    places = await view.look(_places, view, unquote(match["charger"]))
    wanted = None if match["connector"] is None else int(match["connector"])
    for charger in seen_by(view.caller, view.api.server, places):
        shown: list[ConnectorState] = []
        for connector in charger.connectors:
            if wanted in (None, connector.id):
                name = _name(connector, len(charger.connectors))
                shown.append(ConnectorState(name, *_shape(connector.state)))
        if wanted is None or shown:
            return PlaceOfCode(charger.name or charger.id, shown)
    return None


def _places(look: Look, view: PageView, charger: str) -> FoundPlaces:
    return look(read_places, view.api.server, view.caller.account, charger)


def _shape(state: PlaceState) -> tuple[str, str]:
    kind, word = SHAPES[state]
    return kind, _(word)


def _name(connector: Place, count: int) -> str:
    """Return what a connector is called, "" for the only one of its charger."""
    return "" if count == 1 else _("Connector %(connector)s", connector=connector.id)


_page: Final = partial(DashboardPage, role=Role.DRIVER)
PAGES: Final = N_(
    (
        _page(
            "/d/",
            "Charge",
            "driver/charge.html",
            _read_all,
            help="drivers/charge-and-stop",
            live=_live_all,
            rest=1.0,
            section=SECTION,
        ),
        *(
            _page(
                path,
                "Charge here",
                "driver/at.html",
                _read_place,
                help="drivers/charge-and-stop",
                live=_live_place,
                section=SECTION,
            )
            for path in ("/d/at/{charger}", "/d/at/{charger}/{connector}")
        ),
        _page(
            "/d/sessions",
            "Your sessions",
            "driver/sessions.html",
            _read_sessions,
            help="drivers/what-i-pay",
            section="Sessions",
        ),
        _page(
            "/d/sessions/{id}",
            "Your session",
            "driver/session.html",
            _read_session,
            help="drivers/what-i-pay",
            live=_live_session,
            rest=1.0,
            section="Sessions",
        ),
        _page(
            "/d/statements",
            "What you pay",
            "driver/statements.html",
            _read_statements,
            help="drivers/what-i-pay#look-at-a-statement",
            section="Costs",
        ),
        _page(
            "/d/me",
            "You",
            "driver/me.html",
            _read_me,
            help="drivers/card-log-in-trouble",
            section="Me",
        ),
    )
)
