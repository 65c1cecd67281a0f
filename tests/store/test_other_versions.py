"""Files of before 1.0, and of a newer version: who opens them is told so in one sentence, and
nothing of them changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from levity_trio.config import EnvironmentProblem
from levity_trio.config.settings import DatabaseAddress, PostgresqlAddress
from levity_trio.store.engine.opening import open_store
from levity_trio.store.engine.schema import NewerSchema, NotOurs, Version
from levity_trio.store.keeping.checking import check
from levity_trio.store.keeping.copies import back_up
from levity_trio.store.keeping.offline import forget, open_import
from levity_trio.store.keeping.restoring import restore
from levity_trio.store.keeping.upgrading import look_at, main, try_on, undo
from levity_trio.store.reads.reader import look
from tests.postgresql import Server, shared
from tests.store.files import contents, make_ours
from tests.store.keeping import ignore
from tests.store.later import NEWEST, NOT, later, put_candidate, unreleased
from tests.store.moving.watching import moved
from tests.store.postgresql.stored import new_database
from tests.store.template import put_new

OF_SCHEMA: Final = {1: 1, 2: 2, 107: 107, 3107: 107}
"""The schemas of databases of before 1.0 by the number that each keeps."""
NUMBER_AT: Final = 60
"""Where a file has its user_version (https://sqlite.org/fileformat2.html)."""
Open = Callable[[], object]


def sentence(database: object, number: int) -> str:
    return (
        f"{database} is from before 1.0 (schema {OF_SCHEMA[number]}) and was not touched; 1.0.0rc1 "
        "still opens it: take out there what must be kept, with `household export`, `card export`, "
        "`bill show --as pdf` and `bill year`, and begin with a new database"
    )


def read(address: DatabaseAddress) -> int:
    return look(address, lambda db: db.version())


def serve(address: DatabaseAddress, folder: Path | None = None) -> None:
    if folder is None:
        opened = open_store(address, "levity")
    else:
        opened = open_store(address, "levity", folder=folder)
    with opened:
        pass


def bring_in(address: DatabaseAddress) -> None:
    with open_import(address, "levity"):
        pass


def check_quietly(address: DatabaseAddress) -> None:
    check(address, lambda _name: None)


@pytest.fixture(scope="module")
def server() -> Server:
    return shared()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of 1.0.0rc1, alone in its folder."""
    (tmp_path / "alone").mkdir()
    put_candidate(path := tmp_path / "alone" / "site.db")
    return path


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    put_new(path := tmp_path / "ours.db")
    return path


def keep_number(path: Path, number: int) -> None:
    with path.open("r+b") as file:
        file.seek(NUMBER_AT)
        file.write(number.to_bytes(4))


def ways_to(path: Path, ours: Path, address: PostgresqlAddress) -> Mapping[str, Open]:
    """All that opens a file, by its name. It is beside a database of now."""
    new = ours.with_name("new.db")
    return {
        "serve": lambda: serve(path),
        "read": lambda: read(path),
        "check": lambda: check_quietly(path),
        "backup": lambda: back_up(path, new, ignore),
        "backup onto it": lambda: back_up(ours, path, ignore, is_forced=True),
        "restore": lambda: restore(path, new, ignore, is_forced=True),
        "restore onto it": lambda: restore(ours, path, ignore, is_forced=True),
        "the look of upgrade": lambda: look_at(path, 107),
        "the trial of upgrade": lambda: try_on(path),
        "the way back": lambda: undo(ours, path),
        "import": lambda: bring_in(path),
        "a command without a server": lambda: forget(path, "levity", ["CP-1"], None, None),
        "move": lambda: moved(path, address),
        "move onto it": lambda: moved(address, path),
    }


def refusals(ways: Mapping[str, Open]) -> dict[str, str]:
    told = {}
    for name, open_it in ways.items():
        with pytest.raises(EnvironmentProblem) as refused:
            open_it()
        told[name] = str(refused.value)
    return told


@pytest.mark.parametrize("number", OF_SCHEMA)
def test_a_file_of_before_is_refused_by_all_and_not_touched(
    path: Path, ours: Path, server: Server, number: int
) -> None:
    keep_number(path, number)
    address, before = new_database(server), contents(path.parent)
    told = refusals(ways_to(path, ours, address))
    assert told == dict.fromkeys(told, sentence(path, number))
    assert contents(path.parent) == before
    assert not ours.with_name("new.db").exists()


def test_an_upgrade_is_told_before_it_stops_a_server(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its first question of the new program is this one."""
    assert main(["look", str(path), "107"]) == 0
    assert json.loads(capsys.readouterr().out) == {"problem": sentence(path, 107)}


def test_a_newer_file_is_refused_and_not_touched(path: Path) -> None:
    keep_number(path, NEWEST + 1)
    before = contents(path.parent)
    for open_it in (serve, read, check_quietly, bring_in, try_on):
        with pytest.raises(NewerSchema, match=f"schema {NEWEST + 1}, this one knows {NEWEST}"):
            open_it(path)
    assert contents(path.parent) == before


def test_a_file_of_now_is_opened(tmp_path: Path) -> None:
    make_ours(path := tmp_path / "site.db")
    for number in (NEWEST, Version(NEWEST, NEWEST - 1).number):
        keep_number(path, number)
        for open_it in (serve, read, check_quietly, bring_in, try_on):
            open_it(path)
        back_up(path, tmp_path / "copy.db", ignore)
        restore(tmp_path / "copy.db", tmp_path / "new.db", ignore, is_forced=True)
        assert look_at(path, NEWEST)["serves_old"]


def test_a_state_that_was_never_released_is_refused_and_not_touched(tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    put_new(path := tmp_path / "alone" / "site.db")
    before, folder = contents(path.parent), unreleased(tmp_path / "schema")
    for open_it in (
        lambda: serve(path, folder),
        lambda: check(path, lambda _name: None, folder),
        lambda: look_at(path, NEWEST, folder),
        lambda: try_on(path, folder),
        lambda: restore(path, tmp_path / "new.db", ignore, folder=folder),
    ):
        with pytest.raises(NotOurs) as refused:
            open_it()
        assert str(refused.value) == (
            f"{path} is of a state before 1.0.0 that was never released (schema {NEWEST}) and was "
            "not touched; nothing opens it: begin with a new database"
        )
    assert contents(path.parent) == before
    serve(path, later(tmp_path / "with a step", NOT))
