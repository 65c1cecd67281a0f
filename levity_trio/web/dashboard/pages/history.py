"""History: energy and costs by day and month, of the site, chargers and households; energy by the
hour of the week."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlencode

from levity_trio.billing.months import Month
from levity_trio.locale import N_, _
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.reads.people import accounts
from levity_trio.store.reads.transactions.history import Figures, History, Series
from levity_trio.web.api.engine.bodies import asked
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.site.history import HistoryQuery, WeekQuery, read_history, read_week
from levity_trio.web.dashboard.fields import day_after
from levity_trio.web.dashboard.page import DashboardPage, PageView, Values
from levity_trio.web.dashboard.pictures import ENERGY, SHOWN, label_of, stacks, week_values
from levity_trio.web.dashboard.refusals import ApiRefused
from levity_trio.web.dashboard.shapes import wrong_way_round
from levity_trio.web.dashboard.snapshots import Look

HISTORY: Final = "/api/history"
WEEK: Final = "/api/history/week"
WHOSE: Final[Mapping[str, str]] = N_(
    {"site": "the site", "charger": "each charger", "account": "each household"}
)
LENGTHS: Final[Mapping[str, str]] = {
    "day": N_("day"),
    "month": N_("month"),
    "hour": N_("hour of the week"),
}
FILTERS: Final = ("charger", "account", "from", "to")


async def _read(view: PageView) -> Values:
    sees_all = view.caller.role >= Role.OPERATOR
    whose = {one: words for one, words in WHOSE.items() if one != "account" or sees_all}
    by, group = _chosen(view, "by", LENGTHS, "day"), _chosen(view, "of", whose, "site")
    shown = _chosen(view, "show", SHOWN, ENERGY) if sees_all else ENERGY
    given = {
        name: view.query[name]
        for name in FILTERS
        if view.query.get(name) and (name != "account" or sees_all)
    }
    path, query = (
        (WEEK, _until(given))
        if by == "hour"
        else (HISTORY, {"by": by, "of": group, **_until(given)})
    )
    if path == HISTORY and shown != ENERGY:
        query["costs"] = "true"
    problem, found = wrong_way_round(given.get("from"), given.get("to")), dict[str, Values]()
    try:
        found = {} if problem else await view.look(_shown, view, by, shown, query)
    except ApiRefused as refused:
        if refused.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            raise
        problem = refused.labelled
    return {
        "by": by,
        "group": group,
        "shown": shown,
        "lengths": LENGTHS,
        "whose": whose,
        "shows": SHOWN if sees_all else {},
        "given": given,
        "problem": problem,
        "choices": await view.look(_choices, sees_all),
        "file": f"{path.removeprefix('/api')}?{urlencode({**query, 'format': 'csv'})}",
        "week": found.get("week"),
        "history": found.get("history"),
    }


def _chosen(view: PageView, name: str, choices: Mapping[str, str], usual: str) -> str:
    return view.query.get(name, "") if view.query.get(name) in choices else usual


def _choices(look: Look, sees_all: bool) -> Values:
    """Return the chargers and households by which a picture can be filtered."""
    households = look(accounts.names) if sees_all else {}
    return {
        "charger": look(chargers.names),
        "account": {str(number): name for number, name in households.items()},
    }


def _until(given: Mapping[str, str]) -> dict[str, str]:
    """Return the filters for the API, which leaves the last day out."""
    try:
        return {**given, "to": day_after(given["to"])}
    except (KeyError, ValueError):  # none, or one that the API refuses with words
        return dict(given)


def _shown(
    look: Look, view: PageView, by: str, shown: str, query: Mapping[str, str]
) -> dict[str, Values]:
    """Return the hours of a week; or the pictures, whose they are, and the same as a table, the
    newest first. Raises Problem."""
    server = view.api.server
    if by == "hour":
        return {"week": week_values(look(read_week, server, asked(WeekQuery, query)))}
    history = look(read_history, server, asked(HistoryQuery, query))
    pictures = stacks(history, shown, _("The site") if history.of == "site" else _("No household"))
    series = [(one, _sessions(one), _page_of(one)) for one in history.series]
    return {
        "history": {
            "of": history,
            "pictures": pictures,
            "series": series,
            "rows": [*_rows(history)][::-1],
        }
    }


def _rows(history: History) -> Iterator[tuple[str, str, list[Figures]]]:
    """Yield the label of each period in which somebody charged, the way to the sessions of all, and
    the figures of each series."""
    for place, period in enumerate(history.periods):
        figures = [one.figures[place] for one in history.series]
        if any(one.sessions for one in figures):
            first, last = _days(period.name, history.by)
            whose = _whose(history.series[0]) if len(history.series) == 1 else {}
            query = urlencode({**whose, "ended_since": first, "ended_before": last})
            yield label_of(period.name), f"/sessions?{query}", figures


def _sessions(series: Series) -> str:
    return f"/sessions?{urlencode(_whose(series))}"


def _whose(series: Series) -> dict[str, str | int]:
    found = {"charger": series.charger, "account": series.account}
    return {name: one for name, one in found.items() if one is not None}


def _page_of(series: Series) -> str:
    """Return the page of a charger or a household; none of the site, and of nobody."""
    if series.charger is not None:
        return f"/chargers/{quote(series.charger, safe='')}"
    return "" if series.account is None else f"/accounts/{series.account}"


def _days(name: str, by: str) -> tuple[date, date]:
    """Return the first and the last day of a period."""
    if by == "day":
        return date.fromisoformat(name), date.fromisoformat(name)
    month = Month.parse(name)
    return month.first_day, month.next.first_day - timedelta(days=1)


PAGES: Final = N_(
    (
        DashboardPage(
            "/history",
            "History",
            "history.html",
            _read,
            help="tasks/does-it-add-up",
            section="History",
        ),
    )
)
