"""Observations: how the server is doing. They are stored nowhere, and plugins are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Something that was seen and is not stored."""

    charger: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHandled(Observation):
    """A CALL of a charger was answered, after so many seconds: `code` is that of the CALLERROR, None for a result.

    `request` is what was understood of it, a dataclass of `ocpp.v16.call`; None where nothing was.
    """

    action: str
    seconds: float
    request: Any
    code: str | None
    repairs: tuple[str, ...]
    """What was mended on the way, by kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(Observation):
    """A CALL of ours ended after so many seconds: `state` is answered, refused, timed out or gone (as in `command`).

    `status` is the word of its answer, if it has one; `late`: nobody waited any more.
    """

    action: str
    state: str
    seconds: float
    status: str | None
    error_code: str | None
    late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MalformedFrame(Observation):
    """What came was no frame, or the answer to nothing; `kind` is of a fixed vocabulary."""

    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeRefused(Observation):
    """Somebody was not let in; nobody knows who, so that `charger` is None. `status` is the HTTP status, or the close
    code 1002 where no OCPP 1.6 was among the subprotocols.
    """

    status: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCommitted(Observation):
    """The writer committed so many writes in so many seconds."""

    seconds: float
    writes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFailed(Observation):
    """A hook of a plugin raised, or took too long."""

    plugin: str
    hook: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditProgress(Observation):
    """How the audit stands to Fluentd: so many ids of the log are not acknowledged yet."""

    lag: int
    connected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLost(Observation):
    """So many frames were pruned before Fluentd had acknowledged them."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoStart(Observation):
    """What became of starting a car by ourselves: `outcome` is started, rejected, timed out, not sent, given up,
    withdrawn, blocked or over; the log says why.
    """

    connector: int
    outcome: str
