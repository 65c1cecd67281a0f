"""What is stored of the sessions of closed statements is as it was when they were closed: each
change behind the guards is found, and whatever comes later is none."""

from __future__ import annotations

import csv
import io
import json
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from levity_trio.billing.statement import in_groups
from levity_trio.cli import main
from levity_trio.documents.csv_file import csv_text
from levity_trio.documents.json_file import json_bytes
from levity_trio.store.billing import sealing
from levity_trio.store.keeping import checking
from levity_trio.store.keeping.checking import check
from tests.postgresql import running
from tests.sizes import size
from tests.store.bills import ANNA, Biller, charge, house_of_two, month_is_over
from tests.store.books import Books, Station
from tests.store.keeping import change, query
from tests.store.moving.watching import moved
from tests.store.postgresql.stored import empty_database
from tests.store.reading import reading
from tests.store.signing import enter, look
from tests.store.template import new_database
from tests.store.test_anything import AnyCharger
from tests.store.test_orphans import available, wait_and_look
from tests.store.test_overtaking import FIRST_END, SECOND_START, go_offline, linked, read_live
from tests.store.test_signed import Site

COLUMNS: Final = {
    "tx_event": "id tx_id kind who session_id received_at timestamp sent_timestamp message_id "
    "payload digest state cause",
    "evidence": "session_id message_id at direction action frame cp_id",
    "meter_val": "id tx_id cp_id conn_id session_id received_at timestamp sent_timestamp measurand "
    "value unit context location phase format source wh told_id imported_id sent_conn_id "
    "run_since run_low run_high run_count",
    "review": "id tx_id code words figures evidence opened_at tx_event_id",
}
OF_SESSION: Final = {
    "tx_event": "SELECT id FROM tx_event WHERE id <= ? AND tx_id = ?",
    "evidence": "SELECT evidence.id FROM tx_event JOIN evidence ON evidence.session_id = "
    "tx_event.session_id AND evidence.message_id = tx_event.message_id AND evidence.at = "
    "tx_event.received_at WHERE tx_event.id <= ? AND tx_id = ?",
    "meter_val": "SELECT id FROM meter_val WHERE id <= ? AND tx_id = ? AND cp_id = ? "
    "AND conn_id = ? AND timestamp BETWEEN ? AND ?",
    "review": "SELECT id FROM review WHERE id <= ? AND tx_id = ?",
}


def differing(books: Books) -> dict[int, Any]:
    """Return what is found of each statement that does not rest on what it sealed."""
    with reading(books) as db:
        found = [*checking.evidence(db)]
    return {one.statement: one.differing for one in found if one.differing != []}


class LateCharger(AnyCharger):
    """Sends some of what it sends a month late."""

    def _time(self) -> str:
        if self._random.random() < 0.3:
            return self._station.clock(self._random.uniform(0, 60 * 24 * 40))
        return super()._time()


def months_of(books: Books, seed: int) -> Iterator[int]:
    """Let a charger send anything for some months, and yield each that was closed."""
    house = house_of_two(books)
    house.give(1, "A")
    house.give(2, "B")
    biller, charger, honest = Biller(house), LateCharger(books, seed), Station(books, "CP-2")
    for month in (3, 4, 5):
        for tag in "AB":
            charge(honest, 4000, tag)
        for _ in range(30):
            charger.act()
        month_is_over(books, month)
        biller.close(f"2026-{month:02}")
        yield month
    for _ in range(30):
        charger.act()


@pytest.mark.parametrize("seed", range(size(100, 6)))
def test_whatever_a_charger_sends_later_changes_no_evidence(books: Books, seed: int) -> None:
    for _ in months_of(books, seed):
        assert differing(books) == {}
    assert differing(books) == {}
    assert books.count("statement") > 0


def billed(books: Books) -> tuple[Biller, Station]:
    house = house_of_two(books)
    house.give(ANNA, "FIRST")
    return Biller(house), Station(books)


@pytest.mark.parametrize("is_reopened", [False, True])
def test_readings_that_a_late_start_moves(books: Books, is_reopened: bool) -> None:
    """They were those of a session that is closed, and perhaps goes on."""
    biller, station = billed(books)
    charge(station)
    first, wh = go_offline(station)
    read_live(station, wh + 7200)
    ended, begun = station.clock(FIRST_END), station.clock(SECOND_START)
    if is_reopened:
        available(station)
        wait_and_look(books, 15)
    else:
        station.stop(first, wh, at=ended)
    month_is_over(books, 3)
    biller.close("2026-03")
    if is_reopened:
        station.tell(station.register(wh + 9000), transaction=first)
        assert books.value("SELECT status FROM tx WHERE id = ?", first) == "Active"
    second = station.start(wh, tag="SECOND", at=begun)
    assert wh + 7200 in linked(books, second)
    assert books.count("moved_reading") > 0
    assert differing(books) == {}


def closed_month(path: Path) -> None:
    with new_database(path) as connection:
        books = Books(connection)
        biller, station = billed(books)
        number = station.start(1000, 1, "Card")
        for wh in (2000, 3000):
            books.wait(20)
            station.tell(station.register(wh), transaction=number)
        books.connection.execute(
            "INSERT INTO tx_event (tx_id, kind, who, received_at, timestamp, last_received_at, "
            "payload) VALUES (?, 'note', 'cleo', '', '', '', ?)",
            (number, "a\0b"),
        )
        station.stop(number, 4000)
        charge(station, 4000, "Ben")
        month_is_over(books, 3)
        biller.close("2026-03")
        station.lose()


def test_check_tells_of_each_statement_whether_it_rests_on_what_it_sealed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "levity.db"
    closed_month(path)
    assert main(["backup", "copy.db"]) == 0
    capsys.readouterr()
    assert main(["check", "copy.db"]) == 0
    assert capsys.readouterr().out.endswith("Evidence of 2 statements: 2 as sealed.\n")
    change(path, "DROP TRIGGER meter_val_is_kept; DELETE FROM meter_val WHERE wh = 2000")
    change(
        path,
        "UPDATE statement_party SET party = NULL, removed_at = '2036', removed_by = 's' "
        "WHERE statement_id = 1",
    )
    change(
        path,
        "INSERT INTO personal_deletion (account_id, keep_years, reason, deleted_at, deleted_by) "
        "VALUES (1, 10, '', '', '')",
    )
    assert main(["check", str(path)]) == 1
    said = capsys.readouterr().out
    (number,) = query(path, "SELECT min(id) FROM tx")[0]
    assert (
        f"evidence: statement 1: the readings of session {number} changed since it was closed\n"
    ) in said
    assert "Evidence of 2 statements: 1 as sealed, 1 changed since.\n" in said
    assert "Names were removed from 1 statement after 10 years of keeping.\n" in said
    assert main(["check", str(path), "--json"]) == 1
    first, second = json.loads(capsys.readouterr().out)["evidence"]
    assert first == {
        "statement": 1,
        "differing": [[number, "readings"]],
        "names_removed_at": "2036",
        "keep_years": 10,
    }
    assert (second["differing"], second["keep_years"]) == ([], None)


def test_on_postgresql_it_is_the_same(tmp_path: Path) -> None:
    """A text with a NUL, which PostgreSQL has not, stands in it, too."""
    path = tmp_path / "site.db"
    closed_month(path)
    with running() as server:
        address = empty_database(server)
        moved(path, address)
        there = check(address, lambda _: None)
    assert there.evidence == check(path, lambda _: None).evidence
    assert [one.differing for one in there.evidence] == [[], []]


@pytest.fixture
def closed(books: Books) -> Books:
    """Three closed months of all kinds of sessions."""
    for _ in months_of(books, 1):
        pass
    return books


@pytest.mark.sqlite
def test_each_change_of_what_is_sealed_is_found(closed: Books) -> None:
    """Somebody with the file has no guards."""
    for (name,) in closed.rows("SELECT name FROM sqlite_schema WHERE type = 'trigger'"):
        closed.connection.execute(f"DROP TRIGGER {name}")
    closed.connection.execute("PRAGMA foreign_keys = OFF")
    attacker, ways = Attacker(closed, random.Random(67)), Counter[str]()
    for _ in range(size(1000, 100)):
        closed.connection.execute("SAVEPOINT before_it")
        way, expected = attacker.change()
        assert expected <= differing(closed).keys(), way
        closed.connection.execute("ROLLBACK TO before_it")
        ways[way.split()[0]] += 1
    assert set(ways) == {"UPDATE", "DELETE", "INSERT"}
    assert differing(closed) == {}


class Attacker:
    """Changes something of the sessions of closed statements."""

    def __init__(self, books: Books, chance: random.Random) -> None:
        self.books, self.chance = books, chance
        sealed = books.rows("SELECT number, evidence_until FROM statement ORDER BY number")
        self.rows: dict[tuple[str, int], set[int]] = {}
        """The numbers of the statements that rest on each row."""
        for number, until in sealed:
            newest, sessions = orjson.loads(until)
            until_of = dict(zip(sealing.NewestIds._fields, newest, strict=True))
            for transaction, *place, _ in sessions:
                for table, sql in OF_SESSION.items():
                    most = until_of[table if table in until_of else "tx_event"]
                    among = place if table == "meter_val" else []
                    for (row,) in books.rows(sql, most, transaction, *among):
                        self.rows.setdefault((table, row), set()).add(number)

    def change(self) -> tuple[str, set[int]]:
        """Change a row; return how, and which statements rest on it."""
        table = self.chance.choice([*OF_SESSION])
        (_, row), numbers = self.chance.choice(
            [one for one in self.rows.items() if one[0][0] == table]
        )
        way = self.chance.choice([self.update] * 6 + [self.delete, self.insert])
        try:
            return way(table, row), numbers
        except sqlite3.IntegrityError:  # a row like this is there already
            return self.change()

    def update(self, table: str, row: int) -> str:
        column = self.chance.choice(COLUMNS[table].split())
        before = self.books.value(f"SELECT {column} FROM {table} WHERE id = {row}")
        value = before
        while value == before:
            value = self.value(before, column, table)
        self.books.rows(f"UPDATE {table} SET {column} = ? WHERE id = {row}", value)
        return f"UPDATE {table} {column} of {row} from {before!r} to {value!r}"

    def value(self, before: Any, column: str, table: str) -> object:
        if isinstance(before, int) or (column, table) == ("tx_id", "meter_val"):
            return self.chance.choice([int(before or 0) + 1, 10**9, -self.chance.randrange(10**6)])
        if before is None and column in {
            "wh",
            "told_id",
            "imported_id",
            "sent_conn_id",
            "run_count",
        }:
            return self.chance.randrange(10**6)
        text = str(before or "")
        place = self.chance.randrange(len(text) + 1)
        return self.chance.choice(
            [f"{text[:place]}{self.chance.choice('0aZ')}{text[place:]}", text[1:], ""]
        )

    def delete(self, table: str, row: int) -> str:
        self.books.rows(f"DELETE FROM {table} WHERE id = {row}")
        return f"DELETE {row} of {table}"

    def insert(self, table: str, row: int) -> str:
        """Insert a row like another one, with an old id."""
        if table == "evidence":
            return self.delete(table, row)
        columns = COLUMNS[table].split()[1:]
        new = {"digest": "'x'", "resolved_at": "'x'"}
        given = ", ".join(new.get(column, column) for column in columns)
        more = {
            "tx_event": ("last_received_at", "received_at"),
            "review": ("resolved_at", "opened_at"),
        }
        names, values = zip(("", ""), *([more[table]] if table in more else []), strict=True)
        self.books.rows(
            f"INSERT INTO {table} (id, {', '.join(columns)}{', '.join(names)}) "
            f"SELECT -{self.chance.randrange(1, 10**6)}, {given}{', '.join(values)} "
            f"FROM {table} WHERE id = {row}"
        )
        return f"INSERT INTO {table} like {row}"


KEY: Final = f"3f2a91bc07de5512{'0' * 48}"


@pytest.mark.parametrize(
    ("state", "is_owners", "wh", "signed", "words"),
    [
        ("proven", 1, 3990, KEY, "signed, checked (key 3f2a 91bc 07de 5512)"),
        (
            "proven",
            0,
            4000,
            f"told {KEY}",
            "its charger told the key (3f2a 91bc 07de 5512)",
        ),
        ("proven", 1, 3000, None, None),
        ("doubtful", 1, 4000, None, None),
    ],
)
def test_a_statement_says_by_which_key_its_energy_is_signed(
    books: Books, state: str, is_owners: int, wh: int, signed: str | None, words: str | None
) -> None:
    """What was checked of another figure proves nothing of this one. Later checks have no
    effect."""
    biller, station = billed(books)
    number = charge(station)
    books.connection.execute(
        "INSERT INTO signed_check (tx_id, state, told, wh, digit_wh, key, is_owners, is_timed, "
        "checked_at) VALUES (?, ?, '', ?, 10, ?, ?, 0, '')",
        (number, state, wh, KEY, is_owners),
    )
    month_is_over(books, 3)
    biller.close("2026-03")
    books.connection.execute("UPDATE signed_check SET state = 'unproven'")
    statement = biller.statement(1)
    assert [one.signed for one in statement.positions] == [signed]
    assert differing(books) == {}
    ((sheet,),) = books.rows("SELECT sheet FROM statement_party")
    assert ("signed" in sheet) is (words is not None)
    assert (words or "") in sheet
    assert in_groups((statement.evidence or "-")[:8]) in sheet
    (row, *_) = csv.DictReader(io.StringIO(csv_text(statement, ",", ".")))
    document = json.loads(json_bytes(statement))
    assert row["signed"] == (signed or "")
    assert document["positions"][0]["signed"] == signed
    assert document["evidence"] == statement.evidence


@pytest.mark.sqlite
def test_a_figure_that_its_meter_did_not_sign_is_found(books: Books) -> None:
    """Whoever has the file may raise a figure, and say that it is signed, before the closing: then
    the seal is right."""
    house = house_of_two(books)
    site = Site(books)
    house.give(ANNA, "TAG")
    enter(books, site.meter)
    honest, raised = site.session(), site.session(8350, 9350)
    look(books)
    for sql in (
        "UPDATE tx SET energy_delivered = energy_delivered + 5000 WHERE id = ?",
        "UPDATE signed_check SET wh = wh + 5000 WHERE tx_id = ?",
    ):
        books.connection.execute(sql, (raised,))
    month_is_over(books, 3)
    Biller(house).close("2026-03")
    signed = books.rows("SELECT tx_id FROM position WHERE length(signed) = 64 ORDER BY tx_id")
    assert signed == [(honest,), (raised,)]
    with reading(books) as db:
        found = [*checking.contradicted(db)]
    assert [f"session {raised} " in one for one in found] == [True]


@pytest.mark.sqlite
def test_a_statement_without_a_seal_after_one_with_it_was_changed(closed: Books) -> None:
    closed.connection.execute("DROP TRIGGER statement_stays")
    ((last,),) = closed.rows("SELECT max(number) FROM statement")
    closed.connection.execute(
        "UPDATE statement SET evidence = NULL, evidence_until = NULL WHERE number = ?", (last,)
    )
    assert differing(closed) == {last: [(0, "seal")]}
