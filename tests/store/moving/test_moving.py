"""Moves of a house from a file to PostgreSQL and back, whole and interrupted at any point."""

from __future__ import annotations

import os
import resource
import sqlite3
from contextlib import closing, suppress
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from levity_trio.config import EnvironmentProblem
from levity_trio.config.settings import DatabaseAddress, PostgresqlAddress
from levity_trio.store.engine.opening import open_store
from levity_trio.store.keeping.checking import check
from levity_trio.store.moving.move import Interrupted, move
from tests.postgresql import Server
from tests.sizes import IS_FULL, size
from tests.store.postgresql.relay import Side, relayed
from tests.store.postgresql.stored import change, empty_database, name_of, query

from .watching import Watch, dump, in_child, killed, moved

POINTS = (0.0, 0.02, 0.3, 0.9)
"""After which part of its steps a move is killed: at the beginning, while rows are copied, while
they are compared."""
KILLED = [
    pytest.param(*case, marks=pytest.mark.night if place else ())
    for place, case in enumerate(product(POINTS, ("there", "back")))
    if IS_FULL or place % 4 in (0, 3)
]
"""At each point, in one direction or in both; the first by day."""
GUARDS = "SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname"
KEYS = (
    "SELECT conname, CAST(conrelid AS regclass), pg_get_constraintdef(oid) "
    "FROM pg_constraint WHERE contype = 'f' "
    "ORDER BY CAST(conrelid AS regclass), conname"
)
MORE_BYTES = size(3, 8)
MOST_BYTES = 50_000
"""Less than what a move writes after it has begun."""
GONE = 41
"""The id of a row that was there once."""


def steps(source: DatabaseAddress, target: DatabaseAddress) -> int:
    watch = Watch()
    move(source, target, watch)
    return watch.steps


def test_there_and_back_again(house: Path, server: Server, tmp_path: Path) -> None:
    with closing(sqlite3.connect(house)) as file:
        file.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('webhook', ?)", (GONE,))
        file.commit()
    before, address, back = house.read_bytes(), empty_database(server), tmp_path / "back.db"
    there = moved(house, address)
    assert house.read_bytes() == before
    and_back = moved(address, back)
    assert and_back.proof == there.proof
    assert dump(back) == dump(house)
    of_back = check(back, print)
    assert not of_back.problems
    assert of_back.evidence == check(address, print).evidence
    rows = {one.table: one.rows for one in there.proof.held}
    assert (rows["tx"], rows["meter_val"], rows["user"]) == (200, 2766, 0)
    assert (there.proof.sums.transactions, there.proof.sums.energy_wh) == (197, 2_884_469)
    assert query(address, "SELECT count(*), sum(energy_delivered) FROM tx") == [(200, 2_884_469)]


def test_ids_go_on(house: Path, on_postgresql: PostgresqlAddress, tmp_path: Path) -> None:
    """Those of rows that are gone are not given out again."""
    change(on_postgresql, f"SELECT setval('webhook_id_seq', {GONE})")
    change(on_postgresql, f"UPDATE levity.counted SET seq = {GONE} WHERE name = 'log'")
    moved(on_postgresql, tmp_path / "back.db")
    with closing(sqlite3.connect(tmp_path / "back.db")) as file:
        given = dict(file.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
        assert (given["webhook"], given["log"]) == (GONE, GONE)
    with closing(sqlite3.connect(house)) as file:
        assert file.execute("SELECT seq FROM sqlite_sequence WHERE name = 'tx'").fetchone() == (
            given["tx"],
        )
        ((last,),) = file.execute("SELECT max(id) FROM meter_val").fetchall()
    for table, expected in (("webhook", GONE), ("tx", given["tx"]), ("meter_val", last)):
        change(
            on_postgresql, f"CREATE TABLE next_{table} AS SELECT nextval('{table}_id_seq') AS id"
        )
        assert query(on_postgresql, f"SELECT id FROM next_{table}") == [(expected + 1,)]


def test_the_schema_is_that_of_a_new_database(
    server: Server, on_postgresql: PostgresqlAddress
) -> None:
    new = empty_database(server)
    with open_store(new, "levity"):
        pass
    for sql in (GUARDS, KEYS):
        assert query(on_postgresql, sql) == query(new, sql)
    with pytest.raises(sqlite3.IntegrityError):
        change(on_postgresql, "DELETE FROM tx")


def test_from_postgresql_to_postgresql(server: Server, on_postgresql: PostgresqlAddress) -> None:
    other = empty_database(server)
    moved(on_postgresql, other)
    ours, theirs = (query(one, "SELECT * FROM event ORDER BY id") for one in (on_postgresql, other))
    assert ours == theirs
    assert len(ours) == 1239


@pytest.mark.parametrize(("point", "way"), KILLED)
def test_a_killed_move_leaves_nothing(
    house: Path,
    server: Server,
    on_postgresql: PostgresqlAddress,
    tmp_path: Path,
    point: float,
    way: str,
) -> None:
    """It can be made again at once."""
    pair: tuple[Any, Any] = (house, empty_database(server))
    if way == "back":
        pair = (on_postgresql, tmp_path / "back.db")
    assert killed(*pair, step=int(point * STEPS))
    if isinstance(pair[1], Path):
        with closing(sqlite3.connect(pair[1])) as file:
            assert file.execute(
                "SELECT (SELECT count(*) FROM tx) + (SELECT count(*) FROM run)"
            ).fetchall() == [(0,)]
    else:
        assert query(pair[1], "SELECT (SELECT count(*) FROM tx) + (SELECT count(*) FROM run)") == [
            (0,)
        ]
    moved(*pair)
    last = tmp_path / "last.db"
    if way == "there":
        moved(pair[1], last)
    assert dump(last if way == "there" else pair[1]) == dump(house)


STEPS = 310
"""About the steps of the house: see the next test."""


def test_the_house_has_many_steps(house: Path, server: Server) -> None:
    assert STEPS < steps(house, empty_database(server)) < 1.2 * STEPS


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.night
def test_a_lost_connection(house: Path, server: Server, tmp_path: Path, side: Side) -> None:
    """After any number of bytes, to PostgreSQL and from it."""
    with relayed(server.folder) as relay:
        there, back = relay.address(name_of(empty_database(server))), tmp_path / "back.db"
        for source, target in ((house, there), (there, back)):
            after, is_moved = 2_000, False
            while not is_moved:
                relay.cut(side, after)
                with suppress(EnvironmentProblem):
                    moved(source, target)
                    is_moved = True
                after *= MORE_BYTES
            relay.cut(side, -1)
            assert relay.cuts > 3
    assert dump(back) == dump(house)


def test_somebody_presses_ctrl_c(house: Path, server: Server) -> None:
    def press() -> None:
        raise KeyboardInterrupt

    address = empty_database(server)
    with pytest.raises(
        Interrupted, match="interrupted; nothing was moved; run the same command again"
    ):
        move(house, address, Watch(5, press))
    moved(house, address)


def test_a_full_disk(on_postgresql: PostgresqlAddress, tmp_path: Path, house: Path) -> None:
    """Here, a file cannot grow any more."""
    path = tmp_path / "back.db"

    def fill() -> None:
        full = Watch(0, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_BYTES, MOST_BYTES)))
        with pytest.raises(EnvironmentProblem, match="nothing was moved"):
            move(on_postgresql, path, full)
        os.kill(os.getpid(), 9)  # the line above was true

    assert in_child(fill) == 9
    moved(on_postgresql, path)
    assert dump(path) == dump(house)
