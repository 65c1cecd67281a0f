"""What cards and households may use, and where: set by an operator, and how they stand in the
month."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from fractions import Fraction
from typing import Final, NamedTuple

import orjson

from levity_trio.access.places import ACCOUNT, TAG
from levity_trio.access.tags import Policy
from levity_trio.billing.money import half_up
from levity_trio.billing.months import Month, MonthLimit, UsedInMonth
from levity_trio.events import LimitChanged, MonthLimitLifted, MonthLimitNear, MonthLimitReached
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.lookups.places import NEWEST, UsageLimit, usage_limit
from levity_trio.store.reads.money.months import LIMITED, MILLION, CountedTransaction
from levity_trio.store.writes.chargers import hiding
from levity_trio.store.writes.chargers.commands import CallMessage
from levity_trio.store.writes.chargers.hiding import UnknownIdentity
from levity_trio.store.writes.money.wallets import ASK_AGAIN
from levity_trio.store.writes.people import tags
from levity_trio.store.writes.people.accounts import ChangeRefused, RefusalCode, check_known, find
from levity_trio.told import Told
from levity_trio.wire.times import in_zone, stamp


def limit_tag(
    db: UnitOfWork, policy: Policy, id_tag: str, wanted: UsageLimit, at: str, by: str
) -> bool:
    """Say what holds for a card from now on; return whether that is news. Raises ChangeRefused."""
    key = policy.key(id_tag)
    for of_form, form in tags.other_forms(db, key).items():
        _limit(db, (TAG, of_form, form.id_tag), wanted, at, by)
    return _limit(db, (TAG, key, id_tag), wanted, at, by)


def limit_account(db: UnitOfWork, account: int, wanted: UsageLimit, at: str, by: str) -> bool:
    """Say what holds for a household from now on; return whether that is news. Raises
    ChangeRefused."""
    find(db, account)
    check_known(db, account)
    return _limit(db, (ACCOUNT, str(account), None), wanted, at, by)


def _limit(
    db: UnitOfWork, subject: tuple[str, str, str | None], wanted: UsageLimit, at: str, by: str
) -> bool:
    what, key, _ = subject
    _check(db, wanted)
    if wanted == usage_limit(db.rows, what, key):
        return False
    chargers = None if wanted.chargers is None else orjson.dumps(wanted.chargers).decode()
    db.execute(
        "INSERT INTO usage_limit (what, key, id_tag, chargers, is_everywhere, month_wh, "
        "month_amount, since, set_by) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
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


def replace_charger(db: UnitOfWork, old: str, new: str, at: str, by: str) -> None:
    """Let who may charge at a charger do so at the one that took its place."""
    limits = db.rows(f"SELECT what, key, id_tag FROM usage_limit WHERE {NEWEST}")  # noqa: S608
    for what, key, id_tag in limits:
        limit = usage_limit(db.rows, what, key)
        chargers = tuple(new if one == old else one for one in limit.chargers or ())
        if old in (limit.chargers or ()):
            _limit(db, (what, key, id_tag), limit._replace(chargers=chargers), at, by)


def _check(db: UnitOfWork, wanted: UsageLimit) -> None:
    if wanted.chargers is not None and not wanted.chargers:
        raise ChangeRefused(
            RefusalCode.INVALID,
            Told("choose a charger, or leave it empty: then it may charge at all"),
            "chargers",
        )
    if wanted.chargers and wanted.is_everywhere:
        raise ChangeRefused(
            RefusalCode.INVALID,
            Told("it may charge everywhere, or at certain chargers only; choose one"),
            "everywhere",
        )
    for charger in wanted.chargers or ():
        try:
            hiding.check_known(db, charger)
        except UnknownIdentity:
            raise ChangeRefused(
                RefusalCode.NOT_FOUND, Told("there is no charger {1}", charger), "chargers"
            ) from None


# The month

_REVISION: Final = "SELECT revision FROM bill_work WHERE tx_id = ?"
_COUNT: Final = (
    "INSERT INTO month_use (tx_id, account_id, key, ended_at, wh, amount) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (tx_id) DO UPDATE SET (account_id, key, ended_at, wh, amount) ="
    " (excluded.account_id, excluded.key, excluded.ended_at, excluded.wh, excluded.amount)"
)
_USED: Final = (
    "SELECT coalesce(sum(wh), 0), coalesce(sum(amount), 0) FROM month_use"
    " WHERE {} = ? AND (ended_at IS NULL OR ended_at >= ?)"
)
_STANDINGS: Final = (
    "SELECT what, key, since, until, wh, amount, warned_at, reached_at FROM month_standing"
)
_STAND: Final = (
    "INSERT INTO month_standing (what, key, since, until, wh, amount, warned_at, reached_at) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (what, key) "
    "DO UPDATE "
    "SET (since, until, wh, amount, warned_at, reached_at) = (excluded.since, excluded.until, "
    "excluded.wh, excluded.amount, excluded.warned_at, excluded.reached_at)"
)
_TO_STOP: Final = (
    "SELECT 1 FROM month_use JOIN tx ON tx.id = tx_id JOIN month_standing ON reached_at IS NOT NULL"
    " AND month_standing.until > ?3 AND (what = 'tag' AND month_standing.key = month_use.key"
    " OR what = 'account' AND month_standing.key = CAST(month_use.account_id AS TEXT))"
    " WHERE tx_id = ?1 AND status = 'Active' AND coalesce(stop_asked_at, '') <= ?2"
)


class TheMonth(NamedTuple):
    """A month, when it began and when it is over, in the database's format."""

    name: str
    since: str
    until: str

    @classmethod
    def at(cls, now: datetime, zone: tzinfo) -> TheMonth:
        """Return the month of a time, in the site's zone."""
        month = Month.of(in_zone(now, zone).date())
        return cls(str(month), stamp(month.since(zone)), stamp(month.until(zone)))


class _MonthStanding(NamedTuple):
    since: str
    until: str
    wh: int
    amount: int
    warned_at: str | None
    reached_at: str | None


def count(db: UnitOfWork, found: Sequence[CountedTransaction], month: TheMonth, at: str) -> None:
    """Store what transactions count for; one that has changed since it was read comes again."""
    for one in found:
        row = db.row(_REVISION, (one.transaction,))
        if (0 if row is None else row[0]) != one.revision:
            continue
        is_over = one.ended_at is not None and one.ended_at < month.since
        if is_over or (one.account is None and one.key is None):
            db.execute("DELETE FROM month_use WHERE tx_id = ?", (one.transaction,))
        else:
            db.execute(_COUNT, (one.transaction, *one[2:]))
    assess(db, month, at)


def assess(db: UnitOfWork, month: TheMonth, at: str) -> None:
    """Note how those stand who have a limit of the month; a warning, and what begins and ends a
    refusal, are facts."""
    known = {(what, key): _MonthStanding(*rest) for what, key, *rest in db.rows(_STANDINGS)}
    for what, key, wh, amount in db.rows(LIMITED):
        before = known.pop((what, key), None)
        if before is not None and before.since != month.since:
            before = None
        _assess(db, (what, key), MonthLimit(wh, amount), before, month, at)
    for (what, key), one in known.items():  # without a limit now
        db.execute("DELETE FROM month_standing WHERE what = ? AND key = ?", (what, key))
        if one.reached_at is not None and one.until > at:
            _record(db, MonthLimitLifted, (what, key), month, at)
    db.execute("DELETE FROM month_use WHERE ended_at < ?", (month.since,))


def _assess(
    db: UnitOfWork,
    subject: tuple[str, str],
    limit: MonthLimit,
    before: _MonthStanding | None,
    month: TheMonth,
    at: str,
) -> None:
    what, key = subject
    column, value = ("account_id", int(key)) if what == ACCOUNT else ("key", key)
    ((wh, amount),) = db.rows(_USED.format(column), (value, month.since))
    amount = half_up(Fraction(amount, MILLION))
    used = UsedInMonth(wh, amount)
    was_near, was_reached = (
        (None, None) if before is None else (before.warned_at, before.reached_at)
    )
    near_at = (was_near or at) if limit.is_near(used) else None
    reached_at = (was_reached or at) if limit.is_reached(used) else None
    after = _MonthStanding(month.since, month.until, wh, amount, near_at, reached_at)
    if after == before:
        return
    db.execute(_STAND, (*subject, *after))
    if reached_at is not None and was_reached is None:
        _record(db, MonthLimitReached, subject, month, at)
    elif reached_at is None and was_reached is not None:
        _record(db, MonthLimitLifted, subject, month, at)
    elif near_at is not None and was_near is None:
        _record(db, MonthLimitNear, subject, month, at)


def _record(
    db: UnitOfWork,
    kind: type[MonthLimitNear | MonthLimitReached | MonthLimitLifted],
    subject: tuple[str, str],
    month: TheMonth,
    at: str,
) -> None:
    what, key = subject
    db.record(kind(charger=None, at=at, what=what, key=key, month=month.name, until=month.until))


def stop_used(db: UnitOfWork, transaction: int, now: datetime) -> tuple[CallMessage | None, None]:
    """Decide whether to ask for the stop of a transaction of one who has used what he may; again
    after an hour."""
    if not db.rows(_TO_STOP, (transaction, stamp(now - ASK_AGAIN), stamp(now))):
        return None, None
    db.execute("UPDATE month_use SET stop_asked_at = ? WHERE tx_id = ?", (stamp(now), transaction))
    return CallMessage("RemoteStopTransaction", {"transactionId": transaction}), None


# After a start


def rekey(db: UnitOfWork, policy: Policy) -> None:
    """Store normal forms anew after --tag-strip has changed. How cards stand in the month is found
    again."""
    known = db.rows("SELECT DISTINCT key, id_tag FROM usage_limit WHERE what = 'tag'")
    for key, id_tag in known:
        if policy.key(id_tag) != key:
            db.execute(
                "UPDATE usage_limit SET key = ? WHERE what = 'tag' AND id_tag = ?",
                (policy.key(id_tag), id_tag),
            )
            db.execute("DELETE FROM month_standing WHERE what = 'tag'")
            db.execute("DELETE FROM month_use")
