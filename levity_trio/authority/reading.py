"""Reads certificates and certificate requests, as leniently as chargers write them."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from levity_trio.access.certificates import LONGEST_CSR, Described, Requested, is_one_of
from levity_trio.authority import AuthorityProblem, NoRequest
from levity_trio.authority import folder as files
from levity_trio.authority.folder import PAGES, ROOT, SERVER
from levity_trio.listening.own_addresses import is_of_this_machine
from levity_trio.told import Told

UNREADABLE: Final = Exception
"""What `cryptography` raises for what others wrote: many of its errors have no class in common."""
_ARMOUR = re.compile(r"-----[A-Z ]+-----")
_BEFORE_VERSION = re.compile(
    rb"0(?:[^\x81\x82]|\x81.|\x82..)(0(?:[^\x81\x82]|\x81.|\x82..)\x02\x01)", re.DOTALL
)
"""The heads of a request, of the part that is signed, and of its version, in DER."""


def load_request(text: str) -> tuple[x509.CertificateSigningRequest, bytes]:
    """Return the request in a text: PEM, its line ends perhaps lost or escaped, or Base64 alone;
    and the part of it that is signed. Raises NoRequest.

    Some chargers write another version than the only one that there is, and sign that.
    """
    if len(text) > LONGEST_CSR:
        raise NoRequest(f"it has {len(text)} characters; at most {LONGEST_CSR} are read")
    encoded = "".join(_ARMOUR.sub("", text.replace("\\n", "\n").replace("\\r", "")).split())
    try:
        der = base64.b64decode(encoded, validate=True)
        begin, end = _BEFORE_VERSION.match(der).span(1)  # type: ignore[union-attr]  # its error is caught
        request = x509.load_der_x509_csr(der[:end] + b"\0" + der[end + 1 :])
        return request, der[begin : begin + len(request.tbs_certrequest_bytes)]
    except UNREADABLE as problem:
        raise NoRequest("it is no certificate request in PEM") from problem


def examine(
    folder: Path, csr: str, names: Sequence[str] = (), others: Sequence[Path] = ()
) -> tuple[str, Requested]:
    """Return the operator's name in the root, and what stands in a request. Raises
    AuthorityProblem, NoRequest.

    `names` are those by which the server is reached, `others` the files of its certificates of
    another authority.
    """
    requested, own = (
        read_request(csr),
        [*names, socket.gethostname(), f"{socket.gethostname()}.local", "localhost"],
    )
    for one in read_server_certificates(folder):
        own += one.names
    for path in others:
        with suppress(AuthorityProblem):
            own += described(load_certificate(path)).names
    found = requested.common_names
    is_servers = any(is_one_of(name, own) or is_of_this_machine(name) for name in found)
    return read_root(folder)[0], replace(requested, is_servers=is_servers)


def read_root(folder: Path) -> tuple[str, Described]:
    """Return the operator's name, which chargers know as CpoName, and the root itself. Raises
    AuthorityProblem."""
    root = load_certificate(folder / ROOT)
    return organization_of(root), described(root)


def read_server_certificates(folder: Path) -> list[Described]:
    """Return the certificates of the server, if there are any. Raises AuthorityProblem."""
    paths = [folder / name for name in SERVER.values()]
    return [described(load_certificate(path)) for path in paths if path.exists()]


def read_own(folder: Path) -> tuple[str, Described, list[Described]]:
    """Return the operator's name, the root, and the server's certificates. Raises
    AuthorityProblem."""
    return (*read_root(folder), read_server_certificates(folder))


def read_pages(folder: Path) -> tuple[Described, Described]:
    """Return the root for pages, and the certificate of the site. Raises AuthorityProblem."""
    return described(load_certificate(folder / ROOT)), described(load_certificate(folder / PAGES))


def load_certificate(path: Path) -> x509.Certificate:
    """Return the first certificate of a file. Raises AuthorityProblem."""
    content = files.read(path)
    try:
        return x509.load_pem_x509_certificate(content)
    except UNREADABLE as problem:
        raise AuthorityProblem(
            f"{path} is no certificate in PEM; restore it from a copy"
        ) from problem


def organization_of(root: x509.Certificate) -> str:
    """Return the name of the operator in a root."""
    (organization,) = root.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(organization.value)


def read_request(text: str) -> Requested:
    """Return what stands in a certificate request. Raises NoRequest."""
    request, signed = load_request(text)
    try:
        key: Any = request.public_key()
        curve = getattr(key, "curve", None)
        return Requested(
            subject=request.subject.rfc4514_string(),
            common_names=_values(request.subject, NameOID.COMMON_NAME),
            organizations=_values(request.subject, NameOID.ORGANIZATION_NAME),
            key_type=type(key).__name__.removesuffix("PublicKey"),
            key_bits=getattr(key, "key_size", 0),
            curve=curve and curve.name,
            key_digest=hashlib.sha256(
                key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            ).hexdigest(),
            is_signed=_is_signed(request, signed),
        )
    except UNREADABLE as problem:
        raise NoRequest("its key or its subject cannot be read") from problem


def _is_signed(request: x509.CertificateSigningRequest, signed: bytes) -> bool:
    key: Any = request.public_key()
    try:
        how = request.signature_algorithm_parameters, request.signature_hash_algorithm
        key.verify(request.signature, signed, *how[: 1 + isinstance(key, rsa.RSAPublicKey)])
    except UNREADABLE:
        return False
    return True


def _values(name: x509.Name, oid: x509.ObjectIdentifier) -> list[str]:
    found = (attribute.value for attribute in name.get_attributes_for_oid(oid))
    return [value for value in found if isinstance(value, str)]


def read_certificate(pem: str) -> Described:
    """Return the first certificate of a text in PEM. Raises ValueError."""
    try:
        return described(x509.load_pem_x509_certificate(pem.encode()))
    except UNREADABLE as problem:
        raise ValueError(Told("it is no certificate in PEM")) from problem


def read_pair(pem: str) -> Described:
    """Return the first certificate of a text in PEM, which has its private key, too. Raises
    ValueError."""
    found = read_certificate(pem)
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except UNREADABLE as problem:
        raise ValueError(Told("it has no private key in PEM, or one with a password")) from problem
    if x509.load_pem_x509_certificate(pem.encode()).public_key() != key.public_key():
        raise ValueError(Told("its private key belongs to another certificate than the first one"))
    return found


def described(certificate: x509.Certificate) -> Described:
    """Return a certificate for people and for the database."""
    return Described(
        subject=certificate.subject.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        names=_names(certificate),
        pem=certificate.public_bytes(Encoding.PEM).decode(),
    )


def _names(certificate: x509.Certificate) -> list[str]:
    """Return each name and each address once, the names first; an address may stand there as a DNS
    name, too."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = [*map(str, names.get_values_for_type(x509.IPAddress))]
    hosts = [name for name in names.get_values_for_type(x509.DNSName) if name not in addresses]
    return [*hosts, *addresses]
