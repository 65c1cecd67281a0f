"""Facts in the log: WARNING if a person is needed, ERROR if something is broken; no line repeats a
value."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from structlog.typing import EventDict

from levity_trio import events
from levity_trio.events import Fact
from levity_trio.log.facts import SHOWN_CHARACTERS, UNBILLED_WH, log_fact

ORDINARY: dict[str, Any] = {
    "charger": "CP-1",
    "at": "2026-03-01T12:00:00.000Z",
    "clean": True,
    "review": None,
}
WORDS = {"status": "Available", "event_type": "StartupOfTheDevice", "result": "installed"}
ALWAYS_WARN = {
    "ServerLost",
    "ChargerReadmitted",
    "ReadmissionUsed",
    "IdentityShared",
    "AvailabilityDiffers",
    "StartRefused",
    "WebhookGivenUp",
    "MqttFactRefused",
    "ErrorOpened",
    "StopConflicted",
    "EnergyJumped",
    "ChargerOdd",
    "MessageSetAside",
    "CertificateRefused",
    "CertificateRevoked",
    "CertificateNameAllowed",
    "SecuringStopped",
    "CallFailed",
    "FactsCounted",
    "MessagesRefused",
    "NewcomerWaiting",
    "LocalListFailing",
    "LocalListPaused",
    "LoadExceeded",
    "MeterSilent",
    "PricesMissing",
    "LimitIgnored",
}
FACTS = [
    kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, Fact) and kind != Fact
]


def made(kind: type[Fact], **values: object) -> Fact:
    """A fact of ordinary operation, with these values changed."""
    told: dict[str, Any] = {field.name: 1 for field in fields(kind)}
    told |= {name: value for name, value in (ORDINARY | WORDS).items() if name in told}
    told |= {"is_usual": False} if "is_usual" in told else {}
    return kind(**(told | values))


def level(fact: Fact, log_lines: list[EventDict]) -> str:
    log_lines.clear()
    log_fact(fact)
    (line,) = log_lines
    return str(line["log_level"])


@pytest.mark.parametrize("kind", FACTS, ids=lambda kind: kind.__name__)
def test_an_ordinary_fact_is_one_line(kind: type[Fact], log_lines: list[EventDict]) -> None:
    assert level(made(kind), log_lines) == ("warning" if kind.__name__ in ALWAYS_WARN else "info")
    (line,) = log_lines
    assert (line["event"], line["cp"]) == (kind.__name__, "CP-1")
    assert not {"charger", "at"} & line.keys()


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (made(events.StatusChanged, status="Faulted"), "error"),
        (made(events.ServerStarted, clean=False), "warning"),
        (made(events.TransactionStopped, review="its start is garbled"), "warning"),
        (made(events.TransactionClosed, review="no stop came"), "warning"),
        (made(events.TransactionRejudged, review="overlap"), "warning"),
        (made(events.TransactionRejudged, energy_wh=900, before_wh=1000), "warning"),
        (made(events.EnergyUnbilled, energy_wh=UNBILLED_WH + 1), "warning"),
        (made(events.EnergyUnbilled, energy_wh=0, before_wh=5000), "info"),
        (made(events.FirmwareStatusChanged, status="InstallationFailed"), "warning"),
        (made(events.DiagnosticsStatusChanged, status="UploadFailed"), "warning"),
        (made(events.LogStatusChanged, status="PermissionDenied"), "warning"),
        (made(events.CertificateDelivered, result="refused"), "warning"),
        (made(events.SecurityEventReported, event_type="TamperDetectionActivated"), "warning"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_needs_a_person_stands_out(
    fact: Fact, expected: str, log_lines: list[EventDict]
) -> None:
    assert level(fact, log_lines) == expected
    log_lines.clear()  # an error among them is expected


def test_a_long_text_is_cut(log_lines: list[EventDict]) -> None:
    log_fact(made(events.DataTransferred, data="x" * 5000))
    assert log_lines[0]["data"] == "x" * SHOWN_CHARACTERS + "…"


def test_connections_are_lines_of_their_type(log_lines: list[EventDict]) -> None:
    log_fact(made(events.ChargerConnected))
    log_fact(made(events.StatusChanged))
    log_fact(made(events.ChargerConnected, is_usual=True))
    assert [line["type"] for line in log_lines] == ["ws", "system"]
