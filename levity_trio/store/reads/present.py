"""How the site is now, as far as the database knows: chargers, connectors, open transactions; and what waits."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from sqlite_utils import Database

from levity_trio.charging.bounds import Bounds
from levity_trio.charging.evidence import CHARGE, Case, View, digit_of, seconds

SQLITE_VERSION: Final = sqlite3.sqlite_version
OPEN_REVIEWS: Final = (
    "review JOIN tx ON tx.id = review.tx_id WHERE resolved_at IS NULL AND tx.cp_id NOT IN (SELECT id FROM hidden_cp)"
)
RECENT_READINGS: Final = 60
"""Of a transaction, in which its current is looked for; a charger that tells of none must not cost more."""


class ChargerNow(NamedTuple):
    """A known charger; times as the database spells them."""

    charger: str
    status: str
    heartbeat_at: str | None
    stop_at: str | None
    skew_seconds: int | None
    pings_off: bool


class ConnectorNow(NamedTuple):
    """A connector that has told its status."""

    charger: str
    connector: int
    status: str


class OpenTransaction(NamedTuple):
    """An open transaction: its energy in Wh so far, what its car draws and is offered, in A."""

    charger: str
    connector: int | None
    is_suspended: bool
    energy_wh: int
    current_a: float | None
    limit_a: float | None


class Present(NamedTuple):
    """All of it, as of one moment; of one connector's transactions the newest comes last."""

    chargers: list[ChargerNow]
    connectors: list[ConnectorNow]
    transactions: list[OpenTransaction]
    hidden: frozenset[str]
    """Those of the chargers that nobody wants to see."""


def present(db: Database) -> Present:
    """How the site is now."""
    db.execute("BEGIN")
    chargers = db.execute(
        "SELECT id, status, last_heartbeat_at, last_tx_stop_at, clock_skew_seconds, off_at IS NOT NULL FROM cp"
        " LEFT JOIN ping ON ping.cp_id = cp.id AND firmware = substr(coalesce(firmware_version, ''), 1, 64)"
    )
    connectors = db.execute("SELECT cp_id, conn_id, status FROM cp_conn")
    return Present(
        [ChargerNow(*row) for row in chargers.fetchall()],
        [ConnectorNow(*row) for row in connectors.fetchall()],
        _open_transactions(db),
        frozenset(charger for (charger,) in db.execute("SELECT id FROM hidden_cp").fetchall()),
    )


class _Row(NamedTuple):
    """An open transaction as it is stored, with its first reading of the billed register."""

    id: int
    charger: str
    connector: int | None
    is_suspended: int
    began: str
    start_wh: int | None
    last_wh: int | None
    first_at: str | None
    first_wh: int | None
    value: str
    unit: str


def _open_transactions(db: Database) -> list[OpenTransaction]:
    found = db.execute(
        "SELECT tx.id, tx.cp_id, tx.conn_id, suspended_at IS NOT NULL, own_start_time, meter_start, last_register_wh,"
        " first.timestamp, first.wh, coalesce(first.value, ''), coalesce(first.unit, '')"
        " FROM tx LEFT JOIN meter_val AS first ON first.id = (SELECT id FROM meter_val WHERE meter_val.cp_id = tx.cp_id"
        " AND meter_val.conn_id = tx.conn_id AND timestamp >= min(tx.own_start_time, tx.created_at) AND tx_id = tx.id"
        " AND wh IS NOT NULL ORDER BY timestamp LIMIT 1) WHERE status = 'Active' ORDER BY own_start_time, tx.id"
    ).fetchall()
    return [_open_transaction(db, _Row(*row)) for row in found]


def _open_transaction(db: Database, row: _Row) -> OpenTransaction:
    recent = _recent(db, row)
    is_dc = any(measurand == CHARGE for measurand, _, _ in recent)
    return OpenTransaction(
        row.charger,
        row.connector,
        bool(row.is_suspended),
        _energy_wh(row, is_dc=is_dc),
        _largest(recent, "Current.Import"),
        _largest(recent, "Current.Offered"),
    )


def _energy_wh(row: _Row, *, is_dc: bool) -> int:
    """As the judge begins: its first reading tells whether they count from 0 in each transaction; without a start it
    counts from there."""
    if row.last_wh is None or row.first_wh is None or row.first_at is None:
        return 0
    if row.start_wh is None:
        return max(0, row.last_wh - row.first_wh)
    view = View([seconds(row.first_at)], [row.first_wh], digit_of(row.value, row.unit))
    begun, ended = seconds(row.began), view.at[0]
    case = Case(begun=begun, ended=ended, start_wh=row.start_wh, stop_wh=None, longest=0.0, views=[view], is_dc=is_dc)
    return row.last_wh if Bounds(case).begins_at_zero(view) else max(0, row.last_wh - row.start_wh)


def _recent(db: Database, row: _Row) -> list[tuple[str, str, str]]:
    """What was told last of its current, and of its battery, which only DC chargers know."""
    return db.execute(
        "SELECT measurand, timestamp, value FROM (SELECT tx_id, measurand, timestamp, value FROM meter_val"
        " WHERE cp_id = ? AND conn_id = ? ORDER BY timestamp DESC LIMIT ?)"
        " WHERE tx_id = ? AND measurand IN ('Current.Import', 'Current.Offered', ?)",
        (row.charger, row.connector, RECENT_READINGS, row.id, CHARGE),
    ).fetchall()


def _largest(told: Iterable[tuple[str, str, str]], wanted: str) -> float | None:
    """The newest value; of several phases the largest."""
    found = [(timestamp, value) for measurand, timestamp, value in told if measurand == wanted]
    newest = max((timestamp for timestamp, _ in found), default=None)
    numbers = [_number(value) for timestamp, value in found if timestamp == newest]
    return max((number for number in numbers if number is not None), default=None)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


class Waiting(NamedTuple):
    """What waits for the operator, each with the time of the oldest; `open_reviews` are counted by code."""

    set_aside: int
    set_aside_since: str | None
    reviews: int
    reviews_since: str | None
    open_reviews: Mapping[str, int]


def waiting(db: Database) -> Waiting:
    """What nobody has looked at yet, of chargers that are shown: a transaction counts once, whatever its reviews."""
    ((set_aside, set_aside_since),) = db.execute(
        "SELECT count(*), min(received_at) FROM set_aside WHERE looked_at IS NULL"
        " AND cp_id NOT IN (SELECT id FROM hidden_cp)"
    ).fetchall()
    ((reviews, reviews_since),) = db.execute(
        f"SELECT count(DISTINCT tx_id), min(opened_at) FROM {OPEN_REVIEWS}"  # noqa: S608 - our own words
    ).fetchall()
    by_code = db.execute(f"SELECT code, count(*) FROM {OPEN_REVIEWS} GROUP BY code").fetchall()  # noqa: S608
    return Waiting(set_aside, set_aside_since, reviews, reviews_since, dict(by_code))
