"""Hours take milliseconds: tests run on a clock that jumps whenever all tasks wait, so none may use a thread."""

from tests.charger.conftest import pytest_itemcollected

__all__ = ["pytest_itemcollected"]
