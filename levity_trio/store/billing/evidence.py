"""The course of a charging session, as its bill needs it: when its energy flowed, and how long the
car stayed after it.

The judge says what the readings mean and when they were taken (levity_trio/charging). Here the
course of its figure is moved to our clock. A session within one window of one version, without a
fee for blocking, reads nothing.

A fee for blocking begins after the last evidence of energy. What is uncertain
never costs the neighbour money: energy that may have flowed later begins it later, and a time that
may be wrong does not count.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from fractions import Fraction
from functools import partial
from itertools import accumulate, groupby, islice
from operator import attrgetter
from typing import Final, NamedTuple

import orjson

from levity_trio.billing.money import half_up
from levity_trio.billing.pricing import (
    FlowLevel,
    FlowPower,
    PricePiece,
    SessionEvidence,
    Stay,
    Stretch,
    cut_by_quarter,
    pieces,
    quarter_seams,
)
from levity_trio.billing.tariff import Versions
from levity_trio.charging import tolerances
from levity_trio.charging.energy import Judgement, course_of, judge
from levity_trio.charging.lifecycle import Cause
from levity_trio.charging.propose.candidates import candidates
from levity_trio.charging.refute.bounds import Bounds
from levity_trio.charging.refute.figure import reported
from levity_trio.charging.sent.evidence import Case
from levity_trio.charging.sent.figures import CORRECTED, Chain
from levity_trio.operations.limits import Charging
from levity_trio.operations.limits import Rules as RulesInForce
from levity_trio.store.cases.case import AVAILABLE, case_of, fitting_course
from levity_trio.store.cases.neighbours import ChargerHistory
from levity_trio.store.cases.transaction import (
    LAST_ID,
    LAST_TIME,
    SYSTEM,
    StoredTransaction,
    find_transaction,
    span,
)
from levity_trio.store.engine.database import Rows
from levity_trio.store.lookups.load_spans import PRICE, spans_of
from levity_trio.wire.charging_profiles import VOLTS, Installed
from levity_trio.wire.times import from_seconds, stamp

FINE_WH: Final = 10
"""A register with larger steps does not show that nothing flows any more."""
CABLE_IS_OUT: Final = "EVDisconnected"
"""The reason of a stop that itself shows that the place is free (§7.36)."""
BY_THE_CAR: Final = frozenset({"Charging", "SuspendedEV"})
"""The car may take energy when such a status begins; how long the status lasts says nothing."""
NOT_BY_THE_CAR: Final = frozenset({"SuspendedEVSE", "Faulted", "Unavailable"})
ENDED: Final = frozenset({"SuspendedEV", "Finishing"})
"""While such a status lasts, the car takes nothing."""
LOCKED_IN: Final = "ConnectorLockFailure"
LEAST_AMPERES: Final = 6
"""No car charges with less (IEC 61851-1)."""
_AHEAD: Final = timedelta(seconds=tolerances.CLOCK_SECONDS)


class Needs(NamedTuple):
    """What the price of a session needs beside its energy."""

    course: bool
    """It crosses a seam of windows or versions, so readings divide its energy."""
    stay: bool
    """A version that holds has a fee for blocking."""
    seams: tuple[datetime, ...] = ()
    """Readings that are not next to one of these divide nothing, and are left out; without them,
    none is."""
    by_quarter: Sequence[PricePiece] = ()
    """The versions and windows that hold, if one of them asks for the energy of each quarter."""


class Billed(NamedTuple):
    """A transaction that has ended, or is billed as if it did: the times and the figure in Wh that
    are billed."""

    transaction: int
    since: datetime
    until: datetime
    wh: int
    is_as_told: bool = False
    """By the course that its charger told, even if it cannot be true."""


def needs(versions: Versions, since: datetime, until: datetime, zone: tzinfo) -> Needs:
    """Return what the price of a session between two times needs. Raises NoVersion."""
    found = pieces(versions, since, max(since, until), zone)
    has_fee = any(version.blocking is not None for version, _ in (one.holds for one in found))
    is_by_quarter = any(one.holds[0].is_by_quarter for one in found)
    cut = cut_by_quarter(found) if is_by_quarter else found
    seams = tuple(one.since for one in cut[1:])
    return Needs(bool(seams), has_fee, seams, found if is_by_quarter else ())


def course_between(rows: Rows, billed: Billed) -> tuple[Sequence[FlowLevel], Sequence[FlowPower]]:
    """Return the readings of register and power that divide the energy of a transaction between
    quarters of an hour."""
    tx = find_transaction(rows, billed.transaction)
    seams = quarter_seams(billed.since, billed.until)
    if tx is None or not seams:
        return (), ()
    return _divided(_course(rows, tx, billed), billed, seams)


def evidence_of(rows: Rows, billed: Billed, needed: Needs) -> SessionEvidence:
    """Return the evidence that the price of a transaction needs. Raises LookupError if there is no
    such transaction."""
    if not (needed.course or needed.stay):
        return SessionEvidence()
    tx = find_transaction(rows, billed.transaction)
    if tx is None:
        raise LookupError(billed.transaction)
    course = _course(rows, tx, billed)
    stay = _stay(rows, tx, billed, course) if needed.stay else None
    if not needed.course:
        return SessionEvidence(stay=stay)
    levels, powers = _divided(course, billed, needed.seams)
    return SessionEvidence(levels=levels, powers=powers, stay=stay)


def _is_open(tx: StoredTransaction) -> bool:
    return tx.status == "Active"


# Course


class _Course(NamedTuple):
    """The register that the judge chose, in Wh since the start, and the powers, in order of the
    judge's times.

    There may be thousands. Only the few that matter get a time by our clock, with `time`.
    """

    register: Chain
    powers: Sequence[tuple[float, float]]
    """Seconds and W."""
    ahead: float
    is_timed: bool

    def time(self, second: float) -> datetime:
        """Return a time by our clock."""
        return from_seconds(second - self.ahead)


_CORRECTIONS: Final = (
    "SELECT payload FROM tx_event WHERE tx_id = ? AND kind = 'correct' ORDER BY id DESC"
)


def _course(rows: Rows, tx: StoredTransaction, billed: Billed) -> _Course:
    """Return the course of a transaction's figure.

    Of start and stop, the one that shows more of a clock that is ahead is right: the other one
    waited, and its time is that of its receipt. The judge's time without a running clock is that of
    receipt.
    """
    case = case_of(ChargerHistory(rows, tx.charger), tx.as_ended(stamp(billed.until)))
    times = {"start_time": billed.since, "stop_time": billed.until}
    # a time that a person corrected says nothing about the clock
    for (payload,) in rows(_CORRECTIONS, (tx.id,)):
        correction = orjson.loads(payload)
        times |= {
            name: _moment(correction["before"][name])
            for name in times
            if name in correction["after"]
        }
    shown = [case.begun - times["start_time"].timestamp()]
    if not tx.start_behind or tx.stopped_by not in (None, SYSTEM):  # else the end is by our clock
        shown.append(case.ended - times["stop_time"].timestamp())
    ahead = max(shown) if case.is_timed else 0.0

    judgement = judge(case)
    register = course_of(case, judgement)
    if tx.energy_method == CORRECTED and register.wh[-1:] != [billed.wh]:
        register = _corrected(
            case, judgement, register, tx, billed.wh, billed.until.timestamp() + ahead
        )
    powers = list(zip(case.power.at, case.power.high, strict=True))
    if not billed.is_as_told:
        told, register = register, fitting_course(rows, tx, case, judgement, register)
        # What was spread flowed evenly.
        place = partial(bisect_right, register.at)
        spread = {place(at) for at in {*told.at} - {*register.at}}
        powers = [power for power in powers if place(power[0]) not in spread]
    return _Course(register, powers, ahead, case.is_timed)


def _corrected(
    case: Case, judgement: Judgement, course: Chain, tx: StoredTransaction, wh: int, ended: float
) -> Chain:
    """Return the course of a figure that a person set, in Wh; the judge's if the readings show only
    its shares.

    It is that of the explanation with this figure. Else the judge's goes on to the register that
    the person read, or to the figure, unless the charger's own stop had ended it. `ended` is the
    end by the judge's clock.
    """
    bounds = Bounds(case)
    for explanation in (reported(case, bounds), *candidates(case, bounds)):
        if explanation is not None and explanation.wh == wh:
            return explanation.chain
    begin, first, last = (
        tx.billed_from or 0,
        judgement.billed_from or 0,
        judgement.billed_until or 0,
    )
    end = begin + wh
    is_read = end == tx.billed_until
    is_ended = not is_read and (last == case.stop_wh or end < last)
    if is_ended or last < begin or end < first:  # the last two are on another scale
        return course
    kept = len(course.at) - (case.stop_wh is not None and last != end)
    rising = [first - begin + risen for risen in course.wh[:kept]]
    continued = Chain([*course.at[:kept], ended], [*rising, wh], course.digit)
    return continued if is_read or bounds.refused_step(continued) is None else course


def _divided(
    course: _Course, billed: Billed, seams: Sequence[datetime]
) -> tuple[Sequence[FlowLevel], Sequence[FlowPower]]:
    """Return the readings of register and power that divide the figure at seams; all of them
    without seams."""
    wh = _rising(course.register.wh, billed.wh)
    at = course.register.at if wh else ()
    if not seams:
        every = (
            FlowLevel(course.time(second), reached) for second, reached in zip(at, wh, strict=True)
        )
        return [*every], [FlowPower(course.time(second), watts) for second, watts in course.powers]
    levels, powers = dict[int, FlowLevel](), dict[int, FlowPower]()
    power_at = [second for second, _ in course.powers]
    for seam in seams:
        after = bisect_right(at, seam, key=course.time)
        around = [number for number in (after - 1, after) if 0 <= number < len(wh)]
        levels |= {number: FlowLevel(course.time(at[number]), wh[number]) for number in around}
        bounds = [
            one
            for one in (levels[number].at for number in around)
            if billed.since < one < billed.until
        ]
        since = max((one for one in bounds if one <= seam), default=billed.since)
        until = min((one for one in bounds if one > seam), default=billed.until)
        first, last = (
            bisect_left(power_at, since, key=course.time),
            bisect_right(power_at, until, key=course.time),
        )
        powers |= {
            one: FlowPower(course.time(power_at[one]), course.powers[one][1])
            for one in range(first, last)
        }
    return [levels[number] for number in sorted(levels)], [
        powers[number] for number in sorted(powers)
    ]


def _rising(sent: Sequence[int], wh: int) -> Sequence[int]:
    """Return the register as far as it shows the course of the figure; empty if it did not rise.

    The judge allows the register to fall by its last digit, and readings to differ from start and
    stop by as much. Where the figure is not what the register rose by (a person corrected it, or
    part of it belongs to another transaction), the readings still show when the car took how large
    a share of it.
    """
    total = sent[-1] if sent else 0
    if total <= 0:
        return ()
    rising = list(accumulate((min(max(reached, 0), total) for reached in sent), max))
    return rising if total == wh else [half_up(Fraction(reached * wh, total)) for reached in rising]


# Stay


class _Available(NamedTuple):
    """Since when a connector was available after a stop, when that was received, and over which
    connection."""

    at: datetime
    received_at: str
    session: int


class _Status(NamedTuple):
    """A status of a connector; connector 0 is the charger as a whole."""

    connector: int
    at: datetime
    status: str
    error_code: str

    @property
    def is_pause(self) -> bool:
        return self.status == "SuspendedEVSE" and self.error_code != LOCKED_IN

    @property
    def is_excused(self) -> bool:
        return self.status in NOT_BY_THE_CAR or self.error_code == LOCKED_IN


class _Session(NamedTuple):
    id: int
    connected_at: str
    ended_at: str | None
    close_reason: str | None


class _Profile(NamedTuple):
    """A charging profile that the charger accepted, and when it was replaced or cleared."""

    connector: int
    content: str
    created_at: str
    ended_at: str
    transaction: int | None

    @property
    def installed(self) -> Installed:
        return Installed(
            self.connector, orjson.loads(self.content), _moment(self.created_at), self.transaction
        )


_NEXT: Final = "SELECT start_time, created_at FROM tx WHERE cp_id = ? AND conn_id = ? AND"
_NEXT_RECEIVED: Final = f"{_NEXT} (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT 1"
_NEXT_BEGUN: Final = f"{_NEXT} (own_start_time, id) > (?, ?) ORDER BY own_start_time, id LIMIT 1"
_AVAILABLE: Final = (
    "SELECT timestamp, received_at, session_id FROM status "
    "WHERE cp_id = ?1 AND conn_id = ?2 AND received_at BETWEEN ?3 AND ?4 AND status = ?6 "
    "AND min(timestamp, received_at) BETWEEN ?3 AND ?5 "
    "ORDER BY received_at, id LIMIT 1"
)
_STATUSES: Final = (
    "SELECT conn_id, timestamp, received_at, status, error_code "
    "FROM status "
    "WHERE cp_id = ? AND conn_id IN (0, ?) AND received_at BETWEEN ? AND ? "
    "ORDER BY id"
)
_STOP_SESSION: Final = "SELECT max(session_id) FROM tx_event WHERE tx_id = ? AND kind = 'stop'"
_SESSIONS: Final = (
    "SELECT id, connected_at, ended_at, close_reason "
    "FROM session "
    "WHERE cp_id = ? AND id BETWEEN ? AND ? AND clock_trusted = 1 AND imported_from IS NULL "
    "ORDER BY id"
)
_HEARD: Final = (
    "SELECT max(at) "
    "FROM (SELECT max(received_at) AS at FROM meter_val WHERE cp_id = ?1 AND conn_id = ?2 "
    "AND tx_id = ?3 AND timestamp BETWEEN ?4 AND ?5 AND session_id = ?6 UNION ALL "
    "SELECT max(received_at) FROM status WHERE cp_id = ?1 AND conn_id = ?2 "
    "AND received_at BETWEEN ?7 AND ?8 AND session_id = ?6 UNION ALL SELECT max(received_at) "
    "FROM tx_event WHERE tx_id = ?3 AND session_id = ?6)"
)
_PROFILES: Final = (
    "SELECT conn_id, profile, created_at, coalesce(ended_at, '9999'), coalesce(tx_id, "
    "(SELECT outcome_tx_id FROM command WHERE command.id = command_id "
    "AND action = 'RemoteStartTransaction')) "
    "FROM charging_profile "
    "WHERE cp_id = ? AND conn_id IN (0, ?) AND created_at < ? AND coalesce(ended_at, '9999') > ? "
    "ORDER BY id"
)
"""All profiles of a charger are examined; they are few."""


def _stay(rows: Rows, tx: StoredTransaction, billed: Billed, course: _Course) -> Stay | None:
    """Return how long the car stayed; None if it is unknown when its charging ended.

    A stop is late if it waited. What we saw may then be earlier by its charger's clock. While it is
    open, energy may still flow until something shows that none does.
    """
    if tx.stopped_by == SYSTEM or tx.connector is None or not course.is_timed:
        return None
    stop_received_at = tx.stop_received_at or stamp(billed.until)
    behind = timedelta(seconds=tx.stop_behind if stamp(billed.until) == tx.stop_time else 0)
    available = _available(rows, tx, billed.until, behind)
    seen_until = max(stop_received_at, available.received_at) if available else stop_received_at
    statuses = _statuses(rows, tx, min(tx.created_at, stamp(billed.since)), seen_until, behind)
    last = _last_energy(course, statuses, billed.until)
    if last is None or (_is_open(tx) and _goes_on(tx, course, statuses, last)):
        return None
    whole = last, max(_moment(seen_until), billed.until)
    away = _away(rows, tx, whole, available.session if available else 0)
    stop_received = _moment(stop_received_at)
    late = max(stop_received - billed.until, timedelta())
    # A car that waits for a lower price stays by the wish of its driver.
    waits = [
        (_moment(one.since), min(_moment(one.until), whole[1]) if one.until else whole[1])
        for one in spans_of(rows, tx.id)
        if one.why == PRICE
    ]
    ours = (*away, *_not_by_the_car(statuses, whole[1], waits), *_limited(rows, tx, billed, last))
    excused = [(since - late, until) for since, until in ours]
    if not _is_open(tx):
        excused += _doubtful(tx, last, billed.until, stop_received)
    free_at = billed.until if tx.stop_reason == CABLE_IS_OUT else available and available.at
    held = tuple(_held(rows, tx, billed.until, late))
    return Stay(
        last_energy_at=last,
        stopped_at=billed.until,
        available_at=free_at,
        excused=tuple(excused),
        held=held,
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _available(
    rows: Rows, tx: StoredTransaction, stopped: datetime, behind: timedelta
) -> _Available | None:
    """Return when the connector was first available after a stop, before the next transaction there
    began.

    Some chargers report it just before they send the stop. `behind` is by how much their clock was
    behind.
    """
    next_begun, next_received = _next(rows, tx)
    since, until = stamp(stopped - _AHEAD - behind), next_begun
    if behind and next_begun != LAST_TIME:
        until = stamp(_moment(next_begun) - behind)
    found = rows(_AVAILABLE, (tx.charger, tx.connector, since, next_received, until, AVAILABLE))
    return _Available(_reported(found[0][0], found[0][1], behind), *found[0][1:]) if found else None


def _reported(timestamp: str, received_at: str, behind: timedelta) -> datetime:
    """Return the time of a status by our clock, which is not after its receipt."""
    return min(_moment(timestamp) + behind, _moment(received_at))


def _next(rows: Rows, tx: StoredTransaction) -> tuple[str, str]:
    """Return when the next transaction on the connector began, and when it was received. A clock
    that was set may have put the two in another order, so the next by either counts."""
    place = tx.charger, tx.connector
    found = rows(_NEXT_RECEIVED, (*place, tx.created_at, tx.id)) + rows(
        _NEXT_BEGUN, (*place, tx.own_start_time, tx.id)
    )
    begun, received = zip(*found, (LAST_TIME, LAST_TIME), strict=True)
    return min(begun), min(received)


def _statuses(
    rows: Rows, tx: StoredTransaction, since: str, until: str, behind: timedelta
) -> list[_Status]:
    """Return the statuses of the connector and of the charger as a whole, each in order of time."""
    found = rows(_STATUSES, (tx.charger, tx.connector, since, until))
    dated = (
        _Status(number, _reported(at, received_at, behind), *said)
        for number, at, received_at, *said in found
    )
    return sorted(dated, key=attrgetter("connector", "at"))


def _last_energy(
    course: _Course, statuses: Iterable[_Status], stopped: datetime
) -> datetime | None:
    """Return the time of the last evidence of energy; None if none flowed.

    It may have flowed until the reading that shows its rise. A rise of one last digit shows
    nothing. A coarse register does not show the end of the charging; without power or a status that
    does, that is the stop.
    """
    register, powers = course.register, course.powers
    if not register.wh or register.wh[-1] <= 0:
        return None
    risen, idle = register.wh[-1] - register.digit, _idle_watts(powers)
    reached = course.time(
        next(at for at, wh in zip(register.at, register.wh, strict=True) if wh >= risen)
    )
    by_power = [
        course.time(at)
        for at, watts in islice((one for one in reversed(powers) if one[1] > idle), 1)
    ]
    by_status = list(_by_the_car(statuses, stopped))
    is_shown = (
        register.digit <= FINE_WH or by_status or (powers and course.time(powers[-1][0]) > reached)
    )
    return min(stopped, max([reached, *by_power, *by_status, *([] if is_shown else [stopped])]))


def _goes_on(
    tx: StoredTransaction, course: _Course, statuses: Sequence[_Status], last: datetime
) -> bool:
    """Whether energy may flow since the last evidence of it: no later reading and no status shows
    that it ended."""
    newest_at = max([*course.register.at[-1:], *(at for at, _ in course.powers[-1:])])
    newest = next((one.status for one in reversed(statuses) if one.connector == tx.connector), "")
    return course.time(newest_at) <= last and newest not in ENDED


def _idle_watts(powers: Sequence[tuple[float, float]]) -> float:
    """Return the power up to which no car charges; 0 where all powers are so low that they may be
    kW sent as W."""
    least = tolerances.LEAST_CHARGING_W
    return least if any(watts >= least for _, watts in powers) else 0.0


def _by_the_car(statuses: Iterable[_Status], stopped: datetime) -> Iterator[datetime]:
    """Yield when the car began to charge or ended it by itself."""
    until_stop = (one for one in statuses if one.at <= stopped)
    for status, (first, *_) in groupby(until_stop, attrgetter("status")):
        if status in BY_THE_CAR:
            yield first.at


def _not_by_the_car(
    statuses: Sequence[_Status], until: datetime, waits: Sequence[Stretch]
) -> Iterator[Stretch]:
    """Yield the spans in which the charger did not let the car charge or leave. That it paused the
    car says nothing while the driver let it wait."""
    for _, found in groupby(statuses, attrgetter("connector")):
        of_connector = list(found)
        ends = [*(one.at for one in of_connector[1:]), until]
        for status, end in zip(of_connector, ends, strict=True):
            if not status.is_excused:
                continue
            since = status.at
            for begin, wait_end in waits if status.is_pause else ():
                if since < min(begin, end):
                    yield since, min(begin, end)
                since = max(since, wait_end)
            if since < end:
                yield since, end


def _away(rows: Rows, tx: StoredTransaction, whole: Stretch, session: int) -> list[Stretch]:
    """Return the spans in which the charger was not certainly connected, or our clock was not
    trusted.

    `session` is a later connection than that of the stop, if one is known.
    """
    ((of_stop,),) = rows(_STOP_SESSION, (tx.id,))
    newest = LAST_ID if _is_open(tx) else max(of_stop or tx.session, session)
    sessions = rows(_SESSIONS, (tx.charger, tx.session, newest))
    stretches, reached = list[Stretch](), whole[0]
    for since, until in (_connected(rows, tx, _Session(*one), whole[1]) for one in sessions):
        stretches.append((reached, since))
        reached = max(reached, until)
    return [(since, until) for since, until in (*stretches, (reached, whole[1])) if since < until]


def _connected(rows: Rows, tx: StoredTransaction, session: _Session, now: datetime) -> Stretch:
    """Return when a session certainly lasted. If the server crashed, until its last message of this
    transaction."""
    connected_at, ended_at = session.connected_at, session.ended_at
    if session.close_reason == Cause.SERVER_ENDED.value:
        of_transaction = (tx.charger, tx.connector, tx.id, *span(tx))
        ((heard_at,),) = rows(_HEARD, (*of_transaction, session.id, connected_at, ended_at))
        ended_at = max(connected_at, heard_at or "")
    return _moment(connected_at), now if ended_at is None else _moment(ended_at)


def _limited(
    rows: Rows, tx: StoredTransaction, billed: Billed, last: datetime
) -> Iterator[Stretch]:
    """Yield the spans until the stop in which a charging profile of ours was too low for any
    car."""
    profiles = [
        _Profile(*row)
        for row in rows(_PROFILES, (tx.charger, tx.connector, stamp(billed.until), stamp(last)))
    ]
    changes = sorted(
        {
            _moment(at)
            for one in profiles
            for at in (one.created_at, one.ended_at)
            if at != LAST_TIME
        }
    )
    at = last
    while profiles and at < billed.until:
        valid = [
            one.installed
            for one in profiles
            if _moment(one.created_at) <= at and stamp(at) < one.ended_at
        ]
        rules = RulesInForce(valid, tx.connector or 0, at, Charging(tx.id, billed.since))
        limit, next_at = rules.limit(at), rules.until() or billed.until
        until = min([billed.until, next_at, *(change for change in changes if change > at)])
        if limit is not None and limit.watts(limit.phases) < LEAST_AMPERES * VOLTS * limit.phases:
            yield at, until
        at = until


def _held(
    rows: Rows, tx: StoredTransaction, stopped: datetime, late: timedelta
) -> Iterator[Stretch]:
    """Yield the spans until the stop in which load management gave the car too little to charge,
    each with the time to answer that follows."""
    for one in spans_of(rows, tx.id):
        since, until = _moment(one.since) - late, _moment(min(one.answered_at, stamp(stopped)))
        if since < until and one.why != PRICE:
            yield since, until


def _doubtful(
    tx: StoredTransaction, last: datetime, stopped: datetime, received: datetime
) -> Iterator[Stretch]:
    """Yield the spans whose times may be wrong: the one from the stop to its receipt, in which its
    charger was away or its clock behind, and all before a stop whose time is that of its receipt,
    unless it was as late as the start."""
    yield stopped, received
    skews = tx.start_skew, tx.stop_skew
    is_steady = (
        None not in skews
        and abs((tx.start_skew or 0) - (tx.stop_skew or 0)) <= tolerances.CLOCK_SECONDS
    )
    if stopped == received and not is_steady:
        yield last, stopped
