"""`levity-trio commands`: lists what chargers were asked for, with what came of it."""

from __future__ import annotations

from typing import Any, Final

import click

from levity_trio.cli.named import check_charger
from levity_trio.cli.operator import OF_STATE, Operator, command

ADMIN: Final = "admin"
COLUMNS: Final = ("id", "charger", "action", "state", "asked_by", "requested_at", "outcome", "outcome_words")
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
@click.option("--charger", metavar="ID", help="Only of this charger.")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="How many, the newest.")
@click.option("--cancel", is_flag=True, help="Cancel a command that is still queued.")
def commands(operator: Operator, number: int | None, charger: str | None, limit: int, cancel: bool) -> int:
    """List commands, the newest first, or show one."""
    check_charger(operator, charger)
    if number is None:
        query: dict[str, Any] = {"limit": limit} | ({"charger": charger} if charger else {})
        page = operator.ask("GET", ADMIN, "commands", query=query)
        operator.table(COLUMNS, page["data"], page)
        return 0
    found = operator.ask("DELETE" if cancel else "GET", ADMIN, "commands", str(number))
    operator.record({name: value for name, value in found.items() if value not in (None, [])})
    return 0 if cancel else OF_STATE.get(found["state"], 0)
