"""The curve of a transaction: few points, no peak lost, and nothing that was not told."""

from __future__ import annotations

from levity_trio.store.reads.transactions.transactions import STRETCHES, Curve, curve
from levity_trio.store.writes.site import imports
from tests.store.books import Books, Station, meter_value
from tests.store.reading import reading
from tests.store.telling import watts
from tests.store.test_imported import import_one, old_reading

HOUR = 3600.0


def curve_of(books: Books, number: int) -> Curve:
    with reading(books) as db:
        found = curve(db, number)
    assert found is not None
    return found


def tell(
    station: Station, number: int, wh: int, *samples: dict[str, str], minutes: float = 5
) -> None:
    station.books.wait(minutes)
    station.tell(meter_value(station.clock(), wh, *samples), transaction=number)


def test_an_unknown_one(books: Books) -> None:
    with reading(books) as db:
        assert curve(db, 7) is None


def test_power_and_register_as_told(books: Books, station: Station) -> None:
    number = station.start(1000)
    tell(station, number, 1500, watts(6000))
    tell(station, number, 2000, watts(7.2e3, "kW"))
    books.wait(5)
    station.stop(number, 2500)
    found = curve_of(books, number)
    assert (found.since, found.until) == ("2026-03-01T12:00:00.000Z", "2026-03-01T12:15:00.000Z")
    assert found.power == ((300.0, 6000.0, 6000.0), (600.0, 7200.0, 7200.0))
    assert found.register == ((0.0, 1000), (300.0, 1500), (600.0, 2000), (900.0, 2500))
    assert not found.is_power_computed


def test_without_a_power_it_is_that_of_the_register(books: Books, station: Station) -> None:
    number = station.start(1000)
    tell(station, number, 1500)
    books.wait(5)
    station.stop(number, 1750)
    found = curve_of(books, number)
    assert found.is_power_computed
    assert found.power == ((300.0, 6000.0, 6000.0), (600.0, 3000.0, 3000.0))


def test_without_readings_there_are_the_registers_of_start_and_stop(
    books: Books, station: Station
) -> None:
    number = station.start(1000)
    books.wait(0.05)
    station.stop(number, 1000)
    found = curve_of(books, number)
    assert found.register == ((0.0, 1000), (3.0, 1000))


def test_an_open_one_ends_with_its_last_reading(books: Books, station: Station) -> None:
    number = station.start(1000)
    assert curve_of(books, number).register == ((0.0, 1000),)
    tell(station, number, 1500)
    books.wait(60)
    found = curve_of(books, number)
    assert found.until == "2026-03-01T12:05:00.000Z"
    assert found.register == ((0.0, 1000), (300.0, 1500))


def test_readings_that_count_from_nothing_are_not_joined_with_the_lifetime_register(
    books: Books, station: Station
) -> None:
    number = station.start(5_000_000)
    tell(station, number, 500)
    tell(station, number, 1000)
    books.wait(5)
    station.stop(number, 5_001_500)
    assert curve_of(books, number).register[0] == (300.0, 500)


def test_phases_are_summed(books: Books, station: Station) -> None:
    number = station.start(1000)
    phases = [{**watts(2000), "phase": phase} for phase in ("L1", "L2", "L3")]
    tell(station, number, 1500, *phases)
    tell(station, number, 2000, *phases, watts(6500))  # the value without phase comes first
    assert [most for _, _, most in curve_of(books, number).power] == [6000.0, 6500.0]


def test_what_is_no_power_is_not_drawn(books: Books, station: Station) -> None:
    number = station.start(1000)
    for text in ("12,5", "", "-7000", "9e99", "999999999", "<b>"):
        tell(station, number, 1000, {**watts(0), "value": text}, minutes=1)
    tell(station, number, 1500, watts(6000))
    assert [most for _, _, most in curve_of(books, number).power] == [6000.0]


def test_of_many_readings_the_extremes_stay(books: Books, station: Station) -> None:
    number = station.start(0)
    values = []
    for place in range(1, 5001):
        books.wait(0.1)
        power = 11_000 if place == 2345 else 0 if place == 3456 else 7000
        values.append(meter_value(station.clock(), place * 12, watts(power)))
    station.tell(*values, transaction=number)
    found = curve_of(books, number)
    assert len(found.power) <= STRETCHES
    assert len(found.register) <= STRETCHES + 1
    assert max(most for _, _, most in found.power) == 11_000
    assert min(least for _, least, _ in found.power) == 0
    assert found.register[-1] == (30_000.0, 60_000)


def test_only_its_own_readings(books: Books, station: Station) -> None:
    first = station.start(1000)
    tell(station, first, 1500, watts(6000))
    station.stop(first, 1500)
    second = station.start(1500)
    tell(station, second, 2000, watts(3000))
    assert [most for _, _, most in curve_of(books, first).power] == [6000.0]
    assert [most for _, _, most in curve_of(books, second).power] == [3000.0]


def test_an_imported_one_has_the_registers_of_its_readings(books: Books) -> None:
    number = import_one(books)
    in_kwh = old_reading(number, "2026-03-01T10:45:00.000Z", 0, 3)._replace(value="4.1", unit="kWh")
    of_phase = old_reading(number, "2026-03-01T10:50:00.000Z", 900, 4)._replace(phase="L1")
    no_number = old_reading(number, "2026-03-01T10:55:00.000Z", 0, 5)._replace(value="?")
    books.run(imports.take, "readings", [in_kwh, of_phase, no_number], books.at)
    found = curve_of(books, number)
    assert found.register == ((0.0, 1000), (1800.0, 3000), (2700.0, 4100), (3600.0, 5000))
    assert found.is_power_computed
