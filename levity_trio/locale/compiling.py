"""Catalogues as gettext reads them, made of those that people write: for the wheel, and in a
checkout at first use.

A checkout is installed without Babel, so this reads what `just catalogue` writes: entries with an
empty line between.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final


def compiled(source: Path) -> bytes:
    """Return the .mo file of a .po file."""
    entries = [_read(one) for one in source.read_text("utf-8").split("\n\n")]
    return _laid_out(sorted(one for one in entries if one[1]))


def _read(entry: str) -> tuple[bytes, bytes]:
    """Return a text and its translation, as a .mo file has them: the forms of each with a null
    between."""
    words, name = dict[str, str](), ""
    for started, part in _LINE.findall(entry):
        name = started or name
        words[name] = words.get(name, "") + json.loads(part)
    text, translation = (
        "\0".join(said for name, said in words.items() if name.startswith(kind))
        for kind in ("msgid", "msgstr")
    )
    if context := words.get("msgctxt"):
        text = f"{context}\x04{text}"
    return text.encode(), translation.strip("\0").encode()


def _laid_out(entries: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return the file: its head, where each text and each translation is, and these."""
    at, tables, kept = _HEAD.size + 16 * len(entries), b"", b""
    for column in zip(*entries, strict=True):
        for said in column:
            tables += _PLACE.pack(len(said), at + len(kept))
            kept += said + b"\0"
    return (
        _HEAD.pack(_MAGIC, 0, len(entries), _HEAD.size, _HEAD.size + 8 * len(entries), 0, 0)
        + tables
        + kept
    )


_LINE: Final = re.compile(r'^(?:(msg\w+(?:\[\d\])?) )?(".*")$', re.MULTILINE)
_HEAD: Final = struct.Struct("<7I")
_PLACE: Final = struct.Struct("<2I")
_MAGIC: Final = 0x950412DE
