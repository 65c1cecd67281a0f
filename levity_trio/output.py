"""stdout and stderr as they may be: closed from the start, a pipe whose reader has left, a file on a full disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Final

from levity_trio.config import EnvironmentProblem

STANDARD: Final = 2
"""stdin, stdout and stderr are the descriptors up to here."""
UNREAD: Final = 1
"""Exit status where nobody reads on, as click has it."""


def hold_standard_streams() -> None:
    """Open to nowhere what is closed of the three: the next file to be opened would get what is printed, else."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= STANDARD:
        pass
    os.close(descriptor)


@contextmanager
def telling(file: IO[str] | None) -> Iterator[None]:
    """What is printed to `file` in here; afterwards that goes nowhere, where it failed.

    Raises:
        EnvironmentProblem: it cannot be written.
        SystemExit: nobody reads it any more, so there is nobody to be told.
    """
    try:
        yield
    except BrokenPipeError:
        _silence(file)
        raise SystemExit(UNREAD) from None
    except OSError as error:
        _silence(file)
        raise EnvironmentProblem(
            f"what was to be shown cannot be written: {error.strerror}; make room, or let it go somewhere else"
        ) from error


def tell(text: str) -> None:
    """A line, or several, to stdout. Raises as `telling`."""
    if sys.stdout is not None:
        with telling(sys.stdout):
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()


def _silence(file: IO[str] | None) -> None:
    """What its buffer still holds would fail once more at the interpreter's end, which tells it with a traceback."""
    with suppress(OSError, ValueError, AttributeError):  # not of an open file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, file.fileno())  # type: ignore[union-attr]
        finally:
            os.close(nowhere)
