"""Nothing of whom a site is about is left in what strangers read, whatever chargers send."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from string import ascii_lowercase
from time import process_time
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio.wire.aliases import LISTED, WORDS, Aliases
from tests.sizes import size

Plant = Callable[[str], str]
LETTERS: Final = ascii_lowercase + "äöüßéłжя"
NAMES: Final = (
    st.text(LETTERS, min_size=4, max_size=10)
    .map(str.title)
    .filter(lambda name: name.lower() not in LISTED)
)
CARDS: Final = (
    st.binary(min_size=4, max_size=10).map(bytes.hex).filter(lambda card: card[:2] != "00")
)
SERIALS: Final = st.from_regex(r"[A-Z]{2}-?[0-9]{6,12}", fullmatch=True)
PLATES: Final = st.from_regex(r"[A-Z]{1,3}-[A-Z]{2} [1-9][0-9]{2,3}", fullmatch=True)
MAILS: Final = st.builds(
    "{}@{}.example".format, NAMES.filter(str.isascii), NAMES.filter(str.isascii)
)
MACS: Final = st.binary(min_size=6, max_size=6).map(lambda mac: mac.hex(":"))
IPS: Final = st.ip_addresses(v=4).map(str)
COORDINATES: Final = st.floats(-80, 80).map("{:.6f}".format)


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(sign):04x}" for sign in text)


def frame(action: str, **payload: Any) -> str:
    return json.dumps([2, "1", action, payload], ensure_ascii=False)


PLACES: Final[Sequence[Plant]] = (
    lambda it: frame("Authorize", idTag=it),
    lambda it: frame("DataTransfer", vendorId="com.example", data=f"user {it} is here"),
    lambda it: frame("DataTransfer", vendorId="com.example", data=json.dumps({"x": [{"who": it}]})),
    lambda it: frame("DataTransfer", vendorId="com.example", data=json.dumps({"value": [it, it]})),
    lambda it: frame("StatusNotification", connectorId=1, info=it, vendorErrorCode=f"E1 {it}"),
    lambda it: frame("StatusNotification", connectorId=1, ownerName=it, extra={it: 1}),
    lambda it: frame("SendLocalList", localAuthorizationList=[{"idTag": it, "parentIdTag": it}]),
    lambda it: f'[2,"{it}","Heartbeat",{{}}]',
    lambda it: f'[3,"1",{{"configurationKey":[{{"key":"SSID","value":{quoted(it)}}}]}}]',
    lambda it: f'[2,"1","StartTransaction",{{"connectorId":1,"idTag":{quoted(it)},"meterStart":',
    lambda it: f'[2,"1","StartTransaction",{{idTag: {it}, "meterStart":1}}',
    lambda it: f"AT+NAME={it}\r\n",
    lambda it: frame("DataTransfer", vendorId="com.example", data=f"<user>{it}</user>"),
    lambda it: frame("Authorize", idTag=f"<{it}>"),
    lambda it: frame("DataTransfer", data=" ".join(f"0x{one:02X}" for one in it.encode())),
    lambda it: frame("DataTransfer", data=str(list(it.encode()))),
    lambda it: f'[2,"1","Authorize",{{"idTag":{json.dumps(it.upper())}}}]',
    lambda it: frame("DataTransfer", vendorId="com.example", data=b64encode(it.encode()).decode()),
    lambda it: frame("DataTransfer", vendorId="com.example", data=it.encode().hex()),
    lambda it: f'[2,"1","Authorize",{{"idTag":"{escaped(it)}"}}]',
)  # fmt: skip


def shown(frames: Sequence[str], known: Sequence[tuple[str, str]] = ()) -> str:
    """Return what strangers read of frames, in lower case."""
    aliases = Aliases(known, frames)
    return "\n".join(map(aliases.text, frames)).lower()


def forms(planted: str) -> Iterator[str]:
    """Yield how a text may be read."""
    yield planted.lower()
    yield planted.encode().hex()
    yield b64encode(planted.encode()).decode().lower()
    yield escaped(planted)
    yield json.dumps(planted)[1:-1].lower()
    yield " ".join(f"0x{one:02x}" for one in planted.encode())
    yield str(list(planted.encode()))[1:-1]


@settings(max_examples=size(300, 8))
@given(data=st.data())
def test_nothing_planted_is_left(data: st.DataObject) -> None:
    kinds = (NAMES, CARDS, SERIALS, PLATES, MAILS, MACS, IPS, COORDINATES)
    planted = [data.draw(kind) for kind in kinds]
    places = data.draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=4))
    told = [("name", each) for each in planted if data.draw(st.booleans())]
    text = shown([place(each) for place in places for each in planted], told)
    assert [form for each in planted for form in forms(each) if form in text] == []


TEXTS: Final = NAMES | SERIALS | st.text() | st.sampled_from(("Figure", "http://a/b", "1,2,3,4"))
TREES: Final = st.recursive(
    TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner) | inner.map(json.dumps)
)


@settings(max_examples=size(400, 10))
@given(tree=TREES)
def test_facts_stay_json(tree: Any) -> None:
    aliases = Aliases([("name", "steps of it")])
    shown = aliases.facts({"steps": tree, "steps_of_it": [tree, "null"]})
    assert [*shown] == ["steps", "<name-1>"]


@settings(max_examples=size(300, 8))
@given(card=CARDS, place=st.sampled_from(PLACES[:6]))
def test_a_card_is_one_alias_however_it_is_read(card: str, place: Plant) -> None:
    backwards = bytes.fromhex(card)[::-1].hex()
    spaced = bytes.fromhex(card).hex(" ")
    read = (card.upper(), card, backwards, spaced, str(int(card, 16)))
    text = shown([place(each) for each in read], [("card", card)])
    assert text.count("<card-1>") >= len(read)
    assert not {"<card-2>", "<number-1>", card} & set(text.split())


def test_what_is_told_late_is_hidden_before() -> None:
    frames = [frame("DataTransfer", data="card 1234"), frame("Authorize", idTag="1234")]
    assert shown(frames).count("<card-1>") == 2


@pytest.mark.parametrize(
    "text",
    [
        frame("Heartbeat"),
        frame("StatusNotification", connectorId=1, status="Faulted", errorCode="GroundFailure",
              timestamp="2026-11-29T17:00:00.000Z", info="over 85C", vendorErrorCode="E12"),
        frame("StatusNotification", connectorId=1, vendorErrorCode="E-17"),
        ('[2, "1", "MeterValues", {"connectorId": 1, "transactionId": 1000436, "meterValue": ['
        '{"timestamp":"2026-11-29T17:00:00Z","sampledValue":[{"value":"4680564.5","phase":"L1-N",'
        '"unit":"Wh","measurand":"Energy.Active.Import.Register","context":"Sample.Periodic"}]}]}]'),
        frame("BootNotification", chargePointVendor="Wallbox", chargePointModel="Pulsar Plus",
              firmwareVersion="5.17.68-20240101", meterType="Eastron SDM630"),
        frame("StatusNotification", info="17:00 2026-11-29 17:00:00 at 230.1, 229.9, 231"),
        '[3,"1"{"a":1,"b":NaN}]',
        frame("BootNotification", firmwareVersion="1.4.12.3"),
        ('[3, "1", {"configurationKey": [{"key": "HeartbeatInterval", "readonly": false, '
        '"value": "86400"}, {"key": "MeterValuesSampledData", "value": "Current.Import.L1"}]}]'),
        '[2,"1","StopTransaction",{"transactionId":1000436,"meterStop":123456,"reason":"Local"',
    ],
)  # fmt: skip
def test_what_mends_a_charger_stays(text: str) -> None:
    assert Aliases().text(text) == text


def test_the_words_of_ocpp_are_listed() -> None:
    schemas = files("ocpp.v16").joinpath("schemas").iterdir()
    named = json.dumps([json.loads(each.read_text(encoding="utf-8")) for each in schemas])
    values = {value for node in _nodes(json.loads(named)) for value in node.get("enum", ())}
    assert {value for value in values if Aliases().text(value) != value} == set()


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for inner in (
        node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    ):
        yield from _nodes(inner)


def test_each_word_is_listed_once() -> None:
    assert len(LISTED) == len(WORDS)
    assert sorted(WORDS) == WORDS
    assert all(word == word.lower() for word in LISTED)


@pytest.mark.parametrize("name", ["memberSession", "contractNumber", "customerId", "x_token"])
def test_a_number_of_somebody_is_no_count(name: str) -> None:
    assert "123456" not in Aliases().text(frame("DataTransfer", **{name: 123456}))


def test_a_name_is_not_looked_for_within_words() -> None:
    boot = frame("BootNotification", chargePointModel="Pulsar", chargePointSerialNumber="Harge")
    assert shown([boot]).count("chargepoint") == 2


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (frame("ChangeConfiguration", key="AuthorizationKey", value="open door"), "open"),
        (frame("ChangeConfiguration", value="open door", key="WifiPassphrase"), "open"),
        ('[3,"1",{"configurationKey":[{"value":"1234","readonly":false,"key":"SimPIN"}]}]', "1234"),
        (frame("DataTransfer", data=json.dumps({"value": "open", "key": "WlanPw"})), "open"),
        (frame("StatusNotification", info="PIN=1234"), "1234"),
        (frame("StatusNotification", info="password: open"), "open"),
        (frame("StatusNotification", info="Tag 07 refused"), "07"),
        (frame("StatusNotification", info="call (0171) 23 45 678"), "23"),
        (frame("StatusNotification", info="call +1 555 0100"), "555"),
        (frame("StatusNotification", info="call 089/1234"), "089"),
        (frame("StatusNotification", info="card 04,D1,E2,F3"), "d1"),
        (frame("DataTransfer", data='["04","D1","E2","F3"]'), "d1"),
        (frame("DataTransfer", data="04|D1|E2|F3"), "d1"),
        (frame("StatusNotification", info="no answer of charger.local"), "local"),
        (r'[2,"1","GetDiagnostics",{"location":"ftp:\/\/point:open@central\/x"}]', "open"),
    ],
)
def test_what_only_its_place_makes_personal_is_hidden(text: str, secret: str) -> None:
    assert secret not in shown([text])


@pytest.mark.parametrize("part", ['"value":"1",', "+(", "(1", "1 ", "0a,", '"key":"', " "])
def test_a_long_text_takes_no_longer(part: str) -> None:
    text = part * (40_000 // len(part))
    start = process_time()
    Aliases().text(text)
    assert process_time() - start < 2
