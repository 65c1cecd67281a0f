"""Closing by the system: transactions whose own stop does not come (rules.md, Transactions, Energy).

A new start on its connector ends an older one; a suspended one ends when its connector is available, or when its
charger was connected for long without a sign of it. What it delivered is shown by its last reading of the billed
register, and a person should look; the charger's own stop, however late, takes the place of all of this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from levity_trio.charging.energy import CERTAIN, DOUBTFUL, Energy, Reading, Span, seconds_between, shown
from levity_trio.charging.moments import Moment
from levity_trio.events import TransactionClosed
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.chargers import CHARGING
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.sessions import SERVER_ENDED
from levity_trio.store.writes.transactions.history import Step, add_step
from levity_trio.store.writes.transactions.neighbours import compare_neighbours, following
from levity_trio.store.writes.transactions.starts import Opening, started_before
from levity_trio.store.writes.transactions.stops import longest_seconds, power_w, register, told_registers
from levity_trio.store.writes.transactions.suspensions import CLOSED

OTHER, REBOOT = "Other", "Reboot"
LONGEST_ABSENCE_SECONDS = 7 * 24 * 3600
NO_STOP = "nothing tells what came after its last reading"


class _Cause(NamedTuple):
    """Why a transaction is closed: a reason as in StopTransaction.req, in words, and when it had ended at the latest.

    `next_meter` is the register in Wh at which the next one begins.
    """

    reason: str
    words: str
    at: str
    next_meter: int | None = None


class _Open(NamedTuple):
    """An open transaction: times as the database spells them, registers in Wh."""

    id: int
    session: int
    connector: int | None
    start_time: str
    start_skew: int | None
    created_at: str
    suspended_at: str | None
    last_reading_at: str | None
    meter_start: int | None
    review: str | None


_OPEN = (
    "SELECT id, session_id, conn_id, start_time, start_skew_seconds, created_at, suspended_at, last_reading_at,"
    " meter_start, review FROM tx WHERE cp_id = ? AND status = 'Active'"
)


def close_before_start(db: UnitOfWork, origin: Origin, opening: Opening) -> None:
    """Close what is open on the connector of a start that is about to be stored; what began later stays open."""
    if started_before(db, origin, opening):
        return
    words = f"a transaction began on its connector at {opening.meter_start} Wh"
    cause = _Cause(OTHER, words, opening.moment.understood, opening.meter_start)
    # +: by the few that are open (tx_open), not by all that its connector ever had.
    older = f"{_OPEN} AND +conn_id = ? AND +start_time <= ? ORDER BY start_time, id"
    for row in db.rows(older, (origin.charger, opening.connector, opening.moment.understood)):
        _close(db, origin, _Open(*row), cause)


def close_available(db: UnitOfWork, origin: Origin, connector: int, moment: Moment) -> None:
    """Close what is suspended on a connector that is available since `moment`, if that is newer than its last sign."""
    if not moment.is_believable:
        return
    charging = db.row(
        "SELECT status, status_at FROM cp_conn WHERE cp_id = ? AND conn_id = ?", (origin.charger, connector)
    )
    charging_at = charging[1] if charging and charging[0] in CHARGING else ""
    cause = _Cause(REBOOT, "its connector is available", moment.understood)
    for row in db.rows(f"{_OPEN} AND +conn_id = ? AND suspended_at IS NOT NULL", (origin.charger, connector)):
        suspended = _Open(*row)
        if moment.understood > max(suspended.start_time, suspended.last_reading_at or "", charging_at):
            _close(db, origin, suspended, cause)


def close_silent(db: UnitOfWork, at: str, silent_seconds: float) -> None:
    """Close what is suspended where its charger was connected for so long since, or is away for a week.

    A sign of the transaction would have resumed it.
    """
    for charger, session in db.rows(
        "SELECT DISTINCT tx.cp_id, cp.session_id FROM tx JOIN cp ON cp.id = tx.cp_id"
        " WHERE tx.status = 'Active' AND suspended_at IS NOT NULL"
    ):
        origin = Origin(charger, session, at)
        for row in db.rows(f"{_OPEN} AND suspended_at IS NOT NULL", (charger,)):
            suspended = _Open(*row)
            if words := _silence(db, origin, suspended, silent_seconds):
                _close(db, origin, suspended, _Cause(REBOOT, words, at))


def _silence(db: UnitOfWork, origin: Origin, suspended: _Open, silent_seconds: float) -> str | None:
    since = suspended.suspended_at or origin.received_at
    if _connected_seconds(db, origin, suspended.session, since) >= silent_seconds:
        return f"no sign of it in {silent_seconds / 60:g} minutes of connection"
    if seconds_between(since, origin.received_at) >= LONGEST_ABSENCE_SECONDS:
        return "no sign of it in a week"
    return None


def _connected_seconds(db: UnitOfWork, origin: Origin, first_session: int, since: str) -> float:
    """How long the charger was connected since then, as far as that is certain.

    Nobody knows when a connection ended that a crash of ours cut, nor how long one was in which our clock was not set.
    """
    connected = db.rows(
        "SELECT connected_at, coalesce(ended_at, ?) FROM session WHERE cp_id = ? AND id >= ? AND clock_trusted = 1"
        " AND coalesce(close_reason, '') <> ? ORDER BY id",
        (origin.received_at, origin.charger, first_session, SERVER_ENDED),
    )
    seconds = 0.0
    for begun, ended in connected:
        first = max(begun, since)
        if ended > first:
            seconds += seconds_between(first, ended)
            since = ended  # one that replaces another begins before the other's end
    return seconds


def _close(db: UnitOfWork, origin: Origin, found: _Open, cause: _Cause) -> None:
    registers = told_registers(db, _where(origin, found))
    energy = _bounded(db, found, cause, _shown(db, origin, found, registers))
    review = "; ".join(filter(None, (found.review, energy.review))) or None
    meter_stop = _meter_stop(found, energy, registers)
    _complete(db, origin, found, cause, energy, (meter_stop, review))
    add_step(db, origin, found.id, Step("close", "system", Moment(cause.at, None, True), cause.words))
    fact = TransactionClosed(
        charger=origin.charger,
        at=origin.received_at,
        transaction=found.id,
        connector=found.connector,
        energy_wh=energy.wh,
        method=energy.method,
        reason=cause.reason,
        cause=cause.words,
        review=review,
    )
    db.tell(fact, origin.session)
    compare_neighbours(db, origin, found.id)


def _where(origin: Origin, found: _Open) -> tuple[str, int, int, str]:
    return (origin.charger, found.connector or 0, found.id, min(found.start_time, found.created_at))


def _shown(db: UnitOfWork, origin: Origin, found: _Open, registers: Sequence[Reading]) -> Energy:
    last = max([found.start_time, *(time for time, _ in registers)])
    longest = longest_seconds(origin, Moment(last, None, True), found.start_time, found.start_skew, found.created_at)
    power = power_w(db, _where(origin, found))
    return shown(
        Span(found.start_time, last, register(found.meter_start), None, longest, power_w=power),
        registers,
    )


def _bounded(db: UnitOfWork, found: _Open, cause: _Cause, energy: Energy) -> Energy:
    """What the next start says to it: the register stands where this one ended, or it cannot have ended above.

    Equal zeros say nothing: some count each transaction from 0.
    """
    next_meter = _next_meter(db, found, cause)
    delivered_wh = None if next_meter is None or found.meter_start is None else next_meter - found.meter_start
    if next_meter and energy.wh == delivered_wh:
        return Energy(energy.wh, energy.method, CERTAIN)
    review = energy.review or NO_STOP
    wh = energy.wh
    if delivered_wh is not None and 0 < delivered_wh < wh:
        wh, review = delivered_wh, f"its readings tell {wh} Wh, the next start {delivered_wh} Wh"
    return Energy(wh, energy.method, DOUBTFUL, f"{CLOSED}: {review}")


def _next_meter(db: UnitOfWork, found: _Open, cause: _Cause) -> int | None:
    after = following(db, found.id)
    return register(after[1] if after else cause.next_meter)


def _meter_stop(found: _Open, energy: Energy, registers: Sequence[Reading]) -> int | None:
    """The register at which it ended, so that what is billed and what is unbilled until the next start add up."""
    meter_start = register(found.meter_start)
    if meter_start is not None:
        return meter_start + energy.wh
    return registers[-1][1] if registers else None


def _complete(
    db: UnitOfWork, origin: Origin, found: _Open, cause: _Cause, energy: Energy, stood: tuple[int | None, str | None]
) -> None:
    """It ended when it was last seen: the time of its suspension, or of what closes it."""
    lost_at = min(found.suspended_at or cause.at, cause.at)
    stop_time = max(found.start_time, found.last_reading_at or "", lost_at)
    db.execute(
        "UPDATE tx SET status = 'Completed', stopped_by = 'system', suspended_at = NULL, stop_time = ?, meter_stop = ?,"
        " review = ?, stop_reason = ?, energy_delivered = ?, energy_method = ?, confidence = ?, updated_at = ?"
        " WHERE id = ?",
        (stop_time, *stood, cause.reason, energy.wh, energy.method, energy.confidence, origin.received_at, found.id),
    )
    touch = "UPDATE cp SET last_tx_stop_at = max(coalesce(last_tx_stop_at, ''), ?), updated_at = ? WHERE id = ?"
    db.execute(touch, (stop_time, origin.received_at, origin.charger))
