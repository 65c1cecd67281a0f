"""A URL of ours goes to a charger only if the charger can reach it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from starlette.datastructures import Headers

from levity_trio.operations import OPERATIONS
from levity_trio.web.api.chargers.operations import located
from levity_trio.web.api.engine.endpoints import Caller, Role, TypedRequest
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.files.shelf import make
from tests.store.books import Station
from tests.web.api.conftest import Site


async def url_for(
    site: Site, base: str, charger: str = "CP-1", action: str = "GetDiagnostics"
) -> Any:
    """The payload with the URL that a charger is given."""
    shelf: Any = SimpleNamespace(new_url=lambda _protocols: make(base))
    site.api.shelf = shelf  # type: ignore[misc]
    asked = TypedRequest(
        site.api, Caller("anna", Role.ADMIN, "127.0.0.1", token=1), {}, None, None, Headers()
    )
    payload = (
        {}
        if action == "GetDiagnostics"
        else {"logType": "DiagnosticsLog", "requestId": 1, "log": {}}
    )
    return (await located(asked, OPERATIONS[action], payload, charger, frozenset()))[0]


@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:9003", "http://localhost:9003", "http://[::1]:9003"]
)
@pytest.mark.parametrize("action", ["GetDiagnostics", "GetLog"])
async def test_one_that_only_this_machine_reaches(
    site: Site, station: Station, base: str, action: str
) -> None:
    station.connect("192.168.1.30")
    with pytest.raises(Problem) as caught:
        await url_for(site, base, action=action)
    words = (
        f"only programs on this machine reach {base}; say with --files-url where chargers reach "
        "this server"
    )
    assert words in str(caught.value.detail)


@pytest.mark.parametrize(
    ("base", "address"),
    [
        ("http://192.168.1.5:9003", "192.168.1.30"),
        ("https://files.example.org", "192.168.1.30"),
        ("http://127.0.0.1:9003", "127.0.0.1"),
        ("http://127.0.0.1:9003", "::1"),
    ],
)
async def test_one_that_the_charger_reaches(
    site: Site, station: Station, base: str, address: str
) -> None:
    station.connect(address)
    assert (await url_for(site, base))["location"].startswith(f"{base}/f/")


async def test_a_charger_that_never_connected(site: Site) -> None:
    assert await url_for(site, "http://127.0.0.1:9003", "NEW")
