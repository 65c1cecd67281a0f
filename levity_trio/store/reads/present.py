"""The present state of the site: chargers, connectors, open transactions, and items that need an operator."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from sqlite_utils import Database

from levity_trio.charging.bounds import Bounds
from levity_trio.charging.evidence import CHARGE, CURRENT, POWER, Case, View, digit_of, seconds, watts_of
from levity_trio.charging.power import HOUR

SQLITE_VERSION: Final = sqlite3.sqlite_version
OPEN_REVIEWS: Final = (
    "review JOIN tx ON tx.id = review.tx_id WHERE resolved_at IS NULL AND tx.cp_id NOT IN (SELECT id FROM hidden_cp)"
)
OMITTED: Final = (
    "SELECT id FROM hidden_cp UNION SELECT id FROM cp WHERE (registration = 'refused' OR waiting_since IS NOT NULL)"
    " AND NOT EXISTS (SELECT 1 FROM tx WHERE tx.cp_id = cp.id AND tx.status = 'Active')"
)
RECENT_READINGS: Final = 60
"""The newest readings of a transaction that are searched for its current, also if there is none."""
LEAST_REGISTERS: Final = 2
"""Readings of the register that are needed to compute power."""
WAITING_ROWS: Final = 20
"""The maximum number of items listed for the operator; the others are only counted."""


class ChargerNow(NamedTuple):
    """A known charger; times in the database's format."""

    charger: str
    status: str
    heartbeat_at: str | None
    stop_at: str | None
    skew_seconds: int | None
    pings_off: bool


class ConnectorNow(NamedTuple):
    """A connector that has reported its status."""

    charger: str
    connector: int
    status: str


class OpenTransaction(NamedTuple):
    """An open transaction: its energy so far in Wh, its power in W, its current and the offered current in A."""

    charger: str
    connector: int | None
    id: int
    id_tag: str | None
    started_at: str
    is_suspended: bool
    energy_wh: int
    power_w: float | None
    current_a: float | None
    limit_a: float | None


class Present(NamedTuple):
    """The present state, from one snapshot. The newest transaction of a connector comes last."""

    chargers: list[ChargerNow]
    connectors: list[ConnectorNow]
    transactions: list[OpenTransaction]
    hidden: frozenset[str]
    """The chargers that the operator has hidden or refused, and the newcomers that wait."""
    certificates: Mapping[str, str] = MappingProxyType({})
    """When the last certificate of each charger expires that needs one (security profile 3)."""


CERTIFICATES: Final = (
    "SELECT security.cp_id, not_after FROM security JOIN certificate ON certificate.id = (SELECT id FROM certificate"
    " WHERE cp_id = security.cp_id AND revoked_at IS NULL ORDER BY not_after DESC LIMIT 1)"
    " WHERE profile = 3"
)


def present(db: Database) -> Present:
    """Read the present state of the site."""
    db.execute("BEGIN")
    chargers = db.execute(
        "SELECT id, status, last_heartbeat_at, last_tx_stop_at, clock_skew_seconds, off_at IS NOT NULL FROM cp"
        " LEFT JOIN ping ON ping.cp_id = cp.id AND firmware = substr(coalesce(firmware_version, ''), 1, 64)"
    )
    connectors = db.execute("SELECT cp_id, conn_id, status FROM cp_conn")
    return Present(
        [ChargerNow(*row) for row in chargers.fetchall()],
        [ConnectorNow(*row) for row in connectors.fetchall()],
        open_transactions(db),
        frozenset(charger for (charger,) in db.execute(OMITTED).fetchall()),
        dict(db.execute(CERTIFICATES).fetchall()),
    )


class _Row(NamedTuple):
    """An open transaction as stored, with the first reading of its billed register."""

    id: int
    charger: str
    connector: int | None
    id_tag: str | None
    started_at: str
    is_suspended: int
    began: str
    start_wh: int | None
    last_wh: int | None
    first_at: str | None
    first_wh: int | None
    value: str
    unit: str


def open_transactions(db: Database) -> list[OpenTransaction]:
    """Read the open transactions of the site; the newest of a connector comes last."""
    found = db.execute(
        "SELECT tx.id, tx.cp_id, tx.conn_id, id_tag, start_time, suspended_at IS NOT NULL, own_start_time,"
        " meter_start, last_register_wh, first.timestamp, first.wh, coalesce(first.value, ''), coalesce(first.unit, '')"
        " FROM tx LEFT JOIN meter_val AS first ON first.id = (SELECT id FROM meter_val WHERE meter_val.cp_id = tx.cp_id"
        " AND meter_val.conn_id = tx.conn_id AND timestamp >= min(tx.own_start_time, tx.created_at) AND tx_id = tx.id"
        " AND wh IS NOT NULL ORDER BY timestamp LIMIT 1) WHERE status = 'Active' ORDER BY own_start_time, tx.id"
    ).fetchall()
    return [_open_transaction(db, _Row(*row)) for row in found]


def _open_transaction(db: Database, row: _Row) -> OpenTransaction:
    recent = _recent(db, row)
    is_dc = any(one.measurand == CHARGE for one in recent)
    return OpenTransaction(
        row.charger,
        row.connector,
        row.id,
        row.id_tag,
        row.started_at,
        bool(row.is_suspended),
        _energy_wh(row, is_dc=is_dc),
        None if row.is_suspended else _power_w(recent),
        _largest(recent, CURRENT),
        _largest(recent, "Current.Offered"),
    )


def _energy_wh(row: _Row, *, is_dc: bool) -> int:
    """Return the energy so far, by the judge's first rule.

    The first reading shows whether readings count from 0 in each transaction. Without a start register, energy counts
    from the first reading.
    """
    if row.last_wh is None or row.first_wh is None or row.first_at is None:
        return 0
    if row.start_wh is None:
        return max(0, row.last_wh - row.first_wh)
    view = View([seconds(row.first_at)], [row.first_wh], digit_of(row.value, row.unit))
    begun, ended = seconds(row.began), view.at[0]
    case = Case(begun=begun, ended=ended, start_wh=row.start_wh, stop_wh=None, longest=0.0, views=[view], is_dc=is_dc)
    return row.last_wh if Bounds(case).begins_at_zero(view) else max(0, row.last_wh - row.start_wh)


class _Recent(NamedTuple):
    """A recent reading."""

    measurand: str
    timestamp: str
    value: str
    unit: str
    phase: str
    wh: int | None


def _recent(db: Database, row: _Row) -> list[_Recent]:
    """Return the recent readings of its register, power, current, and state of charge, which only DC chargers know."""
    found = db.execute(
        "SELECT measurand, timestamp, value, unit, phase, wh FROM (SELECT tx_id, measurand, timestamp, value, unit,"
        " phase, wh FROM meter_val WHERE cp_id = ? AND conn_id = ? ORDER BY timestamp DESC LIMIT ?) WHERE tx_id = ?"
        " AND (wh IS NOT NULL OR measurand IN (?, ?, 'Current.Offered', ?))",
        (row.charger, row.connector, RECENT_READINGS, row.id, POWER, CURRENT, CHARGE),
    ).fetchall()
    return [_Recent(*one) for one in found]


def _power_w(recent: Sequence[_Recent]) -> float | None:
    """Return the newest power, summed over phases; if none was reported, the rate of the register."""
    newest = _newest(recent, POWER)
    reported = {one.phase: watts_of(one.value, one.unit) for one in newest}
    known = [number for number in ([reported[""]] if "" in reported else reported.values()) if number is not None]
    if known:
        return sum(known)
    registers = sorted({(seconds(one.timestamp), one.wh) for one in recent if one.wh is not None})
    if len(registers) < LEAST_REGISTERS:
        return None
    (before, low), (now, high) = registers[-LEAST_REGISTERS:]
    return max(0.0, (high - low) * HOUR / (now - before)) if now > before else None


def _largest(recent: Sequence[_Recent], wanted: str) -> float | None:
    """Return the newest value; the largest of several phases."""
    numbers = [_number(one.value) for one in _newest(recent, wanted)]
    return max((number for number in numbers if number is not None), default=None)


def _newest(recent: Sequence[_Recent], wanted: str) -> list[_Recent]:
    """Return the newest readings of a measurand: one, or one for each phase."""
    found = [one for one in recent if one.measurand == wanted]
    newest = max((one.timestamp for one in found), default=None)
    return [one for one in found if one.timestamp == newest]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


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


class Waiting(NamedTuple):
    """Items that need an operator: their numbers, the times of the oldest, and the oldest items themselves.

    `reviews` counts transactions with open reviews, `open_reviews` reviews by code; `newcomers` are the chargers that
    wait to be adopted or refused, `spent` the prepaid accounts that have nothing left.
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


def waiting(db: Database) -> Waiting:
    """Read the items that need an operator, without those of hidden chargers."""
    ((set_aside, set_aside_since),) = db.execute(
        "SELECT count(*), min(received_at) FROM set_aside WHERE looked_at IS NULL"
        " AND cp_id NOT IN (SELECT id FROM hidden_cp)"
    ).fetchall()
    ((reviews, reviews_since),) = db.execute(
        f"SELECT count(DISTINCT tx_id), min(opened_at) FROM {OPEN_REVIEWS}"  # noqa: S608 - our own words
    ).fetchall()
    by_code = db.execute(f"SELECT code, count(*) FROM {OPEN_REVIEWS} GROUP BY code").fetchall()  # noqa: S608
    oldest_set_aside = db.execute(
        "SELECT id, cp_id, action, tx_id, received_at FROM set_aside WHERE looked_at IS NULL"
        " AND cp_id NOT IN (SELECT id FROM hidden_cp) ORDER BY received_at, id LIMIT ?",
        (WAITING_ROWS,),
    ).fetchall()
    oldest_reviews = db.execute(
        f"SELECT review.id, cp_id, conn_id, tx_id, code, opened_at FROM {OPEN_REVIEWS}"  # noqa: S608 - our own words
        " ORDER BY opened_at, review.id LIMIT ?",
        (WAITING_ROWS,),
    ).fetchall()
    ((newcomers,),) = db.execute(
        "SELECT count(*) FROM cp WHERE waiting_since IS NOT NULL AND (hidden_at IS NULL OR is_connected = 1)"
    ).fetchall()
    ((spent,),) = db.execute(
        "SELECT count(*) FROM wallet INDEXED BY wallet_spent WHERE spent_since IS NOT NULL"
    ).fetchall()
    return Waiting(
        *(set_aside, set_aside_since, reviews, reviews_since, dict(by_code), newcomers, spent),
        [SetAside(*row) for row in oldest_set_aside],
        [OpenReview(*row) for row in oldest_reviews],
    )
