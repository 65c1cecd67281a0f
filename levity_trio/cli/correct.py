"""`levity-trio correct`: sets the figure of an ended session."""

from __future__ import annotations

from typing import Final

import click

from levity_trio.cli.declaring import SESSION, energy, renamed
from levity_trio.cli.operator import Operator, command
from levity_trio.cli.review import EVENT, REASON, decide

EXAMPLES: Final = """\
\b
Examples:
  levity-trio correct 1000017 --kwh 3.5 --reason "read at its display"
  levity-trio correct 1000017 --stop-kwh 43.5 --reason "digits swapped"
  levity-trio correct 1000017 --card 04A1B2C3 --reason "Anna's, she says"
"""


@command("correct", epilog=EXAMPLES)
@SESSION
@energy("figure_kwh", "--kwh", "The energy, if it is not the difference of the registers.")
@energy("meter_start_kwh", "--start-kwh", "The register at its start.")
@energy("meter_stop_kwh", "--stop-kwh", "The register at its end.")
@click.option("--start-time", metavar="TIME", help="When it began, for the bill, as 2026-03-01T12:00 at the site.")
@click.option("--stop-time", metavar="TIME", help="When it ended, for the bill, likewise.")
@renamed("id_tag", "--card", "--id-tag", "The card, if none is known.")
@REASON
@EVENT
def correct(operator: Operator, transaction: int, **fields: object) -> int:
    """Set the energy of an ended session. What stood before is kept."""
    return decide(operator, "transactions", str(transaction), "correct", **fields)
