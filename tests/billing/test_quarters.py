"""Energy and corrections by the quarter of an hour, against the program beside the program."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio.billing.pricing import EnergyFlow, FlowLevel, FlowPower, by_quarter, correction
from levity_trio.billing.statement import Line, LineKind, Position, QuarterCost
from levity_trio.wire.times import from_seconds
from tests.billing.cases import session
from tests.store.recomputed import QUARTER, Taken, half_up, parts

LONGEST = 20_000
BEGIN = 1_774_700_000
"""In the night in which the clocks are put forward, not at a quarter."""
SECONDS = st.integers(0, LONGEST)


@st.composite
def sessions(draw: st.DrawFn) -> Taken:
    """Readings out of order, doubled, sparse, or against the figure; powers or none."""
    since = BEGIN + draw(st.integers(0, QUARTER))
    until = since + draw(st.integers(1, LONGEST))
    wh = draw(st.integers(0, 60_000))
    most = draw(st.sampled_from((wh, wh, wh + 50)))
    times = sorted(draw(st.lists(SECONDS, max_size=25, unique=True)))
    reached = st.lists(st.integers(0, most), min_size=len(times), max_size=len(times))
    levels = [*zip((since + one for one in times), sorted(draw(reached)), strict=True)]
    powers = draw(st.dictionaries(SECONDS, st.integers(0, 22_000), max_size=8))
    shuffled = tuple(draw(st.permutations(levels)))
    told = tuple((since + one, watts) for one, watts in powers.items())
    return Taken(1, True, since, until, wh, shuffled, told)


def flow_of(taken: Taken) -> EnergyFlow:
    levels = [FlowLevel(from_seconds(at), wh) for at, wh in taken.levels]
    powers = [FlowPower(from_seconds(at), float(watts)) for at, watts in taken.powers]
    since, until = from_seconds(taken.since), from_seconds(taken.until)
    return EnergyFlow(since, until, taken.wh, levels, powers)


@given(sessions())
def test_each_quarter_has_what_the_program_beside_says(taken: Taken) -> None:
    found, expected = by_quarter(flow_of(taken)), parts(taken)
    assert [*found.items] == [(part.quarter, part.wh) for part in expected]
    assert found.divided == {part.quarter for part in expected if part.is_divided}
    assert sum(found.wh) == taken.wh
    assert min(found.wh) >= 0


def test_a_quarter_with_readings_at_both_its_ends_is_not_divided() -> None:
    first = BEGIN // QUARTER + 1
    # Of six quarters, the third and the fourth have one reading at their ends.
    levels = [(first * QUARTER + 900 * place, 1000 * place) for place in (1, 2, 4, 5)]
    taken = Taken(1, True, first * QUARTER, (first + 6) * QUARTER, 6000, tuple(levels))
    assert by_quarter(flow_of(taken)).divided == {first + 2, first + 3}
    assert {part.quarter for part in parts(taken) if part.is_divided} == {first + 2, first + 3}


@given(sessions(), st.integers(1, 16))
def test_quarters_add_up_to_what_flowed_until_each(taken: Taken, place: int) -> None:
    """Whoever divides at one seam alone gets the sum of the quarters before it."""
    seam = (taken.since // QUARTER + place) * QUARTER
    if not taken.since < seam < taken.until:
        return
    found = by_quarter(flow_of(taken))
    (before, _) = by_quarter(flow_of(taken), [from_seconds(seam)]).wh
    assert before == sum(wh for one, wh in found.items if one < seam // QUARTER)


# Corrections

PRICES = st.sampled_from([Fraction(one) for one in ("0.1", "-0.05", "0.39", "0.123456789", "0")])
COSTS = st.lists(
    st.builds(
        QuarterCost,
        quarter=st.integers(7, 10),
        wh=st.integers(1, 1500),
        price=PRICES,
        is_divided=st.booleans(),
        is_fallback=st.booleans(),
        is_unmeasured=st.booleans(),
    ),
    max_size=4,
    unique_by=lambda one: one.quarter,
)


def line_of(window: str, costs: list[QuarterCost]) -> Line:
    """Return the line of some quarters, with the mean of their prices."""
    wh = sum(one.wh for one in costs)
    exact = sum((one.cost for one in costs), Fraction())
    mean = half_up(exact / Fraction(wh, 1000) * 10**6)
    return Line(
        kind=LineKind.ENERGY,
        tariff="Moving",
        version=date(2026, 1, 1),
        window=window,
        quantity=wh,
        price=Decimal(mean).scaleb(-6),
        amount=half_up(exact * 100),
        tax_rate=Decimal(19),
        quarters=tuple(sorted(costs, key=lambda one: one.quarter)),
    )


@st.composite
def truths(draw: st.DrawFn) -> Position:
    lines = [line_of(window, costs) for window in ("sun", "grid") if (costs := draw(COSTS))]
    since = from_seconds(BEGIN)
    position = session(
        started_at=since,
        ended_at=since + timedelta(hours=1),
        energy_wh=sum(line.quantity for line in lines),
    )
    return replace(position, lines=tuple(lines))


def flowed(positions: list[Position]) -> dict[Any, int]:
    """Return the Wh of a window in a quarter at a price; nothing where all of it was taken back."""
    found = Counter[Any]()
    for position in positions:
        for line in position.lines:
            for one in line.quarters:
                found[line.window, replace(one, wh=0)] += one.wh
    return {place: wh for place, wh in found.items() if wh}


@given(st.lists(truths(), min_size=2, max_size=6), st.data())
@settings(deadline=None)
def test_all_positions_together_are_the_last_truth(
    found: list[Position], data: st.DataObject
) -> None:
    """Whatever comes in whatever order, and comes back: prices, figures, sun, and what is known of
    the quarters."""
    again = data.draw(st.lists(st.sampled_from(found), max_size=3))
    billed = found[:1]
    for now in [*found[1:], *again]:
        billed.append(correction(billed, replace(now, id=8), "7", "it is better known"))
        assert flowed(billed) == flowed([now])
        for window in ("sun", "grid"):
            amounts = [
                sum(line.amount for one in of for line in one.lines if line.window == window)
                for of in (billed, [now])
            ]
            assert amounts[0] == amounts[1]
        assert sum(position.energy_wh for position in billed) == now.energy_wh
        for line in billed[-1].lines:
            assert sum(one.wh for one in line.quarters) == line.quantity
