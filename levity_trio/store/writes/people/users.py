"""Users, their passwords, the one-time codes with which they log in first, their tokens, and the
log-ins of browsers; with what is kept of them in memory.

An operator manages drivers; everybody else is an admin's to manage. Whatever changes what somebody
may, or how they prove who they are, ends the log-ins that were made before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final, NamedTuple

from levity_trio.access.user_passwords import Stretched
from levity_trio.nouns import User
from levity_trio.records import record
from levity_trio.store.engine.database import Row, UnitOfWork
from levity_trio.store.writes.people import accounts
from levity_trio.store.writes.people.accounts import ChangeRefused, RefusalCode
from levity_trio.store.writes.stored import RecordTable
from levity_trio.told import Told

DRIVER: Final = "driver"
ADMIN: Final = "admin"


class NotAllowed(Exception):
    """Only an admin may do this."""


class Manager(NamedTuple):
    """Who manages users, and when."""

    name: str
    is_admin: bool
    at: str


_USER: Final = RecordTable('"user"', User, account="account_id")


class NewInvitation(NamedTuple):
    """A one-time code as it is stored."""

    kind: str
    salt: str
    digest: str
    expires_at: str


def add(
    db: UnitOfWork,
    data: User,
    password: Stretched | None,
    invitation: NewInvitation | None,
    by: Manager,
) -> tuple[int, int | None]:
    """Add a user; return the ids of the user and of the invitation. Raises ChangeRefused,
    NotAllowed."""
    _check(db, data, by)
    for number, name in db.rows('SELECT id, name FROM "user" WHERE removed_at IS NULL'):
        if name.casefold() == data.name.casefold():
            raise ChangeRefused(
                RefusalCode.IN_USE,
                Told("user {1} has this name; choose another, or remove that one", number),
                "name",
            )
    salt, digest = password or (None, None)
    number = _USER.add(db, data, salt=salt, digest=digest, added_at=by.at, added_by=by.name)
    return number, None if invitation is None else _invite(db, number, invitation, by)


def change(db: UnitOfWork, number: int, fields: Mapping[str, Any], by: Manager) -> None:
    """Change role, account, language or password of a user; one who is no driver has no account.

    A new password, also none, and another account end the log-ins that were made before.
    """
    before = _find(db, number, by)
    role = fields.get("role", before.role)
    account = fields.get("account", before.account if role == DRIVER else None)
    _check(db, replace(before, role=role, account=account), by)
    language = fields.get("language", before.language)
    if before.role == ADMIN and (
        role != ADMIN or ("password" in fields and fields["password"] is None)
    ):
        _check_not_last(db, number)
    db.execute(
        'UPDATE "user" SET (role, account_id, language) = (?, ?, ?) WHERE id = ?',
        (role, account, language, number),
    )
    if (role, account) != (before.role, before.account):
        db.execute("DELETE FROM invitation WHERE user_id = ?", (number,))
    if "password" in fields:
        _set_password(db, number, fields["password"])
    if "password" in fields or account != before.account:
        _end_logins(db, number, by, None)


def change_own_password(
    db: UnitOfWork,
    number: int,
    before: Stretched | None,
    after: Stretched,
    kept_login: int,
    by: Manager,
) -> bool:
    """Change the password of a user who knows the one before; the other log-ins end. Return False
    if it has changed."""
    row = db.row('SELECT salt, digest FROM "user" WHERE id = ? AND removed_at IS NULL', (number,))
    if row is None or row != (before or (None, None)):
        return False
    _set_password(db, number, after)
    _end_logins(db, number, by, kept_login)
    return True


def end_drivers(db: UnitOfWork, account: int, ends_at: str) -> list[tuple[int, str | None]]:
    """Let the log-ins of an account's drivers end at a time; return until when each lasted, None
    for ever."""
    drivers = db.rows(
        'SELECT id, ends_at FROM "user" WHERE account_id = ? AND removed_at IS NULL', (account,)
    )
    for number, _ in drivers:
        set_end(db, number, ends_at)
    return [(number, before) for number, before in drivers]


def set_end(db: UnitOfWork, number: int, ends_at: str | None) -> None:
    """Let the log-ins of a user end at a time; None: no longer."""
    db.execute('UPDATE "user" SET ends_at = ? WHERE id = ?', (ends_at, number))


def remove(db: UnitOfWork, number: int, by: Manager) -> None:
    """Remove a user. Raises ChangeRefused, NotAllowed."""
    if _find(db, number, by).role == ADMIN:
        _check_not_last(db, number)
    _remove(db, number, by)


def invite(db: UnitOfWork, number: int, new: NewInvitation, by: Manager) -> int:
    """Store a one-time code, which replaces the one before; return its id. Raises ChangeRefused,
    NotAllowed."""
    _find(db, number, by)
    return _invite(db, number, new, by)


def note_tries(db: UnitOfWork, invitation: int, tries: int) -> None:
    """Store how often a PIN was tried."""
    db.execute("UPDATE invitation SET tries = max(tries, ?) WHERE id = ?", (tries, invitation))


def forget_drivers(db: UnitOfWork, account: int, at: str, by: str) -> None:
    """Remove the drivers of an account; delete their names, and the addresses and browsers of their
    log-ins."""
    for number, removed_at in db.rows(
        'SELECT id, removed_at FROM "user" WHERE account_id = ?', (account,)
    ):
        if removed_at is None:
            _remove(db, number, Manager(by, True, at))
        _USER.forget(db, "id = ?", (number,), name=f"user {number}")
        db.execute("DELETE FROM login WHERE user_id = ?", (number,))
        db.execute("UPDATE operator_action SET address = '' WHERE who = ?", (f"driver {number}",))


def _invite(db: UnitOfWork, number: int, new: NewInvitation, by: Manager) -> int:
    db.execute("DELETE FROM invitation WHERE user_id = ?", (number,))
    return db.insert(
        "INSERT INTO invitation (user_id, kind, salt, digest, expires_at, made_at, made_by)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (number, *new, by.at, by.name),
    )


def _find(db: UnitOfWork, number: int, by: Manager) -> User:
    found = _USER.find(db, "id = ? AND removed_at IS NULL", (number,))
    if found is None:
        raise ChangeRefused(RefusalCode.NOT_FOUND, Told("there is no user {1}", number))
    _check_may(found.role, by)
    return found


def _check(db: UnitOfWork, data: User, by: Manager) -> None:
    _check_may(data.role, by)
    if (data.role == DRIVER) != (data.account is not None):
        words = Told("a driver needs one") if data.role == DRIVER else Told("only a driver has one")
        raise ChangeRefused(RefusalCode.CONFLICT, words, "account")
    if data.account is not None:
        accounts.find(db, data.account)
        accounts.check_known(db, data.account)


def _check_may(role: str, by: Manager) -> None:
    if role != DRIVER and not by.is_admin:
        raise NotAllowed(
            Told(
                "only an admin manages users with the role {1}; an operator manages drivers",
                Told(role),
            )
        )


def _check_not_last(db: UnitOfWork, number: int) -> None:
    """Refuse to take away the last admin. Raises ChangeRefused."""
    others = db.rows(
        'SELECT 1 FROM "user" '
        "WHERE role = 'admin' AND removed_at IS NULL AND digest IS NOT NULL AND id <> ? "
        "UNION ALL SELECT 1 FROM token "
        "WHERE role = 'admin' AND revoked_at IS NULL",
        (number,),
    )
    if not others:
        words = Told(
            (
                "user {1} is the last admin with a password, and there is no admin token; add "
                "another one first"
            ),
            number,
        )
        raise ChangeRefused(RefusalCode.CONFLICT, words)


def _set_password(db: UnitOfWork, number: int, password: Stretched | None) -> None:
    db.execute(
        'UPDATE "user" SET (salt, digest) = (?, ?) WHERE id = ?',
        (*(password or (None, None)), number),
    )
    db.execute("DELETE FROM invitation WHERE user_id = ?", (number,))


def _end_logins(db: UnitOfWork, number: int, by: Manager, kept: int | None) -> None:
    ended = (
        "UPDATE login SET (ended_at, ended_by) = (?, ?) "
        "WHERE user_id = ? AND ended_at IS NULL AND id IS NOT ?"
    )
    db.execute(ended, (by.at, by.name, number, kept))


def _remove(db: UnitOfWork, number: int, by: Manager) -> None:
    _end_logins(db, number, by, None)
    db.execute("DELETE FROM invitation WHERE user_id = ?", (number,))
    db.execute(
        (
            'UPDATE "user" '
            "SET (salt, digest, removed_at, removed_by) = (NULL, NULL, ?, ?) "
            "WHERE id = ?"
        ),
        (by.at, by.name, number),
    )


@record(kw_only=False)
class NewToken:
    """A token as it is stored: never itself, only its salted digest."""

    name: str
    role: str
    salt: str
    digest: str
    created_at: str
    created_by: str


class StoredToken(NamedTuple):
    """A token, for checking what a request presents."""

    id: int
    name: str
    role: str
    salt: str
    digest: str
    is_revoked: int
    last_used_at: str | None


def create_token(db: UnitOfWork, new: NewToken) -> int | None:
    """Store a token and return its id; None if a token of this name is in use."""
    users = db.rows(
        "INSERT INTO token (name, role, salt, digest, created_at, created_by) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id",
        (new.name, new.role, new.salt, new.digest, new.created_at, new.created_by),
    )
    return int(users[0][0]) if users else None


def revoke_token(db: UnitOfWork, token: int, at: str, by: str) -> bool:
    """Revoke a token; return False if there is none in use with this id."""
    revoked = "UPDATE token SET revoked_at = ?, revoked_by = ? WHERE id = ? AND revoked_at IS NULL"
    return db.changed(revoked, (at, by, token)) > 0


def note_token_use(db: UnitOfWork, token: int, at: str) -> None:
    """Store when a token was last used."""
    db.execute("UPDATE token SET last_used_at = ? WHERE id = ?", (at, token))


def stored_tokens(db: UnitOfWork) -> list[StoredToken]:
    """Return all tokens."""
    found = db.rows(
        "SELECT id, name, role, salt, digest, revoked_at IS NOT NULL, last_used_at FROM token"
    )
    return [StoredToken(*row) for row in found]


@record(kw_only=False)
class RecordedRequest:
    """A request that changes something, or that was refused. `body` is JSON text with its secrets
    masked."""

    at: str
    request: str
    who: str | None
    role: str | None
    address: str
    method: str
    path: str
    body: str | None
    status: int | None = None
    code: str | None = None


_ATTEMPT: Final = RecordTable("operator_action", RecordedRequest)


def record_attempt(db: UnitOfWork, attempt: RecordedRequest) -> None:
    """Store an attempt."""
    _ATTEMPT.put(db, attempt)


def record_response(db: UnitOfWork, request: str, status: int, code: str | None) -> None:
    """Store the response to an attempt."""
    ended = "UPDATE operator_action SET status = ?, code = ? WHERE request = ? AND status IS NULL"
    db.execute(ended, (status, code, request))


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


def begin_login(db: UnitOfWork, new: NewLogin, password: Stretched | None = None) -> bool:
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


def end_login(db: UnitOfWork, login: int, at: str, by: str | None) -> bool:
    """End a log-in; return False if there is none that is open. `by` is None for its own
    browser."""
    ended = "UPDATE login SET (ended_at, ended_by) = (?, ?) WHERE id = ? AND ended_at IS NULL"
    return db.changed(ended, (at, by, login)) > 0


def note_login_use(db: UnitOfWork, login: int, at: str) -> None:
    """Store when a log-in was last used."""
    db.execute("UPDATE login SET last_used_at = ? WHERE id = ? AND ended_at IS NULL", (at, login))


def forget_logins_before(db: UnitOfWork, moment: str) -> int:
    """Delete the log-ins that were last used before; return how many."""
    return db.changed("DELETE FROM login WHERE last_used_at < ?", (moment,))


def stored_logins(db: UnitOfWork) -> StoredLogins:
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
