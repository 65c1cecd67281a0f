"""Reading payloads that violate their schema. Whatever is readable is stored and answered.

One walk along the schema takes every readable value and notes its faults. A message has one note
for each kind of fault, however often it occurs. A kind consists of the action, names in the schema
and a member of `Wrong`, never of text from the charger, so kinds can be counted and used as labels.

Nothing that affects a bill is invented: a missing meter value, ID tag or status has no default. No
field of a SampledValue is dropped alone unless it is blank. Without its unreadable unit or
measurand, a value would mean watt-hours of the energy register, so the whole sample is dropped. For
the same reason, unknown enumeration values are kept as sent.

An unreadable optional field is dropped, and an unreadable item is dropped from its list. An
unreadable required field makes the object that contains it unreadable, and so on up to the message,
which is then refused.
"""

import math
import re
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from functools import cache
from typing import Any, Final

import orjson

from levity_trio.records import record
from levity_trio.wire.errors import ErrorCode, Refused
from levity_trio.wire.frames import NOTHING
from levity_trio.wire.numbers import SIGNED, decimal, has_comma
from levity_trio.wire.schemas import MAX_NUMBER, MISSPELT_IN_SCHEMA, Schema, is_sample
from levity_trio.wire.secrets import MASK, masked_fragment
from levity_trio.wire.times import parse_time

MAX_SAMPLE: Final = 200
"""The characters of an example."""
MAX_ITEMS: Final = 3_000
"""Maximum number of list items read closely in one message, each at most 13 µs. Beyond that the
rest of a list is dropped: a frame of 1 MB can hold so many items that reading them would delay all
other chargers. Eight hours of samples, three a minute, make 2,000; and the message as sent is kept
whole."""

# Defaults for required fields that are missing or unreadable, where a default invents nothing.
# Times are not listed: they become "", and the time of receipt is used. transactionId -1 means
# "none"; the stop is then matched to its start by connector and time.
_DEFAULTS: Final[Mapping[str, Callable[[], Any]]] = {
    "BootNotification.chargePointVendor": str,
    "BootNotification.chargePointModel": str,
    "DataTransfer.vendorId": str,
    "GetConfiguration.conf.configurationKey.readonly": bool,
    "MeterValues.meterValue": list,
    "MeterValues.meterValue.sampledValue": list,
    "SecurityEventNotification.type": str,
    "StatusNotification.errorCode": lambda: "NoError",
    "StopTransaction.transactionData.sampledValue": list,
    "StopTransaction.transactionId": lambda: -1,
}
# Free text fields in which chargers send other JSON, which is kept as JSON text.
_JSON_AS_TEXT: Final = frozenset(
    {"DataTransfer.data", "DataTransfer.conf.data", "GetConfiguration.conf.configurationKey.value"}
)
# Replacements for values that real chargers send, by the value without case and separators. The
# first one that the field's enumeration allows is used. Occupied (OCPP 1.5) means neither charging
# nor free; of the statuses of 1.6, only Preparing claims no more. StartTransaction reports
# transactions.
_SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = {
    "occupied": ("Preparing",),
    "error": ("Faulted", "OtherError"),
    "hz": ("Hertz",),
    "celcius": ("Celsius",),
    "%": ("Percent",),
}
_BLANKS: Final = " \t\r\n"
_SEPARATORS = re.compile(r"[\s._-]+")
_WITH_PHASE = re.compile(
    r"(?P<of>.*[a-z])[\s._-]*+(?P<phase>L[123](?:[\s._-]*+(?:N|L[123]))?|(?<=[\s._-])N)",
    re.IGNORECASE,
)
"""A measurand with the phase at its end."""
_SAMPLED: Final = ".sampledValue.value"
_CONFIGURATION: Final = ("GetConfiguration", "ChangeConfiguration")


class Wrong(StrEnum):
    """The faults of one field or item in a payload: a fixed set."""

    BLANK = "blank"
    DAMAGED_JSON = "damaged JSON"
    DECIMAL_COMMA = "decimal comma"
    DECIMAL_FOR_INTEGER = "decimal for integer"
    EMPTY_LIST = "empty list"
    EXTRA_PROPERTY = "extra property"
    MISSING = "missing"
    NOT_A_BOOLEAN = "not a boolean"
    NOT_A_LIST = "not a list"
    NOT_A_NUMBER = "not a number"
    NOT_AN_INTEGER = "not an integer"
    NOT_AN_OBJECT = "not an object"
    NOT_TEXT = "not text"
    NOT_UTF8 = "not UTF-8"
    NULL = "null"
    NUMBER_FOR_TEXT = "number for text"
    OTHER_FOR_BOOLEAN = "other type for boolean"
    OTHER_FOR_TEXT = "other type for text"
    OUT_OF_RANGE = "out of range"
    SINGLE_FOR_LIST = "single for list"
    TEXT_FOR_NUMBER = "text for number"
    TOO_LONG = "too long"
    TOO_MANY = "too many items"
    UNKNOWN_WORD = "unknown word"
    UNREADABLE_TIME = "unreadable time"
    WORD_RESPELT = "word respelt"


# Every other fault that makes a message unreadable is one of type.
_CODES: Final[Mapping[Wrong, ErrorCode]] = {
    Wrong.MISSING: ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION,
    Wrong.NULL: ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION,
    Wrong.BLANK: ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    Wrong.OUT_OF_RANGE: ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
}


@record(kw_only=False)
class Repair:
    """One kind of fault in one message, and its first example (JSON text with secrets masked)."""

    kind: str
    sample: str


def not_utf8(frame: str) -> Repair:
    """Return the repair of a frame in another encoding, in practice Latin-1. U+FFFD replaces its
    invalid bytes."""
    return Repair(f"frame: {Wrong.NOT_UTF8}", frame[:MAX_SAMPLE])


def damaged_json(frame: str) -> Repair:
    """Return the repair of a frame whose text is not quite JSON; its sample is the text around the
    first fault.

    The secrets of `frame` are masked.
    """
    try:
        orjson.loads(frame)
        # Masking has mended it.
        fault = 0
    except orjson.JSONDecodeError as error:
        fault = error.pos
    first = max(0, fault - MAX_SAMPLE // 2)
    return Repair(f"frame: {Wrong.DAMAGED_JSON}", frame[first : first + MAX_SAMPLE])


class _Unreadable(Exception):
    def __init__(self, where: str, wrong: Wrong, value: object) -> None:
        super().__init__(where, wrong)
        self.where = where
        self.wrong = wrong
        self.value = value


def repair(
    schema: Schema, payload: object, where: str
) -> tuple[dict[str, Any], tuple[Repair, ...]]:
    """Read a payload as far as possible; return the result and the repairs. `where` names the
    message in the kinds.

    `schema` is a complete one (see schemas.py). The result has every required field, and every
    field has the JSON type of the schema, but lengths, enumeration values and times may still be
    invalid.

    Raises:
        Refused: a required field is unreadable.
    """
    walk = _Walk()
    try:
        understood = walk.read_message(schema, payload, where)
    except _Unreadable as failure:
        code = _CODES.get(failure.wrong, ErrorCode.TYPE_CONSTRAINT_VIOLATION)
        # The payload itself is not an object.
        if failure.where == where:
            code = ErrorCode.FORMATION_VIOLATION
        description = f"{failure.where}: {failure.wrong}"
        faults = walk.noted | {description: _sample(failure.where, failure.value)}
        raise Refused(code, description, faults) from None
    return understood, tuple(Repair(kind, sample) for kind, sample in walk.noted.items())


class _Walk:
    """One walk through one payload: the faults noted so far, and the number of list items that it
    may still read."""

    def __init__(self) -> None:
        self.noted: dict[str, str] = {}
        self._items_left = MAX_ITEMS

    def read_message(self, schema: Schema, payload: object, where: str) -> dict[str, Any]:
        """Read a payload. null, `[]` or `""` counts as an empty object if no field is required."""
        if payload in NOTHING and not schema.get("required"):
            self._note(where, Wrong.NOT_AN_OBJECT, payload)
            payload = {}
        return self.read_object(schema, payload, where)

    def read_object(self, schema: Schema, value: object, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _Unreadable(where, Wrong.NOT_AN_OBJECT, value)
        properties, required = schema["properties"], schema.get("required", ())
        value = self._with_phase(properties, value, where) if is_sample(schema) else value
        understood, lost = self._read_present(properties, value, where)
        for name in required:
            if name not in value:
                lost[name] = _Unreadable(f"{where}.{name}", Wrong.MISSING, None)
        for name, failure in lost.items():
            if name in required:
                understood[name] = _default(properties[name], f"{where}.{name}", failure)
            elif is_sample(schema) and failure.wrong not in (Wrong.BLANK, Wrong.NULL):
                # Without its unit or measurand, a value would mean watt-hours of the register.
                raise failure
            self._note(failure.where, failure.wrong, failure.value)
        extra = value.keys() - properties.keys()
        if extra:
            # The first by name stands for all of them.
            name = min(extra, key=str)
            self._note(where, Wrong.EXTRA_PROPERTY, {name: value[name]})
        if is_sample(schema):
            self._note_value(understood, where)
        return understood

    def _with_phase(self, properties: Schema, sample: dict[str, Any], where: str) -> dict[str, Any]:
        """Return a sample whose measurand names a phase, as in Current.Import.L1, with that phase;
        as it is if it has another one."""
        name, own_phase = sample.get("measurand"), sample.get("phase") or None
        if not isinstance(name, str):
            return sample
        # No measurand of OCPP ends like a phase itself.
        named = _WITH_PHASE.fullmatch(name)
        if named is None:
            return sample
        measurand = _respellings(tuple(properties["measurand"]["enum"])).get(_folded(named["of"]))
        phase = _respellings(tuple(properties["phase"]["enum"])).get(_folded(named["phase"]))
        if measurand is None or phase is None:
            return sample
        if own_phase is not None and _folded(str(own_phase)) != _folded(phase):
            return sample
        self._note(f"{where}.measurand", Wrong.WORD_RESPELT, name)
        return sample | {"measurand": measurand, "phase": phase}

    def _note_value(self, sample: dict[str, Any], where: str) -> None:
        """Note the value of a sample that is no number. It is kept as it is."""
        text = sample["value"]
        if has_comma(text):
            self._note(f"{where}.value", Wrong.DECIMAL_COMMA, text)
        elif decimal(text) is None and sample.get("format") != SIGNED:
            self._note(f"{where}.value", Wrong.NOT_A_NUMBER, text)

    def _read_present(
        self, properties: Schema, value: dict[str, Any], where: str
    ) -> tuple[dict[str, Any], dict[str, _Unreadable]]:
        understood, lost = {}, {}
        for name, shape in properties.items():
            if name in value:
                try:
                    understood[name] = self._read_given(shape, value[name], f"{where}.{name}")
                except _Unreadable as failure:
                    lost[name] = failure
        return understood, lost

    def _read_given(self, shape: Schema, value: object, where: str) -> Any:
        if value is None:
            raise _Unreadable(where, Wrong.NULL, value)
        if isinstance(value, str) and not _is_free_text(shape, where) and not value.strip(_BLANKS):
            raise _Unreadable(where, Wrong.BLANK, value)
        match shape["type"]:
            case "object":
                return self.read_object(shape, value, where)
            case "array":
                return self._read_list(shape, value, where)
            case "string":
                return self._read_text(shape, value, where)
            case "integer":
                return self._read_integer(value, where)
            case "number":
                number = self._as_decimal(value, where, Wrong.NOT_A_NUMBER)
                return value if isinstance(value, int | float) else float(number)
            case _:
                return self._read_boolean(value, where)

    def _read_list(self, shape: Schema, value: object, where: str) -> list[Any]:
        items = shape["items"]
        if not isinstance(value, list):
            if isinstance(value, dict) != (items["type"] == "object"):
                raise _Unreadable(where, Wrong.NOT_A_LIST, value)
            self._note(where, Wrong.SINGLE_FOR_LIST, value)
            value = [value]
        understood = []
        for item in value:
            if self._items_left == 0:
                self._note(where, Wrong.TOO_MANY, len(value))
                break
            self._items_left -= 1
            try:
                understood.append(self._read_given(items, item, where))
            except _Unreadable as failure:
                self._note(failure.where, failure.wrong, failure.value)
        if len(understood) < shape.get("minItems", 0):
            self._note(where, Wrong.EMPTY_LIST, value)
        return understood

    def _read_text(self, shape: Schema, value: object, where: str) -> str:
        if isinstance(value, str):
            text = value
        else:
            is_number = type(value) in (int, float)
            json_text = _json_text(value)
            if json_text is None or not (is_number or where in _JSON_AS_TEXT):
                raise _Unreadable(where, Wrong.NOT_TEXT, value)
            self._note(where, Wrong.NUMBER_FOR_TEXT if is_number else Wrong.OTHER_FOR_TEXT, value)
            text = json_text

        if "enum" in shape:
            words = shape["enum"]
            if text in words and text not in MISSPELT_IN_SCHEMA:
                return text
            word = _respellings(tuple(words)).get(_folded(text))
            # An unknown word is kept: replaced, it would say something that nobody sent.
            self._note(where, Wrong.WORD_RESPELT if word else Wrong.UNKNOWN_WORD, text)
            return word or text
        if shape.get("format") == "date-time":
            if parse_time(text) is None:
                self._note(where, Wrong.UNREADABLE_TIME, text)
        elif len(text) > shape.get("maxLength", math.inf):
            self._note(where, Wrong.TOO_LONG, text)
        return text

    def _read_integer(self, value: object, where: str) -> int:
        if type(value) is int and abs(value) <= MAX_NUMBER:
            return value
        number = self._as_decimal(value, where, Wrong.NOT_AN_INTEGER)
        rounded = number.to_integral_value(ROUND_HALF_UP)
        if isinstance(value, float) or rounded != number:
            self._note(where, Wrong.DECIMAL_FOR_INTEGER, value)
        return int(rounded)

    def _as_decimal(self, value: object, where: str, wrong: Wrong) -> Decimal:
        if isinstance(value, str) and (read := decimal(value)) is not None:
            mended = Wrong.DECIMAL_COMMA if has_comma(value) else Wrong.TEXT_FOR_NUMBER
            self._note(where, mended, value)
            number = read
        elif type(value) is int:
            number = Decimal(value)
        elif isinstance(value, float) and math.isfinite(value):
            # The shortest text of this float is what the charger wrote.
            number = Decimal(repr(value))
        else:
            raise _Unreadable(where, wrong, value)
        if abs(number) > MAX_NUMBER:
            raise _Unreadable(where, Wrong.OUT_OF_RANGE, value)
        return number

    def _read_boolean(self, value: object, where: str) -> bool:
        if isinstance(value, bool):
            return value
        word = value.strip().lower() if isinstance(value, str) else value
        if word in ("true", "1", 1):
            understood = True
        elif word in ("false", "0", 0):
            understood = False
        else:
            raise _Unreadable(where, Wrong.NOT_A_BOOLEAN, value)
        self._note(where, Wrong.OTHER_FOR_BOOLEAN, value)
        return understood

    def _note(self, where: str, wrong: Wrong, value: object) -> None:
        kind = f"{where}: {wrong}"
        if kind not in self.noted:
            self.noted[kind] = _sample(where, value)


def _default(shape: Schema, where: str, failure: _Unreadable) -> Any:
    """Return the default of a missing or unreadable required field; raise the failure if none is
    harmless."""
    if shape.get("format") == "date-time":
        return ""
    if where not in _DEFAULTS:
        raise failure
    return _DEFAULTS[where]()


def _is_free_text(shape: Schema, where: str) -> bool:
    """Whether a blank is a valid text here. A sample's blank value must never be read as 0."""
    if shape["type"] != "string" or "enum" in shape or shape.get("format") == "date-time":
        return False
    return not where.endswith(_SAMPLED)


@cache
def _respellings(words: tuple[str, ...]) -> dict[str, str]:
    """Return the correct words by their form without case and separators, and by their synonyms."""
    meant = {_folded(word): word for word in words}
    for folded, synonyms in _SYNONYMS.items():
        if fitting := [word for word in synonyms if word in words]:
            meant[folded] = fitting[0]
    return meant


def _folded(word: str) -> str:
    return _SEPARATORS.sub("", word).lower()


def _json_text(value: object) -> str | None:
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        # It is no value from a frame.
        return None


def _sample(where: str, value: object) -> str:
    # It may be the charger's password.
    if where.startswith(_CONFIGURATION):
        return MASK
    text = (_json_text(value) or "(not JSON)")[: 4 * MAX_SAMPLE]
    return masked_fragment(text)[:MAX_SAMPLE]
