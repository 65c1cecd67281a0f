"""Company cars: what a household tells the employer who pays for its electricity. Drivers do it for
their own household, and operators for any."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta
from starlette.responses import Response

from levity_trio.billing.car_sheet import CarPrice, CarSheet, PriceWay
from levity_trio.billing.ledger import LARGEST
from levity_trio.billing.money import typed_number
from levity_trio.documents.paper import CarPaper, DocumentForm, file_name
from levity_trio.locale import SOURCE, of_reader
from levity_trio.store.billing.drafting import currency_of
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.reads.money import car_sheets as stored
from levity_trio.store.reads.money.car_sheets import OfCar
from levity_trio.store.writes.money import car_prices
from levity_trio.told import Told
from levity_trio.web.api.drivers.driving import ME, account_of
from levity_trio.web.api.drivers.driving import TAG as OF_DRIVERS
from levity_trio.web.api.engine.endpoints import (
    MINOR_UNITS,
    WATT_HOURS,
    ClientInput,
    Endpoints,
    Request,
    Role,
    Server,
    TypedRequest,
    rule_of,
)
from levity_trio.web.api.engine.lists import MonthName
from levity_trio.web.api.engine.papers import MEDIA_TYPES, document
from levity_trio.web.api.engine.problems import invalid, not_found
from levity_trio.web.api.money.billing import month_of
from levity_trio.web.api.money.statements import NOT_MADE, TAG
from levity_trio.web.api.money.tariffs import Price

ENDPOINTS: Final = Endpoints(TAG)
CAR: Final = "/api/admin/accounts/{id}/vehicles/{vehicle}"
OWN_CAR: Final = f"{ME}/vehicles/{{vehicle}}"
OTHER_FORMS: Final = (MEDIA_TYPES[DocumentForm.PDF], MEDIA_TYPES[DocumentForm.CSV])


class CarDocumentQuery(ClientInput):
    format: Literal["html", "pdf", "csv"] = "html"


class CarPriceBody(ClientInput):
    """By what the electricity of a company car is counted: one way holds for a calendar year. A
    price is with tax."""

    month: Annotated[MonthName, Meta(description="From this month on, such as 2026-10.")]
    way: Literal["flat", "bill", "contract"]
    price: Price | None = None
    base_fee: Annotated[int, Meta(ge=0, le=LARGEST, extra_json_schema=MINOR_UNITS)] | None = None
    year_wh: Annotated[int, Meta(ge=1, lt=2**53, extra_json_schema=WATT_HOURS)] | None = None


def read_sheet(db: Database, server: Server, of: OfCar) -> CarSheet:
    """Return what a household tells about a car. Raises Problem."""
    sheet = stored.car_sheet(db, of, rule_of(server), server.now())
    if sheet is None:
        raise not_found(Told("car {1} of household {2}", of.vehicle, of.account))
    return sheet


def _car(request: Request) -> tuple[int, int]:
    """Return the household, the own one where the path names none, and its car. Raises Problem."""
    account = request.number() if "id" in request.path else account_of(request)
    return account, request.number("vehicle")


def _chosen(body: CarPriceBody, currency: str) -> CarPrice:
    """Return what a body chooses. Raises Problem."""
    way = PriceWay(body.way)
    price = None
    if way is not PriceWay.BILL:
        price = typed_number(body.price or "")
        if price is None:
            raise invalid("price", Told("give the price of a kWh"))
    is_contract = way is PriceWay.CONTRACT
    if is_contract and (body.base_fee is None) is not (body.year_wh is None):
        raise invalid("year_wh", Told("give it together with the base fee, or neither"))
    fee = (body.base_fee, body.year_wh) if is_contract else (None, None)
    return CarPrice(body.month, way, currency, price, *fee)


def _declare(path: str, role: Role, group: str) -> None:
    @ENDPOINTS.get(
        f"{path}/sheets/{{month}}",
        *(role, *NOT_MADE, "conflict"),
        media_type=MEDIA_TYPES[DocumentForm.HTML],
        other_media_types=OTHER_FORMS,
        group=group,
    )
    async def get_document(request: TypedRequest[CarDocumentQuery, None]) -> Response:
        """Download the electricity of a company car in a month as HTML, PDF or CSV"""
        month = month_of(request)
        wanted = OfCar(*_car(request), month)
        sheet = await request.read(read_sheet, server=request.api, of=wanted)
        paper = CarPaper(sheet, sheet.language or of_reader() or SOURCE)
        name = file_name(str(month), sheet.statement.owner.party.name, sheet.car)
        return document(request.api, paper, DocumentForm(request.query.format), name)

    @ENDPOINTS.post(f"{path}/price", role, "not_found", "conflict", group=group)
    async def choose_price(request: TypedRequest[None, CarPriceBody]) -> CarPrice:
        """Choose by what the electricity of a company car is counted"""
        currency = await request.read(lambda db: currency_of(rows_of(db)))
        price = _chosen(request.body, currency)
        await request.write(car_prices.choose, *_car(request), price)
        return price


_declare(CAR, Role.OPERATOR, TAG)
_declare(OWN_CAR, Role.DRIVER, OF_DRIVERS)
