"""Tasks of the owner: forms with a page of their own, and what these pages know beside their
fields."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from levity_trio.notify.kinds import DRIVER, kinds_for
from levity_trio.records import record
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.reads.chargers.chargers import Charger, replacement
from levity_trio.store.reads.pages import MOST_ROWS, WantedPage
from levity_trio.store.reads.people import driving
from levity_trio.store.reads.people.households import Departure, UnknownCard, vehicles_of_nobody
from levity_trio.store.reads.transactions.bill import Bill
from levity_trio.store.reads.transactions.costs import BilledTransaction, billed_transaction
from levity_trio.store.reads.transactions.explain import explain
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import Role, asked, local_today, rule_of
from levity_trio.web.api.engine.lists import local_moment
from levity_trio.web.api.engine.problems import not_found
from levity_trio.web.api.money.wallets import BANK_FILES, BANK_LINES
from levity_trio.web.api.people.accounts import read_account
from levity_trio.web.api.people.households import (
    UnknownCardsQuery,
    read_departure,
    read_unknown_cards,
)
from levity_trio.web.api.people.replacing import REPLACEMENT
from levity_trio.web.api.site.receivers import BACKEND, BACKENDS
from levity_trio.web.dashboard.fields import WHICH, day_after, fields_of, texts
from levity_trio.web.dashboard.page import (
    ApiRefused,
    Changed,
    LivePart,
    Look,
    PageView,
    names_of_chargers,
)
from levity_trio.web.dashboard.shapes import moment, typed_kwh
from levity_trio.wire.times import in_zone

HOUSEHOLDS, MOVE_INS = "/api/admin/households", "/api/admin/move-ins"
MOVE_OUT: Final = "/api/admin/accounts/{id}/move-out"
GIVE: Final = "/api/admin/accounts/{id}/give"
SESSION: Final = "/api/admin/transactions/{id}"
TARIFFS: Final = "/api/admin/tariffs"
SERIES: Final = "/api/admin/series"
PRICES_HEAD: Final = "time;price"
"""With a semicolon, prices may have a decimal comma."""
RECIPIENTS: Final = "/api/admin/recipients"
TOLD_CHARGER: Final = f"{BACKEND}/chargers/{{charger}}"
CARDS: Final = "/accounts/cards"
"""The page of unknown cards, whose live part other pages show, too."""
ROWS: Final = 16
ONWARD: Final = "{account}"
"""The gap, in the address where a form goes next, for the household that it is about."""
MADE: Final = "{id}"
"""The gap, in the address where a form goes next, for the number of what it made."""
Values = Mapping[str, Any]


@record(kw_only=False)
class FormTask:
    """The page of a form: its template, what it reads beside, and how many rows it shows at least.

    `present` returns what its fields have at first; those that are left so are not sent. `preview`
    ends the path of the request that says what sending it would change. `meant` returns the fields
    of the request for what was filled in. `result` is the template that shows what a file said.
    """

    template: str
    read: Callable[[PageView, Values], Awaitable[Values]]
    rows: int = ROWS
    present: Callable[[PageView], Awaitable[Mapping[str, str]]] | None = None
    preview: str = ""
    meant: Callable[[Mapping[str, str]], Mapping[str, str]] = dict
    result: str = "result.html"


async def unknown_cards(view: PageView, _changed: Changed = None) -> Sequence[LivePart]:
    """Return the part of a page that shows cards which were held to a charger and that nobody
    knows."""
    cards = await view.look(_unknown_cards, view)
    return [LivePart("unknown-cards", "tasks/cards.html", {"cards": cards})]


def _unknown_cards(look: Look, view: PageView) -> Sequence[UnknownCard]:
    since = view.query.get("since")
    query = asked(UnknownCardsQuery, {"since": since} if since else {})
    return look(read_unknown_cards, view.api.server, query)


async def _with_cards(view: PageView, _entered: Values) -> Values:
    (part,) = await unknown_cards(view)
    return {"cards": part, "live": f"{CARDS}?since="}


async def _leaving(view: PageView, entered: Values) -> Values:
    """Return what moving out ends, on the day that was chosen."""
    try:
        until = day_after(entered.get("until", ""))
    except ValueError:
        # None is chosen yet, or the form says what is wrong.
        until = None
    return {
        "leaving": await view.look(_departure, view, until),
        "names": await names_of_chargers(view),
        "may_delete": view.may("DELETE", "/api/admin/accounts/{id}/personal"),
    }


def _departure(look: Look, view: PageView, until: str | None) -> Departure:
    server = view.api.server
    moment_of_leaving = local_moment(until, "until", server.config.time_zone)
    return look(read_departure, server, view.number, moment_of_leaving)


# Give a household something

PLACE: Final = "place"
"""The field with a space: its charger, and after a slash its connector."""


class OfferedSpace(NamedTuple):
    """A space that can be given: a charger or its connector, 0 for the only one, and whose it is
    now."""

    charger: Charger
    connector: int
    owner: str | None


async def _giving(view: PageView, entered: Values) -> Values:
    """Return what can be given: spaces, cars that nobody has, and cards that were held to a
    charger."""
    offered = await view.look(_offered, view)
    return {**await _with_cards(view, entered), **offered, "what": entered.get("what") or "card"}


def _offered(look: Look, view: PageView) -> Values:
    spaces: list[OfferedSpace] = []
    owned = look(driving.spaces, view.api.server.stamp(), None)
    page = WantedPage(limit=MOST_ROWS)
    for charger in look(chargers.chargers, None, None, page, is_hidden=False).data:
        numbers = [one.connector for one in charger.connectors if one.connector]
        for connector in numbers if len(numbers) > 1 else [0]:
            owner = None
            for space in owned:
                if space.charger == charger.id:
                    is_it = not connector or space.connector in (None, connector)
                    owner = space.account_name if is_it else owner
            spaces.append(OfferedSpace(charger, connector, owner))
    household = look(read_account, view.number)
    return {"household": household, "spaces": spaces, "cars": look(vehicles_of_nobody)}


def _of_place(entered: Mapping[str, str]) -> Mapping[str, str]:
    """Return the fields of a request that gives a space."""
    charger, slash, connector = entered.get(PLACE, "").rpartition("/")
    if not slash:
        return entered
    return {**entered, "charger": charger, "connector": "" if connector == "0" else connector}


# Correct a session


async def _as_it_is(view: PageView) -> Mapping[str, str]:
    """Return a session as the fields of a correction show it, none for one that is not there."""
    try:
        session = await view.look(_session, view)
    except ApiRefused:
        return {}
    present = _times(session, view.api.zone)
    if session.energy_wh is not None:
        present["figure_wh"] = typed_kwh(session.energy_wh)
    return present


def _session(look: Look, view: PageView) -> BilledTransaction:
    """Return the session of a form. Raises Problem."""
    session = look(billed_transaction, view.number)
    if session is None:
        raise not_found(Told("session {1}", view.number))
    return session


def _times(session: BilledTransaction, zone: tzinfo) -> dict[str, str]:
    """Return its times as fields show them, and which of both each is if a change of the clock
    repeats it."""
    shown = dict[str, str]()
    for name, stamp in (("start_time", session.start_time), ("stop_time", session.stop_time)):
        if stamp is None:
            continue
        at = in_zone(moment(stamp), zone)
        shown[name] = f"{at:%Y-%m-%dT%H:%M:%S}"
        is_repeated = at.replace(fold=0).utcoffset() != at.replace(fold=1).utcoffset()
        if is_repeated:
            shown[f"{name}{WHICH}"] = str(at.fold)
    return shown


async def _correction(view: PageView, _entered: Values) -> Values:
    session = await view.look(_session, view)
    return {
        "session": session,
        "bill": await view.look(_bill, view),
        "kept": _times(session, view.api.zone),
    }


def _bill(look: Look, view: PageView) -> Bill | None:
    server = view.api.server
    explained = look(explain, view.number, rule_of(server), now=server.now(), is_weighed=False)
    return None if explained is None else explained.bill


async def _replacing(view: PageView, _entered: Values) -> Values:
    """Return what follows a charger, and the chargers that nobody has yet."""

    def read(look: Look) -> Values:
        server, charger = view.api.server, view.path["id"]
        moving = look(replacement, charger, server.stamp())
        if moving is None:
            raise not_found(Told("charger {1}", charger))
        taken = {space.charger for space in look(driving.spaces, server.stamp(), None)}
        known = look(chargers.names)
        free = {one: name for one, name in known.items() if one not in {*taken, charger}}
        return {"moving": moving, "free": free}

    return await view.look(read)


# Enter prices


async def _series(view: PageView) -> Mapping[str, str]:
    """Return a series as its form shows it, none for one that is not there."""
    series = await view.find(f"{SERIES}/{view.path['id']}") or {}
    fields = fields_of(view.api.endpoints["PATCH", f"{SERIES}/{{id}}"])
    return texts(fields, {**series, **(series.get("source") or {})}, view.api.zone)


async def prices_of_day(view: PageView, _entered: Values) -> Values:
    """Return a series, with the prices of a day: what is known of them, and the lines by which they
    are entered."""
    series = await view.get(f"{SERIES}/{view.number}")
    try:
        day = date.fromisoformat(view.query.get("day", ""))
    except ValueError:
        day = local_today(view.api.server)
    found = await view.get(f"{SERIES}/{view.number}/prices", since=str(day), until=str(day))
    prices = [(one["at"], Decimal(one["price"])) for one in found["prices"]]
    lines = [f"{_local(view, at)};{price}" for at, price in prices]
    if not prices:
        lines = [f"{day}T{hour:02}:00;" for hour in range(24)]
    known = [price for _at, price in prices]
    return {
        "series": series,
        "day": str(day),
        "days": (day - timedelta(1), day + timedelta(1)),
        "prices": prices,
        "corrections": found["corrections"],
        "mean": round(sum(known) / len(known), 4) if known else None,
        "lines": "\n".join((PRICES_HEAD, *lines)),
    }


def _local(view: PageView, at: str) -> str:
    return f"{in_zone(moment(at), view.api.zone):%Y-%m-%dT%H:%M}"


async def _nothing(_view: PageView, _entered: Values) -> Values:
    return {}


# Say what somebody is told


async def _telling(view: PageView, entered: Values) -> Values:
    """Return what a recipient can choose: a driver of a household, or somebody who runs the
    site."""
    if view.caller.role is Role.DRIVER:
        own = await view.get("/api/me/recipient")
        ways = {"mail": own["can_mail"], "push": own["can_push"]}
        return {"who": DRIVER, "household": None, "kinds": kinds_for(DRIVER), "ways": ways}
    who, account = entered.get("who", "owner"), entered.get("account")
    if "id" in view.path:
        known = await view.get(f"{RECIPIENTS}/{view.path['id']}")
        who, account = known["who"], known["account"]
    household = await view.get(f"/api/admin/accounts/{account}") if account else None
    config = view.api.server.config
    ways = {"mail": config.mail is not None, "push": config.ntfy is not None}
    return {"who": who, "household": household, "kinds": kinds_for(who), "ways": ways}


# Tell another backend


async def _told(view: PageView) -> Mapping[str, str]:
    """Return a backend, or a charger that it is told of, as its form shows it."""
    shown: Values = {}
    path = TOLD_CHARGER if "charger" in view.path else BACKEND
    for backend in await view.get(BACKENDS) if "id" in view.path else ():
        if backend["id"] == view.number:
            chargers = {charger["charger"]: charger for charger in backend["chargers"]}
            shown = backend if path == BACKEND else chargers.get(view.path["charger"], {})
    return texts(fields_of(view.api.endpoints["PUT", path]), shown, view.api.zone)


async def _chargers(view: PageView, _entered: Values) -> Values:
    return {"names": await names_of_chargers(view)}


_BACKEND: Final = FormTask("tasks/backend.html", _chargers, present=_told)
_RECIPIENT: Final = FormTask("tasks/recipient.html", _telling)
TASKS: Final[Mapping[tuple[str, str], FormTask]] = {
    ("POST", HOUSEHOLDS): FormTask("tasks/households.html", _with_cards),
    ("POST", MOVE_INS): FormTask("tasks/move_in.html", _with_cards),
    ("POST", MOVE_OUT): FormTask("tasks/move_out.html", _leaving),
    ("POST", GIVE): FormTask("tasks/give.html", _giving, meant=_of_place),
    ("POST", RECIPIENTS): _RECIPIENT,
    ("PUT", f"{RECIPIENTS}/{{id}}"): _RECIPIENT,
    ("PUT", "/api/me/recipient"): _RECIPIENT,
    ("POST", f"{SESSION}/correct"): FormTask(
        "tasks/correct.html", _correction, present=_as_it_is, preview="/preview"
    ),
    ("POST", REPLACEMENT): FormTask("tasks/replace.html", _replacing),
    ("POST", SERIES): FormTask("series/source.html", _nothing, preview="/try"),
    ("PATCH", f"{SERIES}/{{id}}"): FormTask("series/source.html", _nothing, present=_series),
    ("POST", f"{SERIES}/{{id}}/import"): FormTask(
        "series/enter.html", prices_of_day, result="series/taken.html"
    ),
    ("POST", TARIFFS): FormTask("tasks/version.html", _nothing, preview="/preview"),
    ("POST", BANK_FILES): FormTask(
        "tasks/bank_file.html", _nothing, result="tasks/bank_lines.html"
    ),
    ("POST", BANK_LINES): FormTask("tasks/bank_file.html", _nothing),
    ("POST", BACKENDS): _BACKEND,
    ("PUT", BACKEND): _BACKEND,
    ("PUT", TOLD_CHARGER): _BACKEND,
    ("PUT", f"{BACKEND}/cards"): _BACKEND,
}


def problems_of_rows(document: Mapping[str, Any], entered: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong with the cells of a list, by the names of their fields: empty rows were
    not sent."""
    filled: set[int] = set()
    for name, text in entered.items():
        if name.startswith("rows[") and text.strip():
            number = name.removeprefix("rows[").partition("]")[0]
            filled.add(int(number))
    numbers = sorted(filled)
    problems: dict[str, str] = {}
    for cell in document.get("cells", ()):
        if cell["row"] < len(numbers):
            row = numbers[cell["row"]]
            problems[f"rows[{row}].{cell['field'] or 'name'}"] = cell["detail"]
    return problems


def onward(path: str, answer: Any) -> str:
    """Return where to go after a task: to the household that it is about, or what it made, if the
    form says so."""
    members = answer if isinstance(answer, dict) else {}
    household = str(members.get("account", ""))
    made = quote(str(members.get("id", "")), safe="")
    return path.replace(ONWARD, household).replace(MADE, made)
