"""How the C library allocates memory for this process."""

import ctypes
import sys
from contextlib import suppress

M_ARENA_MAX = -8
"""From malloc.h of glibc."""


def use_one_arena() -> None:
    """Let all threads allocate from one arena; without effect where the C library is not glibc.

    By default each thread gets an arena of its own and keeps what it freed, which made the server 3 % larger. Our
    threads run one at a time under Python's lock, so they seldom wait for each other here. Call it before the first
    thread.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # musl has no mallopt
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def give_back() -> None:
    """Give what was freed back to the system, which glibc does seldom by itself. After the start it is nearly 1 MB."""
    if sys.platform == "linux":
        with suppress(AttributeError):  # musl has no malloc_trim
            ctypes.CDLL(None).malloc_trim(0)
