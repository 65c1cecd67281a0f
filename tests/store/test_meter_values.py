"""MeterValue elements as readings: the billed register, its unit and its phases (§7.33,
§7.43)."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.charging.sent.readings import read, whole_wh
from tests.store.books import NOON, meter_value

SENT = "2026-03-01T11:00:00Z"


def billed(*samples: dict[str, str]) -> list[int]:
    return [
        reading.wh
        for reading in read([meter_value(SENT, *samples)], NOON)
        if reading.wh is not None
    ]


def test_defaults_are_filled_in() -> None:
    (reading,) = read([meter_value(SENT, {"value": "5"})], NOON)
    assert reading == (
        *("2026-03-01T11:00:00.000Z", SENT, "Energy.Active.Import.Register", "5", "Wh"),
        *("Sample.Periodic", "Outlet", "", "Raw", 5),
    )


@pytest.mark.parametrize(
    ("value", "unit", "wh"),
    [
        ("1234", "Wh", 1234),
        ("1.234", "kWh", 1234),
        ("0.29", "kWh", 290),
        ("4.35", "kWh", 4350),
        ("1.0005", "kWh", 1001),
        ("0.5", "Wh", 1),
        ("0.4999999999999999999999999", "Wh", 0),
        (" 12 ", "Wh", 12),
        ("1e3", "Wh", 1000),
        ("0", "Wh", 0),
        ("-0.0", "kWh", 0),
    ],
)
def test_whole_wh(value: str, unit: str, wh: int) -> None:
    assert whole_wh(value, unit) == wh


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        *(
            ("", "Wh"),
            ("NaN", "Wh"),
            ("Infinity", "Wh"),
            ("-5", "Wh"),
            ("1e300", "Wh"),
            ("1e999999", "kWh"),
        ),
        *(("12 kWh", "kWh"), ("0x10", "Wh"), ("5", "MWh"), ("5", "W"), ("5", "")),
    ],
)
def test_what_is_no_register_has_no_wh(value: str, unit: str) -> None:
    assert whole_wh(value, unit) is None


@given(st.integers(0, 10**12))
def test_no_wh_is_lost_on_the_way_through_kwh(wh: int) -> None:
    kwh = f"{wh // 1000}.{wh % 1000:03}"
    assert whole_wh(kwh, "kWh") == wh == whole_wh(str(wh), "Wh")


@given(st.decimals(0, 10**9, places=6))
def test_halves_are_rounded_up(wh: Decimal) -> None:
    rounded = whole_wh(str(wh), "Wh")
    assert rounded is not None
    assert Decimal("-0.5") < wh - rounded < Decimal("0.5") or wh - rounded == Decimal("-0.5")


@pytest.mark.parametrize(
    "other",
    [
        {"measurand": "Energy.Active.Export.Register"},
        {"measurand": "Energy.Active.Import.Interval"},
        {"measurand": "Energy.Reactive.Import.Register"},
        {"measurand": "Voltage", "unit": "V"},
        {"location": "Inlet"},
        {"location": "EV"},
        {"format": "SignedData"},
        {"unit": "kvarh"},
    ],
)
def test_only_the_register_at_the_outlet_is_billed(other: dict[str, str]) -> None:
    assert billed({"value": "9"} | other, {"value": "1000"}) in ([1000], [])
    assert billed({"value": "1000"}, {"value": "9"} | other) == [1000]
    assert billed({"value": "9"} | other) == []


def phases(**values: str) -> list[dict[str, str]]:
    return [{"value": value, "phase": phase} for phase, value in values.items()]


def test_three_phases_are_summed_on_the_row_of_l1() -> None:
    readings = read([meter_value(SENT, *phases(L3="0.3", L1="0.1", L2="0.2"))], NOON)
    assert [(reading.phase, reading.wh) for reading in readings] == [
        ("L3", None),
        ("L1", 1),
        ("L2", None),
    ]
    assert billed(*phases(L1="0.5", L2="0.5", L3="0.5")) == [2]  # rounded once, half up
    assert billed(*phases(L1="100", L2="200", L3="300")) == [600]


def test_a_value_without_phase_comes_before_phases() -> None:
    assert billed(*phases(L1="1", L2="2", L3="3"), {"value": "7"}) == [7]


@pytest.mark.parametrize(
    "known", [{"L1": "1"}, {"L1": "1", "L2": "2"}, {"L1": "1", "L2": "x", "L3": "3"}, {"N": "4"}]
)
def test_a_part_of_the_phases_is_no_register(known: dict[str, str]) -> None:
    assert billed(*phases(**known)) == []


def test_the_reading_of_the_beginning_is_not_the_present_one() -> None:
    begin = {"value": "1000", "context": "Transaction.Begin"}
    assert billed({"value": "1500"}, begin) == [1500]
    assert billed(begin, {"value": "1500"}) == [1500]
    assert billed(begin) == [1000]
    assert billed(*[begin | {"phase": phase} for phase in ("L1", "L2", "L3")]) == [3000]


def test_readings_come_in_order_of_time() -> None:
    told = [meter_value(f"2026-03-01T11:0{minute}:00Z", minute) for minute in (3, 1, 2)]
    assert [reading.wh for reading in read(told, NOON)] == [1, 2, 3]


@pytest.mark.parametrize("told", [[], [{}], [{"timestamp": SENT, "sampledValue": []}]])
def test_nothing_told(told: list[dict[str, Any]]) -> None:
    assert read(told, NOON) == []


def test_what_is_summed_fits_the_database() -> None:
    largest = 2**63
    for unit in ("Wh", "kWh"):
        sums = billed(
            *[
                sample | {"unit": unit}
                for sample in phases(L1="9007199254740991", L2="9e15", L3="9e15")
            ]
        )
        assert all(wh < largest for wh in sums)


def test_phases_of_one_timestamp_in_several_elements_are_summed() -> None:
    told = [meter_value(SENT, sample) for sample in phases(L1="100", L2="200", L3="300")]
    assert [reading.wh for reading in read(told, NOON) if reading.wh is not None] == [600]
