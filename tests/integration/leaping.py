"""`levity-trio` on a machine whose clock can be set: by so many seconds as stand in a file, the
first argument."""

import sys
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from levity_trio import server
from levity_trio.cli import main
from levity_trio.clock import system_clock

PROGRAM = (sys.executable, "-m", "tests.integration.leaping")


class MachineClock:
    """The true time, and what somebody set it to."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self) -> datetime:
        return system_clock() + timedelta(seconds=float(self._file.read_text()))


if __name__ == "__main__":
    clock = MachineClock(Path(sys.argv.pop(1)))
    vars(server)["serve"] = partial(server.serve, clock=clock)
    sys.exit(main())
