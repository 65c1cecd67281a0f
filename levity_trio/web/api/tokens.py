"""The tokens in memory: which one a request presents, and how long a wrong one has to wait."""

from __future__ import annotations

import hmac
import math
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from hashlib import sha256
from http import HTTPStatus
from secrets import token_bytes
from typing import Final, NamedTuple

import trio

from levity_trio.store.writes.tokens import StoredToken
from levity_trio.web.api.problems import Problem

PREFIX: Final = "levity"
SECRET_BYTES: Final = 24
SALT_BYTES: Final = 16
LONGEST_SECONDS: Final = 60.0
_TOKEN: Final = re.compile(rf"{PREFIX}_([0-9]{{1,18}})_([A-Za-z0-9_=-]{{1,100}})")
REMEMBERED: Final = 1000
"""Addresses and tokens whose failures are remembered; beyond that, the oldest is forgotten."""


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
    """All tokens, and the failures of late."""

    def __init__(self) -> None:
        self._tokens: dict[int, StoredToken] = {}
        self._failures: dict[tuple[str, int | None], tuple[int, float]] = {}
        """By address and token id: the number of failures, and until when further ones are refused at once."""

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

    def check(self, address: str, text: str) -> StoredToken:
        """Return the token that an address presents. Raises Problem, at once after too many wrong ones."""
        if (seconds := self.wait_seconds(address, text)) > 0:
            problem = Problem(HTTPStatus.UNAUTHORIZED, "too_many_failures", "too many wrong tokens; wait")
            problem.headers["retry-after"] = str(math.ceil(seconds))
            raise problem
        token = self.find(text)
        if token is None:
            self.fail(address, text)
            problem = Problem(HTTPStatus.UNAUTHORIZED, "wrong_token", "this token is not valid; it may be revoked")
            problem.headers["www-authenticate"] = 'Bearer error="invalid_token"'
            raise problem
        self.succeed(address, token.id)
        return token

    def find(self, text: str) -> StoredToken | None:
        """Return the token of this text, None if there is none or it is revoked."""
        parts = _parts(text)
        token = None if parts is None else self._tokens.get(parts.id)
        if parts is None or token is None or token.is_revoked:
            return None
        return token if hmac.compare_digest(token.digest, _digest(token.salt, parts.secret)) else None

    def wait_seconds(self, address: str, text: str) -> float:
        """Return for how long this address may not try this token, because of its failures; 0 if it may."""
        _, until = self._failures.get((address, _id_of(text)), (0, 0.0))
        return max(0.0, until - trio.current_time())

    def fail(self, address: str, text: str) -> None:
        """Note a wrong token: the next one of this address must wait, twice as long each time."""
        key = address, _id_of(text)
        count = self._failures.pop(key, (0, 0.0))[0] + 1
        self._failures[key] = count, trio.current_time() + min(LONGEST_SECONDS, 2.0 ** min(count - 1, 10))
        if len(self._failures) > REMEMBERED:
            del self._failures[next(iter(self._failures))]

    def succeed(self, address: str, token: int) -> None:
        """Forget the failures of a token at an address."""
        self._failures.pop((address, token), None)


class _Parts(NamedTuple):
    id: int
    secret: str


def _parts(text: str) -> _Parts | None:
    found = _TOKEN.fullmatch(text)
    return None if found is None else _Parts(int(found[1]), found[2])


def _id_of(text: str) -> int | None:
    """Return the id in the text of a token, None if it has none."""
    parts = _parts(text)
    return None if parts is None else parts.id
