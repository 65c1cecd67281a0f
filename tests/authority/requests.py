"""Certificate requests as chargers make them, good and bad."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def csr(
    name: str | None, organization: str | None, key: Key | None = None, padding: int = 0
) -> str:
    """A request in PEM; `padding` adds so many characters to its subject."""
    key = key or ec_key()
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else []
    subject += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    for begin in range(0, padding, 60):
        subject.append(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{begin:060}"))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    signed = builder.sign(
        key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    )
    return signed.public_bytes(Encoding.PEM).decode()


def with_broken_signature(text: str) -> str:
    """The same request, whose signature is another one's."""
    der = bytearray(x509.load_pem_x509_csr(text.encode()).public_bytes(Encoding.DER))
    der[-1] ^= 1
    return x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM).decode()


def key_text(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
