"""Records come plain, in hex and in base64, and in the JSON and XML of other papers."""

import json
from base64 import b64encode
from html import escape

import pytest

from levity_trio.signed.checking import SignedState, transparency_file
from levity_trio.signed.keys import parse_key
from levity_trio.signed.records import SentRecord, records_in
from tests.signed.meters import Meter, begin, end, found


def xml(record: str, key: str, data: str = "plain", of_key: str = "plain") -> str:
    """Return a file of the transparency software."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<values>\n  <value transactionId="1" '
        'context="Transaction.End">\n'
        f'    <signedData format="OCMF" encoding="{data}">{record}'
        f'</signedData>\n    <publicKey encoding="{of_key}">{key}</publicKey>\n'
        "  </value>\n</values>\n"
    )


def base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def wrapped(record: str, key: bytes) -> dict[str, str]:
    """Return the ways to send a record; those with a key are named so."""
    of_ocpp = {
        "signedMeterData": base64(record),
        "signingMethod": "ECDSA-secp256r1-SHA256",
        "encodingMethod": "OCMF",
        "publicKey": base64(f"oca:base16:asn1:{key.hex()}"),
    }
    return {
        "plain": record,
        "with blanks around": f" \r\n{record}\n",
        "hex": record.encode().hex(),
        "HEX": record.encode().hex().upper(),
        "base64": base64(record),
        "base64 in lines": "\n".join(base64(record)[at : at + 76] for at in range(0, 3000, 76)),
        "OCA, key": json.dumps(of_ocpp),
        "OCA, plain, key": json.dumps(
            {**of_ocpp, "signedMeterData": record, "publicKey": key.hex()}
        ),
        "OCA with no key told": json.dumps({**of_ocpp, "publicKey": ""}),
        "OCA in base64, key": base64(json.dumps(of_ocpp)),
        "OCA with null": json.dumps({**of_ocpp, "publicKey": None, "signingMethod": None}),
        "OCA in more JSON, key": json.dumps({"signedMeterValue": of_ocpp}),
        "XML, key": xml(record, key.hex()),
        "XML escaped, key": xml(escape(record), key.hex()),
        "XML with CDATA, key": xml(f"<![CDATA[{record}]]>", key.hex()),
        "XML in hex, key": xml(record.encode().hex(), key.hex(), data="hex", of_key="hex"),
        "XML in base64, key": xml(
            base64(record), b64encode(key).decode(), data="base64", of_key="base64"
        ),
        "XML and base64, key": base64(xml(record, key.hex())),
        "XML with a byte order mark": "\ufeff" + xml(record, key.hex()),
        "XML with blanks, key": xml(f"\n        {record}\n    ", f"\n {key.hex()}\n "),
    }


@pytest.mark.parametrize("way", wrapped("", b""))
def test_each_way_has_the_record(way: str) -> None:
    meter = Meter()
    record = meter.record(begin(), end())
    value = wrapped(record, meter.der)[way]
    (sent,) = records_in(value)
    assert sent.text == record
    assert found(meter, value).state is SignedState.PROVEN
    if way.endswith(", key"):
        assert parse_key(sent.key).fingerprint == meter.key.fingerprint


@pytest.mark.parametrize("way", wrapped("", b""))
def test_two_records_in_two_values(way: str) -> None:
    meter = Meter()
    values = [wrapped(meter.record(one), meter.der)[way] for one in (begin(), end())]
    assert found(meter, *values).state is SignedState.PROVEN


def test_two_records_in_one_value() -> None:
    meter = Meter()
    first, last = meter.record(begin()), meter.record(end())
    key = meter.der.hex()
    value = "".join(
        f"<value><signedData>{one}</signedData><publicKey>{key}</publicKey></value>"
        for one in (first, last)
    )
    sent = list(records_in(f"<values>{value}</values>"))
    assert [one.text for one in sent] == [first, last]
    assert found(meter, f"<values>{value}</values>").state is SignedState.PROVEN
    assert [one.text for one in records_in(f"{first}\n{last}")] in (
        [first, last],
        [f"{first}\n{last}"],
    )


def test_letters_that_xml_writes_otherwise() -> None:
    meter = Meter()
    record = meter.record(begin(), end(), ID="<a&b>'\u00e4\u20ac\"", CI="]]>")
    for value in (xml(escape(record), ""), xml(escape(record, quote=False), "")):
        assert [one.text for one in records_in(value)] == [record]
        assert found(meter, value).state is SignedState.PROVEN
    assert found(meter, record).state is SignedState.PROVEN


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            " ",
            "5",
            "12.5",
            "NaN",
            "OCMF",
            "OCMF|",
            "OCMF|{}",
            "ocmf|{}|{}",
            "{}",
            "[]",
            "null",
        ),
        *("<values/>", "<signedData></signedData>", "<signedData>5</signedData>", "AP;0;3;ALKDQ"),
        *("4F434D46", "T0NNRg==", '{"signedMeterData": ""}', '{"signedMeterData": null}', "\x00"),
        *('{"signedMeterData": 5}', '{"signedMeterData": ["OCMF|"]}', '"OCMF"', "1B1B1B1B01010101"),
    ],
)
def test_values_of_other_formats_prove_nothing_and_accuse_nobody(value: str) -> None:
    finding = found(Meter(), value)
    assert finding.state is SignedState.UNPROVEN
    assert finding.told


def test_the_file_for_the_transparency_software_has_what_was_sent() -> None:
    meter = Meter()
    records = [meter.record(begin(), ID="<a&b>\u00e4]]>"), meter.record(end(), ID="<a&b>\u00e4]]>")]
    text = transparency_file(7, [SentRecord(one, "") for one in records], meter.key.text)
    assert [one.text for one in records_in(text)] == records
    assert {parse_key(one.key).fingerprint for one in records_in(text)} == {meter.key.fingerprint}
    assert found(meter, text).state is SignedState.PROVEN
    told = transparency_file(7, [SentRecord(records[0], meter.der.hex())], None)
    assert [parse_key(one.key) for one in records_in(told)] == [meter.key]
    none = transparency_file(7, [SentRecord(records[0], "")], None)
    assert [one.text for one in records_in(none)] == records[:1]


def test_bits_that_nothing_reads_are_changed_bits() -> None:
    """The last digit of base64 has two of them where a signature ends within three bytes."""
    meter, data, record = Meter(), "", ""
    while data[-1:] != "=" or data[-2:] == "==":
        payload = meter.payload(begin(), end())
        data = b64encode(meter.sign(payload.encode())).decode()
        record = meter.signed(payload, SE="base64", SD=data)
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = f"{data[:-2]}{digits[digits.index(data[-2]) + 1]}="
    assert found(meter, record).state is SignedState.PROVEN
    assert found(meter, record.replace(data, other)).state is not SignedState.PROVEN
