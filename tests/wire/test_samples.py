"""The gate for samples accepts exactly what its schema accepts, whatever samples it has seen
before."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from levity_trio.wire.payloads import _form
from levity_trio.wire.schemas import KINDS_REMEMBERED, SampleGate, gate

FORM = _form("MeterValues", False)
BY_SCHEMA = Draft4Validator(gate(FORM._schema))
WORDS = st.sampled_from(["Voltage", "V", "Wh", "L1", "Raw", "Outlet", "Trigger", "", " ", "kwh"])
ODD: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers() | st.just([]) | st.just({})
ATTRIBUTES = st.sampled_from(
    ["measurand", "unit", "context", "location", "phase", "format", "value", "more"]
)
SAMPLES = st.dictionaries(ATTRIBUTES, WORDS | ODD, max_size=4) | ODD
SOUND = st.fixed_dictionaries(
    {"value": st.sampled_from(["1", "0.5"])}, optional={"measurand": st.just("Voltage")}
)


@given(st.lists(SOUND | SAMPLES, min_size=1, max_size=4))
def test_the_gate_agrees_with_its_schema(samples: list[Any]) -> None:
    payload = {
        "connectorId": 1,
        "meterValue": [{"timestamp": "2026-03-01T12:00:00Z", "sampledValue": samples}],
    }
    assert FORM._passes_gate(payload) == BY_SCHEMA.is_valid(payload)
    assert FORM._passes_gate(payload) == BY_SCHEMA.is_valid(payload)


def test_what_is_remembered_is_bounded() -> None:
    looked_at: list[object] = []

    def look(sample: object) -> bool:
        looked_at.append(sample)
        return True

    samples = SampleGate(look)
    for number in range(KINDS_REMEMBERED + 5):
        assert samples.passes(
            {"meterValue": [{"sampledValue": [{"value": "1", "unit": str(number)}] * 2}]}
        )
    assert len(looked_at) == KINDS_REMEMBERED + 2 * 5
