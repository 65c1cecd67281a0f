"""A server for the commands of an operator, that records what it is sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any, NamedTuple

ADMIN = "/api/admin/"


class Sent(NamedTuple):
    """A request, and its body."""

    request: str
    body: Any


Answer = Callable[[Sent], tuple[int, bytes]]
"""Returns the status and the content of what is answered."""


class Recorder(HTTPServer):
    """What was sent, and what is answered."""

    def __init__(self, answered: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Recording)
        self.sent: list[Sent] = []
        self.answered = answered


class _Recording(BaseHTTPRequestHandler):
    server: Recorder

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        body = json.loads(raw) if raw.startswith(b"{") else raw.decode() or None
        sent = Sent(f"{self.command} {self.path.removeprefix(ADMIN)}", body)
        self.server.sent.append(sent)
        status, content = self.server.answered(sent)
        self.send_response(status)
        self.send_header("Time-Zone", "Europe/Berlin")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - as http.server says

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@contextmanager
def recording(answered: Answer) -> Iterator[Recorder]:
    """Serve on `server_port` while this is open."""
    with Recorder(answered) as recorder:
        thread = Thread(target=recorder.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield recorder
        finally:
            recorder.shutdown()
            thread.join()
