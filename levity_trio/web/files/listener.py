"""The listeners at which chargers send diagnostics and logs, and fetch firmware, each over the URL
that it was given.

This is the one of HTTP; ftp.py is the other. What is wrong with a URL is not told: the answer is
404, after a second, so that guessing is slow. A location is a folder to some chargers (§5.9), which
append the name of their file: it is accepted and ignored.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import trio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from levity_trio.clock import Clock
from levity_trio.config import FTP_DATA_PORTS, ServerConfig
from levity_trio.listening.addresses import Flags, listen, reachable
from levity_trio.log.output import get_logger
from levity_trio.store.beside.file_folder import DiskRefuses, FileFolder, Parts
from levity_trio.store.engine.faults import StoreUnavailable, Unreadable
from levity_trio.store.engine.writer import Writer, surviving
from levity_trio.store.reads.chargers import configuration as stored
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.chargers import files as writes
from levity_trio.web.files.ftp import open_ftp
from levity_trio.web.files.multipart import NotMultipart, boundary_of, file_in
from levity_trio.web.files.shelf import PATH, BaseUrl, NoPlace, Shelf, Transfers, file_response
from levity_trio.web.http.server import HttpLimits, application, open_http, problem
from levity_trio.wire.times import stamp

REFUSAL_SECONDS: Final = 1.0
SEND_SECONDS: Final = 20.0
"""The time for a piece of firmware over a slow link."""
RETENTION_LOOK_SECONDS: Final = 3600.0
FLAGS: Final = Flags("--files-host", "--files-port")
FTP_FLAGS: Final = Flags("--files-host", "--ftp-port")
STATUS_OF: Final[Mapping[type[Exception], HTTPStatus]] = {
    DiskRefuses: HTTPStatus.INSUFFICIENT_STORAGE,
    NotMultipart: HTTPStatus.BAD_REQUEST,
    NoPlace: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    Unreadable: HTTPStatus.SERVICE_UNAVAILABLE,
}

log = get_logger("system")


class FileListeners(NamedTuple):
    """The sockets at which files are served; none of a kind that has no port."""

    http: Sequence[trio.SocketListener] = ()
    ftp: Sequence[trio.SocketListener] = ()


async def _serve(transfers: Transfers, request: Request) -> Response:
    """Answer a request to a secret URL."""
    url = await transfers.find(request.path_params["secret"])
    is_fetching = request.method in ("GET", "HEAD")
    if url is None or is_fetching != (url.name is not None):
        return await _refuse()
    if url.name is not None:
        return await file_response(transfers.shelf, url.name) or await _refuse()

    # The body is the file, or that of a form has it as a part.
    parts: Parts = request.stream()
    if request.method == "POST":
        try:
            boundary = boundary_of(request.headers.get("content-type", ""))
        except NotMultipart as error:
            transfers.tell_lost(url, str(error))
            raise
        if boundary is not None:
            parts = file_in(parts, boundary)
    await transfers.receive(url, parts)
    return Response(status_code=HTTPStatus.CREATED)


async def _refuse() -> Response:
    await trio.sleep(REFUSAL_SECONDS)
    return Response(status_code=HTTPStatus.NOT_FOUND, headers={"connection": "close"})


async def _of_problem(_request: Request, error: Exception) -> Response:
    status = STATUS_OF[type(error)]
    headers = {"connection": "close"}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = "30"
    return problem(status, str(error) or "nothing can be stored at present", headers=headers)


async def listen_for_files(config: ServerConfig) -> FileListeners:
    """Open the listeners that have a port. Raises EnvironmentProblem."""
    host, port, ftp_port = config.files_address, config.files_port, config.ftp_port
    return FileListeners(
        () if port is None else await listen(host, port, FLAGS),
        () if ftp_port is None else await listen(host, ftp_port, FTP_FLAGS),
    )


@asynccontextmanager
async def open_files(
    config: ServerConfig,
    writer: Writer,
    reader: Reader,
    clock: Clock,
    is_clock_trusted: Callable[[], bool],
    listeners: FileListeners,
) -> AsyncIterator[Shelf]:
    """Serve files while the block runs, if there are listeners, and yield the shelf, which exists
    in any case."""
    shelf = Shelf(FileFolder(config.beside))
    await shelf.folder.sweep(lambda names: reader.run(partial(stored.known, names=names)))
    keep = timedelta(days=config.log_days)
    async with trio.open_nursery() as tasks:
        tasks.start_soon(_enforce_retention, shelf.folder, writer, clock, keep, is_clock_trusted)
        transfers = Transfers(shelf, writer, reader, clock)
        async with AsyncExitStack() as opened:
            if listeners.http:
                limits = HttpLimits(send_seconds=SEND_SECONDS, is_streamed=lambda _scope: True)
                served = open_http(_application(transfers), listeners.http, limits)
                base_url = _base_url(config, await opened.enter_async_context(served))
                log.info("serving files", address=f"{base_url()}{PATH}/…")
                shelf = replace(shelf, base_url=base_url)
            if listeners.ftp:
                served = open_ftp(transfers, listeners.ftp, FTP_DATA_PORTS)
                ftp_place = _ftp_place(config, await opened.enter_async_context(served))
                log.info("serving files by FTP", address=f"ftp://{ftp_place()}")
                shelf = replace(shelf, ftp_place=ftp_place)
            yield shelf
        tasks.cancel_scope.cancel()


def _application(transfers: Transfers) -> ASGIApp:
    methods = ["GET", "PUT", "POST"]
    paths = (f"{PATH}/{{secret}}", f"{PATH}/{{secret}}/{{name:path}}")
    routes = [Route(path, partial(_serve, transfers), methods=methods) for path in paths]
    return application(routes, dict.fromkeys(STATUS_OF, _of_problem))


def _base_url(config: ServerConfig, port: int) -> BaseUrl:
    """Return the function that says where chargers reach the listener: this machine's address may
    change."""
    return lambda: config.files_url or f"http://{reachable(config.files_address, port)}"


def _ftp_place(config: ServerConfig, port: int) -> BaseUrl:
    """Return the function that says the address and port for FTP: those of this machine, or the
    host of --files-url."""
    host = urlsplit(config.files_url or "").hostname
    return lambda: reachable(host or config.files_address, port)


async def _enforce_retention(
    folder: FileFolder,
    writer: Writer,
    clock: Clock,
    keep: timedelta,
    is_clock_trusted: Callable[[], bool],
) -> None:
    """Delete what chargers sent when it is as old as frames may become."""
    while True:
        if is_clock_trusted():
            with surviving("old files could not be deleted"):
                now = clock()
                for name in await writer.run(writes.expire, stamp(now), stamp(now - keep)):
                    with surviving("an old file could not be deleted", file=name):
                        await folder.remove([name])
        await trio.sleep(RETENTION_LOOK_SECONDS)
