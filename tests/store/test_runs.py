"""Readings of chargers under load management: those that say the same are one row after the first
(`meter_val`)."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from levity_trio.charging.sent.evidence import RECEIVED_AT, TIMESTAMP, VALUE, WH
from levity_trio.store.cases.transaction import find_transaction, readings_of
from levity_trio.store.engine.database import Rows
from levity_trio.store.keeping.copies import is_contained
from tests.store.books import NOON, Books, Station, meter_value

SECONDS = 20
REGISTER = "Energy.Active.Import.Register"


def manage(books: Books, state: str = "managed", name: str = "CP-1") -> None:
    add = "INSERT INTO load_charger (cp_id, state, since, by) VALUES (?, ?, ?, 'anna')"
    books.connection.execute(add, (name, state, books.at))


def amperes(*phases: float | str) -> list[dict[str, str]]:
    of_phase = {"measurand": "Current.Import", "unit": "A"}
    return [
        of_phase | {"value": str(value), "phase": f"L{number}"}
        for number, value in enumerate(phases, 1)
    ]


def watts(value: float | str) -> dict[str, str]:
    return {"measurand": "Power.Active.Import", "unit": "W", "value": str(value)}


def volts(value: float | str) -> dict[str, str]:
    return {"measurand": "Voltage", "unit": "V", "value": str(value), "phase": "L1-N"}


def told(station: Station, seconds: float, *samples: Any) -> dict[str, Any]:
    """The meterValue of so many seconds after noon, which is now."""
    station.books.wait(seconds / 60 - (station.books.now - NOON).total_seconds() / 60)
    return meter_value(station.clock(), *samples)


def rows(books: Books, measurand: str = "Current.Import") -> list[tuple[Any, ...]]:
    """The rows of a measurand: seconds after noon, the value, and of a run since when, its extremes
    and count."""
    found = books.rows(
        "SELECT timestamp, value, run_since, run_low, run_high, run_count "
        "FROM meter_val "
        "WHERE measurand = ? AND phase NOT IN ('L2', 'L3') "
        "ORDER BY timestamp, id",
        measurand,
    )
    return [
        (_after_noon(at), value, since and _after_noon(since), *run)
        for at, value, since, *run in found
    ]


def _after_noon(at: str) -> int:
    return int((datetime.fromisoformat(at) - NOON).total_seconds() + 0.5)


def one(at: int, value: str) -> tuple[Any, ...]:
    """A row of one reading."""
    return at, value, None, None, None, None


@pytest.fixture
def transaction(books: Books, station: Station) -> int:
    manage(books)
    return station.start(1000)


def tell_each(
    station: Station, transaction: int, values: Sequence[Sequence[Any]], since: int = SECONDS
) -> None:
    """A message each 20 s."""
    for number, samples in enumerate(values):
        station.tell(told(station, since + SECONDS * number, *samples), transaction=transaction)


def test_equal_readings_are_a_row_for_the_first_and_one_for_all_others(
    station: Station, transaction: int
) -> None:
    currents = ("16.0", "16.4", "15.8", "16.1")
    tell_each(
        station,
        transaction,
        [(1100 + 10 * n, *amperes(*[one] * 3)) for n, one in enumerate(currents)],
    )
    assert rows(station.books) == [one(20, "16.0"), (80, "16.1", 20, "15.8", "16.4", 3)]
    assert station.books.count("meter_val") == 2 * 4


@pytest.mark.parametrize(
    ("samples", "same", "other"),
    [
        (lambda value: amperes(value, 16), ("16.0", "17.0", "16.5"), "17.1"),
        (lambda value: [volts(value)], ("230.0", "232.0", "230.5"), "232.1"),
        (lambda value: [watts(value)], ("10000", "10300", "10100"), "9900"),
        (lambda value: [watts(value)], ("0", "36", "5"), "101"),
        (amperes, ("0.3", "1.0", "0.0"), "1.1"),
    ],
)
def test_values_are_equal_within_a_tolerance(
    station: Station, transaction: int, samples: Any, same: Sequence[str], other: str
) -> None:
    values = [samples(value) for value in (*same, other, other)]
    tell_each(station, transaction, [(1100, *one) for one in values])
    found = rows(station.books, values[0][0]["measurand"])
    low, high = min(same, key=float), max(same, key=float)
    assert found == [
        one(20, same[0]),
        (60, same[2], 20, low, high, 2),
        one(80, other),
        (100, other, 80, other, other, 1),
    ]


def test_a_change_of_one_phase_ends_the_runs_of_all(station: Station, transaction: int) -> None:
    tell_each(station, transaction, [(1100, *amperes(16, 16, last)) for last in (16, 16, 0, 0)])
    assert rows(station.books) == [one(20, "16"), (40, "16", 20, "16", "16", 1)] + [
        one(60, "16"),
        (80, "16", 60, "16", "16", 1),
    ]


def test_the_register_is_stored_each_minute_and_before_each_change(
    station: Station, transaction: int
) -> None:
    currents = [16] * 8 + [10] * 2
    tell_each(
        station, transaction, [(1000 + 10 * n, *amperes(now)) for n, now in enumerate(currents)]
    )
    before_change = [(80, "1030", 20), (140, "1060", 80), (160, "1070", 140)]
    assert [row[:3] for row in rows(station.books, REGISTER)] == [
        one(20, "1000")[:3],
        *before_change,
        (180, "1080", None),
        (200, "1090", 180),
    ]
    last = station.books.row(
        "SELECT last_register_wh, previous_register_wh, last_reading_at FROM tx"
    )
    assert (*last[:2], _after_noon(last[2])) == (1090, 1080, 200)


def test_a_quarter_of_an_hour_has_a_register_on_both_sides(
    station: Station, transaction: int
) -> None:
    tell_each(
        station, transaction, [(1000 + n, *amperes(16)) for n in range(4)], since=15 * 60 - 30
    )
    found = [row[0] - 15 * 60 for row in rows(station.books, REGISTER)]
    assert found == [-30, -10, 10, 30]


def test_without_a_register_a_run_lasts_a_minute(station: Station, transaction: int) -> None:
    tell_each(station, transaction, [amperes(16)] * 9)
    assert [row[0] for row in rows(station.books)] == [20, 80, 140, 180]


def test_no_run_is_longer_than_an_hour(station: Station, transaction: int) -> None:
    tell_each(station, transaction, [(1000 + n, *amperes(16)) for n in range(3 * 60 + 5)])
    assert [row[0] for row in rows(station.books)] == [20, 3620, 4100 - 20 * 20]


def test_a_falling_register_or_one_that_jumps_is_stored(station: Station, transaction: int) -> None:
    registers = (1000, 1010, 1005, 1250, 1251)
    tell_each(station, transaction, [(wh, *amperes(16)) for wh in registers])
    assert [row[1] for row in rows(station.books, REGISTER)] == [
        "1000",
        "1010",
        "1005",
        "1250",
        "1251",
    ]


@pytest.mark.parametrize("value", ["16,0", "-1", "1e1", "x", "16." + "0" * 30])
def test_what_is_no_plain_number_is_no_run(station: Station, transaction: int, value: str) -> None:
    tell_each(station, transaction, [(1000, *amperes(value))] * 3)
    assert [row[2] for row in rows(station.books)] == [None] * 3


def test_other_measurands_are_no_runs(station: Station, transaction: int) -> None:
    offered = {"measurand": "Current.Offered", "unit": "A", "value": "16"}
    tell_each(station, transaction, [(1000, *amperes(16), offered)] * 3)
    assert [row[2] for row in rows(station.books, "Current.Offered")] == [None] * 3
    assert len(rows(station.books)) == 2


@pytest.mark.parametrize("state", ["leaving", None])
def test_others_have_a_row_for_each_reading(
    books: Books, station: Station, state: str | None
) -> None:
    transaction = station.start(1000)
    if state:
        manage(books, state)
    tell_each(station, transaction, [(1100, *amperes(16))] * 5)
    assert rows(books) == [one(20 * n, "16") for n in range(1, 6)]
    assert books.count("meter_val") == 2 * 5


def begin_again(station: Station, _: int) -> int:
    return station.start(1000)


def lose(station: Station, transaction: int) -> int:
    station.lose()
    station.connect()
    return transaction


def boot(station: Station, transaction: int) -> int:
    station.boot()
    return transaction


def wait(_: Station, transaction: int) -> int:
    return transaction


@pytest.mark.parametrize(
    ("ending", "seconds"), [(begin_again, 20), (lose, 20), (boot, 20), (wait, 91)]
)
def test_what_ends_a_run(station: Station, transaction: int, ending: Any, seconds: int) -> None:
    tell_each(station, transaction, [(1100, *amperes(16))] * 3)
    station.books.wait(1 / 60)
    transaction = ending(station, transaction)
    tell_each(station, transaction, [(1100, *amperes(16))] * 3, since=60 + seconds)
    later = 60 + seconds
    assert rows(station.books) == [
        *[one(20, "16"), (60, "16", 20, "16", "16", 2)],
        *[one(later, "16"), (later + 40, "16", later, "16", "16", 2)],
    ]
    assert [row[0] for row in rows(station.books, REGISTER)] == [20, 60, later, later + 40]


@pytest.mark.parametrize("field", ["unit", "location", "context", "format", "phase"])
def test_another_kind_of_value_ends_a_run(station: Station, transaction: int, field: str) -> None:
    other = {
        "unit": "",
        "location": "Cable",
        "context": "Trigger",
        "format": "SignedData",
        "phase": "L2",
    }[field]
    values = [amperes(16), amperes(16), [amperes(16)[0] | {field: other}], amperes(16), amperes(16)]
    tell_each(station, transaction, [(1000, *samples) for samples in values])
    assert (
        station.books.value("SELECT count(*) FROM meter_val WHERE measurand = 'Current.Import'")
        == 5
    )


def test_a_repeated_message_adds_nothing(station: Station, transaction: int) -> None:
    """Neither the first, nor the last, nor one between, whose rows were advanced since."""
    sent = [told(station, 20 + 20 * n, 1000 + 10 * n, *amperes(f"16.{n}")) for n in range(4)]
    station.books.now = NOON
    for n, value in enumerate(sent):
        told(station, 20 + 20 * n)
        station.tell(value, transaction=transaction)
    stored = station.books.rows("SELECT * FROM meter_val")
    told(station, 90)
    for value in sent:
        station.tell(value, transaction=transaction)
    assert station.books.rows("SELECT * FROM meter_val") == stored
    station.tell(told(station, 100, 1050, *amperes(16)), transaction=transaction)
    assert rows(station.books)[1:] == [(100, "16", 20, "16.0", "16.3", 4)]


def test_an_older_reading_of_another_value_is_stored_beside_the_run(
    station: Station, transaction: int
) -> None:
    tell_each(station, transaction, [(1000 + 10 * n, *amperes(16)) for n in range(4)])
    run = rows(station.books)[1]
    station.tell(meter_value(station.clock(0.5), 1025, *amperes(20)), transaction=transaction)
    tell_each(station, transaction, [(1050, *amperes(16))], since=100)
    assert rows(station.books) == [one(20, "16"), one(50, "20"), (100, *run[1:5], 4)]


def test_readings_of_a_clock_that_is_ahead_are_runs(books: Books) -> None:
    station = Station(books, behind=-0.5)
    manage(books)
    transaction = station.start(1000)
    tell_each(station, transaction, [(1000 + 10 * n, *amperes(16)) for n in range(4)])
    assert rows(books) == [one(50, "16"), (110, "16", 50, "16", "16", 3)]


def test_readings_of_a_stop_are_no_runs(station: Station, transaction: int) -> None:
    data = [told(station, 20 + 20 * n, 1000 + 10 * n, *amperes(16)) for n in range(4)]
    station.stop(transaction, 1040, data=data)
    assert rows(station.books) == [one(20 + 20 * n, "16") for n in range(4)]


@pytest.mark.parametrize(
    "change",
    [
        "timestamp = '2026-03-01T12:00:50.000Z'",  # back
        "run_count = run_count + 2, timestamp = '2027'",
        "run_count = run_count + 1, timestamp = '2027', value = '20'",  # beyond its extremes
        "run_count = run_count + 1, timestamp = '2027', run_low = '16.2', value = '16.2'",
        "run_count = run_count + 1, timestamp = '2027', run_high = NULL",
        "run_count = run_count + 1, timestamp = '2027', received_at = '2025'",
        "run_count = run_count + 1, timestamp = '2027', run_since = '2025'",
        "run_count = run_count + 1, timestamp = '2027', session_id = session_id + 1",
    ],
)
def test_a_run_is_changed_in_nothing_but_its_next_reading(
    station: Station, transaction: int, change: str
) -> None:
    tell_each(station, transaction, [amperes("16.0"), amperes("16.2"), amperes("16.1")])
    advance = "UPDATE meter_val SET {} WHERE run_since IS NOT NULL"
    with pytest.raises(sqlite3.IntegrityError, match="a fact is never rewritten"):
        station.books.connection.execute(advance.format(change))


def test_a_run_that_ended_never_changes(station: Station, transaction: int) -> None:
    tell_each(station, transaction, [amperes(16), amperes(16), amperes(10)])
    grown = (
        "UPDATE meter_val "
        "SET timestamp = '2027', run_count = run_count + 1 "
        "WHERE run_since IS NOT NULL"
    )
    with pytest.raises(sqlite3.IntegrityError, match="a fact is never rewritten"):
        station.books.connection.execute(grown)
    with pytest.raises(sqlite3.IntegrityError, match="a fact is never rewritten"):
        station.books.connection.execute(grown.replace("NOT NULL", "NULL"))


def test_the_judge_sees_the_readings_of_runs_in_order_of_receipt(
    station: Station, transaction: int
) -> None:
    """As many as there were. Between the first and the last of a run, they have its extremes in
    turn."""
    tell_each(station, transaction, [(1000 + n, *amperes(f"16.{n % 3}")) for n in range(10)])
    tx = find_transaction(asked(station.books), transaction)
    assert tx is not None
    found = readings_of(asked(station.books), tx)
    assert [row[RECEIVED_AT] for row in found] == sorted(row[RECEIVED_AT] for row in found)
    currents = sorted((_after_noon(row[TIMESTAMP]), row[VALUE]) for row in found if row[WH] is None)
    assert [at for at, _ in currents] == [20 + 20 * n for n in range(10)]
    assert {value for _, value in currents[1:-1]} == {"16.0", "16.2"}
    assert [currents[0][1], currents[-1][1]] == ["16.0", "16.0"]


@pytest.mark.sqlite
def test_a_copy_holds_what_its_runs_hold(books: Books, station: Station, transaction: int) -> None:
    """A run that was advanced is the same row with other readings. The newest row may be of another
    charger."""
    messages = [(1000, *amperes(16))] * 2
    tell_each(station, transaction, messages)
    other = Station(books, "CP-2")
    other.tell(told(other, 45, 7), transaction=other.start(7))
    earlier = copied(books)
    tell_each(station, transaction, messages[:1], since=60)
    later = copied(books)
    assert [is_contained(*pair) for pair in ((earlier, later), (later, earlier))] == [True, False]
    station.stop(transaction, 1010)
    assert is_contained(later, books.connection)


def asked(books: Books) -> Rows:
    return lambda sql, parameters: books.connection.execute(sql, parameters).fetchall()


def copied(books: Books) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.deserialize(books.connection.serialize())
    return connection
