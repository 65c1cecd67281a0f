"""Runs of the server and sessions of chargers: when they began and how they ended, and who was
turned away instead.

Messages of a session that could not be matched or handled are set aside, stored raw for the
operator; repairs are counted by kind.

A charger can be odd though none of its messages is wrong. Absence is never evidence: a charger that
measures nothing has certain sessions of 0 Wh, so its owner is told. A car that is full takes
nothing either. So a session counts only if its charger reported Charging, live, for half an hour,
and load management held nothing back; and if the meter has ever measured anything here, only many
such sessions count, because some chargers report Charging as long as a car is plugged in.

Some chargers close the connection after each WebSocket ping (seen: Grizzl-E Smart), so with pings
every 20 seconds no session of such a charger lasts longer. Pings to a charger are disabled when
three consecutive sessions were closed just after a ping, unless it has ever answered one with its
present firmware. New firmware enables them again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import Enum, auto
from itertools import pairwise
from typing import Final, NamedTuple

from levity_trio.access.admission import Admission
from levity_trio.access.registration import Mode
from levity_trio.access.turned_away import MOST, OUTLASTING, TOLD_FOR, Refusal
from levity_trio.charging.energy import CERTAIN
from levity_trio.charging.lifecycle import Cause
from levity_trio.charging.sent.evidence import seconds
from levity_trio.charging.tolerances import MANY, SEVERAL
from levity_trio.events import (
    ChargerConnected,
    ChargerDisconnected,
    ChargerOdd,
    ChargerTurnedAway,
    ClockLeapt,
    IdentityShared,
    MessageSetAside,
    PingsSwitchedOff,
    ServerLost,
    ServerStarted,
)
from levity_trio.records import record
from levity_trio.store.cases.transaction import SYSTEM, StoredTransaction, begun_before
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.faults import RateExceeded
from levity_trio.store.lookups.load_spans import spans_of
from levity_trio.store.reads.chargers.chargers import ABNORMAL, SERVER_ENDED, STOPPING
from levity_trio.store.writes.chargers import security
from levity_trio.store.writes.chargers.commands import (
    end_left_over,
    give_up_masked,
    give_up_queued,
    give_up_sent,
)
from levity_trio.store.writes.chargers.registration import begin_waiting, make_room
from levity_trio.store.writes.origin import Message, Origin
from levity_trio.store.writes.site import frames
from levity_trio.store.writes.transactions.states import suspend
from levity_trio.told import N_, Told, beside, stored
from levity_trio.wire.texts import cut_payload, digest
from levity_trio.wire.times import minutes_before, shifted_stamp

REPLACED = N_("replaced by a newer connection")
SHARING_MINUTES = 10
FIRST_SESSIONS = 20
"""Sessions of each stranger on one day that do not count among those of all."""
STRANGERS_SESSIONS = 50_000
"""Sessions of all strangers on one day."""
SHARING_ROWS = 20
"""Rows examined; an alternation shows within so many, however often a charger reconnects."""
SHARING_REPLACEMENTS = 3


# Rows that a server's earlier run left open.
LAST_RUN = "SELECT clean FROM run WHERE server = ? ORDER BY id DESC LIMIT 1"
NEWEST_RUN = "SELECT clean FROM run WHERE id = (SELECT max(id) FROM run)"
OTHER_NAMES = """
SELECT server FROM run WHERE server <> ?1 AND id IN (
    SELECT run_id FROM session WHERE ended_at IS NULL
    UNION SELECT session.run_id FROM cp JOIN session ON session.id = cp.session_id
    UNION SELECT run_id FROM command WHERE state = 'queued')
GROUP BY server ORDER BY server"""
"""Servers of another name that may have left something open: not all that ever ran, of which there
is a row a start."""
END_SESSIONS = """
UPDATE session SET ended_at = ?, close_reason = ? WHERE ended_at IS NULL
AND NOT EXISTS (SELECT 1 FROM run WHERE id = run_id AND server <> ?) RETURNING cp_id, id"""
ELSEWHERE = """
(SELECT 1 FROM session JOIN run ON run.id = session.run_id
    WHERE session.id = cp.session_id AND server <> ?)"""
"""Whether the last connection of a charger was to another server."""
TAKE_OFFLINE = f"UPDATE cp SET is_connected = 0 WHERE is_connected = 1 AND NOT EXISTS {ELSEWHERE}"  # noqa: S608 - ours
WITH_OPEN_TRANSACTIONS = f"""
SELECT id FROM cp WHERE NOT EXISTS {ELSEWHERE} AND EXISTS (
    SELECT 1 FROM tx INDEXED BY tx_open WHERE cp_id = cp.id AND status = 'Active'
        AND suspended_at IS NULL)
ORDER BY id"""  # noqa: S608


_OFFLINE: Final = (
    "UPDATE cp SET is_connected = 0, last_seen_at = ?, updated_at = ? "
    "WHERE id = ? AND is_connected = 1"
)
HANGS_UP: Final = "a connection for each message"
"""Among the repairs: the charger itself closes each of its connections."""
_HANGS_UP: Final = (
    "SELECT 1 FROM repair WHERE cp_id = ?1 AND kind = ?2 AND last_at > ?4 "
    "UNION ALL SELECT 1 FROM (SELECT cp_id, close_code, close_reason, ended_at FROM session "
    "WHERE cp_id = ?1 ORDER BY id DESC LIMIT 20) AS newest "
    "WHERE close_code IN (1000, 1005) AND close_reason <> ?3 AND ended_at > ?5 "
    "GROUP BY cp_id HAVING count(*) = 20"
)
"""A charger is known to do so for a day, and shows it by twenty such ends within an hour."""
CONNECTED_ELSEWHERE = (
    "SELECT 1 FROM cp JOIN session ON session.id = cp.session_id"
    " WHERE cp.id = ? AND session.ended_at IS NULL AND (session.run_id <> ? OR connection > ?)"
)


@record(kw_only=False)
class NewConnection:
    """A connection at the time when its session begins. `number` identifies it within its run.
    Times are in the database's format."""

    charger: str
    run: int
    number: int
    remote_address: str
    target: str
    subprotocol: str | None
    clock_trusted: bool
    connected_at: str
    received_at: str
    admission: Admission | None = None
    """How its charger proved itself, None for profile 0."""
    dialled: str | None = None
    """The address of this machine that its charger was given, None where it is a name."""
    copied_by: str | None = None
    """The servers that it is a copy of."""


class Intervals(NamedTuple):
    """The heartbeat interval, in seconds, that was last sent to a charger or reported by it, and a
    longer one that it keeps all the same; None if unknown."""

    heartbeat: int | None
    kept: int | None


@record(kw_only=False)
class BegunSession:
    """A session's id, and the heartbeat intervals of its charger. It is `unseen` if nobody has
    received a boot of it, and it was not asked for one."""

    session: int
    intervals: Intervals
    is_unseen: bool


@record(kw_only=False)
class ConnectionEnd:
    """How a connection ended. Run and number identify it, because it may end before the id of its
    row is known."""

    charger: str
    run: int
    number: int
    at: str
    code: int
    reason: str
    outlived_seconds: int | None = None
    """The charger was silent for so long before it showed that it was alive."""


def start_run(
    db: UnitOfWork, server: str, version: str, at: str, clock_trusted: bool, is_alone: bool = False
) -> int:
    """Begin a run of a server, after ending what its earlier run left open (kill -9, power loss).
    One that has its database alone may have had another name then."""
    before = db.row(NEWEST_RUN) if is_alone else db.row(LAST_RUN, (server,))
    if is_alone:
        for (gone,) in db.rows(OTHER_NAMES, (server,)):
            _end_left_over(db, gone, at)
    _end_left_over(db, server, at)
    run = db.insert(
        (
            "INSERT INTO run (server, version, started_at, clock_trusted) "
            "VALUES (?, ?, ?, ?) RETURNING id"
        ),
        (server, version, at, clock_trusted),
    )
    clean = before is None or bool(before[0])
    started = ServerStarted(
        charger=None,
        at=at,
        server=server,
        version=version,
        clock_trusted=clock_trusted,
        clean=clean,
    )
    db.record(started)
    return run


def look_after_servers(db: UnitOfWork, at: str) -> bool:
    """End what servers that were silent for too long have left open, and take the duties of the
    site if nobody has them; return whether this server has them."""
    for gone in db.end_lapsed():
        db.record(ServerLost(charger=None, at=at, server=gone))
        end_sessions_of(db, gone, at)
    return db.take_duties()


def end_sessions_of(db: UnitOfWork, gone: str, at: str) -> None:
    """End what a server of a shared database has left open, and let the others know."""
    for charger, session, is_suspended in _end_left_over(db, gone, at):
        lost = _lost(db, charger, session, at, is_suspended=is_suspended)
        if not lost.replaced:
            give_up_queued(db, at, charger)
        db.record(lost, session)


def _lost(
    db: UnitOfWork, charger: str, session: int, at: str, *, is_suspended: bool
) -> ChargerDisconnected:
    """Return the end of a session whose server is gone. Its charger may have a newer one with
    another server."""
    replaced = has_newer(db, Origin(charger, session, at))
    return ChargerDisconnected(
        charger=charger,
        at=at,
        session=session,
        code=ABNORMAL,
        reason=SERVER_ENDED,
        replaced=replaced,
        during_transaction=is_suspended and not replaced,
    )


def _end_left_over(db: UnitOfWork, server: str, at: str) -> list[tuple[str, int, bool]]:
    """End what a run of this server has left open; return the chargers and ids of its sessions, and
    whether their transactions were suspended."""
    ended = sorted(db.rows(END_SESSIONS, (at, SERVER_ENDED, server)))
    for _, session in ended:
        give_up_sent(db, at, session)
    end_left_over(db, server, at)
    db.execute(TAKE_OFFLINE, (server,))
    suspended = {charger for (charger,) in db.rows(WITH_OPEN_TRANSACTIONS, (server,))}
    for charger in sorted(suspended):
        suspend(db, Origin(charger, None, at), Cause.SERVER_ENDED)
    return [(charger, session, charger in suspended) for charger, session in ended]


def end_run(db: UnitOfWork, run: int, at: str) -> None:
    """Mark a run as ended cleanly."""
    db.execute("UPDATE run SET ended_at = ?, clean = 1 WHERE id = ?", (at, run))


def note_leap(db: UnitOfWork, run: int, leap: ClockLeapt) -> None:
    """Record a leap of our clock, and mark open sessions, whose duration their times no longer
    show."""
    db.execute(
        (
            "UPDATE session SET clock_trusted = 0 "
            "WHERE run_id = ? AND ended_at IS NULL AND clock_trusted = 1"
        ),
        (run,),
    )
    db.record(leap)


def begin(
    db: UnitOfWork, connection: NewConnection, max_chargers: int, mode: Mode = Mode.OPEN
) -> BegunSession | None:
    """Begin the session of a connection; return None for a new charger beyond the limit.

    Raises RateExceeded if strangers have connected too often on this day.
    """
    at, charger = connection.received_at, connection.charger
    known = db.row(_INTERVALS, (charger,))
    if known is None:
        if not make_room(db, mode, max_chargers, charger, at):
            return None
        db.execute(
            "INSERT INTO cp (id, created_at, updated_at) VALUES (?, ?, ?)", (charger, at, at)
        )
    if not db.count_stranger(charger, "sessions", at, STRANGERS_SESSIONS, first=FIRST_SESSIONS):
        raise RateExceeded(
            Told("more than {1} connections of new chargers a day; adopt yours", STRANGERS_SESSIONS)
        )
    begin_statuses(db, charger)
    give_up_masked(db, at, charger, connection.run)
    session = _insert(db, connection)
    db.execute(
        "UPDATE cp "
        "SET is_connected = 1, session_id = ?, last_connect_at = ?, last_seen_at = ?, "
        "updated_at = ?, dialled = ?, copied_by = ? "
        "WHERE id = ?",
        (
            session,
            connection.connected_at,
            at,
            at,
            connection.dialled,
            connection.copied_by,
            charger,
        ),
    )
    address = connection.remote_address
    fact = ChargerConnected(
        charger=charger,
        at=at,
        session=session,
        remote_address=address,
        is_new=known is None,
        is_usual=_hangs_up(db, charger, at),
    )
    db.record(fact, session)
    origin = Origin(charger, session, at)
    if connection.admission is not None:
        security.note_password_use(db, origin, connection.admission)
    if mode is Mode.ASK:
        begin_waiting(db, charger, address, at)
    _look_for_sharing(db, origin)
    return BegunSession(
        session, Intervals(*known or (None, None)), db.row(_UNSEEN, (charger,)) is not None
    )


_UNSEEN: Final = (
    "SELECT 1 FROM cp WHERE id = ? AND last_boot_at IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM command WHERE cp_id = cp.id AND asked_by = 'system')"
)
_INTERVALS: Final = "SELECT heartbeat_interval, kept_interval FROM cp WHERE id = ?"


def keep_interval(db: UnitOfWork, charger: str, seconds: int) -> None:
    """Store the heartbeat interval that a charger keeps although it was told a shorter one; 0 if it
    keeps to that."""
    db.execute("UPDATE cp SET kept_interval = ? WHERE id = ?", (seconds or None, charger))


def begin_statuses(db: UnitOfWork, charger: str) -> None:
    """Let the next status of each connector count whatever its time says, after a boot or a
    reconnect."""
    db.execute("UPDATE cp SET status_believable = 0 WHERE id = ?", (charger,))
    db.execute("UPDATE cp_conn SET status_believable = 0 WHERE cp_id = ?", (charger,))


def _insert(db: UnitOfWork, connection: NewConnection) -> int:
    proven = connection.admission or Admission(connection.charger)
    return db.insert(
        "INSERT INTO session (cp_id, run_id, connection, remote_address, target, subprotocol, "
        "clock_trusted, connected_at, profile, credential_id, certificate_id) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            connection.charger,
            connection.run,
            connection.number,
            connection.remote_address,
            connection.target,
        )
        + (connection.subprotocol, connection.clock_trusted, connection.connected_at)
        + (proven.profile, proven.credential, proven.certificate),
    )


def end(db: UnitOfWork, ending: ConnectionEnd, is_current: bool) -> None:
    """End a connection. If it is the charger's present one, mark the charger offline and suspend
    its transactions."""
    session = session_of(db, ending)
    if ending.outlived_seconds is not None:
        keep_interval(db, ending.charger, ending.outlived_seconds)
    is_current = is_current and not _is_connected_after(db, ending, session)
    db.execute(
        "UPDATE session SET ended_at = ?, close_code = ?, close_reason = ? WHERE id = ?",
        (ending.at, ending.code, ending.reason, session),
    )
    origin = Origin(ending.charger, session, ending.at)
    is_clean = is_current and ending.code in (1000, 1005)
    is_usual = is_clean and _hangs_up(db, ending.charger, ending.at)
    suspended = 0
    if is_current:
        db.execute(_OFFLINE, (ending.at, ending.at, ending.charger))
        if not is_usual:
            cause = Cause.SERVER_ENDED if ending.reason == STOPPING else Cause.LOST
            suspended = suspend(db, origin, cause)
    if session is None:
        return
    if is_usual:
        count_repairs(db, origin, [(HANGS_UP, "")])
        db.only_count(ending.charger, "ChargerConnected", ending.at)
    elif ending.reason != STOPPING:
        note_left(db, origin)
    give_up_sent(db, ending.at, session)
    if is_current:
        give_up_queued(db, ending.at, ending.charger)
    db.record(
        ChargerDisconnected(
            charger=ending.charger,
            at=ending.at,
            session=session,
            code=ending.code,
            reason=ending.reason,
            replaced=not is_current,
            during_transaction=suspended > 0,
            is_usual=is_usual,
        ),
        session,
    )


def _hangs_up(db: UnitOfWork, charger: str, at: str) -> bool:
    """Whether a charger opens a connection for each message."""
    since = minutes_before(at, 1440), minutes_before(at, 60)
    return bool(db.rows(_HANGS_UP, (charger, HANGS_UP, REPLACED, *since)))


def session_of(db: UnitOfWork, ending: ConnectionEnd) -> int | None:
    """Return the open session of a connection; None if it has ended or its charger never sent a
    valid CALL."""
    session = db.row(
        "SELECT id FROM session WHERE run_id = ? AND connection = ? AND ended_at IS NULL",
        (ending.run, ending.number),
    )
    return None if session is None else int(session[0])


def _is_connected_after(db: UnitOfWork, ending: ConnectionEnd, session: int | None) -> bool:
    """Whether the charger has a session after this one; one that was never begun is after none of
    another server, and its end may be stored late."""
    if session is not None:
        return has_newer(db, Origin(ending.charger, session, ending.at))
    return db.row(CONNECTED_ELSEWHERE, (ending.charger, ending.run, ending.number)) is not None


def has_newer(db: UnitOfWork, origin: Origin) -> bool:
    """Whether the charger has begun a session after this one, here or with another server."""
    return (
        db.row("SELECT 1 FROM cp WHERE id = ? AND session_id > ?", (origin.charger, origin.session))
        is not None
    )


def heartbeat(db: UnitOfWork, charger: str, at: str) -> None:
    """Store the time of a charger's last Heartbeat."""
    db.execute(
        "UPDATE cp SET last_heartbeat_at = ?, last_seen_at = ? WHERE id = ?", (at, at, charger)
    )


def _look_for_sharing(db: UnitOfWork, origin: Origin) -> None:
    """Detect a shared identity. An earlier session that has not ended yet counts as replaced by
    this one."""
    recent = db.rows(
        "SELECT remote_address, close_reason = ? OR (ended_at IS NULL AND id <> ?) "
        "FROM (SELECT id, remote_address, close_reason, ended_at, connected_at FROM session "
        "WHERE cp_id = ? AND imported_from IS NULL ORDER BY id DESC LIMIT ?) "
        "WHERE connected_at > ?",
        (
            REPLACED,
            origin.session,
            origin.charger,
            SHARING_ROWS,
            minutes_before(origin.received_at, SHARING_MINUTES),
        ),
    )
    replaced = sum(bool(is_replaced) for _, is_replaced in recent)
    if replaced >= SHARING_REPLACEMENTS:
        record_sharing(
            db, origin, Told("{1} connections replaced in {2} minutes", replaced, SHARING_MINUTES)
        )
    elif alternates([address for address, _ in recent]):
        record_sharing(db, origin, Told("the address alternates"))


def alternates(values: Sequence[str | None]) -> bool:
    """Whether values alternate, as in A, B, A, B. A single return (A, B, A) is not enough."""
    runs = [
        value for value, before in zip(values, [object(), *values], strict=False) if value != before
    ]
    return len(runs) > len(set(runs)) + 1


def record_sharing(db: UnitOfWork, origin: Origin, evidence: Told) -> None:
    """Record that two chargers seem to use one identity, at most once in SHARING_MINUTES."""
    recorded = db.row(
        "SELECT 1 FROM event WHERE cp_id = ? AND kind = 'IdentityShared' AND at > ?",
        (origin.charger, minutes_before(origin.received_at, SHARING_MINUTES)),
    )
    if recorded is None:
        fact = IdentityShared(charger=origin.charger, at=origin.received_at, evidence=evidence)
        db.record(fact, origin.session)
        ((address,),) = db.rows(
            "SELECT remote_address FROM session WHERE id = ?", (origin.session,)
        )
        reason = Told("two chargers seem to use its identity: {1}", evidence)
        note_turned_away(
            db, Refusal(origin.charger, address, "sharing", reason, origin.received_at)
        )


# Chargers that have charged or were adopted stay longest, then those with a row, then strangers;
# then the newest.
_ORDER: Final = (
    "SELECT subject FROM turned_away LEFT "
    "JOIN cp ON cp.id = identity ORDER BY CASE "
    "WHEN cp.id IS NULL THEN 2 "
    "WHEN registration = 'adopted' OR EXISTS (SELECT 1 FROM tx WHERE tx.cp_id = cp.id) THEN 0 "
    "ELSE 1 END, last_at DESC, subject"
)


def note_turned_away(db: UnitOfWork, refusal: Refusal) -> None:
    """Note that a peer was turned away. For a known charger with which that begins, it is a
    fact."""
    known = db.row("SELECT last_connect_at FROM cp WHERE id = ?", (refusal.identity,))
    connected_at = known[0] if known is not None and refusal.kind not in OUTLASTING else None
    oldest = shifted_stamp(refusal.at, -TOLD_FOR)
    # it was let in before this could be written
    if connected_at is not None and connected_at > refusal.at:
        return
    since = max(oldest, connected_at or "")
    before = db.row(
        "SELECT first_at FROM turned_away WHERE subject = ? AND kind = ? AND last_at >= ?",
        (refusal.subject, refusal.kind, since),
    )
    db.execute(
        "INSERT INTO turned_away (subject, identity, remote_address, kind, reason, first_at, "
        "last_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (subject) "
        "DO UPDATE "
        "SET remote_address = excluded.remote_address, kind = excluded.kind, "
        "reason = excluded.reason, first_at = excluded.first_at, last_at = excluded.last_at",
        (refusal.subject, refusal.identity, refusal.address, refusal.kind, stored(refusal.reason))
        + (refusal.at if before is None else before[0], refusal.at),
    )
    db.execute("DELETE FROM turned_away WHERE last_at < ?", (oldest,))
    for (subject,) in db.rows(_ORDER)[MOST:]:
        db.execute("DELETE FROM turned_away WHERE subject = ?", (subject,))
    if known is not None and before is None:
        address, kind, reason = refusal.address, refusal.kind, refusal.reason
        fact = ChargerTurnedAway(
            charger=refusal.identity,
            at=refusal.at,
            remote_address=address,
            kind=kind,
            reason=reason,
        )
        db.record(fact)


_WAITS: Final = (
    "tx_id = NULL, looked_at = NULL, looked_by = NULL, resolution = NULL, resolution_reason = NULL"
)
STOP: Final = "StopTransaction"


def set_aside(
    db: UnitOfWork, origin: Origin, message: Message, reason: str, transaction: int | None = None
) -> int | None:
    """Store a message raw, or count a repetition. Return the transaction that was opened for it, if
    any."""
    at, action, kept = origin.received_at, message.action, cut_payload(message.payload)
    count, known = db.rows(
        "INSERT INTO set_aside (cp_id, session_id, received_at, action, message_id, payload, "
        "digest, reason, told, tx_id, last_received_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (cp_id, action, digest) DO UPDATE "
        "SET count = set_aside.count + 1, tx_id = coalesce(excluded.tx_id, set_aside.tx_id), "
        "last_received_at = excluded.last_received_at "
        "RETURNING count, tx_id",
        (
            origin.charger,
            origin.session,
            at,
            action,
            message.message_id,
            kept,
            digest(message.payload),
            reason,
        )
        + (beside(reason), transaction, at),
    )[0]
    if count == 1:
        frames.keep(db, origin, message)
        fact = MessageSetAside(
            charger=origin.charger, at=at, action=action, reason=reason, transaction=transaction
        )
        db.record(fact, origin.session)
    return None if known is None else int(known)


def put_back(db: UnitOfWork, origin: Origin, transaction: int, reason: str) -> None:
    """Let the stop that was joined to a transaction wait, or wait again: it belongs elsewhere.
    `origin` is that of the message that shows it."""
    db.execute(
        "INSERT INTO set_aside (cp_id, session_id, received_at, action, message_id, payload, "  # noqa: S608
        "digest, reason, told, last_received_at) "
        "SELECT ?, session_id, received_at, ?, coalesce(message_id, ''), payload, digest, ?, ?, "
        "last_received_at "
        "FROM tx_event "
        "WHERE id = (SELECT max(id) FROM tx_event WHERE tx_id = ? AND kind = 'stop') "
        f"ON CONFLICT (cp_id, action, digest) DO UPDATE SET {_WAITS}",
        (origin.charger, STOP, reason, beside(reason), transaction),
    )
    fact = MessageSetAside(
        charger=origin.charger, at=origin.received_at, action=STOP, reason=reason, transaction=None
    )
    db.record(fact, origin.session)


def put_back_readings(db: UnitOfWork, transaction: int, since: str) -> None:
    """Let the readings wait again that an operator attached to a transaction, and that were taken
    from it: they are of another one, which began at `since`."""
    db.execute(
        f"UPDATE set_aside SET {_WAITS} "  # noqa: S608 - our own names
        "WHERE tx_id = ? AND action = 'MeterValues' AND EXISTS (SELECT 1 FROM meter_val "
        "WHERE cp_id = set_aside.cp_id AND timestamp >= ? "
        "AND received_at = set_aside.received_at AND session_id = set_aside.session_id "
        "AND tx_id IS NULL)",
        (transaction, since),
    )


Resolution = tuple[str, str, str, str]
"""The time when an operator looked at a message, the name, what became of it, and why."""


def resolve_message(
    db: UnitOfWork, message: int, transaction: int | None, resolution: Resolution
) -> None:
    """Store what an operator decided about a message, and the transaction to which it was linked,
    if any."""
    db.execute(
        "UPDATE set_aside "
        "SET tx_id = coalesce(?, tx_id), looked_at = ?, looked_by = ?, resolution = ?, "
        "resolution_reason = ? "
        "WHERE id = ?",
        (transaction, *resolution, message),
    )


def resolve_messages_of(db: UnitOfWork, transaction: int, resolution: Resolution) -> None:
    """The same for all messages that wait with a transaction."""
    waiting = "SELECT id FROM set_aside WHERE tx_id = ? AND looked_at IS NULL"
    for (message,) in db.rows(waiting, (transaction,)):
        resolve_message(db, message, None, resolution)


def count_repairs(db: UnitOfWork, origin: Origin, repairs: Sequence[tuple[str, str]]) -> None:
    """Count repairs, given as (kind, sample), by charger, firmware and kind; store the first sample
    of each."""
    first_samples = dict(reversed(repairs))
    for kind, count in Counter(kind for kind, _ in repairs).items():
        _count(db, origin, kind, first_samples[kind], count)


def count_faults(db: UnitOfWork, origin: Origin, faults: Mapping[str, int]) -> None:
    """Count a session's malformed frames, given by kind, among the repairs."""
    for kind, count in faults.items():
        _count(db, origin, f"frame: {kind}", "", count)


def _count(db: UnitOfWork, origin: Origin, kind: str, sample: str, count: int) -> None:
    at, charger = origin.received_at, origin.charger
    known = (
        "UPDATE repair SET count = count + ?, last_at = ? "
        "WHERE cp_id = ? AND kind = ? AND firmware = (SELECT substr(coalesce(firmware_version, "
        "''), 1, 64) FROM cp WHERE id = ?)"
    )
    if db.changed(known, (count, at, charger, kind, charger)):
        return
    is_kept = db.count_fact(charger, "repair", at)
    if is_kept:
        db.execute(
            "INSERT INTO repair (cp_id, firmware, kind, count, first_at, last_at, sample) "
            "SELECT id, substr(coalesce(firmware_version, ''), 1, 64), ?, ?, ?, ?, ? "
            "FROM cp WHERE id = ?",
            (kind, count, at, at, sample, charger),
        )


MOST_CONNECTIONS: Final = 50
"""A charger that connects more often in a day (of UTC) has a bad network or power supply, or often
restarts."""
CALM: Final = timedelta(days=7)
"""What was not seen for so long is told again; one exchange of a meter, by the register at its end,
never."""
CHARGED_SECONDS: Final = 1800
_SEEN: Final = (
    "UPDATE oddity SET figure = ?4, last_at = CASE cause "
    "WHEN 'meter_exchanged' THEN last_at ELSE ?6 END "
    "WHERE cp_id = ?1 AND conn_id = ?2 AND cause = ?3 AND earlier = ?5 AND (last_at > ?7 "
    "OR cause = 'meter_exchanged')"
)
_NOTE: Final = (
    "INSERT INTO oddity (cp_id, conn_id, cause, figure, earlier, since, last_at) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) "
    "ON CONFLICT (cp_id, conn_id, cause) DO UPDATE "
    "SET figure = excluded.figure, earlier = excluded.earlier, since = excluded.since, "
    "last_at = excluded.last_at"
)
_STATUSES: Final = (
    "SELECT status, received_at FROM status "
    "WHERE cp_id = ? AND conn_id = ? AND received_at BETWEEN ? AND ? "
    "ORDER BY id"
)
_MEASURED: Final = (
    "SELECT 1 "
    "FROM (SELECT energy_delivered FROM tx WHERE cp_id = ? AND conn_id = ? "
    "ORDER BY created_at DESC, id DESC LIMIT 100) AS newest "
    "WHERE energy_delivered > 0 LIMIT 1"
)
"""Whether any of the newest sessions of a connector has energy: a stop does not search years."""


def note_oddity(
    db: UnitOfWork, origin: Origin, cause: str, figure: int, connector: int = 0, earlier: int = 0
) -> None:
    """Note what is odd about a charger; record it if that is new."""
    charger, session, at = origin
    noted = (charger, connector, cause, figure, earlier, at)
    if not db.changed(_SEEN, (*noted, shifted_stamp(at, -CALM))):
        db.execute(_NOTE, noted)
        fact = ChargerOdd(
            charger=charger, at=at, cause=cause, connector=connector, figure=figure, earlier=earlier
        )
        db.record(fact, session)


_CHANGED: Final = (
    "SELECT is_other, answered_at, answered_by, reason FROM serial_change "
    "WHERE cp_id = ?1 AND ?2 IN (earlier, serial) AND ?3 IN (earlier, serial) ORDER BY at LIMIT 1"
)
_CHANGE: Final = (
    "INSERT INTO serial_change "
    "(cp_id, at, earlier, serial, is_other, answered_at, answered_by, reason) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)


def follow_serial(
    db: UnitOfWork, origin: Origin, before: Sequence[str | None], told: Sequence[str | None]
) -> None:
    """Ask once for two serial numbers whether a charger is another one since it told the second.
    If a person said so, each further change between them is such a change, too. Of the serial
    numbers of charger and box, the first that was told both times counts."""
    for earlier, serial in zip(map(_plain, before), map(_plain, told), strict=True):
        if not (earlier and serial):
            continue
        charger, session, at = origin
        known = db.row(_CHANGED, (charger, earlier, serial))
        if earlier == serial or (known and not known[0]):
            return
        answer = known or (None,) * 4
        db.execute(_CHANGE, (charger, at, earlier, serial, *answer))
        if known is None:
            fact = ChargerOdd(
                charger=charger, at=at, cause="new_serial", connector=0, figure=0, earlier=0
            )
            db.record(fact, session)
        return


def _plain(serial: str | None) -> str:
    """Return a serial number without what charger and label write otherwise; "" for zeros."""
    plain = "".join((serial or "").split()).upper()
    return plain if plain.strip("0") else ""


def note_left(db: UnitOfWork, origin: Origin) -> None:
    """Count a connection that ended, perhaps without any message."""
    if not db.count_within(origin.charger, "left", origin.received_at, MOST_CONNECTIONS):
        note_oddity(db, origin, "comes_and_goes", MOST_CONNECTIONS)


MEASURES_AGAIN: Final = (
    "DELETE FROM oddity WHERE cp_id = ? AND conn_id = ? AND cause = 'measures_nothing'"
)
"""The statement for a connector that showed energy."""


def measured_nothing(db: UnitOfWork, origin: Origin, tx: StoredTransaction) -> None:
    """Look at a transaction that ended without energy, and at those before it."""
    place = (tx.charger, tx.connector or 0)
    times = 0
    for one in (tx, *begun_before(db.rows, tx.place, MANY + MANY)):
        if one.energy_delivered:
            break
        times += _has_charged(db, one)
    if times >= MANY or (times >= SEVERAL and db.row(_MEASURED, place) is None):
        note_oddity(db, origin, "measures_nothing", times, place[1])


def _has_charged(db: UnitOfWork, tx: StoredTransaction) -> bool:
    """Whether the charger reported Charging during a transaction without energy, so long that its
    meter would have counted something."""
    if tx.confidence != CERTAIN or tx.stopped_by == SYSTEM or spans_of(db.rows, tx.id):
        return False
    begun, ended = shifted_stamp(tx.created_at, timedelta(minutes=-1)), tx.stop_received_at or ""
    statuses = (*db.rows(_STATUSES, (tx.charger, tx.connector, begun, ended)), ("", ended))
    spans = (
        seconds(to) - seconds(at)
        for (status, at), (_, to) in pairwise(statuses)
        if status == "Charging"
    )
    return sum(spans) >= CHARGED_SECONDS


CLOSINGS: Final = 3
FIRMWARE_CHARACTERS: Final = 64
"""The length to which a firmware version is cut, as in `repair`."""


class PingOutcome(Enum):
    """The outcome of the pings of a session."""

    ANSWERED = auto()
    """The charger answered at least one."""
    CLOSED = auto()
    """It answered none, and closed the connection just after one."""
    BORNE = auto()
    """It answered none, and kept the connection open."""


class _PingHabit(NamedTuple):
    firmware: str
    answered_at: str | None = None
    closings: int = 0
    off_at: str | None = None


def note_pings(db: UnitOfWork, ending: ConnectionEnd, outcome: PingOutcome) -> None:
    """Store the outcome of the pings of an ended connection, also of one in which a known charger
    sent nothing."""
    known = _known(db, ending.charger)
    if known is None or (now := _after(known, outcome, ending.at)) == known:
        return
    db.execute(
        "INSERT INTO ping (cp_id, firmware, answered_at, closings, off_at) "
        "VALUES (?, ?, ?, ?, ?) ON CONFLICT (cp_id) DO UPDATE "
        "SET firmware = excluded.firmware, answered_at = excluded.answered_at, "
        "closings = excluded.closings, off_at = excluded.off_at",
        (ending.charger, *now),
    )
    if now.off_at is not None and known.off_at is None:
        fact = PingsSwitchedOff(charger=ending.charger, at=ending.at, firmware_version=now.firmware)
        db.record(fact, session_of(db, ending))


def pings_are_off(db: UnitOfWork, charger: str) -> bool:
    """Whether pings to this charger are disabled."""
    known = _known(db, charger)
    return known is not None and known.off_at is not None


def _known(db: UnitOfWork, charger: str) -> _PingHabit | None:
    """Return what is known with the present firmware; None for an unknown charger."""
    reported = db.row("SELECT firmware_version FROM cp WHERE id = ?", (charger,))
    if reported is None:
        return None
    firmware = (reported[0] or "")[:FIRMWARE_CHARACTERS]
    row = db.row(
        "SELECT firmware, answered_at, closings, off_at FROM ping WHERE cp_id = ?", (charger,)
    )
    return _PingHabit(*row) if row is not None and row[0] == firmware else _PingHabit(firmware)


def _after(known: _PingHabit, outcome: PingOutcome, at: str) -> _PingHabit:
    if outcome is PingOutcome.ANSWERED:
        return known._replace(answered_at=known.answered_at or at, closings=0)
    if outcome is PingOutcome.BORNE or known.answered_at is not None:
        return known._replace(closings=0)
    closings = known.closings + 1
    return known._replace(
        closings=closings, off_at=known.off_at or (at if closings >= CLOSINGS else None)
    )
