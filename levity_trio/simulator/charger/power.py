"""Status and power of a connector: contactors follow statuses, limits follow charging profiles,
changes are reported.

Changes from outside are here too: faults, availability, a status set by hand (§4.9, §5.2, §5.13).
Reservations are settled here, because a status depends on a reservation, and a fault ends one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from levity_trio.simulator.charger import notifications
from levity_trio.simulator.charger.agenda import Timer
from levity_trio.simulator.charger.profiles import Kept
from levity_trio.simulator.charger.spec import AC
from levity_trio.simulator.charger.state import NO_ERROR, Connector, Impossible, State
from levity_trio.simulator.physics import ERROR_CODES, LEAST_AC_A, Status, check_move
from levity_trio.wire.charging_profiles import Limits, smallest

SOME_ERROR = "OtherError"
WAYS = {
    Status.PREPARING: "plug a vehicle in, or present a tag",
    Status.FINISHING: "stop the transaction",
    Status.RESERVED: "let the central system reserve it",
}
"""How to reach the statuses that cannot be set by hand."""


def settle(charger: State, connector: Connector, at: float) -> None:
    """Derive status and power of a connector anew, and schedule their next change without an
    event."""
    meter = connector.meter
    meter.advance(at)
    if not charger.is_on:
        meter.switch(False, at)
        return
    _limit(charger, connector, at)
    natural = connector.natural_status(is_operative=charger.memory.is_operative[connector.number])
    meter.switch(connector.is_closed(natural), at)
    for status in connector.move(natural):
        notifications.notify(charger, connector, at)
        if status in (Status.FAULTED, Status.UNAVAILABLE) and charger.reservations.end_on(
            connector.number
        ):
            settle_reservations(charger, at)  # a fault or unavailability ends it (§5.13)
    charger.agenda.stop_timer(Timer.POWER, connector.number)
    if connector.transaction is None:
        return
    now, turn = charger.shown_time(at), meter.turns_at()
    turns = [turn] if turn is not None and turn > at else []
    change = _limits(charger, connector, at).next_change(now)
    if change is not None:
        turns.append(at + (change - now).total_seconds())
    if turns:
        again = partial(settle, charger, connector)
        charger.agenda.set_timer(Timer.POWER, min(turns), again, connector=connector.number)


def settle_all(charger: State, at: float) -> None:
    for connector in charger.connectors:
        settle(charger, connector, at)


def settle_reservations(charger: State, at: float) -> None:
    """Derive the statuses from the reservations anew, and schedule the next expiry."""
    now = charger.clock.read(at)
    charger.reservations.expire(now)
    for connector in charger.connectors[1:]:
        connector.is_reserved = charger.reservations.on(connector.number, now) is not None
        settle(charger, connector, at)
    charger.agenda.stop_timer(Timer.EXPIRY)
    expiry = charger.reservations.next_expiry()
    if expiry is not None:
        charger.agenda.set_timer(
            Timer.EXPIRY, charger.clock.due(expiry, at), partial(settle_reservations, charger)
        )


def _limit(charger: State, connector: Connector, at: float) -> None:
    """Pass the limit of the charging profiles to the meter. They apply to open transactions
    only."""
    if connector.transaction is None:
        return
    now = charger.shown_time(at)
    limit = _limits(charger, connector, at).at(now)
    whole = _limits(charger, charger.connectors[0], at).at(now)
    if whole is not None:
        # Each vehicle has an equal share of a ChargePointMaxProfile.
        vehicles = sum(one.transaction is not None for one in charger.connectors)
        share = replace(whole, value=whole.value / vehicles)
        limit = smallest([share] if limit is None else [limit, share])
    for quirk in charger.quirks:
        limit = quirk.offered(charger, limit)
    if charger.spec.power_type == AC:
        amps = None if limit is None else limit.amps
        connector.meter.limit(amps, at)
        connector.is_offered = amps is None or amps >= LEAST_AC_A
    else:
        watts = None if limit is None else limit.watts
        connector.meter.limit_power(watts, at)
        connector.is_offered = watts is None or watts > 0


def _limits(charger: State, connector: Connector, at: float) -> Limits:
    """Return the limits that a charger heeds at a connector; those of connector 0 are for all
    vehicles together."""
    heeded: Sequence[Kept] = charger.memory.profiles
    for quirk in charger.quirks:
        heeded = quirk.heeded(charger, connector, heeded)
    return charger.profiles.limits(
        connector.number, charger.began(connector.transaction, at), heeded
    )


def drop_tag(charger: State, connector: Connector) -> None:
    """Forget the tag that waits for a cable, and the charging profile of its remote start."""
    connector.tag = connector.profile = None
    charger.agenda.stop_timer(Timer.CABLE, connector.number)


def fault(charger: State, connector: Connector, error_code: str, at: float) -> None:
    """Set a fault. A transaction stays open and continues once the fault is cleared.

    Raises Impossible for an unknown error code.
    """
    if error_code not in ERROR_CODES:
        raise Impossible(f"unknown error code {error_code}; give one of {', '.join(ERROR_CODES)}")
    connector.error_code = error_code
    was_faulted = connector.status is Status.FAULTED
    drop_tag(charger, connector)
    settle(charger, connector, at)
    if was_faulted:  # no change of status, but a new error code to report
        notifications.report(charger, connector, at)
    charger.on_change()


def make_operative(charger: State, connector: Connector, is_operative: bool, at: float) -> bool:
    """Change the availability. Return False if it takes effect only after the end of a transaction
    (§5.2)."""
    charger.memory.is_operative[connector.number] = is_operative
    settle(charger, connector, at)
    charger.on_change()
    return is_operative or connector.beneath is Status.UNAVAILABLE


def set_status(charger: State, connector: Connector, name: str, at: float) -> None:
    """Set a status by hand, as far as pauses, faults and availability can.

    Raises IllegalMove for a transition that §4.9 does not have, and Impossible if something else
    holds the status.
    """
    if name not in list(Status):
        raise Impossible(f"unknown status {name}; give one of {', '.join(Status)}")
    if not charger.is_on:
        raise Impossible(f"{charger.spec.id} has no power")
    status = Status(name)
    check_move(connector.number, connector.status, status)
    if status in WAYS:
        raise Impossible(
            f"{charger.spec.id}: connector {connector.number} is {status} when you {WAYS[status]}"
        )
    if status is Status.FAULTED:
        fault(charger, connector, SOME_ERROR, at)
        return
    pauses = connector.is_paused_by_vehicle, connector.is_paused_by_charger
    _pause(connector, status is Status.SUSPENDED_EV, status is Status.SUSPENDED_EVSE)
    if connector.natural_status(is_operative=status is not Status.UNAVAILABLE) is not status:
        _pause(connector, *pauses)
        raise Impossible(
            f"{charger.spec.id}: connector {connector.number} is {connector.status} and cannot "
            f"become {status} now; check its cable, tag, transaction and reservation"
        )
    connector.error_code = NO_ERROR
    make_operative(charger, connector, status is not Status.UNAVAILABLE, at)


def _pause(connector: Connector, by_vehicle: bool, by_charger: bool) -> None:
    connector.is_paused_by_vehicle, connector.is_paused_by_charger = by_vehicle, by_charger
