"""The certificates of a charger: its own key, the trusted roots, firmware signatures (security
whitepaper A02, M03 to M05, L01).

Import this module inside the functions that need it, never at module level: it alone loads
`cryptography`, which costs 17 MB and much of the start-up time, and 5,000 chargers without
certificates do not need it.

The charger's memory holds everything as plain text, so that readers do not need this module:

- `key`, `request` and `chain` (PEM, leaf first) of the certificate in use, absent before the first
  CertificateSigned;
- `next_key` and `next_request` between SignCertificate and CertificateSigned; the old certificate
  stays in use;
- `roots`: objects {certificateType, certificate, certificateHashData}, certificate in PEM.
"""

import base64
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

_NAMES = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
_UNREADABLE = (ValueError, UnsupportedAlgorithm)
_NOT_ITS_ISSUER = (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm)


class Certificates:
    """The certificates of one charger. `kept` is its memory of them, modified in place.

    `max_roots` is CertificateStoreMaxLength, the maximum number of roots of both types together.
    """

    def __init__(self, kept: dict[str, Any], max_roots: int) -> None:
        self._kept = kept
        self._roots: list[dict[str, Any]] = kept.setdefault("roots", [])
        self._max_roots = max_roots

    def request(self, serial_number: str, cpo_name: str) -> str:
        """Create a new key and return the CSR for SignCertificate, PEM (A02.FR.02, FR.03, FR.13,
        A00.FR.511).

        An empty `cpo_name` is left out. Raises ValueError if the serial number is empty or above 64
        characters.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, serial_number)]
        if cpo_name:
            subject.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, cpo_name))
        request = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(x509.Name(subject))
            .sign(key, hashes.SHA256())
        )
        text = request.public_bytes(serialization.Encoding.PEM).decode()
        plain = serialization.NoEncryption()
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain
        )
        self._kept.update(next_key=pem.decode(), next_request=text)
        return text

    def signed(self, chain: str, now: datetime) -> str:
        """CertificateSigned: "Accepted" if its first certificate is for our key, else "Rejected"
        (A02.FR.06, FR.07).

        The certificate must have the requested subject and must not have expired. One that is not
        valid yet is kept for later (A02.FR.08). A rejected certificate is discarded.
        """
        try:
            leaf, *_ = x509.load_pem_x509_certificates(chain.encode())
            renewed = self._has_asked_for(leaf, "next_")
            fits = renewed or self._has_asked_for(leaf, "")
        except _UNREADABLE:
            return "Rejected"
        if not fits or leaf.not_valid_after_utc < now:
            return "Rejected"
        if renewed:
            self._kept.update(
                key=self._kept.pop("next_key"), request=self._kept.pop("next_request")
            )
        self._kept["chain"] = chain
        return "Accepted"

    def install(self, certificate_type: str, certificate: str) -> str:
        """InstallCertificate: "Accepted", or "Rejected" if it is no root or the store is full
        (M05.FR.03, FR.06).

        A root is self-signed or signed by an installed root (M05.FR.09). Installing one again takes
        no second place.
        """
        try:
            root = x509.load_pem_x509_certificate(certificate.encode())
            installed = [
                x509.load_pem_x509_certificate(one["certificate"].encode()) for one in self._roots
            ]
        except _UNREADABLE:
            return "Rejected"
        issuer = next((issuer for issuer in (root, *installed) if _has_issued(issuer, root)), None)
        if issuer is None:
            return "Rejected"
        identity = {
            "certificateType": certificate_type,
            "certificateHashData": _hash_data(root, issuer),
        }
        if any(identity.items() <= kept.items() for kept in self._roots):
            return "Accepted"
        if len(self._roots) >= self._max_roots:
            return "Rejected"
        self._roots.append({**identity, "certificate": certificate})
        return "Accepted"

    def installed(self, certificate_type: str) -> list[dict[str, str]]:
        """GetInstalledCertificateIds: the certificateHashData of each; if empty, the response is
        NotFound (M03)."""
        return [
            one["certificateHashData"]
            for one in self._roots
            if one["certificateType"] == certificate_type
        ]

    def delete(self, hash_data: dict[str, str]) -> str:
        """DeleteCertificate: "Accepted" or "NotFound" (M04).

        Only roots have hash data here, so the charger's own certificate cannot be deleted
        (M04.FR.05). The central system must use the hash algorithm that the charger reported
        (M04.FR.07); with another one nothing is found.
        """
        staying = [
            one for one in self._roots if _plain(one["certificateHashData"]) != _plain(hash_data)
        ]
        if len(staying) == len(self._roots):
            return "NotFound"
        self._roots[:] = staying
        return "Accepted"

    def _has_asked_for(self, leaf: x509.Certificate, which: str) -> bool:
        """Return whether a certificate has the key, CN and O of the request."""
        text = self._kept.get(f"{which}request")
        if text is None:
            return False
        request = x509.load_pem_x509_csr(text.encode())
        is_named = all(
            _values(leaf.subject, oid) == _values(request.subject, oid) for oid in _NAMES
        )
        return is_named and leaf.public_key() == request.public_key()


def is_signed_by(certificate: str, signature: str, content: bytes) -> bool:
    """Return whether a firmware was signed with the key of this certificate (L01.FR.04). PEM; the
    signature in base64.

    The algorithm is RSA-PSS or ECDSA over SHA-256. No maintained library has the whitepaper's
    ECSchnorr, which OCPP 2.0.1 replaced with ECDSA.
    """
    try:
        key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
        if isinstance(key, rsa.RSAPublicKey):
            salted = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
            key.verify(base64.b64decode(signature), content, salted, hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(base64.b64decode(signature), content, ec.ECDSA(hashes.SHA256()))
        else:
            return False
    except (*_UNREADABLE, InvalidSignature):
        return False
    return True


def _values(name: x509.Name, oid: x509.ObjectIdentifier) -> list[str | bytes]:
    return [attribute.value for attribute in name.get_attributes_for_oid(oid)]


def _has_issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except _NOT_ITS_ISSUER:
        return False
    return True


def _hash_data(certificate: x509.Certificate, issuer: x509.Certificate) -> dict[str, str]:
    """CertificateHashDataType: the OCSP identifier of a certificate (RFC 6960 §4.1.1), in
    hexadecimal.

    A serial number has up to 20 bytes; only hexadecimal fits into the whitepaper's 40 characters.
    """
    known_by = (
        ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA256()).build()
    )
    return {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": known_by.issuer_name_hash.hex(),
        "issuerKeyHash": known_by.issuer_key_hash.hex(),
        "serialNumber": f"{certificate.serial_number:x}",
    }


def _plain(hash_data: dict[str, str]) -> dict[str, str]:
    """Return the hash data without the case of digits and the leading zeros of the serial
    number."""
    lowered = {name: text.lower() for name, text in hash_data.items()}
    return {**lowered, "serialNumber": lowered["serialNumber"].lstrip("0")}
