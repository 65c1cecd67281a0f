"""What chargers told about themselves, newest first: boots, statuses, faults, repairs and habits;
our commands and answers; and links: the connections of chargers, here and at other servers, and how
much of the time a charger was connected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from levity_trio.charging.lifecycle import Cause
from levity_trio.charging.sent.evidence import seconds
from levity_trio.records import ForOperators, record
from levity_trio.store.cases.case import OF_SISTERS
from levity_trio.store.cases.transaction import LAST_TIME
from levity_trio.store.engine.database import Database, Rows, rows_of
from levity_trio.store.lookups.connectors import connectors
from levity_trio.store.reads.pages import (
    Branch,
    ListKeys,
    ListPage,
    Shape,
    WantedPage,
    equal,
    given,
    read_page,
    where,
)
from levity_trio.told import N_
from levity_trio.wire.times import shifted_stamp


@record
class Boot:
    """A BootNotification, and our answer to it."""

    id: int
    charger: str
    session: int
    received_at: str
    vendor: str | None
    model: str | None
    serial_number: str | None
    charge_box_serial_number: str | None
    firmware_version: str | None
    iccid: str | None
    imsi: str | None
    meter_type: str | None
    meter_serial_number: str | None
    answer: str
    heartbeat_interval: int


@record
class StatusReport:
    """A change of a status; `count` is how often it was reported. Connector 0 is the charger
    itself."""

    id: int
    charger: str
    connector: int
    session: int
    received_at: str
    timestamp: str
    sent_timestamp: str | None
    status: str
    error_code: str
    info: str | None
    vendor_id: str | None
    vendor_error_code: str | None
    count: int
    last_received_at: str


@record
class Fault:
    """An error code that a charger reported. A warning had a status other than Faulted (§4.9)."""

    id: int
    charger: str
    connector: int | None
    error_code: str
    vendor_error_code: str | None
    error_description: str | None
    vendor_error_info: str | None
    is_warning: bool
    timestamp: str
    resolved_at: str | None
    created_at: str


@record
class Repair:
    """Messages of one kind that violated OCPP and were repaired, with the first as a sample."""

    charger: str
    firmware: str
    kind: str
    count: int
    first_at: str
    last_at: str
    sample: str


@record
class Habit:
    """What a charger always does with one firmware and one meter. `kind` is a review code, ceiling
    (its W), or power_too_high. Since `asks_since`, a person wants to be asked about each session
    that shows it."""

    id: int
    charger: str
    connector: int
    firmware: str
    meter_serial: str
    kind: str
    value: int | None
    transactions: int
    since: str
    last_at: str
    asks_since: str | None
    asks_by: ForOperators[str | None]
    revoked_at: str | None
    revoked_by: ForOperators[str | None]
    reason: ForOperators[str | None]


@record
class SetAsideMessage:
    """A message that could not be matched or handled, as sent."""

    id: int
    charger: str
    session: int
    received_at: str
    action: str
    message_id: str
    payload: Any
    reason: str
    transaction: int | None
    count: int
    last_received_at: str
    looked_at: str | None


_BOOT: Final = Shape(Boot)
_STATUS: Final = Shape(StatusReport)
_FAULT: Final = Shape(Fault)
_REPAIR: Final = Shape(Repair)
_HABIT: Final = Shape(Habit)
SET_ASIDE_ROW: Final = Shape(SetAsideMessage).beside(reason="told")


def boots(db: Database, charger: str | None, wanted: WantedPage) -> ListPage[Boot]:
    return _BOOT.page(db, "boot", charger, wanted)


def statuses(
    db: Database, charger: str | None, connector: int | None, wanted: WantedPage
) -> ListPage[StatusReport]:
    """Return the changes of statuses: all, or those of a charger or of one of its connectors."""
    branches = [Branch("status")]
    if charger is not None:
        numbers = connectors(rows_of(db), charger, "status") if connector is None else [connector]
        branches = [Branch("status", [equal(cp_id=charger, conn_id=one)]) for one in numbers]
    return read_page(db, ListKeys(branches), wanted, _STATUS.by_id(db, "status"))


def faults(
    db: Database, charger: str | None, wanted: WantedPage, *, is_open: bool = False
) -> ListPage[Fault]:
    """Return the faults and warnings, or only those that are open."""
    if is_open:
        source = "cp_err INDEXED BY cp_err_open"
        return _FAULT.page(db, source, charger, wanted, "resolved_at IS NULL")
    return _FAULT.page(db, "cp_err", charger, wanted)


def set_aside(
    db: Database, charger: str | None, wanted: WantedPage, *, is_waiting: bool = False
) -> ListPage[SetAsideMessage]:
    """Return the messages set aside, or only those that no person has looked at."""
    if is_waiting:
        source = "set_aside INDEXED BY set_aside_waiting"
        return SET_ASIDE_ROW.page(db, source, charger, wanted, "looked_at IS NULL")
    return SET_ASIDE_ROW.page(db, "set_aside", charger, wanted)


def repairs(db: Database, charger: str | None) -> list[Repair]:
    """Return all repairs, the last first. Their number does not grow: they are counted by kind and
    firmware."""
    of_whom, values = where(given(("cp_id = ?", charger)))
    return _REPAIR.every(
        db, f"FROM repair{of_whom} ORDER BY last_at DESC, cp_id, kind, firmware", values
    )


def habits(db: Database, charger: str | None, *, is_valid: bool = True) -> list[Habit]:
    """Return the habits that hold, or those that were revoked, the newest first; of a charger, also
    those that hold because its sisters proved them."""
    conditions = f"revoked_at IS {'' if is_valid else 'NOT '}NULL"
    of_whom = (
        f" AND (cp_id = ?1 OR id IN (SELECT habit.id{OF_SISTERS}))" if charger is not None else ""
    )
    values = () if charger is None else (charger, LAST_TIME)
    return _HABIT.every(db, f"FROM habit WHERE {conditions}{of_whom} ORDER BY id DESC", values)


@record
class Command:
    """A CALL of ours. `payload` and `answer` are OCPP's JSON; secrets in them are masked.

    `outcome` is what later facts tell, `outcome_until` is until when they are waited for;
    `transaction` is the one that it began or ended.
    """

    id: int
    charger: str
    session: int | None
    action: str
    payload: Any
    state: str
    asked_by: str | None
    requested_at: str
    sent_at: str | None
    answered_at: str | None
    is_late: bool
    answer: Any
    error_code: str | None
    error_description: str | None
    timeout_seconds: float | None
    deadline_at: str | None
    outcome: str | None
    outcome_words: str | None
    outcome_at: str | None
    outcome_until: str | None
    transaction: int | None


_SHAPE: Final = Shape(Command, transaction="outcome_tx_id").with_texts("outcome_words")
_COMMAND: Final = f"SELECT {_SHAPE.columns} FROM command WHERE id = ?"  # noqa: S608 - our own names


def commands(db: Database, charger: str | None, wanted: WantedPage) -> ListPage[Command]:
    """Return a page of commands, the newest first. Raises NoPage."""
    return _SHAPE.page(db, "command", charger, wanted)


def command(db: Database, number: int) -> Command | None:
    """Return one command."""
    return command_in(rows_of(db), number)


def command_in(rows: Rows, number: int) -> Command | None:
    """Return one command, also within a write."""
    found = rows(_COMMAND, (number,))
    return _SHAPE.read(found[0]) if found else None


def habit(db: Database, number: int) -> Habit | None:
    """Return a habit."""
    return _HABIT.one(db, "FROM habit WHERE id = ?", (number,))


ABNORMAL: Final = 1006
"""The close code of a connection that ended without one (RFC 6455 §7.4.1)."""
SERVER_ENDED: Final = Cause.SERVER_ENDED.value
"""The server ended without closing its sessions (kill -9, power loss), at an unknown time."""
STOPPING: Final = N_("the server is stopping")
OWN_REASONS: Final = N_(
    (
        *("the server ended", STOPPING, "replaced by a newer connection"),
        *(
            "the connection failed",
            "the database cannot be written",
            "this server was silent for too long",
        ),
        *("this charger is refused", "a trial of load management cuts this link for a few minutes"),
    )
)
"""Why this server ended connections. Another reason is the charger's."""
NO_OUTAGES: Final = (SERVER_ENDED, Cause.STOP_UNREADABLE.value)
"""Causes of a suspension other than the charger's absence."""


@record
class Link:
    """A connection. `is_end_known` is False if the server died first: it ended at some time before
    `ended_at`."""

    id: int
    charger: str
    remote_address: ForOperators[str | None]
    target: str
    subprotocol: str | None
    connected_at: str
    ended_at: str | None
    is_end_known: bool
    close_code: int | None
    close_reason: str | None
    is_clock_trusted: bool


@record
class Uptime:
    """How long a charger was connected between two times, in seconds.

    `unknown_seconds` of it lie in connections that ended at an unknown time, because the server
    died first. `share` is that of the time since the charger has been known.
    """

    charger: str
    since: str
    until: str
    links: int
    connected_seconds: int
    unknown_seconds: int
    share: float | None


_LINK: Final = Shape(
    Link, is_end_known=f"close_reason IS NOT '{SERVER_ENDED}'", is_clock_trusted="clock_trusted"
).with_own(OWN_REASONS, "close_reason")
_WITHIN: Final = (
    "SELECT connected_at, coalesce(ended_at, ?2), close_reason IS ?3 FROM session"
    " WHERE cp_id = ?1 AND connected_at < ?2 AND imported_from IS NULL ORDER BY id DESC"
)


def links(db: Database, charger: str | None, wanted: WantedPage) -> ListPage[Link]:
    """Return a page of connections, the newest first. Raises NoPage."""
    return _LINK.page(db, "session", charger, wanted, "imported_from IS NULL")


def uptimes(db: Database, charger: str | None, since: str, until: str) -> list[Uptime]:
    """Return how long a charger, or each visible one, was connected between two times. Connections
    may overlap."""
    which = "id NOT IN (SELECT id FROM hidden_cp)" if charger is None else "id = ?"
    known = db.execute(
        f"SELECT id, created_at FROM cp WHERE {which} ORDER BY id",  # noqa: S608 - our own words
        () if charger is None else (charger,),
    ).fetchall()
    found: list[Uptime] = []
    long_before = shifted_stamp(since, timedelta(days=-1))
    for one, created_at in known:
        # One that was replaced may end after the one that replaced it, but not a day later.
        links: list[tuple[str, str, int]] = []
        for begun, ended, is_unknown in db.execute(_WITHIN, (one, until, SERVER_ENDED)):
            if ended > since:
                links.append((max(begun, since), min(ended, until), is_unknown))
            elif ended < long_before:
                break
        connected = _covered((begun, ended) for begun, ended, _ in links)
        unknown = _covered((begun, ended) for begun, ended, is_unknown in links if is_unknown)
        span = seconds(until) - seconds(max(since, created_at))
        uptime = Uptime(
            charger=one,
            since=since,
            until=until,
            links=len(links),
            connected_seconds=round(connected),
            unknown_seconds=round(unknown),
            share=min(1.0, round(connected / span, 6)) if span > 0 else None,
        )
        found.append(uptime)
    return found


def _covered(spans: Iterable[tuple[str, str]]) -> float:
    """Return the seconds that lie in at least one of these spans."""
    covered, reached = 0.0, 0.0
    for begun, ended in sorted((seconds(begun), seconds(ended)) for begun, ended in spans):
        covered += max(0.0, ended - max(begun, reached))
        reached = max(reached, ended)
    return covered


_ELSEWHERE: Final = (
    "SELECT cp.id, session.id FROM cp "
    "JOIN session ON session.id = cp.session_id "
    "JOIN run ON run.id = session.run_id "
    "WHERE cp.is_connected = 1 AND session.ended_at IS NULL AND run.server <> ? "
    "ORDER BY cp.id"
)


def sessions_elsewhere(db: Database, server: str) -> Mapping[str, int]:
    """Return the sessions of chargers that are connected to servers other than this one, by
    charger."""
    return dict(db.execute(_ELSEWHERE, (server,)).fetchall())
