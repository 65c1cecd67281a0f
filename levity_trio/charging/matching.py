"""Which transaction a stop or a reading means: a choice among candidates, with its grounds.

The store selects the candidates; what follows is decided here. A choice that is not certain is a review.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.lifecycle import State
from levity_trio.charging.reviews import Code, Doubt

LOWEST_ID: Final = 1
HIGHEST_ID: Final = 2**31 - 1
HOUR: Final = 3600.0


class Stopping(NamedTuple):
    """A stop that looks for its transaction: times in seconds by the charger's own clock, registers in Wh."""

    transaction: int
    id_tag: str | None
    wh: int
    at: float
    is_timed: bool


class Running(NamedTuple):
    """A transaction that a stop may mean.

    `reached_wh` is its last reading of the lifetime register and `reached_at` the time of it, else its start; `power_w`
    is the most power that it told, None where it told none. `available_at`: when its connector was available
    first after its last sign. `begun` is the earlier one of the charger's time and ours, where its clock was ahead, and
    -inf where it told none: nobody knows how long before its receipt it began.
    """

    id: int
    state: State
    begun: float
    start_wh: int | None
    reached_at: float
    reached_wh: int | None
    power_w: float | None
    last_power_w: float | None
    """Told with its last reading."""
    digit: int
    """The step of its readings, in Wh."""
    id_tag: str | None
    available_at: float | None
    longest: float
    """Seconds that it can have lasted until the stop, by any clock."""
    ended: float | None = None
    ended_wh: int | None = None
    told: tuple[int, int] | None = None
    """Its first reading and its last one, as they were told."""


class Match(NamedTuple):
    """The transaction that a stop means, and why a person should look, if one should."""

    transaction: int | None
    doubt: Doubt | None


def is_id(transaction: int | None) -> bool:
    """0, -1 and what no server gives out are no ids."""
    return transaction is not None and LOWEST_ID <= transaction <= HIGHEST_ID


def name(told: int | None) -> int | None:
    """The number by which a charger calls a transaction, be it ours or its own; None where it has none: many say 0 or
    -1 then, of every transaction."""
    return None if told in (None, 0, -1) else told


def tag(id_tag: str | None) -> str | None:
    """A tag as it is compared: without blanks around it and without regard to case; None where none was named."""
    return (id_tag or "").strip().casefold() or None


def match_stop(stop: Stopping, running: Sequence[Running]) -> Match:
    """By its id, unless that is impossible and exactly one other is not; without one by what leaves no other."""
    named = next((one for one in running if one.id == stop.transaction), None)
    if named is None:
        return _without_id(stop, running)
    if (against := against_its_name(stop, named)) is None:
        return Match(named.id, None)
    others = [one for one in running if one.id != named.id and one.state is not State.STOPPED and _fits(stop, one)]
    if stop.wh >= (named.reached_wh or 0):
        others = [one for one in others if not _are_of_one_meter(named, one)]
    if len(others) != 1:
        return Match(named.id, None)
    words = f"its stop names transaction {named.id}, where it is impossible"
    return Match(others[0].id, Doubt(Code.STOP_ELSEWHERE, words, (f"transactionId {named.id}", against)))


def _are_of_one_meter(one: Running, other: Running) -> bool:
    """Whether the later begins within the stretch of the earlier, as where connectors share a meter: their registers
    tell nothing apart."""
    if one.start_wh is None or other.start_wh is None:
        return False
    earlier = min(one, other, key=lambda each: (each.start_wh, -(each.reached_wh or 0)))
    return earlier.reached_wh is not None and max(one.start_wh, other.start_wh) < earlier.reached_wh


def _without_id(stop: Stopping, running: Sequence[Running]) -> Match:
    """An open one before one that the system closed; two that fit leave none."""
    fitting = [one for one in running if _is_free(one) and _fits(stop, one)]
    candidates = [one for one in fitting if one.state in (State.OPEN, State.SUSPENDED)] or fitting
    if len(candidates) > 1:
        candidates = [one for one in candidates if _is_led_to(stop, one)]
        candidates = [one for one in candidates if _is_at_its_end(stop, one)] or candidates
    candidates = candidates or [one for one in running if _is_again(stop, one)]
    if len(candidates) != 1:
        return Match(None, None)
    return joined(candidates[0].id, stop.transaction, len(running))


def joined(transaction: int, named: int, looked_at: int) -> Match:
    """A transaction that a stop without its id means, out of so many that were looked at."""
    evidence = (f"transactionId {named}", f"{looked_at} transactions of this charger were looked at")
    words = "its stop named no transaction; time and register fit this one only"
    return Match(transaction, Doubt(Code.STOP_WITHOUT_ID, words, evidence))


def _is_again(stop: Stopping, one: Running) -> bool:
    """Whether a stop is said once more, with other values, of one that a stop without its id closed a moment before."""
    if one.state is not State.JOINED or not _is_at(stop, one):
        return False
    wanted, shown = tag(stop.id_tag), tag(one.id_tag)
    return (wanted is None or wanted == shown) and stop.wh >= (one.start_wh or 0)


def _is_at(stop: Stopping, one: Running) -> bool:
    """Whether a stop is of the moment at which one ended: the same, said once more."""
    return one.ended is not None and abs(stop.at - one.ended) <= tolerances.AHEAD_SECONDS


def _is_repeated(stop: Stopping, one: Running) -> bool:
    """Whether a stop that one had is said once more, with other values."""
    return _is_at(stop, one) and one.ended_wh is not None and abs(stop.wh - one.ended_wh) <= tolerances.REACH_WH


def _is_led_to(stop: Stopping, one: Running) -> bool:
    """Whether the power told with its last reading leads to this stop; where none was, nothing speaks against it."""
    if one.last_power_w is None or one.reached_wh is None:
        return True
    seconds = max(0.0, stop.at - one.reached_at)
    most = one.last_power_w * (1 + tolerances.LONG_GAP_SHARE) * seconds / HOUR
    return stop.wh - one.reached_wh <= most + tolerances.REACH_WH


def _is_at_its_end(stop: Stopping, one: Running) -> bool:
    """Whether its last reading tells the very register of this stop, to one Wh: some chargers repeat it."""
    return one.digit == 1 and one.told is not None and one.told[1] == stop.wh


def _is_free(one: Running) -> bool:
    return one.state in (State.OPEN, State.SUSPENDED, State.CLOSED)


def _fits(stop: Stopping, one: Running) -> bool:
    """Whether all that is known leaves room for this stop at this transaction."""
    if one.start_wh is None and one.reached_wh is None:
        return False
    if one.available_at is not None and one.available_at < stop.at - tolerances.CLOCK:
        return False
    wanted, shown = tag(stop.id_tag), tag(one.id_tag)
    return (wanted is None or wanted == shown) and _against(stop, one) is None


def _against(stop: Stopping, one: Running) -> str | None:
    """What makes a stop impossible at a transaction: its time, or a register out of reach; None where nothing does."""
    if stop.is_timed and stop.at < one.begun - tolerances.AHEAD_SECONDS:
        return "it began after this stop"
    reached = max((wh for wh in (one.start_wh, one.reached_wh) if wh is not None), default=None)
    if reached is None:
        return None
    if stop.wh < reached - one.digit:
        return f"its register stood at {reached} Wh"
    if stop.wh - reached > _reach_wh(stop, one):
        return f"its register stood at {reached} Wh, too far from {stop.wh} Wh"
    return None


def against_its_name(stop: Stopping, one: Running) -> str | None:
    """What makes a stop impossible at the one that it names: only what no charger does; None where nothing does."""
    against = _out_of_reach(stop, one)
    if against is None and one.state is State.STOPPED and not _is_repeated(stop, one):
        return "that one was stopped before"
    return against


def _out_of_reach(stop: Stopping, one: Running) -> str | None:
    """Time and register at the one that a stop names.

    Power says nothing there: a meter that two connectors share counts both cars. Where its readings are in another
    unit, or its register began again, the figure is in doubt, but not whose it is.
    """
    named = one._replace(power_w=None)
    against = _against(stop, named)
    if against is None or one.told is None:
        return against
    ways = (
        named._replace(start_wh=None, reached_wh=level, digit=digit) for level, digit in _levels(stop, one, *one.told)
    )
    return None if any(_against(stop, way) is None for way in ways) else against


def _levels(stop: Stopping, one: Running, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Where its last reading may have been, and its step: as told, or by a factor between its start and this stop."""
    yield last, one.digit
    start = one.start_wh or 0
    bases = (0, start) if first < start else (0,)
    for factor, base in product(tolerances.FACTORS, bases):
        level, digit = base + round(last * factor), max(one.digit, round(factor))
        if base + first * factor >= start - digit and level <= stop.wh + digit:
            yield level, digit


def _reach_wh(stop: Stopping, one: Running) -> float:
    """How far its register can have come since its last reading."""
    if one.power_w is None:
        seconds = max(one.longest, stop.at - one.begun) if one.reached_at <= one.begun else stop.at - one.reached_at
        return tolerances.FASTEST_W * max(0.0, seconds + tolerances.AHEAD_SECONDS) / HOUR
    seconds = max(0.0, stop.at - one.reached_at) + tolerances.AHEAD_SECONDS
    return one.power_w * (1 + tolerances.POWER_SHARE) * seconds / HOUR + tolerances.REACH_WH


class Covering(NamedTuple):
    """A transaction to which readings may belong: `ended` is None while it is open.

    `name` is what its charger called it in the reading before; None where that called it nothing, or is not known.
    """

    id: int
    state: State
    ended: float | None
    name: int | None = None


def match_readings(at: float, named: Covering | None, newest: Covering | None, told: int | None = None) -> int | None:
    """The transaction of readings of one time: the one that they name, if it is their charger's; else the newest that
    ran on their connector then. An id that its charger ended before may be stale: then another of that time comes
    first. `told` is a name that this server did not give: a charger has one for each transaction, so readings of
    another name are of another transaction, of which nothing else was heard."""
    running = newest.id if newest is not None and (newest.ended is None or at <= newest.ended) else None
    if newest is not None and None not in (told, newest.name) and told != newest.name:
        running = None
    if named is None:
        return running
    is_stale = named.state is State.STOPPED and named.ended is not None and named.ended < at
    return running if is_stale and running is not None else named.id
