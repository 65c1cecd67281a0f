"""Programs that are forked from a process that has imported the package: its imports are most of
what a start costs.

Each is a process of its own, with its own arguments, environment, folder, output and signals, and
runs its module as `python -m` does. The process that forks is started with the first of them, has
one thread, and ends with this one. What is about the start itself, or about memory, is spawned
instead (serving.PROGRAM).
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
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from runpy import run_module
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, TextIO

from starlette import routing

from tests import spent

MOST_BYTES = 1 << 20
PACKAGE = "levity_trio"
IMPORTED = (
    *(
        "cli.serve",
        "server",
        "web.services",
        "web.dashboard.mount",
        "web.dashboard.site",
        "store.postgresql.schema",
    ),
    *(
        "plugins.auto_remote_start",
        "plugins.fluentd",
        "plugins.orphaned_transactions",
        "plugins.prometheus",
    ),
)
"""What a server imports, some of it only when it is needed."""
LENT = "TESTS_LENT_FORKER"
"""The setting that tells a forked program the number of the socket by which it can have others
forked."""


class Child:
    """A forked process, used as a subprocess.Popen is. Another process waits for it and tells its
    status by a pipe."""

    def __init__(self, told: TextIO) -> None:
        self._told = told
        self.pid = int(told.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return its exit status (negative: the signal that killed it), or None while it runs."""
        return self._status(0)

    def wait(self, timeout: float | None = None) -> int:
        status = self._status(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("a forked process", timeout or 0)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _status(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], timeout)[0]:
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode


class Forked(Child):
    """One whose output can be read."""

    def __init__(self, stdout: TextIO, stderr: TextIO, told: TextIO) -> None:
        super().__init__(told)
        self.stdout, self.stderr = stdout, stderr


class _Forker:
    """The way to ask the process that forks, which is started here, or was lent by who started this
    process."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        if LENT in os.environ:
            self.asking = socket.socket(fileno=int(os.environ[LENT]))
            return
        self.asking, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with asked:
            command = [sys.executable, "-m", __name__, str(asked.fileno())]
            self._process = subprocess.Popen(
                command, cwd=folder, env=environment, pass_fds=[asked.fileno()]
            )

    def tell_spent(self) -> None:
        if self._process is not None:
            seconds = spent.of_process(self._process.pid)
            spent.tell(seconds, {**os.environ, spent.RUNNING: "the process that forks programs"})

    def close(self) -> None:
        self.asking.close()
        if self._process is not None:
            self._process.wait()


_started: list[_Forker] = []
_starting = threading.Lock()


def start(environment: Mapping[str, str]) -> None:
    """Start the process that forks, unless it runs. Processes that are forked from this one have it
    in common."""
    with _starting:
        if not _started:
            _started.append(_Forker(Path(__file__).parents[2], environment))
            atexit.register(_started[0].close)


def lent(environment: Mapping[str, str]) -> int:
    """Start that process, too, and return what a program needs as LENT to have others forked."""
    start(environment)
    return _started[0].asking.fileno()


def tell_spent() -> None:
    """Tell the CPU that the process that forks has taken itself."""
    for forker in _started:
        forker.tell_spent()


def fork(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    module: str = PACKAGE,
    *,
    is_lending: bool = False,
) -> Forked:
    """Run a module in a forked process, in this folder; it may have others forked, if this is
    lending."""
    out, err = os.pipe(), os.pipe()
    told = _ask((module, arguments, folder, environment), (out[1], err[1]), is_lending=is_lending)
    for _, write in (out, err):
        os.close(write)
    return Forked(os.fdopen(out[0], encoding="utf-8"), os.fdopen(err[0], encoding="utf-8"), told)


def run_forked(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    seconds: float,
    module: str = PACKAGE,
    *,
    is_lending: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a module in a forked process to its end, as subprocess.run does that captures text."""
    process = fork(arguments, folder, environment, module, is_lending=is_lending)
    with process.stdout as stdout, process.stderr as stderr, ThreadPoolExecutor(2) as readers:
        printed = [readers.submit(output.read) for output in (stdout, stderr)]
        try:
            status = process.wait(seconds)
        finally:
            process.kill()
        return subprocess.CompletedProcess(
            [module, *arguments], status, *(one.result() for one in printed)
        )


def fork_into(
    output: int,
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    module: str = PACKAGE,
) -> Child:
    """Run a module in a forked process, in this folder, with all output into an open file."""
    return Child(_ask((module, arguments, folder, environment), (output, output)))


def _ask(
    what: tuple[str, Sequence[str], Path, Mapping[str, str]],
    output: tuple[int, int],
    *,
    is_lending: bool = False,
) -> TextIO:
    """Ask for a process; return what tells its number, and in the end its status."""
    module, arguments, folder, environment = what
    start(environment)
    asking = _started[0].asking
    request = json.dumps([module, [*arguments], str(folder), dict(environment)]).encode()
    read, write = os.pipe()
    socket.send_fds(asking, [request], [*output, write, *([asking.fileno()] if is_lending else [])])
    os.close(write)
    return os.fdopen(read, encoding="utf-8")


def _main() -> None:
    """Fork for each request; in what is forked, run the module as `python -m` does."""
    for module in IMPORTED:
        import_module(f"{PACKAGE}.{module}")
    _compile()
    _hasten_passwords()
    templates = import_module("tests.templates")
    own = None if templates.FOLDER in os.environ else mkdtemp()
    templates.use(Path(own or os.environ[templates.FOLDER]))
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that keep a process
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        while True:
            request, descriptors, _, _ = socket.recv_fds(asked, MOST_BYTES, 4)
            if not request:
                if own is not None:
                    rmtree(own)
                return
            if os.fork() == 0:
                break
            _close(descriptors)
    module, arguments, folder, environment = json.loads(request)
    _keep(descriptors, environment)
    _become(folder, environment, descriptors[3:])
    sys.argv[1:] = arguments
    try:
        run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise
        _leave(ended.code or 0)


def _compile() -> None:
    """Do what each server does, where the result is kept: compile schemas and the patterns of
    paths, find plug-ins."""
    import_module(f"{PACKAGE}.wire.payloads").prepare()
    import_module(f"{PACKAGE}.plugins.loading")._installed()
    routing.compile_path = compile_path = cache(routing.compile_path)
    site = import_module(f"{PACKAGE}.web.dashboard.site")
    for endpoint in import_module(f"{PACKAGE}.web.api.listeners").ENDPOINTS:
        path = endpoint.path.replace("/{tag}", "/{tag:path}")
        compile_path(path)
        compile_path(f"{site.DO}{endpoint.method.lower()}{path.removeprefix(site.API)}")


def _hasten_passwords() -> None:
    """Let a user's password take no processor: to store one and to compare one take a quarter of a
    second each.

    A program that is spawned takes that time (tests/access/test_user_passwords.py says how long).
    """
    passwords: Any = import_module(f"{PACKAGE}.access.user_passwords")
    passwords.SCRYPT_N, passwords.SCRYPT_P = 2, 1


def _keep(descriptors: list[int], environment: Mapping[str, str]) -> None:
    """Fork the process and return in it. What is left waits for it, and tells its number, its
    status, and the CPU that it took."""
    told = descriptors[2]
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if (pid := os.fork()) == 0:
        for number, pipe in enumerate(descriptors[:2], 1):
            os.dup2(pipe, number)
        _close(descriptors[:3])
        return
    _close([one for one in descriptors if one != told])
    os.write(told, b"%d\n" % pid)
    _, ended, took = os.wait4(pid, 0)
    spent.tell(took.ru_utime + took.ru_stime, environment)
    with suppress(BrokenPipeError):  # nobody wants to know
        os.write(told, b"%d\n" % os.waitstatus_to_exitcode(ended))
    os._exit(0)


def _become(folder: str, environment: dict[str, str], lent: list[int]) -> None:
    """Stand in this folder, with this environment, and with what was lent."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    os.environ.update(zip([LENT], map(str, lent), strict=False))
    time.tzset()


def _leave(status: int) -> None:
    """End as the interpreter does, but let the kernel free what was imported: one by one, that
    copies all its memory.

    What threads, exit functions and forgotten objects have to say is written before. If output
    cannot be written, this returns, and the interpreter says so.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # it waits for threads
    atexit._run_exitfuncs()
    gc.collect()
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


if __name__ == "__main__":
    _main()
