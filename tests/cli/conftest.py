"""Commands run in an empty folder, without LEVITY_* variables of the environment, and write numbers in English."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    for name in os.environ:
        if name.startswith("LEVITY_"):
            monkeypatch.delenv(name)
