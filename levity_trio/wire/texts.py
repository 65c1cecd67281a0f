"""A charger's texts as the database stores them.

Otherwise a text of 500 KB would be stored permanently in half a dozen tables. Its frame is kept
whole in `evidence`; all other rows cut the text and append the digest of the whole, so two cut
texts are equal only if the whole ones are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import orjson

from levity_trio.wire.secrets import is_too_wide

LONGEST_TEXT: Final = 500
LONGEST_PAYLOAD: Final = 20_000
LONGEST_OF: Final[Mapping[str, int]] = {"csr": 5_500, "data": 4_096, "value": 8_192}
"""Maximum characters by property: a certificate request (A02), a vendor's data, a signed meter
reading."""
CUT: Final = "… blake2b:"
_WITH_TEXTS: Final = (str, dict, list)


def digest(text: str) -> str:
    """Return a short hash that identifies a text."""
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def cut(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return the text, or its beginning and its digest if it is longer than `longest`
    characters."""
    if len(text) <= longest:
        return text
    end = f"{CUT}{digest(text)}"
    return text[: longest - len(end)] + end


def cut_texts(value: Any, longest: int = LONGEST_TEXT) -> Any:
    """Return a JSON value with its over-long texts cut."""
    if isinstance(value, str):
        return cut(value, longest)
    if isinstance(value, dict):
        return {
            name: cut_texts(inner, LONGEST_OF.get(name, LONGEST_TEXT))
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [
            cut_texts(inner, longest) if type(inner) in _WITH_TEXTS else inner for inner in value
        ]
    return value


def cut_payload(payload: str) -> str:
    """Return a payload, as JSON text, with its over-long texts cut; if it is still too long, it is
    cut as a whole."""
    if may_be_long(payload) and not is_too_wide(payload):
        # The text of a frame may be broken, or deep.
        with suppress(orjson.JSONDecodeError, TypeError, RecursionError):
            payload = orjson.dumps(cut_texts(orjson.loads(payload))).decode()
    return cut(payload, LONGEST_PAYLOAD)


def stored_object(text: str | None) -> dict[str, Any] | None:
    """Return the JSON object that a stored text is; None if it is cut, or is anything else that a
    charger sent."""
    try:
        value = None if text is None else orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def may_be_long(json: str) -> bool:
    """Whether this JSON may contain an over-long text.

    It is called for every message, so it looks only at every LONGEST_TEXTth character: an over-long
    text without a backslash contains one of them.
    """
    if len(json) <= LONGEST_TEXT:
        return False
    if "\\" in json:
        return True
    for place in range(0, len(json), LONGEST_TEXT):
        # The characters between the quotation marks around this place.
        end = json.find('"', place)
        stretch = (len(json) if end < 0 else end) - json.rfind('"', 0, place) - 1
        if stretch > LONGEST_TEXT:
            return True
    return False
