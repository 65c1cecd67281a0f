import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import jsonschema
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio.wire.errors import Refused
from levity_trio.wire.frames import Call, parse_frame
from levity_trio.wire.payloads import read_request, read_result
from levity_trio.wire.repair import MAX_ITEMS, MAX_SAMPLE, repair
from levity_trio.wire.schemas import Schema, _rewritten
from levity_trio.wire.secrets import masked_frame
from levity_trio.wire.texts import LONGEST_PAYLOAD, cut_payload
from tests.effort import BOUNDED, cpu_seconds
from tests.sizes import size
from tests.wire.examples import MESSAGES, nearly, place_of, schema_of

NOON = "2026-03-01T12:00:00Z"
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}


@pytest.mark.parametrize(
    "change",
    [
        {"AuthorizationKey": "SECRET"},
        {"nested": [{"my_password": 'SECRET"}', "other": 1}]},
        {"token": ["SECRET"]},
        {"url": "ftp://user:SECRET@host/x"},
        {"apiSecret": {"a": "SECRET"}},
    ],
)
def test_samples_hide_secrets(change: dict[str, Any]) -> None:
    for name, value in change.items():
        repairs = read_request("Heartbeat", {name: value}, strict=False).repairs
        assert "SECRET" not in repairs[0].sample
        assert "***" in repairs[0].sample


def test_samples_of_configurations_are_not_kept_at_all() -> None:
    keys = [{"key": "AuthorizationKey", "readonly": False, "value": 1234, "comment": "1234"}]
    repairs = read_result(
        "GetConfiguration", {"configurationKey": keys, "dump": "1234"}, strict=False
    ).repairs
    assert len(repairs) == 3
    assert {repair.sample for repair in repairs} == {"***"}


def test_samples_are_short_and_one_a_kind() -> None:
    understood = read_request(
        "StatusNotification", STATUS | {"info": "x" * 10_000, "status": "y" * 10_000}, strict=False
    )
    assert all(len(repair.sample) <= MAX_SAMPLE for repair in understood.repairs)
    value = {"timestamp": NOON, "sampledValue": [{"value": 1}, {"value": 2}]}
    repairs = read_request(
        "MeterValues", {"connectorId": 1, "meterValue": [value] * 50}, strict=False
    ).repairs
    assert [(repair.kind, repair.sample) for repair in repairs] == [
        ("MeterValues.meterValue.sampledValue.value: number for text", "1")
    ]


def test_a_payload_is_not_changed_by_reading_it() -> None:
    payload = {
        "connectorId": "1",
        "meterValue": {"timestamp": NOON, "sampledValue": {"value": 1, "x": 2}},
    }
    before = json.dumps(payload)
    read_request("MeterValues", payload, strict=False)
    assert json.dumps(payload) == before


@pytest.mark.parametrize(
    "meter_value",
    [
        [None] * 1_000_000,
        [
            {
                "timestamp": NOON,
                "sampledValue": [{"value": 1, "unit": "WH", "measurand": "voltage"}] * 30_000,
            }
        ],
        [{"timestamp": NOON, "sampledValue": [{}] * 500_000}],
        [{str(name): 1 for name in range(100_000)}],
    ],
)
def test_the_largest_frame_holds_nobody_up(meter_value: list[Any]) -> None:
    payload = {"connectorId": 1, "meterValue": meter_value}
    assert cpu_seconds(lambda: read_request("MeterValues", payload, strict=False)) < BOUNDED
    assert len(read_request("MeterValues", payload, strict=False).message.meter_value) <= MAX_ITEMS


@pytest.mark.parametrize(
    ("digits", "reservation"),
    [("1" * 1_000_000, None), ("0." + "1" * 1_000_000, 0), ("0" * 1_000_000 + "x", None)],
)
def test_a_number_of_a_million_digits_holds_nobody_up(digits: str, reservation: int | None) -> None:
    start = {
        "connectorId": 1,
        "idTag": "A",
        "meterStart": 5,
        "timestamp": NOON,
        "reservationId": digits,
    }
    assert cpu_seconds(lambda: read_request("StartTransaction", start, strict=False)) < BOUNDED
    assert (
        read_request("StartTransaction", start, strict=False).message.reservation_id == reservation
    )


HEAD = '[2,"1","MeterValues",{"connectorId":1,"x":'
TAILED = "]}]"
BYTES = 500_000
FRAMES = {
    "short texts to mend": HEAD + "[" + r'"\q\q\q\q\q\q\q\q",' * 27_000 + "1" + TAILED,
    "long texts to mend": HEAD + "[" + ('"' + r"\q" * 4_990 + '",') * 50 + "1" + TAILED,
    "half escapes": HEAD + "[" + ('"' + r"\u12" * 2_400 + '",') * 50 + "1" + TAILED,
    "names to mend": HEAD + "{" + r'"\q\q\q":1,' * 45_000 + '"z":1}}]',
    "surrogates": HEAD + "[" + ('"' + r"\ud800" * 1_600 + '",') * 50 + "1" + TAILED,
    "commas": HEAD + "[" + "," * BYTES + "1" + TAILED,
    "depth": HEAD + "[" * BYTES,
    "digits": '[2,"1","MeterValues",{"connectorId":NaN,"x":['
    + ("9" * 60 + ",") * 8_000
    + "1"
    + TAILED,
    "names": '[2,1,"MeterValues",{' + '"k":1,' * 80_000 + '"k":NaN}]',
    "control characters": HEAD + "[" + ('"' + "\x01" * 9_000 + '",') * 50 + "1" + TAILED,
    "quotation marks": HEAD + '"' * BYTES,
    "fractions": HEAD
    + '1,"meterValue":[{"timestamp":"2026-03-01T12:00:00.'
    + "0" * BYTES
    + 'Z"}]}]',
    "lists": HEAD + "[" + "[]," * 160_000 + "[]" + TAILED,
    "a key": HEAD.replace("x", "key") + '"' + "aA" * 240_000 + '"}]',
}
"""What costs a parser, a repair or a mask most, in a frame as large as a stranger may send."""


@pytest.mark.parametrize("what", FRAMES)
def test_no_frame_takes_long_to_read(what: str) -> None:
    """50 ms on an idle machine; what cannot be read in that is kept raw."""
    text = FRAMES[what]

    def read() -> None:
        frame, masked = parse_frame(text), masked_frame(text)
        cut_payload(masked)
        if isinstance(frame, Call):
            with suppress(Refused):
                read_request(frame.action, frame.payload, strict=False)

    assert 400_000 < len(text) < 700_000
    assert cpu_seconds(read) < BOUNDED / 4


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "[" + ('"' + r"\q" * 4_990 + '",') * 400 + "1" + TAILED,
        HEAD + "[" + "[]," * 1_200_000 + "[]" + TAILED,
        HEAD + "[" + "{}," * 1_200_000 + "[]" + TAILED,
        HEAD.replace("x", "key") + '"' + "aA" * 2_000_000 + '"}]',
    ],
)
def test_what_repairs_and_masks_cost_does_not_grow_with_the_frame(text: str) -> None:
    assert (
        cpu_seconds(lambda: (parse_frame(text), masked_frame(text), cut_payload(text)))
        < BOUNDED / 2
    )


def test_texts_are_mended_until_that_would_take_long() -> None:
    texts = [rf"\q{number}" + r"\q" * 50 for number in range(1_500)]
    frame = parse_frame(HEAD + "[" + ",".join(f'"{text}"' for text in texts) + TAILED)
    assert isinstance(frame, Call)
    assert isinstance(frame.payload, dict)
    mended = frame.payload["x"]
    assert 400 < len(mended) < 1_500
    assert mended[:2] == ["q0" + "q" * 50, "q1" + "q" * 50]


@pytest.mark.parametrize("depth", [100, 300, 900, 5_000])
@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}")])
def test_a_deep_payload_is_cut_as_a_whole(depth: int, begin: str, end: str) -> None:
    deep = begin * depth + '"' + "\\n" * 20_000 + '"' + end * depth
    assert len(cut_payload(deep)) <= LONGEST_PAYLOAD


def test_beyond_the_bound_the_register_of_a_stop_is_still_read() -> None:
    data = [{"timestamp": NOON, "sampledValue": [{"value": 1}]}] * MAX_ITEMS
    stop = {"transactionData": data, "transactionId": 7, "timestamp": NOON, "meterStop": 100}
    understood = read_request("StopTransaction", stop, strict=False)
    assert understood.message.meter_stop == 100
    assert 0 < len(understood.message.transaction_data) < MAX_ITEMS
    assert "StopTransaction.transactionData: too many items" in {
        found.kind for found in understood.repairs
    }


def relaxed(schema: Schema) -> Schema:
    """Return a schema that every payload holds to after reading: its types and its required
    fields."""
    tolerated = {"maxLength", "enum", "minItems", "format"}
    return _rewritten(
        schema, lambda node: {word: node[word] for word in node if word not in tolerated}
    )


@given(st.sampled_from(MESSAGES).flatmap(lambda m: st.tuples(st.just(m), nearly(schema_of(*m)))))
@settings(max_examples=size(300, 60), deadline=timedelta(seconds=2))
def test_what_is_understood_has_the_types_of_the_schema(
    sent: tuple[tuple[str, bool], object],
) -> None:
    (action, is_answer), payload = sent
    schema = schema_of(action, is_answer)
    try:
        understood, repairs = repair(schema, payload, place_of(action, is_answer))
    except Refused:
        return
    jsonschema.Draft4Validator(relaxed(schema)).validate(understood)
    assert orjson.loads(orjson.dumps(understood)) == understood
    assert all(len(found.sample) <= MAX_SAMPLE for found in repairs)


@given(st.sampled_from(MESSAGES).flatmap(lambda m: st.tuples(st.just(m), nearly(schema_of(*m)))))
@settings(max_examples=size(200, 40), deadline=timedelta(seconds=2))
def test_what_was_repaired_needs_no_second_repair_of_shape(
    sent: tuple[tuple[str, bool], object],
) -> None:
    (action, is_answer), payload = sent
    schema, where = schema_of(action, is_answer), place_of(action, is_answer)
    try:
        understood, _ = repair(schema, payload, where)
    except Refused:
        return
    assert repair(schema, understood, where)[0] == understood
