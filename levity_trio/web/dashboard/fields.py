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
from levity_trio.records import record
from levity_trio.web.api.engine.bodies import MINOR_UNITS, WATT_HOURS, Body, StructBody, schemas_of
from levity_trio.web.api.engine.endpoints import Endpoint
from levity_trio.web.dashboard.money import minor_of
from levity_trio.web.dashboard.shapes import typed_kwh, wh_of
from levity_trio.web.dashboard.words import sentence
from levity_trio.wire.times import in_zone, stamp

Schema = Mapping[str, Any]
GROUP, ROWS, TEXT, AREA, NUMBER, MONEY, ENERGY = (
    "group",
    "rows",
    "text",
    "area",
    "number",
    "money",
    "energy",
)
CHOICE, SWITCH, YES_OR_NO, LINES, JSON = "choice", "switch", "yes or no", "lines", "json"
TIME, DAY, LAST_DAY = "time", "day", "last-day"
DATED: Final = (TIME, DAY, LAST_DAY)
LONGEST_LINE: Final = 500
"""A text that may have more characters may have several lines."""
QUERY: Final = "?"
LABELS: Final[Mapping[str, str]] = N_(
    {
        "connectorId": "Connector",
        "idTag": "Card",
        "tag": "Card",
        "transactionId": "Session",
        "id_tag": "Card",
        "figure_wh": "Energy (kWh)",
        "total_wh": "Together (kWh)",
        "meter_start_wh": "Meter at the start (kWh)",
        "meter_stop_wh": "Meter at the end (kWh)",
        "start_time": "Began",
        "stop_time": "Ended",
        "transaction": "Session",
        "account": "Household",
        "site": "For the whole site",
        "parent_id_tag": "Group (parent card)",
        "max_transactions": "Sessions at once, at most",
        "expires_at": "Last day on which it may charge",
        "until": "Last day",
        "card": "Card",
        "car": "Car",
        "exclusive": "For this household only",
        "driver": "Name for the log-in",
        "invite": "How the driver is invited",
        "cards": "Its cards",
        "force": "Do it although a session is running",
        "correct_statements": "Correct statements that are closed already",
        "deadline": "Wait for an absent charger (seconds)",
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
        "duration": "Duration (seconds)",
        "requestedMessage": "Message",
        "retrieveDate": "Not before",
        "retries": "Tries",
        "retryInterval": "Seconds between tries",
        "listVersion": "Version",
        "updateType": "Whole list or changes",
        "localAuthorizationList": "Cards",
        "idTagInfo": "What it may do",
        "max_a": "Maximum current (A)",
        "battery_kwh": "Battery (kWh)",
        "chargers": "Only at these chargers (one a line)",
        "everywhere": "Works at every space, even at those of other households",
        "month_wh": "At most in a month (kWh)",
        "wanted_wh": "Energy you want by then (kWh)",
        "departure": "When you leave",
        "month_amount": "Cost at most in a month",
        "toml": "The tariff as TOML",
        "max_kw": "Maximum power (kW)",
        "free_below_wh": "A session is free below (kWh)",
        "mail": "Mail address",
        "away_minutes": "A charger is away after (minutes)",
        "quiet_from": "Quiet from",
        "quiet_until": "Quiet until",
        "with_names": "Messages name households",
        "gets_statements": "Closed statements come by mail",
        "way": "What is tested",
        "to": "To this address",
        "is_trusted": "Trusted without a trial",
        "topic": "Publishes on this topic of MQTT",
        "most": "What one charger can draw (A per phase)",
    }
)
"""Labels of fields whose names do not say it in words of people."""
OWN_LABELS: Final[Mapping[tuple[str, str], str]] = N_(
    {
        ("/api/admin/chargers/{id}/reset", "type"): "How",
        ("/api/admin/chargers/{id}/change-availability", "type"): "From now on",
        ("/api/admin/chargers/{id}/connectors/{connector}", "type"): "Plug",
        ("/api/admin/load/site", "toml"): "The site",
        ("/api/admin/meters", "path"): "Place in its JSON",
        ("/api/admin/meters", "unit"): "Unit of what it publishes",
        ("/api/admin/meters/{id}", "path"): "Place in its JSON",
        ("/api/admin/meters/{id}", "unit"): "Unit of what it publishes",
    }
)
"""Labels of fields whose name says something else in each request."""
CHOICES: Final[Mapping[str, str]] = N_(
    {
        "Soft": "Soft: ends sessions, then restarts the program",
        "Hard": "Hard: like switching it off and on",
        "Operative": "Operative: in use",
        "Inoperative": "Inoperative: out of use",
    }
)
"""What OCPP's own words mean that people choose from."""
RARE: Final[Mapping[str, frozenset[str]]] = {
    "/api/admin/chargers": frozenset({"vendor", "model"}),  # the charger tells them itself
    **dict.fromkeys(
        ("/api/admin/meters", "/api/admin/meters/{id}"), frozenset({"topic", "path", "unit"})
    ),
    "/api/admin/load/site": frozenset({"feeder"}),
    "/api/admin/accounts/{id}/give": frozenset({"connector", "until", "reason", "name"}),
    "/api/admin/id-tags": frozenset({"expires_at", "parent_id_tag", "max_transactions", "notes"}),
}
"""Fields that few people need, by the paths of requests: their forms show them on demand."""
HIDDEN: Final = frozenset({"?errors", "?timeout"})
"""Parameters for programs."""
_WORDS: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_LEFT_OUT: Final = " If left out: "
_OF_PROGRAMS: Final = re.compile(
    r"(?:A (?:date and a )?(?:time|day) such as|From when on it is Expired:) [^.]*\.\s*"
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
    body = (
        _of_object(*_body_schema(endpoint.body), "", is_enforced=True)
        if endpoint.body is not None
        else ()
    )
    query = (
        _of_object(*_struct_schema(endpoint.query), QUERY, is_enforced=True)
        if endpoint.query is not None
        else ()
    )
    named = (
        replace(one, label=_(OWN_LABELS[endpoint.path, one.name]))
        if (endpoint.path, one.name) in OWN_LABELS
        else one
        for one in body
    )
    return (*named, *(one for one in query if one.name not in HIDDEN))


def leaves(fields: tuple[FormField, ...]) -> Iterator[FormField]:
    """Yield the fields that are filled in."""
    for leaf in fields:
        if leaf.kind in (GROUP, ROWS):
            yield from leaves(leaf.inner)
        else:
            yield leaf


def every(fields: tuple[FormField, ...]) -> Iterator[FormField]:
    """Yield the fields, and what they stand in."""
    for one in fields:
        yield one
        yield from every(one.inner)


def last_name(name: str) -> str:
    """Return the name of a field without those of what it stands in."""
    return name.removeprefix(QUERY).rpartition(".")[2]


def with_rows(
    fields: tuple[FormField, ...], names: Iterable[str], spare: int = 0, least: int = LEAST_ROWS
) -> tuple[FormField, ...]:
    """Return the fields with the rows that these names need, and some empty ones."""
    given = list(names)
    return tuple(_with_rows(one, given, spare, least) for one in fields)


def _with_rows(field: FormField, names: Sequence[str], spare: int, least: int) -> FormField:
    if field.kind == GROUP:
        return replace(field, inner=with_rows(field.inner, names, spare, least))
    if field.kind != ROWS:
        return field
    begin = f"{field.name}["
    found = [int(name[len(begin) :].partition("]")[0]) for name in names if _is_row(name, begin)]
    count = min(
        max(least, *(number + 1 + spare for number in found)) if found else least, MOST_ROWS
    )
    return replace(field, inner=tuple(_row(field, number) for number in range(count)))


def _is_row(name: str, begin: str) -> bool:
    number = name[len(begin) :].partition("]")[0]
    return (
        name.startswith(begin)
        and number.isascii()
        and number.isdecimal()
        and len(number) <= len(str(MOST_ROWS))
    )


def _row(field: FormField, number: int) -> FormField:
    """Return an empty row. The first is filled in like the example, if there must be rows."""
    name = f"{field.name}[{number}]"
    inner = _renamed(field.inner, f"{field.name}[]", name)
    usual = (
        orjson.loads(field.example)[0]
        if number == 0 and field.is_enforced and field.example
        else {}
    )
    values = {f"{name}.{key}": plain(value) for key, value in usual.items()}
    return FormField(name=name, kind=GROUP, label=str(number + 1), inner=filled(inner, values, {}))


def _renamed(fields: tuple[FormField, ...], old: str, new: str) -> tuple[FormField, ...]:
    return tuple(
        replace(one, name=new + one.name.removeprefix(old), inner=_renamed(one.inner, old, new))
        for one in fields
    )


def filled(
    fields: tuple[FormField, ...], values: Mapping[str, str], problems: Mapping[str, str]
) -> tuple[FormField, ...]:
    """Return the fields with what was filled in, and what is wrong with it."""
    return tuple(
        replace(
            one,
            value=values.get(one.name, one.value),
            problem=problems.get(one.name.removeprefix(QUERY), ""),
            inner=filled(one.inner, values, problems),
        )
        for one in fields
    )


def label_of(name: str) -> str:
    """Return the name of a field in words."""
    return _(english_label(name))


def english_label(name: str) -> str:
    """Return the name of a field in English words, which catalogues have, too."""
    last = last_name(name)
    words = " ".join(_WORDS.findall(last)).lower()
    return LABELS.get(last) or (words[:1].upper() + words[1:]) or last


# From schemas


def _body_schema(body: Body) -> tuple[Schema, Schema]:
    """Return the schema of a body, and those that it refers to."""
    if isinstance(body, StructBody):
        return _struct_schema(body.kind)
    return body.schema(lambda kind: _struct_schema(kind)[0]), {}


def _struct_schema(kind: type[msgspec.Struct]) -> tuple[Schema, Schema]:
    (schema,), components = schemas_of([kind], "{name}")
    return _resolved(schema, components), components


def _resolved(schema: Schema, components: Schema) -> Schema:
    """Return a schema without a reference at its top, and without null among its ways."""
    ways = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if len(ways) == 1:
        schema = {**schema, **ways[0]}
    return {**schema, **components[schema["$ref"]]} if "$ref" in schema else schema


def _of_object(
    schema: Schema, components: Schema, prefix: str, *, is_enforced: bool
) -> tuple[FormField, ...]:
    required = schema.get("required", ())
    return tuple(
        _field(
            f"{prefix}{name}",
            one,
            components,
            is_required=name in required,
            is_enforced=is_enforced,
        )
        for name, one in schema.get("properties", {}).items()
    )


def _field(
    name: str, given: Schema, components: Schema, *, is_required: bool, is_enforced: bool
) -> FormField:
    schema = _resolved(given, components)
    kind = _kind(schema, components, is_nullable="anyOf" in given)
    if kind == DAY and DATES in schema and last_name(name) != "since":
        kind = LAST_DAY if IS_END in schema else TIME
    examples = schema.get("examples") or [""]
    default = schema.get("const", schema.get("default"))
    return FormField(
        name=name,
        kind=kind,
        label=label_of(name),
        help=_help(schema, kind),
        is_required=is_required,
        is_enforced=is_required and is_enforced,
        value="" if default is None or kind in (JSON, ROWS) else plain(default),
        example="" if kind in (TIME, DAY, LAST_DAY) else plain(examples[0]),
        choices=tuple(plain(one) for one in schema.get("enum", ()) if one is not None),
        inner=_inner(name, schema, components, kind, is_enforced=is_required and is_enforced),
        limits=_limits(schema, kind),
    )


def _help(schema: Schema, kind: str) -> str:
    """Return what the API says about a field, without how a program writes it."""
    words: str = schema.get("description", "")
    if kind == MONEY:
        return ""
    before, _word, allotted = (_OF_PROGRAMS.sub("", words) if kind in DATED else words).partition(
        _LEFT_OUT
    )
    told = _(before)
    if before and told == before and language() != SOURCE:  # the API begins it with a capital
        told = sentence(_(f"{before[:1].lower()}{before[1:].removesuffix('.')}"))
    return (
        f"{told} {_('If left out: %(what)s.', what=_(allotted.removesuffix('.')))}"
        if allotted
        else told
    )


def _inner(
    name: str, schema: Schema, components: Schema, kind: str, *, is_enforced: bool
) -> tuple[FormField, ...]:
    if kind == GROUP:
        return _of_object(schema, components, f"{name}.", is_enforced=is_enforced)
    if kind == ROWS:
        return _of_object(
            _resolved(schema["items"], components), components, f"{name}[].", is_enforced=False
        )
    return ()


def _kind(schema: Schema, components: Schema, *, is_nullable: bool) -> str:
    match schema.get("type"):
        case "object" if schema.get("properties"):
            return GROUP
        case "boolean":
            return YES_OR_NO if is_nullable else SWITCH
        case "array" if _resolved(schema.get("items", {}), components).get("properties"):
            return ROWS
        case "integer" | "number":
            return _BY_FORMAT.get(schema.get("format", ""), NUMBER)
        case "array" if schema.get("items", {}).get("type") in SCALARS:
            return LINES
        case "string" if "enum" not in schema:
            return _kind_of_text(schema)
        case _:
            return CHOICE if "enum" in schema else TEXT if schema.get("type") == "string" else JSON


def _kind_of_text(schema: Schema) -> str:
    if schema.get("maxLength", 0) > LONGEST_LINE:
        return AREA
    is_date = {"format": "date"} in schema.get(DATES, ())
    return DAY if is_date else {"date-time": TIME, "date": DAY}.get(schema.get("format", ""), TEXT)


def _limits(schema: Schema, kind: str) -> dict[str, Any]:
    if kind == NUMBER:
        step = schema.get("multipleOf", 1 if schema["type"] == "integer" else "any")
        return {"min": schema.get("minimum"), "max": schema.get("maximum"), "step": step}
    if kind in (MONEY, ENERGY):
        return {"inputmode": "decimal"}
    if kind in (DAY, LAST_DAY):
        return {}
    return {
        "maxlength": schema.get("maxLength"),
        "minlength": schema.get("minLength"),
        "pattern": _of_whole(schema.get("pattern")),
    }


def _of_whole(pattern: str | None) -> str | None:
    """Return a schema's pattern, which any part of a text may match, as HTML's, which the whole
    text must."""
    if pattern is None or (pattern.startswith("^") and pattern.endswith("$")):
        return pattern
    return rf"[\s\S]*(?:{pattern})[\s\S]*"


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
    named = [
        (one, _content_at(content, one.name))
        for one in leaves(fields)
        if not one.name.startswith(QUERY)
    ]
    return {one.name: _shown_of(one, value, zone) for one, value in named if value is not None}


def body_of(
    fields: tuple[FormField, ...], values: Mapping[str, str], zone: tzinfo, currency: str
) -> dict[str, Any]:
    """Return the JSON object that a filled-in form makes; money is typed in this currency. Raises
    WrongInput."""
    made: dict[str, Any] = {}
    for leaf in leaves(fields):
        text = values.get(leaf.name, "").strip()
        if leaf.name.startswith(QUERY) or not text:
            continue
        *outer, last = [int(row) if row else name for name, row in _STEPS.findall(leaf.name)]
        place: dict[Any, Any] = made
        for step in outer:
            place = place.setdefault(step, {})
        try:
            place[last] = (
                minor_of(text, currency) if leaf.kind == MONEY else _json_of(leaf, text, zone)
            )
        except ValueError as error:
            raise WrongInput(leaf.name, str(error)) from None
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
    names = [one.name for one in leaves(fields) if one.name.startswith(QUERY)]
    return {name[1:]: values[name].strip() for name in names if values.get(name, "").strip()}


# One field


WHICH: Final = "~which"
"""The end of the name of the field that says which of two equal times is meant."""


def with_twice(fields: tuple[FormField, ...], zone: tzinfo) -> tuple[FormField, ...]:
    """Return the fields; those with a time that a change of the clock repeats say which of both it
    can be."""
    return tuple(
        replace(
            one,
            twice=_twice(one.value, zone) if one.kind == TIME else (),
            inner=with_twice(one.inner, zone),
        )
        for one in fields
    )


def _twice(text: str, zone: tzinfo) -> tuple[Suggestion, ...]:
    both = _both(text, zone)
    words = (N_("the first time (%(zone)s)"), N_("the second time (%(zone)s)"))
    if both is None or (both[0].utcoffset() or timedelta()) <= (both[1].utcoffset() or timedelta()):
        return ()
    return tuple(
        Suggestion(str(number), _(told, zone=at.tzname()))
        for number, (told, at) in enumerate(zip(words, both, strict=True))
    )


def _both(text: str, zone: tzinfo) -> tuple[datetime, datetime] | None:
    """Return the two moments that a local time may mean, mostly the same; None for what is no local
    time."""
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (
        None
        if local.tzinfo is not None
        else (local.replace(tzinfo=zone), local.replace(tzinfo=zone, fold=1))
    )


def in_order(
    fields: tuple[FormField, ...], values: Mapping[str, str], zone: tzinfo
) -> Mapping[str, str]:
    """Return what was filled in, local times that a change of the clock repeats with their offset.
    Raises WrongInput if it does not say which of both is meant, or for one that the clock left
    out."""
    made = dict(values)
    for name in (
        one.name for one in leaves(fields) if one.kind == TIME and values.get(one.name, "").strip()
    ):
        first, second = _both(values[name].strip(), zone) or (None, None)
        if first is None or second is None or first.utcoffset() == second.utcoffset():
            continue
        if (first.utcoffset() or timedelta()) < (second.utcoffset() or timedelta()):
            raise WrongInput(
                name, _("the clock was put forward, so there is no such time on that day")
            )
        which = values.get(f"{name}{WHICH}", "")
        if which not in ("0", "1"):
            raise WrongInput(
                name, _("the clock was put back, so this time came twice: choose which")
            )
        made[name] = (second if which == "1" else first).isoformat()
    return made


def _content_at(content: Any, name: str) -> Any:
    """Return what a field is about; the API shows some numbers of other things as `station_id` and
    takes `station`."""
    for part in name.split("."):
        content = (
            content.get(part, content.get(f"{part}_id")) if isinstance(content, Mapping) else None
        )
    return content


def _shown_of(field: FormField, value: Any, zone: tzinfo) -> str:
    if field.kind == LINES and isinstance(value, list):
        return "\n".join(map(plain, value))
    if field.kind == ENERGY:
        return typed_kwh(value)
    if field.kind in (TIME, DAY, LAST_DAY) and "T" in value:
        written = "%Y-%m-%dT%H:%M:%S" if field.kind == TIME else "%Y-%m-%d"
        back = datetime.resolution if field.kind == LAST_DAY else timedelta()
        return in_zone(datetime.fromisoformat(value) - back, zone).strftime(written)
    return plain(value)


def _json_of(field: FormField, text: str, zone: tzinfo) -> Any:
    """Return the JSON value of what was filled in. Raises ValueError with what to give."""
    match field.kind:
        case "switch" | "yes or no":
            return text == "true"
        case "lines":
            return [line.strip() for line in text.splitlines() if line.strip()]
        case "area":
            return "\n".join(text.splitlines())
        case "energy":
            return wh_of(text)
        case "time":
            return _moment(text, zone)
        case "last-day":
            return day_after(text)
        case "number" | "json":
            return _read(field, text)
        case _:
            return text


def _moment(text: str, zone: tzinfo) -> str:
    try:
        given = datetime.fromisoformat(text)
        local = given if given.tzinfo else given.replace(tzinfo=zone)
        return stamp(local.replace(tzinfo=UTC) - (local.utcoffset() or timedelta()))
    except (ValueError, OverflowError):
        raise ValueError(_("give a date and a time")) from None


def day_after(text: str) -> str:
    """Return the day after the last one, with which the API ends a stretch."""
    try:
        return str(date.fromisoformat(text) + timedelta(days=1))
    except (ValueError, OverflowError):
        raise ValueError(_("give a day")) from None


def _read(field: FormField, text: str) -> Any:
    number = typed_number(text) if field.kind == NUMBER else None
    if number is not None:
        return int(number) if number == number.to_integral_value() else float(number)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ValueError(
            _("give a number") if field.kind == NUMBER else _("this is not JSON")
        ) from None
