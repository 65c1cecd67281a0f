"""What a backend is still to be told of a charger: frames from the log, and sessions from what is
stored.

Two things are followed. The log of frames has statuses, boots, authorizations and readings in the
order of their receipt; a position says how far they were told. Starts and stops are followed by
what is stored of each session: one that the backend does not know begins, and one that has ended
here ends there. So neither retention nor a full disk loses a session, and a repeated start or stop
is told once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from levity_trio.records import names_of, record
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.chargers.configuration import configuration
from levity_trio.wire.frames import Call, parse_frame

FRAMES_AT_ONCE, LOG_ROWS_AT_ONCE, SESSIONS_AT_ONCE = 200, 20_000, 20
"""The most that one read returns, or looks at."""
SYSTEM: Final = "system"
ENERGY: Final = "Energy.Active.Import.Register"
_FRAMES: Final = (
    "SELECT id, at, action, frame FROM log WHERE id > ? AND id <= ? AND cp_id = ? "
    "AND direction = 'recv' AND at >= ? AND action IN "
    "('BootNotification', 'StatusNotification', 'MeterValues', 'Authorize') ORDER BY id LIMIT ?"
)
_SESSION: Final = (
    "SELECT tx.id, tx.conn_id, tx.id_tag, tx.stop_id_tag, tx.created_at, tx.stop_received_at, "
    "tx.status = 'Completed', tx.stopped_by, tx.stop_reason, tx.meter_start, tx.meter_stop, "
    "tx.last_register_wh, tx.start_time, tx.stop_time, tx.own_start_time, tx.reservation_id, "
    "backend_tx.their_id, backend_tx.started_at, backend_tx.stopped_at "
)
_NEW: Final = (
    f"{_SESSION} FROM tx LEFT JOIN backend_tx ON backend_tx.tx_id = tx.id AND backend_id = ? "
    "WHERE tx.cp_id = ? AND tx.id > ? AND tx.created_at >= ? AND backend_tx.tx_id IS NULL "
    "AND tx.own_start_time IS NOT NULL ORDER BY tx.id LIMIT ?"
)
_KNOWN: Final = (
    f"{_SESSION} FROM backend_tx JOIN tx ON tx.id = backend_tx.tx_id "
    "WHERE backend_id = ? AND tx.cp_id = ? "
    "AND (backend_tx.stopped_at IS NULL OR backend_tx.is_closed = 1)"
)
_ONE: Final = (
    f"{_SESSION} FROM tx LEFT JOIN backend_tx ON backend_tx.tx_id = tx.id AND backend_id = ?1 "
    "WHERE tx.cp_id = ?2 AND tx.id = "
)
_BY_CONNECTOR: Final = (
    "(SELECT id FROM tx AS at_connector WHERE cp_id = ?2 AND conn_id = ?3 AND created_at <= ?4 "
    "ORDER BY created_at DESC LIMIT 1)"
)
_AS_SENT: Final = (
    "SELECT tx_event.payload, evidence.frame FROM tx_event LEFT JOIN evidence "
    "ON evidence.session_id = tx_event.session_id "
    "AND evidence.message_id = tx_event.message_id AND evidence.at = tx_event.received_at "
    "WHERE tx_id = ? AND kind = ? AND who = 'charger' AND payload IS NOT NULL "
    "ORDER BY tx_event.id LIMIT 1"
)
_READINGS: Final = (
    "SELECT received_at, coalesce(sent_timestamp, timestamp), timestamp, sent_conn_id, conn_id, "
    "value, context, measurand, unit, location, phase, format FROM meter_val "
    "WHERE tx_id = ? AND cp_id = ? AND conn_id = ? AND source = 'MeterValues' ORDER BY id"
)


@record(kw_only=False)
class CopyTarget:
    """A backend in use, with what its connections need. A `certificate` that this server cannot
    decrypt is None, and `has_secrets` is False."""

    id: int
    name: str
    url: str
    root: str | None
    certificate: str | None
    is_repaired: bool
    tells_authorize: bool
    with_cards: bool
    other_cards: str | None
    begins_at: str
    aliases: Mapping[str, str | None]
    """The alias of each card, by the normal form of the card; None: its sessions are not told."""
    has_secrets: bool


@record(kw_only=False)
class CopiedCharger:
    """A charger of which a backend is told: how it connects there, and what it may tell."""

    target: CopyTarget
    charger: str
    identity: str
    password: str | None
    without: tuple[int, ...]
    has_secrets: bool


@record(kw_only=False)
class CopyPosition:
    """How far the copy of a charger has come; see `backend_cp` in schema/messages.sql."""

    log_id: int
    attempts: int
    is_accepted: bool
    own: dict[str, int]


@record
class CopiedSession:
    """A session here, and what its backend knows of it."""

    id: int
    connector: int | None
    id_tag: str | None
    stop_id_tag: str | None
    created_at: str
    ended_at: str | None
    has_ended: bool
    stopped_by: str | None
    reason: str | None
    meter_start: int | None
    meter_stop: int | None
    last_register: int | None
    start_time: str
    stop_time: str | None
    own_start_time: str
    reservation: int | None
    their_id: int | None
    told_since: str | None
    told_until: str | None

    @property
    def is_closed(self) -> bool:
        """Whether the server ended it."""
        return self.stopped_by == SYSTEM


@record(kw_only=False)
class Fresh:
    """Something that was received and is to be told. `payload` is as it was sent, None if that is
    stored no more."""

    at: str
    action: str
    payload: dict[str, Any] | None
    session: CopiedSession | None = None
    log_id: int | None = None

    @property
    def begins(self) -> bool:
        """Whether its session begins."""
        return self.action == "StartTransaction"

    @property
    def ends(self) -> bool:
        """Whether its session ends."""
        return self.action == "StopTransaction"


@record(kw_only=False)
class Unsaid:
    """What is to be told next, in its order. `position` is up to where the log has nothing else,
    and `is_all` whether nothing else is stored."""

    messages: list[Fresh]
    position: int
    is_all: bool


def in_use(db: Database, key: SecretKey, backend: int | None = None) -> list[CopiedCharger]:
    """Return the chargers that are copied, each with its backend: none that is paused or removed.
    With `backend`, those of that one, also while it is paused."""
    found: list[CopiedCharger] = []
    rows = db.execute(
        "SELECT id, name, url, root, certificate, is_repaired, tells_authorize, with_cards, "
        "other_cards FROM backend WHERE removed_at IS NULL "
        "AND (id = ?1 OR (?1 IS NULL AND paused_at IS NULL))",
        (backend,),
    ).fetchall()
    for number, name, url, root, certificate, repaired, authorize, cards, others in rows:
        opened = None if certificate is None else key.opened(certificate)
        aliases = db.execute(
            "SELECT tag_key, alias FROM backend_card WHERE backend_id = ?", (number,)
        ).fetchall()
        target = CopyTarget(
            *(number, name, url, root, opened, bool(repaired), bool(authorize), bool(cards)),
            *(others, "", dict(aliases), (certificate is None) == (opened is None)),
        )
        chargers = db.execute(
            "SELECT cp_id, identity, password, without, begins_at FROM backend_cp "
            "WHERE backend_id = ? AND ended_at IS NULL ORDER BY cp_id",
            (number,),
        ).fetchall()
        for charger, identity, sealed, without, begins_at in chargers:
            target = replace(target, begins_at=begins_at)
            password = None if sealed is None else key.opened(sealed)
            has_secrets = target.has_secrets and (sealed is None) == (password is None)
            kept = tuple(orjson.loads(without))
            found.append(CopiedCharger(target, charger, identity, password, kept, has_secrets))
    return found


def position(db: Database, backend: int, charger: str) -> CopyPosition:
    """Return how far the copy of a charger has come."""
    ((log_id, attempts, is_accepted, own),) = db.execute(
        "SELECT log_id, attempts, is_accepted, own FROM backend_cp "
        "WHERE backend_id = ? AND cp_id = ?",
        (backend, charger),
    ).fetchall()
    return CopyPosition(log_id, attempts, bool(is_accepted), orjson.loads(own))


def boot_of(db: Database, charger: str) -> dict[str, Any]:
    """Return the newest boot of a charger as it was sent; of one that never booted here, what is
    known of it."""
    sent = "SELECT payload FROM boot WHERE cp_id = ? ORDER BY id DESC LIMIT 1"
    for (payload,) in db.execute(sent, (charger,)).fetchall():
        return dict(orjson.loads(payload))
    known = "SELECT coalesce(vendor, ''), coalesce(model, '') FROM cp WHERE id = ?"
    ((vendor, model),) = db.execute(known, (charger,)).fetchall()
    return {"chargePointVendor": vendor or "unknown", "chargePointModel": model or "unknown"}


def statuses_of(db: Database, charger: str) -> list[dict[str, Any]]:
    """Return the newest status of each connector, as a payload."""
    rows = db.execute(
        "SELECT status.conn_id, status.status, error_code, sent_timestamp, info, vendor_id, "
        "vendor_error_code FROM status JOIN (SELECT conn_id, max(id) AS newest FROM status "
        "WHERE cp_id = ? AND is_late = 0 GROUP BY conn_id) AS each ON id = newest ORDER BY 1",
        (charger,),
    ).fetchall()
    names = ("connectorId", "status", "errorCode", "timestamp", "info", "vendorId")
    named = [zip((*names, "vendorErrorCode"), row, strict=True) for row in rows]
    return [{name: value for name, value in each if value is not None} for each in named]


def known_keys(db: Database, charger: str) -> dict[str, str | None]:
    """Return the configuration of a charger as it was last read, by key."""
    return {entry.key: entry.value for entry in configuration(db, charger)}


def unsaid(db: Database, copied: CopiedCharger, log_id: int, known: int) -> Unsaid:
    """Return what comes next. The log is read after `log_id`; of sessions up to the number `known`
    all have begun there."""
    target, charger = copied.target, copied.charger
    ((oldest, newest),) = db.execute("SELECT min(id), max(id) FROM log").fetchall()
    last = min(max(log_id, (oldest or 1) - 1) + LOG_ROWS_AT_ONCE, newest or log_id)
    bounds = (log_id, last, charger, target.begins_at, FRAMES_AT_ONCE)
    rows = db.execute(_FRAMES, bounds).fetchall()
    is_all = last == (newest or log_id)
    if len(rows) == FRAMES_AT_ONCE:
        last, is_all = rows[-1][0], False

    wanted = (target.id, charger, known, target.begins_at, SESSIONS_AT_ONCE)
    begun = [_session(row) for row in db.execute(_NEW, wanted).fetchall()]
    told = [_session(row) for row in db.execute(_KNOWN, (target.id, charger)).fetchall()]

    messages: list[Fresh] = []
    for number, at, action, frame in rows:
        payload = _payload(frame)
        session = None
        if action == "MeterValues" and payload is not None:
            session = _session_of(db, copied, at, payload)
        messages.append(Fresh(at, action, payload, session, number))
    for session in begun:
        sent = _as_sent(db, session, "start")
        messages.append(Fresh(session.created_at, "StartTransaction", sent, session))
    messages += [stop for session in [*told, *begun] if (stop := _stop(db, session)) is not None]

    # Whatever a later read may have something before waits for that one.
    ends: list[str] = []
    if not is_all:
        ends += [at for (at,) in db.execute("SELECT at FROM log WHERE id = ?", (last,)).fetchall()]
    if len(begun) == SESSIONS_AT_ONCE:
        ends.append(begun[-1].created_at)
        is_all = False
    if ends:
        messages = [message for message in messages if message.at <= min(ends)]
        if rows and min(ends) < rows[-1][1]:
            last = max((message.log_id or 0 for message in messages), default=log_id)
    messages.sort(key=lambda message: message.at)  # the order of what came at once stays
    return Unsaid(messages, max(last, log_id), is_all)


def _stop(db: Database, session: CopiedSession) -> Fresh | None:
    """Return the stop of a session that has ended here, None while it has not, or there is no
    news."""
    # One that the server ended is over there, until its charger's own stop comes.
    is_over = session.told_until is not None and session.is_closed
    if not session.has_ended or session.ended_at is None or is_over:
        return None
    sent = None if session.is_closed else _as_sent(db, session, "stop")
    return Fresh(session.ended_at, "StopTransaction", sent, session)


def lost_readings(db: Database, backend: int, session: CopiedSession) -> list[dict[str, Any]]:
    """Return the payloads of readings of a session that came, but whose frames are not in the log;
    without the transaction, and without those that were told.

    They are looked for only where fewer messages were told than stored readings came in.
    """
    ((charger, readings, made),) = db.execute(
        "SELECT cp_id, readings, made FROM backend_tx JOIN tx ON tx.id = tx_id "
        "WHERE backend_id = ? AND tx_id = ?",
        (backend, session.id),
    ).fetchall()
    messages: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    stored = db.execute(_READINGS, (session.id, charger, session.connector))
    for received_at, *row in stored.fetchall():
        messages[received_at].append(tuple(row))
    if len(messages) <= readings:
        return []

    kept = db.execute(
        "SELECT DISTINCT at FROM log WHERE cp_id = ? AND direction = 'recv' "
        "AND action = 'MeterValues' AND at >= ? AND at <= ?",
        (charger, session.created_at, max(messages)),
    ).fetchall()
    for (at,) in kept:
        messages.pop(at, None)
    return [_made_of(rows) for _, rows in sorted(messages.items())][made:]


def _session_of(
    db: Database, copied: CopiedCharger, at: str, payload: dict[str, Any]
) -> CopiedSession | None:
    """Return the session of readings: the one that they name, else the one at their connector."""
    number, connector = payload.get("transactionId"), payload.get("connectorId")
    bounds: tuple[object, ...] = (copied.target.id, copied.charger)
    if isinstance(number, int):
        for row in db.execute(f"{_ONE} ?3", (*bounds, number)).fetchall():
            return _session(row)
    if isinstance(connector, int):
        for row in db.execute(_ONE + _BY_CONNECTOR, (*bounds, connector, at)).fetchall():
            session = _session(row)
            is_over = session.has_ended and (session.ended_at or "") < at
            return None if is_over else session
    return None


def _made_of(rows: Iterable[tuple[Any, ...]]) -> dict[str, Any]:
    """Return the payload of a MeterValues, made from stored readings."""
    samples: dict[str, list[dict[str, str]]] = defaultdict(list)
    connector = 0
    for sent_at, at, sent_connector, connector_of_session, *sample in rows:
        connector = connector_of_session if sent_connector is None else sent_connector
        names = ("value", "context", "measurand", "unit", "location", "phase", "format")
        fields = {name: text for name, text in zip(names, sample, strict=True) if text}
        samples[sent_at or at].append(fields)
    values = [{"timestamp": at, "sampledValue": taken} for at, taken in samples.items()]
    return {"connectorId": connector, "meterValue": values}


def _session(row: tuple[Any, ...]) -> CopiedSession:
    return CopiedSession(**dict(zip(names_of(CopiedSession), row, strict=True)))


def _as_sent(db: Database, session: CopiedSession, kind: str) -> dict[str, Any] | None:
    """Return the payload of a start or stop as its charger sent it."""
    for payload, frame in db.execute(_AS_SENT, (session.id, kind)).fetchall():
        sent = _payload(frame) if frame else None
        if sent is None:
            kept = orjson.loads(payload)
            sent = kept if isinstance(kept, dict) else None
        return sent
    return None


def _payload(frame: str) -> dict[str, Any] | None:
    """Return the payload of a CALL, None if it cannot be read."""
    call = parse_frame(frame)
    is_read = isinstance(call, Call) and isinstance(call.payload, dict)
    return call.payload if is_read else None  # type: ignore[union-attr,return-value]  # just checked
