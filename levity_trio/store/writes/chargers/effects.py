"""What operations leave at a charger once it has accepted them: reservations, charging profiles,
the local list, availability."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

import orjson

from levity_trio.access.local_lists import ASKER
from levity_trio.operations import OPERATIONS
from levity_trio.operations.operation import as_declared
from levity_trio.store.cases.transaction import StoredTransaction
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.lookups.seen import clock_skew, time_of
from levity_trio.store.writes.chargers import availability
from levity_trio.store.writes.load.leases import BY
from levity_trio.store.writes.origin import Origin
from levity_trio.wire.times import shifted_stamp, stamp

Payload = Mapping[str, Any]
UNUSABLE: Final = {"Faulted": "faulted", "Unavailable": "unavailable"}
"""Statuses that end a reservation (§5.13), and the reason that is stored."""
SAME_MOMENT: Final = timedelta(minutes=1)
"""A charger's clock may differ by as much from ours."""


class Accepted(NamedTuple):
    """A command that its charger accepted, with its payload and the answer; `asked_by` is who asked
    for it."""

    command: int
    payload: Payload
    answer: Payload
    asked_by: str | None


def keep(db: UnitOfWork, origin: Origin, command: int, action: str, answer: Payload) -> None:
    """Store what an accepted command leaves at its charger; a raw payload against its declaration
    leaves nothing."""
    effect = _EFFECTS.get(action)
    if effect is None:
        return
    text, asked_by = db.row("SELECT payload, asked_by FROM command WHERE id = ?", (command,)) or (
        "{}",
        None,
    )
    payload = orjson.loads(text)
    if asked_by != ASKER:  # a list that we keep needs no check, which takes 10 ms
        payload = as_declared(OPERATIONS[action], payload)
    if payload is not None:
        effect(db, origin, Accepted(command, payload, answer, asked_by))


def _reserve(db: UnitOfWork, origin: Origin, accepted: Accepted) -> None:
    payload = accepted.payload
    _end_reservations(db, origin, "replaced", "AND reservation_id = ?", (payload["reservationId"],))
    expires = time_of(payload["expiryDate"])
    db.execute(
        "INSERT INTO reservation (cp_id, reservation_id, conn_id, id_tag, parent_id_tag, "
        "expires_at, command_id, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            origin.charger,
            payload["reservationId"],
            payload["connectorId"],
            payload["idTag"],
            payload.get("parentIdTag"),
        )
        + (expires and stamp(expires), accepted.command, origin.received_at),
    )


def _cancel(db: UnitOfWork, origin: Origin, accepted: Accepted) -> None:
    _end_reservations(
        db, origin, "cancelled", "AND reservation_id = ?", (accepted.payload["reservationId"],)
    )


def use_reservation(
    db: UnitOfWork, origin: Origin, tx: StoredTransaction, number: int | None, group: str | None
) -> None:
    """End the reservation that a start uses: the one whose number it names, or that of its tag or
    group on its connector.

    A start from the charger's memory uses none that was made after it.
    """
    behind = -min(clock_skew(db, origin.charger), timedelta())
    until = shifted_stamp(tx.start_time, behind + SAME_MOMENT)
    condition = (
        "AND (reservation_id = ? OR (created_at <= ? AND conn_id IN (0, ?) AND (? COLLATE NOCASE IN"
        " (id_tag, parent_id_tag) OR ? COLLATE NOCASE = parent_id_tag)))"
    )
    values = (number, until, tx.connector, tx.id_tag, group)
    _end_reservations(db, origin, "used", condition, values, tx.id)


def end_unusable(db: UnitOfWork, origin: Origin, connector: int, status: str) -> None:
    """End the reservations of a connector that became faulted or unavailable; those of all, if it
    is the charger."""
    if (reason := UNUSABLE.get(status)) is not None:
        _end_reservations(db, origin, reason, "AND ? IN (0, conn_id)", (connector,))


def _end_reservations(
    db: UnitOfWork,
    origin: Origin,
    reason: str,
    condition: str,
    values: Sequence[object],
    transaction: int | None = None,
) -> None:
    db.execute(
        "UPDATE reservation SET ended_at = ?, end_reason = ?, tx_id = ? WHERE cp_id = ?"  # noqa: S608 - our own texts
        f" AND ended_at IS NULL AND expires_at > ? {condition}",
        (origin.received_at, reason, transaction, origin.charger, origin.received_at, *values),
    )


def _set_profile(db: UnitOfWork, origin: Origin, accepted: Accepted) -> None:
    """Store a profile. A limit of load management is none: its row is that of the lease."""
    if accepted.asked_by == BY:
        return
    profile = accepted.payload["csChargingProfiles"]
    _insert_profile(db, origin, accepted.command, accepted.payload["connectorId"], profile)


def _start_profile(db: UnitOfWork, origin: Origin, accepted: Accepted) -> None:
    if (profile := accepted.payload.get("chargingProfile")) is not None:
        _insert_profile(
            db, origin, accepted.command, accepted.payload.get("connectorId", 0), profile
        )


def _insert_profile(
    db: UnitOfWork, origin: Origin, command: int, connector: int, profile: Payload
) -> None:
    """Store a profile; it replaces one with its id, and one of its purpose and level on that
    connector (§3.13.2)."""
    place = (connector, profile["chargingProfilePurpose"], profile["stackLevel"])
    same = "AND (profile_id = ? OR (conn_id = ? AND purpose = ? AND stack_level = ?))"
    _end_profiles(db, origin, "replaced", same, (profile["chargingProfileId"], *place))
    transaction = db.row(*_transaction_of(origin, connector, profile))
    db.execute(
        "INSERT INTO charging_profile (cp_id, conn_id, purpose, stack_level, profile_id, tx_id, "
        "profile, command_id, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (origin.charger, *place, profile["chargingProfileId"], transaction and transaction[0])
        + (orjson.dumps(profile).decode(), command, origin.received_at),
    )


def _transaction_of(
    origin: Origin, connector: int, profile: Payload
) -> tuple[str, tuple[object, ...]]:
    """Return the query of a profile's transaction. A TxProfile that names none is for the open one
    (§3.13.2)."""
    if profile["chargingProfilePurpose"] != "TxProfile" or "transactionId" in profile:
        return "SELECT id FROM tx WHERE id = ?", (profile.get("transactionId"),)
    open_one = (
        "SELECT id FROM tx INDEXED BY tx_open WHERE cp_id = ? AND status = 'Active' AND conn_id = ?"
        " ORDER BY id DESC LIMIT 1"
    )
    return open_one, (origin.charger, connector)


def _clear_profiles(db: UnitOfWork, origin: Origin, accepted: Accepted) -> None:
    """An id goes before everything else; without a field, every value matches (§5.5)."""
    payload = accepted.payload
    if "id" in payload:
        _end_profiles(db, origin, "cleared", "AND profile_id = ?", (payload["id"],))
        return
    columns = {
        "connectorId": "conn_id",
        "chargingProfilePurpose": "purpose",
        "stackLevel": "stack_level",
    }
    given = {column: payload[name] for name, column in columns.items() if name in payload}
    condition = "".join(f" AND {column} = ?" for column in given)
    _end_profiles(db, origin, "cleared", condition, tuple(given.values()))


def _end_profiles(
    db: UnitOfWork, origin: Origin, reason: str, condition: str, values: Sequence[object]
) -> None:
    db.execute(
        "UPDATE charging_profile SET ended_at = ?, end_reason = ? "  # noqa: S608
        f"WHERE cp_id = ? AND ended_at IS NULL {condition}",
        (origin.received_at, reason, origin.charger, *values),
    )


def _send_list(db: UnitOfWork, origin: Origin, accepted: Accepted) -> None:
    """Store a version of the list, with its entries where it was sent by hand; local_list_kept has
    those of ours."""
    payload = accepted.payload
    if accepted.asked_by == ASKER:
        _insert_list(db, origin, accepted.command, payload["listVersion"], None)
        return
    sent = {entry["idTag"]: entry for entry in payload.get("localAuthorizationList", [])}
    if payload["updateType"] == "Full":
        _insert_list(db, origin, accepted.command, payload["listVersion"], list(sent.values()))
        return
    known = db.row(
        "SELECT entries FROM local_list WHERE cp_id = ? ORDER BY id DESC LIMIT 1", (origin.charger,)
    )
    entries = None
    if known is not None and known[0] is not None:
        whole = {entry["idTag"]: entry for entry in orjson.loads(known[0])} | sent
        # without it, an entry is deleted (§5.15)
        entries = [entry for entry in whole.values() if "idTagInfo" in entry]
    _insert_list(db, origin, accepted.command, payload["listVersion"], entries)


def _note_version(db: UnitOfWork, origin: Origin, accepted: Accepted) -> None:
    """Store the version that a charger reports, if it is not the one that it must have."""
    version = accepted.answer.get("listVersion")
    known = db.row(
        "SELECT version FROM local_list WHERE cp_id = ? ORDER BY id DESC LIMIT 1", (origin.charger,)
    )
    if type(version) is int and abs(version) < 2**53 and (known is None or known[0] != version):
        _insert_list(db, origin, accepted.command, version, [] if version == 0 else None)


def _insert_list(
    db: UnitOfWork, origin: Origin, command: int, version: int, entries: Sequence[Payload] | None
) -> None:
    text = None if entries is None else orjson.dumps(entries).decode()
    db.execute(
        (
            "INSERT INTO local_list (cp_id, version, entries, command_id, created_at) "
            "VALUES (?, ?, ?, ?, ?)"
        ),
        (origin.charger, version, text, command, origin.received_at),
    )


def _change_availability(db: UnitOfWork, origin: Origin, accepted: Accepted) -> None:
    payload = accepted.payload
    availability.intend(db, origin, accepted.command, payload["connectorId"], payload["type"])


_EFFECTS: Final[Mapping[str, Callable[[UnitOfWork, Origin, Accepted], None]]] = {
    "ReserveNow": _reserve,
    "CancelReservation": _cancel,
    "SetChargingProfile": _set_profile,
    "RemoteStartTransaction": _start_profile,
    "ClearChargingProfile": _clear_profiles,
    "SendLocalList": _send_list,
    "GetLocalListVersion": _note_version,
    "ChangeAvailability": _change_availability,
}
