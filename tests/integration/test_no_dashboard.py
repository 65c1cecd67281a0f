"""What is switched off takes no memory: without the dashboard, nothing of it is imported."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.integration.browsing import Browser
from tests.integration.charger import Charger
from tests.integration.serving import serving

IMPORTED = """
import atexit, sys
from pathlib import Path
from levity_trio.cli import main

atexit.register(lambda: Path("modules").write_text(" ".join(sys.modules)))
sys.exit(main())
"""
OF_DASHBOARD = ("levity_trio.web.dashboard", "jinja2")


@pytest.mark.parametrize(("flags", "is_there"), [((), True), (("--no-dashboard",), False)])
def test_nothing_of_it_is_imported(tmp_path: Path, flags: tuple[str, ...], is_there: bool) -> None:
    program = (sys.executable, "-c", IMPORTED)
    with (
        serving(tmp_path / "site.db", *flags, program=program) as server,
        Charger(server.port, "CP-1") as charger,
    ):
        charger.boot()
        browser = Browser(server)
        assert browser.ask("GET", "/").status == (200 if is_there else 404)
        assert browser.ask("GET", "/api/admin/chargers").status == 200
    imported = (tmp_path / "modules").read_text().split()
    found = {name for name in imported if name.startswith(OF_DASHBOARD)}
    assert bool(found) is is_there, found
