"""What drivers see of the costs of their sessions, and what their statements say: the same, to the
cent.

A month in virtual time with windows, a minimum, a fee for staying, two tax rates, net and gross
prices, another version of the tariff, another tariff, and a change of the clock. A driver looks
while the car charges, while it stays, at its stop, and after it; what was seen last is held against
the lines of the closed month.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Final

import pytest

from levity_trio.store.billing.rows import lines_of
from levity_trio.store.engine.database import rows_of
from levity_trio.store.reads.people.driving import (
    DriversSession,
    DriversState,
    HouseholdView,
    transaction,
)
from levity_trio.store.reads.transactions.bill import BillPrice, OwnBill
from levity_trio.store.reads.transactions.costs import DriversCost, costs_of
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Decision
from tests.sizes import size
from tests.store.bills import ANNA, BEN, BERLIN, Biller, charge, correct, month_is_over
from tests.store.books import Books, Station, meter_value
from tests.store.owning import House
from tests.store.reading import reading
from tests.store.telling import watts
from tests.store.test_book import price

HOUSE: Final = """
name = "House"
valid_from = {since}
currency = "EUR"
prices = "gross"
minimum = {minimum}
session_fee = 0.35

[tax]
energy = 19
blocking = 7

[[window]]
name = "night"
price = {night}
times = "22:00-06:00"

[[window]]
name = "noon"
price = -0.01
times = "12:00-13:00"

[energy]
name = "day"
price = {day}

[blocking]
price = 0.10
grace_minutes = 20
maximum = 6.00
free = "00:00-05:30"
"""
NET: Final = """
name = "Net"
valid_from = 2026-01-01
currency = "EUR"
prices = "net"
minimum = 0.84

[tax]
energy = 19
blocking = 7

[[window]]
name = "night"
price = 0.168067
times = "23:00-07:00"

[energy]
name = "day"
price = 0.268908

[blocking]
price = 0.0467
grace_minutes = 10
until_available = true
"""
SESSIONS: Final = size(120, 18)
STEP: Final = 10
IN_MARCH: Final = "SELECT id FROM tx WHERE stop_time < '2026-03-31T22'"
ACCOUNTS: Final = {"Card": ANNA, "Ben": BEN}
NIGHTS: Final = (date(2026, 3, 15), date(2026, 3, 19), date(2026, 3, 28))
"""The last one of a version, the last one of a tariff, and that of the change of the clock."""


@dataclass(frozen=True)
class Plan:
    """A session: when it begins, with which power, and for how many steps the car charges and then
    stays."""

    number: int
    begin: datetime
    tag: str
    power: int
    charging: int
    staying: int

    @property
    def looks_last(self) -> str:
        """When its driver looks for the last time: at the stop before it arrives, right after it,
        or later."""
        return ("before", "after", "later")[self.number % 3]


def plans(random: Random) -> Iterator[Plan]:
    for number in range(SESSIONS):
        day = date(2026, 3, 1) + timedelta(days=number * 31 // SESSIONS)
        hour = random.choice((3, 5, 11, 16, 20))
        begin = datetime.combine(day, datetime.min.time(), BERLIN) + timedelta(
            hours=hour, minutes=random.randrange(60)
        )
        tag = ("Card", "Ben")[number // 3 % 2]
        power = random.choice((150, 900, 3700, 7200, 11_000))
        yield Plan(
            number,
            begin.astimezone(UTC),
            tag,
            power,
            random.randrange(1, 24),
            random.choice((0, 0, 3, 12)),
        )
    for number, day in enumerate(NIGHTS * 2):
        late = datetime.combine(day, datetime.min.time(), BERLIN) + timedelta(
            hours=21, minutes=7 + number
        )
        yield Plan(
            SESSIONS + number, late.astimezone(UTC), ("Card", "Ben")[number // 3], 3700, 36, 3
        )


class Driver:
    """Who looks at the sessions of a household, and remembers what was seen last."""

    def __init__(self, biller: Biller) -> None:
        self._biller = biller
        self.seen: dict[int, DriversSession] = {}

    def look(self, number: int, account: int) -> DriversSession:
        books = self._biller.books
        with reading(books) as db:
            found = transaction(
                db, HouseholdView(account, self._biller.terms.rule), number, books.now
            )
        assert found is not None
        self.seen[number] = found
        return found


@pytest.fixture
def biller(books: Books) -> Biller:
    books.now = datetime(2026, 2, 27, 9, tzinfo=UTC)
    return with_tariffs(House(books))


def with_tariffs(house: House) -> Biller:
    """Give each household its card, and let the tariffs hold."""
    house.give(ANNA, "Card")
    house.give(BEN, "Ben")
    made = Biller(house)
    first = HOUSE.format(since="2026-01-01", day="0.329", night="0.24", minimum="1.00")
    second = HOUSE.format(since="2026-03-16", day="0.351", night="0.2575", minimum="1.25")
    tariff = made.add(first)
    made.add(second)
    made.assign(tariff, date(2026, 1, 1))
    made.assign(made.add(NET), date(2026, 3, 20), BEN)
    return made


def play(plan: Plan, station: Station, driver: Driver, meter: float) -> tuple[int, float]:
    """Charge as planned; return the transaction and the register at its end."""
    books, account = station.books, ACCOUNTS[plan.tag]
    books.now = max(books.now + timedelta(minutes=1), plan.begin)
    number = station.start(int(meter), tag=plan.tag)
    station.status("Charging")
    for step in range(plan.charging + plan.staying):
        books.wait(STEP)
        if step == plan.charging and plan.number % 2:
            station.status("SuspendedEV")
        power = plan.power if step < plan.charging else 0
        meter += power * STEP / 60
        station.tell(meter_value(station.clock(), int(meter), watts(power)), transaction=number)
        if step % 7 == 0:
            assert driver.look(number, account).state is DriversState.OPEN
    if plan.looks_last == "before":
        driver.look(number, account)
    station.stop(number, int(meter))
    if plan.looks_last == "after":
        driver.look(number, account)
    if plan.looks_last == "later":
        station.status("Finishing")
        books.wait(plan.staying * 3)
    station.status("Available")
    if plan.looks_last == "later":
        driver.look(number, account)
    return number, meter


def billed(books: Books) -> dict[int, tuple[int, list[int]]]:
    """Return what the statements of the month say: the amount of each session, and those of its
    lines."""
    found = books.rows(
        "SELECT tx_id, amount, lines FROM position JOIN statement ON statement.id = statement_id"
        " WHERE number IS NOT NULL AND kind IN ('session', 'free')"
    )
    return {
        number: (amount, [line.amount for line in lines_of(text)]) for number, amount, text in found
    }


@pytest.mark.sqlite
@pytest.mark.parametrize("seed", range(size(6, 1)))
def test_the_last_cost_that_a_driver_saw_is_that_of_the_statement(
    biller: Biller, seed: int
) -> None:
    books, driver, meter = biller.books, Driver(biller), 100_000.0
    station = Station(books)
    made: dict[int, Plan] = {}
    for plan in sorted(plans(Random(seed)), key=lambda one: one.begin):
        number, meter = play(plan, station, driver, meter)
        made[number] = plan
    month_is_over(books, 3)
    unbilled = of_site(biller)
    biller.close("2026-03")
    assert {
        number: (cents, not is_billed) for number, (cents, is_billed) in of_site(biller).items()
    } == unbilled
    statement = billed(books)
    assert statement.keys() == {number for (number,) in books.rows(IN_MARCH)}
    told = {number: costs(seen) for number, seen in driver.seen.items()}
    assert {
        made[number]: (told[number], says)
        for number, says in statement.items()
        if told[number] != says
    } == {}
    lines = [line for seen in driver.seen.values() for line in price_of(seen).lines]
    assert {line.kind for line in lines} == {
        "energy",
        "session fee",
        "blocking fee",
        "minimum",
        "maximum",
    }
    assert {line.tax_rate for line in lines} == {"19", "7"}
    assert {seen.state for seen in driver.seen.values()} == {DriversState.OPEN, DriversState.ENDED}
    for number in statement:
        seen = driver.seen[number]
        assert seen.cost is not None
        assert unbilled[number] == (seen.cost.gross, False)
        now = driver.look(number, ACCOUNTS[made[number].tag])
        assert now.cost is not None
        assert now.cost.statement is not None
        assert replace(now.cost, statement=None) == seen.cost
        assert bill_of(now).changes == ()


def of_site(biller: Biller) -> dict[int, tuple[int, bool]]:
    """Return what each session costs those whose it is: cents with tax, and whether they are
    billed. What the book has is the same as what a reader computes that finds no price in it."""

    def look() -> dict[int, tuple[int, bool]]:
        books = biller.books
        numbers = [number for (number,) in books.rows("SELECT id FROM tx ORDER BY id")]
        with reading(books) as db:
            found = [
                costs_of(rows_of(db), one, biller.terms.rule, numbers, books.now)
                for one in (ANNA, BEN)
            ]
        return {
            number: (cost.gross, cost.statement is not None)
            for some in found
            for number, cost in some.items()
        }

    found = look()
    price(biller.books)
    assert found == look()
    return found


def bill_of(seen: DriversSession) -> OwnBill:
    assert seen.bill is not None
    return seen.bill


def price_of(seen: DriversSession) -> BillPrice:
    price = bill_of(seen).price
    assert price is not None
    return price


def costs(seen: DriversSession) -> tuple[int, list[int]]:
    price = price_of(seen)
    assert seen.cost is not None
    assert sum(tax.gross for tax in price.taxes) == seen.cost.gross
    return seen.cost.amount, [line.amount for line in price.lines]


# What changes it later


@pytest.fixture
def seen(biller: Biller) -> tuple[Driver, Station]:
    biller.books.now = datetime(2026, 3, 3, 9, tzinfo=UTC)
    return Driver(biller), Station(biller.books)


def euros(cents: int, statement: int | None = None) -> DriversCost:
    return DriversCost(
        amount=cents, gross=cents, currency="EUR", prices="gross", statement=statement
    )


def test_a_later_fact_changes_it_and_is_told(biller: Biller, seen: tuple[Driver, Station]) -> None:
    books, driver, number = biller.books, seen[0], charge(seen[1], 10_000)
    before = driver.look(number, ANNA)
    assert (before.cost, bill_of(before).changes) == (euros(364), ())
    correct(books, number, 5_000)
    now = driver.look(number, ANNA)
    (change,) = bill_of(now).changes
    assert now.cost == euros(200)
    assert (change.kind, change.by, change.reason, change.energy_wh) == (
        "correct",
        "cleo",
        "read from its display",
        5000,
    )
    month_is_over(books, 3)
    biller.close("2026-03")
    correct(books, number, 6_000)
    late = driver.look(number, ANNA)
    assert (late.cost, bill_of(late).pending) == (euros(200, 1), 32)
    month_is_over(books, 4)
    biller.close("2026-04")
    corrected = driver.look(number, ANNA)
    assert (corrected.cost, bill_of(corrected).pending) == (euros(232, 1), 0)
    positions = [(one.statement, one.corrects, one.amount) for one in bill_of(corrected).positions]
    assert positions == [(1, None, 200), (2, 1, 32)]


def test_a_tariff_that_was_entered_after_the_session_is_told(
    biller: Biller, seen: tuple[Driver, Station]
) -> None:
    number = charge(seen[1], 10_000)
    biller.assign(biller.add(NET.replace('"Net"', '"Other"')), date(2026, 3, 1), ANNA)
    assert [(one.kind, one.by) for one in bill_of(seen[0].look(number, ANNA)).changes] == [
        ("assignment", "cleo")
    ]


def test_a_version_that_was_entered_after_the_session_is_told(
    biller: Biller, seen: tuple[Driver, Station]
) -> None:
    number = charge(seen[1], 10_000)
    biller.add(HOUSE.format(since="2026-03-02", day="0.40", night="0.30", minimum="1.00"))
    (change,) = bill_of(seen[0].look(number, ANNA)).changes
    assert (change.kind, change.by) == ("tariff", "cleo")
    assert seen[0].seen[number].cost == euros(435)


def test_what_is_in_doubt_has_no_cost_until_somebody_decided(
    biller: Biller, seen: tuple[Driver, Station]
) -> None:
    books, driver, number = biller.books, seen[0], charge(seen[1], 900_000)
    doubtful = driver.look(number, ANNA)
    assert (doubtful.state, doubtful.cost, bill_of(doubtful).changes) == (
        DriversState.IN_REVIEW,
        None,
        (),
    )
    books.run(decisions.confirm, number, Decision("cleo", "a truck", books.at))
    correct(books, number, 20_000)
    now = driver.look(number, ANNA)
    assert (now.state, now.energy_wh, now.cost) == (DriversState.ENDED, 20_000, euros(693))
    assert [(one.kind, one.by, one.reason) for one in bill_of(now).changes] == [
        *(("confirm", "cleo", "a truck"), ("correct", "cleo", "read from its display")),
    ]


def test_others_read_nothing_of_it(biller: Biller, seen: tuple[Driver, Station]) -> None:
    """It was billed to Anna, and is Ben's now: what her statement says is not his, and his next one
    has it."""
    driver, number = seen[0], charge(seen[1], 10_000)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    biller.house.give_by_hand(number, BEN)
    bens = driver.look(number, BEN)
    assert (bill_of(bens).positions, bens.cost) == ((), euros(364))


def test_after_the_stop_it_says_that_the_fee_goes_on_until_the_cable_is_out(
    biller: Biller, seen: tuple[Driver, Station]
) -> None:
    books, driver, station = biller.books, *seen
    biller.assign(biller.add(NET.replace('"Net"', '"Strict"')), date(2026, 3, 1), ANNA)
    number = charge(station, 10_000)
    costs = []
    for status in ("Finishing", "Available"):
        station.status(status)
        found = driver.look(number, ANNA)
        assert found.cost is not None
        costs.append((bill_of(found).goes_on, found.cost.amount))
        books.wait(30)
    assert costs == [(True, 269), (False, 269 + 374)]


# While it goes on


def test_staying_costs_nothing_while_energy_may_still_flow(
    biller: Biller, seen: tuple[Driver, Station]
) -> None:
    """A reading comes every 19 minutes, and the first minute of staying counts."""
    books, driver, station = biller.books, *seen
    strict = NET.replace("grace_minutes = 10", "").replace('"Net"', '"Strict"')
    biller.assign(biller.add(strict), date(2026, 3, 1), ANNA)
    number = station.start(1000, tag="Card")

    def stayed() -> int | None:
        """Return the minutes of staying that the driver sees."""
        lines = price_of(driver.look(number, ANNA)).lines
        return next((line.quantity for line in lines if line.kind == "blocking fee"), None)

    def tell(wh: int, power: int) -> int | None:
        books.wait(10)
        station.tell(meter_value(station.clock(), wh, watts(power)), transaction=number)
        books.wait(9)
        return stayed()

    assert tell(2200, 7200) is None
    assert tell(3400, 7200) is None
    assert tell(3400, 0) == 19 + 9
    assert tell(4600, 7200) is None, "it went on charging"
    station.status("SuspendedEV")
    books.wait(5)
    assert stayed() == 5


# The book


def test_the_book_follows_whatever_changes_a_bill(
    biller: Biller, seen: tuple[Driver, Station]
) -> None:
    books, number = biller.books, charge(seen[1], 10_000)
    assert of_site(biller) == {number: (364, False)}
    other = charge(seen[1], 10_000, tag="Nobody")
    assert of_site(biller) == {number: (364, False)}, "nobody pays it"
    biller.house.give(BEN, "Nobody")
    assert of_site(biller).keys() == {number, other}
    correct(books, number, 5_000)
    assert of_site(biller)[number] == (200, False)
    biller.add(HOUSE.format(since="2026-03-02", day="0.40", night="0.30", minimum="1.00"))
    assert of_site(biller)[number] == (235, False)
    month_is_over(books, 3)
    biller.close("2026-03")
    assert of_site(biller)[number] == (235, True)
    correct(books, number, 6_000)
    assert of_site(biller)[number] == (235, True), "until a statement corrects it"
    month_is_over(books, 4)
    biller.close("2026-04")
    assert of_site(biller)[number] == (275, True)


def test_a_fee_that_still_grows_is_not_kept(biller: Biller, seen: tuple[Driver, Station]) -> None:
    biller.assign(biller.add(NET.replace('"Net"', '"Strict"')), date(2026, 3, 1), ANNA)
    number = charge(seen[1], 10_000)
    seen[1].status("Finishing")
    before = of_site(biller)[number]
    biller.books.wait(90)
    seen[1].status("Available")
    assert of_site(biller)[number] > before


def test_what_ended_before_this_system_bills_has_no_cost(biller: Biller) -> None:
    biller.books.now = datetime(2026, 2, 27, 10, tzinfo=UTC)
    charge(Station(biller.books), 10_000)
    assert of_site(biller) == {}
