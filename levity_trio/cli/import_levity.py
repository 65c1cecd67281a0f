"""`levity-trio import levity`: the history of a database of Levity becomes history here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from levity_trio.cli.import_report import Report
from levity_trio.cli.operator import Operator
from levity_trio.cli.serve import database_options
from levity_trio.config import ConfigError, ServerConfig, socket_path
from levity_trio.config.sources import load

if TYPE_CHECKING:
    from levity_trio.store.keeping.offline import Import
    from levity_trio.store.reads.levity.history import History, Part
    from levity_trio.store.reads.levity.rows import Imported

PATIENCE_SECONDS: Final = 600.0
"""For one request, while the server has slower things to do."""
PARTS_AT_ONCE: Final = 20
EXAMPLES: Final = """\
\b
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


def run_import(*, old: str, is_json: bool, **given: object) -> int:
    from levity_trio.store.reads.levity.history import History  # noqa: PLC0415 - so that --help answers at once
    from levity_trio.store.reads.levity.old_file import open_levity  # noqa: PLC0415 - so that --help answers at once

    config, _ = load({name: value for name, value in given.items() if value is not None}, os.environ)
    path, database = Path(old), config.database
    if isinstance(database, Path) and path.exists() and database.exists() and database.samefile(path):
        raise ConfigError(f"{old} is both the old database and --db; give a new file with --db")
    with open_levity(path) as connection, _open_target(config) as take:
        history = History(connection)
        report = Report(history.totals, history.connectors, is_json=is_json)
        with report.shown_progress():
            for part, imported in _imported(history, take):
                report.count(part, imported)
    report.show(path, config.database)
    return 0


def _imported(history: History, take: Import) -> Iterator[tuple[Sequence[Part], Imported]]:
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
            take = _Server(socket).take
        yield take


class _Server:
    """The server that runs on a database."""

    def __init__(self, socket: Path) -> None:
        self._operator = Operator(f"unix:{socket}", is_json=True)

    def take(self, kind: str, parts: Sequence[Sequence[Any]]) -> Imported:
        """Import parts of a history."""
        from levity_trio.store.reads.levity.rows import Imported, encoded  # noqa: PLC0415 - so that --help answers at once

        answer = self._operator.send(
            *("POST", "admin", "imports", "levity", kind),
            body=b"\n".join(map(encoded, parts)),
            media_type="application/x-ndjson",
            patience=PATIENCE_SECONDS,
        )
        return Imported(**answer)


levity = click.Command(
    "levity",
    params=[
        click.Argument(["old"], metavar="OLD.db"),
        click.Option(["is_json", "--json"], is_flag=True, help="Output JSON lines, for programs."),
        *database_options(),
    ],
    callback=run_import,
    help="Import the chargers, transactions, readings and errors of a database of Levity.",
    epilog=EXAMPLES,
)
