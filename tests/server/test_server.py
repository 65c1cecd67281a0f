"""The parts of the root that need no process of their own."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from levity_trio import server
from levity_trio.charger.connection import HANDSHAKES
from levity_trio.config import DRIVERS_CONNECTIONS, ServerConfig

MOST_MODULES = 800


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """What the machine allows, and what was asked of it."""
    limits = {"hard": 500}

    def set_limit(_: int, wanted: tuple[int, int]) -> None:
        limits["soft"] = wanted[0]

    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, limits["hard"]))
    monkeypatch.setattr(resource, "setrlimit", set_limit)
    return limits


def test_connections_are_capped_to_fit_the_open_files(files: dict[str, int]) -> None:
    room = 500 - server.SPARE_FILES - HANDSHAKES
    assert server.fit_to_files(ServerConfig(max_connections=1000)).max_connections == room
    assert files["soft"] == 500


def test_the_drivers_port_keeps_its_open_files(files: dict[str, int]) -> None:
    """A flood there must not take those of chargers."""
    files["hard"] = 1000
    room = 1000 - server.SPARE_FILES - HANDSHAKES
    assert (
        server.fit_to_files(ServerConfig(drivers_port=0)).max_connections
        == room - DRIVERS_CONNECTIONS
    )
    assert files["soft"] == 1000


def test_connections_that_fit_stay(files: dict[str, int]) -> None:
    files["hard"] = 100_000
    assert server.fit_to_files(ServerConfig(max_connections=1000)).max_connections == 1000
    assert files["soft"] == 100_000


def test_an_unlimited_number_of_files_is_left_alone(files: dict[str, int]) -> None:
    files["hard"] = resource.RLIM_INFINITY
    assert server.fit_to_files(ServerConfig(max_connections=1000)).max_connections == 1000
    assert "soft" not in files


def test_the_root_imports_no_library_of_the_web() -> None:
    """Their modules are imported when a listener opens: `just bench-start` prints what that
    saves."""
    program = "import levity_trio.server, sys; print(*sys.modules)"
    modules = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    assert not {"starlette", "hypercorn", "jinja2", "jsonschema", "levity_trio.web.api"} & set(
        modules
    )
    assert len(modules) <= MOST_MODULES


def test_what_no_server_uses_is_not_imported() -> None:
    program = (
        "import levity_trio.server, levity_trio.web.services, levity_trio.web.metrics_port, sys; "
        "print(*sys.modules)"
    )
    modules = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    assert not {
        "asyncio",
        "dateutil",
        "h2",
        "hpack",
        "multiprocessing",
        "rich",
        "sqlite_utils",
    } & set(modules)
