"""Payloads made from the schemas: full, minimal, and nearly valid ones."""

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from levity_trio.wire.payloads import CHARGER_ACTIONS, SERVER_ACTIONS, _form
from levity_trio.wire.schemas import Schema

ALL_ACTIONS = sorted(CHARGER_ACTIONS | SERVER_ACTIONS)
MESSAGES = [(action, is_answer) for action in ALL_ACTIONS for is_answer in (False, True)]
PLAIN = {"string": "7", "integer": 7, "number": 16.1, "boolean": True}

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=60),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)


def schema_of(action: str, is_answer: bool) -> Schema:
    return _form(action, is_answer)._schema


def place_of(action: str, is_answer: bool) -> str:
    return action + (".conf" if is_answer else "")


def full(schema: Schema) -> Any:
    """A valid value with every property."""
    if schema["type"] == "object":
        return {name: full(shape) for name, shape in schema["properties"].items()}
    if schema["type"] == "array":
        return [full(schema["items"])]
    if "enum" in schema:
        return schema["enum"][0]
    return "2026-03-01T12:00:00Z" if schema.get("format") == "date-time" else PLAIN[schema["type"]]


def minimal(schema: Schema) -> dict[str, Any]:
    """A valid payload with only the required properties at its top level."""
    return {name: full(schema["properties"][name]) for name in schema.get("required", ())}


def places(schema: Schema, where: str) -> Iterator[str]:
    """Every field that a kind of repair may name."""
    yield where
    for name, shape in schema.get("properties", {}).items():
        yield from places(shape, f"{where}.{name}")
    if schema["type"] == "array":
        yield from places(schema["items"], where)


def nearly(schema: Schema) -> st.SearchStrategy[Any]:
    """Values of the right shape with any faults, including arbitrary text."""
    if schema["type"] == "object":
        known = {name: nearly(shape) for name, shape in schema["properties"].items()}
        right = st.fixed_dictionaries({}, optional=known)
        extra = st.dictionaries(st.text(max_size=20), ANY_JSON, max_size=2)
        return st.one_of(right, st.builds(lambda a, b: a | b, extra, right), right, ANY_JSON)
    if schema["type"] == "array":
        inner = nearly(schema["items"])
        return st.lists(inner, max_size=3) | inner
    return st.one_of(st.just(full(schema)), st.text(max_size=60), ANY_JSON)
