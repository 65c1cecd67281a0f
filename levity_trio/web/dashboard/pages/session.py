"""One session: who, where, when and how much; why this figure; what happened; and what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta, tzinfo
from functools import partial
from typing import Any, Final

from levity_trio.billing.ownership import Ground
from levity_trio.charging.energy import DOUBTFUL
from levity_trio.charging.lifecycle import Answer, Kind, State, about_transaction
from levity_trio.locale import N_, _
from levity_trio.locale.formats import number
from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.charts import Band, Curve
from levity_trio.web.dashboard.money import money
from levity_trio.web.dashboard.page import EVERYTHING, Changed, Page, Part, View
from levity_trio.web.dashboard.saying import grounds
from levity_trio.web.dashboard.shapes import moment
from levity_trio.wire.times import shifted_stamp

ONE: Final = "/api/admin/transactions"
ACCOUNT: Final = f"{ONE}/{{id}}/account"
"""Whose it is: who may not see that sees no bill."""
LOGS: Final = "/api/logs"
MOST_WEIGHED: Final = 3000
"""Readings of a session up to which the page weighs all explanations again: 12 ms for 1,000 of them."""
MARGIN: Final = timedelta(minutes=1)
"""How long before and after a session its frames begin and end."""
READINGS: Final = 100
BILL: Final = "The bill"
"""Heads the last lines of an explanation, which are for those who see bills."""
SITE: Final = ""
"""Among what changed: a fact about no charger."""


async def _read(view: View) -> Mapping[str, Any]:
    known = await view.get(f"{ONE}/{view.path['id']}")
    return {"one": known, "parts": await _parts(view, known)}


async def _live(view: View, changed: Changed) -> Sequence[Part]:
    known = await view.get(f"{ONE}/{view.path['id']}")
    is_about = changed is EVERYTHING or not changed.isdisjoint({known["charger"], SITE})
    return await _parts(view, known) if is_about else []


async def _parts(view: View, known: Mapping[str, Any]) -> Sequence[Part]:
    path = f"{ONE}/{known['id']}"
    values = await view.get(f"{path}/meter-values", limit=1)
    count = int(values.get("total") or values.get("total_at_least") or 0)
    is_weighed = count <= MOST_WEIGHED or view.query.get("weighed") == "true"
    told = await view.get(f"{path}/explain", weighed=is_weighed)
    curve = await view.get(f"{path}/curve")
    events = (await view.get(f"{path}/events"))["data"]
    bill = told["bill"]
    values = {"one": known, "told": told, "bill": bill, "count": count, "is_weighed": is_weighed}
    lines = told["lines"]
    if bill is None and BILL in lines:
        lines = lines[: lines.index(BILL)]
    doubts = [one for one in told["reviews"] if one["resolved_at"] is None]
    return [
        Part(
            "head",
            "session/head.html",
            {
                **values,
                "doubts": doubts,
                "imported_doubt": _imported_doubt(known, events),
                "actions": await _actions(view, known, doubts, events),
            },
        ),
        Part("curves", "session/curves.html", {"known": curve, "count": count, **curves(curve, bill, view.api.zone)}),
        Part("why", "session/why.html", values),
        Part(
            "bill",
            "session/bill.html",
            {"bill": bill, "money": _money(bill), "grounds": grounds(bill, known["id_tag"])},
        ),
        Part("story", "session/story.html", {**values, "lines": lines, "sees_frames": view.may("GET", LOGS)}),
    ]


def _imported_doubt(known: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> str | None:
    """Return what speaks against the figure of an imported session, as its newest import found it."""
    if known["imported_id"] is None or known["confidence"] != DOUBTFUL:
        return None
    return next((str(one["reason"]) for one in reversed(events) if one["kind"] == Kind.IMPORT and one["reason"]), None)


# What can be done


async def _actions(
    view: View, known: Mapping[str, Any], doubts: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any]:
    """Return what an operator can do: the answers that this session takes, and which doubts can be dismissed."""
    if not view.may("POST", f"{ONE}/{{id}}/correct"):
        return {}
    state = State(known["state"])
    return {
        "answers": set(about_transaction(state, ())),
        "dismissible": {one["id"] for one in doubts if Answer.DISMISS in about_transaction(state, {one["code"]})},
        "event": max((one["id"] for one in events), default=""),
        "is_given": (await view.get(f"{ONE}/{known['id']}/account"))["ground"] == Ground.HAND,
    }


# Curves


def curves(known: Mapping[str, Any], bill: Mapping[str, Any] | None, zone: tzinfo) -> Mapping[str, Any]:
    """Return the curves of power and register, and the table beneath them."""
    since, until = moment(known["since"]), moment(known["until"])
    seconds = (until - since).total_seconds()
    powers = [(at, value / 1000) for at, *both in known["power"] for value in dict.fromkeys(both)]
    registers = [(at, wh / 1000) for at, wh in known["register"]]
    bands = [*_bands(known, bill, seconds)]
    power = Curve(
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
        "register": replace(power, words=words, unit=unit, points=registers, digits=3, is_area=False),
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


def _bands(known: Mapping[str, Any], bill: Mapping[str, Any] | None, seconds: float) -> Iterator[Band]:
    """Yield the stretches of time in which one price held, if there were several."""
    seams = bill["price"]["seams"] if bill and bill["price"] else ()
    if not seams:
        return
    since = moment(known["since"])
    edges = [0.0, *((moment(one["at"]) - since).total_seconds() for one in seams), seconds]
    names = [one or _("otherwise") for one in (seams[0]["ends"], *(one["begins"] for one in seams))]
    shades = {name: shade for shade, name in enumerate(dict.fromkeys(names))}
    for begin, end, name in zip(edges, edges[1:], names, strict=False):
        yield Band(begin, end, name, shades[name])


def _rows(known: Mapping[str, Any], seconds: float) -> Sequence[Mapping[str, Any]]:
    """Return the table of both curves: a row for each stretch of time in which something was told."""
    step = max(1.0, seconds / 240)
    by_number: dict[int, dict[str, Any]] = {}
    for at, least, most in known["power"]:
        by_number.setdefault(int(at / step), {"at": at}).update(least=least, most=most)
    for at, wh in known["register"]:
        by_number.setdefault(int(at / step), {"at": at}).update(wh=wh)
    rows = [row for _, row in sorted(by_number.items())]
    return [
        {
            "least": None,
            "most": None,
            "wh": None,
            **one,
            "at": shifted_stamp(known["since"], timedelta(seconds=one["at"])),
        }
        for one in rows
    ]


# Money


def _money(bill: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the amounts of a bill as texts."""
    if bill is None:
        return {}
    price, positions = bill["price"], bill["positions"]
    currency = price["currency"] if price else positions[-1]["currency"] if positions else None
    return {
        "price": price and money(price["amount"], currency),
        "lines": [(one["words"], money(one["amount"], currency)) for one in (price or {}).get("lines", ())],
        "billed": None if bill["billed_amount"] is None else money(bill["billed_amount"], currency),
        "positions": [(one, money(one["amount"], one["currency"])) for one in positions],
        "pending": [(one["account"], money(one["amount"], currency)) for one in bill["pending"]],
        "charges": [(one, money(one["amount"], one["currency"])) for one in bill["charges"]],
    }


# One tap deeper


async def _readings(view: View) -> Mapping[str, Any]:
    path = f"{ONE}/{view.path['id']}"
    measurand = view.query.get("measurand", "")
    return {
        "one": await view.get(path),
        "measurand": measurand,
        "found": await view.get(
            f"{path}/meter-values", measurand=measurand, limit=READINGS, cursor=view.query.get("cursor")
        ),
    }


async def _frames(view: View) -> Mapping[str, Any]:
    known = await view.get(f"{ONE}/{view.path['id']}")
    last = known["stop_time"] or known["last_reading_at"]
    window = {
        "from": shifted_stamp(min(known["start_time"], known["created_at"]), -MARGIN),
        "to": None if known["status"] == "Active" else shifted_stamp(max(last, known["updated_at"]), MARGIN),
    }
    action = view.query.get("action", "")
    asked = {"charger": known["charger"], "action": action, "limit": READINGS, "cursor": view.query.get("cursor")}
    return {"one": known, "action": action, "found": await view.get(LOGS, **asked, **window)}


_PATH: Final = "/sessions/{id}"
_SECTION: Final = N_("Sessions")
_page: Final = partial(Page, section=_SECTION)
PAGES: Final = N_(
    (
        _page(
            _PATH, "Session", "session.html", _read, help="tasks/a-neighbour-asks#2-explain-it", live=_live, rest=1.0
        ),
        _page(
            f"{_PATH}/readings",
            "Readings",
            "session/readings.html",
            _readings,
            help="tasks/a-session-in-doubt#2-look-at-the-evidence",
        ),
        _page(
            f"{_PATH}/frames",
            "Frames",
            "session/frames.html",
            _frames,
            help="explanation/what-happens-to-a-message",
            role=Role.OPERATOR,
        ),
    )
)
