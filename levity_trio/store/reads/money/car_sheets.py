"""What a household tells the employer who pays for the electricity of its company car."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

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
from levity_trio.billing.statement import Line, LineKind, Owner, PositionKind
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
from levity_trio.wire.times import stamp

_CAR: Final = (
    "SELECT name, plate, coalesce((SELECT language FROM account WHERE id = ?1), "
    "(SELECT language FROM biller ORDER BY id DESC LIMIT 1)) "
    "FROM vehicle WHERE id = ?2 AND EXISTS (SELECT 1 FROM ownership "
    "WHERE account_id = ?1 AND vehicle_id = ?2 AND voided_at IS NULL)"
)
_PRICES: Final = (
    "SELECT month, way, currency, price, base_fee, year_wh FROM car_price "
    "WHERE account_id = ? AND vehicle_id = ? AND month BETWEEN ? AND ? ORDER BY month, id"
)
_IS_CLOSED: Final = "SELECT 1 FROM closing WHERE month = ? AND account_id IS NULL LIMIT 1"
_CLOSED: Final = (
    "SELECT prices, "  # noqa: S608 - our own names
    f"{', '.join(f'position.{name}' for name in OF_POSITION)} "
    "FROM position JOIN statement ON statement.id = statement_id "
    "WHERE statement.account_id = ? AND statement.month = ? AND number IS NOT NULL "
    "AND (kind NOT IN ('held back', 'unpriced') OR NOT EXISTS (SELECT 1 FROM position AS later "
    "JOIN statement AS other ON other.id = later.statement_id WHERE other.number IS NOT NULL "
    "AND other.account_id = statement.account_id AND other.month = statement.month "
    "AND later.tx_id = position.tx_id AND later.id > position.id)) ORDER BY position.id"
)
"""Without what a last bill held back and another one of that month has again."""
_ENDED: Final = (
    "SELECT tx_id FROM booked WHERE account_id = ? AND month = ? AND is_imported = 0 "
    "AND is_open = 0 ORDER BY started_at"
)
_METERS: Final = (
    "SELECT cp_id, conn_id, meter FROM connector_data "
    "WHERE id IN (SELECT max(id) FROM connector_data GROUP BY cp_id, conn_id)"
)


class OfCar(NamedTuple):
    """A sheet is of a household, its car, and a month."""

    account: int
    vehicle: int
    month: Month


class BilledPosition(NamedTuple):
    """A position of a statement, closed or next, and whether its prices are gross or net."""

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


def name_of_car(rows: Rows, account: int, vehicle: int) -> Sequence[Any] | None:
    """Return the name and the plate of a car that is or was a household's, and the language of the
    household or else of the house; None for any other."""
    found = rows(_CAR, (account, vehicle))
    return found[0] if found else None


def car_sheet(db: Database, of: OfCar, rule: Rule, now: datetime) -> CarSheet | None:
    """Return what a household tells about a car in a month; None if it is not its car."""
    rows = rows_of(db)
    car = name_of_car(rows, of.account, of.vehicle)
    if car is None:
        return None

    # After a last bill, more may come until the month is closed for all.
    found = rows(_CLOSED, (of.account, str(of.month)))
    every = [BilledPosition(prices, PositionRow(*row)) for prices, *row in found]
    is_closed = bool(rows(_IS_CLOSED, (str(of.month),)))
    coming = [] if is_closed else _next(rows, of, rule)
    if coming:  # also has what a last bill held back
        every = [one for one in every if one.position.kind not in UNASKED]
    every += coming
    of_car = [one for one in every if one.position.vehicle_id == of.vehicle]
    price = price_in(car_prices(rows, of.account, of.vehicle, of.month.year), str(of.month))
    needs_tariff = price is not None and price.way is PriceWay.BILL
    shown = [_shown(rows, one.position, needs_tariff=needs_tariff) for one in of_car]

    currency, cost = currency_of(rows), None
    if price is not None:
        currency = price.currency
        base = [one for one in every if one.position.month == str(of.month)]
        charged = [one.position for one in every if one.position.kind != PositionKind.CORRECTION]
        own = [one for one in charged if one.vehicle_id == of.vehicle]
        energies = _energy_wh(charged), _energy_wh(own)
        billed = BilledMonth(_gross(of_car), _gross(base), *energies)
        cost = cost_of(price, CURRENCIES[currency], _energy_wh(shown), billed)
    total = 0 if cost is None else cost.amount
    figures = Figures(
        *(of.account, str(of.month), str(rule.zone), currency, "gross"),
        *("[]", total, 0, total, 0),
    )
    names, _language = names_now(rows, figures, shown)
    statement = statement_of(rows, figures, shown, names, Owner(party=names.party))

    # Where nothing is billed, no month is ever closed.
    known = begun(rows)
    is_billed = known is not None and of.month >= Month.of(known.on)
    is_over = now >= of.month.until(rule.zone) and not is_billed and not statement.held_back
    known_meters = {row[:2]: row[2] for row in rows(_METERS, ())}
    meters = dict.fromkeys(
        (one.space or one.charger or "", known_meters.get((one.charger, one.connector)))
        for one in statement.positions
    )
    return CarSheet(
        statement=statement,
        car=car[0],
        plate=car[1],
        language=car[2],
        price=price,
        cost=cost,
        is_draft=not (is_closed or is_over),
        meters=tuple((place, meter) for place, meter in meters if meter is not None),
    )


def _next(rows: Rows, of: OfCar, rule: Rule) -> list[BilledPosition]:
    """Return what the statement of a month would have by now."""
    known = begun(rows) or Begun(of.month.first_day, of.month, False)
    until = stamp(of.month.until(rule.zone))
    plan = Plan(known, of.month, None, Terms(rule, 0), until, newest_revision(rows))
    ended = [number for (number,) in rows(_ENDED, (of.account, str(of.month)))]
    positions: list[BilledPosition] = []
    for one in Drafter(rows, plan).draft(of.account, ended):
        positions += [BilledPosition(one.figures.prices, row) for row in one.positions]
    return positions


def _shown(rows: Rows, row: PositionRow, *, needs_tariff: bool) -> PositionRow:
    """Return a position as it stands on the sheet: without lines, and with its registers, which one
    without a price lacks."""
    if row.kind == PositionKind.UNPRICED and not needs_tariff:
        row = row._replace(kind=PositionKind.SESSION.value)
    if row.kind not in UNASKED:
        row = row._replace(reason=None, told=None)
        read = {} if row.measured else registers_of(rows, [row.tx_id or 0])
        for registers in read.values():
            row = row._replace(**registers._asdict())
    return row._replace(lines="[]")


def _energy_wh(positions: Iterable[PositionRow]) -> int:
    return sum(one.energy_wh for one in positions if one.kind not in UNASKED)


def _gross(positions: Iterable[BilledPosition]) -> int:
    """Return what some positions ask for, tax included. A fee for staying is no electricity."""
    lines: dict[str, list[Line]] = defaultdict(list)
    for one in positions:
        every = lines_of(one.position.lines)
        lines[one.prices] += [line for line in every if line.kind is not LineKind.BLOCKING]
    amount = 0
    for prices, asked in lines.items():
        amount += sum(tax.gross for tax in tax_sums(asked, are_gross=prices == "gross"))
    return amount
