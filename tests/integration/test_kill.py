"""kill -9 under load, at any moment: what was answered is there, and everything goes on.

`KILL_ROUNDS=50 pytest tests/integration/test_kill.py` for more rounds; `python -m
tests.tools.benchmarks.soak` for many.
"""

import os
import random
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from threading import Thread

from .charger import Charger, Closed, meter_values, now
from .fleet import Account, Fleet, accounts, answered, missing
from .serving import Serving, query, serving

ROUNDS = int(os.environ.get("KILL_ROUNDS", "3"))
CHARGERS = 20
TOLD_EACH = timedelta(seconds=20)
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
    print(
        f"\n{ROUNDS} times kill -9: {answered(fleet)} messages of transactions answered, none "
        "missing"
    )


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
    """The files as the dead server left them: whoever opens a database first mends it, and that
    shall be the server."""
    folder.mkdir()
    for path in database.parent.glob(f"{database.name}*"):
        if not path.is_socket():
            shutil.copy(path, folder)
    return folder / database.name


def assert_all_ended_before(server: Serving, runs: int) -> None:
    """The start ended what the killed ones before it had left open."""
    assert server.query(
        "SELECT count(*), coalesce(sum(clean), 0) FROM run WHERE id <= ?", runs
    ) == [(runs, 0)]
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
        with Charger(
            server.port, "CP-1"
        ) as charger:  # without a boot, as after a mere loss of the network
            charger.call("MeterValues", **meter_values(transaction, "1800"))
            assert server.query("SELECT suspended_at FROM tx") == [(None,)]
            assert charger.start("TAG", 1000, started) == transaction
            charger.call(
                "StopTransaction", transactionId=transaction, meterStop=2500, timestamp=now()
            )
        assert server.query("SELECT id, status, energy_delivered, confidence FROM tx") == [
            (transaction, "Completed", 1500, "certain")
        ]
        assert server.query("SELECT value FROM meter_val ORDER BY id") == [("1400",), ("1800",)]
        steps = [kind for (kind,) in server.query("SELECT kind FROM tx_event ORDER BY id")]
        assert steps == ["start", "suspend", "resume", "stop"]


def test_a_run_of_readings_survives_kill_9(tmp_path: Path) -> None:
    """Of a charger under load management: each answered reading is counted, and the last one is as
    it was sent."""
    database, told = tmp_path / "levity.db", count(1)
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
    with serving(database) as server, Charger(server.port, "CP-1") as charger:
        charger.boot()
        transaction = charger.start("TAG", 1000, stamp_of(began))
        server.stop()
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute(
            "INSERT INTO load_charger (cp_id, state, since, by) "
            "VALUES ('CP-1', 'managed', '', 'anna')"
        )
    answered = list[int]()
    for number in range(ROUNDS):
        with serving(database) as server, Charger(server.port, "CP-1") as charger:
            charger.boot()
            chatter = Thread(target=tell_of, args=(charger, transaction, began, told, answered))
            chatter.start()
            time.sleep(random.uniform(EARLIEST_SECONDS, LATEST_SECONDS))
            server.kill()
            chatter.join()
        assert_all_told(copied(database, tmp_path / f"as-left-{number}"), began, answered)
    ((rows,),) = query(database, "SELECT count(*) FROM meter_val")
    print(
        f"\n{ROUNDS} times kill -9: {len(answered)} readings answered, none missing, in {rows} rows"
    )
    assert rows < len(answered)


def stamp_of(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def tell_of(
    charger: Charger, transaction: int, began: datetime, told: Iterator[int], answered: list[int]
) -> None:
    """Tell a reading each 20 s of the charger's time, one after the other until the server dies."""
    with suppress(Closed, OSError):
        for number in told:
            value = meter_values(
                transaction, str(1000 + number), stamp_of(began + number * TOLD_EACH)
            )
            charger.call("MeterValues", **value)
            answered.append(number)


def assert_all_told(database: Path, began: datetime, answered: list[int]) -> None:
    ((readings, last, at),) = query(
        database,
        (
            "SELECT sum(coalesce(run_count, 1)), max(CAST(value AS INTEGER)), max(sent_timestamp) "
            "FROM meter_val"
        ),
    )
    number = last - 1000
    # the last one may have been stored, and not answered
    assert number in (
        answered[-1],
        answered[-1] + 1,
    )
    assert len(answered) <= readings <= number
    assert at == stamp_of(began + number * TOLD_EACH)


def open_transactions(server: Serving) -> list[tuple[object, ...]]:
    return server.query("SELECT id, cp_id, conn_id FROM tx WHERE status = 'Active'")
