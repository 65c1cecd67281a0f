"""Prints each test with its lane: `python -m tests.tools.lanes`, such as `night
tests/benchmarks/test_api.py::test_it`."""

from __future__ import annotations

import sys

import pytest

from tests.lanes import BOTH, ITEMS, lane_of


class _Printer:
    """A plugin that prints them when they are collected."""

    @pytest.hookimpl
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.config.stash[ITEMS]:
            print(lane_of(item), item.nodeid)


def main() -> int:
    silent = ["-o", "addopts=-p no:schemathesis -p no:cacheprovider -p no:terminal"]
    return pytest.main([*silent, "--collect-only", "--lane", BOTH], plugins=[_Printer()])


if __name__ == "__main__":
    sys.exit(main())
