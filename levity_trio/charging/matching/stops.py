"""Match a stop or a reading to its transaction, by choosing among candidates.

The store selects the candidates. An uncertain choice opens a review.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.lifecycle import State
from levity_trio.charging.names import comparable_tag, reported_id
from levity_trio.charging.reviews import Code, Doubt, in_wh
from levity_trio.charging.sent.power import HOUR
from levity_trio.told import Told


class Begun(NamedTuple):
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
    begun: Begun | None = None


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


class Match(NamedTuple):
    """The transaction that a stop means, if any, and the doubt about that choice."""

    transaction: int | None
    doubt: Doubt | None


def match_stop(stop: Stopping, running: Sequence[Running]) -> Match:
    """Match by ID, unless exactly one other transaction fits better; without an ID, by the only
    fit.

    Another one fits better if the named one is impossible, or if the register goes on from the
    other's last reading at its pace, but not from the named one's, or if the readings of each name
    the other one: the charger confuses the ids of two connectors.
    """
    named = next((one for one in running if one.id == stop.transaction), None)
    if named is None:
        return _without_id(stop, running)
    if (against := doubt_of_named(stop, named)) is None:
        return Match(named.id, None)
    others = [
        one
        for one in running
        if one.id != named.id and one.state is not State.STOPPED and _fits(stop, one)
    ]
    is_possible = against_named(stop, named) is None
    others = [
        one
        for one in others
        if (_is_rather(stop, one, named) if is_possible else _is_usual(stop, one))
    ]
    if stop.wh >= (named.reached_wh or 0) and not named.is_exchanged:
        others = [one for one in others if not _are_of_one_meter(named, one)]
    if len(others) != 1:
        return Match(named.id, None)
    words = Told(
        "the stop names session {1}, where it is {2}",
        named.id,
        Told("less likely") if is_possible else Told("impossible"),
    )
    return Match(
        others[0].id, Doubt(Code.STOP_ELSEWHERE, words, (f"transactionId {named.id}", against))
    )


def doubt_of_named(stop: Stopping, named: Running) -> str | None:
    """Return why a stop may not mean the transaction that it names; None if nothing speaks against
    it, or if its Transaction.Begin is that of the transaction."""
    if _has_its_begin(stop, named) and named.state is not State.STOPPED:
        return None
    if (against := against_named(stop, named)) is not None:
        return against
    if stop.begun is not None:
        return Told("its Transaction.Begin is {1}", in_wh(stop.begun.wh))
    if named.called not in (None, named.id):
        return Told("its readings name session {1}", named.called)
    told = stop.wh if stop.data_wh is None else stop.data_wh
    is_at_pace = any(_is_at_pace(stop._replace(wh=wh), named) for wh in (stop.wh, told))
    if stop.wh and named.pace_w is not None and not is_at_pace and not _can_catch_up(stop, named):
        return Told("the register was at {1} and rose more slowly", in_wh(named.reached_wh))
    return None


def _is_rather(stop: Stopping, running: Running, named: Running) -> bool:
    """Whether a stop means this transaction rather than the one that it names, though that is
    possible, too."""
    if _is_at_pace(stop, running) or (
        _has_its_begin(stop, running) and not _has_its_begin(stop, named)
    ):
        return True
    return running.called == named.id != named.called and not _is_at_pace(stop, named)


def _can_catch_up(stop: Stopping, running: Running) -> bool:
    """Whether the register may have stood still, and now shows what flowed since the start at its
    highest pace."""
    if running.pace_w is None or running.start_wh is None:
        return True
    most = (
        running.pace_w * (1 + tolerances.POWER_SHARE) * (stop.at - running.begun) / HOUR
        + tolerances.REACH_WH
    )
    return stop.wh <= running.start_wh + most + running.digit


def _is_at_pace(stop: Stopping, running: Running) -> bool:
    """Whether the register goes on from the last reading of a transaction at a pace that it had
    before."""
    if running.pace_w is None or running.reached_wh is None:
        return False
    seconds = max(0.0, stop.at - running.reached_at)
    most = running.pace_w * (1 + tolerances.HALF) * seconds / HOUR + tolerances.REACH_WH
    return (
        running.reached_wh - running.digit <= stop.wh <= running.reached_wh + most + running.digit
    )


def _are_of_one_meter(running: Running, other: Running) -> bool:
    """Whether the later transaction begins within the register range of the earlier one, and
    neither register was ever below what the other one had reached before.

    This happens if connectors share a meter; the registers then do not distinguish the
    transactions.
    """
    if running.start_wh is None or other.start_wh is None:
        return False
    earlier = min(running, other, key=lambda each: (each.start_wh, -(each.reached_wh or 0)))
    is_within = (
        earlier.reached_wh is not None
        and max(running.start_wh, other.start_wh) < earlier.reached_wh
    )
    return is_within and not any(_is_below(*pair) for pair in ((running, other), (other, running)))


def _is_below(running: Running, other: Running) -> bool:
    """Whether the register of one transaction was ever below what that of the other one had reached
    before."""
    levels = [(other.begun, other.start_wh or 0), (other.reached_at, other.reached_wh or 0)]
    later = [
        (running.begun, running.start_wh or 0),
        *([] if running.reached_wh is None else [(running.reached_at, running.reached_wh)]),
    ]
    return any(
        before <= at and wh + tolerances.REACH_WH < reached
        for before, reached in levels
        for at, wh in later
    )


def _without_id(stop: Stopping, running: Sequence[Running]) -> Match:
    """Match a stop without an ID: prefer an open transaction to one closed by the system; two that
    fit match none.

    One that was just closed by such a stop, of the same second and about the same register, comes
    first; then the only one with the same begin; then the only one whose register stood exactly
    there.
    """
    just_ended = [one for one in running if one.state is State.JOINED and stop.at == one.ended]
    repeated = [one for one in just_ended if _has_its_tag(stop, one) and _is_repeated(stop, one)]
    if len(repeated) == 1:
        return joined(repeated[0].id, stop.transaction, len(running))
    fitting = [one for one in running if _is_free(one) and _fits(stop, one)]
    exact = [one for one in fitting if _has_its_begin(stop, one)]
    exact = exact or [one for one in fitting if _is_at_its_end(stop, one)]
    candidates = [one for one in fitting if one.state in (State.OPEN, State.SUSPENDED)] or fitting
    candidates = exact if len(exact) == 1 else candidates
    if len(candidates) > 1:
        candidates = [one for one in candidates if _is_led_to(stop, one)]
    if len(candidates) != 1:
        return Match(None, None)
    if candidates[0].own_id == stop.transaction:
        return Match(candidates[0].id, None)
    return joined(candidates[0].id, stop.transaction, len(running))


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
    return Match(transaction, Doubt(Code.STOP_WITHOUT_ID, words, (f"transactionId {named}", every)))


class Named(NamedTuple):
    """A reading of a transaction: the transactionId as sent, its time, and by how many seconds it
    was ahead of its receipt."""

    name: int | None
    timestamp: str
    ahead: float


def own_id(readings: Sequence[Named], start_ahead: float | None) -> int | None:
    """Return the ID of its own by which a charger calls a transaction: the one negative ID of all
    its readings, if two of them did not wait. What waited is less far ahead than what did not."""
    names = [name for name in {reported_id(one.name) for one in readings} if name is not None]
    if len(names) != 1 or names[0] >= 0:
        return None
    (name,) = names
    ahead = max([one.ahead for one in readings] + ([] if start_ahead is None else [start_ahead]))
    live = {
        one.timestamp
        for one in readings
        if one.name == name and one.ahead >= ahead - tolerances.CLOCK_SECONDS
    }
    return name if len(live) > 1 else None


def _is_repeated(stop: Stopping, running: Running) -> bool:
    """Whether a stop repeats this transaction's stop with other values."""
    if running.ended is None or running.ended_wh is None:
        return False
    is_then = abs(stop.at - running.ended) <= tolerances.CLOCK_SECONDS
    return is_then and abs(stop.wh - running.ended_wh) <= tolerances.REACH_WH


def _is_led_to(stop: Stopping, running: Running) -> bool:
    """Whether the power at the last reading leads to this stop; without power, nothing contradicts
    it.

    The time since that reading may be unknown, so infinite.
    """
    if running.last_power_w is None or running.reached_wh is None:
        return True
    seconds = max(0.0, stop.at - running.reached_at) if running.last_power_w else 0.0
    most = running.last_power_w * (1 + tolerances.HALF) * seconds / HOUR
    return stop.wh - running.reached_wh <= most + tolerances.REACH_WH


def _is_at_its_end(stop: Stopping, running: Running) -> bool:
    """Whether the last reading, or else the start, equals the stop's register to one Wh: some
    chargers repeat it."""
    last = running.start_wh if running.reported is None else running.reported[1]
    return running.digit == 1 and last == stop.wh


def _has_its_begin(stop: Stopping, running: Running) -> bool:
    """Whether Transaction.Begin has the time of a start, and its register, or as much flowed since
    by both counters."""
    if stop.begun is None or stop.data_wh is None or running.start_wh is None:
        return False
    is_counted = abs(stop.wh - running.start_wh - (stop.data_wh - stop.begun.wh)) <= running.digit
    is_there = abs(stop.begun.wh - running.start_wh) <= running.digit or is_counted
    return is_there and abs(stop.begun.at - running.begun) <= tolerances.CLOCK


def _began_before(stop: Stopping, running: Running) -> bool:
    """Whether a transaction had charged when that of the stop began, by time and register of
    Transaction.Begin."""
    if stop.begun is None or running.rose_at is None or running.start_wh is None:
        return False
    return (
        stop.begun.at > running.rose_at + tolerances.CLOCK_SECONDS
        and stop.begun.wh > running.start_wh + running.digit
    )


def _is_free(one: Running) -> bool:
    return one.state in (State.OPEN, State.SUSPENDED, State.CLOSED)


def _fits(stop: Stopping, running: Running) -> bool:
    """Whether nothing known contradicts this stop for this transaction."""
    if running.start_wh is None and running.reached_wh is None:
        return False
    if running.available_at is not None and running.available_at < stop.at - tolerances.CLOCK:
        return False
    if _began_before(stop, running):
        return False
    return _has_its_tag(stop, running) and (
        _against(stop, running) is None or _is_reached_in_other_unit(stop, running)
    )


def _has_its_tag(stop: Stopping, running: Running) -> bool:
    """Whether a stop has the tag of a transaction, or none."""
    wanted = comparable_tag(stop.id_tag)
    return wanted is None or wanted == comparable_tag(running.id_tag)


def _is_reached_in_other_unit(stop: Stopping, running: Running) -> bool:
    """Whether readings in kWh but sent as Wh, or the reverse, lead from the start to this stop."""
    if running.reported is None or running.start_wh is None:
        return False
    factor = 1000 if running.reported[1] < running.start_wh else 0.001
    (first, last), digit = (
        (round(factor * read) for read in running.reported),
        max(running.digit, factor),
    )
    goes_on = running.start_wh - digit <= first <= last <= stop.wh + digit
    reached = running._replace(
        reached_wh=max(last, min(stop.wh, last + round(digit))), digit=round(digit)
    )
    return goes_on and _against(stop, reached) is None


def _against(stop: Stopping, running: Running) -> str | None:
    """Return why a stop is impossible for a transaction, by time or register; None if it is
    possible."""
    if stop.is_timed and stop.at < running.begun - tolerances.CLOCK_SECONDS:
        return Told("the session began after this stop")
    reached = max(
        (wh for wh in (running.start_wh, running.reached_wh) if wh is not None), default=None
    )
    if reached is None:
        return None
    if stop.wh < reached - running.digit:
        return Told("the register was at {1}", in_wh(reached))
    if stop.wh - reached > _reach_wh(stop, running):
        return Told("the register was at {1}, too far from {2}", in_wh(reached), in_wh(stop.wh))
    return None


def against_named(stop: Stopping, running: Running) -> str | None:
    """Return why a stop is impossible for the transaction that it names; None if it is possible.

    A register of 0 contradicts nothing: it is often one that the charger could not read. Nor does
    one that its own transactionData contradicts, if that is possible.
    """
    read = (
        stop if stop.wh else stop._replace(wh=max(running.start_wh or 0, running.reached_wh or 0))
    )
    against = _out_of_reach(read, running)
    if against and stop.data_wh is not None:
        against = _out_of_reach(stop._replace(wh=stop.data_wh), running)
    if against is None and running.state is State.STOPPED and not _is_repeated(stop, running):
        return Told("that session was stopped before")
    return against


def match_by_tag(stop: Stopping, named: Running, others: Iterable[Running]) -> Match:
    """Match a stop that may mean the transaction that it names, but has a tag that may not stop
    that one.

    If it is the tag of exactly one other transaction which it fits, too, the charger confuses the
    ids of two connectors: the stop means the other one, unless the register goes on from the last
    reading of the named one alone.
    """
    wanted = comparable_tag(stop.id_tag)
    fitting = [
        one
        for one in others
        if comparable_tag(one.id_tag) == wanted and _is_free(one) and _fits(stop, one)
    ]
    if len(fitting) != 1:
        return Match(named.id, None)
    other = fitting[0]
    words = Told(
        "the stop names session {1}, but has the card of session {2}, which it fits, too",
        named.id,
        other.id,
    )
    tags = (
        Told("transactionId {1}, of the card {2}", named.id, named.id_tag or ""),
        Told("card {1}", stop.id_tag or ""),
    )
    is_of_named = _is_at_pace(stop, named) and not _is_at_pace(stop, other)
    return Match(
        named.id if is_of_named else other.id,
        Doubt(Code.STOP_ELSEWHERE, words, tags),
    )


def _out_of_reach(stop: Stopping, running: Running) -> str | None:
    """Return why time or register make a stop impossible for the transaction that it names.

    Power is no evidence here: a meter shared by two connectors counts both cars. If the readings
    are in another unit, or the register was reset, the figure is in doubt, but not the transaction.
    """
    named = running._replace(power_w=None)
    against = _against(stop, named)
    if against is None or running.reported is None:
        return against
    ways = (
        named._replace(start_wh=None, reached_wh=level, digit=digit)
        for level, digit in _levels(stop, running, *running.reported)
    )
    return None if any(_against(stop, way) is None for way in ways) else against


def _levels(stop: Stopping, running: Running, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield possible values of the last reading and its step, in Wh: as sent, or times a possible
    factor."""
    yield last, running.digit
    start = running.start_wh or 0
    bases = (0, start) if first < start else (0,)
    for factor, base in product(tolerances.FACTORS, bases):
        level, digit = base + round(last * factor), max(running.digit, round(factor))
        if base + first * factor >= start - digit and level <= stop.wh + digit:
            yield level, digit


def _reach_wh(stop: Stopping, running: Running) -> float:
    """Return the maximum rise of the register since the last reading, in Wh."""
    if running.power_w is None:
        seconds = (
            max(running.longest, stop.at - running.begun)
            if running.reached_at <= running.begun
            else stop.at - running.reached_at
        )
        return tolerances.FASTEST_W * max(0.0, seconds + tolerances.CLOCK_SECONDS) / HOUR
    seconds = max(0.0, stop.at - running.reached_at) + tolerances.CLOCK_SECONDS
    return running.power_w * (1 + tolerances.POWER_SHARE) * seconds / HOUR + tolerances.REACH_WH


def _is_usual(stop: Stopping, running: Running) -> bool:
    """Whether an AC charger can have delivered what a stop would add, if no power shows more: only
    then is it rather this transaction than the one that it names."""
    if running.power_w is not None:
        return True
    reached = max(running.start_wh or 0, running.reached_wh or 0)
    return stop.wh - reached <= _reach_wh(stop, running) * tolerances.AC_W / tolerances.FASTEST_W
