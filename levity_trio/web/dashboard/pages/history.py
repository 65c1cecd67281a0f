"""History: energy and costs by day and month, of the site, chargers and households; energy by the hour of the week."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlencode

from levity_trio.billing.months import Month
from levity_trio.locale import N_, _
from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.fields import day_after
from levity_trio.web.dashboard.page import MOST_CHARGERS, Page, View
from levity_trio.web.dashboard.pictures import ENERGY, SHOWN, label_of, stacks, week_values
from levity_trio.web.dashboard.refused import Refused
from levity_trio.web.dashboard.shapes import wrong_way_round

HISTORY: Final = "/api/history"
WEEK: Final = "/api/history/week"
WHOSE: Final[Mapping[str, str]] = N_({"site": "the site", "charger": "each charger", "account": "each household"})
LENGTHS: Final[Mapping[str, str]] = {
    "day": N_("day"),
    "month": N_("month"),
    "hour": N_("hour of the week"),
}
FILTERS: Final = ("charger", "account", "from", "to")


async def _read(view: View) -> Mapping[str, Any]:
    sees_all = view.caller.role >= Role.OPERATOR
    whose = {one: words for one, words in WHOSE.items() if one != "account" or sees_all}
    by, group = _chosen(view, "by", LENGTHS, "day"), _chosen(view, "of", whose, "site")
    shown = _chosen(view, "show", SHOWN, ENERGY) if sees_all else ENERGY
    given = {name: view.query[name] for name in FILTERS if view.query.get(name) and (name != "account" or sees_all)}
    problem, asked = wrong_way_round(given.get("from"), given.get("to")), _until(given)
    path, query = (WEEK, asked) if by == "hour" else (HISTORY, {"by": by, "of": group, **asked})
    if path == HISTORY and shown != ENERGY:
        query["costs"] = "true"
    found, problem = (None, problem) if problem else await _found(view, path, query)
    return {
        "by": by,
        "group": group,
        "shown": shown,
        "lengths": LENGTHS,
        "whose": whose,
        "shows": SHOWN if sees_all else {},
        "given": given,
        "problem": problem,
        "choices": await _choices(view, sees_all=sees_all),
        "file": f"{path.removeprefix('/api')}?{urlencode({**query, 'format': 'csv'})}",
        "week": week_values(found) if found and by == "hour" else None,
        "history": _shown(found, by, shown) if found and by != "hour" else None,
    }


def _chosen(view: View, name: str, choices: Mapping[str, str], usual: str) -> str:
    return view.query.get(name, "") if view.query.get(name) in choices else usual


async def _choices(view: View, *, sees_all: bool) -> Mapping[str, Mapping[str, str]]:
    """Return the chargers and households by which a picture can be filtered."""
    chargers = (await view.get("/api/admin/chargers", limit=MOST_CHARGERS))["data"]
    accounts = (await view.get("/api/admin/accounts", limit=MOST_CHARGERS))["data"] if sees_all else []
    return {
        "charger": {one["id"]: one["name"] or one["id"] for one in chargers},
        "account": {str(one["id"]): one["name"] for one in accounts},
    }


async def _found(view: View, path: str, query: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str]:
    """Return what the API tells, or nothing and what is wrong with what was asked for."""
    try:
        return await view.get(path, **query), ""
    except Refused as refused:
        if refused.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            raise
        return None, refused.labelled


def _until(given: Mapping[str, str]) -> dict[str, str]:
    """Return the filters for the API, which leaves the last day out."""
    try:
        return {**given, "to": day_after(given["to"])}
    except (KeyError, ValueError):  # none, or one that the API refuses with words
        return dict(given)


def _shown(history: Mapping[str, Any], by: str, shown: str) -> Mapping[str, Any]:
    """Return the pictures, whose they are, and the same as a table, the newest first."""
    series = [{**one, "href": _sessions(one), "page": _page_of(one)} for one in history["series"]]
    return {
        "pictures": stacks(history, shown, _("The site") if history["of"] == "site" else _("No household")),
        "series": series,
        "currency": history["currency"],
        "without_price": history["without_price"],
        "left": history["left"],
        "rows": [*_rows(series, history["periods"], by)][::-1],
    }


def _rows(
    series: Sequence[Mapping[str, Any]], periods: Sequence[Mapping[str, Any]], by: str
) -> Iterator[Mapping[str, Any]]:
    """Yield each period in which somebody charged, with the figures of each series and the sessions of all."""
    for place, period in enumerate(periods):
        figures = [one["figures"][place] for one in series]
        if any(one["sessions"] for one in figures):
            first, last = _days(period["name"], by)
            whose = series[0] if len(series) == 1 else {}
            query = urlencode({**_whose(whose), "ended_since": first, "ended_before": last})
            yield {"label": label_of(period["name"]), "href": f"/sessions?{query}", "figures": figures}


def _sessions(series: Mapping[str, Any]) -> str:
    return f"/sessions?{urlencode(_whose(series))}"


def _whose(series: Mapping[str, Any]) -> dict[str, Any]:
    return {name: series[name] for name in ("charger", "account") if series.get(name) is not None}


def _page_of(series: Mapping[str, Any]) -> str:
    """Return the page of a charger or a household; none of the site, and of nobody."""
    if series["charger"] is not None:
        return f"/chargers/{quote(series['charger'], safe='')}"
    return "" if series["account"] is None else f"/accounts/{series['account']}"


def _days(name: str, by: str) -> tuple[date, date]:
    """Return the first and the last day of a period."""
    if by == "day":
        return date.fromisoformat(name), date.fromisoformat(name)
    month = Month.parse(name)
    return month.first_day, month.next.first_day - timedelta(days=1)


PAGES: Final = N_((Page("/history", "History", "history.html", _read, help="tasks/does-it-add-up", section="History"),))
