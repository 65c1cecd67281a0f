"""Measurands beside the billed register, as honest chargers send them in many ways: nothing is in
doubt."""

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import (
    HOUR,
    assert_figure,
    charge,
    charge_state,
    kwh,
    session,
    settle,
    watts,
)

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

Sample = dict[str, str]


def amperes(value: float, phase: str = "") -> Sample:
    return {"value": f"{value:g}", "measurand": "Current.Import", "unit": "A"} | (
        {"phase": phase} if phase else {}
    )


def volts(value: float, phase: str = "") -> Sample:
    return {"value": f"{value:g}", "measurand": "Voltage", "unit": "V"} | (
        {"phase": phase} if phase else {}
    )


def kilowatts(power: float) -> Sample:
    """Return a sample of power in whole kW, cut off."""
    return {"value": str(int(power / 1000)), "measurand": "Power.Active.Import", "unit": "kW"}


def interval(wh: int) -> Sample:
    return {"value": str(wh), "measurand": "Energy.Active.Import.Interval"}


THREE = [amperes(16, phase) for phase in ("L1", "L2", "L3")]
TWO = [amperes(30, phase) for phase in ("L1", "L2")]


@pytest.mark.parametrize(
    ("power", "samples"),
    [
        pytest.param(11_085, [*THREE, volts(400)], id="three phases, and the voltage between two"),
        pytest.param(
            11_085, [*THREE, *(volts(400, f"L{n}") for n in (1, 2, 3))], id="named by phase, too"
        ),
        pytest.param(
            11_085,
            [*THREE, *(volts(400, pair) for pair in ("L1-L2", "L2-L3", "L3-L1"))],
            id="named by pair",
        ),
        pytest.param(
            11_040, [*THREE, *(volts(230, f"L{n}-N") for n in (1, 2, 3))], id="to neutral"
        ),
        pytest.param(7390, [amperes(32), volts(400)], id="one phase, and the voltage between two"),
        pytest.param(3680, [amperes(16), volts(230)], id="one phase"),
        pytest.param(7200, [*TWO, volts(240)], id="two lines of 120 V"),
        pytest.param(7200, [*TWO, volts(240, "L1-L2")], id="named as a pair"),
        pytest.param(7200, [*TWO, volts(120, "L1-N"), volts(120, "L2-N")], id="each to neutral"),
        pytest.param(6240, [*TWO, volts(208, "L1-L2")], id="two of three phases of 120 V"),
    ],
)
def test_current_and_voltage_of_a_grid(
    books: Books, station: Station, power: int, samples: list[Sample]
) -> None:
    transaction, register = station.start(1000), 1000
    for minute in range(5, HOUR + 1, 5):
        books.wait(5)
        register = 1000 + power * minute // HOUR
        station.tell(meter_value(station.clock(), register, *samples), transaction=transaction)
    station.stop(transaction, register)
    books.wait(5)
    session(station, register)

    assert_figure(station, transaction, register - 1000, flagged=False)


@pytest.mark.parametrize("every", [1, 5, 15])
@pytest.mark.parametrize(
    ("power", "samples"),
    [
        pytest.param(1440, [kilowatts(1440)], id="1 kW"),
        pytest.param(3720, [kilowatts(3720)], id="3 kW"),
        pytest.param(
            4740, [amperes(6, phase) for phase in ("L1", "L2", "L3")], id="6.9 A on three phases"
        ),
    ],
)
def test_power_and_current_in_whole_numbers(
    books: Books, station: Station, power: int, samples: list[Sample], every: int
) -> None:
    transaction, register = station.start(1000), 1000
    for _ in range(0, HOUR, every):
        books.wait(every)
        register += power * every // HOUR
        station.tell(
            meter_value(station.clock(), register, *samples, volts(230)), transaction=transaction
        )
    station.stop(transaction, register)

    assert_figure(station, transaction, power, flagged=False)


def test_the_current_of_a_full_car_takes_no_energy(books: Books, station: Station) -> None:
    transaction, register = station.start(1000), 1000
    for ampere in [31.3] * 6 + [0.6] * 30:
        books.wait(5)
        register += 600 if ampere > 1 else 0
        station.tell(
            meter_value(station.clock(), register, amperes(ampere, "L1"), volts(230)),
            transaction=transaction,
        )
    station.stop(transaction, register)

    assert_figure(station, transaction, 3600, flagged=False)


@pytest.mark.parametrize(
    ("told", "wh"),
    [
        pytest.param(
            [600, 1200, 1800, 2400, 3000, 3600, 3600, 3600, 3600],
            3600,
            id="since the start, with a pause",
        ),
        pytest.param([600, 1200], 1200, id="since the start, twice"),
        pytest.param([50_600, 51_200, 51_800, 52_400], 2400, id="for life"),
        pytest.param([600, 600, 600, 300, 0, 0], 2100, id="in each interval"),
    ],
)
def test_what_chargers_take_an_interval_for(
    books: Books, station: Station, told: list[int], wh: int
) -> None:
    transaction = station.start(50_000)
    for one in told:
        books.wait(5)
        station.tell(meter_value(station.clock(), interval(one)), transaction=transaction)
    station.stop(transaction, 50_000 + wh)

    assert_figure(station, transaction, wh, flagged=False)


def test_a_car_that_begins_after_the_last_report_of_no_power(
    books: Books, station: Station
) -> None:
    transaction = station.start(200_000)
    for _ in range(2):
        books.wait(5)
        station.tell(meter_value(station.clock(), 200_000, watts(0)), transaction=transaction)
    books.wait(2.6)
    station.stop(transaction, 200_397)
    books.wait(5)
    session(station, 200_397)

    assert_figure(station, transaction, 397, flagged=False)


def test_one_report_of_the_power_of_a_full_car_is_no_power_in_kilowatts(
    books: Books, station: Station
) -> None:
    transaction = station.start(200_000)
    books.wait(HOUR)
    station.tell(meter_value(station.clock(), 207_200, watts(40)), transaction=transaction)
    books.wait(20)
    station.stop(transaction, 207_200)

    assert_figure(station, transaction, 7200, flagged=False)


def test_a_current_that_no_charger_delivers_is_no_evidence(books: Books, station: Station) -> None:
    """Milliamperes that are called amperes: 7 MW."""
    transaction, register = station.start(1000), 1000
    for _ in range(12):
        books.wait(5)
        register += 600
        station.tell(
            meter_value(station.clock(), register, amperes(31_300), volts(230)),
            transaction=transaction,
        )
    station.stop(transaction, register)

    assert_figure(station, transaction, 7200, flagged=False)


def test_a_new_meter_begins_at_some_watt_hours(books: Books, station: Station) -> None:
    """They are no kWh, though a register that is told at the end differs a little."""
    transaction = station.start(1)
    register = charge(station, transaction, 1, tells_power=False)
    end = {"value": str(register), "context": "Transaction.End"}
    station.stop(transaction, register + 90, data=[meter_value(station.clock(), end)])
    books.wait(5)
    session(station, register)

    assert_figure(station, transaction, 7200, flagged=True)


def test_a_state_of_charge_of_0_was_not_read_yet(books: Books, station: Station) -> None:
    """The next transaction, of which nothing but start and stop is known, has no other scale
    either."""
    transaction, register = station.start(85_100), 85_100
    for percent in (0, *range(44, 50)):
        books.wait(4)
        station.tell(
            meter_value(station.clock(), register, charge_state(percent)), transaction=transaction
        )
        register += 450
    station.stop(transaction, register)
    books.wait(20)
    following = station.start(register)
    books.wait(20)
    station.stop(following, register + 2000)
    settle(books)

    assert_figure(station, transaction, 3150, flagged=False)
    assert_figure(station, following, 2000, flagged=False)


def test_a_state_of_charge_as_a_fraction(books: Books, station: Station) -> None:
    """From 20 to 60 per cent of 60 kWh."""
    transaction, register = station.start(85_100), 85_100
    for number in range(9):
        samples = (register, watts(28_800), charge_state(0.2 + 0.05 * number))
        station.tell(meter_value(station.clock(), *samples), transaction=transaction)
        books.wait(6.25)
        register += 3000
    station.stop(transaction, register)

    assert_figure(station, transaction, 27_000, flagged=False)


@pytest.mark.parametrize("start", [300, 1000, 1700])
@pytest.mark.parametrize(
    "samples", [[watts(7200)], [amperes(10.4, phase) for phase in ("L1", "L2", "L3")]]
)
def test_readings_that_count_from_0_above_the_start_of_a_new_meter(
    books: Books, station: Station, start: int, samples: list[Sample]
) -> None:
    transaction = station.start(start)
    for minutes in range(15, HOUR + 1, 15):
        books.wait(15)
        station.tell(
            meter_value(station.clock(), kwh(120 * minutes), *samples), transaction=transaction
        )
    books.wait(9)
    station.stop(transaction, start + 8280)

    assert_figure(station, transaction, 8280, flagged=False)


@pytest.mark.parametrize(("decimals", "idle"), [(1, 0), (1, 15), (2, 0), (2, 15)])
def test_a_last_reading_that_is_more_exact_than_the_others(
    books: Books, station: Station, decimals: int, idle: int
) -> None:
    """The readings are cut off, only the one at the end is in Wh."""
    transaction = station.start(1_550_146)
    end = 1_550_146
    for minute in range(1, HOUR + 1):
        books.wait(1)
        end += 120 if minute > idle else 0
        cut = end // 10 ** (3 - decimals) / 10**decimals
        station.tell(
            meter_value(station.clock(), kwh(1000 * cut, decimals), watts(7200 * (minute > idle))),
            transaction=transaction,
        )
    station.tell(
        meter_value(station.clock(), {"value": str(end), "context": "Transaction.End"}),
        transaction=transaction,
    )
    station.stop(transaction, end)

    assert_figure(station, transaction, 120 * (HOUR - idle), flagged=False)


def test_values_without_the_zeros_at_their_end(books: Books, station: Station) -> None:
    """As in 9.4, 9.52, 9.64: the register is no coarser for it, so a stop that lies 120 Wh below is
    noticed."""
    transaction, register = station.start(9400), 9400
    for _ in range(HOUR // 5):
        books.wait(5)
        register += 600
        station.tell(
            meter_value(
                station.clock(), {"value": f"{register / 1000:g}", "unit": "kWh"}, watts(7200)
            ),
            transaction=transaction,
        )
    station.stop(transaction, register - 120)

    assert_figure(station, transaction, 7200 - 120, flagged=True)
