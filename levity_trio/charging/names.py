"""What a message calls a transaction: by its transactionId, and by its idTag."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from unicodedata import category

LOWEST_ID: Final = 1
HIGHEST_ID: Final = 2**31 - 1
_INVISIBLE: Final = ("Cc", "Cf")
_NUL: Final = "\u2400"
"""How PostgreSQL keeps a NUL."""
EDGES: Final = _NUL + "".join(
    sign for sign in map(chr, range(2**16)) if sign.isspace() or category(sign) in _INVISIBLE
)
"""White space, and the characters that control or format a text; some readers add those of their
protocol to a tag."""


def is_id(transaction: int | None) -> bool:
    """Whether this can be a transaction ID that a server assigned; 0 and -1 are not."""
    return transaction is not None and LOWEST_ID <= transaction <= HIGHEST_ID


def reported_id(sent: int | None) -> int | None:
    """Return the charger's ID of a transaction, assigned by us or by itself.

    None if it has none: many chargers then send 0 or -1 for every transaction.
    """
    return None if sent in (None, 0, -1) else sent


def is_named_to_the_end(
    transaction: int, readings: Iterable[tuple[str, int | None]], boots: Sequence[str]
) -> bool:
    """Whether the readings after each boot, if any, have the ID of their transaction, or the one
    that they had before.

    `readings` are times of receipt with the ID as sent. Without one, a reading after a boot may
    belong to another transaction, whose start was lost.
    """
    sent = [(at, reported_id(name)) for at, name in readings]
    for boot in boots:
        before = {transaction, *(name for at, name in sent if at <= boot and name is not None)}
        after = {name for at, name in sent if at > boot}
        if after and not after & before:
            return False
    return True


def comparable_tag(id_tag: str | None) -> str | None:
    """Return a tag for comparison, cleaned and case-folded; None if it is empty."""
    return (id_tag or "").strip(EDGES).casefold() or None
