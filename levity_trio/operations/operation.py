"""The declaration of an operation, and what follows from it for one payload.

Fields of OCPP payloads and the kinds of their values: each checks JSON, reads text of a shell,
describes itself.

They refuse what the schemas of OCPP forbid, and nothing else: a limit that only the text of the
specification states is a warning. Integers are bounded to ±2^53, the range in which all JSON
parsers agree (wire/schemas.py).

What came of an operation: "Accepted" is only a charger's intention.

Each declaration has an OutcomeRule: a function that looks for the facts that fulfil or contradict
it, the kinds of facts that this function reads, and until when. The rules are pure functions of
stored facts, so a restarted server follows on.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from math import isfinite
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from levity_trio.operations.answers import status_of
from levity_trio.operations.seen import Seen
from levity_trio.records import record
from levity_trio.told import Moment, Told
from levity_trio.wire import configuration
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
        if type(value) is not int or abs(value) > MAX_NUMBER:
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


class KnownConnector(NamedTuple):
    """A connector with its last status. `current_type` is AC or DC, None if the operator has not
    told it."""

    number: int
    status: str
    current_type: str | None = None


class OpenTransaction(NamedTuple):
    """A transaction that has not ended; its connector and tag may be unknown."""

    id: int
    connector: int | None
    id_tag: str | None


class ReservationInForce(NamedTuple):
    """A reservation that is in force. `members` are the tags of its group."""

    id: int
    connector: int
    id_tag: str
    parent_id_tag: str | None = None
    members: tuple[str, ...] = ()


@record
class Situation:
    """A charger at one moment.

    `connectors` does not contain connector 0. `configuration` has the values as last read,
    `read_only` the keys that the charger says are read-only. `list_version` is that of the local
    list, None if it is unknown. `is_managed`: load management limits it.
    """

    now: datetime
    is_connected: bool = True
    firmware: str | None = None
    connectors: tuple[KnownConnector, ...] = ()
    transactions: tuple[OpenTransaction, ...] = ()
    reservations: tuple[ReservationInForce, ...] = ()
    configuration: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    read_only: frozenset[str] = frozenset()
    list_version: int | None = None
    is_managed: bool = False

    def connector(self, number: int) -> KnownConnector | None:
        """Return a known connector."""
        return next(
            (connector for connector in self.connectors if connector.number == number), None
        )

    def transaction_on(self, connector: int) -> OpenTransaction | None:
        """Return the open transaction of a connector."""
        return next(
            (open_one for open_one in self.transactions if open_one.connector == connector), None
        )

    def number(self, key: str) -> int | None:
        """Return a configuration value that is a whole number, None if it is unknown or something
        else."""
        return configuration.number(self.configuration, key)

    def words(self, key: str) -> frozenset[str]:
        """Return the words of a configuration value that is a list with commas; empty if it is
        unknown."""
        return frozenset(configuration.words(self.configuration, key))

    def is_false(self, key: str) -> bool:
        """Whether a configuration value is known to be false."""
        return (self.configuration.get(key) or "").strip().casefold() == "false"


def only_transaction(situation: Situation) -> int:
    """Return the id of the only open transaction. Raises FieldProblem if there is none, or more
    than one."""
    open_ones = situation.transactions
    if len(open_ones) == 1:
        return open_ones[0].id
    ids = ", ".join(str(one.id) for one in open_ones)
    words = Told("is missing, and no session is open: give its id")
    if open_ones:
        words = Told("is missing, and {1} sessions are open: give one of {2}", len(open_ones), ids)
    raise FieldProblem("transactionId", words)


Payload = Mapping[str, Any]
Warner = Callable[[Payload, Situation], Iterator[str]]

SECURITY_KEYS: Final = frozenset(
    {"authorizationkey", "securityprofile", "cponame", "additionalrootcertificatecheck"}
)
"""Keys of the configuration that only an admin changes (A §4), beside those named like a secret; in
lower case."""
SECRET_WORDS: Final = ("password", "secret", "token", "authorizationkey")


class OperationRole(StrEnum):
    """Who may ask for an operation; an admin may do all that an operator may."""

    OPERATOR = "operator"
    ADMIN = "admin"


class FeatureProfile(StrEnum):
    """The word of SupportedFeatureProfiles (§9.1.26). The security extension has none."""

    CORE = "Core"
    FIRMWARE = "FirmwareManagement"
    LOCAL_LIST = "LocalAuthListManagement"
    RESERVATION = "Reservation"
    SMART_CHARGING = "SmartCharging"
    TRIGGER = "RemoteTrigger"
    SECURITY = "Security"


NO_FIELDS: Final = Object()


def no_warnings(payload: Payload, situation: Situation) -> Iterator[str]:  # noqa: ARG001 - a Warner
    """Most operations need no warning of their own."""
    return iter(())


@record
class Operation:
    """One CALL to a charger. `path` is the end of its HTTP route, `section` where OCPP defines it.

    `stored` says what is kept beside the command, for people; `outcome` is None where the answer
    says it all.
    """

    action: str
    path: str
    section: str
    feature_profile: FeatureProfile
    summary: str
    payload: Object = NO_FIELDS
    role: OperationRole = OperationRole.OPERATOR
    needs_force_under_transaction: bool = False
    warner: Warner = no_warnings
    outcome: OutcomeRule | None = None
    stored: str = ""

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields of the payload."""
        return self.payload.fields

    def warn(self, payload: Payload, situation: Situation) -> list[str]:
        """Return why the charger may not do what is asked for. It is sent all the same."""
        warnings: list[str] = []
        supported = situation.words("SupportedFeatureProfiles")
        profile = self.feature_profile
        # The word of the security extension is in no list.
        if supported and profile is not FeatureProfile.SECURITY and profile not in supported:
            missing = Told("the charger does not list {1} in SupportedFeatureProfiles", profile)
            warnings.append(missing)
        warnings.extend(self.warner(payload, situation))
        return warnings


def check(operation: Operation, values: object) -> dict[str, Any]:
    """Return the payload to be sent, from values as parsed from JSON.

    Values that the server allots may be left out (`left_out`). Raises FieldProblem with the first
    fault.
    """
    return operation.payload.check(values, "")


class LeftOut(NamedTuple):
    """A value that the server has to fill in: the names that lead to it, and which value it is."""

    path: tuple[str, ...]
    allotted: Allotted


def left_out(operation: Operation, payload: Payload) -> list[LeftOut]:
    """Return the values that a checked payload leaves to the server."""
    return [*_left_out(operation.payload, payload, ())]


def as_declared(operation: Operation, values: object) -> dict[str, Any] | None:
    """Return the payload of a command as it is declared; None for one that was sent raw and is
    not."""
    try:
        payload = check(operation, values)
    except FieldProblem:
        return None
    return None if left_out(operation, payload) else payload


def _left_out(kind: Object, payload: Payload, path: tuple[str, ...]) -> Iterator[LeftOut]:
    for field in kind.fields:
        if isinstance(field.kind, Object) and (field.name in payload or field.required):
            yield from _left_out(field.kind, payload.get(field.name, {}), (*path, field.name))
        elif field.allotted and field.name not in payload:
            yield LeftOut((*path, field.name), field.allotted)


def filled(payload: Payload, path: tuple[str, ...], value: object) -> dict[str, Any]:
    """Return a copy of the payload with a value that was left out, or instead of another one."""
    name, *rest = path
    if rest:
        value = filled(payload.get(name, {}), tuple(rest), value)
    return {**payload, name: value}


def transactions_in_the_way(
    operation: Operation, payload: Payload, situation: Situation
) -> list[OpenTransaction]:
    """Return the open transactions because of which the operation is refused without force.

    A connector can be unlocked while another one charges.
    """
    if not operation.needs_force_under_transaction:
        return []
    connector = payload.get("connectorId")
    if connector is None:
        return list(situation.transactions)
    # Where a transaction is, may not be known.
    return [
        transaction
        for transaction in situation.transactions
        if transaction.connector in (None, connector)
    ]


def is_followed(operation: Operation, state: str) -> bool:
    """Whether a command in this state has an outcome to follow: its charger may have obeyed it."""
    return operation.outcome is not None and state in MAY_HAVE_ARRIVED


def role_for(operation: Operation, payload: Payload) -> OperationRole:
    """Return who may send this payload: security keys of a configuration are an admin's."""
    if operation.action == "ChangeConfiguration":
        key = str(payload.get("key", "")).casefold()
        if key.strip() in SECURITY_KEYS or any(word in key for word in SECRET_WORDS):
            return OperationRole.ADMIN
    return operation.role


def example(operation: Operation) -> dict[str, Any]:
    """Return a payload made of the examples of the required fields, and of those optional ones that
    have one."""
    return _example(operation.payload)


def _example(kind: Object) -> dict[str, Any]:
    example: dict[str, Any] = {}
    for field in kind.fields:
        if field.example is not None:
            example[field.name] = field.example
        elif field.required and isinstance(field.kind, Object):
            example[field.name] = _example(field.kind)
    return example


USUAL: Final = timedelta(seconds=120)
"""How long a charger may take for what it can do at once."""
TRANSFER: Final = timedelta(hours=24)
"""How long a transfer of a file may take, as long as the file's URL is valid, by which
whoever learns it gets the file."""
MAY_HAVE_ARRIVED: Final = frozenset({"sent", "accepted", "timed out", "gone"})
"""States of a command whose CALL the charger may have obeyed: an answer may also be lost, or
late."""


class OutcomeState(StrEnum):
    """What is known of the outcome."""

    PENDING = "pending"
    FULFILLED = "fulfilled"
    CONTRADICTED = "contradicted"
    NOT_SEEN = "not seen"


@record
class SentCommand:
    """A command that may have reached its charger, with a payload that `check` accepted: a raw call
    has no outcome.

    `answered_at` and `answer` are None while there is no CALLRESULT. The rest is what was known
    when the command was sent: `firmware` the charger's version, `statuses` by connector,
    `connector` the one concerned where the payload does not name it (that of a reservation or
    transaction), `transaction_began_at` of a transaction that a profile is for,
    `connection_timeout` the value of ConnectionTimeOut, `expects_file` whether the charger was
    given a URL of ours to send a file to.
    """

    action: str
    payload: Mapping[str, Any]
    sent_at: datetime
    answered_at: datetime | None = None
    answer: Mapping[str, Any] | None = None
    firmware: str | None = None
    statuses: Mapping[int, str] = dataclasses.field(default_factory=dict)
    connector: int | None = None
    transaction_began_at: datetime | None = None
    connection_timeout: timedelta | None = None
    expects_file: bool = False
    later: Mapping[str, datetime] = dataclasses.field(default_factory=dict)
    """When the first transfer after this one was sent, by action, unless the charger refused it."""

    @property
    def since(self) -> datetime:
        """The time from which the charger has to act: that of its answer, else that of sending."""
        return self.answered_at or self.sent_at

    @property
    def status(self) -> str | None:
        """The status of the answer."""
        return status_of(self.answer)


class OperationOutcome(NamedTuple):
    """What came of a command: `words` for people, the time of the deciding fact, its
    transaction."""

    state: OutcomeState
    words: str
    at: datetime | None = None
    transaction: int | None = None


Judge = Callable[[SentCommand, Sequence[Seen], bool], OperationOutcome | None]
"""Look at the facts since sending, in order of time. True means that the deadline has passed: last
chance to decide."""
Until = Callable[[SentCommand], datetime | None]


def usually(sent: SentCommand) -> datetime | None:
    """Wait for what the charger can do at once."""
    return sent.since + USUAL


class OutcomeRule(NamedTuple):
    """How an outcome is followed. `words` is for the manual; `until` returns None where there is no
    deadline."""

    words: str
    judge: Judge
    reads: tuple[type[Seen], ...]
    until: Until = usually


def follow(
    rule: OutcomeRule, sent: SentCommand, facts: Sequence[Seen], now: datetime
) -> OperationOutcome:
    """Return the outcome of a command as known at `now`.

    Facts may be in any order; those before the sending or after the deadline are ignored. It
    depends on its arguments alone, so that it may be asked again after each new fact, after a late
    answer and after a restart.
    """
    until = rule.until(sent)
    is_over = until is not None and now >= until
    known = [fact for fact in facts if sent.sent_at <= fact.at]
    if until is not None:
        known = [fact for fact in known if fact.at <= until]
    known.sort(key=lambda fact: fact.at)
    outcome = rule.judge(sent, known, is_over)
    if outcome is not None:
        return outcome
    if until is None or not is_over:
        return PENDING
    return OperationOutcome(
        OutcomeState.NOT_SEEN, Told("not seen until {1}", Moment(wire_time(until)))
    )


PENDING: Final = OperationOutcome(OutcomeState.PENDING, Told("not seen yet"))


def fulfilled(words: str, at: datetime | None, transaction: int | None = None) -> OperationOutcome:
    """Return an outcome that agrees with what was asked for."""
    return OperationOutcome(OutcomeState.FULFILLED, words, at, transaction)


def contradicted(
    words: str, at: datetime | None, transaction: int | None = None
) -> OperationOutcome:
    """Return an outcome against what was asked for."""
    return OperationOutcome(OutcomeState.CONTRADICTED, words, at, transaction)
