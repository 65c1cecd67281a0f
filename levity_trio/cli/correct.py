"""`levity-trio correct`: sets the figure of an ended transaction."""

from __future__ import annotations

from typing import Final

import click

from levity_trio.cli.declaring import TRANSACTION
from levity_trio.cli.operator import Operator, command
from levity_trio.cli.review import EVENT, REASON, decide

EXAMPLES: Final = """\
\b
Examples:
  levity-trio correct 1000017 --figure-wh 3500 --reason "read at its display"
  levity-trio correct 1000017 --meter-stop-wh 43500 --reason "digits swapped"
  levity-trio correct 1000017 --id-tag 04A1B2C3 --reason "Anna's, she says"
"""


@command("correct", epilog=EXAMPLES)
@TRANSACTION
@click.option("--figure-wh", type=int, metavar="WH", help="The energy, if it is not the difference of the registers.")
@click.option("--meter-start-wh", type=int, metavar="WH", help="The register at its start.")
@click.option("--meter-stop-wh", type=int, metavar="WH", help="The register at its end.")
@click.option("--start-time", metavar="TIME", help="When it began, for the bill, as 2026-03-01T12:00 at the site.")
@click.option("--stop-time", metavar="TIME", help="When it ended, for the bill, likewise.")
@click.option("--id-tag", metavar="TAG", help="The tag, if none is known.")
@REASON
@EVENT
def correct(operator: Operator, transaction: int, **fields: object) -> int:
    """Set the energy of an ended transaction. What stood before is kept."""
    return decide(operator, "transactions", str(transaction), "correct", **fields)
