"""The secret URLs: who knows one may use it until the outcome of its command (rules.md, Messages)."""

from __future__ import annotations

import re
from base64 import b32encode
from collections.abc import Callable
from hashlib import sha256
from secrets import token_bytes
from typing import Final, NamedTuple

PATH: Final = "/f"
SECRET_BYTES: Final = 20
"""160 bits: 32 characters in lower case, which no charger misspells."""
_SECRET: Final = re.compile(r"[a-z2-7]{32}")
BaseUrl = Callable[[], str]


class SecretUrl(NamedTuple):
    """A URL for a charger, and the digest of its secret, which is all that is stored of it."""

    text: str
    digest: str


def make(base: str) -> SecretUrl:
    """Return a new URL."""
    secret = b32encode(token_bytes(SECRET_BYTES)).decode().lower()
    return SecretUrl(f"{base}{PATH}/{secret}", sha256(secret.encode()).hexdigest())


def digest_of(secret: str) -> str | None:
    """Return the digest of the secret in a path, None if it cannot be one."""
    return sha256(secret.encode()).hexdigest() if _SECRET.fullmatch(secret) else None
