"""`levity-trio certificate`: the authority's files beside the database, and certificates over the
API."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from levity_trio.authority.folder import ROOT, ROOT_KEY
from levity_trio.authority.issuing import issue_for_charger
from levity_trio.cli import main
from levity_trio.config import certificates_folder
from tests.authority.requests import csr
from tests.integration.charger import Charger
from tests.integration.foreign import foreign_charger
from tests.integration.serving import Serving, serving

NAMES = ("levity.local", "192.168.1.5")


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "site.db"


@pytest.fixture
def server(database: Path) -> Iterator[Serving]:
    with serving(database) as running:
        yield running


def shell(*words: object) -> int:
    return main(["certificate", *map(str, words)])


def over(server: Serving) -> tuple[str, str]:
    return "--api", f"unix:{server.database}.sock"


def test_an_authority_is_made_beside_the_database(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell("init", "--organization", "Haus am Park", "--db", database) == 0
    assert "O=Haus am Park" in capsys.readouterr().out
    assert shell("server", *NAMES, "--db", database, "--json") == 0
    assert [one["names"] for one in json.loads(capsys.readouterr().out)] == [list(NAMES)] * 2
    assert not database.exists()
    assert shell("init", "--db", database) == 1
    problem = capsys.readouterr().err
    assert "never overwritten" in problem
    assert problem.count("\n") == 1


def test_what_is_missing_or_wrong_is_one_line(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell("server", *NAMES, "--db", database) == 1
    assert "certificate init" in capsys.readouterr().err
    assert shell("init", "--organization", "", "--db", database) == 1
    assert shell("server", "--db", database) == 2
    shell("init", "--db", database)
    capsys.readouterr()
    assert shell("server", "two words", "--db", database) == 1
    assert "neither a host name nor an IP address" in capsys.readouterr().err


def test_the_pages_get_a_root_of_their_own(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell("pages", *NAMES, "--db", database, "--json") == 0
    root, site = json.loads(capsys.readouterr().out)
    assert site["names"] == list(NAMES)
    assert shell("pages", *NAMES, "--db", database) == 0
    out = capsys.readouterr().out
    assert root["fingerprint"] in out
    assert site["fingerprint"] in out  # what fits is left as it is
    assert "This root is new" not in out
    assert shell("pages", NAMES[0], "--db", database) == 0
    assert "This root is new" in capsys.readouterr().out
    assert not certificates_folder(database).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_it_is_made_by_the_user_of_the_server_only(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database.touch()
    os.chown(database, 12345, 12345)
    assert shell("init", "--db", database) == 1
    assert "belongs to another user" in capsys.readouterr().err
    assert not certificates_folder(database).exists()


def test_the_root_is_installed_by_the_ocpp_package(
    server: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    with foreign_charger(server, "CP-1"):
        assert shell("install", "CP-1", *over(server)) == 2
        assert "certificate init" in capsys.readouterr().err
        shell("init", "--db", server.database)
        assert shell("install", "CP-1", *over(server)) == 0
        assert "CP-1: accepted Accepted" in capsys.readouterr().out
    sent = server.query("SELECT payload FROM command WHERE action = 'InstallCertificate'")
    root = (certificates_folder(server.database) / ROOT).read_text()
    assert [json.loads(payload)["certificate"] for (payload,) in sent] == [root]


def test_own_certificates_are_shown_but_no_key(
    server: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell("list", "--own", *over(server)) == 2
    assert "certificate init" in capsys.readouterr().err
    shell("pages", *NAMES, "--db", server.database)
    capsys.readouterr()
    assert shell("list", "--own", "--json", *over(server)) == 0
    pages = json.loads(capsys.readouterr().out)["pages"]
    shell("init", "--db", server.database)
    shell("server", *NAMES, "--db", server.database)
    capsys.readouterr()
    assert shell("list", "--own", *over(server)) == 0
    shown = capsys.readouterr().out
    assert shown.count("levity.local 192.168.1.5") == 3
    assert pages["root"]["fingerprint"] in shown.replace("\n", "")
    assert shell("list", "--own", "--json", *over(server)) == 0
    told = capsys.readouterr().out
    assert json.loads(told)["organization"] == "Levity"
    key = (certificates_folder(server.database) / ROOT_KEY).read_text()
    assert key.splitlines()[1] not in told
    assert "PRIVATE" not in told


def test_a_foreign_certificate_is_adopted_listed_and_revoked(
    server: Serving, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
    shell("init", "--db", server.database)
    issued = issue_for_charger(
        certificates_folder(server.database), csr("SN-9", "Maker"), datetime.now(UTC)
    )
    (path := tmp_path / "maker.pem").write_text(issued.pem)
    capsys.readouterr()
    assert shell("adopt", "NOBODY", path, *over(server)) == 2
    assert shell("adopt", "CP-1", __file__, *over(server)) == 2
    assert "it is no certificate in PEM" in capsys.readouterr().err
    assert shell("adopt", "CP-1", path, *over(server)) == 0
    assert "certificate 1 opens the door of CP-1" in capsys.readouterr().out
    assert shell("adopt", "CP-1", path, *over(server)) == 2
    assert shell("revoke", "1", "--reason", "sold", *over(server)) == 0
    assert shell("revoke", "1", "--reason", "sold", *over(server)) == 2
    capsys.readouterr()
    assert shell("list", "CP-1", *over(server)) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[-3] == "sold"
    assert shell("list", "--requests", *over(server)) == 0
    assert capsys.readouterr().out == "no charger has requested a certificate yet\n"


@pytest.mark.parametrize("command", ["init", "server", "list", "revoke", "adopt", "install"])
def test_each_help_fits_a_terminal(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert shell(command, "--help") == 0
    assert not [line for line in capsys.readouterr().out.splitlines() if len(line) > 80]
