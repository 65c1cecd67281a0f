"""Changes to the schemas of the `ocpp` package before their use, and the reasons.

`complete` makes them agree with the specification. `--strict` enforces the result:

- The unit `Hertz` is allowed in StopTransaction too. Its schema omits it, while that of MeterValues
  has it. OCPP 1.6 §7.31 (Measurand) gives Hertz as the unit of Frequency for every SampledValue. So
  it is valid everywhere, and neither refused nor counted as repaired.
- Numbers are bounded to ±2^53, the range in which all JSON parsers agree on integers. Beyond 64
  bits orjson returns floats, and SQLite raises for integers beyond 63 bits. No real id, register or
  connector number comes near.
- `multipleOf: 0.1` is dropped: in floating point, 21.4 is not a multiple of it.
- `format: uri` is dropped: only locations in our own messages have it, and an operator's are passed
  through.
- The `$ref`s of the security extension are resolved, and every object lists its properties and
  allows no others, so that all schemas are trees of one dialect.

`gate` narrows a complete schema further, so that one fast check identifies the payloads that need
no second one, nearly all of them. It may err in one direction only: a payload that passes the gate
is valid, but one that fails it may still prove valid on the closer look.

A charger sends the same few kinds of samples for years, and validating each one took as long as all
other work on its message before the write. So each kind, that is all attributes and their number,
is validated only once.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from levity_trio.wire.numbers import SIGNED, is_plain

Schema = dict[str, Any]

MAX_NUMBER: Final = 2**53
_DIALECT: Final = "http://json-schema.org/draft-04/schema#"
_DROPPED: Final = frozenset({"$schema", "$id", "id", "definitions"})
# Times that are valid by their form alone; 29 February is left to the closer look.
_PLAIN_TIME: Final = (
    r"^[12][0-9]{3}-"
    r"(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)"
    r"|(?:0[13578]|1[02])-31)[Tt ]"
    r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?(?:[Zz]|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?$"
)
# Values that the schemas allow, but that the closer look replaces with the specification's
# spelling.
MISSPELT_IN_SCHEMA: Final = frozenset({"Celcius"})
KINDS_REMEMBERED: Final = 1_000
"""Beyond that, samples of a new kind are validated each time."""
GROUPS: Final = ("meterValue", "transactionData")


def complete(schema: Schema) -> Schema:
    """Return a copy of a schema file, corrected to match the specification."""
    definitions = schema.get("definitions", {})
    return {"$schema": _DIALECT} | _rewritten(schema, lambda node: _completed(node, definitions))


def gate(schema: Schema) -> Schema:
    """Return a narrower copy of a complete schema. What it accepts needs no closer look."""
    return {"$schema": _DIALECT} | _rewritten(schema, _narrowed)


def without_samples(schema: Schema) -> Schema:
    """Return a copy that accepts any SampledValue; these are checked by themselves."""
    return _rewritten(schema, lambda node: {} if is_sample(node) else dict(node))


def sample_of(schema: Schema) -> Schema | None:
    """Return the schema of the SampledValues in a message, None if it has none."""
    if is_sample(schema):
        return schema
    inner = [*schema.get("properties", {}).values()]
    if "items" in schema:
        inner.append(schema["items"])
    for child in inner:
        sample = sample_of(child)
        if sample is not None:
            return sample
    return None


def _rewritten(node: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """Return a copy of the tree with `change` applied to every node, from the root down."""
    node = change(node)
    if "properties" in node:
        node["properties"] = {
            name: _rewritten(child, change) for name, child in node["properties"].items()
        }
    if "items" in node:
        node["items"] = _rewritten(node["items"], change)
    return node


def _completed(node: Schema, definitions: dict[str, Schema]) -> Schema:
    if "$ref" in node:
        node = definitions[node["$ref"].removeprefix("#/definitions/")]
    node = {word: value for word, value in node.items() if word not in _DROPPED}
    if node["type"] == "object":
        node = {"properties": {}} | node | {"additionalProperties": False}
    if node["type"] in ("integer", "number"):
        node |= {"minimum": -MAX_NUMBER, "maximum": MAX_NUMBER}
    node.pop("multipleOf", None)
    if node.get("format") == "uri":
        del node["format"]
    if "kWh" in node.get("enum", ()) and "Hertz" not in node["enum"]:
        node["enum"] = [*node["enum"], "Hertz"]
    return node


def _narrowed(node: Schema) -> Schema:
    node = dict(node)
    if node.get("format") == "date-time":
        node["pattern"] = _PLAIN_TIME
    if "enum" in node:
        node["enum"] = [word for word in node["enum"] if word not in MISSPELT_IN_SCHEMA]
    if is_sample(node):
        node["properties"] = node["properties"] | {
            "value": node["properties"]["value"] | {"pattern": r"\S"}
        }
    return node


def is_sample(node: Schema) -> bool:
    """Whether this is the schema of a SampledValue."""
    return "measurand" in node.get("properties", ())


class SampleGate:
    """Decides whether samples need no closer look.

    `check` validates one sample. Besides the attributes, its result may depend only on whether the
    value is text and blank. A value that is no number is valid, but the closer look counts it.
    """

    def __init__(self, check: Callable[[object], bool]) -> None:
        self._check = check
        self._kinds: set[tuple[object, ...]] = set()

    def passes(self, payload: Mapping[str, Any]) -> bool:
        """Whether all samples of a payload are valid. The payload must have passed its own gate."""
        for group in GROUPS:
            for meter_value in payload.get(group, ()):
                if not all(map(self._knows, meter_value["sampledValue"])):
                    return False
        return True

    def _knows(self, sample: Any) -> bool:
        try:
            get = sample.get
            value, form = sample["value"], get("format")
            kind = (
                *(get("measurand"), get("unit"), get("context"), get("location")),
                *(get("phase"), form, len(sample)),
            )
            if type(value) is not str:
                return False
            if not is_plain(value) and not (form == SIGNED and value.strip()):
                return False
            if kind in self._kinds:
                return True
        except (AttributeError, KeyError, TypeError):
            # It is no object, has no value, or has an attribute that cannot be compared.
            return False
        if not self._check(sample):
            return False
        if len(self._kinds) < KINDS_REMEMBERED:
            self._kinds.add(kind)
        return True
