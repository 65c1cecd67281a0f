"""The copy of each night, and one now.

`levity-trio backup` makes it, in a process of its own: that takes no memory of the server, and
touches no lock of its database.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

import orjson
import trio

from levity_trio.clock import Clock
from levity_trio.config import ServerConfig
from levity_trio.config.settings import PREFIX
from levity_trio.log.output import get_logger
from levity_trio.store.beside.backup_note import last_backup
from levity_trio.store.upkeep.following import LiveConfig
from levity_trio.told import Told
from levity_trio.wire.times import in_zone

NIGHT: Final = time(2, 30)
"""Of the site's time zone."""
AGAIN: Final = timedelta(hours=1)
"""So long after a failure it is tried again, and at the latest the first time."""
LOOK_SECONDS: Final = 60.0
"""The clock of this machine may be set meanwhile."""

log = get_logger("system")


class NotBackedUp(Exception):
    """No copy was made; the text says why."""


async def keep_backing_up(live: LiveConfig, clock: Clock) -> None:
    """Make a copy each night; after a night without power, as soon as there is some."""
    begun = retry_at = clock()
    while True:
        changed, config, problem = live.changed, live.now, None
        if config.backup_folder is not None and isinstance(config.database, Path):
            last = await trio.to_thread.run_sync(last_backup, config.database)
            due = begun + AGAIN
            if last is not None:
                due = night_after(datetime.fromisoformat(last.at), config.time_zone)
            if clock() >= due:
                problem = live.backup_problem
                if clock() >= retry_at:
                    problem = await _back_up_of_night(config)
                    retry_at = clock() + AGAIN
        live.backup_problem = problem
        with trio.move_on_after(LOOK_SECONDS / config.clock_speed):
            await changed.wait()
            begun = retry_at = clock()


async def _back_up_of_night(config: ServerConfig) -> str | None:
    """Make a copy, or return why there is none."""
    try:
        made = await back_up(config)
    except NotBackedUp as problem:
        log.warning("the copy of this night could not be made", reason=str(problem))
        return cast(str, problem.args[0])
    log.info("the copy of this night was made", **made)
    return None


def night_after(at: datetime, zone: ZoneInfo) -> datetime:
    """Return when the next copy is due after the one of a moment."""
    local = in_zone(at, zone)
    night = datetime.combine(local, NIGHT, zone)
    return night if night > local else datetime.combine(local + timedelta(days=1), NIGHT, zone)


async def back_up(config: ServerConfig) -> Mapping[str, Any]:
    """Make a copy now, and return its file and its bytes. Raises NotBackedUp."""
    folder = config.backup_folder
    if folder is None:
        raise NotBackedUp(Told("no folder for copies is set"))
    await trio.to_thread.run_sync(check_folder, folder)
    command = [sys.executable, "-m", "levity_trio", "backup", "--json", str(folder)]
    command += ["--keep", str(config.backup_keep), "--db", str(config.database)]
    variables = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
    try:
        process = await trio.run_process(
            command,
            env=variables,
            check=False,
            capture_stdout=True,
            capture_stderr=True,
            start_new_session=True,  # a Ctrl-C is for the server alone
        )
    except OSError as failure:
        raise NotBackedUp(Told("the copy failed: {1}", str(failure))) from None
    if process.returncode:
        words = bytes(process.stderr).decode(errors="replace").strip().rpartition("\n")[2]
        raise NotBackedUp(Told("the copy failed: {1}", words))
    made = orjson.loads(bytes(process.stdout).splitlines()[-1])
    return {name: made[name] for name in ("file", "bytes")}


def check_folder(folder: Path) -> None:
    """Raise NotBackedUp unless files can be written to a folder."""
    try:
        if not folder.is_dir():
            raise NotBackedUp(Told("there is no folder {1} on this machine", str(folder)))
        with TemporaryFile(dir=folder):
            pass
    except OSError as failure:
        words = failure.strerror or str(failure)
        problem = Told("this program cannot write to {1}: {2}", str(folder), words)
        raise NotBackedUp(problem) from None


def is_same_disk(config: ServerConfig) -> bool:
    """Whether the copies are on the disk of the database, so that both die with it."""
    folder, database = config.backup_folder, config.database
    if folder is None or not isinstance(database, Path):
        return False
    try:
        return folder.stat().st_dev == database.stat().st_dev
    except OSError:
        return False
