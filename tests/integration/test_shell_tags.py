"""`levity-trio card` against a running server: what it shows, what it refuses, and how it ends."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.integration.serving import Serving
from tests.integration.test_shell import Shell, server, shell, shown, table

__all__ = ["server", "shell"]


def test_a_tag_from_its_beginning_to_its_end(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    added = table(
        shell, capsys, "card", "add", "Card", "--name", "Anna", "--parent", "FLAT-3", "--most", 2
    )
    assert "FLAT-3" in added
    assert shell("card", "add", "card") == 2
    assert "the card Card was added before" in capsys.readouterr().err
    changed = shown(
        shell, capsys, "card", "change", "card", "--most", "", "--expires", "2031-01-01"
    )
    assert (changed["max_transactions"], changed["expires_at"]) == (
        None,
        "2031-01-01T00:00:00.000Z",
    )
    assert shown(shell, capsys, "card", "block", "card")["status"] == "Blocked"
    assert "Anna" in table(shell, capsys, "card", "list", "--status", "Blocked", "--search", "ann")
    assert (
        table(shell, capsys, "card", "list", "--expired")
        == "nothing fits; leave out an option to see more\n"
    )
    assert shown(shell, capsys, "card", "unblock", "card")["status"] == "Accepted"
    assert (
        len(table(shell, capsys, "card", "show", "card", "--wide").splitlines()) == 11 + 1 + 1 + 4
    )
    assert "is removed" in table(shell, capsys, "card", "remove", "card")
    assert shell("card", "show", "nobody") == 2
    assert shell("card", "change", "card", "--most", "many") == 2
    assert table(shell, capsys, "card", "asked").startswith("no unknown card waits; ")
    assert shell("card", "dismiss", "card") == 2


def test_files(
    shell: Shell,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    server: Serving,
) -> None:
    path = tmp_path / "tags.csv"
    path.write_text("id_tag,name\nCard,=Anna\nKey,\n", encoding="utf-8")
    assert table(shell, capsys, "card", "import", path).endswith(
        "2 cards: 2 added, 0 changed, 0 the same\n"
    )
    exported = table(shell, capsys, "card", "export")
    assert "Card,'=Anna,Accepted" in exported
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(exported.encode())))
    assert shown(shell, capsys, "card", "import", "-")["same"] == 2
    path.write_text("id_tag,status\nCard,Blocked\nKey,perhaps\n", encoding="utf-8")
    assert shell("card", "import", path) == 2
    said = capsys.readouterr()
    assert said.err.startswith("line 3: status: choose one of Accepted, Blocked\n")
    assert "nothing was imported" in said.err
    assert shell("card", "import", path, "--json") == 2
    assert json.loads(capsys.readouterr().out)["lines"][0]["line"] == 3
    assert server.query("SELECT count(*) FROM tag") == [(2,)]
