"""Judges transactions, when they end and after later facts, stores the judgement, and has their
neighbours judged again that it is new evidence for: on the connector and, where they tell the same
register, on others.

Dates them, too, by our clock, if that of their charger was behind. If it is not known whether the
clock was behind, or it was set during the transaction, the times as sent may be right all the same.
Then a person decides, unless both give one price.

A doubt opens a row of `review`, which is resolved once, by later facts or by a person. What signed
values prove is stored here, and has the transaction judged again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

import orjson

from levity_trio.charging.energy import CERTAIN, DOUBTFUL, RULES, Judgement, is_about
from levity_trio.charging.lifecycle import TABLE, Cause, Kind, Resolution, State
from levity_trio.charging.reviews import LASTING, OF_THE_PRICE, Code, Doubt, in_wh
from levity_trio.charging.sent.evidence import Case, seconds
from levity_trio.charging.sent.figures import overlap
from levity_trio.charging.sent.power import HOUR
from levity_trio.charging.sent.readings import Moment
from levity_trio.charging.tolerances import (
    AC_W,
    LATE_SECONDS,
    MOST_CHANGES,
    MOST_LAG,
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
from levity_trio.signed.checking import SignedFinding, SignedState
from levity_trio.store.billing.pricing import Pricer, Rule
from levity_trio.store.cases.case import (
    CEILING,
    LATER_FACTS,
    POWER_TOO_HIGH,
    Dating,
    JudgedAgain,
    clock_words,
    confidence_of,
    dated,
    dating,
    doubts_of_settled,
    habits_of,
    judge_ended,
    judged_again,
    shows_clock,
    span_of,
)
from levity_trio.store.cases.neighbours import (
    AROUND,
    ChargerHistory,
    factor_of,
    is_other_charger,
    is_other_meter,
    may_share,
)
from levity_trio.store.cases.transaction import (
    COLUMNS,
    LAST_TIME,
    SYSTEM,
    StoredTransaction,
    begun_after,
    ended_at,
    find_transaction,
    open_reviews,
    settled_by,
    was_asked,
)
from levity_trio.store.engine.database import UnitOfWork, marks
from levity_trio.store.lookups.connectors import connector_numbers
from levity_trio.store.reads.transactions.explain import CheckedSession
from levity_trio.store.writes.chargers import sessions
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.transactions.states import (
    EventEntry,
    add_event,
    by_the_system,
    load_transaction,
    open_ones,
    state,
)
from levity_trio.told import Moment as Stamp
from levity_trio.told import Told, joined, stored, stored_in
from levity_trio.wire.times import shifted_stamp

MOST_AT_ONCE = 100
"""Transactions judged again in one write."""
JUDGING_SECONDS = 30.0
"""A judgement takes milliseconds. One that takes longer than this is given up."""
NEWEST = 10
"""So many transactions of a connector are looked at again, if their charger's clock turns out to be
behind."""
_OF_BOTH = {Code.OVERLAP, Code.SHARED_REGISTER}
log = get_logger("system")


def end(
    db: UnitOfWork,
    origin: Origin,
    tx: StoredTransaction,
    ended: StoredTransaction,
    entry: EventEntry,
    doubts: Sequence[Doubt] = (),
    next_begin: int | None = None,
    history: ChargerHistory | None = None,
) -> None:
    """End a transaction: judge it, record its figure, and compare it with its neighbours. `ended`
    is its row with the fields of its end, `doubts` are those that the judge cannot find,
    `next_begin` is the start register of the one that is about to begin on its connector."""
    at = origin.received_at
    history = history or ChargerHistory(db.rows, tx.charger)
    ended = ended._replace(status="Completed", stop_behind=0, is_clock_unsure=0)
    case, by_judge, clock = judge_ended(history, ended, next_begin)
    judgement = by_judge
    if tx.status == "Completed" and is_settled(db, tx.id):
        # Its charger's own stop came after a person had settled the figure, which stays.
        doubts = (*doubts, *doubts_of_settled(db.rows, tx, by_judge))
        judgement = replace(
            by_judge,
            wh=tx.energy_delivered or 0,
            method=tx.energy_method or by_judge.method,
            doubts=(),
            billed_from=tx.billed_from,
            billed_until=tx.billed_until,
        )

    event = add_event(db, origin._replace(received_at=ended.stop_received_at or at), tx.id, entry)
    is_reviewed = bool(tx.review or doubts or judgement.doubts)
    confidence, review = CERTAIN, None
    if is_reviewed:  # nearly all have no review, so statements are saved
        replace_doubts(db, tx.id, judgement.doubts, event.id, at)
        for doubt in doubts:
            open_review(db, tx.id, doubt, event.id, at)
        confidence = confidence_of(judgement, open_reviews(db.rows, tx.id))
    stored = _complete(db, ended, judgement, confidence, at)
    if clock != Dating() or ended.start_behind or tx.review is not None:
        schedule_prices(db, date(db, ended, clock), at)
        stored = load_transaction(db, tx.id)
    learn(db, tx, case, by_judge, at)
    if is_reviewed or judgement.code is not None or tx.status == "Completed":
        tell_neighbours(db, origin, tx, tx.id, history=history)

    if history.alike:
        _ask_about_meters(db, history, at)
    if is_reviewed:
        review = _review_of(db, tx.id)
    _record_end(db, origin, tx, ended, judgement, entry.reason, review)
    compare_neighbours(db, origin, stored, history)
    if judgement.wh:
        db.execute(sessions.MEASURES_AGAIN, (tx.charger, tx.connector))
    else:
        sessions.measured_nothing(
            db, origin, ended._replace(energy_delivered=0, confidence=confidence)
        )


def _record_end(
    db: UnitOfWork,
    origin: Origin,
    tx: StoredTransaction,
    ended: StoredTransaction,
    judgement: Judgement,
    reason: str | None,
    review: str | None,
) -> None:
    is_closed = ended.stopped_by == SYSTEM
    fact = partial(TransactionClosed, cause=reason or "") if is_closed else TransactionStopped
    db.record(
        fact(
            **tx.about(origin.received_at),
            energy_wh=judgement.wh,
            before_wh=tx.counted_wh,
            method=judgement.method,
            reason=ended.stop_reason or "",
            review=review,
        ),
        origin.session,
    )


_COMPLETE = f"""
    UPDATE tx
    SET status = 'Completed', stopped_by = ?, suspended_at = NULL, free_at = NULL, stop_time = ?,
        own_stop_time = ?, sent_stop_time = ?, stop_skew_seconds = ?, stop_received_at = ?,
        meter_stop = ?, sent_meter_stop = ?, stop_reason = ?, stop_id_tag = ?,
        energy_delivered = ?, energy_method = ?, confidence = ?, billed_from_wh = ?,
        billed_until_wh = ?, rules = ?, judged_at = ?, judge_after = NULL, counted_wh = ?,
        stop_behind_seconds = 0, is_clock_unsure = 0, updated_at = ?
    WHERE id = ?
    RETURNING {COLUMNS}
"""  # noqa: S608 - our own names
_TOUCH = """
    UPDATE cp
    SET last_tx_stop_at = max(coalesce(last_tx_stop_at, ''), ?), updated_at = ?
    WHERE id = ?
"""


def _complete(
    db: UnitOfWork, tx: StoredTransaction, judgement: Judgement, confidence: str, at: str
) -> StoredTransaction:
    """Store the end of a transaction and its judgement; return it as stored."""
    meter_stop = judgement.billed_until if tx.stopped_by == SYSTEM else tx.meter_stop
    times = (tx.stop_time, tx.own_stop_time, tx.sent_stop_time, tx.stop_skew, tx.stop_received_at)
    sent = (meter_stop, tx.sent_meter_stop, tx.stop_reason, tx.stop_id_tag)
    figure = (judgement.wh, judgement.method, confidence)
    billed = (judgement.billed_from, judgement.billed_until)
    judged = (RULES, at, judgement.wh, at, tx.id)
    stored = db.rows(_COMPLETE, (tx.stopped_by, *times, *sent, *figure, *billed, *judged))
    db.execute(_TOUCH, (tx.stop_time, at, tx.charger))
    return StoredTransaction(*stored[0])


def _review_of(db: UnitOfWork, transaction: int) -> str | None:
    """Return the text of the open reviews."""
    ((review,),) = db.rows("SELECT review FROM tx WHERE id = ?", (transaction,))
    return None if review is None else str(review)


# Judges ended transactions again, after later facts

_SCHEDULE = """
    UPDATE tx
    SET judge_after = coalesce(judge_after, ?1), judge_steps = ?2
    WHERE id = ?3 AND (judge_after IS NULL OR judge_steps > ?2)
"""


def judge_again(db: UnitOfWork, origin: Origin, transaction: int, cause: Cause) -> None:
    """Judge an ended transaction again after later facts, at most once in REJUDGE_SECONDS;
    otherwise schedule it."""
    tx = find_transaction(db.rows, transaction)
    if tx is None or tx.judged_at is None or not _is_rejudged(tx, cause):
        return
    due = _due(tx.judged_at, origin.received_at)
    if origin.received_at < due:
        db.execute(_SCHEDULE, (due, 0, transaction))
    else:
        judge_now(db, origin, tx, cause)


def _is_rejudged(tx: StoredTransaction, cause: Cause) -> bool:
    return TABLE[state(tx), cause].kind is Kind.REJUDGE


def _due(judged_at: str, at: str) -> str:
    """Return when a transaction may be judged again."""
    return max(at, shifted_stamp(judged_at, timedelta(seconds=REJUDGE_SECONDS)))


DUE = f"""
    SELECT {COLUMNS} FROM tx WHERE judge_after <= ? ORDER BY judge_after, id LIMIT ?
"""  # noqa: S608 - our own names


def judge_due(db: UnitOfWork, at: str, rule: Rule, until: str | None = None) -> int:
    """Judge the transactions that are due again, or will be `until` a later time, and those that
    become due by this; return their number.

    `rule` is that by which they are billed.

    A bug in judging one costs the others nothing: it keeps its figure, under review.
    """
    judged = 0
    while judged < MOST_AT_ONCE:
        due = db.rows(DUE, (until or at, MOST_AT_ONCE - judged))
        if not due:
            break
        for tx in map(StoredTransaction._make, due):
            error = db.attempt(partial(_judge_due, db, at, tx, rule), JUDGING_SECONDS)
            if error is not None:
                words = Told("it could not be judged again after later facts")
                log.error(
                    f"{words}; its figure stays, under review", transaction=tx.id, exc_info=error
                )
                reason = Told("{1}; the server's log says why", words)
                _stop_judging(db, Origin(tx.charger, None, at), tx, reason)
        judged += len(due)
    return judged


def _judge_due(db: UnitOfWork, at: str, tx: StoredTransaction, rule: Rule) -> None:
    judge_now(db, Origin(tx.charger, None, at), tx, Cause.LATER, tx.judge_steps)
    judged = load_transaction(db, tx.id)
    if judged.is_clock_unsure:
        ask_about_times(db, judged, at, rule)


_SETTLED = "UPDATE tx SET confidence = ?, judged_at = ?, judge_after = NULL WHERE id = ?"


def judge_now(
    db: UnitOfWork, origin: Origin, tx: StoredTransaction, cause: Cause, steps: int = 0
) -> None:
    """Judge an ended transaction again, and store what changes. `steps`: 0 if a fact of its own led
    here, else 1.

    A change is a later fact for its neighbours. A figure that a person settled is kept.
    """
    at = origin.received_at
    history = ChargerHistory(db.rows, tx.charger)
    judged = judged_again(history, tx)
    _store_times(db, tx, judged.times)
    clock_text = "" if judged.times is tx else clock_words(judged.times)
    if not judged.is_settled:
        _store_judgement(db, origin, tx, judged, cause, clock_text)
    else:
        if clock_text:
            _note(db, origin, tx, clock_text, cause)
        for doubt in judged.doubts:
            # It is asked anew, in place of an older review.
            change = _change_text(tx, judged.judgement.wh, judged.judgement.confidence)
            event = _note(db, origin, tx, change, cause)
            resolve(db, tx.id, doubt.code, at, SYSTEM, Resolution.JUDGED_AGAIN, LATER_FACTS)
            open_review(db, tx.id, doubt, event, at)
        db.execute(_SETTLED, (judged.confidence, at, tx.id))
    schedule_prices(db, judged.times, at)
    _ask_about_meters(db, history, at)

    # Of those that overlap, each goes by the other's readings, too, which may be new.
    is_of_both = any(doubt.code in _OF_BOTH for doubt in judged.judgement.doubts)
    former = None if steps == 0 and is_of_both else tx
    tell_neighbours(db, origin, former, tx.id, history)


_ASK_ABOUT_METER: Final = """
    INSERT INTO meter_pair (cp_id, other_cp_id, at, is_shown)
    SELECT ?1, ?2, ?3, ?4
    WHERE NOT EXISTS (
            SELECT 1 FROM meter_pair
            WHERE cp_id = ?1 AND other_cp_id = ?2 AND (is_shown >= ?4 OR is_one IS NOT NULL)
        )
        AND NOT EXISTS (
            SELECT 1 FROM meter
            WHERE ?4 = 0 AND since <= ?3 AND coalesce(until, ?3) >= ?3 AND (
                NOT EXISTS (SELECT 1 FROM meter_charger WHERE meter_id = meter.id)
                OR 2 = (
                    SELECT count(*) FROM meter_charger
                    WHERE meter_id = meter.id AND meter_charger.cp_id IN (?1, ?2)
                )
            )
        )
"""
"""Where a meter of the house stands above both, the reconciliation of the month shows it."""


def _ask_about_meters(db: UnitOfWork, history: ChargerHistory, at: str) -> None:
    """Ask once whether two chargers share a meter, if their registers look like it."""
    for other, is_shown in history.alike.items():
        pair = sorted((history.charger, other))
        db.execute(_ASK_ABOUT_METER, (*pair, at, int(is_shown)))


_AS_BEFORE = """
    UPDATE tx
    SET energy_method = ?, billed_from_wh = ?, billed_until_wh = ?, judged_at = ?,
        judge_after = NULL
    WHERE id = ?
"""
_JUDGED = """
    UPDATE tx
    SET energy_delivered = ?, energy_method = ?, confidence = ?, billed_from_wh = ?,
        billed_until_wh = ?, meter_stop = ?, rules = ?, judged_at = ?, judge_after = NULL,
        counted_wh = ?, updated_at = ?
    WHERE id = ?
"""


def _store_judgement(
    db: UnitOfWork,
    origin: Origin,
    tx: StoredTransaction,
    judged: JudgedAgain,
    cause: Cause,
    clock_text: str,
) -> None:
    """Store a judgement. If it differs, or the times do, of which `clock_text` then tells, that is
    noted and recorded."""
    at = origin.received_at
    judgement, confidence = judged.judgement, judged.confidence
    billed = (judgement.billed_from, judgement.billed_until)
    is_same_figure = (tx.energy_delivered, tx.confidence) == (judgement.wh, confidence)
    if is_same_figure and not clock_text:
        codes = {code for code, _ in judged.before if code not in LASTING}
        if codes == {doubt.code.value for doubt in judgement.doubts}:
            db.execute(_AS_BEFORE, (judgement.method, *billed, at, tx.id))
            return

    words = clock_text
    if not is_same_figure or not clock_text:
        texts = [_change_text(tx, judgement.wh, confidence)]
        if clock_text:
            texts.append(clock_text)
        words = joined("; ", texts)
    event = _note(db, origin, tx, words, cause)
    meter_stop = judgement.billed_until if tx.stopped_by == SYSTEM else tx.meter_stop
    figure = (judgement.wh, judgement.method, confidence)
    db.execute(_JUDGED, (*figure, *billed, meter_stop, RULES, at, judgement.wh, at, tx.id))
    replace_doubts(db, tx.id, judgement.doubts, event, at)
    _record_rejudged(db, origin, tx, judgement.wh, judgement.method, cause)


def _change_text(tx: StoredTransaction, wh: int, confidence: str) -> str:
    return Told(
        "{1}, {2}, before; {3}, {4}, now",
        in_wh(tx.energy_delivered),
        Told(tx.confidence or ""),
        in_wh(wh),
        Told(confidence),
    )


def _note(db: UnitOfWork, origin: Origin, tx: StoredTransaction, words: str, cause: Cause) -> int:
    """Add the row of tx_event for a judgement; return its id."""
    moment = by_the_system(origin.received_at)
    entry = EventEntry(Kind.REJUDGE, "system", moment, words, None, state(tx), cause)
    return add_event(db, origin, tx.id, entry).id


def _record_rejudged(
    db: UnitOfWork, origin: Origin, tx: StoredTransaction, wh: int, method: str, cause: Cause
) -> None:
    fact = TransactionRejudged(
        **tx.about(origin.received_at),
        energy_wh=wh,
        before_wh=tx.counted_wh,
        method=method,
        cause=cause,
        review=_review_of(db, tx.id),
    )
    db.record(fact, origin.session)


_GIVE_UP_JUDGING = "UPDATE tx SET judge_after = NULL, confidence = ? WHERE id = ?"


def _stop_judging(db: UnitOfWork, origin: Origin, tx: StoredTransaction, words: str) -> None:
    """Open a review in place of a judgement that is due."""
    db.execute(_GIVE_UP_JUDGING, (DOUBTFUL, tx.id))
    judged_at = Stamp(tx.judged_at or "")
    figure = Told("{1}, judged at {2}", in_wh(tx.energy_delivered), judged_at)
    doubt = Doubt(Code.JUDGING_STOPPED, words, (figure, words))
    if not _has_review(db, tx.id, doubt.code):
        event = _note(db, origin, tx, words, Cause.LATER)
        open_review(db, tx.id, doubt, event, origin.received_at)
        wh, method = tx.energy_delivered or 0, tx.energy_method or ""
        _record_rejudged(db, origin, tx, wh, method, Cause.LATER)


def _has_review(db: UnitOfWork, transaction: int, code: Code) -> bool:
    return any(open_code == code for open_code, _ in open_reviews(db.rows, transaction))


# Neighbours: those that a judgement is a later fact for


_CHANGES: Final = (
    "SELECT count(*) FROM tx_event WHERE tx_id = ? AND kind = 'rejudge' AND received_at > ?"
)


def tell_neighbours(
    db: UnitOfWork,
    origin: Origin,
    former: StoredTransaction | None,
    transaction: int,
    history: ChargerHistory | None = None,
) -> None:
    """Schedule another judgement of the ended neighbours of a transaction, unless what they depend
    on is the same as in its `former` row.

    Neighbours are the transactions next to it on its connector, where empty ones are passed over,
    and those on other connectors that may count on the same register. The pass
    goes on with these, and ends where one has changed MOST_CHANGES times.
    """
    tx = load_transaction(db, transaction)
    if former is not None and _shown(former) == _shown(tx):
        return
    history = history or ChargerHistory(db.rows, tx.charger)
    own = span_of(tx)
    around = history.around(tx)
    neighbours = [*around.before[:1], *_following(tx, around.after)]
    neighbours += [
        load_transaction(db, span.id) for span in history.beside(own) if may_share(own, span)
    ]
    for other in neighbours:
        if other.judged_at is None or not _is_rejudged(other, Cause.LATER):
            continue
        lately = shifted_stamp(origin.received_at, timedelta(seconds=-HOUR))
        ((changes,),) = db.rows(_CHANGES, (other.id, lately))
        if changes < MOST_CHANGES:
            due = _due(other.judged_at, origin.received_at)
            db.execute(_SCHEDULE, (due, 1, other.id))
        elif other.judge_after is None and not is_settled(db, other.id):
            words = Told("it changed {1} times within an hour, so it was not judged again", changes)
            log.warning(
                "judging stopped; the transaction is under review",
                transaction=other.id,
                reason=words,
            )
            _stop_judging(db, origin, other, words)


def _shown(tx: StoredTransaction) -> tuple[object, ...]:
    """Return what the judgement of its neighbours depends on: of its energy, only whether there
    was any, as they see its range of the register."""
    wh = tx.energy_delivered or 0
    rise = (tx.billed_until or 0) - (tx.billed_from or 0)
    factor = factor_of(tx.energy_method, wh, rise)
    billed = (tx.billed_from, tx.billed_until)
    return tx.status, *billed, tx.confidence, tx.review, factor, wh == 0


def _following(
    tx: StoredTransaction, later: Sequence[StoredTransaction]
) -> list[StoredTransaction]:
    """Return the next transaction on its connector, and those after it that depend on this one: all
    between are empty, or the register fell to 0 among them."""
    # How often it fell is counted over all earlier ones (`neighbours.preceding`), so no transaction
    # after a fall ends the search.
    followers: list[StoredTransaction] = []
    has_fallen = False
    for other in (tx, *later):
        begins_at_zero = other.meter_start == 0
        ends_below_start = (other.meter_stop or 0) < (other.meter_start or 0)
        has_fallen = has_fallen or begins_at_zero or ends_below_start
        if other is tx:
            continue
        followers.append(other)
        is_empty = other.billed_from == other.billed_until or other.energy_delivered == 0
        if not has_fallen and not is_empty:
            break
    return followers


# An imported transaction has no billed range; its stop register takes the place of the range's end.
_END_OF_IMPORTED = "CASE tx.confidence WHEN 'certain' THEN tx.meter_stop END"
_IMPORTED_BEFORE = f"""
    SELECT {COLUMNS.replace("tx.billed_until_wh", _END_OF_IMPORTED)}
    FROM tx INDEXED BY tx_by_charger
    WHERE cp_id = ? AND conn_id = ? AND start_time < ? AND imported_id IS NOT NULL
    ORDER BY start_time DESC
    LIMIT 1
"""  # noqa: S608 - our own names


def compare_neighbours(
    db: UnitOfWork,
    origin: Origin,
    tx: StoredTransaction,
    history: ChargerHistory | None = None,
) -> None:
    """Compare a transaction that began or ended with its neighbours: record the energy that left
    between them, and have those judged again that it is new evidence about. `tx` is as stored,
    `history` what is known of its charger.

    An offline charger sends late, so those after it may be stored already; unbilled energy that
    changes is recorded again.
    """
    history = history or ChargerHistory(db.rows, tx.charger)
    around = history.around(tx)
    earlier, later = around.before[:AROUND], around.after
    previous = earlier[0] if earlier else None
    if previous is None:
        # The first one here follows the last imported one.
        place = (tx.charger, tx.connector, tx.start_time)
        imported = db.row(_IMPORTED_BEFORE, place)
        previous = None if imported is None else StoredTransaction(*imported)

    # Transactions without energy, though their register rose, repeat a range that an earlier one
    # has billed. Then that one is the previous one, from whose end on energy is unbilled, unless a
    # repetition ended as high.
    for number, candidate in enumerate(earlier):
        has_risen = candidate.billed_from != candidate.billed_until
        if candidate.energy_delivered == 0 and has_risen:
            continue
        end_wh = candidate.billed_until or 0
        if all((repetition.billed_until or 0) < end_wh for repetition in earlier[:number]):
            previous = candidate
        break

    if previous is not None:
        _record_unbilled(db, origin, previous, tx)
    if later:
        _record_unbilled(db, origin, tx, later[0])
    for other in _concerned(db, history, tx, earlier, _following(tx, later)):
        judge_again(db, origin, other, Cause.LATER)
        history.forget()


_SHOWN_W = f"""
    SELECT coalesce(max(value), 0) FROM habit WHERE cp_id = ? AND kind = '{CEILING}'
"""  # noqa: S608 - our own word
_UNBILLED = "UPDATE tx SET unbilled_wh = ? WHERE id = ?"


def _record_unbilled(
    db: UnitOfWork, origin: Origin, first: StoredTransaction, second: StoredTransaction
) -> None:
    """Record unbilled energy, which left the connector between the two transactions, once the
    earlier has a figure; or that the meter was exchanged, if both figures are certain."""
    begin = second.begin
    if begin is None or first.billed_until is None:
        return
    unbilled = max(0, begin - first.billed_until)
    is_impossible = False
    if unbilled and second.is_start_timed:  # without times, nothing is impossible
        by_its_clock = seconds(second.own_start_time) - seconds(ended_at(first))
        stopped_at = first.stop_received_at or first.created_at
        by_ours = seconds(second.created_at) - seconds(stopped_at)
        hours = (max(by_its_clock, by_ours) + MOST_LAG) / HOUR
        # A charger can deliver what it ever delivered, and what a person said of this connector.
        ((shown_w,),) = db.rows(_SHOWN_W, (second.charger,))
        ceiling_w = habits_of(db.rows, second, LAST_TIME).ceiling_w or 0
        is_impossible = unbilled > max(AC_W, shown_w, ceiling_w) * hours

    # The register is of another meter if a boot told so, or no charger delivers so much in the
    # time.
    between = (first.created_at, second.created_at)
    if unbilled and (is_impossible or is_other_meter(db.rows, first.charger, *between)):
        unbilled = 0
        # If one figure is doubtful, its own register may be the wrong one.
        is_replaced = is_other_charger(db.rows, first.charger, *between)
        if first.confidence == second.confidence == CERTAIN and not is_replaced:
            registers = (begin, second.connector or 0, first.billed_until)
            sessions.note_oddity(db, origin, "meter_exchanged", *registers)
    recorded = second.unbilled_wh or 0
    if unbilled != recorded:
        db.execute(_UNBILLED, (unbilled, second.id))
        about = second.about(origin.received_at)
        fact = EnergyUnbilled(**about, energy_wh=unbilled, before_wh=recorded)
        db.record(fact, origin.session)


def _concerned(
    db: UnitOfWork,
    history: ChargerHistory,
    tx: StoredTransaction,
    earlier: Sequence[StoredTransaction],
    later: Sequence[StoredTransaction],
) -> Iterator[int]:
    """Yield the transactions that one is new evidence about; each is judged before the next one is
    looked for."""
    # On other connectors: those that may share its register, and those under review because of a
    # shared register. The same is asked for earlier ones that are under such a review, or that it
    # puts in question.
    reviewed = [previous for previous in earlier if previous.review is not None]
    doubted = [one for one in reviewed if _has_review(db, one.id, Code.SHARED_REGISTER)]
    doubted += _in_question(tx, earlier)
    for own in map(span_of, (tx, *doubted)):
        for span in history.beside(own):
            if may_share(own, span) or _has_review(db, span.id, Code.SHARED_REGISTER):
                yield span.id

    # If it does not begin at the stop of the previous one, those whose stops may have been
    # exchanged.
    apart = None
    if earlier and tx.meter_start is not None and earlier[0].meter_stop is not None:
        is_at_stop = is_about(tx.meter_start, earlier[0].meter_stop)
        apart = None if is_at_stop else earlier[0]
    if apart is not None:
        yield from _exchanged(db, history, apart, tx)

    # If it begins above the previous stop, another connector may have its register: all that share
    # it.
    if apart is not None and (tx.meter_start or 0) >= (apart.meter_stop or 0):
        for meeting in (tx, *earlier):
            yield from _meeting(db, history, meeting)

    # Those next to it on its connector.
    arrived = tx.stop_received_at or tx.created_at
    touched = [one for one in later if one.judged_at is not None and one.judged_at <= arrived]
    touched += doubted
    touched += [other for other in (*earlier[:1], *later) if _is_touched(tx, other)]
    yield from dict.fromkeys([other.id for other in touched])
    if touched and tx.review is not None:  # a neighbour may have another range now
        yield tx.id


def _in_question(
    tx: StoredTransaction, earlier: Sequence[StoredTransaction]
) -> list[StoredTransaction]:
    """Return the last of the previous transactions if this one shows that its registers may be
    others."""
    if len(earlier) < 2:
        return []
    last, before = earlier[:2]
    # It began at or below the start of the one before and went beyond its end, and this one goes on
    # from there: its own start may be an old one.
    ends = (
        last.billed_from,
        before.billed_from,
        before.billed_until,
        last.billed_until,
        tx.meter_start,
    )
    known = [wh for wh in ends if wh is not None]
    is_passing_over = len(known) == len(ends) and known == sorted(known)
    # It began where the one before ended, and this one begins at 0: these registers may count each
    # transaction.
    is_continued = bool(last.meter_start) and last.meter_start == before.billed_until
    is_not_reset = tx.meter_start == 0 and is_continued
    return [last] if is_passing_over or is_not_reset else []


def _exchanged(
    db: UnitOfWork, history: ChargerHistory, previous: StoredTransaction, tx: StoredTransaction
) -> Iterator[int]:
    """Yield the previous transaction and one on another connector at whose stop this one begins,
    and the next there: the charger may have confused the ids of the two stops."""
    for span in history.beside(span_of(previous)):
        if span.charger != tx.charger or span.stop is None:
            continue
        if is_about(tx.meter_start or 0, span.stop):
            there = load_transaction(db, span.id)
            followers = begun_after(db.rows, there.place)
            yield from [other.id for other in (previous, there, *followers)]


def _meeting(db: UnitOfWork, history: ChargerHistory, tx: StoredTransaction) -> Iterator[int]:
    """Yield a transaction, and those on other connectors beside it whose registers meet its own, if
    there are any. Those that have a review for it are left out."""
    own = span_of(tx)
    meeting = [span.id for span in history.beside(own) if may_share(own, span)]
    if not meeting:
        return
    for other in (tx.id, *meeting):
        if not _has_review(db, other, Code.SHARED_REGISTER):
            yield other


def _is_touched(tx: StoredTransaction, other: StoredTransaction) -> bool:
    """Whether a transaction is new evidence about one next to it."""
    if other.review is not None:
        return True
    begin = tx.begin
    # It begins above the other's stop, which may be old, wrong or in another unit.
    if begin is not None and other.meter_stop is not None and begin > other.meter_stop:
        return True
    if other.billed_from is None or other.billed_until is None:
        return False
    # A register that begins at 0 may count each transaction, so it tells nothing about another one.
    if begin:
        end_wh = begin if tx.billed_until is None else tx.billed_until
        theirs = (other.billed_from, other.billed_until)
        # Whether they ran at once is the judge's question. Here, more overlaps count.
        if overlap((begin, end_wh), theirs, is_at_once=True):
            return True
        # The register fell from the other to this one.
        if begin < other.billed_from and other.own_start_time < tx.own_start_time:
            return True
    # If the system closed it, only the next start shows where it ended.
    is_earlier = (other.own_start_time, other.id) < (tx.own_start_time, tx.id)
    return is_earlier and state(other) is State.CLOSED


# Dates by our clock

_DATE = """
    UPDATE tx
    SET start_time = ?, stop_time = ?, start_behind_seconds = ?, stop_behind_seconds = ?,
        is_clock_unsure = ?
    WHERE id = ?
"""


def date(db: UnitOfWork, tx: StoredTransaction, clock: Dating) -> StoredTransaction:
    """Correct the times of a transaction by what is known of its charger's clock; return it as
    stored."""
    return _store_times(db, tx, dated(tx, clock))


def _store_times(
    db: UnitOfWork, tx: StoredTransaction, corrected: StoredTransaction
) -> StoredTransaction:
    if corrected is not tx:
        times = (corrected.start_time, corrected.stop_time)
        behind = (corrected.start_behind, corrected.stop_behind, corrected.is_clock_unsure)
        db.execute(_DATE, (*times, *behind, tx.id))
    return corrected


_AS_LATE = f"""
    SELECT {COLUMNS}
    FROM tx
    WHERE id IN (
            SELECT id
            FROM tx
            WHERE cp_id = ? AND conn_id = ?
            ORDER BY created_at DESC, id DESC
            LIMIT ?
        )
        AND status = 'Completed' AND judged_at IS NOT NULL AND judge_after IS NULL
        AND (
            is_clock_unsure = 1
            OR (start_behind_seconds = 0 AND start_skew_seconds <= ?)
            OR (stop_behind_seconds = 0 AND stop_skew_seconds <= ?)
        )
    ORDER BY created_at DESC, id DESC
"""  # noqa: S608 - our own names
_MAKE_DUE = """
    judge_after = coalesce(judge_after, ?1),
    judge_steps = CASE WHEN judge_after IS NULL THEN 0 ELSE judge_steps END
"""
"""Makes a transaction due to be judged again. `judge_steps` is 1 if a neighbour's judgement leads
there; here a fact of its own does."""
_MAKE_ONE_DUE = f"UPDATE tx SET {_MAKE_DUE} WHERE id = ?2"  # noqa: S608 - our own names


def judge_by_late_message(db: UnitOfWork, origin: Origin, moment: Moment) -> bool:
    """Correct the times of a charger's transactions if a late message shows, with others, that its
    clock is behind: of open ones at once, of the last ended ones when they are judged again. The
    message is no reading. Return whether it is late."""
    skew = moment.skew_seconds
    if skew is None or skew >= -LATE_SECONDS or not moment.is_believable:
        return False
    least = skew + SAME_BEHIND_SECONDS
    for tx in open_ones(db, origin.charger):
        is_as_late = tx.start_skew is not None and tx.start_skew <= least
        if is_as_late and not tx.start_behind:
            date(db, tx, dating(db.rows, tx))

    as_late: list[StoredTransaction] = []
    for connector in connector_numbers(db.rows, origin.charger, "tx"):
        rows = db.rows(_AS_LATE, (origin.charger, connector, NEWEST, least, least))
        as_late += map(StoredTransaction._make, rows)

    # Most late messages only waited in a queue. If nothing around the newest of these transactions
    # shows a clock that is behind, the others need no look.
    last = max(as_late, key=lambda tx: tx.stop_received_at or "", default=None)
    if last is None or not shows_clock(db.rows, last, origin.received_at):
        return True
    due = shifted_stamp(origin.received_at, timedelta(seconds=REJUDGE_SECONDS))
    for tx in as_late:
        corrected = dated(tx, dating(db.rows, tx), is_settled=is_settled(db, tx.id))
        if corrected is not tx:
            db.execute(_MAKE_ONE_DUE, (due, tx.id))
    return True


_MAKE_UNSURE_DUE = f"""
    UPDATE tx
    SET {_MAKE_DUE}
    WHERE id IN (SELECT tx_id FROM bill_work) AND is_clock_unsure = 1 AND status = 'Completed'
        AND review IS NULL AND judge_after IS NULL
        AND NOT EXISTS (
            SELECT 1 FROM position WHERE position.tx_id = tx.id AND kind <> 'held back'
        )
"""  # noqa: S608 - our own names


def schedule_unsure(db: UnitOfWork, at: str) -> None:
    """Have the prices of transactions compared again whose times are not sure and whose month was
    not closed: what is billed has changed, so the difference may matter now."""
    db.execute(_MAKE_UNSURE_DUE, (at,))


def schedule_prices(db: UnitOfWork, tx: StoredTransaction, at: str) -> None:
    """Have the prices of a transaction compared if its times are not sure: later, where it is known
    what is billed. If they are sure, resolve the review that asks about them."""
    if tx.is_clock_unsure:
        db.execute(_MAKE_ONE_DUE, (at, tx.id))
    elif tx.review is not None:
        _resolve_clock(db, tx, at)


def _resolve_clock(db: UnitOfWork, tx: StoredTransaction, at: str) -> None:
    resolve(db, tx.id, Code.CLOCK_UNSURE, at, SYSTEM, Resolution.JUDGED_AGAIN, LATER_FACTS)


_NEWEST_EVENT = "SELECT max(id) FROM tx_event WHERE tx_id = ?"
_NOT_DUE = "UPDATE tx SET judge_after = NULL WHERE id = ?"


def ask_about_times(db: UnitOfWork, tx: StoredTransaction, at: str, rule: Rule) -> None:
    """Open a review if the price of a transaction, whose times are not sure, depends on them;
    resolve it if not."""
    prices = Pricer(db.rows, rule).by_both_times(tx.id)
    doubt = None
    if prices is not None:
        doubt = Doubt(Code.CLOCK_UNSURE, prices.words, (prices.corrected, prices.sent))
    for code, words in open_reviews(db.rows, tx.id):
        is_other = doubt is None or doubt.words != words
        if code == Code.CLOCK_UNSURE and is_other:
            _resolve_clock(db, tx, at)
    if doubt is not None and not was_asked(db.rows, tx.id, doubt):
        ((event,),) = db.rows(_NEWEST_EVENT, (tx.id,))
        open_review(db, tx.id, doubt, event, at)
    db.execute(_NOT_DUE, (tx.id,))


# Habits: learned from sessions that another source confirms, ended by a contradiction


def learn(db: UnitOfWork, tx: StoredTransaction, case: Case, judgement: Judgement, at: str) -> None:
    """Learn from a transaction whose figure is confirmed by another source than its register."""
    if not judgement.is_confirmed:
        return
    if judgement.code is not None and judgement.is_sole:
        per_mille = round(judgement.factor * 1000)
        why = Told("session {1} lacks another factor", tx.id)
        # A factor of 1 is stored as NULL.
        contradicted = "kind = ? AND coalesce(value, 1000) <> ?"
        _revoke(db, tx, why, at, contradicted, (judgement.code, per_mille))
        _show(db, tx, judgement.code, None if per_mille == 1000 else per_mille, at)
    elif judgement.is_power_scaled:
        _show(db, tx, POWER_TOO_HIGH, None, at)
    elif judgement.code is None and not judgement.doubts:
        if case.power:
            _show(db, tx, CEILING, round(case.power.most), at)
        # One whose start and stop are rounded does not contradict that this charger rounds them.
        kept = [CEILING]
        if case.ends_digit > 1:
            kept.append(Code.ENDS_ROUNDED)
        # A habit that only a sister proved has no row here yet, which could be revoked.
        for code in case.habits.keys() - {*kept}:
            _show(db, tx, code, None, at, times=0)
        why = Told("session {1} is certain as reported", tx.id)
        _revoke(db, tx, why, at, f"kind NOT IN ({marks(kept)})", kept)


def learn_confirmed(
    db: UnitOfWork, tx: StoredTransaction, case: Case, judgement: Judgement, at: str
) -> None:
    """Learn the highest power from a doubtful transaction that an operator confirms, if two sources
    show it."""
    if not judgement.is_confirmed or not judgement.doubts or not case.power:
        return
    if judgement.wh == tx.energy_delivered:
        _show(db, tx, CEILING, round(case.power.most), at)


_IS_LIMITED: Final = """EXISTS (
        SELECT 1 FROM load_charger WHERE cp_id = ?5
        UNION ALL
        SELECT 1
        FROM charging_profile
        WHERE cp_id = ?5 AND conn_id IN (0, ?1) AND created_at < ?4
            AND coalesce(ended_at, ?4) > ?8
    )"""
"""With a limit of ours, a power shows only that power is told, not what a charger can deliver."""
_LAST_ASKED = """(
        SELECT {0} FROM habit
        WHERE cp_id = ?5 AND conn_id = ?1 AND firmware = coalesce(cp.firmware_version, '')
            AND meter_serial = coalesce(cp.meter_serial_number, '') AND kind = ?2
        ORDER BY id DESC
        LIMIT 1
    )"""
"""One that is learned again, after a contradiction ended it, is asked about like the one before."""
_SHOW = f"""
    INSERT INTO habit (
        cp_id, conn_id, firmware, meter_serial, kind, value, transactions, since, last_at,
        asks_since, asks_by
    )
    SELECT id, ?1, coalesce(firmware_version, ''), coalesce(meter_serial_number, ''), ?2,
        ?3 * is_free, ?7 * is_free, ?4, ?4,
        {_LAST_ASKED.format("asks_since")},
        {_LAST_ASKED.format("asks_by")}
    FROM cp, (
        SELECT CASE WHEN ?2 = '{CEILING}' AND {_IS_LIMITED} THEN 0 ELSE 1 END AS is_free
    ) AS limits
    WHERE id = ?5
    ON CONFLICT (cp_id, conn_id, firmware, meter_serial, kind) WHERE revoked_at IS NULL DO UPDATE
    SET last_at = excluded.last_at,
        transactions = habit.transactions + CASE
            WHEN (SELECT count(*) FROM tx_event WHERE tx_id = ?6 AND kind IN ('close', 'stop')) > 1
            THEN 0
            ELSE excluded.transactions
        END,
        value = CASE WHEN habit.value > excluded.value THEN habit.value ELSE excluded.value END
    WHERE excluded.transactions > 0
"""  # noqa: S608 - our own names


def _show(
    db: UnitOfWork, tx: StoredTransaction, kind: str, value: int | None, at: str, times: int = 1
) -> None:
    """Count a transaction for a habit; once only, where it was closed before its own stop
    arrived."""
    since = min(tx.created_at, tx.start_time)
    db.execute(_SHOW, (tx.connector or 0, kind, value, at, tx.charger, tx.id, times, since))


def _revoke(
    db: UnitOfWork,
    tx: StoredTransaction,
    why: str,
    at: str,
    which: str,
    values: Sequence[object],
) -> None:
    db.execute(
        f"""
        UPDATE habit
        SET revoked_at = ?, revoked_by = 'system', reason = ?
        WHERE cp_id = ? AND conn_id = ? AND revoked_at IS NULL AND {which}
        """,  # noqa: S608 - our own words
        (at, why, tx.charger, tx.connector or 0, *values),
    )


_OPEN: Final = """
    INSERT INTO review (
        tx_id, code, words, told, figures, figures_told, evidence, evidence_told, tx_event_id,
        opened_at
    )
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (tx_id, code) WHERE resolved_at IS NULL DO NOTHING
"""


def open_review(db: UnitOfWork, transaction: int, doubt: Doubt, event: int, at: str) -> None:
    """Open a review, unless one of the same code is open. Triggers copy its words to tx.review."""
    figures = orjson.dumps(dict(doubt.figures), option=orjson.OPT_NON_STR_KEYS).decode()
    figures_told = stored_in([*map(list, doubt.figures.items())])
    evidence = orjson.dumps(doubt.evidence).decode()
    evidence_told = stored_in([*doubt.evidence])
    words = (doubt.words, stored(doubt.words))
    shown = (figures, figures_told, evidence, evidence_told)
    db.execute(_OPEN, (transaction, doubt.code, *words, *shown, event, at))


def replace_doubts(
    db: UnitOfWork, transaction: int, doubts: Iterable[Doubt], event: int, at: str
) -> None:
    """Open reviews for the judge's present doubts, and resolve those for doubts that it no longer
    has."""
    by_code: dict[str, Doubt] = {doubt.code: doubt for doubt in doubts}
    judged_again = (at, SYSTEM, Resolution.JUDGED_AGAIN, Told("later facts"))
    for code, words in open_reviews(db.rows, transaction):
        if code in LASTING:
            continue
        if code not in by_code or by_code[code].words != words:
            resolve(db, transaction, code, *judged_again)
    for doubt in by_code.values():
        open_review(db, transaction, doubt, event, at)


_RESOLVE: Final = """
    UPDATE review
    SET resolved_at = ?, resolved_by = ?, resolution = ?, reason = ?
    WHERE tx_id = ? AND code = ? AND resolved_at IS NULL
"""


def resolve(
    db: UnitOfWork,
    transaction: int,
    code: Code | str,
    at: str,
    by: str,
    resolution: Resolution,
    reason: str,
) -> None:
    """Resolve the open review of this code, if there is one."""
    db.execute(_RESOLVE, (at, by, resolution, reason, transaction, code))


def resolve_doubts(db: UnitOfWork, transaction: int, at: str) -> None:
    """Resolve the judge's doubts about an end that is void because the transaction goes on."""
    goes_on = (at, SYSTEM, Resolution.REOPENED, Told("its charger goes on with it"))
    for code, _ in open_reviews(db.rows, transaction):
        if code not in LASTING - OF_THE_PRICE:
            resolve(db, transaction, code, *goes_on)


def is_settled(db: UnitOfWork, transaction: int) -> bool:
    """Whether an operator confirmed or corrected the figure after the end of the transaction."""
    return settled_by(db.rows, transaction) is not None


_COLUMNS: Final = ", ".join(SignedFinding._fields)
_KEPT: Final = f"SELECT {_COLUMNS} FROM signed_check WHERE tx_id = ?"  # noqa: S608 - our own names
_DELETE: Final = "DELETE FROM signed_check WHERE tx_id = ?"
_KEEP: Final = (
    f"INSERT INTO signed_check (tx_id, checked_at, {_COLUMNS}) "  # noqa: S608 - our own names
    f"VALUES (?, ?, {marks(SignedFinding._fields)})"
)
_SAME_PAGES: Final = (
    "SELECT tx_id FROM signed_check JOIN tx ON tx.id = tx_id WHERE key = ? AND last_page >= ? "
    "AND first_page <= ? AND tx_id < ? AND (is_owners = 1 OR cp_id = ?) LIMIT 1"
)
"""What another charger sent with a key that it told contradicts nobody."""
_DONE: Final = (
    "INSERT INTO signed_work (id, revision) VALUES (1, ?) "
    "ON CONFLICT (id) DO UPDATE SET revision = max(signed_work.revision, excluded.revision)"
)
_OF_CHARGER: Final = "SELECT tx_id FROM signed_check JOIN tx ON tx.id = tx_id WHERE cp_id = ?"
_NOT_DUE_OF_CHARGER: Final = f"DELETE FROM bill_work WHERE tx_id IN ({_OF_CHARGER})"  # noqa: S608 - our own names
_DUE: Final = f"INSERT INTO bill_work (tx_id) {_OF_CHARGER} ORDER BY tx_id"


def keep_signed(db: UnitOfWork, found: Sequence[CheckedSession], revision: int, at: str) -> None:
    """Store what was found, and up to which revision of bill_work. One that cannot be stored costs
    the others nothing."""
    for one in found:
        error = db.attempt(partial(_keep, db, one, at), JUDGING_SECONDS)
        if error is not None:
            log.error(
                "what the signed values of a transaction prove could not be stored",
                transaction=one.transaction,
                exc_info=error,
            )
    db.execute(_DONE, (revision,))


def _keep(db: UnitOfWork, one: CheckedSession, at: str) -> None:
    number, finding = one
    tx = find_transaction(db.rows, number)
    before = [tuple(row) for row in db.rows(_KEPT, (number,))]
    now = [] if finding is None or tx is None else [_row(_unique(db, tx, finding))]
    if tx is None or before == now:
        return
    db.execute(_DELETE, (number,))
    for row in now:
        db.execute(_KEEP, (number, at, *row))
    judge_again(db, Origin(tx.charger, None, at), number, Cause.LATER)


def _unique(db: UnitOfWork, tx: StoredTransaction, finding: SignedFinding) -> SignedFinding:
    """Return a finding that an earlier session has the same records, if one does. What proves
    nothing, as some chargers send the records of before again, contradicts nothing either."""
    if finding.state is SignedState.UNPROVEN:
        return finding
    pages = (finding.key, finding.first_page, finding.last_page, tx.id, tx.charger)
    if db.rows(_SAME_PAGES, pages):
        words = Told("another session has the same signed records")
        return finding._replace(state=SignedState.DOUBTFUL, told=words, wh=None)
    return finding


def _row(finding: SignedFinding) -> tuple[object, ...]:
    return (
        *(finding.state.value, stored(finding.told), finding.wh, finding.digit_wh, finding.key),
        *(int(finding.is_owners), int(finding.is_timed), finding.first_page, finding.last_page),
    )


def check_signed_again(db: UnitOfWork, charger: str) -> None:
    """Have the sessions of a charger checked again: another key of its meter is known."""
    db.execute(_NOT_DUE_OF_CHARGER, (charger,))
    db.execute(_DUE, (charger,))
