"""The HTTP client of the command line, against a real server of the standard library."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from levity_trio.client import Api, Refusal, Sought
from levity_trio.config import ConfigError, EnvironmentProblem

SOUGHT = Sought("central system", "start it")


class Handler(BaseHTTPRequestHandler):
    """Answers by path, and repeats what it was asked."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer({"/api/gone": 404, "/api/elsewhere": 302}.get(self.path, 200))

    def do_POST(self) -> None:
        self.do_GET()

    def _answer(self, status: int) -> None:
        length = int(self.headers.get("Content-Length", 0))
        asked = {
            "path": self.path,
            "token": self.headers.get("Authorization"),
            "body": self.rfile.read(length).decode(),
        }
        problem = {"detail": "there is no such charger", "code": "unknown_charger"}
        body = (
            b"not JSON"
            if self.path == "/api/text"
            else json.dumps(asked if status == 200 else problem).encode()
        )
        if self.path == "/api/lines":
            body = b"first\r\nsecond\n\n"
        self.send_response(status)
        self.send_header("Location", "/api/other")
        self.send_header("Retry-After", "3")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class UnixServer(socketserver.ThreadingUnixStreamServer):
    def get_request(self) -> tuple[object, str]:  # type: ignore[override]  # the handler wants an address
        request, _ = super().get_request()
        return request, "here"


@pytest.fixture(params=["http", "unix"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    server: socketserver.BaseServer
    if request.param == "http":
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        found = f"http://127.0.0.1:{server.server_address[1]}"
    else:
        server = UnixServer(str(tmp_path / "api"), Handler)
        found = f"unix:{tmp_path / 'api'}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def test_asks_with_its_token(url: str) -> None:
    answer = Api(url, SOUGHT, "secret").ask(
        "POST", "chargers", "a/b %", given={"x": 1}, query={"since": "a b"}
    )
    assert answer == {
        "path": "/api/chargers/a%2Fb%20%25?since=a+b",
        "token": "Bearer secret",
        "body": '{"x": 1}',
    }


def test_a_refusal_is_the_problem_document(url: str) -> None:
    with pytest.raises(Refusal, match="no such charger") as refused:
        Api(url, SOUGHT).ask("GET", "gone")
    assert (refused.value.status, refused.value.code) == (404, "unknown_charger")
    assert refused.value.document["retry_after"] == "3"


def test_follows_no_redirect(url: str) -> None:
    with pytest.raises(Refusal) as refused:
        Api(url, SOUGHT).ask("GET", "elsewhere")
    assert refused.value.status == 302


def test_another_server_is_told(url: str) -> None:
    with pytest.raises(EnvironmentProblem, match="is not a central system; give --api"):
        Api(url, SOUGHT).ask("GET", "text")


def test_lines(url: str) -> None:
    assert list(Api(url, SOUGHT).lines("lines", patience=5)) == ["first", "second", ""]


def test_silence(tmp_path: Path) -> None:
    for url in ("http://127.0.0.1:1", f"unix:{tmp_path / 'nobody'}"):
        with pytest.raises(EnvironmentProblem, match=r"no central system answers at .*; start it"):
            Api(url, SOUGHT).ask("GET", "x")


def test_an_open_socket_beside_the_one_that_is_missing_is_named(tmp_path: Path) -> None:
    """A person stands in the folder of a database that has another name than the usual one."""
    (tmp_path / "dead.db.sock").touch()
    asked = Api(f"unix:{tmp_path}/levity.db.sock", SOUGHT)
    hint = rf"; give --api unix:{tmp_path}/site\.db\.sock, which answers$"
    with (
        UnixServer(str(tmp_path / "site.db.sock"), Handler),
        pytest.raises(EnvironmentProblem, match=hint),
    ):
        asked.ask("GET", "x")
    with pytest.raises(EnvironmentProblem, match=r"; start it$"):
        asked.ask("GET", "x")


@pytest.mark.parametrize(
    "url",
    ["", "ftp://x", "http://", "http://x:0", "http://[x", "http://a b", "unix:", "http://x:x"],
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ConfigError, match="give an address such as"):
        Api(url, SOUGHT)


def test_its_token_is_not_shown() -> None:
    assert "secret" not in repr(Api("http://127.0.0.1:1", SOUGHT, "secret"))
