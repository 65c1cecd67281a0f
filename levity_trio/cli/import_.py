"""`levity-trio import`: takes over what another system kept."""

from __future__ import annotations

from typing import Final

import click

from levity_trio.cli.import_levity import levity

EXAMPLES: Final = """\
\b
Examples:
  levity-trio import levity old/levity.db --db levity-trio.db
"""

import_ = click.Group("import", help="Import the history of another system.", epilog=EXAMPLES)
import_.add_command(levity)
