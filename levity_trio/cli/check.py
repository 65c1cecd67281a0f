"""`levity-trio check`: verifies a backup, or a database on PostgreSQL, without changing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from levity_trio.cli.backup import in_words
from levity_trio.cli.declaring import JSON_RESULT, argument, local_command, place, read_database
from levity_trio.cli.terminal import ProgressLine, cell, say, say_json
from levity_trio.config.settings import DatabaseAddress

if TYPE_CHECKING:
    from levity_trio.store.keeping.checking import StatementEvidence


@local_command(short_help="Check a backup and say what it holds.")
@argument("DATABASE", callback=read_database)
@JSON_RESULT
def check(*, database: DatabaseAddress, is_json: bool) -> int:
    """Check a backup, the database of a stopped server, or one on PostgreSQL, without changing
    it.

    Examples:
      levity-trio check /mnt/stick/levity.db
      levity-trio check /mnt/stick/levity.db --json
      levity-trio check postgresql:///levity

    Checks a backup, or the database of a stopped server. Nothing is written, not even a lock file.

    \b
      integrity     every page, index and row can be read
      references    what a row refers to exists
      schema        what its version defines, and nothing else
      transactions  each one has possible times, and a figure once it is completed
      ids           no id will be given out twice
      tariffs       each text is the one that was added
      seals         no closed statement was changed, and none is missing
      evidence      what closed statements rest on is as it was then
      sums          positions, taxes and ledgers add up
      book          each session has the household, state and price that follow

    Says up to which minute the database goes, and how many transactions and kWh it holds. A file in
    use, and one whose newest data is still in its WAL, are not checked: make a backup and check
    that.

    Of closed statements it says how many rest on the evidence that they sealed, how many were
    closed before evidence was sealed, and from how many names were removed, by which rule. --json
    lists each.

    A database on PostgreSQL is checked while its server runs, as it is at one moment. Meanwhile no
    dead rows are removed; do not start a new version. The last lines say what was not checked, and
    which tool does that.

    Exit status: 0 without any problem, 1 with problems or when the database cannot be checked, 2
    for wrong usage.
    """
    from levity_trio.store.keeping.checking import check as verify  # noqa: PLC0415 - so that --help answers at once

    with ProgressLine(is_hidden=is_json) as progress:
        report = verify(database, lambda name: progress.overwrite(f"checking {name}…"))
    if is_json:
        result = {
            **place(database),
            "is_sound": not report.problems,
            "problems": [problem._asdict() for problem in report.problems],
            "checks": report.checks,
            "unchecked": report.unchecked,
            "evidence": [one._asdict() for one in report.evidence],
        }
        say_json(result | ({} if report.content is None else report.content._asdict()))
    else:
        for problem in report.problems:
            say(f"{problem.check}: {cell(problem.text)}")
        state = "has problems" if report.problems else "is sound"
        held = in_words(report.content) if report.content else "its facts cannot be read"
        say(f"{cell(str(database))} {state}: {held}.")
        for text in _in_sum(report.evidence):
            say(text)
        for text in report.unchecked:
            say(f"Not checked: {cell(text)}")
    return 1 if report.problems else 0


def _in_sum(evidence: Sequence[StatementEvidence]) -> Iterator[str]:
    """Yield how many statements rest on what they sealed, and from how many names were removed."""
    counts = Counter("changed since" if one.differing else "as sealed" for one in evidence)
    if counts:
        listed = ", ".join(f"{count} {words}" for words, count in sorted(counts.items()))
        yield f"Evidence of {_statements(len(evidence))}: {listed}."
    removed = Counter(one.keep_years for one in evidence if one.names_removed_at)
    for years, count in removed.items():
        yield f"Names were removed from {_statements(count)} after {years} years of keeping."


def _statements(count: int) -> str:
    return "1 statement" if count == 1 else f"{count} statements"
