"""`levity-trio import levity`: everything of an old database is imported or reported, and nothing
is doubled."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from levity_trio.cli import main
from levity_trio.store.engine.file_store import open_reader
from levity_trio.store.reads.site.totals import totals
from tests.integration.serving import PROGRAM, environment
from tests.sizes import size
from tests.store.files import contents
from tests.store.importing import history, import_levity, rows
from tests.store.levity_file import REGISTER, OldFile

Capsys = pytest.CaptureFixture[str]
READINGS = size(60_000, 12_000)


@pytest.fixture
def old(tmp_path: Path) -> OldFile:
    (tmp_path / "old").mkdir()
    return OldFile(tmp_path / "old" / "levity.db")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return tmp_path / "site.db"


def test_a_transaction_with_its_readings(capsys: Capsys, old: OldFile, new: Path) -> None:
    old.charger("CP-0")
    (connector,) = old.charger(
        name="Space 7", vendor="United Chargers", model="Grizzl-E", serial_number="S1"
    )
    transaction = old.transaction(connector)
    old.reading(transaction, 2000.5)
    told = import_levity(capsys, old.path, new)
    assert told.odd == []
    assert told.totals["connectors"] == 2
    assert [told.counts(kind) for kind in ("chargers", "transactions", "readings", "errors")] == [
        *((2, 2, 0, 0, 0), (1, 1, 0, 0, 0), (1, 1, 0, 0, 0), (0, 0, 0, 0, 0)),
    ]
    begun, stored = "2026-01-10T18:00:00.000Z", "2026-01-10T19:00:00.000Z"
    transactions, readings, errors, chargers, sessions, events = history(new)
    end = ("Completed", "import", begun, "2026-01-10T19:00:00.123Z")
    assert transactions == [
        ("CP-1", 1, 1, "TAG", *end, 1000, 5000, 4000, "imported", "certain", stored)
    ]
    at = ("2026-01-10T18:30:00.000Z", "2026-01-10T18:30:00+00:00")
    kind = ("Wh", "Sample.Periodic", "Outlet", "", "Raw", "import", None)
    assert readings == [("CP-1", 1, 1, 1, *at, REGISTER, "2000.5", *kind)]
    assert errors == []
    assert chargers[1] == ("CP-1", "Space 7", "United Chargers", "Grizzl-E", 0, None, "Unknown")
    assert sessions == [("CP-1", "levity")]
    ((_, *event),) = events
    assert event[:3] == ["import", "levity", None]
    assert '"energy_delivered":4000' in event[3]


def test_ids_are_those_that_chargers_would_get(capsys: Capsys, old: OldFile, new: Path) -> None:
    old.charger()
    old.transaction()
    import_levity(capsys, old.path, new)
    ((transaction,),) = rows(new, "SELECT id FROM tx")
    assert [(transaction,)] == rows(new, "SELECT seq FROM sqlite_sequence WHERE name = 'tx'")
    assert transaction > 1_000_000


def test_what_is_odd_is_told_and_doubtful(capsys: Capsys, old: OldFile, new: Path) -> None:
    old.charger()
    old.transaction(hour=6, energy_delivered=-500, meter_stop=500)
    old.transaction(hour=8, energy_delivered=3000)
    old.transaction(hour=10, meter_start=10_000, meter_stop=14_000)
    old.transaction(hour=12, meter_start=12_000, meter_stop=16_000)
    old.transaction(
        hour=14,
        stop_time=None,
        meter_stop=None,
        energy_delivered=0,
        status="Active",
        meter_start=20_000,
    )
    old.reading(5, 23_000.0, timestamp="2026-01-10T14:40:00Z")
    old.transaction(hour=16, energy_delivered=None, meter_start=None)
    old.transaction(hour=18, meter_start=30_000, meter_stop=34_000)
    old.reading(7, 36_000.0)
    old.transaction(
        hour=20, stop_time="2026-01-11T01:00:00Z", meter_start=40_000, meter_stop=44_000
    )
    old.transaction(hour=22, meter_start=44_000, meter_stop=48_000)
    told = import_levity(capsys, old.path, new)
    assert told.codes == [
        *(
            ("tx", 1, "negative_energy"),
            ("tx", 2, "registers"),
            ("tx", 3, "overlap"),
            ("tx", 4, "overlap"),
        ),
        *(("tx", 5, "readings"), ("tx", 5, "open"), ("tx", 6, "no_energy"), ("tx", 7, "readings")),
        ("tx", 8, "overlap_in_time"),
    ]
    found = rows(new, "SELECT energy_delivered, confidence, stop_time FROM tx ORDER BY imported_id")
    assert [wh for wh, *_ in found] == [0, 3000, 4000, 4000, 0, 0, 4000, 4000, 4000]
    assert [confidence for _, confidence, _ in found] == [*["doubtful"] * 7, "certain", "certain"]
    assert found[4][2] == "2026-01-10T14:40:00.000Z"
    ((reason,),) = rows(
        new, "SELECT reason FROM tx_event JOIN tx ON tx.id = tx_id WHERE imported_id = 1"
    )
    assert reason == "its energy is negative, -500 Wh; 0 Wh stand for it"
    assert rows(new, "SELECT count(*) FROM review") == [(0,)]  # nothing here waits for a person


def test_readings_that_count_from_0_in_each_session_contradict_nothing(
    capsys: Capsys, old: OldFile, new: Path
) -> None:
    old.charger()
    old.transaction(meter_start=100_000, meter_stop=104_000)
    old.reading(1, 0.0, 5)
    old.reading(1, 3.9, 55, unit="kWh")
    assert import_levity(capsys, old.path, new).odd == []


def test_odd_rows_are_kept_as_far_as_they_can_be(capsys: Capsys, old: OldFile, new: Path) -> None:
    old.charger(connectors=2)
    old.charger("CP-2", connectors=1)
    old.transaction(connector=99)
    old.transaction(cp_id="GONE", connector=1)
    old.transaction(hour=20, cp_id="CP-2", connector=3, start_time="yesterday", stop_time="never")
    old.reading(77)
    old.reading(3)
    old.reading(None, "12.5 kWh")
    old.reading(None, timestamp="soon")
    old.reading(3, cp_id="CP-2", cp_conn_id=3)
    old.reading(None, cp_conn_id=7)
    old.reading(None, cp_conn_id="left")
    old.add(
        "cp_err",
        cp_id="CP-1",
        cp_conn_id=1,
        error_code="GroundFailure",
        timestamp="2026-01-01T00:00:00Z",
    )
    told = import_levity(capsys, old.path, new)
    assert told.codes == [
        ("cp", "GONE", "unknown_charger"),
        *(("tx", 1, "unknown_connector"), ("tx", 2, "unknown_connector")),
        *(("tx", 3, "bad_time"), ("tx", 3, "bad_time")),
        *(("meter_val", 1, "orphan"), ("meter_val", 2, "orphan"), ("meter_val", 3, "text_value")),
        *(
            ("meter_val", 4, "bad_time"),
            ("meter_val", 5, "connector_by_row"),
            ("meter_val", 6, "unknown_connector"),
        ),
        *(("meter_val", 7, "unknown_connector"), ("meter_val", 7, "unusable")),
        ("cp_err", 1, "unresolved"),
    ]
    assert told.left_out == [("meter_val", 7)]
    assert told.counts("readings") == (7, 6, 0, 0, 1)
    assert rows(new, "SELECT conn_id, start_time FROM tx ORDER BY imported_id")[::2] == [
        (None, "2026-01-10T18:00:00.000Z"),
        (1, "2026-01-10T19:00:00.000Z"),
    ]
    found = rows(new, "SELECT tx_id IS NULL, value, conn_id FROM meter_val ORDER BY imported_id")
    assert found == [
        *[(1, "3000", 1)] * 2,
        (1, "12.5 kWh", 1),
        (1, "3000", 1),
        (0, "3000", 1),
        (1, "3000", 7),
    ]
    assert rows(new, "SELECT resolved_at IS NULL, is_warning FROM cp_err") == [(0, 0)]


def test_a_charger_that_cannot_exist_here_is_left_out_whole(
    capsys: Capsys, old: OldFile, new: Path
) -> None:
    old.charger("a/b")
    old.transaction(cp_id="a/b")
    old.reading(1, cp_id="a/b")
    old.add("cp_err", cp_id="a/b", error_code="OtherError")
    told = import_levity(capsys, old.path, new)
    assert told.left_out == [("cp", "a/b"), ("tx", 1), ("meter_val", 1), ("cp_err", 1)]
    assert rows(new, "SELECT count(*) FROM cp") == [(0,)]


def test_counters_of_this_server_do_not_count_it(capsys: Capsys, old: OldFile, new: Path) -> None:
    old.charger()
    old.transaction()
    old.add("cp_err", cp_id="CP-1", error_code="OtherError")
    import_levity(capsys, old.path, new)
    reader = open_reader(new)
    with closing(reader.conn):
        counted = totals(reader)
    assert (counted.transactions, counted.errors, counted.disconnects) == ({"CP-1": 0}, {}, {})


# Again


def test_it_is_safe_to_repeat(capsys: Capsys, old: OldFile, new: Path) -> None:
    old.charger()
    old.transaction()
    old.reading(1)
    old.add("cp_err", cp_id="CP-1", error_code="OtherError")
    first = import_levity(capsys, old.path, new)
    before = history(new)
    again = import_levity(capsys, old.path, new)
    assert history(new) == before
    assert (again.odd, again.counts("transactions")) == (first.odd, (1, 0, 0, 1, 0))
    assert [again.counts(kind)[3] for kind in ("chargers", "readings", "errors")] == [1, 1, 1]


def test_what_has_come_since_is_added(capsys: Capsys, old: OldFile, new: Path) -> None:
    old.charger()
    old.transaction(stop_time=None, status="Active", energy_delivered=0, meter_stop=None)
    old.reading(1)
    old.add("cp_err", cp_id="CP-1", error_code="OtherError", timestamp="2026-01-10T18:00:00Z")
    import_levity(capsys, old.path, new)
    old.change(
        "UPDATE tx "
        "SET stop_time = '2026-01-10T19:00:00Z', meter_stop = 5000, energy_delivered = 4000"
    )
    old.change("UPDATE cp_err SET resolved_at = '2026-01-10T20:00:00Z'")
    old.reading(1, 4900.0, 59)
    old.transaction(hour=20, meter_start=5000, meter_stop=9000)
    told = import_levity(capsys, old.path, new)
    assert [told.counts(kind)[1:4] for kind in ("transactions", "readings", "errors")] == [
        *((1, 1, 0), (1, 0, 1), (0, 1, 0)),
    ]
    assert (
        rows(new, "SELECT energy_delivered, confidence FROM tx ORDER BY imported_id")
        == [(4000, "certain")] * 2
    )
    assert rows(new, "SELECT resolved_at FROM cp_err") == [("2026-01-10T20:00:00.000Z",)]
    assert rows(
        new, "SELECT count(*) FROM tx_event JOIN tx ON tx.id = tx_id WHERE imported_id = 1"
    ) == [(2,)]


def test_after_kill_9_it_ends_as_one_that_was_not_killed(
    capsys: Capsys, old: OldFile, new: Path
) -> None:
    old.charger()
    old.transaction()
    old.fill(READINGS)
    whole = new.with_name("whole.db")
    import_levity(capsys, old.path, whole)
    command = [*PROGRAM, "import", "levity", str(old.path), "--db", str(new)]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not (new.exists() and _readings(new)):
            pass
        process.send_signal(signal.SIGKILL)
    assert 0 < _readings(new) < READINGS
    import_levity(capsys, old.path, new)
    assert history(new) == history(whole)


def _readings(database: Path) -> int:
    try:
        return int(rows(database, "SELECT count(*) FROM meter_val")[0][0])
    except sqlite3.OperationalError:
        return 0


# The old file


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_the_old_file_is_only_read(capsys: Capsys, old: OldFile, new: Path, mode: str) -> None:
    old.charger()
    old.transaction()
    old.change(f"PRAGMA journal_mode = {mode}")
    before = contents(old.path.parent)
    import_levity(capsys, old.path, new)
    assert contents(old.path.parent) == before
    assert rows(new, "SELECT count(*) FROM tx") == [(1,)]


def test_what_is_only_in_its_wal_is_read_too(
    capsys: Capsys, old: OldFile, new: Path, tmp_path: Path
) -> None:
    """As kill -9 of a Levity leaves it."""
    old.charger()
    old.change("PRAGMA journal_mode = wal")
    left = tmp_path / "left"
    with closing(sqlite3.connect(old.path, isolation_level=None)) as connection:
        connection.execute("UPDATE cp SET vendor = ''")
        old.transaction()
        shutil.copytree(old.path.parent, left)
    (left / "levity.db-shm").unlink()
    before = contents(left)
    assert "levity.db-wal" in before
    import_levity(capsys, left / "levity.db", new)
    assert contents(left) == before
    assert rows(new, "SELECT count(*) FROM tx") == [(1,)]


def test_a_transaction_that_a_crash_left_half_written_is_rolled_back(
    capsys: Capsys, old: OldFile, new: Path, tmp_path: Path
) -> None:
    old.charger()
    left = tmp_path / "left"
    with closing(sqlite3.connect(old.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.execute("UPDATE cp SET vendor = 'half'")
        # spills, so the file is written
        connection.execute("CREATE TABLE much AS SELECT randomblob(100000) AS x")
        shutil.copytree(old.path.parent, left)
    before = contents(left)
    assert "levity.db-journal" in before
    import_levity(capsys, left / "levity.db", new)
    assert contents(left) == before
    assert rows(new, "SELECT id, vendor FROM cp") == [("CP-1", None)]


def test_what_is_not_levitys_is_refused(
    capsys: Capsys, old: OldFile, new: Path, tmp_path: Path
) -> None:
    import_levity(capsys, old.path, new)
    (tmp_path / "diary.txt").write_text("Dear diary,\n" * 500)
    for path, words in (
        (tmp_path / "none.db", "there is no database"),
        (tmp_path / "diary.txt", "cannot be read as a SQLite database"),
        (shutil.copy(new, tmp_path / "ours.db"), "is a database of this program"),
        (new, "is both the old database and --db"),
    ):
        assert main(["import", "levity", str(path), "--db", str(new)]) == 2
        assert words in capsys.readouterr().err


def test_a_target_that_is_levitys_is_refused(capsys: Capsys, old: OldFile, tmp_path: Path) -> None:
    target = OldFile(tmp_path / "target.db")
    assert main(["import", "levity", str(old.path), "--db", str(target.path)]) == 1
    assert "is a database of Levity" in capsys.readouterr().err


# For people


def test_the_report_for_people(capsys: Capsys, old: OldFile, new: Path) -> None:
    old.charger()
    for hour in range(10, 20):
        old.transaction(hour=hour, energy_delivered=-1, meter_start=1000, meter_stop=999)
    assert main(["import", "levity", str(old.path), "--db", str(new)]) == 0
    shown = capsys.readouterr().out
    assert "transactions  10    10     0        0      0" in shown
    assert (
        "negative_energy: 10\n  tx 1 of CP-1: its energy is negative, -1 Wh; 0 Wh stand for "
        "it\n  tx 2"
    ) in shown
    assert shown.count("its energy is negative") == 3
    assert (
        main(["import", "levity", str(OldFile(new.with_name("empty.db")).path), "--db", str(new)])
        == 0
    )
    assert "Nothing was odd." in capsys.readouterr().out


def test_serve_says_the_command(old: OldFile) -> None:
    old.charger()
    old.change("PRAGMA journal_mode = wal")
    with closing(sqlite3.connect(old.path)) as connection:
        connection.execute("UPDATE cp SET vendor = 'in the WAL'")
        connection.commit()
        before = {
            name: data
            for name, data in contents(old.path.parent).items()
            if not name.endswith("-shm")
        }
        command = [
            sys.executable,
            "-m",
            "levity_trio",
            "serve",
            "--db",
            str(old.path),
            "--port",
            "0",
        ]
        ended = subprocess.run(
            command, env=environment(), capture_output=True, text=True, check=False, timeout=60
        )
        after = {
            name: data
            for name, data in contents(old.path.parent).items()
            if not name.endswith("-shm")
        }
    assert ended.returncode == 1
    assert (
        f"levity-trio import levity {old.path} --db {old.path.with_name('levity-trio.db')}"
        in ended.stderr
    )
    assert after == before
