"""Who may connect as a charger: its passwords, the profile that is required of it, and
readmissions.

A new password is expected until it is confirmed, and the one before stays open meanwhile: nobody
knows which of them the charger has. Each change is a fact, by which the server follows what it
keeps in memory (charger/doors.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, cast

import orjson

from levity_trio.access.admission import Admission
from levity_trio.access.passwords import Kind, Stored
from levity_trio.events import ChargerReadmitted, PasswordChanged, ProfileChanged, ReadmissionUsed
from levity_trio.operations.answers import status_of
from levity_trio.store.engine.database import Row, UnitOfWork
from levity_trio.store.writes.chargers.hiding import check_known
from levity_trio.store.writes.origin import Origin

EXPECTED, CONFIRMED, ENDED = "expected", "confirmed", "ended"
BY_CHARGER: Final = "the charger"
REFUSED_ERRORS: Final = ("NotSupported", "NotImplemented")
REPLACED: Final = "replaced by a newer one"
NOT_TAKEN: Final = "the charger did not take it"
STILL_OLD: Final = "the charger still uses the one before"
DROPPED: Final = "dropped by an operator"


class NotProvable(ValueError):
    """The charger has nothing to prove the wanted profile with."""


class Password(NamedTuple):
    """A password that opens the door of a charger."""

    id: int
    stored: Stored
    is_confirmed: bool


class Security(NamedTuple):
    """Who may connect as a charger; `readmit_profile` counts until `readmit_until`, in the
    database's format."""

    charger: str
    profile: int = 0
    readmit_profile: int | None = None
    readmit_until: str | None = None
    passwords: tuple[Password, ...] = ()
    certificates: Mapping[str, int] = MappingProxyType({})
    """The ids of the certificates that are not revoked, by fingerprint."""
    revoked: frozenset[str] = frozenset()
    """The fingerprints of those that are."""

    def required(self, at: str) -> int:
        """Return the lowest profile that is let in at this time."""
        is_readmitted = self.readmit_until is not None and at < self.readmit_until
        return min(self.profile, self.readmit_profile or 0) if is_readmitted else self.profile


# Passwords


def expect_password(
    db: UnitOfWork, charger: str, stored: Stored, at: str, by: str, command: int | None = None
) -> int:
    """Store a new password, which opens the door beside the ones before; return its id.

    `command` is the ChangeConfiguration that brings it to the charger. Raises UnknownIdentity.
    """
    check_known(db, charger)
    password = db.insert(
        "INSERT INTO credential (cp_id, kind, salt, digest, command_id, created_at, created_by)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (charger, *stored, command, at, by),
    )
    db.record(PasswordChanged(charger=charger, at=at, credential=password, state=EXPECTED, by=by))
    return password


def confirm(db: UnitOfWork, password: int, at: str, by: str) -> None:
    """Make a password the only one of its charger."""
    confirmed = (
        "UPDATE credential SET confirmed_at = ? "
        "WHERE id = ? AND confirmed_at IS NULL AND ended_at IS NULL"
    )
    for (charger,) in db.rows(f"{confirmed} RETURNING cp_id", (at, password)):
        db.record(
            PasswordChanged(charger=charger, at=at, credential=password, state=CONFIRMED, by=by)
        )
        earlier = "SELECT id FROM credential WHERE cp_id = ? AND ended_at IS NULL AND id < ?"
        _end(db, db.rows(earlier, (charger, password)), at, by, REPLACED)


def drop(db: UnitOfWork, password: int, at: str, by: str, reason: str = DROPPED) -> None:
    """Let a password open no door any more."""
    _end(db, [(password,)], at, by, reason)


def drop_others(db: UnitOfWork, charger: str, password: int, at: str, by: str) -> None:
    """Let only this password of a charger open its door."""
    others = "SELECT id FROM credential WHERE cp_id = ? AND ended_at IS NULL AND id <> ?"
    _end(db, db.rows(others, (charger, password)), at, by, DROPPED)


def _end(db: UnitOfWork, passwords: Iterable[Row], at: str, by: str, reason: str) -> None:
    ended = (
        "UPDATE credential SET ended_at = ?, end_reason = ? "
        "WHERE id = ? AND ended_at IS NULL RETURNING cp_id"
    )
    for (password,) in passwords:
        for (charger,) in db.rows(ended, (at, reason, password)):
            db.record(
                PasswordChanged(charger=charger, at=at, credential=password, state=ENDED, by=by)
            )


def settle(
    db: UnitOfWork,
    origin: Origin,
    command: int,
    state: str,
    answer: str | None,
    error_code: str | None,
) -> None:
    """Act on how a ChangeConfiguration of AuthorizationKey ended.

    After Accepted only the new password opens the door, after Rejected or NotSupported only the old
    one. After RebootRequired, silence and other errors both do, until the charger shows which one
    it has. So do both after an answer that comes when the charger has shown the old one since.
    """
    brought = db.row(
        "SELECT id FROM credential WHERE command_id = ? AND ended_at IS NULL", (command,)
    )
    if brought is None:
        _expect_again(db, origin, command, state)
        return
    status = status_of(orjson.loads(answer)) if answer else None
    if (status or "").strip().casefold() == "accepted":
        confirm(db, brought[0], origin.received_at, BY_CHARGER)
    elif state == "rejected" or error_code in REFUSED_ERRORS:
        drop(db, brought[0], origin.received_at, BY_CHARGER, NOT_TAKEN)


def _expect_again(db: UnitOfWork, origin: Origin, command: int, state: str) -> None:
    """Let a password open the door again that was ended before its late answer; in a new row, as a
    fact ends once."""
    ended = "SELECT kind, salt, digest FROM credential WHERE command_id = ? AND end_reason = ?"
    stored = db.row(ended, (command, STILL_OLD))
    if stored is not None and state == "accepted":
        expect_password(db, origin.charger, Stored(*stored), origin.received_at, BY_CHARGER)


# Connections


def note_use(db: UnitOfWork, origin: Origin, admission: Admission) -> None:
    """Note with what a charger has connected: its profile rises, and a password that it uses is
    confirmed."""
    if admission.profile > 0:
        _set_profile(db, origin.charger, admission.profile, origin.received_at, None, only_up=True)
    if admission.credential is not None:
        confirm(db, admission.credential, origin.received_at, BY_CHARGER)
        _end_unheard(db, origin, admission.credential)


def _end_unheard(db: UnitOfWork, origin: Origin, used: int) -> None:
    """End newer passwords whose command the charger never answered: it connects with an earlier
    one.

    One that takes effect with the next boot (RebootRequired) stays, and so does one that a person
    types in.
    """
    unheard = (
        "SELECT credential.id FROM credential "
        "JOIN command ON command.id = command_id "
        "WHERE credential.cp_id = ? AND ended_at IS NULL AND credential.id > ? "
        "AND state IN ('timed out', 'gone', 'error')"
    )
    _end(db, db.rows(unheard, (origin.charger, used)), origin.received_at, BY_CHARGER, STILL_OLD)


def require(db: UnitOfWork, charger: str, profile: int, at: str, by: str) -> None:
    """Set the profile that is required of a charger. Raises UnknownIdentity, NotProvable."""
    check_known(db, charger)
    security = read(db, charger)
    is_provable = (
        bool(security.certificates) if profile > 2 else bool(security.passwords) or profile == 0
    )
    if profile > security.profile and not is_provable:
        raise NotProvable(charger)
    _set_profile(db, charger, profile, at, by, only_up=False)


def _set_profile(
    db: UnitOfWork, charger: str, profile: int, at: str, by: str | None, *, only_up: bool
) -> None:
    found = db.row("SELECT profile FROM security WHERE cp_id = ?", (charger,))
    before = 0 if found is None else int(found[0])
    if profile == before or (only_up and profile < before):
        return
    db.execute(
        "INSERT INTO security (cp_id, profile, profile_at, profile_by) "
        "VALUES (?, ?, ?, ?) ON CONFLICT (cp_id) DO UPDATE "
        "SET profile = excluded.profile, profile_at = excluded.profile_at, "
        "profile_by = excluded.profile_by",
        (charger, profile, at, by),
    )
    db.record(ProfileChanged(charger=charger, at=at, profile=profile, before=before, by=by))


def readmit(db: UnitOfWork, charger: str, profile: int, at: str, until: str, by: str) -> None:
    """Let a charger in once below its required profile, until this time. Raises UnknownIdentity."""
    check_known(db, charger)
    db.execute(
        "INSERT INTO security (cp_id, readmit_profile, readmit_until, readmit_by) "
        "VALUES (?, ?, ?, ?) ON CONFLICT (cp_id) DO UPDATE "
        "SET readmit_profile = excluded.readmit_profile, readmit_until = excluded.readmit_until, "
        "readmit_by = excluded.readmit_by",
        (charger, profile, until, by),
    )
    db.record(ChargerReadmitted(charger=charger, at=at, profile=profile, until=until, by=by))


def use_readmission(db: UnitOfWork, charger: str, profile: int, at: str, address: str) -> bool:
    """Use up a readmission; return False if there is none for this profile, or it was used or has
    expired."""
    used = (
        "UPDATE security SET readmit_profile = NULL, readmit_until = NULL, readmit_by = NULL"
        " WHERE cp_id = ? AND readmit_profile <= ? AND readmit_until > ?"
    )
    if not db.changed(used, (charger, profile, at)):
        return False
    db.record(ReadmissionUsed(charger=charger, at=at, profile=profile, remote_address=address))
    return True


# What the server keeps in memory

_SECURITY: Final = "SELECT cp_id, profile, readmit_profile, readmit_until FROM security"
_PASSWORDS: Final = (
    "SELECT cp_id, id, kind, salt, digest, confirmed_at IS NOT NULL "
    "FROM credential INDEXED BY credential_open "
    "WHERE ended_at IS NULL"
)
_CERTIFICATES: Final = "SELECT cp_id, fingerprint, id, revoked_at IS NOT NULL FROM certificate"


def read(db: UnitOfWork, charger: str) -> Security:
    """Return who may connect as a charger."""
    securities = _securities(
        db.rows(f"{_SECURITY} WHERE cp_id = ?", (charger,)),
        db.rows(f"{_PASSWORDS} AND cp_id = ?", (charger,)),
        db.rows(f"{_CERTIFICATES} WHERE cp_id = ?", (charger,)),
    )
    return securities[0] if securities else Security(charger)


def read_all(db: UnitOfWork) -> list[Security]:
    """Return who may connect, for each charger of which something is known."""
    return _securities(db.rows(_SECURITY), db.rows(_PASSWORDS), db.rows(_CERTIFICATES))


def _securities(
    securities: Sequence[Row], passwords: Sequence[Row], certificates: Sequence[Row]
) -> list[Security]:
    by_charger = {row[0]: Security(*row) for row in securities}
    for charger, number, kind, salt, digest, is_confirmed in passwords:
        one = by_charger.get(charger, Security(charger))
        password = Password(number, Stored(cast("Kind", kind), salt, digest), bool(is_confirmed))
        by_charger[charger] = one._replace(passwords=(*one.passwords, password))
    for charger, fingerprint, number, is_revoked in certificates:
        one = by_charger.get(charger, Security(charger))
        if is_revoked:
            by_charger[charger] = one._replace(revoked=one.revoked | {fingerprint})
        else:
            by_charger[charger] = one._replace(
                certificates={**one.certificates, fingerprint: number}
            )
    return [*by_charger.values()]
