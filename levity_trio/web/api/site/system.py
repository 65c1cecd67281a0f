"""The server itself: its version, its database, its plugins, its settings and where each came
from."""

from __future__ import annotations

import platform
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import trio
from msgspec import Meta

from levity_trio import __version__
from levity_trio.config.settings import InForce
from levity_trio.plugins.base import PluginState
from levity_trio.records import copied, record, whole_text
from levity_trio.store.beside.backup_note import LastBackup, last_backup, saved_by
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.levity.rows import KINDS, ImportedRows
from levity_trio.store.reads.now.present import SQLITE_VERSION
from levity_trio.store.reads.pages import DEFAULT_ROWS, ListPage
from levity_trio.store.reads.people.users import ActionRow, TokenRow, actions, tokens
from levity_trio.store.reads.site.database import StoredData, stored_data
from levity_trio.store.reads.site.logged import FrameFilters, LogEntry, frames
from levity_trio.store.writes.people import users
from levity_trio.store.writes.people.users import NewToken
from levity_trio.store.writes.site.imports import ImpossibleRow, take
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import (
    CREATED,
    ClientInput,
    Endpoints,
    Request,
    Role,
    Server,
    StreamedBody,
    TypedRequest,
    Upload,
)
from levity_trio.web.api.engine.lists import Before, Limit, OfCharger, Since, ago, moment, page
from levity_trio.web.api.engine.problems import conflict, invalid, not_found, of_upload, refusal
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

DRAIN: Final = "/api/admin/drain"
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


@ENDPOINTS.get(DRAIN, Role.ADMIN)
async def _get(request: Request) -> DrainState:
    """Show whether the server is being drained, and how many chargers are still connected to it."""
    chargers = request.api.chargers
    return DrainState(is_draining=chargers.draining.is_asked, chargers=len(chargers.links()))


@ENDPOINTS.post(DRAIN, Role.ADMIN, "conflict")
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
    """A token to be made."""

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
    """The newest rows, or those with an id below `before`."""

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
    token = await api.writer.run(users.create, new)
    if token is None:
        words = Told(
            "a token named {1} is in use; revoke it first, or choose another name", body.name
        )
        raise refusal("in_use", words)
    api.tokens.load(await api.writer.run(users.stored))
    return MadeToken(token, body.name, body.role, written(token, made.secret))


@ACCESS_ENDPOINTS.delete("/api/admin/tokens/{id}", Role.ADMIN, "not_found")
async def _revoke_token(request: Request) -> None:
    """Revoke a token"""
    api, token = request.api, request.number()
    if not await request.write(users.revoke, token):
        raise not_found(Told("token {1} in use", token))
    api.tokens.load(await api.writer.run(users.stored))


@ACCESS_ENDPOINTS.get("/api/admin/audit", Role.ADMIN)
async def _list_actions(request: TypedRequest[BelowQuery, None]) -> list[ActionRow]:
    """List the changes that were asked for and the refused attempts, the newest first"""
    query = request.query
    return await request.read(actions, before=query.before, limit=query.limit)


LOG_ENDPOINTS: Final = Endpoints("logs", ENDPOINTS)

FILTERED_DAYS: Final = 1
"""How far back a filter looks without `from`: the log has no index but the time."""


class LogsQuery(ClientInput, rename={"since": "from", "before": "to"}):
    charger: OfCharger = None
    action: str | None = None
    direction: Literal["recv", "send", "connect", "disconnect", "refuse"] | None = None
    message_id: (
        Annotated[str, Meta(description="A charger's own with its quotes, as in its frame.")] | None
    ) = None
    text: (
        Annotated[str, Meta(max_length=200, description="Only frames that contain it.")] | None
    ) = None
    since: Since = None
    before: Before = None
    limit: Limit = DEFAULT_ROWS
    cursor: str | None = None


@LOG_ENDPOINTS.get("/api/logs", Role.OPERATOR)
async def list_frames(request: TypedRequest[LogsQuery, None]) -> ListPage[LogEntry]:
    """List the frames exchanged with chargers, the newest first. A filter needs a time, and a page
    may be empty without being the last: go on while there is a next_cursor.
    """
    return await page(request, read_frames, server=request.api, query=request.query)


def read_frames(db: Database, server: Server, query: LogsQuery) -> ListPage[LogEntry]:
    """Return a page of frames. Raises NoPage, Problem."""
    wanted = query.charger, query.action, query.direction, query.message_id, query.text
    since = moment(query.since, "from")
    if since is None and any(wanted):
        since = ago(server, FILTERED_DAYS)
    filters = FrameFilters(*wanted, since, moment(query.before, "to"))
    return frames(db, filters, query.limit, query.cursor)


IMPORT_ENDPOINTS: Final = Endpoints("imports", ENDPOINTS)
IMPORTED: Final = "/api/admin/imports/levity"
LINES: Final = "application/x-ndjson"
LONGEST_LINE: Final = 8 * 1024 * 1024
MOST_ROWS: Final = 1000
REST: Final = 0.25
"""The chargers have, after each part, this share of the time that it took. Their writes wait for
one part at most."""
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
TIMES: Final = (
    "timestamp",
    "start_time",
    "stop_time",
    "received_at",
    "stop_received_at",
    "resolved_at",
    "last_reading_at",
)


class ImportReport(msgspec.Struct):
    """What became of the rows: how many were added, were changed there since, or were known. `ids`
    are the ids here of imported transactions, in the order of their rows."""

    added: int = 0
    changed: int = 0
    known: int = 0
    ids: list[int] = msgspec.field(default_factory=list[int])

    def add(self, part: ImportedRows) -> None:
        """Add what became of a part."""
        self.added += part.added
        self.changed += part.changed
        self.known += part.known
        self.ids += part.ids


async def _lines(body: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield the lines of a body as they arrive. Raises Problem for one that is too long."""
    rest = b""
    async for part in body:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield line
        if len(rest) > LONGEST_LINE:
            raise invalid("body", f"a line has more than {LONGEST_LINE} bytes; divide it")
    yield rest


async def _import(request: Request, kind: str, line: bytes) -> ImportedRows:
    if not line.strip():
        return ImportedRows(0, 0, 0)
    row_type = KINDS[kind]
    try:
        rows: list[Any] = msgspec.json.decode(line, type=list[row_type])  # type: ignore[valid-type]  # of this kind
    except (msgspec.DecodeError, RecursionError) as error:
        raise invalid("body", f"each line is a list of rows of {kind}: {error}") from None
    if len(rows) > MOST_ROWS:
        raise invalid("body", f"a line has {len(rows)} rows; give at most {MOST_ROWS}")
    for name in TIMES:
        if name in row_type._fields:
            times = (getattr(row, name) for row in rows)
            if not all(time is None or TIME.fullmatch(time) for time in times):
                raise invalid(name, "give a time such as 2026-03-01T12:00:00.000Z")
    try:
        return await request.commit(take, kind, rows, request.api.stamp())
    except ImpossibleRow as error:
        raise invalid("body", f"a row cannot be stored: {error}") from None


def _declare(kind: str) -> None:
    summary = (
        f"Import {kind} of Levity: each line is a list of rows, and each row a list of its fields"
    )

    @IMPORT_ENDPOINTS.post(
        f"{IMPORTED}/{kind}", Role.ADMIN, summary=summary, body=StreamedBody(LINES)
    )
    async def import_rows(request: Upload) -> ImportReport:
        """Import the parts of a body, one line each. What came before a faulty line stays: it may
        be imported again."""
        report = ImportReport()
        async with request.api.places.wait(), aclosing(_lines(request.body)) as lines:
            with of_upload():
                async for line in lines:
                    began = trio.current_time()
                    report.add(await _import(request, kind, line))
                    await trio.sleep(REST * (trio.current_time() - began))
        return report


for _kind in KINDS:
    _declare(_kind)
