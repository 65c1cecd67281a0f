"""Who outside gets facts, and what comes next for each: streams, webhooks, the broker of MQTT, and
backends with a copy of what chargers tell.

Facts are read in their order. A webhook is listed with what was given up for it, a backend with how
far its copy is and what it refused.

For the copy of a charger, two things are followed. The log of frames has statuses, boots,
authorizations and readings in the order of their receipt; a position says how far they were told.
Starts and stops are followed by what is stored of each session: one that the backend does not know
begins, and one that has ended here ends there. So neither retention nor a full disk loses a
session, and a repeated start or stop is told once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import orjson

from levity_trio.records import ForOperators, Personal, names_of, record
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.chargers.configuration import ALWAYS, configuration
from levity_trio.store.reads.pages import Shape
from levity_trio.wire.frames import Call, parse_frame
from levity_trio.wire.times import shifted_stamp, stamp


class StoredFact(NamedTuple):
    """A row of `event`; `data` is JSON text."""

    id: int
    kind: str
    charger: str | None
    data: str


def newest(db: Database, table: str = "event") -> int:
    """Return the highest id ever assigned, even if its row has been pruned."""
    rows = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchall()
    return int(rows[0][0]) if rows else 0


def before_oldest(db: Database) -> int:
    """Return the id before the oldest fact that is kept."""
    ((oldest,),) = db.execute("SELECT min(id) FROM event").fetchall()
    return newest(db) if oldest is None else int(oldest) - 1


def after(db: Database, last: int, upto: int, limit: int) -> list[StoredFact]:
    """Return the facts after one id, up to another one."""
    rows = db.execute(
        "SELECT id, kind, cp_id, data FROM event WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
        (last, upto, limit),
    )
    return [StoredFact(*row) for row in rows.fetchall()]


# Webhooks


@record
class WebhookRow:
    """A webhook, without its secret. `failing` counts the chargers whose facts wait behind a failed
    delivery."""

    id: int
    name: str
    url: str
    kinds: list[str] | None
    charger: str | None
    created_at: str
    created_by: str
    delivered_at: str | None
    failing: int
    failing_since: str | None
    next_at: str | None
    problem: str | None
    given_up: int
    """Facts that were never delivered."""
    removed_at: str | None
    removed_by: str | None


@record
class GivenUpRow:
    """Facts of one charger that were never delivered; `charger` is None for facts of no charger."""

    id: int
    at: str
    charger: str | None
    first_event: int
    last_event: int
    facts: int
    failing_since: str
    problem: str


_WEBHOOK: Final = Shape(
    WebhookRow,
    charger="webhook.cp_id",
    failing="count(webhook_id)",
    failing_since="min(failing_since)",
    next_at="min(next_at)",
    problem="max(problem)",
    given_up=(
        "(SELECT coalesce(sum(facts), 0) FROM webhook_given_up WHERE webhook_id = webhook.id)"
    ),
).with_texts("kinds", "problem")
_GIVEN_UP: Final = Shape(GivenUpRow).with_texts("problem")


def webhooks(db: Database) -> list[WebhookRow]:
    """Return all webhooks, the newest first."""
    rest = "FROM webhook LEFT JOIN webhook_waiting ON webhook_id = id GROUP BY id ORDER BY id DESC"
    return _WEBHOOK.every(db, rest)


def given_up(db: Database, webhook: int, before: int | None, limit: int) -> list[GivenUpRow]:
    """Return what was given up for a webhook with an id below `before`, the newest first."""
    rest = "FROM webhook_given_up WHERE webhook_id = ? AND id < ? ORDER BY id DESC LIMIT ?"
    return _GIVEN_UP.every(db, rest, (webhook, 2**62 if before is None else before, limit))


def of_charger(
    db: Database, charger: str, last: int, upto: int, limit: int
) -> list[tuple[StoredFact, str]]:
    """Return the facts of a charger ('': those of none) after one id up to another one, each with
    its time."""
    whose = "cp_id IS NULL" if charger == "" else "cp_id = ?"
    rows = db.execute(
        (
            "SELECT id, kind, cp_id, data, at FROM event "  # noqa: S608
            f"WHERE {whose} AND id > ? AND id <= ? ORDER BY id LIMIT ?"
        ),
        (*([charger] if charger else []), last, upto, limit),
    )
    return [(StoredFact(*row[:4]), row[4]) for row in rows.fetchall()]


_MARGIN: Final = timedelta(minutes=1)
"""The times of facts may be out of the order of their ids by so much."""
_SET: Final = "2020"
"""A fact with an earlier time was stored before the clock was set."""


@record
class MqttState:
    """The broker of MQTT: connected or not, and since when. `problem` is why not, or why it takes
    no facts.

    `waiting` counts the facts that it has not acknowledged; the first of them is from
    `waiting_since`. It last acknowledged facts at `moved_at`.
    """

    broker: str
    is_connected: bool
    since: str
    problem: str | None
    waiting: int
    waiting_since: str | None
    moved_at: str


_STATE: Final = Shape(
    MqttState,
    waiting="position",
    waiting_since="(SELECT at FROM event WHERE event.id > position ORDER BY event.id LIMIT 1)",
).with_texts("problem")


class BrokerProgress(NamedTuple):
    """The position as it is stored, and the last fact that the broker has acknowledged since."""

    stored: int
    reached: int


@record(kw_only=False)
class FactsPage:
    """The facts after what the broker has. `pruned` counts those before them that are kept no
    longer."""

    progress: BrokerProgress
    pruned: int
    facts: list[StoredFact]


def state(db: Database) -> MqttState | None:
    """Return the state of the broker; None if MQTT was never used."""
    found = _STATE.one(db, "FROM mqtt")
    if found is None:
        return None
    return replace(found, waiting=newest(db) - max(found.waiting, before_oldest(db)))


def next_page(db: Database, known: BrokerProgress, limit: int) -> FactsPage | None:
    """Return the next facts for the broker; None if MQTT was never used. A position that is not the
    known one any more was set back, or by another server."""
    for (position,) in db.execute("SELECT position FROM mqtt").fetchall():
        progress = known if known.stored == position else BrokerProgress(position, position)
        pruned = max(0, before_oldest(db) - progress.reached)
        return FactsPage(progress, pruned, after(db, progress.reached, newest(db), limit))
    return None


def before(db: Database, since: str) -> tuple[int, bool]:
    """Return the position before the first fact at or after a time, and whether older ones are kept
    no longer."""
    early = stamp(datetime.fromisoformat(since) - _MARGIN)
    older = db.execute(
        "SELECT id FROM event WHERE at < ? AND at >= ? ORDER BY id DESC LIMIT 1", (early, _SET)
    ).fetchall()
    start = int(older[0][0]) if older else before_oldest(db)
    first = db.execute(
        "SELECT id FROM event WHERE id > ? AND at >= ? ORDER BY id LIMIT 1", (start, since)
    ).fetchall()
    return (int(first[0][0]) - 1 if first else newest(db)), not older and start > 0


@record
class CopiedChargerRow:
    """A charger of which a backend is told: of what was received since `begins_at`. `behind_since`
    is when the oldest message that waits was received, `refused` how many messages were refused,
    `waiting` how many sessions wait or were set aside."""

    charger: str
    identity: str
    has_password: bool
    without: list[int]
    begins_at: str
    is_connected: bool
    since: str | None
    problem: str | None
    behind_since: str | None
    told: int
    made: int
    told_at: str | None
    refused: int
    waiting: int


@record
class BackendCard:
    """What a card is called at a backend; None: its sessions are not told."""

    card: Personal[str]
    alias: Personal[str] | None


@record
class BackendRow:
    """A backend, without its secrets. `other_cards` is what all cards are called that have no
    alias; None: their sessions are not told. `begins_at` is the beginning of a day, or the same as
    `added_at`: each charger is told from when it was added."""

    id: int
    name: str
    url: str
    has_root: bool
    has_certificate: bool
    certificate_ends_at: str | None
    is_repaired: bool
    tells_authorize: bool
    with_cards: bool
    with_signed: bool
    other_cards: str | None
    begins_at: str
    paused_at: str | None
    added_at: str
    added_by: ForOperators[str]
    chargers: list[CopiedChargerRow]
    cards: ForOperators[list[BackendCard]]


@record
class RefusedRow:
    """A message that a backend refused, that came late for it, or a number that it must not give
    (`kind`: refused, late or number)."""

    id: int
    at: str
    charger: str
    kind: str
    action: str
    transaction: int | None
    payload: Any
    answer: str


_BACKEND: Final = Shape(
    BackendRow,
    has_root="root IS NOT NULL",
    has_certificate="certificate IS NOT NULL",
    chargers="NULL",
    cards="NULL",
)
_CHARGER: Final = Shape(
    CopiedChargerRow,
    has_password="password IS NOT NULL",  # noqa: S106 - SQL
    waiting="(SELECT count(*) FROM backend_waiting JOIN tx ON tx.id = tx_id "
    "WHERE backend_waiting.backend_id = backend_cp.backend_id AND tx.cp_id = backend_cp.cp_id)",
).with_texts("problem", "without")
_REFUSED: Final = Shape(RefusedRow)


def backends(db: Database) -> list[BackendRow]:
    """Return the backends that were not removed, by their names."""
    cards: dict[int, list[BackendCard]] = defaultdict(list)
    for backend, card, alias in db.execute(
        "SELECT backend_id, tag_key, alias FROM backend_card ORDER BY tag_key"
    ).fetchall():
        cards[backend].append(BackendCard(card=card, alias=alias))
    found = _BACKEND.every(db, "FROM backend WHERE removed_at IS NULL ORDER BY name")
    of_one = "FROM backend_cp WHERE backend_id = ? AND ended_at IS NULL ORDER BY cp_id"
    return [
        replace(row, chargers=_CHARGER.every(db, of_one, (row.id,)), cards=cards[row.id])
        for row in found
    ]


def refused(db: Database, backend: int, before: int | None, limit: int) -> list[RefusedRow]:
    """Return what a backend refused, with an id below `before`, the newest first."""
    which = "FROM backend_refused WHERE backend_id = ? AND id < ? ORDER BY id DESC LIMIT ?"
    return _REFUSED.every(db, which, (backend, 2**62 if before is None else before, limit))


FRAMES_AT_ONCE, LOG_ROWS_AT_ONCE, SESSIONS_AT_ONCE = 50, 20_000, 20
"""The most that one read returns, or looks at."""
CLOCKS: Final = timedelta(days=1)
LONGEST_PAUSE: Final = timedelta(hours=1)
"""Between two attempts at a message of a session that waits."""
LONGEST_NUMBER: Final = 16
SYSTEM: Final = "system"
_FRAMES: Final = (
    "SELECT id, at, action, frame FROM log WHERE id > ? AND id <= ? AND cp_id = ? "
    "AND direction = 'recv' AND at >= ? AND action IN "
    "('BootNotification', 'StatusNotification', 'MeterValues', 'Authorize') ORDER BY id LIMIT ?"
)
_HELD: Final = (
    "coalesce((SELECT tx_id FROM backend_waiting AS held "
    "WHERE held.backend_id = ?1 AND held.tx_id = tx.id), 0)"
)
_SESSION: Final = (
    "SELECT tx.id, tx.conn_id, tx.id_tag, tx.stop_id_tag, tx.created_at, tx.stop_received_at, "
    "tx.status = 'Completed', tx.stopped_by, tx.stop_reason, "
    "coalesce(tx.meter_start, tx.billed_from_wh), tx.meter_stop, "
    "tx.last_register_wh, tx.start_time, tx.stop_time, tx.own_start_time, tx.reservation_id, "
    f"backend_tx.their_id, coalesce(backend_tx.is_closed, 0) = 1, {_HELD} "
)
_NEW: Final = (
    f"{_SESSION} FROM tx LEFT JOIN backend_tx ON backend_tx.tx_id = tx.id AND backend_id = ?1 "
    # Not by an index of the charger, which leads to all that it ever had.
    f"WHERE tx.cp_id || '' = ?2 AND {_HELD} = ?3 AND tx.id > ?4 AND tx.created_at >= ?5 "
    "AND backend_tx.tx_id IS NULL AND tx.own_start_time IS NOT NULL ORDER BY tx.id LIMIT ?6"
)
_KNOWN: Final = (
    f"{_SESSION} FROM backend_tx JOIN tx ON tx.id = backend_tx.tx_id "
    f"WHERE backend_id = ?1 AND tx.cp_id = ?2 AND {_HELD} = ?3 "
    "AND (backend_tx.stopped_at IS NULL OR backend_tx.is_closed = 1)"
)
_WAITING: Final = (
    "SELECT tx_id, log_id, next_at <= ?3 OR next_at > ?4 FROM backend_waiting "
    "JOIN tx ON tx.id = tx_id WHERE backend_id = ?1 AND cp_id = ?2 AND next_at IS NOT NULL "
    "ORDER BY tx_id"
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
SAMPLE: Final = ("value", "context", "measurand", "unit", "location", "phase", "format")
"""What OCPP names in a sampled value."""
_SAMPLES: Final = (
    "SELECT received_at, coalesce(sent_timestamp, timestamp), timestamp, sent_conn_id, conn_id, "
    "value, context, measurand, unit, location, phase, format FROM meter_val "
)
_NEWEST: Final = (
    f"{_SAMPLES} WHERE tx_id = ?1 AND cp_id = ?2 AND conn_id = ?3 AND timestamp = "  # noqa: S608 - ours
    "(SELECT max(timestamp) FROM meter_val WHERE tx_id = ?1 AND cp_id = ?2 AND conn_id = ?3 "
    "AND timestamp >= ?4)"
)
_OLDEST: Final = "SELECT at FROM log ORDER BY id LIMIT 1"
_LOGGED: Final = (
    "SELECT DISTINCT at FROM log WHERE cp_id = ? AND direction = 'recv' "
    "AND action = 'MeterValues' AND at >= ? AND at <= ?"
)
_READINGS: Final = (
    f"{_SAMPLES} WHERE tx_id = ? AND cp_id = ? AND conn_id = ? AND timestamp >= ? "
    "AND received_at < ? AND source = 'MeterValues' ORDER BY id"
)


@record
class CopiedCharger:
    """A charger of which a backend is told: how it connects there, and what it may tell.

    Without the key of a secret, `has_secrets` is False. `with_cards` makes it `with_signed`, too.
    """

    backend: int
    name: str
    url: str
    root: str | None
    certificate: str | None
    is_repaired: bool
    tells_authorize: bool
    with_cards: bool
    with_signed: bool
    other_cards: str | None
    charger: str
    identity: str
    password: str | None
    without: tuple[int, ...]
    begins_at: str
    copied_by: str
    """The servers that the charger's own connection is a copy of, and this one."""
    aliases: Mapping[str, str | None]
    """The alias of each card, by the normal form of the card; None: its sessions are not told."""
    has_secrets: bool


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
    is_over: bool
    """Whether it was told as ended by the server."""
    waiting: int
    """Its own number while it waits or is set aside, else 0."""

    @property
    def is_closed(self) -> bool:
        """Whether the server ended it."""
        return self.stopped_by == SYSTEM


@record
class Fresh:
    """Something that was received and is to be told. `payload` is as it was sent, None if that is
    stored no more; `log_id` is its frame, 0 if it is none."""

    at: str
    action: str
    payload: dict[str, Any] | None
    session: CopiedSession | None = None
    log_id: int = 0
    is_made: bool = False

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
    and `is_all` whether nothing else is stored. `waiting` are the sessions to be tried again
    before, with the last frame that was told of each."""

    messages: list[Fresh]
    position: int
    is_all: bool
    waiting: list[tuple[int, int]]


def site_of(db: Database) -> str:
    """Return the name by which other servers know this one: it stays, and says nothing else."""
    first = db.execute(
        "SELECT server, started_at FROM run WHERE id = (SELECT min(id) FROM run)"
    ).fetchall()
    return blake2b(repr(first).encode(), digest_size=16).hexdigest()


def in_use(db: Database, key: SecretKey, backend: int | None = None) -> list[CopiedCharger]:
    """Return the chargers that are copied: none of a backend that is paused or removed. With
    `backend`, those of that one, also while it is paused."""
    found: list[CopiedCharger] = []
    rows = db.execute(
        "SELECT backend.id, backend.name, url, root, certificate, is_repaired, tells_authorize, "
        "with_cards, with_cards | with_signed, other_cards, cp_id, identity, password, without, "
        "backend_cp.begins_at, "
        "coalesce(copied_by || ', ', '') FROM backend JOIN backend_cp ON backend_id = backend.id "
        "JOIN cp ON cp.id = cp_id WHERE removed_at IS NULL AND ended_at IS NULL "
        "AND (backend.id = ?1 OR (?1 IS NULL AND paused_at IS NULL)) ORDER BY backend.id, cp_id",
        (backend,),
    )
    own_name = site_of(db)
    for row in rows.fetchall():
        fields = dict(zip(names_of(CopiedCharger), row, strict=False))
        cards = "SELECT tag_key, alias FROM backend_card WHERE backend_id = ?"
        fields["aliases"] = dict(db.execute(cards, row[:1]).fetchall())
        fields["without"] = tuple(orjson.loads(fields["without"]))
        secrets = [name for name in ("certificate", "password") if fields[name] is not None]
        fields |= {name: key.opened(fields[name]) for name in secrets}
        has_secrets = all(fields[name] is not None for name in secrets)
        fields["copied_by"] += own_name
        found.append(CopiedCharger(**fields, has_secrets=has_secrets))
    return found


def position(db: Database, backend: int, charger: str) -> tuple[int, bool, dict[str, int]]:
    """Return how far the copy of a charger has come: the last frame, whether its boot was accepted,
    and the intervals that the backend set."""
    ((log_id, is_accepted, own),) = db.execute(
        "SELECT log_id, is_accepted, own FROM backend_cp WHERE backend_id = ? AND cp_id = ?",
        (backend, charger),
    ).fetchall()
    return log_id, bool(is_accepted), orjson.loads(own)


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
    rows = db.query(
        'SELECT status.conn_id AS "connectorId", status.status, error_code AS "errorCode", '
        'sent_timestamp AS "timestamp", info, vendor_id AS "vendorId", '
        'vendor_error_code AS "vendorErrorCode" '
        "FROM status JOIN (SELECT conn_id, max(id) AS newest FROM status "
        "WHERE cp_id = ? AND is_late = 0 GROUP BY conn_id) AS each ON id = newest ORDER BY 1",
        (charger,),
    )
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def newest_readings(db: Database, copied: CopiedCharger) -> list[Fresh]:
    """Return the newest readings of each session that goes on."""
    found: list[Fresh] = []
    connectors = "SELECT conn_id FROM cp_conn WHERE cp_id = ? AND conn_id > 0 ORDER BY conn_id"
    for (connector,) in db.execute(connectors, (copied.charger,)).fetchall():
        session = _session_of(db, copied, ALWAYS, {"connectorId": connector})
        if session is None or session.has_ended:
            continue
        bounds = (session.id, copied.charger, connector, _first(session))
        rows = db.execute(_NEWEST, bounds).fetchall()
        if rows:
            payload = _made_of(row[1:] for row in rows)
            found.append(Fresh(at=ALWAYS, action="MeterValues", payload=payload, session=session))
    return found


def known_keys(db: Database, charger: str) -> dict[str, str | None]:
    """Return the configuration of a charger as it was last read, by key."""
    return {entry.key: entry.value for entry in configuration(db, charger)}


def unsaid(
    db: Database, copied: CopiedCharger, log_id: int, known: int, now: str, only: int = 0
) -> Unsaid:
    """Return what comes next. The log is read after `log_id`; of sessions up to the number `known`
    all have begun there. Sessions that wait are left out, but for `only` one, without others."""
    charger = copied.charger
    ((oldest, newest),) = db.execute("SELECT min(id), max(id) FROM log").fetchall()
    last = min(max(log_id, (oldest or 1) - 1) + LOG_ROWS_AT_ONCE, newest or log_id)
    bounds = (log_id, last, charger, copied.begins_at, FRAMES_AT_ONCE)
    rows = db.execute(_FRAMES, bounds).fetchall()
    is_all = last == (newest or log_id)
    if len(rows) == FRAMES_AT_ONCE:
        last, is_all = rows[-1][0], False

    place = copied.backend, charger
    wanted = (*place, only, known, copied.begins_at, SESSIONS_AT_ONCE)
    begun = [_session(row) for row in db.execute(_NEW, wanted).fetchall()]
    told = [_session(row) for row in db.execute(_KNOWN, (*place, only)).fetchall()]
    waiting = _to_try(db, place, now, bool(begun))

    messages: list[Fresh] = []
    new = {session.id: session.created_at for session in begun}
    latest = ""
    for number, at, action, frame in rows:
        fresh = _of_frame(db, copied, number, at, action, frame)
        if (fresh.session.waiting if fresh.session else 0) != only:
            continue
        # The order of ids stays, even if our clock was set back; and a session begins before its
        # readings.
        begun_at = "" if fresh.session is None else new.get(fresh.session.id, "")
        latest = max(latest, at, begun_at)
        messages.append(replace(fresh, at=latest))
    # Frames may have been deleted before they were told.
    is_cut = oldest is not None and oldest > log_id + 1
    messages += _of_sessions(db, copied, begun, told, is_cut=is_cut)

    # Whatever a later read may have something before waits for that one.
    ends: list[str] = []
    if not is_all:
        read_to = db.execute("SELECT max(at) FROM log WHERE id = ?", (last,)).fetchall()[0][0]
        ends.append(max(latest, read_to or ""))
    if len(begun) == SESSIONS_AT_ONCE:
        ends.append(begun[-1].created_at)
        is_all = False
    for message in messages:
        if ends and message.at > min(ends) and message.log_id:
            last = min(last, message.log_id - 1)
    messages = [message for message in messages if not ends or message.at <= min(ends)]
    # At one time a session begins before its readings, and ends after them; but the one before it
    # has ended then. A lone stop begins and ends its own at one time.
    starts = set(new.values())
    ranks = {"StartTransaction": 1, "StopTransaction": 3}

    def place_of(message: Fresh) -> tuple[str, int]:
        is_before = message.session and message.session.created_at < message.at in starts
        return message.at, 0 if message.ends and is_before else ranks.get(message.action, 2)

    messages.sort(key=place_of)
    return Unsaid(messages, max(last, log_id), is_all, waiting)


def _to_try(db: Database, place: tuple[int, str], now: str, is_due: bool) -> list[tuple[int, int]]:
    """Return the sessions that wait, each with its last frame that was told; none while none of
    them is due. If another one begins, it `is_due`: so all begin there in their order."""
    rows = db.execute(_WAITING, (*place, now, shifted_stamp(now, LONGEST_PAUSE))).fetchall()
    is_due = is_due or any(row[2] for row in rows)
    return [row[:2] for row in rows if is_due]


def _of_sessions(
    db: Database,
    copied: CopiedCharger,
    begun: list[CopiedSession],
    told: list[CopiedSession],
    *,
    is_cut: bool,
) -> list[Fresh]:
    """Return what is known of sessions beside frames: starts, stops, and if the log `is_cut`, the
    readings whose frames stood before its beginning."""
    messages = [_of_session(db, one, "StartTransaction", one.created_at) for one in begun]
    before = db.execute(_OLDEST).fetchall()[0][0] if is_cut else ""
    for session in [*told, *begun]:
        # One that the server ended is over there, until its charger's own stop comes.
        is_news = not (session.is_over and session.is_closed)
        if session.has_ended and session.ended_at is not None and is_news:
            messages.append(_of_session(db, session, "StopTransaction", session.ended_at))
        if is_cut:
            messages += lost_readings(db, copied, session, before)
    return messages


def lost_readings(
    db: Database, copied: CopiedCharger, session: CopiedSession, before: str = ALWAYS
) -> list[Fresh]:
    """Return the readings of a session, received before a time, whose frames are not in the log,
    and were not told before they were deleted from it; without those that were made and told."""
    bounds = (session.id, copied.charger, session.connector, _first(session), before)
    messages: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for received_at, *row in db.execute(_READINGS, bounds).fetchall():
        messages[received_at].append(tuple(row))
    if not messages:
        return []

    oldest = next(iter(db.execute(_OLDEST).fetchall()), (None,))[0]
    logged: set[str] = set()
    if oldest is not None and oldest <= max(messages):
        span = (copied.charger, min(messages), max(messages))
        logged = {at for (at,) in db.execute(_LOGGED, span).fetchall()}
    ((told_until, made_until),) = db.execute(
        "SELECT coalesce((SELECT log_at FROM backend_waiting WHERE backend_id = ?2 "
        "AND tx_id = ?1), log_at), coalesce((SELECT made_at FROM backend_tx "
        "WHERE backend_id = ?2 AND tx_id = ?1), '') "
        "FROM backend_cp WHERE backend_id = ?2 AND cp_id = ?3",
        (session.id, copied.backend, copied.charger),
    ).fetchall()
    return [
        Fresh(at=at, action="MeterValues", payload=_made_of(rows), session=session, is_made=True)
        for at, rows in sorted(messages.items())
        if at not in logged and at > made_until and (at > told_until or at >= (oldest or ALWAYS))
    ]


def _first(session: CopiedSession) -> str:
    """Return a bound for the index of readings: a clock may be wrong, but hardly by more than a
    day."""
    return shifted_stamp(min(session.start_time, session.own_start_time), -CLOCKS)


def _of_frame(
    db: Database, copied: CopiedCharger, number: int, at: str, action: str, frame: str
) -> Fresh:
    payload, session = _payload(frame), None
    if action == "MeterValues" and payload is not None:
        session = _session_of(db, copied, at, payload)
    return Fresh(at=at, action=action, payload=payload, session=session, log_id=number)


def number_in(payload: Mapping[str, Any], name: str) -> int | None:
    """Return a number of a payload, which some chargers send as text; None if it cannot be
    read."""
    text = str(payload.get(name)).strip()
    is_number = text.isascii() and text.removeprefix("-").isdecimal()
    return int(text) if is_number and len(text) < LONGEST_NUMBER else None


def _session_of(
    db: Database, copied: CopiedCharger, at: str, payload: dict[str, Any]
) -> CopiedSession | None:
    """Return the session of readings: the one that they name, else the one at their connector."""
    number, connector = number_in(payload, "transactionId"), number_in(payload, "connectorId")
    bounds: tuple[object, ...] = (copied.backend, copied.charger)
    if number is not None:
        for row in db.execute(f"{_ONE} ?3", (*bounds, number)).fetchall():
            return _session(row)
    if connector is not None:
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
        fields = {name: text for name, text in zip(SAMPLE, sample, strict=True) if text}
        samples[sent_at or at].append(fields)
    values = [{"timestamp": at, "sampledValue": taken} for at, taken in samples.items()]
    return {"connectorId": connector, "meterValue": values}


def _session(row: tuple[Any, ...]) -> CopiedSession:
    return CopiedSession(**dict(zip(names_of(CopiedSession), row, strict=True)))


def _of_session(db: Database, session: CopiedSession, action: str, at: str) -> Fresh:
    """Return the start or the stop of a session, as its charger sent it if it did."""
    payload = None
    kind = "start" if action == "StartTransaction" else "stop"
    if kind == "start" or not session.is_closed:
        for kept, frame in db.execute(_AS_SENT, (session.id, kind)).fetchall():
            payload = _payload(frame or f'[2,"","{action}",{kept}]')
    return Fresh(at=at, action=action, payload=payload, session=session, is_made=payload is None)


def _payload(frame: str) -> dict[str, Any] | None:
    """Return the payload of a CALL, None if it cannot be read."""
    call = parse_frame(frame)
    is_read = isinstance(call, Call) and isinstance(call.payload, dict)
    return call.payload if is_read else None  # type: ignore[union-attr,return-value]  # just checked
