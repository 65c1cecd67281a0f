"""The browser and axe-core, started and fetched once for a module. Without them these tests fail and say why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.player import Player, player
from tests.integration import npm

AXE = "axe-core@^4.10"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    """A browser in a process of its own."""
    with player(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """axe-core, as one file."""
    assert npm.is_possible(), "axe-core is an npm package, and node or npm is missing; .ci/run installs them"
    return npm.install(AXE, tmp_path_factory.mktemp("npm")) / "axe-core" / "axe.min.js"
