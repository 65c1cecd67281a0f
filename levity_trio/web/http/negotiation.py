"""Content negotiation: media type (RFC 9110 §12.5.1), compression (§12.5.3) and language (§12.5.4)
of a body."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

GZIP_LEVEL: Final = 1
"""The fastest level; the lines of pages are so similar that it suffices."""


class _Range(NamedTuple):
    """One element of an Accept, Accept-Encoding or Accept-Language header."""

    value: str
    parameters: Mapping[str, str]
    quality: float


def preferred(accept: str, offered: Sequence[str]) -> str:
    """Return the offered content type of the highest quality, the first one among equals.

    If none is acceptable, the first one is returned instead of an error. A parameter is compared
    only if both sides have it.
    """
    ranges = list(_ranges(accept))
    return max(offered, key=lambda content_type: _quality(content_type, ranges))


def accepts_gzip(accept_encoding: str) -> bool:
    return any(
        encoding.value in ("gzip", "x-gzip", "*") and encoding.quality > 0
        for encoding in _ranges(accept_encoding)
    )


def compressed(body: bytes) -> bytes:
    """Return a body that was made for this answer, compressed by gzip."""
    return gzip.compress(body, GZIP_LEVEL, mtime=0)


def preferred_language(accept_language: str, offered: Sequence[str]) -> str:
    """Return the offered language that a reader likes best, the first one if he wants none of them.

    Somebody who wants de-AT also reads de (RFC 4647 §3.4).
    """
    for wanted in sorted(_ranges(accept_language), key=lambda language: -language.quality):
        name = wanted.value if wanted.quality > 0 else ""
        while name and name not in offered:
            name = name.rpartition("-")[0]
        if name:
            return name
    return offered[0]


def _quality(content_type: str, ranges: Sequence[_Range]) -> float:
    """Return the quality given by the most specific range that matches; 0 if none does."""
    value, offered = _parsed(content_type)
    kind = value.partition("/")[0]
    # For the first of these that the client names, its highest quality counts.
    for wanted in (value, f"{kind}/*", "*/*"):
        qualities: list[float] = []
        for accepted in ranges:
            parameters = accepted.parameters.items()
            is_same = all(offered.get(name, argument) == argument for name, argument in parameters)
            if accepted.value == wanted and is_same:
                qualities.append(accepted.quality)
        if qualities:
            return max(qualities)
    return 0


def _ranges(header: str) -> Iterator[_Range]:
    for part in header.split(","):
        value, parameters = _parsed(part)
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 0
        if value:
            yield _Range(value, parameters, quality)


def _parsed(text: str) -> tuple[str, dict[str, str]]:
    value, *pieces = (piece.strip().lower() for piece in text.split(";"))
    parameters: dict[str, str] = {}
    for piece in pieces:
        name, _, argument = piece.partition("=")
        parameters[name.strip()] = argument.strip().strip('"')
    return value, parameters
