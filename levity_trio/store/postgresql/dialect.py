"""Statements of this program as PostgreSQL reads them.

All statements and migrations are written once, for SQLite. What PostgreSQL spells otherwise is translated here, word by
word; functions that it lacks are in functions.sql.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

STATEMENTS: Final = 4096
"""Translations that are kept. The program has about half as many statements."""
RESERVED: Final = frozenset({"user"})
"""Names of ours that are words of PostgreSQL's grammar."""
_FUNCTIONS: Final = {"CHAR": "chars", "TRIM": "btrim", "LOWER": "levity.lowered"}
"""Functions of SQLite whose names PostgreSQL has for something else, and what stands for them."""
TYPES: Final = {"INTEGER": "bigint", "REAL": "double precision", "BLOB": "bytea"}
_LONE_SIGN: Final = frozenset({"", "(", ",", "WHERE", "AND", "OR", "ON", "BY", "SELECT", "THEN", "ELSE", "WHEN"})
"""What stands before a + that only keeps SQLite from using an index."""
_NEXT_JOIN: Final = frozenset(
    {"WHERE", "ORDER", "GROUP", "LIMIT", "JOIN", "LEFT", "INNER", "CROSS", "UNION", "EXCEPT", "HAVING", "RETURNING"}
)
_NO_ALIAS: Final = _NEXT_JOIN | {"", "ON", "USING", "WINDOW", "SET"}
_TOKEN: Final = re.compile(
    r"(?P<space>(?:\s|--[^\n]*)+)|(?P<text>'(?:[^']|'')*')|(?P<name>\"[^\"]*\")|(?P<mark>\?\d*|:[a-z_]\w*)"
    r"|(?P<word>[A-Za-z_]\w*)|(?P<number>\d+(?:\.\d+)?)|(?P<sign>\|\||<=|>=|<>|!=|==|.)",
    re.DOTALL,
)
_BLOB: Final = re.compile(r"CAST\((.+?) AS BLOB\)")


class Statement(NamedTuple):
    """A statement for PostgreSQL, and the names of its parameters, if they have names."""

    sql: str
    names: Sequence[str]


@lru_cache(maxsize=STATEMENTS)
def translated(sql: str) -> Statement:
    """Return a statement as PostgreSQL reads it."""
    translation = _Translation(_BLOB.sub(r"convert_to(\1, 'UTF8')", sql))
    return Statement(translation.text(), translation.names)


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
        """For each open parenthesis, whether it encloses a subquery in FROM."""
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
        return next((token for number, token in enumerate(rest) if number == skipped), _Token("", ""))

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
        """Translate CROSS before JOIN: with a condition, it only keeps SQLite's order of the two tables."""
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
