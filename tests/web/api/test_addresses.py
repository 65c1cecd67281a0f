"""The addresses to enter in chargers."""

from __future__ import annotations

from levity_trio.web.api.chargers import chargers
from tests.web.api.conftest import Site

(ADDRESSES,) = [one for one in chargers.ENDPOINTS if one.path.endswith("/addresses")]


async def test_the_address_of_the_only_port(site: Site) -> None:
    assert await site.call(ADDRESSES) == {
        "chargers": [{"url": "ws://192.0.2.7:9000/ws/", "is_tls": False, "is_local": False}]
    }


async def test_tls_comes_first(site: Site) -> None:
    vars(site.api.config).update(tls_port=9443)
    told = await site.call(ADDRESSES)
    assert [one["url"] for one in told["chargers"]] == [
        "wss://192.0.2.7:9443/ws/",
        "ws://192.0.2.7:9000/ws/",
    ]


async def test_an_address_that_only_this_machine_reaches(site: Site) -> None:
    vars(site.api.config).update(host="::1")
    assert await site.call(ADDRESSES) == {
        "chargers": [{"url": "ws://[::1]:9000/ws/", "is_tls": False, "is_local": True}]
    }
