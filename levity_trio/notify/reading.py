"""What a look finds, from one snapshot of the database: what lasts now, the new facts, and who
wants to know.

What lasts is what the page Now says wants a look, so that a message never says another thing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final, NamedTuple

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
from levity_trio.notify.kinds import (
    KINDS,
    CausePlace,
    Condition,
    DoubtsAt,
    MessageCause,
    MessageKind,
    Span,
)
from levity_trio.records import record
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.cases.so_far import energies_so_far
from levity_trio.store.engine.database import Database, marks, rows_of
from levity_trio.store.lookups.load_spans import answered_at
from levity_trio.store.lookups.places import Owners, periods_of
from levity_trio.store.reads.chargers.chargers import open_faults, served, statuses_now
from levity_trio.store.reads.load import load
from levity_trio.store.reads.now import copies
from levity_trio.store.reads.now.attention import (
    RETURN_SECONDS,
    Attention,
    MachineState,
    ServedChargers,
    attention,
)
from levity_trio.store.reads.now.present import OPEN_REVIEWS
from levity_trio.store.reads.site.receivers import newest
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
    TransactionStopped,
    TransactionClosed,
    OutcomeKnown,
    HouseholdReported,
    ChargerOdd,
    MonthLimitNear,
    MonthLimitReached,
    MonthClosed,
)
"""The facts that become messages."""
_KINDS: Final = tuple(fact.__name__ for fact in TOLD)
log = get_logger("system")
CONDITIONS: Final = {str(look): kind for kind in MessageKind for look in kind.how.looks}
"""What the page Now says, and people are told."""


@record
class MessageRecipient:
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
    is_household: bool
    """Whether it stands for its household, and is told nothing else."""


class Cursor(NamedTuple):
    """Up to which fact messages were made, in how many rounds, and the local day of the last
    digest."""

    position: int
    round: int
    digest_on: str | None


class ClosedOne(NamedTuple):
    """A closed statement: the id of its row, its number, its account, its month (YYYY-MM), its
    digest, and its language."""

    id: int
    number: int
    account: int
    month: str
    digest: str
    language: str | None = None


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


class ToldBegin(NamedTuple):
    """A message that told the begin of a cause."""

    cause: int
    recipient: int
    channel: str


class LookFindings(NamedTuple):
    """What a look found. `upto` is the last fact that it looked at."""

    cursor: Cursor
    upto: int
    recipients: Sequence[MessageRecipient]
    causes: Sequence[MessageCause]
    begun: frozenset[ToldBegin]
    digests: Mapping[int, str]
    """When each recipient got the last digest."""
    conditions: Sequence[Condition]
    unknown: Collection[MessageKind]
    """Of these, nobody knows yet whether they last: after a start, chargers need a moment to come
    back."""
    doubts: Mapping[str, DoubtsAt]
    facts: Sequence[NewFact]
    full: Sequence[FullCar]
    names: Mapping[str, str]
    with_connectors: frozenset[str]


_CURSOR: Final = "SELECT position, round, digest_on FROM message_cursor"
_RECIPIENTS: Final = """
    SELECT
        recipient.id,
        who = 'driver',
        recipient.account_id,
        coalesce(recipient.language, account.language, person.language),
        CASE is_household WHEN 1 THEN account.mail ELSE recipient.mail END,
        topic IS NOT NULL,
        kinds,
        away_minutes,
        quiet_from,
        quiet_until,
        with_names,
        gets_statements,
        recipient.added_at,
        is_household
    FROM recipient
    LEFT JOIN account ON account.id = recipient.account_id
    LEFT JOIN "user" AS person ON person.id = user_id
    WHERE recipient.ended_at IS NULL AND person.removed_at IS NULL
    ORDER BY recipient.id
"""
_CAUSES: Final = """
    SELECT id, kind, subject, parts, words, began_at, found_at
    FROM cause INDEXED BY cause_open
    WHERE ended_at IS NULL
    ORDER BY id
"""
_BEGUN: Final = """
    SELECT cause_id, recipient_id, channel
    FROM cause INDEXED BY cause_open
    CROSS JOIN message ON message.cause_id = cause.id
    WHERE ended_at IS NULL AND part = 'begin'
"""
_DIGESTS: Final = """
    SELECT id, (
        SELECT max(created_at) FROM message WHERE recipient_id = recipient.id AND part = 'digest'
    )
    FROM recipient
    WHERE ended_at IS NULL
"""
_DOUBTS: Final = f"""
    SELECT cp_id, count(DISTINCT tx_id), min(opened_at)
    FROM {OPEN_REVIEWS}
    GROUP BY cp_id
"""  # noqa: S608 - our own words
_FACTS: Final = f"""
    SELECT id, kind, data
    FROM event
    WHERE id > ? AND kind IN ({marks(_KINDS)})
    ORDER BY id
    LIMIT ?
"""  # noqa: S608
_ENDED: Final = """
    SELECT coalesce(energy_delivered, 0), coalesce(stop_time, start_time)
    FROM tx
    WHERE id = ?
"""
_STATEMENTS: Final = """
    SELECT id, number, account_id, month, digest, language
    FROM statement
    WHERE number BETWEEN ? AND ?
    ORDER BY number
"""
_HOUSEHOLD: Final = "SELECT name FROM account WHERE id = ?"
_PAUSED: Final = """
    SELECT tx.id, cp_conn.status_at
    FROM tx INDEXED BY tx_open
    JOIN cp_conn ON cp_conn.cp_id = tx.cp_id AND cp_conn.conn_id = tx.conn_id
    WHERE tx.status = 'Active'
        AND tx.suspended_at IS NULL
        AND cp_conn.status = 'SuspendedEV'
        AND cp_conn.status_at <= ?
"""


@contextmanager
def left_out(**what: object) -> Iterator[None]:
    """Log why something cannot be told. What nobody foresaw must not keep all else from being
    told."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        log.exception("something cannot be told, and is left out", **what)


def find(db: Database, now: datetime, rule: Rule, machine: MachineState) -> LookFindings:
    """Look at what there is to tell."""
    stored = db.execute(_CURSOR).fetchone()
    # What happened before messages were set up is told to nobody.
    cursor = Cursor(*stored) if stored else Cursor(newest(db), 0, None)
    chargers = served(db)
    places = ServedChargers(chargers, statuses_now(db, chargers), open_faults(db), ())
    upto, facts = _facts(db, cursor.position, rule)

    conditions = [*_conditions(db, now, rule, machine, places)]
    doubts: dict[str, DoubtsAt] = {}
    for charger, count, opened_at in db.execute(_DOUBTS).fetchall():
        since = _moment(opened_at)
        doubts[charger] = DoubtsAt(charger, count, since)
        conditions.append(Condition(MessageKind.DOUBTFUL, charger, CausePlace(charger), since))

    names = {charger.id: charger.name or charger.id for charger in chargers}
    unknown: list[MessageKind] = []
    if machine.begun_at > stamp(shifted(now, -RETURN)):
        unknown += [MessageKind.AWAY, MessageKind.BACKEND]
    else:
        for problem in copies.problems(db, now, names):
            since = now if problem.since is None else _moment(problem.since)
            place = CausePlace(problem.backend)
            subject, words = problem.subject, problem.words
            conditions.append(Condition(MessageKind.BACKEND, subject, place, since, words))
    recipients = recipients_of(db)
    full: list[FullCar] = []
    if any(MessageKind.FULL in recipient.kinds for recipient in recipients):
        full = _full(db, now, rule)
    digests = db.execute(_DIGESTS).fetchall()
    connectors = Counter(charger for charger, connector in places.statuses if connector != 0)
    return LookFindings(
        cursor=cursor,
        upto=upto,
        recipients=recipients,
        causes=_causes(db),
        begun=frozenset(ToldBegin(*row) for row in db.execute(_BEGUN).fetchall()),
        digests={recipient: at for recipient, at in digests if at is not None},
        conditions=conditions,
        unknown=unknown,
        doubts=doubts,
        facts=facts,
        full=full,
        names=names,
        with_connectors=frozenset(charger for charger, many in connectors.items() if many > 1),
    )


def recipients_of(db: Database) -> list[MessageRecipient]:
    """Return all recipients in use."""
    recipients: list[MessageRecipient] = []
    for row in db.execute(_RECIPIENTS).fetchall():
        number, is_driver, account, language, mail, has_push, kinds, *rest = row
        away_minutes, quiet_from, quiet_until, with_names, *rest = rest
        gets_statements, added_at, is_household = rest
        recipient = MessageRecipient(
            id=number,
            is_driver=bool(is_driver),
            account=account,
            language=language,
            mail=mail,
            has_push=bool(has_push),
            kinds=frozenset(orjson.loads(kinds)),
            away_minutes=away_minutes,
            quiet=None if quiet_from is None else (quiet_from, quiet_until),
            with_names=bool(with_names),
            gets_statements=bool(gets_statements),
            added_at=added_at,
            is_household=bool(is_household),
        )
        recipients.append(recipient)
    return recipients


def _causes(db: Database) -> list[MessageCause]:
    causes: list[MessageCause] = []
    for number, kind, subject, stored, words, began_at, found_at in db.execute(_CAUSES).fetchall():
        with left_out(cause=number):
            parts: dict[CausePlace, Span] = {}
            for charger, connector, since, until in orjson.loads(stored):
                ended = None if until is None else _moment(until)
                parts[CausePlace(charger, connector)] = Span(_moment(since), ended)
            cause = MessageCause(
                id=number,
                kind=KINDS[kind],
                subject=subject,
                parts=parts,
                words=of_stored(words),
                began_at=_moment(began_at),
                found_at=_moment(found_at),
            )
            causes.append(cause)
    return causes


def _conditions(
    db: Database, now: datetime, rule: Rule, machine: MachineState, chargers: ServedChargers
) -> Iterator[Condition]:
    """Yield what lasts of what the page Now says wants a look, and who is away, also if it is
    turned away at the door."""
    # While this server was off, nobody was away.
    begun = _moment(machine.begun_at)
    for charger in chargers.served:
        if not charger.is_connected and charger.since is not None:
            since = max(begun, _moment(charger.since))
            yield Condition(MessageKind.AWAY, "", CausePlace(charger.id), since)

    looks = attention(db, now, rule.zone, machine, chargers, sees_all=False, policy=rule.policy)
    for look in looks:
        kind = CONDITIONS.get(look.kind)
        if kind is not None:
            since = now if look.since is None else _moment(look.since)
            yield _condition(kind, look, since, chargers)
    for what, subject, began_at, words in load.problems(load.load_now(db)):
        since = now if began_at is None else _moment(began_at)
        yield Condition(KINDS[what], subject, CausePlace(""), since, words)


def _condition(
    kind: MessageKind, look: Attention, since: datetime, chargers: ServedChargers
) -> Condition:
    """Return a condition. What has one subject may have one cause."""
    place = CausePlace(look.charger or "", look.connector or 0)
    subject = ""
    if kind is MessageKind.FAULTED:
        fault = chargers.faults.get(place)
        if fault is not None:
            subject = fault.error_code
        elif not place.connector:
            for charger in chargers.served:
                if charger.id == place.charger:
                    subject = charger.error_code or ""
        return Condition(kind, subject, place, since)
    if kind in (MessageKind.COMMAND, MessageKind.IGNORED):
        # One charger that does not obey is no reason for another.
        subject = place.charger
    elif look.charger is None:
        subject = look.kind
    return Condition(kind, subject, place, since, look.words)


def _facts(db: Database, position: int, rule: Rule) -> tuple[int, list[NewFact]]:
    """Return up to which fact was looked, and what may be told of them."""
    page = db.execute(_FACTS, (position, *_KINDS, MOST_FACTS)).fetchall()
    upto = page[-1][0] if len(page) == MOST_FACTS else newest(db)
    facts: list[NewFact] = []
    for number, kind, data in page:
        with left_out(fact=number):
            fact = read_fact(kind, data)
            if fact is not None:
                facts.append(_new_fact(db, number, fact, rule))
    return upto, facts


def _new_fact(db: Database, number: int, fact: Fact, rule: Rule) -> NewFact:
    """Return a fact with whose it is, and with what its message says."""
    if isinstance(fact, MonthClosed):
        statements = closed_between(db, fact.first, fact.last)
        return NewFact(number, fact, None, None, statements=statements)

    account: int | None = None
    if isinstance(fact, HouseholdReported):
        account = fact.account
    elif isinstance(fact, MonthLimitNear | MonthLimitReached):
        account = _account_of_limit(db, fact)
    elif isinstance(fact, TransactionStopped | TransactionClosed):
        owners = Owners(rows_of(db), rule.policy, rule.bill_by)
        account = owners.decide([fact.transaction])[fact.transaction].account
    household: str | None = None
    if account is not None:
        for (name,) in db.execute(_HOUSEHOLD, (account,)).fetchall():
            household = name

    if isinstance(fact, TransactionStopped | TransactionClosed):
        # A transaction is never deleted.
        ((energy_wh, ended_at),) = db.execute(_ENDED, (fact.transaction,)).fetchall()
        return NewFact(number, fact, account, household, energy_wh, _moment(ended_at))
    return NewFact(number, fact, account, household)


def closed_between(db: Database, first: int | None, last: int | None) -> list[ClosedOne]:
    """Return the closed statements with these numbers."""
    return [ClosedOne(*row) for row in db.execute(_STATEMENTS, (first, last)).fetchall()]


def _account_of_limit(db: Database, fact: MonthLimitNear | MonthLimitReached) -> int | None:
    """Return whose a limit is: that of a card is its owner's at that time."""
    if fact.what == "account":
        return int(fact.key)
    for period in periods_of(rows_of(db), Thing(What.TAG, fact.key)):
        if period.span.covers(fact.at):
            return period.account
    return None


def _full(db: Database, now: datetime, rule: Rule) -> list[FullCar]:
    """Return the cars that have taken nothing for FULL_AFTER."""
    rows = rows_of(db)
    latest = stamp(shifted(now, -FULL_AFTER))
    full: list[FullCar] = []
    for number, paused_at in rows(_PAUSED, (latest,)):
        with left_out(transaction=number):
            # The time in which load management gave it too little, or could not answer yet, does
            # not count.
            since = max(paused_at, answered_at(rows, number))
            energy_wh = energies_so_far(rows, [number]).get(number, 0)
            if since > latest or energy_wh < LEAST_WH:
                continue
            owners = Owners(rows, rule.policy, rule.bill_by)
            account = owners.decide([number])[number].account
            full.append(FullCar(number, account, energy_wh, _moment(since)))
    return full


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
