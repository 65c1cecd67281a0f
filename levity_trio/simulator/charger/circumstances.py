"""Changes to a connector from outside: faults, manual status changes, availability (§4.9, §5.2, §5.13)."""

from __future__ import annotations

from levity_trio.simulator.charger import notifications
from levity_trio.simulator.charger.charging import Impossible, drop_tag
from levity_trio.simulator.charger.connector import NO_ERROR, Connector
from levity_trio.simulator.charger.power import settle
from levity_trio.simulator.charger.state import State
from levity_trio.simulator.model.states import ERROR_CODES, Status, check_move

SOME_ERROR = "OtherError"
WAYS = {
    Status.PREPARING: "plug a vehicle in, or present a tag",
    Status.FINISHING: "stop the transaction",
    Status.RESERVED: "let the central system reserve it",
}
"""How to reach the statuses that cannot be set by hand."""


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


def clear_fault(charger: State, connector: Connector, at: float) -> None:
    """Clear a fault; the connector takes the status that it has without one."""
    connector.error_code = NO_ERROR
    settle(charger, connector, at)
    charger.on_change()


def make_operative(charger: State, connector: Connector, is_operative: bool, at: float) -> bool:
    """Change the availability. Return False if it takes effect only after the end of a transaction (§5.2)."""
    charger.memory.is_operative[connector.number] = is_operative
    settle(charger, connector, at)
    charger.on_change()
    return is_operative or connector.beneath is Status.UNAVAILABLE


def set_status(charger: State, connector: Connector, name: str, at: float) -> None:
    """Set a status by hand, as far as pauses, faults and availability can.

    Raises IllegalMove for a transition that §4.9 does not have, and Impossible if something else holds the status.
    """
    status = _status(charger, connector, name)
    if status is Status.FAULTED:
        fault(charger, connector, SOME_ERROR, at)
        return
    pauses = connector.is_paused_by_vehicle, connector.is_paused_by_charger
    _pause(connector, status is Status.SUSPENDED_EV, status is Status.SUSPENDED_EVSE)
    if connector.natural_status(is_operative=status is not Status.UNAVAILABLE) is not status:
        _pause(connector, *pauses)
        raise Impossible(
            f"{charger.spec.id}: connector {connector.number} is {connector.status} and cannot become {status} now;"
            " check its cable, tag, transaction and reservation"
        )
    connector.error_code = NO_ERROR
    make_operative(charger, connector, status is not Status.UNAVAILABLE, at)


def _status(charger: State, connector: Connector, name: str) -> Status:
    """Return the status of that name. Raises as `set_status`."""
    if name not in list(Status):
        raise Impossible(f"unknown status {name}; give one of {', '.join(Status)}")
    if not charger.is_on:
        raise Impossible(f"{charger.spec.id} has no power")
    status = Status(name)
    check_move(connector.number, connector.status, status)
    if status in WAYS:
        raise Impossible(f"{charger.spec.id}: connector {connector.number} is {status} when you {WAYS[status]}")
    return status


def _pause(connector: Connector, by_vehicle: bool, by_charger: bool) -> None:
    connector.is_paused_by_vehicle, connector.is_paused_by_charger = by_vehicle, by_charger
