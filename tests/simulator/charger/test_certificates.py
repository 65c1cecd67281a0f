"""The certificates of a charger, with a small test CA (security whitepaper A02, M03 to M05)."""

import base64
import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID

from levity_trio.simulator.charger.certificates import Certificates, is_signed_by

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CENTRAL, MANUFACTURER = "CentralSystemRootCertificate", "ManufacturerRootCertificate"


def distinguished(common_name: str, organization: str | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


@dataclass
class Authority:
    """A root with its key, which signs certificates."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def text(self) -> str:
        return pem(self.certificate)

    def sign(
        self,
        subject: x509.Name,
        key: Any,
        serial: int | None = None,
        until: datetime = NOON + timedelta(days=365),
    ) -> str:
        return pem(sign(subject, key, self.certificate.subject, self.key, serial, until))

    def grant(self, request: str, **changes: Any) -> str:
        """The certificate for a CSR, with the given changes."""
        csr = x509.load_pem_x509_csr(request.encode())
        return self.sign(**{"subject": csr.subject, "key": csr.public_key(), **changes})


def sign(
    subject: x509.Name,
    key: Any,
    issuer: x509.Name,
    issuer_key: Any,
    serial: int | None,
    until: datetime,
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(NOON - timedelta(days=400))
        .not_valid_after(until)
        .sign(issuer_key, hashes.SHA256())
    )


def authority(name: str = "Root", serial: int | None = None) -> Authority:
    key, subject = ec.generate_private_key(ec.SECP256R1()), distinguished(name)
    until = NOON + timedelta(days=3650)
    return Authority(sign(subject, key.public_key(), subject, key, serial, until), key)


def empty(max_roots: int = 8) -> Certificates:
    return Certificates({}, max_roots)


def test_a_request_is_signed_by_its_key_and_names_charger_and_operator() -> None:
    csr = x509.load_pem_x509_csr(empty().request("SN-0815", "Cohousing e.V.").encode())
    assert csr.is_signature_valid
    assert csr.subject == distinguished("SN-0815", "Cohousing e.V.")
    key = csr.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.key_size >= 224  # A00.FR.503


def test_an_operator_without_a_name_is_left_out() -> None:
    csr = x509.load_pem_x509_csr(empty().request("SN-0815", "").encode())
    assert csr.subject == distinguished("SN-0815")


def test_a_certificate_for_our_key_takes_the_place_of_the_old() -> None:
    keys: dict[str, Any] = {}
    certificates, root = Certificates(keys, 8), authority()
    first = root.grant(certificates.request("SN-1", "Cohousing")) + root.text
    assert certificates.signed(first, NOON) == "Accepted"
    assert (keys["chain"], "next_key" in keys) == (first, False)

    old_key = keys["key"]
    request = certificates.request("SN-1", "Cohousing")
    assert (keys["key"], keys["chain"]) == (old_key, first)
    assert certificates.signed(second := root.grant(request), NOON) == "Accepted"
    assert keys["key"] != old_key
    key = serialization.load_pem_private_key(keys["key"].encode(), None)
    assert x509.load_pem_x509_certificate(second.encode()).public_key() == key.public_key()
    assert keys["chain"] == second


def test_the_key_in_use_may_get_a_new_certificate() -> None:
    keys: dict[str, Any] = {}
    certificates, root = Certificates(keys, 8), authority()
    request = certificates.request("SN-1", "Cohousing")
    certificates.signed(root.grant(request), NOON)
    key = keys["key"]
    certificates.request("SN-1", "Cohousing")
    assert certificates.signed(renewed := root.grant(request), NOON) == "Accepted"
    assert (keys["chain"], keys["key"], "next_key" in keys) == (renewed, key, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"key": ec.generate_private_key(ec.SECP256R1()).public_key()},
        {"subject": distinguished("SN-2", "Cohousing")},
        {"subject": distinguished("SN-1", "Somebody")},
        {"subject": distinguished("SN-1")},
        {"until": NOON - timedelta(seconds=1)},
    ],
)
def test_what_we_did_not_ask_for_is_rejected_and_forgotten(changes: dict[str, Any]) -> None:
    keys: dict[str, Any] = {}
    certificates, root = Certificates(keys, 8), authority()
    request = certificates.request("SN-1", "Cohousing")
    before = json.dumps(keys)
    assert certificates.signed(root.grant(request, **changes), NOON) == "Rejected"
    assert json.dumps(keys) == before
    assert certificates.signed(root.grant(request), NOON) == "Accepted"


def test_one_that_is_not_valid_yet_is_kept_for_later() -> None:
    certificates, root = empty(), authority()
    chain = root.grant(certificates.request("SN-1", "Cohousing"))
    assert certificates.signed(chain, NOON - timedelta(days=5_000)) == "Accepted"


def test_the_leaf_comes_first() -> None:
    certificates, root = empty(), authority()
    request = certificates.request("SN-1", "Cohousing")
    assert certificates.signed(root.text + root.grant(request), NOON) == "Rejected"


NO_CERTIFICATES = [
    "",
    "no certificate",
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "\ud800",
]


@pytest.mark.parametrize("text", NO_CERTIFICATES)
def test_what_cannot_be_read_is_rejected(text: str) -> None:
    certificates = empty()
    certificates.request("SN-1", "Cohousing")
    assert certificates.signed(text, NOON) == "Rejected"
    assert certificates.install(CENTRAL, text) == "Rejected"
    assert certificates.installed(CENTRAL) == []


def test_a_certificate_that_nobody_asked_for_is_rejected() -> None:
    root = authority()
    assert empty().signed(root.text, NOON) == "Rejected"


def public_bits(key: Any) -> bytes:
    """The key bits that RFC 6960 hashes: for an elliptic curve, the uncompressed point."""
    return bytes(
        key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    )


def test_roots_are_listed_by_their_hashes() -> None:
    certificates, root = empty(), authority(serial=0x0ABC)
    assert certificates.install(CENTRAL, root.text) == "Accepted"
    assert certificates.installed(MANUFACTURER) == []
    assert certificates.installed(CENTRAL) == [
        {
            "hashAlgorithm": "SHA256",
            "issuerNameHash": hashlib.sha256(root.certificate.subject.public_bytes()).hexdigest(),
            "issuerKeyHash": hashlib.sha256(public_bits(root.key.public_key())).hexdigest(),
            "serialNumber": "abc",
        }
    ]


def test_a_root_may_be_signed_by_the_one_it_replaces() -> None:
    certificates, old, new = empty(), authority("Old"), authority("New")
    crossed = old.sign(new.certificate.subject, new.key.public_key())
    assert certificates.install(CENTRAL, crossed) == "Rejected"
    certificates.install(CENTRAL, old.text)
    assert certificates.install(CENTRAL, crossed) == "Accepted"
    hash_data = certificates.installed(CENTRAL)[1]
    assert (
        hash_data["issuerKeyHash"] == hashlib.sha256(public_bits(old.key.public_key())).hexdigest()
    )


def test_a_name_alone_makes_no_issuer() -> None:
    certificates, mine, other = empty(), authority("Root"), authority("Root")
    certificates.install(CENTRAL, mine.text)
    forged = other.sign(distinguished("New"), other.key.public_key())
    assert certificates.install(CENTRAL, forged) == "Rejected"


def test_the_store_is_full_but_takes_again_what_it_has() -> None:
    certificates, first, second = empty(max_roots=1), authority(), authority()
    assert certificates.install(CENTRAL, first.text) == "Accepted"
    assert certificates.install(MANUFACTURER, second.text) == "Rejected"
    assert certificates.install(CENTRAL, f"\n{first.text}") == "Accepted"
    assert len(certificates.installed(CENTRAL)) == 1


def test_one_root_may_serve_for_both() -> None:
    certificates, root = empty(), authority()
    certificates.install(CENTRAL, root.text)
    certificates.install(MANUFACTURER, root.text)
    assert certificates.installed(CENTRAL) == certificates.installed(MANUFACTURER) != []


@pytest.mark.parametrize(
    "spelling", [str.lower, str.upper, lambda text: f"{text:0>40}" if len(text) < 40 else text]
)
def test_a_root_is_deleted_by_its_hashes(spelling: Any) -> None:
    kept: dict[str, Any] = {}
    certificates, staying = Certificates(kept, 8), authority()
    certificates.install(CENTRAL, authority(serial=0xAB).text)
    (hash_data,) = certificates.installed(CENTRAL)
    certificates.install(CENTRAL, staying.text)
    spelled = {**hash_data, "serialNumber": spelling(hash_data["serialNumber"])}
    assert certificates.delete(spelled) == "Accepted"
    assert [one["certificate"] for one in kept["roots"]] == [staying.text]
    assert certificates.delete(hash_data) == "NotFound"


@pytest.mark.parametrize(
    "change",
    [
        {"hashAlgorithm": "SHA512"},
        {"issuerNameHash": "00"},
        {"issuerKeyHash": "00"},
        {"serialNumber": "1"},
    ],
)
def test_a_hash_that_differs_deletes_nothing(change: dict[str, str]) -> None:
    certificates = empty()
    certificates.install(CENTRAL, authority(serial=2).text)
    (hash_data,) = certificates.installed(CENTRAL)
    assert certificates.delete({**hash_data, **change}) == "NotFound"
    assert len(certificates.installed(CENTRAL)) == 1


def test_all_survives_in_the_memory_it_was_given() -> None:
    kept: dict[str, Any] = {}
    certificates, root = Certificates(kept, 8), authority()
    certificates.install(CENTRAL, root.text)
    request = certificates.request("SN-1", "Cohousing")
    again = Certificates(json.loads(json.dumps(kept)), 8)
    assert again.installed(CENTRAL) == certificates.installed(CENTRAL)
    assert again.signed(root.grant(request), NOON) == "Accepted"


FIRMWARE = b"firmware 1.2.3"
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65_537, 2_048)
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), 32)


def signer(key: Any) -> str:
    """The certificate of a manufacturer's signing key."""
    return authority().sign(distinguished("Signer"), key.public_key())


@pytest.mark.parametrize(
    ("certificate", "signature", "is_good"),
    [
        (signer(EC_KEY), EC_KEY.sign(FIRMWARE, ec.ECDSA(hashes.SHA256())), True),
        (signer(RSA_KEY), RSA_KEY.sign(FIRMWARE, PSS, hashes.SHA256()), True),
        (signer(EC_KEY), EC_KEY.sign(FIRMWARE + b"!", ec.ECDSA(hashes.SHA256())), False),
        (signer(EC_KEY), EC_KEY.sign(FIRMWARE, ec.ECDSA(hashes.SHA512())), False),
        (signer(RSA_KEY), RSA_KEY.sign(FIRMWARE + b"!", PSS, hashes.SHA256()), False),
        (signer(RSA_KEY), RSA_KEY.sign(FIRMWARE, padding.PKCS1v15(), hashes.SHA256()), False),
        (signer(RSA_KEY), EC_KEY.sign(FIRMWARE, ec.ECDSA(hashes.SHA256())), False),
        (signer(ED_KEY := ed25519.Ed25519PrivateKey.generate()), ED_KEY.sign(FIRMWARE), False),
        (signer(EC_KEY), b"", False),
        ("", EC_KEY.sign(FIRMWARE, ec.ECDSA(hashes.SHA256())), False),
    ],
    ids=[
        *(
            "ECDSA",
            "RSA-PSS",
            "ECDSA of another",
            "ECDSA over SHA512",
            "RSA-PSS of another",
            "RSA PKCS1",
        ),
        *("key of another kind", "Ed25519", "no signature", "no certificate"),
    ],
)
def test_a_firmware_is_signed_by_its_certificate(
    certificate: str, signature: bytes, is_good: bool
) -> None:
    assert is_signed_by(certificate, base64.b64encode(signature).decode(), FIRMWARE) is is_good


@pytest.mark.parametrize("text", ["no base64", "a", "\ud800", "ÄÖÜ"])
def test_a_signature_that_cannot_be_read_is_none(text: str) -> None:
    assert not is_signed_by(signer(EC_KEY), text, FIRMWARE)


def test_a_charger_without_certificates_does_not_load_the_library() -> None:
    """5,000 chargers run in one process."""
    source = (
        "import sys, levity_trio.simulator.charger.charger; sys.exit('cryptography' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", source], check=False).returncode == 0
