"""What counts as too much current in an evening of `fleets`."""

from __future__ import annotations

import pytest

from tests.load.foreign.evening import Currents, Second
from tests.load.foreign.kinds import HONEST, KINDS
from tests.tools.load.fleets import BEGINS, longest_span

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


def test_the_longest_of_several_spans_is_told() -> None:
    flowing = [30.0, 20.0, 30.0, 30.0, 31.0, 20.0]
    evening = [
        Second(BEGINS + at, (of_line, 0.0, 0.0), [ALL]) for at, of_line in enumerate(flowing)
    ]
    span = longest_span(25.0, [HONEST], evening, 1.13)
    assert span is not None
    assert (span.seconds, span.begins, span.highest.feeder[0]) == (3, 2, 31)
