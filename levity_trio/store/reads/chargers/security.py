"""Who may connect as a charger: those that wait for a decision, the required profile, passwords and
certificates, their requests, and where the raising of security profiles stands."""

from __future__ import annotations

from typing import Final

from levity_trio.access.securing import State, next_step, with_report
from levity_trio.records import ForOperators, copied, record
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups.securing import (
    SecuringPlan,
    last_report,
    newest_plan,
    plan_in,
    profile_of,
    standings,
)
from levity_trio.store.reads.chargers.chargers import is_known
from levity_trio.store.reads.pages import (
    Branch,
    ListKeys,
    ListPage,
    Shape,
    WantedPage,
    WhereCondition,
    given,
    read_page,
)
from levity_trio.told import N_


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


@record
class Certificate(CertificateRow):
    """A client certificate with its charger. It opens that one's door between its times, until it
    is revoked.

    `issued_by` is our authority, or the operator who adopted it.
    """

    charger: str
    pem: str


@record
class CertificateRequest:
    """A charger's request for a certificate (SignCertificate).

    `result` is null while its certificate is on its way, else installed, refused (by the charger),
    undelivered, superseded (by a newer request), or rejected, with our `reason`. `command` is the
    last CertificateSigned.
    """

    id: int
    charger: str
    received_at: str
    csr: str
    reason: str | None
    certificate: int | None
    command: int | None
    attempts: int
    ended_at: str | None
    result: str | None


@record
class SecuringStep:
    """A step towards a security profile: to do, under way, done, skipped, waits (for the charger),
    or failed."""

    step: str
    state: str
    words: str
    command: int | None


@record
class Securing:
    """The raising of a charger's security profile.

    `state` is under way, waits (for the charger), failed, done, replaced (by a newer one) or
    cancelled; `problem` says why it failed and what to do. `address` is what the charger's own
    setting for our address is set to.
    """

    id: int
    charger: str
    profile: int
    state: str
    problem: str | None
    address: str | None
    asked_at: str
    asked_by: str
    ended_at: str | None
    steps: list[SecuringStep]


_WHOLE_CERTIFICATE: Final = Shape(Certificate)
_REQUEST: Final = Shape(CertificateRequest, certificate="certificate_id", command="command_id")


def certificates(db: Database, charger: str | None, wanted: WantedPage) -> ListPage[Certificate]:
    """Return a page of certificates, the newest first. Raises NoPage."""
    return _WHOLE_CERTIFICATE.page(db, "certificate", charger, wanted)


def certificate(db: Database, number: int) -> Certificate | None:
    """Return a certificate."""
    return _WHOLE_CERTIFICATE.one(db, "FROM certificate WHERE id = ?", (number,))


def requests(db: Database, charger: str | None, wanted: WantedPage) -> ListPage[CertificateRequest]:
    """Return a page of requests, the newest first. Raises NoPage."""
    return _REQUEST.page(db, "certificate_request", charger, wanted)


def request(db: Database, number: int) -> CertificateRequest | None:
    """Return a request."""
    return _REQUEST.one(db, "FROM certificate_request WHERE id = ?", (number,))


def all_securing(db: Database, charger: str | None, wanted: WantedPage) -> ListPage[Securing]:
    """Return a page of profiles that were asked for, the newest first. Raises NoPage."""
    page = read_page(
        db,
        ListKeys([Branch("securing", given(("cp_id = ?", charger)))]),
        wanted,
        lambda key: securing(db, key[-1]),
    )
    return page.of_rows([one for one in page.data if one is not None])


def securing(db: Database, number: int) -> Securing | None:
    """Return where a security profile that was asked for stands."""
    return _shown(db, plan_in(rows_of(db), number))


def newest_securing(db: Database, charger: str) -> Securing | None:
    """Return where the security profile stands that was last asked for."""
    return _shown(db, newest_plan(rows_of(db), charger))


def _shown(db: Database, plan: SecuringPlan | None) -> Securing | None:
    if plan is None:
        return None
    by_charger, report = standings(rows_of(db), plan), last_report(rows_of(db), plan)
    standing = next_step(by_charger)
    state = plan.result or ("done" if standing is None else standing.state)
    shown = by_charger if report is None else with_report(by_charger, report)
    return copied(
        Securing,
        plan,
        state=N_("under way") if state == State.TO_DO else str(state),
        problem=standing.words if standing is not None and standing.state is State.FAILED else None,
        steps=[copied(SecuringStep, step) for step in shown],
    )


@record(kw_only=False)
class Secured:
    """What the way to a security profile depends on; `target` is that of the charger's last
    connection."""

    profile: int
    vendor: str | None
    model: str | None
    target: str | None


def secured(db: Database, charger: str) -> Secured | None:
    """Return a charger's present security profile and how it connects; None if it is unknown."""
    row = db.execute(
        "SELECT vendor, model, (SELECT target FROM session WHERE cp_id = cp.id "
        "AND imported_from IS NULL ORDER BY id DESC LIMIT 1) "
        "FROM cp WHERE id = ?",
        (charger,),
    ).fetchone()
    return None if row is None else Secured(profile_of(rows_of(db), charger), *row)
