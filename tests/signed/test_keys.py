"""The public key of a meter, in each form in which labels, files and chargers give it."""

import textwrap
from base64 import b64encode, urlsafe_b64encode

import pytest

from levity_trio.signed.checking import KnownKey, SignedState, check
from levity_trio.signed.keys import LONGEST, NoMeterKey, parse_key
from tests.signed.meters import CURVES, SESSION, Meter, begin, end

each_curve = pytest.mark.parametrize("curve", CURVES)


def grouped(text: str, size: int, by: str) -> str:
    return by.join(text[at : at + size] for at in range(0, len(text), size))


def forms(meter: Meter) -> dict[str, str | bytes]:
    """Return the ways to write a key."""
    der, point = meter.der, meter.point
    base64 = b64encode(der).decode()
    return {
        "hex": der.hex(),
        "HEX": der.hex().upper(),
        "hex with 0x": f"0x{der.hex()}",
        "hex in groups, as a label has it": grouped(der.hex().upper(), 4, " "),
        "hex in bytes": grouped(der.hex().upper(), 2, " "),
        "hex in lines": "\n".join(textwrap.wrap(der.hex(), 20)),
        "hex with colons": grouped(der.hex(), 2, ":"),
        "hex with blanks around": f"  {der.hex()}\r\n",
        "base64": base64,
        "base64 in lines": "\n".join(textwrap.wrap(base64, 64)),
        "base64 for URLs": urlsafe_b64encode(der).decode(),
        "base64 without its end": base64.rstrip("="),
        "PEM": meter.pem,
        "PEM with CR": meter.pem.replace("\n", "\r\n"),
        "PEM as bytes": meter.pem.encode(),
        "PEM in a text": f"The key of my meter:\n{meter.pem}\nThank you",
        "DER": der,
        "point in hex": point.hex(),
        "POINT": point.hex().upper(),
        "point with blanks": grouped(point.hex(), 4, " "),
        "point in base64": b64encode(point).decode(),
        "point without 04": point[1:].hex(),
        "URL": f"https://example.org/transparency?serial=1TST0000000001&key={der.hex()}",
        "URL with more behind": f"https://example.org/?pk={der.hex().upper()}&lang=de",
        "URL, a path": f"https://example.org/key/{der.hex()}",
        "URL with base64": f"https://example.org/?key={urlsafe_b64encode(der).decode()}",
    }


@each_curve
@pytest.mark.parametrize("form", forms(Meter()))
def test_each_form_is_the_same_key(curve: str, form: str) -> None:
    meter = Meter(curve)
    key = parse_key(forms(meter)[form])
    assert key.fingerprint == meter.key.fingerprint
    assert len(key.fingerprint) == 64
    assert parse_key(key.text) == key, "as it is stored"
    finding = check([meter.record(begin(), end())], [KnownKey(key, True)], SESSION)
    assert finding.state is SignedState.PROVEN
    assert finding.key == key.fingerprint


@pytest.mark.parametrize(
    "given",
    [
        *(
            "",
            " ",
            "0",
            "04",
            "not a key",
            "3059",
            "=" * 100,
            "\x00",
            b"",
            b"\x00" * 100,
            b"\xff" * 91,
        ),
        *("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", "https://example.org/?key="),
        *("00" * 91, "ff" * 65, "04" + "00" * 64, "04" + "ff" * 64, "٠" * 130, "MFkw" * 30),
    ],
)
def test_what_is_no_key(given: str | bytes) -> None:
    with pytest.raises(NoMeterKey) as raised:
        parse_key(given)
    assert str(raised.value)


@each_curve
def test_a_point_that_is_not_on_its_curve(curve: str) -> None:
    """A label with one wrong digit is found at once, not by each session."""
    meter = Meter(curve)
    for place in (len(meter.der) - 1, len(meter.der) - 30):
        der = bytearray(meter.der)
        der[place] ^= 1
        with pytest.raises(NoMeterKey):
            parse_key(der.hex())


def test_a_part_of_a_key() -> None:
    meter = Meter()
    for text in (meter.der.hex(), b64encode(meter.der).decode()):
        for length in range(0, len(text) - 2, 7):
            with pytest.raises(NoMeterKey):
                parse_key(text[:length])


def test_a_private_key_is_none() -> None:
    text = (
        "-----BEGIN PRIVATE KEY-----\n"
        + b64encode(
            bytes.fromhex("308187020100301306072a8648ce3d020106082a8648ce3d030107") + bytes(111)
        ).decode()
        + "\n-----END PRIVATE KEY-----\n"
    )
    with pytest.raises(NoMeterKey):
        parse_key(text)


@pytest.mark.parametrize("size", [LONGEST + 1, 1_000_000])
@pytest.mark.parametrize(
    "made", ["a", "30", "M", "04 ", "A:", "-----", "a\n", "=", "04" * 24 + ":"]
)
def test_a_long_text_is_refused(size: int, made: str) -> None:
    with pytest.raises(NoMeterKey):
        parse_key(made * (size // len(made) + 1))


def test_a_key_of_secp192k1_is_known_though_it_cannot_be_used() -> None:
    """Made by: openssl ecparam -name secp192k1 -genkey -noout | openssl ec -pubout."""
    point = "04" + "ab" * 24 + "cd" * 24
    der = "3046301006072a8648ce3d020106052b8104001f033200" + point
    key = parse_key(der)
    assert key.curve == "secp192k1"
    assert parse_key(key.text).fingerprint == key.fingerprint
