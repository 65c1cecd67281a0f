"""What a look finds, from one snapshot of the database: what lasts now, the new facts, and who
wants to know.

What lasts is what the page Now says wants a look, so that a message never says another thing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson

from levity_trio.billing.ownership import Thing, What
from levity_trio.events import (
    ChargerOdd,
    Fact,
    HouseholdReported,
    MonthClosed,
    MonthLimitNear,
    MonthLimitReached,
    OutcomeKnown,
    TransactionClosed,
    TransactionStopped,
)
from levity_trio.events.stored import read_fact
from levity_trio.log.output import get_logger
from levity_trio.notify.causes import Cause, Condition, Place, Span
from levity_trio.notify.kinds import Kind
from levity_trio.notify.texts import DoubtsAt
from levity_trio.records import record
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.cases.so_far import energies_so_far
from levity_trio.store.engine.database import Database, marks, rows_of
from levity_trio.store.lookups.load_spans import answered_at
from levity_trio.store.lookups.ownership import Owners, periods_of
from levity_trio.store.reads.chargers.served import KnownCharger, faults, served, statuses
from levity_trio.store.reads.load import load
from levity_trio.store.reads.now.attention import (
    RETURN_SECONDS,
    Attention,
    MachineState,
    ServedChargers,
    attention,
)
from levity_trio.store.reads.now.attention import AttentionKind as Look
from levity_trio.store.reads.now.present import OPEN_REVIEWS
from levity_trio.store.reads.site.events import newest
from levity_trio.told import of_stored
from levity_trio.wire.times import shifted, stamp

RETURN: Final = timedelta(seconds=RETURN_SECONDS)
MOST_FACTS: Final = 200
"""Facts that one look turns into messages."""
FULL_AFTER: Final = timedelta(minutes=5)
"""For so long, a car has taken nothing that is full; many pause for a moment."""
LEAST_WH: Final = 500
"""A car that took less has not begun yet: it may wait for a time of its own."""
TOLD: Final = (
    *(TransactionStopped, TransactionClosed, OutcomeKnown, HouseholdReported, ChargerOdd),
    *(MonthLimitNear, MonthLimitReached, MonthClosed),
)
"""The facts that become messages."""
_KINDS: Final = tuple(one.__name__ for one in TOLD)
log = get_logger("system")
_CONDITIONS: Final[Mapping[str, Kind]] = {
    Look.FAULTED: Kind.FAULTED,
    Look.BACKUP: Kind.BACKUP,
    Look.DISK: Kind.DISK,
    Look.STORAGE: Kind.DISK,
    Look.CERTIFICATE: Kind.CERTIFICATE,
    Look.AVAILABILITY: Kind.COMMAND,
    Look.IGNORED: Kind.IGNORED,
}


@record
class Recipient:
    """Whom messages reach, and what they chose. `language` is theirs, or that of their household or
    log-in."""

    id: int
    is_driver: bool
    account: int | None
    language: str | None
    mail: str | None
    has_push: bool
    kinds: Collection[str]
    away_minutes: int
    quiet: tuple[str, str] | None
    with_names: bool
    gets_statements: bool
    added_at: str


class Cursor(NamedTuple):
    """Up to which fact messages were made, in how many rounds, and the local day of the last
    digest."""

    position: int
    round: int
    digest_on: str | None


class ClosedOne(NamedTuple):
    """A closed statement: the id of its row, its number, its account, its month (YYYY-MM), and its
    digest."""

    id: int
    number: int
    account: int
    month: str
    digest: str


class NewFact(NamedTuple):
    """A fact that may become messages, and whose it is: the account, its name, and the figures of
    its session."""

    id: int
    fact: Fact
    account: int | None
    household: str | None
    energy_wh: int = 0
    ended_at: datetime | None = None
    statements: Sequence[ClosedOne] = ()
    """Those of a closed month."""


class FullCar(NamedTuple):
    """An open transaction whose car takes nothing any more."""

    transaction: int
    account: int | None
    energy_wh: int
    since: datetime


class Begun(NamedTuple):
    """A message that told the begin of a cause."""

    cause: int
    recipient: int
    channel: str


class Found(NamedTuple):
    """What a look found. `upto` is the last fact that it looked at."""

    cursor: Cursor
    upto: int
    recipients: Sequence[Recipient]
    causes: Sequence[Cause]
    begun: frozenset[Begun]
    digests: Mapping[int, str]
    """When each recipient got the last digest."""
    conditions: Sequence[Condition]
    unknown: Collection[Kind]
    """Of these, nobody knows yet whether they last: after a start, chargers need a moment to come
    back."""
    doubts: Mapping[str, DoubtsAt]
    facts: Sequence[NewFact]
    full: Sequence[FullCar]
    names: Mapping[str, str]
    with_connectors: frozenset[str]


_CURSOR: Final = "SELECT position, round, digest_on FROM message_cursor"
_RECIPIENTS: Final = (
    "SELECT recipient.id, who = 'driver', recipient.account_id, coalesce(recipient.language, "
    "account.language,"
    " person.language), mail, topic IS NOT NULL, kinds, away_minutes, quiet_from, quiet_until, "
    "with_names,"
    " gets_statements, recipient.added_at FROM recipient LEFT JOIN account ON account.id = "
    "recipient.account_id"
    ' LEFT JOIN "user" AS person ON person.id = user_id WHERE recipient.ended_at IS NULL AND '
    "person.removed_at IS NULL"
    " ORDER BY recipient.id"
)
_CAUSES: Final = (
    "SELECT id, kind, subject, parts, words, began_at, found_at FROM cause INDEXED BY cause_open"
    " WHERE ended_at IS NULL ORDER BY id"
)
_BEGUN: Final = (
    "SELECT cause_id, recipient_id, channel FROM cause INDEXED BY cause_open CROSS JOIN message"
    " ON message.cause_id = cause.id WHERE ended_at IS NULL AND part = 'begin'"
)
_DIGESTS: Final = (
    "SELECT id, (SELECT max(created_at) FROM message WHERE recipient_id = recipient.id "
    "AND part = 'digest') "
    "FROM recipient WHERE ended_at IS NULL"
)
_DOUBTS: Final = (
    f"SELECT cp_id, count(DISTINCT tx_id), min(opened_at) FROM {OPEN_REVIEWS} GROUP BY cp_id"  # noqa: S608 - our own words
)
_FACTS: Final = (
    "SELECT id, kind, data FROM event "  # noqa: S608
    f"WHERE id > ? AND kind IN ({marks(_KINDS)}) ORDER BY id LIMIT ?"
)
_ENDED: Final = (
    "SELECT coalesce(energy_delivered, 0), coalesce(stop_time, start_time) FROM tx WHERE id = ?"
)
_STATEMENTS: Final = (
    "SELECT id, number, account_id, month, digest FROM statement "
    "WHERE number BETWEEN ? AND ? ORDER BY number"
)
_HOUSEHOLD: Final = "SELECT name FROM account WHERE id = ?"
_PAUSED: Final = (
    "SELECT tx.id, cp_conn.status_at FROM tx INDEXED BY tx_open "
    "JOIN cp_conn ON cp_conn.cp_id = tx.cp_id AND cp_conn.conn_id = tx.conn_id "
    "WHERE tx.status = 'Active' AND tx.suspended_at IS NULL AND cp_conn.status = 'SuspendedEV' "
    "AND cp_conn.status_at <= ?"
)


@contextmanager
def left_out(**what: object) -> Iterator[None]:
    """Log why something cannot be told. What nobody foresaw must not keep all else from being
    told."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        log.exception("something cannot be told, and is left out", **what)


def find(db: Database, now: datetime, rule: Rule, machine: MachineState) -> Found:
    """Look at what there is to tell."""
    known = db.execute(_CURSOR).fetchone()
    cursor = Cursor(*known) if known else Cursor(newest(db), 0, None)
    chargers = served(db)
    places = ServedChargers(chargers, statuses(db, chargers), faults(db), ())
    upto, facts = _facts(db, cursor.position, rule)
    doubts = {
        charger: DoubtsAt(charger, count, _moment(at))
        for charger, count, at in db.execute(_DOUBTS).fetchall()
    }
    counts = Counter(charger for charger, connector in places.statuses if connector != 0)
    recipients = recipients_of(db)
    return Found(
        cursor=cursor,
        upto=upto,
        recipients=recipients,
        causes=[*_causes(db)],
        begun=frozenset(Begun(*row) for row in db.execute(_BEGUN).fetchall()),
        digests={
            recipient: at for recipient, at in db.execute(_DIGESTS).fetchall() if at is not None
        },
        conditions=[*_conditions(db, now, rule, machine, places), *_of_doubts(doubts)],
        unknown=[Kind.AWAY] if machine.begun_at > stamp(shifted(now, -RETURN)) else [],
        doubts=doubts,
        facts=facts,
        full=_full(db, now, rule) if any(Kind.FULL in one.kinds for one in recipients) else (),
        names={one.id: one.name or one.id for one in chargers},
        with_connectors=frozenset(charger for charger, count in counts.items() if count > 1),
    )


def recipients_of(db: Database) -> list[Recipient]:
    """Return all recipients in use."""
    return [_recipient(*row) for row in db.execute(_RECIPIENTS).fetchall()]


def _recipient(*row: Any) -> Recipient:
    (
        number,
        is_driver,
        account,
        language,
        mail,
        has_push,
        kinds,
        minutes,
        quiet_from,
        quiet_until,
        *rest,
    ) = row
    with_names, gets_statements, added_at = rest
    return Recipient(
        id=number,
        is_driver=bool(is_driver),
        account=account,
        language=language,
        mail=mail,
        has_push=bool(has_push),
        kinds=frozenset(orjson.loads(kinds)),
        away_minutes=minutes,
        quiet=None if quiet_from is None else (quiet_from, quiet_until),
        with_names=bool(with_names),
        gets_statements=bool(gets_statements),
        added_at=added_at,
    )


# What lasts


def _causes(db: Database) -> Iterator[Cause]:
    for row in db.execute(_CAUSES).fetchall():
        with left_out(cause=row[0]):
            yield _cause(*row)


def _cause(
    number: int, kind: str, subject: str, parts: str, words: str | None, began: str, found: str
) -> Cause:
    return Cause(
        id=number,
        kind=Kind(kind),
        subject=subject,
        parts={
            Place(charger, connector): Span(
                _moment(since), None if until is None else _moment(until)
            )
            for charger, connector, since, until in orjson.loads(parts)
        },
        words=of_stored(words),
        began_at=_moment(began),
        found_at=_moment(found),
    )


def _conditions(
    db: Database, now: datetime, rule: Rule, machine: MachineState, chargers: ServedChargers
) -> Iterator[Condition]:
    """Yield what lasts of what the page Now says wants a look, and who is away, also if it is
    turned away at the door.

    While this server was off, nobody was away.
    """
    by_id, begun = {one.id: one for one in chargers.served}, _moment(machine.begun_at)
    for charger in chargers.served:
        if not charger.is_connected and charger.since is not None:
            yield Condition(Kind.AWAY, "", Place(charger.id), max(begun, _moment(charger.since)))
    for one in attention(db, now, rule.zone, machine, chargers, sees_all=False, policy=rule.policy):
        if (kind := _CONDITIONS.get(one.kind)) is not None:
            yield _condition(kind, one, chargers, by_id, now)
    for what, subject, since, words in load.problems(load.load_now(db)):
        yield Condition(
            Kind(what), subject, Place(""), now if since is None else _moment(since), words
        )


def _condition(
    kind: Kind,
    one: Attention,
    chargers: ServedChargers,
    by_id: Mapping[str, KnownCharger],
    now: datetime,
) -> Condition:
    place = Place(one.charger or "", one.connector or 0)
    since = now if one.since is None else _moment(one.since)
    if kind is Kind.FAULTED:
        fault = chargers.faults.get(place)
        code = by_id[place.charger].error_code if fault is None and not place.connector else None
        return Condition(kind, fault.error_code if fault else code or "", place, since)
    if kind in (Kind.COMMAND, Kind.IGNORED):  # one charger is no reason for another
        return Condition(kind, place.charger, place, since, one.words)
    return Condition(kind, one.kind if one.charger is None else "", place, since, one.words)


def _of_doubts(doubts: Mapping[str, DoubtsAt]) -> Iterator[Condition]:
    for one in doubts.values():
        yield Condition(Kind.DOUBTFUL, one.charger, Place(one.charger), one.since)


# What happened


def _facts(db: Database, position: int, rule: Rule) -> tuple[int, list[NewFact]]:
    """Return up to which fact was looked, and what may be told of them."""
    page = db.execute(_FACTS, (position, *_KINDS, MOST_FACTS)).fetchall()
    upto = page[-1][0] if len(page) == MOST_FACTS else newest(db)
    facts = []
    for number, kind, data in page:
        with left_out(fact=number):
            if (fact := read_fact(kind, data)) is not None:
                facts.append(_new_fact(db, number, fact, rule))
    return upto, facts


def _new_fact(db: Database, number: int, fact: Fact, rule: Rule) -> NewFact:
    account = _account_of(db, fact, rule)
    names = [] if account is None else db.execute(_HOUSEHOLD, (account,)).fetchall()
    household = names[0][0] if names else None
    if isinstance(fact, TransactionStopped | TransactionClosed):
        ((energy_wh, ended_at),) = db.execute(
            _ENDED, (fact.transaction,)
        ).fetchall()  # a transaction is never deleted
        return NewFact(number, fact, account, household, energy_wh, _moment(ended_at))
    if isinstance(fact, MonthClosed):
        return NewFact(
            number, fact, None, None, statements=closed_between(db, fact.first, fact.last)
        )
    return NewFact(number, fact, account, household)


def closed_between(db: Database, first: int | None, last: int | None) -> list[ClosedOne]:
    """Return the closed statements with these numbers."""
    return [ClosedOne(*row) for row in db.execute(_STATEMENTS, (first, last)).fetchall()]


def _account_of(db: Database, fact: Fact, rule: Rule) -> int | None:
    """Return whose a fact is, None if it is nobody's."""
    if isinstance(fact, HouseholdReported):
        return fact.account
    if isinstance(fact, MonthLimitNear | MonthLimitReached):
        if fact.what == "account":
            return int(fact.key)
        periods = periods_of(rows_of(db), Thing(What.TAG, fact.key))
        return next((one.account for one in periods if one.span.covers(fact.at)), None)
    if isinstance(fact, TransactionStopped | TransactionClosed):
        return (
            Owners(rows_of(db), rule.policy, rule.bill_by)
            .decide([fact.transaction])[fact.transaction]
            .account
        )
    return None


def _full(db: Database, now: datetime, rule: Rule) -> list[FullCar]:
    """Return the cars that have taken nothing for FULL_AFTER. The time in which load management
    gave one too little, and in which it could not answer yet, does not count."""
    rows, by = rows_of(db), stamp(shifted(now, -FULL_AFTER))
    full = []
    for number, at in rows(_PAUSED, (by,)):
        with left_out(transaction=number):
            since = max(at, answered_at(rows, number))
            if since > by:
                continue
            wh = energies_so_far(rows, [number]).get(number, 0)
            if wh >= LEAST_WH:
                owner = Owners(rows, rule.policy, rule.bill_by).decide([number])[number]
                full.append(FullCar(number, owner.account, wh, _moment(since)))
    return full


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
