"""Facts are added and never rewritten, and a transaction is never impossible: triggers enforce
it."""

import re
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from levity_trio.charging.lifecycle import State, stopped_by
from levity_trio.charging.sent.figures import METHODS
from tests.store.books import Books, Station, in_memory
from tests.store.facts import add_facts

REFUSED = (
    r"never (deleted|rewritten)|(opened|begun) and (ended|resolved) once|moves "
    r"on|(revoked|deleted) once|must have a possible|never overlap|only stored encrypted"
)
CHANGEABLE: dict[str, set[str]] = {
    "boot": set(),
    "command": {"state", "session_id", "sent_at", "answered_at", "is_late", "answer", "error_code"}
    | {
        "error_description",
        "outcome",
        "outcome_words",
        "outcome_at",
        "outcome_until",
        "outcome_tx_id",
    },
    "configuration": {"last_read_at"},
    "configuration_reading": set(),
    "configuration_template": {"ended_at", "ended_by"},
    "connector_data": set(),
    "event": {"count", "last_at"},
    "evidence": set(),
    "evidence_pruning": {"before", "others_before", "deleted"},
    "log": set(),
    "meter_reading": {"voided_at", "voided_by", "void_reason"},
    "meter_val": {"tx_id"},
    "operator_action": {"address", "status", "code"},
    "ownership": {
        "key",
        "reason",
        "until",
        "ended_at",
        "ended_by",
        "end_reason",
        "voided_at",
        "voided_by",
        "void_reason",
    },
    "reservation": {"ended_at", "end_reason", "tx_id"},
    "charging_profile": {"ended_at", "end_reason", "tx_id"},
    "local_list": set(),
    "file": {"deleted_at", "deleted_by"},
    "file_url": {"asked_at"},
    "meter_pair": set(),
    "registration": set(),
    "repair": {"count", "last_at"},
    "review": {"resolved_at", "resolved_by", "resolution", "reason"},
    "run": {"ended_at", "clean"},
    "serial_change": {"is_other", "answered_at", "answered_by", "reason"},
    "session": {"ended_at", "close_code", "close_reason"},
    "set_aside": {
        "tx_id",
        "looked_at",
        "looked_by",
        "resolution",
        "resolution_reason",
        "count",
        "last_received_at",
    },
    # whether it was late is our reading of its time
    "status": {
        "count",
        "last_received_at",
        "is_late",
    },
    "tag": {"key", "same_as", "name", "notes", "ended_at", "ended_by"},
    "token": {"last_used_at", "revoked_at", "revoked_by"},
    "tx_event": {"reason", "count", "last_received_at"},
    "household_task": {"undone_at", "undone_by"},
    "user": {
        "name",
        "role",
        "account_id",
        "language",
        "ends_at",
        "salt",
        "digest",
        "removed_at",
        "removed_by",
    },
    "login": {"last_used_at", "ended_at", "ended_by"},
    "webhook": {"secret", "position", "delivered_at", "removed_at", "removed_by"},
    "webhook_given_up": set(),
    "backend": {
        *("name", "url", "root", "certificate", "certificate_ends_at", "is_repaired"),
        *("tells_authorize", "with_cards", "other_cards", "begins_at", "paused_at"),
        *("removed_at", "removed_by", "with_signed"),
    },
    "backend_tx": {"made_at", "stopped_at", "is_closed"},
    "backend_refused": set(),
    "meter_key": {"ended_at", "ended_by"},
    "series": {"name", "source", "address", "changed_at", "changed_by"},
    "series_batch": set(),
    "series_value": set(),
    "sun_quarter": {
        *("seconds", "import_wh", "export_wh", "generation_wh", "charge_wh", "discharge_wh"),
    },
    "moved_reading": set(),
    "credential": {"confirmed_at", "ended_at", "end_reason"},
    "certificate": {"revoked_at", "revoked_by", "reason"},
    "certificate_request": {"certificate_id", "command_id", "attempts", "ended_at", "result"},
    "certificate_name": set(),
    "securing": {"problem", "ended_at", "ended_by", "result"},
    "securing_step": set(),
    "biller": set(),
    "closing": set(),
    "statement": set(),
    "position": set(),
    "statement_party": {"party", "removed_at", "removed_by"},
    "supplement": {"party", "sheet"},
    "ledger": {"reason"},
    "settled": set(),
    "bank_line": {"payer"},
    "car_price": set(),
    "tariff": set(),
    "tariff_version": {"withdrawn_at", "withdrawn_by", "withdraw_reason"},
    "tariff_assignment": {"reason"},
    "usage_limit": {"key"},
    "wallet_terms": {"reason"},
    "load_site": set(),
    "load_forgotten": set(),
    "load_wish": {"ended_at", "ended_by"},
    "price_wish": {"ended_at", "ended_by"},
    "load_order": {"limits", "last_at", "count", "held_after_seconds", "highest"},
    "load_span": {"until"},
    "personal_deletion": set(),
    "lost_statements": set(),
    "report": {"words", "written_by", "answer", "answered_at", "answered_by"},
    "recipient": {
        "name",
        "language",
        "mail",
        "mail_problem",
        "mail_problem_at",
        "topic",
        "topic_shown_at",
        "kinds",
    }
    | {
        "away_minutes",
        "quiet_from",
        "quiet_until",
        "with_names",
        "gets_statements",
        "ended_at",
        "ended_by",
    },
    "cause": {"parts", "words", "calm_since", "ended_at"},
    "message": {
        "subject",
        "body",
        "link",
        "sent_to",
        "not_before",
        "attempts",
        "failing_since",
        "next_at",
    }
    | {"sending_since", "sent_at", "perhaps_twice", "problem", "given_up_at"},
}
"""The columns of each table of facts that may change: counts, links, and how something ended."""
_TEXTS = {"subject", "body", "link"}
FORGOTTEN = {
    **{("tag", name): "NULL" for name in ("name", "notes")},
    **{("ownership", name): "NULL" for name in ("reason", "end_reason", "void_reason")},
    **{(table, "reason"): "''" for table in ("ledger", "wallet_terms", "tariff_assignment")},
    ("tx_event", "reason"): "'', told = NULL",
    ("bank_line", "payer"): "NULL",
    ("operator_action", "address"): "''",
    ("report", "words"): "NULL, written_by = NULL",
    ("report", "written_by"): "NULL, words = NULL",
    **{("message", name): "NULL, {} = NULL, {} = NULL".format(*_TEXTS - {name}) for name in _TEXTS},
}
"""Texts that may be deleted, and are never another text."""
PRUNED = {"event", "log", "login", "load_wish", "price_wish", "load_order"}
"""Named writes delete their oldest rows."""


def columns(table: str) -> list[str]:
    with closing(in_memory()) as connection:
        return [
            name
            for (name,) in connection.execute(
                f"SELECT name FROM pragma_table_info('{table}')"
            ).fetchall()
        ]


ALLOWED = {
    "address": "'sealed:x'",
    "certificate": "'sealed:x'",
    **dict.fromkeys(("is_repaired", "tells_authorize", "with_cards", "with_signed"), "1"),
    "waits": "0",
    "limits": "'chargers'",
    "role": "'driver', account_id = 1",
    "account_id": "1, role = 'driver'",
    "topic": "'sealed:x'",
    "kinds": "'[1]'",
    "with_names": "1",
    "gets_statements": "1",
    "perhaps_twice": "1",
    "quiet_from": "'22:00', quiet_until = '06:00'",
    "quiet_until": "'06:00', quiet_from = '22:00'",
}
"""Values that fit one another."""
RESULTS = {"securing": "cancelled", "certificate_request": "installed"}


@pytest.fixture
def full(books: Books, station: Station) -> Books:
    """Books with a row in each table of facts."""
    add_facts(books, station)
    assert all(books.count(table) for table in CHANGEABLE)
    return books


def newest(books: Books, table: str) -> int:
    return int(books.value(f"SELECT max(rowid) FROM {table}"))


def change(books: Books, table: str, column: str) -> None:
    """Change one column of the newest row."""
    ((kind,),) = books.rows("SELECT type FROM pragma_table_info(?) WHERE name = ?", table, column)
    other = (
        f"coalesce({column}, 0) + 1000"
        if kind in ("INTEGER", "REAL")
        else f"coalesce({column}, '') || 'x'"
    )
    if kind == "BLOB":
        other = "x'00'"
    if column in ("tx_id", "session_id", "tx_event_id"):
        other = "NULL"
    if column == "state":
        other = "'gone'"  # of the states that may follow
    if table in RESULTS and column in ("result", "ended_at"):  # both, or neither
        column, other = "result", f"'{RESULTS[table]}', ended_at = '2026'"
    # they go, and it is told when, by whom
    if table == "statement_party" and column not in (
        "statement_id",
        "sheet",
    ):
        column, other = "party", "NULL, removed_at = '2040', removed_by = 'anna'"
    if table == "supplement" and column in ("party", "sheet"):
        column, other = "party", "NULL, sheet = NULL"
    other = FORGOTTEN.get((table, column), other)
    if (
        table in ("user", "recipient", "message", "load_order", "backend", "series")
        and column in CHANGEABLE[table]
    ):
        other = ALLOWED.get(column, other)
    if column == "resolved_at":
        other = f"{other}, resolved_by = 'anna', resolution = 'confirmed'"
    # a foreign key would also refuse, but is not a guard
    books.connection.execute("PRAGMA foreign_keys = OFF")
    books.connection.execute(
        f"UPDATE {table} SET {column} = {other} WHERE rowid = ?", (newest(books, table),)
    )


# Facts


@pytest.mark.parametrize("table", CHANGEABLE)
def test_a_fact_is_not_deleted(full: Books, table: str) -> None:
    if table in PRUNED:
        full.connection.execute(f"DELETE FROM {table}")
        return
    with pytest.raises(sqlite3.IntegrityError, match=REFUSED):
        full.connection.execute(f"DELETE FROM {table} WHERE rowid = {newest(full, table)}")


@pytest.mark.sqlite
@pytest.mark.parametrize("table", CHANGEABLE)
def test_a_fact_is_changed_in_nothing_but_its_count_and_its_links(full: Books, table: str) -> None:
    """Column by column, each as if nothing had been changed before."""
    full.connection.execute("PRAGMA foreign_keys = OFF")
    refusals = {column: _refusal(full, table, column) for column in columns(table)}
    assert {column for column, words in refusals.items() if not words} == CHANGEABLE[table]
    assert not {
        column: words
        for column, words in refusals.items()
        if words and not re.search(REFUSED, words)
    }


def _refusal(books: Books, table: str, column: str) -> str:
    """Change one column of the newest row, and undo it. Return why it is refused, if it is."""
    books.connection.execute("BEGIN")
    try:
        change(books, table, column)
    except sqlite3.IntegrityError as refusal:
        return str(refusal)
    finally:
        books.connection.execute("ROLLBACK")
    return ""


@pytest.mark.parametrize(("table", "column"), FORGOTTEN)
def test_a_text_that_may_go_is_never_another_one(full: Books, table: str, column: str) -> None:
    full.connection.execute(
        "UPDATE ownership SET (until, voided_at) = ('2026', '2026') WHERE voided_at IS NULL"
    )
    with pytest.raises(sqlite3.IntegrityError, match=REFUSED):
        full.connection.execute(
            f"UPDATE {table} SET {column} = 'x' WHERE rowid = ?", (newest(full, table),)
        )


def test_every_table_is_guarded_or_a_present_reading() -> None:
    with closing(in_memory()) as connection:
        every = {
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        }
    present = {
        "cp",
        "cp_conn",
        "tx",
        "cp_err",
        "habit",
        "ping",
        "fact_count",
        "event_sum",
        "station",
        "webhook_waiting",
        *("backend_cp", "backend_card", "backend_waiting", "signed_check", "signed_work"),
        *("tx_quarter", "tx_quarter_work", "sun_charger", "series_fetch"),
        "secret_key",
        "own_setting",
        "asked_tag",
        "local_list_kept",
        "security",
        "account",
        "availability",
        "vehicle",
        "space",
        "tx_account",
        "billing",
        "bill_work",
        *("booked", "booked_cost", "to_book", "book"),
        "meter",
        "meter_charger",
        *("wallet", "wallet_reservation", "settlement", "bank_columns"),
        *("refused_card", "month_use", "month_standing"),
        "invitation",
        "turned_away",
        *("own_name", "household_task_account", "message_cursor"),
        "site_count",
        *("power", "power_work"),
        *("load_state", "load_quarter", "load_car_quarter", "load_learned"),
        *("load_charger", "load_lease", "load_model", "load_trial", "mqtt", "oddity"),
    }
    assert every == CHANGEABLE.keys() | present | {
        "simulated_time",
        "audit_cursor",
        "sqlite_sequence",
    }


# Opened and ended once


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("table", "end"),
    [
        ("operator_action", {"status": 200}),
        ("token", {"revoked_at": "2026"}),
        ("credential", {"ended_at": "2026", "end_reason": "dropped"}),
        ("certificate", {"revoked_at": "2026", "revoked_by": "anna", "reason": "lost"}),
        ("webhook", {"removed_at": "2026", "removed_by": "anna"}),
        ("backend", {"removed_at": "2026", "removed_by": "anna"}),
        ("meter_key", {"ended_at": "2026", "ended_by": "anna"}),
        ("user", {"removed_at": "2026", "removed_by": "anna"}),
        ("login", {"ended_at": "2026", "ended_by": "anna"}),
        ("configuration_template", {"ended_at": "2026", "ended_by": "anna"}),
        ("tag", {"ended_at": "2026", "ended_by": "anna"}),
        (
            "tariff_version",
            {"withdrawn_at": "2026", "withdrawn_by": "anna", "withdraw_reason": "wrong"},
        ),
        ("meter_reading", {"voided_at": "2026", "voided_by": "anna", "void_reason": "swapped"}),
        ("file", {"deleted_at": "2026", "deleted_by": "anna"}),
        ("file_url", {"asked_at": "2026"}),
        ("recipient", {"ended_at": "2026", "ended_by": "anna"}),
        ("load_span", {"until": "2026"}),
        ("cause", {"ended_at": "2026"}),
        ("message", {"sent_at": "2026"}),
        ("certificate_request", {"ended_at": "2026", "result": "installed"}),
        ("securing", {"ended_at": "2026", "ended_by": "anna", "result": "done"}),
        ("session", {"ended_at": "2026", "close_code": 1006, "close_reason": "gone"}),
        ("run", {"ended_at": "2026", "clean": 1}),
        (
            "review",
            {
                "resolved_at": "2026",
                "resolved_by": "anna",
                "resolution": "confirmed",
                "reason": "seen",
            },
        ),
        (
            "set_aside",
            {
                "looked_at": "2026",
                "looked_by": "anna",
                "resolution": "dismissed",
                "resolution_reason": "seen",
            },
        ),
    ],
)
def test_what_is_ended_is_not_ended_again(full: Books, table: str, end: dict[str, Any]) -> None:
    row = newest(full, table)
    told = ", ".join(f"{column} = ?" for column in end)
    statement = f"UPDATE {table} SET {told} WHERE rowid = {row}"
    full.connection.execute(statement, tuple(end.values()))
    for column in end:
        with pytest.raises(sqlite3.IntegrityError, match=REFUSED):
            change(full, table, column)
        with pytest.raises(sqlite3.IntegrityError, match=REFUSED):
            full.connection.execute(f"UPDATE {table} SET {column} = NULL WHERE rowid = {row}")


def test_a_review_is_resolved_by_somebody_as_something(full: Books) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=REFUSED):
        full.connection.execute("UPDATE review SET resolved_at = '2026'")


def test_repairs_only_count_on(full: Books) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=REFUSED):
        full.connection.execute("UPDATE repair SET count = count - 1")


# The text of what is open


def test_the_text_of_a_transaction_is_that_of_its_open_reviews(full: Books) -> None:
    ((transaction, words),) = full.rows("SELECT tx_id, words FROM review")
    told = "SELECT review FROM tx WHERE id = ?"
    assert full.value(told, transaction) == words
    add = (
        "INSERT INTO review (tx_id, code, words, figures, evidence, opened_at, resolved_at)"
        " VALUES (?, ?, ?, '{}', '[]', '2026', ?)"
    )
    full.connection.execute(add, (transaction, "overlap", "an overlap", None))
    full.connection.execute(add, (transaction, "too_fast", "too fast", "2026"))
    assert full.value(told, transaction) == f"{words}; an overlap"
    resolve = (
        "UPDATE review "
        "SET resolved_at = ?, resolved_by = ?, resolution = ?, reason = ? "
        "WHERE id = ?"
    )
    reviews = full.rows("SELECT id FROM review ORDER BY id LIMIT 2")
    for text, (review,) in zip(("an overlap", None), reviews, strict=True):
        full.connection.execute(
            resolve, ("2026", "anna", "confirmed", "looked at the meter", review)
        )
        assert full.value(told, transaction) == text


def test_one_review_of_a_code_is_open(full: Books) -> None:
    again = (
        "INSERT INTO review (tx_id, code, words, figures, evidence, opened_at) "
        "SELECT tx_id, code, '', '', '', ''"
    )
    with pytest.raises(sqlite3.IntegrityError, match=r"UNIQUE|unique"):
        full.connection.execute(f"{again} FROM review")
    full.connection.execute(
        "UPDATE review SET resolved_at = '2026', resolved_by = 'anna', resolution = 'confirmed'"
    )
    assert full.rows("SELECT review FROM tx") == [(None,)]
    full.connection.execute(f"{again} FROM review")


# A transaction

TIME = "2026-03-01T12:00:00.000Z"
WHOLE: dict[str, Any] = {
    "cp_id": "CP-1",
    "session_id": 1,
    "verdict": "Accepted",
    "status": "Completed",
    "start_time": TIME,
    "own_start_time": TIME,
    "stop_time": TIME,
    "energy_delivered": 4000,
    "energy_method": "register",
    "confidence": "certain",
    "stopped_by": "charger",
    "created_at": TIME,
    "updated_at": TIME,
}
IMPORTED = {
    "stopped_by": "import",
    "energy_method": "imported",
    "imported_id": 1,
    "own_start_time": None,
}
OF_ITS_END = ("energy_delivered", "energy_method", "confidence", "stop_time", "stopped_by")
IMPOSSIBLE: list[dict[str, Any]] = [
    {"status": "Aborted"},
    {"status": ""},
    {"own_start_time": None},
    {"imported_id": 1},
    {"energy_method": "imported"},
    {"stopped_by": "import"},
    {"energy_delivered": None},
    {"energy_delivered": -1},
    {"energy_method": None},
    {"energy_method": "guessed"},
    {"confidence": None},
    {"confidence": "sure"},
    {"stop_time": None},
    {"stopped_by": None},
    {"stopped_by": "anna"},
    *(
        {column: time}
        for column in ("start_time", "stop_time")
        for time in ("2026-03-01T12:00:00Z", "yesterday", "")
    ),
    {"start_time": "2026-03-01T12:00:00.000+00:00"},
    {"status": "Active", "energy_delivered": -1},
]
POSSIBLE: list[dict[str, Any]] = [
    {},
    {"energy_delivered": 0},
    {"confidence": "doubtful"},
    {"status": "Active"}
    | dict.fromkeys(("energy_delivered", "energy_method", "confidence", "stop_time", "stopped_by")),
    *({"energy_method": method} for method in METHODS),
    *(
        {"stopped_by": stopped_by(state)}
        for state in State
        if stopped_by(state) and state is not State.IMPORTED
    ),
]
OWN_TIMES = [{column: "yesterday"} for column in ("own_start_time", "own_stop_time")]


def insert(books: Books, row: dict[str, Any]) -> int:
    marks = ", ".join("?" * len(row))
    found = books.connection.execute(
        f"INSERT INTO tx ({', '.join(row)}) VALUES ({marks}) RETURNING id", tuple(row.values())
    )
    return int(found.fetchall()[0][0])


@pytest.mark.usefixtures("station")
@pytest.mark.parametrize("row", [*IMPOSSIBLE, *OWN_TIMES])
def test_an_impossible_transaction_is_refused_from_the_first(
    books: Books, row: dict[str, Any]
) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=REFUSED):
        insert(books, WHOLE | row)


@pytest.mark.usefixtures("station")
@pytest.mark.parametrize("row", [*IMPOSSIBLE, *OWN_TIMES])
def test_a_transaction_becomes_no_impossible_one(books: Books, row: dict[str, Any]) -> None:
    transaction = insert(books, WHOLE)
    told = ", ".join(f"{column} = ?" for column in row)
    with pytest.raises(sqlite3.IntegrityError, match=REFUSED):
        books.connection.execute(f"UPDATE tx SET {told} WHERE id = ?", (*row.values(), transaction))


@pytest.mark.usefixtures("station")
@pytest.mark.parametrize("row", POSSIBLE)
def test_a_possible_one_is_kept(books: Books, row: dict[str, Any]) -> None:
    insert(books, WHOLE | row)
    transaction = insert(books, WHOLE)
    for column, value in row.items():
        if column != "status" and value is not None:
            books.connection.execute(
                f"UPDATE tx SET {column} = ? WHERE id = ?", (value, transaction)
            )
    with pytest.raises(sqlite3.IntegrityError, match="never deleted"):
        books.connection.execute("DELETE FROM tx WHERE id = ?", (transaction,))


@pytest.mark.usefixtures("station")
def test_an_imported_one_stays_imported(books: Books) -> None:
    """It has no place among the messages of its charger, which own_start_time orders."""
    transaction = insert(books, WHOLE | IMPORTED)
    for column, value in (WHOLE | {"imported_id": 2}).items():
        if column in IMPORTED:
            with pytest.raises(sqlite3.IntegrityError, match=REFUSED):
                books.connection.execute(
                    f"UPDATE tx SET {column} = ? WHERE id = ?", (value, transaction)
                )


# Each guard for itself


@pytest.mark.sqlite
def test_each_guard_is_the_one_that_refuses(full: Books) -> None:
    """Without the guard, the refused change passes: no guard is redundant."""
    guards = full.rows(
        "SELECT name, tbl_name, sql FROM sqlite_schema "
        "WHERE type = 'trigger' AND sql LIKE '%RAISE%'"
    )
    assert {table for _, table, _ in guards} == (CHANGEABLE.keys() | {"tx"})
    full.connection.execute("UPDATE set_aside SET looked_at = '2026', looked_by = 'anna'")
    full.connection.execute("UPDATE file_url SET asked_at = '2026'")
    full.connection.execute("PRAGMA foreign_keys = OFF")
    for name, table, sql in guards:
        statement = OF_OTHER_ROWS.get(name) or _refused_by(full, sql, table)
        with pytest.raises(sqlite3.IntegrityError, match=REFUSED):
            full.connection.execute(statement)
        full.connection.execute("BEGIN")
        full.connection.execute(f"DROP TRIGGER {name}")
        full.connection.execute(statement)
        full.connection.execute("ROLLBACK")


AGAIN = {
    "credential": "UPDATE credential SET end_reason = 'x' WHERE ended_at IS NOT NULL",
    "certificate": "UPDATE certificate SET reason = 'x' WHERE revoked_at IS NOT NULL",
    "command": "UPDATE command SET state = 'queued'",
    "token": "UPDATE token SET revoked_at = '2026' WHERE revoked_at IS NOT NULL",
    "file": "UPDATE file SET deleted_at = '2026' WHERE deleted_at IS NOT NULL",
    "file_url": "UPDATE file_url SET asked_at = 'x' WHERE asked_at IS NOT NULL",
    "message": "UPDATE message SET attempts = 9 WHERE sent_at IS NOT NULL",
    "cause": "UPDATE cause SET parts = '{}' WHERE ended_at IS NOT NULL",
    "recipient": "UPDATE recipient SET ended_by = 'x' WHERE ended_at IS NOT NULL",
    "household_task": "UPDATE household_task SET undone_by = 'x' WHERE undone_at IS NOT NULL",
    "operator_action": "UPDATE operator_action SET status = 201 WHERE status IS NOT NULL",
    "user": "UPDATE user SET removed_by = 'x' WHERE removed_at IS NOT NULL",
    "login": "UPDATE login SET ended_by = 'x' WHERE ended_at IS NOT NULL",
    "webhook": "UPDATE webhook SET removed_at = '2026' WHERE removed_at IS NOT NULL",
    "backend": "UPDATE backend SET removed_at = '2026' WHERE removed_at IS NOT NULL",
    "meter_key": "UPDATE meter_key SET ended_at = '2026' WHERE ended_at IS NOT NULL",
    "serial_change": "UPDATE serial_change SET reason = 'x' WHERE answered_at IS NOT NULL",
    "certificate_request": "UPDATE certificate_request SET attempts = 2 WHERE result IS NOT NULL",
    "securing": "UPDATE securing SET problem = 'none' WHERE result IS NOT NULL",
    "configuration_template": (
        "UPDATE configuration_template SET ended_by = 'ben' WHERE ended_at IS NOT NULL"
    ),
    "tag": "UPDATE tag SET ended_by = 'ben' WHERE ended_at IS NOT NULL",
    "ownership": "UPDATE ownership SET voided_by = 'x' WHERE voided_at IS NOT NULL",
    "tariff_version": (
        "UPDATE tariff_version SET withdraw_reason = 'x' WHERE withdrawn_at IS NOT NULL"
    ),
    "meter_reading": "UPDATE meter_reading SET void_reason = 'x' WHERE voided_at IS NOT NULL",
    "load_wish": "UPDATE load_wish SET ended_by = 'x' WHERE ended_at IS NOT NULL",
    "price_wish": "UPDATE price_wish SET ended_by = 'x' WHERE ended_at IS NOT NULL",
    "load_span": "UPDATE load_span SET until = 'x' WHERE until IS NOT NULL",
    "report": "UPDATE report SET answered_by = 'x' WHERE answered_at IS NOT NULL",
    "evidence_pruning": "UPDATE evidence_pruning SET deleted = deleted - 1",
}
"""What a guard of a step that is made only once refuses."""


OF_OTHER_ROWS = {
    "message_texts_go": "UPDATE message SET subject = 'x'",
    "message_problem_goes": "UPDATE message SET problem = 'x' WHERE sent_at IS NOT NULL",
    "operator_action_address_goes": "UPDATE operator_action SET address = 'x'",
    "tx_event_reason_goes": "UPDATE tx_event SET reason = 'x'",
    "tariff_assignment_reason_goes": "UPDATE tariff_assignment SET reason = 'x'",
    "tag_texts_go": "UPDATE tag SET name = 'x'",
    "ownership_texts_go": "UPDATE ownership SET reason = 'x'",
    "wallet_terms_text_goes": "UPDATE wallet_terms SET reason = 'x'",
    "ledger_text_goes": "UPDATE ledger SET reason = 'x'",
    "report_texts_go": "UPDATE report SET words = 'x'",
    "report_answer_goes": "UPDATE report SET answer = 'x' WHERE answered_at IS NOT NULL",
    "webhook_secret_is_sealed": (
        "INSERT INTO webhook (name, url, secret, created_at, created_by, position) "
        "VALUES ('plain', '', 'plain', '', '', 0)"
    ),
    "webhook_secret_stays_sealed": "UPDATE webhook SET secret = 'plain'",
    "ownership_begins_alone": "INSERT INTO ownership"
    " (account_id, what, key, conn_id, id_tag, since, given_at, given_by)"
    " VALUES (1, 'tag', 'a', 0, 'A', '2026', '', '')",
    "ownership_stays_alone": "UPDATE ownership SET key = 'a' WHERE key = 'b'",
    "position_comes_before_its_number": "INSERT INTO position"
    " (statement_id, account_id, kind, month, energy_wh, is_prepaid, lines, amount)"
    " VALUES (1, 1, 'base fee', '2026-10', 0, 0, '[]', 0)",
}
"""What a guard refuses that looks at other rows, or at a text that may go."""


def _refused_by(books: Books, sql: str, table: str) -> str:
    if "BEFORE DELETE" in sql:
        return f"DELETE FROM {table} WHERE rowid = {newest(books, table)}"
    if "BEFORE INSERT" in sql:
        columns = "cp_id, session_id, verdict, start_time, created_at, updated_at"
        return f"INSERT INTO {table} ({columns}) VALUES ('CP-1', 1, 'Accepted', 'now', '', '')"
    if table == "tx":
        return "UPDATE tx SET confidence = 'sure'"
    if "NEW.count <" in sql:
        return f"UPDATE {table} SET count = count - 1 WHERE rowid = {newest(books, table)}"
    if (again := AGAIN.get(table)) is not None and "OLD." in sql:
        return again
    guarded = re.search(r"UPDATE OF (\w+)|NEW\.(id)|BEFORE (UPDATE) ON", sql)
    assert guarded is not None
    column = guarded[1] or guarded[2] or "rowid"
    other = (
        f"{column} + 1000"
        if column in ("id", "rowid", "profile", "backend_id", "site_id")
        else f"{column} || 'x'"
    )
    return f"UPDATE {table} SET {column} = {other} WHERE rowid = {newest(books, table)}"
