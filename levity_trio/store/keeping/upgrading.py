"""What an upgrade asks of a database, in a process of the new program: `python -m
levity_trio.store.keeping.upgrading`.

    look DATABASE OLD   whether the program of schema OLD still serves after the migrations of this
                        one
    try COPY            migrate a copy and check it, as the start of this version would
    undo DATABASE COPY  put the copy back, made when the old version had stopped, unless something
                        was stored since

The answer is an object of JSON on stdout, with `problem` where something forbids the upgrade.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from levity_trio.config import EnvironmentProblem
from levity_trio.config.settings import DatabaseAddress, PostgresqlAddress
from levity_trio.store.engine.connection import lock_held, open_database
from levity_trio.store.engine.opening import open_known
from levity_trio.store.engine.schema import Version, look, new_version
from levity_trio.store.keeping.checking import check
from levity_trio.store.keeping.copies import STAMPED, copy, open_copy, open_partial, tables_of
from levity_trio.store.keeping.restoring import RESTORING, swap

ACKNOWLEDGED: Final = STAMPED.keys() - {"run", "tx_event", "event"}
"""Tables to one of which whatever a charger or a person was told adds a row. The others also get
rows from a start alone: its run, and what it finds overdue, which the old version finds as well.
"""


def look_at(database: DatabaseAddress, old: int) -> Mapping[str, object]:
    """Return the schema of a database, that of this program, and whether the old program serves on
    that too.

    Raises EnvironmentProblem, sqlite3.Error.
    """
    db = open_known(database)
    with closing(db.conn):
        schema = db.version()
    after = new_version(Version(schema, 0))  # on the present one the old program serves
    return {"schema": schema, "new_schema": after.schema, "serves_old": after.oldest <= old}


def try_on(copied: Path) -> Mapping[str, object]:
    """Migrate a copy and check it. Raises EnvironmentProblem, sqlite3.Error."""
    began = time.monotonic()
    with open_database(copied):
        seconds = time.monotonic() - began
    problems = [f"{one.check}: {one.text}" for one in check(copied, lambda _: None).problems]
    return {"seconds": seconds, "problem": "; ".join(problems) or None}


def undo(database: Path, copied: Path) -> Mapping[str, object]:
    """Put back what the old version had stored. The migrated database has nothing else, and goes.

    Raises EnvironmentProblem: it is in use, or it has what was acknowledged since; sqlite3.Error.
    """
    with open_copy(copied) as old, lock_held(database):
        with closing(look(database)) as present:
            if news := [
                table
                for table in sorted(ACKNOWLEDGED)
                if _last(present, table) != _last(old, table)
            ]:
                raise EnvironmentProblem(
                    f"the new version has stored facts ({', '.join(news)}), which the old "
                    "database does not have"
                )
        with open_partial(database, RESTORING) as partial:
            copy(old, partial, lambda _done, _total: None, lambda: None)
            kept = swap(partial, database)
        for path in kept.parent.glob(f"{kept.name}*") if kept else ():
            path.unlink()
    return {}


def _last(connection: sqlite3.Connection, table: str) -> int | None:
    if table not in tables_of(connection):
        return None
    ((last,),) = connection.execute(f"SELECT max(id) FROM {table}").fetchall()  # noqa: S608 - our own names
    return None if last is None else int(last)


def main(words: Sequence[str]) -> int:
    """Do what the words say; return the exit status."""
    action, name, *others = words
    database = PostgresqlAddress(name) if name.startswith("postgres") else Path(name)
    try:
        if action == "look":
            answer = look_at(database, int(others[0]))
        elif action == "try":
            answer = try_on(Path(name))
        else:
            answer = undo(Path(name), Path(others[0]))
    except (EnvironmentProblem, sqlite3.Error) as problem:
        answer = {"problem": " ".join(str(problem).split())}
    sys.stdout.write(f"{json.dumps(answer)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
