"""The webhooks, and how far each one's deliveries have come."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from levity_trio.events import WebhookGivenUp
from levity_trio.records import record
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.told import of_stored, stored


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


def add(db: UnitOfWork, new: NewWebhook, at: str, by: str, key: SecretKey) -> StoredWebhook | None:
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
    for webhook, _ in in_use(db, key):
        if (webhook.name, webhook.url, webhook.secret, webhook.kinds, webhook.charger) == wanted:
            db.execute("UPDATE webhook SET secret = ? WHERE id = ?", (sealed, webhook.id))
            return replace(webhook, url=new.url, secret=new.secret)
    return None


def remove(db: UnitOfWork, webhook: int, at: str, by: str) -> bool:
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


def in_use(db: UnitOfWork, key: SecretKey) -> list[tuple[StoredWebhook, list[WaitingFacts]]]:
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


def move_on(db: UnitOfWork, webhook: int, position: int, delivered_at: str | None) -> None:
    """Store the last fact that was read, and when one was delivered."""
    moved = (
        "UPDATE webhook "
        "SET position = max(position, ?), delivered_at = coalesce(?, delivered_at) "
        "WHERE id = ?"
    )
    db.execute(moved, (position, delivered_at, webhook))


def wait(
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


def catch_up(db: UnitOfWork, webhook: int, charger: str) -> None:
    """Store that no fact of a charger waits any longer."""
    db.execute("DELETE FROM webhook_waiting WHERE webhook_id = ? AND cp_id = ?", (webhook, charger))


def give_up(
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
    wait(db, webhook.id, waiting)
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
