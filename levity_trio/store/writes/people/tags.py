"""Cards: those that operators added, each kept for the time in which it was valid, and those that
wait for an operator; the verdict on a card, where it must be part of a write, with the record of
cards that were presented; and what cards and households may use, and where, with how they stand in
the month.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from fractions import Fraction
from typing import Any, Final, NamedTuple

import orjson

from levity_trio.access.places import ACCOUNT, OF_PLACE, TAG, Reason
from levity_trio.access.tags import REMOVED, Policy, Status, Tag, Verdict, concurrent
from levity_trio.billing.money import half_up
from levity_trio.billing.months import Month, MonthLimit, UsedInMonth
from levity_trio.billing.ownership import ChargedSession
from levity_trio.events import (
    LimitChanged,
    MonthLimitLifted,
    MonthLimitNear,
    MonthLimitReached,
    StartRefused,
    TagChanged,
    TagPresented,
    TagsImported,
)
from levity_trio.nouns import Card
from levity_trio.records import noun
from levity_trio.store.cases.transaction import StoredTransaction
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.lookups.places import (
    NEWEST,
    WITHHELD,
    UsageLimit,
    refusal,
    usage_limit,
    withheld,
)
from levity_trio.store.reads.money.months import LIMITED, MILLION, CountedTransaction
from levity_trio.store.writes.chargers import hiding
from levity_trio.store.writes.chargers.commands import CallMessage
from levity_trio.store.writes.chargers.hiding import UnknownIdentity
from levity_trio.store.writes.money.ledger import ASK_AGAIN
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.people.accounts import ChangeRefused, RefusalCode, check_known, find
from levity_trio.store.writes.stored import RecordTable
from levity_trio.told import Told
from levity_trio.wire.times import in_zone, stamp

ASKED_OF_CHARGER: Final = 20
"""Unknown tags that are listed for each charger; a further one replaces the one that was presented
longest ago."""


class UnknownTag(Exception):
    """Nobody added this tag, or it was removed."""


class TagInUse(Exception):
    """A tag with this normal form was added before; the argument is how it is written."""


@noun
class TagData(Card):
    """A tag as an operator gives it. Times are in the database's format. `same_as` is the normal
    form of the card that a charger reads so, `is_phone` whether a household starts so by phone."""

    same_as: str | None = None
    is_phone: bool = False

    @property
    def tag(self) -> Tag:
        """What the policy knows of it."""
        return Tag(self.status, self.expires_at, self.parent_id_tag, self.max_transactions)


KEPT_TAG: Final = RecordTable("tag", TagData)


class TagChange(NamedTuple):
    """A tag before and after a change; `before` is None if it is new."""

    before: TagData | None
    after: TagData

    @property
    def word(self) -> str:
        """What it is called in a report."""
        return (
            "added" if self.before is None else "same" if self.before == self.after else "changed"
        )


def add(db: UnitOfWork, policy: Policy, data: TagData, at: str, by: str) -> TagChange:
    """Add a tag, which then waits for no operator any longer. Raises TagInUse."""
    key = policy.key(data.id_tag)
    if (known := find_tag(db, key)) is not None:
        raise TagInUse(known.id_tag)
    _put(db, key, None, data, at, by)
    _record(db, data, "added", at, by)
    return TagChange(None, data)


def admit(db: UnitOfWork, policy: Policy, id_tag: str, until: str | None, at: str, by: str) -> None:
    """Add a tag that was given to an account, if nobody added it: whoever gives a card means that
    it may charge.

    One that was blocked stays so. Unknown tags that are an outside authorizer's matter stay that,
    too. A tag that was given for a time before now is not admitted.
    """
    is_over = until is not None and until <= at
    if not is_over and not policy.has_authorizer and find_tag(db, policy.key(id_tag)) is None:
        add(db, policy, TagData(id_tag=id_tag), at, by)


def change(
    db: UnitOfWork, policy: Policy, id_tag: str, fields: Mapping[str, Any], at: str, by: str
) -> TagChange:
    """Change fields of a tag, named as in TagData: of a card, however it is read. Raises
    UnknownTag."""
    key = policy.key(id_tag)
    before = _known(db, key, id_tag)
    if before.same_as is not None:
        key = before.same_as
        before = _known(db, key, id_tag)
    after = replace(before, **fields)
    if after != before:
        _put(db, key, before, after, at, by)
        for form in (after, *other_forms(db, key).values()):
            _record(db, form, _words(before, after), at, by)
    return TagChange(before, after)


def _words(before: TagData, after: TagData) -> str:
    if before.status == after.status:
        return "changed"
    return "blocked" if after.status == Status.BLOCKED else "unblocked"


def remove(db: UnitOfWork, policy: Policy, id_tag: str, at: str, by: str) -> TagData:
    """Remove a tag and return it; its periods stay. Raises UnknownTag."""
    key = policy.key(id_tag)
    before = _known(db, key, id_tag)
    for of_form, form in {key: before, **other_forms(db, key)}.items():
        _end(db, of_form, at, by)
        _record(db, form, REMOVED, at, by)
    return before


def find_tag(db: UnitOfWork, key: str) -> TagData | None:
    """Return the tag with this normal form as it is now."""
    return KEPT_TAG.find(db, "key = ? AND ended_at IS NULL", (key,))


def other_forms(db: UnitOfWork, key: str) -> dict[str, TagData]:
    """Return the tags that some chargers read instead of a card, by their normal forms."""
    rows = db.rows("SELECT key FROM tag WHERE same_as = ? AND ended_at IS NULL", (key,))
    return {form: _known(db, form, form) for (form,) in rows}


def _known(db: UnitOfWork, key: str, id_tag: str) -> TagData:
    tag = find_tag(db, key)
    if tag is None:
        raise UnknownTag(id_tag)
    return tag


def _put(
    db: UnitOfWork, key: str, before: TagData | None, after: TagData, at: str, by: str
) -> None:
    """End what held until now, if anything, and store what holds from now on, also for what
    chargers read instead of a card."""
    if before is None:
        db.execute("DELETE FROM asked_tag WHERE key = ?", (key,))
    else:
        _end(db, key, at, by)
    KEPT_TAG.put(db, after, key=key, created_at=at, created_by=by)
    for of_form, form in other_forms(db, key).items():
        _put(db, of_form, form, replace(after, id_tag=form.id_tag, same_as=key), at, by)


def _end(db: UnitOfWork, key: str, at: str, by: str) -> None:
    db.execute(
        "UPDATE tag SET ended_at = ?, ended_by = ? WHERE key = ? AND ended_at IS NULL",
        (at, by, key),
    )


def _record(db: UnitOfWork, data: TagData, change: str, at: str, by: str) -> None:
    fact = TagChanged(
        charger=None,
        at=at,
        id_tag=data.id_tag,
        change=change,
        status=data.status,
        expires_at=data.expires_at,
        parent_id_tag=data.parent_id_tag,
        max_transactions=data.max_transactions,
        by=by,
    )
    db.record(fact)


# Waiting for an operator


def ask(db: UnitOfWork, origin: Origin, key: str, id_tag: str) -> None:
    """List an unknown tag for an operator to add, among the last ones of its charger."""
    db.execute(
        "INSERT INTO asked_tag (key, id_tag, cp_id, first_at, last_at, count) "
        "VALUES (?1, ?2, ?3, ?4, ?4, 1) ON CONFLICT (key) DO UPDATE "
        "SET id_tag = ?2, cp_id = ?3, last_at = ?4, count = asked_tag.count + 1",
        (key, id_tag, origin.charger, origin.received_at),
    )
    db.execute(
        "DELETE FROM asked_tag WHERE key IN"
        " (SELECT key FROM asked_tag WHERE cp_id = ? ORDER BY last_at DESC, key LIMIT -1 OFFSET ?)",
        (origin.charger, ASKED_OF_CHARGER),
    )


def dismiss(db: UnitOfWork, policy: Policy, id_tag: str) -> None:
    """Forget an unknown tag until it is presented again. Raises UnknownTag."""
    if not db.changed("DELETE FROM asked_tag WHERE key = ?", (policy.key(id_tag),)):
        raise UnknownTag(id_tag)


# Import


class ImportedTags(NamedTuple):
    """What an import did with each tag, and whether one may no longer charge."""

    words: list[str]
    is_withdrawn: bool


def take(
    db: UnitOfWork,
    policy: Policy,
    fields: Sequence[str],
    rows: Sequence[Sequence[Any]],
    at: str,
    by: str,
) -> ImportedTags:
    """Import tags: the names of fields of TagData, and their values for each tag. Tags that are the
    same stay."""
    known = {
        policy.key(tag.id_tag): tag
        for tag in KEPT_TAG.every(db, "INDEXED BY tag_key WHERE ended_at IS NULL")
    }
    words, is_withdrawn = [], False
    for row in rows:
        given = dict(zip(fields, row, strict=True))
        key = policy.key(given["id_tag"])
        before = known.get(key)
        after = TagData(**given) if before is None else replace(before, **given)
        if before is not None and before.same_as is not None:
            after = before  # its card says what holds
        change = TagChange(before, after)
        words.append(change.word)
        if change.after != before:
            _put(db, key, before, change.after, at, by)
            known[key] = change.after
            was = None if before is None else before.tag
            is_withdrawn = is_withdrawn or policy.is_withdrawn(key, was, change.after.tag, at)
    db.record(TagsImported(charger=None, at=at, count=len(rows), by=by))
    return ImportedTags(words, is_withdrawn)


# After a start


def rekey(db: UnitOfWork, policy: Policy) -> None:
    """Store normal forms anew after --tag-strip has changed. Raises TagInUse."""
    tags = db.rows(
        "SELECT id, key, id_tag FROM tag INDEXED BY tag_key WHERE ended_at IS NULL ORDER BY key"
    )
    changed = [
        (policy.key(id_tag), number, id_tag, key)
        for number, key, id_tag in tags
        if policy.key(id_tag) != key
    ]
    for _, number, *_ in changed:  # no two may have the same one, not even meanwhile
        db.execute("UPDATE tag SET key = ? WHERE id = ?", (f"\n{number}", number))
    for key, number, id_tag, before in changed:
        if find_tag(db, key) is not None:
            raise TagInUse(id_tag)
        db.execute("UPDATE tag SET key = ? WHERE id = ?", (key, number))
        same = "UPDATE tag SET same_as = ? WHERE same_as = ? AND ended_at IS NULL"
        db.execute(same, (key, before))
    for key, id_tag in db.rows("SELECT key, id_tag FROM asked_tag"):
        if key != policy.key(id_tag):
            db.execute("DELETE FROM asked_tag WHERE key = ?", (key,))


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


def present_tag(
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
        ask(db, origin, key, id_tag)
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


def judge_tag(db: UnitOfWork, policy: Policy, id_tag: str, at: str) -> Verdict:
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
        ask(db, origin, key, id_tag)
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


def settle_verdict(db: UnitOfWork, origin: Origin, transaction: int, verdict: Verdict) -> Verdict:
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


def limit_tag(
    db: UnitOfWork, policy: Policy, id_tag: str, wanted: UsageLimit, at: str, by: str
) -> bool:
    """Say what holds for a card from now on; return whether that is news. Raises ChangeRefused."""
    key = policy.key(id_tag)
    for of_form, form in other_forms(db, key).items():
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


def replace_charger_in_limits(db: UnitOfWork, old: str, new: str, at: str, by: str) -> None:
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


def count_use(
    db: UnitOfWork, found: Sequence[CountedTransaction], month: TheMonth, at: str
) -> None:
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
    assess_month(db, month, at)


def assess_month(db: UnitOfWork, month: TheMonth, at: str) -> None:
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
            _record_standing(db, MonthLimitLifted, (what, key), month, at)
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
        _record_standing(db, MonthLimitReached, subject, month, at)
    elif reached_at is None and was_reached is not None:
        _record_standing(db, MonthLimitLifted, subject, month, at)
    elif near_at is not None and was_near is None:
        _record_standing(db, MonthLimitNear, subject, month, at)


def _record_standing(
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


def rekey_limits(db: UnitOfWork, policy: Policy) -> None:
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
