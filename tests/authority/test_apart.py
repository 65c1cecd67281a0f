"""The authority in a process of its own: its results, what it raises, and a process that fails."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from levity_trio.access.certificates import CLIENT_LIFE
from levity_trio.authority import AuthorityProblem, NoRequest
from levity_trio.authority.apart import examine, issue_for_charger, read_certificate, read_own
from levity_trio.authority.issuing import create_root, create_server_certificates
from levity_trio.config import ServerConfig
from tests.authority.requests import csr

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    created = tmp_path / "site.db.certificates"
    create_root(created, "Haus am Park", NOW)
    return created


def of(folder: Path) -> ServerConfig:
    """The settings of a server whose authority this is."""
    return ServerConfig(
        database=folder.with_name("site.db"), public_url="https://charge.example.org/x"
    )


async def test_results_and_times_come_back_whole(folder: Path) -> None:
    create_server_certificates(folder, ["localhost"], NOW)
    organization, requested = await examine(of(folder), csr("SN-1", "Haus am Park"))
    assert (organization, requested.common_names, requested.is_servers) == (
        "Haus am Park",
        ["SN-1"],
        False,
    )
    _, requested = await examine(of(folder), csr("charge.example.org", "Haus am Park"))
    assert requested.is_servers
    issued = await issue_for_charger(folder, csr("SN-1", "Haus am Park"), NOW)
    assert issued.not_after == NOW + CLIENT_LIFE
    assert (await read_certificate(issued.pem)).fingerprint == issued.fingerprint
    own = await read_own(folder)
    assert (own.organization, [list(one.names) for one in own.server]) == (
        "Haus am Park",
        [["localhost"]] * 2,
    )


async def test_what_the_authority_raises_is_raised_here(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NoRequest, match="no certificate request"):
        await examine(of(folder), "nonsense")
    with pytest.raises(ValueError, match="no certificate"):
        await read_certificate("nonsense")
    with pytest.raises(AuthorityProblem):
        await read_own(tmp_path)


async def test_a_process_that_fails_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(AuthorityProblem, match="the process of the certificate authority failed"):
        await read_own(folder)
