"""What an operator decides about a transaction: confirm or correct its figure, close it, dismiss a
review, or give it to an account.

Each decision adds a row of `tx_event` with the operator's name and reason and with what stood
before; the life cycle says in which states it is possible. After a confirmation or a correction,
later facts no longer change the figure; they open a new review (rules.md, Energy). A repeated
decision changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from typing import Any, Final, NamedTuple, NoReturn

import orjson

from levity_trio.charging.energy import CERTAIN, judge
from levity_trio.charging.lifecycle import TABLE, Cause, Kind, Resolution, State
from levity_trio.charging.refute.shared import counted
from levity_trio.charging.reviews import DISMISSIBLE, Code, in_wh, name_of
from levity_trio.charging.sent.evidence import seconds
from levity_trio.charging.sent.figures import CORRECTED
from levity_trio.charging.sent.readings import HIGHEST_WH
from levity_trio.charging.tolerances import CLOCK, FASTEST_W, INTERVAL
from levity_trio.events import (
    ReviewDismissed,
    TransactionConfirmed,
    TransactionCorrected,
    TransactionGiven,
)
from levity_trio.records import record
from levity_trio.store.billing.pricing import Priced, Pricer, Rule
from levity_trio.store.cases.case import CEILING, POWER_TOO_HIGH, case_of
from levity_trio.store.cases.neighbours import Course
from levity_trio.store.cases.settled import NO_PERSONS, by_whom, open_reviews, settled_by
from levity_trio.store.cases.transaction import Known, by_our_clock, known
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.writes.chargers import set_aside
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.transactions import closing
from levity_trio.store.writes.transactions.closing import OTHER, Closing
from levity_trio.store.writes.transactions.judging import (
    compare_neighbours,
    learn_confirmed,
    tell_neighbours,
)
from levity_trio.store.writes.transactions.reviews import resolve
from levity_trio.store.writes.transactions.states import (
    Entry,
    add_event,
    by_the_system,
    load,
    state,
)
from levity_trio.told import Moment, Quantity, Told

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


_ENDED: Final = (
    "SELECT id, meter_start, meter_stop, coalesce(energy_delivered, 0), confidence "
    "FROM tx "
    "WHERE id = ? AND status = 'Completed' AND meter_start IS NOT NULL AND meter_stop IS NOT NULL"
)
_MOST: Final = 50
"""No more transactions of one meter are looked at."""


class _Charged(NamedTuple):
    """A transaction that ended: its registers and its figure."""

    id: int
    meter_start: int
    meter_stop: int
    energy_wh: int
    confidence: str | None


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
        self.problem, self.words, self.field = problem, words, field


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
            raise DecisionRefused(
                DecisionProblem.INVALID, Told("a decision needs the name of a person"), "by"
            )
        if not self.reason.strip():
            raise DecisionRefused(
                DecisionProblem.INVALID, Told("a decision needs a reason"), "reason"
            )

    def origin(self, charger: str) -> Origin:
        """Return the origin of what is decided about a transaction of this charger."""
        return Origin(charger, None, self.at)


def find(db: UnitOfWork, transaction: int) -> Known:
    """Return a transaction. Raises DecisionRefused if there is none."""
    tx = known(db.rows, transaction)
    if tx is None:
        raise DecisionRefused(
            DecisionProblem.NOT_FOUND, Told("there is no session {1}", transaction)
        )
    return tx


def check(db: UnitOfWork, tx: Known, decision: Decision, cause: Cause) -> Kind:
    """Check that nothing happened since the operator looked, and that the life cycle has a step for
    this decision; return the kind of its row. Raises DecisionRefused."""
    ((newest,),) = db.rows("SELECT max(id) FROM tx_event WHERE tx_id = ?", (tx.id,))
    if decision.seen_event not in (None, newest):
        words = Told(
            "session {1} has changed: its newest event is {2}, not {3}",
            tx.id,
            newest,
            decision.seen_event,
        )
        raise DecisionRefused(DecisionProblem.CHANGED, words)
    if (kind := TABLE[state(tx), cause].kind) is None:
        instead = (
            _OF_IMPORTED
            if state(tx) is State.IMPORTED
            else _INSTEAD.get(cause, Told("this is not possible"))
        )
        words = Told("session {1} is {2}: {3}", tx.id, Told(state(tx).value), instead)
        raise DecisionRefused(DecisionProblem.WRONG_STATE, words)
    return kind


def enter(
    db: UnitOfWork, tx: Known, decision: Decision, cause: Cause, what: Mapping[str, object]
) -> None:
    """Add the row of tx_event for a decision: what was decided, and what stood before. Raises
    DecisionRefused."""
    kind = check(db, tx, decision, cause)
    entry = Entry(
        *(kind, decision.by, by_the_system(decision.at), decision.reason, None, state(tx), cause),
        decision=orjson.dumps(what).decode(),
    )
    add_event(db, decision.origin(tx.charger), tx.id, entry)


def settle(
    db: UnitOfWork, tx: Known, decision: Decision, resolution: Resolution
) -> tuple[str, ...]:
    """Resolve what waits about a transaction: its reviews, and the messages set aside with it.
    Return the codes."""
    set_aside.resolve_of(db, tx.id, (decision.at, decision.by, resolution, decision.reason))
    codes = tuple(code for code, _ in open_reviews(db.rows, tx.id))
    for code in codes:
        resolve(db, tx.id, code, decision.at, decision.by, resolution, decision.reason)
    return codes


def before(tx: Known) -> dict[str, Any]:
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


def confirm(db: UnitOfWork, transaction: int, decision: Decision) -> Known:
    """Make the present figure certain and resolve all its open reviews; return the transaction.

    Raises DecisionRefused, also if a meter that counted other cars too did not rise by so much.
    """
    tx = find(db, transaction)
    _check_meter(db, tx)
    settler = settled_by(db.rows, tx.id)
    if tx.confidence == CERTAIN and tx.review is None and settler is not None:
        _check_figure(db, tx, decision)
        return tx
    enter(db, tx, decision, Cause.CONFIRMED, {"before": before(tx)})
    codes = settle(db, tx, decision, Resolution.CONFIRMED)
    if settler is None:
        learn_confirmed(
            db, tx, case := case_of(Course(db.rows, tx.charger), tx), judge(case), decision.at
        )
    settle_it = "UPDATE tx SET confidence = ?, is_clock_unsure = 0, updated_at = ? WHERE id = ?"
    db.execute(settle_it, (CERTAIN, decision.at, tx.id))
    wh = tx.energy_delivered or 0
    db.record(
        TransactionConfirmed(
            **tx.about(decision.at),
            by=decision.by,
            reason=decision.reason,
            energy_wh=wh,
            reviews=codes,
        )
    )
    tell_neighbours(db, decision.origin(tx.charger), tx, tx.id)
    return load(db, tx.id)


def confirm_shown(
    db: UnitOfWork, transaction: int, figure_wh: int | None, decision: Decision
) -> Known:
    """Confirm the present figure, if it is the one that was shown; one below what the charger
    reported only if it is named. Raises DecisionRefused."""
    tx = find(db, transaction)
    wh, reported = tx.energy_delivered or 0, (tx.meter_stop or 0) - (tx.meter_start or 0)
    if figure_wh is None and tx.confidence != CERTAIN and wh < reported:
        told = Told(
            "it is {1}, though the charger reported {2}",
            Quantity(wh / 1000, "kWh"),
            Quantity(reported / 1000, "kWh"),
        )
        raise DecisionRefused(
            DecisionProblem.INVALID,
            Told("{1}: give the figure that you confirm", told),
            "figure_wh",
        )
    if figure_wh not in (None, wh):
        if settled_by(db.rows, tx.id) is not None:
            raise DecisionRefused(
                DecisionProblem.ALREADY_DECIDED,
                Told("session {1} was decided: it is {2}", tx.id, Quantity(wh / 1000, "kWh")),
            )
        words = Told(
            "the figure of session {1} is {2} now: look at it again",
            tx.id,
            Quantity(wh / 1000, "kWh"),
        )
        raise DecisionRefused(DecisionProblem.CHANGED, words)
    return confirm(db, transaction, decision)


def _check_meter(db: UnitOfWork, tx: Known) -> None:
    """Check that the cars that one meter counted together have no more than it rose by. Raises
    DecisionRefused."""
    if all(code != Code.SHARED_REGISTER for code, _ in open_reviews(db.rows, tx.id)):
        return
    together = _together(db, tx.id)
    own = [one for one in together if one.id == tx.id]
    others = [one for one in together if one.id != tx.id and one.confidence == CERTAIN]
    if not own or not others:
        return
    rise = max(one.meter_stop for one in together) - min(one.meter_start for one in together)
    left = rise - sum(one.energy_wh for one in others)
    if own[0].energy_wh > left:
        names = ", ".join(str(one.id) for one in others)
        words = Told(
            "its meter rose by {1} for it and for {2}, which have {3} of it: correct it to {4} at "
            "most, or correct the others first",
            Quantity(rise / 1000, "kWh"),
            names,
            Quantity((rise - left) / 1000, "kWh"),
            Quantity(max(0, left) / 1000, "kWh"),
        )
        raise DecisionRefused(DecisionProblem.WRONG_STATE, words)


def _together(db: UnitOfWork, transaction: int) -> Sequence[_Charged]:
    """Return the transactions that its meter counted without a pause between them, with it
    itself."""
    numbers = [transaction]
    for number in numbers:
        if len(numbers) < _MOST and (tx := known(db.rows, number)) is not None:
            found = counted(
                case_of(Course(db.rows, tx.charger), tx), tx.billed_from, tx.billed_until
            )
            numbers += [also.other.id for also in found if also.other.id not in numbers]
    return [_Charged(*row) for number in sorted(numbers) for row in db.rows(_ENDED, (number,))]


def close(
    db: UnitOfWork,
    transaction: int,
    decision: Decision,
    stop_time: str | None = None,
    meter_stop: int | None = None,
) -> Known:
    """Close an open transaction with the energy that its readings show; return it. Its charger's
    own stop still wins.

    `meter_stop`, the register in Wh at its end, makes this a correction, too. Raises
    DecisionRefused.
    """
    tx = find(db, transaction)
    newest = (
        "SELECT who, reason FROM tx_event "
        "WHERE tx_id = ? AND kind = 'close' ORDER BY id DESC LIMIT 1"
    )
    is_closed = state(tx) is State.CLOSED and db.row(newest, (tx.id,)) == (
        decision.by,
        decision.reason,
    )
    if not is_closed:
        check(db, tx, decision, Cause.OPERATOR)
        _check_stop_time(tx, stop_time, decision.at)
        ending = Closing(
            Cause.OPERATOR, OTHER, decision.reason, stop_time or decision.at, ended=stop_time
        )
        closing.close(db, decision.origin(tx.charger), tx, ending, decision.by)
    if meter_stop is not None:
        return correct(
            db, tx.id, Correction(meter_stop=meter_stop), replace(decision, seen_event=None)
        )
    return load(db, tx.id)


def dismiss_review(db: UnitOfWork, review: int, decision: Decision) -> Known:
    """Resolve a review that does not question the figure; return its transaction. Raises
    DecisionRefused."""
    stored = db.row(
        "SELECT tx_id, code, resolved_by, resolution FROM review WHERE id = ?", (review,)
    )
    if stored is None:
        raise DecisionRefused(DecisionProblem.NOT_FOUND, Told("there is no review {1}", review))
    transaction, code, resolved_by, resolution = stored
    tx = load(db, transaction)
    if (resolved_by, resolution) == (decision.by, Resolution.DISMISSED):
        return tx
    if resolved_by is not None:
        raise DecisionRefused(
            DecisionProblem.ALREADY_DECIDED,
            Told("{1} resolved this review: {2}", by_whom(resolved_by), Told(resolution)),
        )
    if code not in DISMISSIBLE:
        words = Told("{1}: confirm the figure of session {2} or correct it", name_of(code), tx.id)
        raise DecisionRefused(DecisionProblem.WRONG_STATE, words)
    enter(db, tx, decision, Cause.DISMISSED, {"review": review, "code": code})
    resolve(db, tx.id, code, decision.at, decision.by, Resolution.DISMISSED, decision.reason)
    db.record(
        ReviewDismissed(
            **tx.about(decision.at),
            by=decision.by,
            reason=decision.reason,
            review=review,
            code=code,
        )
    )
    return load(db, tx.id)


def _check_figure(db: UnitOfWork, tx: Known, decision: Decision) -> None:
    """Check that nobody corrected the figure since the operator saw it. Raises DecisionRefused."""
    corrected = db.row(
        "SELECT id, who FROM tx_event WHERE tx_id = ? AND kind = 'correct' ORDER BY id DESC",
        (tx.id,),
    )
    if (
        corrected is not None
        and decision.seen_event is not None
        and decision.seen_event < corrected[0]
    ):
        words = Told(
            "{1} has corrected session {2} to {3}",
            corrected[1],
            tx.id,
            in_wh(tx.energy_delivered),
        )
        raise DecisionRefused(DecisionProblem.ALREADY_DECIDED, words)


def _check_stop_time(tx: Known, stop_time: str | None, at: str) -> None:
    """Check that a stop time is after the start and the last reading, and not ahead. Raises
    DecisionRefused."""
    if stop_time is None:
        return
    last_at = by_our_clock(tx, tx.last_reading_at or tx.start_time)
    if not max(tx.start_time, last_at) <= stop_time <= at:
        words = Told(
            "a stop time lies between {1}, the last sign of charging, and now",
            Moment(max(tx.start_time, last_at)),
        )
        raise DecisionRefused(DecisionProblem.INVALID, words, "stop_time")


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


def correct(db: UnitOfWork, transaction: int, correction: Correction, decision: Decision) -> Known:
    """Set the figure of an ended transaction and resolve all its open reviews; return the
    transaction.

    Raises DecisionRefused.
    """
    tx = find(db, transaction)
    after = {name: value for name, value in asdict(correction).items() if value is not None}
    if _is_repeated(db, tx, decision, after):
        return tx
    check(db, tx, decision, Cause.CORRECTED)
    corrected = _completed(tx, correction)
    stood = before(tx)
    _check_correction(tx, correction, corrected)
    _check_times(corrected, stood, decision.at)
    _check_energy(correction, corrected, stood)
    enter(db, tx, decision, Cause.CORRECTED, {"after": after, "before": stood})
    codes = settle(db, tx, decision, Resolution.CORRECTED)
    _store(db, tx, corrected, decision.at)
    told, wh = tx.about(decision.at), corrected.figure_wh or 0
    fact = TransactionCorrected(
        **told,
        by=decision.by,
        reason=decision.reason,
        energy_wh=wh,
        before_wh=tx.counted_wh,
        reviews=codes,
    )
    db.record(fact)
    tell_neighbours(db, decision.origin(tx.charger), tx, tx.id)
    compare_neighbours(db, decision.origin(tx.charger), load(db, tx.id))
    return load(db, tx.id)


class Foreseen(Exception):
    """What a correction would make of a transaction and of its price. It is raised so that nothing
    of it is kept."""

    def __init__(self, tx: Known, priced: Priced) -> None:
        super().__init__(tx.id)
        self.tx, self.priced = tx, priced


def foresee(
    db: UnitOfWork, transaction: int, correction: Correction, rule: Rule, decision: Decision
) -> NoReturn:
    """Correct a transaction and take it back. Raises Foreseen, or DecisionRefused as the correction
    would."""
    tx = correct(db, transaction, correction, decision)
    raise Foreseen(tx, Pricer(db.rows, rule).price((tx.id,))[tx.id])


def _is_repeated(db: UnitOfWork, tx: Known, decision: Decision, after: dict[str, Any]) -> bool:
    """Whether the last decision about the figure was this correction."""
    newest = (
        "SELECT kind, who, reason, payload FROM tx_event "
        "WHERE tx_id = ? AND kind IN ('confirm', 'correct') "
        "ORDER BY id DESC LIMIT 1"
    )
    newest_row = db.row(newest, (tx.id,))
    if (
        newest_row is None
        or newest_row[:3] != (Kind.CORRECT, decision.by, decision.reason)
        or tx.review is not None
    ):
        return False
    return bool(orjson.loads(newest_row[3])["after"] == after)


def _completed(tx: Known, correction: Correction) -> Correction:
    """Return a correction with the values that follow from it or stay. Raises DecisionRefused
    without a figure."""
    begin = tx.billed_from if correction.meter_start is None else correction.meter_start
    end = tx.billed_until if correction.meter_stop is None else correction.meter_stop
    figure = correction.figure_wh
    if figure is None and (correction.meter_start, correction.meter_stop) != (None, None):
        figure = None if begin is None or end is None else end - begin
    if figure is None:
        raise DecisionRefused(
            DecisionProblem.INVALID,
            Told("a correction needs the energy, or both registers"),
            "figure_wh",
        )
    return replace(correction, figure_wh=figure, meter_start=begin, meter_stop=end)


def _check_correction(tx: Known, entered: Correction, corrected: Correction) -> None:
    """Check registers, energy and tag. Raises DecisionRefused."""
    if corrected.figure_wh is not None and corrected.figure_wh < 0 and entered.figure_wh is None:
        begin, end = ((wh or 0) / 1000 for wh in (corrected.meter_start, corrected.meter_stop))
        words = Told(
            "the register at the end, {1}, is below the one at the start, {2}",
            Quantity(end, "kWh"),
            Quantity(begin, "kWh"),
        )
        raise DecisionRefused(DecisionProblem.INVALID, words, _source(entered))
    for name, wh in (
        ("figure_wh", corrected.figure_wh),
        ("meter_start_wh", corrected.meter_start),
        ("meter_stop_wh", corrected.meter_stop),
    ):
        if wh is not None and not 0 <= wh < HIGHEST_WH:
            raise DecisionRefused(
                DecisionProblem.INVALID, Told("{1} is not possible", Quantity(wh, "Wh")), name
            )
    if corrected.id_tag is not None and (tx.id_tag or corrected.id_tag) != corrected.id_tag:
        words = Told(
            "the charger reported the card {1}; only an unknown card can be given", tx.id_tag or ""
        )
        raise DecisionRefused(DecisionProblem.INVALID, words, "id_tag")


def _check_times(corrected: Correction, stood: Mapping[str, Any], at: str) -> None:
    """Check that given times are in order and not ahead. Raises DecisionRefused."""
    start_time, stop_time = corrected.start_time, corrected.stop_time
    name = "start_time" if stop_time is None else "stop_time"
    if max(start_time or "", stop_time or "") > at:
        raise DecisionRefused(DecisionProblem.INVALID, Told("this time is ahead"), name)
    is_given = start_time is not None or stop_time is not None
    if is_given and (start_time or stood["start_time"]) > (stop_time or stood["stop_time"]):
        raise DecisionRefused(
            DecisionProblem.INVALID, Told("it cannot stop before it starts"), name
        )


def _check_energy(entered: Correction, corrected: Correction, stood: Mapping[str, Any]) -> None:
    """Check that a charger can have delivered the energy in the duration that now holds. Raises
    DecisionRefused."""
    figure = corrected.figure_wh or 0
    begin, end = (
        corrected.start_time or stood["start_time"],
        corrected.stop_time or stood["stop_time"],
    )
    duration = max(0.0, seconds(end) - seconds(begin))
    most = int(FASTEST_W * (duration + INEXACT_SECONDS) / 3600)
    if figure > most:
        minutes = int(duration / 60)
        words = Told(
            (
                "no charger delivers {1} in {2} h {3} min, the most is {4}; if it took longer, "
                "correct its times, too"
            ),
            Quantity(figure / 1000, "kWh"),
            minutes // 60,
            minutes % 60,
            Quantity(most / 1000, "kWh"),
        )
        raise DecisionRefused(DecisionProblem.INVALID, words, _source(entered))


def _source(entered: Correction) -> str:
    """Return the name of the value that a figure was found by."""
    if entered.figure_wh is not None:
        return "figure_wh"
    return "meter_stop_wh" if entered.meter_stop is not None else "meter_start_wh"


def _store(db: UnitOfWork, tx: Known, corrected: Correction, at: str) -> None:
    db.execute(
        "UPDATE tx "
        "SET energy_delivered = ?, energy_method = ?, confidence = ?, billed_from_wh = ?, "
        "billed_until_wh = ?, start_time = coalesce(?, start_time), stop_time = coalesce(?, "
        "stop_time), start_behind_seconds = ?, stop_behind_seconds = ?, is_clock_unsure = 0, "
        "id_tag = coalesce(nullif(id_tag, ''), ?), judged_at = ?, counted_wh = ?, updated_at = ? "
        "WHERE id = ?",
        (corrected.figure_wh, CORRECTED, CERTAIN, corrected.meter_start, corrected.meter_stop)
        + (corrected.start_time, corrected.stop_time)
        + (
            0 if corrected.start_time else tx.start_behind,
            0 if corrected.stop_time else tx.stop_behind,
        )
        + (corrected.id_tag, at, corrected.figure_wh, at, tx.id),
    )


def give(db: UnitOfWork, transaction: int, account: int, decision: Decision) -> None:
    """Give a transaction to an account. A repetition changes nothing. Raises DecisionRefused."""
    tx, before = find(db, transaction), _account(db, transaction)
    if before == account:
        return
    if db.row("SELECT 1 FROM account WHERE id = ?", (account,)) is None:
        raise DecisionRefused(
            DecisionProblem.NOT_FOUND, Told("there is no household {1}", account), "account"
        )
    enter(db, tx, decision, Cause.GIVEN, {"account": account, "before": before})
    db.execute(
        "INSERT INTO tx_account (tx_id, account_id, given_at, given_by, reason) "
        "VALUES (?, ?, ?, ?, ?) ON CONFLICT (tx_id) DO UPDATE "
        "SET account_id = excluded.account_id, given_at = excluded.given_at, "
        "given_by = excluded.given_by, reason = excluded.reason",
        (transaction, account, decision.at, decision.by, decision.reason),
    )
    _record(db, tx.charger, transaction, account, decision)


def take_back(db: UnitOfWork, transaction: int, decision: Decision) -> None:
    """Take a transaction back, so that its tag and its connector decide again. Raises
    DecisionRefused."""
    tx, before = find(db, transaction), _account(db, transaction)
    if before is None:
        raise DecisionRefused(
            DecisionProblem.WRONG_STATE,
            Told("session {1} was not given to a household by hand", transaction),
        )
    enter(db, tx, decision, Cause.TAKEN_BACK, {"account": None, "before": before})
    db.execute("DELETE FROM tx_account WHERE tx_id = ?", (transaction,))
    _record(db, tx.charger, transaction, None, decision)


def _account(db: UnitOfWork, transaction: int) -> int | None:
    row = db.row("SELECT account_id FROM tx_account WHERE tx_id = ?", (transaction,))
    return None if row is None else int(row[0])


def _record(
    db: UnitOfWork, charger: str, transaction: int, account: int | None, decision: Decision
) -> None:
    db.record(
        TransactionGiven(
            charger=charger,
            at=decision.at,
            transaction=transaction,
            account=account,
            by=decision.by,
        )
    )


# About habits. One that a person wants to be asked about stays known, and what it puts in doubt
# stays in doubt: so no decision makes a figure certain that would be doubtful with the habit.


_AVOIDS_REVIEWS = f"id = ? AND revoked_at IS NULL AND kind NOT IN ('{CEILING}', '{POWER_TOO_HIGH}')"


def ask_about(db: UnitOfWork, habit: int, at: str, by: str) -> bool:
    """Ask a person again about each session that shows a habit; return False if no such habit
    avoids a review. A repetition changes nothing."""
    ask = "asks_since = coalesce(asks_since, ?), asks_by = coalesce(asks_by, ?)"
    return db.changed(f"UPDATE habit SET {ask} WHERE {_AVOIDS_REVIEWS}", (at, by, habit)) > 0  # noqa: S608 - our own words


def stop_asking(db: UnitOfWork, habit: int) -> bool:
    """Let a habit make figures certain again; return False if no such habit avoids a review."""
    return (
        db.changed(
            f"UPDATE habit SET asks_since = NULL, asks_by = NULL WHERE {_AVOIDS_REVIEWS}",  # noqa: S608
            (habit,),
        )
        > 0
    )
