"""The rules by which outcomes are followed, one for each kind of operation: what a charger does
afterwards shows whether it obeyed, not its answer.

The rules by which transfers of files are followed: firmware, diagnostics, logs (§4.4, §4.5, A
L01, N01).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from levity_trio.operations import limits
from levity_trio.operations.answers import succeeded
from levity_trio.operations.operation import (
    MAY_HAVE_ARRIVED,
    TRANSFER,
    USUAL,
    OperationOutcome,
    OutcomeRule,
    OutcomeState,
    SentCommand,
    contradicted,
    fulfilled,
)
from levity_trio.operations.seen import (
    Booted,
    FileCame,
    ListVersion,
    MessageSeen,
    ReadingSeen,
    Seen,
    StatusSeen,
    TransactionBegan,
    TransactionEnded,
    TransferStatus,
)
from levity_trio.told import Told
from levity_trio.wire.charging_profiles import PHASES
from levity_trio.wire.times import parse_time
from levity_trio.wire.words import of_ocpp

REBOOT: Final = timedelta(minutes=10)
SCHEDULED: Final = timedelta(days=7)
"""How long a change of availability may wait for the end of a transaction."""
STILL_CHARGING_AMPERES: Final = 1.0
RAMP: Final = timedelta(seconds=30)
"""How long a car may draw current after its charger agreed to stop."""
TOLERANCE: Final = 1.10


def _is_agreed(sent: SentCommand) -> bool:
    return sent.answer is not None and succeeded(sent.action, sent.answer)


# Remote start and stop


def _until_connected(sent: SentCommand) -> datetime:
    return sent.since + (sent.connection_timeout or USUAL)


def _started(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> OperationOutcome | None:  # noqa: ARG001 - a Judge
    tag = str(sent.payload["idTag"]).casefold()
    connector = sent.payload.get("connectorId")
    for fact in facts:
        if not isinstance(fact, TransactionBegan) or fact.is_old:
            continue
        is_of_tag = (fact.id_tag or "").casefold() == tag
        if not is_of_tag or connector not in (None, fact.connector):
            continue
        words = Told("session {1} began", fact.transaction)
        if fact.connector is not None:
            words = Told("session {1} began on connector {2}", fact.transaction, fact.connector)
        return fulfilled(words, fact.at, fact.transaction)
    return None


def _stopped(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> OperationOutcome | None:
    transaction = sent.payload["transactionId"]
    late: list[ReadingSeen] = []
    for fact in facts:
        if isinstance(fact, TransactionEnded) and fact.transaction == transaction:
            return fulfilled(Told("session {1} ended", transaction), fact.at, transaction)
        # A car may still draw current for a moment after its charger agreed to stop.
        if not isinstance(fact, ReadingSeen) or fact.transaction != transaction:
            continue
        if fact.at >= sent.since + RAMP:
            late.append(fact)
    if not is_over or not late:
        return None

    last = limits.together(late)[-1]
    amperes = limits.draw(last, "A")
    if amperes is None or amperes <= STILL_CHARGING_AMPERES:
        return None
    drawn = limits.shown(amperes, "A")
    words = Told("session {1} still draws {2}", transaction, drawn)
    return contradicted(words, last[0].at, transaction)


REMOTE_START: Final = OutcomeRule(
    words=(
        "the session that begins with its card (and connector, if named) within "
        "ConnectionTimeOut, else 120 s"
    ),
    judge=_started,
    reads=(TransactionBegan,),
    until=_until_connected,
)
REMOTE_STOP: Final = OutcomeRule(
    words=(
        "the session's StopTransaction within 120 s; contradicted if it still draws more than 1 A"
    ),
    judge=_stopped,
    reads=(TransactionEnded, ReadingSeen),
)


# Boot


def _booted(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> OperationOutcome | None:  # noqa: ARG001 - a Judge
    for fact in facts:
        if isinstance(fact, Booted):
            return fulfilled(Told("the charger booted"), fact.at)
    return None


RESET: Final = OutcomeRule(
    words="the next BootNotification within 10 minutes",
    judge=_booted,
    reads=(Booted,),
    until=lambda sent: sent.since + REBOOT,
)


def _configured(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> OperationOutcome | None:
    if sent.status == "RebootRequired":
        # A boot before the answer did not put the value in force.
        later = [fact for fact in facts if fact.at >= sent.since]
        return _booted(sent, later, is_over)
    if not _is_agreed(sent):
        return None
    return fulfilled(Told("in force, by the charger's answer"), sent.answered_at)


CHANGE_CONFIGURATION: Final = OutcomeRule(
    words="the answer; after RebootRequired the next BootNotification, however late",
    judge=_configured,
    reads=(Booted,),
    until=lambda sent: None if sent.status == "RebootRequired" else sent.since + USUAL,
)


# Status


def _concerned(sent: SentCommand, facts: Sequence[Seen]) -> list[StatusSeen]:
    """Return the last statuses of the connector in question, as known at the sending or reported
    since. Connector 0 means all others, as far as they are known."""
    last: dict[int, StatusSeen] = {}
    for connector, status in sent.statuses.items():
        last[connector] = StatusSeen(sent.since, connector, status)
    for fact in facts:
        if isinstance(fact, StatusSeen):
            last[fact.connector] = fact

    number = sent.payload.get("connectorId", sent.connector)
    others = [status for connector, status in last.items() if connector > 0]
    if number == 0 and others:
        return others
    return [last[number]] if number in last else []


def _changed(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> OperationOutcome | None:
    wants_out = sent.payload["type"] == "Inoperative"
    statuses = _concerned(sent, facts)
    against = [status for status in statuses if (status.status == "Unavailable") != wants_out]
    # What was known at the sending shows nothing, unless the charger agreed.
    is_reported = any(status in facts for status in statuses)
    if statuses and not against and (_is_agreed(sent) or is_reported):
        words = Told("the charger reports {1}", of_ocpp(statuses[0].status))
        return fulfilled(words, max(status.at for status in statuses))

    reported = [status for status in against if status in facts]
    if not is_over or not reported:
        return None
    first = reported[0]
    words = Told("connector {1} reports {2}", first.connector, of_ocpp(first.status))
    return contradicted(words, first.at)


CHANGE_AVAILABILITY: Final = OutcomeRule(
    words=(
        "status Unavailable, or another than that, on the connectors: within 120 s, if Scheduled "
        "within 7 days"
    ),
    judge=_changed,
    reads=(StatusSeen,),
    until=lambda sent: sent.since + (SCHEDULED if sent.status == "Scheduled" else USUAL),
)


def _unlocked(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> OperationOutcome | None:  # noqa: ARG001 - a Judge
    if sent.status == "Unlocked":
        return fulfilled(Told("unlocked, by the charger's answer"), sent.answered_at)
    wanted = sent.payload["connectorId"]
    for fact in facts:
        if isinstance(fact, StatusSeen) and (fact.connector, fact.status) == (wanted, "Available"):
            return fulfilled(Told("the connector reports Available"), fact.at)
    return None


UNLOCK: Final = OutcomeRule(
    words="the answer Unlocked; without an answer the connector's status Available within 120 s",
    judge=_unlocked,
    reads=(StatusSeen,),
)


def _reserved(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> OperationOutcome | None:  # noqa: ARG001 - a Judge
    wanted = sent.payload["connectorId"]
    for fact in facts:
        if not isinstance(fact, StatusSeen) or fact.status != "Reserved":
            continue
        if wanted in (0, fact.connector):
            return fulfilled(Told("connector {1} reports Reserved", fact.connector), fact.at)
    return None


RESERVE: Final = OutcomeRule(
    words="status Reserved of the connector within 120 s", judge=_reserved, reads=(StatusSeen,)
)


def _unreserved(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> OperationOutcome | None:
    statuses = _concerned(sent, facts)
    reserved = [status for status in statuses if status.status == "Reserved"]
    if statuses and not reserved and (_is_agreed(sent) or statuses[0] in facts):
        return fulfilled(Told("no longer Reserved"), statuses[0].at)
    reported = [status for status in reserved if status in facts]
    if not is_over or not reported:
        return None
    return contradicted(Told("still Reserved"), reported[0].at)


CANCEL_RESERVATION: Final = OutcomeRule(
    words="another status than Reserved of its connector within 120 s",
    judge=_unreserved,
    reads=(StatusSeen,),
)


# Messages and lists

TRIGGERED: Final[Mapping[str, tuple[str, ...]]] = {
    "SignChargePointCertificate": ("SignCertificate",),
    # A signed status without a request (Idle) is stored like an unsigned one.
    "FirmwareStatusNotification": (
        "SignedFirmwareStatusNotification",
        "FirmwareStatusNotification",
    ),
}
"""The messages that follow an ExtendedTriggerMessage, where their names differ."""


def _triggered(
    names: Mapping[str, tuple[str, ...]],
) -> Callable[[SentCommand, Sequence[Seen], bool], OperationOutcome | None]:
    def judge(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> OperationOutcome | None:  # noqa: ARG001 - a Judge
        requested = sent.payload["requestedMessage"]
        connector = sent.payload.get("connectorId")
        actions = names.get(requested, (requested,))
        for fact in facts:
            if not isinstance(fact, MessageSeen) or fact.action not in actions:
                continue
            if connector is None or fact.connector in (None, connector):
                return fulfilled(Told("{1} arrived", fact.action), fact.at)
        return None

    return judge


TRIGGER: Final = OutcomeRule(
    words="the message that was asked for, of the connector if named, within 120 s",
    judge=_triggered({}),
    reads=(MessageSeen,),
)
EXTENDED_TRIGGER: Final = OutcomeRule(
    words="the same; SignCertificate, SignedFirmwareStatusNotification for those",
    judge=_triggered(TRIGGERED),
    reads=(MessageSeen,),
)


def _listed(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> OperationOutcome | None:
    version = sent.payload["listVersion"]
    if _is_agreed(sent):
        words = Told("list version {1}, by the charger's answer", version)
        return fulfilled(words, sent.answered_at)
    versions = [fact for fact in facts if isinstance(fact, ListVersion)]
    for fact in versions:
        if fact.version == version:
            return fulfilled(Told("the charger has list version {1}", version), fact.at)
    if not is_over or not versions:
        return None
    last = versions[-1]
    return contradicted(Told("the charger has list version {1}", last.version), last.at)


SEND_LOCAL_LIST: Final = OutcomeRule(
    words="the answer; without one the version that the charger next reports, within 24 hours",
    judge=_listed,
    reads=(ListVersion,),
    until=lambda sent: sent.since + TRANSFER,
)


# Charging profiles


def _obeyed(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> OperationOutcome | None:
    """Compare readings with the limit in force at their time, until one obeys it."""
    profile, connector = sent.payload["csChargingProfiles"], sent.payload["connectorId"]
    unit = profile["chargingSchedule"]["chargingRateUnit"]
    readings = [fact for fact in facts if isinstance(fact, ReadingSeen)]
    groups = limits.together(reading for reading in readings if connector in (0, reading.connector))
    views = [[group] for group in groups]
    if connector == 0:
        # A limit of the charger is compared at the end, with the last reading of each connector.
        last = {group[0].connector: group for group in groups}
        in_order = sorted(last.values(), key=lambda group: group[0].at)
        views = [in_order] if in_order and is_over else []

    above: OperationOutcome | None = None
    for view in views:
        compared = _compare(profile, view, sent.transaction_began_at)
        if compared is None:
            continue
        drawn, limit = compared
        figures = limits.shown(drawn, unit), limits.shown(limit, unit)
        at = view[-1][0].at
        if drawn <= limit * TOLERANCE:
            return fulfilled(Told("obeyed: {1}, the limit is {2}", *figures), at)
        above = contradicted(Told("not obeyed: {1}, the limit is {2}", *figures), at)
    return above if is_over else None


def _compare(
    profile: Mapping[str, Any], view: Sequence[Sequence[ReadingSeen]], began_at: datetime | None
) -> tuple[float, float] | None:
    """Return what is drawn and the limit, None where one of them is unknown."""
    period = limits.period_at(profile, view[-1][0].at, began_at)
    if period is None:
        return None
    unit = profile["chargingSchedule"]["chargingRateUnit"]
    phases = period.get("numberPhases", PHASES)
    draws: list[float] = []
    for group in view:
        drawn = limits.draw(group, unit, phases)
        if drawn is not None:
            draws.append(drawn)
    if not draws:
        return None
    # A ChargePointMaxProfile limits the sum of the connectors, any other each of them.
    is_of_sum = profile["chargingProfilePurpose"] == "ChargePointMaxProfile"
    return sum(draws) if is_of_sum else max(draws), period["limit"]


SET_CHARGING_PROFILE: Final = OutcomeRule(
    words="current or power at most the limit + 10 % within 120 s: obeyed, not obeyed, not seen",
    judge=_obeyed,
    reads=(ReadingSeen,),
)


UPLOADED: Final = "Uploaded"
INSTALLED: Final = "Installed"
RETRIED: Final = frozenset({"DownloadFailed", "UploadFailed", "UploadFailure"})
"""Failures after which a charger may try again, as often as `retries` says."""
FAILED: Final = RETRIED | {
    "InstallationFailed",
    "InstallVerificationFailed",
    "InvalidSignature",
    "BadMessage",
    "PermissionDenied",
    "NotSupportedOperation",
}
SIGNED: Final = "SignedUpdateFirmware"
FIRMWARE_AT: Final[Mapping[str, tuple[str, ...]]] = {
    "UpdateFirmware": ("location",),
    SIGNED: ("firmware", "location"),
}
"""Where an operation names the firmware; it may be that of a file of ours."""
KIND_OF: Final[Mapping[str, str]] = {"GetDiagnostics": "diagnostics", "GetLog": "log"}
"""What an operation makes the charger send."""
TRANSFERS: Final = (*FIRMWARE_AT, *KIND_OF)


def is_url_valid(
    state: str, outcome: str | None, since: datetime, wanted_at: datetime | None, now: datetime
) -> bool:
    """Whether the URL that a command gave to its charger may be used: until its outcome, and for a
    day at most.

    `since` is the time of sending, or of asking while the command is queued; `wanted_at` when the
    charger is to use it.
    """
    may_be_obeyed = state == "queued" or state in MAY_HAVE_ARRIVED
    until = max(since, wanted_at or since) + TRANSFER
    return may_be_obeyed and outcome in (None, OutcomeState.PENDING) and now < until


def wanted_at(payload: Mapping[str, Any]) -> datetime | None:
    """Return when the charger is to fetch its firmware; None: at once."""
    values: dict[str, Any] = {**payload, **payload.get("firmware", {})}
    for name in ("retrieveDate", "retrieveDateTime"):
        if name in values:
            return parse_time(values[name])
    return None


def _statuses(sent: SentCommand, facts: Sequence[Seen], message: str) -> list[TransferStatus]:
    """Return the statuses that belong to this command alone.

    They have its request id. One without an id belongs to the newest command of its action before
    it; none of a signed update is without.
    """
    number = sent.payload.get("requestId")
    replaced_at = sent.later.get(sent.action)
    statuses: list[TransferStatus] = []
    for fact in facts:
        if not isinstance(fact, TransferStatus) or fact.message != message:
            continue
        if fact.request_id is not None:
            is_own = fact.request_id == number
        else:
            is_newest = replaced_at is None or fact.at < replaced_at
            is_own = is_newest and sent.action != SIGNED
        if is_own:
            statuses.append(fact)
    return sorted(statuses, key=lambda status: (status.at, status.request_id is None))


def _failure(
    sent: SentCommand, statuses: Sequence[TransferStatus], is_over: bool
) -> OperationOutcome | None:
    """Return the contradiction by a failure that no further try can follow."""
    failures = [status for status in statuses if status.status in FAILED]
    if not failures or failures[-1] is not statuses[-1]:
        return None
    last = failures[-1]
    has_tries_left = sent.payload.get("retries", 0) >= len(failures)
    if has_tries_left and last.status in RETRIED and not is_over:
        return None
    return contradicted(Told("the charger reports {1}", of_ocpp(last.status)), last.at)


def _uploaded(
    message: str,
) -> Callable[[SentCommand, Sequence[Seen], bool], OperationOutcome | None]:
    def judge(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> OperationOutcome | None:
        statuses = _statuses(sent, facts, message)
        done = _first(statuses, UPLOADED)
        came = next((fact for fact in facts if isinstance(fact, FileCame)), None)
        # A file may come before the charger says so.
        if came is not None and (done or is_over):
            words = Told("file {1} came, {2} bytes", came.number, came.size_bytes)
            return fulfilled(words, came.at)
        if done and not sent.expects_file:
            return fulfilled("uploaded", done.at)
        if done and is_over:
            return contradicted(Told("Uploaded was reported, but no file came"), done.at)
        return _failure(sent, statuses, is_over)

    return judge


def _first(statuses: Sequence[TransferStatus], status: str) -> TransferStatus | None:
    return next((sent for sent in statuses if sent.status == status), None)


def _updated(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> OperationOutcome | None:
    statuses = _statuses(sent, facts, "Firmware")
    installed = _first(statuses, INSTALLED)
    # What it boots after the next update was sent may be of that one.
    replaced = [at for action, at in sent.later.items() if action in FIRMWARE_AT]
    replaced_at = min(replaced, default=None)
    for fact in facts:
        if not isinstance(fact, Booted) or (replaced_at is not None and fact.at >= replaced_at):
            continue
        is_after = installed is not None and fact.at >= installed.at
        # If the firmware before is unknown, a boot after Installed has to do.
        is_new = fact.firmware != sent.firmware if sent.firmware else is_after
        if is_new and fact.firmware is not None:
            return fulfilled(Told("booted with firmware {1}", fact.firmware or "?"), fact.at)
        if is_after:
            words = Told(
                "Installed was reported, but it booted with firmware {1}", fact.firmware or "?"
            )
            return contradicted(words, fact.at)
    if installed is not None and is_over:
        words = Told("Installed was reported, but no boot with another firmware")
        return OperationOutcome(OutcomeState.NOT_SEEN, words, installed.at)
    return _failure(sent, statuses, is_over)


def _until_installed(sent: SentCommand) -> datetime:
    """Wait a day from the last of the times that were asked for."""
    values: dict[str, Any] = {**sent.payload, **sent.payload.get("firmware", {})}
    times = [sent.since]
    for name in ("retrieveDate", "retrieveDateTime", "installDateTime"):
        time = parse_time(values[name]) if name in values else None
        if time is not None:
            times.append(time)
    return max(times) + TRANSFER


FIRMWARE: Final = OutcomeRule(
    words=(
        "its statuses up to Installed and the boot with another version, within 24 h of the time "
        "asked for"
    ),
    judge=_updated,
    reads=(TransferStatus, Booted),
    until=_until_installed,
)
DIAGNOSTICS: Final = OutcomeRule(
    words=(
        "DiagnosticsStatusNotification: Uploaded (and the file, if it is sent to us) or a "
        "failure, within 24 hours"
    ),
    judge=_uploaded("Diagnostics"),
    reads=(TransferStatus, FileCame),
    until=lambda sent: sent.since + TRANSFER,
)
LOG: Final = OutcomeRule(
    words=(
        "LogStatusNotification with its requestId: Uploaded (and the file) or a failure, within "
        "24 hours"
    ),
    judge=_uploaded("Log"),
    reads=(TransferStatus, FileCame),
    until=lambda sent: sent.since + TRANSFER,
)
