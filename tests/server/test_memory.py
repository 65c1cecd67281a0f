"""How memory is allocated."""

import subprocess
import sys

import pytest
import trio
from trio.testing import MockClock

from levity_trio.server import memory

PROGRAM = """
import ctypes, threading
from levity_trio.server.memory import use_one_arena

use_one_arena()
held = []
threads = [threading.Thread(target=lambda: held.append(ctypes.CDLL(None).malloc(1000))) for _ in range(4)]
for one in threads:
    one.start()
    one.join()
ctypes.CDLL(None).malloc_stats()
"""  # noqa: E501


def test_threads_allocate_from_one_arena() -> None:
    """glibc's own report names one arena."""
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert told.stderr.count("Arena ") == 1, told.stderr


async def test_what_was_freed_is_given_back_each_minute(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []
    monkeypatch.setattr(memory, "give_back", lambda: given.append(trio.current_time()))
    with trio.move_on_after(150):
        await memory.keep_giving_back()
    assert given == [autojump_clock.current_time() - 150 + passed for passed in (0, 60, 120)]
