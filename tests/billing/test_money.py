"""Rounding and tax against models in Decimal, and the foot of a statement."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.billing.money import (
    CURRENCIES,
    foot,
    half_up,
    minor_units,
    tax_sums,
    typed_number,
    units,
    written,
)
from tests.billing.cases import line, prices, session

amounts = st.integers(-(10**9), 10**9)
rates = st.sampled_from(
    [Decimal(0), Decimal(7), Decimal(19), Decimal("5.5"), Decimal("8.1"), Decimal("19.0")]
)


@given(prices, st.integers(0, 10**7), st.sampled_from(["JPY", "EUR", "KWD"]))
def test_an_amount_is_rounded_once_half_up(price: Decimal, wh: int, code: str) -> None:
    with localcontext(prec=60):
        exact = price * wh / 1000 * 10 ** CURRENCIES[code].exponent
        assert minor_units(Fraction(price) * wh / 1000, CURRENCIES[code]) == exact.quantize(
            Decimal(1), ROUND_HALF_UP
        )


@pytest.mark.parametrize(
    ("exact", "whole"),
    [("0.5", 1), ("1.5", 2), ("2.5", 3), ("2.4999999", 2), ("-0.5", -1), ("-2.5", -3), ("-0.4", 0)],
)
def test_halves(exact: str, whole: int) -> None:
    assert half_up(Fraction(exact)) == whole


@given(st.lists(st.tuples(amounts, rates), max_size=8), st.booleans())
def test_tax_is_computed_once_for_each_rate(
    parts: list[tuple[int, Decimal]], are_gross: bool
) -> None:
    sums = tax_sums(
        [line(amount=amount, tax_rate=rate) for amount, rate in parts], are_gross=are_gross
    )
    assert [one.rate for one in sums] == sorted({rate for _, rate in parts})
    for one in sums:
        asked = sum(amount for amount, rate in parts if rate == one.rate)
        assert one.net + one.tax == one.gross
        assert (one.gross if are_gross else one.net) == asked
        with localcontext(prec=60):
            exact = (
                one.net * one.rate / 100
                if not are_gross
                else one.gross - one.gross / (1 + one.rate / 100)
            )
            assert abs(one.tax - exact) <= Decimal("0.5") + Decimal("1e-20")


@pytest.mark.parametrize(
    ("amount", "are_gross", "expected"),
    [
        (119, True, (100, 19, 119)),
        (100, False, (100, 19, 119)),
        (50, False, (50, 10, 60)),
        (-119, True, (-100, -19, -119)),
    ],
)
def test_tax_by_hand(amount: int, are_gross: bool, expected: tuple[int, int, int]) -> None:
    """50 cents net are 9.5 cents of tax: half up."""
    (found,) = tax_sums([line(amount=amount)], are_gross=are_gross)
    assert (found.net, found.tax, found.gross) == expected


def test_tax_is_on_the_sum_and_not_by_line() -> None:
    """Three times 3 cents net: by line 3 × round(0.57) = 3 cents of tax, on the sum round(1.71) =
    2."""
    (found,) = tax_sums([line(amount=3)] * 3, are_gross=False)
    assert found.tax == 2


@pytest.mark.parametrize(
    ("amount", "code", "shown"),
    [
        (5, "EUR", "0.05 EUR"),
        (-120, "EUR", "-1.20 EUR"),
        (5, "JPY", "5 JPY"),
        (5, "KWD", "0.005 KWD"),
        (0, "EUR", "0.00 EUR"),
    ],
)
def test_an_amount_for_people(amount: int, code: str, shown: str) -> None:
    assert written(amount, CURRENCIES[code]) == shown
    assert minor_units(units(amount, CURRENCIES[code]), CURRENCIES[code]) == amount


def test_currencies_have_the_decimals_of_iso_4217() -> None:
    assert {CURRENCIES[code].exponent for code in ("EUR", "CAD", "AUD", "CHF")} == {2}
    assert {code: CURRENCIES[code].exponent for code in ("JPY", "TND")} == {"JPY": 0, "TND": 3}
    assert len(CURRENCIES) > 140


@pytest.mark.parametrize(
    ("amount", "carried_in", "carry_below", "total", "is_carried"),
    [
        (1000, 0, 0, 1000, False),
        (1000, -300, 0, 700, False),
        (1000, -1000, 500, 0, False),
        (1000, -1300, 0, -300, True),
        (499, 0, 500, 499, True),
        (500, 0, 500, 500, False),
    ],
)
def test_the_total(
    amount: int, carried_in: int, carry_below: int, total: int, *, is_carried: bool
) -> None:
    positions = [
        session(lines=(line(amount=amount),)),
        session(lines=(line(amount=77),), is_prepaid=True),
    ]
    found = foot(positions, are_gross=True, carried_in=carried_in, carry_below=carry_below)
    assert (found.total, found.is_carried) == (total, is_carried)
    assert sum(tax.gross for tax in found.taxes) == amount


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12.5", "12.5"),
        (" 12,50 ", "12.50"),
        (",5", "0.5"),
        ("-3", "-3"),
        ("1.234,50", None),
        ("1 000", None),
        ("", None),
    ],
)
def test_a_number_is_typed_with_comma_or_point(text: str, number: str | None) -> None:
    assert typed_number(text) == (None if number is None else Decimal(number))
