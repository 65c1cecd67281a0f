"""Webhooks of a running server, added by the command line: delivered over a kill, only for admins,
without secrets."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.integration.charger import Charger
from tests.integration.foreign import api_of
from tests.integration.forking import run_forked
from tests.integration.serving import Serving, environment, serving
from tests.integration.test_api import ask, make_token
from tests.integration.test_operations import wait_for

WEBHOOKS = "/api/admin/webhooks"


class Receiver:
    """A receiver that is not ours. It answers `status`."""

    def __init__(self) -> None:
        self.status = 204
        self.secret = ""
        self.received: list[dict[str, Any]] = []

    def kinds(self) -> list[str]:
        return [message["kind"] for message in self.received]

    def take(self, body: bytes, headers: dict[str, str]) -> None:
        Webhook(self.secret).verify(body, headers)
        self.received.append(json.loads(body))


@contextmanager
def receiving() -> Iterator[tuple[Receiver, str]]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.take(body, dict(self.headers))
            self.send_response(receiver.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield receiver, f"http://127.0.0.1:{server.server_address[1]}/levity"
        server.shutdown()


def webhook(server: Serving, *words: str) -> tuple[int, Any]:
    """Run `levity-trio webhook … --json`; return its exit status and output."""
    api = ("--api", f"unix:{server.database}.sock", "--json")
    done = run_forked(("webhook", *words, *api), server.database.parent, environment(), 60)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def test_facts_reach_the_receiver_also_over_a_kill(tmp_path: Path) -> None:
    database = tmp_path / "site.db"
    with receiving() as (receiver, url):
        with serving(database) as server:
            status, added = webhook(server, "add", "home", url)
            assert status == 0
            receiver.secret = added["secret"]
            assert webhook(server, "test", "1") == (
                0,
                {"is_delivered": True, "status": 204, "problem": None},
            )
            with Charger(server.port, "CP-1") as charger:
                charger.boot()
                wait_for(lambda: "ChargerBooted" in receiver.kinds())
                receiver.status = 500
            wait_for(lambda: bool(server.query("SELECT 1 FROM webhook_waiting WHERE attempts > 0")))
            assert webhook(server, "test", "1")[0] == 1
            server.kill()
        receiver.status = 204
        before = len(receiver.received)
        with serving(database) as server:
            wait_for(lambda: "ChargerDisconnected" in receiver.kinds()[before:])
            (row,) = webhook(server, "list")[1]
            assert (row["name"], row["given_up"]) == ("home", 0)
            assert "secret" not in row
            assert webhook(server, "given-up", "1") == (0, [])
            assert webhook(server, "remove", "1")[0] == 0
            assert webhook(server, "remove", "1")[0] == 2
            assert webhook(server, "list")[1][0]["removed_by"] == row["created_by"]
    kinds = [message["kind"] for message in receiver.received if message["id"]]
    numbers = sorted({message["id"] for message in receiver.received if message["id"]})
    assert kinds[:2] == ["ChargerConnected", "ChargerBooted"]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "site.db") as running:
        yield running


def test_only_admins(server: Serving) -> None:
    viewer, operator = (make_token(server, role, role) for role in ("viewer", "operator"))
    body = {"name": "x", "url": "http://127.0.0.1:1/"}
    for token in (viewer, operator):
        assert ask(server, path=WEBHOOKS, token=token).status == 403
        assert ask(server, "POST", WEBHOOKS, token, body).status == 403
        assert ask(server, "POST", f"{WEBHOOKS}/1/test", token).status == 403
        assert ask(server, "DELETE", f"{WEBHOOKS}/1", token).status == 403


def test_what_cannot_be_added(server: Serving) -> None:
    for body, field in (
        ({"name": "x", "url": "http://169.254.169.254/latest"}, "url"),
        ({"name": "x", "url": "ftp://x/"}, "url"),
        ({"name": "x", "url": "http://a/", "kinds": ["Nonsense"]}, "kinds"),
        ({"name": "", "url": "http://a/"}, "name"),
        ({"url": "http://a/"}, "name"),
    ):
        told = ask(server, "POST", WEBHOOKS, body=body)
        assert (told.status, told.document["field"]) == (422, field)
    good = {"name": "x", "url": "http://127.0.0.1:1/?key=topsecret"}
    assert ask(server, "POST", WEBHOOKS, body=good).status == 201
    assert ask(server, "POST", WEBHOOKS, body=good).code == "in_use"
    assert ask(server, "POST", f"{WEBHOOKS}/7/test").status == 404
    tried = ask(server, "POST", f"{WEBHOOKS}/1/test").document
    assert (tried["is_delivered"], tried["status"]) == (False, None)
    secrets = [secret for (secret,) in server.query("SELECT secret FROM webhook")]
    assert all(
        secret not in json.dumps(api_of(server).ask("GET", "admin", "audit")) for secret in secrets
    )
