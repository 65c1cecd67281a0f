"""Users whose passwords take no processor, in virtual time."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from levity_trio.access import user_passwords
from tests.charger.conftest import run_in_virtual_time
from tests.store.books import Books
from tests.store.template import new_database
from tests.web.entering import House


def pytest_itemcollected(item: pytest.Function) -> None:
    if "house" in item.fixturenames and inspect.iscoroutinefunction(item.function):
        item.add_marker(pytest.mark.trio(run=run_in_virtual_time))


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(user_passwords, "SCRYPT_N", 2)
    monkeypatch.setattr(user_passwords, "SCRYPT_P", 1)
    with new_database(tmp_path / "site.db") as connection:
        connection.execute("PRAGMA synchronous = OFF")  # these tests do not cover power failures
        yield House(Books(connection))
