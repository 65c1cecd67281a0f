"""Certificate requests as chargers make them, good and bad."""

from __future__ import annotations

import base64
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

BEGIN: Final = "-----BEGIN CERTIFICATE REQUEST-----"
END: Final = BEGIN.replace("BEGIN", "END")


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


def of_version(text: str, version: int, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    """The same request, signed with another version."""
    request = x509.load_pem_x509_csr(text.encode())
    before, content, after = request.public_bytes(Encoding.DER).partition(
        request.tbs_certrequest_bytes
    )
    assert before
    number = content.index(b"\2\1\0") + 2
    content = content[:number] + bytes([version]) + content[number + 1 :]
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(content, PKCS1v15(), hashes.SHA256())
    else:
        signature = key.sign(content, ec.ECDSA(hashes.SHA256()))
    algorithm = after[: 2 + after[1]]
    der = _part(0x30, content + algorithm + _part(3, b"\0" + signature))
    return f"{BEGIN}\n{base64.b64encode(der).decode()}\n{END}\n"


def _part(kind: int, content: bytes) -> bytes:
    size = len(content)
    long = size.to_bytes(1 + (size > 0xFF))
    return bytes([kind, *([0x80 + len(long)] if size > 0x7F else []), *long]) + content


def with_broken_signature(text: str) -> str:
    """The same request, whose signature is another one's."""
    der = bytearray(x509.load_pem_x509_csr(text.encode()).public_bytes(Encoding.DER))
    der[-1] ^= 1
    return x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM).decode()


def key_text(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
