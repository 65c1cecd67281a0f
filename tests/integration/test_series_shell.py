"""Price series from the command line, against a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from levity_trio.cli import main
from tests.integration.serving import Serving

Shell = Callable[..., str]
FILE = "time;price\n2026-10-01T00:00;9,54\n2026-10-01T00:15;-1\n"


@pytest.fixture
def shell(
    server: Serving,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Shell:
    """The command line beside the database, which returns what it prints."""
    monkeypatch.setenv("LEVITY_DB", str(server.database))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("LEVITY_API", "LEVITY_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: object, status: int = 0) -> str:
        assert main([*map(str, words)]) == status
        printed = capsys.readouterr()
        return printed.out if status == 0 else printed.err

    return run


def told(shell: Shell, *words: object) -> Any:
    return json.loads(shell(*words, "--json"))


def test_a_series_is_set_filled_and_corrected(shell: Shell, tmp_path: Path) -> None:
    assert "no price series yet" in shell("series", "list")
    assert "there is no series 'Spot'" in shell("series", "show", "Spot", status=2)
    assert "Contract" in shell("series", "set", "Contract", "--currency", "EUR")
    file = tmp_path / "prices.csv"
    file.write_text(FILE)
    add = ("series", "add", "Contract", file, "--unit", "ct/kWh")
    assert shell(*add) == "2 added, 0 the same\n"
    file.write_text(FILE.replace(";-1", ";-2"))
    assert shell(*add).startswith("0 added, 1 the same; 1 price is not the stored one, which stays")
    assert shell(*add, "--reason", "a slip") == "1 added, 1 the same\n"
    shown = told(shell, "series", "show", "contract", "--since", "2026-10-01")
    assert [one["price"] for one in shown["prices"]] == ["0.0954", "-0.02"]
    assert "-0.02" in shell("series", "show", "Contract", "--since", "2026-10-01")
    file.write_text("<html>")
    assert "it has no column time" in shell(*add, status=2)
    file.write_text('[{"time": "2026-10-01T01:00", "price": 0.1}]')
    as_json = ("series", "add", "Contract", file, "--format", "json", "--minutes", "15")
    assert shell(*as_json) == "1 added, 0 the same\n"


def test_a_series_has_a_source_that_is_tried_and_fetched(shell: Shell) -> None:
    made = told(shell, "series", "set", "Day-ahead", "--currency", "EUR", "--source", "awattar")
    assert made["source"]["price"] == "marketprice"
    assert made["prices"] == "net"
    nobody = "http://127.0.0.1:1/{date}"
    changed = told(shell, "series", "set", "day-ahead", "--url", nobody, "--prices", "gross")
    assert changed["source"] == made["source"] | {"url": nobody}
    assert changed["id"] == made["id"]
    assert (changed["name"], changed["prices"]) == ("Day-ahead", "gross")
    for words in (("try", "Day-ahead"), ("fetch", "Day-ahead", "--day", "2026-10-01")):
        assert "all attempts to connect" in shell("series", *words, status=1)
    shell("series", "set", "Day-ahead", "--source", "none")
    assert "has no source" in shell("series", "try", "Day-ahead", status=2)
    assert "has no source" in shell("series", "fetch", "Day-ahead", status=2)
