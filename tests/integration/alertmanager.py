"""A real Alertmanager, as Debian packages it, and whom it tells: a webhook and a mail server that
keep all of it."""

from __future__ import annotations

import email
import json
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from tests.ports import free_port

from .prometheus import wait_for

NTFY = "https://ntfy.sh/YOUR-TOPIC"
END_SECONDS = 60


class Phone:
    """What ntfy would get."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        phone = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                phone.told.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)


class Mailbox:
    """What a mail server would get: as much SMTP as Alertmanager speaks (RFC 5321)."""

    def __init__(self) -> None:
        self.mails: list[Message] = []
        box = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self._say(220)
                while command := self.rfile.readline()[:4].upper():
                    if command == b"DATA":
                        self._say(354)
                        box.mails.append(email.message_from_bytes(b"".join(self._lines())))
                    self._say(221 if command == b"QUIT" else 250)

            def _lines(self) -> Iterator[bytes]:
                """Yield the lines of a mail; one that was cut off ends with its connection."""
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    yield line

            def _say(self, code: int) -> None:
                self.wfile.write(f"{code} ok\r\n".encode())

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)


class Alertmanager:
    """One that runs."""

    def __init__(self, port: int, phone: Phone, mailbox: Mailbox) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self.phone = phone
        self.mailbox = mailbox

    def tell(self, *alerts: dict[str, str]) -> None:
        """Let these fire, as Prometheus does; each by its labels."""
        told = [
            {
                "labels": labels,
                "annotations": {"summary": summary(labels), "description": "Look at it."},
            }
            for labels in alerts
        ]
        self._ask("/api/v2/alerts", json.dumps(told).encode())

    def suppressed(self) -> set[str]:
        """The names of the alerts that another one inhibits."""
        alerts = json.loads(self._ask("/api/v2/alerts"))
        return {one["labels"]["alertname"] for one in alerts if one["status"]["inhibitedBy"]}

    def is_ready(self) -> bool:
        try:
            return bool(self._ask("/-/ready"))
        except URLError:
            return False

    def _ask(self, path: str, body: bytes | None = None) -> bytes:
        request = Request(self._url + path, body, {"Content-Type": "application/json"})  # noqa: S310 - it is http
        with urlopen(request, timeout=END_SECONDS) as answer:  # noqa: S310
            told: bytes = answer.read()
        return told


def summary(labels: dict[str, str]) -> str:
    return f"{labels['alertname']} of {labels.get('cp_id', 'all')}"


@contextmanager
def alertmanager(config: Path) -> Iterator[Alertmanager]:
    """With the file of `levity-trio deploy`, but for whom it tells, and that no test waits for a
    minute."""
    phone, mailbox, port = Phone(), Mailbox(), free_port()
    mail_host = f"127.0.0.1:{mailbox.server.server_address[1]}"
    changes = {
        NTFY: f"http://127.0.0.1:{phone.server.server_address[1]}/",
        "YOUR-MAIL-SERVER:587": mail_host,
        "YOUR-ADDRESS": "levity@example.org",
        "  smtp_auth_username:": "  smtp_require_tls: false\n  # smtp_auth_username:",
        "  smtp_auth_password_file:": "  # smtp_auth_password_file:",
        "group_wait: 45s": "group_wait: 1s",
        "group_wait: 10s": "group_wait: 0s",
    }
    text = config.read_text()
    for before, after in changes.items():
        assert before in text, before
        text = text.replace(before, after)
    config.write_text(text)
    with ExitStack() as stack:
        for server in (phone.server, mailbox.server):
            stack.enter_context(_serving(server))
        stack.enter_context(_running(config, port))
        running = Alertmanager(port, phone, mailbox)
        wait_for(running.is_ready, "Alertmanager is ready")
        yield running


@contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    with server:
        thread.start()
        try:
            yield
        finally:
            server.shutdown()


@contextmanager
def _running(config: Path, port: int) -> Iterator[None]:
    flags = (
        f"--config.file={config}",
        f"--storage.path={config.parent / 'alertmanager'}",
        "--cluster.listen-address=",
    )
    command = ["prometheus-alertmanager", *flags, f"--web.listen-address=127.0.0.1:{port}"]
    with (config.parent / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(END_SECONDS)
