"""The files of the authority, beside the database and never in it: a database is copied elsewhere.

Only the server's user may read the folder. A server certificate is one file with its key, so that a
renewal is one rename, and a reader never sees a key with the certificate of another one.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from levity_trio import writing
from levity_trio.authority import AuthorityProblem

ROOT: Final = "root.pem"
ROOT_KEY: Final = "root-key.pem"
SERVER: Final[Mapping[str, str]] = {"ECDSA": "server-ecdsa.pem", "RSA": "server-rsa.pem"}
"""The server certificates by the kind of their key; each file has the key and the chain."""
PAGES: Final = "site.pem"
"""The certificate of the pages with its key, in a folder of its own with its root."""


def has_root(folder: Path) -> bool:
    """Whether there is an authority, perhaps one that cannot be read."""
    try:
        return (folder / ROOT).exists()
    except PermissionError:  # the folder belongs to another user; what reads it says so
        return True


def create(folder: Path, files: Mapping[str, bytes]) -> None:
    """Create the folder with its first files, all or nothing; an existing one is left as it is.

    Raises AuthorityProblem.
    """
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))  # mode 0700
    try:
        for name, content in files.items():
            writing.replace(made / name, content)
        made.rename(folder)  # fails if the folder has files
    except OSError as problem:
        words = "it exists already, and is never overwritten" if folder.exists() else str(problem)
        raise AuthorityProblem(f"cannot create {folder}: {words}") from problem
    finally:
        shutil.rmtree(made, ignore_errors=True)


def make(folder: Path) -> None:
    """Create the folder, if it is not there. Raises AuthorityProblem."""
    try:
        writing.make_folder(folder)
    except OSError as problem:
        raise AuthorityProblem(f"cannot create {folder}: {problem}") from problem


def replace(path: Path, content: bytes) -> None:
    """Write a file, or write it anew in one step. Raises AuthorityProblem."""
    try:
        writing.replace(path, content)
    except OSError as problem:
        raise AuthorityProblem(f"cannot write {path}: {problem}") from problem


def read(path: Path) -> bytes:
    """Return the content of a file. Raises AuthorityProblem."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise AuthorityProblem(
            f"{path} is missing; create the authority with `levity-trio certificate init`"
        ) from None
    except OSError as problem:
        words = (
            f"{path} cannot be read: {problem.strerror}; it must belong to the user of the server"
        )
        raise AuthorityProblem(words) from None
