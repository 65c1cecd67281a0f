"""Authorization of ID tags. A policy will replace `judge`."""

from __future__ import annotations

from levity_trio.events import TagPresented
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Origin

ACCEPTED = "Accepted"


def judge(db: UnitOfWork, id_tag: str) -> str:  # noqa: ARG001 - a policy will use both
    """Return the AuthorizationStatus of a tag (OCPP 1.6 §7.2). Every tag is accepted for now."""
    return ACCEPTED


def authorize(db: UnitOfWork, origin: Origin, id_tag: str) -> str:
    """Authorize a tag that was presented to a charger (§4.1), and record it."""
    verdict = judge(db, id_tag)
    fact = TagPresented(charger=origin.charger, at=origin.received_at, id_tag=id_tag, verdict=verdict)
    db.record(fact, origin.session)
    return verdict
