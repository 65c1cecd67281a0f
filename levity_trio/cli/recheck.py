"""`levity-trio recheck`: judges the energy of all completed transactions again, without writing to
the database."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click

from levity_trio.cli.declaring import JSON_LINES, argument, on_database
from levity_trio.cli.terminal import RateProgress, cell, counted, say, say_json
from levity_trio.config import ServerConfig
from levity_trio.locale.formats import printed
from levity_trio.output import is_terminal

if TYPE_CHECKING:
    from levity_trio.store.reads.transactions.recheck import (
        RecheckDifference,
        Rechecking,
    )

NAME_WIDTH: Final = 11
"""Columns for a charger's name on a terminal: lines with figures below 1,000 kWh then fit 80
columns."""
COLUMNS: Final = ("id", "charger", "start", "stored Wh", "", "now Wh", "")
IS_NUMBER: Final = (False, False, False, True, False, True, False)
GROUPS: Final = {
    True: "By the rules: the present rules give another result for the facts known at the time.",
    False: "By later facts and habits: the rules are the same, but more facts are known.",
}


@on_database(short_help="Judge all sessions again and list the differences.")
@argument("[CHARGER]")
@JSON_LINES
def recheck(config: ServerConfig, *, charger: str | None, is_json: bool) -> int:
    """Judge all completed sessions again by the present rules, and list the differences.

    Examples:
      levity-trio recheck
      levity-trio recheck CP-1 --db /var/lib/levity/levity.db
      levity-trio recheck --json | jq 'select(.causes == ["rules"])'

    Judges all completed transactions, or those of one charger, by the rules of this version. Lists
    those whose figure, confidence, review or times differ from the stored ones. The command only
    reads the database, page by page, and can run beside the server. Each difference has one or more
    causes:

    \b
      rules    the present rules judge the facts of that time differently
      facts    readings, stops, neighbours or signs of the clock arrived later
      habits   habits of the charger, or its highest power, were learned later

    If a person confirmed or corrected a figure, only a different number of Wh, or other times, are
    listed. Times are UTC. With --json each difference is an object on a line of its own ("then" is
    the result from the facts of that time), and the last line has the totals.

    Exit status: 0 without any difference, 1 with differences or when the database cannot be read, 2
    for wrong usage.
    """
    from levity_trio.store.reads.transactions.recheck import Rechecking  # noqa: PLC0415 - so that --help answers at once

    rechecking = Rechecking(config.database, charger)
    if not rechecking.is_known:
        raise click.BadParameter(
            f"no charger {cell(charger)} is in {config.database}", param_hint="'CHARGER'"
        )
    totals = Totals()
    found = totals.counted(rechecking, is_json=is_json)
    if is_json:
        names = ("charger", "connector", "start_time", "causes", "rules", "judged_at", "settled_by")
        for difference in found:
            record = {name: getattr(difference, name) for name in names}
            for name in ("stored", "then", "now"):
                record[name] = getattr(difference, name)._asdict()
            say_json({"kind": "difference", "id": difference.transaction, **record})
        say_json({"kind": "totals"} | vars(totals))
    else:
        differences = list(found)
        for line in (*_table(differences), totals.in_words()):
            say(line)
    return 1 if totals.differences else 0


class Totals:
    """Counts the transactions, their differences by cause, and the energy."""

    def __init__(self) -> None:
        self.transactions = self.stored_wh = self.differences = self.change_wh = 0
        self.causes: Counter[str] = Counter(rules=0, facts=0, habits=0)

    def counted(self, rechecking: Rechecking, *, is_json: bool) -> Iterator[RecheckDifference]:
        """Yield the differences after counting those of their page, and show how far it is."""
        with RateProgress("transactions", rechecking.total, is_json=is_json) as progress:
            for page in rechecking.pages():
                self.transactions += page.transactions
                self.stored_wh += page.stored_wh
                self.differences += len(page.differences)
                for difference in page.differences:
                    self.change_wh += difference.now.wh - difference.stored.wh
                    self.causes.update(difference.causes)
                progress(self.transactions)
                yield from page.differences

    def in_words(self) -> str:
        judged = f"{counted(self.transactions, 'session')}, {printed(self.stored_wh / 1000, 3)} kWh"
        if not self.differences:
            return f"{judged}: no difference."
        by_cause = ", ".join(
            f"{count:,} by {cause}" for cause, count in self.causes.items() if count
        )
        change = f"{'' if self.change_wh < 0 else '+'}{printed(self.change_wh / 1000, 3)} kWh"
        return f"{judged}: {self.differences:,} differ ({by_cause}), {change}."


def _table(differences: Sequence[RecheckDifference]) -> Iterator[str]:
    """Yield two lines per difference, grouped by cause. The second line has the reason."""
    most = shutil.get_terminal_size().columns if is_terminal(sys.stdout) else sys.maxsize
    for is_by_rules, heading in GROUPS.items():
        group = [
            difference
            for difference in differences
            if ("rules" in difference.causes) is is_by_rules
        ]
        if not group:
            continue
        yield from (heading, "")
        rows = [_cells(difference) for difference in group]
        widths = [max(map(len, texts)) for texts in zip(COLUMNS, *rows, strict=True)]
        yield _aligned(COLUMNS, widths)
        for difference, row in zip(group, rows, strict=True):
            yield _aligned(row, widths)
            line = f"    {_why(difference)}"
            yield line if len(line) <= most else f"{line[: most - 1]}…"
        yield ""


def _cells(difference: RecheckDifference) -> tuple[str, ...]:
    stored, now, charger = difference.stored, difference.now, cell(difference.charger)
    if is_terminal(sys.stdout) and len(charger) > NAME_WIDTH:
        charger = f"…{charger[1 - NAME_WIDTH :]}"  # the end of a name distinguishes chargers
    start = difference.start_time[:16].replace("T", " ")
    return (
        *(str(difference.transaction), charger, start),
        *(f"{stored.wh}", stored.confidence, f"{now.wh}", now.confidence),
    )


def _aligned(texts: Sequence[str], widths: Sequence[int]) -> str:
    each = zip(texts, widths, IS_NUMBER, strict=True)
    return "  ".join(
        text.rjust(width) if is_number else text.ljust(width) for text, width, is_number in each
    ).rstrip()


def _why(difference: RecheckDifference) -> str:
    """Return the causes, and the present reviews, else those that no longer apply, else the
    method."""
    stored, now = difference.stored, difference.now
    settled_by = (
        f", settled by {cell(difference.settled_by)}" if difference.settled_by is not None else ""
    )
    reason = f"no longer: {cell(stored.words)}" if stored.words else f"found by {now.method}"
    return (
        f"{' and '.join(difference.causes)}{settled_by}: {cell(now.words) if now.words else reason}"
    )
