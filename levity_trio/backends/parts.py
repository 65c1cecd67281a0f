"""What copies work with."""

from __future__ import annotations

from collections.abc import Callable

from levity_trio.clock import Clock
from levity_trio.records import record
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.reader import Reader


@record(kw_only=False)
class CopyParts:
    """What copies work with. `card_key` returns the normal form of a card."""

    reader: Reader
    writer: Writer
    clock: Clock
    key: SecretKey
    card_key: Callable[[str], str]
