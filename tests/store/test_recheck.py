"""Judging again by today's rules: the differences and their causes, while a server may be
writing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from levity_trio.config import EnvironmentProblem
from levity_trio.store.cases.transaction import COLUMNS, StoredTransaction
from levity_trio.store.reads.transactions.recheck import (
    DifferenceCause,
    RecheckDifference,
    Rechecking,
    compare,
)
from tests.store.books import Books, Station, in_memory
from tests.store.deciding import Operator
from tests.store.files import contents, make
from tests.store.honest_stories import honest_story
from tests.store.later import NOT, later
from tests.store.lies import liar_story, names_of
from tests.store.stories import play
from tests.store.template import new_database


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Books]:
    """A database in a file, with its server's connection open."""
    with new_database(tmp_path / "site.db") as connection:
        yield Books(connection)


@pytest.fixture
def cp_1(site: Books) -> Station:
    return Station(site)


def charge(station: Station, start: int = 1000, wh: int = 5000, minutes: float = 60) -> int:
    transaction = station.start(start)
    station.books.wait(minutes)
    station.stop(transaction, start + wh)
    station.books.wait(5)
    return transaction


def found(folder: Path, charger: str | None = None) -> list[RecheckDifference]:
    pages = Rechecking(folder / "site.db", charger).pages()
    return [difference for page in pages for difference in page.differences]


def only(folder: Path) -> RecheckDifference:
    (one,) = found(folder)
    return one


def test_the_figure_that_an_operator_replaced_is_no_difference(
    site: Books, cp_1: Station, tmp_path: Path
) -> None:
    transaction = charge(cp_1)
    Operator(site).correct(transaction, figure_wh=3000)
    assert found(tmp_path) == []
    cp_1.stop(transaction, 6000)
    cp_1.tell(cp_1.register(9000, minutes_ago=10), transaction=transaction)
    assert (only(tmp_path).settled_by, only(tmp_path).stored.wh) == ("anna", 3000)


def learn(books: Books, kind: str, value: int | None, since: str, meter: str = "") -> None:
    books.connection.execute(
        "INSERT INTO habit (cp_id, conn_id, firmware, meter_serial, kind, value, transactions, "
        "since, last_at) "
        "SELECT 'CP-1', 1, coalesce(firmware_version, ''), ?, ?, ?, 9, ?, ? "
        "FROM cp",
        (meter, kind, value, since, since),
    )


def test_what_was_judged_by_these_rules_is_the_same(cp_1: Station, tmp_path: Path) -> None:
    charge(cp_1)
    charge(cp_1, 6000, 300_000)
    cp_1.start(306_000)
    cp_1.books.wait(1)
    cp_1.books.settle()
    assert found(tmp_path) == []
    assert Rechecking(tmp_path / "site.db", None).total == 2


def test_another_figure_is_by_the_rules(cp_1: Station, tmp_path: Path) -> None:
    transaction = charge(cp_1)
    cp_1.books.connection.execute("UPDATE tx SET energy_delivered = 4999, rules = 1")
    one = only(tmp_path)
    assert (one.transaction, one.charger, one.connector, one.rules) == (transaction, "CP-1", 1, 1)
    assert (one.stored.wh, one.then.wh, one.now.wh) == (4999, 5000, 5000)
    assert one.causes == (DifferenceCause.RULES,)


def test_a_doubt_that_is_none_any_more_is_by_the_rules(cp_1: Station, tmp_path: Path) -> None:
    charge(cp_1)
    cp_1.books.connection.execute(
        "INSERT INTO review (tx_id, code, words, told, figures, evidence, opened_at)"
        " SELECT id, 'overlap', 'it overlaps', '\"it overlaps\"', '{}', '[]', updated_at FROM tx"
    )
    one = only(tmp_path)
    assert (one.stored.reviews, one.stored.words, one.now.reviews) == (
        ("overlap",),
        "it overlaps",
        (),
    )
    assert one.causes == (DifferenceCause.RULES,)


def test_readings_that_came_later_are_facts(cp_1: Station, tmp_path: Path) -> None:
    transaction = cp_1.start(1000)
    cp_1.books.wait(60)
    cp_1.stop(transaction, 6000)
    cp_1.books.wait(0.5)
    cp_1.tell(cp_1.register(6500), transaction=transaction)
    one = only(tmp_path)
    assert one.causes == (DifferenceCause.FACTS,)
    assert one.stored == one.then
    assert (one.stored.confidence, one.now.confidence) == ("certain", "doubtful")


def test_a_neighbour_that_was_judged_later_is_a_fact(cp_1: Station, tmp_path: Path) -> None:
    """When the next one began it seemed to overlap; since its readings came it begins elsewhere."""
    charge(cp_1)
    later = cp_1.start(3000)
    for wh in (7000, 8000, 9000):
        cp_1.books.wait(15)
        cp_1.tell(cp_1.register(wh), transaction=later)
    cp_1.books.connection.execute(
        "UPDATE tx SET billed_from_wh = 6500, judged_at = ? WHERE id = ?", (cp_1.books.at, later)
    )
    one = only(tmp_path)
    assert one.stored.reviews == one.then.reviews == ("overlap",)
    assert (one.now.reviews, one.causes) == ((), (DifferenceCause.FACTS,))


def test_a_clock_that_was_shown_since_is_a_fact(cp_1: Station, tmp_path: Path) -> None:
    """The figure stays; the times are others."""
    cp_1.behind = 75
    transaction = charge(cp_1)
    assert found(tmp_path) == []
    cp_1.status("Available")
    one = only(tmp_path)
    assert (one.transaction, one.causes, one.stored.wh, one.now.wh) == (
        transaction,
        (DifferenceCause.FACTS,),
        5000,
        5000,
    )
    assert (
        one.now.words
        == "its charger's clock was 75 minutes behind: its times are corrected by that"
    )
    cp_1.books.wait(2)
    cp_1.books.settle()
    assert found(tmp_path) == []


def test_what_was_learned_later_is_a_habit(cp_1: Station, tmp_path: Path) -> None:
    charge(cp_1, wh=15_000)
    learn(cp_1.books, "ceiling", 7200, cp_1.books.at)
    one = only(tmp_path)
    assert one.causes == (DifferenceCause.HABITS,)
    assert (one.stored.confidence, one.now.reviews) == ("certain", ("too_fast",))


def test_a_habit_that_was_shown_more_often_since_is_no_rule(cp_1: Station, tmp_path: Path) -> None:
    before = cp_1.books.at
    charge(cp_1, wh=15_000)
    learn(cp_1.books, "ceiling", 7200, before)
    assert only(tmp_path).causes == (DifferenceCause.HABITS,)


def test_a_habit_that_was_revoked_since_is_one(cp_1: Station, tmp_path: Path) -> None:
    learn(cp_1.books, "ceiling", 7200, "2026-01-01T00:00:00.000Z")
    charge(cp_1, wh=15_000)
    assert found(tmp_path) == []
    cp_1.books.connection.execute("UPDATE habit SET revoked_at = ?", (cp_1.books.at,))
    one = only(tmp_path)
    assert (one.stored.confidence, one.now.confidence, one.causes) == (
        "doubtful",
        "certain",
        (DifferenceCause.HABITS,),
    )


def test_a_habit_of_a_meter_that_was_swapped_since_is_one(cp_1: Station, tmp_path: Path) -> None:
    cp_1.boot(meter_serial_number="M-1")
    learn(cp_1.books, "ceiling", 7200, "2026-01-01T00:00:00.000Z", "M-1")
    charge(cp_1, wh=15_000)
    assert found(tmp_path) == []
    cp_1.boot(meter_serial_number="M-2")
    one = only(tmp_path)
    assert (one.stored, one.causes) == (one.then, (DifferenceCause.HABITS,))


def test_a_person_s_figure_is_compared_alone(cp_1: Station, tmp_path: Path) -> None:
    transaction = cp_1.start(1000)
    cp_1.orphan(transaction, 4000)
    Operator(cp_1.books).confirm(transaction)
    assert cp_1.review(transaction) == ""
    assert found(tmp_path) == []
    cp_1.books.connection.execute("UPDATE tx SET energy_delivered = 3500")
    assert only(tmp_path).settled_by == "anna"


def test_only_one_charger(site: Books, tmp_path: Path) -> None:
    for name in ("CP-1", "CP-2"):
        charge(Station(site, name))
    site.connection.execute("UPDATE tx SET energy_delivered = 1")
    assert [one.charger for one in found(tmp_path, "CP-2")] == ["CP-2"]
    chosen = Rechecking(tmp_path / "site.db", "CP-2")
    assert (chosen.total, chosen.is_known) == (1, True)
    assert not Rechecking(tmp_path / "site.db", "CP-3").is_known


@pytest.mark.parametrize("limits", [{"most_rows": 1}, {"seconds": -1.0}], ids=["rows", "seconds"])
def test_each_page_is_a_read_of_its_own(
    cp_1: Station, tmp_path: Path, limits: dict[str, Any]
) -> None:
    for number in range(3):
        charge(cp_1, 1000 + 5000 * number)
    pages = Rechecking(tmp_path / "site.db", None).pages(**limits)
    first = next(pages)
    assert (first.transactions, first.stored_wh, first.differences) == (1, 5000, [])
    busy, *_ = cp_1.books.rows("PRAGMA wal_checkpoint(TRUNCATE)")[0]
    assert busy == 0, "a read is open between two pages"
    assert [page.transactions for page in pages] == [1, 1]


def test_nothing_is_changed_while_another_writes(cp_1: Station, tmp_path: Path) -> None:
    charge(cp_1)
    connection = cp_1.books.connection
    before = contents(tmp_path)["site.db"]
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE tx SET energy_delivered = 1")
    assert found(tmp_path) == []
    connection.execute("ROLLBACK")
    assert contents(tmp_path)["site.db"] == before


def test_what_cannot_be_judged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="there is no database"):
        Rechecking(tmp_path / "none.db", None)
    make(tmp_path / "other.db")
    with pytest.raises(EnvironmentProblem, match="belongs to another program"):
        Rechecking(tmp_path / "other.db", None)
    with new_database(tmp_path / "old.db"):
        pass
    with pytest.raises(EnvironmentProblem, match="older version"):
        Rechecking(tmp_path / "old.db", None, later(tmp_path / "schema", NOT))


@pytest.mark.parametrize("seed", range(3))
def test_no_story_differs_by_the_rules_that_judged_it(seed: int) -> None:
    """Honest stories and lies: the evidence of that time is reconstructed exactly."""
    chance = Random(seed)
    with closing(in_memory()) as connection:
        books = Books(connection)
        for number in range(30):
            story = (
                honest_story(chance) if number % 3 == 0 else liar_story(names_of(chance), chance)[0]
            )
            play(story, books, f"CP-{number}")
        books.wait(10)
        books.settle()
        judged = [one for one in every(books) if one is not None]
    assert [one for one in judged if DifferenceCause.RULES in one.causes] == []


def every(books: Books) -> Iterator[RecheckDifference | None]:
    def rows(sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        return books.rows(sql, *values)

    for row in books.rows(f"SELECT {COLUMNS} FROM tx WHERE status = 'Completed'"):
        yield compare(rows, StoredTransaction(*row))
