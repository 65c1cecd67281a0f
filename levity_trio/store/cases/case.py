"""Loads a transaction for the judge: its row, its readings, its neighbours, its charger's clock and
habits.

Only reads, so the writer and read-only connections share it. The cost of each statement depends on
the transaction and does not grow with the history of its charger.

By how much the clock was behind that dated a transaction shows in the stored times of its charger's
messages. Nearly all transactions begin and end with a message that is hardly late, and then nothing
is read. Otherwise, of each connection, only what is nearest to a message counts: a clock is set
again and again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import islice
from operator import eq, itemgetter
from typing import Final, NamedTuple, TypeAlias

from levity_trio.charging import tolerances
from levity_trio.charging.energy import DOUBTFUL
from levity_trio.charging.names import is_named_to_the_end
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.evidence import (
    MEASURAND,
    RECEIVED_AT,
    TIMESTAMP,
    VALUE,
    WH,
    Case,
    Neighbour,
    Row,
    gather,
    is_rising,
    seconds,
    timestamp_of,
)
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
from levity_trio.charging.tolerances import CLOCK, CLOCK_SECONDS, LATE_SECONDS, SAME_BEHIND_SECONDS
from levity_trio.store.cases.neighbours import (
    Course,
    Span,
    begin_after,
    beside,
    boots,
    boundaries,
    counted_until,
    earlier,
    neighbour,
    preceding,
)
from levity_trio.store.cases.settled import SYSTEM
from levity_trio.store.cases.transaction import (
    LAST_TIME,
    METER_VALUES,
    OF_TRANSACTION,
    TIMES,
    Known,
    ended_at,
    of_readings,
    register,
    samples,
    sent_times,
)
from levity_trio.store.engine.database import Rows
from levity_trio.store.lookups.connectors import connectors
from levity_trio.told import Told
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
_TOO_FAST: Final = "SELECT 1 FROM simulated_time WHERE speed > ?"
_CONNECTIONS: Final = (
    "SELECT id, connected_at, coalesce(ended_at, '9998-12-31T00:00:00.000Z'), clock_trusted "
    "FROM session "
    "WHERE cp_id = ? AND connected_at <= ? AND imported_from IS NULL "
    "ORDER BY connected_at DESC, id DESC LIMIT ?"
)
_STATUSES: Final = (
    "SELECT sent_timestamp, received_at FROM status "
    "WHERE cp_id = ? AND conn_id = ? AND received_at {0} ? AND received_at <= ? "
    "AND session_id = ? "
    "ORDER BY received_at {1}, id {1} LIMIT ?"
)
_TRANSACTIONS: Final = (
    "SELECT sent_start_time, created_at, session_id, sent_stop_time, stop_received_at "
    "FROM tx "
    "WHERE cp_id = ? AND conn_id = ? AND created_at {0} ? AND created_at <= ? "
    "AND imported_id IS NULL AND id <> ? "
    "ORDER BY created_at {1}, id {1} LIMIT ?"
)


class Dating(NamedTuple):
    """By how much the clocks were behind that dated the start and the end of a transaction."""

    start: Behind = RIGHT
    stop: Behind = RIGHT

    @property
    def is_sure(self) -> bool:
        """Whether the offset of both is known, and the clock was not set in between."""
        return self.start.is_sure and self.stop.is_sure and self.is_one

    @property
    def is_one(self) -> bool:
        return abs(self.start.seconds - self.stop.seconds) <= SAME_BEHIND_SECONDS


class _Connection(NamedTuple):
    """A connection of a charger, the times between which its messages were received, and whether we
    knew the time."""

    id: int
    since: str
    until: str
    is_trusted: int


def dating(rows: Rows, tx: Known, until: str = LAST_TIME) -> Dating:
    """Return by how much the clock was behind at the start and at the end of a transaction, as
    received by `until`.

    Of one without a stop of its charger, the start shows the clock; of one without a start, the
    stop.
    """
    if all(skew is None or skew > -LATE_SECONDS for skew in (tx.start_skew, tx.stop_skew)):
        return Dating()
    start, stop = _told_start(tx), _told_stop(tx)
    if all(one is None or one.late <= LATE_SECONDS for one in (start, stop)) or rows(
        _TOO_FAST, (MOST_SPEED,)
    ):
        return Dating()
    evidence = _Evidence(rows, tx, until)
    first = None if start is None else evidence.around(tx.created_at)
    moments = [
        first,
        None if stop is None else evidence.around(tx.stop_received_at or tx.created_at, first),
    ]
    near = [stretch for of_one in moments if of_one is not None for stretch in of_one.own]
    started, stopped = (
        None if one is None or around is None else behind_of(one, around.own, around.before, near)
        for one, around in zip((start, stop), moments, strict=True)
    )
    return Dating(started or stopped or RIGHT, stopped or started or RIGHT)


def shows_clock(rows: Rows, tx: Known, received_at: str) -> bool:
    """Whether the messages around one, and those of a transaction, show that the clock was
    behind."""
    return any(
        one.behind for one in _Evidence(rows, tx, LAST_TIME).around(received_at, connections=1).own
    )


def _told_start(tx: Known) -> Dated | None:
    """Return what the start tells; None if it has no time, or one that was not believed."""
    if tx.told_id is not None or tx.start_skew is None or not tx.is_start_timed:
        return None
    return _told(tx.sent_start_time, tx.created_at)


def _told_stop(tx: Known) -> Dated | None:
    if (
        tx.stopped_by == SYSTEM
        or tx.stop_skew is None
        or tx.stop_received_at is None
        or tx.own_stop_time is None
    ):
        return None
    told = _told(tx.sent_stop_time, tx.stop_received_at)
    return told if told is not None and abs(told.own - seconds(tx.own_stop_time)) < 1 else None


def _told(sent: str | None, received_at: str | None) -> Dated | None:
    own = clock_time(sent) if sent else None
    return (
        None if own is None or received_at is None else Dated(own.timestamp(), seconds(received_at))
    )


def dated(tx: Known, clock: Dating, *, is_settled: bool = False) -> Known:
    """Return a transaction with its times corrected by what is known of its charger's clock; `tx`
    if nothing differs.

    An open one only if that is sure. Corrections that differ by no more than the way of a message
    are one. A person who settled a transaction went by its times then: if they change, that person
    decides again, unless both give one price.
    """
    if clock == Dating() and not (
        tx.start_behind or tx.stop_behind or tx.is_clock_unsure
    ):  # nearly all are right
        return tx
    if tx.stop_time is None and not clock.is_sure:
        return tx
    found = _corrected(tx, clock)
    behind = ((tx.start_behind, found.start_behind), (tx.stop_behind, found.stop_behind))
    is_same = all(
        bool(old) is bool(new) and abs(old - new) <= SAME_BEHIND_SECONDS for old, new in behind
    )
    if is_same and (is_settled or tx.is_clock_unsure == found.is_clock_unsure):
        return tx
    if is_settled:
        found = found._replace(is_clock_unsure=int(bool(found.start_behind or found.stop_behind)))
    return found


def _corrected(tx: Known, clock: Dating) -> Known:
    """Return a transaction with corrected times. Times that were interpreted otherwise stay."""
    start = _moved(tx.start_time, -tx.start_behind)
    start_behind = int(clock.start.seconds) if start == tx.own_start_time else 0
    found = tx._replace(
        start_time=_moved(start, start_behind), start_behind=start_behind, is_clock_unsure=0
    )
    if tx.stop_time is None:
        return found
    stop = _moved(tx.stop_time, -tx.stop_behind)
    stop_behind = _stop_behind(found, stop, clock)
    is_unsure = not clock.is_sure and bool(start_behind or stop_behind)
    return found._replace(
        stop_time=_moved(stop, stop_behind), stop_behind=stop_behind, is_clock_unsure=int(is_unsure)
    )


def _stop_behind(found: Known, stop: str, clock: Dating) -> int:
    """Return by how much the time of an end is behind; one that the system set is not before the
    last sign."""
    if found.stopped_by != SYSTEM:
        return int(clock.stop.seconds) if stop == found.own_stop_time else 0
    if not found.start_behind:
        return 0
    last = _moved(found.last_reading_at or found.own_start_time, found.start_behind)
    return max(0, round(seconds(max(last, found.start_time)) - seconds(stop)))


def _moved(at: str, by: float) -> str:
    return shifted_stamp(at, timedelta(seconds=by)) if by else at


def clock_words(tx: Known) -> str:
    """Say how the times of a transaction are corrected."""
    if not (tx.start_behind or tx.stop_behind):
        return Told("its charger's clock was not behind: its times are those sent")
    if abs(tx.start_behind - tx.stop_behind) <= SAME_BEHIND_SECONDS:
        return Told(
            "its charger's clock was {1} behind: its times are corrected by that",
            length(tx.start_behind),
        )
    start, stop = (length(one) if one else Told("not") for one in (tx.start_behind, tx.stop_behind))
    return Told(
        (
            "its charger's clock was {1} behind at its start and {2} behind at its end: its times "
            "are corrected"
        ),
        start,
        stop,
    )


def length(seconds: float) -> Told:
    """Return a length of time in words, to the nearest unit: 5 minutes, nearly 3 hours, 12 days."""
    minutes = int(seconds / _MINUTE + 0.5)
    unit = next((one for one in (_DAY, _HOUR) if minutes * _MINUTE >= 2 * one), _MINUTE)
    count = int(seconds / unit + 0.5)
    words = {
        _DAY: Told("{1} day", count, many="{1} days"),
        _HOUR: Told("{1} hour", count, many="{1} hours"),
        _MINUTE: Told("{1} minute", count, many="{1} minutes"),
    }[unit]
    return Told("nearly {1}", words) if count * unit > seconds + CLOCK else words


_DAY: Final = 86_400
_HOUR: Final = 3600
_MINUTE: Final = 60
_Order: TypeAlias = tuple[str, str]


class _Around(NamedTuple):
    """What the connection of a message shows of its clock, and what the last one before shows that
    shows anything."""

    received_at: str
    own: Sequence[Stretch]
    before: Sequence[Stretch]


class _Evidence:
    """The messages of a charger around those of one transaction, as received by a time."""

    def __init__(self, rows: Rows, tx: Known, until: str) -> None:
        self._rows = rows
        self._tx = tx
        self._until = until
        self._reporting = connectors(rows, tx.charger, "status")
        self._charging = connectors(rows, tx.charger, "tx")
        self._own = [one for one in (_told_start(tx), _told_stop(tx)) if one is not None]
        self._own += [
            Dated(seconds(timestamp), seconds(received_at), is_reading=True)
            for timestamp, received_at in rows(TIMES, of_readings(tx, until))
        ]

    def around(
        self, received_at: str, known: _Around | None = None, connections: int = CONNECTIONS
    ) -> _Around:
        """Return what is known of the clock around a message; what is `known` of one that came just
        before will do."""
        if known is not None and seconds(received_at) - seconds(known.received_at) <= CLOCK_SECONDS:
            return known
        found = self._rows(
            _CONNECTIONS, (self._tx.charger, received_at, connections)
        )  # its own, then those before
        in_time = [
            one._replace(until=min(one.until, self._until)) for one in map(_Connection._make, found)
        ]
        if not in_time or not in_time[0].is_trusted:
            return _Around(received_at, (), ())
        own, *earlier = in_time
        shown = stretches(list(self._messages(own, received_at)))
        for connection in earlier:
            told = (
                list(self._messages(connection, connection.until)) if connection.is_trusted else []
            )
            if before := stretches(told) or list(_alike(told, shown)):
                return _Around(received_at, shown, before)
        return _Around(received_at, shown, ())

    def _messages(self, connection: _Connection, near: str) -> Iterator[Dated]:
        """Yield the messages of a connection nearest to a time, and those of the transaction."""
        middle = min(near, connection.until)
        for since, until, order in (
            ("", middle, (">=", "DESC")),
            (middle, connection.until, (">", "ASC")),
        ):
            yield from self._statuses(connection, since, until, order)
            yield from self._transactions(connection, since, until, order)
        first, last = seconds(connection.since), seconds(connection.until)
        yield from (one for one in self._own if first <= one.received <= last)

    def _statuses(
        self, connection: _Connection, since: str, until: str, order: _Order
    ) -> Iterator[Dated]:
        for number in self._reporting:
            values = (
                self._tx.charger,
                number,
                max(since, connection.since),
                until,
                connection.id,
                NEAREST,
            )
            told = (_told(*row) for row in self._rows(_STATUSES.format(*order), values))
            yield from (one._replace(is_status=True) for one in told if one is not None)

    def _transactions(
        self, connection: _Connection, since: str, until: str, order: _Order
    ) -> Iterator[Dated]:
        for number in self._charging:
            values = (self._tx.charger, number, since, until, self._tx.id, NEAREST)
            for start, created_at, session, stop, stopped_at in self._rows(
                _TRANSACTIONS.format(*order), values
            ):
                started = _told(start, created_at) if session == connection.id else None
                is_stopped = connection.since <= (stopped_at or "") <= connection.until
                stopped = _told(stop, stopped_at) if is_stopped else None
                yield from (one for one in (started, stopped) if one is not None)


def _alike(told: Sequence[Dated], shown: Sequence[Stretch]) -> Iterator[Stretch]:
    """Yield the stretches of a later connection that also fit a message of this one, though it
    alone shows none."""
    for stretch in shown:
        fits = [
            other.received
            for other in told
            if abs(other.late - stretch.behind) <= SAME_BEHIND_SECONDS
        ]
        if stretch.behind and fits:
            yield stretch._replace(since=min(fits), until=max(fits))


CEILING: Final = "ceiling"
"""The kind of the habit whose value is the charger's highest power in W."""
POWER_TOO_HIGH: Final = "power_too_high"
"""The kind of the habit of power that is ten times too high, unless the registers are a tenth of
the energy."""
_OF_CHARGER: Final = (
    "SELECT kind, value, transactions, asks_since FROM habit "
    "JOIN cp ON cp.id = habit.cp_id "
    "WHERE habit.cp_id = ?1 AND conn_id = ?2 AND firmware = coalesce({}cp.firmware_version, '') "
    "AND meter_serial = coalesce({}cp.meter_serial_number, '') AND "
)
_BOOTED: Final = (
    "(SELECT {0} FROM boot WHERE boot.cp_id = ?1 AND received_at <= ?3 AND {0} IS NOT NULL"
    " ORDER BY received_at DESC, id DESC LIMIT 1), "
)
_VALID: Final = _OF_CHARGER.format("", "") + "revoked_at IS NULL"
_VALID_THEN: Final = (
    _OF_CHARGER.format(_BOOTED.format("firmware_version"), _BOOTED.format("meter_serial_number"))
    + "since < ?3 AND (revoked_at IS NULL OR revoked_at > ?3) ORDER BY habit.id"
)
"""For a moment in the past, with the firmware and the meter of that time; it cannot use the index
of valid habits."""
_IS_SERVED: Final = "({0}.registration <> 'refused' AND {0}.waiting_since IS NULL)"
"""Anybody can invent a charger of any vendor; one that waits for a decision, or was refused, proves
nothing."""
OF_SISTERS: Final = (
    " FROM habit JOIN cp ON cp.id = ?1 "  # noqa: S608 - our own names
    "JOIN cp AS sister ON sister.id = habit.cp_id AND sister.id <> cp.id "
    "AND sister.vendor = cp.vendor AND sister.model = cp.model "
    f"WHERE {_IS_SERVED.format('sister')} AND firmware <> '' "
    "AND firmware = "
    f"coalesce({_BOOTED.format('firmware_version').replace('?3', '?2')}cp.firmware_version) "
    f"AND transactions >= {tolerances.MANY} AND kind NOT IN ('{CEILING}', '{POWER_TOO_HIGH}') "
    "AND since < ?2 AND coalesce(revoked_at, 'never') > ?2 AND NOT EXISTS (SELECT 1 "
    "FROM habit AS ended JOIN cp AS other ON other.id = ended.cp_id "
    f"WHERE {_IS_SERVED.format('other')} AND other.vendor = cp.vendor AND other.model = cp.model "
    "AND ended.firmware = habit.firmware AND ended.kind = habit.kind "
    "AND ended.revoked_at BETWEEN habit.since AND ?2) AND NOT EXISTS (SELECT 1 "
    "FROM habit AS asked JOIN cp AS other ON other.id = asked.cp_id "
    "WHERE other.vendor = cp.vendor AND other.model = cp.model "
    "AND asked.firmware = habit.firmware AND asked.kind = habit.kind AND asked.asks_since <= ?2)"
)
"""What enough sessions of chargers with the vendor, model and firmware of one proved, and none of
these contradicted since then, nor did a person want to be asked. A highest power is of one alone.
Parameters: that charger, a moment."""


_SAID: Final = (
    "SELECT max_w FROM connector_data "
    "WHERE cp_id = ? AND conn_id = ? AND said_at <= ? "
    "ORDER BY id DESC LIMIT 1"
)


class Habits(NamedTuple):
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


NO_HABITS: Final = Habits(
    {}, None, reports_power=False, has_power_too_high=False, shown_factor=None
)


def habits_of(rows: Rows, tx: Known, until: str) -> Habits:
    """Return the habits of a transaction's connector that enough others showed, now or at a moment
    in the past; and its highest power, as a person had said by then.

    What its sisters proved is believed, too. How often a habit was shown by a past moment is not
    stored, so it counts from its first transaction on.
    """
    where, is_now = (tx.charger, tx.connector or 0), until == LAST_TIME
    least = tolerances.MANY + (tx.confidence == DOUBTFUL)  # it may itself have shown it
    figures = rows(_VALID, where) if is_now else rows(_VALID_THEN, (*where, until))
    said = rows(_SAID, (tx.charger, tx.connector, until))
    shown = {
        kind: value
        for kind, value, transactions, asked in figures
        if transactions >= least and _holds(asked, until)
    }
    of_sisters = set(
        rows(f"SELECT kind, value{OF_SISTERS} AND conn_id = ?3", (tx.charger, until, where[1]))
    )
    proofs = Counter(
        kind for kind, _ in of_sisters
    )  # those with different factors contradict each other
    believed = {kind: value for kind, value in of_sisters if proofs[kind] == 1} | shown
    values = {Code(kind): _factor(value) for kind, value in believed.items() if kind in set(Code)}
    kinds = {kind: value for kind, value, *_ in figures}
    reports_power, factor = bool(kinds.keys() - {POWER_TOO_HIGH}), kinds.get(Code.WRONG_FACTOR)
    shown_factor = None if factor is None else _factor(factor)
    ceiling_w = (said[0][0] if said else None) or shown.get(CEILING)
    return Habits(values, ceiling_w, reports_power, POWER_TOO_HIGH in kinds, shown_factor)


def _holds(asks_since: str | None, until: str) -> bool:
    """Whether a habit may make a figure certain: nobody wanted to be asked by then."""
    return asks_since is None or asks_since > until


def _factor(thousandths: int | None) -> float:
    return 1 if thousandths is None else thousandths / 1000


LONGEST_SECONDS: Final = 31 * 24 * 3600
"""The longest plausible transaction. A longer one means that a clock was set meanwhile."""
LONGEST_BURST_SECONDS: Final = 600
"""How long a charger that comes back may take to send its queue."""
AFTER_BOOT_SECONDS: Final = 120
"""Some chargers report Available for every connector after a boot; such a status is ignored."""
AVAILABLE: Final = "Available"
CHARGING: Final = frozenset({"Charging", "SuspendedEV", "SuspendedEVSE"})


_TIMESTAMP, _RECEIVED_AT = itemgetter(TIMESTAMP), itemgetter(RECEIVED_AT)
_UNREAD: Final = (
    f"SELECT value FROM (SELECT id, value, measurand, format, wh{OF_TRANSACTION}) AS told"  # noqa: S608 - our own names
    f" WHERE wh IS NULL AND measurand = '{REGISTER}' AND format = 'Raw' ORDER BY id"
)
MOST_GARBLED: Final = 3
_NAMES: Final = f"SELECT received_at, told_id{OF_TRANSACTION} ORDER BY received_at, id"


def case_of(
    course: Course, tx: Known, next_begin: int | None = None, clock: Dating | None = None
) -> Case:
    """Return all evidence about a transaction that has ended or is about to, as received until the
    course's moment.

    `next_begin` is the start register, in Wh, of a transaction that is about to begin on its
    connector. `clock` is what `dating` returns for it, if the caller has that.
    """
    rows, until = course.rows, course.until
    where, clock = of_readings(tx, until), clock or dating(rows, tx, until)
    line = _timeline(rows, tx, samples(rows, where), until, clock)
    booted = boots(
        rows, tx.charger, began_at(tx), tx.stop_received_at or tx.own_stop_time or tx.created_at
    )
    names = rows(_NAMES, where) if booted and tx.stopped_by == "system" else []
    before = preceding(course, tx)
    after = next((neighbour(course, tx, one) for one in course.around(tx).after), None)
    habits = habits_of(rows, tx, until)
    stop = (
        tx.meter_stop if tx.stopped_by != "system" else None
    )  # one that is 1 Wh below the start is rounded otherwise
    others = beside(course, own := span_of(tx), None if tx.is_start_timed else _behind(tx, line))
    ahead = _ahead(tx, line, clock) if booted else 0
    is_right = tx.is_start_timed and abs(tx.start_skew or 0) <= CLOCK_SECONDS
    swapped_at = [seconds(at) + ahead for at, is_other in booted if is_other]
    start_exact, stop_exact = (
        _fraction(text) if text else None for text in (tx.sent_meter_start, tx.sent_meter_stop)
    )
    return Case(
        begun=line.begun,
        ended=line.ended,
        is_backwards=_is_backwards(tx),
        start_wh=register(tx.meter_start),
        stop_wh=None
        if stop is None
        else register(tx.meter_start if stop + 1 == tx.meter_start else stop),
        longest=_longest(rows, tx, line),
        lag=_lag(tx, line),
        is_timed=line.is_timed,
        is_stopped=tx.stopped_by != "system",
        is_start_unknown=tx.told_id is not None,
        is_named_to_the_end=not names
        or is_named_to_the_end(tx.id, names, [at for at, _ in booted]),
        received_seconds=seconds(tx.stop_received_at or tx.created_at) - seconds(tx.created_at),
        start_exact=start_exact,
        stop_exact=stop_exact,
        garbled=_garbled(rows, tx, line, until),
        has_readings=bool(line.rows),
        **gather(line.rows)._asdict(),
        before=before,
        after=Neighbour(next_begin, None) if next_begin is not None and after is None else after,
        counted_until=None if is_right else _counted_until(course, tx, before),
        beside=others,
        earlier=earlier(rows, own, until) if others else None,
        boundaries=boundaries(rows, own, until) if others else (),
        swapped_at=swapped_at,
        booted_at=[seconds(at) + ahead for at, _ in booted],
        begin_of_new_meter=begin_after(course, tx) if swapped_at else None,
        available_at=_available_at(rows, tx, [at for at, _ in booted]),
        **habits._asdict(),
    )


def _behind(tx: Known, line: Timeline) -> float | None:
    """Return by how many seconds the clock was behind ours that told an implausible start; None if
    that is unknown."""
    if not line.is_timed:
        return None
    own = message_time(tx.own_start_time, tx.sent_start_time, tx.created_at).own
    return None if own is None else line.begun - own


def _lag(tx: Known, line: Timeline) -> float:
    """Return how old each reading was when it was received, in seconds, if all were equally old; 0
    if not, or if the start waited, too. In a queue they grow younger; by a clock that is behind,
    readings rise before the start. Those that came in time show it, if the rest waited."""
    is_odd = (
        not line.is_timed or not tx.is_start_timed or tx.early_reading_at or tx.ahead_reading_at
    )
    waited = -(tx.stop_skew or 0)
    if is_odd or tx.stopped_by == "system" or max(abs(tx.start_skew or 0), -waited) > CLOCK_SECONDS:
        return 0.0
    rows = [row for row in line.rows if row[WH] is not None and row[0] == METER_VALUES]
    if (
        len(rows) < tolerances.FEW
        or not tolerances.LATE_SECONDS < _age(rows[0]) <= tolerances.MOST_LAG + CLOCK_SECONDS
    ):
        return 0.0  # nearly always, without a look at each
    lag = min(map(_age, rows))
    equal = [row for row in rows if _age(row) - lag <= CLOCK_SECONDS]
    if CLOCK_SECONDS < waited <= lag + CLOCK_SECONDS:
        return 0.0
    lasted = seconds(equal[-1][TIMESTAMP]) - seconds(equal[0][TIMESTAMP])
    is_lag = tolerances.LATE_SECONDS < lag <= tolerances.MOST_LAG and lasted > 2 * CLOCK_SECONDS
    return lag if is_lag else 0.0


def _age(row: Row) -> float:
    """Return how old a reading was when it was received, in seconds."""
    return seconds(row[RECEIVED_AT]) - seconds(row[TIMESTAMP])


def _ahead(tx: Known, line: Timeline, clock: Dating) -> float:
    """Return by how many seconds the times of a transaction are ahead of ours; below 0 if its clock
    was behind.

    A message that was queued shows less.
    """
    if not line.is_timed:
        return 0.0
    if clock.stop.seconds:
        return -clock.stop.seconds
    skews = [-_age(row) for row in line.rows if row[WH] is not None]
    if tx.is_start_timed:
        skews += [tx.start_skew or 0.0, tx.stop_skew or 0.0]
    ahead = max(skews, default=0.0)
    return ahead if ahead > CLOCK_SECONDS else 0.0


def span_of(tx: Known) -> Span:
    """Return a transaction's stretch of time and register as reported, to find those beside it."""
    ended = None if tx.status == "Active" else ended_at(tx)
    stop = register(tx.meter_stop) if tx.stopped_by != "system" else None
    begin = tx.billed_from if tx.meter_start is None else register(tx.meter_start)
    own_time = (tx.own_start_time, ended)
    received = (tx.created_at, None if ended is None else tx.stop_received_at)
    stopped = _stop_time(tx)
    started = message_time(tx.own_start_time, tx.sent_start_time, tx.created_at)
    is_still = stopped is not None and stands_still(
        [started, stopped]
    )  # so the charger's clock does not run
    return Span(
        tx.id,
        tx.charger,
        tx.connector,
        *own_time,
        begin,
        stop,
        stop,
        *received,
        tx.start_time,
        is_still,
    )


def _stop_time(tx: Known) -> MessageTime | None:
    """Return the time of the charger's stop; None if it sent none."""
    if tx.own_stop_time is None or tx.stop_received_at is None or tx.stopped_by == "system":
        return None
    return message_time(tx.own_stop_time, tx.sent_stop_time, tx.stop_received_at)


def _timeline(rows: Rows, tx: Known, found: list[Row], until: str, clock: Dating) -> Timeline:
    """Return the start, end and readings on one clock, from the charger's times where they are
    usable."""
    start, stop = message_time(tx.own_start_time, tx.sent_start_time, tx.created_at), _stop_time(tx)
    is_start_timed = tx.is_start_timed
    if start.own is not None:  # the stored interpretation may come from later evidence
        start = start._replace(understood=start.own if is_start_timed else start.received)
    if tx.early_reading_at is not None and found:
        found = caught_up(found, start, stop)
    as_reported = Timeline(seconds(tx.own_start_time), seconds(ended_at(tx)), found)
    if stop is not None and stands_still([start, stop]):
        return by_receipt(start, stop.received, found)
    is_timed = is_start_timed and not any(map(eq, map(_TIMESTAMP, found), map(_RECEIVED_AT, found)))
    if is_timed and tx.ahead_reading_at is None and not is_set_back(start, found, stop):
        if stop is None or start.late - stop.late <= tolerances.SAME_BEHIND_SECONDS or clock.is_one:
            return as_reported
        corrected = by_set_clock(as_reported, clock.start.seconds, clock.stop.seconds)
        # Readings that would be out of order waited: they are as late as that clock was behind by
        # chance.
        return corrected if is_rising(list(map(_TIMESTAMP, corrected.rows))) else as_reported
    readings = reading_times(found, sent_times(rows, of_readings(tx, until), found))
    if stop is None and not is_start_timed and stands_still([start, *readings]):
        return by_receipt(start, as_reported.ended, found)
    return (
        by_steps(
            start, list(zip(found, readings, strict=True)), stop, _seconds_since_last(rows, tx)
        )
        or as_reported
    )


def _garbled(rows: Rows, tx: Known, line: Timeline, until: str) -> tuple[str, ...]:
    """Return the registers as sent that are no numbers: of start and stop, and the first ones of
    the readings."""
    ends = [
        text for text in (tx.sent_meter_start, tx.sent_meter_stop) if text and decimal(text) is None
    ]
    unread = [row for row in line.rows if row[WH] is None and row[MEASURAND] == REGISTER]
    if all(decimal(row[VALUE]) is not None for row in unread):
        return tuple(ends)
    told = (text for (text,) in rows(_UNREAD, of_readings(tx, until)) if decimal(text) is None)
    return (*ends, *islice(told, MOST_GARBLED))


def _is_backwards(tx: Known) -> bool:
    """Whether the stop precedes the start for another reason than a clock that was corrected
    meanwhile."""
    if tx.own_stop_time is None:
        return False
    is_ahead = (tx.stop_skew or 0) > CLOCK_SECONDS
    stopped = tx.stop_received_at if is_ahead and tx.stop_received_at else tx.own_stop_time
    if stopped < min(tx.start_time, tx.own_start_time):
        return True
    is_off = tx.told_id is None and abs(tx.start_skew or 0) > CLOCK_SECONDS
    return is_off and _is_before_as_sent(tx, seconds(stopped))


def _is_before_as_sent(tx: Known, stopped: float) -> bool:
    """Whether a stop is before its start although that may be older than it says: it was moved back
    to the stop.

    A start that waited has a time of its own. Any other one was sent before its receipt, and its
    stop came with it if it is older than that.
    """
    received, skew = seconds(tx.created_at), tx.start_skew or 0
    if tx.is_start_timed and skew < 0:
        return stopped < received + skew - tolerances.CLOCK
    is_with_it = (
        seconds(tx.stop_received_at or tx.created_at) - seconds(tx.created_at)
        <= LONGEST_BURST_SECONDS
    )
    return stopped < received - CLOCK_SECONDS and not is_with_it


def _fraction(text: str) -> Decimal | None:
    """Return a register as sent, if it is a number with a fraction."""
    number = decimal(text)
    return None if number is None or number == number.to_integral_value() else number


def _longest(rows: Rows, tx: Known, line: Timeline) -> float:
    """Return the longest possible duration: by the interpreted times, the times of receipt, or the
    charger's own clock.

    A charger without a clock that was offline sends everything within a second, with its own times
    hours apart. A reading that names it after its stop shows that it went on. The receipts count
    only if the charger's times do not: they are unknown, or a stop in time shows that a clock that
    was ahead was put right. A message that waited says nothing about the clock. If the charger's
    times are further apart than those of receipt, it was set.
    """
    ended = ended_at(tx)
    received = seconds(tx.stop_received_at or ended) - seconds(tx.created_at)
    last_at = max(map(_TIMESTAMP, line.rows), default=ended)
    durations = [
        seconds(ended) - seconds(tx.own_start_time),
        line.ended - line.begun,
        seconds(last_at) - line.begun,
    ]
    if tx.stop_skew is not None and tx.start_skew is not None:
        durations.append(received + tx.stop_skew - tx.start_skew)
    if not line.is_timed or not tx.is_start_timed:
        durations.append(_seconds_since_last(rows, tx))
    elif (tx.start_skew or 0) > CLOCK_SECONDS >= abs(tx.stop_skew or 0):
        durations.append(received)
    most = max(LONGEST_SECONDS, received + CLOCK_SECONDS)
    return max([0.0, *(min(lasted, LONGEST_SECONDS) for lasted in durations if lasted <= most)])


def _seconds_since_last(rows: Rows, tx: Known) -> float:
    """Return the seconds since the connector's previous transaction was reported over an earlier
    session."""
    rows_before = rows(
        "SELECT created_at FROM tx "
        "WHERE cp_id = ? AND conn_id = ? AND created_at <= (SELECT connected_at FROM session "
        "WHERE id = ?) AND +own_start_time <= ? AND id < ? AND session_id <> ? "
        "ORDER BY created_at DESC, id DESC LIMIT 1",
        (tx.charger, tx.connector, tx.session, tx.own_start_time, tx.id, tx.session),
    ) or rows("SELECT created_at FROM cp WHERE id = ?", (tx.charger,))
    return min(
        LONGEST_SECONDS, seconds(tx.stop_received_at or tx.created_at) - seconds(rows_before[0][0])
    )


def _counted_until(course: Course, tx: Known, before: Neighbour | None) -> int | None:
    """Return the register up to which its range was counted before, by a clock that may not run. A
    start at 0 says nothing, as some registers count each transaction."""
    start = register(tx.meter_start)
    return counted_until(course, tx, start, (before and before.end) or 0) if start else None


def began_at(tx: Known) -> str:
    """Return when its start was received; when it began, if the start was queued, perhaps until
    after a boot."""
    is_queued = (tx.start_skew or 0) < -CLOCK_SECONDS
    return min(tx.created_at, tx.start_time) if is_queued else tx.created_at


def _available_at(rows: Rows, tx: Known, boots: Sequence[str]) -> float | None:
    """Return since when its connector was available before its end; None if never, or only for a
    moment.

    The status's own time counts. A status at or after the stop is ignored, as are the first ones
    after a boot.
    """
    since: float | None = None
    for at, is_available in available_times(
        rows, tx, boots, seconds(tx.own_start_time), seconds(ended_at(tx))
    ):
        if is_available:
            since = at if since is None else since
        elif since is not None and at - since <= CLOCK_SECONDS:
            since = None
    return since


def available_times(
    rows: Rows, tx: Known, boots: Sequence[str], begun: float, ended: float
) -> Iterator[tuple[float, bool]]:
    """Yield when its connector was available (True) or showed charging (False), in order of
    receipt.

    By a clock that is ahead, as that of its start and its stop, a status has the time of its
    receipt.
    """
    skew = min(tx.start_skew or 0, (tx.start_skew if tx.stop_skew is None else tx.stop_skew) or 0)
    ahead = skew if tx.is_start_timed and skew > CLOCK_SECONDS else 0
    for status, timestamp, received_at in rows(
        "SELECT status, timestamp, received_at FROM status WHERE cp_id = ? AND conn_id = ?"
        " AND received_at BETWEEN ? AND ? ORDER BY id",
        (tx.charger, tx.connector, tx.created_at, tx.stop_received_at or LAST_TIME),
    ):
        at = seconds(timestamp) + (ahead if timestamp == received_at else 0)
        is_free = status == AVAILABLE and begun <= at < ended - CLOCK_SECONDS
        if status in CHARGING:
            yield at, False
        elif is_free and not any(
            0 <= seconds(received_at) - seconds(boot) <= AFTER_BOOT_SECONDS for boot in boots
        ):
            yield at, True


def available_at(rows: Rows, tx: Known, ended: float, received_at: str) -> float | None:
    """Return when its connector first became available after its last reading and before `ended`.
    Charging there after this moment belongs to another transaction."""
    since = seconds(max(tx.own_start_time, tx.last_reading_at or ""))
    received = tx._replace(stop_received_at=received_at)
    times = available_times(rows, received, (), since, ended)
    return next((at for at, is_available in times if is_available), None)


def was_available(rows: Rows, tx: Known, at: str, received_at: str) -> bool:
    """Whether its connector became available between its last reading and this moment, so that a
    reading then without a transactionId belongs to another transaction. The first statuses after a
    boot are ignored."""
    return any(is_available for _, is_available in _believed_times(rows, tx, at, received_at))


def available_until(rows: Rows, tx: Known, at: str, received_at: str) -> str | None:
    """Return since when its connector was available without a sign of charging until this moment,
    which is a later start; None if it was not. The first statuses after a boot are ignored."""
    found: float | None = None
    for moment, is_available in _believed_times(rows, tx, at, received_at):
        if is_available:
            found = moment if found is None else found
        elif moment < seconds(at) - CLOCK_SECONDS:
            found = None  # Charging may be reported just before the start that it belongs to
    return None if found is None else timestamp_of(found)


def idle_since_boot(rows: Rows, tx: Known, at: str, received_at: str) -> float | None:
    """Return when its connector first was available or preparing, so without a transaction, after a
    boot, its last reading and before this moment; None if never. Its start may have been queued
    until after the boot."""
    since = max(tx.own_start_time, tx.last_reading_at or "")
    found = rows(
        _IDLE, (tx.charger, tx.connector, tx.created_at, received_at, since, at, began_at(tx))
    )
    return seconds(found[0][0]) if found else None


def _believed_times(
    rows: Rows, tx: Known, at: str, received_at: str
) -> Iterator[tuple[float, bool]]:
    """Yield when its connector was available (True) or showed charging (False) from its last
    reading to this moment, without the first statuses after a boot."""
    received = tx._replace(stop_received_at=received_at)
    since = seconds(max(tx.own_start_time, tx.last_reading_at or ""))
    booted = [at for at, _ in boots(rows, tx.charger, began_at(tx), received_at)]
    yield from available_times(rows, received, booted, since, seconds(at))


_IDLE: Final = (
    "SELECT status.timestamp FROM status "
    "WHERE cp_id = ?1 AND conn_id = ?2 AND received_at BETWEEN ?3 AND ?4 "
    "AND status IN ('Available', 'Preparing') AND status.timestamp > ?5 AND status.timestamp < ?6 "
    "AND EXISTS (SELECT 1 FROM boot WHERE boot.cp_id = ?1 "
    "AND boot.received_at BETWEEN CASE status.status WHEN 'Preparing' THEN ?7 ELSE ?3 END "
    "AND status.received_at) "
    "ORDER BY received_at, status.id LIMIT 1"
)
