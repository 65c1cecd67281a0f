"""What cards and households may use, and where: set by an operator, and how they stand in the month."""

from __future__ import annotations

import orjson

from levity_trio.access.places import ACCOUNT, TAG
from levity_trio.access.tags import Policy
from levity_trio.events import LimitChanged
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.places import UsageLimit, usage_limit
from levity_trio.store.writes import hiding
from levity_trio.store.writes.accounts import Code, Refused, check_known, find
from levity_trio.store.writes.hiding import UnknownCharger


def limit_tag(db: UnitOfWork, policy: Policy, id_tag: str, wanted: UsageLimit, at: str, by: str) -> bool:
    """Say what holds for a card from now on; return whether that is news. Raises Refused."""
    return _limit(db, (TAG, policy.key(id_tag), id_tag), wanted, at, by)


def limit_account(db: UnitOfWork, account: int, wanted: UsageLimit, at: str, by: str) -> bool:
    """Say what holds for a household from now on; return whether that is news. Raises Refused."""
    find(db, account)
    check_known(db, account)
    return _limit(db, (ACCOUNT, str(account), None), wanted, at, by)


def _limit(db: UnitOfWork, subject: tuple[str, str, str | None], wanted: UsageLimit, at: str, by: str) -> bool:
    what, key, _ = subject
    _check(db, wanted)
    if wanted == usage_limit(db.rows, what, key):
        return False
    chargers = None if wanted.chargers is None else orjson.dumps(wanted.chargers).decode()
    db.execute(
        "INSERT INTO usage_limit (what, key, id_tag, chargers, is_everywhere, month_wh, month_amount, since, set_by)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*subject, chargers, wanted.is_everywhere, wanted.month_wh, wanted.month_amount, at, by),
    )
    fact = LimitChanged(
        charger=None,
        at=at,
        what=what,
        key=key,
        chargers=None if wanted.chargers is None else list(wanted.chargers),
        everywhere=wanted.is_everywhere,
        month_wh=wanted.month_wh,
        month_amount=wanted.month_amount,
        by=by,
    )
    db.record(fact)
    return True


def _check(db: UnitOfWork, wanted: UsageLimit) -> None:
    if wanted.chargers is not None and not wanted.chargers:
        raise Refused(Code.INVALID, "choose a charger, or leave it empty: then it may charge at all", "chargers")
    if wanted.chargers and wanted.is_everywhere:
        raise Refused(Code.INVALID, "it may charge everywhere, or at certain chargers only; choose one", "everywhere")
    for charger in wanted.chargers or ():
        try:
            hiding.check_known(db, charger)
        except UnknownCharger:
            raise Refused(Code.NOT_FOUND, f"there is no charger {charger}", "chargers") from None


# After a start


def rekey(db: UnitOfWork, policy: Policy) -> None:
    """Store normal forms anew after --tag-strip has changed. How cards stand in the month is found again."""
    known = db.rows("SELECT DISTINCT key, id_tag FROM usage_limit WHERE what = 'tag'")
    for key, id_tag in known:
        if policy.key(id_tag) != key:
            db.execute("UPDATE usage_limit SET key = ? WHERE what = 'tag' AND id_tag = ?", (policy.key(id_tag), id_tag))
            db.execute("DELETE FROM month_standing WHERE what = 'tag'")
            db.execute("DELETE FROM month_use")
