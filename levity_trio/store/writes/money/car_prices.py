"""What a household chooses for its company car: one way for a calendar year."""

from __future__ import annotations

from typing import Final

from levity_trio.billing.car_sheet import CarPrice
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.lookups.wallets import name_of
from levity_trio.store.reads.money.statements import car_prices, name_of_car
from levity_trio.store.writes.people.accounts import ChangeRefused, RefusalCode
from levity_trio.told import Told

_CHOSEN: Final = (
    "INSERT INTO car_price (account_id, vehicle_id, month, way, currency, price, base_fee, "
    "year_wh, chosen_at, chosen_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def choose(db: UnitOfWork, account: int, vehicle: int, price: CarPrice, at: str, by: str) -> None:
    """Choose by what the electricity of a car is counted. Raises ChangeRefused."""
    if name_of_car(db.rows, account, vehicle) is None:
        words = Told("household {1} has no car {2}", name_of(db.rows, account), vehicle)
        raise ChangeRefused(RefusalCode.NOT_FOUND, words)

    # The tax office lets nobody choose for each month what is more.
    year = int(price.month[:4])
    for chosen in car_prices(db.rows, account, vehicle, year):
        if chosen.way is not price.way:
            words = Told(
                "another way was chosen for this car in {1}: one holds for a calendar year", year
            )
            raise ChangeRefused(RefusalCode.CONFLICT, words, "way")
    exact = None if price.price is None else f"{price.price:f}"
    db.execute(
        _CHOSEN,
        (
            *(account, vehicle, price.month, price.way.value, price.currency, exact),
            *(price.base_fee, price.year_wh, at, by),
        ),
    )
