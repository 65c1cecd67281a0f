"""Issues certificates: the root, those of the server, those of chargers, and that of the pages.

The root has an RSA key, because chargers that know only RSA must verify both server certificates;
the server has one with an ECDSA key, which is cheap for both sides, and one with an RSA key
(whitepaper A00.FR.306 and following).

The pages have a root of their own, which the phones of those who run the site trust. It can vouch
for the names and addresses of the site and for nothing else, not even for its own renewal under
another name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from levity_trio.access.certificates import (
    BACKDATED,
    CLIENT_LIFE,
    LONGEST_NAME,
    PAGES_LIFE,
    ROOT_LIFE,
    SERVER_LIFE,
    Described,
    is_due,
)
from levity_trio.authority import AuthorityProblem, NoRequest
from levity_trio.authority import folder as files
from levity_trio.authority.folder import PAGES, ROOT, ROOT_KEY, SERVER
from levity_trio.authority.reading import (
    UNREADABLE,
    described,
    load_certificate,
    load_request,
    organization_of,
)

PUBLIC_EXPONENT: Final = 65537
ROOT_BITS: Final = 3072
SERVER_BITS: Final = 2048
NO_NAME: Final = "invalid"
"""The only name that a root for addresses permits: nobody has it (RFC 2606)."""
ALL_ADDRESSES: Final = ("0.0.0.0/0", "::/0")
_HOST = re.compile(
    r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*\.?", re.IGNORECASE | re.ASCII
)

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Root(NamedTuple):
    """The authority: its certificate, its key and the name of the operator, which chargers know as
    CpoName."""

    certificate: x509.Certificate
    key: Key
    organization: str


class Pages(NamedTuple):
    """The root for pages and the certificate of the site. `is_new_root`: phones do not trust this
    root yet."""

    root: Described
    site: Described
    is_new_root: bool


def create_root(folder: Path, organization: str, now: datetime) -> Described:
    """Create the authority's folder with a new root. Raises AuthorityProblem, also where there is
    one already."""
    _check_organization(organization)
    if (folder / ROOT_KEY).exists():  # a new key takes seconds
        raise AuthorityProblem(f"{folder} has a root already, which is never overwritten")
    key = rsa.generate_private_key(PUBLIC_EXPONENT, ROOT_BITS)
    name = f"{organization[: LONGEST_NAME - 10]} root {now:%Y}"
    subject = _subject(name, organization)
    builder = _builder(subject, subject, key.public_key(), now, ROOT_LIFE)
    certificate = (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    files.create(folder, {ROOT_KEY: _key_text(key), ROOT: certificate.public_bytes(Encoding.PEM)})
    return described(certificate)


def _check_organization(organization: str) -> None:
    if not 0 < len(organization) <= LONGEST_NAME or not organization.isprintable():
        raise AuthorityProblem(
            f"the organization must have 1 to {LONGEST_NAME} printable characters"
        )


def load_root(folder: Path, name: str = ROOT) -> Root:
    """Return the authority, whose certificate is in the file with this name. Raises
    AuthorityProblem."""
    certificate, key_text = load_certificate(folder / name), files.read(folder / ROOT_KEY)
    try:
        key = load_pem_private_key(key_text, None)
    except UNREADABLE as problem:
        raise AuthorityProblem(
            f"{folder / ROOT_KEY} is no key in PEM; restore it from a copy"
        ) from problem
    if not isinstance(key, Key) or key.public_key() != certificate.public_key():
        raise AuthorityProblem(
            f"{folder}: {ROOT_KEY} is not the key of {name}; restore both from a copy"
        )
    return Root(certificate, key, organization_of(certificate))


def keep_pages(folder: Path, names: Sequence[str], organization: str, now: datetime) -> Pages:
    """Make the root for pages and the certificate of the site for these names and addresses, or
    renew them.

    What is there and still fits stays as it is. A root that permits other names is replaced,
    because it cannot vouch for these: then phones must trust the new one. Raises AuthorityProblem.
    """
    _check_organization(organization)
    root = _root_of_pages(folder, _only(names), organization, now)
    site = _site_certificate(folder, root, names, now)
    shown = root.certificate.public_bytes(Encoding.PEM)
    is_new = not files.has_root(folder) or files.read(folder / ROOT) != shown
    if is_new:
        files.replace(folder / ROOT, shown)
    return Pages(described(root.certificate), described(site), is_new)


def renew_pages(folder: Path, now: datetime) -> Pages:
    """Renew the certificate of the site for its names, if it is due. Raises AuthorityProblem."""
    names = described(load_certificate(folder / PAGES)).names
    return keep_pages(folder, names, load_root(folder, ROOT_KEY).organization, now)


def _root_of_pages(
    folder: Path, constraints: x509.NameConstraints, organization: str, now: datetime
) -> Root:
    """Return the root with these constraints. Its key and its certificate are one file: both change
    in one step."""
    if (folder / ROOT_KEY).exists():
        root = load_root(folder, ROOT_KEY)
        found = root.certificate.extensions.get_extension_for_class(x509.NameConstraints).value
        if found == constraints and root.certificate.not_valid_after_utc - now > PAGES_LIFE:
            return root
    key = _ec_key()
    name = _subject(f"{organization[: LONGEST_NAME - 16]} pages root {now:%Y}", organization)
    certificate = (
        _builder(name, name, key.public_key(), now, ROOT_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(constraints, critical=True)
        .sign(key, hashes.SHA256())
    )
    files.make(folder)
    files.replace(folder / ROOT_KEY, _key_text(key) + certificate.public_bytes(Encoding.PEM))
    return Root(certificate, key, organization)


def _only(names: Sequence[str]) -> x509.NameConstraints:
    """Return what lets a root vouch for these names and addresses only.

    A kind of name that is not mentioned would be free, so both kinds are.
    """
    found = [_page_name(name) for name in names]
    hosts = sorted({one.value for one in found if isinstance(one, x509.DNSName)})
    addresses = sorted(
        {ip_network(one.value) for one in found if isinstance(one, x509.IPAddress)}, key=str
    )
    permitted = [*map(x509.DNSName, hosts or [NO_NAME]), *map(x509.IPAddress, addresses)]
    refused = [] if addresses else [x509.IPAddress(ip_network(one)) for one in ALL_ADDRESSES]
    return x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=refused or None)


def _page_name(name: str) -> x509.GeneralName:
    try:
        # an address without a zone (fe80::1%eth0)
        return x509.IPAddress(ip_address(name.strip("[]").partition("%")[0]))
    except ValueError:
        return x509.DNSName(_dns_name(name).value.lower())


def _site_certificate(
    folder: Path, root: Root, names: Sequence[str], now: datetime
) -> x509.Certificate:
    """Return the certificate of the site, which is made anew if another one is needed or it is
    due."""
    alternatives = x509.SubjectAlternativeName(dict.fromkeys(map(_page_name, names)))
    if (folder / PAGES).exists():
        found = load_certificate(folder / PAGES)
        has_names = (
            found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            == alternatives
        )
        is_old = is_due(found.not_valid_before_utc, found.not_valid_after_utc, now)
        if has_names and not is_old and _is_issued_by(found, root):
            return found
    key, life = _ec_key(), PAGES_LIFE - BACKDATED
    # The name is no host name: a verifier may take one without a SAN for a name that the root does
    # not permit.
    subject = _subject(f"{root.organization[: LONGEST_NAME - 6]} pages", root.organization)
    builder = _leaf(root, subject, key.public_key(), now, life, ExtendedKeyUsageOID.SERVER_AUTH)
    certificate = builder.add_extension(alternatives, critical=False).sign(
        root.key, hashes.SHA256()
    )
    files.replace(folder / PAGES, _key_text(key) + certificate.public_bytes(Encoding.PEM))
    return certificate


def _is_issued_by(certificate: x509.Certificate, root: Root) -> bool:
    try:
        certificate.verify_directly_issued_by(root.certificate)
    except UNREADABLE:
        return False
    return True


def create_server_certificates(
    folder: Path, names: Sequence[str], now: datetime
) -> list[Described]:
    """Issue the certificates of the server for these names and addresses, in place of older ones.

    Raises AuthorityProblem, also for what is neither a name nor an address.
    """
    alternatives = [one for name in names for one in general_names(name)]
    root, issued = load_root(folder), []
    for kind, key in (
        ("ECDSA", _ec_key()),
        ("RSA", rsa.generate_private_key(PUBLIC_EXPONENT, SERVER_BITS)),
    ):
        certificate = _server_certificate(root, alternatives, names[0], key, now)
        chain = b"".join(one.public_bytes(Encoding.PEM) for one in (certificate, root.certificate))
        files.replace(folder / SERVER[kind], _key_text(key) + chain)
        issued.append(described(certificate))
    return issued


def _ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _server_certificate(
    root: Root, alternatives: Iterable[x509.GeneralName], name: str, key: Key, now: datetime
) -> x509.Certificate:
    subject = _subject(name[:LONGEST_NAME], root.organization)
    builder = _leaf(
        root, subject, key.public_key(), now, SERVER_LIFE, ExtendedKeyUsageOID.SERVER_AUTH
    )
    builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(root.key, hashes.SHA256())


def general_names(name: str) -> list[x509.GeneralName]:
    """Return a name or an address as it stands in a certificate. Raises AuthorityProblem.

    An address is a DNS name, too: some chargers (those with EVerest) compare what they dial with
    DNS names only.
    """
    try:
        address = ip_address(name.strip("[]"))
    except ValueError:
        return [_dns_name(name)]
    return [x509.IPAddress(address), x509.DNSName(str(address))]


def _dns_name(name: str) -> x509.DNSName:
    try:
        ascii_name = name.encode("idna").decode()
    except UnicodeError:
        ascii_name = ""
    if not _HOST.fullmatch(ascii_name):
        raise AuthorityProblem(
            f"{name!r} is neither a host name nor an IP address; give those that chargers dial"
        )
    return x509.DNSName(ascii_name.rstrip("."))


def issue_for_charger(folder: Path, csr: str, now: datetime) -> Described:
    """Issue the certificate that a charger requests; whether it may have it was decided before.

    It has the subject of the request (whitepaper A02.FR.06: the charger compares) and none of its
    extensions. Raises AuthorityProblem, NoRequest.
    """
    root, (request, _) = load_root(folder), load_request(csr)
    try:
        key = request.public_key()
        builder = _leaf(
            root, request.subject, key, now, CLIENT_LIFE, ExtendedKeyUsageOID.CLIENT_AUTH
        )
        return described(builder.sign(root.key, hashes.SHA256()))
    except UNREADABLE as problem:
        raise NoRequest(f"no certificate can be made of it: {problem}") from problem


def _leaf(
    root: Root,
    subject: x509.Name,
    key: CertificatePublicKeyTypes,
    now: datetime,
    life: timedelta,
    purpose: x509.ObjectIdentifier,
) -> x509.CertificateBuilder:
    life = min(life, root.certificate.not_valid_after_utc - now)
    is_rsa = isinstance(key, rsa.RSAPublicKey)
    return (
        _builder(subject, root.certificate.subject, key, now, life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True, key_encipherment=is_rsa), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key()),
            critical=False,
        )
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: CertificatePublicKeyTypes,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _subject(common_name: str, organization: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
        ]
    )


def _usage(
    *,
    digital_signature: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _key_text(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
