"""The log-ins of browsers, and what is kept in memory of users, log-ins and one-time codes."""

from __future__ import annotations

from hashlib import sha256
from typing import Final, NamedTuple

from levity_trio.access.user_passwords import Stretched
from levity_trio.records import record
from levity_trio.store.engine.database import Row, UnitOfWork

KEPT: Final = 50
"""Log-ins of one user, or with one token; older ones are deleted, so that the table is bounded."""


class StoredUser(NamedTuple):
    """A user in use."""

    id: int
    name: str
    role: str
    account: int | None
    language: str | None
    """The language of the household or, without one, of the user."""
    password: Stretched | None
    ends_at: str | None = None


class StoredLogin(NamedTuple):
    """A log-in. `ended_by` is None if its browser ended it."""

    id: int
    digest: str
    user: int | None
    token: int | None
    last_used_at: str
    ended_at: str | None
    ended_by: str | None


class StoredInvitation(NamedTuple):
    """A one-time code that was not used yet."""

    id: int
    user: int
    kind: str
    salt: str
    digest: str
    tries: int
    expires_at: str


class StoredLogins(NamedTuple):
    """Users in use, whether there ever was one, all log-ins, and the codes that were not used
    yet."""

    users: list[StoredUser]
    are_used: bool
    logins: list[StoredLogin]
    invitations: list[StoredInvitation]


@record
class NewLogin:
    """A log-in of a user, or with a token. `before` is the digest of the id that the browser
    had."""

    digest: str
    user: int | None
    token: int | None
    address: str
    browser: str
    at: str
    before: str
    invitation: int | None = None
    """The code that it uses."""


def digest_of(cookie: str) -> str:
    """Return what is stored of the random id in a cookie."""
    return sha256(cookie.encode(errors="replace")).hexdigest()


def begin(db: UnitOfWork, new: NewLogin, password: Stretched | None = None) -> bool:
    """Store a log-in, and end the one that its browser had before.

    Return False, and store nothing, if what opened it was taken away meanwhile: the user, the
    token, the code, or this password.
    """
    if not _is_open(db, new, password):
        return False
    if new.invitation is not None:
        db.execute("UPDATE invitation SET used_at = ? WHERE id = ?", (new.at, new.invitation))
    db.execute(
        "UPDATE login SET ended_at = ? WHERE digest = ? AND ended_at IS NULL", (new.at, new.before)
    )
    db.execute(
        "INSERT INTO login (digest, user_id, token_id, address, browser, made_at, last_used_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (new.digest, new.user, new.token, new.address, new.browser, new.at, new.at),
    )
    db.execute(
        "DELETE FROM login "
        "WHERE user_id IS ?1 AND token_id IS ?2 AND id NOT IN (SELECT id FROM login "
        "WHERE user_id IS ?1 AND token_id IS ?2 ORDER BY id DESC LIMIT ?3)",
        (new.user, new.token, KEPT),
    )
    return True


def _is_open(db: UnitOfWork, new: NewLogin, password: Stretched | None) -> bool:
    if new.token is not None:
        return bool(
            db.rows("SELECT 1 FROM token WHERE id = ? AND revoked_at IS NULL", (new.token,))
        )
    row = db.row('SELECT salt, digest FROM "user" WHERE id = ? AND removed_at IS NULL', (new.user,))
    if new.invitation is None:
        return row is not None and row == password
    unused = (
        "SELECT 1 FROM invitation "
        "WHERE id = ? AND user_id = ? AND used_at IS NULL AND expires_at > ?"
    )
    return row is not None and bool(db.rows(unused, (new.invitation, new.user, new.at)))


def end(db: UnitOfWork, login: int, at: str, by: str | None) -> bool:
    """End a log-in; return False if there is none that is open. `by` is None for its own
    browser."""
    ended = "UPDATE login SET (ended_at, ended_by) = (?, ?) WHERE id = ? AND ended_at IS NULL"
    return db.changed(ended, (at, by, login)) > 0


def note_use(db: UnitOfWork, login: int, at: str) -> None:
    """Store when a log-in was last used."""
    db.execute("UPDATE login SET last_used_at = ? WHERE id = ? AND ended_at IS NULL", (at, login))


def forget_before(db: UnitOfWork, moment: str) -> int:
    """Delete the log-ins that were last used before; return how many."""
    return db.changed("DELETE FROM login WHERE last_used_at < ?", (moment,))


def stored(db: UnitOfWork) -> StoredLogins:
    """Return what is kept in memory."""
    users = db.rows(
        "SELECT one.id, one.name, role, account_id, coalesce(account.language, one.language), "
        "salt, digest, ends_at"
        ' FROM "user" AS one LEFT JOIN account ON account.id = account_id WHERE removed_at IS NULL'
    )
    logins = db.rows(
        "SELECT id, digest, user_id, token_id, last_used_at, ended_at, ended_by FROM login"
    )
    open_codes = (
        "SELECT id, user_id, kind, salt, digest, tries, expires_at "
        "FROM invitation WHERE used_at IS NULL"
    )
    return StoredLogins(
        users=[_user(row) for row in users],
        are_used=bool(db.rows('SELECT 1 FROM "user" LIMIT 1')),
        logins=[StoredLogin(*row) for row in logins],
        invitations=[StoredInvitation(*row) for row in db.rows(open_codes)],
    )


def _user(row: Row) -> StoredUser:
    number, name, role, account, language, salt, digest, ends_at = row
    password = None if digest is None else Stretched(salt, digest)
    return StoredUser(number, name, role, account, language, password, ends_at)
