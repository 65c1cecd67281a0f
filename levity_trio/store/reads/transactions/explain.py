"""All that is known of one transaction, in order: what happened, what its figure is based on, and
what speaks against.

Everything is read from one snapshot. The candidates are those of today's rules and facts; the
stored figure may be older.

What happened around a transaction, in order of receipt: its events, statuses, boots, links,
commands, reviews, and when load management gave its car too little.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Any, Final

from levity_trio.charging.energy import Judgement
from levity_trio.charging.explain import Interpretation, weigh
from levity_trio.charging.lifecycle import Kind, State
from levity_trio.charging.refute.shared import counted
from levity_trio.charging.reviews import name_of
from levity_trio.charging.sent.evidence import Case
from levity_trio.records import record
from levity_trio.signed.checking import OTHER_FORMAT
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.cases.case import case_of, clock_words
from levity_trio.store.cases.neighbours import BeforeAndAfter, ChargerHistory
from levity_trio.store.cases.transaction import (
    LAST_TIME,
    SYSTEM,
    StoredTransaction,
    by_our_clock,
    by_whom,
    find_transaction,
    span,
)
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups.load_spans import BELOW, PAUSED, PRICE, WAITED, LoadSpan, spans_of
from levity_trio.store.reads.chargers.charger_facts import ABNORMAL, OWN_REASONS
from levity_trio.store.reads.pages import Shape
from levity_trio.store.reads.transactions.bill.reading import bill_of
from levity_trio.store.reads.transactions.bill.shape import Bill
from levity_trio.store.reads.transactions.review_queue import Review, anonymous_review, reviews_of
from levity_trio.store.reads.transactions.transactions import (
    ACTIVE,
    Transaction,
    TransactionEvent,
    anonymous_event,
    events_of,
    transaction_rows,
)
from levity_trio.told import Moment, Quantity, Told, joined
from levity_trio.wire.times import shifted_stamp
from levity_trio.wire.words import of_ocpp


@record
class ReadingSummary:
    """The readings of one kind: how many, since when, until when, and the smallest and the largest
    value as sent.

    `first_wh` and `last_wh` are the billed register in Wh, in order of time.
    """

    source: str
    measurand: str
    phase: str
    unit: str
    context: str
    count: int
    first_at: str
    last_at: str
    least: float | None
    most: float | None
    first_wh: int | None
    last_wh: int | None


@record
class Neighbour:
    """The previous or next transaction on the connector. `gap_wh` is the energy between the two;
    negative: overlap."""

    id: int
    status: str
    begin_wh: int | None
    end_wh: int | None
    gap_wh: int | None


@record
class ParallelTransaction:
    """A transaction on another connector, perhaps of another charger, that ran at the same time and
    tells the same register: both are one meter.

    While both ran, it rose `from_wh` to `until_wh`. Of that, its car drew `most_wh` at most; 0:
    next to nothing.
    """

    id: int
    charger: str
    connector: int
    begin_wh: int
    end_wh: int | None
    from_wh: int
    until_wh: int
    most_wh: int


@record
class TodaysFigure:
    """What today's rules give for today's facts."""

    wh: int
    method: str
    confidence: str
    doubts: tuple[str, ...]
    is_as_stored: bool


@record
class SignedValues:
    """What a meter signed of a session. `state` is proven (its energy), doubtful (they contradict
    it, or a signature is wrong) or unproven (they cannot be checked, or do not suffice); `words` is
    why.

    `energy_wh` is the signed difference. `key` is the fingerprint of the key that fits, null if
    none does; its owner entered it, unless `is_key_told` by the charger. `is_timed` is whether the
    times are proven, too, `has_file` whether there is a file for the transparency software.
    """

    state: str
    words: str
    energy_wh: int | None
    key: str | None
    is_key_told: bool
    is_timed: bool
    has_file: bool


_SIGNED: Final = Shape(
    SignedValues,
    words="told",
    energy_wh="wh",
    is_key_told="key IS NOT NULL AND is_owners = 0",
    has_file=f"(SELECT told NOT LIKE '%{OTHER_FORMAT}%')",
).with_texts("words")


def signed_values(db: Database, number: int) -> SignedValues | None:
    """Return what a meter signed of a session; None: nothing, or it has not ended."""
    found = _SIGNED.every(db, "FROM signed_check WHERE tx_id = ?", (number,))
    return found[0] if found else None


@record
class ExplainedTransaction:
    """What is known of a transaction. An open one has no candidates yet, an imported one has none
    and no neighbours.

    `settled_by` is who settled its figure. `bill` is whose it is, what it costs, and on which
    statement it stands; viewers do not see it. `signed` is null unless its meter signs.
    """

    transaction: Transaction
    settled_by: str | None
    today: TodaysFigure | None
    candidates: tuple[Interpretation, ...]
    readings: tuple[ReadingSummary, ...]
    before: Neighbour | None
    after: Neighbour | None
    beside: tuple[ParallelTransaction, ...]
    reviews: tuple[Review, ...]
    steps: tuple[Step, ...]
    signed: SignedValues | None
    bill: Bill | None


_SAMPLED: Final = Shape(
    ReadingSummary,
    count="CAST(sum(coalesce(run_count, 1)) AS INTEGER)",
    first_at="min(timestamp)",
    last_at="max(timestamp)",
    least="min(CAST(coalesce(run_low, value) AS REAL))",
    most="max(CAST(coalesce(run_high, value) AS REAL))",
    first_wh="NULL",
    last_wh="NULL",
)
_GROUPS: Final = (
    "FROM meter_val "
    "WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? AND tx_id = ? "
    "AND format <> 'SignedData' GROUP BY source, measurand, phase, unit, context "
    "ORDER BY source, measurand, phase, unit, context"
)
_REGISTER: Final = (
    "SELECT wh FROM meter_val "
    "WHERE cp_id = ?1 AND conn_id = ?2 AND timestamp BETWEEN ?3 AND ?4 AND tx_id = ?5 "
    "AND wh IS NOT NULL AND source = ?6 AND measurand = ?7 AND phase = ?8 AND unit = ?9 "
    "AND context = ?10 "
    "ORDER BY timestamp {0}, id {0} LIMIT 1"
)


def explain(
    db: Database,
    number: int,
    rule: Rule,
    *,
    now: datetime | None = None,
    is_anonymous: bool = False,
    is_weighed: bool = True,
) -> ExplainedTransaction | None:
    """Return all that is known of a transaction; None if it does not exist. An open one costs what
    it would cost `now`.

    If `is_anonymous`, without frames, remote starts, names of accounts, and the names and reasons
    of operators. Unless `is_weighed`, without all that needs every reading: candidates, what
    today's rules give, and kinds of readings.
    """
    tx = find_transaction(rows_of(db), number)
    if tx is None:
        return None
    (shown,) = transaction_rows(db, (number,))
    reviews = tuple(
        map(anonymous_review, reviews_of(db, number)) if is_anonymous else reviews_of(db, number)
    )
    is_judged = shown.state != State.IMPORTED
    is_figured = is_weighed and is_judged and tx.status != ACTIVE
    course = ChargerHistory(rows_of(db), tx.charger)
    around = course.around(tx) if is_judged else BeforeAndAfter((), ())
    case = case_of(course, tx) if is_figured else None
    judgement, weighed = (None, []) if case is None else weigh(case)
    return ExplainedTransaction(
        transaction=shown,
        settled_by=next(
            (one.resolved_by for one in reversed(reviews) if one.resolved_by not in (None, SYSTEM)),
            None,
        ),
        today=None if judgement is None else _today(judgement, tx),
        candidates=tuple(weighed),
        readings=tuple(_sampled(db, tx)) if is_weighed else (),
        before=next((_neighbour(one, one.end, tx.meter_start) for one in around.before), None),
        after=next(
            (_neighbour(one, tx.billed_until or tx.meter_stop, one.begin) for one in around.after),
            None,
        ),
        beside=()
        if case is None or judgement is None
        else tuple(_beside(tx.charger, case, judgement)),
        reviews=reviews,
        steps=tuple(steps_of(db, tx, reviews, is_anonymous=is_anonymous)),
        signed=signed_values(db, number),
        bill=None if is_anonymous else bill_of(db, number, rule, now),
    )


def _today(judgement: Judgement, tx: StoredTransaction) -> TodaysFigure:
    return TodaysFigure(
        wh=judgement.wh,
        method=judgement.method,
        confidence=judgement.confidence,
        doubts=tuple(doubt.words for doubt in judgement.doubts),
        is_as_stored=judgement.wh == tx.energy_delivered,
    )


def _beside(charger: str, case: Case, judgement: Judgement) -> Iterator[ParallelTransaction]:
    for found in counted(case, judgement.billed_from, judgement.billed_until):
        beside, common = (
            found.other,
            {"from_wh": found.begin, "until_wh": found.end, "most_wh": found.most},
        )
        charging_there = beside.charger or charger
        yield ParallelTransaction(
            id=beside.id,
            charger=charging_there,
            connector=beside.connector,
            begin_wh=beside.begin,
            end_wh=beside.end,
            **common,
        )


def _sampled(db: Database, tx: StoredTransaction) -> list[ReadingSummary]:
    of_it = (tx.charger, tx.connector or 0, *span(tx), tx.id)
    found = [_with_register(db, of_it, one) for one in _SAMPLED.every(db, _GROUPS, of_it)]
    ours = partial(by_our_clock, tx)
    return [replace(one, first_at=ours(one.first_at), last_at=ours(one.last_at)) for one in found]


def _with_register(
    db: Database, of_it: tuple[object, ...], summary: ReadingSummary
) -> ReadingSummary:
    kind = (summary.source, summary.measurand, summary.phase, summary.unit, summary.context)
    first, last = (
        next(
            chain.from_iterable(db.execute(_REGISTER.format(order), (*of_it, *kind)).fetchall()),
            None,
        )
        for order in ("ASC", "DESC")
    )
    return replace(summary, first_wh=first, last_wh=last)


def _neighbour(one: StoredTransaction, ended: int | None, begun: int | None) -> Neighbour:
    gap = None if ended is None or begun is None else begun - ended
    return Neighbour(id=one.id, status=one.status, begin_wh=one.begin, end_wh=one.end, gap_wh=gap)


MARGIN: Final = timedelta(minutes=5)
"""How long before its start and after its stop something belongs to the story of a transaction."""
MOST: Final = 500
"""Rows of one kind, so that a charger that floods does not make a story endless."""


@record
class Step:
    """Something that happened: when it was received, what kind it is, in words, and its row.
    `frame` is the id of its frame in `evidence`."""

    at: str
    kind: str
    words: str
    frame: int | None
    details: Mapping[str, Any]


_STATUSES: Final = (
    "SELECT received_at, timestamp, conn_id AS connector, status, error_code, info, count "
    "FROM status "
    "WHERE cp_id = ? AND conn_id = ? AND received_at BETWEEN ? AND ? "
    "ORDER BY id LIMIT ?"
)
_BOOTS: Final = (
    "SELECT received_at, vendor, model, firmware_version, meter_serial_number "
    "FROM boot WHERE cp_id = ? AND received_at BETWEEN ? AND ? "
    "ORDER BY id LIMIT ?"
)
_LINKS: Final = (
    "SELECT id AS session, connected_at, ended_at, close_code, close_reason "
    "FROM session "
    "WHERE cp_id = ?1 AND id >= coalesce((SELECT max(id) FROM session WHERE cp_id = ?1 "
    "AND id <= ?2), 0) AND connected_at <= ?4 AND coalesce(ended_at, ?4) >= ?3 "
    "AND imported_from IS NULL "
    "ORDER BY id LIMIT ?5"
)
_REMOTE_STARTS: Final = (
    "SELECT requested_at, id AS command, state, payload "
    "FROM command INDEXED BY command_remote_start "
    "WHERE cp_id = ? AND action = 'RemoteStartTransaction' AND requested_at BETWEEN ? AND ? "
    "ORDER BY id LIMIT ?"
)
_FRAME: Final = "SELECT min(id) FROM evidence WHERE session_id = ? AND message_id = ?"


def steps_of(
    db: Database, tx: StoredTransaction, reviews: Sequence[Review], *, is_anonymous: bool
) -> list[Step]:
    """Return what happened from its first to its last message, with a margin, in order of receipt;
    at one time, causes first."""
    since = shifted_stamp(tx.created_at, -MARGIN)
    until = LAST_TIME if tx.stop_received_at is None else shifted_stamp(tx.stop_received_at, MARGIN)
    events = events_of(db, tx.id)
    steps = [
        *_links(db, tx, since, until),
        *_boots(db, tx, since, until),
        *(() if is_anonymous else _remote_starts(db, tx, since, until)),
        *_statuses(db, tx, since, until),
        *(
            _of_event(db, event)
            for event in (map(anonymous_event, events) if is_anonymous else events)
        ),
        *(_of_span(one, one.until or tx.stop_time) for one in spans_of(rows_of(db), tx.id)),
        *_clock(tx),
        *_reviews(reviews),
    ]
    return sorted(steps, key=attrgetter("at"))


def _of_event(db: Database, event: TransactionEvent) -> Step:
    frame = None
    if event.session is not None and event.message_id is not None:
        ((frame,),) = db.execute(_FRAME, (event.session, event.message_id)).fetchall()
    return Step(
        at=event.received_at,
        kind=event.kind,
        words=_event_words(event),
        frame=frame,
        details=asdict(event),
    )


def _event_words(event: TransactionEvent) -> Told:
    words = Told(f"{event.kind} by {{1}}", by_whom(event.who))
    if event.reason:
        is_code = event.kind == Kind.SUSPEND
        words = joined(": ", (words, Told(event.reason) if is_code else of_ocpp(event.reason)))
    return joined("; ", (words, *_registers(event.payload), *_times(event)))


def _registers(payload: object) -> Iterator[Told]:
    """Yield the registers of a message, as they were sent."""
    sent = payload if isinstance(payload, dict) else {}
    if "meterStart" in sent:
        yield Told("start register {1}", _register(sent["meterStart"]))
    if "meterStop" in sent:
        yield Told("stop register {1}", _register(sent["meterStop"]))


def _register(sent: object) -> Quantity | str:
    return Quantity(sent, "Wh") if isinstance(sent, int) else str(sent)


def _times(event: TransactionEvent) -> Iterator[Told]:
    sent, received = event.sent_timestamp, Moment(event.timestamp)
    if sent is not None and event.timestamp == event.received_at:
        yield Told("its time {1}", Moment(sent))
    elif sent is not None:
        yield Told("its time {1}, taken as {2}", Moment(sent), received)
    if event.count > 1:
        yield Told("{1} times, last {2}", event.count, Moment(event.last_received_at))


def _statuses(db: Database, tx: StoredTransaction, since: str, until: str) -> Iterator[Step]:
    for connector in (0, tx.connector):
        for told in db.query(_STATUSES, [tx.charger, connector, since, until, MOST]):
            words = _status(connector, of_ocpp(told["status"]))
            if told["error_code"] != "NoError":
                words = Told("{1}, error {2}", words, of_ocpp(told["error_code"]))
            yield Step(at=told["received_at"], kind="status", words=words, frame=None, details=told)


def _status(connector: int | None, status: str) -> Told:
    return (
        Told("connector {1} is {2}", connector, status)
        if connector
        else Told("the charger is {1}", status)
    )


def _boots(db: Database, tx: StoredTransaction, since: str, until: str) -> Iterator[Step]:
    for told in db.query(_BOOTS, [tx.charger, since, until, MOST]):
        words = Told(
            "the charger booted, firmware {1}", told["firmware_version"] or Told("unknown")
        )
        yield Step(at=told["received_at"], kind="boot", words=words, frame=None, details=told)


def _links(db: Database, tx: StoredTransaction, since: str, until: str) -> Iterator[Step]:
    for told in db.query(_LINKS, [tx.charger, tx.session, since, until, MOST]):
        if told["connected_at"] >= since:
            yield Step(
                at=told["connected_at"],
                kind="connect",
                words=Told("the charger connected"),
                frame=None,
                details=told,
            )
        if told["ended_at"] is not None and told["ended_at"] <= until:
            words = Told(
                "the connection ended: {1}", _end(told["close_code"], told["close_reason"])
            )
            yield Step(
                at=told["ended_at"], kind="disconnect", words=words, frame=None, details=told
            )


def _end(code: int | None, reason: str | None) -> str:
    if reason:
        return Told(reason) if reason in OWN_REASONS else reason
    return (
        Told("without a close frame")
        if code is None or code == ABNORMAL
        else Told("closed with code {1}", code)
    )


def _remote_starts(db: Database, tx: StoredTransaction, since: str, until: str) -> Iterator[Step]:
    for told in db.query(_REMOTE_STARTS, [tx.charger, since, until, MOST]):
        words = joined(", ", ("RemoteStartTransaction", Told(told["state"])))
        yield Step(at=told["requested_at"], kind="command", words=words, frame=None, details=told)


def _of_span(span: LoadSpan, until: str | None) -> Step:
    words = _MISSES[span.why] if until is None else _missed(span.why, until)
    return Step(at=span.since, kind="load", words=words, frame=None, details=span._asdict())


_MISSES: Final = {
    WAITED: Told("waits for current, because the feeder is full; costs nothing"),
    PAUSED: Told("paused by load management; costs nothing"),
    BELOW: Told("gets less current than its car needs, by load management; costs nothing"),
    PRICE: Told("waits for a lower price, as its driver wants"),
}
"""What a car misses because of load management or its driver."""


def _missed(why: str, until: str) -> Told:
    at = Moment(until)
    if why == WAITED:
        return Told("waited for current until {1}, because the feeder was full; costs nothing", at)
    if why == PRICE:
        return Told("waited for a lower price until {1}, as its driver wanted", at)
    if why == PAUSED:
        return Told("paused by load management until {1}; costs nothing", at)
    return Told(
        "got less current than its car needs until {1}, by load management; costs nothing", at
    )


def _clock(tx: StoredTransaction) -> Iterator[Step]:
    """Yield by how much its charger's clock was behind, as known since it was judged, or since its
    start."""
    if tx.start_behind or tx.stop_behind:
        details = {"start_behind_seconds": tx.start_behind, "stop_behind_seconds": tx.stop_behind}
        yield Step(
            at=tx.judged_at or tx.created_at,
            kind="clock",
            words=clock_words(tx),
            frame=None,
            details=details,
        )


def _reviews(reviews: Sequence[Review]) -> Iterator[Step]:
    for review in reviews:
        details = asdict(review)
        yield Step(
            at=review.opened_at,
            kind="review",
            words=Told("in doubt: {1}", review.words),
            frame=None,
            details=details,
        )
        if review.resolved_at is not None:
            how = Told(review.resolution) if review.resolution else ""
            by = by_whom(review.resolved_by or "")
            words = Told(
                "{1}: resolved by {2}, {3}: {4}", name_of(review.code), by, how, review.reason or ""
            )
            yield Step(
                at=review.resolved_at, kind="resolved", words=words, frame=None, details=details
            )
