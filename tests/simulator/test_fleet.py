"""The limit of open files."""

from __future__ import annotations

import resource

import pytest

from levity_trio.config import EnvironmentProblem
from levity_trio.simulator.fleet import MOST_FILES, SPARE_FILES, raise_file_limit


class Limits:
    """Replace the machine's limit of open files."""

    def __init__(self, soft: int, hard: int) -> None:
        self.now = (soft, hard)

    def get(self, _which: int) -> tuple[int, int]:
        return self.now

    def set(self, _which: int, limits: tuple[int, int]) -> None:
        self.now = limits


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """1024 of 4096."""
    one = Limits(1024, 4096)
    monkeypatch.setattr(resource, "getrlimit", one.get)
    monkeypatch.setattr(resource, "setrlimit", one.set)
    return one


def test_the_soft_limit_is_raised(limits: Limits) -> None:
    raise_file_limit(4096 - SPARE_FILES)
    assert limits.now == (4096, 4096)


def test_too_many_chargers_are_refused_in_one_line(limits: Limits) -> None:
    with pytest.raises(
        EnvironmentProblem,
        match=r"4096 chargers need 4160 open files, .* allows 4096: .* --chargers$",
    ):
        raise_file_limit(4096)
    assert limits.now == (1024, 4096)


def test_a_machine_without_limits(limits: Limits) -> None:
    limits.now = (1024, resource.RLIM_INFINITY)
    raise_file_limit(100_000)
    assert limits.now == (MOST_FILES, resource.RLIM_INFINITY)


def test_a_wider_limit_stays(limits: Limits) -> None:
    limits.now = (2 * MOST_FILES, resource.RLIM_INFINITY)
    raise_file_limit(1)
    assert limits.now == (2 * MOST_FILES, resource.RLIM_INFINITY)
