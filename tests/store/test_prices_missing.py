"""Prices that stop coming, and clocks that are in doubt: what a bill by the quarter does without
them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from levity_trio.billing.statement import LineKind
from levity_trio.charging.quarters import quarter_of
from levity_trio.store.billing.months import Refused
from levity_trio.store.writes.money.tariffs import SeriesData, add_prices, set_series
from levity_trio.store.writes.people.ownership import Said
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Correction, Decision
from tests.store import telling
from tests.store.bills import ANNA, BEN, BERLIN, Biller, correct, house_of_two, month_is_over
from tests.store.books import Books, Station
from tests.store.recomputed import half_up
from tests.store.test_clocks_behind import WH, charge, line, waited_until_it_was_set

MOVING = """
name = "Moving"
valid_from = 2020-01-01
currency = "EUR"
prices = "gross"
tax = 19

[energy]
series = "Market"
markup = 0.10
"""
FALLBACK = MOVING.replace("Moving", "Careful") + "fallback = 0.40\n"
MEAN = MOVING.replace("Moving", "Mean") + "average = true\n"


@pytest.fixture
def biller(books: Books) -> Biller:
    found = Biller(house_of_two(books))
    data = SeriesData(name="Market", currency="EUR", prices="gross")
    books.run(set_series, data, Said(books.at, "cleo"), None)
    return found


def enter(books: Books, days: Iterator[date] | list[date], price: str = "0.20") -> None:
    """Enter one price for all quarters of some local days."""
    values = dict[int, Decimal]()
    for day in days:
        begin = datetime.combine(day, datetime.min.time(), BERLIN)
        after = datetime.combine(day + timedelta(days=1), datetime.min.time(), BERLIN)
        quarters = range(quarter_of(begin.timestamp()), quarter_of(after.timestamp()))
        values |= dict.fromkeys(quarters, Decimal(price))
    said = Said(books.at, "https://prices.example")
    assert books.run(add_prices, "Market", values, said).added == len(values)


def march(first: int = 1, last: int = 31) -> list[date]:
    return [date(2026, 3, day) for day in range(first, last + 1)]


def charged(station: Station, day: int, tag: str = "Card") -> int:
    """Charge 7,200 Wh in the last half of a day's last hour and after it."""
    station.books.now = datetime(2026, 3, day, 22, 30, 0, 250_000, tzinfo=UTC)
    register = station.books.value("SELECT coalesce(max(meter_stop), 1000) FROM tx")
    transaction = station.start(register, 1, tag)
    wh = telling.charge(station, transaction, register)
    station.stop(transaction, wh)
    return transaction


# Three days without prices


def test_without_prices_a_session_costs_the_fallback_from_their_quarters_on(
    biller: Biller, station: Station
) -> None:
    """The first one begins half an hour before the gap, and the third ends half an hour after
    it."""
    biller.assign(biller.add(FALLBACK), date(2026, 1, 1), ANNA)
    enter(biller.books, [*march(1, 10), *march(14, 31)])
    numbers = [charged(station, day) for day in (9, 10, 11, 13)]
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    found = {one.transaction: one.lines[0] for one in biller.statement(1).positions}
    prices = {
        number: [(one.wh, one.price, one.is_fallback) for one in found[number].quarters]
        for number in numbers
    }
    told = (1800, Fraction("0.30"), False)
    missing = (1800, Fraction("0.40"), True)
    assert prices == dict(
        zip(
            numbers,
            ([told] * 4, [told, told, missing, missing], [missing] * 4, [missing] * 2 + [told] * 2),
            strict=True,
        )
    )
    assert [found[number].amount for number in numbers] == [216, 252, 288, 252]


def test_without_fallback_nothing_is_closed_until_the_prices_are_there(
    biller: Biller, station: Station
) -> None:
    biller.assign(biller.add(MOVING), date(2026, 1, 1), ANNA)
    enter(biller.books, [*march(1, 10), *march(14, 31)])
    others = charged(station, 8, "Ben")
    known, waiting = charged(station, 9), charged(station, 11)
    month_is_over(biller.books, 3)
    kinds = {one.tx: (one.kind, one.amount) for one in biller.drafted(ANNA, "2026-03")}
    assert kinds == {known: ("session", 216), waiting: ("unpriced", 0)}
    assert [one.amount for one in biller.drafted(BEN, "2026-03")] == [216]
    with pytest.raises(Refused) as refused:
        biller.closable("2026-03")
    assert "Market" in str(refused.value)
    assert biller.books.count("statement") == 0

    enter(biller.books, march(11, 13), "-0.50")
    biller.close("2026-03")
    found = {one.tx: one.amount for one in biller.lines(ANNA, "2026-03")}
    assert found == {known: 216, waiting: -288}
    assert [one.tx for one in biller.lines(BEN, "2026-03")] == [others]


@pytest.mark.parametrize(("days", "amount"), [(28, 7.2), (27, None)])
def test_the_mean_of_a_month_is_told_where_nine_in_ten_quarters_are_known(
    biller: Biller, station: Station, days: int, amount: float | None
) -> None:
    biller.assign(biller.add(MEAN), date(2026, 1, 1), ANNA)
    enter(biller.books, march(1, 14), "0.10")
    enter(biller.books, march(15, days), "0.30")
    charged(station, 5)
    month_is_over(biller.books, 3)
    (position,) = biller.drafted(ANNA, "2026-03")
    if amount is None:
        assert (position.kind, position.amount) == ("unpriced", 0)
        return
    mean = (Fraction("0.10") + Fraction("0.30")) / 2
    assert position.amount == half_up((mean + Fraction("0.10")) * Fraction(720))


@pytest.mark.parametrize("tariff", [FALLBACK, MEAN + "fallback = 0.40\n"], ids=["each", "mean"])
@pytest.mark.parametrize("is_corrected", [False, True])
def test_what_a_statement_asked_for_stays_when_prices_come_or_are_corrected_later(
    biller: Biller, station: Station, tariff: str, *, is_corrected: bool
) -> None:
    """Neither in the session itself, whose figure changes, nor in the one that is judged with
    it."""
    biller.assign(biller.add(tariff), date(2026, 1, 1), ANNA)
    enter(biller.books, march(1, 5))
    numbers = [charged(station, 4), charged(station, 12)]
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    biller.books.wait(1)
    before = {one.tx: one.amount for one in biller.lines(ANNA, "2026-03")}
    assert before[numbers[1]] == 288
    enter(biller.books, march(6, 31), "0.01")
    if is_corrected:
        said = Said(biller.books.at, "cleo", "the market told it wrongly")
        first = quarter_of(datetime(2026, 3, 4, 22, 30, tzinfo=UTC).timestamp())
        dear = dict.fromkeys(range(first, first + 4), Decimal(1))
        biller.books.run(add_prices, "Market", dear, said)
    for number in numbers:
        correct(biller.books, number, 3600)
    biller.books.wait(2)
    biller.books.settle()
    month_is_over(biller.books, 4)
    biller.close("2026-04")
    found = {one.tx: one.amount for one in biller.lines(ANNA, "2026-04")}
    assert found == {number: -before[number] // 2 for number in numbers}


def test_prices_that_come_later_move_no_closed_session_that_is_judged_again(
    biller: Biller, station: Station
) -> None:
    biller.assign(biller.add(FALLBACK), date(2026, 1, 1), ANNA)
    first, second = charged(station, 11), charged(station, 12)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    biller.books.wait(1)
    enter(biller.books, march(), "0.01")
    correct(biller.books, first, 3600)
    month_is_over(biller.books, 4)
    biller.close("2026-04")
    assert second not in {one.tx for one in biller.lines(ANNA, "2026-04")}


# A clock in doubt


def one_dear_hour(biller: Biller, tariff: str) -> None:
    """The hour from noon on costs 0.90 a kWh, all others 0.20."""
    books = biller.books
    books.now = datetime(2026, 3, 10, 11, 0, 0, 250_000, tzinfo=UTC)
    enter(books, march(8, 31), "0.10")
    said = Said(books.at, "cleo", "a dear hour")
    for day in (10, 11, 12):
        first = quarter_of(datetime(2026, 3, day, 11, tzinfo=UTC).timestamp())
        prices = dict.fromkeys(range(first, first + 4), Decimal("0.80"))
        books.run(add_prices, "Market", prices, said)
    biller.assign(biller.add(tariff), date(2020, 1, 1), ANNA)


def test_a_clock_in_doubt_is_told_with_both_prices_and_the_fallback(
    books: Books, biller: Biller
) -> None:
    one_dear_hour(biller, FALLBACK)
    station, number = waited_until_it_was_set(books)
    assert line(biller, number) == ("held back", 0)
    review = station.review(number)
    for price in ("8.82", "1.96", "3.92"):
        assert f"{price} EUR" in review
    assert station.bill(number)[0] == WH


def test_who_confirms_bills_the_fallback_price(books: Books, biller: Biller) -> None:
    one_dear_hour(biller, FALLBACK)
    station, number = waited_until_it_was_set(books)
    line(biller, number)
    books.run(decisions.confirm, number, Decision("cleo", "nobody knows", books.at))
    assert line(biller, number) == ("session", 392)
    assert station.review(number) == ""
    month_is_over(books, 3)
    biller.close("2026-03")
    (energy,) = next(
        one.lines for one in biller.statement(1).positions if one.transaction == number
    )
    assert (energy.kind, energy.price) == (LineKind.ENERGY, Decimal("0.40"))
    assert all(one.is_fallback for one in energy.quarters)


def test_who_corrects_the_times_bills_by_them(books: Books, biller: Biller) -> None:
    one_dear_hour(biller, FALLBACK)
    station, number = waited_until_it_was_set(books)
    line(biller, number)
    sent = books.row("SELECT own_start_time, own_stop_time FROM tx WHERE id = ?", number)
    given = Correction(figure_wh=WH, start_time=sent[0], stop_time=sent[1])
    books.run(decisions.correct, number, given, Decision("cleo", "as sent", books.at))
    assert line(biller, number) == ("session", 196)
    assert station.review(number) == ""


@pytest.mark.parametrize("which", ["start_time", "stop_time"])
def test_one_time_from_a_person_is_enough_for_the_price_by_the_quarter(
    books: Books, biller: Biller, which: str
) -> None:
    """9,800 Wh in the dear hour are 8.82; at the fallback price they would be 3.92."""
    one_dear_hour(biller, FALLBACK)
    _station, number = waited_until_it_was_set(books)
    line(biller, number)
    (right,) = books.row(f"SELECT {which} FROM tx WHERE id = ?", number)
    given = Correction(figure_wh=WH, **{which: right})
    books.run(decisions.correct, number, given, Decision("cleo", "a receipt shows it", books.at))
    assert line(biller, number) == ("session", 882)


def test_times_after_the_fallback_was_confirmed_bill_by_them(books: Books, biller: Biller) -> None:
    one_dear_hour(biller, FALLBACK)
    _station, number = waited_until_it_was_set(books)
    line(biller, number)
    books.run(decisions.confirm, number, Decision("cleo", "nobody knows", books.at))
    assert line(biller, number) == ("session", 392)
    sent = books.row("SELECT own_start_time, own_stop_time FROM tx WHERE id = ?", number)
    given = Correction(figure_wh=WH, start_time=sent[0], stop_time=sent[1])
    books.run(decisions.correct, number, given, Decision("cleo", "a receipt shows it", books.at))
    assert line(biller, number) == ("session", 196)


@pytest.mark.parametrize(
    ("tariff", "amount"), [(FALLBACK, 196), (MOVING, 196)], ids=["fallback", "none"]
)
def test_equal_prices_leave_no_doubt(
    books: Books, biller: Biller, tariff: str, amount: int
) -> None:
    one_dear_hour(biller, tariff)
    station, number = waited_until_it_was_set(books, windowed=False)
    assert line(biller, number) == ("session", amount)
    assert station.review(number) == ""


def test_without_a_fallback_who_confirms_bills_by_the_corrected_times(
    books: Books, biller: Biller
) -> None:
    one_dear_hour(biller, MOVING)
    station, number = waited_until_it_was_set(books)
    assert line(biller, number) == ("held back", 0)
    review = station.review(number)
    assert "8.82 EUR" in review
    assert "1.96 EUR" in review
    books.run(decisions.confirm, number, Decision("cleo", "the driver says so", books.at))
    assert line(biller, number) == ("session", 882)


def test_a_mean_rests_on_no_clock(books: Books, biller: Biller) -> None:
    one_dear_hour(biller, MEAN + "fallback = 0.40\n")
    enter(books, march(1, 7), "0.10")
    station, number = waited_until_it_was_set(books)
    kind, amount = line(biller, number)
    mean = Fraction("0.10") + Fraction("0.70") * 12 / (31 * 96 - 4)
    assert (kind, amount) == ("session", half_up((mean + Fraction("0.10")) * WH / 10))
    assert station.review(number) == ""


def test_a_session_whose_clock_is_right_has_no_fallback(books: Books, biller: Biller) -> None:
    one_dear_hour(biller, FALLBACK)
    number = charge(Station(books))
    assert line(biller, number) == ("session", 882)
