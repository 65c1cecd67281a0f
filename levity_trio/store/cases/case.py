"""Loads a transaction for the judge: its row, its readings and its neighbours.

Only reads, so the writer and read-only connections share it. The cost of each statement depends on the transaction and
does not grow with the history of its charger.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import islice
from operator import eq, itemgetter
from typing import Final

from levity_trio.charging import tolerances
from levity_trio.charging.energy import DOUBTFUL
from levity_trio.charging.names import is_named_to_the_end
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
    seconds,
    timestamp_of,
)
from levity_trio.charging.sent.readings import REGISTER
from levity_trio.charging.sent.timeline import (
    MessageTime,
    Timeline,
    by_receipt,
    by_set_clock,
    by_steps,
    caught_up,
    is_set_back,
    message_time,
    reading_times,
    stands_still,
)
from levity_trio.charging.tolerances import CLOCK_SECONDS
from levity_trio.store.cases.adjacent import begin_after, boots, counted_until, following, place_of, preceding
from levity_trio.store.cases.beside import Span, beside, boundaries, earlier
from levity_trio.store.cases.clocks import Dating, dating
from levity_trio.store.cases.habits import habits_of
from levity_trio.store.cases.transaction import (
    LAST_TIME,
    OF_TRANSACTION,
    Known,
    ended_at,
    of_readings,
    readings,
    register,
    sent_times,
)
from levity_trio.store.connectors import Rows, maximum_w
from levity_trio.wire.numbers import decimal

LONGEST_SECONDS: Final = 31 * 24 * 3600
"""The longest plausible transaction. A longer one means that a clock was set meanwhile."""
LONGEST_BURST_SECONDS: Final = 600
"""How long a charger that comes back may take to send its queue."""
AFTER_BOOT_SECONDS: Final = 120
"""Some chargers report Available for every connector after a boot; such a status is ignored."""
AVAILABLE: Final = "Available"
METER_VALUES: Final = "MeterValues"
CHARGING: Final = frozenset({"Charging", "SuspendedEV", "SuspendedEVSE"})


_TIMESTAMP, _RECEIVED_AT = itemgetter(TIMESTAMP), itemgetter(RECEIVED_AT)
_UNREAD: Final = (
    f"SELECT value FROM (SELECT id, value, measurand, format, wh{OF_TRANSACTION}) AS told"  # noqa: S608 - our own names
    f" WHERE wh IS NULL AND measurand = '{REGISTER}' AND format = 'Raw' ORDER BY id"
)
MOST_GARBLED: Final = 3
_NAMES: Final = f"SELECT received_at, told_id{OF_TRANSACTION} ORDER BY id"


def case_of(
    rows: Rows, tx: Known, next_begin: int | None = None, until: str = LAST_TIME, clock: Dating | None = None
) -> Case:
    """Return all evidence about a transaction that has ended or is about to, as received until `until`.

    `next_begin` is the start register, in Wh, of a transaction that is about to begin on its connector. `clock` is what
    `dating` returns for it, if the caller has that.
    """
    line = _timeline(rows, tx, readings(rows, tx, until), until, clock := clock or dating(rows, tx, until))
    booted = boots_during(rows, tx)
    names = rows(_NAMES, of_readings(tx, until)) if booted and tx.stopped_by == "system" else []
    before, after = preceding(rows, tx, until), following(rows, tx, until)
    least = tolerances.MANY + (tx.confidence == DOUBTFUL)  # it may itself have shown it
    habits = habits_of(rows, tx.charger, tx.connector or 0, least, None if until == LAST_TIME else until)
    habits = habits._replace(ceiling_w=maximum_w(rows, tx.charger, tx.connector, until) or habits.ceiling_w)
    others = beside(rows, own := span_of(tx), until, _behind(tx, line))
    ahead = _ahead(tx, line, clock) if booted else 0
    swapped_at = [seconds(at) + ahead for at, is_other in booted if is_other]
    return Case(
        begun=line.begun,
        ended=line.ended,
        is_backwards=_is_backwards(tx),
        start_wh=register(tx.meter_start),
        stop_wh=_stop(tx),
        longest=_longest(rows, tx, line),
        lag=_lag(tx, line),
        is_timed=line.is_timed,
        is_stopped=tx.stopped_by != "system",
        is_start_unknown=tx.told_id is not None,
        is_named_to_the_end=is_named_to_the_end(tx.id, names, [at for at, _ in booted]),
        received_seconds=_apart(tx.created_at, tx.stop_received_at or tx.created_at),
        start_exact=_fraction(tx.sent_meter_start),
        stop_exact=_fraction(tx.sent_meter_stop),
        garbled=_garbled(rows, tx, line, until),
        has_readings=bool(line.rows),
        **gather(line.rows)._asdict(),
        before=before,
        after=Neighbour(next_begin, None) if next_begin is not None and after is None else after,
        counted_until=_counted_until(rows, tx, until, before),
        beside=others,
        earlier=earlier(rows, own, until) if others else None,
        boundaries=boundaries(rows, own, until) if others else (),
        swapped_at=swapped_at,
        booted_at=[seconds(at) + ahead for at, _ in booted],
        begin_of_new_meter=begin_after(rows, place_of(tx, until), tx.stop_received_at) if swapped_at else None,
        available_at=_available_at(rows, tx, [at for at, _ in booted]),
        **habits._asdict(),
    )


def _behind(tx: Known, line: Timeline) -> float | None:
    """Return by how many seconds the clock was behind ours that told a start, if it was not set; else None."""
    if not line.is_timed or tx.is_start_timed:
        return None
    own = _start_time(tx).own
    return None if own is None else line.begun - own


def _lag(tx: Known, line: Timeline) -> float:
    """Return how old each reading was when it was received, in seconds, if all were equally old; 0 if not, or if start
    or stop waited, too. In a queue they grow younger; by a clock that is behind, readings rise before the start."""
    is_odd = not line.is_timed or not tx.is_start_timed or tx.early_reading_at or tx.ahead_reading_at
    if is_odd or tx.stopped_by == "system" or max(abs(tx.start_skew or 0), abs(tx.stop_skew or 0)) > CLOCK_SECONDS:
        return 0.0
    rows = [row for row in line.rows if row[WH] is not None and row[0] == METER_VALUES]
    if len(rows) < tolerances.FEW or not tolerances.LATE_SECONDS < _age(rows[0]) <= tolerances.MOST_LAG + CLOCK_SECONDS:
        return 0.0  # nearly always, without a look at each
    ages = list(map(_age, rows))
    if max(ages) - min(ages) > CLOCK_SECONDS:
        return 0.0
    lasted = seconds(rows[-1][TIMESTAMP]) - seconds(rows[0][TIMESTAMP])
    is_lag = tolerances.LATE_SECONDS < min(ages) <= tolerances.MOST_LAG and lasted > 2 * CLOCK_SECONDS
    return min(ages) if is_lag else 0.0


def _age(row: Row) -> float:
    """Return how old a reading was when it was received, in seconds."""
    return seconds(row[RECEIVED_AT]) - seconds(row[TIMESTAMP])


def _ahead(tx: Known, line: Timeline, clock: Dating) -> float:
    """Return by how many seconds the times of a transaction are ahead of ours; below 0 if its clock was behind.

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
    is_still = stopped is not None and stands_still([_start_time(tx), stopped])  # so the charger's clock does not run
    return Span(tx.id, tx.charger, tx.connector, *own_time, begin, stop, stop, *received, tx.start_time, is_still)


def _stop(tx: Known) -> int | None:
    """Return the register of the charger's stop. One that is 1 Wh below the start is the same, rounded otherwise."""
    if tx.stopped_by == "system" or tx.meter_stop is None:
        return None
    return register(tx.meter_start if tx.meter_stop + 1 == tx.meter_start else tx.meter_stop)


def _start_time(tx: Known) -> MessageTime:
    return message_time(tx.own_start_time, tx.sent_start_time, tx.created_at)


def _stop_time(tx: Known) -> MessageTime | None:
    """Return the time of the charger's stop; None if it sent none."""
    if tx.own_stop_time is None or tx.stop_received_at is None or tx.stopped_by == "system":
        return None
    return message_time(tx.own_stop_time, tx.sent_stop_time, tx.stop_received_at)


def _timeline(rows: Rows, tx: Known, found: list[Row], until: str, clock: Dating) -> Timeline:
    """Return the start, end and readings on one clock, from the charger's times where they are usable."""
    start, stop = _start_time(tx), _stop_time(tx)
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
        if stop is None or start.late - stop.late <= tolerances.SAME_BEHIND_SECONDS:
            return as_reported
        return as_reported if clock.is_one else by_set_clock(as_reported, clock.start.seconds, clock.stop.seconds)
    readings = reading_times(found, sent_times(rows, of_readings(tx, until), found))
    if stop is None and not is_start_timed and stands_still([start, *readings]):
        return by_receipt(start, as_reported.ended, found)
    return by_steps(start, list(zip(found, readings, strict=True)), stop, _seconds_since_last(rows, tx)) or as_reported


def _garbled(rows: Rows, tx: Known, line: Timeline, until: str) -> tuple[str, ...]:
    """Return the registers as sent that are no numbers: of start and stop, and the first ones of the readings."""
    ends = [text for text in (tx.sent_meter_start, tx.sent_meter_stop) if text and decimal(text) is None]
    unread = [row for row in line.rows if row[WH] is None and row[MEASURAND] == REGISTER]
    if all(decimal(row[VALUE]) is not None for row in unread):
        return tuple(ends)
    told = (text for (text,) in rows(_UNREAD, of_readings(tx, until)) if decimal(text) is None)
    return (*ends, *islice(told, MOST_GARBLED))


def _is_backwards(tx: Known) -> bool:
    """Whether the stop precedes the start for another reason than a clock that was corrected meanwhile."""
    if tx.own_stop_time is None:
        return False
    is_ahead = (tx.stop_skew or 0) > CLOCK_SECONDS
    stopped = tx.stop_received_at if is_ahead and tx.stop_received_at else tx.own_stop_time
    return stopped < min(tx.start_time, tx.own_start_time) or _is_before_as_sent(tx, seconds(stopped))


def _is_before_as_sent(tx: Known, stopped: float) -> bool:
    """Whether a stop is before its start although that may be older than it says: it was moved back to the stop.

    A start that waited has a time of its own. Any other one was sent before its receipt, and its stop came with it if
    it is older than that.
    """
    received, skew = seconds(tx.created_at), tx.start_skew or 0
    if tx.told_id is not None or abs(skew) <= CLOCK_SECONDS:
        return False
    if tx.is_start_timed and skew < 0:
        return stopped < received + skew - tolerances.CLOCK
    is_with_it = _apart(tx.created_at, tx.stop_received_at or tx.created_at) <= LONGEST_BURST_SECONDS
    return stopped < received - CLOCK_SECONDS and not is_with_it


def _apart(earlier: str, later: str) -> float:
    return seconds(later) - seconds(earlier)


def _fraction(text: str | None) -> Decimal | None:
    number = None if text is None else decimal(text)
    return None if number is None or number == number.to_integral_value() else number


def _longest(rows: Rows, tx: Known, line: Timeline) -> float:
    """Return the longest possible duration: by the interpreted times, the times of receipt, or the charger's own clock.

    A charger without a clock that was offline sends everything within a second, with its own times hours apart. A
    reading that names it after its stop shows that it went on.
    """
    ended = ended_at(tx)
    received = _apart(tx.created_at, tx.stop_received_at or ended)
    last_at = max(map(_TIMESTAMP, line.rows), default=ended)
    durations = [_apart(tx.own_start_time, ended), line.ended - line.begun, seconds(last_at) - line.begun]
    if tx.stop_skew is not None and tx.start_skew is not None:
        durations.append(received + tx.stop_skew - tx.start_skew)
    if not line.is_timed or not tx.is_start_timed:
        durations.append(_seconds_since_last(rows, tx))
    return max([0.0, min(received, LONGEST_SECONDS), *(lasted for lasted in durations if lasted <= LONGEST_SECONDS)])


def _seconds_since_last(rows: Rows, tx: Known) -> float:
    """Return the seconds since the connector's previous transaction was reported over an earlier session."""
    found = rows(
        "SELECT created_at FROM tx WHERE cp_id = ? AND conn_id = ?"
        " AND created_at <= (SELECT connected_at FROM session WHERE id = ?) AND +own_start_time <= ? AND id < ?"
        " AND session_id <> ? ORDER BY created_at DESC, id DESC LIMIT 1",
        (tx.charger, tx.connector, tx.session, tx.own_start_time, tx.id, tx.session),
    ) or rows("SELECT created_at FROM cp WHERE id = ?", (tx.charger,))
    return min(LONGEST_SECONDS, _apart(found[0][0], tx.stop_received_at or tx.created_at))


def _counted_until(rows: Rows, tx: Known, until: str, before: Neighbour | None) -> int | None:
    """Return the register up to which its range was counted before, if its clock may not run. A start at 0 says
    nothing, as some registers count each transaction."""
    start, is_right = register(tx.meter_start), abs(tx.start_skew or 0) <= CLOCK_SECONDS
    if not start or (is_right and tx.is_start_timed):
        return None
    return counted_until(rows, place_of(tx, until), start, (before and before.end) or 0)


def boots_during(rows: Rows, tx: Known) -> list[tuple[str, bool]]:
    """Return the charger's boots during the transaction: when received, and whether each reported another meter."""
    return boots(rows, tx.charger, began_at(tx), tx.stop_received_at or tx.own_stop_time or tx.created_at)


def began_at(tx: Known) -> str:
    """Return when its start was received; when it began, if the start was queued, perhaps until after a boot."""
    is_queued = (tx.start_skew or 0) < -CLOCK_SECONDS
    return min(tx.created_at, tx.start_time) if is_queued else tx.created_at


def _available_at(rows: Rows, tx: Known, boots: Sequence[str]) -> float | None:
    """Return since when its connector was available before its end; None if never, or only for a moment.

    The status's own time counts. A status at or after the stop is ignored, as are the first ones after a boot.
    """
    since: float | None = None
    for at, is_available in available_times(rows, tx, boots, seconds(tx.own_start_time), seconds(ended_at(tx))):
        if is_available:
            since = at if since is None else since
        elif since is not None and at - since <= CLOCK_SECONDS:
            since = None
    return since


def available_times(
    rows: Rows, tx: Known, boots: Sequence[str], begun: float, ended: float
) -> Iterator[tuple[float, bool]]:
    """Yield when its connector was available (True) or showed charging (False), in order of receipt.

    By a clock that is ahead, as that of its start and its stop, a status has the time of its receipt.
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
        elif is_free and not any(0 <= _apart(boot, received_at) <= AFTER_BOOT_SECONDS for boot in boots):
            yield at, True


def available_at(rows: Rows, tx: Known, ended: float, received_at: str) -> float | None:
    """Return when its connector first became available after its last reading and before `ended`. Charging there after
    this moment belongs to another transaction."""
    since = seconds(max(tx.own_start_time, tx.last_reading_at or ""))
    received = tx._replace(stop_received_at=received_at)
    times = available_times(rows, received, (), since, ended)
    return next((at for at, is_available in times if is_available), None)


def was_available(rows: Rows, tx: Known, at: str, received_at: str) -> bool:
    """Whether its connector became available between its last reading and this moment, so that a reading then without
    a transactionId belongs to another transaction. The first statuses after a boot are ignored."""
    return any(is_available for _, is_available in _believed_times(rows, tx, at, received_at))


def available_until(rows: Rows, tx: Known, at: str, received_at: str) -> str | None:
    """Return since when its connector was available without a sign of charging until this moment, which is a later
    start; None if it was not. The first statuses after a boot are ignored."""
    found: float | None = None
    for moment, is_available in _believed_times(rows, tx, at, received_at):
        if is_available:
            found = moment if found is None else found
        elif moment < seconds(at) - CLOCK_SECONDS:
            found = None  # Charging may be reported just before the start that it belongs to
    return None if found is None else timestamp_of(found)


def idle_since_boot(rows: Rows, tx: Known, at: str, received_at: str) -> float | None:
    """Return when its connector first was available or preparing, so without a transaction, after a boot, its last
    reading and before this moment; None if never. Its start may have been queued until after the boot."""
    since = max(tx.own_start_time, tx.last_reading_at or "")
    found = rows(_IDLE, (tx.charger, tx.connector, tx.created_at, received_at, since, at, began_at(tx)))
    return seconds(found[0][0]) if found else None


def _believed_times(rows: Rows, tx: Known, at: str, received_at: str) -> Iterator[tuple[float, bool]]:
    """Yield when its connector was available (True) or showed charging (False) from its last reading to this moment,
    without the first statuses after a boot."""
    received = tx._replace(stop_received_at=received_at)
    since = seconds(max(tx.own_start_time, tx.last_reading_at or ""))
    yield from available_times(rows, received, [at for at, _ in boots_during(rows, received)], since, seconds(at))


_IDLE: Final = (
    "SELECT status.timestamp FROM status WHERE cp_id = ?1 AND conn_id = ?2 AND received_at BETWEEN ?3 AND ?4"
    " AND status IN ('Available', 'Preparing') AND status.timestamp > ?5 AND status.timestamp < ?6"
    " AND EXISTS (SELECT 1 FROM boot WHERE boot.cp_id = ?1 AND boot.received_at"
    " BETWEEN CASE status.status WHEN 'Preparing' THEN ?7 ELSE ?3 END AND status.received_at)"
    " ORDER BY received_at, status.id LIMIT 1"
)
