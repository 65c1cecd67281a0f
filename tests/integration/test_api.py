"""Who may use the API of a running server: tokens, roles, hosts, the local socket, TLS, and what is
recorded."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import ssl
import stat
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from levity_trio.wire.texts import LONGEST_TEXT
from tests.integration.foreign import api_of
from tests.integration.serving import PROGRAM, Serving, serving
from tests.integration.test_operations import wait_for

VERSION = "/api/version"
TOKENS = "/api/admin/tokens"
WRONG = "levity_7_wrong"
NESTED = json.loads("[" * 300 + "]" * 300)


class Told(NamedTuple):
    status: int
    headers: Mapping[str, str]
    document: Any

    @property
    def code(self) -> Any:
        return self.document["code"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "site.db", "--api-cors-origin", "https://good.example") as running:
        yield running


def port_of(server: Serving) -> int:
    return int(urlsplit(server.wait_line("serving the operator API")["address"]).port or 0)


def ask(
    server: Serving,
    method: str = "GET",
    path: str = VERSION,
    token: str | None = None,
    body: Any = None,
    **headers: str,
) -> Told:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        given["Authorization"] = f"Bearer {token}"
    with closing(
        http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=60)
    ) as connection:
        connection.request(method, path, body if body is None else json.dumps(body), given)
        answer = connection.getresponse()
        content = answer.read()
        return Told(answer.status, dict(answer.headers), json.loads(content) if content else None)


def make_token(server: Serving, name: str, role: str) -> str:
    made = api_of(server).ask("POST", "admin", "tokens", given={"name": name, "role": role})
    return str(made["token"])


def test_without_a_token_only_this_machine_may(server: Serving) -> None:
    assert ask(server).status == 200
    for header in (
        *(
            "Forwarded",
            "Via",
            "X-Forwarded-For",
            "X-Forwarded-Proto",
            "X-Real-IP",
            "CF-Connecting-IP",
            "True-Client-IP",
        ),
        *(
            "X-Client-IP",
            "X-Cluster-Client-IP",
            "Fastly-Client-IP",
            "Fly-Client-IP",
            "X-Azure-ClientIP",
        ),
        *("CF-Ray", "X-Envoy-External-Address", "CDN-Loop", "X-Remote-Addr", "Proxy-Connection"),
    ):
        assert ask(server, **{header: "x"}).code == "token_needed"
    make_token(server, "anna", "viewer")
    told = ask(server)
    assert (told.status, told.code, told.headers["www-authenticate"]) == (
        401,
        "token_needed",
        "Bearer",
    )
    assert api_of(server).ask("GET", "version")["program"] == "levity-trio"  # the local socket


def test_another_host_is_refused_on_every_path(server: Serving) -> None:
    for path in (VERSION, "/api/docs", "/api/openapi.json", "/nothing"):
        for host in ("evil.example", "evil.example:9001", "127.0.0.1.evil.example", "nas", ""):
            assert ask(server, path=path, Host=host).status in (421, 400), host
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:9001"):
        assert ask(server, Host=host).status == 200, host


def test_roles(server: Serving) -> None:
    viewer, operator, admin = (
        make_token(server, role, role) for role in ("viewer", "operator", "admin")
    )
    commands, audit = "/api/admin/commands", "/api/admin/audit"
    assert [ask(server, path=commands, token=one).status for one in (viewer, operator, admin)] == [
        403,
        200,
        200,
    ]
    assert [ask(server, path=audit, token=one).status for one in (viewer, operator, admin)] == [
        403,
        403,
        200,
    ]
    reset = ("POST", "/api/admin/chargers/CP-1/reset")
    assert [
        ask(server, *reset, one, {"type": "Soft"}).status for one in (viewer, operator, admin)
    ] == [403, 404, 404]
    firmware = ("POST", "/api/admin/chargers/CP-1/update-firmware")
    told = {"location": "ftp://x/y", "retrieveDate": "2026-01-01T00:00:00Z"}
    assert [ask(server, *firmware, one, told).status for one in (operator, admin)] == [403, 404]
    security = {"key": "AuthorizationKey", "value": "0123456789abcdef"}
    change = ("POST", "/api/admin/chargers/CP-1/change-configuration")
    assert [ask(server, *change, one, security).status for one in (operator, admin)] == [403, 404]


def test_a_token_is_shown_once_stored_as_a_digest_and_can_be_revoked(server: Serving) -> None:
    token = make_token(server, "anna", "admin")
    assert ask(server, token=token).status == 200
    ((salt, digest),) = server.query("SELECT salt, digest FROM token")
    assert token.split("_", 2)[2] not in salt + digest
    assert "token" not in ask(server, path=TOKENS, token=token).document[0]
    twice = ask(server, "POST", TOKENS, token, {"name": "anna", "role": "viewer"})
    assert (twice.status, twice.code) == (409, "in_use")
    assert ask(server, "DELETE", f"{TOKENS}/1", token).status == 204
    assert ask(server, token=token).code == "wrong_token"
    assert ask(server).code == "token_needed"  # although the only token is revoked
    again = api_of(server).ask("POST", "admin", "tokens", given={"name": "anna", "role": "viewer"})
    assert again["role"] == "viewer"


def test_wrong_tokens_delay_no_right_one(server: Serving) -> None:
    right = make_token(server, "anna", "viewer")
    number, _, _ = right.removeprefix("levity_").partition("_")
    for wrong in (
        WRONG,
        f"levity_{number}_x",
        right[:-1] + "!",
        "levity_99_x",
        "",
        right + "x",
        f"levity_{number}_",
    ):
        for _ in range(4):
            refused = ask(server, token=wrong)
            assert refused.status == 401
            assert "retry-after" not in refused.headers
        assert ask(server, token=right).status == 200


def test_a_token_in_a_url_is_refused(server: Serving) -> None:
    token = make_token(server, "anna", "viewer")
    for query in (f"?token={token}", f"?access_token={token}", f"?x={token}"):
        assert ask(server, path=VERSION + query).code == "token_in_url"


def test_what_is_wrong_with_a_request_is_said(server: Serving) -> None:
    for method, path, body, status, code in (
        ("GET", "/api/nothing", None, 404, None),
        ("PUT", VERSION, None, 405, None),
        ("GET", "/api/admin/audit?limit=0", None, 422, "invalid"),
        ("GET", "/api/admin/audit?nonsense=1", None, 422, "invalid"),
        ("GET", "/api/admin/audit?limit=1&limit=2", None, 422, "invalid"),
        ("GET", f"{VERSION}?x=1", None, 422, "invalid"),
        ("POST", TOKENS, {"name": "x", "role": "king"}, 422, "invalid"),
        ("POST", TOKENS, {"name": "x", "role": "admin", "more": 1}, 422, "invalid"),
        ("DELETE", f"{TOKENS}/{2**70}", None, 422, "invalid"),
        (
            "POST",
            "/api/admin/chargers/CP-1/raw",
            {"action": "X", "payload": {"n": [2**64]}},
            422,
            "invalid",
        ),
        (
            "POST",
            "/api/admin/chargers/CP-1/raw",
            {"action": "X", "payload": {"n": 1e300}},
            404,
            "not_found",
        ),
        (
            "POST",
            "/api/admin/chargers/CP-1/raw",
            {"action": "X", "payload": {"n": NESTED}},
            422,
            "invalid",
        ),
        ("GET", "/api/admin/commands/abc", None, 422, "invalid"),
    ):
        told = ask(server, method, path, body=body)
        assert (told.status, told.document.get("code")) == (status, code), path
        assert told.document["detail"]
        assert told.headers["content-type"] == "application/problem+json"
    with closing(http.client.HTTPConnection("127.0.0.1", port_of(server))) as connection:
        connection.request("POST", TOKENS, "{")
        assert json.loads(connection.getresponse().read())["code"] == "not_json"


@pytest.mark.parametrize(
    "path", ["/api/admin/chargers/CP-1/raw?errors=state", "/api/charge-points/CP-1/request"]
)
def test_a_known_action_in_another_case_is_that_action(server: Serving, path: str) -> None:
    """What a pending charger may be asked depends on the action, and a charger may be lenient."""
    assert ask(server, "POST", "/api/admin/chargers", body={"id": "CP-1"}).status == 201
    for action in ("remotestarttransaction", " RemoteSTARTTransaction"):
        body = {"action": action, "payload": {"idTag": "TAG"}}
        ask(server, "POST", f"{path}{'&' if '?' in path else '?'}timeout=1&deadline=1", body=body)
    commands = ask(server, path="/api/admin/commands").document["data"]
    assert len(commands) == 2
    assert {one["action"] for one in commands} == {"RemoteStartTransaction"}


def test_changes_and_refusals_are_recorded_without_secrets(server: Serving) -> None:
    token = make_token(server, "anna", "operator")
    secret = {"key": "AuthorizationKey", "value": "topsecrettopsecret"}
    ask(server, "POST", "/api/admin/chargers/CP-1/change-configuration", token, secret)
    ask(server, "POST", "/api/admin/chargers/CP-1/reset", token, {"type": "Soft"})
    ask(server, path="/api/admin/audit", token=token)
    ask(server, token=WRONG)
    wait_for(
        lambda: len(server.query("SELECT 1 FROM operator_action WHERE status IS NOT NULL")) == 5
    )
    rows = api_of(server).ask("GET", "admin", "audit")
    told = [(row["who"], row["method"], row["status"], row["code"]) for row in reversed(rows)]
    assert told[1:] == [
        ("anna", "POST", 403, "forbidden"),
        ("anna", "POST", 404, "not_found"),
        ("anna", "GET", 403, "forbidden"),
        (None, "GET", 401, "wrong_token"),
    ]
    assert not server.query("SELECT 1 FROM operator_action WHERE body LIKE '%topsecret%'")


def test_a_flood_of_refusals_is_recorded_in_part(server: Serving) -> None:
    make_token(server, "anna", "viewer")
    ask(server, "X" * 1000, f"/api/{'p' * 5000}")
    for _ in range(40):
        ask(server)
    wait_for(
        lambda: server.query("SELECT count(*) FROM operator_action WHERE status = 401") == [(10,)]
    )
    longest = "SELECT max(length(method)), max(length(path)) FROM operator_action"
    assert server.query(longest) == [(LONGEST_TEXT, LONGEST_TEXT)]


def test_pages_of_one_origin_may_use_it(server: Serving) -> None:
    good, evil = {"Origin": "https://good.example"}, {"Origin": "https://evil.example"}
    assert ask(server, **good).headers["access-control-allow-origin"] == "https://good.example"
    assert "access-control-allow-origin" not in ask(server, **evil).headers
    allowed = ask(server, "OPTIONS", "/api/admin/tokens", **good).headers
    assert "authorization" in allowed["access-control-allow-headers"]
    assert (
        "access-control-allow-headers"
        not in ask(server, "OPTIONS", "/api/admin/tokens", **evil).headers
    )


def test_a_server_without_others_is_not_drained(server: Serving) -> None:
    """It would refuse its chargers until somebody starts it anew."""
    told = ask(server, "POST", "/api/admin/drain", body={"seconds": 0})
    assert (told.status, told.code) == (409, "conflict")
    assert "stop this one instead" in told.document["detail"]
    assert ask(server, path="/api/admin/drain").document == {"is_draining": False, "chargers": 0}


def test_the_local_socket_is_its_owners_and_goes_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "site.db.sock"
    with serving(tmp_path / "site.db", "--no-api", may_log_errors=True) as server:
        mode = path.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
        assert not server.find("serving the operator API")
        server.signal(signal.SIGKILL)
        server.wait()
    assert path.exists()
    with serving(tmp_path / "site.db", "--no-api") as server:  # a stale socket is replaced
        assert api_of(server).ask("GET", "version")["program"] == "levity-trio"
    assert not path.exists()


def test_a_taken_default_port_costs_the_api_only(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 9001))
            taken.listen()
        except OSError:
            pass  # another program has it, which is as good
        with serving(
            tmp_path / "site.db", program=("env", "-u", "LEVITY_API_PORT", *PROGRAM)
        ) as server:
            (line,) = server.find(
                "the operator API is off: its port is taken; choose another with --api-port"
            )
            assert line["level"] == "warning"
            assert server.port


def test_it_is_served_by_tls(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ]
        + [
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            key,
            "-out",
            certificate,
        ],
        check=True,
        capture_output=True,
    )
    tls = ("--api-tls-cert", str(certificate), "--api-tls-key", str(key))
    with serving(tmp_path / "site.db", *tls) as server:
        context = ssl.create_default_context(cafile=str(certificate))
        with closing(
            http.client.HTTPSConnection("localhost", port_of(server), context=context)
        ) as connection:
            connection.request("GET", VERSION)
            assert json.loads(connection.getresponse().read())["program"] == "levity-trio"
        old = ssl.create_default_context(cafile=str(certificate))
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        old.minimum_version = ssl.TLSVersion.TLSv1_2
        raw = socket.create_connection(("127.0.0.1", port_of(server)))
        with raw, old.wrap_socket(raw, server_hostname="localhost") as wrapped:
            assert wrapped.version() == "TLSv1.2"


def test_a_public_api_without_tls_is_one_warning(tmp_path: Path) -> None:
    with serving(tmp_path / "site.db", "--api-host", "0.0.0.0") as server:  # noqa: S104 - it is about that
        lines = server.find(
            "the operator API is public without TLS: tokens can be read on their way; give "
            "--api-tls-cert"
        )
        assert len(lines) == 1
        assert ask(server).code == "token_needed"


def test_the_document_describes_every_route(server: Serving) -> None:
    described = ask(server, path="/api/openapi.json").document
    assert described["openapi"] == "3.1.0"
    assert len(described["paths"]) > 60
    identities = [
        one["operationId"] for path in described["paths"].values() for one in path.values()
    ]
    assert len(identities) == len(set(identities))
    with closing(http.client.HTTPConnection("127.0.0.1", port_of(server))) as connection:
        connection.request("GET", "/api/docs")
        page = connection.getresponse().read().decode()
    assert "remote-start" in page
    assert re.findall(r'(?:src|href)="?([^\s">]*)', page) == ["data:,", "openapi.json"]
