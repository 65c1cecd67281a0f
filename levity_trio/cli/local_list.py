"""`levity-trio local-list`: how the local lists of the chargers are kept, and the end of a pause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from levity_trio.cli.operator import Operator, command
from levity_trio.cli.tables import say, show_record, show_table

ADMIN, LISTS = "admin", "local-lists"
COLUMNS: Final = ("charger", "state", "version", "entries", "behind", "left_out", "told_at", "words")
MOST_SHOWN: Final = 50
STATUS_EXAMPLES: Final = """\
\b
Examples:
  levity-trio local-list status
  levity-trio local-list status CP-1

\b
States: up to date, sending, waiting (for the charger to connect), too long
(some tags have no room), paused (a list was sent by hand), not supported,
failing (tried again after pauses), off (serve --local-list off).
"""
EXAMPLES: Final = """\
\b
Examples:
  levity-trio local-list status
  levity-trio local-list resume CP-1
"""
RESUME_EXAMPLES: Final = """\
\b
Examples:
  levity-trio local-list resume CP-1
"""

local_list = click.Group(
    "local-list", help="See how the chargers' lists of tags are kept; end a pause.", epilog=EXAMPLES
)


@command("status", group=local_list, epilog=STATUS_EXAMPLES)
@click.argument("charger", required=False)
def status(operator: Operator, charger: str | None) -> None:
    """Show how the local lists are kept, or that of one charger.

    For one charger, the tags for which it has no room are shown too.
    """
    if charger is None:
        page = operator.ask("GET", ADMIN, LISTS, "status")
        operator.table(COLUMNS, page["data"], page)
        return
    path = (ADMIN, "chargers", charger, LISTS)
    (found,) = operator.ask("GET", *path, "status")["data"]
    left_out = operator.ask("GET", *path, "left-out", query={"limit": MOST_SHOWN}) if found["left_out"] else None
    _show(operator, found, left_out)


def _show(operator: Operator, found: Mapping[str, Any], left_out: Mapping[str, Any] | None) -> None:
    if operator.is_json:
        operator.record({**found, "tags_left_out": [] if left_out is None else left_out["data"]})
        return
    show_record(found)
    if left_out is not None:
        say("\nno room for:")
        show_table(("id_tag", "status"), left_out["data"])
        if (others := found["left_out"] - len(left_out["data"])) > 0:
            say(f"and {others} others")


@command("resume", group=local_list, epilog=RESUME_EXAMPLES)
@click.argument("charger")
def resume(operator: Operator, charger: str) -> None:
    """Keep the list of a charger again after one was sent by hand.

    A charger that fails is tried again at once.
    """
    operator.record(operator.ask("POST", ADMIN, "chargers", charger, LISTS, "resume"))
