"""What a backend is told where frames are missing, sessions were ended here, or it begins at a
date: facts instead of frames, each once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.backend_central import Central, central
from tests.integration.backend_given import give_backend, wait_until_told
from tests.integration.charger import Charger, meter_values, now
from tests.integration.serving import Serving, query, serving
from tests.integration.test_backends_odd import ONE_SESSION, charge, copying, refused, sessions
from tests.ports import free_port


def forget(database: Path, sql: str) -> int:
    """Delete frames, as retention does, or a disk that was full; gives how many."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        return connection.execute(f"DELETE FROM log WHERE direction = 'recv' AND {sql}").rowcount


@contextmanager
def away(folder: Path) -> Iterator[tuple[Serving, Charger]]:
    """A server whose backend cannot be reached, and its charger."""
    with serving(folder / "levity.db") as server, Charger(server.port, "CP-1") as charger:
        yield server, charger


def comes_back(folder: Path) -> Iterator[tuple[Central, Serving]]:
    """The backend of the same database, now there."""
    database = folder / "levity.db"
    with central() as other:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute("UPDATE backend SET url = ?", (f"ws://127.0.0.1:{other.port}/",))
        with copying(folder, other) as server:
            wait_until_told(database)
            yield other, server


back = contextmanager(comes_back)


def given(folder: Path) -> Path:
    database = folder / "levity.db"
    give_backend(database, free_port(), ["CP-1"])
    return database


@pytest.mark.parametrize(
    ("lost", "made"),
    [
        ("1", 2),
        ("action = 'MeterValues'", 2),
        ("id <= (SELECT min(id) FROM log WHERE action = 'MeterValues')", 1),
        ("id = (SELECT max(id) FROM log WHERE action = 'MeterValues' AND direction = 'recv')", 1),
        ("action <> 'MeterValues'", 0),
    ],
)
def test_sessions_are_whole_without_their_frames(lost: str, made: int, tmp_path: Path) -> None:
    database = given(tmp_path)
    with away(tmp_path) as (_, charger):
        charger.boot()
        charge(charger)
    assert forget(database, lost)
    with back(tmp_path) as (other, server):
        start, *readings, stop = other.of("StartTransaction", "MeterValues", "StopTransaction")
        assert sessions(other) == ONE_SESSION
        assert (start["meterStart"], start["idTag"], stop["meterStop"]) == (1000, "CARD", 1900)
        values = [one["meterValue"][0]["sampledValue"][0]["value"] for one in readings]
        assert sorted(values) == ["1400", "1800"]
        assert query(database, "SELECT made FROM backend_cp") == [(made,)]
        assert refused(server) == []


def test_a_reading_that_came_twice_hides_no_lost_one(tmp_path: Path) -> None:
    database = given(tmp_path)
    with away(tmp_path) as (_, charger):
        charger.boot()
        number = charger.start("CARD", 1000, now())
        twice = meter_values(number, "1400", now())
        charger.call("MeterValues", **twice)
        charger.call("MeterValues", **twice)
        later = (datetime.now(UTC) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        charger.call("MeterValues", **meter_values(number, "1800", later))
        charger.call("StopTransaction", transactionId=number, meterStop=1900, timestamp=later)
    assert forget(database, "action = 'MeterValues' AND frame LIKE '%1800%'")
    with back(tmp_path) as (other, _):
        readings = other.of("MeterValues")
        assert any("1800" in str(reading) for reading in readings), readings


def test_it_begins_at_a_date(tmp_path: Path) -> None:
    with away(tmp_path) as (_, charger):
        charger.boot()
        charge(charger)
        before = charger.start("CARD", 2000, now())
    database = tmp_path / "levity.db"
    begins = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    give_backend(database, free_port(), ["CP-1"], begins_at=begins)
    with back(tmp_path) as (other, server), Charger(server.port, "CP-1") as charger:
        charger.call("StopTransaction", transactionId=before, meterStop=2900, timestamp=now())
        charge(charger, 3000)
        other.wait(lambda: other.of("StopTransaction"))
        assert sessions(other) == ONE_SESSION
        assert other.of("StartTransaction")[0]["meterStart"] == 3000


def test_an_open_session_goes_on_there(tmp_path: Path) -> None:
    given(tmp_path)
    with away(tmp_path) as (_, charger):
        charger.boot()
        number = charger.start("CARD", 1000, now())
        charger.call("MeterValues", **meter_values(number, "1400"))
    with back(tmp_path) as (other, server), Charger(server.port, "CP-1") as charger:
        assert sessions(other) == ["start", "read"]
        charger.call("MeterValues", **meter_values(number, "1800"))
        charger.call("StopTransaction", transactionId=number, meterStop=1900, timestamp=now())
        wait_until_told(server.database)
        assert sessions(other) == ONE_SESSION


@pytest.mark.parametrize("reads_on", [False, True])
def test_a_session_that_the_server_ended_ends_there_at_its_last_register(
    reads_on: bool, tmp_path: Path
) -> None:
    """And what its charger tells later is kept, and told nobody."""
    with central() as other, copying(tmp_path, other) as server:
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            first = charger.start("CARD", 1000, now())
            charger.call("MeterValues", **meter_values(first, "1400"))
            charger.start("CARD", 1500, now())
            other.wait(lambda: other.of("StopTransaction"))
            assert server.query("SELECT stopped_by FROM tx WHERE id = ?", first) == [("system",)]
            (stop,) = other.of("StopTransaction")
            assert (stop["meterStop"], stop["reason"]) == (1400, "Other")
            if reads_on:
                charger.call("MeterValues", **meter_values(first, "1450"))
            charger.call("StopTransaction", transactionId=first, meterStop=1500, timestamp=now())
            charger.boot()
            other.wait(lambda: len(other.of("BootNotification")) == 2)
        wait_until_told(server.database)
        assert len(other.of("StopTransaction")) == 1
        assert [row[:2] for row in refused(server)][-1:] == [("late", "StopTransaction")]


def test_nothing_is_told_of_a_session_after_its_end(tmp_path: Path) -> None:
    with central() as other, copying(tmp_path, other) as server:
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            first = charger.start("CARD", 1000, now())
            charger.start("CARD", 1500, now())
            other.wait(lambda: other.of("StopTransaction"))
            charger.call("MeterValues", **meter_values(first, "1450"))
        wait_until_told(server.database)
        of_first = [told.action for told in other.told if told.payload.get("transactionId") == 1]
        assert of_first[-1] == "StopTransaction"
