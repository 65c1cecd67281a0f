"""What people do at a charger, and the transactions that come of it (§4.1, §4.8, §4.10, §5.11, §5.12)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from levity_trio.simulator.charger import telling
from levity_trio.simulator.charger.agenda import Timer
from levity_trio.simulator.charger.connector import Connector
from levity_trio.simulator.charger.meters import registers
from levity_trio.simulator.charger.power import settle, settle_reservations
from levity_trio.simulator.charger.state import ACCEPTED, State
from levity_trio.simulator.charger.tags import is_same
from levity_trio.simulator.charger.transaction import Transaction
from levity_trio.simulator.ledger import Entry
from levity_trio.simulator.model.states import Status
from levity_trio.simulator.model.vehicle import Vehicle
from levity_trio.wire.payloads import call

LOCAL, EV_DISCONNECTED, DEAUTHORIZED = "Local", "EVDisconnected", "DeAuthorized"

Profile = dict[str, Any]
Verdict = Callable[[bool, str | None, float], None]
"""Gets whether a tag may charge, its parent if one was told, and the moment."""


class Impossible(ValueError):
    """What cannot be done at this charger now; the text says why."""


def plug(charger: State, connector: Connector, vehicle: Vehicle, at: float) -> None:
    """Plug a vehicle in. Raises Impossible where one is already."""
    if connector.meter.is_plugged:
        raise Impossible(f"{charger.spec.id}: a vehicle is plugged into connector {connector.number} already")
    connector.meter.plug(vehicle, at)
    if connector.transaction is None and connector.tag is not None:
        tag, parent = connector.tag
        begin(charger, connector, tag, parent, at)
    else:
        settle(charger, connector, at)


def unplug(charger: State, connector: Connector, at: float) -> None:
    """Take the cable out. Raises Impossible where there is none."""
    if not connector.meter.is_plugged:
        raise Impossible(f"{charger.spec.id}: nothing is plugged into connector {connector.number}")
    connector.meter.unplug(at)
    connector.is_finishing = connector.is_paused_by_vehicle = False
    if charger.is_on:  # else it finds out when the power is back
        _end_unplugged(charger, connector, at)
    settle(charger, connector, at)


def present_tag(charger: State, connector: Connector, tag: str, at: float) -> None:
    """Hold a tag to the reader: it begins a session, or ends the one that its group began.

    Raises Impossible where the connector takes no tag.
    """
    transaction = connector.transaction
    is_ready = takes_starts(charger, connector) if transaction is None else not connector.is_faulted
    if not (charger.is_on and is_ready):
        raise Impossible(f"{charger.spec.id}: connector {connector.number} takes no tag while {connector.status}")
    if transaction is None:
        authorise(charger, tag, at, partial(admit, charger, connector, tag, None))
    elif charger.tags.is_same_group(tag, transaction.id_tag):
        end(charger, connector, LOCAL, at, tag)
    else:
        authorise(charger, tag, at, partial(_stop_by_group, charger, transaction, tag))


def start(charger: State, connector: Connector, tag: str, at: float) -> None:
    """Begin a transaction without asking anybody. Raises Impossible where no vehicle is, or no session may begin."""
    if not (connector.meter.is_plugged and takes_starts(charger, connector)):
        raise Impossible(f"{charger.spec.id}: connector {connector.number} is {connector.status}; plug a vehicle in")
    begin(charger, connector, tag, charger.tags.parent(tag), at)


def takes_starts(charger: State, connector: Connector) -> bool:
    """Whether a session may begin there: neither it nor the charger failed, and no Unavailable is to come (§5.2)."""
    is_operative = charger.memory.is_operative[connector.number]
    is_faulted = connector.is_faulted or charger.connectors[0].is_faulted
    return charger.is_on and is_operative and not is_faulted and connector.transaction is None


def authorise(charger: State, tag: str, at: float, then: Verdict) -> None:
    """Find out whether a tag may charge: by list and cache, by asking, or by what holds offline (§3.5).

    While it asks, time stands still for this charger: the session begins at the moment of the tag, however long the
    answer takes.
    """
    settings = charger.configuration
    known = charger.tags.decide(tag, charger.clock.read(at))
    parent = charger.tags.parent(tag)
    if not charger.may_tell:
        is_admitted = _holds_offline(charger, known)
        then(is_admitted, parent, at)
    elif known == ACCEPTED and settings.boolean("LocalPreAuthorize"):
        then(True, parent, at)
    else:
        charger.agenda.hold()
        charger.ask(call.Authorize(id_tag=tag), partial(_answered, charger, tag, at, then), is_urgent=True)


def begin(charger: State, connector: Connector, tag: str, parent: str | None, at: float) -> None:
    """Begin a transaction: energy flows from here on, whatever the central system will say to it."""
    profile = connector.profile
    drop_tag(charger, connector)
    true_wh, shown = registers(charger, connector, at)
    memory = charger.memory
    memory.last_local_id -= 1
    began_at = charger.timestamp(at)
    entry = Entry(
        charger=charger.spec.id,
        connector=connector.number,
        id_tag=tag,
        began_at=began_at,
        meter_start=shown,
        began=at,
    )
    transaction = Transaction(
        local_id=memory.last_local_id,
        connector=connector.number,
        id_tag=tag,
        begun=at,
        began_offline=not charger.may_tell,
        true_start_wh=true_wh,
        shown_start_wh=shown,
        entry=entry,
        parent_id_tag=parent,
    )
    charger.ledger.append(entry)
    charger.transactions[transaction.local_id] = connector.transaction = transaction
    connector.is_finishing = False
    connector.shown_wh.clear()
    if profile is not None:  # of a remote start: it becomes that of the transaction (§5.11, §5.16)
        charger.profiles.install(connector.number, profile, transaction.local_id, charger.clock.read(at))
    request = call.StartTransaction(
        connector_id=connector.number,
        id_tag=tag,
        meter_start=shown,
        timestamp=began_at,
        reservation_id=charger.reservations.used(connector.number, tag, parent, charger.clock.read(at)),
    )
    telling.keep(charger, transaction, request, [transaction.moment(at, true_wh)])
    telling.add_data(charger, connector, "StopTxnSampledData", telling.BEGIN, at)
    telling.plan_samples(charger, connector, transaction, at)
    settle_reservations(charger, at)


def end(charger: State, connector: Connector, reason: str, at: float, tag: str | None = None) -> None:
    """End the connector's transaction; the cable may still be in. Local needs no reason (§4.10)."""
    transaction = connector.transaction
    if transaction is None:
        raise Impossible(f"{charger.spec.id}: nothing charges at connector {connector.number}")
    true_wh, shown = registers(charger, connector, at)
    telling.add_data(charger, connector, "StopTxnSampledData", telling.END, at)
    request = call.StopTransaction(
        meter_stop=shown,
        timestamp=charger.timestamp(at),
        transaction_id=transaction.local_id,
        reason=None if reason == LOCAL else reason,
        id_tag=tag,
        transaction_data=transaction.data or None,
    )
    telling.keep(charger, transaction, request, [*transaction.moments, transaction.moment(at, true_wh)])
    charger.quirks.ended(charger, transaction, at)
    connector.is_finishing = connector.meter.is_plugged
    _close(charger, connector, transaction, at)
    settle(charger, connector, at)
    _go_on(charger, at)


def is_busy(charger: State) -> bool:
    """Whether a transaction goes on here."""
    return any(connector.transaction is not None for connector in charger.connectors)


def _go_on(charger: State, at: float) -> None:
    """Do what has waited until nothing charges here."""
    if charger.when_idle is not None and charger.is_on and not is_busy(charger):
        go_on, charger.when_idle = charger.when_idle, None
        go_on(at)


def resume(charger: State, connector: Connector, at: float) -> None:
    """The power is back: go on with the transaction that was kept, if its vehicle is still there."""
    _end_unplugged(charger, connector, at)
    if connector.transaction is not None:
        telling.plan_samples(charger, connector, connector.transaction, at)


def _end_unplugged(charger: State, connector: Connector, at: float) -> None:
    is_over = connector.transaction is not None and not connector.meter.is_plugged
    if is_over and charger.configuration.boolean("StopTransactionOnEVSideDisconnect"):
        end(charger, connector, EV_DISCONNECTED, at)


def lose(charger: State, connector: Connector, at: float) -> None:
    """Forget the connector's transaction, without a word; what it has said already still waits for its answers."""
    transaction = connector.transaction
    if transaction is None:
        return
    _close(charger, connector, transaction, at)
    if transaction.is_over:
        forget(charger, transaction.local_id)


def forget(charger: State, local_id: int) -> None:
    """Nothing more will be said of this transaction."""
    charger.transactions.pop(local_id, None)
    charger.memory.transaction_ids.pop(str(local_id), None)


def _close(charger: State, connector: Connector, transaction: Transaction, at: float) -> None:
    """No energy flows in this transaction any more."""
    true_wh, _ = registers(charger, connector, at)
    charger.agenda.stop_timer(Timer.READING, connector.number)
    transaction.entry.energy_wh = true_wh - transaction.true_start_wh
    transaction.entry.ended = at
    connector.transaction = None
    connector.is_paused_by_vehicle = connector.is_paused_by_charger = False
    charger.profiles.end_transaction(connector.number)


def started(charger: State, transaction: Transaction, answer: Any, at: float) -> None:
    """The central system took a start: its id is known, and perhaps it does not want this tag (§4.8).

    Then the transaction ends, or, by StopTransactionOnInvalidId, goes on without energy.
    """
    info = answer.id_tag_info
    transaction.entry.transaction_id = answer.transaction_id
    transaction.parent_id_tag = info.get("parentIdTag") or transaction.parent_id_tag
    connector = charger.connectors[transaction.connector]
    if connector.transaction is not transaction or info["status"] == ACCEPTED:
        return
    if charger.configuration.boolean("StopTransactionOnInvalidId"):
        end(charger, connector, DEAUTHORIZED, at)
    else:
        connector.is_paused_by_charger = True
        settle(charger, connector, at)


def admit(
    charger: State,
    connector: Connector,
    tag: str,
    profile: Profile | None,
    is_admitted: bool,
    parent: str | None,
    at: float,
) -> None:
    """Let a tag charge that may: at once, or when its cable comes. `profile` is that of a remote start."""
    if not is_admitted or not takes_starts(charger, connector) or not may_use(charger, connector, tag, parent, at):
        return
    drop_tag(charger, connector)
    connector.profile = profile
    if connector.meter.is_plugged:
        begin(charger, connector, tag, parent, at)
        return
    connector.tag = (tag, parent)
    wait = charger.configuration.integer("ConnectionTimeOut")
    give_up = partial(_give_up, charger, connector)
    charger.agenda.set_timer(Timer.CABLE, at + wait, give_up, connector=connector.number)
    settle(charger, connector, at)


def may_use(charger: State, connector: Connector, tag: str, parent: str | None, at: float) -> bool:
    """Whether no reservation stands against it."""
    free = sum(one is connector or one.status is Status.AVAILABLE for one in charger.connectors[1:])
    return charger.reservations.may_start(connector.number, tag, parent, charger.clock.read(at), free=free)


def drop_tag(charger: State, connector: Connector) -> None:
    """Nobody waits for a cable any more, and what a remote start brought goes too."""
    connector.tag = connector.profile = None
    charger.agenda.stop_timer(Timer.CABLE, connector.number)


def _give_up(charger: State, connector: Connector, at: float) -> None:
    """No cable came within ConnectionTimeOut."""
    drop_tag(charger, connector)
    settle(charger, connector, at)


def _answered(charger: State, tag: str, began: float, then: Verdict, answer: Any, at: float) -> None:
    del at  # the tag was presented when it was presented
    charger.agenda.release()
    if not charger.is_on:
        return
    if answer is None:
        known = charger.tags.decide(tag, charger.clock.read(began))
        then(_holds_offline(charger, known), charger.tags.parent(tag), began)
        return
    info = answer.id_tag_info
    charger.tags.learn(tag, info)
    then(info.get("status") == ACCEPTED, info.get("parentIdTag"), began)


def _holds_offline(charger: State, known: str | None) -> bool:
    """Whether a tag may charge while nobody can be asked (§3.5.1)."""
    if known is not None and charger.configuration.boolean("LocalAuthorizeOffline"):
        return known == ACCEPTED
    return known is None and charger.configuration.boolean("AllowOfflineTxForUnknownId")


def _stop_by_group(
    charger: State, transaction: Transaction, tag: str, is_admitted: bool, parent: str | None, at: float
) -> None:
    """Another tag ends a session where it has the same parent (§3.5)."""
    connector = charger.connectors[transaction.connector]
    is_group = is_same(parent, transaction.parent_id_tag)
    if connector.transaction is transaction and is_admitted and is_group:
        end(charger, connector, LOCAL, at, tag)
