"""Passwords: from a configuration key, from a header, and as they are stored."""

from __future__ import annotations

from base64 import b64encode

import pytest

from levity_trio.access import passwords
from levity_trio.access.passwords import GENERATED, GIVEN, Kind

BYTES = bytes(range(0xF0, 0x100)) + b"\0\n :"


@pytest.mark.parametrize(
    ("value", "password"),
    [
        (BYTES.hex(), BYTES),
        (BYTES.hex().upper(), BYTES),
        ("00" * 16, bytes(16)),
        ("00" * 15, b"00" * 15),
        ("0" * 33, b"0" * 33),
        ("a plain sentence of 32 characters", b"a plain sentence of 32 characters"),
        ("", b""),
    ],
)
def test_the_password_in_a_configuration_key(value: str, password: bytes) -> None:
    assert passwords.of_key(value) == password


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC "])
@pytest.mark.parametrize("padding", ["", "=", "=="])
def test_the_password_in_a_header(scheme: str, padding: str) -> None:
    encoded = b64encode(b"CP:1:" + BYTES).decode().rstrip("=") + padding
    assert passwords.presented(f"{scheme} {encoded}", "CP:1") == BYTES


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (None, "it presents no password"),
        ("", "its Authorization header is not HTTP Basic"),
        ("Basic: Q1AtMTp4", "its Authorization header is not HTTP Basic"),
        ("Basic:Q1AtMTp4", "its Authorization header is not HTTP Basic"),
        ("Basic : Q1AtMTp4", "its Authorization header is not HTTP Basic"),
        ("BasicQ1AtMTp4", "its Authorization header is not HTTP Basic"),
        ("Q1AtMTp4", "its Authorization header is not HTTP Basic"),
        ("Basic", "the user in its Authorization header is not its identity"),
        ("Basic ???", "its Authorization header is not Base64"),
        ("Bearer Q1AtMTp4", "its Authorization header is not HTTP Basic"),
        ("Basic Q1AtMQ==", "the user in its Authorization header is not its identity"),
        ("Basic s\N{LATIN SMALL LETTER SHARP S}", "its Authorization header is not Base64"),
        (
            f"Basic {b64encode(b'CP-2:secret').decode()}",
            "the user in its Authorization header is not its identity",
        ),
        (
            f"Basic {b64encode(b'cp-1:secret').decode()}",
            "the user in its Authorization header is not its identity",
        ),
    ],
)
def test_what_presents_none(header: str | None, why: str) -> None:
    with pytest.raises(passwords.Unpresented, match=f"^{why}$"):
        passwords.presented(header, "CP-1")


def test_a_header_is_bounded() -> None:
    header = f"Basic {b64encode(b'CP-1:' + b'x' * 8000).decode()}"
    assert len(passwords.presented(header, "CP-1")) == passwords.LONGEST_BYTES


@pytest.mark.parametrize("kind", [GENERATED, GIVEN])
def test_only_the_password_itself_fits_what_is_stored(kind: Kind) -> None:
    stored = passwords.store(BYTES, kind)
    assert passwords.is_of(stored, BYTES)
    assert not passwords.is_of(stored, BYTES[:-1])
    assert not passwords.is_of(passwords.NOBODYS, BYTES)
    assert passwords.store(BYTES, kind) != stored  # the salt differs
    assert BYTES.hex() not in str(stored)


def test_a_made_one_is_whole() -> None:
    assert len(passwords.of_key(passwords.make())) == passwords.MADE_BYTES
    assert passwords.make() != passwords.make()
