"""A spawned `levity-trio serve`: started without sleeping, read line by line, and held to a clean
log.

It listens on port 0 and logs JSON, so its line `serving` says that it is ready and on which port.
In the end it is stopped by SIGTERM, must end with status 0, and must have logged no error that the
test did not announce.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from tests.integration.forking import PACKAGE, Forked, fork
from tests.store.template import put_new

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-m", "levity_trio")
READY_SECONDS = 60.0
"""For a busy machine: a start takes half a second."""
END_SECONDS = 90.0
ERRORS = ("error", "critical")
LEFT_OUT = ("LEVITY_", "PYTHONDONTWRITEBYTECODE")
"""Without its bytecode, each start would compile the package again, for a third of a second."""

LogLine = dict[str, Any]


def environment() -> dict[str, str]:
    """This process's environment with this checkout's package, and of the settings of the server
    three only: chargers of a test start more often than any does, servers at once cannot share the
    default port of the API, and on a busy machine a stop takes longer than the grace of ten
    seconds."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}
    return {
        **kept,
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        "LEVITY_MAX_STARTS": "1000000000",
        "LEVITY_API_PORT": "0",
        "LEVITY_SHUTDOWN_GRACE": "60",
    }


def environment_of_user() -> dict[str, str]:
    """The same without settings, for what writes them into files."""
    return {name: value for name, value in environment().items() if not name.startswith("LEVITY_")}


class Serving:
    """A server process. `lines` are the log lines so far, `stderr` what it wrote there."""

    def __init__(self, process: subprocess.Popen[str] | Forked, database: Path) -> None:
        self.process = process
        self.database = database
        self.lines: list[LogLine] = []
        self.stderr = ""
        self._news = threading.Condition()
        self._ended = False
        self._pumps = [
            threading.Thread(target=pump, daemon=True) for pump in (self._pump, self._pump_stderr)
        ]
        for pump in self._pumps:
            pump.start()

    @property
    def port(self) -> int:
        """Where it listens; waits until it does."""
        return int(self.wait_line("serving", READY_SECONDS)["port"])

    def wait_line(
        self, event: str, seconds: float = END_SECONDS, charger: str | None = None, **fields: object
    ) -> LogLine:
        """The first log line with this text (of this charger, with these fields), however long ago;
        waits for it.

        Facts are logged after their commit, so that the row is there with the line.
        """
        with self._news:
            self._news.wait_for(lambda: self._ended or self.find(event, charger, **fields), seconds)
        found = self.find(event, charger, **fields)
        assert found, (
            f"no line {event!r}; the log ends with {self.lines[-5:]}, stderr with "
            f"{self.stderr[-2000:]}"
        )
        return found[0]

    def find(self, event: str, charger: str | None = None, **fields: object) -> list[LogLine]:
        """The log lines with this text (of this charger, with these fields), so far."""
        wanted = {"event": event, **({"cp": charger} if charger else {}), **fields}
        return [line for line in self.lines if wanted.items() <= line.items()]

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self, seconds: float = END_SECONDS) -> int:
        """Wait for its end and give its exit status (negative: the signal that killed it)."""
        status = self.process.wait(seconds)
        for pump in self._pumps:
            pump.join(END_SECONDS)
        return status

    def kill(self) -> None:
        """End it as a power cut would."""
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> float:
        """SIGTERM; it must end with status 0. Gives the seconds it took."""
        began = time.monotonic()
        self.signal(signal.SIGTERM)
        status = self.wait()
        assert status == 0, f"status {status}: {self.lines[-5:]} {self.stderr[-2000:]}"
        return time.monotonic() - began

    def errors(self) -> list[LogLine]:
        """The log lines that report what must not happen; a charger may well be faulted."""
        return [
            line
            for line in self.lines
            if line["level"] in ERRORS and line["event"] != "StatusChanged"
        ]

    def query(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows of a read from outside, as any other process may do at any time."""
        return query(self.database, sql, *parameters)

    def _pump(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _pump_stderr(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.stderr += line


def query(database: Path, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Rows of a database, read without changing it."""
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(sql, parameters).fetchall()


POWER_LEFT: Final = (
    "SELECT (SELECT max(revision) FROM bill_work WHERE tx_id IS NOT NULL)"
    " > (SELECT coalesce(max(revision), 0) FROM power_work)"
)


def wait_for_power(database: Path, seconds: float) -> None:
    """Wait until the server has computed the power of all sessions, but no longer than so many
    seconds."""
    until = time.monotonic() + seconds
    while query(database, POWER_LEFT)[0][0] and time.monotonic() < until:
        time.sleep(0.05)


def _spawned(command: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=pipe, stderr=pipe, text=True
    )


@contextmanager
def serving(
    database: Path,
    *flags: str,
    program: Sequence[str] | None = None,
    module: str = PACKAGE,
    may_log_errors: bool = False,
) -> Iterator[Serving]:
    """A server on this database, ready; a test may end it before the block is left, in any way.

    Its working directory is that of the database. `program` is what is started before `serve`;
    without one the module is forked from a process that has imported the package, which spares a
    second of each start; and a database that is missing is a copy of a new one, which spares a
    tenth.
    """
    settings = ("--host", "127.0.0.1", "--port", "0", "--db", str(database), "--log-format", "json")
    arguments = ("serve", *settings, *flags)
    if program is None and not database.exists() and {"--db", "--clock-speed"}.isdisjoint(flags):
        put_new(database)
    process = (
        _spawned([*program, *arguments], database.parent)
        if program
        else fork(arguments, database.parent, environment(), module)
    )
    try:
        server = Serving(process, database)
        assert server.port
        yield server
        if process.poll() is None:
            server.stop()
        assert not server.stderr, server.stderr
        assert may_log_errors or not (errors := server.errors()), errors
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()
