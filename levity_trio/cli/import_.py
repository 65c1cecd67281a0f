"""`levity-trio import`: takes over what another system kept: the history of Levity becomes history
here."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from levity_trio.cli.declaring import JSON_LINES, Group, argument, on_database
from levity_trio.cli.operator import Operator
from levity_trio.cli.terminal import RateProgress, cell, say, say_json, show_table
from levity_trio.config import ConfigError, ServerConfig, socket_path
from levity_trio.config.settings import DatabaseAddress
from levity_trio.locale.formats import printed

if TYPE_CHECKING:
    from levity_trio.store.keeping.offline import Import
    from levity_trio.store.reads.levity.history import HistoryPart, LevityHistory
    from levity_trio.store.reads.levity.rows import ImportedRows

PATIENCE_SECONDS: Final = 600.0
"""One request may wait for slower things that the server has to do."""
PARTS_AT_ONCE: Final = 20
SHOWN_ODD: Final = 3
"""So many rows are shown of each oddity; --json has all."""
COUNTS: Final = ("read", "added", "changed", "known", "left_out")
EXAMPLES: Final = """\
\b
Examples:
  levity-trio import levity old/levity.db --db levity-trio.db
"""


@on_database()
@argument("OLD.db", "old")
@JSON_LINES
def levity(config: ServerConfig, *, old: str, is_json: bool) -> None:
    """Import the chargers, sessions, readings and errors of a database of Levity.

    Examples:
      levity-trio import levity old/levity.db --db levity-trio.db
      levity-trio import levity old/levity.db --json > report.jsonl

    Stop Levity first. Its file is only read. Chargers, transactions, readings and
    errors become history here, with their old ids beside them (imported_id). Their
    energy is as Levity said, doubtful where it contradicts its own registers and
    readings; nobody is billed for it here. Nothing odd is guessed silently: each
    row is imported, or the report says why not. With --json each oddity is an
    object on a line of its own, and the last line has the totals.

    Repeat it as often as you like, also after a crash: nothing is doubled, and what
    Levity has stored since is added. It works while a server runs on --db (over its
    local socket), and without one; a missing file is created. A database on
    PostgreSQL must exist, and its tables are created.

    Exit status: 0 when all was imported or reported, 1 when a file cannot be read
    or written, 2 for wrong usage or a file that is not Levity's.
    """
    from levity_trio.store.reads.levity.history import LevityHistory  # noqa: PLC0415 - so that --help answers at once
    from levity_trio.store.reads.levity.old_file import open_levity  # noqa: PLC0415 - so that --help answers at once

    path, database = Path(old), config.database
    if (
        isinstance(database, Path)
        and path.exists()
        and database.exists()
        and database.samefile(path)
    ):
        raise ConfigError(f"{old} is both the old database and --db; give a new file with --db")
    with open_levity(path) as connection, _open_target(config) as take:
        history = LevityHistory(connection)
        report = Report(history.totals, history.connectors, is_json=is_json)
        with report.progress:
            for part, imported in _imported(history, take):
                report.count(part, imported)
    report.show(path, database)


import_ = Group(
    "import", commands=[levity], help="Import the history of another system.", epilog=EXAMPLES
)


def _imported(
    history: LevityHistory, take: Import
) -> Iterator[tuple[Sequence[HistoryPart], ImportedRows]]:
    """Import the history, some parts at once; yield what became of them."""
    for parts in (history.chargers(), history.transactions(), history.readings(), history.errors()):
        while some := list(islice(parts, PARTS_AT_ONCE)):
            kind, rows = some[0].kind, [part.rows for part in some]
            imported = take(kind, rows)
            if kind == "transactions":
                history.told([row for part in rows for row in part], imported.ids)
            yield some, imported


@contextmanager
def _open_target(config: ServerConfig) -> Iterator[Import]:
    """Import into a database itself or, if a server runs on it, over its local socket."""
    from levity_trio.store.keeping.offline import ServerRuns, open_import  # noqa: PLC0415 - so that --help answers at once

    with ExitStack() as stack:
        try:
            take = stack.enter_context(open_import(config.database, config.server_name))
        except ServerRuns:
            socket = socket_path(config.beside.resolve())
            if not socket.exists():  # on PostgreSQL, the server may be elsewhere
                raise
            take = _importing(Operator(f"unix:{socket}", is_json=True))
        yield take


def _importing(operator: Operator) -> Import:
    """Return what imports parts of a history into the server that runs on a database."""
    from levity_trio.store.reads.levity.rows import ImportedRows, encoded  # noqa: PLC0415 - so that --help answers at once

    def take(kind: str, parts: Sequence[Sequence[Any]]) -> ImportedRows:
        lines, path = b"\n".join(map(encoded, parts)), ("imports", "levity", kind)
        sent = {"body": lines, "media_type": "application/x-ndjson", "patience": PATIENCE_SECONDS}
        return ImportedRows(**json.loads(operator.send("POST", *path, **sent)))

    return take


class Report:
    """Counts the rows of an import. `totals` are those of the old database by kind, `connectors`
    how many it has."""

    def __init__(self, totals: Mapping[str, int], connectors: int, *, is_json: bool) -> None:
        self._counts: dict[str, Counter[str]] = {kind: Counter() for kind in totals}
        self._connectors = connectors
        self._is_json = is_json
        self.progress = RateProgress("rows", sum(totals.values()), is_json=is_json)
        self._wh = 0
        self._odd: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}

    def count(self, parts: Sequence[HistoryPart], imported: ImportedRows) -> None:
        """Count parts of one kind; with --json, output what was odd about them."""
        counts = self._counts[parts[0].kind]
        counts["read"] += sum(part.read for part in parts)
        for name in ("added", "changed", "known"):
            counts[name] += getattr(imported, name)
        counts["left_out"] += sum(part.read - len(part.rows) for part in parts if part.read)
        if parts[0].kind == "transactions":
            self._wh += sum(row.energy_wh for part in parts for row in part.rows)
        for odd in (odd for part in parts for odd in part.odd):
            if self._is_json:
                say_json({"kind": "odd", **odd._asdict()})
            self._odd[odd.code] += 1
            self._left_out[odd.code] += odd.is_left_out
            shown = self._examples.setdefault(odd.code, [])
            if len(shown) < SHOWN_ODD:
                whose = "" if odd.table == "cp" or odd.charger is None else f" of {odd.charger}"
                shown.append(f"{odd.table} {odd.id}{whose}: {odd.words}")
        self.progress(sum(counts["read"] for counts in self._counts.values()))

    def show(self, old: Path, new: DatabaseAddress) -> None:
        """Output the totals and, for people, what to do next."""
        if self._is_json:
            totals = {
                kind: {name: counts[name] for name in COUNTS}
                for kind, counts in self._counts.items()
            }
            say_json({"kind": "totals", **totals, "connectors": self._connectors, "odd": self._odd})
            return
        rows = [
            {"history": kind, **{name: f"{counts[name]:,}" for name in COUNTS}}
            for kind, counts in self._counts.items()
        ]
        show_table(("history", *COUNTS), rows)
        connectors = (
            f"{self._connectors} connectors: their numbers were used, their statuses are not "
            "history"
        )
        say(f"\n{cell(str(old))} has {connectors}.")
        say(f"The energy of its sessions, as Levity said: {printed(self._wh / 1000, 3)} kWh.")
        say("\nWhat was odd (with --json each row):" if self._odd else "Nothing was odd.")
        for code, odd_rows in self._odd.most_common():
            left_out = f", {self._left_out[code]:,} left out" if self._left_out[code] else ""
            say(f"\n{code}: {odd_rows:,}{left_out}")
            for words in self._examples[code]:
                say(f"  {cell(words)}")
        serve = shlex.join(("levity-trio", "serve", "--db", str(new)))
        say(f"\nUnless its server runs already, start it: {serve}")
