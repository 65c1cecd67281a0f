"""The tokens in memory: which one a request presents. Nobody guesses 192 random bits, so a wrong one waits for nothing,
and no number of wrong ones delays a right one."""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from hashlib import sha256
from http import HTTPStatus
from secrets import token_bytes
from typing import Final, NamedTuple

from levity_trio.store.writes.tokens import StoredToken
from levity_trio.web.api.problems import Problem

PREFIX: Final = "levity"
SECRET_BYTES: Final = 24
SALT_BYTES: Final = 16
_TOKEN: Final = re.compile(rf"{PREFIX}_([0-9]{{1,18}})_([A-Za-z0-9_=-]{{1,100}})")


class Made(NamedTuple):
    """A new secret, with the salt and digest that are stored."""

    secret: str
    salt: str
    digest: str


def make() -> Made:
    """Make a secret. It is random, so a salted SHA-256 is enough."""
    secret = urlsafe_b64encode(token_bytes(SECRET_BYTES)).decode()
    salt = token_bytes(SALT_BYTES).hex()
    return Made(secret, salt, _digest(salt, secret))


def written(token: int, secret: str) -> str:
    """Return the text of a token, which is shown once."""
    return f"{PREFIX}_{token}_{secret}"


def _digest(salt: str, secret: str) -> str:
    return sha256(bytes.fromhex(salt) + secret.encode()).hexdigest()


class Tokens:
    """All tokens."""

    def __init__(self) -> None:
        self._tokens: dict[int, StoredToken] = {}

    def load(self, tokens: Iterable[StoredToken]) -> None:
        """Replace what is known of the tokens."""
        self._tokens = {token.id: token for token in tokens}

    @property
    def are_used(self) -> bool:
        """Whether there ever was a token; from then on every request needs one."""
        return bool(self._tokens)

    def is_valid(self, token: int) -> bool:
        """Whether a token is not revoked."""
        return self.valid(token) is not None

    def valid(self, token: int) -> StoredToken | None:
        """Return a token, None if it is revoked."""
        found = self._tokens.get(token)
        return None if found is None or found.is_revoked else found

    def check(self, text: str) -> StoredToken:
        """Return the token of this text. Raises Problem."""
        found = _TOKEN.fullmatch(text)
        token = None if found is None else self.valid(int(found[1]))
        if found is None or token is None or not hmac.compare_digest(token.digest, _digest(token.salt, found[2])):
            problem = Problem(HTTPStatus.UNAUTHORIZED, "wrong_token", "this token is not valid; it may be revoked")
            problem.headers["www-authenticate"] = 'Bearer error="invalid_token"'
            raise problem
        return token
