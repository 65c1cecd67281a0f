"""`levity-trio local-list`: how the local lists of the chargers are kept, and the end of a
pause."""

from __future__ import annotations

from typing import Final

from levity_trio.cli.commands import group_of
from levity_trio.cli.declaring import WIDE, argument
from levity_trio.cli.operator import Operator
from levity_trio.cli.terminal import say, show_record, show_table

COLUMNS: Final = (
    "charger",
    "state",
    "entries",
    "words",
    "left_out",
    "behind",
    "told_at",
    "version",
)
MOST_SHOWN: Final = 50

local_list = group_of("local-list")


@local_list.api_command
@argument("[CHARGER]")
@WIDE
def status(operator: Operator, charger: str | None) -> None:
    """Show how the local lists are kept, or that of one charger.

    For one charger, the cards for which it has no room are shown too.

    Examples:
      levity-trio local-list status
      levity-trio local-list status CP-1

    \b
    States: up to date, sending, waiting (for the charger to connect), too long
    (some cards have no room), paused (a list was sent by hand), not supported,
    failing (tried again after pauses), off (serve --local-list off).
    """
    if charger is None:
        operator.show_page(
            COLUMNS,
            operator.get("local-lists", "status"),
            empty="no charger yet: levity-trio status",
        )
        return
    path = ("chargers", charger, "local-lists")
    (state,) = operator.get(*path, "status")["data"]
    left_out = (
        operator.get(*path, "left-out", limit=MOST_SHOWN)["data"] if state["left_out"] else []
    )
    if operator.is_told({**state, "tags_left_out": left_out}):
        return
    show_record(state)
    if state["left_out"]:
        say("\nno room for:")
        show_table(("id_tag", "status"), left_out)
        if (others := state["left_out"] - len(left_out)) > 0:
            say(f"and {others} others")
