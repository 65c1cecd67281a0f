"""Being there: power and connection, their loss and their return (§4.2, §5.14, OCPP-J 1.6 §5.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from levity_trio.simulator.charger import charging, circumstances, power, registration, telling
from levity_trio.simulator.charger.operations.uploads import Deliveries

if TYPE_CHECKING:
    from levity_trio.simulator.charger.charger import Charger

POWER_LOSS: Final = "PowerLoss"
START_UP_SECONDS: Final = 10.0
"""From power to the first connection, after a reset or a new firmware."""


def power_on(charger: Charger, at: float) -> None:
    """Start up: what was open when the power went was ended then; all else begins anew."""
    _forget_start_up(charger)
    if charger.is_on:
        return
    charger.is_on = True
    charger.registration = None
    for connector, is_operative in zip(charger.connectors, charger.memory.is_operative, strict=True):
        connector.begin_anew(is_operative=is_operative)
        charging.resume(charger, connector, at)
    power.settle_all(charger, at)
    circumstances.settle_reservations(charger, at)
    charger.quirks.power_on(charger, at)


def power_off(charger: Charger, reason: str, at: float) -> None:
    """Lose power: the last strength goes into the stops of what was charging, and no start-up is to come."""
    _forget_start_up(charger)
    if not charger.is_on:
        return
    charger.is_on = False
    hang_up(charger, "drop" if reason == POWER_LOSS else "close", at)
    for connector in charger.connectors:
        if connector.transaction is not None:
            charging.end(charger, connector, reason, at)
    _go_dark(charger)
    charger.clock.forget(at)


def fail(charger: Charger, at: float, *, keeps_sessions: bool) -> None:
    """Lose power without strength for a last word.

    What was charging goes on when the power is back, by a clock with a battery; or it is forgotten for ever.
    """
    _forget_start_up(charger)
    if not charger.is_on:
        return
    charger.is_on = False
    hang_up(charger, "drop", at)
    for connector in charger.connectors:
        if not keeps_sessions:
            charging.lose(charger, connector, at)
        power.settle(charger, connector, at)
    _go_dark(charger)
    if not keeps_sessions:
        charger.clock.forget(at)


def _go_dark(charger: Charger) -> None:
    for connector in charger.connectors:
        charging.drop_tag(connector)
        connector.is_finishing = False
    charger.firmware, charger.deliveries = charger.firmware.after_power_cut(), Deliveries()
    charger.agenda.forget_own()


def restart(charger: Charger, reason: str, at: float) -> None:
    """Go down in order and come up again; `reason` is for the stops of what is charging."""
    power_off(charger, reason, at)
    charger.start_up = charger.agenda.plan(at + START_UP_SECONDS, charger.power_on, is_own=False)


def connected(charger: Charger, at: float) -> None:
    """A boot comes first if the central system has not accepted one since the power came."""
    if not charger.wants_link:  # it came too late
        charger.hang("drop")
        return
    charger.is_linked = True
    if charger.registration == registration.ACCEPTED:
        telling.report_changes(charger, at)
    elif charger.registration is None or charger.retry is None:  # else it waits as it was told (§4.2)
        registration.boot(charger)


def disconnected(charger: Charger, at: float) -> None:
    """With the connection go the answers to what was asked."""
    charger.is_linked = False
    for ask in charger.mail.hang_up():
        ask.then(None, at)


def hang_up(charger: Charger, kind: str, at: float) -> None:
    """It ends the connection itself."""
    charger.hang(kind)
    disconnected(charger, at)


def _forget_start_up(charger: Charger) -> None:
    if charger.start_up is not None:
        charger.start_up.cancel()
        charger.start_up = None
