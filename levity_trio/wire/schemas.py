"""What we change in the schemas of the `ocpp` package before we use them, and why.

`complete` makes them say what the specification says. That is what `--strict` enforces:

- `Hertz` is a unit in StopTransaction too. Its schema leaves it out while that of MeterValues has it; OCPP
  1.6 §7.31 (Measurand) says of Frequency that its unit is Hertz, and speaks of SampledValue wherever it
  occurs. So it is right everywhere, and neither refused nor counted as repaired.
- Numbers are bounded to ±2^53, the range in which every JSON reader agrees about integers. Beyond, orjson
  makes floats of them and SQLite raises. No real id, meter or connector comes near.
- `multipleOf: 0.1` is no demand: as validators reckon, 21.4 is no such multiple.
- `format: uri` is no demand: only locations in our own messages have it, and an operator's are passed on.
- The `$ref`s of the security extension are written out, and every object lists its properties and admits no
  others, so that all schemas are trees of one dialect.

`gate` narrows a complete schema further, so that one fast look tells those payloads that need no second one
(nearly all) from those that do. It is allowed to be wrong in one direction only: what passes the gate is
right; what does not pass may still turn out to be right when it is looked at closely.
"""

from collections.abc import Callable
from typing import Any, Final

Schema = dict[str, Any]

MAX_NUMBER: Final = 2**53
_DIALECT: Final = "http://json-schema.org/draft-04/schema#"
_DROPPED: Final = frozenset({"$schema", "$id", "id", "definitions"})
# Times whose form alone shows that they exist: 29 February is left to a closer look.
_PLAIN_TIME: Final = (
    r"^[12][0-9]{3}-"
    r"(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)[Tt ]"
    r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?(?:[Zz]|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?$"
)
# Words that the schemas allow but that a closer look replaces by the specification's own.
MISSPELT_IN_SCHEMA: Final = frozenset({"Celcius"})


def complete(schema: Schema) -> Schema:
    """A copy of a schema file as the specification means it."""
    definitions = schema.get("definitions", {})
    return {"$schema": _DIALECT} | _rewritten(schema, lambda node: _completed(node, definitions))


def gate(schema: Schema) -> Schema:
    """A narrower copy of a complete schema: what it accepts needs no closer look."""
    return {"$schema": _DIALECT} | _rewritten(schema, _narrowed)


def without_samples(schema: Schema) -> Schema:
    """A copy in which a SampledValue may be anything: these are looked at by themselves."""
    return _rewritten(schema, lambda node: {} if is_sample(node) else dict(node))


def sample_of(schema: Schema) -> Schema | None:
    """The schema of the SampledValues in a message, None where it has none."""
    if is_sample(schema):
        return schema
    inner = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
    return next((found for child in inner if (found := sample_of(child)) is not None), None)


def _rewritten(node: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """A copy of the tree with `change` applied to every node on the way down."""
    node = change(node)
    if "properties" in node:
        node["properties"] = {name: _rewritten(child, change) for name, child in node["properties"].items()}
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
        node["properties"] = node["properties"] | {"value": node["properties"]["value"] | {"pattern": r"\S"}}
    return node


def is_sample(node: Schema) -> bool:
    """Whether this is the schema of a SampledValue, which is read with more care than the rest."""
    return "measurand" in node.get("properties", ())
