"""`levity-trio recheck`: judges the energy of all completed transactions again, without writing to the database."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from levity_trio.cli.progress import overwrite, rest
from levity_trio.cli.serve import database_options
from levity_trio.cli.tables import cell, counted, say
from levity_trio.config.sources import load
from levity_trio.output import is_terminal

if TYPE_CHECKING:
    from levity_trio.store.reads.recheck import Difference, Figure, Page, Rechecking

NAME_WIDTH: Final = 11
"""Columns for a charger's name on a terminal: lines with figures below 1,000 kWh then fit 80 columns."""
COLUMNS: Final = ("id", "charger", "start", "stored Wh", "", "now Wh", "")
IS_NUMBER: Final = (False, False, False, True, False, True, False)
GROUPS: Final = {
    True: "By the rules: the present rules give another result for the facts known at the time.",
    False: "By later facts and habits: the rules are the same, but more facts are known.",
}

EXAMPLES = """\
\b
Examples:
  levity-trio recheck
  levity-trio recheck CP-1 --db /var/lib/levity/levity.db
  levity-trio recheck --json | jq 'select(.causes == ["rules"])'

Judges all completed transactions, or those of one charger, by the rules of this version. Lists those whose figure,
confidence or review differs from the stored one. The command only reads the database, page by page, and can run beside
the server. Each difference has one or more causes:

\b
  rules    the present rules judge the facts of that time differently
  facts    readings, stops or neighbouring transactions arrived later
  habits   habits of the charger, or its highest power, were learned later

If a person confirmed or corrected a figure, only a different number of Wh is listed. Times are UTC. With --json each
difference is an object on a line of its own ("then" is the result from the facts of that time), and the last line has
the totals.

Exit status: 0 without any difference, 1 with differences or when the database cannot be read, 2 for wrong usage.
"""


def run_recheck(*, charger: str | None, is_json: bool, **given: object) -> int:
    from levity_trio.store.reads.recheck import Rechecking  # noqa: PLC0415 - so that --help answers at once

    config, _ = load({name: value for name, value in given.items() if value is not None}, os.environ)
    rechecking = Rechecking(config.database, charger)
    if not rechecking.is_known:
        raise click.BadParameter(f"no charger {cell(charger)} is in {config.database}", param_hint="'CHARGER'")
    totals = Totals()
    pages = totals.counted(_with_progress(rechecking) if _is_progress_shown(is_json) else rechecking.pages())
    if is_json:
        _say_lines(line for page in pages for line in map(_json, page))
        _say_lines([json.dumps(totals.as_dict())])
    else:
        _say_lines(_table([difference for page in pages for difference in page]))
        _say_lines(totals.lines())
    return 1 if totals.differences else 0


def _say_lines(lines: Iterable[str]) -> None:
    for line in lines:
        say(line)


class Totals:
    """Counts the transactions, their differences by cause, and the energy."""

    def __init__(self) -> None:
        self.transactions = self.stored_wh = self.differences = self.change_wh = 0
        self.causes: Counter[str] = Counter(rules=0, facts=0, habits=0)

    def counted(self, pages: Iterable[Page]) -> Iterator[Sequence[Difference]]:
        """Yield the differences of each page after counting them."""
        for page in pages:
            self.transactions += page.transactions
            self.stored_wh += page.stored_wh
            self.differences += len(page.differences)
            self.change_wh += sum(one.now.wh - one.stored.wh for one in page.differences)
            self.causes.update(cause for one in page.differences for cause in one.causes)
            yield page.differences

    def lines(self) -> Iterator[str]:
        judged = f"{counted(self.transactions, 'transaction')}, {self.stored_wh / 1000:,.3f} kWh"
        if not self.differences:
            yield f"{judged}: no difference."
            return
        by_cause = ", ".join(f"{count:,} by {cause}" for cause, count in self.causes.items() if count)
        yield f"{judged}: {self.differences:,} differ ({by_cause}), {self.change_wh / 1000:+,.3f} kWh."

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": "totals",
            "transactions": self.transactions,
            "stored_wh": self.stored_wh,
            "differences": self.differences,
            "change_wh": self.change_wh,
            "causes": dict(self.causes),
        }


# Progress


def _is_progress_shown(is_json: bool) -> bool:
    """Whether stderr is a terminal that no JSON lines stream to."""
    return is_terminal(sys.stderr) and not (is_json and is_terminal(sys.stdout))


def _with_progress(rechecking: Rechecking) -> Iterator[Page]:
    """Yield the pages; show a progress line on stderr and clear it at the end."""
    began, done = time.monotonic(), 0
    try:
        for page in rechecking.pages():
            done += page.transactions
            overwrite(_progress(done, rechecking.total, time.monotonic() - began))
            yield page
    finally:
        overwrite("")


def _progress(done: int, total: int, seconds: float) -> str:
    rate, left = rest(done, total, seconds)
    return f"{done:,} of {total:,} transactions, {rate:,.0f} per second, {left:,.0f} s left"


# Lines


def _json(difference: Difference) -> str:
    record = {
        "kind": "difference",
        "id": difference.transaction,
        "charger": difference.charger,
        "connector": difference.connector,
        "start_time": difference.start_time,
        "causes": difference.causes,
        "rules": difference.rules,
        "judged_at": difference.judged_at,
        "settled_by": difference.settled_by,
        "stored": difference.stored._asdict(),
        "then": difference.then._asdict(),
        "now": difference.now._asdict(),
    }
    return json.dumps(record, ensure_ascii=False)


def _table(differences: Sequence[Difference]) -> Iterator[str]:
    """Yield two lines per difference, grouped by cause. The second line has the reason."""
    for is_by_rules, heading in GROUPS.items():
        group = [one for one in differences if ("rules" in one.causes) is is_by_rules]
        if group:
            yield from (heading, "")
            yield from _lines(group)
            yield ""


def _lines(group: Sequence[Difference]) -> Iterator[str]:
    rows = [_cells(one) for one in group]
    widths = [max(map(len, texts)) for texts in zip(COLUMNS, *rows, strict=True)]
    yield _aligned(COLUMNS, widths)
    for one, row in zip(group, rows, strict=True):
        yield _aligned(row, widths)
        yield _cut(f"    {_why(one)}")


def _cells(one: Difference) -> tuple[str, ...]:
    start = one.start_time[:16].replace("T", " ")
    stored, now = one.stored, one.now
    return (
        *(str(one.transaction), _ending(cell(one.charger)), start),
        *(f"{stored.wh}", stored.confidence, f"{now.wh}", now.confidence),
    )


def _aligned(texts: Sequence[str], widths: Sequence[int]) -> str:
    each = zip(texts, widths, IS_NUMBER, strict=True)
    return "  ".join(text.rjust(width) if is_number else text.ljust(width) for text, width, is_number in each).rstrip()


def _why(one: Difference) -> str:
    settled_by = f", settled by {cell(one.settled_by)}" if one.settled_by is not None else ""
    return f"{' and '.join(one.causes)}{settled_by}: {_reason(one.stored, one.now)}"


def _reason(stored: Figure, now: Figure) -> str:
    """Return the present reviews, else those that no longer apply, else the method."""
    if now.words:
        return cell(now.words)
    return f"no longer: {cell(stored.words)}" if stored.words else f"found by {now.method}"


def _ending(charger: str) -> str:
    """Return the end of a name that is too long for a terminal: the end distinguishes chargers."""
    is_cut = is_terminal(sys.stdout) and len(charger) > NAME_WIDTH
    return f"…{charger[1 - NAME_WIDTH :]}" if is_cut else charger


def _cut(line: str) -> str:
    width = shutil.get_terminal_size().columns if is_terminal(sys.stdout) else len(line)
    return line if len(line) <= width else line[: width - 1] + "…"


recheck = click.Command(
    "recheck",
    params=[
        click.Argument(["charger"], required=False, metavar="[CHARGER]"),
        click.Option(["is_json", "--json"], is_flag=True, help="Output JSON lines, for programs."),
        *database_options(),
    ],
    callback=run_recheck,
    help="Judge all completed transactions again by the present rules, and list the differences.",
    short_help="Judge all transactions again and list the differences.",
    epilog=EXAMPLES,
)
