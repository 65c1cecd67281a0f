"""A charger's texts as the database keeps them.

A text of 500 KB would otherwise stand in half a dozen tables for ever. Its frame is kept whole in `evidence`;
everywhere else the text is cut and ends with the digest of the whole, so two cut texts are equal only where the whole
ones are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import orjson

LONGEST_TEXT: Final = 500
LONGEST_PAYLOAD: Final = 20_000
LONGEST_OF: Final[Mapping[str, int]] = {"csr": 5_500, "data": 4_096, "value": 8_192}
"""By property: a certificate request (A02), a vendor's data, a signed meter reading."""
CUT: Final = "… blake2b:"


def digest(text: str) -> str:
    """A short name for a text, to know it again."""
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def cut(text: str, longest: int = LONGEST_TEXT) -> str:
    """The text itself, or the beginning and the digest of one that is longer."""
    if len(text) <= longest:
        return text
    end = f"{CUT}{digest(text)}"
    return text[: longest - len(end)] + end


def cut_texts(value: Any, longest: int = LONGEST_TEXT) -> Any:
    """A JSON value with its over-long texts cut."""
    if isinstance(value, str):
        return cut(value, longest)
    if isinstance(value, dict):
        return {name: cut_texts(inner, LONGEST_OF.get(name, LONGEST_TEXT)) for name, inner in value.items()}
    if isinstance(value, list):
        return [cut_texts(inner, longest) for inner in value]
    return value


def cut_payload(payload: str) -> str:
    """A payload as JSON text with its over-long texts cut; one that is still over-long is cut as a whole."""
    if may_be_long(payload):
        with suppress(orjson.JSONDecodeError):  # the frame stands for a payload that could not be read
            payload = orjson.dumps(cut_texts(orjson.loads(payload))).decode()
    return cut(payload, LONGEST_PAYLOAD)


def may_be_long(json: str) -> bool:
    """Whether an over-long text may stand in this JSON. Asked of every message, so it only looks at a few places: one
    of them lies in each stretch of so many characters without a quotation mark."""
    if len(json) <= LONGEST_TEXT:
        return False
    return "\\" in json or any(_stretch(json, place) > LONGEST_TEXT for place in range(0, len(json), LONGEST_TEXT))


def _stretch(json: str, place: int) -> int:
    """How many characters there are between the quotation marks around a place."""
    end = json.find('"', place)
    return (len(json) if end < 0 else end) - json.rfind('"', 0, place) - 1
