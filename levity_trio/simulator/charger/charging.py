"""User actions at a charger, and the resulting transactions (§4.1, §4.8, §4.10, §5.11, §5.12)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from levity_trio.simulator.charger import notifications
from levity_trio.simulator.charger.agenda import Timer
from levity_trio.simulator.charger.configuration import ACCEPTED
from levity_trio.simulator.charger.power import drop_tag, settle, settle_all, settle_reservations
from levity_trio.simulator.charger.state import Connector, Impossible, Profile, State, Transaction
from levity_trio.simulator.charger.tags import is_same
from levity_trio.simulator.ledger import Entry
from levity_trio.simulator.physics import Status, shown_wh
from levity_trio.wire.payloads import call

LOCAL, EV_DISCONNECTED, DEAUTHORIZED = "Local", "EVDisconnected", "DeAuthorized"

Verdict = Callable[[bool, str | None, float], None]
"""Gets whether a tag may charge, its parent if the central system sent one, and the moment."""


def present_tag(charger: State, connector: Connector, tag: str, at: float) -> None:
    """Hold a tag to the reader. It begins a transaction, or ends one that its group began.

    Raises Impossible if the connector accepts no tag now.
    """
    if not charger.is_on:
        raise Impossible(f"{charger.spec.id} has no power")
    transaction = connector.transaction
    if not (takes_starts(charger, connector) if transaction is None else not connector.is_faulted):
        raise Impossible(
            f"{charger.spec.id}: connector {connector.number} takes no tag while {connector.status}"
        )
    if transaction is None:
        authorise(charger, tag, at, partial(admit, charger, connector, tag, None))
        return
    if charger.tags.is_same_group(tag, transaction.id_tag):
        end(charger, connector, LOCAL, at, tag)
        return

    def stop_by_group(is_admitted: bool, parent: str | None, at: float) -> None:
        # The tag may have the parent of the one that began it (§3.5).
        is_of_group = is_admitted and is_same(parent, transaction.parent_id_tag)
        if is_of_group and connector.transaction is transaction:
            end(charger, connector, LOCAL, at, tag)

    authorise(charger, tag, at, stop_by_group)


def takes_starts(charger: State, connector: Connector) -> bool:
    """Return whether a transaction may begin: no fault on it or the charger, no Unavailable
    scheduled (§5.2)."""
    is_operative = charger.memory.is_operative[connector.number]
    is_faulted = connector.is_faulted or charger.connectors[0].is_faulted
    return charger.is_on and is_operative and not is_faulted and connector.transaction is None


def authorise(charger: State, tag: str, at: float, then: Verdict) -> None:
    """Find out whether a tag may charge: by list and cache, by Authorize, or by the rules for
    offline (§3.5).

    The agenda is held until the response comes, so that the transaction begins at the moment of the
    tag, however long the response takes.
    """

    def answered(answer: Any, _at: float) -> None:
        charger.agenda.release()
        if not charger.is_on:
            return
        if answer is None:
            known = charger.tags.decide(tag, charger.clock.read(at))
            then(_holds_offline(charger, known), charger.tags.parent(tag), at)
            return
        info = answer.id_tag_info
        charger.tags.learn(tag, info)
        then(info.get("status") == ACCEPTED, info.get("parentIdTag"), at)

    settings = charger.configuration
    known = charger.tags.decide(tag, charger.clock.read(at))
    parent = charger.tags.parent(tag)
    if not charger.may_send:
        then(_holds_offline(charger, known), parent, at)
    elif known == ACCEPTED and settings.boolean("LocalPreAuthorize"):
        then(True, parent, at)
    else:
        charger.agenda.hold()
        charger.queue(call.Authorize(id_tag=tag), answered, is_urgent=True)


def begin(charger: State, connector: Connector, tag: str, parent: str | None, at: float) -> None:
    """Begin a transaction. Energy flows from now on, before the central system responds."""
    profile = connector.profile
    drop_tag(charger, connector)
    shown = notifications.register(charger, connector, at)
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
        began_offline=not charger.may_send,
        true_start_wh=shown_wh(connector.meter.register_wh),
        shown_start_wh=shown,
        entry=entry,
        parent_id_tag=parent,
    )
    charger.ledger.append(entry)
    charger.transactions[transaction.local_id] = connector.transaction = transaction
    connector.is_finishing = False
    connector.shown_wh.clear()
    # from a remote start: it becomes the transaction's TxProfile (§5.11, §5.16)
    if profile is not None:
        charger.install(connector.number, profile, transaction.local_id, at)
    request = call.StartTransaction(
        connector_id=connector.number,
        id_tag=tag,
        meter_start=shown,
        timestamp=began_at,
        reservation_id=charger.reservations.used(
            connector.number, tag, parent, charger.clock.read(at)
        ),
    )
    notifications.keep(charger, transaction, request, [connector.moment(at)])
    notifications.add_data(charger, connector, "StopTxnSampledData", notifications.BEGIN, at)
    notifications.plan_samples(charger, connector, transaction, at)
    settle_reservations(charger, at)


def end(
    charger: State, connector: Connector, reason: str, at: float, tag: str | None = None
) -> None:
    """End the connector's transaction; the cable may still be in. The reason Local is not sent
    (§4.10)."""
    transaction = connector.transaction
    if transaction is None:
        raise Impossible(f"{charger.spec.id}: connector {connector.number} has no transaction")
    shown = notifications.register(charger, connector, at)
    notifications.add_data(charger, connector, "StopTxnSampledData", notifications.END, at)
    if charger.spec.signing_seed:
        notifications.add_record(charger, connector, transaction, at)
    request = call.StopTransaction(
        meter_stop=shown,
        timestamp=charger.timestamp(at),
        transaction_id=transaction.local_id,
        reason=None if reason == LOCAL else reason,
        id_tag=tag,
        transaction_data=transaction.data or None,
    )
    moments = [*transaction.moments, connector.moment(at)]
    notifications.keep(charger, transaction, request, moments)
    for quirk in charger.quirks:
        quirk.ended(charger, transaction, at)
    connector.is_finishing = connector.meter.is_plugged
    _close(charger, connector, transaction, at)
    settle_all(charger, at)
    if charger.when_idle is not None and charger.is_on and not is_busy(charger):
        action, charger.when_idle = charger.when_idle, None
        action(at)


def is_busy(charger: State) -> bool:
    return any(connector.transaction is not None for connector in charger.connectors)


def resume(charger: State, connector: Connector, at: float) -> None:
    """Continue a transaction after power-on, or end it if its vehicle is gone."""
    end_unplugged(charger, connector, at)
    if connector.transaction is not None:
        notifications.plan_samples(charger, connector, connector.transaction, at)


def end_unplugged(charger: State, connector: Connector, at: float) -> None:
    """End a transaction whose vehicle is gone, if StopTransactionOnEVSideDisconnect says so."""
    is_over = connector.transaction is not None and not connector.meter.is_plugged
    if is_over and charger.configuration.boolean("StopTransactionOnEVSideDisconnect"):
        end(charger, connector, EV_DISCONNECTED, at)


def lose(charger: State, connector: Connector, at: float) -> None:
    """Forget the connector's transaction without a StopTransaction. Its queued messages stay."""
    transaction = connector.transaction
    if transaction is None:
        return
    _close(charger, connector, transaction, at)
    if transaction.is_over:
        forget(charger, transaction.local_id)


def forget(charger: State, local_id: int) -> None:
    """Forget a transaction that has no messages left."""
    charger.transactions.pop(local_id, None)
    charger.memory.transaction_ids.pop(str(local_id), None)


def _close(charger: State, connector: Connector, transaction: Transaction, at: float) -> None:
    """Record the end and the true energy of a transaction, and free its connector."""
    connector.meter.advance(at)
    charger.agenda.stop_timer(Timer.READING, connector.number)
    transaction.entry.energy_wh = connector.session_wh
    transaction.entry.ended = at
    connector.transaction = None
    connector.is_paused_by_vehicle = connector.is_paused_by_charger = False
    charger.profiles.end_transaction(connector.number)


def started(charger: State, transaction: Transaction, answer: Any, at: float) -> None:
    """Take a StartTransaction.conf: the id, and whether the tag is accepted (§4.8).

    If it is not, StopTransactionOnInvalidId decides whether the transaction ends or continues
    without energy.
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
    """Start a transaction for an admitted tag, now or when the cable is in. `profile` comes from a
    remote start."""
    if (
        not is_admitted
        or not takes_starts(charger, connector)
        or not may_use(charger, connector, tag, parent, at)
    ):
        return
    drop_tag(charger, connector)
    connector.profile = profile
    if connector.meter.is_plugged:
        begin(charger, connector, tag, parent, at)
        return
    connector.tag = (tag, parent)
    wait = charger.configuration.integer("ConnectionTimeOut")

    def give_up(at: float) -> None:
        drop_tag(charger, connector)
        settle(charger, connector, at)

    charger.agenda.set_timer(Timer.CABLE, at + wait, give_up, connector=connector.number)
    settle(charger, connector, at)


def may_use(charger: State, connector: Connector, tag: str, parent: str | None, at: float) -> bool:
    """Return whether the reservations allow a tag to start here."""
    free = sum(
        other is connector or other.status is Status.AVAILABLE for other in charger.connectors[1:]
    )
    return charger.reservations.may_start(
        connector.number, tag, parent, charger.clock.read(at), free=free
    )


def _holds_offline(charger: State, known: str | None) -> bool:
    """Return whether a tag may charge while the charger is offline (§3.5.1)."""
    if known is not None and charger.configuration.boolean("LocalAuthorizeOffline"):
        return known == ACCEPTED
    return known is None and charger.configuration.boolean("AllowOfflineTxForUnknownId")
