"""Mail, push, sign of life and the nightly backup, as they are set in the browser.

What a flag, a variable or the file of settings gives is only changed there. Passwords go in and
never come out; `/api/system` shows what is in force.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple
from urllib.parse import quote, unquote, urlsplit

import trio
from msgspec import Meta

from levity_trio.config import SETTINGS
from levity_trio.config.settings import Unusable, sender_parts
from levity_trio.config.sources import WAYS
from levity_trio.records import Personal
from levity_trio.store.reads.site.database import own_settings
from levity_trio.store.upkeep.nightly import NotBackedUp, check_folder
from levity_trio.store.writes.site import own_settings as writes
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import ClientInput, Endpoints, Request, Role, TypedRequest
from levity_trio.web.api.engine.problems import conflict, invalid, not_found

ENDPOINTS: Final = Endpoints("messages")
OWN: Final = "/api/admin/own-settings"
_KINDS: Final = {setting.name: setting.kind for setting in SETTINGS}

Line = Annotated[Personal[str], Meta(max_length=100)]


class PushServerBody(ClientInput, kw_only=True):
    """The server of ntfy. Without a password, that of before stays if server and user do."""

    server: Line = "https://ntfy.sh"
    user: Line | None = None
    password: (
        Annotated[str, Meta(max_length=100, description="It stays if you leave this empty.")] | None
    ) = None


class MailServerBody(PushServerBody, kw_only=True):
    """The mail server. Without a password, that of before stays if server and user do."""

    server: Annotated[
        Personal[str], Meta(max_length=100, description="Such as smtp.example.org:465.")
    ]
    encryption: Literal["smtps", "smtp"] = "smtps"
    sender: (
        Annotated[
            Personal[str], Meta(max_length=100, description="Such as Bauhof 12 <haus@example.org>.")
        ]
        | None
    ) = None


class PingUrlBody(ClientInput):
    """The URL that is requested each minute."""

    url: Annotated[Personal[str], Meta(max_length=200)]


class BackupFolderBody(ClientInput):
    """The folder that gets a copy each night, and how many it keeps."""

    folder: Annotated[str, Meta(max_length=200)]
    keep: Annotated[int, Meta(ge=1, le=10_000)] = 14


class KnownServer(NamedTuple):
    """The parts of a URL: scheme, server with port and path, user and password."""

    scheme: str
    server: str
    user: str
    password: str


def known_server(url: str | None) -> KnownServer:
    """Return the parts of a URL, empty without one."""
    parts = urlsplit(url or "")
    server = (url or "").partition("://")[2].rpartition("@")[2]
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return KnownServer(parts.scheme, server, user, password)


@ENDPOINTS.put(f"{OWN}/mail", Role.ADMIN, "conflict")
async def set_mail(request: TypedRequest[None, MailServerBody]) -> None:
    """Set through which server mail goes out"""
    body = request.body
    if sender_parts(body.sender or body.user or "") is None:
        raise invalid("sender", Told("give the address from which mails come"))
    url = _url(body, body.encryption, body.server, request.api.config.mail)
    words = Told("give the name of a mail server, such as smtp.example.org or smtp.example.org:465")
    _check("mail", url, words, "server")
    await _keep(request, "mail", url, body.sender or None)


@ENDPOINTS.put(f"{OWN}/push", Role.ADMIN, "conflict")
async def set_push(request: TypedRequest[None, PushServerBody]) -> None:
    """Set through which server of ntfy push messages go out"""
    scheme, _, server = request.body.server.rpartition("://")
    url = _url(request.body, scheme or "https", server, request.api.config.ntfy)
    words = Told("give the address of a server of ntfy, such as https://ntfy.sh")
    _check("ntfy", url, words, "server")
    await _keep(request, "push", url)


@ENDPOINTS.put(f"{OWN}/ping", Role.ADMIN, "conflict")
async def set_ping(request: TypedRequest[None, PingUrlBody]) -> None:
    """Set which URL gets a sign of life each minute"""
    words = Told("give the whole address that the service shows, such as https://hc-ping.com/…")
    _check("ping-url", request.body.url, words, "url")
    await _keep(request, "ping", request.body.url)


@ENDPOINTS.put(f"{OWN}/backup", Role.ADMIN, "conflict")
async def set_backup(request: TypedRequest[None, BackupFolderBody]) -> None:
    """Set the folder that gets a copy each night; it must be there and take files"""
    folder = request.body.folder
    if not isinstance(request.api.config.database, Path):
        raise conflict(Told("a database on PostgreSQL is copied by its own tools"))
    _check("backup-folder", folder, Told("give the whole path, such as /mnt/stick"), "folder")
    try:
        await trio.to_thread.run_sync(check_folder, Path(folder))
    except NotBackedUp as problem:
        raise invalid("folder", problem.args[0]) from None
    await _keep(request, "backup", folder, str(request.body.keep))


@ENDPOINTS.delete(f"{OWN}/{{way}}", Role.ADMIN, "conflict", "not_found")
async def remove_way(request: Request) -> None:
    """Set mail, push, ping or backup no more"""
    way = request.path["way"]
    if way not in WAYS:
        raise not_found(Told("way {1}", way))
    await _keep(request, way)


def _url(body: PushServerBody, scheme: str, server: str, before: str | None) -> str:
    """Return the URL of a server with its user and password; the one of before stays only for the
    same user of the same server."""
    known, user, password = known_server(before), body.user or "", body.password
    if (known.server, known.user) == (server, user):
        password = password or known.password
    who = quote(user, safe="")
    if password:
        who += f":{quote(password, safe='')}"
    return f"{scheme}://{who}@{server}" if who else f"{scheme}://{server}"


def _check(name: str, text: str, words: Told, field: str) -> None:
    try:
        _KINDS[name].read(text)
    except Unusable:
        raise invalid(field, words) from None


async def _keep(request: Request, way: str, *values: str | None) -> None:
    """Store the settings of a way, which hold at once; those without a value are set no more."""
    api, names = request.api, WAYS[way]
    for row in api.config.in_force:
        if row.name == names[0] and row.source:
            raise conflict(Told("this is given by {1}: change it there", row.source))
    kept = dict.fromkeys(names) | dict(zip(names, values, strict=False))
    await request.commit(writes.keep, kept, api.key)
    api.live.take(await request.read(own_settings, key=api.key))
