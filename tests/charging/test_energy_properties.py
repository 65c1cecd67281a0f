"""Properties of the judge for every transaction."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from levity_trio.charging.energy import judge
from levity_trio.charging.explain import weigh
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.evidence import Case, Neighbour, Row, StateOfCharge, gather, seconds
from levity_trio.charging.sent.figures import METHODS
from levity_trio.charging.sent.readings import OUTLET, REGISTER
from levity_trio.told import Told
from levity_trio.wire.times import stamp
from tests.charging.cases import CERTAIN, DOUBTFUL, Minutes, case, found, power, view
from tests.sizes import size
from tests.store.books import NOON

registers = st.none() | st.integers(0, 10_000) | st.integers(0, 2**40)
minutes = st.integers(0, 3000)
watts = st.integers(0, 25_000) | st.integers(0, 400_000)
SHOWN_MINUTES = 10
"""A shorter transaction has too few powers to show anything about its register."""
CHARGING_W, SHOWING_STEPS = 1000, 4
percents = st.integers(0, 100)
neighbours = st.none() | st.builds(Neighbour, registers, registers, registers, registers)


@st.composite
def wild_cases(draw: st.DrawFn) -> Case:
    """Return anything that a charger may send."""
    first = sorted(draw(st.lists(st.tuples(minutes, st.integers(0, 2**40)), max_size=8)))
    second = sorted(draw(st.lists(st.tuples(minutes, st.integers(0, 10**6)), max_size=3)))
    is_stopped = draw(st.booleans())
    return Case(
        begun=0.0,
        ended=draw(st.integers(-100, 3000)) * 60.0,
        start_wh=draw(registers),
        stop_wh=draw(registers) if is_stopped else None,
        longest=draw(st.integers(0, 3000)) * 60.0,
        is_timed=draw(st.booleans()),
        is_stopped=is_stopped,
        is_start_unknown=draw(st.booleans()),
        is_backwards=draw(st.booleans()),
        received_seconds=draw(st.integers(0, 3000)) * 60.0,
        garbled=draw(st.sampled_from([(), ("x",)])),
        views=[
            view(readings, draw(st.sampled_from([1, 10, 1000])))
            for readings in (first, second)
            if readings
        ],
        begin_wh=draw(registers),
        end_wh=draw(registers),
        power=power(draw(st.dictionaries(minutes, watts, max_size=6))),
        charges=[
            StateOfCharge(minute * 60.0, percent)
            for minute, percent in sorted(
                draw(st.lists(st.tuples(minutes, st.integers(0, 100)), max_size=3))
            )
        ],
        is_dc=draw(st.booleans()),
        before=draw(neighbours),
        after=draw(neighbours),
        swapped_at=[minute * 60.0 for minute in draw(st.lists(minutes, max_size=1))],
        available_at=draw(st.none() | minutes.map(lambda minute: minute * 60.0)),
        habits=dict.fromkeys(draw(st.lists(st.sampled_from(Code), max_size=2)), 0),
        ceiling_w=draw(st.none() | watts),
    )


@st.composite
def honest_meters(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]], int]:
    """Return start, readings that rise at up to 11 kW (the last is the stop), and duration in
    minutes."""
    start, minute = draw(st.integers(0, 10**9)), 0
    wh, readings = start, list[tuple[int, int]]()
    steps = draw(
        st.lists(st.tuples(st.integers(1, 60), st.integers(0, 11_000)), min_size=1, max_size=10)
    )
    assume(not _is_faster_at_an_end([pace for _, pace in steps]))
    for gap, pace in steps:
        minute, wh = minute + gap, wh + gap * pace // 60
        readings.append((minute, wh))
    return start, readings, minute


def _is_faster_at_an_end(paces: Sequence[float]) -> bool:
    """Whether a car charges more than twice as fast next to its start or stop as ever between,
    where some steps show how it charges. That is in doubt: without power, a wrong start or stop
    looks the same
    (measured.py)."""
    between = [pace for pace in paces[1:-1] if pace >= CHARGING_W]
    return len(between) >= SHOWING_STEPS and max(paces[0], paces[-1]) > 2 * max(between)


def _paces(points: Sequence[tuple[float, int]]) -> list[float]:
    """Return the power of each step in W, by the register."""
    return [
        (high - low) * 60 / (after - before)
        for (before, low), (after, high) in pairwise(points)
        if after > before
    ]


# Never absurd


@given(wild_cases())
def test_never_negative_and_certain_only_without_a_doubt(known: Case) -> None:
    judgement = judge(known)
    assert judgement.wh >= 0
    assert judgement.method in METHODS
    assert (judgement.confidence == CERTAIN) == (judgement.doubts == ())
    assert all(doubt.words and all(doubt.evidence) for doubt in judgement.doubts)


@given(wild_cases())
def test_a_certain_figure_is_the_reported_one_without_habits(known: Case) -> None:
    known = replace(known, habits={})
    judgement = judge(known)
    if judgement.confidence == DOUBTFUL:
        return
    assert known.start_wh is not None
    if known.stop_wh is not None:
        assert judgement.wh == known.stop_wh - known.start_wh
    else:
        assert judgement.wh in (known.view.wh[-1] - known.start_wh, known.view.wh[-1])


@settings(max_examples=size(2000, 150))
@given(wild_cases())
def test_all_that_is_said_of_a_figure_is_data(known: Case) -> None:
    """A text that was put together in another way has no template, and would be English on a German
    page."""
    judgement, interpretations = weigh(known)
    texts = [
        text
        for doubt in judgement.doubts
        for text in (doubt.words, *doubt.evidence, *doubt.figures)
    ]
    for one in interpretations:
        texts += [one.words, *filter(None, (one.against,)), *(one.evidence or ())]
    assert [text for text in texts if not isinstance(text, Told) or "} Wh" in text.template] == []


@given(wild_cases())
def test_the_same_facts_give_the_same_judgement(known: Case) -> None:
    assert judge(known) == judge(replace(known)) == judge(known)


@given(wild_cases())
def test_a_figure_that_no_charger_can_deliver_is_not_certain(known: Case) -> None:
    judgement = judge(known)
    if judgement.confidence == CERTAIN:
        seconds = max(known.longest, known.received_seconds) + 2 * known.interval + 2
        assert judgement.wh <= 440_000 * seconds / 3600 + 2 * known.digit


# Honest


def sampled(start: str, readings: Minutes, order: list[int]) -> list[Row]:
    rows = [_row(start, minute, wh) for minute, wh in readings]
    return [rows[number] for number in order]


def _row(start: str, minute: float, wh: int) -> Row:
    timestamp = stamp(NOON.fromtimestamp(seconds(start) + minute * 60, NOON.tzinfo))
    return (
        "MeterValues",
        timestamp,
        REGISTER,
        str(wh),
        "Wh",
        "",
        "Sample.Periodic",
        wh,
        "",
        OUTLET,
        0,
    )


@given(honest_meters(), st.randoms())
def test_an_honest_meter_is_certain_and_exact_in_any_order_of_arrival(
    honest: tuple[int, list[tuple[int, int]], int], chance: Random
) -> None:
    start, readings, lasted = honest
    order = list(range(len(readings)))
    chance.shuffle(order)
    measured = gather(sampled(stamp(NOON), readings, order))
    begun = seconds(stamp(NOON))
    known = Case(
        begun=begun,
        ended=begun + lasted * 60,
        start_wh=start,
        stop_wh=readings[-1][1],
        longest=lasted * 60.0,
        views=measured.views,
    )
    assert found(known) == (readings[-1][1] - start, "register", CERTAIN, set())


@pytest.mark.parametrize(
    ("measurand", "phase", "is_dc"),
    [
        pytest.param("Power.Offered", "L1-L2", True, id="an offer, whatever its phase"),
        pytest.param("Voltage", "L1-L2", False, id="a voltage between two phases"),
        pytest.param("Voltage", "", True, id="a voltage"),
    ],
)
def test_a_dc_charger_is_shown_by_what_no_ac_charger_has(
    measurand: str, phase: str, is_dc: bool
) -> None:
    at = stamp(NOON)
    context = "Sample.Periodic"
    row = ("MeterValues", at, measurand, "50000", "", phase, context, None, at, OUTLET, 1)
    assert gather([row]).is_dc_shown is is_dc


@given(honest_meters())
def test_readings_per_session_do_not_disturb(
    honest: tuple[int, list[tuple[int, int]], int],
) -> None:
    start, readings, lasted = honest
    session = [(minute, wh - start) for minute, wh in readings]
    # by chance, these may also be the lifetime register in kWh
    assume(not 0 <= session[0][1] - start // 1000 <= 100)
    assert found(case(start, readings[-1][1], session, lasted)) == (
        readings[-1][1] - start,
        "register",
        CERTAIN,
        set(),
    )


@given(honest_meters())
def test_power_that_agrees_does_not_disturb(honest: tuple[int, list[tuple[int, int]], int]) -> None:
    """The power is that since the previous reading, and is sent at both ends of each gap."""
    start, readings, lasted = honest
    points = [(0, start), *readings]
    drawn: dict[float, float] = {0: 0.0}
    for (before, low), (after, high) in pairwise(points):
        pace = (high - low) * 60 / (after - before)
        drawn[before] = max(drawn[before], pace)
        drawn[after] = pace
    judgement = judge(case(start, readings[-1][1], readings, lasted, drawn))
    assert judgement.wh == readings[-1][1] - start


@given(honest_meters(), st.integers(0, 20), st.data())
def test_a_reading_on_the_straight_line_changes_nothing(
    honest: tuple[int, list[tuple[int, int]], int], where: int, data: st.DataObject
) -> None:
    start, readings, lasted = honest
    points = [(0, start), *readings]
    number = where % len(readings)
    (before, low), (after, high) = points[number], points[number + 1]
    minute = data.draw(st.floats(before, after))
    on_the_line = (minute, low + round((high - low) * (minute - before) / (after - before)))
    more = sorted([*readings, on_the_line])
    # one step more may show how the car charges
    assume(not _is_faster_at_an_end(_paces([points[0], *more])))
    plain, with_more = (
        judge(case(start, readings[-1][1], readings, lasted)),
        judge(case(start, high, more, lasted)),
    )
    if number == len(readings) - 1:
        assert (with_more.wh, with_more.doubts) == (plain.wh, plain.doubts)
    with_more = judge(case(start, readings[-1][1], more, lasted))
    assert (with_more.wh, with_more.doubts) == (plain.wh, plain.doubts)


# One false reading


@given(honest_meters(), st.integers(0, 20), st.integers(0, 10_000) | st.integers(0, 2**40))
def test_one_false_reading_invents_nothing(
    honest: tuple[int, list[tuple[int, int]], int], where: int, lie: int
) -> None:
    start, readings, lasted = honest
    if len(readings) < 3:
        return
    index = 1 + where % (len(readings) - 2)
    lying = [*readings[:index], (readings[index][0], lie), *readings[index + 1 :]]
    wh, _, confidence, reviews = found(case(start, readings[-1][1], lying, lasted))
    assert wh <= readings[-1][1] - start or reviews == {"register_reset"}
    assert wh == readings[-1][1] - start or confidence == DOUBTFUL


def test_a_false_reading_near_the_stop_invents_nothing() -> None:
    readings = [(12, 1177), (14, 2456), (34, 1178), (35, 1179), (58, 2463)]
    assert found(case(335, 2463, readings, 58))[0] <= 2463 - 335


def test_each_code_occurs_once() -> None:
    doubts = judge(case(0, None, [(0, 0)], begin_wh=2)).doubts
    assert len({doubt.code for doubt in doubts}) == len(doubts)


@given(honest_meters(), st.sampled_from([0.01, 0.1, 10.0, 100.0, 1000.0]))
def test_a_register_wrong_by_a_factor_against_its_power_is_never_certain(
    honest: tuple[int, list[tuple[int, int]], int], factor: float
) -> None:
    _, readings, lasted = honest
    assume(lasted >= SHOWN_MINUTES)
    drawn: dict[float, float] = dict.fromkeys(range(lasted + 1), 7200)
    scaled = [(minute, round(minute * 120 * factor)) for minute, _ in readings]
    wh, _, confidence, _ = found(case(0, round(lasted * 120 * factor), scaled, lasted, drawn))
    assert confidence == DOUBTFUL
    assert wh <= lasted * 120 * 1.15 + 2
