"""Loads a transaction for the judge: its row, its readings, its neighbours, its charger's clock and
habits. Says what another judgement of it decides.

Only reads, so the writer and read-only connections share it. The cost of each statement depends on
the transaction and does not grow with the history of its charger.

By how much the clock was behind that dated a transaction shows in the stored times of its charger's
messages. Nearly all transactions begin and end with a message that is hardly late, and then nothing
is read. Otherwise, of each connection, only what is nearest to a message counts: a clock is set
again and again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from operator import eq, itemgetter, sub
from typing import Final, NamedTuple, TypedDict

from levity_trio.charging import tolerances
from levity_trio.charging.energy import DOUBTFUL, Judgement, course_of, fitting, judge
from levity_trio.charging.names import is_named_to_the_end
from levity_trio.charging.quarters import quarter_of
from levity_trio.charging.reviews import LASTING, OF_THE_MATCH, OF_THE_PRICE, Code, Doubt, in_wh
from levity_trio.charging.sent.evidence import (
    MEASURAND,
    RECEIVED_AT,
    SOURCE,
    TIMESTAMP,
    VALUE,
    WH,
    Beside,
    Boundary,
    Case,
    Level,
    Neighbour,
    Power,
    Row,
    SignedEvidence,
    gather,
    is_rising,
    seconds,
    timestamp_of,
)
from levity_trio.charging.sent.figures import Chain
from levity_trio.charging.sent.readings import REGISTER
from levity_trio.charging.sent.timeline import (
    RIGHT,
    Behind,
    Dated,
    MessageTime,
    Stretch,
    Timeline,
    behind_of,
    by_receipt,
    by_set_clock,
    by_steps,
    caught_up,
    is_set_back,
    message_time,
    reading_times,
    stands_still,
    stretches,
)
from levity_trio.charging.tolerances import (
    CLOCK,
    CLOCK_SECONDS,
    LATE_SECONDS,
    SAME_BEHIND_SECONDS,
)
from levity_trio.store.cases.neighbours import (
    ChargerHistory,
    RegisterSpan,
    begin_after,
    beside,
    boots,
    boundaries,
    counted_until,
    earlier,
    neighbour,
    preceding,
)
from levity_trio.store.cases.transaction import (
    LAST_TIME,
    METER_VALUES,
    OF_TRANSACTION,
    SYSTEM,
    TIMES,
    StoredTransaction,
    ended_at,
    open_reviews,
    overruled,
    parameters_of,
    register,
    samples,
    sent_times,
    settled_by,
    was_asked,
)
from levity_trio.store.engine.database import Rows
from levity_trio.store.lookups.connectors import connector_numbers
from levity_trio.told import Told, of_stored
from levity_trio.wire.numbers import decimal
from levity_trio.wire.times import clock_time, shifted_stamp

NEAREST: Final = 10
"""So many statuses, and so many transactions, of each connector count before a message, and as many
after it."""
CONNECTIONS: Final = 4
"""That of the message, and those before it in which a message is looked for that shows the
clock."""
MOST_SPEED: Final = 60
"""If a simulated clock runs faster, seconds in which a busy machine sends nothing look like a clock
that is behind."""
LONGEST_SECONDS: Final = 31 * 24 * 3600
"""The longest plausible transaction. A longer one means that a clock was set meanwhile."""
LONGEST_BURST_SECONDS: Final = 600
"""How long a charger that comes back may take to send its queue."""
AFTER_BOOT_SECONDS: Final = 120
"""Some chargers report Available for every connector after a boot; such a status is ignored."""
MOST_GARBLED: Final = 3
AVAILABLE: Final = "Available"
CHARGING: Final = frozenset({"Charging", "SuspendedEV", "SuspendedEVSE"})
_DAY: Final = 86_400
_HOUR: Final = 3600
_MINUTE: Final = 60
_TIMESTAMP, _RECEIVED_AT = itemgetter(TIMESTAMP), itemgetter(RECEIVED_AT)


# The clock of its charger


class Dating(NamedTuple):
    """By how much the clocks were behind that dated the start and the end of a transaction."""

    start: Behind = RIGHT
    stop: Behind = RIGHT
    is_course_sure: bool = True
    """Its energy can have flowed when its readings say."""

    @property
    def is_sure(self) -> bool:
        """Whether the offset of both is known, and the clock was not set in between."""
        return self.start.is_sure and self.stop.is_sure and self.is_one

    @property
    def is_one(self) -> bool:
        return abs(self.start.seconds - self.stop.seconds) <= SAME_BEHIND_SECONDS


_TOO_FAST: Final = "SELECT 1 FROM simulated_time WHERE speed > ?"


def dating(rows: Rows, tx: StoredTransaction, until: str = LAST_TIME) -> Dating:
    """Return by how much the clock was behind at the start and at the end of a transaction, as
    received by `until`."""
    if all(skew is None or skew > -LATE_SECONDS for skew in (tx.start_skew, tx.stop_skew)):
        return Dating()
    start, stop = _sent_start(tx), _sent_stop(tx)
    sent = [message for message in (start, stop) if message is not None]
    is_late = any(message.late > LATE_SECONDS for message in sent)
    if not is_late or rows(_TOO_FAST, (MOST_SPEED,)):
        return Dating()

    messages = _MessagesAround(rows, tx, until)
    around_start = around_stop = None
    near: list[Stretch] = []
    if start is not None:
        around_start = messages.around(tx.created_at)
        near += around_start.own
    if stop is not None:
        stopped_at = tx.stop_received_at or tx.created_at
        around_stop = messages.around(stopped_at, around_start)
        near += around_stop.own
    started = stopped = None
    if start is not None and around_start is not None:
        started = behind_of(start, around_start.own, around_start.before, near)
    if stop is not None and around_stop is not None:
        stopped = behind_of(stop, around_stop.own, around_stop.before, near)
    # Without a stop of its charger, the start shows the clock for both; without a start, the stop.
    return Dating(started or stopped or RIGHT, stopped or started or RIGHT)


_ALLOWED: Final = f"""
    SELECT quarter, limit_mean * {tolerances.PHASES} * {tolerances.AC_V:.0f}
    FROM load_car_quarter
    WHERE quarter BETWEEN ? AND ? AND cp_id = ? AND conn_id = ?
"""  # noqa: S608 - our own numbers


def fitting_course(
    rows: Rows, tx: StoredTransaction, case: Case, judgement: Judgement, chain: Chain
) -> Chain:
    """Return a course of a figure as it can have been; `chain` itself if that can be true."""
    if fitting(case, judgement, chain, {}) is chain:
        return chain
    return fitting(case, judgement, chain, _allowed(rows, tx, case))


def _allowed(rows: Rows, tx: StoredTransaction, case: Case) -> dict[int, float]:
    """Return what load management allowed, in W, by the quarter of an hour since 1970."""
    quarters = quarter_of(case.begun), quarter_of(case.ended)
    return dict(rows(_ALLOWED, (*quarters, tx.charger, tx.connector)))


def shows_clock(rows: Rows, tx: StoredTransaction, received_at: str) -> bool:
    """Whether the messages around this receipt, with those of a transaction, show that the clock of
    its charger was behind."""
    messages = _MessagesAround(rows, tx, LAST_TIME)
    around = messages.around(received_at, connections=1)
    return any(stretch.behind for stretch in around.own)


def _sent_start(tx: StoredTransaction) -> Dated | None:
    """Return what the start tells of the clock; None if it has no time, or one that was not
    believed."""
    if tx.told_id is not None or tx.start_skew is None or not tx.is_start_timed:
        return None
    return _dated(tx.sent_start_time, tx.created_at)


def _sent_stop(tx: StoredTransaction) -> Dated | None:
    if tx.stopped_by == SYSTEM or tx.stop_skew is None or tx.own_stop_time is None:
        return None
    message = _dated(tx.sent_stop_time, tx.stop_received_at)
    if message is None or abs(message.own - seconds(tx.own_stop_time)) >= 1:
        return None
    return message


def _dated(sent: str | None, received_at: str | None) -> Dated | None:
    own = clock_time(sent) if sent else None
    if own is None or received_at is None:
        return None
    return Dated(own.timestamp(), seconds(received_at))


class _ChargerConnection(NamedTuple):
    """A connection of a charger, the times between which its messages were received, and whether we
    knew the time."""

    id: int
    since: str
    until: str
    is_trusted: int


class _ClockShown(NamedTuple):
    """What the connection of a message shows of its clock, and what the last one before shows that
    shows anything."""

    received_at: str
    own: Sequence[Stretch]
    before: Sequence[Stretch]


_CONNECTIONS: Final = """
    SELECT id, connected_at, coalesce(ended_at, '9998-12-31T00:00:00.000Z'), clock_trusted
    FROM session
    WHERE cp_id = ? AND connected_at <= ? AND imported_from IS NULL
    ORDER BY connected_at DESC, id DESC
    LIMIT ?
"""
_STATUSES: Final = """
    SELECT sent_timestamp, received_at
    FROM status
    WHERE cp_id = ? AND conn_id = ? AND received_at {0} ? AND received_at <= ? AND session_id = ?
    ORDER BY received_at {1}, id {1}
    LIMIT ?
"""
_TRANSACTIONS: Final = """
    SELECT sent_start_time, created_at, session_id, sent_stop_time, stop_received_at
    FROM tx
    WHERE cp_id = ? AND conn_id = ? AND created_at {0} ? AND created_at <= ?
        AND imported_id IS NULL AND id <> ?
    ORDER BY created_at {1}, id {1}
    LIMIT ?
"""


class _MessagesAround:
    """The messages of a charger around those of one transaction, as received by a time."""

    def __init__(self, rows: Rows, tx: StoredTransaction, until: str) -> None:
        self._rows = rows
        self._tx = tx
        self._until = until
        self._reporting = connector_numbers(rows, tx.charger, "status")
        self._charging = connector_numbers(rows, tx.charger, "tx")
        ends = (_sent_start(tx), _sent_stop(tx))
        self._own = [message for message in ends if message is not None]
        for timestamp, received_at in rows(TIMES, parameters_of(tx, until)):
            reading = Dated(seconds(timestamp), seconds(received_at), is_reading=True)
            self._own.append(reading)

    def around(
        self, received_at: str, known: _ClockShown | None = None, connections: int = CONNECTIONS
    ) -> _ClockShown:
        """Return what is known of the clock around a message. `known` is that around an earlier
        message, and is returned if that came just before."""
        if known is not None:
            apart = seconds(received_at) - seconds(known.received_at)
            if apart <= CLOCK_SECONDS:
                return known

        # The connection of the message comes first, then those before it.
        latest = self._rows(_CONNECTIONS, (self._tx.charger, received_at, connections))
        connected = [_ChargerConnection(*row) for row in latest]
        in_time = [one._replace(until=min(one.until, self._until)) for one in connected]
        if not in_time or not in_time[0].is_trusted:
            return _ClockShown(received_at, (), ())
        shown = stretches(self._messages(in_time[0], received_at))
        for connection in in_time[1:]:
            if connection.is_trusted:
                messages = self._messages(connection, connection.until)
                before = stretches(messages) or _alike(messages, shown)
                if before:
                    return _ClockShown(received_at, shown, before)
        return _ClockShown(received_at, shown, ())

    def _messages(self, connection: _ChargerConnection, near: str) -> list[Dated]:
        """Return the messages of a connection nearest to a time, and those of the transaction."""
        middle = min(near, connection.until)
        sides = ("", middle, ">=", "DESC"), (middle, connection.until, ">", "ASC")
        messages: list[Dated | None] = []
        for since, until, *order in sides:
            for number in self._reporting:
                span = (max(since, connection.since), until, connection.id, NEAREST)
                values = (self._tx.charger, number, *span)
                for sent, received_at in self._rows(_STATUSES.format(*order), values):
                    status = _dated(sent, received_at)
                    messages.append(status and status._replace(is_status=True))
            for number in self._charging:
                values = (self._tx.charger, number, since, until, self._tx.id, NEAREST)
                for row in self._rows(_TRANSACTIONS.format(*order), values):
                    start, created_at, session, stop, stopped_at = row
                    if session == connection.id:
                        messages.append(_dated(start, created_at))
                    if connection.since <= (stopped_at or "") <= connection.until:
                        messages.append(_dated(stop, stopped_at))
        first, last = seconds(connection.since), seconds(connection.until)
        messages += [message for message in self._own if first <= message.received <= last]
        return [message for message in messages if message is not None]


def _alike(messages: Sequence[Dated], shown: Sequence[Stretch]) -> list[Stretch]:
    """Return the stretches that a later connection has shown and that a message of this connection
    fits, too, which shows none by itself."""
    alike: list[Stretch] = []
    for stretch in shown:
        fits = [
            message.received
            for message in messages
            if abs(message.late - stretch.behind) <= SAME_BEHIND_SECONDS
        ]
        if stretch.behind and fits:
            alike.append(stretch._replace(since=min(fits), until=max(fits)))
    return alike


def dated(tx: StoredTransaction, clock: Dating, *, is_settled: bool = False) -> StoredTransaction:
    """Return a transaction with its times corrected by what is known of its charger's clock; `tx`
    if nothing differs.

    An open one only if that is sure. Corrections that differ by no more than the way of a message
    are one. A person who settled a transaction went by its times then: if they change, that person
    decides again, unless both give one price.
    """
    was_corrected = tx.start_behind or tx.stop_behind or tx.is_clock_unsure
    if clock == Dating() and not was_corrected:  # nearly all are right
        return tx
    if tx.stop_time is None and not clock.is_sure:
        return tx
    corrected = _corrected(tx, clock)
    is_same = _is_same(tx.start_behind, corrected.start_behind)
    is_same = is_same and _is_same(tx.stop_behind, corrected.stop_behind)
    if is_same and (is_settled or tx.is_clock_unsure == corrected.is_clock_unsure):
        return tx
    if is_settled:
        is_corrected = corrected.start_behind or corrected.stop_behind
        corrected = corrected._replace(is_clock_unsure=int(bool(is_corrected)))
    return corrected


def _is_same(before: int, now: int) -> bool:
    return bool(before) is bool(now) and abs(before - now) <= SAME_BEHIND_SECONDS


def _corrected(tx: StoredTransaction, clock: Dating) -> StoredTransaction:
    """Return a transaction with corrected times. Times that were interpreted otherwise stay."""
    start = _moved(tx.start_time, -tx.start_behind)
    start_behind = int(clock.start.seconds) if start == tx.own_start_time else 0
    start_time = _moved(start, start_behind)
    tx = tx._replace(start_time=start_time, start_behind=start_behind, is_clock_unsure=0)
    if tx.stop_time is None:
        return tx

    stop = _moved(tx.stop_time, -tx.stop_behind)
    stop_behind = 0
    if tx.stopped_by != SYSTEM:
        if stop == tx.own_stop_time:
            stop_behind = int(clock.stop.seconds)
    elif start_behind:
        # An end that the system set is not before the last sign.
        last = _moved(tx.last_reading_at or tx.own_start_time, start_behind)
        apart = seconds(max(last, start_time)) - seconds(stop)
        stop_behind = max(0, round(apart))
    is_unsure = not clock.is_sure and bool(start_behind or stop_behind)
    is_unsure |= not clock.is_course_sure
    return tx._replace(
        stop_time=_moved(stop, stop_behind),
        stop_behind=stop_behind,
        is_clock_unsure=int(is_unsure),
    )


def _moved(at: str, by: float) -> str:
    return shifted_stamp(at, timedelta(seconds=by)) if by else at


def clock_words(tx: StoredTransaction) -> str:
    """Say how the times of a transaction are corrected."""
    if not (tx.start_behind or tx.stop_behind):
        return Told("its times are those sent")
    if abs(tx.start_behind - tx.stop_behind) <= SAME_BEHIND_SECONDS:
        return Told(
            "its charger's clock was {1} behind: its times are corrected by that",
            length(tx.start_behind),
        )
    return Told(
        (
            "its charger's clock was {1} behind at its start and {2} behind at its end: its times "
            "are corrected"
        ),
        length(tx.start_behind) if tx.start_behind else Told("not"),
        length(tx.stop_behind) if tx.stop_behind else Told("not"),
    )


def length(seconds: float) -> Told:
    """Return a length of time in words, to the nearest unit: 5 minutes, nearly 3 hours, 12 days."""
    minutes = int(seconds / _MINUTE + 0.5)
    unit = _MINUTE
    for larger in (_HOUR, _DAY):
        if minutes * _MINUTE >= 2 * larger:
            unit = larger
    count = int(seconds / unit + 0.5)
    words = {
        _DAY: Told("{1} day", count, many="{1} days"),
        _HOUR: Told("{1} hour", count, many="{1} hours"),
        _MINUTE: Told("{1} minute", count, many="{1} minutes"),
    }[unit]
    return Told("nearly {1}", words) if count * unit > seconds + CLOCK else words


# Its habits

CEILING: Final = "ceiling"
"""The kind of the habit whose value is the charger's highest power in W."""
POWER_TOO_HIGH: Final = "power_too_high"
"""The kind of the habit of reporting ten times the power. Registers of a tenth of the energy look
the same; those whose scale is known tell them apart."""
_OF_CHARGER: Final = """
    SELECT kind, value, transactions, asks_since
    FROM habit
    JOIN cp ON cp.id = habit.cp_id
    WHERE habit.cp_id = ?1 AND conn_id = ?2
        AND firmware = coalesce({firmware}, '')
        AND meter_serial = coalesce({meter}, '')
"""
_FIRMWARE: Final = "cp.firmware_version"
_METER: Final = "cp.meter_serial_number"
_THEN: Final = """(
    SELECT {column}
    FROM boot
    WHERE boot.cp_id = ?1 AND received_at <= {moment} AND {column} IS NOT NULL
    ORDER BY received_at DESC, id DESC
    LIMIT 1
), cp.{column}"""
"""What a charger told in its last boot until a moment, else what it tells now."""
_FIRMWARE_THEN: Final = _THEN.format(column="firmware_version", moment="?3")
_METER_THEN: Final = _THEN.format(column="meter_serial_number", moment="?3")
_VALID: Final = _OF_CHARGER.format(firmware=_FIRMWARE, meter=_METER) + " AND revoked_at IS NULL"
_VALID_THEN: Final = f"""
    {_OF_CHARGER.format(firmware=_FIRMWARE_THEN, meter=_METER_THEN)}
        AND since < ?3 AND (revoked_at IS NULL OR revoked_at > ?3)
    ORDER BY habit.id
"""
"""For a moment in the past, with the firmware and the meter of that time; it cannot use the index
of valid habits."""
_IS_SERVED: Final = "({0}.registration <> 'refused' AND {0}.waiting_since IS NULL)"
"""Anybody can invent a charger of any vendor; one that waits for a decision, or was refused, proves
nothing."""
OF_SISTERS: Final = f"""
    FROM habit
    JOIN cp ON cp.id = ?1
    JOIN cp AS sister ON sister.id = habit.cp_id AND sister.id <> cp.id
        AND sister.vendor = cp.vendor AND sister.model = cp.model
    WHERE {_IS_SERVED.format("sister")}
        AND firmware <> ''
        AND firmware = coalesce({_THEN.format(column="firmware_version", moment="?2")})
        AND transactions >= {tolerances.MANY}
        AND kind NOT IN ('{CEILING}', '{POWER_TOO_HIGH}')
        AND since < ?2 AND (revoked_at IS NULL OR revoked_at > ?2)
        AND NOT EXISTS (
            SELECT 1
            FROM habit AS ended
            JOIN cp AS other ON other.id = ended.cp_id
            WHERE {_IS_SERVED.format("other")}
                AND other.vendor = cp.vendor AND other.model = cp.model
                AND ended.firmware = habit.firmware AND ended.kind = habit.kind
                AND ended.revoked_by = 'system' AND ended.revoked_at BETWEEN habit.since AND ?2
        )
        AND NOT EXISTS (
            SELECT 1
            FROM habit AS asked
            JOIN cp AS other ON other.id = asked.cp_id
            WHERE other.vendor = cp.vendor AND other.model = cp.model
                AND asked.firmware = habit.firmware AND asked.kind = habit.kind
                AND asked.asks_since <= ?2
        )
"""  # noqa: S608 - our own names
"""The habits that a charger may take over from its sisters, other served chargers of its vendor,
model and firmware. MANY transactions of a sister must have shown the habit, none of them may have
lost it since, and nobody may want to be asked about it. Habits of power are not taken over.
Parameters: the charger, a moment."""
_SISTERS_OF: Final = f"SELECT kind, value {OF_SISTERS} AND conn_id = ?3"
_MOST_W: Final = f"""
    SELECT max_w, coalesce(phases, {tolerances.PHASES}) * max_a * {tolerances.AC_V:.0f}
    FROM connector_data
    WHERE cp_id = ? AND conn_id = ? AND said_at <= ?
    ORDER BY id DESC
    LIMIT 1
"""  # noqa: S608 - our own numbers
"""What a person says that a connector delivers at most, and what its wiring allows, in W."""


class ChargerHabits(NamedTuple):
    """The habits of a connector, as a `Case` has them: by code, each with the factor that its
    registers lack, stored in thousandths; `ceiling_w` is the highest power that it is known to
    deliver."""

    habits: dict[Code, float]
    ceiling_w: int | None
    reports_power: bool
    """Whether reported power confirmed a transaction: without that, nothing shows a habit."""
    has_power_too_high: bool
    """Whether a tenth of the power confirmed a transaction. One suffices: it only tells which of
    two is wrong."""
    shown_factor: float | None
    """The factor that its registers lacked by power. One transaction suffices to ask it of others,
    in doubt."""


NO_HABITS: Final = ChargerHabits(
    {}, None, reports_power=False, has_power_too_high=False, shown_factor=None
)


def habits_of(rows: Rows, tx: StoredTransaction, until: str) -> ChargerHabits:
    """Return the habits of a transaction's connector that enough others showed, now or at a moment
    in the past; and its highest power, as a person had said by then.

    What its sisters proved is believed, too. How often a habit was shown until a moment in the past
    is not stored, so today's number of transactions counts.
    """
    connector = tx.connector or 0
    if until == LAST_TIME:
        own = rows(_VALID, (tx.charger, connector))
    else:
        own = rows(_VALID_THEN, (tx.charger, connector, until))
    least = tolerances.MANY
    if tx.confidence == DOUBTFUL:
        least += 1  # this transaction may itself be one of those that showed it
    all_own: dict[str, int | None] = {}
    reliable: dict[str, int | None] = {}
    for kind, value, transactions, asks_since in own:
        all_own[kind] = value
        # A person who wants to be asked each time lets it make no figure certain.
        if transactions >= least and (asks_since is None or asks_since > until):
            reliable[kind] = value

    # Sisters that proved different factors contradict each other.
    of_sisters = set(rows(_SISTERS_OF, (tx.charger, until, connector)))
    proofs = Counter(kind for kind, _ in of_sisters)
    believed = {kind: value for kind, value in of_sisters if proofs[kind] == 1}
    believed |= reliable
    codes = set(Code)
    said_w, wired_w = next(iter(rows(_MOST_W, (tx.charger, connector, until))), (None, None))
    learned_w = reliable.get(CEILING)
    factor = all_own.get(Code.WRONG_FACTOR)
    return ChargerHabits(
        {Code(kind): _factor(value) for kind, value in believed.items() if kind in codes},
        said_w or (learned_w and max(learned_w, wired_w or 0)),
        reports_power=bool(all_own.keys() - {POWER_TOO_HIGH}),
        has_power_too_high=POWER_TOO_HIGH in all_own,
        shown_factor=None if factor is None else _factor(factor),
    )


def _factor(thousandths: int | None) -> float:
    return 1 if thousandths is None else thousandths / 1000


# The case: all that is known of it

_NAMES: Final = f"SELECT received_at, told_id {OF_TRANSACTION} ORDER BY received_at, id"


def case_of(
    history: ChargerHistory,
    tx: StoredTransaction,
    next_begin: int | None = None,
    clock: Dating | None = None,
) -> Case:
    """Return all evidence about a transaction that has ended or is about to, as received until the
    moment of the history.

    `next_begin` is the start register, in Wh, of a transaction that is about to begin on its
    connector. `clock` is what `dating` returns for it, if the caller has that.
    """
    rows, until = history.rows, history.until
    parameters = parameters_of(tx, until)
    clock = clock or dating(rows, tx, until)
    line = _timeline(rows, tx, samples(rows, parameters), until, clock)
    is_stopped = tx.stopped_by != SYSTEM

    # Boots have times of our clock. They are put on that of the charger, as the readings are.
    boots_until = tx.stop_received_at or tx.own_stop_time or tx.created_at
    booted = boots(rows, tx.charger, began_at(tx), boots_until)
    boot_times = [at for at, _ in booted]
    ahead = _ahead(tx, line, clock) if booted else 0
    swapped_at = [seconds(at) + ahead for at, is_other in booted if is_other]
    is_named = True
    if booted and not is_stopped:
        named_readings = rows(_NAMES, parameters)
        is_named = is_named_to_the_end(tx.id, named_readings, boot_times)

    stop_wh = tx.meter_stop if is_stopped else None
    if stop_wh is not None and stop_wh + 1 == tx.meter_start:
        # It is only rounded otherwise than the start: the register did not fall.
        stop_wh = tx.meter_start
    case = Case(
        begun=line.begun,
        ended=line.ended,
        is_backwards=_is_backwards(tx),
        start_wh=register(tx.meter_start),
        stop_wh=register(stop_wh),
        longest=_longest(rows, tx, line),
        lag=_lag(tx, line),
        is_timed=line.is_timed,
        is_stopped=is_stopped,
        is_start_unknown=tx.told_id is not None,
        is_named_to_the_end=is_named,
        received_seconds=seconds(tx.stop_received_at or tx.created_at) - seconds(tx.created_at),
        start_exact=_fraction(tx.sent_meter_start),
        stop_exact=_fraction(tx.sent_meter_stop),
        garbled=_garbled(rows, tx, line, until),
        has_readings=bool(line.rows),
        swapped_at=swapped_at,
        booted_at=[seconds(at) + ahead for at in boot_times],
        begin_of_new_meter=begin_after(history, tx) if swapped_at else None,
        available_at=_available_before_end(rows, tx, boot_times),
        signed=_signed(rows, tx, until),
        **gather(line.rows)._asdict(),
        **_neighbours(history, tx, line, next_begin),
        **habits_of(rows, tx, until)._asdict(),
    )
    told = [case.begun, *case.power.at, case.ended]
    if case.power and max(map(sub, told[1:], told)) > tolerances.RARE_SECONDS:
        case = replace(case, power=_limited(told, case.power, _allowed(rows, tx, case)))
    return case


def _limited(told: Sequence[float], power: Power, allowed: Mapping[int, float]) -> Power:
    """Return a power with `high` as high as any limit of ours between the times around it: between
    rare powers, that may have been higher than at any of them. `told` are its times, with start and
    stop."""
    high = list(power.high)
    for place, (since, until) in enumerate(zip(told, told[2:], strict=False)):
        quarters = range(quarter_of(since), quarter_of(until) + 1)
        high[place] = max(high[place], *(allowed.get(one, 0.0) for one in quarters))
    return Power(power.at, power.low, high)


_SIGNED: Final = (
    "SELECT state, told, wh, digit_wh, is_owners, is_timed FROM signed_check "
    "WHERE tx_id = ? AND checked_at <= ?"
)


def _signed(rows: Rows, tx: StoredTransaction, until: str) -> SignedEvidence | None:
    if tx.judged_at is None:  # then it was not checked either
        return None
    for state, told, *rest in rows(_SIGNED, (tx.id, until)):
        return SignedEvidence(state, of_stored(told), *rest)
    return None


class _Neighbours(TypedDict):
    """The fields of a `Case` about other transactions."""

    before: Neighbour | None
    after: Neighbour | None
    counted_until: int | None
    beside: list[Beside]
    earlier: Level | None
    boundaries: Sequence[Boundary]


def _neighbours(
    history: ChargerHistory, tx: StoredTransaction, line: Timeline, next_begin: int | None
) -> _Neighbours:
    before, after = preceding(history, tx), None
    following = history.around(tx).after
    if following:
        after = neighbour(history, tx, following[0])
    if after is None and next_begin is not None:
        after = Neighbour(next_begin, None)

    # By a clock that may not run, its range may have been counted before. A start at 0 says
    # nothing, as some registers count each transaction.
    start = register(tx.meter_start)
    is_right = tx.is_start_timed and abs(tx.start_skew or 0) <= CLOCK_SECONDS
    counted = None
    if start and not is_right:
        before_end = (before and before.end) or 0
        counted = counted_until(history, tx, start, before_end)

    # By how many seconds the clock was behind ours that told an implausible start.
    behind = None
    if line.is_timed and not tx.is_start_timed:
        own_start = message_time(tx.own_start_time, tx.sent_start_time, tx.created_at).own
        behind = None if own_start is None else line.begun - own_start
    own = span_of(tx)
    others = beside(history, own, behind)
    return {
        "before": before,
        "after": after,
        "counted_until": counted,
        "beside": others,
        "earlier": earlier(history.rows, own, history.until) if others else None,
        "boundaries": boundaries(history.rows, own, history.until) if others else (),
    }


def span_of(tx: StoredTransaction) -> RegisterSpan:
    """Return a transaction's stretch of time and register as reported, to find those beside it."""
    is_open = tx.status == "Active"
    stop = register(tx.meter_stop) if tx.stopped_by != SYSTEM else None
    stop_time = _stop_time(tx)
    is_by_receipt = False
    if stop_time is not None:
        start_time = message_time(tx.own_start_time, tx.sent_start_time, tx.created_at)
        is_by_receipt = stands_still([start_time, stop_time])
    return RegisterSpan(
        id=tx.id,
        charger=tx.charger,
        connector=tx.connector,
        own_began=tx.own_start_time,
        own_ended=None if is_open else ended_at(tx),
        begin=tx.billed_from if tx.meter_start is None else register(tx.meter_start),
        end=stop,
        stop=stop,
        received=tx.created_at,
        stop_received=None if is_open else tx.stop_received_at,
        start_time=tx.start_time,
        is_by_receipt=is_by_receipt,
    )


def _stop_time(tx: StoredTransaction) -> MessageTime | None:
    """Return the time of the charger's stop; None if it sent none."""
    if tx.own_stop_time is None or tx.stop_received_at is None or tx.stopped_by == SYSTEM:
        return None
    return message_time(tx.own_stop_time, tx.sent_stop_time, tx.stop_received_at)


# Its start, its end and its readings on one clock


def _timeline(
    rows: Rows, tx: StoredTransaction, readings: list[Row], until: str, clock: Dating
) -> Timeline:
    """Return the start, end and readings on one clock, from the charger's times where they are
    usable."""
    start = message_time(tx.own_start_time, tx.sent_start_time, tx.created_at)
    stop = _stop_time(tx)
    is_start_timed = tx.is_start_timed
    if start.own is not None:  # the stored interpretation may come from later evidence
        start = start._replace(understood=start.own if is_start_timed else start.received)
    if tx.early_reading_at is not None and readings:
        readings = caught_up(readings, start, stop)
    as_reported = Timeline(seconds(tx.own_start_time), seconds(ended_at(tx)), readings)
    if stop is not None and stands_still([start, stop]):
        return by_receipt(start, stop.received, readings)

    received = any(map(eq, map(_TIMESTAMP, readings), map(_RECEIVED_AT, readings)))
    is_timed = is_start_timed and not received and tx.ahead_reading_at is None
    if is_timed and not is_set_back(start, readings, stop):
        if stop is None or clock.is_one:
            return as_reported
        if start.late - stop.late <= SAME_BEHIND_SECONDS:
            return as_reported
        corrected = by_set_clock(as_reported, clock.start.seconds, clock.stop.seconds)
        # Readings that would be out of order waited: they are as late as that clock was behind by
        # chance.
        return corrected if is_rising(list(map(_TIMESTAMP, corrected.rows))) else as_reported

    sent = sent_times(rows, parameters_of(tx, until), readings)
    times = reading_times(readings, sent)
    if stop is None and not is_start_timed and stands_still([start, *times]):
        return by_receipt(start, as_reported.ended, readings)
    steps = list(zip(readings, times, strict=True))
    return by_steps(start, steps, stop, _seconds_since_last(rows, tx)) or as_reported


def began_at(tx: StoredTransaction) -> str:
    """Return when its start was received; when it began, if the start was queued, perhaps until
    after a boot."""
    is_queued = (tx.start_skew or 0) < -CLOCK_SECONDS
    return min(tx.created_at, tx.start_time) if is_queued else tx.created_at


def _lag(tx: StoredTransaction, line: Timeline) -> float:
    """Return how old each reading was when it was received, in seconds, if all were equally old; 0
    if not, or if the start waited, too. In a queue, readings are the younger the later they are."""
    if not line.is_timed or not tx.is_start_timed or tx.stopped_by == SYSTEM:
        return 0.0
    if tx.early_reading_at or tx.ahead_reading_at:
        return 0.0
    waited = -(tx.stop_skew or 0)
    if max(abs(tx.start_skew or 0), -waited) > CLOCK_SECONDS:
        return 0.0
    rows = [row for row in line.rows if row[WH] is not None and row[SOURCE] == METER_VALUES]
    if len(rows) < tolerances.FEW:
        return 0.0
    if not LATE_SECONDS < _age(rows[0]) <= tolerances.MOST_LAG + CLOCK_SECONDS:
        return 0.0  # nearly always, without a look at each

    # Those that came in time show it, if the rest waited.
    lag = min(map(_age, rows))
    equal = [row for row in rows if _age(row) - lag <= CLOCK_SECONDS]
    if CLOCK_SECONDS < waited <= lag + CLOCK_SECONDS:
        return 0.0
    lasted = seconds(equal[-1][TIMESTAMP]) - seconds(equal[0][TIMESTAMP])
    is_possible = LATE_SECONDS < lag <= tolerances.MOST_LAG
    return lag if is_possible and lasted > 2 * CLOCK_SECONDS else 0.0


def _age(row: Row) -> float:
    """Return how old a reading was when it was received, in seconds."""
    return seconds(row[RECEIVED_AT]) - seconds(row[TIMESTAMP])


def _ahead(tx: StoredTransaction, line: Timeline, clock: Dating) -> float:
    """Return by how many seconds the times of a transaction are ahead of ours; below 0 if its clock
    was behind."""
    if not line.is_timed:
        return 0.0
    if clock.stop.seconds:
        return -clock.stop.seconds
    # A message that was queued shows less, so the highest counts.
    skews = [-_age(row) for row in line.rows if row[WH] is not None]
    if tx.is_start_timed:
        skews += [tx.start_skew or 0.0, tx.stop_skew or 0.0]
    ahead = max(skews, default=0.0)
    return ahead if ahead > CLOCK_SECONDS else 0.0


def _is_backwards(tx: StoredTransaction) -> bool:
    """Whether the stop precedes the start for another reason than a clock that was corrected
    meanwhile."""
    if tx.own_stop_time is None:
        return False
    is_ahead = (tx.stop_skew or 0) > CLOCK_SECONDS
    stop_time = tx.own_stop_time
    if is_ahead and tx.stop_received_at:
        stop_time = tx.stop_received_at
    if stop_time < min(tx.start_time, tx.own_start_time):
        return True
    skew = tx.start_skew or 0
    if tx.told_id is not None or abs(skew) <= CLOCK_SECONDS:
        return False

    # The start may be older than it says: it was moved back to the stop. One that waited has a time
    # of its own.
    stopped, received = seconds(stop_time), seconds(tx.created_at)
    if tx.is_start_timed and skew < 0:
        return stopped < received + skew - CLOCK
    # A start without a usable time may have waited with its stop, which then came soon after it.
    apart = seconds(tx.stop_received_at or tx.created_at) - received
    return stopped < received - CLOCK_SECONDS and apart > LONGEST_BURST_SECONDS


def _longest(rows: Rows, tx: StoredTransaction, line: Timeline) -> float:
    """Return the longest possible duration: by the interpreted times, the times of receipt, or the
    charger's own clock."""
    ended = ended_at(tx)
    received = seconds(tx.stop_received_at or ended) - seconds(tx.created_at)
    # Readings after the stop show that charging went on, so the last of them counts.
    last_at = max(map(_TIMESTAMP, line.rows), default=ended)
    durations = [
        seconds(ended) - seconds(tx.own_start_time),
        line.ended - line.begun,
        seconds(last_at) - line.begun,
    ]
    if tx.stop_skew is not None and tx.start_skew is not None:
        durations.append(received + tx.stop_skew - tx.start_skew)

    # The receipts count only if the charger's times do not: they are unknown, or a stop in time
    # shows that a clock that was ahead was put right. A message that waited says nothing about the
    # clock.
    if not line.is_timed or not tx.is_start_timed:
        durations.append(_seconds_since_last(rows, tx))
    elif (tx.start_skew or 0) > CLOCK_SECONDS >= abs(tx.stop_skew or 0):
        durations.append(received)

    # A charger without a clock that was offline sends everything within a second, with its own
    # times hours apart. If they are further apart than any transaction lasts, and than the
    # receipts, the clock was set.
    most = max(LONGEST_SECONDS, received + CLOCK_SECONDS)
    possible = [min(lasted, LONGEST_SECONDS) for lasted in durations if lasted <= most]
    return max(0.0, *possible, 0.0)


_PREVIOUS_BEFORE_SESSION: Final = """
    SELECT created_at
    FROM tx
    WHERE cp_id = ? AND conn_id = ?
        AND created_at <= (SELECT connected_at FROM session WHERE id = ?)
        AND +own_start_time <= ? AND id < ? AND session_id <> ?
    ORDER BY created_at DESC, id DESC
    LIMIT 1
"""
_FIRST_SEEN: Final = "SELECT created_at FROM cp WHERE id = ?"


def _seconds_since_last(rows: Rows, tx: StoredTransaction) -> float:
    """Return the seconds since the connector's previous transaction was reported over an earlier
    session."""
    place = (tx.charger, tx.connector, tx.session, tx.own_start_time, tx.id, tx.session)
    since = rows(_PREVIOUS_BEFORE_SESSION, place) or rows(_FIRST_SEEN, (tx.charger,))
    reported = seconds(tx.stop_received_at or tx.created_at)
    return min(LONGEST_SECONDS, reported - seconds(since[0][0]))


# Its registers as sent

_UNREAD: Final = f"""
    SELECT value
    FROM (SELECT id, value, measurand, format, wh {OF_TRANSACTION}) AS unread
    WHERE wh IS NULL AND measurand = '{REGISTER}' AND format = 'Raw'
    ORDER BY id
"""  # noqa: S608 - our own names


def _garbled(rows: Rows, tx: StoredTransaction, line: Timeline, until: str) -> tuple[str, ...]:
    """Return the registers as sent that are no numbers: of start and stop, and the first ones of
    the readings."""
    ends = (tx.sent_meter_start, tx.sent_meter_stop)
    garbled = [text for text in ends if text and decimal(text) is None]
    unread = [row[VALUE] for row in line.rows if row[WH] is None and row[MEASURAND] == REGISTER]
    if all(decimal(text) is not None for text in unread):
        return tuple(garbled)

    # A signed value is no number either, and only the stored reading tells its format.
    texts = [text for (text,) in rows(_UNREAD, parameters_of(tx, until))]
    of_readings = [text for text in texts if decimal(text) is None]
    return (*garbled, *of_readings[:MOST_GARBLED])


def _fraction(text: str | None) -> Decimal | None:
    """Return a register as sent, if it is a number with a fraction."""
    number = decimal(text) if text else None
    if number is None or number == number.to_integral_value():
        return None
    return number


# When its connector was available


class Availability(NamedTuple):
    """When a connector was available or, if not, showed charging: by its charger's clock."""

    at: float
    is_available: bool


def _available_before_end(
    rows: Rows, tx: StoredTransaction, boot_times: Sequence[str]
) -> float | None:
    """Return since when its connector was available before its end; None if it never was, or only
    for a moment."""
    begun, ended = seconds(tx.own_start_time), seconds(ended_at(tx))
    received_until = tx.stop_received_at or LAST_TIME
    since: float | None = None
    for at, is_available in _availability(rows, tx, begun, ended, received_until, boot_times):
        if since is None:
            since = at if is_available else None
        elif not is_available and at - since <= CLOCK_SECONDS:
            since = None
    return since


_STATUSES_MEANWHILE: Final = """
    SELECT status, timestamp, received_at
    FROM status
    WHERE cp_id = ? AND conn_id = ? AND received_at BETWEEN ? AND ?
    ORDER BY id
"""


def _availability(
    rows: Rows,
    tx: StoredTransaction,
    begun: float,
    ended: float,
    received_until: str,
    boot_times: Sequence[str],
) -> Iterator[Availability]:
    """Yield when its connector was available and when it showed charging, in order of receipt.

    It is available by a status of the times from `begun` until CLOCK_SECONDS before `ended` that
    was not received within AFTER_BOOT_SECONDS of a boot. Charging counts at any time.
    """
    # A status whose time is far ahead is stored with the time of its receipt. If the clock was
    # ahead at the start and at the stop, it is put on that clock again.
    skew = tx.start_skew or 0
    if tx.stop_skew is not None:
        skew = min(skew, tx.stop_skew)
    clock_ahead = skew if tx.is_start_timed and skew > CLOCK_SECONDS else 0

    place = (tx.charger, tx.connector, tx.created_at, received_until)
    for status, timestamp, received_at in rows(_STATUSES_MEANWHILE, place):
        at = seconds(timestamp)
        if timestamp == received_at:
            at += clock_ahead
        if status in CHARGING:
            yield Availability(at, is_available=False)
        elif status == AVAILABLE and begun <= at < ended - CLOCK_SECONDS:
            received = seconds(received_at)
            since_boots = [received - seconds(boot) for boot in boot_times]
            if not any(0 <= since_boot <= AFTER_BOOT_SECONDS for since_boot in since_boots):
                yield Availability(at, is_available=True)


def available_after_readings(
    rows: Rows, tx: StoredTransaction, until: float, received_until: str
) -> float | None:
    """Return when its connector first became available after its last reading and before `until`.
    Charging there after this moment belongs to another transaction."""
    # A status soon after a boot counts, too: else a stop that comes hours later, of a car whose
    # start was lost, could be taken for the stop of this transaction.
    boot_times = ()
    since = seconds(max(tx.own_start_time, tx.last_reading_at or ""))
    for at, is_available in _availability(rows, tx, since, until, received_until, boot_times):
        if is_available:
            return at
    return None


def was_available(rows: Rows, tx: StoredTransaction, at: str, received_at: str) -> bool:
    """Whether its connector became available between its last reading and this moment, so that a
    reading then without a transactionId belongs to another transaction."""
    states = _availability_until(rows, tx, at, received_at)
    return any(state.is_available for state in states)


def available_since(rows: Rows, tx: StoredTransaction, start: str, received_at: str) -> str | None:
    """Return since when its connector was available without a sign of charging until a later
    start; None if it was not. `received_at` is when that start was received."""
    since: float | None = None
    for at, is_available in _availability_until(rows, tx, start, received_at):
        if is_available:
            since = at if since is None else since
        elif at < seconds(start) - CLOCK_SECONDS:
            # Later, charging may be reported just before the start that it belongs to.
            since = None
    return None if since is None else timestamp_of(since)


def _availability_until(
    rows: Rows, tx: StoredTransaction, at: str, received_at: str
) -> Iterator[Availability]:
    """Yield when its connector was available and when it showed charging from its last reading to
    this moment, without what a charger reports after a boot."""
    since = seconds(max(tx.own_start_time, tx.last_reading_at or ""))
    boot_times = [boot for boot, _ in boots(rows, tx.charger, began_at(tx), received_at)]
    return _availability(rows, tx, since, seconds(at), received_at, boot_times)


# Available counts only after a boot since the receipt of the start. If the start was queued until
# after the boot, Preparing counts, too: a car that was plugged in since is another one.
_IDLE: Final = """
    SELECT status.timestamp
    FROM status
    WHERE cp_id = ?1 AND conn_id = ?2 AND received_at BETWEEN ?3 AND ?4
        AND status IN ('Available', 'Preparing') AND status.timestamp > ?5 AND status.timestamp < ?6
        AND EXISTS (
            SELECT 1
            FROM boot
            WHERE boot.cp_id = ?1 AND boot.received_at
                BETWEEN CASE status.status WHEN 'Preparing' THEN ?7 ELSE ?3 END
                AND status.received_at
        )
    ORDER BY received_at, status.id
    LIMIT 1
"""


def idle_since_boot(rows: Rows, tx: StoredTransaction, at: str, received_at: str) -> float | None:
    """Return when its connector was first Available or Preparing after a boot, and so without a
    transaction; None if it never was. The status is newer than the last reading and older than
    `at`."""
    since = max(tx.own_start_time, tx.last_reading_at or "")
    place = (tx.charger, tx.connector)
    idle = rows(_IDLE, (*place, tx.created_at, received_at, since, at, began_at(tx)))
    return seconds(idle[0][0]) if idle else None


# What another judgement of an ended transaction decides


LATER_FACTS: Final = Told("later facts")


def judge_ended(
    history: ChargerHistory, tx: StoredTransaction, next_begin: int | None = None
) -> tuple[Case, Judgement, Dating]:
    """Judge a transaction that has ended; return the evidence, too, and what that shows of its
    times and its course. `next_begin` is that of `case_of`."""
    rows = history.rows
    clock = dating(rows, tx)
    case = case_of(history, tx, next_begin, clock)
    judgement = judge(case)
    if clock == Dating() and case.is_timed and (tx.stop_skew or 0) <= -CLOCK_SECONDS:
        start, stop = _sent_start(tx), _sent_stop(tx)
        if start is not None and stop is not None:
            # Its register rose while its times fell: they are right before its clock was set, or
            # since.
            set_back = case.ended - case.begun - (stop.own - start.own)
            if CLOCK_SECONDS < set_back < stop.late and start.late > -CLOCK_SECONDS:
                clock = Dating(stop=Behind(set_back, is_sure=False))
    chain = course_of(case, judgement)
    is_course_sure = fitting_course(rows, tx, case, judgement, chain) is chain
    return case, judgement, clock._replace(is_course_sure=is_course_sure)


class JudgedAgain(NamedTuple):
    """A judgement, for the write that stores it and for previews that only show it.

    `times` is the row with its times; the row itself if they stay. A figure that a person settled
    stays; then `doubts` are what later facts tell against it. `before` are the reviews that are
    open before, `review` are the words of those that are open then.
    """

    judgement: Judgement
    times: StoredTransaction
    is_settled: bool
    confidence: str
    doubts: tuple[Doubt, ...]
    before: list[tuple[str, str]]
    review: list[str]


def judged_again(history: ChargerHistory, tx: StoredTransaction) -> JudgedAgain:
    """Judge an ended transaction by all that is known now. Whether its price depends on times that
    are not sure is not decided here."""
    rows = history.rows
    _, judgement, clock = judge_ended(history, tx)
    before = open_reviews(rows, tx.id)
    is_settled = settled_by(rows, tx.id) is not None
    if is_settled:
        doubts = doubts_of_settled(rows, tx, judgement)
        confidence = DOUBTFUL if doubts else tx.confidence or ""
        gone = OF_THE_PRICE.union(doubt.code for doubt in doubts)
    else:
        doubts = judgement.doubts
        confidence = confidence_of(judgement, before)
        gone = OF_THE_PRICE.union({*Code} - LASTING)
    review = [words for code, words in before if code not in gone]
    review += [doubt.words for doubt in doubts]
    times = dated(tx, clock, is_settled=is_settled)
    return JudgedAgain(judgement, times, is_settled, confidence, doubts, before, review)


def confidence_of(judgement: Judgement, reviews: Sequence[tuple[str, str]]) -> str:
    """Return the confidence: certain only without doubts of the judge and about which messages
    belong together."""
    is_match_doubted = any(code in OF_THE_MATCH for code, _ in reviews)
    return DOUBTFUL if is_match_doubted else judgement.confidence


def doubts_of_settled(rows: Rows, tx: StoredTransaction, judgement: Judgement) -> tuple[Doubt, ...]:
    """Return a doubt if later facts contradict a figure that a person settled, unless that person
    knew it."""
    if judgement.wh == tx.energy_delivered or judgement.wh in overruled(rows, tx.id):
        return ()
    figure = in_wh(judgement.wh)
    words = Told("later facts tell {1}; the figure was settled by a person and stays", figure)
    evidence = (
        Told("{1}, settled", in_wh(tx.energy_delivered)),
        Told("{1} by later facts", figure),
    )
    doubt = Doubt(Code.LATER_FACTS, words, evidence, {LATER_FACTS: judgement.wh})
    return () if was_asked(rows, tx.id, doubt) else (doubt,)
