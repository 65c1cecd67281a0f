"""What is kept of the messages of a charger, and how many it may add in a day, so that none fills
the disk.

All frames stand in `log` until they are pruned, and in `evidence` those that rows of `tx_event` or
`set_aside` refer to. Evidence has a budget of bytes, because anybody can send long frames: of one
beyond it, the beginning, the length and a digest are kept. Frames of Start and Stop are kept in
full, of a stranger the first ones of a day. What strangers sent is deleted after a while, and when
the disk runs low.

Unlike other facts, starts, stops and readings are never replaced by a count. A rate that no real
charger reaches would fill the disk, so beyond the limit messages of this day are neither stored nor
acknowledged. Strangers have the limit of one charger all together, because who can reach the port
can have any number of names.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from itertools import product
from typing import Final, NamedTuple

from levity_trio.events import MessagesRefused
from levity_trio.store.engine.database import DATE, UnitOfWork
from levity_trio.store.engine.faults import RateExceeded
from levity_trio.store.reads.site.totals import FACT
from levity_trio.store.writes.chargers.hiding import NEVER_CHARGED
from levity_trio.store.writes.origin import Message, Origin, number_in
from levity_trio.told import Told
from levity_trio.wire.texts import CUT, digest
from levity_trio.wire.times import stamp

FRAMES: Final = ("StartTransaction", "StopTransaction")
"""The messages that a transaction consists of."""
BEGINNING_BYTES: Final = 4_096
"""What is always kept of a frame."""
STRANGERS_FRAMES, STRANGERS_FRAME_BYTES = 50, 65_536
"""Longer frames of Start and Stop that are kept in full of a stranger on one day, and their
size."""
STRANGERS_DAYS: Final = timedelta(days=30)
ROWS_AT_ONCE, CHARGERS_AT_ONCE = 50, 200


class FrameBudget(NamedTuple):
    """Bytes of further frames that are kept in full on one day."""

    of_one: int
    of_all: int


KNOWN: Final = FrameBudget(of_one=8_000_000, of_all=64_000_000)
STRANGERS: Final = FrameBudget(of_one=1_000_000, of_all=8_000_000)
_DISK: Final = "disk"
_CHARGERS: Final = f"SELECT id, {NEVER_CHARGED} FROM cp WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608 - ours
_RECORD: Final = (
    "INSERT INTO evidence_pruning (day, before, others_before, deleted) "
    "VALUES (?, ?, ?, ?) ON CONFLICT (day) DO UPDATE "
    "SET before = max(evidence_pruning.before, excluded.before), "
    "others_before = max(evidence_pruning.others_before, excluded.others_before), "
    "deleted = evidence_pruning.deleted + excluded.deleted"
)


def keep(db: UnitOfWork, origin: Origin, message: Message) -> None:
    """Store the frame of a message as evidence, once, in the transaction that stores its
    content."""
    frame = message.frame
    if is_long(frame):
        frame = _within_budget(db, origin, message)
    db.execute(
        "INSERT INTO evidence (cp_id, session_id, at, direction, message_id, action, frame)"
        " VALUES (?, ?, ?, 'recv', ?, ?, ?) ON CONFLICT (session_id, message_id, at) DO NOTHING",
        (
            origin.charger,
            origin.session,
            origin.received_at,
            message.message_id,
            message.action,
            frame,
        ),
    )


def is_long(frame: str) -> bool:
    """Whether a frame is longer than what is always kept of one."""
    return len(frame) > BEGINNING_BYTES or len(frame.encode()) > BEGINNING_BYTES


def _within_budget(db: UnitOfWork, origin: Origin, message: Message) -> str:
    """Return a long frame, or what is kept of it."""
    charger, at, frame = origin.charger, origin.received_at, message.frame
    # a copy of 8 MB is not made for nothing
    size = len(frame) if frame.isascii() else len(frame.encode())
    is_new = db.is_stranger(charger, at)
    is_whole = message.action in FRAMES and not is_new
    if message.action in FRAMES and is_new and size <= STRANGERS_FRAME_BYTES:
        is_whole = db.count_within(charger, "long frames", at, STRANGERS_FRAMES)
    if not is_whole and not is_disk_low(db):
        whose, budget = ("strangers", STRANGERS) if is_new else ("known chargers", KNOWN)
        is_whole = db.count_within(charger, "bytes of evidence", at, budget.of_one, size)
        if is_whole:
            of_all = f"bytes of evidence of {whose}"
            is_whole = db.count_within(None, of_all, at, budget.of_all, size)
    if is_whole:
        return frame
    beginning = frame[:BEGINNING_BYTES].encode()[:BEGINNING_BYTES].decode(errors="ignore")
    return f"{beginning}{CUT}{digest(frame)} of {size} bytes"


def is_disk_low(db: UnitOfWork) -> bool:
    """Whether the disk runs low, so that no long frame is kept in full but those of Start and
    Stop."""
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
    "SELECT id FROM {table} "
    "WHERE cp_id = ? AND {at} < ? AND ({at} < ? "
    "OR coalesce(action, '') NOT IN ('StartTransaction', 'StopTransaction')) "
    "AND id < (SELECT max(id) FROM {table}) "
    "ORDER BY {at}, id LIMIT ?"
)
_TABLES: Final = {
    table: _OLD.format(table=table, at=at)
    for table, at in (("evidence", "at"), ("set_aside", "received_at"))
}


class Swept(NamedTuple):
    """The number of rows that a step deleted, and after which charger the next one goes on; None if
    all are done."""

    rows: int
    after: str | None


def delete_of_strangers(
    db: UnitOfWork, now: str, seconds: float, is_disk_low: bool, after: str = ""
) -> Swept:
    """Delete evidence of chargers that never had a transaction and were not adopted, for at most
    `seconds`: what is old, and while the disk runs low all of which no transaction can be made. It
    is recorded.

    There may be many such chargers, so each step looks at some, in the order of their identities.
    One that takes too long is begun again.
    """
    before, until, rows = (
        stamp(datetime.fromisoformat(now) - STRANGERS_DAYS),
        time.monotonic() + seconds,
        0,
    )
    others_before, chargers = (
        now if is_disk_low else before,
        db.rows(_CHARGERS, (after, CHARGERS_AT_ONCE)),
    )
    for (name, may_go), table in product(chargers, _TABLES):
        while may_go and (
            found := db.rows(_TABLES[table], (name, others_before, before, ROWS_AT_ONCE))
        ):
            ids = ", ".join(str(number) for (number,) in found)
            db.execute(_RECORD, (now[DATE], before, others_before, len(found)))
            rows += db.changed(f"DELETE FROM {table} WHERE id IN ({ids})")  # noqa: S608 - numbers of ours
            if time.monotonic() > until:
                return Swept(rows, after)
    return Swept(rows, chargers[-1][0] if chargers else None)


MESSAGES_OF_STARTS: Final = 10
"""Starts, stops and messages set aside per charger, as a multiple of the limit on starts per
connector."""
FIRST_MESSAGES: Final = 20
"""So many short messages of each stranger a day do not count among those of all: no other can use
up what it needs."""
READINGS_OF_STARTS: Final = 1_000
READINGS_OF_STRANGERS: Final = 10 * READINGS_OF_STARTS
"""A large site has many chargers that are new on its first day."""
READINGS_AT_ONCE: Final = 250
"""Readings of one charger that are counted in memory before they are for all new ones."""
READING_BYTES: Final = 256
"""A message counts as a reading for each so many bytes, if that is more."""
HIGHEST_CONNECTOR: Final = 100
"""Higher connector numbers share one count, because a charger can invent any number of them."""

_ADD: Final = (
    "INSERT INTO event_sum (cp_id, counter, what, amount) VALUES (?, ?, ?, 1)"
    " ON CONFLICT (cp_id, counter, what) DO UPDATE SET amount = event_sum.amount + 1"
)


def check_messages(db: UnitOfWork, origin: Origin, message: Message, most_starts: int) -> None:
    """Count a message that added rows; a repeated message adds none.

    Raises:
        RateExceeded: the limit is exceeded, and the write must be rolled back.
    """
    charger, at = origin.charger, origin.received_at
    key = (origin.session, message.message_id, at)
    if (
        db.row("SELECT 1 FROM evidence WHERE session_id = ? AND message_id = ? AND at = ?", key)
        is None
    ):
        return
    what, most = "transaction messages", MESSAGES_OF_STARTS * most_starts
    if message.action == "StartTransaction":
        connector = min(number_in(message, "connectorId") or 0, HIGHEST_CONNECTOR + 1)
        if not db.count_within(charger, f"StartTransaction on {connector}", at, most_starts):
            raise RateExceeded(
                Told("more than {1} a day: StartTransaction on {2}", most_starts, connector)
            )
    if not db.count_within(charger, what, at, most):
        raise RateExceeded(Told("more than {1} a day: session messages", most))
    first = 0 if is_long(message.frame) else FIRST_MESSAGES
    if not db.count_stranger(charger, what, at, most, first=first):
        raise RateExceeded(Told("more than {1} a day: session messages of new chargers", most))


def check_readings(db: UnitOfWork, origin: Origin, count: int, most_starts: int) -> None:
    """Count readings of a charger for all new ones, if it is one of them. Raises RateExceeded."""
    what, most = "readings", READINGS_OF_STRANGERS * most_starts
    if not db.count_stranger(origin.charger, what, origin.received_at, most, amount=count):
        raise RateExceeded(Told("more than {1} a day: readings of new chargers", most))


def refuse(db: UnitOfWork, origin: Origin, action: str, reason: str) -> None:
    """Store that a message was not acknowledged, and count it for the metric.

    A charger that reconnects at once reaches the ceiling of facts within hours. The metric counts
    on, or its alert would end while messages are still refused.
    """
    db.record(
        MessagesRefused(charger=origin.charger, at=origin.received_at, action=action, reason=reason)
    )
    # no index finds its events later
    db.execute(_ADD, (origin.charger, FACT, MessagesRefused.__name__))


def move(db: UnitOfWork, log_id: int, lost: int, lost_told: int) -> None:
    """Store the progress of the audit."""
    db.execute(
        "INSERT INTO audit_cursor (id, log_id, lost, lost_told) "
        "VALUES (1, ?, ?, ?) ON CONFLICT (id) DO UPDATE "
        "SET log_id = excluded.log_id, lost = excluded.lost, lost_told = excluded.lost_told",
        (log_id, lost, lost_told),
    )
