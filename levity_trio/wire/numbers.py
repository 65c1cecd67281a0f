"""Numbers that chargers send as text: one way to read them.

A decimal comma is read as a point. A comma before the last three of at most six digits is not read,
because it may also separate thousands. Nor are digits of other scripts or underscores, which Python
would accept.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

SIGNED: Final = "SignedData"
_PLAIN: Final = re.compile(r"\d{1,15}\.\d{1,9}", re.ASCII)
_NUMBER: Final = re.compile(r"\s*[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d{1,3})?\s*", re.ASCII)
_GROUPED: Final = re.compile(r"\s*[+-]?\d{1,3},\d{3}\s*", re.ASCII)


def decimal(text: str) -> Decimal | None:
    """Return a number exactly as sent; None if the text is none, or not clearly one."""
    if text.isdecimal() and text.isascii():  # nearly all are
        return Decimal(text)
    if _NUMBER.fullmatch(text) is None or _GROUPED.fullmatch(text):
        return None
    return Decimal(text.strip().replace(",", "."))


def is_plain(text: str) -> bool:
    """Whether a text is a number as OCPP sends it."""
    if (text.isdecimal() and text.isascii()) or _PLAIN.fullmatch(text):  # nearly all are
        return True
    return "," not in text and decimal(text) is not None


def has_comma(text: str) -> bool:
    """Whether a number has a decimal comma."""
    return "," in text and decimal(text) is not None


def is_signed(text: str, form: object) -> bool:
    """Whether a sampled value of this format may be what a meter signed. That names a card, in
    plain, hex, base64 or XML, so whatever is no number counts as signed."""
    return form == SIGNED or number(text) is None


def number(text: str) -> float | None:
    """Return a number as a float, infinite above its range; None if the text is none, or not
    clearly one."""
    if (text.isdecimal() and text.isascii()) or _PLAIN.fullmatch(text):  # nearly all are
        return float(text)
    found = decimal(text)
    return None if found is None else float(found)
