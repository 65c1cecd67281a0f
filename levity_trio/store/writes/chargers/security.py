"""Who may connect as a charger: its passwords, the profile that is required of it, readmissions,
its certificates, and the plan by which its security profile is raised.

A new password is expected until it is confirmed, and the one before stays open meanwhile: nobody
knows which of them the charger has. Each change is a fact, by which the server follows what it
keeps in memory (charger/doors.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple, cast

import orjson

from levity_trio.access.admission import Admission
from levity_trio.access.certificates import Described, Requested, is_due, is_named, refusal
from levity_trio.access.passwords import Kind, Stored
from levity_trio.access.securing import State, Step, next_step
from levity_trio.events import (
    CertificateDelivered,
    CertificateIssued,
    CertificateNameAllowed,
    CertificateRefused,
    CertificateRequested,
    CertificateRevoked,
    ChargerReadmitted,
    PasswordChanged,
    ProfileChanged,
    ReadmissionUsed,
    SecuringBegan,
    SecuringEnded,
    SecuringStopped,
)
from levity_trio.operations.answers import status_of
from levity_trio.records import record
from levity_trio.store.engine.database import Row, UnitOfWork
from levity_trio.store.lookups.securing import SecuringPlan, open_plan, standings
from levity_trio.store.writes.chargers.hiding import check_known
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.stored import RecordTable
from levity_trio.told import Told, stored
from levity_trio.wire.texts import LONGEST_OF, cut
from levity_trio.wire.times import minutes_before, stamp

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


def confirm_password(db: UnitOfWork, password: int, at: str, by: str) -> None:
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
        _close_passwords(db, db.rows(earlier, (charger, password)), at, by, REPLACED)


def drop_password(db: UnitOfWork, password: int, at: str, by: str, reason: str = DROPPED) -> None:
    """Let a password open no door any more."""
    _close_passwords(db, [(password,)], at, by, reason)


def drop_other_passwords(db: UnitOfWork, charger: str, password: int, at: str, by: str) -> None:
    """Let only this password of a charger open its door."""
    others = "SELECT id FROM credential WHERE cp_id = ? AND ended_at IS NULL AND id <> ?"
    _close_passwords(db, db.rows(others, (charger, password)), at, by, DROPPED)


def _close_passwords(
    db: UnitOfWork, passwords: Iterable[Row], at: str, by: str, reason: str
) -> None:
    ended = (
        "UPDATE credential SET ended_at = ?, end_reason = ? "
        "WHERE id = ? AND ended_at IS NULL RETURNING cp_id"
    )
    for (password,) in passwords:
        for (charger,) in db.rows(ended, (at, reason, password)):
            db.record(
                PasswordChanged(charger=charger, at=at, credential=password, state=ENDED, by=by)
            )


def settle_password(
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
        confirm_password(db, brought[0], origin.received_at, BY_CHARGER)
    elif state == "rejected" or error_code in REFUSED_ERRORS:
        drop_password(db, brought[0], origin.received_at, BY_CHARGER, NOT_TAKEN)


def _expect_again(db: UnitOfWork, origin: Origin, command: int, state: str) -> None:
    """Let a password open the door again that was ended before its late answer; in a new row, as a
    fact ends once."""
    ended = "SELECT kind, salt, digest FROM credential WHERE command_id = ? AND end_reason = ?"
    stored = db.row(ended, (command, STILL_OLD))
    if stored is not None and state == "accepted":
        expect_password(db, origin.charger, Stored(*stored), origin.received_at, BY_CHARGER)


# Connections


def note_password_use(db: UnitOfWork, origin: Origin, admission: Admission) -> None:
    """Note with what a charger has connected: its profile rises, and a password that it uses is
    confirmed."""
    if admission.profile > 0:
        _set_profile(db, origin.charger, admission.profile, origin.received_at, None, only_up=True)
    if admission.credential is not None:
        confirm_password(db, admission.credential, origin.received_at, BY_CHARGER)
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
    _close_passwords(
        db, db.rows(unheard, (origin.charger, used)), origin.received_at, BY_CHARGER, STILL_OLD
    )


def require_profile(db: UnitOfWork, charger: str, profile: int, at: str, by: str) -> None:
    """Set the profile that is required of a charger. Raises UnknownIdentity, NotProvable."""
    check_known(db, charger)
    security = read_security(db, charger)
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


def read_security(db: UnitOfWork, charger: str) -> Security:
    """Return who may connect as a charger."""
    securities = _securities(
        db.rows(f"{_SECURITY} WHERE cp_id = ?", (charger,)),
        db.rows(f"{_PASSWORDS} AND cp_id = ?", (charger,)),
        db.rows(f"{_CERTIFICATES} WHERE cp_id = ?", (charger,)),
    )
    return securities[0] if securities else Security(charger)


def read_all_security(db: UnitOfWork) -> list[Security]:
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


DAILY_CERTIFICATES: Final = 20
"""Certificates that a charger may request in a day."""
DAY_MINUTES: Final = 24 * 60
MOST_ATTEMPTS: Final = 5
"""How often a certificate is sent to a charger that does not answer."""
AUTHORITY: Final = "certificate authority"
ACCEPTED, REJECTED = "Accepted", "Rejected"
TOO_MANY: Final = Told("more than {1} requests a day", DAILY_CERTIFICATES)
UNASKED: Final = Told(
    "nobody asked for it, and at security profile 0 anyone may claim to be this charger"
)


@record
class NewCertificate:
    """A certificate to be stored. Times in the database's format."""

    serial: str
    fingerprint: str
    subject: str
    pem: str
    not_before: str
    not_after: str

    @classmethod
    def of(cls, described: Described) -> NewCertificate:
        """Return what the authority issued or read."""
        return cls(
            serial=described.serial,
            fingerprint=described.fingerprint,
            subject=described.subject,
            pem=described.pem,
            not_before=stamp(described.not_before),
            not_after=stamp(described.not_after),
        )


_CERTIFICATE: Final = RecordTable("certificate", NewCertificate)


class CertificateWork(NamedTuple):
    """An open request, and what to do for it: issue its certificate (`pem` is None), or send that
    one."""

    request: int
    charger: str
    csr: str
    certificate: int | None
    pem: str | None
    attempts: int


# Requests


def refuse_request(db: UnitOfWork, origin: Origin, csr: str, reason: str) -> str:
    """Store a request that cannot be read, or for which there is no authority; return the
    answer."""
    return _reject(db, origin, csr, None, reason)


def receive_request(
    db: UnitOfWork, origin: Origin, csr: str, requested: Requested, organization: str
) -> str:
    """Decide on a request, store it, and return the answer. It replaces an earlier one that is
    still open."""
    at, charger = origin.received_at, origin.charger
    if not db.count_within(charger, "CertificateSigned", at, DAILY_CERTIFICATES):
        return _reject(db, origin, csr, requested.key_digest, TOO_MANY)
    reason = refusal(requested, _serials(db, charger), organization, _names(db, charger))
    reason = reason or _objection(db, origin, requested.key_digest)
    if reason is not None:
        return _reject(db, origin, csr, requested.key_digest, reason)
    _end_requests(db, "cp_id = ? AND result IS NULL", (charger,), at, "superseded")
    db.record(CertificateRequested(charger=charger, at=at, csr=csr), origin.session)
    db.execute(
        "INSERT INTO certificate_request (cp_id, session_id, received_at, csr, key_digest, "
        "certificate_id) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            charger,
            origin.session,
            at,
            csr,
            requested.key_digest,
            _issued_before(db, charger, requested, csr, at),
        ),
    )
    return ACCEPTED


def _reject(db: UnitOfWork, origin: Origin, csr: str, key_digest: str | None, reason: str) -> str:
    at, charger, kept = origin.received_at, origin.charger, cut(csr, LONGEST_OF["csr"])
    if db.record(CertificateRequested(charger=charger, at=at, csr=kept), origin.session):
        db.execute(
            "INSERT INTO certificate_request (cp_id, session_id, received_at, csr, key_digest, "
            "reason, ended_at, result) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, 'rejected')",
            (charger, origin.session, at, kept, key_digest, reason, at),
        )
        db.record(CertificateRefused(charger=charger, at=at, reason=reason), origin.session)
    return REJECTED


_OTHERS: Final = (
    "SELECT id, registration = 'adopted' OR EXISTS (SELECT 1 FROM tx "
    "WHERE tx.cp_id = cp.id), serial_number, charge_box_serial_number "
    "FROM cp WHERE id <> ? ORDER BY id"
)


def _serials(db: UnitOfWork, charger: str) -> Sequence[str]:
    """Return the serial numbers that the charger's boots told, else its identity."""
    row = db.row("SELECT serial_number, charge_box_serial_number FROM cp WHERE id = ?", (charger,))
    return [serial for serial in row or () if serial] or [charger]


def _names(db: UnitOfWork, charger: str) -> list[str]:
    """Return the names that an operator lets the charger have."""
    return [
        name for (name,) in db.rows("SELECT name FROM certificate_name WHERE cp_id = ?", (charger,))
    ]


def allow_name(
    db: UnitOfWork,
    number: int,
    requested: Requested,
    organization: str,
    at: str,
    by: str,
    reason: str,
) -> str | None:
    """Let the requests of a charger have the name of one that was rejected; return why not, if so.

    Only the name is let through: what else a request needs is checked with each one.
    """
    ((charger,),) = db.rows("SELECT cp_id FROM certificate_request WHERE id = ?", (number,))
    if refusal(requested, _serials(db, charger), organization, _names(db, charger)) is None:
        return Told("its name is no obstacle (any more); ask the charger for a new request")
    problem = refusal(requested, (), organization, requested.common_names)
    if problem is not None:
        return problem
    (name,) = requested.common_names
    if (other := _named(db, charger, name)) is not None:
        return Told("its CN {1} is the name of another charger, {2}", repr(name), other)
    db.execute(
        "INSERT INTO certificate_name (cp_id, name, request_id, allowed_at, allowed_by, reason)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (charger, name, number, at, by, reason),
    )
    db.record(
        CertificateNameAllowed(
            charger=charger, at=at, request=number, name=name, by=by, reason=reason
        )
    )
    return None


def _named(db: UnitOfWork, charger: str, name: str) -> str | None:
    """Return another charger that a CN names: by its identity, or by a serial number within the CN.

    What strangers call themselves counts only as a whole, so that a serial number of one letter
    forbids nothing.
    """
    for other, known, *serials in db.rows(_OTHERS, (charger,)):
        told = [other, *(one for one in serials if one)]
        if name.casefold() in map(str.casefold, told) or (known and is_named(name, told)):
            return str(other)
    return None


def _objection(db: UnitOfWork, origin: Origin, key_digest: str) -> str | None:
    """Return why this charger may not have a certificate for this key."""
    others = (
        "SELECT cp_id FROM certificate_request "
        "WHERE key_digest = ? AND cp_id <> ? AND certificate_id IS NOT NULL"
    )
    found = db.row(f"{others} LIMIT 1", (key_digest, origin.charger))
    if found is not None:
        return Told("its key belongs to a certificate of {1}", found[0])
    if (
        db.row("SELECT 1 FROM cp WHERE id = ? AND registration = 'refused'", (origin.charger,))
        is not None
    ):
        return Told("the charger is refused; adopt it first")
    is_wanted = _is_proven(db, origin.session) or _was_asked_for(
        db, origin.charger, origin.received_at
    )
    return None if is_wanted else UNASKED


def _is_proven(db: UnitOfWork, session: int | None) -> bool:
    """Whether the charger proved on this connection who it is."""
    return db.row("SELECT 1 FROM session WHERE id = ? AND profile > 0", (session,)) is not None


def _was_asked_for(db: UnitOfWork, charger: str, at: str) -> bool:
    """Whether somebody asked the charger for it within a day: an operator, the raising of its
    profile, a renewal."""
    trigger = (
        "SELECT 1 FROM command INDEXED BY command_extended_trigger "
        "WHERE action = 'ExtendedTriggerMessage' AND cp_id = ? AND sent_at >= ? "
        "AND payload LIKE '%SignChargePointCertificate%' "
        "LIMIT 1"
    )
    return db.row(trigger, (charger, minutes_before(at, DAY_MINUTES))) is not None


def _issued_before(
    db: UnitOfWork, charger: str, requested: Requested, csr: str, at: str
) -> int | None:
    """Return the certificate that was issued for the same request, if it is good for some time
    yet."""
    row = db.row(
        "SELECT certificate.id, not_before, not_after FROM certificate_request AS request"
        " JOIN certificate ON certificate.id = certificate_id"
        " WHERE key_digest = ? AND request.cp_id = ? AND csr = ? AND revoked_at IS NULL"
        " ORDER BY certificate.id DESC LIMIT 1",
        (requested.key_digest, charger, csr),
    )
    return None if row is None or _is_due(row[1], row[2], at) else int(row[0])


def _is_due(not_before: str, not_after: str, at: str) -> bool:
    return is_due(*(datetime.fromisoformat(text) for text in (not_before, not_after, at)))


# Issuing and sending


def issue_certificate(db: UnitOfWork, request: int, new: NewCertificate, at: str) -> None:
    """Store the certificate of a request that is still open."""
    row = db.row(
        "SELECT cp_id FROM certificate_request WHERE id = ? AND result IS NULL", (request,)
    )
    if row is not None:
        certificate = _insert(db, row[0], new, at, AUTHORITY)
        db.execute(
            "UPDATE certificate_request SET certificate_id = ? WHERE id = ?", (certificate, request)
        )


def give_up_request(db: UnitOfWork, work: CertificateWork, at: str) -> None:
    """End a request of which no certificate can be made."""
    _end_requests(db, "id = ? AND result IS NULL", (work.request,), at, "undelivered")


def adopt_certificate(
    db: UnitOfWork, charger: str, new: NewCertificate, at: str, by: str
) -> int | None:
    """Store a certificate that another authority issued; return None if it is known already."""
    if db.row("SELECT 1 FROM certificate WHERE fingerprint = ?", (new.fingerprint,)) is not None:
        return None
    return _insert(db, charger, new, at, by)


def _insert(db: UnitOfWork, charger: str, new: NewCertificate, at: str, by: str) -> int:
    number = _CERTIFICATE.add(db, new, cp_id=charger, issued_at=at, issued_by=by)
    fact = CertificateIssued(
        charger=charger,
        at=at,
        certificate=number,
        fingerprint=new.fingerprint,
        not_after=new.not_after,
        by=by,
    )
    db.record(fact)
    return number


def certificate_sent(db: UnitOfWork, request: int, command: int) -> None:
    """Note the command that sends the certificate of a request."""
    db.execute(
        "UPDATE certificate_request SET command_id = ?, attempts = attempts + 1"
        " WHERE id = ? AND result IS NULL AND command_id IS NOT ?",
        (command, request, command),
    )


def advance_certificates(db: UnitOfWork, at: str) -> list[CertificateWork]:
    """End the requests whose certificate arrived, or will not, and return what there is to do for
    the others."""
    open_ones = db.rows(
        "SELECT request.id, request.cp_id, csr, certificate_id, pem, attempts, state, revoked_at "
        "FROM certificate_request AS request INDEXED BY certificate_request_open "
        "LEFT JOIN certificate ON certificate.id = certificate_id "
        "LEFT JOIN command ON command.id = command_id "
        "WHERE result IS NULL"
    )
    work = []
    for *row, state, revoked_at in open_ones:
        one = CertificateWork(*row)
        result = "undelivered" if revoked_at else _result(one, state)
        if result is not None:
            _end_requests(db, "id = ?", (one.request,), at, result)
            _tell(db, one, result, at)
        elif state not in ("queued", "sent"):
            work.append(one)
    return work


def _result(work: CertificateWork, state: str | None) -> str | None:
    if state == "accepted":
        return "installed"
    if state in ("rejected", "error"):
        return "refused"
    is_over = work.attempts >= MOST_ATTEMPTS and state not in ("queued", "sent")
    return "undelivered" if is_over or state == "cancelled" else None


def _end_requests(
    db: UnitOfWork, which: str, values: Sequence[object], at: str, result: str
) -> None:
    ended = f"UPDATE certificate_request SET ended_at = ?, result = ? WHERE {which}"  # noqa: S608 - our own words
    db.execute(ended, (at, result, *values))


def _tell(db: UnitOfWork, one: CertificateWork, result: str, at: str) -> None:
    if one.certificate is not None:
        db.record(
            CertificateDelivered(
                charger=one.charger, at=at, certificate=one.certificate, result=result
            )
        )


# Renewal and revocation


def due_certificates(db: UnitOfWork, at: str) -> list[str]:
    """Return the chargers whose installed certificate is to be renewed, and that were not asked to
    within a day."""
    rows = db.rows(
        "SELECT cp.id, not_before, not_after FROM cp "
        "JOIN certificate ON certificate.id = (SELECT certificate_id FROM certificate_request "
        "WHERE cp_id = cp.id AND result = 'installed' ORDER BY id DESC LIMIT 1) "
        "WHERE revoked_at IS NULL AND NOT EXISTS (SELECT 1 FROM certificate_request "
        "WHERE cp_id = cp.id AND result IS NULL)"
    )
    old = [charger for charger, not_before, not_after in rows if _is_due(not_before, not_after, at)]
    return [charger for charger in old if not _was_asked_for(db, charger, at)]


def revoke_certificate(
    db: UnitOfWork, certificate: int, at: str, by: str, reason: str
) -> str | None:
    """Revoke a certificate and return its charger; None if there is none, or it is revoked
    already."""
    certificates = db.rows(
        "UPDATE certificate "
        "SET revoked_at = ?, revoked_by = ?, reason = ? "
        "WHERE id = ? AND revoked_at IS NULL RETURNING cp_id, fingerprint",
        (at, by, reason, certificate),
    )
    for charger, fingerprint in certificates:
        fact = CertificateRevoked(
            charger=charger,
            at=at,
            certificate=certificate,
            fingerprint=fingerprint,
            by=by,
            reason=reason,
        )
        db.record(fact)
        return str(charger)
    return None


@record
class NewPlan:
    """A security profile that is wanted, and the steps to it."""

    charger: str
    profile: int
    steps: Sequence[Step]
    organization: str | None
    address_key: str | None
    address: str | None


class DueStep(NamedTuple):
    """A step that is to be sent now; `attempt` counts from 1."""

    plan: SecuringPlan
    step: Step
    attempt: int


def begin_plan(db: UnitOfWork, new: NewPlan, at: str, by: str) -> int:
    """Store a plan and return its id. One that wants the same and is not stopped goes on; any other
    one is replaced."""
    present = open_plan(db.rows, new.charger)
    if present is not None and _wants(present, new) and _is_moving(db, present):
        return present.id
    if present is not None:
        _end_plan(db, present, at, by, "replaced")
    number = db.insert(
        "INSERT INTO securing (cp_id, profile, steps, organization, address_key, address, "
        "asked_at, asked_by) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (new.charger, new.profile, orjson.dumps(new.steps).decode())
        + (new.organization, new.address_key, new.address, at, by),
    )
    db.record(
        SecuringBegan(charger=new.charger, at=at, securing=number, profile=new.profile, by=by)
    )
    return number


def _wants(plan: SecuringPlan, new: NewPlan) -> bool:
    return (plan.profile, plan.address) == (new.profile, new.address)


def _is_moving(db: UnitOfWork, plan: SecuringPlan) -> bool:
    return all(standing.state is not State.FAILED for standing in standings(db.rows, plan))


def cancel_plan(db: UnitOfWork, charger: str, at: str, by: str) -> bool:
    """End the plan of a charger; what was sent stays. Return False if there is none."""
    plan = open_plan(db.rows, charger)
    if plan is not None:
        _end_plan(db, plan, at, by, "cancelled")
    return plan is not None


def _end_plan(db: UnitOfWork, plan: SecuringPlan, at: str, by: str, result: str) -> None:
    db.execute(
        "UPDATE securing SET ended_at = ?, ended_by = ?, result = ? WHERE id = ?",
        (at, by, result, plan.id),
    )
    db.record(
        SecuringEnded(
            charger=plan.charger, at=at, securing=plan.id, profile=plan.profile, result=result
        )
    )


def chargers_with_plans(db: UnitOfWork) -> list[str]:
    """Return the chargers with a plan that has not ended."""
    return [
        charger
        for (charger,) in db.rows(
            "SELECT cp_id FROM securing INDEXED BY securing_open WHERE result IS NULL"
        )
    ]


def advance_plan(db: UnitOfWork, charger: str, at: str) -> DueStep | None:
    """Look where a charger's plan stands: end it, note that it stopped, or return the step that is
    to be sent."""
    plan = open_plan(db.rows, charger)
    if plan is None:
        return None
    standing = next_step(standings(db.rows, plan))
    if standing is None:
        _end_plan(db, plan, at, plan.asked_by, "done")
        return None
    _note_problem(
        db, plan, standing.step, standing.words if standing.state is State.FAILED else None, at
    )
    if standing.state is not State.TO_DO:
        return None
    ((attempts,),) = db.rows(
        "SELECT count(*) FROM securing_step WHERE securing_id = ? AND step = ?",
        (plan.id, standing.step.value),
    )
    return DueStep(plan, standing.step, attempts + 1)


def _note_problem(
    db: UnitOfWork, plan: SecuringPlan, step: Step, words: str | None, at: str
) -> None:
    if words == plan.problem:
        return
    db.execute("UPDATE securing SET problem = ? WHERE id = ?", (stored(words), plan.id))
    if words is not None:
        fact = SecuringStopped(
            charger=plan.charger,
            at=at,
            securing=plan.id,
            profile=plan.profile,
            step=step.value,
            words=words,
        )
        db.record(fact)


def step_tried(db: UnitOfWork, due: DueStep, command: int, at: str) -> None:
    """Store the command of a step."""
    db.execute(
        "INSERT INTO securing_step (securing_id, step, command_id, at) "
        "SELECT ?, ?, ?, ? "
        "WHERE NOT EXISTS (SELECT 1 FROM securing_step WHERE securing_id = ? AND command_id = ?)",
        (due.plan.id, due.step.value, command, at, due.plan.id, command),
    )
