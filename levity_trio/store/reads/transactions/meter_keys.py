"""The public keys of the meters of a charger: those that were entered, and those that it tells."""

from __future__ import annotations

from typing import Final

from levity_trio.records import ForOperators, record
from levity_trio.signed.checking import NO_KEY
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.reads.pages import Shape
from levity_trio.store.reads.transactions.signed import told_keys


@record
class KnownMeterKey:
    """The public key of a meter. `connector` 0: of each. `fingerprint` is the SHA-256 of its point,
    `key` a SubjectPublicKeyInfo in DER, or a bare point; both are hexadecimal.

    If `is_told`, the charger told it in its settings, read at `added_at`; it settles no doubt, and
    `id` and `added_by` are null.
    """

    id: int | None
    connector: int
    fingerprint: str
    key: str
    added_at: str
    added_by: ForOperators[str | None]
    is_told: bool


_ENTERED: Final = Shape(KnownMeterKey, is_told="0")
_RECENT: Final = 20
"""Sessions, by which a charger is judged."""
_LACKS: Final = (
    "SELECT 1 FROM (SELECT id FROM tx WHERE cp_id = ? ORDER BY start_time DESC LIMIT ?) AS newest "  # noqa: S608 - our own words
    "JOIN signed_check ON tx_id = newest.id "
    f"WHERE told LIKE '%{NO_KEY}%' LIMIT 1"
)


def meter_keys(db: Database, charger: str) -> list[KnownMeterKey]:
    """Return the keys of the meters of a charger, those that were entered first."""
    known = _ENTERED.every(
        db, "FROM meter_key WHERE cp_id = ? AND ended_at IS NULL ORDER BY conn_id, id", (charger,)
    )
    told: dict[tuple[int, str], KnownMeterKey] = {}
    for connector, key, read_at in told_keys(rows_of(db), charger):
        shown = KnownMeterKey(
            id=None,
            connector=connector,
            fingerprint=key.fingerprint,
            key=key.text,
            added_at=read_at,
            added_by=None,
            is_told=True,
        )
        told.setdefault((connector, key.fingerprint), shown)
    return [*known, *told.values()]


def lacks_key(db: Database, charger: str) -> bool:
    """Whether the meter of a charger signs, and nobody knows with which key."""
    return bool(rows_of(db)(_LACKS, (charger, _RECENT)))
