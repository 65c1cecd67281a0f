"""Chargers for people: a list, one with its connectors, and the stations where they are; and those
that are served, each with what a card of it shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from levity_trio import nouns
from levity_trio.records import ForOperators, in_order, noun, record
from levity_trio.store.engine.database import Database, marks
from levity_trio.store.reads.pages import (
    ListPage,
    Shape,
    WantedPage,
    WhereCondition,
    by_name,
    given,
    read_page,
)

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
    `transfers` is FTP or HTTP: by what it transfers files, if it does not tell and that is known.
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
    transfers: str | None
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


Place = tuple[str, int]
"""A charger, and the number of a connector; 0 is the charger itself."""


class KnownCharger(NamedTuple):
    """A charger that is served. `since` is since when it is connected or away, None if it never
    connected.

    `vendor`, `model` and `firmware` are what it said of itself, `interval` is its
    MeterValueSampleInterval, as it was last read. `dialled` is the address of this machine that it
    was given, `labelled` the one that its `labels` bear; None where it is a name.
    """

    id: str
    name: str | None
    station: int | None
    station_name: str | None
    is_connected: bool
    since: str | None
    last_seen_at: str | None
    clock_skew_seconds: int | None
    status: str
    status_since: str | None
    error_code: str | None
    interval: str | None
    dialled: str | None
    labelled: str | None
    labels: int
    vendor: str | None
    model: str | None
    firmware: str | None


FAULTED: Final = "Faulted"


class StatusNow(NamedTuple):
    """The status of a connector, and since when."""

    status: str
    since: str | None


class OpenFault(NamedTuple):
    """An error that a charger reported and did not take back, what it said about it, and since when
    it has it."""

    error_code: str
    info: str | None
    since: str


@record
class LastCommand:
    """The newest command of a charger; `transaction` is the one that it began or ended."""

    id: int
    action: str
    state: str
    outcome: str | None
    outcome_words: str | None
    asked_by: ForOperators[str | None]
    at: str
    transaction: int | None


_INTERVAL: Final = (
    "SELECT value FROM configuration "
    "WHERE configuration.cp_id = cp.id AND key = 'MeterValueSampleInterval' "
    "ORDER BY configuration.id DESC LIMIT 1"
)
_CHARGERS: Final = (
    "SELECT cp.id, cp.name, station.id, station.name, is_connected, CASE is_connected "  # noqa: S608 - our own words
    f"WHEN 1 THEN last_connect_at ELSE ({AWAY_SINCE}) END, last_seen_at, clock_skew_seconds, "
    f"status, status_at, nullif(error_code, 'NoError'), ({_INTERVAL}), dialled, labelled, labels, "
    "vendor, model, firmware_version "
    "FROM cp LEFT "
    "JOIN station ON station.id = station_id AND station.hidden_at IS NULL "
    f"WHERE cp.id NOT IN ({OMITTED})"
)
_FAULTS: Final = (
    "SELECT cp_id, coalesce(conn_id, 0), error_code, error_description, timestamp "
    "FROM cp_err INDEXED BY cp_err_open "
    "WHERE resolved_at IS NULL ORDER BY id"
)
_STATUSES: Final = "SELECT cp_id, conn_id, status, status_at FROM cp_conn ORDER BY cp_id, conn_id"
_LAST_COMMAND: Final = Shape(
    LastCommand, at="requested_at", transaction="outcome_tx_id"
).with_texts("outcome_words")
_COMMAND: Final = (
    "FROM command "
    "WHERE id = (SELECT max(id) FROM command WHERE cp_id = ?3 "
    "AND coalesce(asked_by, '') <> 'load management') AND (requested_at >= ?1 "
    "OR requested_at >= ?2 AND (state IN ('rejected', 'error', 'timed out', 'gone', 'expired') "
    "OR outcome IN ('contradicted', 'not seen')))"
)


def served(db: Database, only: Collection[str] | None = None) -> list[KnownCharger]:
    """Return the chargers that are served, by their names: not hidden, refused or waiting; or only
    some of them."""
    chosen = "" if only is None else f" AND cp.id IN ({marks(only) or 'NULL'})"
    rows = db.execute(f"{_CHARGERS}{chosen} ORDER BY cp.id", tuple(only or ())).fetchall()
    found = [KnownCharger(*row)._replace(is_connected=bool(row[4])) for row in rows]
    return sorted(found, key=lambda one: in_order(one.name or one.id))


def faults(db: Database) -> dict[Place, OpenFault]:
    """Return the newest open error of each connector."""
    found = db.execute(_FAULTS).fetchall()
    return {(charger, connector): OpenFault(*rest) for charger, connector, *rest in found}


def holds_since(status: str | None, status_at: str | None, fault: OpenFault | None) -> str | None:
    """Return since when a status holds. A charger that comes back reports its fault again; it has
    had it all along."""
    return status_at if fault is None or status != FAULTED else fault.since


def statuses(db: Database, chargers: Sequence[KnownCharger]) -> dict[Place, StatusNow]:
    """Return the statuses of these chargers and of their connectors."""
    statuses = {(one.id, 0): StatusNow(one.status, one.status_since) for one in chargers}
    for charger, connector, status, since in db.execute(_STATUSES).fetchall():
        if connector != 0 and (charger, 0) in statuses:
            statuses[charger, connector] = StatusNow(status, since)
    return statuses


def connectors_of(db: Database, chargers: Collection[str] | None) -> dict[str, list[Connector]]:
    """Return the connectors of these chargers (None: of all), without connector 0, which is the
    charger itself."""
    known = defaultdict[str, list[Connector]](list)
    for charger in [None] if chargers is None else sorted(chargers):
        for one in connectors(db, charger):
            if one.connector != 0:
                known[one.charger].append(one)
    return known


def last_command(db: Database, charger: str, since: str, failed_since: str) -> LastCommand | None:
    """Return the newest command of a charger that load management did not ask for, if it was asked
    for since a time; one that failed, since an earlier."""
    return _LAST_COMMAND.one(db, _COMMAND, (since, failed_since, charger))
