"""Who may use the API: users, their log-ins, and tokens, newest first; and what was done over
it."""

from __future__ import annotations

from typing import Final

from levity_trio.access.user_passwords import MOST_TRIES
from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import Shape


@record
class UserRow:
    """A user. `account` is a driver's; a code by which the user may log in once is open until
    `invited_until`, unless it `is_used_up`: a PIN that was guessed at as often as it may be tried.
    A driver who moves out may log in until `ends_at`.
    """

    id: int
    name: str
    role: str
    account: int | None
    language: str | None
    has_password: bool
    invited_until: str | None
    is_used_up: bool
    last_used_at: str | None
    added_at: str
    added_by: str
    removed_at: str | None
    removed_by: str | None
    ends_at: str | None


@record
class LoginRow:
    """A browser that logged in, as a user or with a token. `ended_by` is null if the browser itself
    ended it."""

    id: int
    user: int | None
    token: int | None
    name: str
    role: str
    address: str
    browser: str
    made_at: str
    last_used_at: str
    ended_at: str | None
    ended_by: str | None


_CODE: Final = "FROM invitation WHERE user_id = person.id AND used_at IS NULL"
_GUESSED_AT: Final = f"SELECT 1 {_CODE} AND tries >= {MOST_TRIES}"
_USER: Final = Shape(
    UserRow,
    account="account_id",
    has_password="digest IS NOT NULL",  # noqa: S106 - SQL
    invited_until=f"(SELECT expires_at {_CODE})",
    is_used_up=f"EXISTS ({_GUESSED_AT})",
    last_used_at="(SELECT max(last_used_at) FROM login WHERE user_id = person.id)",
)
_LOGIN: Final = Shape(
    LoginRow,
    id="login.id",
    user="user_id",
    token="token_id",  # noqa: S106 - SQL
    name="coalesce(person.name, token.name)",
    role="coalesce(person.role, token.role)",
    last_used_at="login.last_used_at",
)
_LOGINS: Final = (
    "FROM login LEFT "
    'JOIN "user" AS person ON person.id = user_id LEFT '
    "JOIN token ON token.id = token_id"
)


def users(db: Database) -> list[UserRow]:
    """Return all users."""
    return _USER.every(db, 'FROM "user" AS person ORDER BY id DESC')


def user(db: Database, number: int) -> UserRow | None:
    """Return a user, None if there is none."""
    return _USER.one(db, 'FROM "user" AS person WHERE id = ?', (number,))


def drivers_of(db: Database, account: int) -> list[UserRow]:
    """Return the drivers that an account has or had."""
    return _USER.every(
        db, 'FROM "user" AS person WHERE account_id = ? ORDER BY id DESC', (account,)
    )


def logins(db: Database, limit: int, *, is_ended: bool) -> list[LoginRow]:
    """Return log-ins that are open, or with `is_ended` also those that were ended."""
    wanted = f"{_LOGINS} WHERE ? OR ended_at IS NULL ORDER BY login.id DESC LIMIT ?"
    return _LOGIN.every(db, wanted, (is_ended, limit))


def logins_of(db: Database, account: int) -> list[LoginRow]:
    """Return the log-ins of the drivers of an account."""
    return _LOGIN.every(
        db, f"{_LOGINS} WHERE person.account_id = ? ORDER BY login.id DESC", (account,)
    )


@record
class TokenRow:
    """A token, without what would let it be used."""

    id: int
    name: str
    role: str
    created_at: str
    created_by: str
    last_used_at: str | None
    revoked_at: str | None
    revoked_by: str | None


@record
class ActionRow:
    """A change that was asked for, or a refused attempt; `status` is that of the response."""

    id: int
    at: str
    who: str | None
    role: str | None
    address: str
    method: str
    path: str
    body: str | None
    status: int | None
    code: str | None


_TOKEN: Final = Shape(TokenRow)
_ACTION: Final = Shape(ActionRow)


def tokens(db: Database) -> list[TokenRow]:
    """Return all tokens, the newest first."""
    return _TOKEN.every(db, "FROM token ORDER BY id DESC")


def actions(db: Database, before: int | None, limit: int) -> list[ActionRow]:
    """Return the actions with an id below `before`, the newest first."""
    wanted = (
        "FROM operator_action "
        "WHERE CAST(?1 AS INTEGER) IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2"
    )
    return _ACTION.every(db, wanted, (before, limit))


def language_of_owner(db: Database) -> str | None:
    """Return the language of the first admin who chose one."""
    chosen = "role = 'admin' AND removed_at IS NULL AND language IS NOT NULL"
    rows = db.execute(f'SELECT language FROM "user" WHERE {chosen} ORDER BY id LIMIT 1').fetchall()  # noqa: S608
    return str(rows[0][0]) if rows else None
