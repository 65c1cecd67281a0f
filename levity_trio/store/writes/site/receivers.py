"""Who outside gets facts, and how far each one has come: webhooks with their deliveries, the broker
of MQTT and whether it can be reached, and backends with a copy of what chargers tell.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from levity_trio.events import MqttFactRefused, MqttReplayed, WebhookGivenUp
from levity_trio.records import record
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.engine.database import DATE, UnitOfWork
from levity_trio.store.reads.site.receivers import LONGEST_PAUSE, Fresh, StoredFact
from levity_trio.store.writes.people.accounts import ChangeRefused, RefusalCode
from levity_trio.store.writes.stored import RecordTable
from levity_trio.told import Told, of_stored, shortened, stored
from levity_trio.wire.times import shifted_stamp


@record(kw_only=False)
class NewWebhook:
    """A webhook as it is asked for. `shown` is its URL without keys. `kinds` and `charger` are the
    facts that it wants, None for all."""

    name: str
    url: str
    shown: str
    secret: str
    kinds: tuple[str, ...] | None
    charger: str | None


@record(kw_only=False)
class StoredWebhook:
    """A webhook in use, for delivering. `position` is the last fact that was read for it. An
    unknown secret is None; then keys in the URL are unknown, too."""

    id: int
    name: str
    url: str
    secret: str | None
    kinds: tuple[str, ...] | None
    charger: str | None
    position: int


@record(kw_only=False)
class WaitingFacts:
    """The facts of one charger that wait behind a failed delivery: those after `position`.

    `charger` is '' for the facts of no charger. `attempts` counts the failed deliveries of the
    first one.
    """

    charger: str
    position: int
    attempts: int
    failing_since: str
    next_at: str
    problem: str


@record(kw_only=False)
class GivenUp:
    """Facts that are not delivered: their number and the ids of the first and last one."""

    facts: int
    first: int
    last: int


def add_webhook(
    db: UnitOfWork, new: NewWebhook, at: str, by: str, key: SecretKey
) -> StoredWebhook | None:
    """Store a webhook that gets all facts from now on; None if one of this name is in use.

    The same again, whose secret is unknown, gets this one, and what waits for it. A key in the URL
    is stored sealed only, behind the secret. Raises NoKey.
    """
    sealed = key.sealed(f"{new.secret} {new.url}")
    kinds = None if new.kinds is None else json.dumps(new.kinds)
    rows = db.rows(
        "INSERT INTO webhook (name, url, secret, kinds, cp_id, created_at, created_by, position) "
        "SELECT ?, ?, ?, ?, ?, ?, ?, coalesce((SELECT seq FROM sqlite_sequence "
        "WHERE name = 'event'), 0) "
        "WHERE true ON CONFLICT DO NOTHING RETURNING id, position",
        (new.name, new.shown, sealed, kinds, new.charger, at, by),
    )
    if not rows:
        return _given_again(db, new, key, sealed)
    number, position = rows[0]
    return StoredWebhook(number, new.name, new.url, new.secret, new.kinds, new.charger, position)


def _given_again(
    db: UnitOfWork, new: NewWebhook, key: SecretKey, sealed: str
) -> StoredWebhook | None:
    wanted = new.name, new.shown, None, new.kinds, new.charger
    for webhook, _ in webhooks_in_use(db, key):
        if (webhook.name, webhook.url, webhook.secret, webhook.kinds, webhook.charger) == wanted:
            db.execute("UPDATE webhook SET secret = ? WHERE id = ?", (sealed, webhook.id))
            return replace(webhook, url=new.url, secret=new.secret)
    return None


def remove_webhook(db: UnitOfWork, webhook: int, at: str, by: str) -> bool:
    """Remove a webhook and what waits for it; return False if there is none in use with this id."""
    removed = (
        "UPDATE webhook "
        "SET removed_at = ?, removed_by = ?, secret = '' "
        "WHERE id = ? AND removed_at IS NULL"
    )
    if not db.changed(removed, (at, by, webhook)):
        return False
    db.execute("DELETE FROM webhook_waiting WHERE webhook_id = ?", (webhook,))
    return True


def webhooks_in_use(
    db: UnitOfWork, key: SecretKey
) -> list[tuple[StoredWebhook, list[WaitingFacts]]]:
    """Return the webhooks in use, each with what waits for it."""
    webhooks = db.rows(
        "SELECT id, name, url, secret, kinds, cp_id, position FROM webhook WHERE removed_at IS NULL"
    )
    return [(_webhook(row, key), _waiting(db, row[0])) for row in webhooks]


def _webhook(row: Sequence[object], key: SecretKey) -> StoredWebhook:
    number, name, url, secret, kinds, charger, position = row
    wanted = None if kinds is None else tuple(json.loads(str(kinds)))
    if opened := key.opened(str(secret)):
        secret, _, url = opened.partition(" ")
    known = secret if opened else None
    return StoredWebhook(number, name, url, known, wanted, charger, position)  # type: ignore[arg-type]  # of the schema


def _waiting(db: UnitOfWork, webhook: int) -> list[WaitingFacts]:
    rows = db.rows(
        (
            "SELECT cp_id, position, attempts, failing_since, next_at, problem "
            "FROM webhook_waiting WHERE webhook_id = ?"
        ),
        (webhook,),
    )
    return [WaitingFacts(*[*row, of_stored(problem)]) for *row, problem in rows]


def move_webhook(db: UnitOfWork, webhook: int, position: int, delivered_at: str | None) -> None:
    """Store the last fact that was read, and when one was delivered."""
    moved = (
        "UPDATE webhook "
        "SET position = max(position, ?), delivered_at = coalesce(?, delivered_at) "
        "WHERE id = ?"
    )
    db.execute(moved, (position, delivered_at, webhook))


def let_webhook_wait(
    db: UnitOfWork, webhook: int, waiting: WaitingFacts, delivered_at: str | None = None
) -> None:
    """Store up to where the facts of a charger are delivered, and when the next one is tried.

    A webhook that was removed meanwhile has nothing waiting.
    """
    db.execute(
        "INSERT INTO webhook_waiting (webhook_id, cp_id, position, attempts, failing_since, "
        "next_at, problem) "
        "SELECT id, ?, ?, ?, ?, ?, ? FROM webhook "
        "WHERE id = ? AND removed_at IS NULL "
        "ON CONFLICT (webhook_id, cp_id) DO UPDATE "
        "SET position = excluded.position, attempts = excluded.attempts, "
        "failing_since = excluded.failing_since, next_at = excluded.next_at, "
        "problem = excluded.problem",
        (
            waiting.charger,
            waiting.position,
            waiting.attempts,
            waiting.failing_since,
            waiting.next_at,
        )
        + (stored(waiting.problem), webhook),
    )
    if delivered_at is not None:
        db.execute("UPDATE webhook SET delivered_at = ? WHERE id = ?", (delivered_at, webhook))


def webhook_caught_up(db: UnitOfWork, webhook: int, charger: str) -> None:
    """Store that no fact of a charger waits any longer."""
    db.execute("DELETE FROM webhook_waiting WHERE webhook_id = ? AND cp_id = ?", (webhook, charger))


def give_up_facts(
    db: UnitOfWork, webhook: StoredWebhook, waiting: WaitingFacts, given_up: GivenUp, at: str
) -> None:
    """Store which facts are not delivered, with a fact about it; `waiting` continues after them."""
    charger = waiting.charger or None
    db.execute(
        "INSERT INTO webhook_given_up"
        " (webhook_id, cp_id, at, failing_since, first_event, last_event, facts, problem)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            webhook.id,
            charger,
            at,
            waiting.failing_since,
            given_up.first,
            given_up.last,
            given_up.facts,
            stored(waiting.problem),
        ),
    )
    let_webhook_wait(db, webhook.id, waiting)
    db.record(
        WebhookGivenUp(
            charger=charger,
            at=at,
            webhook=webhook.name,
            first=given_up.first,
            last=given_up.last,
            facts=given_up.facts,
            problem=waiting.problem,
        )
    )


LONGEST_PROBLEM: Final = 200
_BEGIN: Final = (
    "INSERT INTO mqtt (id, position, moved_at, since) "
    "VALUES (1, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0), ?, ?) "
    "ON CONFLICT (id) DO NOTHING"
)


def begin_mqtt(db: UnitOfWork, at: str) -> None:
    """Begin after the newest fact, if MQTT was never used: the past is sent only if somebody asks
    for it."""
    db.execute(_BEGIN, (at, at))


def move_mqtt(db: UnitOfWork, before: int, after: int, at: str) -> bool:
    """Store that the broker has all facts up to `after`.

    Return False if the position is not `before` any more: a replay was asked for meanwhile, and
    wins.
    """
    return bool(
        db.changed(
            "UPDATE mqtt SET position = ?, moved_at = ? WHERE position = ?", (after, at, before)
        )
    )


def note_refused_by_broker(db: UnitOfWork, fact: StoredFact, at: str, problem: str) -> None:
    """Store that the broker does not take a fact, which is passed over."""
    if fact.kind != MqttFactRefused.__name__:  # or one would follow the other
        problem = shortened(problem, LONGEST_PROBLEM)
        db.record(
            MqttFactRefused(charger=None, at=at, fact=fact.id, kind=fact.kind, problem=problem)
        )


def note_broker_link(
    db: UnitOfWork, is_connected: bool, at: str, broker: str, problem: str | None
) -> None:
    """Store whether the broker is connected, and why not. `since` stays while that does not
    change."""
    begin_mqtt(db, at)
    db.execute(
        "UPDATE mqtt SET since = CASE "
        "WHEN is_connected = ? THEN since ELSE ? END, is_connected = ?, broker = ?, problem = ?",
        (int(is_connected), at, int(is_connected), broker, _kept(problem)),
    )


def note_broker_problem(db: UnitOfWork, problem: str | None) -> None:
    """Store why a connected broker takes no facts, None if it takes them."""
    db.execute("UPDATE mqtt SET problem = ?", (_kept(problem),))


def _kept(problem: str | None) -> str | None:
    return None if problem is None else stored(shortened(problem, LONGEST_PROBLEM))


def replay_mqtt(db: UnitOfWork, position: int, since: str, at: str, by: str) -> int | None:
    """Set the position back, if it is beyond this one, because the facts since a time are wanted
    again.

    Return how many facts the broker gets again; None if MQTT was never used.
    """
    row = db.row("SELECT position FROM mqtt")
    if row is None:
        return None
    again = max(0, int(row[0]) - position)
    if again:
        db.execute("UPDATE mqtt SET position = ?, moved_at = ?", (position, at))
    db.record(MqttReplayed(charger=None, at=at, since=since, facts=again, by=by))
    return again


@record
class BackendData:
    """A backend as an operator wants it. `root` and `certificate` are PEM."""

    name: str
    url: str
    root: str | None
    certificate: str | None
    certificate_ends_at: str | None
    is_repaired: bool
    tells_authorize: bool
    with_cards: bool
    with_signed: bool
    other_cards: str | None


MOST_REFUSED: Final = 200
"""What is kept of a charger in a day; the rest is counted. A backend may refuse all."""
SHORTEST_PAUSE: Final = timedelta(minutes=1)
"""Before a message that was not taken is told again; each later pause is as long as it waited."""
SET_ASIDE_AFTER: Final = timedelta(days=1)
_OF_SESSION: Final = "WHERE backend_id = ? AND tx_id = ?"
_OF_CHARGER: Final = "WHERE backend_id = ? AND cp_id = ?"
_LOG_ID: Final = "log_id = max(log_id, ?), log_at = CASE WHEN ? > log_id THEN ? ELSE log_at END"


@record(kw_only=False)
class CopyOutcome:
    """What became of a message. Not `is_told`: it is left out, or its answer was cut off.
    `their_id` is the number of a session that begins. Of what is kept (`kind`: refused, late or
    number), `payload` is what was told, and `answer` the error, or the number. If it `holds` its
    session, nothing more is told of that: until it is tried again, or if it was refused, until an
    operator wants that."""

    is_told: bool = True
    holds: bool = False
    their_id: int | None = None
    kind: str | None = None
    payload: Mapping[str, Any] | None = None
    answer: str = ""


class OnlyChecked(Exception):
    """Everything is right, and nothing was stored."""


_BACKEND: Final = RecordTable("backend", BackendData)


def add_backend(
    db: UnitOfWork,
    new: BackendData,
    chargers: Mapping[str, Mapping[str, Any]],
    cards: Mapping[str, str | None],
    begins_at: str | None,
    key: SecretKey,
    at: str,
    by: str,
    *,
    is_only_checked: bool = False,
) -> int:
    """Add a backend with its chargers and the aliases of cards, and return its number; it is told
    what comes from now on, or what came since `begins_at`. Raises ChangeRefused, NoKey,
    OnlyChecked."""
    _check_name(db, new.name)
    made = replace(new, certificate=_sealed(new.certificate, key))
    begins_at = begins_at or at
    number = _BACKEND.add(db, made, begins_at=begins_at, added_at=at, added_by=by)
    for charger, fields in chargers.items():
        put_backend_charger(db, number, charger, fields, key, at)
    for card, alias in cards.items():
        put_backend_card(db, number, card, alias)
    if is_only_checked:
        raise OnlyChecked
    return number


def change_backend(db: UnitOfWork, backend: int, fields: Mapping[str, Any], key: SecretKey) -> None:
    """Change these fields of a backend. Raises ChangeRefused, NoKey."""
    known = _BACKEND.find(db, "id = ? AND removed_at IS NULL", (backend,))
    if known is None:
        raise _unknown(backend)
    if fields.get("name", known.name) != known.name:
        _check_name(db, fields["name"])
    changed = replace(known, **fields)
    if "certificate" in fields:
        changed = replace(changed, certificate=_sealed(changed.certificate, key))
    _BACKEND.change(db, changed, "id = ?", (backend,))


def put_backend_charger(
    db: UnitOfWork,
    backend: int,
    charger: str,
    fields: Mapping[str, Any],
    key: SecretKey,
    at: str,
) -> None:
    """Let a backend be told of a charger, or change how; what is not in `fields` stays. Raises
    ChangeRefused, NoKey."""
    found = db.row(
        "SELECT begins_at, added_at FROM backend WHERE id = ? AND removed_at IS NULL", (backend,)
    )
    if found is None:
        raise _unknown(backend)
    begins_at, added_at = found
    place = backend, charger
    db.execute(
        "INSERT INTO backend_cp (backend_id, cp_id, identity, without, begins_at, ended_at, log_id)"
        " VALUES (?, ?, ?, '[]', ?, ?, 0) ON CONFLICT DO NOTHING",
        (*place, charger, begins_at, at),
    )

    # One that was taken out is told again from where it was, if its backend wants all since a day;
    # else from now on, like one that is new.
    if begins_at == added_at:
        db.execute(
            "UPDATE backend_cp SET begins_at = ?, "
            "log_id = coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'log'), 0) "
            "WHERE backend_id = ? AND cp_id = ? AND ended_at IS NOT NULL",
            (at, *place),
        )

    new = {"is_accepted": 0, "ended_at": None, **fields}
    if "password" in new:
        new["password"] = _sealed(new["password"], key)
    if "without" in new:
        new["without"] = orjson.dumps(new["without"]).decode()
    columns = ", ".join(f"{name} = ?" for name in new)
    change = f"UPDATE backend_cp SET {columns} WHERE backend_id = ? AND cp_id = ?"  # noqa: S608 - our own names
    db.execute(change, (*new.values(), *place))

    twice = db.row(
        "SELECT identity FROM backend_cp WHERE backend_id = ? AND ended_at IS NULL "
        "GROUP BY identity HAVING count(*) > 1",
        (backend,),
    )
    if twice is not None:
        words = Told("two chargers would be called {1} there; give each its own name", twice[0])
        raise ChangeRefused(RefusalCode.IN_USE, words, "identity")


def end_backend_charger(db: UnitOfWork, backend: int, charger: str, at: str) -> None:
    """Tell a backend of a charger no longer. Raises ChangeRefused."""
    if not db.changed(f"{_END} AND cp_id = ?", (at, backend, charger)):
        raise _missing(Told("charger {1} of which backend {2} is told", charger, backend))


def put_backend_card(db: UnitOfWork, backend: int, card: str, alias: str | None) -> None:
    """Say what a card is called at a backend; `card` is its normal form. Raises ChangeRefused."""
    if not db.row("SELECT 1 FROM backend WHERE id = ? AND removed_at IS NULL", (backend,)):
        raise _unknown(backend)
    db.execute(
        "INSERT INTO backend_card (backend_id, tag_key, alias) VALUES (?, ?, ?) "
        "ON CONFLICT (backend_id, tag_key) DO UPDATE SET alias = excluded.alias",
        (backend, card, alias),
    )


def remove_backend_card(db: UnitOfWork, backend: int, card: str) -> None:
    """Let a card be one of the others. Raises ChangeRefused."""
    gone = "DELETE FROM backend_card WHERE backend_id = ? AND tag_key = ?"
    if not db.changed(gone, (backend, card)):
        raise _missing(Told("alias of the card {1}", card))


def pause_backend(db: UnitOfWork, backend: int, at: str | None) -> None:
    """Tell a backend nothing from now on; with None, all that came meanwhile, and what comes.
    Raises ChangeRefused."""
    paused = "UPDATE backend SET paused_at = ? WHERE id = ? AND removed_at IS NULL"
    if not db.changed(paused, (at, backend)):
        raise _unknown(backend)
    if at is not None:
        ended = "UPDATE backend_cp SET is_connected = 0, since = ?, problem = NULL"
        db.execute(f"{ended} WHERE backend_id = ?", (at, backend))


def remove_backend(db: UnitOfWork, backend: int, at: str, by: str) -> None:
    """Tell a backend nothing for ever; its secrets and aliases are erased. Raises ChangeRefused."""
    removed = (
        "UPDATE backend SET removed_at = ?, removed_by = ?, certificate = NULL "
        "WHERE id = ? AND removed_at IS NULL"
    )
    if not db.changed(removed, (at, by, backend)):
        raise _unknown(backend)
    db.execute(_END, (at, backend))
    db.execute("DELETE FROM backend_card WHERE backend_id = ?", (backend,))


_END: Final = (
    "UPDATE backend_cp SET ended_at = ?, password = NULL, is_connected = 0, problem = NULL, "
    "behind_since = NULL WHERE backend_id = ? AND ended_at IS NULL"
)


def _sealed(secret: str | None, key: SecretKey) -> str | None:
    return None if secret is None else key.sealed(secret)


def _check_name(db: UnitOfWork, name: str) -> None:
    if db.row("SELECT 1 FROM backend WHERE name = ? AND removed_at IS NULL", (name,)):
        words = Told("another backend is called {1}; choose another name", name)
        raise ChangeRefused(RefusalCode.IN_USE, words, "name")


def _unknown(backend: int) -> ChangeRefused:
    return _missing(Told("backend {1} in use", backend))


def _missing(what: str) -> ChangeRefused:
    return ChangeRefused(RefusalCode.NOT_FOUND, Told("there is no {1}", what))


def keep_outcome(
    db: UnitOfWork, place: tuple[int, str], fresh: Fresh, outcome: CopyOutcome, at: str
) -> None:
    """Store what became of a message, before the next message of its charger is told. `place` is
    the backend and the charger."""
    session = None if fresh.session is None else fresh.session.id
    kind, answer = outcome.kind, outcome.answer
    if outcome.holds:
        kind = _hold(db, place, session, outcome, at)
    else:
        told = int(outcome.is_told)
        received = fresh.log_id, fresh.log_id, fresh.at
        # What follows in a session that waited is told at once. Others have not come as far.
        waited = f"UPDATE backend_waiting SET {_LOG_ID}, since = ?, next_at = ? {_OF_SESSION}"  # noqa: S608 - ours
        if db.changed(waited, (*received, at, at, place[0], session)):
            received = 0, 0, ""
        db.execute(
            f"UPDATE backend_cp SET {_LOG_ID}, told = told + ?, made = made + ?, "  # noqa: S608 - ours
            f"told_at = CASE WHEN ? = 1 THEN ? ELSE told_at END {_OF_CHARGER}",
            (*received, told, told * int(fresh.is_made), told, at, *place),
        )
        if fresh.begins:
            their_id, backend = outcome.their_id, place[0]
            known = "SELECT 1 FROM backend_tx WHERE backend_id = ? AND their_id = ?"
            if their_id is not None and (their_id <= 0 or db.rows(known, (backend, their_id))):
                kind, answer = "number", str(their_id)
            # Nothing more is told of a session without a number.
            over_at = at if their_id is None else None
            db.execute(
                "INSERT INTO backend_tx (backend_id, tx_id, their_id, started_at, stopped_at) "
                "VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (backend, session, their_id, at, over_at),
            )
        elif fresh.ends and fresh.session is not None:
            db.execute(
                "UPDATE backend_tx SET is_closed = ?, stopped_at = coalesce(stopped_at, ?) "
                "WHERE backend_id = ? AND tx_id = ?",
                (int(fresh.session.is_closed), at, place[0], session),
            )
        elif fresh.is_made:
            db.execute(
                "UPDATE backend_tx SET made_at = ? WHERE backend_id = ? AND tx_id = ?",
                (fresh.at, place[0], session),
            )
    if kind is not None:
        # What the card is called is erased with the names of its household.
        kept = {name: value for name, value in (outcome.payload or {}).items() if name != "idTag"}
        payload = orjson.dumps(kept).decode()
        refused = f"UPDATE backend_cp SET refused = refused + 1 {_OF_CHARGER}"  # noqa: S608 - ours
        db.execute(refused, place)
        db.execute(
            "INSERT INTO backend_refused (backend_id, cp_id, at, kind, action, payload, tx_id, "
            "answer) SELECT ?, ?, ?, ?, ?, ?, ?, ? WHERE (SELECT count(*) FROM backend_refused "
            "WHERE backend_id = ? AND cp_id = ? AND at >= ?) < ?",
            (
                *(*place, at, kind, fresh.action, payload, session, answer),
                *(*place, at[DATE], MOST_REFUSED),
            ),
        )


def _hold(
    db: UnitOfWork, place: tuple[int, str], session: int | None, outcome: CopyOutcome, at: str
) -> str | None:
    """Let a session wait for a while, or set it aside, if its message was refused or told in vain
    for a day; return the kind of the refusal then."""
    # After an absence of the backend, the day begins anew.
    known = db.row(
        "SELECT since FROM backend_waiting WHERE backend_id = ? AND tx_id = ? AND next_at > ?",
        (place[0], session, shifted_stamp(at, -2 * LONGEST_PAUSE)),
    )
    since = at if known is None else known[0]
    waited = datetime.fromisoformat(at) - datetime.fromisoformat(since)
    pause = min(max(waited, SHORTEST_PAUSE), LONGEST_PAUSE)
    kind = outcome.kind if waited < SET_ASIDE_AFTER else "refused"
    db.execute(
        "INSERT INTO backend_waiting (backend_id, tx_id, log_id, log_at, since, next_at) "
        "SELECT backend_id, ?, log_id, log_at, ?, ? FROM backend_cp "
        "WHERE backend_id = ? AND cp_id = ? ON CONFLICT (backend_id, tx_id) "
        "DO UPDATE SET since = excluded.since, next_at = excluded.next_at",
        (session, since, shifted_stamp(at, pause) if kind is None else None, *place),
    )
    return kind


def release_session(db: UnitOfWork, place: tuple[int, str], session: int, log_id: int) -> None:
    """Let a session wait no longer, if no more of it was told than of others: up to this frame."""
    db.execute(
        f"UPDATE backend_cp SET log_id = max(log_id, ?), log_at = max(log_at, "  # noqa: S608 - ours
        f"(SELECT log_at FROM backend_waiting {_OF_SESSION})) {_OF_CHARGER}",
        (log_id, place[0], session, *place),
    )
    gone = f"DELETE FROM backend_waiting {_OF_SESSION} AND log_id <= ?"  # noqa: S608 - ours
    db.execute(gone, (place[0], session, log_id))


def tell_again(db: UnitOfWork, backend: int, session: int | None, at: str) -> None:
    """Tell a backend at once of a session that waits or was set aside, or of all. Raises
    ChangeRefused."""
    now = (
        "UPDATE backend_waiting SET since = ?, next_at = ? "
        "WHERE backend_id = ? AND tx_id = coalesce(?, tx_id)"
    )
    if not db.changed(now, (at, at, backend, session)):
        raise _missing(Told("session that waits for backend {1}", backend))


def note_backend_registration(
    db: UnitOfWork, backend: int, charger: str, is_accepted: bool | None, own: Mapping[str, int]
) -> None:
    """Store whether the boot of a charger was accepted (None: as before), and the intervals that
    the backend set."""
    accepted = None if is_accepted is None else int(is_accepted)
    db.execute(
        "UPDATE backend_cp SET is_accepted = coalesce(?, is_accepted), own = ? "
        "WHERE backend_id = ? AND cp_id = ?",
        (accepted, orjson.dumps(own).decode(), backend, charger),
    )


def note_backend_link(
    db: UnitOfWork,
    backend: int,
    charger: str,
    is_connected: bool,
    problem: str | None,
    behind_since: str | None,
    at: str,
) -> None:
    """Store whether a charger is connected to a backend, why it is not or waits, and since when it
    is behind."""
    db.execute(
        "UPDATE backend_cp SET problem = ?, "
        "behind_since = CASE WHEN ? = 1 THEN ? ELSE behind_since END, "
        "since = CASE WHEN is_connected = ? AND since IS NOT NULL THEN since ELSE ? END, "
        "is_connected = ? WHERE backend_id = ? AND cp_id = ?",
        (
            *(None if problem is None else stored(problem), int(is_connected), behind_since),
            *(int(is_connected), at, int(is_connected), backend, charger),
        ),
    )
