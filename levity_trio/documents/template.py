"""Words and formats, from one file that the owner may replace. It is data, not code: nothing in it can run.

The shape of a template is that of english.toml, beside this module: the same tables and names, and in each text the
same fields.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import Any, Final

from levity_trio.documents import DocumentProblem

DATE_FIELDS: Final = frozenset(("day", "day2", "month", "short", "number", "number2", "year"))
PAPERS: Final = ("A4", "Letter")
ADDRESS_PARTS: Final = ("name", "address", "contact")
_OWN_ENTRIES: Final = "money.symbols"
"""The table that may have any entries."""
_LONGEST_SIGN: Final = 1
_CHOSEN_FIELDS: Final = ("dates.day", "dates.short", "dates.month")
_DECIMALS: Final = (".", ",", "٫")
_SEPARATORS: Final = (",", ";", "\t")


class TemplateProblem(DocumentProblem):
    """A template has faults: one line for each argument."""

    def __str__(self) -> str:
        return "\n".join(self.args)


@dataclass(frozen=True, slots=True)
class Template:
    """A checked template."""

    values: Mapping[str, Any]
    """As in the file."""

    def say(self, word: str, /, **fields: object) -> str:
        """Return a text of the table [words] with its fields filled in."""
        return str(self.values["words"][word]).format(**fields)

    def column(self, name: str, **fields: object) -> str:
        """Return the head of a column."""
        return str(self.values["columns"][name]).format(**fields)


def parse(text: str) -> Template:
    """Return the template of a file's text. Raises TemplateProblem with all faults."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise TemplateProblem(f"this is no TOML: {problem}") from None
    if not _ENGLISH_VALUES.keys() & values.keys():
        entries = ", ".join(_ENGLISH_VALUES)
        raise TemplateProblem(f"this is no template, which has {entries}; begin with a copy of this program's own")
    faults = [*_differences(_ENGLISH_VALUES, values, ""), *_wrong_values(values)]
    if faults:
        raise TemplateProblem(*faults)
    return Template(values)


def read_template(path: Path) -> Template:
    """Return the template in a file. Raises TemplateProblem, whose lines begin with the path."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except TemplateProblem as problem:
        raise TemplateProblem(*(f"{path}: {fault}" for fault in problem.args)) from None
    except (OSError, UnicodeDecodeError) as problem:
        raise TemplateProblem(f"{path} cannot be read: {problem}") from None


def _differences(model: Any, value: Any, path: str) -> Iterator[str]:
    """What is missing, unknown, of another type, or has other fields than the English file."""
    if type(model) is not type(value):
        yield f"{path} must be {_TYPES[type(model)]}"
    elif path == _OWN_ENTRIES:
        yield from (f"{path}.{name} must be a text" for name, one in value.items() if not isinstance(one, str))
    elif isinstance(model, dict):
        yield from _table_differences(model, value, path)
    elif isinstance(model, list):
        yield from _list_differences(model, value, path)
    else:
        yield from _field_differences(model, value, path)


def _table_differences(model: dict[str, Any], value: dict[str, Any], path: str) -> Iterator[str]:
    for name in model.keys() - value.keys():
        english = f" (in English: {model[name]!r})" if isinstance(model[name], str) else ""
        yield f"{_below(path, name)} is missing{english}"
    for name in value.keys() - model.keys():
        yield f"{_below(path, name)} is unknown; look for a spelling mistake"
    for name, one in model.items():
        if name in value:
            yield from _differences(one, value[name], _below(path, name))


def _list_differences(model: list[str], value: list[Any], path: str) -> Iterator[str]:
    if len(model) != len(value):
        yield f"{path} must have {len(model)} entries; it has {len(value)}"
    if not all(isinstance(one, str) and one for one in value):
        yield f"{path} must be a list of texts"


def _field_differences(model: str, value: str, path: str) -> Iterator[str]:
    try:
        found = _fields(value)
    except ValueError as problem:
        yield f"{path}: {problem} (a brace itself is written twice)"
        return
    allowed = DATE_FIELDS if path in _CHOSEN_FIELDS else _fields(model)
    needed = frozenset() if path in _CHOSEN_FIELDS else allowed
    if unknown := sorted(found - allowed):
        possible = ", ".join(f"{{{name}}}" for name in sorted(allowed)) or "none"
        yield f"{path} has the unknown field {{{unknown[0]}}}; possible here: {possible}"
    if missing := sorted(needed - found):
        yield f"{path} needs the field {{{missing[0]}}}"


def _fields(text: str) -> frozenset[str]:
    """Return the fields of a text. A field is a name only: no attribute, no index, no format. Raises ValueError."""
    parts = [part for part in Formatter().parse(text) if part[1] is not None]
    for _, name, form, conversion in parts:
        if form or conversion or not str(name).isidentifier():
            raise ValueError(f"the field {{{name}}} must be a plain name")
    return frozenset(str(part[1]) for part in parts)


def _wrong_values(values: Mapping[str, Any]) -> Iterator[str]:
    """What the English file cannot show by its shape."""
    for path, allowed in (
        ("paper", PAPERS),
        ("numbers.decimal", _DECIMALS),
        ("csv.separator", _SEPARATORS),
        ("csv.decimal", _DECIMALS),
    ):
        if isinstance(found := _at(values, path), str) and found not in allowed:
            yield f"{path} must be one of {', '.join(map(repr, allowed))}"
    for path in ("numbers.thousands", "numbers.minus"):
        if isinstance(found := _at(values, path), str) and (len(found) > _LONGEST_SIGN or found.isalnum()):
            yield f"{path} must be one sign"
    yield from _clashes(values)


def _clashes(values: Mapping[str, Any]) -> Iterator[str]:
    if _at(values, "numbers.decimal") == _at(values, "numbers.thousands"):
        yield "numbers.decimal and numbers.thousands must differ"
    if _at(values, "csv.decimal") == _at(values, "csv.separator"):
        yield "csv.decimal and csv.separator must differ"
    if _at(values, "numbers.minus") == "":
        yield "numbers.minus must not be empty"
    order = _at(values, "address.order")
    if isinstance(order, list) and sorted(map(str, order)) != sorted(ADDRESS_PARTS):
        yield f"address.order must have each of {', '.join(ADDRESS_PARTS)} once"


def _at(values: Any, path: str) -> Any:
    """Return what stands at a dotted path, None where nothing does."""
    for name in path.split("."):
        values = values.get(name) if isinstance(values, dict) else None
    return values


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


_TYPES: Final[dict[type, str]] = {str: "a text", list: "a list of texts", dict: "a table"}
ENGLISH_TEXT: Final = files("levity_trio.documents").joinpath("english.toml").read_text(encoding="utf-8")
_ENGLISH_VALUES: Final = tomllib.loads(ENGLISH_TEXT)
ENGLISH: Final = parse(ENGLISH_TEXT)
