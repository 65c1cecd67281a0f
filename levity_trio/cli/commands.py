"""`levity-trio commands`: lists what chargers were asked for, with what came of it."""

from __future__ import annotations

from typing import Final

import click

from levity_trio.cli.declaring import OF_CHARGER, limit
from levity_trio.cli.operator import OF_STATE, Operator, command

COLUMNS: Final = ("id", "charger", "action", "state", "requested_at", "outcome", "outcome_words", "asked_by")
NO_COMMAND: Final = "nothing was asked of a charger yet: levity-trio call CHARGER help lists what can be"
EXAMPLES: Final = """\
\b
Examples:
  levity-trio commands
  levity-trio commands --charger CP-1
  levity-trio commands 17
  levity-trio commands 17 --cancel
"""


@command("commands", epilog=EXAMPLES)
@click.argument("number", type=int, required=False, metavar="[COMMAND]")
@OF_CHARGER
@limit("How many, the newest.", default=20)
@click.option("--cancel", is_flag=True, help="Cancel a command that is still queued.")
def commands(operator: Operator, number: int | None, charger: str | None, limit: int, cancel: bool) -> int:
    """List commands, the newest first, or show one."""
    operator.check_charger(charger)
    if number is None:
        operator.show_page(COLUMNS, operator.get("commands", charger=charger or None, limit=limit), empty=NO_COMMAND)
        return 0
    path = ("commands", str(number))
    record = operator.delete(*path) if cancel else operator.get(*path)
    operator.record({name: value for name, value in record.items() if value not in (None, [])})
    return 0 if cancel else OF_STATE.get(record["state"], 0)
