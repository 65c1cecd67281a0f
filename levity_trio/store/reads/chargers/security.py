"""Who may connect as a charger: those that wait for a decision, the required profile, passwords and
certificates."""

from __future__ import annotations

from typing import Final

from levity_trio.records import ForOperators, record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.chargers.chargers import is_known
from levity_trio.store.reads.pages import (
    Branch,
    ListKeys,
    ListPage,
    WantedPage,
    WhereCondition,
    read_page,
)
from levity_trio.store.reads.shapes import Shape


@record
class PasswordRow:
    """A password that opens the door. Until it is confirmed, the one before does too."""

    id: int
    created_at: str
    created_by: str
    confirmed_at: str | None


@record
class CertificateRow:
    """A client certificate of a charger; `serial` and `fingerprint` (SHA-256) are hexadecimal."""

    id: int
    serial: str
    fingerprint: str
    subject: str
    not_before: str
    not_after: str
    issued_at: str
    issued_by: str
    revoked_at: str | None
    revoked_by: str | None
    reason: str | None


@record
class LastUse:
    """How a charger proved itself at its newest connection with a message."""

    session: int
    connected_at: str
    remote_address: str
    profile: int
    proof: str


@record
class SecurityOfCharger:
    """Who may connect as a charger.

    `profile` is required of it since `profile_at`; `profile_by` is None if its own connection
    raised it. A readmission lets it in once at `readmit_profile`, until `readmit_until`.
    """

    charger: str
    profile: int
    profile_at: str | None
    profile_by: str | None
    readmit_profile: int | None
    readmit_until: str | None
    readmit_by: str | None
    last_use: LastUse | None
    passwords: list[PasswordRow]
    certificates: list[CertificateRow]


_PASSWORD: Final = Shape(PasswordRow)
_CERTIFICATE: Final = Shape(CertificateRow)
_PROOF: Final = (
    "CASE WHEN certificate_id IS NOT NULL THEN 'certificate' WHEN credential_id IS NOT NULL THEN "
    "'password' ELSE 'none' END"
)
_NEWEST_LINK: Final = (
    "FROM session WHERE cp_id = ? AND imported_from IS NULL ORDER BY id DESC LIMIT 1"
)
_LAST_USE: Final = Shape(LastUse, session="id", proof=_PROOF)


def security(db: Database, charger: str) -> SecurityOfCharger | None:
    """Return who may connect as a charger, None if there is no such charger."""
    if not is_known(db, charger):
        return None
    columns = "profile, profile_at, profile_by, readmit_profile, readmit_until, readmit_by"
    found = db.execute(f"SELECT {columns} FROM security WHERE cp_id = ?", (charger,)).fetchall()  # noqa: S608 - ours
    values = found[0] if found else (0, *[None] * 5)
    return SecurityOfCharger(
        charger=charger,
        **dict(zip(columns.split(", "), values, strict=True)),
        last_use=_LAST_USE.one(db, _NEWEST_LINK, (charger,)),
        passwords=_PASSWORD.every(
            db, "FROM credential WHERE cp_id = ? AND ended_at IS NULL ORDER BY id", (charger,)
        ),
        certificates=_CERTIFICATE.every(
            db, "FROM certificate WHERE cp_id = ? ORDER BY id DESC", (charger,)
        ),
    )


@record
class Newcomer:
    """A charger that nobody adopted or refused. `waiting_since` is when it began to wait for that.

    `remote_address` is that of its last connection; `has_charged` is whether it has a transaction;
    `resembles` is a known charger whose identity differs only in the case of its letters.
    """

    id: str
    waiting_since: str | None
    is_connected: bool
    remote_address: ForOperators[str | None]
    vendor: str | None
    model: str | None
    serial_number: str | None
    firmware_version: str | None
    has_charged: bool
    resembles: str | None
    last_seen_at: str | None


@record
class RegistrationDecision:
    """What a person decided about a charger: adopted or refused."""

    id: int
    charger: str
    decision: str
    decided_at: str
    decided_by: ForOperators[str | None]
    reason: ForOperators[str | None]


_NEWCOMER: Final = Shape(
    Newcomer,
    remote_address="(SELECT remote_address FROM session WHERE session.id = cp.session_id)",
    has_charged="EXISTS (SELECT 1 FROM tx WHERE tx.cp_id = cp.id)",
    resembles=(
        "(SELECT min(other.id) FROM cp AS other WHERE other.id = cp.id COLLATE NOCASE AND "
        "other.id <> cp.id)"
    ),
)
_DECIDED: Final = Shape(RegistrationDecision)


def newcomers(db: Database, wanted: WantedPage, *, is_waiting: bool) -> ListPage[Newcomer]:
    """Return a page of newcomers, only those that wait or all, in the order of their identities.

    One that is hidden is listed while it is connected. Raises NoPage.
    """
    condition = "registration = 'newcomer' AND (hidden_at IS NULL OR is_connected = 1)"
    if is_waiting:
        condition += " AND waiting_since IS NOT NULL"
    branch = Branch("cp", [WhereCondition(condition)])
    return read_page(
        db, ListKeys([branch], is_newest_first=False), wanted, _NEWCOMER.by_id(db, "cp")
    )


def decisions(
    db: Database, charger: str | None, wanted: WantedPage
) -> ListPage[RegistrationDecision]:
    """Return a page of decisions, the newest first, about one charger or all. Raises NoPage."""
    return _DECIDED.page(db, "registration", charger, wanted)
