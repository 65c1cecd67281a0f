"""When energy flowed: the sum that a charger tells late may be right, and its course wrong. A price
that depends on the course is never certain then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from levity_trio.store.writes.load.load import manage
from tests.store.bills import ANNA, Biller, house_of_two
from tests.store.books import Books, Station, meter_value
from tests.store.deciding import Operator
from tests.store.telling import watts

CHEAP_NOON = """
name = "Cheap at noon"
valid_from = 2020-01-01
currency = "EUR"
prices = "gross"
tax = 19

[[window]]
name = "noon"
price = {price}
times = "12:00-14:00"

[energy]
name = "else"
price = 0.40
"""
PACE_W = 11_000
Told = Sequence[tuple[str, float]]
"""Times by its clock, which shows Berlin's time, and kWh since the start."""


@pytest.fixture
def biller(books: Books) -> Biller:
    found = Biller(house_of_two(books))
    found.assign(found.add(CHEAP_NOON.format(price="0.10")), date(2020, 1, 1), ANNA)
    books.now = datetime(2026, 3, 11, 20, 0, 0, 250_000, tzinfo=UTC)
    return found


@pytest.fixture
def station(biller: Biller) -> Station:
    books = biller.books
    station = Station(books)
    station.boot()
    station.lose()
    books.wait(60)
    station.connect()
    return station


def moment(clock: str) -> str:
    """Return a time in Berlin in March as its charger sends it."""
    local = datetime.fromisoformat(f"2026-03-10T{clock}:00")
    return (local - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def late(
    station: Station,
    told: Told,
    power_w: float | None = PACE_W,
    *,
    register: int = 100_000,
) -> int:
    """Tell a session a day later: its start, its readings and its stop, in this order."""
    (began, _), *readings, (ended, total) = told
    transaction = station.start(register, tag="Card", at=moment(began))
    for at, kwh in readings:
        samples: list[int | str | dict[str, str]] = [register + round(1000 * kwh)]
        if power_w is not None:
            samples.append(watts(power_w))
        station.tell(meter_value(moment(at), *samples), transaction=transaction)
    station.stop(transaction, register + round(1000 * total), at=moment(ended), tag="Card")
    return transaction


def billed(biller: Biller, transaction: int) -> tuple[str, int]:
    """Return how a preview of March has a session, and for how many cents."""
    books = biller.books
    for _ in range(2):
        books.wait(2)
        books.settle()
    drafted = biller.drafted(ANNA, "2026-03")
    return next((one.kind, one.amount) for one in drafted if one.tx == transaction)


def every(
    minutes: int, begin: str, end: str, kwh: float, shown: float = 0.0
) -> list[tuple[str, float]]:
    """Return readings from one time to another, the register rising evenly."""
    first, last = (datetime.fromisoformat(f"2026-03-10T{at}") for at in (begin, end))
    steps = int((last - first) / timedelta(minutes=minutes))
    return [
        (f"{first + step * timedelta(minutes=minutes):%H:%M}", shown + kwh * step / steps)
        for step in range(steps + 1)
    ]


# Sessions of 11 kW whose course is told wrong

LIES: dict[str, Told] = {
    "its clock is set back by two hours": (
        *every(30, "11:00", "13:30", 27.5),
        *every(30, "12:00", "13:00", 11, 33),
    ),
    "its clock is set back by three quarters of an hour": (
        *every(30, "10:00", "12:30", 27.5),
        *every(30, "12:15", "13:15", 11, 33),
    ),
    "its clock is set back by an hour, with readings each five minutes": (
        *every(5, "11:00", "12:30", 16.5),
        *every(5, "11:35", "12:30", 11 * 11 / 12, 16.5 + 11 / 12),
    ),
    "33 kWh within 44 minutes": (("10:00", 0), ("12:10", 0), ("12:54", 33), ("13:00", 33)),
    "33 kWh at last": (("10:00", 0), ("11:00", 0), ("12:05", 0), ("12:54", 33), ("13:00", 33)),
    "two readings of one hour": (
        ("10:00", 0),
        ("11:00", 11),
        ("12:00", 11),
        ("13:00", 44),
        ("14:00", 44),
        ("15:00", 55),
    ),
    "what flowed before is told within": (
        *every(15, "09:00", "11:00", 5.5),
        ("12:00", 5.5),
        ("12:30", 33),
        ("13:00", 33),
    ),
    "what flowed afterwards is told within": (
        *every(15, "11:00", "12:00", 11),
        ("13:00", 33),
        ("14:00", 38.5),
        ("15:00", 38.5),
        ("16:00", 44),
    ),
    "readings each minute that rise too fast for long": (
        *every(1, "09:30", "12:00", 5),
        *every(1, "12:01", "13:00", 24.6, 5.4),
        ("13:01", 30),
    ),
    "its clock is set back while nothing else is told": (
        ("11:00", 0),
        ("12:00", 11),
        ("13:00", 22),
        ("12:00", 33),
        ("13:00", 44),
    ),
    "it stood still until the last reading": (
        ("10:00", 0),
        ("11:00", 0),
        ("12:00", 0),
        ("13:00", 33),
        ("13:05", 33),
    ),
    "its last reading was told before": (
        ("10:00", 0),
        ("12:00", 0),
        ("12:40", 22),
        ("14:30", 22),
        ("15:00", 27.5),
    ),
}


@pytest.mark.parametrize("told", LIES.values(), ids=LIES)
def test_a_course_that_cannot_be_true_makes_no_price_certain(
    biller: Biller, station: Station, told: Told
) -> None:
    transaction = late(station, told)
    assert billed(biller, transaction)[0] == "held back"


def test_both_prices_of_a_clock_that_was_set_back(biller: Biller, station: Station) -> None:
    """It was right at the start, or at the stop."""
    transaction = late(station, LIES["its clock is set back by two hours"])
    assert billed(biller, transaction)[0] == "held back"
    words = station.review(transaction)
    assert "11.00 EUR" in words
    assert "14.30 EUR" in words


def test_a_register_that_catches_up_is_spread_over_the_shortest_stretch(
    biller: Biller, station: Station
) -> None:
    """Two of the three hours are dear: 22 kWh of 33, or a little less."""
    transaction = late(station, LIES["33 kWh within 44 minutes"])
    assert billed(biller, transaction)[0] == "held back"
    words = station.review(transaction)
    assert "3.30 EUR" in words
    assert "10.12 EUR" in words


def test_a_negative_price_is_not_given_for_what_cannot_have_flowed(
    biller: Biller, station: Station
) -> None:
    biller.assign(
        biller.add(CHEAP_NOON.replace("at noon", "today").format(price="-0.20")),
        date(2026, 1, 1),
        ANNA,
    )
    transaction = late(station, LIES["33 kWh within 44 minutes"])
    assert billed(biller, transaction)[0] == "held back"
    assert "-6.60" in station.review(transaction) or "−6.60" in station.review(transaction)


def test_without_told_power_its_ceiling_counts(
    books: Books, biller: Biller, station: Station
) -> None:
    learned = (
        "INSERT INTO habit (cp_id, conn_id, firmware, meter_serial, kind, value, transactions, "
        "since, last_at) VALUES ('CP-1', 1, '', '', 'ceiling', 11000, 9, '', '')"
    )
    books.run(lambda db: db.execute(learned))
    transaction = late(station, LIES["what flowed before is told within"], None)
    assert billed(biller, transaction)[0] == "held back"


def test_the_end_of_summer_time_by_a_clock_of_local_time(
    books: Books, biller: Biller, station: Station
) -> None:
    """What it calls 02:00 Z comes twice."""
    books.now = datetime(2026, 10, 27, 20, 0, 0, 250_000, tzinfo=UTC)
    station.connect()
    night = CHEAP_NOON.replace("at noon", "at night").replace("12:00-14:00", "03:00-06:00")
    biller.assign(biller.add(night.format(price="0.10")), date(2026, 10, 1), ANNA)

    def at(clock: str) -> str:
        return f"2026-10-25T{clock}:00Z"

    transaction = station.start(100_000, tag="Card", at=at("01:00"))
    told = ("01:30", "02:00", "02:30", "02:00", "02:30", "03:00")
    for step, clock in enumerate(told, 1):
        value = meter_value(at(clock), 100_000 + 5_500 * step, watts(PACE_W))
        station.tell(value, transaction=transaction)
    station.stop(transaction, 138_500, at=at("03:30"), tag="Card")
    books.wait(2)
    books.settle()
    codes = books.rows("SELECT code FROM review WHERE tx_id = ?", transaction)
    assert codes == [("clock_unsure",)]


# Honest ones

HONEST: dict[str, tuple[Told, int]] = {
    "each minute": (every(1, "10:00", "13:00", 33), 990),
    "each quarter of an hour": (every(15, "10:00", "13:00", 33), 990),
    "each hour": (every(60, "10:00", "13:00", 33), 990),
    "at the ends alone": ([("10:00", 0), ("13:00", 33)], 990),
    "a car that is full": ([*every(15, "10:00", "12:30", 27.5), ("14:00", 27.5)], 935),
    "a car that pauses": (
        [*every(15, "10:00", "11:00", 11), *every(15, "12:00", "13:00", 11, 11)],
        550,
    ),
    "in whole kWh": ([(at, int(kwh)) for at, kwh in every(5, "10:00", "13:00", 33)], 990),
}


@pytest.mark.parametrize(("told", "cents"), HONEST.values(), ids=HONEST)
@pytest.mark.parametrize("power_w", [PACE_W, None])
def test_an_honest_late_session_is_billed(
    biller: Biller, station: Station, told: Told, cents: int, power_w: float | None
) -> None:
    assert billed(biller, late(station, told, power_w)) == ("session", cents)


def test_what_does_not_fit_within_one_price_asks_nobody(biller: Biller, station: Station) -> None:
    told = (("14:30", 0), ("15:30", 0), ("16:00", 11), ("17:00", 22))
    assert billed(biller, late(station, told)) == ("session", 880)


def test_what_was_allowed_within_a_gap_may_have_flowed_there(
    books: Books, biller: Biller, station: Station
) -> None:
    """The car was told to charge faster after the first report of its power, and slower before the
    next."""
    told = (("11:00", 0), ("12:00", 4), ("13:00", 24), ("14:00", 28))
    books.run(manage, ["CP-1"], books.at, "anna")
    quarter = (
        "INSERT INTO load_car_quarter (quarter, cp_id, conn_id, limit_mean, bound, circuit) "
        "VALUES (?, 'CP-1', 1, 32, 'most', '')"
    )
    noon = int(datetime(2026, 3, 10, 11, tzinfo=UTC).timestamp()) // 900
    for number in range(noon, noon + 4):
        books.run(lambda db, number=number: db.execute(quarter, (number,)))  # type: ignore[misc]
    assert billed(biller, late(station, told, 10_000)) == ("session", 400)
    other = Station(books, "CP-2")
    assert billed(biller, late(other, told, 10_000))[0] == "held back"


def test_more_energy_than_told_power_allows_may_have_been_allowed_between(
    books: Books, station: Station
) -> None:
    """Its limit fell before it told its power for the first time, an hour after the start."""
    told = (("11:00", 0), ("12:00", 9), ("13:00", 13), ("14:00", 17), ("15:00", 21))
    doubted = late(Station(books, "CP-2"), told, 4_000)
    assert Station(books, "CP-2").review(doubted)
    quarter = (
        "INSERT INTO load_car_quarter (quarter, cp_id, conn_id, limit_mean, bound, circuit) "
        "VALUES (?, 'CP-1', 1, 16, 'most', '')"
    )
    noon = int(datetime(2026, 3, 10, 11, tzinfo=UTC).timestamp()) // 900
    books.run(lambda db: db.execute(quarter, (noon,)))
    assert station.bill(late(station, told, 4_000)) == (21_000, "register", "certain")


def test_confirmed_it_is_billed_as_it_can_have_flowed(biller: Biller, station: Station) -> None:
    transaction = late(station, LIES["33 kWh within 44 minutes"])
    assert billed(biller, transaction)[0] == "held back"
    Operator(biller.books).confirm(transaction)
    assert billed(biller, transaction) == ("session", 1012)
