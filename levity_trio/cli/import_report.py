"""What an import read, added and left out, and what was odd: as tables, or as JSON lines."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from levity_trio.cli.progress import overwrite
from levity_trio.cli.tables import cell, say, show_table
from levity_trio.config.settings import DatabaseAddress
from levity_trio.output import is_terminal

if TYPE_CHECKING:
    from levity_trio.store.reads.levity.history import Odd, Part
    from levity_trio.store.reads.levity.rows import Imported

EXAMPLES: Final = 3
"""Rows that are shown of each oddity; --json has all."""
COUNTS: Final = ("read", "added", "changed", "known", "left_out")


class Report:
    """Counts the rows of an import. `totals` are those of the old database by kind, `connectors` how many it has."""

    def __init__(self, totals: Mapping[str, int], connectors: int, *, is_json: bool) -> None:
        self._counts: dict[str, Counter[str]] = {kind: Counter() for kind in totals}
        self._total = sum(totals.values())
        self._connectors = connectors
        self._is_json = is_json
        self._wh = 0
        self._odd: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}
        self._is_progress_shown = False
        self._began = time.monotonic()

    def count(self, parts: Sequence[Part], imported: Imported) -> None:
        """Count parts of one kind; with --json, output what was odd about them."""
        counts, odd = self._counts[parts[0].kind], [one for part in parts for one in part.odd]
        counts["read"] += sum(part.read for part in parts)
        counts["added"] += imported.added
        counts["changed"] += imported.changed
        counts["known"] += imported.known
        counts["left_out"] += sum(part.read - len(part.rows) for part in parts if part.read)
        if parts[0].kind == "transactions":
            self._wh += sum(row.energy_wh for part in parts for row in part.rows)
        for one in odd:
            self._note(one)
        self._show_progress()

    def _note(self, one: Odd) -> None:
        if self._is_json:
            say(json.dumps({"kind": "odd", **one._asdict()}, ensure_ascii=False))
        self._odd[one.code] += 1
        self._left_out[one.code] += one.is_left_out
        shown = self._examples.setdefault(one.code, [])
        if len(shown) < EXAMPLES:
            whose = "" if one.table == "cp" or one.charger is None else f" of {one.charger}"
            shown.append(f"{one.table} {one.id}{whose}: {one.words}")

    def show(self, old: Path, new: DatabaseAddress) -> None:
        """Output the totals and, for people, what to do next."""
        if self._is_json:
            totals = {kind: {name: counts[name] for name in COUNTS} for kind, counts in self._counts.items()}
            say(json.dumps({"kind": "totals", **totals, "connectors": self._connectors, "odd": self._odd}))
            return
        show_table(("history", *COUNTS), [{"history": kind, **self._of(kind)} for kind in self._counts])
        connectors = f"{self._connectors} connectors: their numbers were used, their statuses are not history"
        say(f"\n{cell(str(old))} has {connectors}.")
        say(f"The energy of its transactions, as Levity said: {self._wh / 1000:,.3f} kWh.")
        self._show_odd()
        serve = shlex.join(("levity-trio", "serve", "--db", str(new)))
        say(f"\nUnless its server runs already, start it: {serve}")

    def _show_odd(self) -> None:
        if not self._odd:
            say("Nothing was odd.")
            return
        say("\nWhat was odd (with --json each row):")
        for code, rows in self._odd.most_common():
            left_out = f", {self._left_out[code]:,} left out" if self._left_out[code] else ""
            say(f"\n{code}: {rows:,}{left_out}")
            for words in self._examples[code]:
                say(f"  {cell(words)}")

    def _of(self, kind: str) -> dict[str, str]:
        return {name: f"{self._counts[kind][name]:,}" for name in COUNTS}

    # Progress

    @contextmanager
    def shown_progress(self) -> Iterator[None]:
        """Show a progress line on stderr meanwhile, if that is a terminal that no JSON lines stream to."""
        self._is_progress_shown = is_terminal(sys.stderr) and not (self._is_json and is_terminal(sys.stdout))
        try:
            yield
        finally:
            self._show("")

    def _show_progress(self) -> None:
        read, seconds = sum(counts["read"] for counts in self._counts.values()), time.monotonic() - self._began
        rate = read / seconds if seconds else 0.0
        left = max(0, self._total - read) / rate if rate else 0.0
        self._show(f"{read:,} of {self._total:,} rows, {rate:,.0f} per second, {left:,.0f} s left")

    def _show(self, line: str) -> None:
        if self._is_progress_shown:
            overwrite(line)
