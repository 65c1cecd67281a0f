"""`levity-trio check`: verifies a backup, or a database on PostgreSQL, without changing it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from levity_trio.cli.backup import as_dict, in_words
from levity_trio.cli.databases import place, read_database
from levity_trio.cli.progress import overwrite
from levity_trio.cli.tables import cell, say
from levity_trio.config.settings import DatabaseAddress
from levity_trio.output import is_terminal

if TYPE_CHECKING:
    from levity_trio.store.keeping.checking import Report

EXAMPLES = """\
\b
Examples:
  levity-trio check /mnt/stick/levity.db
  levity-trio check /mnt/stick/levity.db --json
  levity-trio check postgresql:///levity

Checks a backup, or the database of a stopped server. Nothing is written, not even a lock file.

\b
  integrity     every page, index and row can be read
  references    what a row refers to exists
  schema        what the migrations up to its version make, and nothing else
  transactions  each one has possible times, and a figure once it is completed
  ids           no id will be given out twice
  tariffs       each text is the one that was added
  seals         no closed statement was changed, and none is missing
  sums          positions, taxes and ledgers add up

Says up to which minute the database goes, and how many transactions and kWh it holds. A file in use, and one whose
newest data is still in its WAL, are not checked: make a backup and check that.

A database on PostgreSQL is checked while its server runs, as it is at one moment. Meanwhile no dead rows are removed;
do not start a new version. The last lines say what was not checked, and which tool does that.

Exit status: 0 without any problem, 1 with problems or when the database cannot be checked, 2 for wrong usage.
"""


def run_check(*, database: DatabaseAddress, is_json: bool) -> int:
    from levity_trio.store.keeping.checking import check as verify  # noqa: PLC0415 - so that --help answers at once

    report = verify(database, _show_step if is_terminal(sys.stderr) and not is_json else _ignore_step)
    if is_terminal(sys.stderr) and not is_json:
        overwrite("")
    if is_json:
        say(json.dumps(_record(database, report), ensure_ascii=False))
    else:
        _say_report(database, report)
    return 1 if report.problems else 0


def _show_step(name: str) -> None:
    overwrite(f"checking {name}…")


def _ignore_step(name: str) -> None:
    del name


def _say_report(database: DatabaseAddress, report: Report) -> None:
    for problem in report.problems:
        say(f"{problem.check}: {cell(problem.text)}")
    state = "has problems" if report.problems else "is sound"
    held = in_words(report.content) if report.content else "its facts cannot be read"
    say(f"{cell(str(database))} {state}: {held}.")
    for text in report.unchecked:
        say(f"Not checked: {cell(text)}")


def _record(database: DatabaseAddress, report: Report) -> dict[str, object]:
    return {
        **place(database),
        "is_sound": not report.problems,
        "problems": [problem._asdict() for problem in report.problems],
        "checks": report.checks,
        "unchecked": report.unchecked,
        **({} if report.content is None else as_dict(report.content)),
    }


check = click.Command(
    "check",
    params=[
        click.Argument(["database"], metavar="DATABASE", callback=read_database),
        click.Option(["is_json", "--json"], is_flag=True, help="Output the result as JSON."),
    ],
    callback=run_check,
    help="Check a backup, the database of a stopped server, or one on PostgreSQL, without changing it.",
    short_help="Check a backup and say what it holds.",
    epilog=EXAMPLES,
)
