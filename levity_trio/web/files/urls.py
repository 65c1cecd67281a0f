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
USER_CHARACTERS: Final = 8
"""Of a secret that comes as user and password; the rest, 120 bits, is the password."""
_SECRET: Final = re.compile(r"[a-z2-7]{32}")
BaseUrl = Callable[[], str]


class SecretUrl(NamedTuple):
    """A URL for a charger, the digest of its secret, which is all that is stored of it, and what may be shown of it."""

    text: str
    digest: str
    base: str

    def of(self, name: str) -> str:
        """Return the URL of a file of this name; some chargers look at the name or its extension."""
        return f"{self.text.removesuffix('/')}/{name}"


def make(base: str) -> SecretUrl:
    """Return a new URL."""
    secret = _new_secret()
    return SecretUrl(f"{base}{PATH}/{secret}", _digest(secret), base)


def make_ftp(place: str) -> SecretUrl:
    """Return a new URL of FTP, at this address and port."""
    secret = _new_secret()
    text = f"ftp://{secret[:USER_CHARACTERS]}:{secret[USER_CHARACTERS:]}@{place}/"
    return SecretUrl(text, _digest(secret), f"ftp://{place}")


def digest_of(secret: str) -> str | None:
    """Return the digest of the secret in a path, None if it cannot be one."""
    return _digest(secret) if _SECRET.fullmatch(secret) else None


def _new_secret() -> str:
    return b32encode(token_bytes(SECRET_BYTES)).decode().lower()


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
