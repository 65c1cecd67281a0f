"""The server itself: its version, its database, its plugins, its settings and where each came
from."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
import trio
from msgspec import Meta

from levity_trio import __version__
from levity_trio.config.settings import InForce
from levity_trio.plugins.base import PluginState
from levity_trio.records import copied, record, whole_text
from levity_trio.store.beside.backup_note import LastBackup, last_backup, saved_by
from levity_trio.store.reads.now.present import SQLITE_VERSION
from levity_trio.store.reads.people.households import ActionRow, TokenRow, actions, tokens
from levity_trio.store.reads.site.database import StoredData, stored_data
from levity_trio.store.writes.people import users
from levity_trio.store.writes.people.users import NewToken
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import (
    CREATED,
    ClientInput,
    Endpoints,
    Request,
    Role,
    TypedRequest,
)
from levity_trio.web.api.engine.lists import Limit
from levity_trio.web.api.engine.problems import conflict, not_found, refusal
from levity_trio.web.logins.browsers import make, written
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
    """Over how many seconds the chargers are told to connect again.

    - seconds (--seconds SECONDS): Over how many seconds they are told to connect again.
    """

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


ACCESS_ENDPOINTS: Final = Endpoints("access", ENDPOINTS)

Name = Annotated[
    str,
    whole_text(
        min_length=1,
        max_length=64,
        pattern=r"^\S(.*\S)?$",
        words=Told("it is empty, or has a space at an end"),
    ),
]


class NewTokenBody(ClientInput):
    """A token to be made.

    - name: Who or what uses it.
    - role (--role ROLE): What it may do: read; also operate; everything.
    """

    name: Name
    role: Literal["viewer", "operator", "admin"]


class MadeToken(msgspec.Struct):
    """A new token. `token` is shown only now."""

    id: int
    name: str
    role: str
    token: str


class ProgramVersion(msgspec.Struct):
    """The program, and the run that answers."""

    program: str
    version: str


class BelowQuery(ClientInput):
    """The newest rows, or those with an id below `before`.

    - before: Rows with an id below this one.
    """

    before: Annotated[int, Meta(ge=1, le=2**62)] | None = None
    limit: Limit = 50


@ACCESS_ENDPOINTS.get("/api/version", Role.VIEWER, group="server")
async def _version(_request: Request) -> ProgramVersion:
    """The version of the server"""
    return ProgramVersion("levity-trio", __version__)


@ACCESS_ENDPOINTS.get("/api/admin/tokens", Role.ADMIN)
async def _list_tokens(request: Request) -> list[TokenRow]:
    """List the tokens, the newest first"""
    return await request.read(tokens)


@ACCESS_ENDPOINTS.post("/api/admin/tokens", Role.ADMIN, "in_use", status=CREATED)
async def _create_token(request: TypedRequest[None, NewTokenBody]) -> MadeToken:
    """Make a token; its text is shown only in this answer"""
    body, api = request.body, request.api
    made = make()
    at, by = api.stamp(), request.caller.name
    new = NewToken(body.name, body.role, made.salt, made.digest, at, by)
    token = await api.writer.run(users.create_token, new)
    if token is None:
        words = Told(
            "a token named {1} is in use; revoke it first, or choose another name", body.name
        )
        raise refusal("in_use", words)
    api.tokens.load(await api.writer.run(users.stored_tokens))
    return MadeToken(token, body.name, body.role, written(token, made.secret))


@ACCESS_ENDPOINTS.delete("/api/admin/tokens/{id}", Role.ADMIN, "not_found")
async def _revoke_token(request: Request) -> None:
    """Revoke a token"""
    api, token = request.api, request.number()
    if not await request.write(users.revoke_token, token):
        raise not_found(Told("token {1} in use", token))
    api.tokens.load(await api.writer.run(users.stored_tokens))


@ACCESS_ENDPOINTS.get("/api/admin/audit", Role.ADMIN)
async def _list_actions(request: TypedRequest[BelowQuery, None]) -> list[ActionRow]:
    """List the changes that were asked for and the refused attempts, the newest first"""
    query = request.query
    return await request.read(actions, before=query.before, limit=query.limit)
