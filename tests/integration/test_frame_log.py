"""The frame log of a real server: looked at while it runs, kept over kill -9, pruned while chargers
talk."""

import json
import subprocess
import sys
from pathlib import Path

from levity_trio.store.upkeep.pruning import DEFAULT_LIMITS
from tests.integration.fleet import Fleet, accounts
from tests.integration.forking import run_forked
from tests.integration.old_frames import fill_log, frames_left, free_bytes
from tests.integration.serving import environment, serving

ROWS, YOUNG = 120_000, 20_000
LONGEST_P99_MS = 250
"""On a machine that does other things too; `just soak` asks for 50."""


def logs(database: Path, *arguments: str) -> list[str]:
    ran = run_forked(
        ("logs", "--db", str(database), *arguments), database.parent, environment(), 60
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.splitlines()


def test_it_can_be_looked_at_while_a_server_runs_and_after_its_death(tmp_path: Path) -> None:
    database = tmp_path / "levity.db"
    with serving(database) as server:
        with Fleet(server.port) as load:
            fleet = accounts(3)
            load.join(fleet)
            load.run(1)
        seen = [json.loads(line) for line in logs(database, "FLEET-001", "--since", "1h", "--json")]
        assert {frame["charger"] for frame in seen} == {"FLEET-001"}
        assert {frame["action"] for frame in seen} >= {
            "BootNotification",
            "StartTransaction",
            "MeterValues",
            None,
        }
        server.kill()
    answered = {frame["message_id"] for frame in seen if frame["direction"] == "send"}
    asked = {frame["message_id"] for frame in seen if frame["direction"] == "recv"}
    assert answered <= asked
    assert len(logs(database)) == 100
    stored = [
        json.loads(line)["frame"]
        for line in logs(database, "--since", "1d", "--json", "--action", "metervalues")
    ]
    for account in fleet:
        for reading in account.readings:
            assert any(reading.timestamp in json.dumps(frame) for frame in stored)


def test_following_ends_with_an_interrupt(tmp_path: Path) -> None:
    database = tmp_path / "levity.db"
    with serving(database) as server:
        program = ["env", "--default-signal=INT", sys.executable, "-m", "levity_trio"]
        command = [*program, "logs", "--follow", "--db", str(database)]
        with subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as following:
            assert following.stdout is not None
            assert following.stderr is not None
            with Fleet(server.port) as load:
                load.join(accounts(1))
                load.run(1)
            assert "FLEET-000" in following.stdout.readline()
            following.send_signal(2)
            following.stdout.read()  # communicate() could begin in the middle of a character
            assert (following.stderr.read(), following.wait(timeout=30)) == ("", 0)


def test_it_is_pruned_while_chargers_talk(tmp_path: Path) -> None:
    database = tmp_path / "levity.db"
    fill_log(database, ROWS, YOUNG)
    before = database.stat().st_size
    with serving(database) as server, Fleet(server.port) as load:
        load.join(accounts(5))

        def is_done() -> bool:
            return (
                frames_left(database, ROWS) <= YOUNG
                and free_bytes(database) <= DEFAULT_LIMITS.spare_bytes
            )

        waits = load.measure(60, is_done)
        assert is_done()
        assert not load.faults
    assert frames_left(database, ROWS) == YOUNG
    assert waits.p99_milliseconds < LONGEST_P99_MS, str(waits)
    assert database.stat().st_size < before * 0.7
