"""What the API refuses, in words for people. What is wrong with a value comes in the words of the types of the API.

Those name types and numbers in the units of the API; here they become what to give, in the unit in which it is typed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from levity_trio.records import record

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
_NO_EDGES: Final = r"^[^\s\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x20\x7f])?$"
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MAIL_ADDRESS: Final = rf"^{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)*{_LABEL}$"
_WRITTEN: Final[Mapping[str, str]] = {
    r"\S": "give a text; it is empty",
    r"^\S(.*\S)?$": "it is empty, or has a space at an end",
    _NO_EDGES: "it is empty, begins or ends with a space, or is not printable",
    r"^[^\x00-\x1f\x7f]*$": "give one line without control characters",
    r"^[^\x00-\x09\x0b-\x1f\x7f]*$": "it has a control character",
    r"^[^\W\d_](.*\S)?$": "begin with a letter, and end without a space",
    r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$": "use up to 64 of A-Z, a-z, 0-9, _ . and -, first a letter or a digit",
    r"^[A-Za-z0-9][A-Za-z0-9._-]*$": "use A-Z, a-z, 0-9, . _ and -, first a letter or a digit",
    r"^[ -.0-~]*[!-.0-~][ -.0-~]*$": "use letters, digits and signs of ASCII, but no /",
    r"^([0-9A-Fa-f]{2}){16,20}$": "give 32 to 40 hexadecimal digits, an even number",
    r"^wss?://[!-~]+$": "give an address that begins with ws:// or wss://",
    r"^2[01][0-9]{2}-(0[1-9]|1[0-2])$": "give a month such as 2026-10",
    _MAIL_ADDRESS: ("give a mail address such as anna@example.org"),
}
"""How texts must be written, by the pattern of the API."""
_QUOTED: Final = {repr(pattern).replace("`", ""): words for pattern, words in _WRITTEN.items()}
"""As they stand in a refusal, which has no backquotes."""
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


@record
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
    if found := _PATTERN.fullmatch(words):
        unknown = "it is empty, or not written as it must be"
        return f"write it as in {typed.example}" if typed.example else _QUOTED.get(found["pattern"], unknown)
    if _MISSING.fullmatch(words):
        return NEEDED
    return "this is not asked for here" if _UNKNOWN.fullmatch(words) else words


def _length(sign: str, count: int, of_what: str) -> str:
    if sign == "<=":
        return f"give {count}{of_what} at most"
    return NEEDED if count == 1 else f"give {count}{of_what} or more"
