"""The fields of a form, from the JSON schema of what an endpoint takes; and the JSON that they make
when filled in.

A field is named by its path in the body, `csChargingProfiles.stackLevel`; those of the query begin
with `?`. A list of objects has rows, whose fields are named `localAuthorizationList[0].idTag`. What
is left empty is left out, so that the endpoint's own default holds; so is a row without any value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from levity_trio.billing.money import typed_number
from levity_trio.locale import N_, SOURCE, _, language
from levity_trio.records import NO_TEXT, record, texts_of
from levity_trio.web.api.engine.endpoints import (
    MINOR_UNITS,
    WATT_HOURS,
    ClientInput,
    Endpoint,
    StructBody,
    schemas_of,
    speak,
)
from levity_trio.web.dashboard.money import minor_of
from levity_trio.web.dashboard.shapes import typed_kwh, wh_of
from levity_trio.web.dashboard.words import capital, sentence
from levity_trio.wire.times import in_zone, stamp

Schema = Mapping[str, Any]
GROUP, ROWS, TEXT, AREA = "group", "rows", "text", "area"
NUMBER, MONEY, ENERGY = "number", "money", "energy"
CHOICE, SWITCH, YES_OR_NO = "choice", "switch", "yes or no"
LINES, NUMBERS, PAIRS, JSON = "lines", "numbers", "pairs", "json"
NUMBER_OR_WORD: Final = "number-or-word"
LISTED_IN_LINES: Final = (LINES, NUMBERS)
TIME, DAY, LAST_DAY = "time", "day", "last-day"
DATED: Final = (TIME, DAY, LAST_DAY)
LONGEST_LINE: Final = 500
"""A text that may have more characters may have several lines."""
QUERY: Final = "?"
LABELS: Final[Mapping[str, str]] = N_(
    {
        "connectorId": "Connector",
        "idTag": "Card",
        "transactionId": "Session",
        "parentIdTag": "Group of the card",
        "expiryDate": "Until",
        "reservationId": "Reservation",
        "csChargingProfiles": "Profile",
        "chargingProfileId": "Number of the profile",
        "chargingProfilePurpose": "What it limits",
        "chargingProfileKind": "How its time counts",
        "chargingSchedule": "Limits",
        "chargingSchedulePeriod": "Steps",
        "startPeriod": "From second",
        "numberPhases": "Phases",
        "chargingRateUnit": "Unit",
        "stackLevel": "Level",
        "requestedMessage": "Message",
        "retrieveDate": "Not before",
        "retryInterval": "Seconds between tries",
        "listVersion": "Version",
        "updateType": "Whole list or changes",
        "localAuthorizationList": "Cards",
        "idTagInfo": "What it may do",
    }
)
"""Labels of fields whose names do not say it in words of people."""
OWN_LABELS: Final[Mapping[tuple[str, str], str]] = N_(
    {
        ("/api/admin/chargers/{id}/reset", "type"): "How",
        ("/api/admin/chargers/{id}/change-availability", "type"): "From now on",
    }
)
"""Labels of fields whose name says something else in each request."""
CHOICES: Final[Mapping[str, str]] = N_(
    {
        "Soft": "Soft: ends sessions, then restarts the program",
        "Hard": "Hard: like switching it off and on",
        "Operative": "Operative: in use",
        "Inoperative": "Inoperative: out of use",
        "flat": "a flat price of the year",
        "bill": "what the household's statements ask for",
        "contract": "what the household pays its supplier",
        "smtps": "TLS from the beginning (port 465)",
        "smtp": "STARTTLS (port 587)",
        "energy-charts": "Energy-Charts: day-ahead, Germany and Luxembourg",
        "awattar": "aWATTar: day-ahead, Germany",
        "smard": "SMARD: day-ahead, Germany and Luxembourg",
        "taxed": "Taxed: the prices have a tax rate",
        "small business": "Small business (§ 19 UStG): no tax",
        "exempt": "Exempt: no tax, for a reason that stands on the bills",
        "no business": "No business: neighbours share the costs",
        "circuit": "House and chargers: all that comes from the grid",
        "panels": "Solar panels",
        "battery": "Battery beside the panels",
        "mqtt": "Another one, over MQTT",
        "push": "Another one: a program sends what it shows",
    }
)
"""What words mean that people choose from, in the order in which they stand."""
RARE: Final[Mapping[str, Sequence[str]]] = {
    # A charger tells them itself.
    "/api/admin/chargers": ("vendor", "model"),
    "/api/admin/meters": ("topic", "path", "unit"),
    "/api/admin/meters/{id}": ("topic", "path", "unit"),
    "/api/admin/load/meters": ("circuit", "unit", "topic", "path", "shows", "inverted"),
    "/api/admin/biller": ("reminder_after", "reminder_en", "reminder_de"),
    "/api/admin/load/site": ("feeder",),
    "/api/admin/accounts/{id}/give": ("connector", "until", "reason", "name"),
    "/api/admin/id-tags": ("expires_at", "parent_id_tag", "max_transactions", "notes"),
    **dict.fromkeys(
        ("/api/admin/series", "/api/admin/series/{id}"),
        ("form", "list", "time", "price", "unit", "minutes"),
    ),
}
"""Fields that few people need, by the paths of requests: their forms show them on demand."""
ASKED: Final = frozenset({"tax_kind"})
"""Choices that a form insists on, though programs may leave them out."""
HIDDEN: Final = frozenset({"?errors", "?timeout", "?check"})
"""Parameters for programs."""
_WORDS: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_LEFT_OUT: Final = " If left out: "
_OF_PROGRAMS: Final = re.compile(
    r"(?:A (?:date and a )?(?:time|day) such as|From when on it is refused:) [^.]*\.\s*"
)
LEAST_ROWS: Final = 3
MORE_ROWS: Final = 3
MOST_ROWS: Final = 500
DATES, IS_END = "anyOf", "x-until"
"""Two words in the schema of a time or a day: what it may be, and whether it is the end of a
stretch."""
SCALARS: Final = ("string", "integer", "number", "boolean")
_BY_FORMAT: Final = {MINOR_UNITS["format"]: MONEY, WATT_HOURS["format"]: ENERGY}
"""Numbers that people type in another unit than the API takes."""


class Suggestion(NamedTuple):
    """A value for a field, and what it is in words."""

    value: str
    words: str = ""


@record
class FormField:
    """A field of a form. `value` is what it shows, `inner` the fields of a group."""

    name: str
    kind: str
    label: str
    help: str = ""
    is_required: bool = False
    is_enforced: bool = False
    """Whether a browser insists on it. It does not in a part of the form that may stay empty as a
    whole."""
    value: str = ""
    example: str = ""
    choices: tuple[str, ...] = ()
    inner: tuple[FormField, ...] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    """HTML attributes that state a limit before it is exceeded: min, max, step, maxlength,
    pattern."""
    problem: str = ""
    offered: tuple[Suggestion, ...] = ()
    """Values that are known to make sense, for people to choose from."""
    twice: tuple[Suggestion, ...] = ()
    """The two times that a time can be which a change of the clock repeats."""
    is_listed: bool = False
    """Whether these are all values that there are, so that one of them is chosen by its words."""

    def asked(self, label: str, words: str = "") -> FormField:
        """Return the field as a page of a task asks for it."""
        return replace(self, label=label, help=words, is_required=True)


def fields_of(endpoint: Endpoint) -> tuple[FormField, ...]:
    """Return the fields of an endpoint: those of its body, then those of its query."""
    fields: list[FormField] = []
    if endpoint.body is not None:
        body = endpoint.body
        if isinstance(body, StructBody):
            schema, components = _struct_schema(body.kind)
        else:
            schema, components = body.schema(lambda kind: _struct_schema(kind)[0]), {}
        for field in _of_object(schema, components, "", is_enforced=True):
            label = OWN_LABELS.get((endpoint.path, field.name))
            fields.append(field if label is None else replace(field, label=_(label)))
    if endpoint.query is not None:
        schema, components = _struct_schema(endpoint.query)
        query = _of_object(schema, components, QUERY, is_enforced=True)
        fields += [field for field in query if field.name not in HIDDEN]
    return tuple(fields)


def leaves(fields: tuple[FormField, ...]) -> Iterator[FormField]:
    """Yield the fields that are filled in."""
    for leaf in fields:
        if leaf.kind in (GROUP, ROWS):
            yield from leaves(leaf.inner)
        else:
            yield leaf


def every(fields: tuple[FormField, ...]) -> Iterator[FormField]:
    """Yield the fields, and what they stand in."""
    for each in fields:
        yield each
        yield from every(each.inner)


def last_name(name: str) -> str:
    """Return the name of a field without those of what it stands in."""
    return name.removeprefix(QUERY).rpartition(".")[2]


def with_rows(
    fields: tuple[FormField, ...], names: Iterable[str], spare: int = 0, least: int = LEAST_ROWS
) -> tuple[FormField, ...]:
    """Return the fields with the rows that these names need, and some empty ones."""
    known = list(names)
    shown: list[FormField] = []
    for each in fields:
        if each.kind == GROUP:
            inner = with_rows(each.inner, known, spare, least)
            shown.append(replace(each, inner=inner))
        elif each.kind == ROWS:
            numbers = _row_numbers(f"{each.name}[", known)
            count = least
            if numbers:
                count = max(least, max(numbers) + 1 + spare)
            rows = [_row(each, number) for number in range(min(count, MOST_ROWS))]
            shown.append(replace(each, inner=tuple(rows)))
        else:
            shown.append(each)
    return tuple(shown)


def _row_numbers(begin: str, names: Iterable[str]) -> list[int]:
    """Return the numbers of the rows that names belong to, which begin as those of a list do."""
    numbers: list[int] = []
    for name in names:
        number = name.removeprefix(begin).partition("]")[0]
        # A browser may send any name: no number of it is so long that it takes time to read.
        is_number = number.isascii() and number.isdecimal() and len(number) <= len(str(MOST_ROWS))
        if name.startswith(begin) and is_number:
            numbers.append(int(number))
    return numbers


def _row(field: FormField, number: int) -> FormField:
    """Return an empty row. The first is filled in like the example, if there must be rows."""
    name = f"{field.name}[{number}]"
    inner = _renamed(field.inner, f"{field.name}[]", name)
    values: dict[str, str] = {}
    if number == 0 and field.is_enforced and field.example:
        for key, value in orjson.loads(field.example)[0].items():
            values[f"{name}.{key}"] = plain(value)
    cells = filled(inner, values, {})
    return FormField(name=name, kind=GROUP, label=str(number + 1), inner=cells)


def _renamed(fields: tuple[FormField, ...], old: str, new: str) -> tuple[FormField, ...]:
    renamed: list[FormField] = []
    for each in fields:
        name = new + each.name.removeprefix(old)
        inner = _renamed(each.inner, old, new)
        renamed.append(replace(each, name=name, inner=inner))
    return tuple(renamed)


def filled(
    fields: tuple[FormField, ...], values: Mapping[str, str], problems: Mapping[str, str]
) -> tuple[FormField, ...]:
    """Return the fields with what was filled in, and what is wrong with it."""
    shown: list[FormField] = []
    for each in fields:
        value = values.get(each.name, each.value)
        problem = problems.get(each.name.removeprefix(QUERY), "")
        inner = filled(each.inner, values, problems)
        shown.append(replace(each, value=value, problem=problem, inner=inner))
    return tuple(shown)


def label_of(name: str) -> str:
    """Return the name of a field in words."""
    return _(english_label(name))


def english_label(name: str) -> str:
    """Return the name of a field in English words, which catalogues have, too."""
    last = last_name(name)
    words = " ".join(_WORDS.findall(last)).lower()
    return LABELS.get(last) or _USUAL.get(last, NO_TEXT).label or capital(words) or last


_USUAL: Final = texts_of(ClientInput)


# From schemas


def _struct_schema(kind: type[msgspec.Struct]) -> tuple[Schema, Schema]:
    (schema,), components = schemas_of([kind], "{name}")
    speak(components, is_form=True)
    return _resolved(schema, components), components


def _resolved(schema: Schema, components: Schema) -> Schema:
    """Return a schema without a reference at its top, and without null among its ways."""
    ways = [way for way in schema.get("anyOf", ()) if way.get("type") != "null"]
    if len(ways) == 1:
        schema = {**schema, **ways[0]}
    if "$ref" in schema:
        schema = {**schema, **components[schema["$ref"]]}
    return schema


def _of_object(
    schema: Schema, components: Schema, prefix: str, *, is_enforced: bool
) -> tuple[FormField, ...]:
    """Return the fields of an object. A browser insists on what is required if the object is."""
    required = schema.get("required", ())
    fields: list[FormField] = []
    for name, member in schema.get("properties", {}).items():
        is_required = name in required
        field = _field(
            f"{prefix}{name}",
            member,
            components,
            is_required=is_required,
            is_enforced=is_required and is_enforced,
        )
        fields.append(field)
    return tuple(fields)


def _field(
    name: str, member: Schema, components: Schema, *, is_required: bool, is_enforced: bool
) -> FormField:
    schema = _resolved(member, components)
    kind = _kind(schema, components, is_nullable="anyOf" in member)
    if kind == DAY and IS_END in schema:
        kind = LAST_DAY
    elif kind == DAY and _may_be_time(schema) and last_name(name) != "since":
        kind = TIME

    default = schema.get("const", schema.get("default"))
    value = ""
    if kind in LISTED_IN_LINES:
        value = "\n".join(map(plain, default or ()))
    elif default is not None and kind not in (PAIRS, JSON, ROWS):
        value = plain(default)
    # How an API writes a time is no example of how a person enters it.
    examples = schema.get("examples") or [""]
    example = "" if kind in DATED else plain(examples[0])
    if kind == PAIRS and examples[0]:
        example = _lines_with_pairs(examples[0])
    # A schema has them by the alphabet.
    choices = [plain(choice) for choice in schema.get("enum", ()) if choice is not None]
    choices.sort(key=[*CHOICES, *choices].index)
    is_asked = name in ASKED

    inner: tuple[FormField, ...] = ()
    if kind == GROUP:
        inner = _of_object(schema, components, f"{name}.", is_enforced=is_enforced)
    elif kind == ROWS:
        # An empty row is left out, so nothing in it is enforced.
        row = _resolved(schema["items"], components)
        inner = _of_object(row, components, f"{name}[].", is_enforced=False)
    return FormField(
        name=name,
        kind=kind,
        label=_(member["label"]) if "label" in member else label_of(name),
        help=_help(schema, kind),
        is_required=is_required or is_asked,
        is_enforced=is_enforced or is_asked,
        value=value,
        example=example,
        choices=tuple(choices),
        inner=inner,
        limits=_limits(schema, kind),
    )


def _help(schema: Schema, kind: str) -> str:
    """Return what the API says about a field, without how a program writes it."""
    if kind == MONEY:
        return ""
    description: str = schema.get("description", "")
    if kind in DATED:
        description = _OF_PROGRAMS.sub("", description)
    before, _word, allotted = description.partition(_LEFT_OUT)
    words = _(before)
    if before and words == before and language() != SOURCE:
        # A catalogue has it as the API's errors do, which begin it with a small letter.
        words = sentence(_(f"{before[:1].lower()}{before[1:].removesuffix('.')}"))
    if not allotted:
        return words
    usual = _("If left out: %(what)s.", what=_(allotted.removesuffix(".")))
    return f"{words} {usual}"


def _kind(schema: Schema, components: Schema, *, is_nullable: bool) -> str:
    items = schema.get("items", {})
    match schema.get("type"):
        case "object" if schema.get("properties"):
            return GROUP
        case "boolean":
            return YES_OR_NO if is_nullable else SWITCH
        case "integer" | "number":
            return _BY_FORMAT.get(schema.get("format", ""), NUMBER)
        case "array":
            return _kind_of_list(_resolved(items, components))
        case "object" if schema.get("additionalProperties") == {"type": "string"}:
            return PAIRS
        case _ if "enum" in schema:
            return CHOICE
        case _ if {way.get("type") for way in schema.get("anyOf", ())} == {"number", "string"}:
            return NUMBER_OR_WORD
        case "string":
            return _kind_of_text(schema)
        case _:
            return JSON


def _kind_of_list(items: Schema) -> str:
    if items.get("properties"):
        return ROWS
    if items.get("type") in ("integer", "number"):
        return NUMBERS
    return LINES if items.get("type") in SCALARS else JSON


def _kind_of_text(schema: Schema) -> str:
    if schema.get("maxLength", 0) > LONGEST_LINE:
        return AREA
    if _may_be_time(schema):
        return DAY
    return {"date-time": TIME, "date": DAY}.get(schema.get("format", ""), TEXT)


def _may_be_time(schema: Schema) -> bool:
    """Whether a text is a day or a time, as whoever gives it likes."""
    return {"format": "date"} in schema.get(DATES, ())


def _limits(schema: Schema, kind: str) -> dict[str, Any]:
    if kind == NUMBER:
        step = schema.get("multipleOf", 1 if schema["type"] == "integer" else "any")
        return {"min": schema.get("minimum"), "max": schema.get("maximum"), "step": step}
    if kind in (MONEY, ENERGY):
        return {"inputmode": "decimal"}
    if kind in (DAY, LAST_DAY):
        return {}

    # The pattern of a schema may match any part of a text; that of HTML must match the whole.
    pattern = schema.get("pattern")
    if pattern is not None and not (pattern.startswith("^") and pattern.endswith("$")):
        pattern = rf"[\s\S]*(?:{pattern})[\s\S]*"
    return {
        "maxlength": schema.get("maxLength"),
        "minlength": schema.get("minLength"),
        "pattern": pattern,
    }


def plain(value: Any) -> str:
    """Return a JSON value as the text of a field."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else orjson.dumps(value).decode()


_STEPS: Final = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


class WrongInput(ValueError):
    """A field that was filled in wrongly: its name, and what to give."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(words)
        self.name = name


def texts(fields: tuple[FormField, ...], content: Any, zone: tzinfo) -> dict[str, str]:
    """Return what the fields show of a JSON object that is to be changed."""
    shown: dict[str, str] = {}
    for leaf in leaves(fields):
        if leaf.name.startswith(QUERY):
            continue
        # The API shows the numbers of some other things as `station_id`, and takes `station`.
        value = content
        for part in leaf.name.split("."):
            members = value if isinstance(value, Mapping) else {}
            value = members.get(part, members.get(f"{part}_id"))
        if value is None:
            continue

        if leaf.kind in LISTED_IN_LINES and isinstance(value, list):
            shown[leaf.name] = "\n".join(map(plain, value))
        elif leaf.kind == PAIRS and isinstance(value, Mapping):
            shown[leaf.name] = _lines_with_pairs(value)
        elif leaf.kind == ENERGY:
            shown[leaf.name] = typed_kwh(value)
        elif leaf.kind in DATED and "T" in value:
            at = datetime.fromisoformat(value)
            if leaf.kind == LAST_DAY:
                # A stretch ends with the day before the one at which the API ends it.
                at -= datetime.resolution
            written = "%Y-%m-%dT%H:%M:%S" if leaf.kind == TIME else "%Y-%m-%d"
            shown[leaf.name] = in_zone(at, zone).strftime(written)
        else:
            shown[leaf.name] = plain(value)
    return shown


def body_of(
    fields: tuple[FormField, ...], values: Mapping[str, str], zone: tzinfo, currency: str
) -> dict[str, Any]:
    """Return the JSON object that a filled-in form makes; money is typed in this currency. Raises
    WrongInput."""
    made: dict[str, Any] = {}
    for leaf in leaves(fields):
        text = values.get(leaf.name, "").strip()
        if leaf.name in ASKED and not text:
            raise WrongInput(leaf.name, _("choose one of these"))
        if leaf.name.startswith(QUERY) or not text:
            continue
        try:
            is_money = leaf.kind == MONEY
            value = minor_of(text, currency) if is_money else _json_of(leaf, text, zone)
        except ValueError as error:
            raise WrongInput(leaf.name, str(error)) from None

        # Rows are numbered, and empty ones left out: they become a list when all are there.
        *outer, last = [int(row) if row else name for name, row in _STEPS.findall(leaf.name)]
        place: dict[Any, Any] = made
        for step in outer:
            place = place.setdefault(step, {})
        place[last] = value
    return {name: _listed(value) for name, value in made.items()}


def _listed(value: Any) -> Any:
    """Return what was made by numbers of rows as a list."""
    if not isinstance(value, dict):
        return value
    if value and all(isinstance(key, int) for key in value):
        return [_listed(value[number]) for number in sorted(value)]
    return {key: _listed(inner) for key, inner in value.items()}


def query_of(fields: tuple[FormField, ...], values: Mapping[str, str]) -> dict[str, str]:
    """Return the query parameters that a filled-in form makes."""
    query: dict[str, str] = {}
    for leaf in leaves(fields):
        value = values.get(leaf.name, "").strip()
        if value and leaf.name.startswith(QUERY):
            query[leaf.name.removeprefix(QUERY)] = value
    return query


# One field


WHICH: Final = "~which"
"""The end of the name of the field that says which of two equal times is meant."""


def with_twice(fields: tuple[FormField, ...], zone: tzinfo) -> tuple[FormField, ...]:
    """Return the fields; those with a time that a change of the clock repeats say which of both it
    can be."""
    shown: list[FormField] = []
    words = (N_("the first time (%(zone)s)"), N_("the second time (%(zone)s)"))
    for each in fields:
        twice: list[Suggestion] = []
        both = _both(each.value, zone) if each.kind == TIME else None
        if both is not None and _offset(both[0]) > _offset(both[1]):
            for number, (meant, at) in enumerate(zip(words, both, strict=True)):
                twice.append(Suggestion(str(number), _(meant, zone=at.tzname())))
        inner = with_twice(each.inner, zone)
        shown.append(replace(each, twice=tuple(twice), inner=inner))
    return tuple(shown)


def _both(text: str, zone: tzinfo) -> tuple[datetime, datetime] | None:
    """Return the two moments that a local time may mean, mostly the same; None for what is no local
    time."""
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        return None
    if local.tzinfo is not None:
        return None
    return local.replace(tzinfo=zone), local.replace(tzinfo=zone, fold=1)


def _offset(local: datetime) -> timedelta:
    return local.utcoffset() or timedelta()


def in_order(
    fields: tuple[FormField, ...], values: Mapping[str, str], zone: tzinfo
) -> Mapping[str, str]:
    """Return what was filled in, local times that a change of the clock repeats with their offset.
    Raises WrongInput if it does not say which of both is meant, or for one that the clock left
    out."""
    made = dict(values)
    for leaf in leaves(fields):
        text = values.get(leaf.name, "").strip()
        both = _both(text, zone) if leaf.kind == TIME else None
        if both is None:
            continue
        first, second = both
        if _offset(first) < _offset(second):
            words = _("the clock was put forward, so there is no such time on that day")
            raise WrongInput(leaf.name, words)
        if _offset(first) > _offset(second):
            which = values.get(f"{leaf.name}{WHICH}", "")
            if which not in ("0", "1"):
                words = _("the clock was put back, so this time came twice: choose which")
                raise WrongInput(leaf.name, words)
            made[leaf.name] = (second if which == "1" else first).isoformat()
    return made


def _json_of(field: FormField, text: str, zone: tzinfo) -> Any:
    """Return the JSON value of what was filled in. Raises ValueError with what to give."""
    match field.kind:
        case "switch" | "yes or no":
            return text == "true"
        case "lines" | "numbers" | "pairs":
            return _read_lines(field, text)
        case "area":
            return "\n".join(text.splitlines())
        case "energy":
            return wh_of(text)
        case "time":
            try:
                given = datetime.fromisoformat(text)
                local = given if given.tzinfo else given.replace(tzinfo=zone)
                return stamp(local.replace(tzinfo=UTC) - _offset(local))
            except (ValueError, OverflowError):
                raise ValueError(_("give a date and a time")) from None
        case "last-day":
            return day_after(text)
        case "number" | "number-or-word" | "json":
            return _read(field, text)
        case _:
            return text


def day_after(text: str) -> str:
    """Return the day after the last one, with which the API ends a stretch."""
    try:
        return str(date.fromisoformat(text) + timedelta(days=1))
    except (ValueError, OverflowError):
        raise ValueError(_("give a day")) from None


def _lines_with_pairs(pairs: Mapping[str, str]) -> str:
    return "\n".join(f"{name} = {value}" for name, value in pairs.items())


def _read_lines(field: FormField, text: str) -> Any:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if field.kind == NUMBERS:
        return [_read(field, line) for line in lines]
    if field.kind == LINES:
        return lines
    pairs = [line.partition("=") for line in lines]
    if not all(sign for _name, sign, _value in pairs):
        raise ValueError(_("give a name, =, and a value in each line"))
    return {name.strip(): value.strip() for name, _sign, value in pairs}


def _read(field: FormField, text: str) -> Any:
    problem = N_("this is not JSON")
    if field.kind != JSON:
        problem = N_("give a number")
        number = typed_number(text)
        if number is not None:
            return int(number) if number == number.to_integral_value() else float(number)
    if field.kind == NUMBER_OR_WORD:
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ValueError(_(problem)) from None
