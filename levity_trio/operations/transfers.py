"""The rules by which transfers of files are followed: firmware, diagnostics, logs (§4.4, §4.5, A
L01, N01)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from levity_trio.operations.outcomes import (
    MAY_HAVE_ARRIVED,
    TRANSFER,
    Outcome,
    OutcomeRule,
    SentCommand,
    State,
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
    *("InstallationFailed", "InstallVerificationFailed", "InvalidSignature"),
    *("BadMessage", "PermissionDenied", "NotSupportedOperation"),
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
    return (
        may_be_obeyed
        and outcome in (None, State.PENDING)
        and now < max(since, wanted_at or since) + TRANSFER
    )


def wanted_at(payload: Mapping[str, Any]) -> datetime | None:
    """Return when the charger is to fetch its firmware; None: at once."""
    given: dict[str, Any] = {**payload, **payload.get("firmware", {})}
    named = (given[name] for name in ("retrieveDate", "retrieveDateTime") if name in given)
    return next((parse_time(text) for text in named), None)


def _statuses(sent: SentCommand, facts: Sequence[Seen], message: str) -> list[TransferStatus]:
    """Return the statuses that belong to this command alone.

    They have its request id. One without an id belongs to the newest command of its action before
    it; none of a signed update is without.
    """
    number, replaced_at = sent.payload.get("requestId"), sent.later.get(sent.action)
    ours = [fact for fact in facts if isinstance(fact, TransferStatus) and fact.message == message]
    named = [fact for fact in ours if fact.request_id is not None and fact.request_id == number]
    if sent.action == SIGNED:
        return named
    unnamed = (fact for fact in ours if fact.request_id is None)
    newest = [fact for fact in unnamed if replaced_at is None or fact.at < replaced_at]
    return sorted([*named, *newest], key=lambda fact: fact.at)


def _failure(
    sent: SentCommand, statuses: Sequence[TransferStatus], is_over: bool
) -> Outcome | None:
    """Return the contradiction by a failure that no further try can follow."""
    failures = [one for one in statuses if one.status in FAILED]
    if not failures or failures[-1] is not statuses[-1]:
        return None
    tries_left = sent.payload.get("retries", 0) >= len(failures) and failures[-1].status in RETRIED
    if tries_left and not is_over:
        return None
    return contradicted(
        Told("the charger reports {1}", of_ocpp(failures[-1].status)), failures[-1].at
    )


def _uploaded(message: str) -> Callable[[SentCommand, Sequence[Seen], bool], Outcome | None]:
    def judge(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> Outcome | None:
        statuses = _statuses(sent, facts, message)
        done = next((one for one in statuses if one.status == UPLOADED), None)
        came = next((fact for fact in facts if isinstance(fact, FileCame)), None)
        if came and (done or is_over):
            return fulfilled(
                Told("file {1} came, {2} bytes", came.number, came.size_bytes), came.at
            )
        if done and not sent.expects_file:
            return fulfilled("uploaded", done.at)
        if done and is_over:
            return contradicted(Told("Uploaded was reported, but no file came"), done.at)
        return _failure(sent, statuses, is_over)

    return judge


def _updated(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> Outcome | None:
    statuses = _statuses(sent, facts, "Firmware")
    installed = next((one for one in statuses if one.status == INSTALLED), None)
    replaced_at = min(
        (at for action, at in sent.later.items() if action in FIRMWARE_AT), default=None
    )
    boots = (fact for fact in facts if isinstance(fact, Booted))
    for boot in (one for one in boots if replaced_at is None or one.at < replaced_at):
        if _is_new(boot, sent, installed):
            return fulfilled(Told("booted with firmware {1}", boot.firmware or "?"), boot.at)
        if installed and boot.at >= installed.at:
            return contradicted(
                Told(
                    "Installed was reported, but it booted with firmware {1}", boot.firmware or "?"
                ),
                boot.at,
            )
    if installed and is_over:
        return Outcome(
            State.NOT_SEEN,
            Told("Installed was reported, but no boot with another firmware"),
            installed.at,
        )
    return _failure(sent, statuses, is_over)


def _is_new(boot: Booted, sent: SentCommand, installed: TransferStatus | None) -> bool:
    """Whether a boot shows another firmware; if the one before is unknown, after Installed."""
    if boot.firmware is None:
        return False
    return (
        boot.firmware != sent.firmware
        if sent.firmware
        else installed is not None and boot.at >= installed.at
    )


def _until_installed(sent: SentCommand) -> datetime:
    """Wait a day from the last of the times that were asked for."""
    given: dict[str, Any] = {**sent.payload, **sent.payload.get("firmware", {})}
    names = ("retrieveDate", "retrieveDateTime", "installDateTime")
    times = [time for name in names if name in given and (time := parse_time(given[name]))]
    return max([sent.since, *times]) + TRANSFER


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
