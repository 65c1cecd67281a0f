"""Events that plugins observe, named in the past tense.

Facts are stored in the table `event` with their fields. The class is the kind, its docstring the documentation.
`charger` is the identity of the charger concerned, `at` the UTC time of receipt in the database's format. Single
readings are not facts. Observations are not stored; they describe the state of the server.
"""

from __future__ import annotations

from typing import Final

from levity_trio.events.access import StartRefused as StartRefused
from levity_trio.events.access import TagChanged as TagChanged
from levity_trio.events.access import TagsImported as TagsImported
from levity_trio.events.accounts import AccountChanged as AccountChanged
from levity_trio.events.accounts import OwnershipChanged as OwnershipChanged
from levity_trio.events.accounts import TransactionGiven as TransactionGiven
from levity_trio.events.accounts import VehicleChanged as VehicleChanged
from levity_trio.events.biller import BillerChanged as BillerChanged
from levity_trio.events.billing import BillingBegun as BillingBegun
from levity_trio.events.billing import MonthClosed as MonthClosed
from levity_trio.events.certificates import CertificateDelivered as CertificateDelivered
from levity_trio.events.certificates import CertificateRefused as CertificateRefused
from levity_trio.events.certificates import CertificateRequested as CertificateRequested
from levity_trio.events.certificates import SecuringBegan as SecuringBegan
from levity_trio.events.certificates import SecuringEnded as SecuringEnded
from levity_trio.events.certificates import SecuringStopped as SecuringStopped
from levity_trio.events.commands import CallAnswered as CallAnswered
from levity_trio.events.commands import CallFailed as CallFailed
from levity_trio.events.commands import OutcomeKnown as OutcomeKnown
from levity_trio.events.decisions import MessageAttached as MessageAttached
from levity_trio.events.decisions import MessageDismissed as MessageDismissed
from levity_trio.events.decisions import ReviewDismissed as ReviewDismissed
from levity_trio.events.decisions import TransactionConfirmed as TransactionConfirmed
from levity_trio.events.decisions import TransactionCorrected as TransactionCorrected
from levity_trio.events.doors import CertificateIssued as CertificateIssued
from levity_trio.events.doors import CertificateNameAllowed as CertificateNameAllowed
from levity_trio.events.doors import CertificateRevoked as CertificateRevoked
from levity_trio.events.doors import ChargerReadmitted as ChargerReadmitted
from levity_trio.events.doors import ChargerTurnedAway as ChargerTurnedAway
from levity_trio.events.doors import PasswordChanged as PasswordChanged
from levity_trio.events.doors import ProfileChanged as ProfileChanged
from levity_trio.events.doors import ReadmissionUsed as ReadmissionUsed
from levity_trio.events.fact import Fact as Fact
from levity_trio.events.files import FileReceived as FileReceived
from levity_trio.events.local_lists import LocalListFailing as LocalListFailing
from levity_trio.events.local_lists import LocalListPaused as LocalListPaused
from levity_trio.events.local_lists import LocalListResumed as LocalListResumed
from levity_trio.events.meters import MeterChanged as MeterChanged
from levity_trio.events.meters import MeterRead as MeterRead
from levity_trio.events.observations import AuditLost as AuditLost
from levity_trio.events.observations import AuditProgress as AuditProgress
from levity_trio.events.observations import AutoStart as AutoStart
from levity_trio.events.observations import BatchCommitted as BatchCommitted
from levity_trio.events.observations import CallEnded as CallEnded
from levity_trio.events.observations import HandshakeRefused as HandshakeRefused
from levity_trio.events.observations import MalformedFrame as MalformedFrame
from levity_trio.events.observations import MessageHandled as MessageHandled
from levity_trio.events.observations import Observation as Observation
from levity_trio.events.observations import PasswordInDigits as PasswordInDigits
from levity_trio.events.observations import PaymentRefused as PaymentRefused
from levity_trio.events.observations import PluginFailed as PluginFailed
from levity_trio.events.observations import TagJudged as TagJudged
from levity_trio.events.registration import ChargerAdopted as ChargerAdopted
from levity_trio.events.registration import ChargerRefused as ChargerRefused
from levity_trio.events.registration import NewcomerWaiting as NewcomerWaiting
from levity_trio.events.statuses import AvailabilityDiffers as AvailabilityDiffers
from levity_trio.events.statuses import ErrorOpened as ErrorOpened
from levity_trio.events.statuses import ErrorsResolved as ErrorsResolved
from levity_trio.events.statuses import StatusChanged as StatusChanged
from levity_trio.events.tariffs import TariffAssigned as TariffAssigned
from levity_trio.events.tariffs import TariffChanged as TariffChanged
from levity_trio.events.wallets import WalletCovered as WalletCovered
from levity_trio.events.wallets import WalletEntered as WalletEntered
from levity_trio.events.wallets import WalletSpent as WalletSpent
from levity_trio.events.wallets import WalletTermsChanged as WalletTermsChanged
from levity_trio.events.webhooks import WebhookGivenUp as WebhookGivenUp
from levity_trio.records import record


@record
class ServerStarted(Fact):
    """A run of a server began; `clean` is whether the run before it was shut down cleanly."""

    server: str
    version: str
    clock_trusted: bool
    clean: bool


@record
class ServerLost(Fact):
    """A server was silent for too long: killed, frozen, or cut off from the database. Its chargers may connect to any
    other server of the site; their transactions are suspended until then."""

    server: str


@record
class ClockLeapt(Fact):
    """This machine's clock leapt by `seconds`, ahead or back, while the server ran.

    If the new time is not `believed`, the server's time continues from before the leap.
    """

    seconds: int
    believed: bool


@record
class ChargerConnected(Fact):
    """A connection became a session, with its first valid CALL or with our first CALL to it."""

    session: int
    remote_address: str
    is_new: bool


@record
class ChargerDisconnected(Fact):
    """A connection ended. `replaced` is whether a newer connection of the same charger had replaced it."""

    session: int | None
    code: int
    reason: str
    replaced: bool
    during_transaction: bool


@record
class ChargerHidden(Fact):
    """A charger is hidden until it charges again. `retired_on` is the day of its removal, if it was removed;
    `made_room_for` is the new one for which a stranger was hidden, None if a person hid it."""

    retired_on: str | None
    made_room_for: str | None = None


@record
class ChargerShown(Fact):
    """A hidden charger is visible again: it charged, or a person added it again."""


@record
class IdentityShared(Fact):
    """Two chargers seem to use one identity, because its serial number or its address alternates."""

    evidence: str


@record
class ChargerBooted(Fact):
    """A charger sent a BootNotification."""

    vendor: str | None
    model: str | None
    serial_number: str | None
    firmware_version: str | None
    during_transaction: bool


@record
class PingsSwitchedOff(Fact):
    """A charger closed three consecutive connections just after a WebSocket ping; this firmware gets no more pings."""

    firmware_version: str


@record
class TagPresented(Fact):
    """A charger asked to authorize an ID tag; `verdict` is the status returned."""

    id_tag: str
    verdict: str


@record
class TransactionStarted(Fact):
    """A transaction began. Repeats of its StartTransaction add no fact."""

    transaction: int
    connector: int | None
    id_tag: str | None
    meter_start_wh: int | None


@record
class TransactionSuspended(Fact):
    """An open transaction lost its charger (boot, lost connection, server shutdown). It stays open and unbilled."""

    transaction: int
    connector: int | None
    reason: str


@record
class TransactionResumed(Fact):
    """A suspended transaction continued."""

    transaction: int
    connector: int | None
    reason: str


@record
class TransactionStopped(Fact):
    """A transaction was stopped by its charger. `before_wh` is its energy as reported by facts until then."""

    transaction: int
    connector: int | None
    energy_wh: int
    before_wh: int
    method: str
    reason: str
    review: str | None


@record
class TransactionClosed(Fact):
    """A transaction was closed by the system or by an operator, with the energy that its readings show.

    A later stop of its charger, as TransactionStopped, supersedes this. `cause` is `reason` in words; `before_wh` is
    the energy as reported by facts until then.
    """

    transaction: int
    connector: int | None
    energy_wh: int
    before_wh: int
    method: str
    reason: str
    cause: str
    review: str | None


@record
class TransactionRejudged(Fact):
    """Later facts changed the energy of an ended transaction, or its confidence; `cause` names these facts."""

    transaction: int
    connector: int | None
    energy_wh: int
    before_wh: int
    method: str
    cause: str
    review: str | None


@record
class StopConflicted(Fact):
    """A charger sent a second StopTransaction with other values; the first one stays valid."""

    transaction: int


@record
class EnergyUnbilled(Fact):
    """A transaction began above the register value at which the one before it on that connector ended.

    A late message that changes the difference adds another fact; `before_wh` is the difference reported until then.
    """

    transaction: int
    connector: int | None
    energy_wh: int
    before_wh: int


@record
class EnergyJumped(Fact):
    """The register stepped between two readings of a transaction.

    It stepped back, or ahead by more than 10 kWh and by more than the reported power, or the power that a charger of
    its kind delivers, amounts to in that time.
    """

    transaction: int
    connector: int
    from_wh: int
    to_wh: int


@record
class MessageSetAside(Fact):
    """A message could not be linked or handled; it is kept raw for the operator."""

    action: str
    reason: str
    transaction: int | None


@record
class DataTransferred(Fact):
    """A charger sent a DataTransfer."""

    vendor_id: str
    message_id: str | None
    data: str | None


@record
class DiagnosticsStatusChanged(Fact):
    """A charger reported the status of a diagnostics upload."""

    status: str


@record
class FirmwareStatusChanged(Fact):
    """A charger reported the status of a firmware update. Only signed updates have a `request_id`."""

    status: str
    request_id: int | None


@record
class LogStatusChanged(Fact):
    """A charger reported the status of a log upload."""

    status: str
    request_id: int | None


@record
class SecurityEventReported(Fact):
    """A charger reported a security event. `timestamp` is the charger's own time as sent."""

    event_type: str
    timestamp: str
    tech_info: str | None


ROUTINE_EVENTS: Final = frozenset({"FirmwareUpdated", "ResetOrReboot", "SettingSystemTime", "StartupOfTheDevice"})
"""Security events of ordinary operation (OCPP 1.6 security whitepaper, §5)."""


@record
class FactsCounted(Fact):
    """A charger exceeded the daily ceiling of a kind: `count` facts since the last FactsCounted are not stored.

    `kind` is the class of the fact, StatusNotification for rows of `status`, or Evidence for over-long messages.
    """

    kind: str
    count: int


@record
class MessagesRefused(Fact):
    """A charger exceeded the rate of transaction messages. This one was not acknowledged, and the connection is closed
    with 1013.
    """

    action: str
    reason: str


@record
class EventsPruned(Fact):
    """Retention deleted `count` facts from `event` that are older than `before`; their sums are kept for counters."""

    count: int
    before: str


TRANSACTION_FACTS: Final = (
    *(TransactionStarted, TransactionStopped, TransactionClosed, TransactionRejudged, StopConflicted),
    *(EnergyUnbilled, MessageSetAside, IdentityShared, FactsCounted),
)
"""Facts without a daily ceiling; the last two are rare by themselves. All others have a ceiling for each charger."""
OWN_FACTS: Final = (
    *(CallAnswered, CallFailed, OutcomeKnown),
    *(CertificateIssued, CertificateDelivered, CertificateRevoked, SecuringBegan, SecuringStopped, SecuringEnded),
    *(TransactionConfirmed, TransactionCorrected, ReviewDismissed, MessageAttached, MessageDismissed),
    *(PasswordChanged, ProfileChanged, ChargerReadmitted, ReadmissionUsed, CertificateIssued, CertificateRevoked),
    *(ChargerAdopted, ChargerRefused, TransactionGiven, CertificateNameAllowed),
)
"""Facts about what operators and plugins asked for or decided. No charger can repeat them without end."""
PRESENT_FACTS: Final = (ChargerConnected, ChargerDisconnected, StatusChanged, MessagesRefused)
"""Facts by which observers follow the current state, or alert for as long as it lasts. They are published even if only
counted, not stored.
"""


Event = Fact | Observation
