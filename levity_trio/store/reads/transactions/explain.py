"""All that is known of one transaction, in order: what happened, what its figure is based on, and
what speaks against.

Everything is read from one snapshot. The candidates are those of today's rules and facts; the
stored figure may be older.

What happened around a transaction, in order of receipt: its events, statuses, boots, links,
commands, reviews, and when load management gave its car too little.

What the signed values of transactions prove: the values and keys that are stored, the check of
them, and what it found.

The public keys of the meters of a charger: those that were entered, and those that it tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime, timedelta, tzinfo
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Any, Final, NamedTuple

from levity_trio.charging.energy import Judgement
from levity_trio.charging.explain import Interpretation, weigh
from levity_trio.charging.lifecycle import Kind, State
from levity_trio.charging.refute.shared import counted
from levity_trio.charging.reviews import name_of
from levity_trio.charging.sent.evidence import Case
from levity_trio.charging.sent.plain import plain
from levity_trio.records import ForOperators, record
from levity_trio.signed.checking import (
    MOST_RECORDS,
    NO_KEY,
    OTHER_FORMAT,
    BilledSession,
    KnownKey,
    SignedFinding,
    SignedState,
    check,
    transparency_file,
)
from levity_trio.signed.keys import MeterKey, NoMeterKey, parse_key
from levity_trio.signed.records import LONGEST, records_in
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
from levity_trio.store.engine.database import Database, Rows, rows_of
from levity_trio.store.lookups.load_spans import BELOW, PAUSED, PRICE, WAITED, LoadSpan, spans_of
from levity_trio.store.reads.chargers.chargers import ABNORMAL, OWN_REASONS
from levity_trio.store.reads.pages import Shape
from levity_trio.store.reads.transactions.bill import Bill, bill_lines, bill_of, to_the_minute
from levity_trio.store.reads.transactions.reviews import Review, anonymous_review, reviews_of
from levity_trio.store.reads.transactions.transactions import (
    ACTIVE,
    Transaction,
    TransactionEvent,
    anonymous_event,
    events_of,
    transaction_rows,
)
from levity_trio.told import Moment, Quantity, Told, joined
from levity_trio.wire.times import parse_time, shifted_stamp
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
    return Quantity(sent, "Wh") if type(sent) is int else str(sent)


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


_TIME: Final = re.compile(
    (
        r"(?<!--since )(?<!--until "
        r")\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)(?!\w)"
    ),
    re.ASCII,
)
"""A time of the database, or one that a charger sent; in a command that is proposed it stays
exact."""


def lines(told: ExplainedTransaction, zone: tzinfo) -> Iterator[str]:
    """Yield the lines; a blank one before each heading."""

    def local(found: re.Match[str]) -> str:
        # a charger sent it
        return found[0] if parse_time(found[0]) is None else to_the_minute(found[0], zone)

    return (_TIME.sub(local, line) for line in _lines(told, zone))


def _lines(told: ExplainedTransaction, zone: tzinfo) -> Iterator[str]:
    tx = told.transaction
    where = "an unknown connector" if tx.connector is None else f"connector {tx.connector}"
    yield f"Session {tx.id} of {tx.charger}, {where}, card {_tag(told)}: {tx.state}"
    yield (
        f"  from {tx.start_time} to {tx.stop_time or 'now'}{_reason(tx)}; times are those of {zone}"
    )
    yield from _figure(told)
    yield from _headed("What happened", (f"{step.at}  {step.words}" for step in told.steps))
    yield from _headed("Readings", map(_sampled_line, told.readings))
    either = (("before", told.before), ("after", told.after))
    neighbours = [_neighbour_line(which, one) for which, one in either if one is not None]
    yield from _headed(
        "Neighbours", (*neighbours, *(_beside_line(one, tx.charger) for one in told.beside))
    )
    yield from _headed("Explanations by today's rules", map(_explained, told.candidates))
    yield from _headed("Doubts", _doubts(told))
    if told.bill is not None:
        yield from _headed("The bill", bill_lines(told.bill))


def _tag(told: ExplainedTransaction) -> str:
    """Return its tag, as the charger sent it."""
    known = told.transaction.id_tag
    payloads = (step.details.get("payload") for step in told.steps)
    sent = (
        payload["idTag"] for payload in payloads if isinstance(payload, dict) and "idTag" in payload
    )
    return next(
        (tag for tag in sent if str(tag).casefold() == str(known).casefold()), known or "unknown"
    )


def _headed(heading: str, found: Iterable[str]) -> Iterator[str]:
    every = list(found)
    if every:
        yield from ("", heading)
        yield from (f"  {line}" for line in every)


def _reason(tx: Transaction) -> str:
    if tx.stopped_by is None:
        return ""
    if tx.imported_id is not None:
        return f" ({tx.stop_reason})" if tx.stop_reason else ""
    by = "the system" if tx.stopped_by == "system" else "its charger"
    return f", ended by {by} ({tx.stop_reason or 'Local'})"


def _figure(told: ExplainedTransaction) -> Iterator[str]:
    tx, today = told.transaction, told.today
    if tx.energy_wh is None:
        yield f"  {_wh(tx.energy_so_far_wh)} so far"
        return
    if tx.imported_id is not None:
        yield f"  {_wh(tx.energy_wh)} as Levity said, {tx.confidence}, billed elsewhere"
        yield (
            f"  there session {tx.imported_id}, register {_wh(tx.meter_start_wh)} to "
            f"{_wh(tx.meter_stop_wh)}"
        )
        return
    based = f", register {_wh(tx.billed_from_wh)} to {_wh(tx.billed_until_wh)}"
    settled = f"; settled by {told.settled_by}" if told.settled_by is not None else ""
    yield f"  {_wh(tx.energy_wh)}, {tx.confidence}, by {tx.energy_method}{based}{settled}"
    yield f"  judged {tx.judged_at} by version {tx.rules} of the rules"
    if told.signed is not None:
        signed = told.signed
        of_key = "" if signed.key is None else f"; key {signed.key[:16]}"
        is_told = ", told by the charger" if signed.is_key_told else ""
        yield f"  signed values: {signed.state}, {signed.words}{of_key}{is_told}"
    if today is not None and not today.is_as_stored:
        yield f"  today's rules give {_wh(today.wh)}, {today.confidence}"


def _wh(wh: int | None) -> str:
    return "unknown" if wh is None else f"{wh:,} Wh"


def _sampled_line(summary: ReadingSummary) -> str:
    phase = f" {summary.phase}" if summary.phase else ""
    when = _span(summary.first_at, summary.last_at)
    what = (
        f"{summary.count} × {summary.measurand}{phase} ({summary.source}, {summary.context}), "
        f"{when}"
    )
    if summary.first_wh is not None:
        return f"{what}: {_span(_wh(summary.first_wh), _wh(summary.last_wh))}"
    return f"{what}: {_span(_value(summary.least), _value(summary.most))} {summary.unit}".rstrip()


def _value(value: float | None) -> str:
    return "unknown" if value is None else plain(value, 12)


def _span(first: str, last: str) -> str:
    """Return both ends, or the only one."""
    return first if first == last else f"{first} to {last}"


def _beside_line(other: ParallelTransaction, charger: str) -> str:
    of_it = f"it drew at most {_wh(other.most_wh)}" if other.most_wh else "it drew next to nothing"
    common = f"one register, {_wh(other.from_wh)} to {_wh(other.until_wh)} while both ran; {of_it}"
    there = "" if other.charger == charger else f" of {other.charger}"
    charged = f"{_wh(other.begin_wh)} to {_wh(other.end_wh)}"
    return f"beside: {other.id} on connector {other.connector}{there}, {charged}; {common}"


def _neighbour_line(which: str, neighbour: Neighbour) -> str:
    between = ""
    if neighbour.gap_wh is not None:
        between = (
            f"; {_wh(neighbour.gap_wh)} between"
            if neighbour.gap_wh >= 0
            else f"; they overlap by {_wh(-neighbour.gap_wh)}"
        )
    return (
        f"{which}: {neighbour.id}, {_wh(neighbour.begin_wh)} to {_wh(neighbour.end_wh)}, "
        f"{neighbour.status}{between}"
    )


def _explained(interpretation: Interpretation) -> str:
    mark = "chosen" if interpretation.is_chosen else "possible"
    if interpretation.against is not None and interpretation.evidence is not None:
        mark = (
            f"refuted, {interpretation.against}: {interpretation.evidence[0]} against "
            f"{interpretation.evidence[1]}"
        )
    return f"{_wh(interpretation.wh)}  {interpretation.words} ({interpretation.method}): {mark}"


def _doubts(told: ExplainedTransaction) -> Iterator[str]:
    for review in told.reviews:
        state = (
            "open"
            if review.resolved_at is None
            else f"{review.resolution} by {review.resolved_by} at {review.resolved_at}"
        )
        yield f"{name_of(review.code)}, {state}: {review.words}"
        if review.evidence:
            yield f"  {' against '.join(map(str, review.evidence))}"
        for words, wh in review.figures.items() if isinstance(review.figures, dict) else ():
            yield f"  {_wh(wh)}  {words}"


NEWEST: Final = 2**62
"""No id is as high."""
_VALUES: Final = (
    "SELECT value FROM meter_val WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? "
    "AND tx_id = ? AND format = 'SignedData' AND length(value) <= ? AND id <= ? "
    "ORDER BY timestamp DESC, id DESC LIMIT ?"
)
_ENTERED: Final = (
    "SELECT key, added_at <= ? OR EXISTS (SELECT 1 FROM signed_check AS earlier "
    "WHERE earlier.key = fingerprint AND earlier.tx_id < ?) "
    "FROM meter_key WHERE cp_id = ? AND conn_id IN (0, ?) "
    "AND (ended_at IS NULL OR (ended_at > ? AND EXISTS (SELECT 1 FROM signed_check "
    "WHERE signed_check.key = fingerprint))) ORDER BY id DESC"
)
"""Whether each is of then: it was known, or an earlier session is signed with it. A key that never
fitted was entered by mistake: since it ended, it contradicts nothing."""
_TOLD: Final = (
    "SELECT key, value, read_at FROM configuration "
    "WHERE cp_id = ? AND is_known = 1 AND value <> '' "
    "AND lower(key) LIKE '%publickey%' ORDER BY id DESC LIMIT 100"
)
"""Such as MeterPublicKey1: that of connector 1 (Open Charge Alliance, signed meter values)."""
MOST_TOLD: Final = 10
"""Keys of a connector that are tried. A charger may tell another one at each boot."""
_CONNECTOR: Final = re.compile(r"(?<!\d)(\d{1,2})\]?$")
_WITH_FINGERPRINT: Final = "SELECT key FROM meter_key WHERE cp_id = ? AND fingerprint = ?"
_FITTING: Final = "SELECT key FROM signed_check WHERE tx_id = ?"
_WORK: Final = "SELECT revision FROM signed_work WHERE id = 1"


class CheckedSession(NamedTuple):
    """What the signed values of a transaction prove; None: it has none, or has not ended."""

    transaction: int
    finding: SignedFinding | None


def checked_revision(db: Database) -> int:
    """Return the newest of bill_work that the table knows."""
    return next((int(found) for (found,) in db.execute(_WORK).fetchall()), 0)


def checked(db: Database, numbers: Sequence[int]) -> list[CheckedSession]:
    """Check the signed values of transactions."""
    rows = rows_of(db)
    return [CheckedSession(number, _checked(rows, number)) for number in numbers]


def _checked(rows: Rows, number: int) -> SignedFinding | None:
    tx = find_transaction(rows, number)
    if tx is None or tx.energy_delivered is None:
        return None
    return _check(rows, tx, known_keys(rows, tx), tx.energy_delivered)


def _check(
    rows: Rows, tx: StoredTransaction, keys: Sequence[KnownKey], wh: int, newest: int = NEWEST
) -> SignedFinding | None:
    if tx.stop_time is None or not (values := _values(rows, tx, newest)):
        return None
    since, until = tx.own_start_time, tx.own_stop_time or tx.stop_time
    session = BilledSession(wh, datetime.fromisoformat(since), datetime.fromisoformat(until))
    return check(values, keys, session)


def is_contradicted(rows: Rows, number: int, fingerprint: str, wh: int, newest: int) -> bool:
    """Whether the signed values of a transaction, up to an id, do not say what a statement says of
    them: that they prove this figure with the key of this fingerprint, which its owner entered."""
    tx = find_transaction(rows, number)
    if tx is None:
        return True
    texts = rows(_WITH_FINGERPRINT, (tx.charger, fingerprint))
    keys = [KnownKey(parse_key(text), is_owners=True) for (text,) in texts]
    found = _check(rows, tx, keys, wh, newest) if keys else None
    return found is None or found.state == SignedState.DOUBTFUL


def _values(rows: Rows, tx: StoredTransaction, newest: int = NEWEST) -> list[str]:
    place = (tx.charger, tx.connector or 0, *span(tx), tx.id)
    found = rows(_VALUES, (*place, LONGEST, newest, MOST_RECORDS))
    return [value for (value,) in reversed(found)]


def known_keys(rows: Rows, tx: StoredTransaction) -> list[KnownKey]:
    """Return the keys of the meter of a transaction: those that the owner entered first."""
    connector = tx.connector or 0
    known = list[KnownKey]()
    ended = tx.stop_received_at or LAST_TIME
    for text, is_of_then in rows(_ENTERED, (ended, tx.id, tx.charger, connector, tx.created_at)):
        known.append(KnownKey(parse_key(text), is_owners=True, is_of_then=bool(is_of_then)))
    told = (one.key for one in told_keys(rows, tx.charger) if one.connector in (0, connector))
    newest = [*dict.fromkeys(told)][:MOST_TOLD]
    return known + [KnownKey(key, is_owners=False) for key in newest]


class ToldKey(NamedTuple):
    """A key that the settings of a charger tell. `connector` 0: of each."""

    connector: int
    key: MeterKey
    read_at: str


def told_keys(rows: Rows, charger: str) -> Iterator[ToldKey]:
    """Yield the keys that the settings of a charger tell, or told, the newest first."""
    for name, text, read_at in rows(_TOLD, (charger,)):
        number = _CONNECTOR.search(name)
        with suppress(NoMeterKey):
            yield ToldKey(int(number[1]) if number else 0, parse_key(text), read_at)


def file_of(db: Database, number: int) -> str | None:
    """Return the signed values of a transaction as a file of the transparency software; None: it
    has none that this can read."""
    rows = rows_of(db)
    tx = find_transaction(rows, number)
    sent = [one for value in _values(rows, tx) for one in records_in(value)] if tx else []
    if tx is None or not sent:
        return None
    checked_with = [key for (key,) in rows(_FITTING, (number,))]
    keys = [one.key for one in known_keys(rows, tx)]
    fitting = [one for one in keys if one.fingerprint in checked_with] or keys
    return transparency_file(number, [*dict.fromkeys(sent)], fitting[0].text if fitting else None)


@record
class KnownMeterKey:
    """The public key of a meter. `connector` 0: of each. `fingerprint` is the SHA-256 of its point,
    `key` a SubjectPublicKeyInfo in DER, or a bare point; both are hexadecimal.

    If `is_told`, the charger told it in its settings, read at `added_at`; it settles no doubt, and
    `id` and `added_by` are null.
    """

    id: int | None
    connector: int
    fingerprint: str
    key: str
    added_at: str
    added_by: ForOperators[str | None]
    is_told: bool


_ON_LABELS: Final = Shape(KnownMeterKey, is_told="0")
_RECENT: Final = 20
"""Sessions, by which a charger is judged."""
_LACKS: Final = (
    "SELECT 1 FROM (SELECT id FROM tx WHERE cp_id = ? ORDER BY start_time DESC LIMIT ?) AS newest "  # noqa: S608 - our own words
    "JOIN signed_check ON tx_id = newest.id "
    f"WHERE told LIKE '%{NO_KEY}%' LIMIT 1"
)


def meter_keys(db: Database, charger: str) -> list[KnownMeterKey]:
    """Return the keys of the meters of a charger, those that were entered first."""
    known = _ON_LABELS.every(
        db, "FROM meter_key WHERE cp_id = ? AND ended_at IS NULL ORDER BY conn_id, id", (charger,)
    )
    told: dict[tuple[int, str], KnownMeterKey] = {}
    for connector, key, read_at in told_keys(rows_of(db), charger):
        shown = KnownMeterKey(
            id=None,
            connector=connector,
            fingerprint=key.fingerprint,
            key=key.text,
            added_at=read_at,
            added_by=None,
            is_told=True,
        )
        told.setdefault((connector, key.fingerprint), shown)
    return [*known, *told.values()]


def lacks_key(db: Database, charger: str) -> bool:
    """Whether the meter of a charger signs, and nobody knows with which key."""
    return bool(rows_of(db)(_LACKS, (charger, _RECENT)))
