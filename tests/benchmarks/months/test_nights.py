"""`just months --nights`: nothing of an honest house is for review, its registers being new or near
each other."""

from __future__ import annotations

import pytest

from tests.sizes import size
from tests.tools.benchmarks.months.__main__ import main
from tests.tools.benchmarks.months.nights import CHARGERS, HEAD, REGISTERS, House, found_in

NIGHTS = size(60, 2)
SEEDS = range(1, size(10, 3) + 1)


@pytest.mark.parametrize("registers", REGISTERS)
def test_no_session_of_an_honest_house_is_for_review(registers: str) -> None:
    found = [found_in(House(seed, NIGHTS, registers)) for seed in SEEDS]
    assert [(one.causes.total(), one.wrong) for one in found] == [(0, 0)] * len(SEEDS), found
    assert min(one.sessions for one in found) > CHARGERS * NIGHTS / 2


def test_the_command_prints_each_house_and_the_share_for_review(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--nights", "1", "--seeds", "1,2"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == HEAD
    assert len(lines) == len(REGISTERS) * 3
    assert all(line.split()[-3:] == ["0.00", "%", "0"] for line in lines)
