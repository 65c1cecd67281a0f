"""What is changed behind the guards of a database of the present version is found: by a check on
both stores, and by the trial of an upgrade. No check is left out because of the version."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import pytest

from levity_trio.config.settings import DatabaseAddress
from levity_trio.store.keeping.checking import check
from levity_trio.store.keeping.copies import back_up
from levity_trio.store.keeping.upgrading import try_on
from tests.postgresql import running
from tests.store.bills import Biller, charge, house_of_two, month_is_over
from tests.store.books import Books, Station
from tests.store.keeping import change, ignore, query
from tests.store.later import NEWEST, NOT, STILL, later
from tests.store.moving.watching import moved
from tests.store.postgresql.stored import change as change_there
from tests.store.postgresql.stored import empty_database
from tests.store.template import new_database
from tests.store.test_book import price

CHANGES: Final = {
    "seals": ("UPDATE statement SET total = total + 1;", "was changed after it was closed"),
    "evidence": (
        "UPDATE tx_event SET payload = '{}' WHERE kind = 'stop';",
        "the messages of session {} changed since it was closed",
    ),
    "tariffs": (
        "UPDATE tariff_version SET toml = toml || '# cheaper';",
        "the text is not the one that was added",
    ),
    "book": (
        "UPDATE booked SET account_id = 3 - account_id;",
        "session {} is booked otherwise than by what is stored of it",
    ),
}
"""How a database is changed, by the name of the check that finds it, and what that says."""
BEHIND_THE_GUARDS: Final = "SET session_replication_role = replica;"


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of a site with a closed month, and a session of the next one."""
    folder = tmp_path_factory.mktemp("closed")
    with new_database(folder / "site.db") as connection:
        books = Books(connection)
        biller = Biller(house_of_two(books))
        books.book_anew()
        station = Station(books)
        charge(station)
        month_is_over(books, 3)
        biller.close("2026-03")
        charge(station, tag="Ben")
        price(books)
        station.lose()
    back_up(folder / "site.db", folder / "backup.db", ignore)
    return folder / "backup.db"


@pytest.fixture
def copy(closed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(closed, tmp_path))


def first_session(path: Path) -> int:
    ((number,),) = query(path, "SELECT min(id) FROM tx")
    return int(number)


def change_unguarded(path: Path, script: str) -> None:
    """Change a file whose triggers are back afterwards, as if nothing had happened."""
    triggers = query(path, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
    dropped = "".join(f"DROP TRIGGER {name};" for name, _ in triggers)
    made = ";".join(sql for _, sql in triggers)
    change(path, f"PRAGMA journal_mode = DELETE; {dropped} {script} {made};")


def found(address: DatabaseAddress, folder: Path | None = None) -> dict[str, list[str]]:
    """Return what a check finds, by the name of each check that finds something."""
    told: dict[str, list[str]] = {}
    given = () if folder is None else (folder,)
    for one in check(address, lambda _name: None, *given).problems:
        told.setdefault(one.check, []).append(one.text)
    return told


@pytest.mark.parametrize("name", CHANGES)
def test_a_check_finds_it(copy: Path, name: str) -> None:
    assert query(copy, "PRAGMA user_version") == [(NEWEST,)]
    assert found(copy) == {}
    script, words = CHANGES[name]
    change_unguarded(copy, script)
    words = words.format(first_session(copy))
    assert any(words in text for text in found(copy)[name]), found(copy)
    assert "schema" not in found(copy)


def test_a_check_finds_it_on_postgresql(closed: Path) -> None:
    with running() as server:
        moved(closed, address := empty_database(server))
        assert found(address) == {}
        for script, _ in CHANGES.values():
            change_there(address, f"{BEHIND_THE_GUARDS} {script}")
        told = found(address)
    number = first_session(closed)
    for name, (_, words) in CHANGES.items():
        assert any(words.format(number) in text for text in told[name]), told


@pytest.mark.parametrize("name", CHANGES)
def test_a_trial_of_an_upgrade_finds_it(copy: Path, tmp_path: Path, name: str) -> None:
    """Also one that migrates the copy."""
    script, words = CHANGES[name]
    change_unguarded(copy, script)
    migrated = Path(shutil.copy(copy, tmp_path / "migrated.db"))
    for tried in (try_on(copy), try_on(migrated, later(tmp_path / "schema", STILL, NOT))):
        assert f"{name}: " in str(tried["problem"])
        assert words.format(first_session(copy)) in str(tried["problem"])
    assert query(migrated, "PRAGMA user_version") == [(NEWEST + 2,)]


def test_a_trial_finds_nothing_where_nothing_was_changed(copy: Path, tmp_path: Path) -> None:
    assert try_on(copy)["problem"] is None
    folder = later(tmp_path / "schema", STILL, NOT)
    assert try_on(copy, folder)["problem"] is None
    assert found(copy, folder) == {}
