"""Now: is all well? The site, what wants a look, and a card for each charger; without chargers, the
way to the first.

A fact about a charger reads and renders its card only, beside the site and what wants a look. The
pictures are read when the whole page is: at least once a minute.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote

import orjson

from levity_trio.load.reporting import MARGIN, MARGIN_AMPERES
from levity_trio.locale import N_
from levity_trio.records import record
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.reads.chargers.security import Newcomer, newcomers
from levity_trio.store.reads.load.load import LoadLine, LoadNow
from levity_trio.store.reads.now import Now
from levity_trio.store.reads.now.attention import Attention
from levity_trio.store.reads.now.cards import ChargerNow, ConnectorNow
from levity_trio.store.reads.now.site import SiteNow
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.reads.transactions.billed import numbers_of
from levity_trio.store.reads.transactions.transactions import TransactionFilters
from levity_trio.web.api.chargers.addresses import addresses_of
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.load.power import read_power
from levity_trio.web.api.site.history import HistoryQuery, read_history
from levity_trio.web.api.site.now import read_now
from levity_trio.web.dashboard.charts import Sparkline, sparkline
from levity_trio.web.dashboard.operations import words_of
from levity_trio.web.dashboard.page import (
    EVERYTHING,
    SECTIONS,
    Changed,
    DashboardPage,
    LivePart,
    PageView,
    Values,
    part_id,
)
from levity_trio.web.dashboard.progress import has_failed, short_steps
from levity_trio.web.dashboard.shapes import moment
from levity_trio.web.dashboard.snapshots import Look
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
    "backup": "/system",
    "webhook": "/system",
    "mqtt": "/system",
    "wallet": "/accounts",
    "lost_card": "/review?kind=report",
    "report": "/review?kind=report",
    "review": "/review",
    "set_aside": "/review",
    "newcomer": "/review?kind=charger",
    "offline": "/chargers",
    "exceeded": "/load/day",
    "meter": "/load",
    "ignored": "/load",
    "kept": "/load",
    "unlimited": "/load",
    "turned_away": "",  # it has no page: nothing is stored of it
    "tags": "/review",
    "limit": "/accounts",
}
AMONG_OTHERS: Final = ("ignored", "unlimited")
"""What is of one charger, and shown where others are, too."""
"""The pages where something that wants a look is mended, if not at its charger or session."""
ROLES: Final = {one.path: one.role for one in SECTIONS} | {"/review": Role.OPERATOR}


@record(kw_only=False)
class NowParts:
    """The parts above the cards, the pictures, and the cards of the chargers that may have
    changed."""

    head: list[LivePart]
    pictures: list[LivePart]
    cards: list[LivePart]


async def _read(view: PageView) -> Values:
    """Read the whole page. Cards of one line come last: beside tall ones they would leave holes."""
    parts = await view.look(_parts, view, EVERYTHING)
    return {
        "head": parts.head,
        "pictures": parts.pictures,
        "speaking": [one for one in parts.cards if not one.values["is_quiet"]],
        "quiet": [one for one in parts.cards if one.values["is_quiet"]],
    }


async def _live(view: PageView, changed: Changed) -> Sequence[LivePart]:
    parts = await view.look(_parts, view, changed)
    return [*parts.head, *parts.pictures, *parts.cards]


def _parts(look: Look, view: PageView, changed: Changed) -> NowParts:
    wanted = _asked_for(changed)
    now, is_whole = _now(look, view, wanted), not wanted
    if wanted and (not now.chargers or _is_first(look, now.site)):
        now, is_whole = (
            _now(look, view, ()),
            True,
        )  # they are newcomers, or retired; or the start has to change
    head = [
        LivePart("site", "now/site.html", {"site": now.site, "has_chargers": bool(now.chargers)}),
        LivePart(
            "attention",
            "now/attention.html",
            {"entries": [(one, _path(view, one)) for one in now.attention]},
        ),
        LivePart("feeder", "now/feeder.html", feeder(now.load)),
        LivePart("newcomers", "now/newcomers.html", {"newcomers": _newcomers(look, now.attention)}),
    ]
    if is_whole:
        head.append(LivePart("start", "now/start.html", _start(look, view, now)))
    cards = [*_cards(now, wanted)]
    return NowParts(
        head, _pictures(look, view, now) if cards and changed is EVERYTHING else [], cards
    )


def _now(look: Look, view: PageView, wanted: Collection[str]) -> Now:
    return look(read_now, view.api.server, sees_all=view.sees_all, chosen=wanted or None)


def _asked_for(changed: Changed) -> list[str]:
    """Return the chargers to be read, none for all."""
    return [] if changed is EVERYTHING or len(changed) > MOST else sorted(changed - {""})


def _cards(now: Now, wanted: Sequence[str]) -> Iterator[LivePart]:
    """Yield the cards that were read, and empty ones for chargers that were asked for and are
    served no more."""
    present = {one.id: one for one in now.chargers}
    cars = [] if now.load is None else now.load.cars
    load: Mapping[tuple[str, int | None], str] = {
        (one.charger, one.connector): one.says for one in cars if one.bound not in QUIET_BOUNDS
    }
    for name in dict.fromkeys((*present, *wanted)):
        yield LivePart(
            part_id("charger", name), "now/card.html", _card(present.get(name), now.site, load)
        )


# What wants a look


def _path(view: PageView, attention: Attention) -> str | None:
    """Return the way to where something that wants a look is mended, if its reader may go there."""
    path = _mended_at(attention)
    return path if view.caller.role >= ROLES.get(path.partition("?")[0], Role.VIEWER) else None


def _mended_at(attention: Attention) -> str:
    if attention.transaction is not None:
        return f"/sessions/{attention.transaction}"
    if attention.charger is not None and attention.kind not in AMONG_OTHERS:
        return f"/chargers/{quote(attention.charger, safe='')}"
    return MENDED_AT.get(attention.kind, "/review")


def _newcomers(look: Look, attention: Sequence[Attention]) -> Sequence[Newcomer]:
    """Return the newcomers that have a card, none if there are too many."""
    waiting = sum(one.count for one in attention if one.kind == "newcomer")
    if not 0 < waiting <= MOST_NEWCOMERS:
        return []
    return look(newcomers, WantedPage(limit=MOST_NEWCOMERS), is_waiting=True).data


# The feeder

BAR: Final = 80
LIMIT, LIMIT_FAR = 70, 20
"""The length of a bar, and where in it the limit is: so that 1.14 times that fits, or else four
times."""
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
    lines = dict[str, list[LoadLine]]()
    for line in load.lines:
        lines.setdefault(line.circuit, []).append(line)
    tight = {one.circuit for one in load.cars} | {one.circuit for one in load.over}
    meters = {one.circuit: one for one in load.meters}
    return {
        "is_shadow": load.is_shadow,
        "waiting": sum(one.bound == "waits" for one in load.cars),
        "circuits": [
            {
                "name": name,
                "limit_a": some[0].limit_a,
                "order": "" if place else load.grid_says,
                "meter": (meter := meters.get(name)),
                "is_stale": (is_stale := meter is not None and meter.is_stale),
                "limit": (limit := LIMIT_FAR if _is_far_over(some) and not is_stale else LIMIT),
                "lines": [_bar(one, limit, is_stale=is_stale) for one in some],
            }
            for place, (name, some) in enumerate(lines.items())
            if not place or name in tight
        ],
    }


def _is_far_over(lines: Iterable[LoadLine]) -> bool:
    return any((one.house_a + one.cars_a) * LIMIT > BAR * one.limit_a for one in lines)


def _bar(line: LoadLine, limit: int, *, is_stale: bool) -> Bar:
    scale, drawn_a = limit / (line.limit_a or 1), line.house_a + line.cars_a
    above_a = 0.0 if is_stale else drawn_a - line.limit_a
    longest = limit if is_stale else BAR
    cars = min(longest, round(line.cars_a * scale))
    house = min(longest - cars, round(line.house_a * scale))
    over_a = (
        round(above_a) if above_a > max(MARGIN_AMPERES, MARGIN * line.limit_a) else 0
    )  # as for alarms
    return Bar(
        line=line,
        house=house,
        cars=cars,
        over=max(0, house + cars - limit) if over_a else 0,
        over_a=over_a,
        kept_a=max(0, round(line.limit_a - drawn_a - line.free_a)),
    )


# Pictures


def _pictures(look: Look, view: PageView, now: Now) -> list[LivePart]:
    """Return the day of the site with yesterday behind it, and this month beside the last."""
    energy, server, history = now.site.energy, view.api.server, None
    if view.caller.role >= Role.OPERATOR:
        last = in_zone(moment(energy.last_month_since), view.api.zone).date()
        history = look(read_history, server, HistoryQuery(by="month", since=str(last), costs=True))
    day, month = {"day": look(read_power, server)}, {"sums": energy, "history": history}
    return [
        LivePart("day", "now/day.html", day, orjson.dumps(day)),
        LivePart("month", "now/month.html", month, orjson.dumps(month)),
    ]


# The first charger


def _is_first(look: Look, site: SiteNow) -> bool:
    """Whether a site has one charger, with which nobody has charged yet."""
    if site.sessions or site.energy.month_wh or site.energy.last_month_wh:
        return False
    if len(look(chargers.chargers, None, None, WantedPage(limit=2)).data) != 1:
        return False
    return not look(numbers_of, TransactionFilters(), WantedPage(limit=1)).data


def _start(look: Look, view: PageView, now: Now) -> Values:
    """Return the way to the first charger; once it is connected, that it is, and what comes
    next."""
    if now.chargers:
        first = now.chargers[0]
        is_there = first.is_connected and _is_first(look, now.site)
        return {"is_empty": False, "first": (first.name or first.id) if is_there else None}
    if not view.may("GET", ADDRESSES):
        return {"is_empty": True, "addresses": []}
    from levity_trio.documents.qr import text_code  # noqa: PLC0415 - its library takes memory, and is needed only here

    return {
        "is_empty": True,
        "addresses": [(one, text_code(one.url)) for one in addresses_of(view.api.server.config)],
    }


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
    charger: ChargerNow | None, site: SiteNow, load: Mapping[tuple[str, int | None], str]
) -> Values:
    """Return what a card shows; nothing of a charger that is served no more. `load` is why cars get
    less than their chargers could give, by their places."""
    if charger is None:
        return {"charger": None}
    command = charger.command
    return {
        "charger": charger,
        "site": site,
        "path": f"/admin/chargers/{quote(charger.id, safe='')}",
        "name": charger.name or charger.id,
        "whole": _whole(charger),
        "connectors": [
            _connector(one, load.get((charger.id, one.connector))) for one in charger.connectors
        ],
        "command": command,
        "steps": command and short_steps(command),
        "has_failed": command and has_failed(command),
        "action": command and words_of(command.action),
        "is_quiet": _is_quiet(charger),
        "is_used": any(one.transaction for one in charger.connectors),
    }


def _whole(charger: ChargerNow) -> CardPlace:
    """Return the charger itself, connector 0."""
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
    return CardPlace(of=itself, state=state_of(charger.status))


def _connector(connector: ConnectorNow, load: str | None) -> CardPlace:
    session = connector.transaction
    if session is None:
        return CardPlace(of=connector, state=state_of(connector.status), load=load)
    return CardPlace(
        of=connector,
        state=state_of(connector.status, is_held=bool(session.held)),
        load=load,
        who=session.who or session.id_tag,
        curve=sparkline(session.curve),
    )


def _is_quiet(charger: ChargerNow) -> bool:
    """Whether one line says all of a charger."""
    if charger.command is not None or any(one.transaction for one in charger.connectors):
        return False
    places = [
        (charger.status, charger.error_code),
        *((one.status, one.error_code) for one in charger.connectors),
    ]
    is_well = all(
        status in ("Available", "Unknown", None) and error is None for status, error in places
    )
    return is_well or not charger.is_connected


PAGES: Final = N_(
    (
        DashboardPage(
            "/", "Now", "now.html", _read, help="tasks/a-charger-is-away", live=_live, section="Now"
        ),
    )
)
