"""What clients send: how a query or a body is read, what is wrong with it, and its JSON schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, Generic, Protocol, TypeVar, get_type_hints

import msgspec
from msgspec import UNSET, UnsetType, inspect
from starlette.datastructures import QueryParams

from levity_trio.records import WORDS, record
from levity_trio.told import Figure, Quantity, Told, Value
from levity_trio.web.api.engine.problems import Json, Problem, invalid, refusal
from levity_trio.wire.frames import MAX_DEPTH

LARGEST: Final = 2**63 - 1
LARGEST_EXACT: Final = 2**53
"""Floating-point numbers hold each whole number up to this one exactly."""
Values = dict[str, Any]
"""Fields of a body, a row or a line of a file, by their names: what is left out is not there."""
Schema = Mapping[str, Any]
"""A JSON schema."""
Components = Callable[[type], Schema]
"""Returns the schema of a type."""
Fields = Mapping[str, Schema]
"""JSON schemas by the name of a field."""
WATT_HOURS: Final[Values] = {"format": "watt-hours"}
"""Marks a whole number as an energy or a register in Wh."""
NOT_BLANK: Final[Values] = {WORDS: Told("give a text; it is empty")}
"""Says what to do about a text that has blanks only."""
MINOR_UNITS: Final[Values] = {"format": "minor-units"}
"""Marks a whole number as an amount of money in minor units of its currency, such as cents."""
NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
"""The pattern of names in paths."""
MONTH_PATTERN: Final = r"^2[01][0-9]{2}-(0[1-9]|1[0-2])$"
"""The pattern of months in paths."""
ABSENT: Final[Schema] = {"type": "null"}
"""The schema of a field that a way leaves out."""
IDENTITIES: Final[Schema] = {"type": "array", "items": {"type": "string"}, "minItems": 1}


def schemas_of(kinds: Iterable[type], reference: str) -> tuple[Sequence[Schema], Fields]:
    """Return the JSON schemas of types, and the components that they refer to, as msgspec does."""
    described = msgspec.json.schema_components(kinds, ref_template=reference)
    # msgspec checks with the patterns of Python, in which only \Z is the end; JSON Schema has $.
    text = msgspec.json.encode(described).replace(b'\\\\Z"', b'$"')
    return msgspec.json.decode(text, type=tuple[Sequence[Schema], Fields])


class Body(Protocol):
    """How the body of a request is read, and its JSON schema."""

    @property
    def media_type(self) -> str:
        """The media type, for OpenAPI."""

    def read(self, raw: bytes) -> Any:
        """Return the body. Raises Problem."""

    def schema(self, components: Components) -> Schema:
        """Return the JSON schema; `components` gives that of a type."""


class ClientInput(msgspec.Struct, forbid_unknown_fields=True):
    """What a client sends, as a query or a body: a field of another name is refused."""

    def given(self) -> Values:
        """Return the fields that are given."""
        fields = msgspec.structs.asdict(self)
        return {name: value for name, value in fields.items() if value is not UNSET}


S = TypeVar("S", bound=msgspec.Struct)


def changes_of(kind: type[msgspec.Struct], *fixed: str) -> Callable[[type[S]], type[S]]:
    """Decorate the body of a change: it has the fields of `kind` but the fixed ones, and what is
    left out stays. It declares only those that are of another type."""

    def made(declared: type[S]) -> type[S]:
        hints = get_type_hints(kind, include_extras=True)
        own = get_type_hints(declared, include_extras=True)
        changed = [name for name in kind.__struct_fields__ if name not in fixed]
        fields = [(name, own.get(name, hints[name] | UnsetType), UNSET) for name in changed]

        kept: Values = {"__doc__": declared.__doc__}
        kept |= {name: part for name, part in vars(declared).items() if callable(part)}
        body: Any = msgspec.defstruct(
            declared.__name__, fields, bases=declared.__bases__, namespace=kept
        )
        change: type[S] = body
        return change

    return made


class StructBody(Generic[S]):
    """A JSON body that is read into a struct.

    Where a body must fit one of several ways, `ways` returns for each of them the schemas of some
    fields. It is called when the documentation is asked for.
    """

    media_type = "application/json"

    def __init__(self, kind: type[S], ways: Callable[[], Sequence[Fields]] | None = None) -> None:
        self.kind = kind
        self._ways = ways

    def read(self, raw: bytes) -> S:
        """Return the struct. Raises Problem."""
        try:
            return msgspec.convert(read_json(raw), self.kind)
        except msgspec.ValidationError as error:
            raise of_validation(error, self.kind) from None

    def schema(self, components: Components) -> Schema:
        """Return the schema of the struct, or one for each way."""
        if self._ways is None:
            return components(self.kind)
        _, defined = schemas_of([self.kind], "#/$defs/{name}")
        (described,) = defined.values()
        return {"anyOf": [_schema_of_way(described, fields) for fields in self._ways()]}


def _schema_of_way(described: Schema, fields: Fields) -> Schema:
    """Return the schema of a body with these fields instead of its general ones, called after
    the fields that it needs."""
    properties = {**described["properties"], **fields}
    kept = {name: schema for name, schema in properties.items() if schema is not ABSENT}

    title = ""
    needed: list[str] = []
    for name, schema in fields.items():
        is_object = schema.get("type") == "object"
        # False is what a field that is left out means, and so is an object that needs no field.
        may_be_left_out = schema.get("const") is False or (is_object and not schema.get("required"))
        if name not in kept or may_be_left_out:
            continue
        needed.append(name)
        # A payload belongs to its action, which has given the way its name.
        if not is_object:
            word = schema["const"] if isinstance(schema.get("const"), str) else name
            title += word[:1].upper() + word[1:]

    others = [name for name in described.get("required", ()) if name not in fields]
    return {
        **described,
        "title": title + described["title"],
        "properties": kept,
        "required": [*others, *needed],
    }


def read_json(raw: bytes) -> Json:
    """Return a body; an empty one is an object. A number without a fraction is whole (JSON Schema).
    Raises Problem."""
    try:
        return _with_whole_numbers(msgspec.json.decode(raw or b"{}"), MAX_DEPTH)
    except (msgspec.DecodeError, RecursionError) as error:
        raise refusal("not_json", Told("the body is not JSON: {1}", str(error))) from None


def _with_whole_numbers(value: Json, levels: int) -> Json:
    if not levels:
        raise invalid("body", Told("it is nested deeper than {1} levels", MAX_DEPTH))
    match value:
        case float() if value.is_integer() and abs(value) <= LARGEST_EXACT:
            return int(value)
        case int() if not -LARGEST <= value <= LARGEST:
            raise invalid("body", Told("a number has more than 64 bits; give a smaller one"))
        case dict():
            return {name: _with_whole_numbers(part, levels - 1) for name, part in value.items()}
        case list():
            return [_with_whole_numbers(part, levels - 1) for part in value]
        case _:
            return value


@record(kw_only=False)
class StreamedBody:
    """A body of any size, which the endpoint reads as it arrives: the body of its request yields
    the parts."""

    media_type: str = "application/octet-stream"

    def read(self, raw: bytes) -> bytes:
        """Return a body that was read already."""
        return raw

    def schema(self, components: Components) -> Schema:  # noqa: ARG002 - a Body
        """Return the schema of any bytes."""
        return {"type": "string", "format": "binary"}


def read_query(kind: type[msgspec.Struct] | None, parameters: QueryParams) -> Any:
    """Return the query parameters as a struct. Raises Problem for one that is unknown, repeated or
    wrong."""
    names = [name for name, _ in parameters.multi_items()]
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise invalid(repeated[0], Told("give it once"))
    if kind is None:
        if names:
            raise invalid(names[0], Told("this request takes no such parameter"))
        return None
    try:
        return msgspec.convert(dict(parameters), kind, strict=False)
    except msgspec.ValidationError as error:
        raise of_validation(error, kind) from None


def asked(kind: type[S], parameters: Mapping[str, str]) -> S:
    """Return parameters as a struct, checked in the same way. Raises Problem."""
    query: S = read_query(kind, QueryParams(parameters))
    return query


# What is wrong with a value. msgspec says what it expected, in types of a program: its messages are
# read here alone.

NEEDED: Final = Told("this is needed")
MOST_CHOICES: Final = 12
"""A list of more choices is no help."""
_UNITS: Final[Mapping[str, str]] = {"watt-hours": "Wh"}
"""Units, by the format in a JSON schema."""
_TYPES: Final[Mapping[str, Told]] = {
    "int": Told("give a whole number"),
    "float": Told("give a number"),
    "bool": Told("say yes or no"),
    "str": Told("give a text"),
    "array": Told("give a list"),
    "object": Told("give an object"),
}
_MESSAGE: Final = re.compile(
    r"(?:Expected `(?P<kind>\w+)[^`]*`(?:(?P<length> of length)? (?P<sign>[<>]=?) (?P<bound>\S+)| "
    r"that's a multiple of (?P<step>\S+)|(?P<pattern> matching regex) .*?|, got .*?)|Object "
    r"(?:contains unknown|(?P<missing>missing required)) field `(?P<field>[^`]*)`|.*?)(?: - at "
    r"(?P<key>`key` in )?`\$(?P<path>[^`]*)`)?",
    re.DOTALL,
)
_type_of: Final = cache(inspect.type_info)


def of_validation(error: msgspec.ValidationError, kind: type) -> Problem:
    """Return the problem for a value that cannot be used in a request of this kind: which field,
    and what to give."""
    complaint = _MESSAGE.fullmatch(str(error))
    assert complaint is not None  # noqa: S101 - its last choice fits every message
    path = complaint["path"] or ""

    # The path leads to the types that the value may have, such as .rows[0].card
    kinds = list(_unwrapped(_type_of(kind)))
    for step in path.replace("[", ".[").split(".")[1:]:
        kinds = _one_step_inside(kinds, step)
    if complaint["key"]:
        keys = [inner.key_type for inner in kinds if isinstance(inner, inspect.DictType)]
        kinds = [inner for key in keys for inner in _unwrapped(key)]

    places = [path.strip("."), complaint["field"]]
    place = ".".join(part for part in places if part)
    return invalid(place or "body", _advice(complaint, kinds))


def _unwrapped(kind: inspect.Type) -> Iterator[inspect.Type]:
    """Yield a type, and what is inside its marks and choices."""
    yield kind
    if isinstance(kind, inspect.Metadata):
        yield from _unwrapped(kind.type)
    elif isinstance(kind, inspect.UnionType):
        for choice in kind.types:
            yield from _unwrapped(choice)


def _one_step_inside(kinds: Iterable[inspect.Type], step: str) -> list[inspect.Type]:
    """Return the types of a field, or of what a list or a mapping has."""
    inside: list[inspect.Type] = []
    for kind in kinds:
        match kind:
            case inspect.StructType():
                inside += (field.type for field in kind.fields if field.encode_name == step)
            case inspect.ListType() | inspect.VarTupleType() if step.startswith("["):
                inside.append(kind.item_type)
            case inspect.DictType() if step.startswith("["):
                inside.append(kind.value_type)
    return [inner for kind in inside for inner in _unwrapped(kind)]


def _advice(complaint: re.Match[str], kinds: list[inspect.Type]) -> Told:
    """Return what to give instead of a value of which msgspec complains."""
    if complaint["field"] is not None:
        return NEEDED if complaint["missing"] else Told("this is not asked for here")

    choices: list[str] = []
    for kind in kinds:
        if isinstance(kind, inspect.LiteralType):
            choices += map(str, kind.values)
    if len(choices) > MOST_CHOICES:
        return Told("choose one of the list")
    if choices:
        return Told("choose one of {1}", ", ".join(choices))

    marks = [kind for kind in kinds if isinstance(kind, inspect.Metadata)]
    sign = complaint["sign"]
    if complaint["length"]:
        return _advice_on_length(sign, int(complaint["bound"]), is_text=complaint["kind"] == "str")
    if sign:
        formats = [(mark.extra_json_schema or {}).get("format", "") for mark in marks]
        unit = "".join(_UNITS.get(name, "") for name in formats)
        return _advice_on_limit(sign, _bound(complaint["bound"], unit))
    if complaint["step"]:
        return Told("give a multiple of {1}", _bound(complaint["step"]))
    if complaint["pattern"]:
        extras = [mark.extra or {} for mark in marks]
        written: list[Told] = [extra[WORDS] for extra in extras if WORDS in extra]
        return written[0] if written else Told("it is empty, or not written as it must be")
    return _TYPES.get(complaint["kind"], Told("this value cannot be used"))


def _bound(number: str, unit: str = "") -> Value:
    if not number.removeprefix("-").isdecimal():
        return Figure(float(number))
    return Quantity(int(number), unit) if unit else int(number)


def _advice_on_limit(sign: str, bound: Value) -> Told:
    match sign:
        case ">=":
            return Told("give {1} or more", bound)
        case "<=":
            return Told("give {1} at most", bound)
        case ">":
            return Told("give more than {1}", bound)
        case _:
            return Told("give less than {1}", bound)


def _advice_on_length(sign: str, count: int, *, is_text: bool) -> Told:
    """Return how long a text, or a list, must be."""
    if sign == ">=" and count == 1:
        return NEEDED
    if not is_text:
        return _advice_on_limit(sign, count)
    if sign == ">=":
        return Told("give {1} character or more", count, many="give {1} characters or more")
    return Told("give {1} character at most", count, many="give {1} characters at most")
