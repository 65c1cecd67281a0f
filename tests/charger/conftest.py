"""Whole conversations in memory and in virtual time: minutes of silence take milliseconds.

Every test of this folder runs on a clock that jumps whenever all tasks wait, so nothing here may
use a thread: it would look idle. Hence the inline writer. A test that waits for something that
never comes fails.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from levity_trio.charger import doors
from levity_trio.charger.central import Central
from tests.charger.parts import InlineWriter, make_central
from tests.replayed import replayed
from tests.store.template import only_new

LONGEST_SECONDS = 86_400.0


def run_in_virtual_time(test: Callable[[], Awaitable[object]], **options: Any) -> object:
    options["clock"] = trio.testing.MockClock(autojump_threshold=0)
    return trio.run(partial(_guarded, test), **options)


async def _guarded(test: Callable[[], Awaitable[object]]) -> None:
    with trio.fail_after(LONGEST_SECONDS):
        await test()


def pytest_itemcollected(item: pytest.Function) -> None:
    if inspect.iscoroutinefunction(item.function):
        item.add_marker(pytest.mark.trio(run=run_in_virtual_time))


@pytest.fixture(autouse=True)
def addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams in memory have the address that a test gave them, otherwise `memory`."""
    monkeypatch.setattr(
        "levity_trio.charger.connection.address_of",
        lambda transport: getattr(transport, "address", "memory"),
    )


@pytest.fixture(autouse=True)
def stretching(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are stretched without a thread."""

    async def at_once(function: Callable[..., object], *args: object) -> object:
        await trio.lowlevel.checkpoint()
        return function(*args)

    monkeypatch.setattr(doors, "stretch", at_once)


@pytest.fixture
def writer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[InlineWriter]:
    """A writer on SQLite. What it runs is then run on PostgreSQL, unless others did so, or the test
    is marked `sqlite`."""
    with only_new(tmp_path / "levity.db") as connection:
        if request.node.get_closest_marker("sqlite"):
            yield InlineWriter(connection)
            return
        with replayed(connection) as kept:
            yield InlineWriter(kept)


@pytest.fixture
def central(writer: InlineWriter) -> Central:
    """A server in its first run, ready for handshakes; tests change its settings with
    `configure`."""
    return make_central(writer)
