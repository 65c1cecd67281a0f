"""Which certificate requests are signed, and when a certificate is renewed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from levity_trio.access.certificates import Requested, is_due, is_one_of, refusal

GOOD = Requested(
    subject="O=House,CN=SN-1",
    common_names=["SN-1"],
    organizations=["House"],
    key_type="EC",
    key_bits=256,
    curve="secp256r1",
    key_digest="",
    is_signed=True,
)
RSA: dict[str, Any] = {"key_type": "RSA", "curve": None}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"common_names": ["charger sn-1 of House"]},
        {"curve": "secp521r1", "key_bits": 521},
        {**RSA, "key_bits": 2048},
        {**RSA, "key_bits": 8192},
    ],
    ids=str,
)
def test_what_is_signed(changes: dict[str, Any]) -> None:
    assert refusal(replace(GOOD, **changes), ["OTHER", "SN-1"], "House") is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"is_signed": False}, "signature"),
        ({**RSA, "key_bits": 2047}, "2047 bits"),
        ({**RSA, "key_bits": 16384}, "16384 bits"),
        ({"curve": "secp224r1", "key_bits": 224}, "secp224r1"),
        ({"key_type": "Ed25519", "key_bits": 0, "curve": None}, "Ed25519"),
        ({"common_names": ["SN-2"]}, "'SN-2' does not contain"),
        ({"common_names": []}, "0 common names"),
        ({"common_names": ["SN-1" * 17]}, "68 characters; 64 are allowed"),
        ({"common_names": ["SN-1", "SN-2"]}, "2 common names"),
        ({"is_servers": True}, "is a name or an address of this server"),
        ({"organizations": ["Flat"]}, "'Flat' instead of 'House'"),
        ({"organizations": []}, "missing instead of 'House'"),
        ({"organizations": ["House", "Flat"]}, "set CpoName first"),
    ],
    ids=str,
)
def test_what_is_refused_and_why(changes: dict[str, Any], words: str) -> None:
    assert words in (refusal(replace(GOOD, **changes), ["SN-1"], "House") or "")


def test_an_operator_cannot_let_a_name_of_the_server_through() -> None:
    told = refusal(replace(GOOD, is_servers=True), (), "House", names=["SN-1"])
    assert told == "its CN 'SN-1' is a name or an address of this server"


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        *(
            (name, True)
            for name in ("pi.example", "PI.Example.", " pi.example", "*.example", "p*.example", "*")
        ),
        *(
            (name, True)
            for name in ("192.0.2.7", "::ffff:192.0.2.7", "[2001:db8:0:0::7]", "2001:DB8::7")
        ),
        *((name, True) for name in ("pi.example\0SN-1", "a.house", "A.HOUSE.")),
        *(
            (name, False)
            for name in (
                "SN-1",
                "pi.example.org",
                "xpi.example",
                "192.0.2.70",
                "pi",
                "house",
                "a.b",
                "",
            )
        ),
    ],
)
def test_which_names_are_the_servers(name: str, is_one: bool) -> None:
    assert is_one_of(name, ["pi.example", "192.0.2.7", "2001:db8::7", "*.house", ""]) is is_one


@pytest.mark.parametrize(
    ("days_left", "expected"), [(100, True), (121, True), (122, False), (-1, True), (365, False)]
)
def test_it_is_renewed_when_a_third_of_its_life_is_left(days_left: int, expected: bool) -> None:
    end = NOON + timedelta(days=days_left)
    assert is_due(end - timedelta(days=365), end, NOON) is expected
