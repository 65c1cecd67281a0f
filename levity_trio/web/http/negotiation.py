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
        one.value in ("gzip", "x-gzip", "*") and one.quality > 0 for one in _ranges(accept_encoding)
    )


def compressed(body: bytes) -> bytes:
    """Return a body that was made for this answer, compressed by gzip."""
    return gzip.compress(body, GZIP_LEVEL, mtime=0)


def preferred_language(accept_language: str, offered: Sequence[str]) -> str:
    """Return the offered language that a reader likes best, the first one if he wants none of them.

    Somebody who wants de-AT also reads de (RFC 4647 §3.4).
    """
    for wanted in sorted(_ranges(accept_language), key=lambda one: -one.quality):
        name = wanted.value if wanted.quality > 0 else ""
        while name and name not in offered:
            name = name.rpartition("-")[0]
        if name:
            return name
    return offered[0]


def _quality(content_type: str, ranges: Sequence[_Range]) -> float:
    """Return the quality given by the most specific range that matches; 0 if none does."""
    value, parameters = _parsed(content_type)
    matching = (value, f"{value.partition('/')[0]}/*", "*/*")
    found = [one for one in ranges if one.value in matching and _agree(one.parameters, parameters)]
    best = min(found, key=lambda one: (matching.index(one.value), -one.quality), default=None)
    return best.quality if best else 0


def _agree(asked: Mapping[str, str], offered: Mapping[str, str]) -> bool:
    return all(offered.get(name, value) == value for name, value in asked.items())


def _ranges(header: str) -> Iterator[_Range]:
    for part in header.split(","):
        value, parameters = _parsed(part)
        quality = parameters.pop("q", "1")
        if value:
            yield _Range(value, parameters, _number(quality))


def _parsed(text: str) -> tuple[str, dict[str, str]]:
    value, *parameters = (piece.strip().lower() for piece in text.split(";"))
    pairs = (piece.partition("=") for piece in parameters)
    return value, {name.strip(): argument.strip().strip('"') for name, _, argument in pairs}


def _number(quality: str) -> float:
    try:
        return float(quality)
    except ValueError:
        return 0
