"""`levity-trio correct`: sets the figure of an ended transaction."""

from __future__ import annotations

import click

from levity_trio.cli.operator import Operator, command
from levity_trio.cli.review import EVENT, REASON, decide


@command("correct")
@click.argument("transaction", type=int)
@click.option("--figure-wh", type=int, metavar="WH", help="The energy, if it is not the difference of the registers.")
@click.option("--meter-start-wh", type=int, metavar="WH", help="The register at its start.")
@click.option("--meter-stop-wh", type=int, metavar="WH", help="The register at its end.")
@click.option("--start-time", metavar="TIME", help="When it began, for the bill.")
@click.option("--stop-time", metavar="TIME", help="When it ended, for the bill.")
@click.option("--id-tag", metavar="TAG", help="The tag, if none is known.")
@REASON
@EVENT
def correct(operator: Operator, transaction: int, **given: object) -> int:
    """Set the energy of an ended transaction. What stood before is kept."""
    return decide(operator, "transactions", str(transaction), "correct", **given)
