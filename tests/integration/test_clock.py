"""A machine whose clock leaps under a running server, and one whose database knows a time to
come."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from levity_trio.clock import says_synchronised
from levity_trio.wire.times import stamp

from . import leaping
from .charger import Charger
from .scraping import scrape_when
from .serving import serving
from .test_metrics import port, status_of

YEARS = timedelta(days=3650)
SLACK = timedelta(seconds=30)
TRUSTED = "SELECT clock_trusted FROM session ORDER BY id"


def told_now(charger: Charger) -> bool:
    """Whether a charger is told the true time."""
    told = datetime.fromisoformat(charger.call("Heartbeat")["currentTime"])
    return abs(told - datetime.now(UTC)) < SLACK


def set_clock(file: Path, off: timedelta) -> None:
    new = file.with_name("new")
    new.write_text(str(off.total_seconds()))
    new.replace(file)


def test_chargers_are_not_told_a_time_that_cannot_be(tmp_path: Path) -> None:
    off = tmp_path / "off"
    set_clock(off, timedelta())
    program = (*leaping.PROGRAM, str(off))
    with (
        serving(
            tmp_path / "levity.db", "--metrics-port", "0", program=program, may_log_errors=True
        ) as server,
        Charger(server.port, "CP-1") as charger,
    ):
        charger.boot()
        set_clock(off, YEARS)
        assert told_now(charger)
        line = server.wait_line("ClockLeapt")
        assert (line["seconds"], line["believed"]) == (YEARS.total_seconds(), False)
        scrape_when(port(server), lambda scrape: scrape.find("ocpp_clock_trusted") == [0])
        assert status_of(server, "/readyz") == 503
        charger.start("TAG")
        assert server.query("SELECT max(at) < ? FROM event", stamp(datetime.now(UTC) + SLACK)) == [
            (1,)
        ]
        assert server.query("SELECT data ->> 'believed' FROM event WHERE kind = 'ClockLeapt'") == [
            (0,)
        ]
        assert server.query(TRUSTED) == [(0,)]
        set_clock(off, timedelta())
        server.wait_line("this machine's clock is plausible again")
        assert status_of(server, "/readyz") == 200
        assert told_now(charger)


def test_a_database_that_knows_a_time_to_come_and_the_way_out(tmp_path: Path) -> None:
    database = tmp_path / "levity.db"
    with serving(database), closing(sqlite3.connect(database)) as books:
        ahead = stamp(datetime.now(UTC) + YEARS)
        books.execute(
            "INSERT INTO cp (id, created_at, updated_at) VALUES ('CP-1', ?, ?)", (ahead, ahead)
        )
        books.execute(
            "INSERT INTO session (cp_id, run_id, remote_address, target, clock_trusted, "
            "connected_at) "
            "VALUES ('CP-1', 1, '', '', 1, ?)",
            (ahead,),
        )
        for _ in range(10):
            books.execute(
                "INSERT INTO event (at, kind, session_id, data) VALUES (?, 'X', 1, '{}')", (ahead,)
            )
        books.commit()
    with serving(database, "--clock-wait", "0", may_log_errors=True) as server:
        # of the machine that runs this test
        is_synchronised = says_synchronised(0.0, datetime.now(UTC).timestamp())
        passed_over = "rows dated ahead of this machine's clock are passed over: it is synchronised"
        untrusted = "serving with an untrusted clock; sessions are marked (clock_trusted = 0)"
        line = server.wait_line(passed_over if is_synchronised else untrusted)
        assert (line["newest_row"].split()[0], line["newest_at"]) == ("event", ahead)
        assert "--trust-clock" in line["advice"]
    for flags in (["--trust-clock"], []):
        with serving(database, *flags) as server, Charger(server.port, "CP-1") as charger:
            charger.boot()
            assert server.query(f"{TRUSTED} DESC LIMIT 1") == [(1,)]
