"""Power-on, power loss, restart and disconnection (§5.14, OCPP-J 1.6 §5.4)."""

from __future__ import annotations

from functools import partial
from typing import Final

from levity_trio.simulator.charger import connectors
from levity_trio.simulator.charger.agenda import Timer
from levity_trio.simulator.charger.state import State
from levity_trio.simulator.physics import Status

POWER_LOSS: Final = "PowerLoss"
START_UP_SECONDS: Final = 10.0
"""From power to the first connection after a reset or a firmware update."""


def power_on(charger: State, at: float) -> None:
    """Start up: reset statuses and registration, and resume kept transactions."""
    at = charger.agenda.reach(at)
    charger.agenda.stop_timer(Timer.START_UP)
    if charger.is_on:
        return
    charger.is_on = True
    charger.registration = None
    for connector, is_operative in zip(
        charger.connectors, charger.memory.is_operative, strict=True
    ):
        connector.reported = None
        # Unavailable persists (§4.9)
        connector.beneath = Status.AVAILABLE if is_operative else Status.UNAVAILABLE
        connector.status = connector.beneath
        connectors.resume(charger, connector, at)
    connectors.settle_all(charger, at)
    connectors.settle_reservations(charger, at)
    for quirk in charger.quirks:
        quirk.power_on(charger, at)
    charger.on_change()


def power_off(charger: State, at: float, reason: str = POWER_LOSS) -> None:
    """Lose power: stop open transactions with this reason, and cancel a scheduled start-up."""
    at = charger.agenda.reach(at)
    if not _switch_off(charger, "drop" if reason == POWER_LOSS else "close", at):
        return
    for connector in charger.connectors:
        if connector.transaction is not None:
            connectors.end(charger, connector, reason, at)
    _go_dark(charger)
    charger.clock.forget(at)


def fail(charger: State, at: float, *, keeps_sessions: bool) -> None:
    """Lose power without stopping transactions.

    With `keeps_sessions` they continue after power-on, and the clock keeps its time; otherwise they
    are forgotten.
    """
    at = charger.agenda.reach(at)
    if not _switch_off(charger, "drop", at):
        return
    for connector in charger.connectors:
        if not keeps_sessions:
            connectors.lose(charger, connector, at)
        connectors.settle(charger, connector, at)
    _go_dark(charger)
    if not keeps_sessions:
        charger.clock.forget(at)


def restart(charger: State, at: float, reason: str) -> None:
    """Shut down in order and start again; `reason` is that of the StopTransactions (§5.14)."""
    at = charger.agenda.reach(at)
    power_off(charger, at, reason)
    start_up = partial(power_on, charger)
    charger.agenda.set_timer(Timer.START_UP, at + START_UP_SECONDS, start_up, is_own=False)
    charger.on_change()


def disconnect(charger: State, kind: str, at: float) -> None:
    """End the connection from the charger's side."""
    charger.act_on_connection(kind)
    disconnected(charger, at)


def disconnected(charger: State, at: float) -> None:
    """Take note of a lost connection; requests that await a response get None."""
    charger.is_linked = False
    for request in charger.outbox.drop_unanswered():
        request.then(None, at)
    for quirk in charger.quirks:
        quirk.disconnected(charger, at)
    charger.on_change()


def _switch_off(charger: State, kind: str, at: float) -> bool:
    """Switch off and end the connection. Return False if it was off already."""
    charger.agenda.stop_timer(Timer.START_UP)
    if not charger.is_on:
        return False
    charger.is_on = False
    if kind == "drop":
        for quirk in charger.quirks:
            quirk.power_cut(charger)
    disconnect(charger, kind, at)
    return True


def _go_dark(charger: State) -> None:
    for connector in charger.connectors:
        connectors.drop_tag(charger, connector)
        connector.is_finishing = False
    charger.firmware = charger.firmware.after_power_cut()
    charger.uploads = {}
    charger.when_idle = None
    charger.agenda.forget_own()
