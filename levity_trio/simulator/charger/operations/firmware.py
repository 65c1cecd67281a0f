"""Firmware updates, plain and signed (§5.19, security whitepaper L01).

The shell fetches the file. It really is downloaded, waits for running transactions, restarts the charger and comes back
with the version that its name says. The words are those of FirmwareStatusNotification.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from levity_trio.simulator.charger.agenda import Action
from levity_trio.simulator.charger.effects import Download
from levity_trio.simulator.charger.operations import security
from levity_trio.wire.payloads import call, call_result
from levity_trio.wire.times import parse_time

if TYPE_CHECKING:
    from levity_trio.simulator.charger.charger import Charger

INSTALL_SECONDS: Final = 20.0
_VERSION: Final = re.compile(r"\d+(?:\.\d+)+")
_IDLE, _DOWNLOADING, _DOWNLOADED, _FAILED = "Idle", "Downloading", "Downloaded", "DownloadFailed"
_VERIFIED, _INVALID, _SCHEDULED = "SignatureVerified", "InvalidSignature", "InstallScheduled"
_INSTALLING, _REBOOTING = "Installing", "InstallRebooting"
_INSTALLED, _NOT_INSTALLED = "Installed", "InstallationFailed"
_AFTER_POWER_CUT: Final = {_DOWNLOADING: _IDLE, _INSTALLING: _NOT_INSTALLED, _REBOOTING: _INSTALLED}
"""A download begins once more; an installation is lost, unless it was through."""


@dataclass(slots=True)
class Update:
    """A firmware on its way: `request_id` and signature where it came by SignedUpdateFirmware."""

    location: str
    retrieve: str
    retries: int
    retry_seconds: float
    install: str | None = None
    request_id: int | None = None
    signature: str = ""
    certificate: str = ""
    is_ready: bool = False
    """Downloaded, and waiting until nothing charges."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the update is, and which."""

    word: str = _IDLE
    update: Update | None = None

    def after_power_cut(self) -> Progress:
        """What is left of it; what is being fetched for the update as it was finds nobody when it arrives."""
        update = None if self.update is None else replace(self.update, is_ready=False)
        return Progress(_AFTER_POWER_CUT.get(self.word, self.word), update)


def update_firmware(charger: Charger, request: call.UpdateFirmware, at: float) -> call_result.UpdateFirmware:
    """§5.19: fetch it at retrieveDate."""
    retries, retry_seconds = request.retries or 0, float(request.retry_interval or 0)
    _begin(charger, Update(request.location, request.retrieve_date, retries, retry_seconds), at)
    return call_result.UpdateFirmware()


def signed_update_firmware(
    charger: Charger, request: call.SignedUpdateFirmware, at: float
) -> call_result.SignedUpdateFirmware:
    """L01: the same, with a signature that is checked before it is installed, at installDateTime or later."""
    firmware = request.firmware
    update = Update(
        firmware["location"],
        firmware["retrieveDateTime"],
        request.retries or 0,
        float(request.retry_interval or 0),
        firmware.get("installDateTime"),
        request.request_id,
        firmware["signature"],
        firmware["signingCertificate"],
    )
    is_replaced = charger.firmware.update is not None
    _begin(charger, update, at)
    return call_result.SignedUpdateFirmware(status="AcceptedCanceled" if is_replaced else "Accepted")


def send_status(charger: Charger, number: int | None, at: float) -> None:
    """For a trigger: the present word, Idle where nothing is on its way (§4.5)."""
    del number, at
    update = charger.firmware.update
    word = charger.firmware.word if update is not None and update.request_id is None else _IDLE
    charger.tell(call.FirmwareStatusNotification(status=word), is_asked_for=True)


def send_signed_status(charger: Charger, number: int | None, at: float) -> None:
    """The same for an ExtendedTriggerMessage, which knows signed updates only."""
    del number, at
    update, word, request_id = charger.firmware.update, _IDLE, None
    if update is not None and update.request_id is not None:
        word, request_id = charger.firmware.word, update.request_id
    charger.tell(call.SignedFirmwareStatusNotification(status=word, request_id=request_id), is_asked_for=True)


def go_on(charger: Charger, at: float) -> None:
    """A transaction ended: a firmware may have waited for the last one."""
    update = charger.firmware.update
    is_busy = any(connector.transaction is not None for connector in charger.connectors)
    if update is None or not update.is_ready or is_busy or not charger.is_on:
        return
    update.is_ready = False
    _tell(charger, _INSTALLING)
    charger.agenda.plan(at + INSTALL_SECONDS, partial(_install, charger, update))


def after_boot(charger: Charger, at: float) -> None:
    """The charger is back and accepted: a new firmware says that it is there, one on its way goes on."""
    security.tell_event(charger, security.STARTED, at)
    word, update = charger.firmware.word, charger.firmware.update
    if update is None:
        return
    if word in (_INSTALLED, _NOT_INSTALLED):
        _finish(charger, word, at)
    elif word == _IDLE:
        _plan(charger, update.retrieve, partial(_download, charger, update), at)
    else:
        _plan(charger, update.install, partial(_get_ready, charger, update), at)


def _begin(charger: Charger, update: Update, at: float) -> None:
    """Take this one, and forget the one before."""
    charger.firmware = Progress(_IDLE, update)
    _plan(charger, update.retrieve, partial(_download, charger, update), at)


def _plan(charger: Charger, moment: str | None, action: Action, at: float) -> None:
    """Do it at that moment; now, where it is past or was not given."""
    due = parse_time(moment or "")
    charger.agenda.plan(at if due is None else charger.clock.due(due, at), action)


def _download(charger: Charger, update: Update, at: float) -> None:
    del at
    if charger.firmware.update is update:  # else another took its place
        _tell(charger, _DOWNLOADING)
        charger.do(Download(update.location, partial(_downloaded, charger, update)))


def _downloaded(charger: Charger, update: Update, content: bytes | None, at: float) -> None:
    at = charger.reach(at)
    if charger.firmware.update is not update:
        return
    if content is None:
        _download_failed(charger, update, at)
        return
    _tell(charger, _DOWNLOADED)
    if update.request_id is None or _is_signed(charger, update, content, at):
        _plan(charger, update.install, partial(_get_ready, charger, update), at)


def _download_failed(charger: Charger, update: Update, at: float) -> None:
    if update.retries > 0:
        update.retries -= 1
        charger.agenda.plan(at + update.retry_seconds, partial(_download, charger, update))
    else:
        _finish(charger, _FAILED, at)


def _is_signed(charger: Charger, update: Update, content: bytes, at: float) -> bool:
    from levity_trio.simulator.charger.certificates import is_signed_by  # noqa: PLC0415 - see security.py

    if is_signed_by(update.certificate, update.signature, content):
        _tell(charger, _VERIFIED)
        return True
    _finish(charger, _INVALID, at)
    security.tell_event(charger, security.BAD_SIGNATURE, at)
    return False


def _get_ready(charger: Charger, update: Update, at: float) -> None:
    """Install it as soon as nothing charges; one that is signed has a word for waiting."""
    if charger.firmware.update is not update:
        return
    update.is_ready = True
    go_on(charger, at)
    if update.is_ready and update.request_id is not None:
        _tell(charger, _SCHEDULED)


def _install(charger: Charger, update: Update, at: float) -> None:
    """Restart with the version in the name of the file; without one there, it is the same as before."""
    if charger.firmware.update is not update:
        return
    version = _VERSION.findall(urlsplit(update.location).path.rpartition("/")[2])
    if version:
        charger.memory.firmware_version = version[-1]
    charger.firmware = Progress(_REBOOTING, update)
    charger.restart(at, "Reboot")


def _finish(charger: Charger, word: str, at: float) -> None:
    """Say how it ended, and forget it."""
    _tell(charger, word)
    charger.firmware = Progress()
    if word == _INSTALLED:
        security.tell_event(charger, security.UPDATED, at)


def _tell(charger: Charger, word: str) -> None:
    update = charger.firmware.update
    charger.firmware = Progress(word, update)
    if update is not None and update.request_id is not None:
        request: Any = call.SignedFirmwareStatusNotification(status=word, request_id=update.request_id)
    else:
        request = call.FirmwareStatusNotification(status=word)
    charger.tell(request)
