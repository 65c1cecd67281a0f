"""What counts as too much current in an evening of `fleets`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.load.foreign.evening import Currents, Second
from tests.load.foreign.kinds import HONEST, KINDS
from tests.tools.load.fleets import BEGINS, longest_span, writes_in_worst_hour

NOTHING = 0.0, 0.0, 0.0
ALL = 16.0, 16.0, 16.0
SECONDS = 5


@pytest.mark.parametrize(
    ("name", "drawn", "seconds"),
    [
        pytest.param("", (1.0, 0.0, 0.0), SECONDS, id="an honest one draws on the line"),
        pytest.param("", NOTHING, 0, id="an honest one waits"),
        pytest.param("", (0.0, 6.0, 6.0), 0, id="an honest one draws on other lines"),
        pytest.param(
            "refuses 0 A", (6.0, 6.0, 6.0), 0, id="one is at the least that it can be told"
        ),
        pytest.param(
            "refuses 0 A", (6.1, 6.1, 6.1), SECONDS, id="one is above the least that it can be told"
        ),
        pytest.param(
            "ignores after 10 min", (16.0, 0.0, 0.0), 0, id="all that draw ignore their limits"
        ),
    ],
)
def test_too_much_counts_if_one_that_obeys_could_be_told_less(
    name: str, drawn: Currents, seconds: int
) -> None:
    kinds = [KINDS["says SuspendedEVSE, delivers"], KINDS.get(name, HONEST)]
    of_line = 16 + drawn[0]
    evening = [
        Second(BEGINS + at, (of_line + 13, 16.0, 16.0), [ALL, drawn]) for at in range(SECONDS)
    ]
    span = longest_span(25.0, kinds, evening, 1.13)
    assert (span.seconds if span else 0) == seconds


def test_too_much_counts_while_one_of_these_others_draws() -> None:
    """What the odd one draws alone is left out."""
    drawn = [(ALL, (1.0, 0.0, 0.0)), (ALL, (0.0, 16.0, 16.0)), (ALL, NOTHING)]
    evening = [
        Second(BEGINS + at, (30.0, 16.0, 16.0), list(of_points))
        for at, of_points in enumerate(drawn)
    ]
    spans = [longest_span(25.0, [HONEST] * 2, evening, 1.13, others) for others in ([0, 1], [1])]
    assert [span.total for span in spans if span is not None] == [3, 1]


def test_the_longest_of_several_spans_is_told() -> None:
    flowing = [30.0, 20.0, 30.0, 30.0, 31.0, 20.0]
    evening = [
        Second(BEGINS + at, (of_line, 0.0, 0.0), [ALL]) for at, of_line in enumerate(flowing)
    ]
    span = longest_span(25.0, [HONEST], evening, 1.13)
    assert span is not None
    assert (span.seconds, span.total) == (3, 4)
    assert (span.begins, span.highest.feeder[0]) == (2, 31)


def test_raises_and_defaults_are_counted_in_the_worst_hour_of_a_connector() -> None:
    """A refused raise is one, too; a lowering and a renewal are not."""
    told = [
        (0.0, 1, "TxDefaultProfile", "A", 0.0, "Accepted"),
        (10.0, 1, "TxProfile", "A", 6.0, "Accepted"),
        (20.0, 1, "TxProfile", "A", 6.0, "Accepted"),
        (30.0, 1, "TxProfile", "W", 4_200.0, "Rejected"),
        (40.0, 1, "TxProfile", "W", 4_200.0, "Rejected"),
        (50.0, 1, "TxProfile", "A", 0.0, "Accepted"),
        (60.0, 2, "TxProfile", "A", 6.0, "Accepted"),
        (3_605.0, 1, "TxProfile", "A", 8.0, "Accepted"),
    ]
    calls = [
        (at, "SetChargingProfile", write(connector, purpose, unit, limit), status)
        for at, connector, purpose, unit, limit, status in told
    ]
    assert writes_in_worst_hour([*calls, (70.0, "Reset", {}, "Accepted")]) == (4, 6)


def write(connector: int, purpose: str, unit: str, limit: float) -> dict[str, Any]:
    schedule = {
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
    }
    profile = {"chargingProfilePurpose": purpose, "chargingSchedule": schedule}
    return {"connectorId": connector, "csChargingProfiles": profile}
