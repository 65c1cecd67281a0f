"""What the listeners and the operator API share: the folder, the names of files, and whether
chargers can reach us. The secret URLs, too: who knows one may use it until the outcome of its
command."""

from __future__ import annotations

import re
from base64 import b32encode
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import field
from datetime import datetime
from functools import partial
from hashlib import sha256
from secrets import token_bytes, token_hex
from typing import Final, NamedTuple

import trio
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, Response

from levity_trio.clock import Clock
from levity_trio.log.output import get_logger
from levity_trio.operations.judges import KIND_OF
from levity_trio.records import record
from levity_trio.store.beside.file_folder import DiskRefuses, FileFolder, Parts, Written
from levity_trio.store.engine.faults import StoreUnavailable, Unreadable
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.chargers import configuration as stored
from levity_trio.store.reads.chargers.configuration import Url
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.chargers import files as writes
from levity_trio.store.writes.chargers.files import NewFile
from levity_trio.web.files.multipart import NotMultipart
from levity_trio.web.http.problems import BodyRefused
from levity_trio.wire.times import stamp

UPLOADS: Final = 4
"""Files that come in at once."""
PLACE_SECONDS: Final = 20.0
"""How long a file waits for a place; meanwhile its sender feels that nobody reads."""
NAME_CHARACTERS: Final = 48
MOST_FILES: Final = 10
"""Files over one URL: a charger that sends again and again must not fill the disk."""
MEDIA_TYPE: Final = "application/octet-stream"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9-]")


class NoPlace(Exception):
    """Too many files come in at once."""


FAILURES: Final = (
    BodyRefused,
    ClientDisconnect,
    DiskRefuses,
    NoPlace,
    NotMultipart,
    StoreUnavailable,
    Unreadable,
)
"""Why a file is not stored; without a text, the charger left."""
log = get_logger("system")


@record(kw_only=False)
class Shelf:
    """The files of one server. `base_url` and `ftp_place` are None while no listener of that kind
    serves them."""

    folder: FileFolder
    base_url: BaseUrl | None = None
    ftp_place: BaseUrl | None = None
    uploads: trio.Semaphore = field(default_factory=lambda: trio.Semaphore(UPLOADS))

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold one of the places of files that come in. Raises NoPlace after a while."""
        with trio.move_on_after(PLACE_SECONDS) as patience:
            await self.uploads.acquire()
        if patience.cancelled_caught:
            raise NoPlace("too many files come in at once; try again")
        try:
            yield
        finally:
            self.uploads.release()

    def new_url(self, protocols: Collection[str]) -> SecretUrl | None:
        """Return a URL to be given to a charger that lists these protocols (none: unknown); None
        without a listener.

        It is one of FTP only if the charger lists that, but not what the other listener speaks, or
        if it is the only one.
        """
        base = None if self.base_url is None else self.base_url()
        listed = {protocol.upper() for protocol in protocols}
        is_enough = base is not None and (
            base.partition(":")[0].upper() in listed or "FTP" not in listed
        )
        if self.ftp_place is not None and not is_enough:
            return make_ftp(self.ftp_place())
        return None if base is None else make(base)


@record(kw_only=False)
class Transfers:
    """What the listeners do for whoever knows a secret."""

    shelf: Shelf
    writer: Writer
    reader: Reader
    clock: Clock

    async def find(self, secret: str) -> Url | None:
        """Return what a secret is for at present; None if nobody may use it, also if too many files
        came over it."""
        digest = digest_of(secret)
        if digest is None:
            return None
        url = await self.reader.run(partial(stored.url, digest=digest, now=self.clock()))
        if url is None or url.files >= MOST_FILES:
            return None
        self.writer.note(writes.came, digest, stamp(self.clock()))
        return url

    async def receive(self, url: Url, parts: Parts) -> None:
        """Keep a file that a charger sends. Raises one of FAILURES."""
        kind = KIND_OF[url.action]
        name = file_name(self.clock(), kind, f"{url.charger}-{url.command}")

        async def store(written: Written) -> None:
            new = NewFile(
                kind=kind,
                name=name,
                charger=url.charger,
                command=url.command,
                size_bytes=written.size_bytes,
                sha256=written.sha256,
                created_at=stamp(self.clock()),
            )
            await self.writer.run(writes.add, new)

        try:
            async with self.shelf.place():
                await self.shelf.folder.keep(name, parts, store)
        except FAILURES as error:
            self.tell_lost(url, str(error) or "the charger left inside it")
            raise

    def tell_lost(self, url: Url, reason: str) -> None:
        """Log that a file was not stored."""
        log.warning("a file was not stored", cp=url.charger, command=url.command, reason=reason)


async def file_response(shelf: Shelf, name: str, *, called: str | None = None) -> Response | None:
    """Return a response with a file, or the range of it that is asked for; None if it is gone from
    the disk.

    `called` is how a browser is to store it.
    """
    path = shelf.folder.path(name)
    try:
        status = await trio.to_thread.run_sync(path.stat)
    except FileNotFoundError:
        return None
    headers = {"x-content-type-options": "nosniff"}
    return FileResponse(
        path, headers=headers, media_type=MEDIA_TYPE, stat_result=status, filename=called
    )


def file_name(now: datetime, kind: str, whose: str) -> str:
    """Return the name of a new file: when, what, of whom. It has nothing of what a client calls
    it."""
    return f"{now:%Y%m%dT%H%M%SZ}-{kind}-{_UNSAFE.sub('_', whose)[:NAME_CHARACTERS]}-{token_hex(4)}"


PATH: Final = "/f"
SECRET_BYTES: Final = 20
"""160 bits: 32 characters in lower case, which no charger misspells."""
USER_CHARACTERS: Final = 8
"""The characters of a secret that come as the user; the rest, 120 bits, is the password."""
_SECRET: Final = re.compile(r"[a-z2-7]{32}")
BaseUrl = Callable[[], str]


class SecretUrl(NamedTuple):
    """A URL for a charger, the digest of its secret, which is all that is stored of it, and what
    may be shown of it."""

    text: str
    digest: str
    base: str

    def of(self, name: str) -> str:
        """Return the URL of a file of this name; some chargers look at the name or its
        extension."""
        return f"{self.text.removesuffix('/')}/{name}"


def make(base: str) -> SecretUrl:
    """Return a new URL."""
    secret = _new_secret()
    return SecretUrl(f"{base}{PATH}/{secret}", _digest(secret), base)


def make_ftp(place: str) -> SecretUrl:
    """Return a new URL of FTP, at this address and port."""
    secret = _new_secret()
    text = f"ftp://{secret[:USER_CHARACTERS]}:{secret[USER_CHARACTERS:]}@{place}/"
    return SecretUrl(text, _digest(secret), f"ftp://{place}")


def digest_of(secret: str) -> str | None:
    """Return the digest of the secret in a path, None if it cannot be one."""
    return _digest(secret) if _SECRET.fullmatch(secret) else None


def _new_secret() -> str:
    return b32encode(token_bytes(SECRET_BYTES)).decode().lower()


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
