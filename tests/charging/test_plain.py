"""Numbers for people."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.charging.sent.plain import plain


@pytest.mark.parametrize(
    ("number", "digits", "text"),
    [
        (22_080.5, 6, "22080.5"),
        (2_208_000.0, 6, "2208000"),
        (0.1 + 0.2, 6, "0.3"),
        (0.00005, 6, "0.00005"),
        (1234.5678, 4, "1235"),
        (99.96, 3, "100"),
        (-0.0, 4, "0"),
        (-1e-30, 4, "0"),
        (1e21, 4, "1000000000000000000000"),
        (100.0, 1, "100"),
        (inf, 4, "inf"),
    ],
)
def test_a_number_for_people(number: float, digits: int, text: str) -> None:
    assert plain(number, digits) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_it_never_has_an_exponent(number: float) -> None:
    assert set(plain(number)) <= set("-.0123456789")
    assert float(plain(number)) == pytest.approx(number, rel=1e-5, abs=1e-11)
