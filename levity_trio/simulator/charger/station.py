"""What happens to the charger as a whole: its power, its restarts and its connection (§5.14, OCPP-J
1.6 §5.4), its registration with the central system (§4.2, §4.6), and the files that the central
system asks for: firmware (§5.19, whitepaper L01), diagnostics and logs (§5.9, N01).

The shell transfers a file. The installation of a firmware waits for open transactions and restarts
the charger, which then reports the version in the name of the file.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from levity_trio.simulator.charger import connectors
from levity_trio.simulator.charger.configuration import ACCEPTED
from levity_trio.simulator.charger.connectors import settle_reservations
from levity_trio.simulator.charger.state import (
    Action,
    Download,
    Progress,
    Stage,
    State,
    Timer,
    Update,
    Upload,
    UploadJob,
)
from levity_trio.simulator.physics import Status
from levity_trio.wire.payloads import call, call_result
from levity_trio.wire.times import parse_time

POWER_LOSS: Final = "PowerLoss"
START_UP_SECONDS: Final = 10.0
"""From power to the first connection after a reset or a firmware update."""


def power_on(charger: State, at: float) -> None:
    """Start up: reset statuses and registration, and resume kept transactions."""
    at = charger.agenda.reach(at)
    charger.agenda.stop_timer(Timer.START_UP)
    if charger.is_on:
        return
    charger.is_on = True
    charger.registration = None
    for connector, is_operative in zip(
        charger.connectors, charger.memory.is_operative, strict=True
    ):
        connector.reported = None
        # Unavailable persists (§4.9)
        connector.beneath = Status.AVAILABLE if is_operative else Status.UNAVAILABLE
        connector.status = connector.beneath
        connectors.resume(charger, connector, at)
    connectors.settle_all(charger, at)
    connectors.settle_reservations(charger, at)
    for quirk in charger.quirks:
        quirk.power_on(charger, at)
    charger.on_change()


def power_off(charger: State, at: float, reason: str = POWER_LOSS) -> None:
    """Lose power: stop open transactions with this reason, and cancel a scheduled start-up."""
    at = charger.agenda.reach(at)
    if not _switch_off(charger, "drop" if reason == POWER_LOSS else "close", at):
        return
    for connector in charger.connectors:
        if connector.transaction is not None:
            connectors.end(charger, connector, reason, at)
    _go_dark(charger)
    charger.clock.forget(at)


def fail(charger: State, at: float, *, keeps_sessions: bool) -> None:
    """Lose power without stopping transactions.

    With `keeps_sessions` they continue after power-on, and the clock keeps its time; otherwise they
    are forgotten.
    """
    at = charger.agenda.reach(at)
    if not _switch_off(charger, "drop", at):
        return
    for connector in charger.connectors:
        if not keeps_sessions:
            connectors.lose(charger, connector, at)
        connectors.settle(charger, connector, at)
    _go_dark(charger)
    if not keeps_sessions:
        charger.clock.forget(at)


def restart(charger: State, at: float, reason: str) -> None:
    """Shut down in order and start again; `reason` is that of the StopTransactions (§5.14)."""
    at = charger.agenda.reach(at)
    power_off(charger, at, reason)
    start_up = partial(power_on, charger)
    charger.agenda.set_timer(Timer.START_UP, at + START_UP_SECONDS, start_up, is_own=False)
    charger.on_change()


def disconnect(charger: State, kind: str, at: float) -> None:
    """End the connection from the charger's side."""
    charger.act_on_connection(kind)
    disconnected(charger, at)


def disconnected(charger: State, at: float) -> None:
    """Take note of a lost connection; requests that await a response get None."""
    charger.is_linked = False
    for request in charger.outbox.drop_unanswered():
        request.then(None, at)
    for quirk in charger.quirks:
        quirk.disconnected(charger, at)
    charger.on_change()


def _switch_off(charger: State, kind: str, at: float) -> bool:
    """Switch off and end the connection. Return False if it was off already."""
    charger.agenda.stop_timer(Timer.START_UP)
    if not charger.is_on:
        return False
    charger.is_on = False
    if kind == "drop":
        for quirk in charger.quirks:
            quirk.power_cut(charger)
    disconnect(charger, kind, at)
    return True


def _go_dark(charger: State) -> None:
    for connector in charger.connectors:
        connectors.drop_tag(charger, connector)
        connector.is_finishing = False
    charger.firmware = charger.firmware.after_power_cut()
    charger.uploads = {}
    charger.when_idle = None
    charger.agenda.forget_own()


_LONGEST_SERIAL: Final = 25
RETRY_SECONDS: Final = 30.0
"""Until the next BootNotification if no response gave an interval."""


def boot(charger: State) -> None:
    """Queue a BootNotification if connected and none is queued."""
    charger.agenda.stop_timer(Timer.BOOT)
    if charger.is_linked and not charger.outbox.waits("BootNotification"):
        charger.queue(introduction(charger), partial(_booted, charger), is_urgent=True)
        charger.on_change()


def plan_heartbeat(charger: State, at: float) -> None:
    """Schedule the next Heartbeat, HeartbeatInterval from now, in place of the previous one."""
    seconds = max(1, charger.configuration.integer("HeartbeatInterval"))

    def beat(at: float) -> None:
        ask_time(charger)
        plan_heartbeat(charger, at)
        charger.on_change()

    charger.agenda.set_timer(Timer.HEARTBEAT, at + seconds, beat)


def ask_time(charger: State, *, is_asked_for: bool = False) -> None:
    """Queue a Heartbeat if none is queued."""
    if not charger.outbox.waits("Heartbeat"):

        def then(answer: Any, at: float) -> None:
            if answer is not None:
                _set_clock(charger, answer.current_time, at)

        charger.send_if_allowed(call.Heartbeat(), then, is_asked_for=is_asked_for)


def introduction(charger: State) -> call.BootNotification:
    spec = charger.spec
    serial = f"{spec.serial_number or spec.id}-{charger.memory.meters}"
    return call.BootNotification(
        charge_point_model=spec.model,
        charge_point_vendor=spec.vendor,
        charge_point_serial_number=spec.serial_number or None,
        firmware_version=charger.memory.firmware_version,
        meter_type="simulated",
        meter_serial_number=serial[-_LONGEST_SERIAL:],
    )


def _booted(charger: State, answer: Any, at: float) -> None:
    if not charger.is_on:
        return
    if answer is None:
        # else it was a triggered one, and the registration stands
        if charger.registration != ACCEPTED:
            _plan_retry(charger, RETRY_SECONDS, at)
        return
    was_accepted, charger.registration = charger.registration == ACCEPTED, answer.status
    _set_clock(charger, answer.current_time, at)
    if answer.status != ACCEPTED:
        for request in charger.outbox.drop_unsent():  # nothing else may be sent now (§4.2)
            request.then(None, at)
        _plan_retry(charger, answer.interval if answer.interval > 0 else RETRY_SECONDS, at)
        return
    if answer.interval > 0:
        charger.configuration.set_interval(answer.interval)
    plan_heartbeat(charger, at)
    if not was_accepted:
        # the first accepted boot since power-on: it begins to report
        at = charger.agenda.present
        connectors.plan_aligned(charger, at)
        for quirk in charger.quirks:
            quirk.accepted(charger, at)
        connectors.report_changes(charger, at)
        after_boot(charger, at)


def _plan_retry(charger: State, seconds: float, at: float) -> None:
    """Schedule the next BootNotification after the given interval (§4.2)."""
    charger.agenda.set_timer(Timer.BOOT, at + seconds, lambda _: boot(charger))


def _set_clock(charger: State, received: str, at: float) -> None:
    """Set the clock, and reschedule what was scheduled by it."""
    if (moment := parse_time(received)) is not None and charger.clock.set(moment, at):
        connectors.plan_aligned(charger, charger.agenda.present)
        settle_reservations(charger, charger.agenda.present)


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
    restart(charger, at, "Reboot")


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
