"""Fluentd tests run in virtual time, which jumps whenever all tasks wait; no test may use a
thread."""

from tests.charger.conftest import pytest_itemcollected

__all__ = ["pytest_itemcollected"]
