"""`levity-trio configuration`: shows the configuration of a charger as it was last read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from levity_trio.cli.operator import Operator, command

ADMIN: Final = "admin"
COLUMNS: Final = ("key", "value", "readonly", "read_at")
EXAMPLES: Final = """\
\b
Examples:
  levity-trio call CP-1 GetConfiguration
  levity-trio configuration CP-1
  levity-trio configuration CP-1 --diff CP-2
  levity-trio configuration CP-1 --since 2026-03-01
"""


@command("configuration", epilog=EXAMPLES)
@click.argument("charger")
@click.option("--diff", "other", metavar="CHARGER", help="Show only what differs from another charger.")
@click.option("--since", metavar="TIME", help="Show only what has changed since then.")
def configuration(operator: Operator, charger: str, other: str | None, since: str | None) -> None:
    """Show the configuration of a charger, or its differences.

    It is what GetConfiguration last told; `call CHARGER GetConfiguration` reads it again.
    """
    path = (ADMIN, "chargers", charger, "configuration")
    if other is not None:
        page = operator.ask("GET", *path, "differences", query={"other": other})
        rows = [{"key": one["key"], charger: _value(one["one"]), other: _value(one["other"])} for one in page["data"]]
        operator.table(("key", charger, other), rows, page)
    elif since is not None:
        page = operator.ask("GET", *path, "changes", query={"from": since})
        operator.table(tuple(page["data"][0]) if page["data"] else (), page["data"], page)
    else:
        page = operator.ask("GET", *path)
        operator.table(COLUMNS, page["data"], page)


def _value(entry: Mapping[str, Any] | None) -> object:
    return None if entry is None else entry["value"]
