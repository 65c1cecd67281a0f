"""One session or two for each report; no other test of the judge needs a reason beyond one of
these."""

from __future__ import annotations

from typing import Any

import pytest

from levity_trio.store.writes.transactions import stops
from tests.store.books import UNSET_CLOCK, Books, Station, meter_value
from tests.store.telling import (
    HOUR,
    assert_doubtful,
    assert_figure,
    bill_of,
    charge,
    charge_state,
    close_silent,
    kwh,
    session,
    settle,
    start_with,
    stop_with,
    watts,
)

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

BEGIN = 1_480_321
OWN = -1_700_000_000


def tell_each(
    station: Station, transaction: int | None, wh: int, *others: Any, steps: int = 4
) -> int:
    """Charge 1,800 Wh each quarter of an hour; `others` are samples beside the register."""
    for _ in range(steps):
        station.books.wait(15)
        wh += 1800
        station.tell(meter_value(station.clock(), wh, *others), transaction=transaction)
    return wh


# Ids


@pytest.mark.parametrize("told", [0, -1, 2**63 - 1, 4711])
def test_an_id_that_is_none(station: Station, told: int) -> None:
    """steve#1569, steve#395, mh#478: 0, -1, 2^63-1 or a random id in readings and stop."""
    transaction = station.start(BEGIN)
    wh = tell_each(station, told, BEGIN)
    station.stop(told, wh)
    settle(station.books)
    assert_figure(station, transaction, 7200, flagged=True)


def test_readings_without_an_id(station: Station) -> None:
    """citrineos#1025, HA#375: clock-aligned readings name no transaction."""
    transaction = station.start(BEGIN)
    station.stop(transaction, tell_each(station, None, BEGIN))
    assert_figure(station, transaction, 7200, flagged=False)


def test_ids_of_its_own(station: Station) -> None:
    """HA#1000, Etrel: readings and stop carry a negative id of its own."""
    transaction = station.start(BEGIN)
    station.stop(OWN, tell_each(station, OWN, BEGIN))
    assert_figure(station, transaction, 7200, flagged=False)


def test_a_stop_of_a_start_that_was_offline(books: Books, station: Station) -> None:
    """libocpp#495, steve#571, MicroOcpp#298: started offline, and the stop arrives with -1."""
    station.lose()
    books.wait(2 * HOUR)
    station.connect()
    transaction = station.start(BEGIN, at=station.clock(HOUR))
    station.stop(-1, BEGIN + 7200)
    settle(books)
    assert_figure(station, transaction, 7200, flagged=True)


def test_a_stop_whose_start_never_came(books: Books, station: Station) -> None:
    """libocpp#495; Levity accepts and loses it: only the stop arrives, after readings without an
    id."""
    before = session(station, BEGIN)
    wh = tell_each(station, -1, before)
    station.stop(-1, wh)
    settle(books)
    (wh_billed,) = (
        one for one, _ in books.rows("SELECT energy_delivered, id FROM tx ORDER BY id DESC LIMIT 1")
    )
    assert 0 <= wh_billed <= 7200


def test_a_start_and_a_stop_that_are_repeated(books: Books, station: Station) -> None:
    """steve#1294, citrineos#880, mh#186; Levity counts a repeated stop again."""
    began = station.clock()
    transaction = station.start(BEGIN, at=began)
    assert station.start(BEGIN, at=began) == transaction
    wh, ended = charge(station, transaction, BEGIN), station.clock()
    for _ in range(3):
        station.stop(transaction, wh, at=ended)
        books.wait(1)
    assert_figure(station, transaction, 7200, flagged=False)


def test_a_transaction_that_nobody_stops(books: Books, station: Station) -> None:
    """steve#94, OCPP.Core#47, evcc#30247: a zombie, closed with its last good register."""
    transaction = station.start(BEGIN)
    charge(station, transaction, BEGIN)
    close_silent(station)
    settle(books)
    assert_figure(station, transaction, 7200, flagged=True)


@pytest.mark.parametrize("tag", ["TAG", "OTHER"])
def test_two_starts_two_minutes_apart(books: Books, station: Station, tag: str) -> None:
    """HA#1749, Simpsons & Partners: readings and stop name the first of them."""
    first = station.start(BEGIN)
    books.wait(2)
    station.start(BEGIN, tag=tag)
    wh = charge(station, first, BEGIN)
    station.stop(first, wh)
    station.status("Available")
    settle(books)
    assert_figure(station, first, 7200)


def test_a_stop_that_is_dated_before_its_start(station: Station) -> None:
    """go-eCharger-API-v2#106, go-e: the stop has id -1 and a time before the start."""
    transaction = station.start(BEGIN)
    wh = charge(station, transaction, BEGIN)
    station.stop(-1, wh, at=station.clock(2 * HOUR))
    station.books.wait(1)
    station.status("Available")
    station.books.wait(10)
    station.books.run(stops.close_silent, station.books.at, 0.0)
    settle(station.books)
    assert_doubtful(station, transaction, 0, 7200)


def test_the_closed_transaction_is_named_for_ever(books: Books, station: Station) -> None:
    """evcc#14673, EN+: a constant register names the closed one, and the next begins at 0."""
    first = station.start(0)
    wh = charge(station, first, 0)
    station.stop(first, wh)
    for _ in range(4):
        books.wait(15)
        station.tell(station.register(wh), transaction=first)
    second = station.start(0)
    station.stop(second, charge(station, second, 0))
    settle(books)
    for transaction in (first, second):
        assert_figure(station, transaction, 7200)


# Registers and units


@pytest.mark.parametrize("unit", ["Wh", "kWh"])
def test_readings_that_count_the_session(station: Station, unit: str) -> None:
    """HA#442, HA#2093, Grizzl-E 05.621: a register at Body by phase, from 0 in each session; stop
    and start do not."""
    transaction, where = station.start(BEGIN), {"location": "Body", "phase": "L1-N"}
    for step in range(1, 13):
        station.books.wait(5)
        sample = (kwh(600 * step) if unit == "kWh" else {"value": str(600 * step)}) | where
        station.tell(meter_value(station.clock(), sample), transaction=transaction)
    station.stop(transaction, BEGIN + 7200)
    assert_figure(station, transaction, 7200, flagged=False)


def test_kwh_called_wh(station: Station) -> None:
    """HA#374: readings are kWh, and their unit says Wh."""
    transaction, wh = station.start(BEGIN), BEGIN
    for _ in range(12):
        station.books.wait(5)
        wh += 600
        sample = {"value": f"{wh / 1000:.3f}", "unit": "Wh"}
        station.tell(meter_value(station.clock(), sample, watts(7200)), transaction=transaction)
    station.stop(transaction, wh)
    assert_figure(station, transaction, 7200)


def test_a_register_that_steps_back(station: Station) -> None:
    """OCPP.Core#33: one reading is below those around it."""
    transaction = station.start(BEGIN)
    wh = charge(station, transaction, BEGIN, 30)
    station.tell(station.register(wh - 400), transaction=transaction)
    station.stop(transaction, charge(station, transaction, wh, 30))
    assert_figure(station, transaction, 7200)


def test_the_begin_comes_last(station: Station) -> None:
    """evcc#33256, Growatt: a sample holds the register twice, Transaction.Begin last."""
    transaction = station.start(BEGIN)
    begin = {"value": str(BEGIN), "context": "Transaction.Begin"}
    station.stop(transaction, tell_each(station, transaction, BEGIN, begin))
    assert_figure(station, transaction, 7200, flagged=False)


@pytest.mark.parametrize("value", ["", " ", "null", "NaN", "--", "1e5x"])
def test_a_reading_that_is_no_number(books: Books, station: Station, value: str) -> None:
    """HA#210, HA#1144, mh#353: blanks and words among the readings."""
    transaction = station.start(BEGIN)
    wh = tell_each(station, transaction, BEGIN, steps=2)
    books.wait(1)
    station.tell(meter_value(station.clock(), {"value": value}), transaction=transaction)
    station.stop(transaction, tell_each(station, transaction, wh, steps=2))
    assert_figure(station, transaction, 7200)


@pytest.mark.parametrize("value", ["NaN", "--", "1e5x", "n/a"])
def test_a_start_that_is_no_number(station: Station, value: str) -> None:
    """Issue 40, Money: a register that is no number leaves a doubt."""
    transaction = start_with(station, value)
    wh = tell_each(station, transaction, BEGIN)
    stop_with(station, transaction, wh)
    settle(station.books)
    assert_doubtful(station, transaction, 0, 7200)


def test_no_measurand_and_ampere(station: Station) -> None:
    """HA#361, Alfen: a sample without a measurand has unit A, and is no energy."""
    transaction = station.start(BEGIN)
    for _ in range(4):
        station.books.wait(15)
        station.tell(
            meter_value(station.clock(), {"value": "16", "unit": "A"}), transaction=transaction
        )
    station.stop(transaction, BEGIN + 7200)
    assert_figure(station, transaction, 7200)


def test_rounded_kwh_above_the_register(station: Station) -> None:
    """HA#1810, Huawei: the stop is 1 Wh below the last reading, which was rounded."""
    transaction, wh = station.start(BEGIN), BEGIN
    for _ in range(4):
        station.books.wait(15)
        wh += 1800
        station.tell(meter_value(station.clock(), kwh(wh + 1, 2)), transaction=transaction)
    last = round((wh + 1) / 10) * 10
    station.stop(transaction, last - 1)
    assert_figure(station, transaction, last - 1 - BEGIN, flagged=False)


def test_one_phase_of_three(station: Station) -> None:
    """HA#169, HA#374, evcc#6817, ABB: one phase charges, L2 and L3 are zero."""
    transaction = station.start(BEGIN)
    amperes = [
        {"value": value, "measurand": "Current.Import", "unit": "A", "phase": phase}
        for phase, value in (("L1", "31.3"), ("L2", "0"), ("L3", "0"))
    ]
    station.stop(transaction, tell_each(station, transaction, BEGIN, *amperes))
    assert_figure(station, transaction, 7200, flagged=False)


def test_power_in_kw_and_current_of_the_neutral(station: Station) -> None:
    """HA#1311, Injet: power in kW, current of phase N only, no context."""
    transaction = station.start(BEGIN)
    neutral = {"value": "31.3", "measurand": "Current.Import", "unit": "A", "phase": "N"}
    station.stop(transaction, tell_each(station, transaction, BEGIN, watts(7200, "kW"), neutral))
    assert_figure(station, transaction, 7200, flagged=False)


def test_a_voltage_comes_last(station: Station) -> None:
    """Levity takes the last reading of any measurand, even a voltage, for the stop's register."""
    transaction = station.start(BEGIN)
    volts = {"value": "230", "measurand": "Voltage", "unit": "V"}
    tell_each(station, transaction, BEGIN, volts)
    close_silent(station)
    settle(station.books)
    assert_figure(station, transaction, 7200, flagged=True)


def test_a_stop_below_its_start(station: Station) -> None:
    """SteVe shelves a meterStop below meterStart, and its transaction stays open."""
    transaction = station.start(BEGIN)
    charge(station, transaction, BEGIN)
    station.stop(transaction, BEGIN - 500)
    assert_doubtful(station, transaction, 6600, 7200)


# Clocks


@pytest.mark.parametrize("at", [UNSET_CLOCK, "2026-03-01T09:00:00", "2026-03-02T12:00:00Z"])
def test_a_time_that_is_wrong(station: Station, at: str) -> None:
    """evcc#10399, MicroOcpp#311, steve#136: no zone, 1970, or a day ahead."""
    transaction = station.start(BEGIN, at=at)
    wh = charge(station, transaction, BEGIN)
    station.stop(transaction, wh, at=at)
    assert_figure(station, transaction, 7200)


@pytest.mark.parametrize("days", [77, 520])
def test_a_clock_that_is_months_behind(books: Books, days: int) -> None:
    """HA#361, steve#740, Alfen; issue 40, Money: each message arrives as it happens."""
    station = Station(books, behind=days * 24 * HOUR)
    transaction = station.start(BEGIN)
    station.stop(transaction, charge(station, transaction, BEGIN))
    settle(books)
    assert_figure(station, transaction, 7200)


# What users met


def test_a_stop_of_the_other_connector(books: Books, station: Station) -> None:
    """Issue 40, Money: a stop without id belongs to connector 2, whose start was lost."""
    transaction = station.start(2313)
    for wh in (2654, 2975):
        books.wait(10)
        station.tell(station.register(wh), transaction=transaction)
    station.stop(-1, 12_670)
    for wh in (3400, 3900):
        books.wait(10)
        station.tell(station.register(wh), transaction=transaction)
    station.stop(transaction, 4300)
    settle(books)
    assert_figure(station, transaction, 1987)


def test_new_firmware_sends_wh(books: Books, station: Station) -> None:
    """Issue 40, Money: 3500 to 3516, 3516 to 3532, then 3532400 to 3548700."""
    found = []
    for start, stop in ((3500, 3516), (3516, 3532), (3_532_400, 3_548_700)):
        found.append(station.start(start))
        books.wait(3 * HOUR)
        station.stop(found[-1], stop)
        books.wait(HOUR)
    for _ in range(4):
        settle(books)
    assert [bill_of(station, one)[2] for one in found[:2]] == [True, True]
    assert_figure(station, found[2], 16_300)


def test_two_chargers_read_one_meter(books: Books, station: Station) -> None:
    """Issue 40, Money: a bus address was entered twice, and both bill both cars."""
    other, wh = Station(books, "CP-2"), BEGIN
    for one in (station, other):
        one.boot(meter_serial_number="4711")
    first, second = station.start(wh), other.start(wh)
    for _ in range(12):
        books.wait(5)
        wh += 900
        station.tell(station.register(wh), transaction=first)
        other.tell(other.register(wh), transaction=second)
    station.stop(first, wh)
    other.stop(second, wh)
    settle(books)
    for one, transaction in ((station, first), (other, second)):
        assert_doubtful(one, transaction, 0, 10_800)


def test_a_car_gives_energy_back(station: Station) -> None:
    """Issue 40, Money: V2G, import and export rise together, each in a register of its own."""
    transaction, wh = station.start(BEGIN), BEGIN
    for step in range(1, 5):
        station.books.wait(15)
        wh += 1800
        export = {"value": str(5000 + 300 * step), "measurand": "Energy.Active.Export.Register"}
        station.tell(meter_value(station.clock(), wh, export), transaction=transaction)
    station.stop(transaction, wh)
    settle(station.books)
    assert_figure(station, transaction, 7200, flagged=False)


def test_a_meter_in_a_cloud(books: Books, station: Station) -> None:
    """Issue 40, Money: registers are 15 minutes old, so the first session is short and the rest
    goes to the next."""
    first = station.start(BEGIN)
    told = [0, 0, 0, *range(600, 5401, 600)]
    for wh in told:
        books.wait(5)
        station.tell(meter_value(station.clock(), BEGIN + wh, watts(7200)), transaction=first)
    station.stop(first, BEGIN + told[-1])
    books.wait(30)
    second = station.start(BEGIN + 7200)
    station.stop(second, charge(station, second, BEGIN + 7200))
    settle(books)
    assert bill_of(station, first)[2]


def test_a_faster_car_while_the_network_is_down(books: Books, station: Station) -> None:
    """Issue 40, Money: 22 kW where every car before drew 3.7 kW, and only start and stop arrive."""
    wh = BEGIN
    for _ in range(6):
        before = station.start(wh)
        wh = charge(station, before, wh, power=3720)
        station.stop(before, wh)
        books.wait(HOUR)
    transaction = station.start(wh)
    books.wait(HOUR)
    station.stop(transaction, wh + 22_000)
    settle(books)
    assert_figure(station, transaction, 22_000)


def test_a_register_that_stands_still_and_catches_up(books: Books, station: Station) -> None:
    """Issue 40, Money: it stands still for 30 minutes and catches up at 22 kW, without power."""
    transaction = station.start(BEGIN)
    for minute in range(5, 95, 5):
        books.wait(5)
        true = BEGIN + minute * 22_000 // 60
        station.tell(
            station.register(true if not 30 < minute <= 60 else BEGIN + 11_000),
            transaction=transaction,
        )
    station.stop(transaction, BEGIN + 33_000)
    assert_figure(station, transaction, 33_000, flagged=False)


def test_a_start_in_kwh_beside_a_stop_in_wh(books: Books, station: Station) -> None:
    """Issue 40, Money: it takes 817 Wh from the session before, which is honest."""
    first = station.start(4_952_000)
    station.stop(first, wh := charge(station, first, 4_952_000))
    books.wait(10)
    second = station.start(wh // 1000)
    station.stop(second, charge(station, second, wh))
    settle(books)
    assert_figure(station, first, 7200, flagged=False)
    assert bill_of(station, second)[2]


# Rules that no session above needs


@pytest.mark.parametrize("percent", [35, 60])
def test_kwh_called_wh_with_a_state_of_charge(station: Station, percent: int) -> None:
    """HA#374, OpenEVSE#703: the register is kWh and called Wh; beside it, only the battery tells
    more."""
    transaction, wh = station.start(361), 361
    for step in range(1, 7):
        station.books.wait(5)
        wh += 5
        sample = meter_value(station.clock(), wh, charge_state(20 + percent * step / 6))
        station.tell(sample, transaction=transaction)
    station.stop(transaction, wh)
    assert_doubtful(station, transaction, 30, 30_000)


def test_a_start_and_a_stop_with_decimals(books: Books, station: Station) -> None:
    """libocpp#646, HA#374: a register that is kWh inside is sent with its decimals where whole Wh
    belong."""
    transaction = start_with(station, 2259.99)
    books.wait(2 * HOUR)
    stop_with(station, transaction, 2274.39)
    assert_figure(station, transaction, 14_400, flagged=True)


def test_a_stop_in_local_time_and_a_start_in_utc(station: Station) -> None:
    """evcc#10399, MicroOcpp#311: one of two messages has the hour of another zone."""
    transaction = station.start(BEGIN)
    station.stop(
        transaction, tell_each(station, transaction, BEGIN, steps=1), at=station.clock(HOUR)
    )
    assert bill_of(station, transaction) == ("Completed", 1800, True)


def test_a_begin_that_is_not_its_start(books: Books, station: Station) -> None:
    """MicroOcpp#73, HA#1838: meterStart is 0, though the charger has counted before;
    Transaction.Begin tells it."""
    transaction, began = station.start(0), station.clock()
    books.wait(HOUR)
    data = [
        meter_value(began, {"value": "5440", "context": "Transaction.Begin"}),
        meter_value(station.clock(), {"value": "11630", "context": "Transaction.End"}),
    ]
    station.stop(transaction, 11_630, data=data)
    assert_doubtful(station, transaction, 6190, 6190)


def test_a_session_that_is_counted_from_0_between_two_that_are_not(
    books: Books, station: Station
) -> None:
    """Java-OCA-OCPP#331: the meter counts from 0 after a reboot, until its own count is read
    again."""
    wh = session(station, BEGIN)
    station.boot()
    transaction = station.start(0)
    books.wait(HOUR)
    station.stop(transaction, 6500)
    books.wait(HOUR)
    session(station, wh + 7200)
    settle(books)
    assert_doubtful(station, transaction, 6500, 7200)


def test_the_last_reading_before_a_reboot_is_nonsense(books: Books, station: Station) -> None:
    """HA#1756, Wallbox Pulsar Plus: a reading leaps, and nobody stops; the next session is all
    below it."""
    first = station.start(BEGIN)
    wh = tell_each(station, first, BEGIN, charge_state(45), steps=2)
    books.wait(15)
    station.tell(meter_value(station.clock(), BEGIN + 43_000, charge_state(70)), transaction=first)
    close_silent(station)
    books.wait(HOUR)
    second = station.start(wh + 900)
    station.stop(second, tell_each(station, second, wh + 900))
    settle(books)
    books.wait(5)
    settle(books)
    assert_doubtful(station, first, 3600, 4500)
    assert_figure(station, second, 7200)


def test_each_stop_has_the_id_of_the_other_connector(books: Books, station: Station) -> None:
    """ConnectorIO#161, Phoenix CHARX: the ids of two connectors are mixed up."""
    begins, drawn = (412_300, 413_100), (9000, 6000)
    told = [station.start(begin, connector) for connector, begin in enumerate(begins, 1)]
    books.wait(2 * HOUR)
    station.stop(told[1], begins[0] + drawn[0])
    books.wait(10)
    station.stop(told[0], begins[1] + drawn[1])
    books.wait(HOUR)
    for connector in (1, 2):
        begin = begins[connector - 1] + drawn[connector - 1]
        later = station.start(begin, connector)
        books.wait(HOUR)
        station.stop(later, begin + 7200)
    for _ in range(3):
        settle(books)
    assert [bill_of(station, one) for one in told] == [("Completed", wh, True) for wh in drawn]


def test_energy_that_is_always_told_late(books: Books, station: Station) -> None:
    """evcc#32744, Easee: what flowed is told long after, with its right time; start and stop are as
    old."""
    age, wh = 12, 0
    transaction = station.start(BEGIN)
    for minute in range(6, 90, 6):
        books.wait(6)
        wh = 60 * max(0, minute - age)
        station.tell(meter_value(station.clock(age), BEGIN + wh), transaction=transaction)
    books.wait(6)
    station.stop(transaction, BEGIN + 60 * (90 - age))
    books.wait(40)
    station.stop(station.start(BEGIN + 5400), BEGIN + 5400)
    settle(books)
    assert_doubtful(station, transaction, 4680, 5400)


def test_a_start_and_a_stop_in_steps_of_a_hundred(station: Station) -> None:
    """ocpp-rpc#42: start and stop move in steps of 100 Wh, the readings do not."""
    transaction = station.start(48_200)
    charge(station, transaction, 48_260)
    station.stop(transaction, 55_400)
    assert_figure(station, transaction, 7200, flagged=True)


def test_a_register_beyond_all_that_flows_in_a_minute(books: Books, station: Station) -> None:
    """steve#136, MicroOcpp#311: the clock is years behind at the start, and the stop's register is
    nonsense."""
    transaction = station.start(0, at="2021-03-01T00:00:00Z")
    books.wait(1)
    station.stop(transaction, 640_000_000)
    assert bill_of(station, transaction) == ("Completed", 0, True)


def test_a_stop_that_is_read_while_the_car_still_charges(books: Books, station: Station) -> None:
    """HA#1069, Wallbox Copper: the next start is above it by what power told since the last
    reading."""
    transaction = station.start(BEGIN)
    wh = charge(station, transaction, BEGIN, every=10)
    books.wait(10)
    station.tell(meter_value(station.clock(), wh, watts(7200)), transaction=transaction)
    station.stop(transaction, wh)
    books.wait(HOUR)
    station.stop(station.start(wh + 1200), wh + 1200)
    settle(books)
    assert_figure(station, transaction, wh + 1200 - BEGIN, flagged=True)


def test_one_phase_of_three_is_counted(books: Books, station: Station) -> None:
    """evcc#6817, HA#169, ABB: the register counts one phase; power is that of all, of a sunny day
    each quarter."""
    transaction, wh = station.start(BEGIN), 0
    for power in [4200, 11_000, 6900, 2300, 9000, 11_000, 5100, 3700] * 4:
        books.wait(15)
        wh += power // 12
        station.tell(
            meter_value(station.clock(), BEGIN + wh, watts(power)), transaction=transaction
        )
    station.stop(transaction, BEGIN + wh)
    assert bill_of(station, transaction)[2]


def test_sessions_without_energy_are_rounded_down_and_up(books: Books, station: Station) -> None:
    """libocpp#638: a register of 133.7 Wh is 133 in the start and 134 in the stop, each time."""
    told = []
    for _ in range(4):
        told.append(station.start(133))
        books.wait(20)
        station.stop(told[-1], 134)
        books.wait(HOUR)
    settle(books)
    for transaction in told:
        assert_figure(station, transaction, 1, flagged=False)
