"""What an upgrade asks of a database: a trial on a copy, whether one can go back, and the way
back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from levity_trio.config import EnvironmentProblem
from levity_trio.store.engine.schema import newest_version
from levity_trio.store.keeping.backup import back_up
from levity_trio.store.keeping.upgrading import look_at, main, try_on, undo
from tests.store.keeping import OLD_SCHEMA, change, charge, make_old, query, run

pytestmark = pytest.mark.sqlite


@pytest.fixture
def site(tmp_path: Path) -> Path:
    run(path := tmp_path / "levity.db", charge)
    return path


@pytest.fixture
def copied(site: Path) -> Path:
    """What the old version had stored when it stopped."""
    back_up(site, path := site.with_name("before.db"), lambda _done, _total: None)
    return path


def test_a_program_serves_on_its_own_schema_and_an_old_one_on_no_new_table(
    site: Path, tmp_path: Path
) -> None:
    newest = newest_version()
    assert look_at(site, newest) == {"schema": newest, "new_schema": newest, "serves_old": True}
    make_old(old := tmp_path / "old.db")
    assert look_at(old, OLD_SCHEMA) == {
        "schema": OLD_SCHEMA,
        "new_schema": newest,
        "serves_old": False,
    }


def test_a_trial_migrates_and_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_old(old := tmp_path / "old.db")
    assert try_on(old)["problem"] is None
    assert query(old, "PRAGMA user_version")[0][0] % 1000 == newest_version()
    change(old, "DROP INDEX tx_open")
    assert "index tx_open is missing" in str(try_on(old)["problem"])
    old.write_text("no database")
    assert main(["try", str(old)]) == 0
    assert "is not a SQLite database" in json.loads(capsys.readouterr().out)["problem"]


def test_the_old_state_comes_back_after_a_start_that_stored_nothing(
    site: Path, copied: Path
) -> None:
    change(
        site,
        (
            "INSERT INTO run (version, started_at, clock_trusted) "
            "VALUES ('2', '2026-03-02T10:00:00.000Z', 1)"
        ),
    )
    change(site, "CREATE TABLE novelty (id INTEGER PRIMARY KEY)")
    assert undo(site, copied) == {}
    assert query(site, "SELECT count(*) FROM sqlite_schema WHERE name = 'novelty'") == [(0,)]
    assert query(site, "SELECT count(*) FROM tx") == [(1,)]
    assert list(site.parent.glob("*.replaced-*")) == []


def test_what_was_acknowledged_since_stays(site: Path, copied: Path) -> None:
    run(site, charge)
    with pytest.raises(EnvironmentProblem, match=r"the new version has stored facts \(.*\btx\)"):
        undo(site, copied)
    assert query(site, "SELECT count(*) FROM tx") == [(2,)]
