"""Certificates of chargers: their requests, what was issued and sent, and what is revoked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from levity_trio.access.certificates import Described, Requested, is_due, is_named, refusal
from levity_trio.events import (
    CertificateDelivered,
    CertificateIssued,
    CertificateNameAllowed,
    CertificateRefused,
    CertificateRequested,
    CertificateRevoked,
)
from levity_trio.records import record
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.stored import RecordTable
from levity_trio.told import Told
from levity_trio.wire.texts import LONGEST_OF, cut
from levity_trio.wire.times import minutes_before, stamp

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


def refuse(db: UnitOfWork, origin: Origin, csr: str, reason: str) -> str:
    """Store a request that cannot be read, or for which there is no authority; return the
    answer."""
    return _reject(db, origin, csr, None, reason)


def receive(
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
    _end(db, "cp_id = ? AND result IS NULL", (charger,), at, "superseded")
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


def issue(db: UnitOfWork, request: int, new: NewCertificate, at: str) -> None:
    """Store the certificate of a request that is still open."""
    row = db.row(
        "SELECT cp_id FROM certificate_request WHERE id = ? AND result IS NULL", (request,)
    )
    if row is not None:
        certificate = _insert(db, row[0], new, at, AUTHORITY)
        db.execute(
            "UPDATE certificate_request SET certificate_id = ? WHERE id = ?", (certificate, request)
        )


def give_up(db: UnitOfWork, work: CertificateWork, at: str) -> None:
    """End a request of which no certificate can be made."""
    _end(db, "id = ? AND result IS NULL", (work.request,), at, "undelivered")


def adopt(db: UnitOfWork, charger: str, new: NewCertificate, at: str, by: str) -> int | None:
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


def sent(db: UnitOfWork, request: int, command: int) -> None:
    """Note the command that sends the certificate of a request."""
    db.execute(
        "UPDATE certificate_request SET command_id = ?, attempts = attempts + 1"
        " WHERE id = ? AND result IS NULL AND command_id IS NOT ?",
        (command, request, command),
    )


def advance(db: UnitOfWork, at: str) -> list[CertificateWork]:
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
            _end(db, "id = ?", (one.request,), at, result)
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


def _end(db: UnitOfWork, which: str, values: Sequence[object], at: str, result: str) -> None:
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


def due(db: UnitOfWork, at: str) -> list[str]:
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


def revoke(db: UnitOfWork, certificate: int, at: str, by: str, reason: str) -> str | None:
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
