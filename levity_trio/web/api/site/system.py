"""The server itself: its version, its database, its plugins, its settings and where each came
from."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import trio
from msgspec import Meta

from levity_trio import __version__
from levity_trio.config.settings import InForce
from levity_trio.plugins.base import PluginState
from levity_trio.records import copied, record
from levity_trio.store.beside.backup_note import LastBackup, last_backup, saved_by
from levity_trio.store.reads.now.present import SQLITE_VERSION
from levity_trio.store.reads.site.database import StoredData, stored_data
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import ClientInput, Endpoints, Request, Role, TypedRequest
from levity_trio.web.api.engine.problems import conflict
from levity_trio.wire.secrets import masked_url

ENDPOINTS: Final = Endpoints("server")

STATUS: Final = Path("/proc/self/status")


@record
class SettingRow:
    """A setting in force: as it was given, or its default; null: none. `origin` is flag,
    environment, file, browser or default.

    A switch that was not given has neither.
    """

    name: str
    group: str
    value: str | None
    origin: str
    help: str


@record
class Retention:
    """How long data is kept, in days, and the maximum size of the frames."""

    frames_days: int
    frames_megabytes: int
    events_days: int


@record
class Program:
    """The program that runs: since when, on what, and its memory (VmRSS) in bytes, where the system
    tells it."""

    version: str
    python: str
    sqlite: str
    server_name: str
    begun_at: str
    memory_bytes: int | None


@record
class Load:
    """What the server serves now: connected chargers, event streams, and writes that wait."""

    chargers: int
    streams: int
    waiting_writes: int


@record
class System:
    """The server. Its settings and the paths of its database and of the last backup are for admins:
    null for others."""

    program: Program
    at: str
    time_zone: str
    is_clock_trusted: bool
    can_store: bool
    is_damaged: bool
    database: StoredData
    last_backup: LastBackup | None
    saved_by: str | None
    """`litestream`, which copies the database all the time, or `postgresql`: its own tools, of
    whose backups this server does not know; null: only `last_backup`."""
    retention: Retention
    load: Load
    plugins: list[PluginState]
    settings: list[SettingRow] | None


@ENDPOINTS.get("/api/system", Role.OPERATOR)
async def get_system(request: Request) -> System:
    """Show the server: version, database, retention, plugins; to admins its settings, and whence
    each came."""
    api, config = request.api, request.api.config
    database = await request.read(stored_data, path=config.shown_database, now=api.now())
    backup = await trio.to_thread.run_sync(last_backup, config.database)
    settings: list[SettingRow] | None = None
    if request.caller.role >= Role.ADMIN:
        settings = [_shown_setting(setting) for setting in config.in_force]
    else:
        database = replace(database, path=None)
        backup = None if backup is None else replace(backup, file=None)
    program = Program(
        version=__version__,
        python=platform.python_version(),
        sqlite=SQLITE_VERSION,
        server_name=config.server_name,
        begun_at=api.begun_at,
        memory_bytes=await trio.to_thread.run_sync(_memory_bytes),
    )
    retention = Retention(
        frames_days=config.log_days,
        frames_megabytes=config.log_megabytes,
        events_days=config.event_days,
    )
    connected = api.chargers.connected()
    streams = int(api.streams.borrowed_tokens)
    waiting = api.writer.statistics().waiting
    load = Load(chargers=len(connected), streams=streams, waiting_writes=waiting)
    return System(
        program=program,
        at=api.stamp(),
        time_zone=str(config.time_zone),
        is_clock_trusted=api.is_clock_trusted(),
        can_store=not api.writer.is_failing,
        is_damaged=api.writer.is_damaged,
        database=database,
        last_backup=backup,
        saved_by=await trio.to_thread.run_sync(saved_by, config.database),
        retention=retention,
        load=load,
        plugins=list(api.plugins()),
        settings=settings,
    )


def _memory_bytes() -> int | None:
    """Return the resident memory of this process; None where there is no /proc."""
    try:
        lines = STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("VmRSS:"):
            _, kilobytes, *_ = line.split()
            return 1024 * int(kilobytes)
    return None


def _shown_setting(setting: InForce) -> SettingRow:
    value = setting.text
    if value is not None and setting.is_secret:
        value = masked_url(value)
    return copied(SettingRow, setting, value=value)


# Draining a server before it is stopped

PATH: Final = "/api/admin/drain"
ALONE: Final = Told(
    "no other server can take the chargers of a file; stop this one instead: they connect when it "
    "is back"
)


class DrainBody(ClientInput):
    """Over how many seconds the chargers are told to connect again."""

    seconds: Annotated[float, Meta(ge=0, le=3600)] = 60.0


@record
class DrainState:
    """Whether the server is being drained, and how many chargers are still connected to it."""

    is_draining: bool
    chargers: int


@ENDPOINTS.get(PATH, Role.ADMIN)
async def _get(request: Request) -> DrainState:
    """Show whether the server is being drained, and how many chargers are still connected to it."""
    chargers = request.api.chargers
    return DrainState(is_draining=chargers.draining.is_asked, chargers=len(chargers.links()))


@ENDPOINTS.post(PATH, Role.ADMIN, "conflict")
async def _drain(request: TypedRequest[None, DrainBody]) -> DrainState:
    """Drain the server before its stop: its chargers are told to connect again, and no new ones
    admitted."""
    body = request.body
    if request.api.writer.sharing.is_alone:
        raise conflict(ALONE)
    request.api.chargers.draining.ask(body.seconds)
    return await _get(request)
