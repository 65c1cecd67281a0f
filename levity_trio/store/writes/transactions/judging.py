"""Judges transactions, when they end and after later facts, and stores the judgement."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import NamedTuple

from levity_trio.charging.energy import DOUBTFUL, RULES, Judgement, judge
from levity_trio.charging.lifecycle import Cause, Kind, State, stopped_by
from levity_trio.charging.reviews import LASTING, OF_THE_MATCH, Code, Doubt
from levity_trio.charging.tolerances import MOST_STEPS, REJUDGE_SECONDS
from levity_trio.events import TransactionRejudged
from levity_trio.log_output import get_logger
from levity_trio.store import clocks
from levity_trio.store.adjacent import factor_of
from levity_trio.store.beside import may_share, spans_beside
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.cases import case_of, span_of
from levity_trio.store.settled import SYSTEM, overruled
from levity_trio.store.transaction import COLUMNS, LAST_TIME, Known, known
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.transactions import dating, habits, history
from levity_trio.store.writes.transactions.history import Entry, by_the_system
from levity_trio.store.writes.transactions.reviews import (
    OPEN_REVIEWS,
    is_known,
    is_settled,
    open_review,
    replace_doubts,
    resolve,
)
from levity_trio.store.writes.transactions.states import load, state, step
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
_NEXT_TO = f"SELECT {COLUMNS} FROM tx WHERE cp_id = ? AND conn_id = ? AND (own_start_time, id)"  # noqa: S608 - ours
_BEFORE = f"{_NEXT_TO} < (?, ?) ORDER BY own_start_time DESC, id DESC LIMIT 1"
_AFTER = f"{_NEXT_TO} > (?, ?) ORDER BY own_start_time, id LIMIT 5"
_OF_BOTH = {Code.OVERLAP, Code.SHARED_REGISTER}


class Ending(NamedTuple):
    """How a transaction ends. Times in the database's format, registers in Wh.

    `next_begin` is the start register of the transaction that is about to begin on its connector.
    """

    state: State
    stop_time: str
    own_stop_time: str
    received_at: str
    reason: str
    entry: Entry
    sent_stop_time: str | None = None
    skew: int | None = None
    meter_stop: int | None = None
    sent_meter_stop: str | None = None
    id_tag: str | None = None
    next_begin: int | None = None


class Ended(NamedTuple):
    """The result of an end: the judgement, the row of tx_event, and the text of the open reviews."""

    judgement: Judgement
    event: int
    review: str | None


def end(db: UnitOfWork, origin: Origin, tx: Known, ending: Ending, doubts: tuple[Doubt, ...] = ()) -> Ended:
    """End a transaction and judge it. `doubts` are those that the judge cannot find."""
    at = origin.received_at
    ended, rows = _ended(tx, ending), db.evidence or db.rows
    clock = clocks.dating(rows, ended)
    case = case_of(rows, ended, ending.next_begin, clock=clock)
    found = judge(case)
    judgement = found
    if tx.status == "Completed" and is_settled(db, tx.id):
        judgement, doubts = _settled(tx, found), (*doubts, *_later(db, tx, found))
    added = history.add(db, origin._replace(received_at=ending.received_at), tx.id, ending.entry)
    is_reviewed = bool(tx.review or doubts or judgement.doubts)  # nearly all have no review, so statements are saved
    if is_reviewed:
        replace_doubts(db, tx.id, judgement.doubts, added.id, at)
        for doubt in doubts:
            open_review(db, tx.id, doubt, added.id, at)
    confidence = _confidence(db, tx, judgement) if is_reviewed else judgement.confidence
    _complete(db, tx, ending, judgement, confidence, at)
    dating.ask_later(db, dating.date(db, ended, clock), at)
    habits.learn(db, tx, case, found, at)
    if is_reviewed or judgement.code is not None or tx.status == "Completed":
        tell_neighbours(db, origin.session, at, tx, tx.id)
    touch = "UPDATE cp SET last_tx_stop_at = max(coalesce(last_tx_stop_at, ''), ?), updated_at = ? WHERE id = ?"
    db.execute(touch, (ending.stop_time, at, tx.charger))
    return Ended(judgement, added.id, review_of(db, tx.id) if is_reviewed else None)


def _settled(tx: Known, found: Judgement) -> Judgement:
    """Return the figure that a person confirmed or corrected, which later facts do not change."""
    wh, method = tx.energy_delivered or 0, tx.energy_method or found.method
    return replace(found, wh=wh, method=method, doubts=(), billed_from=tx.billed_from, billed_until=tx.billed_until)


def _later(db: UnitOfWork, tx: Known, found: Judgement) -> tuple[Doubt, ...]:
    """Return a doubt if later facts contradict a figure that a person settled, unless that person knew it."""
    if found.wh == tx.energy_delivered or found.wh in overruled(db.rows, tx.id):
        return ()
    words = f"later facts tell {found.wh} Wh; the figure was settled by a person and stays"
    evidence = (f"{tx.energy_delivered} Wh, settled", f"{found.wh} Wh by later facts")
    doubt = Doubt(Code.LATER_FACTS, words, evidence, {"later facts": found.wh})
    return () if is_known(db, tx.id, doubt) else (doubt,)


def _ended(tx: Known, ending: Ending) -> Known:
    return tx._replace(
        status="Completed",
        stopped_by=stopped_by(ending.state),
        own_stop_time=ending.own_stop_time,
        sent_stop_time=ending.sent_stop_time,
        stop_skew=ending.skew,
        stop_received_at=ending.received_at,
        meter_stop=ending.meter_stop,
        sent_meter_stop=ending.sent_meter_stop,
        stop_time=ending.stop_time,
        stop_behind=0,
        is_clock_unsure=0,
    )


def _complete(db: UnitOfWork, tx: Known, ending: Ending, judgement: Judgement, confidence: str, at: str) -> None:
    meter_stop = judgement.billed_until if ending.state is State.CLOSED else ending.meter_stop
    db.execute(
        "UPDATE tx SET status = 'Completed', stopped_by = ?, suspended_at = NULL, free_at = NULL, stop_time = ?,"
        " own_stop_time = ?, sent_stop_time = ?, stop_skew_seconds = ?, stop_received_at = ?, meter_stop = ?,"
        " sent_meter_stop = ?, stop_reason = ?, stop_id_tag = ?, energy_delivered = ?, energy_method = ?,"
        " confidence = ?, billed_from_wh = ?, billed_until_wh = ?, rules = ?, judged_at = ?, judge_after = NULL,"
        " counted_wh = ?, stop_behind_seconds = 0, is_clock_unsure = 0, updated_at = ? WHERE id = ?",
        (stopped_by(ending.state), ending.stop_time, ending.own_stop_time, ending.sent_stop_time, ending.skew)
        + (ending.received_at, meter_stop, ending.sent_meter_stop, ending.reason, ending.id_tag, judgement.wh)
        + (judgement.method, confidence, judgement.billed_from, judgement.billed_until, RULES, at)
        + (judgement.wh, at, tx.id),
    )


def _confidence(db: UnitOfWork, tx: Known, judgement: Judgement) -> str:
    """Return the confidence: certain only without doubts of the judge and about which messages belong together."""
    codes = {code for code, _ in db.rows(OPEN_REVIEWS, (tx.id,))}
    return DOUBTFUL if codes & OF_THE_MATCH else judgement.confidence


def review_of(db: UnitOfWork, transaction: int) -> str | None:
    """Return the text of the open reviews."""
    ((review,),) = db.rows("SELECT review FROM tx WHERE id = ?", (transaction,))
    return None if review is None else str(review)


def judge_again(db: UnitOfWork, origin: Origin, transaction: int, cause: Cause) -> None:
    """Judge an ended transaction again after later facts, at most once in REJUDGE_SECONDS; otherwise schedule it."""
    tx = known(db.rows, transaction)
    if tx is None or tx.judged_at is None or step(tx, cause).kind is not Kind.REJUDGE:
        return
    due = _due(tx.judged_at, origin.received_at)
    if origin.received_at < due:
        db.execute(_SCHEDULE, (due, 0, transaction))
    else:
        judge_now(db, origin.session, origin.received_at, tx, cause)


def _due(judged_at: str, at: str) -> str:
    """Return when a transaction may be judged again."""
    return max(at, shifted_stamp(judged_at, timedelta(seconds=REJUDGE_SECONDS)))


def judge_due(db: UnitOfWork, at: str, rule: Rule) -> int:
    """Judge the transactions that are due again, and those that become due by this; return their number.

    `rule` is that by which they are billed.

    A bug in judging one costs the others nothing: it keeps its figure, under review.
    """
    judged = 0
    while judged < MOST_AT_ONCE and (due := db.rows(DUE, (at, MOST_AT_ONCE - judged))):
        for tx in map(Known._make, due):
            error = db.attempt(partial(_judge_due, db, at, tx, rule), JUDGING_SECONDS)
            if error is not None:
                words = "it could not be judged again after later facts"
                log.error(f"{words}; its figure stays, under review", transaction=tx.id, exc_info=error)
                _stop_judging(db, None, at, tx, f"{words}; the server's log says why")
        judged += len(due)
    return judged


def _judge_due(db: UnitOfWork, at: str, tx: Known, rule: Rule) -> None:
    judge_now(db, None, at, tx, Cause.LATER, tx.judge_steps)
    judged = load(db, tx.id)
    if judged.is_clock_unsure:
        dating.ask(db, judged, at, rule)


def judge_now(db: UnitOfWork, session: int | None, at: str, tx: Known, cause: Cause, steps: int = 0) -> None:
    """Judge an ended transaction again, and store what changes. `steps` is how many judgements of neighbours led here.

    A change is a later fact for its neighbours.
    """
    clock = clocks.dating(db.rows, tx)
    judgement = judge(case_of(db.rows, tx, clock=clock))
    if is_settled(db, tx.id):
        _doubt_settled(db, session, at, tx, (judgement, clock), cause)
    else:
        _judge_now(db, session, at, tx, (judgement, clock), cause)
    # Of those that overlap, each goes by the other's readings, too, which may be new.
    is_of_both = steps == 0 and any(doubt.code in _OF_BOTH for doubt in judgement.doubts)
    tell_neighbours(db, session, at, None if is_of_both else tx, tx.id, steps + 1)


def _judge_now(
    db: UnitOfWork, session: int | None, at: str, tx: Known, found: tuple[Judgement, clocks.Dating], cause: Cause
) -> None:
    """Store a judgement, and the times that are known now."""
    judgement, clock = found
    dated = dating.date(db, tx, clock)
    if dated == tx and _is_as_before(db, tx, judgement):
        same = (
            "UPDATE tx SET energy_method = ?, billed_from_wh = ?, billed_until_wh = ?, judged_at = ?,"
            " judge_after = NULL WHERE id = ?"
        )
        db.execute(same, (judgement.method, judgement.billed_from, judgement.billed_until, at, tx.id))
    else:
        _change(db, session, at, tx, judgement, cause, "" if dated == tx else clocks.clock_words(dated))
    dating.ask_later(db, dated, at)


def _shown(tx: Known) -> tuple[object, ...]:
    """Return what neighbours go by of a judgement."""
    wh = tx.energy_delivered or 0
    factor = factor_of(tx.energy_method, wh, (tx.billed_until or 0) - (tx.billed_from or 0))
    return tx.status, tx.billed_from, tx.billed_until, tx.confidence, tx.review, factor, wh == 0


def tell_neighbours(
    db: UnitOfWork, session: int | None, at: str, before: Known | None, transaction: int, steps: int = 1
) -> None:
    """Have the ended neighbours of a transaction judged again, unless all that they go by is as `before`: those next to
    it on its connector, over empty ones too, and those on others that tell the same register."""
    tx = load(db, transaction)
    if before is not None and _shown(before) == _shown(tx):
        return
    for other in _neighbours(db, tx):
        if other.judged_at is None or step(other, Cause.LATER).kind is not Kind.REJUDGE:
            continue
        if steps < MOST_STEPS:
            db.execute(_SCHEDULE, (_due(other.judged_at, at), steps, other.id))
        elif other.judge_after is None and not is_settled(db, other.id):
            words = f"{steps} judgements in a row changed figures around it, so it was not judged again"
            log.warning("judging stopped; the transaction is under review", transaction=other.id, reason=words)
            _stop_judging(db, session, at, other, words)


def _neighbours(db: UnitOfWork, tx: Known) -> list[Known]:
    place = (tx.charger, tx.connector, tx.own_start_time, tx.id)
    found = [*(Known(*row) for row in db.rows(_BEFORE, place)), *following(db, tx)]
    own = span_of(tx)
    beside = chain.from_iterable(spans_beside(db.rows, own, LAST_TIME).values())
    return [*found, *(load(db, one.id) for one in beside if may_share(own, one))]


def following(db: UnitOfWork, tx: Known) -> list[Known]:
    """Return the next transaction on its connector, and those after it that go by this one: all between are empty, or
    the register fell to 0 among them (levity_trio/store/adjacent.py)."""
    found: list[Known] = []
    has_fallen = _has_fallen(tx)
    for row in db.rows(_AFTER, (tx.charger, tx.connector, tx.own_start_time, tx.id)):
        one = Known(*row)
        found.append(one)
        has_fallen |= _has_fallen(one)
        if not has_fallen and one.billed_from != one.billed_until and one.energy_delivered != 0:
            break
    return found


def _has_fallen(tx: Known) -> bool:
    return tx.meter_start == 0 or (tx.meter_stop or 0) < (tx.meter_start or 0)


def _stop_judging(db: UnitOfWork, session: int | None, at: str, tx: Known, words: str) -> None:
    """Open a review in place of a judgement that is due."""
    db.execute("UPDATE tx SET judge_after = NULL, confidence = ? WHERE id = ?", (DOUBTFUL, tx.id))
    doubt = Doubt(Code.JUDGING_STOPPED, words, (f"{tx.energy_delivered} Wh, judged at {tx.judged_at}", words))
    if any(code == doubt.code for code, _ in db.rows(OPEN_REVIEWS, (tx.id,))):
        return
    entry = Entry(Kind.REJUDGE, "system", by_the_system(at), words, None, state(tx), Cause.LATER)
    added = history.insert(db, session, at, tx.id, entry)
    open_review(db, tx.id, doubt, added.id, at)
    _record(db, session, at, tx, tx.energy_delivered or 0, tx.energy_method or "", Cause.LATER)


def _is_as_before(db: UnitOfWork, tx: Known, judgement: Judgement) -> bool:
    """Whether figure, confidence and reviews are unchanged."""
    before = {code for code, _ in db.rows(OPEN_REVIEWS, (tx.id,)) if code not in LASTING}
    same = (tx.energy_delivered, tx.confidence) == (judgement.wh, _confidence(db, tx, judgement))
    return same and before == {doubt.code.value for doubt in judgement.doubts}


def _change(
    db: UnitOfWork, session: int | None, at: str, tx: Known, judgement: Judgement, cause: Cause, words: str
) -> None:
    """Store a judgement that differs, or that the times do: then `words` say so."""
    confidence = _confidence(db, tx, judgement)
    if not words or (tx.energy_delivered, tx.confidence) != (judgement.wh, confidence):
        words = "; ".join(filter(None, (_change_text(tx, judgement.wh, confidence), words)))
    entry = Entry(Kind.REJUDGE, "system", by_the_system(at), words, None, state(tx), cause)
    added = history.insert(db, session, at, tx.id, entry)
    meter_stop = judgement.billed_until if tx.stopped_by == "system" else tx.meter_stop
    db.execute(
        "UPDATE tx SET energy_delivered = ?, energy_method = ?, confidence = ?, billed_from_wh = ?,"
        " billed_until_wh = ?, meter_stop = ?, rules = ?, judged_at = ?, judge_after = NULL, counted_wh = ?,"
        " updated_at = ? WHERE id = ?",
        (judgement.wh, judgement.method, confidence, judgement.billed_from, judgement.billed_until)
        + (meter_stop, RULES, at, judgement.wh, at, tx.id),
    )
    replace_doubts(db, tx.id, judgement.doubts, added.id, at)
    _record(db, session, at, tx, judgement.wh, judgement.method, cause)


def _record(db: UnitOfWork, session: int | None, at: str, tx: Known, wh: int, method: str, cause: Cause) -> None:
    fact = TransactionRejudged(
        charger=tx.charger,
        at=at,
        transaction=tx.id,
        connector=tx.connector,
        energy_wh=wh,
        before_wh=tx.counted_wh,
        method=method,
        cause=cause,
        review=review_of(db, tx.id),
    )
    db.record(fact, session)


def _change_text(tx: Known, wh: int, confidence: str) -> str:
    return f"{tx.energy_delivered} Wh, {tx.confidence}, before; {wh} Wh, {confidence}, now"


def _doubt_settled(
    db: UnitOfWork, session: int | None, at: str, tx: Known, found: tuple[Judgement, clocks.Dating], cause: Cause
) -> None:
    """Keep a figure that a person settled; open a review if later facts contradict it, in place of an older one."""
    (judgement, clock), confidence = found, tx.confidence
    dated = dating.date(db, tx, clock, is_settled=True)
    if dated != tx:
        entry = Entry(Kind.REJUDGE, "system", by_the_system(at), clocks.clock_words(dated), None, state(tx), cause)
        history.insert(db, session, at, tx.id, entry)
    for doubt in _later(db, tx, judgement):
        words = _change_text(tx, judgement.wh, judgement.confidence)
        entry = Entry(Kind.REJUDGE, "system", by_the_system(at), words, None, state(tx), cause)
        added = history.insert(db, session, at, tx.id, entry)
        resolve(db, tx.id, doubt.code, at, SYSTEM, "judged again", "later facts")
        open_review(db, tx.id, doubt, added.id, at)
        confidence = DOUBTFUL
    settle = "UPDATE tx SET confidence = ?, judged_at = ?, judge_after = NULL WHERE id = ?"
    db.execute(settle, (confidence, at, tx.id))
    dating.ask_later(db, dated, at)
