"""Where power goes: contactors follow statuses, limits follow profiles, and each change of status is told.

A status follows from a reservation, and a reservation does not outlive a fault: so they settle here together.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from levity_trio.simulator.charger import telling
from levity_trio.simulator.charger.agenda import Timer
from levity_trio.simulator.charger.connector import Connector
from levity_trio.simulator.charger.spec import AC
from levity_trio.simulator.charger.state import State
from levity_trio.simulator.model.states import Status

LEAST_CURRENT_A: Final = 6.0
"""Below this no vehicle charges from AC (IEC 61851)."""


def settle(charger: State, connector: Connector, at: float) -> None:
    """Let status and power follow from the circumstances, and plan when they will change by themselves."""
    meter = connector.meter
    meter.advance(at)
    if not charger.is_on:
        meter.switch(False, at)
        return
    _limit(charger, connector, at)
    natural = connector.natural_status(is_operative=charger.memory.is_operative[connector.number])
    meter.switch(natural is Status.CHARGING and not connector.is_faulted, at)
    for status in connector.move(natural):
        telling.notify(charger, connector, at)
        if status in (Status.FAULTED, Status.UNAVAILABLE) and charger.reservations.end_on(connector.number):
            settle_reservations(charger, at)  # one does not outlive a fault or an unavailability (§5.13)
    _plan_turn(charger, connector, at)


def settle_all(charger: State, at: float) -> None:
    """The same for all connectors."""
    for connector in charger.connectors:
        settle(charger, connector, at)


def settle_reservations(charger: State, at: float) -> None:
    """Let the statuses follow the reservations, and plan the next expiry."""
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
    """Hand the limit of the profiles to the meter; they go for running transactions only."""
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
