"""Values in parts, as statements and documents take them."""

import sqlite3

import pytest

from levity_trio.store.engine.database import AT_ONCE, marks, parts


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (3, [3]), (4, [3, 1]), (6, [3, 3])]
)
def test_parts_hold_all_values_in_their_order(count: int, sizes: list[int]) -> None:
    values = list(range(count, 0, -1))
    found = list(parts(values, 3))
    assert [len(part) for part in found] == sizes
    assert [value for part in found for value in part] == values


def test_more_ids_than_one_statement_takes() -> None:
    connection = sqlite3.connect(":memory:")
    connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, AT_ONCE)
    ids = range(2 * AT_ONCE + 1)
    connection.execute("CREATE TABLE tx (id INTEGER PRIMARY KEY)")
    connection.executemany("INSERT INTO tx VALUES (?)", ((number,) for number in ids))
    found = [
        number
        for part in parts(ids)
        for (number,) in connection.execute(
            f"SELECT id FROM tx WHERE id IN ({marks(part)}) ORDER BY id", part
        )
    ]
    connection.close()
    assert found == list(ids)
