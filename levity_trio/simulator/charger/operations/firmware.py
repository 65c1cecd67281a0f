"""Firmware updates, plain and signed: requests and status messages (§5.19, security whitepaper L01)."""

from __future__ import annotations

from levity_trio.simulator.charger import firmware
from levity_trio.simulator.charger.errands import Stage, Update
from levity_trio.simulator.charger.state import State
from levity_trio.wire.payloads import call, call_result


def update_firmware(charger: State, request: call.UpdateFirmware, at: float) -> call_result.UpdateFirmware:
    """§5.19: download at retrieveDate."""
    retries, retry_seconds = request.retries or 0, float(request.retry_interval or 0)
    firmware.begin(charger, Update(request.location, request.retrieve_date, retries, retry_seconds), at)
    return call_result.UpdateFirmware()


def signed_update_firmware(
    charger: State, request: call.SignedUpdateFirmware, at: float
) -> call_result.SignedUpdateFirmware:
    """L01: the same, with a signature that is verified before installation, which is at installDateTime or later."""
    requested = request.firmware
    update = Update(
        requested["location"],
        requested["retrieveDateTime"],
        request.retries or 0,
        float(request.retry_interval or 0),
        requested.get("installDateTime"),
        request.request_id,
        requested["signature"],
        requested["signingCertificate"],
    )
    is_replaced = charger.firmware.update is not None
    firmware.begin(charger, update, at)
    return call_result.SignedUpdateFirmware(status="AcceptedCanceled" if is_replaced else "Accepted")


def send_status(charger: State, number: int | None, at: float) -> None:
    """Send the present status for a TriggerMessage; Idle if no unsigned update is under way (§4.5)."""
    del number, at
    update = charger.firmware.update
    stage = charger.firmware.stage if update is not None and update.request_id is None else Stage.IDLE
    charger.send_if_allowed(call.FirmwareStatusNotification(status=stage), is_asked_for=True)


def send_signed_status(charger: State, number: int | None, at: float) -> None:
    """The same for an ExtendedTriggerMessage, which covers signed updates only."""
    del number, at
    update, stage, request_id = charger.firmware.update, Stage.IDLE, None
    if update is not None and update.request_id is not None:
        stage, request_id = charger.firmware.stage, update.request_id
    charger.send_if_allowed(
        call.SignedFirmwareStatusNotification(status=stage, request_id=request_id), is_asked_for=True
    )
