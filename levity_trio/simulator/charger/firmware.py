"""Firmware updates (§5.19, security whitepaper L01).

The shell downloads the file. The installation waits for open transactions and restarts the charger, which then reports
the version in the name of the file.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from levity_trio.simulator.charger import charging, notifications, presence
from levity_trio.simulator.charger.agenda import Action
from levity_trio.simulator.charger.effects import Download
from levity_trio.simulator.charger.errands import Progress, Stage, Update
from levity_trio.simulator.charger.state import State
from levity_trio.wire.payloads import call
from levity_trio.wire.times import parse_time

INSTALL_SECONDS: Final = 20.0
_VERSION: Final = re.compile(r"\d+(?:\.\d+)+")


def begin(charger: State, update: Update, at: float) -> None:
    """Begin an update; it replaces a previous one."""
    charger.firmware = Progress(Stage.IDLE, update)
    charger.when_idle = None
    _plan(charger, update.retrieve, partial(_download, charger, update), at)


def after_boot(charger: State, at: float) -> None:
    """Continue after an accepted boot: report a finished installation, or resume an update."""
    notifications.queue_security_event(charger, notifications.STARTED, at)
    stage, update = charger.firmware.stage, charger.firmware.update
    if update is None:
        return
    if stage in (Stage.INSTALLED, Stage.NOT_INSTALLED):
        _finish(charger, stage, at)
    elif stage is Stage.IDLE:
        _plan(charger, update.retrieve, partial(_download, charger, update), at)
    else:
        _plan(charger, update.install, partial(_get_ready, charger, update), at)


def _plan(charger: State, moment: str | None, action: Action, at: float) -> None:
    """Schedule an action for a timestamp; now, if it is past or missing."""
    due = parse_time(moment or "")
    charger.agenda.plan(at if due is None else charger.clock.due(due, at), action)


def _download(charger: State, update: Update, at: float) -> None:
    del at
    if charger.firmware.update is update:  # else another one replaced it
        _reach(charger, Stage.DOWNLOADING)
        charger.do(Download(update.location, partial(_downloaded, charger, update)))


def _downloaded(charger: State, update: Update, content: bytes | None, at: float) -> None:
    at = charger.agenda.reach(at)
    if charger.firmware.update is not update:
        return
    if content is None:
        _download_failed(charger, update, at)
        return
    _reach(charger, Stage.DOWNLOADED)
    if update.request_id is None or _is_signed(charger, update, content, at):
        _plan(charger, update.install, partial(_get_ready, charger, update), at)


def _download_failed(charger: State, update: Update, at: float) -> None:
    if update.retries > 0:
        update.retries -= 1
        charger.agenda.plan(at + update.retry_seconds, partial(_download, charger, update))
    else:
        _finish(charger, Stage.DOWNLOAD_FAILED, at)


def _is_signed(charger: State, update: Update, content: bytes, at: float) -> bool:
    from levity_trio.simulator.charger.certificates import is_signed_by  # noqa: PLC0415 - its library costs megabytes

    if is_signed_by(update.certificate, update.signature, content):
        _reach(charger, Stage.VERIFIED)
        return True
    _finish(charger, Stage.INVALID, at)
    notifications.queue_security_event(charger, notifications.BAD_SIGNATURE, at)
    return False


def _get_ready(charger: State, update: Update, at: float) -> None:
    """Install once no transaction is open. Only a signed update has a status for waiting."""
    if charger.firmware.update is not update:
        return
    install = partial(_begin_installation, charger, update)
    if not charging.is_busy(charger):
        install(at)
        return
    charger.when_idle = install
    if update.request_id is not None:
        _reach(charger, Stage.SCHEDULED)


def _begin_installation(charger: State, update: Update, at: float) -> None:
    _reach(charger, Stage.INSTALLING)
    charger.agenda.plan(at + INSTALL_SECONDS, partial(_install, charger, update))


def _install(charger: State, update: Update, at: float) -> None:
    """Restart with the version in the name of the file, or with the present one if the name has none."""
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
        notifications.queue_security_event(charger, notifications.UPDATED, at)


def _reach(charger: State, stage: Stage) -> None:
    """Enter a stage and report it."""
    update = charger.firmware.update
    charger.firmware = Progress(stage, update)
    if update is not None and update.request_id is not None:
        request: Any = call.SignedFirmwareStatusNotification(status=stage, request_id=update.request_id)
    else:
        request = call.FirmwareStatusNotification(status=stage)
    charger.send_if_allowed(request)
