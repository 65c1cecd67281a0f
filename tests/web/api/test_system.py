"""The server about itself."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from levity_trio import __version__
from levity_trio.config.sources import load
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.site import system
from tests.store.books import Station
from tests.web.api.conftest import Site
from tests.web.stores import in_file, on_postgresql

SYSTEM, *_ = system.ENDPOINTS


def configure(site: Site, environment: Mapping[str, str] | None = None, **flags: str) -> None:
    config: Any = site.api.config
    config.in_force = load(flags, environment or {})[0].in_force


async def test_what_runs(site: Site) -> None:
    configure(site)
    told = await site.call(SYSTEM)
    assert (told["program"]["version"], told["program"]["python"]) == (
        __version__,
        platform.python_version(),
    )
    assert told["program"]["begun_at"] == "2026-01-01T00:00:00.000Z"
    assert told["program"]["memory_bytes"] > 10_000_000
    assert (told["is_clock_trusted"], told["can_store"], told["is_damaged"]) == (True, True, False)
    assert told["retention"] == {"frames_days": 90, "frames_megabytes": 4096, "events_days": 400}
    assert told["load"] == {"chargers": 0, "streams": 0, "waiting_writes": 0}


@pytest.mark.parametrize("stored", [in_file], ids=["sqlite"], indirect=True)
async def test_the_database(site: Site) -> None:
    configure(site)
    path = site.api.config.beside
    database = (await site.call(SYSTEM))["database"]
    assert (database["path"], database["database_bytes"]) == (str(path), path.stat().st_size)
    assert database["wal_bytes"] == path.with_name(f"{path.name}-wal").stat().st_size > 0
    assert database["disk_free_bytes"] > 0
    assert (database["frames"], database["frames_since"]) == (0, None)
    # too early to say
    assert (database["first_run_at"], database["growth_bytes_per_day"]) == (
        site.books.at,
        None,
    )


@pytest.mark.parametrize("stored", [on_postgresql], ids=["alone"], indirect=True)
async def test_a_database_on_postgresql(site: Site) -> None:
    configure(site)
    database = (await site.call(SYSTEM))["database"]
    assert database["path"] == site.api.config.shown_database
    assert database["database_bytes"] > 0
    assert (database["wal_bytes"], database["disk_free_bytes"]) == (0, None)


async def test_growth_and_frames(site: Site) -> None:
    configure(site)
    Station(site.books)
    for number in range(3):
        site.books.connection.execute(
            "INSERT INTO log (cp_id, at, direction, frame) VALUES ('CP-1', ?, 'recv', '')",
            (f"2026-03-0{number + 1}",),
        )
    site.books.connection.execute("DELETE FROM log WHERE id = 1")
    site.books.now += timedelta(days=4)
    database = (await site.call(SYSTEM))["database"]
    assert (database["frames"], database["frames_since"]) == (2, "2026-03-02")
    assert database["growth_bytes_per_day"] == round(
        (database["database_bytes"] - database["unused_bytes"]) / 4
    )


async def test_settings_and_where_each_came_from(site: Site) -> None:
    secret = {"LEVITY_AUTHORIZER": "https://user:password@example.org/ask?token=1"}
    configure(site, secret, max_chargers="7")
    settings = {one["name"]: one for one in (await site.call(SYSTEM))["settings"]}
    assert (settings["max-chargers"]["value"], settings["max-chargers"]["origin"]) == ("7", "flag")
    assert (settings["port"]["value"], settings["port"]["origin"]) == ("9000", "default")
    masked = settings["authorizer"]["value"]
    assert masked.startswith("https://***@example.org/ask")
    assert "password" not in masked
    assert "=1" not in masked


async def test_settings_and_paths_are_for_admins(site: Site) -> None:
    configure(site)
    told = await site.call(SYSTEM, role=Role.OPERATOR)
    assert (told["settings"], told["database"]["path"]) == (None, None)
    assert told["database"]["database_bytes"] > 0
