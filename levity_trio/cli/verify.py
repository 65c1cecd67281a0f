"""`levity-trio verify`: compares a database with the ledger of a simulation."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from levity_trio.cli.declaring import (
    ANY_FILE,
    JSON_RESULT,
    argument,
    flag,
    local_command,
    read_database,
)
from levity_trio.config.settings import DatabaseAddress

VERBOSE = flag(
    "--verbose", "List the steps of the life cycle that occurred, and the others.", "is_verbose"
)


@local_command(short_help="Compare a database with a simulation.")
@argument("LEDGER", type=ANY_FILE)
@argument("DB", callback=read_database)
@VERBOSE
@JSON_RESULT
def verify(*, ledger: Path, db: DatabaseAddress, is_verbose: bool, is_json: bool) -> int:
    """Compare a database with the true course of a simulation.

    Examples:
      levity-trio simulate --speed 60 --ledger day.jsonl
      levity-trio verify day.jsonl trial.db
      levity-trio verify day.jsonl trial.db --json

    LEDGER is the file that `levity-trio simulate --ledger LEDGER` wrote. DB is the database of the
    server that the simulation used; that server may still be running. If the database existed
    before the simulation, run `simulate` with --verify too, so that the ledger records where the
    simulation begins in the database.

    Exit status: 0 when they agree, 1 when they do not agree or the database cannot be read, 2 for
    wrong usage.
    """
    from levity_trio.output import output_errors, print_line  # noqa: PLC0415
    from levity_trio.simulator.ledger import read_ledger  # noqa: PLC0415 - so that --help answers at once
    from levity_trio.simulator.report import Console, show_verdict  # noqa: PLC0415
    from levity_trio.simulator.verification import verify as compare  # noqa: PLC0415

    verdict = compare(db, read_ledger(ledger))
    if is_json:
        print_line(json.dumps(verdict.as_dict(), indent=2))
    else:
        with output_errors(sys.stdout):
            show_verdict(Console(), verdict, is_verbose=is_verbose)
    return 0 if verdict.is_clean else 1
