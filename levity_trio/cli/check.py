"""`levity-trio check`: verifies a backup without changing it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from levity_trio.cli.backup import as_dict, in_words
from levity_trio.cli.progress import is_terminal, overwrite
from levity_trio.cli.tables import cell, say

if TYPE_CHECKING:
    from levity_trio.store.keeping.checking import Report

EXAMPLES = """\
\b
Examples:
  levity-trio check /mnt/stick/levity.db
  levity-trio check /mnt/stick/levity.db --json

Checks a backup, or the database of a stopped server. Nothing is written, not even a lock file.

\b
  integrity     every page, index and row can be read
  references    what a row refers to exists
  schema        all migrations up to its version are complete
  transactions  each one has possible times, and a figure once it is completed
  ids           no id will be given out twice

Says up to which minute the file goes, and how many transactions and kWh it holds. A database in use, and one whose
newest data is still in its WAL, are not checked: make a backup and check that.

Exit status: 0 without any problem, 1 with problems or when FILE cannot be checked, 2 for wrong usage.
"""


def run_check(*, file: Path, is_json: bool) -> int:
    from levity_trio.store.keeping.checking import check as verify  # noqa: PLC0415 - so that --help answers at once

    report = verify(file, _show_step if is_terminal(sys.stderr) and not is_json else _ignore_step)
    if is_terminal(sys.stderr) and not is_json:
        overwrite("")
    if is_json:
        say(json.dumps(_record(file, report), ensure_ascii=False))
    else:
        _say_report(file, report)
    return 1 if report.problems else 0


def _show_step(name: str) -> None:
    overwrite(f"checking {name}…")


def _ignore_step(name: str) -> None:
    del name


def _say_report(file: Path, report: Report) -> None:
    for problem in report.problems:
        say(f"{problem.check}: {cell(problem.text)}")
    state = "has problems" if report.problems else "is sound"
    held = in_words(report.content) if report.content else "its facts cannot be read"
    say(f"{cell(str(file))} {state}: {held}.")


def _record(file: Path, report: Report) -> dict[str, object]:
    return {
        "file": str(file.resolve()),
        "is_sound": not report.problems,
        "problems": [problem._asdict() for problem in report.problems],
        "checks": report.checks,
        **({} if report.content is None else as_dict(report.content)),
    }


check = click.Command(
    "check",
    params=[
        click.Argument(["file"], type=click.Path(path_type=Path)),
        click.Option(["is_json", "--json"], is_flag=True, help="Output the result as JSON."),
    ],
    callback=run_check,
    help="Check a backup, or the database of a stopped server, without changing it.",
    short_help="Check a backup and say what it holds.",
    epilog=EXAMPLES,
)
