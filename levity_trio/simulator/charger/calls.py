"""The charger's own calls: which to send next, and how to handle the response (OCPP-J 1.6 §4.1.1, OCPP 1.6 §3.7)."""

from __future__ import annotations

from typing import Any

from levity_trio.simulator.charger import charging
from levity_trio.simulator.charger.memory import Message
from levity_trio.simulator.charger.outbox import Frame, Outgoing, Request
from levity_trio.simulator.charger.state import State, Tally
from levity_trio.simulator.charger.transaction import Transaction
from levity_trio.simulator.ledger import START, STOP, Sent
from levity_trio.wire.errors import Refused
from levity_trio.wire.frames import CallError, Response
from levity_trio.wire.payloads import CHARGER_ACTIONS, read_result


def next_call(charger: State, at: float) -> Outgoing | None:
    """Return the call to send now, if any."""
    item = charger.outbox.next(at, may_send=charger.may_send) if charger.is_linked else None
    if item is None:
        return None
    charger.tally.sent += 1
    outgoing = charger.outbox.under_way = Outgoing(_frames_of(charger, item), item)
    if (sent := _record_of(charger, item)) is not None:
        first, *others = [payload for action, payload in outgoing.frames if action == sent.action]
        sent.leave(first, at, *others)
    return outgoing


def settle(charger: State, outgoing: Outgoing, answer: Response | None, at: float) -> None:
    """Handle a response. One to a call that was lost with its connection is ignored."""
    if not charger.outbox.close(outgoing):
        return
    understood = _understood(charger.tally, outgoing.frames[-1][0], answer)
    item = outgoing.item
    if isinstance(item, Request):
        item.then(answer if item.is_foreign else understood, at)
    elif understood is not None:
        if (sent := _record_of(charger, item)) is not None:
            sent.answered = at
        _take(charger, item, understood)
    elif _is_given_up(charger, item, at):
        _discard(charger, item)


def _frames_of(charger: State, item: Request | Message) -> list[Frame]:
    if isinstance(item, Message):
        return _frames_of_message(charger, item)
    frame = item.action, item.payload
    return [frame] if item.is_foreign else charger.quirks.frames(frame, None)


def _frames_of_message(charger: State, message: Message) -> list[Frame]:
    """Insert the transaction's id: the central system's, or our negative one while the start is not acknowledged."""
    payload = message.payload
    if message.local_id is not None and message.action != START:
        known = charger.memory.transaction_ids.get(str(message.local_id), message.local_id)
        payload = {**payload, "transactionId": known}
    return charger.quirks.frames((message.action, payload), _transaction_of(charger, message))


def _understood(tally: Tally, action: str, answer: Response | None) -> Any:
    if answer is None:
        tally.unanswered += 1
        return None
    if isinstance(answer, CallError):
        tally.refused += 1
        return None
    try:
        understood = read_result(action, answer.payload, strict=True, accepted=CHARGER_ACTIONS).message
    except Refused:
        tally.unreadable += 1
        return None
    tally.answered += 1
    return understood


def _take(charger: State, message: Message, answer: Any) -> None:
    charger.outbox.answered(message)
    tag, info = message.payload.get("idTag"), getattr(answer, "id_tag_info", None)
    if tag and info:  # of a start or a stop; a charger learns from both (§3.5.1)
        charger.tags.learn(tag, info)
    if message.action == START:
        charger.memory.transaction_ids[str(message.local_id)] = answer.transaction_id
        if (transaction := _transaction_of(charger, message)) is not None:
            charging.started(charger, transaction, answer, charger.agenda.present)
    _forget_ended(charger, message)


def _is_given_up(charger: State, message: Message, at: float) -> bool:
    attempts = charger.configuration.integer("TransactionMessageAttempts")
    interval = charger.configuration.integer("TransactionMessageRetryInterval")
    return charger.outbox.failed(message, at, attempts, interval)


def _discard(charger: State, message: Message) -> None:
    """Discard a message (§3.7.1). A lost start or stop is a lost bill."""
    charger.tally.discarded += 1
    if (sent := _record_of(charger, message)) is not None:
        sent.is_thrown_away = True
    _forget_ended(charger, message)


def _forget_ended(charger: State, message: Message) -> None:
    """Forget a transaction after its last message."""
    if message.local_id is None:
        return
    transaction = charger.transactions.get(message.local_id)
    if transaction is not None:
        transaction.under_way.pop(id(message), None)
    if transaction.is_over if transaction is not None else message.action == STOP:
        charging.forget(charger, message.local_id)


def _record_of(charger: State, item: Request | Message) -> Sent | None:
    """Return the ledger's record of a message; None for one from before a restart of the simulator."""
    if not isinstance(item, Message) or (transaction := _transaction_of(charger, item)) is None:
        return None
    return transaction.under_way.get(id(item))


def _transaction_of(charger: State, message: Message) -> Transaction | None:
    return None if message.local_id is None else charger.transactions.get(message.local_id)
