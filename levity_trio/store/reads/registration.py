"""Who may connect: the chargers that nobody decided about, and the decisions."""

from __future__ import annotations

from typing import Final

from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import Branch, Condition, Listing, Page, Wanted, given, read_page
from levity_trio.store.reads.shapes import Shape


@record
class Newcomer:
    """A charger that nobody adopted or refused. `waiting_since` is when it began to wait for that.

    `remote_address` is that of its last connection; `has_charged` is whether it has a transaction; `resembles` is a
    known charger whose identity differs only in the case of its letters.
    """

    id: str
    waiting_since: str | None
    is_connected: bool
    remote_address: str | None
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
    decided_by: str | None
    reason: str | None


_NEWCOMER: Final = Shape(
    Newcomer,
    remote_address="(SELECT remote_address FROM session WHERE session.id = cp.session_id)",
    has_charged="EXISTS (SELECT 1 FROM tx WHERE tx.cp_id = cp.id)",
    resembles="(SELECT min(other.id) FROM cp AS other WHERE other.id = cp.id COLLATE NOCASE AND other.id <> cp.id)",
)
_DECIDED: Final = Shape(RegistrationDecision)


def newcomers(db: Database, wanted: Wanted, *, is_waiting: bool) -> Page[Newcomer]:
    """Return a page of newcomers, only those that wait or all, in the order of their identities.

    One that is hidden is listed while it is connected. Raises NoPage.
    """
    db.execute("BEGIN")
    conditions = [Condition("registration = 'newcomer'"), Condition("(hidden_at IS NULL OR is_connected = 1)")]
    if is_waiting:
        conditions.append(Condition("waiting_since IS NOT NULL"))
    return read_page(db, Listing([Branch("cp", conditions)], is_newest_first=False), wanted, _NEWCOMER.by_id(db, "cp"))


def decisions(db: Database, charger: str | None, wanted: Wanted) -> Page[RegistrationDecision]:
    """Return a page of decisions, the newest first, about one charger or all. Raises NoPage."""
    db.execute("BEGIN")
    listing = Listing([Branch("registration", given(("cp_id = ?", charger)))])
    return read_page(db, listing, wanted, _DECIDED.by_id(db, "registration"))
