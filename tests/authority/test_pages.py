"""The root for pages, as `openssl` sees it: it vouches for the names and addresses of the site and
for nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from levity_trio.access.certificates import PAGES_LIFE
from levity_trio.authority import AuthorityProblem
from levity_trio.authority.folder import PAGES, ROOT, ROOT_KEY
from levity_trio.authority.issuing import keep_pages, load_root, renew_pages
from tests.authority.openssl import openssl, verified

NOW = datetime.now(UTC).replace(microsecond=0)
NAMES = ("Levity.local", "192.168.1.20", "fd00::2")
APPLES_MOST = timedelta(days=825)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("site") / "levity.db.pages"
    assert keep_pages(made, NAMES, "Haus am Park", NOW).is_new_root
    return made


def forged(
    folder: Path,
    into: Path,
    *names: str,
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
) -> Path:
    """Return a certificate that somebody makes who got hold of the key: for these names, or with
    one as its CN."""
    root, key = load_root(folder, ROOT_KEY), ec.generate_private_key(ec.SECP256R1())
    kinds = [
        x509.IPAddress(ip_address(one)) if one[0].isdigit() or ":" in one else x509.DNSName(one)
        for one in names
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(
            x509.Name(
                [x509.NameAttribute(NameOID.COMMON_NAME, names[0] if len(names) > 1 else "forged")]
            )
        )
        .issuer_name(root.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=90))
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key()),
            critical=False,
        )
        .add_extension(x509.SubjectAlternativeName(kinds), critical=False)
    )
    into.write_bytes(builder.sign(root.key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return into


def test_phones_open_the_site_with_it(folder: Path) -> None:
    for words in (
        ("-verify_hostname", "levity.local"),
        ("-verify_ip", "192.168.1.20"),
        ("-verify_ip", "fd00::2"),
    ):
        assert ": OK" in verified(folder, folder / PAGES, "-purpose", "sslserver", *words)
    assert "mismatch" in verified(folder, folder / PAGES, "-verify_hostname", "other.local")
    shown = openssl("x509", "-in", folder / ROOT, "-noout", "-text")
    assert "X509v3 Name Constraints: critical" in shown
    assert "CA:TRUE, pathlen:0" in shown
    site = x509.load_pem_x509_certificate((folder / PAGES).read_bytes())
    assert site.not_valid_after_utc - site.not_valid_before_utc <= APPLES_MOST
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "names",
    [["bank.example"], ["local"], ["192.168.1.21"], ["fd00::3"], ["levity.local", "bank.example"]],
)
def test_it_vouches_for_no_other_site(folder: Path, tmp_path: Path, names: list[str]) -> None:
    """Not even for whoever has its key."""
    assert ": OK" in verified(folder, forged(folder, tmp_path / "own.pem", "levity.local"))
    assert "permitted subtree violation" in verified(
        folder, forged(folder, tmp_path / "forged.pem", *names)
    )


def test_it_vouches_for_pages_only(folder: Path, tmp_path: Path) -> None:
    code = forged(
        folder, tmp_path / "code.pem", "levity.local", purpose=ExtendedKeyUsageOID.CODE_SIGNING
    )
    client = forged(
        folder, tmp_path / "client.pem", "levity.local", purpose=ExtendedKeyUsageOID.CLIENT_AUTH
    )
    assert ": OK" not in verified(folder, code, "-purpose", "sslserver")
    assert ": OK" not in verified(folder, client, "-purpose", "sslclient")


@pytest.mark.parametrize(
    ("own", "foreign"),
    [("levity.local", "10.0.0.1"), ("levity.local", "::1"), ("10.0.0.1", "bank.example")],
)
def test_a_kind_of_name_that_the_site_does_not_have_is_not_free(
    tmp_path: Path, own: str, foreign: str
) -> None:
    keep_pages(folder := tmp_path / "pages", [own], "House", NOW)
    assert ": OK" in verified(folder, folder / PAGES)
    assert "subtree violation" in verified(folder, forged(folder, tmp_path / "forged.pem", foreign))


def test_what_fits_stays_and_what_is_due_is_renewed_under_the_same_root(tmp_path: Path) -> None:
    first = keep_pages(folder := tmp_path / "pages", ["one.local"], "House", NOW)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert keep_pages(folder, ["one.local"], "House", NOW + timedelta(days=30)) == (
        first.root,
        first.site,
        False,
    )
    assert renew_pages(folder, NOW + timedelta(days=30)).site == first.site
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    renewed = renew_pages(folder, NOW + PAGES_LIFE * 0.7)
    assert (renewed.root, renewed.is_new_root) == (first.root, False)
    assert renewed.site.names == ["one.local"]
    assert renewed.site.not_after > first.site.not_after


def test_another_address_needs_a_new_root_and_says_so(tmp_path: Path) -> None:
    first = keep_pages(folder := tmp_path / "pages", ["one.local", "10.0.0.1"], "House", NOW)
    changed = keep_pages(folder, ["one.local", "10.0.0.2"], "House", NOW)
    assert changed.is_new_root
    assert changed.root.fingerprint != first.root.fingerprint
    assert ": OK" in verified(folder, folder / PAGES, "-verify_ip", "10.0.0.2")


def test_a_run_that_was_killed_in_between_is_completed(tmp_path: Path) -> None:
    first = keep_pages(folder := tmp_path / "pages", ["10.0.0.1"], "House", NOW)
    (folder / ROOT).unlink()
    (folder / PAGES).unlink()
    again = keep_pages(folder, ["10.0.0.1"], "House", NOW)
    # no phone can have it: it was not there
    assert (again.root, again.is_new_root) == (
        first.root,
        True,
    )
    assert ": OK" in verified(folder, folder / PAGES, "-verify_ip", "10.0.0.1")


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(AuthorityProblem, match="neither a host name nor an IP address"):
        keep_pages(tmp_path / "pages", ["two words"], "House", NOW)
    with pytest.raises(AuthorityProblem, match="1 to 64"):
        keep_pages(tmp_path / "pages", ["a.local"], "", NOW)
    assert not [*tmp_path.iterdir()]
    with pytest.raises(AuthorityProblem, match="cannot create"):
        keep_pages(tmp_path / "no" / "pages", ["a.local"], "House", NOW)
