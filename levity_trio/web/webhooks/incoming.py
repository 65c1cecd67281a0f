"""Checks the signature of a request from a service outside.

    Levity-Signature: t=1772366400,v1=<64 hex digits>

`t` is the time of signing in seconds since 1970. `v1` is the HMAC-SHA-256, with the secret's bytes as its key, over the
digits of `t`, one point, and the bytes of the body as they are sent.
"""

from __future__ import annotations

import hmac
import re
from typing import Final

HEADER: Final = "levity-signature"
OLDEST_SECONDS: Final = 300
"""How far the time of signing may be from ours, in both directions."""
_SIGNATURE: Final = re.compile(r"t=(?P<at>[1-9][0-9]{0,11}),v1=(?P<digest>[0-9a-f]{64})")


class WrongSignature(Exception):
    """The request is not signed with the secret; the text says what is wrong, and nothing of the secret."""


class WrongTime(Exception):
    """The request was signed too long ago, or a clock is wrong."""


def signature(secret: str, at: int, body: bytes) -> str:
    """Return the value of the header."""
    return f"t={at},v1={_digest(secret, at, body)}"


def check(header: str | None, secret: str, body: bytes, now: float) -> None:
    """Check that a body was signed with the secret, and lately. Raises WrongSignature, WrongTime."""
    signature = _SIGNATURE.fullmatch(header or "")
    if signature is None:
        raise WrongSignature("sign the request: Levity-Signature: t=SECONDS,v1=HEX")
    at = int(signature["at"])
    if not hmac.compare_digest(_digest(secret, at, body), signature["digest"]):
        raise WrongSignature("the signature does not fit this body, this time and the secret of this service")
    if abs(now - at) > OLDEST_SECONDS:
        raise WrongTime(f"t is {abs(now - at):.0f} s from the time of this server; sign it again, check both clocks")


def _digest(secret: str, at: int, body: bytes) -> str:
    return hmac.new(secret.encode(), b"%d.%s" % (at, body), "sha256").hexdigest()
