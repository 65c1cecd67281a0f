"""Secrets that are used again, those of webhooks, settings, backends and sources of prices, are
stored encrypted.

The key is in a file of its own, so that no backup and no replica has both. Without it, or with
another one, these secrets are unknown: their webhooks stay off until each is added again under its
name, which gives it a new secret, and their settings and backends until they are entered again.
Several servers of one database have the same key; another one is refused.

`cryptography` takes 9 MB. It is imported with the first secret, in the thread of a read or a write.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from hashlib import sha256
from os import urandom
from pathlib import Path
from typing import Final, NamedTuple, TypeVar, cast

from levity_trio.config import EnvironmentProblem
from levity_trio.log.output import get_logger
from levity_trio.store.engine.database import Rows, Store, UnitOfWork
from levity_trio.store.engine.faults import DatabaseFault
from levity_trio.writing import mend, replace

SEALED: Final = "sealed:"
_SECRETS: Final = (
    "SELECT 'webhook ' || name, secret FROM webhook WHERE removed_at IS NULL ORDER BY id",
    "SELECT name, value FROM own_setting ORDER BY name",
    "SELECT 'price series ' || name, address FROM series WHERE address IS NOT NULL ORDER BY id",
    (
        "SELECT 'backend ' || name, certificate FROM backend WHERE certificate IS NOT NULL "
        "UNION ALL SELECT 'backend ' || name || ', ' || cp_id, password FROM backend_cp "
        "JOIN backend ON backend.id = backend_id WHERE password IS NOT NULL ORDER BY 1"
    ),
)
"""What is in use, and its secret."""
_KEY_BYTES: Final = 32
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{43}=")
_COPY: Final = (
    "copy that of another server of this database, or of the file that was moved there "
    "(FILE.key); levity-trio restore lets a restored database take a new one"
)
T = TypeVar("T")
log = get_logger("system")


class NoKey(Exception):
    """This server was given no key, so it can keep no secret."""


class SecretKey:
    """The key of the secrets; None: a server without one."""

    def __init__(self, text: str | None) -> None:
        self._text = text

    @cached_property
    def digest(self) -> str | None:
        """What tells two keys apart; a key is random, so nobody can guess it from that."""
        return None if self._text is None else sha256(self._text.encode()).hexdigest()

    def sealed(self, secret: str) -> str:
        """Return a secret as it is stored. Raises NoKey."""
        from cryptography.fernet import Fernet  # noqa: PLC0415 - see above

        if self._text is None:
            raise NoKey
        return SEALED + Fernet(self._text).encrypt(secret.encode()).decode()

    def opened(self, stored: str) -> str | None:
        """Return what is stored as it was before, None if it was encrypted by another key."""
        if not stored.startswith(SEALED):
            return stored  # a setting that is no secret
        from cryptography.fernet import Fernet, InvalidToken  # noqa: PLC0415 - see above

        if self._text is None:
            return None
        try:
            return Fernet(self._text).decrypt(stored.removeprefix(SEALED)).decode()
        except InvalidToken:
            return None


def read_key(path: Path) -> SecretKey | None:
    """Return the key of a file, None if there is no file. Raises EnvironmentProblem."""
    try:
        if mend(path):
            log.warning(
                "others could read the key of the secrets; now only the user of the server can",
                file=str(path),
            )
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentProblem(f"cannot read the key of the secrets, {path}: {error}") from error
    if not _KEY.fullmatch(text):
        raise EnvironmentProblem(
            f"{path} is no key of this program; give the right file with --secrets-key"
        )
    return SecretKey(text)


def _make_key(path: Path) -> SecretKey:
    text = urlsafe_b64encode(urandom(_KEY_BYTES)).decode()
    try:
        replace(path, f"{text}\n".encode())
    except OSError as error:
        raise EnvironmentProblem(f"cannot write the key of the secrets, {path}: {error}") from error
    log.info(
        "a new key of the secrets was made; keep a copy of it, apart from the backups",
        file=str(path),
    )
    return SecretKey(text)


def unknown(rows: Rows, key: SecretKey) -> list[str]:
    """Return what a database has whose secrets a key does not open."""
    names: list[str] = []
    for sql in _SECRETS:
        names += [name for name, secret in rows(sql, ()) if key.opened(secret) is None]
    return names


def open_key(store: Store, path: Path | None, *, is_shared: bool) -> SecretKey:
    """Return the key of a database, which is made if need be.

    `is_shared`: other servers use the database, and have the same key.

    Raises:
        EnvironmentProblem: the file cannot be used, or is missing or another one where others have
        the right one.
    """
    if path is None:
        return _no_key(store)
    key, known = read_key(path), _commit(store, _known)
    _check(not (is_shared and known and key is None), f"--secrets-key {path} is missing: {_COPY}")
    key = key or _make_key(path)
    adopted = _commit(store, partial(_adopt, key=key, is_shared=is_shared))
    _check(adopted.is_right, f"--secrets-key {path} is not the key of this database: {_COPY}")
    if adopted.unknown:
        log.warning(
            "secrets are unknown here, and what needs them is off: add each again under its name, "
            "which gives it a new secret, or put their key back and start again",
            key=str(path),
            of=adopted.unknown,
        )
    return key


def _no_key(store: Store) -> SecretKey:
    key = SecretKey(None)
    needing = _commit(store, lambda db: unknown(db.rows, key))
    _check(
        not needing,
        (
            "the secrets of this database need its key: give --secrets-key FILE "
            f"({', '.join(needing)})"
        ),
    )
    return key


class _Adopted(NamedTuple):
    """What became of a key: whether it is that of the database, and what it does not open."""

    is_right: bool
    unknown: Sequence[str] = ()


def _adopt(db: UnitOfWork, key: SecretKey, *, is_shared: bool) -> _Adopted:
    """Let a database have this key."""
    if is_shared and _known(db) not in (None, key.digest):
        return _Adopted(is_right=False)
    db.execute(
        "INSERT INTO secret_key (id, digest) VALUES (1, ?) "
        "ON CONFLICT (id) DO UPDATE SET digest = excluded.digest",
        (key.digest,),
    )
    return _Adopted(is_right=True, unknown=unknown(db.rows, key))


def _known(db: UnitOfWork) -> str | None:
    found = db.row("SELECT digest FROM secret_key WHERE id = 1")
    return None if found is None else str(found[0])


def _commit(store: Store, write: Callable[[UnitOfWork], T]) -> T:
    """Run a write at the start. Raises EnvironmentProblem."""
    try:
        return cast(T, store.commit([write])[0].unwrap())
    except DatabaseFault as error:
        raise EnvironmentProblem(f"cannot use the database {store.path}: {error}") from error


def _check(is_right: bool, problem: str) -> None:
    if not is_right:
        raise EnvironmentProblem(problem)
