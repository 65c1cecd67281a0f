"""Boots, statuses and errors that a charger reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Final, NamedTuple

from levity_trio.charging.lifecycle import Cause
from levity_trio.charging.sent.evidence import seconds
from levity_trio.charging.sent.power import HOUR
from levity_trio.charging.sent.readings import Moment
from levity_trio.charging.tolerances import CLOCK_SECONDS, SAME_BEHIND_SECONDS
from levity_trio.events import ChargerBooted, ErrorOpened, ErrorsResolved, StatusChanged
from levity_trio.records import record
from levity_trio.store.cases.case import CHARGING
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.lookups.seen import NEWEST_STATUSES, clock_skew
from levity_trio.store.writes.chargers import commands, sessions
from levity_trio.store.writes.chargers.commands import end_unusable
from levity_trio.store.writes.chargers.hiding import CHARGED
from levity_trio.store.writes.chargers.sessions import (
    SHARING_MINUTES,
    SHARING_ROWS,
    alternates,
    begin_statuses,
    has_newer,
    record_sharing,
)
from levity_trio.store.writes.origin import Message, Origin
from levity_trio.store.writes.transactions.judging import judge_by_late_message
from levity_trio.store.writes.transactions.states import (
    Sign,
    follow_free,
    resume_connector,
    suspend,
)
from levity_trio.told import Told
from levity_trio.wire.texts import cut_payload
from levity_trio.wire.times import minutes_before, shifted_stamp

NO_ERROR = "NoError"
HIGHEST_CONNECTOR = 100


def note_labels(db: UnitOfWork, address: str | None, labels: Mapping[str, int]) -> None:
    """Store which address of this machine the labels bear that are printed, None for a name; by
    charger, how many."""
    for charger, count in labels.items():
        db.execute("UPDATE cp SET labelled = ?, labels = ? WHERE id = ?", (address, count, charger))


@record(kw_only=False)
class Identification:
    """The fields of a BootNotification.req (§6.7); blank ones are None."""

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


@record(kw_only=False)
class ReportedStatus:
    """A StatusNotification.req (§6.47)."""

    connector: int
    status: str
    error_code: str
    info: str | None
    vendor_id: str | None
    vendor_error_code: str | None
    moment: Moment


_SERIALS: Final = (
    "SELECT serial_number, charge_box_serial_number FROM cp "  # noqa: S608 - our own words
    f"WHERE id = ? AND {CHARGED}"
)
_BOOT: Final = '{"requestedMessage":"BootNotification"}'
_ASKED_TO_BOOT: Final = (
    "SELECT 1 FROM command "
    "WHERE id = (SELECT max(id) FROM command WHERE cp_id = ?) AND session_id = ? AND payload = ? "
    "AND coalesce(outcome, state) IN ('sent', 'accepted', 'pending')"
)


def boot(
    db: UnitOfWork,
    origin: Origin,
    report: Identification,
    message: Message,
    answer: str,
    interval: int,
) -> None:
    """Store a BootNotification and its response (`interval` in seconds). Blank fields keep their
    earlier values.

    A boot suspends the charger's open transactions, unless it was asked for on this connection and
    so is no restart.
    """
    at, values = origin.received_at, [getattr(report, name) for name in IDENTIFICATION]
    serials = db.row(_SERIALS, (origin.charger,))
    kept = ", ".join(f"{name} = coalesce(?, {name})" for name in IDENTIFICATION)
    db.execute(
        (
            "UPDATE cp "  # noqa: S608
            f"SET {kept}, heartbeat_interval = ?, last_boot_at = ?, updated_at = ? "
            "WHERE id = ?"
        ),
        (*values, interval, at, at, origin.charger),
    )
    begin_statuses(db, origin.charger)
    is_asked_for = db.row(_ASKED_TO_BOOT, (origin.charger, origin.session, _BOOT)) is not None
    suspended = 0 if is_asked_for else suspend(db, origin, Cause.BOOT)
    fact = ChargerBooted(
        charger=origin.charger,
        at=at,
        vendor=report.vendor,
        model=report.model,
        serial_number=report.serial_number,
        firmware_version=report.firmware_version,
        during_transaction=suspended > 0,
    )
    if not db.record(fact, origin.session):
        return
    db.execute(
        f"INSERT INTO boot (cp_id, session_id, received_at, {', '.join(IDENTIFICATION)}, payload, "  # noqa: S608 - our own names
        "answer, heartbeat_interval) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            origin.charger,
            origin.session,
            at,
            *values,
            cut_payload(message.payload),
            answer,
            interval,
        ),
    )
    _look_for_sharing(db, origin)
    if serials is not None:
        told = report.serial_number, report.charge_box_serial_number
        sessions.follow_serial(db, origin, serials, told)


def _look_for_sharing(db: UnitOfWork, origin: Origin) -> None:
    recent = db.rows(
        "SELECT coalesce(serial_number, charge_box_serial_number) FROM boot"
        " WHERE cp_id = ? AND received_at > ? ORDER BY id DESC LIMIT ?",
        (origin.charger, minutes_before(origin.received_at, SHARING_MINUTES), SHARING_ROWS),
    )
    if alternates([serial for (serial,) in recent if serial is not None]):
        record_sharing(db, origin, Told("the serial number alternates"))


def status(db: UnitOfWork, origin: Origin, report: ReportedStatus) -> None:
    """Store a StatusNotification: as a row if it is a change, as the present status unless that is
    newer."""
    # a charger may invent connector numbers without end
    is_shown = 0 <= report.connector <= HIGHEST_CONNECTOR
    present = _present(db, origin.charger, report.connector) if is_shown else None
    alike = _alike(db, origin, report.moment) if _is_behind(report.moment) else []
    is_live = (
        not _is_behind(report.moment)
        or _shows_clock(origin, alike)
        or _fits_clock(db, origin, report.moment)
    )
    is_late = not is_live and present is not None and _is_older(origin, report, present)
    if not _count_repetition(db, origin, report, is_late):
        is_kept = db.count_fact(origin.charger, "StatusNotification", origin.received_at)
        if is_kept:
            _add(db, origin, report, is_late)
    if is_shown and report.moment.skew_seconds is not None:
        _keep_skew(db, origin, report, is_live)
    for waiting in alike if is_live else ():
        _take_waiting(db, origin, waiting)
    if is_shown and not is_late:
        _take(db, origin, report, present)


def _take(
    db: UnitOfWork, origin: Origin, report: ReportedStatus, present: _PresentStatus | None
) -> None:
    """Make a status the present one of its connector, with all that follows from it."""
    _set_present(db, origin, report)
    _follow_errors(db, origin, report)
    if present is None or (present.status, present.error_code) != (
        report.status,
        report.error_code,
    ):
        _record_change(db, origin, report)
    if report.connector > 0:
        follow_free(db, origin, report.connector, report.status)
    if report.status in CHARGING:
        resume_connector(
            db, origin, report.connector, Sign(Cause.SIGN, report.status, report.moment)
        )


# Which status is newer: a charger that was away sends old ones late. What follows a status (errors,
# reservations, alarms, outcomes of commands) follows this order.


def _is_older(origin: Origin, report: ReportedStatus, present: _PresentStatus) -> bool:
    """Whether a status is older than the present one, by the charger's own times.

    The first one after a boot or a reconnect is never older: those have ended the belief in the
    present one's time.
    """
    is_comparable = report.moment.is_believable and present.is_believable
    return is_comparable and _since(origin, report) < (present.status_at or "")


def _is_behind(moment: Moment) -> bool:
    """Whether a believable time is behind its receipt: its message waited, or was dated by an
    earlier event, or the clock is behind."""
    return moment.is_believable and -(moment.skew_seconds or 0) > CLOCK_SECONDS


def _shows_clock(origin: Origin, alike: Sequence[_StoredStatus]) -> bool:
    """Whether the clock is behind: a status that came earlier lagged by as much. The lag of an old
    event grows."""
    before = shifted_stamp(origin.received_at, timedelta(seconds=-CLOCK_SECONDS))
    return any(kept.received_at <= before for kept in alike)


def _fits_clock(db: UnitOfWork, origin: Origin, moment: Moment) -> bool:
    """Whether a clock that was behind still is, or by an hour more, as a local one in autumn:
    hardly any message waits for just as long."""
    known = clock_skew(db, origin.charger).total_seconds()
    more = known - (moment.skew_seconds or 0)
    return known < -CLOCK_SECONDS and min(abs(more), abs(more - HOUR)) <= SAME_BEHIND_SECONDS


def _alike(db: UnitOfWork, origin: Origin, moment: Moment) -> list[_StoredStatus]:
    """Return the latest statuses of this connection, of the shown connectors, that lagged by as
    much when they came. What waited before an earlier one may by chance have waited for as long."""
    shown = db.rows("SELECT conn_id FROM cp_conn WHERE cp_id = ?", (origin.charger,))
    rows = [
        _StoredStatus(*row)
        for (connector,) in ((0,), *shown)
        for row in db.rows(_NEWEST_ROWS, (origin.charger, connector, NEWEST_STATUSES))
    ]
    skew = moment.skew_seconds or 0
    here = (kept for kept in rows if kept.session == origin.session)
    return [kept for kept in here if abs(kept.skew_seconds - skew) <= SAME_BEHIND_SECONDS]


def _take_waiting(db: UnitOfWork, origin: Origin, kept: _StoredStatus) -> None:
    """Take a status that looked older because the clock had been set back, if none of its connector
    came after it."""
    newest = "SELECT max(id) FROM status WHERE cp_id = ? AND conn_id = ?"
    if not kept.is_late or (kept.id,) != db.row(newest, (origin.charger, kept.connector)):
        return
    db.execute("UPDATE status SET is_late = 0 WHERE id = ?", (kept.id,))
    _take(db, origin, kept.report, _present(db, origin.charger, kept.connector))


_NEWEST_ROWS: Final = (
    "SELECT id, received_at, is_late, conn_id, status, error_code, info, vendor_id, "
    "vendor_error_code, timestamp, sent_timestamp, session_id "
    "FROM status WHERE cp_id = ? AND conn_id = ? "
    "ORDER BY id DESC LIMIT ?"
)


class _StoredStatus(NamedTuple):
    """A stored status."""

    id: int
    received_at: str
    is_late: int
    connector: int
    status: str
    error_code: str
    info: str | None
    vendor_id: str | None
    vendor_error_code: str | None
    timestamp: str
    sent_timestamp: str | None
    session: int

    @property
    def skew_seconds(self) -> int:
        return round(seconds(self.timestamp) - seconds(self.received_at))

    @property
    def report(self) -> ReportedStatus:
        moment = Moment(self.timestamp, self.sent_timestamp, True, self.skew_seconds)
        return ReportedStatus(*self[3:9], moment)


_LAST: Final = (
    "SELECT id, status, error_code, info, vendor_id, vendor_error_code, is_late "
    "FROM (SELECT * FROM status WHERE cp_id = ?1 AND conn_id = ?2 ORDER BY id DESC LIMIT 1) "
    "AS newest WHERE is_late = 1 OR NOT EXISTS (SELECT 1 FROM cp_conn AS present "
    "WHERE cp_id = ?1 AND conn_id = ?2 AND conn_id > 0 AND (present.status <> newest.status "
    "OR present.error_code <> newest.error_code) UNION ALL SELECT 1 FROM cp AS present "
    "WHERE present.id = ?1 AND ?2 = 0 AND (present.status <> newest.status "
    "OR present.error_code <> newest.error_code))"
)
"""The last status, if it is stored: beyond the daily ceiling, a change is only counted."""


def _count_repetition(
    db: UnitOfWork, origin: Origin, report: ReportedStatus, is_late: bool
) -> bool:
    """Count a status that repeats the last one; return whether it does."""
    last = db.row(_LAST, (origin.charger, report.connector))
    reported = (
        report.status,
        report.error_code,
        report.info,
        report.vendor_id,
        report.vendor_error_code,
        is_late,
    )
    if last is None or tuple(last[1:]) != reported:
        return False
    count = "UPDATE status SET count = count + 1, last_received_at = ? WHERE id = ?"
    db.execute(count, (origin.received_at, last[0]))
    return True


def _add(db: UnitOfWork, origin: Origin, report: ReportedStatus, is_late: bool) -> None:
    db.execute(
        "INSERT INTO status (cp_id, conn_id, session_id, received_at, timestamp, sent_timestamp, "
        "status, error_code, info, vendor_id, vendor_error_code, last_received_at, is_late) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            origin.charger,
            report.connector,
            origin.session,
            origin.received_at,
            report.moment.understood,
        )
        + (
            report.moment.sent,
            report.status,
            report.error_code,
            report.info,
            report.vendor_id,
            report.vendor_error_code,
        )
        + (origin.received_at, is_late),
    )


@record(kw_only=False)
class _PresentStatus:
    status: str
    error_code: str | None
    status_at: str | None
    is_believable: bool


def _present(db: UnitOfWork, charger: str, connector: int) -> _PresentStatus | None:
    columns = "SELECT status, error_code, status_at, status_believable FROM"
    if connector == 0:
        found = db.row(f"{columns} cp WHERE id = ?", (charger,))
    else:
        found = db.row(f"{columns} cp_conn WHERE cp_id = ? AND conn_id = ?", (charger, connector))
    return _PresentStatus(*found) if found else None


def _since(origin: Origin, report: ReportedStatus) -> str:
    """Return since when a status holds, never later than its receipt: after a correction of the
    charger's clock, the following statuses would otherwise look older."""
    return min(report.moment.understood, origin.received_at)


def _keep_skew(db: UnitOfWork, origin: Origin, report: ReportedStatus, is_live: bool) -> None:
    """Store the clock skew. A status that may be late shows only how far the clock is behind at
    most."""
    skew, charger = report.moment.skew_seconds, origin.charger
    if is_live:
        db.execute("UPDATE cp SET clock_skew_seconds = ? WHERE id = ?", (skew, charger))
    else:
        less = (
            "UPDATE cp SET clock_skew_seconds = ? "
            "WHERE id = ? AND coalesce(clock_skew_seconds, ?) <= ?"
        )
        db.execute(less, (skew, charger, skew, skew))
    judge_by_late_message(db, origin, report.moment)


def _set_present(db: UnitOfWork, origin: Origin, report: ReportedStatus) -> None:
    at, since = origin.received_at, _since(origin, report)
    # what a newer connection says counts first
    is_compared = report.moment.is_believable and not has_newer(db, origin)
    if report.connector == 0:
        db.execute(
            "UPDATE cp "
            "SET status = ?, error_code = ?, status_at = ?, status_believable = ?, updated_at = ? "
            "WHERE id = ?",
            (report.status, report.error_code, since, is_compared, at, origin.charger),
        )
        return
    db.execute(
        "INSERT INTO cp_conn (cp_id, conn_id, status, error_code, vendor_error_code, status_at, "
        "status_believable, created_at, updated_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (cp_id, conn_id) DO UPDATE "
        "SET status = excluded.status, error_code = excluded.error_code, "
        "vendor_error_code = excluded.vendor_error_code, status_at = excluded.status_at, "
        "status_believable = excluded.status_believable, updated_at = excluded.updated_at",
        (
            origin.charger,
            report.connector,
            report.status,
            report.error_code,
            report.vendor_error_code,
        )
        + (since, is_compared, at, at),
    )


def _record_change(db: UnitOfWork, origin: Origin, report: ReportedStatus) -> None:
    end_unusable(db, origin, report.connector, report.status)
    commands.compare_availability(db, origin, report.connector)
    db.record(
        StatusChanged(
            charger=origin.charger,
            at=origin.received_at,
            connector=report.connector,
            status=report.status,
            error_code=report.error_code,
        ),
        origin.session,
    )


def _follow_errors(db: UnitOfWork, origin: Origin, report: ReportedStatus) -> None:
    connector = report.connector or None  # as in Levity, NULL is the charger itself
    if report.error_code == NO_ERROR:
        resolve = (
            "UPDATE cp_err SET resolved_at = max(timestamp, ?) "
            "WHERE cp_id = ? AND conn_id IS ? AND resolved_at IS NULL"
        )
        if count := db.changed(resolve, (report.moment.understood, origin.charger, connector)):
            at, charger = origin.received_at, origin.charger
            resolved = ErrorsResolved(
                charger=charger, at=at, connector=report.connector, count=count
            )
            db.record(resolved, origin.session)
    elif not _is_open(db, origin, connector, report):
        _open_error(db, origin, connector, report)


def _is_open(db: UnitOfWork, origin: Origin, connector: int | None, report: ReportedStatus) -> bool:
    same = db.row(
        "SELECT 1 FROM cp_err "
        "WHERE cp_id = ? AND conn_id IS ? AND error_code = ? AND vendor_error_code IS ? "
        "AND resolved_at IS NULL",
        (origin.charger, connector, report.error_code, report.vendor_error_code),
    )
    return same is not None


def _open_error(
    db: UnitOfWork, origin: Origin, connector: int | None, report: ReportedStatus
) -> None:
    is_warning = report.status != "Faulted"  # §4.9
    fact = ErrorOpened(
        charger=origin.charger,
        at=origin.received_at,
        connector=report.connector,
        error_code=report.error_code,
        vendor_error_code=report.vendor_error_code,
        is_warning=is_warning,
    )
    if not db.record(fact, origin.session):
        return
    db.execute(
        "INSERT INTO cp_err (cp_id, conn_id, session_id, error_code, vendor_error_code, "
        "error_description, vendor_error_info, is_warning, timestamp, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            origin.charger,
            connector,
            origin.session,
            report.error_code,
            report.vendor_error_code,
            report.info,
        )
        + (report.vendor_id, is_warning, report.moment.understood, origin.received_at),
    )
