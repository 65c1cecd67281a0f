"""Whatever somebody gives for a file of a bank: it is read, or refused in a sentence."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from levity_trio.bank import BankFileProblem, keys
from levity_trio.bank.reading import read
from tests.bank.files import BANKS, camt, details, entry
from tests.bank.test_camt import zipped

WHOLE = [
    *(text.encode() for text in BANKS.values()),
    camt(entry("76.05", details("Anna", "Abrechnung 12", "76.05"))).encode(),
    zipped(day=camt(entry("5.00"))),
]
BEGINNINGS = st.sampled_from([b"", b"%PDF", b"PK\x03\x04", b"<?xml ", b"\xff\xfe", b"\xfe\xff"])


def check(content: bytes) -> None:
    with suppress(BankFileProblem):
        lines = read(content, {}, {}).lines
        assert len({*keys(lines)}) == len(lines)


@given(BEGINNINGS, st.binary(max_size=200))
def test_any_bytes(begin: bytes, rest: bytes) -> None:
    check(begin + rest)


@given(st.sampled_from(WHOLE), st.data())
def test_damaged_files(content: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(content)))
    until = data.draw(st.integers(place, min(len(content), place + 40)))
    damage = data.draw(
        st.binary(max_size=20) | st.sampled_from([b";", b'"', b"\n", b"9" * 400, b"<", b"NaN"])
    )
    check(content[:place] + damage + content[until:])
