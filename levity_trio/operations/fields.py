"""Fields of OCPP payloads and the kinds of their values: each checks JSON, reads text of a shell,
describes itself.

They refuse what the schemas of OCPP forbid, and nothing else: a limit that only the text of the
specification states is a warning. Integers are bounded to ±2^53, the range in which all JSON
parsers agree (wire/schemas.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from math import isfinite
from typing import Any, Final, TypeAlias

import orjson

from levity_trio.records import record
from levity_trio.told import Told
from levity_trio.wire.times import parse_time, wire_time

MAX_NUMBER: Final = 2**53
STEP: Final = 0.1
"""OCPP allows one decimal in limits of current and power (§7.13, §7.14)."""

_INTEGER = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d++)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
_SEPARATORS: Final = str.maketrans("", "", "-_. ")


class FieldProblem(ValueError):
    """A value that cannot be sent. `field` is its dotted name (empty for the whole payload),
    `words` what to give."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(f"{field}: {words}" if field else words)
        self.field = field
        self.words = words


class Allotted(StrEnum):
    """A value that the server finds if the operator leaves it out."""

    RESERVATION = "a new reservation id"
    PROFILE = "a new charging profile id"
    REQUEST = "a new request id"
    LIST_VERSION = "the next list version"
    TRANSACTION = "the only open session"
    UPLOAD = "a URL of this server, with --files-port"
    ROOT = "the root of this server's certificate authority"


@record(kw_only=False)
class Text:
    """A text, with the schema's limit in characters, if it has one."""

    max_length: int | None = None

    @property
    def words(self) -> str:
        if self.max_length is None:
            return "a text"
        return Told("a text of at most {1} characters", self.max_length)

    def check(self, value: object, path: str) -> object:
        if not isinstance(value, str):
            return _refuse(self, path)
        if self.max_length is not None and len(value) > self.max_length:
            return _refuse(self, path)
        return value

    def read(self, text: str, path: str) -> object:  # noqa: ARG002 - a kind's method
        return text

    def json_schema(self) -> dict[str, Any]:
        if self.max_length is None:
            return {"type": "string"}
        return {"type": "string", "maxLength": self.max_length}


class Integer:
    """A whole number."""

    words = Told("a whole number")

    def check(self, value: object, path: str) -> object:
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_NUMBER:
            return _refuse(self, path)
        return value

    def read(self, text: str, path: str) -> object:
        return int(text) if _INTEGER.fullmatch(text) else _refuse(self, path)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER}


class Decimal:
    """A number with at most one decimal."""

    words = Told("a number with at most one decimal, such as 16 or 10.5")

    def check(self, value: object, path: str) -> object:
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            return _refuse(self, path)
        is_fit = abs(value) <= MAX_NUMBER and round(value, 1) == value
        return value if is_fit else _refuse(self, path)

    def read(self, text: str, path: str) -> object:
        try:
            return int(text) if _INTEGER.fullmatch(text) else float(text)
        except ValueError:
            return _refuse(self, path)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "number", "multipleOf": STEP, "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER}


@record(kw_only=False)
class Choice:
    """One word of an enumeration, in OCPP's spelling."""

    choices: tuple[str, ...]

    @property
    def words(self) -> str:
        return Told("one of {1}", ", ".join(self.choices))

    def check(self, value: object, path: str) -> object:
        if isinstance(value, str) and value in self.choices:
            return value
        words = Told("give {1}", self.words)
        near = meant(words, value, self.choices) if isinstance(value, str) else ""
        raise FieldProblem(path, near or words)

    def read(self, text: str, path: str) -> object:  # noqa: ARG002 - a kind's method
        return text

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": [*self.choices]}


class DateTime:
    """A time by RFC 3339, with its zone. It is sent in UTC, in whole seconds: real chargers reject
    other formats."""

    words = Told("a time with its zone, such as 2030-01-31T22:00:00Z")

    def check(self, value: object, path: str) -> object:
        if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
            return _refuse(self, path)
        time = parse_time(value)
        return _refuse(self, path) if time is None else wire_time(time)

    def read(self, text: str, path: str) -> object:  # noqa: ARG002 - a kind's method
        return text

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}


@record(kw_only=False)
class ListOf:
    """A list whose items have one kind."""

    items: Kind

    @property
    def words(self) -> str:
        return Told("a list, each item {1}", self.items.words)

    def check(self, value: object, path: str) -> object:
        if not isinstance(value, list):
            return _refuse(self, path)
        return [self.items.check(item, f"{path}[{index}]") for index, item in enumerate(value)]

    def read(self, text: str, path: str) -> object:
        """Read JSON; a list of texts may also be written with commas."""
        if isinstance(self.items, Text) and not text.lstrip().startswith("["):
            return [item.strip() for item in text.split(",") if item.strip()]
        return read_json(text, path)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.items.json_schema()}


@record(kw_only=False)
class Object:
    """An object with fields of its own. A whole payload is one too."""

    fields: tuple[Field, ...] = ()

    words = Told("an object")

    def check(self, value: object, path: str) -> dict[str, Any]:
        """Return the value as it is sent, its fields in the order of their declaration."""
        if not isinstance(value, Mapping):
            raise FieldProblem(path, Told("give an object"))
        for name in value:
            self.field(name, path)
        checked: dict[str, Any] = {}
        for field in self.fields:
            if field.is_needed and field.name not in value:
                words = Told("is missing: give {1}", field.kind.words)
                raise FieldProblem(joined(path, field.name), words)
        for field in self.fields:
            if field.name in value:
                inner = joined(path, field.name)
                checked[field.name] = field.kind.check(value[field.name], inner)
        return checked

    def field(self, name: str, path: str) -> Field:
        """Return the field with this name. Raises FieldProblem, with the name that was meant or all
        names."""
        for field in self.fields:
            if field.name == name:
                return field
        names = [field.name for field in self.fields]
        words = Told("is unknown: there are no fields")
        if names:
            words = Told("is unknown: its fields are {1}", ", ".join(names))
        near = meant(Told("is unknown"), name, names)
        raise FieldProblem(joined(path, name), near or words)

    def read(self, text: str, path: str) -> object:
        return read_json(text, path)

    def json_schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "object"}
        schema["properties"] = {field.name: field.json_schema() for field in self.fields}
        schema["additionalProperties"] = False
        required = [field.name for field in self.fields if field.is_needed]
        if required:
            schema["required"] = required
        return schema


Kind: TypeAlias = Text | Integer | Decimal | Choice | DateTime | ListOf | Object


@record(kw_only=False)
class Field:
    """One field of a payload. `name` is OCPP's own.

    `allotted` says which value the server fills in where a required field is left out. `secret`
    marks a value that may be a password: no form and no shell shows or completes it. An object's
    example is made of its fields' examples.
    """

    name: str
    kind: Kind
    help: str
    required: bool = False
    example: Any = None
    allotted: Allotted | None = None
    secret: bool = False

    @property
    def is_needed(self) -> bool:
        """Whether a payload must have it, because the server does not fill it in."""
        return self.required and not self.is_filled_in

    @property
    def is_filled_in(self) -> bool:
        """Whether the server finds it, or all that an object needs."""
        if not isinstance(self.kind, Object):
            return self.allotted is not None
        needed = [field for field in self.kind.fields if field.required]
        return bool(needed) and all(field.is_filled_in for field in needed)

    def json_schema(self) -> dict[str, Any]:
        """Return the schema with its description, for OpenAPI."""
        schema = self.kind.json_schema()
        schema["description"] = self.help
        if self.allotted:
            schema["description"] += f" If left out: {self.allotted}."
        if self.example is not None:
            schema["examples"] = [self.example]
        return schema


def read_json(text: str, path: str) -> object:
    """Parse JSON from a shell or a file. Raises FieldProblem."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise FieldProblem(path, Told("is not valid JSON: {1}", str(error))) from None


def joined(path: str, name: str) -> str:
    """Return the dotted name of a field."""
    return f"{path}.{name}" if path else name


def meant(wrong: str, name: str, names: Sequence[str]) -> str:
    """Return what is wrong and which name was meant, if one differs in case or separators only,
    else an empty text."""
    plain = _plain(name)
    for known in names:
        if _plain(known) == plain:
            return Told("{1} (did you mean {2}?)", wrong, known)
    return ""


def _plain(name: str) -> str:
    return name.translate(_SEPARATORS).casefold()


def _refuse(kind: Kind, path: str) -> Any:
    raise FieldProblem(path, Told("give {1}", kind.words))
