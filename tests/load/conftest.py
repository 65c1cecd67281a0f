"""Fixtures. Modules with `VIRTUAL_TIME = True` run in virtual time, like those of tests/charger,
with its server."""

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from levity_trio.charger.central import Central
from tests.charger.conftest import addresses, run_in_virtual_time, stretching
from tests.charger.parts import InlineWriter, make_central
from tests.store.template import only_new

__all__ = ["addresses", "stretching"]


def pytest_itemcollected(item: pytest.Function) -> None:
    if getattr(item.module, "VIRTUAL_TIME", False) and inspect.iscoroutinefunction(item.function):
        item.add_marker(pytest.mark.trio(run=run_in_virtual_time))


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[InlineWriter]:
    with only_new(tmp_path / "levity.db") as connection:
        yield InlineWriter(connection)


@pytest.fixture
def central(writer: InlineWriter) -> Central:
    return make_central(writer)
