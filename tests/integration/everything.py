"""All floods at once, as a program of its own: each type of message, each port, and what fills the
log.

python -m tests.integration.everything SECONDS PORTS, where PORTS is JSON: the port of each
listener, by name. Each flood has a thread. Who is thrown out comes again under another name. In the
end it prints as JSON how many messages or requests each flood sent, and how many bytes all of them.
"""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count, cycle
from typing import Any

from levity_trio.wire.payloads import CHARGER_ACTIONS
from tests.integration.websocket import TEXT, client_frame

from .charger import Charger, Closed, NoWebSocket, now
from .knocking import requests
from .serving import ROOT, environment

LONG, LARGEST, LARGE_EVERY = 600, 500_000, 50
CALL = 2
PATIENCE_SECONDS, AGAIN_SECONDS = 10.0, 0.05
SENDS_OF_ONE = 2_000
Ports = Mapping[str, int]


def texts(unique: int, length: int = 10) -> dict[str, Any]:
    """The properties of all messages that are texts."""
    names = (
        "chargePointVendor",
        "chargePointModel",
        "firmwareVersion",
        "idTag",
        "vendorId",
        "messageId",
        "data",
        "info",
    )
    more = ("vendorErrorCode", "type", "techInfo", "csr", "meterSerialNumber", "iccid")
    return {name: f"{unique}-{name}-".ljust(length, "\u00fc") for name in (*names, *more)}


def fields(action: str, unique: int) -> dict[str, Any]:
    """What a message of this type needs besides texts."""
    status = {
        "StatusNotification": ("Available", "Charging")[unique % 2],
        "DiagnosticsStatusNotification": "Uploading",
    }
    reading = {"timestamp": now(), "sampledValue": [{"value": str(unique)}]}
    return {
        "connectorId": 1 + unique % 3,
        "errorCode": "NoError",
        "status": status.get(action, ("Downloading", "Installing", "Uploading")[unique % 3]),
        "meterStart": unique,
        "meterStop": unique,
        "transactionId": unique,
        "timestamp": now(),
        "meterValue": [reading] * 20,
        "transactionData": [reading],
        "requestId": unique,
    }


def unusable(action: str, unique: int) -> str:
    """A large message of which nothing can be used."""
    ballast = f"{unique}" + "y" * LARGEST
    return (
        f'[2,"{unique}-u","{action}",{{"connectorId":"x","status":{unique},'
        f'"meterValue":"{ballast}"}}]'
    )


def messages(action: str) -> Iterator[str]:
    """Messages of one type, no two alike: ordinary, with long texts, too large, unusable, and
    damaged."""
    for unique in count(1):
        ordinary = fields(action, unique) | texts(unique)
        long = json.dumps(fields(action, unique) | texts(unique, LONG))
        ballast = f"{unique}" + "y" * LARGEST
        yield f'[2,"{unique}","{action}",{json.dumps(ordinary)}]'
        yield f'[2,"{unique}-l","{action}",{long}]'
        if unique % LARGE_EVERY == 1:
            yield f'[2,"{unique}-b","{action}",{json.dumps(ordinary | {"ballast": ballast})}]'
            yield unusable(action, unique)
            yield f'[2,"{unique}-d","{action}",{json.dumps(ordinary)[:-9]}'


class Floods:
    """The threads; `messages` counts by flood."""

    def __init__(self, ports: Ports, seconds: float) -> None:
        self.ports = ports
        self.until = time.monotonic() + seconds
        self.messages: Counter[str] = Counter()
        self.sent_bytes = 0
        self.numbers = count()

    def run(self) -> None:
        """Flood, until the time is up."""
        floods: dict[str, Callable[[], None]] = {
            action: self._of(action) for action in sorted(CHARGER_ACTIONS)
        }
        floods |= {
            "reconnecting": self._reconnect,
            "newcomers": self._newcomer,
            "large stops": self._large,
        }
        floods["large readings"] = self._unusable
        floods |= {"answers": self._answer, "commands": self._command}
        floods |= {
            f"{name} port": self._http(name)
            for name in ("files", "api", "drivers", "metrics", "control")
        }
        floods |= {
            "handshakes": self._knock("chargers"),
            "handshakes by TLS": self._knock("tls"),
            "TLS": self._by_tls,
        }
        self.messages.update(dict.fromkeys(floods, 0))
        threads = [threading.Thread(target=self._repeat, args=told) for told in floods.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _repeat(self, name: str, flood: Callable[[], None]) -> None:
        while time.monotonic() < self.until:
            self.messages[name] += 1
            # of a CALL instead of an answer
            with suppress(Closed, NoWebSocket, OSError, ValueError, AssertionError):
                flood()
            time.sleep(AGAIN_SECONDS)

    def _name(self, kind: str) -> str:
        return f"FLOOD-{kind}-{next(self.numbers)}"

    def _of(self, action: str) -> Callable[[], None]:
        told = messages(action)

        def flood() -> None:
            with Charger(self.ports["chargers"], self._name(action)) as charger:
                self._talk(charger, told, action)

        return flood

    def _talk(self, charger: Charger, told: Iterator[str], name: str) -> None:
        charger.socket.settimeout(PATIENCE_SECONDS)
        charger.boot()
        for _, text in zip(range(SENDS_OF_ONE), told, strict=False):
            if time.monotonic() > self.until:
                return
            data = client_frame(TEXT, text.encode())
            charger.socket.sendall(data)
            self.sent_bytes += len(data)
            self.messages[name] += 1
            charger.receive()

    def _reconnect(self) -> None:
        with Charger(self.ports["chargers"], "FLOOD-RECONNECT") as charger:
            charger.call("Heartbeat")

    def _newcomer(self) -> None:
        with Charger(self.ports["chargers"], self._name("NEW")) as charger:
            charger.boot()

    def _unusable(self) -> None:
        """One that began a transaction is heard sooner than others."""
        told = (unusable("MeterValues", number) for number in self.numbers)
        with Charger(self.ports["chargers"], self._name("UNUSABLE")) as charger:
            charger.boot()
            charger.start("T")
            self._talk(charger, told, "large readings")

    def _large(self) -> None:
        """A charger that has charged here may send more at once."""
        reading = {"timestamp": now(), "sampledValue": [{"value": "1", "location": "Body"}] * 10}
        with Charger(self.ports["chargers"], "FLOOD-LARGE") as charger:
            charger.socket.settimeout(PATIENCE_SECONDS * 4)
            charger.boot()
            for _ in range(50):
                number = next(self.numbers)
                stop = {
                    "transactionId": charger.start(f"T{number}"),
                    "meterStop": 2000,
                    "timestamp": now(),
                }
                text = json.dumps(
                    [
                        2,
                        str(number),
                        "StopTransaction",
                        stop | {"transactionData": [reading] * 1000},
                    ]
                )
                charger.socket.sendall(client_frame(TEXT, text.encode()))
                self.sent_bytes += len(text)
                self.messages["large stops"] += 1
                charger.receive()

    def _answer(self) -> None:
        """A charger that answers each command with as many keys as it can, which are others each
        time."""
        with Charger(self.ports["chargers"], "FLOOD-ANSWERS") as charger:
            charger.socket.settimeout(PATIENCE_SECONDS)
            charger.boot()
            while time.monotonic() < self.until:
                kind, number, *_ = charger.receive()
                if kind == CALL:
                    entries = [
                        {"key": f"{number}-{place}", "value": "v" * 300} for place in range(1000)
                    ]
                    charger.send_text(json.dumps([3, number, {"configurationKey": entries}]))
                    self.messages["answers"] += 1

    def _command(self) -> None:
        """An operator reads the configuration of that charger."""
        port = self.ports["api"]
        path = "/api/admin/chargers/FLOOD-ANSWERS/configuration/read"
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\n\r\n"
        self._ask("api", head.encode())

    def _by_tls(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        told = (
            text
            for each in zip(*(messages(action) for action in CHARGER_ACTIONS), strict=True)
            for text in each
        )
        with Charger(self.ports["tls"], self._name("TLS"), tls=context) as charger:
            self._talk(charger, told, "TLS")

    def _knock(self, port: str) -> Callable[[], None]:
        knocks = cycle(requests(self.ports[port], "KNOCK").values())
        return lambda: self._ask(port, next(knocks))

    def _http(self, name: str) -> Callable[[], None]:
        paths = cycle(
            (
                "/",
                "/api/v1/chargers",
                "/api/admin/tokens",
                "/login",
                "/metrics",
                "/chargers",
                "/f/" + "a" * 26,
            )
        )
        methods = cycle(("GET", "POST", "PUT", "DELETE", "X" * 2_000))

        def flood() -> None:
            method, number = next(methods), next(self.numbers)
            body = b"" if method == "GET" else b"z" * 100_000
            head = (
                f"{method} {next(paths)}{'?' if number % 2 else '/'}{number}{'p' * 4_000} "
                "HTTP/1.1\r\n"
                f"Host: 127.0.0.1:{self.ports[name]}\r\nAuthorization: Bearer "
                f"levity_1_{number}\r\n"
                f"X-Forwarded-For: 10.0.0.{number % 250}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            self._ask(name, head.encode() + body)

        return flood

    def _ask(self, port: str, data: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self.ports[port]), PATIENCE_SECONDS) as asked:
            self.sent_bytes += len(data)
            asked.sendall(data)
            asked.recv(65_536)


@contextmanager
def flooding(ports: Ports, seconds: float) -> Iterator[dict[str, Any]]:
    """All floods in another process, while the block runs; what they did is known after the
    block."""
    told: dict[str, Any] = {}
    command = [
        sys.executable,
        "-m",
        "tests.integration.everything",
        str(seconds),
        json.dumps(ports),
    ]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # it begins
            yield told
            told.update(json.loads(process.communicate(timeout=seconds + 60)[0]))
        finally:
            process.kill()


if __name__ == "__main__":
    print("begins", flush=True)
    floods = Floods(json.loads(sys.argv[2]), float(sys.argv[1]))
    floods.run()
    print(json.dumps({"messages": floods.messages, "sent_bytes": floods.sent_bytes}))
