"""A park for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.simulator.park.parks import Asker, running_park


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "simulator.json"


@pytest.fixture
async def api(path: Path) -> AsyncIterator[Asker]:
    """The API of a park with two chargers: CP-1, and CP-2, which has two connectors and is
    disconnected."""
    async with running_park(path) as asker:
        await asker.done("POST", "/api/chargers", {"id": "CP-1"})
        await asker.done(
            "POST", "/api/chargers", {"id": "CP-2", "connectors": 2, "auto_connect": False}
        )
        yield asker
