"""Frames whose text is not quite JSON: what can be read of them is read."""

import json
from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio.wire.frames import Call, parse_frame
from levity_trio.wire.lenient import MAX_TOKENS
from levity_trio.wire.payloads import read_request
from levity_trio.wire.secrets import MAX_CONTAINERS
from tests.effort import BOUNDED, cpu_seconds

T = "2026-03-01T12:00:00Z"
SAMPLES = [
    {"value": "1700", "unit": "Wh", "measurand": "Energy.Active.Import.Register"},
    {"value": "16.1", "unit": "A", "measurand": "Current.Import", "phase": "L1"},
]
DATA = [{"timestamp": T, "sampledValue": SAMPLES}, {"timestamp": T, "sampledValue": SAMPLES[:1]}]
STOP = {
    "transactionId": 1_000_001,
    "meterStop": 2000,
    "timestamp": T,
    "reason": "Local",
    "idTag": "TAG",
}
START = {"connectorId": 1, "idTag": "TAG", "meterStart": 1000, "timestamp": T}
METER_VALUES = {"connectorId": 1, "transactionId": 1_000_001}
MESSAGES = [
    ("StopTransaction", STOP, "transactionData"),
    ("MeterValues", METER_VALUES, "meterValue"),
]
DAMAGE = st.just("") | st.sampled_from(
    [*'"{}[],:\\0x \t\n\x00é', "NaN", "1e999", "\\ud83d", "\\q", "01", ",,", "''"]
)
FULL_TEST = settings(max_examples=400, deadline=timedelta(seconds=2))


def payload_of(text: str) -> Any:
    frame = parse_frame(text)
    assert isinstance(frame, Call)
    orjson.dumps(frame.payload)
    return frame.payload


def in_call(payload: str) -> str:
    return f'[2,"1","StopTransaction",{payload}]'


@pytest.mark.parametrize(
    ("payload", "understood"),
    [
        ('{a : 1, b\t: "x"}', {"a": 1, "b": "x"}),
        ('{"a":NaN,"b":-Infinity,"c":1e999,"d":-nan,"e":inf}', dict.fromkeys("abcde")),
        (
            '{"a":01,"b":-007,"c":+5,"d":00.50,"e":5.,}',
            {"a": 1, "b": -7, "c": 5, "d": 0.5, "e": 5.0},
        ),
        ('{"a":[1,,2,],,"b":{},}', {"a": [1, 2], "b": {}}),
        ('{"a":"x\x01\ty","b":"\\q\\"\\n"}', {"a": "x\x01\ty", "b": 'q"\n'}),
        ('{"a":"\\ud83d","b":"\\ud83d\\ude00"}', {"a": "\ufffd", "b": "\U0001f600"}),
        (
            '{"a":1,"b":kWh,"c":20O0,"a":true,"d":99999999999999999999}',
            {"a": True, "b": "kWh", "c": "20O0", "d": 1e20},
        ),
        ('{"a":1,"a":null,}', {"a": None}),
        ('{a:1,"b":2}', {"a": 1, "b": 2}),
    ],
)
def test_a_wrong_token_costs_its_own_value(payload: str, understood: object) -> None:
    assert payload_of(in_call(payload)) == understood


@pytest.mark.parametrize(
    "payload", ['{"a":20', '{"a":20 00,"b":1}', '{"a":20"b":1}', '{"a":12,5,"b":1}', '{"a":1,234']
)
def test_a_number_that_may_have_lost_digits_is_not_kept(payload: str) -> None:
    assert payload_of(in_call(payload).rstrip("]")).get("a") in (None, "20 00")


def test_a_sample_is_kept_whole_or_not_at_all() -> None:
    """Without its unit or measurand it would mean Wh of the register."""
    text = in_call(json.dumps({"transactionData": DATA}))
    for end in range(text.index("transactionData"), len(text)):
        for meter_value in payload_of(text[:end]).get("transactionData", ()):
            assert meter_value["timestamp"] == T
            assert all(sample in SAMPLES for sample in meter_value.get("sampledValue", ()))


@pytest.mark.parametrize(("action", "fields", "data"), MESSAGES)
def test_what_came_before_the_end_of_a_cut_frame_is_kept(
    action: str, fields: dict[str, Any], data: str
) -> None:
    text = json.dumps([2, "1", action, fields | {data: DATA}])
    last = text.index(data)
    kept: dict[str, Any] = {}
    for end in range(text.index(action) + len(action) + 1, len(text)):
        kept = payload_of(text[:end]) or {}
        assert fields | kept == fields | ({data: kept[data]} if data in kept else {})
        assert end < last or kept.keys() >= fields.keys()
    assert kept[data] == DATA


@given(
    st.sampled_from(MESSAGES),
    st.booleans(),
    st.integers(0, 3000),
    st.integers(0, 1),
    DAMAGE,
    st.randoms(),
)
@FULL_TEST
def test_a_fault_inside_of_one_member_costs_no_other(
    message: tuple[str, dict[str, Any], str],
    is_tight: bool,
    place: int,
    lost: int,
    inserted: str,
    random: Any,
) -> None:
    action, fields, data = message
    members = [*fields.items(), (data, DATA)]
    random.shuffle(members)
    text = json.dumps([2, "1", action, dict(members)], separators=(",", ":") if is_tight else None)
    inside = json.dumps(DATA, separators=(",", ":") if is_tight else None)
    first = text.index(inside)
    at = first + place % len(inside)
    damaged = text[:at] + inserted + text[min(at + lost, first + len(inside)) :]
    kept = payload_of(damaged)
    assert {name: kept.get(name) for name in fields} == fields
    read = read_request(action, kept, strict=False).message
    assert read.transaction_id == fields["transactionId"]
    assert getattr(read, "meter_stop", 2000) == 2000


@given(st.integers(0, 200), st.integers(0, 1), DAMAGE)
@FULL_TEST
def test_a_start_with_a_damaged_member_of_its_own_keeps_the_others(
    place: int, lost: int, inserted: str
) -> None:
    own = {"vendor": {"a": [1, "b", {"c": 2.5}]}}
    inside = json.dumps(own["vendor"])
    text = json.dumps([2, "1", "StartTransaction", own | START])
    first = text.index(inside)
    at = first + place % len(inside)
    kept = payload_of(text[:at] + inserted + text[min(at + lost, first + len(inside)) :])
    assert {name: kept.get(name) for name in START} == START


def test_the_members_of_a_frame_that_follows_are_not_its_own() -> None:
    other = '[2,"2","StartTransaction",{"idTag":"OTHER"}]'
    assert payload_of(in_call('{"meterStop":5,"x":"y"') + other) == {"meterStop": 5}
    assert payload_of(in_call('{"meterStop":5,}') + other) == {"meterStop": 5}


def test_fields_after_more_samples_than_are_read() -> None:
    data = [{"timestamp": T, "sampledValue": SAMPLES}] * (MAX_TOKENS // 4)
    kept = payload_of(in_call(json.dumps({"transactionData": data} | STOP)[:-1] + ",}"))
    assert {name: kept.get(name) for name in STOP} == STOP
    assert 0 < len(kept["transactionData"]) < len(data)


def test_a_frame_with_too_many_lists_keeps_all_else() -> None:
    assert (
        payload_of(in_call(json.dumps({"transactionData": [[]] * MAX_CONTAINERS} | STOP))) == STOP
    )


BEGUN = '[2,"1","StopTransaction",{"meterStop":5,"timestamp":"","x":['


@pytest.mark.parametrize(
    "text",
    [
        *(
            BEGUN + piece * (400_000 // len(piece))
            for piece in ("[", "]", "1,", "[],", '"",', '"', ":", " ", "9", "a ")
        ),
        BEGUN + ("[" * 50 + "]" * 50 + ",") * 4_000,
        BEGUN + '@"' + '"a":1,' * 66_000 + '"z":1}]',
        BEGUN + '"' + "\\q" * 200_000 + '"',
        BEGUN + '"' + "\\\\" * 200_000,
    ],
)
def test_a_hostile_text_delays_nobody(text: str) -> None:
    assert payload_of(text)["meterStop"] == 5
    assert cpu_seconds(lambda: payload_of(text)) < BOUNDED
