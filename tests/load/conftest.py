"""Fixtures. Modules with `VIRTUAL_TIME = True` run in virtual time, like those of tests/charger."""

import inspect

import pytest

from tests.charger.conftest import run_in_virtual_time


def pytest_itemcollected(item: pytest.Function) -> None:
    if getattr(item.module, "VIRTUAL_TIME", False) and inspect.iscoroutinefunction(item.function):
        item.add_marker(pytest.mark.trio(run=run_in_virtual_time))
