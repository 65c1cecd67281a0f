"""Certificates of chargers, their requests, and where the raising of security profiles stands."""

from __future__ import annotations

from typing import Final

from levity_trio.access.securing import State, next_step, with_report
from levity_trio.records import copied, record
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups.securing import (
    SecuringPlan,
    last_report,
    newest_plan,
    plan_in,
    profile_of,
    standings,
)
from levity_trio.store.reads.chargers.security import CertificateRow
from levity_trio.store.reads.pages import Branch, ListKeys, ListPage, WantedPage, given, read_page
from levity_trio.store.reads.shapes import Shape
from levity_trio.told import N_


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


_CERTIFICATE: Final = Shape(Certificate)
_REQUEST: Final = Shape(CertificateRequest, certificate="certificate_id", command="command_id")


def certificates(db: Database, charger: str | None, wanted: WantedPage) -> ListPage[Certificate]:
    """Return a page of certificates, the newest first. Raises NoPage."""
    return _CERTIFICATE.page(db, "certificate", charger, wanted)


def certificate(db: Database, number: int) -> Certificate | None:
    """Return a certificate."""
    return _CERTIFICATE.one(db, "FROM certificate WHERE id = ?", (number,))


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
