"""Who can charge without us: the keys of a charger, and the table of verdicts that follows."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as some

from levity_trio.access.offline import (
    KEYS,
    LIST,
    OFFLINE,
    OPTIONAL,
    STOP_INVALID,
    Permission,
    Switch,
    explain,
    switch,
)
from levity_trio.simulator.charger.connectors import _holds_offline

ON, OFF, ABSENT, UNREAD = Switch
YES, NO, NOT_KNOWN = Permission
SHORT = {
    "offline": OFFLINE,
    "list": LIST,
    "cache": "AuthorizationCacheEnabled",
    "strangers": "AllowOfflineTxForUnknownId",
    "stop": STOP_INVALID,
    "pre": "LocalPreAuthorize",
}


def explained(**keys: Switch) -> tuple[list[Permission], str]:
    """Whether each kind of tag may charge (listed, listed as refused, in the cache, all others),
    and the notes."""
    found = explain({SHORT[name]: value for name, value in keys.items()})
    return [one.may_charge for one in found.who], "\n".join(found.notes)


TABLE = [
    ({"offline": ON, "list": ON, "cache": ON, "strangers": ON}, [YES, NO, YES, YES]),
    ({"offline": ON, "list": ON, "cache": ON, "strangers": OFF}, [YES, NO, YES, NO]),
    ({"offline": ON, "list": ON, "cache": OFF, "strangers": OFF}, [YES, NO, NO, NO]),
    ({"offline": ON, "list": OFF, "cache": ON, "strangers": OFF}, [NO, NO, YES, NO]),
    ({"offline": ON, "list": OFF, "cache": OFF, "strangers": ON}, [YES, YES, YES, YES]),
    ({"offline": OFF, "list": ON, "cache": ON, "strangers": OFF}, [NO, NO, NO, NO]),
    ({"offline": OFF, "list": ON, "cache": ON, "strangers": ON}, [NO, NO, NO, YES]),
    ({"offline": ON, "list": ABSENT, "cache": ABSENT, "strangers": ABSENT}, [NO, NO, NO, NO]),
    (
        {"offline": UNREAD, "list": ON, "cache": ON, "strangers": OFF},
        [NOT_KNOWN, NO, NOT_KNOWN, NO],
    ),
    ({"offline": ABSENT, "list": ON, "cache": OFF, "strangers": OFF}, [NOT_KNOWN, NO, NO, NO]),
    (
        {"offline": ON, "list": UNREAD, "cache": UNREAD, "strangers": OFF},
        [NOT_KNOWN, NO, NOT_KNOWN, NO],
    ),
    ({"offline": ON, "list": UNREAD, "cache": UNREAD, "strangers": ON}, [YES, NOT_KNOWN, YES, YES]),
    ({}, [NOT_KNOWN] * 4),
]


@pytest.mark.parametrize(("keys", "verdicts"), TABLE)
def test_who_can_charge(keys: dict[str, Switch], verdicts: list[Permission]) -> None:
    assert explained(**keys)[0] == verdicts


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"strangers": ON, "stop": ON}, "it ends the session; the energy until then is stored"),
        ({"strangers": ON, "stop": OFF}, "MaxEnergyOnInvalidId"),
        ({"strangers": ON}, "may go on"),
        ({"strangers": ON, "offline": OFF}, "some chargers then refuse everyone"),
        ({"pre": ON}, "starts without asking us"),
        ({}, "read the configuration of the charger"),
    ],
)
def test_what_follows_is_said(keys: dict[str, Switch], words: str) -> None:
    assert words in explained(**keys)[1]


def test_nothing_is_said_where_nothing_follows() -> None:
    everything_off = dict.fromkeys(SHORT, OFF)
    assert explained(**everything_off) == ([NO] * 4, "")


@pytest.mark.parametrize(
    ("value", "is_known", "read"),
    [
        ("true", True, ON),
        (" False ", True, OFF),
        ("TRUE", True, ON),
        ("1", True, UNREAD),
        (None, True, UNREAD),
        (None, False, ABSENT),
    ],
)
def test_a_key_as_a_charger_tells_it(value: str | None, is_known: bool, read: Switch) -> None:
    assert switch(value, is_known=is_known) is read


class _Charger:
    """What the simulator's rule looks at."""

    def __init__(self, keys: dict[str, bool]) -> None:
        self.configuration = self
        self.boolean = keys.__getitem__


@pytest.mark.parametrize("values", [*product([True, False], repeat=3)])
def test_the_simulator_agrees(values: tuple[bool, bool, bool]) -> None:
    """Its rule is written from the specification by other hands: with the list on, both must say
    the same."""
    offline, cache, strangers = values
    told = {True: ON, False: OFF}
    found, _ = explained(
        list=ON, offline=told[offline], cache=told[cache], strangers=told[strangers]
    )
    charger = _Charger({OFFLINE: offline, "AllowOfflineTxForUnknownId": strangers})
    known = ["Accepted", "Blocked", "Accepted" if cache else None, None]
    assert [may is YES for may in found] == [_holds_offline(charger, status) for status in known]  # type: ignore[arg-type]


@given(some.dictionaries(some.sampled_from(KEYS), some.sampled_from(Switch)))
def test_what_is_not_known_decides_nothing(keys: dict[str, Switch]) -> None:
    """Where the answer is not "not known", no value of a key that is not known changes it."""
    found = [one.may_charge for one in explain(keys).who]
    for key in KEYS:
        if keys.get(key, UNREAD) is UNREAD:
            for value in (ON, OFF, *([ABSENT] if key in OPTIONAL else [])):
                other = [one.may_charge for one in explain(keys | {key: value}).who]
                pairs = zip(found, other, strict=True)
                assert all(one is two or one is NOT_KNOWN for one, two in pairs)
