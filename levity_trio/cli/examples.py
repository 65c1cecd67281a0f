"""The examples in the help of a command: those of its group that are of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

PROGRAM: Final = "  levity-trio "


def examples_of(epilog: str | None, *words: str) -> str:
    """Return the examples in an epilog that have these words of a command; an empty text if there are none."""
    found = list(_lines(epilog or "", f" {' '.join(words)} "))
    return _headed(found) if found else ""


def an_example(*lines: str) -> str:
    """Return the epilog of a command that its group has no example of, from lines without the name of the program."""
    return _headed(f"{PROGRAM}{line}" for line in lines)


def _headed(lines: Iterable[str]) -> str:
    return "\n".join(("\b", "Examples:", *lines, ""))


def _lines(epilog: str, words: str) -> Iterator[str]:
    """Yield the lines of these examples, each with those in which it goes on."""
    is_wanted = False
    for line in epilog.splitlines():
        if not line.startswith("  "):
            is_wanted = False
        elif line.startswith(PROGRAM):
            is_wanted = words in f"{line} "
        if is_wanted:
            yield line
