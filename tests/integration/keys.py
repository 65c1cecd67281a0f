"""Real certificates for tests: an authority, and what it signs, as PEM files with the key in the
same file."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PEM = serialization.Encoding.PEM


@dataclass
class Authority:
    """A certificate authority with files in a folder."""

    folder: Path
    name: str = "root"

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(self.name, self.key, None, 3650, authority=True)
        self.path = self.folder / f"{self.name}.pem"
        self.path.write_bytes(self.certificate.public_bytes(PEM))

    def server(
        self,
        name: str = "localhost",
        *,
        is_rsa: bool = False,
        file: str = "server.pem",
        days: int = 30,
    ) -> Path:
        """Make a certificate of a server of this name, and of 127.0.0.1 where the name is
        localhost."""
        key: Key = (
            rsa.generate_private_key(65537, 2048)
            if is_rsa
            else ec.generate_private_key(ec.SECP256R1())
        )
        return self._write(file, self._sign(name, key, name, days), key)

    def client(self, charger: str, days: int = 30, file: str | None = None) -> Path:
        """Make a client certificate; `days` may be negative for one that has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._write(file or f"{charger}.pem", self._sign(charger, key, None, days), key)

    def _sign(
        self, name: str, key: Key, host: str | None, days: int, *, authority: bool = False
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = subject if authority else self.certificate.subject
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if host is not None:
            names: list[x509.GeneralName] = [x509.DNSName(host)]
            names += [x509.IPAddress(IPv4Address("127.0.0.1"))] if host == "localhost" else []
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def _write(self, file: str, certificate: x509.Certificate, key: Key) -> Path:
        path = self.folder / file
        plain = serialization.NoEncryption()
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain)
        path.write_bytes(private + certificate.public_bytes(PEM))
        return path

    def trusted(self, client: Path | None = None) -> ssl.SSLContext:
        """Return how a client that trusts this authority connects."""
        context = ssl.create_default_context(cafile=self.path)
        if client is not None:
            context.load_cert_chain(client)
        return context


def fingerprint(path: Path) -> str:
    """The SHA-256 of a certificate."""
    certificate = x509.load_pem_x509_certificate(
        path.read_bytes()[path.read_bytes().index(b"-----BEGIN CERT") :]
    )
    return sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()
