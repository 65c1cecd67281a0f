"""Remote control of a charger (§5.2, §5.11, §5.12, §5.14, §5.17, §5.18)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from levity_trio.simulator.charger import charging, notifications, presence, registration
from levity_trio.simulator.charger.circumstances import make_operative
from levity_trio.simulator.charger.connector import Connector
from levity_trio.simulator.charger.operations import firmware, security, uploads
from levity_trio.simulator.charger.profiles import TRANSACTION
from levity_trio.simulator.charger.state import ACCEPTED, State
from levity_trio.simulator.model.states import Status
from levity_trio.wire.payloads import call, call_result

RESET_REASONS: Final = {"Hard": "HardReset", "Soft": "SoftReset"}
SOFT_RESET_SECONDS: Final = 5.0
REJECTED: Final = "Rejected"
READY: Final = (Status.PREPARING, Status.FINISHING, Status.RESERVED, Status.AVAILABLE)
"""The statuses in which a remote start may begin, in order of preference."""


def remote_start_transaction(
    charger: State, request: call.RemoteStartTransaction, at: float
) -> call_result.RemoteStartTransaction:
    """§5.11: start as if the tag were presented; AuthorizeRemoteTxRequests decides whether it is authorised first."""
    connector = _connector_for(charger, request.connector_id, request.id_tag, at)
    profile = request.charging_profile
    is_fit = profile is None or profile["chargingProfilePurpose"] == TRANSACTION
    if connector is None or not is_fit or not charger.may_send:
        return call_result.RemoteStartTransaction(status=REJECTED)
    charger.agenda.plan(at, partial(_start, charger, connector, request.id_tag, profile))
    return call_result.RemoteStartTransaction(status=ACCEPTED)


def remote_stop_transaction(
    charger: State, request: call.RemoteStopTransaction, at: float
) -> call_result.RemoteStopTransaction:
    """§5.12; rejected while the boot is Pending, as is a remote start (§4.2)."""
    for connector in charger.connectors[1:]:
        transaction = connector.transaction
        is_meant = transaction is not None and transaction.entry.transaction_id == request.transaction_id
        if is_meant and charger.may_send:
            charger.agenda.plan(at, partial(_stop, charger, connector, "Remote"))
            return call_result.RemoteStopTransaction(status=ACCEPTED)
    return call_result.RemoteStopTransaction(status=REJECTED)


def unlock_connector(charger: State, request: call.UnlockConnector, at: float) -> call_result.UnlockConnector:
    """§5.18: end an open transaction, then unlock."""
    if not 1 <= request.connector_id < len(charger.connectors):
        return call_result.UnlockConnector(status="NotSupported")
    connector = charger.connectors[request.connector_id]
    if connector.transaction is not None:
        charger.agenda.plan(at, partial(_stop, charger, connector, "UnlockCommand"))
    return call_result.UnlockConnector(status="Unlocked")


def reset(charger: State, request: call.Reset, at: float) -> call_result.Reset:
    """§5.14: stop transactions, close the connection and restart."""
    charger.agenda.plan(at, partial(_restart, charger, request.type))
    return call_result.Reset(status=ACCEPTED)


def change_availability(charger: State, request: call.ChangeAvailability, at: float) -> call_result.ChangeAvailability:
    """§5.2: at once, or Scheduled for the end of transactions; connector 0 stands for the whole charger."""
    if not 0 <= request.connector_id < len(charger.connectors):
        return call_result.ChangeAvailability(status=REJECTED)
    chosen = [charger.connectors[request.connector_id]] if request.connector_id else charger.connectors
    is_operative = request.type == "Operative"
    are_done = [make_operative(charger, connector, is_operative, at) for connector in chosen]
    return call_result.ChangeAvailability(status=ACCEPTED if all(are_done) else "Scheduled")


def trigger_message(
    charger: State, request: call.TriggerMessage | call.ExtendedTriggerMessage, at: float
) -> call_result.TriggerMessage | call_result.ExtendedTriggerMessage:
    """§5.17, and A05 of the whitepaper: send the requested message after this response."""
    number = request.connector_id
    exists = number is None or 0 <= number < len(charger.connectors)
    is_extended = isinstance(request, call.ExtendedTriggerMessage)
    send = (_EXTENDED if is_extended else _TRIGGERED).get(request.requested_message)
    may_send = exists and charger.registration != registration.REJECTED
    if send is not None and may_send:
        charger.agenda.plan(at, partial(send, charger, number))
    status = "NotImplemented" if send is None else ACCEPTED if may_send else REJECTED
    return (call_result.ExtendedTriggerMessage if is_extended else call_result.TriggerMessage)(status=status)


def _connector_for(charger: State, number: int | None, tag: str, at: float) -> Connector | None:
    """Return the requested or the most suitable connector; None if no start is possible."""
    if number is not None and not 1 <= number < len(charger.connectors):
        return None
    chosen = charger.connectors[1:] if number is None else [charger.connectors[number]]
    ready = [one for one in chosen if charging.takes_starts(charger, one) and _may_use(charger, one, tag, at)]
    return min(ready, key=lambda one: READY.index(one.status), default=None)


def _may_use(charger: State, connector: Connector, tag: str, at: float) -> bool:
    """Return whether the reservations allow a start. A tag that is yet to be authorised passes."""
    is_asked_for = charger.configuration.boolean("AuthorizeRemoteTxRequests")
    return is_asked_for or charging.may_use(charger, connector, tag, charger.tags.parent(tag), at)


def _start(charger: State, connector: Connector, tag: str, profile: charging.Profile | None, at: float) -> None:
    if charger.configuration.boolean("AuthorizeRemoteTxRequests"):
        charging.authorise(charger, tag, at, partial(charging.admit, charger, connector, tag, profile))
    else:
        charging.admit(charger, connector, tag, profile, True, charger.tags.parent(tag), at)


def _stop(charger: State, connector: Connector, reason: str, at: float) -> None:
    if connector.transaction is not None:
        charging.end(charger, connector, reason, at)


def _restart(charger: State, kind: str, at: float) -> None:
    """A soft reset stops transactions and leaves time to send the stops; a hard one sends them afterwards (§5.14)."""
    reason = RESET_REASONS[kind]
    notifications.queue_security_event(charger, notifications.RESTARTED, at)
    if kind == "Hard":
        presence.restart(charger, at, reason)
        return
    for connector in charger.connectors:
        _stop(charger, connector, reason, at)
    charger.agenda.plan(at + SOFT_RESET_SECONDS, lambda at: presence.restart(charger, at, reason))


def _send_boot(charger: State, number: int | None, at: float) -> None:
    del number, at
    registration.boot(charger)


def _send_time(charger: State, number: int | None, at: float) -> None:
    del number, at
    registration.ask_time(charger, is_asked_for=True)


def _send_readings(charger: State, number: int | None, at: float) -> None:
    for connector in charger.connectors[1:]:
        if number in (None, 0, connector.number):
            notifications.sample(
                charger, connector, "MeterValuesSampledData", notifications.TRIGGERED, at, is_asked_for=True
            )


def _send_status(charger: State, number: int | None, at: float) -> None:
    for connector in charger.connectors:
        if number in (None, connector.number):
            notifications.report(charger, connector, at, is_asked_for=True)


_TRIGGERED: Final[dict[str, Callable[[Any, int | None, float], None]]] = {
    "BootNotification": _send_boot,
    "DiagnosticsStatusNotification": uploads.send_diagnostics_status,
    "FirmwareStatusNotification": firmware.send_status,
    "Heartbeat": _send_time,
    "LogStatusNotification": uploads.send_log_status,
    "MeterValues": _send_readings,
    "SignChargePointCertificate": security.send_sign_certificate,
    "StatusNotification": _send_status,
}
_EXTENDED: Final = {**_TRIGGERED, "FirmwareStatusNotification": firmware.send_signed_status}
