"""File transfers over HTTP, against a server of the standard library on a real socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import trio
from structlog.typing import EventDict

from levity_trio.simulator.charger.state import Download, Upload
from levity_trio.simulator.transfers import carry

FIRMWARE = bytes(range(256)) * 100
PATIENCE_SECONDS = 30.0


class Files(BaseHTTPRequestHandler):
    """Serves /firmware.bin and /cut.bin, stores uploads below /put, and blocks at /wait until the
    test ends."""

    taken: dict[str, bytes]
    over: threading.Event

    def do_GET(self) -> None:
        if self.path == "/wait":
            self.over.wait(PATIENCE_SECONDS)
        if self.path in ("/firmware.bin", "/cut.bin"):
            self._answer(200, FIRMWARE, cut=self.path == "/cut.bin")
        else:
            self._answer(404, b"not here")

    def do_PUT(self) -> None:
        self.taken[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(201 if self.path.startswith("/put") else 403, b"")

    def _answer(self, status: int, content: bytes, *, cut: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:-1] if cut else content)
        self.close_connection = True

    def log_message(self, *arguments: Any) -> None:
        """Log nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    Files.taken, Files.over = {}, threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        Files.over.set()
        server.shutdown()
        thread.join()


async def fetched(url: str) -> bytes | None:
    with trio.fail_after(PATIENCE_SECONDS):
        return await carry(Download(url, _never))


async def put(url: str, name: str = "log.txt") -> bytes | None:
    with trio.fail_after(PATIENCE_SECONDS):
        return await carry(Upload(url, name, b"content", _never))


def _never(content: bytes | None, at: float) -> None:
    raise AssertionError((content, at))  # only the requester gets it


async def test_a_file_is_fetched(url: str) -> None:
    assert await fetched(f"{url}/firmware.bin") == FIRMWARE


@pytest.mark.parametrize(
    ("place", "name", "path"),
    [
        pytest.param("/put", "log.txt", "/put/log.txt", id="folder"),
        pytest.param("/put/", "log.txt", "/put/log.txt", id="folder with a slash"),
        pytest.param("/put/log.txt", "log.txt", "/put/log.txt", id="file"),
        pytest.param("/put", "log-CP 1 ü.txt", "/put/log-CP%201%20%C3%BC.txt", id="quoted"),
        pytest.param("/put/other?signature=1", "log.txt", "/put/other?signature=1", id="signed"),
    ],
)
async def test_a_file_is_put(url: str, place: str, name: str, path: str) -> None:
    assert await put(f"{url}{place}", name) == b""
    assert Files.taken == {path: b"content"}


async def test_what_fails_is_none_and_told(url: str, log_lines: list[EventDict]) -> None:
    assert await fetched(f"{url}/missing.bin") is None
    assert await put(f"{url}/elsewhere") is None
    assert [(line["event"], line["log_level"]) for line in log_lines] == [
        ("file transfer failed", "warning")
    ] * 2
    assert "404" in log_lines[0]["error"]


async def test_what_was_cut_off_is_not_taken_for_the_whole(url: str) -> None:
    assert await fetched(f"{url}/cut.bin") is None


async def test_what_is_too_large_is_not_taken(url: str) -> None:
    firmware = Download(f"{url}/firmware.bin", _never)
    assert await carry(firmware, len(FIRMWARE)) == FIRMWARE
    assert await carry(firmware, len(FIRMWARE) - 1) is None


@pytest.mark.parametrize(
    "place",
    [
        pytest.param("ftp://127.0.0.1/firmware.bin", id="ftp"),
        pytest.param("file:///etc/hostname", id="file"),
        pytest.param("firmware.bin", id="none"),
        pytest.param("http://[::1/firmware.bin", id="no address"),
        pytest.param("http://127.0.0.1:port/", id="no port"),
        pytest.param("http://127.0.0.1/a b", id="no path"),
        pytest.param("", id="nothing"),
    ],
)
async def test_a_location_that_is_none(place: str) -> None:
    assert await fetched(place) is None
    assert await put(place) is None


async def test_a_password_in_a_location_is_not_told(log_lines: list[EventDict]) -> None:
    assert await fetched("http://user:secret@127.0.0.1/firmware.bin") is None
    assert "secret" not in str(log_lines)


async def test_nobody_is_there() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # but does not listen
        assert await fetched(f"http://127.0.0.1:{bound.getsockname()[1]}/") is None


async def test_a_simulation_that_ends_does_not_wait_for_it(url: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS / 2), trio.move_on_after(0.2) as end:
        await fetched(f"{url}/wait")
    assert end.cancelled_caught
