"""Tariffs: what energy costs, since when, and for whom; and the form for a price, with what it
would have cost. Price series: until when prices are known, what fetching them lacked, and the
prices of a day, which people enter and correct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from levity_trio.billing.examples import EXAMPLES
from levity_trio.locale import N_, _
from levity_trio.locale.texts import said
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.reads.money.months import lacks_of_sender
from levity_trio.store.reads.money.statements import biller, billing
from levity_trio.store.reads.money.tariffs import (
    SeriesState,
    TariffRow,
    TariffVersion,
    assignments,
    names_of_series,
    pages,
    tariffs,
)
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.reads.people import households
from levity_trio.told import parted
from levity_trio.web.api.engine.endpoints import Role, local_today
from levity_trio.web.api.engine.kilowatt_hours import show
from levity_trio.web.api.money.tariffs import TariffWithVersions, read_tariff
from levity_trio.web.dashboard.fields import (
    FormField,
    WrongInput,
    body_of,
    fields_of,
    filled,
    texts,
)
from levity_trio.web.dashboard.page import (
    USUAL,
    ApiRefused,
    DashboardPage,
    Look,
    PageView,
    currency,
    reading,
)
from levity_trio.web.dashboard.tasks import SERIES, prices_of_day
from levity_trio.web.dashboard.words import capital

SECTION: Final = N_("Tariffs")
MOST: Final = 200
PRICES: Final = "/api/admin/tariff-prices"
WHOM: Final = "whom"
"""The field that says for whom: site, charger:CP-1, account:7, or nothing for those whose tariff it
is."""
MOVES: Final = "moves"
"""The field that says whether the price moves with a series. What belongs to the other kind is
kept, and not sent."""
OF_SERIES: Final = ("series", "factor", "markup", "floor", "cap", "fallback", "average")
SHOW: Final = "show"
"""The parameter of the query with which somebody asks what the price would have cost."""

Values = Mapping[str, Any]


def _list(look: Look, view: PageView) -> Values:
    entered = look(assignments, (), None, WantedPage(limit=MOST)).data
    example = view.query.get("example", "")
    return {
        "tariffs": _known(look, view),
        "assignments": [assignment for assignment in entered if not assignment.is_replaced],
        **_targets(look),
        "examples": list(EXAMPLES),
        "example": example,
        "toml": EXAMPLES.get(example, ""),
    }


def _known(look: Look, view: PageView) -> Sequence[TariffRow]:
    return look(tariffs, None, local_today(view.api.server), WantedPage(limit=MOST)).data


def _targets(look: Look) -> Values:
    return {"chargers": look(chargers.names), "accounts": look(households.names)}


def _tariff(look: Look, view: PageView) -> Values:
    tariff = look(read_tariff, view.api.server, view.number)
    standing = _standing(tariff)
    newest = standing[0] if standing else None
    lacks = [
        lack
        for lack in look(lacks_of_sender, local_today(view.api.server))
        if str(tariff.id) in [thing.id for thing in lack.things]
    ]
    return {"tariff": tariff, "newest": newest, "lacks": lacks, "chargers": look(chargers.names)}


def _standing(tariff: TariffWithVersions) -> list[TariffVersion]:
    """Return the versions that were not withdrawn, the newest day first."""
    return [version for version in tariff.versions if version.withdrawn_at is None]


# The form for a price


async def _new(view: PageView) -> Values:
    """Return the form for a new tariff."""
    known = [tariff.name for tariff in await view.look(_known, view)]
    standard = name = _("Standard")
    number = 1
    while name in known:
        number += 1
        name = f"{standard} {number}"
    usual = {"name": name, WHOM: "site"}

    # The first price holds from the beginning, so that no session is without one.
    if not known:
        begun = await view.look(lambda look: look(billing))
        usual["since"] = begun.begun_on if begun else f"{local_today(view.api.server):%Y-%m}-01"
    problems = {}
    if view.query.get("name", "").strip() in known:
        problems["name"] = _(
            "There is already a tariff with this name. Change that one, or choose another name."
        )
    return await _form(view, usual, None, problems)


async def _change(view: PageView) -> Values:
    """Return the form for another price of a tariff, filled in with that of today."""
    tariff = await view.look(lambda look: look(read_tariff, view.api.server, view.number))
    plain: Values | None = {"name": tariff.name}
    standing = _standing(tariff)
    if standing:
        next_since = tariff.next_since
        begun = [each for each in standing if next_since is None or each.since < next_since]
        of_today = begun[0] if begun else standing[-1]
        plain = show(of_today.plain)
    # A tariff that was written as TOML may not fit into the fields of the form.
    if plain is None:
        return {"tariff": tariff, "form": None}
    fields = fields_of(view.api.endpoints["POST", PRICES])
    present = texts(fields, {**plain, "since": None}, view.api.zone)
    return await _form(view, {**present, "name": tariff.name, WHOM: ""}, tariff, {})


async def _form(
    view: PageView,
    initial: Mapping[str, str],
    tariff: TariffWithVersions | None,
    problems: Mapping[str, str],
) -> Values:
    """Return the form with what was typed over its initial values, which contain WHOM; with what
    the price would have cost, if that is asked."""
    fields = fields_of(view.api.endpoints["POST", PRICES])
    tomorrow = local_today(view.api.server) + timedelta(days=1)
    values = {field.name: field.value for field in fields}
    values |= {"since": str(tomorrow), "night_name": _("night"), "weekend_name": _("weekend")}
    values |= initial
    values |= view.query
    # These are not typed: a version of the same day is replaced, a tariff keeps its name, and the
    # name of its price follows from the rest.
    values["replaces"] = "true"
    if tariff is not None:
        values["name"] = initial["name"]
    other_times = _("day") if values["night_price"] else _("other times")
    values["price_name"] = initial.get("price_name") or other_times

    kind, _mark, key = values[WHOM].partition(":")
    values["site"] = "true" if kind == "site" else ""
    values["charger"] = key if kind == "charger" else ""
    values["account"] = key if kind == "account" else ""

    values[MOVES] = values.get(MOVES) or ("true" if values["series"] else "false")
    typed = dict(values)
    for name in ("price",) if values[MOVES] == "true" else OF_SERIES:
        values[name] = ""

    preview = None
    if SHOW in view.query and not problems:
        preview, problems = await _preview(view, fields, values)
    # Browsers' fields for times of day know no 24:00.
    shown = {name: "00:00" if text == "24:00" else text for name, text in typed.items()}
    return {
        "tariff": tariff,
        "form": {field.name: field for field in filled(fields, shown, problems)},
        "whom": values[WHOM],
        "moves": values[MOVES] == "true",
        "by_average": "?" + urlencode({**view.query, "average": "true"}),
        "preview": preview,
        "problem": problems.get("", ""),
        "sent": {field.name: values[field.name] for field in fields if values[field.name]},
        **await view.look(_beside_form, view, values["currency"]),
    }


def _beside_form(look: Look, view: PageView, currency: str) -> Values:
    """Return what is there already: tariffs, and months that were closed. `currency` is that which
    was typed."""
    known = _known(look, view)
    begun = look(billing)
    least_day = f"{begun.open_month}-01" if begun and begun.closings else ""
    shown: dict[str, Any] = {"is_first": not known, "least_day": least_day, **_targets(look)}
    sender = look(biller)
    shown["tax_kind"] = sender and sender.tax_kind
    shown["every_series"] = look(names_of_series)
    shown["currency"] = known[0].currency if known else currency or USUAL
    return shown


async def _preview(
    view: PageView, fields: tuple[FormField, ...], values: Mapping[str, str]
) -> tuple[Values | None, dict[str, str]]:
    """Return what a price would have cost, and what is wrong with it, by the names of fields."""
    try:
        body = body_of(fields, values, view.api.zone, "")
        return await view.post("/api/admin/tariff-previews", **body), {}
    except WrongInput as unreadable:
        return None, {unreadable.name: capital(str(unreadable))}
    except ApiRefused as refused:
        # Of several faults of one field, the first is shown.
        faults: dict[str, str] = {}
        for fault in refused.document.get("faults", ()):
            name, words = parted(fault)
            faults.setdefault(name, words)
        if not faults:
            faults[refused.field] = refused.told
        names = {field.name for field in fields}
        problems: dict[str, str] = {}
        for name, words in faults.items():
            # What is wrong with no field of this form stands above it.
            field_name = name if name in names else ""
            problems.setdefault(field_name, capital(said(words)))
        return None, problems


_page: Final = partial(DashboardPage, role=Role.OPERATOR, section=SECTION)
_form_page: Final = partial(
    DashboardPage,
    role=Role.ADMIN,
    section=SECTION,
    template="tariffs/form.html",
    help="tasks/night-tariff",
    is_work=True,
)


def _list_series(look: Look, _view: PageView) -> Values:
    every = look(pages, None, WantedPage(limit=MOST)).data
    return {"every": every, "currency": currency(look)}


async def _one(view: PageView) -> Values:
    """Return a series with the prices of a day, and with what its source tells now, if that is
    asked."""
    shown: dict[str, Any] = {**await prices_of_day(view, {}), "tried": None, "failed": ""}
    series = shown["series"] = SeriesState(**shown["series"])
    if "try" in view.query and view.may("POST", f"{SERIES}/try"):
        body = {"name": series.name, "currency": series.currency, **(series.source or {})}
        try:
            tried = await view.post(f"{SERIES}/try", **body)
            shown["tried"] = tried["prices"]
        except ApiRefused as refused:
            shown["failed"] = refused.sentence
    return shown


_series_page: Final = partial(
    DashboardPage, role=Role.OPERATOR, section=SECTION, help="tasks/quarter-hours"
)
PAGES: Final = N_(
    (
        _page("/tariffs", "Tariffs", "tariffs.html", reading(_list), help="tasks/night-tariff"),
        _form_page(path="/tariffs/new", title="A new tariff", read=_new),
        _page(
            "/tariffs/{id}",
            "Tariff",
            "tariffs/tariff.html",
            reading(_tariff),
            help="tasks/night-tariff#change-a-price",
        ),
        _form_page(path="/tariffs/{id}/change", title="Change a price", read=_change),
        _series_page("/series", "Price series", "series.html", reading(_list_series)),
        _series_page("/series/{id}", "Price series", "series/one.html", _one),
    )
)
