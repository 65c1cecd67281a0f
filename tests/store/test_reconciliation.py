"""The reconciliation of a month from a real database: seams, states, odd registers, and the meters
of the house."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from levity_trio.billing.ownership import TimeSpan
from levity_trio.billing.reconciliation import StateLine
from levity_trio.billing.states import BillState
from levity_trio.store.reads.money.meters import Reconciliation, reconciliation
from levity_trio.store.writes.money import meters
from levity_trio.store.writes.money.meters import HAND, GivenReading, MeterData
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Decision
from tests.store.books import Books, Station
from tests.store.owning import LONG_AGO, House
from tests.store.reading import reading

APRIL = TimeSpan("2026-04-01T00:00:00.000Z", "2026-05-01T00:00:00.000Z")
MAY = TimeSpan(APRIL.end, "2026-06-01T00:00:00.000Z")
MARCH = TimeSpan("2026-03-01T00:00:00.000Z", APRIL.since)


@pytest.fixture
def house(books: Books) -> House:
    house = House(books)
    house.give(1, "TAG", LONG_AGO)
    return house


def set_clock(books: Books, text: str) -> None:
    books.now = datetime.fromisoformat(text).replace(tzinfo=UTC)


def charge(
    station: Station, since: str, wh: tuple[int, int], hours: float = 2, **given: Any
) -> int:
    """A transaction with a reading each ten minutes, at an even pace."""
    begin, end = wh
    set_clock(station.books, since)
    transaction = station.start(begin, **given)
    steps = round(hours * 6)
    for step in range(1, steps):
        station.books.wait(10)
        register = begin + (end - begin) * step // steps
        station.tell(
            station.register(register), transaction=transaction, connector=given.get("connector", 1)
        )
    station.books.wait(10)
    station.stop(transaction, end)
    return transaction


def month(books: Books, span: TimeSpan = APRIL) -> Reconciliation:
    with reading(books) as db:
        return reconciliation(db, "2026-04", span, books.at)


def line(found: Reconciliation, state: BillState) -> StateLine:
    (one,) = (one for one in found.site.states if one.state is state)
    return one


# The month


@pytest.mark.usefixtures("house")
def test_a_transaction_at_each_seam_and_what_left_between(books: Books, station: Station) -> None:
    charge(station, "2026-03-31T23:00", (1000, 13_000))
    charge(station, "2026-04-10T12:00", (13_000, 20_000))
    charge(station, "2026-04-30T22:30", (20_500, 29_500), hours=3)
    found = month(books)
    sums = found.site
    assert sums.register_wh == sums.least_wh == sums.most_wh == 6000 + 7000 + 500 + 4500
    assert line(found, BillState.UNBILLED).wh == 12_000 + 7000
    assert (sums.before_wh, sums.later_wh, sums.between_wh, sums.difference_wh) == (
        6000,
        4500,
        500,
        0,
    )
    assert found.adds_up
    assert [one.charger for one in found.chargers] == ["CP-1"]


@pytest.mark.usefixtures("house")
def test_months_one_after_the_other_leave_nothing_out(books: Books, station: Station) -> None:
    """Readings at other times than the seams: each month's register is as last read, and the next
    one goes on there."""
    charge(station, "2026-03-20T12:00", (0, 5000))
    charge(station, "2026-03-31T22:05", (5000, 23_000), hours=3)
    charge(station, "2026-04-30T23:03", (24_000, 30_000))
    found = [month(books, span) for span in (MARCH, APRIL, MAY)]
    assert sum(one.site.register_wh for one in found) == 30_000
    assert [one.site.difference_wh for one in found] == [0, 0, 0]
    assert found[0].site.most_wh - found[0].site.register_wh == 1000, "ten minutes' energy"
    assert found[1].site.least_wh < found[1].site.register_wh < found[1].site.most_wh


def test_the_states_that_are_known_today(books: Books, station: Station, house: House) -> None:
    charge(station, "2026-04-02T12:00", (1000, 5000))
    charge(station, "2026-04-03T12:00", (5000, 6000), tag="STRANGER")
    set_clock(books, "2026-04-04T12:00")
    station.orphan(station.start(6000), 9000)
    set_clock(books, "2026-04-05T12:00")
    station.start(9500)
    books.wait(60)
    station.tell(station.register(11_500), transaction=books.value("SELECT max(id) FROM tx"))
    found = month(books)
    doubtful = line(found, BillState.HELD_BACK)
    assert (doubtful.transactions, doubtful.wh, doubtful.doubtful_wh) == (1, 3000, 3000)
    assert line(found, BillState.NOBODYS).wh == 1000
    assert line(found, BillState.UNBILLED).wh == 4000
    assert line(found, BillState.OPEN).wh == 2000
    assert (found.site.between_wh, found.site.difference_wh) == (500, 0)
    assert found.chargers[0].last_register_at == books.at
    house.take(1, "TAG", LONG_AGO, "moved out")
    assert line(month(books), BillState.NOBODYS).transactions == 3


@pytest.mark.usefixtures("house")
def test_a_figure_by_hand_is_a_difference_with_a_reason(books: Books, station: Station) -> None:
    corrected = charge(station, "2026-04-02T12:00", (1000, 5000))
    tampered = charge(station, "2026-04-03T12:00", (5000, 9000))
    books.run(
        decisions.correct,
        corrected,
        decisions.Correction(figure_wh=3000),
        Decision("anna", "shared", books.at),
    )
    found = month(books)
    (difference,) = found.chargers[0].differences
    assert (difference.transaction, difference.wh, difference.reason) == (
        corrected,
        1000,
        "corrected by hand",
    )
    assert (found.site.difference_wh, found.adds_up, found.is_explained) == (1000, False, True)
    books.connection.execute("UPDATE tx SET energy_delivered = 3900 WHERE id = ?", (tampered,))
    found = month(books)
    assert [one.reason for one in found.chargers[0].differences] == ["corrected by hand", ""]
    assert (found.site.difference_wh, found.site.unexplained_wh, found.is_explained) == (
        1100,
        100,
        False,
    )


@pytest.mark.usefixtures("house")
def test_a_reset_a_swap_and_a_charger_that_counts_anew(books: Books, station: Station) -> None:
    charge(station, "2026-04-02T12:00", (90_000, 95_000))
    charge(station, "2026-04-03T12:00", (700, 5700))
    other = Station(books, "CP-2")
    for day in (4, 5, 6):
        charge(other, f"2026-04-0{day}T12:00", (0, 3000))
    found = month(books)
    assert found.site.register_wh == 5000 + 5000 + 3 * 3000
    one, two = found.chargers
    assert [(remark.ground, remark.from_wh, remark.to_wh) for remark in one.remarks] == [
        ("fell", 95_000, 700)
    ]
    assert [(remark.ground, remark.times) for remark in two.remarks] == [("counts anew", 2)]
    assert found.site.difference_wh == 0


@pytest.mark.usefixtures("house")
def test_another_meter_is_no_energy(books: Books, station: Station) -> None:
    set_clock(books, "2026-04-01T12:00")
    station.boot(meter_serial_number="A")
    charge(station, "2026-04-02T12:00", (90_000, 95_000))
    set_clock(books, "2026-04-05T12:00")
    station.boot(meter_serial_number="B")
    charge(station, "2026-04-09T12:00", (700_000, 705_000))
    found = month(books)
    assert (found.site.register_wh, found.site.between_wh, found.site.difference_wh) == (
        10_000,
        0,
        0,
    )
    assert [remark.ground for remark in found.chargers[0].remarks] == ["another meter"]


@pytest.mark.usefixtures("house")
def test_connectors_that_tell_one_register_are_reconciled_as_one(
    books: Books, station: Station
) -> None:
    """What flows through one connector is no energy of the other's. Two cars at once are under
    review, and what may be of either is billed to neither."""
    for day, connector in ((2, 1), (3, 2), (4, 1), (5, 2)):
        charge(
            station, f"2026-04-0{day}T12:00", (1000 * day, 1000 * day + 1000), connector=connector
        )
    found = month(books)
    assert (found.site.register_wh, found.site.between_wh, found.adds_up) == (4000, 0, True)
    set_clock(books, "2026-04-06T12:00")
    one = station.start(6000)
    books.wait(30)
    other = station.start(8000, connector=2)
    books.wait(30)
    station.stop(one, 10_000)
    books.wait(30)
    station.stop(other, 12_000)
    found = month(books)
    assert (found.site.register_wh, found.site.difference_wh) == (10_000, 2000)
    assert (found.adds_up, found.is_explained) == (False, True)
    assert [(one.wh, one.reason) for one in found.chargers[0].differences] == [(2000, "doubtful")]


@pytest.mark.usefixtures("house")
def test_readings_that_count_from_zero_are_placed_in_their_transaction(
    books: Books, station: Station
) -> None:
    """Start and stop give the lifetime register, readings each transaction's own energy
    (Grizzl-E)."""
    set_clock(books, "2026-03-31T23:00")
    transaction = station.start(500_000)
    for minutes in (20, 40, 60, 80, 100):
        books.wait(20)
        station.tell(station.register(100 * minutes), transaction=transaction)
    books.wait(20)
    station.stop(transaction, 512_000)
    sums = month(books).site
    assert (sums.before_wh, sums.register_wh, sums.least_wh, sums.most_wh) == (
        6000,
        6000,
        6000,
        6000,
    )


@pytest.mark.usefixtures("house")
def test_readings_between_transactions_narrow_the_seam(books: Books, station: Station) -> None:
    charge(station, "2026-03-30T12:00", (1000, 5000))
    for time, wh in (("2026-03-31T21:00", 5200), ("2026-04-01T03:00", 5300)):
        set_clock(books, time)
        station.tell(station.register(wh))
    charge(station, "2026-04-10T12:00", (9000, 9500))
    sums = month(books).site
    assert (sums.register_wh, sums.least_wh, sums.most_wh) == (4300, 4200, 4300)
    assert (sums.between_wh, sums.difference_wh) == (3800, 0)


@pytest.mark.usefixtures("house")
@pytest.mark.parametrize("behind", [45, 7 * 60, 3 * 24 * 60])
def test_a_clock_that_is_behind_moves_no_seam(books: Books, behind: int) -> None:
    station = Station(books, behind=behind)
    set_clock(books, "2026-03-31T22:30")
    station.status("Preparing")
    charge(station, "2026-03-31T23:00", (1000, 13_000))
    station.status("Finishing")
    books.wait(2)
    books.settle()
    sums = month(books).site
    assert (sums.before_wh, sums.register_wh) == (6000, 6000)
    assert sums.least_wh >= 5000
    assert sums.most_wh <= 7000


@pytest.mark.usefixtures("house")
def test_each_connector_has_its_own_register(books: Books, station: Station) -> None:
    charge(station, "2026-04-02T12:00", (1000, 5000))
    charge(station, "2026-04-03T12:00", (70_000, 71_000), connector=2)
    charge(station, "2026-04-04T12:00", (5000, 6000))
    found = month(books)
    assert (found.site.register_wh, found.site.between_wh, found.chargers[0].remarks) == (
        6000,
        0,
        (),
    )


@pytest.mark.usefixtures("house")
def test_a_transaction_over_several_months(books: Books, station: Station) -> None:
    set_clock(books, "2026-02-20T12:00")
    transaction = station.start(0)
    for time, wh in (
        ("2026-03-31T23:59", 2000),
        ("2026-04-30T23:59", 6000),
        ("2026-05-20T00:00", 9000),
    ):
        set_clock(books, time)
        station.tell(station.register(wh), transaction=transaction)
    assert line(month(books), BillState.OPEN).wh == 4000
    books.wait(1)
    station.stop(transaction, 9000)
    found = month(books)
    assert (found.site.register_wh, found.site.later_wh, found.site.difference_wh) == (
        4000,
        4000,
        0,
    )
    assert (
        line(month(books, MAY), BillState.HELD_BACK).wh
        + line(month(books, MAY), BillState.UNBILLED).wh
        == 9000
    )
    assert month(books, MAY).site.before_wh == 6000


@pytest.mark.usefixtures("house")
def test_transactions_of_no_known_connector_are_not_lost(books: Books, station: Station) -> None:
    charge(station, "2026-03-31T23:00", (1000, 13_000))
    set_clock(books, "2026-03-31T23:30")
    station.start(13_000, connector=2)
    books.connection.execute("UPDATE tx SET conn_id = NULL")
    found = month(books)
    assert (line(found, BillState.UNBILLED).wh, line(found, BillState.OPEN).transactions) == (
        12_000,
        1,
    )
    assert (found.site.least_wh, found.site.most_wh, found.site.difference_wh) == (0, 12_000, 0)


def test_imported_transactions_are_billed_elsewhere(books: Books, station: Station) -> None:
    transaction = charge(station, "2026-04-02T12:00", (1000, 5000))
    books.connection.execute("DROP TRIGGER tx_stays_possible")
    imported = (
        "stopped_by = 'import', imported_id = 1, energy_method = 'imported', own_start_time = NULL"
    )
    books.run(
        lambda db: db.execute(
            f"UPDATE tx SET status = status, {imported} WHERE id = ?", (transaction,)
        )
    )
    assert line(month(books), BillState.BILLED_ELSEWHERE).wh == 4000


def test_a_site_without_transactions(books: Books) -> None:
    found = month(books)
    assert (found.site.register_wh, found.chargers, found.adds_up, found.over) == (
        0,
        (),
        True,
        False,
    )


# The house's meters


def add_meter(books: Books, name: str = "Main", *chargers: str, digits: int | None = None) -> int:
    data = MeterData(name, 1.0, 2.0, digits, LONG_AGO, None, chargers=chargers)
    return books.run(meters.add, data, books.at, "anna")


def read_meter(books: Books, meter: int, *shown: tuple[str, str]) -> None:
    for at, kwh in shown:
        books.run(
            meters.read,
            GivenReading(str(meter), f"2026-{at}.000Z", kwh, "kWh"),
            HAND,
            "2027",
            "anna",
        )


@pytest.mark.usefixtures("house")
def test_meters_of_the_site_and_of_some_chargers(books: Books, station: Station) -> None:
    charge(station, "2026-04-02T12:00", (0, 50_000), hours=5)
    charge(Station(books, "CP-2"), "2026-04-03T12:00", (0, 30_000), hours=5)
    whole, part = add_meter(books), add_meter(books, "Part", "CP-2")
    add_meter(books, "Not read")
    read_meter(books, whole, ("03-31T20:00:00", "100"), ("05-01T08:00:00", "181"))
    read_meter(books, part, ("03-31T20:00:00", "7.0"), ("05-01T08:00:00", "46.0"))
    found = month(books)
    main, unread, of_part = found.meters
    assert (main.name, main.meter_wh, main.chargers_wh, main.differs) == (
        "Main",
        81_000,
        80_000,
        False,
    )
    assert (unread.meter_wh, unread.differs) == (None, False)
    assert (of_part.meter_wh, of_part.chargers_wh, of_part.differs) == (39_000, 30_000, True)
    assert found.site.adds_up
    assert not found.adds_up


@pytest.mark.usefixtures("house")
def test_a_reading_while_a_car_charges_has_bounds(books: Books, station: Station) -> None:
    charge(station, "2026-04-02T12:00", (0, 60_000), hours=10)
    meter = add_meter(books)
    read_meter(books, meter, ("04-02T12:00:00", "0.0"), ("04-02T15:05:00", "18.0"))
    (found,) = month(books).meters
    assert (found.chargers_wh, found.least_wh, found.most_wh) == (18_000, 18_000, 19_000)


@pytest.mark.usefixtures("house")
def test_since_when_the_house_draws_more(books: Books, station: Station) -> None:
    """From 20 March on somebody else draws from the same meter, seen from the month of April."""
    meter, register = add_meter(books), 0
    for number, day in enumerate(
        ("03-05", "03-12", "03-19", "03-26", "04-02", "04-09", "04-16", "04-23", "04-30")
    ):
        charge(station, f"2026-{day}T12:00", (register, register + 20_000), hours=4)
        register += 20_000
        extra = max(0, number - 2) * 3
        read_meter(books, meter, (f"{day}T20:00:00", str(register // 1000 + extra)))
    (found,) = month(books).meters
    assert found.differs
    assert (found.differs_since, found.differs_until) == (
        "2026-03-19T20:00:00.000Z",
        "2026-03-26T20:00:00.000Z",
    )


@pytest.mark.usefixtures("house")
def test_more_readings_than_are_compared(books: Books, station: Station) -> None:
    charge(station, "2026-04-02T12:00", (0, 60_000), hours=10)
    meter = add_meter(books)
    for minute in range(300):
        read_meter(
            books, meter, (f"04-{1 + minute // 24:02}T{minute % 24:02}:00:00", str(min(60, minute)))
        )
    (found,) = month(books).meters
    assert found.since == "2026-04-01T00:00:00.000Z", "the first"
    assert found.until == "2026-04-13T11:00:00.000Z", "and the last"
    assert (found.meter_wh, found.chargers_wh) == (60_000, 60_000)


# Transactions that were closed late


def close_late(books: Books, transaction: int, ended: str) -> None:
    """Let a transaction end later, as an import from an earlier system may bring it."""
    books.connection.execute("UPDATE tx SET stop_time = ? WHERE id = ?", (ended, transaction))


@pytest.mark.usefixtures("house")
@pytest.mark.parametrize(
    ("late", "ended", "missing", "hidden"),
    [
        pytest.param(0, "2026-05-20T00:00:00.000Z", 17_000, 2, id="first"),
        pytest.param(1, "2026-05-20T00:00:00.000Z", 9_000, 1, id="second"),
        pytest.param(0, "2026-05-01T00:00:01.000Z", 17_000, 2, id="a second late"),
        pytest.param(0, "2026-04-29T00:00:00.000Z", 0, 0, id="within the month"),
        pytest.param(2, "2026-05-20T00:00:00.000Z", 0, 0, id="last"),
    ],
)
def test_one_that_ended_late_hides_what_later_ones_delivered(
    books: Books, station: Station, late: int, ended: str, missing: int, hidden: int
) -> None:
    transactions = [
        charge(station, "2026-04-05T12:00", (1000, 5000)),
        charge(station, "2026-04-10T12:00", (5000, 13_000)),
        charge(station, "2026-04-15T12:00", (13_000, 22_000)),
    ]
    close_late(books, transactions[late], ended)
    found = month(books)
    assert (found.site.difference_wh, found.site.hidden_wh) == (-missing, missing)
    assert (found.adds_up, found.is_explained) == (not missing, not missing)
    hiding = [
        (one.transaction, one.ended, one.transactions, one.wh) for one in found.chargers[0].hiding
    ]
    assert hiding == ([(transactions[late], ended, hidden, missing)] if missing else [])
    later = month(books, MAY)
    assert later.adds_up == later.is_explained == (not missing)


@pytest.mark.usefixtures("house")
def test_differences_with_a_reason_do_not_add_up_but_are_explained(
    books: Books, station: Station
) -> None:
    first = charge(station, "2026-04-05T12:00", (1000, 5000))
    second = charge(station, "2026-04-10T12:00", (5000, 13_000))
    for transaction, figure_wh in ((first, 4538), (second, 7462)):
        decision = Decision("anna", "she knows", books.at)
        books.run(
            decisions.correct, transaction, decisions.Correction(figure_wh=figure_wh), decision
        )
    found = month(books)
    assert (found.site.difference_wh, found.site.explained_wh) == (0, 2 * 538)
    assert (found.adds_up, found.is_explained) == (False, True)
