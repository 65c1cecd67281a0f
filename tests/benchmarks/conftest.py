"""Tests of benchmarks fork what these would spawn."""

import pytest

from tests.tools.benchmarks.process import FORKING


@pytest.fixture(autouse=True)
def _forking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FORKING, "1")
