"""An import while a server serves: chargers are answered, and what a kill -9 of it interrupted can
be repeated."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.integration.charger import Charger
from tests.integration.serving import PROGRAM, environment, serving
from tests.sizes import size
from tests.store.importing import history, import_levity, rows
from tests.store.levity_file import OldFile

READINGS = size(60_000, 8_000)


@pytest.fixture
def old(tmp_path: Path) -> OldFile:
    found = OldFile(tmp_path / "old.db")
    found.charger()
    found.transaction()
    found.fill(READINGS)
    return found


def readings(database: Path) -> int:
    return int(rows(database, "SELECT count(*) FROM meter_val WHERE imported_id IS NOT NULL")[0][0])


def test_it_works_while_a_server_serves(
    capsys: pytest.CaptureFixture[str], old: OldFile, tmp_path: Path
) -> None:
    database, alone = tmp_path / "site.db", tmp_path / "alone.db"
    import_levity(capsys, old.path, alone)
    with serving(database) as server:
        assert server.port
        command = [*PROGRAM, "import", "levity", str(old.path), "--db", str(database)]
        with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL) as importing:
            with Charger(server.port, "CP-1") as charger:
                while importing.poll() is None:
                    assert charger.call("Heartbeat")["currentTime"]
            assert importing.wait(60) == 0
        assert import_levity(capsys, old.path, database).counts("readings") == (
            READINGS,
            0,
            0,
            READINGS,
            0,
        )
    of_alone, of_served = history(alone), history(database)
    assert of_served[:3] == of_alone[:3]
    assert rows(database, "SELECT path, status FROM operator_action ORDER BY id")[0] == (
        *("/api/admin/imports/levity/chargers", 200),
    )


def test_after_kill_9_of_the_server(
    capsys: pytest.CaptureFixture[str], old: OldFile, tmp_path: Path
) -> None:
    database, whole = tmp_path / "site.db", tmp_path / "whole.db"
    import_levity(capsys, old.path, whole)
    with serving(database) as server:
        assert server.port
        command = [*PROGRAM, "import", "levity", str(old.path), "--db", str(database)]
        with subprocess.Popen(
            command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as importing:
            while importing.poll() is None and not readings(database):
                pass
            server.kill()
            assert importing.wait(60) == 1
    assert 0 < readings(database) < READINGS
    import_levity(capsys, old.path, database)
    assert history(database) == history(whole)
