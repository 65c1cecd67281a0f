"""`levity-trio explain`: shows all that is known of one transaction, in order."""

from __future__ import annotations

from typing import Final

import click

from levity_trio.cli.operator import Operator, command
from levity_trio.cli.tables import say

EXAMPLES: Final = """\
\b
Examples:
  levity-trio explain 1000017
"""


@command("explain", epilog=EXAMPLES)
@click.argument("transaction", type=int)
def explain(operator: Operator, transaction: int) -> None:
    """Show how the energy of a transaction was found: each message, each candidate, each doubt."""
    found = operator.ask("GET", "admin", "transactions", str(transaction), "explain")
    if operator.is_json:
        operator.record(found)
        return
    for line in found["lines"]:
        say(line)
