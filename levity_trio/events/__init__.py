"""Events: what happened, in the past tense, as plugins are told.

Facts are stored in `event` with what they tell; the class is the kind, its docstring the documentation. `charger` is
the identity of the charger that it is about, `at` the UTC time of receipt as the database spells it. Single readings
are not facts. Observations, beside them, are stored nowhere: they are how the server is doing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from levity_trio.events.observations import (
    AuditLost as AuditLost,
)
from levity_trio.events.observations import (
    AuditProgress as AuditProgress,
)
from levity_trio.events.observations import (
    AutoStart as AutoStart,
)
from levity_trio.events.observations import (
    BatchCommitted as BatchCommitted,
)
from levity_trio.events.observations import (
    CallEnded as CallEnded,
)
from levity_trio.events.observations import (
    HandshakeRefused as HandshakeRefused,
)
from levity_trio.events.observations import (
    MalformedFrame as MalformedFrame,
)
from levity_trio.events.observations import (
    MessageHandled as MessageHandled,
)
from levity_trio.events.observations import (
    Observation as Observation,
)
from levity_trio.events.observations import (
    PluginFailed as PluginFailed,
)


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
class ChargerHidden(Fact):
    """The operator hid a charger until it charges again; `retired_on` is the day on which it was taken down, if any."""

    retired_on: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerShown(Fact):
    """A hidden charger charges again, and is hidden no more."""


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
class PingsSwitchedOff(Fact):
    """A charger closed three connections running just after a WebSocket ping: it gets no more under this firmware."""

    firmware_version: str


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
    """Between two readings of a transaction its register stepped back, or on by more than 10 kWh and by more than the
    power that was reported, or that a charger of its kind delivers, comes to in that time.
    """

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
class FactsCounted(Fact):
    """A charger told so many facts of this kind since the last FactsCounted, beyond a day's ceiling: none of them is
    kept. `kind` is the class of the fact; StatusNotification for rows of `status`, Evidence for over-long messages.
    """

    kind: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesRefused(Fact):
    """A charger sent more transaction messages than any charger does: this one was not acknowledged, and the connection
    is closed with 1013."""

    action: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsPruned(Fact):
    """So many facts told before this time were deleted from `event`, summed where counters are rebuilt from them."""

    count: int
    before: str


TRANSACTION_FACTS: Final = (
    *(TransactionStarted, TransactionStopped, TransactionClosed, TransactionRejudged, StopConflicted),
    *(EnergyUnbilled, MessageSetAside, IdentityShared, FactsCounted),
)
"""Each is kept; the last two are rare by themselves. Of all others a charger may add so many in a day."""
PRESENT_FACTS: Final = (ChargerConnected, ChargerDisconnected, StatusChanged)
"""Observers follow the present state by these, so they are published even where they are only counted."""


Event = Fact | Observation
