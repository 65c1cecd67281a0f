"""The pages at --metrics-port: liveness, readiness, and the pages of plugins."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import cast

import pytest
import trio
from structlog.typing import EventDict

from levity_trio.charger.central import Central
from levity_trio.plugins.base import PluginPage
from levity_trio.web.metrics_port import open_pages
from tests.charger.parts import InlineWriter, configure, make_central
from tests.store.books import in_memory
from tests.web.clients import HOST, Answer, exchange, on_a_free_port, request

READERS = 4
RENDER_SECONDS = 0.02
SLOW_TYPE = "text/x-slow; charset=utf-8"


@pytest.fixture
def central() -> Iterator[Central]:
    with closing(in_memory()) as connection:
        central = make_central(InlineWriter(connection))
        configure(central, metrics_host=HOST)
        yield central


class Slow:
    """A slow page that records how many renderings run at once, and in which thread."""

    def __init__(self) -> None:
        self.prepared = 0
        self.rendering = 0
        self.most = 0
        self.threads: set[int] = set()

    @property
    def page(self) -> PluginPage:
        return PluginPage({SLOW_TYPE: self.render}, self.prepare)

    async def prepare(self) -> None:
        await trio.lowlevel.checkpoint()
        assert threading.current_thread() is threading.main_thread()
        self.prepared += 1

    def render(self) -> bytes:
        self.rendering += 1
        self.most = max(self.most, self.rendering)
        self.threads.add(threading.get_ident())
        threading.Event().wait(RENDER_SECONDS)
        self.rendering -= 1
        return b"rendered\n"


def port(log_lines: list[EventDict]) -> int:
    (line,) = [line for line in log_lines if line["event"] == "serving metrics"]
    return int(line["port"])


async def get(log_lines: list[EventDict], path: str, method: str = "GET", **headers: str) -> Answer:
    return await exchange(port(log_lines), request(method, path, b"", **headers))


async def test_it_lives_and_can_store(central: Central, log_lines: list[EventDict]) -> None:
    async with open_pages(central, await on_a_free_port(), {}):
        for path in ("/healthz", "/readyz"):
            answer = await get(log_lines, path)
            assert (answer.status, answer.headers["content-type"][:10]) == (200, "text/plain")


async def test_not_ready_while_nothing_can_be_committed(
    central: Central, log_lines: list[EventDict]
) -> None:
    writer = cast(InlineWriter, central.writer)
    async with open_pages(central, await on_a_free_port(), {}):
        writer.is_failing = True
        refused = await get(log_lines, "/readyz")
        assert (refused.status, refused.headers["content-type"]) == (
            503,
            "application/problem+json",
        )
        assert "committed" in refused.json()["detail"]
        assert (await get(log_lines, "/healthz")).status == 200
        writer.is_failing = False
        assert (await get(log_lines, "/readyz")).status == 200


async def test_not_ready_with_a_damaged_database(
    central: Central, log_lines: list[EventDict]
) -> None:
    cast(InlineWriter, central.writer).is_damaged = True
    async with open_pages(central, await on_a_free_port(), {}):
        refused = await get(log_lines, "/readyz")
        assert refused.status == 503
        assert "damaged" in refused.json()["detail"]


async def test_not_ready_while_chargers_wait_for_the_clock(
    central: Central, log_lines: list[EventDict]
) -> None:
    central.ready = trio.Event()
    async with open_pages(central, await on_a_free_port(), {}):
        assert (await get(log_lines, "/readyz")).status == 503
        central.ready.set()
        assert (await get(log_lines, "/readyz")).status == 200


async def test_not_ready_while_the_clock_cannot_be_trusted(
    central: Central, log_lines: list[EventDict]
) -> None:
    async with open_pages(central, await on_a_free_port(), {}):
        central.clock_trusted = False
        refused = await get(log_lines, "/readyz")
        assert (refused.status, "cannot be trusted" in refused.json()["detail"]) == (503, True)
        assert (await get(log_lines, "/healthz")).status == 200


async def test_there_are_no_operator_functions(
    central: Central, log_lines: list[EventDict]
) -> None:
    async with open_pages(central, await on_a_free_port(), {}):
        assert (await get(log_lines, "/")).status == 404
        assert (await get(log_lines, "/metrics")).status == 404
        assert (await get(log_lines, "/healthz", "POST")).status == 405


async def test_a_page_is_rendered_in_a_thread_and_never_twice_at_once(
    central: Central, log_lines: list[EventDict]
) -> None:
    slow = Slow()
    async with (
        open_pages(central, await on_a_free_port(), {"/slow": slow.page}),
        trio.open_nursery() as readers,
    ):
        for _ in range(READERS):
            readers.start_soon(_read_slow, log_lines)
    assert (slow.prepared, slow.most) == (READERS, 1)
    assert threading.get_ident() not in slow.threads


async def _read_slow(log_lines: list[EventDict]) -> None:
    answer = await get(log_lines, "/slow")
    assert (answer.status, answer.headers["content-type"]) == (200, SLOW_TYPE)
    assert answer.body == b"rendered\n"


async def test_the_client_chooses_the_format_and_whether_it_is_compressed(
    central: Central, log_lines: list[EventDict]
) -> None:
    page = PluginPage(
        {
            "text/plain; charset=utf-8": lambda: b"plain\n",
            "text/csv; charset=utf-8": lambda: b"a,b\n",
        }
    )
    async with open_pages(central, await on_a_free_port(), {"/two": page}):
        plain = await get(log_lines, "/two")
        csv = await get(log_lines, "/two", accept="text/csv", accept_encoding="gzip, br")
    assert (plain.headers["content-type"], plain.body) == ("text/plain; charset=utf-8", b"plain\n")
    assert "content-encoding" not in plain.headers
    assert (csv.headers["content-type"], csv.headers["content-encoding"]) == (
        "text/csv; charset=utf-8",
        "gzip",
    )
    assert gzip.decompress(csv.body) == b"a,b\n"
    assert csv.headers["vary"] == plain.headers["vary"] == "accept, accept-encoding"


@pytest.mark.logs_errors
async def test_a_page_that_fails_costs_its_own_answer(
    central: Central, log_lines: list[EventDict]
) -> None:
    def fail() -> bytes:
        raise ZeroDivisionError

    async with open_pages(
        central, await on_a_free_port(), {"/fails": PluginPage({"text/plain": fail})}
    ):
        for _ in range(2):
            assert (await get(log_lines, "/fails")).status == 500
        assert (await get(log_lines, "/healthz")).status == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/nowhere"])
async def test_a_page_of_another_site_cannot_read_under_its_own_name(
    central: Central, log_lines: list[EventDict], path: str
) -> None:
    configure(central, api_allowed_hosts=("pi.example", "levity"))
    async with open_pages(central, await on_a_free_port(), {}):
        usual = (await get(log_lines, path)).status
        for host in (
            "evil.example",
            "evil.example:9464",
            "127.0.0.1.evil.example",
            "192.0.2.1",
            "[2001:db8::1]",
        ):
            answer = await get(log_lines, path, host=host)
            assert (answer.status, answer.json()["title"]) == (421, "Misdirected Request"), host
            assert "--api-allowed-hosts" in answer.json()["detail"]
        for host in (
            "localhost",
            "LOCALHOST:9464",
            HOST,
            f"{HOST}:9464",
            "[::1]:1",
            "pi.example:9464",
            "levity",
        ):
            assert (await get(log_lines, path, host=host)).status == usual, host
        old = f"GET {path} HTTP/1.0\r\n\r\n".encode()  # as HAProxy asks
        assert (await exchange(port(log_lines), old)).status == usual
