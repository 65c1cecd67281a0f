"""Facts about commands: what was asked of chargers, and what came of it."""

from __future__ import annotations

from levity_trio.events.fact import Fact
from levity_trio.records import record


@record
class CallAnswered(Fact):
    """A charger answered a command: `state` is accepted or rejected, by the status of the response."""

    command: int
    action: str
    state: str
    status: str | None
    late: bool


@record
class CallFailed(Fact):
    """A command got no CALLRESULT: `state` is error (a CALLERROR), timed out, gone, expired or cancelled."""

    command: int
    action: str
    state: str
    error_code: str | None


@record
class OutcomeKnown(Fact):
    """What came of a command: `outcome` is fulfilled, contradicted or not seen, `words` says it for people."""

    command: int
    action: str
    outcome: str
    words: str
    transaction: int | None
