"""`levity-trio local-list`: how the local lists of the chargers are kept, and the end of a
pause."""

from __future__ import annotations

from typing import Final

from levity_trio.cli.declaring import WIDE, argument
from levity_trio.cli.operator import Operator, api_group
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


@api_group
def local_list() -> None:
    """See how the chargers' lists of cards are kept; end a pause.

    Examples:
      levity-trio local-list status
      levity-trio local-list resume CP-1
    """


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


@local_list.api_command
@argument("CHARGER")
def resume(operator: Operator, charger: str) -> None:
    """Keep the list of a charger again after one was sent by hand.

    A charger that fails is tried again at once.

    Examples:
      levity-trio local-list resume CP-1
    """
    operator.record(operator.post("chargers", charger, "local-lists", "resume"))
