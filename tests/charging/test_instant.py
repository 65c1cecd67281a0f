"""Transactions of a few seconds, by a simulator or an installer: their times do not limit their
steps."""

import pytest

from tests.charging.cases import Minutes, case, certain, found

SECOND = 1 / 60


@pytest.mark.parametrize(
    "readings",
    [
        [],
        [(SECOND, 1800)],
        [(0, 1400), (0, 1800)],
        [(0.0005, 1400), (0.001, 1800)],
        [(SECOND, 1400), (2 * SECOND, 1800)],
        [(number * SECOND, 1000 + 100 * number) for number in range(10)],
    ],
)
def test_start_readings_and_stop_within_seconds_are_billed_as_reported(readings: Minutes) -> None:
    assert found(case(1000, 2500, readings, 10 * SECOND)) == certain(1500)


def test_power_does_not_refute_it() -> None:
    watts = {number * SECOND: 7200.0 for number in range(5)}
    readings = [(number * SECOND, 1000 + 300 * number) for number in range(5)]
    assert found(case(1000, 2500, readings, 5 * SECOND, watts))[0] == 1500


def test_more_than_a_charger_can_deliver_with_a_minute_at_each_end_is_not_certain() -> None:
    _, _, confidence, _ = found(case(1000, 16_000, [(SECOND, 1400)], 2 * SECOND))
    assert confidence == "doubtful"
