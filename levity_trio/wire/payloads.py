"""The only door to the `ocpp` package (types, enumerations, schemas) and to the validators of its schemas.

A payload comes in as a dict and leaves as one of the package's dataclasses, whose fields have names in
snake_case; what is nested in them stays as on the wire. The way of nearly every message is short: one fast
look of a compiled schema (`gate`), one renaming of keys, one object. Only what fails that look is read
closely: by `repair`, or under `--strict` by the complete schema, which then names what is wrong.

Traps of the package that end here: its validation blocks and is slow (97 µs for three samples), so is its
renaming (46 µs, and it respells nested words); the descriptions of NotImplemented and NotSupported are
swapped; some of its classes demand fields that their schemas leave open (`tech_info`, `request_id`), which
are None here. What is wrong in the schemas themselves is told in schemas.py.

Each schema is read from the package's files on first use. `prepare` does that at start for all that
chargers send and all that we answer, so that no charger's message waits for a file.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, Final

import fastjsonschema
import orjson
from jsonschema import Draft4Validator, FormatChecker, ValidationError
from ocpp.v16 import call, call_result
from ocpp.v16.enums import Action

from levity_trio.wire.errors import ErrorCode, Refused
from levity_trio.wire.repair import Repair, repair
from levity_trio.wire.samples import SampleGate
from levity_trio.wire.schemas import Schema, complete, gate, sample_of, without_samples
from levity_trio.wire.times import parse_time

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
"""What a charger may send: OCPP 1.6 §4 and the security whitepaper."""

_ACTIONS: Final = frozenset(action.value for action in Action)
SERVER_ACTIONS: Final = _ACTIONS - CHARGER_ACTIONS | {"DataTransfer"}
"""What we may send: OCPP 1.6 §5 and the security whitepaper."""

_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")
_CODES: Final[Mapping[str, ErrorCode]] = {
    "additionalProperties": ErrorCode.FORMATION_VIOLATION,
    "required": ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION,
    "minItems": ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION,
    "type": ErrorCode.TYPE_CONSTRAINT_VIOLATION,
}  # all else is about a value of the right type; an unreadable time too, for its type on the wire is text


@dataclass(frozen=True, slots=True)
class Read:
    """A payload that was understood: an object of `ocpp.v16`, and what was mended on the way."""

    message: Any
    repairs: tuple[Repair, ...]


def read_request(action: str, payload: object, *, strict: bool, accepted: frozenset[str] = CHARGER_ACTIONS) -> Read:
    """Read the payload of a CALL, as it came out of a frame, into a class of `ocpp.v16.call`.

    `accepted` are the actions of the sender's side; a charger reading ours gives SERVER_ACTIONS. Raises
    Refused with the code for the CALLERROR, and nothing else, whatever the payload is.
    """
    check_action(action, accepted)
    return _form(action, False).read(payload, strict)


def read_result(action: str, payload: object, *, strict: bool, accepted: frozenset[str] = SERVER_ACTIONS) -> Read:
    """Read the payload of a CALLRESULT into a class of `ocpp.v16.call_result`; as `read_request`."""
    check_action(action, accepted)
    return _form(action, True).read(payload, strict)


def write_payload(message: Any) -> dict[str, Any]:
    """The payload of a message of ours, fields that are None left out.

    Takes an object of `ocpp.v16.call` or `ocpp.v16.call_result`, dataclasses nested in it included. Raises
    ValueError if it breaks its schema: that is our own mistake.
    """
    kind = type(message)
    if kind.__module__ not in (call.__name__, call_result.__name__):
        raise ValueError(f"{kind.__name__} is no message of OCPP 1.6")
    return _form(kind.__name__, kind.__module__ == call_result.__name__).write(message)


def prepare() -> None:
    """Read and compile the schemas of all that chargers send and of our answers to it."""
    for action in CHARGER_ACTIONS:
        _form(action, False)
        _form(action, True)


def check_action(action: str, accepted: frozenset[str] = CHARGER_ACTIONS) -> None:
    """Raises Refused for an action that is not one of `accepted`: NotSupported if it is known, else NotImplemented."""
    if action in accepted:
        return
    if action in _ACTIONS:
        raise Refused(ErrorCode.NOT_SUPPORTED, "this action goes the other way")
    raise Refused(ErrorCode.NOT_IMPLEMENTED, "this action is not known")


class _Form:
    """How the payload of one message is read and written."""

    def __init__(self, where: str, message: type[Any], schema: Schema) -> None:
        self._where = where
        self._schema = schema
        self._message = message
        narrow = gate(schema)
        sample = sample_of(narrow)
        self._passes = _compiled(without_samples(narrow))
        self._samples = SampleGate(_compiled(sample)) if sample else None
        self._fields = {name: _HUMP.sub(r"_\1", name).lower() for name in schema["properties"]}
        self._properties = {field: name for name, field in self._fields.items()}
        self._absent = {field.name: None for field in fields(message) if _is_demanded(field)}

    @cached_property
    def _complete(self) -> Draft4Validator:
        """Made on the first fault: slow, but it names what is wrong, and it is there already, with `ocpp`."""
        return Draft4Validator(self._schema, format_checker=_FORMATS)

    def read(self, payload: object, strict: bool) -> Read:
        if not self._passes_gate(payload):
            if not strict:
                understood, repairs = repair(self._schema, payload, self._where)
                return Read(self._built(understood), repairs)
            if (problem := self._problem(payload)) is not None:
                raise problem
        return Read(self._built(payload), ())

    def write(self, message: Any) -> dict[str, Any]:
        payload = {
            name: _on_the_wire(value)
            for field, name in self._properties.items()
            if (value := getattr(message, field)) is not None
        }
        if not self._passes_gate(payload) and (problem := self._problem(payload)) is not None:
            raise ValueError(f"{self._where} of ours breaks its schema: {problem.description}")
        return payload

    def _passes_gate(self, payload: Any) -> bool:
        return self._passes(payload) and (self._samples is None or self._samples.passes(payload))

    def _problem(self, payload: object) -> Refused | None:
        """What the complete schema says; only the first of several faults."""
        if not isinstance(payload, dict):
            return Refused(ErrorCode.FORMATION_VIOLATION, f"{self._where}: payload is no object")
        error: ValidationError | None = next(self._complete.iter_errors(payload), None)
        if error is None:
            return None
        # Names on this path are the schema's own: nothing below an unknown property is looked at.
        steps = [step for step in error.absolute_path if isinstance(step, str)]
        code = _CODES.get(error.validator, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION)
        return Refused(code, f"{'.'.join([self._where, *steps])}: {error.validator}")

    def _built(self, payload: Any) -> Any:
        renamed = {self._fields[name]: value for name, value in payload.items()}
        return self._message(**(self._absent | renamed if self._absent else renamed))


@cache
def _form(action: str, is_answer: bool) -> _Form:
    module, suffix, mark = (call_result, "Response", ".conf") if is_answer else (call, "", "")
    source = files("ocpp.v16").joinpath("schemas", f"{action}{suffix}.json")
    # utf-8-sig: some of the files begin with a byte order mark.
    schema = complete(orjson.loads(source.read_text("utf-8-sig")))
    return _Form(action + mark, getattr(module, action), schema)


def _compiled(schema: Schema) -> Callable[[object], bool]:
    check = fastjsonschema.compile(schema, use_default=False, use_formats=False, detailed_exceptions=False)

    def passes(value: object) -> bool:
        try:
            check(value)
        except fastjsonschema.JsonSchemaValueException:
            return False
        return True

    return passes


def _is_demanded(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _is_time(value: object) -> bool:
    return not isinstance(value, str) or parse_time(value) is not None


_FORMATS = FormatChecker(formats=())
_FORMATS.checks("date-time")(_is_time)


def _on_the_wire(value: Any) -> Any:
    """A value as JSON has it; dataclasses nested in it get the names that they have on the wire."""
    if isinstance(value, dict):
        return {name: _on_the_wire(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_on_the_wire(inner) for inner in value]
    if is_dataclass(value):
        return {_camel(name): _on_the_wire(inner) for name, inner in vars(value).items() if inner is not None}
    return value


@cache
def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
