"""History: energy by day and month, of the site, its chargers and its households."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from levity_trio.billing.months import Month
from levity_trio.locale import N_, _
from levity_trio.locale.formats import short_day, short_month
from levity_trio.web.dashboard.charts import Bar
from levity_trio.web.dashboard.fields import day_after
from levity_trio.web.dashboard.inside import Refused
from levity_trio.web.dashboard.page import Page, View
from levity_trio.web.dashboard.shapes import wrong_way_round

HISTORY: Final = "/api/history"
WATT_HOURS: Final = 1000
WHOSE: Final[Mapping[str, str]] = N_({"site": "the site", "charger": "each charger", "account": "each household"})
NOTHING: Final[Mapping[str, Any]] = {"periods": (), "series": ()}
LENGTHS: Final[Mapping[str, str]] = {"day": N_("day"), "month": N_("month")}


async def _read(view: View) -> Mapping[str, Any]:
    by = view.query.get("by") if view.query.get("by") in LENGTHS else "day"
    whose = {one: words for one, words in WHOSE.items() if one != "account" or view.may("GET", "/api/admin/accounts")}
    group = view.query.get("of") if view.query.get("of") in whose else "site"
    span = {name: view.query[name] for name in ("from", "to") if view.query.get(name)}
    problem = wrong_way_round(span.get("from"), span.get("to"))
    history, problem = (NOTHING, problem) if problem else await _found(view, {"by": by, "of": group, **_until(span)})
    return {
        "by": by,
        "group": group,
        "lengths": LENGTHS,
        "whose": whose,
        "given": span,
        "problem": problem,
        "series": [_shown(one, history["periods"], by) for one in history["series"]],
        "other": {one: urlencode({"by": by, "of": one, **span}) for one in whose},
    }


async def _found(view: View, query: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """Return the history, or none and what is wrong with the days that were asked for."""
    try:
        return await view.get(HISTORY, **query), ""
    except Refused as refused:
        if refused.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            raise
        return NOTHING, refused.labelled


def _until(span: Mapping[str, str]) -> dict[str, str]:
    """Return the days for the API, which leaves the last one out."""
    try:
        return {**span, "to": day_after(span["to"])}
    except (KeyError, ValueError):  # none, or one that the API refuses with words
        return dict(span)


def _shown(series: Mapping[str, Any], periods: Sequence[Mapping[str, Any]], by: str | None) -> Mapping[str, Any]:
    """Return a series: its rows, the newest first, and its bars in the order of time."""
    rows = [*_rows(series, periods, by)]
    drawn = [Bar(one["label"], one["energy_wh"] / WATT_HOURS, one["href"]) for one in rows]
    words = _(
        "Energy of %(name)s by %(length)s", name=series["name"] or _(WHOSE["site"]), length=_(LENGTHS[by or "day"])
    )
    return {"name": series["name"], "total": series["total"], "rows": rows[::-1], "bars": drawn, "words": words}


def _rows(series: Mapping[str, Any], periods: Sequence[Mapping[str, Any]], by: str | None) -> Iterator[dict[str, Any]]:
    """Yield each period with its figures and the sessions that it consists of."""
    whose = {name: series[name] for name in ("charger", "account") if series[name] is not None}
    for period, figures in zip(periods, series["figures"], strict=True):
        first, last = _days(period["name"], by)
        query = urlencode({**whose, "ended_since": first, "ended_before": last})
        label = short_day(first) if by == "day" else short_month(first)
        yield {**figures, "label": label, "name": period["name"], "href": f"/sessions?{query}"}


def _days(name: str, by: str | None) -> tuple[date, date]:
    """Return the first and the last day of a period."""
    if by == "day":
        return date.fromisoformat(name), date.fromisoformat(name)
    month = Month.parse(name)
    return month.first_day, month.next.first_day - timedelta(days=1)


PAGES: Final = N_((Page("/history", "History", "history.html", _read, help="tasks/close-a-month", section="History"),))
