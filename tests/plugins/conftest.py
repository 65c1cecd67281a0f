"""Fixtures. Modules with `VIRTUAL_TIME = True` run in virtual time, like those of tests/charger."""

import inspect
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.charger.conftest import run_in_virtual_time
from tests.plugins.metric_runs import Run
from tests.store.books import Books, in_memory


def pytest_itemcollected(item: pytest.Function) -> None:
    if getattr(item.module, "VIRTUAL_TIME", False) and inspect.iscoroutinefunction(item.function):
        item.add_marker(pytest.mark.trio(run=run_in_virtual_time))


@pytest.fixture
def books() -> Iterator[Books]:
    with closing(in_memory()) as connection:
        yield Books(connection)


@pytest.fixture
def run(books: Books) -> Run:
    return Run(books)
