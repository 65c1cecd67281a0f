"""Passwords of users, which people choose and type, and PINs: both may be guessed, so scrypt makes
each guess slow."""

from __future__ import annotations

import hmac
from hashlib import scrypt
from secrets import token_bytes
from typing import Final, NamedTuple
from unicodedata import normalize

MOST_TRIES: Final = 5
"""A PIN is void after so many wrong ones."""
SALT_BYTES: Final = 16
SCRYPT_N: Final = 2**13
SCRYPT_R: Final = 8
SCRYPT_P: Final = 10
"""8 MiB, and a quarter of a second of a desktop processor (OWASP, Password Storage)."""


class Stretched(NamedTuple):
    """A password as it is stored; salt and digest are hexadecimal."""

    salt: str
    digest: str


NOBODYS: Final = Stretched("00" * SALT_BYTES, "00" * 64)
"""What is compared where there is no password, so that the answer takes as long."""


def store(password: str) -> Stretched:
    """Return a password as it is stored. This takes long: call it in a thread."""
    salt = token_bytes(SALT_BYTES)
    return Stretched(salt.hex(), _digest(salt, password))


def is_of(stored: Stretched, password: str) -> bool:
    """Whether this is the stored password. This takes long: call it in a thread."""
    return hmac.compare_digest(stored.digest, _digest(bytes.fromhex(stored.salt), password))


def _digest(salt: bytes, password: str) -> str:
    """Return the digest. Keyboards write an accented letter as one character or two; both are the
    same password."""
    normal = normalize("NFC", password).encode(errors="surrogatepass")
    return scrypt(normal, salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P).hex()
