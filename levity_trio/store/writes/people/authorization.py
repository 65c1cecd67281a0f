"""The verdict on a tag, where it must be part of a write, and the record of tags that were
presented."""

from __future__ import annotations

from typing import Final, NamedTuple

from levity_trio.access.places import OF_PLACE, Reason
from levity_trio.access.tags import Policy, Status, Tag, Verdict, concurrent
from levity_trio.billing.ownership import ChargedSession
from levity_trio.events import StartRefused, TagPresented
from levity_trio.store.cases.transaction import StoredTransaction
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.lookups.places import WITHHELD, refusal, withheld
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.people import tags


class Judged(NamedTuple):
    """The verdict on the tag of a new transaction, and whether the outside authorizer is still to
    be asked about it."""

    verdict: Verdict
    is_asked: bool = False


ACCEPTED = Judged(Verdict(Status.ACCEPTED))
_TAG = (
    "SELECT status, expires_at, parent_id_tag, max_transactions "
    "FROM tag WHERE key = ? AND ended_at IS NULL"
)
_OF_ONE_ACCOUNT = (
    "SELECT 1 FROM ownership AS own "
    "JOIN ownership AS other ON other.account_id = own.account_id "
    "WHERE own.key = ?1 AND other.key = ?2 AND own.what = 'tag' AND other.what = 'tag' "
    "AND own.voided_at IS NULL AND other.voided_at IS NULL AND own.since <= ?3 "
    "AND coalesce(own.until, '9999') > ?3 AND coalesce(other.until, '9999') > ?3"
)
"""Parameters: two tags, and when the first one began to charge; the other one may have been given
since."""
_RUNNING = (
    "SELECT id_tag FROM tx INDEXED BY tx_open WHERE status = 'Active' AND suspended_at IS NULL"
    " AND verdict = 'Accepted' AND (cp_id <> ? OR conn_id IS NOT ?)"
)


REFUSED_OF_CHARGER: Final = 20
"""Refused cards that are listed for each charger; a further one replaces the one that was refused
longest ago."""
_REFUSED: Final = (
    "INSERT INTO refused_card (cp_id, key, conn_id, id_tag, reason, first_at, last_at, count) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, 1) "
    "ON CONFLICT (cp_id, key) DO UPDATE "
    "SET conn_id = ?3, id_tag = ?4, reason = ?5, last_at = ?6, count = refused_card.count + 1"
)
_TOO_MANY: Final = (
    "DELETE FROM refused_card WHERE cp_id = ?1 AND key IN"
    " (SELECT key FROM refused_card WHERE cp_id = ?1 ORDER BY last_at DESC, key LIMIT -1 OFFSET ?2)"
)


def present(
    db: UnitOfWork, origin: Origin, key: str, id_tag: str, told: Verdict, *, is_asked: bool
) -> None:
    """Record that a tag was presented, and the answer; list it if an operator `is_asked` about
    it."""
    at = origin.received_at
    fact = TagPresented(
        charger=origin.charger, at=at, id_tag=id_tag, verdict=told.status, reason=told.reason
    )
    db.record(fact, origin.session)
    if is_asked:
        tags.ask(db, origin, key, id_tag)
    _list_refused(db, origin, None, key, id_tag, told.reason)


def _list_refused(
    db: UnitOfWork, origin: Origin, connector: int | None, key: str, id_tag: str, reason: str | None
) -> None:
    """List a card that may not charge at this place, among the last ones of its charger."""
    if reason in OF_PLACE:
        db.execute(
            _REFUSED, (origin.charger, key, connector or 0, id_tag, reason, origin.received_at)
        )
        db.execute(_TOO_MANY, (origin.charger, REFUSED_OF_CHARGER))


def judge(db: UnitOfWork, policy: Policy, id_tag: str, at: str) -> Verdict:
    """Return the verdict on a tag, whatever else it is charging."""
    key = policy.key(id_tag)
    verdict, withheld_by = policy.judge(key, _tag(db, key), at), db.row(WITHHELD, (at, key))
    return verdict if withheld_by is None else verdict.refused(Reason(withheld_by[0]))


def judge_start(
    db: UnitOfWork, policy: Policy, origin: Origin, connector: int | None, id_tag: str
) -> Judged:
    """Judge the tag of a new transaction, and list it if an operator is to be asked about it."""
    key = policy.key(id_tag)
    tag = _tag(db, key)
    if policy.is_asked(key, tag):
        tags.ask(db, origin, key, id_tag)
    at, is_asked = origin.received_at, policy.is_asked_outside(key, tag)
    verdict = policy.judge(key, tag, at)
    reason = withheld(db.rows, policy, ChargedSession(key, origin.charger, connector, at))
    if reason is None and (verdict.is_accepted or is_asked):
        reason = refusal(db.rows, policy, key, origin.charger, connector, at)
    if reason is not None:
        _list_refused(db, origin, connector, key, id_tag, reason)
        return Judged(verdict.refused(reason))
    if tag is not None and tag.most is not None:
        verdict = concurrent(verdict, tag, _running(db, policy, key, origin.charger, connector))
    return Judged(verdict, is_asked)


def settle(db: UnitOfWork, origin: Origin, transaction: int, verdict: Verdict) -> Verdict:
    """Store what the outside authorizer said of a transaction; return the verdict that holds, the
    first one stored."""
    stored = (
        "UPDATE tx "
        "SET (verdict, verdict_expiry, verdict_parent, verdict_reason, is_asked) = (?, ?, ?, ?, "
        "0) "
        "WHERE id = ? AND is_asked = 1"
    )
    if db.changed(stored, (*verdict, transaction)):
        record_refusal(db, origin, transaction, verdict)
    told = "SELECT verdict, verdict_expiry, verdict_parent, verdict_reason FROM tx WHERE id = ?"
    found = db.row(told, (transaction,))
    return verdict if found is None else Verdict(*found)


def is_stranger(db: UnitOfWork, policy: Policy, tx: StoredTransaction, id_tag: str | None) -> bool:
    """Whether a tag may not stop a transaction: it is another one, of another group and another
    account, and the transaction was not started by ourselves. The group of the transaction's tag is
    that of its start, or that of now.
    """
    if not tx.id_tag or not id_tag:
        return False
    own, theirs = policy.key(tx.id_tag), policy.key(id_tag)
    if own == theirs or not theirs or policy.is_own(own):
        return False
    if db.row(_OF_ONE_ACCOUNT, (own, theirs, tx.start_time)) is not None:
        return False
    ((told,),) = db.rows("SELECT verdict_parent FROM tx WHERE id = ?", (tx.id,))
    return not policy.are_together(
        (tx.id_tag, told, _parent(db, own)), (id_tag, _parent(db, theirs))
    )


def _parent(db: UnitOfWork, key: str) -> str | None:
    tag = _tag(db, key)
    return None if tag is None else tag.parent


def record_refusal(db: UnitOfWork, origin: Origin, transaction: int, verdict: Verdict) -> None:
    """Record that a transaction runs whose tag may not charge, if it is so."""
    if verdict.is_accepted:
        return
    ((connector, id_tag),) = db.rows("SELECT conn_id, id_tag FROM tx WHERE id = ?", (transaction,))
    fact = StartRefused(
        charger=origin.charger,
        at=origin.received_at,
        transaction=transaction,
        connector=connector,
        id_tag=id_tag,
        verdict=verdict.status,
        reason=verdict.reason,
    )
    db.record(fact, origin.session)


def _tag(db: UnitOfWork, key: str) -> Tag | None:
    """Return what the policy knows of a tag, given by its normal form."""
    row = db.row(_TAG, (key,))
    return None if row is None else Tag(*row)


def _running(db: UnitOfWork, policy: Policy, key: str, charger: str, connector: int | None) -> int:
    """Count the transactions that a tag is charging elsewhere. On this connector the new one ends
    the one before; a refused one may stay open without energy until its cable is out.
    """
    return sum(
        1
        for (id_tag,) in db.rows(_RUNNING, (charger, connector))
        if id_tag and policy.key(id_tag) == key
    )
