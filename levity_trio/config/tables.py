"""Tables of a TOML document as records: each is read with words for what is wrong in it, and
written without what is usual."""

import json
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import MISSING, Field, fields
from types import MappingProxyType
from typing import Any, TypeVar

from levity_trio.told import Told

T = TypeVar("T")


class DocumentRefused(ValueError):
    """The text is not TOML, or something in it has no place there. Its words say what and where."""


def tables(document: Mapping[str, Any], name: str, *, is_one: bool = False) -> Any:
    """Return copies of the tables of a list, or of the one table."""
    tables = [document.get(name, {})] if is_one else document.get(name, [])
    if isinstance(tables, list) and all(isinstance(table, dict) for table in tables):
        return dict(tables[0]) if is_one else [dict(table) for table in tables]
    if is_one:
        raise DocumentRefused(Told("{1} is not a table: write [{1}]", name))
    raise DocumentRefused(Told("{1} is not a list of tables: write [[{1}]]", name))


def records_of(
    kind: Callable[..., T], name: str, tables: Iterable[dict[str, Any]]
) -> tuple[T, ...]:
    """Return the records of the tables of a list."""
    return tuple(record_of(kind, f"[[{name}]]", table) for table in tables)


def record_of(kind: Any, where: str, values: Mapping[str, Any]) -> Any:
    """Make a record of a table: of each key, the value must be of the type of its field."""
    known: dict[str, Field[Any]] = {part.name: part for part in fields(kind)}
    refuse_others(where, values, known)
    for name, part in known.items():
        is_needed = part.default is MISSING and part.default_factory is MISSING
        if is_needed and name not in values:
            raise DocumentRefused(Told("{1} has no {2}", where, name))
    checked = {name: _value(where, known[name], value) for name, value in values.items()}
    return kind(**checked)


def _value(where: str, part: Field[Any], value: Any) -> Any:
    """Return a value that fits a field. A text stands for a list with this text alone."""
    kind = str(part.type).removeprefix("<class '").removesuffix("'>")
    kind = kind.partition(" |")[0]
    types, wanted = _KINDS.get(kind, (str, Told("a text, or a list of texts")))
    is_list = kind not in _KINDS
    values = value if is_list and isinstance(value, list) else [value]
    for one in values:
        # In Python, True is a whole number, too.
        if not isinstance(one, types) or isinstance(one, bool) != (kind == "bool"):
            words = Told("{1} of {2} is {3}: give {4}", part.name, where, repr(value), wanted)
            raise DocumentRefused(words)
    return tuple(values) if is_list else value


_KINDS: Mapping[str, tuple[Any, str]] = {
    "bool": (bool, Told("true or false")),
    "int": (int, Told("a whole number")),
    "float": (int | float, Told("a number")),
    "str": (str, Told("a text")),
}


def refuse_others(where: str, values: Iterable[str], known: Iterable[str]) -> None:
    """Refuse keys that are not known. Raises DocumentRefused."""
    others = sorted(set(values) - set(known))
    if others:
        raise DocumentRefused(Told("{1} has {2}, which there is not", where, ", ".join(others)))


def table_of(
    head: str,
    row: Any,
    more: Mapping[str, object],
    only: Container[str] | None = None,
    *,
    renamed: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return a table with the fields of a record that have another value than usual. Some are
    `renamed`."""
    values: dict[str, object] = {}
    for part in fields(row):
        value = getattr(row, part.name)
        if value != part.default and (only is None or part.name in only):
            values[renamed.get(part.name, part.name)] = value
    values |= more
    lines = [f"{name} = {_toml(value)}\n" for name, value in values.items()]
    return "".join([f"{head}\n", *lines]) if lines else ""


def _toml(value: Any) -> str:
    """Write a value. JSON's texts, numbers, lists and truths are those of TOML, too."""
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(list(value) if isinstance(value, tuple) else value)
