"""Servers that are forked from a process that has imported the package: its imports are most of what a start costs.

Each is a process of its own, with its own arguments, environment, folder, pipes and signals, and runs the command line
from there on. The process that forks is started with the first of them, has one thread, and ends with this one. What is
about the start itself, or about memory, is spawned instead (serving.PROGRAM).
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TextIO

MOST_BYTES = 1 << 20
IMPORTED = ("levity_trio.cli.serve", "levity_trio.server")


class Forked:
    """A forked process, used as a subprocess.Popen is. Another process waits for it and tells its status by a pipe."""

    def __init__(self, stdout: TextIO, stderr: TextIO, told: TextIO) -> None:
        self._told = told
        self.stdout, self.stderr = stdout, stderr
        self.pid = int(told.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return its exit status (negative: the signal that killed it), or None while it runs."""
        return self._status(0)

    def wait(self, timeout: float | None = None) -> int:
        status = self._status(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("serve", timeout or 0)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _status(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], timeout)[0]:
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode


class _Forker:
    """The process that forks, and the way to ask it."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._asking, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with asked:
            command = [sys.executable, "-m", __name__, str(asked.fileno())]
            self._process = subprocess.Popen(command, cwd=folder, env=environment, pass_fds=[asked.fileno()])

    def ask(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Forked:
        pipes = [os.pipe() for _ in range(3)]
        request = json.dumps([[*arguments], str(folder), dict(environment)]).encode()
        socket.send_fds(self._asking, [request], [write for _, write in pipes])
        for _, write in pipes:
            os.close(write)
        return Forked(*(os.fdopen(read, encoding="utf-8") for read, _ in pipes))

    def close(self) -> None:
        self._asking.close()
        self._process.wait()


_started: list[_Forker] = []
_starting = threading.Lock()


def fork(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Forked:
    """Run the command line in a forked process, in this folder."""
    with _starting:
        if not _started:
            _started.append(_Forker(Path(__file__).parents[2], environment))
            atexit.register(_started[0].close)
    return _started[0].ask(arguments, folder, environment)


def _main() -> int:
    """Fork for each request; in what is forked, run the command line as `python -m levity_trio` does."""
    for module in IMPORTED:
        import_module(module)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that keep a server
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        while True:
            request, pipes, _, _ = socket.recv_fds(asked, MOST_BYTES, 3)
            if not request:
                return 0
            if os.fork() == 0:
                break
            _close(pipes)
    _keep(pipes)
    arguments, folder, environment = json.loads(request)
    _become(folder, environment)
    sys.argv[1:] = arguments
    status: int = import_module("levity_trio.cli").main(arguments)
    return status


def _keep(pipes: list[int]) -> None:
    """Fork the server and return in it. What is left waits for it, and tells its number and its status."""
    output, told = pipes[:2], pipes[2]
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if (pid := os.fork()) == 0:
        for number, pipe in enumerate(output, 1):
            os.dup2(pipe, number)
        _close(pipes)
        return
    _close(output)
    os.write(told, b"%d\n" % pid)
    _, ended = os.waitpid(pid, 0)
    with suppress(BrokenPipeError):  # nobody wants to know
        os.write(told, b"%d\n" % os.waitstatus_to_exitcode(ended))
    os._exit(0)


def _become(folder: str, environment: dict[str, str]) -> None:
    """Stand in this folder, with this environment."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(_main())
