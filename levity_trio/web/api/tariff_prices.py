"""One price a kWh from a day on: a version of a tariff, without writing TOML."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec

from levity_trio.billing.assignments import SITE
from levity_trio.billing.examples import one_price
from levity_trio.store.reads import tariffs as stored
from levity_trio.store.tariffs import first_open_day
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes import tariffs as writes
from levity_trio.store.writes.accounts import Change
from levity_trio.store.writes.tariffs import Assigning, Given
from levity_trio.web.api.accounts import refusals
from levity_trio.web.api.endpoints import Asked, Endpoint, Role, StructBody
from levity_trio.web.api.local_times import LocalDay, begins_at, local_day
from levity_trio.web.api.problems import invalid
from levity_trio.web.api.shown import show, shown_as
from levity_trio.web.api.tariffs import TAG, Corrects, Reason, VersionAddition, made, parsed, said_by, shown
from levity_trio.web.api.wallets import Currency

OF_PRICE: Final = {"energy.price": "price", "valid_from": "since", "name": "name", "currency": "currency", "tax": "tax"}
"""The fields of a tariff with one price, by their places in its text."""

Price = Annotated[
    str,
    msgspec.Meta(
        max_length=20,
        description="For a kWh, with a decimal point.",
        extra_json_schema={"examples": ["0.32"], "pattern": r"^\s*\+?[0-9]{1,9}([.,][0-9]{1,6})?\s*$"},
    ),
]
TariffName = Annotated[
    str,
    msgspec.Meta(
        max_length=60,
        description="Of the tariff; not just a number.",
        extra_json_schema={"pattern": r"^[^\x00-\x1f\x7f]*[^\d\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"},
    ),
]
Tax = Annotated[
    str,
    msgspec.Meta(
        max_length=10,
        description="In per cent; as before by default, else 0.",
        extra_json_schema={"pattern": r"^\s*(0|[1-9][0-9]?([.,][0-9]{1,6})?)\s*$"},
    ),
]


class PriceBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One price a kWh at all times, tax included, from a day on."""

    price: Price
    since: LocalDay
    name: TariffName = "Flat"
    currency: Currency | None = None
    tax: Tax | None = None
    site: Annotated[bool, msgspec.Meta(description="Assign it to the whole site from that day on, too.")] = False
    reason: Reason = None
    correct_statements: Corrects = False


async def add_price(asked: Asked) -> Any:
    """Add a version with one price. A comma is taken for a decimal point."""
    body: PriceBody = asked.body
    if body.price.strip().startswith("-"):
        raise invalid("price", "a price below 0 would pay for charging; give 0 if it is free")
    since, name = local_day(body.since, "since"), body.name.strip()
    usual = await asked.api.reader.run(partial(stored.usual_terms, name=name))
    currency, tax = (usual[at] if given is None else given for at, given in enumerate((body.currency, body.tax)))
    price, tax = (text.strip().replace(",", ".") for text in (body.price, tax))
    toml = one_price(name, since, currency, tax, price)
    given, said = Given(toml, await parsed(toml, OF_PRICE)), said_by(asked)

    def change(db: UnitOfWork) -> Change:
        first_open = first_open_day(db.rows)
        done = writes.add(db, given, first_open, said)
        if body.site:
            begin = begins_at(since, asked.api.config.time_zone)
            writes.assign(db, Assigning(SITE, done.id, since, begin), first_open, said)
        return done

    with refusals(OF_PRICE):
        done, corrected = await made(asked, change)
    return await shown(asked, done.id) | {"result": done.word, "corrected": show(corrected)}


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/api/admin/tariff-prices",
        role=Role.ADMIN,
        tag=TAG,
        summary="Set one price a kWh from a day on: a version of a tariff, without writing TOML.",
        handle=add_price,
        body=StructBody(PriceBody),
        answer=shown_as(VersionAddition),
        status=HTTPStatus.CREATED,
        problems=("in_use", "conflict", "corrects_statements"),
    ),
)
