"""Chargers over TLS, against a spawned server: real certificates, `openssl s_client`, the `ocpp`
package's client."""

from __future__ import annotations

import json
import socket
import sqlite3
import ssl
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from levity_trio.cli.operator import SERVER
from levity_trio.client import Api
from tests.integration.websocket import upgrade_request

from .charger import Charger
from .forking import run_forked
from .keys import Authority, fingerprint
from .serving import ROOT, Serving, environment, serving

SECONDS = 60
PASSWORD = "sixteen bytes ok"  # noqa: S105 - of a test
ISSUED = (
    "INSERT INTO certificate (cp_id, serial, fingerprint, subject, pem, not_before, not_after, "
    "issued_at, issued_by, revoked_at) "
    "VALUES (?, '1', ?, '', '', '', '', '', 'anna', ?)"
)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(tmp_path: Path, authority: Authority) -> Iterator[Serving]:
    """A server with an RSA and an ECDSA certificate, which takes client certificates of the same
    authority."""
    ecdsa, rsa = authority.server(), authority.server(is_rsa=True, file="rsa.pem")
    pairs = (
        "--tls-cert",
        str(ecdsa),
        "--tls-cert",
        str(rsa),
        "--tls-client-ca",
        str(authority.path),
    )
    with serving(tmp_path / "site.db", "--tls-port", "0", *pairs) as running:
        yield running


def tls_port(server: Serving) -> int:
    return int(server.wait_line("serving TLS")["port"])


def basic(charger: str, password: bytes = PASSWORD.encode()) -> bytes:
    return b"Authorization: Basic " + b64encode(charger.encode() + b":" + password)


def knock(port: int, charger: str, context: ssl.SSLContext | None, *lines: bytes) -> int:
    """Send a handshake and, if it is let in, a Heartbeat; return the status. Raises SSLError."""
    head = (
        upgrade_request(f"/ws/{charger}", port)[:-2]
        + b"".join(line + b"\r\n" for line in lines)
        + b"\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), SECONDS) as plain:
        stream = (
            plain if context is None else context.wrap_socket(plain, server_hostname="localhost")
        )
        with stream:
            stream.sendall(head)
            status = int(_read_to(stream, b"\r\n\r\n").split(b" ")[1])
            if status == 101:
                text = b'[2,"h","Heartbeat",{}]'
                stream.sendall(bytes((0x81, 0x80 | len(text))) + bytes(4) + text)
                _read_to(stream, b"currentTime")
            return status


def _read_to(stream: socket.socket, end: bytes) -> bytes:
    received = b""
    while end not in received:
        data = stream.recv(4096)
        if not data:
            raise ConnectionResetError(received)
        received += data
    return received


def api(server: Serving) -> Api:
    return Api(f"unix:{server.database}.sock", SERVER, None)


def add(server: Serving, charger: str, password: str | None = PASSWORD) -> None:
    """Register a charger, with a password."""
    api(server).ask("POST", "admin", "chargers", given={"id": charger})
    if password is not None:
        given = {"password": password.encode().hex()}
        api(server).ask("POST", "admin", "chargers", charger, "password", given=given)


def security(server: Serving, charger: str) -> dict[str, Any]:
    found: dict[str, Any] = api(server).ask("GET", "admin", "chargers", charger, "security")
    return found


def s_client(port: int, *options: str) -> str:
    """What `openssl s_client` says of a connection that it ends at once."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options]
    done = subprocess.run(
        command, input="", capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return done.stdout + done.stderr


# Versions and suites


def test_versions_and_suites(server: Serving) -> None:
    port = tls_port(server)
    for options, expected in (
        (("-tls1_3",), "New, TLSv1.3"),
        (
            ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"),
            "Cipher is ECDHE-ECDSA-AES128-GCM-SHA256",
        ),
        (
            ("-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384"),
            "Cipher is ECDHE-RSA-AES256-GCM-SHA384",
        ),
        (("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), "alert protocol version"),
        (("-tls1_2", "-cipher", "AES128-GCM-SHA256"), "alert handshake failure"),
        (("-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256"), "alert handshake failure"),
    ):
        assert expected in s_client(port, *options), options
    server.wait_line("handshake refused", reason="the TLS handshake failed: unsupported protocol")
    server.wait_line("handshake refused", reason="the TLS handshake failed: no shared cipher")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_no_session_is_resumed(server: Serving, version: str) -> None:
    told = s_client(tls_port(server), version, "-reconnect")
    assert told.count("New, TLSv1") > 1
    assert "Reused" not in told
    assert "Secure Renegotiation IS" in told
    assert "Compression: NONE" in told


def test_the_rsa_suites_of_the_whitepaper_by_name(tmp_path: Path, authority: Authority) -> None:
    rsa = authority.server(is_rsa=True)
    with serving(
        tmp_path / "site.db", "--tls-port", "0", "--tls-cert", str(rsa), "--tls-rsa-suites"
    ) as server:
        for suite in ("AES128-GCM-SHA256", "AES256-GCM-SHA384"):
            assert f"Cipher is {suite}" in s_client(tls_port(server), "-tls1_2", "-cipher", suite)


# Doors


def test_every_profile_up_and_none_down_at_every_door(
    server: Serving, authority: Authority
) -> None:
    plain, tls, trusted = server.port, tls_port(server), authority.trusted()
    add(server, "CP-1")
    assert knock(plain, "CP-1", None) == 101
    assert knock(tls, "CP-1", trusted) == 101
    assert security(server, "CP-1")["profile"] == 0  # TLS alone proves nothing
    assert knock(plain, "CP-1", None, basic("CP-1")) == 101
    assert security(server, "CP-1")["profile"] == 1
    assert [knock(plain, "CP-1", None), knock(tls, "CP-1", trusted)] == [401, 401]
    assert knock(plain, "CP-1", trusted, basic("CP-1")) == 101  # TLS at the plain port
    assert security(server, "CP-1")["profile"] == 2
    for forwarding in (b"X-Forwarded-Proto: https", b"Forwarded: proto=https;for=127.0.0.1"):
        assert knock(plain, "CP-1", None, basic("CP-1"), forwarding) == 401
    assert knock(tls, "CP-1", trusted, basic("CP-1", b"a stranger's one")) == 401
    assert knock(tls, "CP-1", trusted, basic("CP-1")) == 101
    own = authority.client("CP-1")
    issue(server, "CP-1", own)
    assert knock(tls, "CP-1", authority.trusted(own)) == 101
    assert security(server, "CP-1")["profile"] == 3
    assert knock(tls, "CP-1", trusted, basic("CP-1")) == 401
    last = security(server, "CP-1")["last_use"]
    assert (last["profile"], last["proof"], last["remote_address"]) == (
        3,
        "certificate",
        "127.0.0.1",
    )


def issue(server: Serving, charger: str, path: Path, revoked_at: str | None = None) -> None:
    """Store a certificate, and let the server know: any change of the charger's door makes it read
    anew."""
    with closing(sqlite3.connect(server.database, isolation_level=None)) as database:
        database.execute(ISSUED, (charger, fingerprint(path), revoked_at))
    api(server).ask("POST", "admin", "chargers", charger, "password", given={})


def test_a_certificate_opens_only_the_door_of_its_charger(
    server: Serving, authority: Authority
) -> None:
    tls = tls_port(server)
    for charger in ("CP-1", "CP-2"):
        add(server, charger, None)
        issue(server, charger, authority.client(charger))
    one, lost = authority.trusted(authority.folder / "CP-1.pem"), authority.client("LOST")
    issue(server, "CP-1", lost, "2026")
    assert knock(tls, "CP-1", one) == 101
    assert knock(tls, "CP-2", one) == 403  # not even while its door is open to all
    assert knock(tls, "CP-2", authority.trusted(lost)) == 403
    assert knock(tls, "CP-1", authority.trusted(lost)) == 403
    assert security(server, "CP-2")["profile"] == 0


def test_certificates_that_are_not_valid(
    server: Serving, authority: Authority, tmp_path: Path
) -> None:
    tls = tls_port(server)
    foreign = Authority(tmp_path, "foreign")
    for client in (authority.client("OLD", days=-1), foreign.client("STRANGER")):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            knock(tls, "CP-1", authority.trusted(client))
    with pytest.raises(ssl.SSLCertVerificationError):  # a charger that trusts another authority
        knock(tls, "CP-1", foreign.trusted())
    assert knock(tls, "CP-1", authority.trusted()) == 101
    for words in ("certificate has expired", "unable to get local issuer certificate"):
        server.wait_line(
            "handshake refused",
            reason=f"the TLS handshake failed: the client certificate is not valid: {words}",
        )


def test_a_server_of_another_name_is_refused_by_its_client(
    tmp_path: Path, authority: Authority
) -> None:
    other = authority.server("other.example")
    with (
        serving(tmp_path / "site.db", "--tls-port", "0", "--tls-cert", str(other)) as server,
        pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"),
    ):
        knock(tls_port(server), "CP-1", authority.trusted())


def test_the_ocpp_packages_client_with_a_password(server: Serving, authority: Authority) -> None:
    add(server, "CP-1")
    password = PASSWORD.replace(" ", "%20")
    url = f"wss://CP-1:{password}@localhost:{tls_port(server)}/ws"
    command = [
        sys.executable,
        str(ROOT / "tests/integration/ocpp_charge_point.py"),
        url,
        "CP-1",
        "{}",
    ]
    trusting = {**environment(), "SSL_CERT_FILE": str(authority.path)}
    with subprocess.Popen(command, env=trusting, stdout=subprocess.PIPE, text=True) as client:
        try:
            assert client.stdout is not None
            assert json.loads(client.stdout.readline()) == {"booted": "CP-1"}
            assert (
                server.wait_line("ChargerConnected", charger="CP-1")["remote_address"]
                == "127.0.0.1"
            )
            assert security(server, "CP-1")["profile"] == 2
        finally:
            client.kill()


# What is no handshake


def test_half_handshakes_and_what_is_none(server: Serving, authority: Authority) -> None:
    tls, hello = tls_port(server), bytes((0x16, 3, 1, 0, 200, 1))
    half = socket.create_connection(("127.0.0.1", tls))
    half.sendall(hello)
    with socket.create_connection(("127.0.0.1", tls), SECONDS) as rude:
        rude.sendall(b"\x16\x03\x01garbage" * 50)
        assert rude.recv(100)[:1] == b"\x15"  # an alert
    with socket.create_connection(("127.0.0.1", tls), SECONDS) as plain:
        plain.sendall(upgrade_request("/ws/CP-1", tls))
        assert b" 400 " in plain.recv(1000)
    assert knock(tls, "CP-1", authority.trusted()) == 101
    half.settimeout(SECONDS)
    assert half.recv(100) == b""
    half.close()
    server.wait_line("handshake refused", status=0, reason="The request was not complete in time.")


def test_without_tls_a_client_hello_is_a_clear_line(tmp_path: Path) -> None:
    with serving(tmp_path / "site.db") as server:
        assert "wrong version number" in s_client(server.port)
        assert "TLS is not configured" in str(server.wait_line("handshake refused")["reason"])


# Files


def test_renewed_files_are_used_without_dropping_anyone(
    tmp_path: Path, authority: Authority
) -> None:
    path, key = authority.server(), tmp_path / "key.pem"
    key.write_bytes(path.read_bytes())
    pair = ("--tls-cert", str(path), "--tls-key", str(key))
    with serving(tmp_path / "site.db", "--tls-port", "0", *pair, may_log_errors=True) as server:
        tls = tls_port(server)
        first = serial(tls, authority)
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            authority.server()  # the chain without its key
            server.wait_line("the changed TLS files cannot be used; the ones before stay in use")
            assert serial(tls, authority) == first
            key.write_bytes(path.read_bytes())
            server.wait_line("the TLS files have changed; later handshakes use them")
            assert serial(tls, authority) != first
            charger.call("Heartbeat")


def serial(port: int, authority: Authority) -> str:
    with (
        socket.create_connection(("127.0.0.1", port), SECONDS) as plain,
        authority.trusted().wrap_socket(plain, server_hostname="localhost") as stream,
    ):
        found = stream.getpeercert()
        assert found is not None
        return str(found["serialNumber"])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--tls-port", "0"), "TLS needs a certificate"),
        (("--tls-cert", "root.pem"), "cannot use the certificate"),
        (("--tls-cert", "server.pem", "--tls-key", "rsa.pem"), "cannot use the certificate"),
    ],
)
def test_files_that_do_not_fit_end_the_start(
    tmp_path: Path, authority: Authority, flags: tuple[str, ...], words: str
) -> None:
    authority.server()
    authority.server(is_rsa=True, file="rsa.pem")
    done = run_forked(("serve", "--port", "0", *flags), tmp_path, environment(), 60)
    assert (done.returncode, words in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr
