"""What a release consists of: a wheel and an sdist of a part of this checkout, built once as `just
release` does it."""

from __future__ import annotations

import re
import shutil
import sys
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

from levity_trio import __version__, commit
from tests.tools import release
from tests.tools.catalogue import PACKAGE_FOLDER

ROOT = PACKAGE_FOLDER.parent
PINNED = "click==8.3.0 ; python_version >= '3.11' \\\n    --hash=sha256:00\n"
# Each call is a line of the log beside it.
FAKE_UV = f"""#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
while [ "$1" != --output-file ]; do shift; done
cat > "$2" <<'END'
{PINNED}END
"""
SPOKEN = (
    "from levity_trio.locale import _, languages, speaking\nwith speaking('de'): "
    "print(languages(), _('Log in'))"
)
ASKED = "from levity_trio import __version__, commit; print(__version__, commit())"
BUILT = ("*.py", "locale/**/*.*", "deploy/*.py")
"""Of the package, to spare CPU. `just release` itself takes all."""


class Released(NamedTuple):
    """What was built of a copy, the calls of uv, and the folder of what was in the wheel."""

    source: Path
    sdist: Path
    wheel: Path
    calls: list[str]
    installed: Path

    def run(self, *words: str) -> str:
        """Run this Python where it finds the program of the wheel first."""
        return release.run(sys.executable, *words, folder=self.installed)


def dated(changelog: str) -> str:
    """Return the changelog as it is when this version is released."""
    return changelog.replace("## Unreleased\n", f"## {__version__} - 2026-12-24\n", 1)


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    return release.run("git", *who, *words, folder=folder)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Released:
    folder = tmp_path_factory.mktemp("release")
    source = folder / "source"
    installed = source / ".venv"  # in a repository, which is not the program's
    files = [path for pattern in BUILT for path in PACKAGE_FOLDER.glob(pattern)]
    files += [ROOT / name for name in (".gitignore", "pyproject.toml", "README.md", "LICENSE")]
    for path in [*files, *ROOT.glob("schema/*.sql")]:
        place = source / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    git(source, "init", "--quiet")
    git(source, "add", ".")
    git(source, "commit", "--quiet", "--message", "a")
    (folder / "uv").write_text(FAKE_UV)
    (folder / "uv").chmod(0o755)
    constraints = release.pin(source, folder, folder, ["click==8.3.0"])
    wheel, sdist = release.build_alike(source, constraints, folder)
    shutil.unpack_archive(wheel, installed, "zip")
    calls = (folder / "calls").read_text().splitlines()
    return Released(source, sdist, wheel, calls, installed)


def test_it_has_the_number(released: Released) -> None:
    """And bytes are equal, or there would be none."""
    assert released.wheel.name == f"levity_trio-{__version__}-py3-none-any.whl"
    assert released.sdist.name == f"levity_trio-{__version__}.tar.gz"


def test_versions_are_pinned_for_each_python_and_machine(released: Released) -> None:
    first, *others = released.calls
    assert {"--universal", "--generate-hashes", "--python-version 3.11"} <= {
        *first.split(),
        *re.findall(r"--python-version \S+", first),
    }
    wanted = r"--only-binary :all: --python-platform (\w+?)-unknown.* (3\.\d+) "
    found = re.findall(wanted, "\n".join(others))
    everywhere = product(("x86_64", "aarch64"), ("3.11", "3.12", "3.13", "3.14"))
    assert found == [*everywhere]


def test_a_wheel_has_what_no_checkout_has(released: Released) -> None:
    pinned = (released.installed / "levity_trio/deploy/constraints.txt").read_text()
    assert pinned.startswith(f"# What the checks of levity-trio {__version__} ran with")
    assert pinned.endswith(PINNED)
    assert released.run("-c", SPOKEN) == "('en', 'de') Anmelden"
    assert not [*released.installed.rglob("*.po")]
    assert not [*(released.source / "levity_trio").rglob("*.mo")]


def test_the_version_has_its_commit_where_it_is_known(
    released: Released, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not known is not invented."""
    head = git(released.source, "rev-parse", "HEAD")
    assert released.run("-c", ASKED) == f"{__version__} {head[:12]}"
    (released.installed / "levity_trio/commit.txt").unlink()
    assert released.run("-c", ASKED) == f"{__version__} None"
    if (ROOT / ".git").exists():
        assert commit() is not None
        monkeypatch.setenv("PATH", "")
        assert commit() is None


def test_builds_that_differ_are_refused(
    released: Released, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a build would that keeps the time of a file."""

    def build(source: Path, out: Path, *_targets: str, umask: int = 0) -> list[Path]:
        del umask
        out.mkdir()
        (out / "a.whl").write_text(f"{(source / 'LICENSE').stat().st_mtime}")
        shutil.copy(released.sdist, out / "levity_trio.tar.gz")
        return sorted(out.iterdir())

    monkeypatch.setattr(release, "build", build)
    (pinned := tmp_path / "pinned").touch()
    with pytest.raises(SystemExit, match=r"differ; compare a\.whl"):
        release.build_alike(released.source, pinned, tmp_path)


def test_tag_number_and_changelog_agree(released: Released) -> None:
    folder = released.source / "levity_trio/manual"
    folder.mkdir()
    (folder / "changelog.md").write_text(dated((ROOT / release.CHANGELOG).read_text("utf-8")))
    git(released.source, "add", ".")
    git(released.source, "commit", "--quiet", "--message", "b")
    told = release.check_names(released.source, f"v{__version__}")
    assert told.startswith("The first version with a number")
    with pytest.raises(SystemExit, match=r"the tag is v0\.9"):
        release.check_names(released.source, "v0.9")
    (other := released.source / "other.txt").touch()
    with pytest.raises(SystemExit, match=r"commit first[^?]*\?\? other\.txt"):
        release.check_names(released.source, None)
    other.unlink()


@pytest.mark.parametrize("begin", ["## Unreleased", "## 1.0.0 - soon", "## 0.9.0 - 2026-11-01"])
def test_what_is_not_released_has_no_notes(begin: str) -> None:
    text = f"# What is new\n\n## What stays\n\n1. This.\n\n{begin}\n\n- A change.\n"
    with pytest.raises(SystemExit, match=f"begins with '{begin}'"):
        release.notes(text, "1.0.0")


def test_the_checksums_are_right(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"a")
    (tmp_path / release.NOTES).write_text("not kept")
    release.write_sums(tmp_path)
    assert release.run("sha256sum", "--check", release.SUMS, folder=tmp_path) == "a.whl: OK"


def test_a_large_wheel_is_refused(tmp_path: Path) -> None:
    with (wheel := tmp_path / "a.whl").open("wb") as file:
        file.truncate(release.MOST_WHEEL_BYTES + 1)
    with pytest.raises(SystemExit, match=f"{release.MOST_WHEEL_BYTES + 1:,} bytes"):
        release.check_size(wheel)


def test_what_the_checks_ran_with_is_all_but_ourselves() -> None:
    found = release.installed()
    assert not [one for one in found if one.startswith(("levity-trio=", "pip="))]
    assert f"pytest=={pytest.__version__}" in found
