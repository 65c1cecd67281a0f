"""The days of `log`: a partition for each, by the time of receipt of its frames, so that an old day
is dropped at once.

`log_before` has what is older than the database, and `log_default` takes the times that no other
partition has. An index is on the id alone, in each partition: one counter gives all ids,
and a statement that names no time looks into each.

To make or drop a partition, PostgreSQL locks the whole table for a moment. Somebody such as pg_dump
may hold it for hours, and whoever comes after the waiting one would wait as well. So it is done in
a turn of its own among the batches of all servers, waits hardly at all, and is tried again later.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

from levity_trio.store.engine.faults import StoreUnavailable
from levity_trio.store.postgresql.connection import PostgresqlConnection, connect
from levity_trio.store.postgresql.servers import take_turn

AHEAD: Final = 7
"""How many days are made before they come: a server may be away for so long."""
LOCK_MILLISECONDS: Final = 20
MOST_ASTRAY: Final = 1_000
"""Rows that are deleted beside a partition in one turn. Where a clock was wrong for longer, there
are more."""
MOST_BYTES: Final = 1_000_000
"""How large `log_default` may be when a partition is made: it is read, and the rows of that day are
moved."""
_LOCKED: Final = "55P03"
_TRIGGERS: Final = (
    "SELECT quote_ident(tgname), pg_get_triggerdef(oid) FROM pg_trigger"
    " WHERE tgrelid = 'public.log'::regclass AND NOT tgisinternal"
)
_SET_ASIDE: Final = """
ALTER TABLE public.log SET SCHEMA levity;
ALTER TABLE levity.log RENAME TO log_before;
ALTER TABLE levity.log_before RENAME CONSTRAINT log_pkey TO log_before_pkey;
CREATE TABLE public.log (LIKE levity.log_before INCLUDING DEFAULTS) PARTITION BY RANGE (at);
CREATE TABLE levity.log_default (LIKE public.log INCLUDING DEFAULTS, PRIMARY KEY (id))
"""
_ATTACH_BEFORE: Final = """
ALTER TABLE public.log ATTACH PARTITION levity.log_before FOR VALUES FROM (MINVALUE) TO ('{0}');
ALTER TABLE public.log ATTACH PARTITION levity.log_default DEFAULT
"""
_CREATE: Final = "CREATE TABLE {0} (LIKE public.log INCLUDING DEFAULTS, PRIMARY KEY (id))"
_ATTACH: Final = """
LOCK TABLE levity.log_default IN ACCESS EXCLUSIVE MODE;
WITH moved AS (DELETE FROM levity.log_default WHERE at >= '{1}' AND at < '{2}' RETURNING *)
    INSERT INTO {0} SELECT * FROM moved;
ALTER TABLE public.log ATTACH PARTITION {0} FOR VALUES FROM ('{1}') TO ('{2}')
"""
_DEFAULT_BYTES: Final = "SELECT pg_relation_size('levity.log_default')"
_PARTITIONS: Final = (
    "SELECT format('levity.%I', relname), pg_get_expr(relpartbound, pg_class.oid) FROM pg_inherits"
    " JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'public.log'::regclass"
)
_BOUND: Final = re.compile(r"FROM \((?P<since>.+)\) TO \('(?P<before>.+)'\)")


class Partition(NamedTuple):
    """A part of the log: the table and its times, as texts of SQL. Each time begins a day."""

    table: str
    since: str
    before: str

    @property
    def others(self) -> str:
        """The condition of the rows that the other partitions have."""
        later = f"at >= '{self.before}'"
        return later if self.since == "MINVALUE" else f"(at < {self.since} OR {later})"


def divide(connection: PostgresqlConnection) -> None:
    """Divide the log of a new database, in the present transaction. Its table becomes the first
    partition."""
    triggers = connection.ask(_TRIGGERS)
    for name, _ in triggers:
        connection.run(f"DROP TRIGGER {name} ON public.log")
    connection.run(_SET_ASIDE)
    for _, definition in triggers:
        connection.run(definition)
    tomorrow = date.fromisoformat(_value(connection, "SELECT (current_date + 1)::text"))
    connection.run(_ATTACH_BEFORE.format(tomorrow))
    for number in range(AHEAD):
        _make(connection, tomorrow + timedelta(days=number))


class Partitions:
    """Makes and drops the partitions of a database, each on a connection of its own."""

    def __init__(self, address: str) -> None:
        self._address = address

    def make(self, today: date) -> None:
        """Make the partitions of today and of the next days. Raises StoreUnavailable."""
        with self._connected() as connection:
            made = partitions(connection)
            covered = max((one.before for one in made if one.since == "MINVALUE"), default="")
            known = {one.table for one in made}
            for day in (today + timedelta(days=number) for number in range(AHEAD + 1)):
                if day.isoformat() >= covered and _name(day) not in known:
                    with _turn(connection):
                        if _value(connection, _DEFAULT_BYTES) <= MOST_BYTES:
                            _make(connection, day)
                            connection.run("COMMIT")

    def drop(self, before: str, upto: int) -> int:
        """Drop the partitions of days before this one, and those without a row above this id.

        The log has no gaps: what the other partitions have of the same ids is deleted too. If that
        is much, the partition stays. Return how many ids are gone. Raises StoreUnavailable.
        """
        rows = 0
        with self._connected() as connection:
            for one in partitions(connection):
                if one.before <= before or 0 < _last(connection, one) <= upto:
                    rows += _drop(connection, one, before, upto)
        return rows

    @contextmanager
    def _connected(self) -> Iterator[PostgresqlConnection]:
        try:
            with closing(
                PostgresqlConnection(connect(self._address, statement_timeout="2s"))
            ) as connection:
                yield connection
        except sqlite3.Error as error:
            if getattr(error, "sqlstate", None) != _LOCKED:
                raise StoreUnavailable(str(error)) from error


def partitions(connection: PostgresqlConnection) -> list[Partition]:
    """Return the partitions that have a range of time, the oldest first."""
    found = [(table, _BOUND.search(bound)) for table, bound in connection.ask(_PARTITIONS)]
    ranges = (Partition(table, match["since"], match["before"]) for table, match in found if match)
    return sorted(ranges, key=lambda one: one.before)


@contextmanager
def _turn(connection: PostgresqlConnection) -> Iterator[None]:
    """Run a transaction beside no batch of any server. It is rolled back unless the block has
    committed it."""
    connection.run("BEGIN")
    try:
        take_turn(connection)
        connection.run(
            f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}; SET LOCAL enable_seqscan = off"
        )
        yield
    finally:
        if not connection.is_lost:
            connection.rollback()


def _drop(connection: PostgresqlConnection, partition: Partition, before: str, upto: int) -> int:
    with _turn(connection):
        last = _last(connection, partition)
        astray = f"id <= {last} AND {partition.others}"
        if (partition.before > before and last > upto) or _are_many(connection, astray):
            return 0
        oldest = int(_value(connection, "SELECT coalesce(min(id), 1) FROM public.log"))
        connection.run(f"DELETE FROM public.log WHERE {astray}")  # noqa: S608 - numbers and times of ours
        connection.run(f"DROP TABLE {partition.table}")
        connection.run("COMMIT")
    return max(0, last - oldest + 1)


def _make(connection: PostgresqlConnection, day: date) -> None:
    connection.run(_CREATE.format(_name(day)))
    connection.run(_ATTACH.format(_name(day), day, day + timedelta(days=1)))


def _name(day: date) -> str:
    return f"levity.log_{day:%Y%m%d}"


def _are_many(connection: PostgresqlConnection, astray: str) -> bool:
    """Whether more rows meet a condition than a turn may delete."""
    first = f"SELECT 1 FROM public.log WHERE {astray} LIMIT {MOST_ASTRAY + 1}"  # noqa: S608 - numbers and times of ours
    return bool(_value(connection, f"SELECT count(*) > {MOST_ASTRAY} FROM ({first}) AS found"))  # noqa: S608


def _last(connection: PostgresqlConnection, one: Partition) -> int:
    return int(_value(connection, f"SELECT coalesce(max(id), 0) FROM {one.table}"))  # noqa: S608 - a name of ours


def _value(connection: PostgresqlConnection, sql: str) -> Any:
    ((value,),) = connection.ask(sql)
    return value
