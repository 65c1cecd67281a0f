"""The operations of a charger: all of OCPP 1.6 §5 and of the security whitepaper.

An operation is a function of the charger, the request (a dataclass of the `ocpp` package) and the
moment. It returns the response, or only its status. What must follow the response (a reset, a
triggered message) goes on the agenda: the shell sends the response first. `charger.certificates` is
imported on first use, since its library costs megabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from levity_trio.simulator.charger import connectors, station
from levity_trio.simulator.charger.configuration import ACCEPTED, REJECTED
from levity_trio.simulator.charger.connectors import make_operative, settle_all, settle_reservations
from levity_trio.simulator.charger.state import AC, Connector, Impossible, State
from levity_trio.simulator.physics import Status
from levity_trio.wire.charging_profiles import TRANSACTION, Limit, Unit
from levity_trio.wire.errors import ErrorCode, Refused
from levity_trio.wire.payloads import SERVER_ACTIONS, call, call_result, read_request, write_payload
from levity_trio.wire.times import parse_time, wire_time

if TYPE_CHECKING:
    from levity_trio.simulator.charger.certificates import Certificates

RESET_REASONS: Final = {"Hard": "HardReset", "Soft": "SoftReset"}
SOFT_RESET_SECONDS: Final = 5.0
READY: Final = (Status.PREPARING, Status.FINISHING, Status.RESERVED, Status.AVAILABLE)
"""The statuses in which a remote start may begin, in order of preference."""
VENDOR: Final = "levity-trio"
"""The only known vendorId of DataTransfer; its data are echoed."""


def obey(charger: State, action: str, payload: object, at: float) -> dict[str, Any]:
    """Execute a request and return the payload of the response. Raises Refused for a malformed
    request.

    An action with a forced response is not executed.
    """
    request = read_request(action, payload, strict=True, accepted=SERVER_ACTIONS).message
    if (status := charger.forced_answers.get(action)) is not None:
        return _answer(action, status)
    if action in charger.quirks.lacks:
        raise Refused(ErrorCode.NOT_SUPPORTED, f"this charger does not support {action}")
    answer = OPERATIONS[action](charger, request, at)
    return write_payload(
        getattr(call_result, action)(status=answer) if isinstance(answer, str) else answer
    )


def force_answer(charger: State, action: str, status: str | None) -> None:
    """Respond to this action with a fixed status or error code instead of executing it; None undoes
    that.

    Raises Impossible for an action that a central system does not send, or a status that its
    response does not have.
    """
    if action not in OPERATIONS:
        raise Impossible(
            f"{action} is not an action of a central system; give one of {', '.join(OPERATIONS)}"
        )
    charger.forced_answers.pop(action, None)
    if status is not None:
        with suppress(Refused):
            _answer(action, status)
        charger.forced_answers[action] = status


def _answer(action: str, status: str) -> dict[str, Any]:
    """Return the payload with this status. Raises Refused for an error code, Impossible for
    anything else."""
    try:
        return write_payload(getattr(call_result, action)(status=status))
    except (TypeError, ValueError):  # the response has no status, or not this one
        if status in list(ErrorCode):
            raise Refused(ErrorCode(status), "forced by the simulator's operator") from None
    raise Impossible(
        f"the response to {action} cannot have status {status}; give a status of OCPP 1.6 for it,"
        f" or one of {', '.join(ErrorCode)}"
    )


# Starting, stopping, availability (§5.2, §5.11, §5.12, §5.14, §5.18)


def remote_start_transaction(
    charger: State, request: call.RemoteStartTransaction, at: float
) -> str:
    """§5.11: start as if the tag were presented; AuthorizeRemoteTxRequests decides whether it is
    authorised first."""
    number, tag, profile = request.connector_id, request.id_tag, request.charging_profile
    is_fit = profile is None or profile["chargingProfilePurpose"] == TRANSACTION
    if not is_fit or not charger.may_send:
        return REJECTED
    ready = [
        connector
        for connector in charger.connectors[1:]
        if number in (None, connector.number)
        and connectors.takes_starts(charger, connector)
        and _may_use(charger, connector, tag, at)
    ]
    if not ready:
        return REJECTED
    connector = min(ready, key=lambda connector: READY.index(connector.status))
    admit = partial(connectors.admit, charger, connector, tag, profile)

    def start(at: float) -> None:
        if charger.configuration.boolean("AuthorizeRemoteTxRequests"):
            connectors.authorise(charger, tag, at, admit)
        else:
            admit(True, charger.tags.parent(tag), at)

    charger.agenda.plan(at, start)
    return ACCEPTED


def _may_use(charger: State, connector: Connector, tag: str, at: float) -> bool:
    """Return whether the reservations allow a start. A tag that is yet to be authorised passes."""
    is_asked_for = charger.configuration.boolean("AuthorizeRemoteTxRequests")
    return is_asked_for or connectors.may_use(charger, connector, tag, charger.tags.parent(tag), at)


def remote_stop_transaction(charger: State, request: call.RemoteStopTransaction, at: float) -> str:
    """§5.12; rejected while the boot is Pending, as is a remote start (§4.2)."""
    for connector in charger.connectors[1:]:
        transaction = connector.transaction
        is_meant = (
            transaction is not None and transaction.entry.transaction_id == request.transaction_id
        )
        if is_meant and charger.may_send:
            charger.agenda.plan(at, partial(_stop, charger, connector, "Remote"))
            return ACCEPTED
    return REJECTED


def _stop(charger: State, connector: Connector, reason: str, at: float) -> None:
    if connector.transaction is not None:
        connectors.end(charger, connector, reason, at)


def unlock_connector(charger: State, request: call.UnlockConnector, at: float) -> str:
    """§5.18: end an open transaction, then unlock."""
    if not 1 <= request.connector_id < len(charger.connectors):
        return "NotSupported"
    connector = charger.connectors[request.connector_id]
    if connector.transaction is not None:
        charger.agenda.plan(at, partial(_stop, charger, connector, "UnlockCommand"))
    return "Unlocked"


def reset(charger: State, request: call.Reset, at: float) -> str:
    """§5.14: stop transactions, close the connection and restart.

    A soft reset stops transactions and leaves time to send the stops; a hard one sends them
    afterwards.
    """
    reason = RESET_REASONS[request.type]

    def begin(at: float) -> None:
        connectors.queue_security_event(charger, connectors.RESTARTED, at)
        if request.type == "Hard":
            station.restart(charger, at, reason)
            return
        for connector in charger.connectors:
            _stop(charger, connector, reason, at)
        charger.agenda.plan(
            at + SOFT_RESET_SECONDS, lambda at: station.restart(charger, at, reason)
        )

    charger.agenda.plan(at, begin)
    return ACCEPTED


def change_availability(charger: State, request: call.ChangeAvailability, at: float) -> str:
    """§5.2: at once, or Scheduled for the end of transactions; connector 0 stands for the whole
    charger."""
    if not charger.has(request.connector_id):
        return REJECTED
    chosen = (
        [charger.connectors[request.connector_id]] if request.connector_id else charger.connectors
    )
    is_operative = request.type == "Operative"
    are_done = [make_operative(charger, connector, is_operative, at) for connector in chosen]
    return ACCEPTED if all(are_done) else "Scheduled"


# Reservations (§5.13, §5.1)


def reserve_now(charger: State, request: call.ReserveNow, at: float) -> str:
    """§5.13: reserve a free connector, or with connector 0 any one."""
    number, now = request.connector_id, charger.clock.read(at)
    expiry = parse_time(request.expiry_date)
    if expiry is None or expiry <= now or not charger.has(number):
        return REJECTED
    if charger.connectors[0].is_faulted:
        return "Faulted"
    chosen = [charger.connectors[number]] if number else charger.connectors[1:]
    statuses = {connector.status for connector in chosen}
    if statuses.isdisjoint((Status.AVAILABLE, Status.RESERVED)):
        is_one = len(statuses) == 1 and not statuses.isdisjoint(
            (Status.FAULTED, Status.UNAVAILABLE)
        )
        return statuses.pop().value if is_one else "Occupied"
    free = sum(connector.status is Status.AVAILABLE for connector in charger.connectors[1:])
    if not charger.reservations.has_room(number, request.reservation_id, now, free=free):
        return "Occupied"
    charger.reservations.reserve(
        request.reservation_id, number, expiry, request.id_tag, request.parent_id_tag, now
    )
    settle_reservations(charger, at)
    return ACCEPTED


def cancel_reservation(charger: State, request: call.CancelReservation, at: float) -> str:
    """§5.1."""
    if not charger.reservations.cancel(request.reservation_id):
        return REJECTED
    settle_reservations(charger, at)
    return ACCEPTED


# Configuration and data (§5.3, §5.8, §5.6)


def change_configuration(charger: State, request: call.ChangeConfiguration, at: float) -> str:
    """§5.3: store a value. New intervals and a new AuthorizationKey take effect at once."""
    status = charger.configuration.change(request.key, request.value)
    if status == ACCEPTED and (follow := _FOLLOWED.get(request.key.casefold())) is not None:
        follow(charger, at)
    return status


def _sample_anew(charger: State, at: float) -> None:
    for connector in charger.connectors:
        if connector.transaction is not None:
            connectors.plan_samples(charger, connector, connector.transaction, at)


_FOLLOWED: Final[Mapping[str, Callable[[State, float], object]]] = {
    # Reconnect with the new password after the response (whitepaper A01).
    "authorizationkey": lambda charger, at: charger.agenda.plan(
        at, partial(station.disconnect, charger, "close")
    ),
    "clockaligneddatainterval": connectors.plan_aligned,
    "heartbeatinterval": station.plan_heartbeat,
    "metervaluesampleinterval": _sample_anew,
    "setcurrent": settle_all,
}


def get_configuration(
    charger: State, request: call.GetConfiguration, _at: float
) -> call_result.GetConfiguration:
    """§5.8: return the requested keys, or all."""
    known, unknown = charger.configuration.read(request.key)
    return call_result.GetConfiguration(configuration_key=known, unknown_key=unknown or None)


def data_transfer(
    _charger: State, request: call.DataTransfer, _at: float
) -> call_result.DataTransfer:
    """§5.6: echo the data of our own vendorId; any other is unknown."""
    if request.vendor_id != VENDOR:
        return call_result.DataTransfer(status="UnknownVendorId")
    return call_result.DataTransfer(status=ACCEPTED, data=request.data)


# Charging profiles (§5.16, §5.4, §5.7)


def set_charging_profile(charger: State, request: call.SetChargingProfile, at: float) -> str:
    """§5.16: an accepted profile takes effect at once. A TxProfile must match the open
    transaction."""
    number = request.connector_id
    if not charger.has(number):
        return REJECTED
    transaction = charger.connectors[number].transaction
    open_id = None if transaction is None else charger.id_to_send(transaction.local_id)
    status = charger.install(number, request.cs_charging_profiles, open_id, at)
    settle_all(charger, at)
    return status


def clear_charging_profile(charger: State, request: call.ClearChargingProfile, at: float) -> str:
    """§5.4."""
    status = charger.profiles.clear(
        request.id, request.connector_id, request.charging_profile_purpose, request.stack_level
    )
    charger.profiles_changed(at)
    settle_all(charger, at)
    return status


def get_composite_schedule(
    charger: State, request: call.GetCompositeSchedule, at: float
) -> str | call_result.GetCompositeSchedule:
    """§5.7: return the combined limits; Rejected for an unknown connector, or if no profile limits
    it."""
    number, spec = request.connector_id, charger.spec
    if not charger.has(number):
        return REJECTED
    began, now = charger.began(charger.connectors[number].transaction, at), charger.shown_time(at)
    capacity = Limit(spec.max_power_w, "W", spec.phases)
    if spec.power_type == AC:
        capacity = Limit(spec.max_current_a, "A", spec.phases)
    unit: Unit = request.charging_rate_unit or capacity.unit
    schedule = charger.profiles.composite(number, now, began, request.duration, unit, capacity)
    if schedule is None:
        return REJECTED
    return call_result.GetCompositeSchedule(
        status=ACCEPTED,
        connector_id=number,
        schedule_start=wire_time(now),
        charging_schedule=schedule,
    )


# Certificates (security whitepaper A02, A04, M03 to M05)


def certificates(charger: State) -> Certificates:
    from levity_trio.simulator.charger.certificates import Certificates  # noqa: PLC0415 - see above

    return Certificates(
        charger.memory.certificates, charger.configuration.integer("CertificateStoreMaxLength")
    )


def _send_sign_certificate(charger: State, *_: object) -> None:
    """A02: create a new key and request its certificate."""
    name = charger.spec.serial_number or charger.spec.id
    csr = certificates(charger).request(name, charger.configuration.text("CpoName"))
    charger.send_if_allowed(call.SignCertificate(csr=csr), is_asked_for=True)


def certificate_signed(charger: State, request: call.CertificateSigned, at: float) -> str:
    """A02.FR.06: take a certificate that matches our key, and report any other as a security
    event."""
    status = certificates(charger).signed(request.certificate_chain, charger.clock.read(at))
    if status != ACCEPTED:
        connectors.queue_security_event(charger, connectors.BAD_CERTIFICATE, at)
    return status


def get_installed_certificate_ids(
    charger: State, request: call.GetInstalledCertificateIds, _at: float
) -> call_result.GetInstalledCertificateIds:
    """M03."""
    hashes = certificates(charger).installed(request.certificate_type)
    status = ACCEPTED if hashes else "NotFound"
    return call_result.GetInstalledCertificateIds(
        status=status, certificate_hash_data=hashes or None
    )


# Triggered messages (§5.17)


def trigger_message(
    charger: State, request: call.TriggerMessage | call.ExtendedTriggerMessage, at: float
) -> str:
    """§5.17, and A05 of the whitepaper: send the requested message after this response."""
    number = request.connector_id
    is_extended = isinstance(request, call.ExtendedTriggerMessage)
    send = (_EXTENDED if is_extended else _TRIGGERED).get(request.requested_message)
    if send is None:
        return "NotImplemented"
    exists = number is None or charger.has(number)
    if not exists or charger.registration == REJECTED:
        return REJECTED
    charger.agenda.plan(at, partial(send, charger, number))
    return ACCEPTED


def _send_readings(charger: State, number: int | None, at: float) -> None:
    for connector in charger.connectors[1:]:
        if number in (None, 0, connector.number):
            key, context = "MeterValuesSampledData", connectors.TRIGGERED
            connectors.sample(charger, connector, key, context, at, is_asked_for=True)


def _send_status(charger: State, number: int | None, at: float) -> None:
    for connector in charger.connectors:
        if number in (None, connector.number):
            connectors.report(charger, connector, at, is_asked_for=True)


_TRIGGERED: Final[dict[str, Callable[[State, int | None, float], None]]] = {
    "BootNotification": lambda charger, _, _at: station.boot(charger),
    "DiagnosticsStatusNotification": station.send_diagnostics_status,
    "FirmwareStatusNotification": station.send_status,
    "Heartbeat": lambda charger, _, _at: station.ask_time(charger, is_asked_for=True),
    "LogStatusNotification": station.send_log_status,
    "MeterValues": _send_readings,
    "SignChargePointCertificate": _send_sign_certificate,
    "StatusNotification": _send_status,
}
_EXTENDED: Final = {**_TRIGGERED, "FirmwareStatusNotification": station.send_signed_status}

OPERATIONS: Final[Mapping[str, Callable[[State, Any, float], Any]]] = {
    "CancelReservation": cancel_reservation,
    "CertificateSigned": certificate_signed,
    "ChangeAvailability": change_availability,
    "ChangeConfiguration": change_configuration,
    "ClearCache": lambda charger, _, _at: charger.tags.clear_cache(),
    "ClearChargingProfile": clear_charging_profile,
    "DataTransfer": data_transfer,
    "DeleteCertificate": lambda charger, request, _: certificates(charger).delete(
        request.certificate_hash_data
    ),
    "ExtendedTriggerMessage": trigger_message,
    "GetCompositeSchedule": get_composite_schedule,
    "GetConfiguration": get_configuration,
    "GetDiagnostics": station.get_diagnostics,
    "GetInstalledCertificateIds": get_installed_certificate_ids,
    "GetLocalListVersion": lambda charger, _, _at: call_result.GetLocalListVersion(
        list_version=charger.tags.version
    ),
    "GetLog": station.get_log,
    "InstallCertificate": lambda charger, request, _: certificates(charger).install(
        request.certificate_type, request.certificate
    ),
    "RemoteStartTransaction": remote_start_transaction,
    "RemoteStopTransaction": remote_stop_transaction,
    "ReserveNow": reserve_now,
    "Reset": reset,
    "SendLocalList": lambda charger, request, _: charger.tags.update(
        request.list_version, request.update_type, request.local_authorization_list
    ),
    "SetChargingProfile": set_charging_profile,
    "SignedUpdateFirmware": station.signed_update_firmware,
    "TriggerMessage": trigger_message,
    "UnlockConnector": unlock_connector,
    "UpdateFirmware": station.update_firmware,
}
