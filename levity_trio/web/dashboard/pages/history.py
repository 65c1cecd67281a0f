"""History: energy and costs by day and month, of the site, chargers and households; energy by the
hour of the week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlencode

from levity_trio.billing.months import Month
from levity_trio.locale import N_, _
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.reads.people import households
from levity_trio.store.reads.transactions.costs import Figures, History, Series
from levity_trio.web.api.engine.endpoints import Role, asked
from levity_trio.web.api.site.history import HistoryQuery, WeekQuery, read_history, read_week
from levity_trio.web.dashboard.fields import day_after
from levity_trio.web.dashboard.page import ApiRefused, DashboardPage, Look, PageView, Values
from levity_trio.web.dashboard.pictures import (
    ENERGY,
    SHOWN,
    Stack,
    label_of,
    shares,
    stacks,
    week_values,
)
from levity_trio.web.dashboard.shapes import wrong_way_round

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
    """Read the history that was chosen; a filter that cannot be read shows none, and why."""
    # Costs and households are for those who may see bills.
    sees_all = view.caller.role >= Role.OPERATOR
    whose = {of: words for of, words in WHOSE.items() if of != "account" or sees_all}
    by = _chosen(view, "by", LENGTHS, "day")
    group = _chosen(view, "of", whose, "site")
    shown = _chosen(view, "show", SHOWN, ENERGY) if sees_all else ENERGY
    filters = {name: view.query[name] for name in FILTERS if view.query.get(name)}
    if not sees_all:
        filters.pop("account", None)

    path = WEEK if by == "hour" else HISTORY
    query = {} if path == WEEK else {"by": by, "of": group}
    query |= filters
    # The API leaves the last day out.
    with suppress(KeyError, ValueError):
        # There may be none, or one that the API refuses with words.
        query["to"] = day_after(filters["to"])
    # Beside the bars of households and chargers stands what they cost.
    if path == HISTORY and (shown != ENERGY or (group != "site" and sees_all)):
        query["costs"] = "true"

    problem = wrong_way_round(filters.get("from"), filters.get("to"))
    pictures: dict[str, Values] = {}
    if not problem:
        try:
            pictures = await view.look(_shown, view, by, shown, query)
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
        "given": filters,
        "problem": problem,
        "choices": await view.look(_choices, sees_all),
        "file": f"{path.removeprefix('/api')}?{urlencode({**query, 'format': 'csv'})}",
        "week": pictures.get("week"),
        "history": pictures.get("history"),
    }


def _chosen(view: PageView, name: str, choices: Mapping[str, str], usual: str) -> str:
    chosen = view.query.get(name, "")
    return chosen if chosen in choices else usual


def _choices(look: Look, sees_all: bool) -> Values:
    """Return the chargers and households by which a picture can be filtered."""
    names = look(households.names) if sees_all else {}
    by_number = {str(number): name for number, name in names.items()}
    return {"charger": look(chargers.names), "account": by_number}


def _shown(
    look: Look, view: PageView, by: str, shown: str, query: Mapping[str, str]
) -> dict[str, Values]:
    """Return the hours of a week; or the pictures, whose they are, and the same as a table, the
    newest first. Raises Problem."""
    server = view.api.server
    if by == "hour":
        return {"week": week_values(look(read_week, server, asked(WeekQuery, query)))}
    history = look(read_history, server, asked(HistoryQuery, query))
    series: list[tuple[Series, str, str, float]] = []
    for each, share in shares(history, shown):
        # The page of a charger or a household; the site, and nobody, have none.
        page = "" if each.account is None else f"/accounts/{each.account}"
        if each.charger is not None:
            page = f"/chargers/{quote(each.charger, safe='')}"
        series.append((each, f"/sessions?{urlencode(_whose(each))}", page, share))

    # Twenty layers of colours tell nothing: of several, each has a bar.
    pictures: Sequence[Stack] = ()
    if len(history.series) == 1:
        only = history.series[0]
        name = _("The site") if history.of == "site" else _("No household")
        pictures = stacks(history, shown, only.name or only.charger or name)
    values = {
        "of": history,
        "pictures": pictures,
        "series": series,
        "rows": _rows(history, [each for each, *_ in series])[::-1],
    }
    return {"history": values}


def _rows(history: History, shown: Sequence[Series]) -> list[tuple[str, str, list[Figures]]]:
    """Return the label of each period in which somebody charged, the way to the sessions of all,
    and the figures of each series in the order in which they are shown."""
    whose = _whose(history.series[0]) if len(history.series) == 1 else {}
    rows: list[tuple[str, str, list[Figures]]] = []
    for place, period in enumerate(history.periods):
        figures = [series.figures[place] for series in shown]
        if any(figure.sessions for figure in figures):
            if history.by == "day":
                first = last = date.fromisoformat(period.name)
            else:
                month = Month.parse(period.name)
                first = month.first_day
                last = month.next.first_day - timedelta(days=1)
            query = urlencode({**whose, "ended_since": first, "ended_before": last})
            rows.append((label_of(period.name), f"/sessions?{query}", figures))
    return rows


def _whose(series: Series) -> dict[str, str | int]:
    """Return the filter of the sessions of a series."""
    whose: dict[str, str | int] = {}
    if series.charger is not None:
        whose["charger"] = series.charger
    if series.account is not None:
        whose["account"] = series.account
    return whose


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
