"""What an upgrade asks of a database: `python -m tests.tools.benchmarks.upgrade`, or `just
bench-upgrade`.

A database is filled, migrated to a later schema, and put back, as a file and on PostgreSQL. A line
for each step has its seconds, and the disk that the database has with all its copies then.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from levity_trio.store.engine.file_store import open_database
from levity_trio.store.keeping.copies import back_up
from levity_trio.store.keeping.upgrading import try_on, undo
from levity_trio.store.moving.move import MovePlan, move
from levity_trio.store.postgresql.connection import PostgresqlConnection, connect
from levity_trio.store.postgresql.schema import migrate
from tests.postgresql import Server, program, running
from tests.store.later import NOT, STILL, later

from . import filled
from .report import table

SESSIONS, READINGS = 100_000, 94
"""With two gigabytes of readings."""
MIB: Final = 2**20


class Step(NamedTuple):
    what: str
    seconds: float
    mib: float


class _Silent:
    def begins(self, plan: MovePlan) -> None: ...

    def __call__(self, done: int, total: int) -> None: ...


def on_file(folder: Path, schema: Path, sessions: int, readings: int) -> Iterator[Step]:
    """Fill a file, and take the way of `levity-trio upgrade` with it."""
    database, backup, tried, before = (
        folder / f"{name}.db" for name in ("site", "backup", "tried", "before")
    )

    def step(what: str, do: Callable[[], object]) -> Step:
        return _timed(what, folder, do)

    yield step("file: filled", lambda: filled.fill(database, sessions, readings, is_billed=False))
    yield step(
        "file: backup, and the copy that is tried",
        lambda: [back_up(database, to, _Silent()) for to in (backup, tried)],
    )
    yield step("file: the copy is migrated and checked", lambda: try_on(tried, schema))
    yield step("file: copied without a server", lambda: back_up(database, before, _Silent()))
    yield step("file: migrated", lambda: _migrate_file(database, schema))
    yield step("file: way back", lambda: undo(database, before, schema))


def on_postgresql(server: Server, database: Path, schema: Path, dump: Path) -> Iterator[Step]:
    """Fill a database on PostgreSQL with a file, and take the way of `help upgrade` with it."""

    def step(what: str, do: Callable[[], object]) -> Step:
        return _timed(f"PostgreSQL: {what}", server.folder, do)

    address = server.address("site")
    server.sql("CREATE DATABASE site TEMPLATE template0 LOCALE 'C'")
    yield step("filled by a move", lambda: move(database, address, _Silent()))
    yield step("dumped", lambda: _run("pg_dump", "--format=custom", f"--file={dump}", address))
    yield step("migrated", lambda: _migrate_postgresql(address, schema))
    server.sql("DROP DATABASE site")
    server.sql("CREATE DATABASE site TEMPLATE template0 LOCALE 'C'")
    yield step(
        "way back",
        lambda: _run("pg_restore", "--single-transaction", f"--dbname={address}", str(dump)),
    )


def _timed(what: str, folder: Path, do: Callable[[], object]) -> Step:
    began = time.monotonic()
    do()
    used = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Step(what, time.monotonic() - began, used / MIB)


def _migrate_file(database: Path, schema: Path) -> None:
    with open_database(database, folder=schema):
        pass


def _migrate_postgresql(address: str, schema: Path) -> None:
    with closing(PostgresqlConnection(connect(address))) as connection:
        migrate(connection, folder=schema)


def _run(name: str, *arguments: str) -> None:
    subprocess.run([program(name), *arguments], check=True)


def steps(folder: Path, sessions: int, readings: int, place: Path | None = None) -> Iterator[Step]:
    """Take both ways; PostgreSQL has its data in a new folder of a place that others may enter."""
    schema = later(folder / "schema", STILL, NOT)
    yield from on_file(folder, schema, sessions, readings)
    with running(place) as server:
        yield from on_postgresql(server, folder / "site.db", schema, server.folder / "site.dump")


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.benchmarks.upgrade", description=__doc__
    )
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="[%(default)s]")
    parser.add_argument("--readings", type=int, default=READINGS, help="of a session [%(default)s]")
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path(tempfile.gettempdir()),
        help="where all goes [%(default)s]",
    )
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="levity-upgrade-", dir=arguments.directory))
    try:
        found = list(steps(folder, arguments.sessions, arguments.readings, arguments.directory))
    finally:
        shutil.rmtree(folder)
    print(
        table(
            ("", "s", "MiB"), [[one.what, f"{one.seconds:.1f}", f"{one.mib:.0f}"] for one in found]
        )
    )


if __name__ == "__main__":
    main()
