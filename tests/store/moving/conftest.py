"""A house in a file, and a server of PostgreSQL to move it to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.moving import move, proof
from tests.browser.past import write_past
from tests.postgresql import Server, running
from tests.store.postgresql.stored import empty_database, name_of

from .watching import moved

_numbers = count(1)
MOMENT = datetime(2026, 3, 18, 18, 0, tzinfo=UTC)


@pytest.fixture(scope="package")
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture(scope="package")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "house.db"
    write_past(path, MOMENT)
    return path


@pytest.fixture
def house(model: Path, tmp_path: Path) -> Path:
    """The database of a stopped server."""
    return Path(shutil.copy(model, tmp_path / "house.db"))


@pytest.fixture(scope="package")
def moved_model(model: Path, server: Server) -> PostgresqlAddress:
    address = empty_database(server)
    moved(model, address)
    return address


@pytest.fixture
def on_postgresql(server: Server, moved_model: PostgresqlAddress) -> PostgresqlAddress:
    """The same after it was moved."""
    return _copied(server, moved_model)


def _copied(server: Server, moved_model: PostgresqlAddress) -> PostgresqlAddress:
    name = f"house_{next(_numbers)}"
    server.sql(f"CREATE DATABASE {name} TEMPLATE {name_of(moved_model)} STRATEGY file_copy")
    server.sql("UPDATE levity.migrated SET place = levity.place()", name)
    return server.address(name)


@pytest.fixture(scope="package", autouse=True)
def small_parts() -> Iterator[None]:
    """Let a small database have many parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(move, "PART_BYTES", 50_000)
        patch.setattr(proof, "STEP_ROWS", 500)
        yield
