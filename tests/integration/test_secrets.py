"""A backup without the key: what it does not hold, what is off then, and how it goes on (issue
41)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from levity_trio.cli import main
from tests.integration.charger import Charger
from tests.integration.foreign import api_of
from tests.integration.serving import serving

URL = "http://127.0.0.1:1/"
ADMIN = ("admin", "webhooks")


def test_from_the_backup_to_a_new_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site, other = tmp_path / "site.db", tmp_path / "other" / "other.db"
    other.parent.mkdir()
    with serving(site) as server:
        api = api_of(server)
        shown = api.ask("POST", *ADMIN, given={"name": "home", "url": URL})["secret"]
        assert main(["backup", str(tmp_path / "copy.db"), "--db", str(site)]) == 0
    for path in tmp_path.iterdir():
        assert path.is_dir() or shown.encode() not in path.read_bytes(), path
    assert (tmp_path / "site.db.key").read_bytes().strip() not in (
        tmp_path / "copy.db"
    ).read_bytes()
    capsys.readouterr()
    assert main(["restore", str(tmp_path / "copy.db"), "--db", str(other), "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["unknown_secrets"] == ["webhook home"]
    with serving(other) as server:
        named = server.wait_line(
            "secrets are unknown here, and what needs them is off: add each again under its name,"
            " which gives it a new secret, or put their key back and start again"
        )
        assert named["of"] == told["unknown_secrets"]
        api = api_of(server)
        assert "its secret is unknown here" in api.ask("POST", *ADMIN, "1", "test")["problem"]
        with Charger(server.port, "CP-1") as charger:  # everything else works
            charger.boot()
        again = api.ask("POST", *ADMIN, given={"name": "home", "url": URL})
        assert again["id"] == 1
        assert again["secret"] != shown
        assert "unknown" not in api.ask("POST", *ADMIN, "1", "test")["problem"]
