import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio.wire.handshake import (
    LOGGED_CHARACTERS,
    BadRequest,
    Head,
    canonical_head,
    choose_subprotocol,
    dialled,
    identity,
    masked_head,
    parse_head,
    refusal,
    upgrade_problem,
)
from tests.effort import BOUNDED, cpu_seconds

USUAL = {
    "Host": "server:9000",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "ocpp1.6",
}


def head_of(line: str = "GET /ws/CP1 HTTP/1.1", **changes: str | None) -> Head:
    """A head as a charger sends it. A keyword changes a header (with _ for -); None omits it."""
    changed = {name.replace("_", "-"): value for name, value in changes.items()}
    headers = {name: value for name, value in (USUAL | changed).items() if value is not None}
    lines = [line, *(f"{name}: {value}" for name, value in headers.items())]
    return parse_head(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))


def as_the_library_reads(raw: bytes) -> h11.Request:
    server = h11.Connection(h11.SERVER)
    server.receive_data(raw)
    event = server.next_event()
    assert isinstance(event, h11.Request)
    return event


def test_a_usual_head() -> None:
    head = head_of()
    assert (head.method, head.target) == ("GET", "/ws/CP1")
    assert head.headers["sec-websocket-protocol"] == "ocpp1.6"
    assert upgrade_problem(head) is None


@pytest.mark.parametrize(
    ("raw", "target"),
    [
        (b"GET /a HTTP/1.1\nHost: x\n\n", "/a"),
        (b"get /a http/1.1\r\n\r\n", "/a"),
        (b"\r\nGET /a HTTP/1.1\r\n\r\n", "/a"),
        (b"GET  /a\tHTTP/1.0  \r\n\r\n", "/a"),
        (b"GET /ws/CP 1 HTTP/1.1\r\n\r\n", "/ws/CP 1"),
        (b"GET /ws/\xe9 HTTP/1.1\r\n\r\n", "/ws/\xe9"),
        (b"GET /a HTTP/1.1", "/a"),
    ],
)
def test_request_lines(raw: bytes, target: str) -> None:
    head = parse_head(raw)
    assert (head.method, head.target, head.raw) == ("GET", target, raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n\r\n",
        b"AT+CSQ\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"GET /a\r\n\r\n",
        b"GET HTTP/1.1\r\n",
    ],
)
def test_what_is_no_http(raw: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_head(raw)
    assert caught.value.status == 400


def test_headers_are_read_with_tolerance() -> None:
    head = parse_head(
        b"GET /a HTTP/1.1\r\nUPGRADE :  WebSocket \r\nX-Name: caf\xe9\r\nX-Long: one\r\n\t two\r\n"
        b"no colon here\r\n folded onto nothing\r\nbad name: 1\r\nX-Name: again\r\nEmpty:\r\n\r\n"
        b"After: the end\r\n"
    )
    assert head.headers == {
        "upgrade": "WebSocket",
        "x-name": "caf\xe9, again",
        "x-long": "one two",
        "empty": "",
    }


def test_the_password_is_not_in_the_repr() -> None:
    assert "SECRET" not in repr(parse_head(b"GET /a HTTP/1.1\r\nAuthorization: SECRET\r\n\r\n"))


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/ws/CP1", "CP1"),
        ("/ws/CP1/", "CP1"),
        ("//ws//CP1", "CP1"),
        ("//CP1", "CP1"),
        ("/CP1", "CP1"),
        ("CP1", "CP1"),
        ("/ocpp/CP1", "CP1"),
        ("/any/where/CP1", "CP1"),
        ("/ws/CP%201", "CP 1"),
        ("/ws/CP 1", "CP 1"),
        ("/ws/RDAM%7C123", "RDAM|123"),
        ("/ws/RDAM|123", "RDAM|123"),
        ("/ws/%C3%A9t%c3%a9", "été"),
        ("/ws/\xc3\xa9", "é"),
        ("ws://host:9000/ws/CP1", "CP1"),
        ("HTTP://user:pw@host/ws/CP1?x=1", "CP1"),
        ("/ws/CP1?token=/x/y", "CP1"),
        ("/ws/CP1#part", "CP1"),
        ("/ws/ws", "ws"),
        ("/ws/OCPP", "OCPP"),
        (f"/ws/{'x' * 48}", "x" * 48),
        (f"/ws/{'%C3%A9' * 48}", "é" * 48),
        ("/ws/CP1+2", "CP1+2"),
        ("/ws/%2525", "%25"),
    ],
)
def test_identities(target: str, name: str) -> None:
    assert identity(target) == name


@pytest.mark.parametrize(
    "target",
    [
        "",
        "/",
        "//",
        "/ws",
        "/ws/",
        "/ocpp",
        "/OCPP/?id=CP1",
        "ws://host",
        "ws://host/",
        "/ws/%zz",
        "/ws/CP%2",
        "/ws/CP%",
        "/ws/%FF",
        "/ws/\xe9",
        "/ws/a%2Fb",
        "/ws/a%00b",
        "/ws/a%0Ab",
        "/ws/a%E2%80%AEb",
        "/ws/%20",
        "/ws/.",
        "/ws/%2E%2E",
        "/ws/\u20ac",
        f"/ws/{'x' * 49}",
    ],
)
def test_what_names_nobody(target: str) -> None:
    assert identity(target) is None


@pytest.mark.parametrize(
    ("offer", "chosen"),
    [
        ("ocpp1.6", ("ocpp1.6", True)),
        ("OCPP1.6", ("OCPP1.6", True)),
        ("ocpp2.0.1, ocpp1.6 ,ocpp1.5", ("ocpp1.6", True)),
        (None, (None, True)),
        (" , ", (None, True)),
        ("ocpp2.0.1", (None, False)),
        ("ocpp1.5,ocpp1.60", (None, False)),
        ("ocpp1.6j", ("ocpp1.6j", True)),
        ("OCPP1.6J", ("OCPP1.6J", True)),
        ("ocpp1.6J, ocpp2.0.1", ("ocpp1.6J", True)),
        ("ocpp1.6J, ocpp1.6", ("ocpp1.6", True)),
        ("ocpp1.6s,ocpp1.6jj,j", (None, False)),
    ],
)
def test_subprotocols(offer: str | None, chosen: tuple[str | None, bool]) -> None:
    assert choose_subprotocol(head_of(Sec_WebSocket_Protocol=offer)) == chosen


def test_subprotocols_in_several_headers() -> None:
    raw = (
        b"GET /a HTTP/1.1\r\nSec-WebSocket-Protocol: ocpp2.0.1\r\nsec-websocket-protocol: "
        b"ocpp1.6\r\n\r\n"
    )
    assert choose_subprotocol(parse_head(raw)) == ("ocpp1.6", True)


@pytest.mark.parametrize(
    ("head", "status", "header"),
    [
        (head_of("POST /ws/CP1 HTTP/1.1"), 405, ("Allow", "GET")),
        (
            parse_head(b"GET /ws/CP1 HTTP/1.1\r\nAccept: text/html\r\n\r\n"),
            426,
            ("Upgrade", "websocket"),
        ),
        (head_of(Upgrade=None), 426, ("Upgrade", "websocket")),
        (head_of(Upgrade="h2c"), 426, ("Upgrade", "websocket")),
        (head_of(Sec_WebSocket_Version="8"), 426, ("Sec-WebSocket-Version", "13")),
        (head_of(Sec_WebSocket_Version=None), 426, ("Sec-WebSocket-Version", "13")),
    ],
)
def test_what_stands_against_an_upgrade(head: Head, status: int, header: tuple[str, str]) -> None:
    problem = upgrade_problem(head)
    assert problem is not None
    assert problem.status == status
    assert header in problem.headers.items()


@pytest.mark.parametrize("key", [None, "", "two words", "caf\xe9", "k\x00", "x" * 129])
def test_a_key_that_cannot_be_answered(key: str | None) -> None:
    problem = upgrade_problem(head_of(Sec_WebSocket_Key=key))
    assert problem is not None
    assert problem.status == 400


def test_a_browser_is_told_what_this_is_and_a_proxy_is_suspected() -> None:
    browser = upgrade_problem(parse_head(b"GET / HTTP/1.1\r\n\r\n"))
    proxied = upgrade_problem(head_of(Upgrade=None))
    assert browser is not None
    assert "ws://" in browser.text
    assert proxied is not None
    assert "proxy" in proxied.text


@pytest.mark.parametrize(
    "head",
    [
        head_of(),
        head_of(Connection=None),
        head_of(Connection="keep-alive"),
        head_of(Upgrade="WebSocket"),
        head_of(X_Name="caf\xe9 \x01"),
        head_of(Host=None),
        head_of(Host="caf\xe9 bad"),
        head_of("get ws://host/ws/CP1?secret=1 http/1.0"),
        head_of("GET /ws/CP 1\xe9|%20% HTTP/1.1"),
        head_of("GET //CP1 HTTP/1.1"),
        head_of("GET ws://host HTTP/1.1"),
        head_of(Sec_WebSocket_Extensions="permessage-deflate"),
    ],
)
def test_the_library_gets_a_head_that_it_reads(head: Head) -> None:
    assert upgrade_problem(head) is None
    request = as_the_library_reads(canonical_head(head, "ocpp1.6"))
    headers = {name.decode(): value.decode() for name, value in request.headers}
    assert request.method == b"GET"
    assert b"secret" not in request.target
    assert identity(request.target.decode()) == identity(head.target)
    assert set(headers) == {name.lower() for name in USUAL}
    assert headers["connection"] == "Upgrade"
    assert headers["sec-websocket-key"] == USUAL["Sec-WebSocket-Key"]
    assert headers["sec-websocket-protocol"] == "ocpp1.6"


def test_no_subprotocol_is_passed_on_where_none_was_chosen() -> None:
    assert b"rotocol" not in canonical_head(head_of(), None)


def test_a_refusal_is_a_whole_answer() -> None:
    raw = refusal(426, "Größer", {"Sec-WebSocket-Version": "13"})
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    client.receive_data(raw)
    answer, body = client.next_event(), client.next_event()
    assert isinstance(answer, h11.Response)
    assert answer.status_code == 426
    assert (b"sec-websocket-version", b"13") in list(answer.headers)
    assert (b"connection", b"close") in list(answer.headers)
    assert isinstance(body, h11.Data)
    assert bytes(body.data).decode() == "Größer\n"
    assert isinstance(client.next_event(), h11.EndOfMessage)


@pytest.mark.parametrize(
    "secret",
    [
        b"Authorization: Basic SECRET==",
        b"authorization :SECRET",
        b"  AUTHORIZATION: Basic\r\n SECRET",
        b"Authorization: Basic\r\n\tx\r\n SECRET\r\nX: 1",
        b"X: 1\rAuthorization: SECRET",
        b"Proxy-Authorization: SECRET",
        b"Origin: http://user:SECRET@host/x",
        b"Referer: /a?x=1&my_Password=SECRET&y=2",
    ],
)
def test_secrets_are_masked(secret: bytes) -> None:
    line = masked_head(
        b"GET /ws/CP1?token=SECRET&a=b HTTP/1.1\r\n" + secret + b"\r\nHost: keep\r\n\r\n"
    )
    assert "SECRET" not in line
    assert "***" in line
    assert "a=b" in line
    assert "Host: keep" in line


def test_a_masked_head_is_left_to_its_output_to_escape() -> None:
    assert masked_head(b"GET /\xe9\x1b[2J HTTP/1.1\r\n\r\n") == "GET /é\x1b[2J HTTP/1.1\r\n\r\n"
    assert len(masked_head(b"x" * 8192)) == LOGGED_CHARACTERS


def refused(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_head(raw)


@pytest.mark.parametrize(
    "raw", [b"?" * 8192, b"?" + b"password" * 1000, b"://" * 2700, b" " * 8192, b"\r" * 8192]
)
def test_no_head_takes_long(raw: bytes) -> None:
    assert cpu_seconds(lambda: masked_head(raw)) < BOUNDED
    assert cpu_seconds(lambda: refused(b"GET " + raw)) < BOUNDED


@given(
    st.binary(max_size=300)
    | st.binary(max_size=200).map(lambda tail: b"GET /" + tail + b" HTTP/1.1\r\n" + tail)
)
@settings(max_examples=200)
def test_any_bytes(raw: bytes) -> None:
    masked_head(raw)
    try:
        head = parse_head(raw)
    except BadRequest as problem:
        refusal(problem.status, problem.text, problem.headers)
        return
    name = identity(head.target)
    assert name is None or (0 < len(name) <= 48 and name.isprintable())
    choose_subprotocol(head)


@given(*[st.text(st.characters(max_codepoint=255))] * 3)
@settings(max_examples=200)
def test_any_head_that_may_upgrade_is_read_by_the_library(
    path: str, host: str, connection: str
) -> None:
    try:
        head = head_of(f"GET /{path} HTTP/1.1", Host=host, Connection=connection)
    except BadRequest:
        return
    if upgrade_problem(head) is None:
        as_the_library_reads(canonical_head(head, None))


@pytest.mark.parametrize(
    ("host", "arrived_at", "given"),
    [
        ("192.0.2.7:9000", "192.0.2.7", "192.0.2.7"),
        ("192.0.2.7", "::ffff:192.0.2.7", "192.0.2.7"),  # a listener for both kinds of addresses
        ("[fd00:0::2]:9000", "fd00::2", "fd00::2"),
        # of a router, a proxy or a host of containers before us
        (
            "192.0.2.7:9000",
            "172.17.0.2",
            None,
        ),
        ("levity.local:9000", "192.0.2.7", None),
        ("127.0.0.1:9000", "127.0.0.1", None),
        ("[broken", "192.0.2.7", None),
        ("192.0.2.7:9000", None, None),
        (None, "192.0.2.7", None),
    ],
)
def test_the_address_that_a_charger_was_given(
    host: str | None, arrived_at: str | None, given: str | None
) -> None:
    assert dialled(head_of(Host=host), arrived_at) == given
