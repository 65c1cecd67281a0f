"""Power and status: contactors follow statuses, limits follow charging profiles, each change of status is reported.

Reservations are settled here too: a status depends on a reservation, and a fault ends one.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from levity_trio.simulator.charger import notifications
from levity_trio.simulator.charger.agenda import Timer
from levity_trio.simulator.charger.connector import Connector
from levity_trio.simulator.charger.spec import AC
from levity_trio.simulator.charger.state import State
from levity_trio.simulator.model.states import Status

LEAST_CURRENT_A: Final = 6.0
"""The lowest current at which a vehicle charges from AC (IEC 61851)."""


def settle(charger: State, connector: Connector, at: float) -> None:
    """Derive status and power of a connector anew, and schedule their next change without an event."""
    meter = connector.meter
    meter.advance(at)
    if not charger.is_on:
        meter.switch(False, at)
        return
    _limit(charger, connector, at)
    natural = connector.natural_status(is_operative=charger.memory.is_operative[connector.number])
    meter.switch(natural is Status.CHARGING and not connector.is_faulted, at)
    for status in connector.move(natural):
        notifications.notify(charger, connector, at)
        if status in (Status.FAULTED, Status.UNAVAILABLE) and charger.reservations.end_on(connector.number):
            settle_reservations(charger, at)  # a fault or unavailability ends it (§5.13)
    _plan_turn(charger, connector, at)


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
        charger.agenda.set_timer(Timer.EXPIRY, charger.clock.due(expiry, at), partial(settle_reservations, charger))


def _limit(charger: State, connector: Connector, at: float) -> None:
    """Pass the limit of the charging profiles to the meter. They apply to open transactions only."""
    transaction = connector.transaction
    if transaction is None:
        return
    limit = charger.profiles.limit(connector.number, charger.clock.read(at), charger.clock.read(transaction.begun))
    if charger.spec.power_type == AC:
        amps = None if limit is None else limit.amps
        connector.meter.limit(amps, at)
        connector.is_offered = amps is None or amps >= LEAST_CURRENT_A
    else:
        watts = None if limit is None else limit.watts
        connector.meter.limit_power(watts, at)
        connector.is_offered = watts is None or watts > 0


def _plan_turn(charger: State, connector: Connector, at: float) -> None:
    charger.agenda.stop_timer(Timer.POWER, connector.number)
    transaction = connector.transaction
    if transaction is None:
        return
    full, clock = connector.meter.full_at(), charger.clock
    turns = [full] if full is not None and full > at else []
    change = charger.profiles.next_change(connector.number, clock.read(at), clock.read(transaction.begun))
    if change is not None:
        turns.append(clock.due(change, at))
    if turns:
        charger.agenda.set_timer(
            Timer.POWER, min(turns), partial(settle, charger, connector), connector=connector.number
        )
