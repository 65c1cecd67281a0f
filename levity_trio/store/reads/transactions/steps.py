"""What happened around a transaction, in order of receipt: its events, statuses, boots, links,
commands, reviews, and when load management gave its car too little."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from operator import attrgetter
from typing import Any, Final

from levity_trio.charging.lifecycle import Kind
from levity_trio.charging.reviews import name_of
from levity_trio.records import record
from levity_trio.store.cases.case import clock_words
from levity_trio.store.cases.settled import by_whom
from levity_trio.store.cases.transaction import LAST_TIME, StoredTransaction
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups.load_spans import BELOW, PAUSED, PRICE, WAITED, LoadSpan, spans_of
from levity_trio.store.reads.chargers.charger_facts import ABNORMAL, OWN_REASONS
from levity_trio.store.reads.transactions.review_queue import Review
from levity_trio.store.reads.transactions.transactions import (
    TransactionEvent,
    anonymous_event,
    events_of,
)
from levity_trio.told import Moment, Quantity, Told, joined
from levity_trio.wire.times import shifted_stamp
from levity_trio.wire.words import of_ocpp

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
