"""What pictures show, from what the API tells: their values, and the same as a table for those who cannot see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from levity_trio.locale import _
from levity_trio.web.dashboard.charts import Band, Layer, Steps
from levity_trio.web.dashboard.page import Values
from levity_trio.web.dashboard.shapes import kwh, moment, period
from levity_trio.wire.times import in_zone

HOUR: Final = 3600
KILO: Final = 1000.0


def day_values(day: Mapping[str, Any], zone: tzinfo) -> Values:
    """Return the picture of a day by charger, and its hours as a table. Without any energy there is no picture."""
    if not any(one or one is None for one in (*day["quarters"], *day["before"])):
        return {"picture": None}
    since, step = moment(day["since"]), day["step_seconds"]
    gaps = [_gap(one, since, zone) for one in day["gaps"]]
    course = Steps(
        words=_("Power of the site today in kW, and yesterday as a line"),
        unit="kW",
        since=since,
        until=moment(day["until"]),
        zone=zone,
        step=step,
        layers=[
            Layer(words=_sum(one), values=_kilowatts(one["quarters"], step), colour=one["number"])
            for one in day["chargers"]
        ],
        whole=_kilowatts(day["quarters"], step),
        behind=_kilowatts(day["before"], step),
        gaps=gaps,
    )
    return {"picture": course, "hours": [*_hours(day, since, zone)], "chargers": day["chargers"], "gaps": gaps}


def _sum(charger: Mapping[str, Any]) -> str:
    return f"{charger['name'] or charger['charger']}: {kwh(charger['energy_wh'])} kWh"


def _kilowatts(energies: Sequence[float | None], step: int) -> list[float | None]:
    """Return the mean power of each step in kW."""
    return [None if wh is None else wh * HOUR / step / KILO for wh in energies]


def _gap(gap: Mapping[str, Any], since: datetime, zone: tzinfo) -> Band:
    """Return a time of which a charger has not told when energy flowed."""
    begin, end = moment(gap["since"]), moment(gap["until"])
    words = _(
        "%(charger)s: not known, %(period)s",
        charger=gap["name"] or gap["charger"],
        period=period(begin, end, begin, zone),
    )
    return Band((begin - since).total_seconds(), (end - since).total_seconds(), words)


def _hours(day: Mapping[str, Any], since: datetime, zone: tzinfo) -> Iterator[tuple[str, int | None, int | None]]:
    """Yield the beginning of each hour, and its Wh today and yesterday, None where these are unknown."""
    an_hour = HOUR // day["step_seconds"]
    for number in range(max(len(day["quarters"]), len(day["before"])) // an_hour):
        part = slice(number * an_hour, (number + 1) * an_hour)
        begin = in_zone(since + timedelta(hours=number), zone)
        yield f"{begin:%H:%M}", _known(day["quarters"][part]), _known(day["before"][part])


def _known(energies: Sequence[int | None]) -> int | None:
    known = [wh for wh in energies if wh is not None]
    return sum(known) if known else None
