"""`levity-trio forget`: a hidden charger is not reported, its data stays, and it reappears when it
charges."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from levity_trio.cli import main
from levity_trio.clock import SimulatedTime
from levity_trio.events import ChargerHidden, ChargerShown
from levity_trio.store.engine.file_store import locked, open_database, open_reader
from levity_trio.store.reads.now.present import present, waiting
from levity_trio.store.reads.site.database import StartState, beginning
from levity_trio.store.writes.load import load
from tests.charger.parts import START
from tests.store.books import Books, Station
from tests.store.reading import view
from tests.store.template import new_database

Change = Callable[[Books], object]
FILE = Path("levity.db")


def change(write: Change, path: Path = FILE) -> None:
    with new_database(path) as connection:
        write(Books(connection))


def trial(books: Books) -> None:
    """Store two chargers, each with a completed transaction and one that needs a review."""
    for station in (Station(books, "CP-1"), Station(books, "TEST_CP_001")):
        station.stop(station.start(1000), meter=2000)
        books.wait(60)
        station.stop(station.start(5000), meter=4000)
        station.lose()


def read() -> StartState:
    with closing(open_reader(FILE).conn) as connection:
        return beginning(view(connection))


def reviews() -> int:
    with closing(open_reader(FILE).conn) as connection:
        return waiting(view(connection)).reviews


def hidden() -> frozenset[str]:
    with closing(open_reader(FILE).conn) as connection:
        return present(view(connection)).hidden


def test_a_hidden_charger_is_not_reported_and_its_data_stays(
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(trial)
    assert (reviews(), read().has_charged) == (2, frozenset({"CP-1", "TEST_CP_001"}))
    assert main(["forget", "TEST_CP_001"]) == 0
    assert capsys.readouterr().out == (
        "TEST_CP_001 is hidden. Its data stays in the database; it reappears when it charges "
        "again.\n"
    )
    assert hidden() == {"TEST_CP_001"}
    assert (reviews(), read().chargers, read().has_charged) == (
        1,
        frozenset({"CP-1"}),
        frozenset({"CP-1"}),
    )
    change(lambda books: told(books, "SELECT count(*) FROM tx WHERE cp_id = 'TEST_CP_001'", 2))
    change(
        lambda books: told(
            books, f"SELECT count(*) FROM event WHERE kind = '{ChargerHidden.__name__}'", 1
        )
    )


def told(books: Books, sql: str, expected: object) -> None:
    assert books.value(sql) == expected


def test_it_comes_back_when_it_charges_and_not_before() -> None:
    change(trial)
    main(["forget", "TEST_CP_001", "--retired", "2026-03-01"])
    change(
        lambda books: told(
            books, "SELECT retired_on FROM cp WHERE hidden_at IS NOT NULL", "2026-03-01"
        )
    )
    change(lambda books: Station(books, "TEST_CP_001").boot())
    assert hidden() == {"TEST_CP_001"}
    change(lambda books: Station(books, "TEST_CP_001").start(9000))
    assert hidden() == frozenset()
    change(
        lambda books: told(
            books, "SELECT count(*) FROM cp WHERE coalesce(hidden_at, retired_on) IS NOT NULL", 0
        )
    )
    change(
        lambda books: told(
            books, f"SELECT count(*) FROM event WHERE kind = '{ChargerShown.__name__}'", 1
        )
    )


def test_a_closed_transaction_that_is_opened_again_shows_its_charger() -> None:
    change(trial)
    main(["forget", "TEST_CP_001"])
    change(
        lambda books: books.rows(
            "UPDATE tx SET status = 'Active' WHERE cp_id = 'TEST_CP_001' RETURNING id"
        )
    )
    assert hidden() == frozenset()


def test_several_and_a_pattern(capsys: pytest.CaptureFixture[str]) -> None:
    change(trial)
    change(lambda books: [Station(books, f"SCAN-{number:02}") for number in range(12)])
    assert main(["forget", "NOBODY", "--like", "SCAN-*"]) == 2
    assert hidden() == frozenset()
    assert main(["forget", "--like", "*_CP_*"]) == 0  # it has charged
    assert capsys.readouterr().out.startswith("No stranger fits the pattern; nothing is hidden.")
    assert main(["forget", "CP-1", "TEST_CP_001", "--like", "SCAN-0?"]) == 0
    assert capsys.readouterr().out == (
        f"CP-1, TEST_CP_001, {', '.join(f'SCAN-{number:02}' for number in range(8))} and 2 more "
        "are hidden."
        " Their data stays in the database; each reappears when it charges again.\n"
    )
    assert hidden() == {"CP-1", "TEST_CP_001", *(f"SCAN-{number:02}" for number in range(10))}
    assert main(["forget"]) == 2


def test_false_identities_that_began_a_session_are_forgotten_by_force(
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(
        lambda books: Station(books, "SCAN-CAR").orphan(
            Station(books, "SCAN-CAR").start(1000), 1900
        )
    )
    change(lambda books: [Station(books, f"SCAN-{number}").start(1000) for number in range(3)])
    assert main(["forget", "--like", "SCAN-*"]) == 0  # nothing fits while a session is open
    assert capsys.readouterr().out.startswith("No stranger fits the pattern")
    assert main(["forget", "SCAN-0"]) == 1
    assert "hide it after that has ended, or with --force" in capsys.readouterr().err
    assert main(["forget", "--like", "SCAN-*", "--force"]) == 0
    assert hidden() == {"SCAN-0", "SCAN-1", "SCAN-2"}
    change(lambda books: told(books, "SELECT count(*) FROM tx WHERE cp_id LIKE 'SCAN-_'", 3))


def test_hidden_chargers_take_no_room() -> None:
    change(trial)
    change(lambda books: take_up(books, is_there_room=False))
    main(["forget", "TEST_CP_001"])
    change(lambda books: take_up(books, is_there_room=True))


def take_up(books: Books, *, is_there_room: bool) -> None:
    """Connect a third charger when the limit is two."""
    station = Station(books, "CP-1")
    station.name = "NEW"
    assert (station.connect(max_chargers=2) is not None) is is_there_room


def test_one_that_is_limited_is_let_go_first(capsys: pytest.CaptureFixture[str]) -> None:
    change(lambda books: Station(books, "SCAN-1"))
    change(lambda books: books.run(load.manage, ["SCAN-1"], books.at, "anna"))
    assert main(["forget", "SCAN-1"]) == 1
    assert capsys.readouterr().err == (
        "levity-trio: load management limits SCAN-1; hide it after: levity-trio load off SCAN-1\n"
    )
    assert main(["forget", "--like", "SCAN-*"]) == 0  # a pattern fits none of them
    assert hidden() == frozenset()
    change(lambda books: books.run(load.let_go, ["SCAN-1"], books.at, "anna"))
    assert main(["forget", "SCAN-1"]) == 0  # what it was sent is cleared when it returns
    assert hidden() == {"SCAN-1"}


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["NOBODY"], 2, "levity-trio: no charger NOBODY is in levity.db\n"),
        (
            ["CP-1", "--db", "other.db"],
            1,
            (
                "levity-trio: there is no database other.db; choose the database of the server "
                "with --db\n"
            ),
        ),
        (
            ["CP-1"],
            1,
            (
                "levity-trio: CP-1 has an open session; hide it after that has ended, or with "
                "--force\n"
            ),
        ),
    ],
)
def test_each_mistake_is_one_line(
    arguments: list[str], status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(lambda books: Station(books, "CP-1").start(1000))
    assert main(["forget", *arguments]) == status
    assert capsys.readouterr().err == line
    assert not Path("other.db").exists()
    assert hidden() == frozenset()


def test_a_day_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forget", "CP-1", "--retired", "yesterday"]) == 2
    assert "give a day such as 2026-03-01" in capsys.readouterr().err


def test_not_while_a_server_runs(capsys: pytest.CaptureFixture[str]) -> None:
    change(trial)
    with locked(FILE, 1):
        assert main(["forget", "CP-1"]) == 1
    assert "another levity-trio runs on levity.db; stop it" in capsys.readouterr().err
    assert hidden() == frozenset()


def test_a_database_of_a_simulation_keeps_its_own_time() -> None:
    with open_database(FILE, SimulatedTime(START, 60)) as connection:
        Station(Books(connection), "CP-1").boot()
    assert main(["forget", "CP-1"]) == 0
    assert hidden() == {"CP-1"}
