"""Tariffs: what energy costs, since when, and for whom; and the form for a price, with what it
would have cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any, Final

from levity_trio.billing.examples import EXAMPLES
from levity_trio.locale import N_, _
from levity_trio.locale.texts import said
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.reads.money.billing import billing
from levity_trio.store.reads.money.tariffs import TariffRow, TariffVersion, assignments, tariffs
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.reads.people import accounts
from levity_trio.told import parted
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.engine.kilowatt_hours import show
from levity_trio.web.api.engine.local_times import today
from levity_trio.web.api.money.tariffs import TariffWithVersions, read_tariff
from levity_trio.web.dashboard.fields import (
    FormField,
    WrongInput,
    body_of,
    fields_of,
    filled,
    texts,
)
from levity_trio.web.dashboard.page import USUAL, DashboardPage, PageView, reading
from levity_trio.web.dashboard.refusals import ApiRefused
from levity_trio.web.dashboard.snapshots import Look
from levity_trio.web.dashboard.words import capital

SECTION: Final = N_("Tariffs")
MOST: Final = 200
PRICES: Final = "/api/admin/tariff-prices"
WHOM: Final = "whom"
"""The field that says for whom: site, charger:CP-1, account:7, or nothing for those whose tariff it
is."""
SHOW: Final = "show"
"""The parameter of the query with which somebody asks what the price would have cost."""

Values = Mapping[str, Any]


def _list(look: Look, view: PageView) -> Values:
    found = look(assignments, (), None, WantedPage(limit=MOST)).data
    example = view.query.get("example", "")
    return {
        "tariffs": _known(look, view),
        "assignments": [one for one in found if not one.is_replaced],
        **_targets(look),
        "examples": list(EXAMPLES),
        "example": example,
        "toml": EXAMPLES.get(example, ""),
    }


def _known(look: Look, view: PageView) -> Sequence[TariffRow]:
    return look(tariffs, None, _today(view), WantedPage(limit=MOST)).data


def _today(view: PageView) -> date:
    return today(view.api.server.now(), view.api.server.config.time_zone)


def _targets(look: Look) -> Values:
    return {"chargers": look(chargers.names), "accounts": look(accounts.names)}


async def _tariff(view: PageView) -> Values:
    def read(look: Look) -> Values:
        found = look(read_tariff, view.api.server, view.number)
        standing = _standing(found)
        return {
            "tariff": found,
            "newest": standing[0] if standing else None,
            "chargers": look(chargers.names),
        }

    return await view.look(read)


def _standing(tariff: TariffWithVersions) -> list[TariffVersion]:
    """Return the versions that were not withdrawn, the newest day first."""
    return [one for one in tariff.versions if one.withdrawn_at is None]


# The form for a price


async def _new(view: PageView) -> Values:
    """Return the form for a new tariff."""
    known = [one.name for one in await view.look(_known, view)]
    usual = {"name": _free_name(known), WHOM: "site"}
    if not known:
        begun = await view.look(lambda look: look(billing))
        usual["since"] = begun.begun_on if begun else f"{_today(view):%Y-%m}-01"
    problems = {}
    if view.query.get("name", "").strip() in known:
        problems["name"] = _(
            "There is already a tariff with this name. Change that one, or choose another name."
        )
    return await _form(view, usual, None, problems)


def _free_name(known: list[str]) -> str:
    name, number = _("Standard"), 1
    while (free := name if number == 1 else f"{name} {number}") in known:
        number += 1
    return free


async def _change(view: PageView) -> Values:
    """Return the form for another price of a tariff, filled in with that of today."""
    tariff = await view.look(lambda look: look(read_tariff, view.api.server, view.number))
    standing, next_since = _standing(tariff), tariff.next_since
    present = [one for one in standing if next_since is None or one.since < next_since] or standing[
        -1:
    ]
    plain = show(present[0].plain) if present else {"name": tariff.name}
    if plain is None:
        return {"tariff": tariff, "form": None}
    of_today = texts(
        fields_of(view.api.endpoints["POST", PRICES]), {**plain, "since": None}, view.api.zone
    )
    return await _form(view, {**of_today, "name": tariff.name, WHOM: ""}, tariff, {})


async def _form(
    view: PageView,
    usual: Mapping[str, str],
    tariff: TariffWithVersions | None,
    problems: Mapping[str, str],
) -> Values:
    """Return the form with what was typed, and what it would have cost if that is asked."""
    tomorrow = _today(view) + timedelta(days=1)
    fields = fields_of(view.api.endpoints["POST", PRICES])
    usual = {
        "since": str(tomorrow),
        "night_name": _("night"),
        "weekend_name": _("weekend"),
        **usual,
    }
    values = {**{one.name: one.value for one in fields}, **usual, **view.query, "replaces": "true"}
    values |= {"name": usual["name"]} if tariff else {}
    values |= {
        "price_name": usual.get("price_name")
        or (_("day") if values["night_price"] else _("other times"))
    }
    values |= _whom(values[WHOM])
    preview, problems = (
        await _preview(view, fields, values)
        if SHOW in view.query and not problems
        else (None, problems)
    )
    return {
        "tariff": tariff,
        "form": {one.name: one for one in filled(fields, _for_browsers(values), problems)},
        "whom": values[WHOM],
        "preview": preview,
        "problem": problems.get("", ""),
        "sent": {one.name: values[one.name] for one in fields if values[one.name]},
        **await view.look(_beside_form, view, values["currency"]),
    }


def _beside_form(look: Look, view: PageView, currency: str) -> Values:
    """Return what is there already: tariffs, and months that were closed. `currency` is that which
    was typed."""
    known, begun = _known(look, view), look(billing)
    return {
        "currency": known[0].currency if known else currency or USUAL,
        "is_first": not known,
        "least_day": f"{begun.open_month}-01" if begun and begun.closings else "",
        **_targets(look),
    }


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
        faults = [parted(fault) for fault in refused.document.get("faults", ())]
        told = dict(reversed(faults)) or {refused.field: refused.told}
        named = {one.name for one in fields}
        return None, {
            name if name in named else "": capital(said(words)) for name, words in told.items()
        }


def _whom(text: str) -> dict[str, str]:
    """Return the fields that say for whom a price is."""
    kind, _mark, key = text.partition(":")
    return {
        "site": "true" if kind == "site" else "",
        "charger": key if kind == "charger" else "",
        "account": key if kind == "account" else "",
    }


def _for_browsers(values: Mapping[str, str]) -> Mapping[str, str]:
    """Return the values as fields for times of day take them, which know no 24:00."""
    return {name: "00:00" if text == "24:00" else text for name, text in values.items()}


_page: Final = partial(DashboardPage, role=Role.OPERATOR, section=SECTION)
_form_page: Final = partial(
    DashboardPage,
    role=Role.ADMIN,
    section=SECTION,
    template="tariffs/form.html",
    help="tasks/night-tariff",
    is_work=True,
)
PAGES: Final = N_(
    (
        _page("/tariffs", "Tariffs", "tariffs.html", reading(_list), help="tasks/night-tariff"),
        _form_page(path="/tariffs/new", title="A new tariff", read=_new),
        _page(
            "/tariffs/{id}",
            "Tariff",
            "tariffs/tariff.html",
            _tariff,
            help="tasks/night-tariff#change-a-price",
        ),
        _form_page(path="/tariffs/{id}/change", title="Change a price", read=_change),
    )
)
