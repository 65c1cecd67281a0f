"""What devices of a house publish: a number in a payload, and the topics of MQTT that name one
device.

Without a path a payload is a plain number. With one it is JSON, and the path names keys and places
of lists, as in `ENERGY.Current.0`. Keys may have points themselves: meters use OBIS codes such as
`1.8.0`. Places that are joined by ` + ` are added: a register of two tariffs is two.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

import orjson

PAYLOAD_BYTES: Final = 64 * 1024
"""What is longer tells no number that anybody looks for."""
TOPIC_BYTES: Final = 1000
MOST_DIGITS: Final = 15
_SUM: Final = " + "
_WRITTEN: Final = re.compile(r"\s*[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]{1,4})?\s*")
"""A number as JSON and meters write it. Decimal also takes "1_000" and digits of other scripts."""


class NoNumber(ValueError):
    """There is no number where one is looked for; the text says what there is."""


def wrong_topic(topic: str) -> str:
    """Say why a topic does not name one device; empty if it does."""
    if "+" in topic or "#" in topic:
        return (
            f"the topic {topic!r} has + or #, which stand for many topics: give the one of this "
            "meter"
        )
    if not 1 <= len(topic.encode()) <= TOPIC_BYTES or not topic.isprintable():
        return f"give a topic of 1 to {TOPIC_BYTES} bytes, such as shellies/main/emeter/0/current"
    return ""


def number_in(payload: bytes, path: str = "") -> Decimal:
    """Return the number in a payload, as exact as JSON lets it be. Raises NoNumber."""
    if len(payload) > PAYLOAD_BYTES:
        raise NoNumber(f"it has more than {PAYLOAD_BYTES // 1024} KiB")
    if not path:
        return _number(payload.decode(errors="replace").strip(), "it")
    try:
        document = orjson.loads(payload)
    except ValueError:
        raise NoNumber("it is not JSON") from None
    return sum(
        (_number(_at(document, place, place), place) for place in path.split(_SUM)), start=Decimal()
    )


def _at(found: Any, rest: str, path: str) -> Any:
    """Return what is at the rest of a path. Of keys with points, the longest one counts."""
    if isinstance(found, dict):
        parts = rest.split(".")
        for count in range(len(parts), 0, -1):
            if (key := ".".join(parts[:count])) in found:
                below = ".".join(parts[count:])
                return _at(found[key], below, path) if below else found[key]
    if isinstance(found, list):
        place, _, below = rest.partition(".")
        if place.isdecimal() and int(place) < len(found):
            return _at(found[int(place)], below, path) if below else found[int(place)]
    raise NoNumber(f"it has no {path}")


def _number(found: object, what: str) -> Decimal:
    if type(found) in (str, int, float) and _WRITTEN.fullmatch(str(found)):
        number = Decimal(str(found))
        if number.adjusted() < MOST_DIGITS:
            return number
    raise NoNumber(f"{what} is not a number of at most {MOST_DIGITS} digits")
