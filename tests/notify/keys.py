"""A certificate for 127.0.0.2, made by openssl."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from typing import NamedTuple


class Pair(NamedTuple):
    """A certificate and its key, as files."""

    cert: Path
    key: Path

    def trusting(self) -> ssl.SSLContext:
        """Return a context that trusts this certificate."""
        return ssl.create_default_context(cafile=self.cert)


def make_pair(folder: Path) -> Pair:
    pair = Pair(folder / "mail.pem", folder / "mail.key")
    words = ["-subj", "/CN=mail", "-addext", "subjectAltName=IP:127.0.0.2", "-days", "2", "-nodes"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command = [
        "openssl",
        "req",
        "-x509",
        *kind,
        "-keyout",
        str(pair.key),
        "-out",
        str(pair.cert),
        *words,
    ]
    subprocess.run(command, check=True, capture_output=True)
    return pair
