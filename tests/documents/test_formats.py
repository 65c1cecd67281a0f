"""Numbers, days and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.billing.statement import Currency
from levity_trio.documents.sheet import tidy
from levity_trio.documents.template import ENGLISH, price_decimals


@pytest.mark.parametrize(
    ("minor", "exponent", "text"),
    [
        (0, 2, "0.00"),
        (5, 2, "0.05"),
        (-5, 2, "−0.05"),
        (123_456_789, 2, "1,234,567.89"),
        (-1_234, 0, "−1,234"),
        (1_234_567, 3, "1,234.567"),
    ],
)
def test_an_amount(minor: int, exponent: int, text: str) -> None:
    assert ENGLISH.amount(minor, Currency(code="XXX", exponent=exponent)) == text


@given(st.integers(-(10**15), 10**15), st.sampled_from([0, 2, 3]))
def test_an_amount_is_exact(minor: int, exponent: int) -> None:
    text = ENGLISH.amount(minor, Currency(code="XXX", exponent=exponent))
    assert Decimal(text.replace(",", "").replace("−", "-")) * 10**exponent == minor


@pytest.mark.parametrize(("rate", "text"), [("19", "19 %"), ("7.70", "7.7 %"), ("0", "0 %"), ("100", "100 %")])
def test_a_rate(rate: str, text: str) -> None:
    assert ENGLISH.percent(Decimal(rate)) == text


def test_prices_of_one_statement_have_the_same_decimals() -> None:
    prices = [Decimal("0.35"), Decimal("0.227500"), Decimal(1)]
    places = price_decimals(prices, Currency(code="EUR", exponent=2))
    assert [ENGLISH.price(price, places) for price in prices] == ["0.3500", "0.2275", "1.0000"]


@pytest.mark.parametrize(
    ("zone", "start", "end", "text"),
    [
        ("Europe/Berlin", (2026, 10, 1, 16, 4), (2026, 10, 1, 19, 21), "18:04 – 21:21"),
        ("Europe/Berlin", (2026, 10, 1, 16, 4), (2026, 10, 1, 22, 0), "18:04 – 2 Oct 00:00"),
        ("Europe/Berlin", (2026, 10, 25, 0, 10), (2026, 10, 25, 1, 40), "02:10 CEST – 02:40 CET"),
        ("Europe/Berlin", (2026, 3, 29, 0, 30), (2026, 3, 29, 1, 30), "01:30 CET – 03:30 CEST"),
        ("Australia/Lord_Howe", (2026, 4, 4, 14, 45), (2026, 4, 4, 15, 15), "01:45 +11 – 01:45 +1030"),
        ("Europe/Berlin", (2026, 10, 1, 16, 4), None, "18:04 –"),
    ],
)
def test_times_are_local_and_never_ambiguous(
    zone: str, start: tuple[int, ...], end: tuple[int, ...] | None, text: str
) -> None:
    first = datetime(*start, tzinfo=UTC)  # type: ignore[arg-type,misc]
    last = datetime(*end, tzinfo=UTC) if end else None  # type: ignore[arg-type,misc]
    assert ENGLISH.span(first, last, ZoneInfo(zone)) == text


def test_a_text_of_somebody_else_is_one_line_that_turns_nothing_round() -> None:
    assert tidy(" Anna\n\x00 \t\u202eSchäfer\u2067\u2028x ") == "Anna Schäfer x"
    assert tidy("\u200fשלום") == "\u200fשלום"
