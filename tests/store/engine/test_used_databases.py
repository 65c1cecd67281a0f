"""Databases of every earlier version, empty and used: migration refuses none and loses nothing."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from typing import Any

import orjson
import pytest

from levity_trio.store.engine import schema
from levity_trio.store.engine.connection import FileConnection
from levity_trio.store.engine.schema import migrate, newest_version, tokens
from levity_trio.store.reads.site import totals
from tests.sizes import IS_FULL
from tests.store.books import Books, Station, in_memory
from tests.store.older import program_of

OLD = range(1, 6)
EVERY_VERSION = [number for number, _ in schema.migrations()][:-1]
SOME_VERSIONS = [
    number for number in EVERY_VERSION if number % 12 == 0 or number > EVERY_VERSION[-10]
]
"""Whoever comes from one goes through all that follow."""
TABLES = "run cp session boot status tx tx_event meter_val set_aside event sqlite_sequence"
AT, LATER = "2026-03-01T10:00:00.000Z", "2026-03-01T11:00:00.000Z"
HONEST = {"energy_delivered": 4000, "energy_method": "register", "confidence": "certain"}
ENDED = HONEST | {
    "status": "Completed",
    "stop_time": LATER,
    "meter_stop": 5000,
    "stopped_by": "charger",
}
CLOSED = ENDED | {
    "energy_delivered": 3000,
    "meter_stop": 4000,
    "stopped_by": "system",
    "confidence": "doubtful",
}
PROSE = "closed by the system: no sign of it in 15 minutes; stop is earlier than start"

POSSIBLE: dict[str, dict[str, Any]] = {
    "open": {},
    "suspended": {"suspended_at": LATER},
    "stopped": ENDED,
    "closed": CLOSED | {"energy_method": "segments", "review": PROSE},
    "joined": ENDED | {"stopped_by": "joined", "review": "its stop named no transaction"},
    "of the readings": ENDED | {"energy_method": "session readings"},
    "reopened": {"review": "closed by the system"},
}
IMPOSSIBLE: dict[str, dict[str, Any]] = {
    "no energy": ENDED | {"energy_delivered": None},
    "negative": ENDED | {"energy_delivered": -500, "review": "runs backwards"},
    "unknown method": ENDED | {"energy_method": "guessed"},
    "no method": ENDED | {"energy_method": None},
    "unknown confidence": ENDED | {"confidence": "sure"},
    "no stop time": ENDED | {"stop_time": None},
    "all at once": ENDED | dict.fromkeys(HONEST) | {"stop_time": None},
}
TOLD = {
    "stopped": [4000],
    "closed": [2500, 3000],
    "reopened": [500, 700],
    "negative": [-500],
    "no energy": [900],
}
"""The energy of some transactions in the event table, in order."""


def made(version: int) -> FileConnection:
    """An empty database of that version."""
    return copied(empty(version))


@cache
def empty(version: int) -> bytes:
    """One of that version, made once from the one before it: all migrations take a hundred times a
    copy."""
    earlier = [number for number in EVERY_VERSION if number < version]
    before = empty(earlier[-1]) if earlier else b""
    with closing(copied(before)) as connection, program_of(version):
        migrate(connection)
        assert connection.execute("PRAGMA user_version").fetchone()[0] % 1000 == version
        return connection.serialize()


def copied(file: bytes) -> FileConnection:
    connection = sqlite3.connect(":memory:", isolation_level=None, factory=FileConnection)
    connection.execute("PRAGMA foreign_keys = ON")
    if file:
        connection.deserialize(file)
    return connection


def insert(connection: sqlite3.Connection, table: str, **row: Any) -> int:
    marks = ", ".join("?" * len(row))
    statement = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})"
    return int(connection.execute(statement, tuple(row.values())).lastrowid or 0)


def use(connection: sqlite3.Connection) -> None:
    """A known charger, with a run that ended cleanly and one that was killed."""
    insert(connection, "run", version="0.1", started_at=AT, clock_trusted=1, ended_at=AT, clean=1)
    run = insert(connection, "run", version="0.1", started_at=AT, clock_trusted=1)
    insert(
        connection,
        "cp",
        id="CP-1",
        created_at=AT,
        updated_at=AT,
        status="Available",
        firmware_version="1",
    )
    told = {
        "cp_id": "CP-1",
        "run_id": run,
        "remote_address": "10.0.0.1",
        "target": "/ws",
        "clock_trusted": 1,
    }
    session = insert(connection, "session", connected_at=AT, **told)
    here = {"cp_id": "CP-1", "session_id": session}
    caused = here | {"received_at": AT}
    insert(connection, "boot", payload="{}", answer="Accepted", heartbeat_interval=60, **caused)
    at = {"timestamp": AT, "last_received_at": AT}
    insert(connection, "status", conn_id=1, status="Charging", error_code="NoError", **caused, **at)
    raw = {
        "action": "MeterValues",
        "message_id": '"1"',
        "payload": "{}",
        "digest": "d",
        "reason": "none fits",
    }
    insert(connection, "set_aside", last_received_at=AT, **caused, **raw)
    insert(connection, "log", at=AT, direction="recv", frame="[2]", **here)


def add(connection: sqlite3.Connection, number: int, row: dict[str, Any], told: list[int]) -> int:
    """A transaction with its events, readings, and what was told of it."""
    usual = {
        "cp_id": "CP-1",
        "conn_id": number,
        "session_id": 1,
        "id_tag": "TAG",
        "verdict": "Accepted",
    }
    times = {
        "start_time": AT,
        "sent_start_time": AT,
        "meter_start": 1000,
        "created_at": AT,
        "updated_at": LATER,
    }
    transaction = insert(connection, "tx", **(usual | times | row))
    happened = {
        "tx_id": transaction,
        "session_id": 1,
        "received_at": AT,
        "timestamp": AT,
        "last_received_at": AT,
    }
    insert(
        connection, "tx_event", kind="start", who="charger", payload="{}", digest="s", **happened
    )
    if row.get("status") == "Completed":
        ended = happened | {"received_at": LATER, "timestamp": LATER}
        insert(
            connection, "tx_event", kind="stop", who="charger", payload="{}", digest="e", **ended
        )
    read = {
        "tx_id": transaction,
        "cp_id": "CP-1",
        "conn_id": number,
        "session_id": 1,
        "received_at": AT,
    }
    sample = {
        "measurand": "Energy.Active.Import.Register",
        "value": "1000",
        "unit": "Wh",
        "context": "Sample.Periodic",
    }
    rest = {"location": "Outlet", "phase": "", "format": "Raw", "source": "MeterValues", "wh": 1000}
    insert(connection, "meter_val", timestamp=AT, **read, **sample, **rest)
    for wh in told:
        data = orjson.dumps({"transaction": transaction, "energy_wh": wh}).decode()
        insert(connection, "event", at=LATER, kind="TransactionClosed", cp_id="CP-1", data=data)
    return transaction


class Used:
    """A used database of a version, before and after."""

    def __init__(self, version: int) -> None:
        self.connection = made(version)
        use(self.connection)
        every = POSSIBLE | IMPOSSIBLE
        self.ids = {
            name: add(self.connection, number, row, TOLD.get(name, []))
            for number, (name, row) in enumerate(every.items(), 1)
        }
        self.columns = {table: self._columns(table) for table in TABLES.split()}
        self.before = self.contents()
        with closing(self.connection):
            migrate(self.connection)
            self.migrated = self.connection.serialize()

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of the tables of the first version, by the columns that they had then; without
        the log."""
        return {
            table: self.connection.execute(
                f"SELECT {columns} FROM {table} ORDER BY rowid"
            ).fetchall()
            for table, columns in self.columns.items()
        }

    def _columns(self, table: str) -> str:
        told = self.connection.execute(f"SELECT name FROM pragma_table_info('{table}')").fetchall()
        return ", ".join(name for (name,) in told)

    def of(self, name: str, columns: str) -> tuple[Any, ...]:
        """Of one transaction."""
        found = self.connection.execute(
            f"SELECT {columns} FROM tx WHERE id = ?", (self.ids[name],)
        ).fetchone()
        return tuple(found)

    def rows(self, sql: str, name: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, (self.ids[name],)).fetchall()


@cache
def used_once(version: int) -> Used:
    return Used(version)


@pytest.fixture(params=OLD)
def used(request: pytest.FixtureRequest) -> Iterator[Used]:
    """One of each earlier version, migrated. Each test has its own copy."""
    database = used_once(request.param)
    with closing(copied(database.migrated)) as database.connection:
        yield database


# Empty ones


@pytest.mark.parametrize("version", OLD)
def test_an_empty_one_gives_out_ids_above_a_million(version: int) -> None:
    with closing(made(version)) as connection:
        before = connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
        migrate(connection)
        assert connection.execute("PRAGMA user_version").fetchone()[0] % 1000 == newest_version()
        assert (
            connection.execute("SELECT name, seq FROM sqlite_sequence WHERE name = 'tx'").fetchall()
            == before
        )
        assert Station(Books(connection)).start() == before[0][1] + 1 > 10**6


@pytest.mark.parametrize("version", EVERY_VERSION if IS_FULL else SOME_VERSIONS)
def test_all_versions_come_to_the_same_schema(version: int) -> None:
    with closing(made(version)) as old, closing(in_memory()) as new:
        migrate(old)
        assert defined(old) == defined(new)


def defined(connection: sqlite3.Connection) -> dict[str, list[str]]:
    every = connection.execute("SELECT type || ' ' || name, sql FROM sqlite_schema").fetchall()
    return {name: tokens(definition or "") for name, definition in every}


# Used ones


def test_every_row_is_kept(used: Used) -> None:
    after = used.contents()
    assert after.keys() == used.before.keys()
    for table in used.before.keys() - {"tx", "tx_event", "sqlite_sequence"}:
        assert after[table] == used.before[table], table
    assert after["tx_event"][: len(used.before["tx_event"])] == used.before["tx_event"]
    assert [row[0] for row in after["tx"]] == [row[0] for row in used.before["tx"]]
    assert dict(used.before["sqlite_sequence"]).items() <= dict(after["sqlite_sequence"]).items()
    assert used.connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert used.connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("name", POSSIBLE)
def test_a_possible_transaction_stays_as_it_is(used: Used, name: str) -> None:
    row = next(row for row in used.before["tx"] if row[0] == used.ids[name])
    assert used.of(name, used.columns["tx"]) == row
    assert used.rows("SELECT kind FROM tx_event WHERE tx_id = ? AND kind = 'correct'", name) == []


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_an_impossible_one_is_put_right_and_told(used: Used, name: str) -> None:
    row = IMPOSSIBLE[name]
    wh, method, confidence, stop_time, status = used.of(
        name, "energy_delivered, energy_method, confidence, stop_time, status"
    )
    assert wh == max(0, row["energy_delivered"] or 0)
    assert method in ("register", "segments")
    assert (confidence, stop_time, status) == ("doubtful", LATER, "Completed")
    ((who, reason),) = used.rows(
        "SELECT who, reason FROM tx_event WHERE tx_id = ? AND kind = 'correct'", name
    )
    assert (who, "no possible figure" in reason) == ("system", True)
    ((code, words, event),) = used.rows(
        "SELECT code, words, tx_event_id FROM review WHERE tx_id = ?", name
    )
    assert (code, used.of(name, "review")) == ("legacy", (words,))
    assert words.startswith(
        "; ".join(filter(None, (row.get("review"), "put right: it had no possible figure")))
    )
    assert used.rows("SELECT max(id) FROM tx_event WHERE tx_id = ?", name) == [(event,)]


@pytest.mark.parametrize("name", ["closed", "joined", "reopened"])
def test_prose_becomes_a_review_that_a_person_can_resolve(used: Used, name: str) -> None:
    ((review, code, words),) = used.rows("SELECT id, code, words FROM review WHERE tx_id = ?", name)
    assert (code, words) == ("legacy", POSSIBLE[name]["review"])
    used.connection.execute(
        (
            "UPDATE review "
            "SET resolved_at = ?, resolved_by = ?, resolution = ?, reason = ? "
            "WHERE id = ?"
        ),
        (LATER, "anna", "confirmed", "looked at the meter", review),
    )
    assert used.of(name, "review") == (None,)


@pytest.mark.parametrize("name", [*POSSIBLE, *IMPOSSIBLE])
def test_counters_go_on_from_what_was_told(used: Used, name: str) -> None:
    """The next event of the transaction is compared with this, as the totals compare events."""
    told = TOLD.get(name, [(POSSIBLE | IMPOSSIBLE)[name].get("energy_delivered") or 0])
    assert used.of(name, "counted_wh") == (told[-1],)


@pytest.mark.parametrize("name", [*POSSIBLE, *IMPOSSIBLE])
def test_what_was_billed_is_what_it_rests_on(used: Used, name: str) -> None:
    begun, begin, end, rules, judged = used.of(
        name, "own_start_time, billed_from_wh, billed_until_wh, rules, judged_at"
    )
    assert (begun, begin) == (AT, 1000)
    is_ended = used.of(name, "status") == ("Completed",)
    assert (rules, judged) == ((1, LATER) if is_ended else (None, None))
    assert (end is not None) == is_ended


def test_its_chargers_go_on(used: Used) -> None:
    books = Books(used.connection)
    station = Station(books)
    for number, name in enumerate(POSSIBLE | IMPOSSIBLE, 1):
        station.tell(station.register(6000), transaction=used.ids[name], connector=number)
        station.stop(used.ids[name], 6000)
        assert used.of(name, "status") == ("Completed",)
    for name in ("open", "suspended", "closed", "reopened"):
        assert station.bill(used.ids[name])[0] == 5000
        assert used.of(name, "stopped_by, counted_wh") == ("charger", 5000)
    # with the stop that was joined, as its transaction has its own now
    assert books.count("set_aside") == 2
    assert station.start() > max(used.ids.values())


def test_what_was_open_before_servers_had_names_is_ended_by_the_next_start() -> None:
    with closing(made(6)) as connection:
        use(connection)
        open_ones = "SELECT count(*) FROM session WHERE ended_at IS NULL"
        assert connection.execute(open_ones).fetchone() == (1,)
        migrate(connection)
        books = Books(connection)
        assert connection.execute(open_ones).fetchone() == (0,)
        Station(books).lose()
        assert connection.execute(open_ones).fetchone() == (0,)


# Rows that violate a guard

BROKEN: dict[str, dict[str, Any]] = {
    "aborted": {"status": "Aborted"},
    "aborted with a figure": ENDED | {"status": "Aborted"},
    "aborted with a figure of no method": ENDED
    | {"status": "Aborted", "energy_method": None, "confidence": None},
    "stopped by nobody": ENDED | {"stopped_by": None},
    "a start without its milliseconds": {"start_time": "2026-03-01T10:00:00Z"},
    "a stop by an offset": ENDED | {"stop_time": "2026-03-01T11:00:00+00:00"},
}


@pytest.mark.parametrize("version", OLD)
def test_what_breaks_a_guard_can_be_written_again(version: int) -> None:
    with closing(made(version)) as connection:
        use(connection)
        for number, row in enumerate(BROKEN.values(), 1):
            add(connection, number, row, [])
        migrate(connection)
        connection.execute("UPDATE tx SET status = status, start_time = start_time")
        known = connection.execute("SELECT status IN ('Active', 'Completed') FROM tx").fetchall()
        assert known == [(1,)] * len(BROKEN)


@pytest.mark.parametrize(
    "row", [{"status": "Aborted"}, ENDED | {"stopped_by": None}, ENDED | {"stopped_by": "thief"}]
)
def test_whatever_is_put_right_is_told(row: dict[str, Any]) -> None:
    with closing(made(5)) as connection:
        use(connection)
        add(connection, 1, row, [])
        migrate(connection)
        assert connection.execute(
            "SELECT count(*) FROM tx_event WHERE kind = 'correct'"
        ).fetchone() == (1,)
        assert connection.execute(
            "SELECT count(*) FROM review WHERE code = 'legacy'"
        ).fetchone() == (1,)


def test_what_was_told_of_energy_is_counted_on(used: Used) -> None:
    counted = {
        (counter, what): wh
        for _, counter, what, wh in used.connection.execute(totals.SUMS).fetchall()
    }
    assert counted[totals.REPORTED, totals.DELIVERED] == 4000 + 3000 + 700 + 900
    assert counted[totals.TAKEN_BACK, totals.DELIVERED] == 500


def test_what_was_recorded_of_own_names_and_decisions_goes() -> None:
    gone = (
        "/api/me/tags/A",
        "/api/me/vehicles/1",
        "/api/admin/transactions/5/correct",
        "/api/admin/reviews/1/dismiss",
    )
    stays = ("/api/admin/bulk", "/api/me/chargers/CP-1/start")
    with closing(made(75)) as connection:
        for path in gone + stays:
            insert(
                connection,
                "operator_action",
                at=AT,
                request=path,
                address="",
                method="PUT",
                path=path,
                body="{}",
            )
        migrate(connection)
        left = connection.execute(
            "SELECT path FROM operator_action WHERE body IS NOT NULL ORDER BY id"
        ).fetchall()
        assert left == [(path,) for path in stays]


def test_what_was_recorded_of_names_and_reasons_is_masked() -> None:
    bodies = {
        "/api/admin/id-tags": '{"id_tag":"A","name":"Anna","notes":"dog"}',
        "/api/admin/accounts/1/give": '{"tag":"A","reason":"Anna"}',
        "/api/admin/wallets/1/payment": '{"amount":1,"reason":"An',
        "/api/admin/bulk": '{"reason":"kept"}',
    }
    with closing(made(32)) as connection:
        for path, body in bodies.items():
            insert(
                connection,
                "operator_action",
                at=AT,
                request=path,
                address="",
                method="POST",
                path=path,
                body=body,
            )
        migrate(connection)
        masked = connection.execute("SELECT body FROM operator_action ORDER BY id")
        found = [body and orjson.loads(body) for (body,) in masked]
        assert found == [
            {"id_tag": "A", "name": "***", "notes": "***"},
            {"tag": "A", "reason": "***"},
            None,
            {"reason": "kept"},
        ]
        with pytest.raises(sqlite3.IntegrityError, match="never rewritten"):
            connection.execute("UPDATE operator_action SET body = ''")


@pytest.mark.parametrize(("version", "language"), [(63, ""), (68, None)])
def test_what_was_closed_before_papers_had_a_language_is_marked(
    version: int, language: str | None
) -> None:
    """Its paper said its number alone as reference."""
    version = max(number for number in EVERY_VERSION if number <= version)
    with closing(made(version)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        row = {
            "draft_id": 1,
            "account_id": 1,
            "month": "2026-02",
            "zone": "UTC",
            "currency": "EUR",
            "prices": "gross",
        }
        row |= {
            "taxes": "[]",
            "charged": 0,
            "carried_in": 0,
            "total": 0,
            "is_carried": 0,
            "content": "",
        }
        closed = {
            "closing_id": 1,
            "number": 1,
            "party_digest": "",
            "previous_digest": "",
            "digest": "d",
        }
        insert(connection, "statement", **row)
        insert(connection, "statement", **row, **closed)
        migrate(connection)
        # the draft is gone
        assert connection.execute("SELECT language FROM statement").fetchall() == [(language,)]
        with pytest.raises(sqlite3.IntegrityError, match="never rewritten"):
            connection.execute("UPDATE statement SET language = 'de' WHERE number = 1")


def test_what_was_given_by_hand_is_billed_anew() -> None:
    with closing(made(99)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        given = {"account_id": 1, "given_at": AT, "given_by": "owner", "reason": "a visit"}
        insert(connection, "tx_account", tx_id=7, **given)
        ended = ENDED | {"conn_id": 1, "session_id": 1, "id_tag": "TAG", "verdict": "Accepted"}
        ended |= {"start_time": AT, "sent_start_time": AT, "meter_start": 1000}
        ended |= {"own_start_time": AT, "created_at": AT, "updated_at": LATER}
        for number in (7, 8):
            insert(connection, "tx", id=number, cp_id="CP-1", **ended)
        (known,) = connection.execute("SELECT max(revision) FROM bill_work").fetchone()
        migrate(connection)
        later = "SELECT tx_id FROM bill_work WHERE revision > ?"
        assert connection.execute(later, (known,)).fetchall() == [(7,)]
