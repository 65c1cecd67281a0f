"""What the signed values of transactions prove: the values and keys that are stored, the check of
them, and what it found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, NamedTuple

from levity_trio.signed.checking import (
    MOST_RECORDS,
    BilledSession,
    KnownKey,
    SignedFinding,
    SignedState,
    check,
    transparency_file,
)
from levity_trio.signed.keys import MeterKey, NoMeterKey, parse_key
from levity_trio.signed.records import LONGEST, records_in
from levity_trio.store.cases.transaction import (
    LAST_TIME,
    StoredTransaction,
    find_transaction,
    span,
)
from levity_trio.store.engine.database import Database, Rows, rows_of

NEWEST: Final = 2**62
"""No id is as high."""
_VALUES: Final = (
    "SELECT value FROM meter_val WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? "
    "AND tx_id = ? AND format = 'SignedData' AND length(value) <= ? AND id <= ? "
    "ORDER BY timestamp DESC, id DESC LIMIT ?"
)
_ENTERED: Final = (
    "SELECT key, added_at <= ? OR EXISTS (SELECT 1 FROM signed_check AS earlier "
    "WHERE earlier.key = fingerprint AND earlier.tx_id < ?) "
    "FROM meter_key WHERE cp_id = ? AND conn_id IN (0, ?) "
    "AND (ended_at IS NULL OR (ended_at > ? AND EXISTS (SELECT 1 FROM signed_check "
    "WHERE signed_check.key = fingerprint))) ORDER BY id DESC"
)
"""Whether each is of then: it was known, or an earlier session is signed with it. A key that never
fitted was entered by mistake: since it ended, it contradicts nothing."""
_TOLD: Final = (
    "SELECT key, value, read_at FROM configuration "
    "WHERE cp_id = ? AND is_known = 1 AND value <> '' "
    "AND lower(key) LIKE '%publickey%' ORDER BY id DESC LIMIT 100"
)
"""Such as MeterPublicKey1: that of connector 1 (Open Charge Alliance, signed meter values)."""
MOST_TOLD: Final = 10
"""Keys of a connector that are tried. A charger may tell another one at each boot."""
_CONNECTOR: Final = re.compile(r"(?<!\d)(\d{1,2})\]?$")
_WITH_FINGERPRINT: Final = "SELECT key FROM meter_key WHERE cp_id = ? AND fingerprint = ?"
_FITTING: Final = "SELECT key FROM signed_check WHERE tx_id = ?"
_WORK: Final = "SELECT revision FROM signed_work WHERE id = 1"


class CheckedSession(NamedTuple):
    """What the signed values of a transaction prove; None: it has none, or has not ended."""

    transaction: int
    finding: SignedFinding | None


def revision(db: Database) -> int:
    """Return the newest of bill_work that the table knows."""
    return next((int(found) for (found,) in db.execute(_WORK).fetchall()), 0)


def checked(db: Database, numbers: Sequence[int]) -> list[CheckedSession]:
    """Check the signed values of transactions."""
    rows = rows_of(db)
    return [CheckedSession(number, _checked(rows, number)) for number in numbers]


def _checked(rows: Rows, number: int) -> SignedFinding | None:
    tx = find_transaction(rows, number)
    if tx is None or tx.energy_delivered is None:
        return None
    return _check(rows, tx, known_keys(rows, tx), tx.energy_delivered)


def _check(
    rows: Rows, tx: StoredTransaction, keys: Sequence[KnownKey], wh: int, newest: int = NEWEST
) -> SignedFinding | None:
    if tx.stop_time is None or not (values := _values(rows, tx, newest)):
        return None
    since, until = tx.own_start_time, tx.own_stop_time or tx.stop_time
    session = BilledSession(wh, datetime.fromisoformat(since), datetime.fromisoformat(until))
    return check(values, keys, session)


def is_contradicted(rows: Rows, number: int, fingerprint: str, wh: int, newest: int) -> bool:
    """Whether the signed values of a transaction, up to an id, do not say what a statement says of
    them: that they prove this figure with the key of this fingerprint, which its owner entered."""
    tx = find_transaction(rows, number)
    if tx is None:
        return True
    texts = rows(_WITH_FINGERPRINT, (tx.charger, fingerprint))
    keys = [KnownKey(parse_key(text), is_owners=True) for (text,) in texts]
    found = _check(rows, tx, keys, wh, newest) if keys else None
    return found is None or found.state == SignedState.DOUBTFUL


def _values(rows: Rows, tx: StoredTransaction, newest: int = NEWEST) -> list[str]:
    place = (tx.charger, tx.connector or 0, *span(tx), tx.id)
    found = rows(_VALUES, (*place, LONGEST, newest, MOST_RECORDS))
    return [value for (value,) in reversed(found)]


def known_keys(rows: Rows, tx: StoredTransaction) -> list[KnownKey]:
    """Return the keys of the meter of a transaction: those that the owner entered first."""
    connector = tx.connector or 0
    known = list[KnownKey]()
    ended = tx.stop_received_at or LAST_TIME
    for text, is_of_then in rows(_ENTERED, (ended, tx.id, tx.charger, connector, tx.created_at)):
        known.append(KnownKey(parse_key(text), is_owners=True, is_of_then=bool(is_of_then)))
    told = (one.key for one in told_keys(rows, tx.charger) if one.connector in (0, connector))
    newest = [*dict.fromkeys(told)][:MOST_TOLD]
    return known + [KnownKey(key, is_owners=False) for key in newest]


class ToldKey(NamedTuple):
    """A key that the settings of a charger tell. `connector` 0: of each."""

    connector: int
    key: MeterKey
    read_at: str


def told_keys(rows: Rows, charger: str) -> Iterator[ToldKey]:
    """Yield the keys that the settings of a charger tell, or told, the newest first."""
    for name, text, read_at in rows(_TOLD, (charger,)):
        number = _CONNECTOR.search(name)
        with suppress(NoMeterKey):
            yield ToldKey(int(number[1]) if number else 0, parse_key(text), read_at)


def file_of(db: Database, number: int) -> str | None:
    """Return the signed values of a transaction as a file of the transparency software; None: it
    has none that this can read."""
    rows = rows_of(db)
    tx = find_transaction(rows, number)
    sent = [one for value in _values(rows, tx) for one in records_in(value)] if tx else []
    if tx is None or not sent:
        return None
    checked_with = [key for (key,) in rows(_FITTING, (number,))]
    keys = [one.key for one in known_keys(rows, tx)]
    fitting = [one for one in keys if one.fingerprint in checked_with] or keys
    return transparency_file(number, [*dict.fromkeys(sent)], fitting[0].text if fitting else None)
