"""Records of OCMF 1.x (Open Charge Metering Format), as chargers send them in readings of format
SignedData: OCMF|payload|signature, plain, or in hex, base64, JSON or XML. And those of Alfen, as
the transparency software of S.A.F.E. reads them: AP;reason;version;key;data;signature, in base32.

The signature covers the bytes of the payload as they were sent, so these are kept.
"""

from __future__ import annotations

import json
import re
import struct
from base64 import b32decode, b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from levity_trio.told import Told

HEADER: Final = "OCMF|"
ALFEN: Final = "AP;"
DEFAULT: Final = "ECDSA-secp256r1-SHA256"
BEGIN: Final = "B"
ENDS: Final = frozenset("ELRAP")
POWER_FAILED: Final = "P"
EXCEPTION: Final = "X"
GOOD: Final = "G"
"""Reasons of a reading (table 7), and the state of a meter that is in order (table 10)."""
MOST_DIGITS: Final = 12
"""Of a register, before and after the point. No meter has more."""
LONGEST: Final = 20_000
"""Characters of a value. A record has some 700."""
MOST_READINGS: Final = 500
"""Of a record: one each quarter of an hour for days."""
_DEPTH: Final = 4
_PAGE: Final = re.compile(r"T(\d{1,18})")
_TAG: Final = re.compile(
    r"<(/?)(signedData|encodedMeterValue|publicKey)\b[^>]{0,500}>", re.IGNORECASE
)
_EXPORT: Final = re.compile(r"(?:^|:)(?:0?2|C[0-3])\.0?8\.", re.IGNORECASE)
"""The registers of energy that a car gives back (OBIS, table 25)."""
_UNITS: Final[Mapping[str, int]] = {"Wh": 1, "kWh": 1000}


class UnreadableRecord(ValueError):
    """A value is no record of OCMF. The text says why."""


class SentRecord(NamedTuple):
    """A record as it was sent, and the key that was sent with it; "": none was."""

    text: str
    key: str


class SignedReading(NamedTuple):
    """A reading of a record: why and when it was taken, the letter of its clock (table 19), its
    register, and the errors and the state that the meter tells.

    `wh` is None if it is no energy that a car took; `digit` is one unit of its last digit, in Wh.
    """

    reason: str
    at: datetime | None
    clock: str
    register: str
    wh: Decimal | None
    digit: Decimal
    errors: str
    state: str


class SignedRecord(NamedTuple):
    """A record. `meter` and `whose` say which meter signed it, and of whom it speaks; `page` is its
    number among the records of its meter, None outside of a session."""

    sent: SentRecord
    payload: bytes
    algorithm: str
    signature: bytes
    meter: tuple[str, str]
    whose: tuple[str, str]
    page: int | None
    readings: tuple[SignedReading, ...]

    @property
    def reasons(self) -> set[str]:
        """Why its readings were taken."""
        return {reading.reason for reading in self.readings}


def records_in(value: str, key: str = "", depth: int = _DEPTH) -> Iterator[SentRecord]:
    """Yield the records in a value; none if it is of another format."""
    text = value.strip("\ufeff \t\r\n")
    if len(text) > LONGEST:
        return
    if text.startswith(HEADER):
        yield SentRecord(text, key)
    elif text.startswith(ALFEN):
        yield SentRecord(text, [*text.split(";"), "", "", ""][3])
    elif depth and text.startswith("{"):
        with suppress(ValueError, AttributeError, RecursionError):
            told = json.loads(text)
            told = told.get("signedMeterValue", told)
            yield from records_in(
                str(told.get("signedMeterData") or ""),
                str(told.get("publicKey") or key),
                depth - 1,
            )
    elif depth and text.startswith("<"):
        from html import unescape  # noqa: PLC0415 - few chargers send XML, and it costs memory

        parts = [(name, unescape(part).strip()) for name, part in _parts(text)]
        keys = [part for name, part in parts if name == "publickey"]
        for name, part in parts:
            if name != "publickey":
                yield from records_in(part, keys[0] if keys else key, depth - 1)
    elif depth:
        for decode in (bytes.fromhex, _base64):
            with suppress(ValueError):
                yield from records_in(decode(text).decode(), key, depth - 1)


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Yield the innermost elements of XML that have a record or a key, with their content."""
    text = text.replace("<![CDATA[", "").replace("]]>", "")
    name, since = "", 0
    for tag in _TAG.finditer(text):
        if not tag[1]:
            name, since = tag[2].casefold(), tag.end()
        elif name == tag[2].casefold():
            yield name, text[since : tag.start()]
            name = ""


def _base64(text: str) -> bytes:
    """Return what a text has in base64. Raises ValueError, also for bits that nothing reads."""
    text = "".join(text.split())
    found = b64decode(text, validate=True)
    if b64encode(found).decode() != text:
        raise ValueError
    return found


def parse_record(sent: SentRecord) -> SignedRecord:
    """Return a record. Raises UnreadableRecord."""
    if sent.text.startswith(ALFEN):
        return _of_alfen(sent)
    payload, _, signature = sent.text.removeprefix(HEADER).rpartition("|")
    told, sealed = _object(payload), _object(signature)
    encoding, kind = sealed.get("SE", "hex"), sealed.get("SM", "application/x-der")
    if encoding not in ("hex", "base64") or kind != "application/x-der":
        raise UnreadableRecord(Told("its signature is of another kind than OCMF describes"))
    data = str(sealed.get("SD", ""))
    try:
        signed = bytes.fromhex(data) if encoding == "hex" else _base64(data)
    except ValueError as error:
        raise UnreadableRecord(Told("its signature is no {1}", encoding)) from error
    readings = told.get("RD")
    if not isinstance(readings, list) or len(readings) > MOST_READINGS:
        raise UnreadableRecord(Told("it has no readings, or too many"))
    if not all(isinstance(one, dict) for one in readings):
        raise UnreadableRecord(Told("it has no readings, or too many"))
    page = _PAGE.fullmatch(_text(told, "PG"))
    try:
        content = payload.encode()
    except UnicodeEncodeError as error:
        raise UnreadableRecord(Told("it is not OCMF: a section is no JSON")) from error
    return SignedRecord(
        sent,
        content,
        _text(sealed, "SA") or DEFAULT,
        signed,
        (_text(told, "MS"), _text(told, "GS")),
        (_text(told, "IT"), _text(told, "ID")),
        int(page[1]) if page else None,
        tuple(_readings(readings)),
    )


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise UnreadableRecord(Told("it is not OCMF: a section is no JSON")) from error
    if not isinstance(found, dict):
        raise UnreadableRecord(Told("it is not OCMF: a section is no object"))
    return found


def _text(told: Mapping[str, Any], name: str) -> str:
    found = told.get(name)
    return "" if found is None else str(found)


def _readings(sent: list[dict[str, Any]]) -> Iterator[SignedReading]:
    """Yield readings: what is left out is as in the one before (table 7)."""
    told: dict[str, Any] = {}
    for one in sent:
        told = {**told, **one}
        at, _, clock = _text(told, "TM").rpartition(" ")
        wh, digit = _energy(told)
        yield SignedReading(
            _text(told, "TX"),
            _moment(at),
            clock,
            _text(told, "RI"),
            wh,
            digit,
            _text(told, "EF"),
            _text(told, "ST"),
        )


def _moment(text: str) -> datetime | None:
    with suppress(ValueError, OverflowError):
        found = datetime.fromisoformat(text)
        return found if found.tzinfo else None
    return None


def _energy(told: Mapping[str, Any]) -> tuple[Decimal | None, Decimal]:
    """Return the energy of a reading in Wh, as exact as it was signed, and its last digit."""
    factor = _UNITS.get(_text(told, "RU"))
    with suppress(InvalidOperation, ValueError):
        value = Decimal(_text(told, "RV").strip())
        exponent = value.as_tuple().exponent
        is_possible = isinstance(exponent, int) and abs(exponent) <= MOST_DIGITS
        is_taken = value >= 0 and not _EXPORT.search(_text(told, "RI"))
        if factor and is_taken and is_possible and value.adjusted() <= MOST_DIGITS:
            return value * factor, Decimal(1).scaleb(int(exponent)) * factor
    return None, Decimal(1)


_DATA: Final = struct.Struct("<10s4s2s10s I I I 6s B b Q 20s I I")
"""Adapter, its firmware, meter, state, seconds, time, register, unit, exponent, value, card,
session, page."""
_REASONS: Final = {"0": BEGIN, "1": "E", "2": "C"}
_FAULTS: Final = sum(1 << bit for bit in (1, 2, 16, 26, 30, 31))
"""Errors of meter and adapter, and a register that differs from the one before."""
_IMPORT: Final = bytes.fromhex("0100010800ff")
_WH: Final = 30


def _of_alfen(sent: SentRecord) -> SignedRecord:
    try:
        _, reason, _, _, data, signature, *_ = sent.text.split(";")
        payload, signed = b32decode(data), b32decode(signature)
        adapter, _, _, meter, state, _, at, register, unit, exponent, value, card, session, page = (
            _DATA.unpack(payload)
        )
        is_possible = abs(exponent) <= MOST_DIGITS and value < 10 ** (MOST_DIGITS - exponent)
        is_energy = is_possible and (register, unit) == (_IMPORT, _WH)
        reading = SignedReading(
            _REASONS[reason],
            datetime.fromtimestamp(at, UTC),
            "",
            register.hex(),
            Decimal(value).scaleb(exponent) if is_energy else None,
            Decimal(1).scaleb(exponent),
            "",
            f"fault {state & _FAULTS:x}" if state & _FAULTS else GOOD,
        )
    except (ValueError, KeyError, struct.error, InvalidOperation) as error:
        raise UnreadableRecord(Told("it is no record of Alfen")) from error
    return SignedRecord(
        sent,
        payload,
        "ECDSA-secp192r1-SHA256",
        signed,
        (meter.hex(), adapter.hex()),
        (str(session), card.hex()),
        page,
        (reading,),
    )
