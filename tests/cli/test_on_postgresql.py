"""The commands that keep and bring data, on PostgreSQL: what they do there, and what they refuse in
which words."""

from __future__ import annotations

import json
import shlex
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from levity_trio.cli import main
from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.engine.opening import open_store
from tests.postgresql import Server, program, running
from tests.store.levity_file import OldFile
from tests.store.postgresql.stored import change, empty_database, name_of, query
from tests.web.both.copying import columns, tables

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
OWNER: Final = "owner"
UNUSED: Final = "postgresql:///levity"

Capsys = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as server:
        server.sql("CREATE ROLE stranger LOGIN")
        server.sql(f"CREATE ROLE {OWNER} LOGIN")
        yield server


def owned(server: Server) -> PostgresqlAddress:
    """Create an empty database for an ordinary user."""
    address = empty_database(server)
    server.sql(f"ALTER DATABASE {name_of(address)} OWNER TO {OWNER}")
    return PostgresqlAddress(address.replace("postgres@", f"{OWNER}@"))


@pytest.fixture
def address(server: Server) -> PostgresqlAddress:
    """A database that a server has created."""
    address = owned(server)
    with open_store(address, "levity"):
        return address


def refusal(capsys: Capsys, *arguments: str) -> str:
    """Return the line of a refusal to do what no such command can do."""
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_backup_names_the_tool(capsys: Capsys) -> None:
    line = refusal(capsys, "backup", "to day.dump", "--db", UNUSED)
    assert "pg_dump --format=custom '--file=to day.dump' postgresql:///levity" in line
    assert "pg_basebackup" in line


def test_restore_of_a_file_names_the_tool_and_what_comes_after_it(capsys: Capsys) -> None:
    assert refusal(capsys, "restore", "x.dump", "--db", UNUSED).endswith(
        "pg_restore --single-transaction --dbname=postgresql:///levity x.dump"
        " && levity-trio restore --db postgresql:///levity"
    )


def test_restore_without_a_backup(capsys: Capsys, address: PostgresqlAddress) -> None:
    assert main(["restore", "--db", address]) == 0
    first, lost, ids = capsys.readouterr().out.splitlines()
    assert first == f"{address} is restored: nothing stored yet."
    assert lost.startswith("What was stored after that is lost")
    assert ids.startswith("transactionIds go on above ")
    assert main(["restore", "--db", address, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["kind"], record["database"], record["kept"]) == ("restored", address, None)


def test_from_a_dump_to_the_next_command(
    capsys: Capsys, server: Server, tmp_path: Path, address: PostgresqlAddress
) -> None:
    """All that the manual says, by the owner of the database."""
    again = ["import", "levity", str(history(tmp_path / "old.db"))]
    assert main([*again, "--db", address]) == 0
    line = refusal(capsys, "backup", str(tmp_path / "day.dump"), "--db", address)
    subprocess.run(_command(line, "pg_dump", " (for every"), check=True)
    new = owned(server)
    line = refusal(capsys, "restore", str(tmp_path / "day.dump"), "--db", new)
    subprocess.run(_command(line, "pg_restore", " && "), check=True)
    assert main(["check", new]) == 0
    assert main([*again, "--db", new]) == 1
    assert "the database was restored or copied" in capsys.readouterr().err
    assert main(["restore", "--db", new]) == 0
    assert main([*again, "--db", new]) == 0
    assert main(["check", new]) == 0


def _command(line: str, tool: str, end: str) -> list[str]:
    """Return the command that a refusal shows."""
    name, *arguments = shlex.split(line[line.index(tool) :].partition(end)[0])
    return [program(name), *arguments]


def test_check(capsys: Capsys, address: PostgresqlAddress) -> None:
    assert main(["check", address]) == 0
    first, *unchecked = capsys.readouterr().out.splitlines()
    assert first == f"{address} is sound: nothing stored yet."
    assert unchecked[0].endswith(f"pg_amcheck --install-missing --heapallindexed '{address}'")
    change(address, "DROP INDEX tx_open")
    assert main(["check", address, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["database"], report["is_sound"], len(report["unchecked"])) == (
        address,
        False,
        len(unchecked),
    )
    assert [one["check"] for one in report["problems"]] == ["schema"]


def history(path: Path) -> Path:
    """A database of Levity with a bit of everything."""
    old = OldFile(path)
    old.charger("CP-0")
    (connector,) = old.charger(
        name="Space 7", vendor="United Chargers", model="Grizzl-E", serial_number="S1"
    )
    transaction = old.transaction(connector)
    old.reading(transaction, 2000.5)
    old.reading(None, "12.5 kWh")
    old.transaction(hour=8, energy_delivered=3000)
    old.transaction(connector=99)
    old.transaction(hour=20, id_tag="Grüße\N{SYMBOL FOR NULL}")
    return path


def rows_of_both(
    path: Path, address: PostgresqlAddress
) -> Iterator[tuple[str, list[str], list[str]]]:
    with closing(sqlite3.connect(path)) as file:
        for table in tables(file):
            sql = f"SELECT {', '.join(columns(file, table))} FROM {table}"
            yield (
                table,
                sorted(map(repr, file.execute(sql))),
                sorted(map(repr, query(address, sql))),
            )


def test_the_same_history_is_imported(
    capsys: Capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: PostgresqlAddress
) -> None:
    monkeypatch.setattr("levity_trio.store.keeping.offline.system_clock", lambda: NOW)
    old, site = history(tmp_path / "old.db"), tmp_path / "site.db"
    told = []
    for target in (str(site), str(address)):
        if target == address:  # both begin with the same transactionId
            with closing(sqlite3.connect(site)) as file:
                ((base,),) = file.execute("SELECT min(id) - 1 FROM tx").fetchall()
            change(address, f"SELECT setval('tx_id_seq', {base})")
        assert main(["import", "levity", str(old), "--db", target, "--json"]) == 0
        # once more, it changes nothing
        assert main(["import", "levity", str(old), "--db", target]) == 0
        told.append(capsys.readouterr().out)
    assert told[0].replace(str(site), "DB") == told[1].replace(shlex.quote(str(address)), "DB")
    for table, expected, found in rows_of_both(site, address):
        assert found == expected, table
    assert main(["check", address]) == 0


def test_an_import_creates_the_tables(capsys: Capsys, server: Server, tmp_path: Path) -> None:
    address = owned(server)
    assert main(["import", "levity", str(history(tmp_path / "old.db")), "--db", address]) == 0
    assert query(address, "SELECT count(*) FROM tx") == [(4,)]
    assert capsys.readouterr().err == ""


def test_no_import_beside_a_server_that_is_elsewhere(
    capsys: Capsys, tmp_path: Path, address: PostgresqlAddress
) -> None:
    with open_store(address, "levity"):
        assert main(["import", "levity", str(history(tmp_path / "old.db")), "--db", address]) == 1
    assert "the server levity runs on this database" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [["logs"], ["recheck"], ["forget", "CP-1"], ["check"], ["restore"]]
)
def test_who_may_not_gets_advice(
    capsys: Capsys, address: PostgresqlAddress, command: list[str]
) -> None:
    strange = address.replace(f"{OWNER}@", "stranger@")
    assert main([*command, *([] if command == ["check"] else ["--db"]), strange]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "permission denied for schema levity" in line
    assert "connect as the owner of the database" in line
