"""Files on their way: a firmware to the charger, diagnostics and logs from it. Plain data; firmware.py and
operations/uploads.py move it on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final


class Stage(StrEnum):
    """How far a firmware is, in the words of FirmwareStatusNotification (§7.25, security whitepaper L01)."""

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
"""A download begins once more; an installation is lost, unless it was through."""


@dataclass(slots=True, eq=False)
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


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the update is, and which."""

    stage: Stage = Stage.IDLE
    update: Update | None = None

    def after_power_cut(self) -> Progress:
        """What is left of it; what is being fetched for the update as it was finds nobody when it arrives."""
        update = None if self.update is None else replace(self.update)
        return Progress(_AFTER_POWER_CUT.get(self.stage, self.stage), update)


@dataclass(slots=True, eq=False)
class Delivery:
    """Diagnostics, or with `request_id` a log, on their way to the central system."""

    location: str
    name: str
    retries: int
    retry_seconds: float
    request_id: int | None = None


@dataclass(slots=True)
class Deliveries:
    """What is on its way; the newest takes the place of the one before."""

    diagnostics: Delivery | None = None
    log: Delivery | None = None
