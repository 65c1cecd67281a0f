"""What an operator decides about a transaction: confirm or correct its figure, close it, dismiss a
review, or give it to an account; and what becomes of messages that were set aside.

Each decision adds a row of `tx_event` with the operator's name and reason and with what stood
before; the life cycle says in which states it is possible. After a confirmation or a correction,
later facts no longer change the figure; they open a new review. A repeated decision changes
nothing.

One decision about many transactions is one write: each gets the figure that was shown of it, or is
left out. After a power cut either all are decided or none is, and a second click finds them
decided.

A message whose transaction nothing showed waits until readings show it, or an operator attaches it
to a transaction, makes one of it, or dismisses it. An attached message takes the same way as one
that its charger sends: it is stored, linked and judged, on the grounds that an operator attached
it. A message is resolved once. An offline charger may send the stop of a transaction, whose start
was lost, before the readings that show its energy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, NoReturn

import orjson

from levity_trio.charging.energy import CERTAIN, judge
from levity_trio.charging.lifecycle import TABLE, Cause, Kind, Resolution, State
from levity_trio.charging.names import reported_id
from levity_trio.charging.refute.shared import counted
from levity_trio.charging.reviews import DISMISSIBLE, Code, in_wh, name_of
from levity_trio.charging.sent.evidence import seconds
from levity_trio.charging.sent.figures import CORRECTED
from levity_trio.charging.sent.readings import (
    HIGHEST_WH,
    Moment,
    Reading,
    are_meter_values,
    read,
    understand,
)
from levity_trio.charging.tolerances import CLOCK, CLOCK_SECONDS, FASTEST_W, INTERVAL
from levity_trio.events import (
    MessageAttached,
    MessageDismissed,
    ReviewDismissed,
    TransactionConfirmed,
    TransactionCorrected,
    TransactionGiven,
)
from levity_trio.records import record
from levity_trio.store.billing.pricing import Priced, Pricer, Rule
from levity_trio.store.cases.case import CEILING, POWER_TOO_HIGH, case_of
from levity_trio.store.cases.neighbours import ChargerHistory
from levity_trio.store.cases.transaction import (
    METER_VALUES,
    NO_PERSONS,
    SYSTEM,
    StoredTransaction,
    by_our_clock,
    by_whom,
    find_transaction,
    open_reviews,
    settled_by,
)
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.chargers import sessions
from levity_trio.store.writes.origin import (
    LOCAL,
    WITHOUT_ID,
    Message,
    Origin,
    Stop,
    StopWithData,
    fields_of,
    text_in,
)
from levity_trio.store.writes.people.tags import ACCEPTED
from levity_trio.store.writes.transactions import readings, starts, stops
from levity_trio.store.writes.transactions.judging import (
    compare_neighbours,
    learn_confirmed,
    resolve,
    tell_neighbours,
)
from levity_trio.store.writes.transactions.readings import MessageReadings
from levity_trio.store.writes.transactions.starts import StartFields
from levity_trio.store.writes.transactions.states import (
    EventEntry,
    add_event,
    by_the_system,
    load_transaction,
    state,
)
from levity_trio.store.writes.transactions.stops import OTHER, Closure
from levity_trio.told import Moment as Stamp
from levity_trio.told import Quantity, Told
from levity_trio.wire.large import parts_of

_INSTEAD: Final = {
    Cause.OPERATOR: Told("it has ended, so confirm or correct its figure"),
    Cause.CONFIRMED: Told("close it before you confirm its figure"),
    Cause.CORRECTED: Told("close it before you correct its figure"),
    Cause.STOP_ATTACHED: Told("it has a stop, so correct its figure"),
}
"""What to do where the life cycle has no step."""
_OF_IMPORTED: Final = Told("it is history of another system, which is billed elsewhere")
INEXACT_SECONDS: Final = 2 * INTERVAL + CLOCK
"""By so much a session may have been longer than its times say, as for those who judge it."""
_MOST: Final = 50
"""No more transactions of one meter are looked at."""


class DecisionProblem(StrEnum):
    """Why a decision is refused."""

    NOT_FOUND = "not_found"
    WRONG_STATE = "wrong_state"
    """The life cycle has no such step."""
    ALREADY_DECIDED = "already_decided"
    """Somebody decided otherwise before."""
    CHANGED = "changed"
    """Something happened to the transaction since the operator looked at it."""
    INVALID = "invalid"
    """A value of the decision is missing or impossible."""


class DecisionRefused(Exception):
    """A decision that was not carried out; nothing was changed. `field` is the name of an invalid
    value."""

    def __init__(self, problem: DecisionProblem, words: str, field: str | None = None) -> None:
        super().__init__(words)
        self.problem = problem
        self.words = words
        self.field = field


@record(kw_only=False)
class Decision:
    """Who decides, why and when. `seen_event` is the newest row of tx_event that the operator saw,
    None if any will do.

    Raises DecisionRefused if the name or the reason is missing.
    """

    by: str
    reason: str
    at: str
    seen_event: int | None = None

    def __post_init__(self) -> None:
        if self.by.strip().casefold() in ("", *NO_PERSONS):
            words = Told("a decision needs the name of a person")
            raise DecisionRefused(DecisionProblem.INVALID, words, "by")
        if not self.reason.strip():
            words = Told("a decision needs a reason")
            raise DecisionRefused(DecisionProblem.INVALID, words, "reason")

    def origin(self, charger: str) -> Origin:
        """Return the origin of what is decided about a transaction of this charger."""
        return Origin(charger, None, self.at)


# What all decisions have in common


def find(db: UnitOfWork, transaction: int) -> StoredTransaction:
    """Return a transaction. Raises DecisionRefused if there is none."""
    tx = find_transaction(db.rows, transaction)
    if tx is None:
        words = Told("there is no session {1}", transaction)
        raise DecisionRefused(DecisionProblem.NOT_FOUND, words)
    return tx


_NEWEST_EVENT: Final = "SELECT max(id) FROM tx_event WHERE tx_id = ?"


def check(db: UnitOfWork, tx: StoredTransaction, decision: Decision, cause: Cause) -> Kind:
    """Check that nothing happened since the operator looked, and that the life cycle has a step for
    this decision; return the kind of its row. Raises DecisionRefused."""
    ((newest,),) = db.rows(_NEWEST_EVENT, (tx.id,))
    seen = decision.seen_event
    if seen is not None and seen != newest:
        words = Told(
            "session {1} has changed: its newest event is {2}, not {3}", tx.id, newest, seen
        )
        raise DecisionRefused(DecisionProblem.CHANGED, words)
    kind = TABLE[state(tx), cause].kind
    if kind is None:
        instead = _INSTEAD.get(cause, Told("this is not possible"))
        if state(tx) is State.IMPORTED:
            instead = _OF_IMPORTED
        words = Told("session {1} is {2}: {3}", tx.id, Told(state(tx).value), instead)
        raise DecisionRefused(DecisionProblem.WRONG_STATE, words)
    return kind


def enter(
    db: UnitOfWork,
    tx: StoredTransaction,
    decision: Decision,
    cause: Cause,
    what: Mapping[str, object],
) -> None:
    """Add the row of tx_event for a decision: what was decided, and what stood before. Raises
    DecisionRefused."""
    entry = EventEntry(
        kind=check(db, tx, decision, cause),
        who=decision.by,
        moment=by_the_system(decision.at),
        reason=decision.reason,
        state=state(tx),
        cause=cause,
        decision=orjson.dumps(what).decode(),
    )
    add_event(db, decision.origin(tx.charger), tx.id, entry)


def settle(
    db: UnitOfWork, tx: StoredTransaction, decision: Decision, resolution: Resolution
) -> tuple[str, ...]:
    """Resolve what waits about a transaction: its reviews, and the messages set aside with it.
    Return the codes."""
    resolved = (decision.at, decision.by, resolution, decision.reason)
    sessions.resolve_messages_of(db, tx.id, resolved)
    codes = tuple(code for code, _ in open_reviews(db.rows, tx.id))
    for code in codes:
        resolve(db, tx.id, code, *resolved)
    return codes


def before(tx: StoredTransaction) -> dict[str, Any]:
    """Return what a decision about the figure replaces."""
    return {
        "figure_wh": tx.energy_delivered,
        "method": tx.energy_method,
        "confidence": tx.confidence,
        "billed_from_wh": tx.billed_from,
        "billed_until_wh": tx.billed_until,
        "start_time": tx.start_time,
        "stop_time": tx.stop_time,
        "id_tag": tx.id_tag,
        "review": tx.review,
    }


def _kwh(wh: int) -> Quantity:
    return Quantity(wh / 1000, "kWh")


# Confirm

_NEWEST_CORRECTION: Final = """
    SELECT id, who FROM tx_event WHERE tx_id = ? AND kind = 'correct' ORDER BY id DESC
"""
_CONFIRM: Final = """
    UPDATE tx
    SET confidence = ?, is_at_fallback = max(is_at_fallback, is_clock_unsure), is_clock_unsure = 0,
        updated_at = ?
    WHERE id = ?
"""


def confirm(db: UnitOfWork, transaction: int, decision: Decision) -> StoredTransaction:
    """Make the present figure certain and resolve all its open reviews; return the transaction.

    Raises DecisionRefused, also if a meter that counted other cars too did not rise by so much.
    """
    tx = find(db, transaction)
    _check_meter(db, tx)
    settler = settled_by(db.rows, tx.id)
    if tx.confidence == CERTAIN and tx.review is None and settler is not None:
        # Somebody may have corrected it since the operator saw it.
        corrected = db.row(_NEWEST_CORRECTION, (tx.id,))
        seen = decision.seen_event
        if corrected is not None and seen is not None and seen < corrected[0]:
            figure = in_wh(tx.energy_delivered)
            words = Told("{1} has corrected session {2} to {3}", corrected[1], tx.id, figure)
            raise DecisionRefused(DecisionProblem.ALREADY_DECIDED, words)
        return tx

    enter(db, tx, decision, Cause.CONFIRMED, {"before": before(tx)})
    codes = settle(db, tx, decision, Resolution.CONFIRMED)
    if settler is None:
        case = case_of(ChargerHistory(db.rows, tx.charger), tx)
        learn_confirmed(db, tx, case, judge(case), decision.at)
    db.execute(_CONFIRM, (CERTAIN, decision.at, tx.id))
    fact = TransactionConfirmed(
        **tx.about(decision.at),
        by=decision.by,
        reason=decision.reason,
        energy_wh=tx.energy_delivered or 0,
        reviews=codes,
    )
    db.record(fact)
    tell_neighbours(db, decision.origin(tx.charger), tx, tx.id)
    return load_transaction(db, tx.id)


def confirm_shown(
    db: UnitOfWork, transaction: int, figure_wh: int | None, decision: Decision
) -> StoredTransaction:
    """Confirm the present figure, if it is the one that was shown; one below what the charger
    reported only if it is named. Raises DecisionRefused."""
    tx = find(db, transaction)
    wh = tx.energy_delivered or 0
    reported = (tx.meter_stop or 0) - (tx.meter_start or 0)
    if figure_wh is None and tx.confidence != CERTAIN and wh < reported:
        figures = Told("it is {1}, though the charger reported {2}", _kwh(wh), _kwh(reported))
        words = Told("{1}: give the figure that you confirm", figures)
        raise DecisionRefused(DecisionProblem.INVALID, words, "figure_wh")
    if figure_wh is not None and figure_wh != wh:
        if settled_by(db.rows, tx.id) is not None:
            words = Told("session {1} was decided: it is {2}", tx.id, _kwh(wh))
            raise DecisionRefused(DecisionProblem.ALREADY_DECIDED, words)
        words = Told("the figure of session {1} is {2} now: look at it again", tx.id, _kwh(wh))
        raise DecisionRefused(DecisionProblem.CHANGED, words)
    return confirm(db, transaction, decision)


class _MeteredTransaction(NamedTuple):
    """A transaction that ended: its registers and its figure."""

    id: int
    meter_start: int
    meter_stop: int
    energy_wh: int
    confidence: str | None


_ENDED: Final = """
    SELECT id, meter_start, meter_stop, coalesce(energy_delivered, 0), confidence
    FROM tx
    WHERE id = ? AND status = 'Completed' AND meter_start IS NOT NULL AND meter_stop IS NOT NULL
"""


def _check_meter(db: UnitOfWork, tx: StoredTransaction) -> None:
    """Check that the cars that one meter counted together have no more than it rose by. Raises
    DecisionRefused."""
    if all(code != Code.SHARED_REGISTER for code, _ in open_reviews(db.rows, tx.id)):
        return
    together = _counted_together(db, tx.id)
    own = [ended for ended in together if ended.id == tx.id]
    others = [ended for ended in together if ended.id != tx.id and ended.confidence == CERTAIN]
    if not own or not others:
        return
    highest = max(ended.meter_stop for ended in together)
    rise = highest - min(ended.meter_start for ended in together)
    of_others = sum(ended.energy_wh for ended in others)
    if own[0].energy_wh <= rise - of_others:
        return
    words = Told(
        (
            "its meter rose by {1} for it and for {2}, which have {3} of it: correct it to {4} at "
            "most, or correct the others first"
        ),
        _kwh(rise),
        ", ".join(str(ended.id) for ended in others),
        _kwh(of_others),
        _kwh(max(0, rise - of_others)),
    )
    raise DecisionRefused(DecisionProblem.WRONG_STATE, words)


def _counted_together(db: UnitOfWork, transaction: int) -> Sequence[_MeteredTransaction]:
    """Return the transactions that its meter counted without a pause between them, with it
    itself."""
    numbers = [transaction]
    for number in numbers:
        if len(numbers) >= _MOST:
            break
        tx = find_transaction(db.rows, number)
        if tx is None:
            continue
        case = case_of(ChargerHistory(db.rows, tx.charger), tx)
        for also in counted(case, tx.billed_from, tx.billed_until):
            if also.other.id not in numbers:
                numbers.append(also.other.id)
    together: list[_MeteredTransaction] = []
    for number in sorted(numbers):
        ended = db.row(_ENDED, (number,))
        if ended is not None:
            together.append(_MeteredTransaction(*ended))
    return together


# Close, and dismiss a review

_NEWEST_CLOSING: Final = """
    SELECT who, reason FROM tx_event WHERE tx_id = ? AND kind = 'close' ORDER BY id DESC LIMIT 1
"""


def close(
    db: UnitOfWork,
    transaction: int,
    decision: Decision,
    stop_time: str | None = None,
    meter_stop: int | None = None,
) -> StoredTransaction:
    """Close an open transaction with the energy that its readings show; return it. Its charger's
    own stop still wins.

    `meter_stop`, the register in Wh at its end, makes this a correction, too. Raises
    DecisionRefused.
    """
    tx = find(db, transaction)
    is_closed = False
    if state(tx) is State.CLOSED:
        is_closed = db.row(_NEWEST_CLOSING, (tx.id,)) == (decision.by, decision.reason)
    if not is_closed:
        check(db, tx, decision, Cause.OPERATOR)
        if stop_time is not None:
            last_at = by_our_clock(tx, tx.last_reading_at or tx.start_time)
            earliest = max(tx.start_time, last_at)
            if not earliest <= stop_time <= decision.at:
                words = Told(
                    "a stop time lies between {1}, the last sign of charging, and now",
                    Stamp(earliest),
                )
                raise DecisionRefused(DecisionProblem.INVALID, words, "stop_time")
        at = stop_time or decision.at
        closure = Closure(Cause.OPERATOR, OTHER, decision.reason, at, ended=stop_time)
        stops.close(db, decision.origin(tx.charger), tx, closure, decision.by)
    if meter_stop is not None:
        correction = Correction(meter_stop=meter_stop)
        return correct(db, tx.id, correction, replace(decision, seen_event=None))
    return load_transaction(db, tx.id)


_REVIEW: Final = "SELECT tx_id, code, resolved_by, resolution FROM review WHERE id = ?"


def dismiss_review(db: UnitOfWork, review: int, decision: Decision) -> StoredTransaction:
    """Resolve a review that does not question the figure; return its transaction. Raises
    DecisionRefused."""
    stored = db.row(_REVIEW, (review,))
    if stored is None:
        words = Told("there is no review {1}", review)
        raise DecisionRefused(DecisionProblem.NOT_FOUND, words)
    transaction, code, resolved_by, resolution = stored
    tx = load_transaction(db, transaction)
    if (resolved_by, resolution) == (decision.by, Resolution.DISMISSED):
        return tx
    if resolved_by is not None:
        words = Told("{1} resolved this review: {2}", by_whom(resolved_by), Told(resolution))
        raise DecisionRefused(DecisionProblem.ALREADY_DECIDED, words)
    if code not in DISMISSIBLE:
        words = Told("{1}: confirm the figure of session {2} or correct it", name_of(code), tx.id)
        raise DecisionRefused(DecisionProblem.WRONG_STATE, words)

    enter(db, tx, decision, Cause.DISMISSED, {"review": review, "code": code})
    dismissed = (decision.at, decision.by, Resolution.DISMISSED, decision.reason)
    resolve(db, tx.id, code, *dismissed)
    fact = ReviewDismissed(
        **tx.about(decision.at), by=decision.by, reason=decision.reason, review=review, code=code
    )
    db.record(fact)
    return load_transaction(db, tx.id)


# Correct a figure


@record(kw_only=False)
class Correction:
    """The corrected values; None for those that stay. Energy and registers in Wh, times in the
    database's format.

    Without a figure, it is the difference of the registers. The registers and the tag that its
    charger reported stay in `tx`, because they identify its repeated messages.
    """

    figure_wh: int | None = None
    meter_start: int | None = None
    meter_stop: int | None = None
    start_time: str | None = None
    stop_time: str | None = None
    id_tag: str | None = None


_NEWEST_SETTLING: Final = """
    SELECT kind, who, reason, payload
    FROM tx_event
    WHERE tx_id = ? AND kind IN ('confirm', 'correct')
    ORDER BY id DESC
    LIMIT 1
"""
_CORRECT: Final = """
    UPDATE tx
    SET energy_delivered = ?, energy_method = ?, confidence = ?, billed_from_wh = ?,
        billed_until_wh = ?, start_time = coalesce(?, start_time),
        stop_time = coalesce(?, stop_time), start_behind_seconds = ?, stop_behind_seconds = ?,
        is_at_fallback = max(is_at_fallback, is_clock_unsure) * ?, is_clock_unsure = 0,
        id_tag = coalesce(nullif(id_tag, ''), ?), judged_at = ?,
        counted_wh = ?, updated_at = ?
    WHERE id = ?
"""


def correct(
    db: UnitOfWork, transaction: int, correction: Correction, decision: Decision
) -> StoredTransaction:
    """Set the figure of an ended transaction and resolve all its open reviews; return the
    transaction.

    Raises DecisionRefused.
    """
    tx = find(db, transaction)
    at = decision.at
    after = {name: value for name, value in asdict(correction).items() if value is not None}
    newest = db.row(_NEWEST_SETTLING, (tx.id,))
    if newest is not None and tx.review is None:
        *who, payload = newest
        is_same = who == [Kind.CORRECT, decision.by, decision.reason]
        if is_same and orjson.loads(payload)["after"] == after:
            return tx

    check(db, tx, decision, Cause.CORRECTED)
    corrected = _completed(tx, correction)
    _check_values(tx, correction, corrected)
    start_time = corrected.start_time or tx.start_time
    stop_time = corrected.stop_time or tx.stop_time or ""
    _check_times(correction, start_time, stop_time, at)
    _check_energy(correction, corrected.figure_wh or 0, start_time, stop_time)

    enter(db, tx, decision, Cause.CORRECTED, {"after": after, "before": before(tx)})
    codes = settle(db, tx, decision, Resolution.CORRECTED)
    figure = (corrected.figure_wh, CORRECTED, CERTAIN)
    registers = (corrected.meter_start, corrected.meter_stop)
    times = (corrected.start_time, corrected.stop_time)
    start_behind = 0 if corrected.start_time else tx.start_behind
    stop_behind = 0 if corrected.stop_time else tx.stop_behind
    # With a time from a person, the price of its quarters of an hour counts again.
    is_still_unsure = int(not (corrected.start_time or corrected.stop_time))
    rest = (start_behind, stop_behind, is_still_unsure, corrected.id_tag, at, corrected.figure_wh)
    db.execute(_CORRECT, (*figure, *registers, *times, *rest, at, tx.id))
    fact = TransactionCorrected(
        **tx.about(at),
        by=decision.by,
        reason=decision.reason,
        energy_wh=corrected.figure_wh or 0,
        before_wh=tx.counted_wh,
        reviews=codes,
    )
    db.record(fact)
    origin = decision.origin(tx.charger)
    tell_neighbours(db, origin, tx, tx.id)
    compare_neighbours(db, origin, load_transaction(db, tx.id))
    return load_transaction(db, tx.id)


class Foreseen(Exception):
    """What a correction would make of a transaction and of its price. It is raised so that nothing
    of it is kept."""

    def __init__(self, tx: StoredTransaction, priced: Priced) -> None:
        super().__init__(tx.id)
        self.tx = tx
        self.priced = priced


def foresee(
    db: UnitOfWork, transaction: int, correction: Correction, rule: Rule, decision: Decision
) -> NoReturn:
    """Correct a transaction and take it back. Raises Foreseen, or DecisionRefused as the correction
    would."""
    tx = correct(db, transaction, correction, decision)
    prices = Pricer(db.rows, rule).price((tx.id,))
    raise Foreseen(tx, prices[tx.id])


def _completed(tx: StoredTransaction, correction: Correction) -> Correction:
    """Return a correction with the values that follow from it or stay. Raises DecisionRefused
    without a figure."""
    begin, end = correction.meter_start, correction.meter_stop
    has_register = begin is not None or end is not None
    if begin is None:
        begin = tx.billed_from
    if end is None:
        end = tx.billed_until
    figure = correction.figure_wh
    if figure is None and has_register and begin is not None and end is not None:
        figure = end - begin
    if figure is None:
        words = Told("a correction needs the energy, or both registers")
        raise DecisionRefused(DecisionProblem.INVALID, words, "figure_wh")
    return replace(correction, figure_wh=figure, meter_start=begin, meter_stop=end)


def _check_values(tx: StoredTransaction, entered: Correction, corrected: Correction) -> None:
    """Check registers, energy and tag. Raises DecisionRefused."""
    figure = corrected.figure_wh
    if figure is not None and figure < 0 and entered.figure_wh is None:
        words = Told(
            "the register at the end, {1}, is below the one at the start, {2}",
            _kwh(corrected.meter_stop or 0),
            _kwh(corrected.meter_start or 0),
        )
        raise DecisionRefused(DecisionProblem.INVALID, words, _source(entered))
    values = {
        "figure_wh": figure,
        "meter_start_wh": corrected.meter_start,
        "meter_stop_wh": corrected.meter_stop,
    }
    for name, wh in values.items():
        if wh is not None and not 0 <= wh < HIGHEST_WH:
            words = Told("{1} is not possible", Quantity(wh, "Wh"))
            raise DecisionRefused(DecisionProblem.INVALID, words, name)
    if corrected.id_tag is not None and tx.id_tag and tx.id_tag != corrected.id_tag:
        words = Told(
            "the charger reported the card {1}; only an unknown card can be given", tx.id_tag
        )
        raise DecisionRefused(DecisionProblem.INVALID, words, "id_tag")


def _check_times(entered: Correction, start_time: str, stop_time: str, at: str) -> None:
    """Check that given times are in order and not ahead. Raises DecisionRefused."""
    given = [time for time in (entered.start_time, entered.stop_time) if time is not None]
    if not given:
        return
    name = "start_time" if entered.stop_time is None else "stop_time"
    if max(given) > at:
        raise DecisionRefused(DecisionProblem.INVALID, Told("this time is ahead"), name)
    if start_time > stop_time:
        words = Told("it cannot stop before it starts")
        raise DecisionRefused(DecisionProblem.INVALID, words, name)


def _check_energy(entered: Correction, figure: int, start_time: str, stop_time: str) -> None:
    """Check that a charger can have delivered the energy in the duration that now holds. Raises
    DecisionRefused."""
    duration = max(0.0, seconds(stop_time) - seconds(start_time))
    most = int(FASTEST_W * (duration + INEXACT_SECONDS) / 3600)
    if figure <= most:
        return
    hours, minutes = divmod(int(duration / 60), 60)
    words = Told(
        (
            "no charger delivers {1} in {2} h {3} min, the most is {4}; if it took longer, "
            "correct its times, too"
        ),
        _kwh(figure),
        hours,
        minutes,
        _kwh(most),
    )
    raise DecisionRefused(DecisionProblem.INVALID, words, _source(entered))


def _source(entered: Correction) -> str:
    """Return the name of the value that a figure was found by."""
    if entered.figure_wh is not None:
        return "figure_wh"
    return "meter_stop_wh" if entered.meter_stop is not None else "meter_start_wh"


# Give to an account

_ACCOUNT: Final = "SELECT account_id FROM tx_account WHERE tx_id = ?"
_EXISTS: Final = "SELECT 1 FROM account WHERE id = ?"
_GIVE: Final = """
    INSERT INTO tx_account (tx_id, account_id, given_at, given_by, reason)
    VALUES (?, ?, ?, ?, ?)
"""
_TAKE_BACK: Final = "DELETE FROM tx_account WHERE tx_id = ?"


def give(db: UnitOfWork, transaction: int, account: int, decision: Decision) -> None:
    """Give a transaction to an account. A repetition changes nothing. Raises DecisionRefused."""
    tx = find(db, transaction)
    former = _account(db, transaction)
    if former == account:
        return
    if db.row(_EXISTS, (account,)) is None:
        words = Told("there is no household {1}", account)
        raise DecisionRefused(DecisionProblem.NOT_FOUND, words, "account")
    enter(db, tx, decision, Cause.GIVEN, {"account": account, "before": former})
    # A row that changed in place would not be billed anew.
    db.execute(_TAKE_BACK, (transaction,))
    db.execute(_GIVE, (transaction, account, decision.at, decision.by, decision.reason))
    _record_given(db, tx.charger, transaction, account, decision)


def take_back(db: UnitOfWork, transaction: int, decision: Decision) -> None:
    """Take a transaction back, so that its tag and its connector decide again. Raises
    DecisionRefused."""
    tx = find(db, transaction)
    former = _account(db, transaction)
    if former is None:
        words = Told("session {1} was not given to a household by hand", transaction)
        raise DecisionRefused(DecisionProblem.WRONG_STATE, words)
    enter(db, tx, decision, Cause.TAKEN_BACK, {"account": None, "before": former})
    db.execute(_TAKE_BACK, (transaction,))
    _record_given(db, tx.charger, transaction, None, decision)


def _account(db: UnitOfWork, transaction: int) -> int | None:
    row = db.row(_ACCOUNT, (transaction,))
    return None if row is None else int(row[0])


def _record_given(
    db: UnitOfWork, charger: str, transaction: int, account: int | None, decision: Decision
) -> None:
    fact = TransactionGiven(
        charger=charger,
        at=decision.at,
        transaction=transaction,
        account=account,
        by=decision.by,
    )
    db.record(fact)


# About habits. One that a person wants to be asked about stays known, and what it puts in doubt
# stays in doubt: so no decision makes a figure certain that would be doubtful with the habit.

_AVOIDS_REVIEWS: Final = f"""
    id = ? AND revoked_at IS NULL AND kind NOT IN ('{CEILING}', '{POWER_TOO_HIGH}')
"""
_ASK_ABOUT: Final = f"""
    UPDATE habit
    SET asks_since = coalesce(asks_since, ?), asks_by = coalesce(asks_by, ?)
    WHERE {_AVOIDS_REVIEWS}
"""  # noqa: S608 - our own words
_STOP_ASKING: Final = f"""
    UPDATE habit SET asks_since = NULL, asks_by = NULL WHERE {_AVOIDS_REVIEWS}
"""  # noqa: S608 - our own words


def ask_about(db: UnitOfWork, habit: int, at: str, by: str) -> bool:
    """Ask a person again about each session that shows a habit; return False if no such habit
    avoids a review. A repetition changes nothing."""
    return db.changed(_ASK_ABOUT, (at, by, habit)) > 0


def stop_asking(db: UnitOfWork, habit: int) -> bool:
    """Let a habit make figures certain again; return False if no such habit avoids a review."""
    return db.changed(_STOP_ASKING, (habit,)) > 0


class ShownFigure(NamedTuple):
    """A transaction as it was shown: its newest event, and the figure in Wh that it would get."""

    transaction: int
    event: int
    figure_wh: int


class DecisionResult(StrEnum):
    """What a decision did to one of its transactions."""

    DECIDED = "decided"
    ALREADY = "already"
    """Somebody has settled it with this figure."""
    CHANGED = "changed"
    """It is not as it was shown, so nothing was decided about it."""
    REFUSED = "refused"


class DecidedTransaction(NamedTuple):
    """What came of a decision about one transaction; its present figure in Wh, and why it was left
    out."""

    transaction: int
    result: DecisionResult
    energy_wh: int | None
    words: str | None = None


def decide(
    db: UnitOfWork, charger: str, shown: Sequence[ShownFigure], decision: Decision
) -> list[DecidedTransaction]:
    """Confirm the figure of each transaction that has the one that was shown, and correct the
    others to it."""
    outcomes: list[DecidedTransaction] = []
    for figure in shown:
        about_it = replace(decision, seen_event=figure.event)
        try:
            outcome = _decide(db, charger, figure, about_it)
        except DecisionRefused as refused:
            result = DecisionResult.REFUSED
            if refused.problem in (DecisionProblem.CHANGED, DecisionProblem.ALREADY_DECIDED):
                result = DecisionResult.CHANGED
            tx = find_transaction(db.rows, figure.transaction)
            energy_wh = None if tx is None else tx.energy_delivered
            outcome = DecidedTransaction(figure.transaction, result, energy_wh, refused.words)
        outcomes.append(outcome)
    return outcomes


def _decide(
    db: UnitOfWork, charger: str, shown: ShownFigure, decision: Decision
) -> DecidedTransaction:
    tx = find(db, shown.transaction)
    if tx.charger != charger:
        words = Told("it is no session of {1}", charger)
        return DecidedTransaction(tx.id, DecisionResult.REFUSED, tx.energy_delivered, words)
    if tx.energy_delivered == shown.figure_wh:
        is_certain = tx.confidence == CERTAIN and tx.review is None
        if is_certain and settled_by(db.rows, tx.id) is not None:
            return DecidedTransaction(tx.id, DecisionResult.ALREADY, tx.energy_delivered)
        confirm(db, tx.id, decision)
    else:
        correct(db, tx.id, Correction(figure_wh=shown.figure_wh), decision)
    return DecidedTransaction(tx.id, DecisionResult.DECIDED, shown.figure_wh)


CAME: Final = Told("readings with its transactionId arrived later")
"""Why a stop no longer waits."""
MOST_COMPARED: Final = 20
"""The newest messages of a charger that were set aside, among which its stop is looked for."""


class SetAsideMessage(NamedTuple):
    """A message that was set aside."""

    id: int
    charger: str
    session: int
    received_at: str
    action: str
    transaction: int | None
    looked_by: str | None
    resolution: str | None

    @property
    def received(self) -> Origin:
        return Origin(self.charger, self.session, self.received_at)


@record(kw_only=False)
class TransactionDetails:
    """What an operator knows about a transaction of which only the stop arrived; None is found by
    the readings.

    Registers and energy in Wh; the time in the database's format.
    """

    connector: int | None = None
    start_time: str | None = None
    meter_start: int | None = None
    id_tag: str | None = None
    figure_wh: int | None = None


_SET_ASIDE: Final = """
    SELECT id, cp_id, session_id, received_at, action, tx_id, looked_by, resolution
    FROM set_aside
    WHERE id = ?
"""


def _load(db: UnitOfWork, message: int) -> SetAsideMessage:
    row = db.row(_SET_ASIDE, (message,))
    if row is None:
        words = Told("there is no message {1} that was set aside", message)
        raise DecisionRefused(DecisionProblem.NOT_FOUND, words)
    return SetAsideMessage(*row)


def _is_done(waiting: SetAsideMessage, resolution: str, transaction: int | None) -> bool:
    """Whether this was decided before. Raises DecisionRefused if something else was."""
    if waiting.looked_by is None:
        return False
    if (waiting.resolution, waiting.transaction) == (resolution, transaction):
        return True
    who, how = by_whom(waiting.looked_by), Told(waiting.resolution or "")
    words = Told("{1} resolved this message before: {2}", who, how)
    raise DecisionRefused(DecisionProblem.ALREADY_DECIDED, words)


def attach_message(
    db: UnitOfWork,
    message: int,
    transaction: int,
    sent: StopWithData | MessageReadings,
    decision: Decision,
) -> StoredTransaction:
    """Apply a message to a transaction of its charger; return the transaction. `sent` is the
    message as read.

    Raises DecisionRefused.
    """
    waiting = _load(db, message)
    if _is_done(waiting, Resolution.ATTACHED, transaction):
        return find(db, transaction)
    tx = find(db, transaction)
    if tx.charger != waiting.charger:
        words = Told(
            "session {1} is of {2}, the message is of {3}", tx.id, tx.charger, waiting.charger
        )
        raise DecisionRefused(DecisionProblem.INVALID, words, "transaction")

    received = waiting.received
    origin = received._replace(received_at=decision.at)
    what = {"set_aside": waiting.id}
    if isinstance(sent, StopWithData):
        _check_order(tx, waiting, sent.stop.moment)
        enter(db, tx, decision, Cause.STOP_ATTACHED, what)
        stops.attach(db, origin, received, tx.id, sent)
    else:
        enter(db, tx, decision, Cause.READINGS_ATTACHED, what)
        readings.attach(db, origin, received, tx.id, sent)
    how = (decision.at, decision.by, Resolution.ATTACHED, decision.reason)
    _link(db, tx.charger, (waiting.id, waiting.action), tx.id, how)
    return load_transaction(db, tx.id)


def _check_order(tx: StoredTransaction, waiting: SetAsideMessage, stopped: Moment) -> None:
    """Raise DecisionRefused for a stop from before the start: by a clock that is right, or by both
    receipts, too."""
    apart = seconds(stopped.understood) - seconds(tx.start_time)
    if not stopped.is_believable or apart >= -CLOCK_SECONDS:
        return
    is_right = tx.is_start_timed and abs(tx.start_skew or 0) <= CLOCK_SECONDS
    if is_right or waiting.received_at < tx.created_at:
        words = Told(
            "this stop is of {1}, but session {2} began at {3}: name another one",
            Stamp(stopped.understood),
            tx.id,
            Stamp(tx.start_time),
        )
        raise DecisionRefused(DecisionProblem.INVALID, words, "transaction")


def make_transaction(
    db: UnitOfWork,
    message: int,
    sent: StopWithData,
    details: TransactionDetails,
    decision: Decision,
) -> StoredTransaction:
    """Make a transaction of a stop that was set aside; return it. Raises DecisionRefused."""
    waiting = _load(db, message)
    is_done = _is_done(waiting, Resolution.MADE, waiting.transaction)
    if waiting.transaction is not None:
        if is_done:
            return load_transaction(db, waiting.transaction)
        words = Told(
            "this message belongs to session {1}: close or correct that", waiting.transaction
        )
        raise DecisionRefused(DecisionProblem.WRONG_STATE, words)

    received = waiting.received
    origin = received._replace(received_at=decision.at)
    transaction = _begin(db, origin, received, sent, details, decision)
    stops.attach(db, origin, received, transaction, sent)
    if details.figure_wh is not None:
        correction = Correction(figure_wh=details.figure_wh)
        correct(db, transaction, correction, replace(decision, seen_event=None))
    how = (decision.at, decision.by, Resolution.MADE, decision.reason)
    _link(db, waiting.charger, (waiting.id, waiting.action), transaction, how)
    return load_transaction(db, transaction)


def _begin(
    db: UnitOfWork,
    origin: Origin,
    received: Origin,
    sent: StopWithData,
    details: TransactionDetails,
    decision: Decision,
) -> int:
    """Open the transaction of a stop, as of its receipt."""
    stop = sent.stop
    shown = starts.shown(db, received, *sent)
    connector = shown.connector if details.connector is None else details.connector
    start_time = details.start_time or shown.began
    if connector is None or connector <= 0:
        words = Told("no reading shows the connector: give it")
        raise DecisionRefused(DecisionProblem.INVALID, words, "connector")
    if start_time is None or start_time > stop.moment.understood:
        stopped_at = Stamp(stop.moment.understood)
        words = Told("no reading shows the start: give its time, before {1}", stopped_at)
        raise DecisionRefused(DecisionProblem.INVALID, words, "start_time")

    moment = Moment(start_time, None, True)
    id_tag = details.id_tag or stop.id_tag
    fields = StartFields(connector, id_tag, details.meter_start)
    tx = starts.insert(db, received, moment, ACCEPTED, fields, stop.transaction)
    entry = EventEntry(Kind.START, decision.by, moment, decision.reason)
    add_event(db, decision.origin(received.charger), tx.id, entry)
    starts.follow(db, origin, tx)
    return tx.id


def dismiss_message(db: UnitOfWork, message: int, decision: Decision) -> None:
    """Resolve a message that affects no bill. Raises DecisionRefused."""
    waiting = _load(db, message)
    if _is_done(waiting, Resolution.DISMISSED, waiting.transaction):
        return
    if waiting.transaction is not None:
        tx = load_transaction(db, waiting.transaction)
        enter(db, tx, decision, Cause.DISMISSED, {"set_aside": waiting.id})
    how = (decision.at, decision.by, Resolution.DISMISSED, decision.reason)
    sessions.resolve_message(db, waiting.id, None, how)
    fact = MessageDismissed(
        charger=waiting.charger,
        at=decision.at,
        action=waiting.action,
        by=decision.by,
        reason=decision.reason,
        set_aside=waiting.id,
    )
    db.record(fact)


def _link(
    db: UnitOfWork,
    charger: str,
    message: tuple[int, str],
    transaction: int,
    how: sessions.Resolution,
    session: int | None = None,
) -> None:
    """Resolve a message that was set aside, given by its id and action, as part of a transaction,
    and record that."""
    number, action = message
    at, by, _, reason = how
    sessions.resolve_message(db, number, transaction, how)
    fact = MessageAttached(
        charger=charger,
        at=at,
        action=action,
        by=by,
        reason=reason,
        set_aside=number,
        transaction=transaction,
    )
    db.record(fact, session)


_NEWEST: Final = """
    SELECT set_aside.id, looked_at, tx_id, set_aside.session_id, received_at, set_aside.action,
        payload, set_aside.message_id, coalesce(frame, '')
    FROM set_aside
    LEFT JOIN evidence ON evidence.session_id = set_aside.session_id
        AND evidence.message_id = set_aside.message_id AND evidence.at = set_aside.received_at
    WHERE set_aside.cp_id = ?
    ORDER BY set_aside.id DESC
    LIMIT ?
"""


def store_readings(
    db: UnitOfWork,
    origin: Origin,
    connector: int,
    data: Iterable[list[Reading]],
    claimed: int | None,
) -> None:
    """Store a MeterValues, whose readings may come in parts. If a stop waits for such readings,
    which now show its energy, a transaction is made of it, as of its receipt; `claimed` is the
    transactionId of both."""
    is_unassigned = False
    for part in data:
        message = MessageReadings(connector, METER_VALUES, part)
        is_unassigned |= readings.store(db, origin, message, claimed)
    if not is_unassigned or reported_id(claimed) is None:
        return

    for row in db.rows(_NEWEST, (origin.charger, MOST_COMPARED)):
        number, looked_at, transaction, session, received_at, *fields = row
        waiting = Message(*fields)
        is_stop = waiting.action == "StopTransaction" and bool(waiting.frame)
        if not is_stop or looked_at is not None or transaction is not None:
            continue
        sent = _read(waiting, received_at)
        if sent is None or sent.stop.transaction != claimed:
            continue
        received = Origin(origin.charger, session, received_at)
        made = starts.begin(db, received, *sent)
        if made is not None:
            stops.attach(db, origin, received, made, sent)
            how = (origin.received_at, SYSTEM, Resolution.MADE, CAME)
            _link(db, origin.charger, (number, waiting.action), made, how, origin.session)


def _read(message: Message, received_at: str) -> StopWithData | None:
    """Read a stop again; None if a field that is needed cannot be read, or if its transactionData
    needs a repair."""
    received = datetime.fromisoformat(received_at)
    fields = fields_of(message)
    transaction = fields.get("transactionId")
    if transaction is None:
        transaction = WITHOUT_ID
    register = fields.get("meterStop")
    data = fields.get("transactionData")
    if data is None:
        data = []
    if type(transaction) is not int or type(register) is not int or not are_meter_values(data):
        return None
    id_tag = text_in(message, "idTag")
    moment = understand(text_in(message, "timestamp"), received)
    reason = text_in(message, "reason") or LOCAL
    stop = Stop(transaction, id_tag, register, moment, reason, message)

    # Of a large message the payload has only the beginning and the end, so its frame is read.
    # Elements that are no JSON until they are repaired are left out.
    parts = parts_of(message.frame)
    if parts is not None:
        data = []
        for part in parts:
            with suppress(orjson.JSONDecodeError):
                elements = orjson.loads(part)[3]["transactionData"]
                data += [element for element in elements if are_meter_values([element])]
    return StopWithData(stop, read(data, received))
