"""Stores which chargers belong to the site: which a person adopts or refuses, which newcomers wait
for that, and which are known ahead; and what a person says about stations, chargers and connectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from levity_trio.access.registration import (
    NEWCOMERS,
    Decision,
    Mode,
    Status,
    Stranger,
    who_makes_room,
)
from levity_trio.events import ChargerAdopted, ChargerRefused, ChargerShown, NewcomerWaiting
from levity_trio.nouns import Station
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.chargers.commands import withdraw
from levity_trio.store.writes.chargers.hiding import (
    CHARGED,
    STRANGERS,
    UnknownIdentity,
    check_known,
    hide,
    show,
)
from levity_trio.store.writes.stored import RecordTable

VISIBLE_NEWCOMERS: Final = "hidden_at IS NULL AND registration = 'newcomer'"
NEWCOMERS_THAT: Final = f"SELECT id FROM cp WHERE {VISIBLE_NEWCOMERS} AND"  # noqa: S608 - our own words
NOBODYS: Final = f"{STRANGERS} AND name IS NULL AND station_id IS NULL"
STRANGERS_THAT: Final = (
    "SELECT cp.id, is_connected, coalesce(last_seen_at, created_at), coalesce(remote_address, '') "
    "FROM cp LEFT JOIN session ON session.id = cp.session_id "
    "WHERE"
)
CHARGED_SINCE: Final = (
    "EXISTS (SELECT 1 FROM tx WHERE tx.cp_id = cp.id AND (created_at >= ? OR stop_received_at >= "
    "? OR status = 'Active'))"
)
WERE_SERVED: Final = "waiting_since IS NULL AND"
"""The condition leaves out those that wait already: with a transaction from their memory they could
otherwise keep the server from starting, or be adopted by its start."""


class DecidedBy(NamedTuple):
    """The time of a person's decision, who it was, and why."""

    at: str
    by: str
    reason: str


class Otherwise(Exception):
    """Somebody has decided about a charger since the person looked: its registration."""


def adopt(db: UnitOfWork, charger: str, decided: DecidedBy, seen: str | None = None) -> bool:
    """Register a charger, and show it if it is hidden; return whether that changed anything.

    `seen` is its registration when the person looked, None if any will do. Raises UnknownIdentity,
    Otherwise.
    """
    return _decide(db, charger, Decision.ADOPTED, decided, seen)


def refuse(db: UnitOfWork, charger: str, decided: DecidedBy, seen: str | None = None) -> bool:
    """Refuse a charger and cancel what waits for it; return whether that changed anything.

    `seen` as above. Raises UnknownIdentity, Otherwise.
    """
    return _decide(db, charger, Decision.REFUSED, decided, seen)


def adopt_all(db: UnitOfWork, decided: DecidedBy) -> list[str]:
    """Adopt every newcomer with a transaction; return their identities. Hidden chargers are left
    out."""
    return _adopt_each(db, _identities(db, f"{NEWCOMERS_THAT} {CHARGED}"), decided)


def adopt_existing(db: UnitOfWork, decided: DecidedBy) -> list[str]:
    """Adopt every newcomer with a transaction that was served until now; return their
    identities."""
    return _adopt_each(db, _identities(db, f"{NEWCOMERS_THAT} {WERE_SERVED} {CHARGED}"), decided)


def locked_out(db: UnitOfWork, since: str) -> list[str]:
    """Return the chargers with a transaction since a time that a start with ask or closed would
    lock out."""
    return _identities(db, f"{NEWCOMERS_THAT} {WERE_SERVED} {CHARGED_SINCE}", (since, since))


def forget_waiting(db: UnitOfWork) -> None:
    """Clear since when newcomers wait, because this server takes any charger."""
    db.execute("UPDATE cp SET waiting_since = NULL WHERE waiting_since IS NOT NULL")


def make_room(db: UnitOfWork, mode: Mode, max_chargers: int, newcomer: str, at: str) -> bool:
    """Whether there is room for the row of a new charger; where the limit is reached, a stranger is
    hidden for it.

    Newcomers that wait have a room of their own.
    """
    if mode is Mode.CLOSED:
        return False
    those, most = (
        ("hidden_at IS NULL", max_chargers) if mode is Mode.OPEN else (VISIBLE_NEWCOMERS, NEWCOMERS)
    )
    if db.rows(f"SELECT count(*) FROM cp WHERE {those}")[0][0] < most:  # noqa: S608 - our own words
        return True
    stranger = who_makes_room(
        [Stranger(*row) for row in db.rows(f"{STRANGERS_THAT} {those} AND {NOBODYS}")]
    )
    if stranger is None:
        return False
    hide(db, stranger, at, made_room_for=newcomer, is_forced=True)
    return True


def begin_waiting(db: UnitOfWork, charger: str, remote_address: str, at: str) -> None:
    """Record that a newcomer waits for a person, once."""
    waiting = (
        "UPDATE cp SET waiting_since = ?, updated_at = ? WHERE id = ? AND registration = 'newcomer'"
        " AND waiting_since IS NULL"
    )
    if not db.changed(waiting, (at, at, charger)):
        return
    other = db.row(
        "SELECT min(id) FROM cp WHERE id = ? COLLATE NOCASE AND id <> ?", (charger, charger)
    )
    resembles = other[0] if other else None
    db.record(
        NewcomerWaiting(charger=charger, at=at, remote_address=remote_address, resembles=resembles)
    )


def _identities(db: UnitOfWork, sql: str, values: Sequence[object] = ()) -> list[str]:
    return [charger for (charger,) in db.rows(f"{sql} ORDER BY id", values)]


def _adopt_each(db: UnitOfWork, chargers: list[str], decided: DecidedBy) -> list[str]:
    for charger in chargers:
        adopt(db, charger, decided)
    return chargers


def _decide(
    db: UnitOfWork, charger: str, decision: Decision, decided: DecidedBy, seen: str | None = None
) -> bool:
    known = db.row("SELECT registration FROM cp WHERE id = ?", (charger,))
    if known is None:
        raise UnknownIdentity
    if known[0] == decision:
        return False
    if seen not in (None, known[0]):
        raise Otherwise(known[0])
    db.execute(
        "UPDATE cp SET registration = ?, waiting_since = NULL, updated_at = ? WHERE id = ?",
        (decision, decided.at, charger),
    )
    db.execute(
        (
            "INSERT INTO registration (cp_id, decision, decided_at, decided_by, reason) "
            "VALUES (?, ?, ?, ?, ?)"
        ),
        (charger, decision, *decided),
    )
    if decision is Decision.REFUSED:
        withdraw(db, charger, Status.REJECTED, decided.at)
        db.record(
            ChargerRefused(charger=charger, at=decided.at, by=decided.by, reason=decided.reason)
        )
        return True
    db.record(ChargerAdopted(charger=charger, at=decided.at, by=decided.by, reason=decided.reason))
    show(db, charger, decided.at)
    return True


class UnknownStation(Exception):
    """No station has this id, or it was deleted."""


class AlreadyKnown(Exception):
    """A visible charger has this identity."""


class ChargerData(NamedTuple):
    """What a person says about a charger, in the order of the columns of the statements below.

    A BootNotification replaces vendor and model.
    """

    name: str | None
    station: int | None
    vendor: str | None = None
    model: str | None = None
    transfers: str | None = None


class ConnectorData(NamedTuple):
    """What a person says about a connector: current in A, power in W. None means unknown."""

    type: str | None
    phases: int | None
    max_a: int | None
    max_w: int | None
    meter: str | None = None
    """MID or calibrated, as far as somebody said so of its meter."""


# Stations

_STATION: Final = RecordTable("station", Station)


def add_station(db: UnitOfWork, data: Station, at: str) -> int:
    """Add a station; return its id."""
    return _STATION.add(db, data, created_at=at, updated_at=at)


def change_station(db: UnitOfWork, station: int, data: Station, at: str) -> None:
    """Replace the data of a station. Raises UnknownStation."""
    if not _STATION.change(db, data, "id = ? AND hidden_at IS NULL", (station,), updated_at=at):
        raise UnknownStation


def remove_station(db: UnitOfWork, station: int, at: str) -> None:
    """Hide a station; its chargers then have none. Raises UnknownStation."""
    hidden = "UPDATE station SET hidden_at = ?, updated_at = ? WHERE id = ? AND hidden_at IS NULL"
    if not db.changed(hidden, (at, at, station)):
        raise UnknownStation
    db.execute(
        "UPDATE cp SET station_id = NULL, updated_at = ? WHERE station_id = ?", (at, station)
    )


# Chargers


def add_charger(db: UnitOfWork, charger: str, data: ChargerData, at: str, by: str) -> None:
    """Add a charger before it connects, or show a hidden one again. It is registered.

    Raises:
        AlreadyKnown, UnknownStation: nothing was changed.
    """
    _check_station(db, data.station)
    known = db.row("SELECT hidden_at FROM cp WHERE id = ?", (charger,))
    if known is None:
        db.execute(
            (
                "INSERT INTO cp (id, name, station_id, vendor, model, transfers, created_at, "
                "updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            ),
            (charger, *data, at, at),
        )
    elif known[0] is None:
        raise AlreadyKnown
    else:
        db.execute(
            "UPDATE cp "
            "SET hidden_at = NULL, retired_on = NULL, replaced_by = NULL, name = ?, "
            "station_id = ?, "
            "vendor = coalesce(?, vendor), model = coalesce(?, model), transfers = ?, "
            "updated_at = ? WHERE id = ?",
            (*data, at, charger),
        )
        db.record(ChargerShown(charger=charger, at=at))
    adopt(db, charger, DecidedBy(at, by, "added"))


def change_charger(db: UnitOfWork, charger: str, data: ChargerData, at: str) -> None:
    """Replace the name and the station of a charger; vendor and model are replaced if they are
    given.

    Raises:
        UnknownIdentity, UnknownStation: nothing was changed.
    """
    _check_station(db, data.station)
    changed = db.changed(
        "UPDATE cp "
        "SET name = ?, station_id = ?, vendor = coalesce(?, vendor), model = coalesce(?, model), "
        "transfers = ?, updated_at = ? "
        "WHERE id = ?",
        (*data, at, charger),
    )
    if not changed:
        raise UnknownIdentity


def _check_station(db: UnitOfWork, station: int | None) -> None:
    visible = "SELECT 1 FROM station WHERE id = ? AND hidden_at IS NULL"
    if station is not None and db.row(visible, (station,)) is None:
        raise UnknownStation


# Connectors


def describe_connector(
    db: UnitOfWork, charger: str, connector: int, data: ConnectorData, at: str, by: str
) -> None:
    """Store what a person says about a connector, in place of what was said before. Raises
    UnknownIdentity."""
    check_known(db, charger)
    db.execute(
        "INSERT INTO connector_data (cp_id, conn_id, type, phases, max_a, max_w, meter, said_at, "
        "said_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (charger, connector, *data, at, by),
    )
