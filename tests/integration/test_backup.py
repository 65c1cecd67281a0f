"""Backups of a server that commits all the time, killed and out of space; and a restoration, from
stop to start.

`KILL_ROUNDS=50 pytest tests/integration/test_backup.py` for more kills.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from .charger import Charger, now
from .fleet import Account, Fleet, accounts, answered, missing
from .forking import Child, fork_into, run_forked
from .outages import small_disk
from .serving import PROGRAM, ROOT, Serving, environment, query, serving

ROUNDS = int(os.environ.get("KILL_ROUNDS", "5"))
LATEST_SECONDS = 1.5
SECONDS = 60
CHARGERS = 10
MEBIBYTES = 30
STDERR = 2
GROW = f"""
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
add = "INSERT INTO event (at, kind, data) VALUES ('2026-01-01T00:00:00.000Z', 'X', hex(zeroblob(500000)))"
for _ in range({MEBIBYTES}):
    connection.execute(add)
"""  # noqa: E501


def begun(folder: Path, *arguments: object) -> Child:
    """Begin a command, which a test will end or wait for."""
    return fork_into(STDERR, [*map(str, arguments)], folder, environment())


def ran(*arguments: object, file_bytes: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, perhaps without the right to write larger files."""

    if file_bytes is None:
        return run_forked([*map(str, arguments)], ROOT, environment(), SECONDS)
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes)),
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server with a database that takes some time to copy."""
    with serving(tmp_path_factory.mktemp("site") / "levity.db") as started:
        subprocess.run([PROGRAM[0], "-c", GROW, started.database], check=True)
        yield started


def test_backups_that_are_killed_and_one_that_ends(server: Serving, tmp_path: Path) -> None:
    fleet, target = accounts(CHARGERS), tmp_path / "backup.db"
    with Fleet(server.port) as load:
        load.join(fleet)
        for _ in range(ROUNDS):
            backup = begun(tmp_path, "backup", target, "--db", server.database)
            load.run(random.uniform(0, LATEST_SECONDS))
            backup.kill()
            backup.wait()
            assert not target.exists() or ran("check", target).returncode == 0
        before = [
            Account(one.identity, [*one.starts], [*one.readings], [*one.stops]) for one in fleet
        ]
        last = begun(tmp_path, "backup", target, "--db", server.database, "--json")
        assert load.run(SECONDS, lambda: last.poll() is not None)
        assert last.returncode == 0
        assert answered(fleet) > answered(before) > 0
        assert not load.faults, load.samples
    assert not missing(fleet, server.database)
    assert not missing(before, target)
    sound = json.loads(ran("check", target, "--json").stdout)
    assert sound["is_sound"], sound
    assert sorted(path.name for path in tmp_path.iterdir()) == [target.name]


def test_a_backup_to_a_disk_that_is_too_small(server: Serving, tmp_path: Path) -> None:
    try:
        with small_disk(tmp_path / "disk") as disk:
            told = ran("backup", disk / "backup.db", "--db", server.database)
            assert list(disk.iterdir()) == []
    except (PermissionError, FileNotFoundError):
        pytest.skip("mounting a small disk is not allowed here")
    assert told.returncode == 1
    assert "MB left" in told.stderr
    assert len(told.stderr.splitlines()) == 1


def test_a_disk_that_refuses_in_the_middle(server: Serving, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    assert ran("backup", target, "--db", server.database).returncode == 0
    earlier = target.read_bytes()
    told = ran("backup", target, "--db", server.database, file_bytes=10_000_000)
    assert told.returncode == 1
    assert f"cannot copy {server.database} to {target}: " in told.stderr
    assert len(told.stderr.splitlines()) == 1
    assert target.read_bytes() == earlier
    assert sorted(path.name for path in tmp_path.iterdir()) == [target.name]


def test_the_database_of_a_running_server_is_not_replaced(server: Serving, tmp_path: Path) -> None:
    link, same = tmp_path / "link.db", server.database.with_name("same.db")
    assert ran("backup", tmp_path / "backup.db", "--db", server.database).returncode == 0
    link.symlink_to(server.database)
    same.hardlink_to(server.database)
    try:
        for path, text in (
            (server.database, "another levity-trio runs"),
            (link, "runs on"),
            (same, "another name"),
        ):
            told = ran("restore", tmp_path / "backup.db", "--db", path, "--force")
            assert told.returncode == 1
            assert text in told.stderr
            assert len(told.stderr.splitlines()) == 1
        told = ran("check", server.database)
        assert (told.returncode, len(told.stderr.splitlines())) == (1, 1)
    finally:
        same.unlink()
    assert not same.with_name("same.db.lock").exists()
    with Charger(server.port, "CP-1") as charger:
        charger.boot()


def test_restorations_that_are_killed_leave_the_old_or_the_new_database(
    server: Serving, tmp_path: Path
) -> None:
    database, backup = tmp_path / "levity.db", tmp_path / "backup.db"
    for target in (database, backup):
        assert ran("backup", target, "--db", server.database).returncode == 0
    with serving(database) as later:
        assert later.port  # its run is not in the backup
    ends = set()
    for _ in range(ROUNDS):
        restoration = begun(tmp_path, "restore", backup, "--db", database, "--force")
        with suppress(subprocess.TimeoutExpired):
            restoration.wait(random.uniform(0.1, LATEST_SECONDS))
        restoration.kill()
        ends.add(restoration.wait())
        assert ran("check", database).returncode == 0
        assert not database.with_name("levity.db-wal").exists()
    assert ends <= {0, -signal.SIGKILL}


def test_a_day_is_lost_and_the_chargers_go_on(tmp_path: Path) -> None:
    database, backup = tmp_path / "levity.db", tmp_path / "backup.db"
    with serving(database) as server, Charger(server.port, "CP-1") as charger:
        charger.boot()
        first = charger.start("TAG", 1000)
        charger.call("StopTransaction", transactionId=first, meterStop=2000, timestamp=now())
        assert ran("backup", backup, "--db", database).returncode == 0
        lost = charger.start("TAG", 2000)
        server.stop()
    refused = ran("restore", backup, "--db", database)
    assert refused.returncode == 1
    assert "; 1 session, new or changed since, with 0.000 kWh would be lost" in refused.stderr
    restored = ran("restore", backup, "--db", database, "--force", "--json")
    told = json.loads(restored.stdout.splitlines()[-1])
    assert told["lost"]["transactions"] == 1
    with serving(database) as server, Charger(server.port, "CP-1") as charger:
        charger.call("StopTransaction", transactionId=lost, meterStop=5000, timestamp=now())
        charger.boot()
        new = charger.start("TAG", 5000)
        assert new > told["last_transaction_id"] > lost
        server.stop()
    assert query(database, "SELECT count(*) FROM tx WHERE id = ?", lost) == [(0,)]
    assert query(Path(told["kept"]), "SELECT id FROM tx ORDER BY id") == [(first,), (lost,)]
