"""What the API refuses, in words for people. What is wrong with a value comes in the words of the types of the API.

Those name types and numbers in the units of the API; here they become what to give, in the unit in which it is typed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

NEEDED: Final = "this is needed"
MOST_CHOICES: Final = 12
"""Of more, a list is no help."""
_NUMBER: Final = r"(?P<n>-?[0-9.e+]+)"
_LENGTHS: Final[Mapping[str, str]] = {"str": " characters", "array": "", "object": ""}
_TYPES: Final[Mapping[str, str]] = {
    "int": "give a whole number",
    "float": "give a number",
    "bool": "say yes or no",
    "str": "give a text",
    "array": "give a list",
    "object": "give an object",
}
_LIMIT: Final = re.compile(rf"expected (?:int|float)(?: \| null)? (?P<sign>>=|<=|>|<) {_NUMBER}")
_LENGTH: Final = re.compile(rf"expected (?P<kind>str|array|object)(?: \| null)? of length (?P<sign>>=|<=) {_NUMBER}")
_MULTIPLE: Final = re.compile(rf"expected (?:int|float)(?: \| null)? that's a multiple of {_NUMBER}")
_PATTERN: Final = re.compile(r"expected str(?: \| null)? matching regex (?P<pattern>.*)", re.DOTALL)
_CHOICE: Final = re.compile(r"invalid enum value .*", re.DOTALL)
_TYPE: Final = re.compile(r"expected (?P<kind>int|float|bool|str|array|object)\b.*, got .*")
_MISSING: Final = re.compile(r"object missing required field .*")
_UNKNOWN: Final = re.compile(r"object contains unknown field .*")
_LIMITS: Final[Mapping[str, str]] = {
    ">=": "give {} or more",
    "<=": "give {} at most",
    ">": "give more than {}",
    "<": "give less than {}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """How a value is typed: the unit of a whole number, and what may be chosen or serves as example."""

    unit: Callable[[int], str] = str
    choices: Sequence[str] = ()
    example: str = ""


ANYHOW: Final = Typed()


def plain_words(words: str, typed: Typed = ANYHOW) -> str:
    """Return what is wrong with a value in plain words; what is in plain words already stays."""
    if found := _LIMIT.fullmatch(words):
        return _LIMITS[found["sign"]].format(typed.unit(int(found["n"])) if _is_whole(found["n"]) else found["n"])
    if found := _LENGTH.fullmatch(words):
        return _length(found["sign"], int(found["n"]), _LENGTHS[found["kind"]])
    if found := _TYPE.fullmatch(words):
        return _TYPES[found["kind"]]
    if found := _MULTIPLE.fullmatch(words):
        return f"give a multiple of {found['n']}"
    return _otherwise(words, typed)


def _is_whole(number: str) -> bool:
    return number.removeprefix("-").isdecimal()


def _otherwise(words: str, typed: Typed) -> str:
    if _CHOICE.fullmatch(words):
        is_short = 0 < len(typed.choices) <= MOST_CHOICES
        return f"choose one of {', '.join(typed.choices)}" if is_short else "choose one of the list"
    if _PATTERN.fullmatch(words):
        return f"write it as in {typed.example}" if typed.example else "it is empty, or not written as it must be"
    if _MISSING.fullmatch(words):
        return NEEDED
    return "this is not asked for here" if _UNKNOWN.fullmatch(words) else words


def _length(sign: str, count: int, of_what: str) -> str:
    if sign == "<=":
        return f"give {count}{of_what} at most"
    return NEEDED if count == 1 else f"give {count}{of_what} or more"
