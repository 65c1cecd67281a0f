"""What a household tells the employer who pays for the electricity of its company car."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from levity_trio.billing.car_sheet import (
    BilledMonth,
    CarPrice,
    CarSheet,
    PriceWay,
    cost_of,
    price_in,
)
from levity_trio.billing.money import CURRENCIES, tax_sums
from levity_trio.billing.months import Month
from levity_trio.billing.positions import PositionKind
from levity_trio.billing.statement import Line, LineKind, Owner
from levity_trio.store.billing.drafting import (
    Drafter,
    Plan,
    Terms,
    currency_of,
    newest_revision,
)
from levity_trio.store.billing.months import Begun, begun
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.billing.registers import registers_of
from levity_trio.store.billing.rows import lines_of
from levity_trio.store.billing.statements import (
    OF_POSITION,
    UNASKED,
    Figures,
    PositionRow,
    names_now,
    statement_of,
)
from levity_trio.store.engine.database import Database, Rows, rows_of
from levity_trio.told import Told, beside
from levity_trio.wire.times import stamp

_CAR: Final = (
    "SELECT name, plate FROM vehicle WHERE id = ?2 AND EXISTS (SELECT 1 FROM ownership "
    "WHERE account_id = ?1 AND vehicle_id = ?2 AND voided_at IS NULL)"
)
_PRICES: Final = (
    "SELECT month, way, currency, price, base_fee, year_wh FROM car_price "
    "WHERE account_id = ? AND vehicle_id = ? AND month BETWEEN ? AND ? ORDER BY month, id"
)
_IS_CLOSED: Final = (
    "SELECT 1 FROM closing WHERE month = ? AND (account_id IS NULL OR account_id = ?) LIMIT 1"
)
_CLOSED: Final = (
    "SELECT statement.currency, prices, "  # noqa: S608 - our own names
    f"{', '.join(f'position.{name}' for name in OF_POSITION)} "
    "FROM position JOIN statement ON statement.id = statement_id "
    "WHERE statement.account_id = ? AND statement.month = ? AND number IS NOT NULL "
    "ORDER BY position.id"
)
_OF_MONTH: Final = (
    "SELECT tx_id, is_open FROM booked WHERE account_id = ? AND is_imported = 0 "
    "AND ((is_open = 0 AND month = ?) OR (is_open = 1 AND started_at < ?)) ORDER BY started_at"
)
_METER: Final = (
    "SELECT meter FROM connector_data WHERE cp_id = ? AND conn_id = ? ORDER BY id DESC LIMIT 1"
)
RUNNING: Final = Told("it has not ended")


class OfCar(NamedTuple):
    """A sheet is of a household, its car, and a month."""

    account: int
    vehicle: int
    month: Month


class BilledPosition(NamedTuple):
    """A position of a statement, closed or next, with the currency and the prices of that."""

    currency: str
    prices: str
    position: PositionRow


def car_prices(rows: Rows, account: int, vehicle: int, year: int) -> list[CarPrice]:
    """Return what was chosen for a car in a year, in the order of the months from which it
    holds."""
    prices: list[CarPrice] = []
    for month, way, currency, price, base_fee, year_wh in rows(
        _PRICES, (account, vehicle, f"{year}-01", f"{year}-12")
    ):
        exact = None if price is None else Decimal(price)
        prices.append(CarPrice(month, PriceWay(way), currency, exact, base_fee, year_wh))
    return prices


def name_of_car(rows: Rows, account: int, vehicle: int) -> tuple[str, str | None] | None:
    """Return the name and the plate of a car that is or was a household's; None for any other."""
    found = rows(_CAR, (account, vehicle))
    return (found[0][0], found[0][1]) if found else None


def car_sheet(db: Database, of: OfCar, rule: Rule, now: datetime) -> CarSheet | None:
    """Return what a household tells about a car in a month; None if it is not its car."""
    rows = rows_of(db)
    car = name_of_car(rows, of.account, of.vehicle)
    if car is None:
        return None
    price = price_in(car_prices(rows, of.account, of.vehicle, of.month.year), str(of.month))
    currency = currency_of(rows) if price is None else price.currency

    # What is closed has its positions; of any other month they are what a statement would have.
    is_closed = bool(rows(_IS_CLOSED, (str(of.month), of.account)))
    every = _closed(rows, of) if is_closed else _next(rows, of, rule)
    of_car = [one for one in every if one.position.vehicle_id == of.vehicle]
    needs_tariff = price is not None and price.way is PriceWay.BILL
    shown = [_shown(rows, one.position, needs_tariff=needs_tariff) for one in of_car]
    energy_wh = sum(one.energy_wh for one in shown if one.kind not in UNASKED)

    cost = None
    if price is not None:
        billed = _billed(of, currency, of_car, every)
        cost = cost_of(price, CURRENCIES[currency], energy_wh, billed)
    total = 0 if cost is None else cost.amount
    figures = Figures(
        *(of.account, str(of.month), str(rule.zone), currency, "gross"),
        *("[]", total, 0, total, 0),
    )
    names, _language = names_now(rows, figures, shown)
    may_change = any(one.kind in UNASKED for one in shown) or _may_change(rows, of, rule, now)
    meters: dict[tuple[str, str], None] = {}
    for one in shown:
        for (meter,) in rows(_METER, (one.cp_id, one.conn_id)):
            place = names.space(one.cp_id, one.conn_id) or one.cp_id or ""
            meters |= {} if meter is None else {(place, meter): None}
    return CarSheet(
        statement=statement_of(rows, figures, shown, names, Owner(party=names.party)),
        car=car[0],
        plate=car[1],
        price=price,
        cost=cost,
        is_draft=not is_closed and may_change,
        meters=tuple(meters),
    )


def _may_change(rows: Rows, of: OfCar, rule: Rule, now: datetime) -> bool:
    """Whether a month that is not closed may still change. Where nothing is billed, none is ever
    closed."""
    known = begun(rows)
    is_billed = known is not None and of.month >= Month.of(known.on)
    return is_billed or now < of.month.until(rule.zone)


def _closed(rows: Rows, of: OfCar) -> list[BilledPosition]:
    found = rows(_CLOSED, (of.account, str(of.month)))
    return [BilledPosition(currency, prices, PositionRow(*row)) for currency, prices, *row in found]


def _next(rows: Rows, of: OfCar, rule: Rule) -> list[BilledPosition]:
    """Return what the statement of a month would have by now; what has not ended is held back."""
    known = begun(rows) or Begun(of.month.first_day, of.month, False)
    until = stamp(of.month.until(rule.zone))
    plan = Plan(known, of.month, None, Terms(rule, 0), until, newest_revision(rows))
    found: dict[int | None, int] = dict(rows(_OF_MONTH, (of.account, str(of.month), until)))
    positions: list[BilledPosition] = []
    for one in Drafter(rows, plan).draft(of.account, [number for number in found if number]):
        for row in one.positions:
            position = row
            if found.get(row.tx_id):
                held = PositionKind.HELD_BACK.value
                position = row._replace(kind=held, reason=RUNNING, told=beside(RUNNING))
            positions.append(BilledPosition(one.figures.currency, one.figures.prices, position))
    return positions


def _shown(rows: Rows, row: PositionRow, *, needs_tariff: bool) -> PositionRow:
    """Return a position as it stands on the sheet: without lines, and with its registers, which
    statements have not that were closed before they had any."""
    kind = row.kind
    if kind == PositionKind.UNPRICED and not needs_tariff:
        kind = PositionKind.SESSION.value
    reason, told = (row.reason, row.told) if kind in UNASKED else (None, None)
    shown = row._replace(kind=kind, lines="[]", reason=reason, told=told)
    if shown.measured is None and kind not in UNASKED:
        for read in registers_of(rows, [row.tx_id or 0]).values():
            shown = shown._replace(**read._asdict())
    return shown


def _billed(
    of: OfCar, currency: str, of_car: Iterable[BilledPosition], every: Sequence[BilledPosition]
) -> BilledMonth:
    """Return what statements ask for: a fee for staying is no electricity."""
    base = [one for one in every if one.position.month == str(of.month)]
    energy_wh = sum(one.position.energy_wh for one in every if one.position.kind not in UNASKED)
    return BilledMonth(_gross(currency, of_car), _gross(currency, base), energy_wh)


def _gross(currency: str, positions: Iterable[BilledPosition]) -> int:
    """Return what some positions ask for, tax included."""
    lines: dict[str, list[Line]] = defaultdict(list)
    for one in positions:
        if one.currency == currency:
            for line in lines_of(one.position.lines):
                lines[one.prices] += [] if line.kind is LineKind.BLOCKING else [line]
    amount = 0
    for prices, every in lines.items():
        amount += sum(tax.gross for tax in tax_sums(every, are_gross=prices == "gross"))
    return amount
