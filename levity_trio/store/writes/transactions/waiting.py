"""Messages that were set aside because nothing showed their transaction, until readings show it or
an operator decides: to attach one to a transaction, to make one of it, to dismiss it.

An attached message takes the same way as one that its charger sends: it is stored, linked and
judged, on the grounds that an operator attached it. A message is resolved once. An offline charger
may send the stop of a transaction, whose start was lost, before the readings that show its energy.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

import orjson

from levity_trio.charging.lifecycle import Cause, Kind, Resolution
from levity_trio.charging.names import reported_id
from levity_trio.charging.sent.evidence import seconds
from levity_trio.charging.sent.readings import (
    Moment,
    Reading,
    are_meter_values,
    read,
    understand,
)
from levity_trio.charging.tolerances import CLOCK_SECONDS
from levity_trio.events import MessageAttached, MessageDismissed
from levity_trio.records import record
from levity_trio.store.cases.transaction import METER_VALUES, SYSTEM, StoredTransaction, by_whom
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.chargers import set_aside
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
from levity_trio.store.writes.people.authorization import ACCEPTED
from levity_trio.store.writes.transactions import readings, starts, stops
from levity_trio.store.writes.transactions.decisions import (
    Correction,
    Decision,
    DecisionProblem,
    DecisionRefused,
    correct,
    enter,
    find,
)
from levity_trio.store.writes.transactions.readings import MessageReadings
from levity_trio.store.writes.transactions.starts import StartFields
from levity_trio.store.writes.transactions.states import EventEntry, add_event, load
from levity_trio.told import Moment as Stamp
from levity_trio.told import Told
from levity_trio.wire.large import parts_of

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


def attach(
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
    return load(db, tx.id)


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


def make(
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
            return load(db, waiting.transaction)
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
    return load(db, transaction)


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


def dismiss(db: UnitOfWork, message: int, decision: Decision) -> None:
    """Resolve a message that affects no bill. Raises DecisionRefused."""
    waiting = _load(db, message)
    if _is_done(waiting, Resolution.DISMISSED, waiting.transaction):
        return
    if waiting.transaction is not None:
        tx = load(db, waiting.transaction)
        enter(db, tx, decision, Cause.DISMISSED, {"set_aside": waiting.id})
    how = (decision.at, decision.by, Resolution.DISMISSED, decision.reason)
    set_aside.resolve(db, waiting.id, None, how)
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
    how: set_aside.Resolution,
    session: int | None = None,
) -> None:
    """Resolve a message that was set aside, given by its id and action, as part of a transaction,
    and record that."""
    number, action = message
    at, by, _, reason = how
    set_aside.resolve(db, number, transaction, how)
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


def store(
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
