"""Users and the log-ins of their browsers, in memory: whose cookie a request presents, and how a
browser logs in.

A cookie contains a random id, of which only a digest is stored. Each log-in gets a new one, so that
nobody can plant an id beforehand. Wrong passwords make (address, name) wait. A browser that logged
in before is known by the id that it still has: it waits for its own mistakes only, and has its own
place in the queue (turns.py), so that a flood of wrong passwords never keeps a user out who is
known.

The tokens in memory: which one a request presents. Nobody guesses 192 random bits, so a wrong
one waits for nothing, and no number of wrong ones delays a right one.
"""

from __future__ import annotations

import hmac
import math
import re
import shlex
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from hashlib import sha256
from http import HTTPStatus
from secrets import token_bytes, token_hex, token_urlsafe
from typing import Any, Final, NamedTuple, TypeVar, TypeVarTuple

import trio

from levity_trio.access import passwords, user_passwords
from levity_trio.access.admission import network_of
from levity_trio.access.passwords import GENERATED, Stored
from levity_trio.access.user_passwords import NOBODYS, Stretched
from levity_trio.charger.doors import RETRY_SECONDS, Failures, TooManyWait, Turns
from levity_trio.clock import Clock
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.writer import Writer
from levity_trio.store.writes.people import users
from levity_trio.store.writes.people.users import (
    Manager,
    NewLogin,
    StoredLogin,
    StoredLogins,
    StoredToken,
    StoredUser,
)
from levity_trio.told import Told
from levity_trio.web.api.engine.problems import Problem, busy, refusal
from levity_trio.web.logins.invitations import Invitations, Presented
from levity_trio.wire.times import stamp

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


ID_BYTES: Final = 32
LASTS: Final = timedelta(days=30)
"""A log-in is valid for so long after its last use."""
BROWSER_CHARACTERS: Final = 200
NAME_CHARACTERS: Final = 64
"""The characters of a name for which failures are counted."""
NONCE_BYTES: Final = 8
"""The random bytes in the value of a form."""
DRIVER: Final = "driver"
"""The role of those who may log in at the drivers' port."""

_ONE: Final = trio.CapacityLimiter(1)
T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_Who = tuple[str, str]
"""The subject of which failures are counted: an address with a name or code, or a known browser."""
Stretch = Callable[..., Awaitable[Any]]
"""Runs a function that takes long."""


class Login(NamedTuple):
    """A valid log-in: of a user, or with a token. `role` is the present one; `account` is a
    driver's.

    `language` is that of the household or of the user, None if nobody said it.
    """

    id: int
    user: int | None
    token: int | None
    name: str
    role: str
    account: int | None = None
    language: str | None = None


class LoggedIn(NamedTuple):
    """A new log-in, and the id for its browser's cookie."""

    cookie: str
    login: Login


class Visit(NamedTuple):
    """Who logs in: the address, the id that the browser presents, and what it says that it is.
    `for_drivers`: at the port of drivers, where nobody else is known."""

    address: str
    cookie: str | None
    browser: str
    for_drivers: bool = False


class _LogInQueue:
    """One way in: its failures of late, and its queue. A flood at one slows nobody at the other."""

    def __init__(self, one_at_a_time: trio.Lock) -> None:
        self.failures = Failures()
        self.turns = Turns(one_at_a_time)

    def check_wait(self, who: _Who) -> None:
        """Raise Problem for one who tries too often."""
        seconds = self.failures.wait_seconds(who)
        if seconds > 0:
            problem = refusal("too_many_failures", Told("too many failed log-ins; wait"))
            problem.headers["retry-after"] = str(math.ceil(seconds))
            raise problem


@asynccontextmanager
async def _held(turn: AbstractAsyncContextManager[None]) -> AsyncIterator[None]:
    """Wait for a turn and hold it. Raises Problem."""
    try:
        async with turn:
            yield
    except TooManyWait:
        words = Told("too many log-ins are waiting; try again")
        raise busy("too_many_log_ins", words, RETRY_SECONDS) from None


async def in_thread(function: Callable[[*Ts], T], *args: *Ts) -> T:
    """Run a function in the thread."""
    return await trio.to_thread.run_sync(function, *args, limiter=_ONE)


def new_cookie() -> str:
    """Return a random id: that of a log-in, or of a visitor whose forms need one."""
    return token_urlsafe(ID_BYTES)


def form_value(cookie: str) -> str:
    """Return a value that proves that a form is from a page of ours, which knew the cookie (CSRF).

    It is another one each time: what stays the same in compressed pages can be guessed from their
    lengths (BREACH).
    """
    return _form_value(cookie, token_hex(NONCE_BYTES))


def is_form_value(cookie: str, value: str) -> bool:
    own = _form_value(cookie, value[: 2 * NONCE_BYTES])
    return hmac.compare_digest(own.encode(errors="replace"), value.encode(errors="replace"))


def _form_value(cookie: str, nonce: str) -> str:
    signed = hmac.new(cookie.encode(errors="replace"), nonce.encode(errors="replace"), sha256)
    return nonce + signed.hexdigest()


def _folded(name: str) -> str:
    return name.strip().casefold()


class Logins:
    """All users and log-ins, and the failures of late."""

    def __init__(
        self, tokens: Tokens, writer: Writer, clock: Clock, stretch: Stretch = in_thread
    ) -> None:
        self._tokens = tokens
        self._writer = writer
        self._clock = clock
        self._stretch = stretch
        self._users: dict[int, StoredUser] = {}
        self._logins: dict[int, StoredLogin] = {}
        self._ids: dict[str, int] = {}
        """The numbers of log-ins, by the digests of what their cookies contain."""
        self._uses = Uses()
        one_at_a_time = trio.Lock()
        self._door = _LogInQueue(one_at_a_time)
        self._drivers_door = _LogInQueue(one_at_a_time)
        self._changing = trio.Lock()
        self.invitations = Invitations()
        self.are_used = False
        """Whether there ever was a user; from then on every request needs a token or a log-in."""
        self.changed = trio.Event()
        """Set, and replaced, when users or log-ins have changed."""

    # What is known

    @property
    def have_managers(self) -> bool:
        """Whether anybody but drivers may log in."""
        return any(user.role != DRIVER for user in self._users.values())

    async def open(self) -> None:
        """Read what is stored. Raises StoreUnavailable."""
        self.load(await self._writer.run(users.stored_logins))

    async def change(self, write: Callable[[UnitOfWork, *Ts], T], *args: *Ts) -> T:
        """Run a write that changes users, log-ins or invitations; know the result before anybody
        else changes it."""

        def changed(db: UnitOfWork) -> tuple[T, StoredLogins]:
            return write(db, *args), users.stored_logins(db)

        async with self._changing:
            answer, stored = await self._writer.run(changed)
            self.load(stored)
        return answer

    def load(self, stored: StoredLogins) -> None:
        """Replace what is known."""
        self.are_used = stored.are_used
        self._users = {user.id: user for user in stored.users}
        self._logins = {login.id: login for login in stored.logins}
        self._ids = {login.digest: login.id for login in stored.logins}
        self._uses.load((login.id, login.last_used_at) for login in stored.logins)
        self.invitations.load(stored.invitations)
        self.changed.set()
        self.changed = trio.Event()

    def find(self, cookie: str | None) -> Login | None:
        """Return the valid log-in that a cookie contains, None if there is none."""
        number = self._ids.get(users.digest_of(cookie or ""))
        return None if number is None else self.get(number)

    def get(self, number: int) -> Login | None:
        """Return a log-in, and note its use; None if it is not valid."""
        stored, now = self._logins.get(number), self._clock()
        if stored is None or stored.ended_at is not None or now - self._uses.last(number) > LASTS:
            return None
        if stored.user is not None:
            user = self._users.get(stored.user)
            if user is None or (user.ends_at is not None and user.ends_at <= stamp(now)):
                return None
            login = Login(number, user.id, None, user.name, user.role, user.account, user.language)
        else:
            token = None if stored.token is None else self._tokens.valid(stored.token)
            if token is None:
                return None
            login = Login(number, None, token.id, token.name, token.role)
        if self._uses.note(number, now):
            self._writer.coalesce(("login", number), users.note_login_use, number, stamp(now))
        return login

    # Logging in and out

    async def enter(self, name: str, password: str, visit: Visit) -> LoggedIn:
        """Log a user in. Raises Problem."""
        door = self._door_of(visit)
        user = self._named(name)
        if user is not None and not self._may_enter(visit, user.id):
            user = None
        known = self._known(visit.cookie, user)
        network = network_of(visit.address)
        if known:
            who, turn = ("known", known), door.turns.known(known)
        else:
            who = network, _folded(name)[:NAME_CHARACTERS]
            turn = door.turns.stranger(network)
        # A name that nobody has takes as long as a wrong password, and tells nothing.
        stored = None if user is None else user.password
        is_right = await self._try(door, who, turn, stored or NOBODYS, password)
        if not is_right or user is None or stored is None:
            words = Told("there is no such user with this password")
            raise Problem(HTTPStatus.UNAUTHORIZED, "wrong_password", words)
        return await self._begin(visit, stored, user=user.id)

    async def enter_by_token(self, text: str, visit: Visit) -> LoggedIn:
        """Log in whoever has a token. Raises Problem."""
        return await self._begin(visit, token=self._tokens.check(text.strip()).id)

    async def enter_by_invitation(self, code: str, visit: Visit) -> LoggedIn:
        """Log in whoever has a one-time code, which is used up. Raises Problem."""
        door = self._door_of(visit)
        network = network_of(visit.address)
        who = network, f"code {self.invitations.number_of(code)}"
        door.check_wait(who)
        presented = self._invitation(code, visit)
        if presented is None:
            door.failures.add(who)
        elif presented.is_pin:
            async with _held(door.turns.stranger(network)):
                presented = await self._try_pin(door, who, code, visit)
        if presented is None:
            words = Told("this code is wrong, used or too old; ask for a new one")
            raise Problem(HTTPStatus.UNAUTHORIZED, "wrong_code", words)
        invitation = presented.invitation
        return await self._begin(visit, user=invitation.user, invitation=invitation.id)

    async def _try_pin(
        self, door: _LogInQueue, who: _Who, code: str, visit: Visit
    ) -> Presented | None:
        """Return the invitation of a right PIN. Its turn has come: what was refused before that,
        was no try."""
        # Others may have failed meanwhile.
        door.check_wait(who)
        presented = self._invitation(code, visit)
        if presented is None:
            return None
        # Before anything is awaited, so that no guess goes uncounted.
        invitation = presented.invitation
        tries = self.invitations.count_try(invitation.id)
        await self._writer.run(users.note_tries, invitation.id, tries)
        stored = Stretched(invitation.salt, invitation.digest)
        is_right = await self._try_secret(door, who, stored, presented.secret)
        return presented if is_right else None

    def _invitation(self, code: str, visit: Visit) -> Presented | None:
        """Return the invitation that a code names, as far as it may be used here and tried
        again."""
        presented = self.invitations.find(code, stamp(self._clock()))
        if presented is not None and not self._may_enter(visit, presented.invitation.user):
            return None
        return presented

    async def leave(self, number: int) -> None:
        """End a log-in by its own browser, which stays known. Raises StoreUnavailable."""
        await self.change(users.end_login, number, stamp(self._clock()), None)

    async def end(self, number: int, by: str) -> bool:
        """End a log-in by somebody; its browser is no longer known. Return False if there is none
        that is open."""
        return await self.change(users.end_login, number, stamp(self._clock()), by)

    async def change_password(self, login: Login, old: str | None, new: str) -> None:
        """Change the password of the user of a log-in, whose other log-ins end. Raises Problem."""
        user = None if login.user is None else self._users.get(login.user)
        if user is None:
            words = Told("you have no user, and so no password")
            raise refusal("conflict", words)
        before = user.password
        if before is not None:
            known = f"password of {login.id}"
            turn = self._door.turns.known(known)
            if not await self._try(self._door, ("known", known), turn, before, old or ""):
                words = Told("the old password is wrong")
                raise refusal("wrong_password", words)
        after = await self.stretch(new)
        by = Manager(login.name, False, stamp(self._clock()))
        write = users.change_own_password
        if not await self.change(write, user.id, before, after, login.id, by):
            words = Told("the password was changed meanwhile")
            raise refusal("changed", words)

    async def stretch(self, secret: str) -> Stretched:
        """Return a password or PIN as it is stored."""
        stretched: Stretched = await self._stretch(user_passwords.store, secret)
        return stretched

    def _named(self, name: str) -> StoredUser | None:
        wanted = _folded(name)
        for user in self._users.values():
            if _folded(user.name) == wanted:
                return user
        return None

    def _known(self, cookie: str | None, user: StoredUser | None) -> str | None:
        """Return the digest of the id by which a browser of this user is known.

        Its log-in may have ended, but not by somebody else: that browser may be in other hands.
        """
        digest = users.digest_of(cookie or "")
        number = self._ids.get(digest)
        login = None if number is None else self._logins[number]
        if login is None or user is None or login.user != user.id or login.ended_by is not None:
            return None
        return digest

    async def _try(
        self,
        door: _LogInQueue,
        who: _Who,
        turn: AbstractAsyncContextManager[None],
        stored: Stretched,
        password: str,
    ) -> bool:
        """Whether a password is right. Raises Problem for one who tries too often."""
        door.check_wait(who)
        async with _held(turn):
            # Others may have failed meanwhile.
            door.check_wait(who)
            return await self._try_secret(door, who, stored, password)

    async def _try_secret(
        self, door: _LogInQueue, who: _Who, stored: Stretched, secret: str
    ) -> bool:
        """Note whether a password or PIN is right, in a turn that is held, and return it."""
        is_right: bool = await self._stretch(user_passwords.is_of, stored, secret)
        if is_right:
            door.failures.forget(who)
        else:
            door.failures.add(who)
        return is_right

    def _door_of(self, visit: Visit) -> _LogInQueue:
        return self._drivers_door if visit.for_drivers else self._door

    def _may_enter(self, visit: Visit, number: int) -> bool:
        """Whether a user is known where somebody logs in."""
        user = self._users.get(number)
        return not visit.for_drivers or (user is not None and user.role == DRIVER)

    async def _begin(
        self,
        visit: Visit,
        password: Stretched | None = None,
        *,
        user: int | None = None,
        token: int | None = None,
        invitation: int | None = None,
    ) -> LoggedIn:
        cookie = new_cookie()
        new = NewLogin(
            digest=users.digest_of(cookie),
            user=user,
            token=token,
            address=visit.address,
            browser=visit.browser[:BROWSER_CHARACTERS],
            at=stamp(self._clock()),
            before=users.digest_of(visit.cookie or ""),
            invitation=invitation,
        )
        is_begun = await self.change(users.begin_login, new, password)
        login = self.find(cookie)
        if not is_begun or login is None:
            words = Told("what opened this was taken away meanwhile; try again")
            raise Problem(HTTPStatus.UNAUTHORIZED, "changed", words)
        return LoggedIn(cookie, login)
