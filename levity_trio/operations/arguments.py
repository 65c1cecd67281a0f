"""Values from a shell: `key=text`, `key=@file`, `key:=JSON`; the completion of names and values.

Dots lead into an object: `csChargingProfiles.stackLevel=1`. A text is converted by the kind of its
field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from levity_trio.operations.operation import (
    Choice,
    Field,
    FieldProblem,
    Kind,
    Object,
    Operation,
    Text,
    joined,
    read_json,
)
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
            words = Told("{1} is not key=value, key:=JSON or key=@file", repr(argument))
            raise FieldProblem("", words)
        name, sign, text = match.groups()
        kind = _kind_of(operation, name) if operation else Text()
        if sign == ":=":
            value = read_json(text, name)
        elif text.startswith("@"):
            value = kind.read(_content(name, text[1:], read_file), name)
        else:
            value = kind.read(text, name)

        # Dots lead into an object.
        *outer, last = name.split(".")
        inner = values
        for step in outer:
            inner = inner.setdefault(step, {})
            if not isinstance(inner, dict):
                raise FieldProblem(name, Told("does not fit what was given before it"))
        if last in inner:
            raise FieldProblem(name, Told("is given twice"))
        inner[last] = value
    return values


def read_text(field: Field, text: str) -> object:
    """Convert a text, of a shell or a form, by the kind of its field. Raises FieldProblem."""
    return field.kind.read(text, field.name)


def completions(operation: Operation, incomplete: str) -> list[tuple[str, str]]:
    """Return how an argument may go on, with help: a name up to `=`, or `.` for an object, or a
    word of a choice."""
    match = _ARGUMENT.fullmatch(incomplete)
    try:
        if match is None:
            return _names(operation, incomplete)
        name, sign, text = match.groups()
        kind = _kind_of(operation, name)
    except FieldProblem:
        return []
    if not isinstance(kind, Choice) or sign == ":=":
        return []
    begun = text.casefold()
    words = [word for word in kind.choices if word.casefold().startswith(begun)]
    return [(f"{name}={word}", "") for word in words]


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


def _content(name: str, path: str, read_file: ReadFile) -> str:
    """Return the text of a file that an argument names. Raises FieldProblem."""
    try:
        return read_file(path)
    except OSError as error:
        raise FieldProblem(name, f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise FieldProblem(name, Told("{1} is not a text in UTF-8", path)) from None


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


def _names(operation: Operation, incomplete: str) -> list[tuple[str, str]]:
    """Return the names of fields that begin so, with help."""
    outer, dot, begun = incomplete.rpartition(".")
    kind = _kind_of(operation, outer) if dot else operation.payload
    if not isinstance(kind, Object):
        return []
    names: list[tuple[str, str]] = []
    for field in kind.fields:
        if field.name.casefold().startswith(begun.casefold()):
            sign = "." if isinstance(field.kind, Object) else "="
            names.append((f"{outer}{dot}{field.name}{sign}", field.help))
    return names
