"""A stop with the correct ID is never matched to another transaction, even if its register, the
unit of its readings or its meter is wrong. Only a wrong clock or a missing reading may overrule the
ID."""

from typing import NamedTuple

from hypothesis import assume, given
from hypothesis import strategies as st

from levity_trio.charging.lifecycle import State
from levity_trio.charging.matching.stops import Running, Stopping, match_stop

FIRST, BEGUN, HOUR = 1_000_001, 36_000.0, 3600.0
STATES = st.sampled_from([State.OPEN, State.SUSPENDED, State.JOINED, State.CLOSED])
WATTS = st.sampled_from([None, 0.0, 1400.0, 3700.0, 11_000.0, 22_000.0, 150_000.0])
REGISTERS = st.one_of(st.integers(0, 100_000), st.integers(0, 9_000_000))


class Truth(NamedTuple):
    """A transaction with its reported readings, and its correct stop."""

    named: Running
    stop: Stopping


@st.composite
def truths(draw: st.DrawFn) -> Truth:
    """Return transactions of up to 300 kW.

    The readings are correct, per session, wrong by a factor, or of a register that was reset before
    the last of them.
    """
    start, every = draw(REGISTERS), draw(st.integers(60, 3600))
    steps = draw(st.lists(st.integers(0, 300_000 * every // 3600), min_size=1, max_size=8))
    course = [start + sum(steps[: number + 1]) for number in range(len(steps))]
    lie = draw(
        st.sampled_from(
            ["none", "session", "began again", "factor", "session and factor", "no readings"]
        )
    )
    offset = draw(st.integers(1, course[-1])) if lie == "began again" and course[-1] else 0
    ended = BEGUN + every * len(steps)
    stop = Stopping(FIRST, None, course[-1] - offset, ended, is_timed=True)
    begins_again_at = draw(st.integers(0, len(steps) - 1))
    reported = [
        wh - (offset if number >= begins_again_at else 0) for number, wh in enumerate(course)
    ]
    reported = [max(0, wh) for wh in reported]
    if lie.startswith("session"):
        reported = [wh - start for wh in course]
    if lie.endswith("factor"):
        factor = draw(st.sampled_from([0.1, 10, 0.001, 1000, 0.01, 100]))
        reported = [round(wh * factor) for wh in reported]
    # otherwise they look like the lifetime register
    assume(not lie.startswith("session") or reported[0] < start)
    is_last_lost = draw(st.booleans()) and lie != "began again" and len(reported) > 1
    reported = reported[:-1] if is_last_lost else reported
    reported = [] if lie == "no readings" else reported
    return Truth(_running(start, reported, every, ended, draw(WATTS), draw(STATES)), stop)


def _running(
    start: int,
    reported: list[int],
    every: int,
    ended: float,
    power_w: float | None,
    state: State = State.OPEN,
) -> Running:
    """Return the transaction as the store derives it from start and readings."""
    reached = reported[-1] + (start if reported[0] < start else 0) if reported else None
    return Running(
        id=FIRST,
        state=state,
        begun=BEGUN,
        start_wh=start,
        reached_at=BEGUN + every * len(reported),
        reached_wh=reached,
        power_w=power_w if reported else None,
        last_power_w=power_w if reported else None,
        digit=1,
        id_tag=None,
        available_at=None,
        longest=ended - BEGUN,
        reported=(reported[0], reported[-1]) if reported else None,
    )


@st.composite
def neighbours(draw: st.DrawFn) -> list[Running]:
    """Return one or two transactions of other connectors, at any register."""
    found = []
    for number in range(1, 1 + draw(st.integers(1, 2))):
        reported = sorted(draw(st.lists(REGISTERS, max_size=2)))
        start = draw(REGISTERS) if not reported else draw(st.integers(0, reported[0]))
        one = _running(start, reported, 900, BEGUN + HOUR, draw(WATTS), draw(STATES))
        begun = BEGUN + draw(st.integers(-7200, 3600))
        found.append(
            one._replace(
                id=FIRST + number, begun=begun, reached_at=begun + draw(st.integers(0, 3600))
            )
        )
    return found


@given(truths(), neighbours())
def test_a_correct_id_is_never_overruled(truth: Truth, others: list[Running]) -> None:
    match = match_stop(truth.stop, [truth.named, *others])
    assert (match.transaction, match.doubt) == (FIRST, None), truth
