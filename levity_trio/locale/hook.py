"""Hatchling's hook: the wheel has the compiled catalogues, no checkout has."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CatalogueHook(BuildHookInterface):
    """Compiles the catalogues of a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put a compiled catalogue beside each that people write. An editable installation has
        those only."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from levity_trio.locale.compiling import compiled  # noqa: PLC0415 - found only now

        self._made = tempfile.TemporaryDirectory()  # until the build has read what is in it
        for source in Path(self.root).glob("levity_trio/locale/*/LC_MESSAGES/*.po"):
            made = Path(self._made.name, f"{source.parent.parent.name}.mo")
            made.write_bytes(compiled(source))
            build_data["force_include"][str(made)] = str(
                source.with_suffix(".mo").relative_to(self.root)
            )
