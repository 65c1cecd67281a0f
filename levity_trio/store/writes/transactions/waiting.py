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
    MeterValue,
    Moment,
    Reading,
    are_meter_values,
    read,
    understand,
)
from levity_trio.charging.tolerances import CLOCK_SECONDS
from levity_trio.events import MessageAttached, MessageDismissed
from levity_trio.records import record
from levity_trio.store.cases.evidence import evidence_of
from levity_trio.store.cases.settled import SYSTEM, by_whom
from levity_trio.store.cases.transaction import Known
from levity_trio.store.engine.unit_of_work import UnitOfWork
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
from levity_trio.store.writes.transactions import readings, starts, stops, unknown_starts
from levity_trio.store.writes.transactions.decisions import (
    Correction,
    Decision,
    DecisionProblem,
    DecisionRefused,
    correct,
    enter,
    find,
)
from levity_trio.store.writes.transactions.readings import Batch
from levity_trio.store.writes.transactions.states import Entry, add_event, load
from levity_trio.told import Moment as Stamp
from levity_trio.told import Told
from levity_trio.wire.large import parts_of

METER_VALUES: Final = "MeterValues"

_WAITING: Final = (
    "SELECT id, cp_id, session_id, received_at, action, tx_id, looked_by, resolution "
    "FROM set_aside WHERE id = ?"
)
CAME: Final = Told("readings with its transactionId arrived later")
"""Why a stop no longer waits."""
MOST_COMPARED: Final = 20
"""The newest messages of a charger that were set aside, among which its stop is looked for."""
_NEWEST: Final = (
    "SELECT set_aside.id, looked_at, tx_id, set_aside.session_id, received_at, set_aside.action, "  # noqa: S608 - ours
    "payload, set_aside.message_id, coalesce(frame, '') "
    f"FROM set_aside LEFT JOIN {evidence_of('set_aside')} "
    "WHERE set_aside.cp_id = ? ORDER BY set_aside.id DESC LIMIT ?"
)


class Waiting(NamedTuple):
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
class Made:
    """What an operator knows about a transaction of which only the stop arrived; None is found by
    the readings.

    Registers and energy in Wh; the time in the database's format.
    """

    connector: int | None = None
    start_time: str | None = None
    meter_start: int | None = None
    id_tag: str | None = None
    figure_wh: int | None = None


def attach(
    db: UnitOfWork, message: int, transaction: int, told: StopWithData | Batch, decision: Decision
) -> Known:
    """Apply a message to a transaction of its charger; return the transaction. `told` is the
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
    if isinstance(told, StopWithData):
        _check_order(tx, waiting, told.stop.moment)
    cause = Cause.STOP_ATTACHED if isinstance(told, StopWithData) else Cause.READINGS_ATTACHED
    enter(db, tx, decision, cause, {"set_aside": waiting.id})
    origin = waiting.received._replace(received_at=decision.at)
    if isinstance(told, StopWithData):
        stops.attach(db, origin, waiting.received, tx.id, told)
    else:
        readings.attach(db, origin, waiting.received, tx.id, told)
    how = (decision.at, decision.by, Resolution.ATTACHED, decision.reason)
    _link(db, decision.origin(tx.charger), (waiting.id, waiting.action), tx.id, how)
    return load(db, tx.id)


def _check_order(tx: Known, waiting: Waiting, stopped: Moment) -> None:
    """Raise DecisionRefused for a stop from before the start: by a clock that is right, or by both
    receipts, too."""
    is_right = tx.is_start_timed and abs(tx.start_skew or 0) <= CLOCK_SECONDS
    is_early = (
        stopped.is_believable
        and seconds(stopped.understood) < seconds(tx.start_time) - CLOCK_SECONDS
    )
    if is_early and (is_right or waiting.received_at < tx.created_at):
        words = Told(
            "this stop is of {1}, but session {2} began at {3}: name another one",
            Stamp(stopped.understood),
            tx.id,
            Stamp(tx.start_time),
        )
        raise DecisionRefused(DecisionProblem.INVALID, words, "transaction")


def make(db: UnitOfWork, message: int, told: StopWithData, made: Made, decision: Decision) -> Known:
    """Make a transaction of a stop that was set aside; return it. Raises DecisionRefused."""
    waiting = _load(db, message)
    if _is_done(waiting, Resolution.MADE, waiting.transaction) and waiting.transaction is not None:
        return load(db, waiting.transaction)
    if waiting.transaction is not None:
        words = Told(
            "this message belongs to session {1}: close or correct that", waiting.transaction
        )
        raise DecisionRefused(DecisionProblem.WRONG_STATE, words)
    origin = waiting.received._replace(received_at=decision.at)
    transaction = _begin(db, origin, waiting, told, made, decision)
    stops.attach(db, origin, waiting.received, transaction, told)
    if made.figure_wh is not None:
        correct(
            db,
            transaction,
            Correction(figure_wh=made.figure_wh),
            replace(decision, seen_event=None),
        )
    how = (decision.at, decision.by, Resolution.MADE, decision.reason)
    _link(db, decision.origin(waiting.charger), (waiting.id, waiting.action), transaction, how)
    return load(db, transaction)


def dismiss(db: UnitOfWork, message: int, decision: Decision) -> None:
    """Resolve a message that affects no bill. Raises DecisionRefused."""
    waiting = _load(db, message)
    if _is_done(waiting, Resolution.DISMISSED, waiting.transaction):
        return
    if waiting.transaction is not None:
        tx = load(db, waiting.transaction)
        enter(db, tx, decision, Cause.DISMISSED, {"set_aside": waiting.id})
    set_aside.resolve(
        db, waiting.id, None, (decision.at, decision.by, Resolution.DISMISSED, decision.reason)
    )
    about = {"charger": waiting.charger, "at": decision.at, "action": waiting.action}
    db.record(
        MessageDismissed(**about, by=decision.by, reason=decision.reason, set_aside=waiting.id)
    )


def _load(db: UnitOfWork, message: int) -> Waiting:
    row = db.row(_WAITING, (message,))
    if row is None:
        raise DecisionRefused(
            DecisionProblem.NOT_FOUND, Told("there is no message {1} that was set aside", message)
        )
    return Waiting(*row)


def _is_done(waiting: Waiting, resolution: str, transaction: int | None) -> bool:
    """Whether this was decided before. Raises DecisionRefused if something else was."""
    if waiting.looked_by is None:
        return False
    if (waiting.resolution, waiting.transaction) == (resolution, transaction):
        return True
    words = Told(
        "{1} resolved this message before: {2}",
        by_whom(waiting.looked_by or ""),
        Told(waiting.resolution or ""),
    )
    raise DecisionRefused(DecisionProblem.ALREADY_DECIDED, words)


def _begin(
    db: UnitOfWork,
    origin: Origin,
    waiting: Waiting,
    told: StopWithData,
    made: Made,
    decision: Decision,
) -> int:
    """Open the transaction of a stop, as of its receipt."""
    found = unknown_starts.shown(db, waiting.received, *told)
    connector = found.connector if made.connector is None else made.connector
    start_time = made.start_time or found.began
    if connector is None or connector <= 0:
        raise DecisionRefused(
            DecisionProblem.INVALID, Told("no reading shows the connector: give it"), "connector"
        )
    if start_time is None or start_time > told.stop.moment.understood:
        words = Told(
            "no reading shows the start: give its time, before {1}",
            Stamp(told.stop.moment.understood),
        )
        raise DecisionRefused(DecisionProblem.INVALID, words, "start_time")
    moment = Moment(start_time, None, True)
    fields = (connector, made.id_tag or told.stop.id_tag, made.meter_start, None, None)
    tx = starts.insert(db, waiting.received, moment, ACCEPTED, fields, told.stop.transaction)
    entry = Entry(Kind.START, decision.by, moment, decision.reason)
    add_event(db, decision.origin(waiting.charger), tx.id, entry)
    unknown_starts.follow(db, origin, tx)
    return tx.id


def _link(
    db: UnitOfWork,
    origin: Origin,
    message: tuple[int, str],
    transaction: int,
    how: set_aside.Resolution,
) -> None:
    """Resolve a message that was set aside, given by its id and action, as part of a transaction,
    and record that."""
    (number, action), (at, by, _, reason) = message, how
    set_aside.resolve(db, number, transaction, how)
    told = {"set_aside": number, "transaction": transaction}
    fact = MessageAttached(
        charger=origin.charger, at=at, action=action, by=by, reason=reason, **told
    )
    db.record(fact, origin.session)


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
        is_unassigned |= readings.store(db, origin, Batch(connector, METER_VALUES, part), claimed)
    if not is_unassigned or reported_id(claimed) is None:
        return
    newest = db.rows(_NEWEST, (origin.charger, MOST_COMPARED))
    for number, looked_at, transaction, session, received_at, *fields in newest:
        message = Message(*fields)
        is_waiting = (
            message.action == "StopTransaction" and looked_at is None and transaction is None
        )
        told = _read(message, received_at) if is_waiting and message.frame else None
        if told is None or told.stop.transaction != claimed:
            continue
        received = Origin(origin.charger, session, received_at)
        made = unknown_starts.begin(db, received, *told)
        if made is not None:
            stops.attach(db, origin, received, made, told)
            _link(
                db,
                origin,
                (number, message.action),
                made,
                (origin.received_at, SYSTEM, Resolution.MADE, CAME),
            )


def _read(message: Message, received_at: str) -> StopWithData | None:
    """Read a stop again; None if a field that is needed cannot be read, or if its transactionData
    needs a repair."""
    fields, received = fields_of(message), datetime.fromisoformat(received_at)
    transaction, register, data = (
        fields.get(name) for name in ("transactionId", "meterStop", "transactionData")
    )
    transaction = WITHOUT_ID if transaction is None else transaction
    data = [] if data is None else data
    if type(transaction) is not int or type(register) is not int or not are_meter_values(data):
        return None
    moment = understand(text_in(message, "timestamp"), received)
    reason = text_in(message, "reason") or LOCAL
    stop = Stop(transaction, text_in(message, "idTag"), register, moment, reason, message)
    return StopWithData(stop, read(_whole(data, message.frame), received))


def _whole(data: list[MeterValue], frame: str) -> list[MeterValue]:
    """Return the transactionData of a stop, whose payload has only both ends of a large one. Of
    that, elements that need a repair are left out."""
    parts = parts_of(frame)
    if parts is None:
        return data
    found = list[MeterValue]()
    for part in parts:
        with suppress(orjson.JSONDecodeError):
            elements = orjson.loads(part)[3]["transactionData"]
            found += [element for element in elements if are_meter_values([element])]
    return found
