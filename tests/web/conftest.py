"""Users whose passwords take no processor, in virtual time, as modules with `VIRTUAL_TIME = True`
are."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from levity_trio.access import user_passwords
from tests.charger.conftest import run_in_virtual_time
from tests.store.books import Books
from tests.web.entering import House
from tests.web.stores import STORES, Stored


def pytest_itemcollected(item: pytest.Function) -> None:
    is_virtual = "house" in item.fixturenames or getattr(item.module, "VIRTUAL_TIME", False)
    if is_virtual and inspect.iscoroutinefunction(item.function):
        item.add_marker(pytest.mark.trio(run=run_in_virtual_time))


@pytest.fixture(params=[*STORES.values()], ids=[*STORES])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stored]:
    """A database, once in a file and once on PostgreSQL, which belongs to the night."""
    with request.param(tmp_path) as stored:
        yield stored


@pytest.fixture
def house(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(user_passwords, "SCRYPT_N", 2)
    monkeypatch.setattr(user_passwords, "SCRYPT_P", 1)
    return House(Books(stored.connection))
