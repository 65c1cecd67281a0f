"""What the listener and the operator API share: the folder, the names of files, and whether chargers can reach us."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from secrets import token_hex
from typing import Final

import trio
from starlette.responses import FileResponse, Response

from levity_trio.store.file_folder import Folder
from levity_trio.web.files.urls import BaseUrl, SecretUrl, make

UPLOADS: Final = 4
"""Files that come in at once."""
PLACE_SECONDS: Final = 20.0
"""How long a file waits for a place; meanwhile its sender feels that nobody reads."""
NAME_CHARACTERS: Final = 48
MEDIA_TYPE: Final = "application/octet-stream"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9-]")


class NoPlace(Exception):
    """Too many files come in at once."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """The files of one server. `base_url` is None while no listener serves them."""

    folder: Folder
    base_url: BaseUrl | None = None
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

    def new_url(self) -> SecretUrl | None:
        """Return a URL to be given to a charger; None without a listener."""
        return None if self.base_url is None else make(self.base_url())


async def file_response(shelf: Shelf, name: str, *, called: str | None = None) -> Response | None:
    """Return a response with a file, or the range of it that is asked for; None if it is gone from the disk.

    `called` is how a browser is to store it.
    """
    path = shelf.folder.path(name)
    try:
        status = await trio.to_thread.run_sync(path.stat)
    except FileNotFoundError:
        return None
    headers = {"x-content-type-options": "nosniff"}
    return FileResponse(path, headers=headers, media_type=MEDIA_TYPE, stat_result=status, filename=called)


def file_name(now: datetime, kind: str, of: str) -> str:
    """Return the name of a new file: when, what, of whom. It has nothing of what a client calls it."""
    return f"{now:%Y%m%dT%H%M%SZ}-{kind}-{_UNSAFE.sub('_', of)[:NAME_CHARACTERS]}-{token_hex(4)}"
