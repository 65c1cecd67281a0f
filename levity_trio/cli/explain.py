"""`levity-trio explain`: shows all that is known of one session, in order, and its bill."""

from __future__ import annotations

from typing import Final

from levity_trio.cli.declaring import SESSION
from levity_trio.cli.operator import Operator, command
from levity_trio.cli.terminal import cell, say

EXAMPLES: Final = """\
\b
Examples:
  levity-trio explain 1000017
"""


@command("explain", epilog=EXAMPLES)
@SESSION
def explain(operator: Operator, transaction: int) -> None:
    """Show how the energy of a session was found, and how its bill came about.

    Each message, each candidate and each doubt; then whose it is and why, the
    tariff, the arithmetic of each line, statements and corrections. Of one that
    is not billed: why not, and what to do.
    """
    explained = operator.get("transactions", str(transaction), "explain")
    if not operator.is_told(explained):
        for line in explained["lines"]:
            say(cell(line))
