"""Dataclasses from JSON objects and rows: each wrong field is named, with what to give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.simulator.charger.state import ChargerSpec
from levity_trio.simulator.park.park import (
    CHARGER_KINDS,
    Invalid,
    Placement,
    Problem,
    plain,
    read_cells,
    read_form,
)
from levity_trio.simulator.physics import Vehicle


def problems(kind: type[object], given: dict[str, object]) -> list[Problem]:
    with pytest.raises(Invalid) as caught:
        read_form(kind, given)
    return list(caught.value.problems)


def test_what_is_not_said_has_its_default() -> None:
    assert read_form(Vehicle, {"name": "Compact", "soc": 1}) == Vehicle(name="Compact", soc=1.0)


def test_every_mistake_is_told() -> None:
    told = problems(
        ChargerSpec, {"vendor": 7, "connectors": "two", "colour": "red", "quirks": "grizzl-e"}
    )
    assert [one.field for one in told] == ["colour", "id", "vendor", "connectors", "quirks"]
    assert all("give" in one.text for one in told)


def test_what_the_dataclass_refuses_is_told_with_its_field() -> None:
    assert problems(ChargerSpec, {"id": "A", "phases": 2}) == [Problem("phases", "give 1 or 3")]


@pytest.mark.parametrize("wrong", [True, 1.5, "1", None, [1], 2**60])
def test_no_whole_number(wrong: object) -> None:
    assert problems(ChargerSpec, {"id": "A", "connectors": wrong}) == [
        Problem("connectors", "give a whole number")
    ]


@pytest.mark.parametrize("wrong", [True, "1", None, float("nan"), float("inf"), 10**400])
def test_no_number(wrong: object) -> None:
    assert problems(Vehicle, {"name": "A", "battery_wh": wrong}) == [
        Problem("battery_wh", "give a number")
    ]


def test_one_row_makes_several_objects() -> None:
    cells = {
        "id": "A",
        "quirks": "one  two",
        "auto_connect": "No",
        "max_current_a": "16",
        "password": " ",
    }
    spec, placement = read_cells(CHARGER_KINDS, cells)
    assert spec == ChargerSpec(id="A", quirks=("one", "two"), max_current_a=16.0)
    assert placement == Placement(auto_connect=False)


def test_cells_that_mean_nothing() -> None:
    with pytest.raises(Invalid) as caught:
        read_cells(
            CHARGER_KINDS,
            {"id": "A", "connectors": "1.5", "auto_connect": "maybe", "max_power_w": "x"},
        )
    assert [one.field for one in caught.value.problems] == [
        "connectors",
        "max_power_w",
        "auto_connect",
    ]


def test_plain_is_read_again() -> None:
    spec = ChargerSpec(id="A", security_profile=1, password="secret", quirks=("a", "b"))  # noqa: S106 - of nobody
    assert read_form(ChargerSpec, plain(spec)) == spec


@dataclass(frozen=True)
class Anything:
    text: str
    number: float = 0.0
    whole: int | None = None
    switch: bool = False
    texts: tuple[str, ...] = ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
)


@given(
    st.dictionaries(st.sampled_from(["text", "number", "whole", "switch", "texts", "else"]), JSON)
)
def test_any_object_is_read_or_told(given: dict[str, object]) -> None:
    try:
        made = read_form(Anything, given)
    except Invalid as invalid:
        told: Sequence[Problem] = invalid.problems
    else:
        told = [Problem("none", "as given")]
        assert read_form(Anything, plain(made)) == made
    assert told
