import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from levity_trio.wire.errors import ErrorCode
from levity_trio.wire.frames import (
    MAX_DEPTH,
    MAX_DESCRIPTION,
    UNREADABLE,
    Call,
    CallError,
    CallResult,
    Fault,
    Malformed,
    call_text,
    decoded,
    deeper_than,
    error_text,
    parse_frame,
    result_text,
)
from levity_trio.wire.secrets import MAX_CONTAINERS

WITHIN = settings(max_examples=200, deadline=timedelta(seconds=2))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def no_object(came: str) -> CallError:
    words = f"the payload of its result is no object: {came}"
    return CallError("1", "FormationViolation", words, {}, is_unreadable=True)


def unread(message_id: str) -> CallError:
    return CallError(
        message_id, "FormationViolation", UNREADABLE, {}, is_damaged=True, is_unreadable=True
    )


def unread_error(message_id: str) -> CallError:
    return CallError(message_id, "GenericError", UNREADABLE, {}, is_damaged=True)


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ('[2,"a1","Heartbeat",{}]', Call('"a1"', "Heartbeat", {})),
        ('[3,"a1",{"status":"Accepted"}]', CallResult("a1", {"status": "Accepted"})),
        (
            '[4,"a1","InternalError","why",{"x":1}]',
            CallError("a1", "InternalError", "why", {"x": 1}),
        ),
    ],
)
def test_the_three_kinds(text: str, frame: object) -> None:
    assert parse_frame(text) == frame


def test_of_too_many_lists_a_part_is_read_at_most() -> None:
    """Reading, masking and cutting hundreds of thousands of them takes a second, in which nobody
    else is served."""

    def sent(lists: int) -> Call:
        data = json.dumps([[]] * lists)
        call = parse_frame(f'[2,"1","DataTransfer",{{"vendorId":"v","data":{data}}}]')
        assert isinstance(call, Call)
        assert (call.raw_id, call.action) == ('"1"', "DataTransfer")
        return call

    assert sent(MAX_CONTAINERS - 3).payload == {
        "vendorId": "v",
        "data": [[]] * (MAX_CONTAINERS - 3),
    }
    assert len(json.dumps(sent(MAX_CONTAINERS).payload)) < MAX_CONTAINERS


@pytest.mark.parametrize(
    "text",
    [
        '\ufeff[2,"1","Heartbeat",{}]',
        '\0[2,"1","Heartbeat",{}]\0\0',
        ' \r\n[ 2 ,\t"1" , "Heartbeat" , { } ]\r\n',
        '["2","1","Heartbeat",{}]',
        '[2.0,"1","Heartbeat",{}]',
        '[2,"1","Heartbeat",{},"one element too many"]',
    ],
)
def test_odd_but_understood(text: str) -> None:
    assert parse_frame(text) == Call('"1"', "Heartbeat", {})


def test_bytes_that_are_no_utf8_cost_the_character_and_not_the_message() -> None:
    text, is_utf8 = decoded(b'[2,"1","Authorize",{"idTag":"M\xfcller"}]')
    assert not is_utf8
    assert parse_frame(text) == Call('"1"', "Authorize", {"idTag": "M\ufffdller"})


@pytest.mark.parametrize("message", ["M\u00fcller", "M\u00fcller".encode(), b""])
def test_what_is_utf8_is_told_from_what_is_not(message: str | bytes) -> None:
    assert decoded(message) == ("M\u00fcller" if message else "", True)


@pytest.mark.parametrize(
    "token",
    [
        '"plain"',
        '""',
        '"with \\"quotes\\" and \\\\ and \\u00e9"',
        '"\\ud83d\\ude00"',
        '"],[,{"',
        f'"{"x" * 500}"',
        "17",
        "-0",
        "1.50",
        "1E+2",
        "123456789012345678901234567890",
        "null",
        "true",
    ],
)
def test_an_id_is_echoed_byte_for_byte(token: str) -> None:
    frame = parse_frame(f'[2, {token} ,"Heartbeat",{{}}]')
    assert isinstance(frame, Call)
    assert result_text(frame.raw_id, {}) == f"[3,{token},{{}}]"
    assert error_text(frame.raw_id, "GenericError", "") == f'[4,{token},"GenericError","",{{}}]'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[2,"7"]', Fault.TOO_SHORT),
        ('[2,"7",null,{}]', Fault.NO_ACTION),
        ('[2,"7",{},{}]', Fault.NO_ACTION),
        ('[2,"7",Authorize,{}]', Fault.NOT_JSON),
        (f'[2,"7",{"[" * 100}{"]" * 100}]', Fault.TOO_DEEP),
        (f'[2,"7",[{"[]," * MAX_CONTAINERS}0]]', Fault.TOO_WIDE),
    ],
)
def test_a_call_that_is_wrong_gets_its_answer(text: str, fault: Fault) -> None:
    frame = parse_frame(text)
    assert isinstance(frame, Malformed)
    assert frame.kind == fault
    assert frame.answer is not None
    assert json.loads(frame.answer) == [4, "7", "FormationViolation", fault.value, {}]


@pytest.mark.parametrize(
    ("text", "action", "payload"),
    [
        ('[2,"7","Heartbeat"]', "Heartbeat", None),
        ('[2,"7","Heartbeat",null]', "Heartbeat", None),
        ('[2,"7","Heartbeat",[]]', "Heartbeat", []),
        ('[2,"7","Heartbeat","{}"]', "Heartbeat", "{}"),
    ],
)
def test_a_payload_that_cannot_be_read_is_for_the_reader_of_the_call(
    text: str, action: str, payload: object
) -> None:
    assert parse_frame(text) == Call('"7"', action, payload)


@pytest.mark.parametrize(
    ("text", "action", "payload"),
    [
        ('[2,"7","Heartbeat",{},]', "Heartbeat", {}),
        ('[2,"7","Heartbeat"', "Heartbeat", None),
        ('[2,"7", "MeterValues" ,{"connectorId":NaN}]', "MeterValues", {"connectorId": None}),
        ('[2,"7","MeterValues",{"connectorId":1e999}]', "MeterValues", {"connectorId": None}),
        ('[2,"7","Authorize",{"idTag":"\\ud800"}]', "Authorize", {"idTag": "\ufffd"}),
        ('[2,"7","Authorize",{"idTag":"\ud800"}]', "Authorize", {"idTag": "\ufffd"}),
        ('[2,"7","Authorize",{"idTag', "Authorize", {}),
        (f'[2,"7","X",{{"a":{"[" * 100}{"]" * 100},"b":1}}]', "X", {"b": 1}),
        (f'[2,"7","X",{{"a":{"[" * 9999}{"]" * 9999},"b":1}}]', "X", {"b": 1}),
    ],
)
def test_what_can_be_read_of_a_damaged_call(text: str, action: str, payload: object) -> None:
    frame = parse_frame(text)
    assert isinstance(frame, Call)
    assert frame.is_damaged
    if isinstance(frame.payload, dict):
        frame.payload.pop("a", None)  # as deep as was read
    assert frame == Call('"7"', action, payload, is_damaged=True)
    assert parse_frame(text, strict=True) == Call('"7"', action, None)


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ('[3,"1",{},]', CallResult("1", {}, is_damaged=True)),
        (
            '[3,"1",{"status":"Accepted","x":NaN}]',
            CallResult("1", {"status": "Accepted", "x": None}, is_damaged=True),
        ),
        (
            '[3,17,{"status":"Accepted","x":"',
            CallResult("17", {"status": "Accepted"}, is_damaged=True),
        ),
        (
            '[4,"1","Generic\tError","y",{"a":01}]',
            CallError("1", "Generic\tError", "y", {"a": 1}, is_damaged=True),
        ),
        (
            '[4,"1","InternalError","wh',
            CallError("1", "InternalError", UNREADABLE, {}, is_damaged=True),
        ),
        ('[3,"1",[1,]]', replace(no_object("[1]"), is_damaged=True)),
    ],
)
def test_what_can_be_read_of_a_damaged_response(text: str, frame: CallResult | CallError) -> None:
    assert parse_frame(text) == frame
    lost = unread(frame.message_id) if text.startswith("[3") else unread_error(frame.message_id)
    assert parse_frame(text, strict=True) == lost


RESULT = (
    '[3,"1",{"configurationKey":[{"key":"A","readonly":false,"value":"1"},{"key":"B",'
    '"readonly":true}]}]'
)
REFUSAL = '["4", "1" , "InternalError","no",{"a":[1,{"b":"c"}]}]'


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "text", [RESULT, REFUSAL, RESULT.replace('{"conf', '{"status" "x","conf'), '[3,"1"{"a":1}]']
)
def test_a_response_that_is_cut_off_anywhere_after_its_id_is_one(text: str, strict: bool) -> None:
    for end in range(text.index('"1"') + 3, len(text)):
        frame = parse_frame(text[:end], strict=strict)
        assert isinstance(frame, CallResult | CallError), text[:end]
        assert (frame.message_id, frame.is_damaged) == ("1", True)
        assert isinstance(frame, CallResult) or frame.is_unreadable == ("3" in text[:2])


@pytest.mark.parametrize(
    "text",
    [
        '[3,"1",{"sta',
        '[3,"1",',
        '[3,"1"',
        '[3,"1",{"a":1,"status":"Acc',
        '[3,17,{"a"',
        '[3,"1" {}]',
    ],
)
def test_a_result_that_cannot_be_read_ends_its_call_all_the_same(text: str) -> None:
    assert parse_frame(text) == unread("17" if "17" in text else "1")


@pytest.mark.parametrize("text", ['[3,"1', "[3,17", "[3,", '[3,{"1":2', '[5,"1"', '"3","1",{'])
def test_without_a_whole_id_nobody_knows_whose_it_is(text: str) -> None:
    assert parse_frame(text) == Malformed(Fault.NOT_JSON, None)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", Fault.NOT_JSON),
        ("AT+CSQ", Fault.NOT_JSON),
        ("\0\0", Fault.NOT_JSON),
        ("{}", Fault.NOT_A_LIST),
        ("2", Fault.NOT_A_LIST),
        ("null", Fault.NOT_A_LIST),
        ("[]", Fault.UNKNOWN_TYPE),
        ('[5,"1","Heartbeat",{}]', Fault.UNKNOWN_TYPE),
        ('[true,"1","Heartbeat",{}]', Fault.UNKNOWN_TYPE),
        ('[[2],"1","Heartbeat",{}]', Fault.UNKNOWN_TYPE),
        ("[2]", Fault.NO_ID),
        ('[2,["1"],"Heartbeat",{}]', Fault.NO_ID),
        ('[2,{"id":1},"Heartbeat",{}]', Fault.NO_ID),
        ("[3]", Fault.NO_ID),
        ("[3,null,{}]", Fault.NO_ID),
        ("[3,true,{}]", Fault.NO_ID),
        ("[4,[],1]", Fault.NO_ID),
        ("[2,NaN,", Fault.NOT_JSON),
        ('[2,"\\x",', Fault.NOT_JSON),
        ('[2,"\\ud800","Heartbeat",{}]', Fault.NOT_JSON),
        ('[2,"\ud800","Heartbeat",{}]', Fault.NOT_JSON),
        ('[5,"1",{},]', Fault.NOT_JSON),
        ('[-Infinity,"StartTransaction",{},2]', Fault.NOT_JSON),
        ("[NaN,1,{}]", Fault.NOT_JSON),
    ],
)
def test_what_nobody_waits_for_gets_no_answer(text: str, fault: Fault) -> None:
    assert parse_frame(text) == Malformed(fault, None)


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ('[3,"1"]', CallResult("1", {})),
        ('[3,"1",null]', CallResult("1", {})),
        ('[3,"1",[]]', CallResult("1", {})),
        ('[3,"1",""]', CallResult("1", {})),
        ('[3,"1","Accepted"]', no_object('"Accepted"')),
        ("[3,1,[1]]", no_object("[1]")),
        ("[3,17,{}]", CallResult("17", {})),
        ("[3,17.0,{}]", CallResult("17", {})),
        ("[3,1.5,{}]", CallResult("1.5", {})),
        ('["3","1",{},1]', CallResult("1", {})),
        ('[4,"1"]', CallError("1", "GenericError", "", {})),
        ('[4,"1",""]', CallError("1", "GenericError", "", {})),
        ('[4,"1","NotSupported"]', CallError("1", "NotSupported", "", {})),
        ('[4,"1",7,null,null]', CallError("1", "GenericError", "", {})),
        ('["4",5,"X","y","z",1]', CallError("5", "X", "y", "z")),
    ],
)
def test_as_much_of_an_answer_as_can_be_read(text: str, frame: object) -> None:
    assert parse_frame(text) == frame


@pytest.mark.parametrize(
    "text",
    [
        '[2,"1","Heartbeat",{},1]',
        '["2","1","Heartbeat",{}]',
        '[2.0,"1","Heartbeat",{}]',
        '[2,"1","Heartbeat"]',
        '[2,"1","Heartbeat",{},null,{}]',
        '[2,1,"Heartbeat",{}]',
        f'[2,"{"1" * 37}","Heartbeat",{{}}]',
    ],
)
def test_strict_refuses_a_call_of_other_elements(text: str) -> None:
    refused = parse_frame(text, strict=True)
    assert isinstance(refused, Malformed)
    assert refused.kind == Fault.NOT_EXACT
    assert refused.answer is not None
    assert json.loads(refused.answer)[:3] == [4, json.loads(text)[1], "FormationViolation"]
    assert isinstance(parse_frame(text), Call)


@pytest.mark.parametrize("text", ['[3,"1",{},1]', '["3","1",{}]', "[3,1,{}]", '[3,"1"]'])
def test_strict_takes_no_result_of_other_elements(text: str) -> None:
    assert parse_frame(text, strict=True) == replace(unread("1"), is_damaged=False)
    assert parse_frame(text) == CallResult("1", {})


@pytest.mark.parametrize(
    "text", ['[2,"1","Heartbeat",{}]', '[3,"1",{}]', '[4,"1","InternalError","",{}]']
)
def test_strict_takes_what_is_exact(text: str) -> None:
    assert parse_frame(text, strict=True) == parse_frame(text)


def test_a_deep_frame_that_is_read_can_be_written() -> None:
    lists = MAX_DEPTH - 2
    frame = parse_frame(f'[2,"1","X",{{"a":{"[" * lists}{"]" * lists}}}]')
    assert isinstance(frame, Call)
    orjson.dumps(frame.payload)
    deeper = parse_frame(f'[2,"1","X",{{"a":{"[" * (lists + 1)}{"]" * (lists + 1)}}}]')
    assert isinstance(deeper, Call)
    assert deeper.is_damaged
    assert not deeper_than(MAX_DEPTH, [deeper.payload])


def test_many_brackets_are_not_depth() -> None:
    payload = {"meterValue": [{"sampledValue": [{"value": "1"}]}] * 200}
    assert parse_frame(call_text("1", "MeterValues", payload)) == Call(
        '"1"', "MeterValues", payload
    )


def test_integers_beyond_64_bits_can_be_written_again() -> None:
    frame = parse_frame('[2,"1","X",{"a":18446744073709551616,"b":-9223372036854775809}]')
    assert isinstance(frame, Call)
    orjson.dumps(frame.payload)


def test_texts_of_ours() -> None:
    assert call_text("1", "Reset", {"type": "Soft"}) == '[2,"1","Reset",{"type":"Soft"}]'
    assert result_text('"1"', {"currentTime": "x"}) == '[3,"1",{"currentTime":"x"}]'
    text = error_text("1", ErrorCode.NOT_IMPLEMENTED, 'no "such"', {"a": [1]})
    assert text == '[4,1,"NotImplemented","no \\"such\\"",{"a":[1]}]'


def test_a_description_is_cut_and_never_breaks_the_text() -> None:
    description = json.loads(error_text("1", "GenericError", "\ud800" + "x" * 999))[3]
    assert description == "?" + "x" * (MAX_DESCRIPTION - 1)


def must_be_writable(message: str | bytes) -> None:
    text, _ = decoded(message)
    frame = parse_frame(text)
    match frame:
        case Call(raw_id=raw_id, payload=payload):
            orjson.loads(result_text(raw_id, {"payload": payload}))
        case CallResult(payload=payload):
            orjson.dumps(payload)
        case CallError(message_id=message_id, code=code, description=description, details=details):
            orjson.dumps([message_id, code, description, details])
        case Malformed(kind, answer):
            assert kind in set(Fault)
            assert answer is None or orjson.loads(answer)[0] == 4


@given(
    st.text(st.characters())
    | st.binary()
    | st.from_regex(r'\[([234]|[^,]{0,9}),"[^"]{0,9}",.{0,30}')
)
@example('[2,"' + '\\"' * 50_000)
@example("[" * 500_000)
@example('[2,"1","X",' + '{"a":[' * 100_000)
@WITHIN
def test_any_text(text: str | bytes) -> None:
    must_be_writable(text)


@given(st.lists(st.sampled_from([2, 3, 4, "2"]) | JSON, max_size=6))
@WITHIN
def test_any_json(frame: Any) -> None:
    must_be_writable(json.dumps(frame))


@given(st.text(), st.text(), st.dictionaries(st.text(), st.text()))
@WITHIN
def test_what_we_call_is_what_is_read(
    message_id: str, action: str, payload: dict[str, str]
) -> None:
    frame = parse_frame(call_text(message_id, action, payload))
    assert frame == Call(orjson.dumps(message_id).decode(), action, payload)
    assert parse_frame(result_text(frame.raw_id, payload)) == CallResult(message_id, payload)
    error = parse_frame(error_text(frame.raw_id, "GenericError", action, dict(payload)))
    assert error == CallError(message_id, "GenericError", action[:MAX_DESCRIPTION], payload)
