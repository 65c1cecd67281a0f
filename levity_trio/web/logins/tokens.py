"""The tokens in memory: which one a request presents. Nobody guesses 192 random bits, so a wrong
one waits for nothing, and no number of wrong ones delays a right one."""

from __future__ import annotations

import re
import shlex
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from datetime import datetime, timedelta
from http import HTTPStatus
from secrets import token_bytes
from typing import Final, NamedTuple

from levity_trio.access import passwords
from levity_trio.access.passwords import GENERATED, Stored
from levity_trio.store.writes.people.users import StoredToken
from levity_trio.told import Told
from levity_trio.web.api.engine.problems import Problem

PREFIX: Final = "levity"
SECRET_BYTES: Final = 24
USE_NOTED: Final = timedelta(hours=1)
_TOKEN: Final = re.compile(rf"{PREFIX}_([0-9]{{1,18}})_([A-Za-z0-9_=-]{{1,100}})")


class NewSecret(NamedTuple):
    """A new secret, with the salt and digest that are stored."""

    secret: str
    salt: str
    digest: str


def make() -> NewSecret:
    """Make a secret. It is random, so a salted SHA-256 is enough."""
    secret = urlsafe_b64encode(token_bytes(SECRET_BYTES)).decode()
    stored = passwords.store(secret.encode(), GENERATED)
    return NewSecret(secret, stored.salt, stored.digest)


def written(token: int, secret: str) -> str:
    """Return the text of a token, which is shown once."""
    return f"{PREFIX}_{token}_{secret}"


class Uses:
    """The last use of each token, or of each log-in. A use is stored once an hour: each commit
    wears the disk."""

    def __init__(self) -> None:
        self._last: dict[int, datetime] = {}

    def load(self, stored: Iterable[tuple[int, str | None]]) -> None:
        """Know only these; a use that is noted, but not stored yet, counts too."""
        noted, self._last = self._last, {}
        for number, at in stored:
            uses = [noted.get(number), None if at is None else datetime.fromisoformat(at)]
            known = [use for use in uses if use is not None]
            if known:
                self._last[number] = max(known)

    def last(self, number: int) -> datetime:
        """Return when a log-in was last used: at the latest when it began."""
        return self._last[number]

    def note(self, number: int, now: datetime) -> bool:
        """Note a use; return whether it must be stored."""
        last = self._last.get(number)
        if last is not None and now - last < USE_NOTED:
            return False
        self._last[number] = now
        return True


class Tokens:
    """All tokens, and their uses."""

    def __init__(self) -> None:
        self._tokens: dict[int, StoredToken] = {}
        self.uses = Uses()

    def load(self, tokens: Iterable[StoredToken]) -> None:
        """Replace what is known of the tokens."""
        self._tokens = {token.id: token for token in tokens}
        self.uses.load((token.id, token.last_used_at) for token in self._tokens.values())

    @property
    def are_used(self) -> bool:
        """Whether there ever was a token; from then on every request needs one."""
        return bool(self._tokens)

    def valid(self, number: int) -> StoredToken | None:
        """Return a token, None if it is revoked."""
        token = self._tokens.get(number)
        return None if token is None or token.is_revoked else token

    def check(self, text: str) -> StoredToken:
        """Return the token of this text. Raises Problem."""
        match = _TOKEN.fullmatch(text)
        if match is not None:
            token = self.valid(int(match[1]))
            if token is not None:
                stored = Stored(GENERATED, token.salt, token.digest)
                if passwords.is_of(stored, match[2].encode()):
                    return token
        raise _wrong(Told("this token is not valid; it may be revoked"))

    def named(self, name: str) -> StoredToken:
        """Return the token with this name that is not revoked; there is one at most. Raises
        Problem."""
        for token in self._tokens.values():
            if token.name == name and not token.is_revoked:
                return token
        make_it = f"levity-trio token create {shlex.quote(name)} --role operator"
        raise _wrong(Told("no token in use is named {1}; make it with {2}", name, make_it))


def _wrong(words: str) -> Problem:
    problem = Problem(HTTPStatus.UNAUTHORIZED, "wrong_token", words)
    problem.headers["www-authenticate"] = 'Bearer error="invalid_token"'
    return problem
