"""The rule over some nights of a block; all of them, and what must be reached, with `just
feeder`."""

from __future__ import annotations

import pytest

from levity_trio.simulator.feeder import Breaker
from tests.sizes import size
from tests.tools.load.nights import Block, run

NIGHTS = size(30, 2)


@pytest.mark.night
@pytest.mark.parametrize(
    ("block", "least"),
    [
        (Block(25, 1, NIGHTS), 0.85),
        (Block(32, 2, NIGHTS, house=1.0), 0.8),
        (Block(32, 3, NIGHTS, taper=True), 0.9),
        (Block(40, 1, NIGHTS, late=5), 0.97),
    ],
    ids=["alone", "with the house", "with taper", "with a least of 8 A"],
)
def test_no_breaker_trips_and_cars_are_charged(block: Block, least: float) -> None:
    found = run(block)
    assert found.trips == 0
    assert found.met > least
    assert max(found.changes) <= 85
    if not block.taper and not block.house:
        assert found.moments_over == 0


def test_a_breaker_carries_what_it_must() -> None:
    breaker = Breaker()
    assert not breaker.carry(1.13, 3600)
    assert breaker.carry(1.14, 3600)
