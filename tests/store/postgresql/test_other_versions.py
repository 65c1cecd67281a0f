"""Databases of before 1.0, and of a newer version: who opens them is told so in one sentence, and
nothing of them changes."""

from __future__ import annotations

import lzma
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.engine.schema import NewerSchema, NotOurs, Version
from levity_trio.store.keeping.checking import check
from levity_trio.store.keeping.offline import forget
from levity_trio.store.keeping.restoring import go_on
from levity_trio.store.keeping.upgrading import look_at
from tests.postgresql import Server, program
from tests.store.later import CANDIDATES_DUMP, NEWEST, unreleased
from tests.store.moving.watching import moved
from tests.store.template import put_new
from tests.store.test_other_versions import (
    OF_SCHEMA,
    Open,
    bring_in,
    check_quietly,
    read,
    refusals,
    sentence,
    serve,
)

from .stored import change, empty_database, new_database, query


@pytest.fixture
def address(server: Server) -> PostgresqlAddress:
    """A database of 1.0.0rc1, restored from its dump."""
    address = empty_database(server)
    subprocess.run(
        [program("psql"), "--quiet", "--set=ON_ERROR_STOP=1", address],
        input=lzma.decompress(CANDIDATES_DUMP.read_bytes()),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return address


def dump(address: PostgresqlAddress) -> bytes:
    """Return all that a database has, without what pg_dump draws at random."""
    dumped = subprocess.run([program("pg_dump"), address], capture_output=True, check=True).stdout
    return b"\n".join(line for line in dumped.splitlines() if not line.startswith(b"\\"))


def keep_on_postgresql(address: PostgresqlAddress, number: int) -> None:
    change(address, f"UPDATE levity.migrated SET version = {number}")


def test_a_database_of_before_is_refused_by_all_and_not_touched(
    address: PostgresqlAddress, tmp_path: Path
) -> None:
    put_new(ours := tmp_path / "ours.db")
    ways: Mapping[str, Open] = {
        "serve": lambda: serve(address),
        "read": lambda: read(address),
        "check": lambda: check_quietly(address),
        "restore": lambda: go_on(address, None),
        "the look of upgrade": lambda: look_at(address, 107),
        "import": lambda: bring_in(address),
        "a command without a server": lambda: forget(address, "levity", ["CP-1"], None, None),
        "move": lambda: moved(address, ours.with_name("new.db")),
        "move onto it": lambda: moved(ours, address),
    }
    for number in OF_SCHEMA:
        keep_on_postgresql(address, number)
        before = dump(address)
        told = refusals(ways)
        assert told == dict.fromkeys(told, sentence("the database", number))
        assert dump(address) == before


def test_a_database_of_now_and_a_newer_one(server: Server) -> None:
    address = new_database(server)
    for number in (NEWEST, Version(NEWEST, NEWEST - 1).number):
        keep_on_postgresql(address, number)
        for open_it in (serve, read, check_quietly, bring_in):
            open_it(address)
    keep_on_postgresql(address, NEWEST + 1)
    before = dump(address)
    for open_it in (serve, read, check_quietly, bring_in):
        with pytest.raises(NewerSchema, match=f"schema {NEWEST + 1}, this one knows {NEWEST}"):
            open_it(address)
    assert dump(address) == before


def test_a_state_on_postgresql_that_was_never_released(server: Server, tmp_path: Path) -> None:
    address, folder = new_database(server), unreleased(tmp_path / "schema")
    for open_it in (
        lambda: serve(address, folder),
        lambda: check(address, lambda _name: None, folder),
        lambda: look_at(address, NEWEST, folder),
    ):
        with pytest.raises(NotOurs, match=rf"never released \(schema {NEWEST}\) .* nothing opens"):
            open_it()
    assert query(address, "SELECT mod(version, 1000) FROM levity.migrated") == [(NEWEST,)]
