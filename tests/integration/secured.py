"""A charger that lets its security profile be raised: it keeps what it is told, and connects anew
with it."""

from __future__ import annotations

import json
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.authority.requests import csr, ec_key, key_text
from tests.integration.charger import ANSWER_SECONDS, Charger
from tests.integration.serving import Serving
from tests.integration.websocket import upgrade_request

SERIAL = "SN-0001"
Answer = Mapping[str, Any] | None
"""What it answers instead of accepting; None: nothing."""


@dataclass
class Secured:
    """The charger. `answers` are by action, or by the key of a ChangeConfiguration; each is used
    once."""

    folder: Path
    identity: str = "CP-1"
    vendor: str = "V"
    answers: dict[str, Answer] = field(default_factory=dict)
    configuration: dict[str, str] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    """The steps in the order in which they came."""
    root: str = ""
    chain: str = ""

    def __post_init__(self) -> None:
        self.key = ec_key()

    def connect(self, server: Serving, profile: int = 0, port: int | None = None) -> Charger:
        """Connect with a security profile, and boot; at this port, or at the one that is made for
        it."""
        port = port or (
            server.port if profile < 2 else int(server.wait_line("serving TLS")["port"])
        )
        head = upgrade_request(f"/ocpp/{self.identity}", port)
        if profile in (1, 2):
            password = bytes.fromhex(self.configuration["AuthorizationKey"])
            basic = b64encode(self.identity.encode() + b":" + password)
            head = head.replace(
                b"\r\nUpgrade:", b"\r\nAuthorization: Basic " + basic + b"\r\nUpgrade:"
            )
        charger = Charger(
            port, self.identity, head, tls=self.context(profile) if profile > 1 else None
        )
        boot = {
            "chargePointVendor": self.vendor,
            "chargePointModel": "M",
            "chargePointSerialNumber": SERIAL,
        }
        charger.call("BootNotification", **boot)
        return charger

    def context(self, profile: int) -> ssl.SSLContext:
        """Its trust in the root that was installed, and with profile 3 its certificate."""
        context = ssl.create_default_context(cadata=self.root)
        if profile == 3:
            (path := self.folder / f"{self.identity}.pem").write_bytes(
                key_text(self.key) + self.chain.encode()
            )
            context.load_cert_chain(path)
        return context

    def obey(self, charger: Charger, until: Callable[[], bool]) -> None:
        """Answer the server's calls until something is so."""
        began = time.monotonic()
        while not until():
            # our pings alone would go on for ever
            assert time.monotonic() < began + ANSWER_SECONDS, self.heard
            kind, number, *rest = charger.receive()
            if kind == 2:
                self._answer(charger, number, *rest)

    def _answer(self, charger: Charger, number: str, action: str, payload: dict[str, Any]) -> None:
        name = payload["key"] if action == "ChangeConfiguration" else action
        self.heard.append(name)
        answer = self.answers.pop(name, {"status": "Accepted"})
        if answer is None:
            return
        if answer.get("status") in ("Accepted", "RebootRequired"):
            self._keep(action, payload)
        charger.send_text(json.dumps([3, number, answer]))
        if action == "ExtendedTriggerMessage" and answer == {"status": "Accepted"}:
            charger.send(
                "SignCertificate", csr=csr(SERIAL, self.configuration.get("CpoName"), self.key)
            )

    def _keep(self, action: str, payload: dict[str, Any]) -> None:
        if action == "ChangeConfiguration":
            self.configuration[payload["key"]] = payload["value"]
        elif action == "InstallCertificate":
            self.root = payload["certificate"]
        elif action == "CertificateSigned":
            self.chain = payload["certificateChain"]
