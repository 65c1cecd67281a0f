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
from levity_trio.store.writes.chargers import security
from levity_trio.wire.payloads import call, call_result

NO_AUTHORITY = "there is no certificate authority; create one with `levity-trio certificate init`"
log = get_logger("system")


async def security_event_notification(
    exchange: Exchange, request: call.SecurityEventNotification
) -> call_result.SecurityEventNotification:
    """A04: store a security event."""
    await exchange.record(
        SecurityEventReported,
        event_type=request.type,
        timestamp=request.timestamp,
        tech_info=request.tech_info,
    )
    return call_result.SecurityEventNotification()


async def sign_certificate(
    exchange: Exchange, request: call.SignCertificate
) -> call_result.SignCertificate:
    """A02: decide on a request for a certificate. What is accepted is issued and sent later, by
    charger.signing."""
    # The request that was read is cut at the length that OCPP allows.
    payload, csr = exchange.call.payload, str(request.csr)
    if isinstance(payload, dict) and isinstance(payload.get("csr"), str):
        csr = payload["csr"]

    refusal = NO_AUTHORITY
    if has_root(certificates_folder(exchange.central.config.beside)):
        try:
            organization, requested = await examine(exchange.central.config, csr)
        except NoRequest as problem:
            refusal = str(problem)
        except AuthorityProblem as problem:
            refusal = str(problem)
            log.error("the certificate authority cannot be used", reason=refusal)
        else:
            status = await exchange.write(security.receive_request, csr, requested, organization)
            return call_result.SignCertificate(status)
    return call_result.SignCertificate(await exchange.write(security.refuse_request, csr, refusal))


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
