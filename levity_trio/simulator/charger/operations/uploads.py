"""Uploads of diagnostics and logs (§5.9, security whitepaper N01). The shell does the upload."""

from __future__ import annotations

from functools import partial
from typing import Final

from levity_trio.simulator.charger.effects import Upload
from levity_trio.simulator.charger.errands import UploadJob
from levity_trio.simulator.charger.state import State
from levity_trio.wire.payloads import call, call_result

_IDLE, _UPLOADING, _UPLOADED = "Idle", "Uploading", "Uploaded"
_DIAGNOSTICS_FAILED: Final = "UploadFailed"
_LOG_FAILED: Final = "UploadFailure"


def get_diagnostics(charger: State, request: call.GetDiagnostics, at: float) -> call_result.GetDiagnostics:
    """§5.9: upload the recorded frames."""
    name = f"diagnostics-{charger.spec.id}.txt"
    job = UploadJob(request.location, name, request.retries or 0, float(request.retry_interval or 0))
    charger.uploads.diagnostics = job
    charger.agenda.plan(at, partial(_upload, charger, job))
    return call_result.GetDiagnostics(file_name=name)


def get_log(charger: State, request: call.GetLog, at: float) -> call_result.GetLog:
    """N01: upload a diagnostics or security log."""
    is_replaced = charger.uploads.log is not None
    name = f"{request.log_type}-{charger.spec.id}.txt"
    patience = request.retries or 0, float(request.retry_interval or 0)
    job = UploadJob(request.log["remoteLocation"], name, *patience, request.request_id)
    charger.uploads.log = job
    charger.agenda.plan(at, partial(_upload, charger, job))
    return call_result.GetLog(status="AcceptedCanceled" if is_replaced else "Accepted", filename=name)


def send_diagnostics_status(charger: State, number: int | None, at: float) -> None:
    """Send the present status for a trigger; Idle if no upload is under way (§4.4)."""
    del number, at
    status = _IDLE if charger.uploads.diagnostics is None else _UPLOADING
    charger.send_if_allowed(call.DiagnosticsStatusNotification(status=status), is_asked_for=True)


def send_log_status(charger: State, number: int | None, at: float) -> None:
    """Send the present status for a trigger; Idle without a requestId if no upload is under way."""
    del number, at
    log = charger.uploads.log
    status, request_id = (_IDLE, None) if log is None else (_UPLOADING, log.request_id)
    charger.send_if_allowed(call.LogStatusNotification(status=status, request_id=request_id), is_asked_for=True)


def _upload(charger: State, job: UploadJob, at: float) -> None:
    del at
    if _is_awaited(charger, job):
        _report(charger, job, _UPLOADING)
        then = partial(_uploaded, charger, job)
        charger.do(Upload(job.location, job.name, _conversation(charger), then))


def _uploaded(charger: State, job: UploadJob, answer: bytes | None, at: float) -> None:
    at = charger.agenda.reach(at)
    if not _is_awaited(charger, job):
        return
    if answer is None and job.retries > 0:
        job.retries -= 1
        charger.agenda.plan(at + job.retry_seconds, partial(_upload, charger, job))
        return
    failed = _DIAGNOSTICS_FAILED if job.request_id is None else _LOG_FAILED
    _report(charger, job, failed if answer is None else _UPLOADED)
    if job.request_id is None:
        charger.uploads.diagnostics = None
    else:
        charger.uploads.log = None


def _is_awaited(charger: State, job: UploadJob) -> bool:
    """Return whether the upload is current: not replaced, not lost in a power cut."""
    return job in (charger.uploads.diagnostics, charger.uploads.log)


def _report(charger: State, job: UploadJob, status: str) -> None:
    if job.request_id is None:
        charger.send_if_allowed(call.DiagnosticsStatusNotification(status=status))
    else:
        charger.send_if_allowed(call.LogStatusNotification(status=status, request_id=job.request_id))


def _conversation(charger: State) -> bytes:
    """Return the type plate and the recorded frames as text."""
    lines = [f"{charger.spec.vendor} {charger.spec.model} {charger.spec.id} {charger.memory.firmware_version}"]
    lines += [f"{at:.3f} {direction} {text}" for at, direction, text in charger.frames or ()]
    return "\n".join([*lines, ""]).encode()
