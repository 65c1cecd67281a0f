"""What happens at the connectors of a charger: what its users do, its transactions, statuses and
power, and the messages that it sends about them by itself (§4.1, §4.7 to §4.10, §5.11, §5.12).

Contactors follow statuses, limits follow charging profiles, changes are reported. Changes from
outside are here too: faults, availability, a status set by hand (§4.9, §5.2, §5.13). Reservations
are settled here, because a status depends on a reservation, and a fault ends one.

A reported register may differ from the true one: it may have been reset, have jumped, or belong to
a replaced meter. Security events (whitepaper A04) are reported like statuses and readings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from levity_trio.simulator.charger.configuration import ACCEPTED
from levity_trio.simulator.charger.profiles import Kept
from levity_trio.simulator.charger.state import (
    AC,
    NO_ERROR,
    Connector,
    Impossible,
    Message,
    Profile,
    State,
    Timer,
    Transaction,
    signed,
)
from levity_trio.simulator.charger.tags import is_same
from levity_trio.simulator.ledger import Entry, Moment, Sent
from levity_trio.simulator.physics import (
    ERROR_CODES,
    LEAST_AC_A,
    Status,
    check_move,
    sampled_values,
    shown_wh,
)
from levity_trio.wire.charging_profiles import Limits, smallest
from levity_trio.wire.payloads import call, write_payload

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
    shown = register(charger, connector, at)
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
    keep(charger, transaction, request, [connector.moment(at)])
    add_data(charger, connector, "StopTxnSampledData", BEGIN, at)
    plan_samples(charger, connector, transaction, at)
    settle_reservations(charger, at)


def end(
    charger: State, connector: Connector, reason: str, at: float, tag: str | None = None
) -> None:
    """End the connector's transaction; the cable may still be in. The reason Local is not sent
    (§4.10)."""
    transaction = connector.transaction
    if transaction is None:
        raise Impossible(f"{charger.spec.id}: connector {connector.number} has no transaction")
    shown = register(charger, connector, at)
    add_data(charger, connector, "StopTxnSampledData", END, at)
    if charger.spec.signing_seed:
        add_record(charger, connector, transaction, at)
    request = call.StopTransaction(
        meter_stop=shown,
        timestamp=charger.timestamp(at),
        transaction_id=transaction.local_id,
        reason=None if reason == LOCAL else reason,
        id_tag=tag,
        transaction_data=transaction.data or None,
    )
    moments = [*transaction.moments, connector.moment(at)]
    keep(charger, transaction, request, moments)
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
        plan_samples(charger, connector, connector.transaction, at)


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


SOME_ERROR = "OtherError"
WAYS = {
    Status.PREPARING: "plug a vehicle in, or present a tag",
    Status.FINISHING: "stop the transaction",
    Status.RESERVED: "let the central system reserve it",
}
"""How to reach the statuses that cannot be set by hand."""


def settle(charger: State, connector: Connector, at: float) -> None:
    """Derive status and power of a connector anew, and schedule their next change without an
    event."""
    meter = connector.meter
    meter.advance(at)
    if not charger.is_on:
        meter.switch(False, at)
        return
    _limit(charger, connector, at)
    natural = connector.natural_status(is_operative=charger.memory.is_operative[connector.number])
    meter.switch(connector.is_closed(natural), at)
    for status in connector.move(natural):
        notify(charger, connector, at)
        if status in (Status.FAULTED, Status.UNAVAILABLE) and charger.reservations.end_on(
            connector.number
        ):
            settle_reservations(charger, at)  # a fault or unavailability ends it (§5.13)
    charger.agenda.stop_timer(Timer.POWER, connector.number)
    if connector.transaction is None:
        return
    now, turn = charger.shown_time(at), meter.turns_at()
    turns = [turn] if turn is not None and turn > at else []
    change = _limits(charger, connector, at).next_change(now)
    if change is not None:
        turns.append(at + (change - now).total_seconds())
    if turns:
        again = partial(settle, charger, connector)
        charger.agenda.set_timer(Timer.POWER, min(turns), again, connector=connector.number)


def settle_all(charger: State, at: float) -> None:
    for connector in charger.connectors:
        settle(charger, connector, at)


def settle_reservations(charger: State, at: float) -> None:
    """Derive the statuses from the reservations anew, and schedule the next expiry."""
    now = charger.clock.read(at)
    charger.reservations.expire(now)
    for connector in charger.connectors[1:]:
        connector.is_reserved = charger.reservations.on(connector.number, now) is not None
        settle(charger, connector, at)
    charger.agenda.stop_timer(Timer.EXPIRY)
    expiry = charger.reservations.next_expiry()
    if expiry is not None:
        charger.agenda.set_timer(
            Timer.EXPIRY, charger.clock.due(expiry, at), partial(settle_reservations, charger)
        )


def _limit(charger: State, connector: Connector, at: float) -> None:
    """Pass the limit of the charging profiles to the meter. They apply to open transactions
    only."""
    if connector.transaction is None:
        return
    now = charger.shown_time(at)
    limit = _limits(charger, connector, at).at(now)
    whole = _limits(charger, charger.connectors[0], at).at(now)
    if whole is not None:
        # Each vehicle has an equal share of a ChargePointMaxProfile.
        vehicles = sum(one.transaction is not None for one in charger.connectors)
        share = replace(whole, value=whole.value / vehicles)
        limit = smallest([share] if limit is None else [limit, share])
    for quirk in charger.quirks:
        limit = quirk.offered(charger, limit)
    if charger.spec.power_type == AC:
        amps = None if limit is None else limit.amps
        connector.meter.limit(amps, at)
        connector.is_offered = amps is None or amps >= LEAST_AC_A
    else:
        watts = None if limit is None else limit.watts
        connector.meter.limit_power(watts, at)
        connector.is_offered = watts is None or watts > 0


def _limits(charger: State, connector: Connector, at: float) -> Limits:
    """Return the limits that a charger heeds at a connector; those of connector 0 are for all
    vehicles together."""
    heeded: Sequence[Kept] = charger.memory.profiles
    for quirk in charger.quirks:
        heeded = quirk.heeded(charger, connector, heeded)
    return charger.profiles.limits(
        connector.number, charger.began(connector.transaction, at), heeded
    )


def drop_tag(charger: State, connector: Connector) -> None:
    """Forget the tag that waits for a cable, and the charging profile of its remote start."""
    connector.tag = connector.profile = None
    charger.agenda.stop_timer(Timer.CABLE, connector.number)


def fault(charger: State, connector: Connector, error_code: str, at: float) -> None:
    """Set a fault. A transaction stays open and continues once the fault is cleared.

    Raises Impossible for an unknown error code.
    """
    if error_code not in ERROR_CODES:
        raise Impossible(f"unknown error code {error_code}; give one of {', '.join(ERROR_CODES)}")
    connector.error_code = error_code
    was_faulted = connector.status is Status.FAULTED
    drop_tag(charger, connector)
    settle(charger, connector, at)
    if was_faulted:  # no change of status, but a new error code to report
        report(charger, connector, at)
    charger.on_change()


def make_operative(charger: State, connector: Connector, is_operative: bool, at: float) -> bool:
    """Change the availability. Return False if it takes effect only after the end of a transaction
    (§5.2)."""
    charger.memory.is_operative[connector.number] = is_operative
    settle(charger, connector, at)
    charger.on_change()
    return is_operative or connector.beneath is Status.UNAVAILABLE


def set_status(charger: State, connector: Connector, name: str, at: float) -> None:
    """Set a status by hand, as far as pauses, faults and availability can.

    Raises IllegalMove for a transition that §4.9 does not have, and Impossible if something else
    holds the status.
    """
    if name not in list(Status):
        raise Impossible(f"unknown status {name}; give one of {', '.join(Status)}")
    if not charger.is_on:
        raise Impossible(f"{charger.spec.id} has no power")
    status = Status(name)
    check_move(connector.number, connector.status, status)
    if status in WAYS:
        raise Impossible(
            f"{charger.spec.id}: connector {connector.number} is {status} when you {WAYS[status]}"
        )
    if status is Status.FAULTED:
        fault(charger, connector, SOME_ERROR, at)
        return
    pauses = connector.is_paused_by_vehicle, connector.is_paused_by_charger
    _pause(connector, status is Status.SUSPENDED_EV, status is Status.SUSPENDED_EVSE)
    if connector.natural_status(is_operative=status is not Status.UNAVAILABLE) is not status:
        _pause(connector, *pauses)
        raise Impossible(
            f"{charger.spec.id}: connector {connector.number} is {connector.status} and cannot "
            f"become {status} now; check its cable, tag, transaction and reservation"
        )
    connector.error_code = NO_ERROR
    make_operative(charger, connector, status is not Status.UNAVAILABLE, at)


def _pause(connector: Connector, by_vehicle: bool, by_charger: bool) -> None:
    connector.is_paused_by_vehicle, connector.is_paused_by_charger = by_vehicle, by_charger


DAY = timedelta(days=1)
PERIODIC, ALIGNED, TRIGGERED = "Sample.Periodic", "Sample.Clock", "Trigger"
BEGIN, END = "Transaction.Begin", "Transaction.End"
STARTED, RESTARTED, UPDATED = "StartupOfTheDevice", "ResetOrReboot", "FirmwareUpdated"
BAD_SIGNATURE, BAD_CERTIFICATE = "InvalidFirmwareSignature", "InvalidChargePointCertificate"


def register(charger: State, connector: Connector, at: float) -> int:
    """Advance a meter, and return its register as reported, in whole Wh."""
    connector.meter.advance(at)
    shown = shown_wh(connector.meter.register_wh) + charger.memory.offsets[connector.number]
    for quirk in charger.quirks:
        shown = quirk.shown(charger, connector, shown, at)
    return shown


def set_register(charger: State, number: int, wh: int, at: float) -> None:
    """Set the reported register, whatever a quirk adds to it: connectors with one meter then still
    report one."""
    charger.memory.offsets[number] += wh - register(charger, charger.connectors[number], at)


def swap(charger: State, register_wh: int, at: float) -> None:
    """Replace all meters by others with this register."""
    for connector in charger.connectors[1:]:
        set_register(charger, connector.number, register_wh, at)
    charger.memory.meters += 1


def notify(charger: State, connector: Connector, at: float) -> None:
    """Report a status once it has lasted for MinimumStatusDuration; a shorter one is never
    reported."""
    charger.agenda.stop_timer(Timer.STATUS, connector.number)
    if seconds := charger.configuration.integer("MinimumStatusDuration"):

        def send(at: float) -> None:
            if connector.reported != (connector.status, connector.error_code):
                report(charger, connector, at)

        charger.agenda.set_timer(Timer.STATUS, at + seconds, send, connector=connector.number)
    else:
        report(charger, connector, at)


def report(charger: State, connector: Connector, at: float, *, is_asked_for: bool = False) -> None:
    """Send the present status. A change while disconnected is reported after reconnection."""

    def then(answer: Any, _at: float) -> None:
        if answer is None:  # the central system may not have received it
            connector.reported = None

    if charger.send_if_allowed(status_of(charger, connector, at), then, is_asked_for=is_asked_for):
        connector.reported = (connector.status, connector.error_code)


def status_of(charger: State, connector: Connector, at: float) -> call.StatusNotification:
    return call.StatusNotification(
        connector_id=connector.number,
        error_code=connector.error_code,
        status=connector.status.value,
        timestamp=charger.timestamp(at),
    )


def report_changes(charger: State, at: float) -> None:
    """Report all statuses that the central system does not know yet."""
    for connector in charger.connectors:
        if connector.reported != (connector.status, connector.error_code):
            report(charger, connector, at)


def queue_security_event(charger: State, kind: str, at: float) -> None:
    """Queue a security event for guaranteed delivery (A04); none at security profile 0."""
    if charger.configuration.integer("SecurityProfile"):
        request = call.SecurityEventNotification(
            type=kind, timestamp=charger.timestamp(at), tech_info=None
        )
        charger.outbox.keep(Message("SecurityEventNotification", write_payload(request), None))


def meter_value(
    charger: State, connector: Connector, key: str, context: str, at: float
) -> dict[str, Any] | None:
    """Return one meterValue with the measurands of a configuration key; None without any."""
    measurands = charger.configuration.listed(key)
    shown = register(charger, connector, at)
    # The first interval of a transaction begins at its start; outside a transaction the interval is
    # 0.
    start = shown if connector.transaction is None else connector.transaction.shown_start_wh
    interval_wh = shown - connector.shown_wh.get(key, start)
    connector.shown_wh[key] = shown
    samples = sampled_values(connector.meter.snapshot(), measurands, context, shown, interval_wh)
    return {"timestamp": charger.timestamp(at), "sampledValue": samples} if samples else None


def sample(
    charger: State,
    connector: Connector,
    key: str,
    context: str,
    at: float,
    *,
    is_asked_for: bool = False,
) -> None:
    """Send a reading. In a transaction it is kept until acknowledged; otherwise it is sent only
    while connected."""
    value = meter_value(charger, connector, key, context, at)
    transaction = connector.transaction
    if value is None:
        return
    request = call.MeterValues(connector_id=connector.number, meter_value=[value])
    if transaction is None:
        charger.send_if_allowed(request, is_asked_for=is_asked_for)
        return
    keep(charger, transaction, request, [connector.moment(at)])
    for quirk in charger.quirks:
        quirk.sampled(charger, transaction, at)


def keep(charger: State, transaction: Transaction, request: Any, moments: list[Moment]) -> None:
    """Queue and record a transaction message until it is acknowledged; a quirk may lose it before
    it leaves.

    `moments` are the true values: one for each reading in it, then one for the start or stop
    itself.
    """
    if (message := hold(charger, transaction, request, moments)) is not None:
        charger.outbox.keep(message)


def hold(
    charger: State, transaction: Transaction, request: Any, moments: list[Moment]
) -> Message | None:
    """Record a message and return it for queueing later; None if a quirk loses it."""
    action = type(request).__name__
    sent = Sent(action=action, moments=moments)
    transaction.entry.sent.append(sent)
    if any(quirk.loses(action, transaction) for quirk in charger.quirks):
        return None
    message = Message(action, write_payload(request), transaction.local_id)
    transaction.under_way[id(message)] = sent
    return message


def last_reading(charger: State, transaction: Transaction, at: float) -> Message | None:
    """Record the last reading of a transaction and return it for queueing later."""
    connector = charger.connectors[transaction.connector]
    value = meter_value(charger, connector, "MeterValuesSampledData", END, at)
    if value is None:
        return None
    request = call.MeterValues(
        connector_id=connector.number, meter_value=[value], transaction_id=transaction.local_id
    )
    return hold(charger, transaction, request, [connector.moment(at)])


def add_data(charger: State, connector: Connector, key: str, context: str, at: float) -> None:
    """Store a reading for the StopTransaction (StopTxnSampledData, StopTxnAlignedData)."""
    if (transaction := connector.transaction) is not None:
        value = meter_value(charger, connector, key, context, at)
        if value is not None:
            transaction.data.append(value)
            transaction.moments.append(connector.moment(at))


def add_record(charger: State, connector: Connector, transaction: Transaction, at: float) -> None:
    """Store what the meter signs of a transaction that ends, for its StopTransaction.

    The meter signs its true register, and numbers its records by the seconds of its clock.
    """
    ended_at, readings = charger.timestamp(at), []
    begin = ("B", transaction.entry.began_at, transaction.true_start_wh)
    for reason, moment, wh in (begin, ("E", ended_at, shown_wh(connector.meter.register_wh))):
        time = moment.replace("Z", ",000+0000 S")
        reading = {"TM": time, "TX": reason, "RV": wh, "RI": "1-0:1.8.0", "RU": "Wh", "ST": "G"}
        readings.append(reading)
    serial = f"{charger.spec.serial_number}-{connector.number}"
    page = f"T{charger.clock.read(at).timestamp():.0f}"
    record = {"FV": "1.0", "PG": page, "MS": serial, "IS": True, "IT": "ISO14443"}
    payload = json.dumps({**record, "ID": transaction.id_tag, "RD": readings})
    value = signed(charger.spec, connector.number, payload)
    sample = {"value": value, "format": "SignedData", "context": END}
    transaction.data.append({"timestamp": ended_at, "sampledValue": [sample]})
    transaction.moments.append(connector.moment(at))


def plan_samples(charger: State, connector: Connector, transaction: Transaction, at: float) -> None:
    """Schedule the next periodic reading of a transaction, MeterValueSampleInterval from now (0:
    none)."""
    charger.agenda.stop_timer(Timer.READING, connector.number)

    def send(at: float) -> None:
        sample(charger, connector, "MeterValuesSampledData", PERIODIC, at)
        add_data(charger, connector, "StopTxnSampledData", PERIODIC, at)
        plan_samples(charger, connector, transaction, at)

    if seconds := charger.configuration.integer("MeterValueSampleInterval"):
        charger.agenda.set_timer(Timer.READING, at + seconds, send, connector=connector.number)


def plan_aligned(charger: State, at: float) -> None:
    """Schedule the next clock-aligned readings, counted from midnight (ClockAlignedDataInterval; 0:
    none)."""
    charger.agenda.stop_timer(Timer.ALIGNED)
    if seconds := charger.configuration.integer("ClockAlignedDataInterval"):
        now, interval = charger.clock.read(at), timedelta(seconds=seconds)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        moment = min(midnight + ((now - midnight) // interval + 1) * interval, midnight + DAY)

        def send(at: float) -> None:
            for connector in charger.connectors[1:]:
                sample(charger, connector, "MeterValuesAlignedData", ALIGNED, at)
                add_data(charger, connector, "StopTxnAlignedData", ALIGNED, at)
            plan_aligned(charger, at)

        charger.agenda.set_timer(Timer.ALIGNED, charger.clock.due(moment, at), send)
