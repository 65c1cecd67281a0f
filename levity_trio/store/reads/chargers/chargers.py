"""Chargers: a list of them, one with its connectors, their stations, and what is shown of those
that are served.

Then what a charger told and did, newest first: boots, statuses, faults, repairs, habits, our
commands with their answers, and its connections, here and at other servers, with how much of the
time it was connected. At the end stands what follows a charger to the one that takes its place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, NamedTuple

from levity_trio import nouns
from levity_trio.charging.lifecycle import Cause
from levity_trio.charging.sent.evidence import seconds
from levity_trio.records import ForOperators, in_order, noun, record
from levity_trio.store.cases.case import OF_SISTERS
from levity_trio.store.cases.transaction import LAST_TIME
from levity_trio.store.engine.database import Database, Rows, marks, rows_of
from levity_trio.store.lookups.connectors import connector_numbers
from levity_trio.store.reads.pages import (
    Branch,
    ListKeys,
    ListPage,
    Shape,
    WantedPage,
    WhereCondition,
    by_name,
    equal,
    given,
    read_page,
    where,
)
from levity_trio.told import N_, Told
from levity_trio.wire.times import shifted_stamp

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
_CHARGER: Final = Shape(
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
    page = read_page(db, listing, wanted, _CHARGER.by_id(db, "cp"))
    return replace(page, data=[_with_connectors(db, one) for one in page.data])


def names(db: Database) -> dict[str, str]:
    """Return what people call the visible chargers: their names, or identities, in this order."""
    rows = db.execute(
        f"SELECT id, coalesce(nullif(name, ''), id) FROM cp WHERE NOT {_HIDDEN} ORDER BY id"  # noqa: S608 - our own words
    ).fetchall()
    return dict(sorted(rows, key=lambda row: in_order(row[1])))


def charger(db: Database, identity: str) -> Charger | None:
    """Return one charger, also a hidden one."""
    found = _CHARGER.one(db, "FROM cp WHERE id = ?", (identity,))
    return None if found is None else _with_connectors(db, found)


def chargers_among(db: Database, identities: Sequence[str]) -> list[Charger]:
    """Return these chargers in their order, within a read that has begun."""
    load = _CHARGER.by_id(db, "cp")
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
_NEWEST_COMMAND: Final = (
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


def open_faults(db: Database) -> dict[Place, OpenFault]:
    """Return the newest open error of each connector."""
    found = db.execute(_FAULTS).fetchall()
    return {(charger, connector): OpenFault(*rest) for charger, connector, *rest in found}


def holds_since(status: str | None, status_at: str | None, fault: OpenFault | None) -> str | None:
    """Return since when a status holds. A charger that comes back reports its fault again; it has
    had it all along."""
    return status_at if fault is None or status != FAULTED else fault.since


def statuses_now(db: Database, chargers: Sequence[KnownCharger]) -> dict[Place, StatusNow]:
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
    return _LAST_COMMAND.one(db, _NEWEST_COMMAND, (since, failed_since, charger))


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
        numbers = (
            connector_numbers(rows_of(db), charger, "status") if connector is None else [connector]
        )
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
    conditions = f"transactions > 0 AND revoked_at IS {'' if is_valid else 'NOT '}NULL"
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


_CALL: Final = Shape(Command, transaction="outcome_tx_id").with_texts("outcome_words")
_CALL_BY_NUMBER: Final = f"SELECT {_CALL.columns} FROM command WHERE id = ?"  # noqa: S608 - our own names


def commands(db: Database, charger: str | None, wanted: WantedPage) -> ListPage[Command]:
    """Return a page of commands, the newest first. Raises NoPage."""
    return _CALL.page(db, "command", charger, wanted)


def command(db: Database, number: int) -> Command | None:
    """Return one command."""
    return command_in(rows_of(db), number)


def command_in(rows: Rows, number: int) -> Command | None:
    """Return one command, also within a write."""
    found = rows(_CALL_BY_NUMBER, (number,))
    return _CALL.read(found[0]) if found else None


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


_MOVES: Final = (
    ("SELECT name FROM cp WHERE id = ?1 AND name IS NOT NULL", N_("the name {1}")),
    ("SELECT name FROM space WHERE cp_id = ?1 ORDER BY conn_id", N_("the space {1}")),
    (
        (
            "SELECT account.name FROM ownership JOIN account ON account.id = account_id "
            "WHERE what = 'space' AND key = ?1 AND voided_at IS NULL "
            "AND coalesce(ownership.until, '9999') > ?2 ORDER BY ownership.id"
        ),
        N_("the household {1}, from now on"),
    ),
    (
        (
            "SELECT name FROM tariff_assignment JOIN tariff ON tariff.id = tariff_id "
            "WHERE scope = 'charger' AND key = ?1 ORDER BY since DESC, "
            "tariff_assignment.id DESC "
            "LIMIT 1"
        ),
        N_("the tariff {1}, from today on"),
    ),
    (
        (
            "SELECT name FROM configuration_template WHERE ended_at IS NULL "
            "AND EXISTS (SELECT 1 FROM json_each(chargers) WHERE value = ?1) ORDER BY name"
        ),
        N_("the template {1}"),
    ),
    (
        (
            "SELECT coalesce(account.name, usage_limit.id_tag) FROM usage_limit LEFT "
            "JOIN account ON what = 'account' AND account.id = CAST(key AS INTEGER) "
            "WHERE usage_limit.id IN (SELECT max(id) FROM usage_limit GROUP BY what, key) "
            "AND EXISTS (SELECT 1 FROM json_each(chargers) WHERE value = ?1) "
            "ORDER BY usage_limit.id"
        ),
        N_("where {1} may charge"),
    ),
    (
        (
            "SELECT name FROM meter JOIN meter_charger ON meter_id = meter.id "
            "WHERE cp_id = ?1 ORDER BY name"
        ),
        N_("the house meter {1}, which keeps the old charger, too"),
    ),
    (
        "SELECT conn_id FROM connector_data WHERE cp_id = ?1 GROUP BY conn_id",
        N_("what is known of connector {1}"),
    ),
    (
        "SELECT 1 FROM load_charger WHERE cp_id = ?1",
        N_("its place in load management, which limits it from now on"),
    ),
)
_OPEN: Final = "SELECT id FROM tx WHERE cp_id = ? AND status = 'Active' ORDER BY id"


@record
class Replacement:
    """What follows a charger (`moves`), and its open sessions, which stay with it like all before
    them."""

    charger: str
    name: str | None
    moves: list[str]
    open_sessions: list[int]


def replacement(db: Database, charger: str, now: str) -> Replacement | None:
    """Return what follows a charger to one that takes its place; None if there is no such one."""
    known = db.execute("SELECT name FROM cp WHERE id = ?", (charger,)).fetchone()
    if known is None:
        return None
    moves: list[str] = []
    for sql, words in _MOVES:
        values = (charger, now) if "?2" in sql else (charger,)
        rows = db.execute(sql, values).fetchall()
        moves += [Told(words, value) for (value,) in rows]
    found = db.execute(_OPEN, (charger,)).fetchall()
    open_sessions = [number for (number,) in found]
    return Replacement(charger=charger, name=known[0], moves=moves, open_sessions=open_sessions)


class NewSerial(NamedTuple):
    """A charger that tells another serial number than before, and nobody has said whether it is
    another charger."""

    charger: str
    earlier: str
    serial: str
    at: str


def new_serials(db: Database, charger: str | None = None) -> list[NewSerial]:
    """Return which chargers may be others than before; those of one, if it is given."""
    sql = (
        "SELECT cp_id, earlier, serial, at FROM serial_change "
        "WHERE answered_at IS NULL AND cp_id = coalesce(?, cp_id) ORDER BY cp_id, id"
    )
    return [NewSerial(*row) for row in db.execute(sql, (charger,)).fetchall()]


def meter_pairs(db: Database) -> list[tuple[str, str, str]]:
    """Return which two chargers may share a meter, and since when a person is asked."""
    sql = (
        "SELECT cp_id, other_cp_id, min(at) FROM meter_pair "
        "GROUP BY cp_id, other_cp_id HAVING max(is_one) IS NULL ORDER BY cp_id, other_cp_id"
    )
    return db.execute(sql).fetchall()


def successor(db: Database, charger: str) -> str:
    """Return the charger that is in the place of this one now: its label may still be there."""
    found = db.execute("SELECT replaced_by FROM cp WHERE id = ?", (charger,)).fetchone()
    if found is None or found[0] is None:
        return charger
    return successor(db, found[0])
