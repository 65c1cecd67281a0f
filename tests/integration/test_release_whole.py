"""A release is made from a clone as `just release --checked` makes it, with all that it downloads
and compares."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from levity_trio import __version__
from tests.test_release import dated, git
from tests.tools.release import CHANGELOG, CONTAINER, MOST_WHEEL_BYTES, NOTES, ROOT, SUMS

MADE = f"levity_trio-{__version__}"


def test_a_release_is_made_of_the_last_commit(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(ROOT), str(clone))
    changelog = clone / CHANGELOG
    changelog.write_text(dated(changelog.read_text("utf-8")), "utf-8")
    git(
        clone, "commit", "--quiet", "--allow-empty", "--message", "The number and its date", "--all"
    )
    # The recipe finds the tools with which these tests run.
    (clone / ".venv").symlink_to(sys.prefix)

    released = subprocess.run(
        [
            Path(sys.executable).with_name("just"),
            "release",
            "--checked",
            "--tag",
            f"v{__version__}",
        ],
        cwd=clone,
        check=False,
        capture_output=True,
        text=True,
    )
    assert released.returncode == 0, released.stdout + released.stderr

    dist = clone / "dist"
    wheel = f"{MADE}-py3-none-any.whl"
    names = [f"{MADE}.tar.gz", wheel, f"{MADE}.cdx.json", CONTAINER, NOTES, SUMS]
    assert sorted(path.name for path in dist.iterdir()) == sorted(names)
    assert (dist / wheel).stat().st_size <= MOST_WHEEL_BYTES
    assert f"levity-trio {__version__} " in released.stdout, "the installed wheel has its commit"
    subprocess.run(["sha256sum", "--check", SUMS], cwd=dist, check=True)
    assert git(clone, "status", "--porcelain") == ""
