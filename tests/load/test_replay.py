"""What if: the past charged again, compared with nights that were really simulated under the other
limit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from levity_trio.load.replay import PastHouse, ReplayedStay, WhatIf, course_of, replay, with_more
from levity_trio.load.rule import OtherLoad, decide
from levity_trio.load.tree import Phases
from tests.sizes import size
from tests.tools.load.nights import FEEDER, STEP, Battery, Block, Night
from tests.tools.load.nights import Stay as Charging

NIGHTS = size(30, 2)
ENOUGH = 120.0
"""A per phase at which every car gets what it wants."""
ENERGY, PEAK = 0.03, 5.0


class Recorded(Night):
    """Nights that keep what a site would: who came, what he took, what the house drew, and the
    peak."""

    def __init__(self, block: Block) -> None:
        super().__init__(block, decide)
        self.stays = [
            ReplayedStay(
                place=self._place(stay),
                since=stay.arrival,
                until=stay.departure,
                wanted_wh=stay.wanted_wh,
                lines=self._cars[stay.number].lines,
                most=self._cars[stay.number].most,
                whose=f"Flat {stay.number}",
                course=course_of(
                    [*_recorded(self._cars[stay.number], stay, taper=block.taper)],
                    self._cars[stay.number].lines,
                ),
            )
            for stay in self._coming
        ]
        self.quarters: dict[int, list[Phases]] = {}
        self.tree = self._tree
        _draw = self._house.draw

        def draw(now: float) -> OtherLoad:
            other = _draw(now)
            self.quarters.setdefault(int(now // 900), []).append(other.now)
            return other

        self._house.draw = draw  # type: ignore[method-assign]  # what it draws is recorded

    def house(self) -> PastHouse:
        quarters = {
            quarter: (
                tuple(sum(phase) / len(found) for phase in zip(*found, strict=True)),
                tuple(max(phase) for phase in zip(*found, strict=True)),
            )
            for quarter, found in self.quarters.items()
        }
        return PastHouse({FEEDER: quarters} if quarters else {})


def _recorded(car: Battery, stay: Charging, *, taper: bool) -> Iterator[float]:
    """Yield what a car takes in each quarter of an hour where nothing limits it."""
    left = replace(stay)
    while left.got_wh < left.wanted_wh:
        before = left.got_wh
        for _ in range(int(900 / STEP)):
            left.got_wh = min(
                left.wanted_wh,
                left.got_wh + car.takes(left, taper=taper) * car.lines * 230 * STEP / 3600,
            )
        yield left.got_wh - before


@pytest.mark.night
@pytest.mark.parametrize(
    ("limit", "house", "taper"),
    [(25.0, 0.0, False), (32.0, 0.0, True), (25.0, 0.0, True), (40.0, 1.0, False)],
)
def test_the_answer_is_near_the_truth(limit: float, house: float, *, taper: bool) -> None:
    past, truth = (
        Recorded(Block(amperes, 1, NIGHTS, house=house, taper=taper)) for amperes in (ENOUGH, limit)
    )
    assert past.run().met > 0.98
    real = truth.run()
    circuits, sockets = past.tree.circuits.values(), past.tree.sockets.values()
    tree, stays = with_more(circuits, sockets, past.stays, 0, limit)
    found = replay(tree, stays, past.house())
    print(
        (
            f"\n{limit:g} A: met {100 * found.given_wh / found.wanted_wh:.1f} %, truth "
            f"{100 * real.met:.1f} %;"
        ),
        end=" ",
    )
    print(f"peak {max(found.peak_a):.1f} A, truth {real.peak:.1f} A")
    assert found.wanted_wh == pytest.approx(real.wanted_wh, abs=1)
    assert abs(found.given_wh - real.got_wh) <= ENERGY * real.got_wh
    assert abs(max(found.peak_a) - real.peak) <= PEAK


def stay(number: int, since: float = 0.0, **other: object) -> ReplayedStay:
    plain = ReplayedStay(
        place=(f"C{number:02}", 1),
        since=since,
        until=since + 6 * 3600,
        wanted_wh=13_800,
        lines=1,
        most=16,
        whose=f"Flat {number}",
    )
    return replace(plain, **other)  # type: ignore[arg-type]  # fields by name


def again(limit: float, *stays: ReplayedStay, more: int = 0) -> WhatIf:
    there = Recorded(Block(ENOUGH, 1, 0)).tree
    circuits, sockets = there.circuits.values(), there.sockets.values()
    tree, found = with_more(circuits, sockets, stays, more, limit)
    return replay(tree, found, PastHouse({}))


def test_who_would_have_been_short() -> None:
    """Two cars on the same phase share 16 A for six hours: 22.08 kWh of the 27.6 that they want."""
    found = again(16, stay(0), stay(3))
    assert found.given_wh == pytest.approx(22_080, rel=0.01)
    assert sorted((one.who, one.sessions) for one in found.short) == [
        ("Flat 0", 1),
        ("Flat 3", 1),
    ]
    assert found.peak_a == [16, 0, 0]
    assert again(32, stay(0), stay(3)).short == []


def test_more_chargers_are_used_as_those_that_are_there() -> None:
    found = again(32, stay(0), stay(1), more=3)
    assert (found.sessions, found.wanted_wh) == (5, 5 * 13_800)


def test_waiting_is_counted() -> None:
    found = again(6, stay(0), stay(3, since=60.0))
    assert found.waited_seconds == pytest.approx(6 * 3600, rel=0.1)


def test_nothing_happened() -> None:
    found = again(16)
    assert (found.sessions, found.wanted_wh, found.peak_a) == (0, 0, [0, 0, 0])
