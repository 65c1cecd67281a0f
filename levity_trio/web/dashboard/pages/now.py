"""Now: is all well? The site, what wants a look, and a card for each charger; without chargers, the way to the first.

A fact about a charger reads and renders its card only, beside the site and what wants a look. The pictures are read
when the whole page is: at least once a minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import orjson

from levity_trio.load.keeping import MARGIN, MARGIN_AMPERES
from levity_trio.locale import N_
from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.charts import sparkline
from levity_trio.web.dashboard.course import has_failed, short_steps
from levity_trio.web.dashboard.operations import words_of
from levity_trio.web.dashboard.page import EVERYTHING, SECTIONS, Changed, Page, Part, Values, View, part_id
from levity_trio.web.dashboard.saying import state_of
from levity_trio.web.dashboard.shapes import moment
from levity_trio.wire.times import in_zone

NOW: Final = "/api/now"
ADDRESSES: Final = "/api/admin/addresses"
CHARGERS: Final = "/api/admin/chargers"
TRANSACTIONS: Final = "/api/admin/transactions"
NEWCOMERS: Final = "/api/admin/newcomers"
POWER: Final = "/api/power"
HISTORY: Final = "/api/history"
SEPARATOR: Final = ","
"""Between identities in a query. One that contains it cannot be asked for alone."""
MOST_NEWCOMERS: Final = 3
"""That have a card each: more must not bury the chargers, so they have one line, which leads to Review."""
MOST: Final = 16
"""Chargers that are asked for by their names; of more, all are read."""
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
"""Where something that wants a look is mended, if not at its charger or session."""
ROLES: Final = {one.path: one.role for one in SECTIONS} | {"/review": Role.OPERATOR}


async def _read(view: View) -> Values:
    """Read the whole page. Cards of one line come last: beside tall ones they would leave holes."""
    head, pictures, cards = await _parts(view, EVERYTHING)
    return {
        "head": head,
        "pictures": pictures,
        "speaking": [one for one in cards if not one.values["is_quiet"]],
        "quiet": [one for one in cards if one.values["is_quiet"]],
    }


async def _live(view: View, changed: Changed) -> Sequence[Part]:
    head, pictures, cards = await _parts(view, changed)
    return [*head, *pictures, *cards]


async def _parts(view: View, changed: Changed) -> tuple[list[Part], list[Part], list[Part]]:
    """Return the parts above the cards, the pictures, and the cards of the chargers that may have changed."""
    wanted = _asked_for(changed)
    now = await view.get(NOW, charger=SEPARATOR.join(wanted))
    is_whole = not wanted
    if wanted and (not now["chargers"] or await _is_first(view, now["site"])):
        now, is_whole = await view.get(NOW), True  # they are newcomers, or retired; or the start has to change
    head = [
        Part("site", "now/site.html", {"site": now["site"], "has_chargers": bool(now["chargers"])}),
        Part("attention", "now/attention.html", {"entries": [_entry(view, one) for one in now["attention"]]}),
        Part("feeder", "now/feeder.html", feeder(now["load"])),
        Part("newcomers", "now/newcomers.html", {"newcomers": await _newcomers(view, now["attention"])}),
    ]
    if is_whole:
        head.append(Part("start", "now/start.html", await _start(view, now)))
    cards = [*_cards(now, wanted)]
    return head, await _pictures(view, now) if cards and changed is EVERYTHING else [], cards


def _asked_for(changed: Changed) -> list[str]:
    """Return the chargers to be read, none for all."""
    if changed is EVERYTHING or len(changed) > MOST or any(SEPARATOR in one for one in changed):
        return []
    return sorted(changed - {""})


def _cards(now: Mapping[str, Any], wanted: Sequence[str]) -> Iterator[Part]:
    """Yield the cards that were read, and empty ones for chargers that were asked for and are served no more."""
    present = {one["id"]: one for one in now["chargers"]}
    load = {(one["charger"], one["connector"]): one for one in (now["load"] or {"cars": ()})["cars"] if _is_short(one)}
    for name in dict.fromkeys((*present, *wanted)):
        yield Part(part_id("charger", name), "now/card.html", _card(present.get(name), now["site"], load))


# What wants a look


def _entry(view: View, attention: Mapping[str, Any]) -> Values:
    """Return something that wants a look, with the way to where it is mended, if its reader may go there."""
    path = _mended_at(attention)
    may_go = view.caller.role >= ROLES.get(path.partition("?")[0], Role.VIEWER)
    return {**attention, "path": path if may_go else None}


def _mended_at(attention: Mapping[str, Any]) -> str:
    if attention["transaction"] is not None:
        return f"/sessions/{attention['transaction']}"
    if attention["charger"] is not None and attention["kind"] not in AMONG_OTHERS:
        return f"/chargers/{quote(attention['charger'], safe='')}"
    return MENDED_AT.get(attention["kind"], "/review")


async def _newcomers(view: View, attention: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return the newcomers that have a card, none if there are too many."""
    waiting = sum(one["count"] for one in attention if one["kind"] == "newcomer")
    if not 0 < waiting <= MOST_NEWCOMERS:
        return []
    found: Sequence[Mapping[str, Any]] = (await view.get(NEWCOMERS, waiting=True, limit=MOST_NEWCOMERS))["data"]
    return found


# The feeder

BAR: Final = 80
LIMIT, LIMIT_FAR = 70, 20
"""The length of a bar, and where in it the limit is: so that 1.14 times that fits, or else four times."""
QUIET_BOUNDS: Final = ("most", "full")
"""Why a car gets no more, by the rule's names, where nothing is short."""


def _is_short(car: Mapping[str, Any]) -> bool:
    return car["bound"] not in QUIET_BOUNDS


def feeder(load: Mapping[str, Any] | None) -> Values:
    """Return the bars of the feeder, and of each circuit that keeps a car from more or is above its limit."""
    if load is None:
        return {"circuits": []}
    lines = dict[str, list[Mapping[str, Any]]]()
    for line in load["lines"]:
        lines.setdefault(line["circuit"], []).append(line)
    tight = {one["circuit"] for one in (*load["cars"], *load["over"])}
    meters = {one["circuit"]: one for one in load["meters"]}
    return {
        "is_shadow": load["is_shadow"],
        "waiting": sum(one["bound"] == "waits" for one in load["cars"]),
        "circuits": [
            {
                "name": name,
                "limit_a": some[0]["limit_a"],
                "order": "" if place else load["grid_says"],
                "meter": (meter := meters.get(name)),
                "is_stale": (is_stale := meter is not None and meter["is_stale"]),
                "limit": (limit := LIMIT_FAR if _is_far_over(some) and not is_stale else LIMIT),
                "lines": [_bar(one, limit, is_stale=is_stale) for one in some],
            }
            for place, (name, some) in enumerate(lines.items())
            if not place or name in tight
        ],
    }


def _is_far_over(lines: Iterable[Mapping[str, Any]]) -> bool:
    return any((one["house_a"] + one["cars_a"]) * LIMIT > BAR * one["limit_a"] for one in lines)


def _bar(line: Mapping[str, Any], limit: int, *, is_stale: bool) -> Values:
    """Return a phase with the lengths of its bar, which ends beyond the limit: at the limit, if what is kept for the
    house of a silent meter is not what it draws."""
    scale, house_a, cars_a = limit / (line["limit_a"] or 1), line["house_a"], line["cars_a"]
    above_a = 0.0 if is_stale else house_a + cars_a - line["limit_a"]
    longest = limit if is_stale else BAR
    cars = min(longest, round(cars_a * scale))
    house = min(longest - cars, round(house_a * scale))
    over = round(above_a) if above_a > max(MARGIN_AMPERES, MARGIN * line["limit_a"]) else 0  # as for alarms
    kept = max(0, round(line["limit_a"] - house_a - cars_a - line["free_a"]))
    ends = {"house": house, "cars": cars, "over": max(0, house + cars - limit) if over else 0}
    return {**line, **ends, "over_a": over, "kept_a": kept}


# Pictures


async def _pictures(view: View, now: Mapping[str, Any]) -> list[Part]:
    """Return the day of the site with yesterday behind it, and this month beside the last."""
    energy, zone = now["site"]["energy"], view.api.zone
    history = None
    if view.caller.role >= Role.OPERATOR:
        last = in_zone(moment(energy["last_month_since"]), zone).date()
        history = await view.get(HISTORY, by="month", from_=last, costs=True)
    day, month = {"day": await view.get(POWER)}, {"sums": energy, "history": history}
    return [
        Part("day", "now/day.html", day, orjson.dumps(day)),
        Part("month", "now/month.html", month, orjson.dumps(month)),
    ]


# The first charger


async def _is_first(view: View, site: Mapping[str, Any]) -> bool:
    """Whether a site has one charger, with which nobody has charged yet."""
    energy = site["energy"]
    if site["sessions"] or energy["month_wh"] or energy["last_month_wh"]:
        return False
    if len((await view.get(CHARGERS, limit=2))["data"]) != 1:
        return False
    return not (await view.get(TRANSACTIONS, limit=1))["data"]


async def _start(view: View, now: Mapping[str, Any]) -> Values:
    """Return the way to the first charger; once it is connected, that it is, and what comes next."""
    if now["chargers"]:
        (first, *_) = now["chargers"]
        is_there = first["is_connected"] and await _is_first(view, now["site"])
        return {"is_empty": False, "first": (first["name"] or first["id"]) if is_there else None}
    if not view.may("GET", ADDRESSES):
        return {"is_empty": True, "addresses": []}
    from levity_trio.documents.qr import text_code  # noqa: PLC0415 - its library takes memory, and is needed only here

    addresses = (await view.get(ADDRESSES))["chargers"]
    return {"is_empty": True, "addresses": [{**one, "code": text_code(one["url"])} for one in addresses]}


# Cards


def _card(
    charger: Mapping[str, Any] | None, site: Mapping[str, Any], load: Mapping[tuple[str, int], Mapping[str, Any]]
) -> Values:
    """Return what a card shows; nothing of a charger that is served no more. `load` are the cars that get less than
    their chargers could give, by their places."""
    if charger is None:
        return {"charger": None}
    command = charger["command"]
    return {
        "charger": charger,
        "site": site,
        "path": f"/admin/chargers/{quote(charger['id'], safe='')}",
        "name": charger["name"] or charger["id"],
        "whole": _whole(charger),
        "connectors": [_connector(one, load.get((charger["id"], one["connector"]))) for one in charger["connectors"]],
        "command": command and {**command, "steps": short_steps(command), "has_failed": has_failed(command)},
        "action": command and words_of(command["action"]),
        "is_quiet": _is_quiet(charger),
        "is_used": any(one["transaction"] for one in charger["connectors"]),
    }


def _whole(charger: Mapping[str, Any]) -> Values:
    """Return the charger itself, connector 0, as a connector is shown."""
    return {
        "state": state_of(charger["status"]),
        "status": charger["status"],
        "since": charger["status_since"],
        "error_code": charger["error_code"],
        "vendor_error_code": None,
        "info": None,
    }


def _connector(connector: Mapping[str, Any], load: Mapping[str, Any] | None) -> Values:
    session = connector["transaction"]
    return {
        **connector,
        "load": load and load["says"],
        "state": state_of(connector["status"], is_held=bool(session and session["held"])),
        "who": session and (session["who"] or session["id_tag"]),
        "curve": session and sparkline(session["curve"]),
    }


def _is_quiet(charger: Mapping[str, Any]) -> bool:
    """Whether one line says all of a charger."""
    is_idle = all(one["transaction"] is None for one in charger["connectors"])
    if charger["command"] is not None or not is_idle:
        return False
    places = (charger, *charger["connectors"])
    is_well = all(one["status"] in ("Available", "Unknown", None) and one["error_code"] is None for one in places)
    return is_well or not charger["is_connected"]


PAGES: Final = N_((Page("/", "Now", "now.html", _read, help="tasks/a-charger-is-away", live=_live, section="Now"),))
