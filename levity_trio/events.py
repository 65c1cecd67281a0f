"""Events: what happened, in the past tense, as plugins are told.

Facts are stored in `event` with what they tell; the class is the kind, its docstring the documentation. `charger` is
the identity of the charger that it is about, `at` the UTC time of receipt as the database spells it. Single readings
are not facts. Observations, at the end, are stored nowhere: they are how the server is doing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that happened."""

    charger: str | None
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStarted(Fact):
    """A run of the server began; `clean` tells whether the one before it ended in order."""

    version: str
    clock_trusted: bool
    clean: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockLeapt(Fact):
    """This machine's clock leapt while the server ran, ahead or back by so many seconds. Where it is not `believed`,
    time goes on from before.
    """

    seconds: int
    believed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerConnected(Fact):
    """The first valid CALL of a connection came."""

    session: int
    remote_address: str
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerDisconnected(Fact):
    """A connection ended. `replaced`: a newer one of the same charger had taken its place."""

    session: int | None
    code: int
    reason: str
    replaced: bool
    during_transaction: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityShared(Fact):
    """Two chargers seem to use one identity: a serial number or an address alternates."""

    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerBooted(Fact):
    """A BootNotification came."""

    vendor: str | None
    model: str | None
    serial_number: str | None
    firmware_version: str | None
    during_transaction: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChanged(Fact):
    """The present status of a connector (0: the charger itself) is another one than before."""

    connector: int
    status: str
    error_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorOpened(Fact):
    """A charger reported an errorCode other than NoError. A warning comes with a status other than Faulted."""

    connector: int
    error_code: str
    vendor_error_code: str | None
    is_warning: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorsResolved(Fact):
    """NoError came for a connector that had open errors."""

    connector: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TagPresented(Fact):
    """A tag was shown to a charger and judged."""

    id_tag: str
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionStarted(Fact):
    """A transaction began. Repeats of its StartTransaction are no new fact."""

    transaction: int
    connector: int | None
    id_tag: str | None
    meter_start_wh: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionSuspended(Fact):
    """An open transaction lost its charger (boot, connection, our own end): still open, not billed."""

    transaction: int
    connector: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionResumed(Fact):
    """A suspended transaction gave a sign of life."""

    transaction: int
    connector: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionStopped(Fact):
    """A transaction ended, told by the charger itself. `before_wh` was told of its energy until then."""

    transaction: int
    connector: int | None
    energy_wh: int
    before_wh: int
    method: str
    reason: str
    review: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionClosed(Fact):
    """A transaction was closed by the system, as far as its readings show; its charger's own stop may still come, as
    TransactionStopped, and then takes the place of this. `cause` is `reason` in words; `before_wh` was told until then.
    """

    transaction: int
    connector: int | None
    energy_wh: int
    before_wh: int
    method: str
    reason: str
    cause: str
    review: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionRejudged(Fact):
    """Later facts changed the figure of a transaction that had ended, or how sure it is; `cause` says which facts."""

    transaction: int
    connector: int | None
    energy_wh: int
    before_wh: int
    method: str
    cause: str
    review: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopConflicted(Fact):
    """A second StopTransaction with other values came; the first still stands."""

    transaction: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyUnbilled(Fact):
    """A transaction began above the register at which the one before it on that connector ended.

    What a late message changes is told again: `before_wh` was told until then.
    """

    transaction: int
    connector: int | None
    energy_wh: int
    before_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyJumped(Fact):
    """Two readings of a transaction lie further apart than any charger could deliver, or run backwards."""

    transaction: int
    connector: int
    from_wh: int
    to_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSetAside(Fact):
    """A message could not be linked or handled and waits, raw, for the operator."""

    action: str
    reason: str
    transaction: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTransferred(Fact):
    """A DataTransfer came from a charger."""

    vendor_id: str
    message_id: str | None
    data: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosticsStatusChanged(Fact):
    """An upload of diagnostics went on or ended."""

    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareStatusChanged(Fact):
    """A firmware update went on or ended. `request_id` is there for signed updates only."""

    status: str
    request_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStatusChanged(Fact):
    """An upload of a log went on or ended."""

    status: str
    request_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEventReported(Fact):
    """A charger reported a security event. `timestamp` is its own time as it was sent."""

    event_type: str
    timestamp: str
    tech_info: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRequested(Fact):
    """A charger asked to have its certificate signed."""

    csr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailed(Fact):
    """A CALL of ours was not answered with a result: `state` is refused, timed out or gone."""

    command: int
    action: str
    state: str
    error_code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Something that was seen and is not stored."""

    charger: str | None


Event = Fact | Observation


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
class FrameOfNoUse(Observation):
    """What came was no frame, or the answer to nothing; `kind` is of a fixed vocabulary."""

    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeRefused(Observation):
    """Somebody was not let in; nobody knows who, so that `charger` is None."""

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
