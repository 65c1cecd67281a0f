"""The park over restarts: saved state, chargers with `auto_connect`, and a full disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from structlog.typing import EventDict

from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.simulator.park.park import Limits, read_registry
from tests.simulator.park.parks import running_park

PATIENCE_SECONDS = 30.0
OFTEN = Limits(save_seconds=0.01)


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for the file or a log line by polling: nothing announces the write."""
    with trio.fail_after(PATIENCE_SECONDS):
        while not is_so():  # noqa: ASYNC110 - see above
            await trio.sleep(0.01)


async def test_it_is_kept_over_restarts(path: Path) -> None:
    async with running_park(path) as api:
        await api.done("POST", "/api/locations", {"name": "Yard"})
        await api.done("POST", "/api/chargers", {"id": "CP-1", "location": "Yard"})
        await api.done("POST", "/api/chargers", {"id": "CP-2", "auto_connect": False})
        await api.done("PUT", "/api/chargers/CP-1/configuration/HeartbeatInterval", {"value": "17"})
    async with running_park(path) as api:
        first, second = await api.done("GET", "/api/chargers")
        assert (first["location"], first["state"]) == ("Yard", "connecting")
        assert second["state"] == "disconnected"
        key = await api.done("GET", "/api/chargers/CP-1/configuration/HeartbeatInterval")
        assert key["value"] == "17"


async def test_two_parks_do_not_share_a_file(path: Path) -> None:
    async with running_park(path) as api:
        with pytest.RaisesGroup(
            pytest.RaisesExc(EnvironmentProblem, match="another simulator runs on")
        ):
            async with running_park(path):
                pass
        await api.done("POST", "/api/chargers", {"id": "CP-1"})
    assert "CP-1" in read_registry(path).chargers


async def test_what_was_answered_is_in_the_file(path: Path) -> None:
    async with running_park(path) as api:
        await api.done("POST", "/api/chargers", {"id": "CP-1"})
        assert "CP-1" in read_registry(path).chargers
        await api.done("PUT", "/api/chargers/CP-1/configuration/HeartbeatInterval", {"value": "17"})
        assert read_registry(path).chargers["CP-1"].memory.configuration == {
            "HeartbeatInterval": "17"
        }
        await api.done("DELETE", "/api/chargers/CP-1")
        assert "CP-1" not in read_registry(path).chargers


async def test_registers_are_kept_though_nobody_asks(path: Path) -> None:
    async with running_park(path) as api:
        await api.done("POST", "/api/chargers", {"id": "CP-1"})
        charger = api.park.running("CP-1")
        assert charger is not None
        await api.done("POST", "/api/chargers/CP-1/plug")
        await api.done("POST", "/api/chargers/CP-1/start", {"tag": "A"})
        await trio.sleep(0.05)
        at_work = charger.connectors[1].meter
        await api.done("GET", "/api/chargers/CP-1")
        assert at_work.register_wh > 0
    kept = read_registry(path).chargers["CP-1"].memory
    assert kept.registers[1] >= at_work.register_wh > 0
    assert [message.action for message in kept.messages] == ["StartTransaction", "StopTransaction"]


async def test_changes_of_chargers_are_saved_now_and_then(path: Path) -> None:
    async with running_park(path, OFTEN) as api:
        await api.done("POST", "/api/chargers", {"id": "CP-1"})
        api.park.find("CP-1").memory.local_list_version = 42
        await until(lambda: read_registry(path).chargers["CP-1"].memory.local_list_version == 42)


async def test_a_broken_file_is_told_before_anything_runs(path: Path) -> None:
    path.write_text("{")  # noqa: ASYNC240 - two bytes
    with pytest.RaisesGroup(
        pytest.RaisesExc(ConfigError, match="not a simulator state file"), flatten_subgroups=True
    ):
        async with running_park(path):
            pytest.fail("it runs")


async def test_a_folder_that_is_not_there_is_told_before_anything_runs(path: Path) -> None:
    with pytest.RaisesGroup(
        pytest.RaisesExc(EnvironmentProblem, match="cannot be written"), flatten_subgroups=True
    ):
        async with running_park(path / "deeper"):
            pytest.fail("it runs")


@pytest.mark.logs_errors
async def test_a_full_disk_is_told_and_got_over(
    path: Path, monkeypatch: pytest.MonkeyPatch, log_lines: list[EventDict]
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    async with running_park(path, OFTEN) as api:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            problem = await api.refused(503, "POST", "/api/chargers", {"id": "CP-1"})
            assert problem["detail"].startswith("done, but not saved: ")
            assert "CP-1" not in read_registry(path).chargers
            await until(
                lambda: any(line["event"] == "simulator state not saved" for line in log_lines)
            )
        await until(lambda: "CP-1" in read_registry(path).chargers)
