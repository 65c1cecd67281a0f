"""A year of statements with both clock changes, from charging sessions to closed statements,
against a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from levity_trio.billing.months import Month
from levity_trio.billing.statement import LineKind, Position, Split
from tests.billing.cases import ZONES
from tests.store.bills import Biller
from tests.store.books import Books, Station, meter_value
from tests.store.owning import House

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

YEAR: Final = 2025
LONG_AGO: Final = f"{YEAR - 1}-01-01T00:00:00.000Z"
PRICES: Final = {"night": 22, "noon": 11, "day": 34}
"""Cents a kWh."""
TARIFF: Final = f"""
name = "Windows"
valid_from = {YEAR}-01-01
currency = "EUR"
prices = "gross"
tax = 19
base_fee = 6.20

[[window]]
name = "night"
price = 0.22
times = "22:00-02:30"

[[window]]
name = "noon"
price = 0.11
times = "11:30-14:00"

[energy]
name = "day"
price = 0.34
"""
STEP: Final = timedelta(minutes=30)
STEPS: Final = 34
"""Half hours of a session: seventeen hours, so that each window comes, and those of a night with a
clock change."""
AFTER_SENDING: Final = timedelta(milliseconds=250)


class Charged(NamedTuple):
    """A session: when it began, and the Wh of each half hour."""

    transaction: int
    began: datetime
    wh: list[int]

    @property
    def ended(self) -> datetime:
        return self.began + STEPS * STEP


# The model


def window(local: datetime) -> str:
    clock = local.hour, local.minute
    if clock >= (22, 0) or clock < (2, 30):
        return "night"
    return "noon" if (11, 30) <= clock < (14, 0) else "day"


def of_windows(charged: Charged, zone: ZoneInfo) -> Counter[str]:
    """Return the Wh of each window. The clock changes at whole hours, so each half hour lies in one
    window."""
    found: Counter[str] = Counter()
    for number, wh in enumerate(charged.wh):
        found[window((charged.began + number * STEP).astimezone(zone))] += wh
    return found


def cents(found: Counter[str]) -> int:
    """Return the price of a session: each line is rounded, half a cent up."""
    return sum((wh * PRICES[name] + 500) // 1000 for name, wh in found.items())


# The year


def changes(zone: ZoneInfo) -> list[date]:
    """Return the days of the year on which the clock is changed."""
    days = [date(YEAR, 1, 1) + timedelta(days=number) for number in range(365)]
    midnights = [datetime(day.year, day.month, day.day, tzinfo=zone) for day in days]
    return [
        one.date() for one, after in pairwise(midnights) if one.utcoffset() != after.utcoffset()
    ]


def beginnings(month: Month, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield when sessions of a month begin: over the nights of its clock changes, and over its
    end."""
    last = month.next.first_day - timedelta(days=1)
    eves = [day - timedelta(days=1) for day in changes(zone) if Month.of(day) == month]
    for day in sorted({month.first_day + timedelta(days=9), *eves, last}):
        yield datetime(day.year, day.month, day.day, 20, tzinfo=zone).astimezone(UTC)


def charge(station: Station, begin: datetime, register: int) -> Charged:
    books = station.books
    books.now = begin + AFTER_SENDING
    transaction, wh = station.start(register, 1, "Carl"), []
    for number in range(STEPS):
        books.now += STEP
        wh.append(900 + 37 * (number * 5 % 11))
        station.tell(meter_value(station.clock(), register + sum(wh)), transaction=transaction)
    station.stop(transaction, register + sum(wh))
    return Charged(transaction, begin, wh)


@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_each_month_of_a_year_is_what_the_clock_on_the_wall_says(
    books: Books, zone: ZoneInfo
) -> None:
    books.now = datetime(YEAR, 1, 1, tzinfo=zone).astimezone(UTC) - timedelta(days=1)
    house = House(books)
    carl, station = house.add("Carl", LONG_AGO), Station(books)
    house.give(carl, "Carl", LONG_AGO)
    biller = Biller(house, date(YEAR, 1, 1))
    biller.zone = zone
    biller.assign(biller.add(TARIFF), date(YEAR, 1, 1), carl)
    assert len(changes(zone)) == 2
    every: dict[int, Charged] = {}
    register, month = 1000, Month(YEAR, 1)
    for number in range(1, 13):
        for begin in beginnings(month, zone):
            charged = charge(station, begin, register)
            register += sum(charged.wh)
            every[charged.transaction] = charged
        books.now = month.until(zone) + timedelta(days=2)
        books.settle()
        assert biller.close(str(month)).statements == 1
        expected = [
            one for one in every.values() if Month.of(one.ended.astimezone(zone).date()) == month
        ]
        check(biller.statement(number).positions, expected, zone)
        assert biller.statement(number).total == 620 + sum(
            cents(of_windows(one, zone)) for one in expected
        )
        month = month.next
    assert books.value("SELECT count(*) FROM position WHERE kind = 'session'") == len(every) - 1
    assert biller.balance(carl) == -sum(biller.statement(number).total for number in range(1, 13))


def check(positions: tuple[Position, ...], expected: list[Charged], zone: ZoneInfo) -> None:
    """Compare the sessions of a statement and their windows with the model."""
    sessions = [one for one in positions if one.transaction is not None]
    assert [one.transaction for one in sessions] == [one.transaction for one in expected]
    for position, charged in zip(sessions, expected, strict=True):
        found = {line.window: line.quantity for line in position.lines}
        assert found == of_windows(charged, zone)
        assert (position.split, position.energy_wh) == (Split.REGISTER, sum(charged.wh))
    assert [line.kind for one in positions if one.transaction is None for line in one.lines] == [
        LineKind.BASE
    ]
