"""Lists the webhooks and what was given up, and reads the facts that wait for one."""

from __future__ import annotations

import json
from typing import Any

from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.site.events import StoredFact
from levity_trio.told import of_stored


@record(kw_only=False)
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


@record(kw_only=False)
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


def webhooks(db: Database) -> list[WebhookRow]:
    """Return all webhooks, the newest first."""
    rows = db.execute(
        "SELECT id, name, url, kinds, webhook.cp_id, created_at, created_by, delivered_at, "
        "count(webhook_id), min(failing_since), min(next_at), max(problem), "
        "(SELECT coalesce(sum(facts), 0) FROM webhook_given_up "
        "WHERE webhook_id = webhook.id), removed_at, removed_by "
        "FROM webhook LEFT JOIN webhook_waiting ON webhook_id = id "
        "GROUP BY id ORDER BY id DESC"
    )
    return [_row(*row) for row in rows.fetchall()]


def _row(number: int, name: str, url: str, kinds: str | None, *others: Any) -> WebhookRow:
    *waiting, problem, given_up, removed_at, removed_by = others
    waiting += of_stored(problem), given_up, removed_at, removed_by
    return WebhookRow(number, name, url, None if kinds is None else json.loads(kinds), *waiting)


def given_up(db: Database, webhook: int, before: int | None, limit: int) -> list[GivenUpRow]:
    """Return what was given up for a webhook with an id below `before`, the newest first."""
    rows = db.execute(
        "SELECT id, at, cp_id, first_event, last_event, facts, failing_since, problem "
        "FROM webhook_given_up WHERE webhook_id = ? AND id < ? "
        "ORDER BY id DESC LIMIT ?",
        (webhook, 2**62 if before is None else before, limit),
    )
    return [GivenUpRow(*[*row, of_stored(problem)]) for *row, problem in rows.fetchall()]


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
