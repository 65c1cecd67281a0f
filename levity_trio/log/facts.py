"""Facts as lines of the log, each at the level that matters to an owner.

WARNING concerns money or needs a person, ERROR means that something is broken, and all other facts
are INFO. The fact's own time is omitted, because the line has one, and so is the reason of a
decision: nobody deletes names in log lines.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from levity_trio import events
from levity_trio.events import Fact
from levity_trio.log.output import get_logger

SHOWN_CHARACTERS: Final = 200
"""Maximum length of a logged text; a charger may send one as long as a frame."""
UNBILLED_WH: Final = 100
"""A charger's own consumption between two transactions stays below this."""
FAILURES: Final = frozenset(
    {
        "BadMessage",
        "DownloadFailed",
        "InstallationFailed",
        "InstallVerificationFailed",
        "InvalidSignature",
        "NotSupportedOperation",
        "PermissionDenied",
        "UploadFailed",
        "UploadFailure",
    }
)
"""The statuses of a failed firmware update, diagnostics upload or log upload."""

Check = Callable[[Any], object]


def _always(_fact: Fact) -> bool:
    return True


def _is_doubtful(fact: Any) -> bool:
    return bool(fact.review)


def _has_failed(fact: Any) -> bool:
    return fact.status in FAILURES


BROKEN: Final[Mapping[type[Fact], Check]] = {
    events.StatusChanged: lambda fact: fact.status == "Faulted",
}
NEEDS_A_PERSON: Final[Mapping[type[Fact], Check]] = {
    events.ServerStarted: lambda fact: not fact.clean,
    events.ServerLost: _always,
    events.IdentityShared: _always,
    events.AvailabilityDiffers: _always,
    events.ErrorOpened: _always,
    events.TransactionStopped: _is_doubtful,
    events.TransactionClosed: _is_doubtful,
    events.TransactionRejudged: lambda fact: fact.review or fact.energy_wh != fact.before_wh,
    events.StopConflicted: _always,
    events.EnergyUnbilled: lambda fact: fact.energy_wh - fact.before_wh >= UNBILLED_WH,
    events.EnergyJumped: _always,
    events.ChargerOdd: _always,
    events.MessageSetAside: _always,
    events.StartRefused: _always,
    events.DiagnosticsStatusChanged: _has_failed,
    events.FirmwareStatusChanged: _has_failed,
    events.LogStatusChanged: _has_failed,
    events.SecurityEventReported: lambda fact: fact.event_type not in events.ROUTINE_EVENTS,
    events.CertificateRefused: _always,
    events.CertificateDelivered: lambda fact: fact.result != "installed",
    events.CertificateRevoked: _always,
    events.CertificateNameAllowed: _always,
    events.SecuringStopped: _always,
    events.CallFailed: _always,
    events.FactsCounted: lambda fact: fact.kind != "ChargerConnected",
    events.MessagesRefused: _always,
    events.WebhookGivenUp: _always,
    events.MqttFactRefused: _always,
    events.ProfileChanged: lambda fact: fact.profile < fact.before,
    events.ChargerReadmitted: _always,
    events.ReadmissionUsed: _always,
    events.LocalListFailing: _always,
    events.LocalListPaused: _always,
    events.NewcomerWaiting: _always,
    events.LoadExceeded: _always,
    events.MeterSilent: _always,
    events.PricesMissing: _always,
    events.LimitIgnored: _always,
}
ABOUT_CONNECTIONS: Final = (
    events.ChargerConnected,
    events.ChargerDisconnected,
    events.IdentityShared,
)

_system_log, _connections_log = get_logger("system"), get_logger("ws")


def log_fact(fact: Fact) -> None:
    """Log a fact that was committed."""
    log = _connections_log if isinstance(fact, ABOUT_CONNECTIONS) else _system_log
    level = level_of(fact)
    if log.is_enabled_for(level) and not getattr(fact, "is_usual", False):
        values = {name: _shortened(value) for name, value in asdict(fact).items() if name != "at"}
        if "by" in values:
            values.pop("reason", None)
        emit = {logging.ERROR: log.error, logging.WARNING: log.warning}.get(level, log.info)
        emit(type(fact).__name__, cp=values.pop("charger"), **values)


def level_of(fact: Fact) -> int:
    """Return INFO, WARNING or ERROR of the standard library's logging."""
    for level, checks in ((logging.ERROR, BROKEN), (logging.WARNING, NEEDS_A_PERSON)):
        check = checks.get(type(fact))
        if check is not None and check(fact):
            return level
    return logging.INFO


def _shortened(value: object) -> object:
    if isinstance(value, str) and len(value) > SHOWN_CHARACTERS:
        return f"{value[:SHOWN_CHARACTERS]}…"
    return value
