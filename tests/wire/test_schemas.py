import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from levity_trio.wire.payloads import read_request
from levity_trio.wire.repair import repair
from levity_trio.wire.schemas import _PLAIN_TIME, Schema, complete, gate
from levity_trio.wire.times import parse_time
from tests.wire.examples import ALL_ACTIONS, MESSAGES, full, nearly, place_of, schema_of

STOP = {"transactionId": 7, "meterStop": 100}


def nodes(schema: Schema) -> list[Schema]:
    inner = [
        *schema.get("properties", {}).values(),
        *([schema["items"]] if "items" in schema else []),
    ]
    return [schema, *(node for child in inner for node in nodes(child))]


@pytest.mark.parametrize(("action", "is_answer"), MESSAGES)
def test_every_schema_is_a_plain_tree(action: str, is_answer: bool) -> None:
    for node in nodes(schema_of(action, is_answer)):
        assert node["type"] in {"object", "array", "string", "integer", "number", "boolean"}
        assert not {"$ref", "definitions", "$id"} & node.keys()
        assert node["type"] != "object" or node["additionalProperties"] is False
        assert node["type"] not in {"integer", "number"} or node["maximum"] == 2**53


def test_a_schema_is_copied_and_not_changed() -> None:
    source = {
        "type": "object",
        "properties": {"unit": {"type": "string", "enum": ["kWh", "Celcius"]}},
    }
    completed = complete(source)
    assert completed["properties"]["unit"]["enum"] == ["kWh", "Celcius", "Hertz"]
    assert gate(completed)["properties"]["unit"]["enum"] == ["kWh", "Hertz"]
    assert source == {
        "type": "object",
        "properties": {"unit": {"type": "string", "enum": ["kWh", "Celcius"]}},
    }
    assert completed["properties"]["unit"]["enum"] == ["kWh", "Celcius", "Hertz"]


@pytest.mark.parametrize("action", ALL_ACTIONS)
def test_a_full_message_passes_the_gate(action: str) -> None:
    schema = schema_of(action, False)
    assert Draft4Validator(gate(schema)).is_valid(full(schema))


@given(st.sampled_from(MESSAGES).flatmap(lambda m: st.tuples(st.just(m), nearly(schema_of(*m)))))
@settings(max_examples=200, deadline=timedelta(seconds=2))
def test_what_passes_the_gate_needs_no_repair(sent: tuple[tuple[str, bool], Any]) -> None:
    (action, is_answer), payload = sent
    schema = schema_of(action, is_answer)
    if Draft4Validator(gate(schema)).is_valid(payload):
        assert repair(schema, payload, place_of(action, is_answer)) == (payload, ())


@given(st.from_regex(re.compile(_PLAIN_TIME, re.ASCII)))
@example("2999-12-31T23:59:59.999999-23:59")
@example("1000-01-01T00:00:00+23:59")
@settings(max_examples=200)
def test_a_time_that_passes_the_gate_can_be_read(text: str) -> None:
    assert parse_time(text) is not None


@pytest.mark.parametrize(
    "text", ["٢٠٢٦-03-01T12:00:00Z", "2026-03-01T12:00:00Z\n\0", "2026-02-30T12:00:00Z"]
)
def test_a_time_that_cannot_be_read_does_not_pass(text: str) -> None:
    understood = read_request("StopTransaction", STOP | {"timestamp": text}, strict=False)
    assert understood.message.timestamp == text
    assert [found.kind for found in understood.repairs] == [
        "StopTransaction.timestamp: unreadable time"
    ]
