"""Loads what was seen of a charger after an operation, for the room that judges its outcome.

Rows are found by the charger's own times. If its clock is wrong, as its statuses tell, they are
corrected before they are compared with the time of sending.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, Final, NamedTuple

import orjson

from levity_trio.operations.seen import (
    Booted,
    FileCame,
    ListVersion,
    MessageSeen,
    ReadingSeen,
    Seen,
    StatusSeen,
    TransactionBegan,
    TransactionEnded,
    TransferStatus,
)
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.lookups.connectors import connector_numbers
from levity_trio.wire.numbers import number
from levity_trio.wire.times import in_zone, parse_time, stamp


def newest_notice(kind: str) -> str:
    """Return SQL for the newest notification of this kind from a charger. Its index is of all their
    kinds."""
    kinds = (
        "'FirmwareStatusChanged', 'DiagnosticsStatusChanged', 'LogStatusChanged', "
        "'SecurityEventReported'"
    )
    index = (
        " FROM event INDEXED BY event_notice "
        f"WHERE cp_id = ? AND kind = '{kind}' AND kind IN ({kinds})"
    )
    return f"{index} ORDER BY id DESC LIMIT 1"


MOST_REPEATED: Final = 20
"""Equal notifications in a row that are looked at."""
NEWEST_STATUSES: Final = 20
"""Statuses of a connector that are looked at."""
OLD_SECONDS: Final = 60
"""A transaction that began by more than this before the operation comes from the charger's
memory."""
CLOCK_MINUTES: Final = 5
DAY_SECONDS: Final = 86_400
"""A time that is further ahead is not believed, and was replaced by that of its receipt."""
STALE_SECONDS: Final = 10
"""A reading that was taken by more than this before the operation says nothing about it."""
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LAST: Final = "9999"
QUEUED_DAYS: Final = 30
"""Remote starts that were asked for earlier are not compared; each waits for minutes only once it
is sent."""
MEASURANDS: Final = ("Current.Import", "Power.Active.Import")
_TRANSFERS: Final = (
    "SELECT at, kind, data, count, last_at "
    "FROM event INDEXED BY event_transfer "
    "WHERE cp_id = ? AND at >= ? AND kind IN ('FirmwareStatusChanged', "
    "'DiagnosticsStatusChanged', 'LogStatusChanged', 'CertificateRequested')"
)
_REPEATED: Final = tuple(
    f"SELECT at, kind, data, count, last_at{newest_notice(kind)}"
    for kind in ("FirmwareStatusChanged", "DiagnosticsStatusChanged", "LogStatusChanged")
)
_ACTION_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "DiagnosticsStatusChanged": ("DiagnosticsStatusNotification",),
    "LogStatusChanged": ("LogStatusNotification",),
    "CertificateRequested": ("SignCertificate",),
}
"""The charger's message behind a fact."""


class Followed(NamedTuple):
    """A command whose outcome is followed: its charger, and when it was sent."""

    id: int
    charger: str
    sent_at: str
    payload: Mapping[str, Any]


Load = Callable[[UnitOfWork, Followed], Iterator[Seen]]


def moment(text: str) -> datetime:
    """Return a time of the database's format."""
    return datetime.fromisoformat(text)


def clock_skew(db: UnitOfWork, charger: str) -> timedelta:
    """Return by how much the charger's own times are ahead of ours."""
    found = db.row("SELECT clock_skew_seconds FROM cp WHERE id = ?", (charger,))
    seconds = 0 if found is None else found[0] or 0
    return timedelta(seconds=seconds if seconds <= DAY_SECONDS else 0)


def _booted(db: UnitOfWork, command: Followed) -> Iterator[Seen]:
    boots = db.rows(
        "SELECT received_at, firmware_version FROM boot WHERE cp_id = ? AND received_at >= ?",
        (command.charger, command.sent_at),
    )
    for at, firmware in boots:
        yield Booted(moment(at), firmware)


class ReceivedStatus(NamedTuple):
    """A stored status: when it was first and last received, and whether a newer one was present
    already."""

    first_at: str
    last_at: str
    status: str
    is_late: bool


def statuses(db: UnitOfWork, charger: str, connector: int) -> list[ReceivedStatus]:
    """Return the newest statuses of a connector, the last one first."""
    reports = db.rows(
        "SELECT received_at, last_received_at, status, is_late "
        "FROM status WHERE cp_id = ? AND conn_id = ? "
        "ORDER BY id DESC LIMIT ?",
        (charger, connector, NEWEST_STATUSES),
    )
    return [
        ReceivedStatus(first, last, status, bool(is_late))
        for first, last, status, is_late in reports
    ]


def _statuses_since(db: UnitOfWork, command: Followed) -> Iterator[tuple[StatusSeen, bool]]:
    for connector in connector_numbers(db.rows, command.charger, "status"):
        for received in statuses(db, command.charger, connector):
            for at in {received.first_at, received.last_at}:
                if at >= command.sent_at:
                    yield StatusSeen(moment(at), connector, received.status), received.is_late


def _statuses_seen(db: UnitOfWork, command: Followed) -> Iterator[Seen]:
    yield from (status for status, is_late in _statuses_since(db, command) if not is_late)


def _messages(db: UnitOfWork, command: Followed) -> Iterator[Seen]:
    for seen in _booted(db, command):
        yield MessageSeen(seen.at, "BootNotification")
    for status, _ in _statuses_since(db, command):
        yield MessageSeen(status.at, "StatusNotification", status.connector)
    for (at,) in db.rows("SELECT last_heartbeat_at FROM cp WHERE id = ?", (command.charger,)):
        if at is not None and at >= command.sent_at:
            yield MessageSeen(moment(at), "Heartbeat")
    for at, connector in _reading_times(db, command):
        yield MessageSeen(moment(at), "MeterValues", connector)
    yield from _notified(db, command)


def _notices(db: UnitOfWork, command: Followed) -> Iterator[tuple[str, str, str]]:
    """Yield the notifications since a command, as often as they came. Of one that repeats an
    earlier one, the last."""
    for at, kind, data, count, last_at in db.rows(_TRANSFERS, (command.charger, command.sent_at)):
        yield from (
            (time, kind, data) for time in (at, *[last_at] * (min(count, MOST_REPEATED) - 1))
        )
    for newest in _REPEATED:
        for at, kind, data, _, last_at in db.rows(newest, (command.charger,)):
            if at < command.sent_at <= (last_at or ""):
                yield last_at, kind, data


def _notified(db: UnitOfWork, command: Followed) -> Iterator[Seen]:
    for at, kind, data in _notices(db, command):
        firmware = (
            "SignedFirmwareStatusNotification"
            if orjson.loads(data).get("request_id") is not None
            else None
        )
        for action in _ACTION_OF.get(kind, (firmware or "FirmwareStatusNotification",)):
            yield MessageSeen(moment(at), action)


def _spans(command: Followed, skew: timedelta) -> list[tuple[str, str]]:
    """Return the spans of a charger's own times in which it tells what came of an operation.

    The first is right for its clock as it should be; the other, where it is behind, holds for a
    day.
    """
    since = moment(command.sent_at) - timedelta(minutes=CLOCK_MINUTES)
    spans = [(stamp(since), LAST)]
    if skew < timedelta():
        behind = max(since + skew, EARLIEST)
        spans.append(
            (stamp(behind), min(stamp(behind + timedelta(seconds=DAY_SECONDS)), stamp(since)))
        )
    return spans


def _reading_times(db: UnitOfWork, command: Followed) -> Iterator[tuple[str, int]]:
    spans = _spans(command, clock_skew(db, command.charger))
    for connector, (since, until) in product(
        connector_numbers(db.rows, command.charger, "meter_val"), spans
    ):
        times = db.rows(
            "SELECT max(received_at) FROM meter_val "
            "WHERE cp_id = ? AND conn_id = ? AND timestamp >= ? AND timestamp < ? "
            "AND source = 'MeterValues' AND received_at >= ?",
            (command.charger, connector, since, until, command.sent_at),
        )
        if times[0][0] is not None:
            yield times[0][0], connector


def _began(db: UnitOfWork, command: Followed) -> Iterator[Seen]:
    skew, taken = clock_skew(db, command.charger), _taken(db, command)
    oldest = moment(command.sent_at) - timedelta(seconds=OLD_SECONDS) + min(skew, timedelta())
    for since, until in _spans(command, skew):
        began = db.rows(
            "SELECT created_at, id, conn_id, id_tag, start_time "
            "FROM tx INDEXED BY tx_by_charger "
            "WHERE cp_id = ? AND start_time >= ? AND start_time < ? AND created_at >= ? "
            "AND imported_id IS NULL "
            "ORDER BY created_at, id",
            (command.charger, since, until, command.sent_at),
        )
        for at, transaction, connector, tag, started in began:
            if transaction not in taken:
                yield TransactionBegan(
                    moment(at), transaction, connector, tag, moment(started) < oldest
                )


def _taken(db: UnitOfWork, command: Followed) -> set[int]:
    """Return the transactions that other remote starts brought about."""
    since = moment(command.sent_at) - timedelta(days=QUEUED_DAYS)
    taken = db.rows(
        "SELECT outcome_tx_id FROM command "
        "WHERE cp_id = ? AND action = 'RemoteStartTransaction' AND requested_at >= ? "
        "AND outcome_tx_id IS NOT NULL AND id <> ?",
        (command.charger, stamp(since), command.id),
    )
    return {transaction for (transaction,) in taken}


def _ended(db: UnitOfWork, command: Followed) -> Iterator[Seen]:
    transaction = command.payload.get("transactionId")
    ended = db.rows(
        (
            "SELECT received_at, reason FROM tx_event "
            "WHERE tx_id = ? AND kind = 'stop' AND received_at >= ?"
        ),
        (transaction, command.sent_at),
    )
    for at, reason in ended:
        yield TransactionEnded(moment(at), int(str(transaction)), reason)


def _readings(db: UnitOfWork, command: Followed) -> Iterator[Seen]:
    skew = clock_skew(db, command.charger)
    oldest = moment(command.sent_at) - timedelta(seconds=STALE_SECONDS) + skew
    for connector, (since, until) in product(
        connector_numbers(db.rows, command.charger, "meter_val"), _spans(command, skew)
    ):
        readings = db.rows(
            "SELECT received_at, tx_id, measurand, value, unit, phase, timestamp "
            "FROM meter_val "
            "WHERE cp_id = ? AND conn_id = ? AND timestamp >= ? AND timestamp < ? "
            "AND received_at >= ? AND imported_id IS NULL AND measurand IN (?, ?) "
            "AND location IN ('', 'Outlet')",
            (command.charger, connector, since, until, command.sent_at, *MEASURANDS),
        )
        for at, transaction, measurand, value, unit, phase, taken in readings:
            if moment(taken) >= oldest and (read := number(value)) is not None:
                yield ReadingSeen(moment(at), connector, transaction, measurand, read, unit, phase)


def _transfers(db: UnitOfWork, command: Followed) -> Iterator[Seen]:
    for at, kind, data in _notices(db, command):
        fields = orjson.loads(data)
        if "status" in fields:
            message = kind.removesuffix("StatusChanged")
            yield TransferStatus(moment(at), message, fields["status"], fields.get("request_id"))


def _files(db: UnitOfWork, command: Followed) -> Iterator[Seen]:
    for at, file, size_bytes in db.rows(
        "SELECT created_at, id, size_bytes FROM file WHERE command_id = ?", (command.id,)
    ):
        yield FileCame(moment(at), file, size_bytes)


def _versions(db: UnitOfWork, command: Followed) -> Iterator[Seen]:
    versions = db.rows(
        "SELECT answered_at, answer FROM command WHERE cp_id = ? AND id > ?"
        " AND action = 'GetLocalListVersion' AND state = 'accepted' AND json_valid(answer)",
        (command.charger, command.id),
    )
    for at, answer in versions:
        version = orjson.loads(answer).get("listVersion")
        if type(version) is int:
            yield ListVersion(moment(at), version)


_LOADS: Final[Mapping[type[Seen], Load]] = {
    Booted: _booted,
    StatusSeen: _statuses_seen,
    MessageSeen: _messages,
    TransactionBegan: _began,
    TransactionEnded: _ended,
    ReadingSeen: _readings,
    TransferStatus: _transfers,
    FileCame: _files,
    ListVersion: _versions,
}


def load(db: UnitOfWork, command: Followed, kinds: tuple[type[Seen], ...]) -> list[Seen]:
    """Return what was seen of these kinds since a command was sent."""
    return [seen for kind in kinds for seen in _LOADS[kind](db, command)]


def time_of(text: object) -> datetime | None:
    """Return a time of the wire in UTC, None if it is none."""
    found = parse_time(text) if isinstance(text, str) else None
    return None if found is None else in_zone(found, UTC)
