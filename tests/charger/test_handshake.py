"""Handshakes: unusual ones are accepted (field B1, B2), others get a whole HTTP response with the
reason."""

import pytest
import trio

from levity_trio.charger.central import Central
from levity_trio.events import HandshakeRefused
from tests.charger.doors import kinds, watch
from tests.charger.parts import InlineWriter, configure
from tests.charger.peers import (
    KEY,
    Charger,
    RawPeer,
    open_charger,
    open_raw,
    open_raw_charger,
    session_of,
    upgrade,
)
from tests.plugins.sites import Witness

HEARTBEAT = '[2,"h","Heartbeat",{}]'


def check_refusal(answer: bytes, status: int) -> dict[str, str]:
    """Check that an HTTP response is whole, has a reason and announces the end; return its
    headers."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    assert first.startswith(f"HTTP/1.1 {status} ")
    headers = dict(line.split(": ", 1) for line in lines)
    assert headers["Connection"] == "close"
    assert headers["Content-Length"] == str(len(body))
    assert len(body) > 1
    return headers


async def refused(central: Central, request: bytes, status: int) -> dict[str, str]:
    async with open_raw(central) as peer:
        await peer.send(request)
        headers = check_refusal(await peer.read_to_end(), status)
    assert len(central.registry) == 0
    return headers


async def heartbeat(peer: RawPeer) -> None:
    await peer.send_frame(HEARTBEAT)
    assert (await peer.receive())[:2] == [3, "h"]


@pytest.mark.parametrize(
    ("target", "identity"),
    [
        ("/ws/CP1/", "CP1"),
        ("//ws//CP1", "CP1"),
        ("/CP1", "CP1"),
        ("/ws/CP%201", "CP 1"),
        ("/ws/RDAM%7C123", "RDAM|123"),
        ("ws://host:9000/ws/CP1", "CP1"),
        ("/ocpp/CP1?token=x", "CP1"),
        ("/ws/S\u00e4ule".encode().decode("latin-1"), "S\u00e4ule"),
    ],
)
async def test_the_identity_is_found_in_odd_paths(
    central: Central, writer: InlineWriter, target: str, identity: str
) -> None:
    async with open_raw_charger(central, target) as peer:
        await heartbeat(peer)
        assert session_of(central, identity).charger == identity
    assert writer.rows("SELECT id FROM cp") == [(identity,)]


async def test_no_subprotocol_offered_none_echoed(central: Central, writer: InlineWriter) -> None:
    async with open_raw(central) as peer:
        await peer.send(upgrade(subprotocol=None))
        head = await peer.read_head()
        assert head.startswith("HTTP/1.1 101 ")
        assert "sec-websocket-protocol" not in head.lower()
        await heartbeat(peer)
    assert writer.row("SELECT subprotocol FROM session") == (None,)


@pytest.mark.parametrize("offer", ["ocpp1.6", "ocpp2.0.1, ocpp1.6", "ocpp1.5,ocpp1.6 ,x"])
async def test_ours_among_several_is_chosen(central: Central, offer: str) -> None:
    async with open_raw(central) as peer:
        await peer.send(upgrade(subprotocol=offer))
        assert "sec-websocket-protocol: ocpp1.6\r\n" in (await peer.read_head()).lower() + "\r\n"
        await heartbeat(peer)


@pytest.mark.parametrize("offer", ["ocpp1.6j", "OCPP1.6J"])
async def test_the_other_name_of_ours_is_echoed_as_it_was_offered(
    central: Central, writer: InlineWriter, offer: str
) -> None:
    async with open_charger(central, subprotocols=["ocpp2.0.1", offer]) as charger:
        assert charger.websocket.subprotocol == offer
        await charger.call("Heartbeat")
    assert writer.row("SELECT subprotocol FROM session") == (offer,)


async def test_only_other_subprotocols_get_a_handshake_and_a_close(
    central: Central, writer: InlineWriter, log_lines: list[dict[str, object]]
) -> None:
    witness = Witness()
    central.hooks.join(witness)
    async with open_raw(central) as peer:
        await peer.send(upgrade(subprotocol="ocpp2.0.1"))
        head = await peer.read_head()
        assert head.startswith("HTTP/1.1 101 ")
        assert "sec-websocket-protocol" not in head.lower()
        assert (await peer.wait_closed())[0] == 1002
        assert await peer.read_to_end() == b""
    assert [refusal.status for refusal in witness.of(HandshakeRefused)] == [1002]
    assert [(line["event"], line["status"]) for line in log_lines] == [("handshake refused", 1002)]
    assert central.registry.find("CP-1") is None
    assert len(central.registry) == 0
    assert writer.rows("SELECT id FROM session") == []


async def test_a_foreign_subprotocol_does_not_replace_a_session(central: Central) -> None:
    async with open_charger(central) as charger:
        async with open_raw(central) as peer:
            await peer.send(upgrade(subprotocol="ocpp2.0.1"))
            await peer.read_to_end()
        await charger.call("Heartbeat")


@pytest.mark.parametrize(
    "request_",
    [
        upgrade().replace(b"Connection: Upgrade\r\n", b""),
        upgrade().replace(b"Connection: Upgrade", b"Connection: keep-alive, Upgrade"),
        upgrade().lower().replace(KEY.lower().encode(), KEY.encode()),
        upgrade("/ocpp/CP-1", "X-Vendor: S\u00e4ule \u00a9"),
        upgrade("/ocpp/CP-1", "no colon here"),
        upgrade().replace(b"\r\n", b"\n"),
        b"\r\n" + upgrade(),
    ],
)
async def test_odd_heads_are_mended(central: Central, request_: bytes) -> None:
    async with open_raw(central) as peer:
        await peer.send(request_)
        assert (await peer.read_head()).startswith("HTTP/1.1 101 ")
        await heartbeat(peer)


async def test_a_head_may_come_byte_by_byte(central: Central) -> None:
    async with open_raw(central) as peer:
        for byte in upgrade():
            await peer.send(bytes([byte]))
            await trio.sleep(0.01)
        assert (await peer.read_head()).startswith("HTTP/1.1 101 ")
        await heartbeat(peer)


@pytest.mark.parametrize(
    "target", ["/", "/ws", "/ocpp/", "/ws/%2F", "/ws/%", "/ws/" + 49 * "x", "/ws/%00"]
)
async def test_a_path_that_names_nobody_is_404(central: Central, target: str) -> None:
    await refused(central, upgrade(target), 404)


async def test_a_browser_is_told_what_this_is(central: Central) -> None:
    browser = b"GET /ws/CP-1 HTTP/1.1\r\nHost: test\r\nAccept: text/html\r\n\r\n"
    assert (await refused(central, browser, 426))["Upgrade"] == "websocket"


async def test_another_websocket_version_is_told_ours(central: Central) -> None:
    request = upgrade().replace(b"Version: 13", b"Version: 8")
    assert (await refused(central, request, 426))["Sec-WebSocket-Version"] == "13"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (upgrade().replace(b"GET", b"POST"), 405),
        (upgrade().replace(KEY.encode(), b""), 400),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\n\n", 400),
        (b"GET /ws/CP-1 HTTP/1.1\r\n" + 20_000 * b"x" + b"\r\n\r\n", 431),
        (20_000 * b"\0", 431),
    ],
)
async def test_what_is_no_upgrade_is_refused(
    central: Central, request_: bytes, status: int
) -> None:
    await refused(central, request_, status)


@pytest.mark.parametrize("begun", [b"", b"GET /ws/CP-1 HTTP/1.1\r\nHost: t"])
async def test_a_request_that_does_not_end_is_408_after_ten_seconds(
    central: Central, begun: bytes
) -> None:
    async with open_raw(central) as peer:
        await peer.send(begun)
        check_refusal(await peer.read_to_end(), 408)
        assert trio.current_time() == 10


async def test_a_peer_that_leaves_during_its_request_costs_nothing(
    central: Central, log_lines: list[dict[str, object]]
) -> None:
    async with open_raw(central) as peer:
        await peer.send(b"GET /ws/CP-1 HTT")
    assert len(central.registry) == 0
    assert [line["event"] for line in log_lines] == ["connection lost"]


START = {"connectorId": 1, "idTag": "TAG-1", "meterStart": 0, "timestamp": "2026-03-01T12:00:00Z"}


async def charge(charger: Charger) -> None:
    """Charge twice, 4 kWh each time. Who never charged keeps no place."""
    for hour in (9, 10):
        begin = START | {
            "meterStart": 4000 * (hour - 9),
            "timestamp": f"2026-03-01T{hour:02}:00:00Z",
        }
        started = await charger.call("StartTransaction", begin)
        stop = {"meterStop": 4000 * (hour - 8), "timestamp": f"2026-03-01T{hour:02}:30:00Z"}
        await charger.call("StopTransaction", stop | {"transactionId": started["transactionId"]})


async def test_a_new_charger_beyond_max_chargers_is_404(
    central: Central, writer: InlineWriter
) -> None:
    configure(central, max_chargers=1)
    async with open_charger(central, "/ws/CP-1") as charger:
        await charge(charger)
    await refused(central, upgrade("/ws/CP-2"), 404)
    async with open_charger(central, "/ws/CP-1") as known:
        await known.call("Heartbeat")
    assert writer.rows("SELECT id FROM cp") == [("CP-1",)]


async def test_of_two_new_chargers_the_first_to_speak_gets_the_last_place(
    central: Central, writer: InlineWriter
) -> None:
    configure(central, max_chargers=1)
    async with (
        open_charger(central, "/ws/CP-1") as late,
        open_charger(central, "/ws/CP-2") as first,
    ):
        await charge(first)
        await late.send_call("Heartbeat", {})
        assert (await late.wait_closed_silently())[0] == 1008
        await first.call("Heartbeat")
    assert writer.rows("SELECT id FROM cp") == [("CP-2",)]


async def test_beyond_max_connections_is_503(central: Central) -> None:
    configure(central, max_connections=1)
    async with open_charger(central) as charger:
        async with open_raw(central) as peer:
            await peer.send(upgrade("/ws/CP-2"))
            headers = check_refusal(await peer.read_to_end(), 503)
        assert int(headers["Retry-After"]) > 0
        await charger.call("Heartbeat")
    async with open_charger(central, "/ws/CP-2") as next_one:
        await next_one.call("Heartbeat")


async def test_a_failing_writer_is_503_until_it_recovers(
    central: Central, writer: InlineWriter
) -> None:
    writer.is_failing = True
    assert "Retry-After" in await refused(central, upgrade(), 503)
    writer.is_failing = False
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")


async def test_secrets_of_a_refused_request_are_not_logged(
    central: Central, log_lines: list[dict[str, object]]
) -> None:
    await refused(central, upgrade("/ws", "Authorization: Basic c2VjcmV0"), 404)
    (line,) = [line for line in log_lines if line["event"] == "handshake refused"]
    assert "/ws" in str(line["request"])
    assert "c2VjcmV0" not in str(line)


CHROME = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0.0.0"
)


@pytest.mark.parametrize(
    "lines",
    [
        (CHROME, "Origin: https://evil.example"),
        (CHROME, "Origin: null"),
        (CHROME, "Origin: http://test"),  # a name of evil.example's that resolves to this server
        ("Origin: https://evil.example", "Sec-Fetch-Site: cross-site"),
    ],
)
async def test_a_web_page_may_not_act_as_a_charger(
    central: Central, lines: tuple[str, ...]
) -> None:
    witness = watch(central)
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        async with open_raw(central) as page:
            await page.send(upgrade("/ocpp/CP-1", *lines))
            check_refusal(await page.read_to_end(), 403)
        await charger.call("Heartbeat")
    assert kinds(witness) == ["web page"]


@pytest.mark.parametrize(
    "lines",
    [
        ("Origin: file://", "User-Agent: arduino-WebSocket-Client"),
        ("Origin: http://192.168.1.2:9000",),
        ("Origin: https://github.com/gilmaimon/TinyWebsockets",),
        (CHROME,),
        (CHROME, "Origin: https://simulator.example"),
    ],
)
async def test_a_charger_may_send_an_origin(central: Central, lines: tuple[str, ...]) -> None:
    """Those of common libraries; and the page of a simulator that the settings name."""
    configure(central, api_cors_origin="https://simulator.example")
    async with open_raw(central) as peer:
        await peer.send(upgrade("/ocpp/CP-1", *lines))
        assert (await peer.read_head()).startswith("HTTP/1.1 101 ")
        await heartbeat(peer)


async def test_the_address_that_a_charger_was_given_is_kept(
    central: Central, writer: InlineWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the machine loses it later, Now says who still has it. A charger that was given another
    one replaces it."""
    monkeypatch.setattr("levity_trio.charger.stream._local_address", lambda _: "192.0.2.7")
    for host, kept in (("192.0.2.7:9000", "192.0.2.7"), ("levity.local:9000", None)):
        async with open_raw(central) as peer:
            await peer.send(upgrade().replace(b"Host: test", f"Host: {host}".encode()))
            assert (await peer.read_head()).startswith("HTTP/1.1 101 ")
            await heartbeat(peer)
        assert writer.rows("SELECT dialled FROM cp") == [(kept,)]
