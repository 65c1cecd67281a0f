"""The feeder with its circuits, chargers and meters; a day of it: what was drawn, and who was bound by what; and why a
car gets what it gets now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any, Final

from levity_trio.locale import N_, _
from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.inside import Refused
from levity_trio.web.dashboard.page import Page, View, names_of_chargers
from levity_trio.web.dashboard.saying import in_words
from levity_trio.web.dashboard.shapes import moment
from levity_trio.wire.times import in_zone

DAY: Final = "/api/load/day"
SITE: Final = "/api/admin/load/site"
A_DAY: Final = timedelta(days=1)
HOUR: Final = 3600


async def _read(view: View) -> Mapping[str, Any]:
    try:
        found, problem = await view.get(DAY, day=view.query.get("day")), ""
    except Refused as refused:
        if refused.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            raise
        found, problem = await view.get(DAY), refused.labelled
    day = date.fromisoformat(found["day"])
    return {
        "day": found,
        "problem": problem,
        "before": day - A_DAY,
        "after": day + A_DAY,
        "circuits": [*_circuits(view, found)],
        "wants": any(one["wanted_wh"] for one in found["sessions"]),
    }


def _circuits(view: View, day: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield each circuit with its phases, and the same by the hour; those are open that say something."""
    lines = dict[str, list[Mapping[str, Any]]]()
    for line in day["lines"]:
        lines.setdefault(line["circuit"], []).append(line)
    bound = {each["circuit"] for one in day["sessions"] for each in one["bound"]}
    since, hours = moment(day["since"]), len(day["lines"][0]["cars_a"]) * day["step_seconds"] // HOUR if lines else 0
    an_hour = HOUR // day["step_seconds"]
    for place, (name, some) in enumerate(lines.items()):
        rows = []
        for hour in range(hours):
            part = slice(hour * an_hour, (hour + 1) * an_hour)
            values = [_mean(line[what][part]) for line in some for what in ("house_a", "cars_a")]
            if any(value is not None for value in values):
                rows.append((f"{in_zone(since + timedelta(hours=hour), view.api.zone):%H:%M}", values))
        yield {
            "name": name,
            "lines": some,
            "rows": rows,
            "is_open": not place or name in bound or any(line["over_seconds"] for line in some),
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
    amperes, preview, problem = view.query.get("amperes", "").strip(), None, ""
    if amperes and view.may("PUT", SITE):
        try:
            preview = await view.post(f"{SITE}/preview", amperes=float(amperes.replace(",", ".")))
        except (Refused, ValueError) as error:
            problem = in_words(error.told) if isinstance(error, Refused) else _("Give a number of amperes.")
    at_home = {
        (one["charger"], one["connector"]): one["account_name"] for one in (await view.get("/api/admin/spaces"))["data"]
    }
    return {
        "known": found,
        "amperes": amperes,
        "preview": preview,
        "problem": problem,
        "households": lambda charger, connector: at_home.get((charger, connector)) or at_home.get((charger, None), ""),
        "names": await names_of_chargers(view),
    }


PAGES: Final = N_(
    (
        Page("/load", "Feeder", "feeder.html", _feeder, role=Role.OPERATOR, help="tasks/feeder", section="Chargers"),
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
