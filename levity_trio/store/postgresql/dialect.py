"""Statements of this program as PostgreSQL reads them.

All statements and migrations are written once, for SQLite. What PostgreSQL spells otherwise is
translated here, word by word; functions that it lacks are in functions.sql.

Migrations too: the tables, columns and triggers of schema/ as PostgreSQL spells them. Foreign keys
are added at the end of a migration, because a table may refer to a later one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

STATEMENTS: Final = 4096
"""Translations that are kept. The program has about half as many statements."""
RESERVED: Final = frozenset({"user"})
"""Names of ours that are words of PostgreSQL's grammar."""
_FUNCTIONS: Final = {"CHAR": "chars", "TRIM": "btrim", "LOWER": "levity.lowered"}
"""Functions of SQLite whose names PostgreSQL has for something else, and what stands for them."""
TYPES: Final = {"INTEGER": "bigint", "REAL": "double precision", "BLOB": "bytea"}
_LONE_SIGN: Final = frozenset(
    {"", "(", ",", "WHERE", "AND", "OR", "ON", "BY", "SELECT", "THEN", "ELSE", "WHEN"}
)
"""What stands before a + that only keeps SQLite from using an index."""
_NEXT_JOIN: Final = frozenset(
    {
        "WHERE",
        "ORDER",
        "GROUP",
        "LIMIT",
        "JOIN",
        "LEFT",
        "INNER",
        "CROSS",
        "UNION",
        "EXCEPT",
        "HAVING",
        "RETURNING",
    }
)
_NO_ALIAS: Final = _NEXT_JOIN | {"", "ON", "USING", "WINDOW", "SET"}
_TOKEN: Final = re.compile(
    r"(?P<space>(?:\s|--[^\n]*)+)|(?P<text>'(?:[^']|'')*')|(?P<name>\"[^\"]*\")|(?P<mark>\?\d*|:[a-z_]\w*)"
    r"|(?P<word>[A-Za-z_]\w*)|(?P<number>\d+(?:\.\d+)?)|(?P<sign>\|\||<=|>=|<>|!=|==|.)",
    re.DOTALL,
)
_BLOB: Final = re.compile(r"CAST\((.+?) AS BLOB\)")


class TranslatedStatement(NamedTuple):
    """A statement for PostgreSQL, and the names of its parameters, if they have names."""

    sql: str
    names: Sequence[str]


@lru_cache(maxsize=STATEMENTS)
def translated(sql: str) -> TranslatedStatement:
    """Return a statement as PostgreSQL reads it."""
    translation = _Translation(_BLOB.sub(r"convert_to(\1, 'UTF8')", sql))
    return TranslatedStatement(translation.text(), translation.names)


class _Token(NamedTuple):
    kind: str
    text: str

    @property
    def word(self) -> str:
        """The word in capitals; empty if it is no word."""
        return self.text.upper() if self.kind == "word" else ""


class _Translation:
    """The tokens of a statement, and how far its translation is."""

    def __init__(self, sql: str) -> None:
        found = (_Token(match.lastgroup or "", match.group()) for match in _TOKEN.finditer(sql))
        self._tokens = [_Token("space", " ") if token.kind == "space" else token for token in found]
        self._next = self._marks = 0
        self._last = ""
        """The last word or sign."""
        self._subqueries: list[bool] = []
        """A flag for each open parenthesis: whether it encloses a subquery in FROM."""
        self.names: list[str] = []

    def text(self) -> str:
        parts = []
        while self._next < len(self._tokens):
            token = self._tokens[self._next]
            self._next += 1
            parts.append(self._translated(token))
            if token.kind != "space":
                self._last = token.word or token.text
        return "".join(parts)

    def _translated(self, token: _Token) -> str:
        if token.kind == "mark":
            return self._mark(token.text)
        if token.kind == "sign":
            return _SIGNS[token.text](self) if token.text in _SIGNS else token.text
        if token.word in _FUNCTIONS and self._following().text == "(":
            return _FUNCTIONS[token.word]
        if token.word in _WORDS:
            return _WORDS[token.word](self)
        return f'"{token.text}"' if token.text in RESERVED else token.text

    def _mark(self, text: str) -> str:
        self._marks += 1
        if not text.startswith(":"):
            return f"${text[1:] or self._marks}"
        if text[1:] not in self.names:
            self.names.append(text[1:])
        return f"${self.names.index(text[1:]) + 1}"

    def _following(self, skipped: int = 0) -> _Token:
        """Return the next token, or the one after so many more."""
        rest = (token for token in self._tokens[self._next :] if token.kind != "space")
        return next(
            (token for number, token in enumerate(rest) if number == skipped), _Token("", "")
        )

    def _skip(self, count: int) -> None:
        while count:
            count -= self._tokens[self._next].kind != "space"
            self._next += 1

    def opened(self) -> str:
        is_in_from, word = self._last in ("FROM", "JOIN"), self._following().word
        self._subqueries.append(is_in_from and word in ("SELECT", "WITH", "VALUES"))
        return "("

    def closed(self) -> str:
        """Name a subquery in FROM: PostgreSQL 15 requires that."""
        is_nameless = self._subqueries.pop() and self._following().word in _NO_ALIAS
        return f") AS subquery_{self._next}" if is_nameless else ")"

    def plus(self) -> str:
        return "" if self._last in _LONE_SIGN else "+"

    def indexed(self) -> str:
        """Leave out INDEXED BY: PostgreSQL chooses by its statistics."""
        self._skip(2)
        return ""

    def negated(self) -> str:
        word = self._following().word
        if word not in ("INDEXED", "GLOB"):
            return "NOT"
        self._skip(1)
        return "" if word == "INDEXED" else "OPERATOR(levity.!*~)"

    def limited(self) -> str:
        """Leave out LIMIT -1, which SQLite needs before OFFSET."""
        if self._following().text != "-":
            return "LIMIT"
        self._skip(2)
        return ""

    def same(self) -> str:
        """Translate IS: in SQLite, it compares any two values, of which NULL is one."""
        is_not = self._following().word == "NOT"
        if self._following(is_not).word in ("NULL", "DISTINCT"):
            return "IS"
        self._skip(is_not)
        return "IS DISTINCT FROM" if is_not else "IS NOT DISTINCT FROM"

    def joined(self) -> str:
        """Translate CROSS before JOIN: with a condition, it only keeps SQLite's order of the two
        tables."""
        depth = 0
        for token in self._tokens[self._next + 2 :]:  # after JOIN
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if depth < 0 or (depth == 0 and (token.word in _NEXT_JOIN or token.text == ",")):
                return "CROSS"
            if depth == 0 and token.word in ("ON", "USING"):
                return ""
        return "CROSS"


_Rule = Callable[[_Translation], str]
_SIGNS: Final[Mapping[str, _Rule]] = {
    "(": _Translation.opened,
    ")": _Translation.closed,
    "+": _Translation.plus,
    "==": lambda _: "=",
}
_WORDS: Final[Mapping[str, _Rule]] = {
    "INDEXED": _Translation.indexed,
    "NOT": _Translation.negated,
    "IS": _Translation.same,
    "CROSS": _Translation.joined,
    "LIMIT": _Translation.limited,
    "GLOB": lambda _: "OPERATOR(levity.*~)",
    "LIKE": lambda _: "ILIKE",
    "NOCASE": lambda _: "levity.nocase",
    "IMMEDIATE": lambda _: "",
    "PRAGMA": lambda _: "TABLE",  # functions.sql has views of these names
    "REINDEX": lambda _: "REINDEX TABLE",
    **{word: lambda _, name=name: name for word, name in TYPES.items()},  # type: ignore[misc]
}


COUNTED: Final = frozenset({"log", "event"})
"""The tables whose ids have no gaps, and the order of the commits."""
_TABLE: Final = re.compile(
    r"CREATE TABLE (\w+|\"\w+\") \((.+)\)\s*(?:STRICT|WITHOUT ROWID|,|\s)*;?\s*$", re.DOTALL
)
_COLUMN: Final = re.compile(r"ALTER TABLE (\w+|\"\w+\") ADD COLUMN (.+?);?\s*$", re.DOTALL)
_REFERENCE: Final = re.compile(
    r"(?:^|\s+)REFERENCES\s+(\w+|\"\w+\")\s*\((\w+)\)((?:\s+ON DELETE (?:CASCADE|SET NULL))*)"
)
_TRIGGER: Final = re.compile(
    r"CREATE TRIGGER (?P<name>\w+)\s+(?P<moment>BEFORE|AFTER) "
    r"(?P<event>INSERT|DELETE|UPDATE(?: OF [\w,\s]+?)?)\s+ON "
    r"(?P<table>\"?\w+\"?)(?:\s+WHEN\s+(?P<when>.+?))?\s+BEGIN(?P<body>.+)END\s*;?\s*$",
    re.DOTALL,
)
_DROPPED: Final = re.compile(r"DROP TRIGGER (\w+)")
_RAISE: Final = re.compile(
    r"SELECT\s+RAISE\s*\(ABORT,\s*('(?:[^']|'')*')\)(?:\s+WHERE\s+(.+))?$", re.DOTALL
)


def migration(statements: Iterable[str]) -> Iterator[str]:
    """Yield the statements of the pages of schema/, or of a migration, for PostgreSQL."""
    later: list[str] = []
    for statement in statements:
        plain = re.sub(r"--[^\n]*", "", statement).strip()
        if match := _TRIGGER.match(plain):
            yield from _trigger(match)
        elif match := _DROPPED.match(plain):
            yield f"CALL levity.drop_trigger('{match[1]}')"
        elif match := _TABLE.match(plain):
            columns = ", ".join(_column(match[1], part.strip(), later) for part in _parts(match[2]))
            yield f"CREATE TABLE {_name(match[1])} ({columns})"
        elif match := _COLUMN.match(plain):
            yield f"ALTER TABLE {_name(match[1])} ADD COLUMN {_column(match[1], match[2], later)}"
        elif plain:
            yield translated(plain).sql
    yield from later


def _name(name: str) -> str:
    return translated(name).sql


def _parts(body: str) -> Iterator[str]:
    """Yield the columns and constraints of a table."""
    depth, part = 0, ""
    for sign in re.findall(r"'(?:[^']|'')*'|.", body, re.DOTALL):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "," and depth == 0:
            yield part
            part = ""
        else:
            part += sign
    yield part


def _column(table: str, text: str, later: list[str]) -> str:
    """Return a column or a constraint; a foreign key is added to `later`."""
    name, kind, rest = (*text.split(maxsplit=2), "")[:3]
    if kind not in ("TEXT", *TYPES):
        return translated(text).sql
    if match := _REFERENCE.search(rest):
        key = f"FOREIGN KEY ({_name(name)}) REFERENCES {_name(match[1])} ({match[2]}){match[3]}"
        later.append(f"ALTER TABLE {_name(table)} ADD {key}")
        rest = rest[: match.start()] + rest[match.end() :]
    if rest.startswith("PRIMARY KEY") and kind == "INTEGER" and "CHECK" not in rest:
        return f"{_name(name)} bigint {_identity(table, later)} PRIMARY KEY"
    collated = "" if kind != "TEXT" or "COLLATE" in rest else ' COLLATE "C"'
    rest = translated(rest.replace(" VIRTUAL", " STORED")).sql
    return f"{_name(name)} {TYPES.get(kind, 'text')}{collated} {rest}"


def _identity(table: str, later: list[str]) -> str:
    if table not in COUNTED:
        return "GENERATED BY DEFAULT AS IDENTITY"
    later.append(f"INSERT INTO levity.counted (name, seq) VALUES ('{table}', 0)")  # noqa: S608 - our own names
    return f"DEFAULT levity.next_id('{table}')"


def _trigger(match: re.Match[str]) -> Iterator[str]:
    """Yield a trigger and its function. The condition of a trigger cannot have a subquery, but the
    function can."""
    name, when = match["name"], translated(match["when"] or "").sql
    statements = re.findall(r"(?:'(?:[^']|'')*'|[^;'])+", match["body"])
    body = "\n".join(_statement(one.strip()) for one in statements if one.strip())
    condition = f" WHEN ({when})" if when and "SELECT" not in when else ""
    if when and not condition:
        body = f"IF {when} THEN\n{body}\nEND IF;"
    result = "OLD" if match["event"] == "DELETE" else "NEW"
    block = f"BEGIN\n{body}\nRETURN {result};\nEND"
    yield (
        f"CREATE FUNCTION levity.{name}() RETURNS trigger LANGUAGE plpgsql AS $trigger$\n{block} "
        "$trigger$"
    )
    yield (
        f"CREATE TRIGGER {name} {match['moment']} {translated(match['event']).sql} "
        f"ON {_name(match['table'])} FOR EACH ROW{condition} EXECUTE FUNCTION levity.{name}()"
    )


def _statement(text: str) -> str:
    match = _RAISE.match(text)
    if match is None:
        return f"{translated(text).sql};"
    refuse = (
        f"RAISE EXCEPTION USING MESSAGE = {match[1]}, ERRCODE = 'integrity_constraint_violation';"
    )
    return f"IF {translated(match[2]).sql} THEN {refuse} END IF;" if match[2] else refuse
