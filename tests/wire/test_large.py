"""A large message is cut at the elements of its list, and no element is lost or told twice."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.wire import large
from levity_trio.wire.frames import Call, parse_frame
from levity_trio.wire.large import (
    LONGEST_AROUND,
    LONGEST_ELEMENT,
    MOST_ELEMENTS,
    MOST_PARTS,
    NotCuttable,
    Parts,
)

TEXTS = st.text(max_size=20) | st.sampled_from(
    ['"transactionData":[', '\\"', "]}]", '{"timestamp":', "💡ö", "\\"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
ELEMENTS = st.lists(
    st.dictionaries(TEXTS, VALUES, max_size=3) | st.lists(VALUES, max_size=2), max_size=40
)
FIELDS = st.dictionaries(
    TEXTS.filter(lambda name: name not in ("transactionData", "meterValue")), VALUES, max_size=3
)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "PART_BYTES", 200)


def found(text: str) -> Parts:
    parts = Parts(text)
    for _ in parts.find():
        pass
    assert "".join(parts.pieces()) == text.encode(errors="replace").decode()
    return parts


def cut(text: str) -> list[str]:
    return [*found(text)]


def elements_of(payload: object) -> list[object]:
    sent = payload if isinstance(payload, dict) else {}
    return next((sent[name] for name in ("transactionData", "meterValue") if name in sent), [])


def element(number: int) -> dict[str, Any]:
    at = f"2026-03-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z"
    return {"timestamp": at, "sampledValue": [{"value": str(number), "unit": "Wh"}]}


def stop(*elements: object, **more: object) -> str:
    told = {"transactionId": 7, "transactionData": [*elements], "meterStop": 5}
    return json.dumps([2, "id", "StopTransaction", told | more])


def read(parts: list[str]) -> list[object]:
    """All elements that the parts have, as they are read."""
    calls = [parse_frame(part) for part in parts]
    return [one for call in calls if isinstance(call, Call) for one in elements_of(call.payload)]


@given(FIELDS, ELEMENTS, FIELDS, st.sampled_from([(",", ":"), (" ,\n", "\t: ")]), st.booleans())
def test_all_elements_are_in_the_parts_and_all_fields_around_the_ends(
    before: dict[str, Any],
    elements: list[Any],
    after: dict[str, Any],
    separators: tuple[str, str],
    escapes: bool,
) -> None:
    payload = (
        before
        | {"meterValue": elements}
        | {name: value for name, value in after.items() if name not in before}
    )
    text = json.dumps([2, "x", "MeterValues", payload], separators=separators, ensure_ascii=escapes)
    parts = found(text)
    told = [json.loads(part)[3]["meterValue"] for part in parts]
    assert [one for part in told for one in part] == elements
    ends = told[0] if len(told) == 1 else told[0] + told[-1]
    assert json.loads(parts.ends()) == [2, "x", "MeterValues", payload | {"meterValue": ends}]


def test_a_part_is_as_small_as_a_message() -> None:
    parts = cut(stop(*map(element, range(500))))
    assert len(parts) > 100
    assert max(map(len, parts)) < 500


def test_elements_of_one_time_stay_together() -> None:
    """Registers by phase are added up."""
    phases = [element(number // 3) | {"phase": number % 3} for number in range(30)]
    for part in cut(stop(*phases)):
        data = json.loads(part)[3]["transactionData"]
        assert (data[0]["phase"], data[-1]["phase"]) == (0, 2)


@pytest.mark.parametrize("head", ['\ufeff[2,"id",', ' \0[ "2" ,17 , ', '[2,"a,\\"[{b",'])
def test_heads_that_are_read_too(head: str) -> None:
    text = stop(*map(element, range(20))).replace('[2, "id", ', head, 1)
    assert len(read(cut(text))) == 20


def test_the_name_of_the_list_may_be_escaped_or_in_a_text() -> None:
    text = stop(*map(element, range(20)), before='"transactionData":[{}]').replace(
        "transactionData", "transaction\\u0044ata"
    )
    text = text.replace('"transactionId"', '"x": "\\"transactionData\\": [", "transactionId"', 1)
    assert len(read(cut(text))) == 20


@pytest.mark.parametrize(
    ("whole", "broken"),
    [
        ('"value": "50"', '"value": "50'),
        ('"value": "50"', '"value": 50"'),
        ('"value": "50"', '"value": ["50"'),
        ('"50", "unit": "Wh"}]}', '"50", "unit": "Wh"}'),
        ('"value": "50"', '"value": {"50"'),
        ('"value": "50"', '"value": ' + 40 * "[" + '"50"'),
        ('"timestamp": "2026-03-01T00:00:50Z"', '"timestamp": "2026-03-01T00:00:50Z'),
    ],
)
@pytest.mark.parametrize("more", [49, 0])
def test_a_broken_element_costs_itself(whole: str, broken: str, more: int) -> None:
    elements = [element(number) for number in range(51 + more)]
    text = stop(*elements)
    assert whole in text
    parts = found(text.replace(whole, broken, 1))
    kept = read([*parts])
    assert [one for one in elements if one not in kept] in ([], [elements[50]])
    call = parse_frame(parts.ends())
    assert isinstance(call, Call)
    assert isinstance(call.payload, dict)
    assert (call.payload["transactionId"], call.payload["meterStop"]) == (7, 5)


def test_a_message_without_its_end() -> None:
    text = stop(*map(element, range(50)))
    kept = read(cut(text[: text.index('"value": "49"')]))
    assert kept[:49] == [element(number) for number in range(49)]


def test_values_between_the_elements_stay() -> None:
    text = stop(element(1), 5, None, "x", element(2), [element(3)], 7)
    assert read(cut(text)) == [element(1), 5, None, "x", element(2), [element(3)], 7]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AT+CSQ",
        '[2,"id","Heartbeat",{}]',
        '[3,"id",{"transactionData":[{}]}]',
        '[2,"id","StopTransaction",{"meterValue":[{}]}]',
        '[2,"id","StopTransaction",{"transactionData":{}}]',
        '[2,"id","StopTransaction",[{}]]',
        '[2,"id","StopTransaction",{"a":{"transactionData":[{}]}}]',
        '[2,"id","StopTransaction",{"idTag":"'
        + LONGEST_AROUND * "x"
        + '","transactionData":[{}]}]',
        '[2,"id","StopTransaction",{"transactionData":[{}],"idTag":"'
        + LONGEST_AROUND * "x"
        + '"}]',
        '[2,"id","StopTransaction",{"transactionData":[{"a":"' + LONGEST_ELEMENT * "x" + '"}]}]',
        '[2,"id","StopTransaction",{"transactionData":[' + LONGEST_ELEMENT * "[" + "]}]",
        '[2,"id","StopTransaction",{"transactionData":[' + LONGEST_ELEMENT * "x" + "{}]}]",
        '[2,"id","StopTransaction",{"transactionData":[' + MOST_ELEMENTS * "{}," + "{}]}]",
        '[2,"id","StopTransaction",{"transactionData":['
        + (MOST_PARTS + 2) * '{"timestamp":"x"'
        + "]}]",
        '[2,"id","MeterValues",{"meterValue":['
        + (MOST_PARTS + 2) * '{"sampledValue":[{"value":"5"},'
        + "]}]",
    ],
    ids=lambda text: text[:40],
)
def test_what_cannot_be_cut(text: str) -> None:
    with pytest.raises(NotCuttable):
        cut(text)


@given(st.text(alphabet='{}[]",:\\ a1', max_size=300))
def test_no_text_fails_otherwise(text: str) -> None:
    with suppress(NotCuttable):
        cut('[2,"id","MeterValues",{"meterValue":[' + text)
