"""The course of a lifetime register: what it rose by until any time, and what is no energy."""

from __future__ import annotations

from itertools import pairwise

import pytest

from levity_trio.billing.courses import (
    CoursePoint,
    CourseStretch,
    Metered,
    RegisterCourse,
    RegisterEnergy,
    RiseBounds,
    StepGround,
    energy,
    placed,
    share,
    share_register,
    stretches,
)


def at(hour: float) -> str:
    minutes = round(hour * 60)
    return f"2026-03-{1 + minutes // 1440:02}T{minutes // 60 % 24:02}:{minutes % 60:02}:00.000Z"


def tx(
    number: int,
    hours: tuple[float, float | None],
    wh: tuple[int | None, int | None],
    figure: int | None = None,
    method: str = "register",
) -> Metered:
    """A transaction from an hour to another, from a register to another, with its figure."""
    begin, end = wh
    figure = figure if figure is not None else (end or 0) - (begin or 0)
    return Metered(
        number, at(hours[0]), None if hours[1] is None else at(hours[1]), begin, end, figure, method
    )


def rises(*transactions: Metered) -> list[tuple[int | None, int, StepGround | None]]:
    return [(one.transaction, one.wh, one.ground) for one in stretches(transactions)]


def test_transactions_and_what_lies_between() -> None:
    found = rises(tx(1, (1, 2), (100, 400)), tx(2, (3, 4), (400, 900)), tx(3, (5, 6), (950, 1000)))
    assert found == [
        (1, 300, None),
        (None, 0, None),
        (2, 500, None),
        (None, 50, None),
        (3, 50, None),
    ]


@pytest.mark.parametrize(
    ("before", "after", "wh", "ground"),
    [
        ((500, 5000), (20, 90), 0, StepGround.FELL),
        ((500, 5000), (0, 90), 0, StepGround.COUNTS_ANEW),
        ((500, 999_900), (50, 90), 150, StepGround.ROLLED_OVER),
        ((500, 5000), (5_000_000, 5_000_100), 0, StepGround.LEAPT),
        ((500, 5000), (105_000, 105_100), 0, StepGround.LEAPT),
    ],
)
def test_a_step_that_is_no_energy(
    before: tuple[int, int], after: tuple[int, int], wh: int, ground: StepGround
) -> None:
    _, gap, _ = rises(tx(1, (1, 2), before), tx(2, (3, 4), after))
    assert gap == (None, wh, ground)


def test_no_energy_flowed_into_another_meter() -> None:
    def is_replaced(since: str, until: str) -> bool:
        return since < at(4.5) < until

    pairs = [tx(1, (1, 2), (100, 400)), tx(2, (3, 4), (500, 900)), tx(3, (5, 6), (10_000, 10_100))]
    found = stretches(pairs, is_replaced)
    assert [(one.wh, one.ground) for one in found if one.transaction is None] == [
        (100, None),
        (0, StepGround.REPLACED),
    ]
    same = stretches([tx(2, (3, 4), (500, 900)), tx(3, (5, 6), (900, 1000))], is_replaced)
    assert [one.ground for one in same] == [None, None, None], (
        "the register goes on: it is the same meter"
    )


def test_connectors_that_share_a_register_go_on_where_the_other_ended() -> None:
    one = [tx(1, (1, 2), (100, 400)), tx(3, (5, 7), (700, 950)), tx(5, (10, 11), (1000, 1100))]
    other = [tx(2, (3, 4), (400, 700)), tx(4, (6, 9), (800, 1000))]
    assert share_register([one, other])
    assert not share_register(
        [one, [tx(2, (3, 4), (90_000, 90_300)), tx(4, (8, 9), (90_300, 90_400))]]
    )
    assert not share_register(
        [[tx(1, (1, 2), (0, 9))], [tx(2, (3, 4), (0, 9))], [tx(3, (5, 6), (0, 9))]]
    )
    assert not share_register([one[:1], other[:1]]), "once may be chance"
    assert not share_register([])
    assert rises(*sorted([*one, *other], key=lambda found: found.began)) == [
        *((1, 300, None), (None, 0, None), (2, 300, None), (None, 0, None), (3, 250, None)),
        *((None, 0, StepGround.OVERLAP), (4, 50, None), (None, 0, None), (5, 100, None)),
    ]


def test_what_two_transactions_cover_counts_once() -> None:
    assert [
        one[1:] for one in rises(tx(1, (1, 3), (0, 1000)), tx(2, (2, 4), (600, 1500), 500))
    ] == [*((1000, None), (0, StepGround.OVERLAP), (500, None))]
    nested = rises(
        tx(1, (1, 5), (100, 1000)), tx(2, (2, 4), (300, 600), 0), tx(3, (6, 7), (1000, 1200))
    )
    assert [one[1] for one in nested] == [900, 0, 0, 0, 200]


@pytest.mark.parametrize(
    ("method", "wh", "figure", "rise"),
    [
        ("rollover", (999_900, 300), 400, 400),
        ("scaled", (100, 112), 12_000, 12_000),
        ("segments", (100, 3000), 7900, 7900),
        ("segments", (100, 60_000), 9000, 59_900),
        ("corrected", (100, 5100), 4000, 5000),
        ("session readings", (100, 5100), 5000, 5000),
    ],
)
def test_the_judge_understood_what_it_rose_by(
    method: str, wh: tuple[int, int], figure: int, rise: int
) -> None:
    ((_, found, _),) = rises(tx(1, (1, 2), wh, figure, method))
    assert found == rise


def test_a_transaction_without_registers_goes_on_from_the_one_before() -> None:
    found = stretches(
        [tx(1, (1, 2), (0, 100)), tx(2, (3, 4), (None, None), 0), tx(3, (5, 6), (160, 200))]
    )
    assert [(one.transaction, one.wh) for one in found] == [(1, 100), (2, 0), (None, 60), (3, 40)]


def test_bounds_are_those_of_the_readings_around() -> None:
    found = stretches([tx(1, (1, 5), (100, 4100)), tx(2, (6, 7), (4200, 4300))])
    course = RegisterCourse(found, [CoursePoint(at(2), 800), CoursePoint(at(3), 1900)])
    assert [course.bounds(at(hour)) for hour in (0, 1, 2.5, 3, 4, 5.5, 6.5, 9)] == [
        *(RiseBounds(0, 0), RiseBounds(0, 0), RiseBounds(800, 1900), RiseBounds(1900, 1900)),
        *(
            RiseBounds(1900, 4000),
            RiseBounds(4000, 4100),
            RiseBounds(4100, 4200),
            RiseBounds(4200, 4200),
        ),
    ]
    assert energy(course.bounds(at(2.5)), course.bounds(at(4))) == RegisterEnergy(1100, 0, 3200)
    assert course.ends_at == at(7)
    assert RegisterCourse([]).bounds(at(1)) == (0, 0)


def test_shares_of_a_time_add_up() -> None:
    course = RegisterCourse(
        stretches([tx(1, (1, 5), (100, 4100)), tx(2, (6, 9), (4200, 6000))]),
        [CoursePoint(at(3), 1900)],
    )
    seams = [course.bounds(at(hour)) for hour in (0, 3.5, 5.5, 7, 10)]
    for since, until in pairwise(seams):
        assert sum(share(one, since, until) for one in course.stretches) == until.low - since.low


@pytest.mark.parametrize(
    ("wh", "is_lifetime", "expected"),
    [
        (1100, True, 1000),
        (4200, True, None),
        (99, True, None),
        (700, False, 700),
        (4001, False, None),
    ],
)
def test_a_reading_has_its_place(wh: int, *, is_lifetime: bool, expected: int | None) -> None:
    (stretch,) = stretches([tx(1, (1, 5), (100, 4100))])
    point = placed(stretch, at(2), wh, is_lifetime=is_lifetime)
    assert (point.wh if point else None) == expected


def test_no_reading_has_a_place_where_the_register_was_reset() -> None:
    stretch = CourseStretch(at(1), at(2), 0, 7900, 100, 3000, 1, is_plain=False)
    assert placed(stretch, at(1.5), 200) is None


def test_clocks_that_overlap_never_turn_the_course_back() -> None:
    course = RegisterCourse(
        stretches([tx(1, (1, 8), (0, 100)), tx(2, (2, 3), (100, 200)), tx(3, (4, 5), (200, 300))])
    )
    lows = [course.bounds(at(hour)).low for hour in range(10)]
    assert lows == sorted(lows)
    assert lows[-1] == 300
