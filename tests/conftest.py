"""What every test gets: a marker by the folder it lies in, and a log in which nothing may go wrong unseen."""

import gc
import signal
from collections.abc import Generator, Iterator
from contextlib import suppress
from importlib import import_module
from itertools import chain, zip_longest
from pathlib import Path

import pytest
from hypothesis import settings
from structlog.contextvars import clear_contextvars, merge_contextvars
from structlog.testing import capture_logs
from structlog.typing import EventDict

from tests.postgresql import stop_shared
from tests.sizes import IS_FULL, size

# No test asserts a timing. A plain run tries the same examples each time, `just test-full` others.
settings.register_profile("house", deadline=None, max_examples=size(100, 25), derandomize=not IS_FULL)
settings.load_profile("house")

TESTS = Path(__file__).parent
WAITING_WORKERS = 2

LONG = (
    "integration/test_installed.py",
    *("browser/test_pages.py", "browser/test_stories.py", "benchmarks/test_servers.py", "store/moving/test_moving.py"),
    *("web/both/test_same_answers.py", "integration/test_openapi.py", "integration/test_servers.py"),
    *("integration/test_simulate.py", "integration/test_readme.py", "integration/test_fluentd.py"),
    *("benchmarks/test_bench.py", "benchmarks/test_dashboard.py", "integration/test_simulated_bill.py"),
    *("integration/test_backup.py", "integration/test_deployed_servers.py", "store/moving/test_refusals.py"),
    *("integration/test_prometheus.py", "integration/test_metrics.py", "integration/test_certificates.py"),
    *("integration/test_tls.py", "integration/test_dashboard_links.py", "integration/test_growing.py"),
)
"""Files that take a worker half a minute or more, the longest first. Another one takes seconds."""

# By the first name below tests/, a folder or a module. What is not named here tests one room alone.
MARKERS = {
    "charger": "ws",
    "integration": "integration",
    "benchmarks": "integration",
    "browser": "integration",
}


def pytest_configure() -> None:
    """Let programs that tests start take SIGINT, also if a shell started the tests in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let each worker begin with a part of all modules, of which it writes the bytecode for the others.

    Each collects all tests. In one order they would do the same at the same time: what rewriting an `assert` takes is
    two thirds of collecting, where nobody did it before.
    """
    worker = getattr(session.config, "workerinput", None)
    if worker is None or session.config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    modules = sorted(TESTS.rglob("test_*.py"))
    for path in modules[int(worker["workerid"].removeprefix("gw")) :: worker["workercount"]]:
        with suppress(Exception, pytest.skip.Exception):  # collecting will tell
            import_module(".".join(path.relative_to(TESTS.parent).with_suffix("").parts))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect all tests without collections of garbage, which would find none, and leave the tests out of later ones.

    They would traverse a million objects again and again: a third of collecting the tests, a twentieth of running them.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(MARKERS.get(item.path.relative_to(TESTS).parts[0], "unit"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let files that mostly wait and files that compute take turns, so that some worker always computes.

    There are more of the latter. Long ones come first: one that came last would leave the other workers idle.
    """
    missing = [name for name in LONG if not (TESTS / name).exists()]
    assert not missing, f"{missing}: take them out of LONG in {__file__}"
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    first = [files.pop(path) for name in LONG if (path := TESTS / name) in files]
    waiting = [of_file for of_file in files.values() if of_file[0].get_closest_marker("integration")]
    computing = [of_file for of_file in files.values() if not of_file[0].get_closest_marker("integration")]
    turns = chain.from_iterable(zip_longest([*first, *waiting], computing, fillvalue=()))
    items[:] = chain.from_iterable(turns)


def pytest_unconfigure() -> None:
    stop_shared()


@pytest.hookimpl(wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Two more than cores: while tests wait for servers, the others use the cores. Each collects all tests."""
    return (yield) + WAITING_WORKERS


@pytest.fixture(autouse=True)
def log_lines(request: pytest.FixtureRequest) -> Iterator[list[EventDict]]:
    """The lines this test logged; an error among them fails it, unless it is marked logs_errors."""
    if request.node.get_closest_marker("real_log"):
        yield []
        return
    with capture_logs(processors=[merge_contextvars]) as lines:
        yield lines
    clear_contextvars()
    if not request.node.get_closest_marker("logs_errors"):
        unexpected = [line for line in lines if line["log_level"] in ("error", "critical")]
        assert not unexpected, "this test logged errors that it did not announce (mark it logs_errors)"
