"""What the API consists of: one declaration for each endpoint, from which its route and OpenAPI are
derived; the bodies that endpoints take; and what they work with: the parts of the server, and the
places of requests.

What clients send: how a query or a body is read, what is wrong with it, and its JSON schema.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import field
from datetime import date, datetime
from enum import IntEnum
from functools import cache, partial
from types import NoneType, UnionType
from typing import (
    Any,
    Concatenate,
    Final,
    Generic,
    ParamSpec,
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
import trio
from msgspec import UNSET, UnsetType, inspect
from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response

from levity_trio.access.tags import Index, Policy
from levity_trio.backends.copies import Copies
from levity_trio.billing.ownership import BillBy
from levity_trio.charger.commands import Chargers
from levity_trio.clock import Clock
from levity_trio.config import ServerConfig
from levity_trio.events import Observation
from levity_trio.notify.delivery import Messages
from levity_trio.plugins.base import Load, PluginState
from levity_trio.records import NO_TEXT, WORDS, record, texts_of
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import Database, UnitOfWork
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.now.attention import Storing
from levity_trio.store.reads.now.present import OpenSessions
from levity_trio.store.reads.reader import Reader
from levity_trio.store.upkeep.following import LiveConfig
from levity_trio.told import Figure, Quantity, Told, Value
from levity_trio.web.api.engine.kilowatt_hours import shown_type
from levity_trio.web.api.engine.problems import (
    Json,
    Problem,
    busy,
    invalid,
    not_found,
    of_upload,
    refusal,
)
from levity_trio.web.feed import Feed
from levity_trio.web.files.shelf import Shelf
from levity_trio.web.http.turns import TurnQueue
from levity_trio.web.logins.browsers import Logins, Tokens
from levity_trio.web.webhooks.delivery import Webhooks
from levity_trio.wire.frames import MAX_DEPTH
from levity_trio.wire.times import in_zone, stamp

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


def speak(components: Mapping[str, Any], *, is_form: bool = False) -> None:
    """Give each field of a query or a body its one text: what its class says of it, and what its
    type says of all such values. What `ClientInput` says is for fields of which neither does. A
    form says less, since its labels say what a field is."""
    kinds: dict[str, type[msgspec.Struct]] = {}
    waiting: list[type[msgspec.Struct]] = [ClientInput]
    for kind in waiting:
        kinds[kind.__name__] = kind
        waiting += kind.__subclasses__()
    usual = texts_of(ClientInput)
    for name, schema in components.items():
        if name not in kinds:
            continue
        kind = kinds[name]
        schema["description"] = _OWN_TEXT.sub("", schema.get("description", ""))
        texts = texts_of(kind)
        names = zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True)
        for field_name, encoded in names:
            told = texts.get(field_name, NO_TEXT)
            part = schema["properties"][encoded]
            if is_form and told.label:
                part["label"] = told.label
            if is_form and not told.is_of_forms:
                continue
            places = (part, *part.get("anyOf", ()))
            of_type = [place.pop("description") for place in places if "description" in place]
            of_field = told.text
            if told.is_of_forms:
                of_type = []
            elif of_type and of_field == usual.get(field_name, NO_TEXT).text:
                of_field = ""
            part["description"] = " ".join(filter(None, [of_field, *of_type]))


_OWN_TEXT: Final = re.compile(r"\s*\n *[-+] .*", re.DOTALL)


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
    """What a client sends, as a query or a body: a field of another name is refused.

    - account [Household] (--household HOUSEHOLD): A household, by its number.
    - action: The name of an OCPP message, such as Reset.
    - after: Those that come after this one.
    - alias [Its name there]
    - away_minutes [A charger is away after (minutes)]
    - battery_kwh [Battery (kWh)]
    - before: Those before this one, which is the `next` of the answer before.
    - begins_on [Sessions since this day]
    - car [Car] (--car CAR): A car, by its name.
    - card [Card] (--card CARD): A card, as it is printed on it.
    - cards [Its cards]
    - cause: Why sessions are in doubt, as the list of groups calls it.
    - certificate [Our certificate with its key (PEM)]
    - charger (--charger ID): The identity of a charger.
    - chargers [Only at these chargers (one a line)]
    - charges_at [Charge all the same from]
    - connector (--connector NUMBER): A connector of the charger, from 1 on.
    - correct_statements [Correct statements that are closed already]
    - cursor: The `next_cursor` of the page before; it goes before `page`.
    - deadline [Wait for an absent charger (seconds)]
    - departure [When you leave]
    - driver [Name for the log-in]
    - duration [Duration (seconds)]
    - entries [Settings]
    - event (--event ID): Refuse if the session has a newer event than this one.
    - everywhere [Works at every space, even at those of other households]
    - exclusive [For this household only]
    - expires_at [Last day on which it may charge]
    - figure_wh [Energy (kWh)] (--kwh KWH): Its energy, in Wh.
    - folder [Folder on this machine]
    - force [Do it although a session is running]
    - format: In which form.
    - free_below_wh [A session is free below (kWh)]
    - gets_statements [Closed statements come by mail]
    - id_tag [Card] (--card CARD): A card.
    - identity [Its name there]
    - invite [How the driver is invited]
    - is_repaired [Mended, with right times]
    - is_trusted [Trusted without a trial]
    - keep [Copies that are kept]
    - language (--language LANGUAGE): Of pages and papers: en or de.
    - limit (--limit NUMBER): How many.
    - mail [Mail address]
    - max_a [Maximum current (A)]
    - max_kw [Maximum power (kW)]
    - max_transactions [Sessions at once, at most]
    - meter_start_wh [Meter at the start (kWh)] (--start-kwh KWH): The register at its start, in
      Wh.
    - meter_stop_wh [Meter at the end (kWh)] (--stop-kwh KWH): The register at its end, in Wh.
    - model (--model MODEL): A model of chargers, as they tell it.
    - month (--month MONTH): A month such as 2026-10.
    - month_amount [Cost at most in a month]
    - month_wh [At most in a month (kWh)]
    - most [What one charger can draw (A per phase)]
    - most_price [Wait while a kWh costs more than]
    - number_prefix [Numbers begin with]
    - other_cards [All other cards are called]
    - page: Which page, from 1 on.
    - paid_on [Day]
    - parent_id_tag [Group (parent card)]
    - pem [Certificate (PEM)]
    - preset [Public source]
    - quiet_from [Quiet from]
    - quiet_until [Quiet until]
    - reason (--reason TEXT): Why, for those who ask later.
    - reminder_after [Days after which Now tells of what is overdue]
    - reminder_de [Own words of reminders in German]
    - reminder_en [Own words of reminders in English]
    - retries [Tries]
    - root [Its own root certificate (PEM)]
    - rows [Households]
    - sender [Mails come from]
    - series (--series NAME): A price series, by its name.
    - site [For the whole site]
    - sort: By a column; with - before it, descending.
    - start_time [Began]
    - statement (--statement STATEMENT): A statement, by its number.
    - stop_time [Ended]
    - tag [Card] (--card CARD): A card.
    - tariff (--tariff TARIFF): A tariff, by its number.
    - tax_kind [How are you taxed?]
    - tax_note [Why there is no tax]
    - tells_authorize [Cards that are held to a charger are told, too]
    - to [To this address]
    - toml [The tariff as TOML]
    - topic [Publishes on this topic of MQTT]
    - total_wh [Together (kWh)]
    - transaction [Session] (--session SESSION): A session, by its number.
    - until [Last day]
    - url [Address]
    - vat_number [VAT number]
    - vehicle (--car CAR): A car, by its number.
    - wanted_wh [Energy you want by then (kWh)]
    - way [What is tested]: Mail, push, ping or backup.
    - with_cards [Card numbers may go there]
    - with_names [Messages name households]
    - with_signed [Signed values may go there]
    - without [Connectors that are not told]
    - year: A year such as 2026.
    - year_wh [What the household uses in a year, the car included (kWh)]
    """

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

        doc = f"{declared.__doc__}\n"
        for name, told in texts_of(kind).items():
            mark = "+" if told.is_of_forms else "-"
            doc += f"\n{mark} {name} [{told.label}] ({told.option}): {told.text}"
        kept: Values = {"__doc__": doc}
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
        speak(defined, is_form=True)
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
        return Told("choose one of {1}", ", ".join(map(shlex.quote, choices)))

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


NO_CONTENT: Final = 204
CREATED: Final = 201
HIGHEST_ID: Final = 2**62
CONNECTORS: Final = 2**31
"""Connectors have numbers below this one."""
DIGITS: Final = len(str(HIGHEST_ID))
AT_WORK: Final = 8
"""Requests at work at once."""
MOST_WAITING: Final = 1000
"""Requests that wait for a charger; they give their place back meanwhile."""
RECORDED: Final = 10
"""Refused attempts of one address that are recorded in a minute."""
MINUTE: Final = 60.0
REMEMBERED: Final = 1000
"""Addresses whose refused attempts are counted; beyond that, the oldest is forgotten."""


class RequestPlaces:
    """The places of requests at work. One that waits for a charger gives its place to another."""

    def __init__(self, at_work: int = AT_WORK, waiting: int = MOST_WAITING) -> None:
        self._at_work = trio.Semaphore(at_work)
        self._most_waiting = waiting
        self._waiting = 0
        self._pace = TurnQueue()

    @asynccontextmanager
    async def work(self) -> AsyncIterator[None]:
        """Hold a place."""
        async with self._at_work:
            yield

    @asynccontextmanager
    async def read(self) -> AsyncIterator[None]:
        """Hold a place for a request that only reads. They take turns."""
        async with self._pace.turn(), self._at_work:
            yield

    @asynccontextmanager
    async def wait(self) -> AsyncIterator[None]:
        """Give the place back while the block waits. Raises Problem if too many wait."""
        if self._waiting >= self._most_waiting:
            words = Told("{1} requests already wait for chargers", self._most_waiting)
            raise busy("too_many_waiting", words, 5)
        self._waiting += 1
        self._at_work.release()
        try:
            yield
        finally:
            self._waiting -= 1
            # The shield needs no deadline: those at work only use the database, which is short.
            with trio.CancelScope(shield=True):
                await self._at_work.acquire()


class Refusals:
    """Decides which refused attempts are recorded: a few a minute of each address. A flood shall
    not fill the disk."""

    def __init__(self) -> None:
        self._recorded: dict[str, tuple[int, float]] = {}

    def count_attempt(self, address: str) -> bool:
        """Count an attempt; return whether it is to be recorded."""
        now = trio.current_time()
        count, until = self._recorded.pop(address, (0, 0.0))
        if until <= now:
            count, until = 0, now + MINUTE
        # An address that asks again goes to the end, so the first is the oldest.
        self._recorded[address] = count + 1, until
        if len(self._recorded) > REMEMBERED:
            del self._recorded[next(iter(self._recorded))]
        return count < RECORDED


class Server(Protocol):
    """What reads of the database need to know of the server: pages know no more of it."""

    @property
    def config(self) -> ServerConfig: ...

    @property
    def live(self) -> LiveConfig: ...

    @property
    def id_tags(self) -> Index: ...

    @property
    def sessions(self) -> OpenSessions: ...

    @property
    def writer(self) -> Storing: ...

    @property
    def begun_at(self) -> str: ...

    @property
    def is_clock_trusted(self) -> Callable[[], bool]: ...

    @property
    def messages(self) -> Messages: ...

    def now(self) -> datetime: ...

    def stamp(self) -> str: ...


@record
class ApiParts:
    """The parts of the server that endpoints use."""

    live: LiveConfig
    clock: Clock
    writer: Writer
    reader: Reader
    chargers: Chargers
    load: Load | None
    tokens: Tokens
    logins: Logins
    id_tags: Index
    is_clock_trusted: Callable[[], bool]
    publish: Callable[[Observation], None]
    """Passes an observation to those that count."""
    read_imported: Callable[[], Awaitable[None]]
    places: RequestPlaces = field(default_factory=RequestPlaces)
    allotting: trio.Lock = field(default_factory=trio.Lock)
    """Held while numbers that an operator left out are found and stored."""
    computing: trio.Lock = field(default_factory=trio.Lock)
    """Held while something is read that takes seconds."""
    refusals: Refusals = field(default_factory=Refusals)
    streams: trio.CapacityLimiter
    feed: Feed
    webhooks: Webhooks
    backends: Copies
    messages: Messages
    key: SecretKey
    shelf: Shelf
    plugins: Callable[[], Sequence[PluginState]]
    begun_at: str
    """The time when this run of the server began."""
    sessions: OpenSessions = field(default_factory=OpenSessions)

    @property
    def config(self) -> ServerConfig:
        """The configuration as it is now."""
        return self.live.now

    def now(self) -> datetime:
        """Return the present time."""
        return self.clock()

    def stamp(self) -> str:
        """Return the present time in the database's format."""
        return stamp(self.clock())


def local_today(server: Server) -> date:
    """Return the present day of the site."""
    return in_zone(server.now(), server.config.time_zone).date()


def rule_of(server: Server) -> Rule:
    """Return by what a server bills."""
    return Rule(server.config.time_zone, server.id_tags.policy, BillBy(server.config.bill_by))


class Role(IntEnum):
    """Who may: an operator all that a viewer may, an admin everything.

    Whoever has not logged in is outside, and may nothing. A driver may only what is below /api/me.
    """

    OUTSIDE = 0
    DRIVER = 1
    VIEWER = 2
    OPERATOR = 3
    ADMIN = 4

    @property
    def word(self) -> str:
        return self.name.lower()


@record(kw_only=False)
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


def whole_number(path: Mapping[str, str], name: str = "id") -> int:
    """Return a parameter of a path that is a whole number. Raises Problem."""
    text = path[name]
    # Python refuses to read a number of thousands of digits: too long a text is never read.
    is_short = len(text) <= DIGITS
    if not (text.isascii() and text.isdecimal() and is_short and int(text) <= HIGHEST_ID):
        raise invalid(name, Told("give a whole number"))
    return int(text)


T = TypeVar("T")
P = ParamSpec("P")
Ts = TypeVarTuple("Ts")
Query_co = TypeVar("Query_co", covariant=True)
Body_co = TypeVar("Body_co", covariant=True)
Content_co = TypeVar("Content_co", covariant=True)


@record(kw_only=False)
class TypedRequest(Generic[Query_co, Body_co]):
    """A request to an endpoint, checked: path parameters, query and body as the endpoint declares
    them."""

    api: ApiParts
    caller: Caller
    path: Mapping[str, str]
    query: Query_co
    body: Body_co
    headers: Headers

    async def read(
        self, read: Callable[Concatenate[Database, P], T], *args: P.args, **values: P.kwargs
    ) -> T:
        """Run a read of the database, with these values, and return its result. Raises
        Unreadable."""
        return await self.api.reader.run(lambda database: read(database, *args, **values))

    async def find(
        self,
        read: Callable[Concatenate[Database, P], T | None],
        what: str,
        *args: P.args,
        **values: P.kwargs,
    ) -> T:
        """Return what is read. Raises Problem if there is no such thing; `what` names it."""
        row = await self.read(read, *args, **values)
        if row is None:
            raise not_found(what)
        return row

    async def commit(self, write: Callable[[UnitOfWork, *Ts], T], *values: *Ts) -> T:
        """Run a write and return its result. Raises StoreUnavailable."""
        return await self.api.writer.run(write, *values)

    async def write(self, write: Callable[[UnitOfWork, *Ts, str, str], T], *values: *Ts) -> T:
        """Run a write that ends with the time and with who asks for it; return its result. Raises
        StoreUnavailable."""
        return await self.commit(write, *values, self.api.stamp(), self.caller.name)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the site."""
        return self.api.config.time_zone

    @property
    def policy(self) -> Policy:
        """How the site compares tags."""
        return self.api.id_tags.policy

    @property
    def card(self) -> str:
        """The card in the path, as chargers send it; people may write it as it is printed."""
        return self.api.id_tags.entered(self.path["tag"].strip())

    @property
    def sees_all(self) -> bool:
        """Whether the caller sees more than a viewer: frames, addresses, and what operators did."""
        return self.caller.role >= Role.OPERATOR

    def number(self, name: str = "id") -> int:
        """Return a path parameter that is a whole number. Raises Problem."""
        return whole_number(self.path, name)


Request = TypedRequest[object, object]
"""A request whose query and body do not matter, or that has neither."""


Upload = TypedRequest[object, AsyncGenerator[bytes, None]]
"""A request whose body is read as it arrives."""


async def content_of(request: Upload, most: int) -> bytes:
    """Return a whole body that has so many bytes at most. Raises Problem."""
    content = bytearray()
    with of_upload():
        async for part in request.body:
            content += part
            if len(content) > most:
                words = Told("give at most {1} bytes", most)
                raise refusal("too_large", words)
    return bytes(content)


@record(kw_only=False)
class ApiAnswer(Generic[Content_co]):
    """A response other than the usual: with its own status or headers."""

    content: Content_co
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[TypedRequest[Any, Any]], Awaitable[Any]]
H = TypeVar("H", bound=Handler)


@record
class Endpoint:
    """One endpoint. `answer` is the type of what `handle` returns, None for an empty response
    (204).

    `group` is its group in the documentation, which OpenAPI calls a tag. `handle` may also return
    an ApiAnswer, or a Starlette Response. `problems` are the codes beside those of all endpoints.
    """

    method: str
    path: str
    role: Role
    group: str
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

    @property
    def answer_type(self) -> Any:
        """The type of the answer as it is shown, which is made only now: all of them would take a
        megabyte."""
        return shown_type(self.answer)

    @property
    def changes(self) -> bool:
        """Whether it changes something, so that it is recorded."""
        return self.method not in ("GET", "HEAD")


class Declared(TypedDict, total=False):
    """What a decorator says of an endpoint beside its function: the fields of Endpoint of these
    names.

    `body` and `answer` are given where the annotations do not say enough: of a body that fits one
    of several ways or is read as it arrives, and of what a Response has in it.
    """

    group: str
    summary: str
    query: type[msgspec.Struct]
    body: Body
    answer: type
    status: int
    media_type: str
    other_media_types: tuple[str, ...]


class Endpoints(list[Endpoint]):
    """The endpoints of a module, in the order of the documentation. Its methods are decorators:

        @ENDPOINTS.get("/api/admin/stations", Role.VIEWER, "conflict")
        async def list_stations(request: TypedRequest[Paged, None]) -> Page[Station]:
            \"""List stations, the newest first.\"""

    Query, body and answer are those of the annotations, the summary is the first paragraph of the
    docstring. After the role come the codes of the problems beside those of all endpoints. A module
    that has endpoints of a second group of the documentation declares them `among` its own.
    """

    def __init__(self, group: str, among: list[Endpoint] | None = None) -> None:
        super().__init__()
        self._group = group
        self._all = self if among is None else among
        self.get = partial(self._declared, "GET")
        self.post = partial(self._declared, "POST")
        self.put = partial(self._declared, "PUT")
        self.patch = partial(self._declared, "PATCH")
        self.delete = partial(self._declared, "DELETE")

    def _declared(
        self, method: str, path: str, role: Role, *problems: str, **more: Unpack[Declared]
    ) -> Decorator:
        def declare(handle: H) -> H:
            # What the decorator says counts more than the annotations.
            declared: Declared = {"group": self._group, **_by_annotations(handle), **more}
            endpoint = Endpoint(
                method=method, path=path, role=role, handle=handle, problems=problems, **declared
            )
            self._all.append(endpoint)
            return handle

        return declare


class Decorator(Protocol):
    """What declares a function to be an endpoint."""

    def __call__(self, handle: H, /) -> H: ...


def _by_annotations(handle: Handler) -> Declared:
    """Return what a function says of its endpoint by its docstring and its annotations."""
    first_paragraph, _, _ = (handle.__doc__ or "").partition("\n\n")
    declared: Declared = {"summary": " ".join(first_paragraph.split())}

    hints = get_type_hints(handle)
    returned = hints.pop("return")
    is_choice = get_origin(returned) in (Union, UnionType)
    answers = get_args(returned) if is_choice else (returned,)
    # Nothing is known of what a Starlette Response has in it: it is a text, unless the endpoint
    # may also return something else.
    answer: Any = str
    for choice in answers:
        if not _is(choice, Response):
            answer = get_args(choice)[0] if get_origin(choice) is ApiAnswer else choice
    if answer is not NoneType:
        declared["answer"] = answer

    (request,) = (hint for hint in hints.values() if get_origin(hint) is TypedRequest)
    query, body = get_args(request)
    if _is(query, msgspec.Struct):
        declared["query"] = query
    if _is(body, msgspec.Struct):
        declared["body"] = StructBody(body)
    return declared


def _is(hint: Any, kind: type) -> bool:
    return isinstance(hint, type) and issubclass(hint, kind)
