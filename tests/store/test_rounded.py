"""A charger that rounds the registers of start and stop, but not its readings."""

import pytest

from tests.store.books import Books, Station
from tests.store.telling import assert_figure, charge, stop_with

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

HABIT = "SELECT transactions, revoked_at IS NULL FROM habit WHERE kind = 'ends_rounded'"


def rounded_session(
    station: Station, wh: int, step: int, tells_power: bool = True, minutes: int = 60
) -> int:
    """Charge with a start and a stop that are cut to this step; return the transaction."""
    transaction = station.start(wh // step * step)
    until = charge(station, transaction, wh, minutes, tells_power=tells_power)
    stop_with(station, transaction, until // step * step)
    station.books.wait(5)
    return transaction


@pytest.mark.parametrize("tells_power", [True, False])
@pytest.mark.parametrize(("step", "wh"), [(10, 7200), (100, 7200), (1000, 7000)])
def test_a_rounded_stop_below_the_last_reading_is_billed_as_reported(
    station: Station, step: int, wh: int, tells_power: bool
) -> None:
    transaction = rounded_session(station, 12_345, step, tells_power)

    assert_figure(station, transaction, wh, flagged=True)


def test_five_sessions_that_power_confirms_show_the_habit(station: Station) -> None:
    sessions = [rounded_session(station, 12_345 + 7200 * number, 100) for number in range(6)]

    assert_figure(station, sessions[0], 7200, flagged=True)
    assert_figure(station, sessions[5], 7200, flagged=False)


def test_a_rounded_session_without_a_contradiction_does_not_revoke_the_habit(
    books: Books, station: Station
) -> None:
    rounded_session(station, 12_345, 100)
    rounded_session(station, 19_600, 100)
    assert books.row(HABIT) == (1, 1)

    rounded_session(station, 26_801, 1)
    assert books.row(HABIT) == (1, 0)


@pytest.mark.parametrize(
    ("start", "stop", "wh"),
    [
        pytest.param(12_340, 19_450, 7205, id="the stop is further away than the step"),
        pytest.param(12_345, 19_500, 7155, id="the start is not rounded"),
    ],
)
def test_a_stop_below_the_readings_is_not_rounded_by_chance(
    station: Station, start: int, stop: int, wh: int
) -> None:
    transaction = station.start(start)
    charge(station, transaction, 12_345)
    station.stop(transaction, stop)

    assert_figure(station, transaction, wh, flagged=True)


def test_a_neighbour_that_is_not_rounded_shows_that_none_is(station: Station) -> None:
    rounded_session(station, 5135, 1)
    transaction = rounded_session(station, 12_345, 10)

    assert_figure(station, transaction, 7200, flagged=True)
