"""Match a stop or a reading to its transaction, by choosing among candidates.

The store selects the candidates. An uncertain choice opens a review.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.lifecycle import State
from levity_trio.charging.names import comparable_tag, reported_id
from levity_trio.charging.reviews import Code, Doubt, in_wh
from levity_trio.charging.sent.power import HOUR
from levity_trio.told import Told


class TransactionBegin(NamedTuple):
    """Transaction.Begin in the transactionData of a stop: in seconds, and its register in Wh."""

    at: float
    wh: int


class Stopping(NamedTuple):
    """A stop to be matched: `at` in seconds by the charger's clock, `wh` is its register, `data_wh`
    the highest in its transactionData, if any."""

    transaction: int
    id_tag: str | None
    wh: int
    at: float
    is_timed: bool
    data_wh: int | None = None
    begun: TransactionBegin | None = None


class Running(NamedTuple):
    """A transaction that a stop may mean. Times are in seconds, registers in Wh.

    `reached_wh` is the last reading of the lifetime register, and `reached_at` its time, or else
    that of the start. `power_w` is the highest reported power; None if there was none.
    `available_at` is when the connector first became available after the last sign of charging.
    `begun` is the earlier of the charger's time and ours, if its clock was ahead, and -inf if the
    start had no believable time: it may have been queued for any time.
    """

    id: int
    state: State
    begun: float
    start_wh: int | None
    reached_at: float
    reached_wh: int | None
    power_w: float | None
    last_power_w: float | None
    """The power sent with the last reading."""
    digit: int
    """The step of the readings, in Wh."""
    id_tag: str | None
    available_at: float | None
    longest: float
    """The maximum duration until the stop in seconds, by any clock."""
    ended: float | None = None
    ended_wh: int | None = None
    reported: tuple[int, int] | None = None
    """The first and the last reading as sent."""
    rose_at: float | None = None
    """When a reading first was above the start."""
    pace_w: float | None = None
    """The highest pace of its register up to a reading, or the highest reported power; None without
    readings of the register that start and stop are from."""
    called: int | None = None
    """The transactionId of its last reading."""
    is_exchanged: bool = False
    """A stop that named another transaction has ended it."""
    own_id: int | None = None
    """The ID of the charger's own which its readings had, live, and those of no other
    transaction."""

    @property
    def last_sent_wh(self) -> int | None:
        """The last reading as sent, or else the start."""
        return self.start_wh if self.reported is None else self.reported[1]


class Match(NamedTuple):
    """The transaction that a stop means, if any, and the doubt about that choice."""

    transaction: int | None
    doubt: Doubt | None


def match_stop(stop: Stopping, running: Sequence[Running]) -> Match:
    """Match by ID, unless exactly one other transaction fits better; without an ID, by the only
    fit."""
    named = next((each for each in running if each.id == stop.transaction), None)
    if named is None:
        return _without_id(stop, running)
    against = doubt_of_named(stop, named)
    if against is None:
        return Match(named.id, None)

    others = [
        other
        for other in running
        if other.id != named.id and other.state is not State.STOPPED and _fits(stop, other)
    ]
    is_possible = against_named(stop, named) is None
    others = [other for other in others if _fits_better(stop, other, named, is_possible)]
    # The registers of one meter do not tell which of two transactions a stop above both means.
    if stop.wh >= (named.reached_wh or 0) and not named.is_exchanged:
        others = [other for other in others if not _are_of_one_meter(named, other)]
    if len(others) != 1:
        return Match(named.id, None)

    how_likely = Told("less likely") if is_possible else Told("impossible")
    words = Told("the stop names session {1}, where it is {2}", named.id, how_likely)
    evidence = (f"transactionId {named.id}", against)
    return Match(others[0].id, Doubt(Code.STOP_ELSEWHERE, words, evidence))


def doubt_of_named(stop: Stopping, named: Running) -> str | None:
    """Return why a stop may not mean the transaction that it names; None if nothing speaks against
    it, or if its Transaction.Begin is that of the transaction."""
    if _has_its_begin(stop, named) and named.state is not State.STOPPED:
        return None
    against = against_named(stop, named)
    if against is not None:
        return against
    if stop.begun is not None:
        return Told("its Transaction.Begin is {1}", in_wh(stop.begun.wh))
    if named.called not in (None, named.id):
        return Told("its readings name session {1}", named.called)

    if stop.wh == 0 or named.pace_w is None or named.start_wh is None:
        return None
    data_wh = stop.wh if stop.data_wh is None else stop.data_wh
    if _is_at_pace(stop, named) or _is_at_pace(stop._replace(wh=data_wh), named):
        return None
    # The register may have stood still, and now shows what flowed since the start.
    fastest = named.pace_w * (1 + tolerances.POWER_SHARE)
    most = fastest * (stop.at - named.begun) / HOUR + tolerances.REACH_WH
    if stop.wh <= named.start_wh + most + named.digit:
        return None
    return Told("the register was at {1} and rose more slowly", in_wh(named.reached_wh))


def against_named(stop: Stopping, running: Running) -> str | None:
    """Return why a stop is impossible for the transaction that it names; None if it is possible."""
    # A register of 0 contradicts nothing: it is often one that the charger could not read.
    read = stop
    if stop.wh == 0:
        read = stop._replace(wh=max(running.start_wh or 0, running.reached_wh or 0))
    against = _out_of_reach(read, running)
    # Nor does one that its own transactionData contradicts, if that is possible.
    if against and stop.data_wh is not None:
        against = _out_of_reach(stop._replace(wh=stop.data_wh), running)
    if against is None and running.state is State.STOPPED and not _is_repeated(stop, running):
        return Told("that session was stopped before")
    return against


def _out_of_reach(stop: Stopping, running: Running) -> str | None:
    """Return why time or register make a stop impossible for the transaction that it names.

    If the readings are in another unit, or the register was reset, the figure is in doubt, but not
    the transaction.
    """
    # Power is no evidence here: a meter shared by two connectors counts both cars.
    named = running._replace(power_w=None)
    against = _against(stop, named)
    if against is None or running.reported is None:
        return against

    # The last reading as sent; then times each factor, and perhaps counted from the start.
    first, last = running.reported
    start = running.start_wh or 0
    levels = [(last, running.digit)]
    for factor, base in product(tolerances.FACTORS, (0, start) if first < start else (0,)):
        digit = max(running.digit, round(factor))
        level = base + round(last * factor)
        if base + first * factor >= start - digit and level <= stop.wh + digit:
            levels.append((level, digit))
    for level, digit in levels:
        in_unit = named._replace(start_wh=None, reached_wh=level, digit=digit)
        if _against(stop, in_unit) is None:
            return None
    return against


def _against(stop: Stopping, running: Running) -> str | None:
    """Return why a stop is impossible for a transaction, by time or register; None if it is
    possible."""
    if stop.is_timed and stop.at < running.begun - tolerances.CLOCK_SECONDS:
        return Told("the session began after this stop")
    registers = [wh for wh in (running.start_wh, running.reached_wh) if wh is not None]
    if not registers:
        return None
    reached = max(registers)
    if stop.wh < reached - running.digit:
        return Told("the register was at {1}", in_wh(reached))
    if stop.wh - reached > _reach_wh(stop, running):
        return Told("the register was at {1}, too far from {2}", in_wh(reached), in_wh(stop.wh))
    return None


def _reach_wh(stop: Stopping, running: Running) -> float:
    """Return the maximum rise of the register since the last reading, in Wh."""
    seconds = stop.at - running.reached_at
    if running.power_w is not None:
        lasted = max(0.0, seconds) + tolerances.CLOCK_SECONDS
        most = running.power_w * (1 + tolerances.POWER_SHARE) * lasted / HOUR
        return most + tolerances.REACH_WH
    if running.reached_at <= running.begun:
        seconds = max(running.longest, stop.at - running.begun)
    return tolerances.FASTEST_W * max(0.0, seconds + tolerances.CLOCK_SECONDS) / HOUR


def _fits_better(stop: Stopping, other: Running, named: Running, is_possible: bool) -> bool:
    """Whether a stop means another transaction rather than the one that it names."""
    # If it is impossible there, an AC charger must be able to deliver what it would add elsewhere,
    # unless power shows more.
    if not is_possible:
        if other.power_w is not None:
            return True
        rise = stop.wh - max(other.start_wh or 0, other.reached_wh or 0)
        return rise <= _reach_wh(stop, other) * tolerances.AC_W / tolerances.FASTEST_W

    if _is_at_pace(stop, other):
        return True
    if _has_its_begin(stop, other) and not _has_its_begin(stop, named):
        return True
    # The readings of the other one name this one, and its own do not: the charger confuses the ids
    # of two connectors.
    is_called_so = other.called == named.id != named.called
    return is_called_so and not _is_at_pace(stop, named)


def _is_at_pace(stop: Stopping, running: Running) -> bool:
    """Whether the register goes on from the last reading of a transaction at a pace that it had
    before."""
    if running.pace_w is None or running.reached_wh is None:
        return False
    seconds = max(0.0, stop.at - running.reached_at)
    most = running.pace_w * (1 + tolerances.HALF) * seconds / HOUR + tolerances.REACH_WH
    highest = running.reached_wh + most + running.digit
    return running.reached_wh - running.digit <= stop.wh <= highest


def _are_of_one_meter(running: Running, other: Running) -> bool:
    """Whether two connectors share a meter: the later transaction begins within the register range
    of the earlier one, and neither register was ever below what the other had reached before."""
    if running.start_wh is None or other.start_wh is None:
        return False
    earlier = min(running, other, key=lambda each: (each.start_wh, -(each.reached_wh or 0)))
    later_start = max(running.start_wh, other.start_wh)
    if earlier.reached_wh is None or later_start >= earlier.reached_wh:
        return False
    return not _is_below(running, other) and not _is_below(other, running)


def _is_below(running: Running, other: Running) -> bool:
    """Whether the register of one transaction was ever below what that of the other one had reached
    before."""
    own = [(running.begun, running.start_wh), (running.reached_at, running.reached_wh)]
    theirs = [(other.begun, other.start_wh), (other.reached_at, other.reached_wh)]
    for (at, wh), (before, reached) in product(own, theirs):
        if wh is None or reached is None or before > at:
            continue
        if wh + tolerances.REACH_WH < reached:
            return True
    return False


def _fits(stop: Stopping, running: Running) -> bool:
    """Whether nothing known contradicts this stop for this transaction."""
    start, begun = running.start_wh, stop.begun
    if start is None and running.reached_wh is None:
        return False
    if running.available_at is not None and running.available_at < stop.at - tolerances.CLOCK:
        return False

    # The transaction had charged when that of the stop began, by time and register.
    if begun is not None and running.rose_at is not None and start is not None:
        is_later = begun.at > running.rose_at + tolerances.CLOCK_SECONDS
        if is_later and begun.wh > start + running.digit:
            return False

    if not _has_its_tag(stop, running):
        return False
    return _against(stop, running) is None or _is_reached_in_other_unit(stop, running)


def _is_reached_in_other_unit(stop: Stopping, running: Running) -> bool:
    """Whether readings in kWh but sent as Wh, or the reverse, lead from the start to this stop."""
    start = running.start_wh
    if running.reported is None or start is None:
        return False
    factor = 1000 if running.reported[1] < start else 0.001
    first, last = (round(factor * wh) for wh in running.reported)
    digit = max(running.digit, factor)
    if not start - digit <= first <= last <= stop.wh + digit:
        return False
    # Within its step, the last reading may be at the stop.
    reached_wh = max(last, min(stop.wh, last + round(digit)))
    reached = running._replace(reached_wh=reached_wh, digit=round(digit))
    return _against(stop, reached) is None


def _has_its_tag(stop: Stopping, running: Running) -> bool:
    """Whether a stop has the tag of a transaction, or none."""
    tag = comparable_tag(stop.id_tag)
    return tag is None or tag == comparable_tag(running.id_tag)


def _has_its_begin(stop: Stopping, running: Running) -> bool:
    """Whether Transaction.Begin has the time of a start, and its register, or as much flowed since
    by both counters."""
    begun, start = stop.begun, running.start_wh
    if begun is None or stop.data_wh is None or start is None:
        return False
    if abs(begun.at - running.begun) > tolerances.CLOCK:
        return False
    flowed, counted = stop.wh - start, stop.data_wh - begun.wh
    return min(abs(begun.wh - start), abs(flowed - counted)) <= running.digit


def _is_repeated(stop: Stopping, running: Running) -> bool:
    """Whether a stop repeats this transaction's stop with other values."""
    if running.ended is None or running.ended_wh is None:
        return False
    is_then = abs(stop.at - running.ended) <= tolerances.CLOCK_SECONDS
    return is_then and abs(stop.wh - running.ended_wh) <= tolerances.REACH_WH


def _is_free(running: Running) -> bool:
    return running.state in (State.OPEN, State.SUSPENDED, State.CLOSED)


def _without_id(stop: Stopping, running: Sequence[Running]) -> Match:
    """Match a stop without an ID: prefer an open transaction to one closed by the system; two that
    fit match none."""
    # One that such a stop has just closed, in the same second and about at the same register.
    just_ended = [each for each in running if each.state is State.JOINED and each.ended == stop.at]
    repeated = [
        each for each in just_ended if _has_its_tag(stop, each) and _is_repeated(stop, each)
    ]
    if len(repeated) == 1:
        return joined(repeated[0].id, stop.transaction, len(running))

    # The only one with the same begin, or whose register stood exactly there.
    fitting = [each for each in running if _is_free(each) and _fits(stop, each)]
    candidates = [each for each in fitting if _has_its_begin(stop, each)]
    if not candidates:
        # Some chargers repeat the last reading, or the start, in their stop.
        exact = [each for each in fitting if each.digit == 1]
        candidates = [each for each in exact if each.last_sent_wh == stop.wh]
    if len(candidates) != 1:
        still_open = [each for each in fitting if each.state is not State.CLOSED]
        candidates = still_open or fitting

    if len(candidates) > 1:
        candidates = [each for each in candidates if _is_led_to(stop, each)]
    if len(candidates) != 1:
        return Match(None, None)
    (only,) = candidates
    if only.own_id == stop.transaction:
        return Match(only.id, None)
    return joined(only.id, stop.transaction, len(running))


def _is_led_to(stop: Stopping, running: Running) -> bool:
    """Whether the power at the last reading leads to this stop; without power, nothing contradicts
    it."""
    if running.last_power_w is None or running.reached_wh is None:
        return True
    most: float = tolerances.REACH_WH
    # The time since that reading may be unknown, so infinite: no power flowed then, either.
    if running.last_power_w:
        seconds = max(0.0, stop.at - running.reached_at)
        most += running.last_power_w * (1 + tolerances.HALF) * seconds / HOUR
    return stop.wh - running.reached_wh <= most


def joined(transaction: int, named: int, considered: int) -> Match:
    """Return the match of a stop without the transaction's ID, out of `considered` transactions."""
    every = Told(
        "{1} session of this charger considered",
        considered,
        many="{1} sessions of this charger considered",
    )
    words = Told(
        "the stop names no session of this charger, and fits only this one by time and register"
    )
    evidence = (f"transactionId {named}", every)
    return Match(transaction, Doubt(Code.STOP_WITHOUT_ID, words, evidence))


def match_by_tag(stop: Stopping, named: Running, others: Iterable[Running]) -> Match:
    """Match a stop that may mean the transaction that it names, but has a tag that may not stop
    that one.

    If it is the tag of exactly one other transaction which it fits, too, the charger confuses the
    ids of two connectors: the stop means the other one, unless the register goes on from the last
    reading of the named one alone.
    """
    tag, fitting = comparable_tag(stop.id_tag), list[Running]()
    for other in others:
        if comparable_tag(other.id_tag) == tag and _is_free(other) and _fits(stop, other):
            fitting.append(other)
    if len(fitting) != 1:
        return Match(named.id, None)
    (other,) = fitting

    words = Told(
        "the stop names session {1}, but has the card of session {2}, which it fits, too",
        named.id,
        other.id,
    )
    named_tag = Told("transactionId {1}, of the card {2}", named.id, named.id_tag or "")
    own_tag = Told("card {1}", stop.id_tag or "")
    is_of_named = _is_at_pace(stop, named) and not _is_at_pace(stop, other)
    meant = named if is_of_named else other
    return Match(meant.id, Doubt(Code.STOP_ELSEWHERE, words, (named_tag, own_tag)))


class NamedReading(NamedTuple):
    """A reading of a transaction: the transactionId as sent, its time, and by how many seconds it
    was ahead of its receipt."""

    name: int | None
    timestamp: str
    ahead: float


def own_id(readings: Sequence[NamedReading], start_ahead: float | None) -> int | None:
    """Return the ID of its own by which a charger calls a transaction: the one negative ID of all
    its readings, if two of them did not wait."""
    names = {reported_id(reading.name) for reading in readings} - {None}
    if len(names) != 1:
        return None
    (name,) = names
    if name is None or name >= 0:
        return None

    # What waited is less far ahead than what did not.
    aheads = [reading.ahead for reading in readings]
    if start_ahead is not None:
        aheads.append(start_ahead)
    ahead = max(aheads) - tolerances.CLOCK_SECONDS
    live = {
        reading.timestamp for reading in readings if reading.name == name and reading.ahead >= ahead
    }
    return name if len(live) > 1 else None
