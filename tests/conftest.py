"""What every test gets: a marker by the folder it lies in, and a log in which nothing may go wrong
unseen."""

import gc
import signal
import sys
from collections.abc import Generator, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import settings
from structlog.contextvars import clear_contextvars, merge_contextvars
from structlog.testing import capture_logs
from structlog.typing import EventDict

from tests import lanes, quick, workers
from tests.integration import forking
from tests.integration.serving import environment
from tests.postgresql import common_folder, share, stop_shared, tell_spent
from tests.sizes import IS_FULL, size

# No test asserts a timing. A plain run tries the same examples each time, `just test-full` others.
settings.register_profile(
    "house", deadline=None, max_examples=size(100, 15), derandomize=not IS_FULL
)
settings.load_profile("house")

TESTS = Path(__file__).parent

# By the first name below tests/, a folder or a module. What is not named here tests one room alone.
MARKERS = {
    "charger": "ws",
    "integration": "integration",
    "benchmarks": "integration",
    "browser": "integration",
}


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.register(workers)
    pluginmanager.register(quick)
    pluginmanager.register(lanes)


def pytest_configure() -> None:
    """Let programs that tests start take SIGINT, also if a shell started the tests in the
    background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Collect all tests without collections of garbage, which would find none, and leave the tests
    out of later ones.

    They would traverse a million objects again and again: a third of collecting the tests, a
    twentieth of running them.
    """
    if session.config.args_source is pytest.Config.ArgsSource.TESTPATHS and workers.count_of(
        session.config
    ):
        workers.compile_modules()
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(MARKERS.get(item.path.relative_to(TESTS).parts[0], "unit"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items[:] = quick.without_twins(items) if quick.is_asked(config) else workers.in_order(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Start what all workers use before they are forked: a server of PostgreSQL and a process that
    forks programs."""
    if workers.count_of(session.config):
        share()
        if "levity_trio.web.dashboard.templating" in sys.modules:
            import_module("tests.templates").share(common_folder())
        if any(item.get_closest_marker("integration") for item in session.items):
            forking.start(environment())
    try:
        return (yield)
    finally:
        if workers.count_of(session.config):
            tell_spent()
            forking.tell_spent()


def pytest_unconfigure() -> None:
    stop_shared()


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
        assert not unexpected, (
            "this test logged errors that it did not announce (mark it logs_errors)"
        )
