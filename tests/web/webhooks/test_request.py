"""One attempt to deliver: where it may go, how it is signed, and what counts as delivered."""

from __future__ import annotations

import time

import pytest
import trio

from levity_trio.outgoing.addresses import AddressRefused, check_address
from levity_trio.outgoing.request import Destination
from levity_trio.web.webhooks import request
from levity_trio.web.webhooks.request import (
    BadUrl,
    Undelivered,
    WebhookMessage,
    destination,
    new_secret,
    send,
)
from tests.web.clients import HOST
from tests.web.webhooks.receivers import receiving

BODY = b'{"id":7,"kind":"ChargerBooted","data":{}}'


def message() -> WebhookMessage:
    return WebhookMessage("7", 1, int(time.time()), BODY)


@pytest.mark.parametrize(
    ("url", "leads_to"),
    [
        ("https://a.example", Destination(True, "a.example", 443, "a.example", "/")),
        (
            "http://a.example:8080/in?x=1&y",
            Destination(False, "a.example", 8080, "a.example:8080", "/in?x=1&y"),
        ),
        ("http://[fd00::1]/", Destination(False, "fd00::1", 80, "[fd00::1]", "/")),
        ("http://192.168.1.7/", Destination(False, "192.168.1.7", 80, "192.168.1.7", "/")),
    ],
)
def test_where_a_url_leads(url: str, leads_to: Destination) -> None:
    assert destination(url) == leads_to


@pytest.mark.parametrize(
    "url",
    [
        *("", "a.example", "ftp://a.example/", "http://", "http:///in", "file:///etc/passwd"),
        *(
            "http://a.example/a b",
            "http://a.example/\r\nx: y",
            "http://ä.example/",
            f"http://a.example/{'x' * 2000}",
        ),
        *(
            "http://a.example:99999/",
            "http://a.example:x/",
            "http://[::1/",
            "http://u:p@a.example/",
            "http://a/#part",
        ),
    ],
)
def test_a_url_that_cannot_be_used(url: str) -> None:
    with pytest.raises(BadUrl):
        destination(url)


@pytest.mark.parametrize(
    "host",
    [
        *("169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]"),
        *("[fd00:ec2::254]", "[fd00:0ec2:0:0:0:0:0:0254]", "[FD00:EC2::fe]"),
    ],
)
def test_a_link_local_address_is_refused(host: str) -> None:
    with pytest.raises(AddressRefused):
        destination(f"http://{host}/latest/meta-data")


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "fd00::1", "2001:db8::1", "::ffff:10.0.0.1"]
)
def test_other_addresses_are_used(address: str) -> None:
    check_address(address)


async def test_a_name_that_leads_to_a_link_local_address_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The address of the connection counts, whatever the name is; here a listener stands for such
    an address."""

    def refuse(address: str) -> None:
        assert address == HOST
        raise AddressRefused("link-local")

    async with receiving() as receiver:
        monkeypatch.setattr(request, "check_address", refuse)
        with pytest.raises(Undelivered, match="link-local"):
            await send(receiver.url, new_secret(), message())
    assert not receiver.delivered


async def test_it_is_signed_so_that_a_receiver_can_check_it() -> None:
    async with receiving() as receiver:
        receiver.secret = new_secret()
        assert await send(receiver.url, receiver.secret, message()) == 204
    ((number, attempt, body),) = receiver.delivered
    assert (number, attempt, body) == ("7", 1, {"id": 7, "kind": "ChargerBooted", "data": {}})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 500 Oh\r\n\r\n", "status 500"),
        (
            b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\n\r\n",
            "redirects are not followed",
        ),
        (b"", "without a response|not HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000, "not HTTP"),
    ],
)
async def test_another_answer_is_a_failure(answer: bytes, words: str) -> None:
    async with receiving() as receiver:
        receiver.respond = lambda _: answer
        with pytest.raises(Undelivered, match=words):
            await send(receiver.url, new_secret(), message())


async def test_an_endless_answer_is_not_read() -> None:
    async with receiving() as receiver:
        receiver.respond = lambda _: (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 9999999999\r\n\r\n"
        )
        assert await send(receiver.url, new_secret(), message()) == 200


async def test_a_receiver_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "SECONDS", 0.3)
    async with receiving() as receiver:
        receiver.respond = lambda _: None
        with pytest.raises(Undelivered, match="no response within"):
            await send(receiver.url, new_secret(), message())


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"http://{HOST}:1/", f"^all attempts to connect to {HOST}:1 failed$"),
        (f"http://{'a' * 64}.example/", "^the host name is not valid$"),
        ("http://nowhere.invalid/", r"^the name nowhere\.invalid has no address \(DNS: [A-Z]"),
    ],
)
async def test_no_receiver(url: str, words: str) -> None:
    with pytest.raises(Undelivered, match=words), trio.fail_after(60):
        await send(url, new_secret(), message())


async def _speak_plainly(stream: trio.SocketStream) -> None:
    await stream.send_all(b"not TLS")


async def test_a_receiver_without_tls() -> None:
    listeners = await trio.open_tcp_listeners(0, host=HOST)
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, _speak_plainly, listeners)
        with pytest.raises(Undelivered, match=r"WRONG_VERSION_NUMBER|wrong version"):
            await send(f"https://{HOST}:{port}/", new_secret(), message())
        nursery.cancel_scope.cancel()
