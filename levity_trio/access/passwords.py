"""Passwords of chargers: made, read from configuration keys and from HTTP Basic headers, and stored
as digests.

A password is 16 to 20 bytes (whitepaper, AuthorizationKey): hexadecimal in ChangeConfiguration, the
decoded bytes in the header, where they need not be UTF-8. Some chargers send the hexadecimal digits
themselves. One that we made is random, so that a salted SHA-256 is enough; one that somebody gave
may be guessed, so that scrypt makes guesses slow.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import b64decode
from secrets import token_bytes
from typing import Final, Literal, NamedTuple

from levity_trio.told import Told

AUTHORIZATION_KEY: Final = "AuthorizationKey"
MADE_BYTES: Final = 20
SALT_BYTES: Final = 16
HEX_DIGITS: Final = (32, 40)
"""The password of a charger in hexadecimal: 16 to 20 bytes."""
LONGEST_BYTES: Final = 256
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**13, 8, 1
"""8 MiB and about 25 ms of a desktop processor."""
GENERATED: Final = "generated"
GIVEN: Final = "given"

Kind = Literal["generated", "given"]


class Stored(NamedTuple):
    """A password as it is stored; salt and digest are hexadecimal."""

    kind: Kind
    salt: str
    digest: str


NOBODYS: Final = Stored(GIVEN, "00" * SALT_BYTES, "00" * 64)
"""Compared with where a refusal would otherwise tell by its time that a charger has no password
that somebody gave."""


def make() -> str:
    """Make a password; return it in hexadecimal, as AuthorizationKey takes it."""
    return token_bytes(MADE_BYTES).hex()


def of_key(value: str) -> bytes:
    """Return the password in a value of AuthorizationKey: the decoded bytes; another text is taken
    as it is."""
    decoded = of_digits(value.encode())
    return value.encode() if decoded is None else decoded


def of_digits(password: bytes) -> bytes | None:
    """Return the bytes of hexadecimal digits, None for anything else."""
    if not HEX_DIGITS[0] <= len(password) <= HEX_DIGITS[1]:
        return None
    try:
        return binascii.unhexlify(password)
    except ValueError:
        return None


class Unpresented(Exception):
    """An Authorization header presents no password for the charger; the text says why."""


def presented(authorization: str | None, charger: str) -> bytes:
    """Return the password that an Authorization header presents for this charger.

    The user must be the charger's identity. That may contain colons, as a MAC address does.

    Raises:
        Unpresented: it presents none.
    """
    if authorization is None:
        raise Unpresented(Told("it presents no password"))
    scheme, _, encoded = authorization.strip().partition(" ")
    if scheme.casefold() != "basic" or encoded.lstrip().startswith(":"):
        raise Unpresented(Told("its Authorization header is not HTTP Basic"))
    try:
        decoded = b64decode(_padded(encoded.strip()), validate=True)
    except ValueError:
        raise Unpresented(Told("its Authorization header is not Base64")) from None
    user = charger.encode() + b":"
    if not decoded.startswith(user):
        raise Unpresented(Told("the user in its Authorization header is not its identity"))
    return decoded.removeprefix(user)[:LONGEST_BYTES]


def _padded(encoded: str) -> str:
    """Return Base64 with the padding that some clients leave out."""
    bare = encoded.rstrip("=")
    return bare + "=" * (-len(bare) % 4)


def store(password: bytes, kind: Kind) -> Stored:
    """Return a password as it is stored. A given one takes long: call this in a thread."""
    salt = token_bytes(SALT_BYTES)
    return Stored(kind, salt.hex(), _digest(kind, salt, password))


def is_of(stored: Stored, password: bytes) -> bool:
    """Whether this is the stored password. A given one takes long: call this in a thread."""
    return hmac.compare_digest(
        stored.digest, _digest(stored.kind, bytes.fromhex(stored.salt), password)
    )


def _digest(kind: Kind, salt: bytes, password: bytes) -> str:
    if kind == GENERATED:
        return hashlib.sha256(salt + password).hexdigest()
    return hashlib.scrypt(password, salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P).hex()
