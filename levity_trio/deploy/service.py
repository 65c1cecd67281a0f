"""The service of the program, as systemd runs it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import ClassVar, Final

from levity_trio.config import EnvironmentProblem
from levity_trio.deploy.files import UNIT
from levity_trio.deploy.steps import Machine, run
from levity_trio.records import record

STOP_SECONDS: Final = 120.0
LOOK_SECONDS: Final = 0.2
SHOWN_LINES: Final = 3


def is_active(unit: str = UNIT) -> bool:
    """Whether a unit runs. That of the server does once it accepts chargers, and not before."""
    return _shown("ActiveState", unit) == "active"


def _shown(name: str, unit: str = UNIT) -> str:
    """Return what systemd tells of a unit under this name."""
    return run(["systemctl", "show", "--value", f"--property={name}", unit]).strip()


def stop() -> None:
    """Stop the server; every write that it acknowledged is on disk then. Whatever ends this
    process, also kill -9, systemd starts it again afterwards. Raises EnvironmentProblem."""
    again = f"tail --pid={os.getpid()} -f /dev/null; systemctl start --no-block {UNIT}"
    run(["systemd-run", "--collect", "sh", "-c", again])
    run(["systemctl", "stop", UNIT], seconds=STOP_SECONDS)


def start(seconds: float) -> None:
    """Start the server, or start it again, and wait until it accepts chargers.

    Raises EnvironmentProblem, with what the journal says, if it has ended or does not accept them
    in time.
    """
    run(["systemctl", "daemon-reload"])
    run(["systemctl", "reset-failed", UNIT])
    run(["systemctl", "restart", "--no-block", UNIT])
    began, deadline = time.time(), time.monotonic() + seconds
    while not is_active() or _has_pending_job():
        if time.monotonic() > deadline:
            raise EnvironmentProblem(
                f"the server does not serve after {seconds:.0f} s{_last_lines(began)}"
            )
        if _failed_again():
            raise EnvironmentProblem(f"the server ended while it started{_last_lines(began)}")
        time.sleep(LOOK_SECONDS)


def _has_pending_job() -> bool:
    """Whether systemd has not yet done what it was told, such as to stop the server that still
    runs."""
    return _shown("Job") not in ("", "0")


def _failed_again() -> bool:
    """Whether the server ended and waits to be started anew, which would bring the same."""
    return _shown("SubState") in ("auto-restart", "failed")


def _last_lines(since: float) -> str:
    words = ["journalctl", "--unit", UNIT, "--since", f"@{since:.0f}", "--output=cat", "--no-pager"]
    lines = [
        line for line in run([*words, "--lines", str(SHOWN_LINES)]).splitlines() if line.strip()
    ]
    return f": {' / '.join(lines)}" if lines else f"; see journalctl -u {UNIT}"


@record(kw_only=False)
class Started:
    """The step that starts the server, or starts it again with what was changed. Then the mark of
    the change goes."""

    what: ClassVar[str] = "start"
    mark: Path | None
    seconds: float

    @property
    def where(self) -> str:
        return UNIT

    def is_done(self, machine: Machine) -> bool:
        return not machine.runs or (self.mark is None and is_active())

    def do(self, machine: Machine) -> None:
        start(self.seconds)
        if self.mark is not None:
            machine.at(self.mark).unlink(missing_ok=True)


def enabled(unit: str, target: str) -> tuple[Path, str]:
    """Return the link by which systemd starts a unit with a target, and where it leads."""
    return Path(f"/etc/systemd/system/{target}.wants/{unit}"), f"/etc/systemd/system/{unit}"
