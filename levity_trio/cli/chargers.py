"""`levity-trio chargers`: lists the chargers, or shows one."""

from __future__ import annotations

from typing import Final

import click

from levity_trio.cli.operator import Operator, command
from levity_trio.cli.tables import say, show_record, show_table

ADMIN: Final = "admin"
COLUMNS: Final = ("id", "name", "status", "connected", "last_seen_at", "vendor", "model", "firmware_version")
CONNECTORS: Final = ("connector", "status", "status_at", "error_code", "open_transaction", "type", "max_a", "max_w")
EXAMPLES: Final = """\
\b
Examples:
  levity-trio chargers
  levity-trio chargers CP-1
  levity-trio chargers --json
"""


@command("chargers", epilog=EXAMPLES)
@click.argument("charger", required=False, metavar="[CHARGER]")
@click.option("--limit", type=click.IntRange(1, 500), default=500, show_default=True, help="How many.")
def chargers(operator: Operator, charger: str | None, limit: int) -> None:
    """List the chargers, or show one with its connectors."""
    if charger is None:
        page = operator.ask("GET", ADMIN, "chargers", query={"limit": limit})
        rows = [one | {"connected": one["is_connected"]} for one in page["data"]]
        operator.table(COLUMNS, rows, page)
        return
    found = operator.ask("GET", ADMIN, "chargers", charger)
    if operator.is_json:
        operator.record(found)
        return
    connectors = found.pop("connectors", [])
    show_record({name: value for name, value in found.items() if value is not None})
    say("")
    show_table(CONNECTORS, connectors)
