"""How chargers are wired, learned from a car with one phase and a meter."""

from __future__ import annotations

import pytest

from levity_trio.load.tree import NOTHING, Phases
from levity_trio.load.wiring import Wiring

PLACE = ("CP-1", 1)
HOUSE: Phases = (4.0, 3.0, 5.0)


def on(phase: int, amperes: float, more: Phases = NOTHING) -> Phases:
    one, two, three = (
        house + extra + (amperes if where == phase else 0.0)
        for where, (house, extra) in enumerate(zip(HOUSE, more, strict=True))
    )
    return one, two, three


def voted(before: Phases, after: Phases, own: Phases, *, seconds: float = 60.0) -> str | None:
    """Let a car begin to draw while the meter goes from one value to another."""
    wiring = Wiring()
    wiring.measured("Feeder", before, 0.0)
    assert wiring.drawn(PLACE, ["Feeder"], NOTHING, 1.0) is None
    wiring.measured("Feeder", after, seconds)
    return wiring.drawn(PLACE, ["Row", "Feeder"], own, seconds)


@pytest.mark.parametrize(("phase", "rotation"), [(0, "RST"), (1, "STR"), (2, "TRS")])
def test_the_phase_that_steps_with_the_car_is_its_first_line(phase: int, rotation: str) -> None:
    assert voted(HOUSE, on(phase, 15.8, (0.4, 0.9, -0.6)), (16.0, 0.0, 0.0)) == rotation


@pytest.mark.parametrize(
    ("after", "own"),
    [
        (on(0, 16), (16.0, 16.0, 16.0)),
        (on(0, 3), (3.0, 0.0, 0.0)),
        (on(0, 10), (16.0, 0.0, 0.0)),
        (on(0, 16, (0, 8, 0)), (16.0, 0.0, 0.0)),
        (on(0, 16, (0, 16, 0)), (16.0, 0.0, 0.0)),
    ],
    ids=[
        "three lines",
        "too small a step",
        "another step",
        "an oven meanwhile",
        "another car meanwhile",
    ],
)
def test_what_shows_nothing(after: Phases, own: Phases) -> None:
    assert voted(HOUSE, after, own) is None


def test_readings_that_are_far_apart_show_nothing() -> None:
    assert voted(HOUSE, on(1, 16), (16.0, 0.0, 0.0), seconds=400.0) is None


def test_a_stop_shows_the_same_and_a_repeated_reading_nothing() -> None:
    wiring = Wiring()
    wiring.measured("Feeder", on(1, 16), 0.0)
    assert wiring.drawn(PLACE, ["Feeder"], (16.0, 0.0, 0.0), 1.0) is None
    wiring.measured("Feeder", HOUSE, 50.0)
    assert wiring.drawn(PLACE, ["Feeder"], NOTHING, 60.0) == "STR"
    assert wiring.drawn(PLACE, ["Feeder"], NOTHING, 60.0) is None


def test_without_a_meter_nothing_is_learned() -> None:
    wiring = Wiring()
    assert wiring.drawn(PLACE, ["Feeder"], NOTHING, 0.0) is None
    assert wiring.drawn(PLACE, ["Feeder"], (16.0, 0.0, 0.0), 30.0) is None
