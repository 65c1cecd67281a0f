"""The rows of an imported history, on their way from the old database to the write that stores
them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson


class ChargerRow(NamedTuple):
    """A charger, and what is known of it. Times in the database's format, here and below."""

    id: str
    name: str | None = None
    vendor: str | None = None
    model: str | None = None
    serial_number: str | None = None
    firmware_version: str | None = None
    iccid: str | None = None
    imsi: str | None = None


class TransactionRow(NamedTuple):
    """A transaction: `payload` is its row in the other system, `doubts` what speaks against its
    figure, in words.

    `told` is that as a text that is stored (levity_trio.told).
    """

    charger: str
    imported_id: int
    connector: int | None
    id_tag: str | None
    start_time: str
    stop_time: str
    meter_start: int | None
    meter_stop: int | None
    energy_wh: int
    stop_reason: str | None
    received_at: str
    stop_received_at: str
    last_reading_at: str | None
    payload: dict[str, Any]
    doubts: list[str]
    told: str | None = None


class ReadingRow(NamedTuple):
    """A sampled value. `transaction` is the id here of its imported transaction."""

    charger: str
    imported_id: int
    transaction: int | None
    connector: int
    received_at: str
    timestamp: str
    sent_timestamp: str | None
    measurand: str
    value: str
    unit: str
    context: str
    location: str
    phase: str
    format: str


class ErrorRow(NamedTuple):
    """An error. Without `resolved_at`, it ends with the import: it is none of the present."""

    charger: str
    imported_id: int
    connector: int | None
    error_code: str
    vendor_error_code: str | None
    error_description: str | None
    vendor_error_info: str | None
    timestamp: str
    resolved_at: str | None
    received_at: str


class ImportedRows(NamedTuple):
    """What became of the rows of a part. `ids` are those of its transactions here, in their
    order."""

    added: int
    changed: int
    known: int
    ids: Sequence[int] = ()


def total(parts: Iterable[ImportedRows]) -> ImportedRows:
    """Return the sum of parts."""
    added, changed, known, ids = zip(*parts, strict=True)
    return ImportedRows(
        sum(added), sum(changed), sum(known), [number for some in ids for number in some]
    )


def encoded(rows: Sequence[tuple[Any, ...]]) -> bytes:
    """Return rows as a JSON list of lists."""
    return orjson.dumps([tuple(row) for row in rows])


KINDS: Final[Mapping[str, Any]] = {
    "chargers": ChargerRow,
    "transactions": TransactionRow,
    "readings": ReadingRow,
    "errors": ErrorRow,
}
"""The kinds of rows, in the order in which they are imported, and the class of each."""
