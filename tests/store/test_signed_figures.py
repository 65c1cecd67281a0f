"""The signed difference is a candidate: where a charger's registers are garbled, the figure is what
the meter signed, and certain."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.signed.meters import Meter
from tests.store.books import Books, Station, meter_value
from tests.store.signing import enter, look, of_meter, signed, state

BEGIN, ENERGY = 500_000, 9_000
CURVES = ("secp192r1", "secp256r1", "brainpool256r1", "secp384r1")

Garbled = tuple[float, float, Callable[[int], int], bool]
"""Start and stop as sent, what readings show of a register, and whether the stop's data has one."""


def as_it_is(wh: int) -> int:
    return wh


GARBLED: dict[str, Garbled] = {
    "stop too high": (BEGIN, BEGIN + 2 * ENERGY, as_it_is, True),
    "stop at 0": (BEGIN, 0, as_it_is, True),
    "stop at 0, without a register in its data": (BEGIN, 0, as_it_is, False),
    "start at 0": (0, BEGIN + ENERGY, as_it_is, True),
    "stop tenfold": (BEGIN, 10 * (BEGIN + ENERGY), as_it_is, True),
    "kWh called Wh": (BEGIN // 1000, (BEGIN + ENERGY) // 1000, lambda wh: wh // 1000, True),
}


def charge(
    station: Station, meter: Meter, garbled: Garbled, register: int = BEGIN, energy: int = ENERGY
) -> int:
    """Charge for two hours, with a record at the start and one at the stop."""
    books = station.books
    first, last, shown, has_register = garbled
    begun = meter.record(of_meter(station, "B", register))
    transaction = station.start(first)
    told = signed(begun, "Transaction.Begin")
    station.tell(meter_value(station.clock(), told), transaction=transaction)
    for quarter in range(1, 8):
        books.wait(15)
        reached = shown(register + energy * quarter // 8)
        station.tell(meter_value(station.clock(), reached), transaction=transaction)
    books.wait(15)
    samples: list[int | str | dict[str, str]] = [
        signed(meter.record(of_meter(station, "E", register + energy)))
    ]
    if has_register:
        samples.append(shown(register + energy))
    station.stop(transaction, last, data=[meter_value(station.clock(), *samples)])
    look(books)
    return transaction


def certainty(station: Station, transaction: int) -> tuple[Any, ...]:
    wh, _, confidence = station.bill(transaction)
    return wh, confidence, station.review(transaction)


@pytest.fixture
def station(books: Books) -> Station:
    station = Station(books)
    station.boot()
    books.wait(10)
    return station


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("garbled", GARBLED.values(), ids=GARBLED)
def test_what_the_meter_signed_is_the_figure(
    station: Station, garbled: Garbled, curve: str
) -> None:
    meter = Meter(curve)
    enter(station.books, meter)
    transaction = charge(station, meter, garbled)
    assert certainty(station, transaction) == (ENERGY, "certain", "")
    assert state(station.books, transaction) == ("proven", ENERGY, 1)


def test_the_next_session_goes_on_from_it(station: Station) -> None:
    """Its range is that of the meter, whichever of its ends was garbled."""
    meter = Meter()
    enter(station.books, meter)
    register = BEGIN
    for garbled in GARBLED.values():
        first, last, shown, has_register = garbled
        if shown(1000) != 1000:
            continue
        begin, end = first and register, last and last - BEGIN + register
        moved = (begin, end, shown, has_register)
        transaction = charge(station, meter, moved, register)
        station.books.wait(60)
        register += ENERGY
        whole = (register, register + ENERGY, as_it_is, True)
        honest = charge(station, meter, whole, register)
        station.books.wait(60)
        station.books.settle()
        register += ENERGY
        assert certainty(station, transaction) == (ENERGY, "certain", "")
        assert certainty(station, honest) == (ENERGY, "certain", "")


def test_power_outweighs_what_its_meter_signed(station: Station) -> None:
    """A meter that counts too little signs what it counts."""
    meter = Meter()
    enter(station.books, meter)
    books = station.books
    begun = of_meter(station, "B", BEGIN)
    transaction = station.start(BEGIN)
    power = {"value": "9000", "measurand": "Power.Active.Import", "unit": "W"}
    for minute in range(1, 120):
        books.wait(1)
        value = meter_value(station.clock(), BEGIN + 150 * minute, power)
        station.tell(value, transaction=transaction)
    books.wait(1)
    sent = signed(meter.record(begun, of_meter(station, "E", BEGIN + ENERGY)))
    station.stop(transaction, BEGIN + 18_000, data=[meter_value(station.clock(), sent)])
    look(books)
    wh, confidence, review = certainty(station, transaction)
    assert (wh, confidence) == (18_000, "doubtful")
    assert "signed" in review


def test_a_key_that_the_charger_told_decides_nothing(station: Station) -> None:
    meter = Meter()
    transaction = charge(station, meter, GARBLED["stop at 0"])
    assert certainty(station, transaction)[:2] != (ENERGY, "certain")


@pytest.mark.parametrize("reported", [9_100, 9_500, 10_999])
def test_a_meter_that_signs_whole_kilowatt_hours_proves_its_own_difference(
    station: Station, reported: int
) -> None:
    meter = Meter()
    enter(station.books, meter)
    books = station.books
    begun = of_meter(station, "B", BEGIN) | {"RV": "500"}
    transaction = station.start(BEGIN)
    books.wait(120)
    ended = of_meter(station, "E", BEGIN + 10_000) | {"RV": "510"}
    sent = signed(meter.record(begun, ended))
    station.stop(transaction, BEGIN + reported, data=[meter_value(station.clock(), sent)])
    look(books)
    found = state(books, transaction)
    assert found is not None
    assert found[:2] == ("unproven", 10_000)
    assert certainty(station, transaction) == (reported, "certain", "")


def test_its_own_difference_is_proven_by_whole_kilowatt_hours(station: Station) -> None:
    meter = Meter()
    enter(station.books, meter)
    books = station.books
    begun = of_meter(station, "B", BEGIN) | {"RV": "500"}
    transaction = station.start(BEGIN)
    books.wait(120)
    ended = of_meter(station, "E", BEGIN + 10_000) | {"RV": "510"}
    sent = signed(meter.record(begun, ended))
    station.stop(transaction, BEGIN + 10_000, data=[meter_value(station.clock(), sent)])
    look(books)
    assert state(books, transaction) == ("proven", 10_000, 1)


def test_whole_kilowatt_hours_replace_no_garbled_stop(station: Station) -> None:
    """They would be wrong by up to one."""
    meter = Meter()
    enter(station.books, meter)
    books = station.books
    begun = of_meter(station, "B", BEGIN) | {"RV": "500"}
    transaction = station.start(BEGIN)
    books.wait(120)
    ended = of_meter(station, "E", BEGIN + 9_000) | {"RV": "509"}
    sent = signed(meter.record(begun, ended))
    station.stop(transaction, 0, data=[meter_value(station.clock(), sent)])
    look(books)
    assert station.bill(transaction)[2] == "doubtful"


def test_the_last_reading_is_that_of_the_stop(station: Station) -> None:
    """Its data may have a later one than the messages before."""
    books = station.books
    transaction = station.start(BEGIN)
    for quarter in range(1, 8):
        books.wait(15)
        station.tell(station.register(BEGIN + ENERGY * quarter // 8), transaction=transaction)
    books.wait(15)
    data = [meter_value(station.clock(), BEGIN + ENERGY)]
    station.stop(transaction, BEGIN + 3 * ENERGY, data=data)
    assert f"the last reading is {BEGIN + ENERGY} Wh" in station.review(transaction)
    assert station.bill(transaction)[0] == ENERGY
