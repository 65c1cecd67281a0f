"""A file that an owner gives: what kind it is, and its movements; or what it is instead."""

from __future__ import annotations

import io
import lzma
import struct
import zlib
from collections import Counter
from collections.abc import Mapping
from typing import Final
from zipfile import BadZipFile, ZipFile

from levity_trio.bank import (
    MOST_LINES,
    BankFile,
    BankFileProblem,
    BankLine,
    keys,
    reference_of,
)
from levity_trio.bank.camt import read_camt
from levity_trio.bank.table import read_table
from levity_trio.told import Told

MOST_BYTES: Final = 8 * 2**20
"""A year of a busy account, unpacked."""
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
    file = _read(content, chosen, kept)
    if len(file.lines) > MOST_LINES:
        raise BankFileProblem(Told("there are more than {1} lines; divide the file", MOST_LINES))
    return file


def _read(
    content: bytes, chosen: Mapping[str, str], kept: Mapping[str, Mapping[str, str]]
) -> BankFile:
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
        with ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            members = [one for one in archive.infolist() if one.filename.lower().endswith(".xml")]
            is_small = sum(one.file_size for one in members) <= MOST_BYTES
            # What a member says of its size may be a lie: no more than that is unpacked.
            files = [archive.open(one).read(one.file_size) for one in members if is_small]
    except DAMAGES:
        raise BankFileProblem(Told("this ZIP is damaged or locked")) from None
    if not is_small:
        raise BankFileProblem(Told("this file is too large; take a shorter time"))
    if any(name.startswith("xl/") for name in names):
        raise BankFileProblem(Told("this is {1}; give CSV or CAMT.053", "Excel"))
    if not files:
        raise BankFileProblem(Told("this ZIP has no CAMT.053"))
    found = [read_camt(file) for file in files]

    # Statements of one archive may overlap: what a later one repeats is the same movement.
    lines: dict[tuple[str, int], BankLine] = {}
    for one in found:
        seen: Counter[str] = Counter()
        for key, line in zip(keys(one.lines), one.lines, strict=True):
            same = reference_of(line) or key
            seen[same] += 1
            lines[same, seen[same]] = line
    return BankFile([*lines.values()], sum(one.pending for one in found))
