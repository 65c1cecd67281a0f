"""The bounds of a figure by other evidence: power, state of charge, time, and the neighbours'
registers."""

from typing import Any

import pytest

from levity_trio.charging.energy import judge
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.evidence import Case, Neighbour, StateOfCharge
from tests.charging.cases import case, certain, doubtful, found, steady

QUARTERS = [(15, 1801), (30, 3602), (45, 5403), (60, 7204)]
TIMES = (15, 30, 45, 60)
QUARTERS_ABOVE = [(minute, 1003 + wh) for minute, wh in QUARTERS[:3]]
MINUTES = range(1, 60)
SLOWER = dict(steady(7200, *MINUTES[:35]) | steady(3600, *MINUTES[35:]))
STILL_FOR_30 = [(m, 120 * min(m, 20) + 1) for m in MINUTES[:49]]
CAUGHT_UP_TOO_FAR = [*STILL_FOR_30, *((m, 60 * (m - 35) + 4200 + 601) for m in MINUTES[49:])]
LATE_SUN = [(15, 501), (30, 1001), (45, 1501), (60, 2001), (75, 2001), (90, 2001), (105, 10_251)]

# Power

BY_POWER = [
    pytest.param(case(1000, 8000, watts=steady(7000, *TIMES)), certain(7000), id="agrees"),
    pytest.param(
        case(1000, 301_000, watts=steady(7000, *TIMES)),
        doubtful(0, "segments", "nothing_agrees"),
        id="far too much",
    ),
    pytest.param(
        case(1000, 1007, watts=steady(7000, 30)),
        doubtful(7, "segments", "nothing_agrees"),
        id="kWh, by one power",
    ),
    pytest.param(
        case(
            1000, 28_200, [(15, 2800), (30, 24_600), (45, 26_400)], 60, steady(60_000, 15, 30, 45)
        ),
        *(certain(27_200),),
        id="20 kWh in 15 minutes at 60 kW",
    ),
    pytest.param(
        case(0, 7300, [(15, 1800), (30, 1800), (45, 1800), (60, 7200)], 61, steady(7200, *TIMES)),
        *(certain(7300),),
        id="a register that stands still and catches up",
    ),
    pytest.param(
        case(0, 6301, CAUGHT_UP_TOO_FAR, 60, SLOWER),
        *(doubtful(3001, "segments", "nothing_agrees"),),
        id="one that catches up on more than the power of that time",
    ),
    pytest.param(
        case(0, 10_251, LATE_SUN, 106, steady(2000, 15, 30, 45, 60) | steady(11_000, 75, 90, 105)),
        *(certain(10_251),),
        id="one that catches up after the power rose",
    ),
    pytest.param(
        case(1003, 8201, [*QUARTERS_ABOVE, (60, 8200)], 61, steady(7200, 15, 30, 45) | {60: 0}),
        *(certain(7198),),
        id="a stop 1 Wh above a reading without power",
    ),
    pytest.param(
        case(
            *(
                1000,
                25_000,
                [(15, 13_000), (30, 25_000), *((m, 25_000) for m in range(45, 600, 15))],
                600,
            ),
            {15: 50_000.0} | steady(0, *range(30, 600, 15)),
        ),
        *(certain(24_000),),
        id="fast, then waiting",
    ),
    pytest.param(
        case(1000, 35_000, watts={15: 47_000, 30: 0, 45: 0, 60: 0}),
        certain(34_000),
        id="soon full, without readings",
    ),
    pytest.param(
        case(0, 45_000, [(60, 22_000), (120, 44_000)], 123, {0: 3000, 60: 0, 120: 4000}),
        *(doubtful(45_000, "register", "power_disagrees"),),
        id="sparse solar power shows little",
    ),
]


@pytest.mark.parametrize(("known", "expected"), BY_POWER)
def test_power(known: Case, expected: tuple[Any, ...]) -> None:
    assert found(known) == expected


def test_power_that_agrees_confirms() -> None:
    agreeing = judge(case(1000, 8000, watts=steady(7000, *TIMES)))
    assert (agreeing.is_confirmed, judge(case(1000, 8000)).is_confirmed) == (True, False)


def test_power_in_kilowatts_sent_as_watts_has_its_own_code() -> None:
    assert found(case(0, 7300, QUARTERS, 61, steady(7.2, *TIMES))) == doubtful(
        7300, "register", "readings_unit"
    )


# Ceilings

STILL = [(m, 1324) for m in (15, 30, 45, 60, 75)]
BY_TIME = [
    pytest.param(case(1, 43_002), certain(43_001), id="as fast as AC can be"),
    pytest.param(case(1, 46_003), doubtful(46_002, "register", "too_fast"), id="faster than AC"),
    pytest.param(case(1, 46_003, is_dc=True), certain(46_002), id="the same at a DC charger"),
    pytest.param(
        case(0, 936_000, minutes=300),
        doubtful(936_000, "register", "too_fast"),
        id="936 kWh in 5 h at an unknown charger",
    ),
    pytest.param(
        case(0, 936_000, minutes=300, ceiling_w=7200),
        *(doubtful(0, "segments", "nothing_agrees"),),
        id="936 kWh in 5 h at a charger known with 7 kW",
    ),
    pytest.param(case(0, 7501, ceiling_w=7200), certain(7501), id="within its own ceiling"),
    pytest.param(
        case(0, 12_001, ceiling_w=7200),
        doubtful(12_001, "register", "too_fast"),
        id="above its own",
    ),
    pytest.param(
        case(0, 21_001, ceiling_w=7200),
        doubtful(21_001, "register", "too_fast"),
        id="on three phases",
    ),
    pytest.param(
        case(0, 30_001, ceiling_w=7200),
        doubtful(30_001, "segments", "nothing_agrees"),
        id="beyond its ceiling",
    ),
    pytest.param(
        case(0, 60_001, [(m, 1000 * m + 1) for m in range(10, 60, 10)]),
        certain(60_001),
        id="many at one pace, DC",
    ),
    pytest.param(
        case(1000, 32_001, [(15, 1001), (30, 1002), (45, 1003)]),
        *(doubtful(31_001, "register", "too_fast"),),
        id="waited, and then too fast",
    ),
    pytest.param(
        case(1, 5917, STILL, 77.5, {15: 0, 30: 0, 45: 0, 60: 11_000, 75: 11_000}, ceiling_w=11_000),
        *(certain(5916),),
        id="caught up at the stop with the power since it stood still",
    ),
    pytest.param(
        case(1, 5917, STILL, 77.5, {15: 0, 30: 0, 45: 0, 60: 0, 75: 0}, ceiling_w=11_000),
        *(doubtful(5916, "register", "power_disagrees", "too_fast"),),
        id="nothing to catch up",
    ),
]


@pytest.mark.parametrize(("known", "expected"), BY_TIME)
def test_time_and_the_power_of_a_charger(known: Case, expected: tuple[Any, ...]) -> None:
    assert found(known) == expected


def test_a_ceiling_refutes_and_is_never_the_figure() -> None:
    beyond = judge(case(0, 300_001, ceiling_w=7200))
    assert beyond.wh == 0
    assert "at most 24653 Wh" in beyond.doubts[0].words


# State of charge


@pytest.mark.parametrize(
    ("wh", "charge", "expected"),
    [
        (30_001, (20.0, 80.0), certain(30_001)),
        (301, (20.0, 80.0), doubtful(30_100, "scaled", "wrong_factor")),
        (190_001, (20.0, 40.0), doubtful(19_000, "scaled", "wrong_factor")),
        (9001, (50.0, 50.0), doubtful(0, "segments", "nothing_agrees")),
        (2001, (50.0, 50.0), certain(2001)),
    ],
)
def test_the_state_of_charge(
    wh: int, charge: tuple[float, float], expected: tuple[Any, ...]
) -> None:
    charges = [
        StateOfCharge(at, percent) for at, percent in zip((0.0, 1800.0), charge, strict=True)
    ]
    assert found(case(0, wh, minutes=30, charges=charges, is_dc=True)) == expected


@pytest.mark.parametrize(
    ("watts", "percents", "expected"),
    [
        (
            (50_000, 50_000, 26_459),
            (66.0, 82.3, 97.3),
            doubtful(61_281, "register", "power_disagrees"),
        ),
        ((50_000, 50_000, 140_000), (66.0, 82.3, 97.3), certain(61_281)),
        (
            (50_000, 50_000, 26_459),
            (30.0, 46.3, 92.3),
            doubtful(61_281, "register", "power_disagrees"),
        ),
        (
            (50_000, 50_000, 26_459),
            (66.0, 70.3, 85.3),
            doubtful(61_281, "register", "power_disagrees"),
        ),
    ],
    ids=["a leap", "as much power", "as much charge", "one step only"],
)
def test_one_per_cent_of_a_battery_takes_about_as_much_as_another(
    watts: tuple[float, ...], percents: tuple[float, ...], expected: tuple[Any, ...]
) -> None:
    """35 kWh for 15 %, after 12.5 kWh for 16 %: `far_beyond_power` holds each that a lower power
    contradicts."""
    minutes = (15, 30, 45)
    charges = [
        StateOfCharge(minute * 60.0, percent)
        for minute, percent in zip(minutes, percents, strict=True)
    ]
    readings = [(15, 12_500), (30, 25_000), (45, 59_968)]
    power: dict[float, float] = dict(zip(minutes, watts, strict=True))
    assert found(case(0, 61_281, readings, 49, power, charges=charges, is_dc=True)) == expected


@pytest.mark.parametrize("fall", [0.0, 2.0, 60.0])
def test_a_state_of_charge_that_fell_is_of_another_car(fall: float) -> None:
    """One that falls by no more than its error shows that no other car came."""
    told = [
        (0, 40.0),
        (15, 70.0),
        (30, 100.0),
        (60, 100.0 - fall),
        (75, 130.0 - fall - 30.0 * (fall < 60.0)),
    ]
    charges = [StateOfCharge(minute * 60.0, min(100.0, percent)) for minute, percent in told]
    readings = [(15, 20_000), (30, 40_000), (60, 60_000), (75, 80_000)]
    judged = found(case(0, 80_001, readings, minutes=76, charges=charges, is_dc=True))
    assert (judged == certain(80_001)) is (fall == 60.0)


@pytest.mark.parametrize("is_timed", [True, False])
def test_times_of_receipt_do_not_limit_what_flowed_before_the_first_state_of_charge(
    is_timed: bool,
) -> None:
    """Queued messages of a clock that stood still arrive within seconds."""
    charges = [StateOfCharge(45.0, 89.9), StateOfCharge(58.0, 99.9)]
    readings = [(0.75, 34_850), (58 / 60, 42_616)]
    judged = judge(
        case(
            0,
            42_616,
            readings,
            minutes=2,
            charges=charges,
            is_dc=True,
            is_timed=is_timed,
            longest=18_000,
        )
    )
    assert (judged.wh == 42_616) is not is_timed


@pytest.mark.parametrize(
    ("habits", "reviews"), [({}, set()), ({Code.REGISTER_RESET: 34}, {"power_disagrees"})]
)
def test_where_registers_are_reset_one_that_stands_still_may_have_reached_the_same_again(
    habits: dict[Code, int], reviews: set[str]
) -> None:
    readings, watts = [(15, 12_500), (30, 12_500)], steady(50_000, 15, 30)
    judged = found(case(0, 24_153, readings, minutes=44, watts=watts, is_dc=True, habits=habits))
    assert (judged[0], judged[3]) == (24_153, reviews)
    rising = found(
        case(
            0,
            36_653,
            [(15, 12_500), (30, 25_000)],
            minutes=44,
            watts=watts,
            is_dc=True,
            habits=habits,
        )
    )
    assert rising == certain(36_653)


# Neighbours

NEIGHBOURS: list[Any] = [
    pytest.param(
        {"before": Neighbour(0, 2001)}, (), certain(7001), id="begins at the previous end"
    ),
    pytest.param({"before": Neighbour(0, 1001)}, (), certain(7001), id="energy flowed in between"),
    pytest.param(
        {"before": Neighbour(14_000, 15_000)},
        (),
        certain(7001),
        id="below the previous start: a reset",
    ),
    pytest.param(
        {"before": Neighbour(0, 3001)},
        (),
        doubtful(6001, "register", "overlap"),
        id="without readings of either",
    ),
    pytest.param(
        {"before": Neighbour(0, 3001, highest=1900)},
        [(10, 2101), (50, 8000)],
        *(doubtful(7001, "register", "overlap"),),
        id="its own readings reach into it",
    ),
    pytest.param(
        {"before": Neighbour(0, 3001, highest=2500)},
        [(10, 2601), (50, 8000)],
        *(doubtful(6502, "register", "overlap"),),
        id="readings of both: from its own first one",
    ),
    pytest.param(
        {"before": Neighbour(0, 3001, highest=3001)},
        [(10, 3601), (50, 8000)],
        *(doubtful(6001, "register", "overlap"),),
        id="its own readings begin beyond it",
    ),
    pytest.param(
        {"before": Neighbour(0, 3001, highest=3001, is_end_known=False)},
        [(10, 3601), (50, 8000)],
        *(doubtful(5401, "register", "overlap"),),
        id="the previous one may have gone on, to its own first reading",
    ),
    pytest.param(
        {"before": Neighbour(0, 3001, is_end_known=False)},
        *((), doubtful(0, "register", "overlap")),
        id="the previous one may have gone on, to its own stop",
    ),
    pytest.param(
        {"before": Neighbour(0, 3001, is_end_known=False)},
        *([(10, 100), (50, 1800)], doubtful(6001, "register", "overlap")),
        id="its own readings count from 0 and show nothing of it",
    ),
    pytest.param(
        {"before": Neighbour(0, 1001, is_end_known=False)},
        *([(10, 3601), (50, 8000)], certain(7001)),
        id="energy flowed in between, the end unknown",
    ),
    pytest.param(
        {"before": Neighbour(0, 1001, is_end_known=False, may_go_on=True)},
        *([(10, 3601), (50, 8000)], doubtful(5401, "register", "overlap")),
        id="starts overlapped before: the previous one may have gone on to its own first reading",
    ),
    pytest.param(
        {"before": Neighbour(0, 1001, is_end_known=False, may_go_on=True)},
        *((), doubtful(0, "register", "overlap")),
        id="starts overlapped before: the previous one may have gone on to its own stop",
    ),
    pytest.param(
        {"before": Neighbour(0, 2001, is_end_known=False, may_go_on=True)},
        *([(10, 3601), (50, 8000)], certain(7001)),
        id="starts overlapped before: this one is where the previous one was last",
    ),
    pytest.param(
        {"before": Neighbour(0, 1950, is_end_known=False, may_go_on=True)},
        *([(10, 2001), (50, 8000)], certain(7001)),
        id="starts overlapped before: its own first reading confirms this one",
    ),
    pytest.param(
        {"after": Neighbour(9002, None)}, (), certain(7001), id="the next begins at its end"
    ),
    pytest.param(
        {"after": Neighbour(8001, None)},
        (),
        doubtful(6000, "register", "overlap"),
        id="the next begins before its end",
    ),
    pytest.param(
        {"after": Neighbour(8001, 12_000)},
        [(50, 8501)],
        *(doubtful(7001, "register", "overlap"),),
        id="its own readings reach into the next",
    ),
    pytest.param(
        {"after": Neighbour(8001, 12_000, lowest=8701)},
        [(50, 8501)],
        *(doubtful(6500, "register", "overlap"),),
        id="readings of both: up to the next one's first",
    ),
]


@pytest.mark.parametrize(("known", "readings", "expected"), NEIGHBOURS)
def test_an_overlap_is_billed_once(
    known: dict[str, Any], readings: list[tuple[float, int]], expected: tuple[Any, ...]
) -> None:
    assert found(case(2001, 9002, readings, **known)) == expected


def test_both_sides_of_an_overlap_add_up_to_the_rise_of_the_register() -> None:
    """The first ends at 3,001 with readings up to 2,500; the second begins at 2,001 with readings
    from 2,601."""
    first = case(0, 3001, [(10, 2500)], after=Neighbour(2001, 9002, lowest=2601, highest=8000))
    second = case(2001, 9002, [(10, 2601), (50, 8000)], before=Neighbour(0, 3001, highest=2500))
    assert found(first)[0] + found(second)[0] == 9002
    assert found(first)[3] == found(second)[3] == {"overlap"}


@pytest.mark.parametrize("reports_power", [True, False])
def test_power_that_is_always_zero_counts_where_the_charger_has_reported_other_power(
    reports_power: bool,
) -> None:
    readings = [(15, 2800), (30, 4600), (45, 6400), (60, 8200)]
    known = case(
        1000, 8200, readings, watts=steady(0, 0, 15, 30, 45, 60), reports_power=reports_power
    )

    assert found(known) == (
        doubtful(7200, "register", "power_disagrees") if reports_power else certain(7200)
    )
