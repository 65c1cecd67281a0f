"""The evidence under the seal of a statement: what is stored of its sessions, as it was when they
were billed.

Later facts have higher ids, and `moved_reading` tells where readings were that were moved since. So
what a seal covers is found again, and is the same for ever: only columns that never change are in
it.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Final, NamedTuple

import orjson

from levity_trio.store.billing.statements import Figures, PositionRow
from levity_trio.store.cases.transaction import find_transaction, span
from levity_trio.store.engine.database import Rows

_NEWEST: Final = (
    "SELECT (SELECT coalesce(max(id), 0) FROM tx_event), (SELECT coalesce(max(id), 0) "
    "FROM meter_val), (SELECT coalesce(max(id), 0) FROM review), (SELECT coalesce(max(id), 0) "
    "FROM moved_reading)"
)
_EVENTS: Final = (
    "SELECT tx_event.id, kind, who, tx_event.session_id, received_at, timestamp, sent_timestamp, "
    "tx_event.message_id, payload, digest, state, cause, cp_id, direction, action, frame "
    "FROM tx_event LEFT JOIN evidence ON evidence.session_id = tx_event.session_id "
    "AND evidence.message_id = tx_event.message_id AND evidence.at = tx_event.received_at "
    "WHERE tx_id = ? AND tx_event.id <= ? ORDER BY tx_event.id"
)
_OF_READING: Final = (
    "SELECT meter_val.id, session_id, received_at, timestamp, sent_timestamp, measurand, value, "
    "unit, context, location, phase, format, source, wh, told_id, imported_id, sent_conn_id, "
    "run_since, run_low, run_high, run_count"
)
_PLACE: Final = "cp_id = ?1 AND conn_id = ?2 AND timestamp BETWEEN ?3 AND ?4 AND meter_val.id <= ?6"
_MOVED: Final = "SELECT 1 FROM moved_reading AS earlier WHERE earlier.id > ?7"
_READINGS: Final = (
    f"{_OF_READING} FROM meter_val WHERE {_PLACE} AND tx_id = ?5 "
    f"AND NOT EXISTS ({_MOVED} AND earlier.reading_id = meter_val.id) "
    f"UNION ALL {_OF_READING} FROM moved_reading AS moved CROSS JOIN meter_val "
    f"ON meter_val.id = moved.reading_id WHERE {_PLACE} AND moved.tx_id = ?5 AND moved.id > ?7 "
    f"AND NOT EXISTS ({_MOVED} AND earlier.reading_id = moved.reading_id "
    "AND earlier.id < moved.id) ORDER BY 1"
)
"""Those that have not been moved, and those whose first move was away from there."""
_REVIEWS: Final = (
    "SELECT id, code, words, figures, evidence, opened_at, tx_event_id FROM review "
    "WHERE tx_id = ? AND id <= ? ORDER BY id"
)
_PARTS: Final = ("messages", "readings", "reviews")
OF_SEAL: Final = (0, "seal")
_SHORT: Final = 8
_NUL, _SIGN_OF_NUL = rb"\u0000", "\N{SYMBOL FOR NULL}".encode()
"""PostgreSQL has the symbol, since a database was moved there."""


class NewestIds(NamedTuple):
    """The newest ids that a seal covers."""

    tx_event: int
    meter_val: int
    review: int
    moved_reading: int


class SealedSession(NamedTuple):
    """A session of a statement, where and between which times its readings are, and the digests of
    its events with their frames, of its readings, and of its reviews. Of those, beginnings are
    stored."""

    transaction: int
    charger: str
    connector: int
    since: str
    until: str
    digests: tuple[str, str, str] = ("", "", "")


def newest_ids(rows: Rows) -> NewestIds:
    """Return up to where a seal that is made now reaches."""
    return NewestIds(*rows(_NEWEST, ())[0])


def newest_of(evidence_until: str) -> NewestIds:
    """Return up to where a seal reaches. Raises ValueError, TypeError if it was changed."""
    return NewestIds(*orjson.loads(evidence_until)[0])


def with_evidence(
    rows: Rows, figures: Figures, positions: Iterable[PositionRow], newest: NewestIds
) -> Figures:
    """Return the figures of a statement with the seal of its evidence."""
    sessions = dict[int, SealedSession]()
    for one in positions:
        tx = find_transaction(rows, one.tx_id) if one.tx_id else None
        if tx is not None:
            sessions[tx.id] = SealedSession(tx.id, tx.charger, tx.connector or 0, *span(tx))
    evidence, found = _seal(rows, newest, [one for _, one in sorted(sessions.items())])
    until = orjson.dumps([newest, found], default=list).decode()
    return figures._replace(evidence=evidence, evidence_until=until)


def differing(rows: Rows, evidence: str, evidence_until: str) -> list[tuple[int, str]]:
    """Return what of a statement's evidence is not as it was sealed: transactions, each with the
    part that differs; 0 and the seal where only that is another one."""
    try:
        newest, of_sessions = orjson.loads(evidence_until)
        sessions = [SealedSession(*one) for one in of_sessions]
        now, found = _seal(rows, NewestIds(*newest), sessions)
        parts = [
            (one.transaction, part)
            for one, then in zip(found, sessions, strict=True)
            for part, digest, of_then in zip(_PARTS, one.digests, then.digests, strict=True)
            if digest != of_then
        ]
    except (ValueError, TypeError, OverflowError):
        return [OF_SEAL]
    return [] if now == evidence else parts or [OF_SEAL]


def _seal(
    rows: Rows, newest: NewestIds, sessions: Iterable[SealedSession]
) -> tuple[str, list[SealedSession]]:
    """Return the digest over the stored evidence of sessions, and the beginnings of theirs."""
    whole, found = sha256(), list[SealedSession]()
    for one in sessions:
        number = one.transaction
        place = (one.charger, one.connector, one.since, one.until, number)
        stored = (
            rows(_EVENTS, (number, newest.tx_event)),
            rows(_READINGS, (*place, newest.meter_val, newest.moved_reading)),
            rows(_REVIEWS, (number, newest.review)),
        )
        events, readings, reviews = (
            sha256(orjson.dumps(some).replace(_NUL, _SIGN_OF_NUL)).hexdigest() for some in stored
        )
        whole.update(f"{number} {events} {readings} {reviews}\n".encode())
        found.append(one._replace(digests=(events[:_SHORT], readings[:_SHORT], reviews[:_SHORT])))
    return whole.hexdigest(), found
