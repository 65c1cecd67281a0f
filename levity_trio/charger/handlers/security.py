"""The four messages of the security whitepaper. Errors would only make them come back (A04), so none is sent."""

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
    """A04: keep a security event."""
    told = {"event_type": request.type, "timestamp": request.timestamp, "tech_info": request.tech_info}
    await exchange.tell(SecurityEventReported, **told)
    return call_result.SecurityEventNotification()


async def sign_certificate(exchange: Exchange, request: call.SignCertificate) -> call_result.SignCertificate:
    """A02: keep the request; there is no certificate authority to sign it."""
    await exchange.tell(CertificateRequested, csr=request.csr)
    return call_result.SignCertificate(status=REJECTED)


async def log_status_notification(
    exchange: Exchange, request: call.LogStatusNotification
) -> call_result.LogStatusNotification:
    """N01: keep how an upload of a log goes."""
    await exchange.tell(LogStatusChanged, status=request.status, request_id=request.request_id)
    return call_result.LogStatusNotification()


async def signed_firmware_status_notification(
    exchange: Exchange, request: call.SignedFirmwareStatusNotification
) -> call_result.SignedFirmwareStatusNotification:
    """L01: keep how a signed firmware update goes."""
    await exchange.tell(FirmwareStatusChanged, status=request.status, request_id=request.request_id)
    return call_result.SignedFirmwareStatusNotification()
