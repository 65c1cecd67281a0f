"""The present state of the site: chargers, connectors, open transactions, and items that need an
operator."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups.connectors import Differing, differing
from levity_trio.store.reads.chargers.chargers import AWAY_SINCE, OMITTED
from levity_trio.store.reads.now.away import counted
from levity_trio.store.reads.transactions.transactions import (
    RunningTransaction,
    open_transactions,
)

SQLITE_VERSION: Final = sqlite3.sqlite_version
OPEN_REVIEWS: Final = (
    "review JOIN tx ON tx.id = review.tx_id WHERE resolved_at IS NULL AND tx.cp_id NOT IN (SELECT "
    "id FROM hidden_cp)"
)
WAITING_ROWS: Final = 20
"""The maximum number of items listed for the operator; the others are only counted."""


class PresentCharger(NamedTuple):
    """A known charger; times in the database's format."""

    charger: str
    status: str
    heartbeat_at: str | None
    stop_at: str | None
    skew_seconds: int | None
    pings_off: bool


class PresentConnector(NamedTuple):
    """A connector that has reported its status."""

    charger: str
    connector: int
    status: str


class Present(NamedTuple):
    """The present state, from one snapshot. The newest transaction of a connector comes last."""

    chargers: list[PresentCharger]
    connectors: list[PresentConnector]
    transactions: list[RunningTransaction]
    hidden: frozenset[str]
    """The chargers that the operator has hidden or refused, and the newcomers that wait."""
    certificates: Mapping[str, str] = MappingProxyType({})
    """The expiry of the last certificate of each charger that needs one (security profile 3)."""
    away: Mapping[str, int] = MappingProxyType({})
    """How many chargers went away together, by each that is away."""
    differing: Sequence[Differing] = ()
    """The connectors whose status differs from the availability that they were told."""


CERTIFICATES: Final = (
    "SELECT security.cp_id, not_after FROM security "
    "JOIN certificate ON certificate.id = (SELECT id FROM certificate "
    "WHERE cp_id = security.cp_id AND revoked_at IS NULL ORDER BY not_after DESC LIMIT 1) "
    "WHERE profile = 3 ORDER BY security.cp_id"
)


_AWAY: Final = (
    "SELECT id, since "  # noqa: S608 - our own words
    f"FROM (SELECT id, ({AWAY_SINCE}) AS since FROM cp WHERE is_connected = 0 "
    f"AND cp.id NOT IN ({OMITTED})) AS away "
    "WHERE since IS NOT NULL ORDER BY since, id"
)


def present(db: Database) -> Present:
    """Read the present state of the site."""
    chargers = db.execute(
        "SELECT id, status, last_heartbeat_at, last_tx_stop_at, clock_skew_seconds, "
        "off_at IS NOT NULL "
        "FROM cp LEFT "
        "JOIN ping ON ping.cp_id = cp.id AND firmware = substr(coalesce(firmware_version, ''), 1, "
        "64)"
    )
    connectors = db.execute("SELECT cp_id, conn_id, status FROM cp_conn")
    return Present(
        [PresentCharger(*row) for row in chargers.fetchall()],
        [PresentConnector(*row) for row in connectors.fetchall()],
        open_transactions(db),
        frozenset(charger for (charger,) in db.execute(OMITTED).fetchall()),
        dict(db.execute(CERTIFICATES).fetchall()),
        counted(dict(db.execute(_AWAY).fetchall())),
        differing(rows_of(db)),
    )


class OpenReview(NamedTuple):
    """An open review of a transaction."""

    id: int
    charger: str
    connector: int | None
    transaction: int
    code: str
    opened_at: str


class SetAside(NamedTuple):
    """A message that was set aside and that no operator has looked at."""

    id: int
    charger: str
    action: str
    transaction: int | None
    received_at: str


class OperatorItems(NamedTuple):
    """Items that need an operator: their numbers, the times of the oldest, and the oldest items
    themselves.

    `reviews` counts transactions with open reviews, `open_reviews` reviews by code; `newcomers` are
    the chargers that wait to be adopted or refused, `spent` the prepaid accounts that have nothing
    left. `not_booked` are the sessions that could not be booked, or of which the book was wrong
    when it was last compared.
    """

    set_aside: int
    set_aside_since: str | None
    reviews: int
    reviews_since: str | None
    open_reviews: Mapping[str, int]
    newcomers: int
    spent: int
    oldest_set_aside: Sequence[SetAside]
    oldest_reviews: Sequence[OpenReview]
    newcomers_since: str | None
    spent_since: str | None
    not_booked: int


_SET_ASIDE: Final = (
    "FROM set_aside WHERE looked_at IS NULL AND cp_id NOT IN (SELECT id FROM hidden_cp)"
)


def waiting(db: Database) -> OperatorItems:
    """Read the items that need an operator, without those of hidden chargers."""
    rows = rows_of(db)
    ((set_aside, set_aside_since),) = rows(f"SELECT count(*), min(received_at) {_SET_ASIDE}", ())
    reviewed = f"SELECT count(DISTINCT tx_id), min(opened_at) FROM {OPEN_REVIEWS}"  # noqa: S608 - our own words
    ((reviews, reviews_since),) = rows(reviewed, ())
    oldest_set_aside = rows(
        f"SELECT id, cp_id, action, tx_id, received_at {_SET_ASIDE} ORDER BY received_at, id "
        "LIMIT ?",
        (WAITING_ROWS,),
    )
    oldest_reviews = rows(
        f"SELECT review.id, cp_id, conn_id, tx_id, code, opened_at FROM {OPEN_REVIEWS}"  # noqa: S608 - our own words
        " ORDER BY opened_at, review.id LIMIT ?",
        (WAITING_ROWS,),
    )
    ((newcomers, newcomers_since),) = rows(
        "SELECT count(*), min(waiting_since) FROM cp WHERE waiting_since IS NOT NULL"
        " AND (hidden_at IS NULL OR is_connected = 1)",
        (),
    )
    ((spent, spent_since),) = rows(
        "SELECT count(*), min(spent_since) "
        "FROM wallet INDEXED BY wallet_spent "
        "WHERE spent_since IS NOT NULL",
        (),
    )
    ((not_booked,),) = rows(
        "SELECT (SELECT count(*) FROM to_book WHERE step = 2) + coalesce((SELECT differing "
        "FROM book), 0)",
        (),
    )
    by_code = rows(f"SELECT code, count(*) FROM {OPEN_REVIEWS} GROUP BY code", ())  # noqa: S608
    return OperatorItems(
        *(set_aside, set_aside_since, reviews, reviews_since, dict(by_code), newcomers, spent),
        [SetAside(*row) for row in oldest_set_aside],
        [OpenReview(*row) for row in oldest_reviews],
        *(newcomers_since, spent_since, not_booked),
    )
