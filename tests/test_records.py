"""A record is a struct that the standard library takes for a frozen dataclass with slots."""

from __future__ import annotations

import pickle
from copy import copy
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Any, ClassVar

import orjson
import pytest

from levity_trio.records import in_order, record


@record
class Reading:
    """What a meter said."""

    KIND: ClassVar[str] = "register"
    wh: int
    unit: str = "Wh"
    note: str = field(default="", repr=False, compare=False)


@record(kw_only=False)
class Pair:
    left: int
    right: int = 0

    def __repr__(self) -> str:
        return "a pair"


@record(kw_only=False)
class Triple(Pair):
    third: int = 3


@record
class Group:
    members: list[int] = field(default_factory=list)


@record
class Estimate(Reading):
    """One that nobody measured."""

    error: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """The same as Reading, by the standard library's decorator."""

    wh: int
    unit: str = "Wh"
    note: str = field(default="", repr=False, compare=False)


def test_it_is_compared_by_its_fields() -> None:
    assert Reading(wh=1, note="a") == Reading(wh=1, note="b")
    assert Reading(wh=1) != Reading(wh=2)
    other: object = Plain(wh=1)
    assert Reading(wh=1) != other
    assert Reading(wh=1) != Estimate(wh=1)
    assert Estimate(wh=1, error=1) != Estimate(wh=1, error=2)
    assert {Reading(wh=1, note="a"), Reading(wh=1, note="b"), Estimate(wh=1)} == {
        Reading(wh=1),
        Estimate(wh=1),
    }


def test_it_looks_as_a_dataclass_does() -> None:
    assert repr(Reading(wh=1, note="a")) == repr(Plain(wh=1, note="a")).replace("Plain", "Reading")
    assert repr(Pair(1)) == "a pair"
    assert orjson.dumps(Reading(wh=1)) == orjson.dumps(Plain(wh=1))


def test_it_cannot_be_changed() -> None:
    pair = Pair(1)
    for name in ("left", "volts"):
        with pytest.raises(AttributeError):
            setattr(pair, name, 2)
        with pytest.raises(AttributeError):
            delattr(pair, name)
    assert not hasattr(pair, "__dict__")


def test_it_can_be_copied() -> None:
    reading: Any = Estimate(wh=1, note="a", error=3)
    assert replace(reading, wh=2) == Estimate(wh=2, error=3)
    assert pickle.loads(pickle.dumps(reading)) == reading == copy(reading)  # noqa: S301 - our own
    assert [part.name for part in fields(reading)] == ["wh", "unit", "note", "error"]


def test_its_fields_are_given_by_name_unless_it_says_otherwise() -> None:
    assert Pair(1, 2) == Pair(left=1, right=2)
    with pytest.raises(TypeError):
        Reading(1)  # type: ignore[call-arg]  # by place


def test_what_extends_one_is_given_as_that_is_given() -> None:
    assert Triple(1, 2, 3) == Triple(left=1, right=2, third=3)
    assert repr(Triple(1, 2, 3)) == "a pair"
    assert [(one.name, one.default) for one in fields(Triple)] == [
        ("left", MISSING),
        ("right", 0),
        ("third", 3),
    ]
    assert orjson.dumps(Triple(1)) == b'{"left":1,"right":0,"third":3}'
    assert asdict(replace(Triple(1), third=4)) == {"left": 1, "right": 0, "third": 4}


def test_a_list_is_made_for_each() -> None:
    assert Group() == Group(members=[])
    assert Group().members is not Group().members
    assert fields(Group)[0].default_factory is list


def test_it_has_no_methods_in_python() -> None:
    """This is what it is for."""
    assert not {"__init__", "__eq__", "__hash__", "__setattr__", "__delattr__"} & set(vars(Triple))


def test_names_are_in_the_order_of_people() -> None:
    names = ["Zora", "Öztürk", "flat 10", "Flat 2", "Oskar", "Strauß", "Çelik", "Anna", "Dora"]
    ordered = ["Anna", "Çelik", "Dora", "Flat 2", "flat 10", "Oskar", "Öztürk", "Strauß", "Zora"]
    assert sorted(names, key=in_order) == ordered
