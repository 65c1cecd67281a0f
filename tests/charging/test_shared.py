"""Two cars that one register counts: shown by the registers of both, and by who drew power."""

from dataclasses import replace
from math import inf

import pytest

from levity_trio.charging.energy import judge
from levity_trio.charging.refute.shared import is_seam
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.evidence import Beside, Boundary, Case, Level
from tests.charging.cases import Minutes, case, certain, doubtful, found, power, steady, view

OWN = [(15, 101_800), (30, 103_600), (45, 106_000), (60, 109_600)]
"""7.2 kW; from minute 40 on, at 104,800 Wh, the other car draws as much."""
THEIRS = [(55, 108_400), (65, 110_200)]
DRAWN = steady(7200, 55, 65)


def beside(
    begin: int = 104_800,
    end: int | None = 110_320,
    readings: Minutes = THEIRS,
    minutes: tuple[float, float] = (40, 66),
    watts: dict[float, float] = DRAWN,
    earlier: Level | None = None,
) -> Beside:
    """Return a transaction on connector 2; times are in minutes since the start of the one that is
    judged."""
    since, until = (minute * 60.0 for minute in minutes)
    return Beside(
        7,
        2,
        since,
        inf if end is None else until,
        begin,
        end,
        view(readings),
        power(watts),
        earlier,
    )


def judged(*others: Beside, earlier: Level | None = None) -> Case:
    return case(100_000, 109_600, OWN, beside=others, earlier=earlier)


def level(minute: float, wh: int) -> Level:
    return Level(minute * 60.0, wh)


def test_what_another_car_may_have_drawn_is_doubtful() -> None:
    """The lower figure counts until a person decides: without the most that the other one can have
    drawn."""
    judgement = judge(judged(beside()))
    assert (judgement.wh, judgement.confidence, judgement.method) == (6000, "doubtful", "register")
    (doubt,) = judgement.doubts
    assert doubt.code is Code.SHARED_REGISTER
    assert doubt.words == "its register also counted session 7 on connector 2"
    assert doubt.evidence == ("104800 Wh to 109600 Wh while both ran", "the registers of session 7")
    assert doubt.figures == {"as reported": 9600, "without what the other one charged": 6000}


def longer(earlier: Level | None = None) -> Beside:
    """Return one that began before: this one's start is within its readings."""
    readings = [(-30, 95_000), (-5, 99_500), (10, 101_500), (40, 104_900)]
    return beside(90_000, 107_000, readings, (-60, 50), steady(7200, -30, -5, 10, 40), earlier)


def test_the_one_that_began_earlier_may_have_drawn_it_too() -> None:
    assert found(judged(longer())) == doubtful(2600, "register", "shared_register")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(beside(end=None, readings=()), id="still open"),
        pytest.param(beside(readings=()), id="without readings"),
        pytest.param(
            beside(readings=[(55, 108_400), (58, 110_300), (65, 110_200)]), id="with an outlier"
        ),
        pytest.param(beside(watts={}), id="without power"),
        pytest.param(beside(earlier=level(-100, 99_000)), id="after another on its connector"),
        pytest.param(beside(earlier=level(-100, 500_000)), id="after a reset"),
    ],
)
def test_few_facts_show_a_shared_register(other: Beside) -> None:
    assert found(judged(other))[2:] == ("doubtful", {"shared_register"})


def test_a_start_of_an_unset_clock_was_after_the_previous_end() -> None:
    """It seems to have begun an hour earlier, while the other connector's register was lower."""
    theirs = beside(earlier=level(-20, 95_000))
    known = replace(judged(theirs, earlier=level(-5, 99_000)), begun=-3600.0)
    assert found(known)[3] == {"shared_register"}


def test_two_others_may_both_have_drawn_of_it() -> None:
    first = beside(101_800, 103_600, (), (15, 30), steady(7200, 20, 25))
    assert found(judged(first, beside())) == doubtful(
        9600 - 1800 - 3600, "register", "shared_register"
    )


def test_a_figure_that_is_doubtful_already_is_not_changed() -> None:
    known = case(None, 109_600, OWN, beside=[beside()])
    alone = found(case(None, 109_600, OWN))
    assert found(known) == (*alone[:3], alone[3] | {"shared_register"})


# Registers of their own


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(beside(5_000_000, 5_007_000, [(55, 5_003_000)]), id="far away"),
        pytest.param(beside(107_000, 113_000, ()), id="higher than this one was"),
        pytest.param(beside(102_000, 110_500, ()), id="lower than this one was"),
        pytest.param(beside(104_800, 116_000, [(50, 111_000)]), id="it rises faster"),
        pytest.param(beside(earlier=level(-100, 104_800)), id="its connector stood there before"),
    ],
)
def test_registers_of_their_own_are_not_doubted(other: Beside) -> None:
    assert found(judged(other)) == certain(9600)


def test_its_own_connector_stood_at_its_start_before_the_other_began() -> None:
    assert found(judged(longer(), earlier=level(-100, 100_000))) == certain(9600)


def test_another_transaction_of_that_connector_shows_a_register_of_its_own() -> None:
    lower = beside(60_000, 104_800, (), (5, 38))
    assert found(judged(lower, beside())) == certain(9600)


NEXT = [(500, 109_600), (560, 125_000)]
"""It goes on from its own end, below what the other connector had told before."""
AFTER = [(110, 110_320), (160, 118_000), (700, 118_000)]
"""So does the other one."""


def around(*others: tuple[float, int], waited: float = 1) -> list[Boundary]:
    """Return the registers of starts and stops by minute, each received a minute later."""
    return [Boundary(minute * 60.0, (minute + waited) * 60.0, wh) for minute, wh in others]


def told(own: Minutes, theirs: Minutes, waited: float = 1) -> Case:
    other = beside()._replace(
        boundaries=around((40, 104_800), (66, 110_320), *theirs, waited=waited)
    )
    return replace(
        judged(other), boundaries=around((0, 100_000), (60, 109_600), *own, waited=waited)
    )


def test_three_messages_of_both_connectors_show_two_registers() -> None:
    assert found(told([*NEXT, (900, 125_000)], [*AFTER, (760, 130_000)])) == certain(9600)


def test_two_messages_show_that_two_registers_are_likely() -> None:
    """The review stays, and lists the figure of one register; both messages may be wrong."""
    judgement = judge(told(NEXT, AFTER))
    assert (judgement.wh, [doubt.code for doubt in judgement.doubts]) == (
        9600,
        [Code.SHARED_REGISTER],
    )
    assert judgement.doubts[0].figures == {
        "as reported": 9600,
        "without what the other one charged": 6000,
    }


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(told(NEXT, AFTER[:2]), id="one start may have been wrong"),
        pytest.param(told(NEXT[:1], AFTER), id="so may one that is below several"),
        pytest.param(told([(500, 500), (560, 9000)], AFTER), id="a reset"),
        pytest.param(
            told(NEXT, [(110, 2000), (160, 9000), (700, 9000)]), id="a reset of the other one"
        ),
        pytest.param(told(NEXT, AFTER, waited=600), id="told before, but received after"),
        pytest.param(told([(500, 117_500), (560, 118_500)], AFTER), id="not by much"),
    ],
)
def test_one_message_or_a_reset_does_not_show_two_registers(known: Case) -> None:
    assert found(known) == doubtful(6000, "register", "shared_register")


MET = [
    Boundary(0, 1, 1200, is_start=True),
    Boundary(3600, 3601, 17_800),
    Boundary(9000, 9001, 24_800, is_start=True),
]
"""It begins again beyond its own stop."""
STOOD = [Boundary(1800, 1801, 12_500, is_start=True), Boundary(7200, 7201, 24_800)]
STANDS = Boundary(9600, 9601, 24_800, is_start=True)


@pytest.mark.parametrize(
    ("own", "theirs", "is_shared"),
    [
        pytest.param(MET, STOOD, True, id="where the other one stopped"),
        pytest.param(MET[:2], STOOD, False, id="not yet"),
        pytest.param([*MET[:2], MET[2]._replace(wh=25_200)], STOOD, False, id="elsewhere"),
        pytest.param([*MET[:2], MET[2]._replace(wh=17_800)], STOOD, False, id="at its own stop"),
        pytest.param([*MET[:1], MET[2]], STOOD, False, id="its own stop is unknown"),
        pytest.param(
            [*MET, Boundary(9300, 9301, 30_000)],
            [*STOOD, STANDS],
            False,
            id="the other one still stands there",
        ),
        pytest.param(
            [*MET[:1], MET[1]._replace(at=7300, wh=24_800)], STOOD, True, id="both stop there"
        ),
        pytest.param(
            [MET[0]._replace(wh=12_500), MET[1]._replace(at=7300, wh=24_800)],
            STOOD,
            False,
            id="from one start",
        ),
        pytest.param(
            [one._replace(wh=one.wh // 1000 * 1000) for one in MET], STOOD, False, id="rounded"
        ),
    ],
)
def test_low_registers_are_one_if_starts_or_stops_meet(
    own: list[Boundary], theirs: list[Boundary], is_shared: bool
) -> None:
    other = beside(12_500, 24_800, (), (30, 120), {})._replace(boundaries=theirs)
    known = case(own[0].wh, 17_800, beside=[other], boundaries=own)
    assert ("shared_register" in found(known)[3]) is is_shared


def test_two_new_connectors_that_both_begin_near_0_are_not_doubted() -> None:
    own = [(minute, 3 + 120 * minute) for minute in range(5, 60, 5)]
    theirs = [(minute, 5 + 100 * (minute - 2)) for minute in range(7, 60, 5)]
    other = beside(5, 6005, theirs, (2, 62), {})
    assert found(case(3, 7203, own, beside=[other])) == certain(7200)


def test_registers_that_count_each_transaction_anew_are_not_doubted() -> None:
    other = beside(0, 7200, [(17, 1800), (32, 3600), (47, 5400)], (2, 62), {})
    assert found(case(0, 7200, [(15, 1800), (30, 3600), (45, 5400)], beside=[other])) == certain(
        7200
    )


@pytest.mark.parametrize(("watts", "confidence"), [(7200, "certain"), (1000, "doubtful")])
def test_registers_that_rise_side_by_side_are_two_if_both_cars_drew_as_much(
    watts: int, confidence: str
) -> None:
    own = [(minute, 1803 + 120 * minute) for minute in (15, 30, 45)]
    theirs = [(minute, 1805 + 120 * (minute - 5)) for minute in (20, 35, 50)]
    other = beside(1805, 9005, theirs, (5, 65), steady(watts, 20, 35, 50))
    known = case(1803, 9003, own, watts=steady(7200, 15, 30, 45), beside=[other])
    assert found(known)[2] == confidence


@pytest.mark.parametrize(("minutes", "is_shared"), [(15, True), (2, False)])
def test_rare_power_does_not_show_two_registers_if_starts_meet(
    minutes: int, is_shared: bool
) -> None:
    """A car may have paused between two reports. The register rose by half of what both tell as
    their power."""
    at = range(minutes, 60, minutes)
    own = [(minute, 100_003 + 120 * minute) for minute in at]
    theirs = [(minute + 1, 100_003 + 120 * (minute + 1)) for minute in at]
    meets = [
        Boundary(0, 1, 100_003, is_start=True),
        Boundary(3600, 3601, 107_203),
        Boundary(9000, 9001, 107_803, is_start=True),
    ]
    stops = [Boundary(300, 301, 100_603, is_start=True), Boundary(3900, 3901, 107_803)]
    other = beside(100_603, 107_803, theirs, (5, 65), steady(7200, *at))
    known = case(100_003, 107_203, own, watts=steady(7200, *at), beside=[other])
    assert "shared_register" not in found(known)[3]
    met = replace(known, beside=[other._replace(boundaries=stops)], boundaries=meets)
    assert ("shared_register" in found(met)[3]) is is_shared


def test_the_power_that_each_tells_may_be_that_of_both() -> None:
    """It doubles while both charge, so the register rises by no less than power implies: 14.4
    kW."""
    own = [(15, 101_800), (30, 103_600), (45, 106_000), (60, 109_600)]
    other = beside(watts=steady(14_400, 55) | {65: 7200})
    known = case(
        100_000, 109_600, own, 61, {15: 7200, 30: 7200, 45: 14_400, 60: 14_400}, beside=[other]
    )
    assert "shared_register" in found(known)[3]


def test_readings_from_0_show_that_a_register_is_its_own() -> None:
    """Two new connectors began at the same register. The other one still stands there when this one
    has risen."""
    own = [(15, 1800), (30, 3600), (45, 5400)]
    other = beside(100_000, 107_200, [(70, 1800), (85, 3600)], (55, 115), steady(7200, 70, 85))
    known = case(100_000, 107_200, own, 61, steady(7200, 15, 30, 45), beside=[other])
    assert found(known) == certain(7200)


# Who drew it


def test_a_car_at_rest_has_counted_what_the_other_drew() -> None:
    own = [(15, 101_800), (30, 103_600), (45, 104_200), (60, 106_000)]
    other = beside(103_600, 106_720, [(55, 105_400), (65, 106_600)])
    known = case(100_000, 106_000, own, watts={15: 7200, 30: 7200, 45: 0, 60: 0}, beside=[other])
    assert found(known) == doubtful(3600, "register", "shared_register")


def test_a_car_that_told_no_power_while_both_ran_may_have_been_full() -> None:
    """Its last power is from before the other one began, so the two need not have drawn more than
    the register rose."""
    other = beside(
        107_200, 118_000, [(75, 109_000), (90, 110_800)], (51, 150), steady(7200, 75, 90)
    )
    known = case(
        100_000, 108_520, [*OWN[:2], (45, 106_000)], 62, steady(7200, 15, 30, 45), beside=[other]
    )
    assert found(known) == doubtful(8520 - 1320, "register", "shared_register")


def rested(*readings: tuple[float, int], watts: dict[float, float]) -> Case:
    """Return a transaction whose other one charged until some minutes before its start."""
    other = beside(100_000, 106_000, readings, (-40, 20), watts)
    return case(
        103_600, 106_720, [(15, 105_400), (25, 106_600)], 26, steady(7200, 15, 25), beside=[other]
    )


@pytest.mark.parametrize("standby", [0, 60])
def test_the_figure_of_the_only_car_that_drew_power_is_certain(standby: int) -> None:
    """The register stood still before it began, so the other one was at rest by then."""
    readings = (-25, 101_800), (-10, 103_600), (12, 105_040), (20, 106_000)
    assert found(
        rested(*readings, watts={-25: 7200, -10: 7200, 12: standby, 20: standby})
    ) == certain(3120)


def test_it_is_doubtful_if_the_other_one_may_have_charged_until_its_next_reading() -> None:
    readings = (-25, 100_900), (-10, 102_400), (12, 105_000), (20, 106_000)
    assert found(rested(*readings, watts={-25: 7200, -10: 7200, 12: 0, 20: 0}))[2] == "doubtful"


@pytest.mark.parametrize("flowed", [1, 90, 900])
def test_little_is_doubtful_too_if_it_surely_flowed_meanwhile(flowed: int) -> None:
    """All that the other one drew is in the figure, too."""
    other = beside(104_800, 104_800 + flowed, (), (40, 44), {})
    assert found(judged(other)) == doubtful(9600 - flowed, "register", "shared_register")


@pytest.mark.parametrize(("watts", "is_shared"), [({}, True), ({55: 0, 70: 1500}, False)])
def test_little_is_doubtful_if_starts_meet_and_no_power_shows_who_drew_it(
    watts: dict[float, float], is_shared: bool
) -> None:
    other = beside(17_200, 24_800, (), (50, 120), watts)._replace(
        boundaries=[STOOD[0]._replace(at=3000, wh=17_200), STOOD[1]]
    )
    known = case(1200, 17_800, beside=[other], boundaries=MET)
    assert ("shared_register" in found(known)[3]) is is_shared
    assert "shared_register" not in found(replace(known, boundaries=MET[:2]))[3]


def test_nothing_is_doubtful_where_nothing_flowed() -> None:
    other = beside(104_800, 104_800, (), (40, 44), {})
    assert found(judged(other)) == certain(9600)


def test_by_a_clock_that_stands_still_power_does_not_limit_what_a_car_drew() -> None:
    """A power that was told before, with the same time, is missing."""
    known = case(100_000, 109_600, OWN, beside=[beside(watts={50: 0, 55: 0})], is_timed=False)
    assert found(known) == doubtful(9600 - 4800, "register", "shared_register")
    assert found(replace(known, is_timed=True)) == certain(9600)


@pytest.mark.parametrize("is_timed", [True, False])
def test_by_a_clock_that_stands_still_little_is_doubtful(is_timed: bool) -> None:
    other = beside(108_400, minutes=(55, 66), watts={55: 0, 60: 2400})
    known = case(
        100_000,
        109_600,
        OWN,
        watts=steady(14_400, 15, 30, 45, 60),
        beside=[other],
        is_timed=is_timed,
    )
    assert ("shared_register" in found(known)[3]) is not is_timed


# Seams


BEFORE = [level(minute, 100_000 + 120 * minute) for minute in range(0, 31, 5)]
UP = [level(minute, 103_600 + 240 * (minute - 30)) for minute in range(31, 62, 5)]


@pytest.mark.parametrize(
    ("wh", "is_start", "later", "is_one"),
    [
        pytest.param(103_600, True, UP, True, id="up at a start"),
        pytest.param(103_600, False, UP, False, id="up at a stop"),
        pytest.param(105_000, True, UP, False, id="another register"),
        pytest.param(
            103_600,
            True,
            [level(minute, 100_000 + 120 * minute) for minute in range(31, 62, 5)],
            False,
            id="the same pace",
        ),
        pytest.param(
            103_600,
            False,
            [level(minute, 103_600 + 60 * (minute - 30)) for minute in range(31, 62, 5)],
            True,
            id="down at a stop",
        ),
        pytest.param(
            103_600,
            False,
            [level(minute, 103_600) for minute in range(31, 62, 5)],
            False,
            id="neither car draws",
        ),
    ],
)
def test_a_seam_shows_one_meter(wh: int, is_start: bool, later: list[Level], is_one: bool) -> None:
    seam = Boundary(30 * 60.0, 30 * 60.0, wh, is_start)
    assert is_seam(seam, BEFORE, later, step=1) is is_one
