"""Who may read the files of a server: nobody else, whatever the umask is, and whatever an earlier
version left."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from levity_trio.authority.issuing import create_root, create_server_certificates
from levity_trio.cli import main
from levity_trio.config import certificates_folder
from tests.integration.charger import Charger
from tests.integration.serving import Serving, serving

PORTS = [
    part for name in ("tls", "metrics", "files", "drivers") for part in (f"--{name}-port", "0")
]
MENDED = ("others could read files of the database; now only the user of the server can",
          "others could read files of the log; now only the user of the server can")  # fmt: skip
LOOSE = (
    "levity.db",
    "levity.db-wal",
    "levity.db-shm",
    "levity.db.lock",
    "levity.db.backup",
    "site.log",
    "site.log.1",
)


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    """What stands in a folder and is not its owner's alone, but a socket, which must be 0600,
    too."""
    found = {path: path.lstat().st_mode for path in folder.rglob("*")}
    return {
        str(path.relative_to(folder)): oct(stat.S_IMODE(mode))
        for path, mode in found.items()
        if stat.S_IMODE(mode) != (0o700 if stat.S_ISDIR(mode) else 0o600)
    }


def used(server: Serving, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what makes files."""
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        charger.start("TAG")
    monkeypatch.setenv("LEVITY_API", f"unix:{server.database}.sock")
    (folder.parent / "firmware.bin").write_bytes(b"x" * 100_000)
    assert main(["files", "add", str(folder.parent / "firmware.bin")]) == 0
    assert main(["backup", str(folder / "copy.db"), "--db", str(server.database)]) == 0


def test_all_files_are_their_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    site.mkdir(mode=0o755)
    create_root(
        folder := certificates_folder(site / "levity.db"), "Haus am Park", datetime.now(UTC)
    )
    create_server_certificates(folder, ["127.0.0.1", "localhost"], datetime.now(UTC))
    flags = [*PORTS, "--log-file", str(site / "site.log")]
    with serving(site / "levity.db", *flags) as server:
        used(server, site, monkeypatch)
        assert {path.name for path in site.iterdir()} >= {
            *LOOSE[:-1], "levity.db.sock", "levity.db.files", folder.name, "copy.db",
        }  # fmt: skip
        assert not modes(site)
        assert not server.find(MENDED[0])
        server.kill()
    (site / "site.log.1").touch()
    for name in LOOSE:
        (site / name).chmod(0o644)
    with serving(site / "levity.db", *flags) as server:
        assert not modes(site)
        of_database, of_log = (server.find(line) for line in MENDED)
    assert [[Path(name).name for name in line["files"]] for line in (*of_database, *of_log)] == [
        list(LOOSE[:5]),
        list(LOOSE[5:]),
    ]
    assert not modes(site)
