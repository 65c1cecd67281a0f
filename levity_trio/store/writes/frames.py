"""Storage of frames: all of them in `log` until they are pruned, and in `evidence` those that rows of `tx_event` or
`set_aside` refer to.

Evidence has a budget of bytes (rules.md): of a frame beyond it, the beginning, the length and a digest are kept. Frames
of Start and Stop are kept in full, of a stranger the first ones of a day. What strangers sent is deleted after a while,
and when the disk runs low.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from itertools import product
from typing import Final, NamedTuple

from levity_trio.store.engine.unit_of_work import DATE, UnitOfWork
from levity_trio.store.writes.hiding import NEVER_CHARGED
from levity_trio.store.writes.origin import Message, Origin
from levity_trio.wire.texts import CUT, digest
from levity_trio.wire.times import stamp

FRAMES: Final = ("StartTransaction", "StopTransaction")
"""The messages that a transaction consists of."""
BEGINNING_BYTES: Final = 4_096
"""What is always kept of a frame."""
STRANGERS_FRAMES, STRANGERS_FRAME_BYTES = 50, 65_536
"""Longer frames of Start and Stop that are kept in full of a stranger on one day, and their size."""
STRANGERS_DAYS: Final = timedelta(days=30)
ROWS_AT_ONCE, CHARGERS_AT_ONCE = 50, 200


class Budget(NamedTuple):
    """Bytes of further frames that are kept in full on one day."""

    of_one: int
    of_all: int


KNOWN: Final = Budget(of_one=8_000_000, of_all=64_000_000)
STRANGERS: Final = Budget(of_one=1_000_000, of_all=8_000_000)
_DISK: Final = "disk"
_CHARGERS: Final = f"SELECT id, {NEVER_CHARGED} FROM cp WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608 - ours
_RECORD: Final = (
    "INSERT INTO evidence_pruning (day, before, others_before, deleted) VALUES (?, ?, ?, ?) ON CONFLICT (day) DO UPDATE"
    " SET before = max(evidence_pruning.before, excluded.before),"
    " others_before = max(evidence_pruning.others_before, excluded.others_before),"
    " deleted = evidence_pruning.deleted + excluded.deleted"
)


def keep(db: UnitOfWork, origin: Origin, message: Message) -> None:
    """Store the frame of a message as evidence, once, in the transaction that stores its content."""
    frame = message.frame
    if is_long(frame):
        frame = _within_budget(db, origin, message)
    db.execute(
        "INSERT INTO evidence (cp_id, session_id, at, direction, message_id, action, frame)"
        " VALUES (?, ?, ?, 'recv', ?, ?, ?) ON CONFLICT (session_id, message_id, at) DO NOTHING",
        (origin.charger, origin.session, origin.received_at, message.message_id, message.action, frame),
    )


def is_long(frame: str) -> bool:
    """Whether a frame is longer than what is always kept of one."""
    return len(frame) > BEGINNING_BYTES or len(frame.encode()) > BEGINNING_BYTES


def _within_budget(db: UnitOfWork, origin: Origin, message: Message) -> str:
    """Return a long frame, or what is kept of it."""
    charger, at, sent = origin.charger, origin.received_at, message.frame.encode()
    is_new, size = db.is_stranger(charger, at), len(sent)
    is_whole = message.action in FRAMES and (
        not is_new or (size <= STRANGERS_FRAME_BYTES and db.is_below(charger, "long frames", at, STRANGERS_FRAMES))
    )
    if not is_whole and not is_disk_low(db):
        whose, budget = ("strangers", STRANGERS) if is_new else ("known chargers", KNOWN)
        is_whole = db.is_below(charger, "bytes of evidence", at, budget.of_one, size) and db.is_below(
            None, f"bytes of evidence of {whose}", at, budget.of_all, size
        )
    if is_whole:
        return message.frame
    beginning = sent[:BEGINNING_BYTES].decode(errors="ignore")
    return f"{beginning}{CUT}{digest(message.frame)} of {size} bytes"


def is_disk_low(db: UnitOfWork) -> bool:
    """Whether the disk runs low, so that no long frame is kept in full but those of Start and Stop."""
    return db.row("SELECT 1 FROM site_count WHERE kind = ? AND amount > 0", (_DISK,)) is not None


def note_disk(db: UnitOfWork, at: str, is_low: bool) -> None:
    """Note whether the disk runs low."""
    db.execute(
        "INSERT INTO site_count (kind, day, amount) VALUES (?, ?, ?) ON CONFLICT (kind) DO UPDATE"
        " SET day = excluded.day, amount = excluded.amount",
        (_DISK, at[DATE], int(is_low)),
    )


# The row with the highest id stays: SQLite would give its id again.
_OLD: Final = (
    "SELECT id FROM {table} WHERE cp_id = ? AND {at} < ? AND ({at} < ? OR coalesce(action, '') NOT IN"
    " ('StartTransaction', 'StopTransaction')) AND id < (SELECT max(id) FROM {table}) ORDER BY {at}, id LIMIT ?"
)
_TABLES: Final = {
    table: _OLD.format(table=table, at=at) for table, at in (("evidence", "at"), ("set_aside", "received_at"))
}


class Swept(NamedTuple):
    """The number of rows that a step deleted, and after which charger the next one goes on; None if all are done."""

    rows: int
    after: str | None


def delete_of_strangers(db: UnitOfWork, now: str, seconds: float, is_disk_low: bool, after: str = "") -> Swept:
    """Delete evidence of chargers that never had a transaction and were not adopted, for at most `seconds`: what is
    old, and while the disk runs low all of which no transaction can be made. It is recorded.

    There may be many such chargers, so each step looks at some, in the order of their identities. One that takes too
    long is begun again.
    """
    before, until, rows = stamp(datetime.fromisoformat(now) - STRANGERS_DAYS), time.monotonic() + seconds, 0
    others_before, chargers = now if is_disk_low else before, db.rows(_CHARGERS, (after, CHARGERS_AT_ONCE))
    for (name, may_go), table in product(chargers, _TABLES):
        while may_go and (found := db.rows(_TABLES[table], (name, others_before, before, ROWS_AT_ONCE))):
            ids = ", ".join(str(number) for (number,) in found)
            db.execute(_RECORD, (now[DATE], before, others_before, len(found)))
            rows += db.changed(f"DELETE FROM {table} WHERE id IN ({ids})")  # noqa: S608 - numbers of ours
            if time.monotonic() > until:
                return Swept(rows, after)
    return Swept(rows, chargers[-1][0] if chargers else None)
