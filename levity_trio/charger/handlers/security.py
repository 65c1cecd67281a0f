"""The four messages of the security whitepaper. They get no CALLERROR, because it would only cause
retries (A04)."""

from __future__ import annotations

from levity_trio.authority import AuthorityProblem, NoRequest
from levity_trio.authority.apart import examine
from levity_trio.authority.folder import has_root
from levity_trio.charger.exchange import Exchange
from levity_trio.config import certificates_folder
from levity_trio.events import FirmwareStatusChanged, LogStatusChanged, SecurityEventReported
from levity_trio.log.output import get_logger
from levity_trio.store.writes.chargers import certificates
from levity_trio.wire.payloads import call, call_result

NO_AUTHORITY = "there is no certificate authority; create one with `levity-trio certificate init`"
log = get_logger("system")


async def security_event_notification(
    exchange: Exchange, request: call.SecurityEventNotification
) -> call_result.SecurityEventNotification:
    """A04: store a security event."""
    fields = {
        "event_type": request.type,
        "timestamp": request.timestamp,
        "tech_info": request.tech_info,
    }
    await exchange.record(SecurityEventReported, **fields)
    return call_result.SecurityEventNotification()


async def sign_certificate(
    exchange: Exchange, request: call.SignCertificate
) -> call_result.SignCertificate:
    """A02: decide on a request for a certificate. What is accepted is issued and sent later, by
    charger.signing."""
    folder, csr = certificates_folder(exchange.central.config.beside), _whole_csr(exchange, request)
    if not has_root(folder):
        return call_result.SignCertificate(
            await exchange.write(certificates.refuse, csr, NO_AUTHORITY)
        )
    try:
        organization, requested = await examine(exchange.central.config, csr)
    except NoRequest as problem:
        return call_result.SignCertificate(
            await exchange.write(certificates.refuse, csr, str(problem))
        )
    except AuthorityProblem as problem:
        log.error("the certificate authority cannot be used", reason=str(problem))
        return call_result.SignCertificate(
            await exchange.write(certificates.refuse, csr, str(problem))
        )
    return call_result.SignCertificate(
        await exchange.write(certificates.receive, csr, requested, organization)
    )


def _whole_csr(exchange: Exchange, request: call.SignCertificate) -> str:
    """Return the request as it was sent; that of the handler is cut at the length that OCPP
    allows."""
    payload = exchange.call.payload
    sent = payload.get("csr") if isinstance(payload, dict) else None
    return sent if isinstance(sent, str) else str(request.csr)


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
    await exchange.record(
        FirmwareStatusChanged, status=request.status, request_id=request.request_id
    )
    return call_result.SignedFirmwareStatusNotification()
