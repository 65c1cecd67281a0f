"""Seals: digests over statements, each over the one before, so that changed rows are found by comparing paper.

A content is a digest over the figures and positions of a statement; its seal adds the number, the digest of its names,
and the seal before. All are SHA-256 over JSON with sorted keys, in hexadecimal digits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

BEGINNING: Final = ""
"""What stands before the first statement."""
FIGURES: Final = ("account_id", "month", "zone", "currency", "prices", "taxes", "charged", "carried_in", "total") + (
    "is_carried",
)
"""The columns of a statement that its content covers."""
OF_POSITION: Final = (
    *("kind", "tx_id", "month", "corrects", "reason", "cp_id", "conn_id", "id_tag", "vehicle_id", "started_at"),
    *("ended_at", "energy_wh", "split", "is_prepaid", "lines", "amount"),
)
"""The columns of a position that the content of its statement covers, in the order of the rows."""


def content_of(figures: Sequence[Any], positions: Iterable[Sequence[Any]]) -> str:
    """Return the digest over the FIGURES of a statement and OF_POSITION of each of its positions."""
    return _digest({"figures": list(figures), "positions": [list(row) for row in positions]})


def seal_of(number: int, content: str, party_digest: str, previous: str) -> str:
    """Return the seal of a statement."""
    return _digest({"number": number, "content": content, "party": party_digest, "previous": previous})


def party_digest(party: str) -> str:
    """Return the digest over the text of `statement_party.party`. It has salt: else names could be guessed."""
    return hashlib.sha256(party.encode()).hexdigest()


def _digest(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
