"""Build dataclasses from input of people: JSON objects or table cells. Every mistake is reported
with its field.

This module checks types. A dataclass checks its values itself (ValueError, `field: what to give`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, fields
from functools import cache
from types import NoneType
from typing import Any, Final, NamedTuple, TypeVar, get_args, get_type_hints

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


def read(kind: type[T], content: Mapping[str, object]) -> T:
    """Build a dataclass from a JSON object. Raises Invalid."""
    (made,) = read_all([kind], content)
    return made  # type: ignore[no-any-return]  # it is of the given kind


def read_all(kinds: Kinds, content: Mapping[str, object]) -> list[Any]:
    """Build one object of each kind from one flat JSON object with the fields of all. Raises
    Invalid."""
    hints = _hints(*kinds)
    problems = [
        Problem(name, f"is not known; give some of {', '.join(hints)}")
        for name in content
        if name not in hints
    ]
    made = [_make(kind, content, problems) for kind in kinds]
    if problems:
        raise Invalid(problems)
    return made


def read_cells(kinds: Kinds, cells: Mapping[str, str]) -> list[Any]:
    """Build one object of each kind from the cells of one row. An empty cell means the default.
    Raises Invalid."""
    hints = _hints(*kinds)
    texts = {name: text.strip() for name, text in cells.items() if text.strip()}
    return read_all(
        kinds, {name: _of_cell(hints.get(name, str), text) for name, text in texts.items()}
    )


def plain(value: Any) -> dict[str, Any]:
    """Return a flat dataclass as a JSON object."""
    return {
        name: list(part) if isinstance(part, tuple) else part
        for name, part in asdict(value).items()
    }


def names(kinds: Kinds) -> list[str]:
    """Return the names of the fields of these kinds, in order."""
    return list(_hints(*kinds))


@cache
def _hints(*kinds: Any) -> dict[str, Any]:
    """Return the types of all fields of these kinds, by name."""
    hints: dict[str, Any] = {}
    for kind in kinds:
        types = get_type_hints(kind)
        hints |= {field.name: types[field.name] for field in fields(kind)}
    return hints


def _make(kind: Any, content: Mapping[str, object], problems: list[Problem]) -> Any:
    hints, values, before = _hints(kind), {}, len(problems)
    for field in fields(kind):
        if field.name in content:
            values[field.name], text = _read(hints[field.name], content[field.name])
            problems += [Problem(field.name, text)] if text else []
        elif field.default is MISSING and field.default_factory is MISSING:
            problems.append(Problem(field.name, "is missing; give a value"))
    if len(problems) > before:
        return None
    try:
        return kind(**values)
    except ValueError as error:
        name, _, text = str(error).partition(": ")
        problems.append(Problem(name, text))
        return None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_number(value: object) -> bool:
    is_number = type(value) in (int, float)
    return is_number and abs(value) <= LARGEST  # type: ignore[arg-type]  # see is_number; false for NaN


_FITS: Final[Mapping[Any, tuple[Callable[[Any], bool], str]]] = {
    str: (_is_text, "give a text on one line"),
    int: (lambda value: type(value) is int and _is_number(value), "give a whole number"),
    float: (_is_number, "give a number"),
    bool: (lambda value: isinstance(value, bool), "give true or false"),
    tuple[str, ...]: (
        lambda texts: isinstance(texts, list | tuple) and all(map(_is_text, texts)),
        "give a list of texts",
    ),
    dict[str, Any]: (lambda value: isinstance(value, dict), "give a JSON object"),
}
"""By the type of a field: which values fit, and what to give instead."""


def _read(hint: Any, content: object) -> tuple[Any, str]:
    """Return the value of a field, and what to give instead if it does not fit."""
    is_optional = NoneType in get_args(hint)
    if is_optional and content is None:
        return None, ""
    kind = get_args(hint)[0] if is_optional else hint
    is_fit, text = _FITS[kind]
    if not is_fit(content):
        return content, text
    return kind(content) if kind in (float, tuple[str, ...]) else content, ""


def _of_cell(hint: Any, text: str) -> object:
    """Convert a cell to a JSON value. A text that cannot be converted stays a text, which the
    reader then refuses."""
    if hint in (int, int | None, float):
        try:
            return float(text) if hint is float else int(text)
        except ValueError:
            return text
    if hint is bool:
        return True if text.lower() in _YES else False if text.lower() in _NO else text
    return text.split() if hint == tuple[str, ...] else text
