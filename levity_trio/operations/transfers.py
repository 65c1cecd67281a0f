"""The rules by which transfers of files are followed: firmware, diagnostics, logs (§4.4, §4.5, A
L01, N01)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from levity_trio.operations.operation import (
    MAY_HAVE_ARRIVED,
    TRANSFER,
    OperationOutcome,
    OutcomeRule,
    OutcomeState,
    SentCommand,
    contradicted,
    fulfilled,
)
from levity_trio.operations.seen import Booted, FileCame, Seen, TransferStatus
from levity_trio.told import Told
from levity_trio.wire.times import parse_time
from levity_trio.wire.words import of_ocpp

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
