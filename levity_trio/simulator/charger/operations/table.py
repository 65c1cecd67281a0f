"""The operations of a charger: all of OCPP 1.6 §5 and of the security whitepaper.

An operation is a function of the charger, the request (a dataclass of the `ocpp` package) and the moment; it returns
the response. What must follow the response (a reset, a triggered message) goes on the agenda: the shell sends the
response first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from levity_trio.simulator.charger.charging import Impossible
from levity_trio.simulator.charger.operations import firmware, lists, remote, security, settings, smart, uploads
from levity_trio.simulator.charger.state import State
from levity_trio.wire.errors import ErrorCode, Refused
from levity_trio.wire.payloads import SERVER_ACTIONS, call_result, read_request, write_payload

Operation = Callable[[Any, Any, float], Any]

OPERATIONS: Final[Mapping[str, Operation]] = {
    "CancelReservation": lists.cancel_reservation,
    "CertificateSigned": security.certificate_signed,
    "ChangeAvailability": remote.change_availability,
    "ChangeConfiguration": settings.change_configuration,
    "ClearCache": settings.clear_cache,
    "ClearChargingProfile": smart.clear_charging_profile,
    "DataTransfer": settings.data_transfer,
    "DeleteCertificate": security.delete_certificate,
    "ExtendedTriggerMessage": remote.trigger_message,
    "GetCompositeSchedule": smart.get_composite_schedule,
    "GetConfiguration": settings.get_configuration,
    "GetDiagnostics": uploads.get_diagnostics,
    "GetInstalledCertificateIds": security.get_installed_certificate_ids,
    "GetLocalListVersion": lists.get_local_list_version,
    "GetLog": uploads.get_log,
    "InstallCertificate": security.install_certificate,
    "RemoteStartTransaction": remote.remote_start_transaction,
    "RemoteStopTransaction": remote.remote_stop_transaction,
    "ReserveNow": lists.reserve_now,
    "Reset": remote.reset,
    "SendLocalList": lists.send_local_list,
    "SetChargingProfile": smart.set_charging_profile,
    "SignedUpdateFirmware": firmware.signed_update_firmware,
    "TriggerMessage": remote.trigger_message,
    "UnlockConnector": remote.unlock_connector,
    "UpdateFirmware": firmware.update_firmware,
}


def obey(charger: State, action: str, payload: object, at: float) -> dict[str, Any]:
    """Execute a request and return the payload of the response. Raises Refused for a malformed request.

    An action with a forced response is not executed.
    """
    request = read_request(action, payload, strict=True, accepted=SERVER_ACTIONS).message
    if (status := charger.forced_answers.get(action)) is not None:
        return _answer(action, status)
    return write_payload(OPERATIONS[action](charger, request, at))


def force_answer(charger: State, action: str, status: str | None) -> None:
    """Respond to this action with a fixed status or error code instead of executing it; None undoes that.

    Raises Impossible for an action that a central system does not send, or a status that its response does not have.
    """
    if action not in OPERATIONS:
        raise Impossible(f"{action} is not an action of a central system; give one of {', '.join(OPERATIONS)}")
    charger.forced_answers.pop(action, None)
    if status is not None:
        with suppress(Refused):
            _answer(action, status)
        charger.forced_answers[action] = status


def _answer(action: str, status: str) -> dict[str, Any]:
    """Return the payload with this status. Raises Refused for an error code, Impossible for anything else."""
    kind = getattr(call_result, action)
    try:
        return write_payload(kind(status=status))
    except (TypeError, ValueError):  # the response has no status, or not this one
        if status in list(ErrorCode):
            raise Refused(ErrorCode(status), "forced by the simulator's operator") from None
    raise Impossible(
        f"the response to {action} cannot have status {status}; give a status of OCPP 1.6 for it,"
        f" or one of {', '.join(ErrorCode)}"
    )
