"""Users who log in: on a real database, on a clock that tests advance, with passwords that take a
while of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import trio

from levity_trio.access import user_passwords
from levity_trio.nouns import User
from levity_trio.store.reads.people import households as reads
from levity_trio.store.reads.people.households import UserRow
from levity_trio.store.writes.people import users
from levity_trio.store.writes.people.users import Manager, NewInvitation, NewToken
from levity_trio.web.logins.browsers import LoggedIn, Logins, Tokens, Visit, make, written
from levity_trio.web.logins.invitations import LASTS, Kind, make_secret, stored_link
from levity_trio.web.logins.invitations import written as written_code
from levity_trio.wire.times import stamp
from tests.charger.parts import InlineWriter
from tests.store.books import Books
from tests.store.reading import view

PASSWORD: Final = "correct horse"  # noqa: S105
HOME: Final = "203.0.113.1"
STRETCH_SECONDS: Final = 0.25


class House:
    """Users, and the browsers with which they log in."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.tokens = Tokens()
        self.stretched: list[Callable[..., Any]] = []
        self.before_answer: Callable[[], None] = lambda: None
        """Called while a password is compared."""
        self.logins = self.restarted()

    def restarted(self) -> Logins:
        """What a server knows that was started just now, before it has read anything."""
        return Logins(
            self.tokens,
            InlineWriter(self.books.connection),  # type: ignore[arg-type]  # its interface
            lambda: self.books.now,
            self._stretch,
        )

    async def _stretch(self, function: Callable[..., Any], *args: Any) -> Any:
        self.stretched.append(function)
        await trio.sleep(STRETCH_SECONDS)
        self.before_answer()
        return function(*args)

    @property
    def admin(self) -> Manager:
        return Manager("root", True, self.books.at)

    async def add(
        self, name: str, role: str = "admin", password: str | None = PASSWORD, account: Any = None
    ) -> int:
        stretched = None if password is None else user_passwords.store(password)
        data = User(name=name, role=role, account=account)
        number, _ = await self.logins.change(users.add, data, stretched, None, self.admin)
        return number

    async def invite(self, user: int, kind: Kind) -> str:
        secret = make_secret(kind)
        stored = stored_link(secret)
        salt, digest = (
            (stored.salt, stored.digest) if kind == "link" else user_passwords.store(secret)
        )
        new = NewInvitation(kind, salt, digest, stamp(self.books.now + LASTS[kind]))
        return written_code(
            kind, await self.logins.change(users.invite, user, new, self.admin), secret
        )

    def token(self, name: str, role: str) -> str:
        made = make()
        number = self.books.run(
            users.create_token, NewToken(name, role, made.salt, made.digest, self.books.at, "")
        )
        self.tokens.load(self.books.run(users.stored_tokens))
        assert number is not None
        return written(number, made.secret)

    async def enter(
        self,
        name: str,
        password: str = PASSWORD,
        *,
        address: str = HOME,
        cookie: str | None = None,
        for_drivers: bool = False,
    ) -> LoggedIn:
        visit = Visit(address, cookie, "Firefox", for_drivers)
        return await self.logins.enter(name, password, visit)

    async def use(self, code: str, *, address: str = HOME, for_drivers: bool = False) -> LoggedIn:
        visit = Visit(address, None, "Firefox", for_drivers)
        return await self.logins.enter_by_invitation(code, visit)

    async def stored(self, user: int) -> UserRow:
        """What operators read of a user."""
        found = reads.user(view(self.books.connection), user)
        assert found is not None
        return found

    def wait(self, **given: float) -> None:
        """Advance the wall clock."""
        self.books.now += timedelta(**given)
