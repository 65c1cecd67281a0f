"""Public keys of meters, as labels, files and chargers give them, and checks with them."""

from __future__ import annotations

import re
from base64 import b32decode, b64decode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from levity_trio.told import Told

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurve, EllipticCurvePublicKey

UNKNOWN_HERE: Final = "secp192k1"
"""OCMF names this curve, and `cryptography` does not have it."""
_OIDS: Final[Mapping[str, str]] = {
    "secp192k1": "2b8104001f",
    "secp192r1": "2a8648ce3d030101",
    "secp256k1": "2b8104000a",
    "secp256r1": "2a8648ce3d030107",
    "secp384r1": "2b81040022",
    "brainpool256r1": "2b2403030208010107",
    "brainpool384r1": "2b240303020801010b",
}
"""The curves of OCMF 1.x (table 22), and their object identifiers."""
_BY_OID: Final = {bytes.fromhex(oid): curve for curve, oid in _OIDS.items()}
_IS_EC: Final = bytes.fromhex("06072a8648ce3d0201")
_SIZES: Final = (24, 32, 48)
"""Bytes of a coordinate."""
_ALGORITHM: Final = re.compile(r"ECDSA-(\w+)-SHA256", re.IGNORECASE)
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2}[\s:]?){48,}")
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/_-]\s?){64,}={0,2}")
_IN_PATH: Final = re.compile(r"[A-Za-z0-9_-]{64,}")
_URL_SAFE: Final = str.maketrans("-_", "+/")
_NO_LINE: Final = re.compile(r"-----[^-\n]*-----|[\s:]")
LONGEST: Final = 10_000
"""Characters of a text that may be a key."""


class NoMeterKey(ValueError):
    """A text is no public key of a meter. The text says why."""


class CannotCheck(ValueError):
    """A signature cannot be checked here. The text says why."""


class MeterKey(NamedTuple):
    """A point on a curve; None: a bare point, of which the records tell the curve."""

    curve: str | None
    point: bytes

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the point, in hex: the same for each way to write the key."""
        return sha256(self.point).hexdigest()

    @property
    def text(self) -> str:
        """The key in hex: a SubjectPublicKeyInfo (RFC 5480), or a bare point."""
        if self.curve is None:
            return self.point.hex()
        kind = _part(0x30, _IS_EC + _part(6, bytes.fromhex(_OIDS[self.curve])))
        return _part(0x30, kind + _part(3, b"\0" + self.point)).hex()


def _part(tag: int, content: bytes) -> bytes:
    """Return a part of DER with fewer than 256 bytes."""
    length = [len(content)] if len(content) < 0x80 else [0x81, len(content)]
    return bytes([tag, *length]) + content


def parse_key(given: str | bytes) -> MeterKey:
    """Return the key in a file, or in a text of a label: PEM, base64 or hex of DER, or of a bare
    point; what stands around it, as in an address, is passed over.

    Raises NoMeterKey.
    """
    if len(given) > LONGEST:
        raise NoMeterKey(Told("the text is too long for a public key"))
    for data in _candidates(given):
        key = _key_in(data)
        if key is not None and _is_on_curve(key):
            return key
    raise NoMeterKey(
        Told(
            "there is no public key of a meter in it, or a character of it is wrong or missing: "
            "give what the label of the meter shows, as PEM, base64 or hex"
        )
    )


def _candidates(given: str | bytes, *, is_inside: bool = False) -> Iterator[bytes]:
    """Yield what a text may mean. Within base64 there may be a text with the key in hex (Open
    Charge Alliance, signed meter values)."""
    if isinstance(given, bytes):
        yield given
        given = given.decode("latin-1")
    without = _NO_LINE.sub("", given)
    texts = [without, *sorted(_HEX.findall(given), key=len, reverse=True)]
    for text in texts:
        with suppress(ValueError):
            yield bytes.fromhex(_NO_LINE.sub("", text).removeprefix("0x"))
    with suppress(ValueError):
        yield b32decode(without)
    found = [*_IN_PATH.findall(given), *_BASE64.findall(given)]
    for text in (without, *sorted(found, key=len, reverse=True)):
        plain = "".join(text.split()).rstrip("=").translate(_URL_SAFE)
        with suppress(ValueError):
            data = b64decode(f"{plain}{'=' * (-len(plain) % 4)}", validate=True)
            yield data
            if data.isascii() and not is_inside:
                yield from _candidates(data.decode(), is_inside=True)


def _key_in(data: bytes) -> MeterKey | None:
    _, is_ec, rest = data.partition(_IS_EC)
    if not is_ec:
        return _bare(data)
    length = rest[1] if len(rest) > 1 else 0
    curve, rest = _BY_OID.get(rest[2 : 2 + length]), rest[2 + length :]
    size = 0 if curve is None else int(re.findall(r"\d+", curve)[0]) // 8
    begin = rest.find(b"\0\4", 0, 8) + 1
    point = rest[begin : begin + 1 + 2 * size]
    if curve is None or not begin or len(point) != 1 + 2 * size:
        return None
    return MeterKey(curve, point)


def _bare(data: bytes) -> MeterKey | None:
    if data[:1] in (b"\2", b"\3") and len(data) == 1 + _SIZES[0]:
        loaded = _loaded("secp192r1", data)  # as Alfen shows it
        return None if loaded is None else MeterKey("secp192r1", _point(loaded))
    if len(data) // 2 in _SIZES and len(data) % 2 == 0:
        data = b"\4" + data
    is_point = data[:1] == b"\4" and len(data) // 2 in _SIZES and len(data) % 2 == 1
    return MeterKey(None, data) if is_point else None


def _is_on_curve(key: MeterKey) -> bool:
    if key.curve == UNKNOWN_HERE:
        return True
    size = len(key.point) // 2 * 8
    curves = _OIDS.keys() - {UNKNOWN_HERE}
    fitting = [key.curve] if key.curve else [one for one in curves if f"{size}" in one]
    return any(_loaded(one, key.point) is not None for one in fitting)


def _loaded(curve: str, point: bytes) -> EllipticCurvePublicKey | None:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - it costs megabytes, and most meters sign nothing

    curves: Mapping[str, type[EllipticCurve]] = {
        "secp192r1": ec.SECP192R1,
        "secp256k1": ec.SECP256K1,
        "secp256r1": ec.SECP256R1,
        "secp384r1": ec.SECP384R1,
        "brainpool256r1": ec.BrainpoolP256R1,
        "brainpool384r1": ec.BrainpoolP384R1,
    }
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curves[curve](), point)
    except ValueError:
        return None


def _point(key: EllipticCurvePublicKey) -> bytes:
    numbers, size = key.public_numbers(), (key.key_size + 7) // 8
    return b"\4" + numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")


def curve_of(algorithm: str) -> str:
    """Return the curve of an algorithm as OCMF names it (table 22). Raises CannotCheck."""
    found = _ALGORITHM.fullmatch(algorithm)
    curve = found[1].lower().replace("brainpoolp", "brainpool") if found else ""
    if curve not in _OIDS:
        raise CannotCheck(Told("OCMF has no algorithm {1}", algorithm[:60]))
    if curve == UNKNOWN_HERE:
        raise CannotCheck(Told("signatures of the curve {1} cannot be checked here", curve))
    return curve


def is_signed_with(key: MeterKey, curve: str, content: bytes, signature: bytes) -> bool:
    """Whether a signature (ECDSA with SHA-256, in DER, or two bare numbers) over a content was made
    with this key."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - as above

    loaded = _loaded(curve, key.point) if key.curve in (None, curve) else None
    if loaded is None:
        return False
    try:
        signed = encode_dss_signature(*_numbers(signature, len(key.point) // 2))
        loaded.verify(signed, content, ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _numbers(signature: bytes, size: int) -> tuple[int, int]:
    """Return the two numbers of a signature. Some meters leave out the zero byte that DER puts
    before a number whose first bit is set. Raises ValueError."""
    if len(signature) == 2 * size:
        return int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
    first = signature[4 : 4 + signature[3]] if len(signature) > size else b""
    second = signature[6 + len(first) :]
    if signature != _part(0x30, _part(2, first) + _part(2, second)):
        raise ValueError
    return int.from_bytes(first), int.from_bytes(second)
