"""Values from a shell: `key=text`, `key=@file`, `key:=JSON`; the completion of names and values.

Dots lead into an object: `csChargingProfiles.stackLevel=1`. A text is converted by the kind of its
field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from levity_trio.operations.fields import (
    Choice,
    Field,
    FieldProblem,
    Kind,
    Object,
    Text,
    joined,
    read_json,
)
from levity_trio.operations.operation import Operation
from levity_trio.told import Told

ReadFile = Callable[[str], str]
"""Return the text of a file. May raise OSError, or UnicodeDecodeError."""

_ARGUMENT: Final = re.compile(r"([^=:]+)(:?=)(.*)", re.DOTALL)


def parse_arguments(
    operation: Operation | None, arguments: Iterable[str], read_file: ReadFile
) -> dict[str, Any]:
    """Return the values of an operation, not checked yet; of a raw call (None) all `key=value` are
    texts.

    Raises FieldProblem.
    """
    values: dict[str, Any] = {}
    for argument in arguments:
        match = _ARGUMENT.fullmatch(argument)
        if match is None:
            raise FieldProblem(
                "", Told("{1} is not key=value, key:=JSON or key=@file", repr(argument))
            )
        name, sign, text = match.groups()
        kind = _kind_of(operation, name) if operation else Text()
        value = read_json(text, name) if sign == ":=" else _read(kind, name, text, read_file)
        _put(values, name, value)
    return values


def read_text(field: Field, text: str) -> object:
    """Convert a text, of a shell or a form, by the kind of its field. Raises FieldProblem."""
    return field.kind.read(text, field.name)


def completions(operation: Operation, incomplete: str) -> list[tuple[str, str]]:
    """Return how an argument may go on, with help: a name up to `=`, or `.` for an object, or a
    word of a choice."""
    match = _ARGUMENT.fullmatch(incomplete)
    try:
        if match is not None:
            return _words(_kind_of(operation, match[1]), *match.groups())
        return _names(operation, incomplete)
    except FieldProblem:
        return []


def described(operation: Operation) -> list[tuple[str, Field]]:
    """Return all fields with their dotted names, those of an object after it, for help and
    forms."""
    return [*_described(operation.payload, "")]


def _described(kind: Object, path: str) -> Iterator[tuple[str, Field]]:
    for field in kind.fields:
        name = joined(path, field.name)
        yield name, field
        if isinstance(field.kind, Object):
            yield from _described(field.kind, name)


def _read(kind: Kind, name: str, text: str, read_file: ReadFile) -> object:
    if not text.startswith("@"):
        return kind.read(text, name)
    try:
        return kind.read(read_file(text[1:]), name)
    except OSError as error:
        raise FieldProblem(name, f"{text[1:]}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise FieldProblem(name, Told("{1} is not a text in UTF-8", text[1:])) from None


def _kind_of(operation: Operation, name: str) -> Kind:
    """Return the kind of the field with this dotted name. Raises FieldProblem."""
    kind: Kind = operation.payload
    *outer, last = name.split(".")
    for depth, step in enumerate((*outer, last)):
        path = ".".join(outer[:depth])
        if not isinstance(kind, Object):
            raise FieldProblem(
                path, Told("has no fields: give it as {1}:=JSON or {2}=@file", path, path)
            )
        kind = kind.field(step, path).kind
    return kind


def _put(values: dict[str, Any], name: str, value: object) -> None:
    *outer, last = name.split(".")
    for step in outer:
        values = values.setdefault(step, {})
        if not isinstance(values, dict):
            raise FieldProblem(name, Told("does not fit what was given before it"))
    if last in values:
        raise FieldProblem(name, Told("is given twice"))
    values[last] = value


def _words(kind: Kind, name: str, sign: str, text: str) -> list[tuple[str, str]]:
    if not isinstance(kind, Choice) or sign == ":=":
        return []
    return [
        (f"{name}={word}", "")
        for word in kind.choices
        if word.casefold().startswith(text.casefold())
    ]


def _names(operation: Operation, incomplete: str) -> list[tuple[str, str]]:
    outer, dot, begun = incomplete.rpartition(".")
    kind = _kind_of(operation, outer) if dot else operation.payload
    if not isinstance(kind, Object):
        return []
    fitting = (field for field in kind.fields if field.name.casefold().startswith(begun.casefold()))
    return [
        (outer + dot + field.name + ("." if isinstance(field.kind, Object) else "="), field.help)
        for field in fitting
    ]
