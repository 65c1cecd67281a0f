"""What a release consists of: a wheel and an sdist of a copy of this checkout, with constraints."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from levity_trio import __version__, commit
from tests.tools.catalogue import PACKAGE_FOLDER
from tests.tools.release import build

ROOT = PACKAGE_FOLDER.parent
PINNED = "click==8.3.0 \\\n    --hash=sha256:00\n"
GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
SPOKEN = (
    "from levity_trio.locale import _, languages, speaking\nwith speaking('de'): "
    "print(languages(), _('Log in'))"
)


class Built(NamedTuple):
    """What was built of a copy, and the folder of what was in the wheel."""

    source: Path
    sdist: Path
    wheel: Path
    installed: Path

    def run(self, *words: str) -> str:
        """Run this Python where it finds the program of the wheel first."""
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.installed,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("release")
    source, installed = folder / "source", folder / "installed"
    made_here = shutil.ignore_patterns("__pycache__", "constraints.txt")
    shutil.copytree(PACKAGE_FOLDER, source / "levity_trio", ignore=made_here)
    shutil.copytree(ROOT / "schema", source / "schema")
    for name in (".gitignore", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run(["git", "init", "-q"], cwd=source, check=True)
    subprocess.run(["git", "add", "LICENSE"], cwd=source, check=True)
    subprocess.run([*GIT, "commit", "-q", "-m", "a"], cwd=source, check=True)
    (source / "levity_trio/deploy/constraints.txt").write_text(PINNED)
    wheel, sdist = build(source, folder / "out", "sdist", "wheel")
    shutil.unpack_archive(wheel, installed, "zip")
    return Built(source, sdist, wheel, installed)


def test_a_wheel_of_the_sdist_has_equal_bytes(built: Built, tmp_path: Path) -> None:
    """Also with other modes and times."""
    subprocess.run(["tar", "-xf", built.sdist, "-C", tmp_path], check=True)
    (again,) = tmp_path.iterdir()
    for path in again.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
        os.utime(path, (0, 0))
    (wheel,) = build(again, tmp_path / "out", "wheel", umask=0o077)
    assert wheel.name == built.wheel.name == f"levity_trio-{__version__}-py3-none-any.whl"
    assert wheel.read_bytes() == built.wheel.read_bytes()


def test_a_wheel_has_constraints_and_compiled_catalogues(built: Built) -> None:
    """No checkout has either."""
    assert (built.installed / "levity_trio/deploy/constraints.txt").read_text() == PINNED
    assert built.run("-c", SPOKEN) == "('en', 'de') Anmelden\n"
    assert not [*built.installed.rglob("*.po")]
    assert not [*built.source.rglob("*.mo")]


def test_the_version_has_its_commit_where_it_is_known(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    show, text = ("-m", "levity_trio", "--version"), f"levity-trio {__version__}"
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=built.source, check=True, capture_output=True, text=True
    ).stdout
    assert built.run(*show) == f"{text} (commit {head[:12]})\n"
    (built.installed / "levity_trio/commit.txt").unlink()
    assert built.run(*show) == f"{text}\n"
    if (ROOT / ".git").exists():
        assert commit() is not None
        monkeypatch.setenv("PATH", "")
        assert commit() is None
