"""Certificates and security events (security whitepaper A02, A04, M03 to M05).

`charger.certificates` is imported on first use, since its library costs megabytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from levity_trio.simulator.charger import notifications
from levity_trio.simulator.charger.state import State
from levity_trio.wire.payloads import call, call_result

if TYPE_CHECKING:
    from levity_trio.simulator.charger.certificates import Certificates


def certificates(charger: State) -> Certificates:
    from levity_trio.simulator.charger.certificates import Certificates  # noqa: PLC0415 - see above

    return Certificates(charger.memory.certificates, charger.configuration.integer("CertificateStoreMaxLength"))


def send_sign_certificate(charger: State, number: int | None, at: float) -> None:
    """A02: create a new key and request its certificate."""
    del number, at
    name = charger.spec.serial_number or charger.spec.id
    csr = certificates(charger).request(name, charger.configuration.text("CpoName"))
    charger.send_if_allowed(call.SignCertificate(csr=csr), is_asked_for=True)


def certificate_signed(charger: State, request: call.CertificateSigned, at: float) -> call_result.CertificateSigned:
    """A02.FR.06: take a certificate that matches our key, and report any other as a security event."""
    status = certificates(charger).signed(request.certificate_chain, charger.clock.read(at))
    if status != "Accepted":
        notifications.queue_security_event(charger, notifications.BAD_CERTIFICATE, at)
    return call_result.CertificateSigned(status=status)


def install_certificate(charger: State, request: call.InstallCertificate, at: float) -> call_result.InstallCertificate:
    """M05."""
    del at
    status = certificates(charger).install(request.certificate_type, request.certificate)
    return call_result.InstallCertificate(status=status)


def delete_certificate(charger: State, request: call.DeleteCertificate, at: float) -> call_result.DeleteCertificate:
    """M04."""
    del at
    return call_result.DeleteCertificate(status=certificates(charger).delete(request.certificate_hash_data))


def get_installed_certificate_ids(
    charger: State, request: call.GetInstalledCertificateIds, at: float
) -> call_result.GetInstalledCertificateIds:
    """M03."""
    del at
    found = certificates(charger).installed(request.certificate_type)
    status = "Accepted" if found else "NotFound"
    return call_result.GetInstalledCertificateIds(status=status, certificate_hash_data=found or None)
