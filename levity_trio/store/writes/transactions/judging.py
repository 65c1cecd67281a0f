"""Judges transactions, when they end and after later facts, stores the judgement, and has their
neighbours judged again that it is new evidence for: on the connector and, where they tell the same
register, on others (rules.md, Energy).

Dates them, too, by our clock, if that of their charger was behind (rules.md, Time). If it is not
known whether the clock was behind, or it was set during the transaction, the times as sent may be
right all the same. Then a person decides, unless both give one price.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

from levity_trio.charging.energy import CERTAIN, DOUBTFUL, RULES, Judgement, is_about, judge
from levity_trio.charging.lifecycle import TABLE, Cause, Kind, Resolution, State
from levity_trio.charging.reviews import LASTING, OF_THE_MATCH, Code, Doubt, in_wh
from levity_trio.charging.sent.evidence import Case, seconds
from levity_trio.charging.sent.figures import overlap
from levity_trio.charging.sent.power import HOUR
from levity_trio.charging.sent.readings import Moment
from levity_trio.charging.tolerances import (
    AC_W,
    LATE_SECONDS,
    MOST_LAG,
    MOST_STEPS,
    REJUDGE_SECONDS,
    SAME_BEHIND_SECONDS,
)
from levity_trio.events import (
    EnergyUnbilled,
    TransactionClosed,
    TransactionRejudged,
    TransactionStopped,
)
from levity_trio.log.output import get_logger
from levity_trio.store.billing.pricing import Pricer, Rule
from levity_trio.store.cases.case import (
    CEILING,
    POWER_TOO_HIGH,
    Dating,
    case_of,
    clock_words,
    dated,
    dating,
    habits_of,
    shows_clock,
    span_of,
)
from levity_trio.store.cases.neighbours import (
    AROUND,
    Course,
    Span,
    factor_of,
    is_other_meter,
    may_share,
    newest_beside,
)
from levity_trio.store.cases.settled import SYSTEM, open_reviews, overruled
from levity_trio.store.cases.transaction import COLUMNS, LAST_TIME, Known, after, ended_at, known
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.lookups.connectors import connectors
from levity_trio.store.writes.chargers import oddities
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.transactions.reviews import (
    is_known,
    is_settled,
    open_review,
    replace_doubts,
    resolve,
)
from levity_trio.store.writes.transactions.states import (
    Entry,
    add_event,
    by_the_system,
    load,
    open_ones,
    state,
)
from levity_trio.told import Moment as Stamp
from levity_trio.told import Told, joined
from levity_trio.wire.times import shifted_stamp

MOST_AT_ONCE = 100
"""Transactions judged again in one write."""
log = get_logger("system")

JUDGING_SECONDS = 30.0
"""A judgement takes milliseconds. One that takes longer than this is given up."""
DUE = f"SELECT {COLUMNS} FROM tx WHERE judge_after <= ? ORDER BY judge_after, id LIMIT ?"  # noqa: S608 - our own names
_SCHEDULE = (
    "UPDATE tx SET judge_after = coalesce(judge_after, ?1), judge_steps = ?2 WHERE id = ?3"
    " AND (judge_after IS NULL OR judge_steps > ?2)"
)
_OF_BOTH = {Code.OVERLAP, Code.SHARED_REGISTER}
_TOUCH = (
    "UPDATE cp "
    "SET last_tx_stop_at = max(coalesce(last_tx_stop_at, ''), ?), updated_at = ? "
    "WHERE id = ?"
)


def end(
    db: UnitOfWork,
    origin: Origin,
    tx: Known,
    ended: Known,
    entry: Entry,
    doubts: Sequence[Doubt] = (),
    next_begin: int | None = None,
    course: Course | None = None,
) -> None:
    """End a transaction: judge it, record its figure, and compare it with its neighbours. `ended`
    is its row with the fields of its end, `doubts` are those that the judge cannot find,
    `next_begin` is the start register of the one that is about to begin on its connector."""
    at, course = origin.received_at, course or Course(db.rows, tx.charger)
    ended = ended._replace(status="Completed", stop_behind=0, is_clock_unsure=0)
    clock = dating(db.rows, ended)
    judgement = found = judge(case := case_of(course, ended, next_begin, clock))
    if tx.status == "Completed" and is_settled(db, tx.id):
        doubts = (*doubts, *_later(db, tx, found))
        kept = replace(
            found, wh=tx.energy_delivered or 0, method=tx.energy_method or found.method, doubts=()
        )
        judgement = replace(kept, billed_from=tx.billed_from, billed_until=tx.billed_until)
    event = add_event(
        db, origin._replace(received_at=ended.stop_received_at or at), tx.id, entry
    ).id
    is_reviewed = bool(
        tx.review or doubts or judgement.doubts
    )  # nearly all have no review, so statements are saved
    if is_reviewed:
        replace_doubts(db, tx.id, judgement.doubts, event, at)
        for doubt in doubts:
            open_review(db, tx.id, doubt, event, at)
    confidence = _confidence(db, tx, judgement) if is_reviewed else CERTAIN
    stored = _complete(db, ended, judgement, confidence, at)
    if clock != Dating() or ended.start_behind or tx.review is not None:
        ask_later(db, date(db, ended, clock), at)
        stored = load(db, tx.id)
    learn(db, tx, case, found, at)
    if is_reviewed or judgement.code is not None or tx.status == "Completed":
        tell_neighbours(db, origin, tx, tx.id, course=course)
    told = (
        partial(TransactionClosed, cause=entry.reason or "")
        if ended.stopped_by == SYSTEM
        else TransactionStopped
    )
    fact = told(
        **tx.about(at),
        energy_wh=judgement.wh,
        before_wh=tx.counted_wh,
        method=judgement.method,
        reason=ended.stop_reason or "",
        review=_review_of(db, tx.id) if is_reviewed else None,
    )
    db.record(fact, origin.session)
    compare_neighbours(db, origin, stored, course)
    if judgement.wh:
        db.execute(oddities.MEASURES_AGAIN, (tx.charger, tx.connector))
    else:
        oddities.measured_nothing(
            db, origin, ended._replace(energy_delivered=0, confidence=confidence)
        )


def _later(db: UnitOfWork, tx: Known, judgement: Judgement) -> tuple[Doubt, ...]:
    """Return a doubt if later facts contradict a figure that a person settled, unless that person
    knew it."""
    if judgement.wh == tx.energy_delivered or judgement.wh in overruled(db.rows, tx.id):
        return ()
    words = Told(
        "later facts tell {1}; the figure was settled by a person and stays", in_wh(judgement.wh)
    )
    evidence = (
        Told("{1}, settled", in_wh(tx.energy_delivered)),
        Told("{1} by later facts", in_wh(judgement.wh)),
    )
    doubt = Doubt(Code.LATER_FACTS, words, evidence, {Told("later facts"): judgement.wh})
    return () if is_known(db, tx.id, doubt) else (doubt,)


def _complete(db: UnitOfWork, tx: Known, judgement: Judgement, confidence: str, at: str) -> Known:
    """Store the end of a transaction and its judgement; return it as stored."""
    meter_stop = judgement.billed_until if tx.stopped_by == SYSTEM else tx.meter_stop
    stored = db.rows(
        "UPDATE tx "  # noqa: S608
        "SET status = 'Completed', stopped_by = ?, suspended_at = NULL, free_at = NULL, "
        "stop_time = ?, own_stop_time = ?, sent_stop_time = ?, stop_skew_seconds = ?, "
        "stop_received_at = ?, meter_stop = ?, sent_meter_stop = ?, stop_reason = ?, "
        "stop_id_tag = ?, energy_delivered = ?, energy_method = ?, confidence = ?, "
        "billed_from_wh = ?, billed_until_wh = ?, rules = ?, judged_at = ?, judge_after = NULL, "
        "counted_wh = ?, stop_behind_seconds = 0, is_clock_unsure = 0, updated_at = ? "
        f"WHERE id = ? RETURNING {COLUMNS}",
        (tx.stopped_by, tx.stop_time, tx.own_stop_time, tx.sent_stop_time, tx.stop_skew)
        + (
            tx.stop_received_at,
            meter_stop,
            tx.sent_meter_stop,
            tx.stop_reason,
            tx.stop_id_tag,
            judgement.wh,
        )
        + (judgement.method, confidence, judgement.billed_from, judgement.billed_until, RULES, at)
        + (judgement.wh, at, tx.id),
    )
    db.execute(_TOUCH, (tx.stop_time, at, tx.charger))
    return Known(*stored[0])


def _confidence(db: UnitOfWork, tx: Known, judgement: Judgement) -> str:
    """Return the confidence: certain only without doubts of the judge and about which messages
    belong together."""
    codes = {code for code, _ in open_reviews(db.rows, tx.id)}
    return DOUBTFUL if codes & OF_THE_MATCH else judgement.confidence


def _review_of(db: UnitOfWork, transaction: int) -> str | None:
    """Return the text of the open reviews."""
    ((review,),) = db.rows("SELECT review FROM tx WHERE id = ?", (transaction,))
    return None if review is None else str(review)


def judge_again(db: UnitOfWork, origin: Origin, transaction: int, cause: Cause) -> None:
    """Judge an ended transaction again after later facts, at most once in REJUDGE_SECONDS;
    otherwise schedule it."""
    tx = known(db.rows, transaction)
    if tx is None or tx.judged_at is None or TABLE[state(tx), cause].kind is not Kind.REJUDGE:
        return
    due = _due(tx.judged_at, origin.received_at)
    if origin.received_at < due:
        db.execute(_SCHEDULE, (due, 0, transaction))
    else:
        judge_now(db, origin, tx, cause)


def _due(judged_at: str, at: str) -> str:
    """Return when a transaction may be judged again."""
    return max(at, shifted_stamp(judged_at, timedelta(seconds=REJUDGE_SECONDS)))


def judge_due(db: UnitOfWork, at: str, rule: Rule) -> int:
    """Judge the transactions that are due again, and those that become due by this; return their
    number.

    `rule` is that by which they are billed.

    A bug in judging one costs the others nothing: it keeps its figure, under review.
    """
    judged = 0
    while judged < MOST_AT_ONCE and (due := db.rows(DUE, (at, MOST_AT_ONCE - judged))):
        for tx in map(Known._make, due):
            error = db.attempt(partial(_judge_due, db, at, tx, rule), JUDGING_SECONDS)
            if error is not None:
                words = Told("it could not be judged again after later facts")
                log.error(
                    f"{words}; its figure stays, under review", transaction=tx.id, exc_info=error
                )
                _stop_judging(
                    db,
                    Origin(tx.charger, None, at),
                    tx,
                    Told("{1}; the server's log says why", words),
                )
        judged += len(due)
    return judged


def _judge_due(db: UnitOfWork, at: str, tx: Known, rule: Rule) -> None:
    judge_now(db, Origin(tx.charger, None, at), tx, Cause.LATER, tx.judge_steps)
    judged = load(db, tx.id)
    if judged.is_clock_unsure:
        ask(db, judged, at, rule)


def judge_now(db: UnitOfWork, origin: Origin, tx: Known, cause: Cause, steps: int = 0) -> None:
    """Judge an ended transaction again, and store what changes. `steps` is how many judgements of
    neighbours led here.

    A change is a later fact for its neighbours.
    """
    course, clock = Course(db.rows, tx.charger), dating(db.rows, tx)
    judgement = judge(case_of(course, tx, clock=clock))
    settled = is_settled(db, tx.id)
    found = date(db, tx, clock, is_settled=settled)
    words = "" if found is tx else clock_words(found)
    (_doubt_settled if settled else _judge_now)(db, origin, tx, judgement, cause, words)
    ask_later(db, found, origin.received_at)
    # Of those that overlap, each goes by the other's readings, too, which may be new.
    is_of_both = steps == 0 and any(doubt.code in _OF_BOTH for doubt in judgement.doubts)
    tell_neighbours(db, origin, None if is_of_both else tx, tx.id, steps + 1, course)


def _shown(tx: Known) -> tuple[object, ...]:
    """Return what neighbours go by of a judgement."""
    wh = tx.energy_delivered or 0
    factor = factor_of(tx.energy_method, wh, (tx.billed_until or 0) - (tx.billed_from or 0))
    return tx.status, tx.billed_from, tx.billed_until, tx.confidence, tx.review, factor, wh == 0


def tell_neighbours(
    db: UnitOfWork,
    origin: Origin,
    former: Known | None,
    transaction: int,
    steps: int = 1,
    course: Course | None = None,
) -> None:
    """Have the ended neighbours of a transaction judged again, unless all that they go by is as in
    its `former` row: those next to it on its connector, over empty ones too, and those on others
    that tell the same register."""
    tx = load(db, transaction)
    if former is not None and _shown(former) == _shown(tx):
        return
    own, course = span_of(tx), course or Course(db.rows, tx.charger)
    around = course.around(tx)
    sharing = (load(db, one.id) for one in course.beside(own) if may_share(own, one))
    for other in [*around.before[:1], *_following(tx, around.after), *sharing]:
        if other.judged_at is None or TABLE[state(other), Cause.LATER].kind is not Kind.REJUDGE:
            continue
        if steps < MOST_STEPS:
            db.execute(_SCHEDULE, (_due(other.judged_at, origin.received_at), steps, other.id))
        elif other.judge_after is None and not is_settled(db, other.id):
            words = Told(
                "{1} judgements in a row changed figures around it, so it was not judged again",
                steps,
            )
            log.warning(
                "judging stopped; the transaction is under review",
                transaction=other.id,
                reason=words,
            )
            _stop_judging(db, origin, other, words)


def _following(tx: Known, later: Sequence[Known]) -> list[Known]:
    """Return the next transaction on its connector, and those after it that go by this one: all
    between are empty, or the register fell to 0 among them
    (levity_trio/store/cases/neighbours.py)."""
    followers: list[Known] = []
    has_fallen = False
    for follower in later:
        followers.append(follower)
        has_fallen = has_fallen or _has_fallen(tx) or _has_fallen(follower)
        if (
            not has_fallen
            and follower.billed_from != follower.billed_until
            and follower.energy_delivered != 0
        ):
            break
    return followers


def _has_fallen(tx: Known) -> bool:
    return tx.meter_start == 0 or (tx.meter_stop or 0) < (tx.meter_start or 0)


def _stop_judging(db: UnitOfWork, origin: Origin, tx: Known, words: str) -> None:
    """Open a review in place of a judgement that is due."""
    db.execute("UPDATE tx SET judge_after = NULL, confidence = ? WHERE id = ?", (DOUBTFUL, tx.id))
    doubt = Doubt(
        Code.JUDGING_STOPPED,
        words,
        (Told("{1}, judged at {2}", in_wh(tx.energy_delivered), Stamp(tx.judged_at or "")), words),
    )
    if not _has_review(db, tx.id, doubt.code):
        open_review(db, tx.id, doubt, _note(db, origin, tx, words, Cause.LATER), origin.received_at)
        _record(db, origin, tx, tx.energy_delivered or 0, tx.energy_method or "", Cause.LATER)


def _is_as_before(db: UnitOfWork, tx: Known, judgement: Judgement) -> bool:
    """Whether figure, confidence and reviews are unchanged."""
    before = {code for code, _ in open_reviews(db.rows, tx.id) if code not in LASTING}
    same = (tx.energy_delivered, tx.confidence) == (judgement.wh, _confidence(db, tx, judgement))
    return same and before == {doubt.code.value for doubt in judgement.doubts}


def _judge_now(
    db: UnitOfWork, origin: Origin, tx: Known, judgement: Judgement, cause: Cause, words: str
) -> None:
    """Store a judgement. If it differs, or the times do, of which `words` then tell, that is noted
    and recorded."""
    at = origin.received_at
    if not words and _is_as_before(db, tx, judgement):
        same = (
            "UPDATE tx "
            "SET energy_method = ?, billed_from_wh = ?, billed_until_wh = ?, judged_at = ?, "
            "judge_after = NULL "
            "WHERE id = ?"
        )
        db.execute(
            same, (judgement.method, judgement.billed_from, judgement.billed_until, at, tx.id)
        )
        return
    confidence = _confidence(db, tx, judgement)
    if not words or (tx.energy_delivered, tx.confidence) != (judgement.wh, confidence):
        change = _change_text(tx, judgement.wh, confidence)
        words = joined("; ", [one for one in (change, words) if one])
    event = _note(db, origin, tx, words, cause)
    meter_stop = judgement.billed_until if tx.stopped_by == "system" else tx.meter_stop
    db.execute(
        "UPDATE tx "
        "SET energy_delivered = ?, energy_method = ?, confidence = ?, billed_from_wh = ?, "
        "billed_until_wh = ?, meter_stop = ?, rules = ?, judged_at = ?, judge_after = NULL, "
        "counted_wh = ?, updated_at = ? "
        "WHERE id = ?",
        (judgement.wh, judgement.method, confidence, judgement.billed_from, judgement.billed_until)
        + (meter_stop, RULES, at, judgement.wh, at, tx.id),
    )
    replace_doubts(db, tx.id, judgement.doubts, event, at)
    _record(db, origin, tx, judgement.wh, judgement.method, cause)


def _doubt_settled(
    db: UnitOfWork, origin: Origin, tx: Known, judgement: Judgement, cause: Cause, words: str
) -> None:
    """Keep a figure that a person settled; open a review if later facts contradict it, in place of
    an older one."""
    at, confidence = origin.received_at, tx.confidence
    if words:
        _note(db, origin, tx, words, cause)
    for doubt in _later(db, tx, judgement):
        event = _note(db, origin, tx, _change_text(tx, judgement.wh, judgement.confidence), cause)
        resolve(db, tx.id, doubt.code, at, SYSTEM, Resolution.JUDGED_AGAIN, Told("later facts"))
        open_review(db, tx.id, doubt, event, at)
        confidence = DOUBTFUL
    settle = "UPDATE tx SET confidence = ?, judged_at = ?, judge_after = NULL WHERE id = ?"
    db.execute(settle, (confidence, at, tx.id))


def _change_text(tx: Known, wh: int, confidence: str) -> str:
    return Told(
        "{1}, {2}, before; {3}, {4}, now",
        in_wh(tx.energy_delivered),
        Told(tx.confidence or ""),
        in_wh(wh),
        Told(confidence),
    )


def _note(db: UnitOfWork, origin: Origin, tx: Known, words: str, cause: Cause) -> int:
    """Add the row of tx_event for a judgement; return its id."""
    entry = Entry(
        Kind.REJUDGE, "system", by_the_system(origin.received_at), words, None, state(tx), cause
    )
    return add_event(db, origin, tx.id, entry).id


def _record(db: UnitOfWork, origin: Origin, tx: Known, wh: int, method: str, cause: Cause) -> None:
    told, review = tx.about(origin.received_at), _review_of(db, tx.id)
    fact = TransactionRejudged(
        **told, energy_wh=wh, before_wh=tx.counted_wh, method=method, cause=cause, review=review
    )
    db.record(fact, origin.session)


def compare_neighbours(
    db: UnitOfWork, origin: Origin, tx: Known, course: Course | None = None
) -> None:
    """Compare a transaction that began or ended with its neighbours: record the energy that left
    between them, and have those judged again that it is new evidence about. `tx` is as stored,
    `course` what is known of its charger.

    An offline charger sends late, so those after it may be stored already; unbilled energy that
    changes is recorded again.
    """
    course = course or Course(db.rows, tx.charger)
    earlier, later = course.around(tx).before[:AROUND], course.around(tx).after
    counted = (
        _without_repetition(earlier) if len(earlier) > 1 else earlier or _imported_before(db, tx)
    )
    for first, second in [*((one, tx) for one in counted), *((tx, one) for one in later[:1])]:
        _record_unbilled(db, origin, first, second)
    for other in _concerned(db, course, tx, earlier, _following(tx, later)):
        judge_again(db, origin, other, Cause.LATER)
        course.forget()


def _concerned(
    db: UnitOfWork, course: Course, tx: Known, earlier: Sequence[Known], later: Sequence[Known]
) -> Iterator[int]:
    """Yield the transactions that one is new evidence about; each is judged before the next one is
    looked for.

    Those on other connectors that tell its register, or were held to, and such of an earlier one
    that is in question; if it does not begin at the stop of the previous one, those whose stops may
    have been exchanged; if it begins or stops where another connector stands, all that share a
    register; then those next to it on its connector.
    """
    shared = [
        one
        for one in earlier
        if one.review is not None and _has_review(db, one.id, Code.SHARED_REGISTER)
    ]
    doubted = shared + (_in_question(tx, *earlier[:2]) if len(earlier) > 1 else [])
    at_once = course.beside(span_of(tx))
    for one in (tx, *doubted):
        own = span_of(one)
        for span in course.beside(own):
            if may_share(own, span) or _has_review(db, span.id, Code.SHARED_REGISTER):
                yield span.id
    begins = [(one, one.meter_stop) for one in earlier[:1] if tx.meter_start is not None]
    apart = [
        one for one, stop in begins if stop is not None and not is_about(tx.meter_start or 0, stop)
    ]
    for one in apart:
        yield from _exchanged(db, course, one, tx)
    if (at_once and _stops_at_another(tx, at_once)) or any(
        _begins_at_another(db, one, tx) for one in apart
    ):
        for one in (tx, *earlier):
            yield from _meeting(db, course, one)
    arrived = tx.stop_received_at or tx.created_at
    late = [one for one in later if one.judged_at is not None and one.judged_at <= arrived]
    touched = dict.fromkeys(
        (*late, *doubted, *(one for one in (*earlier[:1], *later) if _is_touched(tx, one)))
    )
    yield from [one.id for one in touched]
    if touched and tx.review is not None:  # a neighbour may have another range now
        yield tx.id


def _exchanged(db: UnitOfWork, course: Course, previous: Known, tx: Known) -> Iterator[int]:
    """Yield the previous transaction and one on another connector at whose stop this one begins,
    and the next there: the charger may have confused the ids of the two stops."""
    for span in course.beside(span_of(previous)):
        if (
            span.charger == tx.charger
            and span.stop is not None
            and is_about(tx.meter_start or 0, span.stop)
        ):
            there = load(db, span.id)
            yield from [one.id for one in (previous, there, *after(db.rows, there.place))]


def _meeting(db: UnitOfWork, course: Course, tx: Known) -> Iterator[int]:
    """Yield a transaction, and those on other connectors beside it whose registers meet its own."""
    own = span_of(tx)
    meeting = [span.id for span in course.beside(own) if may_share(own, span)]
    for one in dict.fromkeys((tx.id, *meeting) if meeting else ()):
        if not _has_review(db, one, Code.SHARED_REGISTER):
            yield one


_END_OF_IMPORTED = "CASE tx.confidence WHEN 'certain' THEN tx.meter_stop END"
_IMPORTED_BEFORE = (
    f"SELECT {COLUMNS.replace('tx.billed_until_wh', _END_OF_IMPORTED)} "  # noqa: S608
    "FROM tx INDEXED BY tx_by_charger "
    "WHERE cp_id = ? AND conn_id = ? AND start_time < ? AND imported_id IS NOT NULL "
    "ORDER BY start_time DESC LIMIT 1"
)


def _imported_before(db: UnitOfWork, tx: Known) -> Sequence[Known]:
    """Return the last imported transaction, which the first one here follows."""
    return [
        Known(*row) for row in db.rows(_IMPORTED_BEFORE, (tx.charger, tx.connector, tx.start_time))
    ]


def _without_repetition(earlier: Sequence[Known]) -> Sequence[Known]:
    """Return the previous transaction; the one before if all of its range was counted before, up to
    a lower end."""
    is_counted = [
        one.energy_delivered == 0 and one.billed_from != one.billed_until for one in earlier
    ]
    place = is_counted.index(False) if False in is_counted else 0
    is_lower = all(
        (one.billed_until or 0) < (earlier[place].billed_until or 0) for one in earlier[:place]
    )
    return earlier[place : place + 1] if is_lower else earlier[:1]


def _begins_at_another(db: UnitOfWork, previous: Known, tx: Known) -> bool:
    """Whether a transaction begins above the previous stop, where another connector stands: they
    may have one meter."""
    begin = tx.meter_start or 0
    if begin < (previous.meter_stop or 0):
        return False
    stands = (wh for one in newest_beside(db.rows, span_of(tx)) for wh in (one.begin, one.stop))
    return any(wh is not None and is_about(begin, wh) for wh in stands)


def _stops_at_another(tx: Known, at_once: Sequence[Span]) -> bool:
    """Whether a transaction stops where one on another connector did that ran at once with it."""
    stop = tx.meter_stop if tx.stopped_by != "system" and tx.meter_stop != tx.meter_start else None
    return stop is not None and any(
        one.stop is not None and is_about(stop, one.stop) for one in at_once
    )


def _is_touched(tx: Known, other: Known) -> bool:
    """Whether a transaction is new evidence about one next to it, because that is in doubt, the two
    overlap, the register fell from that to this one, or this one begins above its stop, which may
    be old, wrong or in another unit.
    """
    begin, end = tx.billed_from if tx.billed_from is not None else tx.meter_start, tx.billed_until
    if other.review is not None or (
        None not in (begin, other.meter_stop) and (begin or 0) > (other.meter_stop or 0)
    ):
        return True
    if other.billed_from is None or other.billed_until is None:
        return False
    if begin:  # at 0, it may count each transaction
        own = (begin, begin if end is None else end)
        if overlap(
            own, (other.billed_from, other.billed_until), is_at_once=True
        ):  # the judge knows whether they were
            return True
        if begin < other.billed_from and other.own_start_time < tx.own_start_time:
            return True
    return state(other) is State.CLOSED and (other.own_start_time, other.id) < (
        tx.own_start_time,
        tx.id,
    )


def _in_question(tx: Known, last: Known, before: Known) -> list[Known]:
    """Return the last of the previous transactions if this one shows that its registers may be
    others.

    It began at or below the start of the one before and went beyond its end, and this one goes on
    from there: its own start may be an old one. Or it began where the one before ended, and this
    one begins at 0: these registers may count each transaction.
    """
    ends = (
        last.billed_from,
        before.billed_from,
        before.billed_until,
        last.billed_until,
        tx.meter_start,
    )
    known = [wh for wh in ends if wh is not None]
    is_passing_over = len(known) == len(ends) and known == sorted(known)
    is_not_reset = (
        tx.meter_start == 0 and bool(last.meter_start) and last.meter_start == before.billed_until
    )
    return [last] if is_passing_over or is_not_reset else []


def _has_review(db: UnitOfWork, transaction: int, code: Code) -> bool:
    return any(found == code for found, _ in open_reviews(db.rows, transaction))


def _record_unbilled(db: UnitOfWork, origin: Origin, first: Known, second: Known) -> None:
    """Record unbilled energy, which left the connector between the two transactions, once the
    earlier has a figure; or that the meter was exchanged, if both figures are certain."""
    begin = second.meter_start if second.billed_from is None else second.billed_from
    if begin is None or first.billed_until is None:
        return
    unbilled = max(0, begin - first.billed_until)
    if unbilled and _is_of_another_meter(db, first, second, unbilled):
        unbilled = 0
        if first.confidence == second.confidence == CERTAIN:
            oddities.note(
                db, origin, "meter_exchanged", begin, second.connector or 0, first.billed_until
            )
    told = second.unbilled_wh or 0
    if unbilled != told:
        db.execute("UPDATE tx SET unbilled_wh = ? WHERE id = ?", (unbilled, second.id))
        fact = EnergyUnbilled(
            **second.about(origin.received_at), energy_wh=unbilled, before_wh=told
        )
        db.record(fact, origin.session)


_SHOWN_W = f"SELECT coalesce(max(value), 0) FROM habit WHERE cp_id = ? AND kind = '{CEILING}'"  # noqa: S608 - our own word


def _is_of_another_meter(db: UnitOfWork, first: Known, second: Known, wh: int) -> bool:
    """Whether a boot told another meter between two transactions, or no charger delivers so much
    energy in the time between them. The first one may have ended at an old register. Without times,
    nothing is impossible. What a charger has delivered once, it can deliver."""
    by_its_clock = seconds(second.own_start_time) - seconds(ended_at(first))
    by_ours = seconds(second.created_at) - seconds(first.stop_received_at or first.created_at)
    ((shown_w,),) = db.rows(_SHOWN_W, (second.charger,))
    most_w = max(AC_W, shown_w, habits_of(db.rows, second, LAST_TIME).ceiling_w or 0)
    is_impossible = (
        second.is_start_timed and wh > most_w * (max(by_its_clock, by_ours) + MOST_LAG) / HOUR
    )
    return is_impossible or is_other_meter(
        db.rows, first.charger, first.created_at, second.created_at
    )


NEWEST = 10
"""So many transactions of a connector are looked at again, if their charger's clock turns out to be
behind."""
_DATE = (
    "UPDATE tx "
    "SET start_time = ?, stop_time = ?, start_behind_seconds = ?, stop_behind_seconds = ?, "
    "is_clock_unsure = ? "
    "WHERE id = ?"
)
_MAKE_DUE = (
    "judge_after = coalesce(judge_after, ?1), judge_steps = CASE WHEN judge_after IS NULL THEN 0 "
    "ELSE judge_steps END"
)
"""Has a transaction judged again by a fact of its own: no judgement of a neighbour led there."""
_ASK = f"UPDATE tx SET {_MAKE_DUE} WHERE id = ?2"  # noqa: S608 - our own names
_ASK_UNSURE = (
    f"UPDATE tx SET {_MAKE_DUE} WHERE id IN (SELECT tx_id FROM bill_work) AND is_clock_unsure = 1"  # noqa: S608 - ours
    " AND status = 'Completed' AND review IS NULL AND judge_after IS NULL"
)
_ASKED = "UPDATE tx SET judge_after = NULL WHERE id = ?"
_AS_LATE = (
    f"SELECT {COLUMNS} FROM tx "  # noqa: S608 - ours
    "WHERE id IN (SELECT id FROM tx WHERE cp_id = ? AND conn_id = ? "
    "ORDER BY created_at DESC, id DESC LIMIT ?) AND status = 'Completed' "
    "AND judged_at IS NOT NULL AND judge_after IS NULL AND (is_clock_unsure = 1 "
    "OR (start_behind_seconds = 0 AND start_skew_seconds <= ?) OR (stop_behind_seconds = 0 "
    "AND stop_skew_seconds <= ?)) "
    "ORDER BY created_at DESC, id DESC"
)


def date(db: UnitOfWork, tx: Known, clock: Dating, *, is_settled: bool = False) -> Known:
    """Correct the times of a transaction by what is known of its charger's clock; return it as
    stored."""
    found = dated(tx, clock, is_settled=is_settled)
    if found is not tx:
        values = (
            found.start_time,
            found.stop_time,
            found.start_behind,
            found.stop_behind,
            found.is_clock_unsure,
        )
        db.execute(_DATE, (*values, tx.id))
    return found


def look_again(db: UnitOfWork, origin: Origin, moment: Moment) -> bool:
    """Have the last transactions of a charger judged again whose times are others by a message,
    which is no reading, that is late: it may show, with others, that the clock is behind. Those
    that are open are dated at once. Return whether the message is late."""
    skew = moment.skew_seconds
    if skew is None or skew >= -LATE_SECONDS or not moment.is_believable:
        return False
    least = skew + SAME_BEHIND_SECONDS
    for transaction in open_ones(db, origin.charger):
        is_as_late = transaction.start_skew is not None and transaction.start_skew <= least
        if is_as_late and not transaction.start_behind:
            date(db, transaction, dating(db.rows, transaction))
    places = (
        (origin.charger, connector, NEWEST, least, least)
        for connector in connectors(db.rows, origin.charger, "tx")
    )
    as_late = [Known(*row) for place in places for row in db.rows(_AS_LATE, place)]
    last = max(as_late, key=lambda one: one.stop_received_at or "", default=None)
    if last is None or not shows_clock(db.rows, last, origin.received_at):  # most of them waited
        return True
    due = _due(origin.received_at, origin.received_at)
    for tx in as_late:
        if dated(tx, dating(db.rows, tx), is_settled=is_settled(db, tx.id)) is not tx:
            db.execute(_ASK, (due, tx.id))
    return True


def ask_unsure(db: UnitOfWork, at: str) -> None:
    """Have the prices of all transactions compared again whose times are not sure, and that no
    closing settled: by what is billed now, they may matter."""
    db.execute(_ASK_UNSURE, (at,))


def ask_later(db: UnitOfWork, tx: Known, at: str) -> None:
    """Have the prices of a transaction compared, if its times are not sure: whoever does so knows
    by what is billed. If they are, resolve what was asked about them."""
    if tx.is_clock_unsure:
        db.execute(_ASK, (at, tx.id))
    elif tx.review is not None:
        resolve(
            db, tx.id, Code.CLOCK_UNSURE, at, SYSTEM, Resolution.JUDGED_AGAIN, Told("later facts")
        )


def ask(db: UnitOfWork, tx: Known, at: str, rule: Rule) -> None:
    """Open a review if the price of a transaction, whose times are not sure, depends on them;
    resolve it if not."""
    prices = Pricer(db.rows, rule).by_both_times(tx.id)
    doubt = (
        None
        if prices is None
        else Doubt(Code.CLOCK_UNSURE, prices.words, (prices.corrected, prices.sent))
    )
    for code, words in open_reviews(db.rows, tx.id):
        if code == Code.CLOCK_UNSURE and (doubt is None or doubt.words != words):
            resolve(
                db,
                tx.id,
                Code.CLOCK_UNSURE,
                at,
                SYSTEM,
                Resolution.JUDGED_AGAIN,
                Told("later facts"),
            )
    if doubt is not None and not is_known(db, tx.id, doubt):
        ((event,),) = db.rows("SELECT max(id) FROM tx_event WHERE tx_id = ?", (tx.id,))
        open_review(db, tx.id, doubt, event, at)
    db.execute(_ASKED, (tx.id,))


# Habits: learned from sessions that another source confirms, ended by a contradiction


_LAST_ASKED = (
    "(SELECT {0} FROM habit WHERE cp_id = ?5 AND conn_id = ?1 AND firmware = "
    "coalesce(cp.firmware_version, '') AND meter_serial = coalesce(cp.meter_serial_number, '') "
    "AND kind = ?2 ORDER BY id DESC LIMIT 1)"
)
"""One that is learned again, after a contradiction ended it, is asked about like the one before."""


def learn(db: UnitOfWork, tx: Known, case: Case, judgement: Judgement, at: str) -> None:
    """Learn from a transaction whose figure is confirmed by another source than its register."""
    if not judgement.is_confirmed:
        return
    if judgement.code is not None and judgement.is_sole:
        factor = None if judgement.factor == 1 else round(judgement.factor * 1000)
        other = (judgement.code, factor or 1000)
        _revoke(
            db,
            tx,
            Told("session {1} lacks another factor", tx.id),
            at,
            "kind = ? AND coalesce(value, 1000) <> ?",
            other,
        )
        _show(db, tx, judgement.code, factor, at)
    elif judgement.is_power_scaled:
        _show(db, tx, POWER_TOO_HIGH, None, at)
    elif not judgement.doubts:
        if case.power:
            _show(db, tx, CEILING, round(case.power.most), at)
        # One whose start and stop are rounded does not contradict that this charger rounds them.
        kept = (CEILING, Code.ENDS_ROUNDED if case.ends_digit > 1 else CEILING)
        for code in case.habits.keys() - {*kept}:  # a sister may have proved it
            _show(db, tx, code, None, at, times=0)
        _revoke(
            db,
            tx,
            Told("session {1} is certain as reported", tx.id),
            at,
            "kind NOT IN (?, ?)",
            kept,
        )


def learn_confirmed(db: UnitOfWork, tx: Known, case: Case, found: Judgement, at: str) -> None:
    """Learn the highest power from a doubtful transaction that an operator confirms, if two sources
    show it."""
    if found.is_confirmed and found.doubts and found.wh == tx.energy_delivered and case.power:
        _show(db, tx, CEILING, round(case.power.most), at)


def _show(db: UnitOfWork, tx: Known, kind: str, value: int | None, at: str, times: int = 1) -> None:
    """Count a transaction for a habit; once only, where it was closed before its own stop
    arrived."""
    db.execute(
        "INSERT INTO habit (cp_id, conn_id, firmware, meter_serial, kind, value, transactions, "  # noqa: S608
        "since, last_at, asks_since, asks_by) "
        "SELECT id, ?1, coalesce(firmware_version, ''), coalesce(meter_serial_number, ''), ?2, "
        f"?3, ?7, ?4, ?4, {_LAST_ASKED.format('asks_since')}, {_LAST_ASKED.format('asks_by')} "
        "FROM cp WHERE id = ?5 "
        "ON CONFLICT (cp_id, conn_id, firmware, meter_serial, kind) "
        "WHERE revoked_at IS NULL DO UPDATE "
        "SET last_at = excluded.last_at, transactions = habit.transactions + CASE "
        "WHEN (SELECT count(*) FROM tx_event WHERE tx_id = ?6 "
        "AND kind IN ('close', 'stop')) > 1 THEN 0 ELSE ?7 END, value = CASE "
        "WHEN habit.value > excluded.value THEN habit.value ELSE excluded.value END "
        "WHERE ?7 > 0",
        (tx.connector or 0, kind, value, at, tx.charger, tx.id, times),
    )


def _revoke(
    db: UnitOfWork, tx: Known, why: str, at: str, which: str, values: tuple[object, ...]
) -> None:
    db.execute(
        "UPDATE habit "  # noqa: S608
        "SET revoked_at = ?, revoked_by = 'system', reason = ? "
        f"WHERE cp_id = ? AND conn_id = ? AND revoked_at IS NULL AND {which}",
        (at, why, tx.charger, tx.connector or 0, *values),
    )
