"""What an upgrade asks of a database, in a process of the new program: `python -m
levity_trio.store.keeping.upgrading`.

    look DATABASE OLD   whether the program of schema OLD still serves after the migrations of this
                        one
    try COPY            migrate a copy and check it, as the start of this version would; its
                        `changes` are sessions that this version judges or prices otherwise
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
from datetime import timedelta
from pathlib import Path
from typing import Final

from levity_trio.billing.money import CURRENCIES, written
from levity_trio.config import EnvironmentProblem
from levity_trio.config.settings import DatabaseAddress, PostgresqlAddress
from levity_trio.store.billing.booking import BookDifference, Price, booked_otherwise, rule_of_book
from levity_trio.store.cases.transaction import COLUMNS, StoredTransaction
from levity_trio.store.engine.database import parts, rows_of
from levity_trio.store.engine.file_store import (
    FileConnection,
    FileDatabase,
    lock_held,
    open_database,
)
from levity_trio.store.engine.opening import open_known
from levity_trio.store.engine.schema import FOLDER, Version, look, new_version
from levity_trio.store.keeping.checking import check
from levity_trio.store.keeping.copies import STAMPED, copy, open_copy, open_partial, tables_of
from levity_trio.store.keeping.restoring import RESTORING, swap
from levity_trio.store.reads.site.database import newest
from levity_trio.store.reads.transactions.recheck import DifferenceCause, compare
from levity_trio.told import stored
from levity_trio.wire.times import shifted_stamp

ACKNOWLEDGED: Final = STAMPED.keys() - {"run", "tx_event", "event"}
"""Tables to one of which whatever a charger or a person was told adds a row. The others also get
rows from a start alone: its run, and what it finds overdue, which the old version finds as well.
"""

REPLAYED: Final = timedelta(days=92)
MOST_CHANGES: Final = 100
_ENDED: Final = (
    f"SELECT {COLUMNS} FROM booked JOIN tx ON tx.id = booked.tx_id "  # noqa: S608 - our own names
    "WHERE booked.ended_at >= ? AND tx.status = 'Completed' AND tx.imported_id IS NULL"
)
_PRICED: Final = (
    "SELECT tx_id FROM booked "
    "WHERE ended_at >= ? AND is_open = 0 OR price IN ('booked', 'unpriced')"
)
_CHANGED: Final = (
    "SELECT tx.cp_id, start_time, price = 'billed' FROM tx JOIN booked ON tx_id = tx.id "
    "WHERE tx.id = ?"
)


def look_at(database: DatabaseAddress, old: int, folder: Path = FOLDER) -> Mapping[str, object]:
    """Return the schema of a database, that of this program, and whether the old program serves on
    that too.

    Raises EnvironmentProblem, sqlite3.Error.
    """
    db = open_known(database, folder)
    with closing(db.conn):
        schema = db.version()
    # on the present one the old program serves
    after = new_version(folder, Version(schema, 0))
    return {"schema": schema, "new_schema": after.schema, "serves_old": after.oldest <= old}


def try_on(copied: Path, folder: Path = FOLDER) -> Mapping[str, object]:
    """Migrate a copy and check it. Raises EnvironmentProblem, sqlite3.Error."""
    began = time.monotonic()
    with open_database(copied, folder=folder) as connection:
        seconds = time.monotonic() - began
        changes = _replayed(connection)
    found = check(copied, lambda _: None, folder).problems
    problems = [f"{one.check}: {one.text}" for one in found]
    return {
        "seconds": seconds,
        "problem": "; ".join(problems) or None,
        "changes": changes[:MOST_CHANGES],
        "more_changes": len(changes[MOST_CHANGES:]),
    }


def _replayed(connection: FileConnection) -> list[Mapping[str, object]]:
    """Return the sessions of the last three months that this version judges or prices otherwise.

    Nothing is applied. Those with another price then wait to be booked anew, as a server lists them
    at night: that the book has their old price is no damage.
    """
    rows = rows_of(db := FileDatabase(connection))
    last = newest(db)
    since = "" if last is None else shifted_stamp(last.at, -REPLAYED)
    judged = {}
    for row in rows(_ENDED, (since,)):
        found = compare(rows, StoredTransaction(*row))
        if found and found.settled_by is None and DifferenceCause.RULES in found.causes:
            judged[found.transaction] = found

    # What a session would cost by its new figure is asked of the database, and undone.
    connection.begin()
    for number, difference in judged.items():
        then, doubts = difference.then, difference.then.words or None
        connection.execute(
            "UPDATE tx SET energy_delivered = ?, confidence = ?, review = ?, review_told = ? "
            "WHERE id = ?",
            (then.wh, then.confidence, doubts, stored(doubts), number),
        )
    rule, priced = rule_of_book(rows), dict[int, BookDifference]()
    numbers = [number for (number,) in rows(_PRICED, (since,))]
    for part in parts(numbers):
        for one in booked_otherwise(rows, rule, part) if rule is not None else ():
            if one.before.kind != "due" and (one.is_price or one.transaction in judged):
                priced[one.transaction] = one
    connection.rollback()

    changes = list[Mapping[str, object]]()
    for number in sorted({*judged, *priced}):
        found, price = judged.get(number), priced.get(number)
        ((charger, start, is_closed),) = rows(_CHANGED, (number,))
        changes.append(
            {
                "session": number,
                "charger": charger,
                "start": start,
                "is_closed": bool(is_closed),
                "figure_wh": found and _pair(found.stored.wh, found.then.wh),
                "doubts": found and _pair(found.stored.words, found.then.words),
                "price": price and _pair(_in_words(price.before), _in_words(price.after)),
            }
        )
        connection.execute("DELETE FROM to_book WHERE tx_id = ?", (number,))
        connection.execute("INSERT INTO to_book (tx_id) VALUES (?)", (number,))
    return changes


def _pair(before: object, after: object) -> tuple[object, object] | None:
    return None if before == after else (before, after)


def _in_words(price: Price) -> str:
    sums = [
        f"{written(cost.amount, CURRENCIES[cost.currency])} ({cost.prices}, {cost.tax_rate} % tax)"
        for cost in price.costs
    ]
    return " + ".join(sums) or {"none": "held back"}.get(price.kind, price.kind)


def undo(database: Path, copied: Path, folder: Path = FOLDER) -> Mapping[str, object]:
    """Put back what the old version had stored. The migrated database has nothing else, and goes.

    Raises EnvironmentProblem: it is in use, or it has what was acknowledged since; sqlite3.Error.
    """
    with open_copy(copied, folder) as old, lock_held(database):
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
