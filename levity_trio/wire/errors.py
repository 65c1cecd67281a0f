"""Errors: the CALLERROR codes of OCPP-J 1.6, and the ways in which our own CALLs fail.

The specification misspells two of its codes and chargers compare them literally, so the spelling of
OCPP-J 1.6 §4.2.3 is kept: FormationViolation (the `ocpp` package sends FormatViolation, as in
2.0.1) and OccurenceConstraintViolation with one r.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

NONE: Final[Mapping[str, str]] = MappingProxyType({})


class ErrorCode(StrEnum):
    """The error codes of a CALLERROR (OCPP-J 1.6 §4.2.3)."""

    NOT_IMPLEMENTED = "NotImplemented"  # the action is unknown
    NOT_SUPPORTED = "NotSupported"  # the action is known, but this receiver does not handle it
    INTERNAL_ERROR = "InternalError"
    PROTOCOL_ERROR = "ProtocolError"
    SECURITY_ERROR = "SecurityError"
    FORMATION_VIOLATION = "FormationViolation"
    PROPERTY_CONSTRAINT_VIOLATION = "PropertyConstraintViolation"
    OCCURENCE_CONSTRAINT_VIOLATION = "OccurenceConstraintViolation"
    TYPE_CONSTRAINT_VIOLATION = "TypeConstraintViolation"
    GENERIC_ERROR = "GenericError"


class Refused(Exception):
    """A message of the peer that cannot be read; `code` and `description` go into the CALLERROR.

    The description contains only our own text and names from the schemas, never text of the peer,
    so it is safe to log and to use as a label. `faults` are the kinds of what was wrong with it,
    each with its first example.
    """

    def __init__(self, code: ErrorCode, description: str, faults: Mapping[str, str] = NONE) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.faults = faults


class CallFailed(Exception):
    """A CALL of ours got no usable CALLRESULT."""


class CallRefused(CallFailed):
    """The charger responded with a CALLERROR, or with a malformed CALLRESULT."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


class CallTimedOut(CallFailed):
    """No response arrived in time. A late response is still written to its command."""


class ChargerGone(CallFailed):
    """The session ended before the response arrived, or the command was cancelled."""


class NotConnected(ChargerGone):
    """The charger is away, and the command may not wait for it. Nothing was sent."""


class NoRoom(ChargerGone):
    """The charger is new, and the limit on chargers is reached."""


class NotRegistered(CallFailed):
    """The charger's registration forbids the CALL. Nothing was sent."""


class CallQueueFull(CallFailed):
    """Too many CALLs are already queued for this charger."""
