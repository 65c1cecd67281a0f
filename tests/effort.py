"""What a piece of work costs, for tests that no input makes it grow beyond all measure.

No test asserts a timing. These tell milliseconds from the seconds and minutes that work without a
bound would take.
"""

import time
from collections.abc import Callable
from typing import Final

BOUNDED: Final = 1.0
"""CPU seconds below which work is taken to be bounded: ten times and more of what it costs on an
idle machine."""


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return what the work costs this thread. The least of three: collecting garbage may take
    longer than the work."""
    return min(_once(work) for _ in range(3))


def _once(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began
