"""The chargers that are served, each with what a card of it shows: connectors, open sessions, its
last command."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from levity_trio.records import ForOperators, in_order, record
from levity_trio.store.engine.database import Database, marks
from levity_trio.store.reads.chargers.chargers import AWAY_SINCE, OMITTED, Connector, connectors
from levity_trio.store.reads.shapes import Shape

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
