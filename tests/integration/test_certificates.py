"""SignCertificate to CertificateSigned against a spawned server, with real requests and `openssl`
(A02)."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from levity_trio.authority.folder import ROOT, ROOT_KEY
from levity_trio.authority.issuing import create_root
from levity_trio.cli import main
from levity_trio.client import Refusal
from levity_trio.config import certificates_folder
from levity_trio.wire.times import stamp
from tests.authority.requests import Key, csr, ec_key, with_broken_signature
from tests.integration.charger import Charger
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, serving

OPERATOR = "Haus am Park"
SERIAL = "SN-0001"
ACCEPTED = {"status": "Accepted"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new authority. To find its key takes longer than a server to start."""
    create_root(
        folder := tmp_path_factory.mktemp("authority") / "certificates", OPERATOR, datetime.now(UTC)
    )
    return folder


@pytest.fixture
def database(tmp_path: Path, authority: Path) -> Path:
    """A database that has an authority beside it."""
    shutil.copytree(authority, certificates_folder(tmp_path / "site.db"))
    return tmp_path / "site.db"


@pytest.fixture
def server(database: Path) -> Iterator[Serving]:
    with serving(database, "--response-timeout", "5") as running:
        yield running


@contextmanager
def charger(
    server: Serving, identity: str = "CP-1", serial: str = SERIAL, *, asked: bool = True
) -> Iterator[Charger]:
    """A booted charger, which was asked for a request unless the test says otherwise."""
    with Charger(server.port, identity) as connected:
        boot = {
            "chargePointVendor": "V",
            "chargePointModel": "M",
            "chargePointSerialNumber": serial,
        }
        connected.call("BootNotification", **boot)
        if asked:
            ask_for_request(server, connected)
        yield connected


def ask_for_request(server: Serving, connected: Charger) -> None:
    """An operator asks for it; the charger agrees."""
    payload = {"requestedMessage": "SignChargePointCertificate"}
    path = ("admin", "chargers", connected.identity, "extended-trigger-message")
    api_of(server).ask("POST", *path, given=payload, headers={"Prefer": "respond-async"})
    kind, number, action, _ = connected.receive()
    assert (kind, action) == (2, "ExtendedTriggerMessage")
    connected.send_text(f'[3,"{number}",{{"status":"Accepted"}}]')


def sign(connected: Charger, request: str) -> str:
    return str(connected.call("SignCertificate", csr=request)["status"])


def take(connected: Charger, answer: str = "Accepted") -> str:
    """Receive CertificateSigned and answer it; gives the chain."""
    kind, number, action, payload = connected.receive()
    assert (kind, action) == (2, "CertificateSigned")
    connected.send_text(f'[3,"{number}",{{"status":"{answer}"}}]')
    return str(payload["certificateChain"])


def requests_of(server: Serving, identity: str = "CP-1") -> list[dict[str, Any]]:
    found = api_of(server).ask("GET", "admin", "chargers", identity, "certificate-requests")
    return list(found["data"])


def certificates_of(server: Serving, identity: str = "CP-1") -> list[dict[str, Any]]:
    return list(api_of(server).ask("GET", "admin", "chargers", identity, "certificates")["data"])


def test_a_charger_gets_its_certificate(server: Serving, tmp_path: Path) -> None:
    key = ec_key()
    with charger(server) as connected:
        assert sign(connected, csr(SERIAL, OPERATOR, key)) == "Accepted"
        chain = take(connected)
        delivered = server.wait_line("CertificateDelivered")
    (path := tmp_path / "charger.pem").write_text(chain)
    root = certificates_folder(server.database) / ROOT
    command = [
        "openssl",
        "verify",
        "-x509_strict",
        "-CAfile",
        str(root),
        "-purpose",
        "sslclient",
        str(path),
    ]
    assert (
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
        == f"{path}: OK\n"
    )
    assert x509.load_pem_x509_certificate(chain.encode()).public_key() == key.public_key()
    ((certificate,), (request,)) = certificates_of(server), requests_of(server)
    assert delivered["result"] == request["result"] == "installed"
    assert request["certificate"] == certificate["id"]
    assert (certificate["pem"], certificate["charger"], certificate["revoked_at"]) == (
        chain,
        "CP-1",
        None,
    )
    command_row = api_of(server).ask("GET", "admin", "commands", query={"charger": "CP-1"})["data"][
        0
    ]
    assert (command_row["action"], command_row["state"]) == ("CertificateSigned", "accepted")
    assert (command_row["id"], command_row["asked_by"]) == (
        request["command"],
        "certificate authority",
    )


def _weak() -> Key:
    return rsa.generate_private_key(65537, 1024)  # noqa: S505 - it is to be refused


@pytest.mark.parametrize(
    ("request_text", "reason"),
    [
        (csr("SN-0002", OPERATOR), "does not contain the serial number SN-0001"),
        (csr(None, OPERATOR), "0 common names"),
        (csr(SERIAL, "Somebody"), "its O is 'Somebody' instead of 'Haus am Park'"),
        (csr(SERIAL, None), "set CpoName first"),
        (csr(SERIAL, OPERATOR, _weak()), "its RSA key has 1024 bits"),
        (with_broken_signature(csr(SERIAL, OPERATOR)), "its signature is wrong"),
        ("no PEM", "no certificate request in PEM"),
        ("x" * 50_000, "it has 50000 characters"),
    ],
    ids=["CN", "no CN", "O", "no O", "key", "signature", "text", "long"],
)
def test_a_request_that_is_not_signed_is_rejected_with_the_reason(
    server: Serving, request_text: str, reason: str
) -> None:
    with charger(server) as connected:
        assert sign(connected, request_text) == "Rejected"
        connected.call("Heartbeat")  # nothing came between
    assert reason in server.wait_line("CertificateRefused", charger="CP-1")["reason"]
    (request,) = requests_of(server)
    assert (request["result"], request["certificate"]) == ("rejected", None)
    assert reason in request["reason"]
    assert not certificates_of(server)


def test_an_admin_lets_a_name_through(server: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    """Its CN is its identity, and it boots with another serial number."""
    text = csr("CP-1", OPERATOR)
    with charger(server) as connected:
        assert sign(connected, text) == "Rejected"
        (request,) = requests_of(server)
        assert "levity-trio certificate allow" in request["reason"]
        allow = ["certificate", "allow", str(request["id"]), "--reason", "its maker names it so"]
        allow += ["--api", f"unix:{server.database}.sock"]
        assert main(allow) == 0
        assert "requestedMessage=SignChargePointCertificate" in capsys.readouterr().out
        line = server.wait_line("CertificateNameAllowed")
        assert (line["request"], line["name"], line.get("reason")) == (request["id"], "CP-1", None)
        assert sign(connected, text) == "Accepted"
        take(connected)
        assert server.wait_line("CertificateDelivered")["result"] == "installed"
    (certificate,) = certificates_of(server)
    assert certificate["subject"].endswith("CN=CP-1")
    assert server.query("SELECT status FROM operator_action WHERE path LIKE '%/allow'") == [(200,)]
    assert main(allow) != 0
    assert "ask the charger for a new request" in capsys.readouterr().err


def test_a_request_longer_than_ocpp_allows_is_signed(server: Serving) -> None:
    request = csr(SERIAL, OPERATOR, padding=3300)
    assert len(request) > 5500
    with charger(server) as connected:
        assert sign(connected, request) == "Accepted"
        subject = x509.load_pem_x509_certificate(take(connected).encode()).subject
    assert subject == x509.load_pem_x509_csr(request.encode()).subject


def test_the_same_request_brings_the_same_certificate(server: Serving) -> None:
    request = csr(SERIAL, OPERATOR)
    with charger(server) as connected:
        assert sign(connected, request) == "Accepted"
        first = take(connected)
        server.wait_line("CertificateDelivered")
        assert sign(connected, request) == "Accepted"
        assert take(connected) == first
        assert sign(connected, csr(SERIAL, OPERATOR)) == "Accepted"
        assert take(connected) != first
    assert len(certificates_of(server)) == 2


def test_a_key_of_another_charger_is_refused(server: Serving) -> None:
    key = ec_key()
    with charger(server) as connected:
        assert sign(connected, csr(SERIAL, OPERATOR, key)) == "Accepted"
        take(connected)
    with charger(server, "CP-2", "SN-0002") as thief:
        assert sign(thief, csr("SN-0002 SN-0001", OPERATOR, key)) == "Rejected"
    assert "a certificate of CP-1" in requests_of(server, "CP-2")[0]["reason"]


def test_nobody_who_only_claims_an_identity_gets_a_certificate(server: Serving) -> None:
    with charger(server, asked=False) as stranger:
        assert sign(stranger, csr(SERIAL, OPERATOR)) == "Rejected"
    assert "nobody asked for it" in requests_of(server)[0]["reason"]


def test_without_an_authority_it_is_rejected_and_with_one_the_server_loads_no_cryptography(
    tmp_path: Path,
) -> None:
    with serving(tmp_path / "site.db") as server:
        with charger(server) as connected:
            assert sign(connected, csr(SERIAL, OPERATOR)) == "Rejected"
        assert "certificate init" in requests_of(server)[0]["reason"]
        create_root(certificates_folder(server.database), OPERATOR, datetime.now(UTC))
        with charger(server) as connected:  # it is noticed without a restart
            assert sign(connected, csr(SERIAL, OPERATOR)) == "Accepted"
            take(connected)
        assert "cryptography" not in Path(f"/proc/{server.process.pid}/maps").read_text()


def test_a_charger_that_left_gets_it_when_it_is_back(server: Serving) -> None:
    with charger(server) as connected:
        assert sign(connected, csr(SERIAL, OPERATOR)) == "Accepted"
        connected.vanish()
    server.wait_line("CertificateIssued", charger="CP-1")
    with charger(server, asked=False) as connected:
        assert "BEGIN CERTIFICATE" in take(connected)
        assert server.wait_line("CertificateDelivered")["result"] == "installed"


def test_what_the_charger_did_not_answer_is_sent_again(server: Serving) -> None:
    with charger(server) as connected:
        assert sign(connected, csr(SERIAL, OPERATOR)) == "Accepted"
        assert connected.receive()[2] == "CertificateSigned"
        connected.vanish()
    with charger(server, asked=False) as connected:
        take(connected)
        server.wait_line("CertificateDelivered")
    assert requests_of(server)[0]["attempts"] == 2


def test_a_killed_server_goes_on(database: Path) -> None:
    """Whatever it was doing: what was answered with Accepted is sent by the next run."""
    with serving(database) as server, charger(server) as connected:
        assert sign(connected, csr(SERIAL, OPERATOR)) == "Accepted"
        server.kill()
    with serving(database) as server, charger(server, asked=False) as connected:
        take(connected)
        server.wait_line("CertificateDelivered")
        assert [one["result"] for one in requests_of(server)] == ["installed"]
        assert len(certificates_of(server)) == 1


def test_without_the_roots_key_it_waits_until_that_is_back(database: Path) -> None:
    key = certificates_folder(database) / ROOT_KEY
    content = key.read_bytes()
    with serving(database, may_log_errors=True) as server:
        with charger(server) as connected:
            key.unlink()
            assert sign(connected, csr(SERIAL, OPERATOR)) == "Accepted"
            assert (
                "root-key.pem is missing"
                in server.wait_line("no certificate can be issued")["reason"]
            )
        key.write_bytes(content)
        with charger(server, asked=False) as connected:
            take(connected)


def test_a_charger_is_asked_to_renew_its_certificate(database: Path) -> None:
    """Its certificate was made nine months ago; a year is its life."""
    with serving(database) as server, charger(server) as connected:
        assert sign(connected, csr(SERIAL, OPERATOR)) == "Accepted"
        take(connected)
        server.wait_line("CertificateDelivered")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DROP TRIGGER certificate_stays")
        connection.execute("DROP TRIGGER command_stays")
        begin, end = (stamp(datetime.now(UTC) + timedelta(days=days)) for days in (-275, 90))
        connection.execute("UPDATE certificate SET not_before = ?, not_after = ?", (begin, end))
        connection.execute("UPDATE command SET sent_at = ?", (begin,))
    with serving(database) as server, charger(server, asked=False) as connected:
        _, number, action, payload = connected.receive()
        assert (action, payload) == (
            "ExtendedTriggerMessage",
            {"requestedMessage": "SignChargePointCertificate"},
        )
        connected.send_text(f'[3,"{number}",{{"status":"Accepted"}}]')
        assert sign(connected, csr(SERIAL, OPERATOR)) == "Accepted"
        take(connected)
        server.wait_line("CertificateDelivered")
    assert len(server.query("SELECT 1 FROM certificate")) == 2


def test_a_charger_that_refuses_its_certificate(server: Serving) -> None:
    with charger(server) as connected:
        assert sign(connected, csr(SERIAL, OPERATOR)) == "Accepted"
        take(connected, "Rejected")
        assert server.wait_line("CertificateDelivered")["result"] == "refused"
        connected.call("Heartbeat")  # it is not sent again
    assert requests_of(server)[0]["result"] == "refused"


def test_a_charger_may_request_only_so_many(server: Serving) -> None:
    request, told, refused = csr("SN-2", OPERATOR, ec_key()), list[str](), 0
    with charger(server) as connected:
        while not refused and len(told) < 42:  # midnight may be among the first ones
            told += [sign(connected, request) for _ in range(21)]
            reasons = [one["reason"] for one in requests_of(server)]
            refused = reasons.count("more than 20 requests a day")
    assert {*told} == {"Rejected"}
    assert refused in range(1, 23)


def test_a_certificate_is_revoked_once(server: Serving) -> None:
    with charger(server) as connected:
        assert sign(connected, csr(SERIAL, OPERATOR)) == "Accepted"
        take(connected)
        server.wait_line("CertificateDelivered")
    api = api_of(server)
    revoked = api.ask("POST", "admin", "certificates", "1", "revoke", given={"reason": "sold"})
    assert (revoked["revoked_by"], revoked["reason"]) == ("local admin", "sold")
    assert server.wait_line("CertificateRevoked")["fingerprint"] == revoked["fingerprint"]
    for number, status in (("1", 409), ("2", 404)):
        with pytest.raises(Refusal) as refused:
            api.ask("POST", "admin", "certificates", number, "revoke", given={"reason": "again"})
        assert refused.value.status == status
