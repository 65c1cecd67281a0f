"""Statements for SQLite as PostgreSQL reads them: their text, and where that matters, what they
mean there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from levity_trio.store.postgresql.dialect import translated
from tests.postgresql import Pooled, new_database

TRANSLATIONS = {
    "marks": ("SELECT ?, ? FROM tx", "SELECT $1, $2 FROM tx"),
    "numbered marks": ("SELECT ?2, ?1, ?2", "SELECT $2, $1, $2"),
    "marks in a list": ("WHERE id IN (?,?,?)", "WHERE id IN ($1,$2,$3)"),
    "INDEXED BY": ("FROM tx INDEXED BY tx_open WHERE 1", "FROM tx  WHERE 1"),
    "NOT INDEXED": ("FROM tx NOT INDEXED WHERE 1", "FROM tx  WHERE 1"),
    "IS NULL": ("a IS NULL AND b IS NOT NULL", "a IS NULL AND b IS NOT NULL"),
    "IS with a mark": ("a IS ?", "a IS NOT DISTINCT FROM $1"),
    "IS with a column": ("a IS b.c", "a IS NOT DISTINCT FROM b.c"),
    "IS NOT with a mark": ("a IS NOT ?", "a IS DISTINCT FROM $1"),
    "IS NOT DISTINCT FROM": ("a IS NOT DISTINCT FROM ?", "a IS NOT DISTINCT FROM $1"),
    "IS DISTINCT FROM": ("a IS DISTINCT FROM ?", "a IS DISTINCT FROM $1"),
    "GLOB": ("a GLOB '2*'", "a OPERATOR(levity.*~) '2*'"),
    "NOT GLOB": ("a NOT GLOB ?", "a OPERATOR(levity.!*~) $1"),
    "LIKE": ("a LIKE ? ESCAPE '\\'", "a ILIKE $1 ESCAPE '\\'"),
    "NOT LIKE": ("a NOT LIKE 'x%'", "a NOT ILIKE 'x%'"),
    "NOCASE": ("ORDER BY a COLLATE NOCASE", "ORDER BY a COLLATE levity.nocase"),
    "NOT": ("WHERE NOT a AND NOT EXISTS (SELECT 1)", "WHERE NOT a AND NOT EXISTS (SELECT 1)"),
    "CROSS JOIN ON": (
        "FROM a CROSS JOIN b ON a.x = b.x WHERE 1",
        "FROM a  JOIN b ON a.x = b.x WHERE 1",
    ),
    "CROSS JOIN USING": ("FROM a CROSS JOIN b USING (x)", "FROM a  JOIN b USING (x)"),
    "CROSS JOIN": ("FROM a CROSS JOIN b WHERE a.x = b.x", "FROM a CROSS JOIN b WHERE a.x = b.x"),
    "CROSS JOIN at the end": ("FROM a CROSS JOIN b", "FROM a CROSS JOIN b"),
    "CROSS JOIN in parentheses": (
        "(SELECT 1 FROM a CROSS JOIN b) ON",
        "(SELECT 1 FROM a CROSS JOIN b) ON",
    ),
    "CROSS JOIN before a JOIN": ("a CROSS JOIN b JOIN c ON 1", "a CROSS JOIN b JOIN c ON 1"),
    "CROSS JOIN before a comma": ("a CROSS JOIN b, c JOIN d ON 1", "a CROSS JOIN b, c JOIN d ON 1"),
    "a subquery with ON inside": (
        "a CROSS JOIN (SELECT 1 FROM b JOIN c ON 1) AS d WHERE 1",
        "a CROSS JOIN (SELECT 1 FROM b JOIN c ON 1) AS d WHERE 1",
    ),
    "a subquery with a name": ("FROM (SELECT 1) AS x", "FROM (SELECT 1) AS x"),
    "a subquery with a bare name": ("FROM (SELECT 1) x", "FROM (SELECT 1) x"),
    "a subquery as a condition": (
        "WHERE a IN (SELECT 1) ORDER BY 1",
        "WHERE a IN (SELECT 1) ORDER BY 1",
    ),
    "a function": ("FROM json_each(?) WHERE 1", "FROM json_each($1) WHERE 1"),
    "unary plus": (
        "WHERE +a = ? AND +b = 1 ORDER BY +c, +d",
        "WHERE a = $1 AND b = 1 ORDER BY c, d",
    ),
    "a sum": ("SELECT a + b, (a) + 1", "SELECT a + b, (a) + 1"),
    "==": ("a == b", "a = b"),
    "a text": ("'a ? IS x :b GLOB ''LIKE'' -- no'", "'a ? IS x :b GLOB ''LIKE'' -- no'"),
    "a quoted name": ('"user ? IS"', '"user ? IS"'),
    "a comment": ("a -- IS ? NOT INDEXED\n= ?", "a = $1"),
    "a reserved name": ("FROM user WHERE user.id = ?", 'FROM "user" WHERE "user".id = $1'),
    "a name with a reserved one in it": ("user_id, users", "user_id, users"),
    "a BLOB": ("CAST(data AS BLOB)", "convert_to(data, 'UTF8')"),
    "types": (
        "CAST(a AS INTEGER), CAST(b AS REAL)",
        "CAST(a AS bigint), CAST(b AS double precision)",
    ),
    "CHAR": ("char(10), CHAR(13)", "chars(10), chars(13)"),
    "TRIM": ("trim(a, ' ')", "btrim(a, ' ')"),
    "LOWER": ("lower(a) = lower(?)", "levity.lowered(a) = levity.lowered($1)"),
    "REINDEX": ('REINDEX "user"', 'REINDEX TABLE "user"'),
    "concatenation and comparison": ("a || b <> c AND d != e", "a || b <> c AND d != e"),
    "BEGIN IMMEDIATE": ("BEGIN IMMEDIATE", "BEGIN "),
}


@pytest.mark.parametrize("rule", TRANSLATIONS)
def test_each_rule(rule: str) -> None:
    sql, expected = TRANSLATIONS[rule]
    assert translated(sql) == (expected, [])


def test_named_marks() -> None:
    statement = translated("SELECT :at, :name WHERE a = :at AND b = ':no'")
    assert statement == ("SELECT $1, $2 WHERE a = $1 AND b = ':no'", ["at", "name"])


@pytest.mark.parametrize(
    "after", ["", " WHERE 1", " ORDER BY 1", " JOIN a ON 1", " LIMIT 1", " UNION SELECT 1"]
)
def test_a_nameless_subquery_gets_a_name(after: str) -> None:
    sql = translated(f"SELECT * FROM (SELECT (1) AS one){after}").sql
    assert sql.startswith("SELECT * FROM (SELECT (1) AS one) AS subquery_")
    assert sql.endswith(after)


def test_two_nameless_subqueries_have_two_names() -> None:
    sql = translated("SELECT * FROM (SELECT 1 FROM (SELECT 2)) CROSS JOIN (VALUES (1))").sql
    names = [word.strip("()") for word in sql.split() if word.startswith("subquery_")]
    assert len(set(names)) == 3


@pytest.fixture(scope="module")
def database() -> Iterator[Pooled]:
    with closing(new_database()) as database:
        yield database


@pytest.fixture(scope="module")
def file() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as file:
        yield file


TIMES = (
    "(VALUES ('2026-03-01T12:00:00.250Z'), ('2026-03-01T12:00:00Z'), ('x2026'), ('2026.03'), "
    "(NULL))"
)
SAME: dict[str, tuple[str, tuple[object, ...]]] = {
    "max of two": ("SELECT max(1, 2), max(2, 1), max(1, NULL), max(NULL, 1)", ()),
    "min of two": ("SELECT min(1, 2), min(2, 1), min(1, NULL), min(NULL, 1)", ()),
    "of marks": ("SELECT max(CAST(? AS INTEGER), 5), min(CAST(? AS INTEGER), 5)", (7, 7)),
    "of texts": (
        "SELECT max('a', 'B'), min('a', 'B'), max('2026-1', '2026-02'), min('a', NULL)",
        (),
    ),
    "of three": (
        "SELECT max('a', 'c', 'b'), min('b', 'a', 'c'), max(1, 3, 2), max(1, NULL, 2)",
        (),
    ),
    "most of a column": (f"SELECT max(column1), min(column1) FROM {TIMES} AS t", ()),
    "sum of a condition": (f"SELECT sum(column1 < '2026-04') FROM {TIMES} AS t", ()),
    "sum of no condition": (
        f"SELECT sum(column1 < 'x') FROM {TIMES} AS t WHERE column1 = 'none'",
        (),
    ),
    "total": ("SELECT total(column1) FROM (VALUES (1), (NULL), (2)) AS t", ()),
    "total of nothing": ("SELECT total(column1) FROM (VALUES (1)) AS t WHERE column1 > 1", ()),
    "GLOB of a time": (f"SELECT column1 FROM {TIMES} AS t WHERE column1 GLOB '*:[0-9][0-9]Z'", ()),
    "GLOB with a dot": (f"SELECT column1 FROM {TIMES} AS t WHERE column1 GLOB '2026.*'", ()),
    "GLOB with a mark of one": (f"SELECT column1 FROM {TIMES} AS t WHERE column1 GLOB '?2026'", ()),
    "GLOB is whole": (f"SELECT column1 FROM {TIMES} AS t WHERE column1 GLOB '2026'", ()),
    "NOT GLOB": (f"SELECT column1 FROM {TIMES} AS t WHERE column1 NOT GLOB '2026-*'", ()),
    "LIKE": ("SELECT 1 WHERE 'Visitor_1' LIKE 'visitor\\_%' ESCAPE '\\'", ()),
    "NOCASE": ("SELECT 1 WHERE 'Card' COLLATE NOCASE = 'cARD' AND NOT 'Card' = 'card'", ()),
    "NOCASE is no accent": ("SELECT 1 WHERE 'e' COLLATE NOCASE = 'é'", ()),
    "IS": (
        "SELECT 1 WHERE CAST(? AS TEXT) IS NULL AND 'a' IS ? AND NOT 'a' IS ?",
        (None, "a", None),
    ),
    "IS NOT": ("SELECT 1 WHERE 'a' IS NOT ? AND 'a' IS NOT ?", (None, "b")),
    "order of bytes": (
        "SELECT column1 FROM (VALUES ('a'), ('B'), ('_'), ('é')) AS t ORDER BY column1",
        (),
    ),
    "json_extract": ("""SELECT json_extract('{"a": {"b": "c"}, "n": null}', '$.a.b')""", ()),
    "json_extract of nothing": (
        """SELECT json_extract('{"n": null}', '$.n'), json_extract('{}', '$.a')""",
        (),
    ),
    "json_each of an array": ("SELECT value FROM json_each(?)", ('["b", "a", "b"]',)),
    "json_each of an object": ("SELECT key, value FROM json_each(?)", ('{"a": "1", "b": "x"}',)),
    "json_each of nothing": ("SELECT value FROM json_each(?)", ("[]",)),
    "json_valid": (
        "SELECT 1 WHERE json_valid(?) AND NOT json_valid(?) AND NOT json_valid('')",
        ("{}", "{"),
    ),
    "json_type": ("SELECT json_type('[]'), json_type('{}')", ()),
    "json_group_array": ("SELECT json_group_array(column1) FROM (VALUES ('a'), ('\"')) AS t", ()),
    "json_group_array of nothing": (
        "SELECT json_group_array(column1) FROM (VALUES ('a')) AS t WHERE column1 > 'a'",
        (),
    ),
    "group_concat": (
        "SELECT group_concat(column1, ', ') FROM (VALUES ('a'), (NULL), ('b')) AS t",
        (),
    ),
    "instr": ("SELECT instr('abc', 'c'), instr('abc', 'd'), instr('äc', 'c')", ()),
    "lower": ("SELECT lower('AÖß'), instr(lower('AÖ'), lower('Ö'))", ()),
    "free pages": ("PRAGMA freelist_count", ()),
    "char and trim": ("SELECT char(9, 228), trim(' a '), trim('xax', 'x')", ()),
    "a BLOB": ("SELECT CAST('ä' AS BLOB)", ()),
    "division and remainder": ("SELECT 7 / 2, -7 / 2, -7 % 3", ()),
    "a later date": ("SELECT date('2026-01-01', '+1 month', '+' || 10 || ' years')", ()),
    "a date that a month lacks": (
        "SELECT date('2024-02-29', '+1 years'), date('2026-01-31T23:00:00Z', '+1 month')",
        (),
    ),
    "length and substr": ("SELECT length('äb'), substr('abcd', 2, 2), substr('abcd', 3)", ()),
    "a nameless subquery": ("SELECT count(*) FROM (SELECT 1 UNION ALL SELECT 2)", ()),
    "coalesce and nullif": ("SELECT coalesce(NULL, ?), nullif(1, 1)", ("a",)),
}


@pytest.mark.parametrize("what", SAME)
def test_the_meaning_is_the_same(database: Pooled, file: sqlite3.Connection, what: str) -> None:
    """The rows are those of SQLite."""
    sql, parameters = SAME[what]
    expected = file.execute(sql, parameters).fetchall()
    assert normal(database.execute(sql, parameters).fetchall()) == normal(expected)


def normal(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """JSON is written with other spaces."""
    return [
        tuple(value.replace('", "', '","') if isinstance(value, str) else value for value in row)
        for row in rows
    ]


def test_conditions_are_truth_values(database: Pooled) -> None:
    """1 and 0 of SQLite: they are equal in Python."""
    assert database.execute(
        "SELECT max(a = 1), 1 = 2 FROM (VALUES (1), (2)) AS t (a)"
    ).fetchall() == [(1, 0)]
