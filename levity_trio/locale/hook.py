"""Hatchling's hook: a wheel and an sdist have what no checkout has, which are the commit, the
constraints of a release, and in a wheel the compiled catalogues."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CONSTRAINTS: Final = "levity_trio/deploy/constraints.txt"
"""What `just release` lays there: the versions that its checks ran with, each with the hashes of
its files. No checkout keeps it."""


class ReleaseHook(BuildHookInterface):
    """Adds what is made, always in the same way, so that a wheel of an sdist equals that of the
    checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name what is made. An editable installation has none of it."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from levity_trio import COMMIT, commit  # noqa: PLC0415 - found only now
        from levity_trio.locale.compiling import compiled  # noqa: PLC0415

        self._folder = tempfile.TemporaryDirectory()  # until the build has read what is in it
        made = dict[str, bytes]()
        if known := commit():
            made[f"levity_trio/{COMMIT}"] = f"{known}\n".encode()
        if (constraints := Path(self.root, CONSTRAINTS)).exists():
            made[CONSTRAINTS] = constraints.read_bytes()
        if self.target_name == "wheel":
            for source in Path(self.root).glob("levity_trio/locale/*/LC_MESSAGES/*.po"):
                made[str(source.with_suffix(".mo").relative_to(self.root))] = compiled(source)
        for number, (place, content) in enumerate(sorted(made.items())):
            (file := Path(self._folder.name, str(number))).write_bytes(content)
            build_data["force_include"][str(file)] = place
