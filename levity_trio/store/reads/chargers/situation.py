"""What is known of a charger when an operation is asked for, and the numbers that the server
allots."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from levity_trio.operations.operation import (
    Allotted,
    KnownConnector,
    OpenTransaction,
    ReservationInForce,
    Situation,
)
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.wire.times import stamp

_CONNECTORS: Final = (
    "SELECT conn_id, status, (SELECT type FROM connector_data AS said "
    "WHERE said.cp_id = cp_conn.cp_id AND said.conn_id = cp_conn.conn_id ORDER BY said.id DESC "
    "LIMIT 1) "
    "FROM cp_conn WHERE cp_id = ? AND conn_id > 0 "
    "ORDER BY conn_id"
)
_CONFIGURATION: Final = (
    "SELECT key, value, readonly FROM configuration "
    "WHERE id IN (SELECT max(id) FROM configuration WHERE cp_id = ? GROUP BY key) AND is_known = 1"
)
_OPEN: Final = (
    "SELECT id, conn_id, id_tag FROM tx INDEXED BY tx_open WHERE cp_id = ? AND status = 'Active'"
)
_LIST_VERSION: Final = "SELECT version FROM local_list WHERE cp_id = ? ORDER BY id DESC LIMIT 1"
_MANAGED: Final = "SELECT 1 FROM load_charger WHERE cp_id = ?"
_SENT: Final = "SELECT payload FROM command WHERE cp_id = ? AND action = ? AND json_valid(payload)"
_NUMBER_IN: Final[Mapping[Allotted, tuple[tuple[str, ...], str]]] = {
    Allotted.RESERVATION: (("ReserveNow",), "json_extract(payload, '$.reservationId')"),
    Allotted.PROFILE: (
        ("SetChargingProfile", "RemoteStartTransaction"),
        (
            "coalesce(json_extract(payload, '$.csChargingProfiles.chargingProfileId'),"
            " json_extract(payload, '$.chargingProfile.chargingProfileId'))"
        ),
    ),
    Allotted.REQUEST: (
        ("GetLog", "SignedUpdateFirmware"),
        "json_extract(payload, '$.requestId')",
    ),
    Allotted.LIST_VERSION: (("SendLocalList",), "json_extract(payload, '$.listVersion')"),
}
"""The places where each number was used before: the actions, and the place in their payloads."""


def situation(db: Database, charger: str, now: datetime, *, is_connected: bool) -> Situation:
    """Read the situation of a charger, from one snapshot."""
    rows, of_it = rows_of(db), (charger,)
    configuration, versions = rows(_CONFIGURATION, of_it), rows(_LIST_VERSION, of_it)
    ((firmware, transfers),) = rows(
        "SELECT max(firmware_version), max(transfers) FROM cp WHERE id = ?", of_it
    )
    return Situation(
        now=now,
        is_connected=is_connected,
        firmware=firmware,
        connectors=tuple(KnownConnector(*row) for row in rows(_CONNECTORS, of_it)),
        transactions=tuple(OpenTransaction(*row) for row in rows(_OPEN, of_it)),
        reservations=tuple(reservations_in_force(db, charger, now)),
        configuration={"SupportedFileTransferProtocols": transfers}
        | {key: value for key, value, _ in configuration},
        read_only=frozenset(key for key, _, readonly in configuration if readonly),
        list_version=versions[0][0] if versions else None,
        is_managed=bool(rows(_MANAGED, of_it)),
    )


def reservations_in_force(db: Database, charger: str, now: datetime) -> list[ReservationInForce]:
    """Return the reservations of a charger that are in force."""
    rows = db.execute(
        "SELECT reservation_id, conn_id, id_tag, parent_id_tag FROM reservation"
        " WHERE cp_id = ? AND ended_at IS NULL AND expires_at > ?",
        (charger, stamp(now)),
    )
    # all tags are examined
    of_group = "SELECT id_tag FROM tag WHERE ended_at IS NULL AND lower(parent_id_tag) = lower(?)"
    found: list[ReservationInForce] = []
    for number, connector, id_tag, parent in rows.fetchall():
        group = [] if parent is None else db.execute(of_group, (parent,)).fetchall()
        members = tuple(member for (member,) in group)
        found.append(ReservationInForce(number, connector, id_tag, parent, members))
    return found


def next_number(db: Database, charger: str, allotted: Allotted) -> int:
    """Return a number that was not used before: one above the highest."""
    actions, value = _NUMBER_IN[allotted]
    highest = f"SELECT max(CAST({value} AS INTEGER)) FROM ({_SENT})"  # noqa: S608 - ours
    found = [rows_of(db)(highest, (charger, action))[0][0] or 0 for action in actions]
    return int(max(found)) + 1
