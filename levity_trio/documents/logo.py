"""The owner's logo: which of the two kinds it is."""

from __future__ import annotations

from typing import Final

from levity_trio.documents import DocumentProblem

LARGEST_BYTES: Final = 1_000_000
_BEGINNINGS: Final = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


def media_type(logo: bytes) -> str:
    """Return the type of a logo by its first bytes. Raises DocumentProblem if it is too large or of another kind."""
    if len(logo) > LARGEST_BYTES:
        raise DocumentProblem(f"the logo has {len(logo)} bytes; it may have {LARGEST_BYTES}")
    for beginning, name in _BEGINNINGS.items():
        if logo.startswith(beginning):
            return name
    raise DocumentProblem("the logo is neither a PNG nor a JPEG file")
