"""`levity-trio close`: closes an open session."""

from __future__ import annotations

from typing import Final

import click

from levity_trio.cli.declaring import SESSION, energy
from levity_trio.cli.operator import Operator, command
from levity_trio.cli.review import EVENT, REASON, decide

EXAMPLES: Final = """\
\b
Examples:
  levity-trio close 1000017 --reason "the charger was taken down"
  levity-trio close 1000017 --stop-time 2026-03-01T13:00 \\
      --stop-kwh 43.5 --reason "read at its display"
"""


@command("close", epilog=EXAMPLES)
@SESSION
@click.option("--stop-time", metavar="TIME", help="When it ended, as 2026-03-01T13:00 at the site.  [default: now]")
@energy("meter_stop_kwh", "--stop-kwh", "The register at its end; the figure is then corrected.")
@REASON
@EVENT
def close(operator: Operator, transaction: int, **fields: object) -> int:
    """Close an open session. Its charger's own stop still wins."""
    return decide(operator, "transactions", str(transaction), "close", **fields)
