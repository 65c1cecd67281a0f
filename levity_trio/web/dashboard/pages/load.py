"""The feeder with its circuits, chargers and meters; the trial of a charger; a day: what was drawn,
and who was bound by what; and why a car gets what it gets now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from http import HTTPStatus
from typing import Final

from levity_trio.locale import N_, _
from levity_trio.records import record
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.reads.chargers.chargers import names
from levity_trio.store.reads.load.leases import TRIED, newest_trial
from levity_trio.store.reads.load.load import LoadDayLine, LoadNow, load_now
from levity_trio.store.reads.load.load_day import LoadDayOfCars
from levity_trio.store.reads.people import places
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.engine.problems import not_found
from levity_trio.web.api.load.feeder import METERS, LoadSocket, read_orders, read_site
from levity_trio.web.api.load.leases import (
    LimitedCharger,
    LimitedLease,
    limited_chargers,
    read_memory,
)
from levity_trio.web.api.load.load import NOTHING, read_load_day, read_whys
from levity_trio.web.dashboard.fields import TEXT, FormField, Suggestion
from levity_trio.web.dashboard.page import (
    Changed,
    DashboardPage,
    LivePart,
    PageView,
    Values,
    limited_charger,
    open_sessions,
    reading,
)
from levity_trio.web.dashboard.refusals import ApiRefused
from levity_trio.web.dashboard.shapes import moment
from levity_trio.web.dashboard.snapshots import Look
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
        "reset": (
            "The charger restarts. If the car does not go on by itself, plug it in again and "
            "start it."
        ),
        "link": (
            "If the car does not charge, plug it in again and start it. Then leave it plugged in."
        ),
        "waits": "While the link is cut: unplug the car, plug it in again and start it.",
    }
)
"""What the person beside the charger does in a step of its trial."""
ASKED: Final[Mapping[str, tuple[str, str]]] = N_(
    {
        "amperes": (
            "Limit of the feeder (A per phase)",
            (
                "Of its breaker, derated: less than what is printed on it in a warm cabinet or "
                "with ten breakers side by side. Ask your electrician. This is not a protective "
                "device."
            ),
        ),
        "house": (
            "What else hangs on it",
            "A meter measures house and chargers. Another one, or one over MQTT: as TOML, below.",
        ),
        "kept": (
            "Highest evening of the house (A per phase)",
            (
                "Of the highest phase, as measured over a week or as your electrician states it. "
                "Cars never get this."
            ),
        ),
        "address": ("Address of the meter", ""),
        "most": (
            "What one charger can draw (A per phase)",
            "16 for 11 kW, 32 for 22 kW; if they differ, the most.",
        ),
    }
)
"""What is asked of a feeder: label and help of each field."""


def costs_of_disobedience(now: LoadNow | None) -> Mapping[str, int]:
    """Return how many amperes are kept for each charger that does not obey, and are lost to
    others."""
    costs = dict[str, int]()
    for car in () if now is None else now.cars:
        if car.why_fixed == "ignores":
            costs[car.charger] = costs.get(car.charger, 0) + car.limit_a
    return costs


async def _read(view: PageView) -> Values:
    problem = ""
    try:
        found = await view.look(_day, view, view.query.get("day") or None)
    except ApiRefused as refused:
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


def _day(look: Look, view: PageView, day: str | None) -> LoadDayOfCars:
    return look(read_load_day, view.api.server, day)


def _circuits(view: PageView, day: LoadDayOfCars) -> Iterator[Values]:
    """Yield each circuit with its phases, and the same by the hour; those are open that say
    something."""
    lines = dict[str, list[LoadDayLine]]()
    for line in day.lines:
        lines.setdefault(line.circuit, []).append(line)
    bound = {each.circuit for one in day.sessions for each in one.bound}
    since, hours = (
        moment(day.since),
        len(day.lines[0].cars_a) * day.step_seconds // HOUR if lines else 0,
    )
    an_hour = HOUR // day.step_seconds
    for place, (name, some) in enumerate(lines.items()):
        rows = []
        for hour in range(hours):
            part = slice(hour * an_hour, (hour + 1) * an_hour)
            values = [
                _mean(values[part]) for line in some for values in (line.house_a, line.cars_a)
            ]
            if any(value is not None for value in values):
                rows.append(
                    (f"{in_zone(since + timedelta(hours=hour), view.api.zone):%H:%M}", values)
                )
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


def _whys(look: Look, view: PageView) -> Values:
    charger = view.path["charger"]
    if (found := look(read_whys, view.api.server.config.time_zone, charger)) is None:
        raise not_found(NOTHING)
    return {"charger": charger, "names": look(names), "whys": found}


async def _feeder(view: PageView) -> Values:
    """Return the feeder as it holds, and as it would be if somebody wants to see that first."""
    asked, preview, problem = defaultdict(str, view.query), None, ""
    if asked["amperes"] and view.may("PUT", SITE):
        try:
            amperes, kept, most = (
                float(asked[name].replace(",", ".") or 0) for name in ("amperes", "kept", "most")
            )
            house = (kept or "unknown") if asked["house"] == "kept" else asked["house"]
            feeder = {"amperes": amperes, "house": house, "address": asked["address"], "most": most}
            preview = await view.post(f"{SITE}/preview", feeder=feeder)
        except (ApiRefused, ValueError) as error:
            problem = (
                error.labelled if isinstance(error, ApiRefused) else _("Give a number of amperes.")
            )
    return {
        **await view.look(_known, view),
        "asked": asked,
        "form": [*_form(asked)],
        "preview": preview,
        "problem": problem,
    }


def _known(look: Look, view: PageView) -> Values:
    """Return the feeder as it holds."""
    server = view.api.server
    known, spaces = look(read_site, server.stamp()), look(places.spaces, server.stamp(), None)
    at_home = {(one.charger, one.connector): one.account_name for one in spaces}
    return {
        "known": known,
        "households": lambda charger, connector: (
            at_home.get((charger, connector)) or at_home.get((charger, None), "")
        ),
        "names": look(names),
        "parts": {one.id: one for one in _chargers(look, view)},
        "memory": look(read_memory, server.stamp()),
        **_orders(look, view, known.toml),
    }


def _orders(look: Look, view: PageView, toml: str) -> Values:
    """Return the newest orders of the grid operator. If they limit the connection, as those of
    earlier versions did, and nobody has said so, there is a document for each answer."""
    orders = look(read_orders, view.api.server).data[: -ORDERS - 1 : -1]
    is_open = orders and orders[0].limits == CONNECTION and f'of = "{CONNECTION}"' not in toml
    head = toml if "[grid]" in toml else f"{toml}\n[grid]\n"
    documents = {
        of: head.replace("[grid]", f'[grid]\nof = "{of}"') for of in (CHARGERS, CONNECTION)
    }
    return {
        "orders": orders,
        "of_documents": documents if is_open and view.may("PUT", SITE) else None,
    }


def _form(asked: Mapping[str, str]) -> Iterator[FormField]:
    """Yield what is asked of a feeder; base.css hides what is not about the house that was
    chosen."""
    houses = [
        Suggestion("none", _("Nothing: only chargers")),
        Suggestion("kept", _("A house, not measured")),
    ]
    houses += [
        Suggestion(meter, _("A house, measured by %(meter)s", meter=meter)) for meter in METERS
    ]
    houses.append(Suggestion("unknown", _("I do not know")))
    for name, (label, words) in ASKED.items():
        yield FormField(
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


@record
class ConnectorRow:
    """A connector of the site, and how its charger is limited: said at the first one."""

    socket: LoadSocket
    limited: LimitedCharger | None
    lease: LimitedLease | None
    is_first: bool


def _chargers(look: Look, view: PageView) -> Sequence[LivePart]:
    """Return whether chargers are limited, and the chargers of the site with how they are
    limited."""
    server, now = view.api.server, look(load_now)
    known, limited = (
        look(read_site, server.stamp()),
        {one.charger: one for one in look(limited_chargers, server.now())},
    )
    rows, seen = list[ConnectorRow](), set[str]()
    for socket in known.chargers:
        one = limited.get(socket.charger)
        lease = (
            next((each for each in one.leases if each.connector == socket.connector), None)
            if one
            else None
        )
        is_first = socket.charger not in seen
        rows.append(
            ConnectorRow(
                socket=socket, limited=one if is_first else None, lease=lease, is_first=is_first
            )
        )
        seen.add(socket.charger)
    values = {
        "is_entered": bool(known.toml),
        "kept": now.kept if now else [],
        "rows": rows,
        "count": len(seen),
        "managed": sum(one.state == "managed" for one in limited.values()),
        "others": [one for one in limited.values() if one.charger not in seen],
        "costs": costs_of_disobedience(now),
        "names": look(names),
    }
    return LivePart("limits", "load/limits.html", values), LivePart(
        "chargers", "load/chargers.html", values
    )


async def _live_feeder(view: PageView, _changed: Changed) -> Sequence[LivePart]:
    return await view.look(_chargers, view)


# The trial of a charger


async def _live_trial(view: PageView, _changed: Changed) -> Sequence[LivePart]:
    part: LivePart = (await view.look(_trial, view))["part_"]
    return [part]


def _trial(look: Look, view: PageView) -> Values:
    name = view.path["charger"]
    if (charger := look(chargers.charger, name)) is None:
        raise not_found(Told("charger {1}", name))
    trial = look(newest_trial, name)
    found = {} if trial is None else {one["step"]: one for one in trial.steps}
    running = next((step for step, one in found.items() if one["is_passed"] is None), None)
    values = {
        "charger": charger,
        "limited": limited_charger(look, view, name),
        "costs": costs_of_disobedience(look(load_now)),
        "trial": trial,
        "steps": [(step, words, found.get(step)) for step, words in TRIED.items()],
        "running": running,
        "to_do": _(TO_DO.get(running or "", LEAVE)),
        "connectors": sorted({one.connector or 1 for one in open_sessions(look, name)}),
    }
    return {
        "charger": name,
        "name": charger.name or name,
        "part_": LivePart("trial", "load/trial.html", values),
    }


PAGES: Final = N_(
    (
        DashboardPage(
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
        DashboardPage(
            "/load/try/{charger}",
            "The trial of a charger",
            "load_try.html",
            reading(_trial),
            help="tasks/feeder",
            section="Chargers",
            live=_live_trial,
            seconds=TRIAL_SECONDS,
        ),
        DashboardPage(
            "/load/why/{charger}",
            "Why a car gets what it gets",
            "load_why.html",
            reading(_whys),
            help="tasks/feeder",
            section="Now",
        ),
        DashboardPage(
            "/load/day",
            "A day of the feeder",
            "load_day.html",
            _read,
            help="tasks/feeder",
            section="History",
        ),
    )
)
