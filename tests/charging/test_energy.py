"""The reported figure, and its contradictions by registers, stop and clock."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from levity_trio.charging.energy import judge
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.evidence import Case, Neighbour
from tests.charging.cases import case, certain, doubtful, found, steady, view

QUARTERS = [(15, 1800), (30, 3600), (45, 5400), (60, 7200)]
"""7.2 kW, in steps of 15 minutes."""
POWER = steady(7200, 15, 30, 45, 60)


def quarters(begin: int) -> list[tuple[int, int]]:
    """Return QUARTERS from another begin. The values are odd, because round ones would show a
    coarser register."""
    return [(minute, begin + wh + minute // 15) for minute, wh in QUARTERS]


HONEST = [
    pytest.param(case(1000, 5000), 4000, id="start and stop alone"),
    pytest.param(case(1000, 5000, [(10, 1500), (20, 3000), (59, 4990)]), 4000, id="readings"),
    pytest.param(case(1000, 1000, [(10, 1000)]), 0, id="nothing flowed"),
    pytest.param(case(0, 7000, [(1, 0), (30, 3500)]), 7000, id="a new register"),
    pytest.param(
        case(1000, 5000, [(30, 1500), (30, 1500), (31, 1600)]), 4000, id="a repeated reading"
    ),
    pytest.param(
        case(100_000, 107_000, [(1, 0), (30, 3500), (59, 6990)]), 7000, id="readings per session"
    ),
    pytest.param(
        case(10_000, 10_010, [(14, 9), (16, 10)], 16),
        10,
        id="readings per session, as if the start in kWh",
    ),
    pytest.param(
        case(
            1500,
            8700,
            [(15, 1800), (30, 3600), (45, 5400), (60, 7200)],
            60.5,
            steady(7200, 15, 30, 45, 60),
        ),
        *(7200,),
        id="readings per session, above a low start by chance",
    ),
    pytest.param(
        case(500, 7500, [(1, 0), (30, 3500), (59, 6990)]), 7000, id="the same, above a low start"
    ),
    pytest.param(
        case(0, 7300, [(minute, 100_000 + wh - 30) for minute, wh in QUARTERS], 61),
        *(7300,),
        id="start and stop per session, readings for life",
    ),
    pytest.param(
        case(200_045, 205_296, [(0, 200_040), (15, 201_790), (45, 205_300)], digit=10),
        *(5251,),
        id="readings rounded to 10 Wh",
    ),
    pytest.param(
        case(1000, 11_750, [(15, 1001), (30, 1002), (45, 1003)]), 10_750, id="a car that waited"
    ),
    pytest.param(
        case(0, 7300, [(15, 1800), (30, 1800), (45, 1800), (60, 7200)], 61),
        7300,
        id="a register that catches up",
    ),
    pytest.param(
        case(1000, 31_000, [(0, 1000), (0, 31_000)], 0, longest=3 * 3600.0),
        30_000,
        id="all in one moment",
    ),
    pytest.param(case(1003, 8206, quarters(1003), 61), 7203, id="a stop within its last digits"),
    pytest.param(
        case(1000, 8200, views=[view(QUARTERS[:0]), view(quarters(1000)[:3])]),
        7200,
        id="an empty source",
    ),
]


@pytest.mark.parametrize(("known", "wh"), HONEST)
def test_an_honest_meter_is_billed_by_stop_minus_start(known: Case, wh: int) -> None:
    judgement = judge(known)
    assert found(known) == certain(wh)
    assert judgement.code is None
    assert (judgement.billed_from, judgement.billed_until) == (known.start_wh, known.stop_wh)


def paused(leap_at: int, leap: int = 1500) -> Case:
    """3.7 kW with a pause of 25 minutes, and power each minute. The stop has the time of the last
    reading."""
    minutes = range(1, 161)
    watts: dict[float, float] = {minute: 0 if 95 < minute <= 120 else 3680 for minute in minutes}
    risen = [
        1003 + int(sum(watts[one] for one in range(1, minute + 1))) // 60 for minute in range(161)
    ]
    register = [wh + (leap if minute >= leap_at else 0) for minute, wh in enumerate(risen)]
    readings = [(minute, register[minute]) for minute in minutes]
    return case(1003, risen[160] + leap, readings, 160, watts)


@pytest.mark.parametrize("leap_at", [120, 161])
def test_a_leap_beside_a_pause_contradicts_power_that_was_told_each_minute(leap_at: int) -> None:
    """At the end of the pause, and at the stop: a register that stood still without power has
    nothing to catch up."""
    assert found(paused(leap_at, 0)) == certain(8280)
    assert found(paused(leap_at))[2] == "doubtful"


def test_readings_of_both_sources_are_tested() -> None:
    honest, other = view(QUARTERS), view([(0, 0), (60, 7200)])
    assert found(case(0, 7300, (), 61, views=[honest, other])) == certain(7300)
    assert found(case(0, 7300, (), 61, views=[honest, view([(0, 0), (30, 9999)])]))[2] == "doubtful"


def test_sources_that_contradict_each_other_do_not_change_the_start() -> None:
    known = case(0, 7300, (), 61, views=[view(QUARTERS), view([(0, 0), (30, 9999)])])
    assert found(known)[0] == 7300


# Closed by the system

SYSTEM = "closed_by_system"
CLOSED = [
    pytest.param(case(1000, None), doubtful(0, "register", SYSTEM), id="start only"),
    pytest.param(
        case(0, None, QUARTERS), doubtful(7200, "register", SYSTEM), id="up to the last reading"
    ),
    pytest.param(
        case(100_000, None, QUARTERS),
        *(doubtful(7200, "session readings", SYSTEM),),
        id="readings per session: start + reading, never the reading alone",
    ),
    pytest.param(
        case(200_045, None, [(0, 200_040), (15, 201_790), (45, 205_300)], digit=10),
        *(doubtful(5255, "register", SYSTEM),),
        id="rounded readings",
    ),
    pytest.param(
        case(90_000, None, [(1, 0), (15, 91_750), (30, 93_500), (45, 95_250), (60, 97_000)]),
        *(doubtful(7000, "register", SYSTEM, "stray_reading"),),
        id="a stray zero is no session",
    ),
    pytest.param(case(None, None), doubtful(0, "register", SYSTEM), id="nothing at all"),
    pytest.param(
        case(None, None, quarters(1000)),
        doubtful(5403, "segments", SYSTEM, "start_garbled"),
        id="no start either",
    ),
]


@pytest.mark.parametrize(("known", "expected"), CLOSED)
def test_a_transaction_closed_by_the_system_is_billed_by_its_readings(
    known: Case, expected: tuple[Any, ...]
) -> None:
    closed = _closed(known)
    assert found(closed) == expected


def _closed(known: Case, **more: Any) -> Case:
    return replace(known, is_stopped=False, **more)


@pytest.mark.parametrize(
    ("begin", "reviews"), [(7200, set()), (7201, set()), (7202, {SYSTEM}), (9000, {SYSTEM})]
)
def test_a_next_start_at_the_last_reading_resolves_the_doubt(begin: int, reviews: set[str]) -> None:
    known = _closed(case(0, None, [(14, 1801), *QUARTERS[1:]]), after=Neighbour(begin, None))
    assert (found(known)[0], found(known)[3]) == (7200, reviews)


def test_a_next_start_shows_nothing_of_readings_that_lost_their_name() -> None:
    """They may belong to a transaction between the two, whose start was lost."""
    known = _closed(case(0, None, QUARTERS), after=Neighbour(7200, None), is_named_to_the_end=False)
    assert found(known) == doubtful(7200, "register", SYSTEM)


@pytest.mark.parametrize("watts", [{}, dict.fromkeys((15, 30, 45, 60, 75), 7200)])
def test_a_last_reading_above_the_next_start_is_an_outlier(watts: dict[float, float]) -> None:
    """No leap: the register does not stay there. The next transaction's energy is its own."""
    readings = [(minute, 20_000 + wh) for minute, wh in [*QUARTERS, (75, 97_200)]]
    known = _closed(case(20_000, None, readings, watts=watts), after=Neighbour(27_200, 40_000))
    assert found(known) == doubtful(7200, "register", "stray_reading")
    assert judge(known).billed_until == 27_200


def test_the_review_gives_the_maximum() -> None:
    (doubt,) = judge(_closed(case(1000, None), after=Neighbour(4000, None))).doubts
    assert doubt.words.endswith("at most 3000 Wh")


@pytest.mark.parametrize(
    ("known", "most"),
    [
        ({}, "at most 44612 Wh at an AC charger"),
        ({"ceiling_w": 11_000}, "at most 37663 Wh"),
        ({"is_dc": True, "is_dc_shown": True}, "at most 415002 Wh"),
    ],
)
def test_the_maximum_goes_by_what_is_known_of_the_charger(known: dict[str, Any], most: str) -> None:
    """An hour without a reading."""
    (doubt,) = judge(_closed(case(1000, None, minutes=60), **known)).doubts
    assert doubt.words.endswith(most)


def test_a_reset_in_a_transaction_closed_by_the_system() -> None:
    known = _closed(case(50_000, None, [(15, 51_801), (30, 53_602), (45, 1803), (60, 3604)]))
    assert found(known)[0] == 1801 + 1801 + 1803 + 1801


# Registers that are not numbers or have a fraction

NUMBERS = [
    pytest.param(
        case(5123, 5146, minutes=200, start_exact=Decimal("5123.4"), stop_exact=Decimal("5146.2")),
        *(doubtful(22_800, "scaled", "wrong_factor"),),
        id="both in kWh",
    ),
    pytest.param(
        case(5123, 12_323, minutes=61, start_exact=Decimal("5123.4")),
        *(certain(7200),),
        id="a start with a fraction that no vehicle allows to be in kWh",
    ),
    pytest.param(
        case(5123, 5146, minutes=61, start_exact=Decimal("5123.4")),
        *(doubtful(22_600, "scaled", "wrong_factor"),),
        id="a start with a fraction, and nothing confirms it",
    ),
    pytest.param(
        case(5123, 12_323, quarters(5119), 61, POWER, start_exact=Decimal("5123.4")),
        *(certain(7200),),
        id="a start with a fraction that its power confirms",
    ),
    pytest.param(
        case(1000, 8300, quarters(1000), 61, garbled=("1000,5",)),
        *(doubtful(7300, "register", "number_repaired"),),
        id="repaired",
    ),
    pytest.param(
        case(None, 8304, quarters(1000), 61, garbled=("1_000",)),
        *(doubtful(5503, "segments", "number_repaired", "start_garbled"),),
        id="the start is not a number",
    ),
    pytest.param(
        case(None, None, quarters(1000), 61, garbled=("a", "٣")),
        *(doubtful(5403, "segments", "number_repaired", "start_garbled", "stop_garbled"),),
        id="neither is a number",
    ),
]


@pytest.mark.parametrize(("known", "expected"), NUMBERS)
def test_an_unusual_number_leaves_a_doubt(known: Case, expected: tuple[Any, ...]) -> None:
    assert found(known) == expected


def test_the_evidence_contains_the_text_as_sent() -> None:
    (doubt,) = judge(case(1000, 8300, quarters(1000), 61, garbled=("1000,5",))).doubts
    assert doubt.evidence == ("1000,5", "7300 Wh without it")


# The clock

TIMES: list[Any] = [
    pytest.param(
        {"minutes": -30, "longest": 3600.0, "is_backwards": True},
        doubtful(7300, "register", "stop_before_start"),
        id="back",
    ),
    pytest.param(
        {"minutes": -30, "longest": 3600.0}, certain(7300), id="back, but not by our clock"
    ),
    pytest.param(
        {"minutes": 0, "is_timed": False, "longest": 3600.0, "received_seconds": 3600.0},
        *(certain(7300),),
        id="frozen, sent at once",
    ),
    pytest.param(
        {"minutes": 0, "is_timed": False, "longest": 7 * 86_400.0, "received_seconds": 120.0},
        *(doubtful(7300, "register", "clock_stood_still"),),
        id="frozen, sent late",
    ),
]


@pytest.mark.parametrize(("known", "expected"), TIMES)
def test_the_clock(known: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert found(case(1003, 8303, **known)) == expected


def test_a_frozen_clock_does_not_allow_absurd_energy() -> None:
    known = case(1000, 908_300, (), 0, is_timed=False, longest=3600.0, received_seconds=3600.0)
    assert found(known) == doubtful(0, "segments", "nothing_agrees")


@pytest.mark.parametrize(
    ("available", "expected"),
    [
        (20, doubtful(7300, "register", "available_between")),
        (65, certain(7300)),  # a reading of the same second
        (70, certain(7300)),
    ],
)
def test_available_yields_to_a_rising_register(available: int, expected: tuple[Any, ...]) -> None:
    known = case(1000, 8300, [*quarters(1000), (65, 8300)], 100, available_at=available * 60.0)
    assert found(known) == expected


# Habits

FACTOR = case(0, 80_000, [(minute, 10 * wh) for minute, wh in QUARTERS], 61, POWER)
COUNT = case(100_000, 7300, [*QUARTERS, (61, 7300)], 61, POWER)
RESET = case(5000, 2500, [(10, 6000), (20, 100), (30, 2000)])


@pytest.mark.parametrize(
    ("known", "habit", "factor", "other"),
    [
        (FACTOR, Code.WRONG_FACTOR, 0.1, Code.SESSION_COUNT),
        (COUNT, Code.SESSION_COUNT, 1, Code.STRAY_READING),
    ],
)
def test_a_habit_avoids_its_own_review_and_no_other(
    known: Case, habit: Code, factor: float, other: Code
) -> None:
    plain = judge(known)
    assert (plain.code, plain.is_sole, plain.confidence) == (habit, True, "doubtful")
    with_habit = judge(replace(known, habits={habit: factor}))
    assert (with_habit.wh, with_habit.method, with_habit.confidence) == (
        plain.wh,
        plain.method,
        "certain",
    )
    assert judge(replace(known, habits={other: factor})).confidence == "doubtful"
    assert judge(replace(known, habits={habit: 1000})).confidence == "doubtful"


def test_no_habit_makes_a_figure_certain_that_lacks_energy() -> None:
    """What flowed between the last reading and the reset is known from no register."""
    plain = judge(RESET)
    assert (plain.code, plain.is_sole) == (Code.REGISTER_RESET, True)
    assert judge(replace(RESET, habits={Code.REGISTER_RESET: 1})).confidence == "doubtful"


def test_a_habit_does_not_avoid_the_review_if_another_candidate_survives() -> None:
    known = case(100, 400, [(10, 200), (20, 9000), (30, 300)], habits={Code.STRAY_READING: 1})
    assert found(known) == doubtful(300, "register", "stray_reading")


def test_a_habit_of_a_wrong_factor_contradicts_the_reported_figure() -> None:
    quiet = case(1003, 8303, quarters(1003), 61)
    assert found(quiet) == certain(7300)
    assert found(replace(quiet, shown_factor=10))[2] == "doubtful"


def test_a_stop_that_counts_per_session_can_become_a_habit() -> None:
    assert judge(case(100_000, 7300, [*QUARTERS, (61, 7300)], 61, POWER)).is_sole
