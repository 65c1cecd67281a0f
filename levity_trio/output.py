"""Output to standard streams that may be closed from the start, a pipe without a reader, or a file
on a full disk."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Final

from levity_trio.config import EnvironmentProblem

STANDARD: Final = 2
"""The highest descriptor of stdin, stdout and stderr."""
UNREAD: Final = 1
"""Exit status after a broken pipe; the same as click's."""
_COMMANDING: Final = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)
"""What commands a terminal, or turns the direction of a line: a charger chooses the text of its
tags."""


def is_terminal(file: IO[str] | None) -> bool:
    return file is not None and file.isatty()


def readable(text: str, file: IO[str] | None) -> str:
    """Return a text as it may be written to a file. For a terminal, control characters are escaped
    as JSON does it; other files and programs get what there is.
    """
    if not is_terminal(file):
        return text
    return _COMMANDING.sub(lambda found: f"\\u{ord(found[0]):04x}", text.replace("\r\n", "\n"))


def hold_standard_streams() -> None:
    """Open closed standard descriptors on /dev/null. Otherwise the next file to be opened would
    receive the output."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= STANDARD:
        pass
    os.close(descriptor)


@contextmanager
def output_errors(file: IO[str] | None) -> Iterator[None]:
    """Handle errors of writing to `file` within this context. After an error its output goes to
    /dev/null.

    Raises:
        EnvironmentProblem: the output cannot be written.
        SystemExit: the reader of the pipe is gone; no message is printed.
    """
    try:
        yield
    except BrokenPipeError:
        _silence(file)
        raise SystemExit(UNREAD) from None
    except OSError as error:
        _silence(file)
        raise EnvironmentProblem(
            f"the output cannot be written: {error.strerror}; free some space, or redirect it to "
            "another place"
        ) from error


def print_line(text: str) -> None:
    """Write one line or several to stdout and flush it. Raises the same as `output_errors`."""
    if sys.stdout is not None:
        with output_errors(sys.stdout):
            sys.stdout.write(f"{readable(text, sys.stdout)}\n")
            sys.stdout.flush()


def _silence(file: IO[str] | None) -> None:
    """Redirect a file to /dev/null. The interpreter flushes its buffer at exit and would print a
    second traceback."""
    # the file is None, closed or not backed by a descriptor
    with suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, file.fileno())  # type: ignore[union-attr]
        finally:
            os.close(null)
