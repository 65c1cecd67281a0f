"""Tasks of the owner: forms with a page of their own, and what these pages know beside their fields."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final
from urllib.parse import quote

from levity_trio.records import record
from levity_trio.web.dashboard.page import Changed, Part, View, names_of_chargers

HOUSEHOLDS, MOVE_INS = "/api/admin/households", "/api/admin/move-ins"
MOVE_OUT: Final = "/api/admin/accounts/{id}/move-out"
CARDS: Final = "/accounts/cards"
"""The page of unknown cards, whose live part other pages show, too."""
ROWS: Final = 16
ONWARD: Final = "{account}"
"""In where a form goes next: the household that it is about."""
Values = Mapping[str, Any]


@record(kw_only=False)
class Task:
    """The page of a form: its template, what it reads beside, and how many rows it shows at least."""

    template: str
    read: Callable[[View, Values], Awaitable[Values]]
    rows: int = ROWS


async def unknown_cards(view: View, _changed: Changed = None) -> Sequence[Part]:
    """Return the part of a page that shows cards which were held to a charger and that nobody knows."""
    found = (await view.get("/api/admin/unknown-cards", since=view.query.get("since")))["data"]
    return [Part("unknown-cards", "tasks/cards.html", {"cards": found})]


async def _with_cards(view: View, _entered: Values) -> Values:
    (part,) = await unknown_cards(view)
    return {"cards": part, "live": f"{CARDS}?since="}


async def _leaving(view: View, entered: Values) -> Values:
    """Return what moving out ends, on the day that was chosen."""
    number = view.path["id"]
    until = _day_after(entered.get("until", ""))
    return {
        "leaving": await view.get(f"/api/admin/accounts/{quote(number)}/move-out", until=until),
        "names": await names_of_chargers(view),
        "may_delete": view.may("DELETE", "/api/admin/accounts/{id}/personal"),
    }


def _day_after(text: str) -> str | None:
    try:
        return str(date.fromordinal(date.fromisoformat(text).toordinal() + 1))
    except (ValueError, OverflowError):
        return None


TASKS: Final[Mapping[tuple[str, str], Task]] = {
    ("POST", HOUSEHOLDS): Task("tasks/households.html", _with_cards),
    ("POST", MOVE_INS): Task("tasks/move_in.html", _with_cards),
    ("POST", MOVE_OUT): Task("tasks/move_out.html", _leaving),
}


def problems_of_rows(document: Mapping[str, Any], entered: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong with the cells of a list, by the names of their fields: empty rows were not sent."""
    filled = [name for name, text in entered.items() if name.startswith("rows[") and text.strip()]
    numbers = sorted({int(name[5:].partition("]")[0]) for name in filled})
    return {
        f"rows[{numbers[one['row']]}].{one['field'] or 'name'}": one["detail"]
        for one in document.get("cells", ())
        if one["row"] < len(numbers)
    }


def onward(path: str, answer: Any) -> str:
    """Return where to go after a task: to the household that it is about, if the form says so."""
    account = answer.get("account", "") if isinstance(answer, dict) else ""
    return path.replace(ONWARD, str(account))
