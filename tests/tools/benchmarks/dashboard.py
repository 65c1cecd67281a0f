"""What the dashboard costs: `python -m tests.tools.benchmarks.dashboard`, all on 127.0.0.1.

Twenty chargers that charge, on a database of a year. Each page is asked for one after the other and
compared with a bare Starlette route in the same run; a browser (see tests/browser/measures.py) says
what its first page loads and how long a fact takes to be seen; and chargers talk while many readers
follow the page, one of which does not read.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Final, NamedTuple
from unittest import mock
from urllib.parse import urlencode

import trio

from levity_trio.billing.months import Month
from levity_trio.client import Api, Sought
from levity_trio.server import KEPT_READERS
from levity_trio.store.engine.file_store import open_database
from levity_trio.store.reads.reader import Reader
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.dashboard.page import DashboardPage
from levity_trio.web.dashboard.pages import PAGES, now
from levity_trio.web.http.negotiation import GZIP_LEVEL
from levity_trio.wire.times import stamp
from tests.browser.pages import fill_in
from tests.browser.player import player
from tests.integration.serving import query, wait_for_power
from tests.ports import free_port
from tests.store.books import Books
from tests.web.api.conftest import Site as InProcess
from tests.web.dashboard.opening import Opening

from .api import HOST, MS, _bare, _p99
from .api_chargers import READY
from .dashboard_chargers import identity
from .filled_bills import Site, fill
from .machine import describe
from .process import PYTHON, ROOT, Server, _environment, running
from .report import table

CHARGERS: Final = 20
FEEDER: Final = {"amperes": 200, "house": "none", "most": 16}
"""More than their safe limits together, and less than they can draw."""
PACE_SECONDS: Final = 0.1
READERS: Final = 50
WARM: Final = 5
PATIENCE: Final = 120.0
PICTURE_MS, NOW_TIMES, POWER_MB = 50, 1.3, 5
PICTURED: Final = 7_000
"""Sessions of a year, if pictures alone are measured."""
POWER_SIZE: Final = (
    "SELECT (SELECT sum(pgsize) FROM dbstat "
    "WHERE name IN ('power', 'power_of_day')), count(DISTINCT tx_id) "
    "FROM power"
)
FIRST_KB, PAGE_KB, NOW_MS, PAGE_MS, PIXEL_MS, ANSWER_MS, ANSWER_TIMES, RESIDENT_MB = (
    100,
    25,
    50,
    150,
    300,
    25,
    2,
    80,
)
GROWN_MIB: Final = 16
MAILS, TIMES, ROUNDS = 500, 1.05, 5
RECIPIENT: Final = (
    "INSERT INTO recipient (id, who, mail, kinds, away_minutes, with_names, gets_statements, "
    "added_at, added_by) "
    "VALUES (1, 'owner', 'owner@example.org', '[]', 10, 0, 0, ?, 'bench')"
)
MAIL: Final = (
    "INSERT INTO message (message_id, recipient_id, channel, part, kind, subject, body, "
    "created_at, not_before, next_at) "
    "VALUES (?, 1, 'mail', 'note', 'report', 'A report', 'Somebody reports something.', ?, ?, ?)"
)
IDLE_SECONDS: Final = 0.02
"""Until the server waits again: the time of a thread is counted up when it stops."""
DEAF_SECONDS: Final = 10.0
HEAD: Final = ("", "at most", "measured", "")
OF_OPERATORS: Final = [page for page in PAGES if page.role > Role.DRIVER]
NO_HEADERS: Final[Mapping[str, str]] = {}
BROWSER: Final = {"Accept-Encoding": "gzip, deflate, br, zstd", "Accept": "text/html"}


class Figure(NamedTuple):
    """A line of the table; without a limit there is no goal."""

    what: str
    limit: str
    measured: str
    is_met: bool = True


@dataclass(frozen=True)
class Run:
    """A server with its chargers, and how much is measured."""

    server: Server
    web: int
    database: Path
    folder: Path
    begun: date
    rounds: int
    seconds: float

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.web}"


# Processes


@contextmanager
def site(
    folder: Path, database: Path, chargers: int = CHARGERS, *flags: str
) -> Iterator[tuple[Server, int]]:
    """Yield a server whose chargers charge, and its port for people."""
    web = free_port()
    settings = ("--api-port", str(web), "--time-zone", "Europe/Berlin", *flags)
    with (
        running("serve", CHARGERS, folder, settings, database) as server,
        _chargers(server.port, chargers, 0.0),
    ):
        yield server, web


@contextmanager
def _chargers(port: int, count: int, pace: float) -> Iterator[Callable[[], list[float]]]:
    """Connect chargers that charge; the function that is yielded ends them and returns how long
    their answers took."""
    words = [*PYTHON, "tests.tools.benchmarks.dashboard_chargers", str(port), str(count), str(pace)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        words, cwd=ROOT, env=_environment(), stdin=pipe, stdout=pipe, text=True
    )

    def end() -> list[float]:
        told, _ = process.communicate()
        seconds: list[float] = json.loads(told)
        return seconds

    assert process.stdout is not None
    assert process.stdout.readline() == READY
    try:
        yield end
    finally:
        if process.poll() is None:
            end()


# Pages


def of_first_page(run: Run) -> Iterator[Figure]:
    with player(_new(run.folder, "first")) as browser:
        loaded: list[tuple[str, int]] = browser.play("measures.first_page", f"{run.url}/")
    total = sum(size for _, size in loaded)
    each = ", ".join(f"{_kind(url)} {size / 1000:.1f}" for url, size in loaded)
    words = f"{total / 1000:.1f} kB ({each})"
    yield Figure(
        "first page, nothing in the cache", f"{FIRST_KB} kB", words, 0 < total < 1000 * FIRST_KB
    )


def _kind(url: str) -> str:
    name = url.rpartition("/")[2]
    return name.rpartition(".")[2] or "page"


def of_pages(run: Run) -> Iterator[Figure]:
    """Yield the CPU of each page, and of a bare route."""
    with _bare(run.folder) as bare:
        route = statistics.median(_costs(bare, bare.port, "POST", "/operation", run.rounds)[0])
    yield Figure("CPU of a bare route", "", f"{route * MS:.2f} ms")
    shown = _shown(run)
    for page in OF_OPERATORS:
        costs, size = _costs(run.server, run.web, "GET", fill_in(page.path, shown), run.rounds)
        limit = NOW_MS if page.path == "/" else PAGE_MS
        yield _figure(
            page, costs, size, limit, f", {statistics.median(costs) / route:.0f} x the bare route"
        )


def of_drivers(run: Run) -> Iterator[Figure]:
    """Yield the CPU of each page of a driver. This comes last: from the first user on everybody
    must log in."""
    api = Api(f"unix:{run.database}.sock", Sought("server", ""))
    password = token_hex()
    api.ask(
        "POST",
        "admin",
        "users",
        given={"name": "Anna", "role": "driver", "account": 1, "password": password},
    )
    cookie = _logged_in(run, name="Anna", password=password)
    ((own,),) = query(
        run.database, "SELECT max(id) FROM tx WHERE id_tag = 'TAG-1' AND stop_time IS NOT NULL"
    )
    shown = {
        "/d/at/{charger}": f"/d/at/{identity(0)}",
        "/d/at/{charger}/{connector}": f"/d/at/{identity(0)}/1",
        "/d/sessions/{id}": f"/d/sessions/{own}",
        "cars": _car(api, "Estate"),
        "/help/{topic:path}": "/help/drivers/what-i-pay",
    }
    for page in PAGES:
        if page not in OF_OPERATORS:
            path = fill_in(page.path, shown)
            costs, size = _costs(run.server, run.web, "GET", path, run.rounds, {"Cookie": cookie})
            yield _figure(page, costs, size, PAGE_MS)


def _figure(
    page: DashboardPage, costs: list[float], size: int, limit: int, more: str = ""
) -> Figure:
    cost, kilobytes = statistics.median(costs) * MS, size / 1000
    words = f"{cost:.1f} ms (slowest {max(costs) * MS:.0f}){more}; {kilobytes:.1f} kB"
    is_met = cost < limit and kilobytes <= PAGE_KB
    return Figure(f"{page.title} ({page.path})", f"{limit} ms of CPU, {PAGE_KB} kB", words, is_met)


def _logged_in(run: Run, **given: str) -> str:
    """Log in, and return the cookie."""
    with closing(http.client.HTTPConnection(HOST, run.web, timeout=60)) as connection:
        connection.request("GET", "/login")
        form = connection.getresponse()
        cookie, content = str(form.headers["set-cookie"]).partition(";")[0], form.read().decode()
        value = content.partition('name="form-value" value="')[2].partition('"')[0]
        kind = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/login", urlencode({"form-value": value, **given}), kind)
        answer = connection.getresponse()
        assert answer.status == 303, answer.status
        return str(answer.headers["set-cookie"]).partition(";")[0]


def _costs(
    server: Server,
    port: int,
    method: str,
    path: str,
    rounds: int,
    headers: Mapping[str, str] = NO_HEADERS,
) -> tuple[list[float], int]:
    """Return the CPU seconds of requests, one after the other, after some for the caches; and the
    last answer's bytes on the wire, compressed."""
    found, size = [], 0
    with closing(http.client.HTTPConnection(HOST, port, timeout=60)) as connection:
        warm = min(WARM, rounds)
        for _ in range(warm + rounds):
            before = server.cpu().total
            connection.request(
                method, path, b"{}" if method == "POST" else None, {**BROWSER, **headers}
            )
            answer = connection.getresponse()
            size = len(answer.read())
            assert answer.status == 200, (path, answer.status)
            time.sleep(IDLE_SECONDS)
            found.append(server.cpu().total - before)
    return found[warm:], size


def _shown(run: Run) -> dict[str, object]:
    """Do what pages show one of; return what stands in their paths (see tests/browser/pages.py)."""
    api = Api(f"unix:{run.database}.sock", Sought("server", ""))
    ask = partial(api.ask, patience=PATIENCE)
    first = Month.of(run.begun)
    ask("POST", "admin", "closings", str(first), given={})
    ask("PUT", "admin", "load", "site", given={"feeder": FEEDER})
    while not query(run.database, "SELECT 1 FROM load_state"):
        time.sleep(0.1)
    ((transaction,),) = query(run.database, "SELECT max(id) FROM tx")
    drafted = f"/bills/{first.next}"
    draft = ask("GET", "admin", "drafts", str(first.next))["data"][0]["id"]
    return {
        "chargers": identity(0),
        "transactions": transaction,
        "sessions": transaction,
        "bills": first,
        "year": first.year,
        "accounts": 1,
        "cars": _car(api, "Van"),
        "tariffs": 1,
        "tags": "TAG-1",
        **dict.fromkeys(("why", "try"), identity(0)),
        "statements": ask("GET", "admin", "statements")["data"][0]["number"],
        "commands": ask("POST", "admin", "chargers", identity(0), "clear-cache", given={})["id"],
        "meters": ask("POST", "admin", "meters", given={"name": "House", "class_percent": 1.0})[
            "id"
        ],
        "series": ask("POST", "admin", "series", given={"name": "Market", "currency": "EUR"})["id"],
        "/review/{charger}/{cause}": f"/review/{identity(0)}/too_fast",
        "/bills/{month}/papers": f"{drafted}/papers",
        "/bills/{month}/draft/{number}": f"{drafted}/draft/{draft}",
    }


def _car(api: Api, name: str) -> object:
    """Give the first household a car; return its id."""
    return api.ask(
        "POST", "admin", "vehicles", given={"name": name, "account": 1}, patience=PATIENCE
    )["id"]


# Pictures


def of_pictures(run: Run) -> Iterator[Figure]:
    """Yield the CPU of pages with pictures of a year, and what the pictures of the first page add
    to it."""
    wait_for_power(run.database, 10 * PATIENCE)
    year = f"from={run.begun}"
    api = Api(f"unix:{run.database}.sock", Sought("server", ""))
    asked = {"by": "month", "costs": "true", "from": str(run.begun)}
    while api.ask("GET", "history", query=asked, patience=PATIENCE)["left"]:
        pass  # the first look at costs takes longer: it prices each session
    for what, path in {
        "History of a year, by household": f"/history?by=month&of=account&{year}",
        "the same with costs": f"/history?by=month&of=account&show=both&{year}",
        "History of a year, by charger and day": f"/history?of=charger&{year}",
        "History of a year, by the hour of the week": f"/history?by=hour&{year}",
        "the month of a charger": f"/chargers/{identity(0)}/use",
        "the year of a household": "/accounts/1",
    }.items():
        costs, size = _costs(run.server, run.web, "GET", path, run.rounds)
        cost = statistics.median(costs) * MS
        yield Figure(
            f"CPU of {what}",
            f"{PICTURE_MS} ms",
            f"{cost:.1f} ms, {size / 1000:.1f} kB",
            cost <= PICTURE_MS,
        )
    ((size, sessions),) = query(run.database, POWER_SIZE)
    words = f"{size / 1e6:.2f} MB for {sessions} sessions"
    yield Figure("the power of a year on disk", f"{POWER_MB} MB", words, size <= 1e6 * POWER_MB)
    yield from _of_now(run)


def _of_now(run: Run) -> Iterator[Figure]:
    """Yield what the pictures add to the first page: in this process, on a copy of the database."""
    copied = _new(run.folder, "now") / "site.db"
    with closing(sqlite3.connect(run.database)) as there, closing(sqlite3.connect(copied)) as here:
        there.backup(here)
    costs: dict[bool, list[float]] = {True: [], False: []}
    sizes: dict[bool, int] = {}
    with open_database(copied) as connection:
        inside = InProcess(Books(connection), copied, copied)
        vars(inside.api)["reader"] = Reader(copied, KEPT_READERS)
        opening, (page,) = Opening(inside), now.PAGES
        for number in range(2 * (WARM + run.rounds)):
            has_pictures = number % 2 == 0
            with mock.patch.object(now, "_pictures", now._pictures if has_pictures else _nothing):
                before = time.process_time()
                sizes[has_pictures] = len(
                    gzip.compress(trio.run(opening.html, page).encode(), GZIP_LEVEL)
                )
                costs[has_pictures].append(time.process_time() - before)
    cost, without = (statistics.median(costs[one][WARM:]) * MS for one in (True, False))
    words = f"{cost / without:.2f} x ({cost:.1f} ms, {without:.1f} without)"
    yield Figure(
        "CPU of Now with its pictures", f"{NOW_TIMES} x", words, cost <= NOW_TIMES * without
    )
    words = f"{sizes[True] / 1000:.1f} kB, {sizes[False] / 1000:.1f} without"
    yield Figure("Now, compressed", f"{PAGE_KB} kB", words, sizes[True] <= 1000 * PAGE_KB)


def _nothing(*_given: object) -> list[object]:
    return []


# From a fact to the pixel


def of_pixel(run: Run) -> Iterator[Figure]:
    with player(_new(run.folder, "pixel")) as browser:
        given = (f"{run.url}/", run.server.port, identity(CHARGERS), run.rounds)
        seconds = sorted(browser.play("measures.fact_to_pixel", *given))
    p95 = seconds[min(len(seconds) - 1, int(0.95 * len(seconds)))]
    words = f"p50 {statistics.median(seconds) * MS:.0f} ms, p95 {p95 * MS:.0f} ms of {len(seconds)}"
    yield Figure(
        "from a charger's status to the frame that shows it",
        f"p95 {PIXEL_MS} ms",
        words,
        p95 * MS < PIXEL_MS,
    )


# Readers


class Talk(NamedTuple):
    """How chargers were answered: milliseconds, and facts a second."""

    p99: float
    facts: float


class Readers:
    """Streams of the page: how many bytes and patches all have read, and whether the deaf one was
    cut off."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.bytes = 0
        self.patches = 0
        self.lost = 0

    async def follow(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as readers:
                for _ in range(READERS):
                    readers.start_soon(self._read)

    async def _read(self) -> None:
        stream = await trio.open_tcp_stream(HOST, self._port)
        await stream.send_all(b"GET /live/ HTTP/1.1\r\nhost: localhost\r\n\r\n")
        while received := await stream.receive_some(65536):
            self.bytes += len(received)
            self.patches += received.count(b"event: parts")
        self.lost += 1


def of_readers(run: Run) -> Iterator[Figure]:
    """Yield what readers of the page cost the chargers that talk."""
    alone = _talk(run.server, run.seconds)
    readers, before = Readers(run.web), run.server.resident_mib()
    with _deaf(run.web) as deaf, _sampled(run.server) as sizes:
        beside = _talk(run.server, run.seconds, lambda: trio.run(readers.follow, run.seconds))
        is_cut_off = _is_cut_off(deaf)
    ratio = beside.p99 / alone.p99
    words = (
        f"p99 {beside.p99:.1f} ms, {ratio:.1f} x without ({alone.p99:.1f} ms); {beside.facts:.0f} "
        "facts/s"
    )
    is_met = ratio <= ANSWER_TIMES or beside.p99 < ANSWER_MS
    limit = f"{ANSWER_TIMES} x or {ANSWER_MS} ms"
    yield Figure(f"answers to {CHARGERS} chargers, {READERS} readers", limit, words, is_met)
    each = readers.patches / READERS / run.seconds
    size = readers.bytes / max(1, readers.patches) / 1000
    words = f"{each:.1f} a second of {size:.1f} kB; {readers.lost} lost their stream"
    yield Figure(
        "patches to each reader", "4 a second", words, 0 < each <= 4.5 and not readers.lost
    )
    grown = max(sizes) - before
    yield Figure(
        "memory that they take",
        f"{GROWN_MIB} MiB",
        f"{grown:.1f} MiB of {before:.0f}",
        grown < GROWN_MIB,
    )
    yield Figure(
        "a reader that does not read is cut off", "", "yes" if is_cut_off else "no", is_cut_off
    )


def of_log_ins(run: Run) -> Iterator[Figure]:
    """Yield what a flood of wrong passwords costs the chargers that talk."""
    alone = _talk(run.server, run.seconds)
    told: dict[str, int] = {}
    beside = _talk(run.server, run.seconds, lambda: told.update(_flood(run)))
    words = f"p99 {beside.p99:.1f} ms ({alone.p99:.1f} ms without); {beside.facts:.0f} facts/s"
    yield Figure(
        "answers to chargers, a flood of log-ins", f"{ANSWER_MS} ms", words, beside.p99 < ANSWER_MS
    )
    answers = ", ".join(f"{count} {status}" for status, count in told.items())
    yield Figure(
        "what the strangers were answered",
        "",
        f"{sum(told.values()) / run.seconds:.0f}/s: {answers}",
    )


def _flood(run: Run) -> dict[str, int]:
    words = [*PYTHON, "tests.tools.benchmarks.dashboard_flood", str(run.web), str(run.seconds)]
    done = subprocess.run(words, cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, check=True)
    counted: dict[str, int] = json.loads(done.stdout)
    return counted


def _talk(server: Server, seconds: float, meanwhile: Callable[[], object] | None = None) -> Talk:
    """Let chargers talk for so long, or meanwhile. They replace those that only charge."""
    with _chargers(server.port, CHARGERS, PACE_SECONDS) as end:
        began = time.perf_counter()
        meanwhile() if meanwhile else time.sleep(seconds)
        elapsed = time.perf_counter() - began
        answers = end()
    return Talk(_p99(answers) * MS, len(answers) / elapsed)


@contextmanager
def _deaf(port: int) -> Iterator[socket.socket]:
    """Yield a stream that nobody reads, with the smallest buffer."""
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        deaf.connect((HOST, port))
        deaf.sendall(b"GET /live/ HTTP/1.1\r\nhost: localhost\r\n\r\n")
        yield deaf


def _is_cut_off(deaf: socket.socket) -> bool:
    """Whether nothing comes any more after what was under way."""
    deaf.settimeout(DEAF_SECONDS)
    until = time.monotonic() + DEAF_SECONDS
    try:
        while time.monotonic() < until:
            if not deaf.recv(65536):
                return True
    except ConnectionError:
        return True
    except TimeoutError:
        pass
    return False


@contextmanager
def _sampled(server: Server) -> Iterator[list[float]]:
    """Yield the sizes of the server, in MiB, in each half second of the block."""
    sizes, ended = [server.resident_mib()], threading.Event()

    def sample() -> None:
        while not ended.wait(0.5):
            sizes.append(server.resident_mib())

    sampling = threading.Thread(target=sample)
    sampling.start()
    try:
        yield sizes
    finally:
        ended.set()
        sampling.join()


# Memory


def of_memory(folder: Path) -> Iterator[Figure]:
    """Yield the memory of a small site: 20 chargers, a new database, no metrics."""
    sizes = {}
    for name, flags in (("without", ("--no-dashboard",)), ("unused", ()), ("used", ())):
        with site(folder, folder / f"{name}.db", CHARGERS, *flags) as (server, web):
            if name == "used":
                for page in OF_OPERATORS:
                    if "{" not in page.path:
                        _costs(server, web, "GET", page.path, 1)
            sizes[name] = server.resident_mib()
    words = (
        f"{sizes['used']:.0f} MB after each page, {sizes['unused']:.0f} before, "
        f"{sizes['without']:.0f} without it"
    )
    yield Figure(
        f"memory with {CHARGERS} chargers", f"{RESIDENT_MB} MB", words, sizes["used"] <= RESIDENT_MB
    )


# Messages to people


def of_messages(folder: Path, rounds: int, seconds: float) -> Iterator[Figure]:
    """Yield what 500 mails cost the chargers that talk, while they wait for a server that accepts
    and is silent."""
    with socket.create_server((HOST, 0)) as silent:
        waiting = ("--mail", f"smtp://site@{HOST}:{silent.getsockname()[1]}")
        with _talking(folder, "none") as none, _talking(folder, "waiting", *waiting) as held_up:
            figure = _beside(f"{MAILS} mails wait", none, held_up, rounds, seconds)
        ((tried,),) = query(folder / "waiting.db", "SELECT sum(attempts) FROM message")
    yield figure._replace(is_met=figure.is_met and tried > 0)


def of_shadow(folder: Path, rounds: int, seconds: float) -> Iterator[Figure]:
    """Yield what load management costs the chargers that talk, in shadow and when it limits
    them."""
    with _talking(folder, "alone") as alone, _talking(folder, "shadow") as shadow:
        api = Api(f"unix:{folder / 'shadow.db'}.sock", Sought("server", ""))
        api.ask("PUT", "admin", "load", "site", given={"feeder": FEEDER})
        figure = _beside("load in shadow", alone, shadow, rounds, seconds)
        api.ask("POST", "admin", "load", "chargers", given={})
        limited = _beside("load with limits", alone, shadow, rounds, seconds)
    decided = query(folder / "shadow.db", "SELECT 1 FROM load_state WHERE shown LIKE '%limit_a%'")
    leases = query(folder / "shadow.db", "SELECT 1 FROM load_lease")
    yield figure._replace(is_met=figure.is_met and bool(decided))
    yield limited._replace(is_met=limited.is_met and bool(leases))


def _beside(what: str, alone: Server, beside: Server, rounds: int, seconds: float) -> Figure:
    """Compare the answers of two servers, in turns."""
    talks = [(_talk(alone, seconds).p99, _talk(beside, seconds).p99) for _ in range(rounds)]
    ratio = statistics.median(other / one for one, other in talks)
    without, with_it = (statistics.median(some) for some in zip(*talks, strict=True))
    spread = ", ".join(f"{other / one:.2f}" for one, other in talks)
    words = f"{ratio:.2f} x (p99 {with_it:.1f} ms, {without:.1f} without; rounds {spread})"
    return Figure(f"answers to {CHARGERS} chargers, {what}", f"{TIMES} x", words, ratio <= TIMES)


@contextmanager
def _talking(folder: Path, name: str, *flags: str) -> Iterator[Server]:
    """Yield a server of a small site with an owner to whom mails wait."""
    database = folder / f"{name}.db"
    with open_database(database) as connection:
        at = stamp(datetime.now(UTC))
        connection.execute(RECIPIENT, (at,))
        for number in range(MAILS):
            connection.execute(MAIL, (str(number), at, at, at))
    with running("serve", CHARGERS, folder, flags, database) as server:
        yield server


# The bench


def a_year(small: bool, most: int = 15_000) -> Site:
    """Return a year of 20 chargers, up to now, with so many sessions."""
    now = datetime.now(UTC)
    begun = (now - timedelta(days=40 if small else 366)).date().replace(day=1)
    months = (now.year - begun.year) * 12 + now.month - begun.month + 1
    sessions = 300 if small else most
    return Site(40, CHARGERS, sessions, 48, 5, months, begun, now - timedelta(minutes=15))


def _new(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


PARTS: Final[dict[str, Callable[[Run], Iterator[Figure]]]] = {
    "first": of_first_page,
    "pages": of_pages,
    "pictures": of_pictures,
    "pixel": of_pixel,
    "readers": of_readers,
    "log-ins": of_log_ins,
    "drivers": of_drivers,
}


def main() -> int:
    """Measure, print a table, and return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.benchmarks.dashboard", description=__doc__
    )
    parser.add_argument("--small", action="store_true", help="six weeks and few rounds, to try it")
    parser.add_argument("--only", choices=(*PARTS, "memory", "messages", "shadow"), help="one part")
    arguments = parser.parse_args()
    rounds, seconds = (1, 1.0) if arguments.small else (50, 20.0)
    chosen = [part for name, part in PARTS.items() if arguments.only in (None, name)]
    with tempfile.TemporaryDirectory(prefix="levity-dashboard-") as name:
        folder, database = Path(name), Path(name, "year.db")
        print(describe(folder).line(), file=sys.stderr, flush=True)
        figures: list[Figure] = []
        if chosen:
            filled = a_year(arguments.small, PICTURED if arguments.only == "pictures" else 15_000)
            fill(database, filled)
            with site(folder, database) as (server, web):
                run = Run(server, web, database, folder, filled.begun, rounds, seconds)
                figures += [figure for part in chosen for figure in part(run)]
        if arguments.only in (None, "memory"):
            figures += of_memory(folder)
        if arguments.only in (None, "messages"):
            figures += of_messages(folder, 1 if arguments.small else ROUNDS, seconds)
        if arguments.only in (None, "shadow"):
            figures += of_shadow(folder, 1 if arguments.small else ROUNDS, seconds)
    print(table(HEAD, [(*one[:3], "ok" if one.is_met else "MISSED") for one in figures]))
    return 0 if all(one.is_met for one in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
