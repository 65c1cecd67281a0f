"""How the C library allocates memory for this process."""

import ctypes
import sys
from contextlib import suppress
from typing import Final

import trio

M_ARENA_MAX = -8
"""From malloc.h of glibc."""
REST_SECONDS: Final = 60.0


def use_one_arena() -> None:
    """Let all threads allocate from one arena; without effect where the C library is not glibc.

    By default each thread gets an arena of its own and keeps what it freed, which made the server 3
    % larger. Our threads run one at a time under Python's lock, so they seldom wait for each other
    here. Call it before the first thread.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # musl has no mallopt
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


async def keep_giving_back() -> None:
    """Give back each minute what pages, papers and large messages have freed: several MB after the
    first pages."""
    while True:
        give_back()
        await trio.sleep(REST_SECONDS)


def give_back() -> None:
    """Give what was freed back to the system, which glibc does seldom by itself."""
    if sys.platform == "linux":
        with suppress(AttributeError):  # musl has no malloc_trim
            ctypes.CDLL(None).malloc_trim(0)
