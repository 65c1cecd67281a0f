"""SIGHUP: a closed terminal is a stop in order, nohup is obeyed, and a service goes on."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .charger import Charger
from .serving import PROGRAM, serving

IN_A_TERMINAL = """
import os, sys
os.setsid()
os.open(sys.argv[1], os.O_RDWR)  # the first that the leader of a session opens is its own
os.execvp(sys.argv[2], sys.argv[2:])
"""
IGNORED = "SIGHUP ignored; restart the server to change its settings"


class Terminal:
    """A terminal for one program. `close` is what closing its window does."""

    def __init__(self) -> None:
        self._window, self._inside = os.openpty()
        self._is_open = True
        self.starts = (sys.executable, "-c", IN_A_TERMINAL, os.ttyname(self._inside))

    def close(self) -> None:
        if self._is_open:
            os.close(self._inside)
            os.close(self._window)
        self._is_open = False


@contextmanager
def terminal() -> Iterator[Terminal]:
    opened = Terminal()
    try:
        yield opened
    finally:
        opened.close()


def test_a_closed_terminal_is_a_stop_in_order(tmp_path: Path) -> None:
    database = tmp_path / "levity.db"
    with (
        terminal() as window,
        serving(
            database, program=(*window.starts, "env", "--default-signal=HUP", *PROGRAM)
        ) as server,
        Charger(server.port, "CP-1") as charger,
    ):
        charger.boot()
        window.close()
        server.signal(signal.SIGHUP)  # the shell's, beside the kernel's
        assert charger.wait_closed().code == 1001
        assert server.wait() == 0
        assert server.find("stopping")[0]["signal"] == "SIGHUP"
        assert not database.with_name("levity.db-wal").exists()
        assert server.query("SELECT clean FROM run") == [(1,)]


def test_under_nohup_it_goes_on(tmp_path: Path) -> None:
    with (
        terminal() as window,
        serving(
            tmp_path / "levity.db", program=(*window.starts, "env", "--ignore-signal=HUP", *PROGRAM)
        ) as server,
        Charger(server.port, "CP-1") as charger,
    ):
        window.close()
        server.signal(signal.SIGHUP)
        charger.boot()
        assert not server.find("stopping")
        assert not server.find(IGNORED)


def test_without_a_terminal_it_is_ignored_with_a_line(tmp_path: Path) -> None:
    with (
        serving(
            tmp_path / "levity.db", program=("setsid", "env", "--default-signal=HUP", *PROGRAM)
        ) as server,
        Charger(server.port, "CP-1") as charger,
    ):
        for _ in range(2):
            server.signal(signal.SIGHUP)
            server.wait_line(IGNORED)
        charger.boot()
