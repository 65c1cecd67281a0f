"""Numbers of statements after a restore: those of the lost time are never given out again, and a
check knows why."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from levity_trio.config import EnvironmentProblem
from levity_trio.store.keeping import restoring
from levity_trio.store.keeping.checking import check
from levity_trio.store.keeping.copies import back_up
from levity_trio.store.keeping.restoring import Restored
from tests.store.bills import ANNA, Biller, charge
from tests.store.books import Books, Station
from tests.store.keeping import change, ignore, query
from tests.store.keeping import charge as charge_once
from tests.store.keeping import run as run_station
from tests.store.owning import House
from tests.store.template import new_database


class Site:
    """A site with a statement a month for Anna, which is closed in March; its backup is of then."""

    def __init__(self, folder: Path) -> None:
        self.path, self.backup = folder / "site.db", folder / "backup.db"
        self.bill(3)
        back_up(self.path, self.backup, ignore)

    def bill(self, *months: int) -> list[str | None]:
        """Charge and close months, 13 is January of 2027; return the first number of each."""
        first = []
        with new_database(self.path) as connection:
            books = Books(connection)
            biller = None
            for month in months:
                books.now = datetime(
                    2026 + (month - 1) // 12, (month - 1) % 12 + 1, 2, 9, tzinfo=UTC
                )
                books.settle()
                biller = biller or self._biller(books)
                station = Station(books)
                charge(station)
                station.lose()
                books.now = datetime(2026 + month // 12, month % 12 + 1, 2, 9, tzinfo=UTC)
                books.settle()
                name = f"{2026 + (month - 1) // 12}-{(month - 1) % 12 + 1:02}"
                first.append(biller.close(name).first)
        return first

    def _biller(self, books: Books) -> Biller:
        has_begun = books.count("account") > 0
        house = House(books)
        if not has_begun:
            house.give(ANNA, "Card")
        return Biller(house, has_begun=has_begun)

    def begin_with(self, prefix: str) -> None:
        """Let the numbers of statements begin with this, from the next closing on."""
        with new_database(self.path) as connection:
            connection.execute(
                "INSERT INTO biller (name, number_prefix, payment_days, set_at, set_by) "
                "VALUES ('Owner', ?, 14, '', 'cleo')",
                (prefix,),
            )

    def restore(self, last_statement: str | None, *, is_forced: bool = True) -> Restored:
        return restoring.restore(
            self.backup, self.path, ignore, is_forced=is_forced, last_statement=last_statement
        )

    def problems(self) -> list[str]:
        return [one.text for one in check(self.path, lambda _: None).problems]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_the_next_closing_uses_no_number_that_was_printed(site: Site) -> None:
    assert site.bill(4, 5) == ["2", "3"]
    assert site.restore("3").last_statement == "3"
    assert site.bill(4, 5) == ["4", "5"]
    assert site.problems() == []
    assert query(site.path, "SELECT number FROM statement WHERE number > 0 ORDER BY number") == [
        (1,),
        (4,),
        (5,),
    ]


def test_numbers_that_only_the_owner_knows(site: Site) -> None:
    site.path.unlink()
    site.restore("7")
    back_up(site.path, site.backup, ignore, is_forced=True)
    site.restore("9")
    assert query(site.path, "SELECT first, last FROM lost_statements ORDER BY first") == [
        (2, 7),
        (8, 9),
    ]
    assert site.bill(4) == ["10"]
    assert site.problems() == []
    change(
        site.path,
        "DROP TRIGGER lost_statements_are_kept; DELETE FROM lost_statements WHERE first = 8",
    )
    assert "there is no statement 8" in site.problems()


@pytest.mark.night
def test_numbers_begin_anew_with_the_year_of_the_day_of_closing(site: Site) -> None:
    site.begin_with("YYYY-")
    assert site.bill(4, 5) == ["2026-1", "2026-2"]
    # December is closed in January.
    assert site.bill(*range(6, 14))[-3:] == ["2026-8", "2027-1", "2027-2"]
    # Without the year, they go on where all are; with it again, where those of its year were.
    site.begin_with("R-")
    assert site.bill(14) == ["R-12"]
    site.begin_with("YYYY-")
    assert site.bill(15) == ["2027-4"]
    assert site.problems() == []


@pytest.mark.parametrize(
    ("months", "last", "next_one"),
    [
        # Those of the replaced database are known, or only the owner knows them.
        ((4,), "2026-1", "2026-2"),
        ((4,), "2026-7", "2026-8"),
        ((), "2026-7", "2026-8"),
    ],
)
def test_a_number_that_begins_with_the_year_is_given_as_it_is_printed(
    site: Site, months: tuple[int, ...], last: str, next_one: str
) -> None:
    site.begin_with("YYYY-")
    back_up(site.path, site.backup, ignore, is_forced=True)
    site.bill(*months)
    assert site.restore(last).last_statement == last
    assert site.bill(4) == [next_one]
    assert site.problems() == []
    with pytest.raises(EnvironmentProblem, match=f"--last-statement {next_one} or more"):
        site.restore("2026-1")
    with pytest.raises(EnvironmentProblem, match="is no number of a statement"):
        site.restore("2026-")


def test_a_copy_that_has_every_statement_skips_none(site: Site) -> None:
    assert site.restore("1", is_forced=False).last_statement == "1"
    assert query(site.path, "SELECT count(*) FROM lost_statements") == [(0,)]
    assert site.bill(4) == ["2"]


def test_the_last_number_is_asked_for_and_must_be_possible(site: Site) -> None:
    site.bill(4)
    before = site.path.read_bytes()
    with pytest.raises(EnvironmentProblem, match=r"give the highest one .* is --last-statement 2"):
        site.restore(None)
    with pytest.raises(EnvironmentProblem, match="statement 2 is known here"):
        site.restore("1")
    assert site.path.read_bytes() == before


def test_it_is_not_asked_for_before_billing_has_begun(tmp_path: Path) -> None:
    path, backup = tmp_path / "site.db", tmp_path / "backup.db"
    run_station(path, charge_once)
    back_up(path, backup, ignore)
    assert restoring.restore(backup, path, ignore).last_statement is None
    with pytest.raises(EnvironmentProblem, match="billing has not begun in the backup"):
        restoring.restore(backup, path, ignore, last_statement="3")
