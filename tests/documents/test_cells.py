"""Cells of a spreadsheet: nothing that a charger or a neighbour chooses runs as a formula, and
nothing is lost."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.documents.cells import FORMULAS, inert, plain


@given(st.text(st.sampled_from("'=+-@\t\ra1"), max_size=5) | st.text(max_size=5))
def test_a_text_is_no_formula_and_comes_back(text: str) -> None:
    cell = cast(str, inert(text))
    assert not cell.startswith(FORMULAS)
    assert plain(cell) == text


@pytest.mark.parametrize("text", ["Anna", "'Anna", "a=b", "", "''"])
def test_other_texts_stay(text: str) -> None:
    assert inert(text) == plain(text) == text


def test_a_number_is_no_text() -> None:
    assert inert(-1) == -1
