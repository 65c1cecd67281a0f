"""What the API consists of: one declaration for each endpoint, from which its route and OpenAPI are derived."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from http import HTTPStatus
from types import NoneType, UnionType
from typing import (
    Any,
    Final,
    Generic,
    Protocol,
    TypedDict,
    TypeVar,
    TypeVarTuple,
    Union,
    Unpack,
    get_args,
    get_origin,
    get_type_hints,
)
from zoneinfo import ZoneInfo

import msgspec
from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response

from levity_trio.store.engine.database import Database
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.web.api.context import Api
from levity_trio.web.api.problems import Problem, invalid, not_found, of_upload
from levity_trio.web.api.shown import shown_type
from levity_trio.wire.frames import MAX_DEPTH

_AT = re.compile(r"^(?P<words>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")
_MISSING = re.compile(r"missing required field `(?P<name>[^`]*)`")
NO_CONTENT: Final = 204
CREATED: Final = 201
UPLOAD: Final = ("too_large", "too_slow", "unfinished")
"""The problems of a body that is read as it arrives."""
HIGHEST_ID: Final = 2**62
CONNECTORS: Final = 2**31
"""A connector's number is below."""
LARGEST: Final = 2**63 - 1
LARGEST_EXACT: Final = 2**53
"""Of the floating-point numbers, in which each whole number up to this one is exact."""
DIGITS: Final = len(str(HIGHEST_ID))
MINOR_UNITS: Final[Values] = {"format": "minor-units"}
"""In the schema of a whole number: an amount of money in minor units of its currency, such as cents."""
WATT_HOURS: Final[Values] = {"format": "watt-hours"}
"""In the schema of a whole number: an energy or a register in Wh."""


class Role(IntEnum):
    """Who may: an operator all that a viewer may, an admin everything.

    A service outside has no token. Its endpoints check a signature themselves, and it may nothing else. A driver may
    only what is below /api/me.
    """

    OUTSIDE = 0
    DRIVER = 1
    VIEWER = 2
    OPERATOR = 3
    ADMIN = 4

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request: name and role of the token or user, and the address.

    `token` and `login` are None for the local admin. `account` is a driver's.
    """

    name: str
    role: Role
    address: str
    token: int | None = None
    login: int | None = None
    account: int | None = None


Values = dict[str, Any]
"""Fields of a body, a row or a line of a file, by their names: what is left out is not there."""
Schema = Mapping[str, Any]
"""A JSON schema."""
Components = Callable[[type], Schema]
"""Returns the schema of a type."""
Fields = Mapping[str, Schema]
"""JSON schemas by the name of a field."""


class Body(Protocol):
    """How the body of a request is read, and its JSON schema."""

    @property
    def media_type(self) -> str:
        """The media type, for OpenAPI."""

    def read(self, raw: bytes) -> Any:
        """Return the body. Raises Problem."""

    def schema(self, components: Components) -> Schema:
        """Return the JSON schema; `components` gives that of a type."""


NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
"""Of names in paths."""
MONTH_PATTERN: Final = r"^2[01][0-9]{2}-(0[1-9]|1[0-2])$"
"""Of months in paths."""
ABSENT: Final[Schema] = {"type": "null"}
"""Of a field that a way leaves out."""
IDENTITIES: Final[Schema] = {"type": "array", "items": {"type": "string"}, "minItems": 1}


class Sent(msgspec.Struct, forbid_unknown_fields=True):
    """What a client sends, as a query or a body: a field of another name is refused."""


class StructBody:
    """A JSON body that is read into a struct.

    Where a body must fit one of several ways, `ways` returns for each of them the schemas of some fields. It is called
    when the documentation is asked for.
    """

    media_type = "application/json"

    def __init__(self, kind: type[msgspec.Struct], ways: Callable[[], Sequence[Fields]] | None = None) -> None:
        self.kind = kind
        self._ways = ways

    def read(self, raw: bytes) -> Any:
        """Return the struct. Raises Problem."""
        try:
            return msgspec.convert(read_json(raw), self.kind)
        except msgspec.ValidationError as error:
            raise of_validation(error) from None

    def schema(self, components: Components) -> Schema:
        """Return the schema of the struct, or one for each way."""
        if self._ways is None:
            return components(self.kind)
        (described,) = msgspec.json.schema(self.kind)["$defs"].values()
        return {"anyOf": [_variant(described, way) for way in self._ways()]}


class SignedBody(StructBody):
    """A JSON body whose bytes are signed: its endpoint reads it, after it has checked the signature."""

    def read(self, raw: bytes) -> bytes:
        """Return the bytes."""
        return raw


def _variant(described: Schema, fields: Fields) -> Schema:
    """Return the schema of a body with these fields instead of their general ones, called after those that it needs.

    Those that may be left out are false, or an object without required fields.
    """
    kept = {name: one for name, one in {**described["properties"], **fields}.items() if one is not ABSENT}
    needed = [name for name, schema in fields.items() if name in kept and not _may_be_left_out(schema)]
    others = [name for name in described.get("required", ()) if name not in fields]
    title = "".join(_word(name, fields[name]) for name in needed) + described["title"]
    return {**described, "title": title, "properties": kept, "required": [*others, *needed]}


def _word(name: str, schema: Schema) -> str:
    """Return what a field adds to the name of a way: its one value, or its name; a payload belongs to its action."""
    if schema.get("type") == "object":
        return ""
    word = schema["const"] if isinstance(schema.get("const"), str) else name
    return f"{word[:1].upper()}{word[1:]}"


def _may_be_left_out(schema: Schema) -> bool:
    is_empty = schema.get("type") == "null" or schema.get("const") is False
    return is_empty or (schema.get("type") == "object" and not schema.get("required"))


def read_json(raw: bytes) -> Any:
    """Return a body; an empty one is an object. A number without a fraction is whole (JSON Schema). Raises Problem."""
    try:
        return _with_whole_numbers(msgspec.json.decode(raw or b"{}"), MAX_DEPTH)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Problem(400, "not_json", f"the body is not JSON: {error}") from None


def _with_whole_numbers(value: Any, levels: int) -> Any:
    if not levels:
        raise invalid("body", f"it is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= LARGEST_EXACT else value
    if isinstance(value, int) and not -LARGEST <= value <= LARGEST:
        raise invalid("body", "a number has more than 64 bits; give a smaller one")
    if isinstance(value, dict):
        return {name: _with_whole_numbers(one, levels - 1) for name, one in value.items()}
    return [_with_whole_numbers(one, levels - 1) for one in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class StreamedBody:
    """A body of any size, which the endpoint reads as it arrives: `Asked.body` yields its parts."""

    media_type: str = "application/octet-stream"

    def read(self, raw: bytes) -> Any:
        """Return a body that was read already."""
        return raw

    def schema(self, components: Components) -> Schema:  # noqa: ARG002 - a Body
        """Return the schema of any bytes."""
        return {"type": "string", "format": "binary"}


T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Query_co = TypeVar("Query_co", covariant=True)
Body_co = TypeVar("Body_co", covariant=True)
Content_co = TypeVar("Content_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Asked(Generic[Query_co, Body_co]):
    """A request to an endpoint, checked: path parameters, query and body as the endpoint declares them."""

    api: Api
    caller: Caller
    path: Mapping[str, str]
    query: Query_co
    body: Body_co
    headers: Headers

    async def read(self, read: Callable[[Database], T]) -> T:
        """Run a read of the database and return its result. Raises Unreadable."""
        return await self.api.reader.run(read)

    async def find(self, read: Callable[[Database], T | None], what: str) -> T:
        """Return what is read. Raises Problem if there is no such thing; `what` names it."""
        if (row := await self.read(read)) is None:
            raise not_found(what)
        return row

    async def write(self, write: Callable[[UnitOfWork, *Ts, str, str], T], *values: *Ts) -> T:
        """Run a write that ends with the time and with who asks for it; return its result. Raises StoreUnavailable."""
        return await self.api.writer.run(write, *values, self.api.stamp(), self.caller.name)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the site."""
        return self.api.config.time_zone

    @property
    def sees_all(self) -> bool:
        """Whether the caller sees more than a viewer: frames, addresses, and what operators did."""
        return self.caller.role >= Role.OPERATOR

    def number(self, name: str = "id") -> int:
        """Return a path parameter that is a whole number. Raises Problem."""
        text = self.path[name]
        if not text.isascii() or not text.isdecimal() or int(text[:DIGITS]) > HIGHEST_ID or len(text) > DIGITS:
            raise invalid(name, "give a whole number")
        return int(text)


Request = Asked[object, object]
"""A request whose query and body do not matter, or that has neither."""


Upload = Asked[object, AsyncGenerator[bytes, None]]
"""A request whose body is read as it arrives."""


async def content_of(request: Upload, most: int) -> bytes:
    """Return a whole body that has so many bytes at most. Raises Problem."""
    content = bytearray()
    with of_upload():
        async for part in request.body:
            content += part
            if len(content) > most:
                raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"give at most {most} bytes")
    return bytes(content)


@dataclass(frozen=True, slots=True)
class Answer(Generic[Content_co]):
    """A response other than the usual: with its own status or headers."""

    content: Content_co
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Asked[Any, Any]], Awaitable[Any]]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint. `answer` is the type of what `handle` returns, None for an empty response (204).

    `handle` may also return an Answer, or a Starlette Response. `problems` are the codes beside those of all endpoints.
    """

    method: str
    path: str
    role: Role
    tag: str
    summary: str
    handle: Handler
    answer: Any = None
    query: type[msgspec.Struct] | None = None
    body: Body | None = None
    status: int = 200
    media_type: str = "application/json"
    other_media_types: tuple[str, ...] = ()
    """Further ones, if the caller chooses the form of the answer."""
    problems: tuple[str, ...] = ()
    personal: tuple[str, ...] = ()
    """Fields of a JSON body whose values are not recorded, because records are never rewritten."""

    @property
    def answer_type(self) -> Any:
        """The type of the answer as it is shown, which is made only now: all of them would take a megabyte."""
        return shown_type(self.answer)

    @property
    def changes(self) -> bool:
        """Whether it changes something, so that it is recorded."""
        return self.method not in ("GET", "HEAD")


class Declared(TypedDict, total=False):
    """What a decorator says of an endpoint beside its function: the fields of Endpoint of these names.

    `query`, `body` and `answer` are given where the annotations do not say enough: a query of fewer parameters, a body
    that fits one of several ways or is read as it arrives, and what a Response has in it.
    """

    tag: str
    summary: str
    query: type[msgspec.Struct]
    body: Body
    answer: type
    status: int
    media_type: str
    other_media_types: tuple[str, ...]
    personal: tuple[str, ...]


class Endpoints(list[Endpoint]):
    """The endpoints of a module, in the order of the documentation. Its methods are decorators:

        @ENDPOINTS.get("/api/admin/stations", Role.VIEWER, "invalid")
        async def list_stations(request: Asked[Paged, None]) -> Page[Station]:
            \"""List stations, the newest first.\"""

    Query, body and answer are those of the annotations, the summary is the first paragraph of the docstring. After the
    role come the codes of the problems beside those of all endpoints.
    """

    def __init__(self, tag: str) -> None:
        super().__init__()
        self._tag = tag

    def get(self, path: str, role: Role, *problems: str, **more: Unpack[Declared]) -> Callable[[H], H]:
        return self._declared("GET", path, role, problems, more)

    def post(self, path: str, role: Role, *problems: str, **more: Unpack[Declared]) -> Callable[[H], H]:
        return self._declared("POST", path, role, problems, more)

    def put(self, path: str, role: Role, *problems: str, **more: Unpack[Declared]) -> Callable[[H], H]:
        return self._declared("PUT", path, role, problems, more)

    def patch(self, path: str, role: Role, *problems: str, **more: Unpack[Declared]) -> Callable[[H], H]:
        return self._declared("PATCH", path, role, problems, more)

    def delete(self, path: str, role: Role, *problems: str, **more: Unpack[Declared]) -> Callable[[H], H]:
        return self._declared("DELETE", path, role, problems, more)

    def _declared(
        self, method: str, path: str, role: Role, problems: tuple[str, ...], more: Declared
    ) -> Callable[[H], H]:
        def declare(handle: H) -> H:
            said: Declared = {"tag": self._tag, **_said_by(handle), **more}
            self.append(Endpoint(method=method, path=path, role=role, handle=handle, problems=problems, **said))
            return handle

        return declare


def _said_by(handle: Handler) -> Declared:
    """Return what a function says of its endpoint by its docstring and its annotations."""
    hints = get_type_hints(handle)
    returned = hints.pop("return")
    answers = get_args(returned) if get_origin(returned) in (Union, UnionType) else (returned,)
    query, body = next(get_args(hint) for hint in hints.values() if get_origin(hint) is Asked)
    said: Declared = {"summary": " ".join((handle.__doc__ or "").partition("\n\n")[0].split()), "answer": str}
    for answer in answers:
        if not _is(answer, Response):
            said["answer"] = get_args(answer)[0] if get_origin(answer) is Answer else answer
    if said["answer"] is NoneType:
        del said["answer"]
    if _is(query, msgspec.Struct):
        said["query"] = query
    if _is(body, msgspec.Struct):
        said["body"] = StructBody(body)
    return said


def _is(hint: Any, kind: type) -> bool:
    return isinstance(hint, type) and issubclass(hint, kind)


def read_query(kind: type[msgspec.Struct] | None, given: QueryParams) -> Any:
    """Return the query parameters as a struct. Raises Problem for one that is unknown, repeated or wrong."""
    names = [name for name, _ in given.multi_items()]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise invalid(twice, "give it once")
    if kind is None:
        if names:
            raise invalid(names[0], "this request takes no such parameter")
        return None
    try:
        return msgspec.convert(dict(given), kind, strict=False)
    except msgspec.ValidationError as error:
        raise of_validation(error) from None


def of_validation(error: msgspec.ValidationError) -> Problem:
    """Return the problem for a value of the wrong type: which field, and what is expected."""
    found = _AT.match(str(error))
    words, path = (found["words"], found["path"] or "") if found else (str(error), "")
    unknown = _UNKNOWN.search(words) or _MISSING.search(words)
    name = ".".join(part for part in (path.strip("."), unknown["name"] if unknown else "") if part)
    return invalid(name or "body", words[:1].lower() + words[1:].replace("`", ""))
