"""Nothing that a charger sends as a signed value stops the check, proves anything or costs much.

What a check costs is bounded by counting: how often a signature is checked, and how much is parsed.
"""

import json
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.signed.checking import KnownKey, SignedState, check
from levity_trio.signed.keys import NoMeterKey, is_signed_with, parse_key
from levity_trio.signed.records import SentRecord, UnreadableRecord, parse_record, records_in
from tests.signed.meters import SESSION, Meter, Raw, begin, end, found
from tests.signed.test_wrappers import xml

METER = Meter()
DEEP = 100_000
LONG = 1_000_000


def payload_with(**fields: object) -> str:
    return METER.payload(begin(), end(), **fields)


def reading_with(**fields: object) -> str:
    """Return a payload of which both readings have fields."""
    return METER.payload(begin(**fields), end(**fields))


NUMBERS = (
    *("1e999999999", "1e-999999999", "-1e999999999", "NaN", "Infinity", "-Infinity", "1e400"),
    *("9" * 5000, "0." + "0" * 5000 + "1", "1E+99999999999999999999", "1" + "0" * LONG, "0x10"),
    *(
        "null",
        "true",
        "[]",
        "{}",
        '""',
        '" "',
        '"NaN"',
        '"sNaN"',
        '"1e999999999"',
        '"Infinity"',
        '"-"',
    ),
    *(
        '"1_0"',
        '"\\u0661"',
        '"1,5"',
        '"' + "9" * 5000 + '"',
        "[1]",
        '{"a":1}',
        "-0",
        "-5",
        "1e13",
    ),
)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda text: text[:20])
def test_a_value_that_is_no_reading(number: str) -> None:
    for where in ("both", "begin", "end"):
        first = Raw(number) if where != "end" else Raw("100.00")
        last = Raw(number) if where != "begin" else Raw("107.35")
        finding = found(METER, METER.record(begin(first), end(last)))
        assert finding.state is not SignedState.PROVEN, where
        assert finding.wh is None or abs(finding.wh) < 2**63, "as SQLite and PostgreSQL have it"
        assert finding.digit_wh is None or 0 < finding.digit_wh < 2**63


@pytest.mark.parametrize("name", ["PG", "MS", "GS", "ID", "IS", "FV", "IF", "LC", "U"])
def test_a_field_that_is_something_else(name: str) -> None:
    for number in NUMBERS:
        assert found(METER, METER.signed(payload_with(**{name: Raw(number)}))).told


@pytest.mark.parametrize("name", ["TM", "TX", "RI", "RU", "RT", "EF", "ST", "CL", "UC"])
def test_a_field_of_readings_that_is_something_else(name: str) -> None:
    for number in (*NUMBERS, '"' + "A" * LONG + '"'):
        finding = found(METER, METER.signed(reading_with(**{name: Raw(number)})))
        assert finding.told
        if name in ("TX", "RU", "ST"):
            assert finding.state is not SignedState.PROVEN, number[:20]


@pytest.mark.parametrize(
    "page",
    ["T" + "9" * n for n in (17, 18, 19, 20, 300, LONG)]
    + ["T-5", "T٣", "T1\n", "T 1", "T0x1", "T1e3"],
)
def test_a_page_out_of_all_bounds(page: str) -> None:
    finding = found(METER, METER.record(begin(), end(), PG=page))
    for number in (finding.first_page, finding.last_page):
        assert number is None or 0 <= number < 2**63
    pair = METER.record(begin(), PG=page), METER.record(end(), PG="T5")
    assert found(METER, *pair).state is not SignedState.PROVEN


@pytest.mark.parametrize(
    "readings",
    [
        "[]",
        "{}",
        "null",
        "5",
        '""',
        "[[]]",
        "[5]",
        "[null]",
        "[{}]",
        "[{},{}]",
        "[{}" + ",{}" * 99_999 + "]",
    ],
    ids=lambda text: text[:9],
)
def test_readings_that_are_none(readings: str) -> None:
    text = METER.payload().replace('"RD":[]', f'"RD":{readings}')
    assert readings in text
    assert found(METER, METER.signed(text)).state is SignedState.UNPROVEN


@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}"), ("[{", "}]")])
def test_deeply_nested_json(opened: str, closed: str) -> None:
    deep = opened * DEEP + "1" + closed * DEEP
    for text in (payload_with(U=Raw(deep)), deep, '{"RD":' + deep + "}", "<signedData>" * DEEP):
        assert found(METER, METER.signed(text)).state is not SignedState.PROVEN
    section = f'OCMF|{payload_with()}|{{"SD":"00","U":{deep}}}'
    for value in (section, deep, '{"signedMeterData":' + deep + "}", "<signedData>" * DEEP):
        assert found(METER, value).state is not SignedState.PROVEN


def test_wrappers_within_wrappers() -> None:
    value = METER.record(begin(), end())
    for _ in range(30):
        value = b64encode(value.encode()).decode()
        if len(value) > 4 * LONG:
            break
        assert found(METER, value).told
    nested = METER.record(begin(), end())
    for _ in range(20):
        nested = json.dumps({"signedMeterData": nested})
        if len(nested) > LONG:
            break
        assert found(METER, nested).told


LARGE = {
    "blanks": " " * LONG,
    "letters": "A" * LONG,
    "hex": "4F" * LONG,
    "header": "OCMF|" * (LONG // 5),
    "bars": "OCMF|" + "|" * LONG,
    "tags": "<signedData>" * (LONG // 12),
    "tags with ends": "<signedData></signedDat" * (LONG // 23),
    "keys": "<publicKey>" * (LONG // 11),
    "base64": b64encode(b"<signedData>" * (LONG // 16)).decode(),
    "braces": "{" * LONG,
    "quotes": '{"signedMeterData":"' + '\\"' * (LONG // 2) + '"}',
    "zeros": "\x00" * LONG,
    "attributes": "<signedData " + "a='b' " * (LONG // 6),
    "entities": '<!DOCTYPE a [<!ENTITY b "bb">]><signedData>'
    + "&b;" * (LONG // 3)
    + "</signedData>",
    "payload": "OCMF|{" + " " * LONG + '}|{"SD":"00"}',
    "signature": 'OCMF|{"RD":[{}]}|{"SD":"' + "00" * (LONG // 2) + '"}',
    "newlines": "\n" * LONG,
}


@contextmanager
def counted(most: int) -> Iterator[None]:
    """Fail if the block executes more than so many lines of Python of the package's own."""
    lines = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        if "levity_trio" not in frame.f_code.co_filename and "/re/" not in frame.f_code.co_filename:
            return None
        lines += event == "line"
        if lines > most:
            raise AssertionError(f"more than {most} lines")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("name", LARGE)
def test_a_value_of_a_megabyte(name: str) -> None:
    with counted(20_000):
        finding = found(METER, LARGE[name])
    assert finding.state is not SignedState.PROVEN
    assert len(finding.told) < 1000


def test_many_records_cost_a_bounded_number_of_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A charger that sends its records a thousand times, and one with many keys."""
    calls = 0

    def counting(*given: Any) -> bool:
        nonlocal calls
        calls += 1
        return is_signed_with(*given)

    monkeypatch.setattr("levity_trio.signed.checking.is_signed_with", counting)
    record = METER.record(begin(), end())
    many = [METER.signed(payload_with(PG=f"T{n}")) for n in range(200)]
    keys = [KnownKey(Meter().key, True) for _ in range(10)]
    check([record] * 20_000, [KnownKey(METER.key, True)], SESSION)
    assert calls <= 2, "the same record is checked once"
    calls = 0
    check(many * 5, [*keys, KnownKey(METER.key, True)], SESSION)
    assert calls <= 200 * 11


def test_thousands_of_interim_records_of_an_honest_charger() -> None:
    """A week with a record each five minutes."""
    meter = Meter()
    between = [
        meter.payload({**begin(Raw(f"100.{n // 25:02d}")), "TX": "C"}, PG=f"T{121 + n}")
        for n in range(2016)
    ]
    values = [
        meter.record(begin(), PG="T120"),
        *map(meter.signed, between),
        meter.record(end(), PG="T2137"),
    ]
    finding = found(meter, *values)
    assert (finding.state, finding.wh) == (SignedState.PROVEN, 7350), finding.told
    assert (finding.first_page, finding.last_page) == (120, 2137)


def test_a_bar_within_texts() -> None:
    """The format forbids it; a meter that writes it signs what it writes."""
    finding = found(METER, METER.record(begin(), end(), CI="a|b", ID="|{}|"))
    assert finding.told
    for forged in ('|{"SD":""}', "|{}", "|"):
        record = METER.record(begin(), end())
        assert found(METER, record + forged).state is not SignedState.PROVEN
        assert (
            found(METER, record.replace("OCMF|", f"OCMF{forged}|", 1)).state
            is not SignedState.PROVEN
        )


def test_a_payload_with_more_than_one_meaning() -> None:
    """Of a field that is there twice, JSON's readers take one or the other. It was signed so."""
    text = payload_with()
    for name, more in (("RD", "[]"), ("PG", '"T5"'), ("MS", '"other"')):
        doubled = text[:-1] + f',"{name}":{more}}}'
        finding = found(METER, METER.signed(doubled))
        assert finding.told
    section = METER.record(begin(), end())
    assert found(METER, section[:-1] + ',"SD":"00"}').state is not SignedState.PROVEN


def test_a_section_of_another_record_is_no_signature_of_this() -> None:
    first, second = METER.record(begin(), end()), METER.record(begin(), end(Raw("200.00")))
    mixed = second.rpartition("|")[0] + "|" + first.rpartition("|")[2]
    finding = found(METER, mixed)
    assert finding.state is SignedState.DOUBTFUL
    assert finding.wh is None


SIGNATURES = (
    *(
        "",
        "00",
        "30",
        "3000",
        "3006020100020100",
        "300602010102010100",
        "30060201010201",
        "zz",
        "0",
        "é",
    ),
    *(
        "30" + "80" * 200,
        "3080020101020101" + "0000",
        "3084ffffffff",
        "30820000",
        "3006020180020180",
    ),
    *("00" * 64, "ff" * 64, "ff" * 5000, "30" * 5000, "0x3006", " ", "3006 0201 0102 0101"),
)


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda text: text[:24])
@pytest.mark.parametrize("encoding", ["hex", "base64", "x", None, 5])
def test_what_is_no_signature(signature: str, encoding: object) -> None:
    record = METER.signed(payload_with(), SD=signature, SE=encoding)
    finding = found(METER, record)
    assert finding.state is not SignedState.PROVEN
    assert finding.told


@pytest.mark.parametrize("letter", ["\ud800", "\x00", "\ufffe", "\U0010ffff", "\u2028"], ids=ascii)
def test_letters_that_are_none(letter: str) -> None:
    record = METER.record(begin(), end())
    changed = record.replace('"FV":"1.4"', f'"FV":"{letter}"')
    assert changed != record
    for value in (changed, json.dumps({"signedMeterData": changed})):
        assert found(METER, value).state is not SignedState.PROVEN
    key = json.dumps({"signedMeterData": record, "publicKey": letter})
    assert found(METER, key).state is SignedState.PROVEN


@pytest.mark.parametrize(
    "key",
    [
        "00",
        "30",
        "3059",
        METER.der.hex()[:60],
        METER.der.hex()[:150],
        "a" * 5000,
        "\x00",
        "é",
        "MFkw",
    ],
)
def test_keys_that_a_charger_tells_and_that_are_none(key: str) -> None:
    record = METER.record(begin(), end())
    for value in (xml(record, key), json.dumps({"signedMeterData": record, "publicKey": key})):
        assert check([value], [], SESSION).state is SignedState.UNPROVEN
        assert found(METER, value).state is SignedState.PROVEN


def test_a_charger_does_not_choose_the_key_by_its_record() -> None:
    """A record with the key of a forger beside it: the key that the owner entered counts."""
    forger = Meter()
    record = forger.record(begin(), end())
    value = json.dumps({"signedMeterData": record, "publicKey": forger.der.hex()})
    finding = check([value], [KnownKey(METER.key, True)], SESSION)
    assert finding.state is not SignedState.PROVEN
    assert not finding.is_owners


@given(
    st.text()
    | st.from_regex(r"OCMF\|.*\|.*", fullmatch=True)
    | st.builds(lambda t: f"OCMF|{t}|{{}}", st.text())
)
def test_any_text(text: str) -> None:
    finding = found(METER, text)
    assert finding.state is not SignedState.PROVEN
    for sent in records_in(text):
        assert not _is_read(sent)


def _is_read(sent: SentRecord) -> bool:
    try:
        parse_record(sent)
    except UnreadableRecord:
        return False
    return True


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.sampled_from(["PG", "MS", "GS", "IT", "ID", "RD"]),
    JSON,
    st.sampled_from(["TM", "TX", "RV", "RI", "RU", "EF", "ST"]),
    JSON,
)
def test_any_fields(name: str, value: Any, of_reading: str, other: Any) -> None:
    """Whatever a meter signs, its check ends."""
    fields = {name: Raw(json.dumps(value))}
    record = METER.signed(
        METER.payload(begin(), end(**{of_reading: Raw(json.dumps(other))}), **fields)
    )
    assert found(METER, record).told


ONE = METER.record(begin(), end())
BITS = range(8 * (ONE.index("|") + 1), 8 * ONE.rindex("|"))


@given(st.lists(st.sampled_from(BITS), min_size=1, max_size=20, unique=True))
def test_any_change_of_many_bits(bits: list[int]) -> None:
    content = bytearray(ONE.encode())
    for bit in bits:
        content[bit // 8] ^= 1 << bit % 8
    assert found(METER, content.decode("utf-8", "replace")).state is not SignedState.PROVEN


@given(st.text(max_size=300) | st.binary(max_size=300))
def test_any_key(given_key: str | bytes) -> None:
    with pytest.raises(NoMeterKey):
        parse_key(given_key)


def test_a_key_that_a_charger_told_does_not_count_beside_that_of_the_label() -> None:
    """A forger told his key in the settings, too."""
    forger = Meter()
    known = [KnownKey(METER.key, is_owners=True), KnownKey(forger.key, is_owners=False)]
    for keys in (known, known[::-1]):
        finding = check([forger.record(begin(), end())], keys, SESSION)
        assert finding.state is SignedState.DOUBTFUL
        assert not finding.key


def test_a_key_in_the_settings_may_be_that_of_another_meter() -> None:
    """A charger with two connectors told one key: what the other meter signed is no lie."""
    told = [KnownKey(Meter().key, is_owners=False)]
    assert check([METER.record(begin(), end())], told, SESSION).state is SignedState.UNPROVEN


def test_a_record_without_any_key() -> None:
    finding = check([METER.record(begin(), end())], [], SESSION)
    assert finding.state is SignedState.UNPROVEN
    assert finding.wh is None or not finding.is_owners
