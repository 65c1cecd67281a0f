"""Certificates of the pages: our own, which is renewed in time, and those that another program
renews."""

from __future__ import annotations

import ssl
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from levity_trio.authority.folder import PAGES, ROOT
from levity_trio.authority.issuing import keep_pages
from levity_trio.cli import main
from levity_trio.config import pages_folder
from tests.integration.forking import run_forked
from tests.integration.serving import environment, serving

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=700)
OPENSSL = (
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
)
REFUSED = "the changed TLS files cannot be used; the ones before stay in use"
RENEWED = "the TLS files have changed; later handshakes use them"


def make(chain: Path, key: Path) -> ssl.SSLContext:
    """Make what a program such as lego writes; return a browser that trusts it."""
    names = ("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    subprocess.run(
        [*OPENSSL, *names, "-keyout", key, "-out", chain], check=True, capture_output=True
    )
    return ssl.create_default_context(cafile=str(chain))


def connection(port: int, trusting: ssl.SSLContext) -> HTTPSConnection:
    return HTTPSConnection("localhost", port, context=trusting, timeout=30)


def end_of(port: int, trusting: ssl.SSLContext) -> str:
    """Return until when the certificate is valid that a browser is shown."""
    with closing(connection(port, trusting)) as browser:
        browser.connect()
        found = browser.sock.getpeercert()
        assert found
        return str(found["notAfter"])


def root_from_its_page(port: int, trusting: ssl.SSLContext) -> bytes:
    """Return what a phone gets that follows the page about trusting this site."""
    with closing(connection(port, trusting)) as browser:
        browser.request("GET", "/trust")
        page = browser.getresponse().read().decode()
        assert "can vouch for localhost, 127.0.0.1, and for no other name or address" in page
        assert 'href="/get/admin/pages-certificate/root"' in page
        browser.request("GET", "/get/admin/pages-certificate/root")
        answer = browser.getresponse()
        assert answer.headers["content-type"] == "application/x-x509-ca-cert"
        # so that phones offer to install it
        assert "attachment" not in answer.headers["content-disposition"]
        return answer.read()


def check_commands(port: int, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A command trusts our root if it is given, and says what to do otherwise."""
    ask = ("chargers", "--api", f"https://localhost:{port}")
    assert main([*ask, "--ca", str(root)]) == 0
    assert main(ask) == 1
    assert "is not trusted here" in (told := capsys.readouterr().err)
    assert "give --ca" in told
    root.with_name("no.pem").write_text("no certificate")
    assert main([*ask, "--ca", str(root.with_name("no.pem"))]) == 2


def test_certificates_are_renewed_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    database, chain, key, half = (
        tmp_path / "site.db",
        tmp_path / "d.pem",
        tmp_path / "d.key",
        tmp_path / "half.key",
    )
    keep_pages(folder := pages_folder(database), ["localhost", "127.0.0.1"], "House", LONG_AGO)
    owner, neighbour = ssl.create_default_context(cafile=str(folder / ROOT)), make(chain, key)
    of_drivers = (
        "--drivers-port",
        "0",
        "--drivers-tls-cert",
        str(chain),
        "--drivers-tls-key",
        str(key),
    )
    with serving(
        database, *of_drivers, "--api-tls-cert", str(folder / PAGES), may_log_errors=True
    ) as server:
        api = int(
            server.wait_line("serving the operator API")["address"]
            .rpartition(":")[2]
            .partition("/")[0]
        )
        drivers = int(server.wait_line("serving the drivers' port")["port"])
        with closing(connection(drivers, neighbour)) as held:
            held.request("GET", "/login")
            assert held.getresponse().read()
            later = make(chain, half)  # the chain without its key
            refused = server.wait_line(REFUSED, of="drivers")
            assert f"cannot use the certificate {chain} with the key {key}" in refused["problem"]
            end_of(drivers, neighbour)
            half.rename(key)
            server.wait_line(RENEWED, of="drivers")
            held.request("GET", "/login")
            assert held.getresponse().read()
        check_commands(api, folder / ROOT, capsys)
        assert root_from_its_page(api, owner) == ssl.PEM_cert_to_DER_cert(
            (folder / ROOT).read_text()
        )
        with pytest.raises(ssl.SSLCertVerificationError):
            end_of(drivers, neighbour)
        end_of(drivers, later)
        server.wait_line(RENEWED, of="pages")
        # renewed by itself
        assert end_of(api, owner).endswith(f"{(NOW + timedelta(days=819)).year} GMT")
        assert len(server.find(REFUSED)) == 1


def test_what_cannot_be_served_ends_the_start(tmp_path: Path) -> None:
    make(tmp_path / "a.pem", tmp_path / "a.key")
    for flags, words in (
        (("--api-tls-key", "a.key"), "--api-tls-key needs --api-tls-cert"),
        (
            ("--drivers-port", "0", "--drivers-tls-cert", "a.pem"),
            "cannot use the certificate a.pem with the key a.pem",
        ),
    ):
        done = run_forked(("serve", "--port", "0", *flags), tmp_path, environment(), 60)
        assert (done.returncode, words in done.stderr) == (1, True), done.stderr
        assert "Traceback" not in done.stderr
