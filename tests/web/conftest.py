"""Users whose passwords take no processor, in virtual time, as modules with `VIRTUAL_TIME = True`
are."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from levity_trio.access import user_passwords
from levity_trio.store.engine import connection
from levity_trio.store.engine.connection import open_reader
from tests.charger.conftest import run_in_virtual_time
from tests.replayed import ReplayedConnection, Shape, compared_before
from tests.sizes import IS_FULL
from tests.store.books import Books
from tests.web.entering import House
from tests.web.stores import POSTGRESQL, STORES, Stored

SQLITE: Final = "sqlite"
TWINS: Final = pytest.StashKey[dict[str, str]]()
"""Tests on SQLite, and those that do the same on PostgreSQL."""
SHAPES: Final = pytest.StashKey[dict[str, dict[Shape, int]]]()
"""What the latter do."""


def pytest_itemcollected(item: pytest.Function) -> None:
    is_virtual = "house" in item.fixturenames or getattr(item.module, "VIRTUAL_TIME", False)
    if is_virtual and inspect.iscoroutinefunction(item.function):
        item.add_marker(pytest.mark.trio(run=run_in_virtual_time))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let each test that runs on both stores run on SQLite first."""
    names = {item.nodeid for item in items}
    twins = {
        nodeid: nodeid.replace(SQLITE, POSTGRESQL, 1)
        for nodeid in names
        if SQLITE in nodeid and nodeid.replace(SQLITE, POSTGRESQL, 1) in names
    }
    shapes: dict[str, dict[Shape, int]] = {twin: {} for twin in twins.values()}
    config.stash[SHAPES] = shapes
    config.stash[TWINS] = twins


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Leave a test on PostgreSQL out, if all that it did on SQLite has been compared.

    At full size, none is left out.
    """
    shapes = item.config.stash[SHAPES].get(item.nodeid)
    if IS_FULL or not shapes or compared_before().missing(shapes):
        return None
    item.session._setupstate.teardown_exact(nextitem)
    return True


@pytest.fixture(params=[*STORES.values()], ids=[*STORES])
def stored(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stored]:
    """A database, once in a file and once on PostgreSQL, unless all its statements have been
    compared there by others."""
    stash, name = request.config.stash, request.node.nodeid
    with request.param(tmp_path) as stored:
        if name in stash[TWINS]:
            shapes = stash[SHAPES][stash[TWINS][name]]
            monkeypatch.setattr(connection, "open_reader", partial(_open_kept, shapes))
            yield stored._replace(connection=ReplayedConnection(stored.connection, shapes))
        else:
            yield stored
    if name in stash[SHAPES]:
        compared_before().add([*stash[SHAPES][name]])


def _open_kept(shapes: dict[Shape, int], path: Path) -> connection.FileDatabase:
    """Open a connection that reads, and keep the shapes of what it runs."""
    reading: Any = ReplayedConnection(open_reader(path).conn, shapes)
    return connection.FileDatabase(reading)


@pytest.fixture
def house(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(user_passwords, "SCRYPT_N", 2)
    monkeypatch.setattr(user_passwords, "SCRYPT_P", 1)
    return House(Books(stored.connection))
