"""What befalls a connector from outside: faults, an operator's hand, availability, reservations (§4.9, §5.2, §5.13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from levity_trio.simulator.charger import telling
from levity_trio.simulator.charger.charging import Impossible, drop_tag
from levity_trio.simulator.charger.connector import NO_ERROR, Connector
from levity_trio.simulator.charger.power import settle
from levity_trio.simulator.model.states import Status, check_move

if TYPE_CHECKING:
    from levity_trio.simulator.charger.charger import Charger

SOME_ERROR = "OtherError"
ERRORS = (
    *("ConnectorLockFailure", "EVCommunicationError", "GroundFailure", "HighTemperature", "InternalError"),
    *("LocalListConflict", "OtherError", "OverCurrentFailure", "OverVoltage", "PowerMeterFailure"),
    *("PowerSwitchFailure", "ReaderFailure", "ResetFailure", "UnderVoltage", "WeakSignal"),
)
"""ChargePointErrorCode (§7.6), without NoError."""
WAYS = {
    Status.PREPARING: "plug a vehicle in, or present a tag",
    Status.FINISHING: "stop the transaction",
    Status.RESERVED: "let the central system reserve it",
}
"""How a status comes about that no operator's hand can bring."""


def fault(charger: Charger, connector: Connector, error_code: str, at: float) -> None:
    """Let it fail; a transaction is kept and goes on when the fault is cleared. Raises Impossible for no such error."""
    if error_code not in ERRORS:
        raise Impossible(f"{error_code} is no error code; give one of {', '.join(ERRORS)}")
    connector.error_code = error_code
    was_faulted = connector.status is Status.FAULTED
    drop_tag(connector)
    settle(charger, connector, at)
    if was_faulted:  # another fault: no move, and still news
        telling.report(charger, connector, at)
    charger.on_news()


def clear_fault(charger: Charger, connector: Connector, at: float) -> None:
    """The fault is gone, and the connector is what it would be without."""
    connector.error_code = NO_ERROR
    settle(charger, connector, at)
    charger.on_news()


def make_operative(charger: Charger, connector: Connector, is_operative: bool, at: float) -> bool:
    """Change the availability; False where that waits for the end of what goes on there (§5.2)."""
    charger.memory.is_operative[connector.number] = is_operative
    settle(charger, connector, at)
    charger.on_news()
    return is_operative or connector.beneath is Status.UNAVAILABLE


def set_status(charger: Charger, connector: Connector, status: Status, at: float) -> None:
    """Bring about a status by what an operator's hand can do.

    Raises IllegalMove where §4.9 knows no such move, Impossible where it takes something else.
    """
    if not charger.is_on:
        raise Impossible(f"{charger.spec.id} has no power")
    check_move(connector.number, connector.status, status)
    if status in WAYS:
        raise Impossible(f"{charger.spec.id}: connector {connector.number} is {status} when you {WAYS[status]}")
    if status is Status.FAULTED:
        fault(charger, connector, SOME_ERROR, at)
        return
    pauses = connector.is_paused_by_vehicle, connector.is_paused_by_charger
    _pause(connector, status is Status.SUSPENDED_EV, status is Status.SUSPENDED_EVSE)
    if connector.natural_status(is_operative=status is not Status.UNAVAILABLE) is not status:
        _pause(connector, *pauses)
        raise Impossible(f"{charger.spec.id}: connector {connector.number} is {connector.status}; see what keeps it so")
    connector.error_code = NO_ERROR
    make_operative(charger, connector, status is not Status.UNAVAILABLE, at)


def _pause(connector: Connector, by_vehicle: bool, by_charger: bool) -> None:
    connector.is_paused_by_vehicle, connector.is_paused_by_charger = by_vehicle, by_charger


def settle_reservations(charger: Charger, at: float) -> None:
    """Let the statuses follow the reservations, and plan the next expiry."""
    now = charger.clock.read(at)
    charger.reservations.expire(now)
    for connector in charger.connectors[1:]:
        connector.is_reserved = charger.reservations.on(connector.number, now) is not None
        settle(charger, connector, at)
    if charger.expiry is not None:
        charger.expiry.cancel()
        charger.expiry = None
    expiry = charger.reservations.next_expiry()
    if expiry is not None:
        due = charger.clock.due(expiry, at)
        charger.expiry = charger.agenda.plan(due, lambda due: settle_reservations(charger, due))
