"""Build dataclasses from input of people: JSON objects or table cells. Every mistake is reported with its field.

This module checks types. A dataclass checks its values itself (ValueError, `field: what to give`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar, get_type_hints

T = TypeVar("T")
Kinds = Sequence[Any]
"""Dataclasses whose fields are texts, numbers, booleans, tuples of texts or JSON objects."""

LARGEST: Final = 2**53
"""Integers up to here are exact in every JSON implementation."""
_YES: Final = ("true", "yes", "1")
_NO: Final = ("false", "no", "0")


class Problem(NamedTuple):
    """An error of one field: what is wrong, and what to give instead."""

    field: str
    text: str

    def __str__(self) -> str:
        return f"{self.field}: {self.text}"


class Invalid(ValueError):
    """Invalid input; `problems` has every reason."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def read(kind: type[T], given: Mapping[str, object]) -> T:
    """Build a dataclass from a JSON object. Raises Invalid."""
    (made,) = read_all([kind], given)
    return made  # type: ignore[no-any-return]  # it is of the given kind


def read_all(kinds: Kinds, given: Mapping[str, object]) -> list[Any]:
    """Build one object of each kind from one flat JSON object with the fields of all. Raises Invalid."""
    hints = {name: hint for kind in kinds for name, hint in _hints(kind).items()}
    problems = [Problem(name, f"is not known; give some of {', '.join(hints)}") for name in given if name not in hints]
    made = [_make(kind, given, problems) for kind in kinds]
    if problems:
        raise Invalid(problems)
    return made


def read_cells(kinds: Kinds, cells: Mapping[str, str]) -> list[Any]:
    """Build one object of each kind from the cells of one row. An empty cell means the default. Raises Invalid."""
    hints = {name: hint for kind in kinds for name, hint in _hints(kind).items()}
    texts = {name: text.strip() for name, text in cells.items() if text.strip()}
    return read_all(kinds, {name: _of_cell(hints.get(name, str), text) for name, text in texts.items()})


def plain(value: Any) -> dict[str, Any]:
    """Return a flat dataclass as a JSON object."""
    assert is_dataclass(value)  # noqa: S101 - for mypy, which has no protocol for dataclasses
    return {one.name: _listed(getattr(value, one.name)) for one in fields(value)}


def names(kinds: Kinds) -> list[str]:
    """Return the names of the fields of these kinds, in order."""
    return [name for kind in kinds for name in _hints(kind)]


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {one.name: hints[one.name] for one in fields(kind)}


def _make(kind: Any, given: Mapping[str, object], problems: list[Problem]) -> Any:
    hints, values, before = _hints(kind), {}, len(problems)
    for one in fields(kind):
        if one.name in given:
            value, text = _READERS[hints[one.name]](given[one.name])
            values[one.name] = value
            problems += [Problem(one.name, text)] if text else []
        elif _is_required(one):
            problems.append(Problem(one.name, "is missing; give a value"))
    if len(problems) > before:
        return None
    try:
        return kind(**values)
    except ValueError as error:
        field, _, text = str(error).partition(": ")
        problems.append(Problem(field, text))
        return None


def _is_required(one: Field[Any]) -> bool:
    return one.default is MISSING and one.default_factory is MISSING


Read = tuple[object, str]
"""A value, and what to give instead; empty if the value is valid."""


def _text(given: object) -> Read:
    return given, "" if isinstance(given, str) and given.isprintable() else "give a text on one line"


def _whole(given: object) -> Read:
    is_whole = isinstance(given, int) and not isinstance(given, bool) and abs(given) <= LARGEST
    return given, "" if is_whole else "give a whole number"


def _number(given: object) -> Read:
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    if is_number and abs(given) <= LARGEST:  # type: ignore[arg-type]  # see is_number; false for NaN
        return float(given), ""  # type: ignore[arg-type]  # see is_number
    return given, "give a number"


def _switch(given: object) -> Read:
    return given, "" if isinstance(given, bool) else "give true or false"


def _texts(given: object) -> Read:
    if isinstance(given, list | tuple) and all(isinstance(one, str) and one.isprintable() for one in given):
        return tuple(given), ""
    return given, "give a list of texts"


def _object(given: object) -> Read:
    return given, "" if isinstance(given, dict) else "give a JSON object"


def _or_nothing(reader: Callable[[object], Read]) -> Callable[[object], Read]:
    return lambda given: (None, "") if given is None else reader(given)


_READERS: Final[Mapping[Any, Callable[[object], Read]]] = {
    str: _text,
    str | None: _or_nothing(_text),
    int: _whole,
    int | None: _or_nothing(_whole),
    float: _number,
    bool: _switch,
    tuple[str, ...]: _texts,
    dict[str, Any] | None: _or_nothing(_object),
}


def _of_cell(hint: Any, text: str) -> object:
    """Convert a cell to a JSON value. A text that cannot be converted stays a text, which the reader then refuses."""
    if hint in (int, int | None, float):
        try:
            return float(text) if hint is float else int(text)
        except ValueError:
            return text
    if hint is bool:
        return True if text.lower() in _YES else False if text.lower() in _NO else text
    return text.split() if hint == tuple[str, ...] else text
