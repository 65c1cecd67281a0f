"""What an upgrade asks of a database: a trial on a copy, whether one can go back, and the way
back."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from levity_trio.config import EnvironmentProblem
from levity_trio.store.engine.file_store import open_database
from levity_trio.store.keeping import upgrading
from levity_trio.store.keeping.copies import back_up
from levity_trio.store.keeping.upgrading import look_at, main, try_on, undo
from levity_trio.store.reads.transactions.recheck import Rechecking
from levity_trio.store.writes.chargers import sessions
from tests.store.bills import Biller, correct, house_of_two, month_is_over
from tests.store.bills import charge as charge_kwh
from tests.store.books import Books, Station
from tests.store.keeping import change, charge, query, run
from tests.store.later import NEWEST, NOT, STILL, later
from tests.store.template import new_database
from tests.store.test_book import price

pytestmark = pytest.mark.sqlite


@pytest.fixture
def site(tmp_path: Path) -> Path:
    run(path := tmp_path / "levity.db", charge)
    return path


@pytest.fixture
def copied(site: Path) -> Path:
    """What the old version had stored when it stopped."""
    back_up(site, path := site.with_name("before.db"), lambda _done, _total: None)
    return path


def test_a_program_serves_on_its_own_schema_and_an_old_one_where_all_steps_say_so(
    site: Path, tmp_path: Path
) -> None:
    assert look_at(site, NEWEST) == {"schema": NEWEST, "new_schema": NEWEST, "serves_old": True}
    for number, (steps, serves_old) in enumerate({(STILL,): True, (STILL, NOT): False}.items()):
        assert look_at(site, NEWEST, later(tmp_path / str(number), *steps)) == {
            "schema": NEWEST,
            "new_schema": NEWEST + len(steps),
            "serves_old": serves_old,
        }


def test_a_trial_migrates_and_says_what_is_wrong(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = later(tmp_path / "schema", STILL, NOT)
    tried = try_on(copied, folder)
    assert (tried["problem"], tried["changes"], tried["more_changes"]) == (None, [], 0)
    assert query(copied, "PRAGMA user_version") == [(NEWEST + 2,)]
    change(copied, "DROP INDEX tx_open")
    assert "index tx_open is missing" in str(try_on(copied, folder)["problem"])
    copied.write_text("no database")
    assert main(["try", str(copied)]) == 0
    assert "is not a SQLite database" in json.loads(capsys.readouterr().out)["problem"]


def test_a_trial_finds_steps_that_make_another_schema_than_pages(
    copied: Path, tmp_path: Path
) -> None:
    folder = later(tmp_path / "schema", NOT)
    (folder / "zz_steps.sql").write_text(NOT.replace("TEXT", "INTEGER"))
    assert f"table cp is not as schema {NEWEST + 1} defines it" in str(
        try_on(copied, folder)["problem"]
    )


def test_the_old_state_comes_back_after_a_migration(
    site: Path, copied: Path, tmp_path: Path
) -> None:
    folder = later(tmp_path / "schema", STILL, NOT)
    with open_database(site, folder=folder):
        pass
    assert undo(site, copied, folder) == {}
    assert query(site, "PRAGMA user_version") == [(NEWEST,)]
    assert contents_of(site) == contents_of(copied)


def contents_of(path: Path) -> list[tuple[Any, ...]]:
    return [
        row
        for table in ("tx", "event", "run", "cp")
        for row in query(path, f"SELECT * FROM {table}")
    ]


def test_the_old_state_comes_back_after_a_start_that_stored_nothing(
    site: Path, copied: Path
) -> None:
    change(
        site,
        (
            "INSERT INTO run (server, version, started_at, clock_trusted) "
            "VALUES ('levity', '2', '2026-03-02T10:00:00.000Z', 1)"
        ),
    )
    change(site, "CREATE TABLE novelty (id INTEGER PRIMARY KEY)")
    assert undo(site, copied) == {}
    assert query(site, "SELECT count(*) FROM sqlite_schema WHERE name = 'novelty'") == [(0,)]
    assert query(site, "SELECT count(*) FROM tx") == [(1,)]
    assert list(site.parent.glob("*.replaced-*")) == []


def test_what_was_acknowledged_since_stays(site: Path, copied: Path) -> None:
    run(site, charge)
    with pytest.raises(EnvironmentProblem, match=r"the new version has stored facts \(.*\btx\)"):
        undo(site, copied)
    assert query(site, "SELECT count(*) FROM tx") == [(2,)]


class Billed:
    """A site that has closed March. What was charged in April has its price."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with new_database(path) as connection:
            books = Books(connection)
            biller = Biller(house_of_two(books))
            books.book_anew()
            station = Station(books)
            self.closed = charge_kwh(station)
            month_is_over(books, 3)
            biller.close("2026-03")
            self.april = [charge_kwh(station, tag="Ben") for _ in range(3)]
            month_is_over(books, 4)
            self.at = books.now
            price(books)
            station.lose()

    def was(self, sql: str, transaction: int, months_later: int = 0) -> None:
        """Let an earlier version have stored something else, and booked that."""
        with new_database(self.path) as connection:
            books = Books(connection)
            books.now = self.at + timedelta(days=31 * months_later)
            books.run(lambda db: db.execute(sql, (transaction,)))
            price(books)
            books.run(sessions.start_run, "levity", "1.0", books.at, True)

    def tried(self) -> Any:
        """Let this version look at a copy."""
        copied = self.path.with_name("copied.db")
        back_up(self.path, copied, lambda _done, _total: None)
        try:
            return try_on(copied)
        finally:
            assert query(copied, SESSIONS) == query(self.path, SESSIONS)
            copied.unlink()

    def changes(self) -> dict[int, tuple[Any, ...]]:
        """Return what would change: figure, doubts, price, and whether it stays as billed."""
        found = self.tried()
        assert (found["problem"], found["more_changes"]) == (None, 0)
        return {
            one["session"]: (one["figure_wh"], one["doubts"], one["price"], one["is_closed"])
            for one in found["changes"]
        }


@pytest.fixture
def billed(tmp_path: Path) -> Billed:
    return Billed(tmp_path / "billed.db")


SESSIONS = "SELECT * FROM tx"
WH_3000 = "UPDATE tx SET energy_delivered = 3000, rules = 1 WHERE id = ?"
OVERLAP = (
    "INSERT INTO review (tx_id, code, words, told, figures, evidence, opened_at) SELECT id, "
    "'overlap', 'it overlaps', '\"it overlaps\"', '{}', '[]', updated_at FROM tx WHERE id = ?"
)
HELD_BACK = (
    "UPDATE tx SET review = 'it overlaps', review_told = '\"it overlaps\"', "
    "confidence = 'doubtful' WHERE id = ?"
)
PRICE = "UPDATE booked_cost SET amount = 117 WHERE tx_id = ?"


def euros(amount: str) -> str:
    return f"{amount} EUR (gross, 19 % tax)"


def test_where_the_new_version_judges_and_prices_alike_nothing_is_listed(billed: Billed) -> None:
    assert billed.changes() == {}


def test_a_session_with_another_figure_doubt_or_price_is_listed(billed: Billed) -> None:
    figure, doubt, cost = billed.april
    billed.was(WH_3000, figure)
    billed.was(OVERLAP, doubt)
    billed.was(HELD_BACK, doubt)
    billed.was(PRICE, cost)
    before = query(billed.path, "SELECT * FROM booked_cost")
    assert billed.changes() == {
        figure: ((3000, 4000), None, (euros("0.90"), euros("1.20")), False),
        doubt: (None, ("it overlaps", ""), ("held back", euros("1.20")), False),
        cost: (None, None, (euros("1.17"), euros("1.20")), False),
    }
    assert query(billed.path, "SELECT * FROM booked_cost") == before
    (first, *_) = billed.tried()["changes"]
    assert (first["charger"], first["start"][:10]) == ("CP-1", "2026-04-02")


def test_what_is_closed_is_listed_and_stays_as_billed(billed: Billed) -> None:
    billed.was(WH_3000, billed.closed)
    assert billed.changes() == {billed.closed: ((3000, 4000), None, None, True)}


def test_what_a_person_settled_is_not_listed(billed: Billed) -> None:
    transaction = billed.april[0]
    billed.was(WH_3000, transaction)  # so what is judged now was never replaced
    with new_database(billed.path) as connection:
        books = Books(connection)
        books.now = billed.at
        correct(books, transaction, 3500)
        price(books)
    assert billed.changes() == {}


def test_what_would_change_by_the_old_version_too_is_not_listed(billed: Billed) -> None:
    with new_database(billed.path) as connection:
        books = Books(connection)
        books.now = billed.at
        station = Station(books)
        transaction = charge_kwh(station)
        station.tell(station.register(900_000, minutes_ago=59), transaction=transaction)
        price(books)
    assert next(Rechecking(billed.path, None).pages()).differences
    assert billed.changes() == {}


def test_a_figure_is_replayed_for_three_months_and_a_price_until_it_is_billed(
    billed: Billed,
) -> None:
    figure, cost, _ = billed.april
    billed.was(WH_3000, figure, months_later=2)
    assert [*billed.changes()] == [figure]
    billed.was(PRICE, cost, months_later=5)
    assert billed.changes() == {cost: (None, None, (euros("1.17"), euros("1.20")), False)}


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE booked SET account_id = 1 WHERE tx_id = ?",
        "UPDATE booked SET state = 'free' WHERE tx_id = ?",
        "DELETE FROM booked WHERE tx_id = ?",
    ],
)
def test_a_book_that_is_otherwise_wrong_forbids_the_upgrade(billed: Billed, damage: str) -> None:
    billed.was(damage, billed.april[0])
    found = billed.tried()
    assert found["problem"] == (
        f"book: session {billed.april[0]} is booked otherwise than by what is stored of it"
    )
    assert found["changes"] == []


def test_what_a_closed_statement_costs_is_no_change_but_damage(billed: Billed) -> None:
    billed.was(PRICE, billed.closed)
    assert "is booked otherwise" in billed.tried()["problem"]


def test_of_many_changes_the_first_are_listed_and_the_rest_is_counted(
    billed: Billed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrading, "MOST_CHANGES", 2)
    for number in billed.april:
        billed.was(WH_3000, number)
    found = billed.tried()
    assert ([one["session"] for one in found["changes"]], found["more_changes"]) == (
        billed.april[:2],
        1,
    )
