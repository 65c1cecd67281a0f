"""The only import of the `ocpp` package (types, enumerations, schemas) and of the validator for its
schemas.

A payload is read from a dict into one of the package's dataclasses, whose fields have names in
snake_case; nested values keep the names of the wire. Nearly every message takes a short path: one
fast check by a compiled schema (`gate`), one renaming of keys, one object. Only a payload that
fails this check is read closely: by `repair`, or under `--strict` by the complete schema, which
names the fault.

Problems of the package that are avoided here: its validation blocks and is slow (97 µs for three
samples), as is its renaming (46 µs, and it also changes nested values); the descriptions of
NotImplemented and NotSupported are swapped; some of its classes require fields that their schemas
make optional (`tech_info`, `request_id`), which are None here. schemas.py lists the faults of the
schemas themselves.

Each schema is read from the package's files on first use. `prepare` reads those of all messages
from chargers and of our responses at the start, so that no message waits for a file.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, Final, cast

import fastjsonschema
import ocpp
import orjson

from levity_trio.importing import spared
from levity_trio.records import record
from levity_trio.wire.errors import ErrorCode, Refused
from levity_trio.wire.repair import Repair, repair
from levity_trio.wire.schemas import SampleGate, Schema, complete, gate, sample_of, without_samples
from levity_trio.wire.times import parse_time

# Its `__init__` would import the dispatcher, asyncio and jsonschema: 35 modules and 2.4 MB that
# nothing here uses.
with spared({"ocpp.v16": {"__path__": [f"{ocpp.__path__[0]}/v16"]}}):
    from ocpp.v16 import call, call_result
    from ocpp.v16.enums import Action

__all__ = [
    "CHARGER_ACTIONS",
    "SERVER_ACTIONS",
    "Read",
    "call",
    "call_result",
    "prepare",
    "read_request",
    "read_result",
    "write_payload",
]

CHARGER_ACTIONS: Final = frozenset(
    {
        "Authorize",
        "BootNotification",
        "DataTransfer",
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
        "Heartbeat",
        "LogStatusNotification",
        "MeterValues",
        "SecurityEventNotification",
        "SignCertificate",
        "SignedFirmwareStatusNotification",
        "StartTransaction",
        "StatusNotification",
        "StopTransaction",
    }
)
"""The actions that a charger may send: OCPP 1.6 §4 and the security whitepaper."""

CONNECTOR: Final = "connectorId"
LOWEST_CONNECTORS: Final[Mapping[str, int]] = {"StartTransaction": 1}
"""The lowest connector in a charger's message, elsewhere 0, the charger itself (§6.45). The schemas
do not say it, and only `--strict` demands it: what a charger says of an impossible connector is
kept."""

_ACTIONS: Final = frozenset(action.value for action in Action)
SERVER_ACTIONS: Final = _ACTIONS - CHARGER_ACTIONS | {"DataTransfer"}
"""The actions that we may send: OCPP 1.6 §5 and the security whitepaper."""

_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")
# Other faults concern a value of the right type, also an unreadable time, whose type is text.
_CODES: Final[Mapping[str, ErrorCode]] = {
    "additionalProperties": ErrorCode.FORMATION_VIOLATION,
    "required": ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION,
    "minItems": ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION,
    "type": ErrorCode.TYPE_CONSTRAINT_VIOLATION,
}


@record(kw_only=False)
class Read:
    """A payload that was read: an object of `ocpp.v16`, and the repairs that this took."""

    message: Any
    repairs: tuple[Repair, ...]


def read_request(
    action: str, payload: object, *, strict: bool, accepted: frozenset[str] = CHARGER_ACTIONS
) -> Read:
    """Read the payload of a CALL, as parsed from a frame, into a class of `ocpp.v16.call`.

    `accepted` are the actions of the sender's side; a charger that reads ours passes
    SERVER_ACTIONS.

    Raises:
        Refused: with the code for the CALLERROR. No payload raises anything else.
    """
    check_action(action, accepted)
    return _form(action, False).read(payload, strict)


def read_result(
    action: str, payload: object, *, strict: bool, accepted: frozenset[str] = SERVER_ACTIONS
) -> Read:
    """Read the payload of a CALLRESULT into a class of `ocpp.v16.call_result`, like
    `read_request`."""
    check_action(action, accepted)
    return _form(action, True).read(payload, strict)


def write_payload(message: Any) -> dict[str, Any]:
    """Return the payload of a message of ours, without fields that are None.

    `message` is an object of `ocpp.v16.call` or `ocpp.v16.call_result`; it may contain nested
    dataclasses.

    Raises:
        ValueError: the message violates its schema, which is an error of ours.
    """
    kind = type(message)
    if kind.__module__ not in (call.__name__, call_result.__name__):
        raise ValueError(f"{kind.__name__} is not a message of OCPP 1.6")
    return _form(kind.__name__, kind.__module__ == call_result.__name__).write(message)


def prepare() -> None:
    """Read and compile the schemas of all messages from chargers and of our responses."""
    for action in CHARGER_ACTIONS:
        _form(action, False)
        _form(action, True)


def check_action(action: str, accepted: frozenset[str] = CHARGER_ACTIONS) -> None:
    """Raise Refused for an action that is not `accepted`: NotSupported if it is known, else
    NotImplemented."""
    if action in accepted:
        return
    if action in _ACTIONS:
        raise Refused(ErrorCode.NOT_SUPPORTED, "this action is only sent in the other direction")
    raise Refused(ErrorCode.NOT_IMPLEMENTED, "unknown action")


class _Form:
    """Reads and writes the payload of one message."""

    def __init__(self, where: str, message: type[Any], schema: Schema) -> None:
        self._where = where
        self._lowest = LOWEST_CONNECTORS.get(where, 0)
        self._schema = schema
        self._message = message
        narrow = gate(schema)
        sample = sample_of(narrow)
        self._passes = _compiled(without_samples(narrow))
        self._samples = SampleGate(_compiled(sample)) if sample else None
        self._fields = {name: _HUMP.sub(r"_\1", name).lower() for name in schema["properties"]}
        self._properties = {field: name for name, field in self._fields.items()}
        self._absent = {
            field.name: None
            for field in fields(message)
            if field.default is MISSING and field.default_factory is MISSING
        }

    @cached_property
    def _complete(self) -> Callable[[object], object]:
        """Compiled on the first fault, because it takes longer: what it raises names the fault."""
        check: Callable[[object], object] = fastjsonschema.compile(
            self._schema, formats=_FORMATS, use_default=False
        )
        return check

    def read(self, payload: object, strict: bool) -> Read:
        if not self._passes_gate(payload):
            if not strict:
                understood, repairs = repair(self._schema, payload, self._where)
                return Read(self._built(understood), repairs)
            refused = self._problem(payload)
            if refused is not None:
                raise refused
        if strict:
            number = cast("dict[str, Any]", payload).get(CONNECTOR)
            if number is not None and number < self._lowest:
                problem = f"{self._where}.{CONNECTOR}: minimum"
                raise Refused(ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, problem)
        return Read(self._built(payload), ())

    def write(self, message: Any) -> dict[str, Any]:
        payload: dict[str, Any] = {}
        for field, name in self._properties.items():
            value = getattr(message, field)
            if value is not None:
                payload[name] = _on_the_wire(value)
        if not self._passes_gate(payload) and (problem := self._problem(payload)) is not None:
            raise ValueError(f"our {self._where} violates its schema: {problem.description}")
        return payload

    def _passes_gate(self, payload: Any) -> bool:
        return self._passes(payload) and (self._samples is None or self._samples.passes(payload))

    def _problem(self, payload: object) -> Refused | None:
        """Return the first fault that the complete schema finds, None if there is none."""
        if not isinstance(payload, dict):
            return Refused(ErrorCode.FORMATION_VIOLATION, f"{self._where}: payload is no object")
        try:
            self._complete(payload)
        except fastjsonschema.JsonSchemaValueException as error:
            # This path contains only names of the schema, because nothing below an unknown property
            # is validated.
            steps = [step for step in error.path[1:] if not step.isdecimal()]
            code = _CODES.get(error.rule or "", ErrorCode.PROPERTY_CONSTRAINT_VIOLATION)
            return Refused(code, f"{'.'.join([self._where, *steps])}: {error.rule}")
        return None

    def _built(self, payload: Any) -> Any:
        renamed = {self._fields[name]: value for name, value in payload.items()}
        return self._message(**(self._absent | renamed if self._absent else renamed))


@cache
def _form(action: str, is_answer: bool) -> _Form:
    module, suffix, mark = (call_result, "Response", ".conf") if is_answer else (call, "", "")
    source = files(ocpp).joinpath("v16", "schemas", f"{action}{suffix}.json")
    # utf-8-sig, because some of the files begin with a byte order mark.
    schema = complete(orjson.loads(source.read_text("utf-8-sig")))
    return _Form(action + mark, getattr(module, action), schema)


def _compiled(schema: Schema) -> Callable[[object], bool]:
    check = fastjsonschema.compile(
        schema, use_default=False, use_formats=False, detailed_exceptions=False
    )

    def passes(value: object) -> bool:
        try:
            check(value)
        except fastjsonschema.JsonSchemaValueException:
            return False
        return True

    return passes


_FORMATS: Final = {"date-time": lambda text: parse_time(text) is not None}


def _on_the_wire(value: Any) -> Any:
    """Return a value in JSON types; nested dataclasses become objects with the names of the
    wire."""
    if isinstance(value, dict):
        return {name: _on_the_wire(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_on_the_wire(inner) for inner in value]
    if is_dataclass(value):
        properties = {_camel(name): inner for name, inner in vars(value).items()}
        return _on_the_wire(properties)
    return value


@cache
def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
