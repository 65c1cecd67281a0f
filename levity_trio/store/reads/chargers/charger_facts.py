"""What chargers told about themselves, newest first: boots, statuses, faults, repairs and habits;
our commands and answers.
"""

from __future__ import annotations

from typing import Any, Final

from levity_trio.records import ForOperators, record
from levity_trio.store.cases.case import OF_SISTERS
from levity_trio.store.cases.transaction import LAST_TIME
from levity_trio.store.engine.database import Database, Rows, rows_of
from levity_trio.store.lookups.connectors import connectors
from levity_trio.store.reads.pages import (
    Branch,
    ListKeys,
    ListPage,
    WantedPage,
    equal,
    given,
    read_page,
    where,
)
from levity_trio.store.reads.shapes import Shape


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
