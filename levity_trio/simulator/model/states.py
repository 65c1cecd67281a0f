"""The statuses of a connector and the transitions between them, exactly as in the table of OCPP 1.6
edition 2 §4.9.

The table has no transition to the same status, so it is refused like any other that is missing:
§4.9 is about changes, and a repeated notification is not a change.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

ERROR_CODES: Final = (
    "ConnectorLockFailure",
    "EVCommunicationError",
    "GroundFailure",
    "HighTemperature",
    "InternalError",
    "LocalListConflict",
    "OtherError",
    "OverCurrentFailure",
    "PowerMeterFailure",
    "PowerSwitchFailure",
    "ReaderFailure",
    "ResetFailure",
    "UnderVoltage",
    "OverVoltage",
    "WeakSignal",
)
"""ChargePointErrorCode, OCPP 1.6 §7.6, without NoError."""


class Status(StrEnum):
    """ChargePointStatus (OCPP 1.6 §7.7) as on the wire."""

    AVAILABLE = "Available"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    FINISHING = "Finishing"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


_ENERGY_FLOWS_OR_WAITS: Final = frozenset(
    {Status.CHARGING, Status.SUSPENDED_EV, Status.SUSPENDED_EVSE}
)
_SESSION_ENDS: Final = frozenset(
    {Status.AVAILABLE, Status.FINISHING, Status.UNAVAILABLE, Status.FAULTED}
)

MOVES: Final[Mapping[Status, frozenset[Status]]] = MappingProxyType(
    {
        Status.AVAILABLE: _ENERGY_FLOWS_OR_WAITS
        | {Status.PREPARING, Status.RESERVED, Status.UNAVAILABLE, Status.FAULTED},
        # No transition to Unavailable: a connector in use becomes Unavailable when the use ends
        # (§5.2, Scheduled).
        Status.PREPARING: _ENERGY_FLOWS_OR_WAITS
        | {Status.AVAILABLE, Status.FINISHING, Status.FAULTED},
        Status.CHARGING: _SESSION_ENDS | {Status.SUSPENDED_EV, Status.SUSPENDED_EVSE},
        Status.SUSPENDED_EV: _SESSION_ENDS | {Status.CHARGING, Status.SUSPENDED_EVSE},
        Status.SUSPENDED_EVSE: _SESSION_ENDS | {Status.CHARGING, Status.SUSPENDED_EV},
        Status.FINISHING: frozenset(
            {Status.AVAILABLE, Status.PREPARING, Status.UNAVAILABLE, Status.FAULTED}
        ),
        Status.RESERVED: frozenset(
            {Status.AVAILABLE, Status.PREPARING, Status.UNAVAILABLE, Status.FAULTED}
        ),
        # A vehicle may be plugged in, and even charge, when the connector becomes operative again
        # (H2 to H5).
        Status.UNAVAILABLE: _ENERGY_FLOWS_OR_WAITS
        | {Status.AVAILABLE, Status.PREPARING, Status.FAULTED},
        Status.FAULTED: frozenset(Status) - {Status.FAULTED},
    }
)

_CHARGER_STATES: Final = frozenset({Status.AVAILABLE, Status.UNAVAILABLE, Status.FAULTED})
CHARGER_MOVES: Final[Mapping[Status, frozenset[Status]]] = MappingProxyType(
    {status: _CHARGER_STATES - {status} for status in _CHARGER_STATES}
)
"""The transitions of connector 0, the charger itself, which has three statuses (§4.9)."""


class IllegalMove(ValueError):
    """A transition that OCPP 1.6 §4.9 does not have."""


def check_move(connector: int, present: Status, to: Status) -> None:
    """Raises IllegalMove if §4.9 has no such transition."""
    moves = CHARGER_MOVES if connector == 0 else MOVES
    if to not in moves.get(present, ()):
        raise IllegalMove(f"connector {connector} cannot go from {present} to {to} (OCPP 1.6 §4.9)")
