"""Files of the database that somebody deletes under a running server: what it answered is there
after a power cut."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from .charger import Charger, Closed, NoWebSocket
from .serving import Serving, serving

TRY_AGAIN_LATER = 1013
REFUSES = "writes to the database fail; retrying, and nothing is acknowledged meanwhile"


def start_until_refused(server: Serving, identity: str, answered: list[str]) -> None:
    """Send one transaction after another until one is not acknowledged, or the server lets nobody
    in."""
    with suppress(NoWebSocket), Charger(server.port, identity) as charger:
        for number in range(1000):
            tag = f"{identity} {len(answered)} {number}"[:20]
            try:
                charger.start(tag)
            except Closed as closed:
                if closed.code == TRY_AGAIN_LATER:
                    return
                raise
            answered.append(tag)
            if server.find(REFUSES):  # it was seen, and mended, between two of them
                return


@pytest.mark.parametrize("suffixes", [("-wal",), ("-shm",), ("-wal", "-shm")])
def test_what_was_answered_is_there(tmp_path: Path, suffixes: tuple[str, ...]) -> None:
    answered: list[str] = []
    with serving(tmp_path / "levity.db", may_log_errors=True) as server:
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            for number in range(20):
                answered.append(f"before {number}")
                charger.start(answered[-1])
        for suffix in suffixes:
            Path(f"{server.database}{suffix}").unlink()
        start_until_refused(server, "CP-1", answered)
        server.wait_line("writes to the database succeed again")
        with Charger(server.port, "CP-1") as charger:
            for number in range(5):
                answered.append(f"after {number}")
                charger.start(answered[-1])
        server.kill()
        assert [line["event"] for line in server.errors()] == [REFUSES]
    with closing(sqlite3.connect(tmp_path / "levity.db")) as found:
        assert found.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        stored = {tag for (tag,) in found.execute("SELECT id_tag FROM tx")}
    assert set(answered) <= stored


def test_a_database_that_is_gone_is_copied_and_nobody_let_in(tmp_path: Path) -> None:
    with serving(tmp_path / "levity.db", may_log_errors=True) as server:
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            charger.start("before")
            for path in tmp_path.glob("levity.db*"):
                path.unlink()
            charger.send("Heartbeat")
            charger.receive()  # promises nothing
            with pytest.raises(Closed) as closed:
                charger.start("never")
        assert closed.value.code == TRY_AGAIN_LATER
        copy = Path(server.wait_line("all committed data was saved to a copy")["copy"])
        with pytest.raises(NoWebSocket) as refused:
            Charger(server.port, "CP-1")
        assert refused.value.status == 503
        server.kill()
    with closing(sqlite3.connect(copy)) as found:
        assert found.execute("SELECT id_tag FROM tx").fetchall() == [("before",)]


def test_a_wal_that_was_cut_is_seen_and_the_advice_restores_all(tmp_path: Path) -> None:
    answered = ["before 1", "before 2"]
    with serving(tmp_path / "levity.db"):
        pass  # what is stored is in the database, and not in the WAL only
    with serving(tmp_path / "levity.db", may_log_errors=True) as server:
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            for tag in answered:
                charger.start(tag)
            os.truncate(f"{server.database}-wal", 0)
            with pytest.raises(Closed) as closed:
                charger.start("never")
        assert closed.value.code == TRY_AGAIN_LATER
        with pytest.raises(NoWebSocket) as refused:
            Charger(server.port, "CP-1")
        assert refused.value.status == 503
        saved = server.wait_line("all committed data was saved to a copy")
        assert "another program cut" in server.wait_line(REFUSES)["reason"]
        server.kill()
    for suffix in ("-wal", "-shm"):
        Path(f"{tmp_path}/levity.db{suffix}").unlink(missing_ok=True)
    Path(saved["copy"]).replace(tmp_path / "levity.db")
    with serving(tmp_path / "levity.db") as server:
        assert [tag for (tag,) in server.query("SELECT id_tag FROM tx ORDER BY id")] == answered
