"""How much the long tests do: a part in each run, all with FULL_SIZE=1 in the environment (`just
test-full`)."""

from __future__ import annotations

import os
from typing import Final
from zlib import crc32

IS_FULL: Final = os.environ.get("FULL_SIZE", "0") != "0"


def size(full: int, part: int) -> int:
    """Return how many: all of them, or the part that each run does."""
    return full if IS_FULL else part


def is_chosen(name: str, every: int) -> bool:
    """Whether one of so many tests or cases is this one, by its name; all of them with
    FULL_SIZE=1."""
    return IS_FULL or crc32(name.encode()) % every == 0
