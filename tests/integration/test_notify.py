"""Messages of a running server: its sign of life, `levity-trio notify`, and a topic that no backup
has readable.

The receiver takes what ntfy documents, and signs of life; mails go into a folder.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from levity_trio.client import Api, Sought
from tests.integration.browsing import Browser
from tests.integration.forking import run_forked
from tests.integration.serving import Serving, environment, serving
from tests.integration.test_operations import wait_for


@contextmanager
def receiving() -> Iterator[tuple[list[str], list[dict[str, Any]], str]]:
    """A receiver of signs of life and of push messages, its requests, and its address."""
    pings: list[str] = []
    pushed: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pings.append(self.path)
            self.send_response(200)
            self.end_headers()

        def do_POST(self) -> None:
            pushed.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield pings, pushed, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def notify(server: Serving, *words: str) -> tuple[int, str]:
    api = ("--api", f"unix:{server.database}.sock")
    done = run_forked(("notify", *words, *api), server.database.parent, environment(), 60)
    return done.returncode, done.stdout + done.stderr


def ask(server: Serving, method: str, *path: str, body: Any = None) -> Any:
    api = Api(f"unix:{server.database}.sock", Sought("server", "start it"))
    return api.ask(method, "admin", *path, given=body)


def test_each_way_out_is_tried_from_the_shell_and_lost_topics_are_replaced(tmp_path: Path) -> None:
    mails = tmp_path / "mails"
    mails.mkdir()
    (copies := tmp_path / "copies").mkdir()
    with receiving() as (pings, pushed, url):
        ways = ("--mail", f"folder:{mails}", "--ntfy", url, "--ping-url", f"{url}/uuid")
        flags = (*ways, "--backup-folder", str(copies))
        with serving(tmp_path / "site.db", *flags) as server:
            wait_for(lambda: pings == ["/uuid"])  # at once, and then every minute
            status, said = notify(server, "test", "mail", "--to", "anna@example.org")
            assert (status, said) == (
                0,
                f"mail: A mail to anna@example.org was handed over. Answer: {mails}\n",
            )
            status, said = notify(server, "test")
            *sent, backup = said.splitlines()
            assert (status, sent) == (
                0,
                [
                    f"mail: A mail to levity-trio@localhost was handed over. Answer: {mails}",
                    "push: A push message was handed over. 127.0.0.1 answered: 200",
                    "ping: 127.0.0.1 answered: 200",
                ],
            )
            (copy,) = copies.iterdir()
            assert f"MB was written to {copy}, and checked: it is sound" in backup
            assert (len([*mails.glob("*.eml")]), len(pushed), len(pings)) == (2, 1, 2)
            assert notify(server, "log") == (0, "no message yet\n")
            assert ask(server, "POST", "recipients", body={"name": "Cleo"})["must_scan"] is False
            topic = ask(server, "POST", "recipients", "1", "topic")["topic"]
            assert ask(server, "GET", "recipients", "1")["must_scan"] is False
        assert not [
            path for path in tmp_path.glob("site.db*") if topic.encode() in path.read_bytes()
        ]
        (tmp_path / "site.db.key").unlink()  # as after a restore on another machine
        with serving(tmp_path / "site.db", "--ntfy", "http://127.0.0.1:1") as server:
            status, said = notify(server, "test", "--json")
            assert (status, json.loads(said)[0]["way"]) == (1, "push")
            assert "ntfy at 127.0.0.1" in json.loads(said)[0]["problem"]
            wait_for(lambda: ask(server, "GET", "recipients", "1")["must_scan"])
            assert ask(server, "POST", "recipients", "1", "topic")["topic"] != topic
            assert ask(server, "GET", "recipients", "1")["must_scan"] is False


def test_somebody_without_any_way_is_no_success(tmp_path: Path) -> None:
    with serving(tmp_path / "site.db", "--ntfy", "https://ntfy.example.org") as server:
        browser, path = Browser(server), "/do/post/admin/recipients"
        told = browser.send(browser.get(path, next="/messages").form(path), name="Cleo")
        assert (
            "Saved, but no message arrives yet: give an address, or make a code for push"
            in told.words
        )
        assert "off, so no message arrives" in told.words
        assert "Done: Tell somebody" not in told.words
        told = browser.send(
            browser.get(path, next="/messages").form(path), name="Dora", mail="dora@example.org"
        )
        assert "Done: Tell somebody" in told.words
