"""A charger's clock, set by the central system's."""

from datetime import timedelta

from levity_trio.simulator.charger.state import ChargerClock
from tests.simulator.charger.central import NOON


def told(clock: ChargerClock, at: float, stale_seconds: float) -> None:
    """The central system sends its time, which has this age on arrival."""
    clock.set(NOON + timedelta(seconds=at - stale_seconds), at)


def test_what_the_central_system_showed_at_first_is_the_latest_that_it_told() -> None:
    clock = ChargerClock()
    assert clock.zero is None
    for at, stale_seconds in ((10.0, 9.0), (20.0, 2.0), (30.0, 5.0)):
        told(clock, at, stale_seconds)
    assert clock.zero == NOON - timedelta(seconds=2)
    clock.forget(40.0)
    assert clock.zero == NOON - timedelta(seconds=2)
