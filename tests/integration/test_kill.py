"""kill -9 under load, at any moment: what was answered is there, and everything goes on.

`KILL_ROUNDS=50 pytest tests/integration/test_kill.py` for more rounds; `python -m tests.benchmarks.soak` for many.
"""

import os
import random
import shutil
from pathlib import Path

from .charger import Charger, meter_values, now
from .fleet import Account, Fleet, accounts, answered, missing
from .serving import Serving, serving

ROUNDS = int(os.environ.get("KILL_ROUNDS", "3"))
CHARGERS = 20
EARLIEST_SECONDS, LATEST_SECONDS = 0.1, 1.2


def test_what_was_answered_survives_kill_9(tmp_path: Path) -> None:
    fleet, database = accounts(CHARGERS), tmp_path / "levity.db"
    for number in range(ROUNDS):
        with serving(database) as server:
            assert_all_ended_before(server, number)
            kill_under_load(server, fleet)
        assert not missing(fleet, copied(database, tmp_path / f"as-left-{number}"))
    with serving(database) as server:
        assert_all_ended_before(server, ROUNDS)
        talk_on(server, fleet)
    assert not missing(fleet, database)
    print(f"\n{ROUNDS} times kill -9: {answered(fleet)} messages of transactions answered, none missing")


def kill_under_load(server: Serving, fleet: list[Account]) -> None:
    with Fleet(server.port) as load:
        load.join(fleet)
        load.run(random.uniform(EARLIEST_SECONDS, LATEST_SECONDS))
        before = answered(fleet)
        server.kill()
        assert load.run_out()  # what it had sent was an answer, read or not
    assert before


def talk_on(server: Serving, fleet: list[Account]) -> None:
    before = [account.answered for account in fleet]
    with Fleet(server.port) as load:
        load.join(fleet)
        assert load.run(30, lambda: all(a.answered > b for a, b in zip(fleet, before, strict=True)))
        server.stop()
        assert load.run_out()
        assert set(load.faults) == {"connection lost"}, (load.faults, load.samples)


def copied(database: Path, folder: Path) -> Path:
    """The files as the dead server left them: whoever opens a database first mends it, and that shall be the server."""
    folder.mkdir()
    for path in database.parent.glob(f"{database.name}*"):
        if not path.is_socket():
            shutil.copy(path, folder)
    return folder / database.name


def assert_all_ended_before(server: Serving, runs: int) -> None:
    """The start ended what the killed ones before it had left open."""
    assert server.query("SELECT count(*), coalesce(sum(clean), 0) FROM run WHERE id <= ?", runs) == [(runs, 0)]
    assert not server.query("SELECT id FROM session WHERE ended_at IS NULL")
    assert not server.query("SELECT id FROM cp WHERE is_connected")
    assert not server.query("SELECT id FROM tx WHERE status = 'Active' AND suspended_at IS NULL")


def test_open_transactions_go_on_after_a_restart(tmp_path: Path) -> None:
    started = now()
    with serving(tmp_path / "levity.db") as server, Charger(server.port, "CP-1") as charger:
        charger.boot()
        transaction = charger.start("TAG", 1000, started)
        charger.call("MeterValues", **meter_values(transaction, "1400", started))
        before = open_transactions(server)
        server.stop()
    with serving(tmp_path / "levity.db") as server:
        assert open_transactions(server) == before == [(transaction, "CP-1", 1)]
        with Charger(server.port, "CP-1") as charger:  # without a boot, as after a mere loss of the network
            charger.call("MeterValues", **meter_values(transaction, "1800"))
            assert server.query("SELECT suspended_at FROM tx") == [(None,)]
            assert charger.start("TAG", 1000, started) == transaction
            charger.call("StopTransaction", transactionId=transaction, meterStop=2500, timestamp=now())
        assert server.query("SELECT id, status, energy_delivered, confidence FROM tx") == [
            (transaction, "Completed", 1500, "certain")
        ]
        assert server.query("SELECT value FROM meter_val ORDER BY id") == [("1400",), ("1800",)]
        steps = [kind for (kind,) in server.query("SELECT kind FROM tx_event ORDER BY id")]
        assert steps == ["start", "suspend", "resume", "stop"]


def open_transactions(server: Serving) -> list[tuple[object, ...]]:
    return server.query("SELECT id, cp_id, conn_id FROM tx WHERE status = 'Active'")
