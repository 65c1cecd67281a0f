"""Chargers for people: a list, one with its connectors, and the stations where they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from levity_trio import nouns
from levity_trio.records import ForOperators, in_order, noun, record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import (
    ListPage,
    WantedPage,
    WhereCondition,
    by_name,
    given,
    read_page,
)
from levity_trio.store.reads.shapes import Shape

OMITTED: Final = (
    "SELECT id FROM hidden_cp UNION SELECT id FROM cp "
    "WHERE (registration = 'refused' OR waiting_since IS NOT NULL) AND NOT EXISTS (SELECT 1 "
    "FROM tx WHERE tx.cp_id = cp.id AND tx.status = 'Active')"
)
AWAY_SINCE: Final = (
    "SELECT ended_at FROM session WHERE session.cp_id = cp.id AND imported_from IS NULL"
    " ORDER BY session.id DESC LIMIT 1"
)


@record
class Connector:
    """A connector: its status, its open transaction, and what a person said about it: current in A,
    power in W.

    `told_to_be` is what the last accepted ChangeAvailability told it, or its charger: Operative or
    Inoperative.
    """

    charger: str
    connector: int
    status: str | None
    error_code: str | None
    vendor_error_code: str | None
    status_at: str | None
    told_to_be: str | None
    open_transaction: int | None
    type: str | None
    phases: int | None
    max_a: int | None
    max_w: int | None
    said_at: str | None
    said_by: ForOperators[str | None]
    meter: str | None
    """MID or calibrated, as far as somebody said so of its meter."""


@record
class Charger:
    """A known charger. `is_hidden` is whether a person hid it; `retired_on` is the day of its
    removal.

    `registration` is what a person decided: adopted, refused, or newcomer for nothing yet;
    `waiting_since` is when a newcomer began to wait for that (--registration ask).

    `kept_interval` is for how many seconds it regularly sends nothing, although its heartbeat
    interval is shorter. `clock_skew_seconds` is by how much its clock is ahead of ours.
    """

    id: str
    name: str | None
    station_id: int | None
    vendor: str | None
    model: str | None
    serial_number: str | None
    charge_box_serial_number: str | None
    firmware_version: str | None
    iccid: str | None
    imsi: str | None
    meter_type: str | None
    meter_serial_number: str | None
    status: str
    error_code: str | None
    status_at: str | None
    is_connected: bool
    session: int | None
    heartbeat_interval: int | None
    kept_interval: int | None
    clock_skew_seconds: int | None
    last_seen_at: str | None
    last_heartbeat_at: str | None
    last_boot_at: str | None
    last_connect_at: str | None
    last_tx_start_at: str | None
    last_tx_stop_at: str | None
    open_faults: int
    registration: str
    waiting_since: str | None
    is_hidden: bool
    retired_on: str | None
    created_at: str
    updated_at: str
    connectors: tuple[Connector, ...]


SERVED: Final = "hidden_at IS NULL AND waiting_since IS NULL AND registration <> 'refused'"
"""The condition for rows of `cp` that are chargers that are not hidden, waiting or refused."""
_HIDDEN: Final = "id IN (SELECT id FROM hidden_cp)"
_SHAPE: Final = Shape(
    Charger,
    open_faults=(
        "(SELECT count(*) FROM cp_err WHERE cp_id = cp.id AND resolved_at IS NULL AND is_warning "
        "= 0)"
    ),
    is_hidden=_HIDDEN,
    connectors="NULL",
)
_SAID: Final = (
    "SELECT max(id) FROM connector_data AS newest "
    "WHERE newest.cp_id = known.cp_id AND newest.conn_id = known.conn_id"
)
_CONNECTORS: Final = (
    "FROM (SELECT cp_id, conn_id FROM cp_conn UNION SELECT cp_id, conn_id FROM connector_data "  # noqa: S608 - our texts
    "UNION SELECT cp_id, conn_id FROM tx INDEXED BY tx_open WHERE status = 'Active' "
    "AND conn_id > 0) AS known "
    "LEFT "
    "JOIN cp_conn ON cp_conn.cp_id = known.cp_id AND cp_conn.conn_id = known.conn_id "
    f"LEFT JOIN connector_data ON connector_data.id = ({_SAID})"
)
_CONNECTOR: Final = Shape(
    Connector,
    charger="known.cp_id",
    connector="known.conn_id",
    told_to_be="(SELECT availability.type FROM availability WHERE availability.cp_id = known.cp_id"
    " AND availability.conn_id IN (known.conn_id, 0) ORDER BY availability.conn_id DESC LIMIT 1)",
    open_transaction="(SELECT max(id) FROM tx INDEXED BY tx_open WHERE tx.cp_id = known.cp_id"
    " AND tx.conn_id = known.conn_id AND tx.status = 'Active')",
    status="cp_conn.status",
)


def chargers(
    db: Database,
    station: int | None,
    is_connected: bool | None,
    wanted: WantedPage,
    *,
    is_hidden: bool = False,
) -> ListPage[Charger]:
    """Return a page of chargers by their names, or identities: visible ones, or hidden ones. Raises
    NoPage."""
    conditions = [
        WhereCondition(_HIDDEN if is_hidden else f"NOT {_HIDDEN}"),
        *given(("station_id = ?", station), ("is_connected = ?", is_connected)),
    ]
    listing = by_name("cp", conditions, "coalesce(name, id)")
    page = read_page(db, listing, wanted, _SHAPE.by_id(db, "cp"))
    return replace(page, data=[_with_connectors(db, one) for one in page.data])


def names(db: Database) -> dict[str, str]:
    """Return what people call the visible chargers: their names, or identities, in this order."""
    rows = db.execute(
        f"SELECT id, coalesce(nullif(name, ''), id) FROM cp WHERE NOT {_HIDDEN} ORDER BY id"  # noqa: S608 - our own words
    ).fetchall()
    return dict(sorted(rows, key=lambda row: in_order(row[1])))


def charger(db: Database, identity: str) -> Charger | None:
    """Return one charger, also a hidden one."""
    found = _SHAPE.one(db, "FROM cp WHERE id = ?", (identity,))
    return None if found is None else _with_connectors(db, found)


def chargers_among(db: Database, identities: Sequence[str]) -> list[Charger]:
    """Return these chargers in their order, within a read that has begun."""
    load = _SHAPE.by_id(db, "cp")
    return [_with_connectors(db, load((one,))) for one in identities]


def is_known(db: Database, identity: str) -> bool:
    """Whether there is such a charger."""
    return bool(db.execute("SELECT 1 FROM cp WHERE id = ?", (identity,)).fetchall())


def connected(db: Database) -> list[tuple[str, str | None]]:
    """Return the connected chargers that are not hidden, and when each was last seen."""
    sql = (
        "SELECT id, last_seen_at FROM cp "
        "WHERE is_connected = 1 AND id NOT IN (SELECT id FROM hidden_cp) "
        "ORDER BY id"
    )
    return db.execute(sql).fetchall()


def _with_connectors(db: Database, one: Charger) -> Charger:
    return replace(one, connectors=tuple(connectors(db, one.id)))


def connectors(db: Database, charger: str | None) -> list[Connector]:
    """Return the connectors of a charger, or of all visible ones."""
    of_whom = "NOT IN (SELECT id FROM hidden_cp)" if charger is None else "= ?"
    rest = f"{_CONNECTORS} WHERE known.cp_id {of_whom} ORDER BY known.cp_id, known.conn_id"
    return _CONNECTOR.every(db, rest, () if charger is None else (charger,))


def of_model(db: Database, model: str) -> list[str]:
    """Return the chargers of a model that are served: not hidden, waiting or refused. The case does
    not matter.

    Anybody can claim to be a charger of a model, and a template may hold secrets.
    """
    found = db.execute(
        f"SELECT id FROM cp WHERE model = ? COLLATE NOCASE AND {SERVED} ORDER BY id",  # noqa: S608
        (model,),
    )
    return [charger for (charger,) in found.fetchall()]


@noun
class Station(nouns.Station):
    """A place; its position in degrees (WGS 84). `chargers` is the number of its visible
    chargers."""

    id: int
    chargers: int
    created_at: str
    updated_at: str


_STATION: Final = Shape(
    Station,
    chargers=(
        "(SELECT count(*) FROM cp WHERE station_id = station.id AND cp.id NOT IN (SELECT id FROM "
        "hidden_cp))"
    ),
)


def stations(db: Database, wanted: WantedPage) -> ListPage[Station]:
    """Return a page of stations, the newest first. Raises NoPage."""
    return _STATION.page(db, "station", None, wanted, "hidden_at IS NULL")


def station(db: Database, number: int) -> Station | None:
    """Return a station; None if there is none, or if it was deleted."""
    return _STATION.one(db, "FROM station WHERE id = ? AND hidden_at IS NULL", (number,))
