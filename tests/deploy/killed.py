"""Removes versions of the program, and is killed at each name that goes. Prints the kills, and how
many of what they left count as complete.

Each removal is a fork that kills itself; the audit events of Python tell it what goes.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from levity_trio.deploy.program import VERSIONS, remove

FILES = 6
GOING = ("os.remove", "os.rmdir")


def made(folder: Path, *, is_first: bool) -> Path:
    """Make a version; `is_first` is whether its mark was written first, because some file systems
    list the newest file first."""
    mark = folder / VERSIONS
    (folder / "bin").mkdir(parents=True)
    if is_first:
        mark.touch()
    for number in range(FILES):
        (folder / f"{number}.whl").touch()
        (folder / "bin" / str(number)).touch()
    mark.touch()
    return folder


def remove_until(folder: Path, most: int) -> bool:
    """Remove a version in a fork that is killed when so many names are gone; return whether it
    was."""
    child = os.fork()
    if not child:
        gone = 0

        def hook(event: str, _values: object) -> None:
            nonlocal gone
            if event in GOING:
                if gone == most:
                    os.kill(os.getpid(), signal.SIGKILL)
                gone += 1

        sys.addaudithook(hook)
        remove(folder)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def main(base: Path) -> None:
    kills, complete = 0, 0
    for is_first in (False, True):
        for most in range(2 * FILES):
            folder = made(base / f"{is_first}-{most}", is_first=is_first)
            if remove_until(folder, most):
                kills += 1
                is_whole = len(list(folder.rglob("*"))) == 2 * FILES + 2
                complete += (folder / VERSIONS).exists() and not is_whole
    print(kills, complete)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
