"""Corrections: a position and all its corrections ask together for exactly what is right now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio.billing.pricing import SessionEvidence, correction, price_session
from levity_trio.billing.statement import LineKind, Position
from levity_trio.billing.tariff import Tariff, Versions, Window
from tests.billing.cases import BERLIN, session, tariff
from tests.billing.test_pricing import DAY, NIGHT

TERMS = tariff(
    windows=(NIGHT, DAY),
    session_fee=Decimal("0.50"),
    minimum=Decimal(1),
    maximum=Decimal(8),
    free_below_wh=100,
)
OTHER = tariff(name="Other", windows=(Window(name="night", price=Decimal("0.10")),))


def right(terms: Tariff, wh: int, hours: int) -> Position:
    since = datetime(2026, 10, 1, 18, tzinfo=UTC)
    position = session(started_at=since, ended_at=since + timedelta(hours=hours), energy_wh=wh)
    return price_session(position, SessionEvidence(), Versions([terms]), BERLIN)


states = st.builds(
    right, st.sampled_from([TERMS, OTHER]), st.integers(0, 60_000), st.integers(1, 30)
)


def corrected(billed: Sequence[Position], now: Position) -> Position:
    return correction(billed, replace(now, id=8), "2026-7", "the meter was read again")


@given(st.lists(states, min_size=2, max_size=5))
@settings(deadline=None)
def test_all_positions_together_are_what_is_right(found: list[Position]) -> None:
    billed = found[:1]
    for now in found[1:]:
        billed.append(corrected(billed, now))
        assert sum(position.amount for position in billed) == now.amount
        assert sum(position.energy_wh for position in billed) == now.energy_wh
        by_rate = [
            line.amount for position in billed for line in position.lines if line.tax_rate == 19
        ]
        assert sum(by_rate) == now.amount
        quantities = [
            line.quantity
            for position in billed
            for line in position.lines
            if line.kind is LineKind.ENERGY
        ]
        assert sum(quantities) == sum(
            line.quantity for line in now.lines if line.kind is LineKind.ENERGY
        )


def test_a_correction_says_what_it_corrects() -> None:
    found = corrected([right(TERMS, 10_000, 2)], right(TERMS, 8_000, 2))
    assert (found.id, found.corrects, found.corrected_statement) == (8, 7, "2026-7")
    assert found.reason == "the meter was read again"
    assert found.energy_wh == -2000
    assert [(line.kind, line.quantity, line.price, line.amount) for line in found.lines] == [
        (LineKind.ENERGY, -2000, Decimal("0.34"), -68)
    ]


def test_a_correction_carries_tariff_and_tax_of_its_day() -> None:
    then = tariff(
        windows=(DAY,), since=date(2020, 1, 1), tax_rates=((LineKind.ENERGY, Decimal(16)),)
    )
    (line,) = corrected([right(then, 10_000, 2)], right(then, 1_000, 2)).lines
    assert (line.tariff, line.version, line.tax_rate, line.amount) == (
        "Flat",
        date(2020, 1, 1),
        Decimal(16),
        -306,
    )


def test_a_wrong_tax_rate_is_corrected_though_the_price_stays() -> None:
    """10 kWh for 3.40 with 19 % in it should have had 7 % in it."""
    terms = tariff(windows=(DAY,))
    reduced = tariff(windows=(DAY,), tax_rates=((LineKind.ENERGY, Decimal(7)),))
    found = corrected([right(terms, 10_000, 2)], right(reduced, 10_000, 2))
    lines = {(line.tax_rate, line.quantity, line.amount) for line in found.lines}
    assert lines == {(Decimal(19), -10_000, -340), (Decimal(7), 10_000, 340)}


def test_a_wrong_version_is_corrected_though_the_price_stays() -> None:
    """What is taken back names the version that its statement named."""
    then, now = tariff(windows=(DAY,)), tariff(windows=(DAY,), since=date(2026, 9, 1))
    found = corrected([right(then, 10_000, 2)], right(now, 10_000, 2))
    lines = {(line.version, line.quantity, line.amount) for line in found.lines}
    assert lines == {(date(2026, 1, 1), -10_000, -340), (date(2026, 9, 1), 10_000, 340)}


def test_differences_of_rounded_amounts_are_not_rounded_again() -> None:
    """34 cents a kWh: 1,500 Wh are 51 cents, 1,485 Wh are 50.49, so 50: the difference is 1, though
    15 Wh are 0.51."""
    terms = tariff(windows=(Window(name=None, price=Decimal("0.34")),))
    (line,) = corrected([right(terms, 1_486, 2)], right(terms, 1_500, 2)).lines
    assert (line.quantity, line.amount) == (14, 0)


def test_a_session_that_becomes_free_gives_all_back() -> None:
    billed = right(TERMS, 10_000, 2)
    assert corrected([billed], right(TERMS, 50, 2)).amount == -billed.amount


def test_limits_are_compared_by_amount() -> None:
    """At 1 kWh 0.84 and 0.16 to the minimum; at 2 kWh 1.18 and no minimum."""
    found = corrected([right(TERMS, 1_000, 2)], right(TERMS, 2_000, 2))
    assert [(line.kind, line.price, line.amount) for line in found.lines] == [
        (LineKind.ENERGY, Decimal("0.34"), 34),
        (LineKind.MINIMUM, Decimal("-0.16"), -16),
    ]


def test_nothing_changed() -> None:
    assert corrected([right(TERMS, 10_000, 9)], right(TERMS, 10_000, 9)).lines == ()
