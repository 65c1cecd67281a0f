"""Chargers that talk while the server at their port is exchanged; test_installed.py starts it in
its sandbox.

`python -m tests.integration.upgraded PORT DATABASE END` connects them again and again until the
file END is there. Then it writes what they were answered and the database lacks, and how long they
had no answer.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.sizes import size

from .fleet import Fleet, accounts, answered, missing

CHARGERS = size(20, 6)
BEAT_SECONDS = 0.5
AGAIN_SECONDS = 0.1
MOST_SECONDS = 600.0


def main(port: int, database: Path, end: Path) -> None:
    fleet, deadline = accounts(CHARGERS), time.monotonic() + MOST_SECONDS
    silences, last, connections = [0.0], time.monotonic(), 0
    while not end.exists() and time.monotonic() < deadline:
        try:
            with Fleet(port, BEAT_SECONDS) as load:
                load.join(fleet)
                connections += 1
                silences.append(time.monotonic() - last)
                load.run(MOST_SECONDS, lambda: end.exists() or bool(load.faults))
        except (OSError, AssertionError):
            time.sleep(AGAIN_SECONDS)
            continue
        last = time.monotonic()
    with TemporaryDirectory() as folder:
        for path in database.parent.glob(f"{database.name}*"):
            if path.is_file():
                shutil.copy(path, folder)
        lost = missing(fleet, Path(folder) / database.name)
    told = {
        "answered": answered(fleet),
        "missing": lost,
        "silences": silences[2:],
        "connections": connections,
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
