"""File transfers that the central system asks for: firmware (§5.19, whitepaper L01), diagnostics,
logs (§5.9, N01).

The shell transfers the file. The installation of a firmware waits for open transactions and
restarts the charger, which then reports the version in the name of the file.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from levity_trio.simulator.charger import connectors, presence
from levity_trio.simulator.charger.agenda import Action
from levity_trio.simulator.charger.state import (
    Download,
    Progress,
    Stage,
    State,
    Update,
    Upload,
    UploadJob,
)
from levity_trio.wire.payloads import call, call_result
from levity_trio.wire.times import parse_time

INSTALL_SECONDS: Final = 20.0
_VERSION: Final = re.compile(r"\d+(?:\.\d+)+")
_IDLE, _UPLOADING = "Idle", "Uploading"
_DIAGNOSTICS, _LOG = "diagnostics", "log"


def _patience(
    request: call.UpdateFirmware | call.SignedUpdateFirmware | call.GetDiagnostics | call.GetLog,
) -> tuple[int, float]:
    """Return how often a transfer is tried again, and after how many seconds."""
    return request.retries or 0, float(request.retry_interval or 0)


# Firmware


def update_firmware(
    charger: State, request: call.UpdateFirmware, at: float
) -> call_result.UpdateFirmware:
    """§5.19: download at retrieveDate."""
    _begin(charger, Update(request.location, request.retrieve_date, *_patience(request)), at)
    return call_result.UpdateFirmware()


def signed_update_firmware(charger: State, request: call.SignedUpdateFirmware, at: float) -> str:
    """L01: verify the signature before the installation, which is at installDateTime or later."""
    requested = request.firmware
    update = Update(
        requested["location"],
        requested["retrieveDateTime"],
        *_patience(request),
        requested.get("installDateTime"),
        request.request_id,
        requested["signature"],
        requested["signingCertificate"],
    )
    is_replaced = charger.firmware.update is not None
    _begin(charger, update, at)
    return "AcceptedCanceled" if is_replaced else "Accepted"


def send_status(charger: State, *_: object) -> None:
    """Send the present status for a TriggerMessage; Idle if no unsigned update is under way
    (§4.5)."""
    update, stage = charger.firmware.update, Stage.IDLE
    if update is not None and update.request_id is None:
        stage = charger.firmware.stage
    charger.send_if_allowed(call.FirmwareStatusNotification(status=stage), is_asked_for=True)


def send_signed_status(charger: State, *_: object) -> None:
    """Send the present status for an ExtendedTriggerMessage, which covers signed updates only."""
    update, stage, request_id = charger.firmware.update, Stage.IDLE, None
    if update is not None and update.request_id is not None:
        stage, request_id = charger.firmware.stage, update.request_id
    request = call.SignedFirmwareStatusNotification(status=stage, request_id=request_id)
    charger.send_if_allowed(request, is_asked_for=True)


def after_boot(charger: State, at: float) -> None:
    """Continue after an accepted boot: report a finished installation, or resume an update."""
    connectors.queue_security_event(charger, connectors.STARTED, at)
    stage, update = charger.firmware.stage, charger.firmware.update
    if update is None:
        return
    if stage in (Stage.INSTALLED, Stage.NOT_INSTALLED):
        _finish(charger, stage, at)
    elif stage is Stage.IDLE:
        _plan(charger, update.retrieve, partial(_download, charger, update), at)
    else:
        _plan(charger, update.install, partial(_get_ready, charger, update), at)


def _begin(charger: State, update: Update, at: float) -> None:
    """Begin an update; it replaces a previous one."""
    charger.firmware = Progress(Stage.IDLE, update)
    charger.when_idle = None
    _plan(charger, update.retrieve, partial(_download, charger, update), at)


def _plan(charger: State, moment: str | None, action: Action, at: float) -> None:
    """Schedule an action for a timestamp; now, if it is past or missing."""
    due = parse_time(moment or "")
    charger.agenda.plan(at if due is None else charger.clock.due(due, at), action)


def _download(charger: State, update: Update, _at: float) -> None:
    if charger.firmware.update is update:  # else another one replaced it
        _reach(charger, Stage.DOWNLOADING)
        charger.do(Download(update.location, partial(_downloaded, charger, update)))


def _downloaded(charger: State, update: Update, content: bytes | None, at: float) -> None:
    at = charger.agenda.reach(at)
    if charger.firmware.update is not update:
        return
    if content is not None:
        _reach(charger, Stage.DOWNLOADED)
        if update.request_id is not None:
            from levity_trio.simulator.charger.certificates import is_signed_by  # noqa: PLC0415 - its library costs megabytes

            if not is_signed_by(update.certificate, update.signature, content):
                _finish(charger, Stage.INVALID, at)
                connectors.queue_security_event(charger, connectors.BAD_SIGNATURE, at)
                return
            _reach(charger, Stage.VERIFIED)
        _plan(charger, update.install, partial(_get_ready, charger, update), at)
    elif update.retries > 0:
        update.retries -= 1
        charger.agenda.plan(at + update.retry_seconds, partial(_download, charger, update))
    else:
        _finish(charger, Stage.DOWNLOAD_FAILED, at)


def _get_ready(charger: State, update: Update, at: float) -> None:
    """Install once no transaction is open. Only a signed update has a status for waiting."""
    if charger.firmware.update is not update:
        return

    def begin(at: float) -> None:
        _reach(charger, Stage.INSTALLING)
        charger.agenda.plan(at + INSTALL_SECONDS, partial(_install, charger, update))

    if not connectors.is_busy(charger):
        begin(at)
        return
    charger.when_idle = begin
    if update.request_id is not None:
        _reach(charger, Stage.SCHEDULED)


def _install(charger: State, update: Update, at: float) -> None:
    """Restart with the version in the name of the file, or with the present one if the name has
    none."""
    if charger.firmware.update is not update:
        return
    version = _VERSION.findall(urlsplit(update.location).path.rpartition("/")[2])
    if version:
        charger.memory.firmware_version = version[-1]
    charger.firmware = Progress(Stage.REBOOTING, update)
    presence.restart(charger, at, "Reboot")


def _finish(charger: State, stage: Stage, at: float) -> None:
    """Report the result, and forget the update."""
    _reach(charger, stage)
    charger.firmware = Progress()
    if stage is Stage.INSTALLED:
        connectors.queue_security_event(charger, connectors.UPDATED, at)


def _reach(charger: State, stage: Stage) -> None:
    """Enter a stage and report it."""
    update = charger.firmware.update
    charger.firmware = Progress(stage, update)
    request: Any = call.FirmwareStatusNotification(status=stage)
    if update is not None and update.request_id is not None:
        request = call.SignedFirmwareStatusNotification(status=stage, request_id=update.request_id)
    charger.send_if_allowed(request)


# Diagnostics and logs


def get_diagnostics(
    charger: State, request: call.GetDiagnostics, at: float
) -> call_result.GetDiagnostics:
    """§5.9: upload the recorded frames."""
    name = f"diagnostics-{charger.spec.id}.txt"
    charger.uploads[_DIAGNOSTICS] = job = UploadJob(request.location, name, *_patience(request))
    charger.agenda.plan(at, partial(_upload, charger, job))
    return call_result.GetDiagnostics(file_name=name)


def get_log(charger: State, request: call.GetLog, at: float) -> call_result.GetLog:
    """N01: upload a diagnostics or security log."""
    is_replaced = _LOG in charger.uploads
    name = f"{request.log_type}-{charger.spec.id}.txt"
    job = UploadJob(request.log["remoteLocation"], name, *_patience(request), request.request_id)
    charger.uploads[_LOG] = job
    charger.agenda.plan(at, partial(_upload, charger, job))
    return call_result.GetLog(
        status="AcceptedCanceled" if is_replaced else "Accepted", filename=name
    )


def send_diagnostics_status(charger: State, *_: object) -> None:
    """Send the present status for a trigger; Idle if no upload is under way (§4.4)."""
    status = _UPLOADING if _DIAGNOSTICS in charger.uploads else _IDLE
    charger.send_if_allowed(call.DiagnosticsStatusNotification(status=status), is_asked_for=True)


def send_log_status(charger: State, *_: object) -> None:
    """Send the present status for a trigger; Idle without a requestId if no upload is under way."""
    log = charger.uploads.get(_LOG)
    status, request_id = (_IDLE, None) if log is None else (_UPLOADING, log.request_id)
    charger.send_if_allowed(
        call.LogStatusNotification(status=status, request_id=request_id), is_asked_for=True
    )


def _upload(charger: State, job: UploadJob, _at: float) -> None:
    if job not in charger.uploads.values():
        return
    _report(charger, job, _UPLOADING)
    spec = charger.spec
    lines = f"{spec.vendor} {spec.model} {spec.id} {charger.memory.firmware_version}\n"
    for at, direction, text in charger.frames or ():
        lines += f"{at:.3f} {direction} {text}\n"
    then = partial(_uploaded, charger, job)
    charger.do(Upload(job.location, job.name, lines.encode(), then))


def _uploaded(charger: State, job: UploadJob, answer: bytes | None, at: float) -> None:
    at = charger.agenda.reach(at)
    if job not in charger.uploads.values():  # replaced, or lost in a power cut
        return
    if answer is None and job.retries > 0:
        job.retries -= 1
        charger.agenda.plan(at + job.retry_seconds, partial(_upload, charger, job))
        return
    failed = "UploadFailed" if job.request_id is None else "UploadFailure"
    _report(charger, job, failed if answer is None else "Uploaded")
    del charger.uploads[_DIAGNOSTICS if job.request_id is None else _LOG]


def _report(charger: State, job: UploadJob, status: str) -> None:
    request: Any = call.DiagnosticsStatusNotification(status=status)
    if job.request_id is not None:
        request = call.LogStatusNotification(status=status, request_id=job.request_id)
    charger.send_if_allowed(request)
