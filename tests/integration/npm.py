"""Packages of npm that tests use. None is part of the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

NEEDED = ("node", "npm")
INSTALL_SECONDS = 120
TRUSTED = Path("/etc/ssl/certs/ca-certificates.crt")
"""Whom the machine trusts; node has a list of its own, without a company's proxy."""


class NotInstalled(Exception):
    """npm cannot install a package; a machine with its registry can."""


def is_possible() -> bool:
    """Whether this machine has node and npm."""
    return all(map(shutil.which, NEEDED))


def install(package: str, folder: Path) -> Path:
    """Install a package; gives the folder of its modules. Raises NotInstalled."""
    command = ("npm", "install", "--no-audit", "--no-fund", "--prefix", folder, package)
    trusting = {**os.environ, **({"NODE_EXTRA_CA_CERTS": str(TRUSTED)} if TRUSTED.exists() else {})}
    ended = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS, env=trusting
    )
    if ended.returncode:
        raise NotInstalled(ended.stderr[-300:])
    return folder / "node_modules"
