"""What a charger tells of itself: boots, statuses, faults, and how far it strays from the rules."""

from __future__ import annotations

from dataclasses import dataclass, fields

from levity_trio.charging.lifecycle import Cause
from levity_trio.charging.moments import Moment
from levity_trio.events import ChargerBooted, ErrorOpened, ErrorsResolved, StatusChanged
from levity_trio.store.cases import CHARGING
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Message, Origin, minutes_before
from levity_trio.store.writes.sessions import SHARING_MINUTES, SHARING_ROWS, alternates, tell_shared
from levity_trio.store.writes.transactions.states import Sign, resume_connector, suspend

NO_ERROR = "NoError"
HIGHEST_CONNECTOR = 100


@dataclass(frozen=True, slots=True)
class Identification:
    """What a BootNotification.req tells (§6.7); blank ones are None."""

    vendor: str | None
    model: str | None
    serial_number: str | None
    charge_box_serial_number: str | None
    firmware_version: str | None
    iccid: str | None
    imsi: str | None
    meter_type: str | None
    meter_serial_number: str | None


IDENTIFICATION = tuple(field.name for field in fields(Identification))


@dataclass(frozen=True, slots=True)
class Status:
    """A StatusNotification.req (§6.47)."""

    connector: int
    status: str
    error_code: str
    info: str | None
    vendor_id: str | None
    vendor_error_code: str | None
    moment: Moment


def boot(db: UnitOfWork, origin: Origin, told: Identification, message: Message, answer: str, interval: int) -> None:
    """Store a BootNotification and its answer (`interval` in seconds); what it leaves blank stays as it was.

    A boot suspends the charger's open transactions.
    """
    at, values = origin.received_at, [getattr(told, name) for name in IDENTIFICATION]
    kept = ", ".join(f"{name} = coalesce(?, {name})" for name in IDENTIFICATION)
    db.execute(
        f"UPDATE cp SET {kept}, heartbeat_interval = ?, last_boot_at = ?, updated_at = ? WHERE id = ?",  # noqa: S608
        (*values, interval, at, at, origin.charger),
    )
    suspended = suspend(db, origin.charger, origin.session, at, Cause.BOOT)
    fact = ChargerBooted(
        charger=origin.charger,
        at=at,
        vendor=told.vendor,
        model=told.model,
        serial_number=told.serial_number,
        firmware_version=told.firmware_version,
        during_transaction=suspended > 0,
    )
    if not db.record(fact, origin.session):
        return
    db.execute(
        f"INSERT INTO boot (cp_id, session_id, received_at, {', '.join(IDENTIFICATION)}, payload, answer,"  # noqa: S608 - our own names
        " heartbeat_interval) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (origin.charger, origin.session, at, *values, message.kept_payload, answer, interval),
    )
    _look_for_sharing(db, origin)


def _look_for_sharing(db: UnitOfWork, origin: Origin) -> None:
    recent = db.rows(
        "SELECT coalesce(serial_number, charge_box_serial_number) FROM boot"
        " WHERE cp_id = ? AND received_at > ? ORDER BY id DESC LIMIT ?",
        (origin.charger, minutes_before(origin.received_at, SHARING_MINUTES), SHARING_ROWS),
    )
    if alternates([serial for (serial,) in recent if serial is not None]):
        tell_shared(db, origin, "the serial number alternates")


def status(db: UnitOfWork, origin: Origin, told: Status) -> None:
    """Store a StatusNotification: a row if it is a change, the present status if it is not older than that."""
    if not _repeats(db, origin, told) and db.is_kept(origin.charger, "StatusNotification", origin.received_at):
        _add(db, origin, told)
    if not 0 <= told.connector <= HIGHEST_CONNECTOR:
        return  # kept, but nothing that a charger can have so many of as it likes
    _keep_skew(db, origin, told)
    present = _present(db, origin.charger, told.connector)
    if present is None or _supersedes(origin, told, present):
        _set_present(db, origin, told)
        _follow_errors(db, origin, told)
        if present is None or (present.status, present.error_code) != (told.status, told.error_code):
            _tell_changed(db, origin, told)
    if told.status in CHARGING:
        resume_connector(db, origin, told.connector, Sign(Cause.SIGN, told.status, told.moment))


def _repeats(db: UnitOfWork, origin: Origin, told: Status) -> bool:
    last = db.row(
        "SELECT id, status, error_code, info, vendor_id, vendor_error_code FROM status"
        " WHERE cp_id = ? AND conn_id = ? ORDER BY id DESC LIMIT 1",
        (origin.charger, told.connector),
    )
    said = (told.status, told.error_code, told.info, told.vendor_id, told.vendor_error_code)
    if last is None or tuple(last[1:]) != said:
        return False
    count = "UPDATE status SET count = count + 1, last_received_at = ? WHERE id = ?"
    db.execute(count, (origin.received_at, last[0]))
    return True


def _add(db: UnitOfWork, origin: Origin, told: Status) -> None:
    db.execute(
        "INSERT INTO status (cp_id, conn_id, session_id, received_at, timestamp, sent_timestamp, status, error_code,"
        " info, vendor_id, vendor_error_code, last_received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (origin.charger, told.connector, origin.session, origin.received_at, told.moment.understood)
        + (told.moment.sent, told.status, told.error_code, told.info, told.vendor_id, told.vendor_error_code)
        + (origin.received_at,),
    )


@dataclass(frozen=True, slots=True)
class _Present:
    status: str
    error_code: str | None
    status_at: str | None
    is_believable: bool


def _present(db: UnitOfWork, charger: str, connector: int) -> _Present | None:
    columns = "SELECT status, error_code, status_at, status_believable FROM"
    if connector == 0:
        found = db.row(f"{columns} cp WHERE id = ?", (charger,))
    else:
        found = db.row(f"{columns} cp_conn WHERE cp_id = ? AND conn_id = ?", (charger, connector))
    return _Present(*found) if found else None


def _since(origin: Origin, told: Status) -> str:
    """Since when: not later than it was received, or what follows when the clock is put right would look older."""
    return min(told.moment.understood, origin.received_at)


def _supersedes(origin: Origin, told: Status, present: _Present) -> bool:
    """An older time does not overwrite a newer one where both can be believed; else the order of receipt decides."""
    if not (told.moment.is_believable and present.is_believable):
        return True
    return _since(origin, told) >= (present.status_at or "")


def _keep_skew(db: UnitOfWork, origin: Origin, told: Status) -> None:
    """Of a status that is older than the present one, too: perhaps the clock went back, and all that follow are."""
    if told.moment.skew_seconds is not None:
        skew = "UPDATE cp SET clock_skew_seconds = ? WHERE id = ?"
        db.execute(skew, (told.moment.skew_seconds, origin.charger))


def _set_present(db: UnitOfWork, origin: Origin, told: Status) -> None:
    at, moment, since = origin.received_at, told.moment, _since(origin, told)
    if told.connector == 0:
        db.execute(
            "UPDATE cp SET status = ?, error_code = ?, status_at = ?, status_believable = ?, updated_at = ?"
            " WHERE id = ?",
            (told.status, told.error_code, since, moment.is_believable, at, origin.charger),
        )
        return
    db.execute(
        "INSERT INTO cp_conn (cp_id, conn_id, status, error_code, vendor_error_code, status_at,"
        " status_believable, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (cp_id, conn_id) DO UPDATE SET status = excluded.status, error_code = excluded.error_code,"
        " vendor_error_code = excluded.vendor_error_code, status_at = excluded.status_at,"
        " status_believable = excluded.status_believable, updated_at = excluded.updated_at",
        (origin.charger, told.connector, told.status, told.error_code, told.vendor_error_code)
        + (since, moment.is_believable, at, at),
    )


def _tell_changed(db: UnitOfWork, origin: Origin, told: Status) -> None:
    db.record(
        StatusChanged(
            charger=origin.charger,
            at=origin.received_at,
            connector=told.connector,
            status=told.status,
            error_code=told.error_code,
        ),
        origin.session,
    )


def _follow_errors(db: UnitOfWork, origin: Origin, told: Status) -> None:
    connector = told.connector or None  # Levity's spelling: NULL is the charger itself
    if told.error_code == NO_ERROR:
        resolve = "UPDATE cp_err SET resolved_at = ? WHERE cp_id = ? AND conn_id IS ? AND resolved_at IS NULL"
        if count := db.execute(resolve, (told.moment.understood, origin.charger, connector)):
            at, charger = origin.received_at, origin.charger
            resolved = ErrorsResolved(charger=charger, at=at, connector=told.connector, count=count)
            db.record(resolved, origin.session)
    elif not _is_open(db, origin, connector, told):
        _open_error(db, origin, connector, told)


def _is_open(db: UnitOfWork, origin: Origin, connector: int | None, told: Status) -> bool:
    same = db.row(
        "SELECT 1 FROM cp_err WHERE cp_id = ? AND conn_id IS ? AND error_code = ? AND vendor_error_code IS ?"
        " AND resolved_at IS NULL",
        (origin.charger, connector, told.error_code, told.vendor_error_code),
    )
    return same is not None


def _open_error(db: UnitOfWork, origin: Origin, connector: int | None, told: Status) -> None:
    is_warning = told.status != "Faulted"  # §4.9
    fact = ErrorOpened(
        charger=origin.charger,
        at=origin.received_at,
        connector=told.connector,
        error_code=told.error_code,
        vendor_error_code=told.vendor_error_code,
        is_warning=is_warning,
    )
    if not db.record(fact, origin.session):
        return
    db.execute(
        "INSERT INTO cp_err (cp_id, conn_id, session_id, error_code, vendor_error_code, error_description,"
        " vendor_error_info, is_warning, timestamp, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (origin.charger, connector, origin.session, told.error_code, told.vendor_error_code, told.info)
        + (told.vendor_id, is_warning, told.moment.understood, origin.received_at),
    )
