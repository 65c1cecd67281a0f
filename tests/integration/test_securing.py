"""`charger secure` with a real charger: every profile up, with every answer, and no profile down
(A05)."""

from __future__ import annotations

import json
import shutil
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from levity_trio.authority.issuing import create_root, create_server_certificates
from levity_trio.cli import main
from levity_trio.client import Refusal
from levity_trio.config import certificates_folder
from tests.integration.charger import Charger, Closed, NoWebSocket
from tests.integration.foreign import api_of
from tests.integration.secured import Answer, Secured
from tests.integration.serving import Serving, serving

OPERATOR = "Haus am Park"
PATIENCE_SECONDS, LOOK_SECONDS = 20.0, 0.05
TLS = ("--tls-port", "0")
LAST = ["SecurityProfile"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new authority and the certificates of the server. To find their keys takes longer than a
    server to start."""
    create_root(
        folder := tmp_path_factory.mktemp("authority") / "certificates", OPERATOR, datetime.now(UTC)
    )
    create_server_certificates(folder, ["127.0.0.1", "localhost"], datetime.now(UTC))
    return folder


@pytest.fixture
def database(tmp_path: Path, authority: Path) -> Path:
    shutil.copytree(authority, certificates_folder(tmp_path / "site.db"))
    return tmp_path / "site.db"


@pytest.fixture
def server(database: Path) -> Iterator[Serving]:
    with serving(database, *TLS) as running:
        yield running


@pytest.fixture
def secured(tmp_path: Path) -> Secured:
    return Secured(tmp_path)


def ask(
    server: Serving, method: str, given: dict[str, Any] | None = None, charger: str = "CP-1"
) -> dict[str, Any]:
    found = api_of(server).ask(
        method, "admin", "chargers", charger, "security-profile", given=given
    )
    assert isinstance(found, dict)
    return found


def begin(server: Serving, profile: int, charger: str = "CP-1", **given: Any) -> dict[str, Any]:
    return ask(server, "POST", {"profile": profile, **given}, charger)


def comes_to(server: Serving, state: str, charger: str = "CP-1") -> bool:
    """Wait until the last plan is in this state."""
    until = time.monotonic() + PATIENCE_SECONDS
    while (
        now := ask(server, "GET", charger=charger)["state"]
    ) != state and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
    return bool(now == state)


def step(server: Serving, name: str) -> dict[str, Any]:
    (found,) = [one for one in ask(server, "GET")["steps"] if one["step"] == name]
    return dict(found)


def raised(server: Serving, secured: Secured, profile: int, present: int = 0) -> None:
    """Raise it, and come back with it."""
    with secured.connect(server, present) as charger:
        begin(server, profile, secured.identity)
        secured.obey(charger, lambda: secured.heard[-1:] == LAST)
    with secured.connect(server, profile) as charger:
        charger.call("Heartbeat")
    assert comes_to(server, "done", secured.identity)


STEPS = {
    1: ["AuthorizationKey"],
    2: ["AuthorizationKey", "InstallCertificate"],
    3: ["CpoName", "InstallCertificate", "ExtendedTriggerMessage", "CertificateSigned"],
}


@pytest.mark.parametrize("profile", [1, 2, 3])
def test_a_profile_is_raised_in_order_and_holds_from_the_first_connection(
    server: Serving, secured: Secured, profile: int
) -> None:
    with secured.connect(server) as charger:
        begin(server, profile)
        secured.answers["SecurityProfile"] = {"status": "RebootRequired"}
        secured.obey(charger, lambda: secured.heard[-1:] == LAST)
        assert secured.heard == STEPS[profile] + LAST
        charger.call("Heartbeat")
    assert comes_to(server, "waits")
    assert "Reset type=Soft" in step(server, "connection")["words"]
    with secured.connect(server) as charger:  # the old door stays open until then
        charger.call("Heartbeat")
    with secured.connect(server, profile) as charger:
        charger.call("Heartbeat")
        assert server.wait_line("SecuringEnded")["result"] == "done"
    assert comes_to(server, "done")
    assert server.query("SELECT profile FROM session ORDER BY id DESC LIMIT 1") == [(profile,)]
    with pytest.raises(NoWebSocket, match="401"):
        secured.connect(server)
    assert secured.configuration.get("AuthorizationKey", "none") not in json.dumps(server.lines)


def test_every_profile_up_one_after_the_other(server: Serving, secured: Secured) -> None:
    for profile in (1, 2, 3):
        secured.heard.clear()
        raised(server, secured, profile, profile - 1)
    for lower in (0, 1, 2):
        with pytest.raises(NoWebSocket, match="401"):
            secured.connect(server, lower)


def test_a_stranger_with_the_same_identity_is_refused_at_every_door(
    server: Serving, secured: Secured, tmp_path: Path
) -> None:
    raised(server, secured, 3)
    stranger = Secured(tmp_path, identity="CP-2", root=secured.root)
    raised(server, stranger, 3)
    stranger.identity = "CP-1"
    with pytest.raises(NoWebSocket, match="403"):
        stranger.connect(server, 3)
    with secured.connect(server, 3) as charger:
        charger.call("Heartbeat")


@pytest.mark.parametrize(
    ("answers", "failed", "words"),
    [
        ({"AuthorizationKey": {"status": "Rejected"}}, "password", "answered Rejected"),
        ({"AuthorizationKey": {"status": "NotSupported"}}, "password", "answered NotSupported"),
        ({"InstallCertificate": {"status": "Failed"}}, "root certificate", "answered Failed"),
        ({"SecurityProfile": {"status": "Rejected"}}, "security profile", "answered Rejected"),
    ],
    ids=str,
)
def test_what_failed_is_told_and_it_can_be_begun_again(
    server: Serving, secured: Secured, answers: dict[str, Answer], failed: str, words: str
) -> None:
    secured.answers = dict(answers)
    with secured.connect(server) as charger:
        begin(server, 2)
        secured.obey(charger, lambda: not secured.answers)
        stopped = server.wait_line("SecuringStopped")
        found = ask(server, "GET")
        assert (stopped["step"], found["state"]) == (failed, "failed")
        assert words in stopped["words"] == found["problem"] == step(server, failed)["words"]
        secured.heard.clear()
        again = begin(server, 2)
        assert again["id"] > found["id"]
        secured.obey(charger, lambda: secured.heard[-1:] == LAST)
        assert secured.heard == STEPS[2] + LAST
    with secured.connect(server, 2) as charger:
        charger.call("Heartbeat")
    assert comes_to(server, "done")


@pytest.mark.parametrize("used", ["old", "new"])
@pytest.mark.parametrize("answer", [{"status": "RebootRequired"}, None], ids=["reboot", "silence"])
def test_while_nobody_knows_which_password_it_has_both_open_the_door(
    server: Serving, secured: Secured, answer: Answer, used: str
) -> None:
    raised(server, secured, 1)
    old = secured.configuration["AuthorizationKey"]
    secured.answers["AuthorizationKey"] = answer
    with secured.connect(server, 1) as charger:
        begin(server, 1)
        secured.heard.clear()
        secured.obey(charger, lambda: secured.heard == ["AuthorizationKey"])
        charger.call("Heartbeat")
        new = secured.configuration["AuthorizationKey"]
    secured.configuration["AuthorizationKey"] = {"old": old, "new": new}[used]
    with secured.connect(server, 1) as charger:
        charger.send("Heartbeat")


def test_the_same_wish_twice_is_one(server: Serving, secured: Secured) -> None:
    with secured.connect(server) as charger:
        first = begin(server, 2)
        assert begin(server, 2)["id"] == first["id"]
        secured.obey(charger, lambda: secured.heard[-1:] == LAST)
        assert begin(server, 2)["id"] == first["id"]
        assert begin(server, 1)["id"] > first["id"]
    assert [
        one["state"] for one in api_of(server).ask("GET", "admin", "security-profiles")["data"]
    ][1] == "replaced"


def test_it_survives_a_power_cut_and_the_chargers_absence(database: Path, secured: Secured) -> None:
    with serving(database, *TLS) as server:
        with secured.connect(server):
            pass
        begin(server, 3)
        with secured.connect(server) as charger:
            secured.obey(charger, lambda: secured.heard[-1:] == ["InstallCertificate"])
            server.kill()
    secured.answers["CpoName"] = {"status": "Rejected"}  # it is not sent again
    with serving(database, *TLS) as server:
        with secured.connect(server) as charger:
            secured.obey(charger, lambda: secured.heard[-1:] == LAST)
        with secured.connect(server, 3) as charger:
            charger.call("Heartbeat")
        assert comes_to(server, "done")
    assert secured.heard.count("CpoName") == 1


def test_a_step_whose_connection_ended_is_sent_again(server: Serving, secured: Secured) -> None:
    with secured.connect(server) as charger:
        begin(server, 2)
        assert charger.receive()[2] == "ChangeConfiguration"
        charger.vanish()
    with secured.connect(server) as charger:
        secured.obey(charger, lambda: secured.heard[-1:] == LAST)
    with secured.connect(server, 2) as charger:
        charger.call("Heartbeat")
    assert comes_to(server, "done")


def test_a_vendors_own_address_is_set_before_the_profile(server: Serving, secured: Secured) -> None:
    secured.vendor = "Grizzl-E"
    with secured.connect(server) as charger:
        found = begin(server, 2, address="wss://levity.local:9443/ocpp/")
        assert found["address"] == "wss://levity.local:9443/ocpp/"
        secured.obey(charger, lambda: secured.heard[-1:] == LAST)
    assert secured.heard == [*STEPS[2], "ServerUrl", *LAST]
    assert secured.configuration["ServerUrl"] == "wss://levity.local:9443/ocpp/"


def test_a_charger_that_keeps_its_address_dials_tls_at_the_plain_port(
    server: Serving, secured: Secured
) -> None:
    secured.vendor, secured.answers = "Grizzl-E", {"ServerUrl": {"status": "NotSupported"}}
    with secured.connect(server) as charger:
        begin(server, 2, address="wss://levity.local:9443/ocpp/")
        secured.obey(charger, lambda: secured.heard[-1:] == LAST)
    with secured.connect(server, 2, server.port) as charger:
        charger.call("Heartbeat")
    assert comes_to(server, "done")
    assert step(server, "address")["state"] == "skipped"


def test_a_revoked_certificate_ends_its_session_and_opens_nothing(
    server: Serving, secured: Secured
) -> None:
    raised(server, secured, 3)
    with secured.connect(server, 3) as charger:
        charger.call("Heartbeat")
        api_of(server).ask(
            "POST", "admin", "certificates", "1", "revoke", given={"reason": "stolen"}
        )
        assert charger.wait_closed().code == 1008
    with pytest.raises((NoWebSocket, Closed, ssl.SSLError, ConnectionError)):
        secured.connect(server, 3)


def test_a_lower_profile_is_not_sent(
    server: Serving, secured: Secured, capsys: pytest.CaptureFixture[str]
) -> None:
    raised(server, secured, 2)
    with pytest.raises(Refusal, match="a lower one is not sent"):
        begin(server, 1)
    shell = ("charger", "secure", "CP-1", "--api", f"unix:{server.database}.sock")
    assert main([*shell, "--profile", "0"]) == 0
    assert "may connect with security profile 0" in capsys.readouterr().out
    with secured.connect(server) as charger:
        charger.call("Heartbeat")
    server.wait_line("ProfileChanged", by="local admin")


def test_the_shell_shows_where_it_stands(
    server: Serving, secured: Secured, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = ("charger", "secure", "CP-1", "--api", f"unix:{server.database}.sock")
    with secured.connect(server) as charger:
        assert main([*shell, "--profile", "2", "--wait", "0"]) == 0
        secured.answers["InstallCertificate"] = {"status": "Rejected"}
        secured.obey(charger, lambda: secured.heard[-1:] == ["InstallCertificate"])
        server.wait_line("SecuringStopped")
        charger.call(
            "SecurityEventNotification", type="MemoryExhaustion", timestamp="2026-01-01T00:00:00Z"
        )
    capsys.readouterr()
    assert main(list(shell)) == 3
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "CP-1: security profile 2: failed"
    assert told[2].split()[:2] == ["password", "done"]
    words = " ".join(told)
    assert "root certificate: the charger answered Rejected" in words
    assert "the charger reported MemoryExhaustion at" in words
    assert main([*shell, "--address", "wss://a/ws/"]) == 2
    assert main([*shell, "--profile", "2", "--address", "wss://a/ws/"]) == 2
    assert "enter it at the charger itself" in capsys.readouterr().err
    assert main([*shell, "--cancel"]) == 0
    assert capsys.readouterr().out.startswith("CP-1: security profile 2: cancelled")


@pytest.mark.parametrize(
    ("flags", "profile", "words"),
    [((), 2, "--tls-port"), ((), 3, "--tls-port")],
)
def test_what_the_server_lacks_is_said(
    database: Path, flags: tuple[str, ...], profile: int, words: str
) -> None:
    with serving(database, *flags) as server, Charger(server.port, "CP-1") as charger:
        charger.boot()
        with pytest.raises(Refusal, match=words):
            begin(server, profile)
        with pytest.raises(Refusal, match="there is no charger NOBODY"):
            ask(server, "POST", {"profile": 1}, "NOBODY")
