"""Who may charge: the one function that a policy will replace."""

from __future__ import annotations

from levity_trio.events import TagPresented
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Origin

ACCEPTED = "Accepted"


def judge(db: UnitOfWork, id_tag: str) -> str:  # noqa: ARG001 - a policy will look at both
    """The verdict on a tag, an AuthorizationStatus (OCPP 1.6 §7.2): every tag is accepted for now."""
    return ACCEPTED


def authorize(db: UnitOfWork, origin: Origin, id_tag: str) -> str:
    """Judge a tag that was shown to a charger (§4.1), and keep that it was."""
    verdict = judge(db, id_tag)
    fact = TagPresented(charger=origin.charger, at=origin.received_at, id_tag=id_tag, verdict=verdict)
    db.record(fact, origin.session)
    return verdict
