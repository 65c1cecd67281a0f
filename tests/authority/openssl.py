"""OpenSSL's own command, which says what it thinks of certificates."""

from __future__ import annotations

import subprocess
from pathlib import Path

from levity_trio.authority.folder import ROOT


def openssl(*words: str | Path) -> str:
    done = subprocess.run(
        ["openssl", *map(str, words)], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def verified(folder: Path, certificate: Path, *words: str) -> str:
    return openssl("verify", "-x509_strict", "-CAfile", folder / ROOT, *words, certificate)
