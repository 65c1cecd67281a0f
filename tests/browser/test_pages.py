"""What every page must be: valid, accessible in both colour schemes, fit for a phone, readable
without JavaScript."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.browser.pages import PAGES
from tests.browser.player import Player


@pytest.mark.parametrize("path", PAGES)
def test_it_is_for_everybody(browser: Player, axe: Path, path: str) -> None:
    """It fits a phone, axe finds nothing serious, and it reads without JavaScript."""
    browser.play("checks.is_for_everybody", path, str(axe))


def test_its_html_is_valid(browser: Player, html_validate: Path, tmp_path: Path) -> None:
    """All of them at once: each start of the validator takes a second."""
    for path in PAGES:
        file = tmp_path / (re.sub(r"\W+", "_", path) + ".html")
        file.write_text(browser.play("checks.as_served", path))
    (tmp_path / ".htmlvalidate.json").write_text(
        json.dumps({"root": True, "extends": ["html-validate:standard"]})
    )
    command: list[str | Path] = [
        html_validate,
        "--formatter",
        "text",
        *sorted(tmp_path.glob("*.html")),
    ]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout[-3000:] + told.stderr[-3000:]
    assert len([*tmp_path.glob("*.html")]) == len(PAGES)


@pytest.mark.parametrize("role", ["admin", "driver"])
def test_no_link_and_no_form_leads_nowhere(browser: Player, role: str) -> None:
    assert browser.play("checks.leads_nowhere", role) == []
