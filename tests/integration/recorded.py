"""`levity-trio` that writes down which statements it ran: the first argument is the file for
them."""

import json
import sqlite3
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from levity_trio.cli import main
from tests.store.plans import Recorder, recording, whole_reads

PROGRAM = (sys.executable, "-m", "tests.integration.recorded")


def recorded_in(file: Path) -> list[str]:
    """What a server read whole of tables that grow."""
    statements: Mapping[str, int] = json.loads(file.read_text())
    assert statements
    return list(whole_reads(statements))


if __name__ == "__main__":
    file = Path(sys.argv.pop(1))
    vars(sqlite3)["connect"] = partial(recording, sqlite3.connect)
    status = main()
    file.write_text(json.dumps(Recorder.seen))
    sys.exit(status)
