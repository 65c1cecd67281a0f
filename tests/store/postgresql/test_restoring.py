"""A database that pg_restore has brought back: no server starts on it before its ids go on above
all lost ones."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from levity_trio.config import EnvironmentProblem
from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.engine.file_store import InUse
from levity_trio.store.engine.opening import open_store
from levity_trio.store.keeping.checking import check
from levity_trio.store.keeping.restoring import MARGIN_IDS, Restored, go_on
from tests.postgresql import Server, program
from tests.store.keeping import charge

from .sites import station
from .stored import change, empty_database, name_of, new_database, query

REFUSED = "the database was restored or copied, and chargers may know ids"
BILLING = (
    "INSERT INTO billing (id, begun_on, begun_at, begun_by, next_number) VALUES (1, '', '', '', 4)"
)


def run(name: str, *arguments: str | Path) -> None:
    subprocess.run([program(name), *arguments], check=True)


@contextmanager
def served(address: PostgresqlAddress) -> Iterator[None]:
    with open_store(address, "levity"):
        yield


def serves(address: PostgresqlAddress) -> bool:
    with served(address):
        return True


def charged(address: PostgresqlAddress) -> int:
    with station(address) as there:
        return charge(there)


class Restoration:
    """A dump of a site with two transactions, which a third one of the lost time followed."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._server, self._dump = server, folder / "levity.dump"
        self.site = new_database(server)
        charged(self.site)
        self.last_kept = charged(self.site)
        run("pg_dump", "--format=custom", f"--file={self._dump}", self.site)
        self.lost = charged(self.site)

    def restore(self) -> PostgresqlAddress:
        """Bring the dump back, into a new database."""
        address = empty_database(self._server)
        run("pg_restore", "--single-transaction", f"--dbname={address}", self._dump)
        return address


@pytest.fixture
def restoration(server: Server, tmp_path: Path) -> Restoration:
    return Restoration(server, tmp_path)


def test_from_the_dump_to_the_next_transaction(restoration: Restoration) -> None:
    address = restoration.restore()
    with pytest.raises(EnvironmentProblem, match=REFUSED):
        serves(address)
    restored = go_on(address, None)
    assert (restored.content.transactions, restored.kept, restored.lost) == (2, None, None)
    assert serves(address)
    assert charged(address) == restored.last_transaction_id + 1 > restoration.lost + MARGIN_IDS
    assert restored.last_transaction_id >= restoration.last_kept + MARGIN_IDS
    assert not check(address, lambda _name: None).problems
    assert serves(restoration.site)


def test_all_ids_go_on_and_those_of_frames_stay(restoration: Restoration) -> None:
    address = restoration.restore()
    change(address, "INSERT INTO log (cp_id, at, direction, frame) VALUES ('CP-1', '', 'recv', '')")
    before: dict[str, int] = dict(query(address, "SELECT name, seq FROM levity.counted"))
    leap = go_on(address, None).last_transaction_id - restoration.last_kept
    after: dict[str, int] = dict(query(address, "SELECT name, seq FROM levity.counted"))
    assert (after["log"], after["event"]) == (before["log"], before["event"] + 1000 * leap)
    ((last,),) = query(address, "SELECT max(id) FROM command")
    change(
        address,
        (
            "INSERT INTO command (cp_id, action, payload, state, requested_at) "
            "VALUES ('CP-1','','','gone','')"
        ),
    )
    ((number,),) = query(address, "SELECT max(id) FROM command")
    assert number > (last or 0) + MARGIN_IDS


def test_twice_does_no_harm_and_also_not_beside_a_dump(restoration: Restoration) -> None:
    """After a return to an earlier moment by the archive of the WAL, the database is in the same
    place as before."""
    first = go_on(restoration.site, None)
    assert (
        go_on(restoration.site, None).last_transaction_id > first.last_transaction_id + MARGIN_IDS
    )
    assert serves(restoration.site)


def test_a_counter_that_was_not_restored(restoration: Restoration) -> None:
    address = restoration.restore()
    change(address, "ALTER SEQUENCE tx_id_seq RESTART")
    assert go_on(address, None).last_transaction_id > restoration.lost


def test_not_while_a_server_runs(restoration: Restoration) -> None:
    with (
        served(restoration.site),
        pytest.raises(InUse, match="the server levity runs on this database"),
    ):
        go_on(restoration.site, None)
    assert charged(restoration.site) == restoration.lost + 1


def test_a_server_that_stood_still_has_lost_it(restoration: Restoration) -> None:
    with open_store(restoration.site, "levity") as store:
        change(restoration.site, "UPDATE levity.server SET until = clock_timestamp()")
        go_on(restoration.site, None)
        with pytest.raises(EnvironmentProblem, match="its lease was ended"):
            store.commit([lambda _db: None])


def numbers(
    restored: Restored, address: PostgresqlAddress
) -> tuple[str | None, list[tuple[int, ...]]]:
    return restored.last_statement, query(address, "SELECT first, last FROM lost_statements")


def test_numbers_of_statements_are_never_used_twice(restoration: Restoration) -> None:
    address = restoration.restore()
    change(address, BILLING)
    sequence = query(address, "SELECT last_value FROM tx_id_seq")
    with pytest.raises(
        EnvironmentProblem, match=r"the highest that is known here is --last-statement 3"
    ):
        go_on(address, None)
    with pytest.raises(EnvironmentProblem, match=r"statement 3 is known here"):
        go_on(address, "2")
    assert query(address, "SELECT last_value FROM tx_id_seq") == sequence
    with pytest.raises(EnvironmentProblem, match=REFUSED):
        serves(address)
    assert numbers(go_on(address, "7"), address) == ("7", [(4, 7)])
    assert numbers(go_on(address, "7"), address) == ("7", [(4, 7)])
    assert query(address, "SELECT next_number FROM billing") == [(8,)]


def test_a_copy_by_createdb_is_one_too(server: Server, restoration: Restoration) -> None:
    name = f"{name_of(restoration.site)}_copy"
    server.sql(f"CREATE DATABASE {name} TEMPLATE {name_of(restoration.site)}")
    with pytest.raises(EnvironmentProblem, match=REFUSED):
        serves(server.address(name))
    go_on(server.address(name), None)
    assert serves(server.address(name))


def test_a_changed_schema_does_not_go_on(restoration: Restoration) -> None:
    address = restoration.restore()
    change(address, "CREATE VIEW theirs AS SELECT 1")
    with pytest.raises(
        EnvironmentProblem, match="was changed by another program: view theirs is not in schema"
    ):
        go_on(address, None)


def test_databases_that_are_not_ours(server: Server, restoration: Restoration) -> None:
    server.sql("CREATE ROLE stranger LOGIN")
    for address, text in {
        empty_database(server): "is empty; choose the database of the server with --db",
        server.address("nothing"): 'database "nothing" does not exist',
        PostgresqlAddress(
            restoration.site.replace("postgres@", "stranger@")
        ): "connect as the owner of the database",
    }.items():
        with pytest.raises(EnvironmentProblem, match=text) as refused:
            go_on(address, None)
        assert "\n" not in str(refused.value)
