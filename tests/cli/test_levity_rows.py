"""Odd rows of Levity's tables: never a crash, and each is imported or told as left out."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio.store.engine.database import commit
from levity_trio.store.engine.file_store import FileConnection
from levity_trio.store.reads.levity.history import TABLES, LevityHistory
from levity_trio.store.writes.site import imports
from tests.sizes import size
from tests.store.books import in_memory
from tests.store.levity_file import SCHEMA

AT = "2026-03-01T12:00:00.000Z"
CHARGERS = st.sampled_from(["CP-1", "CP-2", "", "a/b", "x" * 60, "\0", "GONE"])
TIMES = st.sampled_from(
    ["2026-01-10T18:00:00+00:00", "2026-01-10 19:00:00", "1970-01-01T00:00:00Z", "soon", "", 7]
)
NUMBERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.sampled_from(["12,5 kWh", b"\xff"]),
)
ANYTHING = st.one_of(st.none(), NUMBERS, TIMES, st.text(max_size=5), st.binary(max_size=3))
SMALL = st.integers(0, 3)
COLUMNS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "cp": {"id": CHARGERS, "vendor": ANYTHING},
    "cp_conn": {"cp_id": CHARGERS, "conn_id": st.one_of(SMALL, ANYTHING)},
    "tx": {
        "cp_id": CHARGERS,
        "cp_conn_id": st.one_of(SMALL, ANYTHING),
        "id_tag": ANYTHING,
        "start_time": TIMES,
        "stop_time": st.one_of(st.none(), TIMES),
        "meter_start": ANYTHING,
        "meter_stop": ANYTHING,
        "energy_delivered": ANYTHING,
        "stop_reason": ANYTHING,
        "created_at": TIMES,
        "updated_at": ANYTHING,
    },
    "meter_val": {
        "tx_id": st.one_of(SMALL, ANYTHING),
        "cp_id": CHARGERS,
        "cp_conn_id": st.one_of(SMALL, ANYTHING),
        "timestamp": TIMES,
        "measurand": ANYTHING,
        "value": ANYTHING,
        "unit": ANYTHING,
        "created_at": TIMES,
    },
    "cp_err": {
        "cp_id": CHARGERS,
        "cp_conn_id": ANYTHING,
        "error_code": ANYTHING,
        "timestamp": TIMES,
        "resolved_at": ANYTHING,
        "created_at": TIMES,
    },
}
ROWS = st.lists(
    st.sampled_from(sorted(COLUMNS)).flatmap(
        lambda table: st.tuples(st.just(table), st.fixed_dictionaries(COLUMNS[table]))
    ),
    max_size=12,
)


def import_all(history: LevityHistory, ours: FileConnection) -> list[tuple[int, ...]]:
    """Import a history; check that each row was imported or left out, and return what became of the
    parts."""
    found: list[tuple[int, ...]] = []
    for parts in (history.chargers(), history.transactions(), history.readings(), history.errors()):
        for part in parts:
            (result,) = commit(
                ours,
                [lambda db, part=part: imports.take(db, part.kind, part.rows, AT)],  # type: ignore[misc]
            )
            imported: Any = result.unwrap()
            if part.kind == "transactions":
                history.told(part.rows, imported.ids)
            left_out = {
                one.id for one in part.odd if one.is_left_out and one.table == TABLES[part.kind]
            }
            assert part.read in (0, len(part.rows) + len(left_out))
            found.append((imported.added, imported.changed, imported.known))
    return found


@settings(max_examples=size(150, 30), deadline=None)
@given(ROWS)
def test_each_row_is_imported_or_told(rows: list[tuple[str, dict[str, Any]]]) -> None:
    with closing(sqlite3.connect(":memory:")) as old, closing(in_memory()) as ours:
        old.executescript(SCHEMA)
        old.text_factory = lambda raw: raw.decode(errors="replace").replace("\0", "�")
        for table, values in rows:
            marks = ", ".join("?" * len(values))
            statement = f"INSERT OR IGNORE INTO {table} ({', '.join(values)}) VALUES ({marks})"
            old.execute(statement, tuple(values.values()))
        import_all(LevityHistory(old), ours)
        again = import_all(LevityHistory(old), ours)
        assert all((added, changed) == (0, 0) for added, changed, _ in again)
