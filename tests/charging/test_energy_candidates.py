"""Wrong registers: which candidate is billed, and the code of its review."""

from dataclasses import replace
from typing import Any

import pytest

from levity_trio.charging.energy import judge
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.evidence import Case, Neighbour, StateOfCharge, View
from tests.charging.cases import case, doubtful, found, steady

QUARTERS = [(15, 1800), (30, 3600), (45, 5400), (60, 7200)]
TIMES = (15, 30, 45, 60)
DECIMALS = [(15, 1800), (30, 3600), (45, 5400), (60, 7213)]
ACROSS = [
    (15, 29_990),
    (30, 32_740),
    (45, 35_500),
    (60, 2750),
    (75, 5500),
    (90, 8250),
    (105, 11_000),
    (120, 13_750),
]
HALF = [(15, 1800), (30, 3600), (45, 1800), (60, 3600)]
"""A register that fell by half: one false reading, or a reset after which it shows an earlier value
again."""

STALE = [(m, 10_500 + wh) for m, wh in QUARTERS]
"""Readings of a register that the start told 1,500 Wh too low."""

RESETS = [
    pytest.param(
        case(100, 3000, [(10, 5000), (20, 0), (30, 1500)]), 7900, "segments", id="stop above start"
    ),
    pytest.param(
        case(5000, 2500, [(10, 6000), (20, 100), (30, 2000)]),
        3500,
        "segments",
        id="stop below start",
    ),
    pytest.param(
        case(27_240, 35_490, [*ACROSS, (135, 16_500), (150, 19_250), (165, 22_000)], 300),
        *(8260 + 35_490, "segments"),
        id="the energy before the reset is not rounded",
    ),
    pytest.param(
        case(0, 5400, HALF, 75, steady(7200, *TIMES)),
        9000,
        "segments",
        id="with power that shows it",
    ),
]


@pytest.mark.parametrize(("known", "wh", "method"), RESETS)
def test_a_reset_register_counts_on_both_sides(known: Case, wh: int, method: str) -> None:
    judgement = judge(known)
    assert found(known) == doubtful(wh, method, "register_reset")
    assert judgement.is_sole
    assert judgement.doubts[0].figures[judgement.doubts[0].words] == wh


@pytest.mark.parametrize("watts", [{}, steady(4320, *TIMES)])
def test_a_fall_that_power_does_not_support_is_one_false_reading(watts: dict[float, float]) -> None:
    assert found(case(0, 5400, HALF, 75, watts)) == doubtful(5400, "register", "stray_reading")


STRAYS = [
    pytest.param(case(100, 400, [(10, 200), (20, 9000), (30, 300)]), 300, id="spike"),
    pytest.param(
        case(100, 400, [(10, 200), (20, 9000), (25, 9000), (30, 300)]), 300, id="a spike that stays"
    ),
    pytest.param(case(100, 400, [(10, 200), (20, 0), (21, 0), (30, 300)]), 300, id="read as zero"),
    pytest.param(case(100, 250, [(10, 200), (20, 150)]), 150, id="a step back"),
    pytest.param(
        case(100, 2000, [(15, 1900), (30, 3700), (45, 1990)]), 1900, id="a fall that is no reset"
    ),
    pytest.param(
        case(100_000, 101_000, [(10, 500), (50, 6900)]),
        1000,
        id="more per session than start and stop",
    ),
]


@pytest.mark.parametrize(("known", "wh"), STRAYS)
def test_outlying_readings_are_left_out(known: Case, wh: int) -> None:
    assert found(known) == doubtful(wh, "register", "stray_reading")


LEAPS = [
    pytest.param(
        case(0, 15_100, [(10, 100), (20, 200), (21, 15_000)]), 300, id="15 kWh in a minute"
    ),
    pytest.param(
        case(1000, 28_200, [(15, 2800), (30, 24_600), (45, 26_400)], 60, steady(7200, 15, 30, 45)),
        *(5400,),
        id="20 kWh in 15 minutes at 7.2 kW",
    ),
    pytest.param(
        case(
            *(0, 16_700, [(m, 120 * m + (9500 if m >= 30 else 0)) for m in range(1, 60)]),
            watts=steady(7200, *range(1, 60)),
        ),
        *(7200 - 120,),
        id="9.5 kWh in a minute at 7.2 kW",
    ),
    pytest.param(
        case(
            0,
            97_300,
            [(m, wh + (90_000 if m >= 30 else 0)) for m, wh in QUARTERS],
            61,
            steady(7200, *TIMES),
        ),
        *(5500,),
        id="90 kWh at 7.2 kW",
    ),
    pytest.param(
        case(0, 97_300, [(m, wh + (90_000 if m >= 30 else 0)) for m, wh in QUARTERS], 61),
        *(5500,),
        id="90 kWh, the rest at one pace",
    ),
    pytest.param(
        case(1000, 96_250, [(15, 2750), (30, 92_750), (45, 94_500)]),
        5250,
        id="far faster than all others, no power",
    ),
]


@pytest.mark.parametrize(("known", "wh"), LEAPS)
def test_a_leap_is_not_billed_but_the_rest_is(known: Case, wh: int) -> None:
    assert found(known) == doubtful(wh, "segments", "register_leapt")


def test_without_a_stop_the_last_reading_may_be_an_outlier_if_the_next_one_begins_at_another() -> (
    None
):
    readings = [(15, 2750), (30, 5500), (45, 8250), (60, 8250), (75, 4000)]
    watts = steady(11_000, 15, 30, 45) | steady(0, 60, 75)
    known = case(0, None, readings, watts=watts, is_stopped=False, after=Neighbour(8250, None))
    assert found(known)[:2] == (8250, "register")


def test_without_a_stop_the_last_reading_after_a_leap_does_not_explain_itself() -> None:
    """It could have been reached since, if it were no reading of that time."""
    readings = [(15, 2750), (30, 5500), (45, 8250), (60, 62_000), (75, 64_750)]
    known = case(
        0, None, readings, watts=steady(11_000, *(m for m, _ in readings)), is_stopped=False
    )
    known = replace(known, ended=9 * 3600.0, longest=9 * 3600.0)
    assert found(known)[:2] == (11_000, "segments")


GARBLED_ENDS = [
    pytest.param(
        case(0, 1_005_100, [(10, 1_000_100), (50, 1_005_000)]),
        5000,
        "segments",
        "start",
        id="start 0",
    ),
    pytest.param(
        case(1_000_000, 500_200, [(1, 500_000), (30, 500_100)]),
        200,
        "segments",
        "start",
        id="another meter, no boot",
    ),
    pytest.param(
        case(None, 5000, [(10, 1000), (20, 3000)]), 4000, "segments", "start", id="no start"
    ),
    pytest.param(
        case(1000, None, [(10, 1500), (20, 3000)]), 2000, "register", "stop", id="no stop"
    ),
    pytest.param(
        case(1000, 1000, [(m, 1000 + wh) for m, wh in QUARTERS], 61),
        7200,
        "segments",
        "stop",
        id="stop = start",
    ),
    pytest.param(
        case(0, 3600, QUARTERS, 30.1), 7200, "segments", "stop", id="readings rise beyond the stop"
    ),
    pytest.param(
        case(0, 306_000, before=Neighbour(292_000, 299_000)),
        7000,
        "register",
        "start",
        id="0, with a previous transaction",
    ),
    pytest.param(
        case(0, 306_000, [(1, 299_100), (30, 303_000)], before=Neighbour(292_000, 299_000)),
        *(7000, "register", "start"),
        id="0, with readings that continue the previous transaction",
    ),
    pytest.param(
        case(100, 9000, [(10, 5200)], before=Neighbour(4000, 5000)),
        4000,
        "register",
        "start",
        id="below the previous start",
    ),
    pytest.param(
        case(4000, 9000, [(10, 5200)], before=Neighbour(4000, 5000)),
        *(4000, "register", "start"),
        id="that of the previous start",
    ),
    pytest.param(
        case(6000, 17_800, STALE, 61, steady(7200, *TIMES)),
        *(5500, "segments", "start"),
        id="far below the first reading by power",
    ),
]


@pytest.mark.parametrize(("known", "wh", "method", "end"), GARBLED_ENDS)
def test_another_register_replaces_a_garbled_end(
    known: Case, wh: int, method: str, end: str
) -> None:
    assert found(known) == doubtful(wh, method, f"{end}_garbled")


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(
            case(0, 9000, before=Neighbour(0, 5000)), id="counted from 0 in each transaction"
        ),
        pytest.param(
            case(4000, 9000, [(10, 4200)], before=Neighbour(4000, 5000)), id="set back to it"
        ),
    ],
)
def test_a_register_that_begins_again_at_the_same_value_is_no_lie(known: Case) -> None:
    assert judge(known).confidence == "certain"


@pytest.mark.parametrize(
    ("start", "before"),
    [
        pytest.param(9000, Neighbour(8000, 9000), id="continues"),
        pytest.param(10_500, Neighbour(8000, 11_000), id="as fast as power"),
    ],
)
def test_a_start_that_one_piece_of_evidence_contradicts_stays(
    start: int, before: Neighbour
) -> None:
    judgement = judge(case(start, 17_800, STALE, 61, steady(7200, *TIMES), before=before))
    assert judgement.confidence == "doubtful"
    assert judgement.billed_from == start


def test_a_missing_start_is_replaced_by_the_first_reading() -> None:
    known = case(None, 8300, [(m, 1000 + wh) for m, wh in QUARTERS], 61, is_start_unknown=True)
    assert found(known) == doubtful(5500, "segments", "unknown_start")


def test_a_start_of_zero_shows_no_unit() -> None:
    """The readings continue from the previous end: 123 Wh."""
    known = case(0, 5123, [(10, 5002)], before=Neighbour(4000, 5000))
    assert found(known) == doubtful(123, "register", "start_garbled")


def test_a_stop_without_register_has_no_unit() -> None:
    known = case(1001, None, [(10, 1503), (20, 3007)], begin_wh=907)
    assert judge(known).code is not Code.READINGS_UNIT


def test_a_transaction_end_that_contradicts_the_stop_does_not_change_the_start() -> None:
    readings = [(m, 1003 + wh + m // 15) for m, wh in QUARTERS]
    wh, _, confidence, _ = found(case(1003, 8303, readings, 61, end_wh=9303))
    assert confidence == "doubtful"
    assert wh >= readings[-1][1] - 1003


UNITS = [
    pytest.param(
        case(5000, 12_300, [(m, (5000 + wh) * 1000) for m, wh in QUARTERS], 61),
        *(doubtful(7300, "register", "readings_unit"),),
        id="readings in Wh sent as kWh",
    ),
    pytest.param(
        case(0, 22_000, [(15, 5), (30, 10), (45, 15), (59, 20)]),
        *(doubtful(22_000, "register", "readings_unit"),),
        id="readings in kWh sent as Wh",
    ),
    pytest.param(
        case(271_972, 271_972, [(m, 272) for m in TIMES]),
        *(doubtful(0, "register", "readings_unit"),),
        id="readings in kWh of a car that took nothing",
    ),
    pytest.param(
        case(0, 80_000, [(m, 10 * wh) for m, wh in QUARTERS], 61, steady(7200, *TIMES)),
        *(doubtful(8000, "scaled", "wrong_factor"),),
        id="× 10 against its power",
    ),
    pytest.param(
        case(0, 732, [(m, wh // 10) for m, wh in QUARTERS], 61, steady(7200, *TIMES)),
        *(doubtful(7320, "scaled", "wrong_factor"),),
        id="÷ 10 against its power",
    ),
    pytest.param(
        case(100_000, 3000, [(10, 1000), (50, 2900)]),
        *(doubtful(3000, "session readings", "session_count"),),
        id="the stop counts per session, too",
    ),
    pytest.param(
        case(1_000_000, 1005, [(10, 1001), (50, 1004)]),
        *(doubtful(5000, "segments", "readings_unit"),),
        id="readings and stop that continue the start in kWh",
    ),
]


@pytest.mark.parametrize(("known", "expected"), UNITS)
def test_a_wrong_unit(known: Case, expected: tuple[Any, ...]) -> None:
    assert found(known) == expected


def test_a_unit_in_which_no_time_allows_the_rise_is_not_in_the_review() -> None:
    readings = [(15, 12_000_000), (30, 13_000_000), (45, 16_000_000)]
    judgement = judge(case(10_000_000, None, readings, is_stopped=False))
    assert [
        word for doubt in judgement.doubts for word in doubt.figures if "another unit" in word
    ] == []
    assert any("as reported" in doubt.figures for doubt in judgement.doubts)


@pytest.mark.parametrize(
    ("modulus", "before"),
    [(2**16, 3003), (10**6, 2001), (2**31, 4001), (2**32, 5555), (10**9, 6999)],
)
def test_a_register_that_rolls_over(modulus: int, before: int) -> None:
    begin = modulus - before
    readings = [(m, (begin + wh) % modulus) for m, wh in QUARTERS]
    known = case(begin, (begin + 7300) % modulus, readings, 61)
    assert found(known) == doubtful(7300, "rollover", "register_rolled_over")


def test_energy_between_two_swapped_meters_is_lost() -> None:
    readings = [(10, 1_000_100), (30, 500_000), (40, 500_100)]
    known = case(1_000_000, 500_200, readings, swapped_at=[20 * 60.0])
    assert found(known) == doubtful(100 + 200, "segments", "meter_swapped")


@pytest.mark.parametrize(
    ("begin_of_new_meter", "expected"),
    [
        (0, doubtful(7100, "register", "clock_stood_still")),
        (1_090_000, doubtful(5400, "segments", "meter_swapped")),
        (7_700_000, doubtful(7100, "register", "clock_stood_still")),
        (None, doubtful(5400, "segments", "meter_swapped")),
    ],
)
def test_a_stop_that_the_new_meter_did_not_show_was_read_before(
    begin_of_new_meter: int | None, expected: tuple[Any, ...]
) -> None:
    """The clock stands still: only the receipts are known, and that of the stop is after the swap.
    The new meter had not reached the stop, or was far beyond it."""
    known = case(1_000_000, 1_007_100, QUARTERS[:3], 60, swapped_at=[55 * 60.0], is_timed=False)
    assert found(replace(known, begin_of_new_meter=begin_of_new_meter)) == expected


def test_registers_in_kwh_keep_their_decimals() -> None:
    exact = [wh / 1000 for _, wh in DECIMALS]
    readings = View(
        [minute * 60.0 for minute, _ in DECIMALS], [round(kwh) for kwh in exact], 1, exact
    )
    known = case(0, None, minutes=60, watts=steady(7200, 15, 30, 45, 60), views=[readings])
    assert judge(replace(known, ended=3600.0)).wh == 7213


@pytest.mark.parametrize(("next_begin", "end"), [(3000, 3000), (103_000, 103_000), (0, 103_000)])
def test_the_next_start_shows_where_a_register_that_counted_from_0_stands(
    next_begin: int, end: int
) -> None:
    judgement = judge(
        case(100_000, 3000, [(10, 1000), (50, 2900)], after=Neighbour(next_begin, None))
    )
    assert (judgement.wh, judgement.confidence, judgement.billed_until) == (3000, "doubtful", end)


@pytest.mark.parametrize(
    ("percents", "expected"),
    [
        ((67.9, 88.7, 98.5, 100.0), doubtful(52_641, "register", "power_disagrees")),
        ((20.0, 40.8, 88.0, 89.5), doubtful(52_641, "register", "power_disagrees")),
        ((), doubtful(52_641, "register", "power_disagrees")),
    ],
    ids=["a full battery", "it charged", "unknown"],
)
def test_a_step_beyond_power_and_battery_is_in_doubt(
    percents: tuple[float, ...], expected: tuple[Any, ...]
) -> None:
    """26.8 kWh in a quarter of an hour, from 47 kW to 10 kW."""
    minutes, wh = (15, 30, 45, 60), (12_500, 24_983, 51_755, 52_640)
    watts: dict[float, float] = dict(zip(minutes, (50_000.0, 46_794.1, 9606.3, 0.0), strict=True))
    charges = [
        StateOfCharge(minute * 60.0, percent)
        for minute, percent in zip(minutes, percents, strict=False)
    ]
    readings = [*zip(minutes, wh, strict=True)]
    assert found(case(0, 52_641, readings, 61, watts, charges=charges, is_dc=True)) == expected


# Nothing agrees

NOTHING = [
    pytest.param(case(5000, 3000), 0, ["nothing_agrees"], id="backwards without evidence"),
    pytest.param(case(0, 1_005_100), 0, ["nothing_agrees"], id="start 0 without evidence"),
    pytest.param(
        case(100, 400, [(10, 9000), (20, 9100), (30, 9050), (40, 300)]),
        300,
        ["nothing_agrees"],
        id="different wrong readings",
    ),
    pytest.param(case(None, None), 0, ["no_register", "stop_garbled"], id="nothing at all"),
]


@pytest.mark.parametrize(("known", "wh", "reviews"), NOTHING)
def test_the_uncontradicted_part_is_billed_and_the_review_gives_the_maximum(
    known: Case, wh: int, reviews: list[str]
) -> None:
    assert found(known) == doubtful(wh, "segments", *reviews)
    assert wh > 0 or "; at most " in judge(known).doubts[0].words


def test_a_doubt_lists_the_reported_figure_and_the_candidates() -> None:
    (doubt,) = judge(case(0, 15_100, [(10, 100), (20, 200), (21, 15_000)])).doubts
    assert {"as reported", doubt.words} == doubt.figures.keys()
    assert min(doubt.figures.values()) == 300


def test_a_neighbour_whose_factor_is_unknown_shows_none() -> None:
    """Scaled, and billed 0: its registers lacked some factor, but which?"""
    known = case(
        5000, 12_200, [(10, 6200), (30, 8600), (50, 11_000)], before=Neighbour(4000, 5000, factor=0)
    )
    assert (judge(known).wh, judge(known).doubts) == (7200, ())


def test_a_register_that_stood_still_does_not_catch_up_at_its_own_pace() -> None:
    """In whole kWh it stood still for long, which does not make a stop in Wh possible."""
    told = [309, 309, 309, 310, 310, 310, 311, 311, 311, 311, 312, 312, 312, 312, 312]
    readings = [(5 * number, kwh) for number, kwh in enumerate(told, 1)]
    assert found(case(0, 312_560, readings, 78))[0] <= 312
