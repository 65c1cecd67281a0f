"""A meter that signs its sessions, and the check of what it signed, as the server does it."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any, Final

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from levity_trio.store.reads.transactions.explain import checked
from levity_trio.store.writes.transactions.judging import keep_signed
from tests.store.books import Books, Station
from tests.store.reading import view

PRIVATE_FORMATS: Final = (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
HOW: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


class SigningMeter:
    """A meter with a key of its own. Those with the same seed have the same one."""

    def __init__(self, curve: ec.EllipticCurve | None = None, seed: int = 0) -> None:
        number = seed or secrets.randbits(128)
        self._private = ec.derive_private_key(number, curve or ec.SECP256R1())
        self._page = 0

    def public(self, encoding: Encoding = Encoding.DER) -> bytes:
        return self._private.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)

    def private(self) -> list[bytes]:
        """Return its private key in each form in which people keep it."""
        return [
            self._private.private_bytes(encoding, form, NoEncryption())
            for encoding in (Encoding.PEM, Encoding.DER)
            for form in PRIVATE_FORMATS
        ]

    def record(self, begin: int, end: int, since: datetime, until: datetime) -> str:
        """Return a record of OCMF with begin and end."""
        self._page += 1
        readings = [
            {
                "TM": f"{at:%Y-%m-%dT%H:%M:%S},000+0000 S",
                "TX": kind,
                "RV": wh,
                "RI": "01-00:01.08.00*FF",
                "RU": "Wh",
                "EF": "",
                "ST": "G",
            }
            for kind, wh, at in (("B", begin, since), ("E", end, until))
        ]
        told: dict[str, Any] = {"FV": "1.0", "PG": f"T{self._page}", "MS": "SN-1", "RD": readings}
        payload = orjson.dumps(told)
        signature = self._private.sign(payload, HOW).hex()
        how = orjson.dumps({"SA": "ECDSA-secp256r1-SHA256", "SD": signature})
        return f"OCMF|{payload.decode()}|{how.decode()}"


def charge(
    station: Station,
    value: SigningMeter | str,
    tag: str = "TAG",
    signed_wh: int | None = None,
    minutes: int = 60,
) -> int:
    """A session with 100 Wh a minute, of which its meter signed this energy, by default the right
    one. A text is what it sent instead."""
    books, wh = station.books, 100 * minutes
    since, begin = books.now, books.value("SELECT coalesce(max(meter_stop), 1000) FROM tx")
    number = station.start(begin, tag=tag)
    books.wait(minutes)
    if not isinstance(value, str):
        value = value.record(begin, begin + (signed_wh or wh), since, books.now)
    sample = {"value": value, "format": "SignedData", "context": "Transaction.End"}
    told = {"timestamp": station.clock(), "sampledValue": [sample]}
    station.stop(number, begin + wh, data=[told])
    look(books)
    return number


def look(books: Books) -> None:
    """Check what meters signed of all sessions that wait for that."""
    numbers = [number for (number,) in books.rows("SELECT DISTINCT tx_id FROM bill_work")]
    books.run(keep_signed, checked(view(books.connection), numbers), 0, books.at)
