"""File transfers as plain data: firmware to the charger, diagnostics and logs from it. firmware.py and
operations/uploads.py advance them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final


class Stage(StrEnum):
    """The state of a firmware update, as in FirmwareStatusNotification (§7.25, security whitepaper L01)."""

    IDLE = "Idle"
    DOWNLOADING = "Downloading"
    DOWNLOADED = "Downloaded"
    DOWNLOAD_FAILED = "DownloadFailed"
    VERIFIED = "SignatureVerified"
    INVALID = "InvalidSignature"
    SCHEDULED = "InstallScheduled"
    INSTALLING = "Installing"
    REBOOTING = "InstallRebooting"
    INSTALLED = "Installed"
    NOT_INSTALLED = "InstallationFailed"


_AFTER_POWER_CUT: Final = {
    Stage.DOWNLOADING: Stage.IDLE,
    Stage.INSTALLING: Stage.NOT_INSTALLED,
    Stage.REBOOTING: Stage.INSTALLED,
}
"""A download starts over. An installation fails, unless it had finished."""


@dataclass(slots=True, eq=False)
class Update:
    """A firmware update. `request_id`, signature and certificate come from SignedUpdateFirmware only."""

    location: str
    retrieve: str
    retries: int
    retry_seconds: float
    install: str | None = None
    request_id: int | None = None
    signature: str = ""
    certificate: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """The current update and its stage."""

    stage: Stage = Stage.IDLE
    update: Update | None = None

    def after_power_cut(self) -> Progress:
        """Return the state after a power cut. The update is a copy, so that a download under way finds no taker."""
        update = None if self.update is None else replace(self.update)
        return Progress(_AFTER_POWER_CUT.get(self.stage, self.stage), update)


@dataclass(slots=True, eq=False)
class UploadJob:
    """An upload of diagnostics, or of a log if it has a `request_id`."""

    location: str
    name: str
    retries: int
    retry_seconds: float
    request_id: int | None = None


@dataclass(slots=True)
class Uploads:
    """The uploads under way. A newer one replaces the older."""

    diagnostics: UploadJob | None = None
    log: UploadJob | None = None
