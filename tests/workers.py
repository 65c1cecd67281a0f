"""`--workers`: the tests on several processes, which are forked when all tests are collected.

Each file goes as a whole to a worker that is free, so that a module's fixtures are set up once.
Workers that were spawned would each import everything and collect all tests, for as much CPU as a
thousand tests.
"""

from __future__ import annotations

import atexit
import math
import os
import py_compile
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import cache_from_source
from itertools import chain
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Final

import pytest

from tests import spent

TESTS: Final = Path(__file__).parent
WAITING_WORKERS: Final = 3
"""So many more than cores: they take files that mostly wait for servers, while one for each core
takes the others."""

LONG: Final = (
    "integration/test_installed.py",
    "integration/test_release_whole.py",
    *(
        "browser/test_pages.py",
        "browser/test_stories.py",
        "benchmarks/test_servers.py",
        "store/moving/test_moving.py",
    ),
    *(
        "web/both/test_same_answers.py",
        "integration/test_openapi.py",
        "integration/test_servers.py",
    ),
    "web/both/test_bracketed.py",
    *("integration/test_simulate.py", "integration/test_readme.py", "integration/test_fluentd.py"),
    *("integration/test_manual.py", "integration/test_statements.py", "integration/test_move.py"),
    *(
        "benchmarks/test_bench.py",
        "benchmarks/test_dashboard.py",
        "integration/test_simulated_bill.py",
    ),
    *(
        "integration/test_backup.py",
        "integration/test_deployed_servers.py",
        "store/moving/test_refusals.py",
    ),
    *(
        "integration/test_prometheus.py",
        "integration/test_metrics.py",
        "integration/test_certificates.py",
    ),
    *("integration/test_tls.py", "integration/test_growing.py"),
)
"""Files that take a worker half a minute or more, the longest first. Another one takes seconds."""

WAITING: Final = "integration"
"""The mark of tests that mostly wait."""

Report = pytest.TestReport | dict[str, Any]
"""What one process tells another of a test; a dictionary, if a traceback belongs to it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--workers`, `--seconds` and `--dearest`."""
    parser.addoption(
        "--workers",
        default="0",
        metavar="N",
        help="processes for the tests; auto: three more than cores",
    )
    parser.addoption(
        "--seconds",
        type=int,
        metavar="N",
        help="so long after the first test, workers begin no further file",
    )
    parser.addoption(
        "--dearest",
        type=int,
        default=10,
        metavar="N",
        help="so many files are printed with the CPU that workers took for them",
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    if count_of(session.config):
        folders = session.config._tmp_path_factory  # type: ignore[attr-defined]
        spent.begin(folders.getbasetemp())


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run the tests on the workers that were asked for, if any."""
    count = count_of(session.config)
    if not count or session.testsfailed:
        return None
    workers = Workers(session, session.config.getoption("seconds"))
    workers.run(count)
    workers.tell_rest()
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    return True


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the CPU seconds of the run, and of its dearest files."""
    if not count_of(config) or config.getoption("quick", default=False):
        return
    by_file = spent.told()
    collecting = time.process_time()
    terminalreporter.write_sep("=", "CPU seconds")
    terminalreporter.write_line(
        f"{sum(by_file.values()) + collecting:.0f} in all, {collecting:.0f} of which to collect"
        " tests and tell of them"
    )
    for file, seconds in [*by_file.items()][: config.getoption("dearest")]:
        terminalreporter.write_line(f"{seconds:7.1f} {file}")


def count_of(config: pytest.Config) -> int:
    """Return how many workers were asked for. 0: this process runs the tests itself."""
    asked = config.getoption("workers")
    if config.getoption("usepdb") or config.getoption("collectonly"):
        return 0
    return _cores() + WAITING_WORKERS if asked == "auto" else int(asked)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


# The order


def in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Put the files that take long first: one that came last would leave the other workers idle."""
    missing = [name for name in LONG if not (TESTS / name).exists()]
    assert not missing, f"{missing}: take them out of LONG in {__file__}"
    files = _by_file(items)
    first = [files.pop(path) for name in LONG if (path := TESTS / name) in files]
    return list(chain.from_iterable([*first, *files.values()]))


def _by_file(items: Sequence[pytest.Item]) -> dict[Path, list[pytest.Item]]:
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    return files


# Compiling


def compile_modules() -> None:
    """Write the bytecode of a new checkout on all cores: it is two thirds of what collecting takes
    there."""
    tests = [*sorted(TESTS.rglob("test_*.py"))]
    if all(map(_is_rewritten, tests)):
        return
    others = {
        path for folder in (TESTS.parent / "levity_trio", TESTS) for path in folder.rglob("*.py")
    } - {*tests}
    _share(
        _compile,
        [path for path in sorted(others) if not Path(cache_from_source(str(path))).exists()],
    )
    _share(_import, [path for path in tests if not _is_rewritten(path)])


def _is_rewritten(path: Path) -> bool:
    """Whether there is bytecode in which pytest has rewritten each `assert`."""
    return any((path.parent / "__pycache__").glob(f"{path.stem}.*-pytest-{pytest.__version__}.pyc"))


def _share(work: Callable[[Path], object], paths: Sequence[Path]) -> None:
    """Do it for all paths, in one process a core. What fails is told when the module is
    collected."""
    pids = []
    for start in range(_cores()):
        if (pid := os.fork()) == 0:
            for path in paths[start :: _cores()]:
                with suppress(BaseException):
                    work(path)
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)


def _compile(path: Path) -> None:
    py_compile.compile(str(path), doraise=True)


def _import(path: Path) -> None:
    import_module(".".join(path.relative_to(TESTS.parent).with_suffix("").parts))


# The tests


@dataclass
class _Worker:
    """A forked process. It runs the tests of a file from a place on, or waits for the next file."""

    pid: int
    takes_first: int
    """The queue that it takes files from, while there are any."""
    file: int = -1
    place: int = 0


class Workers:
    """Gives files to workers and reports here what they tell: of each test its reports, None when
    they are free."""

    def __init__(self, session: pytest.Session, seconds: int | None) -> None:
        self._session = session
        self._end = time.monotonic() + (math.inf if seconds is None else seconds)
        self._files = [*_by_file(session.items).values()]
        self._queues = deque[tuple[int, int]](), deque[tuple[int, int]]()
        """What computes, and what mostly waits: files, and the places from which on their tests are
        to be run."""
        for number in range(len(self._files)):
            self._queue_of(number).append((number, 0))
        self._workers: dict[Connection, _Worker] = {}
        self._started = 0

    def run(self, count: int) -> None:
        """Run all tests on so many processes."""
        if (
            terminal := self._session.config.pluginmanager.get_plugin("terminalreporter")
        ) is not None:
            terminal.showfspath = False  # files take turns
        try:
            for number in range(min(count, len(self._files))):
                self._start(takes_first=int(number >= _cores()))
            while self._workers and not self._is_over():
                for connection in wait([*self._workers]):
                    assert isinstance(connection, Connection)
                    # with -x, one of them may just have told the last failure
                    if not self._is_over():
                        self._hear(connection)
        finally:  # after an interruption, each ends when it has nobody to tell of its present test
            for connection in self._workers:
                connection.close()
            for worker in self._workers.values():
                os.waitpid(worker.pid, 0)

    def tell_rest(self) -> None:
        """Print what there was no time for."""
        terminal = self._session.config.pluginmanager.get_plugin("terminalreporter")
        left = sum(map(len, self._queues))
        if left and terminal is not None and not self._is_over():
            terminal.write_line(f"\nno time was left for {left} of {len(self._files)} files")

    def _queue_of(self, file: int) -> deque[tuple[int, int]]:
        return self._queues[self._files[file][0].get_closest_marker(WAITING) is not None]

    def _is_over(self) -> bool:
        return bool(self._session.shouldfail or self._session.shouldstop)

    def _start(self, takes_first: int) -> None:
        ours, theirs = Pipe()
        folders = self._session.config._tmp_path_factory  # type: ignore[attr-defined]
        (folder := folders.getbasetemp() / f"worker{self._started}").mkdir()
        sys.stdout.flush()
        if (pid := os.fork()) == 0:
            for connection in (ours, *self._workers):
                connection.close()
            folders._basetemp = folder
            _work(self._session, self._files, theirs)
        theirs.close()
        self._workers[ours] = _Worker(pid, takes_first)
        self._started += 1

    def _hear(self, connection: Connection) -> None:
        worker = self._workers[connection]
        try:
            reports: list[Report] | None = connection.recv()
        except (EOFError, ConnectionResetError):
            self._bury(self._workers.pop(connection))
            return
        if reports is None:
            first = self._queues[worker.takes_first]
            queue = first or self._queues[1 - worker.takes_first]
            is_first = worker.file < 0  # it is run in any case: a run of no tests helps nobody
            begins = queue and (is_first or time.monotonic() < self._end)
            worker.file, worker.place = queue.popleft() if begins else (-1, 0)
            with suppress(BrokenPipeError):
                connection.send((worker.file, worker.place))
        else:
            if reports:  # a twin may have been left out
                self._report(reports)
            worker.place += 1

    def _bury(self, worker: _Worker) -> None:
        """Let another worker do what one that crashed left undone."""
        _, ended = os.waitpid(worker.pid, 0)
        if worker.file >= 0:
            item = self._files[worker.file][worker.place]
            self._report(
                [
                    _failure(
                        item.nodeid,
                        item.location,
                        f"its worker ended with {os.waitstatus_to_exitcode(ended)}",
                    )
                ]
            )
            if worker.place + 1 < len(self._files[worker.file]):
                self._queue_of(worker.file).appendleft((worker.file, worker.place + 1))
            self._start(worker.takes_first)

    def _report(self, reports: Sequence[Report]) -> None:
        config = self._session.config
        told = [
            config.hook.pytest_report_from_serializable(config=config, data=report)
            if isinstance(report, dict)
            else report
            for report in reports
        ]
        where = {"nodeid": told[0].nodeid, "location": told[0].location}
        config.hook.pytest_runtest_logstart(**where)
        for report in told:
            config.hook.pytest_runtest_logreport(report=report)
        config.hook.pytest_runtest_logfinish(**where)


def _failure(nodeid: str, location: tuple[str, int | None, str], text: str) -> Report:
    return pytest.TestReport(nodeid, location, {}, "failed", text, "teardown")


class _Reports:
    """A plugin of a worker, which collects the reports of a test."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.told: list[Report] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if type(report) is pytest.TestReport and report.longrepr is None:
            report.keywords = {}  # they are for plugins that nobody has here
            self.told.append(report)
        else:
            self.told.append(
                self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
            )


def _work(
    session: pytest.Session, files: Sequence[Sequence[pytest.Item]], connection: Connection
) -> None:
    """Be a worker, to the end of the process."""
    atexit._clear()  # what was registered before belongs to the process that forked this one
    plugins = session.config.pluginmanager
    plugins.unregister(name="terminalreporter")
    plugins.register(reports := _Reports(session.config))
    if (capture := plugins.get_plugin("capturemanager")) is not None:
        capture.stop_global_capturing()  # its files are those of all
        capture.start_global_capturing()
    status = 1
    try:
        with suppress(BrokenPipeError, KeyboardInterrupt):  # the other process has ended, or will
            _run_files(session, files, connection, reports)
        session._setupstate.teardown_exact(None)
        session.config._ensure_unconfigure()
        atexit._run_exitfuncs()
        status = 0
    except BaseException:  # noqa: BLE001 - it is told, and this process ends here
        with suppress(BrokenPipeError):
            connection.send([_failure("a worker", ("", None, "a worker"), traceback.format_exc())])
    finally:
        os._exit(status)


def _run_files(
    session: pytest.Session,
    files: Sequence[Sequence[pytest.Item]],
    connection: Connection,
    reports: _Reports,
) -> None:
    """Run the tests of the files that are given to this worker. What is set up for the session
    stays in between."""
    before = spent.own_seconds()
    while True:
        connection.send(None)
        number, place = connection.recv()
        if number < 0:
            return
        items = files[number][place:]
        # a session is what stays set up
        for item, following in zip(items, [*items[1:], session], strict=True):
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            connection.send(reports.told)
            reports.told = []
        now = spent.own_seconds()
        spent.tell(now - before, {**os.environ, spent.RUNNING: items[0].nodeid})
        before = now
