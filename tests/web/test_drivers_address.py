"""The address that codes at chargers and links for drivers begin with."""

from pathlib import Path

import pytest

from levity_trio.config import ServerConfig
from levity_trio.listening.addresses import present_address
from levity_trio.web.drivers_address import drivers_address, is_local, own_address, welcome_page

CERTIFICATE = Path("cert.pem")
OF_DRIVERS = ServerConfig(
    drivers_port=9002, drivers_host="192.0.2.7", public_url="https://example.org/charging"
)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (ServerConfig(), "http://127.0.0.1:9001"),
        (ServerConfig(api_port=8080, api_host="192.0.2.7"), "http://192.0.2.7:8080"),
        (ServerConfig(api_host="::1", api_tls_cert=CERTIFICATE), "https://[::1]:9001"),
        (ServerConfig(public_url="https://example.org/charging"), "https://example.org/charging"),
        (OF_DRIVERS, "http://192.0.2.7:9002"),  # the proxy of the operators leads elsewhere
        (ServerConfig(drivers_port=9002, api_tls_cert=CERTIFICATE), "https://127.0.0.1:9002"),
        (
            ServerConfig(drivers_port=9002, drivers_url="https://charge.example.org"),
            "https://charge.example.org",
        ),
        (ServerConfig(drivers_url="https://charge.example.org"), "https://charge.example.org"),
        (ServerConfig(drivers_port=9002, api=False), "http://127.0.0.1:9002"),
        (ServerConfig(dashboard=False), None),
        (ServerConfig(api=False, public_url="https://example.org"), None),
    ],
)
def test_the_address(config: ServerConfig, expected: str | None) -> None:
    assert drivers_address(config) == expected


def test_a_port_that_was_selected() -> None:
    assert drivers_address(ServerConfig(drivers_port=0), 40001) == "http://127.0.0.1:40001"
    assert drivers_address(ServerConfig(api_port=0), 40001) == "http://127.0.0.1:40001"


def test_where_a_code_is_typed() -> None:
    assert welcome_page(OF_DRIVERS, "driver") == "http://192.0.2.7:9002/welcome"
    assert welcome_page(OF_DRIVERS, "admin") == "https://example.org/charging/welcome"
    assert welcome_page(ServerConfig(dashboard=False), "driver") is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        *(
            ("http://127.0.0.1:9001", True),
            ("http://127.0.1.1:9001", True),
            ("https://[::1]:9001/x", True),
        ),
        *(("http://localhost:9001", True), ("http://[::ffff:127.0.0.1]", True), ("", False)),
        *(
            ("http://192.0.2.7:9001", False),
            ("https://localhost.example.org", False),
            ("http://127.example.org", False),
        ),
    ],
)
def test_an_address_of_this_machine_only(url: str, expected: bool) -> None:
    assert is_local(url) is expected
    assert not url or not is_local(f"{url}/welcome", None, url)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9002", "https://charge.example", "http://203.0.113.7:9002", "http:"]
)
def test_an_address_that_this_machine_cannot_lose_is_none_of_its_own(url: str) -> None:
    assert own_address(url) is None


def test_an_address_of_its_own() -> None:
    present = present_address("0.0.0.0")  # noqa: S104 - of whichever interface leads out
    assert present is None or own_address(f"http://{present}:9002") == present
