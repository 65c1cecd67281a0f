"""Bills by the quarter of an hour, from stored readings, prices and the sun of the house."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest

from levity_trio.billing.statement import Line
from levity_trio.charging.quarters import quarter_of
from levity_trio.store.billing.pricing import Priced, Pricer
from levity_trio.store.billing.quarters import price_again, touched
from levity_trio.store.engine.database import rows_of
from levity_trio.store.reads.transactions.bill import bill_lines, bill_of, own_bill
from levity_trio.store.upkeep.derived import divided_sessions, keep_divided
from tests.store import telling
from tests.store.bills import ANNA, BEN, Biller, correct, house_of_two, month_is_over
from tests.store.books import Books, Station, meter_value
from tests.store.owning import House
from tests.store.reading import reading

BEGIN = datetime(2026, 3, 2, 10, tzinfo=UTC)
FIRST = quarter_of(BEGIN.timestamp())
MOVING = """
name = "Moving"
valid_from = 2026-01-01
currency = "EUR"
prices = "gross"
tax = 19

[energy]
series = "Market"
factor = 1.1
markup = 0.12
floor = 0.05
cap = 0.60
"""
FALLBACK = MOVING + "fallback = 0.40\n"
FIXED = MOVING.partition("[energy]")[0] + "[energy]\nprice = 0.30\n"
WITH_SUN = FALLBACK + "\n[sun]\nprice = 0.15\n"


@pytest.fixture
def house(books: Books) -> House:
    return house_of_two(books)


@pytest.fixture
def biller(house: House) -> Biller:
    house.books.now = BEGIN
    biller = Biller(house)
    house.books.connection.execute(
        "INSERT INTO series (name, currency, prices, changed_at, changed_by) "
        "VALUES ('Market', 'EUR', 'net', '', 'cleo')"
    )
    return biller


def enter(books: Books, prices: Mapping[int, str], reason: str | None = None) -> None:
    """Enter net prices of a kWh by the number of the quarter since the first one."""
    (batch,) = books.connection.execute(
        "INSERT INTO series_batch (series_id, at, by, reason) VALUES (1, ?, 'cleo', ?) "
        "RETURNING id",
        (books.at, reason),
    ).fetchone()
    for place, price in prices.items():
        books.connection.execute(
            "INSERT INTO series_value (series_id, quarter, batch_id, price) VALUES (1, ?, ?, ?)",
            (FIRST + place, batch, price),
        )


def measure(books: Books, place: int, *, seconds: int = 900, **wh: int) -> None:
    """Note what the meters of the house measured in a quarter."""
    books.connection.execute(
        "INSERT INTO load_site (toml, set_at, set_by) SELECT '', '', 'cleo' "
        "WHERE NOT EXISTS (SELECT 1 FROM load_site)"
    )
    books.connection.execute(
        "INSERT INTO sun_charger (site_id, cp_id) SELECT 1, id FROM cp "
        "WHERE NOT EXISTS (SELECT 1 FROM sun_charger)"
    )
    books.connection.execute(
        "INSERT INTO sun_quarter (quarter, site_id, seconds, import_wh, export_wh, generation_wh) "
        "VALUES (?, 1, ?, ?, ?, ?)",
        (FIRST + place, seconds, wh.get("imported", 0), wh.get("export", 0), wh["generation"]),
    )


def charged(station: Station, tag: str = "Card", minutes: int = 60, power: int = 7200) -> int:
    """Return a session with readings each five minutes."""
    transaction = station.start(1000, 1, tag)
    station.stop(transaction, telling.charge(station, transaction, 1000, minutes, power))
    return transaction


def positions(biller: Biller, account: int = ANNA) -> list[Priced]:
    """Return what the sessions of an account cost now."""
    with reading(biller.books) as db:
        numbers = [number for (number,) in db.execute("SELECT id FROM tx ORDER BY id").fetchall()]
        found = Pricer(rows_of(db), biller.terms.rule).price(numbers)
    return [one for one in found.values() if one.account == account]


def lines(biller: Biller, account: int = ANNA) -> list[Line]:
    return [line for one in positions(biller, account) for line in one.position.lines]


def test_each_quarter_has_its_price(biller: Biller, station: Station) -> None:
    """1,800 Wh in each of four quarters: one at the floor, one at the cap, all with tax first."""
    enter(biller.books, {0: "0.10", 1: "-0.20", 2: "0.55", 3: "0.1234567"})
    biller.assign(biller.add(MOVING), date(2026, 1, 1))
    charged(station)
    (line,) = lines(biller)
    prices = [
        Fraction("0.10") * Fraction(119, 100) * Fraction("1.1") + Fraction("0.12"),
        Fraction("0.05"),
        Fraction("0.60"),
        Fraction("0.1234567") * Fraction(119, 100) * Fraction("1.1") + Fraction("0.12"),
    ]
    assert [(one.quarter - FIRST, one.wh, one.price) for one in line.quarters] == [
        (place, 1800, price) for place, price in enumerate(prices)
    ]
    exact = sum(prices, Fraction()) * Fraction(1800, 1000)
    assert line.amount == int(exact * 100 + Fraction(1, 2))
    assert line.is_mean
    assert abs(Fraction(line.price) - exact / Fraction(72, 10)) < Fraction(1, 10**6)


def test_without_a_price_a_session_waits_or_costs_the_fallback(
    biller: Biller, station: Station
) -> None:
    enter(biller.books, {0: "0.10", 1: "0.10", 3: "0.10"})
    tariff = biller.add(MOVING)
    biller.assign(tariff, date(2026, 1, 1))
    charged(station)
    (position,) = positions(biller)
    assert "Market has no price for 2026-03-02T10:30" in str(position.words)
    biller.assign(biller.add(FALLBACK.replace("Moving", "Other")), date(2026, 1, 1))
    (line,) = lines(biller)
    assert [(one.price, one.is_fallback) for one in line.quarters][2] == (Fraction("0.40"), True)
    assert sum(one.is_fallback for one in line.quarters) == 1


def test_a_correction_of_a_price_counts_before_the_closing_and_not_after(
    biller: Biller, station: Station
) -> None:
    enter(biller.books, dict.fromkeys(range(4), "0.10"))
    biller.assign(biller.add(MOVING), date(2026, 1, 1))
    charged(station)
    enter(biller.books, {1: "0.20"}, "the market told it wrongly")
    (line,) = lines(biller)
    assert line.quarters[1].price == Fraction("0.20") * Fraction("1.19") * Fraction(
        "1.1"
    ) + Fraction("0.12")
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    statement = biller.statement(1)
    (closed,) = statement.positions[0].lines
    assert closed == line
    # A reader of the paper can compute this quarter: (0.20 + 19 %) × 1.1 + 0.12.
    ((_name, _since, words),) = statement.tariffs
    assert "price series Market × 1.1 + 0.12 EUR" in words
    assert "Market is without tax: 19 % is added before factor and markup" in words
    biller.books.wait(1)
    enter(biller.books, {1: "0.30"}, "and again")
    (closed,) = biller.statement(1).positions[0].lines
    assert closed == line
    # priced again for another reason, it keeps what its bill used
    assert lines(biller) == [line]


@pytest.mark.parametrize("is_mean", [False, True])
def test_who_corrected_a_price_after_the_session_is_told_and_why(
    biller: Biller, station: Station, *, is_mean: bool
) -> None:
    """In `explain`, on the statement, and on the page of the household. What was corrected before
    the end of the session, or of other quarters, or after the closing, is not."""
    books, month = biller.books, range(-130 * 96, 60 * 96)
    enter(books, dict.fromkeys(month, "0.20"), "before")
    average = "average = true\n" if is_mean else ""
    biller.assign(biller.add(MOVING + average), date(2026, 1, 1))
    transaction = charged(station)
    books.wait(1)
    enter(books, {-1: "0.40"}, "of a quarter before it")
    if not is_mean:
        assert told_of_prices(biller, transaction) == ([], [])
    enter(books, {2: "0.40"}, "the market told it wrongly")
    in_words = ["of a quarter before it"] * is_mean + ["the market told it wrongly"]
    assert told_of_prices(biller, transaction) == (in_words, in_words)
    month_is_over(books, 3)
    biller.close("2026-03")
    (position,) = biller.statement(1).positions
    sentences = [f"cleo corrected prices after the session: {why}" for why in in_words]
    assert position.reason == "; ".join(sentences)
    books.wait(1)
    enter(books, {1: "0.50"}, "after the closing")
    assert told_of_prices(biller, transaction) == (in_words, in_words)
    # A correction of its figure does not tell it again.
    correct(books, transaction, 3600)
    month_is_over(books, 4)
    biller.close("2026-04")
    (position,) = biller.statement(2).positions
    assert "cleo corrected prices" not in str(position.reason)


def told_of_prices(biller: Biller, transaction: int) -> tuple[list[str], list[str]]:
    """Return the reasons that `explain` tells, and those on the household's page."""
    rule = biller.terms.rule
    with reading(biller.books) as db:
        words = [*bill_lines(bill_of(db, transaction, rule))]
        own = own_bill(db, transaction, ANNA, rule, biller.books.now)
    found = [line for line in words if line.startswith("After the session, cleo corrected prices")]
    changes = [one for one in own.changes if one.kind == "prices"]
    assert {one.by for one in changes} <= {"cleo"}
    return [line.rpartition(": ")[2] for line in found], [str(one.reason) for one in changes]


def test_a_corrected_session_takes_its_quarters_back(biller: Biller, station: Station) -> None:
    enter(biller.books, dict.fromkeys(range(4), "0.10"))
    biller.assign(biller.add(MOVING), date(2026, 1, 1))
    transaction = charged(station)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    correct(biller.books, transaction, 3600)
    month_is_over(biller.books, 4)
    biller.close("2026-04")
    every = [
        line
        for number in (1, 2)
        for one in biller.statement(number).positions
        for line in one.lines
    ]
    net: dict[int, int] = {}
    for line in every:
        for one in line.quarters:
            net[one.quarter - FIRST] = net.get(one.quarter - FIRST, 0) + one.wh
    assert net == dict.fromkeys(range(4), 900)
    price = Fraction("0.10") * Fraction("1.19") * Fraction("1.1") + Fraction("0.12")
    assert sum(line.amount for line in every) == int(price * 360 + Fraction(1, 2))


def test_sun_is_shared_by_energy_and_the_rest_is_grid(biller: Biller, station: Station) -> None:
    """Two cars, 1,800 and 900 Wh in each quarter. The panels gave 2,000 Wh, of which the house took
    500, in the first; in the second nothing was measured; in the third half of it was."""
    other = Station(biller.books, "CP-2")
    enter(biller.books, dict.fromkeys(range(4), "0.10"))
    biller.assign(biller.add(WITH_SUN), date(2026, 1, 1))
    mine, his = station.start(1000, 1, "Card"), other.start(5000, 1, "Ben")
    wh, his_wh = 1000, 5000
    for _ in range(12):
        biller.books.wait(5)
        wh, his_wh = wh + 600, his_wh + 300
        station.tell(meter_value(station.clock(), wh), transaction=mine)
        other.tell(meter_value(other.clock(), his_wh), transaction=his)
    station.stop(mine, wh)
    other.stop(his, his_wh)
    month_is_over(biller.books, 3)
    measure(biller.books, 0, generation=2000, imported=1200)
    measure(biller.books, 2, seconds=450, generation=1000, imported=450, export=100)
    measure(biller.books, 3, generation=9000, export=6000)
    sun, grid = sorted(lines(biller), key=lambda line: line.window != "sun")
    assert (sun.window, grid.window) == ("sun", "grid")
    # of 1,500 Wh two thirds are hers; of the half quarter's 1,350 Wh of cars the panels gave 1,000
    assert [(one.quarter - FIRST, one.wh) for one in sun.quarters] == [
        (0, 1000),
        (2, 667),
        (3, 1800),
    ]
    assert [(one.quarter - FIRST, one.wh, one.is_unmeasured) for one in grid.quarters] == [
        (0, 800, False),
        (1, 1800, True),
        (2, 1133, True),
    ]
    assert sun.amount == int(Fraction("0.15") * 3467 / 10 + Fraction(1, 2))
    ours = [one for line in lines(biller, BEN) if line.window == "sun" for one in line.quarters]
    assert [(one.quarter - FIRST, one.wh) for one in ours] == [(0, 500), (2, 333), (3, 900)]


@pytest.mark.parametrize("has_sun_price", [False, True])
@pytest.mark.parametrize("prices", ["moving", "fixed"])
def test_sun_does_not_depend_on_who_is_billed_first(
    biller: Biller, station: Station, prices: str, *, has_sun_price: bool
) -> None:
    """A closed session whose tariff has no price for sun asks for it, at a moving price and at a
    fixed one; one whose tariff has such a price keeps what its statement gave, which may be 0."""
    other = Station(biller.books, "CP-2")
    enter(biller.books, dict.fromkeys(range(4), "0.10"))
    price = {"moving": FALLBACK, "fixed": FIXED}[prices].replace(
        "[energy]", '[energy]\nname = "day"'
    )
    sun = "\n[sun]\nprice = 0.15\n" if has_sun_price else ""
    biller.assign(biller.add(price + sun), date(2026, 1, 1), ANNA)
    biller.assign(biller.add(WITH_SUN.replace("Moving", "Sun")), date(2026, 1, 1), BEN)
    mine, his = station.start(1000, 1, "Card"), other.start(5000, 1, "Ben")
    for place in range(1, 5):
        biller.books.wait(15)
        station.tell(meter_value(station.clock(), 1000 + 1800 * place), transaction=mine)
        other.tell(meter_value(other.clock(), 5000 + 1800 * place), transaction=his)
    station.stop(mine, 8200)
    month_is_over(biller.books, 3)
    measure(biller.books, 0, generation=2000, imported=1600)

    def of_sun() -> list[tuple[int, int]]:
        own = [line for line in lines(biller, BEN) if line.window == "sun"]
        return [(one.quarter - FIRST, one.wh) for line in own for one in line.quarters]

    before = of_sun()
    biller.close("2026-03")  # his session goes on, so that only hers is billed
    assert of_sun() == before == [(0, 1000)]
    # What nobody knew when hers was billed.
    measure(biller.books, 1, generation=2000, imported=1600)
    assert of_sun() == [(0, 1000), (1, 1800 if has_sun_price else 1000)]


def test_who_tells_more_than_was_measured_takes_no_sun_from_others(
    biller: Biller, station: Station
) -> None:
    """Her car takes 1,800 Wh in each quarter. Another charger tells 25 kWh of a session that goes
    on, and a third one nothing of 12 kWh until its stop, in the dark."""
    liar, silent = Station(biller.books, "CP-2"), Station(biller.books, "CP-3")
    enter(biller.books, dict.fromkeys(range(8), "0.10"))
    biller.assign(biller.add(WITH_SUN), date(2026, 1, 1))
    lie, late = liar.start(0, 1, "Ben"), silent.start(0, 1, "Ben")
    mine, wh = station.start(1000, 1, "Card"), 1000
    for place in range(1, 5):
        biller.books.wait(15)
        wh += 1800
        station.tell(meter_value(station.clock(), wh), transaction=mine)
        liar.tell(meter_value(liar.clock(), 25_000 * place), transaction=lie)
    station.stop(mine, wh)
    biller.books.wait(60)
    silent.stop(late, 12_000)
    for place in range(4):
        measure(biller.books, place, generation=2000, export=200)
    sun = next(line for line in lines(biller) if line.window == "sun")
    assert sun.quantity == 4 * 982  # of 1,800 Wh, in proportion to 1,800 and 1,500


def due(books: Books, first: int) -> None:
    books.run(lambda db: price_again(db, touched(db.rows, first, FIRST + 9)))


def test_a_price_that_comes_late_has_its_sessions_priced_again(
    biller: Biller, station: Station
) -> None:
    biller.assign(biller.add(MOVING), date(2026, 1, 1))
    transaction = charged(station)
    month_is_over(biller.books, 3)
    revision = "SELECT revision FROM bill_work WHERE tx_id = ?"
    before = biller.books.row(revision, transaction)
    due(biller.books, FIRST + 4)
    assert biller.books.row(revision, transaction) == before
    due(biller.books, FIRST + 3)
    assert biller.books.row(revision, transaction) > before


def test_what_is_kept_is_what_is_computed(biller: Biller, station: Station) -> None:
    enter(biller.books, dict.fromkeys(range(12), "0.10"))
    biller.assign(biller.add(MOVING), date(2026, 1, 1))
    transaction = charged(station, minutes=100)
    before = lines(biller)
    with reading(biller.books) as db:
        found = divided_sessions(db, [transaction])
    (revision,) = biller.books.row("SELECT revision FROM bill_work WHERE tx_id = ?", transaction)
    biller.books.run(keep_divided, found, {transaction: revision})
    assert biller.books.count("tx_quarter") == 1
    assert lines(biller) == before
    biller.books.connection.execute("UPDATE tx_quarter SET wh = '[0, 12000, 0, 0, 0, 0, 0]'")
    assert lines(biller) != before


def test_a_month_may_be_billed_by_the_mean_of_its_series(biller: Biller, station: Station) -> None:
    month = 31 * 96 - 4  # a clock change lies in it
    begin = quarter_of(datetime(2026, 2, 28, 23, tzinfo=UTC).timestamp()) - FIRST
    enter(
        biller.books,
        {begin + place: "0.30" if place % 2 else "0.10" for place in range(month)},
    )
    mean = MOVING.replace('"Moving"', '"Mean"') + "average = true\n"
    biller.assign(biller.add(mean), date(2026, 1, 1))
    charged(station)
    (line,) = lines(biller)
    price = Fraction("0.20") * Fraction("1.19") * Fraction("1.1") + Fraction("0.12")
    assert {one.price for one in line.quarters} == {price}
    assert Decimal(line.amount) == int(price * 720 + Fraction(1, 2))
