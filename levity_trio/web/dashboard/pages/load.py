"""The feeder with its circuits, chargers and meters; the trial of a charger; a day: what was drawn, and who was bound
by what; and why a car gets what it gets now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any, Final

from levity_trio.locale import N_, _
from levity_trio.store.reads.leases import TRIED
from levity_trio.store.reads.load import LoadDayLine
from levity_trio.store.reads.load_day import LoadDayOfCars
from levity_trio.web.api.endpoints import Role
from levity_trio.web.api.feeder import METERS
from levity_trio.web.api.load import read_load_day
from levity_trio.web.dashboard.fields import TEXT, Field, Offer
from levity_trio.web.dashboard.looking import Look
from levity_trio.web.dashboard.page import (
    Changed,
    Page,
    Part,
    Values,
    View,
    limited_charger,
    names_of_chargers,
    open_sessions,
)
from levity_trio.web.dashboard.refused import Refused
from levity_trio.web.dashboard.shapes import moment
from levity_trio.wire.times import in_zone

SITE: Final = "/api/admin/load/site"
A_DAY: Final = timedelta(days=1)
HOUR: Final = 3600
ORDERS: Final = 10
CHARGERS, CONNECTION = "chargers", "connection"
LOOK_SECONDS: Final = 10.0
"""No fact tells that a limit was sent."""
TRIAL_SECONDS: Final = 2.0
"""No fact tells that a step of a trial has ended."""
LEAVE: Final = N_("Leave the car plugged in.")
TO_DO: Final[Mapping[str, str]] = N_(
    {
        "reset": "The charger restarts. If the car does not go on by itself, plug it in again and start it.",
        "link": "If the car does not charge, plug it in again and start it. Then leave it plugged in.",
        "waits": "While the link is cut: unplug the car, plug it in again and start it.",
    }
)
"""What the person beside the charger does in a step of its trial."""
ASKED: Final[Mapping[str, tuple[str, str]]] = N_(
    {
        "amperes": (
            "Limit of the feeder (A per phase)",
            (
                "Of its breaker, derated: less than what is printed on it in a warm cabinet or with ten breakers side "
                "by side. Ask your electrician. This is not a protective device."
            ),
        ),
        "house": (
            "What else hangs on it",
            "A meter measures house and chargers. Another one, or one over MQTT: as TOML, below.",
        ),
        "kept": (
            "Highest evening of the house (A per phase)",
            "Of the highest phase, as measured over a week or as your electrician states it. Cars never get this.",
        ),
        "address": ("Address of the meter", ""),
        "most": (
            "What one charger can draw (A per phase)",
            "16 for 11 kW, 32 for 22 kW; if they differ, the most.",
        ),
    }
)
"""What is asked of a feeder: label and help of each field."""


async def costs_of_disobedience(view: View) -> Mapping[str, int]:
    """Return how many amperes are kept for each charger that does not obey, and are lost to others."""
    now = await view.find("/api/load")
    costs = dict[str, int]()
    for car in () if now is None else now["cars"]:
        if car["why_fixed"] == "ignores":
            costs[car["charger"]] = costs.get(car["charger"], 0) + car["limit_a"]
    return costs


async def _read(view: View) -> Values:
    problem = ""
    try:
        found = await view.look(_day, view, view.query.get("day") or None)
    except Refused as refused:
        if refused.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            raise
        found, problem = await view.look(_day, view, None), refused.labelled
    day = date.fromisoformat(found.day)
    return {
        "day": found,
        "problem": problem,
        "before": day - A_DAY,
        "after": day + A_DAY,
        "circuits": [*_circuits(view, found)],
        "wants": any(one.wanted_wh for one in found.sessions),
    }


def _day(look: Look, view: View, day: str | None) -> LoadDayOfCars:
    return look(read_load_day, view.api.server, day)


def _circuits(view: View, day: LoadDayOfCars) -> Iterator[Values]:
    """Yield each circuit with its phases, and the same by the hour; those are open that say something."""
    lines = dict[str, list[LoadDayLine]]()
    for line in day.lines:
        lines.setdefault(line.circuit, []).append(line)
    bound = {each.circuit for one in day.sessions for each in one.bound}
    since, hours = moment(day.since), len(day.lines[0].cars_a) * day.step_seconds // HOUR if lines else 0
    an_hour = HOUR // day.step_seconds
    for place, (name, some) in enumerate(lines.items()):
        rows = []
        for hour in range(hours):
            part = slice(hour * an_hour, (hour + 1) * an_hour)
            values = [_mean(values[part]) for line in some for values in (line.house_a, line.cars_a)]
            if any(value is not None for value in values):
                rows.append((f"{in_zone(since + timedelta(hours=hour), view.api.zone):%H:%M}", values))
        yield {
            "name": name,
            "lines": some,
            "rows": rows,
            "has_house": any(value is not None for line in some for value in line.house_a),
            "is_open": not place or name in bound or any(line.over_seconds for line in some),
        }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


async def _read_why(view: View) -> Mapping[str, Any]:
    names = await names_of_chargers(view)
    found = (await view.get(f"/api/load/why/{view.path['charger']}"))["data"]
    return {"charger": view.path["charger"], "names": names, "whys": found}


async def _feeder(view: View) -> Mapping[str, Any]:
    """Return the feeder as it holds, and as it would be if somebody wants to see that first."""
    found = await view.get(SITE)
    asked, preview, problem = defaultdict(str, view.query), None, ""
    if asked["amperes"] and view.may("PUT", SITE):
        try:
            amperes, kept, most = (float(asked[name].replace(",", ".") or 0) for name in ("amperes", "kept", "most"))
            house = (kept or "unknown") if asked["house"] == "kept" else asked["house"]
            feeder = {"amperes": amperes, "house": house, "address": asked["address"], "most": most}
            preview = await view.post(f"{SITE}/preview", feeder=feeder)
        except (Refused, ValueError) as error:
            problem = error.labelled if isinstance(error, Refused) else _("Give a number of amperes.")
    names, at_home = (
        await names_of_chargers(view),
        {
            (one["charger"], one["connector"]): one["account_name"]
            for one in (await view.get("/api/admin/spaces"))["data"]
        },
    )
    return {
        "known": found,
        "asked": asked,
        "form": [*_form(asked)],
        "preview": preview,
        "problem": problem,
        "households": lambda charger, connector: at_home.get((charger, connector)) or at_home.get((charger, None), ""),
        "names": names,
        "parts": {one.id: one for one in await _chargers(view, found, names)},
        "memory": (await view.get("/api/load/memory"))["data"],
        **await _orders(view, found["toml"]),
    }


async def _orders(view: View, toml: str) -> Mapping[str, Any]:
    """Return the newest orders of the grid operator. If they limit the connection, as those of earlier versions did,
    and nobody has said so, there is a document for each answer."""
    orders = (await view.get("/api/admin/load/grid-orders"))["data"][: -ORDERS - 1 : -1]
    is_open = orders and orders[0]["limits"] == CONNECTION and f'of = "{CONNECTION}"' not in toml
    head = toml if "[grid]" in toml else f"{toml}\n[grid]\n"
    documents = {of: head.replace("[grid]", f'[grid]\nof = "{of}"') for of in (CHARGERS, CONNECTION)}
    return {"orders": orders, "of_documents": documents if is_open and view.may("PUT", SITE) else None}


def _form(asked: Mapping[str, str]) -> Iterator[Field]:
    """Yield what is asked of a feeder; base.css hides what is not about the house that was chosen."""
    houses = [Offer("none", _("Nothing: only chargers")), Offer("kept", _("A house, not measured"))]
    houses += [Offer(meter, _("A house, measured by %(meter)s", meter=meter)) for meter in METERS]
    houses.append(Offer("unknown", _("I do not know")))
    for name, (label, words) in ASKED.items():
        yield Field(
            name=name,
            kind=TEXT,
            label=_(label),
            help=words and _(words),
            value=asked[name],
            is_required=True,
            is_enforced=name in ("amperes", "house", "most"),
            limits={"inputmode": "text" if name == "address" else "decimal"},
            offered=tuple(houses) if name == "house" else (),
            is_listed=name == "house",
        )


async def _chargers(view: View, known: Mapping[str, Any], names: Mapping[str, str]) -> Sequence[Part]:
    """Return whether chargers are limited, and the chargers of the site with how they are limited."""
    limited = {one["charger"]: one for one in (await view.get("/api/load/chargers"))["data"]}
    rows, seen = [], set[str]()
    for socket in known["chargers"]:
        charger, connector = socket["charger"], socket["connector"]
        one = None if charger in seen else limited.get(charger)
        leases = (limited.get(charger) or {"leases": ()})["leases"]
        lease = next((each for each in leases if each["connector"] == connector), None)
        rows.append({**socket, "limited": one, "lease": lease, "is_first": charger not in seen})
        seen.add(charger)
    now = await view.find("/api/load")
    values = {
        "is_entered": bool(known["toml"]),
        "kept": now["kept"] if now else [],
        "rows": rows,
        "count": len(seen),
        "managed": sum(one["state"] == "managed" for one in limited.values()),
        "others": [one for one in limited.values() if one["charger"] not in seen],
        "costs": await costs_of_disobedience(view),
        "names": names,
    }
    return Part("limits", "load/limits.html", values), Part("chargers", "load/chargers.html", values)


async def _live_feeder(view: View, _changed: Changed) -> Sequence[Part]:
    return await _chargers(view, await view.get(SITE), await names_of_chargers(view))


# The trial of a charger


async def _read_trial(view: View) -> Mapping[str, Any]:
    names = await names_of_chargers(view)
    charger = view.path["charger"]
    return {"charger": charger, "name": names.get(charger, charger), "part_": await _trial(view)}


async def _live_trial(view: View, _changed: Changed) -> Sequence[Part]:
    return [await _trial(view)]


async def _trial(view: View) -> Part:
    charger = await view.get(f"/api/admin/chargers/{view.path['charger']}")
    trial = await view.find(f"/api/load/trials/{charger['id']}")
    found = {} if trial is None else {one["step"]: one for one in trial["steps"]}
    running = next((step for step, one in found.items() if one["is_passed"] is None), None)
    sessions = await view.look(open_sessions, charger["id"])
    values = {
        "charger": charger,
        "limited": await view.look(limited_charger, view, charger["id"]),
        "costs": await costs_of_disobedience(view),
        "trial": trial,
        "steps": [(step, words, found.get(step)) for step, words in TRIED.items()],
        "running": running,
        "to_do": _(TO_DO.get(running or "", LEAVE)),
        "connectors": sorted({one.connector or 1 for one in sessions}),
    }
    return Part("trial", "load/trial.html", values)


PAGES: Final = N_(
    (
        Page(
            "/load",
            "Feeder",
            "feeder.html",
            _feeder,
            role=Role.OPERATOR,
            help="tasks/feeder",
            section="Chargers",
            live=_live_feeder,
            seconds=LOOK_SECONDS,
        ),
        Page(
            "/load/try/{charger}",
            "The trial of a charger",
            "load_try.html",
            _read_trial,
            help="tasks/feeder",
            section="Chargers",
            live=_live_trial,
            seconds=TRIAL_SECONDS,
        ),
        Page(
            "/load/why/{charger}",
            "Why a car gets what it gets",
            "load_why.html",
            _read_why,
            help="tasks/feeder",
            section="Now",
        ),
        Page(
            "/load/day",
            "A day of the feeder",
            "load_day.html",
            _read,
            help="tasks/feeder",
            section="History",
        ),
    )
)
