"""The four messages of the security whitepaper. They get no CALLERROR, because it would only cause retries (A04)."""

from __future__ import annotations

from levity_trio.charger.exchange import Exchange
from levity_trio.events import (
    CertificateRequested,
    FirmwareStatusChanged,
    LogStatusChanged,
    SecurityEventReported,
)
from levity_trio.wire.payloads import call, call_result

REJECTED = "Rejected"


async def security_event_notification(
    exchange: Exchange, request: call.SecurityEventNotification
) -> call_result.SecurityEventNotification:
    """A04: store a security event."""
    fields = {"event_type": request.type, "timestamp": request.timestamp, "tech_info": request.tech_info}
    await exchange.record(SecurityEventReported, **fields)
    return call_result.SecurityEventNotification()


async def sign_certificate(exchange: Exchange, request: call.SignCertificate) -> call_result.SignCertificate:
    """A02: store the request and reject it, because there is no certificate authority."""
    await exchange.record(CertificateRequested, csr=request.csr)
    return call_result.SignCertificate(status=REJECTED)


async def log_status_notification(
    exchange: Exchange, request: call.LogStatusNotification
) -> call_result.LogStatusNotification:
    """N01: store the status of a log upload."""
    await exchange.record(LogStatusChanged, status=request.status, request_id=request.request_id)
    return call_result.LogStatusNotification()


async def signed_firmware_status_notification(
    exchange: Exchange, request: call.SignedFirmwareStatusNotification
) -> call_result.SignedFirmwareStatusNotification:
    """L01: store the status of a signed firmware update."""
    await exchange.record(FirmwareStatusChanged, status=request.status, request_id=request.request_id)
    return call_result.SignedFirmwareStatusNotification()
