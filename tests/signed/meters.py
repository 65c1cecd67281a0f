"""Meters that sign, written from the published format (OCMF 1.4): with these, a test makes the
records of a session and knows what they prove."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from levity_trio.signed.checking import BilledSession, KnownKey, SignedFinding, check
from levity_trio.signed.keys import MeterKey, parse_key

CURVES: Final[Mapping[str, ec.EllipticCurve]] = {
    "secp192r1": ec.SECP192R1(),
    "secp256k1": ec.SECP256K1(),
    "secp256r1": ec.SECP256R1(),
    "brainpool256r1": ec.BrainpoolP256R1(),
    "secp384r1": ec.SECP384R1(),
    "brainpool384r1": ec.BrainpoolP384R1(),
}
"""The curves of table 22 that `cryptography` has."""

START: Final = datetime(2026, 3, 1, 13, 0, tzinfo=timezone(timedelta(hours=1)))
END: Final = START + timedelta(hours=2)
SESSION: Final = BilledSession(wh=7350, since=START, until=END)
IMPORT: Final = "01-00:01.08.00*FF"


def tm(at: datetime, clock: str = "S") -> str:
    """Return a time as table 7 describes it: 2018-07-24T13:22:04,000+0200 S."""
    text = f"{at:%Y-%m-%dT%H:%M:%S},{at.microsecond // 1000:03d}{at:%z}"
    return f"{text} {clock}".strip()


class Raw(str):
    """A text that stands in JSON as it is, such as 12.300."""

    __slots__ = ()


def reading(tx: str, at: datetime, rv: object, **fields: object) -> dict[str, object]:
    """Return a reading with all its fields. Of a field with the value None, there is none."""
    whole = {
        "TM": tm(at),
        "TX": tx,
        "RV": rv,
        "RI": IMPORT,
        "RU": "kWh",
        "RT": "AC",
        "EF": "",
        "ST": "G",
        **fields,
    }
    return {name: value for name, value in whole.items() if value is not None}


def written(value: object) -> str:
    """Return JSON, with numbers as they were written."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{written(k)}:{written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(written(one) for one in value) + "]"
    return orjson.dumps(value).decode()


class Meter:
    """A meter with a key of its own. Each record has the next page."""

    def __init__(self, curve: str = "secp256r1", serial: str = "1TST0000000001", page: int = 120):
        self.curve, self.serial, self.page = curve, serial, page
        self._private = ec.generate_private_key(CURVES[curve])

    @property
    def der(self) -> bytes:
        """Its public key as SubjectPublicKeyInfo."""
        return self._private.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def pem(self) -> str:
        return (
            self._private.public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )

    @property
    def point(self) -> bytes:
        """Its public key without what says of which curve it is."""
        return self._private.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )

    @property
    def key(self) -> MeterKey:
        return parse_key(self.der.hex())

    def sign(self, payload: bytes) -> bytes:
        return self._private.sign(payload, ec.ECDSA(hashes.SHA256()))

    def sign_unfilled(self, payload: bytes) -> bytes:
        """Return a signature with both numbers at full length and without a byte 0 before them, as
        some meters write it; one of the numbers has its high bit set."""
        length = self._private.curve.key_size // 8
        while True:
            numbers = decode_dss_signature(self.sign(payload))
            filled = [number.to_bytes(length, "big") for number in numbers]
            if any(number[0] >> 7 for number in filled):
                break
        content = b"".join(bytes([2, length]) + number for number in filled)
        return bytes([0x30, len(content)]) + content

    def signed(self, payload: str, **section: Any) -> str:
        """Return a record of a payload, whatever it is."""
        default = {
            "SA": f"ECDSA-{self.curve}-SHA256",
            "SD": self.sign(payload.encode("utf-8", "surrogateescape")).hex(),
        }
        whole = {k: v for k, v in {**default, **section}.items() if v is not None}
        return f"OCMF|{payload}|{written(whole)}"

    def payload(self, *readings: Mapping[str, object], **fields: object) -> str:
        """Return a payload, which uses up a page."""
        general = {
            "FV": "1.4",
            "GI": "TEST",
            "GS": "G-1",
            "GV": "1.0",
            "PG": f"T{self.page}",
            "MV": "TEST",
            "MM": "M",
            "MS": self.serial,
            "MF": "1.0",
            "IS": True,
            "IL": "VERIFIED",
            "IF": ["RFID_PLAIN"],
            "IT": "ISO14443",
            "ID": "0102030A",
            "CT": "EVSEID",
            "CI": "DE*TST*E1",
            **fields,
            "RD": readings,
        }
        self.page += 1
        return written({name: value for name, value in general.items() if value is not None})

    def record(self, *readings: Mapping[str, object], **fields: object) -> str:
        return self.signed(self.payload(*readings, **fields))


def begin(rv: object = Raw("100.00"), **fields: object) -> dict[str, object]:
    return reading("B", START, rv, **fields)


def end(rv: object = Raw("107.35"), **fields: object) -> dict[str, object]:
    return reading("E", END, rv, **fields)


def found(
    meter: Meter, *values: str, session: BilledSession = SESSION, is_owners: bool = True
) -> SignedFinding:
    """Check records with the key of a meter."""
    return check(values, [KnownKey(meter.key, is_owners)], session)


def signed_bits(text: str) -> list[int]:
    """Return the bits of the payload and of the signature of a record, each by its number.

    A bit that changes the case of a hex digit of the signature is left out: that is the same
    signature.
    """
    content = text.encode()
    payload = range(content.index(b"|") + 1, content.rindex(b"|"))
    signature = re.compile(rb'"SD"\s*:\s*"([^"]*)"').search(content, payload.stop)
    assert signature is not None
    digits = range(*signature.span(1))
    bits = [8 * place + bit for place in (*payload, *digits) for bit in range(8)]
    is_case = {8 * place + 5 for place in digits if chr(content[place]).isalpha()}
    return [bit for bit in bits if bit not in is_case]


def flipped(text: str, bit: int) -> str:
    """Return a text with one bit changed. What is no UTF-8 then is replaced."""
    content = bytearray(text.encode())
    content[bit // 8] ^= 1 << bit % 8
    return content.decode("utf-8", "replace")
