"""What an answer to GetConfiguration says, equal values, and how the whole of a configuration is
read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.operations.configuration import (
    MOST_CALLS,
    OPTIONAL,
    REQUIRED,
    Before,
    Has,
    KeysReading,
    KeyStanding,
    Value,
    compare,
    is_same,
    limit,
    together,
    unknown_in,
    values_in,
)


def entries(*keys: str, **values: str) -> dict[str, Any]:
    found = [
        {"key": key, "readonly": False, "value": value}
        for key, value in (dict.fromkeys(keys, "1") | values).items()
    ]
    return {"configurationKey": found}


# What an answer says


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ({"key": "K", "readonly": False, "value": "1"}, Value("K", "1", readonly=False)),
        ({"key": "K", "readonly": "false", "value": 1}, Value("K", "1", readonly=False)),
        ({"key": " K ", "readonly": "True", "value": True}, Value("K", "true", readonly=True)),
        ({"key": "K", "readonly": "0"}, Value("K", None, readonly=False)),
        ({"key": "K", "readonly": 1, "value": ["a"]}, Value("K", '["a"]', readonly=True)),
        ({"key": "K", "value": None}, Value("K", None, readonly=False)),
    ],
)
def test_an_entry_of_any_kind(entry: dict[str, Any], value: Value) -> None:
    assert [*values_in({"configurationKey": [entry]})] == [value]
    assert [*values_in({"configurationKey": entry})] == [value]  # one object where a list belongs


@pytest.mark.parametrize(
    "nothing", [None, "text", [], {}, {"configurationKey": [{"key": ""}, {"key": 5}, None]}]
)
def test_what_says_nothing(nothing: object) -> None:
    assert not [*values_in(nothing)]
    assert not unknown_in(nothing)


def test_a_key_is_told_once() -> None:
    twice = {
        "configurationKey": [{"key": "K", "value": "1"}, {"key": "K", "value": "2"}],
        "unknownKey": ["A", "A ", "B"],
    }
    assert [value.value for value in values_in(twice)] == ["1"]
    assert unknown_in(twice) == ["A", "B"]
    assert unknown_in({"unknownKey": "A"}) == ["A"]


@pytest.mark.parametrize(
    ("key", "one", "other", "same"),
    [
        ("HeartbeatInterval", "60", " 060 ", True),
        ("HeartbeatInterval", "60", "61", False),
        ("LocalPreAuthorize", "true", "TRUE", True),
        ("LocalPreAuthorize", "true", None, False),
        ("MeterValuesSampledData", "SoC,Voltage", "Voltage, SoC", True),
        ("MeterValuesSampledData", "SoC", "Voltage, SoC", False),
        ("VendorKey", "a,b", "b,a", False),
        ("VendorKey", "Text", "text", False),
        ("VendorKey", "", "", True),
        ("VendorKey", "0", "", False),
    ],
)
def test_values_that_mean_the_same(key: str, one: str, other: str | None, same: bool) -> None:
    assert is_same(key, one, other) is same


# The reading of the whole


class Charger:
    """A charger with these keys, which answers for some at once and does not know the others."""

    def __init__(
        self,
        keys: set[str],
        most: int = 1000,
        *,
        tells_all: bool = True,
        bad: frozenset[str] = frozenset(),
    ):
        self.keys = keys
        self.most = most
        self.tells_all = tells_all
        self.bad = bad
        """A call with one of these is answered by an error."""
        self.calls = 0

    def answer(self, asked: list[str]) -> dict[str, Any] | None:
        self.calls += 1
        if self.bad & set(asked):
            return None
        keys = asked or (sorted(self.keys) if self.tells_all else [])
        told = [key for key in keys if key in self.keys][: self.most]
        return entries(*told) | {"unknownKey": [key for key in keys if key not in self.keys]}


def read(charger: Charger, before: Before = Before()) -> KeysReading:  # noqa: B008 - it is frozen
    reading = KeysReading(before)
    while (keys := reading.next_keys()) is not None:
        reading.take(charger.answer(keys))
    return reading


def test_one_that_tells_all_required_keys_is_asked_once() -> None:
    charger = Charger({*REQUIRED, "Vendor"})
    assert set(read(charger).known.values()) == charger.keys
    assert charger.calls == 1


def test_what_it_denied_or_reported_before_decides_what_is_missing() -> None:
    charger = Charger(set(REQUIRED[1:]))
    assert read(charger).unknown.keys() >= {REQUIRED[0].casefold()}
    charger.calls = 0
    read(charger, Before(unknown=(REQUIRED[0],)))
    assert charger.calls == 1
    charger = Charger({*REQUIRED, "Vendor"}, most=len(REQUIRED))
    assert "vendor" in read(charger, Before(seen=("Vendor",))).known


@given(
    keys=st.sets(st.sampled_from([*REQUIRED, *OPTIONAL, "Vendor"])),
    most=st.integers(1, 60),
    tells_all=st.booleans(),
    bad=st.sets(st.sampled_from([*REQUIRED[5:7], *OPTIONAL[3:4]])),
)
def test_every_standard_key_is_read_in_the_end(
    keys: set[str], most: int, tells_all: bool, bad: set[str]
) -> None:
    charger = Charger(keys, most, tells_all=tells_all, bad=frozenset(bad))
    reading = read(charger, Before(seen=("Vendor",)))
    assert charger.calls <= MOST_CALLS
    assert set(reading.known.values()) | set(reading.unanswered.values()) >= keys
    assert set(reading.unanswered.values()) <= bad


def test_one_bad_key_does_not_slow_down_the_others() -> None:
    charger = Charger(set(REQUIRED), tells_all=False, bad=frozenset({REQUIRED[3]}))
    assert [*read(charger).unanswered.values()] == [REQUIRED[3]]
    assert charger.calls < 20


def test_silence_is_not_waited_for_again_and_again() -> None:
    reading, calls = KeysReading(Before()), 0
    while reading.next_keys() is not None:
        reading.miss()
        calls += 1
    assert calls == 3
    assert len(reading.unanswered) == len(REQUIRED) + len(OPTIONAL)


def test_one_that_always_answers_with_nothing_is_given_up() -> None:
    reading, calls = KeysReading(Before()), 0
    while reading.next_keys() is not None:
        reading.take({"configurationKey": []})
        calls += 1
    assert calls == 9  # all, 10, 5, 2 and five single ones
    assert len(reading.unanswered) == len(REQUIRED) + len(OPTIONAL)


def test_one_that_leaves_ends_the_reading() -> None:
    reading = KeysReading(Before())
    reading.next_keys()
    reading.take({})
    reading.next_keys()
    reading.stop()
    assert reading.next_keys() is None
    assert len(reading.unanswered) == len(REQUIRED) + len(OPTIONAL)


@pytest.mark.parametrize(
    ("text", "most"),
    [("20", 20), ("0", None), (None, None), ("", None), ("²", None), ("9" * 9, None)],
)
def test_the_most_keys_of_one_call(text: str | None, most: int | None) -> None:
    assert limit(text) == most


# A template


def has(value: str | None, *, readonly: bool = False, is_known: bool = True) -> Has:
    return Has("K", value, readonly, is_known, "2026")


@pytest.mark.parametrize(
    ("found", "standing", "whole"),
    [
        ({"k": has("1")}, KeyStanding.SAME, KeyStanding.SAME),
        ({"k": has("1", readonly=True)}, KeyStanding.SAME, KeyStanding.SAME),
        ({"k": has("2")}, KeyStanding.DIFFERS, KeyStanding.DIFFERS),
        ({"k": has("2", readonly=True)}, KeyStanding.READ_ONLY, KeyStanding.NOT_KNOWN),
        ({"k": has(None, is_known=False)}, KeyStanding.UNKNOWN_KEY, KeyStanding.NOT_KNOWN),
        ({}, KeyStanding.NEVER_READ, KeyStanding.NOT_KNOWN),
    ],
)
def test_a_key_beside_its_template(
    found: dict[str, Has], standing: KeyStanding, whole: KeyStanding
) -> None:
    (one,) = compared = compare({"K": "1"}, found)
    assert (one.standing, one.wanted) == (standing, "1")
    assert together(compared) == whole


def test_a_charger_differs_if_one_key_does() -> None:
    assert together(compare({"K": "1", "L": "1"}, {"k": has("2")})) == KeyStanding.DIFFERS
