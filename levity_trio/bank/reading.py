"""A file that an owner gives: what kind it is, and its movements; or what it is instead."""

from __future__ import annotations

import io
import lzma
import struct
import zlib
from collections.abc import Mapping
from typing import Final
from zipfile import BadZipFile, ZipFile

from levity_trio.bank import BankFile, BankFileProblem, BankLine, keys
from levity_trio.bank.camt import read_camt
from levity_trio.bank.table import read_table
from levity_trio.told import Told

MOST_BYTES: Final = 8 * 2**20
"""A year of a busy account, unpacked."""
MOST_MEMBERS: Final = 400
DAMAGES: Final = (
    *(BadZipFile, RuntimeError, OSError, EOFError, ValueError, OverflowError),
    *(zlib.error, lzma.LZMAError, struct.error),
)
"""What reading a damaged ZIP raises."""
OTHERS: Final[Mapping[bytes, str]] = {
    b"%PDF": "PDF",
    b":20:": "MT940",
    b"{1:": "MT940",
    b"\xd0\xcf\x11\xe0": "Excel",
}
"""How files of other kinds begin."""


def read(
    content: bytes, chosen: Mapping[str, str], kept: Mapping[str, Mapping[str, str]]
) -> BankFile:
    """Read a file of a bank. `chosen` are columns by what they are, `kept` those that were chosen
    for a head with this digest. Raises BankFileProblem."""
    begin = content[:200].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not begin:
        raise BankFileProblem(Told("this file is empty"))
    for marker, kind in OTHERS.items():
        if begin.startswith(marker):
            raise BankFileProblem(Told("this is {1}; give CSV or CAMT.053", kind))
    if begin.startswith(b"PK"):
        return _unpacked(content)
    if begin.startswith(b"<") or content.startswith((b"\xff\xfe<", b"\xfe\xff\x00<")):
        return read_camt(content)
    return read_table(content, chosen, kept)


def _unpacked(content: bytes) -> BankFile:
    """Read the statements in a ZIP, as banks send one a day. Raises BankFileProblem."""
    try:
        members = _members(content)
    except DAMAGES:
        raise BankFileProblem(Told("this ZIP is damaged or locked")) from None
    if len(members) > MOST_MEMBERS or sum(map(len, members.values())) > MOST_BYTES:
        raise BankFileProblem(Told("this file is too large; take a shorter time"))
    if any(name.startswith("xl/") for name in members):
        raise BankFileProblem(Told("this is {1}; give CSV or CAMT.053", "Excel"))
    if not members:
        raise BankFileProblem(Told("this ZIP has no CAMT.053"))
    found = [read_camt(member) for member in members.values()]

    # Statements of one archive may overlap: what a later one repeats is the same movement.
    lines: dict[str, BankLine] = {}
    for one in found:
        lines |= dict(zip(keys(one.lines), one.lines, strict=True))
    return BankFile([*lines.values()], sum(one.pending for one in found))


def _members(content: bytes) -> dict[str, bytes]:
    """Return the XML of a ZIP by its names and places. If there is more than there may be, one file
    or one byte of that is among it."""
    left = MOST_BYTES + 1
    members: dict[str, bytes] = {}
    with ZipFile(io.BytesIO(content)) as archive:
        every = [one for one in archive.infolist() if one.filename.lower().endswith(".xml")]
        for one in every[: MOST_MEMBERS + 1]:
            # What a member says of its size may be a lie, and two may have one name.
            with archive.open(one) as file:
                content = file.read(left)
            members[f"{one.filename} {one.header_offset}"] = content
            left -= len(content)
    return members
