"""The authority's files and certificates, as `openssl` sees them."""

from __future__ import annotations

import base64
import socket
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from levity_trio.access.certificates import BACKDATED, CLIENT_LIFE, LONGEST_CSR, Requested
from levity_trio.authority import AuthorityProblem, NoRequest
from levity_trio.authority.folder import ROOT, ROOT_KEY, SERVER
from levity_trio.authority.issuing import create_root, create_server_certificates, issue_for_charger
from levity_trio.authority.reading import (
    examine,
    read_certificate,
    read_pair,
    read_request,
    read_server_certificates,
)
from tests.authority.openssl import openssl, verified
from tests.authority.requests import csr, ec_key, of_version, with_broken_signature

NOW = datetime.now(UTC).replace(microsecond=0)
NAMES = ("levity.local", "192.168.1.5", "::1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("site") / "levity.db.certificates"
    create_root(made, "Haus am Park", NOW)
    create_server_certificates(made, NAMES, NOW)
    return made


def test_only_its_user_may_read_it(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    names = {path.name for path in folder.iterdir()}
    assert names == {ROOT, ROOT_KEY, *SERVER.values()}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_the_root_is_one(folder: Path) -> None:
    assert ": OK" in verified(folder, folder / ROOT)
    shown = openssl("x509", "-in", folder / ROOT, "-noout", "-text")
    assert "CA:TRUE, pathlen:0" in shown
    assert "Certificate Sign, CRL Sign" in shown
    assert "3072 bit" in shown
    assert len((folder / ROOT).read_text()) < 5500  # InstallCertificate


@pytest.mark.parametrize(("kind", "words"), [("ECDSA", "prime256v1"), ("RSA", "(2048 bit)")])
def test_the_server_certificates(folder: Path, kind: str, words: str) -> None:
    path = folder / SERVER[kind]
    assert ": OK" in verified(
        folder, path, "-purpose", "sslserver", "-verify_hostname", "levity.local"
    )
    assert ": OK" in verified(folder, path, "-verify_ip", "192.168.1.5")
    assert "mismatch" in verified(folder, path, "-verify_hostname", "other.local")
    assert "unsupported" in verified(folder, path, "-purpose", "sslclient").replace(
        "unsuitable", "unsupported"
    )
    assert words in openssl("x509", "-in", path, "-noout", "-text")


@pytest.mark.parametrize("kind", ["ECDSA", "RSA"])
@pytest.mark.parametrize("dialled", ["192.168.1.5", "::1", "fd00::2", "10.0.0.7"])
def test_an_address_is_a_dns_name_too(tmp_path: Path, kind: str, dialled: str) -> None:
    """For chargers that compare only DNS names; each is listed once, the names first, as it is
    dialled."""
    folder = tmp_path / "ca"
    create_root(folder, "House", NOW)
    create_server_certificates(
        folder, ["192.168.1.5", "[::1]", "fd00:0::2", "levity.local", "10.0.0.7"], NOW
    )
    for how in ("-verify_hostname", "-verify_ip"):
        assert ": OK" in verified(folder, folder / SERVER[kind], how, dialled)
        assert "mismatch" in verified(folder, folder / SERVER[kind], how, "192.168.1.6")
    names = ["levity.local", "192.168.1.5", "::1", "fd00::2", "10.0.0.7"]
    assert [[*one.names] for one in read_server_certificates(folder)] == [names] * 2


def test_a_root_is_never_overwritten(folder: Path) -> None:
    before = (folder / ROOT_KEY).read_bytes()
    with pytest.raises(AuthorityProblem, match="never overwritten"):
        create_root(folder, "Other", NOW)
    assert (folder / ROOT_KEY).read_bytes() == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_half_a_folder_is_not_overwritten_either(tmp_path: Path) -> None:
    half = tmp_path / "half"
    half.mkdir()
    (half / ROOT).write_text("of somebody")
    with pytest.raises(AuthorityProblem, match="exists already"):
        create_root(half, "House", NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["half"]
    assert (half / ROOT).read_text() == "of somebody"


def test_server_certificates_are_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    create_root(folder, "House", NOW)
    create_server_certificates(folder, ["one.local"], NOW)
    (folder / f".{SERVER['RSA']}.new").write_text("of a run that was killed")
    create_server_certificates(folder, ["two.local", "10.0.0.1"], NOW)
    assert [list(one.names) for one in read_server_certificates(folder)] == [
        ["two.local", "10.0.0.1"]
    ] * 2


@pytest.mark.parametrize("name", ["", "two words", "-a", "a..b", "*.example.org", "x" * 300, "a_b"])
def test_a_name_that_no_charger_can_dial(folder: Path, name: str) -> None:
    with pytest.raises(AuthorityProblem, match="neither a host name nor an IP address"):
        create_server_certificates(folder, ["levity.local", name], NOW)


@pytest.mark.parametrize("organization", ["", "x" * 65, "a\nb"])
def test_an_organization_that_fits_no_certificate(tmp_path: Path, organization: str) -> None:
    with pytest.raises(AuthorityProblem, match="1 to 64 printable characters"):
        create_root(tmp_path / "ca", organization, NOW)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    "key", [ec_key(), rsa.generate_private_key(65537, 2048)], ids=["EC", "RSA"]
)
def test_a_chargers_certificate(
    folder: Path, tmp_path: Path, key: ec.EllipticCurvePrivateKey
) -> None:
    issued = issue_for_charger(folder, csr("SN-1", "Haus am Park", key), NOW)
    path = tmp_path / "charger.pem"
    path.write_text(issued.pem)
    assert ": OK" in verified(folder, path, "-purpose", "sslclient")
    assert ": OK" not in verified(folder, path, "-purpose", "sslserver")
    assert issued.subject == "O=Haus am Park,CN=SN-1"
    assert (issued.not_before, issued.not_after) == (NOW - BACKDATED, NOW + CLIENT_LIFE)
    assert read_certificate(issued.pem) == issued
    shown = (
        openssl("x509", "-in", path, "-noout", "-serial", "-fingerprint", "-sha256")
        .replace(":", "")
        .lower()
    )
    assert f"serial={issued.serial:0>40}" in shown
    assert issued.fingerprint in shown


def test_no_certificate_outlives_its_root(folder: Path) -> None:
    late = NOW + timedelta(days=19.5 * 365)
    issued = issue_for_charger(folder, csr("SN-1", "House"), late)
    assert issued.not_after == read_certificate((folder / ROOT).read_text()).not_after


@pytest.mark.parametrize(
    "mangle",
    [
        lambda text: text,
        lambda text: text.replace("\n", "\\n"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", ""),
        lambda text: text.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"),
        lambda text: "".join(text.splitlines()[1:-1]),
    ],
)
def test_a_request_is_read_as_chargers_write_it(folder: Path, mangle: object) -> None:
    assert callable(mangle)
    organization, requested = examine(folder, mangle(csr("SN-1", "Haus am Park")))
    assert organization == "Haus am Park"
    assert (requested.common_names, requested.organizations) == (["SN-1"], ["Haus am Park"])
    assert (requested.key_type, requested.key_bits, requested.curve) == ("EC", 256, "secp256r1")
    assert requested.is_signed


def test_a_request_for_a_name_of_the_server_is_recognised(folder: Path, tmp_path: Path) -> None:
    create_server_certificates(folder, ["pi.example", "192.0.2.7"], NOW)
    other = tmp_path / "other.certificates"
    create_root(other, "Another", NOW)
    create_server_certificates(other, ["far.example"], NOW)
    files = (tmp_path / "missing.pem", other / "server-rsa.pem")
    own = (
        "pi.example",
        "192.0.2.7",
        "far.example",
        "public.example",
        "127.0.0.1",
        "::1",
        "localhost",
    )
    for name in (*own, socket.gethostname(), f"{socket.gethostname()}.local", "*.example"):
        assert examine(folder, csr(name, "Haus am Park"), ["public.example"], files)[
            1
        ].is_servers, name
    for name in ("SN-1", "198.51.100.9", "pi", "example"):
        assert not examine(folder, csr(name, "Haus am Park"), ["public.example"], files)[
            1
        ].is_servers, name


@pytest.mark.parametrize(
    "text",
    [
        *("", "PEM", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n", "é" * 9, "A" * 20_000),
        base64.b64encode(b"0\5" + b"0\3" + b"\2\1").decode(),
    ],
)
def test_what_is_no_request(text: str) -> None:
    with pytest.raises(NoRequest):
        read_request(text)


def test_a_request_beyond_the_limit_of_ocpp_is_read() -> None:
    long = csr("SN-1", "House", padding=3300)
    assert 5_500 < len(long) < LONGEST_CSR
    assert read_request(long).is_signed


@pytest.mark.parametrize(
    "key", [ec_key(), rsa.generate_private_key(65537, 2048)], ids=["EC", "RSA"]
)
def test_another_version_is_no_obstacle(
    folder: Path, tmp_path: Path, key: ec.EllipticCurvePrivateKey
) -> None:
    """open-ocpp writes 2, which OpenSSL accepts; what is signed has it."""
    (path := tmp_path / "of.csr").write_text(text := of_version(csr("SN-1", "House", key), 2, key))
    assert "verify OK" in openssl("req", "-in", path, "-verify", "-noout")
    assert read_request(text) == read_request(csr("SN-1", "House", key))
    assert issue_for_charger(folder, text, NOW).subject == "O=House,CN=SN-1"
    plain = base64.b64decode("".join(text.splitlines()[1:-1])).replace(b"\2\1\2", b"\2\1\1", 1)
    assert not read_request(base64.b64encode(plain).decode()).is_signed


def test_whatever_is_wrong_with_a_request_is_said_of_the_request() -> None:
    """Each byte of it is another one, once."""
    der = base64.b64decode("".join(csr("SN-1", "House").splitlines()[1:-1]))
    for place in range(len(der)):
        damaged = der[:place] + bytes([der[place] ^ 0x55]) + der[place + 1 :]
        with suppress(NoRequest):
            assert not read_request(base64.b64encode(damaged).decode()).is_signed


def test_a_broken_signature_is_seen() -> None:
    assert not read_request(with_broken_signature(csr("SN-1", "House"))).is_signed


def test_kinds_of_keys_are_told_apart() -> None:
    def found(key: object) -> Requested:
        return read_request(csr("SN-1", "House", key))  # type: ignore[arg-type]  # one of three kinds

    weak = found(rsa.generate_private_key(65537, 1024))  # noqa: S505 - it is to be refused
    assert (weak.key_type, weak.key_bits) == ("RSA", 1024)
    assert found(ec.generate_private_key(ec.SECP224R1())).curve == "secp224r1"
    assert found(ed25519.Ed25519PrivateKey.generate()).key_type == "Ed25519"


def test_what_is_missing_or_damaged_is_said(tmp_path: Path) -> None:
    with pytest.raises(AuthorityProblem, match="certificate init"):
        create_server_certificates(tmp_path, ["a"], NOW)
    create_root(folder := tmp_path / "ca", "House", NOW)
    create_root(other := tmp_path / "other", "House", NOW)
    (folder / ROOT_KEY).write_bytes((other / ROOT_KEY).read_bytes())
    with pytest.raises(AuthorityProblem, match="is not the key of"):
        create_server_certificates(folder, ["a"], NOW)
    (folder / ROOT_KEY).write_text("nothing")
    with pytest.raises(AuthorityProblem, match="restore it from a copy"):
        create_server_certificates(folder, ["a"], NOW)


def test_a_pair_is_a_certificate_with_its_key(folder: Path) -> None:
    pair = (folder / SERVER["RSA"]).read_text()
    assert read_pair(pair) == read_certificate(pair)
    key, root = (folder / ROOT_KEY).read_text(), (folder / ROOT).read_text()
    assert read_pair(key + root).fingerprint == read_certificate(root).fingerprint
    for text, words in (
        ("nonsense", "no certificate in PEM"),
        (root, "no private key"),
        (root + pair, "belongs to another certificate"),
    ):
        with pytest.raises(ValueError, match=words):
            read_pair(text)
