"""Messages that a charger sends by itself: status, readings, security events (§4.9, §4.7,
whitepaper A04).

A reported register may differ from the true one: it may have been reset, have jumped, or belong to
a replaced meter.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from levity_trio.simulator.charger.agenda import Timer
from levity_trio.simulator.charger.signing import signed
from levity_trio.simulator.charger.spec import Message
from levity_trio.simulator.charger.state import Connector, State, Transaction
from levity_trio.simulator.ledger import Moment, Sent
from levity_trio.simulator.physics import sampled_values, shown_wh
from levity_trio.wire.payloads import call, write_payload

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
