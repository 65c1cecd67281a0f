"""How memory is allocated."""

import subprocess
import sys

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
"""


def test_threads_allocate_from_one_arena() -> None:
    """glibc's own report names one arena."""
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert told.stderr.count("Arena ") == 1, told.stderr
