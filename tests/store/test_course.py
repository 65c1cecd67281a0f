"""The course of a charging session from the database: register and power on our clock, as the judge
read them."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from levity_trio.billing.pricing import Division, EnergyFlow, divide
from levity_trio.billing.statement import Split
from levity_trio.billing.tariff import Blocking, NoVersion, Tariff, Versions, Window
from levity_trio.billing.windows import Recurrence, Times
from levity_trio.store.billing.evidence import Needs, needs
from levity_trio.wire.times import stamp
from tests.billing.cases import BERLIN, tariff
from tests.store.billed import billed_of, evidence_of
from tests.store.books import NOON, Books, Station, meter_value
from tests.store.deciding import Operator
from tests.store.telling import by_phase, charge, kwh, session, settle, watts

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

MINUTE = timedelta(minutes=1)
COURSE = Needs(course=True, stay=False)


def divided(books: Books, transaction: int, *seams: datetime) -> Division:
    """The Wh before, between and after the seams."""
    billed, found = billed_of(books, transaction), evidence_of(books, transaction, COURSE)
    return divide(
        EnergyFlow(billed.since, billed.until, billed.wh, found.levels, found.powers), seams
    )


def at(minutes: float) -> datetime:
    """Minutes after noon, in whole seconds as chargers send them."""
    return NOON.replace(microsecond=0) + minutes * MINUTE


DAY = Window(name="day", price=Decimal("0.40"), when=Recurrence(times=(Times(6 * 60, 22 * 60),)))
DAY_AND_NIGHT = tariff(windows=(DAY, Window(name="night", price=Decimal("0.20"))))
BLOCKED = tariff(since=date(2026, 3, 2), blocking=Blocking(price=Decimal("0.10")))


@pytest.mark.parametrize(
    ("versions", "hours", "needed"),
    [
        ([tariff()], 40, Needs(course=False, stay=False)),
        ([DAY_AND_NIGHT], 7, Needs(course=False, stay=False)),
        ([DAY_AND_NIGHT], 10, Needs(course=True, stay=False, seams=(at(9 * 60),))),
        ([tariff(), BLOCKED], 10, Needs(course=False, stay=False)),
        ([tariff(), BLOCKED], 12, Needs(course=True, stay=True, seams=(at(11 * 60),))),
        (
            [tariff(since=date(2026, 3, 1), blocking=BLOCKED.blocking)],
            0,
            Needs(course=False, stay=True),
        ),
    ],
)
def test_what_a_price_needs(versions: list[Tariff], hours: int, needed: Needs) -> None:
    """From 13:00 in Berlin: a seam at 22:00, the second version from midnight."""
    assert needs(Versions(versions), NOON, NOON + hours * 60 * MINUTE, BERLIN) == needed


def test_a_time_before_every_version_is_an_error() -> None:
    with pytest.raises(NoVersion):
        needs(Versions([BLOCKED]), NOON, NOON + 12 * 60 * MINUTE, BERLIN)


def test_readings_each_minute_divide_to_the_wh(books: Books, station: Station) -> None:
    """120 Wh in each minute."""
    transaction = station.start(1000)
    wh = charge(station, transaction, 1000, 60, every=1)
    station.stop(transaction, wh)
    assert divided(books, transaction, at(20)) == Division((2400, 4800), Split.REGISTER)
    assert divided(books, transaction, at(20.5), at(50)) == Division(
        (2460, 3540, 1200), Split.REGISTER
    )


def test_power_shows_the_course_between_sparse_readings(books: Books, station: Station) -> None:
    """One reading in an hour, then half an hour without power that only the readings of the power
    show."""
    transaction = station.start(1000)
    books.wait(30)
    station.tell(meter_value(station.clock(), 4600, watts(7200)), transaction=transaction)
    station.tell(meter_value(station.clock(-1), watts(0)), transaction=transaction)
    books.wait(30)
    station.tell(meter_value(station.clock(), watts(0)), transaction=transaction)
    books.wait(30)
    station.stop(transaction, 4660)
    assert divided(books, transaction, at(60)) == Division((3660, 0), Split.REGISTER)


def test_start_and_stop_alone_divide_evenly(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    books.wait(60)
    station.stop(transaction, 7000)
    assert divided(books, transaction, at(15)) == Division((1500, 4500), Split.EVENLY)


def test_nothing_is_read_for_nothing(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    station.stop(transaction, charge(station, transaction, 1000))
    found = evidence_of(books, transaction, Needs(course=False, stay=False))
    assert (found.levels, found.powers, found.stay) == ((), (), None)


def test_a_register_that_was_reset_goes_on(books: Books, station: Station) -> None:
    """At 12:30 it falls to 0; 120 Wh flow in each minute."""
    transaction = station.start(50_000)
    wh = charge(station, transaction, 50_000, 30)
    wh = charge(station, transaction, 0, 30)
    station.stop(transaction, wh)
    assert billed_of(books, transaction).wh == 7200
    assert divided(books, transaction, at(20), at(40)) == Division(
        (2400, 2400, 2400), Split.REGISTER
    )


def in_kwh(wh: int) -> dict[str, str]:
    """A reading in kWh that is called Wh."""
    return {"value": f"{wh / 1000:.3f}", "unit": "Wh"}


def test_readings_in_a_wrong_unit(books: Books, station: Station) -> None:
    transaction = station.start(20_000)
    station.stop(transaction, charge(station, transaction, 20_000, told=in_kwh))
    assert billed_of(books, transaction).wh == 7200
    assert divided(books, transaction, at(20)) == Division((2400, 4800), Split.REGISTER)


def test_all_registers_in_a_wrong_unit(books: Books, station: Station) -> None:
    """Which the power shows. Start and stop are whole kWh, so each part is right to one of them."""
    transaction = station.start(20)
    charge(station, transaction, 20_000, told=in_kwh)
    station.stop(transaction, 27)
    assert station.bill(transaction)[:2] == (7000, "scaled")
    parts, by = divided(books, transaction, at(20))
    assert (by, sum(parts)) == (Split.REGISTER, 7000)
    assert abs(parts[0] - 2400) <= 1000


def test_readings_that_count_each_session(books: Books, station: Station) -> None:
    transaction = station.start(50_000)
    wh = charge(station, transaction, 50_000, told=lambda wh: wh - 50_000)
    station.stop(transaction, wh)
    assert divided(books, transaction, at(20)) == Division((2400, 4800), Split.REGISTER)


def test_coarse_readings_between_exact_registers(books: Books, station: Station) -> None:
    """Whole kWh, truncated: below the start at first. They divide all the same, within a kWh."""
    transaction = station.start(20_500)
    wh = charge(station, transaction, 20_500, every=1, told=lambda wh: kwh(wh // 1000 * 1000, 0))
    station.stop(transaction, wh)
    parts, by = divided(books, transaction, at(30))
    assert (by, sum(parts)) == (Split.REGISTER, 7200)
    assert abs(parts[0] - 3600) <= 1000


def test_a_reading_rounded_above_the_stop(books: Books, station: Station) -> None:
    """28 kWh, and 27.6 at the stop: the last digit contradicts nothing."""
    transaction = station.start(20_400)
    wh = charge(station, transaction, 20_400, every=1, told=lambda wh: kwh(wh, 0))
    station.stop(transaction, wh)
    parts, by = divided(books, transaction, at(30))
    assert (wh, by, sum(parts)) == (27_600, Split.REGISTER, 7200)
    assert abs(parts[0] - 3600) <= 1000


def test_a_stop_without_its_id(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    station.stop(-1, charge(station, transaction, 1000))
    assert books.value("SELECT stopped_by FROM tx WHERE id = ?", transaction) == "joined"
    assert divided(books, transaction, at(20)) == Division((2400, 4800), Split.REGISTER)


def test_a_clock_ahead(books: Books) -> None:
    """A day less an hour ahead: the bill is by our clock, the readings are by theirs."""
    station = Station(books, behind=-23 * 60)
    transaction = station.start(1000)
    station.stop(transaction, charge(station, transaction, 1000))
    assert abs(billed_of(books, transaction).since - NOON) < MINUTE
    parts, by = divided(books, transaction, at(20))
    assert by is Split.REGISTER
    assert parts[0] == pytest.approx(2400, abs=3)


def test_a_clock_that_was_set_back(books: Books) -> None:
    """Three hours ahead until 12:30, then right."""
    station = Station(books, behind=-180)
    transaction = station.start(1000)
    wh = charge(station, transaction, 1000, 30)
    station.behind = 0
    wh = charge(station, transaction, wh, 30)
    station.stop(transaction, wh)
    settle(books)
    parts, by = divided(books, transaction, at(20), at(40))
    assert by is Split.REGISTER
    assert parts == pytest.approx((2400, 2400, 2400), abs=3)


def test_a_stop_that_waited_with_a_clock_ahead(books: Books) -> None:
    """An hour ahead. The stop came an hour late: its time is that of its receipt, the readings keep
    theirs."""
    station = Station(books, behind=-120)
    transaction = station.start(1000)
    wh = charge(station, transaction, 1000)
    stopped = station.clock()
    station.lose()
    books.wait(60)
    station.connect()
    station.stop(transaction, wh, at=stopped)
    assert billed_of(books, transaction).until - billed_of(books, transaction).since > 110 * MINUTE
    parts, _ = divided(books, transaction, at(20), at(61))
    assert parts == pytest.approx((2400, 4800, 0), abs=3)


def test_a_start_that_waited_with_a_clock_ahead(books: Books) -> None:
    """Two hours ahead. The start came half an hour late: its time is that of its receipt, the
    readings keep theirs."""
    station = Station(books, behind=-120)
    begun = station.clock()
    station.lose()
    books.wait(30)
    station.connect()
    transaction = station.start(1000, at=begun)
    station.stop(transaction, charge(station, transaction, 4600))
    parts, _ = divided(books, transaction, at(50))
    assert parts == pytest.approx((6000, 4800), abs=3)


def test_three_phases_of_power_are_summed(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    for power in (3600, 3600, 0, 0):
        phases = [watts(power) | {"phase": phase} for phase in ("L1", "L2", "L3")]
        station.tell(meter_value(station.clock(), *phases), transaction=transaction)
        books.wait(15)
    station.stop(transaction, 6400)
    powers = evidence_of(books, transaction, COURSE).powers
    assert [power.watts for power in powers] == [10_800, 10_800, 0, 0]
    parts, by = divided(books, transaction, at(30))
    assert (by, sum(parts)) == (Split.POWER, 5400)
    assert parts[0] > 4 * parts[1]


def test_three_phases_of_the_register_are_summed(books: Books, station: Station) -> None:
    transaction = station.start(3000)
    for wh in (1400, 2200):
        books.wait(20)
        phases = [by_phase(wh, phase) for phase in ("L1", "L2", "L3")]
        station.tell(meter_value(station.clock(), *phases), transaction=transaction)
    books.wait(20)
    station.stop(transaction, 7000)
    assert divided(books, transaction, at(20)) == Division((1200, 2800), Split.REGISTER)


def test_a_figure_that_a_person_set_is_divided_as_the_register_rose(
    books: Books, station: Station
) -> None:
    """The readings show a third of 7,200 Wh before the seam, and so a third of what the person
    set."""
    transaction = station.start(1000)
    station.stop(transaction, charge(station, transaction, 1000, tells_power=False))
    books.connection.execute("UPDATE tx SET energy_delivered = 9000 WHERE id = ?", (transaction,))
    assert divided(books, transaction, at(20)) == Division((3000, 6000), Split.REGISTER)


def test_what_flowed_after_the_last_reading_is_spread_after_it(
    books: Books, station: Station
) -> None:
    """Readings of 7.2 kW for 90 minutes, then none: a person saw the display three hours later.
    Nothing shows when the 21,600 Wh between flowed."""
    transaction = station.start(1000)
    charge(station, transaction, 1000, 90, every=15, tells_power=False)
    station.lose()
    books.wait(240)
    Operator(books).close(transaction, stamp(at(270)), 33_400)
    assert billed_of(books, transaction).wh == 32_400
    assert divided(books, transaction, at(150)) == Division((18_000, 14_400), Split.EVENLY)
    assert divided(books, transaction, at(40)) == Division((4800, 27_600), Split.REGISTER)


def test_a_figure_continues_the_readings_as_its_register_does(
    books: Books, station: Station
) -> None:
    """A person gives the energy and the time alone."""
    transaction = station.start(1000)
    charge(station, transaction, 1000, 60, tells_power=False)
    station.lose()
    books.wait(180)
    anna = Operator(books)
    anna.close(transaction, stamp(at(180)))
    anna.correct(transaction, figure_wh=11_200)
    assert divided(books, transaction, at(120)) == Division((9200, 2000), Split.EVENLY)


def test_what_flowed_before_a_start_that_was_wrong_is_spread_before_the_first_reading(
    books: Books, station: Station
) -> None:
    """It was 3 kWh lower, an hour before the first reading."""
    transaction = station.start(9000)
    books.wait(60)
    station.tell(station.register(9000), transaction=transaction)
    station.stop(transaction, charge(station, transaction, 9000, 60, tells_power=False))
    Operator(books).correct(transaction, meter_start=6000)
    assert billed_of(books, transaction).wh == 10_200
    assert divided(books, transaction, at(30), at(90)) == Division(
        (1500, 5100, 3600), Split.REGISTER
    )


def test_what_is_above_the_register_that_a_person_gave_is_of_another_session(
    books: Books, station: Station
) -> None:
    """The car left after an hour, and its charger did not say so."""
    transaction = station.start(1000)
    wh = charge(station, transaction, 1000, 60, tells_power=False)
    books.wait(20)
    station.stop(transaction, charge(station, transaction, wh, 60, tells_power=False))
    Operator(books).correct(transaction, meter_stop=wh, stop_time=stamp(at(62)))
    assert divided(books, transaction, at(20)) == Division((2400, 4800), Split.REGISTER)


def test_the_reported_figure_has_the_course_that_was_reported(
    books: Books, station: Station
) -> None:
    """A register that made a leap of 20 kWh, which a person found to be right: the display had
    stood still."""
    transaction = station.start(1000)
    wh = charge(station, transaction, 1000, 60, power=3600, tells_power=False)
    station.stop(
        transaction, charge(station, transaction, wh + 20_000, 60, power=3600, tells_power=False)
    )
    assert billed_of(books, transaction).wh < 10_000
    Operator(books).correct(transaction, figure_wh=27_200)
    assert divided(books, transaction, at(30), at(90)) == Division(
        (1800, 23_600, 1800), Split.REGISTER
    )


def test_a_corrected_time_moves_no_reading(books: Books, station: Station) -> None:
    """A person knew that the car had come an hour before."""
    books.wait(60)
    transaction = station.start(1000)
    station.stop(transaction, charge(station, transaction, 1000, tells_power=False))
    Operator(books).correct(transaction, meter_start=600, start_time=stamp(at(0)))
    assert divided(books, transaction, at(80)) == Division((2800, 4800), Split.REGISTER)


@pytest.mark.parametrize("is_corrected", [False, True])
def test_a_clock_that_turns_out_behind_moves_the_readings_of_a_session_that_a_person_ended(
    books: Books, is_corrected: bool
) -> None:
    """Only what came after showed that its clock is 90 minutes behind. The end that the person gave
    is by our clock."""
    station = Station(books, behind=90)
    transaction = station.start(1000)
    charge(station, transaction, 1000, 120, every=15, tells_power=False)
    books.wait(30)
    anna = Operator(books)
    anna.close(transaction, stamp(at(150)))
    if is_corrected:
        anna.correct(transaction, figure_wh=14_400)
    assert divided(books, transaction, at(0)).parts == (10_800, 3600)  # by its own clock
    for status in ("Available", "Preparing", "Available", "Preparing"):
        books.wait(8)
        station.status(status)
    for _ in range(2):
        books.wait(5)
        books.settle()
    assert billed_of(books, transaction).since == at(0)
    assert divided(books, transaction, at(60)) == Division((7200, 7200), Split.REGISTER)


def test_far_from_any_reading_the_course_is_not_read(books: Books, station: Station) -> None:
    """The stop came after three hours of silence."""
    transaction = station.start(1000)
    wh = charge(station, transaction, 1000, 60, tells_power=False)
    books.wait(180)
    station.stop(transaction, wh + 18_000)
    assert divided(books, transaction, at(120)) == Division((13_200, 12_000), Split.EVENLY)
    assert divided(books, transaction, at(30)) == Division((3600, 21_600), Split.REGISTER)


def test_both_sources_of_readings_count(books: Books, station: Station) -> None:
    """The stop brings its two ends, which are more than the one reading before it."""
    transaction, begun = station.start(1000), station.clock()
    books.wait(20)
    station.tell(station.register(4000), transaction=transaction)
    books.wait(40)
    ends = [meter_value(begun, 1000), meter_value(station.clock(), 8200)]
    station.stop(transaction, 8200, data=ends)
    assert divided(books, transaction, at(20)) == Division((3000, 4200), Split.REGISTER)


def test_the_sessions_before_and_after_are_not_read(books: Books, station: Station) -> None:
    wh = session(station, 1000)
    transaction = station.start(wh)
    begun = books.now
    end = charge(station, transaction, wh)
    station.stop(transaction, end)
    books.wait(10)
    session(station, end)
    assert len(evidence_of(books, transaction, COURSE).levels) == 14
    assert divided(books, transaction, begun + 20 * MINUTE).parts == pytest.approx(
        (2400, 4800), abs=1
    )
