"""The feeder with its circuits, chargers and meters; the trial of a charger; a day: what was drawn,
and who was bound by what; and why a car gets what it gets now."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
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
from levity_trio.store.reads.people import driving
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.engine.problems import not_found
from levity_trio.web.api.load.feeder import METERS, LoadSocket, read_orders, read_site
from levity_trio.web.api.load.load import (
    NOTHING,
    LimitedCharger,
    LimitedLease,
    limited_chargers,
    read_load_day,
    read_memory,
    read_whys,
)
from levity_trio.web.dashboard.fields import TEXT, FormField, Suggestion
from levity_trio.web.dashboard.page import (
    ApiRefused,
    Changed,
    DashboardPage,
    LivePart,
    Look,
    PageView,
    Values,
    limited_charger,
    open_sessions,
    reading,
)
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
    costs: Counter[str] = Counter()
    if now is not None:
        for car in now.cars:
            if car.why_fixed == "ignores":
                costs[car.charger] += car.limit_a
    return costs


async def _read(view: PageView) -> Values:
    """Read a day; one that cannot be read is today, and why."""
    problem = ""
    try:
        shown = await view.look(_day, view, view.query.get("day") or None)
    except ApiRefused as refused:
        if refused.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            raise
        problem = refused.labelled
        shown = await view.look(_day, view, None)
    day = date.fromisoformat(shown.day)
    return {
        "day": shown,
        "problem": problem,
        "before": day - A_DAY,
        "after": day + A_DAY,
        "circuits": _circuits(view, shown),
        "wants": any(session.wanted_wh for session in shown.sessions),
    }


def _day(look: Look, view: PageView, day: str | None) -> LoadDayOfCars:
    return look(read_load_day, view.api.server, day)


def _circuits(view: PageView, day: LoadDayOfCars) -> list[Values]:
    """Return each circuit with its phases, and the same by the hour; those are open that say
    something."""
    lines: dict[str, list[LoadDayLine]] = {}
    for line in day.lines:
        lines.setdefault(line.circuit, []).append(line)
    bound = {limit.circuit for session in day.sessions for limit in session.bound}

    circuits: list[Values] = []
    for name, of_circuit in lines.items():
        # The feeder comes first.
        is_feeder = not circuits
        is_over = any(line.over_seconds for line in of_circuit)
        has_house = any(value is not None for line in of_circuit for value in line.house_a)
        circuit = {
            "name": name,
            "lines": of_circuit,
            "rows": _hours(view, day, of_circuit),
            "has_house": has_house,
            "is_open": is_feeder or name in bound or is_over,
        }
        circuits.append(circuit)
    return circuits


def _hours(
    view: PageView, day: LoadDayOfCars, lines: Sequence[LoadDayLine]
) -> list[tuple[str, list[float | None]]]:
    """Return the mean of each hour of which something is known: of each phase, house and cars."""
    since = moment(day.since)
    an_hour = HOUR // day.step_seconds
    count = len(day.lines[0].cars_a) * day.step_seconds // HOUR
    rows: list[tuple[str, list[float | None]]] = []
    for hour in range(count):
        part = slice(hour * an_hour, (hour + 1) * an_hour)
        means: list[float | None] = []
        for line in lines:
            for values in (line.house_a, line.cars_a):
                known = [value for value in values[part] if value is not None]
                means.append(sum(known) / len(known) if known else None)
        if any(mean is not None for mean in means):
            begin = in_zone(since + timedelta(hours=hour), view.api.zone)
            rows.append((f"{begin:%H:%M}", means))
    return rows


def _whys(look: Look, view: PageView) -> Values:
    charger = view.path["charger"]
    whys = look(read_whys, view.api.server.config.time_zone, charger)
    if whys is None:
        raise not_found(NOTHING)
    return {"charger": charger, "names": look(names), "whys": whys}


async def _feeder(view: PageView) -> Values:
    """Return the feeder as it holds, and as it would be if somebody wants to see that first."""
    asked = defaultdict(str, view.query)
    preview = None
    problem = ""
    if asked["amperes"] and view.may("PUT", SITE):
        try:
            entered = ("amperes", "kept", "most")
            amperes, kept, most = (float(asked[name].replace(",", ".") or 0) for name in entered)
            house: float | str = asked["house"]
            if house == "kept":
                house = kept or "unknown"
            feeder = {"amperes": amperes, "house": house, "address": asked["address"], "most": most}
            preview = await view.post(f"{SITE}/preview", feeder=feeder)
        except ApiRefused as refused:
            problem = refused.labelled
        except ValueError:
            problem = _("Give a number of amperes.")
    return {
        **await view.look(_known, view),
        "asked": asked,
        "form": _form(asked),
        "preview": preview,
        "problem": problem,
    }


def _known(look: Look, view: PageView) -> Values:
    """Return the feeder as it holds."""
    server = view.api.server
    known = look(read_site, server.stamp())
    at_home: dict[tuple[str | None, int | None], str] = {}
    for space in look(driving.spaces, server.stamp(), None):
        at_home[space.charger, space.connector] = space.account_name

    def household(charger: str, connector: int) -> str:
        """Return whose a connector is, or its whole charger."""
        return at_home.get((charger, connector)) or at_home.get((charger, None), "")

    # The newest orders of the grid operator. If they limit the connection, as those of earlier
    # versions did, and nobody has said so, there is a document for each answer.
    orders = look(read_orders, view.api.server).data[: -ORDERS - 1 : -1]
    documents = None
    is_said = f'of = "{CONNECTION}"' in known.toml
    if orders and orders[0].limits == CONNECTION and not is_said and view.may("PUT", SITE):
        head = known.toml if "[grid]" in known.toml else f"{known.toml}\n[grid]\n"
        documents = {
            of: head.replace("[grid]", f'[grid]\nof = "{of}"') for of in (CHARGERS, CONNECTION)
        }
    return {
        "known": known,
        "households": household,
        "names": look(names),
        "parts": {part.id: part for part in _chargers(look, view)},
        "memory": look(read_memory, server.stamp()),
        "orders": orders,
        "of_documents": documents,
    }


def _form(asked: Mapping[str, str]) -> list[FormField]:
    """Return what is asked of a feeder; base.css hides what is not about the house that was
    chosen."""
    houses = [
        Suggestion("none", _("Nothing: only chargers")),
        Suggestion("kept", _("A house, not measured")),
    ]
    measured = N_("A house, measured by %(meter)s")
    houses += [Suggestion(meter, _(measured, meter=meter)) for meter in METERS]
    houses.append(Suggestion("unknown", _("I do not know")))

    fields: list[FormField] = []
    for name, (label, words) in ASKED.items():
        is_house = name == "house"
        field = FormField(
            name=name,
            kind=TEXT,
            label=_(label),
            help=words and _(words),
            value=asked[name],
            is_required=True,
            is_enforced=name in ("amperes", "house", "most"),
            limits={"inputmode": "text" if name == "address" else "decimal"},
            offered=tuple(houses) if is_house else (),
            is_listed=is_house,
        )
        fields.append(field)
    return fields


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
    server = view.api.server
    now = look(load_now)
    known = look(read_site, server.stamp())
    limited = {charger.charger: charger for charger in look(limited_chargers, server.now())}
    rows: list[ConnectorRow] = []
    seen: set[str] = set()
    for socket in known.chargers:
        charger = limited.get(socket.charger)
        lease = None
        if charger is not None:
            leases = {each.connector: each for each in charger.leases}
            lease = leases.get(socket.connector)

        # How its charger is limited is said once, at its first connector.
        is_first = socket.charger not in seen
        seen.add(socket.charger)
        row = ConnectorRow(
            socket=socket, limited=charger if is_first else None, lease=lease, is_first=is_first
        )
        rows.append(row)
    values = {
        "is_entered": bool(known.toml),
        "kept": now.kept if now else [],
        "rows": rows,
        "count": len(seen),
        "managed": sum(charger.state == "managed" for charger in limited.values()),
        "others": [charger for charger in limited.values() if charger.charger not in seen],
        "costs": costs_of_disobedience(now),
        "names": look(names),
    }
    limits = LivePart("limits", "load/limits.html", values)
    return limits, LivePart("chargers", "load/chargers.html", values)


async def _live_feeder(view: PageView, _changed: Changed) -> Sequence[LivePart]:
    return await view.look(_chargers, view)


# The trial of a charger


async def _live_trial(view: PageView, _changed: Changed) -> Sequence[LivePart]:
    values = await view.look(_trial, view)
    part: LivePart = values["part_"]
    return [part]


def _trial(look: Look, view: PageView) -> Values:
    number = view.path["charger"]
    charger = look(chargers.charger, number)
    if charger is None:
        raise not_found(Told("charger {1}", number))
    trial = look(newest_trial, number)
    begun = {} if trial is None else {step["step"]: step for step in trial.steps}
    running = next((name for name, step in begun.items() if step["is_passed"] is None), None)
    values = {
        "charger": charger,
        "limited": limited_charger(look, view, number),
        "costs": costs_of_disobedience(look(load_now)),
        "trial": trial,
        "steps": [(name, words, begun.get(name)) for name, words in TRIED.items()],
        "running": running,
        "to_do": _(TO_DO.get(running or "", LEAVE)),
        "connectors": sorted({session.connector or 1 for session in open_sessions(look, number)}),
    }
    part = LivePart("trial", "load/trial.html", values)
    return {"charger": number, "name": charger.name or number, "part_": part}


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
            section="Chargers",
        ),
        DashboardPage(
            "/load/day",
            "A day of the feeder",
            "load_day.html",
            _read,
            help="tasks/feeder",
            section="Chargers",
        ),
    )
)
