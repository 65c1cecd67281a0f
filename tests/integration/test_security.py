"""The doors of chargers over the API and the shell, and simulated chargers at every profile."""

from __future__ import annotations

import json
import subprocess
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from levity_trio.cli.operator import SERVER
from levity_trio.client import Api, Refusal
from tests.integration.websocket import upgrade_request

from .charger import Charger, NoWebSocket
from .keys import Authority
from .serving import PROGRAM, READY_SECONDS, Serving, environment, serving

Shell = Callable[..., int]
LOOK_SECONDS = 0.1


def connect(server: Serving, charger: str, password: str | None = None) -> Charger:
    """Connect with a password, hexadecimal."""
    head = upgrade_request(f"/ws/{charger}", server.port)
    if password is not None:
        token = b64encode(charger.encode() + b":" + bytes.fromhex(password))
        head = head[:-2] + b"Authorization: Basic " + token + b"\r\n\r\n"
    return Charger(server.port, charger, head)


def test_a_charger_gets_a_password_and_is_readmitted(
    server: Serving, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*arguments: str) -> dict[str, Any]:
        capsys.readouterr()
        assert shell("charger", *arguments, "--json") == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    with connect(server, "CP-1") as charger:
        charger.boot()
        password = told("password", "CP-1")["password"]
        assert told("security", "CP-1")["profile"] == 0
    with connect(server, "CP-1", password) as charger:
        charger.boot()
        found = told("security", "CP-1")
        assert (found["profile"], found["last_use"]["proof"], len(found["passwords"])) == (
            1,
            "password",
            1,
        )
        newer = told("password", "CP-1", "--drop-old")["password"]
        assert charger.wait_closed().code == 1008
    for wrong in (None, password):
        with pytest.raises(NoWebSocket) as refused:
            connect(server, "CP-1", wrong)
        assert refused.value.status == 401
    told("readmit", "CP-1")
    with connect(server, "CP-1") as charger:
        charger.boot()
    with connect(server, "CP-1", newer) as charger:
        charger.boot()
    capsys.readouterr()
    assert shell("charger", "security", "CP-1") == 0
    shown = capsys.readouterr().out
    assert "last proof" in shown
    assert not any(secret in shown + str(server.lines) for secret in (password, newer))


def test_what_cannot_be_done_is_said(
    server: Serving, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (("security", "NOBODY"), ("password", "NOBODY"), ("readmit", "NOBODY")):
        assert shell("charger", *arguments) == 2
        assert "there is no charger NOBODY" in capsys.readouterr().err
    api = Api(f"unix:{server.database}.sock", SERVER, None)
    api.ask("POST", "admin", "chargers", given={"id": "CP-9"})
    with pytest.raises(Refusal, match="no password, so that profile 2 would lock it out"):
        api.ask("PUT", "admin", "chargers", "CP-9", "security", given={"profile": 2})
    with pytest.raises(Refusal):
        api.ask("POST", "admin", "chargers", "CP-9", "password", given={"password": "too short"})


def test_roles_and_the_record(tmp_path: Path) -> None:
    """Only an admin opens and shuts doors, and the record of it holds no password."""
    with serving(tmp_path / "site.db") as server:
        admin = Api(f"unix:{server.database}.sock", SERVER, None)
        admin.ask("POST", "admin", "chargers", given={"id": "CP-1"})
        url = str(server.wait_line("serving the operator API")["address"]).removesuffix("/api/docs")
        token = admin.ask("POST", "admin", "tokens", given={"name": "ben", "role": "operator"})[
            "token"
        ]
        operator = Api(url, SERVER, token)
        assert operator.ask("GET", "admin", "chargers", "CP-1", "security")["profile"] == 0
        for path, given in (("password", {"password": "ab" * 20}), ("readmit", {})):
            with pytest.raises(Refusal) as refused:
                operator.ask("POST", "admin", "chargers", "CP-1", path, given=given)
            assert refused.value.status == 403
        admin.ask("POST", "admin", "chargers", "CP-1", "password", given={"password": "ab" * 20})
        record = json.dumps(admin.ask("GET", "admin", "audit"))
        assert "/api/admin/chargers/CP-1/password" in record
        assert "abab" not in record


@contextmanager
def simulated(*options: str) -> Iterator[None]:
    """One simulated charger, while the block runs."""
    command = [*PROGRAM, "simulate", "--scenario", "idle", "--chargers", "1", *options]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


def test_simulated_chargers_at_every_profile(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    flags = ("--tls-cert", str(authority.server()), "--tls-client-ca", str(authority.path))
    with serving(tmp_path / "site.db", *flags) as server:
        admin = Api(f"unix:{server.database}.sock", SERVER, None)
        admin.ask("POST", "admin", "chargers", given={"id": "SIM-001"})
        password = admin.ask("POST", "admin", "chargers", "SIM-001", "password", given={})[
            "password"
        ]
        plain, tls = (f"{scheme}://localhost:{server.port}/ws/" for scheme in ("ws", "wss"))
        secret, trust = ("--password", password), ("--ca", str(authority.path))
        for profile, options in enumerate(((plain,), (plain, *secret), (tls, *secret, *trust))):
            with simulated("--url", *options):
                reached(server, profile)
        authority.client("SIM-001")
        with simulated("--url", tls, *secret, *trust, "--client-cert", str(tmp_path / "{id}.pem")):
            # a certificate that nobody has adopted proves nothing
            reached(server, 2, connections=4)


def reached(server: Serving, profile: int, connections: int | None = None) -> None:
    """Wait for the connection of the simulated charger, and look at its profile."""
    expected, deadline = connections or profile + 1, time.monotonic() + READY_SECONDS
    while len(server.find("ChargerBooted")) < expected:
        assert time.monotonic() < deadline, server.lines[-5:]
        time.sleep(LOOK_SECONDS)
    found = Api(f"unix:{server.database}.sock", SERVER, None).ask(
        "GET", "admin", "chargers", "SIM-001", "security"
    )
    assert found["last_use"]["profile"] == profile
