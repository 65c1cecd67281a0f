"""Numbers that chargers send as text."""

from __future__ import annotations

from decimal import Decimal

import pytest

from levity_trio.wire.numbers import decimal, has_comma, number

READ = {
    "0": 0,
    "8200": 8200,
    " 5 ": 5,
    "-1": -1,
    "+7": 7,
    "5123.4": 5123.4,
    ".5": 0.5,
    "7.": 7,
    "1.23e+06": 1_230_000,
}
COMMAS = {"5123,4": 5123.4, "1600,0": 1600, "1234,567": 1234.567, ",5": 0.5, "0,25": 0.25}


@pytest.mark.parametrize(("text", "expected"), [*READ.items(), *COMMAS.items()])
def test_a_number(text: str, expected: float) -> None:
    assert number(text) == expected
    assert decimal(text) == Decimal(str(expected))
    assert has_comma(text) is (text in COMMAS)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "many",
            "1_000",
            "１２",
            "NaN",
            "Infinity",
            "1e99999999",
            "0x10",
            "1,2,3",
            "1.2.3",
            "1 000",
        ),
        *("1,600", "999,999"),
    ],
)
def test_what_is_no_number_or_not_clearly_one(text: str) -> None:
    assert decimal(text) is None
    assert number(text) is None
    assert not has_comma(text)


def test_a_number_beyond_floats() -> None:
    assert number("1e999") == float("inf")
