"""A stop or a start that repeats an old register, as the neighbour and the energy that flowed
meanwhile show."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from levity_trio.charging.energy import judge
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.evidence import Case, Neighbour, Power
from tests.charging.cases import Minutes, case, certain, doubtful, found, steady

RISING = [(15, 101_800), (30, 103_600), (45, 105_400)]
"""7.2 kW."""


def followed(
    by: int,
    stop: int = 105_400,
    readings: Minutes = RISING,
    watts: Mapping[float, float] | None = None,
) -> Case:
    return case(100_000, stop, readings, 55, watts, after=Neighbour(by, None))


def test_a_stop_that_repeats_the_last_reading_is_doubtful_if_the_next_begins_higher() -> None:
    (doubt,) = judge(followed(106_600)).doubts
    assert doubt.code is Code.STOP_GARBLED
    assert doubt.words == "the stop repeats an old register: the next session begins higher"
    assert doubt.evidence == ("105400 Wh for 10 minutes", "106600 Wh in the session beside it")
    assert doubt.figures == {"as reported": 5400, "with what is missing": 6600}
    assert found(followed(106_600)) == doubtful(5400, "register", "stop_garbled")


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(followed(106_600, watts=steady(7200, 15, 30, 45)), id="with power"),
        pytest.param(
            followed(103_800, 103_600, [(15, 101_800), (30, 103_600), (45, 103_600)]),
            id="it stood still",
        ),
        pytest.param(
            followed(107_000, 100_000, [(15, 100_000), (30, 100_000)]), id="it never rose"
        ),
        pytest.param(followed(107_000, 100_000, []), id="without readings"),
    ],
)
def test_energy_that_can_have_flowed_while_the_register_stood_is_missed(known: Case) -> None:
    assert "stop_garbled" in found(known)[3]


@pytest.mark.parametrize("next_start", [106_600, 106_500, 106_750])
def test_what_is_missing_counts_if_power_shows_that_so_much_flowed(next_start: int) -> None:
    known = followed(next_start, watts=steady(7200, 15, 30, 45))
    assert found(known) == doubtful(next_start - 100_000, "segments", "stop_garbled")
    assert judge(known).billed_until == next_start


def test_a_register_that_froze_under_power_is_counted_up_to_the_next_start() -> None:
    """Power contradicts the stop; without the next start, the figure could only be what the
    register showed."""
    minutes = range(5, 60, 5)
    readings = [(minute, 100_000 + 120 * min(minute, 30)) for minute in minutes]
    known = followed(106_600, 103_600, readings, steady(7200, *minutes))
    assert found(known) == doubtful(6600, "segments", "stop_garbled")
    assert found(replace(known, after=None)) == doubtful(3600, "segments", "nothing_agrees")


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(followed(106_200, watts=steady(7200, 15, 30, 45)), id="less than power shows"),
        pytest.param(followed(107_000, watts=steady(7200, 15, 30, 45)), id="more than power shows"),
        pytest.param(
            replace(
                followed(106_600),
                power=Power([900.0, 1800.0, 2700.0], [7200.0] * 3, [21_600.0] * 3),
            ),
            id="on one phase or on three",
        ),
        pytest.param(
            case(
                100_000,
                103_600,
                [(15, 100_000), (30, 101_800), (45, 103_600)],
                55,
                steady(7200, 15, 30, 45),
                before=Neighbour(90_000, 98_200),
                after=Neighbour(104_800, None),
            ),
            id="both ends are old",
        ),
    ],
)
def test_otherwise_the_reported_figure_counts(known: Case) -> None:
    judgement = judge(known)
    assert (judgement.wh, judgement.method) == ((known.stop_wh or 0) - 100_000, "register")
    assert judgement.doubts


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(followed(105_400), id="nothing is missing"),
        pytest.param(followed(105_450), id="standby power"),
        pytest.param(followed(150_000), id="more than can have flowed"),
        pytest.param(followed(500), id="the next one begins lower"),
        pytest.param(followed(107_700, 106_600), id="it rose until the stop"),
        pytest.param(
            followed(106_600, 105_500, watts={15: 7200, 30: 7200, 45: 0}), id="the car had ended"
        ),
        pytest.param(
            followed(106_600, watts={15: 7200, 30: 7200, 45: 0}), id="the car was at rest"
        ),
        pytest.param(
            followed(107_000, 100_000, [(15, 100_000)], {15: 0}), id="the car took nothing"
        ),
        pytest.param(
            followed(103_700, 103_600, [*RISING[:2], (45, 103_600)], {15: 7200, 30: 7200, 45: 0}),
            id="the car was full",
        ),
    ],
)
def test_a_stop_is_right_where_nothing_can_have_flowed_since(known: Case) -> None:
    assert found(known) == certain((known.stop_wh or 0) - 100_000)


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(followed(106_600, 105_500), id="by its pace"),
        pytest.param(
            followed(106_600, 105_500, watts={15: 7200, 30: 7200, 45: 7200}), id="by power"
        ),
        pytest.param(
            followed(106_000, 105_500, watts={15: 3600, 30: 7200, 45: 7200}), id="by varying power"
        ),
    ],
)
def test_a_stop_that_was_read_early_is_doubtful(known: Case) -> None:
    """The last step lacks what the next transaction begins higher by."""
    assert found(known)[3] == {"stop_garbled"}


@pytest.mark.parametrize("stop", [105_399, 105_401])
def test_a_stop_that_repeats_a_reading_rounded_in_another_way(stop: int) -> None:
    known = followed(106_600, stop, watts=steady(7200, 15, 30, 45))
    assert found(known) == doubtful(6600, "segments", "stop_garbled")


def test_a_stop_that_repeats_a_reading_is_told_by_the_end_of_its_data_too() -> None:
    readings = [*RISING, (55, 105_500)]
    assert found(followed(106_600, 105_500, readings, steady(7200, 15, 30, 45)))[3] == {
        "stop_garbled"
    }


def test_a_first_step_that_lacks_what_left_since_the_previous_stop_is_doubtful() -> None:
    readings = [(15, 101_300), (30, 103_100), (45, 104_900)]
    before = Neighbour(90_000, 99_600)
    known = case(
        100_000,
        105_500,
        readings,
        50,
        {15: 7200, 30: 5000, 45: 7200},
        before=before,
        received_seconds=3000.0,
    )
    assert found(known) == doubtful(5500, "register", "start_garbled")
    assert found(replace(known, received_seconds=60.0)) == certain(5500)


def test_a_car_may_begin_a_minute_late() -> None:
    readings = [(15, 101_690), (30, 103_490), (45, 105_290)]
    known = case(
        100_000,
        105_890,
        readings,
        50,
        {15: 7200, 30: 5000, 45: 7200},
        before=Neighbour(90_000, 99_890),
    )
    assert found(replace(known, received_seconds=3000.0)) == certain(5890)


def test_a_start_that_was_read_late_is_doubtful() -> None:
    readings = [(15, 100_000), (30, 101_800), (45, 103_600)]
    known = case(100_000, 105_400, readings, before=Neighbour(90_000, 98_200))
    assert found(known) == doubtful(5400, "register", "start_garbled")
    assert judge(known).doubts[0].figures == {"as reported": 5400, "with what is missing": 7200}


def test_what_is_missing_before_a_late_start_counts_if_power_shows_it() -> None:
    readings = [(15, 100_000), (30, 101_800), (45, 103_600)]
    known = case(
        100_000,
        105_400,
        readings,
        watts=steady(7200, 0, 15, 30, 45),
        before=Neighbour(90_000, 98_200),
    )
    assert found(known) == doubtful(7200, "segments", "start_garbled")
    assert (judge(known).billed_from, judge(known).billed_until) == (98_200, 105_400)


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(
            case(100_000, 105_400, RISING, before=Neighbour(90_000, 98_200)),
            id="it rises from its start",
        ),
        pytest.param(
            case(
                100_000,
                103_600,
                [(15, 100_000), (30, 101_800)],
                45,
                before=Neighbour(90_000, 60_000),
            ),
            id="more than can have flowed",
        ),
        pytest.param(
            case(
                100_000,
                103_600,
                [(15, 100_000), (30, 101_800)],
                45,
                {15: 0, 30: 7200},
                before=Neighbour(9, 98_200),
            ),
            id="the car waited",
        ),
    ],
)
def test_a_start_is_right_where_nothing_can_have_flowed_before_its_reading(known: Case) -> None:
    assert found(known) == certain((known.stop_wh or 0) - 100_000)


def test_a_start_without_any_reading_may_have_been_read_late() -> None:
    assert found(case(100_000, 100_000, before=Neighbour(90_000, 95_000)))[3] == {"start_garbled"}


# Registers below both neighbours

LOW = [(15, 0), (30, 0)]


@pytest.mark.parametrize(("stop", "readings"), [(0, LOW), (0, []), (500, [])])
def test_registers_below_both_neighbours_are_no_reset(stop: int, readings: Minutes) -> None:
    known = case(
        0, stop, readings, before=Neighbour(90_000, 100_000), after=Neighbour(107_200, None)
    )
    assert found(known) == doubtful(stop, "register", "start_garbled")
    assert judge(known).doubts[0].figures["between the neighbours"] == 7200


def test_a_register_that_was_reset_goes_on_from_there() -> None:
    known = case(0, 5000, before=Neighbour(0, 100_000), after=Neighbour(5000, None))
    assert found(known) == certain(5000)


def test_one_that_goes_beyond_the_previous_stop_shows_no_reset_without_a_reading_below_that() -> (
    None
):
    before, after = Neighbour(0, 3000), Neighbour(5000, None)
    assert found(case(0, 5000, before=before, after=after)) == doubtful(2000, "register", "overlap")
    assert found(case(0, 5000, [(15, 1200), (30, 2500)], before=before, after=after)) == certain(
        5000
    )


# Another meter


@pytest.mark.parametrize("readings", [[], [(15, 101_800), (30, 103_600)]])
def test_the_difference_of_two_meters_is_no_energy(readings: Minutes) -> None:
    """It could have flowed, so nothing but the serial number contradicts it."""
    known = case(100_000, 107_200, readings, swapped_at=[40 * 60.0])
    assert found(known) == doubtful(
        readings[-1][1] - 100_000 if readings else 0, "segments", "meter_swapped"
    )
    assert judge(known).doubts[0].figures["as reported"] == 7200


def test_a_meter_that_goes_on_where_the_other_one_stood_loses_nothing() -> None:
    known = case(
        100_000, 103_600, [(15, 101_800), (30, 103_600), (50, 103_600)], swapped_at=[40 * 60.0]
    )
    assert found(known) == certain(3600)


def test_a_start_below_the_stop_as_sent_is_in_doubt_if_power_contradicts_its_first_step() -> None:
    """The previous stop was not believed because of this start: then neither shows that the other
    is right."""
    sent, watts = 7_208_155, steady(11_000, *range(15, 106, 15))
    readings = [(minute, sent + 2750 * minute // 15) for minute in range(15, 106, 15)]
    before = Neighbour(7_202_691, sent - 1673, replaced_end=sent, is_doubtful=True, apart=12_372.0)
    known = case(sent - 1673, sent + 21_000, readings, 115, watts, before=before, ceiling_w=11_000)
    assert found(known) == (22_673, "register", "doubtful", {"power_disagrees"})


def test_the_pace_is_named_where_no_power_was_reported_at_the_step() -> None:
    known = followed(106_600, 105_500, watts=steady(7200, 15, 30))
    (doubt,) = judge(replace(known, received_seconds=3300.0)).doubts
    assert doubt.evidence == ("100 Wh in 600 s", "1200 Wh by the pace beside it")


def test_a_start_that_was_replaced_is_not_believed_because_it_is_where_that_session_ended() -> None:
    after = Neighbour(105_400, 106_600, replaced=106_600)
    known = followed(105_400, watts=steady(7200, 15, 30, 45))
    assert found(replace(known, after=after)) == doubtful(5400, "register", "stop_garbled")
