"""Records of Alfen's chargers, as public test files have them, on the curve secp192r1:
AP;reason;version;key;data;signature, in base32."""

import random
import struct
from base64 import b32encode
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from levity_trio.signed.checking import KnownKey, SignedFinding, SignedState, check
from levity_trio.signed.keys import parse_key
from levity_trio.signed.records import records_in
from tests.signed.meters import END, SESSION, START, Meter
from tests.sizes import size

BEGIN, STOP, BETWEEN = "012"
IMPORT = bytes.fromhex("0100010800ff")
EXPORT = bytes.fromhex("0100020800ff")
WH, VARH = 30, 32
METER = Meter("secp192r1")
CHANGED_BITS = 40


def base32(content: bytes) -> str:
    return b32encode(content).decode()


def compressed(meter: Meter) -> bytes:
    return bytes([2 + meter.point[-1] % 2]) + meter.point[1:25]


def data(
    at: datetime,
    register: int,
    page: int,
    *,
    session: int = 7,
    card: bytes = b"0102030A",
    serial: bytes = b"0A01",
    status: int = 0,
    obis: bytes = IMPORT,
    unit: int = WH,
    scale: int = 0,
) -> bytes:
    """Return what is signed, of 82 bytes."""
    packed = struct.pack(
        "<10s4s2s10sIII6sBbQ20sII",
        *(b"ADAPTER", b"v014", b"\x01\x02", serial, status, 0, int(at.timestamp()), obis, unit),
        *(scale, register, card, session, page),
    )
    assert len(packed) == 82
    return packed


def signature(meter: Meter, content: bytes) -> bytes:
    return b"".join(one.to_bytes(24, "big") for one in decode_dss_signature(meter.sign(content)))


def record(reason: str, content: bytes, sealed: bytes | None = None, meter: Meter = METER) -> str:
    sealed = signature(meter, content) if sealed is None else sealed
    return f"AP;{reason};3;{base32(compressed(meter))};{base32(content)};{base32(sealed)};"


def of(*records: str, wh: int = 7350, key: Meter = METER) -> SignedFinding:
    return check(records, [KnownKey(key.key, True)], SESSION._replace(wh=wh))


def pair(**fields: object) -> Sequence[str]:
    """Return begin and end; the fields are those of the end."""
    ended = {"at": END, "register": 107_350, "page": 6, **fields}
    return record(BEGIN, data(START, 100_000, 5)), record(STOP, data(**ended))  # type: ignore[arg-type]


def test_two_records_prove_a_session() -> None:
    finding = of(*pair())
    assert (finding.state, finding.wh, finding.digit_wh) == (SignedState.PROVEN, 7350, 1)
    assert (finding.first_page, finding.last_page) == (5, 6)
    assert finding.key == METER.key.fingerprint, "that of the label, which is not compressed"
    assert not finding.is_timed, "nothing says that its clock was set"
    assert of(*pair(), wh=7000).state is SignedState.DOUBTFUL


def test_the_key_beside_a_record_is_that_of_its_meter() -> None:
    (sent,) = records_in(pair()[0])
    assert parse_key(sent.key or base32(compressed(METER))) is not None
    assert of(*pair(), key=Meter("secp192r1")).state is not SignedState.PROVEN


def test_records_between() -> None:
    first, last = pair(page=8)
    between = [record(BETWEEN, data(START, 100_000 + page, page)) for page in (6, 7)]
    assert of(first, *between, last).state is SignedState.PROVEN
    assert of(first, between[0], last).state is SignedState.UNPROVEN


def test_a_changed_bit_is_found() -> None:
    content = data(END, 107_350, 6)
    sealed = signature(METER, content)
    first = pair()[0]
    places = [(part, bit) for part in (content, sealed) for bit in range(8 * len(part))]
    for part, bit in random.Random(67).sample(places, size(len(places), CHANGED_BITS)):
        changed = bytearray(part)
        changed[bit // 8] ^= 1 << bit % 8
        given = (bytes(changed), sealed) if part is content else (content, bytes(changed))
        finding = of(first, record(STOP, *given))
        assert finding.state is SignedState.DOUBTFUL, bit
        assert finding.told


@pytest.mark.parametrize(
    "fields",
    [
        *({"page": 5}, {"page": 7}, {"session": 8}, {"card": b"0102030B"}, {"serial": b"0A02"}),
        *({"obis": EXPORT}, {"unit": VARH}, {"scale": 1}),
        *({"status": 1 << bit} for bit in (1, 2, 16)),
        *({"register": 0}, {"register": 99_999}, {"register": 2**64 - 1}),
        *({"scale": 127}, {"scale": -128}),
    ],
    ids=str,
)
def test_an_end_that_proves_nothing(fields: dict[str, object]) -> None:
    finding = of(*pair(**fields))
    assert finding.state is not SignedState.PROVEN
    assert finding.wh is None or abs(finding.wh) < 2**63


def test_a_register_in_kwh() -> None:
    begun = record(BEGIN, data(START, 100, 5, scale=3))
    finding = of(begun, record(STOP, data(END, 107, 6, scale=3)), wh=7000)
    assert (finding.state, finding.wh, finding.digit_wh) == (SignedState.PROVEN, 7000, 1000)


@pytest.mark.parametrize(
    "value",
    [
        *("AP;", "AP;;;;;", "AP;0;3;;;;", "AP;0;3;A;A;A;", "AP;0;3;====;====;====;", "AP;" * 5000),
        *(
            "AP;0;3;" + "A" * 5000 + ";A;A;",
            "AP;9;9;AAAA;AAAA;AAAA;",
            "AP;\u0661;3;\u00e9;\u00e9;1;",
        ),
        *(record(BEGIN, b""), record(BEGIN, bytes(82), bytes(48)), record(BEGIN, bytes(82), b"")),
        *(record(STOP, bytes(81)), record(STOP, bytes(83)), record(STOP, b"\xff" * 82)),
    ],
    ids=lambda text: text[:16],
)
def test_what_is_no_record(value: str) -> None:
    for values in ([value], [*pair(), value]):
        finding = of(*values)
        assert finding.told
    assert of(value).state is not SignedState.PROVEN


def test_the_time_of_an_unset_clock_doubts_nobody() -> None:
    unset = datetime(1970, 1, 1, 0, 0, 18, tzinfo=UTC)
    assert of(*pair(at=unset)).state is not SignedState.DOUBTFUL
