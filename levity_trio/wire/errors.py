"""What a peer's mistake becomes: a CALLERROR with a code in the spelling of OCPP-J 1.6; and how our own CALLs fail.

The specification misspells two of its own codes, and chargers compare them letter by letter, so the
spelling of OCPP-J 1.6 §4.2.3 is kept: FormationViolation (the `ocpp` package sends FormatViolation, the
word of 2.0.1) and OccurenceConstraintViolation with one r.
"""

from enum import StrEnum


class ErrorCode(StrEnum):
    """The error codes of a CALLERROR (OCPP-J 1.6 §4.2.3)."""

    NOT_IMPLEMENTED = "NotImplemented"  # the action is not known at all
    NOT_SUPPORTED = "NotSupported"  # known, but not for this receiver
    INTERNAL_ERROR = "InternalError"
    PROTOCOL_ERROR = "ProtocolError"
    SECURITY_ERROR = "SecurityError"
    FORMATION_VIOLATION = "FormationViolation"
    PROPERTY_CONSTRAINT_VIOLATION = "PropertyConstraintViolation"
    OCCURENCE_CONSTRAINT_VIOLATION = "OccurenceConstraintViolation"
    TYPE_CONSTRAINT_VIOLATION = "TypeConstraintViolation"
    GENERIC_ERROR = "GenericError"


class Refused(Exception):
    """A message of the peer that cannot be understood; `code` and `description` go into the CALLERROR.

    The description is made of our own words and of names from the schemas, never of text that the peer
    chose, so that it can be logged and counted as it is.
    """

    def __init__(self, code: ErrorCode, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


class CallFailed(Exception):
    """A CALL of ours got no CALLRESULT."""


class CallRefused(CallFailed):
    """The charger answered with a CALLERROR, or with what cannot be read."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


class CallTimedOut(CallFailed):
    """No answer came in time. A late one is still written to its command, and `was_answered` is true from then on:
    whoever would ask again knows it at once, before it is stored.
    """

    was_answered = False


class ChargerGone(CallFailed):
    """The session ended before the answer came."""


class NoRoom(ChargerGone):
    """It is a new charger, and no room is left for one."""


class CallQueueFull(CallFailed):
    """Too many CALLs wait for this charger already."""
