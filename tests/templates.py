"""Compiled templates, which all processes of a run have in common: the first that needs a template
compiles it, for as much CPU as ten short tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from jinja2 import FileSystemBytecodeCache

from levity_trio.web.dashboard.templating import shared_environment

FOLDER: Final = "TESTS_TEMPLATES"
"""The setting that tells processes where they are."""


def share(folder: Path) -> None:
    """Let this process and those that it starts have them in common."""
    (own := folder / "templates").mkdir(exist_ok=True)
    os.environ[FOLDER] = str(own)
    use(own)


def use(folder: Path) -> None:
    """Take them from this folder, and put there what is missing."""
    shared_environment().bytecode_cache = FileSystemBytecodeCache(str(folder))
