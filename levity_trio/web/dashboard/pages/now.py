"""Now: is all well? The site, what wants a look, and a card for each charger; without chargers, the
way to the first.

A fact about a charger reads and renders its card only, beside the site and what wants a look. The
pictures are read when the whole page is: at least once a minute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

import orjson

from levity_trio.load.reporting import MARGIN, MARGIN_AMPERES
from levity_trio.locale import N_
from levity_trio.records import record
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.reads.chargers.security import Newcomer, newcomers
from levity_trio.store.reads.load.load import LoadLine, LoadMeter, LoadNow
from levity_trio.store.reads.load.load_day import sun_day
from levity_trio.store.reads.now import Now, SiteNow
from levity_trio.store.reads.now.attention import Attention
from levity_trio.store.reads.now.present import ChargerNow, ConnectorNow
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.reads.transactions.costs import numbers_of
from levity_trio.store.reads.transactions.transactions import TransactionFilters
from levity_trio.web.api.chargers.chargers import addresses_of
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.site.history import HistoryQuery, read_history, read_power
from levity_trio.web.api.site.now import read_now
from levity_trio.web.dashboard.charts import Sparkline, sparkline
from levity_trio.web.dashboard.operations import words_of
from levity_trio.web.dashboard.page import (
    EVERYTHING,
    SECTIONS,
    Changed,
    DashboardPage,
    LivePart,
    Look,
    PageView,
    Values,
    part_id,
)
from levity_trio.web.dashboard.progress import has_failed, short_steps
from levity_trio.web.dashboard.shapes import moment
from levity_trio.web.dashboard.words import StateInWords, state_of
from levity_trio.wire.times import in_zone

ADDRESSES: Final = "/api/admin/addresses"
MOST_NEWCOMERS: Final = 3
"""Newcomers that have a card each: more must not bury the chargers, so they have one line, which
leads to Review."""
MOST: Final = 16
"""Chargers that are read alone; of more, all are read."""
MENDED_AT: Final[Mapping[str, str]] = {
    "storage": "/system",
    "disk": "/system",
    "clock": "/system",
    "address": "/chargers",
    "backup": "/system/ways",
    "setting": "/system/ways",
    "webhook": "/system",
    "mqtt": "/system",
    "backend": "/backends",
    "wallet": "/accounts",
    "lost_card": "/review?kind=report",
    "report": "/review?kind=report",
    "review": "/review",
    "set_aside": "/review",
    "newcomer": "/review?kind=charger",
    "offline": "/chargers",
    "exceeded": "/load/day",
    "meter": "/load",
    "prices": "/tariffs",
    "ignored": "/load",
    "told": "/load",
    "kept": "/load",
    "unlimited": "/load",
    "turned_away": "",  # it has no page: nothing is stored of it
    "tags": "/review",
    "limit": "/accounts",
    "overdue": "/bills",
}
"""The pages where something that wants a look is mended, if not at its charger or session."""
AMONG_OTHERS: Final = ("ignored", "unlimited")
"""The kinds that are about one charger, and mended on a page that shows others, too."""
ROLES: Final = {one.path: one.role for one in SECTIONS} | {"/review": Role.OPERATOR}


@record(kw_only=False)
class NowParts:
    """The parts above the cards, the pictures, and the cards of the chargers that may have
    changed."""

    head: list[LivePart]
    pictures: list[LivePart]
    cards: list[LivePart]


async def _read(view: PageView) -> Values:
    """Read the whole page."""
    parts = await view.look(_parts, view, EVERYTHING)

    # Cards of one line come last: beside tall ones they would leave holes.
    speaking: list[LivePart] = []
    quiet: list[LivePart] = []
    for card in parts.cards:
        (quiet if card.values["is_quiet"] else speaking).append(card)
    return {"head": parts.head, "pictures": parts.pictures, "speaking": speaking, "quiet": quiet}


async def _live(view: PageView, changed: Changed) -> Sequence[LivePart]:
    """Read what may have changed on a page that is open."""
    parts = await view.look(_parts, view, changed)
    return [*parts.head, *parts.pictures, *parts.cards]


def _parts(look: Look, view: PageView, changed: Changed) -> NowParts:
    """Return the parts that may have changed, from one snapshot: those of the site, and the cards
    of the chargers that facts were about."""
    wanted: list[str] = []
    if changed is not EVERYTHING and len(changed) <= MOST:
        # Facts about the site have no charger.
        wanted = sorted(changed - {""})
    is_whole = not wanted
    now = _now(look, view, wanted)

    # If nobody serves the chargers that were asked for, they are newcomers, or retired: the page
    # may have its first charger, or none any more. What is said to the first one changes, too.
    if wanted and (not now.chargers or _is_first(look, now.site)):
        is_whole = True
        now = _now(look, view, [])

    # Newcomers have a card each, if they are few.
    waiting = sum(entry.count for entry in now.attention if entry.kind == "newcomer")
    shown_newcomers: Sequence[Newcomer] = ()
    if 0 < waiting <= MOST_NEWCOMERS:
        page = look(newcomers, WantedPage(limit=MOST_NEWCOMERS), is_waiting=True)
        shown_newcomers = page.data
    entries = [(attention, _path(view, attention)) for attention in now.attention]
    site = {"site": now.site, "has_chargers": bool(now.chargers)}
    head = [
        LivePart("site", "now/site.html", site),
        LivePart("attention", "now/attention.html", {"entries": entries}),
        LivePart("feeder", "now/feeder.html", feeder(now.load)),
        LivePart("sun", "now/sun.html", {"sun": now.load and now.load.sun}),
        LivePart("newcomers", "now/newcomers.html", {"newcomers": shown_newcomers}),
    ]
    if is_whole:
        head.append(LivePart("start", "now/start.html", _start(look, view, now)))
    cards = _cards(now, wanted)
    pictures: list[LivePart] = []
    if cards and changed is EVERYTHING:
        pictures = _pictures(look, view, now)
    return NowParts(head, pictures, cards)


def _now(look: Look, view: PageView, wanted: Sequence[str]) -> Now:
    """Read the site as it is now, with the chargers that are wanted; none of them means all."""
    return look(read_now, view.api.server, sees_all=view.sees_all, chosen=wanted or None)


def _cards(now: Now, wanted: Sequence[str]) -> list[LivePart]:
    """Return the cards that were read, and empty ones for chargers that were asked for and are
    served no more."""
    chargers_now = {charger.id: charger for charger in now.chargers}
    reasons: dict[tuple[str, int | None], str] = {}
    if now.load is not None:
        for car in now.load.cars:
            if car.bound not in QUIET_BOUNDS:
                reasons[car.charger, car.connector] = car.says

    cards: list[LivePart] = []
    for name in dict.fromkeys((*chargers_now, *wanted)):
        charger = chargers_now.get(name)
        values: Values = {"charger": None}
        if charger is not None:
            values = _card(charger, now.site, reasons)
        cards.append(LivePart(part_id("charger", name), "now/card.html", values))
    return cards


# What wants a look


def _path(view: PageView, attention: Attention) -> str | None:
    """Return the way to where something that wants a look is mended, if its reader may go there."""
    if attention.transaction is not None:
        path = f"/sessions/{attention.transaction}"
    elif attention.charger is not None and attention.kind not in AMONG_OTHERS:
        path = f"/chargers/{quote(attention.charger, safe='')}"
    else:
        path = MENDED_AT.get(attention.kind, "/review")

    page = path.partition("?")[0]
    needed = ROLES.get(page, Role.VIEWER)
    return path if view.caller.role >= needed else None


# The feeder

BAR: Final = 80
LIMIT, LIMIT_FAR = 70, 20
"""The length of a bar, and where in it the limit is: so that 1.14 times that fits, or else four
times."""
QUIET_STATUSES: Final = ("Available", "Unknown", None)
"""The statuses of a charger and its connectors of which a line says enough."""
QUIET_BOUNDS: Final = ("most", "full")
"""Why a car gets no more, by the rule's names, where nothing is short."""


@record
class Bar:
    """A phase with the lengths of its bar, which ends beyond the limit: at the limit, if what is
    kept for the house of a silent meter is not what it draws."""

    line: LoadLine
    house: int
    cars: int
    over: int
    over_a: int
    kept_a: int


def feeder(load: LoadNow | None) -> Values:
    """Return the bars of the feeder, and of each circuit that keeps a car from more or is above its
    limit."""
    if load is None:
        return {"circuits": []}
    lines: dict[str, list[LoadLine]] = {}
    for line in load.lines:
        lines.setdefault(line.circuit, []).append(line)
    tight = {car.circuit for car in load.cars} | {over.circuit for over in load.over}
    meters = {meter.circuit: meter for meter in load.meters if meter.measures == "circuit"}

    circuits: list[Values] = []
    for name, lines_of_circuit in lines.items():
        # The feeder itself comes first. It is always shown, and the grid operator's order is its.
        is_feeder = not circuits
        if not is_feeder and name not in tight:
            continue
        meter = meters.get(name)
        circuit = _circuit(name, lines_of_circuit, meter)
        circuits.append({**circuit, "order": load.grid_says if is_feeder else ""})
    waiting = sum(car.bound == "waits" for car in load.cars)
    return {"is_shadow": load.is_shadow, "waiting": waiting, "circuits": circuits}


def _circuit(name: str, lines: Sequence[LoadLine], meter: LoadMeter | None) -> Values:
    """Return a circuit with a bar for each phase, all to one scale."""
    limit_a = lines[0].limit_a
    is_stale = meter is not None and meter.is_stale
    limit = LIMIT
    for line in lines:
        # While its meter is silent, nobody knows what is drawn: no bar goes beyond the limit.
        if not is_stale and (line.house_a + line.cars_a) * LIMIT > BAR * line.limit_a:
            limit = LIMIT_FAR
    return {
        "name": name,
        "limit_a": limit_a,
        "meter": meter,
        "is_stale": is_stale,
        "limit": limit,
        "lines": [_bar(line, limit, is_stale=is_stale) for line in lines],
    }


def _bar(line: LoadLine, limit: int, *, is_stale: bool) -> Bar:
    """Return a phase with the lengths of its bar, in which the limit stands at `limit`."""
    scale = limit / (line.limit_a or 1)
    longest = limit if is_stale else BAR
    cars = min(longest, round(line.cars_a * scale))
    house = min(longest - cars, round(line.house_a * scale))

    # What is above the limit by less than an alarm needs is not shown as too much, either.
    drawn_a = line.house_a + line.cars_a
    margin_a = max(MARGIN_AMPERES, MARGIN * line.limit_a)
    over = over_a = 0
    if not is_stale and drawn_a - line.limit_a > margin_a:
        over_a = round(drawn_a - line.limit_a)
        over = max(0, house + cars - limit)
    kept_a = max(0, round(line.limit_a - drawn_a - line.free_a))
    return Bar(line=line, house=house, cars=cars, over=over, over_a=over_a, kept_a=kept_a)


# Pictures


def _pictures(look: Look, view: PageView, now: Now) -> list[LivePart]:
    """Return the day of the site with yesterday behind it, and this month beside the last."""
    server = view.api.server
    energy = now.site.energy
    history = None
    if view.caller.role >= Role.OPERATOR:
        last_month = in_zone(moment(energy.last_month_since), view.api.zone).date()
        query = HistoryQuery(by="month", since=str(last_month), costs=True)
        history = look(read_history, server, query)
    power = look(read_power, server)
    month = {"sums": energy, "history": history}
    shown: dict[str, Values] = {"day": {"day": power}, "month": month}
    if now.load is not None and now.load.sun is not None:
        shown["sun_day"] = {"day": look(sun_day, power)}
    return [
        LivePart(name, f"now/{name}.html", values, orjson.dumps(values))
        for name, values in shown.items()
    ]


# The first charger


def _is_first(look: Look, site: SiteNow) -> bool:
    """Whether a site has one charger, with which nobody has charged yet."""
    if site.sessions or site.energy.month_wh or site.energy.last_month_wh:
        return False
    two_chargers = look(chargers.chargers, None, None, WantedPage(limit=2)).data
    if len(two_chargers) != 1:
        return False
    return not look(numbers_of, TransactionFilters(), WantedPage(limit=1)).data


def _start(look: Look, view: PageView, now: Now) -> Values:
    """Return the way to the first charger; once it is connected, that it is, and what comes
    next."""
    if now.chargers:
        charger = now.chargers[0]
        is_there = charger.is_connected and _is_first(look, now.site)
        return {"is_empty": False, "first": (charger.name or charger.id) if is_there else None}
    if not view.may("GET", ADDRESSES):
        return {"is_empty": True, "addresses": []}

    # The library of codes takes memory, and is needed only here.
    from levity_trio.documents.qr import text_code  # noqa: PLC0415

    addresses = [(one, text_code(one.url)) for one in addresses_of(view.api.server.config)]
    return {"is_empty": True, "addresses": addresses}


# Cards


@record
class CardPlace:
    """A connector, or the charger itself, as a card shows it. `load` is why its car gets less than
    it could."""

    of: ConnectorNow
    state: StateInWords
    load: str | None = None
    who: str | None = None
    curve: Sparkline | None = None


def _card(
    charger: ChargerNow, site: SiteNow, reasons: Mapping[tuple[str, int | None], str]
) -> Values:
    """Return what a card shows. `reasons` say why cars get less than their chargers could give, by
    charger and connector."""
    connectors: list[CardPlace] = []
    for connector in charger.connectors:
        load = reasons.get((charger.id, connector.connector))
        session = connector.transaction
        if session is None:
            place = CardPlace(of=connector, state=state_of(connector.status), load=load)
        else:
            state = state_of(connector.status, session.held)
            who = session.who or session.id_tag
            curve = sparkline(session.curve)
            place = CardPlace(of=connector, state=state, load=load, who=who, curve=curve)
        connectors.append(place)

    # The charger itself is connector 0.
    itself = ConnectorNow(
        connector=0,
        type=None,
        status=charger.status,
        since=charger.status_since,
        error_code=charger.error_code,
        vendor_error_code=None,
        info=None,
        transaction=None,
    )
    command = charger.command
    return {
        "charger": charger,
        "site": site,
        "path": f"/admin/chargers/{quote(charger.id, safe='')}",
        "name": charger.name or charger.id,
        "whole": CardPlace(of=itself, state=state_of(charger.status)),
        "connectors": connectors,
        "command": command,
        "steps": command and short_steps(command),
        "has_failed": command and has_failed(command),
        "action": command and words_of(command.action),
        "is_quiet": _is_quiet(charger),
        "is_used": any(connector.transaction for connector in charger.connectors),
    }


def _is_quiet(charger: ChargerNow) -> bool:
    """Whether one line says all of a charger."""
    if charger.command is not None:
        return False
    if any(connector.transaction for connector in charger.connectors):
        return False
    if not charger.is_connected:
        return True
    if charger.error_code is not None or charger.status not in QUIET_STATUSES:
        return False
    for connector in charger.connectors:
        if connector.error_code is not None or connector.status not in QUIET_STATUSES:
            return False
    return True


PAGES: Final = N_(
    (
        DashboardPage(
            "/", "Now", "now.html", _read, help="tasks/a-charger-is-away", live=_live, section="Now"
        ),
    )
)
