"""A stop that names its transaction truly is never given to another one, however its register, the unit of its readings
or its meter lies; only where its clock or a missing reading hides it may the name be overruled."""

from typing import NamedTuple

from hypothesis import assume, given
from hypothesis import strategies as st

from levity_trio.charging.lifecycle import State
from levity_trio.charging.matching import Running, Stopping, match_stop

FIRST, BEGUN, HOUR = 1_000_001, 36_000.0, 3600.0
STATES = st.sampled_from([State.OPEN, State.SUSPENDED, State.JOINED, State.CLOSED])
WATTS = st.sampled_from([None, 0.0, 1400.0, 3700.0, 11_000.0, 22_000.0, 150_000.0])
REGISTERS = st.one_of(st.integers(0, 100_000), st.integers(0, 9_000_000))


class Truth(NamedTuple):
    """What a car drew from reading to reading, what is told of it, and its stop."""

    named: Running
    stop: Stopping


@st.composite
def truths(draw: st.DrawFn) -> Truth:
    """Up to 300 kW of this car and of one beside it; readings as they are, per session, by a factor, or of a register
    that began again before the last of them."""
    start, every = draw(REGISTERS), draw(st.integers(60, 3600))
    steps = draw(st.lists(st.integers(0, 300_000 * every // 3600), min_size=1, max_size=8))
    course = [start + sum(steps[: number + 1]) for number in range(len(steps))]
    lie = draw(st.sampled_from(["none", "session", "began again", "factor", "session and factor", "no readings"]))
    offset = draw(st.integers(1, course[-1])) if lie == "began again" and course[-1] else 0
    ended = BEGUN + every * len(steps)
    stop = Stopping(FIRST, None, course[-1] - offset, ended, is_timed=True)
    begins_again_at = draw(st.integers(0, len(steps) - 1))
    told = [wh - (offset if number >= begins_again_at else 0) for number, wh in enumerate(course)]
    told = [max(0, wh) for wh in told]
    if lie.startswith("session"):
        told = [wh - start for wh in course]
    if lie.endswith("factor"):
        factor = draw(st.sampled_from([0.1, 10, 0.001, 1000, 0.01, 100]))
        told = [round(wh * factor) for wh in told]
    assume(not lie.startswith("session") or told[0] < start)  # else they seem to be the lifetime register
    is_last_lost = draw(st.booleans()) and lie != "began again" and len(told) > 1
    told = told[:-1] if is_last_lost else told
    told = [] if lie == "no readings" else told
    return Truth(_running(start, told, every, ended, draw(WATTS), draw(STATES)), stop)


def _running(
    start: int, told: list[int], every: int, ended: float, power_w: float | None, state: State = State.OPEN
) -> Running:
    """As the store makes it of a start and of readings."""
    reached = told[-1] + (start if told[0] < start else 0) if told else None
    return Running(
        id=FIRST,
        state=state,
        begun=BEGUN,
        start_wh=start,
        reached_at=BEGUN + every * len(told),
        reached_wh=reached,
        power_w=power_w if told else None,
        last_power_w=power_w if told else None,
        digit=1,
        id_tag=None,
        available_at=None,
        longest=ended - BEGUN,
        reported=(told[0], told[-1]) if told else None,
    )


@st.composite
def neighbours(draw: st.DrawFn) -> list[Running]:
    """One or two of other connectors, anywhere near or far."""
    found = []
    for number in range(1, 1 + draw(st.integers(1, 2))):
        told = sorted(draw(st.lists(REGISTERS, max_size=2)))
        start = draw(REGISTERS) if not told else draw(st.integers(0, told[0]))
        one = _running(start, told, 900, BEGUN + HOUR, draw(WATTS), draw(STATES))
        begun = BEGUN + draw(st.integers(-7200, 3600))
        found.append(one._replace(id=FIRST + number, begun=begun, reached_at=begun + draw(st.integers(0, 3600))))
    return found


@given(truths(), neighbours())
def test_a_truthful_name_is_never_overruled(truth: Truth, others: list[Running]) -> None:
    match = match_stop(truth.stop, [truth.named, *others])
    assert (match.transaction, match.doubt) == (FIRST, None), truth
