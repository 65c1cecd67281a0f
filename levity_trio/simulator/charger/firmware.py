"""A new firmware on its way into the charger (§5.19, security whitepaper L01).

The shell fetches the file. It really is downloaded, waits for running transactions, restarts the charger and comes back
with the version that its name says.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from levity_trio.simulator.charger import charging, presence, telling
from levity_trio.simulator.charger.agenda import Action
from levity_trio.simulator.charger.effects import Download
from levity_trio.simulator.charger.errands import Progress, Stage, Update
from levity_trio.simulator.charger.state import State
from levity_trio.wire.payloads import call
from levity_trio.wire.times import parse_time

INSTALL_SECONDS: Final = 20.0
_VERSION: Final = re.compile(r"\d+(?:\.\d+)+")


def begin(charger: State, update: Update, at: float) -> None:
    """Take this one, and forget the one before."""
    charger.firmware = Progress(Stage.IDLE, update)
    charger.when_idle = None
    _plan(charger, update.retrieve, partial(_download, charger, update), at)


def after_boot(charger: State, at: float) -> None:
    """The charger is back and accepted: a new firmware says that it is there, one on its way goes on."""
    telling.tell_event(charger, telling.STARTED, at)
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
    """Do it at that moment; now, where it is past or was not given."""
    due = parse_time(moment or "")
    charger.agenda.plan(at if due is None else charger.clock.due(due, at), action)


def _download(charger: State, update: Update, at: float) -> None:
    del at
    if charger.firmware.update is update:  # else another took its place
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
    telling.tell_event(charger, telling.BAD_SIGNATURE, at)
    return False


def _get_ready(charger: State, update: Update, at: float) -> None:
    """Install it as soon as nothing charges; one that is signed has a word for waiting."""
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
    """Restart with the version in the name of the file; without one there, it is the same as before."""
    if charger.firmware.update is not update:
        return
    version = _VERSION.findall(urlsplit(update.location).path.rpartition("/")[2])
    if version:
        charger.memory.firmware_version = version[-1]
    charger.firmware = Progress(Stage.REBOOTING, update)
    presence.restart(charger, at, "Reboot")


def _finish(charger: State, stage: Stage, at: float) -> None:
    """Say how it ended, and forget it."""
    _reach(charger, stage)
    charger.firmware = Progress()
    if stage is Stage.INSTALLED:
        telling.tell_event(charger, telling.UPDATED, at)


def _reach(charger: State, stage: Stage) -> None:
    """It is so far, which is told."""
    update = charger.firmware.update
    charger.firmware = Progress(stage, update)
    if update is not None and update.request_id is not None:
        request: Any = call.SignedFirmwareStatusNotification(status=stage, request_id=update.request_id)
    else:
        request = call.FirmwareStatusNotification(status=stage)
    charger.tell(request)
