"""levity-trio: an OCPP 1.6-J central system in one process, on trio and SQLite."""

from pathlib import Path

__version__ = "1.0.0.dev0"
FOLDER = Path(__file__).parent
COMMIT = "commit.txt"
"""What a build writes into the package (levity_trio/locale/hook.py). A checkout has none."""

# root may install from the checkout of another user; what is there runs here anyway
_DESCRIBE = ["git", "-c", "safe.directory=*", "-C", str(FOLDER)]
_DESCRIBE += ["describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"]


def commit() -> str | None:
    """Return the commit of this program: as the build wrote it, or in a checkout as git knows it.
    Without either, it is not known."""
    import subprocess  # noqa: PLC0415 - a build and --version ask, and no start

    if (written := FOLDER / COMMIT).exists():
        return written.read_text("ascii").strip()
    if not (FOLDER.parent / ".git").exists():
        return None
    try:
        described = subprocess.run(_DESCRIBE, check=True, capture_output=True, text=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None  # there is no git, or no commit yet
    return described.stdout.strip()
