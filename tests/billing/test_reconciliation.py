"""The sums of a month add up exactly, whatever crosses its seams, and each figure that is another
has a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.billing.courses import CoursePoint, Metered, RegisterCourse, stretches
from levity_trio.billing.ownership import TimeSpan
from levity_trio.billing.reconciliation import (
    ChargerMonth,
    ReconciledConnector,
    ReconciledTransaction,
    Sums,
    reconcile,
    site,
)
from levity_trio.billing.states import BillState
from tests.billing.test_courses import at, tx

MONTH = TimeSpan(at(100), at(200))


def states(numbers: Sequence[int]) -> Mapping[int, BillState]:
    return dict.fromkeys(numbers, BillState.UNBILLED)


def month(
    *transactions: Metered,
    points: Sequence[CoursePoint] = (),
    span: TimeSpan = MONTH,
    doubtful: Sequence[int] = (),
    settled: Mapping[int, str] | None = None,
    of_state: Any = states,
) -> ChargerMonth:
    known = {
        one.id: ReconciledTransaction(
            one, "CP-1", 1, one.id not in doubtful, (settled or {}).get(one.id)
        )
        for one in transactions
    }
    return reconcile(
        "CP-1",
        [ReconciledConnector(1, RegisterCourse(stretches(transactions), points), known)],
        span,
        of_state,
    )


def line(sums: Sums, state: BillState) -> tuple[int, int, int, int]:
    (found,) = (one for one in sums.states if one.state is state)
    return found.transactions, found.wh, found.doubtful_transactions, found.doubtful_wh


def test_a_transaction_across_each_seam() -> None:
    first, last = tx(1, (90, 110), (0, 10_000)), tx(3, (195, 210), (13_000, 20_000))
    points = [
        CoursePoint(at(99), 4000),
        CoursePoint(at(101), 4600),
        CoursePoint(at(199), 15_000),
        CoursePoint(at(201), 16_000),
    ]
    sums = month(first, tx(2, (150, 160), (10_000, 12_000)), last, points=points).sums
    assert (sums.register_wh, sums.least_wh, sums.most_wh) == (11_000, 10_400, 12_000)
    assert line(sums, BillState.UNBILLED) == (2, 12_000, 0, 0)
    assert (sums.before_wh, sums.later_wh, sums.between_wh) == (4000, 2000, 1000)
    assert (sums.accounted_wh, sums.difference_wh, sums.adds_up) == (11_000, 0, True)


def test_what_is_open_counts_so_far() -> None:
    open_now = Metered(2, at(190), None, 5000, None, 3000, seen=at(210))
    found = month(
        tx(1, (110, 120), (0, 5000)),
        open_now,
        points=[CoursePoint(at(200), 7000)],
        of_state=lambda numbers: {
            number: BillState.OPEN if number == 2 else BillState.BILLED for number in numbers
        },
    )
    assert line(found.sums, BillState.OPEN) == (1, 2000, 0, 0)
    assert line(found.sums, BillState.BILLED) == (1, 5000, 0, 0)
    assert (found.sums.later_wh, found.sums.difference_wh) == (0, 0)
    assert found.last_register_at == at(210)


@pytest.mark.parametrize(
    ("method", "doubtful", "settled", "reason"),
    [
        ("corrected", [], None, "corrected by hand"),
        ("imported", [], None, "imported with this figure"),
        ("register", [1], None, "doubtful"),
        ("register", [], {1: "anna"}, "confirmed by anna"),
        ("register", [], None, ""),
    ],
)
def test_a_figure_that_the_register_does_not_say(
    method: str, doubtful: list[int], settled: dict[int, str] | None, reason: str
) -> None:
    found = month(tx(1, (110, 120), (0, 5000), 4000, method), doubtful=doubtful, settled=settled)
    (difference,) = found.differences
    assert (difference.wh, difference.figure_wh, difference.reason) == (1000, 4000, reason)
    assert (found.sums.difference_wh, found.sums.adds_up, found.sums.is_explained) == (
        1000,
        False,
        bool(reason),
    )
    assert found.sums.unexplained_wh == (0 if reason else 1000)
    assert line(found.sums, BillState.UNBILLED)[2:] == ((1, 4000) if doubtful else (0, 0))


def test_differences_of_both_signs_do_not_hide_each_other() -> None:
    one, other = tx(1, (110, 120), (0, 5000), 4000), tx(2, (130, 140), (5000, 6000), 2000)
    sums = month(one, other).sums
    assert (sums.difference_wh, sums.unexplained_wh, sums.adds_up) == (0, 2000, False)


def test_odd_steps_of_one_kind_are_told_once() -> None:
    anew = [tx(number, (100 + 10 * number, 105 + 10 * number), (0, 500)) for number in range(1, 6)]
    (remark,) = month(*anew).remarks
    assert (remark.ground, remark.times, remark.since, remark.from_wh) == (
        "counts anew",
        4,
        at(115),
        500,
    )
    assert month(*anew, span=TimeSpan(at(300), at(400))).remarks == ()


def test_the_site_is_the_sum_of_its_chargers() -> None:
    parts = [
        month(tx(1, (90, 110), (0, 900 * times), 800 * times), doubtful=[1]) for times in (1, 2)
    ]
    whole = site(parts)
    assert (whole.register_wh, whole.difference_wh) == (2700, 300)
    assert line(whole, BillState.UNBILLED) == (2, 2400, 2, 2400)
    assert site([]).adds_up


def test_a_charger_without_connectors_has_nothing() -> None:
    assert reconcile("CP-1", [], MONTH, states).sums.register_wh == 0


# A model: the energy of each hour

HOURS = 40


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 3000)), min_size=HOURS, max_size=HOURS),
    st.lists(st.integers(0, HOURS), unique=True),
    st.tuples(st.integers(0, HOURS), st.integers(0, HOURS)).map(sorted),
)
def test_the_lines_of_any_month_add_up(
    hours: list[tuple[bool, int]], read: list[int], seams: list[int]
) -> None:
    """Energy flows in hours with and without a transaction; the register is read at some hours, and
    at their ends."""
    register = [0]
    for _, wh in hours:
        register.append(register[-1] + wh)
    charged = [is_charging for is_charging, _ in hours]
    edges = [
        hour
        for hour in range(HOURS + 1)
        if charged[hour - 1 : hour] != charged[hour : hour + 1] or not hour
    ]
    runs = [
        (since, until)
        for since, until in zip(edges, [*edges[1:], HOURS], strict=True)
        if charged[since : since + 1] == [True]
    ]
    transactions = [
        tx(number, run, (register[run[0]], register[run[1]])) for number, run in enumerate(runs)
    ]
    if not transactions:
        return
    start, end = runs[0][0], runs[-1][1]
    points = [
        CoursePoint(at(hour), register[hour] - register[start])
        for hour in read
        if start <= hour <= end
    ]
    span = TimeSpan(at(seams[0]), at(seams[1]))
    sums = month(*transactions, points=points, span=span).sums
    assert sums.difference_wh == 0
    assert sums.accounted_wh == sums.register_wh
    ended = [run for run in runs if seams[0] <= run[1] < seams[1]]
    assert line(sums, BillState.UNBILLED)[:2] == (
        len(ended),
        sum(register[b] - register[a] for a, b in ended),
    )
    true = register[max(start, min(end, seams[1]))] - register[max(start, min(end, seams[0]))]
    assert sums.least_wh <= true <= sums.most_wh
    if {*seams} <= {*read}:
        assert sums.register_wh == true == sums.least_wh == sums.most_wh
