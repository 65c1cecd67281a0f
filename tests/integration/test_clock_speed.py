"""`--clock-speed`: chargers are told a time that runs so many times as fast, also after a restart,
and no other."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from .charger import Charger
from .serving import Serving, query, serving
from .test_refusals import refused

SPEED = 5_000
FAST = ("--clock-speed", str(SPEED))
BETWEEN_SECONDS = 0.3
WIRE = timedelta(seconds=1)
"""A time on the wire has no fractions of a second."""


def told(charger: Charger) -> tuple[datetime, datetime, datetime]:
    """The time that a charger is told, between two looks at the machine's clock."""
    before = datetime.now(UTC)
    current = charger.boot()["currentTime"]
    return before, datetime.fromisoformat(current), datetime.now(UTC)


def begun(database: Path) -> datetime:
    ((at, speed),) = query(database, "SELECT begun_at, speed FROM simulated_time")
    assert speed == SPEED
    return datetime.fromisoformat(at)


def check(server: Serving, charger: Charger) -> None:
    """Its time is what the machine's clock and the row in its database make it."""
    before, current, after = told(charger)
    since = begun(server.database)
    assert since + (before - since) * SPEED - WIRE <= current <= since + (after - since) * SPEED


def test_chargers_are_told_a_time_that_runs_so_many_times_as_fast(tmp_path: Path) -> None:
    born = datetime.now(UTC) - timedelta(milliseconds=1)
    with serving(tmp_path / "levity.db", *FAST) as server, Charger(server.port, "CP-1") as charger:
        assert server.wait_line("serving")["clock_speed"] == SPEED
        assert born <= begun(server.database) <= datetime.now(UTC)
        _, first, first_told = told(charger)
        time.sleep(BETWEEN_SECONDS)
        second_asked, second, _ = told(charger)
        assert second - first >= (second_asked - first_told) * SPEED - WIRE >= timedelta(minutes=20)
        check(server, charger)


def test_a_restart_goes_on_with_the_same_clock(tmp_path: Path) -> None:
    database = tmp_path / "levity.db"
    with serving(database, *FAST) as server, Charger(server.port, "CP-1") as charger:
        _, first, _ = told(charger)
        transaction = charger.start("TAG", timestamp=first.isoformat())
        since = begun(database)
    with serving(database, *FAST) as server, Charger(server.port, "CP-1") as charger:
        assert begun(database) == since
        check(server, charger)
        _, later, _ = told(charger)
        charger.call(
            "StopTransaction",
            transactionId=transaction,
            meterStop=3000,
            timestamp=later.isoformat(),
        )
        assert server.query("SELECT status, energy_delivered, review FROM tx") == [
            ("Completed", 2000, None)
        ]
        # it is not behind its rows
        assert server.query("SELECT min(clock_trusted), count(*) FROM run") == [(1, 2)]
        assert server.query("SELECT count(*) FROM run WHERE started_at < ?", since.isoformat()) == [
            (0,)
        ]


@pytest.mark.parametrize("end", ["in order", "power cut"])
def test_a_database_of_another_clock_is_refused(end: str, tmp_path: Path) -> None:
    real, simulated = tmp_path / "real.db", tmp_path / "simulated.db"
    for database, flags in ((real, ()), (simulated, FAST)):
        with serving(database, *flags) as server, Charger(server.port, "CP-1") as charger:
            charger.boot()
            if end == "power cut":
                server.kill()
    line = refused(tmp_path, "--port", "0", "--db", "real.db", *FAST)
    assert (
        "real.db keeps real time; leave out --clock-speed, or choose a new database with --db"
        in line
    )
    for flags in ((), ("--clock-speed", "60")):
        line = refused(tmp_path, "--port", "0", "--db", "simulated.db", *flags)
        assert (
            "simulated.db was made for --clock-speed 5000; give that, or choose another one "
            "with --db"
        ) in line


def test_without_the_flag_a_database_keeps_real_time(tmp_path: Path) -> None:
    with serving(tmp_path / "levity.db") as server, Charger(server.port, "CP-1") as charger:
        assert "clock_speed" not in server.wait_line("serving")
        before, current, after = told(charger)
        assert before - WIRE <= current <= after
        assert server.query("SELECT * FROM simulated_time") == []
    shutil.copy(tmp_path / "levity.db", tmp_path / "copy.db")
    with serving(
        tmp_path / "copy.db", "--clock-speed", "1"
    ) as server:  # which is what it would be anyway
        assert server.query("SELECT * FROM simulated_time") == []
