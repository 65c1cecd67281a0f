"""The browser, axe-core and html-validate, started and fetched once for a module. Without them
these tests fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.player import Player, player
from tests.integration import npm

AXE = "axe-core@^4.10"
HTML_VALIDATE = "html-validate@^10"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    """A browser in a process of its own."""
    with player(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """axe-core, as one file."""
    return _modules(AXE, tmp_path_factory) / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def html_validate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """html-validate, as a command."""
    return _modules(HTML_VALIDATE, tmp_path_factory) / ".bin" / "html-validate"


def _modules(package: str, folders: pytest.TempPathFactory) -> Path:
    assert npm.is_possible(), (
        f"{package} is an npm package, and node or npm is missing; .ci/run installs them"
    )
    return npm.install(package, folders.mktemp("npm"))
