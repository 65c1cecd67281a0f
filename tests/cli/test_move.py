"""`levity-trio move`, as people and programs see it."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from levity_trio.cli import main, terminal
from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.moving import move, proof
from tests.postgresql import Server, running
from tests.store.keeping import charge, run
from tests.store.postgresql.stored import empty_database

SITE = Path("levity.db")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def address(server: Server) -> PostgresqlAddress:
    return empty_database(server)


@pytest.fixture(autouse=True)
def site() -> None:
    run(SITE, charge)


def test_people_get_a_proof_and_what_to_do_next(
    address: PostgresqlAddress, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "LINE_SECONDS", 0)
    monkeypatch.setattr(move, "PART_BYTES", 1)
    for folder in ("levity.db.files", "levity.db.certificates", "levity.db.pages"):
        Path(folder).mkdir()
    assert main(["move", str(SITE), address]) == 0
    begin, *steps, last = capsys.readouterr().out.partition("\ntable ")[0].splitlines()
    assert re.fullmatch(
        r"\d+ rows, \d\.\d MB\. Chargers will be without the server for about \d+ s\.", begin
    ), begin
    assert last == "100 %, 0 s left"
    assert re.fullmatch(r"\d+ %, [\d,]+ s left", steps[0])
    assert main(["move", address, "back.db"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^tx +1 +[0-9a-f]{16}$", out, re.MULTILINE)
    lines = out.splitlines()
    assert lines[-9:-7] == [
        "Both have 1 completed sessions with 1.000 kWh.",
        "Closed statements: none. Ledger: none.",
    ]
    assert lines[-7].startswith("Moved in ")
    assert lines[-7].endswith(f" s: back.db has the same rows as {address}.")
    assert lines[-2:] == [
        "Start the server with --db back.db",
        f"Never serve {address} again: two servers would bill the same energy.",
    ]
    assert lines[-6].endswith(f"to {Path('back.db').resolve()}.files")
    assert lines[-3].endswith(f"to {Path('back.db').resolve()}.key")


def test_folders_beside_the_file_are_named(
    address: PostgresqlAddress, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("levity.db.files").mkdir()
    Path("levity.db.key").touch()
    assert main(["move", str(SITE), address]) == 0
    out = capsys.readouterr().out
    assert (
        f"Give each server --secrets-key with a copy of {Path('levity.db.key').resolve()}, "
        "the key of secrets."
    ) in out
    files = Path("levity.db.files").resolve()
    assert f"Copy {files} to levity.files in the folder where the server will be started" in out
    assert ".certificates" not in out


def test_programs_get_json(address: PostgresqlAddress, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(SITE)) as file:
        file.execute("INSERT INTO event (at, kind, data) VALUES ('2026', 'X', char(0))")
        file.commit()
    assert main(["move", str(SITE), address, "--json"]) == 0
    begin, record = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert begin["kind"] == "begin"
    assert (record["kind"], record["from"], record["to"]) == ("moved", str(SITE), address)
    assert (record["transactions"], record["energy_wh"], record["texts_with_nul"]) == (1, 1000, 1)
    assert (record["statements"], record["ledger"]) == ([], [])
    tables = {one["table"]: one for one in record["tables"]}
    assert record["rows"] == begin["rows"] == sum(one["rows"] for one in tables.values())
    assert len(tables["tx"]["sha256"]) == 64


def test_a_terminal_shows_a_bar(
    address: PostgresqlAddress, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "is_terminal", lambda _: True)
    monkeypatch.setattr(terminal, "BAR_SECONDS", 0)
    monkeypatch.setattr(proof, "STEP_ROWS", 1)
    assert main(["move", str(SITE), address]) == 0
    shown = capsys.readouterr().err
    assert re.search(r"\r\[#+\.*\] \d+ %, \d+ s left", shown)
    assert shown.endswith("\r")


def test_ctrl_c(
    address: PostgresqlAddress, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(move, "prove", press)
        assert main(["move", str(SITE), address]) == 130
    assert (
        capsys.readouterr().err
        == "levity-trio: interrupted; nothing was moved; run the same command again\n"
    )
    assert main(["move", str(SITE), address]) == 0


@pytest.mark.parametrize(
    ("source", "target", "status", "words"),
    [
        ("levity.db", "other.db", 2, "to move from a file to a file, use backup"),
        ("levity.db", "postgresql://user:secret@host/levity", 2, "leave out the password"),
        (
            "levity.db",
            "postgresql:levity",
            2,
            "give an address such as postgresql://user@host/database",
        ),
        ("levity.db", "postgresql:///x?host=/nowhere", 1, "No such file or directory"),
        ("missing.db", "postgresql:///x?host=/nowhere", 1, "there is no database"),
        ("postgresql:///x?host=/nowhere", "new.db", 1, "No such file or directory"),
    ],
)
def test_what_cannot_be_moved(
    source: str, target: str, status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["move", source, target]) == status
    shown = capsys.readouterr()
    assert shown.out == ""
    assert words in shown.err
    assert "secret" not in shown.err
    assert shown.err.count("\n") == 1
    assert not Path("new.db").exists()


def test_without_the_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "levity_trio.store.postgresql.moving",
        "levity_trio.store.postgresql.connection",
        "psycopg",
    ):
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["move", str(SITE), "postgresql:///levity"]) == 1
    assert "pip install '.[postgresql]'" in capsys.readouterr().err


def test_a_folder_that_must_not_be_written(
    address: PostgresqlAddress, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["move", str(SITE), address]) == 0
    assert main(["move", address, "/proc/new.db"]) == 1
    assert "levity-trio: cannot move" in capsys.readouterr().err
