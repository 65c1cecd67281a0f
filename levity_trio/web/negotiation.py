"""What a client would like: the format of a body (RFC 9110 §12.5.1), and whether it may be compressed (§12.5.3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple


class _Wish(NamedTuple):
    """One range of an Accept header: what it is of, with which parameters, and how much it is liked."""

    what: str
    parameters: Mapping[str, str]
    quality: float


def preferred(accept: str, offered: Sequence[str]) -> str:
    """The content type that is liked most, of several the first; the first of all where none is.

    Nobody is refused: who asks for something else gets what there is. A parameter counts where both sides name it.
    """
    wishes = list(_wishes(accept))
    return max(offered, key=lambda content_type: _quality(content_type, wishes))


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether a body may be compressed with gzip."""
    return any(wish.what in ("gzip", "x-gzip", "*") and wish.quality > 0 for wish in _wishes(accept_encoding))


def _quality(content_type: str, wishes: Sequence[_Wish]) -> float:
    """By the most specific range that fits it; 0 where none does."""
    what, parameters = _parsed(content_type)
    general = (what, f"{what.partition('/')[0]}/*", "*/*")
    fitting = [wish for wish in wishes if wish.what in general and _agree(wish.parameters, parameters)]
    best = min(fitting, key=lambda wish: (general.index(wish.what), -wish.quality), default=None)
    return best.quality if best else 0


def _agree(asked: Mapping[str, str], offered: Mapping[str, str]) -> bool:
    return all(offered.get(name, value) == value for name, value in asked.items())


def _wishes(header: str) -> Iterator[_Wish]:
    for part in header.split(","):
        what, parameters = _parsed(part)
        quality = parameters.pop("q", "1")
        if what:
            yield _Wish(what, parameters, _number(quality))


def _parsed(text: str) -> tuple[str, dict[str, str]]:
    what, *parameters = (piece.strip().lower() for piece in text.split(";"))
    pairs = (piece.partition("=") for piece in parameters)
    return what, {name.strip(): value.strip().strip('"') for name, _, value in pairs}


def _number(quality: str) -> float:
    try:
        return float(quality)
    except ValueError:
        return 0
