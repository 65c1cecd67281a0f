"""Events that plugins observe, named in the past tense.

Facts are stored in the table `event` with their fields. The class is the kind, its docstring the
documentation. `charger` is the identity of the charger concerned, `at` the UTC time of receipt in
the database's format. Single readings are not facts. Observations are not stored; they describe the
state of the server.
"""

from __future__ import annotations

from typing import Any, Final

from levity_trio.records import ForOperators, record


@record
class Fact:
    """An event that is stored."""

    charger: str | None
    at: str


# The server, its chargers and their transactions


@record
class ServerStarted(Fact):
    """A run of a server began; `clean` is whether the run before it was shut down cleanly."""

    server: str
    version: str
    clock_trusted: bool
    clean: bool


@record
class ServerLost(Fact):
    """A server was silent for too long: killed, frozen, or cut off from the database. Its chargers
    may connect to any other server of the site; their transactions are suspended until then."""

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
    """A connection became a session: of a known charger with its handshake, of a new one with its
    first valid CALL, or with our first CALL to it. Of a charger that opens a connection for each
    message, all `is_usual`, which are counted and not stored."""

    session: int
    remote_address: ForOperators[str]
    is_new: bool
    is_usual: bool = False


@record
class ChargerDisconnected(Fact):
    """A connection ended. `replaced` is whether a newer connection of the same charger had replaced
    it. `is_usual` as in ChargerConnected."""

    session: int | None
    code: int
    reason: str
    replaced: bool
    during_transaction: bool
    is_usual: bool = False


@record
class ChargerHidden(Fact):
    """A charger is hidden until it charges again. `retired_on` is the day of its removal, if it was
    removed; `made_room_for` is the new one for which a stranger was hidden, None if a person hid
    it."""

    retired_on: str | None
    made_room_for: str | None = None


@record
class ChargerShown(Fact):
    """A hidden charger is visible again: it charged, or a person added it again."""


@record
class IdentityShared(Fact):
    """Two chargers seem to use one identity, because its serial number or its address
    alternates."""

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
    """A charger closed three consecutive connections just after a WebSocket ping; this firmware
    gets no more pings."""

    firmware_version: str


@record
class TagPresented(Fact):
    """A charger asked to authorize an ID tag; `verdict` is the status returned.

    `reason` is why it may not charge here or now though it may charge: space, chargers, spent or
    month.
    """

    id_tag: ForOperators[str]
    verdict: str
    reason: str | None = None


@record
class TransactionStarted(Fact):
    """A transaction began. Repeats of its StartTransaction add no fact."""

    transaction: int
    connector: int | None
    id_tag: ForOperators[str | None]
    meter_start_wh: int | None


@record
class TransactionSuspended(Fact):
    """An open transaction lost its charger (boot, lost connection, server shutdown). It stays open
    and unbilled."""

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
    """A transaction was stopped by its charger. `before_wh` is its energy as reported by facts
    until then."""

    transaction: int
    connector: int | None
    energy_wh: int
    before_wh: int
    method: str
    reason: str
    review: str | None


@record
class TransactionClosed(Fact):
    """A transaction was closed by the system or by an operator, with the energy that its readings
    show.

    A later stop of its charger, as TransactionStopped, supersedes this. `cause` is `reason` in
    words; `before_wh` is the energy as reported by facts until then.
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
    """Later facts changed the energy of an ended transaction, or its confidence; `cause` names
    these facts."""

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
    """A transaction began above the register value at which the one before it on that connector
    ended.

    A late message that changes the difference adds another fact; `before_wh` is the difference
    reported until then.
    """

    transaction: int
    connector: int | None
    energy_wh: int
    before_wh: int


@record
class ChargerOdd(Fact):
    """Something is odd about a charger, and its owner is told once. `cause` is comes_and_goes (it
    connected more than `figure` times in a day), measures_nothing (it reported Charging in `figure`
    sessions in a row, which have 0 Wh), new_serial (it told another serial number than before, and
    may be another charger) or meter_exchanged: between two transactions, its register went from
    `earlier` to `figure` Wh, more than any charger delivers in that time. Connector 0 is the
    charger itself.
    """

    cause: str
    connector: int
    figure: int
    earlier: int


@record
class EnergyJumped(Fact):
    """The register stepped between two readings of a transaction.

    It stepped back, or ahead by more than 10 kWh and by more than the reported power, or the power
    that a charger of its kind delivers, amounts to in that time.
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
    data: ForOperators[str | None]


@record
class DiagnosticsStatusChanged(Fact):
    """A charger reported the status of a diagnostics upload."""

    status: str


@record
class FirmwareStatusChanged(Fact):
    """A charger reported the status of a firmware update. Only signed updates have a
    `request_id`."""

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
    tech_info: ForOperators[str | None]


ROUTINE_EVENTS: Final = frozenset(
    {"FirmwareUpdated", "ResetOrReboot", "SettingSystemTime", "StartupOfTheDevice"}
)
"""Security events of ordinary operation (OCPP 1.6 security whitepaper, §5)."""


@record
class FactsCounted(Fact):
    """A charger exceeded the daily ceiling of a kind: `count` facts since the last FactsCounted are
    not stored.

    `kind` is the class of the fact, StatusNotification for rows of `status`, or Evidence for
    over-long messages.
    """

    kind: str
    count: int


@record
class MessagesRefused(Fact):
    """A charger exceeded the rate of transaction messages. This one was not acknowledged, and the
    connection is closed with 1013.
    """

    action: str
    reason: str


@record
class EventsPruned(Fact):
    """Retention deleted `count` facts from `event` that are older than `before`; their sums are
    kept for counters."""

    count: int
    before: str


# Tags


@record
class TagChanged(Fact):
    """An operator, `by`, added, changed or removed a tag; the other fields are what holds from now
    on.

    `change` is added, changed, blocked, unblocked or removed. The name of a tag is never part of a
    fact.
    """

    id_tag: ForOperators[str]
    change: str
    status: str
    expires_at: str | None
    parent_id_tag: ForOperators[str | None]
    max_transactions: int | None
    by: ForOperators[str]


@record
class TagsImported(Fact):
    """An import is complete: `count` tags of a file that `by` sent were added or changed."""

    count: int
    by: ForOperators[str]


@record
class HouseholdReported(Fact):
    """A driver of an `account` reported something `about` a session, a statement, a charger or a
    lost card. What was written is never part of a fact."""

    report: int
    account: ForOperators[int]
    about: str
    transaction: int | None
    id_tag: ForOperators[str | None]


@record
class ReportAnswered(Fact):
    """An operator, `by`, answered a report of an `account`."""

    report: int
    account: ForOperators[int]
    by: ForOperators[str]


@record
class StartRefused(Fact):
    """A transaction began with a tag that may not charge. It is stored with its energy; the charger
    was told.

    `reason` is that of TagPresented.
    """

    transaction: int
    connector: int | None
    id_tag: ForOperators[str | None]
    verdict: str
    reason: str | None = None


# Accounts and what belongs to them. Facts have the numbers of accounts, never names.


@record
class AccountChanged(Fact):
    """An operator, `by`, added, changed, closed or reopened an account, which is open from `since`
    until `until`.

    `change` may also be forgotten: what was personal of it was deleted; or undone: it was entered
    by mistake.
    """

    account: ForOperators[int]
    change: str
    since: str
    until: str | None
    by: ForOperators[str]


@record
class OwnershipChanged(Fact):
    """A tag, a space or a vehicle (`what`) belongs to an account from `since` until `until`, or no
    longer does.

    `change` is given, ended or voided: a voided period was wrong, and further facts say what holds
    instead. `key` is the normal form of a tag, the charger of a space (`connector` 0: all of them),
    or the number of a vehicle. `vehicle` is the one that a tag names. `exclusive` is whether a
    space is for the household only.
    """

    ownership: int
    account: ForOperators[int]
    change: str
    what: str
    key: ForOperators[str]
    connector: int
    vehicle: int | None
    since: str
    until: str | None
    by: ForOperators[str]
    exclusive: bool = False


@record
class TransactionGiven(Fact):
    """An operator gave a transaction to an account by hand, or (`account` null) took it back."""

    transaction: int
    account: ForOperators[int | None]
    by: ForOperators[str]


@record
class VehicleChanged(Fact):
    """An operator added, changed or removed a vehicle, or had its name forgotten with that of its
    account."""

    vehicle: int
    change: str
    by: ForOperators[str]


# Statements and tariffs. Facts have numbers, never names.


@record
class BillerChanged(Fact):
    """An operator, `by`, changed who bills, as it stands on statements from now on.

    `biller` is the number of the new row, `changed` names its fields that differ from the one
    before.
    """

    biller: int
    changed: tuple[str, ...]
    by: ForOperators[str]


@record
class BillingBegun(Fact):
    """An operator, `by`, said from which local day on this system bills."""

    day: str
    by: ForOperators[str]


@record
class MonthClosed(Fact):
    """An operator closed a month (`account` null), or it for one account that moved out.

    `statements` were made, with the numbers from `first` to `last`, null if there are none.
    """

    month: str
    account: ForOperators[int | None]
    statements: int
    first: int | None
    last: int | None
    by: ForOperators[str]


@record
class TariffChanged(Fact):
    """An operator, `by`, added or withdrew (`change`) a version of a tariff that holds from the
    local day `since`."""

    tariff: int
    version: int
    change: str
    since: str
    by: ForOperators[str]


@record
class TariffAssigned(Fact):
    """A tariff, or (`tariff` null) none, holds from the local day `since` for an account, a charger
    or the site.

    `scope` says which of these, `key` is the number of the account, the charger, or empty.
    """

    assignment: int
    scope: str
    key: ForOperators[str]
    tariff: int | None
    since: str
    by: ForOperators[str]


# Wallets of accounts: the numbers of entries, never amounts


@record
class WalletEntered(Fact):
    """Something was entered in the ledger of an account: `kind` is payment, top-up, charge,
    statement and so on.

    `transaction` is the one that a charge is for.
    """

    entry: int
    account: ForOperators[int]
    kind: str
    transaction: int | None
    by: ForOperators[str]


@record
class WalletTermsChanged(Fact):
    """An operator made an account prepaid or postpaid (`terms`), or changed the limit at which it
    is spent."""

    account: ForOperators[int]
    terms: str
    by: ForOperators[str]


@record
class WalletSpent(Fact):
    """What a prepaid account has available reached its limit: its tags are Blocked."""

    account: ForOperators[int]


@record
class WalletCovered(Fact):
    """An account that was spent may charge again: it has more available than its limit, or is
    postpaid."""

    account: ForOperators[int]


# Limits of cards and households. `what` is tag or account, `key` the normal form of the tag or the
# account's number.


@record
class LimitChanged(Fact):
    """An operator, `by`, said where a card or a household may charge, and how much in a month;
    null: without a limit.

    It may charge only at these `chargers`; one that works `everywhere` does so at spaces of others,
    too.
    """

    what: str
    key: ForOperators[str]
    chargers: list[str] | None
    everywhere: bool
    month_wh: int | None
    month_amount: int | None
    by: ForOperators[str]


@record
class MonthLimitNear(Fact):
    """A card or a household has used four fifths of what it may in the `month`."""

    what: str
    key: ForOperators[str]
    month: str
    until: str


@record
class MonthLimitReached(Fact):
    """A card or a household has used what it may in the `month`: it is Blocked until the month is
    over."""

    what: str
    key: ForOperators[str]
    month: str
    until: str


@record
class MonthLimitLifted(Fact):
    """A card or a household may charge again in the `month`: its limit, or what it has used, is
    another one now."""

    what: str
    key: ForOperators[str]
    month: str
    until: str


# Load: who may draw what under a feeder that is too small for all. Currents are in A per phase;
# phases are L1, L2, L3.


@record
class LoadSiteChanged(Fact):
    """Somebody (`by`) entered another site for load management, or had forgotten what was
    remembered for it: `version` of it holds from now on; `is_managed` is whether there is any load
    management at all."""

    version: int
    is_managed: bool
    by: ForOperators[str]


@record
class LoadExceeded(Fact):
    """The measured current at a phase of a circuit has been above its limit for more than a
    minute."""

    circuit: str
    phase: str
    amperes: float
    limit: float


@record
class LoadExceedEnded(Fact):
    """The current at a phase of a circuit that was above its limit is no longer so; it was for
    `seconds`, `amperes` at most."""

    circuit: str
    phase: str
    amperes: float
    seconds: int


@record
class MeterSilent(Fact):
    """A meter of load management is of no use since `last_at` (null: it never was), so the highest
    load of seven days counts. `why`: it is `silent`, `frozen` (it shows nothing of what cars draw
    more), or shows what is `impossible`."""

    meter: str
    last_at: str | None
    why: str


@record
class MeterBack(Fact):
    """A meter of load management that was silent shows currents again."""

    meter: str


@record
class PricesMissing(Fact):
    """A series whose prices are fetched has none for a local day: for tomorrow at eight in the
    evening, or for today. `why` is what the last attempt lacked."""

    series: str
    day: str
    why: str


@record
class PricesBack(Fact):
    """A series that lacked prices has them again."""

    series: str


@record
class LoadManagementChanged(Fact):
    """Load management limits a charger from now on (`state` managed), is about to let it go
    (leaving), or has cleared what it had set there (left)."""

    state: str
    by: ForOperators[str]


@record
class LimitIgnored(Fact):
    """A charger was told a limit, and its car drew more a minute later. `way` is how it was told (1
    to 5)."""

    connector: int
    limit: int
    drawn: float
    way: int


@record
class LimitObeyed(Fact):
    """A charger that did not obey its limits since a time has obeyed three again."""

    connector: int
    since: str


@record
class TrialEnded(Fact):
    """A trial of how a charger obeys has ended: passed, failed or cancelled."""

    connector: int
    result: str


@record
class GridLimitChanged(Fact):
    """The grid operator ordered another limit, per phase or in kW for all; null: none any more.
    `source` is whence it came."""

    amperes: float | None
    source: str
    kilowatts: float | None = None


@record
class BoostStarted(Fact):
    """Somebody gave the car at a connector its maximum `until` a time, as far as circuits allow
    it."""

    connector: int
    until: str
    reason: ForOperators[str]
    by: ForOperators[str]


# Meters of the house


@record
class MeterChanged(Fact):
    """An operator added or changed a meter of the house."""

    meter: int
    change: str
    by: ForOperators[str]


@record
class MeterRead(Fact):
    """An operator entered a reading of a meter of the house (`change` is added), or voided one that
    was wrong (voided). `read_at` is the time of the reading."""

    meter: int
    reading: int
    change: str
    read_at: str
    wh: int
    by: ForOperators[str]


# Who may connect as a charger


@record
class CertificateRequested(Fact):
    """A charger requested a signed certificate."""

    csr: str


@record
class CertificateRefused(Fact):
    """A charger's request for a certificate was answered with Rejected."""

    reason: str


@record
class CertificateDelivered(Fact):
    """What became of a certificate that was sent to its charger: installed, refused or
    undelivered."""

    certificate: int
    result: str


@record
class SecuringBegan(Fact):
    """An operator wants this security profile for a charger."""

    securing: int
    profile: int
    by: ForOperators[str]


@record
class SecuringStopped(Fact):
    """A step towards a security profile failed; `words` say why and what to do. The charger's old
    door stays open."""

    securing: int
    profile: int
    step: str
    words: str


@record
class SecuringEnded(Fact):
    """The way to a security profile is done, replaced by a newer one, or cancelled."""

    securing: int
    profile: int
    result: str


@record
class PasswordChanged(Fact):
    """A password of a charger was stored (`expected`), is the only one from now on (`confirmed`),
    or was `ended`."""

    credential: int
    state: str
    by: ForOperators[str]


@record
class ProfileChanged(Fact):
    """The security profile that is required of a charger changed.

    It rises with the charger's first connection at a higher one (`by` is None); only an operator
    lowers it.
    """

    profile: int
    before: int
    by: ForOperators[str | None]


@record
class ChargerReadmitted(Fact):
    """An operator lets a charger in once below its required profile, until `until`."""

    profile: int
    until: str
    by: ForOperators[str]


@record
class ReadmissionUsed(Fact):
    """A handshake from this address was let in below the profile that is required of the
    charger."""

    profile: int
    remote_address: ForOperators[str]


@record
class ChargerTurnedAway(Fact):
    """A known charger began to be turned away: its handshake is refused, or its connection is
    closed on it.

    `kind` is the kind of the reason, one of a fixed set. Refusals of strangers are no facts.
    """

    remote_address: ForOperators[str]
    kind: str
    reason: str


@record
class CertificateIssued(Fact):
    """A certificate opens the door for a charger: our authority issued it, or an operator adopted
    it."""

    certificate: int
    fingerprint: str
    not_after: str
    by: ForOperators[str]


@record
class CertificateRevoked(Fact):
    """An operator revoked a certificate; it opens no door any more."""

    certificate: int
    fingerprint: str
    by: ForOperators[str]
    reason: ForOperators[str]


@record
class CertificateNameAllowed(Fact):
    """An operator lets the certificate requests of a charger have this name (CN), as the rejected
    `request` had it."""

    request: int
    name: str
    by: ForOperators[str]
    reason: ForOperators[str]


@record
class NewcomerWaiting(Fact):
    """A charger that nobody adopted connected for the first time, and waits for a person
    (--registration ask).

    `resembles` is a known charger whose identity differs only in the case of its letters.
    """

    remote_address: ForOperators[str]
    resembles: str | None


@record
class ChargerAdopted(Fact):
    """A person registered a charger: it is served in every mode of --registration."""

    by: ForOperators[str]
    reason: ForOperators[str]


@record
class ChargerRefused(Fact):
    """A person refused a charger: it is answered Rejected, and is sent nothing."""

    by: ForOperators[str]
    reason: ForOperators[str]


# Commands: what was asked of chargers, and what came of it


@record
class CallAnswered(Fact):
    """A charger answered a command: `state` is accepted or rejected, by the status of the
    response."""

    command: int
    action: str
    state: str
    status: str | None
    late: bool


@record
class CallFailed(Fact):
    """A command got no CALLRESULT: `state` is error (a CALLERROR), timed out, gone, expired or
    cancelled."""

    command: int
    action: str
    state: str
    error_code: str | None


@record
class OutcomeKnown(Fact):
    """What came of a command: `outcome` is fulfilled, contradicted or not seen, `words` says it for
    people."""

    command: int
    action: str
    outcome: str
    words: str
    transaction: int | None


@record
class FileReceived(Fact):
    """A charger sent a file for a command of ours: `kind` is diagnostics or log."""

    file: int
    command: int
    kind: str
    size_bytes: int


@record
class LocalListPaused(Fact):
    """A list was sent to a charger by hand (`command`, asked for by `by`), so its local list is no
    longer kept."""

    command: int
    by: ForOperators[str | None]


@record
class LocalListResumed(Fact):
    """An operator (`by`) had the local list of a charger kept again."""

    by: ForOperators[str]


@record
class LocalListFailing(Fact):
    """A charger failed twice to take its local list. It is tried again after pauses; `problem` is
    the last answer."""

    problem: str


# Decisions of operators, with their names (`by`) and reasons


@record
class TransactionConfirmed(Fact):
    """An operator confirmed the energy of an ended transaction, so it is certain. `reviews` are the
    codes of the doubts that this resolved."""

    transaction: int
    connector: int | None
    energy_wh: int
    reviews: tuple[str, ...]
    by: ForOperators[str]
    reason: ForOperators[str]


@record
class TransactionCorrected(Fact):
    """An operator set the energy of an ended transaction. `before_wh` is its energy as reported by
    facts until then."""

    transaction: int
    connector: int | None
    energy_wh: int
    before_wh: int
    reviews: tuple[str, ...]
    by: ForOperators[str]
    reason: ForOperators[str]


@record
class ReviewDismissed(Fact):
    """An operator dismissed a doubt about a transaction; its figure did not change."""

    transaction: int
    connector: int | None
    review: int
    code: str
    by: ForOperators[str]
    reason: ForOperators[str]


@record
class MessageAttached(Fact):
    """An operator linked a message that was set aside to a transaction, perhaps one that was made
    for it."""

    set_aside: int
    action: str
    transaction: int
    by: ForOperators[str]
    reason: ForOperators[str]


@record
class MessageDismissed(Fact):
    """An operator looked at a message that was set aside; it affects no bill."""

    set_aside: int
    action: str
    by: ForOperators[str]
    reason: ForOperators[str]


# Statuses; connector 0 is the charger


@record
class StatusChanged(Fact):
    """The status of a connector changed (connector 0 is the charger itself)."""

    connector: int
    status: str
    error_code: str


@record
class AvailabilityDiffers(Fact):
    """A connector reports a status against what it was told to be: `wanted` is Operative or
    Inoperative."""

    connector: int
    wanted: str
    status: str


@record
class ErrorOpened(Fact):
    """A charger reported an errorCode other than NoError. It is a warning if the status is not
    Faulted."""

    connector: int
    error_code: str
    vendor_error_code: str | None
    is_warning: bool


@record
class ErrorsResolved(Fact):
    """A charger reported NoError for a connector with open errors."""

    connector: int
    count: int


# Webhooks


@record
class WebhookGivenUp(Fact):
    """Facts of a charger were never delivered to a webhook, because its receiver failed for three
    days.

    `first` and `last` are the ids of the first and last of these `facts`; `charger` is None for
    facts of no charger.
    """

    webhook: str
    first: int
    last: int
    facts: int
    problem: str


# Messages to people


@record
class MqttReplayed(Fact):
    """The broker of MQTT gets the facts since a time again, their number is `facts`, because `by`
    asked for it."""

    since: str
    facts: int
    by: ForOperators[str]


@record
class MqttFactRefused(Fact):
    """The broker of MQTT does not take the fact with the id `fact`, of this kind, and was told so
    in its place."""

    fact: int
    kind: str
    problem: str


@record
class CauseBegan(Fact):
    """Something began that an owner wants to know: `kind` is fault, away, doubt, backup, disk,
    exceeded, meter, certificate or command. Chargers that went away together have one cause;
    `charger` is the only one.
    """

    cause: int
    kind: str
    chargers: tuple[str, ...]


@record
class CauseEnded(Fact):
    """What an owner wanted to know is over."""

    cause: int
    kind: str
    chargers: tuple[str, ...]


TRANSACTION_FACTS: Final = (
    *(
        TransactionStarted,
        TransactionStopped,
        TransactionClosed,
        TransactionRejudged,
        StopConflicted,
    ),
    *(EnergyUnbilled, MessageSetAside, IdentityShared, FactsCounted),
)
"""Facts without a daily ceiling; the last two are rare by themselves. All others have a ceiling for
each charger."""
OWN_FACTS: Final = (
    *(CallAnswered, CallFailed, OutcomeKnown),
    *(
        CertificateIssued,
        CertificateDelivered,
        CertificateRevoked,
        SecuringBegan,
        SecuringStopped,
        SecuringEnded,
    ),
    *(
        TransactionConfirmed,
        TransactionCorrected,
        ReviewDismissed,
        MessageAttached,
        MessageDismissed,
    ),
    *(
        PasswordChanged,
        ProfileChanged,
        ChargerReadmitted,
        ReadmissionUsed,
        CertificateIssued,
        CertificateRevoked,
    ),
    *(
        ChargerAdopted,
        ChargerRefused,
        TransactionGiven,
        CertificateNameAllowed,
        CauseBegan,
        CauseEnded,
    ),
    BoostStarted,
)
"""Facts about what operators, plugins and the server asked for or decided. No charger repeats them
without end."""
PRESENT_FACTS: Final = (ChargerConnected, ChargerDisconnected, StatusChanged, MessagesRefused)
"""Facts by which observers follow the current state, or alert for as long as it lasts. They are
published even if only counted, not stored.
"""


# Observations: events about the server itself that plugins observe and that are not stored


@record
class Observation:
    """An event that is not stored."""

    charger: str | None


@record
class MessageHandled(Observation):
    """A CALL of a charger was answered after `seconds`. `code` is that of the CALLERROR, None for a
    CALLRESULT.

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
    """A CALL of ours ended after `seconds`: `state` is accepted, rejected, error, timed out or gone
    (as in `command`).

    `status` is the status in its response, if there is one; `late` is whether the response came
    after the time-out.
    """

    action: str
    state: str
    seconds: float
    status: str | None
    error_code: str | None
    late: bool


@record
class MalformedFrame(Observation):
    """A malformed frame, or a response that belongs to no CALL in flight; `kind` is one of a fixed
    set."""

    kind: str


@record
class HandshakeRefused(Observation):
    """A handshake was refused. The peer is not identified, so `charger` is None.

    `status` is the HTTP status, or the close code 1002 if the client did not offer ocpp1.6, or 0 if
    the TLS handshake failed. `kind` is the kind of the reason, one of a fixed set.
    """

    status: int
    reason: str
    kind: str = "malformed"


@record
class PasswordInDigits(Observation):
    """A charger presented the hexadecimal digits of its password instead of its bytes; it was let
    in."""


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
    """The progress of the audit to Fluentd; `lag` is the number of log ids that are not
    acknowledged yet."""

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
    """The outcome of an automatic start: started, rejected, timed out, not sent, given up,
    withdrawn, blocked or over.

    The log has the reason.
    """

    connector: int
    outcome: str


@record
class MessageTried(Observation):
    """A message to a person was tried: `channel` is mail or push, `outcome` sent, failed (it is
    tried again), refused (for good) or given up."""

    channel: str
    outcome: str


@record
class ReadingReceived(Observation):
    """A charger sent values of a connector: each as (measurand, phase, value, unit), as sent, but
    none that its meter signed."""

    connector: int
    transaction: int | None
    at: str
    values: tuple[tuple[str, str, str, str], ...]


Event = Fact | Observation
