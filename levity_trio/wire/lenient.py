"""Reads what is almost JSON: the payload of a frame whose text the strict parser refuses.

One wrong token (NaN, 1e999, a lone surrogate, a trailing comma, a leading zero, a raw control
character) or a buffer of the firmware that was too short must not cost a whole StopTransaction. Two
kinds of faults are told apart:

- A wrong token costs at most its own value. Numbers that are not finite are null. A bare word is
  kept as text, not as null: a sample without its unreadable unit would mean Wh.
- After a fault of the structure (a missing quote, comma or bracket, or the end of the text) the
  place of what follows is uncertain. What was complete before it is kept, a bare value next to it
  is not: it may have lost digits. An object inside of the payload that contains the fault is kept
  only if its timestamp was read, because a reading without its time would get another one. The
  members of the payload after the fault are found by brackets, from the end of the text.

The work is bounded by MAX_TOKENS and TAIL, whatever the text is.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

MAX_TOKENS: Final = 10_000
"""Tokens read in one payload, each 2 to 3 µs; the text ends there. Five hundred samples fit."""
TAIL: Final = 16_384
"""Characters at the end of a text in which members after a fault are looked for."""
ATTEMPTS: Final = 3
"""Faults of the structure in one payload after which reading goes on."""
LONGEST_NUMBER: Final = 64
LONGEST_MENDED: Final = 10_000
"""Characters of a text whose wrong escapes are mended."""
MENDING_TOKENS: Final = 4
"""To mend the escapes of a text takes as long as to read so many tokens, and counts as these."""
MENDED_AT_ONCE: Final = 10
"""Characters whose mending counts as one token more."""

# A string, a mark, or anything else up to the next of these. All quantifiers are possessive, so
# that no text makes matching slow.
_TOKEN = re.compile(
    r'\s*+(?:("(?:[^"\\]++|\\.)*+")|([\[\]{},:])|([^\s",:\[\]{}][^",:\[\]{}]*+))', re.DOTALL
)
# Group 1 is the closing quotation mark of a string, missing if the text ends first; group 2 is the
# colon after it.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+(?:(")(\s*+:)?+)?+|[\[\]{}]', re.DOTALL)
_COLON = re.compile(r"\s*+:")
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_MORE_MEMBERS = re.compile(rf"\s*+,?+\s*+{_STRING.pattern}\s*+:", re.DOTALL)
_WRONG_ESCAPE = re.compile(r'(\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))|\\')
_NUMBER = re.compile(r"[+-]?+[0-9]++(?:\.[0-9]*+)?+(?:[eE][+-]?+[0-9]++)?+")
_NOT_FINITE = re.compile(r"[+-]?+(?:nan|inf(?:inity)?)", re.IGNORECASE)
_WORDS: Final = {"true": True, "false": False, "null": None}
_CLOSES: Final = {"[": "]", "{": "}"}
_INTEGERS: Final = range(-(2**63), 2**64)
"""The range of integers; one beyond it becomes a float, as in orjson."""


class Element(NamedTuple):
    """One element of a frame. `end` is the position after it, None if a part of it is missing."""

    value: Any
    end: int | None


class _Broken(Exception):
    """A fault of the structure. Its argument is the position from which the place of what follows
    is uncertain."""


def element_at(text: str, start: int, max_depth: int) -> Element:
    """Read an element of a frame. If it is an object, its members before and after a fault are
    kept.

    Containers nested deeper than `max_depth`, which counts the frame, are such a fault.
    """
    read: list[Any] = [None]
    reader = _Reader(text, start, max_depth, MAX_TOKENS)
    try:
        reader.read_into(read, 0, 1)
    except _Broken as fault:
        at = int(fault.args[0])
    else:
        # An object that members follow was closed too early: they belong to it.
        if not isinstance(read[0], dict) or not _MORE_MEMBERS.match(text, reader.at):
            return Element(read[0], reader.at)
        at = reader.at
    if isinstance(read[0], dict):
        _add_rest(read[0], text, at, max_depth)
    return Element(read[0], None)


def without_surrogates(text: str) -> str:
    """Return a text with U+FFFD for each lone surrogate, which cannot be written as UTF-8."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class _Reader:
    """One pass through a text. It fills containers that others hold, so what was read remains after
    a fault.

    `depth` is the number of containers around a value.
    """

    __slots__ = ("_ahead", "_left", "_max_depth", "_text", "at")

    def __init__(self, text: str, at: int, max_depth: int, tokens: int) -> None:
        self.at = at
        self._ahead: re.Match[str] | None = None
        self._text = text
        self._max_depth = max_depth
        self._left = tokens

    def read_into(self, container: Any, place: Any, depth: int) -> None:
        """Read a value into its place in a container. Raises _Broken."""
        began = self.at
        string, mark, bare = self._next()
        if string:
            container[place] = self._text_of(string)
        elif bare:
            container[place] = _value_of(bare.strip())
        elif mark is None or mark not in _CLOSES or depth >= self._max_depth:
            raise _Broken(began)
        elif mark == "[":
            container[place] = []
            self._fill_list(container[place], depth + 1)
        else:
            container[place] = {}
            self.fill_object(container[place], depth + 1)

    def fill_object(self, members: dict[str, Any], depth: int) -> None:
        """Read members up to the end of an object that has begun. Raises _Broken."""
        last = ""
        while (mark := self._peek()) != "}":
            if mark == ",":
                self._next()
                continue
            read: dict[str, Any] = {}
            name = self._read_name(members, last)
            began = self.at
            try:
                self.read_into(read, name, depth)
                self._expect_end_of_value("}", began)
            except _Broken:
                if _is_of_use(read.get(name)):
                    members |= read
                raise
            members |= read
            last = name
        self._next()

    def _fill_list(self, elements: list[Any], depth: int) -> None:
        while (mark := self._peek()) != "]":
            if mark == ",":
                self._next()
                continue
            elements.append(None)
            began = self.at
            try:
                self.read_into(elements, -1, depth)
                self._expect_end_of_value("]", began)
            except _Broken:
                if not _is_of_use(elements[-1]):
                    del elements[-1]
                raise
        self._next()

    def _read_name(self, members: dict[str, Any], last: str) -> str:
        """Read a member's name and the colon. Raises _Broken if there is none.

        `last` is the name of the member before, which is removed from `members` where its value may
        be cut in two.
        """
        began = self.at
        string, _, bare = self._next()
        if not _COLON.match(self._text, self.at):
            # A number with a decimal comma: of 12,5, only the 12 was read as the value.
            if bare:
                members.pop(last, None)
            raise _Broken(began)
        self._next()
        return self._text_of(string) if string else (bare or "").strip()

    def _text_of(self, token: str) -> str:
        if "\\" not in token:
            return token[1:-1]
        try:
            text = json.loads(token, strict=False)
        except ValueError:
            if len(token) > LONGEST_MENDED:
                return without_surrogates(token[1:-1])
            self._left = max(0, self._left - MENDING_TOKENS - len(token) // MENDED_AT_ONCE)
            text = json.loads(_WRONG_ESCAPE.sub(r"\1", token), strict=False)
        return without_surrogates(text)

    def _expect_end_of_value(self, end: str, began: int) -> None:
        if self._peek() not in (",", end):
            raise _Broken(began)

    def _peek(self) -> str:
        """Return the next mark, empty if the next token is another."""
        self._ahead = match = self._ahead or _TOKEN.match(self._text, self.at)
        if match is None:
            raise _Broken(self.at)
        return match[2] or ""

    def _next(self) -> tuple[str | None, str | None, str | None]:
        match = self._ahead or _TOKEN.match(self._text, self.at)
        if match is None or not self._left:
            raise _Broken(self.at)
        self._ahead = None
        self._left -= 1
        self.at = match.end()
        return match[1], match[2], match[3]


def _is_of_use(value: object) -> bool:
    """Whether a value that contains a fault, or stands next to one, is kept."""
    return isinstance(value, list) or (isinstance(value, dict) and "timestamp" in value)


def _add_rest(payload: dict[str, Any], text: str, fault: int, max_depth: int) -> None:
    """Add the members after a fault to a payload. Those that were read before it keep their
    values."""
    for _ in range(ATTEMPTS):
        start = _next_member(text, fault)
        if start is None:
            return
        rest: dict[str, Any] = {}
        try:
            _Reader(text, start, max_depth, MAX_TOKENS // ATTEMPTS).fill_object(rest, 2)
        except _Broken as broken:
            fault = max(int(broken.args[0]), start + 1)
        else:
            fault = len(text)
        for name, value in rest.items():
            payload.setdefault(name, value)


def _next_member(text: str, fault: int) -> int | None:
    """Return the position of the first member of the payload after a fault."""
    # The fault may be a lost, additional or escaped quotation mark. One of these positions is
    # outside of a string, or at the beginning of one; from a wrong one, reading ends in a string.
    at = max(fault, len(text) - TAIL)
    starts = {at}
    for found in _STRING_OR_BRACKET.finditer(text, at):
        if found[0].startswith('"'):
            if found[1]:
                starts |= {found.start() + 1, found.start(1)}
            break
    for start in starts:
        marks = list(_STRING_OR_BRACKET.finditer(text, start))
        if (member := _first_member(text, marks)) is not None:
            return member
    return None


def _first_member(text: str, marks: Sequence[re.Match[str]]) -> int | None:
    """Return the position of the first member of the payload among these marks, which end with the
    frame."""
    first, closing = None, list[str]()
    for mark in reversed(marks):
        character = mark[0][0]
        if character == '"':
            if not mark[1]:
                return None
            if mark[2] and closing == ["]", "}"]:
                first = mark.start()
        elif character in "]}":
            closing.append(character)
        elif closing == ["]", "}"] and character == "{":
            # The payload itself begins before the fault. An object after a comma is the payload of
            # a second frame in this text.
            before = text[max(0, mark.start() - LONGEST_NUMBER) : mark.start()]
            return None if before.rstrip().endswith(",") else first
        elif len(closing) <= 2 or _CLOSES[character] != closing.pop():
            return first
    return first


def _value_of(bare: str) -> object:
    """Return the value of a token that is neither a string nor a mark; its text if it is
    unknown."""
    if bare in _WORDS:
        return _WORDS[bare]
    if len(bare) > LONGEST_NUMBER:
        return bare
    if _NOT_FINITE.fullmatch(bare):
        return None
    if not _NUMBER.fullmatch(bare):
        return bare
    if bare.lstrip("+-").isdigit() and int(bare) in _INTEGERS:
        return int(bare)
    number = float(bare)
    return number if math.isfinite(number) else None
