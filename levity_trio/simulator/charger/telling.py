"""What a charger tells unasked: its status, its readings, security events (§4.9, §4.7, security whitepaper A04)."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

from levity_trio.simulator.charger.agenda import Timer
from levity_trio.simulator.charger.connector import Connector
from levity_trio.simulator.charger.memory import Message
from levity_trio.simulator.charger.meters import registers
from levity_trio.simulator.charger.state import State
from levity_trio.simulator.charger.transaction import Transaction
from levity_trio.simulator.ledger import Moment, Sent
from levity_trio.simulator.model.samples import sampled_values
from levity_trio.wire.payloads import call, write_payload

DAY = timedelta(days=1)
PERIODIC, ALIGNED, TRIGGERED = "Sample.Periodic", "Sample.Clock", "Trigger"
BEGIN, END = "Transaction.Begin", "Transaction.End"

STARTED, RESTARTED, UPDATED = "StartupOfTheDevice", "ResetOrReboot", "FirmwareUpdated"
BAD_SIGNATURE, BAD_CERTIFICATE = "InvalidFirmwareSignature", "InvalidChargePointCertificate"


def notify(charger: State, connector: Connector, at: float) -> None:
    """Tell a status, once it has lasted for MinimumStatusDuration; one that ended before is never told."""
    charger.agenda.stop_timer(Timer.STATUS, connector.number)
    if seconds := charger.configuration.integer("MinimumStatusDuration"):
        tell = partial(_tell_lasting, charger, connector)
        charger.agenda.set_timer(Timer.STATUS, at + seconds, tell, connector=connector.number)
    else:
        report(charger, connector, at)


def report(charger: State, connector: Connector, at: float, *, is_asked_for: bool = False) -> None:
    """Send the status as it is; what changes while there is no connection is told at its return."""
    if charger.tell(status_of(charger, connector, at), partial(_doubt, connector), is_asked_for=is_asked_for):
        connector.told = (connector.status, connector.error_code)


def status_of(charger: State, connector: Connector, at: float) -> call.StatusNotification:
    """The status as it is."""
    return call.StatusNotification(
        connector_id=connector.number,
        error_code=connector.error_code,
        status=connector.status.value,
        timestamp=charger.timestamp(at),
    )


def _doubt(connector: Connector, answer: Any, at: float) -> None:
    """Without an answer nobody knows what the central system believes."""
    del at
    if answer is None:
        connector.told = None


def report_changes(charger: State, at: float) -> None:
    """What the central system does not know yet."""
    for connector in charger.connectors:
        if connector.told != (connector.status, connector.error_code):
            report(charger, connector, at)


def tell_event(charger: State, kind: str, at: float) -> None:
    """Queue a security event for guaranteed delivery (A04); chargers of profile 0 know none."""
    if charger.configuration.integer("SecurityProfile"):
        request = call.SecurityEventNotification(type=kind, timestamp=charger.timestamp(at), tech_info=None)
        charger.mail.keep(Message("SecurityEventNotification", write_payload(request), None))


def meter_value(charger: State, connector: Connector, key: str, context: str, at: float) -> dict[str, Any] | None:
    """One meterValue with the measurands of that configuration key; None where it names none."""
    measurands = charger.configuration.listed(key)
    _, shown = registers(charger, connector, at)
    interval_wh = shown - connector.shown_wh.get(key, _shown_at_start(connector, shown))
    connector.shown_wh[key] = shown
    samples = sampled_values(connector.meter.snapshot(), measurands, context, shown, interval_wh)
    return {"timestamp": charger.timestamp(at), "sampledValue": samples} if samples else None


def _shown_at_start(connector: Connector, shown: int) -> int:
    """Where the first interval of a transaction begins; outside of one there has been none."""
    return shown if connector.transaction is None else connector.transaction.shown_start_wh


def sample(
    charger: State, connector: Connector, key: str, context: str, at: float, *, is_asked_for: bool = False
) -> None:
    """Tell a reading: kept until it is answered where it belongs to a transaction, else only if there is a line."""
    value = meter_value(charger, connector, key, context, at)
    transaction = connector.transaction
    if value is None:
        return
    request = call.MeterValues(connector_id=connector.number, meter_value=[value])
    if transaction is None:
        charger.tell(request, is_asked_for=is_asked_for)
        return
    keep(charger, transaction, request, [transaction.moment(at, registers(charger, connector, at)[0])])
    charger.quirks.sampled(charger, transaction, at)


def keep(charger: State, transaction: Transaction, request: Any, moments: list[Moment]) -> None:
    """Keep a message of a transaction until it is answered, and a record of it; a quirk may lose it before it leaves.

    `moments` are what is true of what it tells: each of its readings, and then itself where it is a start or a stop.
    """
    if (message := hold(charger, transaction, request, moments)) is not None:
        charger.mail.keep(message)


def hold(charger: State, transaction: Transaction, request: Any, moments: list[Moment]) -> Message | None:
    """The same, but for whoever keeps it later; None where it is lost."""
    action = type(request).__name__
    sent = Sent(action=action, moments=moments)
    transaction.entry.sent.append(sent)
    if charger.quirks.loses(action, transaction):
        return None
    message = Message(action, write_payload(request), transaction.local_id)
    transaction.under_way[id(message)] = sent
    return message


def last_reading(charger: State, transaction: Transaction, at: float) -> Message | None:
    """The reading at the end of a transaction, for whoever keeps it."""
    connector = charger.connectors[transaction.connector]
    value = meter_value(charger, connector, "MeterValuesSampledData", END, at)
    if value is None:
        return None
    request = call.MeterValues(connector_id=connector.number, meter_value=[value], transaction_id=transaction.local_id)
    return hold(charger, transaction, request, [transaction.moment(at, registers(charger, connector, at)[0])])


def add_data(charger: State, connector: Connector, key: str, context: str, at: float) -> None:
    """Keep a reading for the stop of a transaction (StopTxnSampledData, StopTxnAlignedData)."""
    transaction = connector.transaction
    if transaction is not None and (value := meter_value(charger, connector, key, context, at)) is not None:
        transaction.data.append(value)
        transaction.moments.append(transaction.moment(at, registers(charger, connector, at)[0]))


def plan_samples(charger: State, connector: Connector, transaction: Transaction, at: float) -> None:
    """The next periodic reading of a transaction, MeterValueSampleInterval from now (0: none)."""
    charger.agenda.stop_timer(Timer.READING, connector.number)

    def tell(at: float) -> None:
        sample(charger, connector, "MeterValuesSampledData", PERIODIC, at)
        add_data(charger, connector, "StopTxnSampledData", PERIODIC, at)
        plan_samples(charger, connector, transaction, at)

    if seconds := charger.configuration.integer("MeterValueSampleInterval"):
        charger.agenda.set_timer(Timer.READING, at + seconds, tell, connector=connector.number)


def plan_aligned(charger: State, at: float) -> None:
    """The next readings at full intervals of the clock, from midnight on (ClockAlignedDataInterval; 0: none)."""
    charger.agenda.stop_timer(Timer.ALIGNED)
    if seconds := charger.configuration.integer("ClockAlignedDataInterval"):
        moment = _aligned_after(charger.clock.read(at), timedelta(seconds=seconds))
        charger.agenda.set_timer(Timer.ALIGNED, charger.clock.due(moment, at), partial(_tell_aligned, charger))


def _tell_aligned(charger: State, at: float) -> None:
    for connector in charger.connectors[1:]:
        sample(charger, connector, "MeterValuesAlignedData", ALIGNED, at)
        add_data(charger, connector, "StopTxnAlignedData", ALIGNED, at)
    plan_aligned(charger, at)


def _aligned_after(now: datetime, interval: timedelta) -> datetime:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return min(midnight + ((now - midnight) // interval + 1) * interval, midnight + DAY)


def _tell_lasting(charger: State, connector: Connector, at: float) -> None:
    if connector.told != (connector.status, connector.error_code):
        report(charger, connector, at)
