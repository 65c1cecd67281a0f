"""Commands run in an empty folder, without LEVITY_* variables of the environment, and write numbers
in English."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from levity_trio.cli import main


class Run(NamedTuple):
    """What became of a command."""

    status: int
    out: list[str]
    err: str


Type = Callable[..., Run]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    for name in os.environ:
        if name.startswith("LEVITY_"):
            monkeypatch.delenv(name)


@pytest.fixture
def typed(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Type:
    """The COMMAND of a module, at site.db."""
    monkeypatch.setenv("LEVITY_DB", str(tmp_path / "site.db"))

    def run(*arguments: str) -> Run:
        status = main([request.module.COMMAND, *arguments])
        out, err = capsys.readouterr()
        return Run(status, out.splitlines(), err)

    return run
