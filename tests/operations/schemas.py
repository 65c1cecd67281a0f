"""The schemas of the `ocpp` package as an oracle for our declarations, and values near to what they
allow."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

import orjson
from hypothesis import strategies as st
from jsonschema import Draft4Validator, FormatChecker, ValidationError
from jsonschema.validators import extend

from levity_trio.wire.schemas import Schema, complete

ALLOTTED = {
    "RemoteStartTransaction": {"chargingProfileId"},
    "RemoteStopTransaction": {"transactionId"},
    "ReserveNow": {"reservationId"},
    "SendLocalList": {"listVersion"},
    "SetChargingProfile": {"chargingProfileId"},
    "GetDiagnostics": {"location"},
    "GetLog": {"requestId", "log", "remoteLocation"},
    "InstallCertificate": {"certificate"},
    "SignedUpdateFirmware": {"requestId"},
}
"""Required by the schemas, but filled in by the server."""
TIMES = (
    *(
        "2030-01-31T22:00:00Z",
        "2030-01-31T22:00:00.123456789Z",
        "2030-01-31t22:00:00z",
        "2030-01-31 22:00:00Z",
    ),
    *(
        "2024-02-29T23:59:59+05:30",
        "1970-01-01T00:00:00-00:00",
        "2016-12-31T23:59:60Z",
        "0999-01-01T00:00:00Z",
    ),
)
NO_TIMES = (
    *(
        "2030-01-31T22:00:00",
        "2030-01-31",
        "2030-02-30T00:00:00Z",
        "2030-01-31T24:00:00Z",
        "22:00:00Z",
        "",
        "now",
    ),
    *(
        "2030-01-31T22:00Z",
        "2030-01-31T22:00:00+02",
        "2030-01-31T22:00:00+0200",
        "2030-01-31T22:00:00,5Z",
    ),
    *(
        "2030-W05-4T22:00:00Z",
        " 2030-01-31T22:00:00Z",
        "２030-01-31T22:00:00Z",
        "2030-01-31T22:00:00+24:00",
    ),
)


def _is_multiple(validator: Any, step: float, value: Any, schema: Schema) -> Any:  # noqa: ARG001 - jsonschema's signature
    """In floating point 21.4 is not a multiple of 0.1, so decimals are compared."""
    if validator.is_type(value, "number") and Decimal(str(value)) % Decimal(str(step)):
        yield ValidationError(f"{value} is not a multiple of {step}")


_FORMATS = FormatChecker(formats=())
_FORMATS.checks("date-time")(lambda value: not isinstance(value, str) or value in TIMES)
_Validator = extend(Draft4Validator, {"multipleOf": _is_multiple})


@cache
def schema_of(action: str) -> Schema:
    """Return the schema of a request as its file states it, but for the corrections of
    wire/schemas.py."""
    raw = files("ocpp.v16").joinpath("schemas", f"{action}.json").read_text("utf-8-sig")
    schema = _with_steps(complete(orjson.loads(raw)))
    del schema["$schema"]
    return schema


def _with_steps(node: Schema) -> Schema:
    node = {
        name: value
        for name, value in node.items()
        if not (name == "additionalProperties" and "enum" in node)
    }
    if node["type"] == "number":
        node["multipleOf"] = 0.1
    if "properties" in node:
        node["properties"] = {
            name: _with_steps(child) for name, child in node["properties"].items()
        }
    if "items" in node:
        node["items"] = _with_steps(node["items"])
    return node


def without_allotted(schema: Schema, names: set[str]) -> Schema:
    """Return the schema of what an operator must give."""
    schema = dict(schema)
    if "properties" in schema:
        schema["properties"] = {
            name: without_allotted(child, names) for name, child in schema["properties"].items()
        }
    if "required" in schema:
        schema["required"] = [name for name in schema["required"] if name not in names]
    return schema


def allows(schema: Schema, payload: object) -> bool:
    return bool(_Validator(schema, format_checker=_FORMATS).is_valid(payload))


WRONG = st.sampled_from(
    [None, True, 1, 1.0, 0.05, "", "text", "1", [], {}, [1], {"a": 1}, 2**53 + 1, 1e300]
)


def near(schema: Schema) -> st.SearchStrategy[Any]:
    """Return values that the schema mostly allows."""
    return st.integers(0, 30).flatmap(lambda dice: WRONG if dice == 0 else _fitting(schema))


def _fitting(schema: Schema) -> st.SearchStrategy[Any]:
    kind = schema["type"]
    if kind == "object":
        return _objects(schema)
    if kind == "array":
        return st.lists(near(schema["items"]), max_size=3)
    if kind == "integer":
        return st.sampled_from([0, 1, -1, 2**31, 2**53, -(2**53), 2**53 + 1]) | st.integers(
            -5, 100_000
        )
    if kind == "number":
        return st.sampled_from([16, 0, -1, 21.4, 0.1, 0.3, 32.05, 1e15, 2**53 + 2]) | st.integers(
            0, 999
        ).map(lambda tenths: tenths / 10)
    return _texts(schema)


def _texts(schema: Schema) -> st.SearchStrategy[str]:
    if "enum" in schema:
        words = schema["enum"]
        return st.sampled_from([*words * 3, words[0].lower(), words[0] + " "])
    if schema.get("format") == "date-time":
        return st.sampled_from([*TIMES * 3, *NO_TIMES])
    longest = schema.get("maxLength", 3000)
    return st.text(max_size=12) | st.sampled_from(["é" * longest, "x" * (longest + 1)])


def _objects(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    properties = {name: near(child) for name, child in schema["properties"].items()}
    required = set(schema.get("required", ()))
    optional = {name: value for name, value in properties.items() if name not in required}
    usual = st.fixed_dictionaries({name: properties[name] for name in required}, optional=optional)
    lacking = st.fixed_dictionaries({}, optional=properties)
    extra = st.builds(
        lambda payload, name: payload | {name: 1},
        usual,
        st.sampled_from(["connectorid", "type", "x"]),
    )
    return st.integers(0, 20).flatmap(lambda dice: {0: lacking, 1: extra}.get(dice, usual))
