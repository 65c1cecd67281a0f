"""energy.delivered: what is billed for honest meters, and for those that lie (rules.md, Energy; design §7)."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.charging.energy import FASTEST_W, JUMP_WH, Energy, Series, Span, delivered, is_jump, shown
from levity_trio.wire.times import stamp
from tests.store.books import NOON

HOUR = 60
Minutes = list[tuple[int, int]]


def span(start: int | None, stop: int | None, minutes: float = HOUR, power: dict[float, float] | None = None) -> Span:
    power_w = {at(minute): watts for minute, watts in (power or {}).items()}
    return Span(at(0), at(minutes), start, stop, max(0, minutes) * 60, power_w=power_w)


def steady(watts: float, *minutes: float) -> dict[float, float]:
    return dict.fromkeys(minutes, watts)


def at(minutes: float) -> str:
    return stamp(NOON + timedelta(minutes=minutes))


def series(readings: Minutes) -> Series:
    return [(at(minutes), wh) for minutes, wh in readings]


def bill(start: int | None, stop: int | None, readings: Minutes, minutes: float = HOUR) -> Energy:
    return delivered(span(start, stop, minutes), series(readings))


HONEST: list[tuple[int, int, Minutes]] = [
    (1000, 5000, []),
    (1000, 5000, [(10, 1500), (20, 3000), (59, 4990)]),
    (1000, 1000, [(10, 1000)]),
    (0, 7000, [(1, 0), (30, 3500)]),
    (1000, 5000, [(30, 1500), (30, 1500), (31, 1600)]),  # the same reading told twice
    (100_000, 107_000, [(1, 0), (30, 3500), (59, 6990)]),  # Grizzl-E: per session in the readings
    (500, 7500, [(1, 0), (30, 3500), (59, 6990)]),  # the same, young: they overtake the register
]


@pytest.mark.parametrize(("start", "stop", "readings"), HONEST)
def test_an_honest_meter_is_billed_by_stop_minus_start(start: int, stop: int, readings: Minutes) -> None:
    assert bill(start, stop, readings) == Energy(stop - start, "register", "certain")


LIARS = [
    # The register fell below meterStart and stayed there: its steps count, across the reset.
    pytest.param(100, 3000, [(10, 5000), (20, 0), (30, 1500)], 7900, "segments", id="reset, stop above start"),
    pytest.param(5000, 2500, [(10, 6000), (20, 100), (30, 2000)], 3500, "segments", id="reset, stop below start"),
    pytest.param(5000, 3000, [], 0, "segments", id="backwards without evidence"),
    pytest.param(100_000, 3000, [(10, 1000), (50, 2900)], 3000, "session readings", id="stop per session"),
    # One value that its neighbours contradict is none.
    pytest.param(100, 400, [(10, 200), (20, 9000), (30, 300)], 300, "register", id="spike"),
    pytest.param(100, 400, [(10, 200), (20, 9000), (25, 9000), (30, 300)], 300, "register", id="spike that stays"),
    pytest.param(100, 400, [(10, 200), (20, 0), (21, 0), (30, 300)], 300, "register", id="read as zero"),
    pytest.param(100, 250, [(10, 200), (20, 150)], 150, "register", id="a step back"),
    pytest.param(100, 400, [(10, 9000), (20, 9100), (30, 9050), (40, 300)], 300, "segments", id="lies that differ"),
    pytest.param(0, 15_100, [(10, 100), (20, 200), (21, 15_000)], 300, "segments", id="jump"),
    # More than can be delivered in the time.
    pytest.param(0, 1_005_100, [(10, 1_000_100), (50, 1_005_000)], 5000, "segments", id="meterStart 0"),
    pytest.param(0, 1_005_100, [], 0, "segments", id="meterStart 0 without evidence"),
    pytest.param(1_000_000, 1005, [(10, 1001), (50, 1004)], 1005, "session readings", id="kWh called Wh at the end"),
    # A swapped meter reads less than meterStart, but counts no session.
    pytest.param(1_000_000, 500_200, [(1, 500_000), (30, 500_100)], 200, "segments", id="swapped meter"),
    pytest.param(100, 2000, [(15, 1900), (30, 3700), (45, 1990)], 1900, "register", id="a fall that is no reset"),
    pytest.param(
        0, 22_000, [(15, 5), (30, 10), (45, 15), (59, 20)], 22_000, "register", id="readings in kWh called Wh"
    ),
    pytest.param(None, 5000, [(10, 1000), (20, 3000)], 4000, "segments", id="no meterStart"),
    pytest.param(1000, None, [(10, 1500), (20, 3000)], 2000, "segments", id="no meterStop"),
    pytest.param(None, None, [], 0, "segments", id="nothing at all"),
]


@pytest.mark.parametrize(("start", "stop", "readings", "wh", "method"), LIARS)
def test_a_meter_that_lies_is_billed_by_what_can_be_shown(
    start: int | None, stop: int | None, readings: Minutes, wh: int, method: str
) -> None:
    told = bill(start, stop, readings)
    assert (told.wh, told.method, told.confidence) == (wh, method, "doubtful")
    assert told.review


def test_many_small_lies_are_bounded_by_the_time() -> None:
    readings = series([(0, 9000 * number) for number in range(3)] + [(1, 9000 * number) for number in range(3, 6)])
    told = delivered(Span(at(0), at(1), None, None, 60), readings)
    assert (told.wh, told.confidence) == (JUMP_WH, "doubtful")


def test_readings_in_order_of_arrival_after_the_clock_was_set_back() -> None:
    arrived = series([(125, 1100), (126, 1200), (7, 1300), (8, 1400)])
    assert delivered(span(1000, 1500, 10), arrived) == Energy(500, "register", "certain")


def test_readings_that_arrive_late_are_put_in_order_of_time() -> None:
    arrived = series([(20, 3000), (30, 4000), (5, 1200), (10, 2000)])
    assert delivered(span(1000, 5000), arrived) == Energy(4000, "register", "certain")


def test_a_stop_earlier_than_its_start_is_billed_and_shown() -> None:
    told = bill(1000, 5000, [], minutes=-30)
    assert (told.wh, told.review) == (4000, "stop is earlier than start")


def test_a_register_in_kwh_called_wh_is_shown() -> None:
    told = delivered(span(1000, 1007, power=steady(7000, 30)), [])
    assert (told.wh, told.confidence) == (7, "doubtful")
    assert "kWh called Wh" in (told.review or "")


def test_a_leap_is_more_than_the_power_that_was_told() -> None:
    """One of 20 kWh in a quarter of an hour, and it stays: what came before and after is billed."""
    readings = series([(15, 2800), (30, 24_600), (45, 26_400)])
    told = delivered(span(1000, 28_200, power=steady(7200, 15, 30, 45)), readings)
    assert (told.wh, told.confidence) == (5400, "doubtful")
    fast = steady(60_000, 15, 30, 45)
    assert delivered(span(1000, 28_200, power=fast), readings) == Energy(27_200, "register", "certain")


def test_readings_that_are_rounded_count_the_lifetime_all_the_same() -> None:
    """In kWh with two digits they begin a little below meterStart, and may end a little above meterStop."""
    readings: Minutes = [(0, 200_040), (15, 201_790), (45, 205_300)]
    assert bill(200_045, 205_296, readings) == Energy(5251, "register", "certain")
    assert shown(span(200_045, None), series(readings)).wh == 5255
    reset = [(15, 29_990), (30, 32_740), (45, 35_500), (60, 2750), (75, 5500), (90, 8250), (105, 11_000)]
    told = bill(27_240, 35_490, [*reset, (120, 13_750), (135, 16_500), (150, 19_250), (165, 22_000)], 300)
    assert told.wh == 8260 + 32_740  # what stood before the reset is not rounded


def test_a_stray_zero_does_not_make_the_lifetime_a_session() -> None:
    readings = series([(1, 0), (15, 91_750), (30, 93_500), (45, 95_250), (60, 97_000)])
    assert shown(span(90_000, None), readings).wh == 7000


def test_a_step_far_faster_than_all_others_is_looked_at() -> None:
    """Nobody told a power: 90 kWh in a quarter of an hour can be delivered, but not by who did 7 kW else."""
    told = bill(1000, 96_250, [(15, 2750), (30, 92_750), (45, 94_500)])
    assert (told.wh, told.confidence) == (95_250, "doubtful")
    waited = bill(1000, 32_000, [(15, 1001), (30, 1002), (45, 1003)])  # a car for cheap hours, at 120 kW
    assert waited.confidence == "doubtful"
    assert bill(1000, 11_750, [(15, 1001), (30, 1002), (45, 1003)]).confidence == "certain"  # at 43 kW


def test_start_and_stop_that_tell_much_more_than_the_power_are_looked_at() -> None:
    told = delivered(span(1000, 301_000, power=steady(7000, 15, 30, 45, 60)), [])
    assert (told.wh, told.confidence) == (300_000, "doubtful")
    assert delivered(span(1000, 8000, power=steady(7000, 15, 30, 45, 60)), []).confidence == "certain"
    full_soon: dict[float, float] = {15: 47_000.0, 30: 0.0, 45: 0.0, 60: 0.0}  # it began with 120 kW
    assert delivered(span(1000, 35_000, power=full_soon), []).confidence == "certain"


def test_a_fast_charger_may_be_done_before_its_next_reading() -> None:
    """12 kWh in a quarter of an hour, and then hours of a full battery."""
    readings = series([(15, 13_000), (30, 25_000), *((minute, 25_000) for minute in range(45, 600, 15))])
    power = {15: 50_000.0} | steady(0, *range(30, 600, 15))
    assert delivered(span(1000, 25_000, 600, power), readings) == Energy(24_000, "register", "certain")


def test_power_tells_a_reset_from_a_stray_reading() -> None:
    """The register of a session of 7.2 kW begins again at 0, and comes back to where it was."""
    readings = series([(15, 1800), (30, 3600), (45, 1800), (60, 3600)])
    told = delivered(span(0, 5400, 75, steady(7200, 15, 30, 45, 60)), readings)
    assert told == Energy(9000, "segments", "doubtful", "the register was reset")
    assert delivered(span(0, 5400, 75), readings).wh == 5400
    assert delivered(span(0, 5400, 75, steady(4320, 15, 30, 45, 60)), readings).wh == 5400


def test_power_that_agrees_is_no_doubt() -> None:
    assert delivered(span(1000, 8000, power=steady(7000, 30)), []).review is None


def test_session_readings_above_stop_minus_start_are_shown() -> None:
    told = bill(100_000, 101_000, [(10, 500), (50, 6900)])
    assert (told.wh, told.confidence) == (1000, "doubtful")


def test_readings_of_one_moment_are_bounded_by_the_whole_time() -> None:
    """A charger without a clock, back from being offline: all that it tells has the time of receipt."""
    readings = series([(0, 1000), (0, 31_000)])
    whole = Span(at(0), at(0), 1000, 31_000, 3 * HOUR * 60)
    assert delivered(whole, readings) == Energy(30_000, "register", "certain")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(0, 0, False), (0, JUMP_WH, False), (0, JUMP_WH + 1, True), (5, 4, True)],
)
def test_jump(before: int, after: int, expected: bool) -> None:
    assert is_jump(before, after) is expected


# Hypothesis

registers = st.integers(0, 3_000_000)
readings_of_any_kind = st.lists(st.tuples(st.integers(-30, 200), registers), max_size=8)


@st.composite
def honest_meters(draw: st.DrawFn) -> tuple[int, Minutes, int]:
    """meterStart, readings that rise as a charger can deliver, and the minutes that it took."""
    steps = draw(st.lists(st.tuples(st.integers(1, 90), st.floats(0, 1)), min_size=1, max_size=12))
    start, minute = draw(registers), 0
    readings, wh = [], float(start)
    for minutes, share in steps:
        minute += minutes
        wh += share * 22_000 * minutes / 60
        readings.append((minute, int(wh)))
    return start, readings, minute


@given(st.none() | registers, st.none() | registers, readings_of_any_kind, st.floats(-60, 600), st.floats(0, 1e6))
def test_never_negative_and_never_more_than_a_charger_can(
    start: int | None, stop: int | None, readings: Minutes, minutes: float, power: float
) -> None:
    told = delivered(span(start, stop, minutes, steady(power, *(minute for minute, _ in readings))), series(readings))
    assert 0 <= told.wh <= max(JUMP_WH, FASTEST_W * max(0, minutes) / 60)
    assert (told.confidence == "certain") == (told.review is None)
    if told.confidence == "certain":
        assert start is not None
        assert stop is not None
        assert told.wh == stop - start


@given(honest_meters(), st.randoms())
def test_an_honest_meter_is_billed_exactly_whatever_the_order(honest: tuple[int, Minutes, int], chance: Random) -> None:
    start, readings, minutes = honest
    shuffled = readings.copy()
    chance.shuffle(shuffled)
    told = delivered(span(start, readings[-1][1], minutes), series(shuffled))
    assert told == Energy(readings[-1][1] - start, "register", "certain")


@given(honest_meters())
def test_readings_per_session_do_not_disturb(honest: tuple[int, Minutes, int]) -> None:
    start, readings, minutes = honest
    session = [(minute, wh - start) for minute, wh in readings]
    told = delivered(span(start, readings[-1][1], minutes), series(session))
    assert told == Energy(readings[-1][1] - start, "register", "certain")


@given(honest_meters(), st.integers(0, 20), registers)
def test_one_false_reading_invents_nothing(honest: tuple[int, Minutes, int], where: int, lie: int) -> None:
    start, readings, minutes = honest
    if len(readings) < 3:
        return
    index = 1 + where % (len(readings) - 2)
    lying = [*readings[:index], (readings[index][0], lie), *readings[index + 1 :]]
    told = delivered(span(start, readings[-1][1], minutes), series(lying))
    assert told.wh <= readings[-1][1] - start
    assert told.wh == readings[-1][1] - start or told.review
