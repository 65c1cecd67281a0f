"""Where power goes: contactors follow statuses, limits follow profiles, and each change of status is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from levity_trio.simulator.charger import telling
from levity_trio.simulator.charger.connector import Connector
from levity_trio.simulator.charger.spec import AC
from levity_trio.simulator.model.states import Status

if TYPE_CHECKING:
    from levity_trio.simulator.charger.charger import Charger

LEAST_CURRENT_A: Final = 6.0
"""Below this no vehicle charges from AC (IEC 61851)."""


def settle(charger: Charger, connector: Connector, at: float) -> None:
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
        charger.on_status(connector, status, at)
    _plan_turn(charger, connector, at)


def settle_all(charger: Charger, at: float) -> None:
    """The same for all connectors."""
    for connector in charger.connectors:
        settle(charger, connector, at)


def _limit(charger: Charger, connector: Connector, at: float) -> None:
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


def _plan_turn(charger: Charger, connector: Connector, at: float) -> None:
    if connector.turn is not None:
        connector.turn.cancel()
        connector.turn = None
    transaction = connector.transaction
    if transaction is None:
        return
    full, clock = connector.meter.full_at(), charger.clock
    turns = [full] if full is not None and full > at else []
    change = charger.profiles.next_change(connector.number, clock.read(at), clock.read(transaction.begun))
    if change is not None:
        turns.append(clock.due(change, at))
    if turns:
        connector.turn = charger.agenda.plan(min(turns), lambda due: settle(charger, connector, due))
