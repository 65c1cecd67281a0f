"""Tariffs: what energy costs, since when, and for whom; and the form for a price, with what it would have cost."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from levity_trio.billing.examples import EXAMPLES
from levity_trio.locale import N_, _
from levity_trio.locale.texts import said
from levity_trio.told import parted
from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.fields import Field, Unreadable, body_of, fields_of, filled, texts
from levity_trio.web.dashboard.page import USUAL, Page, View, names_of_chargers
from levity_trio.web.dashboard.refused import Refused
from levity_trio.web.dashboard.saying import capital, in_words

SECTION: Final = N_("Tariffs")
MOST: Final = 200
PRICES: Final = "/api/admin/tariff-prices"
WHOM: Final = "whom"
"""The field that says for whom: site, charger:CP-1, account:7, or nothing for those whose tariff it is."""
SHOW: Final = "show"
"""Is in the query when somebody asks what the price would have cost."""

Values = Mapping[str, Any]


async def _tariffs(view: View) -> Values:
    tariffs = await view.get("/api/admin/tariffs", limit=MOST)
    assignments = (await view.get("/api/admin/tariff-assignments", limit=MOST))["data"]
    example = view.query.get("example", "")
    return {
        "tariffs": tariffs["data"],
        "assignments": [one for one in assignments if not one["is_replaced"]],
        **await _targets(view),
        "examples": list(EXAMPLES),
        "example": example,
        "names": await names_of_chargers(view),
        "toml": EXAMPLES.get(example, ""),
    }


async def _targets(view: View) -> Values:
    return {
        "chargers": (await view.get("/api/admin/chargers", limit=MOST))["data"],
        "accounts": (await view.get("/api/admin/accounts", limit=MOST))["data"],
    }


async def _tariff(view: View) -> Values:
    found = await view.get(f"/api/admin/tariffs/{view.path['id']}")
    standing = _standing(found)
    return {"tariff": found, "newest": standing[0] if standing else None, "names": await names_of_chargers(view)}


def _standing(tariff: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the versions that were not withdrawn, the newest day first."""
    return [one for one in tariff["versions"] if one["withdrawn_at"] is None]


# The form for a price


async def _new(view: View) -> Values:
    """Return the form for a new tariff."""
    known = [one["name"] for one in (await view.get("/api/admin/tariffs", limit=MOST))["data"]]
    usual = {"name": _free_name(known), WHOM: "site"}
    if not known:
        begun = await _billing(view)
        today = (await view.get("/api/admin/tariff-in-force"))["day"]
        usual["since"] = begun["begun_on"] if begun else f"{today[:7]}-01"
    problems = {}
    if view.query.get("name", "").strip() in known:
        problems["name"] = _("There is already a tariff with this name. Change that one, or choose another name.")
    return await _form(view, usual, None, problems)


def _free_name(known: list[str]) -> str:
    name, number = _("Standard"), 1
    while (free := name if number == 1 else f"{name} {number}") in known:
        number += 1
    return free


async def _change(view: View) -> Values:
    """Return the form for another price of a tariff, filled in with that of today."""
    tariff = await view.get(f"/api/admin/tariffs/{view.path['id']}")
    standing, next_since = _standing(tariff), tariff["next_since"]
    present = [one for one in standing if next_since is None or one["since"] < next_since] or standing[-1:]
    plain = present[0]["plain"] if present else {"name": tariff["name"]}
    if plain is None:
        return {"tariff": tariff, "form": None}
    of_today = texts(fields_of(view.api.endpoints["POST", PRICES]), {**plain, "since": None}, view.api.zone)
    return await _form(view, {**of_today, "name": tariff["name"], WHOM: ""}, tariff, {})


async def _form(view: View, usual: Mapping[str, str], tariff: Values | None, problems: Mapping[str, str]) -> Values:
    """Return the form with what was typed, and what it would have cost if that is asked."""
    tomorrow = date.fromisoformat((await view.get("/api/admin/tariff-in-force"))["day"]) + timedelta(days=1)
    fields = fields_of(view.api.endpoints["POST", PRICES])
    usual = {"since": str(tomorrow), "night_name": _("night"), "weekend_name": _("weekend"), **usual}
    values = {**{one.name: one.value for one in fields}, **usual, **view.query, "replaces": "true"}
    values |= {"name": usual["name"]} if tariff else {}
    values |= {"price_name": usual.get("price_name") or (_("day") if values["night_price"] else _("other times"))}
    values |= _whom(values[WHOM])
    preview, problems = (
        await _preview(view, fields, values) if SHOW in view.query and not problems else (None, problems)
    )
    billing = await _billing(view)
    known = (await view.get("/api/admin/tariffs", limit=1))["data"]
    return {
        "tariff": tariff,
        "form": {one.name: one for one in filled(fields, _for_browsers(values), problems)},
        "whom": values[WHOM],
        "currency": known[0]["currency"] if known else values["currency"] or USUAL,
        "is_first": not known,
        "least_day": f"{billing['open_month']}-01" if billing and billing["closings"] else "",
        "preview": preview,
        "problem": problems.get("", ""),
        "sent": {one.name: values[one.name] for one in fields if values[one.name]},
        "names": await names_of_chargers(view),
        **await _targets(view),
    }


async def _preview(
    view: View, fields: tuple[Field, ...], values: Mapping[str, str]
) -> tuple[Values | None, dict[str, str]]:
    """Return what a price would have cost, and what is wrong with it, by the names of fields."""
    try:
        body = body_of(fields, values, view.api.zone, "")
        return await view.post("/api/admin/tariff-previews", **body), {}
    except Unreadable as unreadable:
        return None, {unreadable.name: capital(str(unreadable))}
    except Refused as refused:
        faults = [parted(fault) for fault in refused.document.get("faults", ())]
        told = dict(reversed(faults)) or {refused.field: refused.told}
        named = {one.name for one in fields}
        return None, {name if name in named else "": capital(in_words(said(words))) for name, words in told.items()}


async def _billing(view: View) -> Values | None:
    """Return how far billing is; None before it began."""
    try:
        found: Values = await view.get("/api/admin/billing")
    except Refused as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return None
    return found


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


_page: Final = partial(Page, role=Role.OPERATOR, section=SECTION)
_form_page: Final = partial(
    Page, role=Role.ADMIN, section=SECTION, template="tariffs/form.html", help="tasks/night-tariff", is_work=True
)
PAGES: Final = N_(
    (
        _page("/tariffs", "Tariffs", "tariffs.html", _tariffs, help="tasks/night-tariff"),
        _form_page(path="/tariffs/new", title="A new tariff", read=_new),
        _page("/tariffs/{id}", "Tariff", "tariffs/tariff.html", _tariff, help="tasks/night-tariff#change-a-price"),
        _form_page(path="/tariffs/{id}/change", title="Change a price", read=_change),
    )
)
