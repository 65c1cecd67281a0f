"""How the site is now, as far as the database knows: chargers, connectors, open transactions; and what waits."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable
from typing import Final, NamedTuple

from sqlite_utils import Database

SQLITE_VERSION: Final = sqlite3.sqlite_version
RECENT_READINGS: Final = 60
"""Of a transaction, in which its current is looked for; a charger that tells of none must not cost more."""


class ChargerNow(NamedTuple):
    """A known charger; times as the database spells them."""

    charger: str
    status: str
    heartbeat_at: str | None
    stop_at: str | None
    skew_seconds: int | None


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


def present(db: Database) -> Present:
    """How the site is now."""
    db.execute("BEGIN")
    chargers = db.execute("SELECT id, status, last_heartbeat_at, last_tx_stop_at, clock_skew_seconds FROM cp")
    connectors = db.execute("SELECT cp_id, conn_id, status FROM cp_conn")
    return Present(
        [ChargerNow(*row) for row in chargers.fetchall()],
        [ConnectorNow(*row) for row in connectors.fetchall()],
        _open_transactions(db),
    )


def _open_transactions(db: Database) -> list[OpenTransaction]:
    """Its first reading tells whether its readings count from 0 in each session (as store.energy judges it)."""
    found = db.execute(
        "SELECT id, cp_id, conn_id, suspended_at IS NOT NULL, coalesce(meter_start, 0), last_register_wh,"
        " (SELECT wh FROM meter_val WHERE meter_val.cp_id = tx.cp_id AND meter_val.conn_id = tx.conn_id"
        " AND timestamp >= min(tx.start_time, tx.created_at) AND tx_id = tx.id AND wh IS NOT NULL"
        " ORDER BY timestamp LIMIT 1) FROM tx WHERE status = 'Active' ORDER BY start_time, id"
    ).fetchall()
    return [
        OpenTransaction(
            charger,
            connector,
            bool(is_suspended),
            _energy_wh(start, last, first),
            *_currents_a(db, charger, connector, transaction),
        )
        for transaction, charger, connector, is_suspended, start, last, first in found
    ]


def _energy_wh(start: int, last: int | None, first: int | None) -> int:
    if last is None:
        return 0
    return last if first is not None and first < start else max(0, last - start)


def _currents_a(
    db: Database, charger: str, connector: int | None, transaction: int
) -> tuple[float | None, float | None]:
    """What was told last of Current.Import and Current.Offered: of several phases the largest."""
    told = db.execute(
        "SELECT measurand, timestamp, value FROM (SELECT tx_id, measurand, timestamp, value FROM meter_val"
        " WHERE cp_id = ? AND conn_id = ? ORDER BY timestamp DESC LIMIT ?)"
        " WHERE tx_id = ? AND measurand IN ('Current.Import', 'Current.Offered')",
        (charger, connector, RECENT_READINGS, transaction),
    ).fetchall()
    return _largest(told, "Current.Import"), _largest(told, "Current.Offered")


def _largest(told: Iterable[tuple[str, str, str]], wanted: str) -> float | None:
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
    """What waits for the operator, each with the time of the oldest."""

    set_aside: int
    set_aside_since: str | None
    reviews: int
    reviews_since: str | None


def waiting(db: Database) -> Waiting:
    """What nobody has looked at yet."""
    set_aside = db.execute("SELECT count(*), min(received_at) FROM set_aside WHERE looked_at IS NULL").fetchall()[0]
    reviews = db.execute("SELECT count(*), min(updated_at) FROM tx WHERE review IS NOT NULL").fetchall()[0]
    return Waiting(*set_aside, *reviews)
