"""Firmware updates, plain and signed (§5.19, security whitepaper L01): what is asked for and what is told of it."""

from __future__ import annotations

from levity_trio.simulator.charger import firmware
from levity_trio.simulator.charger.errands import Stage, Update
from levity_trio.simulator.charger.state import State
from levity_trio.wire.payloads import call, call_result


def update_firmware(charger: State, request: call.UpdateFirmware, at: float) -> call_result.UpdateFirmware:
    """§5.19: fetch it at retrieveDate."""
    retries, retry_seconds = request.retries or 0, float(request.retry_interval or 0)
    firmware.begin(charger, Update(request.location, request.retrieve_date, retries, retry_seconds), at)
    return call_result.UpdateFirmware()


def signed_update_firmware(
    charger: State, request: call.SignedUpdateFirmware, at: float
) -> call_result.SignedUpdateFirmware:
    """L01: the same, with a signature that is checked before it is installed, at installDateTime or later."""
    asked = request.firmware
    update = Update(
        asked["location"],
        asked["retrieveDateTime"],
        request.retries or 0,
        float(request.retry_interval or 0),
        asked.get("installDateTime"),
        request.request_id,
        asked["signature"],
        asked["signingCertificate"],
    )
    is_replaced = charger.firmware.update is not None
    firmware.begin(charger, update, at)
    return call_result.SignedUpdateFirmware(status="AcceptedCanceled" if is_replaced else "Accepted")


def send_status(charger: State, number: int | None, at: float) -> None:
    """For a trigger: the present word, Idle where nothing is on its way (§4.5)."""
    del number, at
    update = charger.firmware.update
    stage = charger.firmware.stage if update is not None and update.request_id is None else Stage.IDLE
    charger.tell(call.FirmwareStatusNotification(status=stage), is_asked_for=True)


def send_signed_status(charger: State, number: int | None, at: float) -> None:
    """The same for an ExtendedTriggerMessage, which knows signed updates only."""
    del number, at
    update, stage, request_id = charger.firmware.update, Stage.IDLE, None
    if update is not None and update.request_id is not None:
        stage, request_id = charger.firmware.stage, update.request_id
    charger.tell(call.SignedFirmwareStatusNotification(status=stage, request_id=request_id), is_asked_for=True)
