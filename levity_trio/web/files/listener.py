"""The listener at which chargers send diagnostics and logs, and fetch firmware, each over the URL that it was given.

What is wrong with a URL is not told: the answer is 404, after a second, so that guessing is slow. A location is a
folder to some chargers (§5.9), which append the name of their file: it is accepted and ignored.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Final

import trio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Scope

from levity_trio.addresses import Flags, listen, reachable
from levity_trio.clock import Clock
from levity_trio.config import ServerConfig
from levity_trio.log_output import get_logger
from levity_trio.operations.transfers import KIND_OF
from levity_trio.store.faults import StoreUnavailable
from levity_trio.store.file_folder import DiskRefuses, Folder, Parts, Written
from levity_trio.store.reads import Reader, Unreadable
from levity_trio.store.reads import files as stored
from levity_trio.store.reads.files import Url
from levity_trio.store.retrying import surviving
from levity_trio.store.writer import Writer
from levity_trio.store.writes import files as writes
from levity_trio.store.writes.files import NewFile
from levity_trio.web.files.multipart import NotMultipart, boundary_of, file_in
from levity_trio.web.files.shelf import NoPlace, Shelf, file_name, file_response
from levity_trio.web.files.urls import PATH, BaseUrl, digest_of
from levity_trio.web.http import Limits, application, open_http, problem
from levity_trio.web.problems import BodyRefused
from levity_trio.wire.times import stamp

MOST_FILES: Final = 10
"""Files over one URL: a charger that sends again and again must not fill the disk."""
REFUSAL_SECONDS: Final = 1.0
SEND_SECONDS: Final = 20.0
"""For a piece of firmware over a slow link."""
RETENTION_LOOK_SECONDS: Final = 3600.0
FLAGS: Final = Flags("--files-host", "--files-port")
STATUS_OF: Final[Mapping[type[Exception], HTTPStatus]] = {
    DiskRefuses: HTTPStatus.INSUFFICIENT_STORAGE,
    NotMultipart: HTTPStatus.BAD_REQUEST,
    NoPlace: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    Unreadable: HTTPStatus.SERVICE_UNAVAILABLE,
}
FAILURES: Final[tuple[type[Exception], ...]] = (BodyRefused, ClientDisconnect, *STATUS_OF)

log = get_logger("system")


@dataclass(frozen=True, slots=True)
class Listener:
    """What the routes work with."""

    shelf: Shelf
    writer: Writer
    reader: Reader
    clock: Clock

    async def serve(self, request: Request) -> Response:
        """Answer a request to a secret URL."""
        url = await self._url(request.path_params["secret"])
        is_fetching = request.method in ("GET", "HEAD")
        if url is None or is_fetching != (url.name is not None) or url.files >= MOST_FILES:
            return await _refuse()
        if url.name is not None:
            return await file_response(self.shelf, url.name) or await _refuse()
        try:
            await self._receive(request, url)
        except FAILURES as error:
            reason = str(error) or "the charger left inside it"
            log.warning("a file was not stored", cp=url.charger, command=url.command, reason=reason)
            raise
        return Response(status_code=HTTPStatus.CREATED)

    async def _url(self, secret: str) -> Url | None:
        digest = digest_of(secret)
        if digest is None:
            return None
        return await self.reader.run(partial(stored.url, digest=digest, now=self.clock()))

    async def _receive(self, request: Request, url: Url) -> None:
        parts = _content(request)
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

        async with self.shelf.place():
            await self.shelf.folder.keep(name, parts, store)


def _content(request: Request) -> Parts:
    """Return the content of the file: the body, or a part of it if it is that of a form. Raises NotMultipart."""
    parts: Parts = request.stream()
    boundary = boundary_of(request.headers.get("content-type", "")) if request.method == "POST" else None
    return parts if boundary is None else file_in(parts, boundary)


async def _refuse() -> Response:
    await trio.sleep(REFUSAL_SECONDS)
    return Response(status_code=HTTPStatus.NOT_FOUND, headers={"connection": "close"})


async def _of_problem(_request: Request, error: Exception) -> Response:
    status = STATUS_OF[type(error)]
    headers = {"connection": "close"} | ({"retry-after": "30"} if status == HTTPStatus.SERVICE_UNAVAILABLE else {})
    return problem(status, str(error) or "nothing can be stored at present", headers=headers)


async def listen_for_files(config: ServerConfig) -> Sequence[trio.SocketListener]:
    """Open the listeners; return none if no port is configured. Raises EnvironmentProblem."""
    return [] if config.files_port is None else await listen(config.files_address, config.files_port, FLAGS)


@asynccontextmanager
async def open_files(
    config: ServerConfig,
    writer: Writer,
    reader: Reader,
    clock: Clock,
    is_clock_trusted: Callable[[], bool],
    listeners: Sequence[trio.SocketListener],
) -> AsyncIterator[Shelf]:
    """Serve files while the block runs, if there are listeners, and yield the shelf, which exists in any case."""
    shelf = Shelf(Folder(config.beside))
    await shelf.folder.sweep(lambda names: reader.run(partial(stored.known, names=names)))
    keep = timedelta(days=config.log_days)
    async with trio.open_nursery() as tasks:
        tasks.start_soon(_enforce_retention, shelf.folder, writer, clock, keep, is_clock_trusted)
        if listeners:
            listener = Listener(shelf, writer, reader, clock)
            async with open_http(_application(listener), listeners, _limits()) as port:
                base_url = _base_url(config, port)
                log.info("serving files", address=f"{base_url()}{PATH}/…")
                yield replace(shelf, base_url=base_url)
        else:
            yield shelf
        tasks.cancel_scope.cancel()


def _application(listener: Listener) -> ASGIApp:
    methods = ["GET", "PUT", "POST"]
    paths = (f"{PATH}/{{secret}}", f"{PATH}/{{secret}}/{{name:path}}")
    routes = [Route(path, listener.serve, methods=methods) for path in paths]
    return application(routes, dict.fromkeys(STATUS_OF, _of_problem))


def _limits() -> Limits:
    return Limits(send_seconds=SEND_SECONDS, is_streamed=_is_streamed)


def _is_streamed(_scope: Scope) -> bool:
    return True


def _base_url(config: ServerConfig, port: int) -> BaseUrl:
    """Return the function that says where chargers reach the listener: this machine's address may change."""
    return lambda: config.files_url or f"http://{reachable(config.files_address, port)}"


async def _enforce_retention(
    folder: Folder, writer: Writer, clock: Clock, keep: timedelta, is_clock_trusted: Callable[[], bool]
) -> None:
    """Delete what chargers sent when it is as old as frames may become."""
    while True:
        if is_clock_trusted():
            with surviving("old files could not be deleted"):
                now = clock()
                await folder.remove(await writer.run(writes.expire, stamp(now), stamp(now - keep)))
        await trio.sleep(RETENTION_LOOK_SECONDS)
