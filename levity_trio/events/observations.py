"""Observations: events about the server itself that plugins observe and that are not stored."""

from __future__ import annotations

from typing import Any

from levity_trio.records import record


@record
class Observation:
    """An event that is not stored."""

    charger: str | None


@record
class MessageHandled(Observation):
    """A CALL of a charger was answered after `seconds`. `code` is that of the CALLERROR, None for a CALLRESULT.

    `request` is the request as read, a dataclass of `ocpp.v16.call`; None if it was unreadable.
    """

    action: str
    seconds: float
    request: Any
    code: str | None
    repairs: tuple[str, ...]
    """The kinds of the repairs made to it."""


@record
class CallEnded(Observation):
    """A CALL of ours ended after `seconds`: `state` is accepted, rejected, error, timed out or gone (as in `command`).

    `status` is the status in its response, if there is one; `late` is whether the response came after the time-out.
    """

    action: str
    state: str
    seconds: float
    status: str | None
    error_code: str | None
    late: bool


@record
class MalformedFrame(Observation):
    """A malformed frame, or a response that belongs to no CALL in flight; `kind` is one of a fixed set."""

    kind: str


@record
class HandshakeRefused(Observation):
    """A handshake was refused. The peer is not identified, so `charger` is None.

    `status` is the HTTP status, or the close code 1002 if the client did not offer ocpp1.6, or 0 if the TLS handshake
    failed. `kind` is the kind of the reason, one of a fixed set.
    """

    status: int
    reason: str
    kind: str = "malformed"


@record
class PasswordInDigits(Observation):
    """A charger presented the hexadecimal digits of its password instead of its bytes; it was let in."""


@record
class BatchCommitted(Observation):
    """The writer committed a batch."""

    seconds: float
    writes: int


@record
class PluginFailed(Observation):
    """A hook of a plugin raised, or took too long."""

    plugin: str
    hook: str


@record
class AuditProgress(Observation):
    """The progress of the audit to Fluentd; `lag` is the number of log ids that are not acknowledged yet."""

    lag: int
    connected: bool


@record
class AuditLost(Observation):
    """`count` frames were pruned before Fluentd had acknowledged them."""

    count: int


@record
class TagJudged(Observation):
    """A charger was told the `status` of a tag, in its response to `action`."""

    action: str
    status: str


@record
class AutoStart(Observation):
    """The outcome of an automatic start: started, rejected, timed out, not sent, given up, withdrawn, blocked or over.

    The log has the reason.
    """

    connector: int
    outcome: str


@record
class PaymentRefused(Observation):
    """A request of a payment service was refused; `code` is that of the problem."""

    code: str
